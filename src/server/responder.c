#include "responder.h"
#include "json_out.h"
#include "latest.h"
#include "senml.h"
#include "thing_message.h"
#include "uuid.h"
#include "value.h"
#include "zone.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BUCKETS 4096
#define UNANSWERED_MAX 64 /* values that the registry has not answered yet */
#define QUEUE_MAX 65536   /* messages, or errands, that wait */
#define STOP_MS 1000      /* how often a flush looks, should it be forgotten */
#define ZONE_OFFSET "tz_offset"
#define ZONE_UNTIL "tz_dst_until"
/* A zone whose clocks never change is told anew once a year. */
#define ZONE_SECONDS (366 * INT64_C(86400))
/* Boards are told to wait so much longer than the change, which they hear of when it comes. */
#define ZONE_MARGIN 600

/* A thing whose board has spoken. */
struct session {
	struct session *next;            /* in its bucket */
	struct session *older, *younger; /* by its last use */
	uint8_t thing[16];
	int64_t renew; /* seconds since 1970: its zone's next change; INT64_MAX: it was told none */
	char *names[RESPONDER_NAMES_MAX]; /* of its values */
	size_t names_n;
};

/* What others want of the inbox's thread. */
enum errand_kind { ATTACHED, TELL, ZONE_CHANGED };
struct errand {
	struct errand *next;
	enum errand_kind what;
	uint8_t id[16], former[16];
};

struct message {
	struct message *next;
	char topic[TOPIC_SIZE];
	size_t n;
	uint8_t payload[];
};

struct responder {
	struct responder_options options;
	int wake; /* eventfd */
	struct latest *values;
	struct session *bucket[BUCKETS];
	struct session *oldest, *youngest;
	size_t sessions;
	int64_t renew_next; /* the first of them */
	struct message *out, **out_end, *taken;
	size_t out_n;

	pthread_mutex_t lock; /* of errands */
	struct errand *errands, **errands_end;
	size_t errands_n;
	atomic_uint unanswered;
	atomic_ullong answers, stored, malformed, dropped;
};

/* --- errands --- */

static void stir(struct responder *r)
{
	uint64_t one = 1;

	if (write(r->wake, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

/* One that finds no room or memory is lost: the board asks again. */
static void errand_add(
    struct responder *r, enum errand_kind what, const uint8_t id[16], const uint8_t *former)
{
	struct errand *e = calloc(1, sizeof(*e));

	if (!e)
		return;
	e->what = what;
	memcpy(e->id, id, 16);
	if (former)
		memcpy(e->former, former, 16);
	pthread_mutex_lock(&r->lock);
	if (r->errands_n < QUEUE_MAX) {
		*r->errands_end = e;
		r->errands_end = &e->next;
		r->errands_n++;
		e = NULL;
	}
	pthread_mutex_unlock(&r->lock);
	free(e);
	stir(r);
}

void responder_attached(struct responder *r, const uint8_t device[16], const uint8_t former[16])
{
	if (r)
		errand_add(r, ATTACHED, device, former);
}

void responder_zone(struct responder *r, const uint8_t thing[16])
{
	if (r)
		errand_add(r, ZONE_CHANGED, thing, NULL);
}

/* --- what is published --- */

static void say(struct responder *r, enum topic of, const uint8_t id[16], struct slice payload)
{
	struct message *m;

	if (r->out_n == QUEUE_MAX || !(m = calloc(1, sizeof(*m) + payload.n))) {
		atomic_fetch_add(&r->dropped, 1);
		return;
	}
	board_topic_put(of, id, m->topic);
	memcpy(m->payload, payload.p, payload.n);
	m->n = payload.n;
	*r->out_end = m;
	r->out_end = &m->next;
	r->out_n++;
	atomic_fetch_add(&r->answers, 1);
}

bool responder_next(struct responder *r, struct responder_out *out)
{
	struct message *m = r->out;

	free(r->taken);
	r->taken = m;
	if (!m)
		return false;
	r->out = m->next;
	r->out_n--;
	if (!r->out)
		r->out_end = &r->out;
	*out = (struct responder_out){ m->topic, { m->payload, m->n } };
	return true;
}

static void say_message(
    struct responder *r, const uint8_t device[16], const struct thing_message *m)
{
	uint8_t bytes[RESPONDER_PACK_MAX + 32];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct slice payload;

	thing_message_put(&w, m);
	if (cbor_finish(&w, &payload) == OK)
		say(r, TOPIC_OF_DEVICE, device, payload);
}

/* thing NULL: none. */
static void say_thing(struct responder *r, const uint8_t device[16], enum thing_message_kind kind,
    const uint8_t *thing)
{
	struct thing_message m = { .kind = kind };
	char id[UUID_TEXT];

	if (thing) {
		uuid_text(thing, id);
		m.body = SLICE(id);
	}
	say_message(r, device, &m);
}

/* --- who asks --- */

static bool is_wanted(const struct store_device *d)
{
	return d->enabled && !d->deleted;
}

static bool device_of(struct responder *r, const uint8_t id[16], struct store_device *d)
{
	return store_device_get(r->options.store, r->options.tenant, id, d, NULL) == OK &&
	       is_wanted(d);
}

static bool has_thing(const struct store_device *d)
{
	return !ct_zero(d->thing, sizeof(d->thing));
}

/* --- what things' boards have said --- */

static size_t bucket_number(const uint8_t thing[16])
{
	return load_le16(thing) % BUCKETS;
}

static void session_free(struct session *s)
{
	for (size_t i = 0; i < s->names_n; i++)
		free(s->names[i]);
	free(s);
}

/* Where this name stands; names_n: nowhere. */
static size_t name_at(const struct session *s, const char *name)
{
	size_t i = 0;

	while (i < s->names_n && strcmp(s->names[i], name) != 0)
		i++;
	return i;
}

/* False when there are too many, or there is no memory. */
static bool name_have(struct session *s, const char *name)
{
	char *copy;

	if (name_at(s, name) < s->names_n)
		return true;
	if (s->names_n == RESPONDER_NAMES_MAX || !(copy = strdup(name)))
		return false;
	s->names[s->names_n++] = copy;
	return true;
}

static bool take_name(void *ctx, const struct store_value *v)
{
	return name_have(ctx, v->name);
}

static struct session *session_find(const struct responder *r, const uint8_t thing[16])
{
	struct session *s = r->bucket[bucket_number(thing)];

	while (s && memcmp(s->thing, thing, 16) != 0)
		s = s->next;
	return s;
}

static void youngest_is(struct responder *r, struct session *s)
{
	s->older = r->youngest;
	s->younger = NULL;
	*(r->youngest ? &r->youngest->younger : &r->oldest) = s;
	r->youngest = s;
}

static void age_leave(struct responder *r, struct session *s)
{
	*(s->older ? &s->older->younger : &r->oldest) = s->younger;
	*(s->younger ? &s->younger->older : &r->youngest) = s->older;
}

static void session_forget(struct responder *r, const uint8_t thing[16])
{
	struct session **at = &r->bucket[bucket_number(thing)], *s;

	while ((s = *at) && memcmp(s->thing, thing, 16) != 0)
		at = &s->next;
	if (!s)
		return;
	*at = s->next;
	age_leave(r, s);
	session_free(s);
	r->sessions--;
}

static struct session *session_new(struct responder *r, const uint8_t thing[16])
{
	struct session *s = calloc(1, sizeof(*s)), **bucket = &r->bucket[bucket_number(thing)];

	if (!s)
		return NULL;
	memcpy(s->thing, thing, 16);
	s->renew = INT64_MAX;
	if (store_value_list(r->options.store, r->options.tenant, thing, take_name, s, NULL) !=
	    OK) {
		session_free(s);
		return NULL;
	}
	/* A board of which nothing is known asks again when its zone's time is over. */
	if (r->sessions == r->options.things_max)
		session_forget(r, r->oldest->thing);
	s->next = *bucket;
	*bucket = s;
	youngest_is(r, s);
	r->sessions++;
	return s;
}

/* The thing's, made when it is new; with too many the one unused for longest goes. NULL: no memory, no registry. */
static struct session *session_of(struct responder *r, const uint8_t thing[16])
{
	struct session *s = session_find(r, thing);

	if (!s)
		return session_new(r, thing);
	age_leave(r, s);
	youngest_is(r, s);
	return s;
}

/* --- the time zone --- */

/* Offset of now, until when boards are told that it holds, and when it really ends. */
struct zone_now {
	int32_t offset;
	uint32_t until;
	int64_t ends;
};

static struct zone_now zone_now(struct responder *r, const char *name)
{
	int64_t now = r->options.now_ms(r->options.ctx) / 1000, until;
	struct zone_now z = { .offset = 0 };

	if (zone_at(name, now, &z.offset, &until, NULL) != OK)
		until = INT64_MAX; /* without a database clocks show UTC */
	z.ends = until < now + ZONE_SECONDS ? until : now + ZONE_SECONDS;
	z.until = z.ends + ZONE_MARGIN < UINT32_MAX ? (uint32_t)(z.ends + ZONE_MARGIN) : UINT32_MAX;
	return z;
}

static void put_zone(struct cbor_w *w, const struct zone_now *z)
{
	struct senml_value offset = senml_int(z->offset), until = senml_uint(z->until);

	senml_put(w, ZONE_OFFSET, &offset, NULL);
	senml_put(w, ZONE_UNTIL, &until, NULL);
}

/* Its board is to hear of the zone's next change. */
static void renew_at(struct responder *r, struct session *s, int64_t ends)
{
	s->renew = ends;
	if (ends < r->renew_next)
		r->renew_next = ends;
}

/* To whoever listens to the thing. Whose board is gone, or has never asked, is not told. */
static void renew(struct responder *r, struct session *s)
{
	uint8_t bytes[64];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct store_device d;
	struct store_thing t;
	struct zone_now z;
	struct slice pack;

	s->renew = INT64_MAX;
	if (store_thing_get(r->options.store, r->options.tenant, s->thing, &t, NULL) != OK ||
	    store_device_of_thing(r->options.store, r->options.tenant, s->thing, &d, NULL) != OK ||
	    !is_wanted(&d))
		return;
	z = zone_now(r, t.timezone);
	senml_begin(&w, 2);
	put_zone(&w, &z);
	if (cbor_finish(&w, &pack) == OK)
		say(r, TOPIC_OF_THING, s->thing, pack);
	renew_at(r, s, z.ends);
}

static void renew_due(struct responder *r)
{
	int64_t now = r->options.now_ms(r->options.ctx) / 1000;

	if (now < r->renew_next)
		return;
	r->renew_next = INT64_MAX;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct session *s = r->bucket[i]; s; s = s->next) {
			if (s->renew <= now)
				renew(r, s);
			else
				renew_at(r, s, s->renew);
		}
}

/* --- last values --- */

struct values_out {
	struct responder *r;
	struct session *s;
	struct cbor_w w;
	uint32_t n;
	bool put[RESPONDER_NAMES_MAX];
};

#define KEY_SIZE (16 + STORE_NAME_MAX)

/* Thing and name. */
static struct slice key_of(const uint8_t thing[16], const char *name, uint8_t key[KEY_SIZE])
{
	size_t n = strlen(name);

	memcpy(key, thing, 16);
	memcpy(key + 16, name, n);
	return (struct slice){ key, 16 + n };
}

/* What does not fit is left out. */
static void put_value(struct values_out *out, const char *name, const char *json)
{
	struct cbor_w before = out->w;
	struct senml_value v;
	char text[SENML_DATA_MAX];

	if (value_senml(json, text, &v) != OK)
		return;
	senml_put(&out->w, name, &v, NULL);
	if (out->w.err == OK)
		out->n++;
	else
		out->w = before;
}

/* What waits to be written is younger than what is. */
static bool put_latest(struct values_out *out, const char *name)
{
	uint8_t key[KEY_SIZE];
	char json[STORE_JSON_MAX + 1];
	struct slice what;

	if (!latest_find(out->r->values, key_of(out->s->thing, name, key), &what))
		return false;
	memcpy(json, what.p, what.n);
	json[what.n] = '\0';
	put_value(out, name, json);
	return true;
}

static bool put_stored(void *ctx, const struct store_value *v)
{
	struct values_out *out = ctx;
	size_t i = name_at(out->s, v->name);

	if (i < out->s->names_n)
		out->put[i] = true;
	if (!put_latest(out, v->name))
		put_value(out, v->name, v->json);
	return true;
}

/* Every value, the time zone in front: a board without it asks again and again. */
static enum err last_values(struct responder *r, struct session *s, const struct zone_now *z,
    uint8_t bytes[RESPONDER_PACK_MAX], struct slice *pack)
{
	uint8_t items[RESPONDER_PACK_MAX - 3]; /* the head of an array takes up to three */
	struct values_out out = { .r = r, .s = s, .w = cbor_writer(items, sizeof(items)), .n = 2 };
	struct cbor_w w = cbor_writer(bytes, RESPONDER_PACK_MAX);
	struct slice all;
	enum err e;

	put_zone(&out.w, z);
	e = store_value_list(r->options.store, r->options.tenant, s->thing, put_stored, &out, NULL);
	for (size_t i = 0; i < s->names_n; i++)
		if (!out.put[i])
			put_latest(&out, s->names[i]);
	if (e == OK)
		e = cbor_finish(&out.w, &all);
	if (e != OK)
		return e;
	senml_begin(&w, out.n);
	cbor_raw(&w, all);
	return cbor_finish(&w, pack);
}

static void answer_values(struct responder *r, const struct store_device *d)
{
	uint8_t bytes[RESPONDER_PACK_MAX];
	struct thing_message m = { .kind = LAST_VALUES };
	struct store_thing t;
	struct session *s;
	struct zone_now z;

	if (!has_thing(d) || !(s = session_of(r, d->thing)) ||
	    store_thing_get(r->options.store, r->options.tenant, d->thing, &t, NULL) != OK)
		return;
	z = zone_now(r, t.timezone);
	if (last_values(r, s, &z, bytes, &m.body) != OK)
		return;
	say_message(r, d->id, &m);
	renew_at(r, s, z.ends);
}

static void answer_zone(struct responder *r, const struct store_device *d)
{
	struct thing_message m = { .kind = TIMEZONE };
	struct store_thing t;
	struct zone_now z;

	if (!has_thing(d) ||
	    store_thing_get(r->options.store, r->options.tenant, d->thing, &t, NULL) != OK)
		return;
	z = zone_now(r, t.timezone);
	m.offset = z.offset;
	m.until = z.until;
	say_message(r, d->id, &m);
}

/* --- which thing --- */

struct waiter {
	struct responder *r;
	uint8_t device[16];
};

/* On the brokers' thread, or at once. Brokers that have not answered may admit the board later: it asks again. */
static void reached(void *ctx, unsigned brokers, const char *waiting)
{
	struct waiter *w = ctx;

	(void)brokers;
	(void)waiting;
	errand_add(w->r, TELL, w->device, NULL);
	free(w);
}

/* First the brokers know what the board may subscribe to, then the board does. */
static void tell_when_reached(struct responder *r, const uint8_t device[16])
{
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return;
	w->r = r;
	memcpy(w->device, device, 16);
	brokers_reach(
	    r->options.brokers, brokers_seq(r->options.brokers), BROKERS_REACH_MS, reached, w);
}

static void answer_begin(struct responder *r, const struct store_device *d)
{
	if (has_thing(d))
		tell_when_reached(r, d->id);
	else
		say_thing(r, d->id, THING_UPDATE, NULL);
}

/* --- errands, on the inbox's thread --- */

/* What is in the registry now counts: another change may have come meanwhile, with an errand of its own. */
static void run_errand(struct responder *r, const struct errand *e)
{
	struct session *s;
	struct store_device d;

	if (e->what == ZONE_CHANGED) {
		if ((s = session_find(r, e->id)) && s->renew != INT64_MAX)
			renew(r, s);
		return;
	}
	if (!device_of(r, e->id, &d))
		return;
	if (e->what == TELL && has_thing(&d))
		say_thing(r, d.id, THING_UPDATE, d.thing);
	else if (e->what == ATTACHED && has_thing(&d))
		tell_when_reached(r, d.id);
	else if (e->what == ATTACHED && !ct_zero(e->former, 16))
		say_thing(r, d.id, THING_DETACH, e->former);
}

static void run_errands(struct responder *r)
{
	struct errand *all, *next;
	uint64_t count;

	if (read(r->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&r->lock);
	all = r->errands;
	r->errands = NULL;
	r->errands_end = &r->errands;
	r->errands_n = 0;
	pthread_mutex_unlock(&r->lock);
	for (; all; all = next) {
		next = all->next;
		run_errand(r, all);
		free(all);
	}
}

/* --- values come --- */

/* On the committing thread. */
static void stored(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct responder *r = ctx;

	(void)seq;
	if (e == OK)
		atomic_fetch_add(&r->stored, 1);
	else if (e != ERR_NOT_FOUND) /* its thing has gone */
		LOG(r->options.log, LOG_LEVEL_ERROR, "value_not_stored",
		    LOG_TEXT("error", err_name(e)), LOG_TEXT("reason", eb->text));
	atomic_fetch_sub(&r->unanswered, 1);
	stir(r);
}

static void store_one(struct responder *r, const struct latest_due *due)
{
	struct store_value v = { .at = due->at };
	struct store_change *c = store_change_new(r->options.tenant);

	memcpy(v.thing, due->key.p, 16);
	memcpy(v.name, due->key.p + 16, due->key.n - 16);
	memcpy(v.json, due->what.p, due->what.n);
	store_value_put(c, &v);
	atomic_fetch_add(&r->unanswered, 1);
	store_submit(r->options.store, c, stored, r);
}

/* False when the registry has to answer before there can be more. */
static bool store_due(struct responder *r, int64_t now)
{
	struct latest_due due;

	while (atomic_load(&r->unanswered) < UNANSWERED_MAX) {
		if (!latest_take(r->values, now, &due))
			return true;
		store_one(r, &due);
	}
	return false;
}

static void watch_value(struct responder *r, const uint8_t device[16], const struct store_value *v)
{
	struct json_out w;
	char *text;

	if (watchers_count(r->options.watchers) == 0)
		return;
	w = json_out(256);
	json_open(&w, NULL, '{');
	json_uuid(&w, "thing", v->thing);
	json_text(&w, "name", v->name);
	json_raw(&w, "value", v->json);
	json_time(&w, "at", v->at);
	json_close(&w, '}');
	if (json_finish_text(&w, &text) != OK)
		return;
	watchers_say(r->options.watchers, device, "value", text);
	free(text);
}

/* The zone is ours to say, though boards repeat it. */
static bool is_ours(const char *name)
{
	return strcmp(name, ZONE_OFFSET) == 0 || strcmp(name, ZONE_UNTIL) == 0;
}

static void take_value(struct responder *r, int64_t now, struct session *s,
    const uint8_t device[16], const struct senml_record *record)
{
	struct store_value v = { .at = r->options.now_ms(r->options.ctx) };
	uint8_t key[KEY_SIZE];

	if (is_ours(record->name))
		return;
	memcpy(v.thing, s->thing, 16);
	memcpy(v.name, record->name, sizeof(record->name));
	if (value_json(&record->value, v.json) != OK || !name_have(s, v.name) ||
	    latest_put(r->values, key_of(v.thing, v.name, key), now, v.at,
	        (struct slice){ (const uint8_t *)v.json, strlen(v.json) }) != OK)
		atomic_fetch_add(&r->dropped, 1);
	else
		watch_value(r, device, &v);
}
_Static_assert(SENML_NAME_MAX <= STORE_NAME_MAX && KEY_SIZE <= LATEST_KEY_MAX &&
                   STORE_JSON_MAX <= LATEST_WHAT_MAX,
    "names and values have room");

static void malformed(struct responder *r, enum topic of, const uint8_t id[16], size_t n)
{
	char text[UUID_TEXT + 1] = "";

	uuid_text(id, text);
	atomic_fetch_add(&r->malformed, 1);
	LOG(r->options.log, LOG_LEVEL_DEBUG, "message_malformed",
	    LOG_TEXT(of == TOPIC_OF_DEVICE ? "device" : "thing", text), LOG_NUMBER("bytes", n));
}

/* Whoever publishes under a thing's name is the device that has it: the broker sees to that. */
static bool take_values(struct responder *r, int64_t now, const uint8_t thing[16],
    struct slice payload, struct responder_heard *heard)
{
	struct senml pack = senml_reader(payload);
	struct senml_record record;
	struct store_device d;
	struct session *s;
	enum err e = store_device_of_thing(r->options.store, r->options.tenant, thing, &d, NULL);
	size_t n;

	if (e == ERR_NOT_FOUND)
		session_forget(r, thing);
	if (e != OK || !is_wanted(&d) || !(s = session_of(r, thing))) {
		atomic_fetch_add(&r->dropped, 1);
		return false;
	}
	memcpy(heard->device, d.id, 16);
	if (senml_check(payload, &n) != OK) {
		malformed(r, TOPIC_OF_THING, thing, payload.n);
		return true;
	}
	while (senml_next(&pack, &record) == OK)
		take_value(r, now, s, d.id, &record);
	return true;
}

/* --- messages come --- */

static void watch_message(
    struct responder *r, const uint8_t device[16], const struct thing_message *m, size_t bytes)
{
	struct json_out w;
	char *text;

	w = json_out(256);
	json_open(&w, NULL, '{');
	if (m->kind < THING_MESSAGE_KINDS)
		json_text(&w, "command", thing_message_name(m->kind));
	if (m->kind == DEVICE_BEGIN || m->kind == WIFI_FIRMWARE)
		json_slice(&w, "value", m->body);
	json_int(&w, "bytes", (int64_t)bytes);
	json_time(&w, "at", r->options.now_ms(r->options.ctx));
	json_close(&w, '}');
	if (json_finish_text(&w, &text) != OK)
		return;
	watchers_say(r->options.watchers, device, "message", text);
	free(text);
}

static bool is_question(enum thing_message_kind kind)
{
	return kind == THING_BEGIN || kind == LAST_VALUES_BEGIN || kind == TIMEZONE_BEGIN;
}

static void take_message(struct responder *r, const uint8_t device[16], struct slice payload,
    struct responder_heard *heard)
{
	struct thing_message m = { .kind = THING_MESSAGE_KINDS };
	struct store_device d;

	if (thing_message_parse(payload, &m) != OK)
		malformed(r, TOPIC_OF_DEVICE, device, payload.n);
	if (m.kind == DEVICE_BEGIN)
		heard->kept = payload;
	if (!is_question(m.kind) && watchers_count(r->options.watchers) == 0)
		return;
	if (!device_of(r, device, &d)) {
		atomic_fetch_add(&r->dropped, 1);
		return;
	}
	watch_message(r, device, &m, payload.n);
	if (m.kind == THING_BEGIN)
		answer_begin(r, &d);
	else if (m.kind == LAST_VALUES_BEGIN)
		answer_values(r, &d);
	else if (m.kind == TIMEZONE_BEGIN)
		answer_zone(r, &d);
}

bool responder_take(struct responder *r, int64_t now, struct slice topic, struct slice payload,
    struct responder_heard *heard)
{
	enum topic of;
	uint8_t id[16];

	*heard = (struct responder_heard){ .kept = { NULL, 0 } };
	if (board_topic_parse(topic, &of, id) != OK)
		return false;
	if (of == TOPIC_OF_THING)
		return take_values(r, now, id, payload, heard);
	memcpy(heard->device, id, 16);
	take_message(r, id, payload, heard);
	return true;
}

void responder_elapsed(struct responder *r, int64_t now)
{
	run_errands(r);
	renew_due(r);
	(void)store_due(r, now);
}

int responder_fd(const struct responder *r)
{
	return r->wake;
}

int64_t responder_due(const struct responder *r)
{
	return atomic_load(&r->unanswered) < UNANSWERED_MAX ? latest_next(r->values) : INT64_MAX;
}

/* --- its life --- */

enum err responder_new(
    const struct responder_options *options, struct responder **out, struct errbuf *eb)
{
	struct responder *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(eb, ERR_MEMORY, "no memory for the boards' dialogue");
	r->options = *options;
	if (r->options.things_max == 0)
		r->options.things_max = RESPONDER_THINGS_MAX;
	r->renew_next = INT64_MAX;
	r->out_end = &r->out;
	r->errands_end = &r->errands;
	pthread_mutex_init(&r->lock, NULL);
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->values = latest_new((size_t)RESPONDER_THINGS_MAX * 4);
	if (r->wake < 0 || !r->values) {
		responder_free(r);
		return err_set(eb, ERR_MEMORY, "no memory for the boards' dialogue");
	}
	*out = r;
	return OK;
}

/* What waits for its ten seconds is written now, and the registry has answered. */
void responder_stop(struct responder *r)
{
	struct pollfd fd;
	bool all = false;
	uint64_t count;

	if (!r)
		return;
	fd = (struct pollfd){ .fd = r->wake, .events = POLLIN };
	while (!all || atomic_load(&r->unanswered) > 0) {
		all = store_due(r, INT64_MAX - LATEST_EVERY_MS);
		if (atomic_load(&r->unanswered) > 0 && poll(&fd, 1, STOP_MS) > 0 &&
		    read(r->wake, &count, sizeof(count)) < 0)
			continue;
	}
}

void responder_free(struct responder *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct session *s = r->bucket[i], *next; s; s = next) {
			next = s->next;
			session_free(s);
		}
	for (struct message *m = r->out, *next; m; m = next) {
		next = m->next;
		free(m);
	}
	for (struct errand *e = r->errands, *next; e; e = next) {
		next = e->next;
		free(e);
	}
	free(r->taken);
	latest_free(r->values);
	if (r->wake >= 0)
		close(r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void responder_stats(struct responder *r, struct responder_stats *stats)
{
	*stats = (struct responder_stats){ 0 };
	if (!r)
		return;
	stats->answers = atomic_load(&r->answers);
	stats->values = atomic_load(&r->stored);
	stats->malformed = atomic_load(&r->malformed);
	stats->dropped = atomic_load(&r->dropped);
}
