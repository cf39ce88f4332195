#include "cbor.h"

#include <string.h>

/* Shortest heads only (RFC 8949 4.2.1); 27 and above are 64 bits, reserved or indefinite. */
static enum err take_argument(struct slice *in, enum cbor_major *major, uint32_t *argument)
{
	uint8_t info;
	size_t octets;
	uint32_t v = 0;

	if (in->n == 0)
		return ERR_FORMAT;
	info = in->p[0] & 0x1f;
	octets = info < 24 ? 0 : (size_t)1 << (info - 24);
	if (info > 26 || in->n - 1 < octets)
		return ERR_FORMAT;
	for (size_t i = 1; i <= octets; i++)
		v = v << 8 | in->p[i];
	if ((octets == 1 && v < 24) || (octets == 2 && v <= 0xff) || (octets == 4 && v <= 0xffff))
		return ERR_FORMAT;
	*major = (enum cbor_major)(in->p[0] >> 5);
	*argument = octets == 0 ? info : v;
	in->p += 1 + octets;
	in->n -= 1 + octets;
	return OK;
}

/* What may follow the first byte of a character (RFC 3629 section 4): none, or how many bytes. */
static unsigned utf8_more(uint8_t first)
{
	if (first >= 0xc2 && first <= 0xdf)
		return 1;
	if (first >= 0xe0 && first <= 0xef)
		return 2;
	return first >= 0xf0 && first <= 0xf4 ? 3 : 0;
}

static bool is_utf8(struct slice s)
{
	for (size_t i = 0; i < s.n;) {
		uint8_t first = s.p[i++], low = 0x80, high = 0xbf;
		unsigned more = utf8_more(first);

		if ((first >= 0x80 && more == 0) || s.n - i < more)
			return false;
		if (first == 0xe0 || first == 0xf0) /* not the shortest */
			low = first == 0xe0 ? 0xa0 : 0x90;
		if (first == 0xed || first == 0xf4) /* surrogates; above U+10FFFF */
			high = first == 0xed ? 0x9f : 0x8f;
		for (; more > 0; more--, i++, low = 0x80, high = 0xbf)
			if (s.p[i] < low || s.p[i] > high)
				return false;
	}
	return true;
}

/* A head, and of a string the whole. body is then its content, else empty. */
static enum err take_one(struct slice *in, struct cbor_item *item)
{
	struct slice rest = *in;

	if (take_argument(&rest, &item->major, &item->argument) != OK)
		return ERR_FORMAT;
	item->body = (struct slice){ rest.p, 0 };
	if (item->major == CBOR_BYTES || item->major == CBOR_TEXT) {
		if (rest.n < item->argument)
			return ERR_FORMAT;
		item->body.n = item->argument;
		rest.p += item->argument;
		rest.n -= item->argument;
		if (item->major == CBOR_TEXT && !is_utf8(item->body))
			return ERR_FORMAT;
	}
	if (item->major == CBOR_SIMPLE &&
	    (item->argument < CBOR_FALSE || item->argument > CBOR_NULL))
		return ERR_FORMAT;
	*in = rest;
	return OK;
}

/* An array, map or tag that is being read. */
struct level {
	size_t left; /* items */
	bool map;
	struct slice key; /* the last one, encoded */
};

static bool ascends(struct slice before, struct slice key)
{
	size_t n = before.n < key.n ? before.n : key.n;
	int order = n == 0 ? 0 : memcmp(before.p, key.p, n);

	return order < 0 || (order == 0 && before.n < key.n);
}

/* Counts an item of this level; keys are every other item of a map. */
static enum err count(struct level *level, const struct cbor_item *item, struct slice whole)
{
	if (level->map && level->left % 2 == 0) {
		if ((item->major >= CBOR_ARRAY && item->major != CBOR_SIMPLE) ||
		    !ascends(level->key, whole))
			return ERR_FORMAT;
		level->key = whole;
	}
	level->left--;
	return OK;
}

/* How many items stand in this one. Each needs a byte, so more than there are bytes is refused. */
static enum err items_in(const struct cbor_item *item, size_t bytes, size_t *n)
{
	*n = item->major == CBOR_TAG ? 1 : 0;
	if (item->major == CBOR_ARRAY || item->major == CBOR_MAP) {
		if (item->argument > bytes)
			return ERR_FORMAT;
		*n = item->major == CBOR_MAP ? 2 * (size_t)item->argument : item->argument;
	}
	return OK;
}

enum err cbor_take_any(struct slice *in, struct cbor_item *item)
{
	struct level levels[CBOR_DEPTH + 1] = { { 1, false, { in->p, 0 } } };
	struct slice rest = *in;
	struct cbor_item first, now;
	unsigned depth = 0;
	size_t n;

	if (take_one(&rest, &first) != OK)
		return ERR_FORMAT;
	now = first;
	for (;;) {
		if (items_in(&now, rest.n, &n) != OK)
			return ERR_FORMAT;
		if (n > 0) {
			if (depth == CBOR_DEPTH)
				return ERR_FORMAT;
			levels[++depth] = (struct level){ n, now.major == CBOR_MAP, { rest.p, 0 } };
		}
		while (depth > 0 && levels[depth].left == 0)
			depth--;
		if (depth == 0)
			break;
		{
			const uint8_t *start = rest.p;

			if (take_one(&rest, &now) != OK ||
			    count(&levels[depth], &now,
			        (struct slice){ start, (size_t)(rest.p - start) }) != OK)
				return ERR_FORMAT;
		}
	}
	if (first.major >= CBOR_ARRAY && first.major != CBOR_SIMPLE)
		first.body.n = (size_t)(rest.p - first.body.p);
	*item = first;
	*in = rest;
	return OK;
}

enum err cbor_take_head(struct slice *in, enum cbor_major major, uint32_t *argument)
{
	struct slice rest = *in;
	enum cbor_major found;
	uint32_t v;

	if (take_argument(&rest, &found, &v) != OK || found != major)
		return ERR_FORMAT;
	if ((major == CBOR_ARRAY || major == CBOR_MAP) && v > rest.n)
		return ERR_FORMAT;
	*argument = v;
	*in = rest;
	return OK;
}

enum err cbor_take_uint(struct slice *in, uint32_t *v)
{
	return cbor_take_head(in, CBOR_UINT, v);
}

enum err cbor_take_int(struct slice *in, int32_t *v)
{
	struct slice rest = *in;
	enum cbor_major major;
	uint32_t n;

	if (take_argument(&rest, &major, &n) != OK || major > CBOR_NEGATIVE || n > INT32_MAX)
		return ERR_FORMAT;
	*v = major == CBOR_UINT ? (int32_t)n : -1 - (int32_t)n;
	*in = rest;
	return OK;
}

enum err cbor_take_string(struct slice *in, enum cbor_major major, struct slice *body)
{
	struct slice rest = *in;
	struct cbor_item item;

	if ((major != CBOR_BYTES && major != CBOR_TEXT) || take_one(&rest, &item) != OK ||
	    item.major != major)
		return ERR_FORMAT;
	*body = item.body;
	*in = rest;
	return OK;
}

enum err cbor_end(const struct slice *in)
{
	return in->n == 0 ? OK : ERR_FORMAT;
}
