/* Who asks: OAuth 2 client credentials (RFC 6749 4.4), and bearer tokens (RFC 6750). */
#include "call.h"
#include "login.h"

#include "text.h"
#include "uuid.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TOKEN_SECONDS 300
#define TOKEN_BYTES 32
#define TOKEN_TEXT 43 /* in Base64url */

static enum err text_hash(struct call *c, const char *text, uint8_t hash[32])
{
	return digest_sha256(
	    c->tools->digest, (struct slice){ (const uint8_t *)text, strlen(text) }, hash);
}

enum err organization_check(struct call *c, const char *field, const char *given)
{
	uint8_t uuid[16];
	char lower[UUID_TEXT];

	if (!given || !*given)
		return OK;
	if (strlen(given) != UUID_TEXT)
		return err_set(&c->eb, ERR_FORMAT, "%s: not a UUID", field);
	for (size_t i = 0; i < UUID_TEXT; i++)
		lower[i] = (char)(given[i] >= 'A' && given[i] <= 'F' ? given[i] | 0x20 : given[i]);
	if (uuid_parse(SLICE(lower), uuid) != OK)
		return err_set(&c->eb, ERR_FORMAT, "%s: not a UUID", field);
	if (memcmp(uuid, c->organization, sizeof(uuid)) != 0)
		return call_refuse(c, 403, "%s: not this client's organization", field);
	return OK;
}

static enum err enter(struct call *c, uint32_t tenant, const uint8_t principal[16])
{
	struct store_tenant t;
	enum err e = api_tenant(c->api, tenant, &t, &c->eb);

	if (e != OK)
		return e;
	c->tenant = tenant;
	memcpy(c->organization, t.uuid, sizeof(c->organization));
	memcpy(c->principal, principal, sizeof(c->principal));
	return organization_check(c, "X-Organization", http_header(c->x, "X-Organization"));
}

/* --- using a token --- */

enum err token_check(struct call *c)
{
	const char *given = http_header(c->x, "Authorization");
	struct store_token token;
	uint8_t hash[32];
	uint32_t tenant;
	enum err e;

	if (!given || !*given)
		return call_refuse(c, 401, "Authorization: a token is needed");
	if (strncasecmp(given, "Bearer ", 7) != 0)
		return call_refuse(c, 401, "Authorization: not a bearer token");
	if ((e = text_hash(c, given + 7 + strspn(given + 7, " "), hash)) != OK)
		return e;
	e = store_token_get(api_registry(c->api), hash, &tenant, &token, &c->eb);
	if (e == ERR_NOT_FOUND)
		return call_refuse(c, 401, "Authorization: the token is unknown");
	if (e != OK)
		return e;
	if (strcmp(token.purpose, "access") != 0 || token.expires <= api_now(c->api))
		return call_refuse(c, 401, "Authorization: the token has expired");
	return enter(c, tenant, token.principal);
}

/* --- getting one --- */

/*
 * Errors in the words of RFC 6749 5.2, with the members of Arduino's error object beside them. The
 * description names the status: a client looks for "401" in it.
 */
static enum err refuse(struct call *c, int status, const char *error, const char *text)
{
	struct json_out w = json_out(256);
	char description[300], id[ERROR_ID_SIZE];

	snprintf(description, sizeof(description), "%d: %s", status, text);
	error_id_draw(id);
	json_open(&w, NULL, '{');
	json_text(&w, "error", error);
	json_text(&w, "error_description", description);
	json_text(&w, "id", id);
	json_text(&w, "code", error_code(status));
	json_int(&w, "status", status);
	json_text(&w, "detail", text);
	json_close(&w, '}');
	if (status == 401)
		answer_header(c, "WWW-Authenticate", "Basic realm=\"imprint\"");
	if (status == 429)
		answer_header(c, "Retry-After", "60");
	answer_header(c, "Cache-Control", "no-store");
	answer_json(c, status, &w);
	return OK;
}

static void token_answer(struct job *job)
{
	struct json_out *w = &job->out;

	json_open(w, NULL, '{');
	json_text(w, "access_token", job->text);
	json_int(w, "expires_in", TOKEN_SECONDS);
	json_text(w, "token_type", "Bearer");
	json_close(w, '}');
	answer_header(&job->call, "Cache-Control", "no-store"); /* RFC 6749 5.1 */
	answer_json(&job->call, 200, w);
}

static enum err give(struct call *c)
{
	struct store_token token = { .uses_left = UINT32_MAX, .purpose = "access" };
	uint8_t random[TOKEN_BYTES];
	struct job *job = NULL;
	enum err e;

	if ((e = job_new(c, EVENT_NOTHING, 200, &job)) != OK)
		return e;
	if ((e = random_bytes(random, sizeof(random))) != OK ||
	    (e = base64url_encode(SLICE(random), job->text, sizeof(job->text))) != OK ||
	    (e = text_hash(c, job->text, token.hash)) != OK) {
		err_set(&c->eb, e, "a token cannot be made");
		job_drop(job);
		return e;
	}
	wipe(random, sizeof(random));
	memcpy(token.principal, c->principal, sizeof(token.principal));
	token.created = api_now(c->api);
	token.expires = token.created + TOKEN_SECONDS * 1000;
	store_token_add(job->change, &token);
	job->answer = token_answer;
	return job_submit(job, "token.issued", c->principal);
}

static enum err login(struct call *c, const struct login *l)
{
	struct store_principal p = { .kind = "" };
	const char *peer = c->x->request->peer;
	uint8_t hash[32];
	uint32_t tenant = 0;
	bool right;
	enum err e;

	if (!l->grants)
		return refuse(c, 400, "invalid_request", "grant_type is missing");
	if (strcmp(l->grant, "client_credentials") != 0)
		return refuse(
		    c, 400, "unsupported_grant_type", "grant_type: not client_credentials");
	if (!l->clients || !l->secrets)
		return refuse(c, 401, "invalid_client", "client_id or client_secret is missing");
	if (api_throttled(c->api, peer, l->client))
		return refuse(
		    c, 429, "temporarily_unavailable", "too many failed logins; wait a minute");
	if ((e = text_hash(c, l->secret, hash)) != OK)
		return e;
	e = store_client(api_registry(c->api), l->client, &tenant, &p, &c->eb);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	/* The same work for a client that is not there. */
	right = ct_equal(hash, p.secret, sizeof(hash)) && e == OK && p.disabled == 0 &&
	        strcmp(p.kind, "client") == 0;
	wipe(&p.secret, sizeof(p.secret));
	if (!right) {
		api_login_failed(c->api, peer, l->client);
		return refuse(c, 401, "invalid_client", "wrong client_id or client_secret");
	}
	if ((e = enter(c, tenant, p.id)) == OK)
		e = organization_check(c, "organization_id", l->organization);
	if (e != OK && c->status == 403)
		return refuse(c, 403, "unauthorized_client", c->eb.text);
	if (e == ERR_FORMAT)
		return refuse(c, 400, "invalid_request", c->eb.text);
	return e == OK ? give(c) : e;
}

enum err token_issue(struct call *c)
{
	const char *given = http_header(c->x, "Authorization"), *why = NULL;
	struct login l = { .basic = false };
	enum err e;

	if (!call_is_type(c, "application/x-www-form-urlencoded"))
		why = "Content-Type: not application/x-www-form-urlencoded";
	else if (given && strncasecmp(given, "Basic ", 6) == 0 && !login_basic(given, &l))
		why = "Authorization: not Basic with an id and a secret";
	else
		why = login_form(c->x->request->body, &l);
	e = why ? refuse(c, 400, "invalid_request", why) : login(c, &l);
	wipe(&l, sizeof(l));
	return e;
}
