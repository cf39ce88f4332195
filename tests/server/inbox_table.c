/* What boards say, in time: at once, then every ten seconds, bounded; and whose topic it is. */
#include "tap.h"
#include "inbox_table.h"

#include <stdlib.h>
#include <string.h>

static struct slice bytes_of(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static void topics(void)
{
	static const struct {
		const char *topic;
		bool good;
	} cases[] = {
		{ "/a/d/3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64/c/up", true },
		{ "/a/d/3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64/c/dw", false },
		{ "/a/d/3C1F7D52-9b0e-4e6f-8a31-0d5b7c9e2f64/c/up", false },
		{ "/a/d/3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64/c/up/", false },
		{ "/a/d/3c1f7d529b0e-4e6f-8a31-0d5b7c9e2f640/c/up", false },
		{ "/a/t/3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64/c/up", false },
		{ "a/d/3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64/c/up", false },
		{ "", false },
	};
	static const uint8_t device[16] = { 0x3c, 0x1f, 0x7d, 0x52, 0x9b, 0x0e, 0x4e, 0x6f, 0x8a,
		0x31, 0x0d, 0x5b, 0x7c, 0x9e, 0x2f, 0x64 };
	uint8_t got[16];

	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(got, 0, sizeof(got));
		ok((inbox_topic_parse(bytes_of(cases[i].topic), got) == OK) == cases[i].good &&
		        (memcmp(got, device, 16) == 0) == cases[i].good,
		    "'%s' %s", cases[i].topic, cases[i].good ? "is a board's" : "is not");
	}
}

static bool takes(struct inbox_table *t, int64_t now, uint8_t first, int64_t at, const char *text)
{
	struct inbox_due due;

	return inbox_table_take(t, now, &due) && due.device[0] == first && due.at == at &&
	       due.message_n == strlen(text) && memcmp(due.message, text, due.message_n) == 0;
}

static bool nothing(struct inbox_table *t, int64_t now)
{
	struct inbox_due due;

	return !inbox_table_take(t, now, &due);
}

static void times(void)
{
	struct inbox_table *t = inbox_table_new(4);
	uint8_t a[16] = { 1 }, b[16] = { 2 }, long_message[300];
	struct inbox_due due;

	ok(inbox_table_next(t) == INT64_MAX && nothing(t, 0), "empty");
	ok(inbox_table_put(t, a, 1000, 77, bytes_of("one")) == OK && inbox_table_next(t) == 1000 &&
	        takes(t, 1000, 1, 77, "one"),
	    "the first message at once");
	ok(nothing(t, 1000) && inbox_table_next(t) == 11000, "and once");
	ok(inbox_table_put(t, a, 2000, 78, bytes_of("two")) == OK && nothing(t, 2000),
	    "the second waits");
	ok(inbox_table_put(t, b, 3000, 79, bytes_of("")) == OK && takes(t, 3000, 2, 79, ""),
	    "another board does not wait for it");
	ok(inbox_table_put(t, a, 4000, 50, bytes_of("three")) == OK && nothing(t, 10999),
	    "the third takes the place of the second");
	ok(takes(t, 11000, 1, 50, "three") && nothing(t, 11000),
	    "and is written after ten seconds, with what the clock said");
	ok(inbox_table_size(t) == 2 && nothing(t, 13000) && inbox_table_size(t) == 1,
	    "who was silent for ten seconds is forgotten");
	ok(nothing(t, 21000) && inbox_table_size(t) == 0 && inbox_table_next(t) == INT64_MAX,
	    "until nobody is left");

	memset(long_message, 'x', sizeof(long_message));
	ok(inbox_table_put(t, a, 30000, 1, SLICE(long_message)) == OK &&
	        inbox_table_take(t, 30000, &due) && due.message_n == INBOX_MESSAGE_MAX,
	    "a long message is cut");
	inbox_table_free(t);
	inbox_table_free(NULL);
}

static void room(void)
{
	struct inbox_table *t = inbox_table_new(4);
	uint8_t device[16] = { 0 };
	unsigned put = 0;

	for (uint8_t i = 0; i < 6; i++) {
		device[0] = i;
		put += inbox_table_put(t, device, i, i, bytes_of("m")) == OK;
	}
	ok(put == 4, "four boards have room");
	for (uint8_t i = 0; i < 4; i++)
		ok(takes(t, 6, (uint8_t)(3 - i), 3 - i, "m"), "board %u", 3 - i);
	device[0] = 9;
	ok(inbox_table_put(t, device, 7, 7, bytes_of("m")) == ERR_SPACE &&
	        inbox_table_put(t, device, 10006, 7, bytes_of("m")) == OK,
	    "a fifth when the first are forgotten");
	device[0] = 0;
	ok(inbox_table_put(t, device, 10007, 8, bytes_of("m")) == OK,
	    "one that is known always has room");
	inbox_table_free(t);
}

/* Against a model that does everything by looking at all boards. */
static void random_traffic(void)
{
	struct inbox_table *t = inbox_table_new(64);
	struct {
		int64_t due, at;
		bool waits, known;
	} model[64] = { { 0 } };
	uint32_t state = 1;
	int64_t now = 0;
	unsigned wrong = 0, written = 0;

	for (unsigned step = 0; step < 50000; step++) {
		uint8_t device[16] = { 0 };
		struct inbox_due due;

		state = state * 1664525 + 1013904223;
		device[0] = (uint8_t)(state >> 26);
		now += (state >> 8) % 300;
		wrong += inbox_table_put(t, device, now, now, bytes_of("m")) != OK;
		if (!model[device[0]].known)
			model[device[0]].due = now;
		model[device[0]].known = model[device[0]].waits = true;
		model[device[0]].at = now;
		while (inbox_table_take(t, now, &due)) {
			unsigned d = due.device[0];

			written++;
			wrong += !model[d].waits || model[d].due > now || model[d].at != due.at;
			model[d].waits = false;
			model[d].due = now + INBOX_EVERY_MS;
		}
		for (unsigned d = 0; d < 64; d++)
			wrong += model[d].waits && model[d].due <= now;
	}
	ok(wrong == 0 && written > 1000, "%u writes of 50000 messages, as a plain model has them",
	    written);
	inbox_table_free(t);
}

int main(void)
{
	topics();
	times();
	room();
	random_traffic();
	return done_testing();
}
