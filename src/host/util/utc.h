/*
 * utc.h -- seconds since 1970 on the host, whole hours in the core.
 *
 * Proleptic Gregorian calendar, no leap seconds, no time zones, years 1..9999.
 *
 *	struct x509_hour start;
 *	if ((e = utc_hour(utc_now(), &start)) != OK)           // rounded down
 *		return e;
 */
#ifndef IMPRINT_UTC_H
#define IMPRINT_UTC_H

#include "x509.h"

/* The system's clock, in seconds since 1970-01-01. */
int64_t utc_now(void);
int64_t utc_now_ms(void);

/* The hour that has begun at or before `seconds`. ERR_ARG outside of years 1..9999. */
enum err utc_hour(int64_t seconds, struct x509_hour *t) MUST_CHECK;
/* ERR_ARG when the hour does not exist (30 February, hour 24). */
enum err utc_seconds(const struct x509_hour *t, int64_t *seconds) MUST_CHECK;

/* Whole hours since 2000-01-01, how the signer counts. ERR_ARG: before it, or no such hour. */
enum err utc_hours_since_2000(const struct x509_hour *t, uint32_t *hours) MUST_CHECK;
enum err utc_hour_since_2000(uint32_t hours, struct x509_hour *t) MUST_CHECK;

/*
 * A time of RFC 3339, "2026-11-23T02:00:00.5+01:00", in seconds since 1970; fractions are cut off. Also
 * with a blank for the plus sign, which queries make of it. ERR_FORMAT: anything else, or no such time.
 */
enum err utc_read(struct slice text, int64_t *seconds) MUST_CHECK;

/* "2026-11-23T02:00:00Z" and a NUL. */
#define UTC_TEXT_SIZE 21
void utc_text(const struct x509_hour *t, char text[UTC_TEXT_SIZE]);

#endif
