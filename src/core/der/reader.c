#include "der.h"

#include <string.h>

enum { CONSTRUCTED = 0x20, EXTERNAL = 8, EMBEDDED_PDV = 11, SEQUENCE = 16, SET = 17 };

/*
 * Universal types are constructed exactly where X.690 says so; DER has no constructed strings
 * (10.2). Tag 0 is the end-of-contents of the indefinite form, number 31 begins the long form.
 */
static bool tag_allowed(uint8_t tag)
{
	unsigned number = tag & 0x1fu;
	bool constructed = (tag & CONSTRUCTED) != 0;

	if (number == 0x1f)
		return false;
	if ((tag & 0xc0) != 0) /* not universal: the module at hand says which form */
		return true;
	if (number == EXTERNAL || number == EMBEDDED_PDV || number == SEQUENCE || number == SET)
		return constructed;
	return number != 0 && !constructed;
}

enum err der_take_any(struct slice *in, uint8_t *tag, struct slice *body, struct slice *whole)
{
	const uint8_t *p = in->p;
	size_t n, head = 2;

	if (in->n < 2 || !tag_allowed(p[0]))
		return ERR_FORMAT;
	n = p[1];
	if (n >= 0x80) { /* long form, and then the shortest one (X.690 10.1) */
		size_t octets = n & 0x7f;

		if (octets < 1 || octets > 2 || in->n < 2 + octets)
			return ERR_FORMAT;
		n = octets == 1 ? p[2] : load_be16(p + 2);
		if (n < (octets == 1 ? 0x80u : 0x100u))
			return ERR_FORMAT;
		head += octets;
	}
	if (in->n - head < n)
		return ERR_FORMAT;
	*tag = p[0];
	*body = (struct slice){ p + head, n };
	if (whole)
		*whole = (struct slice){ p, head + n };
	in->p += head + n;
	in->n -= head + n;
	return OK;
}

bool der_next_is(const struct slice *in, uint8_t tag)
{
	return in->n > 0 && in->p[0] == tag;
}

enum err der_take(struct slice *in, uint8_t tag, struct slice *body)
{
	return der_next_is(in, tag) ? der_take_any(in, &tag, body, NULL) : ERR_FORMAT;
}

enum err der_take_uint(struct slice *in, uint8_t *out, size_t n)
{
	struct slice rest = *in, body;

	if (der_take(&rest, DER_INTEGER, &body) != OK || body.n == 0 || body.p[0] >= 0x80)
		return ERR_FORMAT;
	if (body.p[0] == 0 &&
	    body.n > 1) { /* a zero in front only where a sign bit needs it (8.3.2) */
		if (body.p[1] < 0x80)
			return ERR_FORMAT;
		body.p++;
		body.n--;
	}
	if (body.n > n)
		return ERR_FORMAT;
	memset(out, 0, n - body.n);
	memcpy(out + (n - body.n), body.p, body.n);
	*in = rest;
	return OK;
}

enum err der_take_bits(struct slice *in, struct slice *octets)
{
	struct slice rest = *in, body;

	if (der_take(&rest, DER_BIT_STRING, &body) != OK || body.n == 0 || body.p[0] != 0)
		return ERR_FORMAT;
	*octets = (struct slice){ body.p + 1, body.n - 1 };
	*in = rest;
	return OK;
}

enum err der_take_oid(struct slice *in, struct slice *oid)
{
	struct slice rest = *in, body;
	bool first =
	    true; /* octet of a subidentifier, which does not begin with padding (8.19.2) */

	if (der_take(&rest, DER_OID, &body) != OK)
		return ERR_FORMAT;
	for (size_t i = 0; i < body.n; i++) {
		if (first && body.p[i] == 0x80)
			return ERR_FORMAT;
		first = body.p[i] < 0x80;
	}
	if (body.n == 0 || !first)
		return ERR_FORMAT;
	*oid = body;
	*in = rest;
	return OK;
}

enum err der_take_exact(struct slice *in, struct slice bytes)
{
	if (in->n < bytes.n || !slice_equal((struct slice){ in->p, bytes.n }, bytes))
		return ERR_FORMAT;
	in->p += bytes.n;
	in->n -= bytes.n;
	return OK;
}

enum err der_end(const struct slice *in)
{
	return in->n == 0 ? OK : ERR_FORMAT;
}

bool der_ascending(struct slice set)
{
	struct slice before = { NULL, 0 }, body, now;
	uint8_t tag;

	while (set.n > 0) {
		size_t n;
		int order;

		if (der_take_any(&set, &tag, &body, &now) != OK)
			return false;
		n = now.n < before.n ? now.n : before.n;
		order = n > 0 ? memcmp(before.p, now.p, n) : 0;
		if (order > 0 || (order == 0 && before.n > now.n))
			return false;
		before = now;
	}
	return true;
}
