/*
 * fault_plan.h -- what shall go wrong with a chip, and when: a text of one fault a line.
 *
 *	# comments and empty lines are skipped
 *	nack 3 times 2          transfers 3 and 4 are not acknowledged
 *	stuck 7                 at transfer 7 the bus hangs
 *	bad-crc 1 of GenKey     the first answer to GenKey has a wrong CRC; without `of`: any answer
 *	power-before 2          power fails before EEPROM write 2 (the whole of it is lost)
 *	power-after 2           power fails after it, before the command has ended
 *	watchdog 5              the watchdog strikes in command 5, which changes nothing
 *	brown-out 1             GenKey number 1 resets the chip and changes nothing
 *	slow 4 200              command 4 takes 200 ms more
 *
 * Counted are, from when the plan is set: transfers that the chip would acknowledge (so that polling
 * a busy chip changes nothing), answers to commands, EEPROM writes, commands that reach the chip. All
 * numbers are 1 to 1000000. No memory of its own, no I/O; a plan is a value.
 *
 *	if ((e = fault_plan_parse(text, &plan, eb)) != OK)
 *		return e;
 *	if (fault_strikes(&plan, FAULT_NACK, 0))
 *		return EMU_NACK_ADDRESS;
 */
#ifndef IMPRINT_EMU_FAULT_PLAN_H
#define IMPRINT_EMU_FAULT_PLAN_H

#include "base.h"
#include "errbuf.h"

#define FAULTS_MAX 64
#define FAULT_NUMBER_MAX 1000000u
/* A printed plan has at most so many characters, NUL included. */
#define FAULT_PLAN_TEXT (FAULTS_MAX * 40 + 1)

enum fault_kind {
	FAULT_NACK,
	FAULT_STUCK,
	FAULT_BAD_CRC,
	FAULT_POWER_BEFORE,
	FAULT_POWER_AFTER,
	FAULT_WATCHDOG,
	FAULT_BROWN_OUT,
	FAULT_SLOW,
	FAULT_KINDS
};

struct fault {
	enum fault_kind kind;
	uint32_t n;
	uint32_t more; /* nack: how often; bad-crc: an opcode, 0 any; slow: ms; else 0 */
	uint32_t seen; /* what it counts, so far */
};

struct fault_plan {
	size_t n;
	struct fault at[FAULTS_MAX];
};

/* ERR_FORMAT or ERR_SPACE (more than FAULTS_MAX) with the line; the plan is then untouched. */
enum err fault_plan_parse(struct slice text, struct fault_plan *plan, struct errbuf *eb) MUST_CHECK;
/* The same plan as text, without comments, and a NUL. */
void fault_plan_print(const struct fault_plan *plan, char out[FAULT_PLAN_TEXT]);

/*
 * Counts one event of this kind for each fault of it. The opcode is looked at for FAULT_BAD_CRC.
 * Not 0: a fault struck; for FAULT_SLOW it is the sum of the milliseconds.
 */
uint32_t fault_strikes(struct fault_plan *plan, enum fault_kind kind, uint8_t opcode);
/* How many faults are still to come, after so many EEPROM writes. */
unsigned fault_plan_left(const struct fault_plan *plan, uint32_t writes);
/* The first EEPROM write after number `done` at which power fails, 0: none. *kept: only after it. */
uint32_t fault_next_cut(const struct fault_plan *plan, uint32_t done, bool *kept);

#endif
