#include "x509.h"

#include <string.h>

const uint8_t x509_ecdsa_sha256[12] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04,
	0x03, 0x02 };

/*
 * Everything of a P-256 SubjectPublicKeyInfo before X: id-ecPublicKey, prime256v1, BIT STRING
 * without unused bits, uncompressed form (RFC 5480 2.1.1, 2.2).
 */
static const uint8_t spki_head[X509_SPKI_SIZE - 64] = { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a,
	0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
	0x07, 0x03, 0x42, 0x00, 0x04 };

/* Order n of the group (SEC 2 section 2.4.2). */
static const uint8_t order[32] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9,
	0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };

void x509_spki_put(struct der_w *w, const uint8_t q[64])
{
	der_raw(w, SLICE(spki_head));
	der_raw(w, (struct slice){ q, 64 });
}

enum err x509_spki_take(struct slice *in, uint8_t q[64])
{
	struct slice rest = *in;

	if (der_take_exact(&rest, SLICE(spki_head)) != OK || rest.n < 64)
		return ERR_FORMAT;
	memcpy(q, rest.p, 64);
	in->p += X509_SPKI_SIZE;
	in->n -= X509_SPKI_SIZE;
	return OK;
}

/* 1 <= v < n (FIPS 186-5 6.4.2 step 1): v is not zero, and v - n borrows. */
static bool in_range(const uint8_t v[32])
{
	unsigned any = 0, borrow = 0;

	for (unsigned i = 32; i-- > 0;) {
		any |= v[i];
		borrow = (v[i] - order[i] - borrow) >> 31;
	}
	return any != 0 && borrow != 0;
}

void x509_sig_put(struct der_w *w, const uint8_t sig[64])
{
	size_t mark = der_open(w, DER_SEQUENCE);

	for (unsigned i = 0; i < 64 && w->err == OK; i += 32) {
		if (!in_range(sig + i))
			der_fail(w, ERR_ARG);
		der_put_uint(w, (struct slice){ sig + i, 32 });
	}
	der_close(w, mark);
}

enum err x509_sig_parse(struct slice der, uint8_t sig[64])
{
	struct slice pair;
	uint8_t got[64];

	if (der_take(&der, DER_SEQUENCE, &pair) != OK || der_end(&der) != OK ||
	    der_take_uint(&pair, got, 32) != OK || der_take_uint(&pair, got + 32, 32) != OK ||
	    der_end(&pair) != OK || !in_range(got) || !in_range(got + 32))
		return ERR_FORMAT;
	memcpy(sig, got, 64);
	return OK;
}

void x509_signature_put(struct der_w *w, const uint8_t sig[64])
{
	size_t bits;

	der_raw(w, SLICE(x509_ecdsa_sha256));
	bits = der_open(w, DER_BIT_STRING);
	der_raw(w, BYTES(0)); /* no unused bits */
	x509_sig_put(w, sig);
	der_close(w, bits);
}

enum err x509_signature_take(struct slice *in, uint8_t sig[64])
{
	struct slice rest = *in, bits;

	if (der_take_exact(&rest, SLICE(x509_ecdsa_sha256)) != OK ||
	    der_take_bits(&rest, &bits) != OK || x509_sig_parse(bits, sig) != OK)
		return ERR_FORMAT;
	*in = rest;
	return OK;
}
