/* An event's body that is taken is written again as the same bytes. */
#include "event.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t body[EVENT_BODY_MAX];
	struct event event;

	if (event_parse((struct slice){ data, size }, &event) != OK)
		return 0;
	CHECK(size <= EVENT_BODY_MAX && event_put(&event, body) == size);
	CHECK(memcmp(body, data, size) == 0);
	return 0;
}
