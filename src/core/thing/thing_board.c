#include "thing_board.h"

#include <string.h>

/* ArduinoIoTCloud's AIOT_CONFIG_*: the wait is the first of a pair, doubled with each try, up to the second. */
#define ASK_MS 2000
#define ASK_MAX_MS 32000
#define KNOWN_MS 20000
#define KNOWN_MAX_MS 1280000
#define SYNC_MS 30000
#define MESSAGE_MAX 96

static const struct slice zone_offset_name = { (const uint8_t *)"tz_offset", 9 };
static const struct slice zone_until_name = { (const uint8_t *)"tz_dst_until", 12 };

/* --- tries --- */

static void wait_again(struct thing_attempt *a, uint32_t first_ms, uint32_t most_ms)
{
	uint32_t ms = first_ms;

	for (uint32_t i = 0; i < a->tries && ms < most_ms; i++)
		ms <<= 1;
	a->wait_ms = ms < most_ms ? ms : most_ms;
	a->passed_ms = 0;
}

static void attempt_elapsed(struct thing_attempt *a, uint32_t ms)
{
	a->passed_ms = ms > UINT32_MAX - a->passed_ms ? UINT32_MAX : a->passed_ms + ms;
}

static bool expired(const struct thing_attempt *a)
{
	return a->tries == 0 || a->passed_ms >= a->wait_ms;
}

/* --- saying --- */

static void say(struct thing_board *b, enum thing_message_kind kind, struct slice body)
{
	uint8_t bytes[MESSAGE_MAX];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct thing_message m = { .kind = kind, .body = body };
	struct slice out;

	thing_message_put(&w, &m);
	if (cbor_finish(&w, &out) == OK)
		b->platform->publish(b->platform->ctx, THING_OF_DEVICE, out);
}

static void tell(struct thing_board *b, enum thing_event event)
{
	b->platform->event(b->platform->ctx, event);
}

static void give_up(struct thing_board *b)
{
	b->state = THING_OFF;
	tell(b, THING_GIVEN_UP);
}

static void ask(struct thing_board *b)
{
	struct slice version = { (const uint8_t *)b->version, 0 };

	while (version.p[version.n] != '\0')
		version.n++;
	say(b, DEVICE_BEGIN, version);
	say(b, THING_BEGIN, (struct slice){ NULL, 0 });
	b->asking.tries++;
	wait_again(&b->asking, b->known ? KNOWN_MS : ASK_MS, b->known ? KNOWN_MAX_MS : ASK_MAX_MS);
}

static void ask_anew(struct thing_board *b)
{
	b->state = THING_ASKING;
	b->known = false;
	b->id[0] = '\0';
	b->zone_until = 0;
	b->asking = b->syncing = (struct thing_attempt){ 0, 0, 0 };
	ask(b);
}

static void sync(struct thing_board *b)
{
	say(b, LAST_VALUES_BEGIN, (struct slice){ NULL, 0 });
	b->syncing.tries++;
	wait_again(&b->syncing, SYNC_MS, SYNC_MS);
}

void thing_board_start(
    struct thing_board *b, const struct thing_platform *platform, const char *version)
{
	*b = (struct thing_board){ .platform = platform, .version = version };
	ask_anew(b);
}

void thing_board_stop(struct thing_board *b)
{
	b->state = THING_OFF;
}

/* --- hearing --- */

static struct slice name_of(const struct senml_record *r)
{
	size_t n = 0;

	while (r->name[n] != '\0')
		n++;
	return (struct slice){ (const uint8_t *)r->name, n };
}

static void take_value(struct thing_board *b, const struct senml_record *r)
{
	bool is_int = r->value.kind == SENML_INT;

	if (is_int && slice_equal(name_of(r), zone_offset_name))
		b->zone_offset = (int32_t)(uint32_t)r->value.bits;
	else if (is_int && slice_equal(name_of(r), zone_until_name) && r->value.bits <= UINT32_MAX)
		b->zone_until = (uint32_t)r->value.bits;
	else if (b->platform->value != NULL)
		b->platform->value(b->platform->ctx, r);
}

/* All or nothing: a pack that breaks off half-way is none. */
static bool take_values(struct thing_board *b, struct slice pack)
{
	struct senml s = senml_reader(pack);
	struct senml_record r;
	size_t n;

	if (senml_check(pack, &n) != OK)
		return false;
	while (senml_next(&s, &r) == OK)
		take_value(b, &r);
	return true;
}

static void leave(struct thing_board *b)
{
	b->platform->subscribe(b->platform->ctx, NULL);
	tell(b, THING_DETACHED);
	ask_anew(b);
}

static void enter(struct thing_board *b, struct slice id)
{
	memcpy(b->id, id.p, THING_ID);
	b->id[THING_ID] = '\0';
	b->state = THING_SUBSCRIBING;
	b->platform->subscribe(b->platform->ctx, b->id);
}

/* What becomes part of a topic holds neither its dividers nor its wildcards. */
static bool is_id(struct slice id)
{
	for (size_t i = 0; i < id.n; i++) {
		uint8_t c = id.p[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && c != '-')
			return false;
	}
	return id.n == THING_ID;
}

static bool is_ours(const struct thing_board *b, struct slice id)
{
	return b->state >= THING_SUBSCRIBING && id.n == THING_ID &&
	       memcmp(b->id, id.p, THING_ID) == 0;
}

/* A thing is named, or none. The one that the board has already is no news. */
static void thing_update(struct thing_board *b, struct slice id)
{
	if (id.n == 0) {
		if (b->state == THING_ASKING && !b->known) {
			b->known = true;
			tell(b, THING_NAMELESS);
		}
		return;
	}
	if (!is_id(id) || is_ours(b, id))
		return;
	if (b->state >= THING_SYNCING)
		tell(b, THING_DETACHED);
	b->syncing = (struct thing_attempt){ 0, 0, 0 };
	b->zone_until = 0;
	enter(b, id);
}

static void last_values(struct thing_board *b, struct slice pack)
{
	if (b->state != THING_SYNCING || !take_values(b, pack))
		return;
	b->state = THING_READY;
	tell(b, THING_SYNCHRONISED);
}

void thing_board_take(struct thing_board *b, enum thing_topic topic, struct slice payload)
{
	struct thing_message m;

	if (b->state == THING_OFF)
		return;
	if (topic == THING_OF_THING) {
		if (b->state >= THING_SYNCING)
			(void)take_values(b, payload);
		return;
	}
	if (thing_message_parse(payload, &m) != OK)
		return;
	if (m.kind == THING_UPDATE)
		thing_update(b, m.body);
	else if (m.kind == THING_DETACH && is_ours(b, m.body))
		leave(b);
	else if (m.kind == LAST_VALUES)
		last_values(b, m.body);
}

void thing_board_subscribed(struct thing_board *b, bool granted)
{
	if (b->state != THING_SUBSCRIBING)
		return;
	if (!granted) {
		b->state = THING_ASKING;
		b->id[0] = '\0';
		return;
	}
	b->state = THING_SYNCING;
	tell(b, THING_ATTACHED);
	sync(b);
}

/* --- time --- */

void thing_board_elapsed(struct thing_board *b, uint32_t ms, uint32_t now)
{
	if (b->state == THING_OFF)
		return;
	attempt_elapsed(&b->asking, ms);
	attempt_elapsed(&b->syncing, ms);
	if (b->state == THING_READY && now > b->zone_until)
		b->state = THING_SYNCING; /* asked for when the last wait is over, not at once */
	/* As the library: the last question waits for no answer, the last request for values does. */
	if (b->state == THING_ASKING && b->asking.tries >= THING_TRIES) {
		give_up(b);
	} else if (b->state == THING_ASKING && expired(&b->asking)) {
		ask(b);
	} else if (b->state == THING_SYNCING && expired(&b->syncing)) {
		if (b->syncing.tries >= THING_TRIES)
			give_up(b);
		else
			sync(b);
	}
}
