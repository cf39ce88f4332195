/*
 * connections.h -- the boards that are connected to this broker now.
 *
 * One record a connection, made when it is admitted and removed when it ends, found by the broker's
 * own handle for it (a pointer that is compared and never followed) and by the device. For a moment
 * a device has two, when it takes over its own session. Who is to be expelled waits in a list.
 * Records keep the order in which they were made, so that all of them can be told a few at a time.
 *
 *	c = connections_add(all, client, &passport, "192.0.2.7", 4, now_ms);   // NULL: no memory
 *	connections_expel(all, c, REASON_REVOKED);
 *	while ((c = connections_leaving(all))) ...                             // each once
 *	connections_remove(all, client);
 */
#ifndef IMPRINT_CONNECTIONS_H
#define IMPRINT_CONNECTIONS_H

#include "admission.h"

struct connection { /* read only */
	const void *client;
	uint64_t number; /* 1, 2, ... */
	struct passport passport;
	char address[46]; /* "" when it is longer */
	unsigned protocol;
	int64_t since_ms;
	bool leaving;
	enum reason why; /* it is not welcome any more; REASON_ADMIT: it is */
	/* private */
	struct connection *same_client, *same_id;        /* next in the bucket */
	struct connection *before, *after;               /* by number */
	struct connection *leaves_before, *leaves_after; /* in the order of being expelled */
};

struct connections;

enum err connections_new(struct connections **out, struct errbuf *eb) MUST_CHECK;
/* NULL is fine. */
void connections_free(struct connections *all);

/* A record of this client that was there is removed first. NULL: no memory. */
struct connection *connections_add(struct connections *all, const void *client,
    const struct passport *passport, const char *address, unsigned protocol, int64_t now_ms);
/* NULL: none. */
struct connection *connections_find(const struct connections *all, const void *client);
/* Whether its device has come anew since, so that the broker ends this one. */
bool connections_taken_over(const struct connections *all, const struct connection *c);
/* False when there was none. */
bool connections_remove(struct connections *all, const void *client);
size_t connections_count(const struct connections *all);

/* `each` may expel, and must not add or remove. */
void connections_of(const struct connections *all, const uint8_t id[16],
    void (*each)(void *ctx, struct connection *c), void *ctx);
void connections_each(
    const struct connections *all, void (*each)(void *ctx, struct connection *c), void *ctx);

/* Once: asked twice it leaves once, for the first reason that is one. REASON_ADMIT: it may come back. */
void connections_expel(struct connections *all, struct connection *c, enum reason why);
/* Takes the next one off the list; it stays a connection until it is removed. NULL: none waits. */
struct connection *connections_leaving(struct connections *all);

/* From the first one to the last that is there now; later ones are not among them. */
void connections_tell(struct connections *all);
/* The next one of those that are still there; NULL at the end. */
struct connection *connections_tell_next(struct connections *all);

#endif
