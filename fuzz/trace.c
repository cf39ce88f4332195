/*
 * The words for what goes over the bus. Input: records of op, address, status, length, that many
 * bytes. Whatever they are, texts end within their fields, and at most two events come of one.
 */
#include "fuzz.h"
#include "trace.h"

#include <string.h>

static void check(const struct trace_event *e)
{
	CHECK((unsigned)e->kind < TRACE_KINDS && e->address <= 0x77);
	CHECK(memchr(e->what, 0, sizeof(e->what)) && memchr(e->outcome, 0, sizeof(e->outcome)));
	CHECK(e->what[0] && (e->kind != TRACE_COMMAND || e->outcome[0]));
	CHECK(e->status >= TRACE_UNREAD && e->status <= 0xFF && e->out_n <= 252);
	for (const char *c = e->what; *c; c++)
		CHECK(*c >= ' ' && *c <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct trace t;
	uint64_t us = 0;

	trace_init(&t);
	for (size_t at = 0; at + 4 <= size;) {
		uint8_t request[4 + 255] = { data[at], data[at + 1] }, reply[3 + 255];
		size_t n = data[at + 3];
		struct trace_event events[2];
		bool read = data[at] == 'R';

		n = n > size - at - 4 ? size - at - 4 : n;
		reply[0] = data[at + 2];
		memcpy(request + 4, data + at + 4, n);
		memcpy(reply + 3, data + at + 4, n);
		at += 4 + n;
		n = trace_take(&t, us += 100, (struct slice){ request, 4 + (read ? 0 : n) },
		    (struct slice){ reply, 3 + (read ? n : 0) }, events);
		CHECK(n <= 2);
		while (n)
			check(&events[--n]);
	}
	return 0;
}
