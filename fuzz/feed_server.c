/* What a broker says: whatever comes, whole and byte by byte, gives the same. */
#include "feed_server.h"
#include "fuzz.h"

#include <string.h>

struct end {
	struct feed_server feed;
	unsigned greeted, boards, ends, refused, lists;
	const char *why;
};

static const char *greeted(void *ctx)
{
	struct end *e = ctx;

	e->greeted++;
	CHECK(e->feed.name[0] && strlen(e->feed.name) <= STORE_NAME_MAX && e->feed.lasts_ms >= 0);
	return NULL;
}

static void applied(void *ctx, uint64_t seq)
{
	CHECK(((struct end *)ctx)->greeted == 1 && seq <= 5);
}

static void connected(void *ctx, const struct feed_board *b)
{
	struct end *e = ctx;

	e->boards++;
	CHECK(e->greeted == 1 && memchr(b->address, 0, sizeof(b->address)) && b->at >= 0);
	CHECK(b->protocol >= 3 && b->protocol <= 5);
}

static void left(void *ctx, uint64_t connection, int64_t at, const char *reason)
{
	(void)connection;
	((struct end *)ctx)->ends++;
	CHECK(at >= 0 && strlen(reason) <= STORE_REASON_MAX);
}

static void refused(void *ctx, const char *reason, const uint8_t *device, const char *address)
{
	(void)device;
	((struct end *)ctx)->refused++;
	CHECK(reason[0] && strlen(reason) <= STORE_REASON_MAX && strlen(address) < 46);
}

static void refused_many(void *ctx, uint64_t count)
{
	(void)count;
	((struct end *)ctx)->refused++;
}

static void tells(void *ctx, bool whole)
{
	(void)whole;
	((struct end *)ctx)->lists++;
}

static const struct feed_server_events events = { greeted, applied, connected, left, refused,
	refused_many, tells };

static enum err take(struct end *e, const uint8_t *data, size_t size, size_t step)
{
	enum err result = OK;

	CHECK(feed_server_init(&e->feed, &events, e, 9, 5, NULL) == OK);
	for (size_t at = 0; at < size && result == OK; at += step)
		result = feed_server_take(&e->feed,
		    (struct slice){ data + at, size - at < step ? size - at : step }, &e->why);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct end a = { .greeted = 0 }, b = { .greeted = 0 };
	enum err whole = take(&a, data, size, size ? size : 1), single = take(&b, data, size, 1);

	CHECK(whole == single && a.greeted == b.greeted && a.boards == b.boards &&
	      a.ends == b.ends && a.refused == b.refused && a.lists == b.lists &&
	      a.feed.acked == b.feed.acked);
	CHECK(whole != ERR_FORMAT || a.why);
	feed_server_free(&a.feed);
	feed_server_free(&b.feed);
	return 0;
}
