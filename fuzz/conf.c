/* A broker's configuration: what is found is in lines that there are, and can be printed. */
#include "conf.h"
#include "fuzz.h"

#include <string.h>

struct seen {
	unsigned lines;
};

static void found(void *ctx, const struct conf_found *f)
{
	struct seen *s = ctx;

	CHECK(f->line > 0 && f->line <= s->lines && f->option[0] && f->why[0]);
	CHECK(strlen(f->option) < CONF_WORD && strcmp(f->path, "fuzzed") == 0);
	for (const char *c = f->option; *c; c++)
		CHECK(*c > ' ' && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = { 1 };
	struct conf c = { .found = found, .ctx = &s };

	for (size_t i = 0; i < size; i++)
		s.lines += data[i] == '\n';
	conf_scan(&c, "fuzzed", (struct slice){ data, size });
	/* Now it is known whose listener is the boards', as when a file is read. */
	conf_scan(&c, "fuzzed", (struct slice){ data, size });
	return 0;
}
