#include "csr.h"

static const uint8_t version1[] = { DER_INTEGER, 1, 0 };      /* RFC 2986 4.1 */
static const uint8_t no_attributes[] = { DER_CONTEXT(0), 0 }; /* the field is mandatory */

enum err csr_build(const struct x509_name *subject, const uint8_t q[64],
    const struct x509_signer *signer, struct der_w *w)
{
	size_t mark = der_open(w, DER_SEQUENCE), cri = der_open(w, DER_SEQUENCE);
	uint8_t sig[64];

	der_raw(w, SLICE(version1));
	x509_name_put(w, subject);
	x509_spki_put(w, q);
	der_raw(w, SLICE(no_attributes));
	der_close(w, cri);
	if (w->err == OK)
		w->err = signer->sign(signer->ctx, (struct slice){ w->p + mark, w->n - mark }, sig);
	x509_signature_put(w, sig); /* looks at sig only when nothing has failed */
	der_close(w, mark);
	return w->err;
}
