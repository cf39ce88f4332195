/* SenML: what ArduinoIoTCloud writes is read, the bounds hold, and what is read is written the same. */
#include "senml.h"
#include "tap.h"

static uint64_t bits_of(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

static void packs(void)
{
	const struct {
		const char *name;
		struct slice in;
		enum err want;
	} cases[] = {
		{ "the library's own test: [{0: \"test\", 4: true}], indefinite",
		    BYTES(0x9f, 0xa2, 0, 0x64, 't', 'e', 's', 't', 4, 0xf5, 0xff), OK },
		{ "the time records of a cloud",
		    BYTES(0x82, 0xa2, 0, 0x69, 't', 'z', '_', 'o', 'f', 'f', 's', 'e', 't', 2, 0,
		        0xa2, 0, 0x6c, 't', 'z', '_', 'd', 's', 't', '_', 'u', 'n', 't', 'i', 'l',
		        2, 0x1a, 0x7f, 0xff, 0xff, 0xff),
		    OK },
		{ "an empty pack", BYTES(0x80), OK },
		{ "an empty indefinite pack", BYTES(0x9f, 0xff), OK },
		{ "attribute behind a colon", BYTES(0x81, 0xa2, 0, 0x63, 'a', ':', 'b', 2, 0x20),
		    OK },
		{ "version, base name, base time, labels in any order",
		    BYTES(0x81, 0xa5, 0x20, 0x0a, 0x22, 0x1a, 0x65, 0, 0, 0, 0x21, 0x62, 'u', ':',
		        0, 0x61, 'a', 2, 0),
		    OK },
		{ "name in the base alone", BYTES(0x81, 0xa2, 0x21, 0x61, 'a', 2, 0), OK },
		{ "unit and update time are read past",
		    BYTES(0x81, 0xa4, 0, 0x61, 'a', 1, 0x61, 'V', 2, 0, 7, 0xfa, 0x3f, 0x80, 0, 0),
		    OK },
		{ "bytes", BYTES(0x81, 0xa2, 0, 0x61, 'a', 8, 0x42, 1, 2), OK },
		{ "nothing", { NULL, 0 }, ERR_FORMAT },
		{ "no array", BYTES(0xa0), ERR_FORMAT },
		{ "bytes behind the pack", BYTES(0x80, 0), ERR_FORMAT },
		{ "bytes behind the break", BYTES(0x9f, 0xff, 0), ERR_FORMAT },
		{ "no break", BYTES(0x9f), ERR_FORMAT },
		{ "a break in a definite pack", BYTES(0x81, 0xff), ERR_FORMAT },
		{ "a record of no map", BYTES(0x81, 0x80), ERR_FORMAT },
		{ "an indefinite map", BYTES(0x81, 0xbf, 0, 0x61, 'a', 2, 0, 0xff), ERR_FORMAT },
		{ "no value", BYTES(0x81, 0xa1, 0, 0x61, 'a'), ERR_FORMAT },
		{ "no name", BYTES(0x81, 0xa1, 2, 0), ERR_FORMAT },
		{ "an empty name", BYTES(0x81, 0xa2, 0, 0x60, 2, 0), ERR_FORMAT },
		{ "a number for a name", BYTES(0x81, 0xa2, 0, 1, 2, 0), ERR_FORMAT },
		{ "a name with a space", BYTES(0x81, 0xa2, 0, 0x62, 'a', ' ', 2, 0), ERR_FORMAT },
		{ "a name with a NUL", BYTES(0x81, 0xa2, 0, 0x62, 'a', 0, 2, 0), ERR_FORMAT },
		{ "a label twice", BYTES(0x81, 0xa3, 0, 0x61, 'a', 2, 0, 2, 1), ERR_FORMAT },
		{ "two values", BYTES(0x81, 0xa3, 0, 0x61, 'a', 2, 0, 4, 0xf5), ERR_FORMAT },
		{ "a label that is text", BYTES(0x81, 0xa3, 0, 0x61, 'a', 2, 0, 0x61, 'x', 0),
		    ERR_FORMAT },
		{ "a label far away", BYTES(0x81, 0xa3, 0, 0x61, 'a', 2, 0, 0x10, 0), ERR_FORMAT },
		{ "a base value", BYTES(0x81, 0xa3, 0x24, 1, 0, 0x61, 'a', 2, 0), ERR_FORMAT },
		{ "a sum", BYTES(0x81, 0xa2, 0, 0x61, 'a', 5, 0), ERR_FORMAT },
		{ "version 11", BYTES(0x81, 0xa3, 0x20, 0x0b, 0, 0x61, 'a', 2, 0), ERR_FORMAT },
		{ "an array for a value", BYTES(0x81, 0xa2, 0, 0x61, 'a', 2, 0x80), ERR_FORMAT },
		{ "an array where nobody looks", BYTES(0x81, 0xa3, 0, 0x61, 'a', 2, 0, 9, 0x80),
		    ERR_FORMAT },
		{ "text for a number", BYTES(0x81, 0xa2, 0, 0x61, 'a', 2, 0x60), ERR_FORMAT },
		{ "null for a bool", BYTES(0x81, 0xa2, 0, 0x61, 'a', 4, 0xf6), ERR_FORMAT },
		{ "infinite", BYTES(0x81, 0xa2, 0, 0x61, 'a', 2, 0xf9, 0x7c, 0), ERR_FORMAT },
		{ "not a number", BYTES(0x81, 0xa2, 0, 0x61, 'a', 2, 0xfa, 0x7f, 0xc0, 0, 0),
		    ERR_FORMAT },
		{ "not a double number",
		    BYTES(0x81, 0xa2, 0, 0x61, 'a', 2, 0xfb, 0xff, 0xf0, 0, 0, 0, 0, 0, 0),
		    ERR_FORMAT },
		{ "a cut float", BYTES(0x81, 0xa2, 0, 0x61, 'a', 2, 0xfa, 0, 0), ERR_FORMAT },
		{ "a cut record", BYTES(0x81, 0xa2, 0, 0x61, 'a', 2), ERR_FORMAT },
		{ "8 bytes where 4 would do",
		    BYTES(0x81, 0xa2, 0, 0x61, 'a', 2, 0x1b, 0, 0, 0, 0, 1, 0, 0, 0), ERR_FORMAT },
		{ "64 bits without a sign",
		    BYTES(0x81, 0xa2, 0, 0x61, 'a', 2, 0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0),
		    ERR_FORMAT },
		{ "broken UTF-8", BYTES(0x81, 0xa2, 0, 0x61, 'a', 3, 0x61, 0x80), ERR_FORMAT },
		{ "more records than bytes", BYTES(0x98, 0x40), ERR_FORMAT },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = 99;
		enum err e = senml_check(cases[i].in, &n);

		ok(e == cases[i].want && (e == OK || n == 99), "%s: %s", cases[i].name,
		    e == OK ? "taken" : "refused");
	}
}

/* A value in the library's form, and the bits that it must become; written again, it is `shortest`. */
static void numbers(void)
{
	const struct {
		const char *name;
		struct slice in, shortest;
		enum senml_kind kind;
		uint32_t high, low;
	} cases[] = {
		{ "0", BYTES(0), BYTES(0), SENML_INT, 0, 0 },
		{ "-1", BYTES(0x20), BYTES(0x20), SENML_INT, UINT32_MAX, UINT32_MAX },
		{ "4294967295", BYTES(0x1a, 0xff, 0xff, 0xff, 0xff),
		    BYTES(0x1a, 0xff, 0xff, 0xff, 0xff), SENML_INT, 0, UINT32_MAX },
		{ "-4294967296", BYTES(0x3a, 0xff, 0xff, 0xff, 0xff),
		    BYTES(0x3a, 0xff, 0xff, 0xff, 0xff), SENML_INT, UINT32_MAX, 0 },
		{ "the largest", BYTES(0x1b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		    BYTES(0x1b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), SENML_INT,
		    0x7fffffff, UINT32_MAX },
		{ "the smallest", BYTES(0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		    BYTES(0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), SENML_INT,
		    0x80000000, 0 },
		{ "1.5, half", BYTES(0xf9, 0x3e, 0), BYTES(0xfa, 0x3f, 0xc0, 0, 0), SENML_FLOAT,
		    0x3ff80000, 0 },
		{ "smallest half", BYTES(0xf9, 0, 1), BYTES(0xfa, 0x33, 0x80, 0, 0), SENML_FLOAT,
		    0x3e700000, 0 },
		{ "-65504, half", BYTES(0xf9, 0xfb, 0xff), BYTES(0xfa, 0xc7, 0x7f, 0xe0, 0),
		    SENML_FLOAT, 0xc0effc00, 0 },
		{ "21.5, as the library writes it", BYTES(0xfa, 0x41, 0xac, 0, 0),
		    BYTES(0xfa, 0x41, 0xac, 0, 0), SENML_FLOAT, 0x40358000, 0 },
		{ "0.1, single", BYTES(0xfa, 0x3d, 0xcc, 0xcc, 0xcd),
		    BYTES(0xfa, 0x3d, 0xcc, 0xcc, 0xcd), SENML_FLOAT, 0x3fb99999, 0xa0000000 },
		{ "smallest single", BYTES(0xfa, 0, 0, 0, 1),
		    BYTES(0xfb, 0x36, 0xa0, 0, 0, 0, 0, 0, 0), SENML_FLOAT, 0x36a00000, 0 },
		{ "minus zero", BYTES(0xfa, 0x80, 0, 0, 0), BYTES(0xfa, 0x80, 0, 0, 0), SENML_FLOAT,
		    0x80000000, 0 },
		{ "0.1, double", BYTES(0xfb, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a),
		    BYTES(0xfb, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a), SENML_FLOAT,
		    0x3fb99999, 0x9999999a },
		{ "1.0, double", BYTES(0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0),
		    BYTES(0xfa, 0x3f, 0x80, 0, 0), SENML_FLOAT, 0x3ff00000, 0 },
		{ "largest double", BYTES(0xfb, 0x7f, 0xef, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		    BYTES(0xfb, 0x7f, 0xef, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), SENML_FLOAT,
		    0x7fefffff, 0xffffffff },
	};
	static const uint8_t head[] = { 0x81, 0xa2, 0, 0x61, 'a', 2 };

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t pack[sizeof(head) + 9], again[sizeof(head) + 9];
		struct cbor_w w = cbor_writer(again, sizeof(again));
		struct senml_record r = { .name = "" };
		struct slice out = { NULL, 0 };
		struct senml s;

		memcpy(pack, head, sizeof(head));
		memcpy(pack + sizeof(head), cases[i].in.p, cases[i].in.n);
		s = senml_reader((struct slice){ pack, sizeof(head) + cases[i].in.n });
		ok(senml_next(&s, &r) == OK && r.value.kind == cases[i].kind &&
		        r.value.bits == bits_of(cases[i].high, cases[i].low),
		    "%s", cases[i].name);
		senml_begin(&w, 1);
		senml_put(&w, r.name, &r.value, NULL);
		ok(cbor_finish(&w, &out) == OK && out.n == sizeof(head) + cases[i].shortest.n &&
		        memcmp(out.p + sizeof(head), cases[i].shortest.p, cases[i].shortest.n) == 0,
		    "%s, written again", cases[i].name);
	}
}

static void bases(void)
{
	struct senml s = senml_reader(
	    BYTES(0x83, 0xa4, 0x21, 0x62, 'u', ':', 0x22, 0x07, 0, 0x61, 'a', 2, 1, 0xa3, 0, 0x61,
	        'b', 3, 0x62, 'h', 'i', 6, 0x20, 0xa3, 0x21, 0x60, 0, 0x61, 'c', 4, 0xf4));
	struct senml_record r;

	ok(senml_next(&s, &r) == OK && strcmp(r.name, "u:a") == 0 && r.base_time.bits == 7 &&
	        r.time.kind == SENML_NONE,
	    "base name and base time of the first record");
	ok(senml_next(&s, &r) == OK && strcmp(r.name, "u:b") == 0 && r.base_time.bits == 7 &&
	        r.value.kind == SENML_TEXT && slice_equal(r.value.data, TEXT("hi")) &&
	        r.time.kind == SENML_INT && r.time.bits == UINT64_MAX,
	    "hold for the second too, which has a time of its own");
	ok(senml_next(&s, &r) == OK && strcmp(r.name, "c") == 0 && r.value.kind == SENML_BOOL &&
	        r.value.bits == 0,
	    "until another base name");
	for (unsigned i = 0; i < 2; i++)
		ok(senml_next(&s, &r) == ERR_NOT_FOUND && strcmp(r.name, "c") == 0,
		    "the end, as often as one asks");
}

/* A pack of n records "a": 0 in `out`. */
static struct slice many(uint8_t *out, size_t cap, uint32_t n, bool indefinite)
{
	struct cbor_w w = cbor_writer(out, cap);
	struct senml_value zero = senml_uint(0);
	struct slice pack = { NULL, 0 };

	if (indefinite)
		senml_begin_indefinite(&w);
	else
		senml_begin(&w, n);
	for (uint32_t i = 0; i < n; i++)
		senml_put(&w, "a", &zero, NULL);
	if (indefinite)
		senml_end(&w);
	if (cbor_finish(&w, &pack) != OK)
		pack.n = 0;
	return pack;
}

static void bounds(void)
{
	static const char name[] =
	    "a123456789b123456789c123456789d123456789e123456789f123456789abcde";
	static uint8_t bytes[1024], long_text[SENML_DATA_MAX + 1];
	struct senml_value v = senml_uint(1);
	struct senml_record r;
	struct cbor_w w;
	struct senml s;
	struct slice pack;
	size_t n;

	for (unsigned i = 0; i < 2; i++) {
		ok(senml_check(many(bytes, sizeof(bytes), SENML_RECORDS_MAX, i), &n) == OK &&
		        n == SENML_RECORDS_MAX,
		    "80 records");
		ok(senml_check(many(bytes, sizeof(bytes), SENML_RECORDS_MAX + 1, i), &n) ==
		        ERR_FORMAT,
		    "but not 81");
	}
	w = cbor_writer(bytes, sizeof(bytes));
	senml_put(&w, name + 1, &v, NULL);
	ok(w.err == OK, "a name of 64");
	senml_put(&w, name, &v, NULL);
	ok(w.err == ERR_ARG, "but not of 65");
	w = cbor_writer(bytes, sizeof(bytes));
	senml_put(&w, "a b", &v, NULL);
	ok(w.err == ERR_ARG, "nor with a space");

	memset(long_text, 'x', sizeof(long_text));
	w = cbor_writer(bytes, sizeof(bytes));
	senml_begin(&w, 1);
	v = senml_text((struct slice){ long_text, SENML_DATA_MAX });
	senml_put(&w, "a", &v, &(struct senml_value){ .kind = SENML_INT, .bits = 1 });
	ok(cbor_finish(&w, &pack) == OK && senml_check(pack, &n) == OK, "a text of 256");
	s = senml_reader(pack);
	ok(senml_next(&s, &r) == OK && r.value.data.n == SENML_DATA_MAX && r.time.bits == 1,
	    "with its time");
	w = cbor_writer(bytes, sizeof(bytes));
	v.data.n++;
	senml_put(&w, "a", &v, NULL);
	ok(w.err == ERR_ARG, "but not of 257");

	/* A base name and a name that are too long together. */
	w = cbor_writer(bytes, sizeof(bytes));
	cbor_put(&w, CBOR_ARRAY, 1);
	cbor_put(&w, CBOR_MAP, 3);
	cbor_put_int(&w, -2);
	cbor_put_string(&w, CBOR_TEXT, (struct slice){ (const uint8_t *)name + 1, 64 });
	cbor_put_int(&w, 0);
	cbor_put_string(&w, CBOR_TEXT, TEXT("a"));
	cbor_put_int(&w, 2);
	cbor_put_int(&w, 1);
	ok(cbor_finish(&w, &pack) == OK && senml_check(pack, &n) == ERR_FORMAT,
	    "a name of 65 in two parts");
}

/* Labels ascend whatever the kind, so that the same records are the same bytes. */
static void order(void)
{
	static const uint8_t want[] = { 0x82, 0xa3, 0, 0x61, 'a', 4, 0xf5, 6, 5, 0xa3, 0, 0x61, 'b',
		6, 5, 8, 0x41, 9 };
	uint8_t bytes[64];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct senml_value yes = senml_bool(true), at = senml_int(5),
	                   data = { .kind = SENML_BYTES, .data = BYTES(9) };
	struct slice out = { NULL, 0 };
	size_t n;

	senml_begin(&w, 2);
	senml_put(&w, "a", &yes, &at);
	senml_put(&w, "b", &data, &at);
	ok(cbor_finish(&w, &out) == OK && senml_check(out, &n) == OK && n == 2, "two records");
	is_bytes(out.p, out.n, want, sizeof(want), "in order");
}

int main(void)
{
	packs();
	numbers();
	bases();
	bounds();
	order();
	return done_testing();
}
