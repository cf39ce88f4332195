/*
 * responder.h -- the server's side of a board's dialogue: which thing it belongs to, and its last values.
 *
 * The inbox hands over what boards publish, and carries what is answered. A thing is told to a board
 * only when every broker admits the board to the thing's topics (brokers_reach).
 */
#ifndef IMPRINT_RESPONDER_H
#define IMPRINT_RESPONDER_H

#include "brokers.h"
#include "watchers.h"

struct responder;

struct responder_options { /* borrowed until responder_stop */
	struct store *store;
	uint32_t tenant;
	struct brokers *brokers;
	struct watchers *watchers;
	struct log *log;
	int64_t (*now_ms)(void *ctx);
	/* To be published with QoS 0, by the inbox on its own thread; both are copied. */
	void (*publish)(void *ctx, const char *topic, struct slice payload);
	void *ctx;
};
enum err responder_start(
    const struct responder_options *options, struct responder **out, struct errbuf *eb) MUST_CHECK;
/* NULL is fine, here and below. */
void responder_stop(struct responder *r);

/* A message came; on the inbox's thread. */
void responder_take(struct responder *r, const char *topic, struct slice payload);
/* The device has another thing now, or none; the event has this number. Any thread; never blocks. */
void responder_attached(struct responder *r, const uint8_t device[16], uint64_t seq);

#endif
