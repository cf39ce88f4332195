/*
 * The driver behind the kit protocol: a chip from blank to a signature over TCP and a pseudo-terminal,
 * trouble behind the kit, and kits that say something else.
 */
#include "kit.h"
#include "kit_bus.h"
#include "p256.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct emu *blank(enum emu_family family)
{
	struct emu_options o = { .family = family, .timing = EMU_INSTANT };
	struct emu *emu = NULL;

	if (emu_open(NULL, &o, &emu, NULL) != OK) {
		printf("Bail out! no chip\n");
		exit(1);
	}
	return emu;
}

static struct kit_server *serve(const char *where, struct emu *emu)
{
	struct kit_server *s = NULL;

	if (kit_server_new(where, &emu, 1, &s, NULL) != OK || kit_server_start(s, NULL) != OK) {
		printf("Bail out! no kit\n");
		exit(1);
	}
	return s;
}

/* From blank to a signature that verifies. */
static bool signs(const struct se_hal *hal)
{
	uint8_t digest[32], q[64], sig[64];
	struct p256 *p256 = NULL;
	struct se se;
	bool good;

	memset(digest, 0x3c, 32);
	good = se_open(&se, hal) == OK && se_lock(&se, &se_profile_arduino) == OK &&
	       se_genkey(&se, 0, q) == OK && se_sign(&se, 0, digest, sig) == OK &&
	       p256_new(&p256, NULL) == OK && p256_verify(p256, q, digest, sig) == OK;
	if (!good)
		printf("# %s\n", se_fault_text(se.fault));
	se_close(&se);
	p256_free(p256);
	return good;
}

static void test_tcp(enum emu_family family)
{
	struct emu *emu = blank(family);
	struct kit_server *s = serve("tcp:0", emu);
	const char *where = kit_server_where(s);
	struct kit_bus bus;
	struct se se;
	uint8_t sn[9];

	ok(kit_bus_open(&bus, where) == OK && bus.address == 0x60, "%s behind %s",
	    emu_family_name(family), where);
	ok(signs(&bus.hal), "from blank to a signature");
	kit_bus_close(&bus);
	ok(kit_bus_open(&bus, where + 4) == OK && se_open(&se, &bus.hal) == OK, "without tcp:");
	kit_server_free(s);
	ok(se_serial(&se, sn) == ERR_IO && se.fault == SE_BUS && bus.error != 0 && bus.fd < 0,
	    "the kit is gone: %s", strerror(bus.error));
	ok(se_serial(&se, sn) == ERR_IO && se.fault == SE_BUS, "and stays gone");
	kit_bus_close(&bus);
	emu_free(emu);
}

static void test_pty(void)
{
	char folder[] = "/tmp/imprint-kit-XXXXXX", where[64];
	struct emu *emu = blank(EMU_ATECC608B);
	struct kit_server *s;
	struct kit_bus bus;

	if (!mkdtemp(folder))
		exit(1);
	snprintf(where, sizeof(where), "pty:%s/kit", folder);
	s = serve(where, emu);
	ok(kit_bus_open(&bus, where + 4) == OK && signs(&bus.hal),
	    "from blank to a signature behind a pseudo-terminal");
	kit_bus_close(&bus);
	ok(kit_bus_open(&bus, where) == OK, "by the name that the emulator prints");
	kit_bus_close(&bus);
	kit_server_free(s);
	ok(kit_bus_open(&bus, where) == ERR_NOT_FOUND && bus.error == ENOENT, "no longer there");
	rmdir(folder);
	emu_free(emu);
}

/* --- trouble behind the kit --- */

static void faults(struct emu *emu, const char *plan)
{
	if (emu_faults_set(emu, (struct slice){ (const uint8_t *)plan, strlen(plan) }, NULL) != OK)
		exit(1);
}

static void test_trouble(void)
{
	struct emu *emu = blank(EMU_ATECC608B);
	struct kit_server *s = serve("tcp:0", emu);
	struct kit_bus bus;
	struct se se;
	uint8_t sn[9];

	if (kit_bus_open(&bus, kit_server_where(s)) != OK || se_open(&se, &bus.hal) != OK)
		exit(1);
	for (unsigned n = 1; n <= 4; n++) {
		char plan[32];

		snprintf(plan, sizeof(plan), "stuck %u\n", n);
		faults(emu, plan);
		ok(se_serial(&se, sn) == ERR_IO && se.fault == SE_BUS && bus.error == EIO,
		    "a stuck bus at transfer %u is a failed bus", n);
		faults(emu, "");
		ok(se_serial(&se, sn) == OK, "and over when it is over");
	}
	faults(emu, "nack 3\nnack 6\n");
	ok(se_serial(&se, sn) == OK, "what is not acknowledged is sent once more");
	faults(emu, "bad-crc 1\n");
	ok(se_serial(&se, sn) == ERR_CRC && se.fault == SE_REPLY_CRC, "a wrong CRC comes through");
	faults(emu, "");
	emu_power_cycle(emu);
	ok(se_serial(&se, sn) == OK, "a power cut is none");
	kit_bus_close(&bus);
	kit_server_free(s);
	emu_free(emu);
}

/* --- kits that say something else --- */

#define CHIP "ECC608 TWI 00(60)\n00()\n00()\n"

static const struct {
	const char *name, *said;
	enum err begin, wake;
	int error;
} replies[] = {
	{ "a chip, and it wakes", CHIP "00(04113343)\n", OK, OK, 0 },
	{ "an ECC508A at C0", "ECC508A TWI 01(C0)\n00()\n00()\n00()\n", OK, OK, 0 },
	{ "CR and NUL are nothing", "ECC608\0 TWI 00(60)\r\n00()\r\n00()\n00()\n", OK, OK, 0 },
	{ "small letters", "ECC608 TWI 00(6a)\n00()\n00()\ne7()\n", OK, OK, 0 },
	{ "the second chip", "SHA204 SWI 00(03)\n" CHIP "00()\n", OK, OK, 0 },
	{ "no chip", "no_device 00(00)\n", ERR_DEVICE, OK, 0 },
	{ "another chip alone", "SHA204 SWI 00(03)\nno_device 00(00)\n", ERR_DEVICE, OK, 0 },
	{ "nothing acknowledges the pulse", CHIP "E7()\n", OK, OK, 0 },
	{ "no answer to the pulse", CHIP "F1()\n", OK, OK, 0 },
	{ "the kit's bus fails", CHIP "F0()\n", OK, ERR_IO, EIO },
	{ "a status that nobody knows", CHIP "C4()\n", OK, ERR_IO, EPROTO },
	{ "the chip cannot be chosen", "ECC608 TWI 00(60)\n00()\nE3()\n", ERR_IO, OK, EPROTO },
	{ "no such interface", "ECC608 TWI 00(60)\nF5()\n", ERR_IO, OK, EPROTO },
	{ "nothing at all", "", ERR_IO, OK, ECONNRESET },
	{ "half a line", "ECC608 TW", ERR_IO, OK, ECONNRESET },
	{ "a login prompt", "login: \n", ERR_IO, OK, EPROTO },
	{ "no number", "ECC608 TWI (60)\n", ERR_IO, OK, EPROTO },
	{ "no address", "ECC608 TWI 00()\n", ERR_IO, OK, EPROTO },
	{ "two addresses", "ECC608 TWI 00(6061)\n", ERR_IO, OK, EPROTO },
	{ "no parenthesis", CHIP "00\n", OK, ERR_IO, EPROTO },
	{ "an open parenthesis", CHIP "00(04113343\n", OK, ERR_IO, EPROTO },
	{ "half a byte", CHIP "00(041)\n", OK, ERR_IO, EPROTO },
	{ "no hex", CHIP "00(0G)\n", OK, ERR_IO, EPROTO },
	{ "an empty line", CHIP "\n", OK, ERR_IO, EPROTO },
	{ "nothing more", CHIP, OK, ERR_IO, ECONNRESET },
};

/* A bus whose kit has said all this and closes; -1 where it cannot be begun. */
static enum err begin(struct kit_bus *bus, const char *said, size_t n, int *far)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0 ||
	    write(ends[1], said, n) != (ssize_t)n || shutdown(ends[1], SHUT_WR) != 0)
		exit(1);
	*far = ends[1];
	return kit_bus_begin(bus, ends[0]);
}

static void test_replies(void)
{
	static char longest[sizeof(CHIP) + 3 + 2 * 255 + 2],
	    longer[sizeof(CHIP) + KIT_BUS_LINE + 2];
	struct kit_bus bus;
	uint8_t p[300];
	int far;

	for (size_t i = 0; i < COUNT(replies); i++) {
		size_t n = strlen(replies[i].said);
		enum err e;

		if (memcmp(replies[i].said, "ECC608", 7) == 0) /* the one with a NUL in it */
			n = 18 + 2 + 6 + 5 + 5;
		e = begin(&bus, replies[i].said, n, &far);
		ok(e == replies[i].begin, "%s: %d", replies[i].name, (int)e);
		if (e == OK)
			ok(bus.hal.wake(bus.hal.ctx) == replies[i].wake, "and the pulse");
		ok(bus.error == replies[i].error &&
		        (bus.fd < 0) == (e != OK || replies[i].error == EPROTO ||
		                            replies[i].error == ECONNRESET),
		    "error %d", bus.error);
		kit_bus_close(&bus);
		close(far);
	}

	/* The longest answer there can be, and a line that goes on for ever. */
	memset(longest, 'A', sizeof(longest));
	memcpy(longest, CHIP "00(", sizeof(CHIP) + 2);
	memcpy(longest + sizeof(longest) - 3, ")\n", 2);
	ok(begin(&bus, longest, sizeof(longest) - 1, &far) == OK &&
	        bus.hal.wake(bus.hal.ctx) == OK && bus.hal.recv(bus.hal.ctx, p, 256) == OK &&
	        p[254] == 0xaa && p[255] == 0xff,
	    "255 bytes, and FF behind them");
	ok(bus.hal.recv(bus.hal.ctx, p, 1) == OK && p[0] == 0xff &&
	        bus.hal.send(bus.hal.ctx, (const uint8_t[]){ 0 }, 1) == OK &&
	        bus.hal.recv(bus.hal.ctx, p, 1) == OK && p[0] == 0xaa,
	    "until the pointer is reset");
	kit_bus_close(&bus);
	close(far);
	memset(longer, 'A', sizeof(longer));
	memcpy(longer, CHIP, sizeof(CHIP) - 1);
	ok(begin(&bus, longer, sizeof(longer), &far) == OK && bus.hal.wake(bus.hal.ctx) == ERR_IO &&
	        bus.error == EPROTO,
	    "a line without an end is given up");
	kit_bus_close(&bus);
	close(far);
}

static void test_silence(void)
{
	struct kit_bus bus;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0 ||
	    write(ends[1], CHIP, sizeof(CHIP) - 1) < 0 || kit_bus_begin(&bus, ends[0]) != OK)
		exit(1);
	bus.reply_ms = 50;
	ok(bus.hal.wake(bus.hal.ctx) == ERR_IO && bus.error == ETIMEDOUT && bus.fd < 0,
	    "a kit that says nothing is waited for, and given up");
	kit_bus_close(&bus);
	close(ends[1]);
}

static void test_arguments(void)
{
	static const uint8_t two[] = { 0x01, 0x00 }, other[] = { 0x04 }, packet[300] = { 0x03 };
	struct kit_bus bus;
	int far;

	ok(kit_bus_open(&bus, "") == ERR_ARG && kit_bus_open(&bus, "localhost") == ERR_ARG &&
	        kit_bus_open(&bus, ":80") == ERR_ARG && kit_bus_open(&bus, "localhost:") == ERR_ARG,
	    "neither a path nor HOST:PORT");
	ok(kit_bus_open(&bus, "/dev/null") == ERR_ARG && bus.error == ENOTTY, "not a serial port");
	ok(kit_bus_open(&bus, "/nowhere/kit") == ERR_NOT_FOUND, "no such port");
	ok(kit_bus_open(&bus, "127.0.0.1:1") == ERR_IO && bus.error == ECONNREFUSED,
	    "nobody listens");
	if (begin(&bus, CHIP, sizeof(CHIP) - 1, &far) != OK)
		exit(1);
	ok(bus.hal.send(bus.hal.ctx, two, 0) == ERR_ARG &&
	        bus.hal.send(bus.hal.ctx, two, 2) == ERR_ARG &&
	        bus.hal.send(bus.hal.ctx, other, 1) == ERR_ARG &&
	        bus.hal.send(bus.hal.ctx, packet, sizeof(packet)) == ERR_ARG && bus.fd >= 0,
	    "what the protocol has no line for");
	ok(bus.hal.recv(bus.hal.ctx, (uint8_t[1]){ 0 }, 1) == ERR_TIMEOUT, "nothing to be read");
	kit_bus_close(&bus);
	ok(bus.hal.recv(bus.hal.ctx, (uint8_t[1]){ 0 }, 1) == ERR_IO &&
	        bus.hal.wake(bus.hal.ctx) == ERR_IO && bus.error == ENOTCONN,
	    "closed");
	close(far);
}

int main(void)
{
	test_tcp(EMU_ATECC508A);
	test_tcp(EMU_ATECC608B);
	test_pty();
	test_trouble();
	test_replies();
	test_silence();
	test_arguments();
	return done_testing();
}
