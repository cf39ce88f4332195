/*
 * inbox_table.h -- which messages of boards are worth a write now; no I/O, no clock.
 *
 * A board that speaks is noted at once and then at most every INBOX_EVERY_MS: what it says meanwhile
 * replaces what waits, so that the newest message is kept and a board that never stops talking costs
 * one write in ten seconds. A board is forgotten ten seconds after its last write when nothing waits,
 * so the table is as large as the number of boards that spoke in that time; it is bounded, and who
 * finds no room is told so.
 *
 *	if (inbox_table_put(t, device, now, at, message) == OK)
 *		while (inbox_table_take(t, now, &due))
 *			store_device_seen(change, due.device, due.at, ...);
 */
#ifndef IMPRINT_INBOX_TABLE_H
#define IMPRINT_INBOX_TABLE_H

#include "base.h"

#define INBOX_EVERY_MS INT64_C(10000)
#define INBOX_MESSAGE_MAX 256
#define INBOX_DEVICES_MAX 65536

struct inbox_table;

struct inbox_due {
	uint8_t device[16];
	int64_t at;
	uint8_t message[INBOX_MESSAGE_MAX];
	size_t message_n;
};

/* The device of "/a/d/{id}/c/up"; ERR_FORMAT for any other topic. */
enum err inbox_topic_parse(struct slice topic, uint8_t device[16]) MUST_CHECK;

/* At most `max` devices; NULL: no memory. */
struct inbox_table *inbox_table_new(size_t max);
void inbox_table_free(struct inbox_table *t);

/*
 * A message came; longer ones are cut. `now` never runs backwards, so that a clock that is set does not
 * stop the table; `at` is what the clock says. ERR_SPACE: as many devices as there is room for;
 * ERR_MEMORY.
 */
enum err inbox_table_put(struct inbox_table *t, const uint8_t device[16], int64_t now, int64_t at,
    struct slice message) MUST_CHECK;
/* What is to be written at `now`, one by one; false: nothing more. */
bool inbox_table_take(struct inbox_table *t, int64_t now, struct inbox_due *due);
/* When inbox_table_take has something to do again; INT64_MAX: not before another message. */
int64_t inbox_table_next(const struct inbox_table *t);
size_t inbox_table_size(const struct inbox_table *t);

#endif
