/*
 * A stream of events: cut anywhere it is the same events, and what was taken, written again in its
 * plainest form, is taken the same.
 */
#include "fuzz.h"
#include "sse.h"

#include <string.h>

#define EVENTS_MAX 64

struct told {
	char name[SSE_NAME_MAX + 1], id[SSE_ID_MAX + 1];
	uint8_t *data;
	size_t n;
};
struct all {
	struct told at[EVENTS_MAX];
	size_t n;
	struct sse s;
};

static void take_all(struct all *a, const uint8_t *p, size_t n, size_t step)
{
	size_t at = 0;

	sse_init(&a->s);
	a->n = 0;
	while (at < n && a->s.at != SSE_FAILED && a->n < EVENTS_MAX) {
		size_t part = n - at < step ? n - at : step, used = sse_take(&a->s, p + at, part);
		struct told *t = &a->at[a->n];

		CHECK(used > 0 && used <= part);
		at += used;
		if (a->s.at != SSE_EVENT)
			continue;
		memcpy(t->name, a->s.name, sizeof(t->name));
		memcpy(t->id, a->s.id, sizeof(t->id));
		t->data = malloc(a->s.n + 1);
		CHECK(t->data && a->s.n < SSE_DATA_MAX);
		memcpy(t->data, a->s.data, t->n = a->s.n);
		a->n++;
	}
}

static void drop(struct all *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->at[i].data);
}

static void compare(const struct all *a, const struct all *b)
{
	CHECK(a->n == b->n);
	for (size_t i = 0; i < a->n; i++) {
		CHECK(strcmp(a->at[i].name, b->at[i].name) == 0);
		CHECK(strcmp(a->at[i].id, b->at[i].id) == 0);
		CHECK(a->at[i].n == b->at[i].n);
		CHECK(memcmp(a->at[i].data, b->at[i].data, a->at[i].n) == 0);
	}
}

static size_t line(uint8_t *out, const char *field, const uint8_t *p, size_t n)
{
	size_t field_n = strlen(field);

	memcpy(out, field, field_n);
	memcpy(out + field_n, p, n);
	out[field_n + n] = '\n';
	return field_n + n + 1;
}

/* Data may hold line ends of its own, which are LF. */
static size_t write_event(const struct told *t, uint8_t *out)
{
	const uint8_t *p = t->data, *end = t->data + t->n, *stop;
	size_t n = line(out, "event: ", (const uint8_t *)t->name, strlen(t->name));

	n += line(out + n, "id: ", (const uint8_t *)t->id, strlen(t->id));
	for (;; p = stop + 1) {
		stop = memchr(p, '\n', (size_t)(end - p));
		n += line(out + n, "data: ", p, (size_t)((stop ? stop : end) - p));
		if (!stop)
			break;
	}
	out[n++] = '\n';
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct all whole, cut, again;
	size_t room = 0, n = 0;
	uint8_t *text;

	take_all(&whole, data, size, size + 1);
	take_all(&cut, data, size, 1);
	compare(&whole, &cut);
	CHECK(whole.s.at == cut.s.at && strcmp(whole.s.id, cut.s.id) == 0);
	drop(&cut);
	take_all(&cut, data, size, 1 + size / 3);
	compare(&whole, &cut);
	drop(&cut);

	for (size_t i = 0; i < whole.n; i++)
		room += 8 * whole.at[i].n + 256;
	CHECK((text = malloc(room + 1)) != NULL);
	for (size_t i = 0; i < whole.n; i++)
		n += write_event(&whole.at[i], text + n);
	take_all(&again, text, n, n + 1);
	if (again.s.at != SSE_FAILED) /* a line of its own length, and the name of its field */
		compare(&whole, &again);
	drop(&again);
	drop(&whole);
	free(text);
	return 0;
}
