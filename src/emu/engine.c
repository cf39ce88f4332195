#include "command.h"

#include <string.h>

enum { A508 = 1, A608 = 2, BOTH = 3 };

static const struct command {
	uint8_t opcode, families;
	handler *run;
} commands[] = {
	{ 0x01, A508, command_pause },
	{ 0x02, BOTH, command_read },
	{ 0x08, BOTH, command_mac },
	{ 0x11, A508, command_hmac },
	{ 0x12, BOTH, command_write },
	{ 0x15, BOTH, command_gendig },
	{ 0x16, BOTH, command_nonce },
	{ 0x17, BOTH, command_lock },
	{ 0x1B, BOTH, command_random },
	{ 0x1C, BOTH, command_derivekey },
	{ 0x20, BOTH, command_update_extra },
	{ 0x24, BOTH, command_counter },
	{ 0x28, BOTH, command_checkmac },
	{ 0x30, BOTH, command_info },
	{ 0x40, BOTH, command_genkey },
	{ 0x41, BOTH, command_sign },
	{ 0x43, BOTH, command_ecdh },
	{ 0x45, BOTH, command_verify },
	{ 0x46, BOTH, command_privwrite },
	{ 0x47, BOTH, command_sha },
	{ 0x51, A608, command_aes },
	{ 0x56, A608, command_kdf },
	{ 0x77, A608, command_selftest },
	{ 0x80, A608, command_secureboot },
};

static enum err system_random(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	return random_bytes(out, n);
}

enum err engine_init(struct engine *g, enum err (*random)(void *ctx, uint8_t *out, size_t n),
    void *ctx, struct errbuf *eb)
{
	memset(g, 0, sizeof(*g));
	g->random = random ? random : system_random;
	g->random_ctx = ctx;
	return p256_new(&g->p256, eb);
}

void engine_free(struct engine *g)
{
	for (unsigned slot = 0; slot < SLOTS; slot++)
		p256_key_free(g->keys[slot].key);
	p256_free(g->p256);
	wipe(g, sizeof(*g));
}

void engine_sleep(struct engine *g)
{
	bool latch = g->reg.latch, prohibited = g->reg.boot_prohibited;

	wipe(&g->reg, sizeof(g->reg));
	g->reg.latch = latch;
	g->reg.boot_prohibited = prohibited;
}

void engine_power_off(struct engine *g)
{
	wipe(&g->reg, sizeof(g->reg));
}

static uint16_t mirrored(uint16_t v)
{
	uint16_t out = 0;

	for (unsigned bit = 0; bit < 16; bit++)
		out = (uint16_t)(out << 1 | (v >> bit & 1));
	return out;
}

/* Calculated as its mirror image, which shifts right as the bits come in; four bits at a time. */
uint16_t engine_crc(uint16_t crc, struct slice bytes)
{
	static const uint16_t step[16] = { 0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800,
		0xE401, 0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400 };
	uint16_t c = mirrored(crc);

	for (size_t i = 0; i < bytes.n; i++) {
		c = (uint16_t)(c >> 4 ^ step[(c ^ bytes.p[i]) & 15]);
		c = (uint16_t)(c >> 4 ^ step[(c ^ bytes.p[i] >> 4) & 15]);
	}
	return mirrored(c);
}

/* The body stands at out + 1 already. */
static size_t seal(uint8_t *out, size_t body)
{
	out[0] = (uint8_t)(body + 3);
	store_le16(out + 1 + body, engine_crc(0, (struct slice){ out, 1 + body }));
	return body + 3;
}

size_t engine_status(enum status status, uint8_t out[4])
{
	out[1] = (uint8_t)status;
	return seal(out, 1);
}

static const struct command *find(const struct engine *g, uint8_t opcode)
{
	uint8_t family = memory_is_608(&g->mem) ? A608 : A508;

	for (size_t i = 0; i < COUNT(commands); i++) {
		if (commands[i].opcode == opcode && commands[i].families & family)
			return &commands[i];
	}
	return NULL;
}

static bool intact(struct slice packet)
{
	size_t n = packet.n;

	return n >= 7 && packet.p[0] == n &&
	       load_le16(packet.p + n - 2) == engine_crc(0, (struct slice){ packet.p, n - 2 });
}

static enum status run(struct engine *g, struct slice packet, struct reply *rp)
{
	struct request rq = {
		.opcode = packet.p[1],
		.p1 = packet.p[2],
		.p2 = load_le16(packet.p + 3),
		.in = { packet.p + 5, packet.n - 7 },
	};
	const struct command *c = find(g, rq.opcode);
	enum status status = c ? c->run(g, &rq, rp) : ST_PARSE;

	/* What silicon does with TempKey after an error is not published; this is the safe side. */
	if (status == ST_EXECUTION || status == ST_ECC)
		temp_clear(&g->reg.temp);
	return status;
}

size_t engine_execute(struct engine *g, struct slice packet, uint8_t out[EMU_RESPONSE_MAX])
{
	struct reply rp = { .n = 0 };
	enum status status;
	size_t n;

	if (!intact(packet))
		return engine_status(ST_CRC, out);
	status = run(g, packet, &rp);
	if (g->reg.pausing) {
		g->reg.pausing = false;
		return 0;
	}
	if (status != ST_OK || rp.n == 0) {
		n = engine_status(status, out);
	} else {
		memcpy(out + 1, rp.p, rp.n);
		n = seal(out, rp.n);
	}
	wipe(&rp, sizeof(rp));
	return n;
}

void reply_put(struct reply *rp, const void *p, size_t n)
{
	memcpy(rp->p + rp->n, p, n);
	rp->n += n;
}

void put_serial(struct sha256 *h, const struct memory *m)
{
	uint8_t sn[9];

	memory_serial(m, sn);
	sha256_update(h, (struct slice){ sn + 8, 1 });
	sha256_update(h, (struct slice){ sn, 2 });
}

void put_header(struct sha256 *h, const struct request *rq)
{
	uint8_t header[4] = { rq->opcode, rq->p1 };

	store_le16(header + 2, rq->p2);
	sha256_update(h, SLICE(header));
}

void put_zeros(struct sha256 *h, size_t n)
{
	static const uint8_t zeros[32];

	sha256_update(h, (struct slice){ zeros, n });
}

void temp_set(struct temp_key *t, const uint8_t value[32], enum temp_maker by)
{
	struct temp_key fresh = { .valid = true, .by = by };

	memcpy(fresh.value, value, 32);
	*t = fresh;
	wipe(&fresh, sizeof(fresh));
}

void temp_clear(struct temp_key *t)
{
	wipe(t, sizeof(*t));
}

enum status engine_random(struct engine *g, uint8_t *out, size_t n)
{
	static const uint8_t unlocked[4] = { 0xFF, 0xFF, 0x00, 0x00 };

	if (!memory_config_locked(&g->mem)) {
		for (size_t i = 0; i < n; i++)
			out[i] = unlocked[i % 4];
		return ST_OK;
	}
	return g->random(g->random_ctx, out, n) == OK ? ST_OK : ST_RNG;
}

enum status engine_key(struct engine *g, unsigned slot, struct p256_key **key)
{
	const uint8_t *scalar = slot_bytes(&g->mem, slot) + 4;
	struct p256_key *made = NULL;

	if (!g->keys[slot].key || !ct_equal(g->keys[slot].scalar, scalar, 32)) {
		if (p256_key_from_scalar(scalar, &made, NULL) != OK)
			return ST_ECC;
		p256_key_free(g->keys[slot].key);
		g->keys[slot].key = made;
		memcpy(g->keys[slot].scalar, scalar, 32);
	}
	*key = g->keys[slot].key;
	return ST_OK;
}

void engine_key_store(struct engine *g, unsigned slot, const uint8_t scalar[32])
{
	uint8_t stored[36] = { 0 };

	memcpy(stored + 4, scalar, 32);
	memory_write_slot(&g->mem, slot, 0, stored, sizeof(stored));
	wipe(stored, sizeof(stored));
}

enum status engine_key_new(struct engine *g, uint8_t scalar[32], struct p256_key **key)
{
	/* One draw in 2^32 is not below n; a generator that gives 16 such is broken. */
	for (unsigned i = 0; i < 16; i++) {
		if (g->random(g->random_ctx, scalar, 32) != OK)
			return ST_RNG;
		if (p256_key_from_scalar(scalar, key, NULL) == OK)
			return ST_OK;
	}
	return ST_ECC;
}
