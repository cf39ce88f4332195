#include "zone.h"
#include "file.h"
#include "utc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "/usr/share/zoneinfo"
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/"
#define HEAD 44 /* bytes of a header (RFC 8536 3.1) */
#define COUNTS_MAX 32768
#define DAY 86400
#define OFFSET_MAX 93599  /* 25:59:59 (RFC 8536 3.2) */
#define RULE_TIME_MAX 167 /* hours (RFC 8536 3.3.1) */

/* --- the table --- */

struct counts {
	uint32_t isut, isstd, leap, time, type, chars;
};

static enum err take(struct slice *in, size_t n, const uint8_t **p)
{
	if (in->n < n)
		return ERR_FORMAT;
	*p = in->p;
	in->p += n;
	in->n -= n;
	return OK;
}

static enum err take_head(struct slice *in, struct counts *c)
{
	const uint8_t *p;

	if (take(in, HEAD, &p) != OK || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return ERR_FORMAT;
	*c = (struct counts){ load_be32(p + 20), load_be32(p + 24), load_be32(p + 28),
		load_be32(p + 32), load_be32(p + 36), load_be32(p + 40) };
	if (c->isut > COUNTS_MAX || c->isstd > COUNTS_MAX || c->leap > COUNTS_MAX ||
	    c->time > COUNTS_MAX || c->chars > COUNTS_MAX || c->type < 1 || c->type > 256)
		return ERR_FORMAT;
	return OK;
}

/* What stands behind a header whose times have so many bytes. */
static size_t block(const struct counts *c, size_t octets)
{
	return c->time * (octets + 1) + c->type * 6 + c->chars + c->leap * (octets + 4) + c->isstd +
	       c->isut;
}

static int64_t load_time(const uint8_t *p)
{
	return (int64_t)((uint64_t)load_be32(p) << 32 | load_be32(p + 4));
}

struct table {
	const uint8_t *times, *indices, *types;
	uint32_t times_n, types_n;
};

static enum err offset_of(const struct table *t, size_t type, int32_t *offset)
{
	int64_t v;

	if (type >= t->types_n)
		return ERR_FORMAT;
	v = (int32_t)load_be32(t->types + type * 6);
	if (v < -OFFSET_MAX || v > OFFSET_MAX)
		return ERR_FORMAT;
	*offset = (int32_t)v;
	return OK;
}

/* How many changes there were by `now`. The table is in order. */
static uint32_t changes_by(const struct table *t, int64_t now)
{
	uint32_t low = 0, high = t->times_n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (load_time(t->times + 8 * (size_t)middle) <= now)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* --- the rule behind it: POSIX TZ, "CET-1CEST,M3.5.0,M10.5.0/3" --- */

struct rule_day {
	char kind; /* 'M': month.week.weekday, 'J': 1..365, 0: 0..365 */
	int month, week, weekday, day;
	int32_t time; /* seconds behind that day's midnight */
};
struct rule {
	int32_t standard, summer; /* seconds east */
	bool changes;
	struct rule_day begins, ends;
};

static bool next_is(const char **at, char c)
{
	if (**at != c)
		return false;
	++*at;
	return true;
}

static enum err take_number(const char **at, int smallest, int largest, int *v)
{
	int n = 0, digits = 0;

	for (; **at >= '0' && **at <= '9' && digits < 4; ++*at, digits++)
		n = 10 * n + (**at - '0');
	if (digits == 0 || n < smallest || n > largest)
		return ERR_FORMAT;
	*v = n;
	return OK;
}

/* "abc" or "<+03>" */
static enum err take_name(const char **at)
{
	const char *p = *at;

	if (*p == '<') {
		while (*p != '>' && *p != '\0')
			p++;
		if (*p++ != '>')
			return ERR_FORMAT;
	} else {
		while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
			p++;
	}
	if (p - *at < 3)
		return ERR_FORMAT;
	*at = p;
	return OK;
}

/* [+-]hh[:mm[:ss]] */
static enum err take_clock(const char **at, int hours_max, int32_t *seconds)
{
	bool negative = **at == '-';
	int h, m = 0, s = 0;

	if (**at == '-' || **at == '+')
		++*at;
	if (take_number(at, 0, hours_max, &h) != OK ||
	    (next_is(at, ':') && take_number(at, 0, 59, &m) != OK) ||
	    (next_is(at, ':') && take_number(at, 0, 59, &s) != OK))
		return ERR_FORMAT;
	*seconds = (negative ? -1 : 1) * (h * 3600 + m * 60 + s);
	return OK;
}

static enum err take_day(const char **at, struct rule_day *d)
{
	*d = (struct rule_day){ .time = 7200 };
	if (!next_is(at, ','))
		return ERR_FORMAT;
	if (next_is(at, 'M')) {
		d->kind = 'M';
		if (take_number(at, 1, 12, &d->month) != OK || !next_is(at, '.') ||
		    take_number(at, 1, 5, &d->week) != OK || !next_is(at, '.') ||
		    take_number(at, 0, 6, &d->weekday) != OK)
			return ERR_FORMAT;
	} else {
		d->kind = next_is(at, 'J') ? 'J' : 0;
		if (take_number(at, d->kind == 'J' ? 1 : 0, 365, &d->day) != OK)
			return ERR_FORMAT;
	}
	return next_is(at, '/') ? take_clock(at, RULE_TIME_MAX, &d->time) : OK;
}

/* POSIX counts west of Greenwich. */
static enum err take_rule(const char *at, struct rule *r)
{
	int32_t west;

	*r = (struct rule){ .changes = false };
	if (take_name(&at) != OK || take_clock(&at, 24, &west) != OK)
		return ERR_FORMAT;
	r->standard = -west;
	if (*at == '\0')
		return OK;
	if (take_name(&at) != OK)
		return ERR_FORMAT;
	r->summer = r->standard + 3600;
	if (*at != ',') {
		if (take_clock(&at, 24, &west) != OK)
			return ERR_FORMAT;
		r->summer = -west;
	}
	if (take_day(&at, &r->begins) != OK || take_day(&at, &r->ends) != OK || *at != '\0')
		return ERR_FORMAT;
	r->changes = true;
	return OK;
}

static int64_t days_of(int year, int month, int day)
{
	struct x509_hour t = {
		.year = (uint16_t)year, .month = (uint8_t)month, .day = (uint8_t)day
	};
	int64_t seconds;

	return utc_seconds(&t, &seconds) == OK ? seconds / DAY : 0;
}

/* Midnight of the rule's day, as its own clocks show it. */
static int64_t midnight(const struct rule_day *d, int year)
{
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	int64_t day;

	if (d->kind != 'M') { /* J60 is always 1 March */
		day = d->kind == 'J' ? d->day - 1 + (leap && d->day >= 60) : d->day;
		return (days_of(year, 1, 1) + day) * DAY;
	}
	day = days_of(year, d->month, 1);
	day += (d->weekday - (day + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
	day += 7 * (d->week - 1);
	/* Week 5 is the last one that there is. */
	if (d->week == 5 &&
	    day >= (d->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, d->month + 1, 1)))
		day -= 7;
	return day * DAY;
}

static enum err rule_at(const struct rule *r, int64_t now, int32_t *offset, int64_t *until)
{
	int64_t last = INT64_MIN, next = INT64_MAX;
	struct x509_hour hour;

	*offset = r->standard;
	*until = INT64_MAX;
	if (!r->changes)
		return OK;
	if (utc_hour(now, &hour) != OK || hour.year < 1970 || hour.year > 9000)
		return ERR_FORMAT;
	for (int year = hour.year - 1; year <= hour.year + 1; year++) {
		const struct {
			int64_t at;
			int32_t offset;
		} changes[] = { { midnight(&r->begins, year) + r->begins.time - r->standard,
			            r->summer },
			{ midnight(&r->ends, year) + r->ends.time - r->summer, r->standard } };

		for (size_t i = 0; i < COUNT(changes); i++) {
			if (changes[i].at <= now && changes[i].at > last) {
				last = changes[i].at;
				*offset = changes[i].offset;
			}
			if (changes[i].at > now && changes[i].at < next)
				next = changes[i].at;
		}
	}
	*until = next;
	return OK;
}

/* --- both --- */

/* The line between two newlines at the end; "": there is no rule. */
static enum err take_line(struct slice in, char line[128])
{
	if (in.n < 2 || in.n > 129 || in.p[0] != '\n' || in.p[in.n - 1] != '\n')
		return ERR_FORMAT;
	for (size_t i = 1; i < in.n - 1; i++)
		if (in.p[i] < 0x20 || in.p[i] > 0x7e)
			return ERR_FORMAT;
	memcpy(line, in.p + 1, in.n - 2);
	line[in.n - 2] = '\0';
	return OK;
}

enum err zone_parse(struct slice in, int64_t now, int32_t *offset, int64_t *until)
{
	struct counts c;
	struct table t;
	struct rule r;
	const uint8_t *p;
	int64_t next = INT64_MAX;
	int32_t here;
	uint32_t n;
	char line[128];

	if (take_head(&in, &c) != OK || take(&in, block(&c, 4), &p) != OK ||
	    take_head(&in, &c) != OK || take(&in, block(&c, 8), &p) != OK ||
	    take_line(in, line) != OK)
		return ERR_FORMAT;
	t.times = p;
	t.times_n = c.time;
	t.indices = p + 8 * (size_t)c.time;
	t.types = t.indices + c.time;
	t.types_n = c.type;
	n = changes_by(&t, now);
	if (n == t.times_n && line[0] != '\0') {
		if (take_rule(line, &r) != OK || rule_at(&r, now, &here, &next) != OK)
			return ERR_FORMAT;
	} else {
		if (offset_of(&t, n == 0 ? 0 : t.indices[n - 1], &here) != OK)
			return ERR_FORMAT;
		if (n < t.times_n)
			next = load_time(t.times + 8 * (size_t)n);
	}
	*offset = here;
	*until = next;
	return OK;
}

bool zone_known(void)
{
	return access(FOLDER, R_OK | X_OK) == 0;
}

enum err zone_at(const char *name, int64_t now, int32_t *offset, int64_t *until, struct errbuf *eb)
{
	char path[sizeof(FOLDER) + 1 + ZONE_NAME_MAX];
	size_t length = strlen(name), n;
	uint8_t *bytes = NULL;
	enum err e;

	if (length == 0 || length > ZONE_NAME_MAX || strspn(name, NAME_CHARS) != length ||
	    name[0] == '/')
		return err_set(eb, ERR_FORMAT, "'%.64s': no name of a time zone", name);
	snprintf(path, sizeof(path), FOLDER "/%s", name);
	if ((e = file_read(path, ZONE_FILE_MAX, &bytes, &n, eb)) != OK)
		return e;
	if ((e = zone_parse((struct slice){ bytes, n }, now, offset, until)) != OK)
		err_set(eb, e, "%s: no file of a time zone", path);
	free(bytes);
	return e;
}
