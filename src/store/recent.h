/*
 * recent.h -- rows of one noun in memory: those that were read or written last.
 *
 * A row that is kept here is the row of the registry: the one process that may change the registry is
 * this one, and its committing thread passes every change of the noun through here, behind the COMMIT
 * and before anybody is answered. So a reader that was told of a change never finds what was before it.
 *
 * A row that was read elsewhere is not simply kept: meanwhile it may have been changed. The reader that
 * does not find one gets a ticket for its place, then reads, then hands the row over with its ticket; a change
 * of that row in between makes the ticket worthless. Places are few (RECENT_WAYS a set); whoever comes
 * takes the one that was used the longest ago. Thread-safe; rows are copied.
 *
 *	if (recent_find(r, &key, &row, &ticket))
 *		return OK;
 *	if ((e = read(&key, &row)) == OK)
 *		recent_keep(r, &key, &row, ticket);
 */
#ifndef IMPRINT_STORE_RECENT_H
#define IMPRINT_STORE_RECENT_H

#include "base.h"

#define RECENT_WAYS 4
#define RECENT_KEY 32

struct recent;

/* Random bytes at the front: they choose the set. Shorter keys end in zeros. */
struct recent_key {
	uint32_t tenant;
	uint8_t bytes[RECENT_KEY];
};

/* Room for `sets` (a power of two) of rows of `size` bytes; memory is touched as it is used. NULL: none. */
struct recent *recent_new(size_t sets, size_t size);
void recent_free(struct recent *r);

/* True: *row is it. False: *ticket is for recent_keep. */
bool recent_find(struct recent *r, const struct recent_key *key, void *row, uint64_t *ticket);
/* A row that was read with this ticket. */
void recent_keep(struct recent *r, const struct recent_key *key, const void *row, uint64_t ticket);

/* --- the committing thread, behind a COMMIT --- */

/* The row is there now, and this is it. */
void recent_put(struct recent *r, const struct recent_key *key, const void *row);
/* If the row is kept, `visit` makes of it what the transaction made of it; else tickets for it end. */
void recent_visit(struct recent *r, const struct recent_key *key,
    void (*visit)(void *row, void *with), void *with);
/* The row is not there any more, or nobody knows. */
void recent_drop(struct recent *r, const struct recent_key *key);

#endif
