/* Random and Nonce. */
#include "command.h"

#include <string.h>

enum status command_random(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t out[32];
	enum status st;

	if (rq->in.n != 0 || rq->p1 > 1 || rq->p2 != 0)
		return ST_PARSE;
	if ((st = engine_random(g, out, 32)) != ST_OK)
		return st;
	reply_put(rp, out, 32);
	return ST_OK;
}

/* SHA-256(first | NumIn | 16 | mode | low byte of param2). */
static void nonce_digest(const uint8_t first[32], const struct request *rq, uint8_t out[32])
{
	uint8_t tail[3] = { rq->opcode, rq->p1, (uint8_t)rq->p2 };
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, (struct slice){ first, 32 });
	sha256_update(&h, rq->in);
	sha256_update(&h, SLICE(tail));
	sha256_final(&h, out);
}

static enum status nonce_random(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t out[32], value[32];
	enum status st;

	if ((st = engine_random(g, out, 32)) != ST_OK)
		return st;
	nonce_digest(out, rq, value);
	temp_set(&g->reg.temp, value, TEMP_BY_NONCE);
	reply_put(rp, out, 32);
	return ST_OK;
}

/* The calculated nonce: TempKey moves on, in the open, and keeps its flags. */
static enum status nonce_roll(struct engine *g, const struct request *rq, struct reply *rp)
{
	struct temp_key *t = &g->reg.temp;
	uint8_t value[32];

	if (!t->valid || t->ephemeral)
		return ST_EXECUTION;
	nonce_digest(t->value, rq, value);
	memcpy(t->value, value, 32);
	reply_put(rp, value, 32);
	return ST_OK;
}

enum { TARGET_TEMP, TARGET_DIGEST, TARGET_ALTERNATE };

static enum status nonce_fixed(struct engine *g, const struct request *rq)
{
	unsigned target = rq->p1 >> 6;
	size_t n = rq->p1 & 0x20 ? 64 : 32;
	struct registers *r = &g->reg;

	if (rq->p1 & (memory_is_608(&g->mem) ? 0x1C : 0xFC) || rq->in.n != n || rq->p2 != 0)
		return ST_PARSE;
	switch (target) {
	case TARGET_TEMP:
		temp_set(&r->temp, rq->in.p, TEMP_BY_NONCE);
		r->temp.source_input = true;
		memcpy(r->temp.value, rq->in.p, n);
		r->temp.both_halves = n == 64;
		return ST_OK;
	case TARGET_DIGEST:
		memcpy(r->digest_buffer, rq->in.p, n);
		r->digest_n = n;
		return ST_OK;
	case TARGET_ALTERNATE:
		if (n != 32)
			return ST_PARSE;
		memcpy(r->alternate_key, rq->in.p, n);
		r->alternate_valid = true;
		return ST_OK;
	default:
		return ST_PARSE;
	}
}

enum status command_nonce(struct engine *g, const struct request *rq, struct reply *rp)
{
	if ((rq->p1 & 3) == 3)
		return nonce_fixed(g, rq);
	if (rq->p1 > 1 || rq->in.n != 20 || rq->p2 & 0x7FFF)
		return ST_PARSE;
	return rq->p2 ? nonce_roll(g, rq, rp) : nonce_random(g, rq, rp);
}
