/*
 * seed.h -- random numbers that a test can foresee; nothing at all in a release build.
 *
 * With IMPRINT_TEST_SEED=TEXT in its environment a chip draws its serial number, and all that Random,
 * Nonce, GenKey and the like draw, from TEXT and the name of its state file, from the beginning each
 * time it is opened. What signing draws for itself stays OpenSSL's. Only with -Dtest_hooks=true.
 */
#ifndef IMPRINT_EMU_SEED_H
#define IMPRINT_EMU_SEED_H

#include "base.h"

struct seed {
	uint8_t key[32];
	uint32_t drawn;
};

#ifdef IMPRINT_TEST_HOOKS
#include "sha256.h"

#include <stdlib.h>
#include <string.h>

/* False: there is none, and the operating system's generator is to be used. */
static inline bool seed_plant(struct seed *s, const char *path)
{
	const char *text = getenv("IMPRINT_TEST_SEED"), *name = path ? strrchr(path, '/') : NULL;
	struct sha256 h;

	if (!text)
		return false;
	name = name ? name + 1 : path ? path : "";
	sha256_init(&h);
	sha256_update(&h, (struct slice){ (const uint8_t *)text, strlen(text) + 1 });
	sha256_update(&h, (struct slice){ (const uint8_t *)name, strlen(name) });
	sha256_final(&h, s->key);
	s->drawn = 0;
	return true;
}

/* SHA-256(key | number) by 32 bytes. */
static inline enum err seed_random(void *ctx, uint8_t *out, size_t n)
{
	struct seed *s = ctx;
	uint8_t message[36], block[32];

	memcpy(message, s->key, 32);
	for (size_t at = 0; at < n; at += 32) {
		store_le32(message + 32, s->drawn++);
		sha256(SLICE(message), block);
		memcpy(out + at, block, n - at < 32 ? n - at : 32);
	}
	return OK;
}
#else
static inline bool seed_plant(struct seed *s, const char *path)
{
	(void)s;
	(void)path;
	return false;
}

static inline enum err seed_random(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	(void)out;
	(void)n;
	return ERR_IO;
}
#endif

#endif
