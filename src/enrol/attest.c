#include "assurance.h"
#include "attest.h"
#include "sha256.h"

#include <string.h>

/* Opcodes and modes of the data sheet. */
enum { NONCE = 0x16, GENKEY = 0x40, SIGN = 0x41 };
enum { GENKEY_DIGEST = 0x08, GENKEY_CREATE_DIGEST = 0x0c, SIGN_INTERNAL_WITH_SERIAL = 0x40 };
#define ATTESTED_SLOT 0
#define SIGNING_SLOT 1
/* TempKey holds a GenKey digest of slot 0 from a random nonce: GenKeyData and nothing else. */
#define TEMPKEY_FLAGS 0x40

const struct attest_policy attest_policies[ATTEST_POLICIES] = {
	{ "attestation-ready", { 0x81, 0x20 }, { 0x73, 0x00 } },
	{ "attestation-ready with ECDH", { 0x85, 0x20 }, { 0x73, 0x00 } },
};

static const char *const texts[ATTEST_VIOLATIONS] = {
	[ATTEST_FINE] = "no violation",
	[ATTEST_POLICY_NONE] = "no policy is approved here",
	[ATTEST_POLICY_PUBLIC] = "an approved policy is not for a private key",
	[ATTEST_POLICY_KEY_TYPE] = "an approved policy is not for a P-256 key",
	[ATTEST_POLICY_READABLE] = "an approved policy lets the key be read (IsSecret is 0)",
	[ATTEST_POLICY_PRIV_WRITE] =
	    "an approved policy lets a key be written from outside (PrivWrite)",
	[ATTEST_POLICY_INTERNAL_SIGN] = "an approved policy lets the attested slot sign internally",
	[ATTEST_CHALLENGE_USED] = "the challenge was used before",
	[ATTEST_CHALLENGE_EXPIRED] = "the challenge has expired",
	[ATTEST_CHALLENGE_OTHER_SESSION] = "the challenge was issued to another session",
	[ATTEST_CHALLENGE_OTHER_CHIP] = "the challenge was issued for another chip",
	[ATTEST_SERIAL] = "the statement is of another chip than the record",
	[ATTEST_EMULATED] = "the chip is emulated, and this authority takes none of those",
	[ATTEST_SIGNER_NONE] = "no attestation key is known for this chip",
	[ATTEST_SIGNER_SERIAL] = "the attestation key belongs to another chip",
	[ATTEST_SIGNER_IS_KEY] = "the attested key is the attestation key itself",
	[ATTEST_MODE] = "GenKey mode is neither 0C (made now) nor 08 (was there)",
	[ATTEST_NOT_MADE_HERE] =
	    "the key was there before, and no earlier statement says that it was made inside",
	[ATTEST_SIGNATURE] = "the attestation key did not sign this under an approved policy",
	[ATTEST_CSR_FORM] = "the CSR is malformed",
	[ATTEST_CSR_SIGNATURE] = "the CSR is not signed by its own key",
	[ATTEST_CSR_KEY] = "the CSR is for another key than the attested one",
	[ATTEST_CSR_SUBJECT] = "the CSR's common name is not the expected one",
};

const char *attest_violation_text(enum attest_violation v)
{
	return (unsigned)v < ATTEST_VIOLATIONS ? texts[v] : "unknown violation";
}

/* TempKey after Nonce: random, with a fresh seed. */
static void nonce(
    const uint8_t random[32], const uint8_t challenge[ATTEST_CHALLENGE], uint8_t out[32])
{
	static const uint8_t tail[] = { NONCE, 0, 0 };
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, (struct slice){ random, 32 });
	sha256_update(&h, (struct slice){ challenge, ATTEST_CHALLENGE });
	sha256_update(&h, SLICE(tail));
	sha256_final(&h, out);
}

/* TempKey after GenKey with digest: 128 bytes, the public key at their end. */
static void key_digest(const struct setup_statement *s, const uint8_t tempkey[32], uint8_t out[32])
{
	uint8_t m[128] = { 0 };

	memcpy(m, tempkey, 32);
	m[32] = GENKEY;
	m[33] = s->mode;
	m[34] = ATTESTED_SLOT;
	m[36] = s->serial[8];
	memcpy(m + 37, s->serial, 2);
	memcpy(m + 64, s->q, 64);
	sha256(SLICE(m), out);
}

void attest_message(const struct setup_statement *s, const uint8_t challenge[ATTEST_CHALLENGE],
    const struct attest_policy *policy, uint8_t m[ATTEST_MESSAGE])
{
	uint8_t tempkey[32];

	memset(m, 0, ATTEST_MESSAGE);
	nonce(s->random, challenge, tempkey);
	key_digest(s, tempkey, m);
	m[32] = SIGN;
	m[33] = SIGN_INTERNAL_WITH_SERIAL;
	m[34] = SIGNING_SLOT;
	memcpy(m + 36, policy->slot_config, 2);
	memcpy(m + 38, policy->key_config, 2);
	m[40] = TEMPKEY_FLAGS | ATTESTED_SLOT;
	m[43] = s->serial[8];
	memcpy(m + 44, s->serial + 4, 4);
	memcpy(m + 48, s->serial, 2);
	memcpy(m + 50, s->serial + 2, 2);
	m[52] = s->slot_locked ? 0 : 1; /* the chip's bit is 0 when locked */
}

/* --- the rules, in their order --- */

static enum attest_violation policy_rules(const struct attest_policy *p)
{
	unsigned slot = load_le16(p->slot_config), key = load_le16(p->key_config);

	if ((key & 1) == 0)
		return ATTEST_POLICY_PUBLIC;
	if ((key >> 2 & 7) != 4)
		return ATTEST_POLICY_KEY_TYPE;
	if ((slot >> 7 & 1) == 0)
		return ATTEST_POLICY_READABLE;
	if ((slot >> 14 & 1) != 0)
		return ATTEST_POLICY_PRIV_WRITE;
	return (slot & 2) != 0 ? ATTEST_POLICY_INTERNAL_SIGN : ATTEST_FINE;
}

static enum attest_violation policies_rules(const struct attest_expected *want)
{
	enum attest_violation v = want->policies_n == 0 ? ATTEST_POLICY_NONE : ATTEST_FINE;

	for (size_t i = 0; v == ATTEST_FINE && i < want->policies_n; i++)
		v = policy_rules(&want->policies[i]);
	return v;
}

static enum attest_violation challenge_rules(const struct attest_expected *want)
{
	const struct attest_challenge *c = want->challenge;

	if (c->used)
		return ATTEST_CHALLENGE_USED;
	if (want->now >= c->expires)
		return ATTEST_CHALLENGE_EXPIRED;
	if (memcmp(c->session, want->session, sizeof(c->session)) != 0)
		return ATTEST_CHALLENGE_OTHER_SESSION;
	if (memcmp(c->serial, want->serial, sizeof(c->serial)) != 0)
		return ATTEST_CHALLENGE_OTHER_CHIP;
	return ATTEST_FINE;
}

static enum attest_violation speaker_rules(
    const struct setup_statement *s, const struct attest_expected *want)
{
	if (memcmp(s->serial, want->serial, sizeof(s->serial)) != 0)
		return ATTEST_SERIAL;
	if (assurance_emulated(s->serial) && !want->emulated_allowed)
		return ATTEST_EMULATED;
	if (want->signer == NULL)
		return ATTEST_SIGNER_NONE;
	if (memcmp(want->signer->serial, s->serial, sizeof(s->serial)) != 0)
		return ATTEST_SIGNER_SERIAL;
	if (memcmp(want->signer->q, s->q, sizeof(s->q)) == 0)
		return ATTEST_SIGNER_IS_KEY;
	return ATTEST_FINE;
}

static enum attest_violation origin_rules(
    const struct setup_statement *s, const struct attest_expected *want)
{
	if (s->mode == GENKEY_CREATE_DIGEST)
		return ATTEST_FINE;
	if (s->mode != GENKEY_DIGEST)
		return ATTEST_MODE;
	if (want->recorded_q == NULL || memcmp(want->recorded_q, s->q, sizeof(s->q)) != 0)
		return ATTEST_NOT_MADE_HERE;
	return ATTEST_FINE;
}

/* The approved policy under which the signature verifies; NULL when there is none. */
static const struct attest_policy *signed_under(const struct setup_statement *s,
    const struct attest_expected *want, const struct x509_verifier *verifier)
{
	uint8_t message[ATTEST_MESSAGE];

	for (size_t i = 0; i < want->policies_n; i++) {
		attest_message(s, want->challenge->value, &want->policies[i], message);
		if (verifier->verify(verifier->ctx, want->signer->q, SLICE(message), s->sig) == OK)
			return &want->policies[i];
	}
	return NULL;
}

static enum attest_violation csr_rules(const struct setup_statement *s,
    const struct attest_expected *want, const struct x509_verifier *verifier)
{
	struct csr csr;

	if (csr_parse(want->csr, &csr, NULL) != OK)
		return ATTEST_CSR_FORM;
	if (memcmp(csr.q, s->q, sizeof(csr.q)) != 0)
		return ATTEST_CSR_KEY;
	if (csr_verify(&csr, verifier, NULL) != OK)
		return ATTEST_CSR_SIGNATURE;
	return slice_equal(csr.name.at[X509_CN], want->common_name) ? ATTEST_FINE
	                                                            : ATTEST_CSR_SUBJECT;
}

enum err attest_verify(const struct setup_statement *s, const struct attest_expected *want,
    const struct x509_verifier *verifier, struct attest_result *result, enum attest_violation *why)
{
	const struct attest_policy *policy = NULL;
	enum attest_violation v;

	if ((v = policies_rules(want)) == ATTEST_FINE &&
	    (v = challenge_rules(want)) == ATTEST_FINE &&
	    (v = speaker_rules(s, want)) == ATTEST_FINE &&
	    (v = origin_rules(s, want)) == ATTEST_FINE) {
		policy = signed_under(s, want, verifier);
		v = policy == NULL ? ATTEST_SIGNATURE : csr_rules(s, want, verifier);
	}
	*why = v;
	if (v != ATTEST_FINE)
		return v == ATTEST_CSR_FORM ? ERR_FORMAT : ERR_DENIED;
	*result = (struct attest_result){ policy, s->mode == GENKEY_CREATE_DIGEST, s->slot_locked };
	return OK;
}
