/* RFC 5280 4.1.2.5, to the hour. */
#include "x509.h"
#include "tap.h"

static struct slice string(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static bool same(const struct x509_hour *a, const struct x509_hour *b)
{
	return a->year == b->year && a->month == b->month && a->day == b->day && a->hour == b->hour;
}

static const struct {
	const char *name, *text;
	uint8_t tag;
	struct x509_hour t;
} written[] = {
	{ "first year of UTCTime", "500101000000Z", DER_UTC_TIME, { 1950, 1, 1, 0 } },
	{ "1999", "991231230000Z", DER_UTC_TIME, { 1999, 12, 31, 23 } },
	{ "2000", "000101000000Z", DER_UTC_TIME, { 2000, 1, 1, 0 } },
	{ "Arduino's example", "200831100000Z", DER_UTC_TIME, { 2020, 8, 31, 10 } },
	{ "last hour of UTCTime", "491231230000Z", DER_UTC_TIME, { 2049, 12, 31, 23 } },
	{ "first hour of GeneralizedTime", "20500101000000Z", DER_GENERALIZED_TIME,
	    { 2050, 1, 1, 0 } },
	{ "29 February of a common year", "250229120000Z", DER_UTC_TIME, { 2025, 2, 29, 12 } },
	{ "the hour before the last", "99991231225959Z", DER_GENERALIZED_TIME,
	    { 9999, 12, 31, 22 } },
	{ "no expiry", "99991231235959Z", DER_GENERALIZED_TIME, { 9999, 12, 31, 23 } },
};

static const struct {
	const char *name, *text;
	uint8_t tag;
} refused[] = {
	{ "empty", "", DER_UTC_TIME },
	{ "without seconds", "2008311000Z", DER_UTC_TIME },
	{ "without Z", "200831100000", DER_UTC_TIME },
	{ "small z", "200831100000z", DER_UTC_TIME },
	{ "offset", "200831100000+0000", DER_UTC_TIME },
	{ "fraction", "20500101000000.5Z", DER_GENERALIZED_TIME },
	{ "minutes", "200831103000Z", DER_UTC_TIME },
	{ "seconds", "200831100001Z", DER_UTC_TIME },
	{ "a letter in the year", "2O0831100000Z", DER_UTC_TIME },
	{ "a blank for a digit", "200831 90000Z", DER_UTC_TIME },
	{ "month 0", "200031100000Z", DER_UTC_TIME },
	{ "month 13", "201331100000Z", DER_UTC_TIME },
	{ "day 0", "200800100000Z", DER_UTC_TIME },
	{ "day 32", "200832100000Z", DER_UTC_TIME },
	{ "hour 24", "200831240000Z", DER_UTC_TIME },
	{ "GeneralizedTime before 2050", "20491231230000Z", DER_GENERALIZED_TIME },
	{ "UTCTime of 15 characters", "20500101000000Z", DER_UTC_TIME },
	{ "GeneralizedTime of 13 characters", "500101000000Z", DER_GENERALIZED_TIME },
	{ "the last hour, which stands for no expiry", "99991231230000Z", DER_GENERALIZED_TIME },
	{ "half of no expiry", "99991231235900Z", DER_GENERALIZED_TIME },
	{ "59:59 in another hour", "20500101005959Z", DER_GENERALIZED_TIME },
	{ "an INTEGER", "200831100000Z", DER_INTEGER },
};

static void forms(void)
{
	uint8_t buffer[32];

	for (size_t i = 0; i < COUNT(written); i++) {
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct slice out, body, rest;
		struct x509_hour back;

		x509_time_put(&w, &written[i].t);
		ok(der_finish(&w, &out) == OK &&
		        (rest = out, der_take(&rest, written[i].tag, &body)) == OK &&
		        der_end(&rest) == OK && slice_equal(body, string(written[i].text)),
		    "%s: written as %s", written[i].name, written[i].text);
		ok(x509_time_take(&out, &back) == OK && out.n == 0 && same(&back, &written[i].t),
		    "%s: read", written[i].name);
	}
	for (size_t i = 0; i < COUNT(refused); i++) {
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct x509_hour t = { .year = 77 };
		struct slice in, start;

		der_put(&w, refused[i].tag, string(refused[i].text));
		ok(der_finish(&w, &in) == OK &&
		        (start = in, x509_time_take(&in, &t)) == ERR_FORMAT && in.p == start.p &&
		        in.n == start.n && t.year == 77,
		    "refused: %s", refused[i].name);
	}
}

static void unwritable(void)
{
	static const uint16_t years[] = { 0, 1949, 10000, 65535 };
	uint8_t buffer[32];

	for (size_t i = 0; i < COUNT(years); i++) {
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct x509_hour t = { years[i], 1, 1, 0 };
		struct slice out;

		x509_time_put(&w, &t);
		ok(der_finish(&w, &out) == ERR_ARG, "year %u has no form", years[i]);
	}
}

static const struct {
	struct x509_hour t;
	bool exists;
} calendar[] = {
	{ { 2024, 2, 29, 0 }, true },
	{ { 2023, 2, 29, 0 }, false },
	{ { 2000, 2, 29, 0 }, true },
	{ { 1900, 2, 29, 0 }, false },
	{ { 2100, 2, 29, 0 }, false },
	{ { 2400, 2, 29, 0 }, true },
	{ { 400, 2, 29, 0 }, true },
	{ { 300, 2, 29, 0 }, false },
	{ { 2024, 2, 30, 0 }, false },
	{ { 2024, 4, 30, 0 }, true },
	{ { 2024, 4, 31, 0 }, false },
	{ { 2024, 12, 31, 23 }, true },
	{ { 2024, 12, 32, 0 }, false },
	{ { 2024, 1, 0, 0 }, false },
	{ { 2024, 0, 1, 0 }, false },
	{ { 2024, 13, 1, 0 }, false },
	{ { 2024, 1, 1, 24 }, false },
	{ { 0, 1, 1, 0 }, false },
	{ { 1, 1, 1, 0 }, true },
	{ { 9999, 12, 31, 23 }, true },
	{ { 10000, 1, 1, 0 }, false },
};

static void days(void)
{
	unsigned count = 0, year_days;

	for (size_t i = 0; i < COUNT(calendar); i++) {
		const struct x509_hour *t = &calendar[i].t;

		ok(x509_hour_exists(t) == calendar[i].exists, "%u-%u-%u %u:00 %s", t->year,
		    t->month, t->day, t->hour, calendar[i].exists ? "exists" : "does not exist");
	}
	for (uint16_t year = 2000; year < 2400; year++)
		for (uint8_t month = 1; month <= 12; month++)
			for (uint8_t day = 1; day <= 40; day++)
				count +=
				    x509_hour_exists(&(struct x509_hour){ year, month, day, 0 });
	year_days = 400 * 365 + 97;
	ok(count == year_days, "400 years have %u days", year_days);
}

static void later(void)
{
	struct x509_hour t = { 2024, 2, 29, 12 }, sum = x509_hour_add_years(&t, 1);

	ok(sum.year == 2025 && sum.month == 2 && sum.day == 29 && sum.hour == 12,
	    "29 February plus a year stays 29 February, as the devices compute it");
	sum = x509_hour_add_years(&t, 0);
	ok(same(&sum, &t), "no years later");
}

int main(void)
{
	forms();
	unwritable();
	days();
	later();
	return done_testing();
}
