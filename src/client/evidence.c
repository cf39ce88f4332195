#include "evidence.h"

#include "p256.h"
#include "utc.h"

#include <string.h>

#define CHALLENGE_SECONDS 300

enum err evidence_challenge(struct evidence *v, const uint8_t serial[9], struct errbuf *eb)
{
	memset(v, 0, sizeof(*v));
	if (random_bytes(v->challenge.value, sizeof(v->challenge.value)) != OK)
		return err_set(eb, ERR_IO, "no random numbers for a challenge");
	memcpy(v->challenge.serial, serial, sizeof(v->challenge.serial));
	v->challenge.expires = utc_now_ms() / 1000 + CHALLENGE_SECONDS;
	return OK;
}

/* One challenge, one answer. */
static enum err verify(struct evidence *v, const struct attest_signer *signer,
    const struct record *record, const struct csr *csr, const struct x509_verifier *verifier,
    struct errbuf *eb)
{
	struct attest_expected want = { .challenge = &v->challenge,
		.now = utc_now_ms() / 1000,
		.emulated_allowed = true, /* and said so wherever the level is shown */
		.signer = signer,
		.csr = csr->der,
		.common_name = { (const uint8_t *)record_device_id(record), CCERT_DEVICE_ID },
		.policies = attest_policies,
		.policies_n = ATTEST_POLICIES };
	struct attest_result result;
	enum attest_violation why;
	enum err e;

	memcpy(want.serial, signer->serial, sizeof(want.serial));
	e = attest_verify(&v->statement, &want, verifier, &result, &why);
	v->challenge.used = true;
	return e == OK ? OK
	               : err_set(eb, e, "the element's statement about its key: %s",
	                     attest_violation_text(why));
}

enum err evidence_judge(struct evidence *v, const struct record *record, const struct csr *csr,
    const struct x509_verifier *verifier, struct errbuf *eb)
{
	struct attest_signer signer;
	enum err e;

	v->level = ASSURANCE_POSSESSION;
	v->why = "";
	if (!v->stated) {
		v->why = "the element cannot make statements about its keys";
		return OK;
	}
	if (!record_attester(record, v->challenge.serial, signer.q)) {
		v->why = "this computer did not lock the element, so nobody vouches for the key "
		         "that makes its statements";
		return OK;
	}
	memcpy(signer.serial, v->challenge.serial, sizeof(signer.serial));
	if ((e = verify(v, &signer, record, csr, verifier, eb)) == OK)
		v->level = ASSURANCE_ATTESTED;
	return e;
}
