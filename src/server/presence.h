/*
 * presence.h -- which boards are connected, as the brokers say it.
 *
 * A table in memory of the visits that last: filled from the registry at the start, kept by what the
 * brokers tell (brokers.h), written back by visits. A device is present while one of its visits is
 * vouched for by a broker that speaks. Thread-safe.
 *
 *	if (presence_of(p, device, &now) == PRESENCE_ONLINE)
 *		... now.since, now.address
 */
#ifndef IMPRINT_PRESENCE_H
#define IMPRINT_PRESENCE_H

#include "store.h"

enum presence {
	PRESENCE_UNHEARD, /* no broker has ever spoken: messages are all that can be gone by */
	PRESENCE_UNKNOWN, /* the broker where it was, or all of them, have gone silent */
	PRESENCE_OFFLINE, /* a broker speaks, and it is at none */
	PRESENCE_ONLINE,
};

struct presence_now {
	int64_t since; /* of its oldest visit that lasts, milliseconds */
	char address[46], broker[STORE_NAME_MAX + 1];
	uint8_t print[16]; /* of the certificate that it showed */
	unsigned visits;
};

struct presences;

/* now is filled when it is ONLINE; NULL: only whether. presences NULL: PRESENCE_UNHEARD. */
enum presence presence_of(struct presences *p, const uint8_t device[16], struct presence_now *now);
size_t presence_count(struct presences *p); /* devices ONLINE */

#endif
