/*
 * event.h -- the body of an audit event: who did what from where, in a few bytes.
 *
 * Version 1: 01 | shape 1 | status 2 | salt 16 | request 32 | certificate 16 | and, each behind one byte
 * for its length, peer and note | number of steps 1 | steps of 4: step, code, milliseconds 2. Numbers
 * are big endian. The certificate is a serial number, or zeros. SHA-256 of the whole body is the `detail`
 * of a log entry: the salt keeps that from telling anything once the body is deleted. `request` is
 * SHA-256 of method, path, query and body: the same Idempotency-Key for something else is found out by it.
 *
 *	size_t n = event_put(&event, body);
 *	if ((e = event_parse(row.body, &event)) != OK)          // ERR_FORMAT
 */
#ifndef IMPRINT_EVENT_H
#define IMPRINT_EVENT_H

#include "base.h"

#define EVENT_TEXT_MAX 255
#define EVENT_STEPS_MAX 8
#define EVENT_BODY_MAX (68 + 2 * (1 + EVENT_TEXT_MAX) + 1 + 4 * EVENT_STEPS_MAX)

/* What the answer to the request was made of, so that it can be given again. */
enum event_shape {
	EVENT_NOTHING,
	EVENT_DEVICE,
	EVENT_CERTIFICATE,
	EVENT_PASSWORD,
	EVENT_THING,
	EVENT_DOOR,
	EVENT_SHAPES
};

struct event_step {
	uint8_t step, code; /* enum server_step, enum err */
	uint16_t ms;        /* since the request came */
};
struct event {
	enum event_shape shape;
	uint16_t status;
	uint8_t salt[16], request[32], certificate[16];
	char peer[EVENT_TEXT_MAX + 1], note[EVENT_TEXT_MAX + 1];
	struct event_step steps[EVENT_STEPS_MAX];
	size_t steps_n;
};

size_t event_put(const struct event *event, uint8_t body[EVENT_BODY_MAX]);
/* ERR_FORMAT: another version, wrong lengths, a NUL in a text, bytes behind the end. */
enum err event_parse(struct slice body, struct event *event) MUST_CHECK;

#endif
