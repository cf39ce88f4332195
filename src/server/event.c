#include "event.h"

#include <string.h>

enum { VERSION = 1, FIXED = 68 };

static uint8_t *put_text(uint8_t *p, const char *text)
{
	size_t n = strlen(text);

	*p++ = (uint8_t)n;
	memcpy(p, text, n);
	return p + n;
}

size_t event_put(const struct event *event, uint8_t body[EVENT_BODY_MAX])
{
	uint8_t *p = body;

	*p++ = VERSION;
	*p++ = (uint8_t)event->shape;
	store_be16(p, event->status);
	memcpy(p + 2, event->salt, 16);
	memcpy(p + 18, event->request, 32);
	memcpy(p + 50, event->certificate, 16);
	p = put_text(p + 66, event->peer);
	p = put_text(p, event->note);
	*p++ = (uint8_t)event->steps_n;
	for (size_t i = 0; i < event->steps_n; i++, p += 4) {
		p[0] = event->steps[i].step;
		p[1] = event->steps[i].code;
		store_be16(p + 2, event->steps[i].ms);
	}
	return (size_t)(p - body);
}

static enum err take_text(struct slice *in, char text[EVENT_TEXT_MAX + 1])
{
	size_t n = in->n > 0 ? in->p[0] : 0;

	if (in->n < 1 + n || memchr(in->p + 1, 0, n))
		return ERR_FORMAT;
	memcpy(text, in->p + 1, n);
	*in = (struct slice){ in->p + 1 + n, in->n - 1 - n };
	return OK;
}

enum err event_parse(struct slice body, struct event *event)
{
	struct event got = { .status = 0 };
	const uint8_t *p = body.p;
	struct slice in;

	if (body.n < FIXED || p[0] != VERSION || p[1] >= EVENT_SHAPES)
		return ERR_FORMAT;
	in = (struct slice){ p + FIXED, body.n - FIXED };
	got.shape = (enum event_shape)p[1];
	got.status = load_be16(p + 2);
	memcpy(got.salt, p + 4, 16);
	memcpy(got.request, p + 20, 32);
	memcpy(got.certificate, p + 52, 16);
	if (take_text(&in, got.peer) != OK || take_text(&in, got.note) != OK || in.n < 1)
		return ERR_FORMAT;
	got.steps_n = in.p[0];
	if (got.steps_n > EVENT_STEPS_MAX || in.n != 1 + 4 * got.steps_n)
		return ERR_FORMAT;
	for (size_t i = 0; i < got.steps_n; i++) {
		const uint8_t *s = in.p + 1 + 4 * i;

		got.steps[i] = (struct event_step){ s[0], s[1], load_be16(s + 2) };
	}
	*event = got;
	return OK;
}
