/* Read and Write. */
#include "command.h"

#include <string.h>

enum { ZONE_CONFIG, ZONE_OTP, ZONE_DATA };

/* Where an access lands: n bytes from `at`, cut to what exists of a slot's last block. */
struct place {
	unsigned zone, slot;
	size_t at, n, asked;
};

static bool place_in(struct place *p, size_t zone_size)
{
	if (p->at >= zone_size)
		return false;
	p->n = p->at + p->asked > zone_size ? zone_size - p->at : p->asked;
	return true;
}

/* The word bits do not count in a 32-byte access. */
static bool place_of(const struct request *rq, struct place *p)
{
	size_t word = rq->p1 & 0x80 ? 0 : (rq->p2 & 7) * 4u;

	p->zone = rq->p1 & 3;
	p->slot = 0;
	p->asked = rq->p1 & 0x80 ? 32 : 4;
	switch (p->zone) {
	case ZONE_CONFIG:
		p->at = (rq->p2 >> 3) * 32u + word;
		return place_in(p, CONFIG_SIZE);
	case ZONE_OTP:
		p->at = (rq->p2 >> 3) * 32u + word;
		return place_in(p, OTP_SIZE);
	case ZONE_DATA:
		p->slot = rq->p2 >> 3 & 15;
		p->at = (rq->p2 >> 8) * 32u + word;
		return !(rq->p2 & 0x80) && place_in(p, slot_size(p->slot));
	default:
		return false;
	}
}

/* What SlotConfig says about reading in the clear. */
static enum status may_read(const struct memory *m, const struct place *p)
{
	uint16_t config = slot_config(m, p->slot);

	if (p->zone == ZONE_CONFIG)
		return ST_OK;
	if (!memory_data_locked(m))
		return ST_EXECUTION;
	if (p->zone == ZONE_OTP)
		return ST_OK;
	if (key_config(m, p->slot) & KC_PRIVATE || config & (SC_IS_SECRET | SC_ENCRYPT_READ))
		return ST_EXECUTION;
	return ST_OK;
}

static const uint8_t *zone_bytes(const struct memory *m, const struct place *p)
{
	return p->zone == ZONE_CONFIG ? m->config
	       : p->zone == ZONE_OTP  ? m->otp
	                              : slot_bytes(m, p->slot);
}

enum status command_read(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t out[32] = { 0 };
	struct place p;
	enum status st;

	if (rq->in.n != 0 || rq->p1 & 0x7C || !place_of(rq, &p))
		return ST_PARSE;
	if ((st = may_read(&g->mem, &p)) != ST_OK)
		return st;
	memcpy(out, zone_bytes(&g->mem, &p) + p.at, p.n);
	reply_put(rp, out, p.asked);
	wipe(out, sizeof(out));
	return ST_OK;
}

/* Serial number and revision are the factory's; 84 to 87 have commands of their own. */
static enum status write_config(struct memory *m, const struct place *p, const uint8_t *in)
{
	if (memory_config_locked(m) || p->at < 16 ||
	    (p->at < AT_SLOT_LOCKED && p->at + p->n > AT_USER_EXTRA))
		return ST_EXECUTION;
	memory_write_config(m, p->at, in, p->n);
	return ST_OK;
}

/* 508A in consumption mode: bits can only be cleared. */
static enum status consume_otp(struct memory *m, const struct place *p, const uint8_t *in)
{
	uint8_t left[32];

	if (memory_is_608(m) || m->config[AT_OTP_MODE] != 0x55)
		return ST_EXECUTION;
	for (size_t i = 0; i < p->n; i++)
		left[i] = m->otp[p->at + i] & in[i];
	memory_write_otp(m, p->at, left, p->n);
	return ST_OK;
}

static enum status write_otp(struct memory *m, const struct place *p, const uint8_t *in)
{
	if (memory_data_locked(m))
		return consume_otp(m, p, in);
	if (!memory_config_locked(m) || p->asked != 32)
		return ST_EXECUTION;
	memory_write_otp(m, p->at, in, p->n);
	return ST_OK;
}

/* WriteConfig for Write in the clear: 0000 always, 0001 until the public key is valid, else never.
 */
static bool clear_write_allowed(const struct memory *m, unsigned slot)
{
	switch (slot_config(m, slot) & SC_WRITE) {
	case 0:
		return true;
	case SC_WRITE_PARENT:
		return slot_bytes(m, slot)[0] >> 4 != 5;
	default:
		return false;
	}
}

static enum status may_write_slot(const struct memory *m, const struct place *p)
{
	if (!memory_config_locked(m) || slot_locked(m, p->slot) ||
	    key_config(m, p->slot) & KC_PRIVATE)
		return ST_EXECUTION;
	if (!memory_data_locked(m))
		return p->asked == 32 ? ST_OK : ST_EXECUTION;
	if (slot_config(m, p->slot) & SC_IS_SECRET && p->asked != 32)
		return ST_EXECUTION;
	return clear_write_allowed(m, p->slot) ? ST_OK : ST_EXECUTION;
}

/* A public key that must be validated is not valid any more once its first block is written. */
static void store(struct memory *m, const struct place *p, const uint8_t *in)
{
	uint16_t key = key_config(m, p->slot);
	uint8_t block[32];

	memcpy(block, in, p->n);
	if (p->at < 32 && key & KC_PUB_INFO && key_type(m, p->slot) == KEY_TYPE_P256 &&
	    slot_size(p->slot) >= 72) {
		uint8_t tag = p->at == 0 ? block[0] : slot_bytes(m, p->slot)[0];

		tag = (uint8_t)(0xA0 | (tag & 0x0F));
		if (p->at == 0)
			block[0] = tag;
		else
			memory_write_slot(m, p->slot, 0, &tag, 1);
	}
	memory_write_slot(m, p->slot, p->at, block, p->n);
	wipe(block, sizeof(block));
}

enum status command_write(struct engine *g, const struct request *rq, struct reply *rp)
{
	struct memory *m = &g->mem;
	struct place p;
	enum status st;

	(void)rp;
	if (rq->p1 & 0x3C || !place_of(rq, &p) || rq->in.n != p.asked)
		return ST_PARSE;
	if (p.zone == ZONE_CONFIG)
		return write_config(m, &p, rq->in.p);
	if (p.zone == ZONE_OTP)
		return write_otp(m, &p, rq->in.p);
	if ((st = may_write_slot(m, &p)) != ST_OK)
		return st;
	store(m, &p, rq->in.p);
	return ST_OK;
}
