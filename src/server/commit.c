/* Writing: a change of the registry with its audit event, and the answer behind its commit. */
#include "call.h"
#include "hook.h"
#include "sha256.h"
#include "uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX 255
/* Every answer to a change but a device with dozens of tags. */
#define ANSWER_EXPECTED 4096
/* So long an answer with a certificate waits for brokers to know it: some look every 100 ms. */
#define KNOWN_MS 250

/* --- a job --- */

static void job_hook(const struct job *job, const char *when, enum server_step step)
{
	if (job->issues)
		call_hook(&job->call, when, step);
}

/*
 * What a request was, for when it is sent again. The event keeps it for ever, so of a body with a password
 * it is something that cannot be guessed quickly, and nothing at all when nobody can ask for it.
 */
static enum err request_digest(struct call *c, const uint8_t salt[16], uint8_t digest[32])
{
	const struct http_request *r = c->x->request;
	bool secret = c->route->handle == pass_set,
	     again = !ct_zero(c->request, sizeof(c->request));
	uint8_t slow[32] = { 0 };
	const struct slice parts[] = {
		{ (const uint8_t *)r->method, strlen(r->method) + 1 },
		{ (const uint8_t *)r->path, strlen(r->path) + 1 },
		{ (const uint8_t *)r->query, *r->query ? strlen(r->query) + 1 : 0 },
		secret ? SLICE(slow) : r->body,
	};
	enum err e = secret && again ? pass_body_hash(r->body, salt, slow) : OK;

	if (e != OK)
		return e;
	return digest_sha256_parts(c->tools->digest, parts, COUNT(parts), digest);
}

enum err job_new(struct call *c, enum event_shape shape, int status, struct job **out)
{
	const struct http_request *r = c->x->request;
	struct job *job = calloc(1, sizeof(*job));

	if (!job || (job->out = json_out(ANSWER_EXPECTED)).err != OK ||
	    !(job->change = store_change_new(c->tenant)) ||
	    random_bytes(job->event.salt, sizeof(job->event.salt)) != OK ||
	    request_digest(c, job->event.salt, job->event.request) != OK) {
		job_drop(job);
		return err_set(&c->eb, ERR_MEMORY, "no memory for a change");
	}
	job->call = *c;
	job->event.shape = shape;
	job->event.status = (uint16_t)status;
	snprintf(job->event.peer, sizeof(job->event.peer), "%s", r->peer);
	job_step(job, STEP_RECEIVE, OK);
	*out = job;
	return OK;
}

void job_drop(struct job *job)
{
	if (!job)
		return;
	store_change_free(job->change);
	json_drop(&job->out);
	wipe(job->text, sizeof(job->text)); /* may be a token */
	free(job);
}

void job_step(struct job *job, enum server_step step, enum err code)
{
	int64_t ms = api_now(job->call.api) - job->call.begun;

	if (job->event.steps_n == EVENT_STEPS_MAX)
		return;
	job->event.steps[job->event.steps_n++] = (struct event_step){ (uint8_t)step, (uint8_t)code,
		(uint16_t)(ms < 0            ? 0
		           : ms > UINT16_MAX ? UINT16_MAX
		                             : ms) };
}

/* --- the brokers --- */

/* Changes of who is let in: their answers say whether the brokers know it. */
static bool kind_reaches(const char *kind)
{
	static const char *const kinds[] = { "device.deleted", "device.restored", "device.removed",
		"device.disabled", "device.enabled", "device.revoked", "certificate.enabled",
		"certificate.disabled", "certificate.revoked" };

	for (size_t i = 0; i < COUNT(kinds); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return true;
	return false;
}

/* On the brokers' thread, or at once. Arduino's bodies have no room for it, so there it is a header. */
static void reached(void *ctx, unsigned brokers, const char *waiting)
{
	struct job *job = ctx;
	char *text = NULL;

	job->reached = brokers;
	job->waiting = waiting;
	if (waiting[0] && path_is_arduino(job->call.x->request->path) &&
	    asprintf(&text, "reached=%u waiting=%s", brokers, waiting) >= 0)
		answer_header(&job->call, "Imprint-Brokers", text);
	free(text);
	job->answer(job);
	job_drop(job);
}

static void reach(struct job *job, uint64_t seq)
{
	job->call.tools = NULL;
	brokers_reach(api_parts(job->call.api)->brokers, seq, BROKERS_REACH_MS, reached, job);
}

/*
 * Here as well. Who has a certificate comes with it at once, and would be refused: so it is given when the
 * brokers know it, or should. Whether they do is not said, because nobody has been let in who must not be.
 */
static void known(void *ctx, unsigned brokers, const char *waiting)
{
	struct job *job = ctx;

	(void)brokers, (void)waiting;
	job->answer(job);
	job_hook(job, "after", STEP_ANSWER);
	job_drop(job);
}

enum err job_unchanged(struct job *job)
{
	reach(job, brokers_seq(api_parts(job->call.api)->brokers));
	return OK;
}

/* --- the registry --- */

/* On the store's committing thread: everything here is paid by all who wait. */
static void done(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct job *job = ctx;

	job->change = NULL; /* the store frees it */
	if (job->settle)
		job->settle(job, e);
	if (e == OK && job->reaches) {
		reach(job, seq);
		return;
	}
	if (e == OK && job->issues) {
		job_hook(job, "inside", STEP_COMMIT);
		job_hook(job, "after", STEP_COMMIT);
		brokers_reach(api_parts(job->call.api)->brokers, seq, KNOWN_MS, known, job);
		return;
	}
	if (e == OK) {
		job->answer(job);
	} else if (e == ERR_CONFLICT && job->call.tries < CALL_TRIES) {
		api_again(job->call.api, &job->call);
	} else {
		if (eb)
			job->call.eb = *eb;
		call_fail(&job->call, e);
	}
	job_drop(job);
}

void job_also(struct job *job, const char *kind, const uint8_t subject[16])
{
	snprintf(job->also[job->also_n].kind, sizeof(job->also[0].kind), "%s", kind);
	memcpy(job->also[job->also_n++].subject, subject, 16);
}

/* They say what the change's own event says: who, from where, in which request's course. */
static void also_add(struct job *job, const struct store_event *own)
{
	struct event event = job->event;
	struct store_event row = *own;

	event.shape = EVENT_NOTHING;
	row.body = (struct slice){ job->also_body, event_put(&event, job->also_body) };
	memset(row.request, 0, sizeof(row.request)); /* the request is found by the other */
	for (size_t i = 0; i < job->also_n; i++) {
		memcpy(row.kind, job->also[i].kind, sizeof(row.kind));
		memcpy(row.subject, job->also[i].subject, 16);
		store_event_add(job->change, &row);
	}
}

enum err job_submit(struct job *job, const char *kind, const uint8_t subject[16])
{
	struct call *c = &job->call;
	struct store_event row = { .at = api_now(c->api) };
	enum err e = OK;

	job_step(job, STEP_QUEUE, OK);
	job->reaches = kind_reaches(kind);
	row.body = (struct slice){ job->event_body, event_put(&job->event, job->event_body) };
	snprintf(row.kind, sizeof(row.kind), "%s", kind);
	memcpy(row.subject, subject, 16);
	memcpy(row.actor, c->principal, 16);
	memcpy(row.request, c->request, 16);
	if (job->issues)
		e = digest_sha256(c->tools->digest, row.body, job->work.leaf.detail);
	if (e != OK) {
		job_drop(job);
		return e;
	}
	c->tools = NULL;
	store_event_add(job->change, &row);
	if (job->also_n > 0)
		also_add(job, &row);
	job_hook(job, "inside", STEP_QUEUE);
	store_submit(api_registry(c->api), job->change, done, job);
	return OK;
}

/* --- signing --- */

static void fill(struct job *job, struct store_change *change)
{
	const struct ca_issued *issued = &job->work.issued;
	struct store_event *event = store_change_event(change);
	struct store_cert *cert = store_change_cert(change);

	memcpy(cert->sig, issued->fields.sig, sizeof(cert->sig));
	memcpy(cert->fingerprint, issued->fingerprint, sizeof(cert->fingerprint));
	cert->created = (int64_t)issued->time_ms;
	memcpy(event->leaf, issued->leaf_hash, sizeof(event->leaf));
	event->at = (int64_t)issued->time_ms; /* the time that the leaf commits to */
	job->cert = *cert;
}

void job_prepare(struct ca *ca, struct store_change **changes, size_t n)
{
	struct job *jobs[STORE_BATCH_MAX];
	struct ca_work *works[STORE_BATCH_MAX];
	size_t at[STORE_BATCH_MAX], m = 0;

	for (size_t i = 0; i < n && m < STORE_BATCH_MAX; i++) {
		struct store_cert *cert = store_change_cert(changes[i]);

		/* Changes of others bring no certificates; one that is sent again is signed already. */
		if (!cert || !ct_zero(cert->sig, sizeof(cert->sig)))
			continue;
		jobs[m] = store_change_ctx(changes[i]);
		works[m] = &jobs[m]->work;
		at[m++] = i;
	}
	if (m == 0)
		return;
	job_hook(jobs[0], "before", STEP_SIGN);
	ca_sign(ca, works, m);
	job_hook(jobs[0], "inside", STEP_SIGN);
	for (size_t i = 0; i < m; i++) {
		if (works[i]->err == OK)
			fill(jobs[i], changes[at[i]]);
		else
			store_change_fail(changes[at[i]], works[i]->err, "%s", works[i]->eb.text);
	}
	job_hook(jobs[0], "after", STEP_SIGN);
	job_hook(jobs[0], "before", STEP_COMMIT);
}

/* --- the same request again --- */

/* Where to look for it: the tenant's, the client's, and its own words. */
static enum err request_id(struct call *c, const char *key)
{
	struct sha256 h;
	uint8_t digest[32];
	size_t n = strlen(key);

	for (size_t i = 0; i < n; i++)
		if (key[i] <= 0x20 || key[i] >= 0x7f)
			return err_set(&c->eb, ERR_FORMAT, "Idempotency-Key: not printable ASCII");
	if (n == 0 || n > KEY_MAX)
		return err_set(
		    &c->eb, ERR_FORMAT, "Idempotency-Key: not 1 to %d characters", KEY_MAX);
	sha256_init(&h);
	sha256_update(&h, SLICE(c->organization));
	sha256_update(&h, SLICE(c->principal));
	sha256_update(&h, (struct slice){ (const uint8_t *)key, n });
	sha256_final(&h, digest);
	memcpy(c->request, digest, sizeof(c->request));
	uuid_mark(c->request, 8);
	return OK;
}

struct found {
	bool any, reaches;
	uint64_t seq;
	uint8_t subject[16];
	struct event event;
	enum err err;
};

static bool take_event(void *ctx, const struct store_event *row)
{
	struct found *found = ctx;

	found->any = true;
	found->seq = row->seq;
	found->reaches = kind_reaches(row->kind);
	memcpy(found->subject, row->subject, 16);
	found->err = event_parse(row->body, &found->event);
	return false;
}

/* A password is never kept, but the request is the same. */
static enum err password_again(struct call *c)
{
	struct pass_body pass = { .password = "" };
	struct json_out w = json_out(256);
	uint32_t given;
	enum err e;

	if ((e = call_body(c, &pass_object, &pass, &given)) == OK)
		pass_answer(c, true, pass.password, &w);
	json_drop(&w);
	wipe(&pass, sizeof(pass));
	return e;
}

/* What is answered is in the registry, as it is now. */
static enum err take_again(struct call *c, const struct found *f, struct job *job)
{
	struct store *store = api_registry(c->api);
	enum err e = OK;

	switch (f->event.shape) {
	case EVENT_DEVICE:
		job->answer = answer_job_device;
		return store_device_get(store, c->tenant, f->subject, &job->device, &c->eb);
	case EVENT_DOOR:
		job->answer = answer_job_door;
		e = store_device_get(store, c->tenant, f->subject, &job->device, &c->eb);
		return e == OK ? door_standing(c, &job->device, &job->out) : e;
	case EVENT_CERTIFICATE:
		job->answer = answer_job_cert;
		return store_cert_get(store, c->tenant, f->event.certificate, &job->cert, &c->eb);
	default:
		job->answer = answer_job_empty;
		return OK;
	}
}

static enum err answer_again(struct call *c, const struct found *f)
{
	struct job *job = NULL;
	enum err e;

	if (f->event.shape == EVENT_PASSWORD)
		return password_again(c);
	if (f->event.shape == EVENT_THING)
		return thing_again(c, f->event.status, f->subject);
	if ((e = job_new(c, f->event.shape, f->event.status, &job)) != OK)
		return e;
	if ((e = take_again(c, f, job)) == OK && f->reaches) {
		reach(job, f->seq);
		return OK;
	}
	if (e == OK)
		job->answer(job);
	job_drop(job);
	return e;
}

enum err job_again(struct call *c)
{
	const char *key = http_header(c->x, "Idempotency-Key");
	struct store *store = api_registry(c->api);
	struct found found = { .any = false };
	uint8_t digest[32];
	uint64_t seq;
	enum err e;

	if (!key)
		return ERR_NOT_FOUND;
	if ((e = request_id(c, key)) != OK ||
	    (e = store_event_of_request(store, c->tenant, c->request, &seq, NULL)) != OK)
		return e;
	if ((e = store_event_list(store, c->tenant, seq, take_event, &found, &c->eb)) != OK)
		return e;
	if (!found.any || found.err != OK)
		return call_refuse(c, 500, "event %llu cannot be read", (unsigned long long)seq);
	if ((e = request_digest(c, found.event.salt, digest)) != OK)
		return e;
	if (!ct_equal(digest, found.event.request, sizeof(digest)))
		return call_refuse(c, 409, "Idempotency-Key: was used for another request");
	e = answer_again(c, &found);
	/* The caller takes "not found" for a new request. */
	return e == ERR_NOT_FOUND ? call_refuse(c, 404, "what this request made is gone") : e;
}

/* --- usual answers --- */

void answer_job_device(struct job *job)
{
	device_json(&job->call, &job->device, job->event.status != 201, &job->out);
	answer_json(&job->call, job->event.status, &job->out);
}

void answer_job_empty(struct job *job)
{
	answer_empty(&job->call, job->event.status);
}
