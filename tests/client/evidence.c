/* What a statement is worth to a run: nothing without somebody who vouches, an error when it is false. */
#include "evidence.h"
#include "p256.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t serial[9] = { 0x01, 0x23, 1, 2, 3, 4, 5, 6, 0xee };

struct desk {
	struct record *record;
	struct p256 *p;
	struct p256_key *key, *attester;
	struct csr csr;
	uint8_t der[512];
};

static bool desk_open(struct desk *d, const char *folder)
{
	struct x509_name name = { .at[X509_CN] = { NULL, 0 } };
	struct der_w w = der_writer(d->der, sizeof(d->der));
	struct x509_signer signer;
	struct slice der;
	uint8_t q[64];

	if (record_open(folder, "b", NULL, &d->record, NULL) != OK || p256_new(&d->p, NULL) != OK ||
	    p256_key_generate(&d->key, NULL) != OK || p256_key_generate(&d->attester, NULL) != OK)
		return false;
	name.at[X509_CN] = (struct slice){ (const uint8_t *)record_device_id(d->record), 36 };
	signer = p256_signer(d->key);
	p256_key_public(d->key, q);
	return csr_build(&name, q, &signer, &w) == OK && der_finish(&w, &der) == OK &&
	       csr_parse(der, &d->csr, NULL) == OK;
}

static void desk_close(struct desk *d)
{
	record_free(d->record);
	p256_free(d->p);
	p256_key_free(d->key);
	p256_key_free(d->attester);
}

/* A statement that is true, but for what `bend` says. */
static enum err judged(struct desk *d, struct evidence *v, int bend, struct errbuf *eb)
{
	struct x509_verifier verifier = p256_verifier(d->p);
	uint8_t message[ATTEST_MESSAGE];
	struct x509_signer signer = p256_signer(bend == 1 ? d->key : d->attester);

	if (evidence_challenge(v, serial, eb) != OK)
		return ERR_COUNT;
	v->stated = true;
	v->statement.mode = bend == 2 ? 0x08 : 0x0c;
	memcpy(v->statement.serial, serial, sizeof(serial));
	v->statement.serial[3] ^= bend == 3;
	p256_key_public(bend == 4 ? d->attester : d->key, v->statement.q);
	attest_message(&v->statement, v->challenge.value, &attest_policies[0], message);
	if (signer.sign(signer.ctx, SLICE(message), v->statement.sig) != OK)
		return ERR_COUNT;
	if (bend == 5)
		v->challenge.value[0] ^= 1;
	return evidence_judge(v, d->record, &d->csr, &verifier, eb);
}

static const char *const bends[] = { "", "signed by the attested key itself",
	"for a key that was there before", "by another chip", "for another key",
	"for another challenge" };

int main(void)
{
	char folder[] = "/tmp/imprint-evidence-XXXXXX", command[64];
	struct desk d = { .record = NULL };
	struct evidence v = { .stated = false };
	struct x509_verifier verifier;
	struct errbuf eb = { "" };
	uint8_t q[64];

	if (!mkdtemp(folder) || !ok(desk_open(&d, folder), "a record and its request"))
		return done_testing();
	verifier = p256_verifier(d.p);
	ok(evidence_judge(&v, d.record, &d.csr, &verifier, &eb) == OK &&
	        v.level == ASSURANCE_POSSESSION && v.why[0],
	    "no statement: %s, %s", assurance_name(v.level), v.why);
	ok(judged(&d, &v, 1, &eb) == OK && v.level == ASSURANCE_POSSESSION && v.why[0],
	    "nobody vouches: %s, %s", assurance_name(v.level), v.why);
	p256_key_public(d.attester, q);
	ok(record_attester_put(d.record, serial, q, &eb) == ERR_CONFLICT,
	    "a chip that was not locked here: %s", eb.text);
	ok(record_element(d.record, serial, &eb) == OK &&
	        record_attester_put(d.record, serial, q, &eb) == OK &&
	        record_attester_put(d.record, serial, q, &eb) == OK,
	    "locked here: its key is taken down");
	ok(judged(&d, &v, 0, &eb) == OK && v.level == ASSURANCE_ATTESTED && !v.why[0], "%s: %s",
	    assurance_name(v.level), assurance_text(v.level));
	for (int bend = 1; bend < (int)COUNT(bends); bend++)
		ok(judged(&d, &v, bend, &eb) == ERR_DENIED && v.level != ASSURANCE_ATTESTED,
		    "%s: %s", bends[bend], eb.text);
	q[0] ^= 1;
	ok(record_attester_put(d.record, serial, q, &eb) == ERR_CONFLICT, "another key: %s",
	    eb.text);
	desk_close(&d);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command) == 0 ? done_testing() : 1;
}
