/* Who gets a token, who does not, and what a token opens. */
#include "tap.h"
#include "world.h"

#include "text.h"

#include <stdlib.h>

#define FORM "Content-Type: application/x-www-form-urlencoded\n"
#define PATH "/iot/v1/clients/token"

static struct slice slice(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

static const struct {
	const char *name, *headers, *form; /* %c client, %s secret, %o organization */
	int status;
	const char *error;
} cases[] = {
	{ "client credentials", FORM, "grant_type=client_credentials&client_id=%c&client_secret=%s",
	    200, "" },
	{ "as SelfProvisioning sends it: audience not escaped", FORM,
	    "grant_type=client_credentials&client_id=%c&client_secret=%s"
	    "&audience=https://api2.arduino.cc/iot",
	    200, "" },
	{ "any audience, escaped", FORM,
	    "audience=https%3A%2F%2Fapi2.arduino.cc%2Fiot&grant_type=client_credentials&"
	    "client_id=%c&client_secret=%s",
	    200, "" },
	{ "no content type", "", "grant_type=client_credentials&client_id=%c&client_secret=%s", 200,
	    "" },
	{ "with a charset", "Content-Type: application/x-www-form-urlencoded; charset=utf-8\n",
	    "grant_type=client_credentials&client_id=%c&client_secret=%s", 200, "" },
	{ "organization in the form", FORM,
	    "grant_type=client_credentials&client_id=%c&client_secret=%s&organization_id=%o", 200,
	    "" },
	{ "organization empty", FORM,
	    "grant_type=client_credentials&client_id=%c&client_secret=%s&organization_id=", 200,
	    "" },
	{ "what nobody knows is ignored", FORM,
	    "grant_type=client_credentials&client_id=%c&client_secret=%s&resource=a&resource=b",
	    200, "" },
	{ "another organization", FORM,
	    "grant_type=client_credentials&client_id=%c&client_secret=%s"
	    "&organization_id=00000000-0000-4000-8000-000000000000",
	    403, "unauthorized_client" },
	{ "an organization that is no UUID", FORM,
	    "grant_type=client_credentials&client_id=%c&client_secret=%s&organization_id=x", 400,
	    "invalid_request" },
	{ "wrong secret", FORM, "grant_type=client_credentials&client_id=%c&client_secret=wrong",
	    401, "invalid_client" },
	{ "empty secret", FORM, "grant_type=client_credentials&client_id=%c&client_secret=", 401,
	    "invalid_client" },
	{ "no secret", FORM, "grant_type=client_credentials&client_id=%c", 401, "invalid_client" },
	{ "unknown client", FORM, "grant_type=client_credentials&client_id=nobody&client_secret=%s",
	    401, "invalid_client" },
	{ "a secret with a NUL behind", FORM,
	    "grant_type=client_credentials&client_id=%c&client_secret=%s%00", 400,
	    "invalid_request" },
	{ "another grant", FORM, "grant_type=password&client_id=%c&client_secret=%s", 400,
	    "unsupported_grant_type" },
	{ "no grant", FORM, "client_id=%c&client_secret=%s", 400, "invalid_request" },
	{ "a parameter twice", FORM,
	    "grant_type=client_credentials&client_id=%c&client_secret=%s&client_secret=%s", 400,
	    "invalid_request" },
	{ "grant_type twice", FORM,
	    "grant_type=client_credentials&grant_type=password&client_id=%c&client_secret=%s", 400,
	    "invalid_request" },
	{ "a wrong escape", FORM, "grant_type=client_credentials&client_id=%zz", 400,
	    "invalid_request" },
	{ "an escape cut short", FORM, "grant_type=client_credentials&client_id=%4", 400,
	    "invalid_request" },
	{ "nothing", FORM, "", 400, "invalid_request" },
	{ "JSON", "Content-Type: application/json\n", "{\"grant_type\":\"client_credentials\"}",
	    400, "invalid_request" },
};

static void fill(const struct world *w, const char *form, char out[1024])
{
	size_t n = 0;

	for (; *form; form++) {
		const char *put = strncmp(form, "%c", 2) == 0   ? w->client
		                  : strncmp(form, "%s", 2) == 0 ? w->secret
		                  : strncmp(form, "%o", 2) == 0 ? w->organization
		                                                : NULL;

		if (put) {
			strcpy(out + n, put);
			n += strlen(put);
			form++;
		} else {
			out[n++] = *form;
		}
	}
	out[n] = '\0';
}

static void forms(struct world *w)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		char form[1024];
		struct answer a;
		bool right;

		fill(w, cases[i].form, form);
		a = ask_with(w, "POST", PATH, cases[i].headers, slice(form));
		right = a.status == cases[i].status && strcmp(a.type, "application/json") == 0;
		if (a.status == 200)
			right = right && strlen(text_of(&a, "access_token")) == 43 &&
			        strcmp(text_of(&a, "token_type"), "Bearer") == 0 &&
			        json_integer_value(json_object_get(a.json, "expires_in")) == 300 &&
			        strstr(a.headers, "Cache-Control: no-store") && a.n <= 1023;
		else
			right = right && strcmp(text_of(&a, "error"), cases[i].error) == 0 &&
			        !strstr(a.body, w->secret);
		if (a.status == 401)
			right = right && strstr(text_of(&a, "error_description"), "401") &&
			        strstr(a.headers, "WWW-Authenticate: Basic");
		ok(right, "%s: %d (%s)", cases[i].name, a.status, a.status == 200 ? "" : a.body);
		answer_free(&a);
	}
}

/* What is too long is not forgotten, and what is wrong is named. */
static void named(struct world *w)
{
	static const struct {
		const char *name, *more;
		int status;
		const char *detail;
	} wrong[] = {
		{ "an organization that is none", "&organization_id=x", 400,
		    "organization_id: not a UUID" },
		{ "one with more behind", "&organization_id=%o%o%o%o%o", 400,
		    "organization_id: not a UUID" },
		{ "another one", "&organization_id=00000000-0000-4000-8000-000000000000", 403,
		    "organization_id: not this client's organization" },
		{ "a secret twice", "&client_secret=%s", 400, "client_secret stands twice" },
		{ "another client, without end", "&client_id=%c%c%c%c%c%c", 400,
		    "client_id stands twice" },
		{ "a secret with more behind", "%s%s%s", 401, "wrong client_id or client_secret" },
	};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		char text[512], form[1024];
		struct answer a;

		snprintf(text, sizeof(text),
		    "grant_type=client_credentials&client_id=%%c&client_secret=%%s%s",
		    wrong[i].more);
		fill(w, text, form);
		a = ask_with(w, "POST", PATH, FORM, slice(form));
		ok(a.status == wrong[i].status &&
		        strcmp(text_of(&a, "detail"), wrong[i].detail) == 0,
		    "%s (%s)", wrong[i].name, a.body);
		answer_free(&a);
	}
}

static struct answer with_basic(struct world *w, const char *pair, const char *form)
{
	char base64[512], headers[700];

	if (base64_encode(slice(pair), base64, sizeof(base64)) != OK)
		abort();
	snprintf(headers, sizeof(headers), FORM "Authorization: Basic %s\n", base64);
	return ask_with(w, "POST", PATH, headers, slice(form));
}

static void basic(struct world *w)
{
	static const char grant[] = "grant_type=client_credentials";
	char pair[256], form[256];
	struct answer a;

	snprintf(pair, sizeof(pair), "%s:%s", w->client, w->secret);
	a = with_basic(w, pair, grant);
	ok(a.status == 200, "Basic (%d)", a.status);
	answer_free(&a);
	snprintf(form, sizeof(form), "%s&client_id=%s", grant, w->client);
	a = with_basic(w, pair, form);
	ok(a.status == 200, "Basic and the same client_id in the form (%d)", a.status);
	answer_free(&a);
	snprintf(form, sizeof(form), "%s&client_id=other", grant);
	a = with_basic(w, pair, form);
	ok(a.status == 400, "Basic and another client_id in the form (%d)", a.status);
	answer_free(&a);
	snprintf(form, sizeof(form), "%s&client_secret=%s", grant, w->secret);
	a = with_basic(w, pair, form);
	ok(a.status == 400, "the secret twice (%d)", a.status);
	answer_free(&a);
	snprintf(pair, sizeof(pair), "%%41%s:%s", w->client + 1, w->secret);
	a = with_basic(w, pair, grant);
	ok(a.status == 200, "Basic, escaped as Go does (%d)", a.status);
	answer_free(&a);
	a = with_basic(w, "nobody", grant);
	ok(a.status == 400, "Basic without a colon (%d)", a.status);
	answer_free(&a);
	a = with_basic(w, "a:b", grant);
	ok(a.status == 401, "Basic with a wrong pair (%d)", a.status);
	answer_free(&a);
}

/* --- what a token opens --- */

static int status_with(struct world *w, const char *headers)
{
	struct answer a = ask_with(w, "GET", "/iot/v2/devices", headers, (struct slice){ NULL, 0 });
	int status = a.status;

	answer_free(&a);
	return status;
}

static void bearer(struct world *w)
{
	char headers[256];
	struct answer a;

	a = ask_with(w, "GET", "/iot/v2/devices", "", (struct slice){ NULL, 0 });
	ok(a.status == 401 && strstr(a.headers, "WWW-Authenticate: Bearer") &&
	        strcmp(a.type, "application/vnd.goa.error+json") == 0 &&
	        strcmp(text_of(&a, "code"), "unauthorized") == 0 && text_of(&a, "id")[0],
	    "no token: 401 with the error object (%s)", a.body);
	answer_free(&a);
	ok(status_with(w, "Authorization: Bearer nonsense\n") == 401, "an unknown token");
	ok(status_with(w, "Authorization: Bearer \n") == 401, "an empty token");
	snprintf(headers, sizeof(headers), "Authorization: Basic %s\n", w->token);
	ok(status_with(w, headers) == 401, "another scheme");
	snprintf(headers, sizeof(headers), "Authorization: bearer %s\n", w->token);
	ok(status_with(w, headers) == 200, "the token, scheme in lower case");
	snprintf(
	    headers, sizeof(headers), "Authorization: Bearer %s\nX-Organization: \n", w->token);
	ok(status_with(w, headers) == 200, "an empty X-Organization is absent");
	snprintf(headers, sizeof(headers),
	    "Authorization: Bearer %s\nX-Organization: 3C1F7D52-9B0E-4E6F-8A31-0D5B7C9E2F64\n",
	    w->token);
	ok(status_with(w, headers) == 200, "X-Organization in upper case");
	snprintf(headers, sizeof(headers),
	    "Authorization: Bearer %s\nX-Organization: 00000000-0000-4000-8000-000000000000\n",
	    w->token);
	ok(status_with(w, headers) == 403, "another organization");
	snprintf(
	    headers, sizeof(headers), "Authorization: Bearer %s\nX-Organization: acme\n", w->token);
	ok(status_with(w, headers) == 400, "an organization that is no UUID");
}

static void ends(struct world *w)
{
	char headers[128];

	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\n", w->token);
	world_restart(w);
	ok(status_with(w, headers) == 200, "a token survives a restart");
	w->now_ms = 0;
	w->now_ms = (int64_t)1 << 42;
	ok(status_with(w, headers) == 401, "and ends");
	w->now_ms = 0;
}

/* The registry's file must not help whoever gets it. */
static void not_kept(struct world *w)
{
	char command[256];
	struct answer a = ask(w, "GET", "/iot/v2/devices", NULL);

	ok(a.status == 200, "there is something to look for");
	answer_free(&a);
	snprintf(command, sizeof(command), "grep -q -a -e '%s' -e '%s' %s/imprint.db*", w->token,
	    w->secret, w->folder);
	ok(system(command) != 0, "neither token nor secret is in the registry's files");
	snprintf(
	    command, sizeof(command), "grep -q -a -e '%s' %s/imprint.db*", w->client, w->folder);
	ok(system(command) == 0, "where the client's name is");
}

static void throttled(struct world *w)
{
	char form[256];
	struct answer a;
	int i = 0, status;

	do {
		a = ask_with(w, "POST", PATH, FORM,
		    slice("grant_type=client_credentials&client_id=guessed&client_secret=x"));
		status = a.status;
		if (status == 429)
			ok(strstr(a.headers, "Retry-After: 60") != NULL, "says when to come back");
		answer_free(&a);
	} while (status == 401 && ++i < 100);
	ok(status == 429 && i == 20, "after %d failures: wait", i);
	snprintf(form, sizeof(form), "grant_type=client_credentials&client_id=%s&client_secret=%s",
	    w->client, w->secret);
	a = ask_with(w, "POST", PATH, FORM, slice(form));
	ok(a.status == 200, "another client from there gets in (%d)", a.status);
	answer_free(&a);
}

int main(void)
{
	struct world w;

	world_open(&w);
	forms(&w);
	named(&w);
	basic(&w);
	bearer(&w);
	not_kept(&w);
	throttled(&w);
	ends(&w);
	world_close(&w);
	return done_testing();
}
