/* SHA: digests, HMAC, contexts. */
#include "command.h"

#include <string.h>

enum {
	SHA_START,
	SHA_UPDATE,
	SHA_END,
	SHA_PUBLIC,
	SHA_HMAC_START,
	SHA_HMAC_END, /* 508A; the 608 ends both with SHA_END */
	SHA_READ_CONTEXT,
	SHA_WRITE_CONTEXT,
};
enum { TARGET_TEMP, TARGET_DIGEST, TARGET_OUTPUT = 3 };
enum { KEY_IN_TEMP = 0xFFFF };

static enum status sha_start(struct engine *g, const struct request *rq)
{
	if (rq->in.n != 0)
		return ST_PARSE;
	sha256_init(&g->reg.sha);
	g->reg.sha_running = SHA_PLAIN;
	g->reg.sha_x509 = (struct x509_trace){ .blocks = 0 };
	return ST_OK;
}

/* 508A: whole blocks only. */
static enum status sha_update(struct engine *g, const struct request *rq)
{
	size_t least = memory_is_608(&g->mem) ? 1 : 64;

	if (rq->in.n != rq->p2 || rq->in.n < least || rq->in.n > 64)
		return ST_PARSE;
	if (g->reg.sha_running == SHA_NONE)
		return ST_EXECUTION;
	sha256_update(&g->reg.sha, rq->in);
	g->reg.sha_x509.blocks++;
	return ST_OK;
}

/* Adds the X|Y of a stored public key, as in a certificate that is being checked. */
static enum status sha_public(struct engine *g, const struct request *rq)
{
	struct x509_trace *trace = &g->reg.sha_x509;
	uint8_t q[64];

	if (rq->in.n != 0 || rq->p2 >= SLOTS || rq->p2 < 8)
		return ST_PARSE;
	if (g->reg.sha_running != SHA_PLAIN || !zones_locked(&g->mem) ||
	    key_config(&g->mem, rq->p2) & KC_PRIVATE || key_type(&g->mem, rq->p2) != KEY_TYPE_P256)
		return ST_EXECUTION;
	stored_point(&g->mem, rq->p2, q);
	sha256_update(&g->reg.sha, SLICE(q));
	trace->public_in = true;
	trace->public_slot = (uint8_t)rq->p2;
	trace->public_at = trace->blocks++;
	return ST_OK;
}

static enum status hmac_start(struct engine *g, const struct request *rq)
{
	bool in_temp = rq->p2 == KEY_IN_TEMP && memory_is_608(&g->mem);
	const struct temp_key *t = &g->reg.temp;
	const uint8_t *key = t->value;
	enum status st;

	if (rq->in.n != 0 || (rq->p2 >= SLOTS && !in_temp))
		return ST_PARSE;
	if (in_temp && (!t->valid || t->ephemeral))
		return ST_EXECUTION;
	if (!in_temp && slot_config(&g->mem, rq->p2) & SC_NO_MAC)
		return ST_EXECUTION;
	if (!in_temp && (st = secret_use(g, rq->p2, WITHOUT_TEMP, &key)) != ST_OK)
		return st;
	hmac_begin(&g->reg.sha, (struct slice){ key, 32 }, g->reg.sha_key);
	g->reg.sha_running = SHA_HMAC;
	return ST_OK;
}

static void deliver(struct engine *g, unsigned target, const uint8_t digest[32])
{
	struct registers *r = &g->reg;

	if (target == TARGET_TEMP) {
		temp_set(&r->temp, digest, TEMP_BY_SHA);
		r->temp.source_input = true;
		r->temp.x509 = r->sha_x509;
	} else if (target == TARGET_DIGEST) {
		memcpy(r->digest_buffer, digest, 32);
		r->digest_n = 32;
	}
}

static enum status sha_end(struct engine *g, const struct request *rq, struct reply *rp)
{
	bool is_608 = memory_is_608(&g->mem), hmac_end_508 = (rq->p1 & 7) == SHA_HMAC_END;
	unsigned target = rq->p1 >> 6;
	struct registers *r = &g->reg;
	uint8_t digest[32];

	if (target == 2 || (target && !is_608) || rq->in.n != rq->p2 || rq->in.n > 64)
		return ST_PARSE;
	if (r->sha_running == SHA_NONE || (!is_608 && hmac_end_508 != (r->sha_running == SHA_HMAC)))
		return ST_EXECUTION;
	sha256_update(&r->sha, rq->in);
	r->sha_x509.blocks += rq->in.n > 0;
	if (r->sha_running == SHA_HMAC) {
		hmac_end(&r->sha, r->sha_key, digest);
		r->sha_x509 = (struct x509_trace){ .blocks = 0 };
	} else {
		sha256_final(&r->sha, digest);
	}
	r->sha_running = SHA_NONE;
	deliver(g, target, digest);
	reply_put(rp, digest, 32);
	return ST_OK;
}

/*
 * A context outside the chip: bytes so far (4, little endian), eight words of state (little endian),
 * and what does not fill a block yet. This looks into struct sha256, as nothing else does.
 */
static enum status read_context(struct engine *g, const struct request *rq, struct reply *rp)
{
	const struct sha256 *h = &g->reg.sha;
	uint8_t out[36];

	if (rq->in.n != 0 || rq->p2 != 0)
		return ST_PARSE;
	if (g->reg.sha_running != SHA_PLAIN)
		return ST_EXECUTION;
	store_le32(out, h->total);
	for (size_t i = 0; i < 8; i++)
		store_le32(out + 4 + 4 * i, h->state[i]);
	reply_put(rp, out, sizeof(out));
	reply_put(rp, h->block, h->total % 64);
	return ST_OK;
}

static enum status write_context(struct engine *g, const struct request *rq)
{
	struct sha256 *h = &g->reg.sha;
	const uint8_t *p = rq->in.p;

	if (rq->in.n != rq->p2 || rq->in.n < 36 || rq->in.n != 36 + load_le32(p) % 64)
		return ST_PARSE;
	sha256_init(h);
	h->total = load_le32(p);
	for (size_t i = 0; i < 8; i++)
		h->state[i] = load_le32(p + 4 + 4 * i);
	memcpy(h->block, p + 36, rq->in.n - 36);
	g->reg.sha_running = SHA_PLAIN;
	g->reg.sha_x509 = (struct x509_trace){ .blocks = 0 };
	return ST_OK;
}

enum status command_sha(struct engine *g, const struct request *rq, struct reply *rp)
{
	bool is_608 = memory_is_608(&g->mem);
	unsigned mode = rq->p1 & 7;

	if (rq->p1 & 0x38 || (rq->p1 & 0xC0 && mode != SHA_END))
		return ST_PARSE;
	switch (mode) {
	case SHA_START:
		return sha_start(g, rq);
	case SHA_UPDATE:
		return sha_update(g, rq);
	case SHA_END:
		return sha_end(g, rq, rp);
	case SHA_PUBLIC:
		return sha_public(g, rq);
	case SHA_HMAC_START:
		return hmac_start(g, rq);
	case SHA_HMAC_END:
		return is_608 ? ST_PARSE : sha_end(g, rq, rp);
	case SHA_READ_CONTEXT:
		return is_608 ? read_context(g, rq, rp) : ST_PARSE;
	default:
		return is_608 ? write_context(g, rq) : ST_PARSE;
	}
}
