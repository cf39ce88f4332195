#include "openssl.h"
#include "p256.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

struct work {
	EC_GROUP *group;
	BN_CTX *bn;
	BIGNUM *r, *s, *z, *x, *inverse, *u1, *u2;
	const BIGNUM *n;
	EC_POINT *point, *key;
};

static bool work_new(struct work *w)
{
	w->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	w->bn = BN_CTX_new();
	if (!w->group || !w->bn)
		return false;
	BN_CTX_start(w->bn);
	w->r = BN_CTX_get(w->bn);
	w->s = BN_CTX_get(w->bn);
	w->z = BN_CTX_get(w->bn);
	w->x = BN_CTX_get(w->bn);
	w->inverse = BN_CTX_get(w->bn);
	w->u1 = BN_CTX_get(w->bn);
	w->u2 = BN_CTX_get(w->bn);
	w->n = EC_GROUP_get0_order(w->group);
	w->point = EC_POINT_new(w->group);
	w->key = EC_POINT_new(w->group);
	return w->u2 && w->n && w->point && w->key;
}

static void work_free(struct work *w)
{
	EC_POINT_free(w->key);
	EC_POINT_free(w->point);
	BN_CTX_free(w->bn);
	EC_GROUP_free(w->group);
	ERR_clear_error();
}

/* r, s, z; u1 = -z / r and u2 = s / r modulo n. False: r or s is 0 or not below n. */
static bool numbers(struct work *w, const uint8_t digest[32], const uint8_t sig[64])
{
	if (!BN_bin2bn(sig, 32, w->r) || !BN_bin2bn(sig + 32, 32, w->s) ||
	    !BN_bin2bn(digest, 32, w->z) || BN_is_zero(w->r) || BN_is_zero(w->s) ||
	    BN_cmp(w->r, w->n) >= 0 || BN_cmp(w->s, w->n) >= 0)
		return false;
	return BN_mod_inverse(w->inverse, w->r, w->n, w->bn) &&
	       BN_mod_mul(w->u1, w->z, w->inverse, w->n, w->bn) &&
	       BN_mod_sub(w->u1, w->n, w->u1, w->n, w->bn) &&
	       BN_mod_mul(w->u2, w->s, w->inverse, w->n, w->bn);
}

/* The key for R = (x, y of this parity), if there is such a point. */
static bool key_of(struct work *w, int odd, uint8_t q[64])
{
	uint8_t point[65];

	if (BN_cmp(w->x, EC_GROUP_get0_field(w->group)) >= 0 || /* OpenSSL would reduce it */
	    EC_POINT_set_compressed_coordinates(w->group, w->point, w->x, odd, w->bn) != 1 ||
	    EC_POINT_mul(w->group, w->key, w->u1, w->point, w->u2, w->bn) != 1 ||
	    EC_POINT_point2oct(w->group, w->key, POINT_CONVERSION_UNCOMPRESSED, point,
	        sizeof(point), w->bn) != sizeof(point))
		return false;
	for (int i = 0; i < 64; i++)
		q[i] = point[1 + i];
	return true;
}

enum err p256_recover(
    const uint8_t digest[32], const uint8_t sig[64], uint8_t q[P256_RECOVER_MAX][64], size_t *n)
{
	struct work w = { 0 };
	enum err e = OK;

	*n = 0;
	if (!work_new(&w)) {
		e = ERR_MEMORY;
		goto out;
	}
	if (!numbers(&w, digest, sig)) {
		e = ERR_FORMAT;
		goto out;
	}
	/* x of R is r, or r + n where that is still below p. */
	for (int high = 0; high < 2; high++) {
		if (high ? !BN_add(w.x, w.r, w.n) : !BN_copy(w.x, w.r)) {
			e = ERR_MEMORY;
			goto out;
		}
		for (int odd = 0; odd < 2; odd++)
			*n += key_of(&w, odd, q[*n]);
	}
out:
	work_free(&w);
	return e;
}
