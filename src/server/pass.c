/*
 * Passwords of devices without a secure element. Kept as a principal of kind "device", named by the
 * device's id, whose own id is the salt.
 */
#include "call.h"

#include "pbkdf2.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define SUGGESTED_BYTES 24
/* About a tenth of a second: people choose some of them. */
#define ROUNDS 100000

void pass_answer(struct call *c, bool set, const char *suggested, struct json_out *w)
{
	json_open(w, NULL, '{');
	json_bool(w, "set", set);
	if (suggested)
		json_text(w, "suggested_password", suggested);
	json_close(w, '}');
	answer_header(c, "Cache-Control", "no-store");
	answer_json(c, 200, w);
}

/* The device, and its principal; one that was never there has version 0. */
static enum err find(struct call *c, struct store_device *d, struct store_principal *p)
{
	enum err e = call_device(c, false, d);

	*p = (struct store_principal){ .kind = "device", .role = "device" };
	if (e != OK)
		return e;
	snprintf(p->name, sizeof(p->name), "%.36s", c->param[0]);
	e = store_principal_named(api_registry(c->api), c->tenant, p->name, p, &c->eb);
	return e == ERR_NOT_FOUND ? OK : e;
}

static bool is_set(const struct store_principal *p)
{
	return p->version != 0 && p->disabled == 0;
}

static enum err take_password(struct call *c, struct pass_body *b)
{
	uint32_t given;
	enum err e = call_body(c, &pass_object, b, &given);

	if (e == OK && !given)
		return err_set(&c->eb, ERR_FORMAT, "password: missing");
	return e;
}

enum err pass_body_hash(struct slice body, const uint8_t salt[16], uint8_t out[32])
{
	return pbkdf2_sha512(body, (struct slice){ salt, 16 }, ROUNDS, out, 32);
}

static enum err hash(const struct pass_body *b, const uint8_t salt[16], uint8_t out[32])
{
	return pass_body_hash(
	    (struct slice){ (const uint8_t *)b->password, strlen(b->password) }, salt, out);
}

/* The suggestion is not kept: it counts when it comes back. */
enum err pass_show(struct call *c)
{
	uint8_t random[SUGGESTED_BYTES];
	char suggested[64];
	struct json_out w;
	struct store_principal p;
	struct store_device d;
	bool suggest = false;
	enum err e;

	if ((e = call_query_flag(c, "suggested_password", &suggest)) != OK ||
	    (e = find(c, &d, &p)) != OK)
		return e;
	if (suggest &&
	    ((e = random_bytes(random, sizeof(random))) != OK ||
	        (e = base64url_encode(SLICE(random), suggested, sizeof(suggested))) != OK))
		return err_set(&c->eb, e, "no random bytes for a password");
	w = json_out(256);
	pass_answer(c, is_set(&p), suggest ? suggested : NULL, &w);
	wipe(random, sizeof(random));
	wipe(suggested, sizeof(suggested));
	return OK;
}

/* Clients print the secret from this answer, and see it nowhere else. */
static void set_answer(struct job *job)
{
	pass_answer(&job->call, true, job->text, &job->out);
}

enum err pass_set(struct call *c)
{
	struct store_principal p;
	struct store_device d;
	struct pass_body b = { .password = "" };
	struct job *job = NULL;
	enum err e;

	if ((e = take_password(c, &b)) != OK || (e = find(c, &d, &p)) != OK)
		goto out;
	if (p.version == 0) {
		p.created = api_now(c->api);
		if ((e = random_bytes(p.id, sizeof(p.id))) != OK)
			goto out;
	}
	p.disabled = 0;
	if ((e = hash(&b, p.id, p.secret)) != OK ||
	    (e = job_new(c, EVENT_PASSWORD, 200, &job)) != OK)
		goto out;
	snprintf(job->text, sizeof(job->text), "%s", b.password);
	store_principal_put(job->change, &p);
	job->answer = set_answer;
	e = job_submit(job, "password.set", d.id);
out:
	wipe(&b, sizeof(b));
	wipe(&p, sizeof(p));
	return e;
}

enum err pass_check(struct call *c)
{
	const char *peer = c->x->request->peer;
	struct store_principal p;
	struct store_device d;
	struct pass_body b = { .password = "" };
	uint8_t digest[32];
	enum err e;

	if ((e = take_password(c, &b)) != OK || (e = find(c, &d, &p)) != OK)
		goto out;
	if (api_throttled(c->api, peer, p.name)) {
		e = call_refuse(c, 429, "too many wrong passwords; wait a minute");
	} else if ((e = hash(&b, p.id, digest)) == OK) {
		if (is_set(&p) && ct_equal(digest, p.secret, sizeof(digest))) {
			answer_empty(c, 200);
		} else {
			api_login_failed(c->api, peer, p.name);
			e = call_refuse(c, 401, "password: wrong");
		}
	}
out:
	wipe(&b, sizeof(b));
	wipe(&p, sizeof(p));
	return e;
}

enum err pass_delete(struct call *c)
{
	struct store_principal p;
	struct store_device d;
	struct job *job = NULL;
	enum err e;

	if ((e = find(c, &d, &p)) != OK)
		return e;
	if (!is_set(&p)) {
		answer_empty(c, 200);
		return OK;
	}
	wipe(p.secret, sizeof(p.secret));
	p.disabled = api_now(c->api);
	if ((e = job_new(c, EVENT_NOTHING, 200, &job)) != OK)
		return e;
	store_principal_put(job->change, &p);
	job->answer = answer_job_empty;
	return job_submit(job, "password.removed", d.id);
}
