/* A board hears anything on both topics while time passes: it asks no more often than it may. */
#include "thing_board.h"
#include "fuzz.h"
#include "script.h"

#include <string.h>

struct world {
	struct thing_platform platform;
	struct thing_board board;
	unsigned asked, synced, ended;
	bool subscribes;
};

static void publish(void *ctx, enum thing_topic topic, struct slice payload)
{
	struct world *w = ctx;
	struct thing_message m;

	CHECK(topic == THING_OF_DEVICE && thing_message_parse(payload, &m) == OK);
	CHECK(w->board.state != THING_OFF);
	w->asked += m.kind == THING_BEGIN;
	w->synced += m.kind == LAST_VALUES_BEGIN;
	CHECK(w->asked <= THING_TRIES && w->synced <= THING_TRIES);
}

static void subscribe(void *ctx, const char *thing)
{
	struct world *w = ctx;

	CHECK(thing == NULL || strlen(thing) == THING_ID);
	w->subscribes = thing != NULL;
}

/* Whoever is attached to another thing, or to none, begins anew. */
static void event(void *ctx, enum thing_event e)
{
	struct world *w = ctx;

	if (e == THING_DETACHED || e == THING_ATTACHED)
		w->synced = 0;
	if (e == THING_DETACHED)
		w->asked = 0;
	w->ended += e == THING_GIVEN_UP;
	CHECK(w->ended <= 1);
}

static void value(void *ctx, const struct senml_record *r)
{
	(void)ctx;
	CHECK(strlen(r->name) <= SENML_NAME_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script in = { data, size };
	struct world w = { .subscribes = false };

	w.platform = (struct thing_platform){ &w, publish, subscribe, event, value };
	thing_board_start(&w.board, &w.platform, "2.9.0");
	while (in.n > 0)
		switch (script_byte(&in) % 4) {
		case 0:
			thing_board_take(&w.board, THING_OF_DEVICE, script_bytes(&in));
			break;
		case 1:
			thing_board_take(&w.board, THING_OF_THING, script_bytes(&in));
			break;
		case 2:
			if (w.subscribes)
				thing_board_subscribed(&w.board, script_byte(&in) & 1);
			break;
		default:
			thing_board_elapsed(
			    &w.board, script_byte(&in) * 1000u, script_byte(&in) * 100u);
		}
	CHECK(w.ended == 0 || w.board.state == THING_OFF);
	return 0;
}
