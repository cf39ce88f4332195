/* SecureBoot and SelfTest (608). */
#include "command.h"

#include "aes.h"

#include <string.h>

/* --- SecureBoot --- */

enum { BOOT_FULL = 5, BOOT_STORED = 6, BOOT_COPY = 7, BOOT_PROHIBIT = 0x40, BOOT_MAC = 0x80 };
/* SecureBoot configuration: what the slot keeps. */
enum { KEEP_NOTHING = 1, KEEP_SIGNATURE = 2, KEEP_DIGEST = 3 };
enum { BOOT_SET_LATCH = 0x08, BOOT_RANDOM = 0x10 };

struct boot {
	uint16_t config;
	unsigned mode, keeps, key_slot, kept_slot;
	uint8_t digest[32];
	uint8_t session[32]; /* with BOOT_MAC: hides the digest and answers for the chip */
	const uint8_t *sig;  /* NULL: the digest is compared with the kept one */
};

static enum status boot_allowed(const struct engine *g, const struct boot *b)
{
	const struct memory *m = &g->mem;

	if (!zones_locked(m) || b->keeps == 0 || g->reg.boot_prohibited ||
	    (b->keeps == KEEP_NOTHING && b->mode != BOOT_FULL))
		return ST_EXECUTION;
	if (b->mode != BOOT_FULL &&
	    (key_config(m, b->kept_slot) & KC_PRIVATE ||
	        slot_size(b->kept_slot) < (b->keeps == KEEP_SIGNATURE ? 64u : 32u)))
		return ST_EXECUTION;
	if (b->mode == BOOT_COPY && slot_locked(m, b->kept_slot))
		return ST_EXECUTION;
	if (b->config & BOOT_RANDOM && (!g->reg.temp.valid || g->reg.temp.source_input))
		return ST_EXECUTION;
	return b->sig && !stored_point_usable(m, b->key_slot) ? ST_EXECUTION : ST_OK;
}

/* SHA-256(IO protection key | TempKey) */
static enum status boot_session(const struct engine *g, struct boot *b)
{
	const struct temp_key *t = &g->reg.temp;
	const uint8_t *key;
	struct sha256 h;
	enum status st;

	if (!t->valid || t->ephemeral)
		return ST_EXECUTION;
	if ((st = io_key(g, &key)) != ST_OK)
		return st;
	sha256_init(&h);
	sha256_update(&h, (struct slice){ key, 32 });
	sha256_update(&h, (struct slice){ t->value, 32 });
	sha256_final(&h, b->session);
	for (size_t i = 0; i < 32; i++)
		b->digest[i] ^= b->session[i];
	return ST_OK;
}

static enum status boot_check(struct engine *g, const struct boot *b)
{
	uint8_t q[64];

	if (!b->sig)
		return ct_equal(b->digest, slot_bytes(&g->mem, b->kept_slot), 32) ? ST_OK
		                                                                  : ST_MISCOMPARE;
	stored_point(&g->mem, b->key_slot, q);
	switch (p256_verify(g->p256, q, b->digest, b->sig)) {
	case OK:
		return ST_OK;
	case ERR_DENIED:
		return ST_MISCOMPARE;
	case ERR_FORMAT:
		return ST_EXECUTION;
	default:
		return ST_ECC;
	}
}

static void boot_reply(const struct boot *b, const struct request *rq, struct reply *rp)
{
	uint8_t mac[32];
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, SLICE(b->session));
	sha256_update(&h, SLICE(b->digest));
	sha256_update(&h, (struct slice){ b->sig ? b->sig : b->digest, b->sig ? 64 : 0 });
	put_header(&h, rq);
	sha256_final(&h, mac);
	reply_put(rp, mac, 32);
}

static enum status boot_run(
    struct engine *g, const struct request *rq, struct boot *b, struct reply *rp)
{
	enum status st;

	if ((st = boot_allowed(g, b)) != ST_OK ||
	    (rq->p1 & BOOT_MAC && (st = boot_session(g, b)) != ST_OK) ||
	    (st = boot_check(g, b)) != ST_OK)
		return st;
	if (b->mode == BOOT_COPY)
		memory_write_slot(&g->mem, b->kept_slot, 0,
		    b->keeps == KEEP_SIGNATURE ? b->sig : b->digest,
		    b->keeps == KEEP_SIGNATURE ? 64 : 32);
	if (b->config & BOOT_SET_LATCH)
		g->reg.latch = true;
	if (rq->p1 & BOOT_MAC)
		boot_reply(b, rq, rp);
	return ST_OK;
}

enum status command_secureboot(struct engine *g, const struct request *rq, struct reply *rp)
{
	struct boot b = { .config = load_le16(g->mem.config + AT_SECURE_BOOT), .mode = rq->p1 & 7 };
	enum status st;

	if (b.mode < BOOT_FULL || rq->p1 & 0x38 || rq->in.n != (b.mode == BOOT_STORED ? 32 : 96))
		return ST_PARSE;
	b.keeps = b.config & 3;
	b.kept_slot = b.config >> 8 & 15;
	b.key_slot = b.config >> 12;
	memcpy(b.digest, rq->in.p, 32);
	if (b.mode != BOOT_STORED)
		b.sig = rq->in.p + 32;
	else if (b.keeps == KEEP_SIGNATURE)
		b.sig = slot_bytes(&g->mem, b.kept_slot);
	st = boot_run(g, rq, &b, rp);
	if (rq->p1 & BOOT_MAC || b.config & BOOT_RANDOM)
		temp_clear(&g->reg.temp);
	if (rq->p1 & BOOT_PROHIBIT)
		g->reg.boot_prohibited = true;
	wipe(&b, sizeof(b));
	return st;
}

/* --- SelfTest: what the engine computes with is really tried --- */

static bool test_random(struct engine *g)
{
	uint8_t a[32], b[32];

	return g->random(g->random_ctx, a, 32) == OK && g->random(g->random_ctx, b, 32) == OK &&
	       memcmp(a, b, 32) != 0;
}

static bool test_pair(
    bool (*test)(struct engine *, struct p256_key *, struct p256_key *), struct engine *g)
{
	struct p256_key *a = NULL, *b = NULL;
	uint8_t scalar[32];
	bool good = engine_key_new(g, scalar, &a) == ST_OK &&
	            engine_key_new(g, scalar, &b) == ST_OK && test(g, a, b);

	p256_key_free(a);
	p256_key_free(b);
	wipe(scalar, sizeof(scalar));
	return good;
}

static bool test_ecdsa(struct engine *g, struct p256_key *a, struct p256_key *b)
{
	uint8_t digest[32] = { 0x5A }, sig[64], qa[64], qb[64];

	p256_key_public(a, qa);
	p256_key_public(b, qb);
	return p256_sign(a, digest, sig) == OK && p256_verify(g->p256, qa, digest, sig) == OK &&
	       p256_verify(g->p256, qb, digest, sig) == ERR_DENIED;
}

static bool test_ecdh(struct engine *g, struct p256_key *a, struct p256_key *b)
{
	uint8_t qa[64], qb[64], xa[32], xb[32];

	(void)g;
	p256_key_public(a, qa);
	p256_key_public(b, qb);
	return p256_ecdh(a, qb, xa) == OK && p256_ecdh(b, qa, xb) == OK && ct_equal(xa, xb, 32);
}

/* FIPS 197 appendix C.1. */
static bool test_aes(void)
{
	static const uint8_t want[16] = { 0x69, 0xC4, 0xE0, 0xD8, 0x6A, 0x7B, 0x04, 0x30, 0xD8,
		0xCD, 0xB7, 0x80, 0x70, 0xB4, 0xC5, 0x5A };
	uint8_t key[16], block[16];

	for (uint8_t i = 0; i < 16; i++) {
		key[i] = i;
		block[i] = (uint8_t)(i * 0x11);
	}
	return aes128_encrypt(key, block, block) == OK && memcmp(block, want, 16) == 0;
}

/* FIPS 180-4, "abc". */
static bool test_sha(void)
{
	static const uint8_t want[4] = { 0xBA, 0x78, 0x16, 0xBF };
	uint8_t digest[32];

	sha256(TEXT("abc"), digest);
	return memcmp(digest, want, 4) == 0;
}

enum status command_selftest(struct engine *g, const struct request *rq, struct reply *rp)
{
	unsigned failed = 0;

	(void)rp;
	if (rq->in.n != 0 || rq->p1 == 0 || rq->p1 & 0xC0)
		return ST_PARSE;
	failed |= rq->p1 & 0x01 && !test_random(g) ? 0x01 : 0;
	failed |= rq->p1 & 0x06 && !test_pair(test_ecdsa, g) ? rq->p1 & 0x06 : 0;
	failed |= rq->p1 & 0x08 && !test_pair(test_ecdh, g) ? 0x08 : 0;
	failed |= rq->p1 & 0x10 && !test_aes() ? 0x10 : 0;
	failed |= rq->p1 & 0x20 && !test_sha() ? 0x20 : 0;
	return (enum status)failed; /* one byte: the bits that failed */
}
