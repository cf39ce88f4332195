/* Lines of words: what is one, and what each kind of word is. */
#include "words.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

struct seen {
	char text[256];
	const char *refuse; /* a line that begins with this */
};

static const char *see(void *ctx, const struct words *w)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text);

	if (s->refuse && word_is(w->at[0], s->refuse))
		return "refused";
	for (size_t i = 0; i < w->n; i++)
		n += (size_t)snprintf(s->text + n, sizeof(s->text) - n, "%s%.*s", i ? "," : "|",
		    (int)w->at[i].n, (const char *)w->at[i].p);
	return NULL;
}

static const char *see_nothing(void *ctx, const struct words *w)
{
	(void)ctx, (void)w;
	return NULL;
}

static struct slice bytes_of(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static void lines(void)
{
	static const struct {
		const char *what, *in, *out; /* out NULL: refused */
	} cases[] = {
		{ "words", "a bc d\n", "|a,bc,d" },
		{ "two lines", "a\nb c\n", "|a|b,c" },
		{ "a half one", "a\nb", "|a" },
		{ "eight words", "1 2 3 4 5 6 7 8\n", "|1,2,3,4,5,6,7,8" },
		{ "nine", "1 2 3 4 5 6 7 8 9\n", NULL },
		{ "an empty line", "\n", NULL },
		{ "a space in front", " a\n", NULL },
		{ "a space behind", "a \n", NULL },
		{ "two spaces", "a  b\n", NULL },
		{ "a tab", "a\tb\n", NULL },
		{ "a carriage return", "a\r\n", NULL },
		{ "DEL", "a\x7f\n", NULL },
		{ "beyond ASCII", "\xc3\xa4\n", NULL },
	};
	char longest[WORDS_LINE_MAX + 3];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct words_reader r = { .n = 0 };
		struct seen s = { .text = "" };
		const char *why = words_take(&r, bytes_of(cases[i].in), see, &s);

		ok(cases[i].out ? !why && strcmp(s.text, cases[i].out) == 0 : why != NULL, "%s: %s",
		    cases[i].what, why ? why : s.text);
	}
	for (size_t n = WORDS_LINE_MAX; n <= WORDS_LINE_MAX + 1; n++) {
		struct words_reader r = { .n = 0 };
		struct seen s = { .refuse = NULL };

		memset(longest, 'x', n);
		memcpy(longest + n, "\n", 2);
		ok((words_take(&r, bytes_of(longest), see_nothing, &s) == NULL) ==
		        (n == WORDS_LINE_MAX),
		    "a line of %zu bytes", n);
	}
}

static void refusal(void)
{
	struct words_reader r = { .n = 0 };
	struct seen s = { .refuse = "no" };
	const char *why = words_take(&r, bytes_of("a\nno\nb\n"), see, &s);

	ok(why && strcmp(why, "refused") == 0 && strcmp(s.text, "|a") == 0,
	    "what is refused ends it");
	(void)words_take(&r, bytes_of("half"), see, &s);
	words_reset(&r);
	ok(!words_take(&r, bytes_of("b\n"), see, &s) && strcmp(s.text, "|a|b") == 0,
	    "another stream begins at its beginning");
}

static void kinds(void)
{
	static const struct {
		const char *word;
		bool good;
		uint64_t value;
	} numbers[] = { { "0", true, 0 }, { "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 }, { "01", false, 0 }, { "-1", false, 0 },
		{ "+1", false, 0 }, { "1x", false, 0 }, { "", false, 0 },
		{ "100000000000000000000", false, 0 } };
	uint8_t hex[2] = { 0 };
	bool flag = false;

	for (size_t i = 0; i < COUNT(numbers); i++) {
		uint64_t v = 77;
		bool good = word_number(bytes_of(numbers[i].word), &v);

		ok(good == numbers[i].good && v == (good ? numbers[i].value : 77), "number '%s'",
		    numbers[i].word);
	}
	ok(word_flag(TEXT("1"), &flag) && flag && word_flag(TEXT("0"), &flag) && !flag &&
	        !word_flag(TEXT("2"), &flag) && !word_flag(TEXT("00"), &flag),
	    "flags");
	ok(word_hex(TEXT("00ff"), hex, 2) && hex[1] == 0xff && !word_hex(TEXT("00FF"), hex, 2) &&
	        !word_hex(TEXT("00f"), hex, 2) && !word_hex(TEXT("00ff00"), hex, 2),
	    "digits in lower case, so many");
	ok(word_absent(TEXT("-")) && !word_absent(TEXT("--")) && word_is(TEXT("ca"), "ca") &&
	        !word_is(TEXT("c"), "ca"),
	    "absent, and what it is");
}

int main(void)
{
	lines();
	refusal();
	kinds();
	return done_testing();
}
