/*
 * The driver over /dev/i2c-N: the device is an emulated chip's (i2c_file.h, what libimprint-i2c.so puts
 * there), and every call of the port can be made to fail as adapters fail.
 */
#include "emu.h"
#include "i2c_file.h"
#include "linux_i2c.h"
#include "p256.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DEVICE "/dev/i2c-7"

/* --- the system's calls as the port sees them --- */

static struct {
	int open_error;          /* open fails with this */
	unsigned long functions; /* what the adapter can do; 0: what ours can */
	unsigned at, calls;      /* the at-th I2C_RDWR fails ... */
	int error;               /* ... with this; 0: none does */
	bool for_good;           /* and all that follow */
} system_says;

static int said(int error)
{
	errno = error;
	return -1;
}

int __real_open64(const char *name, int flags, ...);
int __wrap_open64(const char *name, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_open64(const char *name, int flags, ...)
{
	int fd;

	if (strcmp(name, DEVICE) == 0 && system_says.open_error)
		return said(system_says.open_error);
	fd = i2c_file_open(name, flags);
	return fd == I2C_FILE_OTHER ? __real_open64(name, flags, 0600) : fd;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct i2c_file f;
	unsigned call;
	void *arg;
	va_list more;

	va_start(more, request);
	arg = va_arg(more, void *);
	va_end(more);
	if (!i2c_file_of(fd, &f))
		return __real_ioctl(fd, request, arg);
	if (request == I2C_FUNCS && system_says.functions) {
		*(unsigned long *)arg = system_says.functions;
		return 0;
	}
	if (request == I2C_RDWR) {
		call = system_says.calls++;
		if (system_says.error &&
		    (call == system_says.at || (system_says.for_good && call > system_says.at)))
			return said(system_says.error);
	}
	return i2c_file_ioctl(&f, request, arg);
}

/* An instant chip needs none of the port's waiting. */
int __wrap_nanosleep(const struct timespec *t, struct timespec *left);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
	(void)t;
	(void)left;
	return 0;
}

static void all_well(void)
{
	memset(&system_says, 0, sizeof(system_says));
}

/* --- opening --- */

static const struct {
	const char *name, *path;
	unsigned address;
	int open_error;
	unsigned long functions;
	enum err want;
	int error;
} opens[] = {
	{ "first address", DEVICE, 0x08, 0, 0, OK, 0 },
	{ "last address", DEVICE, 0x77, 0, 0, OK, 0 },
	{ "address 07 is the bus's own", DEVICE, 0x07, 0, 0, ERR_ARG, 0 },
	{ "address 78 is the bus's own", DEVICE, 0x78, 0, 0, ERR_ARG, 0 },
	{ "address C0 has the direction in it", DEVICE, 0xC0, 0, 0, ERR_ARG, 0 },
	{ "no such device", DEVICE, 0x60, ENOENT, 0, ERR_NOT_FOUND, ENOENT },
	{ "no adapter behind it", DEVICE, 0x60, ENODEV, 0, ERR_NOT_FOUND, ENODEV },
	{ "no rights", DEVICE, 0x60, EACCES, 0, ERR_DENIED, EACCES },
	{ "no descriptors", DEVICE, 0x60, EMFILE, 0, ERR_IO, EMFILE },
	{ "an adapter of SMBus only", DEVICE, 0x60, 0, I2C_FUNC_SMBUS_EMUL, ERR_DEVICE,
	    EOPNOTSUPP },
	{ "not an adapter", "/dev/null", 0x60, 0, 0, ERR_DEVICE, ENOTTY },
};

static void test_open(void)
{
	struct linux_i2c bus;

	for (size_t i = 0; i < COUNT(opens); i++) {
		enum err e;

		all_well();
		system_says.open_error = opens[i].open_error;
		system_says.functions = opens[i].functions;
		e = linux_i2c_open(&bus, opens[i].path, opens[i].address);
		ok(e == opens[i].want && bus.error == opens[i].error && (e == OK) == (bus.fd >= 0),
		    "open: %s", opens[i].name);
		linux_i2c_close(&bus);
	}
	all_well();
}

/* --- talking --- */

static struct p256 *p256;

static enum err open_chip(struct linux_i2c *bus, struct se *se)
{
	enum err e = linux_i2c_open(bus, DEVICE, LINUX_I2C_ADDRESS);

	return e == OK ? se_open(se, &bus->hal) : e;
}

static enum err set_up(struct se *se, uint8_t q[64])
{
	enum err e = se_lock(se, &se_profile_arduino);

	if (e != OK && se->fault != SE_LOCKED)
		return e;
	return se_genkey(se, SE_SLOT_DEVICE_KEY, q);
}

/* From blank to a signature; *fault says what the driver says. */
static enum err life(enum se_fault *fault, int *error)
{
	struct linux_i2c bus;
	struct se se = { .fault = SE_FINE };
	uint8_t q[64], digest[32] = { 1 }, sig[64];
	enum err e;

	if ((e = open_chip(&bus, &se)) == OK && (e = set_up(&se, q)) == OK &&
	    (e = se_sign(&se, SE_SLOT_DEVICE_KEY, digest, sig)) == OK)
		e = p256_verify(p256, q, digest, sig);
	*fault = e == OK ? SE_FINE : se.fault;
	*error = bus.error;
	if (e == OK)
		se_close(&se);
	linux_i2c_close(&bus);
	return e;
}

/* Whatever goes wrong once, at whichever transaction: told apart, and the next attempt succeeds. */
static void sweep(const char *name, int error, bool is_nack)
{
	unsigned at, wrong = 0, hurt = 0;
	enum se_fault fault;
	int said_error;

	for (at = 0;; at++) {
		enum err e;

		all_well();
		system_says.error = error;
		system_says.at = at;
		e = life(&fault, &said_error);
		if (system_says.calls <= at)
			break; /* it lived without */
		hurt += e != OK;
		/* A missing acknowledge once is what a busy chip does; other failures are the bus's. */
		wrong +=
		    is_nack ? fault == SE_BUS : e != OK && (fault != SE_BUS || said_error != error);
		all_well();
		wrong += life(&fault, &said_error) != OK;
	}
	ok(at > 30 && wrong == 0 && (is_nack || hurt > 20),
	    "%s at each of %u transactions: %u hurt, %u wrong", name, at, hurt, wrong);
}

/* Nothing but this from the first transaction on. */
static void always(const char *name, int error, enum se_fault want)
{
	enum se_fault fault;
	int said_error;

	all_well();
	system_says.error = error;
	system_says.for_good = true;
	ok(life(&fault, &said_error) != OK && fault == want &&
	        said_error == (want == SE_BUS ? error : 0),
	    "%s always: %s", name, se_fault_text(want));
}

int main(void)
{
	char folder[] = "/tmp/imprint-port-XXXXXX", path[64], text[80];
	struct emu_options o = { .family = EMU_ATECC608B, .timing = EMU_INSTANT };
	struct emu_server *server = NULL;
	struct emu *emu = NULL;
	enum se_fault fault;
	int error;

	if (!mkdtemp(folder) || p256_new(&p256, NULL) != OK)
		return 1;
	snprintf(path, sizeof(path), "%s/bus.sock", folder);
	snprintf(text, sizeof(text), "7=%s", path);
	setenv("IMPRINT_I2C", text, 1);
	if (emu_open(NULL, &o, &emu, NULL) != OK ||
	    emu_server_new(path, &emu, 1, &server, NULL) != OK ||
	    emu_server_start(server, NULL) != OK) {
		printf("Bail out! no emulator\n");
		return 1;
	}
	test_open();
	ok(life(&fault, &error) == OK, "a blank chip is locked, makes a key and signs");
	sweep("EREMOTEIO, a missing acknowledge,", EREMOTEIO, true);
	sweep("EIO, a missing acknowledge,", EIO, true);
	sweep("ENODEV, an adapter unplugged,", ENODEV, false);
	sweep("EAGAIN, lost arbitration,", EAGAIN, false);
	always("ENXIO", ENXIO, SE_NO_ANSWER);
	always("EIO", EIO, SE_NO_ANSWER);
	always("ETIMEDOUT, a stuck bus,", ETIMEDOUT, SE_BUS);
	always("ENODEV", ENODEV, SE_BUS);
	all_well();
	emu_server_free(server);
	ok(life(&fault, &error) == ERR_NOT_FOUND && error == ENODEV, "the emulator is gone");
	emu_free(emu);
	p256_free(p256);
	rmdir(folder);
	return done_testing();
}
