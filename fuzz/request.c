/*
 * A whole request to the API, as the server hands it over: a byte of flags, "METHOD TARGET", headers, an
 * empty line, the body. With flag 1 it has a token. It is answered once, never with a failure of the
 * server's own, and what it is answered is JSON or nothing.
 */
#include "fuzz.h"
#include "world.h"

#include <string.h>

#define REQUESTS 500 /* until the registry is made anew, so that lists stay short */

static struct world world;

static void close_world(void)
{
	world_close(&world);
}

/* The next line as a string of its own. */
static char *take_line(const uint8_t **p, size_t *n)
{
	const uint8_t *end = *n ? memchr(*p, '\n', *n) : NULL;
	size_t line = end ? (size_t)(end - *p) : *n;
	char *text = calloc(1, line + 1);

	CHECK(text);
	if (line)
		memcpy(text, *p, line);
	*p += line + (end != NULL);
	*n -= line + (end != NULL);
	return text;
}

/* Host/http lets no such bytes through. */
static bool possible(const char *text)
{
	for (; *text; text++)
		if ((uint8_t)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned requests;
	char headers[2048] = "", *first, *line, *target;
	struct answer a;
	bool token;

	if (requests == 0) {
		world_open(&world);
		atexit(close_world);
	} else if (requests % REQUESTS == 0) {
		world_close(&world);
		world_open(&world);
	}
	requests++;
	if (size < 1)
		return 0;
	token = data[0] & 1;
	data++, size--;
	if (token)
		snprintf(headers, sizeof(headers), "Authorization: Bearer %s\n", world.token);
	first = take_line(&data, &size);
	while (*(line = take_line(&data, &size))) {
		size_t n = strlen(headers);

		if (possible(line) && strstr(line, ": ") &&
		    n + strlen(line) + 2 < sizeof(headers) / 4)
			snprintf(headers + n, sizeof(headers) - n, "%s\n", line);
		free(line);
	}
	free(line);
	target = strchr(first, ' ');
	if (target && target[1] == '/' && possible(first)) {
		*target++ = '\0';
		a = ask_with(&world, first, target, headers, (struct slice){ data, size });
		CHECK(a.status >= 200 && a.status < 500);
		CHECK(a.n == 0 || a.json || strncmp(a.type, "text/plain;", 11) == 0);
		if (a.status == 401 && token)
			world_login(&world);
		answer_free(&a);
	}
	free(first);
	return 0;
}
