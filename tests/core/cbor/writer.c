/* The writer: shortest heads, first error kept, strings that lie in its own buffer. */
#include "cbor.h"
#include "tap.h"

static void numbers(void)
{
	const struct {
		int32_t v;
		struct slice want;
	} cases[] = {
		{ 0, BYTES(0x00) },
		{ 23, BYTES(0x17) },
		{ 24, BYTES(0x18, 0x18) },
		{ 255, BYTES(0x18, 0xff) },
		{ 256, BYTES(0x19, 0x01, 0x00) },
		{ 65535, BYTES(0x19, 0xff, 0xff) },
		{ 65536, BYTES(0x1a, 0x00, 0x01, 0x00, 0x00) },
		{ -1, BYTES(0x20) },
		{ -100, BYTES(0x38, 0x63) },
		{ INT32_MIN, BYTES(0x3a, 0x7f, 0xff, 0xff, 0xff) },
	};
	uint8_t buffer[8];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cbor_w w = cbor_writer(buffer, sizeof(buffer));
		struct slice out = { NULL, 0 };

		cbor_put_int(&w, cases[i].v);
		ok(cbor_finish(&w, &out) == OK && slice_equal(out, cases[i].want), "%ld",
		    (long)cases[i].v);
	}
}

static void message(struct cbor_w *w)
{
	cbor_put(w, CBOR_ARRAY, 4);
	cbor_put(w, CBOR_UINT, 7);
	cbor_put_string(w, CBOR_TEXT, TEXT("ab"));
	cbor_put_bool(w, true);
	cbor_put(w, CBOR_MAP, 1);
	cbor_put(w, CBOR_UINT, 0);
	cbor_put_string(w, CBOR_BYTES, BYTES(1, 2, 3));
}

/* Every buffer that is too small: ERR_SPACE, and not a byte behind its end. */
static void space(void)
{
	static const uint8_t want[] = { 0x84, 0x07, 0x62, 'a', 'b', 0xf5, 0xa1, 0x00, 0x43, 1, 2,
		3 };
	uint8_t buffer[sizeof(want) + 1];
	struct slice out = { NULL, 0 };
	bool kept = true;

	for (size_t cap = 0; cap <= sizeof(want); cap++) {
		struct cbor_w w = cbor_writer(buffer, cap);

		memset(buffer, 0xee, sizeof(buffer));
		message(&w);
		kept = kept && buffer[cap] == 0xee &&
		       cbor_finish(&w, &out) == (cap < sizeof(want) ? ERR_SPACE : OK);
	}
	ok(kept, "all buffers but the last are too small");
	is_bytes(out.p, out.n, want, sizeof(want), "the message");
}

static void in_place(void)
{
	uint8_t buffer[310], want[303];

	for (size_t n = 0; n <= 300; n += 20) {
		struct cbor_w w = cbor_writer(buffer, sizeof(buffer));
		struct slice out = { NULL, 0 }, body, all;

		for (size_t i = 0; i < n; i++)
			want[i] = buffer[5 + i] = (uint8_t)(i * 7);
		cbor_put_string(&w, CBOR_BYTES, (struct slice){ buffer + 5, n });
		ok(cbor_finish(&w, &out) == OK &&
		        (all = out, cbor_take_string(&all, CBOR_BYTES, &body)) == OK &&
		        slice_equal(body, (struct slice){ want, n }),
		    "%u bytes from the buffer itself", (unsigned)n);
	}
}

static void errors(void)
{
	uint8_t buffer[4];
	struct cbor_w w = cbor_writer(buffer, sizeof(buffer));
	struct slice out;

	cbor_fail(&w, ERR_ARG);
	cbor_fail(&w, ERR_FORMAT);
	cbor_put(&w, CBOR_UINT, 1);
	cbor_raw(&w, BYTES(1));
	cbor_put_string(&w, CBOR_BYTES, BYTES(1));
	ok(cbor_finish(&w, &out) == ERR_ARG && w.n == 0,
	    "the first error stays and nothing follows");
}

int main(void)
{
	numbers();
	space();
	in_place();
	errors();
	return done_testing();
}
