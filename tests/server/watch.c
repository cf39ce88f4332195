/* Who watches hears what happens: once, in order, from where it stopped; and holds nobody up. */
#include "tap.h"
#include "world.h"

#include "uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS "/v1/events"

static struct answer watch(struct world *w, const char *query, const char *header)
{
	char headers[512];

	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\n%s", w->token, header);
	return ask_with(w, "GET", query, headers, (struct slice){ NULL, 0 });
}

static bool refused(struct world *w, const char *query, const char *header, int status,
    const char *why, const char *name)
{
	struct answer a = watch(w, query, header);
	bool right = a.status == status && !a.stream && strstr(a.body, why) != NULL;

	ok(right, "%s: %d %s", name, a.status, a.body);
	answer_free(&a);
	return right;
}

/* Changes a device: one event. */
static void rename_device(struct world *w, const char *id, const char *name)
{
	char path[128], body[128];
	struct answer a;

	snprintf(path, sizeof(path), "/iot/v2/devices/%s", id);
	snprintf(body, sizeof(body), "{\"name\":\"%s\"}", name);
	a = ask(w, "POST", path, body);
	if (a.status != 200)
		ok(false, "renamed: %d %s", a.status, a.body);
	answer_free(&a);
}

static struct store_visit visit_of(const char *device, uint8_t number)
{
	struct store_visit v = { .id = { number },
		.broker = "mosquitto",
		.address = "192.0.2.9",
		.protocol = 4,
		.admitted = true,
		.began = 1792713600000 };

	if (uuid_parse((struct slice){ (const uint8_t *)device, 36 }, v.device) != OK)
		abort();
	return v;
}

static void put_visit(struct world *w, const struct store_visit *v)
{
	struct store_change *c = store_change_new(1);
	struct errbuf eb = { "" };

	store_visit_put(c, v);
	if (store_commit(w->store, c, &eb) != OK)
		ok(false, "visit: %s", eb.text);
}

/* How often a text has been said. */
static size_t count(struct http_stream *s, const char *text)
{
	char *all = stream_text(s), *at = all;
	size_t n = 0;

	for (; (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	free(all);
	return n;
}

/* The last "id:" line. */
static void last_id(struct http_stream *s, char id[64])
{
	char *all = stream_text(s), *at = all;

	id[0] = '\0';
	for (; (at = strstr(at, "id: ")) != NULL; at += 4)
		snprintf(id, 64, "%.*s", (int)strcspn(at + 4, "\n"), at + 4);
	free(all);
}

/* Whether the numbers of audit events rise by one, from `from` on; how many there are. */
static size_t in_order(struct http_stream *s, unsigned from)
{
	char *all = stream_text(s), *at = all, *end;
	unsigned next = from;

	for (; (at = strstr(at, "data: {\"seq\":")) != NULL; at = end, next++) {
		if (strtoul(at + 13, &end, 10) != next)
			break;
	}
	free(all);
	return at ? 0 : next - from;
}

/* The count of watchers when it has become this, after something to tell them. */
static bool becomes(struct world *w, unsigned n)
{
	for (int i = 0; i < 2000 && watchers_count(w->watchers) != n; i++)
		usleep(5000);
	return watchers_count(w->watchers) == n;
}

/* What is about no device names none. */
static void test_broker(struct world *w)
{
	struct answer a, b;

	world_brokers(w);
	w->brokers.at[0] = (struct broker_state){ .name = "old" };
	w->brokers.n = 1;
	a = watch(w, EVENTS, "");
	b = ask(w, "DELETE", "/v1/brokers/old", NULL);
	ok(b.status == 200 &&
	        stream_says(a.stream, "\"kind\":\"broker.forgotten\",\"note\":\"old\","),
	    "a broker that was forgotten");
	stream_leave(a.stream);
	answer_free(&a);
	answer_free(&b);
}

static void test_refusals(struct world *w)
{
	struct answer a = ask_with(w, "GET", EVENTS, "", (struct slice){ NULL, 0 });

	ok(a.status == 401 && !a.stream, "nobody watches without a token");
	answer_free(&a);
	refused(w, EVENTS "?after=1", "", 400, "EVENT.VISIT", "one number");
	refused(w, EVENTS "?after=1.2x", "", 400, "EVENT.VISIT", "something behind them");
	refused(w, EVENTS "?after=-1.2", "", 400, "EVENT.VISIT", "a sign");
	refused(w, EVENTS "?after=1.9999999999999999999", "", 400, "EVENT.VISIT", "too long");
	refused(w, EVENTS, "Last-Event-ID: x\n", 400, "EVENT.VISIT", "a wrong header");
	refused(w, EVENTS "?replay=some", "", 400, "replay", "a part of it");
	refused(w, EVENTS "?device=kitchen", "", 400, "device", "a name");
	refused(w, EVENTS "?device=00000000-0000-4000-8000-000000000000", "", 404, "no device",
	    "no such device");
}

static void test_live(struct world *w)
{
	struct answer a = watch(w, EVENTS, "");
	struct http_stream *s = a.stream;
	struct store_visit v;
	uint8_t id16[16];
	char id[37], text[128];

	ok(a.status == 200 && s && strcmp(a.type, "text/event-stream") == 0 &&
	        strstr(a.headers, "Cache-Control: no-store\n"),
	    "a stream of events");
	ok(s && stream_says(s, "retry: 1000\nid: 1.0\n\n"),
	    "begins with where it begins: a token has been given");
	make_device(w, "kitchen", id);
	snprintf(text, sizeof(text),
	    "\"kind\":\"device.created\",\"device\":\"%s\",\"name\":\"%s\"", id, "kitchen");
	ok(stream_says(s, text) && stream_says(s, "id: 2.0\nevent: audit\ndata: {\"seq\":2,"),
	    "a device is made");
	ok(stream_says(s, "\"peer\":\"192.0.2.7\"}\n\n"), "by whom from where");

	v = visit_of(id, 1);
	put_visit(w, &v);
	snprintf(text, sizeof(text),
	    "event: visit\ndata: {\"device\":\"%s\",\"name\":\"kitchen\",\"connected\":true,", id);
	ok(stream_says(s, text) && stream_says(s, "id: 2.1\nevent: visit"), "it connects");
	ok(stream_says(s, "\"broker\":\"mosquitto\",\"address\":\"192.0.2.9\",\"began\":"
	                  "\"2026-10-23T00:00:00Z\"}"),
	    "where from and since when");
	v.ended = v.began + 5000;
	strcpy(v.reason, "revoked");
	put_visit(w, &v);
	ok(stream_says(s, "id: 2.2\nevent: visit") && stream_says(s, "\"connected\":false") &&
	        stream_says(s, "\"ended\":\"2026-10-23T00:00:05Z\",\"reason\":\"revoked\"}"),
	    "it has gone, and why");
	v = visit_of(id, 2);
	v.admitted = false;
	v.ended = v.began;
	strcpy(v.reason, "disabled");
	put_visit(w, &v);
	ok(stream_says(s, "\"connected\":false,\"admitted\":false") &&
	        stream_says(s, "\"reason\":\"disabled\""),
	    "it is refused");

	if (uuid_parse((struct slice){ (const uint8_t *)id, 36 }, id16) != OK)
		abort();
	watchers_say(w->watchers, id16, "value", "{\"name\":\"led\",\"value\":true}");
	snprintf(text, sizeof(text),
	    "\n\nevent: value\ndata: {\"device\":\"%s\",\"name\":\"led\",\"value\":true}\n\n", id);
	ok(stream_says(s, text), "a value, which has no number");
	watchers_say(w->watchers, id16, "message", "{}");
	snprintf(text, sizeof(text), "event: message\ndata: {\"device\":\"%s\"}\n\n", id);
	ok(stream_says(s, text), "and something without more");
	ok(watchers_count(w->watchers) == 1, "one is watching");
	answer_free(&a);
	rename_device(w, id, "kitchen 2");
	ok(becomes(w, 0), "then nobody");
}

static void test_replay(struct world *w)
{
	struct answer a, b, c;
	char id[64], header[128], made[2][37];
	unsigned events = (unsigned)count_events(w);

	a = watch(w, EVENTS, "");
	make_device(w, "one", made[0]);
	ok(stream_says(a.stream, "\"name\":\"one\""), "somebody watches");
	last_id(a.stream, id);
	stream_leave(a.stream);
	make_device(w, "two", made[1]);
	ok(becomes(w, 0), "and goes, which is noticed");
	answer_free(&a);

	snprintf(header, sizeof(header), "Last-Event-ID: %s\n", id);
	a = watch(w, EVENTS "?after=0.0", header);
	ok(stream_says(a.stream, "\"name\":\"two\"") && count(a.stream, "event: ") == 1,
	    "who comes back hears what it has missed and nothing twice");
	b = watch(w, EVENTS "?replay=all", "");
	ok(stream_says(b.stream, "\"name\":\"two\"") && in_order(b.stream, 1) == events + 2,
	    "who asks for all hears all, in order");
	ok(stream_says(b.stream, "event: visit"), "visits too, each as it is now");
	snprintf(header, sizeof(header), EVENTS "?after=%u.0", events);
	c = watch(w, header, "");
	ok(stream_says(c.stream, "\"name\":\"two\"") && in_order(c.stream, events + 1) == 2,
	    "behind a number");
	answer_free(&c);
	c = watch(w, EVENTS "?after=999999.999999", "");
	ok(stream_says(c.stream, "id: ") && count(c.stream, "id: 999999") == 0,
	    "numbers that have not been given are those of today");
	rename_device(w, made[0], "uno");
	ok(stream_says(a.stream, "\"name\":\"uno\"") && stream_says(b.stream, "\"name\":\"uno\"") &&
	        stream_says(c.stream, "\"name\":\"uno\"") && count(c.stream, "event: ") == 1,
	    "then all hear the same");
	answer_free(&a);
	answer_free(&b);
	answer_free(&c);
	rename_device(w, made[0], "one");
	ok(becomes(w, 0), "until they go");
}

static void test_one_device(struct world *w)
{
	char mine[37], other[37], path[128];
	struct store_visit v;
	uint8_t id[16] = { 9 };
	struct answer a;

	make_device(w, "mine", mine);
	make_device(w, "other", other);
	snprintf(path, sizeof(path), EVENTS "?device=%s", mine);
	a = watch(w, path, "");
	rename_device(w, other, "another");
	v = visit_of(other, 3);
	put_visit(w, &v);
	watchers_say(w->watchers, v.device, "value", "{\"name\":\"a\"}");
	watchers_say(w->watchers, id, "value", "{\"name\":\"b\"}");
	v = visit_of(mine, 4);
	put_visit(w, &v);
	watchers_say(w->watchers, v.device, "value", "{\"name\":\"c\"}");
	rename_device(w, mine, "ours");
	ok(stream_says(a.stream, "\"kind\":\"device.changed\"") &&
	        stream_says(a.stream, "event: visit") && stream_says(a.stream, "\"name\":\"c\"") &&
	        count(a.stream, "event: ") == 3 && count(a.stream, other) == 0,
	    "who asks for one device hears of no other");
	answer_free(&a);
	rename_device(w, mine, "mine");
	ok(becomes(w, 0), "the end of it");
}

/* A long history, for one who reads slowly; others are not held up. */
static void test_slow(struct world *w)
{
	struct answer slow, quick;
	char id[37], name[32];
	unsigned events;

	make_device(w, "busy", id);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "busy %d", i);
		rename_device(w, id, name);
	}
	events = (unsigned)count_events(w);
	quick = watch(w, EVENTS "?replay=all", "");
	snprintf(name, sizeof(name), "\"seq\":%u,", events);
	ok(stream_says(quick.stream, name) && in_order(quick.stream, 1) == events,
	    "%u events are several batches", events);

	slow = watch(w, EVENTS, "");
	stream_room(slow.stream, 1000);
	rename_device(w, id, "later 1");
	rename_device(w, id, "later 2");
	ok(stream_says(quick.stream, "\"name\":\"later 2\""),
	    "one who has no room does not hold others up");
	ok(count(slow.stream, "event: ") == 0, "and what stands in the registry waits there");
	stream_room(slow.stream, HTTP_STREAM_MAX);
	ok(stream_says(slow.stream, "\"name\":\"later 2\"") &&
	        in_order(slow.stream, events + 1) == 2,
	    "until it has room");
	stream_room(slow.stream, 10);
	watchers_say(w->watchers, (const uint8_t[16]){ 1 }, "value", "{\"name\":\"a\"}");
	ok(stream_ended(slow.stream), "who has no room for what is live is dropped");
	ok(stream_says(quick.stream, "\"name\":\"a\"") && watchers_count(w->watchers) == 1,
	    "the others hear it");
	answer_free(&slow);
	answer_free(&quick);
	rename_device(w, id, "busy");
	ok(becomes(w, 0), "nobody is left");
}

static void test_many(struct world *w)
{
	struct answer all[WATCHERS_MAX], more;
	unsigned heard = 0;
	char id[37];

	for (size_t i = 0; i < WATCHERS_MAX; i++)
		all[i] = watch(w, EVENTS, "");
	ok(watchers_count(w->watchers) == WATCHERS_MAX, "%d may watch", WATCHERS_MAX);
	refused(w, EVENTS, "", 503, "64 may watch", "one more may not");
	make_device(w, "seen by many", id);
	for (size_t i = 0; i < WATCHERS_MAX; i++)
		heard += all[i].stream && stream_says(all[i].stream, "seen by many");
	ok(heard == WATCHERS_MAX, "all of them hear of it");
	stream_leave(all[7].stream);
	more = watch(w, EVENTS, "");
	ok(more.status == 200, "when one has gone there is room for another");
	answer_free(&more);
	for (size_t i = 0; i < WATCHERS_MAX; i++)
		answer_free(&all[i]);
}

int main(void)
{
	struct answer a;
	struct world w;

	world_open(&w);
	test_refusals(&w);
	test_live(&w);
	test_replay(&w);
	test_one_device(&w);
	test_slow(&w);
	test_many(&w);
	test_broker(&w);
	a = watch(&w, EVENTS, "");
	world_stop(&w);
	ok(stream_ended(a.stream), "the end of the server is that of its streams");
	answer_free(&a);
	world_start(&w);
	a = watch(&w, EVENTS "?replay=all", "");
	ok(stream_says(a.stream, "seen by many"), "a new one knows what the old one said");
	answer_free(&a);
	world_close(&w);
	return done_testing();
}
