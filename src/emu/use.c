/* What the commands ask before they use a key, and the pieces of protocol that several share. */
#include "command.h"

#include <string.h>

bool zones_locked(const struct memory *m)
{
	return memory_config_locked(m) && memory_data_locked(m);
}

/* --- permission --- */

enum status key_usable(const struct engine *g, unsigned slot, int with_temp)
{
	uint16_t key = key_config(&g->mem, slot);
	const struct registers *r = &g->reg;

	if (key & KC_REQ_AUTH && !(r->auth_valid && r->auth_key == (key >> 8 & 15)))
		return ST_EXECUTION;
	/* On a 508A this bit is about an intrusion latch, which is never set here. */
	if (memory_is_608(&g->mem) && key & KC_DISABLE && !r->latch)
		return ST_EXECUTION;
	if (with_temp == WITH_TEMP && key & KC_REQ_RANDOM && r->temp.source_input)
		return ST_EXECUTION;
	return ST_OK;
}

/* 608 CountMatch: the limit stands at the start of a slot, twice; the first copy counts. */
static uint32_t use_limit(const struct memory *m)
{
	uint8_t match = m->config[AT_COUNT_MATCH];
	uint32_t limit;

	if (!memory_is_608(m) || !(match & 1))
		return COUNTER_MAX;
	limit = load_le32(slot_bytes(m, match >> 4));
	return limit < COUNTER_MAX ? limit : COUNTER_MAX;
}

/* 508A slot 15: 128 bits, one cleared by each use. */
static enum status consume_last_key(struct memory *m)
{
	for (unsigned i = 0; i < 16; i++) {
		uint8_t left = m->config[AT_LAST_KEY_USE + i];

		if (left == 0)
			continue;
		for (unsigned bit = 0x80; bit; bit >>= 1) {
			if (left & bit) {
				left = (uint8_t)(left & ~bit);
				break;
			}
		}
		memory_write_config(m, AT_LAST_KEY_USE + i, &left, 1);
		return ST_OK;
	}
	return ST_EXECUTION;
}

enum status key_consume(struct engine *g, unsigned slot)
{
	struct memory *m = &g->mem;

	if (!(slot_config(m, slot) & SC_LIMITED_USE))
		return ST_OK;
	if (!memory_is_608(m) && slot == 15)
		return consume_last_key(m);
	return counter_value(m, 0) < use_limit(m) ? counter_step(m, 0) : ST_EXECUTION;
}

enum status secret_use(struct engine *g, unsigned slot, int with_temp, const uint8_t **secret)
{
	enum status st;

	if (!memory_config_locked(&g->mem) || key_config(&g->mem, slot) & KC_PRIVATE)
		return ST_EXECUTION;
	if ((st = key_usable(g, slot, with_temp)) != ST_OK || (st = key_consume(g, slot)) != ST_OK)
		return st;
	*secret = slot_bytes(&g->mem, slot);
	return ST_OK;
}

/* --- sessions --- */

bool session_with(const struct temp_key *t, unsigned key)
{
	return t->valid && t->gen_dig && t->key_id == key;
}

void session_mac(const struct engine *g, const struct request *rq, size_t zeros, struct slice plain,
    uint8_t mac[32])
{
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, (struct slice){ g->reg.temp.value, 32 });
	put_header(&h, rq);
	put_serial(&h, &g->mem);
	put_zeros(&h, zeros);
	sha256_update(&h, plain);
	sha256_final(&h, mac);
}

/* --- the 608's IO protection key --- */

enum status io_key(const struct engine *g, const uint8_t **key)
{
	uint16_t options = load_le16(g->mem.config + AT_CHIP_OPTIONS);
	unsigned slot = options >> 12;

	if (!(options & CO_IO_KEY) || !memory_config_locked(&g->mem) ||
	    key_config(&g->mem, slot) & KC_PRIVATE)
		return ST_EXECUTION;
	*key = slot_bytes(&g->mem, slot);
	return ST_OK;
}

enum status io_reply(struct engine *g, const uint8_t *data, size_t n, struct reply *rp)
{
	uint8_t nonce[32], pad[32], out[64];
	const uint8_t *key;
	struct sha256 h;
	enum status st;

	if ((st = io_key(g, &key)) != ST_OK || (st = engine_random(g, nonce, 32)) != ST_OK)
		return st;
	for (size_t at = 0; at < n; at += 32) {
		sha256_init(&h);
		sha256_update(&h, (struct slice){ key, 32 });
		sha256_update(&h, (struct slice){ nonce + at / 2, 16 });
		sha256_final(&h, pad);
		for (size_t i = 0; i < 32; i++)
			out[at + i] = data[at + i] ^ pad[i];
	}
	reply_put(rp, out, n);
	reply_put(rp, nonce, 32);
	wipe(pad, sizeof(pad));
	return ST_OK;
}

/* --- stored public keys --- */

void stored_point(const struct memory *m, unsigned slot, uint8_t q[64])
{
	const uint8_t *p = slot_bytes(m, slot);

	memcpy(q, p + 4, 32);
	memcpy(q + 32, p + 40, 32);
}

bool stored_point_usable(const struct memory *m, unsigned slot)
{
	uint16_t key = key_config(m, slot);

	return slot >= 8 && !(key & KC_PRIVATE) && key_type(m, slot) == KEY_TYPE_P256 &&
	       (!(key & KC_PUB_INFO) || slot_bytes(m, slot)[0] >> 4 == TAG_VALID);
}

void tag_store(struct memory *m, unsigned slot, unsigned tag)
{
	uint8_t first = (uint8_t)(tag << 4 | (slot_bytes(m, slot)[0] & 0x0F));

	memory_write_slot(m, slot, 0, &first, 1);
}

/* --- HMAC, RFC 2104 --- */

void hmac_begin(struct sha256 *h, struct slice key, uint8_t pad[64])
{
	uint8_t inner[64];

	memset(pad, 0, 64);
	memcpy(pad, key.p, key.n);
	for (size_t i = 0; i < 64; i++) {
		inner[i] = pad[i] ^ 0x36;
		pad[i] ^= 0x5C;
	}
	sha256_init(h);
	sha256_update(h, SLICE(inner));
	wipe(inner, sizeof(inner));
}

void hmac_end(struct sha256 *h, uint8_t pad[64], uint8_t out[32])
{
	uint8_t digest[32];

	sha256_final(h, digest);
	sha256_init(h);
	sha256_update(h, (struct slice){ pad, 64 });
	sha256_update(h, SLICE(digest));
	sha256_final(h, out);
	wipe(pad, 64);
	wipe(digest, sizeof(digest));
}
