#include "i2c_file.h"

#include "sei2c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICE "/dev/i2c-"
#define NUMBER_DIGITS 5 /* cryptoauthlib has 14 characters for a path */
#define ADDRESS_LAST 0x7F
#define KERNEL_DATA_MAX 8192 /* of one transaction, i2c-dev's own limit */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)
#define FUNCTIONS                                                                                  \
	(I2C_FUNC_I2C | I2C_FUNC_SMBUS_QUICK | I2C_FUNC_SMBUS_BYTE | I2C_FUNC_SMBUS_BYTE_DATA |    \
	    I2C_FUNC_SMBUS_WORD_DATA | I2C_FUNC_SMBUS_WRITE_BLOCK_DATA | I2C_FUNC_SMBUS_I2C_BLOCK)

static const uint8_t mark[8] = { 'i', 'm', 'p', 'r', 'i', '2', 'c', '1' };

static int fail(int error)
{
	errno = error;
	return -1;
}

/* --- which sockets --- */

/* The number at the front of the text, and how many digits it has; 0: none, or too many. */
static size_t number(const char *text, uint32_t *n)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > NUMBER_DIGITS || (text[0] == '0' && digits > 1))
		return 0;
	*n = (uint32_t)strtoul(text, NULL, 10);
	return digits;
}

/* Two programs that see different devices under one wrong setting are a riddle, so it is said. */
static int malformed(void)
{
	static const char text[] = "libimprint-i2c: IMPRINT_I2C is not N=SOCKET[,N=SOCKET]\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n; /* nowhere else to say it */
	return EINVAL;
}

/* The socket of the bus: 0, ENOENT when it is not listed, EINVAL when the list is no such list. */
static int find_socket(uint32_t bus, char path[SEI2C_PATH_MAX + 1])
{
	const char *at = secure_getenv("IMPRINT_I2C");
	int found = ENOENT;

	if (!at || !*at)
		return ENOENT;
	for (;;) {
		uint32_t listed;
		size_t digits = number(at, &listed), n;

		if (!digits || at[digits] != '=')
			return malformed();
		at += digits + 1;
		n = strcspn(at, ",");
		if (n == 0 || n > SEI2C_PATH_MAX)
			return malformed();
		if (listed == bus && found == ENOENT) {
			memcpy(path, at, n);
			path[n] = '\0';
			found = 0;
		}
		if (!at[n])
			return found;
		at += n + 1;
	}
}

/* --- transactions --- */

static int connect_error(int error)
{
	return error == EACCES || error == EPERM || error == EMFILE || error == ENFILE ? error
	                                                                               : ENODEV;
}

/* errno for what the client says: the reasons are i2c-dev's, the wire's own trouble is a missing adapter. */
static int bus_error(const struct sei2c *bus, enum err e)
{
	if (e == ERR_TIMEOUT)
		return bus->data_refused ? EREMOTEIO : ENXIO;
	if (e == ERR_ARG)
		return EOPNOTSUPP;
	return bus->error == ETIMEDOUT ? ETIMEDOUT : connect_error(bus->error);
}

static int connect_to(uint32_t number_of_bus, struct sei2c *bus)
{
	char path[SEI2C_PATH_MAX + 1];
	int error = find_socket(number_of_bus, path);

	if (error)
		return fail(error == ENOENT ? ENODEV : error);
	return sei2c_init(bus, path, SEI2C_ADDRESS) == OK ? 0 : fail(ENODEV);
}

static int send_to(struct sei2c *bus, uint32_t address, const uint8_t *p, size_t n)
{
	enum err e = ERR_TIMEOUT;

	bus->data_refused = false;
	if (address <= 0x77) /* above are codes of the bus that no chip acknowledges */
		e = sei2c_write(bus, address, p, n);
	return e == OK ? 0 : fail(bus_error(bus, e));
}

static int receive_from(struct sei2c *bus, uint32_t address, uint8_t *p, size_t n)
{
	enum err e = ERR_TIMEOUT;

	bus->data_refused = false;
	if (address <= 0x77)
		e = sei2c_read(bus, address, p, n);
	return e == OK ? 0 : fail(bus_error(bus, e));
}

/* --- the file --- */

static int make_file(struct i2c_file *f, const char *name, int flags)
{
	unsigned how = MFD_ALLOW_SEALING | (flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	int fd = memfd_create(name, how);

	if (fd < 0)
		return -1;
	if (pwrite(fd, f, sizeof(*f), 0) != (ssize_t)sizeof(*f) ||
	    fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		int error = errno;

		close(fd);
		return fail(error);
	}
	return fd;
}

/* The emulator must be there, as an adapter must be: it is asked for nothing, only connected to. */
static int reachable(uint32_t number_of_bus)
{
	struct sei2c bus;
	uint8_t none;
	int n;

	if (connect_to(number_of_bus, &bus) != 0)
		return -1;
	n = receive_from(&bus, 0, &none, 0); /* nobody acknowledges a read at address 0 */
	sei2c_close(&bus);
	return n == 0 || errno == ENXIO ? 0 : -1;
}

int i2c_file_open(const char *path, int flags)
{
	struct i2c_file f = { .access = (uint32_t)(flags & O_ACCMODE) };
	char socket_path[SEI2C_PATH_MAX + 1];
	size_t prefix = sizeof(DEVICE) - 1, digits;
	int error;

	if (!path || strncmp(path, DEVICE, prefix) != 0)
		return I2C_FILE_OTHER;
	digits = number(path + prefix, &f.bus);
	if (!digits || path[prefix + digits])
		return I2C_FILE_OTHER;
	error = find_socket(f.bus, socket_path);
	if (error == ENOENT)
		return I2C_FILE_OTHER;
	if (error)
		return fail(error);
	if (flags & O_DIRECTORY)
		return fail(ENOTDIR);
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return fail(EEXIST);
	memcpy(f.mark, mark, sizeof(mark));
	return reachable(f.bus) == 0 ? make_file(&f, path, flags) : -1;
}

bool i2c_file_of(int fd, struct i2c_file *f)
{
	int before = errno;
	bool ours = fcntl(fd, F_GET_SEALS) == SEALS &&
	            pread(fd, f, sizeof(*f), 0) == (ssize_t)sizeof(*f) &&
	            memcmp(f->mark, mark, sizeof(mark)) == 0;

	f->fd = fd;
	errno = before;
	return ours;
}

ssize_t i2c_file_read(const struct i2c_file *f, void *p, size_t n)
{
	struct sei2c bus;
	int done;

	if (f->access == O_WRONLY)
		return fail(EBADF);
	if (connect_to(f->bus, &bus) != 0)
		return -1;
	if (n > SEI2C_DATA_MAX)
		n = SEI2C_DATA_MAX;
	done = receive_from(&bus, f->address, p, n);
	sei2c_close(&bus);
	return done == 0 ? (ssize_t)n : -1;
}

ssize_t i2c_file_write(const struct i2c_file *f, const void *p, size_t n)
{
	struct sei2c bus;
	int done;

	if (f->access == O_RDONLY)
		return fail(EBADF);
	if (connect_to(f->bus, &bus) != 0)
		return -1;
	if (n > SEI2C_DATA_MAX)
		n = SEI2C_DATA_MAX;
	done = send_to(&bus, f->address, p, n);
	sei2c_close(&bus);
	return done == 0 ? (ssize_t)n : -1;
}

/* --- ioctl --- */

static int set_address(struct i2c_file *f, uintptr_t address)
{
	if (address > ADDRESS_LAST) /* ten bits would need I2C_TENBIT */
		return fail(EINVAL);
	f->address = (uint32_t)address;
	return pwrite(f->fd, f, sizeof(*f), 0) == (ssize_t)sizeof(*f) ? 0 : -1;
}

static int message(struct sei2c *bus, const struct i2c_msg *m)
{
	if (m->flags & I2C_M_RD)
		return receive_from(bus, m->addr, m->buf, m->len);
	return send_to(bus, m->addr, m->buf, m->len);
}

static int check_messages(const struct i2c_rdwr_ioctl_data *data)
{
	if (!data->msgs || data->nmsgs == 0 || data->nmsgs > I2C_RDWR_IOCTL_MAX_MSGS)
		return fail(EINVAL);
	for (uint32_t i = 0; i < data->nmsgs; i++) {
		const struct i2c_msg *m = &data->msgs[i];

		if (m->len > KERNEL_DATA_MAX)
			return fail(EINVAL);
		/* Ten bits, no START, a length that the chip says: this adapter can do none. */
		if (m->flags & ~I2C_M_RD || m->len > SEI2C_DATA_MAX)
			return fail(EOPNOTSUPP);
		if (m->len && !m->buf)
			return fail(EFAULT);
	}
	return 0;
}

static int transfer(const struct i2c_file *f, const struct i2c_rdwr_ioctl_data *data)
{
	struct sei2c bus;
	int done = 0;

	if (!data)
		return fail(EFAULT);
	if (check_messages(data) != 0 || connect_to(f->bus, &bus) != 0)
		return -1;
	for (uint32_t i = 0; i < data->nmsgs && done == 0; i++)
		done = message(&bus, &data->msgs[i]);
	sei2c_close(&bus);
	return done == 0 ? (int)data->nmsgs : -1;
}

/* Bytes that a write of this size carries after the command; -1: no such write, or a bad length. */
static int smbus_fill(uint32_t size, const union i2c_smbus_data *data, uint8_t *p)
{
	unsigned n = data && size >= I2C_SMBUS_BLOCK_DATA ? data->block[0] : 0;

	if (size == I2C_SMBUS_BYTE)
		return 0;
	if (!data)
		return -1;
	if (size == I2C_SMBUS_BYTE_DATA) {
		p[0] = data->byte;
		return 1;
	}
	if (size == I2C_SMBUS_WORD_DATA) {
		store_le16(p, data->word);
		return 2;
	}
	if (n == 0 || n > I2C_SMBUS_BLOCK_MAX)
		return -1;
	if (size == I2C_SMBUS_BLOCK_DATA)
		memcpy(p, data->block, n + 1);
	else
		memcpy(p, data->block + 1, n);
	return size == I2C_SMBUS_BLOCK_DATA ? (int)n + 1 : (int)n;
}

static int smbus_write(
    struct sei2c *bus, uint32_t address, const struct i2c_smbus_ioctl_data *request)
{
	uint8_t frame[2 + I2C_SMBUS_BLOCK_MAX];
	int n;

	if (request->size == I2C_SMBUS_QUICK)
		return send_to(bus, address, NULL, 0);
	frame[0] = request->command;
	n = smbus_fill(request->size, request->data, frame + 1);
	return n < 0 ? fail(EINVAL) : send_to(bus, address, frame, 1 + (size_t)n);
}

static int smbus_read(
    struct sei2c *bus, uint32_t address, const struct i2c_smbus_ioctl_data *request)
{
	union i2c_smbus_data *data = request->data;
	uint8_t word[2];

	if (request->size == I2C_SMBUS_QUICK)
		return receive_from(bus, address, NULL, 0);
	if (!data)
		return fail(EINVAL);
	if (request->size == I2C_SMBUS_I2C_BLOCK_DATA &&
	    (data->block[0] == 0 || data->block[0] > I2C_SMBUS_BLOCK_MAX))
		return fail(EINVAL);
	if (request->size != I2C_SMBUS_BYTE && send_to(bus, address, &request->command, 1) != 0)
		return -1;
	if (request->size == I2C_SMBUS_I2C_BLOCK_DATA)
		return receive_from(bus, address, data->block + 1, data->block[0]);
	if (request->size != I2C_SMBUS_WORD_DATA)
		return receive_from(bus, address, &data->byte, 1);
	if (receive_from(bus, address, word, 2) != 0)
		return -1;
	data->word = load_le16(word);
	return 0;
}

/* Process calls, and reads whose length the chip says, need what a chip of this kind never uses. */
static int smbus_check(const struct i2c_smbus_ioctl_data *request)
{
	switch (request->size) {
	case I2C_SMBUS_QUICK:
	case I2C_SMBUS_BYTE:
	case I2C_SMBUS_BYTE_DATA:
	case I2C_SMBUS_WORD_DATA:
	case I2C_SMBUS_I2C_BLOCK_DATA:
		break;
	case I2C_SMBUS_BLOCK_DATA:
		if (request->read_write == I2C_SMBUS_READ)
			return fail(EOPNOTSUPP);
		break;
	case I2C_SMBUS_PROC_CALL:
	case I2C_SMBUS_BLOCK_PROC_CALL:
	case I2C_SMBUS_I2C_BLOCK_BROKEN:
		return fail(EOPNOTSUPP);
	default:
		return fail(EINVAL);
	}
	return request->read_write <= I2C_SMBUS_READ ? 0 : fail(EINVAL);
}

static int smbus(const struct i2c_file *f, const struct i2c_smbus_ioctl_data *request)
{
	struct sei2c bus;
	int done;

	if (!request)
		return fail(EFAULT);
	if (smbus_check(request) != 0 || connect_to(f->bus, &bus) != 0)
		return -1;
	if (request->read_write == I2C_SMBUS_READ)
		done = smbus_read(&bus, f->address, request);
	else
		done = smbus_write(&bus, f->address, request);
	sei2c_close(&bus);
	return done;
}

static int functions(unsigned long *mask)
{
	if (!mask)
		return fail(EFAULT);
	*mask = FUNCTIONS;
	return 0;
}

int i2c_file_ioctl(struct i2c_file *f, unsigned long request, void *arg)
{
	uintptr_t value = (uintptr_t)arg;

	switch (request) {
	case I2C_SLAVE:
	case I2C_SLAVE_FORCE:
		return set_address(f, value);
	case I2C_FUNCS:
		return functions(arg);
	case I2C_RDWR:
		return transfer(f, arg);
	case I2C_SMBUS:
		return smbus(f, arg);
	case I2C_TENBIT:
	case I2C_PEC:
		return value ? fail(EINVAL) : 0;
	case I2C_RETRIES: /* of lost arbitration, which this bus does not have */
	case I2C_TIMEOUT: /* the socket has its own */
		return value > INT32_MAX ? fail(EINVAL) : 0;
	default:
		return fail(ENOTTY);
	}
}
