/*
 * rig.h -- an engine on the bench: commands by opcode, chips in every lock state, and what the host
 * has to calculate, written from the packet tables without looking at the engine.
 */
#ifndef IMPRINT_TEST_RIG_H
#define IMPRINT_TEST_RIG_H

#include "emu.h"
#include "engine.h"
#include "sha256.h"
#include "tap.h"

#include <stdlib.h>

/* The CRC once more, by polynomial division of the reversed bytes: not the engine's code. */
static uint16_t rig_crc(const uint8_t *p, size_t n)
{
	uint32_t crc = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t reversed = 0;

		for (int bit = 0; bit < 8; bit++)
			reversed |= (uint32_t)(p[i] >> bit & 1) << (7 - bit);
		crc ^= reversed << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x8000 ? (crc << 1 ^ 0x8005) & 0xFFFF : crc << 1;
	}
	return (uint16_t)crc;
}

struct answer {
	int status; /* of a status response; -1: data */
	uint8_t p[EMU_RESPONSE_MAX];
	size_t n; /* bytes of data */
};

static size_t rig_packet(uint8_t out[160], uint8_t opcode, uint8_t p1, unsigned p2, struct slice in)
{
	out[0] = (uint8_t)(7 + in.n);
	out[1] = opcode;
	out[2] = p1;
	out[3] = (uint8_t)p2;
	out[4] = (uint8_t)(p2 >> 8);
	if (in.n)
		memcpy(out + 5, in.p, in.n);
	store_le16(out + 5 + in.n, rig_crc(out, 5 + in.n));
	return 7 + in.n;
}

/* Takes a response apart; anything malformed ends the test program. */
static struct answer rig_answer(const uint8_t *r, size_t n)
{
	struct answer a = { .status = -1 };

	if (n < 4 || r[0] != n || load_le16(r + n - 2) != rig_crc(r, n - 2)) {
		printf("Bail out! malformed response of %zu bytes\n", n);
		exit(1);
	}
	if (n == 4) {
		a.status = r[1];
		return a;
	}
	a.n = n - 3;
	memcpy(a.p, r + 1, a.n);
	return a;
}

__attribute__((unused)) static struct answer rig_send(
    struct engine *g, uint8_t opcode, uint8_t p1, unsigned p2, struct slice in)
{
	uint8_t packet[160], response[EMU_RESPONSE_MAX];
	size_t n = rig_packet(packet, opcode, p1, p2, in);

	n = engine_execute(g, (struct slice){ packet, n }, response);
	return rig_answer(response, n);
}

#define NOTHING ((struct slice){ NULL, 0 })

enum rig_state { FRESH, CONFIG_LOCKED, BOTH_LOCKED };
static const uint8_t rig_serial[9] = { 0x45, 0x4D, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x4D };

/*
 * One slot of each kind:
 *  0 private, every use        1 private, internal signatures only    2 private, external only
 *  3 secret, never read        4 private, ECDH into slot 5            5 secret, encrypted both ways by 3
 *  6 private, PubInfo clear    7 private, PrivWrite by 3              8 open, 416 bytes
 *  9 public, validated by 11  10 open                                11 public, no validation
 * 12 readable, never written  13 secret, writable                    14 open, not lockable
 * 15 not secret, EncryptRead: not legal
 */
static const uint16_t rig_slot_config[16] = { 0x2087, 0x0082, 0x2081, 0x8080, 0x208F, 0x43C3,
	0x2081, 0x4381, 0x0000, 0x100B, 0x0000, 0x0000, 0x8000, 0x0080, 0x0000, 0x0040 };
static const uint16_t rig_key_config[16] = { 0x0033, 0x0053, 0x0073, 0x001C, 0x0033, 0x001C, 0x0031,
	0x0033, 0x003C, 0x0032, 0x003C, 0x0030, 0x001C, 0x003C, 0x001C, 0x001C };

__attribute__((unused)) static void rig_chip(
    struct engine *g, enum emu_family family, enum rig_state state)
{
	struct memory *m = &g->mem;

	memory_factory(m, family, rig_serial);
	for (unsigned i = 0; i < 16; i++) {
		store_le16(m->config + 20 + 2 * i, rig_slot_config[i]);
		store_le16(m->config + 96 + 2 * i, rig_key_config[i]);
	}
	if (state >= CONFIG_LOCKED)
		m->config[87] = 0;
	if (state >= BOTH_LOCKED)
		m->config[86] = 0;
	engine_power_off(g);
}

/* Puts a scalar (one that is easy to recognise) in a slot behind the engine's back. */
__attribute__((unused)) static void rig_private(struct engine *g, unsigned slot, uint8_t fill)
{
	uint8_t stored[36] = { 0 };

	memset(stored + 4, fill, 32);
	memory_write_slot(&g->mem, slot, 0, stored, 36);
}

__attribute__((unused)) static void rig_public(
    struct engine *g, unsigned slot, const uint8_t q[64], uint8_t tag)
{
	uint8_t stored[72] = { 0 };

	stored[0] = (uint8_t)(tag << 4);
	memcpy(stored + 4, q, 32);
	memcpy(stored + 40, q + 32, 32);
	memory_write_slot(&g->mem, slot, 0, stored, 72);
}

/* The public key of the scalar that rig_private writes. */
__attribute__((unused)) static void rig_point(uint8_t fill, uint8_t q[64])
{
	struct p256_key *key = NULL;
	uint8_t d[32];

	memset(d, fill, 32);
	if (p256_key_from_scalar(d, &key, NULL) != OK)
		exit(1);
	p256_key_public(key, q);
	p256_key_free(key);
}

__attribute__((unused)) static void rig_sign(
    uint8_t fill, const uint8_t digest[32], uint8_t sig[64])
{
	struct p256_key *key = NULL;
	uint8_t d[32];

	memset(d, fill, 32);
	if (p256_key_from_scalar(d, &key, NULL) != OK || p256_sign(key, digest, sig) != OK)
		exit(1);
	p256_key_free(key);
}

/* SHA-256 over listed parts, as the digest tables list them. */
__attribute__((unused)) static void rig_hash(const struct slice *parts, size_t n, uint8_t out[32])
{
	struct sha256 h;

	sha256_init(&h);
	for (size_t i = 0; i < n; i++)
		sha256_update(&h, parts[i]);
	sha256_final(&h, out);
}
#define HASH(out, ...)                                                                             \
	rig_hash((const struct slice[]){ __VA_ARGS__ },                                            \
	    COUNT(((const struct slice[]){ __VA_ARGS__ })), out)

/* HMAC-SHA256 of listed parts, by its definition (RFC 2104); keys of at most 64 bytes. */
__attribute__((unused)) static void rig_hmac(
    struct slice key, const struct slice *parts, size_t n, uint8_t out[32])
{
	uint8_t inner[64] = { 0 }, outer[64] = { 0 }, digest[32];
	struct slice all[8];

	for (size_t i = 0; i < 64; i++) {
		uint8_t k = i < key.n ? key.p[i] : 0;

		inner[i] = k ^ 0x36;
		outer[i] = k ^ 0x5C;
	}
	all[0] = SLICE(inner);
	for (size_t i = 0; i < n && i < 7; i++)
		all[i + 1] = parts[i];
	rig_hash(all, n + 1, digest);
	all[0] = SLICE(outer);
	all[1] = SLICE(digest);
	rig_hash(all, 2, out);
}
#define HMAC(key, out, ...)                                                                        \
	rig_hmac(key, (const struct slice[]){ __VA_ARGS__ },                                       \
	    COUNT(((const struct slice[]){ __VA_ARGS__ })), out)

/* Puts 32 bytes at the start of a slot behind the engine's back. */
__attribute__((unused)) static void rig_secret(
    struct engine *g, unsigned slot, const uint8_t key[32])
{
	memory_write_slot(&g->mem, slot, 0, key, 32);
}

__attribute__((unused)) static void rig_configure(
    struct engine *g, unsigned slot, uint16_t slot_config, uint16_t key_config)
{
	store_le16(g->mem.config + 20 + 2 * slot, slot_config);
	store_le16(g->mem.config + 96 + 2 * slot, key_config);
}

/* A chip without a state file, at any address. */
__attribute__((unused)) static struct emu *rig_emu(struct emu_options o, uint8_t address)
{
	uint8_t config[128];
	struct memory m;
	struct emu *emu = NULL;

	memory_factory(&m, o.family, rig_serial);
	memcpy(config, m.config, 128);
	config[16] = (uint8_t)(address << 1);
	o.config = config;
	if (emu_open(NULL, &o, &emu, NULL) != OK)
		exit(1);
	return emu;
}

/* A random nonce, and the TempKey that the host calculates from it. */
__attribute__((unused)) static void rig_nonce(struct engine *g, uint8_t temp[32])
{
	uint8_t num_in[20];
	struct answer a;

	memset(num_in, 0x4E, sizeof(num_in));
	a = rig_send(g, 0x16, 0, 0, SLICE(num_in));
	rig_hash((const struct slice[]){ { a.p, 32 }, SLICE(num_in), BYTES(0x16, 0, 0) }, 3, temp);
}

/* A session with the key in a slot: nonce and GenDig, on both sides. */
__attribute__((unused)) static int rig_session(
    struct engine *g, unsigned slot, const uint8_t key[32], uint8_t temp[32])
{
	static const uint8_t zeros[25];
	uint8_t before[32], header[4] = { 0x15, 2, (uint8_t)slot, 0 };

	rig_nonce(g, before);
	rig_hash((const struct slice[]){ { key, 32 }, SLICE(header), { rig_serial + 8, 1 },
	             { rig_serial, 2 }, SLICE(zeros), SLICE(before) },
	    6, temp);
	return rig_send(g, 0x15, 2, slot, (struct slice){ NULL, 0 }).status;
}

static const uint8_t rig_zeros[64];
#define ZEROS(n) ((struct slice){ rig_zeros, n })
#define SLICE_OF(p, n) ((struct slice){ p, n })

#endif
