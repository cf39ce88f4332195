/*
 * thing_message.h -- the messages by which a board learns which thing it is: one CBOR tag around an array.
 *
 * They travel on /a/d/{device}/c/up and /a/d/{device}/c/dw; thing_messages.def lists them. Encoding is
 * cbor.h's, deterministic, so every tag has its 32-bit form. Refused: other tags than those listed,
 * another content than the tag has, bytes behind it. What is listed as UNREAD is not looked at beyond its
 * tag: it may be private.
 *
 *	if ((e = thing_message_parse(payload, &m)) == OK && m.kind == THING_BEGIN)
 *		thing_message_put(&w, &(struct thing_message){ .kind = THING_UPDATE, .body = id });
 */
#ifndef IMPRINT_THING_MESSAGE_H
#define IMPRINT_THING_MESSAGE_H

#include "cbor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define THING_TEXT_MAX 64

enum thing_message_kind {
#define THING_MESSAGE(name, tag, content, text) name,
#include "thing_messages.def"
#undef THING_MESSAGE
	THING_MESSAGE_KINDS
};

struct thing_message {
	enum thing_message_kind kind;
	struct slice body; /* TEXT, BYTES: what it says; borrowed */
	int32_t offset;    /* ZONE: seconds east of UTC */
	uint32_t until;    /* ZONE: valid until then, seconds since 1970 */
};

/* ERR_FORMAT: none of ours; m is untouched. */
enum err thing_message_parse(struct slice in, struct thing_message *m) MUST_CHECK;
/* Of an UNREAD one the body is the array's content, encoded, one item; empty: an empty array. */
void thing_message_put(struct cbor_w *w, const struct thing_message *m);

/* "thing-begin" */
const char *thing_message_name(enum thing_message_kind kind);

#ifdef __cplusplus
}
#endif
#endif
