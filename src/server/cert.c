/* Certificates of devices: issued, listed, switched, issued anew, revoked. */
#include "call.h"
#include "sha256.h"
#include "text.h"
#include "utc.h"
#include "uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every client hard-codes it. */
#define YEARS 31
#define LEVEL_POSSESSION 1
#define PEM_COLUMNS 64
#define PEM_MAX (BASE64_SIZE(CCERT_CERT_MAX) + 128)

/* --- rebuilt from its row --- */

struct authority {
	uint32_t id;
	uint8_t key_id[20];
	bool found;
};

static bool take_authority(void *ctx, const struct store_authority *row)
{
	struct authority *a = ctx;

	if (row->id == a->id) {
		memcpy(a->key_id, row->key_id, sizeof(a->key_id));
		a->found = true;
	}
	return !a->found;
}

/* Of the authority that signs now, or of one before it. */
static enum err key_id_of(struct call *c, uint32_t authority, uint8_t key_id[20])
{
	struct authority a = { .id = authority };
	enum err e;

	if (authority == api_authority(c->api)) {
		memcpy(key_id, api_key_id(c->api), 20);
		return OK;
	}
	e = store_authority_list(api_registry(c->api), c->tenant, take_authority, &a, &c->eb);
	if (e != OK)
		return e;
	if (!a.found)
		return call_refuse(c, 500, "authority %u is unknown", authority);
	memcpy(key_id, a.key_id, 20);
	return OK;
}

/* Where the DER goes: the caller's buffer. */
struct rebuilt {
	struct ccert fields;
	uint8_t buffer[CCERT_CERT_MAX];
	struct slice der;
};

static enum err rebuild(struct call *c, const struct store_cert *cert, struct rebuilt *r)
{
	struct der_w w = der_writer(r->buffer, sizeof(r->buffer));
	uint8_t fingerprint[32];
	struct sha256 h;
	enum err e;

	if ((e = key_id_of(c, cert->authority, r->fields.aki)) != OK)
		return e;
	memcpy(r->fields.sig, cert->sig, sizeof(r->fields.sig));
	memcpy(r->fields.serial, cert->serial, sizeof(r->fields.serial));
	uuid_text(cert->device, r->fields.device_id);
	r->fields.years = (uint8_t)cert->years;
	e = utc_hour_since_2000(cert->not_before, &r->fields.issued);
	if (e == OK) {
		ccert_cert_put(&w, &r->fields, cert->q);
		e = der_finish(&w, &r->der);
	}
	if (e == OK) {
		sha256_init(&h);
		sha256_update(&h, r->der);
		sha256_final(&h, fingerprint);
	}
	if (e != OK || !ct_equal(fingerprint, cert->fingerprint, sizeof(fingerprint)))
		return call_refuse(c, 500, "a certificate in the registry is damaged");
	return OK;
}

/* --- as JSON --- */

/* Its own document allows 512 characters for what has 611, and it refuses the answer. */
static bool takes_no_pem(const struct call *c)
{
	const char *agent = http_header(c->x, "User-Agent");

	return agent && strcmp(agent, "OpenAPI-Generator/3.0.0/python") == 0;
}

static void compressed(const struct ccert *f, struct json_out *w)
{
	struct x509_hour end = x509_hour_add_years(&f->issued, f->years);
	char from[UTC_TEXT_SIZE], to[UTC_TEXT_SIZE];
	uint8_t buffer[80];
	struct der_w der = der_writer(buffer, sizeof(buffer));
	struct slice sig = { NULL, 0 };

	utc_text(&f->issued, from);
	utc_text(&end, to);
	x509_sig_put(&der, f->sig);
	if (der_finish(&der, &sig) != OK && w->err == OK)
		w->err = ERR_FORMAT;
	json_open(w, "compressed", '{');
	json_hex(w, "authority_key_identifier", SLICE(f->aki));
	json_text(w, "not_after", to);
	json_text(w, "not_before", from);
	json_hex(w, "serial", SLICE(f->serial));
	json_hex(w, "signature", sig);
	json_hex(w, "signature_asn1_x", (struct slice){ f->sig, 32 });
	json_hex(w, "signature_asn1_y", (struct slice){ f->sig + 32, 32 });
	json_close(w, '}');
}

static void cert_json(const struct call *c, const struct store_cert *cert,
    const struct ccert *fields, struct slice der, struct json_out *w)
{
	char device[UUID_TEXT], serial[33], href[128], pem[PEM_MAX] = "";
	size_t n;

	uuid_text(cert->device, device);
	hex_encode(SLICE(cert->serial), HEX_LOWER, serial);
	snprintf(href, sizeof(href), "/iot/v2/devices/%.*s/certs/%s", UUID_TEXT, device, serial);
	if (!takes_no_pem(c) &&
	    pem_encode(der, "CERTIFICATE", PEM_COLUMNS, pem, sizeof(pem), &n) != OK && w->err == OK)
		w->err = ERR_SPACE;
	json_open(w, NULL, '{');
	compressed(fields, w);
	json_base64(w, "der", der);
	json_slice(w, "device_id", SLICE(device));
	json_bool(w, "enabled", cert->enabled);
	json_text(w, "href", href);
	json_text(w, "id", serial);
	json_text(w, "pem", pem);
	json_close(w, '}');
}

enum err cert_answer(struct call *c, int status, const struct store_cert *cert)
{
	struct json_out w;
	struct rebuilt r;
	enum err e = rebuild(c, cert, &r);

	if (e != OK)
		return e;
	w = json_out(2560);
	cert_json(c, cert, &r.fields, r.der, &w);
	answer_json(c, status, &w);
	return OK;
}

/* Behind the commit of an issuance: everything is at hand. */
static void answer_issued(struct job *job)
{
	const struct ca_issued *i = &job->work.issued;

	call_hook(&job->call, "before", STEP_ANSWER);
	cert_json(
	    &job->call, &job->cert, &i->fields, (struct slice){ i->der, i->der_n }, &job->out);
	call_hook(&job->call, "inside", STEP_ANSWER);
	api_count_issued(job->call.api);
	answer_json(&job->call, job->event.status, &job->out);
}

/* Behind another change: what is in the row was read and compared before. */
void answer_job_cert(struct job *job)
{
	enum err e = cert_answer(&job->call, job->event.status, &job->cert);

	if (e != OK)
		call_fail(&job->call, e);
}

/* --- issued --- */

static enum err check(
    struct call *c, const struct store_device *d, const char *csr, struct ca_work *work)
{
	char id[UUID_TEXT];
	/* The path says which device it is: Arduino's API replaces the name in the request. */
	struct ca_request r = { .csr = { (const uint8_t *)csr, strlen(csr) },
		.device_id = SLICE(id),
		.years = YEARS,
		.rename = true };
	int64_t now = api_now(c->api);
	enum err e;

	uuid_text(d->id, id);
	if (utc_hour(now / 1000, &r.start) != OK || r.start.year < 2000 ||
	    r.start.year >= CA_END_YEAR)
		return call_refuse(c, 503, "the server's clock is wrong");
	if ((e = ca_check(c->tools->p256, &r, work, &c->eb)) != OK)
		return err_within(&c->eb, e, "csr");
	memcpy(work->leaf.tenant, c->organization, sizeof(work->leaf.tenant));
	return OK;
}

/*
 * One that was issued and has never connected gives way to the next; an active one does not yet. There is
 * one at most, the newest of the device: with each that was issued, those before it went.
 */
static enum err give_way(struct call *c, const struct store_device *d, struct store_change *to)
{
	struct store_cert before;
	enum err e;

	if (ct_zero(d->cert, sizeof(d->cert)))
		return OK;
	e = store_cert_get(api_registry(c->api), c->tenant, d->cert, &before, &c->eb);
	if (e == OK && before.state == STORE_ISSUED) {
		before.state = STORE_SUPERSEDED;
		before.enabled = false;
		store_cert_put(to, &before);
	}
	return e;
}

/*
 * A certificate for this device, beside the active one, which stays until this one has connected
 * (docs/api.md). One row of the certificate, one of the event, and the device's: what is not in the
 * registry was never issued.
 */
static enum err issue(
    struct call *c, const struct cert_body *b, bool enabled, int status, struct store_device *d)
{
	struct store_cert cert = { .authority = api_authority(c->api),
		.years = YEARS,
		.profile = PROFILE_ARDUINO,
		.level = LEVEL_POSSESSION,
		.state = STORE_ISSUED,
		.enabled = enabled };
	struct job *job = NULL;
	enum err e;

	if ((e = job_new(c, EVENT_CERTIFICATE, status, &job)) != OK)
		return e;
	job->issues = true;
	call_hook(c, "after", STEP_RECEIVE);
	call_hook(c, "before", STEP_VERIFY);
	if ((e = check(c, d, b->csr, &job->work)) != OK ||
	    (e = give_way(c, d, job->change)) != OK) {
		job_drop(job);
		return e;
	}
	call_hook(c, "inside", STEP_VERIFY);
	job_step(job, STEP_VERIFY, OK);
	memcpy(cert.serial, job->work.leaf.serial, sizeof(cert.serial));
	memcpy(cert.device, d->id, sizeof(cert.device));
	memcpy(cert.q, job->work.leaf.q, sizeof(cert.q));
	cert.not_before = job->work.leaf.not_before;
	cert.years = job->work.leaf.validity;
	cert.created = api_now(c->api);
	memcpy(job->event.certificate, cert.serial, sizeof(cert.serial));
	call_hook(c, "after", STEP_VERIFY);
	call_hook(c, "before", STEP_QUEUE);
	memcpy(d->cert, cert.serial, sizeof(d->cert));
	d->changed = cert.created;
	store_device_put(job->change, d);
	store_cert_put(job->change, &cert);
	job->answer = answer_issued;
	e = job_submit(job, "certificate.issued", d->id);
	call_hook(c, "after", STEP_QUEUE);
	return e;
}

enum err cert_issue(struct call *c)
{
	struct store_device d;
	struct cert_body b;
	uint32_t given;
	enum err e;

	if ((e = call_body(c, &cert_object, &b, &given)) != OK)
		return e;
	if (!(given & BODY_BIT(CERT_csr)))
		return err_set(&c->eb, ERR_FORMAT, "csr: missing");
	if (!(given & BODY_BIT(CERT_enabled)))
		return err_set(&c->eb, ERR_FORMAT, "enabled: missing");
	if ((e = call_device(c, false, &d)) != OK)
		return e;
	return issue(c, &b, b.enabled, 201, &d);
}

/* --- what there is --- */

/* What was deleted here is revoked, and never shown here again. */
static bool collect(void *ctx, const struct store_cert *cert)
{
	return cert->state == STORE_REVOKED || rows_add(ctx, cert);
}

enum err cert_list(struct call *c)
{
	struct json_out w = json_out(4096);
	struct rows l = { .size = sizeof(struct store_cert) };
	const struct store_cert *at;
	struct store_device d;
	struct rebuilt r;
	enum err e;

	json_open(&w, NULL, '[');
	if ((e = call_device(c, false, &d)) == OK)
		e = store_cert_list(api_registry(c->api), c->tenant, d.id, collect, &l, &c->eb);
	if (e == OK && l.full)
		e = err_set(&c->eb, ERR_MEMORY, "no memory for the list");
	at = l.at;
	for (size_t i = 0; e == OK && i < l.n; i++)
		if ((e = rebuild(c, &at[i], &r)) == OK)
			cert_json(c, &at[i], &r.fields, r.der, &w);
	free(l.at);
	if (e != OK) {
		json_drop(&w);
		return e;
	}
	json_close(&w, ']');
	answer_json(c, 200, &w);
	return OK;
}

static enum err find(struct call *c, struct store_device *d, struct store_cert *cert)
{
	struct slice text = { (const uint8_t *)c->param[1], strlen(c->param[1]) };
	uint8_t serial[16];
	enum err e;

	if ((e = call_device(c, false, d)) != OK)
		return e;
	if (hex_decode(text, serial, sizeof(serial)) != OK)
		return err_set(&c->eb, ERR_NOT_FOUND, "certificate: no id that could exist");
	e = store_cert_get(api_registry(c->api), c->tenant, serial, cert, &c->eb);
	if (e == ERR_NOT_FOUND ||
	    (e == OK && (cert->state == STORE_REVOKED || memcmp(cert->device, d->id, 16) != 0)))
		return err_set(&c->eb, ERR_NOT_FOUND, "certificate %s: not found", c->param[1]);
	return e;
}

enum err cert_show(struct call *c)
{
	struct store_device d;
	struct store_cert cert;
	enum err e = find(c, &d, &cert);

	return e == OK ? cert_answer(c, 200, &cert) : e;
}

/* --- changed --- */

/* A superseded one is off since another came: whether it was switched is seen by the newest. */
static enum err as_before(
    struct call *c, const struct store_device *d, const struct store_cert *cert, bool *enabled)
{
	struct store_cert newest = *cert;
	enum err e = OK;

	if (cert->state == STORE_SUPERSEDED)
		e = store_cert_get(api_registry(c->api), c->tenant, d->cert, &newest, &c->eb);
	*enabled = newest.enabled;
	return e;
}

enum err cert_update(struct call *c)
{
	struct store_device d;
	struct store_cert cert;
	struct cert_body b;
	struct rebuilt r;
	struct job *job = NULL;
	uint32_t given;
	enum err e;

	if ((e = call_body(c, &cert_object, &b, &given)) != OK || (e = find(c, &d, &cert)) != OK)
		return e;
	if (given & BODY_BIT(CERT_csr)) {
		if (!(given & BODY_BIT(CERT_enabled)) &&
		    (e = as_before(c, &d, &cert, &b.enabled)) != OK)
			return e;
		return issue(c, &b, b.enabled, 200, &d);
	}
	if (!(given & BODY_BIT(CERT_enabled)))
		return cert_answer(c, 200, &cert);
	if (b.enabled && cert.state == STORE_SUPERSEDED)
		return call_refuse(c, 412, "enabled: the certificate was superseded");
	if ((e = rebuild(c, &cert, &r)) != OK ||
	    (e = job_new(c, EVENT_CERTIFICATE, 200, &job)) != OK)
		return e;
	job->cert = cert;
	job->answer = answer_job_cert;
	if (b.enabled == cert.enabled)
		return job_unchanged(job);
	cert.enabled = job->cert.enabled = b.enabled;
	memcpy(job->event.certificate, cert.serial, sizeof(cert.serial));
	store_cert_put(job->change, &cert);
	return job_submit(job, b.enabled ? "certificate.enabled" : "certificate.disabled", d.id);
}

enum err cert_delete(struct call *c)
{
	struct store_device d;
	struct store_cert cert;
	char word[REVOCATION_WORD_MAX + 1] = "unspecified"; /* nobody said why */
	struct job *job = NULL;
	uint8_t reason;
	enum err e;

	if ((e = call_query(c, "reason", word, sizeof(word))) != OK && e != ERR_NOT_FOUND)
		return e;
	if (revocation_reason(word, &reason) != OK)
		return err_set(&c->eb, ERR_FORMAT, "reason: not a reason of RFC 5280 5.3.1");
	if ((e = find(c, &d, &cert)) != OK || (e = job_new(c, EVENT_NOTHING, 200, &job)) != OK)
		return e;
	job_revoke(job, &cert, reason);
	memcpy(job->event.certificate, cert.serial, sizeof(cert.serial));
	job->answer = answer_job_empty;
	return job_submit(job, "certificate.revoked", d.id);
}
