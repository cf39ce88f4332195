#include "inbox_table.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

/* In the order of `due`, because each is put at the end when it is written or new. */
struct entry {
	struct entry *older, *newer; /* the queue */
	struct entry *next;          /* in its bucket */
	int64_t due;                 /* when it may be written, or forgotten */
	bool waits;                  /* there is a message to write */
	struct inbox_due what;
};

struct inbox_table {
	struct entry *bucket[BUCKETS], *oldest, *newest;
	size_t n, max;
};

enum err inbox_topic_parse(struct slice topic, uint8_t device[16])
{
	static const char head[] = "/a/d/", tail[] = "/c/up";
	const size_t head_n = sizeof(head) - 1, tail_n = sizeof(tail) - 1;

	if (topic.n != head_n + UUID_TEXT + tail_n || memcmp(topic.p, head, head_n) != 0 ||
	    memcmp(topic.p + head_n + UUID_TEXT, tail, tail_n) != 0)
		return ERR_FORMAT;
	return uuid_parse((struct slice){ topic.p + head_n, UUID_TEXT }, device);
}

struct inbox_table *inbox_table_new(size_t max)
{
	struct inbox_table *t = calloc(1, sizeof(*t));

	if (t)
		t->max = max;
	return t;
}

void inbox_table_free(struct inbox_table *t)
{
	if (!t)
		return;
	for (struct entry *e = t->oldest, *newer; e; e = newer) {
		newer = e->newer;
		free(e);
	}
	free(t);
}

/* Device ids are random; an id that somebody chose costs a longer chain and no more. */
static struct entry **bucket_of(struct inbox_table *t, const uint8_t device[16])
{
	return &t->bucket[load_le16(device) % BUCKETS];
}

static struct entry *find(struct inbox_table *t, const uint8_t device[16])
{
	struct entry *e = *bucket_of(t, device);

	while (e && memcmp(e->what.device, device, 16) != 0)
		e = e->next;
	return e;
}

static void queue_add(struct inbox_table *t, struct entry *e)
{
	e->older = t->newest;
	e->newer = NULL;
	if (t->newest)
		t->newest->newer = e;
	else
		t->oldest = e;
	t->newest = e;
}

static void queue_remove(struct inbox_table *t, struct entry *e)
{
	if (e->older)
		e->older->newer = e->newer;
	else
		t->oldest = e->newer;
	if (e->newer)
		e->newer->older = e->older;
	else
		t->newest = e->older;
}

/* The oldest in front: a new device is due at once, before all that wait for their time. */
static void queue_add_first(struct inbox_table *t, struct entry *e)
{
	e->older = NULL;
	e->newer = t->oldest;
	if (t->oldest)
		t->oldest->older = e;
	else
		t->newest = e;
	t->oldest = e;
}

static void forget_oldest(struct inbox_table *t)
{
	struct entry *e = t->oldest, **at = bucket_of(t, e->what.device);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	t->oldest = e->newer;
	if (t->oldest)
		t->oldest->older = NULL;
	else
		t->newest = NULL;
	free(e);
	t->n--;
}

/* Those who had nothing to say for a while make room. */
static void sweep(struct inbox_table *t, int64_t now)
{
	while (t->oldest && !t->oldest->waits && t->oldest->due <= now)
		forget_oldest(t);
}

enum err inbox_table_put(
    struct inbox_table *t, const uint8_t device[16], int64_t now, int64_t at, struct slice message)
{
	struct entry *e = find(t, device);

	if (!e) {
		sweep(t, now);
		if (t->n == t->max)
			return ERR_SPACE;
		if (!(e = calloc(1, sizeof(*e))))
			return ERR_MEMORY;
		memcpy(e->what.device, device, 16);
		e->due = now;
		e->next = *bucket_of(t, device);
		*bucket_of(t, device) = e;
		queue_add_first(t, e);
		t->n++;
	}
	e->waits = true;
	e->what.at = at;
	e->what.message_n = message.n < INBOX_MESSAGE_MAX ? message.n : INBOX_MESSAGE_MAX;
	if (e->what.message_n > 0)
		memcpy(e->what.message, message.p, e->what.message_n);
	return OK;
}

bool inbox_table_take(struct inbox_table *t, int64_t now, struct inbox_due *due)
{
	struct entry *e;

	sweep(t, now);
	if (!(e = t->oldest) || e->due > now)
		return false;
	*due = e->what;
	e->waits = false;
	e->due = now + INBOX_EVERY_MS;
	queue_remove(t, e);
	queue_add(t, e);
	return true;
}

int64_t inbox_table_next(const struct inbox_table *t)
{
	return t->oldest ? t->oldest->due : INT64_MAX;
}

size_t inbox_table_size(const struct inbox_table *t)
{
	return t->n;
}
