/* Verify: with a key from outside or in a slot; and who may validate a stored key. */
#include "command.h"

#include <string.h>

enum {
	VERIFY_STORED,
	VERIFY_VALIDATE_EXTERNAL,
	VERIFY_EXTERNAL,
	VERIFY_VALIDATE,
	VERIFY_INVALIDATE = 7,
	VERIFY_FROM_BUFFER = 0x20,
	VERIFY_MAC = 0x80,
};

struct verify {
	unsigned kind;
	bool from_buffer;
	uint8_t q[64], digest[32];
};

static enum status check(struct engine *g, const struct verify *v, const uint8_t sig[64])
{
	switch (p256_verify(g->p256, v->q, v->digest, sig)) {
	case OK:
		return ST_OK;
	case ERR_DENIED:
		return ST_MISCOMPARE;
	case ERR_FORMAT: /* not on the curve */
		return ST_EXECUTION;
	default:
		return ST_ECC;
	}
}

/* What was signed: TempKey, or the first half of the MessageDigestBuffer. */
static enum status take_digest(const struct engine *g, struct verify *v)
{
	const struct temp_key *t = &g->reg.temp;

	if (v->from_buffer ? g->reg.digest_n < 32 : !t->valid || t->ephemeral)
		return ST_EXECUTION;
	memcpy(v->digest, v->from_buffer ? g->reg.digest_buffer : t->value, 32);
	return ST_OK;
}

static enum status use_stored(struct engine *g, unsigned slot, struct verify *v)
{
	bool random = key_config(&g->mem, slot) & KC_REQ_RANDOM;
	enum status st;

	if (!zones_locked(&g->mem) || !stored_point_usable(&g->mem, slot) ||
	    (random && !g->reg.temp.valid))
		return ST_EXECUTION;
	if ((st = key_usable(g, slot, WITH_TEMP)) != ST_OK || (st = key_consume(g, slot)) != ST_OK)
		return st;
	stored_point(&g->mem, slot, v->q);
	return ST_OK;
}

/* --- stored and external --- */

/*
 * SHA-256(IO protection key | digest | system nonce | signature | 45 params): on a wire that may lie,
 * the host sees that the chip itself agreed. The nonce is what of the MessageDigestBuffer the digest
 * leaves free.
 */
static enum status verify_mac(
    struct engine *g, const struct request *rq, const struct verify *v, struct reply *rp)
{
	size_t at = v->from_buffer ? 32 : 0;
	const uint8_t *key;
	uint8_t mac[32];
	struct sha256 h;
	enum status st;

	if ((st = io_key(g, &key)) != ST_OK)
		return st;
	sha256_init(&h);
	sha256_update(&h, (struct slice){ key, 32 });
	sha256_update(&h, SLICE(v->digest));
	sha256_update(&h, (struct slice){ g->reg.digest_buffer + at, 32 });
	sha256_update(&h, (struct slice){ rq->in.p, 64 });
	put_header(&h, rq);
	sha256_final(&h, mac);
	reply_put(rp, mac, 32);
	return ST_OK;
}

static bool mac_possible(const struct engine *g, const struct verify *v)
{
	const uint8_t *key;

	return g->reg.digest_n >= (v->from_buffer ? 64u : 32u) && io_key(g, &key) == ST_OK;
}

static enum status verify_message(
    struct engine *g, const struct request *rq, struct verify *v, struct reply *rp)
{
	bool mac = rq->p1 & VERIFY_MAC;
	enum status st;

	if ((st = take_digest(g, v)) != ST_OK)
		return st;
	if (mac && !mac_possible(g, v))
		return ST_EXECUTION;
	if (v->kind == VERIFY_EXTERNAL)
		memcpy(v->q, rq->in.p + 64, 64);
	else if ((st = use_stored(g, rq->p2, v)) != ST_OK)
		return st;
	temp_clear(&g->reg.temp);
	if ((st = check(g, v, rq->in.p)) != ST_OK)
		return st;
	return mac ? verify_mac(g, rq, v, rp) : ST_OK;
}

/* --- validate, invalidate --- */

/* SHA-256 of the 55 bytes of an internal Sign elsewhere, whose own parts are OtherData (19). */
static void statement_digest(const struct engine *g, const uint8_t other[19], uint8_t out[32])
{
	static const uint8_t sign = 0x41;
	uint8_t sn[9];
	struct sha256 h;

	memory_serial(&g->mem, sn);
	sha256_init(&h);
	sha256_update(&h, (struct slice){ g->reg.temp.value, 32 });
	sha256_update(&h, (struct slice){ &sign, 1 });
	sha256_update(&h, (struct slice){ other, 10 });
	sha256_update(&h, (struct slice){ sn + 8, 1 });
	sha256_update(&h, (struct slice){ other + 10, 4 });
	sha256_update(&h, (struct slice){ sn, 2 });
	sha256_update(&h, (struct slice){ other + 14, 5 });
	sha256_final(&h, out);
}

/* TempKey must be the GenKey digest of this very slot, or for X.509 a hash with this key in it. */
static bool temp_speaks_of(const struct engine *g, const struct verify *v, unsigned slot)
{
	const struct temp_key *t = &g->reg.temp;
	uint8_t format = g->mem.config[AT_X509_FORMAT + (key_config(&g->mem, slot) >> 14)];

	if (!t->valid || t->ephemeral)
		return false;
	if (v->kind != VERIFY_VALIDATE_EXTERNAL)
		return t->gen_key && t->key_id == slot;
	return t->by == TEMP_BY_SHA && t->x509.public_in && t->x509.public_slot == slot &&
	       (format == 0 ||
	           (t->x509.public_at == (format & 15u) && t->x509.blocks == format >> 4));
}

/* The byte of the statement that says which of the two it is for. */
static bool statement_is_for(const struct request *rq, bool invalidate)
{
	return rq->in.p[64 + 17] == invalidate;
}

static enum status verify_validate(struct engine *g, const struct request *rq, struct verify *v)
{
	unsigned slot = rq->p2, parent = slot_config(&g->mem, slot) & SC_READ_KEY;
	bool invalidate = v->kind == VERIFY_INVALIDATE;
	enum status st;

	if (key_config(&g->mem, slot) & KC_PRIVATE || !(key_config(&g->mem, slot) & KC_PUB_INFO) ||
	    key_type(&g->mem, slot) != KEY_TYPE_P256 || slot_locked(&g->mem, slot) ||
	    !temp_speaks_of(g, v, slot))
		return ST_EXECUTION;
	if (v->kind == VERIFY_VALIDATE_EXTERNAL)
		memcpy(v->digest, g->reg.temp.value, 32);
	else if (!statement_is_for(rq, invalidate))
		return ST_EXECUTION;
	else
		statement_digest(g, rq->in.p + 64, v->digest);
	if ((st = use_stored(g, parent, v)) != ST_OK)
		return st;
	temp_clear(&g->reg.temp);
	if ((st = check(g, v, rq->in.p)) == ST_OK)
		tag_store(&g->mem, slot, invalidate ? TAG_INVALID : TAG_VALID);
	return st;
}

/* --- which of them --- */

static bool verify_exists(const struct engine *g, const struct request *rq, const struct verify *v)
{
	uint8_t allowed = memory_is_608(&g->mem) ? 0xA7 : 0x07;

	if (rq->p1 & ~allowed)
		return false;
	switch (v->kind) {
	case VERIFY_EXTERNAL:
		return rq->in.n == 128 && rq->p2 == KEY_TYPE_P256;
	case VERIFY_STORED:
		return rq->in.n == 64 && rq->p2 >= 8 && rq->p2 < SLOTS;
	case VERIFY_VALIDATE_EXTERNAL:
		return rq->in.n == 64 && rq->p2 >= 8 && rq->p2 < SLOTS && rq->p1 == v->kind;
	case VERIFY_VALIDATE:
	case VERIFY_INVALIDATE:
		return rq->in.n == 83 && rq->p2 >= 8 && rq->p2 < SLOTS && rq->p1 == v->kind;
	default:
		return false;
	}
}

enum status command_verify(struct engine *g, const struct request *rq, struct reply *rp)
{
	struct verify v = { .kind = rq->p1 & 7, .from_buffer = rq->p1 & VERIFY_FROM_BUFFER };

	if (!verify_exists(g, rq, &v))
		return ST_PARSE;
	if (v.kind == VERIFY_STORED || v.kind == VERIFY_EXTERNAL)
		return verify_message(g, rq, &v, rp);
	return verify_validate(g, rq, &v);
}
