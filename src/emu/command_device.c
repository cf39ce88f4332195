/* Info, Lock, UpdateExtra, Counter, Pause: the chip itself. */
#include "command.h"

#include <string.h>

static bool private_key_valid(struct engine *g, unsigned slot)
{
	struct p256_key *key;

	return engine_key(g, slot, &key) == ST_OK;
}

/* A public key that must be validated carries 5 in its first nibble; others must be on the curve.
 */
static bool public_key_valid(struct engine *g, unsigned slot)
{
	const uint8_t *p = slot_bytes(&g->mem, slot);
	uint8_t q[64];

	if (slot_size(slot) < 72)
		return false;
	if (key_config(&g->mem, slot) & KC_PUB_INFO)
		return p[0] >> 4 == 5;
	memcpy(q, p + 4, 32);
	memcpy(q + 32, p + 40, 32);
	return p256_point_check(g->p256, q) == OK;
}

static uint8_t key_valid(struct engine *g, unsigned slot)
{
	if (key_type(&g->mem, slot) != KEY_TYPE_P256)
		return 0;
	return key_config(&g->mem, slot) & KC_PRIVATE ? private_key_valid(g, slot)
	                                              : public_key_valid(g, slot);
}

uint8_t temp_flags(const struct temp_key *t)
{
	return (uint8_t)(t->key_id | t->source_input << 4 | t->gen_dig << 5 | t->gen_key << 6 |
	                 t->no_mac << 7);
}

/*
 * 608: bit 1 of param2 asks to set the persistent latch to bit 0. That needs VolatileKeyPermission
 * and a CheckMac with the key that it names.
 */
static enum status info_latch(struct engine *g, uint16_t ask, uint8_t *latch)
{
	uint8_t permission = g->mem.config[AT_VOLATILE_KEY];
	struct registers *r = &g->reg;

	if (!memory_is_608(&g->mem) || ask > 3)
		return ST_PARSE;
	if (ask & 2) {
		if (!(permission & 0x80) || !r->auth_valid || r->auth_key != (permission & 15))
			return ST_EXECUTION;
		r->latch = ask & 1;
	}
	*latch = r->latch;
	return ST_OK;
}

enum status command_info(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t out[4] = { 0 };
	enum status st;

	if (rq->in.n != 0)
		return ST_PARSE;
	switch (rq->p1) {
	case 0: /* Revision */
		memcpy(out, g->mem.config + AT_REVISION, 4);
		break;
	case 1: /* KeyValid */
		if (rq->p2 >= SLOTS)
			return ST_PARSE;
		out[0] = key_valid(g, rq->p2);
		break;
	case 2: /* State */
		out[0] = temp_flags(&g->reg.temp);
		out[1] = (uint8_t)(g->reg.temp.valid << 7);
		break;
	case 3: /* GPIO: an I2C part has none */
		break;
	case 4: /* VolatileKeyPermission */
		if ((st = info_latch(g, rq->p2, out)) != ST_OK)
			return st;
		break;
	default:
		return ST_PARSE;
	}
	reply_put(rp, out, 4);
	return ST_OK;
}

/* The configuration, or the slots and then OTP, as they are. */
static bool lock_crc_fits(const struct memory *m, unsigned zone, uint16_t want)
{
	uint16_t crc;

	if (zone == 0)
		return engine_crc(0, SLICE(m->config)) == want;
	crc = engine_crc(0, SLICE(m->data));
	return engine_crc(crc, SLICE(m->otp)) == want;
}

static enum status lock_slot(struct memory *m, unsigned slot)
{
	uint8_t locked[2];

	if (!memory_config_locked(m) || slot_locked(m, slot) ||
	    !(key_config(m, slot) & KC_LOCKABLE))
		return ST_EXECUTION;
	store_le16(locked, (uint16_t)(load_le16(m->config + AT_SLOT_LOCKED) & ~(1u << slot)));
	memory_write_config(m, AT_SLOT_LOCKED, locked, 2);
	return ST_OK;
}

enum status command_lock(struct engine *g, const struct request *rq, struct reply *rp)
{
	static const uint8_t locked = LOCKED;
	unsigned zone = rq->p1 & 3, slot = rq->p1 >> 2 & 15;
	struct memory *m = &g->mem;
	bool check = !(rq->p1 & 0x80);

	(void)rp;
	if (rq->in.n != 0 || zone == 3 || rq->p1 & 0x40 || (zone < 2 && slot != 0))
		return ST_PARSE;
	if (zone == 2)
		return lock_slot(m, slot);
	if (zone == 0 ? memory_config_locked(m) : memory_data_locked(m) || !memory_config_locked(m))
		return ST_EXECUTION;
	if (check && !lock_crc_fits(m, zone, rq->p2))
		return ST_EXECUTION;
	memory_write_config(m, zone == 0 ? AT_LOCK_CONFIG : AT_LOCK_VALUE, &locked, 1);
	return ST_OK;
}

enum status command_update_extra(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t value = (uint8_t)rq->p2;
	size_t at = rq->p1 == 0 ? AT_USER_EXTRA : AT_SELECTOR;

	(void)rp;
	if (rq->in.n != 0 || rq->p1 > 2)
		return ST_PARSE;
	if (rq->p1 == 2) /* use counters are the older chips' */
		return ST_EXECUTION;
	if (memory_config_locked(&g->mem) && g->mem.config[at] != 0)
		return ST_EXECUTION;
	memory_write_config(&g->mem, at, &value, 1);
	return ST_OK;
}

/* How often a chip can clear one more bit of this word. */
static unsigned zero_bits(uint16_t word)
{
	unsigned n = 0;

	for (; n < 16 && !(word >> (15 - n) & 1); n++)
		;
	return n;
}

/*
 * Two linear halves take turns, 16 counts each, so that every bit is written once in 32 counts; two
 * binary halves count the turns. Either pair alone can be torn by a power cut.
 */
void counter_encode(uint32_t value, uint8_t out[8])
{
	uint32_t later = value - 16;

	store_be16(out, (uint16_t)(0xFFFFu >> value % 32));
	store_be16(out + 2, (uint16_t)(value < 16 ? 0xFFFFu : 0xFFFFu >> later % 32));
	store_be16(out + 4, (uint16_t)(value / 32));
	store_be16(out + 6, (uint16_t)(value < 16 ? 0 : later / 32));
}

uint32_t counter_value(const struct memory *m, unsigned n)
{
	const uint8_t *p = m->config + AT_COUNTER + 8 * n;
	uint32_t a = load_be16(p + 4) * 32u + zero_bits(load_be16(p));
	uint32_t b = load_be16(p + 6) * 32u + 16 + zero_bits(load_be16(p + 2));
	uint32_t value = a;
	uint8_t again[8];

	counter_encode(b, again);
	if (b > a && memcmp(p, again, 8) == 0)
		value = b;
	return value > COUNTER_MAX ? COUNTER_MAX : value;
}

enum status counter_step(struct memory *m, unsigned n)
{
	uint32_t value = counter_value(m, n);
	uint8_t stored[8];

	if (value == COUNTER_MAX)
		return ST_EXECUTION;
	counter_encode(value + 1, stored);
	memory_write_config(m, AT_COUNTER + 8u * n, stored, 8);
	return ST_OK;
}

enum status command_counter(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t out[4];
	enum status st;

	if (rq->in.n != 0 || rq->p1 > 1 || rq->p2 > 1)
		return ST_PARSE;
	if (rq->p1 == 1 && (st = counter_step(&g->mem, rq->p2)) != ST_OK)
		return st;
	store_le32(out, counter_value(&g->mem, rq->p2));
	reply_put(rp, out, 4);
	return ST_OK;
}

/* 508A: of several chips on a bus all but one go idle. The one that stays answers. */
enum status command_pause(struct engine *g, const struct request *rq, struct reply *rp)
{
	(void)rp;
	if (rq->in.n != 0 || rq->p2 != 0)
		return ST_PARSE;
	g->reg.pausing = rq->p1 != g->mem.config[AT_SELECTOR];
	return ST_OK;
}
