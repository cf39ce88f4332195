/*
 * program.h -- what runs on a board that has its identity: it connects to its broker and stays.
 *
 * Certificate and device id are rebuilt from slots 10 to 12 before every attempt, the handshake is
 * signed by slot 0; nothing of either is kept. MQTT is spoken as ArduinoIoTCloud does: the board says
 * who it is and asks which thing it belongs to, listens to that thing's topic, asks for its last values
 * (thing_board.h), and from then on publishes a value of its own, `uptime`, at once and every minute. Other than
 * there it says who it is again every 30 s. An attempt that fails is made again after 2, 4, 8, 16, 32, 32 ... seconds, for as long as the program runs.
 * It ends by itself only when the chip holds no complete identity.
 *
 * Never blocks but for the chip and for a name server. Belongs to one thread, which also has the bus.
 *
 *	if ((e = program_new(&o, &program, eb)) != OK)
 *		return e;
 *	program_start(program, now_ms);
 *	for (;;)
 *		... poll program_poll(program), at most program_patience(program, now_ms) long
 *		program_run(program, now_ms);
 *	program_free(program);
 */
#ifndef IMPRINT_PROGRAM_H
#define IMPRINT_PROGRAM_H

#include "errbuf.h"
#include "se.h"

#include <poll.h>

enum program_event {
	PROGRAM_CONNECTING,   /* text: HOST:PORT */
	PROGRAM_ONLINE,       /* text: the device id */
	PROGRAM_MESSAGE,      /* from the broker, and none that it knows; text: how many bytes */
	PROGRAM_ATTACHED,     /* text: the thing's id */
	PROGRAM_SYNCHRONISED, /* the last values have come; text: how many, and the thing's id */
	PROGRAM_DETACHED,     /* text: the thing's id */
	PROGRAM_REFUSED,      /* text: why it did not get online */
	PROGRAM_LOST,         /* text: why it is no longer */
	PROGRAM_EVENTS
};

struct program_options {    /* strings are copied */
	const char *broker; /* HOST:PORT; the host is a name, as the broker's certificate has it */
	const char *anchor; /* PEM file */
	const char *version;
	const struct se_hal *hal; /* the bus of its chip; borrowed */
	bool quick;               /* as tls_options has it */
	void (*event)(void *ctx, enum program_event event, const char *text);
	void *ctx;
};

struct program;

/* ERR_ARG: broker. Else as tls_anchor_read. */
enum err program_new(
    const struct program_options *o, struct program **program, struct errbuf *eb) MUST_CHECK;
/* NULL is fine, as below. */
void program_free(struct program *p);

/*
 * Looks whether the chip holds a complete identity, and if so begins to connect. False: it does not, and
 * nothing runs. A chip that does not answer counts as one that does; it is asked again.
 */
bool program_start(struct program *p, uint64_t now_ms);
/* The connection is gone, without a word to the broker, as when the power is cut. */
void program_stop(struct program *p);
bool program_runs(const struct program *p);
bool program_is_online(const struct program *p);
/* Where it is connected to, or what went wrong last; "" */
const char *program_text(const struct program *p);

struct program_counts {       /* since program_new */
	unsigned handshakes;  /* begun: each costs the broker, whatever becomes of it */
	unsigned said, heard; /* messages */
};
struct program_counts program_counts(const struct program *p);

/* fd is -1 when there is nothing to wait for. */
struct pollfd program_poll(const struct program *p);
/* Milliseconds until program_run has something to do; -1: none. */
int program_patience(const struct program *p, uint64_t now_ms);
void program_run(struct program *p, uint64_t now_ms);

#endif
