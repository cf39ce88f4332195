/* Rows in memory are those of the registry: what is read meanwhile, changed, thrown out, and all of it at once. */
#include "recent.h"
#include "tap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { SETS = 4 };

static struct recent_key key_of(uint32_t tenant, uint8_t set, uint8_t n)
{
	return (struct recent_key){ .tenant = tenant, .bytes = { set, [31] = n } };
}

static void raise_by(void *row, void *with)
{
	*(int *)row += *(int *)with;
}

static bool is(struct recent *r, struct recent_key key, int want)
{
	uint64_t ticket;
	int row = -1;

	return recent_find(r, &key, &row, &ticket) && row == want;
}

static void kept(struct recent *r)
{
	struct recent_key a = key_of(1, 0, 1), b = key_of(2, 0, 1);
	uint64_t ticket = 0, second = 0;
	int row = -1, one = 1;

	ok(!recent_find(r, &a, &row, &ticket) && ticket && row == -1, "nothing is there at first");
	row = 10;
	recent_keep(r, &a, &row, ticket);
	ok(is(r, a, 10), "a row that was read is kept");
	row = 11;
	recent_keep(r, &a, &row, ticket);
	ok(is(r, a, 10), "a ticket is good once");
	recent_visit(r, &a, raise_by, &one);
	ok(is(r, a, 11), "a change of a row that is kept");
	ok(!recent_find(r, &b, &row, &ticket), "the same key of another tenant is another row");
	row = 20;
	recent_put(r, &b, &row);
	ok(is(r, b, 20) && is(r, a, 11), "a new row");
	row = 19;
	recent_keep(r, &b, &row, ticket);
	ok(is(r, b, 20), "it ends the tickets of who read before it");
	recent_drop(r, &a);
	ok(!recent_find(r, &a, &row, &ticket) && is(r, b, 20), "a row that went");
	ok(!recent_find(r, &a, &row, &second) && second == ticket, "two who read the same row");
	row = 12;
	recent_keep(r, &a, &row, second);
	row = 13;
	recent_keep(r, &a, &row, ticket);
	ok(is(r, a, 12), "the first of them keeps it");
}

/* What was read before a change must not be kept behind it. */
static void overtaken(struct recent *r)
{
	struct recent_key a = key_of(1, 1, 1);
	uint64_t ticket = 0, later = 0;
	int row = 30, one = 1;

	ok(!recent_find(r, &a, &row, &ticket), "a reader looks elsewhere");
	recent_visit(r, &a, raise_by, &one);
	recent_keep(r, &a, &row, ticket);
	ok(!recent_find(r, &a, &row, &later) && later != ticket,
	    "what it found is not kept when the row changed meanwhile");
	recent_keep(r, &a, &row, ticket);
	ok(!recent_find(r, &a, &row, &ticket) && ticket == later, "nor with another's ticket");
	recent_drop(r, &a);
	recent_keep(r, &a, &row, later);
	ok(!recent_find(r, &a, &row, &ticket), "nor when the row went meanwhile");
}

static void few_places(struct recent *r)
{
	uint64_t tickets[RECENT_WAYS + 1];
	struct recent_key key;
	int row = 0;

	for (uint8_t i = 0; i < RECENT_WAYS; i++) {
		key = key_of(1, 2, i);
		row = 40 + i;
		recent_put(r, &key, &row);
	}
	ok(is(r, key_of(1, 2, 0), 40), "a set is full");
	key = key_of(1, 2, RECENT_WAYS);
	row = 50;
	recent_put(r, &key, &row);
	ok(is(r, key, 50) && is(r, key_of(1, 2, 0), 40), "one more comes in");
	ok(!recent_find(
	       r, &(struct recent_key){ .tenant = 1, .bytes = { 2, [31] = 1 } }, &row, &tickets[0]),
	    "the one that was not asked for has gone");
	for (uint8_t i = 0; i <= RECENT_WAYS; i++) {
		key = key_of(1, 3, i);
		if (recent_find(r, &key, &row, &tickets[i]))
			tickets[i] = 0;
	}
	key = key_of(1, 3, 0);
	row = 60;
	recent_keep(r, &key, &row, tickets[0]);
	ok(!recent_find(r, &key, &row, &tickets[0]),
	    "a reader whose place was taken keeps nothing");
}

/* --- all at once --- */

enum { READERS = 3, ROUNDS = 20000, ROWS = 6 };

/* The registry, of which the memory must never be behind. */
static struct {
	struct recent *recent;
	_Atomic int rows[ROWS];
	_Atomic int told[ROWS]; /* what a writer has answered */
	_Atomic bool stop;
} world;

/* Reads as store.c does; false: older than what somebody was told before. */
static bool read_one(unsigned n)
{
	struct recent_key key = key_of(1, 0, (uint8_t)n);
	int told = world.told[n], row;
	uint64_t ticket;

	if (!recent_find(world.recent, &key, &row, &ticket)) {
		row = world.rows[n];
		recent_keep(world.recent, &key, &row, ticket);
	}
	return row >= told;
}

static void *reader(void *arg)
{
	size_t *wrong = arg;

	for (unsigned i = 0; !world.stop; i++)
		*wrong += !read_one(i % ROWS);
	return NULL;
}

static void at_once(void)
{
	pthread_t threads[READERS];
	size_t wrong[READERS] = { 0 }, all = 0;
	int one = 1;

	world.recent = recent_new(SETS, sizeof(int));
	for (size_t i = 0; i < READERS; i++)
		if (pthread_create(&threads[i], NULL, reader, &wrong[i]) != 0)
			return;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n = i * 7 % ROWS;
		struct recent_key key = key_of(1, 0, (uint8_t)n);
		int row = world.rows[n] + 1;

		world.rows[n] = row; /* the COMMIT */
		if (i % 5 == 0)
			recent_put(world.recent, &key, &row);
		else if (i % 5 == 1)
			recent_drop(world.recent, &key);
		else
			recent_visit(world.recent, &key, raise_by, &one);
		world.told[n] = row;
		all += !read_one(n);
	}
	world.stop = true;
	for (size_t i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		all += wrong[i];
	}
	ok(all == 0, "nobody reads what is older than an answer: %zu did", all);
	recent_free(world.recent);
}

int main(void)
{
	struct recent *r = recent_new(SETS, sizeof(int));

	kept(r);
	overtaken(r);
	few_places(r);
	recent_free(r);
	recent_free(NULL);
	at_once();
	return done_testing();
}
