#include "shown.h"

#include <stdio.h>
#include <string.h>

/* The length of the character at p if it is not to be shown, else 0. */
static size_t hidden(const uint8_t *p, size_t n, unsigned *code)
{
	*code = p[0];
	if (p[0] < 0x20 || p[0] == 0x7f)
		return 1;
	if (p[0] == 0xc2 && n > 1 && p[1] >= 0x80 && p[1] < 0xa0) {
		*code = p[1];
		return 2;
	}
	if (p[0] != 0xe2 || n < 3 || (p[1] != 0x80 && p[1] != 0x81) || (p[2] & 0xc0) != 0x80)
		return 0;
	*code = 0x2000u | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	return (*code >= 0x2028 && *code <= 0x202e) || (*code >= 0x2066 && *code <= 0x2069) ? 3 : 0;
}

bool shown_as_is(struct slice text)
{
	unsigned code;

	for (size_t i = 0; i < text.n; i++)
		if (hidden(text.p + i, text.n - i, &code) > 0)
			return false;
	return true;
}

/* With the bytes that continue it. */
static size_t character(const uint8_t *p, size_t n)
{
	size_t length = 1;

	while (length < n && (p[length] & 0xc0) == 0x80)
		length++;
	return length;
}

void shown_put(struct slice text, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0, some; i < text.n; i += some) {
		const uint8_t *p = text.p + i;
		unsigned code;
		char escaped[8];
		size_t put;

		if ((some = hidden(p, text.n - i, &code)) > 0) {
			put = (size_t)snprintf(escaped, sizeof(escaped), "\\u%04X", code & 0xffff);
			p = (const uint8_t *)escaped;
		} else {
			put = some = character(p, text.n - i);
		}
		if (put >= cap - n)
			break;
		memcpy(out + n, p, put);
		n += put;
	}
	out[n] = '\0';
}
