/* What keeps coming, in time: at once, then every ten seconds, bounded. */
#include "tap.h"
#include "latest.h"

#include <stdlib.h>
#include <string.h>

static struct slice bytes_of(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static bool takes(struct latest *t, int64_t now, uint8_t first, int64_t at, const char *text)
{
	struct latest_due due;

	return latest_take(t, now, &due) && due.key.p[0] == first && due.at == at &&
	       due.what.n == strlen(text) && memcmp(due.what.p, text, due.what.n) == 0;
}

static bool nothing(struct latest *t, int64_t now)
{
	struct latest_due due;

	return !latest_take(t, now, &due);
}

static void times(void)
{
	struct latest *t = latest_new(4);
	uint8_t a[16] = { 1 }, b[16] = { 2 }, long_message[600];
	struct latest_due due;

	ok(latest_next(t) == INT64_MAX && nothing(t, 0), "empty");
	ok(latest_put(t, SLICE(a), 1000, 77, bytes_of("one")) == OK && latest_next(t) == 1000 &&
	        takes(t, 1000, 1, 77, "one"),
	    "the first message at once");
	ok(nothing(t, 1000) && latest_next(t) == 11000, "and once");
	ok(latest_put(t, SLICE(a), 2000, 78, bytes_of("two")) == OK && nothing(t, 2000),
	    "the second waits");
	ok(latest_put(t, SLICE(b), 3000, 79, bytes_of("")) == OK && takes(t, 3000, 2, 79, ""),
	    "another board does not wait for it");
	ok(latest_put(t, SLICE(a), 4000, 50, bytes_of("three")) == OK && nothing(t, 10999),
	    "the third takes the place of the second");
	ok(takes(t, 11000, 1, 50, "three") && nothing(t, 11000),
	    "and is written after ten seconds, with what the clock said");
	ok(latest_size(t) == 2 && nothing(t, 13000) && latest_size(t) == 1,
	    "who was silent for ten seconds is forgotten");
	ok(nothing(t, 21000) && latest_size(t) == 0 && latest_next(t) == INT64_MAX,
	    "until nobody is left");

	memset(long_message, 'x', sizeof(long_message));
	ok(latest_put(t, SLICE(a), 30000, 1, SLICE(long_message)) == OK &&
	        latest_take(t, 30000, &due) && due.what.n == LATEST_WHAT_MAX,
	    "something long is cut");
	latest_free(t);
	latest_free(NULL);
}

static void room(void)
{
	struct latest *t = latest_new(4);
	uint8_t device[16] = { 0 };
	unsigned put = 0;

	for (uint8_t i = 0; i < 6; i++) {
		device[0] = i;
		put += latest_put(t, SLICE(device), i, i, bytes_of("m")) == OK;
	}
	ok(put == 4, "four boards have room");
	for (uint8_t i = 0; i < 4; i++)
		ok(takes(t, 6, (uint8_t)(3 - i), 3 - i, "m"), "board %u", 3 - i);
	device[0] = 9;
	ok(latest_put(t, SLICE(device), 7, 7, bytes_of("m")) == ERR_SPACE &&
	        latest_put(t, SLICE(device), 10006, 7, bytes_of("m")) == OK,
	    "a fifth when the first are forgotten");
	device[0] = 0;
	ok(latest_put(t, SLICE(device), 10007, 8, bytes_of("m")) == OK,
	    "one that is known always has room");
	latest_free(t);
}

/* A sign of life is worth a write, but does not take the place of what waits. */
static void nothing_new(void)
{
	struct latest *t = latest_new(4);
	struct slice key = TEXT("key"), none = { NULL, 0 }, what;
	struct latest_due due;

	ok(latest_put(t, key, 0, 1, none) == OK && latest_take(t, 0, &due) && due.at == 1 &&
	        due.what.p == NULL && slice_equal(due.key, key),
	    "nothing but the time");
	ok(!latest_find(t, key, &what), "which is nothing to find");
	ok(latest_put(t, key, 1, 2, TEXT("hello")) == OK && latest_put(t, key, 2, 3, none) == OK &&
	        latest_find(t, key, &what) && slice_equal(what, TEXT("hello")),
	    "what waits is found");
	ok(latest_take(t, LATEST_EVERY_MS, &due) && due.at == 3 &&
	        slice_equal(due.what, TEXT("hello")),
	    "and written with the last time");
	ok(latest_find(t, key, &what) && slice_equal(what, TEXT("hello")),
	    "it is remembered when it is written");
	ok(latest_put(t, key, LATEST_EVERY_MS, 4, none) == OK &&
	        latest_take(t, 2 * LATEST_EVERY_MS, &due) && due.what.p == NULL,
	    "but not written twice");
	ok(latest_put(t, key, 2 * LATEST_EVERY_MS, 5, TEXT("")) == OK &&
	        latest_take(t, 3 * LATEST_EVERY_MS, &due) && due.what.p != NULL && due.what.n == 0,
	    "an empty text is one");
	ok(latest_put(t, none, 0, 0, none) == ERR_ARG, "no key");
	latest_free(t);
}

/* Against a model that does everything by looking at all boards. */
static void random_traffic(void)
{
	struct latest *t = latest_new(64);
	struct {
		int64_t due, at;
		bool waits, known;
	} model[64] = { { 0 } };
	uint32_t state = 1;
	int64_t now = 0;
	unsigned wrong = 0, written = 0;

	for (unsigned step = 0; step < 50000; step++) {
		uint8_t device[16] = { 0 };
		struct latest_due due;

		state = state * 1664525 + 1013904223;
		device[0] = (uint8_t)(state >> 26);
		now += (state >> 8) % 300;
		wrong += latest_put(t, SLICE(device), now, now, bytes_of("m")) != OK;
		if (!model[device[0]].known)
			model[device[0]].due = now;
		model[device[0]].known = model[device[0]].waits = true;
		model[device[0]].at = now;
		while (latest_take(t, now, &due)) {
			unsigned d = due.key.p[0];

			written++;
			wrong += !model[d].waits || model[d].due > now || model[d].at != due.at;
			model[d].waits = false;
			model[d].due = now + LATEST_EVERY_MS;
		}
		for (unsigned d = 0; d < 64; d++)
			wrong += model[d].waits && model[d].due <= now;
	}
	ok(wrong == 0 && written > 1000, "%u writes of 50000 messages, as a plain model has them",
	    written);
	latest_free(t);
}

int main(void)
{
	times();
	room();
	nothing_new();
	random_traffic();
	return done_testing();
}
