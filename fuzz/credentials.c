/* Credentials that are taken are written and read again without a change. */
#include "credentials.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct credentials c, again;
	char path[FOLDER_PATH_MAX], server[CREDENTIALS_SERVER_MAX + 1], same[sizeof(server)];
	struct slice in = { data, size };
	char *text = NULL;

	if (credentials_of_up(in, path, NULL) == OK)
		CHECK(path[0] == '/');
	if (credentials_server_parse(in, server, NULL) == OK) {
		CHECK(credentials_server_parse(
		          (struct slice){ (uint8_t *)server, strlen(server) }, same, NULL) == OK);
		CHECK(strcmp(server, same) == 0);
	}
	if (credentials_parse(in, &c, NULL) != OK)
		return 0;
	CHECK(strlen(c.client) == CREDENTIALS_CLIENT && strlen(c.secret) == CREDENTIALS_SECRET);
	CHECK(credentials_print(&c, &text, NULL) == OK);
	CHECK(
	    credentials_parse((struct slice){ (uint8_t *)text, strlen(text) }, &again, NULL) == OK);
	CHECK(strcmp(c.client, again.client) == 0 && strcmp(c.secret, again.secret) == 0 &&
	      strcmp(c.organization, again.organization) == 0 &&
	      strcmp(c.server, again.server) == 0 && strcmp(c.ca, again.ca) == 0);
	free(text);
	return 0;
}
