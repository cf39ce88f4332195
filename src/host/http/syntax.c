#include "syntax.h"

#include <string.h>

bool syntax_is_token(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool syntax_is_value(uint8_t c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

bool syntax_is_visible(uint8_t c)
{
	return c > 0x20 && c < 0x7f;
}

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

bool syntax_same(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return *a == *b;
}
