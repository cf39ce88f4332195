/* GenDig, DeriveKey, KDF: new secrets from old ones. */
#include "command.h"

#include "aes.h"

#include <string.h>

/* --- GenDig --- */

enum { FROM_CONFIG, FROM_OTP, FROM_DATA, FROM_SHARED_NONCE, FROM_COUNTER, FROM_KEY_CONFIG };

struct gendig {
	const uint8_t *first, *last; /* 32 bytes each */
	uint8_t header[4];
	uint8_t filling[25];
};

static enum status gendig_data(struct engine *g, const struct request *rq, struct gendig *d)
{
	bool no_mac = slot_config(&g->mem, rq->p2) & SC_NO_MAC;
	enum status st;

	/* Before the data zone is locked a host may already need a session, to write encrypted. */
	if (!memory_config_locked(&g->mem) || key_config(&g->mem, rq->p2) & KC_PRIVATE ||
	    (no_mac && rq->in.n == 0))
		return ST_EXECUTION; /* other keys ignore OtherData: hosts send it to be sure */
	if ((st = key_usable(g, rq->p2, WITH_TEMP)) != ST_OK ||
	    (st = key_consume(g, rq->p2)) != ST_OK)
		return st;
	d->first = slot_bytes(&g->mem, rq->p2);
	if (no_mac)
		memcpy(d->header, rq->in.p, 4);
	return ST_OK;
}

static void gendig_key_config(const struct memory *m, unsigned slot, struct gendig *d)
{
	memcpy(d->filling + 1, m->config + AT_SLOT_CONFIG + 2 * slot, 2);
	memcpy(d->filling + 3, m->config + AT_KEY_CONFIG + 2 * slot, 2);
	d->filling[5] = !slot_locked(m, slot);
}

static enum status gendig_parts(struct engine *g, const struct request *rq, struct gendig *d)
{
	static const uint8_t zeros[32];
	const struct memory *m = &g->mem;

	d->first = zeros;
	switch (rq->p1) {
	case FROM_CONFIG:
		d->first = m->config + rq->p2 * 32u;
		return memory_config_locked(m) ? ST_OK : ST_EXECUTION;
	case FROM_OTP:
		d->first = m->otp + rq->p2 * 32u;
		return memory_data_locked(m) ? ST_OK : ST_EXECUTION;
	case FROM_DATA:
		return gendig_data(g, rq, d);
	case FROM_SHARED_NONCE:
		d->first = rq->p2 & 0x8000 ? g->reg.temp.value : rq->in.p;
		d->last = rq->p2 & 0x8000 ? rq->in.p : g->reg.temp.value;
		d->header[3] = 0;
		return ST_OK;
	case FROM_COUNTER:
		store_le32(d->filling + 1, counter_value(m, rq->p2));
		return ST_OK;
	default:
		gendig_key_config(m, rq->p2, d);
		return ST_OK;
	}
}

/* Sizes and numbers that are wrong in every state. */
static bool gendig_exists(const struct request *rq)
{
	static const uint16_t limits[] = { 4, 2, SLOTS, 0, 2, SLOTS };

	if (rq->p1 == FROM_SHARED_NONCE)
		return rq->in.n == 32;
	return rq->p1 < COUNT(limits) && rq->p2 < limits[rq->p1] &&
	       (rq->in.n == 0 || (rq->in.n == 4 && rq->p1 == FROM_DATA));
}

static void gendig_digest(const struct engine *g, const struct gendig *d, uint8_t out[32])
{
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, (struct slice){ d->first, 32 });
	sha256_update(&h, SLICE(d->header));
	put_serial(&h, &g->mem);
	sha256_update(&h, SLICE(d->filling));
	sha256_update(&h, (struct slice){ d->last, 32 });
	sha256_final(&h, out);
}

enum status command_gendig(struct engine *g, const struct request *rq, struct reply *rp)
{
	struct temp_key *t = &g->reg.temp;
	struct gendig d = { .last = t->value, .header = { rq->opcode, rq->p1 } };
	bool source = t->source_input, no_mac = t->no_mac;
	uint8_t value[32];
	enum status st;

	(void)rp;
	store_le16(d.header + 2, rq->p2);
	if (!gendig_exists(rq))
		return ST_PARSE;
	if (!t->valid || t->ephemeral)
		return ST_EXECUTION;
	if ((st = gendig_parts(g, rq, &d)) != ST_OK)
		return st;
	gendig_digest(g, &d, value);
	temp_set(t, value, TEMP_BY_GENDIG);
	t->source_input = source;
	t->no_mac = no_mac;
	if (rq->p1 == FROM_DATA) {
		t->gen_dig = true;
		t->key_id = (uint8_t)rq->p2;
		t->no_mac = no_mac || slot_config(&g->mem, rq->p2) & SC_NO_MAC;
	}
	wipe(value, sizeof(value));
	return ST_OK;
}

/* --- DeriveKey --- */

/* WriteConfig decides: own key rolled on, or a child of the WriteKey slot; with MAC or without. */
static enum status derive_parent(struct engine *g, const struct request *rq, unsigned *parent)
{
	const struct temp_key *t = &g->reg.temp;
	uint16_t config = slot_config(&g->mem, rq->p2);

	*parent = config & SC_WRITE_PARENT ? config >> 8 & 15 : rq->p2;
	if (!(config & SC_WRITE_GENKEY) || slot_locked(&g->mem, rq->p2) ||
	    key_config(&g->mem, rq->p2) & KC_PRIVATE)
		return ST_EXECUTION;
	if (!t->valid || t->ephemeral || t->no_mac || t->source_input != !!(rq->p1 & 4))
		return ST_EXECUTION;
	return rq->in.n == (config & SC_WRITE_MAC ? 32 : 0) ? ST_OK : ST_EXECUTION;
}

/* SHA-256(parent | 1C | params | SN[8] | SN[0:1]), then for the key itself 25 zeros and TempKey. */
static void derive_begin(
    struct sha256 *h, const struct engine *g, const struct request *rq, const uint8_t parent[32])
{
	sha256_init(h);
	sha256_update(h, (struct slice){ parent, 32 });
	put_header(h, rq);
	put_serial(h, &g->mem);
}

enum status command_derivekey(struct engine *g, const struct request *rq, struct reply *rp)
{
	const uint8_t *secret;
	uint8_t mac[32], key[32];
	unsigned parent;
	struct sha256 h;
	enum status st;

	(void)rp;
	if (rq->p1 & ~4 || rq->p2 >= SLOTS || (rq->in.n != 0 && rq->in.n != 32))
		return ST_PARSE;
	if ((st = derive_parent(g, rq, &parent)) != ST_OK ||
	    (st = secret_use(g, parent, WITH_TEMP, &secret)) != ST_OK)
		return st;
	derive_begin(&h, g, rq, secret);
	sha256_final(&h, mac);
	if (rq->in.n && !ct_equal(mac, rq->in.p, 32)) {
		temp_clear(&g->reg.temp);
		return ST_MISCOMPARE;
	}
	derive_begin(&h, g, rq, secret);
	put_zeros(&h, 25);
	sha256_update(&h, (struct slice){ g->reg.temp.value, 32 });
	sha256_final(&h, key);
	memory_write_slot(&g->mem, rq->p2, 0, key, 32);
	temp_clear(&g->reg.temp);
	wipe(key, sizeof(key));
	return ST_OK;
}

/* --- KDF, 608 --- */

enum { KDF_PRF, KDF_AES, KDF_HKDF };
enum { KEY_TEMP, KEY_TEMP_UPPER, KEY_SLOT, KEY_ALTERNATE };
enum { TO_TEMP, TO_TEMP_UPPER, TO_SLOT, TO_ALTERNATE, TO_BUS, TO_BUS_ENCRYPTED };

struct kdf {
	unsigned algorithm, source, target;
	unsigned key_slot, target_slot;
	uint32_t details;
	struct slice message;
	const uint8_t *key;
	size_t key_n;
	uint8_t out[64];
	size_t out_n;
	bool split; /* PRF for AEAD: the first half to the target, the second to the bus */
};

static size_t kdf_key_need(const struct kdf *k)
{
	return k->algorithm == KDF_PRF   ? 16 + 16 * (k->details & 3)
	       : k->algorithm == KDF_AES ? 16 + 16 * (k->details & 3)
	                                 : 32;
}

static bool kdf_parse(const struct request *rq, struct kdf *k)
{
	k->algorithm = rq->p1 >> 5;
	k->target = rq->p1 >> 2 & 7;
	k->source = rq->p1 & 3;
	k->key_slot = rq->p2 & 0xFF;
	k->target_slot = rq->p2 >> 8;
	if (k->algorithm > KDF_HKDF || k->target > TO_BUS_ENCRYPTED || rq->in.n < 4)
		return false;
	k->details = load_le32(rq->in.p);
	k->message = (struct slice){ rq->in.p + 4, rq->in.n - 4 };
	k->split = k->algorithm == KDF_PRF && (k->details & 0x600) == 0x200;
	k->out_n = k->algorithm == KDF_PRF && k->details & 0x100 ? 64 : 32;
	if (k->algorithm == KDF_AES)
		return k->message.n == 16 && k->out_n == 32;
	/* The message's length stands in the details too. */
	if (k->message.n != k->details >> 24 || (k->algorithm == KDF_PRF && k->details & 0x400) ||
	    (k->split && (k->out_n != 64 || k->target >= TO_BUS)))
		return false;
	return k->out_n == 32 || k->split ||
	       (k->target != TO_TEMP_UPPER && k->target != TO_ALTERNATE);
}

static enum status kdf_slot_key(struct engine *g, struct kdf *k)
{
	if (k->key_slot >= SLOTS)
		return ST_PARSE;
	if (key_type(&g->mem, k->key_slot) == KEY_TYPE_P256 ||
	    (k->algorithm == KDF_AES && key_type(&g->mem, k->key_slot) != KEY_TYPE_AES))
		return ST_EXECUTION;
	k->key_n = slot_size(k->key_slot) >= 64 ? 64 : 32;
	if (kdf_key_need(k) > k->key_n)
		return ST_EXECUTION;
	return secret_use(g, k->key_slot, WITHOUT_TEMP, &k->key);
}

static enum status kdf_key(struct engine *g, struct kdf *k)
{
	static const uint8_t zeros[32];
	const struct registers *r = &g->reg;
	bool temp = r->temp.valid && !r->temp.ephemeral;

	k->key_n = 32;
	if (k->algorithm == KDF_HKDF && k->details & 4) {
		k->key = zeros;
		return ST_OK;
	}
	switch (k->source) {
	case KEY_TEMP:
		k->key = r->temp.value;
		k->key_n = r->temp.both_halves ? 64 : 32;
		return temp && kdf_key_need(k) <= k->key_n ? ST_OK : ST_EXECUTION;
	case KEY_TEMP_UPPER:
		k->key = r->temp.value + 32;
		return temp && r->temp.both_halves && kdf_key_need(k) <= 32 ? ST_OK : ST_EXECUTION;
	case KEY_SLOT:
		return kdf_slot_key(g, k);
	default:
		k->key = r->alternate_key;
		return r->alternate_valid && kdf_key_need(k) <= 32 ? ST_OK : ST_EXECUTION;
	}
}

/* HKDF's message: in the packet, or n bytes of a slot or of TempKey. */
static enum status hkdf_message(const struct engine *g, struct kdf *k)
{
	enum { IN_SLOT, IN_TEMP, IN_PACKET, IN_PACKET_WITH_IV };
	const uint8_t *config = g->mem.config;
	unsigned slot = k->details >> 8 & 15;
	size_t n = k->message.n, at = config[AT_KDF_IV_LOC];

	switch (k->details & 3) {
	case IN_SLOT:
		if (key_config(&g->mem, slot) & KC_PRIVATE || n > slot_size(slot))
			return ST_EXECUTION;
		k->message.p = slot_bytes(&g->mem, slot);
		return ST_OK;
	case IN_TEMP:
		if (!g->reg.temp.valid || g->reg.temp.ephemeral ||
		    n > (g->reg.temp.both_halves ? 64u : 32u))
			return ST_EXECUTION;
		k->message.p = g->reg.temp.value;
		return ST_OK;
	case IN_PACKET_WITH_IV:
		return at + 2 <= n && memcmp(k->message.p + at, config + AT_KDF_IV_STR, 2) == 0
		           ? ST_OK
		           : ST_EXECUTION;
	default:
		return ST_OK;
	}
}

static void hmac(struct slice key, struct slice a, struct slice b, uint8_t out[32])
{
	uint8_t pad[64];
	struct sha256 h;

	hmac_begin(&h, key, pad);
	sha256_update(&h, a);
	sha256_update(&h, b);
	hmac_end(&h, pad, out);
}

/* P_SHA256 of RFC 5246 section 5; label and seed are the message. */
static void prf(struct kdf *k)
{
	struct slice key = { k->key, kdf_key_need(k) }, nothing = { k->key, 0 };
	uint8_t a[32];

	hmac(key, k->message, nothing, a);
	for (size_t at = 0; at < k->out_n; at += 32) {
		hmac(key, SLICE(a), k->message, k->out + at);
		hmac(key, SLICE(a), nothing, a);
	}
	wipe(a, sizeof(a));
}

static enum status kdf_run(struct engine *g, struct kdf *k)
{
	enum status st;

	switch (k->algorithm) {
	case KDF_PRF:
		prf(k);
		return ST_OK;
	case KDF_AES:
		if (!(g->mem.config[AT_CHIP_OPTIONS] & CO_KDF_AES))
			return ST_EXECUTION;
		return aes128_encrypt(k->key + 16 * (k->details & 3), k->message.p, k->out) == OK
		           ? ST_OK
		           : ST_ECC;
	default:
		if ((st = hkdf_message(g, k)) != ST_OK)
			return st;
		hmac((struct slice){ k->key, 32 }, k->message, (struct slice){ k->key, 0 }, k->out);
		return ST_OK;
	}
}

/* ChipOptions: 0 in the clear, 1 encrypted only, else not on the bus at all. */
static enum status kdf_may_leave(const struct engine *g, unsigned target)
{
	unsigned protection = load_le16(g->mem.config + AT_CHIP_OPTIONS) >> 10 & 3;

	return protection > (target == TO_BUS ? 0u : 1u) ? ST_EXECUTION : ST_OK;
}

static enum status kdf_to_slot(struct engine *g, const struct kdf *k, size_t n)
{
	uint16_t write = slot_config(&g->mem, k->target_slot) & SC_WRITE;

	if (key_config(&g->mem, k->target_slot) & KC_PRIVATE ||
	    slot_locked(&g->mem, k->target_slot) ||
	    (write & SC_WRITE_MAC && !(write & (SC_WRITE_ENCRYPTED | SC_WRITE_GENKEY))) ||
	    n > slot_size(k->target_slot))
		return ST_EXECUTION;
	memory_write_slot(&g->mem, k->target_slot, 0, k->out, n);
	return ST_OK;
}

static enum status kdf_deliver(struct engine *g, const struct kdf *k, struct reply *rp)
{
	struct temp_key *t = &g->reg.temp;
	size_t n = k->split ? 32 : k->out_n;

	switch (k->target) {
	case TO_TEMP:
		temp_set(t, k->out, TEMP_BY_OTHER);
		memcpy(t->value, k->out, n);
		t->both_halves = n == 64;
		break;
	case TO_TEMP_UPPER:
		if (!t->valid || t->ephemeral)
			return ST_EXECUTION;
		memcpy(t->value + 32, k->out, 32);
		t->both_halves = true;
		break;
	case TO_SLOT:
		if (kdf_to_slot(g, k, n) != ST_OK)
			return ST_EXECUTION;
		break;
	case TO_ALTERNATE:
		memcpy(g->reg.alternate_key, k->out, 32);
		g->reg.alternate_valid = true;
		break;
	case TO_BUS:
		reply_put(rp, k->out, n);
		break;
	default:
		return io_reply(g, k->out, n, rp);
	}
	if (k->split)
		reply_put(rp, k->out + 32, 32);
	return ST_OK;
}

enum status command_kdf(struct engine *g, const struct request *rq, struct reply *rp)
{
	struct kdf k = { .split = false };
	enum status st = ST_PARSE;

	if (!kdf_parse(rq, &k) || (k.target == TO_SLOT && k.target_slot >= SLOTS))
		return ST_PARSE;
	if (!memory_config_locked(&g->mem))
		return ST_EXECUTION;
	if ((k.target >= TO_BUS && (st = kdf_may_leave(g, k.target)) != ST_OK) ||
	    (k.split && (st = kdf_may_leave(g, TO_BUS)) != ST_OK) ||
	    (st = kdf_key(g, &k)) != ST_OK || (st = kdf_run(g, &k)) != ST_OK)
		return st;
	st = kdf_deliver(g, &k, rp);
	wipe(&k, sizeof(k));
	return st;
}
