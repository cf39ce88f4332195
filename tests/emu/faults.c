/*
 * Fault plans: what is a plan, and what the driver makes of each fault. Every fault is followed by the
 * same work without one, which must succeed.
 */
#include "emu.h"
#include "fault_plan.h"
#include "se.h"
#include "sei2c.h"
#include "tap.h"

#include <stdlib.h>
#include <unistd.h>

#define ADDRESS 0x60

/* --- the text --- */

static struct slice text_of(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static void test_accepted(void)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {
		{ "", "" },
		{ "# nothing\n\n  \t\r\n", "" },
		{ "nack 3", "nack 3\n" },
		{ "nack 3 times 1\n", "nack 3\n" },
		{ " nack\t3  times 2 # why\r\n", "nack 3 times 2\n" },
		{ "stuck 1\nbad-crc 007", "stuck 1\nbad-crc 7\n" },
		{ "bad-crc 1 of GenKey", "bad-crc 1 of GenKey\n" },
		{ "power-before 2\npower-after 1000000", "power-before 2\npower-after 1000000\n" },
		{ "watchdog 1\nbrown-out 1\nslow 2 30", "watchdog 1\nbrown-out 1\nslow 2 30\n" },
	};
	char out[FAULT_PLAN_TEXT];
	struct fault_plan plan;
	struct errbuf eb;

	for (size_t i = 0; i < COUNT(cases); i++) {
		bool good = fault_plan_parse(text_of(cases[i].text), &plan, &eb) == OK;

		if (good)
			fault_plan_print(&plan, out);
		ok(good && strcmp(out, cases[i].printed) == 0, "plan %zu is taken", i + 1);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "nack", "line 1: which one is missing" },
		{ "\n# x\nnack 0", "line 3: which one is not from 1 to 1000000" },
		{ "nack 1000001", "line 1: which one is not from 1 to 1000000" },
		{ "nack 99999999999999999999", "line 1: which one is not from 1 to 1000000" },
		{ "nack -1", "line 1: which one is not a number" },
		{ "nack 1 times", "line 1: how many times is missing" },
		{ "nack 1 2", "line 1: more words than nack takes" },
		{ "stuck 1 times 2", "line 1: more words than stuck takes" },
		{ "slow 1", "line 1: the number of milliseconds is missing" },
		{ "bad-crc 1 of genkey", "line 1: no chip has a command of this name" },
		{ "bad-crc 1 of", "line 1: no chip has a command of this name" },
		{ "stuck 1\nNACK 1", "line 2: not a fault; there are nack, stuck, bad-crc, "
		                     "power-before, power-after, watchdog, brown-out and slow" },
	};
	struct fault_plan plan = { .n = 7 };
	struct errbuf eb;

	for (size_t i = 0; i < COUNT(cases); i++)
		ok(fault_plan_parse(text_of(cases[i].text), &plan, &eb) == ERR_FORMAT &&
		        strcmp(eb.text, cases[i].says) == 0 && plan.n == 7,
		    "refused: %s", cases[i].says);
}

static void test_longest(void)
{
	char text[(FAULTS_MAX + 1) * 40], out[FAULT_PLAN_TEXT];
	struct fault_plan plan;
	struct errbuf eb;
	size_t n = 0;

	for (unsigned i = 0; i < FAULTS_MAX; i++)
		n += (size_t)sprintf(text + n, "nack 1000000 times 1000000\n");
	ok(fault_plan_parse((struct slice){ (uint8_t *)text, n }, &plan, &eb) == OK &&
	        plan.n == FAULTS_MAX,
	    "64 faults");
	fault_plan_print(&plan, out);
	ok(strlen(out) == n && memcmp(out, text, n) == 0, "print as they were");
	sprintf(text + n, "stuck 1\n");
	ok(fault_plan_parse(text_of(text), &plan, &eb) == ERR_SPACE &&
	        strcmp(eb.text, "line 65: a plan has at most 64 faults") == 0,
	    "65 do not fit");
}

/* --- with the driver --- */

static enum err bus_wake(void *ctx)
{
	emu_i2c_write(ctx, 0, (const uint8_t *)"", 1);
	return OK;
}

static enum err acked(enum emu_ack ack)
{
	return ack == EMU_ACK ? OK : ack == EMU_STUCK ? ERR_IO : ERR_TIMEOUT;
}

static enum err bus_send(void *ctx, const uint8_t *p, size_t n)
{
	return acked(emu_i2c_write(ctx, ADDRESS, p, n));
}

static enum err bus_recv(void *ctx, uint8_t *p, size_t n)
{
	return acked(emu_i2c_read(ctx, ADDRESS, p, n));
}

static void bus_wait_ms(void *ctx, uint32_t ms)
{
	emu_advance(ctx, ms * 1000);
}

/* A chip with Arduino's configuration locked, in which slot 0 has a key. */
static struct emu *locked_chip(const struct se_hal *hal, struct se_hal *mine, struct se *se)
{
	struct emu_options o = { .family = EMU_ATECC608B };
	struct emu *emu = NULL;
	uint8_t q[64];

	if (emu_open(NULL, &o, &emu, NULL) != OK)
		exit(1);
	*mine = *hal;
	mine->ctx = emu;
	if (se_open(se, mine) != OK || se_lock(se, &se_profile_arduino) != OK ||
	    se_genkey(se, 0, q) != OK)
		exit(1);
	return emu;
}

static const struct se_hal in_process = { NULL, bus_wake, bus_send, bus_recv, bus_wait_ms };

enum work { GENKEY, WRITE };

static enum err work(struct se *se, enum work what)
{
	static const uint8_t bytes[64] = { 1, 2, 3 };
	uint8_t q[64];

	return what == GENKEY ? se_genkey(se, 0, q) : se_slot_write(se, 8, 0, SLICE(bytes));
}

static const struct {
	const char *plan;
	enum work what;
	enum err e;
	enum se_fault fault; /* when e is not OK */
} faults[] = {
	{ "", GENKEY, OK, SE_FINE },
	{ "nack 1", GENKEY, OK, SE_FINE },
	{ "nack 2", GENKEY, OK, SE_FINE },
	{ "nack 1 times 1000000", GENKEY, ERR_TIMEOUT, SE_NO_ANSWER },
	{ "stuck 1", GENKEY, ERR_IO, SE_BUS },
	{ "stuck 3", GENKEY, ERR_IO, SE_BUS },
	{ "bad-crc 1", GENKEY, ERR_CRC, SE_REPLY_CRC },
	{ "bad-crc 1 of GenKey", GENKEY, ERR_CRC, SE_REPLY_CRC },
	{ "bad-crc 1 of Sign", GENKEY, OK, SE_FINE },
	{ "bad-crc 2 of Write", WRITE, ERR_CRC, SE_REPLY_CRC },
	{ "power-before 1", GENKEY, ERR_TIMEOUT, SE_BUSY_TOO_LONG },
	{ "power-after 1", GENKEY, ERR_TIMEOUT, SE_BUSY_TOO_LONG },
	{ "power-before 2", WRITE, ERR_TIMEOUT, SE_BUSY_TOO_LONG },
	{ "power-before 2", GENKEY, OK, SE_FINE },
	{ "watchdog 1", GENKEY, ERR_TIMEOUT, SE_BUSY_TOO_LONG },
	{ "brown-out 1", GENKEY, ERR_TIMEOUT, SE_BUSY_TOO_LONG },
	{ "brown-out 1", WRITE, OK, SE_FINE },
	{ "slow 1 20", GENKEY, OK, SE_FINE },
	{ "slow 1 900", GENKEY, ERR_TIMEOUT, SE_BUSY_TOO_LONG },
};

static void test_driver(void)
{
	for (size_t i = 0; i < COUNT(faults); i++) {
		struct emu_info info;
		struct se_hal hal;
		struct se se;
		struct emu *emu = locked_chip(&in_process, &hal, &se);
		enum err e;

		if (emu_faults_set(emu, text_of(faults[i].plan), NULL) != OK)
			exit(1);
		emu_info(emu, &info);
		ok(info.faults == (faults[i].plan[0] ? 1 : 0), "\"%s\" is set", faults[i].plan);
		e = work(&se, faults[i].what);
		ok(e == faults[i].e && (e == OK || se.fault == faults[i].fault), "%s: %s (%d, %d)",
		    faults[i].what == GENKEY ? "GenKey" : "Write",
		    e == OK ? "done" : se_fault_text(se.fault), (int)e, (int)se.fault);
		if (emu_faults_set(emu, text_of(""), NULL) != OK)
			exit(1);
		emu_advance(emu, 2000000); /* a slow chip may still be at it */
		ok(work(&se, faults[i].what) == OK, "without a plan it succeeds");
		emu_free(emu);
	}
}

/* What the slot holds is what a chip holds whose power went just there. */
static void test_power(void)
{
	static const struct {
		const char *plan;
		uint8_t first, second;
	} cases[] = {
		{ "power-before 1", 0, 0 },
		{ "power-after 1", 1, 0 },
		{ "power-before 2", 1, 0 },
		{ "power-after 2", 1, 2 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t old[64] = { 0 }, new[64] = { [0] = 1, [32] = 2 }, got[64];
		struct se_hal hal;
		struct se se;
		struct emu *emu = locked_chip(&in_process, &hal, &se);

		if (se_slot_write(&se, 8, 0, SLICE(old)) != OK ||
		    emu_faults_set(emu, text_of(cases[i].plan), NULL) != OK)
			exit(1);
		ok(se_slot_write(&se, 8, 0, SLICE(new)) != OK, "%s", cases[i].plan);
		ok(se_slot_read(&se, 8, 0, got, 64) == OK && got[0] == cases[i].first &&
		        got[32] == cases[i].second,
		    "left %u and %u", cases[i].first, cases[i].second);
		emu_free(emu);
	}
}

/* One after the other; a write that was lost is counted once. */
static void test_power_again(void)
{
	static const uint8_t bytes[32] = { 9 };
	struct se_hal hal;
	struct se se;
	struct emu *emu = locked_chip(&in_process, &hal, &se);
	struct errbuf eb;

	ok(emu_faults_set(emu, text_of("power-before 2\npower-before 1\npower-after 3"), &eb) == OK,
	    "three power cuts");
	for (unsigned i = 1; i <= 3; i++)
		ok(se_slot_write(&se, 8, 0, SLICE(bytes)) == ERR_TIMEOUT, "write %u", i);
	ok(se_slot_write(&se, 8, 0, SLICE(bytes)) == OK, "the fourth is done");
	ok(emu_faults_set(emu, text_of("stuck"), &eb) == ERR_FORMAT, "not a plan");
	emu_free(emu);
}

/* A restart from the state file finds what the cut left. */
static void test_state_file(void)
{
	struct emu_options o = { .family = EMU_ATECC608B };
	char folder[] = "/tmp/imprint-faults-XXXXXX", path[64], lock[80];
	struct emu_info before, after;
	struct emu *emu = NULL;
	struct se_hal hal = in_process;
	struct se se;

	if (!mkdtemp(folder))
		exit(1);
	snprintf(path, sizeof(path), "%s/chip.se", folder);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	if (emu_open(path, &o, &emu, NULL) != OK)
		exit(1);
	hal.ctx = emu;
	if (se_open(&se, &hal) != OK || emu_faults_set(emu, text_of("power-after 3"), NULL) != OK)
		exit(1);
	ok(se_profile_write(&se, &se_profile_arduino) == ERR_TIMEOUT,
	    "power fails in the third write");
	emu_info(emu, &before);
	emu_free(emu);
	emu = NULL;
	if (emu_open(path, &o, &emu, NULL) != OK)
		exit(1);
	emu_info(emu, &after);
	ok(before.wear_config == 3 && after.wear_config == 3 && after.faults == 0,
	    "three are kept, the plan is not");
	emu_free(emu);
	unlink(lock);
	unlink(path);
	rmdir(folder);
}

static void test_socket(void)
{
	struct emu_server *server = NULL;
	char folder[] = "/tmp/imprint-faults-XXXXXX", path[64];
	struct se_hal hal;
	struct sei2c bus;
	struct se se;
	struct emu *emu = locked_chip(&in_process, &hal, &se);
	uint8_t q[64];

	if (!mkdtemp(folder))
		exit(1);
	snprintf(path, sizeof(path), "%s/s", folder);
	if (emu_server_new(path, &emu, 1, &server, NULL) != OK ||
	    emu_server_start(server, NULL) != OK || sei2c_init(&bus, path, ADDRESS) != OK)
		exit(1);
	ok(se_open(&se, &bus.hal) == OK, "over the socket");
	if (emu_faults_set(emu, text_of("stuck 1\nstuck 3"), NULL) != OK)
		exit(1);
	ok(se_public(&se, 0, q) == ERR_IO && se.fault == SE_BUS, "a read that hangs");
	ok(se_public(&se, 0, q) == ERR_IO && se.fault == SE_BUS, "a write that hangs");
	ok(se_public(&se, 0, q) == OK, "then it works again");
	sei2c_close(&bus);
	emu_server_free(server);
	emu_free(emu);
	rmdir(folder);
}

int main(void)
{
	test_accepted();
	test_refused();
	test_longest();
	test_driver();
	test_power();
	test_power_again();
	test_state_file();
	test_socket();
	return done_testing();
}
