/*
 * roster.h -- who is wanted at the broker now: devices, their live certificates, their things.
 *
 * A table in memory that answers without asking anybody: unknown means refused. It is filled from the
 * server's feed (feed.h). About 80 to 110 bytes a device, whatever their number; no device is ever
 * looked at twice for one question. Not thread-safe: the broker has one thread.
 *
 *	if ((e = roster_new(&r, eb)) != OK || (e = roster_put(r, &device)) != OK)
 *		return e;
 *	if (roster_get(r, id, &device) && device.enabled) ...
 */
#ifndef IMPRINT_ROSTER_H
#define IMPRINT_ROSTER_H

#include "errbuf.h"

#define ROSTER_PRINT 16 /* first bytes of SHA-256 over a certificate's DER */
#define ROSTER_PRINTS 2 /* live at a time: the one in use and the one that follows it */

struct roster_device {
	uint8_t id[16];                             /* UUID */
	uint8_t thing[16];                          /* all zero: none */
	uint8_t print[ROSTER_PRINTS][ROSTER_PRINT]; /* all zero: none */
	int64_t not_after;                          /* of the newest, seconds since 1970 */
	bool enabled;
};

struct roster;

enum err roster_new(struct roster **out, struct errbuf *eb) MUST_CHECK;
/* NULL is fine. */
void roster_free(struct roster *r);

/* New, or in place of the one with this id. ERR_MEMORY: nothing has changed. */
enum err roster_put(struct roster *r, const struct roster_device *device) MUST_CHECK;
/* False when there is none; out is then untouched. */
bool roster_get(const struct roster *r, const uint8_t id[16], struct roster_device *out);
bool roster_remove(struct roster *r, const uint8_t id[16]);
size_t roster_count(const struct roster *r);
/* Memory that it takes. */
size_t roster_size(const struct roster *r);

/*
 * A snapshot: between mark and sweep everything that is wanted is put again; sweep removes what was
 * not, and calls `gone` for each, which must not touch the roster.
 */
void roster_mark(struct roster *r);
void roster_sweep(struct roster *r, void (*gone)(void *ctx, const uint8_t id[16]), void *ctx);
/* In no order. `each` returns false to stop, and must not touch the roster. */
void roster_each(
    const struct roster *r, bool (*each)(void *ctx, const struct roster_device *device), void *ctx);

/* Whether a certificate with this fingerprint is live. */
bool roster_has_print(const struct roster_device *device, const uint8_t print[ROSTER_PRINT]);

#endif
