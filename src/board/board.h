/*
 * board.h -- a virtual board: serial port, sketch and secure element in one process.
 *
 * The port is a pseudo-terminal behind RUN/tty/NAME. The sketch waits until somebody opens it, holds
 * the Provisioning dialogue once and then stops for ever, until a reset; our own setup program starts
 * anew each time the port is opened. With a broker given, a chip that holds a complete identity, and
 * nobody at the port, the board's own program runs instead, connects and stays (program.h). Each of them
 * reaches its chip with the driver over SEI2C/1, never around the wire: the chip is our emulator, served on RUN/se/NAME.sock
 * with its memory in STATE/elements/NAME.se, or whatever serves the socket given as `element`. The
 * board keeps nothing of a certificate outside the chip.
 *
 * RUN/board/NAME.sock takes the buttons (board_press). One process at a time has the name; the lock
 * is RUN/tty/.NAME.lock. A `struct board` belongs to the thread that runs it.
 *
 *	struct board_options o = { .name = "kitchen", .state = state, .run = run };
 *	if ((e = board_new(&o, &board, eb)) != OK || (e = board_start(board, eb)) != OK)
 *		goto out;
 *	...                             // open board_port(board) as a serial port
 *	board_free(board);              // unplugs, stops, removes link and sockets
 */
#ifndef IMPRINT_BOARD_H
#define IMPRINT_BOARD_H

#include "console.h"
#include "emu.h"
#include "errbuf.h"

#define BOARD_WIFI_LATEST "1.5.0" /* the newest firmware that the sketch knows */
#define BOARD_WIFI_MAX 31

struct board;

enum board_event {
	BOARD_PLUGGED,
	BOARD_UNPLUGGED,
	BOARD_OPENED, /* a host opened the port */
	BOARD_CLOSED,
	BOARD_RESET,   /* by the button, or by a 1200-baud touch */
	BOARD_STARTED, /* the sketch begins */
	BOARD_STEP,    /* text: the step of the dialogue */
	BOARD_FAULT,   /* text: what the chip did */
	BOARD_OVER,    /* text: how the sketch ended */
	/* What the board's program says of itself; only its broker knows what is true. */
	BOARD_CONNECTING,   /* text: HOST:PORT */
	BOARD_ONLINE,       /* text: the device id */
	BOARD_MESSAGE,      /* text: how many bytes came that mean nothing */
	BOARD_ATTACHED,     /* text: the thing's id */
	BOARD_SYNCHRONISED, /* its last values have come; text: the thing's id, and how many */
	BOARD_DETACHED,     /* text: the thing's id */
	BOARD_REFUSED,      /* text: why it did not get online */
	BOARD_LOST,         /* text: why it is no longer */
	BOARD_EVENTS
};
/* "port opened" */
const char *board_event_text(enum board_event event);

struct board_options {     /* strings are copied */
	const char *name;  /* 1..64 letters, digits, '.', '_', '-'; not beginning with '.' or '-' */
	const char *state; /* state folder; made when missing */
	const char *run;   /* run folder; made when missing */
	const char *element;          /* socket of another element; NULL: our own emulator */
	struct emu_options chip;      /* of our own emulator, as emu_open takes them */
	enum console_wording wording; /* UNKNOWN is today's */
	bool setup;                   /* our own setup program runs, not Arduino's sketch */
	const char *wifi; /* firmware of the Wi-Fi module, cut at BOARD_WIFI_MAX; NULL: no module */
	/* Where the program connects to, HOST:PORT, and a PEM file with the CA that it trusts. Both or none. */
	const char *broker, *anchor;
	/* Called in the thread that runs the board; text may be "". */
	void (*event)(void *ctx, enum board_event event, const char *text);
	void *ctx;
};

/* ERR_ARG: a name of another form. */
enum err board_name_check(const char *name, struct errbuf *eb) MUST_CHECK;

/*
 * Makes the board and plugs it in. ERR_CONFLICT: a board of this name runs, or its chip is in use.
 * ERR_ARG: name, broker, or a path that is too long for a socket. Else as emu_open and tls_anchor_read.
 */
enum err board_new(
    const struct board_options *o, struct board **board, struct errbuf *eb) MUST_CHECK;
/*
 * Serves in the caller's thread until stop_fd becomes readable, or somebody asks it to stop. Port,
 * sockets and the chip's file are given back when it returns; only board_free makes sense then.
 */
enum err board_run(struct board *board, int stop_fd, struct errbuf *eb) MUST_CHECK;
/* Or: serves in a thread of its own until board_free. */
enum err board_start(struct board *board, struct errbuf *eb) MUST_CHECK;
/* NULL is fine. */
void board_free(struct board *board);

/* RUN/tty/NAME: what a host opens. */
const char *board_port(const struct board *board);
/* The socket of its element. */
const char *board_element(const struct board *board);

/* --- from other processes and threads --- */

enum board_button { BOARD_BUTTON_RESET, BOARD_BUTTON_UNPLUG, BOARD_BUTTON_PLUG, BOARD_BUTTON_STOP };
/* Returns when it is done. ERR_NOT_FOUND: no board of this name runs. ERR_ARG: the name. */
enum err board_press(
    const char *run, const char *name, enum board_button button, struct errbuf *eb) MUST_CHECK;

struct board_status {
	char name[65];
	/* "unplugged", "waiting" for a host, "running", "over"; of its program "connecting", "online" */
	char state[16];
	char step
	    [256]; /* of the dialogue, or how it ended; of the program what went wrong last; "" */
	char broker[264]; /* HOST:PORT; "" without */
	char port[512], element[128];
	long pid;
	char wording[8]; /* "2020", "today", "setup" */
	char wifi[32];   /* "" without a module */
	/* Of our own emulator since the board was started, else zero. */
	uint64_t chip_busy_us, wire_frames, wire_commands;
	uint32_t opcodes[256]; /* command packets on the wire */
};
enum err board_status_get(
    const char *run, const char *name, struct board_status *status, struct errbuf *eb) MUST_CHECK;
/* The names of all boards that run, sorted; the caller frees each name and the list. */
enum err board_names(const char *run, char ***names, size_t *n, struct errbuf *eb) MUST_CHECK;

#endif
