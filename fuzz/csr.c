/* A request that is read is written again, from what was understood, as it was. */
#include "csr.h"
#include "fuzz.h"

static enum err verify(void *ctx, const uint8_t q[64], struct slice message, const uint8_t sig[64])
{
	const struct csr *csr = ctx;

	CHECK(q == csr->q && slice_equal(message, csr->cri));
	return sig[0] & 1 ? OK : ERR_DENIED;
}

static void rebuild(const struct csr *csr, struct der_w *w)
{
	size_t outer = der_open(w, DER_SEQUENCE), cri = der_open(w, DER_SEQUENCE);

	der_put_uint(w, BYTES(0));
	der_raw(w, csr->subject);
	x509_spki_put(w, csr->q);
	der_put(w, DER_CONTEXT(0), csr->attributes);
	der_close(w, cri);
	x509_signature_put(w, csr->sig);
	der_close(w, outer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buffer[CSR_MAX];
	struct slice in = { data, size }, out;
	struct der_w w = der_writer(buffer, sizeof(buffer));
	enum csr_fault fault = CSR_FAULTS;
	struct csr csr;
	struct x509_verifier verifier = { &csr, verify };
	enum err e = csr_parse(in, &csr, &fault);

	CHECK(fault < CSR_FAULTS && (e == OK) == (fault == CSR_FINE));
	CHECK(e == OK || e == (size > CSR_MAX ? ERR_SPACE : ERR_FORMAT));
	if (e != OK)
		return 0;
	rebuild(&csr, &w);
	CHECK(der_finish(&w, &out) == OK && slice_equal(out, in));
	CHECK(csr_verify(&csr, &verifier, &fault) == (csr.sig[0] & 1 ? OK : ERR_DENIED));
	return 0;
}
