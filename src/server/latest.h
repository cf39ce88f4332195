/*
 * latest.h -- of what keeps coming under the same keys, what is worth a write now; no I/O, no clock.
 *
 * Something new under a key is due at once and then at most every LATEST_EVERY_MS: what comes meanwhile
 * replaces what waits, so that the newest is kept and a board that never stops talking costs one write
 * in ten seconds. A key is forgotten ten seconds after its last write when nothing waits, so the table is as
 * large as the number of keys of that time; it is bounded, and who finds no room is told so.
 *
 *	if (latest_put(t, SLICE(device), now, at, message) == OK)
 *		while (latest_take(t, now, &due))
 *			store_device_seen(change, due.key.p, due.at, due.what);
 */
#ifndef IMPRINT_LATEST_H
#define IMPRINT_LATEST_H

#include "base.h"

#define LATEST_EVERY_MS INT64_C(10000)
#define LATEST_KEY_MAX 96
#define LATEST_WHAT_MAX 512

struct latest;

struct latest_due {
	struct slice key,
	    what; /* borrowed until the next call; what.p NULL: nothing but the time */
	int64_t at;
};

/* At most `max` keys; NULL: no memory. */
struct latest *latest_new(size_t max);
/* NULL is fine. */
void latest_free(struct latest *t);

/*
 * Something came; longer than LATEST_WHAT_MAX it is cut. what.p NULL: only that something came, and
 * what waits stays. `now` never runs backwards, so that a clock that is set does not stop the table;
 * `at` is what the clock says. ERR_SPACE: as many keys as there is room for; ERR_ARG: no key of 1 to
 * LATEST_KEY_MAX bytes; ERR_MEMORY.
 */
enum err latest_put(
    struct latest *t, struct slice key, int64_t now, int64_t at, struct slice what) MUST_CHECK;
/* What is to be written at `now`, one by one; false: nothing more. */
bool latest_take(struct latest *t, int64_t now, struct latest_due *due);
/* The newest under this key, whether it waits or not; false: none is remembered. Borrowed. */
bool latest_find(const struct latest *t, struct slice key, struct slice *what);
/* When latest_take has something to do again; INT64_MAX: not before something comes. */
int64_t latest_next(const struct latest *t);
size_t latest_size(const struct latest *t);

#endif
