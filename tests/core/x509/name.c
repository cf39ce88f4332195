#include "x509.h"
#include "tap.h"
#include "vectors.h"

static struct slice string(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

/* Name of one RDN with one attribute of these bytes. */
#define RDN(n, oid, tag, ...)                                                                      \
	0x31, (n) + 9, 0x30, (n) + 7, 0x06, 0x03, 0x55, 0x04, oid, tag, n, __VA_ARGS__
#define B(...)                                                                                     \
	{                                                                                          \
		(const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })         \
	}

/* cn is what must be understood as the common name. */
static const struct {
	const char *name;
	struct slice der;
	enum err want;
	const char *cn;
} names[] = {
	{ "empty", B(0x30, 0), OK, "" },
	{ "PrintableString", B(0x30, 12, RDN(1, 3, 0x13, 'x')), OK, "x" },
	{ "UTF8String", B(0x30, 13, RDN(2, 3, 0x0c, 0xc3, 0xa9)), OK, "\xc3\xa9" },
	{ "IA5String", B(0x30, 12, RDN(1, 3, 0x16, '@')), OK, "@" },
	{ "unknown attribute", B(0x30, 12, RDN(1, 5, 0x13, 'x')), OK, "" },
	{ "unknown attribute with a number in it", B(0x30, 12, RDN(1, 5, 0x02, 7)), OK, "" },
	{ "foreign attribute", B(0x30, 11, 0x31, 9, 0x30, 7, 6, 2, 0x2a, 3, 0x13, 1, 'x'), OK, "" },
	{ "attribute 85.4.3 of another arc",
	    B(0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x56, 4, 3, 0x13, 1, 'x'), OK, "" },
	{ "two attributes in one RDN",
	    B(0x30, 22, 0x31, 20, 0x30, 8, 6, 3, 0x55, 4, 3, 0x13, 1, 'a', 0x30, 8, 6, 3, 0x55, 4,
	        6, 0x13, 1, 'b'),
	    OK, "a" },
	{ "two attributes in the wrong order (X.690 11.6)",
	    B(0x30, 22, 0x31, 20, 0x30, 8, 6, 3, 0x55, 4, 6, 0x13, 1, 'a', 0x30, 8, 6, 3, 0x55, 4,
	        3, 0x13, 1, 'b'),
	    ERR_FORMAT, NULL },
	{ "common name twice", B(0x30, 24, RDN(1, 3, 0x13, 'a'), RDN(1, 3, 0x13, 'b')), ERR_FORMAT,
	    NULL },
	{ "unknown attribute twice", B(0x30, 24, RDN(1, 5, 0x13, 'a'), RDN(1, 5, 0x13, 'b')), OK,
	    "" },
	{ "NUL in a name", B(0x30, 14, RDN(3, 3, 0x13, 'a', 0, 'b')), ERR_FORMAT, NULL },
	{ "line end in a name", B(0x30, 12, RDN(1, 3, 0x13, '\n')), ERR_FORMAT, NULL },
	{ "DEL in a name", B(0x30, 12, RDN(1, 3, 0x13, 0x7f)), ERR_FORMAT, NULL },
	{ "NEL in UTF-8", B(0x30, 13, RDN(2, 3, 0x0c, 0xc2, 0x85)), ERR_FORMAT, NULL },
	{ "first character behind the controls", B(0x30, 13, RDN(2, 3, 0x0c, 0xc2, 0xa0)), OK,
	    "\xc2\xa0" },
	{ "eight bits in a PrintableString", B(0x30, 12, RDN(1, 3, 0x13, 0xe9)), ERR_FORMAT, NULL },
	{ "TeletexString", B(0x30, 12, RDN(1, 3, 0x14, 'x')), ERR_FORMAT, NULL },
	{ "BMPString", B(0x30, 13, RDN(2, 3, 0x1e, 0, 'x')), ERR_FORMAT, NULL },
	{ "empty common name", B(0x30, 11, 0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 3, 0x13, 0), ERR_FORMAT,
	    NULL },
	{ "UTF-8: continuation alone", B(0x30, 12, RDN(1, 3, 0x0c, 0x80)), ERR_FORMAT, NULL },
	{ "UTF-8: cut off", B(0x30, 12, RDN(1, 3, 0x0c, 0xc3)), ERR_FORMAT, NULL },
	{ "UTF-8: '/' in two bytes", B(0x30, 13, RDN(2, 3, 0x0c, 0xc0, 0xaf)), ERR_FORMAT, NULL },
	{ "UTF-8: '/' in three bytes", B(0x30, 14, RDN(3, 3, 0x0c, 0xe0, 0x80, 0xaf)), ERR_FORMAT,
	    NULL },
	{ "UTF-8: '/' in four bytes", B(0x30, 15, RDN(4, 3, 0x0c, 0xf0, 0x80, 0x80, 0xaf)),
	    ERR_FORMAT, NULL },
	{ "UTF-8: surrogate", B(0x30, 14, RDN(3, 3, 0x0c, 0xed, 0xa0, 0x80)), ERR_FORMAT, NULL },
	{ "UTF-8: three bytes", B(0x30, 14, RDN(3, 3, 0x0c, 0xe2, 0x82, 0xac)), OK,
	    "\xe2\x82\xac" },
	{ "UTF-8: the last character", B(0x30, 15, RDN(4, 3, 0x0c, 0xf4, 0x8f, 0xbf, 0xbf)), OK,
	    "\xf4\x8f\xbf\xbf" },
	{ "UTF-8: behind the last", B(0x30, 15, RDN(4, 3, 0x0c, 0xf4, 0x90, 0x80, 0x80)),
	    ERR_FORMAT, NULL },
	{ "UTF-8: f5", B(0x30, 15, RDN(4, 3, 0x0c, 0xf5, 0x80, 0x80, 0x80)), ERR_FORMAT, NULL },
	{ "UTF-8: bad third byte", B(0x30, 14, RDN(3, 3, 0x0c, 0xe2, 0x82, 0x2c)), ERR_FORMAT,
	    NULL },
	{ "nothing", { NULL, 0 }, ERR_FORMAT, NULL },
	{ "a SET", B(0x31, 0), ERR_FORMAT, NULL },
	{ "bytes behind", B(0x30, 0, 0), ERR_FORMAT, NULL },
	{ "an empty RDN (X.501 9.3)", B(0x30, 2, 0x31, 0), ERR_FORMAT, NULL },
	{ "an RDN that is a SEQUENCE",
	    B(0x30, 12, 0x30, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x13, 1, 'x'), ERR_FORMAT, NULL },
	{ "an attribute without value", B(0x30, 9, 0x31, 7, 0x30, 5, 6, 3, 0x55, 4, 3), ERR_FORMAT,
	    NULL },
	{ "an attribute with two values",
	    B(0x30, 15, 0x31, 13, 0x30, 11, 6, 3, 0x55, 4, 3, 0x13, 1, 'x', 0x13, 1, 'y'),
	    ERR_FORMAT, NULL },
	{ "a type that is no OID", B(0x30, 12, 0x31, 10, 0x30, 8, 4, 3, 0x55, 4, 3, 0x13, 1, 'x'),
	    ERR_FORMAT, NULL },
};

static void forms(void)
{
	for (size_t i = 0; i < COUNT(names); i++) {
		struct x509_name got = { .at = { [X509_O] = { NULL, 77 } } };
		enum err e = x509_name_parse(names[i].der, &got);

		if (names[i].want == OK)
			ok(e == OK && slice_equal(got.at[X509_CN], string(names[i].cn)) &&
			        got.at[X509_O].n == 0,
			    "%s", names[i].name);
		else
			ok(e == ERR_FORMAT && got.at[X509_O].n == 77, "%s", names[i].name);
	}
}

static void every_attribute(void)
{
	struct x509_name name = { .at = { TEXT("CH"), TEXT("ST"), TEXT("L"), TEXT("O"), TEXT("OU"),
		                      TEXT("CN") } };
	uint8_t buffer[128];
	struct x509_name back = { 0 };
	struct slice out, in, der;

	for (unsigned missing = 0; missing <= X509_ATTRIBUTES; missing++) {
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct x509_name some = name;
		bool same = true;

		if (missing < X509_ATTRIBUTES)
			some.at[missing].n = 0;
		x509_name_put(&w, &some);
		ok(der_finish(&w, &out) == OK && x509_name_parse(out, &back) == OK,
		    "without %u: read back", missing);
		for (unsigned i = 0; i < X509_ATTRIBUTES; i++)
			same &= slice_equal(some.at[i], back.at[i]);
		ok(same, "without %u: the same", missing);
	}
	in = (struct slice){ buffer, out.n + 1 };
	ok(x509_name_take(&in, &der, &back) == OK && slice_equal(der, out) && in.n == 1,
	    "x509_name_take leaves what follows");
}

static void arduino(void)
{
	struct x509_name name = { .at = { [X509_C] = TEXT("US"),
		                      [X509_O] = TEXT("Arduino LLC US"),
		                      [X509_OU] = TEXT("IT"),
		                      [X509_CN] = TEXT("Arduino") } };
	uint8_t buffer[128];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct slice out;

	x509_name_put(&w, &name);
	ok(der_finish(&w, &out) == OK && slice_equal(out, SLICE(x509_arduino_issuer)),
	    "the issuer of every Arduino board is what x509_name_put makes of its parts");
}

int main(void)
{
	forms();
	every_attribute();
	arduino();
	return done_testing();
}
