#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum err bytes_reserve(struct bytes *b, size_t n)
{
	size_t cap = b->cap < b->max / 2 ? 2 * b->cap : b->max;
	uint8_t *p;

	if (n > b->max - b->n)
		return ERR_SPACE;
	if (n <= b->cap - b->n)
		return OK;
	cap = cap < b->n + n ? b->n + n : cap;
	if (!(p = realloc(b->p, cap)))
		return ERR_MEMORY;
	b->p = p;
	b->cap = cap;
	return OK;
}

enum err bytes_add(struct bytes *b, struct slice part)
{
	enum err e;

	if (part.n == 0)
		return OK;
	if ((e = bytes_reserve(b, part.n)) != OK)
		return e;
	memcpy(b->p + b->n, part.p, part.n);
	b->n += part.n;
	return OK;
}

void bytes_free(struct bytes *b)
{
	free(b->p);
	b->p = NULL;
	b->n = b->cap = 0;
}
