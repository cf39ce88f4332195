#include "uuid.h"

#include <string.h>

static bool hyphen_before(size_t byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void uuid_text(const uint8_t uuid[16], char text[UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 16; i++) {
		if (hyphen_before(i))
			*text++ = '-';
		*text++ = digits[uuid[i] >> 4];
		*text++ = digits[uuid[i] & 15];
	}
}

void uuid_mark(uint8_t uuid[16], unsigned version)
{
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | version << 4);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

/* 16 for what is no digit. */
static unsigned digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - (unsigned)'0';
	return c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : 16;
}

enum err uuid_parse(struct slice text, uint8_t uuid[16])
{
	const uint8_t *p = text.p;
	uint8_t got[16];

	if (text.n != UUID_TEXT)
		return ERR_FORMAT;
	for (size_t i = 0; i < 16; i++) {
		if (hyphen_before(i) && *p++ != '-')
			return ERR_FORMAT;
		if (digit(p[0]) > 15 || digit(p[1]) > 15)
			return ERR_FORMAT;
		got[i] = (uint8_t)(digit(p[0]) << 4 | digit(p[1]));
		p += 2;
	}
	memcpy(uuid, got, sizeof(got));
	return OK;
}
