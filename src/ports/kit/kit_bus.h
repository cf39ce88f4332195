/*
 * kit_bus.h -- a secure element behind Microchip's kit protocol: the bus of se.h over lines of text.
 *
 * Microchip's evaluation kits, and our emulator (docs/emulator.md), take a whole command as a line of
 * hex and answer with a line when the chip has answered; nobody sees the I2C transactions between. A
 * pulse, a command, idle and sleep are a line each; what the driver then reads is read from the answer
 * that lies here. The kit says which chip it holds and where; the first ECC508 or ECC608 is taken.
 *
 * `where` is the path of a serial port or pseudo-terminal (it has a slash), or HOST:PORT; in front of
 * either may stand what the emulator prints: tcp: or pty:.
 *
 * A `struct kit_bus` is the caller's, lives as long as the `struct se` that uses it, and owns one
 * descriptor. What the kit reports as not acknowledged or as no answer is ERR_TIMEOUT and an ordinary
 * event. A bus that failed behind the kit, a kit that is gone, silent or says something else is ERR_IO,
 * which the driver reports as SE_BUS; `error` then holds an errno (EIO: the kit's own bus failed;
 * EPROTO: it does not speak the protocol), and but for EIO the connection is closed.
 *
 *	struct kit_bus bus;
 *	if ((e = kit_bus_open(&bus, "127.0.0.1:4000")) != OK)
 *		return e;                                  // bus.error says why
 *	e = se_open(&se, &bus.hal);
 *	kit_bus_close(&bus);
 */
#ifndef IMPRINT_KIT_BUS_H
#define IMPRINT_KIT_BUS_H

#include "se.h"

#define KIT_BUS_LINE 600 /* no answer of a chip has more than 517 characters */
#define KIT_BUS_REPLY_MS 5000

struct kit_bus {
	struct se_hal hal; /* for se_open; points back here, so the struct must not move */
	int error;         /* errno of the last ERR_IO, or of why it did not open */
	uint8_t address;   /* of the chip, as the kit names it */
	/* May be changed at any time. */
	unsigned reply_ms; /* longest wait for a line */
	/* Private. */
	int fd; /* -1: closed */
	char line[KIT_BUS_LINE];
	uint8_t answer[255]; /* what the chip holds ready, read from `at` on */
	size_t answer_n, at;
};

/*
 * ERR_ARG: neither a path nor HOST:PORT. ERR_NOT_FOUND, ERR_DENIED: no such port or host, or we may
 * not use it. ERR_DEVICE: a kit without such a chip. ERR_IO: anything else; a kit that does not speak
 * the protocol is EPROTO, one that says nothing ETIMEDOUT. After a failure there is nothing to close.
 */
enum err kit_bus_open(struct kit_bus *bus, const char *where) MUST_CHECK;
/* The same on a descriptor that is open and non-blocking already; it is closed on failure. */
enum err kit_bus_begin(struct kit_bus *bus, int fd) MUST_CHECK;
void kit_bus_close(struct kit_bus *bus);

#endif
