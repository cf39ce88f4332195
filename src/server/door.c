/*
 * Who is let in: devices disabled, enabled, their certificates revoked. The brokers ask nobody when a
 * board comes, so an answer waits until they have heard (job_submit), or says which have not.
 */
#include "call.h"
#include "utc.h"

#include <stdio.h>
#include <string.h>

/* --- reasons --- */

static const char *const reasons[] = {
#define CRL_REASON(number, word) [number] = word,
#include "crl_reasons.def"
#undef CRL_REASON
};

const char *revocation_word(uint8_t reason)
{
	return reason < COUNT(reasons) && reasons[reason] ? reasons[reason] : reasons[0];
}

enum err revocation_reason(const char *word, uint8_t *reason)
{
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (reasons[i] && strcmp(reasons[i], word) == 0) {
			*reason = (uint8_t)i;
			return OK;
		}
	return ERR_NOT_FOUND;
}

/* --- how it stands --- */

static void hour(struct json_out *w, const char *key, uint32_t hours, unsigned years)
{
	char text[UTC_TEXT_SIZE];
	struct x509_hour t;

	if (utc_hour_since_2000(hours, &t) != OK)
		return;
	t = x509_hour_add_years(&t, years);
	utc_text(&t, text);
	json_text(w, key, text);
}

void cert_standing(const struct store_cert *cert, struct json_out *w)
{
	static const char *const states[] = { [STORE_ISSUED] = "issued",
		[STORE_ACTIVE] = "active",
		[STORE_SUPERSEDED] = "superseded",
		[STORE_REVOKED] = "revoked" };

	json_open(w, NULL, '{');
	json_hex(w, "id", SLICE(cert->serial));
	json_text(w, "state", states[cert->state]);
	json_bool(w, "enabled", cert->enabled);
	json_int(w, "level", cert->level);
	json_hex(w, "fingerprint", SLICE(cert->fingerprint));
	hour(w, "not_before", cert->not_before, 0);
	hour(w, "not_after", cert->not_before, cert->years);
	json_time(w, "created_at", cert->created);
	if (cert->state == STORE_REVOKED) {
		json_time(w, "revoked_at", cert->revoked);
		json_text(w, "reason", revocation_word(cert->reason));
	}
	json_close(w, '}');
}

static bool put_cert(void *ctx, const struct store_cert *cert)
{
	cert_standing(cert, ctx);
	return true;
}

/* The beginning of every answer here: {"id", "name", "enabled", "certificates": [ */
static void begin(const struct store_device *d, struct json_out *w)
{
	json_open(w, NULL, '{');
	json_uuid(w, "id", d->id);
	json_text(w, "name", d->name);
	json_bool(w, "enabled", d->enabled);
	json_open(w, "certificates", '[');
}

enum err door_standing(struct call *c, const struct store_device *d, struct json_out *w)
{
	enum err e;

	begin(d, w);
	e = store_cert_list(api_registry(c->api), c->tenant, d->id, put_cert, w, &c->eb);
	json_close(w, ']');
	return e;
}

static void put_names(struct json_out *w, const char *names)
{
	while (*names) {
		size_t n = strcspn(names, ",");

		json_slice(w, NULL, (struct slice){ (const uint8_t *)names, n });
		names += n + (names[n] == ',');
	}
}

void answer_job_door(struct job *job)
{
	struct json_out *w = &job->out;

	json_open(w, "brokers", '{');
	json_int(w, "reached", job->reached);
	json_open(w, "waiting", '[');
	put_names(w, job->waiting ? job->waiting : "");
	json_close(w, ']');
	json_close(w, '}');
	json_close(w, '}');
	answer_json(&job->call, job->event.status, w);
}

/* --- what is asked --- */

/* A body may be left out. */
static enum err take_body(
    struct call *c, const struct body_object *object, void *body, uint32_t *given)
{
	*given = 0;
	memset(body, 0, object->size);
	return c->x->request->body.n ? call_body(c, object, body, given) : OK;
}

static enum err door_begin(struct call *c, struct store_device *d, struct job **job)
{
	enum err e;

	if ((e = call_device(c, false, d)) != OK || (e = job_new(c, EVENT_DOOR, 200, job)) != OK)
		return e;
	(*job)->answer = answer_job_door;
	return OK;
}

static enum err door_switch(struct call *c, bool enabled, const char *what)
{
	struct switch_body b;
	struct store_device d;
	struct job *job = NULL;
	uint32_t given;
	bool was;
	enum err e;

	if ((e = take_body(c, &switch_object, &b, &given)) != OK ||
	    (e = door_begin(c, &d, &job)) != OK)
		return e;
	was = d.enabled;
	d.enabled = enabled;
	if ((e = door_standing(c, &d, &job->out)) != OK) {
		job_drop(job);
		return e;
	}
	if (was == enabled)
		return job_unchanged(job);
	snprintf(job->event.note, sizeof(job->event.note), "%s", b.reason);
	d.changed = api_now(c->api);
	store_device_put(job->change, &d);
	return job_submit(job, what, d.id);
}

enum err door_disable(struct call *c)
{
	return door_switch(c, false, "device.disabled");
}

enum err door_enable(struct call *c)
{
	return door_switch(c, true, "device.enabled");
}

void job_revoke(struct job *job, struct store_cert *cert, uint8_t reason)
{
	cert->state = STORE_REVOKED;
	cert->enabled = false;
	cert->revoked = api_now(job->call.api);
	cert->reason = reason;
	store_cert_put(job->change, cert);
}

struct revoking {
	struct job *job;
	uint8_t reason;
	unsigned n;
};

/* A superseded one is let in nowhere, and never will be: it stays what it is. */
static bool revoke(void *ctx, const struct store_cert *row)
{
	struct revoking *r = ctx;
	struct store_cert cert = *row;

	if (cert.state == STORE_ISSUED || cert.state == STORE_ACTIVE) {
		memcpy(r->job->event.certificate, cert.serial, sizeof(cert.serial));
		job_revoke(r->job, &cert, r->reason);
		r->n++;
	}
	cert_standing(&cert, &r->job->out);
	return true;
}

enum err door_revoke(struct call *c)
{
	struct revoking r = { .n = 0 };
	struct revoke_body b;
	struct store_device d;
	uint32_t given;
	enum err e;

	if ((e = take_body(c, &revoke_object, &b, &given)) != OK)
		return e;
	if (given && (e = revocation_reason(b.reason, &r.reason)) != OK)
		return err_set(&c->eb, e, "reason: unknown");
	if ((e = door_begin(c, &d, &r.job)) != OK)
		return e;
	begin(&d, &r.job->out);
	e = store_cert_list(api_registry(c->api), c->tenant, d.id, revoke, &r, &c->eb);
	json_close(&r.job->out, ']');
	if (e != OK) {
		job_drop(r.job);
		return e;
	}
	if (r.n == 0)
		return job_unchanged(r.job);
	snprintf(r.job->event.note, sizeof(r.job->event.note), "%s", revocation_word(r.reason));
	/* The device's version too: a certificate that is being issued meanwhile is not overlooked. */
	d.changed = api_now(c->api);
	store_device_put(r.job->change, &d);
	return job_submit(r.job, "device.revoked", d.id);
}
