/*
 * frame.h -- the packets of Provisioning 2.0, which the setup dialogue uses too.
 *
 *	55 AA | type | length, 2 bytes | payload | CRC, 2 bytes | AA 55
 *
 * Big endian. The length counts payload and CRC; the CRC is CRC-16/X-25 over the payload alone. A
 * payload has 1 byte or more. Nothing is escaped, so a receiver hunts for the mark, believes it only
 * when length, CRC and trailer agree, and otherwise looks for the next mark within what it has: text
 * in between, a cut frame and a mark in a payload cost nothing but themselves.
 *
 *	struct frame_reader r = frame_reader(buffer, sizeof(buffer));
 *	while (frame_take(&r, &in, &f))
 *		handle(f.type, f.payload);
 */
#ifndef IMPRINT_FRAME_H
#define IMPRINT_FRAME_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What stands in front of a payload and behind it. */
#define FRAME_HEAD 5
#define FRAME_TAIL 4
#define FRAME_SIZE(payload) (FRAME_HEAD + (payload) + FRAME_TAIL)

enum {
	FRAME_DATA = 2,    /* Provisioning 2.0: a CBOR message */
	FRAME_CONTROL = 3, /* Provisioning 2.0: connect, disconnect, repeat */
	FRAME_REQUEST = 0x10,
	FRAME_ANSWER = 0x11
};

struct frame {
	uint8_t type;
	struct slice payload; /* in the reader's buffer, until the next call */
};

struct frame_reader { /* private */
	uint8_t *p;
	size_t cap, n, used;
};

/* The buffer is the caller's; it holds the longest frame that is read. */
struct frame_reader frame_reader(uint8_t *buffer, size_t cap);
/* Takes bytes until a frame is complete; false when all of `in` is taken without one. */
bool frame_take(struct frame_reader *r, struct slice *in, struct frame *f) MUST_CHECK;
/*
 * The line has been silent for long: a frame that has begun will not end. Its mark is given up, and
 * what came behind it is looked at with the next frame_take, of which `in` may be empty.
 */
void frame_silence(struct frame_reader *r);
/* True when part of a frame has arrived, or what may become one. */
bool frame_begun(const struct frame_reader *r);

/*
 * Makes a frame around n bytes of payload that stand at p + FRAME_HEAD; p has room for FRAME_SIZE(n).
 * Returns how many bytes the frame has. n is 1 to 65533.
 */
size_t frame_close(uint8_t *p, uint8_t type, size_t n);

#ifdef __cplusplus
}
#endif
#endif
