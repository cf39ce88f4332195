/*
 * sei2c.h -- a secure element behind a Unix socket: the bus of se.h over SEI2C/1.
 *
 * The other end is the emulator, or anything else that carries I2C transactions as frames
 * (docs/sei2c.md): a request is op, 7-bit address, length (2, little endian), data; a reply is
 * status, length, data. One request waits for its one reply. The element's state belongs to the
 * element, so a connection may be lost and made again at any time.
 *
 * A `struct sei2c` is the caller's, lives as long as the `struct se` that uses it, and owns one
 * descriptor from the first wake to sei2c_close. Wake connects when there is no connection, or when
 * the one that there is turns out to be dead; any other call without one fails. Whatever breaks the
 * connection or the protocol (nobody listens, the other end is gone, no reply within the time limit,
 * a reply of another length than asked) closes it and is ERR_IO, which the driver reports as SE_BUS;
 * `error` then holds the errno. An address that nobody acknowledges is ERR_TIMEOUT and an ordinary
 * event.
 *
 *	struct sei2c bus;
 *	if ((e = sei2c_init(&bus, "/run/imprint/se/board1.sock", SEI2C_ADDRESS)) != OK)
 *		return e;
 *	e = se_open(&se, &bus.hal);
 *	sei2c_close(&bus);
 *
 * Who carries somebody else's transactions (libimprint-i2c.so) uses sei2c_write and sei2c_read, which
 * take any address, and leaves `hal` alone.
 */
#ifndef IMPRINT_SEI2C_H
#define IMPRINT_SEI2C_H

#include "se.h"

#define SEI2C_ADDRESS 0x60
#define SEI2C_PATH_MAX 107 /* what a socket address holds, less its NUL */
#define SEI2C_REPLY_MS 5000
#define SEI2C_DATA_MAX 4096 /* bytes of one transaction */
#define SEI2C_WHY_MAX 240

struct sei2c {
	struct se_hal hal; /* for se_open; points back here, so the struct must not move */
	int error;         /* errno of what broke the connection; EPROTO: a reply of another form */
	bool data_refused; /* the last ERR_TIMEOUT was about a data byte, not about the address */
	/* May be changed at any time. */
	unsigned reply_ms; /* longest wait for a reply */
	bool virtual_time; /* wait_ms advances the element's clock (op T) instead of sleeping */
	/* Private. */
	int fd;
	uint8_t address;
	char path[SEI2C_PATH_MAX + 1];
};

/*
 * Connects to nothing yet. ERR_ARG: the path is empty or has more than 107 bytes, or the address is
 * not one of 08 to 77 (7 bits: C0 is somebody's address with the direction bit in it).
 */
enum err sei2c_init(struct sei2c *bus, const char *path, unsigned address) MUST_CHECK;
/* Disconnects; the element's watchdog sends it to sleep if nobody has. */
void sei2c_close(struct sei2c *bus);
/*
 * One transaction with whoever has the address on this bus, 0 to 77; connects when there is no
 * connection. Up to SEI2C_DATA_MAX bytes, none is fine. ERR_ARG: an address or a length beyond. A write
 * to address 0 wakes all chips; nobody acknowledges it, which is ERR_TIMEOUT here.
 */
enum err sei2c_write(struct sei2c *bus, unsigned address, const uint8_t *p, size_t n) MUST_CHECK;
enum err sei2c_read(struct sei2c *bus, unsigned address, uint8_t *p, size_t n) MUST_CHECK;
/* --- what an emulator knows besides; others hang up, which is ERR_IO with EPROTO --- */

struct sei2c_counts {
	unsigned faults, faults_left; /* of a plan that is set; those still to come */
	uint32_t wear_config, wear_otp, wear_slot[16]; /* EEPROM writes since the chip was made */
	uint64_t busy_us;                              /* since it was started */
	uint32_t commands[256];                        /* executed since then, by opcode */
};
/* Of the chip at the bus's address; ERR_TIMEOUT: there is none. The chip does not notice. */
enum err sei2c_counts(struct sei2c *bus, struct sei2c_counts *counts) MUST_CHECK;
/*
 * A fault plan for that chip, from now on (docs/emulator.md); an empty one ends it. ERR_FORMAT: it is
 * none, and `why` says why. ERR_ARG: more than SEI2C_DATA_MAX bytes.
 */
enum err sei2c_faults(struct sei2c *bus, struct slice plan, char why[SEI2C_WHY_MAX]) MUST_CHECK;

/* Cuts the element's power for a moment: volatile state is gone, it sleeps. */
enum err sei2c_power_cycle(struct sei2c *bus) MUST_CHECK;

#endif
