/* What is taken of a configuration file is there to be found, with its line; all else is refused with one. */
#include "fuzz.h"
#include "ini_file.h"

#include <string.h>

#define SETTINGS_MAX 512

struct seen {
	char name[SETTINGS_MAX][2 * INI_FILE_LINE_MAX];
	size_t n;
};

static enum err known(void *ctx, const char *name, struct errbuf *eb)
{
	struct seen *seen = ctx;

	if (seen->n == SETTINGS_MAX || strchr(name, '!') != NULL)
		return err_set(eb, ERR_ARG, "not known");
	CHECK(strlen(name) < sizeof(seen->name[0]));
	memcpy(seen->name[seen->n++], name, strlen(name) + 1);
	return OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seen seen;
	struct cli_ini *ini = NULL;
	struct errbuf eb = { "" };
	char where[64];
	enum err e;

	seen.n = 0;
	e = ini_file_parse("x.ini", (struct slice){ data, size }, known, &seen, &ini, &eb);
	if (e != OK) {
		CHECK(ini == NULL && e == ERR_ARG && strncmp(eb.text, "x.ini:", 6) == 0);
		return 0;
	}
	for (size_t i = 0; i < seen.n; i++) {
		const char *value = ini_file_value(ini, seen.name[i], where, sizeof(where));

		CHECK(value != NULL && strlen(value) <= INI_FILE_LINE_MAX);
		CHECK(strncmp(where, "x.ini:", 6) == 0);
	}
	ini_file_free(ini);
	return 0;
}
