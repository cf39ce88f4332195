/* What is known of a device's life: whether it is connected, when it was, what it said last. */
#include "call.h"
#include "cbor.h"
#include "utc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A board publishes every 30 s; three in a row may get lost. */
#define ONLINE_MS 90000
#define LIMIT 30
#define LIMIT_MAX 1000

/* The library's version in a board's first message: tag 0x010700 around [text]. */
bool library_version(const struct store_device *d, struct slice *version)
{
	struct slice in = { d->message, d->message_n };
	uint32_t tag, n;

	return cbor_take_head(&in, CBOR_TAG, &tag) == OK && tag == 0x010700 &&
	       cbor_take_head(&in, CBOR_ARRAY, &n) == OK && n == 1 &&
	       cbor_take_string(&in, CBOR_TEXT, version) == OK && cbor_end(&in) == OK;
}

/* --- is it there --- */

struct last {
	int64_t now;
	int64_t at; /* 0: nobody knows */
	bool ever;
};

/* A time that has not come yet is of a clock that was wrong: it was then, and nobody knows when. */
static void last_put(struct last *last, int64_t at)
{
	last->ever |= at != 0;
	if (at - last->now <= STORE_AHEAD_MS && at > last->at)
		last->at = at;
}

/* The last time that a broker let it in or saw it go: attempts that were refused may be anybody's. */
static bool take_last(void *ctx, const struct store_visit *visit)
{
	struct last *last = ctx;

	if (visit->admitted) {
		last_put(last, visit->began);
		last_put(last, visit->ended);
	}
	return last->at == 0;
}

/* Without a broker that tells us, a board is there while its messages come. */
static const char *status_of(const struct life *life, const struct last *last)
{
	switch (life->presence) {
	case PRESENCE_ONLINE:
		return "ONLINE";
	case PRESENCE_OFFLINE:
		return last->ever ? "OFFLINE" : "UNKNOWN";
	case PRESENCE_UNHEARD:
		if (life->message && last->now - life->message < ONLINE_MS)
			return "ONLINE";
		return last->ever ? "OFFLINE" : "UNKNOWN";
	default:
		return "UNKNOWN";
	}
}

void life_of(struct call *c, const struct store_device *d, struct life *life)
{
	struct last last = { .now = api_now(c->api) };

	memset(life, 0, sizeof(*life));
	life->presence = presence_of(api_parts(c->api)->presences, d->id, &life->now);
	/* Who never had a certificate was never let in. */
	if (!ct_zero(d->cert, sizeof(d->cert)) &&
	    store_visit_list(api_registry(c->api), c->tenant, d->id, take_last, &last, NULL) != OK)
		last = (struct last){ .now = last.now };
	last_put(&last, d->seen);
	life->last = last.at;
	life->message = d->seen - last.now <= STORE_AHEAD_MS ? d->seen : 0;
	if (life->now.since > last.now) /* it was there already */
		life->now.since = last.now;
	life->status = status_of(life, &last);
}

/* --- what happened on its connections --- */

struct moment {
	int64_t at;
	const char *name; /* CONNECTED, DISCONNECTED, REFUSED */
	char address[46], reason[STORE_REASON_MAX + 1];
};
struct moments { /* newest first */
	struct moment at[2 * STORE_VISITS_KEPT];
	size_t n;
};

/* A visit ends behind the beginning of another that takes it over. */
static void put(struct moments *all, int64_t at, const char *name, const struct store_visit *v,
    const char *reason)
{
	size_t i = all->n;

	if (all->n == COUNT(all->at))
		return;
	for (; i > 0 && all->at[i - 1].at < at; i--)
		all->at[i] = all->at[i - 1];
	all->at[i] = (struct moment){ .at = at, .name = name };
	snprintf(all->at[i].address, sizeof(all->at[i].address), "%s", v->address);
	snprintf(all->at[i].reason, sizeof(all->at[i].reason), "%s", reason);
	all->n++;
}

static bool take_moments(void *ctx, const struct store_visit *v)
{
	if (v->admitted && v->ended)
		put(ctx, v->ended, "DISCONNECTED", v, v->reason);
	put(ctx, v->began, v->admitted ? "CONNECTED" : "REFUSED", v, v->admitted ? "" : v->reason);
	return true;
}

/* "192.0.2.7: taken-over", or the half that is known. */
static void moment_text(const struct moment *m, char text[96])
{
	snprintf(
	    text, 96, "%s%s%s", m->address, m->address[0] && m->reason[0] ? ": " : "", m->reason);
}

/* --- lists about a device --- */

/* How many, and since when (RFC 3339). */
struct part {
	unsigned limit;
	int64_t start; /* milliseconds */
};

static enum err take_part(struct call *c, struct part *part)
{
	char text[64];
	int64_t seconds;
	enum err e;

	*part = (struct part){ .limit = LIMIT, .start = INT64_MIN };
	if ((e = call_query_number(c, "limit", 1, LIMIT_MAX, &part->limit)) != OK ||
	    (e = call_query(c, "start", text, sizeof(text))) == ERR_NOT_FOUND)
		return e == ERR_NOT_FOUND ? OK : e;
	if (e != OK)
		return e;
	if (text[0] == '\0') /* Arduino's clients send it empty */
		return OK;
	if (utc_read((struct slice){ (const uint8_t *)text, strlen(text) }, &seconds) != OK)
		return err_set(
		    &c->eb, ERR_FORMAT, "start: not a time such as 2026-11-23T02:00:00Z");
	part->start = seconds * 1000;
	return OK;
}

/* What there is to list of a device, and {"id": ..., "events": [ */
static enum err list_begin(struct call *c, struct part *part, struct store_device *d,
    struct moments *all, struct json_out *w)
{
	enum err e;

	all->n = 0;
	if ((e = take_part(c, part)) != OK || (e = call_device(c, false, d)) != OK ||
	    (e = store_visit_list(
	         api_registry(c->api), c->tenant, d->id, take_moments, all, &c->eb)) != OK)
		return e;
	*w = json_out(256);
	json_open(w, NULL, '{');
	json_uuid(w, "id", d->id);
	json_open(w, "events", '[');
	return OK;
}

static enum err list_end(struct call *c, struct json_out *w)
{
	json_close(w, ']');
	json_close(w, '}');
	answer_json(c, 200, w);
	return OK;
}

static void event(struct json_out *w, const char *name, int64_t at, struct slice value)
{
	json_open(w, NULL, '{');
	if (name)
		json_text(w, "name", name);
	json_time(w, "updated_at", at);
	json_slice(w, "value", value);
	json_close(w, '}');
}

static struct slice slice_of(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

enum err device_status(struct call *c)
{
	struct moments all;
	struct store_device d;
	struct json_out w;
	struct part part;
	enum err e = list_begin(c, &part, &d, &all, &w);

	if (e != OK)
		return e;
	if (all.n == 0 && d.seen) { /* it was there then; when it went, nobody saw */
		all.at[0] = (struct moment){ .at = d.seen, .name = "CONNECTED" };
		all.n = 1;
	}
	for (size_t i = 0; i < all.n && part.limit > 0 && all.at[i].at >= part.start; i++)
		if (strcmp(all.at[i].name, "REFUSED") != 0) {
			event(&w, NULL, all.at[i].at, slice_of(all.at[i].name));
			part.limit--;
		}
	return list_end(c, &w);
}

enum err device_events(struct call *c)
{
	struct moments all;
	struct store_device d;
	struct slice version;
	struct json_out w;
	struct part part;
	char text[96];
	enum err e = list_begin(c, &part, &d, &all, &w);

	if (e != OK)
		return e;
	if (library_version(&d, &version) && d.seen >= part.start) {
		event(&w, "LIB_VERSION", d.seen, version);
		part.limit--;
	}
	for (size_t i = 0; i < all.n && i < part.limit && all.at[i].at >= part.start; i++) {
		moment_text(&all.at[i], text);
		event(&w, all.at[i].name, all.at[i].at, slice_of(text));
	}
	return list_end(c, &w);
}
