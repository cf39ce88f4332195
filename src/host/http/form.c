#include "form.h"
#include "text.h"

#include <string.h>

enum err form_decode(struct slice text, bool plus, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c == '%') {
			struct slice digits = { text.p + i + 1, 2 };

			if (text.n - i < 3 || hex_decode(digits, &c, 1) != OK)
				return ERR_FORMAT;
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0')
			return ERR_FORMAT;
		if (n + 1 >= cap)
			return ERR_SPACE;
		out[n++] = (char)c;
	}
	if (cap == 0)
		return ERR_SPACE;
	out[n] = '\0';
	return OK;
}

/* Cuts what stands before the first `end` off the front. */
static struct slice cut(struct slice *in, uint8_t end)
{
	const uint8_t *at = in->n > 0 ? memchr(in->p, end, in->n) : NULL;
	size_t n = at ? (size_t)(at - in->p) : in->n, used = at ? n + 1 : n;
	struct slice front = { in->p, n };

	in->p = used > 0 ? in->p + used : in->p;
	in->n -= used;
	return front;
}

enum err form_take(struct slice *in, char *key, size_t key_cap, char *value, size_t value_cap)
{
	struct slice pair = { NULL, 0 }, name;
	enum err e;

	while (pair.n == 0) {
		if (in->n == 0)
			return ERR_NOT_FOUND;
		pair = cut(in, '&');
	}
	name = cut(&pair, '=');
	if ((e = form_decode(name, true, key, key_cap)) != OK)
		return e;
	return form_decode(pair, true, value, value_cap);
}
