#include "der.h"

#include <string.h>

struct der_w der_writer(uint8_t *p, size_t cap)
{
	return (struct der_w){ p, cap, 0, OK };
}

void der_fail(struct der_w *w, enum err e)
{
	if (w->err == OK)
		w->err = e;
}

/* Makes room for n bytes; NULL after the first error. */
static uint8_t *grow(struct der_w *w, size_t n)
{
	uint8_t *at = w->p + w->n;

	if (w->cap - w->n < n)
		der_fail(w, ERR_SPACE);
	if (w->err != OK)
		return NULL;
	w->n += n;
	return at;
}

void der_raw(struct der_w *w, struct slice bytes)
{
	uint8_t *at = grow(w, bytes.n);

	if (at && bytes.n > 0)
		memcpy(at, bytes.p, bytes.n);
}

/* The short form has room reserved; der_close moves the content when it needs more. */
size_t der_open(struct der_w *w, uint8_t tag)
{
	uint8_t *at = grow(w, 2);

	if (at)
		at[0] = tag;
	return w->n;
}

void der_close(struct der_w *w, size_t mark)
{
	size_t n = w->n - mark, more = (size_t)(n > 0x7f) + (n > 0xff);
	uint8_t *body = w->p + mark;

	if (n > 0xffff)
		der_fail(w, ERR_ARG);
	if (!grow(w, more))
		return;
#ifdef __OPTIMIZE_SIZE__ /* on a Cortex-M0+ memmove is ten times longer */
	for (size_t i = n; i-- > 0;)
		body[i + more] = body[i];
#else
	memmove(body + more, body, n);
#endif
	body[-1] = (uint8_t)(more > 0 ? 0x80 | more : n);
	for (; more > 0; n >>= 8)
		body[--more] = (uint8_t)n;
}

void der_put(struct der_w *w, uint8_t tag, struct slice body)
{
	size_t mark = der_open(w, tag);

	der_raw(w, body);
	der_close(w, mark);
}

void der_put_uint(struct der_w *w, struct slice n)
{
	size_t mark = der_open(w, DER_INTEGER);

	for (; n.n > 0 && n.p[0] == 0; n.n--)
		n.p++;
	if (n.n == 0 || n.p[0] >= 0x80) /* zero itself, or a sign bit that must not be one */
		der_raw(w, BYTES(0));
	der_raw(w, n);
	der_close(w, mark);
}

enum err der_finish(struct der_w *w, struct slice *out)
{
	if (w->err != OK)
		return w->err;
	*out = (struct slice){ w->p, w->n };
	return OK;
}
