/*
 * saver.h -- the list is saved by a process of its own, so that the broker does not wait for it.
 *
 * A copy of this process writes the list as it was at that moment (a list of a million devices takes a
 * second, and the disk what it likes), and ends. It has none of this process's descriptors: what is closed
 * here is closed. It ends with this process. One at a time; the caller has one thread.
 *
 *	struct saver s = { 0 };
 *	if ((e = saver_start(&s, "broker/list", as_of, &feed, eb)) != OK) ...
 *	if (saver_ended(&s, &e, &eb)) ...                // asked now and then
 *	saver_stop(&s);
 */
#ifndef IMPRINT_SAVER_H
#define IMPRINT_SAVER_H

#include "saved.h"

#include <sys/types.h>

struct saver { /* zero: nobody writes */
	pid_t child;
	int said; /* what the child has to say of itself */
};

/* As saved_write. ERR_CONFLICT: one writes still; ERR_MEMORY, ERR_IO: no process to be had. */
enum err saver_start(struct saver *s, const char *path, int64_t as_of, const struct feed *feed,
    struct errbuf *eb) MUST_CHECK;
/* False while it writes, and when nobody does. True once, and then *result is saved_write's. */
bool saver_ended(struct saver *s, enum err *result, struct errbuf *eb);
/* Ends it wherever it is: the old list stays. False when nobody wrote. */
bool saver_stop(struct saver *s);

#endif
