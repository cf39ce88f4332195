#include "cbor.h"

#include <string.h>

struct cbor_w cbor_writer(uint8_t *p, size_t cap)
{
	return (struct cbor_w){ p, cap, 0, OK };
}

void cbor_fail(struct cbor_w *w, enum err e)
{
	if (w->err == OK)
		w->err = e;
}

void cbor_raw(struct cbor_w *w, struct slice items)
{
	if (w->cap - w->n < items.n)
		cbor_fail(w, ERR_SPACE);
	if (w->err != OK || items.n == 0)
		return;
	memmove(w->p + w->n, items.p, items.n);
	w->n += items.n;
}

/* How many bytes the argument takes behind the first one. */
static unsigned octets_of(uint32_t v)
{
	if (v < 24)
		return 0;
	if (v <= 0xff)
		return 1;
	return v <= 0xffff ? 2 : 4;
}

/* The bytes of a head; returns how many. */
static size_t head(uint8_t out[5], enum cbor_major major, uint32_t v)
{
	unsigned octets = octets_of(v), info = (unsigned)v;

	if (octets > 0)
		info = octets == 4 ? 26 : 23 + octets;
	out[0] = (uint8_t)((unsigned)major << 5 | info);
	for (unsigned i = octets; i > 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
	return 1 + octets;
}

void cbor_put(struct cbor_w *w, enum cbor_major major, uint32_t argument)
{
	uint8_t bytes[5];
	size_t n = head(bytes, major, argument);

	cbor_raw(w, (struct slice){ bytes, n });
}

void cbor_put_int(struct cbor_w *w, int32_t v)
{
	if (v < 0)
		cbor_put(w, CBOR_NEGATIVE, (uint32_t)(-1 - v));
	else
		cbor_put(w, CBOR_UINT, (uint32_t)v);
}

void cbor_put_bool(struct cbor_w *w, bool v)
{
	cbor_put(w, CBOR_SIMPLE, v ? CBOR_TRUE : CBOR_FALSE);
}

/* The content moves first: it may lie where the head goes. */
void cbor_put_string(struct cbor_w *w, enum cbor_major major, struct slice body)
{
	uint8_t bytes[5];
	size_t n = head(bytes, major, (uint32_t)body.n);

	if (w->cap - w->n < n || w->cap - w->n - n < body.n)
		cbor_fail(w, ERR_SPACE);
	if (w->err != OK)
		return;
	if (body.n > 0)
		memmove(w->p + w->n + n, body.p, body.n);
	memcpy(w->p + w->n, bytes, n);
	w->n += n + body.n;
}

enum err cbor_finish(const struct cbor_w *w, struct slice *out)
{
	if (w->err != OK)
		return w->err;
	*out = (struct slice){ w->p, w->n };
	return OK;
}
