/* SHA. */
#include "command.h"

#include <string.h>

enum { SHA_START, SHA_UPDATE, SHA_END };
enum { TARGET_TEMP, TARGET_DIGEST, TARGET_OUTPUT = 3 };

static enum status sha_start(struct engine *g, const struct request *rq)
{
	if (rq->in.n != 0 || rq->p1 != SHA_START)
		return ST_PARSE;
	sha256_init(&g->reg.sha);
	g->reg.sha_running = SHA_PLAIN;
	return ST_OK;
}

/* 508A: whole blocks only. */
static enum status sha_update(struct engine *g, const struct request *rq)
{
	size_t least = memory_is_608(&g->mem) ? 1 : 64;

	if (rq->p1 != SHA_UPDATE || rq->in.n != rq->p2 || rq->in.n < least || rq->in.n > 64)
		return ST_PARSE;
	if (g->reg.sha_running == SHA_NONE)
		return ST_EXECUTION;
	sha256_update(&g->reg.sha, rq->in);
	return ST_OK;
}

static enum status sha_end(struct engine *g, const struct request *rq, struct reply *rp)
{
	unsigned target = rq->p1 >> 6;
	uint8_t digest[32];

	if (rq->p1 & 0x38 || target == 2 || (target && !memory_is_608(&g->mem)) ||
	    rq->in.n != rq->p2 || rq->in.n > 64)
		return ST_PARSE;
	if (g->reg.sha_running != SHA_PLAIN)
		return ST_EXECUTION;
	sha256_update(&g->reg.sha, rq->in);
	sha256_final(&g->reg.sha, digest);
	g->reg.sha_running = SHA_NONE;
	if (target == TARGET_TEMP) {
		temp_set(&g->reg.temp, digest, TEMP_BY_SHA);
		g->reg.temp.source_input = true;
	} else if (target == TARGET_DIGEST) {
		memcpy(g->reg.digest_buffer, digest, 32);
		g->reg.digest_n = 32;
	}
	reply_put(rp, digest, 32);
	return ST_OK;
}

enum status command_sha(struct engine *g, const struct request *rq, struct reply *rp)
{
	switch (rq->p1 & 7) {
	case SHA_START:
		return sha_start(g, rq);
	case SHA_UPDATE:
		return sha_update(g, rq);
	case SHA_END:
		return sha_end(g, rq, rp);
	default:
		return ST_PARSE;
	}
}
