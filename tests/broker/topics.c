/* Templates of topics: which are none, and what they allow to whom. */
#include "tap.h"
#include "topics.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define DEVICE "034231ab-0ba5-4c28-90ac-47d1f521128b"
#define THING "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"
#define OTHER "80700187-78c0-4590-b311-a8c0cc66a224"

static struct slice text(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static const struct {
	const char *text, *why; /* NULL: it is one */
} templates[] = {
	{ "mill/{device}/count", NULL },
	{ "{thing}", NULL },
	{ "/{device}{thing}/", NULL },
	{ "a/d/{device}", NULL },
	{ "", "1 to 200" },
	{ "mill/count", "names {device} or {thing}" },
	{ "mill/{device}/#", "wildcards" },
	{ "+/{device}", "wildcards" },
	{ "mill/{Device}", "no others" },
	{ "mill/{device", "no others" },
	{ "mill/device}", "no others" },
	{ "mill/{{device}}", "no others" },
	{ "mill /{device}", "without spaces" },
	{ "mill\n/{device}", "without spaces" },
	{ "m\xc3\xbchle/{device}", "ASCII" },
	{ "$SYS/{device}", "begins with neither" },
	{ "$share/g/{device}", "begins with neither" },
	{ "/a/d/{device}/c/dw", "begins with neither" },
	{ "/a/t/{thing}/e/i", "begins with neither" },
};

static void adding(void)
{
	char longest[TOPIC_TEMPLATE_MAX + 2] = "{device}";
	struct errbuf eb;
	struct topics t = { .n = 0 };
	enum err e;

	for (size_t i = 0; i < COUNT(templates); i++) {
		struct topics one = { .n = 0 };

		eb.text[0] = '\0';
		e = topics_add(&one, TOPIC_READ, text(templates[i].text), &eb);
		ok(templates[i].why
		        ? e == ERR_ARG && one.n == 0 && strstr(eb.text, templates[i].why)
		        : e == OK && one.n == 1,
		    "'%s': %s", templates[i].why ? templates[i].why : templates[i].text, eb.text);
	}
	memset(longest + 8, 'x', TOPIC_TEMPLATE_MAX - 8);
	ok(topics_add(&t, TOPIC_READ, text(longest), &eb) == OK, "the longest");
	longest[TOPIC_TEMPLATE_MAX] = 'x';
	ok(topics_add(&t, TOPIC_READ, text(longest), &eb) == ERR_ARG, "a longer one");
	while ((e = topics_add(&t, TOPIC_WRITE, TEXT("{device}"), &eb)) == OK)
		;
	ok(e == ERR_SPACE && t.n == TOPICS_MAX, "no more than fit");
}

static const struct {
	const char *topic;
	bool write, read, bare; /* with a thing; bare: either of them, without one */
} cases[] = {
	{ "mill/" DEVICE "/count", true, false, true },
	{ "mill/" DEVICE "/set", false, true, true },
	{ "line/" THING, true, true, false },
	{ DEVICE "/" THING "/x", true, false, false },
	{ "/a/d/" DEVICE "/c/up", true, false, true },
	{ "/a/d/" DEVICE "/c/dw", false, true, true },
	{ "/a/t/" THING "/e/o", true, false, false },
	{ "/a/t/" THING "/e/i", false, true, false },
	{ "mill/" OTHER "/count", false, false, false },
	{ "mill/" THING "/count", false, false, false },
	{ "line/" DEVICE, false, false, false },
	{ "line/" OTHER, false, false, false },
	{ "line/00000000-0000-0000-0000-000000000000", false, false, false },
	{ "line/", false, false, false },
	{ THING "/" DEVICE "/x", false, false, false },
	{ "mill/{device}/count", false, false, false },
	{ "mill/" DEVICE "/coun", false, false, false },
	{ "mill/" DEVICE "/count/", false, false, false },
	{ "mill/" DEVICE, false, false, false },
	{ "mill/+/count", false, false, false },
	{ "mill/#", false, false, false },
	{ "$share/g/mill/" DEVICE "/set", false, false, false },
	{ "", false, false, false },
};

static void allowing(void)
{
	static const struct {
		enum topic_access access;
		const char *text;
	} rows[] = {
		{ TOPIC_WRITE, "mill/{device}/count" },
		{ TOPIC_READ, "mill/{device}/set" },
		{ TOPIC_WRITE, "line/{thing}" },
		{ TOPIC_READ, "line/{thing}" },
		{ TOPIC_WRITE, "{device}/{thing}/x" },
	};
	uint8_t device[16], thing[16], none[16] = { 0 };
	struct topics t = { .n = 0 };

	if (uuid_parse(TEXT(DEVICE), device) != OK || uuid_parse(TEXT(THING), thing) != OK)
		exit(1);
	for (size_t i = 0; i < COUNT(rows); i++)
		if (topics_add(&t, rows[i].access, text(rows[i].text), NULL) != OK)
			exit(1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *at = cases[i].topic;

		ok(topics_allow(&t, TOPIC_WRITE, device, thing, at) == cases[i].write &&
		        topics_allow(&t, TOPIC_READ, device, thing, at) == cases[i].read &&
		        (topics_allow(&t, TOPIC_WRITE, device, none, at) ||
		            topics_allow(&t, TOPIC_READ, device, none, at)) == cases[i].bare,
		    "'%s'", at);
	}
	ok(topics_have(&t, TOPIC_WRITE, "mill/" OTHER "/count") &&
	        topics_have(&t, TOPIC_WRITE, "/a/t/" OTHER "/e/o") &&
	        topics_have(&t, TOPIC_READ, "mill/" OTHER "/set"),
	    "of whichever board");
	ok(!topics_have(&t, TOPIC_WRITE, "mill/" OTHER "/set") &&
	        !topics_have(&t, TOPIC_WRITE, "mill/x/count") &&
	        !topics_have(&t, TOPIC_WRITE, "mill/count"),
	    "of none");
}

int main(void)
{
	adding();
	allowing();
	return done_testing();
}
