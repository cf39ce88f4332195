/* A broker's configuration: options are found in lines that there are, in their order, and named. */
#include "unsafe.h"
#include "fuzz.h"

struct seen {
	unsigned line, lines;
};

static void found(void *ctx, unsigned line, const char *option, const char *why)
{
	struct seen *s = ctx;

	CHECK(line > s->line && line <= s->lines && option[0] && why[0]);
	s->line = line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = { 0, 1 };

	for (size_t i = 0; i < size; i++)
		s.lines += data[i] == '\n';
	unsafe_scan((struct slice){ data, size }, found, &s);
	return 0;
}
