/* AES (608): one block of AES-128, or one multiplication of GCM. */
#include "command.h"

#include "aes.h"

#include <string.h>

enum { AES_ENCRYPT = 0, AES_DECRYPT = 1, AES_GFM = 3, AES_TEMP = 0xFFFF };

/*
 * x * y in the field of SP 800-38D section 6.3, leftmost bit first. Time does not depend on the
 * values.
 */
static void gf_multiply(const uint8_t x[16], const uint8_t y[16], uint8_t out[16])
{
	uint8_t v[16], z[16] = { 0 };

	memcpy(v, y, 16);
	for (unsigned i = 0; i < 128; i++) {
		uint8_t take = (uint8_t) - (x[i / 8] >> (7 - i % 8) & 1), carry = 0,
		        low = v[15] & 1;

		for (unsigned k = 0; k < 16; k++) {
			uint8_t next = (uint8_t)(v[k] << 7);

			z[k] ^= v[k] & take;
			v[k] = (uint8_t)(v[k] >> 1 | carry);
			carry = next;
		}
		v[0] ^= (uint8_t)(0xE1 & -low);
	}
	memcpy(out, z, 16);
	wipe(v, sizeof(v));
	wipe(z, sizeof(z));
}

/* One of up to four keys of 16 bytes in TempKey or in a slot. */
static enum status aes_key(struct engine *g, const struct request *rq, const uint8_t **key)
{
	const struct temp_key *t = &g->reg.temp;
	size_t at = 16u * (rq->p1 >> 6);
	enum status st;

	if (rq->p2 == AES_TEMP) {
		*key = t->value + at;
		return t->valid && !t->ephemeral && at + 16 <= (t->both_halves ? 64u : 32u)
		           ? ST_OK
		           : ST_EXECUTION;
	}
	if (at + 16 > slot_size(rq->p2) || key_type(&g->mem, rq->p2) != KEY_TYPE_AES)
		return ST_EXECUTION;
	if ((st = secret_use(g, rq->p2, WITHOUT_TEMP, key)) == ST_OK)
		*key += at;
	return st;
}

enum status command_aes(struct engine *g, const struct request *rq, struct reply *rp)
{
	unsigned mode = rq->p1 & 7;
	const uint8_t *key;
	uint8_t out[16];
	enum status st;
	enum err e;

	if (rq->p1 & 0x38 || (mode > AES_DECRYPT && mode != AES_GFM) ||
	    rq->in.n != (mode == AES_GFM ? 32 : 16) || (rq->p2 >= SLOTS && rq->p2 != AES_TEMP))
		return ST_PARSE;
	if (!(g->mem.config[AT_AES_ENABLE] & 1))
		return ST_EXECUTION;
	if (mode == AES_GFM) {
		gf_multiply(rq->in.p + 16, rq->in.p, out);
		reply_put(rp, out, 16);
		return ST_OK;
	}
	if ((st = aes_key(g, rq, &key)) != ST_OK)
		return st;
	e = mode == AES_ENCRYPT ? aes128_encrypt(key, rq->in.p, out)
	                        : aes128_decrypt(key, rq->in.p, out);
	if (e != OK)
		return ST_ECC;
	reply_put(rp, out, 16);
	wipe(out, sizeof(out));
	return ST_OK;
}
