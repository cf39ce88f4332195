#include "visit_writer.h"
#include "live.h"

#include <stdlib.h>
#include <string.h>

/* Changes that the store has not answered yet, and that are handed to it in a turn. */
#define UNANSWERED_MAX 128
#define TURN 64
/* First uses that wait for the registry; a board that comes again is another try. */
#define USES_MAX 1024

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

/* --- the first use of a certificate: it is active from then on --- */

struct use {
	struct use *next;
	struct visit_writer *writer;
	struct store_visit visit;
	enum err e; /* why it is to be tried again */
	uint8_t body[EVENT_BODY_MAX];
};

static void use_free(struct use *use)
{
	if (use)
		atomic_fetch_sub(&use->writer->uses, 1);
	free(use);
}

/* On either thread. The older certificate lets in until this one is active. */
static void use_failed(struct use *use, enum err e, const struct errbuf *eb)
{
	struct visit_writer *w = use->writer;

	if (e != ERR_CONFLICT && e != use->e)
		complain(w, "certificate_not_activated", e, eb);
	use->e = e;
	use->next = atomic_load(&w->failed);
	while (!atomic_compare_exchange_weak(&w->failed, &use->next, use))
		;
}

/* On the committing thread. */
static void use_stored(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct use *use = ctx;
	struct visit_writer *w = use->writer;

	(void)seq;
	if (e == OK)
		use_free(use);
	else
		use_failed(use, e, eb);
	answered(w);
}

static void use_try(struct use *use)
{
	struct visit_writer *w = use->writer;
	const struct store_visit *v = &use->visit;
	struct live_use what = {
		.address = v->address, .broker = v->broker, .at = w->now_ms(w->ctx)
	};
	struct store_change *c = NULL;
	struct errbuf eb = { "" };
	enum err e;

	memcpy(what.device, v->device, sizeof(what.device));
	memcpy(what.print, v->print, sizeof(what.print));
	e = live_used(w->store, w->tenant, &what, use->body, &c, &eb);
	if (c)
		submit(w, c, use_stored, use);
	else if (e == OK)
		use_free(use);
	else
		use_failed(use, e, &eb);
}

static bool use_waits(const struct visit_writer *w, const struct store_visit *v)
{
	const struct use *use = w->later;

	while (use && (memcmp(use->visit.device, v->device, sizeof(v->device)) != 0 ||
	                  memcmp(use->visit.print, v->print, sizeof(v->print)) != 0))
		use = use->next;
	return use != NULL;
}

static void use_look(struct visit_writer *w, const struct store_visit *v)
{
	struct errbuf eb = { "no memory, or too many wait for the registry" };
	struct use *use;

	if (use_waits(w, v))
		return;
	if (atomic_load(&w->uses) >= USES_MAX || !(use = calloc(1, sizeof(*use)))) {
		complain(w, "certificate_not_activated", ERR_MEMORY, &eb);
		return;
	}
	atomic_fetch_add(&w->uses, 1);
	use->writer = w;
	use->visit = *v;
	use_try(use);
}

/* What was changed meanwhile (revoked, perhaps) is looked at again at once, the rest when there is hope. */
static void uses_again(struct visit_writer *w, int64_t now)
{
	struct use *use = atomic_exchange(&w->failed, NULL), *next;

	for (; use; use = next) {
		next = use->next;
		if (use->e == ERR_CONFLICT) {
			use_try(use);
			continue;
		}
		if (!w->later)
			w->again = now + VISIT_WRITER_AGAIN_MS;
		use->next = w->later;
		w->later = use;
	}
	if (now < w->again)
		return;
	use = w->later;
	w->later = NULL;
	for (; use; use = next) {
		next = use->next;
		use_try(use);
	}
}

static void uses_free(struct use *use)
{
	for (struct use *next; use; use = next) {
		next = use->next;
		use_free(use);
	}
}

/* --- a turn --- */

bool visit_writer_turn(struct visit_writer *w, int64_t now)
{
	struct presence_change change;

	uses_again(w, now);
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

void visit_writer_end(struct visit_writer *w)
{
	uses_free(atomic_exchange(&w->failed, NULL));
	uses_free(w->later);
	w->later = NULL;
}
