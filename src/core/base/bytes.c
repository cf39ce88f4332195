#include "base.h"

#include <string.h>

bool slice_equal(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

uint16_t load_be16(const uint8_t p[2])
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint16_t load_le16(const uint8_t p[2])
{
	return (uint16_t)(p[1] << 8 | p[0]);
}

uint32_t load_be32(const uint8_t p[4])
{
	return (uint32_t)load_be16(p) << 16 | load_be16(p + 2);
}

uint32_t load_le32(const uint8_t p[4])
{
	return (uint32_t)load_le16(p + 2) << 16 | load_le16(p);
}

void store_be16(uint8_t p[2], uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void store_le16(uint8_t p[2], uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

void store_be32(uint8_t p[4], uint32_t v)
{
	store_be16(p, (uint16_t)(v >> 16));
	store_be16(p + 2, (uint16_t)v);
}

void store_le32(uint8_t p[4], uint32_t v)
{
	store_le16(p, (uint16_t)v);
	store_le16(p + 2, (uint16_t)(v >> 16));
}

/* No branch and no early end: the differences are gathered and looked at once. */
bool ct_equal(const void *a, const void *b, size_t n)
{
	const volatile uint8_t *x = a, *y = b;
	unsigned different = 0;

	for (size_t i = 0; i < n; i++)
		different |= (unsigned)(x[i] ^ y[i]);
	return different == 0;
}

bool ct_zero(const void *p, size_t n)
{
	const volatile uint8_t *x = p;
	unsigned set = 0;

	for (size_t i = 0; i < n; i++)
		set |= x[i];
	return set == 0;
}

/* Stores through a volatile pointer are side effects, so the compiler keeps them. */
void wipe(void *p, size_t n)
{
	volatile uint8_t *x = p;

	while (n--)
		*x++ = 0;
}
