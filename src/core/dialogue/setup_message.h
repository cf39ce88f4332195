/*
 * setup_message.h -- the bodies of setup messages: maps from small numbers to values. Private to this
 * library.
 *
 *	if (setup_body_take(&in, &body, false) == OK && setup_bytes(&body, 0, 9, &serial))
 */
#ifndef IMPRINT_SETUP_MESSAGE_H
#define IMPRINT_SETUP_MESSAGE_H

#include "cbor.h"
#include "setup.h"

#define SETUP_FIELDS 9

struct setup_body { /* borrows from the message */
	uint16_t present;
	struct cbor_item at[SETUP_FIELDS];
};

/*
 * Takes the map that ends a message. Numbers from SETUP_FIELDS on are skipped when `newer` is true, for
 * they are what a later version adds; else, and for keys of another type, ERR_FORMAT.
 */
enum err setup_body_take(struct slice *in, struct setup_body *body, bool newer) MUST_CHECK;

/* Each is false when the field is missing or of another type or size; out is then untouched. */
bool setup_bytes(const struct setup_body *body, unsigned field, size_t n, const uint8_t **out);
bool setup_string(const struct setup_body *body, unsigned field, enum cbor_major major, size_t max,
    struct slice *out);
bool setup_number(const struct setup_body *body, unsigned field, uint32_t max, uint32_t *out);
bool setup_flag(const struct setup_body *body, unsigned field, bool *out);

/* Writes the field's number and a value. */
void setup_put_bytes(struct cbor_w *w, unsigned field, const uint8_t *p, size_t n);
void setup_put_text(struct cbor_w *w, unsigned field, struct slice text);
void setup_put_number(struct cbor_w *w, unsigned field, uint32_t v);
void setup_put_flag(struct cbor_w *w, unsigned field, bool v);

/* Printable ASCII; of any length. */
bool setup_printable(struct slice text);
struct slice setup_text(const char *text);

/* The fields of a kind of network; the first one has number 1. NULL for an unknown kind. */
struct setup_field {
	uint8_t major; /* CBOR_TEXT, CBOR_BYTES, CBOR_UINT */
	uint8_t min, max;
};
const struct setup_field *setup_network_fields(enum setup_network_kind kind, unsigned *n);
/* Settings out of a body. The fault is SETUP_MALFORMED or SETUP_RANGE, with the field. */
enum setup_fault setup_network_body(
    const struct setup_body *body, struct setup_network *network, unsigned *field);

#endif
