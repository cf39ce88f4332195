/* Packets, wake and rest, and the one exchange through which every command goes. */
#include "se_exchange.h"

#include <string.h>

enum { WORD_RESET = 0x00, WORD_SLEEP = 0x01, WORD_IDLE = 0x02, WORD_COMMAND = 0x03 };

#define WAKE_MS 120     /* longest command of the table: an interrupted one may still run */
#define WATCHDOG_MS 600 /* the earliest watchdog strikes 700 ms after wake */
#define TRANSFER_MS 16  /* packet, polls and answer on the wire, at 100 kHz */
#define TRIES 3         /* transfers that are repeated against noise */
#define SLOWEST 6       /* clock divider M2 of the 608 */

static const struct se_command_form commands[] = {
	[SE_INFO] = { 0x30, 0x00, 0, 4, { 5, 5 } },
	[SE_READ_WORD] = { 0x02, 0x00, 0, 4, { 5, 5 } },
	[SE_READ_BLOCK] = { 0x02, 0x80, 0, 32, { 5, 5 } },
	[SE_WRITE_WORD] = { 0x12, 0x00, 4, 0, { 26, 45 } },
	[SE_WRITE_BLOCK] = { 0x12, 0x80, 32, 0, { 26, 45 } },
	[SE_LOCK] = { 0x17, 0x00, 0, 0, { 32, 35 } },
	[SE_RANDOM] = { 0x1b, 0x00, 0, 32, { 23, 23 } },
	[SE_NONCE] = { 0x16, 0x03, 32, 0, { 29, 20 } },
	[SE_GENKEY] = { 0x40, 0x00, 0, 64, { 115, 115 } },
	[SE_SIGN] = { 0x41, 0x80, 0, 64, { 60, 115 } },
	[SE_SHA_START] = { 0x47, 0x00, SE_IN_PARAM, 0, { 9, 36 } },
	[SE_SHA_UPDATE] = { 0x47, 0x01, SE_IN_PARAM, 0, { 9, 36 } },
	[SE_SHA_END] = { 0x47, 0x02, SE_IN_PARAM, 32, { 9, 36 } },
};

uint16_t se_crc(uint16_t crc, const uint8_t *p, size_t n)
{
	unsigned r = crc;

	for (; n; n--, p++) {
		for (unsigned bits = *p | 0x100u; bits != 1; bits >>= 1)
			r = (r << 1) ^ (((r >> 15 ^ bits) & 1) ? 0x8005 : 0);
	}
	return (uint16_t)r;
}

enum err se_fail(struct se *se, enum se_fault fault)
{
	static const uint8_t code[SE_FAULTS] = {
		[SE_BUS] = ERR_IO,
		[SE_NO_ANSWER] = ERR_TIMEOUT,
		[SE_NO_WAKE] = ERR_DEVICE,
		[SE_UNKNOWN_DEVICE] = ERR_DEVICE,
		[SE_BUSY_TOO_LONG] = ERR_TIMEOUT,
		[SE_REPLY_LENGTH] = ERR_CRC,
		[SE_REPLY_CRC] = ERR_CRC,
		[SE_MISCOMPARE] = ERR_DEVICE,
		[SE_PARSE] = ERR_DEVICE,
		[SE_ECC] = ERR_DEVICE,
		[SE_SELF_TEST] = ERR_DEVICE,
		[SE_RNG] = ERR_DEVICE,
		[SE_EXECUTION] = ERR_DEVICE,
		[SE_RESET] = ERR_DEVICE,
		[SE_WATCHDOG] = ERR_DEVICE,
		[SE_SENT_CRC] = ERR_CRC,
		[SE_STATUS] = ERR_DEVICE,
		[SE_READ_BACK] = ERR_DEVICE,
		[SE_LOCKED] = ERR_CONFLICT,
		[SE_NOT_LOCKED] = ERR_CONFLICT,
		[SE_OTHER_PROFILE] = ERR_CONFLICT,
		[SE_RANDOM_UNLOCKED] = ERR_DENIED,
		[SE_ARGUMENT] = ERR_ARG,
	};

	se->fault = fault;
	return (enum err)code[fault];
}

static enum err send_word(struct se *se, uint8_t word)
{
	return se->hal->send(se->hal->ctx, &word, 1);
}

static void wait(struct se *se)
{
	se->hal->wait_ms(se->hal->ctx, 1);
}

/*
 * Idle or Sleep. A chip that still executes acknowledges nothing, so it gets the time that its
 * command may still take; one that acknowledges nothing after that is asleep already.
 */
static void rest(struct se *se, uint8_t word)
{
	unsigned tries = se->awake ? TRIES + se->busy_ms : 0;
	enum err e;

	while (tries-- && (e = send_word(se, word)) != OK) {
		if (e != ERR_TIMEOUT && tries > TRIES)
			tries = TRIES;
		wait(se);
	}
	se->awake = false;
	se->busy_ms = 0;
}

enum err se_idle(struct se *se, enum err e)
{
	rest(se, WORD_IDLE);
	return e;
}

/* The fault of a status byte other than 00. */
static enum se_fault fault_of(uint8_t status)
{
	static const uint8_t known[] = { 0x01, 0x03, 0x05, 0x07, 0x08, 0x0f, 0x11, 0xee, 0xff };
	unsigned i = 0;

	while (i < sizeof(known) && known[i] != status)
		i++;
	return (enum se_fault)(SE_MISCOMPARE + i);
}

/* Whether p, read as n bytes, holds an answer of n bytes or a status; count and CRC are right. */
static enum se_fault check(const uint8_t *p, size_t n)
{
	if (p[0] != 4 && p[0] != n)
		return SE_REPLY_LENGTH;
	return se_crc(0, p, p[0] - 2u) == load_le16(p + p[0] - 2) ? SE_FINE : SE_REPLY_CRC;
}

/*
 * Polls for n bytes, once a millisecond, at most ms + 1 times; `again` is sent when something came
 * and was wrong. For an answer that is WORD_RESET: it stays in the chip and is read once more.
 *
 * With WORD_IDLE it wakes: an awake chip ignores the pulse and gives what is left of an earlier
 * exchange, so it is put to idle and woken anew. A busy one acknowledges nothing and is waited for.
 */
static enum se_fault poll(struct se *se, uint8_t *p, size_t n, unsigned ms, uint8_t again)
{
	static const uint8_t awake[4] = { 0x04, 0x11, 0x33, 0x43 };
	enum se_fault fault = again ? SE_NO_ANSWER : SE_BUSY_TOO_LONG;

	for (;;) {
		enum err e = again ? se->hal->wake(se->hal->ctx) : OK;

		if (e == OK)
			e = se->hal->recv(se->hal->ctx, p, n);
		if (e == OK) {
			if (!again)
				fault = check(p, n);
			else if (memcmp(p, awake, 4) == 0)
				fault = SE_FINE;
			else
				fault = p[1] == 0x07 ? SE_SELF_TEST : SE_NO_WAKE;
			if (fault == SE_FINE)
				return fault;
			e = send_word(se, again);
		}
		if (e != OK && e != ERR_TIMEOUT)
			return SE_BUS;
		if (ms-- == 0)
			return fault;
		wait(se);
	}
}

static enum se_fault wake(struct se *se)
{
	uint8_t frame[4];

	se->awake = true;
	se->awake_ms = 0;
	return poll(se, frame, sizeof(frame), WAKE_MS, WORD_IDLE);
}

/* The bus reads FF behind the end of an answer, so one transaction fits data and status. */
static enum se_fault receive(struct se *se, uint8_t *p, size_t n)
{
	enum se_fault fault = poll(se, p, n, se->busy_ms, WORD_RESET);

	if (fault != SE_FINE)
		return fault;
	se->busy_ms = 0;
	if (p[0] == n && (n != 4 || p[1] == 0))
		return SE_FINE;
	se->status = p[1];
	return p[1] == 0 ? SE_REPLY_LENGTH : fault_of(p[1]);
}

/* Writes the packet of a command behind its word address; returns the bytes of both. */
static size_t encode(
    const struct se *se, const struct se_command_form *c, uint32_t param, uint8_t *frame)
{
	size_t n = c->in == SE_IN_PARAM ? (uint8_t)param : c->in;

	frame[0] = WORD_COMMAND;
	frame[1] = (uint8_t)(n + 7);
	frame[2] = c->opcode;
	frame[3] = (uint8_t)(c->param1 | param >> 16);
	store_le16(frame + 4, (uint16_t)param);
	if (n)
		memcpy(frame + 6, se->in, n);
	store_le16(frame + 6 + n, se_crc(0, frame + 1, n + 5));
	return n + 8;
}

static inline __attribute__((always_inline)) enum se_fault attempt(
    struct se *se, const struct se_command_form *c, uint32_t param, uint8_t *frame)
{
	unsigned ms = c->ms[se->family] * se->pace + 1u; /* one poll more, against noise */
	enum se_fault fault;
	enum err e;

	if (se->awake_ms + ms > WATCHDOG_MS)
		rest(se, WORD_IDLE);
	if (!se->awake && (fault = wake(se)) != SE_FINE)
		return fault;
	e = se->hal->send(se->hal->ctx, frame, encode(se, c, param, frame));
	if (e == ERR_TIMEOUT)
		return SE_RESET;
	se->awake_ms += ms + TRANSFER_MS;
	se->busy_ms = ms; /* also when the bus failed: the chip may have heard it all */
	if (e != OK)
		return SE_BUS;
	return receive(se, frame, c->out ? c->out + 3u : 4);
}

/*
 * The whole of an exchange. Inline, so that a program without the commands beyond the table has this
 * code once, with the small frame.
 */
static inline __attribute__((always_inline)) enum err run(struct se *se,
    const struct se_command_form *c, uint32_t param, uint8_t *out, uint8_t *frame, size_t size)
{
	enum se_fault fault;
	unsigned tries = 2;

	se->opcode = c->opcode;
	for (;;) {
		fault = attempt(se, c, param, frame);
		/* Not executed, so it may be sent again without harm, from a fresh wake. */
		if (fault < SE_RESET || fault > SE_SENT_CRC || --tries == 0)
			break;
		rest(se, WORD_IDLE);
	}
	if (out && fault == SE_FINE)
		memcpy(out, frame + 1, c->out);
	wipe(frame, size); /* random numbers become keys */
	return fault == SE_FINE ? OK : se_fail(se, fault);
}

enum err se_exchange(struct se *se, enum se_command command, uint32_t param, uint8_t *out)
{
	const struct se_command_form c = commands[command]; /* a copy makes smaller code */
	uint8_t frame[SE_FRAME_MAX];

	return run(se, &c, param, out, frame, sizeof(frame));
}

enum err se_exchange_other(
    struct se *se, const struct se_command_form *c, uint32_t param, uint8_t *out)
{
	uint8_t frame[SE_FRAME_LARGE];

	return run(se, c, param, out, frame, sizeof(frame));
}

/* Info tells the family; the 608's ChipMode tells how far its clock is divided. */
static enum err identify(struct se *se)
{
	uint8_t mode[4];
	unsigned divider;
	enum err e;

	if ((e = se_exchange(se, SE_INFO, 0, se->revision)) != OK)
		return e;
	if (se->revision[2] != 0x50 && se->revision[2] != 0x60)
		return se_fail(se, SE_UNKNOWN_DEVICE);
	if ((e = se_move(se, SE_CONFIG_AT(16), mode, 4)) != OK)
		return e;
	divider = mode[3] >> 3;
	if (se->revision[2] == 0x50) {
		se->family = SE_ATECC508A;
		divider = 0;
	}
	se->pace = divider == 0 ? 1 : divider == 5 ? 2 : SLOWEST; /* M0, M1, M2 */
	return OK;
}

enum err se_open(struct se *se, const struct se_hal *hal)
{
	memset(se, 0, sizeof(*se));
	se->hal = hal;
	se->family = SE_ATECC608; /* the longer times, until it is known */
	se->pace = SLOWEST;
	return se_idle(se, identify(se));
}

void se_close(struct se *se)
{
	(void)wake(se); /* an idle chip hears nothing else; one that is awake hears Sleep */
	rest(se, WORD_SLEEP);
}
