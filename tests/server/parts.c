/* The small parts: written JSON, event bodies, failed logins. */
#include "event.h"
#include "json_out.h"
#include "tap.h"
#include "throttle.h"

#include <jansson.h>
#include <stdlib.h>

static bool written(struct json_out *w, const char *want)
{
	uint8_t *bytes = NULL;
	size_t n = 0;
	bool same =
	    json_finish(w, &bytes, &n) == OK && n == strlen(want) && memcmp(bytes, want, n) == 0;

	free(bytes);
	return same;
}

static void json(void)
{
	static const uint8_t id[16] = { 0x3c, 0x1f, 0x7d, 0x52 };
	struct json_out w = json_out(1);

	json_open(&w, NULL, '{');
	json_text(&w, "a", "b\"\\\n\x01\x7f");
	json_open(&w, "list", '[');
	json_int(&w, NULL, -5);
	json_bool(&w, NULL, true);
	json_open(&w, NULL, '{');
	json_close(&w, '}');
	json_close(&w, ']');
	json_hex(&w, "hex", BYTES(0xab, 1));
	json_base64(&w, "base64", BYTES(0xff, 0xee));
	json_uuid(&w, "id", id);
	json_time(&w, "then", 1700000000999);
	json_time(&w, "zero", 0);
	json_time(&w, "before", -1);
	json_close(&w, '}');
	ok(written(&w,
	       "{\"a\":\"b\\\"\\\\\\n\\u0001\\u007f\",\"list\":[-5,true,{}],\"hex\":\"ab01\","
	       "\"base64\":\"/+4=\",\"id\":\"3c1f7d52-0000-0000-0000-000000000000\","
	       "\"then\":\"2023-11-14T22:13:20Z\",\"zero\":\"1970-01-01T00:00:00Z\","
	       "\"before\":\"1969-12-31T23:59:59Z\"}"),
	    "every kind of value, commas between");
	w = json_out(16);
	json_slice(
	    &w, NULL, BYTES('a', 0xc3, 0xbc, 0xc3, 'b', 0xe2, 0x82, 0xac, 0xed, 0xa0, 0x80, 0xf5));
	ok(written(&w, "\"a\xc3\xbc?b\xe2\x82\xac????\""),
	    "what is no UTF-8 becomes question marks");
	w = json_out(16);
	json_time(&w, NULL, INT64_MAX);
	ok(!written(&w, ""), "no clock says that");
}

static struct slice of(const uint8_t *p, size_t n)
{
	return (struct slice){ p, n };
}

static void events(void)
{
	struct event e = { .shape = EVENT_CERTIFICATE,
		.status = 201,
		.salt = { 1 },
		.request = { 2 },
		.certificate = { 3 },
		.peer = "192.0.2.7",
		.note = "name,serial",
		.steps = { { 0, 0, 0 }, { 1, 0, 65535 } },
		.steps_n = 2 },
	             back;
	uint8_t body[EVENT_BODY_MAX], again[EVENT_BODY_MAX + 1];
	size_t n = event_put(&e, body), refused = 0;

	ok(n == 68 + 10 + 12 + 9, "%zu bytes", n);
	ok(event_parse(of(body, n), &back) == OK && memcmp(&e, &back, sizeof(e)) == 0,
	    "read as it was written");
	for (size_t cut = 0; cut < n; cut++)
		refused += event_parse(of(body, cut), &back) == ERR_FORMAT;
	ok(refused == n, "cut anywhere: refused");
	memcpy(again, body, n);
	again[n] = 0;
	ok(event_parse(of(again, n + 1), &back) == ERR_FORMAT, "a byte behind: refused");
	again[0] = 2;
	ok(event_parse(of(again, n), &back) == ERR_FORMAT, "another version: refused");
	again[0] = 1;
	again[1] = EVENT_SHAPES;
	ok(event_parse(of(again, n), &back) == ERR_FORMAT, "another shape: refused");
	again[1] = 0;
	again[70] = 0;
	ok(event_parse(of(again, n), &back) == ERR_FORMAT, "a NUL in a text: refused");
	memset(e.peer, 'p', EVENT_TEXT_MAX);
	memset(e.note, 'n', EVENT_TEXT_MAX);
	e.steps_n = EVENT_STEPS_MAX;
	n = event_put(&e, body);
	ok(n == EVENT_BODY_MAX && event_parse(of(body, n), &back) == OK &&
	        memcmp(&e, &back, sizeof(e)) == 0,
	    "as large as it gets");
}

static void throttling(void)
{
	static struct throttle t;
	bool early = false;

	if (throttle_init(&t, NULL) != OK)
		abort();
	for (int i = 0; i < THROTTLE_FAILURES; i++) {
		early |= throttle_full(&t, "192.0.2.1", "one", 1000);
		throttle_failed(&t, "192.0.2.1", "one", 1000);
	}
	ok(!early && throttle_full(&t, "192.0.2.1", "one", 1000), "full after %d failures",
	    THROTTLE_FAILURES);
	ok(!throttle_full(&t, "192.0.2.2", "one", 1000), "not for another address");
	ok(!throttle_full(&t, "192.0.2.1", "two", 1000), "nor for another client");
	ok(throttle_full(&t, "192.0.2.1", "one", 1000 + THROTTLE_WINDOW_MS - 1), "until the end");
	ok(!throttle_full(&t, "192.0.2.1", "one", 1000 + THROTTLE_WINDOW_MS), "and no longer");
	ok(!throttle_full(&t, "192.0.2.1", "one", 0), "nor when the clock is set back");
	throttle_destroy(&t);
}

int main(void)
{
	json();
	events();
	throttling();
	return done_testing();
}
