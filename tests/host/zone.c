/* Time zones: against the C library, for many zones and times; and files that are none. */
#include "zone.h"
#include "tap.h"

#include <stdlib.h>
#include <time.h>

static const char *const zones[] = { "UTC", "Europe/Rome", "Europe/London", "Europe/Dublin",
	"America/New_York", "America/St_Johns", "America/Sao_Paulo", "Asia/Kolkata",
	"Asia/Kathmandu", "Asia/Tehran", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham",
	"Africa/Casablanca", "America/Nuuk", "Antarctica/Troll", "Etc/GMT-14" };

static int32_t oracle(int64_t at)
{
	time_t t = (time_t)at;
	struct tm tm;

	localtime_r(&t, &tm);
	return (int32_t)tm.tm_gmtoff;
}

/* Every 11 days and some seconds from 1980 to 2060, and both sides of each change that is named. */
static void against_libc(const char *name)
{
	unsigned asked = 0, wrong = 0;

	setenv("TZ", name, 1);
	tzset();
	for (int64_t now = 315532800; now < INT64_C(2840140800); now += 11 * 86400 + 4321) {
		int32_t offset = 99999;
		int64_t until = 0;

		asked++;
		if (zone_at(name, now, &offset, &until, NULL) != OK || offset != oracle(now) ||
		    until <= now || (until != INT64_MAX && oracle(until - 1) != offset))
			wrong++;
		/* What it calls constant is. */
		for (int64_t t = now; t < until && t < now + 400 * 86400; t += 7 * 86400)
			wrong += oracle(t) != offset;
	}
	ok(asked > 2600 && wrong == 0, "%s as the C library has it, %u times: %u wrong", name,
	    asked, wrong);
}

/* --- files made here --- */

struct made {
	uint8_t bytes[512];
	size_t n;
};

static void put_head(struct made *m, char version, uint32_t times, uint32_t types)
{
	uint8_t *p = m->bytes + m->n;

	memset(p, 0, 44);
	memcpy(p, "TZif", 4);
	p[4] = (uint8_t)version;
	store_be32(p + 32, times);
	store_be32(p + 36, types);
	store_be32(p + 40, 4);
	m->n += 44;
}

static void put_bytes(struct made *m, const void *p, size_t n)
{
	memcpy(m->bytes + m->n, p, n);
	m->n += n;
}

/* An empty block of version 1, then one whose only change, at 1000, leads to an hour east; then the rule. */
static struct slice file_of(struct made *m, const char *rule)
{
	static const uint8_t empty[6 + 4] = { 0 };
	static const uint8_t block[8 + 1 + 12 + 4] = { 0, 0, 0, 0, 0, 0, 0x03, 0xe8, 1, 0, 0, 0, 0,
		0, 0, 0, 0, 0x0e, 0x10, 0, 0, 'A', 'B', 'C', 0 };

	m->n = 0;
	put_head(m, '2', 0, 1);
	put_bytes(m, empty, sizeof(empty));
	put_head(m, '2', 1, 2);
	put_bytes(m, block, sizeof(block));
	put_bytes(m, "\n", 1);
	put_bytes(m, rule, strlen(rule));
	put_bytes(m, "\n", 1);
	return (struct slice){ m->bytes, m->n };
}

#define WINTER INT64_C(1768435200) /* 2026-01-15 */
#define SUMMER INT64_C(1784073600) /* 2026-07-15 */

static void rules(void)
{
	const struct {
		const char *rule;
		int64_t now;
		enum err want;
		int32_t offset;
		int64_t until;
	} cases[] = {
		{ "", WINTER, OK, 3600, INT64_MAX },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", WINTER, OK, 3600, 1774746000 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", SUMMER, OK, 7200, 1792890000 },
		{ "EST5EDT,M3.2.0,M11.1.0", WINTER, OK, -18000, 1772953200 },
		{ "NZST-12NZDT,M9.5.0,M4.1.0/3", WINTER, OK, 46800, 1775311200 },
		{ "<+0530>-5:30", WINTER, OK, 19800, INT64_MAX },
		{ "AAA0BBB,J60,J61", WINTER, OK, 0, 1772330400 },
		{ "AAA0BBB,59,60", WINTER, OK, 0, 1772330400 },
		{ "CET", WINTER, ERR_FORMAT, 0, 0 },
		{ "CE-1", WINTER, ERR_FORMAT, 0, 0 },
		{ "CET-1CEST", WINTER, ERR_FORMAT, 0, 0 },
		{ "CET-1CEST,M3.5.0", WINTER, ERR_FORMAT, 0, 0 },
		{ "CET-1CEST,M13.5.0,M10.5.0", WINTER, ERR_FORMAT, 0, 0 },
		{ "CET-1CEST,M3.6.0,M10.5.0", WINTER, ERR_FORMAT, 0, 0 },
		{ "CET-1CEST,M3.5.7,M10.5.0", WINTER, ERR_FORMAT, 0, 0 },
		{ "CET-1CEST,J0,J1", WINTER, ERR_FORMAT, 0, 0 },
		{ "CET-1CEST,M3.5.0,M10.5.0/168", WINTER, ERR_FORMAT, 0, 0 },
		{ "CET-1CEST,M3.5.0,M10.5.0x", WINTER, ERR_FORMAT, 0, 0 },
		{ "<CET-1", WINTER, ERR_FORMAT, 0, 0 },
		{ "CET-25", WINTER, ERR_FORMAT, 0, 0 },
	};
	struct made m;

	for (size_t i = 0; i < COUNT(cases); i++) {
		int32_t offset = 0;
		int64_t until = 0;
		enum err e = zone_parse(file_of(&m, cases[i].rule), cases[i].now, &offset, &until);

		ok(e == cases[i].want && offset == cases[i].offset && until == cases[i].until,
		    "rule '%s': %d, until %lld", cases[i].rule, (int)offset, (long long)until);
	}
}

static void files(void)
{
	struct made m;
	struct slice file = file_of(&m, "CET-1");
	int64_t until = 5;
	int32_t offset = 5;
	bool refused = true;

	ok(zone_parse(file, 999, &offset, &until) == OK && offset == 0 && until == 1000,
	    "before the first change");
	ok(zone_parse(file, 1000, &offset, &until) == OK && offset == 3600 && until == INT64_MAX,
	    "behind the last");
	for (size_t n = 0; n < file.n; n++)
		refused = refused &&
		          zone_parse((struct slice){ file.p, n }, 0, &offset, &until) == ERR_FORMAT;
	ok(refused, "cut at any byte it is none");
	m.bytes[4] = '1';
	ok(zone_parse(file, 0, &offset, &until) == ERR_FORMAT, "version 1");
	ok(zone_parse(file_of(&m, ""), 0, &offset, &until) == OK, "a file without a rule");
	m.bytes[44 + 10 + 44 + 8] = 2;
	ok(zone_parse((struct slice){ m.bytes, m.n }, 2000, &offset, &until) == ERR_FORMAT,
	    "a type that is not there");
	file = file_of(&m, "");
	m.bytes[32] = 0xff;
	ok(zone_parse(file, 0, &offset, &until) == ERR_FORMAT, "more changes than bytes");
}

static void names(void)
{
	static const char *const none[] = { "", "/etc/passwd", "../../../etc/passwd",
		"Europe/R\nome", "Europe/Rome ",
		"a1234567890123456789012345678901234567890123456789012345678901234" };
	int64_t until;
	int32_t offset;

	for (size_t i = 0; i < COUNT(none); i++)
		ok(zone_at(none[i], 0, &offset, &until, NULL) == ERR_FORMAT, "no name: %zu", i);
	ok(zone_at("Europe/Atlantis", 0, &offset, &until, NULL) == ERR_NOT_FOUND, "no such zone");
	ok(zone_at("Europe", 0, &offset, &until, NULL) == ERR_FORMAT, "a folder");
	ok(zone_at("zone.tab", 0, &offset, &until, NULL) == ERR_FORMAT, "a dot is in no name");
}

int main(void)
{
	rules();
	files();
	if (!zone_known()) {
		skip("zones", "there is no zone database here (tzdata)");
		return done_testing();
	}
	names();
	for (size_t i = 0; i < COUNT(zones); i++)
		against_libc(zones[i]);
	return done_testing();
}
