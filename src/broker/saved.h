/*
 * saved.h -- the broker's list on disk: what a broker that starts without its server goes by.
 *
 * The file is a snapshot in the feed's own words (docs/feed.md), read by the same parser, this user's
 * alone. Its time of modification is when the list was last known to be right (as_of, seconds since
 * 1970), so that a list that did not change costs one system call to be kept fresh.
 *
 *	if ((e = saved_write("broker/list", as_of, &feed, eb)) != OK ||
 *	    (e = saved_touch("broker/list", as_of + 60, eb)) != OK)
 *		return e;
 *	e = saved_read("broker/list", &feed, &as_of, eb);        // at the next start
 */
#ifndef IMPRINT_SAVED_H
#define IMPRINT_SAVED_H

#include "feed.h"

/* Replaces the file as a whole. Errors as file_write, and ERR_MEMORY. */
enum err saved_write(
    const char *path, int64_t as_of, const struct feed *feed, struct errbuf *eb) MUST_CHECK;
/* The list in the file is right as of then. */
enum err saved_touch(const char *path, int64_t as_of, struct errbuf *eb) MUST_CHECK;
/*
 * Into a feed that knows nothing yet. ERR_NOT_FOUND; ERR_DENIED when others
 * can touch it; ERR_FORMAT when it is not one whole snapshot: the feed then still knows nothing.
 */
enum err saved_read(
    const char *path, struct feed *feed, int64_t *as_of, struct errbuf *eb) MUST_CHECK;

#endif
