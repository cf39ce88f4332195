/*
 * The server's side of a board's dialogue against the board's own side (thing_board.h), in simulated time:
 * attached, synchronised, and still there ten minutes and a change of clocks later.
 */
#include "tap.h"
#include "world.h"

#include "thing_board.h"
#include "uuid.h"

#include <poll.h>
#include <stdlib.h>

#define THINGS "/iot/v2/things"
#define NOON INT64_C(1900065600000) /* 2030-03-18T12:00:00Z */

struct rig {
	struct world w;
	struct responder *responder;
	int64_t ticks;
	/* The board. */
	struct thing_platform platform;
	struct thing_board board;
	char device[37], thing[37];
	uint8_t device_id[16];
	bool connected;
	unsigned events[THING_GIVEN_UP + 1], said[THING_MESSAGE_KINDS], values;
	struct senml_value last;
	char last_name[SENML_NAME_MAX + 1], last_text[SENML_DATA_MAX];
	/* The last message to anybody. */
	char topic[TOPIC_SIZE];
	unsigned sent;
};

static void id_of(const char *text, uint8_t id[16])
{
	if (uuid_parse((struct slice){ (const uint8_t *)text, 36 }, id) != OK)
		abort();
}

/* --- between the two --- */

static bool hear(
    struct rig *r, const char *topic, struct slice payload, struct responder_heard *heard)
{
	return responder_take(r->responder, r->ticks,
	    (struct slice){ (const uint8_t *)topic, strlen(topic) }, payload, heard);
}

static bool up(struct rig *r, enum thing_topic topic, struct slice payload)
{
	struct responder_heard heard;
	char text[64];

	if (topic == THING_OF_DEVICE)
		snprintf(text, sizeof(text), "/a/d/%s/c/up", r->device);
	else
		snprintf(text, sizeof(text), "/a/t/%s/e/o", r->thing);
	return hear(r, text, payload, &heard);
}

static void publish(void *ctx, enum thing_topic topic, struct slice payload)
{
	struct rig *r = ctx;
	struct thing_message m;

	if (thing_message_parse(payload, &m) == OK)
		r->said[m.kind]++;
	up(r, topic, payload);
}

static void subscribe(void *ctx, const char *thing)
{
	(void)ctx;
	(void)thing;
}

static void event(void *ctx, enum thing_event e)
{
	struct rig *r = ctx;

	r->events[e]++;
}

static void value(void *ctx, const struct senml_record *record)
{
	struct rig *r = ctx;

	r->values++;
	r->last = record->value;
	strcpy(r->last_name, record->name);
	if (record->value.data.n > 0) {
		memcpy(r->last_text, record->value.data.p, record->value.data.n);
		r->last.data.p = (const uint8_t *)r->last_text;
	}
}

/* What the server says goes to the board, if it is meant for it. */
static unsigned down(struct rig *r)
{
	char own[TOPIC_SIZE], values[TOPIC_SIZE];
	struct responder_out out;
	unsigned n = 0;

	snprintf(own, sizeof(own), "/a/d/%s/c/dw", r->device);
	for (; responder_next(r->responder, &out); n++, r->sent++) {
		snprintf(r->topic, sizeof(r->topic), "%s", out.topic);
		snprintf(values, sizeof(values), "/a/t/%s/e/i", r->board.id);
		if (!r->connected)
			continue;
		if (strcmp(out.topic, own) == 0)
			thing_board_take(&r->board, THING_OF_DEVICE, out.payload);
		else if (strcmp(out.topic, values) == 0)
			thing_board_take(&r->board, THING_OF_THING, out.payload);
		if (r->board.state == THING_SUBSCRIBING)
			thing_board_subscribed(&r->board, true);
	}
	return n;
}

/* Everything that can be said without time. */
static void settle(struct rig *r)
{
	struct pollfd fd = { .fd = responder_fd(r->responder), .events = POLLIN };

	do
		responder_elapsed(r->responder, r->ticks);
	while (down(r) > 0 || poll(&fd, 1, 0) > 0);
}

static void pass(struct rig *r, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		r->ticks += 1000;
		r->w.now_ms += 1000;
		if (r->connected)
			thing_board_elapsed(&r->board, 1000, (uint32_t)(r->w.now_ms / 1000));
		settle(r);
	}
}

static void connect(struct rig *r)
{
	memset(r->events, 0, sizeof(r->events));
	memset(r->said, 0, sizeof(r->said));
	r->values = 0;
	r->connected = true;
	thing_board_start(&r->board, &r->platform, "2.9.0");
	settle(r);
}

/* --- the world --- */

static int64_t now_ms(void *ctx)
{
	return ((struct world *)ctx)->now_ms;
}

static void responder_begin(struct rig *r, size_t things_max)
{
	static struct log silent = LOG_TO(-1, LOG_LEVEL_ERROR, false);
	struct responder_options o = { .store = r->w.store,
		.tenant = 1,
		.brokers = &r->w.brokers,
		.log = &silent,
		.things_max = things_max,
		.now_ms = now_ms,
		.ctx = &r->w };
	struct api_parts parts;

	world_brokers(&r->w);
	if (responder_new(&o, &r->responder, NULL) != OK)
		abort();
	parts = (struct api_parts){ .brokers = &r->w.brokers, .responder = r->responder };
	api_parts_set(r->w.api, &parts);
}

/* As the server ends and begins. */
static void restart(struct rig *r)
{
	responder_stop(r->responder);
	world_stop(&r->w);
	responder_free(r->responder);
	world_start(&r->w);
	responder_begin(r, 0);
}

static void open(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	world_open(&r->w);
	r->w.now_ms = NOON;
	world_login(&r->w);
	responder_begin(r, 0);
	r->platform = (struct thing_platform){ r, publish, subscribe, event, value };
	make_device(&r->w, "board", r->device);
	id_of(r->device, r->device_id);
}

static struct answer at(
    struct rig *r, const char *method, const char *folder, const char *id, const char *body)
{
	char target[160];

	snprintf(target, sizeof(target), "%s/%s", folder, id);
	world_login(&r->w);
	return ask(&r->w, method, target, body);
}

static void expect(struct answer a, int status, const char *name)
{
	ok(a.status == status, "%s: %d (%s)", name, a.status, a.body);
	answer_free(&a);
}

static void make_thing(struct rig *r, const char *zone)
{
	char body[128];
	struct answer a;

	snprintf(body, sizeof(body), "{\"name\":\"hall\",\"timezone\":\"%s\"}", zone);
	world_login(&r->w);
	a = ask(&r->w, "PUT", THINGS, body);
	snprintf(r->thing, sizeof(r->thing), "%s", text_of(&a, "id"));
	expect(a, 201, "a thing");
}

static void attach(struct rig *r, const char *device)
{
	char body[80];

	snprintf(body, sizeof(body), "{\"device_id\":\"%s\"}", device);
	expect(at(r, "POST", THINGS, r->thing, body), 200, *device ? "attached" : "detached");
	settle(r);
}

/* One value in a pack, as boards write it. */
static struct slice pack_of(const char *name, struct senml_value v)
{
	static uint8_t bytes[512];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct slice pack = { NULL, 0 };

	senml_begin_indefinite(&w);
	senml_put(&w, name, &v, NULL);
	senml_end(&w);
	return cbor_finish(&w, &pack) == OK ? pack : (struct slice){ NULL, 0 };
}

static bool shows(struct rig *r, const char *text)
{
	struct answer a = at(r, "GET", THINGS, r->thing, NULL);
	bool found = strstr(a.body, text) != NULL;

	answer_free(&a);
	return found;
}

/* The registry writes on a thread of its own. */
static void written(struct rig *r)
{
	struct pollfd fd = { .fd = responder_fd(r->responder), .events = POLLIN };
	struct responder_stats before, now;

	responder_stats(r->responder, &before);
	responder_elapsed(r->responder, r->ticks);
	for (unsigned i = 0; i < 100; i++) {
		responder_stats(r->responder, &now);
		if (now.values > before.values)
			return;
		poll(&fd, 1, 100);
	}
}

/* --- who is answered --- */

static void nobody(struct rig *r)
{
	const struct slice begin = BYTES(0xda, 0, 1, 3, 0, 0x81, 0x60);
	struct responder_heard heard;
	struct responder_stats stats;

	ok(hear(r, "/a/d/00000000-0000-4000-8000-000000000000/c/up", begin, &heard) && !down(r),
	    "who is not there is not answered");
	ok(!hear(r, "/a/d/x/c/up", begin, &heard) && !hear(r, "/a/d", begin, &heard),
	    "what is nobody's topic is nobody's");
	connect(r);
	ok(r->events[THING_NAMELESS] == 1 && r->board.state == THING_ASKING,
	    "who has no thing is told so");
	responder_stats(r->responder, &stats);
	ok(up(r, THING_OF_DEVICE, BYTES(0xff)) &&
	        up(r, THING_OF_DEVICE, BYTES(0xda, 0, 1, 3, 0, 0x81)) && !down(r),
	    "what is no message is not answered");
	responder_stats(r->responder, &stats);
	ok(stats.malformed == 2, "but counted");
	ok(!up(r, THING_OF_THING, BYTES(0x80)), "nor are values of no thing");
}

static void disabled(struct rig *r)
{
	char target[80];
	struct answer a;

	snprintf(target, sizeof(target), "/v1/devices/%s:disable", r->device);
	world_login(&r->w);
	expect(ask(&r->w, "POST", target, "{}"), 200, "disabled");
	connect(r);
	ok(r->events[THING_NAMELESS] == 0 && r->said[THING_BEGIN] == 1,
	    "who is disabled is not answered");
	snprintf(target, sizeof(target), "/v1/devices/%s:enable", r->device);
	expect(ask(&r->w, "POST", target, "{}"), 200, "enabled");
	a = at(r, "DELETE", "/iot/v2/devices", r->device, NULL);
	answer_free(&a);
	connect(r);
	ok(r->events[THING_NAMELESS] == 0, "nor who is deleted");
	expect(at(r, "POST", "/iot/v2/devices", r->device, "{\"soft_deleted\":false}"), 200,
	    "restored");
}

/* What is worth keeping of a message: the one by which a board introduces itself, and no other. */
static void kept(struct rig *r)
{
	const struct slice begin = BYTES(0xda, 0, 1, 7, 0, 0x81, 0x65, '2', '.', '9', '.', '0');
	struct responder_heard heard;
	char topic[64];

	snprintf(topic, sizeof(topic), "/a/d/%s/c/up", r->device);
	ok(hear(r, topic, begin, &heard) && slice_equal(heard.kept, begin) &&
	        memcmp(heard.device, r->device_id, 16) == 0,
	    "device-begin is kept");
	ok(hear(r, topic, BYTES(0xda, 0, 1, 0x11, 0, 0x81, 0x64, 'h', 'o', 'm', 'e'), &heard) &&
	        heard.kept.p == NULL,
	    "net-config is not: it may hold the name of a Wi-Fi");
	ok(hear(r, topic, BYTES(1, 2, 3), &heard) && heard.kept.p == NULL, "nor is anything else");
	down(r);
}

/* --- attached, synchronised, and still there --- */

static void attached(struct rig *r)
{
	make_thing(r, "Europe/Rome");
	connect(r);
	ok(r->board.state == THING_ASKING, "connected, without a thing");
	r->w.brokers.asked = 0;
	attach(r, r->device);
	ok(r->w.brokers.asked == 1 && r->w.brokers.seq == brokers_seq(&r->w.brokers),
	    "the brokers were asked whether they know");
	ok(r->events[THING_ATTACHED] == 1 && strcmp(r->board.id, r->thing) == 0 &&
	        r->events[THING_SYNCHRONISED] == 1 && r->board.state == THING_READY,
	    "attached while connected, and synchronised");
	ok(r->board.zone_offset == 3600 && r->board.zone_until > r->w.now_ms / 1000,
	    "with the time zone of its thing, until later");
	pass(r, 600);
	ok(r->board.state == THING_READY && r->said[THING_BEGIN] == 1 &&
	        r->said[LAST_VALUES_BEGIN] == 1,
	    "ten minutes later it is still there and has asked for nothing");
	connect(r);
	ok(r->board.state == THING_READY && r->events[THING_SYNCHRONISED] == 1,
	    "attached and synchronised at once when it comes again");
}

/* No thing is named before the brokers have been told. */
static void feed_first(struct rig *r)
{
	struct pollfd fd = { .fd = responder_fd(r->responder), .events = POLLIN };
	struct responder_out out;

	r->w.brokers.later = true;
	thing_board_start(&r->board, &r->platform, "2.9.0");
	ok(!responder_next(r->responder, &out), "nothing is said before the brokers have answered");
	ok(poll(&fd, 1, 10000) == 1, "they answer");
	settle(r);
	ok(r->board.state == THING_READY, "then the thing is named");
	r->w.brokers.later = false;
}

/* Sunday 2030-03-31 01:00 UTC: summer begins in Rome. */
static void summer(struct rig *r)
{
	r->w.now_ms = INT64_C(1901149200000) - 20000;
	connect(r);
	ok(r->board.state == THING_READY && r->board.zone_offset == 3600, "winter");
	pass(r, 60);
	ok(r->board.zone_offset == 7200 && r->board.state == THING_READY &&
	        r->said[LAST_VALUES_BEGIN] == 1,
	    "clocks are changed in time, and the board need not ask");
	expect(at(r, "POST", THINGS, r->thing, "{\"timezone\":\"Asia/Kolkata\"}"), 200, "moved");
	settle(r);
	ok(r->board.zone_offset == 19800, "another time zone reaches the board that is there");
	pass(r, 600);
	ok(r->board.state == THING_READY && r->said[LAST_VALUES_BEGIN] == 1, "which stays");
}

/* --- values --- */

static void values(struct rig *r)
{
	struct answer a;
	char target[128];

	connect(r);
	ok(up(r, THING_OF_THING, pack_of("led", senml_bool(true))), "a value");
	written(r);
	ok(shows(r, "\"last_value\":true"), "is shown");
	ok(up(r, THING_OF_THING, pack_of("label", senml_text(TEXT("a \"b\"")))), "a text");
	written(r);
	up(r, THING_OF_THING, pack_of("label", senml_text(TEXT("c"))));
	responder_elapsed(r->responder, r->ticks);
	ok(shows(r, "\"last_value\":\"a \\\"b\\\"\""), "another within ten seconds waits");
	connect(r);
	ok(r->events[THING_SYNCHRONISED] == 1 && r->values == 2 && strcmp(r->last_name, "led") == 0,
	    "who comes back gets both");
	up(r, THING_OF_THING, pack_of("label", senml_text(TEXT("d"))));
	connect(r);
	ok(r->values == 2 && r->last.kind != SENML_NONE, "also what is not written yet");
	r->ticks += 10000;
	written(r);
	ok(shows(r, "\"last_value\":\"d\"") && !shows(r, "\"last_value\":\"c\""),
	    "the newest is written");
	up(r, THING_OF_THING, pack_of("tz_offset", senml_int(1)));
	ok(!shows(r, "tz_offset"), "the time zone is not the board's to say");
	up(r, THING_OF_THING, pack_of("x", senml_int(-5)));
	snprintf(target, sizeof(target), "/iot/v2/devices/%s/properties", r->device);
	restart(r);
	world_login(&r->w);
	a = ask(&r->w, "GET", target, NULL);
	ok(strstr(a.body, "\"last_value\":-5") != NULL && strstr(a.body, "\"name\":\"label\""),
	    "what waits is written at the end (%s)", a.body);
	answer_free(&a);
}

static void bounds(struct rig *r)
{
	struct responder_stats before, after;
	char name[16];
	unsigned n = 0;

	connect(r);
	for (unsigned i = 0; i < 70; i++) {
		snprintf(name, sizeof(name), "n%02u", i);
		up(r, THING_OF_THING, pack_of(name, senml_uint(i)));
	}
	responder_stats(r->responder, &after);
	ok(after.dropped >= 9, "names beyond 64 are dropped (%u)", (unsigned)after.dropped);
	connect(r);
	ok(r->board.state == THING_READY && r->values == RESPONDER_NAMES_MAX,
	    "a board gets its 64 values (%u)", r->values);
	for (unsigned i = 0; i < 61; i++) {
		static uint8_t text[200];

		memset(text, 'x', sizeof(text));
		snprintf(name, sizeof(name), "n%02u", i);
		up(r, THING_OF_THING, pack_of(name, senml_text(SLICE(text))));
	}
	connect(r);
	n = r->values;
	ok(r->board.state == THING_READY && n > 8 && n < RESPONDER_NAMES_MAX &&
	        r->board.zone_until > r->w.now_ms / 1000,
	    "what has no room is left out, the time zone is not (%u)", n);
	responder_stats(r->responder, &before);
	up(r, THING_OF_THING, BYTES(0x81, 0xa0));
	responder_stats(r->responder, &after);
	ok(after.malformed == before.malformed + 1, "what is no pack is counted");
}

static void detached(struct rig *r)
{
	connect(r);
	ok(r->board.state == THING_READY, "attached");
	attach(r, "");
	ok(r->events[THING_DETACHED] == 1 && r->events[THING_NAMELESS] == 1 &&
	        r->board.state == THING_ASKING,
	    "the board hears of it and asks again, and has none");
	ok(!up(r, THING_OF_THING, pack_of("led", senml_bool(false))), "its values are nobody's");
	attach(r, r->device);
	ok(r->board.state == THING_READY, "attached again");
	expect(at(r, "DELETE", THINGS, r->thing, NULL), 200, "the thing is removed");
	settle(r);
	ok(r->events[THING_DETACHED] == 2 && r->board.state == THING_ASKING,
	    "which detaches as well");
}

/* --- more things than there is room for --- */

enum { THINGS_THERE = 3 };

struct board {
	char device[37], thing[37];
};

static void board_make(struct rig *r, struct board *b, const char *name)
{
	make_device(&r->w, name, b->device);
	make_thing(r, "Europe/Rome");
	memcpy(b->thing, r->thing, sizeof(b->thing));
	attach(r, b->device);
}

/* Whether it is answered when it asks for its last values. */
static bool asks(struct rig *r, const struct board *b)
{
	const struct slice begin = BYTES(0xda, 0, 1, 5, 0, 0x80);
	struct responder_heard heard;
	char topic[TOPIC_SIZE], want[TOPIC_SIZE];

	snprintf(topic, sizeof(topic), "/a/d/%s/c/up", b->device);
	snprintf(want, sizeof(want), "/a/d/%s/c/dw", b->device);
	return hear(r, topic, begin, &heard) && down(r) == 1 && strcmp(r->topic, want) == 0;
}

/* Whether it is one of those whose boards hear of their zone. */
static bool is_told(struct rig *r, const struct board *b)
{
	uint8_t id[16];
	unsigned before = r->sent;

	id_of(b->thing, id);
	responder_zone(r->responder, id);
	settle(r);
	return r->sent == before + 1 && strstr(r->topic, b->thing);
}

static void crowded(struct rig *r)
{
	struct board b[THINGS_THERE];

	responder_stop(r->responder);
	world_stop(&r->w);
	responder_free(r->responder);
	world_start(&r->w);
	responder_begin(r, THINGS_THERE - 1);
	r->connected = false;
	world_login(&r->w);
	for (unsigned i = 0; i < THINGS_THERE; i++)
		board_make(r, &b[i], "one of many");
	ok(asks(r, &b[0]) && asks(r, &b[1]), "two boards ask for their last values");
	ok(asks(r, &b[0]) && is_told(r, &b[0]) && is_told(r, &b[1]), "both are known");
	ok(asks(r, &b[2]) && is_told(r, &b[2]), "one too many is answered like them");
	ok(is_told(r, &b[0]) && !is_told(r, &b[1]), "and the one unused for longest is given up");
	ok(asks(r, &b[1]) && is_told(r, &b[1]) && !is_told(r, &b[0]) && is_told(r, &b[2]),
	    "until it asks again");
	memcpy(r->thing, b[2].thing, sizeof(r->thing));
	expect(at(r, "DELETE", THINGS, r->thing, NULL), 200, "a thing is removed");
	settle(r);
	ok(!up(r, THING_OF_THING, pack_of("led", senml_bool(false))) && asks(r, &b[0]) &&
	        is_told(r, &b[1]) && is_told(r, &b[0]),
	    "which makes room for another one");
}

int main(void)
{
	static struct rig r;

	open(&r);
	nobody(&r);
	disabled(&r);
	kept(&r);
	attached(&r);
	feed_first(&r);
	values(&r);
	bounds(&r);
	summer(&r);
	detached(&r);
	crowded(&r);
	responder_stop(r.responder);
	world_stop(&r.w);
	responder_free(r.responder);
	world_start(&r.w);
	world_close(&r.w);
	return done_testing();
}
