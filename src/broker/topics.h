/*
 * topics.h -- where a board may speak and listen: exact topics, made of templates.
 *
 * In a template {device} stands for the board's own id, {thing} for the one that is attached to it now,
 * without which such a topic does not exist. There are four always, those that Arduino's library uses;
 * a configuration adds others. Each names the board or its thing, so none is common to all, and none has
 * a wildcard, begins with "$", or lies where the four are.
 *
 *	struct topics t = { 0 };
 *	if ((e = topics_add(&t, TOPIC_WRITE, TEXT("mill/{device}/count"), eb)) != OK)
 *		return e;
 *	allowed = topics_allow(&t, TOPIC_WRITE, device, thing, "mill/034231ab-.../count");
 */
#ifndef IMPRINT_TOPICS_H
#define IMPRINT_TOPICS_H

#include "errbuf.h"

#define TOPICS_MAX 32
#define TOPIC_TEMPLATE_MAX 200

enum topic_access { TOPIC_WRITE, TOPIC_READ };

struct topics { /* zero: the four; fields are private */
	struct topic {
		enum topic_access access;
		struct slice text; /* the caller's */
	} row[TOPICS_MAX];
	unsigned n;
};

/* ERR_ARG: no template, with the reason; ERR_SPACE: too many. */
enum err topics_add(
    struct topics *t, enum topic_access access, struct slice text, struct errbuf *eb) MUST_CHECK;

/* thing: all zero when there is none. */
bool topics_allow(const struct topics *t, enum topic_access access, const uint8_t device[16],
    const uint8_t thing[16], const char *topic);
/* Of whichever board. */
bool topics_have(const struct topics *t, enum topic_access access, const char *topic);

#endif
