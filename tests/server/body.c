/* JSON bodies: what is taken, what is refused, and whether the refusal names the member. */
#include "body.h"
#include "tap.h"

#include <stdlib.h>

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *name, *json;
	enum err want;
	const char *names; /* what the text must hold */
} cases[] = {
	{ "one member", "{\"type\":\"opta\"}", OK, "" },
	{ "white space, CR LF behind", " { \"type\" : \"opta\" } \r\n", OK, "" },
	{ "none", "{}", OK, "" },
	{ "all of a sketch",
	    "{\"fqbn\":\"arduino:samd:mkrwifi1010\",\"name\":\"NewDevice_1\","
	    "\"type\":\"mkrwifi1010\",\"serial\":\"0123F2A8C4E691B0EE\"}",
	    OK, "" },
	{ "a name with a space", "{\"name\":\"my board\"}", OK, "" },
	{ "a name with an umlaut", "{\"name\":\"Gew\\u00e4chshaus\"}", OK, "" },
	{ "64 bytes", "{\"name\":\"" A64 "\"}", OK, "" },
	{ "65 bytes", "{\"name\":\"a" A64 "\"}", ERR_FORMAT, "name: 65 bytes, at most 64" },
	{ "an empty name", "{\"name\":\"\"}", ERR_FORMAT, "name: empty" },
	{ "a name of blanks", "{\"name\":\"  \"}", ERR_FORMAT, "name: not" },
	{ "a name with a line feed", "{\"name\":\"a\\nb\"}", ERR_FORMAT, "name: not" },
	{ "a name with an escape sequence", "{\"name\":\"a\\u001b[2Jb\"}", ERR_FORMAT,
	    "name: not text without control characters" },
	{ "a name with DEL", "{\"name\":\"a\x7f\"}", ERR_FORMAT, "name: not text" },
	{ "a name with U+009B", "{\"name\":\"a\\u009b2J\"}", ERR_FORMAT, "name: not text" },
	{ "the same in UTF-8", "{\"name\":\"a\xc2\x9b\"}", ERR_FORMAT, "name: not text" },
	{ "a name that turns the direction", "{\"name\":\"a\\u202eb\"}", ERR_FORMAT,
	    "name: not text" },
	{ "a name with an isolate", "{\"name\":\"a\\u2066b\"}", ERR_FORMAT, "name: not text" },
	{ "a name in another direction", "{\"name\":\"\\u05d0 1\"}", OK, "" },
	{ "an empty serial", "{\"serial\":\"\"}", OK, "" },
	{ "a serial as USB has it", "{\"serial\":\"34:85:18:00:AA:01\"}", OK, "" },
	{ "a serial with a blank", "{\"serial\":\"12 34\"}", OK, "" },
	{ "a serial of colons", "{\"serial\":\"::\"}", ERR_FORMAT, "serial: not" },
	{ "a serial with a line's end", "{\"serial\":\"1\\n2\"}", ERR_FORMAT, "serial: not" },
	{ "an unknown type", "{\"type\":\"toaster\"}", ERR_FORMAT, "type: not" },
	{ "half a word", "{\"type\":\"opt\"}", ERR_FORMAT, "type: not" },
	{ "two words", "{\"type\":\"opta giga\"}", ERR_FORMAT, "type: not" },
	{ "an unknown connection", "{\"connection_type\":\"smoke\"}", ERR_FORMAT,
	    "connection_type: not" },
	{ "flags", "{\"locked\":true,\"soft_deleted\":false}", OK, "" },
	{ "a number for a flag", "{\"locked\":1}", ERR_FORMAT, "locked: not true or false" },
	{ "a text for a flag", "{\"locked\":\"true\"}", ERR_FORMAT, "locked: not true or false" },
	{ "null", "{\"name\":null}", ERR_FORMAT, "name: not a string" },
	{ "a number for a text", "{\"name\":7}", ERR_FORMAT, "name: not a string" },
	{ "an object for a text", "{\"name\":{}}", ERR_FORMAT, "name: not a string" },
	{ "an unknown member", "{\"type\":\"opta\",\"colour\":\"red\"}", ERR_FORMAT,
	    "colour: no member" },
	{ "a member in another case", "{\"Name\":\"a\"}", ERR_FORMAT, "Name: no member" },
	{ "a member twice", "{\"name\":\"a\",\"name\":\"b\"}", ERR_FORMAT, "duplicate" },
	{ "an array", "[]", ERR_FORMAT, "not an object" },
	{ "a text", "\"type\"", ERR_FORMAT, "not JSON" },
	{ "nothing", "", ERR_FORMAT, "empty" },
	{ "half an object", "{\"name\":\"a\"", ERR_FORMAT, "not JSON" },
	{ "bytes behind", "{} {}", ERR_FORMAT, "not JSON" },
	{ "a comma too many", "{\"name\":\"a\",}", ERR_FORMAT, "not JSON" },
	{ "a comment", "{} // yes", ERR_FORMAT, "not JSON" },
	{ "broken UTF-8", "{\"name\":\"\xc3\"}", ERR_FORMAT, "not JSON" },
	{ "overlong UTF-8", "{\"name\":\"\xc0\xaf\"}", ERR_FORMAT, "not JSON" },
	{ "half a surrogate", "{\"name\":\"\\ud800\"}", ERR_FORMAT, "not JSON" },
	{ "a NUL", "{\"name\":\"a\\u0000b\"}", ERR_FORMAT, "not JSON" },
	{ "a UUID", "{\"user_id\":\"3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64\"}", OK, "" },
	{ "no UUID", "{\"user_id\":\"3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2fxx\"}", ERR_FORMAT,
	    "user_id: not" },
	{ "a MAC", "{\"ble_mac\":\"AA:BB:cc:00:11:22\"}", OK, "" },
	{ "a MAC with its colons elsewhere", "{\"ble_mac\":\"AAB:B:cc:00:11:22\"}", ERR_FORMAT,
	    "ble_mac: not" },
	{ "a MAC too short", "{\"ble_mac\":\"AA:BB\"}", ERR_FORMAT, "ble_mac: 5 bytes" },
	{ "a version", "{\"wifi_fw_version\":\"1.5.0\"}", OK, "" },
	{ "a version too long", "{\"wifi_fw_version\":\"1.5.0-alpha\"}", ERR_FORMAT,
	    "wifi_fw_version: 11 bytes" },
};

static struct slice slice(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static void table(void)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct device_body b, before;
		struct errbuf eb = { "" };
		uint32_t given = 77;
		enum err e;

		memset(&b, 0x5a, sizeof(b));
		before = b;
		e = body_parse(&device_object, slice(cases[i].json), &b, &given, &eb);
		ok(e == cases[i].want && strstr(eb.text, cases[i].names) &&
		        (e == OK || (given == 77 && memcmp(&b, &before, sizeof(b)) == 0)),
		    "%s (%s)", cases[i].name, eb.text);
	}
}

static void values(void)
{
	struct device_body b;
	char names[64];
	uint32_t given;

	ok(body_parse(&device_object,
	       slice("{\"serial\":\"\",\"name\":\"\\u00fc\\\"_\",\"soft_deleted\":true}"), &b,
	       &given, NULL) == OK &&
	        given == (BODY_BIT(DEVICE_serial) | BODY_BIT(DEVICE_name) |
	                     BODY_BIT(DEVICE_soft_deleted)) &&
	        strcmp(b.name, "\xc3\xbc\"_") == 0 && b.serial[0] == '\0' && b.soft_deleted &&
	        !b.locked && b.type[0] == '\0',
	    "values are where they belong, the others are empty");
	body_given(&device_object, given, names, sizeof(names));
	ok(strcmp(names, "name,serial,soft_deleted") == 0, "their names (%s)", names);
	body_given(&device_object, given, names, 7);
	ok(strcmp(names, "name,s") == 0, "cut to fit (%s)", names);
}

static void deep_and_long(void)
{
	static char text[BODY_MAX + 2];
	struct device_body b;
	struct errbuf eb = { "" };
	uint32_t given;

	memset(text, '[', BODY_MAX);
	ok(body_parse(&device_object, (struct slice){ (uint8_t *)text, BODY_MAX }, &b, &given,
	       &eb) == ERR_FORMAT,
	    "%d brackets (%s)", BODY_MAX, eb.text);
	memset(text, ' ', BODY_MAX + 1);
	memcpy(text, "{}", 2);
	ok(body_parse(
	       &device_object, (struct slice){ (uint8_t *)text, BODY_MAX }, &b, &given, &eb) == OK,
	    "as long as may be");
	ok(body_parse(&device_object, (struct slice){ (uint8_t *)text, BODY_MAX + 1 }, &b, &given,
	       &eb) == ERR_SPACE,
	    "one byte more (%s)", eb.text);
}

int main(void)
{
	table();
	values();
	deep_and_long();
	return done_testing();
}
