#include "csr.h"

static void put_cri(struct der_w *w, const struct x509_name *subject, const uint8_t q[64])
{
	size_t mark = der_open(w, DER_SEQUENCE);

	der_put(w, DER_INTEGER, BYTES(0)); /* version v1 (RFC 2986 4.1) */
	x509_name_put(w, subject);
	x509_spki_put(w, q);
	der_close(
	    w, der_open(w, DER_CONTEXT(0))); /* attributes: none, but the field is mandatory */
	der_close(w, mark);
}

enum err csr_build(const struct x509_name *subject, const uint8_t q[64],
    const struct x509_signer *signer, struct der_w *w)
{
	size_t mark = der_open(w, DER_SEQUENCE);
	uint8_t sig[64];
	enum err e;

	put_cri(w, subject, q);
	if (w->err == OK &&
	    (e = signer->sign(signer->ctx, (struct slice){ w->p + mark, w->n - mark }, sig)) != OK)
		w->err = e;
	if (w->err != OK)
		return w->err;
	x509_signature_put(w, sig);
	der_close(w, mark);
	return w->err;
}
