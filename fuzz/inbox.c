/*
 * Topics, messages and times in any order: each byte string is a script of them. Nothing is written
 * twice within ten seconds, nothing that was said last is lost, and the room is kept.
 */
#include "fuzz.h"
#include "board_topic.h"
#include "latest.h"
#include "uuid.h"

#include <string.h>

#define ROOM 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct latest *t = latest_new(ROOM);
	struct slice all = { data, size };
	int64_t now = 0, written[256], said[256];
	uint8_t device[16];
	enum topic topic;
	struct latest_due due;

	CHECK(t);
	if (board_topic_parse(all, &topic, device) == OK) {
		char text[UUID_TEXT];

		uuid_text(device, text);
		CHECK(size == 46 - (topic == TOPIC_OF_THING) &&
		      memcmp(data + 5, text, UUID_TEXT) == 0);
	}
	memset(written, 0xff, sizeof(written));
	for (; size >= 3; data += 3, size -= 3) {
		enum err e;

		now += data[1] * INT64_C(100);
		memset(device, data[0], sizeof(device));
		e = latest_put(t, SLICE(device), now, now, (struct slice){ data + 2, size - 2 });
		CHECK(e == OK || e == ERR_SPACE);
		CHECK(latest_size(t) <= ROOM);
		if (e == OK)
			said[data[0]] = now;
		while (data[2] & 1 && latest_take(t, now, &due)) {
			uint8_t d = due.key.p[0];

			CHECK(due.at == said[d] && due.what.n <= LATEST_WHAT_MAX);
			CHECK(written[d] < 0 || now - written[d] >= LATEST_EVERY_MS);
			written[d] = now;
		}
	}
	latest_free(t);
	return 0;
}
