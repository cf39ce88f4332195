/*
 * Both sides against each other over a line that cuts, drops, doubles, damages and delays. Whatever it
 * does, a whole setup ends with each deed done once.
 */
#include "cbor.h"
#include "fake_setup.h"
#include "setup_host.h"
#include "tap.h"

#ifdef SMALL_MACHINE
#define STEP 13
#else
#define STEP 1
#endif

/* What happens to the n-th byte, or to the n-th frame, that crosses the line in either direction. */
enum trouble {
	NO_TROUBLE,
	CUT_CABLE,
	CUT_BYTE,
	FLIP_BYTE,
	DOUBLE_BYTE,
	DROP_FRAME,
	DOUBLE_FRAME,
	NOISE_BEFORE,
	RESET
};

struct line {
	struct fake_setup fake;
	struct setup_platform platform;
	struct setup_board board;
	struct setup_host host;
	enum trouble trouble;
	size_t at, bytes, frames;
	unsigned resets;
};

static void power(struct line *l)
{
	setup_board_init(&l->board, &l->platform);
	l->fake.out_n = 0;
}

/* Carries bytes; what arrives is in out. */
static size_t carry(struct line *l, const uint8_t *p, size_t n, uint8_t *out)
{
	static const char noise[] = "I (123) wifi: \x55\xaa\x10\x01\x00 up\r\n";
	size_t got = 0;
	bool here = l->frames == l->at;

	l->frames++;
	if (l->trouble == DROP_FRAME && here)
		return 0;
	if (l->trouble == NOISE_BEFORE && here) {
		memcpy(out, noise, sizeof(noise));
		got = sizeof(noise);
	}
	for (size_t i = 0; i < n; i++, l->bytes++) {
		if ((l->bytes == l->at && l->trouble == CUT_BYTE) ||
		    (l->bytes >= l->at && l->trouble == CUT_CABLE))
			continue;
		out[got] = p[i];
		if (l->bytes == l->at && l->trouble == FLIP_BYTE)
			out[got] ^= 0x10;
		got++;
		if (l->bytes == l->at && l->trouble == DOUBLE_BYTE)
			out[got++] = p[i];
	}
	if (l->trouble == DOUBLE_FRAME && here) {
		memcpy(out + got, p, n);
		got += n;
	}
	return got;
}

static enum setup_event talk(struct line *l)
{
	enum setup_event event = SETUP_NOTHING;
	uint8_t there[2 * SETUP_FRAME_MAX + 64];

	for (unsigned turn = 0; event == SETUP_NOTHING && turn < 400; turn++) {
		struct slice out = setup_host_output(&l->host);
		size_t n;

		if (out.n > 0) {
			n = carry(l, out.p, out.n, there);
			setup_host_sent(&l->host, out.n);
			setup_board_take(&l->board, (struct slice){ there, n });
			if (l->trouble == RESET &&
			    l->frames - 1 == l->at) { /* it acted, and died before answering */
				power(l);
				setup_board_announce(&l->board);
				l->resets++;
			}
		}
		setup_board_elapsed(&l->board, 100);
		if (l->fake.out_n > 0) {
			struct slice in = { there, carry(l, l->fake.out, l->fake.out_n, there) };

			l->fake.out_n = 0;
			while (event == SETUP_NOTHING && in.n > 0)
				event = setup_host_take(&l->host, &in);
		}
		if (event == SETUP_NOTHING)
			event = setup_host_elapsed(&l->host, 100);
	}
	return event;
}

static enum err ask(struct line *l, unsigned step, const struct ccert *fields)
{
	static const uint8_t challenge[32] = { 7 };
	struct setup_network network = { .kind = SETUP_WIFI };

	network.at[SETUP_WIFI_SSID].bytes = TEXT("home");
	network.at[SETUP_WIFI_PASSWORD].bytes = TEXT("secret");
	switch (step) {
	case 0:
		return setup_ask_hello(&l->host);
	case 1:
		return setup_ask_info(&l->host);
	case 2:
		return setup_ask_plan(&l->host, "arduino");
	case 3:
		return setup_ask_lock(&l->host, "arduino", fake_serial);
	case 4:
		return setup_ask_key(&l->host, false);
	case 5:
		return setup_ask_csr(&l->host, TEXT("0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"));
	case 6:
		return setup_ask_store(&l->host, fields);
	case 7:
		return setup_ask_read(&l->host);
	case 8:
		return setup_ask_prove(&l->host, challenge);
	case 9:
		return setup_ask_attest(&l->host, challenge, false);
	case 10:
		return setup_ask_network(&l->host, &network);
	default:
		return setup_ask_restart(&l->host);
	}
}
#define STEPS 12

/* A whole setup; a board that was reset is greeted again and asked again. False when it gave up. */
static bool run(struct line *l, uint32_t first_id)
{
	struct ccert fields;

	setup_host_init(&l->host, first_id, &setup_limits_default);
	if (ccert_unpack(fake_slots, fake_slots + 72, fake_slots + 108, &fields) != OK)
		return false;
	for (unsigned step = 0, again = 0; step < STEPS; step++) {
		enum setup_event event;

		if (ask(l, step, &fields) != OK)
			return false;
		event = talk(l);
		if (event == SETUP_FAILED && again++ == 0 &&
		    (l->host.fault == SETUP_RESTARTED || l->host.fault == SETUP_NO_HELLO)) {
			if (setup_ask_hello(&l->host) != OK || talk(l) != SETUP_ANSWERED)
				return false;
			step--;
			continue;
		}
		if (event != SETUP_ANSWERED)
			return false;
		if (step == 7 && (memcmp(l->host.read.slot10, fake_slots, 72) != 0 ||
		                     memcmp(l->host.read.slot11, fake_slots + 72, 36) != 0 ||
		                     memcmp(l->host.read.slot12, fake_slots + 108, 36) != 0))
			return false;
	}
	return true;
}

static bool setup(struct line *l, enum trouble trouble, size_t at)
{
	memset(l, 0, sizeof(*l));
	l->trouble = trouble;
	l->at = at;
	l->platform = fake_platform(&l->fake);
	power(l);
	return run(l, 0x1234567);
}

static bool done_once(const struct line *l)
{
	return l->fake.locks == 1 && l->fake.keys == 1 && l->fake.csrs == 1 &&
	       l->fake.stores == 1 && l->fake.signs == 1 && l->fake.networks == 1 &&
	       l->fake.restarts == 1 && strcmp(l->fake.password, "secret") == 0;
}

static void sweep(enum trouble trouble, size_t n, size_t step, const char *name)
{
	static struct line l;
	size_t finished = 0, once = 0, tried = 0;

	for (size_t at = 0; at < n; at += step, tried++) {
		bool end = setup(&l, trouble, at);

		finished += end;
		once += end && done_once(&l);
		if (!end || !done_once(&l))
			printf("# %s %u: step %s, fault %d\n", name, (unsigned)at,
			    setup_request_text(l.host.request), (int)l.host.fault);
	}
	ok(finished == tried && once == tried,
	    "%s at each of %u places: finished, each deed done once", name, (unsigned)tried);
}

/* A deed may be done again after a reset, but only one that can be: no second key, no second lock. */
static void resets(size_t frames)
{
	static struct line l;
	unsigned finished = 0, kept = 0, hit = 0;

	for (size_t at = 0; at < frames; at++) {
		bool end = setup(&l, RESET, at);

		hit += l.resets;
		finished += end;
		kept += end && l.fake.keys == 1 && l.fake.locks == 1 && l.fake.stores >= 1;
	}
	ok(hit >= STEPS && finished == frames && kept == frames,
	    "reset after acting, before answering: the next session finds lock and key and goes "
	    "on");
}

/* The cable comes off at every byte; somebody plugs it in again and starts anew. */
static void cables(size_t bytes, bool unpowered)
{
	static struct line l;
	size_t broken = 0, finished = 0, kept = 0, tried = 0;

	for (size_t at = 0; at < bytes; at += STEP, tried++) {
		broken += !setup(&l, CUT_CABLE, at) && l.host.fault == SETUP_SILENT;
		l.trouble = NO_TROUBLE;
		if (unpowered)
			power(&l);
		finished += run(&l, 0x89abcdef);
		kept += l.fake.keys == 1 && l.fake.locks == 1;
	}
	ok(broken == tried && finished == tried && kept == tried,
	    "the cable cut at each of %u bytes%s: silent; the next run finishes with the same key",
	    (unsigned)tried, unpowered ? ", the board without power" : "");
}

static void answers(void)
{
	static struct line l;

	ok(setup(&l, NO_TROUBLE, 0) && done_once(&l), "a setup without trouble");
	l.fake.attests = true;
	ok(setup_ask_hello(&l.host) == OK && talk(&l) == SETUP_ANSWERED &&
	        setup_ask_info(&l.host) == OK && talk(&l) == SETUP_ANSWERED &&
	        l.host.info.has_key && l.host.info.config_locked &&
	        l.host.info.slots_locked == 0x8001 &&
	        l.host.info.identity == SETUP_IDENTITY_WHOLE &&
	        memcmp(l.host.info.serial, fake_serial, 9) == 0 && l.host.info.q[63] == 1 &&
	        l.host.info.attests && l.host.info.attester[63] == 0xa7,
	    "info crosses whole");
	ok(setup_ask_attest(&l.host, fake_slots, true) == OK && talk(&l) == SETUP_ANSWERED &&
	        l.host.attest.mode == 0x0c && l.host.attest.slot_locked &&
	        l.host.attest.q[0] == 2 && l.host.attest.sig[63] == 0x5a &&
	        memcmp(l.host.attest.random, fake_slots, 20) == 0,
	    "a statement crosses whole");
	ok(setup_ask_key(&l.host, false) == OK && talk(&l) == SETUP_ANSWERED && !l.host.key.made &&
	        l.host.key.q[0] == 2,
	    "the key that is there");
	ok(setup_ask_csr(&l.host, TEXT("x")) == OK && talk(&l) == SETUP_ANSWERED &&
	        slice_equal(l.host.csr.der, BYTES(0x0c, 1, 'x')),
	    "a CSR crosses whole");
	l.fake.conflict = true;
	ok(setup_ask_lock(&l.host, "arduino", fake_serial) == OK && talk(&l) == SETUP_FAILED &&
	        l.host.fault == SETUP_OTHER_PROFILE &&
	        setup_fault_err(l.host.fault) == ERR_CONFLICT,
	    "a fault crosses");
	l.fake.fail = ERR_TIMEOUT;
	ok(setup_ask_key(&l.host, true) == OK && talk(&l) == SETUP_FAILED &&
	        l.host.fault == SETUP_CHIP && l.host.reason.err == ERR_TIMEOUT &&
	        strcmp(l.host.reason.text, "the chip refuses") == 0,
	    "and a reason");
}

/* As a board keeps its network settings, and reads them again. */
static void settings(void)
{
	const struct setup_network wifi = { SETUP_WIFI,
		{ [SETUP_WIFI_SSID] = { TEXT("home"), 0 },
		    [SETUP_WIFI_PASSWORD] = { TEXT("secret"), 0 } } };
	uint8_t bytes[64];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct setup_network got;
	struct slice map;
	size_t refused = 0;

	setup_network_put(&w, &wifi);
	ok(cbor_finish(&w, &map) == OK && setup_network_take(map, &got) == OK &&
	        got.kind == SETUP_WIFI &&
	        slice_equal(got.at[SETUP_WIFI_SSID].bytes, TEXT("home")) &&
	        slice_equal(got.at[SETUP_WIFI_PASSWORD].bytes, TEXT("secret")),
	    "network settings: written and read");
	for (size_t n = 0; n < map.n; n++)
		refused += setup_network_take((struct slice){ map.p, n }, &got) == ERR_FORMAT;
	ok(refused == map.n, "network settings: none that is cut");
}

/* The frames of docs/setup-protocol.md. */
static void example(void)
{
	static struct line l;
	const struct slice frames[] = {
		BYTES(0x55, 0xaa, 0x10, 0, 0x0c, 0x83, 0x19, 0x30, 0x3a, 1, 0xa2, 0, 1, 1, 1, 0,
		    0x3b, 0xaa, 0x55),
		BYTES(0x55, 0xaa, 0x11, 0, 0x23, 0x84, 0x19, 0x30, 0x3a, 1, 0, 0xa3, 0, 1, 1, 0x6a,
		    's', 'k', 'e', 't', 'c', 'h', ' ', '1', '.', '0', 2, 0xa5, 0, 1, 1, 1, 2, 1, 3,
		    1, 4, 1, 0x92, 0x4a, 0xaa, 0x55),
		BYTES(0x55, 0xaa, 0x10, 0, 0x0a, 0x83, 0x19, 0x30, 0x3b, 5, 0xa1, 0, 0xf4, 0xe8,
		    0xab, 0xaa, 0x55),
		BYTES(0x55, 0xaa, 0x11, 0, 0x10, 0x84, 0x19, 0x30, 0x3b, 5, 0x0e, 0xa3, 0, 6, 1,
		    0x18, 0x40, 2, 0x0f, 9, 0xfc, 0xaa, 0x55),
	};

	memset(&l, 0, sizeof(l));
	l.platform = fake_platform(&l.fake);
	l.platform.program = "sketch 1.0";
	l.fake.config_locked = l.fake.data_locked = l.fake.mute = true;
	l.fake.fail = ERR_DEVICE;
	power(&l);
	setup_host_init(&l.host, 12345, &setup_limits_default);
	for (unsigned i = 0; i < 4; i += 2) {
		struct slice in;

		ok((i == 0 ? setup_ask_hello(&l.host) : setup_ask_key(&l.host, false)) == OK &&
		        slice_equal(setup_host_output(&l.host), frames[i]),
		    "example: request %u", 1 + i / 2);
		setup_host_sent(&l.host, frames[i].n);
		setup_board_take(&l.board, frames[i]);
		in = (struct slice){ l.fake.out, l.fake.out_n };
		ok(slice_equal(in, frames[i + 1]), "example: answer %u", 1 + i / 2);
		l.fake.out_n = 0;
		ok(setup_host_take(&l.host, &in) == (i == 0 ? SETUP_ANSWERED : SETUP_FAILED),
		    "example: taken");
	}
}

int main(void)
{
	static struct line l;
	size_t bytes, frames;

	example();
	answers();
	settings();
	(void)setup(&l, NO_TROUBLE, 0);
	bytes = l.bytes;
	frames = l.frames;
	cables(bytes, false);
	cables(bytes, true);
	sweep(CUT_BYTE, bytes, STEP, "a byte lost");
	sweep(FLIP_BYTE, bytes, STEP, "a bit turned");
	sweep(DOUBLE_BYTE, bytes, STEP, "a byte twice");
	sweep(DROP_FRAME, frames, 1, "a frame lost");
	sweep(DOUBLE_FRAME, frames, 1, "a frame twice");
	sweep(NOISE_BEFORE, frames, 1, "text with a mark in it");
	resets(2 * STEPS);
	return done_testing();
}
