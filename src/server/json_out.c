#include "json_out.h"

#include "text.h"
#include "utc.h"
#include "uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_out json_out(size_t expected)
{
	struct json_out w = { .p = malloc(expected), .cap = expected };

	if (!w.p)
		w.err = ERR_MEMORY;
	return w;
}

void json_drop(struct json_out *w)
{
	free(w->p);
	*w = (struct json_out){ .err = ERR_ARG };
}

enum err json_finish(struct json_out *w, uint8_t **bytes, size_t *n)
{
	enum err e = w->err;

	if (e == OK) {
		*bytes = (uint8_t *)w->p;
		*n = w->n;
		w->p = NULL;
	}
	json_drop(w);
	return e;
}

/* Room for n more bytes, or NULL. */
static char *reserve(struct json_out *w, size_t n)
{
	size_t cap = w->cap;
	char *more;

	if (w->err != OK)
		return NULL;
	if (n > JSON_OUT_MAX || w->n > JSON_OUT_MAX - n) {
		w->err = ERR_SPACE;
		return NULL;
	}
	while (cap < w->n + n)
		cap = cap < 256 ? 512 : 2 * cap;
	if (cap != w->cap) {
		if (!(more = realloc(w->p, cap))) {
			w->err = ERR_MEMORY;
			return NULL;
		}
		w->p = more;
		w->cap = cap;
	}
	return w->p + w->n;
}

static void put(struct json_out *w, const char *p, size_t n)
{
	char *to = reserve(w, n);

	if (to) {
		memcpy(to, p, n);
		w->n += n;
	}
}

enum err json_finish_text(struct json_out *w, char **text)
{
	uint8_t *bytes;
	size_t n;
	enum err e;

	put(w, "", 1);
	if ((e = json_finish(w, &bytes, &n)) == OK)
		*text = (char *)bytes;
	return e;
}

static void put_text(struct json_out *w, const char *text)
{
	put(w, text, strlen(text));
}

/* How many bytes the UTF-8 character at p has, or 0 (RFC 3629). */
static size_t utf8_length(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t low, high, n, second_low, second_high;
	} leads[] = {
		{ 0x00, 0x7f, 1, 0, 0 },
		{ 0xc2, 0xdf, 2, 0x80, 0xbf },
		{ 0xe0, 0xe0, 3, 0xa0, 0xbf },
		{ 0xe1, 0xec, 3, 0x80, 0xbf },
		{ 0xed, 0xed, 3, 0x80, 0x9f },
		{ 0xee, 0xef, 3, 0x80, 0xbf },
		{ 0xf0, 0xf0, 4, 0x90, 0xbf },
		{ 0xf1, 0xf3, 4, 0x80, 0xbf },
		{ 0xf4, 0xf4, 4, 0x80, 0x8f },
	};

	for (size_t i = 0; i < COUNT(leads); i++) {
		if (p[0] < leads[i].low || p[0] > leads[i].high)
			continue;
		if (leads[i].n > n)
			return 0;
		if (leads[i].n > 1 && (p[1] < leads[i].second_low || p[1] > leads[i].second_high))
			return 0;
		for (size_t k = 2; k < leads[i].n; k++)
			if (p[k] < 0x80 || p[k] > 0xbf)
				return 0;
		return leads[i].n;
	}
	return 0;
}

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* How many bytes from i on are written as they are; nearly all text is nothing else. */
static size_t plain_length(struct slice text, size_t i)
{
	const uint8_t *p = text.p + i, *end = text.p + text.n;

	while (p < end && is_plain(*p))
		p++;
	return (size_t)(p - (text.p + i));
}

static void put_escaped(struct json_out *w, struct slice text)
{
	for (size_t i = 0, some; i < text.n; i += some) {
		uint8_t c = text.p[i];
		char escape[8];

		if ((some = plain_length(text, i)) > 0) {
			put(w, (const char *)text.p + i, some);
			continue;
		}
		some = utf8_length(text.p + i, text.n - i);
		if (some == 0) {
			put(w, "?", 1);
			some = 1;
		} else if (c == '"' || c == '\\') {
			put(w, (char[]){ '\\', (char)c }, 2);
		} else if (c == '\n') {
			put(w, "\\n", 2);
		} else if (c < 0x20 || c == 0x7f) {
			snprintf(escape, sizeof(escape), "\\u%04x", c);
			put(w, escape, 6);
		} else {
			put(w, (const char *)text.p + i, some);
		}
	}
}

/* The comma before a value that follows another, and its key. */
static void put_key(struct json_out *w, const char *key)
{
	char last = w->err == OK && w->n > 0 ? w->p[w->n - 1] : '[';

	if (last != '{' && last != '[')
		put(w, ",", 1);
	if (key) {
		put(w, "\"", 1);
		put_text(w, key);
		put(w, "\":", 2);
	}
}

void json_open(struct json_out *w, const char *key, char bracket)
{
	put_key(w, key);
	put(w, &bracket, 1);
}

void json_close(struct json_out *w, char bracket)
{
	put(w, &bracket, 1);
}

void json_slice(struct json_out *w, const char *key, struct slice text)
{
	put_key(w, key);
	put(w, "\"", 1);
	put_escaped(w, text);
	put(w, "\"", 1);
}

void json_text(struct json_out *w, const char *key, const char *text)
{
	json_slice(w, key, (struct slice){ (const uint8_t *)text, strlen(text) });
}

void json_bool(struct json_out *w, const char *key, bool value)
{
	put_key(w, key);
	put_text(w, value ? "true" : "false");
}

void json_raw(struct json_out *w, const char *key, const char *json)
{
	put_key(w, key);
	put_text(w, json);
}

void json_int(struct json_out *w, const char *key, int64_t value)
{
	char text[24];

	put_key(w, key);
	snprintf(text, sizeof(text), "%lld", (long long)value);
	put_text(w, text);
}

void json_hex(struct json_out *w, const char *key, struct slice bytes)
{
	char *to;

	put_key(w, key);
	put(w, "\"", 1);
	if ((to = reserve(w, 2 * bytes.n + 1)) != NULL) {
		hex_encode(bytes, HEX_LOWER, to);
		w->n += 2 * bytes.n;
	}
	put(w, "\"", 1);
}

void json_base64(struct json_out *w, const char *key, struct slice bytes)
{
	size_t n = BASE64_SIZE(bytes.n);
	char *to;

	put_key(w, key);
	put(w, "\"", 1);
	if ((to = reserve(w, n + 1)) != NULL && base64_encode(bytes, to, n + 1) == OK)
		w->n += n;
	put(w, "\"", 1);
}

void json_uuid(struct json_out *w, const char *key, const uint8_t uuid[16])
{
	char text[UUID_TEXT];

	uuid_text(uuid, text);
	json_slice(w, key, SLICE(text));
}

void json_time(struct json_out *w, const char *key, int64_t ms)
{
	int64_t seconds = ms / 1000 - (ms % 1000 < 0);
	struct x509_hour t;
	char text[32];
	int64_t rest;

	if (utc_hour(seconds, &t) != OK) { /* no clock says that */
		w->err = w->err == OK ? ERR_ARG : w->err;
		return;
	}
	rest = seconds % 3600 + (seconds % 3600 < 0 ? 3600 : 0);
	snprintf(text, sizeof(text), "%04u-%02u-%02uT%02u:%02u:%02uZ", t.year % 10000u,
	    t.month % 100u, t.day % 100u, t.hour % 100u, (unsigned)(rest / 60) % 60u,
	    (unsigned)(rest % 60));
	json_text(w, key, text);
}
