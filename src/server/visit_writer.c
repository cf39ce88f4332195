#include "visit_writer.h"
#include "live.h"

#include <stdlib.h>
#include <string.h>

/* Changes that the store has not answered yet, and that are handed to it in a turn. */
#define UNANSWERED_MAX 128
#define TURN 64

static void answered(struct visit_writer *w)
{
	void (*tell)(void *ctx) = w->answered;
	void *ctx = w->answered_ctx;

	atomic_fetch_sub(&w->unanswered, 1);
	tell(ctx);
}

static void submit(struct visit_writer *w, struct store_change *c, store_done *done, void *ctx)
{
	atomic_fetch_add(&w->unanswered, 1);
	store_submit(w->store, c, done, ctx);
}

static void complain(
    const struct visit_writer *w, const char *what, enum err e, const struct errbuf *eb)
{
	LOG(w->log, LOG_LEVEL_ERROR, what, LOG_TEXT("error", err_name(e)),
	    LOG_TEXT("reason", eb->text));
}

/* On the committing thread. */
static void visit_stored(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct visit_writer *w = ctx;

	(void)seq;
	/* A device that is gone takes its visits with it. */
	if (e != OK && e != ERR_NOT_FOUND)
		complain(w, "visit_not_stored", e, eb);
	answered(w);
}

static void visit_write(struct visit_writer *w, const struct store_visit *visit)
{
	struct store_change *c = store_change_new(w->tenant);

	if (c)
		store_visit_put(c, visit);
	submit(w, c, visit_stored, w);
}

struct use {
	struct visit_writer *writer;
	uint8_t visit[16];
	uint8_t body[EVENT_BODY_MAX];
};

/* On the committing thread. */
static void use_stored(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct use *use = ctx;
	struct visit_writer *w = use->writer;

	(void)seq;
	if (e == ERR_CONFLICT) /* it was changed meanwhile: revoked, perhaps */
		presence_again(w->presences, use->visit);
	else if (e != OK)
		complain(w, "certificate_not_activated", e, eb);
	free(use);
	answered(w);
}

/* A certificate that is used for the first time is active from now on. */
static void use_look(struct visit_writer *w, const struct store_visit *v)
{
	struct live_use what = {
		.address = v->address, .broker = v->broker, .at = w->now_ms(w->ctx)
	};
	struct use *use = malloc(sizeof(*use));
	struct errbuf eb = { "no memory" };
	struct store_change *c = NULL;
	enum err e = ERR_MEMORY;

	memcpy(what.device, v->device, sizeof(what.device));
	memcpy(what.print, v->print, sizeof(what.print));
	if (use) {
		use->writer = w;
		memcpy(use->visit, v->id, sizeof(use->visit));
		e = live_used(w->store, w->tenant, &what, use->body, &c, &eb);
	}
	if (c) {
		submit(w, c, use_stored, use);
		return;
	}
	free(use);
	if (e != OK)
		complain(w, "certificate_not_activated", e, &eb);
}

bool visit_writer_turn(struct visit_writer *w)
{
	struct presence_change change;

	for (unsigned i = 0; i < TURN; i++) {
		if (atomic_load(&w->unanswered) >= UNANSWERED_MAX)
			return false;
		if (!presence_take(w->presences, &change))
			return false;
		if (change.write)
			visit_write(w, &change.visit);
		if (change.check)
			use_look(w, &change.visit);
	}
	return true;
}

bool visit_writer_waits(struct visit_writer *w)
{
	return atomic_load(&w->unanswered) > 0;
}
