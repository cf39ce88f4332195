/*
 * inbox.h -- what boards publish, from the broker into the store.
 *
 * A thread of its own is a client of the broker's internal listener, a Unix socket; it subscribes to
 * the topics on which boards publish, and that the broker leaves to each board's certificate alone
 * (docs/broker.md), and publishes what they are answered (responder.h). A message of a device that is
 * registered and enabled becomes `seen` of its row, and `message` when it is the one by which a board
 * introduces itself; all else is counted and dropped. A broker that is not there, goes away or refuses is
 * tried again, after a quarter of a second at first and after five seconds at last; the server does
 * everything else meanwhile.
 *
 *	struct inbox_options o = { .socket = "run/broker.sock", .password = key, .store = store, ... };
 *	if ((e = inbox_start(&o, &inbox, eb)) != OK)
 *		return e;
 *	inbox_stop(inbox);                       // writes what waits, then returns
 */
#ifndef IMPRINT_INBOX_H
#define IMPRINT_INBOX_H

#include "log.h"
#include "responder.h"
#include "store.h"

#define INBOX_USER "imprint"

struct inbox;

struct inbox_options { /* all are borrowed until inbox_stop, but socket and password */
	const char *socket;
	const char *password; /* of INBOX_USER */
	struct store *store;
	uint32_t tenant;
	struct responder *responder; /* NULL: nobody is answered */
	struct log *log;
	int64_t (*now_ms)(void *ctx);
	void *ctx;
};

/* Returns at once, whether there is a broker or not. */
enum err inbox_start(
    const struct inbox_options *options, struct inbox **inbox, struct errbuf *eb) MUST_CHECK;

struct inbox_stats {
	uint64_t messages, stored, dropped;
	bool connected;
};
void inbox_stats(struct inbox *inbox, struct inbox_stats *stats);

/* NULL is fine. */
void inbox_stop(struct inbox *inbox);

#endif
