#include "text.h"
#include "tap.h"
#include "vectors.h"

#define UNTOUCHED 0xa5

static struct slice string(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static bool all_untouched(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n > 0 && b[n - 1] == UNTOUCHED)
		n--;
	return n == 0;
}

/* --- hex --- */

static const struct {
	const char *name, *text;
	size_t n;
	enum err want;
} hex_cases[] = {
	{ "hex: nothing", "", 0, OK },
	{ "hex: every digit, either case", "0123456789abcdefABCDEF", 11, OK },
	{ "hex: one digit is missing", "01234", 3, ERR_FORMAT },
	{ "hex: one digit too many", "01234", 2, ERR_FORMAT },
	{ "hex: two digits too many", "012345", 2, ERR_FORMAT },
	{ "hex: two digits too few", "0123", 3, ERR_FORMAT },
	{ "hex: '/' stands before 0", "0/", 1, ERR_FORMAT },
	{ "hex: ':' stands behind 9", ":0", 1, ERR_FORMAT },
	{ "hex: '@' stands before A", "0@", 1, ERR_FORMAT },
	{ "hex: 'G' stands behind F", "G0", 1, ERR_FORMAT },
	{ "hex: '`' stands before a", "0`", 1, ERR_FORMAT },
	{ "hex: 'g' stands behind f", "0g", 1, ERR_FORMAT },
	{ "hex: 10 | 20 is '0', but 10 is no digit", "\x10\x10", 1, ERR_FORMAT },
	{ "hex: a blank", " 1", 1, ERR_FORMAT },
	{ "hex: a sign", "+1", 1, ERR_FORMAT },
	{ "hex: a letter with its high bit set", "\xe1\xe1", 1, ERR_FORMAT },
};

static void hex(void)
{
	static const uint8_t want[11] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xab,
		0xcd, 0xef };
	uint8_t out[16];
	char text[23];

	for (size_t i = 0; i < COUNT(hex_cases); i++) {
		memset(out, UNTOUCHED, sizeof(out));
		ok(hex_decode(string(hex_cases[i].text), out, hex_cases[i].n) ==
		            hex_cases[i].want &&
		        (hex_cases[i].want == OK || all_untouched(out, sizeof(out))),
		    "%s", hex_cases[i].name);
	}
	if (ok(hex_decode(string("0123456789abcdefABCDEF"), out, 11) == OK,
	        "hex: digits of either case"))
		is_bytes(out, 11, want, 11, "hex: their values");
	hex_encode(SLICE(want), HEX_LOWER, text);
	is_bytes(text, 23, "0123456789abcdefabcdef", 23, "hex: lower case and a NUL");
	hex_encode(SLICE(want), HEX_UPPER, text);
	is_bytes(text, 23, "0123456789ABCDEFABCDEF", 23, "hex: upper case and a NUL");
}

/* --- base64 --- */

/* RFC 4648 section 10, and bytes that use the last letters. */
static const struct {
	const char *bytes, *padded, *url;
} pairs[] = {
	{ "", "", "" },
	{ "f", "Zg==", "Zg" },
	{ "fo", "Zm8=", "Zm8" },
	{ "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" },
	{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	{ "\xfb\xff\xbf", "+/+/", "-_-_" },
	{ "\xff", "/w==", "_w" },
};

static const struct {
	const char *name, *text;
	enum err padded, url;
} base64_cases[] = {
	{ "base64: one letter is no byte", "Z", ERR_FORMAT, ERR_FORMAT },
	{ "base64: a letter too many", "Zm9vY", ERR_FORMAT, ERR_FORMAT },
	{ "base64: padding left out", "Zg", ERR_FORMAT, OK },
	{ "base64: half of the padding", "Zg=", ERR_FORMAT, ERR_FORMAT },
	{ "base64: padding", "Zg==", OK, ERR_FORMAT },
	{ "base64: too much padding", "Zg===", ERR_FORMAT, ERR_FORMAT },
	{ "base64: padding where none belongs", "Zm9v=", ERR_FORMAT, ERR_FORMAT },
	{ "base64: a whole group of padding", "Zm9v====", ERR_FORMAT, ERR_FORMAT },
	{ "base64: padding in the middle", "Zg==Zg==", ERR_FORMAT, ERR_FORMAT },
	{ "base64: only padding", "==", ERR_FORMAT, ERR_FORMAT },
	{ "base64: four bits behind one byte are not zero", "Zh==", ERR_FORMAT, ERR_FORMAT },
	{ "base64: the same without padding", "Zh", ERR_FORMAT, ERR_FORMAT },
	{ "base64: two bits behind two bytes are not zero", "Zm9=", ERR_FORMAT, ERR_FORMAT },
	{ "base64: letters of the standard alphabet", "+/+/", OK, ERR_FORMAT },
	{ "base64: letters of the URL alphabet", "-_-_", ERR_FORMAT, OK },
	{ "base64: a line end", "Zm9v\n", ERR_FORMAT, ERR_FORMAT },
	{ "base64: a blank inside", "Zm 9v", ERR_FORMAT, ERR_FORMAT },
	{ "base64: a letter with its high bit set", "Zm9\xf6", ERR_FORMAT, ERR_FORMAT },
};

static void base64_pairs(void)
{
	char text[16];
	uint8_t out[8];
	size_t n;

	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct slice in = string(pairs[i].bytes);

		ok(base64_encode(in, text, sizeof(text)) == OK &&
		        strcmp(text, pairs[i].padded) == 0 &&
		        base64_encode(in, text, strlen(pairs[i].padded)) == ERR_SPACE &&
		        base64_encode(in, text, strlen(pairs[i].padded) + 1) == OK &&
		        BASE64_SIZE(in.n) == strlen(pairs[i].padded),
		    "base64: writes \"%s\"", pairs[i].padded);
		ok(base64url_encode(in, text, sizeof(text)) == OK &&
		        strcmp(text, pairs[i].url) == 0 &&
		        base64url_encode(in, text, strlen(pairs[i].url)) == ERR_SPACE &&
		        base64url_encode(in, text, strlen(pairs[i].url) + 1) == OK,
		    "base64url: writes \"%s\"", pairs[i].url);
		ok(base64_decode(string(pairs[i].padded), out, in.n, &n) == OK && n == in.n &&
		        memcmp(out, in.p, n) == 0,
		    "base64: reads \"%s\"", pairs[i].padded);
		ok(base64url_decode(string(pairs[i].url), out, in.n, &n) == OK && n == in.n &&
		        memcmp(out, in.p, n) == 0,
		    "base64url: reads \"%s\"", pairs[i].url);
	}
}

static bool decodes(enum err (*decode)(struct slice, uint8_t *, size_t, size_t *), const char *text,
    size_t cap, enum err want)
{
	uint8_t out[8];
	size_t n = 77;

	memset(out, UNTOUCHED, sizeof(out));
	return decode(string(text), out, cap, &n) == want &&
	       (want == OK || (all_untouched(out, sizeof(out)) && n == 77));
}

static void base64_strict(void)
{
	for (size_t i = 0; i < COUNT(base64_cases); i++) {
		ok(decodes(base64_decode, base64_cases[i].text, 8, base64_cases[i].padded), "%s",
		    base64_cases[i].name);
		ok(decodes(base64url_decode, base64_cases[i].text, 8, base64_cases[i].url),
		    "%s, in URLs", base64_cases[i].name);
	}
	ok(decodes(base64_decode, "Zm9vYg==", 4, OK), "base64: exactly enough room");
	ok(decodes(base64_decode, "Zm9vYg==", 3, ERR_SPACE), "base64: a byte too little room");
}

/* All 65 536 texts of two letters: read means written the same again. */
static void base64_no_second_form(void)
{
	unsigned bad = 0, read = 0;
	char again[4];
	uint8_t out[2];
	size_t n;

	for (unsigned v = 0; v < 0x10000; v++) {
		uint8_t text[2] = { (uint8_t)(v >> 8), (uint8_t)v };

		if (base64url_decode(SLICE(text), out, sizeof(out), &n) != OK)
			continue;
		read++;
		bad += n != 1 ||
		       base64url_encode((struct slice){ out, n }, again, sizeof(again)) != OK ||
		       memcmp(again, text, 2) != 0;
	}
	ok(bad == 0 && read == 256,
	    "base64url: of all two-letter texts the 256 canonical ones are read");
}

static void tokens(void)
{
	for (size_t i = 0; i < vector_tokens_n; i++) {
		const struct vector_token *t = &vector_tokens[i];
		struct slice head = string(t->header), claims = string(t->claims);
		char text[256], *p = text;

		ok(base64url_encode(head, p, sizeof(text)) == OK, "token %zu: header", i);
		p += strlen(p);
		*p++ = '.';
		ok(base64url_encode(claims, p, 160) == OK, "token %zu: claims", i);
		p += strlen(p);
		*p++ = '.';
		ok(base64url_encode(t->sig, p, 87) == OK && strcmp(text, t->token) == 0,
		    "token %zu: is Arduino's", i);
	}
}

/* --- PEM --- */

#define BEGIN "-----BEGIN X-----"
#define END "-----END X-----"

static const struct {
	const char *name, *text;
	enum err want;
	const char *rest;
} pem_cases[] = {
	{ "PEM: plain", BEGIN "\nZm9v\n" END "\n", OK, "" },
	{ "PEM: without a last line end", BEGIN "\nZm9v\n" END, OK, "" },
	{ "PEM: CR LF", BEGIN "\r\nZm9v\r\n" END "\r\nmore", OK, "more" },
	{ "PEM: CR alone", BEGIN "\rZm9v\r" END "\rmore", OK, "more" },
	{ "PEM: as println sends it, LF CR LF", BEGIN "\nZm9v\n" END "\n\r\nmore", OK, "\r\nmore" },
	{ "PEM: blanks at line ends", BEGIN " \t\nZm9v \t\r\n" END "  \nmore", OK, "more" },
	{ "PEM: a letter a line", BEGIN "\nZ\nm\n9\nv\n" END "\n", OK, "" },
	{ "PEM: empty lines", BEGIN "\n\n\nZm9v\n\n" END "\n", OK, "" },
	{ "PEM: text before and behind", "Your CSR: " BEGIN "\nZm9v\n" END "\nenjoy", OK, "enjoy" },
	{ "PEM: text right behind the end", BEGIN "\nZm9v\n" END "enjoy", OK, "enjoy" },
	{ "PEM: another block before",
	    "-----BEGIN Y-----\nZg==\n-----END Y-----\n" BEGIN "\nZm9v\n" END, OK, "" },
	{ "PEM: a longer label before", "-----BEGIN NEW X-----\n" BEGIN "\nZm9v\n" END, OK, "" },
	{ "PEM: no text at all", "", ERR_NOT_FOUND, NULL },
	{ "PEM: no block", "Zm9v", ERR_NOT_FOUND, NULL },
	{ "PEM: another label", "-----BEGIN Y-----\nZm9v\n-----END Y-----\n", ERR_NOT_FOUND, NULL },
	{ "PEM: a dash too few", "----BEGIN X-----\nZm9v\n" END, ERR_NOT_FOUND, NULL },
	{ "PEM: no end", BEGIN "\nZm9v\n", ERR_FORMAT, NULL },
	{ "PEM: the end is cut off", BEGIN "\nZm9v\n-----END X----", ERR_FORMAT, NULL },
	{ "PEM: the end of another label", BEGIN "\nZm9v\n-----END Y-----\n", ERR_FORMAT, NULL },
	{ "PEM: a block inside a block", BEGIN "\n" BEGIN "\nZm9v\n" END "\n", ERR_FORMAT, NULL },
	{ "PEM: text on the begin line", BEGIN "Zm9v\n" END "\n", ERR_FORMAT, NULL },
	{ "PEM: text on the end line", BEGIN "\nZm9v" END "\n", ERR_FORMAT, NULL },
	{ "PEM: blank at the start of a line", BEGIN "\n Zm9v\n" END "\n", ERR_FORMAT, NULL },
	{ "PEM: blank inside a line", BEGIN "\nZm 9v\n" END "\n", ERR_FORMAT, NULL },
	{ "PEM: blank before the end", BEGIN "\nZm9v\n " END "\n", ERR_FORMAT, NULL },
	{ "PEM: header fields", BEGIN "\nA: b\n\nZm9v\n" END "\n", ERR_FORMAT, NULL },
	{ "PEM: the URL alphabet", BEGIN "\n_-_-\n" END "\n", ERR_FORMAT, NULL },
	{ "PEM: padding missing", BEGIN "\nZm8\n" END "\n", ERR_FORMAT, NULL },
	{ "PEM: padding before more text", BEGIN "\nZg==\nZm9v\n" END "\n", ERR_FORMAT, NULL },
	{ "PEM: bits behind the last byte", BEGIN "\nZm9=\n" END "\n", ERR_FORMAT, NULL },
};

static void pem_forms(void)
{
	for (size_t i = 0; i < COUNT(pem_cases); i++) {
		struct slice rest = { NULL, 77 };
		uint8_t out[4];
		size_t n = 77;
		enum err e;

		memset(out, UNTOUCHED, sizeof(out));
		e = pem_decode(string(pem_cases[i].text), "X", out, 3, &n, &rest);
		if (pem_cases[i].want == OK)
			ok(e == OK && n == 3 && memcmp(out, "foo", 3) == 0 &&
			        slice_equal(rest, string(pem_cases[i].rest)),
			    "%s", pem_cases[i].name);
		else
			ok(e == pem_cases[i].want && n == 77 && rest.n == 77 &&
			        all_untouched(out, sizeof(out)),
			    "%s", pem_cases[i].name);
	}
}

static void pem_vectors(void)
{
	static char text[1024];
	uint8_t out[512];
	size_t n;

	for (size_t i = 0; i < vector_csrs_n; i++) {
		const struct vector_csr *v = &vector_csrs[i];

		ok(pem_decode(string(v->pem), "CERTIFICATE REQUEST", out, sizeof(out), &n, NULL) ==
		            OK &&
		        slice_equal((struct slice){ out, n }, v->der),
		    "%s: PEM is read", v->name);
		ok(pem_encode(v->der, "CERTIFICATE REQUEST", 76, text, sizeof(text), &n) == OK &&
		        n == strlen(v->pem) && strcmp(text, v->pem) == 0,
		    "%s: PEM is written as Arduino does", v->name);
	}
	for (size_t i = 0; i < vector_certs_n; i++) {
		const struct vector_cert *v = &vector_certs[i];

		ok(pem_decode(string(v->pem), "CERTIFICATE", out, sizeof(out), &n, NULL) == OK &&
		        slice_equal((struct slice){ out, n }, v->der),
		    "%s: PEM is read", v->name);
	}
}

/* Every length, both line lengths: read back equal, and the room must be exactly enough. */
static void pem_lengths(void)
{
	uint8_t der[130], out[130];
	char text[300];
	size_t n, back;
	unsigned bad = 0;

	for (size_t i = 0; i < sizeof(der); i++)
		der[i] = (uint8_t)(i * 37);
	for (size_t len = 0; len <= sizeof(der); len++)
		for (unsigned columns = 64; columns <= 76; columns += 12) {
			struct slice in = { der, len };

			if (pem_encode(in, "X", columns, text, sizeof(text), &n) != OK ||
			    pem_decode((struct slice){ (uint8_t *)text, n }, "X", out, len, &back,
			        NULL) != OK ||
			    back != len || memcmp(out, der, len) != 0 || text[n] != '\0')
				bad++;
			bad += pem_encode(in, "X", columns, text, n, &n) != ERR_SPACE;
			bad += pem_encode(in, "X", columns, text, n + 1, &n) != OK;
		}
	ok(bad == 0, "PEM: lengths 0 to 130 in lines of 64 and 76");
	ok(pem_encode(SLICE(der), "X", 0, text, sizeof(text), &n) == ERR_ARG, "PEM: no columns");
	ok(pem_encode(SLICE(der), "X", 62, text, sizeof(text), &n) == ERR_ARG,
	    "PEM: columns that are no multiple of 4");
}

int main(void)
{
	hex();
	base64_pairs();
	base64_strict();
	base64_no_second_form();
	tokens();
	pem_forms();
	pem_vectors();
	pem_lengths();
	return done_testing();
}
