/* What the cloud API has no room for: a device with certificates and visits, and the brokers. */
#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VISITS_SHOWN 5
#define VISITS_DEFAULT 30

/* --- visits --- */

struct visits {
	struct json_out *w;
	unsigned left;
};

static void text_if(struct json_out *w, const char *key, const char *text)
{
	if (text[0])
		json_text(w, key, text);
}

static bool put_visit(void *ctx, const struct store_visit *v)
{
	struct visits *visits = ctx;
	struct json_out *w = visits->w;

	if (visits->left == 0)
		return false;
	visits->left--;
	json_open(w, NULL, '{');
	json_bool(w, "admitted", v->admitted);
	json_time(w, "began", v->began);
	if (v->ended)
		json_time(w, "ended", v->ended);
	text_if(w, "reason", v->reason);
	text_if(w, "address", v->address);
	text_if(w, "broker", v->broker);
	if (!ct_zero(v->print, sizeof(v->print)))
		json_hex(w, "fingerprint", SLICE(v->print));
	if (v->protocol)
		json_int(w, "protocol", v->protocol);
	json_close(w, '}');
	return true;
}

/* Newest first. */
static enum err put_visits(
    struct call *c, const struct store_device *d, unsigned limit, struct json_out *w)
{
	struct visits visits = { w, limit };
	enum err e;

	json_open(w, "visits", '[');
	e = store_visit_list(api_registry(c->api), c->tenant, d->id, put_visit, &visits, &c->eb);
	json_close(w, ']');
	return e;
}

enum err detail_visits(struct call *c)
{
	unsigned limit = VISITS_DEFAULT;
	struct json_out w;
	struct store_device d;
	enum err e;

	if ((e = call_query_number(c, "limit", 1, STORE_VISITS_KEPT, &limit)) != OK ||
	    (e = call_device(c, false, &d)) != OK)
		return e;
	w = json_out(4096);
	json_open(&w, NULL, '{');
	json_uuid(&w, "id", d.id);
	if ((e = put_visits(c, &d, limit, &w)) != OK) {
		json_drop(&w);
		return e;
	}
	json_close(&w, '}');
	answer_json(c, 200, &w);
	return OK;
}

/* --- a device --- */

static void put_presence(const struct life *life, struct json_out *w)
{
	static const char *const states[] = { [PRESENCE_UNHEARD] = "unheard",
		[PRESENCE_UNKNOWN] = "unknown",
		[PRESENCE_OFFLINE] = "offline",
		[PRESENCE_ONLINE] = "online" };

	json_open(w, "presence", '{');
	json_text(w, "state", states[life->presence]);
	if (life->presence == PRESENCE_ONLINE) {
		json_time(w, "since", life->now.since);
		text_if(w, "address", life->now.address);
		text_if(w, "broker", life->now.broker);
		if (!ct_zero(life->now.print, sizeof(life->now.print)))
			json_hex(w, "fingerprint", SLICE(life->now.print));
	}
	json_close(w, '}');
}

static void put_device(struct call *c, const struct store_device *d, struct json_out *w)
{
	struct life life;

	life_of(c, d, &life);
	json_text(w, "type", d->type);
	text_if(w, "serial", d->serial);
	if (!ct_zero(d->thing, sizeof(d->thing)))
		json_uuid(w, "thing", d->thing);
	json_time(w, "created_at", d->created);
	json_time(w, "updated_at", d->changed);
	if (d->deleted)
		json_time(w, "deleted_at", d->deleted);
	json_text(w, "status", life.status);
	if (life.last)
		json_time(w, "last_activity_at", life.last);
	if (life.message)
		json_time(w, "last_message_at", life.message);
	put_presence(&life, w);
}

enum err detail_show(struct call *c)
{
	bool deleted = false;
	struct json_out w;
	struct store_device d;
	enum err e;

	if ((e = call_query_flag(c, "show_deleted", &deleted)) != OK ||
	    (e = call_device(c, deleted, &d)) != OK)
		return e;
	w = json_out(4096);
	if ((e = door_standing(c, &d, &w)) == OK) {
		put_device(c, &d, &w);
		e = put_visits(c, &d, VISITS_SHOWN, &w);
	}
	if (e != OK) {
		json_drop(&w);
		return e;
	}
	json_close(&w, '}');
	answer_json(c, 200, &w);
	return OK;
}

/* --- brokers --- */

/* What is committed now they may have a moment later: they are given so long before they are judged. */
#define SETTLE_MS 250

struct listing {
	struct call call;
	struct json_out out;
	uint64_t seq;
};

static const char *broker_word(const struct broker_state *b, uint64_t seq)
{
	if (!b->speaks)
		return "silent";
	return b->synced && b->seq >= seq ? "fresh" : "behind";
}

static bool put_broker(void *ctx, const struct broker_state *b)
{
	struct listing *l = ctx;
	struct json_out *w = &l->out;

	json_open(w, NULL, '{');
	json_text(w, "name", b->name);
	json_text(w, "state", broker_word(b, l->seq));
	json_int(w, "seq", (int64_t)b->seq);
	json_time(w, "heard_at", b->heard);
	json_time(w, "since", b->since);
	json_int(w, "boards", (int64_t)b->boards);
	json_int(w, "admitted", (int64_t)b->admitted);
	json_int(w, "refused", (int64_t)b->refused);
	json_int(w, "snapshots", (int64_t)b->snapshots);
	json_int(w, "deltas", (int64_t)b->deltas);
	json_close(w, '}');
	return true;
}

/* On the brokers' thread, or at once. */
static void list_brokers(void *ctx, unsigned reached, const char *waiting)
{
	struct listing *l = ctx;
	struct json_out *w = &l->out;

	(void)reached, (void)waiting;
	json_open(w, NULL, '{');
	json_int(w, "seq", (int64_t)l->seq);
	json_open(w, "brokers", '[');
	brokers_each(api_parts(l->call.api)->brokers, put_broker, l);
	json_close(w, ']');
	json_close(w, '}');
	answer_json(&l->call, 200, w);
	free(l);
}

enum err broker_list(struct call *c)
{
	struct brokers *brokers = api_parts(c->api)->brokers;
	struct listing *l = malloc(sizeof(*l));
	uint64_t visit = 0;
	enum err e;

	if (!l)
		return err_set(&c->eb, ERR_MEMORY, "no memory for the list");
	*l = (struct listing){ .call = *c, .out = json_out(1024) };
	l->call.tools = NULL;
	e = store_numbers(api_registry(c->api), c->tenant, &l->seq, &visit, &c->eb);
	if (e != OK) {
		json_drop(&l->out);
		free(l);
		return e;
	}
	brokers_reach(brokers, l->seq, SETTLE_MS, list_brokers, l);
	return OK;
}

static void settle_forgotten(struct job *job, enum err e)
{
	brokers_forgotten(api_parts(job->call.api)->brokers, job->call.param[0], e);
}

/* The event is about no device: its note has the broker's name. */
enum err broker_forget(struct call *c)
{
	static const uint8_t nothing[16];
	const char *name = c->param[0];
	struct job *job = NULL;
	enum err e;

	if ((e = job_new(c, EVENT_NOTHING, 200, &job)) != OK)
		return e;
	e = brokers_forget(api_parts(c->api)->brokers, name, job->change, &c->eb);
	if (e != OK) {
		job_drop(job);
		return e;
	}
	snprintf(job->event.note, sizeof(job->event.note), "%s", name);
	job->settle = settle_forgotten;
	job->answer = answer_job_empty;
	return job_submit(job, "broker.forgotten", nothing);
}
