#include "latest.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

/* In the order of `due`, because each is put at the end when it is written or new. */
struct entry {
	struct entry *older, *newer; /* the queue */
	struct entry *next;          /* in its bucket */
	int64_t due;                 /* when it may be written, or forgotten */
	bool waits;                  /* there is something to write */
	int64_t at;
	uint8_t *what; /* NULL: nothing but the time */
	size_t what_n, key_n;
	uint8_t key[];
};

struct latest {
	struct entry *bucket[BUCKETS], *oldest, *newest;
	size_t n, max;
};

struct latest *latest_new(size_t max)
{
	struct latest *t = calloc(1, sizeof(*t));

	if (t)
		t->max = max;
	return t;
}

static void entry_free(struct entry *e)
{
	free(e->what);
	free(e);
}

void latest_free(struct latest *t)
{
	if (!t)
		return;
	for (struct entry *e = t->oldest, *newer; e; e = newer) {
		newer = e->newer;
		entry_free(e);
	}
	free(t);
}

/* FNV-1a. Keys that somebody chose cost a longer chain and no more. */
static size_t bucket_number(struct slice key)
{
	uint32_t h = 2166136261;

	for (size_t i = 0; i < key.n; i++)
		h = (h ^ key.p[i]) * 16777619;
	return h % BUCKETS;
}

static struct entry *find(const struct latest *t, struct slice key)
{
	struct entry *e = t->bucket[bucket_number(key)];

	while (e && !slice_equal((struct slice){ e->key, e->key_n }, key))
		e = e->next;
	return e;
}

static void queue_add(struct latest *t, struct entry *e)
{
	e->older = t->newest;
	e->newer = NULL;
	if (t->newest)
		t->newest->newer = e;
	else
		t->oldest = e;
	t->newest = e;
}

static void queue_remove(struct latest *t, struct entry *e)
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
static void queue_add_first(struct latest *t, struct entry *e)
{
	e->older = NULL;
	e->newer = t->oldest;
	if (t->oldest)
		t->oldest->older = e;
	else
		t->newest = e;
	t->oldest = e;
}

static void forget_oldest(struct latest *t)
{
	struct entry *e = t->oldest,
	             **at = &t->bucket[bucket_number((struct slice){ e->key, e->key_n })];

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	t->oldest = e->newer;
	if (t->oldest)
		t->oldest->older = NULL;
	else
		t->newest = NULL;
	entry_free(e);
	t->n--;
}

/* Those who had nothing to say for a while make room. */
static void sweep(struct latest *t, int64_t now)
{
	while (t->oldest && !t->oldest->waits && t->oldest->due <= now)
		forget_oldest(t);
}

static enum err entry_add(struct latest *t, struct slice key, int64_t now, struct entry **made)
{
	struct entry *e, **bucket = &t->bucket[bucket_number(key)];

	sweep(t, now);
	if (t->n == t->max)
		return ERR_SPACE;
	if (!(e = calloc(1, sizeof(*e) + key.n)))
		return ERR_MEMORY;
	memcpy(e->key, key.p, key.n);
	e->key_n = key.n;
	e->due = now;
	e->next = *bucket;
	*bucket = e;
	queue_add_first(t, e);
	t->n++;
	*made = e;
	return OK;
}

/* An empty text is one too. */
static enum err entry_set(struct entry *e, struct slice what)
{
	size_t n = what.n < LATEST_WHAT_MAX ? what.n : LATEST_WHAT_MAX;
	uint8_t *p = realloc(e->what, n + 1);

	if (!p)
		return ERR_MEMORY;
	e->what = p;
	e->what_n = n;
	if (n > 0)
		memcpy(p, what.p, n);
	return OK;
}

enum err latest_put(struct latest *t, struct slice key, int64_t now, int64_t at, struct slice what)
{
	struct entry *e;
	enum err error;

	if (key.n == 0 || key.n > LATEST_KEY_MAX)
		return ERR_ARG;
	if (!(e = find(t, key)) && (error = entry_add(t, key, now, &e)) != OK)
		return error;
	if (what.p && (error = entry_set(e, what)) != OK)
		return error;
	if (!what.p && !e->waits) { /* what was written is not written again */
		free(e->what);
		e->what = NULL;
		e->what_n = 0;
	}
	e->waits = true;
	e->at = at;
	return OK;
}

bool latest_take(struct latest *t, int64_t now, struct latest_due *due)
{
	struct entry *e;

	sweep(t, now);
	if (!(e = t->oldest) || e->due > now)
		return false;
	*due = (struct latest_due){ { e->key, e->key_n }, { e->what, e->what_n }, e->at };
	e->waits = false;
	e->due = now + LATEST_EVERY_MS;
	queue_remove(t, e);
	queue_add(t, e);
	return true;
}

bool latest_find(const struct latest *t, struct slice key, struct slice *what)
{
	const struct entry *e = find(t, key);

	if (!e || !e->what)
		return false;
	*what = (struct slice){ e->what, e->what_n };
	return true;
}

int64_t latest_next(const struct latest *t)
{
	return t->oldest ? t->oldest->due : INT64_MAX;
}

size_t latest_size(const struct latest *t)
{
	return t->n;
}
