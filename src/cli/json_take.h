/*
 * json_take.h -- members of a JSON object, each of the type and size that it must have.
 *
 *	if ((e = json_take_object(text, "up.json", &from, eb)) == OK &&
 *	    (e = json_take_number(from, "port", 65535, &port, eb)) == OK)
 *		...
 *	json_decref(from);
 */
#ifndef IMPRINT_JSON_TAKE_H
#define IMPRINT_JSON_TAKE_H

#include <jansson.h>
#include "errbuf.h"

/* An object without a member that stands twice; the caller's to release. ERR_FORMAT. */
enum err json_take_object(
    struct slice text, const char *what, json_t **object, struct errbuf *eb) MUST_CHECK;
/* ERR_FORMAT with the member; `from` may be no object. */
enum err json_take_text(
    const json_t *from, const char *member, char *out, size_t cap, struct errbuf *eb) MUST_CHECK;
/* 1..max */
enum err json_take_number(const json_t *from, const char *member, json_int_t max, json_int_t *out,
    struct errbuf *eb) MUST_CHECK;

#endif
