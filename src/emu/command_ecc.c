/* GenKey, Sign, Verify, ECDH. */
#include "command.h"

#include <string.h>

enum { NO_SLOT = 0xFFFF };

static bool zones_locked(const struct memory *m)
{
	return memory_config_locked(m) && memory_data_locked(m);
}

static bool holds_private_key(const struct memory *m, unsigned slot)
{
	return key_config(m, slot) & KC_PRIVATE && key_type(m, slot) == KEY_TYPE_P256;
}

/* A public key as slots hold it: 4 bytes of pad, X, 4 bytes of pad, Y. */
static void stored_point(const struct memory *m, unsigned slot, uint8_t q[64])
{
	const uint8_t *p = slot_bytes(m, slot);

	memcpy(q, p + 4, 32);
	memcpy(q + 32, p + 40, 32);
}

/* --- GenKey --- */

enum { GENKEY_CREATE = 0x04, GENKEY_DIGEST = 0x08, GENKEY_STORED = 0x10 };

/* SHA-256(TempKey | 40 | three bytes | SN[8] | SN[0:1] | 25 zeros | X | Y) becomes TempKey. */
static void genkey_digest(
    struct engine *g, const uint8_t three[3], const uint8_t q[64], unsigned slot)
{
	static const uint8_t opcode = 0x40;
	struct temp_key *t = &g->reg.temp;
	bool source = t->source_input;
	uint8_t value[32];
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, (struct slice){ t->value, 32 });
	sha256_update(&h, (struct slice){ &opcode, 1 });
	sha256_update(&h, (struct slice){ three, 3 });
	put_serial(&h, &g->mem);
	put_zeros(&h, 25);
	sha256_update(&h, (struct slice){ q, 64 });
	sha256_final(&h, value);

	temp_set(t, value, TEMP_BY_GENKEY);
	t->source_input = source;
	t->gen_key = true;
	t->key_id = (uint8_t)slot;
}

static bool temp_fits_digest(const struct engine *g, unsigned slot)
{
	const struct temp_key *t = &g->reg.temp;

	return t->valid && !t->ephemeral &&
	       !(key_config(&g->mem, slot) & KC_REQ_RANDOM && t->source_input);
}

/* The digest of a public key that lies in a slot; the host chooses the three bytes of its header.
 */
static enum status genkey_stored(struct engine *g, const struct request *rq)
{
	unsigned slot = rq->p2;
	uint8_t q[64];

	if (rq->in.n != 3 || slot >= SLOTS || slot < 8)
		return ST_PARSE;
	if (!memory_config_locked(&g->mem) || key_type(&g->mem, slot) != KEY_TYPE_P256 ||
	    key_config(&g->mem, slot) & KC_PRIVATE || !temp_fits_digest(g, slot))
		return ST_EXECUTION;
	stored_point(&g->mem, slot, q);
	genkey_digest(g, rq->in.p, q, slot);
	return ST_OK;
}

/* 608: a key for one ECDH, in TempKey. */
static enum status genkey_ephemeral(struct engine *g, struct reply *rp)
{
	struct p256_key *key = NULL;
	uint8_t scalar[32], q[64];
	enum status st;

	if (!memory_config_locked(&g->mem))
		return ST_EXECUTION;
	if ((st = engine_key_new(g, scalar, &key)) == ST_OK) {
		p256_key_public(key, q);
		temp_set(&g->reg.temp, scalar, TEMP_BY_OTHER);
		g->reg.temp.ephemeral = true;
		reply_put(rp, q, 64);
	}
	p256_key_free(key);
	wipe(scalar, sizeof(scalar));
	return st;
}

static enum status genkey_create(struct engine *g, unsigned slot)
{
	struct p256_key *key = NULL;
	uint8_t scalar[32];
	enum status st;

	if (slot_locked(&g->mem, slot) ||
	    (memory_data_locked(&g->mem) && !(slot_config(&g->mem, slot) & SC_WRITE_GENKEY)))
		return ST_EXECUTION;
	if ((st = engine_key_new(g, scalar, &key)) == ST_OK)
		engine_key_store(g, slot, scalar);
	p256_key_free(key);
	wipe(scalar, sizeof(scalar));
	return st;
}

enum status command_genkey(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t three[3] = { rq->p1, (uint8_t)rq->p2, (uint8_t)(rq->p2 >> 8) };
	bool create = rq->p1 & GENKEY_CREATE, digest = rq->p1 & GENKEY_DIGEST;
	unsigned slot = rq->p2;
	struct p256_key *key;
	uint8_t q[64];
	enum status st;

	if (rq->p1 == GENKEY_STORED)
		return genkey_stored(g, rq);
	if (rq->p1 & ~(GENKEY_CREATE | GENKEY_DIGEST) || rq->in.n != 0)
		return ST_PARSE;
	if (slot == NO_SLOT && rq->p1 == GENKEY_CREATE && memory_is_608(&g->mem))
		return genkey_ephemeral(g, rp);
	if (slot >= SLOTS)
		return ST_PARSE;
	if (!memory_config_locked(&g->mem) || !holds_private_key(&g->mem, slot) ||
	    (digest && !temp_fits_digest(g, slot)))
		return ST_EXECUTION;
	if (!create && !(key_config(&g->mem, slot) & KC_PUB_INFO))
		return ST_EXECUTION;
	if (create && (st = genkey_create(g, slot)) != ST_OK)
		return st;
	if ((st = engine_key(g, slot, &key)) != ST_OK)
		return st;
	p256_key_public(key, q);
	if (digest)
		genkey_digest(g, three, q, slot);
	reply_put(rp, q, 64);
	return ST_OK;
}

/* --- Sign --- */

enum { SIGN_INVALIDATE = 0x01, SIGN_FROM_BUFFER = 0x20, SIGN_SERIAL = 0x40, SIGN_EXTERNAL = 0x80 };

/* The slot that TempKey speaks about, as the 55-byte message shows it. */
static void put_key_state(struct sha256 *h, const struct memory *m, const struct temp_key *t)
{
	uint8_t state[7];

	memcpy(state, m->config + AT_SLOT_CONFIG + 2 * t->key_id, 2);
	memcpy(state + 2, m->config + AT_KEY_CONFIG + 2 * t->key_id, 2);
	state[4] = temp_flags(t);
	state[5] = state[6] = 0;
	sha256_update(h, SLICE(state));
}

/* 1 when the slot holds a public key that was validated. */
static uint8_t validated(const struct memory *m, unsigned slot)
{
	uint16_t key = key_config(m, slot);

	return !(key & KC_PRIVATE) && key & KC_PUB_INFO && key_type(m, slot) == KEY_TYPE_P256 &&
	       slot_bytes(m, slot)[0] >> 4 == 5;
}

/* SHA-256 of the 55 bytes that only this chip can have said (data sheet, Sign, internal message).
 */
static void internal_digest(const struct engine *g, const struct request *rq, uint8_t out[32])
{
	const struct temp_key *t = &g->reg.temp;
	bool with_serial = rq->p1 & SIGN_SERIAL;
	uint8_t sn[9], tail[3];
	struct sha256 h;

	memory_serial(&g->mem, sn);
	sha256_init(&h);
	sha256_update(&h, (struct slice){ t->value, 32 });
	put_header(&h, rq);
	put_key_state(&h, &g->mem, t);
	sha256_update(&h, (struct slice){ sn + 8, 1 });
	if (!with_serial)
		memset(sn + 2, 0, 6);
	sha256_update(&h, (struct slice){ sn + 4, 4 });
	sha256_update(&h, (struct slice){ sn, 4 });
	tail[0] = !slot_locked(&g->mem, t->key_id);
	tail[1] = rq->p1 & SIGN_INVALIDATE ? 1 : validated(&g->mem, t->key_id);
	tail[2] = 0;
	sha256_update(&h, SLICE(tail));
	sha256_final(&h, out);
}

/* The digest to sign, if TempKey or the MessageDigestBuffer holds one and the slot allows it. */
static enum status sign_input(const struct engine *g, const struct request *rq, uint8_t digest[32])
{
	const struct temp_key *t = &g->reg.temp;
	uint16_t config = slot_config(&g->mem, rq->p2);

	if (rq->p1 & SIGN_EXTERNAL) {
		bool buffer = rq->p1 & SIGN_FROM_BUFFER;

		if (!(config & SC_EXTERNAL_SIGN) ||
		    (buffer ? g->reg.digest_n < 32 : !t->valid || t->ephemeral))
			return ST_EXECUTION;
		memcpy(digest, buffer ? g->reg.digest_buffer : t->value, 32);
		return ST_OK;
	}
	/* A bare nonce is the host's choice; only GenDig and GenKey make statements. */
	if (!(config & SC_INTERNAL_SIGN) || !t->valid ||
	    (t->by != TEMP_BY_GENDIG && t->by != TEMP_BY_GENKEY))
		return ST_EXECUTION;
	internal_digest(g, rq, digest);
	return ST_OK;
}

static bool sign_mode_exists(const struct engine *g, uint8_t mode)
{
	if (mode & SIGN_EXTERNAL)
		return !(mode & ~(SIGN_EXTERNAL | SIGN_FROM_BUFFER)) &&
		       (!(mode & SIGN_FROM_BUFFER) || memory_is_608(&g->mem));
	return !(mode & ~(SIGN_INVALIDATE | SIGN_SERIAL));
}

enum status command_sign(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t digest[32], sig[64];
	struct p256_key *key;
	enum status st;

	if (rq->in.n != 0 || rq->p2 >= SLOTS || !sign_mode_exists(g, rq->p1))
		return ST_PARSE;
	if (!zones_locked(&g->mem) || !holds_private_key(&g->mem, rq->p2))
		return ST_EXECUTION;
	if ((st = sign_input(g, rq, digest)) != ST_OK ||
	    (st = engine_key(g, rq->p2, &key)) != ST_OK)
		return st;
	if (p256_sign(key, digest, sig) != OK)
		return ST_ECC;
	if (!(rq->p1 & SIGN_FROM_BUFFER))
		temp_clear(&g->reg.temp);
	reply_put(rp, sig, 64);
	return ST_OK;
}

/* --- Verify --- */

enum { VERIFY_STORED = 0, VERIFY_EXTERNAL = 2, VERIFY_FROM_BUFFER = 0x20 };

static bool stored_key_usable(const struct memory *m, unsigned slot)
{
	uint16_t key = key_config(m, slot);

	return zones_locked(m) && !(key & KC_PRIVATE) && key_type(m, slot) == KEY_TYPE_P256 &&
	       (!(key & KC_PUB_INFO) || slot_bytes(m, slot)[0] >> 4 == 5);
}

/* The public key: behind the signature, or in a slot. */
static enum status verify_key(const struct engine *g, const struct request *rq, uint8_t q[64])
{
	if ((rq->p1 & 7) == VERIFY_EXTERNAL) {
		if (rq->in.n != 128 || rq->p2 != KEY_TYPE_P256)
			return ST_PARSE;
		memcpy(q, rq->in.p + 64, 64);
		return ST_OK;
	}
	if (rq->in.n != 64 || rq->p2 >= SLOTS || rq->p2 < 8)
		return ST_PARSE;
	if (!stored_key_usable(&g->mem, rq->p2))
		return ST_EXECUTION;
	stored_point(&g->mem, rq->p2, q);
	return ST_OK;
}

static enum status verify_digest(
    const struct engine *g, const struct request *rq, uint8_t digest[32])
{
	const struct temp_key *t = &g->reg.temp;
	bool buffer = rq->p1 & VERIFY_FROM_BUFFER;

	if (buffer ? g->reg.digest_n < 32 : !t->valid || t->ephemeral)
		return ST_EXECUTION;
	memcpy(digest, buffer ? g->reg.digest_buffer : t->value, 32);
	return ST_OK;
}

enum status command_verify(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t allowed = memory_is_608(&g->mem) ? 0x27 : 0x07, kind = rq->p1 & 7;
	uint8_t digest[32], q[64];
	enum status st;

	(void)rp;
	if (rq->p1 & ~allowed || (kind != VERIFY_STORED && kind != VERIFY_EXTERNAL))
		return ST_PARSE;
	if ((st = verify_key(g, rq, q)) != ST_OK || (st = verify_digest(g, rq, digest)) != ST_OK)
		return st;
	temp_clear(&g->reg.temp);
	switch (p256_verify(g->p256, q, digest, rq->in.p)) {
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

/* --- ECDH --- */

enum { TO_CONFIGURED, TO_SLOT, TO_TEMP, TO_BUS };

/* A slot that sends its secrets to the slot above never puts them on the bus. */
static enum status ecdh_target(const struct engine *g, const struct request *rq, unsigned *target)
{
	bool to_slot;

	*target = rq->p1 >> 2 & 3;
	if (rq->p1 & 1) {
		if (*target < TO_TEMP)
			return ST_PARSE;
		return g->reg.temp.valid && g->reg.temp.ephemeral ? ST_OK : ST_EXECUTION;
	}
	if (rq->p2 >= SLOTS)
		return ST_PARSE;
	if (!zones_locked(&g->mem) || !holds_private_key(&g->mem, rq->p2) ||
	    !(slot_config(&g->mem, rq->p2) & SC_ECDH))
		return ST_EXECUTION;
	to_slot = slot_config(&g->mem, rq->p2) & SC_ECDH_TO_SLOT;
	if (*target == TO_CONFIGURED)
		*target = to_slot ? TO_SLOT : TO_BUS;
	if (*target == TO_SLOT)
		return to_slot && !slot_locked(&g->mem, rq->p2 | 1) ? ST_OK : ST_EXECUTION;
	return to_slot && *target == TO_BUS ? ST_EXECUTION : ST_OK;
}

static enum status ecdh_secret(struct engine *g, const struct request *rq, uint8_t x[32])
{
	struct p256_key *key, *ephemeral = NULL;
	enum status st;
	enum err e;

	if (rq->p1 & 1) {
		if (p256_key_from_scalar(g->reg.temp.value, &ephemeral, NULL) != OK)
			return ST_ECC;
		key = ephemeral;
	} else if ((st = engine_key(g, rq->p2, &key)) != ST_OK) {
		return st;
	}
	e = p256_ecdh(key, rq->in.p, x);
	p256_key_free(ephemeral);
	return e == OK ? ST_OK : e == ERR_FORMAT ? ST_EXECUTION : ST_ECC;
}

enum status command_ecdh(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t allowed = memory_is_608(&g->mem) ? 0x0D : 0x00, x[32];
	unsigned target;
	enum status st;

	if (rq->p1 & ~allowed || rq->in.n != 64)
		return ST_PARSE;
	if ((st = ecdh_target(g, rq, &target)) != ST_OK || (st = ecdh_secret(g, rq, x)) != ST_OK)
		return st;
	if (rq->p1 & 1)
		temp_clear(&g->reg.temp);
	if (target == TO_SLOT)
		memory_write_slot(&g->mem, rq->p2 | 1, 0, x, 32);
	else if (target == TO_TEMP)
		temp_set(&g->reg.temp, x, TEMP_BY_OTHER);
	else
		reply_put(rp, x, 32);
	wipe(x, sizeof(x));
	return ST_OK;
}
