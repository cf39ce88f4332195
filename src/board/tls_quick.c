#include "tls_quick.h"
#include "p256.h"

#include <string.h>

#define POINT 65 /* 04 X Y */
#define SCALAR 32

static const unsigned char *generator(int curve, size_t *n)
{
	return br_ec_get_default()->generator(curve, n);
}

static const unsigned char *order(int curve, size_t *n)
{
	return br_ec_get_default()->order(curve, n);
}

static size_t xoff(int curve, size_t *n)
{
	return br_ec_get_default()->xoff(curve, n);
}

static uint32_t mul(
    unsigned char *point, size_t point_n, const unsigned char *x, size_t x_n, int curve)
{
	struct p256_key *key = NULL;
	uint8_t shared[32];
	bool done;

	if (curve != BR_EC_secp256r1 || point_n != POINT || x_n != SCALAR)
		return br_ec_get_default()->mul(point, point_n, x, x_n, curve);
	done = point[0] == 4 && p256_key_from_scalar(x, &key, NULL) == OK &&
	       p256_ecdh(key, point + 1, shared) == OK;
	if (done) {
		memcpy(point + 1, shared, sizeof(shared));
		memset(point + 1 + sizeof(shared), 0, sizeof(shared));
	}
	wipe(shared, sizeof(shared));
	p256_key_free(key);
	return done;
}

static size_t mulgen(unsigned char *point, const unsigned char *x, size_t x_n, int curve)
{
	struct p256_key *key = NULL;

	if (curve != BR_EC_secp256r1 || x_n != SCALAR)
		return br_ec_get_default()->mulgen(point, x, x_n, curve);
	if (p256_key_from_scalar(x, &key, NULL) != OK)
		return 0;
	point[0] = 4;
	p256_key_public(key, point + 1);
	p256_key_free(key);
	return POINT;
}

static uint32_t muladd(unsigned char *a, const unsigned char *b, size_t n, const unsigned char *x,
    size_t x_n, const unsigned char *y, size_t y_n, int curve)
{
	return br_ec_get_default()->muladd(a, b, n, x, x_n, y, y_n, curve);
}

const br_ec_impl tls_quick_ec = {
	/* Those of BearSSL's default: they stand in the ClientHello. */
	.supported_curves = 1u << BR_EC_secp256r1 | 1u << BR_EC_secp384r1 | 1u << BR_EC_secp521r1 |
	                    1u << BR_EC_curve25519,
	.generator = generator,
	.order = order,
	.xoff = xoff,
	.mul = mul,
	.mulgen = mulgen,
	.muladd = muladd,
};

uint32_t tls_quick_verify(const br_ec_impl *ec, const void *hash, size_t hash_n,
    const br_ec_public_key *key, const void *sig, size_t sig_n)
{
	struct p256 *p = NULL;
	uint8_t rs[64];
	bool good;

	if (key->curve != BR_EC_secp256r1 || hash_n != 32 || key->qlen != POINT)
		return br_ecdsa_vrfy_asn1_get_default()(ec, hash, hash_n, key, sig, sig_n);
	good = key->q[0] == 4 && x509_sig_parse((struct slice){ sig, sig_n }, rs) == OK &&
	       p256_new(&p, NULL) == OK && p256_verify(p, key->q + 1, hash, rs) == OK;
	p256_free(p);
	return good;
}
