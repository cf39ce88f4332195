/* Both sides talking to each other over a line that may drop, change, double and delay bytes. */
#include <string.h>
#include "console_host.h"
#include "fake_board.h"

#ifdef SMALL_MACHINE
#define STRIDE 23
#else
#define STRIDE 1
#endif

#define NEVER SIZE_MAX
#define DEVICE "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"

enum damage { DROPPED, FLIPPED, DOUBLED, BROKEN, DAMAGES };
static const char *const damage_names[] = { "dropped", "a bit flipped", "doubled", "line broken" };

/* One direction of the line: the byte at `at` suffers. */
struct wire {
	size_t at, passed;
	enum damage damage;
	char out[8192];
	size_t n;
};

static struct fake_board fake;
static struct console_platform platform;
static struct console_board board;
static struct console_host host;
static struct wire to_host, to_board;
static struct ccert fields;
static unsigned events[CONSOLE_FAILED + 1];
static bool ended;

static void wire_send(struct wire *w, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++, w->passed++) {
		bool hit = w->passed == w->at;

		if ((hit && w->damage == DROPPED) || (w->damage == BROKEN && w->passed >= w->at))
			continue;
		if (w->n + 2 > sizeof(w->out))
			return;
		w->out[w->n++] = (char)(p[i] ^ (hit && w->damage == FLIPPED ? 1 << w->at % 8 : 0));
		if (hit && w->damage == DOUBLED)
			w->out[w->n++] = (char)p[i];
	}
}

static void handle(enum console_event event)
{
	events[event]++;
	if (event == CONSOLE_LOCK_ASKED && console_host_lock(&host, true) != OK)
		ok(false, "the answer to the lock is taken");
	if (event == CONSOLE_CSR_READY && console_host_certificate(&host, &fields) != OK)
		ok(false, "the certificate is taken");
}

/* Hands over what is on the line; true when something moved. */
static bool turn(uint32_t ms)
{
	struct slice out = console_host_output(&host), in;
	enum console_event event;
	bool moved = out.n > 0;

	wire_send(&to_board, out.p, out.n);
	console_host_sent(&host, out.n);
	console_board_take(&board, (struct slice){ (const uint8_t *)to_board.out, to_board.n });
	console_board_elapsed(&board, ms);
	to_board.n = 0;
	wire_send(&to_host, (const uint8_t *)fake.out, fake.out_n);
	fake.out_n = 0;
	in = (struct slice){ (const uint8_t *)to_host.out, to_host.n };
	moved |= in.n > 0;
	to_host.n = 0;
	while ((event = console_host_take(&host, &in)) != CONSOLE_NOTHING)
		handle(event);
	for (; (event = console_host_elapsed(&host, ms)) != CONSOLE_NOTHING; ms = 0)
		handle(event);
	return moved;
}

static void set_fields(void)
{
	memset(&fields, 0, sizeof(fields));
	memcpy(fields.device_id, DEVICE, sizeof(fields.device_id));
	fields.issued = (struct x509_hour){ 2026, 7, 9, 3 };
	fields.years = 8;
	memcpy(fields.serial, vector_certs[0].serial.p, sizeof(fields.serial));
	memcpy(fields.aki, vector_certs[0].aki.p, sizeof(fields.aki));
	memcpy(fields.sig, vector_certs[0].sig.p, sizeof(fields.sig));
}

static void begin(enum console_wording wording, bool locked, const char *firmware)
{
	set_fields();
	platform = fake_platform(&fake, locked, firmware);
	to_host = to_board = (struct wire){ .at = NEVER };
	memset(events, 0, sizeof(events));
	console_board_init(&board, wording, &platform);
	console_host_init(&host, DEVICE, &console_limits_default);
}

/* Runs until the host is through. Silent turns last half a second each. */
static void talk(void)
{
	unsigned turns;

	console_board_start(&board);
	for (turns = 0; turns < 1000 && !console_host_over(&host); turns++)
		while (turn(turns == 0 ? 0 : 500) && !console_host_over(&host))
			;
	ended = turns < 1000;
}

static bool finished_well(void)
{
	return host.step == CONSOLE_DONE && host.cause == CONSOLE_FINE &&
	       board.step == CONSOLE_DONE && board.cause == CONSOLE_FINE && fake.locked &&
	       events[CONSOLE_FINISHED] == 1 && events[CONSOLE_CERT_READY] == 1 &&
	       events[CONSOLE_CSR_READY] == 1 && events[CONSOLE_FAILED] == 0 &&
	       ccert_compare(&fake.given, &fields) == CCERT_SAME &&
	       memcmp(fake.slot12, DEVICE, 36) == 0 && host.differs == CCERT_SAME;
}

static const struct {
	const char *name;
	enum console_wording wording;
	bool locked;
	const char *firmware;
} variants[] = {
	{ "2020, unlocked", CONSOLE_2020, false, NULL },
	{ "2020, locked", CONSOLE_2020, true, NULL },
	{ "today, unlocked", CONSOLE_TODAY, false, NULL },
	{ "today, locked", CONSOLE_TODAY, true, NULL },
	{ "today, unlocked, Wi-Fi up to date", CONSOLE_TODAY, false, "1.5.0" },
	{ "today, locked, Wi-Fi old", CONSOLE_TODAY, true, "1.4.8" },
};

static void test_variants(void)
{
	for (size_t i = 0; i < COUNT(variants); i++) {
		begin(variants[i].wording, variants[i].locked, variants[i].firmware);
		talk();
		ok(ended && finished_well() && events[CONSOLE_LOCK_ASKED] == !variants[i].locked,
		    "%s: finished", variants[i].name);
		ok(variants[i].firmware == NULL
		        ? events[CONSOLE_FIRMWARE] == 0
		        : events[CONSOLE_FIRMWARE] == 1 &&
		              strcmp(host.firmware, variants[i].firmware) == 0,
		    "%s: firmware %s", variants[i].name, host.firmware);
	}
}

/* Every in-range vector goes through both sides and comes back as the same certificate. */
static void test_vectors(void)
{
	for (size_t i = 0; i < vector_certs_n; i++) {
		const struct vector_cert *v = &vector_certs[i];
		const char *id = v->device_id;

		begin(i % 2 ? CONSOLE_TODAY : CONSOLE_2020, false, NULL);
		console_host_init(&host, id, &console_limits_default);
		if (ccert_unpack(v->slot10.p, v->slot11.p, v->slot12.p, &fields) != OK)
			ok(false, "%s: unpacked", v->name);
		talk();
		ok(ended && host.step == CONSOLE_DONE &&
		        ccert_compare(&fake.given, &fields) == CCERT_SAME,
		    "%s: through both sides", v->name);
	}
}

static void test_host_comes_late(void)
{
	begin(CONSOLE_TODAY, true, NULL);
	console_board_start(&board);
	for (unsigned i = 0; i < 4; i++)
		console_board_elapsed(&board, 5001);
	while (turn(100))
		;
	ok(finished_well(), "the new key was asked for five times before the host came");
}

static void test_failures(void)
{
	static const struct {
		enum fake_call call;
		enum console_step step;
		enum console_cause today, in_2020;
	} cases[] = {
		{ FAKE_PRESENT, CONSOLE_START, CONSOLE_NO_ELEMENT, CONSOLE_NO_ELEMENT },
		{ FAKE_CONFIG, CONSOLE_LOCK, CONSOLE_CONFIG_FAILED, CONSOLE_CONFIG_FAILED },
		{ FAKE_LOCK, CONSOLE_LOCK, CONSOLE_LOCK_FAILED, CONSOLE_LOCK_FAILED },
		{ FAKE_NEW_KEY, CONSOLE_CSR, CONSOLE_CSR_FAILED, CONSOLE_CSR_START_FAILED },
		{ FAKE_CSR, CONSOLE_CSR, CONSOLE_CSR_FAILED, CONSOLE_CSR_FAILED },
		{ FAKE_ID, CONSOLE_STORE, CONSOLE_STORE_ID_FAILED, CONSOLE_STORE_ID_FAILED },
		{ FAKE_STORE, CONSOLE_STORE, CONSOLE_STORE_CERT_FAILED, CONSOLE_STORE_CERT_FAILED },
		{ FAKE_REBUILD, CONSOLE_STORE, CONSOLE_BUILD_FAILED, CONSOLE_REBUILD_START_FAILED },
	};

	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		bool today = i % 2 == 0;

		begin(today ? CONSOLE_TODAY : CONSOLE_2020, false, NULL);
		fake.fails = cases[i / 2].call;
		fake.error = ERR_DEVICE;
		talk();
		ok(ended && host.step == cases[i / 2].step &&
		        host.cause == (today ? cases[i / 2].today : cases[i / 2].in_2020) &&
		        events[CONSOLE_FAILED] == 1 && board.cause == host.cause,
		    "%s, platform function %d fails: %s: %s", today ? "today" : "2020",
		    (int)cases[i / 2].call, console_step_text(host.step), host.said);
	}
}

static void test_mixed_up(void)
{
	static const struct {
		const char *name;
		bool dates, ids, halves, key;
		enum ccert_field field;
	} cases[] = {
		{ "month and day", true, false, false, false, CCERT_DIFFERS_ISSUED },
		{ "serial in place of the key identifier", false, true, false, false,
		    CCERT_DIFFERS_AKI },
		{ "r and s", false, false, true, false, CCERT_DIFFERS_SIGNATURE },
		{ "another key", false, false, false, true, CCERT_DIFFERS_KEY },
	};

	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		begin(i % 2 ? CONSOLE_2020 : CONSOLE_TODAY, true, NULL);
		fake.swaps_dates = cases[i / 2].dates;
		fake.swaps_ids = cases[i / 2].ids;
		fake.swaps_halves = cases[i / 2].halves;
		fake.other_key = cases[i / 2].key;
		talk();
		ok(ended && host.cause == CONSOLE_CERT_DIFFERS &&
		        host.differs == cases[i / 2].field && events[CONSOLE_CERT_READY] == 1 &&
		        events[CONSOLE_FINISHED] == 0,
		    "board mixes up %s: %s", cases[i / 2].name, ccert_field_text(host.differs));
	}
}

/* The board is reset, or the cable pulled and plugged, at each step: named, and the next run works. */
static void test_reset_and_again(void)
{
	for (unsigned stop = 1; stop < 40; stop++) {
		unsigned turns = 0;

		begin(CONSOLE_TODAY, false, NULL);
		console_board_start(&board);
		while (turns < stop && !console_host_over(&host) && turn(0))
			turns++;
		if (console_host_over(&host))
			break;
		console_board_init(&board, CONSOLE_TODAY, &platform);
		talk();
		ok(ended && (host.step == CONSOLE_DONE || host.cause == CONSOLE_RESTARTED),
		    "reset after %u turns: %s: %s", stop, console_step_text(host.step),
		    console_cause_text(host.cause));
		console_board_init(&board, CONSOLE_TODAY, &platform);
		console_host_init(&host, DEVICE, &console_limits_default);
		memset(events, 0, sizeof(events));
		fake.out_n = 0;
		talk();
		ok(ended && finished_well(), "and the next run finishes");
	}
}

/*
 * One byte suffers in one direction. Success must be real, and everything else has a name. Of the long
 * way to the host each byte suffers one kind of damage, of the short way to the board all of them.
 */
static void test_damage(bool host_to_board, size_t variant)
{
	struct wire *w = host_to_board ? &to_board : &to_host;
	size_t length, stride = (host_to_board ? 1 : DAMAGES) * STRIDE;

	begin(variants[variant].wording, variants[variant].locked, variants[variant].firmware);
	talk();
	ok(ended && w->passed > 200, "%zu bytes on a good line", w->passed);
	length = w->passed;
	for (unsigned d = 0; d < DAMAGES; d++) {
		unsigned finished = 0, failed = 0, other = 0;

		for (size_t at = host_to_board ? 0 : d; at < length; at += stride) {
			begin(variants[variant].wording, variants[variant].locked,
			    variants[variant].firmware);
			w->at = at;
			w->damage = (enum damage)d;
			talk();
			if (ended && finished_well())
				finished++;
			else if (ended && events[CONSOLE_FAILED] == 1 &&
			         events[CONSOLE_FINISHED] == 0 &&
			         console_cause_err(host.cause) != OK)
				failed++;
			else
				other++;
		}
		ok(other == 0 && failed > 0 && (host_to_board || d == BROKEN || finished > 0),
		    "%s, %s, byte to the %s: %u finished, %u failed by name",
		    variants[variant].name, damage_names[d], host_to_board ? "board" : "host",
		    finished, failed);
	}
}

int main(void)
{
	test_variants();
	test_vectors();
	test_host_comes_late();
	test_failures();
	test_mixed_up();
	test_reset_and_again();
	test_damage(true, 0);
	test_damage(true, 2);
	test_damage(false, 1);
	test_damage(false, 4);
	return done_testing();
}
