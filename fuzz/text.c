/* Hex, base64, base64url and PEM: what is read and written again is the same text, or means the same. */
#include "fuzz.h"
#include "text.h"

#include <string.h>

#define MOST 4096

static uint8_t bytes[MOST], bytes_again[MOST];
static char text[2 * MOST + 256];

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'F' ? c + 32 : c);
}

static void hex(struct slice in)
{
	size_t n = in.n / 2;

	if (hex_decode(in, bytes, n) != OK)
		return;
	CHECK(in.n % 2 == 0);
	hex_encode((struct slice){ bytes, n }, HEX_LOWER, text);
	for (size_t i = 0; i < in.n; i++)
		CHECK(text[i] == lower(in.p[i]));
	CHECK(text[in.n] == '\0');
}

static void base64(struct slice in)
{
	size_t n;

	if (base64_decode(in, bytes, sizeof(bytes), &n) == OK) {
		CHECK(base64_encode((struct slice){ bytes, n }, text, in.n + 1) == OK);
		CHECK(memcmp(text, in.p, in.n) == 0 && text[in.n] == '\0');
	}
	if (base64url_decode(in, bytes, sizeof(bytes), &n) == OK) {
		CHECK(base64url_encode((struct slice){ bytes, n }, text, in.n + 1) == OK);
		CHECK(memcmp(text, in.p, in.n) == 0 && text[in.n] == '\0');
	}
}

static void pem(struct slice in)
{
	struct slice rest = in;
	size_t n, again, len;

	while (pem_decode(rest, "CERTIFICATE REQUEST", bytes, sizeof(bytes), &n, &rest) == OK) {
		CHECK(rest.p + rest.n == in.p + in.n && n <= sizeof(bytes));
		CHECK(pem_encode((struct slice){ bytes, n }, "CERTIFICATE REQUEST", 76, text,
		          sizeof(text), &len) == OK);
		CHECK(pem_decode((struct slice){ (uint8_t *)text, len }, "CERTIFICATE REQUEST",
		          bytes_again, sizeof(bytes_again), &again, NULL) == OK);
		CHECK(again == n && memcmp(bytes, bytes_again, n) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { data, size };

	if (size > MOST)
		return 0;
	hex(in);
	base64(in);
	pem(in);
	return 0;
}
