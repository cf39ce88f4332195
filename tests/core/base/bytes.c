#include "base.h"
#include "tap.h"

static void slices(void)
{
	struct slice a = BYTES(1, 2, 3), b = BYTES(1, 2, 3), shorter = { a.p, 2 };
	struct slice other = BYTES(1, 2, 4), none = { NULL, 0 };

	ok(slice_equal(a, b), "equal bytes in two places are equal slices");
	ok(!slice_equal(a, shorter), "a prefix is not equal");
	ok(!slice_equal(a, other), "a different byte is seen");
	ok(slice_equal(none, (struct slice){ a.p, 0 }),
	    "empty slices are equal wherever they point");
	ok(TEXT("abc").n == 3, "TEXT leaves the NUL out");
}

static void byte_order(void)
{
	static const uint8_t p[4] = { 0x81, 0x02, 0x03, 0xf4 };
	uint8_t out[4];

	ok(load_be16(p) == 0x8102, "load_be16");
	ok(load_le16(p) == 0x0281, "load_le16");
	ok(load_be32(p) == 0x810203f4, "load_be32");
	ok(load_le32(p) == 0xf4030281, "load_le32");
	store_be32(out, 0x810203f4);
	is_bytes(out, 4, p, 4, "store_be32");
	store_le32(out, 0xf4030281);
	is_bytes(out, 4, p, 4, "store_le32");
	store_be16(out, 0x1234);
	ok(out[0] == 0x12 && out[1] == 0x34 && out[2] == 0x03, "store_be16 writes two bytes");
	store_le16(out, 0x1234);
	ok(out[0] == 0x34 && out[1] == 0x12 && out[2] == 0x03, "store_le16 writes two bytes");
}

/* Every single-bit difference at every place must be found. */
static void constant_time(void)
{
	uint8_t a[33] = { 0 }, b[33] = { 0 };
	unsigned missed = 0;

	ok(ct_equal(a, b, sizeof(a)), "ct_equal: equal");
	ok(ct_equal(a, b, 0), "ct_equal: nothing is equal to nothing");
	ok(ct_zero(a, sizeof(a)), "ct_zero: zeros");
	for (size_t i = 0; i < 8 * sizeof(b); i++) {
		b[i >> 3] = (uint8_t)(1u << (i & 7));
		missed += ct_equal(a, b, sizeof(a));
		missed += ct_zero(b, sizeof(b));
		missed += !ct_equal(a, b, i >> 3); /* the difference lies behind */
		missed += !ct_zero(b, i >> 3);
		b[i >> 3] = 0;
	}
	ok(missed == 0, "each of 264 single-bit differences is seen, and none behind the end");
}

static void wiping(void)
{
	uint8_t secret[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint8_t want[8] = { 1, 0, 0, 0, 0, 0, 0, 8 };

	wipe(secret + 1, 6);
	is_bytes(secret, 8, want, 8, "wipe clears exactly its bytes");
	wipe(secret, 0);
	is_bytes(secret, 8, want, 8, "wipe of nothing changes nothing");
}

int main(void)
{
	slices();
	byte_order();
	constant_time();
	wiping();
	return done_testing();
}
