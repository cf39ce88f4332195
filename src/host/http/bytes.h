/*
 * bytes.h -- private to this folder: a buffer that grows to a hard maximum and no further.
 *
 *	struct bytes b = { .max = 65536 };
 *	if ((e = bytes_add(&b, part)) != OK)         // ERR_SPACE, ERR_MEMORY: b is as it was
 *		return e;
 *	bytes_free(&b);
 */
#ifndef IMPRINT_HTTP_BYTES_H
#define IMPRINT_HTTP_BYTES_H

#include "base.h"

struct bytes {
	uint8_t *p;
	size_t n, cap, max;
};

enum err bytes_add(struct bytes *b, struct slice part) MUST_CHECK;
/* Room for n more bytes, so that adding them cannot fail. */
enum err bytes_reserve(struct bytes *b, size_t n) MUST_CHECK;
/* Empty again, memory returned; the maximum stays. */
void bytes_free(struct bytes *b);

#endif
