/*
 * json_out.h -- writes JSON into a growing buffer: without spaces, and whatever the bytes were, valid.
 *
 * A writer remembers its first failure, so that answers read like their shape and are checked once.
 * Text that is not UTF-8 gets a question mark for each wrong byte. Members are not compared: writing a
 * key twice is the caller's fault. A key of NULL is for elements of arrays and for the outermost value.
 *
 *	struct json_out w = json_out(512);
 *	json_open(&w, NULL, '{');
 *	json_text(&w, "name", device->name);
 *	json_close(&w, '}');
 *	if ((e = json_finish(&w, &bytes, &n)) != OK)        // bytes are the caller's to free
 */
#ifndef IMPRINT_JSON_OUT_H
#define IMPRINT_JSON_OUT_H

#include "base.h"

/* No answer is longer. */
#define JSON_OUT_MAX (64u << 20)

struct json_out { /* private */
	char *p;
	size_t n, cap;
	enum err err;
};

/* `expected` bytes are enough as a rule. */
struct json_out json_out(size_t expected);
void json_open(struct json_out *w, const char *key, char bracket);
void json_close(struct json_out *w, char bracket);
void json_text(struct json_out *w, const char *key, const char *text);
void json_slice(struct json_out *w, const char *key, struct slice text);
void json_bool(struct json_out *w, const char *key, bool value);
void json_int(struct json_out *w, const char *key, int64_t value);
void json_hex(struct json_out *w, const char *key, struct slice bytes);    /* lower case */
void json_base64(struct json_out *w, const char *key, struct slice bytes); /* padded */
void json_uuid(struct json_out *w, const char *key, const uint8_t uuid[16]);
/* A value that is JSON already. */
void json_raw(struct json_out *w, const char *key, const char *json);
/* Milliseconds since 1970 as RFC 3339 in whole seconds. */
void json_time(struct json_out *w, const char *key, int64_t ms);

/* ERR_MEMORY, or ERR_SPACE above JSON_OUT_MAX; the writer is empty afterwards either way. */
enum err json_finish(struct json_out *w, uint8_t **bytes, size_t *n) MUST_CHECK;
/* The same with a NUL behind it. */
enum err json_finish_text(struct json_out *w, char **text) MUST_CHECK;
void json_drop(struct json_out *w);

#endif
