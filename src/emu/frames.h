/*
 * frames.h -- SEI2C/1, the server's side: bytes of a connection in, replies out. Sans I/O.
 *
 *	request   op(1) addr7(1) len(2, little endian) data(len, for 'W', 'T' and 'F' only)
 *	reply     status(1) len(2) data(len, for 'R', 'I' and a refused 'F' only)
 *
 *	'W'  START addr+W data STOP       'R'  START addr+R, len bytes, STOP
 *	'P'  power cycle of all chips     'T'  time passes: 4 bytes of microseconds, little endian
 *	'L'  from now on this connection only listens: records of what others send and get
 *
 *	'F'  a fault plan for the chip    'I'  the first len bytes of what is counted of the chip
 *
 *	status 0 done; 1 address not acknowledged; 2 data byte not acknowledged; 3 no legal frame;
 *	4 no fault plan, and why
 *
 * Who wakes the chips is expected to put them to rest before another connection is served (`holds`); the
 * server sees to that. Chips share the wire as on a real bus: a write to address 0 wakes all, and what two chips at one
 * address send is ANDed. An illegal frame gets status 3; when its length cannot be trusted (above
 * 4096, unknown op) the connection ends after the reply.
 */
#ifndef IMPRINT_EMU_FRAMES_H
#define IMPRINT_EMU_FRAMES_H

#include "emu.h"

#define FRAME_DATA_MAX 4096

/* All chips of a bus, and what crossed it; shared by the connections. */
struct wire {
	struct emu *chips[EMU_SERVER_CHIPS];
	size_t n;
	struct emu_server_counters seen;
	/* Hears every request and its reply, when set. */
	void (*heard)(void *ctx, struct slice request, struct slice reply);
	void *heard_ctx;
};

/* What a listener gets for each: microseconds (8), records lost before it (4), sizes (2, 2), both. */
#define FRAME_RECORD_HEAD 16

/* What is counted: docs/sei2c.md has the layout. */
#define FRAME_COUNTS 1108

/* One connection. */
struct frames {
	uint8_t in[4 + FRAME_DATA_MAX];
	size_t in_n;
	uint8_t out[3 + FRAME_DATA_MAX];
	size_t out_n, out_at; /* bytes to send; sent */
	bool ended;           /* close when everything is sent */
	bool listening;       /* takes no more requests */
	bool holds;           /* has woken the chips, and has sent neither Sleep nor Idle since */
};

void frames_init(struct frames *f);
/* Room for bytes that arrive: read into it, then say how many. */
uint8_t *frames_room(struct frames *f, size_t *n);
void frames_arrived(struct frames *f, size_t n);
/*
 * Answers the next whole request, if there is one and the last reply was taken. False when there is
 * nothing to do but wait for bytes, or to send.
 */
bool frames_step(struct frames *f, struct wire *w);
/* What is to be sent, and how much of it was. */
struct slice frames_reply(const struct frames *f);
void frames_sent(struct frames *f, size_t n);

#endif
