/*
 * Level 3, the 608 alone: AES and GFM, KDF, SecureBoot, SelfTest, persistent latch, SHA contexts, the IO
 * protection key. Known answers are from FIPS 197, SP 800-38D, RFC 5246 and from the vectors that
 * Microchip's library is tested with.
 */
#include "rig.h"

static const uint8_t io_key[32] = "the IO protection key in slot 3.";
static const uint8_t counting[32] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2,
	3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

enum { SLOT_AES = 13 };

/* Slot 3 is the IO protection key, 13 holds AES keys, KDF may use AES. */
static void chip(struct engine *g)
{
	rig_chip(g, EMU_ATECC608B, BOTH_LOCKED);
	rig_secret(g, 3, io_key);
	rig_configure(g, SLOT_AES, 0x0080, 0x0038);
	store_le16(g->mem.config + 90, 0x3006);
}

static void load(struct engine *g, const uint8_t *p, size_t n)
{
	rig_send(g, 0x16, n == 64 ? 0x23 : 0x03, 0, SLICE_OF(p, n));
}

/* --- AES --- */

static void aes(struct engine *g)
{
	static const uint8_t plain[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
		0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF };
	static const uint8_t cipher[16] = { 0x69, 0xC4, 0xE0, 0xD8, 0x6A, 0x7B, 0x04, 0x30, 0xD8,
		0xCD, 0xB7, 0x80, 0x70, 0xB4, 0xC5, 0x5A };
	uint8_t keys[64];
	struct answer a;

	chip(g);
	for (unsigned block = 0; block < 4; block++) {
		memset(keys, 0xEE, 64);
		memcpy(keys + 16 * block, counting, 16);
		memory_write_slot(&g->mem, SLOT_AES, 0, keys, 64);
		a = rig_send(g, 0x51, (uint8_t)(block << 6), SLOT_AES, SLICE(plain));
		is_bytes(a.p, a.n, cipher, 16, "FIPS 197 C.1, key in a slot");
		a = rig_send(g, 0x51, (uint8_t)(block << 6 | 1), SLOT_AES, SLICE(cipher));
		is_bytes(a.p, a.n, plain, 16, "and back");
		load(g, keys, 64);
		a = rig_send(g, 0x51, (uint8_t)(block << 6), 0xFFFF, SLICE(plain));
		is_bytes(a.p, a.n, cipher, 16, "key in TempKey");
	}
	a = rig_send(g, 0x51, 0xC0, 0xFFFF, SLICE(plain));
	ok(a.n == 16, "TempKey stays for the next block");
	load(g, keys, 32);
	ok(rig_send(g, 0x51, 0x80, 0xFFFF, SLICE(plain)).status == 0x0F,
	    "a short TempKey has two keys");
	ok(rig_send(g, 0x51, 0x00, 0xFFFF, SLICE(plain)).status == 0x0F,
	    "and is gone after the error");
	ok(rig_send(g, 0x51, 0x00, 10, SLICE(plain)).status == 0x0F,
	    "a slot of another KeyType: 0F");
	ok(rig_send(g, 0x51, 0x00, 16, SLICE(plain)).status == 3, "slot 16: 03");
	ok(rig_send(g, 0x51, 0x02, SLOT_AES, SLICE(plain)).status == 3, "mode 2: 03");
	ok(rig_send(g, 0x51, 0x08, SLOT_AES, SLICE(plain)).status == 3, "reserved bit: 03");
	ok(rig_send(g, 0x51, 0x00, SLOT_AES, SLICE_OF(plain, 15)).status == 3, "15 bytes: 03");
	rig_configure(g, 5, 0x0080, 0x0038);
	ok(rig_send(g, 0x51, 0x80, 5, SLICE(plain)).status == 0x0F,
	    "a slot of 36 bytes has two keys");
	g->mem.config[13] = 0;
	ok(rig_send(g, 0x51, 0x00, SLOT_AES, SLICE(plain)).status == 0x0F, "AES_Enable 0: 0F");
}

/* SP 800-38D, test case 2 of its validation: H, C, and GHASH of both blocks. */
static void gfm(struct engine *g)
{
	static const uint8_t h[16] = { 0x66, 0xE9, 0x4B, 0xD4, 0xEF, 0x8A, 0x2C, 0x3B, 0x88, 0x4C,
		0xFA, 0x59, 0xCA, 0x34, 0x2B, 0x2E };
	static const uint8_t c[16] = { 0x03, 0x88, 0xDA, 0xCE, 0x60, 0xB6, 0xA3, 0x92, 0xF3, 0x28,
		0xC2, 0xB9, 0x71, 0xB2, 0xFE, 0x78 };
	static const uint8_t x1[16] = { 0x5E, 0x2E, 0xC7, 0x46, 0x91, 0x70, 0x62, 0x88, 0x2C, 0x85,
		0xB0, 0x68, 0x53, 0x53, 0xDE, 0xB7 };
	static const uint8_t ghash[16] = { 0xF3, 0x8C, 0xBB, 0x1A, 0xD6, 0x92, 0x23, 0xDC, 0xC3,
		0x45, 0x7A, 0xE5, 0xB6, 0xB0, 0xF8, 0x85 };
	uint8_t in[32];
	struct answer a;

	chip(g);
	memcpy(in, h, 16);
	memcpy(in + 16, c, 16);
	a = rig_send(g, 0x51, 0x03, 0, SLICE(in));
	is_bytes(a.p, a.n, x1, 16, "GFM: C * H");
	memcpy(in + 16, x1, 16);
	in[31] ^= 0x80; /* the length block: 128 bits of text */
	a = rig_send(g, 0x51, 0x03, 0, SLICE(in));
	is_bytes(a.p, a.n, ghash, 16, "GFM: GHASH");
	ok(rig_send(g, 0x51, 0x03, 0, SLICE_OF(in, 16)).status == 3, "GFM with 16 bytes: 03");
}

/* --- KDF --- */

static struct answer kdf(
    struct engine *g, uint8_t mode, unsigned p2, uint32_t details, struct slice message)
{
	uint8_t in[4 + 128];

	store_le32(in, details);
	memcpy(in + 4, message.p, message.n);
	return rig_send(g, 0x56, mode, p2, SLICE_OF(in, 4 + message.n));
}

#define LENGTH(n) ((uint32_t)(n) << 24)

/* P_SHA256 by its definition: A(i) = HMAC(A(i-1)), output HMAC(A(i) | seed). */
static void p_sha256(struct slice key, struct slice seed, uint8_t out[64])
{
	uint8_t a[32];

	HMAC(key, a, seed);
	HMAC(key, out, SLICE(a), seed);
	HMAC(key, a, SLICE(a));
	HMAC(key, out + 32, SLICE(a), seed);
}

static void prf(struct engine *g)
{
	static const uint8_t microchip[64] = { 0x1E, 0xBC, 0xBE, 0x62, 0x00, 0x5A, 0xB9, 0x48, 0xFD,
		0xFF, 0xE1, 0xC4, 0x02, 0xAA, 0xBA, 0x35, 0x4E, 0xC6, 0x76, 0x05, 0x0C, 0x9B, 0xC1,
		0xAA, 0xE1, 0xFF, 0x5B, 0x15, 0x09, 0xA4, 0xA0, 0x4A, 0x44, 0x25, 0x46, 0x64, 0xC2,
		0xA4, 0x80, 0xF5, 0xB7, 0x7E, 0xA2, 0xD1, 0x02, 0x0C, 0x7B, 0xA4, 0xB3, 0x64, 0x0C,
		0x4A, 0xC7, 0x93, 0x32, 0x4C, 0x26, 0xD6, 0xFD, 0xDF, 0xDB, 0x1F, 0x01, 0x1A };
	uint8_t key[64], want[64], message[128];
	struct answer a;

	chip(g);
	load(g, counting, 32);
	a = kdf(g, 0x10, 0x1234, 0x101 | LENGTH(16), SLICE_OF(counting, 16));
	is_bytes(a.p, a.n, microchip, 64, "PRF: Microchip's vector");
	a = kdf(g, 0x10, 0, 0x001 | LENGTH(16), SLICE_OF(counting, 16));
	is_bytes(a.p, a.n, microchip, 32, "PRF: 32 bytes; TempKey is still there");

	for (size_t i = 0; i < 64; i++)
		key[i] = (uint8_t)(0xC0 ^ i);
	memset(message, 0x2B, sizeof(message));
	for (uint32_t n = 0; n < 4; n++) {
		load(g, key, 64);
		a = kdf(g, 0x10, 0, 0x100 | n | LENGTH(40), SLICE_OF(message, 40));
		p_sha256(SLICE_OF(key, 16 + 16 * n), SLICE_OF(message, 40), want);
		is_bytes(a.p, a.n, want, 64, "PRF: keys of 16 to 64 bytes");
	}
	load(g, key, 32);
	ok(kdf(g, 0x10, 0, 0x102 | LENGTH(4), SLICE_OF(message, 4)).status == 0x0F,
	    "48 bytes of 32: 0F");
	load(g, key, 64);
	a = kdf(g, 0x11, 0, 0x101 | LENGTH(1), SLICE_OF(message, 1));
	p_sha256(SLICE_OF(key + 32, 32), SLICE_OF(message, 1), want);
	is_bytes(a.p, a.n, want, 64, "PRF: upper half of TempKey");
	rig_send(g, 0x16, 0x83, 0, SLICE_OF(key, 32));
	a = kdf(g, 0x13, 0, 0x101 | LENGTH(128), SLICE(message));
	p_sha256(SLICE_OF(key, 32), SLICE(message), want);
	is_bytes(a.p, a.n, want, 64, "PRF: AlternateKeyBuffer, message of 128 bytes");
	a = kdf(g, 0x12, 3, 0x101 | LENGTH(8), SLICE_OF(message, 8));
	p_sha256(SLICE(io_key), SLICE_OF(message, 8), want);
	is_bytes(a.p, a.n, want, 64, "PRF: key in a slot");
	ok(kdf(g, 0x12, 0, 0x101 | LENGTH(8), SLICE_OF(message, 8)).status == 0x0F,
	    "private key: 0F");
	ok(kdf(g, 0x10, 0, 0x101 | LENGTH(9), SLICE_OF(message, 8)).status == 3,
	    "length differs: 03");
	ok(kdf(g, 0x70, 0, LENGTH(8), SLICE_OF(message, 8)).status == 3, "algorithm 3: 03");
	ok(kdf(g, 0x18, 0, LENGTH(8), SLICE_OF(message, 8)).status == 3, "target 6: 03");

	load(g, key, 32);
	a = kdf(g, 0x08, 13 << 8, 0x301 | LENGTH(8), SLICE_OF(message, 8));
	p_sha256(SLICE_OF(key, 32), SLICE_OF(message, 8), want);
	ok(a.n == 32 && memcmp(a.p, want + 32, 32) == 0 &&
	        memcmp(slot_bytes(&g->mem, 13), want, 32) == 0,
	    "PRF for AEAD: first half to the target, second half out");
}

static void kdf_targets(struct engine *g)
{
	uint8_t want[64];
	struct answer a;

	chip(g);
	p_sha256(SLICE(counting), SLICE_OF(counting, 8), want);
	load(g, counting, 32);
	ok(kdf(g, 0x00, 0, 0x101 | LENGTH(8), SLICE_OF(counting, 8)).status == 0, "to TempKey");
	is_bytes(g->reg.temp.value, 64, want, 64, "both halves");
	load(g, counting, 32);
	ok(kdf(g, 0x04, 0, 0x001 | LENGTH(8), SLICE_OF(counting, 8)).status == 0,
	    "to its upper half");
	ok(memcmp(g->reg.temp.value, counting, 32) == 0 &&
	        memcmp(g->reg.temp.value + 32, want, 32) == 0,
	    "the lower one stays");
	ok(kdf(g, 0x04, 0, 0x101 | LENGTH(8), SLICE_OF(counting, 8)).status == 3,
	    "64 bytes do not fit: 03");
	ok(kdf(g, 0x0C, 0, 0x001 | LENGTH(8), SLICE_OF(counting, 8)).status == 0,
	    "to AlternateKeyBuffer");
	ok(memcmp(g->reg.alternate_key, want, 32) == 0 && g->reg.alternate_valid, "there it is");
	ok(kdf(g, 0x08, 10 << 8, 0x101 | LENGTH(8), SLICE_OF(counting, 8)).status == 0,
	    "to a slot");
	is_bytes(slot_bytes(&g->mem, 10), 64, want, 64, "there it is");
	ok(kdf(g, 0x08, 12 << 8, 0x001 | LENGTH(8), SLICE_OF(counting, 8)).status == 0x0F,
	    "to a slot that is never written: 0F");
	load(g, counting, 32);
	ok(kdf(g, 0x08, 0, 0x001 | LENGTH(8), SLICE_OF(counting, 8)).status == 0x0F,
	    "to a private slot: 0F");
	load(g, counting, 32);
	a = kdf(g, 0x14, 0, 0x101 | LENGTH(8), SLICE_OF(counting, 8));
	ok(a.n == 96, "encrypted: 64 bytes and the OutNonce");
	for (size_t i = 0; i < 2; i++) {
		uint8_t pad[32];

		HASH(pad, SLICE(io_key), SLICE_OF(a.p + 64 + 16 * i, 16));
		for (size_t k = 0; k < 32; k++)
			a.p[32 * i + k] ^= pad[k];
	}
	is_bytes(a.p, 64, want, 64, "decrypted with the IO protection key");
	store_le16(g->mem.config + 90, 0x3406);
	ok(kdf(g, 0x10, 0, 0x001 | LENGTH(8), SLICE_OF(counting, 8)).status == 0x0F,
	    "protection 1: not in the clear");
	load(g, counting, 32);
	ok(kdf(g, 0x14, 0, 0x001 | LENGTH(8), SLICE_OF(counting, 8)).n == 64, "but encrypted");
	store_le16(g->mem.config + 90, 0x3806);
	ok(kdf(g, 0x14, 0, 0x001 | LENGTH(8), SLICE_OF(counting, 8)).status == 0x0F,
	    "protection 2: not at all");
	store_le16(g->mem.config + 90, 0x3004);
	load(g, counting, 32);
	ok(kdf(g, 0x14, 0, 0x001 | LENGTH(8), SLICE_OF(counting, 8)).status == 0x0F,
	    "no IO protection key: 0F");
}

static void kdf_aes_hkdf(struct engine *g)
{
	static const uint8_t aes[32] = { 0x0A, 0x94, 0x0B, 0xB5, 0x41, 0x6E, 0xF0, 0x45, 0xF1, 0xC3,
		0x94, 0x58, 0xC6, 0x53, 0xEA, 0x5A };
	uint8_t want[32], message[32], zero[32] = { 0 };
	struct answer a;

	chip(g);
	load(g, counting, 32);
	a = kdf(g, 0x30, 0x1234, 0, SLICE_OF(counting, 16));
	is_bytes(a.p, a.n, aes, 32, "AES: Microchip's vector");
	a = kdf(g, 0x30, 0, 1, SLICE_OF(counting, 16));
	is_bytes(a.p, a.n, aes, 32, "AES: second 16 bytes of the key");
	ok(kdf(g, 0x30, 0, 0, SLICE_OF(counting, 15)).status == 3, "AES: 15 bytes: 03");
	store_le16(g->mem.config + 90, 0x3002);
	ok(kdf(g, 0x30, 0, 0, SLICE_OF(counting, 16)).status == 0x0F, "ChipOptions forbid AES: 0F");

	chip(g);
	load(g, counting, 32);
	a = kdf(g, 0x50, 0, 2 | LENGTH(16), SLICE_OF(counting, 16));
	HMAC(SLICE(counting), want, SLICE_OF(counting, 16));
	is_bytes(a.p, a.n, want, 32, "HKDF: message in the packet");
	a = kdf(g, 0x50, 0, 6 | LENGTH(16), SLICE_OF(counting, 16));
	HMAC(SLICE(zero), want, SLICE_OF(counting, 16));
	is_bytes(a.p, a.n, want, 32, "HKDF: key of zeros");
	memset(message, 0x47, 32);
	rig_secret(g, 10, message);
	a = kdf(g, 0x50, 0, 10 << 8 | LENGTH(20), SLICE_OF(zero, 20));
	HMAC(SLICE(counting), want, SLICE_OF(message, 20));
	is_bytes(a.p, a.n, want, 32, "HKDF: message in a slot");
	a = kdf(g, 0x52, 3, 1 | LENGTH(32), SLICE(zero));
	HMAC(SLICE(io_key), want, SLICE(counting));
	is_bytes(a.p, a.n, want, 32, "HKDF: key in a slot, message in TempKey");
	g->mem.config[72] = 9;
	g->mem.config[73] = 'i';
	g->mem.config[74] = 'v';
	memcpy(message + 9, "iv", 2);
	a = kdf(g, 0x50, 0, 3 | LENGTH(32), SLICE(message));
	HMAC(SLICE(counting), want, SLICE(message));
	is_bytes(a.p, a.n, want, 32, "HKDF with IV: the message has it in its place");
	message[9] = 'I';
	ok(kdf(g, 0x50, 0, 3 | LENGTH(32), SLICE(message)).status == 0x0F, "another IV: 0F");
	load(g, counting, 32);
	ok(kdf(g, 0x50, 0, 3 | LENGTH(10), SLICE_OF(message, 10)).status == 0x0F,
	    "too short for an IV: 0F");
}

/* --- SecureBoot --- */

/* The key of the firmware's author in 11; the slot for digest or signature is 10. */
static void boot_chip(struct engine *g, uint16_t config)
{
	uint8_t q[64];

	chip(g);
	rig_point(0x81, q);
	rig_public(g, 11, q, 0);
	store_le16(g->mem.config + 70, (uint16_t)(0xBA00 | config));
}

static struct answer boot(struct engine *g, uint8_t mode, const uint8_t digest[32], uint8_t signer)
{
	uint8_t in[96];

	memcpy(in, digest, 32);
	rig_sign(signer, digest, in + 32);
	return rig_send(g, 0x80, mode, 0, SLICE_OF(in, (mode & 7) == 6 ? 32 : 96));
}

static void secure_boot(struct engine *g)
{
	uint8_t image[32], other[32], sig[64], q[64];

	memset(image, 0x1A, 32);
	memset(other, 0x1B, 32);
	boot_chip(g, 0);
	ok(boot(g, 5, image, 0x81).status == 0x0F, "off: 0F");
	boot_chip(g, 1);
	ok(boot(g, 5, image, 0x81).status == 0, "full: signed image");
	ok(boot(g, 5, image, 0x82).status == 1, "full: signed by another: 01");
	ok(boot(g, 6, image, 0x81).status == 0x0F && boot(g, 7, image, 0x81).status == 0x0F,
	    "full only: nothing is kept");
	ok(boot(g, 4, image, 0x81).status == 3, "mode 4: 03");

	boot_chip(g, 3);
	ok(boot(g, 6, image, 0x81).status == 1, "digest kept: none yet: 01");
	ok(boot(g, 7, image, 0x82).status == 1, "copy of a wrong signature: 01");
	ok(slot_bytes(&g->mem, 10)[0] == 0xFF, "and nothing is kept");
	ok(boot(g, 7, image, 0x81).status == 0, "copy");
	is_bytes(slot_bytes(&g->mem, 10), 32, image, 32, "the digest is kept");
	ok(boot(g, 6, image, 0x81).status == 0, "then the digest alone is enough");
	ok(boot(g, 6, other, 0x81).status == 1, "another image: 01");
	ok(!g->reg.latch, "no latch asked for");

	boot_chip(g, 0x0A);
	ok(boot(g, 7, image, 0x81).status == 0, "signature kept");
	memcpy(sig, slot_bytes(&g->mem, 10), 64);
	rig_point(0x81, q);
	ok(p256_verify(g->p256, q, image, sig) == OK, "and the slot holds it");
	ok(boot(g, 6, image, 0x81).status == 0, "the digest fits the kept signature");
	ok(boot(g, 6, other, 0x81).status == 1, "another does not");
	ok(g->reg.latch, "success sets the latch when configured");
	boot_chip(g, 3);
	g->mem.config[89] = 0xFB;
	ok(boot(g, 7, image, 0x81).status == 0x0F, "the slot is locked: 0F");

	boot_chip(g, 1);
	ok(boot(g, 0x45, image, 0x81).status == 0, "the last one until power-off");
	ok(boot(g, 5, image, 0x81).status == 0x0F, "then 0F");
	engine_sleep(g);
	ok(boot(g, 5, image, 0x81).status == 0x0F, "after sleep too");
	engine_power_off(g);
	ok(boot(g, 5, image, 0x81).status == 0, "until the power was off");
	boot_chip(g, 0x11);
	ok(boot(g, 5, image, 0x81).status == 0x0F, "random nonce asked for: 0F without");
	rig_nonce(g, other);
	ok(boot(g, 5, image, 0x81).status == 0, "with it");
}

static void secure_boot_mac(struct engine *g, uint16_t config, uint8_t mode)
{
	uint8_t image[32], temp[32], key[32], in[96], want[32];
	bool by_digest = config == 3 && mode == 6;
	struct answer a;

	memset(image, 0x1C, 32);
	boot_chip(g, config);
	rig_sign(0x81, image, in + 32);
	if (mode == 6)
		memory_write_slot(
		    &g->mem, 10, 0, config == 3 ? image : in + 32, config == 3 ? 32 : 64);
	rig_nonce(g, temp);
	HASH(key, SLICE(io_key), SLICE(temp));
	for (size_t i = 0; i < 32; i++)
		in[i] = image[i] ^ key[i];
	a = rig_send(g, 0x80, 0x80 | mode, 0, SLICE_OF(in, mode == 6 ? 32 : 96));
	HASH(want, SLICE(key), SLICE(image), SLICE_OF(in + 32, by_digest ? 0 : 64),
	    BYTES(0x80, 0x80 | mode, 0, 0));
	is_bytes(a.p, a.n, want, 32, "SecureBoot: encrypted digest, MAC in return");
	ok(rig_send(g, 0x80, 0x80 | mode, 0, SLICE_OF(in, mode == 6 ? 32 : 96)).status == 0x0F,
	    "one nonce, one boot");
}

/* --- the rest --- */

static void self_test(struct engine *g)
{
	static const uint8_t modes[] = { 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x3B, 0x3F };
	bool all = true;

	chip(g);
	for (size_t i = 0; i < COUNT(modes); i++)
		all = all && rig_send(g, 0x77, modes[i], 0, NOTHING).status == 0;
	ok(all, "SelfTest: everything passes");
	rig_chip(g, EMU_ATECC608A, FRESH);
	ok(rig_send(g, 0x77, 0x3B, 0, NOTHING).status == 0, "on a blank chip too");
	ok(rig_send(g, 0x77, 0x00, 0, NOTHING).status == 3, "mode 0: 03");
	ok(rig_send(g, 0x77, 0x40, 0, NOTHING).status == 3, "mode 40: 03");
}

/* A generator that repeats itself. */
static enum err stuck(void *ctx, uint8_t *out, size_t n)
{
	(void)ctx;
	memset(out, 0x44, n);
	return OK;
}

static void self_test_fails(void)
{
	struct engine g;

	if (engine_init(&g, stuck, NULL, NULL) != OK)
		exit(1);
	chip(&g);
	ok(rig_send(&g, 0x77, 0x31, 0, NOTHING).status == 0x01,
	    "SelfTest: a stuck generator shows as bit 0");
	engine_free(&g);
}

static void latch(struct engine *g)
{
	uint8_t in[77] = { 0 }, plain[16] = { 0 };
	struct answer a;

	chip(g);
	rig_configure(g, SLOT_AES, 0x0080, 0x1038);
	ok(rig_send(g, 0x51, 0, SLOT_AES, SLICE(plain)).status == 0x0F,
	    "PersistentDisable: 0F without the latch");
	a = rig_send(g, 0x30, 4, 0, NOTHING);
	ok(a.n == 4 && a.p[0] == 0, "Info: latch 0");
	g->mem.config[69] = 0x83;
	ok(rig_send(g, 0x30, 4, 3, NOTHING).status == 0x0F, "setting it needs a CheckMac");
	HASH(in + 32, SLICE(io_key), SLICE_OF(in, 32), ZEROS(4), ZEROS(8), ZEROS(3),
	    SLICE_OF(rig_serial + 8, 1), ZEROS(4), SLICE_OF(rig_serial, 2), ZEROS(2));
	ok(rig_send(g, 0x28, 0, 3, SLICE(in)).status == 0, "CheckMac with the key that is named");
	a = rig_send(g, 0x30, 4, 3, NOTHING);
	ok(a.n == 4 && a.p[0] == 1, "Info sets the latch");
	ok(rig_send(g, 0x51, 0, SLOT_AES, SLICE(plain)).n == 16, "the key is usable");
	engine_sleep(g);
	ok(rig_send(g, 0x51, 0, SLOT_AES, SLICE(plain)).n == 16, "after sleep too");
	ok(rig_send(g, 0x30, 4, 2, NOTHING).status == 0x0F, "clearing needs a CheckMac again");
	engine_power_off(g);
	ok(rig_send(g, 0x51, 0, SLOT_AES, SLICE(plain)).status == 0x0F, "not after power-off");
	g->mem.config[69] = 0x03;
	rig_send(g, 0x28, 0, 3, SLICE(in));
	ok(rig_send(g, 0x30, 4, 3, NOTHING).status == 0x0F, "VolatileKeyPermission disabled: 0F");
	ok(rig_send(g, 0x30, 4, 4, NOTHING).status == 3, "param2 4: 03");
	rig_chip(g, EMU_ATECC508A, BOTH_LOCKED);
	ok(rig_send(g, 0x30, 4, 0, NOTHING).status == 3, "508A: 03");
}

static void contexts(struct engine *g)
{
	static const uint8_t five[] = { 0x05, 0x00, 0x00, 0x00, 0x67, 0xE6, 0x09, 0x6A, 0x85, 0xAE,
		0x67, 0xBB, 0x72, 0xF3, 0x6E, 0x3C, 0x3A, 0xF5, 0x4F, 0xA5, 0x7F, 0x52, 0x0E, 0x51,
		0x8C, 0x68, 0x05, 0x9B, 0xAB, 0xD9, 0x83, 0x1F, 0x19, 0xCD, 0xE0, 0x5B, 0x01, 0x02,
		0x03, 0x04, 0x05 };
	uint8_t message[200], want[32], context[99];
	bool all = true;
	struct answer a;
	size_t n;

	chip(g);
	rig_send(g, 0x47, 0, 0, NOTHING);
	rig_send(g, 0x47, 1, 5, BYTES(1, 2, 3, 4, 5));
	a = rig_send(g, 0x47, 6, 0, NOTHING);
	is_bytes(a.p, a.n, five, sizeof(five), "context after five bytes: Microchip's vector");
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	for (size_t cut = 0; cut <= 130; cut++) {
		rig_send(g, 0x47, 0, 0, NOTHING);
		for (size_t at = 0; at < cut; at += 64) {
			size_t take = cut - at < 64 ? cut - at : 64;

			rig_send(g, 0x47, 1, (unsigned)take, SLICE_OF(message + at, take));
		}
		a = rig_send(g, 0x47, 6, 0, NOTHING);
		n = a.n;
		memcpy(context, a.p, n);
		rig_send(g, 0x47, 0xC2, 0, NOTHING);
		rig_send(g, 0x47, 7, (unsigned)n, SLICE_OF(context, n));
		a = rig_send(g, 0x47, 0xC2, 7, SLICE_OF(message + cut, 7));
		sha256(SLICE_OF(message, cut + 7), want);
		all = all && a.n == 32 && memcmp(a.p, want, 32) == 0;
	}
	ok(all, "contexts taken after 0 to 130 bytes go on where they were");
	ok(rig_send(g, 0x47, 7, 35, SLICE_OF(context, 35)).status == 3, "a short context: 03");
	context[0] ^= 1;
	ok(rig_send(g, 0x47, 7, (unsigned)n, SLICE_OF(context, n)).status == 3,
	    "a count that does not fit: 03");
	rig_send(g, 0x47, 4, 3, NOTHING);
	ok(rig_send(g, 0x47, 6, 0, NOTHING).status == 0x0F, "an HMAC has no context to give");
}

static void protected_ecdh(struct engine *g)
{
	uint8_t theirs[64], want[32], pad[32], d[32];
	struct p256_key *key = NULL;
	struct answer a;

	chip(g);
	rig_private(g, 0, 0x91);
	rig_point(0x92, theirs);
	memset(d, 0x91, 32);
	if (p256_key_from_scalar(d, &key, NULL) != OK || p256_ecdh(key, theirs, want) != OK)
		exit(1);
	p256_key_free(key);
	a = rig_send(g, 0x43, 0x02, 0, SLICE(theirs));
	ok(a.n == 64, "ECDH encrypted: 32 bytes and the OutNonce");
	HASH(pad, SLICE(io_key), SLICE_OF(a.p + 32, 16));
	for (size_t i = 0; i < 32; i++)
		a.p[i] ^= pad[i];
	is_bytes(a.p, 32, want, 32, "decrypted with the IO protection key");
	store_le16(g->mem.config + 90, 0x3106);
	ok(rig_send(g, 0x43, 0x00, 0, SLICE(theirs)).status == 0x0F,
	    "protection 1: not in the clear");
	ok(rig_send(g, 0x43, 0x02, 0, SLICE(theirs)).n == 64, "but encrypted");
	store_le16(g->mem.config + 90, 0x3206);
	ok(rig_send(g, 0x43, 0x02, 0, SLICE(theirs)).status == 0x0F, "protection 2: not at all");
	ok(rig_send(g, 0x43, 0x08, 0, SLICE(theirs)).status == 0, "but to TempKey");
	ok(rig_send(g, 0x43, 0x0A, 0, SLICE(theirs)).status == 0x0F, "encrypted to TempKey: 0F");
}

static void verify_mac(struct engine *g, uint8_t mode, unsigned p2)
{
	uint8_t digest[32], nonce[32], in[128], buffer[64], want[32], q[64];
	bool from_buffer = mode & 0x20;
	struct answer a;

	chip(g);
	memset(digest, 0xD9, 32);
	memset(nonce, 0x57, 32);
	rig_point(0x93, q);
	rig_public(g, 11, q, 0);
	rig_sign(0x93, digest, in);
	memcpy(in + 64, q, 64);
	memcpy(buffer, from_buffer ? digest : nonce, 32);
	memcpy(buffer + 32, nonce, 32);
	load(g, digest, 32);
	rig_send(g, 0x16, from_buffer ? 0x63 : 0x43, 0, SLICE_OF(buffer, from_buffer ? 64 : 32));
	a = rig_send(g, 0x45, mode, p2, SLICE_OF(in, p2 == 4 ? 128 : 64));
	HASH(want, SLICE(io_key), SLICE(digest), SLICE(nonce), SLICE_OF(in, 64),
	    BYTES(0x45, mode, (uint8_t)p2, 0));
	is_bytes(a.p, a.n, want, 32, "Verify answers with a MAC");
	load(g, digest, 32);
	in[5] ^= 1;
	ok(rig_send(g, 0x45, mode, p2, SLICE_OF(in, p2 == 4 ? 128 : 64)).status == 1, "or with 01");
	load(g, digest, 32);
	g->reg.digest_n = from_buffer ? 32 : 0;
	ok(rig_send(g, 0x45, mode, p2, SLICE_OF(in, p2 == 4 ? 128 : 64)).status == 0x0F,
	    "without system nonce: 0F");
}

int main(void)
{
	struct engine g;

	if (engine_init(&g, NULL, NULL, NULL) != OK)
		return 1;
	aes(&g);
	gfm(&g);
	prf(&g);
	kdf_targets(&g);
	kdf_aes_hkdf(&g);
	secure_boot(&g);
	secure_boot_mac(&g, 1, 5);
	secure_boot_mac(&g, 3, 6);
	secure_boot_mac(&g, 2, 6);
	secure_boot_mac(&g, 3, 7);
	self_test(&g);
	self_test_fails();
	latch(&g);
	contexts(&g);
	protected_ecdh(&g);
	verify_mac(&g, 0x82, 4);
	verify_mac(&g, 0xA2, 4);
	verify_mac(&g, 0x80, 11);
	verify_mac(&g, 0xA0, 11);
	engine_free(&g);
	return done_testing();
}
