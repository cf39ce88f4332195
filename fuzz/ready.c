/* The line by which imprintd says that it is ready: what is accepted has all its members. */
#include <string.h>
#include "fuzz.h"
#include "services.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct services_ready ready = { 0 };
	struct errbuf eb = { "" };

	if (services_ready_parse((struct slice){ data, size }, &ready, &eb) == OK) {
		CHECK(ready.port >= 1 && ready.port <= 65535 && ready.pid >= 1);
		CHECK(memchr(ready.server, 0, sizeof(ready.server)) != NULL);
	} else {
		CHECK(eb.text[0] != '\0' && ready.port == 0);
	}
	return 0;
}
