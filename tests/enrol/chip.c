/*
 * Statements by emulated chips through the driver, from a blank chip on: what the verifier believes of
 * them, what a later GenKey makes of them, and what Arduino's profile is worth.
 */
#include "attest.h"
#include "emu.h"
#include "p256.h"
#include "se_more.h"
#include "se_profile.h"
#include "sha256.h"
#include "tap.h"

#define ADDRESS 0x60

static enum err wake(void *ctx)
{
	emu_i2c_write(ctx, 0, (const uint8_t *)"", 1);
	return OK;
}

static enum err send(void *ctx, const uint8_t *p, size_t n)
{
	return emu_i2c_write(ctx, ADDRESS, p, n) == EMU_ACK ? OK : ERR_TIMEOUT;
}

static enum err recv(void *ctx, uint8_t *p, size_t n)
{
	return emu_i2c_read(ctx, ADDRESS, p, n) == EMU_ACK ? OK : ERR_TIMEOUT;
}

static void wait_ms(void *ctx, uint32_t ms)
{
	emu_advance(ctx, ms * 1000);
}

/* One chip and what the server knows of it. */
struct desk {
	struct emu *emu;
	struct se_hal hal;
	struct se se;
	struct setup_statement statement;
	struct attest_challenge challenge;
	struct attest_signer signer;
	struct attest_expected want;
	uint8_t csr[512];
};

#define DEVICE_ID "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"

static enum err blank(struct desk *d, enum emu_family family)
{
	struct emu_options o = { .family = family, .genuine_looking = true };
	enum err e = emu_open(NULL, &o, &d->emu, NULL);

	d->hal = (struct se_hal){ d->emu, wake, send, recv, wait_ms };
	return e == OK ? se_open(&d->se, &d->hal) : e;
}

/* The station's part: it locks the chip and writes down which key speaks for it. */
static enum err enrol(struct desk *d, const struct se_profile *profile)
{
	uint8_t q[64];
	enum err e;

	if ((e = se_serial(&d->se, d->signer.serial)) != OK || (e = se_lock(&d->se, profile)) != OK)
		return e;
	if (profile == &se_profile_arduino && (e = se_genkey(&d->se, SE_SLOT_ATTESTATION, q)) != OK)
		return e;
	if ((e = se_public(&d->se, SE_SLOT_ATTESTATION, d->signer.q)) != OK)
		return e;
	memcpy(d->challenge.serial, d->signer.serial, 9);
	d->challenge.expires = 2;
	memset(d->challenge.value, 0xa7, sizeof(d->challenge.value));
	d->want = (struct attest_expected){ .challenge = &d->challenge,
		.now = 1,
		.signer = &d->signer,
		.common_name = TEXT(DEVICE_ID),
		.policies = attest_policies,
		.policies_n = ATTEST_POLICIES };
	memcpy(d->want.serial, d->signer.serial, 9);
	return OK;
}

static enum err sign_by_chip(void *ctx, struct slice message, uint8_t sig[64])
{
	uint8_t digest[32];

	sha256(message, digest);
	return se_sign(ctx, SE_SLOT_DEVICE_KEY, digest, sig);
}

/* The board's part: a statement as the chip makes it. */
static enum err state(struct desk *d, bool create)
{
	struct se_statement s;
	struct se_locks locks;
	enum err e;

	if ((e = se_attest(&d->se, SE_SLOT_DEVICE_KEY, SE_SLOT_ATTESTATION, create,
	         d->challenge.value, &s)) != OK ||
	    (e = se_locks(&d->se, &locks)) != OK ||
	    (e = se_serial(&d->se, d->statement.serial)) != OK)
		return e;
	d->statement.mode = s.mode;
	d->statement.slot_locked = (locks.slots & 1) != 0;
	memcpy(d->statement.random, s.rand_out, 32);
	memcpy(d->statement.q, s.q, 64);
	memcpy(d->statement.sig, s.sig, 64);
	return OK;
}

static enum err request(struct desk *d)
{
	struct x509_name name = { .at[X509_CN] = TEXT(DEVICE_ID) };
	struct x509_signer signer = { &d->se, sign_by_chip };
	struct der_w w = der_writer(d->csr, sizeof(d->csr));
	uint8_t q[64];
	enum err e;

	if ((e = se_public(&d->se, SE_SLOT_DEVICE_KEY, q)) != OK ||
	    (e = csr_build(&name, q, &signer, &w)) != OK)
		return e;
	return der_finish(&w, &d->want.csr);
}

static enum attest_violation judge(struct desk *d, struct p256 *p, struct attest_result *result)
{
	struct x509_verifier verifier = p256_verifier(p);
	enum attest_violation why;

	*result = (struct attest_result){ NULL, false, false };
	if (attest_verify(&d->statement, &d->want, &verifier, result, &why) == OK &&
	    why != ATTEST_FINE)
		return ATTEST_VIOLATIONS;
	return why;
}

static void ready_chip(struct p256 *p, enum emu_family family)
{
	const char *name = emu_family_name(family);
	struct desk d = { .emu = NULL };
	struct attest_result result;
	uint8_t q[64];

	if (!ok(blank(&d, family) == OK && enrol(&d, &se_profile_attestation) == OK, "%s: locked",
	        name))
		return;
	ok(state(&d, true) == OK && request(&d) == OK, "%s: makes a key and a statement", name);
	ok(judge(&d, p, &result) == ATTEST_FINE && result.policy == &attest_policies[0] &&
	        result.made_now && !result.frozen,
	    "%s: which is believed", name);
	d.challenge.value[19] ^= 1;
	ok(judge(&d, p, &result) == ATTEST_SIGNATURE, "%s: not for another challenge", name);
	ok(state(&d, false) == OK && judge(&d, p, &result) == ATTEST_NOT_MADE_HERE,
	    "%s: a statement that the key was there is not enough", name);
	memcpy(q, d.statement.q, 64);
	d.want.recorded_q = q;
	ok(judge(&d, p, &result) == ATTEST_FINE && !result.made_now,
	    "%s: but for a key on record it is", name);
	ok(se_lock_slot(&d.se, SE_SLOT_DEVICE_KEY, SLICE(q)) == OK &&
	        judge(&d, p, &result) == ATTEST_FINE && state(&d, false) == OK &&
	        judge(&d, p, &result) == ATTEST_FINE && result.frozen,
	    "%s: a slot that is frozen says so", name);
	d.statement.slot_locked = false;
	ok(judge(&d, p, &result) == ATTEST_SIGNATURE, "%s: and nothing else", name);
	emu_free(d.emu);
}

/* A new key makes what was said about the old one worthless. */
static void rotated(struct p256 *p)
{
	struct desk d = { .emu = NULL };
	struct attest_result result;
	uint8_t q[64];

	ok(blank(&d, EMU_ATECC608B) == OK && enrol(&d, &se_profile_attestation) == OK &&
	        state(&d, true) == OK && se_genkey(&d.se, SE_SLOT_DEVICE_KEY, q) == OK &&
	        request(&d) == OK && judge(&d, p, &result) == ATTEST_CSR_KEY,
	    "GenKey after the statement: the CSR is for another key");
	emu_free(d.emu);
}

/*
 * With Arduino's profile slot 1 signs what it is given. The first statement is honest, and is refused
 * because slot 0 is under no approved policy; the second one is made by the host.
 */
static void arduino(struct p256 *p)
{
	struct desk d = { .emu = NULL };
	struct attest_result result;
	uint8_t message[ATTEST_MESSAGE], digest[32];

	ok(blank(&d, EMU_ATECC508A) == OK && enrol(&d, &se_profile_arduino) == OK &&
	        state(&d, true) == OK && request(&d) == OK &&
	        judge(&d, p, &result) == ATTEST_SIGNATURE,
	    "Arduino's profile: its honest statement is under no approved policy");
	d.want.signer =
	    NULL; /* which is why the station writes down no attestation key for such a chip */
	attest_message(&d.statement, d.challenge.value, &attest_policies[0], message);
	sha256(SLICE(message), digest);
	ok(se_sign(&d.se, SE_SLOT_ATTESTATION, digest, d.statement.sig) == OK &&
	        judge(&d, p, &result) == ATTEST_SIGNER_NONE,
	    "Arduino's profile: what the host made it sign has nobody who vouches for it");
	emu_free(d.emu);
}

int main(void)
{
	struct p256 *p = NULL;

	if (!ok(p256_new(&p, NULL) == OK, "a verifier"))
		return done_testing();
	ready_chip(p, EMU_ATECC508A);
	ready_chip(p, EMU_ATECC608A);
	ready_chip(p, EMU_ATECC608B);
	rotated(p);
	arduino(p);
	p256_free(p);
	return done_testing();
}
