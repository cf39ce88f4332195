/*
 * sha256.h -- SHA-256 (FIPS 180-4), for hosts, boards and WebAssembly alike.
 *
 * A `struct sha256` lives in the caller's memory. Messages are limited to 2^32 - 1 bytes, far above
 * anything here. Timing does not depend on the data. After sha256_final the struct is wiped.
 *
 *	struct sha256 h;
 *	sha256_init(&h);
 *	sha256_update(&h, part);
 *	sha256_final(&h, digest);
 */
#ifndef IMPRINT_SHA256_H
#define IMPRINT_SHA256_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sha256 { /* private */
	uint32_t state[8];
	uint32_t total; /* bytes so far */
	uint8_t block[64];
};

void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, struct slice part);
void sha256_final(struct sha256 *h, uint8_t digest[32]);

/* One message in one call. */
void sha256(struct slice message, uint8_t digest[32]);

#ifdef __cplusplus
}
#endif
#endif
