/* X.690 sections 8, 10 and 11: what DER forbids although BER allows it, and what nothing allows. */
#include "der.h"
#include "tap.h"

#define B(...)                                                                                     \
	{                                                                                          \
		(const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })         \
	}
#define NOTHING                                                                                    \
	{                                                                                          \
		NULL, 0                                                                            \
	}

static bool same(struct slice a, struct slice b)
{
	return a.p == b.p && a.n == b.n;
}

/* n is the length of the content, or the number of bytes that remain unread when refused. */
static const struct {
	const char *name;
	struct slice in;
	enum err want;
	size_t n;
} elements[] = {
	{ "short form", B(0x02, 0x01, 0x05), OK, 1 },
	{ "no content", B(0x05, 0x00), OK, 0 },
	{ "bytes behind are left", B(0x04, 0x01, 0xaa, 0xbb), OK, 1 },
	{ "nothing at all", NOTHING, ERR_FORMAT, 0 },
	{ "a tag alone", B(0x02), ERR_FORMAT, 0 },
	{ "content cut off", B(0x02, 0x02, 0x05), ERR_FORMAT, 0 },
	{ "content missing", B(0x02, 0x01), ERR_FORMAT, 0 },
	{ "5 bytes in long form (10.1)", B(0x04, 0x81, 0x05, 1, 2, 3, 4, 5), ERR_FORMAT, 0 },
	{ "127 in long form (10.1)", B(0x04, 0x81, 0x7f), ERR_FORMAT, 0 },
	{ "1 byte with two length octets (10.1)", B(0x04, 0x82, 0x00, 0x01, 1), ERR_FORMAT, 0 },
	{ "255 with two length octets (10.1)", B(0x04, 0x82, 0x00, 0xff), ERR_FORMAT, 0 },
	{ "three length octets", B(0x04, 0x83, 0x01, 0x00, 0x00), ERR_FORMAT, 0 },
	{ "four length octets", B(0x04, 0x84, 0x00, 0x00, 0x00, 0x01, 1), ERR_FORMAT, 0 },
	{ "126 length octets", B(0x04, 0xfe, 0x01), ERR_FORMAT, 0 },
	{ "length octet ff, reserved (8.1.3.5)", B(0x04, 0xff, 0x01), ERR_FORMAT, 0 },
	{ "indefinite length (10.1)", B(0x30, 0x80, 0x05, 0x00, 0x00, 0x00), ERR_FORMAT, 0 },
	{ "one length octet cut off", B(0x04, 0x81), ERR_FORMAT, 0 },
	{ "two length octets cut off", B(0x04, 0x82, 0x01), ERR_FORMAT, 0 },
	{ "128 bytes announced, none there", B(0x04, 0x81, 0x80), ERR_FORMAT, 0 },
	{ "65535 bytes announced, one there", B(0x04, 0x82, 0xff, 0xff, 0x00), ERR_FORMAT, 0 },
	{ "end of contents (8.1.5)", B(0x00, 0x00), ERR_FORMAT, 0 },
	{ "tag number 31 and above, universal", B(0x1f, 0x1f, 0x00), ERR_FORMAT, 0 },
	{ "tag number 31 and above, context", B(0xbf, 0x1f, 0x00), ERR_FORMAT, 0 },
	{ "context, constructed", B(0xa3, 0x00), OK, 0 },
	{ "context, primitive", B(0x80, 0x01, 0xff), OK, 1 },
	{ "constructed OCTET STRING (10.2)", B(0x24, 0x03, 0x04, 0x01, 0x00), ERR_FORMAT, 0 },
	{ "constructed BIT STRING (10.2)", B(0x23, 0x00), ERR_FORMAT, 0 },
	{ "constructed UTF8String (10.2)", B(0x2c, 0x00), ERR_FORMAT, 0 },
	{ "constructed PrintableString (10.2)", B(0x33, 0x00), ERR_FORMAT, 0 },
	{ "constructed INTEGER (8.3.1)", B(0x22, 0x03, 0x02, 0x01, 0x00), ERR_FORMAT, 0 },
	{ "primitive SEQUENCE (8.9.1)", B(0x10, 0x00), ERR_FORMAT, 0 },
	{ "primitive SET (8.11.1)", B(0x11, 0x00), ERR_FORMAT, 0 },
	{ "constructed SET", B(0x31, 0x00), OK, 0 },
	{ "EXTERNAL is constructed (8.18)", B(0x28, 0x00), OK, 0 },
	{ "primitive EXTERNAL", B(0x08, 0x00), ERR_FORMAT, 0 },
};

static void any_element(void)
{
	for (size_t i = 0; i < COUNT(elements); i++) {
		struct slice in = elements[i].in, body = { NULL, 77 }, whole = { NULL, 77 };
		uint8_t tag = 77;
		enum err e = der_take_any(&in, &tag, &body, &whole);

		if (elements[i].want == OK)
			ok(e == OK && tag == elements[i].in.p[0] && body.n == elements[i].n &&
			        whole.p == elements[i].in.p && whole.n == body.n + 2 &&
			        in.p == whole.p + whole.n && in.n == elements[i].in.n - whole.n,
			    "element: %s", elements[i].name);
		else
			ok(e == ERR_FORMAT && same(in, elements[i].in) && body.n == 77 &&
			        whole.n == 77 && tag == 77,
			    "element: %s", elements[i].name);
	}
}

/* Lengths around each change of form, in a buffer that ends exactly with the content. */
static void lengths(void)
{
	static const size_t sizes[] = { 0, 1, 127, 128, 255, 256, 65534, 65535 };
	static uint8_t buffer[65535 + 4];

	for (size_t i = 0; i < COUNT(sizes); i++) {
		size_t n = sizes[i], head = n < 128 ? 2 : n < 256 ? 3 : 4;
		struct slice in = { buffer, head + n }, body, cut = { buffer, head + n - 1 };
		uint8_t tag;

		buffer[0] = DER_OCTET_STRING;
		buffer[1] = (uint8_t)(head == 2 ? n : 0x80 + head - 2);
		buffer[2] = (uint8_t)(head == 4 ? n >> 8 : n);
		buffer[3] = (uint8_t)n;
		ok(der_take_any(&cut, &tag, &body, NULL) == ERR_FORMAT, "%zu bytes less one", n);
		ok(der_take_any(&in, &tag, &body, NULL) == OK && body.n == n &&
		        body.p == buffer + head && in.n == 0,
		    "%zu bytes", n);
	}
}

static void wanted_tag(void)
{
	struct slice in = BYTES(0x30, 0x03, 0x02, 0x01, 0x05), start = in, body = { NULL, 77 },
	             none = NOTHING;

	ok(der_next_is(&in, DER_SEQUENCE) && !der_next_is(&in, DER_SET),
	    "der_next_is looks at the tag");
	ok(!der_next_is(&none, 0), "der_next_is: nothing has no tag");
	ok(der_take(&in, DER_SET, &body) == ERR_FORMAT && same(in, start) && body.n == 77,
	    "another tag leaves everything where it is");
	ok(der_end(&in) == ERR_FORMAT, "der_end: bytes are left");
	ok(der_take(&in, DER_SEQUENCE, &body) == OK && body.n == 3 && der_end(&in) == OK,
	    "the wanted tag is taken, and then nothing is left");
}

/* n: room in bytes; value: the low bytes that must come out. */
static const struct {
	const char *name;
	struct slice in;
	size_t n;
	enum err want;
	uint8_t first, last;
} integers[] = {
	{ "0", B(2, 1, 0x00), 1, OK, 0, 0 },
	{ "127", B(2, 1, 0x7f), 1, OK, 0x7f, 0x7f },
	{ "128 needs a sign byte", B(2, 2, 0x00, 0x80), 1, OK, 0x80, 0x80 },
	{ "255", B(2, 2, 0x00, 0xff), 1, OK, 0xff, 0xff },
	{ "256", B(2, 2, 0x01, 0x00), 2, OK, 1, 0 },
	{ "padded on the left", B(2, 1, 0x05), 20, OK, 0, 5 },
	{ "2^16 - 1 with its sign byte in two bytes", B(2, 3, 0x00, 0xff, 0xfe), 2, OK, 0xff,
	    0xfe },
	{ "no content (8.3.1)", B(2, 0), 4, ERR_FORMAT, 0, 0 },
	{ "-1", B(2, 1, 0xff), 4, ERR_FORMAT, 0, 0 },
	{ "-128", B(2, 1, 0x80), 4, ERR_FORMAT, 0, 0 },
	{ "0 in two bytes (8.3.2)", B(2, 2, 0x00, 0x00), 4, ERR_FORMAT, 0, 0 },
	{ "5 in two bytes (8.3.2)", B(2, 2, 0x00, 0x05), 4, ERR_FORMAT, 0, 0 },
	{ "127 in two bytes (8.3.2)", B(2, 2, 0x00, 0x7f), 4, ERR_FORMAT, 0, 0 },
	{ "-1 in two bytes (8.3.2)", B(2, 2, 0xff, 0xff), 4, ERR_FORMAT, 0, 0 },
	{ "a byte too many", B(2, 2, 0x01, 0x00), 1, ERR_FORMAT, 0, 0 },
	{ "a byte too many behind the sign byte", B(2, 3, 0x00, 0x80, 0x00), 1, ERR_FORMAT, 0, 0 },
	{ "an ENUMERATED", B(0x0a, 1, 0x05), 4, ERR_FORMAT, 0, 0 },
	{ "cut off", B(2, 2, 0x01), 4, ERR_FORMAT, 0, 0 },
};

static void unsigned_integers(void)
{
	for (size_t i = 0; i < COUNT(integers); i++) {
		struct slice in = integers[i].in;
		uint8_t out[21];
		size_t n = integers[i].n, zeros = 0;
		enum err e;

		memset(out, 0xa5, sizeof(out));
		e = der_take_uint(&in, out, n);
		while (zeros + integers[i].in.n - 2 < n && out[zeros] == 0)
			zeros++;
		if (integers[i].want == OK)
			ok(e == OK && in.n == 0 && out[0] == (n > 2 ? 0 : integers[i].first) &&
			        out[n - 1] == integers[i].last && out[n] == 0xa5 &&
			        (n <= 2 || zeros == n - 1),
			    "INTEGER: %s", integers[i].name);
		else
			ok(e == ERR_FORMAT && same(in, integers[i].in) && out[0] == 0xa5,
			    "INTEGER: %s", integers[i].name);
	}
}

static const struct {
	const char *name;
	struct slice in;
	enum err want;
	size_t n;
} bits[] = {
	{ "two octets", B(3, 3, 0, 0xab, 0xcd), OK, 2 },
	{ "empty", B(3, 1, 0), OK, 0 },
	{ "without the count of unused bits (8.6.2.3)", B(3, 0), ERR_FORMAT, 0 },
	{ "one unused bit", B(3, 2, 1, 0xfe), ERR_FORMAT, 0 },
	{ "eight unused bits", B(3, 2, 8, 0x00), ERR_FORMAT, 0 },
	{ "an OCTET STRING", B(4, 2, 0, 0xff), ERR_FORMAT, 0 },
};

static void bit_strings(void)
{
	for (size_t i = 0; i < COUNT(bits); i++) {
		struct slice in = bits[i].in, octets = { NULL, 77 };
		enum err e = der_take_bits(&in, &octets);

		if (bits[i].want == OK)
			ok(e == OK && octets.n == bits[i].n && octets.p == bits[i].in.p + 3 &&
			        in.n == 0,
			    "BIT STRING: %s", bits[i].name);
		else
			ok(e == ERR_FORMAT && same(in, bits[i].in) && octets.n == 77,
			    "BIT STRING: %s", bits[i].name);
	}
}

static const struct {
	const char *name;
	struct slice in;
	enum err want;
} oids[] = {
	{ "2.5.4.3", B(6, 3, 0x55, 0x04, 0x03), OK },
	{ "1.2.840.10045.4.3.2", B(6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02), OK },
	{ "one octet", B(6, 1, 0x2a), OK },
	{ "no content (8.19.2)", B(6, 0), ERR_FORMAT },
	{ "the last subidentifier goes on (8.19.2)", B(6, 2, 0x2a, 0x86), ERR_FORMAT },
	{ "padded subidentifier (8.19.2)", B(6, 3, 0x2a, 0x80, 0x01), ERR_FORMAT },
	{ "padded first subidentifier (8.19.2)", B(6, 2, 0x80, 0x01), ERR_FORMAT },
	{ "80 inside a subidentifier", B(6, 4, 0x2a, 0x81, 0x80, 0x00), OK },
	{ "RELATIVE-OID", B(13, 1, 0x01), ERR_FORMAT },
};

static void object_identifiers(void)
{
	for (size_t i = 0; i < COUNT(oids); i++) {
		struct slice in = oids[i].in, oid = { NULL, 77 };
		enum err e = der_take_oid(&in, &oid);

		ok(e == oids[i].want && (e == OK ? oid.n == oids[i].in.n - 2 && in.n == 0
		                                 : oid.n == 77 && same(in, oids[i].in)),
		    "OBJECT IDENTIFIER: %s", oids[i].name);
	}
}

static const struct {
	const char *name;
	struct slice set;
	bool want;
} sets[] = {
	{ "empty", NOTHING, true },
	{ "one", B(2, 1, 5), true },
	{ "ascending", B(2, 1, 5, 2, 1, 6), true },
	{ "the same twice", B(2, 1, 5, 2, 1, 5), true },
	{ "descending (11.6)", B(2, 1, 6, 2, 1, 5), false },
	{ "by tag (11.6)", B(4, 1, 0, 2, 1, 0), false },
	{ "by length, since it stands before the content (11.6)", B(4, 1, 9, 4, 2, 0, 0), true },
	{ "longer first (11.6)", B(4, 2, 0, 0, 4, 1, 9), false },
	{ "third before second", B(2, 1, 1, 2, 1, 3, 2, 1, 2), false },
	{ "not DER", B(2, 1, 5, 2), false },
};

static void order_of_sets(void)
{
	for (size_t i = 0; i < COUNT(sets); i++)
		ok(der_ascending(sets[i].set) == sets[i].want, "SET OF: %s", sets[i].name);
}

static void exact(void)
{
	struct slice in = BYTES(1, 2, 3), start = in;

	ok(der_take_exact(&in, BYTES(1, 2, 3, 4)) == ERR_FORMAT && same(in, start),
	    "exact: too short");
	ok(der_take_exact(&in, BYTES(1, 3)) == ERR_FORMAT && same(in, start),
	    "exact: another byte");
	ok(der_take_exact(&in, BYTES(1, 2)) == OK && in.n == 1 && in.p[0] == 3, "exact: taken");
	ok(der_take_exact(&in, (struct slice)NOTHING) == OK && in.n == 1,
	    "exact: nothing is always there");
}

int main(void)
{
	any_element();
	lengths();
	wanted_tag();
	unsigned_integers();
	bit_strings();
	object_identifiers();
	order_of_sets();
	exact();
	return done_testing();
}
