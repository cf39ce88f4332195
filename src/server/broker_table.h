/*
 * broker_table.h -- the brokers that are known, what each has applied, and who waits for them.
 *
 * brokers.c fills it from its one thread; anybody may ask. A broker that has gone stays for as long as
 * it may still admit somebody by the list that it has, which it says itself, and across a start of ours:
 * the table becomes a text for the registry, a line for each, and is read from it.
 *
 *	broker = broker_table_add(&t, "north", place, now);          // NULL: too many
 *	if (!broker_table_wait(&t, seq, now, until, done, ctx)) ...  // was answered at once
 *	broker_table_answer(&t, now);
 */
#ifndef IMPRINT_BROKER_TABLE_H
#define IMPRINT_BROKER_TABLE_H

#include "brokers.h"
#include "feed_server.h"

#include <pthread.h>

struct link;

enum broker_fate {
	BROKER_STAYS,
	BROKER_LEAVES, /* the registry is being told to forget it */
	BROKER_GONE,   /* it has: nobody sees it any more */
};

struct broker { /* changed under the lock; by brokers.c alone, but for its fate */
	struct broker_state state; /* but for boards */
	uint8_t boot[FEED_BOOT];
	struct link *link; /* NULL: it has gone */
	int64_t heard;     /* last, of a clock that never goes back; 0: before our start */
	int64_t lasts;     /* so long it goes on without us, milliseconds; FEED_SERVER_FOR_EVER */
	int place;  /* of presence.h; -1: no visit is told, and none lasts from before our start */
	bool lost;  /* for so long that its boards are not known to be there */
	bool holds; /* some may be connected there still, wanted or not */
	enum broker_fate fate;
};

struct broker_table {
	pthread_mutex_t lock;
	struct broker *broker[BROKERS_MAX]; /* by name */
	unsigned n;
	struct broker_wait *wait, **wait_end; /* private; in the order in which they came */
	unsigned leaving; /* changes on their way that forget one: no other text goes meanwhile */
	bool stopped;
};

void broker_table_init(struct broker_table *t);
void broker_table_free(struct broker_table *t);

/* NULL: none. Also one that is gone, until it is taken. */
struct broker *broker_table_find(const struct broker_table *t, const char *name);
/* NULL: too many, or no memory. */
struct broker *broker_table_add(struct broker_table *t, const char *name, int64_t now);

/* False when it was answered, on this thread. */
bool broker_table_wait(struct broker_table *t, uint64_t seq, int64_t now, int64_t until,
    brokers_done *done, void *ctx);
/* Those whose wait is over. */
void broker_table_answer(struct broker_table *t, int64_t now);
/* When the next one is, or `latest`. */
int64_t broker_table_next(struct broker_table *t, int64_t latest);
/* Answers everybody, now and from now on. */
void broker_table_stop(struct broker_table *t, int64_t now);

/* What was noted may be so old when we are killed. */
#define BROKER_TABLE_NOTED_MS 60000
/*
 * A line "NAME HEARD LASTS" for each that may still admit somebody; the caller's to free. NULL: no
 * memory. Under the lock, which is kept until the text is on its way: a later text goes behind it.
 */
char *broker_table_text(struct broker_table *t, int64_t now);

/*
 * Forgetting one that is not connected, in three steps: any thread begins and has the text without it,
 * another says what became of that text, and brokers.c takes it out and frees it. A broker that comes
 * meanwhile stays. ERR_NOT_FOUND; ERR_CONFLICT: it is connected, or somebody else is at it.
 */
enum err broker_table_forget(struct broker_table *t, const char *name, int64_t now, char **text,
    struct errbuf *eb) MUST_CHECK;
void broker_table_forgotten(struct broker_table *t, const char *name, bool forgotten);
/* NULL: none is gone. */
struct broker *broker_table_take_gone(struct broker_table *t);
/* Lines that cannot be read, and brokers that were heard too long ago, are left out. */
void broker_table_read(struct broker_table *t, const char *text, int64_t now, int64_t wall_ms);

#endif
