/* Error texts, hours and UUIDs. */
#include "tap.h"
#include "digest.h"
#include "errbuf.h"
#include "sha256.h"
#include "utc.h"
#include "uuid.h"

#include <stdlib.h>
#include <time.h>

static void errors(void)
{
	struct errbuf eb = { "" };
	char longest[400];

	ok(err_set(&eb, ERR_FORMAT, "%d of %s", 7, "nine") == ERR_FORMAT &&
	        strcmp(eb.text, "7 of nine") == 0,
	    "a text and its code");
	ok(err_within(&eb, ERR_IO, "step %d", 2) == ERR_IO &&
	        strcmp(eb.text, "step 2: 7 of nine") == 0,
	    "a text within another");
	ok(err_set(NULL, ERR_CRC, "%s", "x") == ERR_CRC &&
	        err_within(NULL, ERR_CRC, "x") == ERR_CRC,
	    "nobody listens");
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	err_set(&eb, ERR_IO, "%s", longest);
	ok(strlen(eb.text) == sizeof(eb.text) - 1, "a long text is cut");
	err_within(&eb, ERR_IO, "outer");
	ok(strncmp(eb.text, "outer: aaa", 10) == 0 && strlen(eb.text) == sizeof(eb.text) - 1,
	    "also within another");
	err_set(&eb, ERR_IO, "inner");
	err_within(&eb, ERR_IO, "%s", longest);
	ok(strlen(eb.text) == sizeof(eb.text) - 1, "an outer text that leaves no room");
	eb.text[0] = 0;
	err_within(&eb, ERR_IO, "alone");
	ok(strcmp(eb.text, "alone") == 0, "nothing within");
	for (int e = OK; e < ERR_COUNT; e++)
		ok(err_name((enum err)e)[0] && err_text((enum err)e)[0] &&
		        err_exit_code((enum err)e) < 128 && err_http_status((enum err)e) >= 200,
		    "%s: exit %d, HTTP %d", err_name((enum err)e), err_exit_code((enum err)e),
		    err_http_status((enum err)e));
	ok(strcmp(err_name((enum err)99), "unknown error") == 0 && err_exit_code((enum err)99) != 0,
	    "a code from another version");
}

/* --- hours --- */

static const struct {
	int64_t seconds;
	struct x509_hour t;
} hours[] = {
	{ 0, { 1970, 1, 1, 0 } },
	{ -3600, { 1969, 12, 31, 23 } },
	{ INT64_C(-62135596800), { 1, 1, 1, 0 } },
	{ INT64_C(253402297200), { 9999, 12, 31, 23 } },
	{ 951782400, { 2000, 2, 29, 0 } },
	{ 1709164800, { 2024, 2, 29, 0 } },
	{ INT64_C(4107542400), { 2100, 3, 1, 0 } },
	{ INT64_C(2524608000), { 2050, 1, 1, 0 } },
};

static bool same(const struct x509_hour *a, const struct x509_hour *b)
{
	return a->year == b->year && a->month == b->month && a->day == b->day && a->hour == b->hour;
}

static void known_hours(void)
{
	struct x509_hour t;
	int64_t seconds;

	for (size_t i = 0; i < COUNT(hours); i++) {
		ok(utc_hour(hours[i].seconds, &t) == OK && same(&t, &hours[i].t),
		    "%lld s to an hour", (long long)hours[i].seconds);
		ok(utc_hour(hours[i].seconds + 3599, &t) == OK && same(&t, &hours[i].t),
		    "its last second");
		ok(utc_seconds(&hours[i].t, &seconds) == OK && seconds == hours[i].seconds,
		    "and back");
	}
	ok(utc_hour(INT64_C(-62135596801), &t) == ERR_ARG, "before the year 1");
	ok(utc_hour(INT64_C(253402300800), &t) == ERR_ARG, "after the year 9999");
	ok(utc_hour(INT64_MIN, &t) == ERR_ARG && utc_hour(INT64_MAX, &t) == ERR_ARG, "no overflow");
}

static void impossible_hours(void)
{
	static const struct x509_hour bad[] = { { 2023, 2, 29, 0 }, { 2100, 2, 29, 0 },
		{ 2024, 2, 30, 0 }, { 2024, 4, 31, 0 }, { 2024, 13, 1, 0 }, { 2024, 0, 1, 0 },
		{ 2024, 1, 0, 0 }, { 2024, 12, 32, 0 }, { 2024, 1, 1, 24 }, { 0, 1, 1, 0 },
		{ 10000, 1, 1, 0 } };
	uint32_t n;
	int64_t seconds;
	bool right = true;

	for (size_t i = 0; i < COUNT(bad); i++)
		right &= utc_seconds(&bad[i], &seconds) == ERR_ARG &&
		         utc_hours_since_2000(&bad[i], &n) == ERR_ARG;
	ok(right, "hours that do not exist");
	ok(utc_hours_since_2000(&(struct x509_hour){ 1999, 12, 31, 23 }, &n) == ERR_ARG,
	    "before 2000");
}

/* The C library as second opinion, for every seventh hour or so of 1900 to 2400. */
static void all_hours(void)
{
	bool right = true;
	struct x509_hour t;
	int64_t back;
	uint32_t n;

	for (int64_t s = INT64_C(-2208988800); s < INT64_C(13569465600); s += 26003) {
		time_t at = (time_t)s;
		struct tm tm;

		gmtime_r(&at, &tm);
		right &= utc_hour(s, &t) == OK && t.year == tm.tm_year + 1900 &&
		         t.month == tm.tm_mon + 1 && t.day == tm.tm_mday && t.hour == tm.tm_hour;
		right &= utc_seconds(&t, &back) == OK && back <= s && back > s - 3600;
		if (t.year >= 2000)
			right &= utc_hours_since_2000(&t, &n) == OK &&
			         n == (back - 946684800) / 3600 &&
			         utc_hour_since_2000(n, &t) == OK && utc_seconds(&t, &back) == OK &&
			         back <= s;
	}
	ok(right, "1900 to 2400 as the C library counts");
	ok(llabs((long long)utc_now() - (long long)time(NULL)) < 5, "now");
	ok(utc_hour_since_2000(UINT32_MAX, &t) == ERR_ARG, "the last number is too far");
}

static void hour_text(void)
{
	char text[UTC_TEXT_SIZE];

	utc_text(&(struct x509_hour){ 2026, 3, 4, 5 }, text);
	ok(strcmp(text, "2026-03-04T05:00:00Z") == 0, "%s", text);
}

/* --- UUIDs --- */

static void uuids(void)
{
	static const uint8_t want[16] = { 0x0f, 0x2b, 0x8c, 0x1e, 0x7a, 0x44, 0x4f, 0x0e, 0x9d,
		0x3b, 0x5c, 0x6a, 0x1e, 0x2d, 0x3f, 0x40 };
	static const char good[] = "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40";
	char text[UUID_TEXT];
	uint8_t got[16];
	bool refused = true;

	ok(uuid_parse(TEXT(good), got) == OK, "a UUID");
	is_bytes(got, 16, want, 16, "its bytes");
	uuid_text(want, text);
	is_bytes(text, UUID_TEXT, good, UUID_TEXT, "and its text");
	for (size_t i = 0; i < UUID_TEXT; i++)
		for (int c = 0; c < 256; c++) {
			bool hyphen = good[i] == '-';
			bool fine =
			    hyphen ? c == '-' : (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

			memcpy(text, good, UUID_TEXT);
			text[i] = (char)c;
			refused &= (uuid_parse(SLICE(text), got) == OK) == fine;
		}
	ok(refused, "each place takes its characters and no others");
	memset(got, 0x5a, sizeof(got));
	ok(uuid_parse((struct slice){ (const uint8_t *)good, 35 }, got) == ERR_FORMAT &&
	        got[0] == 0x5a,
	    "35");
	ok(uuid_parse((struct slice){ (const uint8_t *)good, 37 }, got) == ERR_FORMAT, "37");
	ok(uuid_parse((struct slice){ NULL, 0 }, got) == ERR_FORMAT, "none");
	memset(got, 0xff, sizeof(got));
	uuid_mark(got, 4);
	uuid_text(got, text);
	is_bytes(text, UUID_TEXT, "ffffffff-ffff-4fff-bfff-ffffffffffff", UUID_TEXT, "version 4");
	memset(got, 0, sizeof(got));
	uuid_mark(got, 8);
	uuid_text(got, text);
	is_bytes(text, UUID_TEXT, "00000000-0000-8000-8000-000000000000", UUID_TEXT, "version 8");
}

/* Ours and OpenSSL's agree at every length around the blocks. */
static void digests(void)
{
	uint8_t message[300], a[32], b[32];
	struct digest *d = NULL;
	bool same_all = true, same_parts = true;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 7);
	if (!ok(digest_new(&d, NULL) == OK, "a digest"))
		return;
	for (size_t n = 0; n <= sizeof(message); n++) {
		const struct slice parts[] = { { message, n / 3 }, { NULL, 0 },
			{ message + n / 3, n - n / 3 } };

		sha256((struct slice){ message, n }, a);
		same_all &= digest_sha256(d, (struct slice){ message, n }, b) == OK &&
		            memcmp(a, b, 32) == 0;
		same_parts &=
		    digest_sha256_parts(d, parts, COUNT(parts), b) == OK && memcmp(a, b, 32) == 0;
	}
	ok(same_all, "SHA-256 of 0 to 300 bytes, two implementations");
	ok(same_parts, "and in parts, one of them empty");
	digest_free(d);
	digest_free(NULL);
}

static void times_read(void)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} right[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-23T02:03:04Z", 1795399384 },
		{ "2026-11-23t02:03:04z", 1795399384 },
		{ "2026-11-23T02:03:04.999999Z", 1795399384 },
		{ "2026-11-23T03:03:04+01:00", 1795399384 },
		{ "2026-11-23T03:03:04 01:00", 1795399384 },
		{ "2026-11-22T20:33:04.5-05:30", 1795399384 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "2016-12-31T23:59:60Z", 1483228800 },
		{ "9999-12-31T23:59:59Z", INT64_C(253402300799) },
	};
	static const char *const wrong[] = { "", "2026", "2026-11-23", "2026-11-23T02:03:04",
		"2026-11-23T02:03Z", "2026-11-23 02:03:04Z", "2026-11-31T02:03:04Z",
		"2026-13-01T02:03:04Z", "2026-11-23T24:00:00Z", "2026-11-23T02:60:04Z",
		"2026-11-23T02:03:61Z", "2026-11-23T02:03:04.Z", "2026-11-23T02:03:04Zx",
		"2026-11-23T02:03:04+0100", "2026-11-23T02:03:04+24:00",
		"2026-11-23T02:03:04+01:60", "0000-01-01T00:00:00Z", "-026-11-23T02:03:04Z",
		"now" };
	int64_t seconds = 7;

	for (size_t i = 0; i < COUNT(right); i++) {
		struct slice text = { (const uint8_t *)right[i].text, strlen(right[i].text) };

		ok(utc_read(text, &seconds) == OK && seconds == right[i].seconds, "%s: %lld",
		    right[i].text, (long long)seconds);
	}
	seconds = 7;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct slice text = { (const uint8_t *)wrong[i], strlen(wrong[i]) };

		ok(utc_read(text, &seconds) == ERR_FORMAT && seconds == 7, "no time: %s", wrong[i]);
	}
}

int main(void)
{
	errors();
	known_hours();
	impossible_hours();
	all_hours();
	hour_text();
	times_read();
	uuids();
	digests();
	return done_testing();
}
