/*
 * kit.h -- Microchip's kit protocol, the kit's side: lines of ASCII in, lines out. Sans I/O.
 *
 *	board:device(00)        ECC608 TWI 00(60)    the chip with this number: family, number, address
 *	                        no_device 00(00)     there is none
 *	E:physical:interface:i2c   00()
 *	E:physical:select(60)      00()              the chip that the next lines mean; at first number 0
 *	E:w()                      00(04113343)      wake pulse, and what the chip then holds ready
 *	E:t(0730...)               00(0700...)       talk: count to CRC; the answer when it is there
 *	E:i()    E:s()             00()              idle, sleep
 *
 * A line ends with LF; NUL and CR are ignored, hex is upper case in replies and of either case in
 * requests; `d` stands for `E`. The pulse wakes every chip of the bus, as a real one does. Each line
 * gets one reply; one that fails has a status that is not 00 and nothing in the parentheses. The
 * statuses are the numbers that cryptoauthlib gives to the same causes (enum kit_status).
 *
 * A `struct kit` is one connection, the caller's, and owns nothing. Time comes in as milliseconds
 * that never go back, and matters only while a chip works.
 *
 *	kit_init(&kit);
 *	kit_take(&kit, bytes, n);                       // n at most kit_room()
 *	while (kit_step(&kit, chips, n_chips, now_ms))  // again a little later while kit_working()
 *		send(kit_reply(&kit)), kit_sent(&kit, sent);
 */
#ifndef IMPRINT_EMU_KIT_H
#define IMPRINT_EMU_KIT_H

#include "emu.h"

#define KIT_IN_MAX 1024
#define KIT_LINE_MAX 600 /* a talk of 255 bytes has 515 characters */
/* No command of the family takes longer; a chip that says nothing is given up then. */
#define KIT_TALK_MS 3000
#define KIT_WAKE_MS 100

enum kit_status {
	KIT_DONE = 0x00,
	KIT_MALFORMED = 0xE2, /* an argument that is no hex, or not what the request takes */
	KIT_NO_CHIP = 0xE3,   /* select: no chip has this address */
	KIT_TOO_LONG = 0xE4,  /* a line above KIT_LINE_MAX, thrown away up to its end */
	KIT_NO_ANSWER = 0xE7, /* the chip does not acknowledge, or has nothing to read */
	KIT_BUS = 0xF0,       /* the bus between kit and chip failed: only a fault plan does that */
	KIT_TIMEOUT = 0xF1,   /* it acknowledged, and then nothing for the whole limit */
	KIT_UNKNOWN = 0xF5,   /* no request of the protocol, or an interface that is not i2c */
};

struct kit {
	char in[KIT_IN_MAX];
	size_t in_n;
	char line[KIT_LINE_MAX];
	size_t line_n;
	bool too_long;
	char out[3 + 2 * EMU_RESPONSE_MAX + 3];
	size_t out_n, out_at; /* bytes to send; sent */
	size_t selected;      /* number of a chip */
	bool working;         /* a chip has not answered yet */
	uint64_t give_up_ms;
};

void kit_init(struct kit *k);
/* How many bytes may come now. */
size_t kit_room(const struct kit *k);
void kit_take(struct kit *k, const uint8_t *p, size_t n);
/*
 * Goes on with the chip that works, or with the next line. True when a reply is ready now; false when
 * there is nothing to do but wait for time, for bytes, or for the reply to be sent.
 */
bool kit_step(struct kit *k, struct emu *const *chips, size_t n, uint64_t now_ms);
/* True: step again within a millisecond or so, a chip is busy. */
bool kit_working(const struct kit *k);
struct slice kit_reply(const struct kit *k);
void kit_sent(struct kit *k, size_t n);

/* --- the same lines over a socket or a serial port --- */

struct kit_server;
#define KIT_CONNECTIONS 8

/*
 * `where` is tcp:PORT, on 127.0.0.1 (port 0: any that is free), or pty:LINK, a pseudo-terminal behind
 * a link that is replaced. The chips stay the caller's and must outlive the server. ERR_ARG: neither;
 * ERR_IO: the port is taken, the link cannot be made.
 */
enum err kit_server_new(const char *where, struct emu *const *chips, size_t n,
    struct kit_server **server, struct errbuf *eb) MUST_CHECK;
/* "tcp:127.0.0.1:PORT" or "pty:LINK"; lives as long as the server. */
const char *kit_server_where(const struct kit_server *server);
/* Serves in a thread of its own until kit_server_free. */
enum err kit_server_start(struct kit_server *server, struct errbuf *eb) MUST_CHECK;
/* Stops, closes every connection, removes the link. NULL is fine. */
void kit_server_free(struct kit_server *server);

#endif
