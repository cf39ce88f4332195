/* The server's end of the feed: every verb, every malformed line, cuts, what is said, a buffer that is full. */
#include "feed_server.h"
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ID "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"
#define BOOT "00112233aabbccdd"
#define PRINT "00112233445566778899aabbccddeeff"
#define HELLO "v 1 " BOOT " 0 0\ni north\n"

struct desk {
	struct feed_server feed;
	char heard[2048]; /* what came out, as text */
	size_t n;
	const char *why, *unwanted;
};

static void hear(struct desk *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void hear(struct desk *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	d->n += (size_t)vsnprintf(d->heard + d->n, sizeof(d->heard) - d->n, fmt, ap);
	va_end(ap);
}

static const char *greeted(void *ctx)
{
	struct desk *d = ctx;

	hear(d, "hello %s %02x %llu %llu;", d->feed.name, d->feed.boot[0],
	    (unsigned long long)d->feed.epoch, (unsigned long long)d->feed.seq);
	return d->unwanted;
}

static void applied(void *ctx, uint64_t seq)
{
	hear(ctx, "applied %llu;", (unsigned long long)seq);
}

static void connected(void *ctx, const struct feed_board *b)
{
	hear(ctx, "came %llu %02x %02x %s %u %lld;", (unsigned long long)b->connection,
	    b->device[0], b->print[1], b->address, b->protocol, (long long)b->at);
}

static void left(void *ctx, uint64_t connection, int64_t at, const char *reason)
{
	hear(ctx, "left %llu %lld %s;", (unsigned long long)connection, (long long)at, reason);
}

static void refused(void *ctx, const char *reason, const uint8_t *device, const char *address)
{
	hear(ctx, "refused %s %02x %s;", reason, device ? device[0] : 0, address);
}

static void refused_many(void *ctx, uint64_t count)
{
	hear(ctx, "many %llu;", (unsigned long long)count);
}

static void tells(void *ctx, bool whole)
{
	hear(ctx, whole ? "whole;" : "list;");
}

static const struct feed_server_events events = { greeted, applied, connected, left, refused,
	refused_many, tells };

static bool begin(struct desk *d)
{
	memset(d, 0, sizeof(*d));
	return feed_server_init(&d->feed, &events, d, 77, 12, NULL) == OK;
}

static enum err take(struct desk *d, const char *lines)
{
	return feed_server_take(
	    &d->feed, (struct slice){ (const uint8_t *)lines, strlen(lines) }, &d->why);
}

/* Whether exactly this has come out since the last time. */
static bool came_out(struct desk *d, const char *want)
{
	bool same = strcmp(d->heard, want) == 0;

	if (!same)
		printf("# heard: %s\n", d->heard);
	d->n = 0;
	d->heard[0] = '\0';
	return same;
}

/* All that waits to be sent, as text. */
static const char *said(struct desk *d)
{
	static char text[4096];
	struct slice out = feed_server_output(&d->feed);

	snprintf(text, sizeof(text), "%.*s", (int)out.n, (const char *)out.p);
	feed_server_sent(&d->feed, out.n);
	return text;
}

static void heard(void)
{
	struct desk d;

	ok(begin(&d) && strcmp(said(&d), "v 1 77 12\n") == 0, "greets");
	ok(take(&d, HELLO) == OK && came_out(&d, "hello north 00 0 0;") && d.feed.greeted,
	    "is greeted by name");
	ok(take(&d, "n\nc 7 " ID " " PRINT " 192.0.2.7 4 123\no\n") == OK &&
	        came_out(&d, "list;came 7 0f 11 192.0.2.7 4 123;whole;"),
	    "the list of connections");
	ok(take(&d, "n\nn\no\n") == OK && came_out(&d, "list;list;whole;"), "begun anew");
	ok(take(&d, "c 18446744073709551615 " ID " " PRINT " - 5 0\n") == OK &&
	        came_out(&d, "came 18446744073709551615 0f 11  5 0;"),
	    "a connection from nowhere");
	ok(take(&d, "c 8 " ID " " PRINT " 0123456789012345678901234567890123456789012345 3 1\n") ==
	            OK &&
	        came_out(&d, "came 8 0f 11  3 1;"),
	    "an address that is too long is none");
	ok(take(&d, "d 7 124 -\n"
	            "d 8 125 taken-over\n") == OK &&
	        came_out(&d, "left 7 124 ;left 8 125 taken-over;"),
	    "ends, by themselves and not");
	ok(take(&d, "x revoked " ID " 192.0.2.7\nx bad-subject - -\nx many - 9\n") == OK &&
	        came_out(&d, "refused revoked 0f 192.0.2.7;refused bad-subject 00 ;many 9;"),
	    "refusals");
	ok(take(&d, "p\nzz what ever comes later\n") == OK && came_out(&d, ""),
	    "an answer to a ping, and an unknown verb");
	feed_server_free(&d.feed);
}

/* How long a broker lets in by its list when we are silent. */
static void lasting(void)
{
	static const struct {
		const char *said;
		int64_t lasts_ms;
	} cases[] = {
		{ "i north\n", FEED_SERVER_LASTS_MS },
		{ "l 60\ni north\n", 60000 },
		{ "l 0\nn\n", 0 },
		{ "l -\ni north\n", FEED_SERVER_FOR_EVER },
		{ "l 2147483647\ni north\n", INT64_C(2147483647000) },
		{ "l 18446744073709551615\ni north\n", FEED_SERVER_FOR_EVER },
		{ "zz later\nl 60\ni north\n", 60000 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct desk d;

		ok(begin(&d) && take(&d, "v 1 " BOOT " 0 0\n") == OK &&
		        take(&d, cases[i].said) == OK && d.feed.greeted &&
		        d.feed.lasts_ms == cases[i].lasts_ms,
		    "%lld ms", (long long)cases[i].lasts_ms);
		feed_server_free(&d.feed);
	}
}

static void numbers(void)
{
	struct desk d;

	ok(begin(&d) && take(&d, "v 1 " BOOT " 77 11\nn\n") == OK &&
	        came_out(&d, "hello mosquitto 00 77 11;list;") && d.feed.acked == 11,
	    "without a name it has the usual one, and has what it says it has");
	ok(take(&d, "s 10\n") == ERR_FORMAT, "what was applied stays so: %s", d.why);
	feed_server_free(&d.feed);
	ok(begin(&d) && take(&d, "v 1 " BOOT " 77 13\n") == ERR_FORMAT, "a number to come: %s",
	    d.why);
	feed_server_free(&d.feed);
	ok(begin(&d) && take(&d, "v 1 " BOOT " 76 9999\ni a\n") == OK && d.feed.acked == 0,
	    "numbers of another epoch are no matter");
	ok(take(&d, "s 12\n") == OK && take(&d, "s 13\n") == ERR_FORMAT, "more than was said: %s",
	    d.why);
	feed_server_free(&d.feed);
	ok(begin(&d) && take(&d, HELLO) == OK, "once more");
	feed_server_number(&d.feed, 13);
	ok(take(&d, "s 13\n") == OK && d.feed.acked == 13, "what was said may be applied");
	feed_server_free(&d.feed);
	ok(begin(&d), "once more");
	d.unwanted = "no more of them";
	ok(take(&d, HELLO) == ERR_FORMAT && strcmp(d.why, "no more of them") == 0,
	    "one that is not wanted");
	feed_server_free(&d.feed);
}

static void speaking(void)
{
	static const uint8_t key[20] = { 1, 2, 3 };
	struct live_device v = { .id = { 0x0f }, .enabled = true, .not_after = 253402300799 };
	struct desk d;

	ok(begin(&d) && said(&d), "a conversation");
	feed_server_begin(&d.feed);
	feed_server_authority(&d.feed, key, true);
	feed_server_device(&d.feed, &v);
	v.thing[0] = 1;
	v.print[0][0] = 2;
	v.print[1][15] = 3;
	v.enabled = false;
	v.not_after = -5;
	feed_server_device(&d.feed, &v);
	feed_server_end(&d.feed, 14);
	ok(strcmp(said(&d),
	       "b\nca 0102030000000000000000000000000000000000 1\n"
	       "a 0f000000-0000-0000-0000-000000000000 1 - - - 253402300799\n"
	       "a 0f000000-0000-0000-0000-000000000000 0 01000000-0000-0000-0000-000000000000 "
	       "02000000000000000000000000000000 00000000000000000000000000000003 0\ne 14\n") == 0,
	    "a snapshot");
	feed_server_gone(&d.feed, v.id);
	feed_server_kick(&d.feed, v.id);
	feed_server_number(&d.feed, 15);
	feed_server_ping(&d.feed);
	ok(strcmp(said(&d), "r 0f000000-0000-0000-0000-000000000000\n"
	                    "k 0f000000-0000-0000-0000-000000000000\ns 15\np\n") == 0,
	    "and what comes behind it");
	feed_server_free(&d.feed);
}

static void full(void)
{
	static const uint8_t id[16] = { 9 };
	size_t n = 0, first;
	struct slice out;
	struct desk d;

	ok(begin(&d) && said(&d), "a conversation");
	for (; feed_server_has_room(&d.feed, 1); n++)
		feed_server_gone(&d.feed, id);
	ok(n > 4000 && !feed_server_failed(&d.feed), "%zu lines fit", n);
	out = feed_server_output(&d.feed);
	first = out.n;
	feed_server_sent(&d.feed, out.n / 2);
	for (n = 0; feed_server_has_room(&d.feed, 1); n++)
		feed_server_gone(&d.feed, id);
	out = feed_server_output(&d.feed);
	ok(n > 2000 && out.n <= FEED_SERVER_BUFFER && out.n + 256 >= first &&
	        out.p[out.n - 1] == '\n' && !feed_server_failed(&d.feed),
	    "and as many as were sent behind them: %zu", n);
	feed_server_gone(&d.feed, id);
	ok(feed_server_failed(&d.feed), "one more is not said, and that is the end");
	feed_server_free(&d.feed);
}

static const struct {
	const char *what, *line;
} bad[] = {
	{ "a verb before the greeting", "\1p\n" },
	{ "a name before the greeting", "\1i north\n" },
	{ "version 2", "\1v 2 " BOOT " 0 0\n" },
	{ "a short boot", "\1v 1 0011 0 0\n" },
	{ "a boot in capitals", "\1v 1 00112233AABBCCDD 0 0\n" },
	{ "a greeting without a number", "\1v 1 " BOOT " 0\n" },
	{ "two greetings", "v 1 " BOOT " 0 0\n" },
	{ "two names", "i south\n" },
	{ "how long it goes on before the greeting", "\1l 60\n" },
	{ "how long it goes on behind the name", "l 60\n" },
	{ "how long it goes on, in words", "\1v 1 " BOOT " 0 0\nl long\n" },
	{ "how long it goes on, below zero", "\1v 1 " BOOT " 0 0\nl -1\n" },
	{ "how long it goes on, twice in a line", "\1v 1 " BOOT " 0 0\nl 60 60\n" },
	{ "a name behind something else", "\1v 1 " BOOT " 0 0\np\ni north\n" },
	{ "a name with a slash", "\1v 1 " BOOT " 0 0\ni a/b\n" },
	{ "a name of 65", "\1v 1 " BOOT " 0 0\ni "
	                  "01234567890123456789012345678901234567890123456789012345678901234\n" },
	{ "an empty line", "\n" },
	{ "two spaces", "s  1\n" },
	{ "a carriage return", "p\r\n" },
	{ "a connection without its time", "c 1 " ID " " PRINT " - 4\n" },
	{ "a connection of nobody", "c 1 - " PRINT " - 4 1\n" },
	{ "a connection without a certificate", "c 1 " ID " - - 4 1\n" },
	{ "protocol 2", "c 1 " ID " " PRINT " - 2 1\n" },
	{ "protocol 6", "c 1 " ID " " PRINT " - 6 1\n" },
	{ "a time that is too late", "c 1 " ID " " PRINT " - 4 9223372036854775808\n" },
	{ "a signed time", "d 1 -1 -\n" },
	{ "an end without a reason", "d 1 1\n" },
	{ "a reason in capitals", "d 1 1 Revoked\n" },
	{ "a reason of 25", "d 1 1 abcdefghijklmnopqrstuvwxy\n" },
	{ "a refusal without a reason", "x - " ID " -\n" },
	{ "a refusal of a device that is none", "x revoked x -\n" },
	{ "many of a device", "x many " ID " 1\n" },
	{ "many that are no number", "x many - -\n" },
	{ "the end of a list that has not begun", "o\n" },
	{ "a number that was not said", "s 13\n" },
	{ "a leading zero", "s 012\n" },
};

static void malformed(void)
{
	char longest[WORDS_LINE_MAX + 2];

	for (size_t i = 0; i < COUNT(bad); i++) {
		bool raw = bad[i].line[0] == '\1';
		struct desk d;
		bool refused_it = begin(&d) && (raw || take(&d, HELLO) == OK) &&
		                  take(&d, bad[i].line + raw) == ERR_FORMAT && d.why;

		ok(refused_it, "%s: %s", bad[i].what, refused_it ? d.why : "taken");
		feed_server_free(&d.feed);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (int more = 0; more < 2; more++) {
		struct desk d;

		longest[WORDS_LINE_MAX] = more ? 'x' : '\n';
		ok(begin(&d) && take(&d, HELLO) == OK &&
		        take(&d, longest) == (more ? ERR_FORMAT : OK),
		    "a line of %d bytes", WORDS_LINE_MAX + more);
		feed_server_free(&d.feed);
	}
}

/* Every cut of the stream gives the same. */
static void cuts(void)
{
	static const char stream[] = HELLO "n\nc 7 " ID " " PRINT " - 4 1\no\ns 12\n"
	                                   "d 7 2 -\n";
	size_t good = 0;

	for (size_t at = 0; at < sizeof(stream); at++) {
		struct desk d;
		char first[sizeof(stream)];

		if (!begin(&d))
			break;
		memcpy(first, stream, at);
		first[at] = '\0';
		good += take(&d, first) == OK && take(&d, stream + at) == OK &&
		        strcmp(d.heard, "hello north 00 0 0;list;came 7 0f 11  4 1;whole;"
		                        "applied 12;left 7 2 ;") == 0;
		feed_server_free(&d.feed);
	}
	ok(good == sizeof(stream), "cut at any byte");
}

int main(void)
{
	heard();
	lasting();
	numbers();
	speaking();
	full();
	malformed();
	cuts();
	return done_testing();
}
