#include "words.h"
#include "text.h"

#include <string.h>

static const char *split(struct slice in, struct words *w)
{
	size_t from = 0;

	w->n = 0;
	for (size_t i = 0; i <= in.n; i++) {
		if (i < in.n && (in.p[i] < 0x20 || in.p[i] > 0x7e))
			return "a character that is not printable";
		if (i < in.n && in.p[i] != ' ')
			continue;
		if (i == from)
			return "an empty field";
		if (w->n == WORDS_MAX)
			return "too many fields";
		w->at[w->n++] = (struct slice){ in.p + from, i - from };
		from = i + 1;
	}
	return NULL;
}

const char *words_take(struct words_reader *r, struct slice in,
    const char *(*line)(void *ctx, const struct words *w), void *ctx)
{
	const char *why;
	struct words w;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '\n') {
			if (r->n == sizeof(r->line))
				return "a line that is too long";
			r->line[r->n++] = (char)in.p[i];
			continue;
		}
		why = split((struct slice){ (const uint8_t *)r->line, r->n }, &w);
		r->n = 0;
		if (why || (why = line(ctx, &w)))
			return why;
	}
	return NULL;
}

void words_reset(struct words_reader *r)
{
	r->n = 0;
}

bool word_is(struct slice word, const char *text)
{
	return slice_equal(word, (struct slice){ (const uint8_t *)text, strlen(text) });
}

bool word_absent(struct slice word)
{
	return word.n == 1 && word.p[0] == '-';
}

bool word_number(struct slice word, uint64_t *out)
{
	uint64_t v = 0;

	if (word.n == 0 || word.n > 20 || (word.n > 1 && word.p[0] == '0'))
		return false;
	for (size_t i = 0; i < word.n; i++) {
		unsigned digit = (unsigned)word.p[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

bool word_flag(struct slice word, bool *out)
{
	if (word.n != 1 || (word.p[0] != '0' && word.p[0] != '1'))
		return false;
	*out = word.p[0] == '1';
	return true;
}

bool word_hex(struct slice word, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] >= 'A' && word.p[i] <= 'F')
			return false;
	return hex_decode(word, out, n) == OK;
}
