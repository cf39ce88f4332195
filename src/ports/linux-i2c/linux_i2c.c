#include "linux_i2c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define ADDRESS_FIRST 0x08
#define ADDRESS_LAST 0x77
#define WAKE_REST_US 1500 /* tWHI */

static enum err failed(struct linux_i2c *bus, int error)
{
	if (error == ENXIO || error == EREMOTEIO || error == EIO)
		return ERR_TIMEOUT;
	bus->error = error;
	return ERR_IO;
}

static void rest(uint32_t us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

static enum err transfer(
    struct linux_i2c *bus, uint16_t address, uint16_t flags, uint8_t *p, size_t n)
{
	struct i2c_msg message = { .addr = address, .flags = flags, .len = (uint16_t)n, .buf = p };
	struct i2c_rdwr_ioctl_data one = { .msgs = &message, .nmsgs = 1 };

	if (n > UINT16_MAX)
		return ERR_ARG;
	while (ioctl(bus->fd, I2C_RDWR, &one) < 0) {
		if (errno != EINTR)
			return failed(bus, errno);
	}
	return OK;
}

static enum err bus_wake(void *ctx)
{
	struct linux_i2c *bus = ctx;
	uint8_t zero = 0;
	enum err e = transfer(bus, 0, 0, &zero, 1);

	/* ENODEV: the adapter is gone. Every other refusal is this adapter's way of saying NACK. */
	if (e == ERR_IO && bus->error == ENODEV)
		return e;
	rest(WAKE_REST_US);
	return OK;
}

static enum err bus_send(void *ctx, const uint8_t *p, size_t n)
{
	uint8_t packet[256]; /* i2c_msg has no const; a packet and its word address are 156 bytes */
	struct linux_i2c *bus = ctx;
	enum err e;

	if (n > sizeof(packet))
		return ERR_ARG;
	memcpy(packet, p, n);
	e = transfer(bus, bus->address, 0, packet, n);
	wipe(packet, n);
	return e;
}

static enum err bus_recv(void *ctx, uint8_t *p, size_t n)
{
	struct linux_i2c *bus = ctx;

	return transfer(bus, bus->address, I2C_M_RD, p, n);
}

static void bus_wait_ms(void *ctx, uint32_t ms)
{
	(void)ctx;
	while (ms > 1000) {
		rest(1000000);
		ms -= 1000;
	}
	rest(ms * 1000);
}

static enum err open_failed(struct linux_i2c *bus, int error)
{
	bus->error = error;
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	default:
		return ERR_IO;
	}
}

enum err linux_i2c_open(struct linux_i2c *bus, const char *path, unsigned address)
{
	unsigned long functions = 0;

	memset(bus, 0, sizeof(*bus));
	bus->fd = -1;
	if (address < ADDRESS_FIRST || address > ADDRESS_LAST)
		return ERR_ARG;
	bus->fd = open(path, O_RDWR | O_CLOEXEC);
	if (bus->fd < 0)
		return open_failed(bus, errno);
	if (ioctl(bus->fd, I2C_FUNCS, &functions) < 0)
		bus->error = errno;
	else if (!(functions & I2C_FUNC_I2C))
		bus->error = EOPNOTSUPP;
	if (bus->error) {
		linux_i2c_close(bus);
		return ERR_DEVICE;
	}
	bus->hal = (struct se_hal){ bus, bus_wake, bus_send, bus_recv, bus_wait_ms };
	bus->address = (uint8_t)address;
	return OK;
}

void linux_i2c_close(struct linux_i2c *bus)
{
	if (bus->fd >= 0)
		close(bus->fd);
	bus->fd = -1;
}
