#include "watchers.h"

#include "event.h"
#include "json_out.h"
#include "uuid.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALIVE_EVERY_MS 15000
#define LIFE_MS 3600000
#define ROOM_EVERY_MS 50      /* how often those who are behind are looked at for room */
#define FAILED_EVERY_MS 1000  /* and a registry that cannot be read */
#define ROOM_MIN (128 * 1024) /* what is replayed leaves this much for what is live */
#define BATCH 64
#define HEADING_MAX 96 /* everything of an event but its data */
#define SAID_MAX 128   /* the same of a live one, with the device */

struct watcher {
	struct http_stream *stream;
	struct watchers_from from; /* seq and visit: as far as it has been told */
	int64_t came, spoken;
	bool stalled; /* had no room for a part of the batch */
	atomic_bool gone;
	struct watcher *next;
};

/* What one look into the registry brought: everything behind `from` up to `to`. */
struct batch {
	uint64_t from, to;
	size_t n;
	union {
		struct {
			struct store_event row;
			struct event event;
			bool parsed;
		} audit[BATCH];
		struct store_visit visit[BATCH];
	};
};

struct watchers {
	struct watchers_options options;
	pthread_t thread;
	atomic_uint count;

	pthread_mutex_t lock; /* of these: */
	pthread_cond_t more;
	struct watcher
	    *first;          /* the thread alone takes some out, and walks them without the lock */
	uint64_t seq, visit; /* on the disk */
	bool stirred, stop;

	/* the thread's */
	struct watcher *here; /* the first, as this round began */
	struct batch batch;
	bool failing; /* the registry; said once */
};

static int64_t ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- what is told --- */

static void text_unless_empty(struct json_out *j, const char *key, const char *text)
{
	if (text[0])
		json_text(j, key, text);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n > 0 && p[n - 1] == 0)
		n--;
	return n == 0;
}

/* What an event is about; NULL: its note says it. */
static const char *subject_of(const char *kind)
{
	return strncmp(kind, "token.", 6) == 0    ? "client"
	       : strncmp(kind, "thing.", 6) == 0  ? "thing"
	       : strncmp(kind, "broker.", 7) == 0 ? NULL
	                                          : "device";
}

static void audit_text(
    struct json_out *j, const struct store_event *row, const struct event *event, const char *name)
{
	const char *subject = subject_of(row->kind);

	json_open(j, NULL, '{');
	json_int(j, "seq", (int64_t)row->seq);
	json_time(j, "at", row->at);
	json_text(j, "kind", row->kind);
	if (subject)
		json_uuid(j, subject, row->subject);
	text_unless_empty(j, "name", name);
	if (event) {
		if (!is_zero(event->certificate, 16))
			json_hex(j, "certificate", SLICE(event->certificate));
		text_unless_empty(j, "note", event->note);
		text_unless_empty(j, "peer", event->peer);
	}
	json_close(j, '}');
}

static void visit_text(struct json_out *j, const struct store_visit *v, const char *name)
{
	json_open(j, NULL, '{');
	json_uuid(j, "device", v->device);
	text_unless_empty(j, "name", name);
	json_bool(j, "connected", v->admitted && v->ended == 0);
	json_bool(j, "admitted", v->admitted);
	text_unless_empty(j, "broker", v->broker);
	text_unless_empty(j, "address", v->address);
	json_time(j, "began", v->began);
	if (v->ended)
		json_time(j, "ended", v->ended);
	text_unless_empty(j, "reason", v->reason);
	json_close(j, '}');
}

/* --- telling --- */

/* False: nobody reads there any more. */
static bool tell(struct watcher *w, const char *heading, struct slice data)
{
	size_t n = strlen(heading);
	uint8_t *all = malloc(n + data.n + 2);
	enum err e = ERR_MEMORY;

	if (all) {
		memcpy(all, heading, n);
		if (data.n > 0)
			memcpy(all + n, data.p, data.n);
		memcpy(all + n + data.n, "\n\n", 2);
		e = http_stream_send(w->stream, (struct slice){ all, n + data.n + 2 });
	}
	free(all);
	return e == OK;
}

static void lose(struct watchers *w, struct watcher *who)
{
	if (!atomic_exchange(&who->gone, true))
		atomic_fetch_sub(&w->count, 1);
}

static bool is_there(struct watchers *w, struct watcher *who)
{
	if (http_stream_send(who->stream, (struct slice){ NULL, 0 }) == OK)
		return true;
	lose(w, who);
	return false;
}

static bool has_room(struct watchers *w, struct watcher *who)
{
	return is_there(w, who) && http_stream_room(who->stream) >= ROOM_MIN;
}

/* Numbers without an event: who comes back begins behind them. */
static void tell_numbers(struct watchers *w, struct watcher *who, const char *comment)
{
	char heading[HEADING_MAX];

	snprintf(heading, sizeof(heading), "%sid: %llu.%llu", comment,
	    (unsigned long long)who->from.seq, (unsigned long long)who->from.visit);
	if (!tell(who, heading, (struct slice){ NULL, 0 }))
		lose(w, who);
	who->spoken = ticks();
}

/* --- from the registry to whoever is there --- */

static uint64_t *position(struct watcher *who, bool visits)
{
	return visits ? &who->from.visit : &who->from.seq;
}

static void tell_one(struct watchers *w, struct watcher *who, const char *event, struct slice data)
{
	char heading[HEADING_MAX];

	snprintf(heading, sizeof(heading),
	    "id: %llu.%llu\nevent: %s\ndata: ", (unsigned long long)who->from.seq,
	    (unsigned long long)who->from.visit, event);
	if (!tell(who, heading, data))
		lose(w, who);
	who->spoken = ticks();
}

/* Whether it is where this batch belongs; who has no room stays behind and is looked at again. */
static bool takes(struct watchers *w, struct watcher *who, bool visits)
{
	uint64_t at = *position(who, visits);

	if (who->gone || who->stalled || at < w->batch.from || at >= w->batch.to)
		return false;
	who->stalled = !has_room(w, who);
	return !who->stalled;
}

static void hand_out(
    struct watchers *w, bool visits, uint64_t number, const uint8_t device[16], struct slice data)
{
	for (struct watcher *who = w->here; who; who = who->next) {
		uint64_t *at = position(who, visits);

		if (!takes(w, who, visits) || *at >= number)
			continue;
		*at = number;
		if (!who->from.one || memcmp(who->from.device, device, 16) == 0)
			tell_one(w, who, visits ? "visit" : "audit", data);
	}
}

/* Its name now; "" of one that is gone. */
static void name_of(struct watchers *w, const uint8_t device[16], char name[STORE_NAME_MAX + 1])
{
	struct store_device row;

	name[0] = '\0';
	if (store_device_get(w->options.store, w->options.tenant, device, &row, NULL) == OK)
		memcpy(name, row.name, sizeof(row.name));
}

static enum err hand_out_batch(struct watchers *w, bool visits)
{
	struct batch *b = &w->batch;
	enum err e = OK;

	for (size_t i = 0; i < b->n && e == OK; i++) {
		const uint8_t *device = visits ? b->visit[i].device : b->audit[i].row.subject;
		struct json_out j = json_out(512);
		char name[STORE_NAME_MAX + 1];
		uint8_t *text;
		size_t n;

		name_of(w, device, name);
		if (visits)
			visit_text(&j, &b->visit[i], name);
		else
			audit_text(&j, &b->audit[i].row,
			    b->audit[i].parsed ? &b->audit[i].event : NULL, name);
		if ((e = json_finish(&j, &text, &n)) != OK)
			break;
		hand_out(w, visits, visits ? b->visit[i].change : b->audit[i].row.seq, device,
		    (struct slice){ text, n });
		free(text);
	}
	/* The rest of the numbers stand for nothing that is there. */
	for (struct watcher *who = w->here; who && e == OK; who = who->next) {
		if (takes(w, who, visits))
			*position(who, visits) = b->to;
	}
	return e;
}

static bool take_event(void *ctx, const struct store_event *row)
{
	struct batch *b = ctx;

	b->audit[b->n].row = *row;
	b->audit[b->n].parsed = event_parse(row->body, &b->audit[b->n].event) == OK;
	b->audit[b->n].row.body = (struct slice){ NULL, 0 };
	b->to = row->seq;
	return ++b->n < BATCH;
}

static bool take_visit(void *ctx, const struct store_visit *row)
{
	struct batch *b = ctx;

	b->visit[b->n] = *row;
	b->to = row->change;
	return ++b->n < BATCH;
}

/* One look, for everybody who is between its two ends. */
static enum err read_batch(
    struct watchers *w, bool visits, uint64_t from, uint64_t known, struct errbuf *eb)
{
	const struct watchers_options *o = &w->options;
	struct batch *b = &w->batch;
	enum err e;

	b->from = b->to = from;
	b->n = 0;
	e = visits ? store_visit_changes(o->store, o->tenant, from, take_visit, b, eb)
	           : store_event_list(o->store, o->tenant, from + 1, take_event, b, eb);
	if (e == OK && b->n < BATCH && b->to < known)
		b->to = known;
	for (struct watcher *who = w->here; who; who = who->next)
		who->stalled = false;
	return e == OK ? hand_out_batch(w, visits) : e;
}

/* How it went, so that it is known when to look again. */
enum round { DONE, MORE, NO_ROOM, FAILED };

/* A batch for each who is behind; those at the same place share it. */
static enum round catch_up(struct watchers *w, bool visits, uint64_t known)
{
	enum round round = DONE;
	struct errbuf eb = { "" };

	for (struct watcher *who = w->here; who; who = who->next) {
		uint64_t at = *position(who, visits);

		if (who->gone || at >= known)
			continue;
		if (!has_room(w, who)) {
			round = round == DONE && !who->gone ? NO_ROOM : round;
			continue;
		}
		if (read_batch(w, visits, at, known, &eb) == OK) {
			round = MORE;
			w->failing = false;
			continue;
		}
		if (!w->failing)
			LOG(w->options.log, LOG_LEVEL_ERROR, "events_not_read",
			    LOG_TEXT("reason", eb.text[0] ? eb.text : "out of memory"));
		w->failing = true;
		return FAILED;
	}
	return round;
}

/* --- the thread --- */

/* Takes out those who have gone; the others hear that we are here. */
static void look_after(struct watchers *w, int64_t now)
{
	struct watcher *gone = NULL, **at = &w->first, *who;

	for (who = w->here; who; who = who->next) {
		if (now - who->came >= LIFE_MS)
			lose(w, who);
		else if (now - who->spoken >= ALIVE_EVERY_MS)
			tell_numbers(w, who, ": still here\n");
	}
	pthread_mutex_lock(&w->lock);
	while ((who = *at) != NULL) {
		if (!who->gone) {
			at = &who->next;
			continue;
		}
		*at = who->next;
		who->next = gone;
		gone = who;
	}
	w->here = w->first;
	pthread_mutex_unlock(&w->lock);
	for (; (who = gone) != NULL; free(who)) {
		gone = who->next;
		http_stream_end(who->stream);
	}
}

static int64_t wait_ms(const struct watchers *w, enum round round, int64_t now)
{
	int64_t ms = LIFE_MS;

	if (round == FAILED)
		return FAILED_EVERY_MS;
	if (round == NO_ROOM)
		return ROOM_EVERY_MS;
	for (const struct watcher *who = w->here; who; who = who->next) {
		int64_t left = ALIVE_EVERY_MS - (now - who->spoken);

		ms = left < ms ? left : ms;
	}
	return ms > 0 ? ms : 0;
}

/* Until something happens or the time is over. False: stop. */
static bool wait(struct watchers *w, int64_t ms, uint64_t *seq, uint64_t *visit)
{
	struct timespec by;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &by);
	by.tv_sec += ms / 1000;
	by.tv_nsec += (long)(ms % 1000) * 1000000;
	by.tv_sec += by.tv_nsec / 1000000000;
	by.tv_nsec %= 1000000000;
	pthread_mutex_lock(&w->lock);
	while (!w->stirred && !w->stop) {
		if (pthread_cond_timedwait(&w->more, &w->lock, &by) != 0)
			break;
	}
	w->stirred = false;
	w->here = w->first;
	*seq = w->seq;
	*visit = w->visit;
	stop = w->stop;
	pthread_mutex_unlock(&w->lock);
	return !stop;
}

static void *work(void *ctx)
{
	struct watchers *w = ctx;
	int64_t ms = 0;
	uint64_t seq, visit;

	while (wait(w, ms, &seq, &visit)) {
		enum round audits = catch_up(w, false, seq), visits = catch_up(w, true, visit);
		int64_t now = ticks();

		look_after(w, now);
		ms = audits == MORE || visits == MORE
		         ? 0
		         : wait_ms(w, audits > visits ? audits : visits, now);
	}
	return NULL;
}

/* --- what others call --- */

static void stir(struct watchers *w)
{
	w->stirred = true;
	pthread_cond_signal(&w->more);
}

void watchers_committed(struct watchers *w, uint32_t tenant, uint64_t seq, uint64_t visit)
{
	if (!w || tenant != w->options.tenant)
		return;
	pthread_mutex_lock(&w->lock);
	w->seq = seq > w->seq ? seq : w->seq;
	w->visit = visit > w->visit ? visit : w->visit;
	if (w->first)
		stir(w);
	pthread_mutex_unlock(&w->lock);
}

void watchers_say(struct watchers *w, const uint8_t device[16], const char *event, const char *json)
{
	size_t cap = strlen(json) + SAID_MAX;
	char *text, id[UUID_TEXT];
	int n;

	if (!w || atomic_load(&w->count) == 0 || !(text = malloc(cap)))
		return;
	uuid_text(device, id);
	n = snprintf(text, cap, "event: %s\ndata: {\"device\":\"%.36s\"%s%s\n\n", event, id,
	    json[1] == '}' ? "" : ",", json + 1);
	pthread_mutex_lock(&w->lock);
	for (struct watcher *who = w->first; who; who = who->next) {
		if (who->gone || (who->from.one && memcmp(who->from.device, device, 16) != 0))
			continue;
		if (http_stream_send(who->stream, (struct slice){ (uint8_t *)text, (size_t)n }) !=
		    OK) {
			lose(w, who);
			stir(w);
		}
	}
	pthread_mutex_unlock(&w->lock);
	free(text);
}

unsigned watchers_count(struct watchers *w)
{
	return w ? atomic_load(&w->count) : 0;
}

/* Locked. Those whose peers have gone do not count. */
static bool is_full(struct watchers *w)
{
	if (w->count < WATCHERS_MAX || w->stop)
		return w->stop;
	for (struct watcher *who = w->first; who; who = who->next) {
		if (!who->gone)
			(void)is_there(w, who);
	}
	return w->count >= WATCHERS_MAX;
}

/* Locked. */
static void begin(struct watchers *w, struct watcher *who)
{
	struct watchers_from *f = &who->from;

	f->seq = f->resumes && f->seq < w->seq ? f->seq : w->seq;
	f->visit = f->resumes && f->visit < w->visit ? f->visit : w->visit;
	who->came = ticks();
	tell_numbers(w, who, "retry: 1000\n");
	who->next = w->first;
	w->first = who;
	stir(w);
}

enum err watchers_add(struct watchers *w, struct http_exchange *x, const struct watchers_from *from)
{
	struct watcher *who;
	enum err e = OK;

	if (from->tenant != w->options.tenant)
		return ERR_NOT_FOUND;
	if (!(who = calloc(1, sizeof(*who))))
		return ERR_MEMORY;
	who->from = *from;
	pthread_mutex_lock(&w->lock);
	if (is_full(w)) {
		e = ERR_CONFLICT;
	} else if (!(who->stream = http_answer_stream(x))) {
		e = ERR_MEMORY;
	} else {
		atomic_fetch_add(&w->count, 1);
		begin(w, who);
	}
	pthread_mutex_unlock(&w->lock);
	if (e != OK)
		free(who);
	return e;
}

void watchers_free(struct watchers *w)
{
	if (!w)
		return;
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

enum err watchers_start(
    const struct watchers_options *options, struct watchers **out, struct errbuf *eb)
{
	struct watchers *w = calloc(1, sizeof(*w));
	pthread_condattr_t monotonic;
	enum err e;

	if (!w)
		return err_set(eb, ERR_MEMORY, "no memory for those who watch");
	w->options = *options;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->more, &monotonic);
	pthread_condattr_destroy(&monotonic);
	e = store_numbers(options->store, options->tenant, &w->seq, &w->visit, eb);
	if (e == OK && pthread_create(&w->thread, NULL, work, w) != 0)
		e = err_set(eb, ERR_MEMORY, "no thread for those who watch");
	if (e == OK)
		*out = w;
	else
		watchers_free(w);
	return e;
}

void watchers_stop(struct watchers *w)
{
	struct watcher *who, *next;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_mutex_lock(&w->lock);
	who = w->first;
	w->first = NULL;
	pthread_mutex_unlock(&w->lock);
	for (; who; who = next) {
		next = who->next;
		lose(w, who);
		http_stream_end(who->stream);
		free(who);
	}
}
