/* MAC, HMAC, CheckMac: somebody knows a secret. */
#include "command.h"

#include <string.h>

enum {
	MODE_TEMP_SECOND = 0x01, /* the second 32 bytes are TempKey */
	MODE_TEMP_FIRST = 0x02,  /* the first 32 bytes are TempKey, not a slot */
	MODE_SOURCE = 0x04,      /* must equal SourceFlag where TempKey takes part */
	MODE_OTP_11 = 0x10,
	MODE_OTP_8 = 0x20,
	MODE_SERIAL = 0x40,
};

/* TempKey as an ingredient of a MAC. */
static bool temp_fits(const struct temp_key *t, uint8_t mode)
{
	return t->valid && !t->no_mac && !t->ephemeral && t->source_input == !!(mode & MODE_SOURCE);
}

/* OTP[0:10] or OTP[0:7] or neither, padded to 11 bytes. */
static void put_otp(struct sha256 *h, const struct memory *m, uint8_t mode)
{
	size_t n = mode & MODE_OTP_11 ? 11 : mode & MODE_OTP_8 ? 8 : 0;

	sha256_update(h, (struct slice){ m->otp, n });
	put_zeros(h, 11 - n);
}

/* The last 24 bytes of the message: header, OTP, serial number. */
static void put_tail(struct sha256 *h, const struct engine *g, const struct request *rq)
{
	uint8_t sn[9];

	memory_serial(&g->mem, sn);
	put_header(h, rq);
	put_otp(h, &g->mem, rq->p1);
	if (!(rq->p1 & MODE_SERIAL))
		memset(sn + 2, 0, 6);
	sha256_update(h, (struct slice){ sn + 8, 1 });
	sha256_update(h, (struct slice){ sn + 4, 4 });
	sha256_update(h, (struct slice){ sn, 4 });
}

static bool no_mac(const struct engine *g, unsigned slot)
{
	return slot_config(&g->mem, slot) & SC_NO_MAC;
}

/* The first 32 bytes of the message. */
static enum status first_block(struct engine *g, const struct request *rq, const uint8_t **first)
{
	const struct temp_key *t = &g->reg.temp;
	bool uses_temp = rq->p1 & (MODE_TEMP_FIRST | MODE_TEMP_SECOND);

	if (uses_temp && !temp_fits(t, rq->p1))
		return ST_EXECUTION;
	if (rq->p1 & MODE_TEMP_FIRST) {
		*first = t->value;
		return memory_config_locked(&g->mem) ? ST_OK : ST_EXECUTION;
	}
	if (no_mac(g, rq->p2))
		return ST_EXECUTION;
	return secret_use(g, rq->p2, uses_temp ? WITH_TEMP : WITHOUT_TEMP, first);
}

enum status command_mac(struct engine *g, const struct request *rq, struct reply *rp)
{
	bool temp_second = rq->p1 & MODE_TEMP_SECOND;
	const uint8_t *first;
	uint8_t mac[32];
	struct sha256 h;
	enum status st;

	if (rq->p1 & 0x88 || rq->p2 >= SLOTS || rq->in.n != (temp_second ? 0 : 32))
		return ST_PARSE;
	if ((st = first_block(g, rq, &first)) != ST_OK)
		return st;
	sha256_init(&h);
	sha256_update(&h, (struct slice){ first, 32 });
	sha256_update(&h, temp_second ? (struct slice){ g->reg.temp.value, 32 } : rq->in);
	put_tail(&h, g, rq);
	sha256_final(&h, mac);
	temp_clear(&g->reg.temp);
	reply_put(rp, mac, 32);
	return ST_OK;
}

/* 508A. Its OTP bits belong to older chips. */
enum status command_hmac(struct engine *g, const struct request *rq, struct reply *rp)
{
	const uint8_t *key;
	uint8_t mac[32], pad[64];
	struct sha256 h;
	enum status st;

	if (rq->p1 & ~(MODE_SOURCE | MODE_SERIAL) || rq->p2 >= SLOTS || rq->in.n != 0)
		return ST_PARSE;
	if (!temp_fits(&g->reg.temp, rq->p1) || no_mac(g, rq->p2))
		return ST_EXECUTION;
	if ((st = secret_use(g, rq->p2, WITH_TEMP, &key)) != ST_OK)
		return st;
	hmac_begin(&h, (struct slice){ key, 32 }, pad);
	put_zeros(&h, 32);
	sha256_update(&h, (struct slice){ g->reg.temp.value, 32 });
	put_tail(&h, g, rq);
	hmac_end(&h, pad, mac);
	temp_clear(&g->reg.temp);
	reply_put(rp, mac, 32);
	return ST_OK;
}

/*
 * What a client's MAC should be: challenge, response, 13 bytes of OtherData come from the client.
 * Copying a second key into TempKey on success, which older chips do, is left out.
 */
static void expected_mac(
    const struct engine *g, const struct request *rq, const uint8_t *first, uint8_t mac[32])
{
	const uint8_t *other = rq->in.p + 64;
	uint8_t sn[9];
	struct sha256 h;

	memory_serial(&g->mem, sn);
	sha256_init(&h);
	sha256_update(&h, (struct slice){ first, 32 });
	sha256_update(
	    &h, (struct slice){ rq->p1 & MODE_TEMP_SECOND ? g->reg.temp.value : rq->in.p, 32 });
	sha256_update(&h, (struct slice){ other, 4 });
	sha256_update(&h, (struct slice){ g->mem.otp, rq->p1 & MODE_OTP_8 ? 8 : 0 });
	put_zeros(&h, rq->p1 & MODE_OTP_8 ? 0 : 8);
	sha256_update(&h, (struct slice){ other + 4, 3 });
	sha256_update(&h, (struct slice){ sn + 8, 1 });
	sha256_update(&h, (struct slice){ other + 7, 4 });
	sha256_update(&h, (struct slice){ sn, 2 });
	sha256_update(&h, (struct slice){ other + 11, 2 });
	sha256_final(&h, mac);
}

enum status command_checkmac(struct engine *g, const struct request *rq, struct reply *rp)
{
	struct registers *r = &g->reg;
	const uint8_t *first;
	uint8_t mac[32];
	bool equal;
	enum status st;

	(void)rp;
	if (rq->p1 & ~(MODE_TEMP_SECOND | MODE_TEMP_FIRST | MODE_SOURCE | MODE_OTP_8) ||
	    rq->p2 >= SLOTS || rq->in.n != 77)
		return ST_PARSE;
	if ((st = first_block(g, rq, &first)) != ST_OK)
		return st;
	expected_mac(g, rq, first, mac);
	equal = ct_equal(mac, rq->in.p + 32, 32);
	temp_clear(&r->temp);
	/* A key that was only TempKey authorizes nothing. */
	r->auth_valid = equal && !(rq->p1 & MODE_TEMP_FIRST);
	r->auth_key = (uint8_t)rq->p2;
	wipe(mac, sizeof(mac));
	return equal ? ST_OK : ST_MISCOMPARE;
}
