/*
 * i2c_file.h -- an open /dev/i2c-N whose bus is an emulator's socket, with the behaviour of Linux's
 * i2c-dev: what libimprint-i2c.so puts under a program's open, read, write and ioctl.
 *
 * IMPRINT_I2C says which devices there are: `N=SOCKET[,N=SOCKET]`, N up to five digits; the socket
 * speaks SEI2C/1 (docs/sei2c.md). Other devices are none of this module's business.
 *
 * An open device is an anonymous file of the kernel's, which holds the bus number and the address that
 * I2C_SLAVE has set. So it is duplicated, inherited, sent and closed like any descriptor, as nothing
 * is kept in the process: there is no table that a fork or a thread could find half changed. Each
 * call connects to the socket, does its transactions and hangs up; the chip's state is the chip's.
 * What I2C_RDWR joins by repeated START arrives as one transaction after the other, and another
 * client's may come between them.
 *
 * Failures are errno as i2c-dev has it: ENXIO nobody acknowledged the address, EREMOTEIO a data byte
 * was refused, ETIMEDOUT, ENODEV the emulator is gone.
 *
 *	struct i2c_file f;
 *	int fd = i2c_file_open("/dev/i2c-1", O_RDWR);         // I2C_FILE_OTHER: let the system open it
 *	if (i2c_file_of(fd, &f) && i2c_file_ioctl(&f, I2C_RDWR, &both) >= 0)
 *		n = i2c_file_write(&f, packet, size);
 *	close(fd);
 */
#ifndef IMPRINT_I2C_FILE_H
#define IMPRINT_I2C_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define I2C_FILE_OTHER (-2)

struct i2c_file {
	uint8_t mark[8];
	uint32_t bus, address, access; /* O_RDONLY, O_WRONLY, O_RDWR */
	int32_t fd;
};

/* A descriptor; -1 and errno; I2C_FILE_OTHER when the path is not listed in IMPRINT_I2C. */
int i2c_file_open(const char *path, int flags);
/* Is the descriptor such a file? Leaves errno alone. */
bool i2c_file_of(int fd, struct i2c_file *f);
/* -1 and errno. A transaction has up to 4096 bytes; longer reads and writes are cut to that. */
ssize_t i2c_file_read(const struct i2c_file *f, void *p, size_t n);
ssize_t i2c_file_write(const struct i2c_file *f, const void *p, size_t n);
/* The requests of <linux/i2c-dev.h>; ENOTTY for any other. arg: a pointer, or a number as it comes. */
int i2c_file_ioctl(struct i2c_file *f, unsigned long request, void *arg);

#endif
