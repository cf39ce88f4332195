/* MQTT from the board's side: every packet whole and cut at every byte, every way to break the rules, time. */
#include "mqtt.h"
#include "tap.h"

#define ID "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"
#define DOWN "/a/d/" ID "/c/dw"
#define UP "/a/d/" ID "/c/up"
#define CONNACK "\x20\x02\x00\x00"
#define SUBACK "\x90\x03\x00\x01\x00"
/* What a board says first: its version. */
#define BEGIN                                                                                      \
	"\xda\x00\x01\x07\x00\x81\x65"                                                             \
	"0.1.0"
/* A message "hello" on our topic; 2 + 46 + 5 bytes. */
#define HELLO "\x30\x35\x00\x2e" DOWN "hello"

static const char connect_packet[] = "\x10\x30\x00\x04MQTT\x04\x02\x00\x1e\x00\x24" ID;
static const char subscribe_packet[] = "\x82\x33\x00\x01\x00\x2e" DOWN "\x00";

static struct mqtt begun(void)
{
	struct mqtt m;

	if (mqtt_start(&m, TEXT(ID), TEXT(DOWN)) != OK)
		printf("Bail out! mqtt_start\n");
	return m;
}

/* Takes everything, in pieces of `cut` bytes; the last event that was one. */
static enum mqtt_event feed(struct mqtt *m, struct slice in, size_t cut)
{
	enum mqtt_event last = MQTT_NOTHING, event;

	while (in.n > 0) {
		struct slice part = { in.p, cut < in.n ? cut : in.n };

		in.p += part.n;
		in.n -= part.n;
		while (part.n > 0)
			if ((event = mqtt_take(m, &part)) != MQTT_NOTHING)
				last = event;
	}
	return last;
}

static void all_sent(struct mqtt *m)
{
	mqtt_sent(m, mqtt_output(m).n);
}

static struct mqtt online(void)
{
	struct mqtt m = begun();

	all_sent(&m);
	feed(&m, TEXT(CONNACK), 4);
	all_sent(&m);
	if (feed(&m, TEXT(SUBACK), 5) != MQTT_ONLINE)
		printf("Bail out! not online\n");
	return m;
}

static void is_output(const struct mqtt *m, struct slice want, const char *name)
{
	struct slice out = mqtt_output(m);

	is_bytes(out.p, out.n, want.p, want.n, name);
}

static void test_going_online(void)
{
	for (size_t cut = 1; cut <= 5; cut++) {
		struct mqtt m = begun();

		is_output(&m, TEXT(connect_packet), "CONNECT");
		mqtt_sent(&m, 3);
		ok(mqtt_output(&m).n == sizeof(connect_packet) - 1 - 3 && mqtt_output(&m).p[0] == 4,
		    "a part of it has left");
		all_sent(&m);
		ok(feed(&m, TEXT(CONNACK), cut) == MQTT_NOTHING && m.state == MQTT_SUBSCRIBING,
		    "CONNACK in pieces of %zu", cut);
		is_output(&m, TEXT(subscribe_packet), "SUBSCRIBE");
		all_sent(&m);
		ok(feed(&m, TEXT(SUBACK), cut) == MQTT_ONLINE && m.state == MQTT_READY &&
		        m.subscribed,
		    "SUBACK in pieces of %zu", cut);
	}
}

static void test_messages(void)
{
	static uint8_t big[3 + 2400] = { 0x30, 0xE0, 0x12, 0x00 }; /* 2400 bytes behind 3 */
	struct mqtt m = online();
	struct slice two = TEXT(HELLO "\xd0\x00" HELLO);

	for (size_t cut = 1; cut <= sizeof(HELLO); cut++)
		if (!(feed(&m, TEXT(HELLO), cut) == MQTT_MESSAGE &&
		        slice_equal(m.message, TEXT("hello"))))
			ok(false, "a message in pieces of %zu", cut);
	ok(m.state == MQTT_READY, "a message in pieces of any size");
	feed(&m, TEXT("\x31\x35\x00\x2e" DOWN "hello"), 9);
	ok(slice_equal(m.message, TEXT("hello")), "a retained one");
	ok(feed(&m, TEXT("\x30\x30\x00\x2e" DOWN), 9) == MQTT_MESSAGE && m.message.n == 0,
	    "an empty one");
	ok(feed(&m, TEXT("\x30\x07\x00\x03/a/hi"), 9) == MQTT_NOTHING && m.state == MQTT_READY,
	    "another topic is read past");
	mqtt_elapsed(&m, MQTT_KEEP_ALIVE_MS);
	ok(mqtt_take(&m, &two) == MQTT_MESSAGE && two.n > 0, "two at once: the first");
	ok(mqtt_take(&m, &two) == MQTT_MESSAGE && two.n == 0 && !m.pinged,
	    "then what is between them and the second");

	store_be16(big + 3, sizeof(DOWN) - 1);
	memcpy(big + 5, DOWN, sizeof(DOWN) - 1);
	ok(feed(&m, (struct slice){ big, 3 + 2400 }, 7) == MQTT_NOTHING &&
	        feed(&m, TEXT(HELLO), 3) == MQTT_MESSAGE,
	    "one that is too long is read past, and the next one is whole");

	m = begun();
	feed(&m, TEXT(CONNACK), 9);
	ok(feed(&m, TEXT(HELLO), 9) == MQTT_MESSAGE && feed(&m, TEXT(SUBACK), 9) == MQTT_ONLINE,
	    "a message may overtake SUBACK");
}

static void test_publish(void)
{
	static const char want[] = "\x30\x3c\x00\x2e" UP BEGIN;
	static const uint8_t long_one[MQTT_OUTPUT_MAX];
	struct mqtt m = begun();

	ok(mqtt_publish(&m, TEXT(UP), TEXT("x")) == ERR_CONFLICT, "not before it is online");
	m = online();
	ok(mqtt_publish(&m, TEXT(UP), TEXT(BEGIN)) == OK, "published");
	is_output(&m, TEXT(want), "PUBLISH");
	ok(mqtt_publish(&m, TEXT(UP), SLICE(long_one)) == ERR_SPACE, "too long");
	ok(mqtt_publish(&m, TEXT(""), TEXT("x")) == ERR_ARG, "no topic");
	is_output(&m, TEXT(want), "both leave what waits alone");
	while (mqtt_publish(&m, TEXT(UP), TEXT("x")) == OK)
		;
	ok(mqtt_output(&m).n <= MQTT_OUTPUT_MAX &&
	        memcmp(mqtt_output(&m).p, want, sizeof(want) - 1) == 0,
	    "until no more fits");
	all_sent(&m);
	ok(mqtt_publish(&m, TEXT(UP), (struct slice){ NULL, 0 }) == OK && mqtt_output(&m).n == 50,
	    "an empty one");
	all_sent(&m);
	ok(mqtt_publish(&m, TEXT(UP), (struct slice){ long_one, 200 }) == OK &&
	        mqtt_output(&m).n == 3 + 2 + 46 + 200 && mqtt_output(&m).p[1] == 0xF8 &&
	        mqtt_output(&m).p[2] == 0x01,
	    "two bytes of length");
	m = begun();
	ok(mqtt_start(&m, TEXT(""), TEXT(DOWN)) == ERR_ARG &&
	        mqtt_start(&m, TEXT(ID), TEXT("")) == ERR_ARG &&
	        mqtt_start(&m, TEXT(ID ID), TEXT(DOWN)) == ERR_ARG,
	    "names have 1 to 64 bytes");
}

static void test_refused(void)
{
	static const char *const words[] = { "", "version", "client id", "unavailable", "password",
		"not authorized" };

	for (uint8_t code = 1; code <= 5; code++) {
		struct mqtt m = begun();
		struct slice in = BYTES(0x20, 2, 0, code);

		ok(feed(&m, in, 1) == MQTT_FAILED && m.fault == MQTT_REFUSED && m.code == code &&
		        strstr(mqtt_fault_text(&m), words[code]) != NULL,
		    "CONNACK %u: %s", code, mqtt_fault_text(&m));
		ok(mqtt_output(&m).n == 0, "nothing more is said");
	}
	struct mqtt m = begun();

	feed(&m, TEXT(CONNACK), 9);
	ok(feed(&m, TEXT("\x90\x03\x00\x01\x80"), 9) == MQTT_ONLINE && !m.subscribed,
	    "a refused subscription ends nothing");
}

/* Where in the conversation the bytes come. */
enum when { FIRST, SUBSCRIBED, ONLINE };

static const struct {
	const char *name;
	enum when when;
	struct slice in;
} malformed[] = {
#define BROKEN(name, when, bytes)                                                                  \
	{                                                                                          \
		name, when,                                                                        \
		{                                                                                  \
			(const uint8_t *)(bytes), sizeof(bytes) - 1                                \
		}                                                                                  \
	}
	BROKEN("no packet type (2.2.1)", FIRST, "\x00\x00"),
	BROKEN("CONNACK of another length", FIRST, "\x20\x03\x00\x00\x00"),
	BROKEN("CONNACK with flags (2.2.2)", FIRST, "\x21\x02\x00\x00"),
	BROKEN("CONNACK with a session (3.2.2.2)", FIRST, "\x20\x02\x01\x00"),
	BROKEN("CONNACK with a reserved code", FIRST, "\x20\x02\x00\x06"),
	BROKEN("SUBACK instead of CONNACK (3.2)", FIRST, SUBACK),
	BROKEN("PUBLISH before CONNACK", FIRST, HELLO),
	BROKEN("PINGRESP before CONNACK", FIRST, "\xd0\x00"),
	BROKEN("CONNACK twice", SUBSCRIBED, CONNACK),
	BROKEN("SUBACK of another packet", SUBSCRIBED, "\x90\x03\x00\x02\x00"),
	BROKEN("SUBACK with more QoS than asked (3.9.3)", SUBSCRIBED, "\x90\x03\x00\x01\x01"),
	BROKEN("SUBACK of two", SUBSCRIBED, "\x90\x04\x00\x01\x00\x00"),
	BROKEN("SUBACK that nobody waits for", ONLINE, SUBACK),
	BROKEN("PINGRESP that nobody waits for", ONLINE, "\xd0\x00"),
	BROKEN("PUBLISH with QoS 1", ONLINE, "\x32\x37\x00\x2e" DOWN "\x00\x01hello"),
	BROKEN("PUBLISH with DUP and QoS 0 (3.3.1.1)", ONLINE, "\x38\x35\x00\x2e" DOWN "hello"),
	BROKEN("PUBLISH whose topic is longer than it", ONLINE, "\x30\x07\x00\x06/a/hi"),
	BROKEN("PUBLISH without a topic (3.3.2.1)", ONLINE, "\x30\x04\x00\x00hi"),
	BROKEN("PUBLISH too short for a topic", ONLINE, "\x30\x02\x00\x00"),
	BROKEN("a length of five bytes (2.2.3)", ONLINE, "\x30\x80\x80\x80\x80\x01"),
	BROKEN("a packet of clients", ONLINE, "\xc0\x00"),
};

static void test_malformed(void)
{
	for (size_t i = 0; i < COUNT(malformed); i++) {
		for (size_t cut = 1; cut <= 64; cut += 63) {
			struct mqtt m = malformed[i].when == ONLINE ? online() : begun();
			struct slice more = TEXT(HELLO);

			if (malformed[i].when == SUBSCRIBED)
				feed(&m, TEXT(CONNACK), 9);
			ok(feed(&m, malformed[i].in, cut) == MQTT_FAILED &&
			        m.fault == MQTT_MALFORMED && m.state == MQTT_ENDED,
			    "%s, in pieces of %zu", malformed[i].name, cut);
			if (mqtt_take(&m, &more) != MQTT_NOTHING || more.n != 0 ||
			    mqtt_elapsed(&m, 1000000) != MQTT_NOTHING || mqtt_output(&m).n != 0)
				ok(false, "nothing happens afterwards");
		}
	}
}

static void test_time(void)
{
	struct mqtt m = begun();

	ok(mqtt_elapsed(&m, 1499) == MQTT_NOTHING && mqtt_elapsed(&m, 1) == MQTT_FAILED &&
	        m.fault == MQTT_NO_ANSWER,
	    "CONNACK takes too long");
	m = begun();
	mqtt_elapsed(&m, 1499);
	feed(&m, TEXT(CONNACK), 9);
	ok(mqtt_elapsed(&m, 1499) == MQTT_NOTHING, "SUBACK has its own time");
	feed(&m, TEXT(HELLO), 9);
	ok(mqtt_elapsed(&m, 1) == MQTT_FAILED && m.fault == MQTT_NO_ANSWER,
	    "which a message does not prolong");

	m = online();
	mqtt_elapsed(&m, 29999);
	ok(mqtt_output(&m).n == 0, "no ping before 30 s");
	mqtt_elapsed(&m, 1);
	is_output(&m, TEXT("\xc0\x00"), "PINGREQ");
	all_sent(&m);
	ok(mqtt_elapsed(&m, 10000) == MQTT_NOTHING && mqtt_output(&m).n == 0, "one only");
	ok(feed(&m, TEXT("\xd0\x00"), 1) == MQTT_NOTHING && !m.pinged, "PINGRESP");
	mqtt_elapsed(&m, 20000);
	is_output(&m, TEXT("\xc0\x00"), "PINGREQ again");
	all_sent(&m);
	ok(mqtt_elapsed(&m, 39999) == MQTT_NOTHING && mqtt_elapsed(&m, 1) == MQTT_FAILED &&
	        m.fault == MQTT_SILENT,
	    "60 s of silence");

	m = online();
	mqtt_elapsed(&m, 20000);
	feed(&m, TEXT(HELLO), 9);
	mqtt_elapsed(&m, 10000);
	is_output(&m, TEXT("\xc0\x00"), "who only listens pings too");
	m = online();
	for (unsigned i = 0; i < 5; i++) {
		mqtt_elapsed(&m, 10000);
		ok(mqtt_publish(&m, TEXT(UP), TEXT("x")) == OK, "who only talks");
		all_sent(&m);
	}
	ok(m.pinged, "asks whether somebody listens");
	ok(mqtt_elapsed(&m, UINT32_MAX) == MQTT_FAILED, "a very long time");
}

/* --- the other topic --- */

#define THING "/a/t/3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64/e/i"
#define NEXT "/a/t/" ID "/e/i"

static void test_listening(void)
{
	struct mqtt m = begun();

	ok(mqtt_listen(&m, TEXT(THING)) == ERR_CONFLICT, "not before it is online");
	m = online();
	ok(mqtt_listen(&m, TEXT(THING)) == OK, "another topic");
	is_output(&m, TEXT("\x82\x32\x00\x02\x00\x2d" THING "\x00"), "SUBSCRIBE");
	all_sent(&m);
	ok(feed(&m, TEXT("\x30\x31\x00\x2d" THING "ab"), 9) == MQTT_NOTHING,
	    "a message on it counts when it is granted");
	ok(feed(&m, TEXT("\x90\x03\x00\x02\x00"), 1) == MQTT_LISTENS && m.granted, "SUBACK");
	ok(feed(&m, TEXT("\x30\x31\x00\x2d" THING "ab"), 9) == MQTT_MESSAGE && m.other &&
	        slice_equal(m.message, TEXT("ab")),
	    "a message on it");
	ok(feed(&m, TEXT(HELLO), 9) == MQTT_MESSAGE && !m.other, "and one on the board's own");
	ok(mqtt_listen(&m, TEXT(THING)) == OK && mqtt_output(&m).n == 0,
	    "the same again: nothing to do");

	ok(mqtt_listen(&m, TEXT(NEXT)) == OK, "a third");
	is_output(&m, TEXT("\xa2\x31\x00\x03\x00\x2d" THING), "first UNSUBSCRIBE");
	all_sent(&m);
	ok(feed(&m, TEXT("\xb0\x02\x00\x03"), 1) == MQTT_NOTHING, "UNSUBACK");
	is_output(&m, TEXT("\x82\x32\x00\x04\x00\x2d" NEXT "\x00"), "then SUBSCRIBE");
	all_sent(&m);
	ok(feed(&m, TEXT("\x90\x03\x00\x04\x80"), 9) == MQTT_LISTENS && !m.granted &&
	        m.state == MQTT_READY,
	    "which may be refused");
	ok(feed(&m, TEXT("\x30\x31\x00\x2d" NEXT "ab"), 9) == MQTT_NOTHING, "nothing on it");
	ok(mqtt_listen(&m, TEXT("")) == OK && mqtt_output(&m).n == 0, "nothing to leave");
	ok(mqtt_listen(&m, TEXT(THING NEXT)) == ERR_ARG, "too long");
}

static void test_changing_its_mind(void)
{
	struct mqtt m = online();

	ok(mqtt_listen(&m, TEXT(THING)) == OK && mqtt_listen(&m, TEXT(NEXT)) == OK, "two wishes");
	all_sent(&m);
	ok(feed(&m, TEXT("\x90\x03\x00\x02\x00"), 9) == MQTT_NOTHING, "the first is no news");
	is_output(&m, TEXT("\xa2\x31\x00\x03\x00\x2d" THING), "it is left");
	all_sent(&m);
	ok(mqtt_listen(&m, TEXT("")) == OK &&
	        feed(&m, TEXT("\xb0\x02\x00\x03"), 9) == MQTT_NOTHING && mqtt_output(&m).n == 0,
	    "and nothing is wanted by then");
	ok(mqtt_listen(&m, TEXT(NEXT)) == OK, "a wish");
	all_sent(&m);
	ok(mqtt_elapsed(&m, 1499) == MQTT_NOTHING && mqtt_elapsed(&m, 1) == MQTT_FAILED &&
	        m.fault == MQTT_NO_ANSWER,
	    "SUBACK takes too long");
	m = online();
	ok(feed(&m, TEXT("\xb0\x02\x00\x01"), 9) == MQTT_FAILED && m.fault == MQTT_MALFORMED,
	    "UNSUBACK that nobody waits for");
	m = online();
	ok(mqtt_listen(&m, TEXT(THING)) == OK &&
	        feed(&m, TEXT("\x90\x03\x00\x01\x00"), 9) == MQTT_FAILED &&
	        m.fault == MQTT_MALFORMED,
	    "SUBACK of another packet");
	m = online();
	while (mqtt_publish(&m, TEXT(UP), TEXT("x")) == OK)
		;
	ok(mqtt_listen(&m, TEXT(THING)) == ERR_SPACE && mqtt_listen(&m, TEXT("")) == OK,
	    "no room to ask");
}

int main(void)
{
	test_going_online();
	test_messages();
	test_publish();
	test_refused();
	test_malformed();
	test_time();
	test_listening();
	test_changing_its_mind();
	return done_testing();
}
