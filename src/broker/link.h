/*
 * link.h -- the feed's socket: connected when there is somebody, read and written without waiting.
 *
 * Belongs to a loop that turns often and may not be held up: a turn takes what has come, up to a
 * bound; what follows from it is done, and then what waits is sent, so that nothing is acknowledged
 * before. Trouble ends the connection, and the next one is tried a second later.
 *
 *	link_init(&l, "/run/imprint/feed.sock");
 *	...
 *	switch (link_turn(&l, &feed, now_ms, &eb)) { case LINK_UP: ... case LINK_DOWN: ... }
 *	...
 *	if (link_send(&l, &feed, now_ms, &eb) == LINK_DOWN) ...
 *	link_close(&l);
 */
#ifndef IMPRINT_LINK_H
#define IMPRINT_LINK_H

#include "feed.h"

#define LINK_SILENCE_MS 15000
#define LINK_AGAIN_MS 1000

struct link { /* fields are private, except heard_ms */
	const char *path;
	int fd;           /* -1: not connected */
	int64_t heard_ms; /* when the server last said something */
	int64_t next_ms;  /* when it is tried again */
};

enum link_news {
	LINK_NOTHING,
	LINK_UP,   /* connected, and greeted */
	LINK_DOWN, /* was connected; why stands in the errbuf */
};

/* path is borrowed. */
void link_init(struct link *l, const char *path);
void link_close(struct link *l);
bool link_is_up(const struct link *l);
/* now_ms: of a clock that never goes back. */
enum link_news link_turn(struct link *l, struct feed *feed, int64_t now_ms, struct errbuf *eb);
/* LINK_DOWN, or LINK_NOTHING: also when there is no connection. */
enum link_news link_send(struct link *l, struct feed *feed, int64_t now_ms, struct errbuf *eb);

#endif
