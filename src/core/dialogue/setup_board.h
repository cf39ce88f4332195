/*
 * setup_board.h -- the side of the setup dialogue that answers: for virtual boards and for our own
 * sketch.
 *
 * A sans-I/O state machine: received bytes and passing milliseconds in; frames out, and the work asked
 * of the platform through one struct of functions. Requests that are not whole, known and in order are
 * refused before the platform is asked. Lock and wipe happen only for the serial number that the chip
 * itself gives. Nothing allocates; about 1.2 kB, mostly the two frames. Network settings are wiped
 * from it as soon as the platform has had them.
 *
 *	setup_board_init(&b, &platform);
 *	setup_board_announce(&b);                     // as soon as somebody opened the port
 *	for (;;)
 *		n = serial_read(bytes, sizeof(bytes));
 *		setup_board_take(&b, (struct slice){ bytes, n });
 *		setup_board_elapsed(&b, ms);          // since the last call
 */
#ifndef IMPRINT_SETUP_BOARD_H
#define IMPRINT_SETUP_BOARD_H

#include "ccert.h"
#include "frame.h"
#include "setup.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why the platform's last function failed: data sheet numbers and words, as far as it knows. */
struct setup_reason {
	uint8_t opcode, status; /* of the chip's last command */
	const char *text;       /* NULL: no words */
};

/*
 * The board's platform. All functions block. What has the same name in console_board.h has the same
 * prototype and does the same, so that a board program writes it once. Functions that may be NULL are
 * capabilities; hello tells the host which are there.
 */
struct setup_platform {
	void *ctx;
	const char
	    *program; /* "imprint-board 0.1.0", at most SETUP_PROGRAM_MAX printable characters */
	void (*put)(void *ctx, const uint8_t *p, size_t n);

	/* Everything is read from the chip at each call. */
	enum err (*info)(void *ctx, struct setup_info *info);
	/* ERR_NOT_FOUND: no profile of this name. Changes nothing. */
	enum err (*plan)(void *ctx, struct slice profile, struct setup_plan *plan);
	/* Locks for ever what is not locked yet, after reading back. ERR_CONFLICT: another profile. */
	enum err (*lock)(void *ctx, struct slice profile);
	enum err (*new_key)(void *ctx);
	enum err (*csr)(void *ctx, struct slice common_name, struct der_w *w);
	/* Writes and reads back. */
	enum err (*store_certificate)(void *ctx, const struct ccert *fields);
	enum err (*read_certificate)(void *ctx, uint8_t slot10[CCERT_SLOT10],
	    uint8_t slot11[CCERT_SLOT11], uint8_t slot12[CCERT_SLOT12]);
	/* ECDSA with SHA-256 by slot 0. */
	enum err (*sign)(void *ctx, struct slice message, uint8_t sig[64]);

	/* Nonce, GenKey with digest, Sign(internal). create: a new key in slot 0. May be NULL. */
	enum err (*attest)(
	    void *ctx, const uint8_t challenge[20], bool create, struct setup_statement *statement);
	/* Keeps the settings; they are checked, and gone when it returns. May be NULL. */
	enum err (*network)(void *ctx, const struct setup_network *network);
	/* Forgets certificate and settings; the key stays. May be NULL. */
	enum err (*wipe)(void *ctx);
	/* Called when the answer has been put. May be NULL. */
	void (*restart)(void *ctx);
	/* May be NULL. */
	void (*reason)(void *ctx, struct setup_reason *reason);
};

struct setup_board {                /* fields are private, except request */
	enum setup_request request; /* the last one that was worked on; 0 before the first */
	const struct setup_platform *platform;
	struct frame_reader reader;
	bool session;
	enum err failed;    /* of the platform's last function */
	uint8_t field;      /* that was malformed or out of range */
	uint32_t id, print; /* of the last request, with fingerprint */
	uint32_t silent_ms;
	uint16_t answer_n; /* frame in `out` */
	uint8_t in[SETUP_FRAME_MAX], out[SETUP_FRAME_MAX];
};

/* The platform is borrowed. */
void setup_board_init(struct setup_board *b, const struct setup_platform *platform);
/* Says unasked that this board speaks setup: to hosts that would otherwise type into a console. */
void setup_board_announce(struct setup_board *b);
void setup_board_take(struct setup_board *b, struct slice in);
void setup_board_elapsed(struct setup_board *b, uint32_t ms);

#ifdef __cplusplus
}
#endif
#endif
