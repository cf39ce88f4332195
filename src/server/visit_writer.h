/*
 * visit_writer.h -- visits on their way into the registry, and what the first use of a certificate changes.
 *
 * Takes from the table of presence.h what has changed, hands it to the store a few rows at a time, and
 * never waits: when so many are unanswered that more would only pile up, the rest stays in the table,
 * where a visit that has ended meanwhile is one row instead of two. A first use that cannot be written
 * is tried again until it is, whether the board is still there or not: until then the certificate
 * before it lets in. One thread's, but for the answers.
 *
 *	busy = visit_writer_turn(&w, now);       // more may be taken at once
 *	while (visit_writer_waits(&w)) ...       // before anything that it names goes away
 *	visit_writer_end(&w);
 */
#ifndef IMPRINT_VISIT_WRITER_H
#define IMPRINT_VISIT_WRITER_H

#include "log.h"
#include "presence.h"

#include <stdatomic.h>

#define VISIT_WRITER_AGAIN_MS 2000

struct use;

struct visit_writer { /* filled by the owner, but those behind answered_ctx */
	struct store *store;
	uint32_t tenant;
	struct presences *presences;
	struct log *log;
	int64_t (*now_ms)(void *ctx);
	void *ctx;
	void (*answered)(void *ctx); /* the store has; on its committing thread */
	void *answered_ctx;
	/* private */
	atomic_uint unanswered, uses;
	_Atomic(struct use *) failed;
	struct use *later; /* is tried again */
	int64_t again;     /* when */
};

/* `now` never runs backwards, milliseconds. */
bool visit_writer_turn(struct visit_writer *w, int64_t now);
/* Whether the store has still to answer. */
bool visit_writer_waits(struct visit_writer *w);
/* Gives up what could not be written. */
void visit_writer_end(struct visit_writer *w);

#endif
