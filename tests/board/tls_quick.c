/* The quick P-256 beside BearSSL's own: the same numbers, the same refusals, and other curves as before. */
#include "p256.h"
#include "tap.h"
#include "tls_quick.h"

#include <string.h>

#define ROUNDS 20

static void scalar(uint8_t d[32])
{
	struct p256_key *key = NULL;

	if (p256_key_generate(&key, NULL) != OK || p256_key_scalar(key, d) != OK)
		memset(d, 1, 32);
	p256_key_free(key);
}

static void test_numbers(void)
{
	const br_ec_impl *own = br_ec_get_default();
	unsigned same = 0, shared = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t a[32], b[32], quick[65], slow[65];

		scalar(a);
		scalar(b);
		same += tls_quick_ec.mulgen(quick, a, 32, BR_EC_secp256r1) == 65 &&
		        own->mulgen(slow, a, 32, BR_EC_secp256r1) == 65 &&
		        memcmp(quick, slow, 65) == 0;
		shared += tls_quick_ec.mul(quick, 65, b, 32, BR_EC_secp256r1) == 1 &&
		          own->mul(slow, 65, b, 32, BR_EC_secp256r1) == 1 &&
		          memcmp(quick + 1, slow + 1, 32) == 0;
	}
	ok(same == ROUNDS, "public keys");
	ok(shared == ROUNDS, "shared secrets");
	ok(tls_quick_ec.supported_curves == own->supported_curves, "the curves of a ClientHello");
}

static void test_refused(void)
{
	uint8_t point[65], zero[32] = { 0 }, d[32];

	scalar(d);
	ok(tls_quick_ec.mulgen(point, zero, 32, BR_EC_secp256r1) == 0, "scalar 0");
	ok(tls_quick_ec.mulgen(point, d, 32, BR_EC_secp256r1) == 65, "another");
	ok(tls_quick_ec.mul(point, 65, zero, 32, BR_EC_secp256r1) == 0, "times 0");
	point[64] ^= 1;
	ok(tls_quick_ec.mul(point, 65, d, 32, BR_EC_secp256r1) == 0, "a point off the curve");
	point[64] ^= 1;
	point[0] = 2;
	ok(tls_quick_ec.mul(point, 65, d, 32, BR_EC_secp256r1) == 0, "a point of another form");
}

static void test_other_curves(void)
{
	const br_ec_impl *own = br_ec_get_default();
	static const int curves[] = { BR_EC_secp384r1, BR_EC_secp521r1, BR_EC_curve25519 };
	uint8_t d[66] = { 0 }, quick[133], slow[133];
	size_t n, order;

	d[65] = 77;
	for (size_t i = 0; i < COUNT(curves); i++) {
		(void)own->order(curves[i], &order);
		n = tls_quick_ec.mulgen(quick, d + 66 - order, order, curves[i]);
		ok(n > 0 && n == own->mulgen(slow, d + 66 - order, order, curves[i]) &&
		        memcmp(quick, slow, n) == 0,
		    "curve %d", curves[i]);
		d[65] = 78;
		ok(tls_quick_ec.mul(quick, n, d + 66 - order, order, curves[i]) == 1 &&
		        own->mul(slow, n, d + 66 - order, order, curves[i]) == 1 &&
		        memcmp(quick, slow, n) == 0,
		    "and its product");
		d[65] = 77;
	}
	ok(tls_quick_ec.order(BR_EC_secp256r1, &n) == own->order(BR_EC_secp256r1, &order) &&
	        tls_quick_ec.generator(BR_EC_secp256r1, &n) ==
	            own->generator(BR_EC_secp256r1, &order) &&
	        tls_quick_ec.xoff(BR_EC_secp256r1, &n) == own->xoff(BR_EC_secp256r1, &order),
	    "constants are BearSSL's");
}

static void test_verify(void)
{
	struct p256_key *key = NULL;
	uint8_t point[65] = { 4 }, digest[32] = { 1, 2, 3 }, rs[64], der[80];
	struct der_w w = der_writer(der, sizeof(der));
	br_ec_public_key of = { BR_EC_secp256r1, point, sizeof(point) };
	struct slice sig = { NULL, 0 };

	if (!ok(p256_key_generate(&key, NULL) == OK && p256_sign(key, digest, rs) == OK,
	        "a signature"))
		return;
	p256_key_public(key, point + 1);
	x509_sig_put(&w, rs);
	ok(der_finish(&w, &sig) == OK, "in DER");
	ok(tls_quick_verify(&tls_quick_ec, digest, 32, &of, sig.p, sig.n) == 1 &&
	        br_ecdsa_vrfy_asn1_get_default()(
	            br_ec_get_default(), digest, 32, &of, sig.p, sig.n) == 1,
	    "is right for both");
	digest[31] ^= 1;
	ok(tls_quick_verify(&tls_quick_ec, digest, 32, &of, sig.p, sig.n) == 0, "another digest");
	digest[31] ^= 1;
	ok(tls_quick_verify(&tls_quick_ec, digest, 32, &of, sig.p, sig.n - 1) == 0, "cut short");
	der[sig.n - 1] ^= 1;
	ok(tls_quick_verify(&tls_quick_ec, digest, 32, &of, sig.p, sig.n) == 0, "a bit changed");
	der[sig.n - 1] ^= 1;
	point[64] ^= 1;
	ok(tls_quick_verify(&tls_quick_ec, digest, 32, &of, sig.p, sig.n) == 0,
	    "a key off the curve");
	ok(tls_quick_verify(&tls_quick_ec, digest, 20, &of, sig.p, sig.n) == 0,
	    "a digest of another length is BearSSL's business");
	p256_key_free(key);
}

int main(void)
{
	test_numbers();
	test_refused();
	test_other_curves();
	test_verify();
	return done_testing();
}
