/*
 * zone.h -- what clocks show in a time zone, and until when: by the system's zone database.
 *
 * localtime() goes by one zone of the whole process; this asks for any, from any thread, and keeps nothing.
 * A file of the database (TZif, RFC 8536) is read strictly: what it says of the past by its table, of what comes
 * behind the table by the POSIX rule in its last line. Refused: names that lead out of the database's folder,
 * files of version 1, of more than ZONE_FILE_MAX bytes, with indices or rules that cannot be.
 *
 *	if (zone_at("Europe/Rome", utc_now(), &offset, &until, &eb) == OK)
 *		... until `until` the clocks there show UTC and offset seconds
 */
#ifndef IMPRINT_ZONE_H
#define IMPRINT_ZONE_H

#include "errbuf.h"

#define ZONE_NAME_MAX 64
#define ZONE_FILE_MAX 65536

/* Whether there is a database on this computer at all. */
bool zone_known(void);
/*
 * offset: seconds east of UTC at `now` (seconds since 1970); until: when that changes, INT64_MAX: never.
 * ERR_NOT_FOUND: no such zone. ERR_FORMAT: no name of one, or its file is damaged.
 */
enum err zone_at(
    const char *name, int64_t now, int32_t *offset, int64_t *until, struct errbuf *eb) MUST_CHECK;
/* The same, from the bytes of a file. */
enum err zone_parse(struct slice tzif, int64_t now, int32_t *offset, int64_t *until) MUST_CHECK;

#endif
