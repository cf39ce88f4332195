/*
 * chip.h -- a small ATECC for the driver's tests, with a plan of what goes wrong.
 *
 * It keeps the rules that the driver must live with: wake, idle, sleep, busy, watchdog, packets with
 * their CRC, lock states, TempKey. Keys and signatures are made up. Time is virtual: bytes on the
 * wire and wait_ms move it. Runs on Cortex-M0+ too.
 */
#ifndef IMPRINT_TEST_CHIP_H
#define IMPRINT_TEST_CHIP_H

#include "se.h"
#include "sha256.h"

#include <string.h>

enum chip_state { ASLEEP, IDLE, AWAKE };
enum chip_pace { INSTANT, MAXIMUM };
/*
 * LOST: the port fails and the chip has seen nothing. DONE: the port fails although the chip has
 * seen all of it. NACK: the chip does not acknowledge for once. DEAD: from here on as LOST.
 */
enum chip_trouble { NONE, LOST, DONE, NACK, DEAD };

struct chip {
	struct se_hal hal;
	/* What it holds. */
	uint8_t config[128], otp[64], slots[16][416];
	/* What it does. */
	enum chip_state state;
	enum chip_pace pace;
	bool is_608;
	uint64_t us, awake_since, busy_until;
	uint32_t watchdog_us;
	uint8_t out[80];
	size_t out_n, out_pos;
	bool tempkey_valid, hashing;
	uint8_t tempkey[32];
	struct sha256 hash;
	unsigned keys_made;
	/* What goes wrong. Numbers count from 0, from the last chip_plan. */
	enum chip_trouble trouble;
	unsigned trouble_at;
	uint8_t status; /* answers from command status_at on, status_times times, not executing */
	unsigned status_at, status_times;
	unsigned garble_at, garble_times, garble_byte; /* answers with a wrong bit, read by read */
	uint8_t garble_mask;
	bool lose_tempkey_at_wake;
	uint8_t slow_opcode; /* takes slow_us */
	uint32_t slow_us;
	unsigned write_flip, read_flip; /* a byte of the configuration, 0: none */
	uint8_t write_mask, read_mask;
	unsigned slot_flip;       /* the first byte of each write to this slot, 0: none */
	unsigned read_flip_after; /* configuration reads that are still right */
	bool self_test_failed, absent;
	/* What happened. */
	unsigned transfers, replies, wakes, idles, sleeps, commands, strikes, bad_packets;
	unsigned by_opcode[256];
	uint32_t waited_ms;
	uint8_t first[160], last[160]; /* packets */
	size_t last_n;
};

/* Execution times in ms: 508A, 608 at clock divider M0. */
static const struct {
	uint8_t opcode, ms_508, ms_608;
} chip_times[] = {
	{ 0x30, 2, 5 },     /* Info; a family is not yet known when it is asked */
	{ 0x02, 5, 5 },     /* Read */
	{ 0x12, 26, 45 },   /* Write */
	{ 0x17, 32, 35 },   /* Lock */
	{ 0x1b, 23, 23 },   /* Random */
	{ 0x16, 29, 20 },   /* Nonce */
	{ 0x40, 115, 115 }, /* GenKey */
	{ 0x41, 60, 115 },  /* Sign */
	{ 0x47, 9, 36 },    /* SHA */
};

/* Another way to compute it than the driver's: from the top of the byte order, bit by bit. */
static uint16_t chip_crc(uint16_t crc, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n * 8; i++) {
		unsigned in = (unsigned)p[i / 8] >> (i % 8) & 1u, top = crc >> 15;

		crc = (uint16_t)(crc << 1);
		if (in != top)
			crc ^= 0x8005;
	}
	return crc;
}

static unsigned chip_clock(const struct chip *c)
{
	unsigned divider = c->config[19] >> 3;

	return !c->is_608 || divider == 0 ? 1 : divider == 5 ? 2 : 6;
}

static uint32_t chip_max_ms(const struct chip *c, uint8_t opcode)
{
	for (size_t i = 0; i < COUNT(chip_times); i++) {
		if (chip_times[i].opcode == opcode)
			return (c->is_608 ? chip_times[i].ms_608 : chip_times[i].ms_508) *
			       chip_clock(c);
	}
	return 0;
}

static void chip_forget(struct chip *c)
{
	c->state = ASLEEP;
	c->tempkey_valid = c->hashing = false;
	c->out_n = 0;
}

static void chip_pass(struct chip *c, uint64_t us)
{
	c->us += us;
	if (c->state == AWAKE && c->us - c->awake_since > c->watchdog_us) {
		chip_forget(c);
		c->busy_until = 0;
		c->strikes++;
	}
}

/* Counts a transfer; true when the plan has trouble for it. */
static bool chip_trouble_now(struct chip *c)
{
	unsigned at = c->transfers++;

	return c->trouble != NONE &&
	       (at == c->trouble_at || (c->trouble == DEAD && at > c->trouble_at));
}

static void chip_reply(struct chip *c, const void *p, size_t n)
{
	uint16_t crc;

	c->out[0] = (uint8_t)(n + 3);
	memcpy(c->out + 1, p, n);
	crc = chip_crc(0, c->out, n + 1);
	c->out[n + 1] = (uint8_t)crc;
	c->out[n + 2] = (uint8_t)(crc >> 8);
	c->out_n = n + 3;
	c->out_pos = 0;
}

static void chip_status(struct chip *c, uint8_t status)
{
	chip_reply(c, &status, 1);
}

static bool chip_config_locked(const struct chip *c)
{
	return c->config[87] == 0;
}

static bool chip_data_locked(const struct chip *c)
{
	return c->config[86] == 0;
}

static size_t chip_slot_size(unsigned slot)
{
	return slot < 8 ? 36 : slot == 8 ? 416 : 72;
}

static uint8_t *chip_address(struct chip *c, unsigned p1, unsigned p2, size_t n, size_t *room)
{
	unsigned zone = p1 & 3, word = n == 32 ? 0 : p2 & 7;
	size_t at, size;
	uint8_t *base;

	if (zone == 2) {
		unsigned slot = p2 >> 3 & 15;

		at = (p2 >> 8) * 32u + word * 4;
		size = chip_slot_size(slot);
		base = c->slots[slot];
	} else {
		at = (p2 >> 3) * 32u + word * 4;
		size = zone == 0 ? 128 : 64;
		base = zone == 0 ? c->config : c->otp;
	}
	if (zone == 3 || at >= size)
		return NULL;
	*room = size - at;
	return base + at;
}

static void chip_read(struct chip *c, unsigned p1, unsigned p2)
{
	size_t n = p1 & 0x80 ? 32 : 4, room = 0;
	uint8_t *from = chip_address(c, p1, p2, n, &room), bytes[32] = { 0 };
	unsigned slot = p2 >> 3 & 15;

	if (!from) {
		chip_status(c, 0x03);
		return;
	}
	if ((p1 & 3) != 0 &&
	    (!chip_config_locked(c) || !chip_data_locked(c) || ((p1 & 3) == 2 && slot < 8))) {
		chip_status(c, 0x0f);
		return;
	}
	memcpy(bytes, from, room < n ? room : n);
	if ((p1 & 3) == 0 && c->read_flip) {
		size_t at = (size_t)(from - c->config);

		if (c->read_flip >= at && c->read_flip < at + n && c->read_flip_after-- == 0) {
			bytes[c->read_flip - at] ^= c->read_mask;
			c->read_flip_after = 0;
		}
	}
	chip_reply(c, bytes, n);
}

static void chip_write(struct chip *c, unsigned p1, unsigned p2, const uint8_t *p, size_t in)
{
	size_t n = p1 & 0x80 ? 32 : 4, room = 0;
	uint8_t *to = chip_address(c, p1, p2, n, &room);
	unsigned slot = p2 >> 3 & 15;
	bool allowed;

	if (!to || in != n) {
		chip_status(c, 0x03);
		return;
	}
	if ((p1 & 3) == 0) {
		size_t at = (size_t)(to - c->config);

		allowed = !chip_config_locked(c) && at >= 16 && (at + n <= 84 || at >= 88);
	} else if (!chip_config_locked(c)) {
		allowed = false;
	} else if (!chip_data_locked(c)) {
		allowed = n == 32 && slot >= 8;
	} else {
		allowed = (p1 & 3) == 2 && slot >= 8 && slot < 15;
	}
	if (!allowed) {
		chip_status(c, 0x0f);
		return;
	}
	memcpy(to, p, room < n ? room : n);
	if ((p1 & 3) == 2 && c->slot_flip == slot && slot)
		to[0] ^= 0x08;
	if (c->write_flip && to <= c->config + c->write_flip && c->config + c->write_flip < to + n)
		c->config[c->write_flip] ^= c->write_mask;
	chip_status(c, 0x00);
}

static uint16_t chip_data_crc(const struct chip *c)
{
	uint16_t crc = 0;

	for (unsigned slot = 0; slot < 16; slot++)
		crc = chip_crc(crc, c->slots[slot], chip_slot_size(slot));
	return chip_crc(crc, c->otp, sizeof(c->otp));
}

static void chip_lock(struct chip *c, unsigned p1, unsigned p2)
{
	bool data = p1 & 1, done = data ? chip_data_locked(c) : chip_config_locked(c);
	uint16_t crc = data ? chip_data_crc(c) : chip_crc(0, c->config, 128);

	if (done || (data && !chip_config_locked(c)) || (!(p1 & 0x80) && crc != p2)) {
		chip_status(c, 0x0f);
		return;
	}
	c->config[data ? 86 : 87] = 0;
	chip_status(c, 0x00);
}

/* The made-up public key of what GenKey put into a slot. */
static void chip_public(const struct chip *c, unsigned slot, uint8_t q[64])
{
	for (unsigned i = 0; i < 64; i++)
		q[i] = (uint8_t)(c->slots[slot][4 + i % 32] ^ i * 5);
}

static void chip_genkey(struct chip *c, unsigned p1, unsigned slot)
{
	uint8_t q[64];

	if (slot > 4 || !chip_config_locked(c)) {
		chip_status(c, 0x0f);
		return;
	}
	if (p1 & 4) {
		c->keys_made++;
		memset(c->slots[slot], (int)(0x20 + c->keys_made + slot), 36);
	} else if (c->slots[slot][0] == 0xff) {
		chip_status(c, 0x05);
		return;
	}
	chip_public(c, slot, q);
	chip_reply(c, q, sizeof(q));
}

/* What chip_sign makes of a digest. */
static void chip_signature(unsigned slot, const uint8_t digest[32], uint8_t sig[64])
{
	for (unsigned i = 0; i < 64; i++)
		sig[i] = (uint8_t)(digest[i % 32] ^ (i + slot * 7 + 1));
}

static void chip_sign(struct chip *c, unsigned slot)
{
	uint8_t sig[64];

	if (!chip_data_locked(c) || !c->tempkey_valid || slot > 4) {
		chip_status(c, 0x0f);
		return;
	}
	c->tempkey_valid = false;
	chip_signature(slot, c->tempkey, sig);
	chip_reply(c, sig, sizeof(sig));
}

static void chip_random(struct chip *c)
{
	uint8_t out[32];

	for (unsigned i = 0; i < 32; i++)
		out[i] = (uint8_t)(chip_config_locked(c) ? c->commands * 17 + i * 3
		                   : i & 2               ? 0x00
		                                         : 0xff);
	chip_reply(c, out, sizeof(out));
}

static void chip_sha(struct chip *c, unsigned mode, unsigned p2, const uint8_t *p, size_t in)
{
	uint8_t digest[32];

	if (in != p2 || mode > 2 || (mode == 0 && in) || (mode == 1 && in != 64) || in > 64 ||
	    (mode == 2 && in == 64)) {
		chip_status(c, 0x03);
		return;
	}
	if (mode && !c->hashing) {
		chip_status(c, 0x0f);
		return;
	}
	if (mode == 0)
		sha256_init(&c->hash);
	else
		sha256_update(&c->hash, (struct slice){ p, in });
	c->hashing = mode != 2;
	if (mode != 2) {
		chip_status(c, 0x00);
		return;
	}
	sha256_final(&c->hash, digest);
	chip_reply(c, digest, sizeof(digest));
}

static void chip_execute(struct chip *c, const uint8_t *p, size_t n)
{
	unsigned p1 = p[2], p2 = p[3] | (unsigned)p[4] << 8;
	const uint8_t *in = p + 5;
	size_t in_n = n - 7;

	switch (p[1]) {
	case 0x30:
		chip_reply(c, c->config + 4, 4);
		break;
	case 0x02:
		chip_read(c, p1, p2);
		break;
	case 0x12:
		chip_write(c, p1, p2, in, in_n);
		break;
	case 0x17:
		chip_lock(c, p1, p2);
		break;
	case 0x1b:
		chip_random(c);
		break;
	case 0x16:
		if (p1 != 3 || in_n != 32) {
			chip_status(c, 0x03);
			break;
		}
		memcpy(c->tempkey, in, 32);
		c->tempkey_valid = true;
		chip_status(c, 0x00);
		break;
	case 0x40:
		chip_genkey(c, p1, p2);
		break;
	case 0x41:
		chip_sign(c, p2);
		break;
	case 0x47:
		chip_sha(c, p1, p2, in, in_n);
		break;
	default:
		chip_status(c, 0x03);
	}
}

static void chip_command(struct chip *c, const uint8_t *p, size_t n)
{
	unsigned at = c->commands;

	if (c->commands == 0)
		memcpy(c->first, p, n < sizeof(c->first) ? n : sizeof(c->first));
	memcpy(c->last, p, n < sizeof(c->last) ? n : sizeof(c->last));
	c->last_n = n;
	if (n < 7 || p[0] != n || chip_crc(0, p, n - 2) != (p[n - 2] | p[n - 1] << 8)) {
		c->bad_packets++;
		chip_status(c, 0xff);
		return;
	}
	c->commands++;
	c->by_opcode[p[1]]++;
	if (c->status_times && at >= c->status_at) {
		c->status_times--;
		chip_status(c, c->status);
		return;
	}
	chip_execute(c, p, n);
	if (c->pace == MAXIMUM)
		c->busy_until = c->us + chip_max_ms(c, p[1]) * 1000;
	if (c->slow_us && c->slow_opcode == p[1])
		c->busy_until = c->us + c->slow_us;
}

static bool chip_listens(const struct chip *c)
{
	return !c->absent && c->state == AWAKE && c->us >= c->busy_until;
}

static enum err chip_hal_wake(void *ctx)
{
	struct chip *c = ctx;
	bool trouble = chip_trouble_now(c);

	if (trouble && c->trouble != DONE)
		return c->trouble == NACK ? OK : ERR_IO;
	chip_pass(c, 1600);
	if (!c->absent && c->state != AWAKE) {
		c->state = AWAKE;
		c->awake_since = c->us;
		c->busy_until = 0;
		c->wakes++;
		if (c->lose_tempkey_at_wake)
			c->tempkey_valid = c->lose_tempkey_at_wake = false;
		chip_status(c, c->self_test_failed ? 0x07 : 0x11);
	}
	return trouble ? ERR_IO : OK;
}

static enum err chip_hal_send(void *ctx, const uint8_t *p, size_t n)
{
	struct chip *c = ctx;
	bool trouble = chip_trouble_now(c);

	chip_pass(c, 90 * (n + 1));
	if (trouble && c->trouble != DONE)
		return c->trouble == NACK ? ERR_TIMEOUT : ERR_IO;
	if (!chip_listens(c))
		return trouble ? ERR_IO : ERR_TIMEOUT;
	switch (p[0]) {
	case 0x00:
		c->out_pos = 0;
		break;
	case 0x01:
		chip_forget(c);
		c->sleeps++;
		break;
	case 0x02:
		c->state = IDLE;
		c->idles++;
		break;
	case 0x03:
		chip_command(c, p + 1, n - 1);
		break;
	default:
		c->bad_packets++;
	}
	return trouble ? ERR_IO : OK;
}

static enum err chip_hal_recv(void *ctx, uint8_t *p, size_t n)
{
	struct chip *c = ctx;
	bool trouble = chip_trouble_now(c);
	unsigned at;

	chip_pass(c, 90 * (chip_listens(c) ? n + 1 : 1));
	if (trouble && c->trouble != DONE)
		return c->trouble == NACK ? ERR_TIMEOUT : ERR_IO;
	if (!chip_listens(c))
		return trouble ? ERR_IO : ERR_TIMEOUT;
	for (size_t i = 0; i < n; i++)
		p[i] = c->out_pos < c->out_n ? c->out[c->out_pos++] : 0xff;
	at = c->replies++;
	if (c->garble_times && at >= c->garble_at) {
		c->garble_times--;
		p[c->garble_byte] ^= c->garble_mask;
	}
	return trouble ? ERR_IO : OK;
}

static void chip_hal_wait_ms(void *ctx, uint32_t ms)
{
	struct chip *c = ctx;

	c->waited_ms += ms;
	chip_pass(c, ms * 1000ull);
}

/* Nothing goes wrong any more, and nothing has happened yet. */
__attribute__((unused)) static void chip_plan(struct chip *c)
{
	c->trouble = NONE;
	c->status_times = c->garble_times = 0;
	c->lose_tempkey_at_wake = false;
	c->slow_us = 0;
	c->write_flip = c->read_flip = c->read_flip_after = c->slot_flip = 0;
	c->transfers = c->replies = c->wakes = c->idles = c->sleeps = c->commands = c->strikes = 0;
	c->bad_packets = 0;
	memset(c->by_opcode, 0, sizeof(c->by_opcode));
	c->waited_ms = 0;
}

/* A chip as it leaves the factory. */
static void chip_new(struct chip *c, bool is_608)
{
	static const uint8_t head[16] = { 0x45, 0x4d, 2, 3, 0, 0, 0x50, 0, 4, 5, 6, 7, 0x4d, 0xc0,
		0x71, 0 };

	memset(c, 0, sizeof(*c));
	memset(c->slots, 0xff, sizeof(c->slots));
	memset(c->otp, 0xff, sizeof(c->otp));
	memcpy(c->config, head, sizeof(head));
	if (is_608) {
		c->config[6] = 0x60;
		c->config[7] = 0x02;
	}
	c->config[16] = 0xc0;
	c->config[86] = c->config[87] = 0x55;
	c->config[88] = c->config[89] = 0xff;
	c->is_608 = is_608;
	c->watchdog_us = 700000;
	c->hal =
	    (struct se_hal){ c, chip_hal_wake, chip_hal_send, chip_hal_recv, chip_hal_wait_ms };
}

/* The same with Arduino's profile, locked, and a key in slot 0. */
__attribute__((unused)) static void chip_provisioned(struct chip *c, bool is_608)
{
	chip_new(c, is_608);
	memcpy(c->config + 16, se_profile_arduino.config + 16, 112);
	c->config[86] = c->config[87] = 0;
	memset(c->slots[0], 0x21, 36);
	for (unsigned i = 0; i < 72; i++) {
		c->slots[10][i] = (uint8_t)i;
		c->slots[11][i] = (uint8_t)(i + 1);
		c->slots[12][i] = (uint8_t)(i + 2);
	}
}

#endif
