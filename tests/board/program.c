/*
 * The program of a board against a broker on the bench, in a time that the test makes: what it says and when,
 * every way in which it does not get online or does not stay, and the next attempt after each.
 */
#include "broker.h"
#include "faults.h"
#include "program.h"
#include "se_identity.h"
#include "sei2c.h"

#define ROUNDS 20000 /* of 1 ms at most, until something that must happen counts as missing */

struct world {
	struct bench bench;
	struct chip chip;
	struct broker broker;
	struct sei2c bus;
	struct program *program;
	uint64_t now;
	/* What the program said last, and how often. */
	char text[256];
	unsigned events[PROGRAM_EVENTS];
};

static void happened(void *ctx, enum program_event event, const char *text)
{
	struct world *w = ctx;

	w->events[event]++;
	snprintf(w->text, sizeof(w->text), "%s", text);
}

static unsigned ended(const struct world *w)
{
	return w->events[PROGRAM_REFUSED] + w->events[PROGRAM_LOST];
}

/* --- the chip --- */

static void chip_lock(struct world *w, uint8_t q[64])
{
	struct se se;

	must(se_open(&se, &w->bus.hal) == OK && se_lock(&se, &se_profile_arduino) == OK &&
	         se_genkey(&se, SE_SLOT_DEVICE_KEY, q) == OK,
	    "chip");
	se_close(&se);
	sei2c_close(&w->bus);
}

/* An identity as Arduino's sketch makes it, without a marker. */
static void chip_identity(struct world *w)
{
	struct x509_signer ca = p256_signer(w->broker.device.key);
	struct ccert fields = { .issued = { 2020, 1, 1, 0 }, .years = 31, .serial = { 1 } };
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12], q[64],
	    tbs[CCERT_TBS_MAX];
	struct der_w writer = der_writer(tbs, sizeof(tbs));
	struct slice der;
	struct se se;

	chip_lock(w, q);
	memcpy(fields.device_id, BROKER_DEVICE, CCERT_DEVICE_ID);
	must(p256_key_id(w->broker.device.q, fields.aki) == OK, "key id");
	ccert_tbs_put(&writer, &fields, q);
	must(der_finish(&writer, &der) == OK && ca.sign(ca.ctx, der, fields.sig) == OK &&
	         ccert_pack(&fields, slot10, slot11, slot12) == OK &&
	         se_open(&se, &w->bus.hal) == OK &&
	         se_cert_write(&se, slot10, slot11, slot12) == OK,
	    "identity");
	se_close(&se);
	sei2c_close(&w->bus);
}

static struct world *world_make(void)
{
	static struct world w;
	struct program_options o = {
		.version = "0.1.0", .hal = &w.bus.hal, .event = happened, .ctx = &w
	};
	struct errbuf eb = { "" };
	char where[32];

	memset(&w, 0, sizeof(w));
	w.now = 1000;
	w.bench = bench_make();
	broker_make(&w.broker, &w.bench);
	chip_start(&w.chip, &w.bench, EMU_ATECC608B);
	must(sei2c_init(&w.bus, w.chip.wire.path, SEI2C_ADDRESS) == OK, "bus");
	snprintf(where, sizeof(where), "localhost:%u", (unsigned)w.broker.port);
	o.broker = where;
	o.anchor = w.broker.anchor;
	must(program_new(&o, &w.program, &eb) == OK, eb.text);
	return &w;
}

static void world_free(struct world *w)
{
	program_free(w->program);
	sei2c_close(&w->bus);
	chip_stop(&w->chip);
	broker_free(&w->broker);
	bench_clear(&w->bench);
}

/* --- time --- */

static void run_once(struct world *w)
{
	struct pollfd p = program_poll(w->program);

	(void)poll(&p, 1, 1);
	program_run(w->program, w->now);
	broker_run(&w->broker);
}

/* Lets both run while no time passes, until it is online, or an attempt has ended. */
static bool goes_online_since(struct world *w, unsigned before)
{
	for (unsigned i = 0; i < ROUNDS && ended(w) == before; i++) {
		if (program_is_online(w->program))
			return true;
		run_once(w);
	}
	return false;
}

static bool goes_online(struct world *w)
{
	return goes_online_since(w, ended(w));
}

static bool starts_online(struct world *w)
{
	unsigned before = ended(w);

	must(program_start(w->program, w->now), "start");
	return goes_online_since(w, before);
}

static bool until(struct world *w, const unsigned *count, unsigned wanted)
{
	for (unsigned i = 0; i < ROUNDS && *count < wanted; i++)
		run_once(w);
	return *count == wanted;
}

/* On one computer what was sent has come. */
static void settle(struct world *w)
{
	for (unsigned i = 0; i < 20; i++) {
		program_run(w->program, w->now);
		broker_run(&w->broker);
	}
}

/* --- tests --- */

static void test_what_it_says(struct world *w)
{
	static const uint8_t hello[] = { 0xDA, 0x00, 0x01, 0x07, 0x00, 0x81, 0x65, '0', '.', '1',
		'.', '0' };
	static const uint8_t who[] = { 0xDA, 0x00, 0x01, 0x03, 0x00, 0x81, 0x60 };
	struct broker *b = &w->broker;

	ok(starts_online(w), "online");
	ok(w->events[PROGRAM_CONNECTING] == 1 && w->events[PROGRAM_ONLINE] == 1 &&
	        strcmp(w->text, BROKER_DEVICE) == 0,
	    "and says so");
	ok(until(w, &b->heard, 2) && strcmp(b->topics[0], "/a/d/" BROKER_DEVICE "/c/up") == 0 &&
	        strcmp(b->topics[1], b->topics[0]) == 0,
	    "two messages at once, on its topic");
	is_bytes(b->messages[0], b->message_n[0], hello, sizeof(hello), "its version");
	is_bytes(b->messages[1], b->message_n[1], who, sizeof(who), "and which thing it is");
	ok(b->connects == 1 && b->subscribes == 1 && program_counts(w->program).handshakes == 1,
	    "handshake, CONNECT and SUBSCRIBE, once each");

	/* No thing: the next question is after 4 s, and then it has 80 s. */
	broker_say(b, TEXT("\x30\x37\x00\x2e/a/d/" BROKER_DEVICE "/c/dw"
	                   "\xda\x00\x01\x04\x00\x81\x60"));
	settle(w);
	w->now += 3999;
	settle(w);
	ok(b->heard == 2 && b->pings == 0, "nothing before 4 s");
	w->now += 1;
	ok(until(w, &b->heard, 4), "then both again");
	w->now += 29999;
	settle(w);
	ok(b->heard == 4, "nothing before 30 s");
	w->now += 1;
	ok(until(w, &b->heard, 5), "then its version");
	ok(until(w, &b->pings, 1), "and a ping: nothing was heard for as long");
	is_bytes(b->messages[4], b->message_n[4], hello, sizeof(hello), "the same");
	broker_say(b, TEXT("\x30\x35\x00\x2e/a/d/" BROKER_DEVICE "/c/dw"
	                   "hello"));
	ok(until(w, &w->events[PROGRAM_MESSAGE], 1) && strcmp(w->text, "5 bytes") == 0,
	    "a message comes");
	ok(program_counts(w->program).said == 5 && program_counts(w->program).heard == 2,
	    "five said, two heard");
	for (unsigned i = 0; i < 100; i++) {
		w->now += 10000;
		settle(w);
	}
	ok(program_is_online(w->program) && b->connections == 1 && b->heard >= 30,
	    "it stays for a quarter of an hour, with %u messages", b->heard);
	program_stop(w->program);
	ok(!program_is_online(w->program) && !program_runs(w->program), "stopped");
	settle(w);
	ok(b->fd < 0, "the connection is gone");
}

static void test_silence(struct world *w)
{
	struct broker *b = &w->broker;

	must(starts_online(w), "online");
	settle(w);
	b->mute = true;
	w->now += 59999;
	settle(w);
	ok(program_is_online(w->program), "a silent broker is waited for");
	w->now += 1;
	ok(until(w, &w->events[PROGRAM_LOST], 1) &&
	        strstr(w->text, "silent for 60 s; again in 2 s"),
	    "for 60 s: %s", w->text);
	b->mute = false;
	settle(w);
	w->now += 1999;
	settle(w);
	ok(!program_is_online(w->program) && b->connections == 1, "a pause of 2 s");
	w->now += 1;
	ok(goes_online(w), "and online again");
	program_stop(w->program);
	settle(w);
}

/* 2, 4, 8, 16, 32, 32 s. */
static void test_pauses(struct world *w)
{
	static const unsigned pauses[] = { 2, 4, 8, 16, 32, 32 };
	struct broker *b = &w->broker;
	char wanted[32];

	b->connack = TEXT("\x20\x02\x00\x05");
	must(program_start(w->program, w->now), "start");
	for (unsigned i = 0; i < COUNT(pauses); i++) {
		snprintf(wanted, sizeof(wanted), "again in %u s", pauses[i]);
		ok(!goes_online(w) && strstr(w->text, "not authorized (CONNACK 5)") != NULL &&
		        strstr(w->text, wanted) != NULL,
		    "%s", w->text);
		settle(w);
		w->now += 1000 * pauses[i] - 1;
		settle(w);
		if (b->connections != i + 1)
			ok(false, "not earlier");
		w->now += 1;
	}
	b->connack = TEXT("\x20\x02\x00\x00");
	ok(goes_online(w), "at last");
	broker_hang_up(b);
	ok(until(w, &w->events[PROGRAM_LOST], 1) && strstr(w->text, "again in 2 s") != NULL,
	    "it begins with 2 s again: %s", w->text);
	ok(program_counts(w->program).handshakes == COUNT(pauses) + 1,
	    "every handshake is counted");
	program_stop(w->program);
	settle(w);
}

static void test_answers(struct world *w)
{
	static const struct {
		const char *name, *why;
		struct slice connack, suback;
		bool mute;
	} cases[] = {
#define ANSWER(text) { (const uint8_t *)(text), sizeof(text) - 1 }
		{ "no CONNACK", "within 1.5 s", ANSWER(""), ANSWER(""), true },
		{ "no SUBACK", "within 1.5 s", ANSWER("\x20\x02\x00\x00"), ANSWER(""), false },
		{ "SUBACK of another packet", "does not allow", ANSWER("\x20\x02\x00\x00"),
		    ANSWER("\x90\x03\x00\x02\x00"), false },
		{ "something else", "does not allow", ANSWER("HTTP/1.1 400 Bad Request\r\n"),
		    ANSWER(""), false },
	};
	struct broker *b = &w->broker;
	struct slice connack = b->connack, suback = b->suback;

	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned before = w->events[PROGRAM_REFUSED];

		b->connack = cases[i].connack;
		b->suback = cases[i].suback;
		b->mute = cases[i].mute;
		must(program_start(w->program, w->now), "start");
		for (unsigned k = 0; k < ROUNDS && w->events[PROGRAM_REFUSED] == before; k++) {
			run_once(w);
			/* Time passes when the broker has had its say. */
			w->now += b->connects > i && k % 64 == 63 ? 1500 : 0;
		}
		ok(w->events[PROGRAM_REFUSED] == before + 1 &&
		        strstr(w->text, cases[i].why) != NULL,
		    "%s: %s", cases[i].name, w->text);
		program_stop(w->program);
		b->mute = false;
		settle(w);
	}
	b->connack = connack;
	b->suback = suback;
	ok(starts_online(w), "the right answers are accepted");
	program_stop(w->program);
	settle(w);
}

/* A broker that accepts and then says nothing at all. */
static void test_deaf(struct world *w)
{
	must(program_start(w->program, w->now), "start");
	for (unsigned i = 0; i < 20; i++)
		program_run(w->program, w->now);
	w->now += 9999;
	program_run(w->program, w->now);
	ok(ended(w) == 0 && program_runs(w->program), "10 s for a handshake");
	w->now += 1;
	program_run(w->program, w->now);
	ok(w->events[PROGRAM_REFUSED] == 1 && strstr(w->text, "timed out") != NULL, "%s", w->text);
	program_stop(w->program);
	settle(w);
}

/* The connection breaks after the n-th byte of the board's. */
static void test_cut(struct world *w)
{
	struct broker *b = &w->broker;
	size_t n = 1, step = getenv("IMPRINT_TORTURE") != NULL ? 1 : 53;

	for (;; n += step) {
		b->deaf_after = n;
		if (starts_online(w))
			break;
		b->deaf_after = 0;
		settle(w);
		w->now += 2000;
		if (!ok(goes_online(w), "cut after %zu bytes, then online", n))
			printf("# %s\n", w->text);
		program_stop(w->program);
		settle(w);
	}
	b->deaf_after = 0;
	ok(n > 600, "a handshake has more than 600 bytes of ours: %zu", n);
	program_stop(w->program);
	settle(w);
}

/* The chip's wire is cut after the n-th transfer: a reason that names the chip, then the second attempt. */
static void test_wire(struct world *w)
{
	struct broker *b = &w->broker;
	long n = 0, step = getenv("IMPRINT_TORTURE") != NULL ? 1 : 3, begun;
	unsigned connects, in_handshake = 0;

	for (;; n += step) {
		unsigned connections = b->connections;

		connects = b->connects;
		begun = w->chip.wire.frames;
		w->chip.wire.cut_after = begun + n;
		if (starts_online(w))
			break;
		ok(strncmp(w->text, "secure element: ", 16) == 0, "%ld: %s", n, w->text);
		settle(w); /* the broker takes the connection that was given up */
		in_handshake += b->connections > connections;
		if (b->connects != connects)
			ok(false, "nobody has come in without the chip");
		w->chip.wire.cut_after = -1;
		w->now += 2000;
		ok(goes_online(w), "and online once the wire is whole");
		program_stop(w->program);
		settle(w);
	}
	ok(w->chip.wire.frames - begun <= n && n > 30 && in_handshake > 0,
	    "an attempt has %ld transfers, %u cuts fell into the handshake", n, in_handshake);
	w->chip.wire.cut_after = -1;
	program_stop(w->program);
	settle(w);
}

/* Without memory there is no program, or no connection; with it there is. */
static void test_memory(struct world *w)
{
	struct program_options o = {
		.broker = "localhost:1", .anchor = w->broker.anchor, .version = ""
	};
	struct program *p = NULL;
	struct errbuf eb = { "" };
	enum err e;
	long n;

	for (n = 0;; n++) {
		faults_begin(FAULT_MEMORY, n);
		e = program_new(&o, &p, &eb);
		if (!faults_end())
			break;
		ok(e == ERR_MEMORY && p == NULL, "allocation %ld: %s", n, eb.text);
	}
	ok(e == OK && n > 0, "a program needs %ld", n);
	program_free(p);
	for (n = 0;; n++) {
		bool online, failed;

		faults_begin(FAULT_MEMORY, n);
		online = starts_online(w);
		failed = faults_end();
		if (!failed && ok(online && n > 0, "a connection needs %ld", n))
			break;
		ok(!online && strstr(w->text, "memory") != NULL, "allocation %ld: %s", n, w->text);
		w->now += 2000;
		ok(goes_online(w), "and online with the next attempt");
		program_stop(w->program);
		settle(w);
	}
	program_stop(w->program);
	settle(w);
}

static void test_no_identity(void)
{
	struct world *w = world_make();
	struct se se;
	uint8_t q[64];

	ok(!program_start(w->program, w->now) && !program_runs(w->program) &&
	        strstr(program_text(w->program), "not locked") != NULL,
	    "a blank chip: %s", program_text(w->program));
	chip_lock(w, q);
	ok(!program_start(w->program, w->now) &&
	        strstr(program_text(w->program), "no certificate") != NULL,
	    "a key alone: %s", program_text(w->program));
	must(se_open(&se, &w->bus.hal) == OK && se_identity_key(&se, q) == OK, "key");
	ok(!program_start(w->program, w->now), "a new key with its marker: %s",
	    program_text(w->program));
	settle(w);
	ok(w->broker.connections == 0 && ended(w) == 0 && w->events[PROGRAM_CONNECTING] == 0,
	    "nobody has tried to connect");
	world_free(w);
}

/* Whoever holds the certificate needs the key too: here a chip with another one signs. */
static void test_another_key(void)
{
	struct world *w = world_make();
	struct se se;
	uint8_t q[64];

	chip_identity(w);
	must(se_open(&se, &w->bus.hal) == OK && se_genkey(&se, SE_SLOT_DEVICE_KEY, q) == OK, "key");
	ok(!starts_online(w) && w->events[PROGRAM_REFUSED] == 1, "%s", w->text);
	ok(w->broker.connections == 1 && w->broker.connects == 0, "the broker lets nobody in");
	world_free(w);
}

static void with_identity(void (*test)(struct world *w))
{
	struct world *w = world_make();

	chip_identity(w);
	test(w);
	world_free(w);
}

int main(void)
{
	with_identity(test_what_it_says);
	with_identity(test_silence);
	with_identity(test_pauses);
	with_identity(test_answers);
	with_identity(test_deaf);
	with_identity(test_cut);
	with_identity(test_wire);
	with_identity(test_memory);
	test_no_identity();
	test_another_key();
	return done_testing();
}
