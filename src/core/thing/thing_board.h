/*
 * thing_board.h -- the board's side of the dialogue by which it learns which thing it is.
 *
 * A sans-I/O state machine that does what ArduinoIoTCloud 2.9 does on an MQTT connection: it says who it
 * is (DeviceBegin, ThingBegin) until the cloud names a thing, after 4, 8, 16, 32, 32 ... s, or after 80, 160
 * ... 1280 s when the cloud knows it but no thing for it; listens to the thing's topic; asks for the last values every
 * 30 s until they come. Eleven tries of either are in vain: the connection is of no more use. Values may be
 * published from then on. The cloud must say with the last values until when its time zone holds
 * (tz_dst_until, in the future): a board whose zone has run out asks again, after 30 s, out of the same
 * eleven tries. What comes is held against thing_message.h and senml.h; the rest is dropped, and so
 * is what comes on the wrong topic.
 *
 * It differs from the library in one point: a board that is attached anew asks for its last values anew.
 *
 *	thing_board_start(&b, &platform, "2.9.0");      // connected, and its own topic subscribed
 *	thing_board_take(&b, THING_OF_DEVICE, payload); // a message came
 *	thing_board_elapsed(&b, ms, utc_now());         // since the last call
 */
#ifndef IMPRINT_THING_BOARD_H
#define IMPRINT_THING_BOARD_H

#include "senml.h"
#include "thing_message.h"

#ifdef __cplusplus
extern "C" {
#endif

#define THING_ID 36
#define THING_TRIES 11

/* Where a message comes from or goes to: the device's topics, or the thing's. */
enum thing_topic { THING_OF_DEVICE, THING_OF_THING };

enum thing_event {
	THING_NAMELESS,     /* the cloud knows the board, but no thing for it */
	THING_ATTACHED,     /* b->id, and its topic is subscribed */
	THING_SYNCHRONISED, /* the last values have come, and values may be published */
	THING_DETACHED,     /* from b->id */
	THING_GIVEN_UP      /* eleven tries: disconnect */
};

struct thing_platform {
	void *ctx;
	/* Hands a message over to the network; one that does not fit is lost, as networks lose them. */
	void (*publish)(void *ctx, enum thing_topic topic, struct slice payload);
	/* Listens to the topic of this thing and of no other; NULL: of none. thing_board_subscribed answers. */
	void (*subscribe)(void *ctx, const char *thing);
	void (*event)(void *ctx, enum thing_event event);
	/* A value of the thing, sent by the cloud. NULL: nobody wants them. */
	void (*value)(void *ctx, const struct senml_record *record);
};

enum thing_state { THING_OFF, THING_ASKING, THING_SUBSCRIBING, THING_SYNCING, THING_READY };

/* How often something was said, and when it is said again. */
struct thing_attempt {
	uint32_t tries, wait_ms, passed_ms;
};

struct thing_board { /* to be read: state, id, zone_offset, zone_until */
	enum thing_state state;
	char id[THING_ID + 1]; /* of the thing; "" */
	int32_t zone_offset;   /* seconds east of UTC */
	uint32_t zone_until;   /* valid until then, seconds since 1970; 0: unknown */
	/* Private. */
	const struct thing_platform *platform;
	const char *version;
	bool known; /* the cloud has answered that it has no thing for the board */
	struct thing_attempt asking, syncing;
};

/* Says who it is. Platform and version are borrowed. */
void thing_board_start(
    struct thing_board *b, const struct thing_platform *platform, const char *version);
/* The connection has gone. */
void thing_board_stop(struct thing_board *b);
void thing_board_take(struct thing_board *b, enum thing_topic topic, struct slice payload);
/* The answer to `subscribe`. Refused: the board goes on asking. */
void thing_board_subscribed(struct thing_board *b, bool granted);
/* now: seconds since 1970. */
void thing_board_elapsed(struct thing_board *b, uint32_t ms, uint32_t now);

#ifdef __cplusplus
}
#endif
#endif
