/* The reader: examples of RFC 8949 appendix A, and everything that is not deterministic refused. */
#include "cbor.h"
#include "tap.h"

static void items(void)
{
	const struct {
		const char *name;
		struct slice in;
		enum err want;
	} cases[] = {
		{ "0", BYTES(0x00), OK },
		{ "23 in the head", BYTES(0x17), OK },
		{ "24 in one byte", BYTES(0x18, 0x18), OK },
		{ "1000 in two", BYTES(0x19, 0x03, 0xe8), OK },
		{ "1000000 in four", BYTES(0x1a, 0x00, 0x0f, 0x42, 0x40), OK },
		{ "-1000", BYTES(0x39, 0x03, 0xe7), OK },
		{ "bytes 01020304", BYTES(0x44, 1, 2, 3, 4), OK },
		{ "empty text", BYTES(0x60), OK },
		{ "text of two-byte characters", BYTES(0x62, 0xc3, 0xbc), OK },
		{ "text of four-byte characters", BYTES(0x64, 0xf0, 0x90, 0x85, 0x91), OK },
		{ "array in an array", BYTES(0x82, 0x01, 0x81, 0x02), OK },
		{ "map with ascending keys", BYTES(0xa2, 0x01, 0x02, 0x03, 0x04), OK },
		{ "map with number before text", BYTES(0xa2, 0x20, 0x00, 0x61, 0x61, 0x00), OK },
		{ "map in a map", BYTES(0xa1, 0x00, 0xa2, 0x00, 0xf4, 0x01, 0xf5), OK },
		{ "tag", BYTES(0xda, 0x00, 0x01, 0x20, 0x00, 0x81, 0x01), OK },
		{ "false, true, null", BYTES(0x83, 0xf4, 0xf5, 0xf6), OK },
		{ "six levels", BYTES(0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0), OK },
		{ "seven levels", BYTES(0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0), ERR_FORMAT },
		{ "nothing", { NULL, 0 }, ERR_FORMAT },
		{ "23 in one byte", BYTES(0x18, 0x17), ERR_FORMAT },
		{ "255 in two bytes", BYTES(0x19, 0x00, 0xff), ERR_FORMAT },
		{ "65535 in four bytes", BYTES(0x1a, 0, 0, 0xff, 0xff), ERR_FORMAT },
		{ "64 bits", BYTES(0x1b, 1, 0, 0, 0, 0, 0, 0, 0), ERR_FORMAT },
		{ "reserved head 28", BYTES(0x1c, 0, 0), ERR_FORMAT },
		{ "indefinite bytes", BYTES(0x5f, 0x41, 1, 0xff), ERR_FORMAT },
		{ "indefinite array", BYTES(0x9f, 0xff), ERR_FORMAT },
		{ "indefinite map", BYTES(0xbf, 0xff), ERR_FORMAT },
		{ "half float", BYTES(0xf9, 0x3c, 0x00), ERR_FORMAT },
		{ "undefined", BYTES(0xf7), ERR_FORMAT },
		{ "simple value 255", BYTES(0xf8, 0xff), ERR_FORMAT },
		{ "a break alone", BYTES(0xff), ERR_FORMAT },
		{ "cut argument", BYTES(0x19, 0x03), ERR_FORMAT },
		{ "cut string", BYTES(0x44, 1, 2, 3), ERR_FORMAT },
		{ "string longer than anything", BYTES(0x5a, 0xff, 0xff, 0xff, 0xff, 0),
		    ERR_FORMAT },
		{ "cut array", BYTES(0x82, 1), ERR_FORMAT },
		{ "array longer than anything", BYTES(0x9a, 0xff, 0xff, 0xff, 0xff), ERR_FORMAT },
		{ "map longer than anything", BYTES(0xba, 0xff, 0xff, 0xff, 0xff), ERR_FORMAT },
		{ "cut map", BYTES(0xa1, 1), ERR_FORMAT },
		{ "tag of nothing", BYTES(0xc1), ERR_FORMAT },
		{ "keys descending", BYTES(0xa2, 2, 0, 1, 0), ERR_FORMAT },
		{ "a key twice", BYTES(0xa2, 1, 0, 1, 0), ERR_FORMAT },
		{ "text before number", BYTES(0xa2, 0x61, 0x61, 0, 1, 0), ERR_FORMAT },
		{ "an array as key", BYTES(0xa1, 0x80, 0), ERR_FORMAT },
		{ "descending keys deep inside", BYTES(0x81, 0xa1, 0, 0xa2, 2, 0, 1, 0),
		    ERR_FORMAT },
		{ "UTF-8: continuation alone", BYTES(0x61, 0x80), ERR_FORMAT },
		{ "UTF-8: cut character", BYTES(0x61, 0xc3), ERR_FORMAT },
		{ "UTF-8: slash in two bytes", BYTES(0x62, 0xc0, 0xaf), ERR_FORMAT },
		{ "UTF-8: three bytes too many", BYTES(0x63, 0xe0, 0x9f, 0xbf), ERR_FORMAT },
		{ "UTF-8: surrogate", BYTES(0x63, 0xed, 0xa0, 0x80), ERR_FORMAT },
		{ "UTF-8: above U+10FFFF", BYTES(0x64, 0xf4, 0x90, 0x80, 0x80), ERR_FORMAT },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice in = cases[i].in;
		struct cbor_item item;
		enum err e = cbor_take_any(&in, &item);

		ok(e == cases[i].want &&
		        (e == OK ? in.n == 0 : in.p == cases[i].in.p && in.n == cases[i].in.n),
		    "%s: %s", cases[i].name, e == OK ? "taken" : "refused and left where it was");
	}
}

static void numbers(void)
{
	struct slice in = BYTES(0x3a, 0x7f, 0xff, 0xff, 0xff),
	             big = BYTES(0x1a, 0xff, 0xff, 0xff, 0xff);
	int32_t v;
	uint32_t u;

	ok(cbor_take_int(&in, &v) == OK && v == INT32_MIN, "the smallest number");
	in = BYTES(0x3a, 0x80, 0x00, 0x00, 0x00);
	ok(cbor_take_int(&in, &v) == ERR_FORMAT && in.n == 5, "one less is refused");
	in = big;
	ok(cbor_take_int(&in, &v) == ERR_FORMAT, "4294967295 is no int32");
	ok(cbor_take_uint(&big, &u) == OK && u == UINT32_MAX && cbor_end(&big) == OK,
	    "but a uint32");
	in = BYTES(0x20);
	ok(cbor_take_uint(&in, &u) == ERR_FORMAT && in.n == 1, "-1 is no uint32");
	in = BYTES(0x38, 0x63);
	ok(cbor_take_int(&in, &v) == OK && v == -100, "-100");
}

static void parts(void)
{
	struct slice in = BYTES(0xa1, 0x00, 0x82, 0x41, 0x07, 0x61, 0x78, 0xf6), body;
	struct cbor_item item;
	uint32_t n;

	ok(cbor_take_string(&in, CBOR_BYTES, &body) == ERR_FORMAT && in.n == 8,
	    "a map is no bytes");
	ok(cbor_take_head(&in, CBOR_MAP, &n) == OK && n == 1 && in.n == 7, "the head of a map");
	ok(cbor_take_uint(&in, &n) == OK && n == 0, "its key");
	ok(cbor_take_any(&in, &item) == OK && item.major == CBOR_ARRAY && item.argument == 2 &&
	        item.body.n == 4,
	    "its value, whole");
	ok(cbor_take_string(&item.body, CBOR_BYTES, &body) == OK && body.n == 1 && body.p[0] == 7,
	    "bytes in it");
	ok(cbor_take_string(&item.body, CBOR_BYTES, &body) == ERR_FORMAT, "text is no bytes");
	ok(cbor_take_string(&item.body, CBOR_ARRAY, &body) == ERR_FORMAT, "an array is no string");
	ok(cbor_take_string(&item.body, CBOR_TEXT, &body) == OK && body.p[0] == 'x', "text in it");
	ok(cbor_end(&item.body) == OK && cbor_end(&in) == ERR_FORMAT, "the ends");
	in = BYTES(0x98, 0xff, 0x00);
	ok(cbor_take_head(&in, CBOR_ARRAY, &n) == ERR_FORMAT && in.n == 3,
	    "more items than bytes are refused at the head");
}

int main(void)
{
	items();
	numbers();
	parts();
	return done_testing();
}
