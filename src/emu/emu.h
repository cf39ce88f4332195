/*
 * emu.h -- an emulated ATECC508A, 608A or 608B: its commands, its I2C behaviour, its memory.
 *
 * A `struct emu` is one chip. Its EEPROM lives in a state file that is replaced atomically and
 * synced before an answer becomes readable, so killing the process leaves what a chip without power
 * would hold; one process at a time may use a state file. Registers (TempKey and the like) live as
 * long as the chip is awake or idle. The calls are thread-safe.
 *
 * It refuses to look genuine by accident: serial numbers begin 45 4D and end 4D unless
 * `genuine_looking` is set, and a state file made that way opens only with the same word again.
 *
 *	struct emu_options o = { .family = EMU_ATECC608B };
 *	if ((e = emu_open("board1.se", &o, &emu, eb)) != OK ||
 *	    (e = emu_server_new("board1.sock", &emu, 1, &server, eb)) != OK ||
 *	    (e = emu_server_start(server, eb)) != OK)
 *		goto out;
 *	...
 *	emu_server_free(server);        // stops it; then the chips may go
 *	emu_free(emu);
 */
#ifndef IMPRINT_EMU_H
#define IMPRINT_EMU_H

#include "base.h"
#include "errbuf.h"

struct emu;

enum emu_family { EMU_ATECC508A, EMU_ATECC608A, EMU_ATECC608B };

/*
 * How long commands take. Instant: no time at all, and time moves only by emu_advance, so the
 * watchdog never depends on the speed of a test. Typical: what a chip usually needs, shorter than
 * every wait that ArduinoECCX08 uses. Max: the data sheet's worst case, and 1.5 ms after wake.
 */
enum emu_timing { EMU_INSTANT, EMU_TYPICAL, EMU_MAX };

enum emu_how { EMU_OPEN_OR_MAKE, EMU_OPEN_ONLY, EMU_MAKE_ONLY };

struct emu_options { /* all zero: a 508A, instant, opened or made, with a random serial */
	enum emu_how how;
	enum emu_timing timing;
	bool virtual_time; /* typical and max too move only by emu_advance */
	bool tireless; /* no watchdog: its driver is a thread beside it and may be kept waiting */
	bool genuine_looking; /* a new serial begins 01 23 and ends EE; needed again to open it */
	struct slice
	    faults; /* a plan as emu_faults_set takes it: a wrong one opens and makes nothing */

	/* For a new chip; not looked at when the state file exists. */
	enum emu_family family;
	const uint8_t *serial; /* 9 bytes of the form above, or NULL: random */
	const uint8_t *config; /* 128 bytes dumped from a chip, or NULL: factory fresh, unlocked */
};

/*
 * Opens the state file, or makes a chip. path NULL: a chip in memory only.
 *
 * ERR_NOT_FOUND, ERR_CONFLICT (exists already, or another process has it), ERR_FORMAT (not a state
 * file, cut short, damaged, or a state that no chip can have), ERR_DENIED (looks genuine and the
 * option is not given), ERR_ARG (a serial that does not fit genuine_looking), ERR_IO, ERR_MEMORY; of
 * the plan as emu_faults_set.
 */
enum err emu_open(
    const char *path, const struct emu_options *o, struct emu **emu, struct errbuf *eb) MUST_CHECK;
/* Stops and frees the chip and releases the state file. NULL is fine. */
void emu_free(struct emu *emu);

/* --- the bus --- */

/* Stuck: only by a fault plan; the bus hangs for this transaction. */
enum emu_ack { EMU_ACK, EMU_NACK_ADDRESS, EMU_NACK_DATA, EMU_STUCK };

/*
 * One I2C transaction: START, address, bytes, STOP. A write to address 0 is the wake pulse and is
 * never acknowledged. Another chip's address, a chip asleep, idle or busy: EMU_NACK_ADDRESS.
 * Reading past the end of the output buffer gives FF.
 */
enum emu_ack emu_i2c_write(struct emu *emu, uint8_t addr7, const uint8_t *p, size_t n);
enum emu_ack emu_i2c_read(struct emu *emu, uint8_t addr7, uint8_t *p, size_t n);
/* Power off and on: registers are gone, the chip is asleep. */
void emu_power_cycle(struct emu *emu);
/* Lets time pass: ends busy states, lets the watchdog strike. */
void emu_advance(struct emu *emu, uint32_t us);

/*
 * The engine without the bus: a command from count to CRC in, the response from count to CRC out.
 * Wakes the chip when needed and takes no time. out holds EMU_RESPONSE_MAX bytes; *n is 0 when the
 * chip goes idle instead of answering (Pause), or a fault took the answer. ERR_IO when the state file
 * cannot be written: the chip is then off until emu_power_cycle.
 */
#define EMU_RESPONSE_MAX 255
enum err emu_execute(
    struct emu *emu, struct slice command, uint8_t out[EMU_RESPONSE_MAX], size_t *n) MUST_CHECK;

/* --- what shall go wrong --- */

/*
 * Faults for this chip, counted from now; the text is described in fault_plan.h and docs/emulator.md.
 * It replaces the plan before it, an empty one ends it; nothing but this call, emu_options and request
 * F of SEI2C/1 sets one. ERR_FORMAT and ERR_SPACE name the line, and the old plan stays.
 */
#define EMU_PLAN_SIZE_MAX 65536 /* of a file with one */
enum err emu_faults_set(struct emu *emu, struct slice plan, struct errbuf *eb) MUST_CHECK;
/* Reads a plan from a file and looks whether it is one. *text is the caller's to free. */
enum err emu_plan_read(const char *path, uint8_t **text, size_t *n, struct errbuf *eb) MUST_CHECK;

/* --- what it is and what happened --- */

struct emu_info {
	enum emu_family family;
	bool genuine_looking;
	uint8_t serial[9];
	uint8_t revision[4];
	uint8_t address; /* 7 bits */
	bool config_locked, data_locked;
	uint16_t slots_locked;                         /* bit n set: slot n is locked singly */
	uint32_t wear_config, wear_otp, wear_slot[16]; /* EEPROM writes since the chip was made */
	uint32_t commands[256];                        /* executed since emu_open, by opcode */
	uint64_t busy_us;                              /* sum of their execution times */
	unsigned faults, faults_left; /* in the plan that is set (0: none); those still to come */
	enum err fault; /* not OK: the state file could not be written, the chip is off */
};
void emu_info(struct emu *emu, struct emu_info *info);

/*
 * Copies the memory of the chip in the state file `path` to `to`, also while it runs: what it would
 * hold if its power went now. `to` is replaced, mode 0600. emu_restore does the opposite: ERR_CONFLICT
 * while the chip runs, ERR_DENIED when the copy looks genuine and nobody said that it may. Counts
 * since emu_open are 0 in *info.
 */
enum err emu_snapshot(
    const char *path, const char *to, struct emu_info *info, struct errbuf *eb) MUST_CHECK;
enum err emu_restore(const char *path, const char *from, bool genuine_looking,
    struct emu_info *info, struct errbuf *eb) MUST_CHECK;

/* "ATECC608B" */
const char *emu_family_name(enum emu_family family);

/* --- SEI2C/1 on a Unix stream socket (docs/sei2c.md) --- */

struct emu_server;

#define EMU_SERVER_CHIPS 16
#define EMU_SERVER_CONNECTIONS 32

/*
 * Binds and listens. The chips share the bus and stay the caller's; they must outlive the server. A
 * socket left by a dead process is replaced; a living one, or another kind of file, is
 * ERR_CONFLICT. ERR_ARG: the path has more than 107 bytes, or two chips have one address.
 */
enum err emu_server_new(const char *path, struct emu *const *chips, size_t n,
    struct emu_server **server, struct errbuf *eb) MUST_CHECK;
/* Serves in a thread of its own until emu_server_free. */
enum err emu_server_start(struct emu_server *server, struct errbuf *eb) MUST_CHECK;
/* Or: serves in the caller's thread until stop_fd becomes readable (or is closed at its far end).
 */
enum err emu_server_run(struct emu_server *server, int stop_fd, struct errbuf *eb) MUST_CHECK;
/* Stops, closes every connection, removes the socket. NULL is fine. */
void emu_server_free(struct emu_server *server);

/* What crossed the wire. */
struct emu_server_counters {
	uint64_t connections, frames, refused; /* refused: frames that break the protocol */
	uint64_t wakes;
	uint64_t opcodes[256]; /* command packets written to a chip that acknowledged them */
};
void emu_server_counters(struct emu_server *server, struct emu_server_counters *c);

#endif
