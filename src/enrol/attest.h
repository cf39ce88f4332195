/*
 * attest.h -- what a secure element's statement about its own key proves, and to whom.
 *
 * An element whose slot 1 signs internally and nothing else can say: this key is in my slot 0, under
 * this policy, and I have just made it. The statement is worth something only to a verifier that
 * rebuilds the signed bytes from what it knows itself: slot configurations come from a table of
 * approved policies and never from the device, and the flags are constants. A verifier that takes
 * them from the device believes keys that were never inside.
 *
 * It refuses with one named violation, the first that it meets. It reads no clock and keeps nothing:
 * whoever issued the challenge marks it used before asking, whatever the result. Not proven, because the statement
 * does not contain it: that the configuration and data zones are locked.
 *
 *	struct attest_expected want = { .challenge = &challenge, .session = run_id, .now = now,
 *	    .serial = record, .signer = &signer, .csr = der, .common_name = id,
 *	    .policies = attest_policies, .policies_n = ATTEST_POLICIES };
 *	if ((e = attest_verify(&statement, &want, &verifier, &result, &why)) != OK)
 *		return err_set(eb, e, "statement: %s", attest_violation_text(why));
 */
#ifndef IMPRINT_ATTEST_H
#define IMPRINT_ATTEST_H

#include "csr.h"
#include "setup.h"

#define ATTEST_CHALLENGE 20
#define ATTEST_MESSAGE 55

/* How slot 0 is configured, as the two bytes stand in the configuration zone. */
struct attest_policy {
	const char *name;
	uint8_t slot_config[2], key_config[2];
};
/* Slot 0 of our attestation-ready profile, without and with ECDH. */
#define ATTEST_POLICIES 2
extern const struct attest_policy attest_policies[ATTEST_POLICIES];

enum attest_violation {
	ATTEST_FINE,
	/* The verifier's own table. */
	ATTEST_POLICY_NONE,
	ATTEST_POLICY_PUBLIC,        /* KeyConfig.Private is 0: GenKey digests any stored key */
	ATTEST_POLICY_KEY_TYPE,      /* not P-256 */
	ATTEST_POLICY_READABLE,      /* IsSecret is 0 */
	ATTEST_POLICY_PRIV_WRITE,    /* WriteConfig bit 14: a key can be put in from outside */
	ATTEST_POLICY_INTERNAL_SIGN, /* ReadKey bit 1: slot 0 could make statements too */
	/* The challenge. */
	ATTEST_CHALLENGE_USED,
	ATTEST_CHALLENGE_EXPIRED,
	ATTEST_CHALLENGE_OTHER_SESSION,
	ATTEST_CHALLENGE_OTHER_CHIP,
	/* Who speaks. */
	ATTEST_SERIAL,        /* the statement is of another chip than the record */
	ATTEST_EMULATED,      /* an emulated chip, where those are not welcome */
	ATTEST_SIGNER_NONE,   /* no attestation key is known for this chip */
	ATTEST_SIGNER_SERIAL, /* it is trusted, but for another chip */
	ATTEST_SIGNER_IS_KEY, /* the attested key vouches for itself */
	/* What it says. */
	ATTEST_MODE,          /* GenKey neither 0C nor 08 */
	ATTEST_NOT_MADE_HERE, /* mode 08 for a key that no statement of mode 0C has recorded */
	ATTEST_SIGNATURE,     /* not what slot 1 signs under these policies about slot 0 */
	/* What is asked for. */
	ATTEST_CSR_FORM,
	ATTEST_CSR_SIGNATURE,
	ATTEST_CSR_KEY, /* for another key than the attested one */
	ATTEST_CSR_SUBJECT,
	ATTEST_VIOLATIONS
};
/* "the challenge was used before", ... */
const char *attest_violation_text(enum attest_violation v);

/* As issued: unpredictable, for one chip and one session. */
struct attest_challenge {
	uint8_t value[ATTEST_CHALLENGE];
	uint8_t serial[9];
	uint8_t session[16];
	int64_t expires; /* seconds since 1970 */
	bool used;       /* by an earlier statement */
};

/* A key that is trusted to speak for one chip: manifest, factory chain or our own station. */
struct attest_signer {
	uint8_t serial[9];
	uint8_t q[64];
};

struct attest_expected { /* all borrowed */
	const struct attest_challenge *challenge;
	uint8_t session[16];
	int64_t now;
	uint8_t serial[9];                  /* of the record that is to be attested */
	bool emulated_allowed;              /* only where the authority's policy is `demo` */
	const struct attest_signer *signer; /* NULL: none is known */
	const uint8_t *recorded_q; /* key recorded from a statement of mode 0C; NULL: none */
	struct slice csr;          /* DER */
	struct slice common_name;  /* that the CSR's subject must have */
	const struct attest_policy *policies;
	size_t policies_n;
};

struct attest_result {
	const struct attest_policy *policy; /* that the slot has */
	bool made_now;                      /* inside, after the challenge */
	bool frozen; /* slot 0 is locked: no GenKey can make the statement outdated */
};

/*
 * ERR_DENIED, or ERR_FORMAT for a CSR that is none, and in *why the first violation. result is untouched
 * then.
 */
enum err attest_verify(const struct setup_statement *statement, const struct attest_expected *want,
    const struct x509_verifier *verifier, struct attest_result *result,
    enum attest_violation *why) MUST_CHECK;

/* The bytes that slot 1 signs (data sheet, Sign internal) for this statement under this policy. */
void attest_message(const struct setup_statement *statement,
    const uint8_t challenge[ATTEST_CHALLENGE], const struct attest_policy *policy,
    uint8_t message[ATTEST_MESSAGE]);

#endif
