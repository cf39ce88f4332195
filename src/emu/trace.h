/*
 * trace.h -- what goes over the bus, in words: transactions in, "GenKey create slot 0" out.
 *
 * A `struct trace` follows all chips of one bus from the moment it is initialised; what they did
 * before is not known to it, and it says so where that matters. It looks at bytes from outside:
 * whatever comes is an event or none. Data is counted and never shown, since it may be secret.
 *
 *	trace_init(&t);
 *	n = trace_take(&t, us, request, reply, events);     // SEI2C/1 frames, as docs/sei2c.md has them
 *	for (i = 0; i < n; i++)
 *		printf("%s -> %s\n", events[i].what, events[i].outcome);
 */
#ifndef IMPRINT_EMU_TRACE_H
#define IMPRINT_EMU_TRACE_H

#include "base.h"

enum trace_kind {
	TRACE_WAKE,
	TRACE_COMMAND,
	TRACE_IDLE,
	TRACE_SLEEP,
	TRACE_POWER,
	TRACE_PLAN,
	TRACE_KINDS
};
enum { TRACE_DATA = -1, TRACE_UNREAD = -2 };

struct trace_event {
	enum trace_kind kind;
	uint8_t address; /* of the chip; 0: all */
	uint64_t at_us;  /* when it began */
	/* A command: */
	uint8_t opcode, p1;
	uint16_t p2;
	size_t in_n, out_n; /* bytes of data */
	int status;         /* the chip's, TRACE_DATA, or TRACE_UNREAD: nobody read an answer */
	uint64_t us;        /* until the answer was there */
	unsigned polls;     /* reads that nobody acknowledged meanwhile */
	char what[64];
	char outcome[128];
};

enum trace_known { TRACE_UNKNOWN, TRACE_EMPTY, TRACE_LOADED };

struct trace { /* private */
	struct trace_chip {
		enum trace_known temp, digest; /* TempKey, message digest buffer */
		bool pending;
		struct trace_event event;
		uint8_t answer[255];
		size_t answer_n;
	} chips[128];
};

void trace_init(struct trace *t);
/* Up to two events: an answer that nobody waited for ends with what came instead. */
size_t trace_take(struct trace *t, uint64_t at_us, struct slice request, struct slice reply,
    struct trace_event events[2]);
/* "GenKey", or NULL when no chip has such a command. */
const char *trace_command_name(uint8_t opcode);
/* "wake" */
const char *trace_kind_name(enum trace_kind kind);

#endif
