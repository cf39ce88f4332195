#include "p256.h"
#include "digest.h"
#include "openssl.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/err.h>

struct p256 {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *verify;
	struct digest *digest;
	uint8_t q[64]; /* what pkey holds now */
	bool known;    /* q is valid: the last set did not fail */
};

/* The generator (SEC 2, 2.4.2): a point to begin the reused key object with. */
static const uint8_t generator[64] = {
	0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40,
	0xf2, //
	0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2,
	0x96, //
	0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e,
	0x16, //
	0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51,
	0xf5, //
};

enum err p256_new(struct p256 **out, struct errbuf *eb)
{
	struct p256 *p = calloc(1, sizeof(*p));
	enum err e;

	if (!p)
		return err_set(eb, ERR_MEMORY, "no memory for a P-256 verifier");
	if ((e = openssl_public(generator, &p->pkey)) != OK) {
		err_set(eb, e, "P-256 verifier: %s", err_text(e));
		goto out;
	}
	if (!(p->verify = EVP_PKEY_CTX_new_from_pkey(NULL, p->pkey, NULL)) ||
	    EVP_PKEY_verify_init(p->verify) != 1) {
		e = openssl_failed(eb, ERR_MEMORY, "P-256 verifier");
		goto out;
	}
	if ((e = digest_new(&p->digest, eb)) != OK)
		goto out;
	*out = p;
	p = NULL;
out:
	p256_free(p);
	return e;
}

void p256_free(struct p256 *p)
{
	if (!p)
		return;
	digest_free(p->digest);
	EVP_PKEY_CTX_free(p->verify);
	EVP_PKEY_free(p->pkey);
	free(p);
}

/* Puts q into the reused key object; a new object for each key would cost a third of a
 * verification. */
enum err p256_point_check(struct p256 *p, const uint8_t q[64])
{
	uint8_t point[65] = { POINT_CONVERSION_UNCOMPRESSED };

	if (p->known && memcmp(p->q, q, 64) == 0)
		return OK;
	p->known = false;
	memcpy(point + 1, q, 64);
	if (EVP_PKEY_set1_encoded_public_key(p->pkey, point, sizeof(point)) != 1)
		return openssl_failed(NULL, ERR_FORMAT, "public key");
	memcpy(p->q, q, 64);
	p->known = true;
	return OK;
}

enum err p256_verify(
    struct p256 *p, const uint8_t q[64], const uint8_t digest[32], const uint8_t sig[64])
{
	uint8_t der[72];
	struct der_w w = der_writer(der, sizeof(der));
	struct slice out;
	enum err e;

	if ((e = p256_point_check(p, q)) != OK)
		return e;
	x509_sig_put(&w, sig);
	if (der_finish(&w, &out) != OK)
		return ERR_DENIED; /* r or s is 0 or not below n */
	if (EVP_PKEY_verify(p->verify, out.p, out.n, digest, 32) == 1)
		return OK;
	return openssl_failed(NULL, ERR_DENIED, "signature");
}

static enum err verify(void *ctx, const uint8_t q[64], struct slice message, const uint8_t sig[64])
{
	struct p256 *p = ctx;
	uint8_t digest[32];
	enum err e = digest_sha256(p->digest, message, digest);

	return e == OK ? p256_verify(p, q, digest, sig) : e;
}

struct x509_verifier p256_verifier(struct p256 *p)
{
	return (struct x509_verifier){ p, verify };
}
