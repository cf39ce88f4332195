/* The feed's lines: whatever comes, whole and byte by byte, ends in the same place. */
#include "feed.h"
#include "fuzz.h"

struct end {
	struct roster *roster;
	struct feed feed;
	unsigned changed;
	const char *why;
};

static void changed(void *ctx, const uint8_t id[16], bool kick)
{
	(void)id;
	(void)kick;
	((struct end *)ctx)->changed++;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static const struct feed_events events = { changed, nothing, nothing };

static enum err take(struct end *e, const uint8_t *data, size_t size, size_t step)
{
	enum err result = OK;

	CHECK(roster_new(&e->roster, NULL) == OK &&
	      feed_init(&e->feed, e->roster, &events, e, NULL) == OK);
	for (size_t at = 0; at < size && result == OK; at += step)
		result = feed_take(&e->feed,
		    (struct slice){ data + at, size - at < step ? size - at : step }, &e->why);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct end a = { .changed = 0 }, b = { .changed = 0 };
	enum err whole = take(&a, data, size, size ? size : 1), single = take(&b, data, size, 1);

	CHECK(whole == single && a.changed == b.changed && a.feed.seq == b.feed.seq &&
	      a.feed.held == b.feed.held && roster_count(a.roster) == roster_count(b.roster));
	CHECK(whole != ERR_FORMAT || a.why);
	feed_free(&a.feed);
	feed_free(&b.feed);
	roster_free(a.roster);
	roster_free(b.roster);
	return 0;
}
