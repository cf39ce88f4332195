/* Packets, wake and rest, and the one exchange through which every command goes. */
#include "se_exchange.h"

#include <string.h>

enum { WORD_RESET = 0x00, WORD_SLEEP = 0x01, WORD_IDLE = 0x02, WORD_COMMAND = 0x03 };

#define WAKE_MS 120     /* longest command of the table: an interrupted one may still run */
#define SLOWEST 6       /* clock divider M2 of the 608 */
#define WATCHDOG_MS 600 /* the earliest watchdog strikes 700 ms after wake */
#define TRANSFER_MS 16  /* packet, polls and answer on the wire, at 100 kHz */
#define TRIES 3         /* transfers that are repeated against noise */

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
		[SE_SELF_TEST] = ERR_DEVICE,
		[SE_UNKNOWN_DEVICE] = ERR_DEVICE,
		[SE_BUSY_TOO_LONG] = ERR_TIMEOUT,
		[SE_REPLY_LENGTH] = ERR_CRC,
		[SE_REPLY_CRC] = ERR_CRC,
		[SE_SENT_CRC] = ERR_CRC,
		[SE_MISCOMPARE] = ERR_DEVICE,
		[SE_PARSE] = ERR_DEVICE,
		[SE_ECC] = ERR_DEVICE,
		[SE_RNG] = ERR_DEVICE,
		[SE_EXECUTION] = ERR_DEVICE,
		[SE_RESET] = ERR_DEVICE,
		[SE_WATCHDOG] = ERR_DEVICE,
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

/*
 * An awake chip ignores the wake pulse and answers with what is left of an earlier exchange: it is
 * put to idle and woken again. A busy one acknowledges nothing and is waited for; nor does one that is
 * not there, and what never acknowledged need not be sent to rest.
 */
static enum se_fault wake(struct se *se)
{
	static const uint8_t awake[4] = { 0x04, 0x11, 0x33, 0x43 };
	enum se_fault fault = SE_NO_ANSWER;
	uint8_t frame[4];
	enum err e;

	se->awake = true;
	se->awake_ms = 0;
	for (unsigned ms = WAKE_MS; ms; ms--) {
		if ((e = se->hal->wake(se->hal->ctx)) == OK)
			e = se->hal->recv(se->hal->ctx, frame, sizeof(frame));
		if (e == OK) {
			if (memcmp(frame, awake, sizeof(frame)) == 0)
				return SE_FINE;
			fault = frame[0] == 4 && frame[1] == 7 ? SE_SELF_TEST : SE_NO_WAKE;
			e = send_word(se, WORD_IDLE);
		}
		if (e != OK && e != ERR_TIMEOUT)
			return SE_BUS;
		wait(se);
	}
	se->awake = fault != SE_NO_ANSWER;
	return fault;
}

static enum se_fault fault_of(uint8_t status)
{
	switch (status) {
	case 0x01:
		return SE_MISCOMPARE;
	case 0x03:
		return SE_PARSE;
	case 0x05:
		return SE_ECC;
	case 0x07:
		return SE_SELF_TEST;
	case 0x08:
		return SE_RNG;
	case 0x0f:
		return SE_EXECUTION;
	case 0x11:
		return SE_RESET;
	case 0xee:
		return SE_WATCHDOG;
	case 0xff:
		return SE_SENT_CRC;
	default:
		return SE_STATUS;
	}
}

/*
 * Polls for an answer of n bytes, count and CRC included, or for a status. The bus reads FF behind
 * the end, so one transaction fits both. A garbled answer is read again: it stays in the chip.
 */
static enum se_fault receive(struct se *se, uint8_t *p, size_t n)
{
	uint16_t left = se->busy_ms;
	unsigned tries = TRIES;
	enum se_fault fault;
	enum err e;

	for (;;) {
		e = se->hal->recv(se->hal->ctx, p, n);
		if (e == ERR_TIMEOUT) {
			if (left-- == 0)
				return SE_BUSY_TOO_LONG;
			wait(se);
			continue;
		}
		if (e != OK)
			return SE_BUS;
		if (p[0] != 4 && p[0] != n)
			fault = SE_REPLY_LENGTH;
		else if (se_crc(0, p, p[0] - 2u) != load_le16(p + p[0] - 2))
			fault = SE_REPLY_CRC;
		else
			break;
		if (--tries == 0)
			return fault;
		e = send_word(se, WORD_RESET);
		if (e != OK && e != ERR_TIMEOUT)
			return SE_BUS;
	}
	se->awake_ms = (uint16_t)(se->awake_ms + se->busy_ms - left + TRANSFER_MS);
	se->busy_ms = 0;
	if (p[0] == n && (n != 4 || p[1] == 0))
		return SE_FINE;
	se->status = p[1];
	return p[1] == 0 ? SE_REPLY_LENGTH : fault_of(p[1]);
}

/* Writes the packet of a command behind its word address; returns the bytes of both. */
static size_t encode(uint8_t *frame, const struct se_command *c, uint32_t param, const uint8_t *in)
{
	size_t n = 6u + c->in;

	frame[0] = WORD_COMMAND;
	frame[1] = (uint8_t)(n + 1);
	frame[2] = c->opcode;
	frame[3] = (uint8_t)(c->param1 | param >> 16);
	store_le16(frame + 4, (uint16_t)param);
	if (c->in)
		memcpy(frame + 6, in, c->in);
	store_le16(frame + n, se_crc(0, frame + 1, n - 1));
	return n + 2;
}

/* True when no command was executed: it may be sent again without harm. */
static bool not_executed(const struct se *se, enum se_fault fault)
{
	return fault == SE_RESET || fault == SE_WATCHDOG || fault == SE_SENT_CRC ||
	       (fault == SE_NO_ANSWER && se->awake);
}

static enum se_fault attempt(
    struct se *se, const struct se_command *c, uint32_t param, const uint8_t *in, uint8_t *frame)
{
	unsigned ms = se->family == SE_ATECC508A ? c->ms_508 : c->ms_608;
	enum se_fault fault;
	enum err e;

	ms *= se->pace;
	if (se->awake_ms + ms > WATCHDOG_MS)
		rest(se, WORD_IDLE);
	if (!se->awake && (fault = wake(se)) != SE_FINE)
		return fault;
	/* Also when the bus fails: the chip may have heard it all. One poll more, against noise. */
	se->busy_ms = (uint16_t)(ms + 1);
	e = se->hal->send(se->hal->ctx, frame, encode(frame, c, param, in));
	if (e == ERR_TIMEOUT) {
		se->busy_ms = 0;
		return SE_NO_ANSWER;
	}
	if (e != OK)
		return SE_BUS;
	return receive(se, frame, (c->out ? c->out : 1) + 3u);
}

enum err se_exchange(
    struct se *se, const struct se_command *c, uint32_t param, const uint8_t *in, uint8_t *out)
{
	uint8_t frame[SE_FRAME_MAX];
	enum se_fault fault;

	se->opcode = c->opcode;
	fault = attempt(se, c, param, in, frame);
	if (not_executed(se, fault)) { /* once more, from a fresh wake */
		rest(se, WORD_IDLE);
		fault = attempt(se, c, param, in, frame);
	}
	if (fault != SE_FINE)
		return se_fail(se, fault);
	if (out)
		memcpy(out, frame + 1, c->out);
	return OK;
}

/* Info tells the family; the 608's ChipMode tells how far its clock is divided. */
static enum err identify(struct se *se)
{
	static const struct se_command info = { 0x30, 0x00, 0, 4, 5, 5 };
	uint8_t mode[4];
	unsigned divider;
	enum err e;

	if ((e = se_exchange(se, &info, 0, NULL, se->revision)) != OK)
		return e;
	if (se->revision[2] != 0x50 && se->revision[2] != 0x60)
		return se_fail(se, SE_UNKNOWN_DEVICE);
	if ((e = se_move(se, SE_ZONE_CONFIG, 0, 16, NULL, mode, 4)) != OK)
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
