/*
 * senml.h -- values with names, as boards and their cloud exchange them: SenML in CBOR (RFC 8428).
 *
 * A pack is an array of maps with numbers for labels. The reader takes what boards write: arrays of
 * indefinite length (9f ... ff) at the outermost level, floats of 2, 4 and 8 bytes, whole numbers of
 * up to 63 bits and a sign, labels in any order; base name and base time hold from their record on.
 * Everything else is as strict as cbor.h. Refused: a label twice, base values and sums, records without
 * name or value, names of more than SENML_NAME_MAX bytes or with other characters than RFC 8428 4.5.1
 * has, text and bytes of more than SENML_DATA_MAX, a number that is none (infinite or not a number),
 * nested values, labels that are text or outside of -16 .. 15, more than SENML_RECORDS_MAX records. Other
 * labels of no meaning here are read past.
 *
 * No arithmetic with floats happens here: a float is carried as the bits of IEEE 754 binary64. The
 * writer is deterministic: the shorter of 4 and 8 bytes that holds it, labels ascending.
 *
 *	struct senml s = senml_reader(payload);
 *	while ((e = senml_next(&s, &record)) == OK)
 *		...                                     // ERR_NOT_FOUND: that was the last
 */
#ifndef IMPRINT_SENML_H
#define IMPRINT_SENML_H

#include "cbor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SENML_NAME_MAX 64 /* base name and name together */
#define SENML_DATA_MAX 256
#define SENML_RECORDS_MAX 80 /* 64 values, and what else a cloud has to say */

enum senml_kind {
	SENML_NONE,
	SENML_INT,   /* bits: of an int64_t */
	SENML_FLOAT, /* bits: of a double */
	SENML_TEXT,  /* data: UTF-8 */
	SENML_BOOL,  /* bits: 0 or 1 */
	SENML_BYTES  /* data */
};

struct senml_value {
	enum senml_kind kind;
	uint64_t bits;
	struct slice data; /* borrowed */
};

struct senml_record {
	char name[SENML_NAME_MAX + 1];
	struct senml_value value;
	/* Base time and time as they stand there: SENML_INT, SENML_FLOAT, or SENML_NONE: not given. */
	struct senml_value base_time, time;
};

struct senml { /* a reader; private */
	struct slice in;
	bool begun, indefinite;
	uint32_t left, n;
	char base[SENML_NAME_MAX + 1];
	struct senml_value base_time;
};

struct senml senml_reader(struct slice pack);
/* ERR_NOT_FOUND: there is no other, and nothing stands behind the pack. ERR_FORMAT: it is none. */
enum err senml_next(struct senml *s, struct senml_record *record) MUST_CHECK;
/* Whether all of it can be read; n: how many records it has. */
enum err senml_check(struct slice pack, size_t *n) MUST_CHECK;

/* A pack of n records begins, or one that senml_end ends, as boards write it. */
void senml_begin(struct cbor_w *w, uint32_t n);
void senml_begin_indefinite(struct cbor_w *w);
void senml_end(struct cbor_w *w);
/* A record of name and value; of `time` too when it is given. ERR_ARG in w: no such name or value. */
void senml_put(struct cbor_w *w, const char *name, const struct senml_value *value,
    const struct senml_value *time);

/* Values of these. */
struct senml_value senml_int(int32_t v);
struct senml_value senml_uint(uint32_t v);
struct senml_value senml_text(struct slice text);
struct senml_value senml_bool(bool v);

#ifdef __cplusplus
}
#endif
#endif
