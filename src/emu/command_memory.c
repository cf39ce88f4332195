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

enum { CLEAR, ENCRYPTED };

/* What SlotConfig says about reading; *how tells in which form. */
static enum status may_read(const struct engine *g, const struct place *p, int *how)
{
	const struct temp_key *t = &g->reg.temp;
	uint16_t config = slot_config(&g->mem, p->slot);

	*how = CLEAR;
	if (p->zone == ZONE_CONFIG)
		return ST_OK;
	if (!memory_data_locked(&g->mem))
		return ST_EXECUTION;
	if (p->zone == ZONE_OTP)
		return ST_OK;
	if (key_config(&g->mem, p->slot) & KC_PRIVATE)
		return ST_EXECUTION;
	if (!(config & (SC_IS_SECRET | SC_ENCRYPT_READ)))
		return ST_OK;
	/* Secret: 32 bytes, under a session with ReadKey that began with a random nonce. */
	*how = ENCRYPTED;
	return config & SC_IS_SECRET && config & SC_ENCRYPT_READ && p->asked == 32 &&
	               session_with(t, config & SC_READ_KEY) && !t->source_input
	           ? ST_OK
	           : ST_EXECUTION;
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
	int how;

	if (rq->in.n != 0 || rq->p1 & 0x7C || !place_of(rq, &p))
		return ST_PARSE;
	if ((st = may_read(g, &p, &how)) != ST_OK)
		return st;
	memcpy(out, zone_bytes(&g->mem, &p) + p.at, p.n);
	if (how == ENCRYPTED) {
		for (size_t i = 0; i < sizeof(out); i++)
			out[i] ^= g->reg.temp.value[i];
		temp_clear(&g->reg.temp);
	}
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

/* WriteConfig for Write in the clear: 0000 always, 0001 until the public key is valid, else never. */
static bool clear_write_allowed(const struct memory *m, unsigned slot)
{
	switch (slot_config(m, slot) & SC_WRITE) {
	case 0:
		return true;
	case SC_WRITE_PARENT:
		return slot_bytes(m, slot)[0] >> 4 != TAG_VALID;
	default:
		return false;
	}
}

static enum status may_write_slot(const struct memory *m, const struct place *p, int how)
{
	uint16_t config = slot_config(m, p->slot);

	if (!memory_config_locked(m) || slot_locked(m, p->slot) ||
	    key_config(m, p->slot) & KC_PRIVATE)
		return ST_EXECUTION;
	if (!memory_data_locked(m))
		return p->asked == 32 ? ST_OK : ST_EXECUTION;
	if (how == ENCRYPTED)
		return config & SC_WRITE_ENCRYPTED ? ST_OK : ST_EXECUTION;
	if (config & SC_IS_SECRET && p->asked != 32)
		return ST_EXECUTION;
	return clear_write_allowed(m, p->slot) ? ST_OK : ST_EXECUTION;
}

/* A public key that must be validated is not valid any more once its first block is written. */
static void store(struct memory *m, const struct place *p, const uint8_t *in)
{
	uint16_t key = key_config(m, p->slot);
	bool tagged = p->at < 32 && key & KC_PUB_INFO && key_type(m, p->slot) == KEY_TYPE_P256 &&
	              slot_size(p->slot) >= 72;
	uint8_t block[32];

	memcpy(block, in, p->n);
	if (tagged && p->at == 0)
		block[0] = (uint8_t)(TAG_INVALID << 4 | (block[0] & 0x0F));
	else if (tagged)
		tag_store(m, p->slot, TAG_INVALID);
	memory_write_slot(m, p->slot, p->at, block, p->n);
	wipe(block, sizeof(block));
}

/* The plain text, when its MAC is right. */
static enum status decrypt(
    struct engine *g, const struct request *rq, unsigned key, uint8_t plain[32])
{
	const struct temp_key *t = &g->reg.temp;
	uint8_t mac[32];
	bool equal;

	if (!session_with(t, key))
		return ST_EXECUTION;
	for (size_t i = 0; i < 32; i++)
		plain[i] = rq->in.p[i] ^ t->value[i];
	session_mac(g, rq, 25, (struct slice){ plain, 32 }, mac);
	equal = ct_equal(mac, rq->in.p + 32, 32);
	temp_clear(&g->reg.temp);
	wipe(mac, sizeof(mac));
	return equal ? ST_OK : ST_MISCOMPARE;
}

static enum status write_slot(struct engine *g, const struct request *rq, const struct place *p)
{
	int how = rq->p1 & 0x40 ? ENCRYPTED : CLEAR;
	uint8_t plain[32];
	enum status st;

	if ((st = may_write_slot(&g->mem, p, how)) != ST_OK)
		return st;
	if (how == CLEAR) {
		store(&g->mem, p, rq->in.p);
		return ST_OK;
	}
	if ((st = decrypt(g, rq, slot_config(&g->mem, p->slot) >> 8 & 15, plain)) == ST_OK)
		store(&g->mem, p, plain);
	wipe(plain, sizeof(plain));
	return st;
}

enum status command_write(struct engine *g, const struct request *rq, struct reply *rp)
{
	bool encrypted = rq->p1 & 0x40;
	struct place p;

	(void)rp;
	if (rq->p1 & 0x3C || !place_of(rq, &p) ||
	    rq->in.n != (encrypted ? p.asked + 32 : p.asked) ||
	    (encrypted && (p.zone != ZONE_DATA || p.asked != 32)))
		return ST_PARSE;
	if (p.zone == ZONE_CONFIG)
		return write_config(&g->mem, &p, rq->in.p);
	if (p.zone == ZONE_OTP)
		return write_otp(&g->mem, &p, rq->in.p);
	return write_slot(g, rq, &p);
}
