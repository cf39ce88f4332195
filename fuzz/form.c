/* Forms: what was read and is escaped again whole reads the same. */
#include "form.h"
#include "fuzz.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define MOST 4096

static char key[MOST], value[MOST], key_again[MOST], value_again[MOST], escaped[6 * MOST + 2];

static size_t escape(const char *text, char *out)
{
	size_t n = 0;

	for (; *text; text++)
		n += (size_t)sprintf(out + n, "%%%02x", (unsigned char)*text);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { data, size }, again;
	size_t left = size, n;
	enum err e;

	do {
		e = form_take(&in, key, sizeof(key), value, sizeof(value));
		CHECK(in.n < left || (e == ERR_NOT_FOUND && in.n == 0)); /* it comes to an end */
		left = in.n;
		if (e != OK || (key[0] == '\0' && value[0] == '\0'))
			continue;
		n = escape(key, escaped);
		escaped[n++] = '=';
		n += escape(value, escaped + n);
		again = (struct slice){ (const uint8_t *)escaped, n };
		CHECK(form_take(&again, key_again, MOST, value_again, MOST) == OK && again.n == 0);
		CHECK(strcmp(key, key_again) == 0 && strcmp(value, value_again) == 0);
	} while (e != ERR_NOT_FOUND);
	return 0;
}
