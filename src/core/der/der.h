/*
 * der.h -- DER (X.690 sections 10 and 11): a strict reader and a small writer.
 *
 * The reader takes definite, shortest lengths only, low tag numbers only, at most 65 535 bytes, and
 * never reads past its slice. The writer fills the caller's buffer and remembers its first error,
 * so that encoders read like the ASN.1 they implement and are checked once, in der_finish.
 *
 *	struct der_w w = der_writer(buffer, sizeof(buffer));
 *	size_t seq = der_open(&w, DER_SEQUENCE);
 *	der_put(&w, DER_OID, SLICE(oid));
 *	der_close(&w, seq);
 *	e = der_finish(&w, &out);
 */
#ifndef IMPRINT_DER_H
#define IMPRINT_DER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_IA5_STRING = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
/* Context-specific tags, constructed and primitive. */
#define DER_CONTEXT(n) (0xa0u | (n))
#define DER_CONTEXT_PRIMITIVE(n) (0x80u | (n))

/* --- reading: each call advances `in` past one element, or leaves it and returns ERR_FORMAT --- */

/* Takes an element with this tag; body is its content. */
enum err der_take(struct slice *in, uint8_t tag, struct slice *body) MUST_CHECK;
/* Takes an element of any tag; whole, when not NULL, is header and content. */
enum err der_take_any(
    struct slice *in, uint8_t *tag, struct slice *body, struct slice *whole) MUST_CHECK;
/* True when the next element has this tag. */
bool der_next_is(const struct slice *in, uint8_t tag);
/*
 * Takes a non-negative INTEGER into exactly n big-endian bytes, left-padded with zeros.
 * ERR_FORMAT when it is negative, not shortest, or needs more than n bytes.
 */
enum err der_take_uint(struct slice *in, uint8_t *out, size_t n) MUST_CHECK;
/* Takes a BIT STRING of whole octets: no unused bits. */
enum err der_take_bits(struct slice *in, struct slice *octets) MUST_CHECK;
/* Takes an OBJECT IDENTIFIER; oid is its content, made of shortest subidentifiers. */
enum err der_take_oid(struct slice *in, struct slice *oid) MUST_CHECK;
/* Takes exactly these bytes, such as a fixed AlgorithmIdentifier. */
enum err der_take_exact(struct slice *in, struct slice bytes) MUST_CHECK;
/* OK when nothing is left. */
enum err der_end(const struct slice *in) MUST_CHECK;
/* True when the content of a SET OF is elements in the order of X.690 11.6. */
bool der_ascending(struct slice set);

/* --- writing --- */

struct der_w { /* the caller's buffer; no heap */
	uint8_t *p;
	size_t cap, n;
	enum err err;
};

struct der_w der_writer(uint8_t *p, size_t cap);
/* Begins an element; hand the result to der_close, innermost first. */
size_t der_open(struct der_w *w, uint8_t tag);
void der_close(struct der_w *w, size_t mark);
/* Writes tag, length and content. */
void der_put(struct der_w *w, uint8_t tag, struct slice body);
/* Writes bytes as they are. */
void der_raw(struct der_w *w, struct slice bytes);
/* Writes an unsigned big-endian number as the shortest INTEGER; all zeros gives 02 01 00. */
void der_put_uint(struct der_w *w, struct slice big_endian);
/* Refuses a value that has no encoding: remembers e, unless something has failed before. */
void der_fail(struct der_w *w, enum err e);
/* Reports the first error, else sets out to what was written. */
enum err der_finish(struct der_w *w, struct slice *out) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
