/*
 * The first line is the Authorization header, the rest the form. Whatever is taken are strings inside of
 * their arrays, and what Basic said stands.
 */
#include "fuzz.h"
#include "login.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
	size_t n = line ? (size_t)(line - data) : 0;
	struct login l = { .basic = false }, basic;
	char *header = calloc(1, n + 1);

	CHECK(header);
	if (n)
		memcpy(header, data, n);
	CHECK(login_basic(header, &l) == l.basic);
	basic = l;
	if (line)
		data += n + 1, size -= n + 1;
	if (!login_form((struct slice){ data, size }, &l) && basic.basic)
		CHECK(strcmp(l.client, basic.client) == 0 && strcmp(l.secret, basic.secret) == 0);
	CHECK(memchr(l.grant, 0, sizeof(l.grant)) && memchr(l.client, 0, sizeof(l.client)) &&
	      memchr(l.secret, 0, sizeof(l.secret)) &&
	      memchr(l.organization, 0, sizeof(l.organization)));
	free(header);
	return 0;
}
