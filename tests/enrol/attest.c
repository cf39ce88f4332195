/*
 * Statements of a chip about its key: the worked example byte for byte, one test a rule, and the
 * forgeries that a careless verifier believes.
 */
#include "attest.h"
#include "p256.h"
#include "sha256.h"
#include "tap.h"
#include "text.h"

#define NOW 1763853600

static void from_hex(const char *text, uint8_t *out, size_t n)
{
	if (hex_decode((struct slice){ (const uint8_t *)text, 2 * n }, out, n) != OK)
		memset(out, 0, n);
}

/* The chip of the example: key made now, slot 0 not locked. Values of an independent model. */
static void worked(
    struct setup_statement *s, struct attest_challenge *c, struct attest_signer *signer)
{
	memset(s, 0, sizeof(*s));
	memset(c, 0, sizeof(*c));
	from_hex("0123A1B2C3D4E5F6EE", s->serial, 9);
	s->mode = 0x0c;
	from_hex("8feba86d95012b3ae28166c5d80251001b0de2794ec0438a99ed20c37d5b8deb", s->random, 32);
	from_hex("2bbd87862637e7a75e610bd0dc081b23e572d4dae1034b073a1a3bbe51050791"
	         "714cb147a69ddd50a057d1e718abe236d5de6b5150a08e6b40d1385c5a251617",
	    s->q, 64);
	from_hex("0ff555b8cf7857dcdcc7421b84fb80ceeb1a288be357263197d6218b5deb600a"
	         "07e350526c014b9926c6e5f9274d6b653385951524a35f40429deb76786fd259",
	    s->sig, 64);
	from_hex("00112233445566778899aabbccddeeff01234567", c->value, 20);
	memcpy(c->serial, s->serial, 9);
	c->expires = NOW + 60;
	memcpy(signer->serial, s->serial, 9);
	from_hex("fef8f28b592e8ae991aef9075cfc7bc66d0e80f5d35cf24817ebe019460c2421"
	         "64a3e93fa5bddce23b1519c8721884463dfc8389227ca8307accbc0e31d7e256",
	    signer->q, 64);
}

static void example(struct p256 *p)
{
	static const char message_hex[] =
	    "a6c620906d9a60e42a62a5d599e1cd1619d63f0ea6e8886fb52d9277287b9766"
	    "4140010081207300400000eec3d4e5f60123a1b2010000";
	struct x509_verifier verifier = p256_verifier(p);
	struct setup_statement s;
	struct attest_challenge c;
	struct attest_signer signer;
	struct attest_result result;
	struct attest_expected want = { .challenge = &c,
		.now = NOW,
		.signer = &signer,
		.policies = attest_policies,
		.policies_n = ATTEST_POLICIES };
	enum attest_violation why;
	uint8_t message[ATTEST_MESSAGE], expected[ATTEST_MESSAGE], digest[32], digest_want[32];

	worked(&s, &c, &signer);
	memcpy(want.serial, s.serial, 9);
	attest_message(&s, c.value, &attest_policies[0], message);
	from_hex(message_hex, expected, sizeof(expected));
	is_bytes(
	    message, sizeof(message), expected, sizeof(expected), "worked example: the 55 bytes");
	sha256(SLICE(message), digest);
	from_hex(
	    "a0cf42d3b20cfbc673fc84dcf4b001f1fc48380e75169c43f156c3d946fcb5eb", digest_want, 32);
	is_bytes(digest, 32, digest_want, 32, "worked example: their digest");
	ok(verifier.verify(verifier.ctx, signer.q, SLICE(message), s.sig) == OK,
	    "worked example: its signature");
	ok(attest_verify(&s, &want, &verifier, &result, &why) == ERR_FORMAT &&
	        why == ATTEST_CSR_FORM,
	    "worked example: nothing is missing but a CSR");
	s.slot_locked = true;
	ok(attest_verify(&s, &want, &verifier, &result, &why) == ERR_DENIED &&
	        why == ATTEST_SIGNATURE,
	    "worked example: it does not say that the slot is locked");
}

/* --- a chip in software, to make statements that are true, and others --- */

struct chip {
	struct p256_key *key, *attestation;
	struct setup_statement statement;
	struct attest_challenge challenge;
	struct attest_signer signer;
	struct attest_expected want;
	uint8_t csr[512];
};

#define DEVICE_ID "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"

static enum err request(struct chip *c, struct p256_key *signer, const char *name)
{
	struct x509_name subject = { .at[X509_CN] = { (const uint8_t *)name, strlen(name) } };
	struct x509_signer by = p256_signer(signer);
	struct der_w w = der_writer(c->csr, sizeof(c->csr));
	uint8_t q[64];
	enum err e;

	p256_key_public(c->key, q);
	if ((e = csr_build(&subject, q, &by, &w)) != OK)
		return e;
	return der_finish(&w, &c->want.csr);
}

/* Signs the message that belongs to the statement, after somebody had a hand in it. */
static enum err speak(struct chip *c, const struct attest_policy *policy, size_t at, uint8_t change)
{
	uint8_t message[ATTEST_MESSAGE], digest[32];

	attest_message(&c->statement, c->challenge.value, policy, message);
	message[at] ^= change;
	sha256(SLICE(message), digest);
	return p256_sign(c->attestation, digest, c->statement.sig);
}

static void fresh(struct chip *c)
{
	struct p256_key *key = c->key, *attestation = c->attestation;

	memset(c, 0, sizeof(*c));
	c->key = key;
	c->attestation = attestation;
	from_hex("0123A1B2C3D4E5F6EE", c->statement.serial, 9);
	c->statement.mode = 0x0c;
	memset(c->statement.random, 0x77, 32);
	p256_key_public(key, c->statement.q);
	memset(c->challenge.value, 0x33, 20);
	memcpy(c->challenge.serial, c->statement.serial, 9);
	memset(c->challenge.session, 0x99, 16);
	c->challenge.expires = NOW + 1;
	memcpy(c->signer.serial, c->statement.serial, 9);
	p256_key_public(attestation, c->signer.q);
	c->want = (struct attest_expected){ .challenge = &c->challenge,
		.now = NOW,
		.signer = &c->signer,
		.common_name = TEXT(DEVICE_ID),
		.policies = attest_policies,
		.policies_n = ATTEST_POLICIES };
	memset(c->want.session, 0x99, 16);
	memcpy(c->want.serial, c->statement.serial, 9);
	if (request(c, key, DEVICE_ID) != OK || speak(c, &attest_policies[0], 0, 0) != OK)
		c->want.csr.n = 0;
}

static void is_refused(struct chip *c, struct p256 *p, enum attest_violation want, const char *name)
{
	struct x509_verifier verifier = p256_verifier(p);
	struct attest_result result = { NULL, false, false };
	enum attest_violation why;
	enum err e = attest_verify(&c->statement, &c->want, &verifier, &result, &why);

	ok(e == (want == ATTEST_CSR_FORM ? ERR_FORMAT : ERR_DENIED) && why == want &&
	        result.policy == NULL,
	    "%s: %s", name, attest_violation_text(why));
}

static void is_believed(struct chip *c, struct p256 *p, bool made_now, const char *name)
{
	struct x509_verifier verifier = p256_verifier(p);
	struct attest_result result = { NULL, false, false };
	enum attest_violation why;

	ok(attest_verify(&c->statement, &c->want, &verifier, &result, &why) == OK &&
	        why == ATTEST_FINE && result.policy != NULL && result.made_now == made_now &&
	        result.frozen == c->statement.slot_locked,
	    "%s", name);
}

static void believed(struct chip *c, struct p256 *p)
{
	fresh(c);
	is_believed(c, p, true, "a key made now");
	c->statement.slot_locked = true;
	is_believed(c, p, speak(c, &attest_policies[0], 0, 0) == OK, "in a slot that is frozen");
	fresh(c);
	is_believed(c, p, speak(c, &attest_policies[1], 0, 0) == OK, "under the policy with ECDH");
	fresh(c);
	c->statement.mode = 0x08;
	c->want.recorded_q = c->statement.q;
	(void)!speak(c, &attest_policies[0], 0, 0);
	is_believed(c, p, false, "a key that was recorded when it was made");
	fresh(c);
	c->statement.serial[0] = c->want.serial[0] = c->signer.serial[0] = c->challenge.serial[0] =
	    0x45;
	c->statement.serial[1] = c->want.serial[1] = c->signer.serial[1] = c->challenge.serial[1] =
	    0x4d;
	(void)!speak(c, &attest_policies[0], 0, 0);
	is_refused(c, p, ATTEST_EMULATED, "an emulated chip");
	c->want.emulated_allowed = true;
	is_believed(c, p, true, "where those are allowed");
}

static void rules(struct chip *c, struct p256 *p)
{
	static const uint8_t other[64] = { 1 };

	fresh(c);
	c->challenge.used = true;
	is_refused(c, p, ATTEST_CHALLENGE_USED, "the same challenge again");
	fresh(c);
	c->want.now = c->challenge.expires;
	is_refused(c, p, ATTEST_CHALLENGE_EXPIRED, "at the second of its expiry");
	fresh(c);
	c->want.session[15] ^= 1;
	is_refused(c, p, ATTEST_CHALLENGE_OTHER_SESSION, "in another session");
	fresh(c);
	c->challenge.serial[8] ^= 1;
	is_refused(c, p, ATTEST_CHALLENGE_OTHER_CHIP, "a challenge for another chip");
	fresh(c);
	c->challenge.value[0] ^= 1;
	is_refused(c, p, ATTEST_SIGNATURE, "an answer to another challenge");
	fresh(c);
	c->statement.serial[4] ^= 1;
	is_refused(c, p, ATTEST_SERIAL, "another chip than the record");
	fresh(c);
	c->want.signer = NULL;
	is_refused(c, p, ATTEST_SIGNER_NONE, "a chip without known attestation key");
	fresh(c);
	c->signer.serial[3] ^= 1;
	is_refused(c, p, ATTEST_SIGNER_SERIAL, "the attestation key of another chip");
	fresh(c);
	memcpy(c->signer.q, c->statement.q, 64);
	is_refused(c, p, ATTEST_SIGNER_IS_KEY, "a key for itself");
	fresh(c);
	memcpy(c->signer.q, other, 64);
	is_refused(c, p, ATTEST_SIGNATURE, "an attestation key off the curve");
	fresh(c);
	c->statement.mode = 0x10;
	(void)!speak(c, &attest_policies[0], 0, 0);
	is_refused(c, p, ATTEST_MODE, "the digest of a stored public key");
	fresh(c);
	c->statement.mode = 0x08;
	(void)!speak(c, &attest_policies[0], 0, 0);
	is_refused(c, p, ATTEST_NOT_MADE_HERE, "a key of unknown origin");
	c->want.recorded_q = other;
	is_refused(c, p, ATTEST_NOT_MADE_HERE, "a key other than the recorded one");
	fresh(c);
	c->want.csr.n--;
	is_refused(c, p, ATTEST_CSR_FORM, "a CSR that is cut");
	fresh(c);
	c->csr[c->want.csr.n - 1] ^= 1;
	is_refused(c, p, ATTEST_CSR_SIGNATURE, "a CSR with a wrong signature");
	fresh(c);
	(void)!request(c, c->attestation, DEVICE_ID);
	is_refused(c, p, ATTEST_CSR_SIGNATURE, "a CSR that another key has signed");
	fresh(c);
	(void)!request(c, c->key, "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f41");
	is_refused(c, p, ATTEST_CSR_SUBJECT, "a CSR for another name");
	fresh(c);
	{
		struct p256_key *key = c->key;

		c->key = c->attestation;
		(void)!request(c, c->attestation, DEVICE_ID);
		c->key = key;
	}
	is_refused(c, p, ATTEST_CSR_KEY, "a CSR of another key");
}

/* The table of the verifier itself is held to the rules, even where the signature would verify. */
static void policies(struct chip *c, struct p256 *p)
{
	static const struct {
		struct attest_policy policy;
		enum attest_violation want;
	} cases[] = {
		{ { "a public key", { 0x81, 0x20 }, { 0x72, 0x00 } }, ATTEST_POLICY_PUBLIC },
		{ { "another curve", { 0x81, 0x20 }, { 0x6f, 0x00 } }, ATTEST_POLICY_KEY_TYPE },
		{ { "a readable slot", { 0x01, 0x20 }, { 0x73, 0x00 } }, ATTEST_POLICY_READABLE },
		{ { "PrivWrite", { 0x81, 0x60 }, { 0x73, 0x00 } }, ATTEST_POLICY_PRIV_WRITE },
		{ { "Arduino's slot 0", { 0x83, 0x20 }, { 0x33, 0x00 } },
		    ATTEST_POLICY_INTERNAL_SIGN },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct attest_policy list[2] = { attest_policies[0], cases[i].policy };

		fresh(c);
		(void)!speak(c, &cases[i].policy, 0, 0);
		is_refused(c, p, ATTEST_SIGNATURE, cases[i].policy.name);
		c->want.policies = list;
		c->want.policies_n = COUNT(list);
		is_refused(c, p, cases[i].want, "and in the table");
	}
	fresh(c);
	c->want.policies_n = 0;
	is_refused(c, p, ATTEST_POLICY_NONE, "an empty table");
}

/* Statements that the attestation key has really signed, but that say something else in one byte. */
static void forgeries(struct chip *c, struct p256 *p)
{
	static const struct {
		const char *name;
		uint8_t at, change;
	} cases[] = {
		{ "KeyId 8: a public key slot was digested", 40, 0x08 },
		{ "Source: the nonce was chosen by the host", 40, 0x10 },
		{ "GenDigData is set", 40, 0x20 },
		{ "GenKeyData is not set", 40, 0x40 },
		{ "NoMacFlag is set", 40, 0x80 },
		{ "an invalidation", 33, 0x01 },
		{ "external or without serial number", 33, 0x40 },
		{ "another signing slot", 34, 0x02 },
		{ "another opcode", 32, 0x01 },
		{ "another SlotConfig", 37, 0x40 },
		{ "another KeyConfig", 38, 0x01 },
		{ "a validated public key", 53, 0x01 },
		{ "another lock byte", 52, 0x01 },
		{ "another end", 54, 0x01 },
		{ "another serial number, SN[8]", 43, 0x01 },
		{ "SN[4]", 44, 0x01 },
		{ "SN[0]", 48, 0x01 },
		{ "SN[2]", 50, 0x01 },
		{ "another key digest", 31, 0x01 },
	};
	size_t refused = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		fresh(c);
		(void)!speak(c, &attest_policies[0], cases[i].at, cases[i].change);
		is_refused(c, p, ATTEST_SIGNATURE, cases[i].name);
	}
	for (size_t i = 0; i < sizeof(c->statement); i++) {
		struct x509_verifier verifier = p256_verifier(p);
		struct attest_result result;
		enum attest_violation why;

		if (i ==
		    offsetof(struct setup_statement, slot_locked)) { /* a bool has two values */
			refused++;
			continue;
		}
		fresh(c);
		((uint8_t *)&c->statement)[i] ^= 0x20;
		refused +=
		    attest_verify(&c->statement, &c->want, &verifier, &result, &why) == ERR_DENIED;
	}
	ok(refused == sizeof(c->statement), "any byte of a statement changed: refused");
	refused = 0;
	for (unsigned i = 0; i < ATTEST_VIOLATIONS; i++)
		refused += strcmp(attest_violation_text((enum attest_violation)i),
		               "unknown violation") != 0;
	ok(refused == ATTEST_VIOLATIONS &&
	        strcmp(attest_violation_text(ATTEST_VIOLATIONS), "unknown violation") == 0,
	    "every violation has its words");
}

int main(void)
{
	struct p256 *p = NULL;
	struct chip c = { .key = NULL };
	struct errbuf eb;

	if (!ok(p256_new(&p, &eb) == OK && p256_key_generate(&c.key, &eb) == OK &&
	            p256_key_generate(&c.attestation, &eb) == OK,
	        "keys"))
		return done_testing();
	example(p);
	believed(&c, p);
	rules(&c, p);
	policies(&c, p);
	forgeries(&c, p);
	p256_key_free(c.key);
	p256_key_free(c.attestation);
	p256_free(p);
	return done_testing();
}
