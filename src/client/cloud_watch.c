/* The stream of what happens, for as long as somebody wants it. */
#include "cloud_call.h"
#include "sse.h"

#include <stdlib.h>

#define WAIT_FIRST_MS 200
#define WAIT_MAX_MS 5000

struct watching {
	const struct cloud_watch *watch;
	struct sse sse;
	bool there;  /* the stream, as `state` was told */
	bool before; /* it has been there */
	bool enough;
	enum err err; /* what was wrong with it */
	struct errbuf eb;
};

static void tell(struct watching *w, const char *why)
{
	if (w->there == (why == NULL))
		return;
	w->there = why == NULL;
	w->before = true;
	if (w->watch->state)
		w->watch->state(w->watch->ctx, why);
}

static bool take_event(struct watching *w)
{
	struct sse *s = &w->sse;
	struct cloud_event event;

	w->err = answer_event(
	    s->name[0] ? s->name : "message", (struct slice){ s->data, s->n }, &event, &w->eb);
	w->enough = w->err == OK && !w->watch->each(w->watch->ctx, &event);
	return w->err == OK && !w->enough;
}

static bool take(void *ctx, struct slice piece)
{
	struct watching *w = ctx;

	tell(w, NULL);
	for (size_t used = 0; used < piece.n;) {
		used += sse_take(&w->sse, piece.p + used, piece.n - used);
		if (w->sse.at == SSE_FAILED) {
			w->err = err_set(&w->eb, ERR_FORMAT, "an event that is too long");
			return false;
		}
		if (w->sse.at == SSE_EVENT && !take_event(w))
			return false;
	}
	return true;
}

/* Once, until the stream ends. */
static enum err watch_once(struct call *call, struct watching *w, struct errbuf *eb)
{
	enum err e;

	sse_again(&w->sse);
	call->last = w->sse.id[0] ? w->sse.id : NULL;
	call->n = 0;
	e = cloud_call(call, eb);
	if (w->err != OK)
		return err_set(eb, w->err, "%s: %s", cloud_server(call->cloud), w->eb.text);
	return e;
}

/* Whether it is worth to try again. */
static bool is_passing(const struct call *call, const struct watching *w, enum err e)
{
	if (w->err != OK || call->stopped || !w->before)
		return false;
	return e == OK || call->cloud->passing;
}

static double wait_ms(const struct watching *w, unsigned tries)
{
	double ms = WAIT_FIRST_MS * (double)(1u << (tries < 6 ? tries : 6));

	if (tries == 0 && w->sse.retry_ms)
		ms = w->sse.retry_ms;
	return cloud_spread(ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS);
}

/* False when the time is over. */
static bool pause_for(struct call *call, double ms, bool *stopped)
{
	double left = call->until > 0 ? (call->until - cloud_now()) * 1e3 : ms;

	*stopped = left > 0 && !cloud_sleep(call->cloud, left < ms ? left : ms);
	return left >= ms;
}

static enum err watch_on(struct call *call, struct watching *w, struct errbuf *eb)
{
	bool stopped = false;
	enum err e;

	for (unsigned tries = 0;; tries++) {
		e = watch_once(call, w, eb);
		if (w->enough || call->over)
			return OK;
		if (!is_passing(call, w, e))
			return e;
		tries = w->there ? 0 : tries;
		if (e != OK) /* a stream that ends in order is nothing to talk about */
			tell(w, eb ? eb->text : "");
		if (!pause_for(call, wait_ms(w, tries), &stopped))
			return OK;
		if (stopped)
			return err_set(eb, ERR_TIMEOUT, "interrupted");
	}
}

enum err cloud_watch(struct cloud *c, const struct cloud_watch *watch, struct errbuf *eb)
{
	struct watching *w = calloc(1, sizeof(*w));
	char path[CLOUD_URL_MAX] = "/v1/events";
	struct call call = { .cloud = c,
		.method = "GET",
		.path = path,
		.bearer = true,
		.take = take,
		.ctx = w,
		.until = watch->limit_ms ? cloud_now() + watch->limit_ms / 1e3 : 0 };
	enum err e;

	if (!w)
		return err_set(eb, ERR_MEMORY, "no memory for a stream");
	w->watch = watch;
	sse_init(&w->sse);
	if ((watch->device && !cloud_query_add(c->curl, path, "device", watch->device)) ||
	    (watch->replay && !cloud_query_add(c->curl, path, "replay", "all")))
		e = err_set(eb, ERR_ARG, "a request of more than %d bytes", CLOUD_URL_MAX);
	else
		e = watch_on(&call, w, eb);
	free(call.answer);
	free(w);
	return e;
}
