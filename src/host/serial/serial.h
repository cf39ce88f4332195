/*
 * serial.h -- serial ports of boards: list them, open one, move bytes with time limits.
 *
 * A port is opened by termios, raw, 8N1, 9600 baud nominal (USB boards ignore the speed), for one
 * process at a time. Pseudo-terminals of virtual boards are ports like any other. Opening raises
 * DTR, which is what an Arduino sketch waits for; closing lowers it. Bytes that arrived before the
 * port was opened are kept. A board that is unplugged shows as ERR_DEVICE on reading and writing.
 *
 *	struct serial *port = NULL;
 *	if ((e = serial_open("/dev/ttyACM0", &port, eb)) != OK)
 *		return e;
 *	e = serial_write(port, TEXT("y\n"), 1000, eb);
 *	e = serial_read(port, bytes, sizeof(bytes), &n, 1000, eb);     // ERR_TIMEOUT: nothing came
 *	serial_free(port);
 */
#ifndef IMPRINT_SERIAL_H
#define IMPRINT_SERIAL_H

#include "errbuf.h"

struct serial;

/*
 * ERR_NOT_FOUND: no such port. ERR_DENIED: no rights; the text names the group. ERR_CONFLICT:
 * another process has it. ERR_ARG: not a serial port. ERR_IO: anything else.
 */
enum err serial_open(const char *path, struct serial **port, struct errbuf *eb) MUST_CHECK;
/* NULL is fine. */
void serial_free(struct serial *port);

/*
 * Reads what is there, 1..cap bytes; waits up to ms for the first. ERR_TIMEOUT: nothing came.
 * ERR_DEVICE: the board is gone. *n is 0 on failure.
 */
enum err serial_read(struct serial *port, uint8_t *p, size_t cap, size_t *n, uint32_t ms,
    struct errbuf *eb) MUST_CHECK;
/* Writes all of it. ERR_TIMEOUT: not taken within ms. ERR_DEVICE: the board is gone. */
enum err serial_write(
    struct serial *port, struct slice bytes, uint32_t ms, struct errbuf *eb) MUST_CHECK;
/* For poll; readable also when the board is gone. */
int serial_fd(const struct serial *port);

/*
 * The 1200-baud touch: opens the port at 1200 baud and closes it. An Arduino board goes to its
 * bootloader to be flashed; a virtual board starts its sketch again, and has noticed when this
 * returns. Errors as serial_open; ERR_TIMEOUT: behind the pseudo-terminal is no board.
 */
enum err serial_touch(const char *path, struct errbuf *eb) MUST_CHECK;

/*
 * True for the link of a virtual board whose process has died. What stands behind the link may be
 * somebody else's terminal by now, so it is neither listed nor opened. A living board holds the
 * lock
 * `.NAME.lock` beside its link (flock).
 */
bool serial_is_stale(const char *path);

struct serial_listed {
	char path[512];       /* what serial_open takes */
	char name[64];        /* virtual boards: their name; else the last part of the path */
	char about[160];      /* the operating system's description, "" without one */
	char usb_serial[64];  /* serial number of the USB device, "" without one */
	int usb_vid, usb_pid; /* -1: not on USB */
	bool is_virtual;
};

/*
 * Lists real ports and, in `virtual_folder` (NULL: none), the links of virtual boards. *list is the
 * caller's to free; an empty list is NULL.
 */
enum err serial_list(const char *virtual_folder, struct serial_listed **list, size_t *n,
    struct errbuf *eb) MUST_CHECK;

#endif
