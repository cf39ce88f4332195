/*
 * The driver's calls for symmetric keys, private keys from outside, secure boot and self test, against
 * the emulated chip. What the chip computes is computed again here from the layouts of the data sheet,
 * or comes from the standard that it says it follows.
 */
#include "emu.h"
#include "p256.h"
#include "se_boot.h"
#include "se_more.h"
#include "se_profile.h"
#include "se_secret.h"
#include "sha256.h"
#include "tap.h"
#include "text.h"

#include <stdlib.h>

#define ADDRESS 0x60
#define NEVER 0xffffffffu
#define WRONG ERR_COUNT /* done, and not as it should be */

static struct p256 *p256;

/* --- a bus that counts transfers, loses power before one of them, and can lie --- */

struct bench {
	struct se_hal hal;
	struct emu *emu;
	struct se se;
	unsigned transfers, cut;
	size_t forge;   /* answers of so many bytes get a wrong bit and the CRC that goes with it */
	uint8_t status; /* not 0: what every status answer becomes */
	uint8_t last[160];
	size_t last_n; /* of the last packet that went out */
};

static void transfer(struct bench *b)
{
	if (b->transfers++ == b->cut)
		emu_power_cycle(b->emu);
}

static enum err bus_wake(void *ctx)
{
	struct bench *b = ctx;

	transfer(b);
	emu_i2c_write(b->emu, 0, (const uint8_t *)"", 1);
	return OK;
}

static enum err bus_send(void *ctx, const uint8_t *p, size_t n)
{
	struct bench *b = ctx;

	transfer(b);
	if (n > 1) {
		memcpy(b->last, p, n);
		b->last_n = n;
	}
	return emu_i2c_write(b->emu, ADDRESS, p, n) == EMU_ACK ? OK : ERR_TIMEOUT;
}

static uint16_t crc(const uint8_t *p, size_t n)
{
	uint16_t r = 0;

	for (size_t i = 0; i < n * 8; i++) {
		unsigned in = (unsigned)p[i / 8] >> (i % 8) & 1u, top = r >> 15;

		r = (uint16_t)(r << 1);
		if (in != top)
			r ^= 0x8005;
	}
	return r;
}

static enum err bus_recv(void *ctx, uint8_t *p, size_t n)
{
	static const uint8_t woken[] = { 4, 0x11, 0x33, 0x43 };
	struct bench *b = ctx;

	transfer(b);
	if (emu_i2c_read(b->emu, ADDRESS, p, n) != EMU_ACK)
		return ERR_TIMEOUT;
	if (p[0] == b->forge)
		p[1] ^= 0x10;
	else if (n == 4 && b->status && memcmp(p, woken, 4) != 0)
		p[1] = b->status;
	else
		return OK;
	store_le16(p + p[0] - 2, crc(p, p[0] - 2u));
	return OK;
}

static void bus_wait_ms(void *ctx, uint32_t ms)
{
	struct bench *b = ctx;

	emu_advance(b->emu, ms * 1000);
}

/* --- a chip with a slot of each kind, locked the proper way --- */

static const uint8_t shared[32] = "the key in slot 3, 32 bytes long";
static const uint8_t io_key[32] = "IO protection key: in slot four.";
static const uint8_t own[32] = "rolled on and on: slot 7's first";
static const uint8_t aes_keys[32] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x2b,
	0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c };
static const uint8_t num_in[20] = "nineteen and a NUL.";
static const struct se_shared with3 = { 3, shared, num_in };

enum { KEEPS_SIGNATURE = 2, KEEPS_DIGEST = 3 };

static struct se_profile profile_of(uint8_t secure_boot)
{
	static const struct {
		uint8_t slot;
		uint16_t slot_config, key_config;
	} slots[] = {
		{ 0, 0x4381, 0x0033 },  /* private, PrivWrite under 3 */
		{ 1, 0x2087, 0x0033 },  /* private, made inside, for everything */
		{ 3, 0x8080, 0x001c },  /* secret, never read, never written */
		{ 4, 0x8080, 0x001c },  /* the IO protection key */
		{ 5, 0x43c3, 0x001c },  /* encrypted both ways under 3 */
		{ 6, 0x8080, 0x0018 },  /* two AES keys */
		{ 7, 0x2080, 0x001c },  /* DeriveKey rolls it on */
		{ 9, 0xb380, 0x001c },  /* DeriveKey from 3, with MAC */
		{ 10, 0x0000, 0x0030 }, /* public key of SecureBoot */
		{ 11, 0x0000, 0x003c }, /* what SecureBoot keeps */
		{ 13, 0x43c3, 0x001c }, /* as 5, with 72 bytes */
		{ 14, 0x0000, 0x001c }, /* open */
		{ 12, 0x0000, 0x0030 }, /* the public key of slot 1 ... */
		{ 15, 0x100c, 0x0032 }, /* ... which validates this one */
	};
	struct se_profile p = se_profile_attestation;

	p.name = "a slot of each kind";
	p.keys = 0;
	for (size_t i = 0; i < COUNT(slots); i++) {
		store_le16(p.config + 20 + 2 * slots[i].slot, slots[i].slot_config);
		store_le16(p.config + 96 + 2 * slots[i].slot, slots[i].key_config);
	}
	p.config[70] = secure_boot;
	p.config[71] = 0xab;               /* key in 10, digest or signature in 11 */
	store_le16(p.config + 90, 0x4006); /* IO protection key in 4, AES for KDF */
	return p;
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s\n", what);
	exit(1);
}

static const uint8_t boot_scalar[32] = { [31] = 77 };

static void boot_key(uint8_t q[64], const uint8_t *digest, uint8_t *sig)
{
	struct p256_key *key = NULL;

	must(p256_key_from_scalar(boot_scalar, &key, NULL) == OK, "key of firmware");
	p256_key_public(key, q);
	if (digest)
		must(p256_sign(key, digest, sig) == OK, "signature");
	p256_key_free(key);
}

static void fill(struct bench *b)
{
	static const struct {
		unsigned slot;
		const uint8_t *key;
	} keys[] = { { 3, shared }, { 4, io_key }, { 6, aes_keys }, { 7, own } };

	for (size_t i = 0; i < COUNT(keys); i++)
		must(
		    se_slot_write(&b->se, keys[i].slot, 0, (struct slice){ keys[i].key, 32 }) == OK,
		    "keys before the lock");
}

static void half_locked(struct bench *b, enum emu_family family, const struct se_profile *p)
{
	struct emu_options o = { .family = family, .timing = EMU_TYPICAL, .virtual_time = true };

	*b =
	    (struct bench){ .hal = { b, bus_wake, bus_send, bus_recv, bus_wait_ms }, .cut = NEVER };
	must(emu_open(NULL, &o, &b->emu, NULL) == OK, "no chip");
	must(se_open(&b->se, &b->hal) == OK && se_profile_write(&b->se, p) == OK &&
	         se_lock_config(&b->se, p) == OK,
	    "configuration");
}

static void locked(struct bench *b, enum emu_family family, uint8_t secure_boot)
{
	struct se_profile p = profile_of(secure_boot);
	uint8_t q[64], stored[72] = { 0 };

	half_locked(b, family, &p);
	fill(b);
	must(se_lock_data(&b->se, &p) == OK, "data lock");
	boot_key(q, NULL, NULL);
	memcpy(stored + 4, q, 32);
	memcpy(stored + 40, q + 32, 32);
	/* 72 bytes only now: before the lock writes come in blocks of 32 */
	must(se_slot_write(&b->se, 10, 0, SLICE(stored)) == OK, "public key");
}

static void done(struct bench *b)
{
	se_close(&b->se);
	emu_free(b->emu);
}

static void hash(const struct slice *parts, size_t n, uint8_t out[32])
{
	struct sha256 h;

	sha256_init(&h);
	for (size_t i = 0; i < n; i++)
		sha256_update(&h, parts[i]);
	sha256_final(&h, out);
}
#define HASH(out, ...)                                                                             \
	hash((const struct slice[]){ __VA_ARGS__ },                                                \
	    COUNT(((const struct slice[]){ __VA_ARGS__ })), out)

static const uint8_t zeros[64];
#define ZEROS(n) ((struct slice){ zeros, n })

static bool refused(const struct bench *b, enum err e, enum se_fault fault)
{
	return e == (fault == SE_MISCOMPARE    ? ERR_DENIED
	                : fault == SE_ARGUMENT ? ERR_ARG
	                                       : ERR_DEVICE) &&
	       b->se.fault == fault;
}

/* --- Read and Write under a session --- */

static const uint8_t wrong_key[32] = "the key in slot 3, 32 bytes lonG";
static const struct se_shared with_wrong = { 3, wrong_key, num_in };
static const struct se_shared with_4 = { 4, io_key, num_in };
static const struct se_shared with_16 = { 16, shared, num_in };

static void test_encrypted(enum emu_family family)
{
	static const uint8_t a[32] = "whoever listens reads noise only";
	uint8_t got[32], clear[32];
	struct bench b;

	locked(&b, family, KEEPS_DIGEST);
	ok(se_write_encrypted(&b.se, &with3, 5, 0, a) == OK, "%s: written under slot 3",
	    emu_family_name(family));
	ok(b.last_n == 1 + 7 + 64 && memcmp(b.last + 6, a, 32) != 0, "hidden on the bus");
	ok(se_read_encrypted(&b.se, &with3, 5, 0, got) == OK && memcmp(got, a, 32) == 0,
	    "and read back");
	ok(refused(&b, se_slot_read(&b.se, 5, 0, clear, 32), SE_EXECUTION), "not in the clear");
	ok(refused(&b, se_write_encrypted(&b.se, &with_wrong, 5, 0, zeros), SE_MISCOMPARE),
	    "another key does not write");
	ok(se_read_encrypted(&b.se, &with_wrong, 5, 0, clear) == OK && memcmp(clear, a, 32) != 0,
	    "nor read: noise");
	ok(se_read_encrypted(&b.se, &with3, 5, 0, got) == OK && memcmp(got, a, 32) == 0,
	    "and changes nothing");
	memset(got, 0x77, 32);
	ok(refused(&b, se_read_encrypted(&b.se, &with3, 3, 0, got), SE_EXECUTION) && got[0] == 0x77,
	    "a slot that nobody reads");
	ok(refused(&b, se_write_encrypted(&b.se, &with3, 3, 0, a), SE_EXECUTION),
	    "a slot that nobody writes");
	ok(refused(&b, se_read_encrypted(&b.se, &with_4, 5, 0, got), SE_EXECUTION) &&
	        refused(&b, se_write_encrypted(&b.se, &with_4, 5, 0, a), SE_EXECUTION),
	    "the key of another slot");
	ok(refused(&b, se_read_encrypted(&b.se, &with_16, 5, 0, got), SE_ARGUMENT) &&
	        refused(&b, se_read_encrypted(&b.se, &with3, 16, 0, got), SE_ARGUMENT) &&
	        refused(&b, se_read_encrypted(&b.se, &with3, 5, 2, got), SE_ARGUMENT) &&
	        refused(&b, se_write_encrypted(&b.se, &with3, 13, 3, a), SE_ARGUMENT) &&
	        refused(&b, se_write_encrypted(&b.se, &with3, 8, 13, a), SE_ARGUMENT),
	    "no such slot, no such block");
	ok(se_write_encrypted(&b.se, &with3, 13, 2, a) == OK &&
	        se_read_encrypted(&b.se, &with3, 13, 2, got) == OK && memcmp(got, a, 8) == 0 &&
	        memcmp(got + 8, zeros, 24) == 0,
	    "of the last block the 8 bytes that exist");
	done(&b);
}

/* --- PrivWrite --- */

static void test_privwrite(enum emu_family family)
{
	struct se_profile p = profile_of(KEEPS_DIGEST);
	uint8_t scalar[32], want[64], q[64];
	struct p256_key *key = NULL;
	struct bench b;

	memset(scalar, 0x5a, 32);
	must(p256_key_from_scalar(scalar, &key, NULL) == OK, "key");
	p256_key_public(key, want);
	p256_key_free(key);

	half_locked(&b, family, &p);
	ok(se_privwrite(&b.se, NULL, 1, scalar) == OK && se_public(&b.se, 1, q) == OK &&
	        memcmp(q, want, 64) == 0,
	    "%s: before the data lock in the clear, into any private slot",
	    emu_family_name(family));
	ok(refused(&b, se_privwrite(&b.se, NULL, 5, scalar), SE_EXECUTION),
	    "not into one that is not private");
	done(&b);

	locked(&b, family, KEEPS_DIGEST);
	ok(se_privwrite(&b.se, &with3, 0, scalar) == OK && se_public(&b.se, 0, q) == OK &&
	        memcmp(q, want, 64) == 0,
	    "under a session");
	ok(memcmp(b.last + 10, scalar, 32) != 0, "hidden on the bus");
	scalar[5] ^= 1;
	ok(refused(&b, se_privwrite(&b.se, &with_wrong, 0, scalar), SE_MISCOMPARE) &&
	        se_public(&b.se, 0, q) == OK && memcmp(q, want, 64) == 0,
	    "another key does not");
	ok(refused(&b, se_privwrite(&b.se, NULL, 0, scalar), SE_EXECUTION), "nor the clear");
	ok(refused(&b, se_privwrite(&b.se, &with3, 1, scalar), SE_EXECUTION),
	    "WriteConfig forbids");
	ok(refused(&b, se_privwrite(&b.se, &with3, 16, scalar), SE_ARGUMENT) &&
	        refused(&b, se_privwrite(&b.se, &with_16, 0, scalar), SE_ARGUMENT),
	    "no slot 16");
	done(&b);
}

/* --- DeriveKey and HMAC --- */

static void temp_key(struct bench *b, uint8_t temp[32])
{
	uint8_t rand_out[32];

	must(se_nonce(&b->se, num_in, rand_out) == OK, "nonce");
	HASH(temp, SLICE(rand_out), SLICE(num_in), BYTES(0x16, 0, 0));
}

/* Does the slot hold this key? MAC says so without showing it. */
static enum err look(struct bench *b, unsigned slot, const uint8_t key[32])
{
	uint8_t sn[9], want[32], mac[32];
	enum err e = se_serial(&b->se, sn);

	if (e != OK || (e = se_mac(&b->se, 0, slot, zeros, mac)) != OK)
		return e;
	HASH(want, { key, 32 }, ZEROS(32), BYTES(0x08, 0, (uint8_t)slot, 0), ZEROS(11),
	    BYTES(sn[8]), ZEROS(4), BYTES(sn[0], sn[1]), ZEROS(2));
	return memcmp(mac, want, 32) == 0 ? OK : WRONG;
}

static bool holds(struct bench *b, unsigned slot, const uint8_t key[32])
{
	return look(b, slot, key) == OK;
}

static void test_derivekey(enum emu_family family)
{
	uint8_t sn[9], temp[32], key[32], mac[32];
	struct bench b;

	locked(&b, family, KEEPS_DIGEST);
	must(se_serial(&b.se, sn) == OK, "serial number");
	ok(holds(&b, 7, own), "%s: slot 7 before", emu_family_name(family));
	temp_key(&b, temp);
	HASH(key, SLICE(own), BYTES(0x1c, 0, 7, 0, sn[8], sn[0], sn[1]), ZEROS(25), SLICE(temp));
	ok(se_derivekey(&b.se, 0, 7, NULL) == OK && holds(&b, 7, key), "rolled on");
	ok(refused(&b, se_derivekey(&b.se, 0, 7, NULL), SE_EXECUTION), "once for each nonce");

	HASH(mac, SLICE(shared), BYTES(0x1c, 4, 9, 0, sn[8], sn[0], sn[1]));
	HASH(key, SLICE(shared), BYTES(0x1c, 4, 9, 0, sn[8], sn[0], sn[1]), ZEROS(25), SLICE(own));
	ok(se_nonce_load(&b.se, own) == OK && se_derivekey(&b.se, 4, 9, mac) == OK &&
	        holds(&b, 9, key),
	    "a child of slot 3, with its MAC, from the host's TempKey");
	mac[31] ^= 1;
	ok(se_nonce_load(&b.se, zeros) == OK &&
	        refused(&b, se_derivekey(&b.se, 4, 9, mac), SE_MISCOMPARE) && holds(&b, 9, key),
	    "a wrong MAC changes nothing");
	ok(se_nonce_load(&b.se, zeros) == OK &&
	        refused(&b, se_derivekey(&b.se, 4, 9, NULL), SE_EXECUTION) && holds(&b, 9, key),
	    "nor does none");
	ok(se_nonce_load(&b.se, zeros) == OK &&
	        refused(&b, se_derivekey(&b.se, 0, 9, mac), SE_EXECUTION),
	    "TempKey is not from where the mode says");
	temp_key(&b, temp);
	ok(refused(&b, se_derivekey(&b.se, 0, 3, NULL), SE_EXECUTION) &&
	        refused(&b, se_derivekey(&b.se, 0, 16, NULL), SE_ARGUMENT),
	    "slot 3 may not, slot 16 is none");
	done(&b);
}

static void test_hmac_tempkey(void)
{
	uint8_t sn[9], temp[32], inner[64], outer[64], want[32], mac[32];
	struct bench b;

	for (unsigned i = 0; i < 64; i++) {
		inner[i] = (i < 32 ? shared[i] : 0) ^ 0x36;
		outer[i] = (i < 32 ? shared[i] : 0) ^ 0x5c;
	}
	locked(&b, EMU_ATECC508A, KEEPS_DIGEST);
	must(se_serial(&b.se, sn) == OK, "serial number");
	temp_key(&b, temp);
	HASH(want, SLICE(inner), ZEROS(32), SLICE(temp), BYTES(0x11, 0x40, 3, 0), ZEROS(11),
	    BYTES(sn[8], sn[4], sn[5], sn[6], sn[7], sn[0], sn[1], sn[2], sn[3]));
	HASH(want, SLICE(outer), SLICE(want));
	ok(se_hmac_tempkey(&b.se, 0x40, 3, mac) == OK && memcmp(mac, want, 32) == 0,
	    "508A: HMAC with the serial number");
	ok(refused(&b, se_hmac_tempkey(&b.se, 0x40, 3, mac), SE_EXECUTION), "TempKey is used up");
	HASH(want, SLICE(inner), ZEROS(32), SLICE(own), BYTES(0x11, 4, 3, 0), ZEROS(11),
	    BYTES(sn[8]), ZEROS(4), BYTES(sn[0], sn[1]), ZEROS(2));
	HASH(want, SLICE(outer), SLICE(want));
	ok(se_nonce_load(&b.se, own) == OK && se_hmac_tempkey(&b.se, 4, 3, mac) == OK &&
	        memcmp(mac, want, 32) == 0,
	    "with the host's TempKey");
	ok(se_nonce_load(&b.se, own) == OK &&
	        refused(&b, se_hmac_tempkey(&b.se, 4, 0, mac), SE_EXECUTION) &&
	        refused(&b, se_hmac_tempkey(&b.se, 4, 16, mac), SE_ARGUMENT),
	    "no private key, no slot 16");
	done(&b);
	locked(&b, EMU_ATECC608B, KEEPS_DIGEST);
	ok(refused(&b, se_hmac_tempkey(&b.se, 0x40, 3, mac), SE_PARSE), "the 608 has no HMAC");
	done(&b);
}

/* --- AES --- */

static void test_aes(void)
{
	uint8_t fips_in[16], fips_out[16], out[16], plain[16], cipher[16], h[16], c[16], x[16];
	struct bench b;

	/* FIPS 197 appendix C.1; SP 800-38A F.1.1; GCM specification, test case 2. */
	must(hex_decode(TEXT("00112233445566778899aabbccddeeff"), fips_in, 16) == OK &&
	         hex_decode(TEXT("69c4e0d86a7b0430d8cdb78070b4c55a"), fips_out, 16) == OK &&
	         hex_decode(TEXT("6bc1bee22e409f96e93d7e117393172a"), plain, 16) == OK &&
	         hex_decode(TEXT("3ad77bb40d7a3660a89ecaf32466ef97"), cipher, 16) == OK &&
	         hex_decode(TEXT("66e94bd4ef8a2c3b884cfa59ca342b2e"), h, 16) == OK &&
	         hex_decode(TEXT("0388dace60b6a392f328c2b971b2fe78"), c, 16) == OK &&
	         hex_decode(TEXT("5e2ec746917062882c85b0685353deb7"), x, 16) == OK,
	    "vectors");
	locked(&b, EMU_ATECC608A, KEEPS_DIGEST);
	ok(se_aes_encrypt(&b.se, 6, 0, fips_in, out) == OK && memcmp(out, fips_out, 16) == 0,
	    "AES by the first key of slot 6");
	ok(se_aes_decrypt(&b.se, 6, 0, out, out) == OK && memcmp(out, fips_in, 16) == 0, "back");
	ok(se_aes_encrypt(&b.se, 6, 1, plain, out) == OK && memcmp(out, cipher, 16) == 0,
	    "by the second");
	ok(se_nonce_load(&b.se, aes_keys) == OK &&
	        se_aes_decrypt(&b.se, SE_TEMPKEY, 1, cipher, out) == OK &&
	        memcmp(out, plain, 16) == 0,
	    "by TempKey");
	ok(se_aes_gfm(&b.se, h, c, out) == OK && memcmp(out, x, 16) == 0, "a step of GHASH");
	ok(refused(&b, se_aes_encrypt(&b.se, 3, 0, plain, out), SE_EXECUTION),
	    "slot 3 is no AES key");
	ok(refused(&b, se_aes_encrypt(&b.se, 16, 0, plain, out), SE_ARGUMENT) &&
	        refused(&b, se_aes_encrypt(&b.se, 6, 4, plain, out), SE_ARGUMENT),
	    "no slot 16, no fifth key");
	se_close(&b.se);
	ok(refused(&b, se_aes_encrypt(&b.se, SE_TEMPKEY, 0, plain, out), SE_EXECUTION),
	    "sleep takes TempKey");
	done(&b);
	locked(&b, EMU_ATECC508A, KEEPS_DIGEST);
	ok(refused(&b, se_aes_encrypt(&b.se, 6, 0, plain, out), SE_PARSE) &&
	        refused(&b, se_aes_gfm(&b.se, h, c, out), SE_PARSE),
	    "the 508A has no AES");
	done(&b);
}

/* --- KDF --- */

/* The test vector for the PRF of TLS 1.2 with SHA-256 that the IETF's TLS list settled on in 2009. */
static const uint8_t prf_key[32] = { 0x9b, 0xbe, 0x43, 0x6b, 0xa9, 0x40, 0xf0, 0x17, 0xb1, 0x76,
	0x52, 0x84, 0x9a, 0x71, 0xdb, 0x35 };
static const char prf_seed[] = "74657374206c6162656c" /* test label */
                               "a0ba9f936cda311827a6f796ffd5198c";
static const char prf_out[] = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
                              "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab";

static void hmac(const uint8_t key[32], struct slice message, uint8_t out[32])
{
	uint8_t inner[64], outer[64];

	for (unsigned i = 0; i < 64; i++) {
		inner[i] = (i < 32 ? key[i] : 0) ^ 0x36;
		outer[i] = (i < 32 ? key[i] : 0) ^ 0x5c;
	}
	HASH(out, SLICE(inner), message);
	HASH(out, SLICE(outer), { out, 32 });
}

static void test_prf(struct bench *b)
{
	uint8_t seed[26], want[64], out[96], clear[64];
	struct se_kdf kdf = { .algorithm = SE_KDF_PRF,
		.from = SE_KDF_FROM_TEMPKEY,
		.to = SE_KDF_TO_HOST,
		.details = SE_KDF_KEY_16 | SE_KDF_OUT_64,
		.message = SLICE(seed) };

	must(hex_decode(TEXT(prf_seed), seed, 26) == OK &&
	         hex_decode(TEXT(prf_out), want, 64) == OK && se_nonce_load(&b->se, prf_key) == OK,
	    "vector");
	ok(se_kdf_size(&kdf) == 64 && se_kdf(&b->se, &kdf, out) == OK && memcmp(out, want, 64) == 0,
	    "the PRF of TLS 1.2");
	kdf.to = SE_KDF_TO_HOST_SEALED;
	ok(se_kdf_size(&kdf) == 96 && se_kdf(&b->se, &kdf, out) == OK && memcmp(out, want, 64) != 0,
	    "the same, hidden");
	se_io_open(io_key, out, 64, clear);
	ok(memcmp(clear, want, 64) == 0, "the IO protection key opens it");
	se_io_open(shared, out, 64, clear);
	ok(memcmp(clear, want, 64) != 0, "another does not");
	kdf.to = SE_KDF_TO_SLOT;
	kdf.to_slot = 14;
	ok(se_kdf_size(&kdf) == 0 && se_kdf(&b->se, &kdf, NULL) == OK &&
	        se_slot_read(&b->se, 14, 0, out, 64) == OK && memcmp(out, want, 64) == 0,
	    "into slot 14");
	kdf.details |= SE_KDF_AEAD;
	ok(se_kdf_size(&kdf) == 32 && se_kdf(&b->se, &kdf, out) == OK &&
	        memcmp(out, want + 32, 32) == 0,
	    "with AEAD the second half comes out");
	ok(refused(b, se_kdf(&b->se, &kdf, NULL), SE_ARGUMENT), "and needs room");
	kdf.to_slot = 3;
	ok(refused(b, se_kdf(&b->se, &kdf, out), SE_EXECUTION), "slot 3 is never written");
}

static void test_hkdf(struct bench *b)
{
	uint8_t message[SE_KDF_MESSAGE_MAX + 1], want[32], out[32], block[16], cipher[16];
	struct se_kdf kdf = { .algorithm = SE_KDF_HKDF,
		.from = SE_KDF_FROM_SLOT,
		.to = SE_KDF_TO_HOST,
		.from_slot = 3,
		.details = SE_KDF_MESSAGE_HERE,
		.message = { message, SE_KDF_MESSAGE_MAX } };

	for (unsigned i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 5);
	hmac(shared, kdf.message, want);
	ok(se_kdf(&b->se, &kdf, out) == OK && memcmp(out, want, 32) == 0,
	    "HKDF by slot 3 over 128 bytes");
	kdf.message.n++;
	ok(refused(b, se_kdf(&b->se, &kdf, out), SE_ARGUMENT), "129 are too many");
	kdf.message.n = 40;
	kdf.details |= SE_KDF_ZERO_KEY;
	hmac(zeros, kdf.message, want);
	ok(se_kdf(&b->se, &kdf, out) == OK && memcmp(out, want, 32) == 0, "HKDF by zeros");
	kdf.details = SE_KDF_MESSAGE_IN_SLOT | 4u << 8;
	kdf.message.n = 32;
	hmac(shared, SLICE(io_key), want);
	ok(se_kdf(&b->se, &kdf, out) == OK && memcmp(out, want, 32) == 0,
	    "HKDF over a slot that nobody reads");
	kdf.to = SE_KDF_TO_ALTERNATE;
	ok(se_kdf(&b->se, &kdf, NULL) == OK, "into the alternate key buffer");
	kdf = (struct se_kdf){ .algorithm = SE_KDF_AES,
		.from = SE_KDF_FROM_SLOT,
		.to = SE_KDF_TO_HOST,
		.from_slot = 6,
		.details = 1,
		.message = SLICE(block) };
	must(hex_decode(TEXT("6bc1bee22e409f96e93d7e117393172a"), block, 16) == OK &&
	         hex_decode(TEXT("3ad77bb40d7a3660a89ecaf32466ef97"), cipher, 16) == OK,
	    "SP 800-38A F.1.1");
	ok(se_kdf(&b->se, &kdf, out) == OK && memcmp(out, cipher, 16) == 0 &&
	        memcmp(out + 16, zeros, 16) == 0,
	    "AES by the second key of slot 6");
	kdf.from_slot = 16;
	ok(refused(b, se_kdf(&b->se, &kdf, out), SE_ARGUMENT), "no slot 16");
	kdf.from = SE_KDF_FROM_ALTERNATE;
	kdf.from_slot = 0;
	se_close(&b->se);
	ok(refused(b, se_kdf(&b->se, &kdf, out), SE_EXECUTION),
	    "sleep takes the alternate key buffer");
}

static void test_kdf(void)
{
	struct se_kdf kdf = { .algorithm = SE_KDF_HKDF, .to = SE_KDF_TO_HOST, .details = 2 };
	uint8_t out[32];
	struct bench b;

	locked(&b, EMU_ATECC608B, KEEPS_DIGEST);
	test_prf(&b);
	test_hkdf(&b);
	done(&b);
	locked(&b, EMU_ATECC508A, KEEPS_DIGEST);
	ok(refused(&b, se_kdf(&b.se, &kdf, out), SE_PARSE), "the 508A has no KDF");
	done(&b);
}

/* --- answers under the IO protection key, and keys in TempKey --- */

static void test_sealed(void)
{
	uint8_t chip_q[64], q[64], digest[32] = { 0x99 }, sig[64], here[32], there[32], nonce[32];
	struct p256_key *key = NULL;
	struct bench b;

	must(p256_key_from_scalar(boot_scalar, &key, NULL) == OK &&
	         p256_sign(key, digest, sig) == OK,
	    "key");
	p256_key_public(key, q);
	memset(nonce, 0x4e, 32);
	locked(&b, EMU_ATECC608B, KEEPS_DIGEST);
	ok(se_genkey(&b.se, 1, chip_q) == OK && p256_ecdh(key, chip_q, here) == OK &&
	        se_ecdh_sealed(&b.se, 1, q, io_key, there) == OK && memcmp(here, there, 32) == 0,
	    "a secret that both sides have, hidden on the bus");
	ok(se_ecdh_sealed(&b.se, 1, q, shared, there) == OK && memcmp(here, there, 32) != 0,
	    "another IO protection key opens noise");
	ok(se_genkey_ephemeral(&b.se, chip_q) == OK && p256_ecdh(key, chip_q, here) == OK &&
	        se_ecdh_ephemeral(&b.se, q, there) == OK && memcmp(here, there, 32) == 0,
	    "a key for one agreement");
	se_close(&b.se);
	ok(refused(&b, se_ecdh_ephemeral(&b.se, q, there), SE_EXECUTION), "gone with Sleep");
	ok(se_verify_sealed(&b.se, io_key, nonce, q, digest, sig) == OK, "a signature verifies");
	ok(refused(&b, se_verify_sealed(&b.se, shared, nonce, q, digest, sig), SE_MISCOMPARE),
	    "the answer of a chip with another key is none");
	b.forge = 35;
	ok(refused(&b, se_verify_sealed(&b.se, io_key, nonce, q, digest, sig), SE_MISCOMPARE),
	    "nor is one that somebody changed on the way");
	b.forge = 0;
	digest[0] ^= 1;
	ok(refused(&b, se_verify_sealed(&b.se, io_key, nonce, q, digest, sig), SE_MISCOMPARE),
	    "another message");
	q[0] ^= 1;
	ok(refused(&b, se_verify_sealed(&b.se, io_key, nonce, q, digest, sig), SE_EXECUTION) &&
	        refused(&b, se_ecdh_sealed(&b.se, 16, q, io_key, there), SE_ARGUMENT),
	    "a point off the curve, no slot 16");
	done(&b);
	locked(&b, EMU_ATECC508A, KEEPS_DIGEST);
	ok(refused(&b, se_ecdh_sealed(&b.se, 1, q, io_key, there), SE_PARSE) &&
	        refused(&b, se_verify_sealed(&b.se, io_key, nonce, q, digest, sig), SE_PARSE) &&
	        refused(&b, se_genkey_ephemeral(&b.se, chip_q), SE_PARSE) &&
	        refused(&b, se_ecdh_ephemeral(&b.se, q, there), SE_PARSE),
	    "the 508A has none of it");
	done(&b);
	p256_key_free(key);
}

/* --- public keys that another must sign for --- */

static void put_public(struct bench *b, unsigned slot, const uint8_t q[64])
{
	uint8_t stored[72] = { 0 };

	memcpy(stored + 4, q, 32);
	memcpy(stored + 40, q + 32, 32);
	must(se_slot_write(&b->se, slot, 0, SLICE(stored)) == OK, "public key");
}

static void test_validate(enum emu_family family)
{
	uint8_t digest[32] = { 0x77 }, parent[64], q[64], sig[64], nonce[32] = { 5 };
	struct se_validation yes, no, other;
	struct bench b;

	boot_key(q, digest, sig);
	locked(&b, family, KEEPS_DIGEST);
	must(se_genkey(&b.se, 1, parent) == OK, "parent");
	put_public(&b, 12, parent);
	put_public(&b, 15, q);
	ok(refused(&b, se_verify_stored(&b.se, 15, digest, sig), SE_EXECUTION),
	    "%s: nobody has signed for the key in slot 15", emu_family_name(family));
	ok(se_validation_make(&b.se, 15, 1, true, nonce, &yes) == OK, "its parent does");
	other = yes;
	other.sig[9] ^= 1;
	ok(refused(&b, se_validate(&b.se, 15, true, &other), SE_MISCOMPARE), "not so");
	other = yes;
	other.nonce[0] ^= 1;
	ok(refused(&b, se_validate(&b.se, 15, true, &other), SE_MISCOMPARE), "not for this");
	ok(se_validate(&b.se, 15, true, &yes) == OK &&
	        se_verify_stored(&b.se, 15, digest, sig) == OK,
	    "valid, and it verifies");
	ok(refused(&b, se_validate(&b.se, 15, false, &yes), SE_EXECUTION) &&
	        se_verify_stored(&b.se, 15, digest, sig) == OK,
	    "what made it valid does not make it invalid");
	ok(se_validation_make(&b.se, 15, 1, false, nonce, &no) == OK &&
	        se_validate(&b.se, 15, false, &no) == OK &&
	        refused(&b, se_verify_stored(&b.se, 15, digest, sig), SE_EXECUTION),
	    "its parent takes it back");
	ok(refused(&b, se_validation_make(&b.se, 15, 0, true, nonce, &no), SE_EXECUTION) &&
	        refused(&b, se_validation_make(&b.se, 7, 1, true, nonce, &no), SE_ARGUMENT) &&
	        refused(&b, se_validation_make(&b.se, 15, 16, true, nonce, &no), SE_ARGUMENT) &&
	        refused(&b, se_validate(&b.se, 7, true, &yes), SE_ARGUMENT) &&
	        refused(&b, se_validate(&b.se, 16, true, &yes), SE_ARGUMENT),
	    "slot 0 signs nothing internal, slot 7 holds no public key, there is no slot 16");
	done(&b);
}

/* --- SecureBoot --- */

static void test_secureboot(uint8_t keeps)
{
	static const struct se_boot_io io = { io_key, num_in }, wrong_io = { shared, num_in };
	const uint8_t *kept = NULL;
	uint8_t digest[32], other[32], q[64], sig[64];
	struct bench b;

	memset(digest, 0xd1, 32);
	memset(other, 0xd2, 32);
	boot_key(q, digest, sig);
	if (keeps == KEEPS_SIGNATURE)
		kept = sig;
	locked(&b, EMU_ATECC608B, keeps);
	for (const struct se_boot_io *with = NULL;; with = &io) {
		const char *how = with ? "with its MAC" : "in the clear";

		ok(se_secureboot(&b.se, with, SE_BOOT_FULL, digest, sig) == OK,
		    "signed firmware, %s", how);
		ok(refused(&b, se_secureboot(&b.se, with, SE_BOOT_FULL, other, sig), SE_MISCOMPARE),
		    "other firmware");
		ok(se_secureboot(&b.se, with, SE_BOOT_COPY, digest, sig) == OK &&
		        se_secureboot(&b.se, with, SE_BOOT_STORED, digest, kept) == OK,
		    "kept, and then known again");
		ok(refused(
		       &b, se_secureboot(&b.se, with, SE_BOOT_STORED, other, kept), SE_MISCOMPARE),
		    "other firmware is not");
		if (with)
			break;
	}
	ok(refused(&b, se_secureboot(&b.se, &wrong_io, SE_BOOT_FULL, digest, sig), SE_MISCOMPARE),
	    "the wrong IO protection key");
	b.forge = 35;
	ok(refused(&b, se_secureboot(&b.se, &io, SE_BOOT_FULL, digest, sig), SE_MISCOMPARE),
	    "an answer that somebody changed on the way");
	b.forge = 0;
	ok(refused(&b, se_secureboot(&b.se, NULL, SE_BOOT_FULL, digest, NULL), SE_ARGUMENT) &&
	        refused(&b, se_secureboot(&b.se, NULL, (enum se_boot_mode)4, digest, sig),
	            SE_ARGUMENT) &&
	        refused(
	            &b, se_secureboot(&b.se, NULL, (enum se_boot_mode)8, digest, sig), SE_ARGUMENT),
	    "no signature, no such mode");
	done(&b);
}

static void test_secureboot_off(void)
{
	uint8_t digest[32] = { 1 }, q[64], sig[64];
	struct bench b;

	boot_key(q, digest, sig);
	locked(&b, EMU_ATECC608A, 0);
	ok(refused(&b, se_secureboot(&b.se, NULL, SE_BOOT_FULL, digest, sig), SE_EXECUTION),
	    "secure boot that the configuration leaves off");
	done(&b);
	locked(&b, EMU_ATECC508A, KEEPS_DIGEST);
	ok(refused(&b, se_secureboot(&b.se, NULL, SE_BOOT_FULL, digest, sig), SE_PARSE),
	    "the 508A has none");
	done(&b);
}

/* --- SelfTest and Pause --- */

static void test_selftest(void)
{
	uint8_t failed = 0x55;
	struct bench b;

	locked(&b, EMU_ATECC608B, KEEPS_DIGEST);
	ok(se_selftest(&b.se, SE_TEST_ALL, &failed) == OK && failed == 0x55, "all tests pass");
	ok(refused(&b, se_selftest(&b.se, 0, &failed), SE_ARGUMENT) &&
	        refused(&b, se_selftest(&b.se, 0x04, &failed), SE_ARGUMENT),
	    "no tests, no such test");
	b.status = SE_TEST_AES | SE_TEST_RNG; /* 11, which elsewhere is a reset */
	ok(refused(&b, se_selftest(&b.se, SE_TEST_ALL, &failed), SE_SELF_TEST) && failed == 0x11,
	    "AES and RNG failed");
	b.status = SE_TEST_ECDSA | SE_TEST_RNG;
	ok(refused(&b, se_selftest(&b.se, SE_TEST_AES, &failed), SE_PARSE) && failed == 0x11,
	    "tests that were not asked for did not fail");
	b.status = 0xff;
	ok(se_selftest(&b.se, SE_TEST_ALL, &failed) == ERR_CRC && b.se.fault == SE_SENT_CRC,
	    "nor did they when the chip understood nothing");
	done(&b);
	locked(&b, EMU_ATECC508A, KEEPS_DIGEST);
	b.transfers = 0;
	ok(refused(&b, se_selftest(&b.se, SE_TEST_ALL, &failed), SE_PARSE) && b.transfers == 0,
	    "the 508A has no tests");
	done(&b);
}

static void test_pause(void)
{
	struct bench b;
	bool stays = false;
	uint8_t sn[9];

	locked(&b, EMU_ATECC508A, KEEPS_DIGEST);
	ok(se_pause(&b.se, 0, &stays) == OK && stays, "the chip whose Selector it is");
	ok(emu_i2c_write(b.emu, ADDRESS, NULL, 0) == EMU_ACK, "is awake");
	ok(se_serial(&b.se, sn) == OK, "and goes on");
	ok(se_pause(&b.se, 7, &stays) == OK && !stays, "another one");
	ok(emu_i2c_write(b.emu, ADDRESS, NULL, 0) != EMU_ACK, "is idle");
	ok(se_serial(&b.se, sn) == OK, "until the next wake");
	done(&b);
	locked(&b, EMU_ATECC608B, KEEPS_DIGEST);
	ok(refused(&b, se_pause(&b.se, 0, &stays), SE_PARSE), "the 608 has no Pause");
	ok(emu_i2c_write(b.emu, ADDRESS, NULL, 0) != EMU_ACK, "and is idle");
	done(&b);
}

/* --- power goes before the n-th transfer; then the call is made again, and all is as it should be --- */

static enum err do_read(struct bench *b)
{
	uint8_t out[32];
	enum err e = se_read_encrypted(&b->se, &with3, 5, 0, out);

	return e == OK && memcmp(out, own, 32) != 0 ? WRONG : e;
}

static enum err do_write(struct bench *b)
{
	enum err e = se_write_encrypted(&b->se, &with3, 5, 0, own);

	return e == OK ? do_read(b) : e;
}

static enum err do_privwrite(struct bench *b)
{
	enum err e = se_privwrite(&b->se, &with3, 0, boot_scalar);
	uint8_t q[64] = { 0 }, want[64];

	if (e == OK)
		e = se_public(&b->se, 0, q);
	boot_key(want, NULL, NULL);
	return e == OK && memcmp(q, want, 64) != 0 ? WRONG : e;
}

static enum err do_derive(struct bench *b)
{
	uint8_t sn[9], mac[32];
	enum err e = se_serial(&b->se, sn);

	HASH(mac, SLICE(shared), BYTES(0x1c, 4, 9, 0, sn[8], sn[0], sn[1]));
	if (e == OK && (e = se_nonce_load(&b->se, own)) == OK)
		e = se_derivekey(&b->se, 4, 9, mac);
	HASH(mac, SLICE(shared), BYTES(0x1c, 4, 9, 0, sn[8], sn[0], sn[1]), ZEROS(25), SLICE(own));
	return e == OK ? look(b, 9, mac) : e;
}

static enum err do_boot(struct bench *b)
{
	static const struct se_boot_io io = { io_key, num_in };
	uint8_t digest[32] = { 9 }, q[64], sig[64];
	enum err e;

	boot_key(q, digest, sig);
	if ((e = se_secureboot(&b->se, &io, SE_BOOT_COPY, digest, sig)) != OK)
		return e;
	return se_secureboot(&b->se, &io, SE_BOOT_STORED, digest, NULL);
}

static enum err do_aes(struct bench *b)
{
	uint8_t out[16];
	enum err e = se_aes_encrypt(&b->se, 6, 1, own, out);

	if (e == OK)
		e = se_aes_decrypt(&b->se, 6, 1, out, out);
	return e == OK && memcmp(out, own, 16) != 0 ? WRONG : e;
}

static enum err do_kdf(struct bench *b)
{
	struct se_kdf kdf = { .algorithm = SE_KDF_HKDF,
		.from = SE_KDF_FROM_SLOT,
		.to = SE_KDF_TO_HOST,
		.from_slot = 3,
		.details = SE_KDF_MESSAGE_HERE,
		.message = SLICE(own) };
	uint8_t out[32], want[32];
	enum err e = se_kdf(&b->se, &kdf, out);

	hmac(shared, SLICE(own), want);
	return e == OK && memcmp(out, want, 32) != 0 ? WRONG : e;
}

static enum err do_verify(struct bench *b)
{
	uint8_t digest[32] = { 3 }, q[64], sig[64];

	boot_key(q, digest, sig);
	return se_verify_sealed(&b->se, io_key, own, q, digest, sig);
}

static enum err do_ephemeral(struct bench *b)
{
	uint8_t q[64], theirs[64], here[32], there[32];
	struct p256_key *key = NULL;
	enum err e = se_genkey_ephemeral(&b->se, q);

	must(p256_key_from_scalar(boot_scalar, &key, NULL) == OK, "key");
	p256_key_public(key, theirs);
	if (e == OK && (e = se_ecdh_ephemeral(&b->se, theirs, there)) == OK)
		e = p256_ecdh(key, q, here) == OK && memcmp(here, there, 32) == 0 ? OK : WRONG;
	p256_key_free(key);
	return e;
}

static enum err put_key(struct bench *b, unsigned slot, const uint8_t q[64])
{
	uint8_t stored[72] = { 0 };

	memcpy(stored + 4, q, 32);
	memcpy(stored + 40, q + 32, 32);
	return se_slot_write(&b->se, slot, 0, SLICE(stored));
}

static enum err make_it(struct bench *b, bool valid)
{
	struct se_validation v;
	enum err e = se_validation_make(&b->se, 15, 1, valid, own, &v);

	return e == OK ? se_validate(&b->se, 15, valid, &v) : e;
}

/* Begins with what an interrupted one may have left: a valid key, which the slot keeps. */
static enum err do_validate(struct bench *b)
{
	uint8_t parent[64], q[64];
	enum err e;

	boot_key(q, NULL, NULL);
	if ((e = se_genkey(&b->se, 1, parent)) != OK || (e = put_key(b, 12, parent)) != OK ||
	    (e = make_it(b, false)) != OK || (e = put_key(b, 15, q)) != OK)
		return e;
	return make_it(b, true);
}

static enum err do_selftest(struct bench *b)
{
	uint8_t failed = 0;

	return se_selftest(&b->se, SE_TEST_ALL, &failed);
}

static const struct call {
	const char *name;
	enum err (*run)(struct bench *b);
} calls[] = {
	{ "Write encrypted, and Read", do_write },
	{ "PrivWrite", do_privwrite },
	{ "Nonce and DeriveKey", do_derive },
	{ "SecureBoot", do_boot },
	{ "AES", do_aes },
	{ "KDF", do_kdf },
	{ "Verify with its MAC", do_verify },
	{ "a key for one agreement", do_ephemeral },
	{ "validation", do_validate },
	{ "SelfTest", do_selftest },
};

static void sweep(const struct call *call)
{
	unsigned wrong = 0, failed = 0, n = 0;
	struct bench b;

	locked(&b, EMU_ATECC608B, KEEPS_DIGEST);
	for (;; n++) {
		enum err e;

		b.transfers = 0;
		b.cut = n;
		e = call->run(&b);
		if (b.transfers <= n)
			break;
		failed += e != OK;
		b.cut = NEVER;
		/* An answer that power took is asked for again by the caller, not by the call. */
		wrong += e == WRONG || call->run(&b) != OK ||
		         emu_i2c_write(b.emu, ADDRESS, NULL, 0) == EMU_ACK;
	}
	ok(wrong == 0 && n > 4, "%s: power cut at each of %u transfers, %u failures said so",
	    call->name, n, failed);
	done(&b);
}

int main(void)
{
	static const enum emu_family families[] = { EMU_ATECC508A, EMU_ATECC608A, EMU_ATECC608B };

	must(p256_new(&p256, NULL) == OK, "P-256");
	for (size_t i = 0; i < COUNT(families); i++) {
		test_encrypted(families[i]);
		test_privwrite(families[i]);
		test_derivekey(families[i]);
		test_validate(families[i]);
	}
	test_hmac_tempkey();
	test_aes();
	test_kdf();
	test_sealed();
	test_secureboot(KEEPS_SIGNATURE);
	test_secureboot(KEEPS_DIGEST);
	test_secureboot_off();
	test_selftest();
	test_pause();
	for (size_t i = 0; i < COUNT(calls); i++)
		sweep(&calls[i]);
	p256_free(p256);
	return done_testing();
}
