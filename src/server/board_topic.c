#include "board_topic.h"
#include "uuid.h"

#include <stdio.h>
#include <string.h>

#define HEAD 5 /* characters of "/a/d/" */

static const struct {
	const char *head, *up, *down;
} topics[] = { [TOPIC_OF_DEVICE] = { "/a/d/", "/c/up", "/c/dw" },
	[TOPIC_OF_THING] = { "/a/t/", "/e/o", "/e/i" } };

enum err board_topic_parse(struct slice topic, enum topic *of, uint8_t id[16])
{
	for (size_t i = 0; i < COUNT(topics); i++) {
		size_t tail = strlen(topics[i].up);

		if (topic.n == HEAD + UUID_TEXT + tail &&
		    memcmp(topic.p, topics[i].head, HEAD) == 0 &&
		    memcmp(topic.p + HEAD + UUID_TEXT, topics[i].up, tail) == 0 &&
		    uuid_parse((struct slice){ topic.p + HEAD, UUID_TEXT }, id) == OK) {
			*of = (enum topic)i;
			return OK;
		}
	}
	return ERR_FORMAT;
}

void board_topic_put(enum topic of, const uint8_t id[16], char topic[TOPIC_SIZE])
{
	char text[UUID_TEXT];

	uuid_text(id, text);
	snprintf(topic, TOPIC_SIZE, "%s%.*s%s", topics[of].head, UUID_TEXT, text, topics[of].down);
}
