/*
 * A template and, behind a newline, a topic: what is taken for a template allows a board what it stands for,
 * and nothing with a wildcard; what it allows to one board it knows as a board's.
 */
#include "topics.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char id[] = "00010203-0405-0607-0809-0a0b0c0d0e0f";
	static const uint8_t uuid[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	const uint8_t *end = memchr(data, '\n', size);
	size_t n = end ? (size_t)(end - data) : size, m = end ? size - n - 1 : 0, at = 0;
	/* Eight characters become 36. */
	char topic[5 * TOPIC_TEMPLATE_MAX + 1], own[5 * TOPIC_TEMPLATE_MAX + 1];
	struct topics t = { .n = 0 };

	if (m >= sizeof(topic))
		return 0;
	if (m > 0)
		memcpy(topic, end + 1, m);
	topic[m] = '\0';
	CHECK(!topics_allow(&t, TOPIC_WRITE, uuid, uuid, topic) || strncmp(topic, "/a/", 3) == 0);
	if (topics_add(&t, TOPIC_WRITE, (struct slice){ data, n }, NULL) != OK)
		return 0;
	for (size_t i = 0; i < n;) {
		bool device = n - i >= 8 && memcmp(data + i, "{device}", 8) == 0,
		     thing = n - i >= 7 && memcmp(data + i, "{thing}", 7) == 0;

		if (device || thing) {
			memcpy(own + at, id, sizeof(id) - 1);
			at += sizeof(id) - 1;
			i += device ? 8 : 7;
		} else {
			own[at++] = (char)data[i++];
		}
	}
	own[at] = '\0';
	CHECK(topics_allow(&t, TOPIC_WRITE, uuid, uuid, own) && topics_have(&t, TOPIC_WRITE, own));
	CHECK(!strpbrk(own, "+#") && !topics_allow(&t, TOPIC_READ, uuid, uuid, own));
	if (topics_allow(&t, TOPIC_WRITE, uuid, uuid, topic))
		CHECK(strcmp(topic, own) == 0 || strncmp(topic, "/a/", 3) == 0);
	return 0;
}
