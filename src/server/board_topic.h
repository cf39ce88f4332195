/*
 * board_topic.h -- the topics on which boards speak and are spoken to.
 *
 *	if (board_topic_parse(topic, &of, id) == OK && of == TOPIC_OF_THING)
 *	board_topic_put(TOPIC_OF_DEVICE, device, answer);        // "/a/d/{id}/c/dw"
 */
#ifndef IMPRINT_BOARD_TOPIC_H
#define IMPRINT_BOARD_TOPIC_H

#include "base.h"

enum topic { TOPIC_OF_DEVICE, TOPIC_OF_THING };
#define TOPIC_SIZE 48

/* What a board may publish to: "/a/d/{device}/c/up", "/a/t/{thing}/e/o". ERR_FORMAT: anything else. */
enum err board_topic_parse(struct slice topic, enum topic *of, uint8_t id[16]) MUST_CHECK;
/* What it listens to: "/a/d/{device}/c/dw", "/a/t/{thing}/e/i". */
void board_topic_put(enum topic of, const uint8_t id[16], char topic[TOPIC_SIZE]);

#endif
