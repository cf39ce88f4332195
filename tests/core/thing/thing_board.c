/* The board's side in simulated time: how often it asks, when it gives up, what brings it online. */
#include "thing_board.h"
#include "tap.h"

#define ID "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"
#define OTHER "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"
#define NOW 1800000000u

struct world {
	struct thing_platform platform;
	struct thing_board board;
	unsigned said[THING_MESSAGE_KINDS], events[THING_GIVEN_UP + 1], values;
	uint32_t now_ms, asked_ms[16]; /* when it asked */
	char topic[THING_ID + 1];
	bool grants;
};

static void publish(void *ctx, enum thing_topic topic, struct slice payload)
{
	struct world *w = ctx;
	struct thing_message m;

	if (topic == THING_OF_DEVICE && thing_message_parse(payload, &m) == OK) {
		if (m.kind == THING_BEGIN && w->said[THING_BEGIN] < COUNT(w->asked_ms))
			w->asked_ms[w->said[THING_BEGIN]] = w->now_ms;
		w->said[m.kind]++;
	}
}

static void subscribe(void *ctx, const char *thing)
{
	struct world *w = ctx;

	memset(w->topic, 0, sizeof(w->topic));
	if (thing != NULL)
		memcpy(w->topic, thing, THING_ID);
}

static void event(void *ctx, enum thing_event e)
{
	struct world *w = ctx;

	w->events[e]++;
}

static void value(void *ctx, const struct senml_record *r)
{
	struct world *w = ctx;

	(void)r;
	w->values++;
}

static void world_new(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->platform = (struct thing_platform){ w, publish, subscribe, event, value };
	w->grants = true;
	thing_board_start(&w->board, &w->platform, "2.9.0");
}

static void say(struct world *w, enum thing_message_kind kind, struct slice body)
{
	uint8_t bytes[512];
	struct cbor_w out = cbor_writer(bytes, sizeof(bytes));
	struct thing_message m = { .kind = kind, .body = body };
	struct slice payload;

	thing_message_put(&out, &m);
	if (cbor_finish(&out, &payload) == OK)
		thing_board_take(&w->board, THING_OF_DEVICE, payload);
}

static void name_it(struct world *w, struct slice id)
{
	say(w, THING_UPDATE, id);
	if (w->board.state == THING_SUBSCRIBING)
		thing_board_subscribed(&w->board, w->grants);
}

/* The values that a cloud sends: one of the thing's, and the time zone's unless until is 0. */
static struct slice pack_of(uint8_t *bytes, size_t cap, uint32_t until)
{
	struct cbor_w out = cbor_writer(bytes, cap);
	struct senml_value v = senml_uint(7), offset = senml_int(-3600), end = senml_uint(until);
	struct slice pack = { NULL, 0 };

	senml_begin(&out, until ? 3 : 1);
	senml_put(&out, "led", &v, NULL);
	if (until) {
		senml_put(&out, "tz_offset", &offset, NULL);
		senml_put(&out, "tz_dst_until", &end, NULL);
	}
	return cbor_finish(&out, &pack) == OK ? pack : (struct slice){ NULL, 0 };
}

static void values(struct world *w, uint32_t until)
{
	uint8_t bytes[128];

	say(w, LAST_VALUES, pack_of(bytes, sizeof(bytes), until));
}

static void pass(struct world *w, uint32_t seconds)
{
	for (uint32_t i = 0; i < 10 * seconds; i++) {
		w->now_ms += 100;
		thing_board_elapsed(&w->board, 100, NOW + w->now_ms / 1000);
	}
}

static void unanswered(void)
{
	static const uint32_t want[] = { 0, 4, 12, 28, 60, 92, 124, 156, 188, 220, 252 };
	struct world w;
	bool good = true;

	world_new(&w);
	pass(&w, 251);
	ok(w.events[THING_GIVEN_UP] == 0 && w.board.state == THING_ASKING, "nobody answers");
	pass(&w, 60);
	for (unsigned i = 0; i < THING_TRIES; i++)
		good = good && w.asked_ms[i] == want[i] * 1000;
	ok(good && w.said[THING_BEGIN] == THING_TRIES && w.said[DEVICE_BEGIN] == THING_TRIES,
	    "it asks after 4, 8, 16, 32, 32 ... s, eleven times");
	ok(w.events[THING_GIVEN_UP] == 1 && w.board.state == THING_OFF, "then it gives up");
	name_it(&w, TEXT(ID));
	ok(w.board.state == THING_OFF && w.events[THING_ATTACHED] == 0,
	    "and an answer comes too late");
}

static void nameless(void)
{
	static const uint32_t want[] = { 0, 4, 84, 244, 564, 1204, 2484, 3764, 5044, 6324, 7604 };
	struct world w;
	bool good = true;

	world_new(&w);
	name_it(&w, TEXT(""));
	ok(w.events[THING_NAMELESS] == 1 && w.board.state == THING_ASKING, "known, but no thing");
	for (unsigned i = 0; i < 7600; i++) {
		pass(&w, 1);
		name_it(&w, TEXT(""));
	}
	ok(w.events[THING_NAMELESS] == 1, "told once");
	pass(&w, 10);
	for (unsigned i = 0; i < THING_TRIES; i++)
		good = good && w.asked_ms[i] == want[i] * 1000;
	ok(good && w.events[THING_GIVEN_UP] == 1,
	    "it asks after 4, 80, 160 ... 1280 s, eleven times in two hours");
}

/* Whoever answers everything but forgets until when the time zone holds loses the board. */
static void zone(void)
{
	struct world w;
	unsigned answered;

	world_new(&w);
	name_it(&w, TEXT(ID));
	ok(w.events[THING_ATTACHED] == 1 && strcmp(w.board.id, ID) == 0 && strcmp(w.topic, ID) == 0,
	    "attached when its topic is subscribed");
	ok(w.said[LAST_VALUES_BEGIN] == 1 && w.board.state == THING_SYNCING, "it wants its values");
	values(&w, NOW + 1000000);
	ok(w.events[THING_SYNCHRONISED] == 1 && w.board.state == THING_READY && w.values == 1 &&
	        w.board.zone_offset == -3600 && w.board.zone_until == NOW + 1000000,
	    "synchronised");
	pass(&w, 600);
	ok(w.board.state == THING_READY && w.said[LAST_VALUES_BEGIN] == 1 &&
	        w.said[THING_BEGIN] == 1,
	    "ten minutes later it is still there and has asked for nothing");

	world_new(&w);
	name_it(&w, TEXT(ID));
	for (answered = 0; w.board.state != THING_OFF && w.now_ms < 600000; pass(&w, 1))
		if (w.said[LAST_VALUES_BEGIN] > answered) {
			answered = w.said[LAST_VALUES_BEGIN];
			values(&w, 0);
		}
	ok(answered == THING_TRIES && w.events[THING_GIVEN_UP] == 1 && w.now_ms >= 329000 &&
	        w.now_ms <= 332000,
	    "without a time zone it goes after 5 1/2 minutes, %u answers or not", answered);
}

static void renewed(void)
{
	uint8_t bytes[128];
	struct world w;

	world_new(&w);
	name_it(&w, TEXT(ID));
	values(&w, NOW + 100);
	pass(&w, 50);
	thing_board_take(&w.board, THING_OF_THING, pack_of(bytes, sizeof(bytes), NOW + 900));
	pass(&w, 500);
	ok(w.board.state == THING_READY && w.said[LAST_VALUES_BEGIN] == 1 && w.values == 2,
	    "a time zone that is renewed in time");
	pass(&w, 400);
	ok(w.said[LAST_VALUES_BEGIN] > 1, "one that has run out is asked for");
}

static void others(void)
{
	uint8_t bytes[128];
	struct slice pack = pack_of(bytes, sizeof(bytes), NOW + 10);
	struct world w;

	world_new(&w);
	w.grants = false;
	name_it(&w, TEXT(ID));
	ok(w.board.state == THING_ASKING && w.events[THING_ATTACHED] == 0,
	    "a topic that is refused attaches nothing");
	w.grants = true;
	name_it(&w, TEXT("x"));
	ok(w.board.state == THING_ASKING, "an id of another length is none");
	name_it(&w, TEXT("+c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"));
	ok(w.board.state == THING_ASKING, "nor is a wildcard");
	thing_board_take(&w.board, THING_OF_THING, pack);
	ok(w.values == 0, "values before there is a thing are dropped");
	name_it(&w, TEXT(ID));
	thing_board_take(&w.board, THING_OF_DEVICE, pack);
	ok(w.values == 0 && w.board.state == THING_SYNCING, "values on the device's topic too");
	say(&w, LAST_VALUES, (struct slice){ pack.p, pack.n - 1 });
	ok(w.values == 0 && w.board.state == THING_SYNCING, "a pack that is cut is none");
	values(&w, NOW + 5000);
	name_it(&w, TEXT(ID));
	ok(w.events[THING_ATTACHED] == 1, "the same thing once more is no news");
	say(&w, THING_DETACH, TEXT(OTHER));
	ok(w.events[THING_DETACHED] == 0, "it is detached from no thing that it does not have");
	name_it(&w, TEXT(OTHER));
	ok(w.events[THING_DETACHED] == 1 && w.events[THING_ATTACHED] == 2 &&
	        strcmp(w.topic, OTHER) == 0 && w.board.state == THING_SYNCING,
	    "another thing takes the place of the first");
	say(&w, THING_DETACH, TEXT(OTHER));
	ok(w.events[THING_DETACHED] == 2 && w.topic[0] == '\0' && w.board.id[0] == '\0' &&
	        w.board.state == THING_ASKING && w.said[THING_BEGIN] == 2,
	    "detached, it asks again");
	thing_board_stop(&w.board);
	pass(&w, 100);
	ok(w.said[THING_BEGIN] == 2, "and when it is stopped it says no more");
}

int main(void)
{
	unanswered();
	nameless();
	zone();
	renewed();
	others();
	return done_testing();
}
