#include "der.h"
#include "tap.h"

/* What is written for a big-endian number. */
static const struct {
	const char *name;
	struct slice number, want;
} integers[] = {
#define B(...)                                                                                     \
	{                                                                                          \
		(const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })         \
	}
	{ "nothing is 0", { NULL, 0 }, B(2, 1, 0) },
	{ "0", B(0), B(2, 1, 0) },
	{ "0 in many bytes", B(0, 0, 0, 0), B(2, 1, 0) },
	{ "1", B(1), B(2, 1, 1) },
	{ "127", B(0x7f), B(2, 1, 0x7f) },
	{ "128 gets a sign byte", B(0x80), B(2, 2, 0, 0x80) },
	{ "128 that has one", B(0, 0x80), B(2, 2, 0, 0x80) },
	{ "leading zeros go", B(0, 0, 0x7f, 0xff), B(2, 2, 0x7f, 0xff) },
	{ "zeros at the end stay", B(1, 0, 0), B(2, 3, 1, 0, 0) },
	{ "all ones", B(0xff, 0xff), B(2, 3, 0, 0xff, 0xff) },
};

static void unsigned_integers(void)
{
	for (size_t i = 0; i < COUNT(integers); i++) {
		uint8_t buffer[16], back[8], padded[8] = { 0 };
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct slice out, in, number = integers[i].number;

		der_put_uint(&w, number);
		ok(der_finish(&w, &out) == OK && slice_equal(out, integers[i].want), "INTEGER: %s",
		    integers[i].name);
		in = out;
		if (number.n > 0)
			memcpy(padded + 8 - number.n, number.p, number.n);
		ok(der_take_uint(&in, back, 8) == OK && memcmp(back, padded, 8) == 0,
		    "INTEGER: %s, read back", integers[i].name);
	}
}

/* Each change of length form, nested once so that the content moves with its own header. */
static void lengths(void)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 127, 128, 252, 253, 255, 256, 65531 };
	static uint8_t buffer[65540], content[65540];

	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct slice out, seq, body, want = { content, sizes[i] };
		size_t mark = der_open(&w, DER_SEQUENCE);

		der_put(&w, DER_OCTET_STRING, want);
		der_close(&w, mark);
		ok(der_finish(&w, &out) == OK && der_take(&out, DER_SEQUENCE, &seq) == OK &&
		        der_end(&out) == OK && der_take(&seq, DER_OCTET_STRING, &body) == OK &&
		        der_end(&seq) == OK && slice_equal(body, want),
		    "%zu bytes in an OCTET STRING in a SEQUENCE", sizes[i]);
	}
}

static void too_long(void)
{
	static uint8_t buffer[65536 + 8], content[65536];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct slice out = { NULL, 77 };

	der_put(&w, DER_OCTET_STRING, SLICE(content));
	ok(der_finish(&w, &out) == ERR_ARG && out.n == 77,
	    "65536 bytes: more than the reader reads");
}

static void put_something(struct der_w *w)
{
	size_t outer = der_open(w, DER_SEQUENCE), inner;

	der_raw(w, BYTES(1, 2, 3));
	inner = der_open(w, DER_CONTEXT(0));
	der_put(w, DER_UTF8_STRING,
	    TEXT("012345678901234567890123456789012345678901234567890123456789"
	         "012345678901234567890123456789012345678901234567890123456789"));
	der_put_uint(w, BYTES(0x80));
	der_close(w, inner);
	der_close(w, outer);
}

/* The n-th byte does not fit, for every n: the error stays and nothing is written behind the end. */
static void no_room(void)
{
	uint8_t buffer[200];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct slice out;
	unsigned bad = 0;
	size_t need;

	put_something(&w);
	ok(der_finish(&w, &out) == OK && out.n == 134, "there is room");
	need = out.n;
	for (size_t cap = 0; cap < need; cap++) {
		memset(buffer, 0xa5, sizeof(buffer));
		w = der_writer(buffer, cap);
		out = (struct slice){ NULL, 77 };
		put_something(&w);
		bad += der_finish(&w, &out) != ERR_SPACE || out.n != 77;
		for (size_t i = cap; i < sizeof(buffer); i++)
			bad += buffer[i] != 0xa5;
	}
	ok(bad == 0, "buffers of 0 to %zu bytes: ERR_SPACE, and nothing behind them", need - 1);
	w = der_writer(buffer, need);
	put_something(&w);
	ok(der_finish(&w, &out) == OK, "a buffer of %zu bytes is enough", need);
}

static void first_error_stays(void)
{
	uint8_t buffer[8];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct slice out;

	w.err = ERR_DEVICE;
	put_something(&w);
	ok(der_finish(&w, &out) == ERR_DEVICE && w.n == 0,
	    "after an error nothing more is written");
}

int main(void)
{
	unsigned_integers();
	lengths();
	too_long();
	no_room();
	first_error_stays();
	return done_testing();
}
