/* Streams of events as servers may send them: each case whole, byte by byte and cut in two. */
#include "sse.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

static struct sse s;
static char got[65536];

/* What has become of it: "name|data|id;" each, then the last id and the time to wait. */
static void take_all(const char *text, size_t n, size_t step)
{
	size_t at = 0, said = 0;

	sse_init(&s);
	got[0] = '\0';
	while (at < n && s.at != SSE_FAILED) {
		size_t part = n - at < step ? n - at : step;

		at += sse_take(&s, (const uint8_t *)text + at, part);
		if (s.at == SSE_EVENT)
			said += (size_t)snprintf(got + said, sizeof(got) - said, "%s|%.*s|%s;",
			    s.name, (int)s.n, (const char *)s.data, s.id);
	}
	snprintf(got + said, sizeof(got) - said, "%s%s/%u", s.at == SSE_FAILED ? "failed " : "",
	    s.id, s.retry_ms);
}

#define CASE(name, text, want)                                                                     \
	{                                                                                          \
		name, text, sizeof(text) - 1, want                                                 \
	}
static const struct {
	const char *name, *text;
	size_t n;
	const char *want;
} cases[] = {
	CASE("one", "event: a\ndata: {}\nid: 1.2\n\n", "a|{}|1.2;1.2/0"),
	CASE("CR LF", "event: a\r\ndata: b\r\n\r\nevent: c\r\ndata: d\r\n\r\n", "a|b|;c|d|;/0"),
	CASE("CR", "event: a\rdata: b\r\rdata: c\r\r", "a|b|;|c|;/0"),
	CASE("all mixed", "data: b\r\ndata: c\n\r\ndata: d\r\n\n", "|b\nc|;|d|;/0"),
	CASE("no blank", "event:a\ndata:b\n\n", "a|b|;/0"),
	CASE("one blank of two", "data:  b\n\n", "| b|;/0"),
	CASE("several lines of data", "data: a\ndata\ndata: b\n\n", "|a\n\nb|;/0"),
	CASE("an empty line of data", "data\n\n", "||;/0"),
	CASE("two of them", "data:\ndata:\n\n", "|\n|;/0"),
	CASE("comments", ": still here\n:\ndata: a\n: b\n\n:\n\n", "|a|;/0"),
	CASE("an id alone is remembered", "id: 7.1\n\n", "7.1/0"),
	CASE("of half an event it is not", "id: 7.1\n\nid: 8.1\ndata: x\n", "7.1/0"),
	CASE("it stays", "id: 1\ndata: a\n\ndata: b\n\n", "|a|1;|b|1;1/0"),
	CASE("it can be taken back", "id: 1\ndata: a\n\nid\ndata: b\n\n", "|a|1;|b|;/0"),
	CASE("none with a NUL",
	    "id: 1\n\nid: 2\0"
	    "3\n\n",
	    "1/0"),
	CASE("none that is too long",
	    "id: 1\n\nid: 1234567890123456789012345678901234567890123456789012345678901234\n\n",
	    "1/0"),
	CASE("the last name counts", "event: a\nevent: b\ndata: c\n\n", "b|c|;/0"),
	CASE("a name without data is none", "event: a\n\ndata: b\n\n", "|b|;/0"),
	CASE("other fields", "data: a\ncolour: red\ndatas: b\nDATA: c\n data: d\n\n", "|a|;/0"),
	CASE("a time to wait", "retry: 1500\n\n", "/1500"),
	CASE("which is a number", "retry: 1500\nretry: 20s\nretry:\nretry: -1\n\n", "/1500"),
	CASE("and bounded", "retry: 999999999\nretry: 9999999999\n\n", "/3600000"),
	CASE("a byte order mark",
	    "\xef\xbb\xbf"
	    "data: a\n\n",
	    "|a|;/0"),
	CASE("but one alone",
	    "\xef\xbb\xbf\xef\xbb\xbf"
	    "data: a\n\n",
	    "/0"),
	CASE("and at the start",
	    "data: a\n\n\xef\xbb\xbf"
	    "data: b\n\n",
	    "|a|;/0"),
	CASE("no end", "data: a\n", "/0"),
	CASE("nothing", "", "/0"),
};

static void test_cases(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		bool right = true;

		for (size_t step = cases[i].n + 1; step > 0 && right; step--) {
			take_all(cases[i].text, cases[i].n, step);
			right = strcmp(got, cases[i].want) == 0;
		}
		ok(right, "%s%s%s", cases[i].name, right ? "" : ": ", right ? "" : got);
	}
}

static char *repeat(char *to, const char *text, size_t times)
{
	for (; times > 0; times--, to += strlen(text))
		memcpy(to, text, strlen(text) + 1);
	return to;
}

static void test_limits(void)
{
	static char text[2 * SSE_DATA_MAX];
	char *to;

	to = repeat(text, "data: ", 1);
	to = repeat(to, "x", SSE_LINE_MAX - 6);
	repeat(to, "\n\n", 1);
	take_all(text, strlen(text), 1000);
	ok(s.at == SSE_EVENT && s.n == SSE_LINE_MAX - 6, "the longest line");
	repeat(to, "x\n\n", 1);
	take_all(text, strlen(text), 1000);
	ok(s.at == SSE_FAILED, "one that is longer by a byte");
	ok(sse_take(&s, (const uint8_t *)"\n", 1) == 0, "then nothing more is taken");
	to = repeat(text, "data: 0123456789012345678901234567890\n", SSE_DATA_MAX / 32 + 1);
	repeat(to, "\n", 1);
	take_all(text, strlen(text), 777);
	ok(s.at == SSE_FAILED, "data of too many lines");
}

static void test_again(void)
{
	take_all("retry: 9\nid: 5.5\n\nid: 6.6\nevent: half\ndata: of i", 47, 100);
	sse_again(&s);
	ok(strcmp(s.id, "5.5") == 0 && s.retry_ms == 9, "who comes back knows the id");
	ok(sse_take(&s, (const uint8_t *)"data: b\n\n", 9) == 9 && s.at == SSE_EVENT && s.n == 1 &&
	        s.name[0] == '\0' && strcmp(s.id, "5.5") == 0,
	    "and nothing of what was half there");
}

int main(void)
{
	test_cases();
	test_limits();
	test_again();
	return done_testing();
}
