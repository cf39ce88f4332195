#include "sse.h"

#include <string.h>

#define RETRY_MAX_MS 3600000

void sse_init(struct sse *s)
{
	memset(s, 0, sizeof(*s));
}

void sse_again(struct sse *s)
{
	s->at = SSE_MORE;
	s->name[0] = '\0';
	s->n = s->line_n = 0;
	memcpy(s->next_id, s->id, sizeof(s->id));
	s->begun = s->after_cr = false;
}

static bool is(struct slice field, const char *name)
{
	return slice_equal(field, (struct slice){ (const uint8_t *)name, strlen(name) });
}

/* Too long, or with a NUL: as if it were not there. */
static void text_take(struct slice value, char *out, size_t cap)
{
	if (value.n >= cap || (value.n > 0 && memchr(value.p, 0, value.n)))
		return;
	if (value.n > 0)
		memcpy(out, value.p, value.n);
	out[value.n] = '\0';
}

static void retry_take(struct slice value, unsigned *ms)
{
	unsigned n = 0;

	if (value.n == 0 || value.n > 9)
		return;
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return;
		n = 10 * n + (value.p[i] - '0');
	}
	*ms = n < RETRY_MAX_MS ? n : RETRY_MAX_MS;
}

static void data_take(struct sse *s, struct slice value)
{
	if (value.n + 1 > sizeof(s->data) - s->n) {
		s->at = SSE_FAILED;
		return;
	}
	if (value.n > 0)
		memcpy(s->data + s->n, value.p, value.n);
	s->n += value.n;
	s->data[s->n++] = '\n';
}

static void field_take(struct sse *s, struct slice field, struct slice value)
{
	if (is(field, "data"))
		data_take(s, value);
	else if (is(field, "event"))
		text_take(value, s->name, sizeof(s->name));
	else if (is(field, "id"))
		text_take(value, s->next_id, sizeof(s->next_id));
	else if (is(field, "retry"))
		retry_take(value, &s->retry_ms);
}

/* The empty line: an event is whole, if there was one. */
static void dispatch(struct sse *s)
{
	memcpy(s->id, s->next_id, sizeof(s->id));
	if (s->n == 0) {
		s->name[0] = '\0';
		return;
	}
	s->n--; /* its last line end */
	s->at = SSE_EVENT;
}

static void line_take(struct sse *s)
{
	struct slice line = { s->line, s->line_n }, value = { NULL, 0 };
	const uint8_t *colon;

	s->line_n = 0;
	if (!s->begun && line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
		line = (struct slice){ line.p + 3, line.n - 3 };
	s->begun = true;
	if (line.n == 0) {
		dispatch(s);
		return;
	}
	if ((colon = memchr(line.p, ':', line.n)) != NULL) {
		size_t n = (size_t)(colon - line.p);

		value = (struct slice){ colon + 1, line.n - n - 1 };
		line.n = n;
		if (value.n > 0 && value.p[0] == ' ')
			value = (struct slice){ value.p + 1, value.n - 1 };
	}
	field_take(s, line, value); /* a comment has an empty name */
}

static void byte_take(struct sse *s, uint8_t c)
{
	bool second = s->after_cr && c == '\n';

	s->after_cr = c == '\r';
	if (second)
		return;
	if (c == '\r' || c == '\n')
		line_take(s);
	else if (s->line_n == sizeof(s->line))
		s->at = SSE_FAILED;
	else
		s->line[s->line_n++] = c;
}

size_t sse_take(struct sse *s, const uint8_t *p, size_t n)
{
	size_t used = 0;

	if (n == 0 || s->at == SSE_FAILED)
		return 0;
	if (s->at == SSE_EVENT) {
		s->at = SSE_MORE;
		s->n = 0;
		s->name[0] = '\0';
	}
	while (used < n && s->at == SSE_MORE)
		byte_take(s, p[used++]);
	return used;
}
