#include "sha256.h"

#include <string.h>

/* FIPS 180-4 4.2.2. */
static const uint32_t k[64] = { 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
	0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
	0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
	0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585,
	0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
	0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };

/* FIPS 180-4 5.3.3. */
static const uint32_t initial[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
	0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

static uint32_t rotr(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

/* FIPS 180-4 6.2.2. The message schedule is kept as a ring of 16 words: 192 bytes less stack. */
static void compress(struct sha256 *h)
{
	uint32_t w[16], v[8];

	for (unsigned i = 0; i < 16; i++)
		w[i] = load_be32(h->block + 4 * i);
	memcpy(v, h->state, sizeof(v));

	for (unsigned i = 0; i < 64; i++) {
		uint32_t x = w[(i + 1) & 15], y = w[(i + 14) & 15], e = v[4], a = v[0];
		uint32_t now = w[i & 15], t1, t2;

		t1 = v[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & v[5]) ^ (~e & v[6])) +
		     k[i] + now;
		t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) +
		     ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
		/* Slot i is read no more: it becomes word i + 16. */
		w[i & 15] = now + (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3) + w[(i + 9) & 15] +
		            (rotr(y, 17) ^ rotr(y, 19) ^ y >> 10);
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (unsigned i = 0; i < 8; i++)
		h->state[i] += v[i];
	wipe(w, sizeof(w));
	wipe(v, sizeof(v));
}

void sha256_init(struct sha256 *h)
{
	memcpy(h->state, initial, sizeof(initial));
	h->total = 0;
}

void sha256_update(struct sha256 *h, struct slice part)
{
	while (part.n > 0) {
		size_t at = h->total & 63, take = 64 - at;

		if (take > part.n)
			take = part.n;
		memcpy(h->block + at, part.p, take);
		h->total += (uint32_t)take;
		part.p += take;
		part.n -= take;
		if (at + take == 64)
			compress(h);
	}
}

void sha256_final(struct sha256 *h, uint8_t digest[32])
{
	uint32_t total = h->total;
	size_t at = total & 63;

	h->block[at++] = 0x80;
	if (at > 56) { /* no room for the length: it goes into a block of its own */
		memset(h->block + at, 0, 64 - at);
		compress(h);
		at = 0;
	}
	memset(h->block + at, 0, 56 - at);
	store_be32(h->block + 56, total >> 29);
	store_be32(h->block + 60, total << 3);
	compress(h);
	for (unsigned i = 0; i < 8; i++)
		store_be32(digest + 4 * i, h->state[i]);
	wipe(h, sizeof(*h));
}

void sha256(struct slice message, uint8_t digest[32])
{
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, message);
	sha256_final(&h, digest);
}
