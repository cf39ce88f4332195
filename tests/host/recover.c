/* The keys that a signature fits: the signer's is among them, and all of them verify. */
#include "p256.h"
#include "tap.h"

#include <stdlib.h>

static void round_trip(struct p256 *p, struct p256_key *key, unsigned i)
{
	uint8_t digest[32], sig[64], q[64], found[P256_RECOVER_MAX][64];
	bool mine = false, all = true;
	size_t n;

	memset(digest, (int)(i * 29), sizeof(digest));
	p256_key_public(key, q);
	if (p256_sign(key, digest, sig) != OK || p256_recover(digest, sig, found, &n) != OK)
		exit(1);
	for (size_t k = 0; k < n; k++) {
		mine = mine || memcmp(found[k], q, 64) == 0;
		all = all && p256_verify(p, found[k], digest, sig) == OK;
	}
	ok(mine && n >= 2, "digest %u: the signer's key is one of %zu", i, n);
	ok(all, "digest %u: the signature verifies under each", i);
	digest[31] ^= 1;
	mine = false;
	if (p256_recover(digest, sig, found, &n) != OK)
		exit(1);
	for (size_t k = 0; k < n; k++)
		mine = mine || memcmp(found[k], q, 64) == 0;
	ok(!mine, "digest %u: not of another digest", i);
}

int main(void)
{
	static const uint8_t order[32] = { 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF,
		0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3,
		0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51 };
	uint8_t digest[32] = { 1 }, sig[64] = { 0 }, q[P256_RECOVER_MAX][64];
	struct p256_key *key = NULL;
	struct p256 *p = NULL;
	size_t n;

	if (p256_new(&p, NULL) != OK || p256_key_generate(&key, NULL) != OK)
		return 1;
	for (unsigned i = 0; i < 8; i++)
		round_trip(p, key, i);
	ok(p256_recover(digest, sig, q, &n) == ERR_FORMAT, "r and s 0");
	sig[31] = 1;
	ok(p256_recover(digest, sig, q, &n) == ERR_FORMAT, "s 0");
	memcpy(sig + 32, order, 32);
	ok(p256_recover(digest, sig, q, &n) == ERR_FORMAT, "s = n");
	p256_key_free(key);
	p256_free(p);
	return done_testing();
}
