/* The I2C side: power states, word addresses, output buffer, busy, watchdog, what TempKey survives. */
#include "bus.h"
#include "timing.h"
#include "rig.h"

enum { ADDRESS = 0x60 };

struct bench {
	struct engine g;
	struct bus bus;
	uint64_t now;
};

static void start(
    struct bench *b, enum emu_family family, enum rig_state state, enum emu_timing timing)
{
	memset(&b->bus, 0, sizeof(b->bus));
	rig_chip(&b->g, family, state);
	bus_power_up(&b->bus, &b->g, timing);
	b->now = 1000;
}

static enum emu_ack put(struct bench *b, uint8_t addr, struct slice bytes)
{
	return bus_write(&b->bus, b->now, addr, bytes.p, bytes.n);
}

static enum emu_ack get(struct bench *b, uint8_t *p, size_t n)
{
	return bus_read(&b->bus, b->now, ADDRESS, p, n);
}

static bool awake(struct bench *b)
{
	return put(b, ADDRESS, NOTHING) == EMU_ACK;
}

static void wake(struct bench *b)
{
	put(b, 0, BYTES(0));
	b->now += 1500;
}

static enum emu_ack send(struct bench *b, uint8_t opcode, uint8_t p1, unsigned p2, struct slice in)
{
	uint8_t frame[161] = { 0x03 };
	size_t n = rig_packet(frame + 1, opcode, p1, p2, in);

	return put(b, ADDRESS, SLICE_OF(frame, n + 1));
}

/* Status of a 4-byte response, or -1. */
static int status(struct bench *b)
{
	uint8_t r[4];

	put(b, ADDRESS, BYTES(0));
	return get(b, r, 4) == EMU_ACK && r[0] == 4 ? r[1] : -1;
}

static bool temp_valid(struct bench *b)
{
	return b->g.reg.temp.valid;
}

static void load_temp(struct bench *b)
{
	uint8_t value[32] = { 1 };

	send(b, 0x16, 3, 0, SLICE(value));
	b->now += 30000;
}

static void waking(struct bench *b)
{
	static const uint8_t token[4] = { 0x04, 0x11, 0x33, 0x43 };
	uint8_t r[6];

	start(b, EMU_ATECC608B, FRESH, EMU_TYPICAL);
	ok(put(b, ADDRESS, NOTHING) == EMU_NACK_ADDRESS, "asleep: address not acknowledged");
	ok(get(b, r, 4) == EMU_NACK_ADDRESS, "asleep: no read");
	ok(put(b, 0, BYTES(0)) == EMU_NACK_ADDRESS, "the wake pulse is never acknowledged");
	ok(awake(b), "awake after it");
	ok(get(b, r, 6) == EMU_ACK, "read");
	is_bytes(r, 4, token, 4, "wake frame");
	ok(r[4] == 0xFF && r[5] == 0xFF, "past the end: FF");
	put(b, 0, BYTES(0));
	ok(get(b, r, 4) == EMU_ACK && r[0] == 0xFF, "a pulse at an awake chip changes nothing");
	ok(put(b, 0x61, NOTHING) == EMU_NACK_ADDRESS, "another address: not acknowledged");
	ok(put(b, ADDRESS, BYTES(0x04)) == EMU_NACK_DATA, "reserved word address 04");
	ok(put(b, ADDRESS, BYTES(0xFF)) == EMU_NACK_DATA, "reserved word address FF");

	start(b, EMU_ATECC608B, FRESH, EMU_MAX);
	put(b, 0, BYTES(0));
	ok(!awake(b), "max: not before 1.5 ms");
	b->now += 1499;
	ok(!awake(b), "max: not at 1499 us");
	b->now += 1;
	ok(awake(b), "max: at 1500 us");
}

static void reading(struct bench *b)
{
	uint8_t whole[7], r[7];

	start(b, EMU_ATECC608B, FRESH, EMU_INSTANT);
	wake(b);
	send(b, 0x30, 0, 0, NOTHING);
	get(b, whole, 7);
	ok(whole[0] == 7 && whole[3] == 0x60, "response in one read");
	put(b, ADDRESS, BYTES(0));
	get(b, r, 1);
	get(b, r + 1, 6);
	is_bytes(r, 7, whole, 7, "count first, the rest in a second read");
	put(b, ADDRESS, BYTES(0));
	for (size_t i = 0; i < 7; i++)
		get(b, r + i, 1);
	is_bytes(r, 7, whole, 7, "byte by byte");
	get(b, r, 1);
	ok(r[0] == 0xFF, "then FF until the pointer is reset");
	send(b, 0x99, 0, 0, NOTHING);
	ok(status(b) == 3, "a new command replaces the buffer");
	ok(put(b, ADDRESS, BYTES(0x03, 0x07, 0x30)) == EMU_ACK && status(b) == 0xFF,
	    "cut packet: FF");
	ok(put(b, ADDRESS, BYTES(0x03)) == EMU_ACK && status(b) == 0xFF, "no packet: FF");
	ok(put(b, ADDRESS, BYTES(0x03, 0x07, 0x30, 0, 0, 0, 0x03, 0x5C)) == EMU_ACK &&
	        status(b) == 0xFF,
	    "wrong CRC: FF");
	ok(put(b, ADDRESS, BYTES(0x03, 0x07, 0x30, 0, 0, 0, 0x03, 0x5D, 0)) == EMU_ACK &&
	        status(b) == 0xFF,
	    "a byte too many: FF");
}

static void idle_and_sleep(struct bench *b)
{
	uint8_t latch;

	start(b, EMU_ATECC608B, BOTH_LOCKED, EMU_TYPICAL);
	wake(b);
	load_temp(b);
	ok(put(b, ADDRESS, BYTES(0x02)) == EMU_ACK && !awake(b), "idle: nothing but wake is heard");
	ok(put(b, ADDRESS, BYTES(0x01)) == EMU_NACK_ADDRESS, "idle: not even sleep");
	b->now += 60000000;
	wake(b);
	ok(status(b) == 0x11, "wake frame after idle");
	ok(temp_valid(b), "TempKey survives idle, for a minute");
	send(b, 0x47, 0, 0, NOTHING);
	b->now += 40000;
	put(b, ADDRESS, BYTES(0x02));
	wake(b);
	send(b, 0x47, 2, 3, TEXT("abc"));
	b->now += 40000;
	{
		uint8_t r[35], want[32];

		sha256(TEXT("abc"), want);
		get(b, r, 35);
		is_bytes(r + 1, 32, want, 32, "the SHA context survives idle");
	}
	load_temp(b);
	b->g.reg.latch = true;
	ok(put(b, ADDRESS, BYTES(0x01)) == EMU_ACK && !awake(b), "asleep");
	wake(b);
	latch = b->g.reg.latch;
	ok(!temp_valid(b) && latch, "sleep clears TempKey and keeps the latch");
	load_temp(b);
	bus_power_up(&b->bus, &b->g, EMU_TYPICAL);
	ok(!temp_valid(b) && !b->g.reg.latch, "power-off clears both");
}

static void watchdog(struct bench *b, enum emu_family family, uint8_t chip_mode, uint64_t seconds10)
{
	uint64_t limit = seconds10 * 100000;

	start(b, family, FRESH, EMU_TYPICAL);
	b->g.mem.config[19] = chip_mode;
	put(b, 0, BYTES(0));
	load_temp(b);
	b->now = 1000 + limit - 1;
	ok(awake(b) && temp_valid(b), "%s: awake just before %d00 ms", emu_family_name(family),
	    (int)seconds10);
	b->now += 1;
	ok(!awake(b) && !temp_valid(b), "the watchdog strikes: asleep, TempKey gone");
	wake(b);
	load_temp(b);
	b->now += limit / 2;
	put(b, ADDRESS, BYTES(0x02));
	wake(b);
	b->now += limit / 2 + 100000;
	ok(awake(b), "each wake restarts it");
}

static void watchdog_near(struct bench *b)
{
	start(b, EMU_ATECC508A, CONFIG_LOCKED, EMU_TYPICAL);
	put(b, 0, BYTES(0));
	b->now = 1000 + 1300000 - 11000;
	ok(send(b, 0x40, 4, 0, NOTHING) == EMU_ACK && status(b) == 0xEE,
	    "GenKey would not finish: EE");
	ok(b->bus.commands[0x40] == 0 && !b->g.mem.changed, "and did not begin");
	b->now -= 1;
	ok(send(b, 0x40, 4, 0, NOTHING) == EMU_ACK, "a microsecond earlier");
	b->now += 11000;
	ok(b->bus.commands[0x40] == 1, "it runs");

	start(b, EMU_ATECC608B, FRESH, EMU_INSTANT);
	wake(b);
	load_temp(b);
	b->now += 1300000;
	ok(!awake(b) && !temp_valid(b), "instant: the watchdog follows virtual time");

	start(b, EMU_ATECC608B, CONFIG_LOCKED, EMU_TYPICAL);
	b->bus.tireless = true;
	wake(b);
	load_temp(b);
	b->now += 1300000;
	ok(awake(b) && temp_valid(b) && send(b, 0x40, 4, 0, NOTHING) == EMU_ACK &&
	        b->bus.commands[0x40] == 1,
	    "tireless: it never strikes");
}

static void busy(struct bench *b, enum emu_timing timing, uint64_t us)
{
	uint8_t r[67];

	start(b, EMU_ATECC508A, CONFIG_LOCKED, timing);
	wake(b);
	send(b, 0x40, 4, 0, NOTHING);
	if (us) {
		ok(get(b, r, 1) == EMU_NACK_ADDRESS && put(b, ADDRESS, NOTHING) == EMU_NACK_ADDRESS,
		    "busy: neither read nor write");
		ok(put(b, ADDRESS, BYTES(0x02)) == EMU_NACK_ADDRESS, "busy: idle is not heard");
		b->now += us - 1;
		ok(get(b, r, 1) == EMU_NACK_ADDRESS, "busy until %d us", (int)us);
		b->now += 1;
	}
	ok(get(b, r, 67) == EMU_ACK && r[0] == 67, "then the public key");
	ok(b->bus.busy_us == us, "%d us of execution are counted", (int)us);
}

/* Waits of ArduinoECCX08, in ms: typical must be below them, or its library fails. */
static void arduino_waits(void)
{
	static const struct {
		uint8_t opcode;
		uint32_t ms;
	} waits[] = { { 0x30, 2 }, { 0x02, 5 }, { 0x47, 9 }, { 0x24, 20 }, { 0x1B, 23 },
		{ 0x12, 26 }, { 0x16, 29 }, { 0x17, 32 }, { 0x41, 70 }, { 0x45, 72 },
		{ 0x40, 115 } };
	bool below = true;

	for (size_t i = 0; i < COUNT(waits); i++) {
		below = below &&
		        timing_us(EMU_TYPICAL, false, waits[i].opcode, 0) < waits[i].ms * 1000 &&
		        timing_us(EMU_TYPICAL, true, waits[i].opcode, 0) < waits[i].ms * 1000;
	}
	ok(below, "typical times are below ArduinoECCX08's waits");
	ok(timing_us(EMU_MAX, true, 0x47, 0) == 36000 &&
	        timing_us(EMU_MAX, false, 0x41, 0) == 60000,
	    "maximum times");
	ok(timing_us(EMU_TYPICAL, false, 0x16, 3) == 100, "pass-through nonce: 0.1 ms");
	ok(timing_us(EMU_MAX, true, 0x99, 0) == 0, "an unknown opcode is refused at once");
}

static void addresses(struct bench *b)
{
	start(b, EMU_ATECC608B, FRESH, EMU_INSTANT);
	wake(b);
	send(b, 0x12, 0x00, 4, BYTES(0x6A, 0, 0, 0));
	ok(put(b, 0x60, NOTHING) == EMU_ACK, "a new address is not used at once");
	put(b, 0x60, BYTES(0x02));
	wake(b);
	ok(put(b, 0x60, NOTHING) == EMU_ACK, "nor after idle");
	put(b, 0x60, BYTES(0x01));
	wake(b);
	ok(put(b, 0x60, NOTHING) == EMU_NACK_ADDRESS && put(b, 0x35, NOTHING) == EMU_ACK,
	    "after sleep it is");

	start(b, EMU_ATECC608B, FRESH, EMU_INSTANT);
	b->g.mem.config[19] = 0x01;
	b->g.mem.config[85] = 0x6C;
	bus_power_up(&b->bus, &b->g, EMU_INSTANT);
	wake(b);
	ok(put(b, 0x36, NOTHING) == EMU_ACK, "608: UserExtraAdd, with ChipMode bit 0");
	start(b, EMU_ATECC508A, FRESH, EMU_INSTANT);
	b->g.mem.config[19] = 0x01;
	b->g.mem.config[85] = 0x6C;
	bus_power_up(&b->bus, &b->g, EMU_INSTANT);
	wake(b);
	ok(put(b, 0x60, NOTHING) == EMU_ACK, "508A: byte 16 always");
}

/* What each command does with TempKey. */
static void temp_key(struct bench *b)
{
	static const struct {
		const char *name;
		uint8_t opcode, p1;
		uint16_t p2;
		uint8_t n;
		bool kept;
	} cases[] = {
		{ "Info", 0x30, 0, 0, 0, true },
		{ "Read", 0x02, 0x80, 0, 0, true },
		{ "Write", 0x12, 0x02, 10 << 3, 4, true },
		{ "Counter", 0x24, 0, 0, 0, true },
		{ "Random", 0x1B, 0, 0, 0, true },
		{ "Lock", 0x17, 0x82 | 10 << 2, 0, 0, true },
		{ "UpdateExtra", 0x20, 0, 1, 0, true },
		{ "GenKey create", 0x40, 4, 0, 0, true },
		{ "parse error", 0x99, 0, 0, 0, true },
		{ "execution error", 0x17, 0x80, 0, 0, false },
		{ "ECC fault", 0x41, 0x80, 4, 0, false },
		{ "Sign", 0x41, 0x80, 0, 0, false },
		{ "Verify, miscompare", 0x45, 0, 11, 64, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t in[64], q[64];

		start(b, EMU_ATECC608B, BOTH_LOCKED, EMU_INSTANT);
		rig_private(&b->g, 0, 0x41);
		rig_point(0x41, q);
		rig_public(&b->g, 11, q, 0);
		memset(in, 0x42, sizeof(in));
		wake(b);
		load_temp(b);
		send(b, cases[i].opcode, cases[i].p1, cases[i].p2, SLICE_OF(in, cases[i].n));
		ok(temp_valid(b) == cases[i].kept, "TempKey after %s: %s", cases[i].name,
		    cases[i].kept ? "kept" : "not valid");
	}
}

static void off(struct bench *b)
{
	start(b, EMU_ATECC608B, FRESH, EMU_INSTANT);
	wake(b);
	bus_power_off(&b->bus);
	ok(!awake(b), "no supply, no answer");
	wake(b);
	ok(!awake(b), "not even to a wake pulse");
	bus_power_up(&b->bus, &b->g, EMU_INSTANT);
	wake(b);
	ok(status(b) == 0x11, "and then it wakes again");
}

int main(void)
{
	static struct bench b;

	if (engine_init(&b.g, NULL, NULL, NULL) != OK)
		return 1;
	waking(&b);
	reading(&b);
	idle_and_sleep(&b);
	watchdog(&b, EMU_ATECC508A, 0x00, 13);
	watchdog(&b, EMU_ATECC508A, 0x04, 13);
	watchdog(&b, EMU_ATECC608B, 0x00, 13);
	watchdog(&b, EMU_ATECC608B, 0x04, 100);
	watchdog_near(&b);
	busy(&b, EMU_INSTANT, 0);
	busy(&b, EMU_TYPICAL, 11000);
	busy(&b, EMU_MAX, 115000);
	arduino_waits();
	addresses(&b);
	temp_key(&b);
	off(&b);
	engine_free(&b.g);
	return done_testing();
}
