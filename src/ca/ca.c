#include "ca.h"
#include "csr.h"
#include "digest.h"
#include "file.h"
#include "folder.h"
#include "serial_number.h"
#include "text.h"
#include "utc.h"
#include "uuid.h"

#include <stdlib.h>
#include <string.h>

#define CERTIFICATE_FILE_MAX 8192
/* A request in PEM: a third longer than DER, plus lines and labels. */
#define CSR_PEM_MAX (2 * CSR_MAX)

#define LAST_YEAR 2031u /* of the compressed format */

struct ca {
	struct signer *signer;
	struct p256 *p256;
	struct digest *digest;
	uint8_t certificate[PROFILE_CA_MAX];
	size_t certificate_n;
	uint8_t key; /* the signer's number for it */
	/* A batch as the signer takes it. */
	struct leaf_in in[SIGNER_BATCH_MAX];
	struct leaf_out out[SIGNER_BATCH_MAX];
};

/* --- the folder --- */

static enum err read_certificate(struct ca *ca, const char *folder, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	uint8_t *pem = NULL;
	size_t n;
	enum err e;

	if ((e = folder_join(folder, "certificate.pem", path, eb)) != OK ||
	    (e = file_read(path, CERTIFICATE_FILE_MAX, &pem, &n, eb)) != OK)
		return e;
	if (pem_decode((struct slice){ pem, n }, "CERTIFICATE", ca->certificate,
	        sizeof(ca->certificate), &ca->certificate_n, NULL) != OK)
		e = err_set(
		    eb, ERR_FORMAT, "%s: not the PEM form of an authority's certificate", path);
	free(pem);
	return e;
}

enum err ca_open(
    const char *folder, const struct signer_options *options, struct ca **out, struct errbuf *eb)
{
	struct ca *ca = calloc(1, sizeof(*ca));
	char path[FOLDER_PATH_MAX];
	enum err e;

	if (!ca)
		return err_set(eb, ERR_MEMORY, "no memory for an authority");
	if ((e = folder_private(folder, eb)) != OK ||
	    (e = read_certificate(ca, folder, eb)) != OK ||
	    (e = folder_join(folder, "key.pem", path, eb)) != OK ||
	    (e = signer_new(options, &ca->signer, eb)) != OK ||
	    (e = signer_add_file(ca->signer, path, ca_certificate(ca), &ca->key, eb)) != OK ||
	    (e = p256_new(&ca->p256, eb)) != OK || (e = digest_new(&ca->digest, eb)) != OK)
		goto out;
	*out = ca;
	ca = NULL;
out:
	ca_free(ca);
	return e;
}

void ca_free(struct ca *ca)
{
	if (!ca)
		return;
	digest_free(ca->digest);
	p256_free(ca->p256);
	signer_free(ca->signer);
	free(ca);
}

struct slice ca_certificate(const struct ca *ca)
{
	return (struct slice){ ca->certificate, ca->certificate_n };
}

const uint8_t *ca_key_id(const struct ca *ca)
{
	return signer_authority(ca->signer, ca->key)->key_id;
}

/* --- the request --- */

/* The DER of a request, decoded into der when it is PEM. */
static enum err request_der(
    struct slice csr, uint8_t der[CSR_MAX], struct slice *out, struct errbuf *eb)
{
	size_t n;
	enum err e;

	*out = csr;
	if (csr.n == 0)
		return err_set(eb, ERR_FORMAT, "the request is empty");
	if (csr.p[0] == 0x30)
		return OK;
	if (csr.n > CSR_PEM_MAX)
		return err_set(eb, ERR_FORMAT, "a request of %zu bytes is too long", csr.n);
	e = pem_decode(csr, "CERTIFICATE REQUEST", der, CSR_MAX, &n, NULL);
	if (e != OK)
		return err_set(eb, ERR_FORMAT, "the request of %zu bytes is neither DER nor PEM%s",
		    csr.n, e == ERR_NOT_FOUND ? ": no BEGIN CERTIFICATE REQUEST" : "");
	*out = (struct slice){ der, n };
	return OK;
}

/*
 * A common name is not evidence, and boards send different ones: the device id, a hardware id. But a
 * UUID that is not the device's says that somebody mixes up two boards.
 */
static enum err check_subject(const struct csr *csr, struct slice device_id, struct errbuf *eb)
{
	struct slice cn = csr->name.at[X509_CN];
	uint8_t uuid[16];

	if (uuid_parse(cn, uuid) == OK && !slice_equal(cn, device_id))
		return err_set(eb, ERR_CONFLICT,
		    "certificationRequestInfo.subject: the request is for %.*s, the device is %.*s",
		    (int)cn.n, (const char *)cn.p, (int)device_id.n, (const char *)device_id.p);
	return OK;
}

static enum err check_request(struct p256 *p256, struct slice der, const struct ca_request *r,
    struct csr *csr, struct errbuf *eb)
{
	struct x509_verifier verifier = p256_verifier(p256);
	enum csr_fault fault = CSR_FINE;
	enum err e;

	if ((e = csr_parse(der, csr, &fault)) == OK)
		e = csr_verify(csr, &verifier, &fault);
	if (fault != CSR_FINE)
		return err_set(eb, ERR_FORMAT, "%s", csr_fault_text(fault));
	if (e != OK)
		return err_set(eb, e, "the request cannot be verified: %s", err_text(e));
	return r->rename ? OK : check_subject(csr, r->device_id, eb);
}

/* --- the dates --- */

/* What can be issued for a start and a lifetime: see struct ca_request. */
static enum err choose_dates(
    const struct ca_request *r, struct leaf_in *leaf, struct ca_issued *issued, struct errbuf *eb)
{
	struct x509_hour start = r->start;
	unsigned end = start.year + r->years;

	if (!x509_hour_exists(&start) || start.year < 2000)
		return err_set(eb, ERR_ARG, "start: %04u-%02u-%02u %02u:00 is no hour from 2000 on",
		    start.year, start.month, start.day, start.hour);
	if (r->years < 1 || r->years > 31)
		return err_set(eb, ERR_ARG, "years: %u is not 1 to 31", r->years);
	leaf->validity = (uint16_t)r->years;
	if (start.year >= CA_END_YEAR)
		return err_set(
		    eb, ERR_ARG, "start: no board can rebuild a certificate for %u", start.year);
	if (start.year > LAST_YEAR) {
		leaf->validity = (uint16_t)(end > LAST_YEAR + 31 ? 31 : end - LAST_YEAR);
		leaf->flags |= LEAF_PINNED;
		start = (struct x509_hour){ LAST_YEAR, 12, 31, 23 };
		issued->pinned = true;
	} else if (start.month == 2 && start.day == 29) {
		start.day = 28;
		issued->leap_day = true;
	}
	return utc_hours_since_2000(&start, &leaf->not_before);
}

/* --- the certificate --- */

/*
 * What the signer signed, rebuilt from the 144 bytes that the board will store. Its hash must be the
 * one that the signer took of its own bytes.
 */
static enum err rebuild(struct ca *ca, const struct leaf_in *in, const struct leaf_out *out,
    struct ca_issued *issued, struct errbuf *eb)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	struct der_w w = der_writer(issued->der, sizeof(issued->der));
	struct ccert c = { .years = (uint8_t)in->validity };
	struct slice der;

	if (utc_hour_since_2000(in->not_before, &c.issued) != OK)
		return err_set(eb, ERR_ARG, "start: out of range");
	memcpy(c.sig, out->sig, sizeof(c.sig));
	memcpy(c.serial, in->serial, sizeof(c.serial));
	memcpy(c.aki, ca_key_id(ca), sizeof(c.aki));
	uuid_text(in->device, c.device_id);
	if (ccert_pack(&c, slot10, slot11, slot12) != OK ||
	    ccert_unpack(slot10, slot11, slot12, &issued->fields) != OK)
		return err_set(
		    eb, ERR_FORMAT, "L12: the certificate does not fit the board's slots");
	ccert_cert_put(&w, &issued->fields, in->q);
	if (der_finish(&w, &der) != OK ||
	    digest_sha256(ca->digest, der, issued->fingerprint) != OK ||
	    memcmp(issued->fingerprint, out->fingerprint, sizeof(out->fingerprint)) != 0)
		return err_set(eb, ERR_FORMAT, "L12: the board would rebuild another certificate");
	issued->der_n = der.n;
	memcpy(issued->q, in->q, sizeof(issued->q));
	memcpy(issued->leaf_hash, out->leaf_hash, sizeof(issued->leaf_hash));
	return OK;
}

enum err ca_check(
    struct p256 *p256, const struct ca_request *r, struct ca_work *work, struct errbuf *eb)
{
	struct ca_work w = { .leaf.profile = PROFILE_ARDUINO };
	uint8_t decoded[CSR_MAX];
	struct slice der;
	struct csr csr;
	enum err e;

	if (uuid_parse(r->device_id, w.leaf.device) != OK)
		return err_set(
		    eb, ERR_FORMAT, "L20: device id: not a UUID of 36 characters in lower case");
	if ((e = request_der(r->csr, decoded, &der, eb)) != OK ||
	    (e = check_request(p256, der, r, &csr, eb)) != OK ||
	    (e = choose_dates(r, &w.leaf, &w.issued, eb)) != OK)
		return e;
	if ((e = serial_number_draw(w.leaf.serial)) != OK)
		return err_set(eb, e, "no random bytes for a serial number");
	memcpy(w.leaf.q, csr.q, sizeof(w.leaf.q));
	*work = w;
	return OK;
}

static enum err finish(struct ca *ca, const struct leaf_out *out, struct ca_work *w)
{
	const struct lint_rule *rule;

	if (out->err == ERR_DENIED && (rule = lint_rule(out->lint)) != NULL)
		return err_set(&w->eb, ERR_DENIED, "L%02u requires: %s (%s)", out->lint, rule->text,
		    rule->source);
	if (out->err != OK)
		return err_set(&w->eb, out->err, "the signer: %s", err_text(out->err));
	return rebuild(ca, &w->leaf, out, &w->issued, &w->eb);
}

static void sign_batch(struct ca *ca, struct ca_work *const *works, size_t n)
{
	struct errbuf eb;
	uint64_t time_ms = 0;
	enum err e;

	for (size_t i = 0; i < n; i++) {
		works[i]->leaf.key = ca->key;
		ca->in[i] = works[i]->leaf;
	}
	e = signer_leaf(ca->signer, ca->in, ca->out, n, &time_ms, &eb);
	for (size_t i = 0; i < n; i++) {
		struct ca_work *w = works[i];

		w->issued.time_ms = time_ms;
		w->err = e == OK ? finish(ca, &ca->out[i], w) : err_set(&w->eb, e, "%s", eb.text);
	}
}

void ca_sign(struct ca *ca, struct ca_work *const *works, size_t n)
{
	for (size_t some; n > 0; works += some, n -= some) {
		some = n < SIGNER_BATCH_MAX ? n : SIGNER_BATCH_MAX;
		sign_batch(ca, works, some);
	}
}

enum err ca_issue(
    struct ca *ca, const struct ca_request *r, struct ca_issued *issued, struct errbuf *eb)
{
	struct ca_work work, *const one = &work;
	enum err e = ca_check(ca->p256, r, &work, eb);

	if (e != OK)
		return e;
	ca_sign(ca, &one, 1);
	if (work.err != OK)
		return err_set(eb, work.err, "%s", work.eb.text);
	*issued = work.issued;
	return OK;
}

enum err ca_verify(struct ca *ca, struct slice der, struct ccert *fields, struct errbuf *eb)
{
	const struct profile_ca *own = signer_authority(ca->signer, ca->key);
	uint8_t q[64], digest[32];
	struct x509_cert cert;
	struct ccert c;
	enum err e;

	if (x509_cert_parse(der, &cert) != OK || ccert_from_cert(der, &c, q) != OK)
		return err_set(eb, ERR_FORMAT, "not a device certificate that a board can rebuild");
	if (memcmp(c.aki, own->key_id, sizeof(c.aki)) != 0)
		return err_set(eb, ERR_DENIED, "authority key identifier: another authority's");
	if ((e = digest_sha256(ca->digest, cert.tbs_der, digest)) == OK)
		e = p256_verify(ca->p256, own->q, digest, c.sig);
	if (e != OK)
		return err_set(eb, e, "signature: not this authority's");
	*fields = c;
	return OK;
}
