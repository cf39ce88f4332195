/*
 * crowd.h -- many virtual boards in one thread: chips in memory, each with the program of a board that has its
 * identity (program.h), for load.
 *
 * No serial ports, no sockets to the chips, no state files. What a board of a crowd does at its broker is what a
 * single virtual board does, byte for byte and with the same time limits. Chips are given away with crowd_add,
 * which any thread may call, also while the crowd runs; all else belongs to the thread that runs it. A board whose
 * chip fails is counted and tries again, as a single one does; the others do not notice.
 *
 *	if ((e = crowd_new(&o, &crowd, eb)) != OK || (e = crowd_add(crowd, chip, eb)) != OK)
 *		return e;
 *	e = crowd_run(crowd, stop_fd, eb);
 *	crowd_free(crowd);
 */
#ifndef IMPRINT_CROWD_H
#define IMPRINT_CROWD_H

#include "emu.h"
#include "errbuf.h"

#define CROWD_MAX 20000

struct crowd;

struct crowd_counts {
	size_t boards;     /* that were added */
	size_t dark;       /* of those: not switched on yet, or their chips hold no identity */
	size_t connecting; /* between two attempts too */
	size_t online;
	uint64_t handshakes, refused, lost, said, heard; /* sums; as program.h has them */
	uint64_t comings;                                /* how often a board has come online */
	const char *reason; /* what went wrong last, with any board; "" */
};

struct crowd_options {
	const char *broker, *anchor, *version; /* as program_new takes them; borrowed */
	size_t max;                            /* boards: 1 to CROWD_MAX */
	unsigned rate;                         /* switched on in a second; 0: as they come */
	bool restless; /* a board that comes online hangs up and begins anew: to measure brokers */
	/* Called in the crowd's thread about ten times a second; NULL: never. */
	void (*look)(void *ctx, const struct crowd_counts *counts);
	void *ctx;
};

/*
 * Takes as many file descriptors as it may need. ERR_CONFLICT: this process may not have so many. ERR_ARG: max,
 * broker. Else as program_new.
 */
enum err crowd_new(
    const struct crowd_options *o, struct crowd **crowd, struct errbuf *eb) MUST_CHECK;
/* Frees the chips too; connections end without a word. NULL is fine. */
void crowd_free(struct crowd *crowd);
/* From any thread. The chip is the crowd's then, when it is OK. ERR_SPACE: `max` are here already. */
enum err crowd_add(struct crowd *crowd, struct emu *chip, struct errbuf *eb) MUST_CHECK;
/* Until stop_fd is readable (-1: none), or somebody says crowd_stop. */
enum err crowd_run(struct crowd *crowd, int stop_fd, struct errbuf *eb) MUST_CHECK;
/* From any thread; also before crowd_run, which returns at once then. */
void crowd_stop(struct crowd *crowd);
/* Of the thread that runs it, or when nobody does. */
struct crowd_counts crowd_counts(const struct crowd *crowd);

#endif
