/*
 * linux_i2c.h -- a secure element on an I2C bus of this computer: the bus of se.h over /dev/i2c-N.
 *
 * Each transaction is one I2C_RDWR with the address in the message, so other programs may use the same
 * adapter. Wake is a zero byte at address 0, for which the bus must be no faster than 100 kHz: SDA is
 * then low for long enough. Nobody acknowledges it, and adapters refuse it in different ways, so its
 * result is not looked at.
 *
 * A `struct linux_i2c` is the caller's, lives as long as the `struct se` that uses it, and owns one
 * descriptor. An address that nobody acknowledges is ERR_TIMEOUT and an ordinary event; adapters report
 * it as ENXIO, EREMOTEIO or EIO. Anything else (adapter unplugged, bus stuck, arbitration lost) is
 * ERR_IO, which the driver reports as SE_BUS; `error` then holds the errno.
 *
 *	struct linux_i2c bus;
 *	if ((e = linux_i2c_open(&bus, "/dev/i2c-1", LINUX_I2C_ADDRESS)) != OK)
 *		return e;                                  // bus.error says why
 *	e = se_open(&se, &bus.hal);
 *	linux_i2c_close(&bus);
 */
#ifndef IMPRINT_LINUX_I2C_H
#define IMPRINT_LINUX_I2C_H

#include "se.h"

#define LINUX_I2C_ADDRESS 0x60

struct linux_i2c {
	struct se_hal hal; /* for se_open; points back here, so the struct must not move */
	int error;         /* errno of the last ERR_IO, or of why it did not open */
	/* Private. */
	int fd;
	uint8_t address;
};

/*
 * ERR_ARG: the address is not one of 08 to 77 (7 bits: C0 is somebody's address with the direction
 * bit in it). ERR_NOT_FOUND, ERR_DENIED: there is no such device, or we may not use it. ERR_DEVICE: it
 * is no I2C adapter, or one that speaks SMBus only. ERR_IO: anything else. After a failure there is
 * nothing to close.
 */
enum err linux_i2c_open(struct linux_i2c *bus, const char *path, unsigned address) MUST_CHECK;
void linux_i2c_close(struct linux_i2c *bus);

#endif
