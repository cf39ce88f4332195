/*
 * cbor.h -- CBOR (RFC 8949) in its core deterministic encoding (section 4.2.1): a strict reader and a
 * small writer.
 *
 * Taken and written: numbers of 32 bits and a sign, byte strings, UTF-8 text, arrays, maps, tags,
 * false, true and null. Refused: indefinite lengths, heads that are not the shortest, 64-bit
 * arguments, floats, other simple values, map keys that are not ascending or not a number or a string,
 * more than CBOR_DEPTH levels. The reader never reads past its slice. The writer fills the caller's
 * buffer and remembers its first error; the order of map keys is its caller's business.
 *
 *	struct cbor_w w = cbor_writer(buffer, sizeof(buffer));
 *	cbor_put(&w, CBOR_MAP, 1);
 *	cbor_put(&w, CBOR_UINT, 0);
 *	cbor_put_string(&w, CBOR_BYTES, SLICE(serial));
 *	e = cbor_finish(&w, &out);
 */
#ifndef IMPRINT_CBOR_H
#define IMPRINT_CBOR_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The major types (RFC 8949 section 3.1), as they stand in the upper three bits of a head. */
enum cbor_major {
	CBOR_UINT,
	CBOR_NEGATIVE, /* the number -1 - argument */
	CBOR_BYTES,
	CBOR_TEXT,
	CBOR_ARRAY, /* argument: items */
	CBOR_MAP,   /* argument: pairs */
	CBOR_TAG,
	CBOR_SIMPLE /* argument: one of the three below */
};
enum { CBOR_FALSE = 20, CBOR_TRUE = 21, CBOR_NULL = 22 };

/* Levels of arrays, maps and tags in each other. */
#define CBOR_DEPTH 6

/* --- reading: each call advances `in` past what it took, or leaves it and returns ERR_FORMAT --- */

/* One data item with all that is in it. */
struct cbor_item {
	enum cbor_major major;
	uint32_t argument;
	struct slice body; /* of a string: its content; of array, map, tag: the items in it */
};
/* Takes an item of any kind; what it holds is checked at every depth. */
enum err cbor_take_any(struct slice *in, struct cbor_item *item) MUST_CHECK;
/* Takes a number that is not negative. */
enum err cbor_take_uint(struct slice *in, uint32_t *v) MUST_CHECK;
/* Takes a number; ERR_FORMAT when it does not fit. */
enum err cbor_take_int(struct slice *in, int32_t *v) MUST_CHECK;
/* Takes CBOR_BYTES or CBOR_TEXT. */
enum err cbor_take_string(struct slice *in, enum cbor_major major, struct slice *body) MUST_CHECK;
/* Takes the head alone of CBOR_ARRAY, CBOR_MAP or CBOR_TAG; its items are taken next. */
enum err cbor_take_head(struct slice *in, enum cbor_major major, uint32_t *argument) MUST_CHECK;
/* OK when nothing is left. */
enum err cbor_end(const struct slice *in) MUST_CHECK;

/* --- writing --- */

struct cbor_w { /* the caller's buffer; no heap */
	uint8_t *p;
	size_t cap, n;
	enum err err;
};

struct cbor_w cbor_writer(uint8_t *p, size_t cap);
/* Writes a head: a whole number or simple value, or what begins an array, a map or a tag. */
void cbor_put(struct cbor_w *w, enum cbor_major major, uint32_t argument);
void cbor_put_int(struct cbor_w *w, int32_t v);
void cbor_put_bool(struct cbor_w *w, bool v);
/* Writes a whole string. It may lie in the writer's own free space, behind what is written. */
void cbor_put_string(struct cbor_w *w, enum cbor_major major, struct slice body);
/* Writes items that are encoded already. */
void cbor_raw(struct cbor_w *w, struct slice items);
/* Refuses a value that has no encoding: remembers e, unless something has failed before. */
void cbor_fail(struct cbor_w *w, enum err e);
/* Reports the first error, else sets out to what was written. */
enum err cbor_finish(const struct cbor_w *w, struct slice *out) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
