/* GenKey, Sign, ECDH, PrivWrite: private keys. */
#include "command.h"

#include <string.h>

enum { NO_SLOT = 0xFFFF };

static bool holds_private_key(const struct memory *m, unsigned slot)
{
	return key_config(m, slot) & KC_PRIVATE && key_type(m, slot) == KEY_TYPE_P256;
}

/* The key, when it may be used, with one use counted; a blank slot costs none. */
static enum status private_use(struct engine *g, unsigned slot, struct p256_key **key)
{
	enum status st;

	if ((st = key_usable(g, slot, WITHOUT_TEMP)) != ST_OK ||
	    (st = engine_key(g, slot, key)) != ST_OK)
		return st;
	return key_consume(g, slot);
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
	if ((st = key_usable(g, slot, WITHOUT_TEMP)) != ST_OK)
		return st;
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
	    (st = private_use(g, rq->p2, &key)) != ST_OK)
		return st;
	if (p256_sign(key, digest, sig) != OK)
		return ST_ECC;
	if (!(rq->p1 & SIGN_FROM_BUFFER))
		temp_clear(&g->reg.temp);
	reply_put(rp, sig, 64);
	return ST_OK;
}

/* --- ECDH --- */

enum { TO_CONFIGURED, TO_SLOT, TO_TEMP, TO_BUS };
enum { ECDH_EPHEMERAL = 0x01, ECDH_ENCRYPTED = 0x02 };

/* ChipOptions (608): 0 in the clear, 1 encrypted only, else not on the bus at all. */
static bool ecdh_may_leave(const struct memory *m, uint8_t mode)
{
	unsigned protection = load_le16(m->config + AT_CHIP_OPTIONS) >> 8 & 3;

	return !memory_is_608(m) || protection <= (mode & ECDH_ENCRYPTED ? 1u : 0u);
}

static enum status ecdh_ephemeral_target(const struct engine *g, unsigned target)
{
	const struct temp_key *t = &g->reg.temp;

	if (target < TO_TEMP)
		return ST_PARSE;
	return memory_config_locked(&g->mem) && t->valid && t->ephemeral ? ST_OK : ST_EXECUTION;
}

/* A slot that sends its secrets to the slot above never puts them on the bus. */
static enum status ecdh_slot_target(
    const struct engine *g, const struct request *rq, unsigned *target)
{
	const struct memory *m = &g->mem;
	unsigned above = rq->p2 | 1u;
	bool to_slot;

	if (rq->p2 >= SLOTS)
		return ST_PARSE;
	if (!zones_locked(m) || !holds_private_key(m, rq->p2) ||
	    !(slot_config(m, rq->p2) & SC_ECDH))
		return ST_EXECUTION;
	to_slot = slot_config(m, rq->p2) & SC_ECDH_TO_SLOT;
	if (*target == TO_CONFIGURED)
		*target = to_slot ? TO_SLOT : TO_BUS;
	if (*target == TO_SLOT)
		return to_slot && !slot_locked(m, above) && !(key_config(m, above) & KC_PRIVATE)
		           ? ST_OK
		           : ST_EXECUTION;
	return to_slot && *target == TO_BUS ? ST_EXECUTION : ST_OK;
}

static enum status ecdh_target(const struct engine *g, const struct request *rq, unsigned *target)
{
	enum status st;

	*target = rq->p1 >> 2 & 3;
	st = rq->p1 & ECDH_EPHEMERAL ? ecdh_ephemeral_target(g, *target)
	                             : ecdh_slot_target(g, rq, target);
	if (st != ST_OK)
		return st;
	if (*target == TO_BUS)
		return ecdh_may_leave(&g->mem, rq->p1) ? ST_OK : ST_EXECUTION;
	return rq->p1 & ECDH_ENCRYPTED ? ST_EXECUTION : ST_OK;
}

static enum status ecdh_secret(struct engine *g, const struct request *rq, uint8_t x[32])
{
	struct p256_key *key, *ephemeral = NULL;
	enum status st;
	enum err e;

	if (p256_point_check(g->p256, rq->in.p) != OK)
		return ST_EXECUTION;
	if (rq->p1 & ECDH_EPHEMERAL) {
		if (p256_key_from_scalar(g->reg.temp.value, &ephemeral, NULL) != OK)
			return ST_ECC;
		key = ephemeral;
	} else if ((st = private_use(g, rq->p2, &key)) != ST_OK) {
		return st;
	}
	e = p256_ecdh(key, rq->in.p, x);
	p256_key_free(ephemeral);
	return e == OK ? ST_OK : ST_ECC;
}

static enum status ecdh_deliver(
    struct engine *g, const struct request *rq, unsigned target, uint8_t x[32], struct reply *rp)
{
	if (rq->p1 & ECDH_EPHEMERAL)
		temp_clear(&g->reg.temp);
	if (target == TO_SLOT)
		memory_write_slot(&g->mem, rq->p2 | 1u, 0, x, 32);
	else if (target == TO_TEMP)
		temp_set(&g->reg.temp, x, TEMP_BY_OTHER);
	else if (rq->p1 & ECDH_ENCRYPTED)
		return io_reply(g, x, 32, rp);
	else
		reply_put(rp, x, 32);
	return ST_OK;
}

enum status command_ecdh(struct engine *g, const struct request *rq, struct reply *rp)
{
	uint8_t allowed = memory_is_608(&g->mem) ? 0x0F : 0x00, x[32];
	unsigned target;
	enum status st;

	if (rq->p1 & ~allowed || rq->in.n != 64)
		return ST_PARSE;
	if ((st = ecdh_target(g, rq, &target)) != ST_OK || (st = ecdh_secret(g, rq, x)) != ST_OK)
		return st;
	st = ecdh_deliver(g, rq, target, x, rp);
	wipe(x, sizeof(x));
	return st;
}

/* --- PrivWrite --- */

enum { PRIVWRITE_ENCRYPTED = 0x40 };

/* Before the data zone is locked any private key may be written, in the clear too. */
static enum status may_privwrite(const struct memory *m, const struct request *rq)
{
	if (!memory_config_locked(m) || !holds_private_key(m, rq->p2) || slot_locked(m, rq->p2))
		return ST_EXECUTION;
	if (!memory_data_locked(m))
		return ST_OK;
	return rq->p1 == PRIVWRITE_ENCRYPTED && slot_config(m, rq->p2) & SC_WRITE_ENCRYPTED
	           ? ST_OK
	           : ST_EXECUTION;
}

/* 36 bytes under TempKey and the first 4 bytes of its SHA-256. */
static enum status privwrite_decrypt(struct engine *g, const struct request *rq, uint8_t plain[36])
{
	const struct temp_key *t = &g->reg.temp;
	uint8_t stream[64], mac[32];
	bool equal;

	if (!session_with(t, slot_config(&g->mem, rq->p2) >> 8 & 15))
		return ST_EXECUTION;
	memcpy(stream, t->value, 32);
	sha256((struct slice){ t->value, 32 }, stream + 32);
	for (size_t i = 0; i < 36; i++)
		plain[i] = rq->in.p[i] ^ stream[i];
	session_mac(g, rq, 21, (struct slice){ plain, 36 }, mac);
	equal = ct_equal(mac, rq->in.p + 36, 32);
	temp_clear(&g->reg.temp);
	wipe(stream, sizeof(stream));
	wipe(mac, sizeof(mac));
	return equal ? ST_OK : ST_MISCOMPARE;
}

enum status command_privwrite(struct engine *g, const struct request *rq, struct reply *rp)
{
	bool encrypted = rq->p1 == PRIVWRITE_ENCRYPTED;
	struct p256_key *key = NULL;
	uint8_t plain[36];
	enum status st;

	(void)rp;
	if ((rq->p1 != 0 && !encrypted) || rq->p2 >= SLOTS ||
	    (rq->in.n != 68 && (encrypted || rq->in.n != 36))) /* a MAC in the clear is ignored */
		return ST_PARSE;
	if ((st = may_privwrite(&g->mem, rq)) != ST_OK)
		return st;
	memcpy(plain, rq->in.p, 36);
	if (encrypted && (st = privwrite_decrypt(g, rq, plain)) != ST_OK)
		goto out;
	/* A number that is no key of the curve is refused, not stored. */
	if (!ct_zero(plain, 4) || p256_key_from_scalar(plain + 4, &key, NULL) != OK) {
		st = ST_ECC;
		goto out;
	}
	engine_key_store(g, rq->p2, plain + 4);
out:
	p256_key_free(key);
	wipe(plain, sizeof(plain));
	return st;
}
