/*
 * words.h -- lines of words: printable ASCII, fields separated by exactly one space.
 *
 * A reader holds one line that is not complete yet; whole lines are split and handed on. It refuses
 * lines that are too long, empty fields, and characters that are not printable. Words are borrowed
 * views of the line.
 *
 *	why = words_take(&reader, bytes, take_line, ctx);        // NULL, or what is wrong
 *	if (word_is(w->at[0], "s") && w->n == 2 && word_number(w->at[1], &seq)) ...
 */
#ifndef IMPRINT_WORDS_H
#define IMPRINT_WORDS_H

#include "base.h"

#define WORDS_LINE_MAX 512 /* without its end */
#define WORDS_MAX 8

struct words {
	struct slice at[WORDS_MAX];
	size_t n;
};
struct words_reader { /* private; all zero to begin with */
	char line[WORDS_LINE_MAX];
	size_t n;
};

/*
 * Each whole line goes to `line`, which returns NULL to go on. Texts are static: what is wrong. Behind
 * one the reader is not to be used but for another stream, after words_reset.
 */
const char *words_take(struct words_reader *r, struct slice in,
    const char *(*line)(void *ctx, const struct words *w), void *ctx);
void words_reset(struct words_reader *r);

bool word_is(struct slice word, const char *text);
/* "-" stands for what is absent. */
bool word_absent(struct slice word);
/* Each is false, and leaves its output alone, when the word is something else. */
bool word_number(struct slice word, uint64_t *out);       /* decimal, no sign, no leading zeros */
bool word_flag(struct slice word, bool *out);             /* 0 or 1 */
bool word_hex(struct slice word, uint8_t *out, size_t n); /* lower case, n bytes */

#endif
