/* Messages of a board and its cloud: the bytes of the real ones, and everything else refused. */
#include "thing_message.h"
#include "tap.h"

static void real(void)
{
	static const char id[] = "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64";
	const struct {
		const char *name;
		struct slice bytes;
		struct thing_message m;
	} cases[] = {
		{ "device-begin", BYTES(0xda, 0, 1, 7, 0, 0x81, 0x65, '2', '.', '9', '.', '0'),
		    { .kind = DEVICE_BEGIN, .body = TEXT("2.9.0") } },
		{ "thing-begin", BYTES(0xda, 0, 1, 3, 0, 0x81, 0x60), { .kind = THING_BEGIN } },
		{ "thing-update of no thing", BYTES(0xda, 0, 1, 4, 0, 0x81, 0x60),
		    { .kind = THING_UPDATE } },
		{ "thing-update",
		    BYTES(0xda, 0, 1, 4, 0, 0x81, 0x78, 0x24, '3', 'c', '1', 'f', '7', 'd', '5',
		        '2', '-', '9', 'b', '0', 'e', '-', '4', 'e', '6', 'f', '-', '8', 'a', '3',
		        '1', '-', '0', 'd', '5', 'b', '7', 'c', '9', 'e', '2', 'f', '6', '4'),
		    { .kind = THING_UPDATE, .body = { (const uint8_t *)id, 36 } } },
		{ "last-values-begin", BYTES(0xda, 0, 1, 5, 0, 0x80),
		    { .kind = LAST_VALUES_BEGIN } },
		{ "last-values", BYTES(0xda, 0, 1, 6, 0, 0x81, 0x41, 0x80),
		    { .kind = LAST_VALUES, .body = BYTES(0x80) } },
		{ "timezone-begin", BYTES(0xda, 0, 1, 8, 0, 0x80), { .kind = TIMEZONE_BEGIN } },
		{ "timezone", BYTES(0xda, 0, 1, 9, 0, 0x82, 0x39, 0x0e, 0x0f, 0x1a, 0x65, 0, 0, 0),
		    { .kind = TIMEZONE, .offset = -3600, .until = 0x65000000 } },
		{ "thing-detach", BYTES(0xda, 0, 1, 0x10, 0, 0x81, 0x61, 'x'),
		    { .kind = THING_DETACH, .body = TEXT("x") } },
		{ "wifi-firmware", BYTES(0xda, 0, 1, 0x20, 0x14, 0x81, 0x63, '1', '.', '5'),
		    { .kind = WIFI_FIRMWARE, .body = TEXT("1.5") } },
		{ "net-config", BYTES(0xda, 0, 1, 0x11, 0, 0x80), { .kind = NET_CONFIG } },
	};
	uint8_t out[64];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cbor_w w = cbor_writer(out, sizeof(out));
		struct thing_message m = { .kind = THING_MESSAGE_KINDS };
		struct slice bytes = { NULL, 0 };

		ok(thing_message_parse(cases[i].bytes, &m) == OK && m.kind == cases[i].m.kind &&
		        slice_equal(m.body, cases[i].m.body) && m.offset == cases[i].m.offset &&
		        m.until == cases[i].m.until,
		    "%s", cases[i].name);
		thing_message_put(&w, &m);
		ok(cbor_finish(&w, &bytes) == OK && slice_equal(bytes, cases[i].bytes),
		    "%s, written again", cases[i].name);
	}
}

static void refused(void)
{
	const struct {
		const char *name;
		struct slice in;
	} cases[] = {
		{ "nothing", { NULL, 0 } },
		{ "no tag", BYTES(0x81, 0x60) },
		{ "a tag alone", BYTES(0xda, 0, 1, 3, 0) },
		{ "a tag that nobody has", BYTES(0xda, 0, 1, 0x99, 0, 0x80) },
		{ "a tag of 64 bits", BYTES(0xdb, 0, 0, 0, 0, 0, 1, 3, 0, 0x81, 0x60) },
		{ "text without its array", BYTES(0xda, 0, 1, 3, 0, 0x60) },
		{ "an empty array for text", BYTES(0xda, 0, 1, 3, 0, 0x80) },
		{ "two texts", BYTES(0xda, 0, 1, 3, 0, 0x82, 0x60, 0x60) },
		{ "bytes for text", BYTES(0xda, 0, 1, 3, 0, 0x81, 0x40) },
		{ "text for bytes", BYTES(0xda, 0, 1, 6, 0, 0x81, 0x60) },
		{ "something where nothing belongs", BYTES(0xda, 0, 1, 5, 0, 0x81, 0x60) },
		{ "a time zone with one number", BYTES(0xda, 0, 1, 9, 0, 0x81, 0) },
		{ "a time zone until before 1970", BYTES(0xda, 0, 1, 9, 0, 0x82, 0, 0x20) },
		{ "bytes behind", BYTES(0xda, 0, 1, 3, 0, 0x81, 0x60, 0) },
		{ "an indefinite array", BYTES(0xda, 0, 1, 3, 0, 0x9f, 0x60, 0xff) },
	};
	uint8_t long_text[80] = { 0xda, 0, 1, 3, 0, 0x81, 0x78, 65 };
	struct thing_message m = { .kind = NET_CONFIG };

	for (size_t i = 0; i < COUNT(cases); i++)
		ok(thing_message_parse(cases[i].in, &m) == ERR_FORMAT && m.kind == NET_CONFIG, "%s",
		    cases[i].name);
	memset(long_text + 8, 'x', 65);
	ok(thing_message_parse((struct slice){ long_text, 8 + 65 }, &m) == ERR_FORMAT,
	    "a text of 65 bytes");
	long_text[7] = 64;
	ok(thing_message_parse((struct slice){ long_text, 8 + 64 }, &m) == OK,
	    "one of 64 is taken");
}

/* Nobody looks into what may hold the name of somebody's Wi-Fi. */
static void unread(void)
{
	struct thing_message m;

	ok(thing_message_parse(BYTES(0xda, 0, 1, 0x11, 0, 0x9f, 0xfb, 0x00), &m) == OK &&
	        m.kind == NET_CONFIG && m.body.n == 0,
	    "what is not to be read may be anything");
	ok(strcmp(thing_message_name(NET_CONFIG), "net-config") == 0 &&
	        strcmp(thing_message_name(THING_MESSAGE_KINDS), "unknown") == 0,
	    "names");
}

int main(void)
{
	real();
	refused();
	unread();
	return done_testing();
}
