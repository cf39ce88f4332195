/* Percent signs and forms, as clients really send them and as they must not. */
#include "form.h"
#include "tap.h"

static struct slice text(const char *t)
{
	return (struct slice){ (const uint8_t *)t, strlen(t) };
}

#define T(literal) literal, sizeof(literal) - 1 /* some hold a NUL */

static const struct {
	const char *name;
	const char *in;
	size_t n;
	bool plus;
	enum err e;
	const char *out;
} decoded[] = {
	{ "plain text stays", T("abc-_.~"), true, OK, "abc-_.~" },
	{ "a colon and slashes need no escape", T("https://api2.arduino.cc/iot"), true, OK,
	    "https://api2.arduino.cc/iot" },
	{ "either case of digits", T("%2f%2F%c3%A4"), true, OK, "//\xc3\xa4" },
	{ "plus is a blank in forms", T("a+b"), true, OK, "a b" },
	{ "and a plus in paths", T("a+b"), false, OK, "a+b" },
	{ "an escaped plus is a plus", T("a%2Bb"), true, OK, "a+b" },
	{ "nothing", T(""), true, OK, "" },
	{ "a percent sign alone", T("%"), true, ERR_FORMAT, NULL },
	{ "one digit", T("a%4"), true, ERR_FORMAT, NULL },
	{ "no digits", T("%zz"), true, ERR_FORMAT, NULL },
	{ "a sign for a digit", T("%+1"), true, ERR_FORMAT, NULL },
	{ "an escaped NUL", T("a%00b"), true, ERR_FORMAT, NULL },
	{ "a bare NUL", T("a\0b"), true, ERR_FORMAT, NULL },
	{ "decoded once, not twice", T("%2541"), true, OK, "%41" },
	{ "longer than there is room", T("1234567890123456789012345678901%32"), true, ERR_SPACE,
	    NULL },
	{ "as long as there is room", T("123456789012345678901234567890%31"), true, OK,
	    "1234567890123456789012345678901" },
};

static void test_decode(void)
{
	for (size_t i = 0; i < COUNT(decoded); i++) {
		char out[32];
		struct slice in = { (const uint8_t *)decoded[i].in, decoded[i].n };
		enum err e = form_decode(in, decoded[i].plus, out, sizeof(out));

		ok(e == decoded[i].e && (e != OK || strcmp(out, decoded[i].out) == 0), "%s",
		    decoded[i].name);
	}
	ok(form_decode(text(""), true, (char[1]){ 'x' }, 0) == ERR_SPACE, "no room for the NUL");
}

static bool next_is(struct slice *in, const char *key, const char *value)
{
	char k[16], v[64];

	return form_take(in, k, sizeof(k), v, sizeof(v)) == OK && strcmp(k, key) == 0 &&
	       strcmp(v, value) == 0;
}

static bool ended(struct slice *in)
{
	char k[16], v[64];

	return form_take(in, k, sizeof(k), v, sizeof(v)) == ERR_NOT_FOUND && in->n == 0;
}

static void test_pairs(void)
{
	struct slice in = text("grant_type=client_credentials&client_id=a%26b&client_secret=x=y&"
	                       "audience=https://api2.arduino.cc/iot");
	char k[16], v[16];

	ok(next_is(&in, "grant_type", "client_credentials") && next_is(&in, "client_id", "a&b") &&
	        next_is(&in, "client_secret", "x=y") &&
	        next_is(&in, "audience", "https://api2.arduino.cc/iot") && ended(&in),
	    "a sketch's form");
	in = text("&&a&b=&=c&");
	ok(next_is(&in, "a", "") && next_is(&in, "b", "") && next_is(&in, "", "c") && ended(&in),
	    "empty pairs, keys and values");
	in = text("");
	ok(ended(&in), "an empty form");
	in = (struct slice){ NULL, 0 };
	ok(ended(&in), "no form");
	in = text("a=%&b=1");
	ok(form_take(&in, k, sizeof(k), v, sizeof(v)) == ERR_FORMAT && next_is(&in, "b", "1"),
	    "behind a wrong pair the next one can be read");
	in = text("a_very_long_key_indeed=1&b=1");
	ok(form_take(&in, k, sizeof(k), v, sizeof(v)) == ERR_SPACE && next_is(&in, "b", "1"),
	    "behind one that is too long, too");
}

int main(void)
{
	test_decode();
	test_pairs();
	return done_testing();
}
