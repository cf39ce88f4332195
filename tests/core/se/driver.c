/* The driver against a small chip that keeps count and gets into trouble on request. */
#include "chip.h"
#include "tap.h"
#include "vectors.h"

static struct chip chip;
static struct se se;

static bool at_rest(void)
{
	return chip.state != AWAKE;
}

/* --- every public function once, as a table --- */

enum prepared { BLANK, CONFIG_WRITTEN, CONFIG_LOCKED, PROVISIONED };

static uint8_t result[256]; /* what the function under test has read */

static enum err do_serial(void)
{
	return se_serial(&se, result);
}

static enum err do_random(void)
{
	return se_random(&se, result);
}

static enum err do_config_read(void)
{
	return se_config_read(&se, result);
}

static enum err do_slot_read(void)
{
	return se_slot_read(&se, 10, 0, result, 72);
}

static enum err do_slot_write(void)
{
	uint8_t bytes[72];

	memset(bytes, 0x5a, sizeof(bytes));
	return se_slot_write(&se, 11, 0, SLICE(bytes));
}

static enum err do_nonce_load(void)
{
	uint8_t value[32];

	memset(value, 0x77, sizeof(value));
	return se_nonce_load(&se, value);
}

static enum err do_genkey(void)
{
	return se_genkey(&se, 0, result);
}

static enum err do_public(void)
{
	return se_public(&se, 0, result);
}

static enum err do_sign(void)
{
	uint8_t digest[32];

	memset(digest, 0x99, sizeof(digest));
	return se_sign(&se, 0, digest, result);
}

static uint8_t message[130];

static enum err do_sha256(void)
{
	return se_sha256(&se, SLICE(message), result);
}

static uint8_t cert10[72], cert11[36], cert12[36];

static enum err do_cert_write(void)
{
	memset(cert10, 0xa0, sizeof(cert10));
	memset(cert11, 0xb1, sizeof(cert11));
	memset(cert12, '7', sizeof(cert12));
	return se_cert_write(&se, cert10, cert11, cert12);
}

static enum err do_cert_read(void)
{
	return se_cert_read(&se, result, result + 72, result + 108);
}

static enum err do_cert_erase(void)
{
	return se_cert_erase(&se);
}

static enum err do_locks(void)
{
	struct se_locks locks;

	return se_locks(&se, &locks);
}

static enum err do_profile_diff(void)
{
	size_t n;

	return se_profile_diff(&se, &se_profile_arduino, result, sizeof(result), &n);
}

static enum err do_profile_write(void)
{
	return se_profile_write(&se, &se_profile_arduino);
}

static enum err do_lock_config(void)
{
	return se_lock_config(&se, &se_profile_arduino);
}

static enum err do_lock_data(void)
{
	return se_lock_data(&se, &se_profile_arduino);
}

static enum err do_lock(void)
{
	return se_lock(&se, &se_profile_arduino);
}

static enum err do_open(void)
{
	return se_open(&se, &chip.hal);
}

static const struct call {
	const char *name;
	enum err (*run)(void);
	enum prepared before;
	unsigned exchanges; /* that it takes when nothing goes wrong */
	unsigned wakes;     /* more than one where the watchdog would strike else; 508A */
} calls[] = {
	{ "open", do_open, BLANK, 2, 1 },
	{ "serial", do_serial, BLANK, 1, 1 },
	{ "random", do_random, CONFIG_LOCKED, 1, 1 },
	{ "config_read", do_config_read, BLANK, 4, 1 },
	{ "slot_read", do_slot_read, PROVISIONED, 4, 1 },
	{ "slot_write", do_slot_write, PROVISIONED, 4, 1 },
	{ "nonce_load", do_nonce_load, PROVISIONED, 1, 1 },
	{ "genkey", do_genkey, PROVISIONED, 1, 1 },
	{ "public", do_public, PROVISIONED, 1, 1 },
	{ "sign", do_sign, PROVISIONED, 3, 1 },
	{ "sha256", do_sha256, PROVISIONED, 4, 1 },
	{ "cert_write", do_cert_write, PROVISIONED, 20, 2 },
	{ "cert_read", do_cert_read, PROVISIONED, 8, 1 },
	{ "cert_erase", do_cert_erase, PROVISIONED, 2, 1 },
	{ "locks", do_locks, BLANK, 1, 1 },
	{ "profile_diff", do_profile_diff, BLANK, 4, 1 },
	{ "profile_write", do_profile_write, BLANK, 21, 2 },
	{ "lock_config", do_lock_config, CONFIG_WRITTEN, 5, 1 },
	{ "lock_data", do_lock_data, CONFIG_LOCKED, 5, 1 },
	{ "lock", do_lock, BLANK, 32, 5 },
};

static void prepare(enum prepared what, bool is_608)
{
	chip_provisioned(&chip, is_608);
	if (what == BLANK)
		chip_new(&chip, is_608);
	if (what == CONFIG_WRITTEN)
		chip.config[87] = chip.config[86] = 0x55;
	if (what == CONFIG_LOCKED)
		chip.config[86] = 0x55;
	if (what != PROVISIONED)
		memset(chip.slots, 0xff, sizeof(chip.slots));
	if (se_open(&se, &chip.hal) != OK)
		ok(false, "the chip opens before the test");
	chip_plan(&chip);
}

static void test_calls(void)
{
	for (size_t i = 0; i < COUNT(calls); i++) {
		prepare(calls[i].before, false);
		ok(calls[i].run() == OK, "%s succeeds", calls[i].name);
		ok(chip.commands == calls[i].exchanges, "%s takes %u exchanges, %u done",
		    calls[i].name, calls[i].exchanges, chip.commands);
		ok(at_rest() && chip.wakes == calls[i].wakes && chip.idles == chip.wakes &&
		        chip.bad_packets == 0 && chip.strikes == 0,
		    "%s wakes %u times and leaves the chip idle", calls[i].name, chip.wakes);
	}
}

/* --- packets --- */

static void test_packets(void)
{
	static const uint8_t info[] = { 0x07, 0x30, 0x00, 0x00, 0x00, 0x03, 0x5d };

	chip_new(&chip, false);
	ok(se_open(&se, &chip.hal) == OK && se.family == SE_ATECC508A, "508A opens");
	is_bytes(chip.first, sizeof(info), info, sizeof(info), "Info, byte for byte");
	chip_provisioned(&chip, true);
	ok(se_open(&se, &chip.hal) == OK && se.family == SE_ATECC608, "608A opens");
	chip.config[7] = 3;
	ok(se_open(&se, &chip.hal) == OK && se.family == SE_ATECC608, "608B opens");
	is_bytes(se.revision, 4, "\0\0\x60\3", 4, "revision");
	chip.config[6] = 0x20;
	ok(se_open(&se, &chip.hal) == ERR_DEVICE && se.fault == SE_UNKNOWN_DEVICE && at_rest(),
	    "another chip with this protocol is refused");
	prepare(PROVISIONED, false);
	se_close(&se);
	ok(chip.state == ASLEEP && chip.sleeps == 1 && !chip.tempkey_valid, "close ends in Sleep");
}

/* --- what the functions give --- */

static void test_identity(void)
{
	static const uint8_t serial[9] = { 0x45, 0x4d, 2, 3, 4, 5, 6, 7, 0x4d };
	struct se_locks locks;

	prepare(BLANK, false);
	ok(do_serial() == OK, "serial");
	is_bytes(result, 9, serial, 9, "SN[0:8]");
	ok(do_config_read() == OK, "configuration");
	is_bytes(result, 128, chip.config, 128, "128 bytes of configuration");
	ok(se_locks(&se, &locks) == OK && !locks.config && !locks.data && !locks.slots,
	    "nothing is locked");
	ok(do_random() == ERR_DENIED && se.fault == SE_RANDOM_UNLOCKED,
	    "the unlocked chip's pattern is not taken for randomness");
	prepare(CONFIG_LOCKED, false);
	chip.config[88] = 0xfe;
	chip.config[89] = 0x7f;
	ok(se_locks(&se, &locks) == OK && locks.config && !locks.data && locks.slots == 0x8001,
	    "configuration locked, slots 0 and 15 locked singly");
	ok(do_random() == OK && result[0] != result[1], "random numbers once it is locked");
}

static void test_keys(void)
{
	uint8_t digest[32], want[64];

	prepare(PROVISIONED, false);
	ok(do_genkey() == OK, "GenKey");
	chip_public(&chip, 0, want);
	is_bytes(result, 64, want, 64, "the new key");
	ok(chip.keys_made == 1 && chip.last[2] == 0x04, "one key, made new");
	ok(do_public() == OK && chip.keys_made == 1, "the public key makes none");
	is_bytes(result, 64, want, 64, "and is the same");
	ok(do_sign() == OK, "Sign");
	memset(digest, 0x99, sizeof(digest));
	chip_signature(0, digest, want);
	is_bytes(result, 64, want, 64, "over the digest");
	ok(chip.by_opcode[0x1b] == 1 && chip.by_opcode[0x16] == 1 && chip.by_opcode[0x41] == 1,
	    "Random, Nonce, Sign");
	ok(se_public(&se, 3, result) == ERR_DEVICE && se.fault == SE_ECC && se.status == 5 &&
	        at_rest(),
	    "a slot without a key is an ECC fault");
}

static void test_genkey_again(void)
{
	prepare(PROVISIONED, false);
	chip.status = 0x05;
	chip.status_times = 1;
	ok(do_genkey() == OK && chip.keys_made == 1, "GenKey that fails once is repeated");
	chip_plan(&chip);
	chip.status_times = 2;
	ok(do_genkey() == ERR_DEVICE && se.fault == SE_ECC && at_rest(), "but not for ever");
}

static void test_sign_again(void)
{
	static uint8_t want[64], digest[32];

	prepare(PROVISIONED, false);
	memset(digest, 0x99, sizeof(digest));
	chip_signature(0, digest, want);
	chip.status = 0x11; /* reset while Sign runs: TempKey is gone */
	chip.status_at = 2;
	chip.status_times = 1;
	chip_pass(&chip, 1);
	ok(do_sign() == OK, "a stale frame at Sign is no failure");
	chip_plan(&chip);
	chip.status_at = 2;
	chip.status_times = 1;
	chip.tempkey_valid = false;
	ok(do_sign() == OK, "again");
	is_bytes(result, 64, want, 64, "the right digest was signed");

	prepare(PROVISIONED, false);
	chip.trouble = NACK; /* wake and its frame, Random, Nonce: the packet of Sign */
	chip.trouble_at = 6;
	chip.lose_tempkey_at_wake = false;
	ok(do_sign() == OK && chip.wakes == 2, "Sign is not acknowledged: woken again");
	for (unsigned at = 0; at < 12; at++) {
		prepare(PROVISIONED, false);
		memset(result, 0, sizeof(result));
		chip.trouble = NACK;
		chip.trouble_at = at;
		if (do_sign() != OK || memcmp(result, want, 64) != 0)
			ok(false, "signature after no acknowledge at transfer %u", at);
	}
	ok(true, "signatures are right after any missing acknowledge");
}

static void test_sign_tempkey_lost(void)
{
	uint8_t want[64], digest[32];

	prepare(PROVISIONED, false);
	memset(digest, 0x99, sizeof(digest));
	chip_signature(0, digest, want);
	chip.status = 0x0f; /* what Sign answers without TempKey */
	chip.status_at = 2;
	chip.status_times = 1;
	ok(do_sign() == OK && chip.by_opcode[0x16] == 2,
	    "TempKey lost between Nonce and Sign: the sequence is repeated");
	is_bytes(result, 64, want, 64, "signature");
	prepare(PROVISIONED, false);
	ok(se_sign(&se, 9, digest, result) == ERR_DEVICE && se.fault == SE_EXECUTION &&
	        se.opcode == 0x41 && se.status == 0x0f && at_rest() && chip.by_opcode[0x41] == 2,
	    "a slot that may not sign is refused after two tries");
}

static void test_sha256(void)
{
	bool right = true;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 7);
	prepare(PROVISIONED, true);
	for (size_t n = 0; n <= sizeof(message); n++) {
		uint8_t got[32], want[32];

		sha256((struct slice){ message, n }, want);
		right = right && se_sha256(&se, (struct slice){ message, n }, got) == OK &&
		        memcmp(got, want, 32) == 0;
	}
	ok(right && at_rest(), "SHA-256 of 0 to 130 bytes");
}

static void test_slots(void)
{
	static const struct {
		unsigned slot;
		size_t offset, n;
		enum err want;
		const char *name;
	} cases[] = {
		{ 10, 0, 72, OK, "a whole slot" },
		{ 10, 4, 68, OK, "from the second word" },
		{ 10, 64, 8, OK, "its last two words" },
		{ 8, 384, 32, OK, "the end of slot 8" },
		{ 10, 72, 0, OK, "nothing" },
		{ 10, 0, 76, ERR_ARG, "past the end of slot 10" },
		{ 10, 40, 36, ERR_ARG, "past the end, from the middle" },
		{ 8, 388, 32, ERR_ARG, "past the end of slot 8" },
		{ 7, 0, 40, ERR_ARG, "past the end of slot 7" },
		{ 16, 0, 4, ERR_ARG, "slot 16" },
		{ 10, 2, 4, ERR_ARG, "offset not a whole word" },
		{ 10, 0, 6, ERR_ARG, "size not whole words" },
		{ 10, SIZE_MAX - 3, 8, ERR_ARG, "offset that wraps" },
		{ 10, 4, SIZE_MAX - 3, ERR_ARG, "size that wraps" },
	};
	static uint8_t bytes[72];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice in = { bytes, cases[i].n };
		const uint8_t *held = chip.slots[cases[i].slot & 15] + cases[i].offset;
		enum err e;

		for (unsigned k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)(k * 3 + i);
		prepare(PROVISIONED, false);
		e = se_slot_write(&se, cases[i].slot, cases[i].offset, in);
		ok(e == cases[i].want && at_rest(), "write %s", cases[i].name);
		memset(result, 0, 72);
		e = se_slot_read(&se, cases[i].slot, cases[i].offset, result, cases[i].n);
		ok(e == cases[i].want && at_rest(), "read %s", cases[i].name);
		if (cases[i].want == OK)
			ok(memcmp(held, bytes, in.n) == 0 && memcmp(result, bytes, in.n) == 0,
			    "held and read: %s", cases[i].name);
		else
			ok(se.fault == SE_ARGUMENT && chip.commands == 0, "nothing sent: %s",
			    cases[i].name);
	}
	prepare(PROVISIONED, false);
	ok(se_slot_read(&se, 0, 0, result, 36) == ERR_DEVICE && se.fault == SE_EXECUTION,
	    "a private key is never read");
}

static void test_cert(void)
{
	static const uint8_t zero[36];
	bool tail;

	prepare(PROVISIONED, false);
	ok(do_cert_write() == OK, "certificate stored");
	is_bytes(chip.slots[10], 72, cert10, 72, "slot 10");
	is_bytes(chip.slots[11], 36, cert11, 36, "slot 11");
	tail = true;
	for (unsigned i = 36; i < 72; i++)
		tail = tail && chip.slots[11][i] == i + 1;
	ok(tail, "the rest of slot 11 is untouched");
	is_bytes(chip.slots[12], 36, cert12, 36, "slot 12");
	is_bytes(chip.slots[12] + 36, 36, zero, 36, "slot 12 is padded with NUL");
	ok(do_cert_read() == OK, "certificate read");
	is_bytes(result, 72, cert10, 72, "slot 10 read");
	is_bytes(result + 72, 36, cert11, 36, "slot 11 read");
	is_bytes(result + 108, 36, cert12, 36, "slot 12 read");
	ok(do_cert_erase() == OK && memcmp(chip.slots[10], zero, 4) == 0 &&
	        memcmp(chip.slots[12], zero, 4) == 0 && chip.slots[10][4] == 0xa0,
	    "erased as the boards do: one word of slots 10 and 12");
}

static void test_cert_read_back(void)
{
	for (unsigned slot = 10; slot <= 12; slot++) {
		prepare(PROVISIONED, false);
		chip.slot_flip = slot;
		ok(do_cert_write() == ERR_DEVICE && se.fault == SE_READ_BACK && at_rest(),
		    "a bit of slot %u that does not hold is found", slot);
	}
}

/* --- what the chip answers --- */

static void test_status(void)
{
	static const struct {
		uint8_t status;
		enum se_fault fault;
		enum err want;
	} cases[] = {
		{ 0x01, SE_MISCOMPARE, ERR_DEVICE },
		{ 0x03, SE_PARSE, ERR_DEVICE },
		{ 0x05, SE_ECC, ERR_DEVICE },
		{ 0x07, SE_SELF_TEST, ERR_DEVICE },
		{ 0x08, SE_RNG, ERR_DEVICE },
		{ 0x0f, SE_EXECUTION, ERR_DEVICE },
		{ 0x11, SE_RESET, ERR_DEVICE },
		{ 0xee, SE_WATCHDOG, ERR_DEVICE },
		{ 0xff, SE_SENT_CRC, ERR_CRC },
		{ 0x42, SE_STATUS, ERR_DEVICE },
		{ 0x00, SE_REPLY_LENGTH, ERR_CRC },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		prepare(PROVISIONED, false);
		chip.status = cases[i].status;
		chip.status_times = 100;
		ok(do_public() == cases[i].want && se.fault == cases[i].fault &&
		        se.status == cases[i].status && se.opcode == 0x40 && at_rest(),
		    "status %02x for data is a fault of its own", cases[i].status);
		if (cases[i].status == 0x00)
			continue;
		chip_plan(&chip);
		chip.status_times = 100;
		ok(do_nonce_load() == cases[i].want && se.fault == cases[i].fault && at_rest(),
		    "status %02x where a status is due", cases[i].status);
	}
}

/* Said by the chip: nothing was executed. Sent once more, from a fresh wake. */
static void test_resend(void)
{
	static const struct {
		uint8_t status;
		const char *name;
	} cases[] = { { 0x11, "stale wake frame" }, { 0xee, "watchdog about to strike" },
		{ 0xff, "wrong CRC seen by the chip" } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t k = 0; k < COUNT(calls); k++) {
			bool all = true;

			for (unsigned at = 0; at < calls[k].exchanges; at++) {
				prepare(calls[k].before, false);
				chip.status = cases[i].status;
				chip.status_times = 1;
				chip.status_at = at;
				all = calls[k].run() == OK && all && at_rest() &&
				      chip.status_times == 0;
				prepare(calls[k].before, false);
				chip.status = cases[i].status;
				chip.status_times = 2;
				chip.status_at = at;
				all = calls[k].run() != OK && all && at_rest() &&
				      se.status == cases[i].status && chip.status_times == 0;
			}
			ok(all, "%s: %s recovers from one, reports two", cases[i].name,
			    calls[k].name);
		}
	}
}

/* --- what the bus does to the answer --- */

static void test_garbled(void)
{
	static const struct {
		unsigned byte;
		uint8_t mask;
		enum se_fault fault;
		const char *name;
	} cases[] = {
		{ 0, 0x01, SE_REPLY_LENGTH, "count" },
		{ 0, 0xff, SE_REPLY_LENGTH, "count far too large" },
		{ 0, 0x47, SE_REPLY_CRC, "count turned into that of a status" }, /* 43 -> 04 */
		{ 1, 0x80, SE_REPLY_CRC, "first byte" },
		{ 64, 0x01, SE_REPLY_CRC, "last byte" },
		{ 65, 0x10, SE_REPLY_CRC, "CRC" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t want[64];

		prepare(PROVISIONED, false);
		chip_public(&chip, 0, want);
		chip.garble_at = 1; /* behind the wake frame */
		chip.garble_byte = cases[i].byte;
		chip.garble_mask = cases[i].mask;
		chip.garble_times = 2;
		ok(do_public() == OK && memcmp(result, want, 64) == 0 && chip.commands == 1,
		    "%s garbled twice: read again, not executed again", cases[i].name);
		chip_plan(&chip);
		chip.garble_times = 1000;
		memset(result, 0xab, sizeof(result));
		ok(do_public() == ERR_CRC && se.fault == cases[i].fault && at_rest() &&
		        result[0] == 0xab,
		    "%s garbled until the deadline is reported", cases[i].name);
	}
	prepare(PROVISIONED, false);
	chip.garble_byte = 1;
	chip.garble_mask = 0x22;
	chip.garble_times = 5;
	ok(do_public() == OK && chip.wakes == 6, "a garbled wake frame: idle, and woken again");
}

/* --- found in another state --- */

static void test_found(void)
{
	bool all;

	for (size_t k = 0; k < COUNT(calls); k++) {
		all = true;

		for (unsigned read = 0; read < 5; read++) {
			uint8_t scrap[8];

			prepare(calls[k].before, false);
			chip_hal_wake(&chip); /* somebody woke it and asked for something */
			chip_hal_send(&chip, (const uint8_t *)"\3\7\x30\0\0\0\3\x5d", 8);
			chip_hal_recv(&chip, scrap, read);
			chip_plan(&chip);
			all = calls[k].run() == OK && all && at_rest();
		}
		ok(all, "%s: found awake, an answer left in part", calls[k].name);

		prepare(calls[k].before, false);
		chip_hal_wake(&chip);
		chip.busy_until = chip.us + 114000;
		ok(calls[k].run() == OK && at_rest(), "%s: found busy with GenKey", calls[k].name);
	}
	prepare(PROVISIONED, false);
	chip.absent = true;
	all = do_public() == ERR_TIMEOUT && se.fault == SE_NO_ANSWER && chip.waited_ms < 150;
	ok(all, "nobody there: said so in %u ms", (unsigned)chip.waited_ms);
	prepare(PROVISIONED, false);
	chip.garble_times = 10000;
	chip.garble_byte = 2;
	chip.garble_mask = 1;
	ok(do_public() == ERR_DEVICE && se.fault == SE_NO_WAKE && at_rest(),
	    "something that answers without a wake frame");
	prepare(PROVISIONED, false);
	chip.self_test_failed = true;
	ok(do_public() == ERR_DEVICE && se.fault == SE_SELF_TEST && at_rest(),
	    "self test failed at power-on");
}

/* --- time --- */

static void test_slow_chip(bool is_608, uint8_t mode, const char *name)
{
	for (size_t k = 0; k < COUNT(calls); k++) {
		bool pass;

		prepare(calls[k].before, is_608);
		chip.config[19] = mode;
		if (se_open(&se, &chip.hal) != OK)
			ok(false, "%s opens", name);
		chip_plan(&chip);
		chip.pace = MAXIMUM;
		if (mode && calls[k].run == do_lock_data)
			chip.config[19] = 0; /* must equal the profile */
		if (mode && (calls[k].run == do_lock || calls[k].run == do_lock_config))
			continue; /* they need the profile's mode in the chip: tested with 0 */
		pass = calls[k].run() == OK && at_rest() && chip.strikes == 0;
		ok(pass, "%s at its slowest: %s in %u ms of waiting", name, calls[k].name,
		    (unsigned)chip.waited_ms);
	}
}

static void test_deadlines(bool is_608)
{
	static const struct {
		enum err (*run)(void);
		uint8_t opcode;
	} cases[] = {
		{ do_serial, 0x02 },
		{ do_slot_write, 0x12 },
		{ do_random, 0x1b },
		{ do_nonce_load, 0x16 },
		{ do_genkey, 0x40 },
		{ do_public, 0x40 },
		{ do_sha256, 0x47 },
		{ do_lock, 0x17 },
		{ do_sign, 0x41 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint32_t max;
		bool before_max, after_max;

		prepare(cases[i].opcode == 0x17 ? CONFIG_LOCKED : PROVISIONED, is_608);
		max = chip_max_ms(&chip, cases[i].opcode);
		chip.slow_opcode = cases[i].opcode;
		chip.slow_us = max * 1000;
		before_max = cases[i].run() == OK && at_rest();
		prepare(cases[i].opcode == 0x17 ? CONFIG_LOCKED : PROVISIONED, is_608);
		chip.slow_opcode = cases[i].opcode;
		chip.slow_us = 400000;
		after_max = cases[i].run() == ERR_TIMEOUT && se.fault == SE_BUSY_TOO_LONG &&
		            se.opcode == cases[i].opcode && chip.waited_ms <= 2 * max + 10;
		ok(before_max, "%s %02x: an answer at the maximum is taken", is_608 ? "608" : "508",
		    cases[i].opcode);
		ok(after_max, "%s %02x: %u ms of polling and rest, at most twice %u",
		    is_608 ? "608" : "508", cases[i].opcode, (unsigned)chip.waited_ms,
		    (unsigned)max);
		chip_plan(&chip);
		chip_pass(&chip, 1000000);
		ok(at_rest() && do_serial() == OK, "%02x: the next call finds it", cases[i].opcode);
	}
}

/* --- the n-th transfer fails --- */

/* A second try without trouble: what a half-done call allows it to say. */
static bool finishes(const struct call *call)
{
	enum err e;

	chip_plan(&chip);
	e = call->run();
	if (e == ERR_CONFLICT && se.fault == SE_LOCKED)
		return at_rest() && (chip.config[87] == 0 || chip.config[86] == 0);
	return e == OK && at_rest();
}

static unsigned sweep(
    const struct call *call, bool is_608, enum chip_pace pace, enum chip_trouble trouble)
{
	unsigned wrong = 0;

#ifdef SMALL_MACHINE
	const unsigned step = pace == MAXIMUM ? 7 : 1; /* most of its transfers are polls */
#else
	const unsigned step = 1;
#endif

	for (unsigned n = 0;; n += step) {
		enum err e;
		bool right;

		prepare(call->before, is_608);
		chip.pace = pace;
		chip.trouble = trouble;
		chip.trouble_at = n;
		e = call->run();
		if (chip.transfers <= n) /* it never came to that */
			return e == OK ? wrong : wrong + 1;
		if (trouble == NACK)
			right = e == OK;
		else /* only the way to rest may fail unnoticed: its result is there */
			right = e == OK || (e == ERR_IO && se.fault == SE_BUS);
		if (trouble == DEAD) {
			chip.trouble = NONE;
			right = right && chip.transfers < n + 10;
		} else {
			right = right && at_rest() && chip.transfers < 20000;
		}
		if (!right || !finishes(call)) {
			wrong++;
			printf("# %s: trouble %d at transfer %u: err %d, fault %d, state %d\n",
			    call->name, (int)trouble, n, (int)e, (int)se.fault, (int)chip.state);
		}
	}
}

static void test_sweeps(void)
{
	static const struct {
		enum chip_trouble trouble;
		const char *name;
	} troubles[] = { { LOST, "the port fails" }, { DONE, "the port fails, the chip has heard" },
		{ NACK, "no acknowledge" }, { DEAD, "the port is gone" } };

	for (size_t i = 0; i < COUNT(troubles); i++) {
		for (size_t k = 0; k < COUNT(calls); k++) {
			unsigned wrong = sweep(&calls[k], false, INSTANT, troubles[i].trouble) +
			                 sweep(&calls[k], true, MAXIMUM, troubles[i].trouble);

			ok(wrong == 0, "%s at any transfer of %s", troubles[i].name, calls[k].name);
		}
	}
}

/* --- locks --- */

static bool nothing_locked(void)
{
	return chip.config[86] == 0x55 && chip.config[87] == 0x55;
}

static void test_locks(void)
{
	struct se_profile other = se_profile_arduino;
	uint8_t offsets[4] = { 0 };
	size_t n = 0;

	is_bytes(se_profile_arduino.config + 16, 112, vector_default_config.p + 16, 112,
	    "the profile is Arduino's");
	prepare(BLANK, false);
	ok(se_profile_diff(&se, &se_profile_arduino, offsets, 4, &n) == OK && n > 4 &&
	        offsets[0] == 18 && offsets[1] == 20,
	    "a blank chip differs from byte 18 on, in %u bytes", (unsigned)n);
	ok(do_lock_data() == ERR_CONFLICT && se.fault == SE_NOT_LOCKED && chip.by_opcode[0x17] == 0,
	    "data is not locked before the configuration");
	ok(do_lock_config() == ERR_DEVICE && se.fault == SE_READ_BACK && chip.by_opcode[0x17] == 0,
	    "a configuration that is not the profile's is not locked");
	ok(do_profile_write() == OK &&
	        memcmp(chip.config + 20, se_profile_arduino.config + 20, 64) == 0 &&
	        memcmp(chip.config + 88, se_profile_arduino.config + 88, 40) == 0,
	    "profile written");
	ok(se_profile_diff(&se, &se_profile_arduino, offsets, 4, &n) == OK && n == 0,
	    "no byte differs");
	ok(nothing_locked(), "nothing is locked yet");
	ok(do_lock_config() == OK && chip.config[87] == 0 && chip.last[2] == 0x00,
	    "configuration locked, with CRC");
	ok(do_lock_config() == ERR_CONFLICT && se.fault == SE_LOCKED, "and not again");
	ok(do_profile_write() == ERR_CONFLICT && se.fault == SE_LOCKED, "nor written");
	ok(se_lock_data(&se, &other) == OK && chip.config[86] == 0 && chip.last[2] == 0x01,
	    "data locked, with the CRC of factory content");
	ok(do_lock_data() == ERR_CONFLICT && se.fault == SE_LOCKED, "and not again");
	ok(do_lock() == ERR_CONFLICT && se.fault == SE_LOCKED, "nothing is left to lock");
	other.config[20] ^= 1;
	ok(se_profile_diff(&se, &other, offsets, 4, &n) == OK && n == 1 && offsets[0] == 20,
	    "another profile differs in one byte");

	prepare(CONFIG_LOCKED, false);
	ok(se_lock_data(&se, &other) == ERR_CONFLICT && se.fault == SE_OTHER_PROFILE &&
	        chip.by_opcode[0x17] == 0,
	    "data of a chip with another configuration is not locked");
	ok(se_lock(&se, &other) == ERR_CONFLICT && se.fault == SE_OTHER_PROFILE,
	    "nor by the whole sequence");
	ok(do_lock() == OK && chip.config[86] == 0 && chip.by_opcode[0x12] == 0,
	    "a half-locked chip is finished");
	prepare(CONFIG_WRITTEN, true);
	ok(do_lock() == OK && chip.config[86] == 0 && chip.config[87] == 0, "from written");
	prepare(BLANK, true);
	ok(do_lock() == OK && chip.config[86] == 0 && chip.config[87] == 0, "from blank");
}

static void test_lock_used_data(void)
{
	prepare(CONFIG_LOCKED, false);
	chip.slots[8][100] = 0x12;
	ok(do_lock_data() == OK && chip.by_opcode[0x17] == 2 && chip.by_opcode[0x02] == 8 &&
	        chip.last[2] == 0x81,
	    "slots in use: refused with CRC, read back again, then locked without");
	prepare(CONFIG_LOCKED, false);
	chip.slots[8][100] = 0x12;
	chip.read_flip = 21;
	chip.read_mask = 0x10;
	chip.read_flip_after = 1;
	ok(do_lock_data() == ERR_CONFLICT && se.fault == SE_OTHER_PROFILE &&
	        chip.config[86] == 0x55,
	    "a configuration that reads differently the second time: not locked");
}

/* Every bit of the configuration, flipped on its way in, on its way back, and both. */
static void test_flips(void)
{
	unsigned in = 0, back = 0, both = 0, data = 0, cases = 0;

	for (unsigned i = 16; i < 128; i++) {
		if (i >= 84 && i < 88)
			continue;
		for (unsigned bit = i % 4; bit < 8; bit += 4) {
			uint8_t mask = (uint8_t)(1u << bit);

			cases++;
			prepare(BLANK, false);
			chip.write_flip = i;
			chip.write_mask = mask;
			in += do_lock() == ERR_DEVICE && se.fault == SE_READ_BACK &&
			      nothing_locked() && at_rest();

			prepare(CONFIG_WRITTEN, false);
			chip.read_flip = i;
			chip.read_mask = mask;
			back += do_lock_config() == ERR_DEVICE && se.fault == SE_READ_BACK &&
			        nothing_locked() && at_rest();

			prepare(CONFIG_WRITTEN, false);
			chip.config[i] ^= mask; /* wrong in the chip, right on the bus */
			chip.read_flip = i;
			chip.read_mask = mask;
			both += do_lock_config() == ERR_DEVICE && se.fault == SE_EXECUTION &&
			        nothing_locked() && at_rest();

			prepare(CONFIG_LOCKED, false);
			chip.read_flip = i;
			chip.read_mask = mask;
			data += do_lock_data() == ERR_CONFLICT && se.fault == SE_OTHER_PROFILE &&
			        chip.config[86] == 0x55 && at_rest();
		}
	}
	ok(in == cases, "%u of %u bits flipped when written lock nothing", in, cases);
	ok(back == cases, "%u of %u bits flipped when read back lock nothing", back, cases);
	ok(both == cases, "%u of %u bits wrong in the chip and right on the bus lock nothing", both,
	    cases);
	ok(data == cases, "%u of %u bits flipped when read back leave data open", data, cases);
	in = 0;
	for (unsigned i = 1; i < 16; i++) {
		prepare(CONFIG_WRITTEN, false);
		chip.read_flip = i;
		chip.read_mask = 0x04;
		in += do_lock_config() != OK && nothing_locked();
	}
	prepare(BLANK, false);
	chip.write_flip = 33;
	chip.write_mask = 0x20;
	ok(do_profile_write() == ERR_DEVICE && se.fault == SE_READ_BACK && at_rest(),
	    "writing the profile reads it back by itself");
	ok(in == 15, "a bit flipped in the identity locks nothing: the CRC covers it");
}

static void test_texts(void)
{
	bool distinct = true;

	for (unsigned i = 0; i < SE_FAULTS; i++) {
		distinct = distinct && se_fault_text((enum se_fault)i) &&
		           strlen(se_fault_text((enum se_fault)i)) > 6;
		for (unsigned k = 0; distinct && k < i; k++)
			distinct = strcmp(se_fault_text((enum se_fault)i),
			               se_fault_text((enum se_fault)k)) != 0;
	}
	ok(distinct, "every fault has words of its own");
	ok(strcmp(se_fault_text(SE_FAULTS), "unknown fault") == 0, "and nothing is read past them");
}

int main(void)
{
	test_packets();
	test_calls();
	test_identity();
	test_keys();
	test_genkey_again();
	test_sign_again();
	test_sign_tempkey_lost();
	test_sha256();
	test_slots();
	test_cert();
	test_cert_read_back();
	test_status();
	test_resend();
	test_garbled();
	test_found();
	test_slow_chip(false, 0, "508A");
	test_slow_chip(true, 0, "608 M0");
	test_slow_chip(true, 0x28, "608 M1");
	test_slow_chip(true, 0x68, "608 M2");
	test_deadlines(false);
	test_deadlines(true);
	test_sweeps();
	test_locks();
	test_lock_used_data();
	test_flips();
	test_texts();
	return done_testing();
}
