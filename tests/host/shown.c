/* What a terminal may have of texts of others. */
#include "shown.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

static struct slice bytes_of(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static const struct {
	const char *what, *text, *shown; /* shown NULL: as it is */
} cases[] = {
	{ "nothing", "", NULL },
	{ "ASCII", "kitchen ~!", NULL },
	{ "letters of others", "K\xc3\xbc\x63he \xd0\x9a \xe2\x82\xac \xf0\x9f\x99\x82", NULL },
	{ "U+001F", "a\x1f", "a\\u001F" },
	{ "U+007F", "\x7f", "\\u007F" },
	{ "escape", "a\033[2J", "a\\u001B[2J" },
	{ "U+0080", "\xc2\x80", "\\u0080" },
	{ "U+009B", "a\xc2\x9b\x32J", "a\\u009B2J" },
	{ "U+009F", "\xc2\x9f", "\\u009F" },
	{ "U+00A0", "\xc2\xa0", NULL },
	{ "U+2027", "\xe2\x80\xa7", NULL },
	{ "U+2028", "\xe2\x80\xa8", "\\u2028" },
	{ "U+202A", "\xe2\x80\xaa", "\\u202A" },
	{ "U+202E", "ab\xe2\x80\xae\x63", "ab\\u202Ec" },
	{ "U+202F", "\xe2\x80\xaf", NULL },
	{ "U+2065", "\xe2\x81\xa5", NULL },
	{ "U+2066", "\xe2\x81\xa6", "\\u2066" },
	{ "U+2069", "\xe2\x81\xa9!", "\\u2069!" },
	{ "U+206A", "\xe2\x81\xaa", NULL },
	{ "the same bytes in other characters", "\xf0\xa2\x80\xae \xe3\x80\xae", NULL },
	{ "half of one", "a\xc2", NULL },
	{ "two thirds of one", "a\xe2\x80", NULL },
};

static void cut(void)
{
	static const struct {
		const char *text, *shown;
		size_t cap;
	} few[] = {
		{ "abc", "abc", 4 },
		{ "abc", "ab", 3 },
		{ "abc", "", 1 },
		{ "ab\xe2\x82\xac", "ab\xe2\x82\xac", 6 },
		{ "ab\xe2\x82\xac", "ab", 5 },
		{ "ab\xc2\x9b", "ab\\u009B", 9 },
		{ "ab\xc2\x9b", "ab", 8 },
		{ "\xc2\x9b\xc2\x9b", "\\u009B", 12 },
	};
	char out[32];

	for (size_t i = 0; i < COUNT(few); i++) {
		memset(out, 'x', sizeof(out));
		shown_put(bytes_of(few[i].text), out, few[i].cap);
		ok(strcmp(out, few[i].shown) == 0, "cut to %zu: %s", few[i].cap - 1, out);
	}
	shown_put((struct slice){ (const uint8_t *)"a\0b", 3 }, out, sizeof(out));
	ok(strcmp(out, "a\\u0000b") == 0, "a NUL does not end it");
}

int main(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *want = cases[i].shown ? cases[i].shown : cases[i].text;
		char out[64];

		shown_put(bytes_of(cases[i].text), out, sizeof(out));
		ok(shown_as_is(bytes_of(cases[i].text)) == !cases[i].shown &&
		        strcmp(out, want) == 0,
		    "%s", cases[i].what);
	}
	cut();
	return done_testing();
}
