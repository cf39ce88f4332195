#include "text.h"

#include <string.h>

/* --- hex --- */

static const char digits[2][17] = { "0123456789abcdef", "0123456789ABCDEF" };

void hex_encode(struct slice in, enum hex_case letters, char *out)
{
	for (size_t i = 0; i < in.n; i++) {
		*out++ = digits[letters][in.p[i] >> 4];
		*out++ = digits[letters][in.p[i] & 15];
	}
	*out = '\0';
}

/* The value of a digit, or a number above 15. */
static unsigned nibble(unsigned c)
{
	if (c - '0' < 10)
		return c - '0';
	c |= 0x20;
	return c - 'a' < 6 ? c - 'a' + 10 : 16;
}

enum err hex_decode(struct slice text, uint8_t *out, size_t n)
{
	if (text.n >> 1 != n || (text.n & 1) != 0)
		return ERR_FORMAT;
	for (size_t i = 0; i < text.n; i++)
		if (nibble(text.p[i]) > 15)
			return ERR_FORMAT;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(nibble(text.p[2 * i]) << 4 | nibble(text.p[2 * i + 1]));
	return OK;
}

/* --- base64 --- */

enum form {
	PADDED,
	URL,
	LINES /* padded, with line ends and blanks before them: the inside of PEM */
};

/* RFC 4648 tables 1 and 2, which differ in the last two characters. */
static const char letters64[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

/* From '+' to 'z': the value; 0x40 in the first table alone, 0x80 in the second alone. */
static const uint8_t sextets[] = { 0x40 | 62, 0xff, 0x80 | 62, 0xff, 0x40 | 63, 52, 53, 54, 55, 56,
	57, 58, 59, 60, 61, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
	10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 0xff, 0xff, 0xff, 0xff,
	0x80 | 63, 0xff, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44,
	45, 46, 47, 48, 49, 50, 51 };

/* The value of a letter, or a number above 63. By table: text is random, and a guessed branch costs more. */
static unsigned sextet(unsigned c, enum form form)
{
	unsigned v = c - '+' < sizeof(sextets) ? sextets[c - '+'] : 0xff;

	return (v & (form == URL ? 0x40 : 0x80)) == 0 ? v & 63 : 64;
}

/* Writes the characters without a NUL; returns how many. */
static size_t put(struct slice in, enum form form, char *out)
{
	const char *letters = letters64[form == URL];
	char *start = out;
	unsigned group;

	for (; in.n >= 3; in.p += 3, in.n -= 3) {
		group = (unsigned)in.p[0] << 16 | (unsigned)in.p[1] << 8 | in.p[2];
		*out++ = letters[group >> 18];
		*out++ = letters[group >> 12 & 63];
		*out++ = letters[group >> 6 & 63];
		*out++ = letters[group & 63];
	}
	if (in.n > 0) {
		group = (unsigned)in.p[0] << 8 | (in.n > 1 ? in.p[1] : 0u);
		*out++ = letters[group >> 10];
		*out++ = letters[group >> 4 & 63];
		if (in.n > 1)
			*out++ = letters[group << 2 & 63];
		else if (form != URL)
			*out++ = '=';
		if (form != URL)
			*out++ = '=';
	}
	return (size_t)(out - start);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool is_line_end(uint8_t c)
{
	return c == '\r' || c == '\n';
}

/*
 * One pass over the text. `bits` of `group` are left over after each letter: 0, 6, 4 or 2. Six left
 * at the end is a letter too many; four want two characters of padding and two want one.
 */
static enum err scan(struct slice text, enum form form, uint8_t *out, size_t *n)
{
	unsigned group = 0, bits = 0, pads = 0, v;
	size_t made = 0;
	bool blank = false;

	for (size_t i = 0; i < text.n; i++) {
		if ((v = sextet(text.p[i], form)) > 63) {
			if (text.p[i] == '=' && form != URL && !blank)
				pads++;
			else if (form == LINES && (is_blank(text.p[i]) || is_line_end(text.p[i])))
				blank = is_blank(text.p[i]);
			else
				return ERR_FORMAT;
			continue;
		}
		if (blank || pads > 0)
			return ERR_FORMAT;
		group = (group << 6 | v) & 0xfff;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (out)
			out[made] = (uint8_t)(group >> bits);
		made++;
	}
	if (bits == 6 || (group & ((1u << bits) - 1)) != 0 || pads != (form == URL ? 0 : bits >> 1))
		return ERR_FORMAT;
	*n = made;
	return OK;
}

/* Characters for n bytes, without the division that a Cortex-M0+ has not. */
static size_t length(size_t n, enum form form)
{
	size_t chars = 0;

	for (; n > 3; n -= 3)
		chars += 4;
	if (n == 0)
		return chars;
	return chars + (form == URL ? n + 1 : 4);
}

static enum err encode(struct slice in, enum form form, char *out, size_t cap)
{
	if (length(in.n, form) >= cap)
		return ERR_SPACE;
	out[put(in, form, out)] = '\0';
	return OK;
}

static enum err decode(struct slice text, enum form form, uint8_t *out, size_t cap, size_t *n)
{
	size_t need;
	enum err e;

	if ((e = scan(text, form, NULL, &need)) != OK)
		return e;
	if (need > cap)
		return ERR_SPACE;
	return scan(text, form, out, n);
}

enum err base64_encode(struct slice in, char *out, size_t cap)
{
	return encode(in, PADDED, out, cap);
}

enum err base64_decode(struct slice text, uint8_t *out, size_t cap, size_t *n)
{
	return decode(text, PADDED, out, cap, n);
}

enum err base64url_encode(struct slice in, char *out, size_t cap)
{
	return encode(in, URL, out, cap);
}

enum err base64url_decode(struct slice text, uint8_t *out, size_t cap, size_t *n)
{
	return decode(text, URL, out, cap, n);
}

/* --- PEM --- */

#define DASHES TEXT("-----")

static struct slice text_of(const char *nul_terminated)
{
	struct slice s = { (const uint8_t *)nul_terminated, 0 };

	while (s.p[s.n])
		s.n++;
	return s;
}

static void skip(struct slice *text, size_t n)
{
	text->p += n;
	text->n -= n;
}

/* Takes `what` off the front of text, or leaves it. */
static bool take(struct slice *text, struct slice what)
{
	if (text->n < what.n || memcmp(text->p, what.p, what.n) != 0)
		return false;
	skip(text, what.n);
	return true;
}

/* Takes "-----BEGIN label-----" or "-----END label-----" off the front of text, or leaves it. */
static bool take_marker(struct slice *text, struct slice kind, struct slice label)
{
	struct slice t = *text;

	if (!take(&t, kind) || !take(&t, label) || !take(&t, DASHES))
		return false;
	*text = t;
	return true;
}

/* Takes blanks and one line end off the front of text; false when something else follows. */
static bool take_line_end(struct slice *text)
{
	struct slice t = *text;

	while (t.n > 0 && is_blank(t.p[0]))
		skip(&t, 1);
	if (t.n > 0 && !is_line_end(t.p[0]))
		return false;
	if (!take(&t, TEXT("\r\n")) && t.n > 0)
		skip(&t, 1);
	*text = t;
	return true;
}

enum err pem_decode(
    struct slice text, const char *label, uint8_t *out, size_t cap, size_t *n, struct slice *rest)
{
	struct slice name = text_of(label), body;
	enum err e;

	while (!take_marker(&text, TEXT("-----BEGIN "), name)) {
		if (text.n == 0)
			return ERR_NOT_FOUND;
		skip(&text, 1);
	}
	if (!take_line_end(&text))
		return ERR_FORMAT;
	/* The first dash ends the base64; it must begin the END line. */
	body = (struct slice){ text.p, 0 };
	while (text.n > 0 && text.p[0] != '-') {
		skip(&text, 1);
		body.n++;
	}
	if ((body.n > 0 && !is_line_end(text.p[-1])) ||
	    !take_marker(&text, TEXT("-----END "), name))
		return ERR_FORMAT;
	if ((e = decode(body, LINES, out, cap, n)) != OK)
		return e;
	(void)take_line_end(&text);
	if (rest)
		*rest = text;
	return OK;
}

static char *add(char *out, struct slice text)
{
	memcpy(out, text.p, text.n);
	return out + text.n;
}

enum err pem_encode(
    struct slice der, const char *label, unsigned columns, char *out, size_t cap, size_t *n)
{
	const struct slice name = text_of(label), begin = TEXT("-----BEGIN "),
	                   end = TEXT("-----END ");
	size_t line = (size_t)(columns >> 2) * 3;
	size_t need = begin.n + end.n + 2 * (name.n + DASHES.n + 1) + length(der.n, PADDED);
	char *start = out;

	if (columns == 0 || (columns & 3) != 0)
		return ERR_ARG;
	for (size_t done = 0; done < der.n; done += line)
		need++;
	if (need >= cap)
		return ERR_SPACE;

	out = add(add(add(add(out, begin), name), DASHES), TEXT("\n"));
	while (der.n > 0) {
		struct slice part = { der.p, der.n < line ? der.n : line };

		out += put(part, PADDED, out);
		*out++ = '\n';
		skip(&der, part.n);
	}
	out = add(add(add(add(out, end), name), DASHES), TEXT("\n"));
	*out = '\0';
	*n = (size_t)(out - start);
	return OK;
}
