#include "thing_message.h"

enum content { CONTENT_NONE, CONTENT_TEXT, CONTENT_BYTES, CONTENT_ZONE, CONTENT_UNREAD };

static const struct {
	uint32_t tag;
	enum content content;
	const char *name;
} kinds[THING_MESSAGE_KINDS] = {
#define THING_MESSAGE(name, tag, content, text) [name] = { tag, CONTENT_##content, text },
#include "thing_messages.def"
#undef THING_MESSAGE
};

static enum err kind_of(uint32_t tag, enum thing_message_kind *kind)
{
	for (unsigned i = 0; i < THING_MESSAGE_KINDS; i++)
		if (kinds[i].tag == tag) {
			*kind = (enum thing_message_kind)i;
			return OK;
		}
	return ERR_FORMAT;
}

/* The array whose content is known. */
static enum err take_content(struct slice *in, struct thing_message *m)
{
	static const uint32_t items[] = {
		[CONTENT_NONE] = 0, [CONTENT_TEXT] = 1, [CONTENT_BYTES] = 1, [CONTENT_ZONE] = 2
	};
	enum content content = kinds[m->kind].content;
	uint32_t n;
	enum err e;

	if (cbor_take_head(in, CBOR_ARRAY, &n) != OK || n != items[content])
		return ERR_FORMAT;
	switch (content) {
	case CONTENT_TEXT:
		e = cbor_take_string(in, CBOR_TEXT, &m->body);
		return e == OK && m->body.n > THING_TEXT_MAX ? ERR_FORMAT : e;
	case CONTENT_BYTES:
		return cbor_take_string(in, CBOR_BYTES, &m->body);
	case CONTENT_ZONE:
		e = cbor_take_int(in, &m->offset);
		return e == OK ? cbor_take_uint(in, &m->until) : e;
	default:
		return OK;
	}
}

enum err thing_message_parse(struct slice in, struct thing_message *m)
{
	struct thing_message out = { .kind = THING_MESSAGE_KINDS };
	uint32_t tag;

	if (cbor_take_head(&in, CBOR_TAG, &tag) != OK || kind_of(tag, &out.kind) != OK)
		return ERR_FORMAT;
	if (kinds[out.kind].content != CONTENT_UNREAD &&
	    (take_content(&in, &out) != OK || cbor_end(&in) != OK))
		return ERR_FORMAT;
	*m = out;
	return OK;
}

void thing_message_put(struct cbor_w *w, const struct thing_message *m)
{
	cbor_put(w, CBOR_TAG, kinds[m->kind].tag);
	switch (kinds[m->kind].content) {
	case CONTENT_TEXT:
		if (m->body.n > THING_TEXT_MAX)
			cbor_fail(w, ERR_ARG);
		cbor_put(w, CBOR_ARRAY, 1);
		cbor_put_string(w, CBOR_TEXT, m->body);
		break;
	case CONTENT_BYTES:
		cbor_put(w, CBOR_ARRAY, 1);
		cbor_put_string(w, CBOR_BYTES, m->body);
		break;
	case CONTENT_ZONE:
		cbor_put(w, CBOR_ARRAY, 2);
		cbor_put_int(w, m->offset);
		cbor_put(w, CBOR_UINT, m->until);
		break;
	case CONTENT_UNREAD:
		cbor_put(w, CBOR_ARRAY, m->body.n > 0 ? 1 : 0);
		cbor_raw(w, m->body);
		break;
	default:
		cbor_put(w, CBOR_ARRAY, 0);
		break;
	}
}

const char *thing_message_name(enum thing_message_kind kind)
{
	return kind < THING_MESSAGE_KINDS ? kinds[kind].name : "unknown";
}
