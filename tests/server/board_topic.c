/* Topics of boards, both ways. */
#include "board_topic.h"
#include "tap.h"

#define ID "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"

int main(void)
{
	static const struct {
		const char *topic;
		int of; /* -1: nobody's */
	} cases[] = {
		{ "/a/d/" ID "/c/up", TOPIC_OF_DEVICE },
		{ "/a/t/" ID "/e/o", TOPIC_OF_THING },
		{ "/a/d/" ID "/c/dw", -1 },
		{ "/a/t/" ID "/e/i", -1 },
		{ "/a/d/" ID "/e/o", -1 },
		{ "/a/t/" ID "/c/up", -1 },
		{ "/a/d/3C1F7D52-9b0e-4e6f-8a31-0d5b7c9e2f64/c/up", -1 },
		{ "/a/d/" ID "/c/up/", -1 },
		{ "/a/d/3c1f7d529b0e-4e6f-8a31-0d5b7c9e2f640/c/up", -1 },
		{ "a/d/" ID "/c/up", -1 },
		{ "", -1 },
	};
	static const uint8_t id[16] = { 0x3c, 0x1f, 0x7d, 0x52, 0x9b, 0x0e, 0x4e, 0x6f, 0x8a, 0x31,
		0x0d, 0x5b, 0x7c, 0x9e, 0x2f, 0x64 };
	char down[TOPIC_SIZE];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice text = { (const uint8_t *)cases[i].topic, strlen(cases[i].topic) };
		uint8_t got[16] = { 0 };
		enum topic of = TOPIC_OF_DEVICE;
		enum err e = board_topic_parse(text, &of, got);

		ok((e == OK) == (cases[i].of >= 0) &&
		        (e != OK || ((int)of == cases[i].of && memcmp(got, id, 16) == 0)),
		    "'%s': %s", cases[i].topic, e == OK ? "a board's" : "not");
	}
	board_topic_put(TOPIC_OF_DEVICE, id, down);
	ok(strcmp(down, "/a/d/" ID "/c/dw") == 0, "%s", down);
	board_topic_put(TOPIC_OF_THING, id, down);
	ok(strcmp(down, "/a/t/" ID "/e/i") == 0, "%s", down);
	return done_testing();
}
