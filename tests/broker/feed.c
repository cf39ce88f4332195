/* The plugin's end of the feed: every verb, every malformed line, cuts, snapshots, the ring. */
#include "feed.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"
#define ID2 "1f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f41"
#define THING "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"
#define PRINT "00112233445566778899aabbccddeeff"
#define KEY "0102030405060708090a0b0c0d0e0f1011121314"
#define ROW "a " ID " 1 " THING " " PRINT " - 253402300799\n"

static const uint8_t key[20] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
	20 };

struct desk {
	struct roster *roster;
	struct feed feed;
	unsigned changed, kicked, authorities, told;
	const char *why;
};

static void changed(void *ctx, const uint8_t id[16], bool kick)
{
	struct desk *d = ctx;

	(void)id;
	d->changed++;
	d->kicked += kick;
}

static void authorities(void *ctx)
{
	((struct desk *)ctx)->authorities++;
}

static void tell_all(void *ctx)
{
	((struct desk *)ctx)->told++;
}

static const struct feed_events events = { changed, authorities, tell_all };

static enum err take(struct desk *d, const char *lines)
{
	return feed_take(
	    &d->feed, (struct slice){ (const uint8_t *)lines, strlen(lines) }, &d->why);
}

static bool begin(struct desk *d)
{
	memset(d, 0, sizeof(*d));
	return roster_new(&d->roster, NULL) == OK &&
	       feed_init(&d->feed, d->roster, &events, d, NULL) == OK;
}

static void end(struct desk *d)
{
	feed_free(&d->feed);
	roster_free(d->roster);
}

/* All that waits to be sent, as text. */
static const char *said(struct desk *d)
{
	static char text[4096];
	size_t n = 0;
	struct slice out;

	while ((out = feed_output(&d->feed)).n > 0 && n + out.n < sizeof(text)) {
		memcpy(text + n, out.p, out.n);
		n += out.n;
		feed_sent(&d->feed, out.n);
	}
	text[n] = '\0';
	return text;
}

static bool greets_as(struct desk *d, const char *name, const char *lasts)
{
	char want[64 + FEED_NAME_MAX];
	const char *got = said(d);

	snprintf(want, sizeof(want), "v 1 %s 0 0\nl %s\ni %s\n", d->feed.boot, lasts, name);
	return strlen(d->feed.boot) == 16 && strcmp(got, want) == 0;
}

static void names(void)
{
	static const char longest[] =
	    "0123456789012345678901234567890123456789012345678901234567890123";
	static const char *const bad[] = { "", "a b", "a\n", "a/b", "gr\xc3\xb6n", NULL };
	char longer[sizeof(longest) + 1];
	struct desk d;

	ok(begin(&d) && feed_name(&d.feed, longest) == OK, "a name of %d", FEED_NAME_MAX);
	snprintf(longer, sizeof(longer), "%sx", longest);
	ok(feed_name(&d.feed, longer) == ERR_ARG, "not a longer one");
	for (size_t i = 0; bad[i]; i++)
		ok(feed_name(&d.feed, bad[i]) == ERR_ARG, "nor \"%s\"",
		    i == 2 ? "a, new line" : bad[i]);
	feed_greet(&d.feed);
	ok(greets_as(&d, longest, "900"), "and the good one stays");
	end(&d);
}

static void talk(void)
{
	struct roster_device got;
	struct desk d;
	uint8_t id[16];

	ok(begin(&d), "a feed");
	feed_greet(&d.feed);
	ok(greets_as(&d, "mosquitto", "900"), "greets");
	feed_lasts(&d.feed, FEED_FOR_EVER);
	feed_greet(&d.feed);
	ok(greets_as(&d, "mosquitto", "-"), "goes on for ever without the server");
	feed_lasts(&d.feed, 60);
	ok(feed_name(&d.feed, "north-2.example_org") == OK, "has a name");
	feed_greet(&d.feed);
	ok(greets_as(&d, "north-2.example_org", "60"), "and gives it, and for how long it goes on");
	ok(take(&d, "v 1 77 0\nb\nca " KEY " 1\n" ROW "e 12\n") == OK && d.feed.synced &&
	        d.feed.seq == 12 && d.feed.epoch == 77 && roster_count(d.roster) == 1 &&
	        feed_accepts(&d.feed, key) && strcmp(said(&d), "s 12\n") == 0,
	    "a snapshot: applied and acknowledged");
	ok(take(&d, "a " ID " 0 - " PRINT " ffeeddccbbaa99887766554433221100 5\n") == OK &&
	        d.changed == 2,
	    "a device changes");
	memcpy(id, "\x0f\x2b\x8c\x1e\x7a\x44\x4f\x0e\x9d\x3b\x5c\x6a\x1e\x2d\x3f\x40", 16);
	ok(roster_get(d.roster, id, &got) && !got.enabled && got.print[1][0] == 0xff &&
	        got.not_after == 5 && ct_zero(got.thing, 16),
	    "and is what the line says");
	ok(take(&d, "k " ID "\n") == OK && d.kicked == 1 && roster_count(d.roster) == 1, "kick");
	ok(take(&d, "r " ID "\nr " ID2 "\n") == OK && d.changed == 4 && roster_count(d.roster) == 0,
	    "remove; one that is not there is nothing");
	ok(take(&d, "ca " KEY " 0\n") == OK && d.authorities == 1 && !feed_accepts(&d.feed, key),
	    "a device authority is given up");
	ok(take(&d, "p\n") == OK && strcmp(said(&d), "p\n") == 0, "ping");
	ok(take(&d, "s 13\n") == OK && d.feed.seq == 13 && strcmp(said(&d), "s 13\n") == 0,
	    "a number is acknowledged");
	ok(take(&d, "n\n") == OK && d.told == 1, "all connections are asked for");
	ok(take(&d, "zz what ever comes later\n") == OK, "an unknown verb is skipped");
	end(&d);
}

static void snapshots(void)
{
	struct desk d;

	ok(begin(&d) && take(&d, "v 1 1 0\nb\n" ROW "e 1\n") == OK, "one device");
	feed_lost(&d.feed);
	ok(!d.feed.synced && roster_count(d.roster) == 1, "lost: what is known stays");
	ok(take(&d, "v 1 1 1\nb\na " ID2 " 1 - " PRINT " - 1\n") == OK, "half a snapshot");
	feed_lost(&d.feed);
	ok(roster_count(d.roster) == 2, "lost in its middle: nothing is removed");
	d.changed = 0;
	ok(take(&d, "v 1 1 1\nb\n" ROW "e 3\n") == OK && roster_count(d.roster) == 1 &&
	        d.changed == 2,
	    "the next one removes what it does not mention, what half a snapshot did mention too");
	feed_lost(&d.feed);
	ok(take(&d, "v 1 2 9\nb\n") == OK, "a server that begins anew, and is lost");
	feed_lost(&d.feed);
	feed_greet(&d.feed);
	ok(strstr(said(&d), " 1 3\n") != NULL, "what was known as a whole is what it is told");
	end(&d);
}

static void authority_list(void)
{
	static const char other[] = "ca ff02030405060708090a0b0c0d0e0f1011121314 1\n";
	uint8_t second[20];
	struct desk d;
	char more[64];

	memcpy(second, key, sizeof(second));
	second[0] = 0xff;
	ok(begin(&d) && feed_authority(&d.feed, key) == OK && feed_authority(&d.feed, key) == OK &&
	        take(&d, "v 1 1 0\nb\n" ROW "e 1\n") == OK && feed_accepts(&d.feed, key) &&
	        d.authorities == 0,
	    "a snapshot without authorities: the configured one stays");
	ok(take(&d, "b\n") == OK && take(&d, other) == OK && feed_accepts(&d.feed, key) &&
	        take(&d, ROW "e 2\n") == OK && !feed_accepts(&d.feed, key) &&
	        feed_accepts(&d.feed, second) && d.authorities == 1,
	    "one that names another: it replaces it at its end");
	for (unsigned i = 1; i < FEED_AUTHORITIES; i++) {
		snprintf(
		    more, sizeof(more), "ca %02x02030405060708090a0b0c0d0e0f1011121314 1\n", i);
		if (take(&d, more) != OK)
			break;
	}
	ok(feed_authority(&d.feed, second) == OK &&
	        take(&d, "ca aa02030405060708090a0b0c0d0e0f1011121314 1\n") == ERR_FORMAT,
	    "no more than %d", FEED_AUTHORITIES);
	end(&d);
}

static const struct {
	const char *what, *line;
} bad[] = {
	{ "a verb before the greeting", "\1p\n" },
	{ "version 2", "\1v 2 1 1\n" },
	{ "epoch 0", "\1v 1 0 1\n" },
	{ "two greetings", "v 1 1 1\n" },
	{ "an empty line", "\n" },
	{ "two spaces", "a  b\n" },
	{ "a trailing space", "p \n" },
	{ "a carriage return", "p\r\n" },
	{ "too many fields", "p 1 2 3 4 5 6 7 8 9\n" },
	{ "too few fields", "a " ID " 1\n" },
	{ "an id in capitals", "r 0F2B8C1E-7A44-4F0E-9D3B-5C6A1E2D3F40\n" },
	{ "enabled 2", "a " ID " 2 - - - 1\n" },
	{ "a thing that is none", "a " ID " 1 x - - 1\n" },
	{ "a short fingerprint", "a " ID " 1 - 00 - 1\n" },
	{ "a fingerprint in capitals", "a " ID " 1 - 00112233445566778899AABBCCDDEEFF - 1\n" },
	{ "a signed time", "a " ID " 1 - - - -1\n" },
	{ "a leading zero", "s 01\n" },
	{ "a number that is too large", "s 18446744073709551616\n" },
	{ "an end without a beginning", "e 1\n" },
	{ "a number within a snapshot", "b\ns 1\n" },
	{ "a snapshot within a snapshot", "b\nb\n" },
	{ "a short key identifier", "ca 0102 1\n" },
	{ "a number of another epoch", "\1v 1 2 1\ns 1\n" },
};

static void malformed(void)
{
	char longest[FEED_LINE_MAX + 2];

	for (size_t i = 0; i < COUNT(bad); i++) {
		bool raw = bad[i].line[0] == '\1';
		struct desk d;
		bool refused = begin(&d) && (raw || take(&d, "v 1 1 1\n") == OK) &&
		               take(&d, bad[i].line + raw) == ERR_FORMAT && d.why;

		ok(refused, "%s: %s", bad[i].what, refused ? d.why : "taken");
		end(&d);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	for (int more = 0; more < 2; more++) {
		struct desk d;

		longest[FEED_LINE_MAX] = more ? 'x' : '\n';
		ok(begin(&d) && take(&d, "v 1 1 1\n") == OK &&
		        take(&d, longest) == (more ? ERR_FORMAT : OK),
		    "a line of %d bytes", FEED_LINE_MAX + more);
		end(&d);
	}
}

/* Every cut of the stream gives the same. */
static void cuts(void)
{
	static const char stream[] = "v 1 9 0\nb\nca " KEY " 1\n" ROW "e 4\nk " ID "\ns 5\n";
	size_t good = 0;

	for (size_t at = 0; at < sizeof(stream); at++) {
		struct desk d;
		char first[sizeof(stream)];

		if (!begin(&d))
			break;
		memcpy(first, stream, at);
		first[at] = '\0';
		good += take(&d, first) == OK && take(&d, stream + at) == OK && d.feed.seq == 5 &&
		        d.changed == 2 && d.kicked == 1;
		end(&d);
	}
	ok(good == sizeof(stream), "cut at any byte");
}

static void ring(void)
{
	static const uint8_t id[16] = { 1 }, print[ROSTER_PRINT] = { 2 };
	unsigned long n = 0;
	struct desk d;
	size_t before;

	ok(begin(&d), "a ring");
	feed_connected(&d.feed, 7, id, print, "127.0.0.1", 4, 123);
	ok(strcmp(said(&d), "c 7 01000000-0000-0000-0000-000000000000 "
	                    "02000000000000000000000000000000 127.0.0.1 4 123\n") == 0,
	    "connected");
	feed_disconnected(&d.feed, 7, 124, NULL);
	feed_disconnected(&d.feed, 8, 125, "revoked");
	feed_refused(&d.feed, "revoked", NULL, "/run/a b.sock");
	feed_refused_many(&d.feed, 9);
	ok(feed_output(&d.feed).p == (const uint8_t *)d.feed.ring,
	    "what is empty begins at its beginning");
	ok(strcmp(said(&d), "d 7 124 -\nd 8 125 revoked\nx revoked - -\nx many - 9\n") == 0,
	    "disconnected, refused, many");
	do {
		before = d.feed.held;
		feed_disconnected(&d.feed, ++n, 1, NULL);
	} while (d.feed.held > before);
	ok(before > FEED_RING - FEED_LINE_MAX && feed_told_again(&d.feed) &&
	        !feed_told_again(&d.feed) && feed_output(&d.feed).n == 0,
	    "a full ring is emptied, once the list is to be told again");
	ok(take(&d, "v 1 77 0\nb\ne 12\n") == OK && strcmp(said(&d), "s 12\n") == 0, "synced");
	feed_refused(&d.feed, "revoked", NULL, "192.0.2.7");
	feed_sent(&d.feed, 6);
	do {
		before = d.feed.held;
		feed_disconnected(&d.feed, ++n, 1, NULL);
	} while (d.feed.held > before);
	ok(feed_told_again(&d.feed) && strcmp(said(&d), "ked - 192.0.2.7\ns 12\n") == 0,
	    "a line that was sent in part is ended, and what was applied is said again");
	end(&d);
}

int main(void)
{
	talk();
	names();
	snapshots();
	authority_list();
	malformed();
	cuts();
	ring();
	return done_testing();
}
