/*
 * terminal.h -- the connector of a virtual device: a pseudo-terminal behind a link.
 *
 * Plugged in, the link leads to a pseudo-terminal that a host opens as its serial port; unplugged,
 * both are gone and a host that had it open sees a hang-up. What the device says while nobody has the
 * port open is lost, as on a USB serial port. What a host did not read before it closed the port is
 * thrown away, and the line is set back to raw 9600 baud. Linux only: inotify tells at once when the
 * port is opened or closed; without it the port must be looked at often.
 *
 * A `struct terminal` is the caller's and owns two descriptors and the link while plugged in.
 */
#ifndef IMPRINT_TERMINAL_H
#define IMPRINT_TERMINAL_H

#include "errbuf.h"

struct terminal {
	int master;       /* -1: unplugged */
	int watch;        /* readable when there is a reason to look; -1: nothing tells */
	bool open;        /* by a host, when last looked at */
	bool touching;    /* somebody has it open only to touch it */
	const char *link; /* borrowed */
	char slave[64];
};
#define TERMINAL_UNPLUGGED ((struct terminal){ .master = -1, .watch = -1 })

/* Makes a pseudo-terminal and puts it behind the link, which is replaced. */
enum err terminal_plug(struct terminal *t, const char *link, struct errbuf *eb) MUST_CHECK;
/* Unplugged already is fine. */
void terminal_unplug(struct terminal *t);

enum terminal_change { TERMINAL_SAME, TERMINAL_OPENED, TERMINAL_CLOSED, TERMINAL_TOUCHED };
/*
 * Looks whether a host has the port open, and clears `watch`; call it until it says SAME. TOUCHED:
 * somebody set 1200 baud, by which Arduino boards are asked to restart; answered by 2400 baud.
 */
enum terminal_change terminal_look(struct terminal *t);

/* What was typed and waits; 0 when there is nothing. Never blocks. */
size_t terminal_read(struct terminal *t, uint8_t *p, size_t cap);
/* Says it to the host; waits at most a second for one that does not read, then it is lost. */
void terminal_write(struct terminal *t, const char *text, size_t n);

#endif
