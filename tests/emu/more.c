/*
 * The driver's other commands against the emulated chip; what the chip computes is computed again
 * here, by OpenSSL and our own SHA-256, from the layouts in the data sheet.
 */
#include "emu.h"
#include "jose.h"
#include "p256.h"
#include "se.h"
#include "se_more.h"
#include "se_profile.h"
#include "se_split.h"
#include "sha256.h"
#include "tap.h"

#include <stdlib.h>

#define ADDRESS 0x60

static struct p256 *p256;

/* --- a bus that counts transfers, loses power before one of them, and has a small buffer --- */

struct wire {
	struct se_hal hal;
	struct emu *emu;
	unsigned transfers, cut;
	size_t largest;
};
#define NEVER 0xffffffffu

static void transfer(struct wire *w)
{
	if (w->transfers++ == w->cut)
		emu_power_cycle(w->emu);
}

static enum err wire_wake(void *ctx)
{
	struct wire *w = ctx;

	transfer(w);
	emu_i2c_write(w->emu, 0, (const uint8_t *)"", 1);
	return OK;
}

static enum err wire_send(void *ctx, const uint8_t *p, size_t n)
{
	struct wire *w = ctx;

	transfer(w);
	return emu_i2c_write(w->emu, ADDRESS, p, n) == EMU_ACK ? OK : ERR_TIMEOUT;
}

static enum err wire_recv(void *ctx, uint8_t *p, size_t n)
{
	struct wire *w = ctx;

	transfer(w);
	if (n > w->largest)
		w->largest = n;
	return emu_i2c_read(w->emu, ADDRESS, p, n) == EMU_ACK ? OK : ERR_TIMEOUT;
}

static void wire_wait_ms(void *ctx, uint32_t ms)
{
	struct wire *w = ctx;

	emu_advance(w->emu, ms * 1000);
}

static struct wire wire_to(struct emu *emu)
{
	return (struct wire){ .hal = { NULL, wire_wake, wire_send, wire_recv, wire_wait_ms },
		.emu = emu,
		.cut = NEVER };
}

struct bench {
	struct emu *emu;
	struct wire wire;
	struct se se;
};

static void blank(struct bench *b, enum emu_family family, const uint8_t *config)
{
	struct emu_options o = {
		.family = family, .timing = EMU_TYPICAL, .virtual_time = true, .config = config
	};

	b->emu = NULL;
	if (emu_open(NULL, &o, &b->emu, NULL) != OK) {
		printf("Bail out! no chip\n");
		exit(1);
	}
	b->wire = wire_to(b->emu);
	b->wire.hal.ctx = &b->wire;
	if (se_open(&b->se, &b->wire.hal) != OK) {
		printf("Bail out! the chip does not answer\n");
		exit(1);
	}
}

static bool locked(struct bench *b, enum emu_family family, const struct se_profile *profile)
{
	blank(b, family, NULL);
	return ok(se_lock(&b->se, profile) == OK, "%s, locked as %s", emu_family_name(family),
	    profile->name);
}

static void done(struct bench *b)
{
	se_close(&b->se);
	emu_free(b->emu);
}

static const enum emu_family families[] = { EMU_ATECC508A, EMU_ATECC608A, EMU_ATECC608B };

/* SHA-256 over parts, the last of which has no bytes. */
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

/* --- counters and the bytes that change once --- */

static void test_counters(enum emu_family family)
{
	struct bench b;
	uint32_t value = 99;

	if (!locked(&b, family, &se_profile_attestation))
		return;
	ok(se_counter_read(&b.se, 0, &value) == OK && value == 0, "a new counter is 0");
	for (unsigned i = 1; i < 70; i++)
		if (se_counter_increment(&b.se, 1, &value) != OK || value != i)
			break;
	ok(value == 69 && se_counter_read(&b.se, 1, &value) == OK && value == 69, "counts to 69");
	ok(se_counter_read(&b.se, 0, &value) == OK && value == 0, "alone");
	ok(se_counter_increment(&b.se, 0, NULL) == OK && se_counter_read(&b.se, 0, &value) == OK &&
	        value == 1,
	    "the value need not be wanted");
	ok(se_counter_read(&b.se, 2, &value) == ERR_ARG && b.se.fault == SE_ARGUMENT, "no third");
	ok(se_update_extra(&b.se, 0, 0x5a) == OK && se_update_extra(&b.se, 0, 1) == ERR_DEVICE &&
	        b.se.fault == SE_EXECUTION && se_update_extra(&b.se, 2, 1) == ERR_ARG,
	    "UserExtra is written once");
	done(&b);
}

static void test_counter_end(void)
{
	/* 2097151: 31 linear bits of either kind are used up, both binary words are at their end. */
	static const uint8_t last[8] = { 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff };
	struct se_profile profile = se_profile_attestation;
	struct bench b;
	uint32_t value = 0;

	memcpy(profile.config + 60, last, 8);
	if (!locked(&b, EMU_ATECC608B, &profile))
		return;
	ok(se_counter_read(&b.se, 1, &value) == OK && value > 2097100, "near the end: %u",
	    (unsigned)value);
	while (se_counter_increment(&b.se, 1, &value) == OK)
		;
	ok(b.se.fault == SE_EXECUTION && value == 2097151, "ends at %u", (unsigned)value);
	done(&b);
}

/* --- verification and key agreement --- */

static struct p256_key *host_key(uint8_t q[64])
{
	struct p256_key *key = NULL;

	if (p256_key_generate(&key, NULL) != OK)
		exit(1);
	p256_key_public(key, q);
	return key;
}

static void test_verify(enum emu_family family)
{
	static const uint8_t digest[32] = "whatever was said and is hashed";
	struct se_profile profile = se_profile_attestation;
	uint8_t q[64], sig[64], wrong[64], stored[72] = { 0 };
	struct p256_key *key = host_key(q);
	struct bench b;

	profile.config[96 + 2 * 9] = 0x30; /* slot 9: a public key */
	if (!locked(&b, family, &profile) || p256_sign(key, digest, sig) != OK)
		goto out;
	memcpy(wrong, sig, 64);
	wrong[63] ^= 1;
	ok(se_verify(&b.se, q, digest, sig) == OK, "a signature verifies");
	ok(se_verify(&b.se, q, digest, wrong) == ERR_DENIED && b.se.fault == SE_MISCOMPARE,
	    "another does not");
	wrong[0] = 0xff;
	ok(se_verify(&b.se, wrong, digest, sig) == ERR_DEVICE && b.se.fault == SE_EXECUTION,
	    "a point off the curve is no key");
	memcpy(stored + 4, q, 32);
	memcpy(stored + 40, q + 32, 32);
	ok(se_slot_write(&b.se, 9, 0, SLICE(stored)) == OK &&
	        se_verify_stored(&b.se, 9, digest, sig) == OK,
	    "with the key in slot 9");
	sig[40] ^= 4;
	ok(se_verify_stored(&b.se, 9, digest, sig) == ERR_DENIED, "and the wrong signature");
	ok(se_verify_stored(&b.se, 7, digest, sig) == ERR_ARG &&
	        se_verify_stored(&b.se, 16, digest, sig) == ERR_ARG,
	    "public keys are in slots 8 to 15");
out:
	p256_key_free(key);
	done(&b);
}

static void test_ecdh(enum emu_family family)
{
	uint8_t q[64], chip_q[64], here[32], there[32];
	struct p256_key *key = host_key(q);
	struct bench b;

	if (!locked(&b, family, &se_profile_attestation))
		goto out;
	ok(se_genkey(&b.se, 2, chip_q) == OK && se_ecdh(&b.se, 2, q, there) == OK &&
	        p256_ecdh(key, chip_q, here) == OK && memcmp(here, there, 32) == 0,
	    "both sides have the same secret");
	ok(se_genkey(&b.se, 0, chip_q) == OK && se_ecdh(&b.se, 0, q, there) == ERR_DEVICE &&
	        b.se.fault == SE_EXECUTION,
	    "slot 0 may not");
	q[5] ^= 1;
	ok(se_ecdh(&b.se, 2, q, there) == ERR_DEVICE, "a point off the curve");
	ok(se_ecdh(&b.se, 16, q, there) == ERR_ARG, "no slot 16");
out:
	p256_key_free(key);
	done(&b);
}

static void test_ecdh_to_slot(void)
{
	struct se_profile profile = se_profile_attestation;
	uint8_t q[64];
	struct p256_key *key = host_key(q);
	struct bench b;

	profile.config[20 + 2 * 4] = 0x8d; /* slot 4: the result goes to slot 5 */
	if (locked(&b, EMU_ATECC508A, &profile))
		ok(se_genkey(&b.se, 4, NULL) == OK && se_ecdh(&b.se, 4, q, NULL) == OK,
		    "a secret that stays inside");
	p256_key_free(key);
	done(&b);
}

/* --- statements --- */

/* The layout of the internal message, from the table of Sign. */
static void message_digest(struct se *se, const uint8_t temp[32], const uint8_t slot_config[2],
    const uint8_t key_config[2], uint8_t flags, uint8_t by, bool frozen, uint8_t out[32])
{
	uint8_t sn[9];

	if (se_serial(se, sn) != OK)
		exit(1);
	HASH(out, { temp, 32 }, BYTES(0x41, 0x40, by, 0), { slot_config, 2 }, { key_config, 2 },
	    BYTES(flags, 0, 0, sn[8], sn[4], sn[5], sn[6], sn[7], sn[0], sn[1], sn[2], sn[3],
	        frozen ? 0 : 1, 0, 0));
}

static const uint8_t challenge[20] = { 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77 };

static bool statement_holds(struct bench *b, const struct se_profile *profile,
    const struct se_statement *s, const uint8_t by_q[64], bool frozen)
{
	uint8_t sn[9], temp[32], digest[32];

	if (se_serial(&b->se, sn) != OK)
		return false;
	HASH(temp, SLICE(s->rand_out), SLICE(challenge), BYTES(0x16, 0, 0));
	HASH(temp, SLICE(temp), BYTES(0x40, s->mode, 0, 0, sn[8], sn[0], sn[1]), ZEROS(25),
	    SLICE(s->q));
	message_digest(
	    &b->se, temp, profile->config + 20, profile->config + 96, 0x40, 1, frozen, digest);
	return p256_verify(p256, by_q, digest, s->sig) == OK;
}

static void test_attest(enum emu_family family)
{
	const struct se_profile *p = &se_profile_attestation;
	uint8_t by_q[64], q[64], sig[64];
	struct se_statement s = { .mode = 0x55 };
	struct bench b;

	if (!locked(&b, family, p))
		return;
	ok(se_public(&b.se, 1, by_q) == OK && p256_point_check(p256, by_q) == OK,
	    "locking made the attestation key");
	ok(se_attest(&b.se, 0, 1, false, challenge, &s) == ERR_DEVICE && b.se.fault == SE_ECC &&
	        s.mode == 0x55,
	    "nothing to say about a slot without a key");
	ok(se_attest(&b.se, 0, 1, true, challenge, &s) == OK && s.mode == 0x0c &&
	        se_public(&b.se, 0, q) == OK && memcmp(q, s.q, 64) == 0,
	    "a key made now");
	ok(statement_holds(&b, p, &s, by_q, false), "its statement verifies");
	ok(!statement_holds(&b, &se_profile_arduino, &s, by_q, false),
	    "not as one about another SlotConfig");
	s.q[0] ^= 1;
	ok(!statement_holds(&b, p, &s, by_q, false), "not about another key");
	ok(se_attest(&b.se, 0, 1, false, challenge, &s) == OK && s.mode == 0x08 &&
	        memcmp(q, s.q, 64) == 0 && statement_holds(&b, p, &s, by_q, false),
	    "a key that was there");
	ok(se_lock_slot(&b.se, 0, SLICE(q)) == OK &&
	        se_attest(&b.se, 0, 1, false, challenge, &s) == OK &&
	        statement_holds(&b, p, &s, by_q, true),
	    "frozen, and the statement says so");
	ok(se_attest(&b.se, 0, 1, true, challenge, &s) == ERR_DEVICE && b.se.fault == SE_EXECUTION,
	    "no new key in a frozen slot");
	ok(se_sign(&b.se, 1, q, sig) == ERR_DEVICE && b.se.fault == SE_EXECUTION,
	    "slot 1 signs no digests");
	ok(se_attest(&b.se, 0, 0, false, challenge, &s) == ERR_DEVICE && b.se.fault == SE_EXECUTION,
	    "slot 0 signs nothing internal");
	ok(se_genkey(&b.se, 1, q) == ERR_DEVICE && se_public(&b.se, 1, q) == OK &&
	        memcmp(q, by_q, 64) == 0,
	    "slot 1 keeps its key");
	ok(se_attest(&b.se, 16, 1, false, challenge, &s) == ERR_ARG &&
	        se_attest(&b.se, 0, 16, false, challenge, &s) == ERR_ARG,
	    "no slot 16");
	done(&b);
}

static void test_attest_config(enum emu_family family)
{
	const struct se_profile *p = &se_profile_attestation;
	uint8_t by_q[64], sn[9], temp[32], digest[32], config[SE_CONFIG_SIZE];
	struct se_config_statement s;
	struct bench b;

	if (!locked(&b, family, p))
		return;
	ok(se_public(&b.se, 1, by_q) == OK && se_serial(&b.se, sn) == OK &&
	        se_config_read(&b.se, config) == OK,
	    "who speaks");
	for (uint8_t block = 0; block < 4; block++) {
		ok(se_attest_config(&b.se, block, 1, challenge, &s) == OK &&
		        memcmp(s.block, config + 32 * block, 32) == 0,
		    "block %u", block);
		HASH(temp, SLICE(s.rand_out), SLICE(challenge), BYTES(0x16, 0, 0));
		HASH(temp, SLICE(s.block), BYTES(0x15, 0, block, 0, sn[8], sn[0], sn[1]), ZEROS(25),
		    SLICE(temp));
		message_digest(&b.se, temp, p->config + 20, p->config + 96, 0, 1, false, digest);
		ok(p256_verify(p256, by_q, digest, s.sig) == OK, "its statement verifies");
	}
	ok(se_attest_config(&b.se, 4, 1, challenge, &s) == ERR_ARG &&
	        se_attest_config(&b.se, 0, 16, challenge, &s) == ERR_ARG,
	    "no block 4, no slot 16");
	done(&b);
}

/* --- shared secrets --- */

static const uint8_t secret[32] = "thirty-two bytes that both know";

static void test_mac(struct bench *b)
{
	uint8_t sn[9], want[32], mac[32], rand_out[32], temp[32], other[13] = { 8, 0, 9, 0 };

	if (!ok(se_serial(&b->se, sn) == OK, "serial number"))
		return;
	HASH(want, SLICE(secret), ZEROS(32), BYTES(0x08, 0x00, 9, 0), ZEROS(11), BYTES(sn[8]),
	    ZEROS(4), BYTES(sn[0], sn[1]), ZEROS(2));
	ok(se_mac(&b->se, 0, 9, zeros, mac) == OK && memcmp(mac, want, 32) == 0,
	    "MAC over key and challenge");
	ok(se_checkmac(&b->se, 0, 9, zeros, mac, other) == OK, "which CheckMac takes");
	mac[7] ^= 1;
	ok(se_checkmac(&b->se, 0, 9, zeros, mac, other) == ERR_DENIED &&
	        b->se.fault == SE_MISCOMPARE,
	    "and another not");

	ok(se_nonce(&b->se, challenge, rand_out) == OK && se_gendig(&b->se, 2, 9, TEXT("")) == OK &&
	        se_mac(&b->se, 1, 9, NULL, mac) == OK,
	    "Nonce, GenDig, MAC");
	HASH(temp, SLICE(rand_out), SLICE(challenge), BYTES(0x16, 0, 0));
	HASH(
	    temp, SLICE(secret), BYTES(0x15, 2, 9, 0, sn[8], sn[0], sn[1]), ZEROS(25), SLICE(temp));
	HASH(want, SLICE(secret), SLICE(temp), BYTES(0x08, 0x01, 9, 0), ZEROS(11), BYTES(sn[8]),
	    ZEROS(4), BYTES(sn[0], sn[1]), ZEROS(2));
	ok(memcmp(mac, want, 32) == 0, "the same here");
	ok(se_mac(&b->se, 1, 9, zeros, mac) == ERR_ARG &&
	        se_mac(&b->se, 0, 9, NULL, mac) == ERR_ARG &&
	        se_mac(&b->se, 0, 16, zeros, mac) == ERR_ARG &&
	        se_checkmac(&b->se, 0, 16, zeros, mac, other) == ERR_ARG &&
	        se_gendig(&b->se, 6, 0, TEXT("")) == ERR_ARG &&
	        se_gendig(&b->se, 2, 9, TEXT("five!")) == ERR_ARG,
	    "no such slot, zone or size");
}

static void test_hmac(struct bench *b)
{
	static const size_t lengths[] = { 0, 1, 63, 64, 65, 127, 128, 200 };
	uint8_t message[200], inner[64], outer[64], want[32], mac[32];

	for (unsigned i = 0; i < 64; i++) {
		uint8_t k = i < 32 ? secret[i] : 0;

		inner[i] = k ^ 0x36;
		outer[i] = k ^ 0x5c;
	}
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(3 * i);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct slice m = { message, lengths[i] };

		HASH(want, SLICE(inner), m);
		HASH(want, SLICE(outer), SLICE(want));
		ok(se_hmac(&b->se, 9, m, mac) == OK && memcmp(mac, want, 32) == 0,
		    "HMAC over %zu bytes", m.n);
	}
	ok(se_hmac(&b->se, 16, TEXT("x"), mac) == ERR_ARG, "no slot 16");
}

static void test_secrets(enum emu_family family)
{
	struct bench b;

	if (!locked(&b, family, &se_profile_attestation))
		return;
	ok(se_slot_write(&b.se, 9, 0, SLICE(secret)) == OK, "a secret in slot 9");
	test_mac(&b);
	test_hmac(&b);
	done(&b);
}

/* --- single slots --- */

static void test_lock_slot(enum emu_family family)
{
	static const uint8_t content[36] = "twelve fields and one long silence";
	uint8_t other[36], long_content[76] = { 0 };
	struct se_locks locks;
	struct bench b;

	if (!locked(&b, family, &se_profile_arduino))
		return;
	memcpy(other, content, 36);
	other[35] ^= 1;
	ok(se_slot_write(&b.se, 11, 0, SLICE(content)) == OK &&
	        se_lock_slot(&b.se, 11, SLICE(other)) == ERR_DEVICE && b.se.fault == SE_READ_BACK &&
	        se_locks(&b.se, &locks) == OK && locks.slots == 0,
	    "a slot with other content is not frozen");
	ok(se_lock_slot(&b.se, 11, SLICE(long_content)) == ERR_ARG &&
	        se_lock_slot(&b.se, 11, TEXT("")) == ERR_ARG &&
	        se_lock_slot(&b.se, 16, SLICE(content)) == ERR_ARG,
	    "nor without saying what it holds");
	ok(se_lock_slot(&b.se, 11, SLICE(content)) == OK && se_locks(&b.se, &locks) == OK &&
	        locks.slots == 1u << 11,
	    "frozen, and no other");
	ok(se_lock_slot(&b.se, 11, SLICE(content)) == ERR_CONFLICT && b.se.fault == SE_LOCKED,
	    "once");
	ok(se_slot_write(&b.se, 11, 0, SLICE(other)) == ERR_DEVICE && b.se.fault == SE_EXECUTION,
	    "it takes nothing more");
	ok(se_lock_slot(&b.se, 0, SLICE(content)) == ERR_ARG, "a key slot is named by its key");
	done(&b);
}

/* --- profiles --- */

static void test_trust(void)
{
	static const struct {
		const char *code;
		enum se_trust want;
	} cases[] = {
		{ "KQp2ZkD8", SE_TRUST_GO_TLS },
		{ "x6tjuZMy", SE_TRUST_GO_TLS },
		{ "jsMu7iYO", SE_TRUST_GO_LORA },
		{ "09qJNxI3", SE_TRUST_GO_LORA },
		{ "MKMwyhP1", SE_TRUST_FLEX_TLS },
		{ "MKMwyhP2", SE_TRUST_NONE },
	};
	struct se_profile profile = se_profile_attestation;

	profile.config[20] = 0x85;
	profile.config[21] = 0x00;
	profile.keys = 0;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t otp[SE_OTP_SIZE] = { 0 }, back[SE_OTP_SIZE];
		enum se_trust kind = SE_TRUST_GO_LORA;
		struct bench b;

		memcpy(otp, cases[i].code, 8);
		otp[40] = 0x77;
		blank(&b, EMU_ATECC608B, NULL);
		ok(se_trust(&b.se, &kind) == OK && kind == SE_TRUST_NONE, "a blank chip is none");
		ok(se_profile_write(&b.se, &profile) == OK &&
		        se_lock_config(&b.se, &profile) == OK && se_otp_write(&b.se, otp) == OK &&
		        se_lock_data(&b.se, &profile) == OK && se_otp_read(&b.se, back) == OK &&
		        memcmp(otp, back, 64) == 0,
		    "%s written and read", cases[i].code);
		ok(se_trust(&b.se, &kind) == OK && kind == cases[i].want, "%s", cases[i].code);
		done(&b);
	}
}

/* Power goes before the n-th transfer of the lock; afterwards the lock is finished, with its key. */
static void test_lock_sweep(enum emu_family family)
{
	unsigned runs = 0, wrong = 0;
	bool finished = false;

	for (unsigned cut = 0; !finished; cut++, runs++) {
		struct se_profile copy = se_profile_attestation;
		struct se_locks locks = { 0 };
		uint8_t q[64];
		struct bench b;
		enum err e;

		blank(&b, family, NULL);
		b.wire.transfers = 0;
		b.wire.cut = cut;
		e = se_lock(&b.se, &copy);
		finished = b.wire.transfers <= cut;
		b.wire.cut = NEVER;
		if (e != OK && (e = se_lock(&b.se, &copy)) != OK && b.se.fault == SE_LOCKED)
			e = OK;
		wrong += e != OK || se_locks(&b.se, &locks) != OK || !locks.config || !locks.data ||
		         se_public(&b.se, SE_SLOT_ATTESTATION, q) != OK;
		done(&b);
	}
	ok(wrong == 0 && runs > 100, "%s: power cut at each of %u transfers of a lock",
	    emu_family_name(family), runs);
}

/* --- small buffers --- */

static void test_split(enum emu_family family)
{
	static const size_t sizes[] = { 1, 3, 32, 34, 35, 67, 200 };

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct se_split split;
		struct bench b;
		struct se se;
		uint8_t q[64], config[SE_CONFIG_SIZE];

		if (!locked(&b, family, &se_profile_arduino))
			return;
		b.wire.largest = 0;
		se_split_init(&split, &b.wire.hal, sizes[i]);
		ok(se_open(&se, &split.hal) == OK && se_genkey(&se, 0, q) == OK &&
		        p256_point_check(p256, q) == OK && se_config_read(&se, config) == OK,
		    "reads of %zu bytes at most", sizes[i]);
		ok(b.wire.largest == (sizes[i] < 67 ? sizes[i] : 67), "and no more");
		se_close(&se);
		done(&b);
	}
}

/* --- a token signed by the chip --- */

static enum err sign_by_chip(void *ctx, struct slice message, uint8_t sig[64])
{
	uint8_t digest[32];
	enum err e = se_sha256(ctx, message, digest);

	return e == OK ? se_sign(ctx, SE_SLOT_BOARD_KEY, digest, sig) : e;
}

static void test_token(void)
{
	struct x509_verifier verifier = p256_verifier(p256);
	char token[JWT_TOKEN_MAX + 1];
	struct x509_signer signer;
	struct bench b;
	struct jwt jwt;
	uint8_t q[64];
	size_t n;

	if (!locked(&b, EMU_ATECC608A, &se_profile_arduino))
		return;
	signer = (struct x509_signer){ &b.se, sign_by_chip };
	ok(se_genkey(&b.se, SE_SLOT_BOARD_KEY, q) == OK &&
	        jwt_build(1763853600, TEXT("board"), &signer, token, sizeof(token), &n) == OK &&
	        jwt_parse((struct slice){ (uint8_t *)token, n }, &jwt, NULL) == OK &&
	        jwt_verify(&jwt, q, &verifier, NULL) == OK,
	    "a token signed by slot 1 verifies");
	done(&b);
}

int main(void)
{
	if (!ok(p256_new(&p256, NULL) == OK, "P-256"))
		return done_testing();
	for (size_t i = 0; i < COUNT(families); i++) {
		test_counters(families[i]);
		test_verify(families[i]);
		test_ecdh(families[i]);
		test_attest(families[i]);
		test_attest_config(families[i]);
		test_secrets(families[i]);
		test_lock_slot(families[i]);
	}
	test_counter_end();
	test_ecdh_to_slot();
	test_trust();
	test_lock_sweep(EMU_ATECC508A);
	test_lock_sweep(EMU_ATECC608B);
	test_split(EMU_ATECC608B);
	test_token();
	p256_free(p256);
	return done_testing();
}
