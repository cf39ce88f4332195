/*
 * An emulated chip as /dev/i2c-7, as Linux's i2c-dev would offer a real one: what opens, which errno
 * each failure has, and that a descriptor is duplicated, forked and closed like any other.
 */
#include "emu.h"
#include "i2c_file.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE "/dev/i2c-7"
#define ADDRESS 0x60

static char folder[] = "/tmp/imprint-i2c-XXXXXX", path[64];
static struct emu *emu;
static struct emu_server *server;

static const uint8_t wake_frame[4] = { 0x04, 0x11, 0x33, 0x43 };
static const uint8_t info[] = { 0x03, 0x07, 0x30, 0x00, 0x00, 0x00, 0x03, 0x5D };
static const uint8_t revision[7] = { 0x07, 0x00, 0x00, 0x60, 0x03, 0x83, 0xBB };

static void server_up(void)
{
	struct emu_options o = { .family = EMU_ATECC608B };

	if ((!emu && emu_open(NULL, &o, &emu, NULL) != OK) ||
	    emu_server_new(path, &emu, 1, &server, NULL) != OK ||
	    emu_server_start(server, NULL) != OK) {
		printf("Bail out! no server\n");
		exit(1);
	}
}

static void server_down(void)
{
	emu_server_free(server);
	server = NULL;
}

static void list(const char *before)
{
	char text[128];

	snprintf(text, sizeof(text), "%s7=%s", before, path);
	setenv("IMPRINT_I2C", text, 1);
}

static int opened(struct i2c_file *f, int flags)
{
	int fd = i2c_file_open(DEVICE, flags);

	if (fd < 0 || !i2c_file_of(fd, f)) {
		printf("Bail out! %s does not open: %s\n", DEVICE, strerror(errno));
		exit(1);
	}
	return fd;
}

/* An ioctl whose argument is a number. */
static int set(struct i2c_file *f, unsigned long request, uintptr_t number)
{
	void *arg;

	memcpy(&arg, &number, sizeof(arg));
	return i2c_file_ioctl(f, request, arg);
}

/* --- what opens --- */

static const struct {
	const char *name, *device, *setting; /* NULL: our chip under number 7 */
	int flags, want, error;
} opens[] = {
	{ "not a device of I2C", "/dev/null", NULL, O_RDWR, I2C_FILE_OTHER, 0 },
	{ "another bus is the system's", "/dev/i2c-8", NULL, O_RDWR, I2C_FILE_OTHER, 0 },
	{ "number with more behind it", "/dev/i2c-7a", NULL, O_RDWR, I2C_FILE_OTHER, 0 },
	{ "no number", "/dev/i2c-", NULL, O_RDWR, I2C_FILE_OTHER, 0 },
	{ "leading zero: another path", "/dev/i2c-07", NULL, O_RDWR, I2C_FILE_OTHER, 0 },
	{ "number of six digits", "/dev/i2c-700000", NULL, O_RDWR, I2C_FILE_OTHER, 0 },
	{ "old name of the device", "/dev/i2c/7", NULL, O_RDWR, I2C_FILE_OTHER, 0 },
	{ "no path", NULL, NULL, O_RDWR, I2C_FILE_OTHER, 0 },
	{ "nothing listed", DEVICE, "", O_RDWR, I2C_FILE_OTHER, 0 },
	{ "list without a number", DEVICE, "/tmp/x", O_RDWR, -1, EINVAL },
	{ "list without a socket", DEVICE, "7=", O_RDWR, -1, EINVAL },
	{ "list that goes on after its end", DEVICE, "7=/tmp/x,", O_RDWR, -1, EINVAL },
	{ "nobody listens", DEVICE, "7=/nowhere/at.all", O_RDWR, -1, ENODEV },
	{ "a device is no folder", DEVICE, NULL, O_RDWR | O_DIRECTORY, -1, ENOTDIR },
	{ "a device exists already", DEVICE, NULL, O_RDWR | O_CREAT | O_EXCL, -1, EEXIST },
};

static void test_open(void)
{
	struct i2c_file f;
	int fd;

	for (size_t i = 0; i < COUNT(opens); i++) {
		list("");
		if (opens[i].setting)
			setenv("IMPRINT_I2C", opens[i].setting, 1);
		errno = 0;
		fd = i2c_file_open(opens[i].device, opens[i].flags);
		ok(fd == opens[i].want && errno == opens[i].error, "%s", opens[i].name);
	}
	list("12345=/nowhere/at.all,");
	fd = opened(&f, O_RDWR | O_CREAT | O_TRUNC);
	ok(f.bus == 7 && !(fcntl(fd, F_GETFD) & FD_CLOEXEC), "second of a list, as creat opens it");
	close(fd);
	fd = opened(&f, O_RDWR | O_CLOEXEC);
	ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "O_CLOEXEC");
	close(fd);
	list("");
}

static void test_others(void)
{
	struct i2c_file f;
	int ends[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	errno = EILSEQ;
	ok(file >= 0 && !i2c_file_of(file, &f) && errno == EILSEQ, "a file is none");
	close(file);
	ok(pipe(ends) == 0 && !i2c_file_of(ends[0], &f), "a pipe is none");
	close(ends[0]);
	close(ends[1]);
	errno = EILSEQ;
	ok(!i2c_file_of(-1, &f) && errno == EILSEQ, "no descriptor is none, errno untouched");
}

/* --- transactions --- */

static int rdwr(struct i2c_file *f, struct i2c_msg *msgs, uint32_t n)
{
	struct i2c_rdwr_ioctl_data data = { msgs, n };

	return i2c_file_ioctl(f, I2C_RDWR, &data);
}

static int wake(struct i2c_file *f)
{
	uint8_t zero = 0;
	struct i2c_msg m = { .addr = 0, .len = 1, .buf = &zero };

	return rdwr(f, &m, 1);
}

static void sleep_chip(struct i2c_file *f)
{
	static const uint8_t sleep_word = 0x01;

	if (i2c_file_write(f, &sleep_word, 1) != 1)
		ok(false, "the chip could not be sent to sleep: %s", strerror(errno));
}

static void test_talk(void)
{
	struct i2c_file f;
	uint8_t in[7];
	int fd = opened(&f, O_RDWR);

	ok(set(&f, I2C_SLAVE, ADDRESS) == 0, "I2C_SLAVE");
	errno = 0;
	ok(i2c_file_write(&f, info, sizeof(info)) == -1 && errno == ENXIO, "asleep: ENXIO");
	errno = 0;
	ok(i2c_file_read(&f, in, 4) == -1 && errno == ENXIO, "asleep: ENXIO for a read, too");
	errno = 0;
	ok(wake(&f) == -1 && errno == ENXIO, "nobody acknowledges the wake pulse");
	ok(i2c_file_read(&f, in, 4) == 4, "awake");
	is_bytes(in, 4, wake_frame, 4, "the wake frame");
	ok(i2c_file_write(&f, info, sizeof(info)) == sizeof(info), "Info");
	ok(i2c_file_read(&f, in, sizeof(in)) == sizeof(in), "its answer");
	is_bytes(in, sizeof(in), revision, sizeof(revision), "revision of a 608B");
	ok(i2c_file_write(&f, info, 0) == 0, "no bytes at all: is somebody there?");
	sleep_chip(&f);
	close(fd);
}

static void test_messages(void)
{
	struct i2c_file f;
	uint8_t in[7] = { 0 }, packet[sizeof(info)];
	struct i2c_msg both[2] = { { .addr = ADDRESS, .len = sizeof(packet), .buf = packet },
		{ .addr = ADDRESS, .flags = I2C_M_RD, .len = sizeof(in), .buf = in } };
	int fd = opened(&f, O_RDWR);

	memcpy(packet, info, sizeof(info));
	ok(wake(&f) == -1, "wake");
	ok(rdwr(&f, both, 2) == 2, "a write and a read, the address in the message");
	is_bytes(in, sizeof(in), revision, sizeof(revision), "revision");
	both[1].addr = ADDRESS + 1;
	errno = 0;
	ok(rdwr(&f, both, 2) == -1 && errno == ENXIO, "the second one's address is nobody's");
	ok(set(&f, I2C_SLAVE_FORCE, ADDRESS) == 0, "I2C_SLAVE_FORCE");
	sleep_chip(&f);
	close(fd);
}

static const struct {
	const char *name;
	uint16_t addr, flags, len;
	uint32_t n;
	int error;
} messages[] = {
	{ "no message", ADDRESS, 0, 1, 0, EINVAL },
	{ "43 messages", ADDRESS, 0, 1, 43, EINVAL },
	{ "more bytes than i2c-dev takes", ADDRESS, 0, 8193, 1, EINVAL },
	{ "more bytes than SEI2C takes", ADDRESS, 0, 4097, 1, EOPNOTSUPP },
	{ "address of ten bits", ADDRESS, I2C_M_TEN, 1, 1, EOPNOTSUPP },
	{ "a length that the chip says", ADDRESS, I2C_M_RD | I2C_M_RECV_LEN, 1, 1, EOPNOTSUPP },
	{ "no START", ADDRESS, I2C_M_NOSTART, 1, 1, EOPNOTSUPP },
	{ "reserved address", 0x78, 0, 1, 1, ENXIO },
	{ "address with the direction in it", ADDRESS << 1, 0, 1, 1, ENXIO },
};

static void test_refused_messages(void)
{
	static uint8_t bytes[8193];
	struct i2c_msg all[43];
	struct i2c_file f;
	int fd = opened(&f, O_RDWR);

	for (size_t i = 0; i < COUNT(messages); i++) {
		for (size_t k = 0; k < COUNT(all); k++)
			all[k] = (struct i2c_msg){ .addr = messages[i].addr,
				.flags = messages[i].flags,
				.len = messages[i].len,
				.buf = bytes };
		errno = 0;
		ok(rdwr(&f, all, messages[i].n) == -1 && errno == messages[i].error, "I2C_RDWR: %s",
		    messages[i].name);
	}
	close(fd);
}

static int smbus(struct i2c_file *f, uint8_t direction, uint8_t command, uint32_t size,
    union i2c_smbus_data *data)
{
	struct i2c_smbus_ioctl_data request = { direction, command, size, data };

	return i2c_file_ioctl(f, I2C_SMBUS, &request);
}

/* The chip's word addresses are the commands of SMBus: 00 resets the reading position, 03 takes a packet. */
static void test_smbus(void)
{
	struct i2c_file f;
	union i2c_smbus_data data = { .block = { sizeof(info) - 1 } };
	int fd = opened(&f, O_RDWR);

	ok(set(&f, I2C_SLAVE, ADDRESS) == 0, "I2C_SLAVE");
	ok(smbus(&f, I2C_SMBUS_WRITE, 0, I2C_SMBUS_QUICK, NULL) == -1 && errno == ENXIO,
	    "quick: nobody awake");
	ok(wake(&f) == -1, "wake");
	ok(smbus(&f, I2C_SMBUS_WRITE, 0, I2C_SMBUS_QUICK, NULL) == 0, "quick: somebody awake");
	memcpy(data.block + 1, info + 1, sizeof(info) - 1);
	ok(smbus(&f, I2C_SMBUS_WRITE, 0x03, I2C_SMBUS_I2C_BLOCK_DATA, &data) == 0,
	    "I2C block write: Info");
	ok(smbus(&f, I2C_SMBUS_READ, 0, I2C_SMBUS_BYTE, &data) == 0 && data.byte == 7,
	    "byte: the answer's length");
	ok(smbus(&f, I2C_SMBUS_WRITE, 0x00, I2C_SMBUS_BYTE, NULL) == 0,
	    "byte write: back to the front");
	data.block[0] = 7;
	ok(smbus(&f, I2C_SMBUS_READ, 0, I2C_SMBUS_I2C_BLOCK_DATA, &data) == 0, "I2C block read");
	is_bytes(data.block + 1, 7, revision, 7, "the whole answer");
	ok(smbus(&f, I2C_SMBUS_READ, 0, I2C_SMBUS_BYTE_DATA, &data) == 0 && data.byte == 7,
	    "byte data");
	ok(smbus(&f, I2C_SMBUS_READ, 0, I2C_SMBUS_WORD_DATA, &data) == 0 && data.word == 0x0007,
	    "word data, low byte first");
	sleep_chip(&f);
	close(fd);
}

static const struct {
	const char *name;
	uint8_t direction;
	uint32_t size;
	uint8_t block_n;
	int error;
} bad_smbus[] = {
	{ "direction 2", 2, I2C_SMBUS_BYTE, 1, EINVAL },
	{ "size 9", I2C_SMBUS_READ, 9, 1, EINVAL },
	{ "empty block", I2C_SMBUS_WRITE, I2C_SMBUS_I2C_BLOCK_DATA, 0, EINVAL },
	{ "block of 33", I2C_SMBUS_WRITE, I2C_SMBUS_I2C_BLOCK_DATA, 33, EINVAL },
	{ "reading a block of 33", I2C_SMBUS_READ, I2C_SMBUS_I2C_BLOCK_DATA, 33, EINVAL },
	{ "SMBus block of 33", I2C_SMBUS_WRITE, I2C_SMBUS_BLOCK_DATA, 33, EINVAL },
	{ "SMBus block read", I2C_SMBUS_READ, I2C_SMBUS_BLOCK_DATA, 1, EOPNOTSUPP },
	{ "process call", I2C_SMBUS_WRITE, I2C_SMBUS_PROC_CALL, 1, EOPNOTSUPP },
};

static void test_refused_smbus(void)
{
	struct i2c_file f;
	int fd = opened(&f, O_RDWR);

	for (size_t i = 0; i < COUNT(bad_smbus); i++) {
		union i2c_smbus_data data = { .block = { bad_smbus[i].block_n } };

		errno = 0;
		ok(smbus(&f, bad_smbus[i].direction, 0, bad_smbus[i].size, &data) == -1 &&
		        errno == bad_smbus[i].error,
		    "I2C_SMBUS: %s", bad_smbus[i].name);
	}
	errno = 0;
	ok(smbus(&f, I2C_SMBUS_READ, 0, I2C_SMBUS_WORD_DATA, NULL) == -1 && errno == EINVAL,
	    "I2C_SMBUS: nowhere to read to");
	close(fd);
}

static const struct {
	const char *name;
	unsigned long request;
	uintptr_t arg;
	int error; /* 0: works */
} ioctls[] = {
	{ "I2C_SLAVE 7F", I2C_SLAVE, 0x7F, 0 },
	{ "I2C_SLAVE C0: 8 bits", I2C_SLAVE, 0xC0, EINVAL },
	{ "I2C_TENBIT off", I2C_TENBIT, 0, 0 },
	{ "I2C_TENBIT on", I2C_TENBIT, 1, EINVAL },
	{ "I2C_PEC off", I2C_PEC, 0, 0 },
	{ "I2C_PEC on", I2C_PEC, 1, EINVAL },
	{ "I2C_RETRIES", I2C_RETRIES, 3, 0 },
	{ "I2C_TIMEOUT", I2C_TIMEOUT, 100, 0 },
	{ "I2C_TIMEOUT beyond an int", I2C_TIMEOUT, 0x80000000u, EINVAL },
	{ "I2C_FUNCS to nowhere", I2C_FUNCS, 0, EFAULT },
	{ "I2C_RDWR from nowhere", I2C_RDWR, 0, EFAULT },
	{ "I2C_SMBUS from nowhere", I2C_SMBUS, 0, EFAULT },
	{ "TCGETS", 0x5401, 0, ENOTTY },
};

static void test_ioctl(void)
{
	struct i2c_file f;
	unsigned long mask = 0;
	int fd = opened(&f, O_RDWR);

	for (size_t i = 0; i < COUNT(ioctls); i++) {
		int e;

		errno = 0;
		e = set(&f, ioctls[i].request, ioctls[i].arg);
		ok(e == (ioctls[i].error ? -1 : 0) && errno == ioctls[i].error, "%s",
		    ioctls[i].name);
	}
	ok(i2c_file_ioctl(&f, I2C_FUNCS, &mask) == 0 && mask & I2C_FUNC_I2C &&
	        !(mask & (I2C_FUNC_10BIT_ADDR | I2C_FUNC_SMBUS_PEC | I2C_FUNC_PROTOCOL_MANGLING)),
	    "I2C_FUNCS says what works and no more");
	close(fd);
}

/* --- a descriptor like any other --- */

static void test_shared(void)
{
	struct i2c_file f, g;
	int fd = opened(&f, O_RDWR), other, status = 0;
	pid_t child;

	ok(set(&f, I2C_SLAVE, 0x33) == 0, "I2C_SLAVE");
	other = dup(fd);
	ok(i2c_file_of(other, &g) && g.address == 0x33, "dup has the address");
	ok(set(&g, I2C_SLAVE, 0x44) == 0 && i2c_file_of(fd, &f) && f.address == 0x44,
	    "and shares it");
	close(fd);
	ok(!i2c_file_of(fd, &f) && i2c_file_of(other, &g), "closed is closed, the other is open");
	fd = opened(&f, O_RDWR);
	ok(f.address == 0, "opened once more: an address of its own");
	child = fork();
	if (child == 0)
		_exit(i2c_file_of(other, &g) && wake(&g) == -1 && errno == ENXIO &&
		              set(&g, I2C_SLAVE, 0x55) == 0
		          ? 0
		          : 1);
	ok(child > 0 && waitpid(child, &status, 0) == child && status == 0, "used by a child");
	ok(i2c_file_of(other, &g) && g.address == 0x55, "whose address is the parent's");
	close(fd);
	close(other);
}

static void test_access(void)
{
	struct i2c_file f;
	uint8_t byte = 0;
	int fd = opened(&f, O_RDONLY);

	errno = 0;
	ok(i2c_file_write(&f, &byte, 1) == -1 && errno == EBADF, "O_RDONLY does not write");
	close(fd);
	fd = opened(&f, O_WRONLY);
	errno = 0;
	ok(i2c_file_read(&f, &byte, 1) == -1 && errno == EBADF, "O_WRONLY does not read");
	close(fd);
}

/* Asks for the revision again and again; every answer must be whole. */
static void *many_reads(void *arg)
{
	struct i2c_file f;
	int fd = opened(&f, O_RDWR);
	uint8_t in[4];
	bool *fine = arg;

	*fine = set(&f, I2C_SLAVE, ADDRESS) == 0;
	for (int i = 0; i < 200; i++) {
		/* Past the end of the output buffer the bus reads FF: the same for whoever reads. */
		*fine = *fine && i2c_file_read(&f, in, 4) == 4 &&
		        memcmp(in, "\xff\xff\xff\xff", 4) == 0;
	}
	close(fd);
	return NULL;
}

static void test_threads(void)
{
	struct i2c_file f;
	pthread_t threads[4];
	bool fine[4] = { false };
	uint8_t in[4];
	int fd = opened(&f, O_RDWR);

	ok(set(&f, I2C_SLAVE, ADDRESS) == 0 && wake(&f) == -1 && i2c_file_read(&f, in, 4) == 4,
	    "awake");
	for (size_t i = 0; i < COUNT(threads); i++) {
		if (pthread_create(&threads[i], NULL, many_reads, &fine[i]) != 0)
			exit(1);
	}
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	ok(fine[0] && fine[1] && fine[2] && fine[3], "four threads at a time");
	sleep_chip(&f);
	close(fd);
}

static void test_gone(void)
{
	struct i2c_file f;
	uint8_t in[4];
	int fd = opened(&f, O_RDWR);

	server_down();
	errno = 0;
	ok(i2c_file_read(&f, in, 4) == -1 && errno == ENODEV, "the emulator is gone: ENODEV");
	errno = 0;
	ok(wake(&f) == -1 && errno == ENODEV, "which is not what a sleeping chip says");
	server_up();
	ok(wake(&f) == -1 && errno == ENXIO, "it is back, and the device works again");
	setenv("IMPRINT_I2C", "", 1);
	ok(wake(&f) == -1 && errno == ENODEV, "the device is listed no more");
	list("");
	close(fd);
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/bus.sock", folder);
	server_up();
	test_open();
	test_others();
	test_talk();
	test_messages();
	test_refused_messages();
	test_smbus();
	test_refused_smbus();
	test_ioctl();
	test_shared();
	test_access();
	test_threads();
	test_gone();
	server_down();
	emu_free(emu);
	rmdir(folder);
	return done_testing();
}
