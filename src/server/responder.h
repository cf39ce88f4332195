/*
 * responder.h -- the server's side of a board's dialogue: which thing it belongs to, and its last values.
 *
 * What boards publish goes in, what is to be published comes out; the inbox carries both, on its own
 * thread. A board that asks for its thing is told so when every broker admits it to the thing's topics
 * (brokers_reach), and so is one whose thing is changed while it is connected. Who asks for last values
 * gets them with its time zone's offset and until when that holds, and again when that is over. Values
 * are kept in the registry, the newest of each name, at most RESPONDER_NAMES_MAX a thing and one write
 * in ten seconds each (latest.h). Devices that are not there or not enabled are not answered, and
 * nothing of theirs is kept. What is no message is counted, and logged for those who debug. What may be
 * private (net-config) is neither kept, told nor logged.
 *
 *	if (responder_take(r, now, topic, payload, &heard))
 *		... it came from heard.device
 *	responder_elapsed(r, now);
 *	while (responder_next(r, &out))
 *		... publish out.payload to out.topic
 */
#ifndef IMPRINT_RESPONDER_H
#define IMPRINT_RESPONDER_H

#include "board_topic.h"
#include "brokers.h"
#include "watchers.h"

#define RESPONDER_NAMES_MAX 64
#define RESPONDER_THINGS_MAX                                                                       \
	65536                   /* in memory: beyond that the one unused for longest is given up */
#define RESPONDER_PACK_MAX 2048 /* of last values: boards read them into small memories */

struct responder;

struct responder_options { /* borrowed until responder_stop; log and brokers until responder_free */
	struct store *store;
	uint32_t tenant;
	struct brokers *brokers;
	struct watchers *watchers;
	struct log *log;
	size_t things_max; /* 0: RESPONDER_THINGS_MAX; for tests */
	int64_t (*now_ms)(void *ctx);
	void *ctx;
};
enum err responder_new(
    const struct responder_options *options, struct responder **out, struct errbuf *eb) MUST_CHECK;
/* Writes the values that wait. The inbox has ended, the registry is still open. NULL is fine, here and below. */
void responder_stop(struct responder *r);
/* When nobody can call any more: behind brokers_stop and store_close. */
void responder_free(struct responder *r);

/* --- for the inbox, on its thread; `now` never runs backwards, milliseconds --- */

struct responder_heard {
	uint8_t device[16];
	struct slice kept; /* what is worth keeping of its message; p NULL: nothing */
};
/* A message came. False: from nobody whom we know by its topic. */
bool responder_take(struct responder *r, int64_t now, struct slice topic, struct slice payload,
    struct responder_heard *heard);
/* Writes values that are due, tells boards what others have changed, renews time zones. */
void responder_elapsed(struct responder *r, int64_t now);
struct responder_out {
	const char *topic; /* borrowed until the next call */
	struct slice payload;
};
bool responder_next(struct responder *r, struct responder_out *out);
/* Readable when responder_elapsed has something to do that did not come from the inbox. */
int responder_fd(const struct responder *r);
/* When it has something to do by itself; INT64_MAX: not before something comes. */
int64_t responder_due(const struct responder *r);

/* --- for those who change things; any thread, never blocks --- */

/* The device has another thing now, or none; `former` is the one that it had, all zero for none. */
void responder_attached(struct responder *r, const uint8_t device[16], const uint8_t former[16]);
/* The thing's time zone is another. */
void responder_zone(struct responder *r, const uint8_t thing[16]);

struct responder_stats {
	uint64_t answers, values, malformed, dropped;
};
void responder_stats(struct responder *r, struct responder_stats *stats);

#endif
