/*
 * form.h -- percent signs, and `application/x-www-form-urlencoded`: bodies of forms, and queries.
 *
 * What stands in a value unescaped stays as it is: Arduino's sketches send https://... in a form with
 * its colon and slashes. Refused: a percent sign without two hexadecimal digits, and a NUL, which
 * would end a string where the sender did not. Outputs are strings, of no use after a failure.
 *
 *	struct slice in = request->body;
 *	while ((e = form_take(&in, key, sizeof(key), value, sizeof(value))) == OK)
 *		...
 *	if (e != ERR_NOT_FOUND)
 *		return e;
 */
#ifndef IMPRINT_FORM_H
#define IMPRINT_FORM_H

#include "base.h"

/* With `plus`, that sign is a blank: in forms, not in paths. ERR_FORMAT, ERR_SPACE. */
enum err form_decode(struct slice text, bool plus, char *out, size_t cap) MUST_CHECK;

/*
 * The next pair of "key=value&key=value"; without "=" the value is empty. Empty pairs are skipped.
 * ERR_NOT_FOUND at the end. After ERR_FORMAT and ERR_SPACE `in` stands behind that pair.
 */
enum err form_take(
    struct slice *in, char *key, size_t key_cap, char *value, size_t value_cap) MUST_CHECK;

#endif
