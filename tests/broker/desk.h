/* desk.h -- a list of devices and the feed that keeps it, with nobody who listens. */
#ifndef IMPRINT_TEST_DESK_H
#define IMPRINT_TEST_DESK_H

#include "feed.h"

#include <stdlib.h>

struct desk {
	struct roster *roster;
	struct feed feed;
};

static void desk_changed(void *ctx, const uint8_t id[16], bool kick)
{
	(void)ctx, (void)id, (void)kick;
}

static void desk_nothing(void *ctx)
{
	(void)ctx;
}

static void desk_begin(struct desk *d)
{
	static const struct feed_events events = { desk_changed, desk_nothing, desk_nothing };

	if (roster_new(&d->roster, NULL) != OK ||
	    feed_init(&d->feed, d->roster, &events, NULL, NULL) != OK)
		exit(1);
}

static void desk_end(struct desk *d)
{
	feed_free(&d->feed);
	roster_free(d->roster);
}

#endif
