/* Certificates over the API: what OpenSSL says of them, their states, and what the registry remembers. */
#include "tap.h"
#include "world.h"

#include "ccert.h"
#include "digest.h"
#include "entry.h"
#include "event.h"
#include "text.h"
#include "utc.h"
#include "uuid.h"

#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static const char *path(const char *id, const char *rest, const char *cert)
{
	static char text[4][160];
	static unsigned turn;
	char *p = text[turn++ % 4];

	snprintf(p, 160, "/iot/v2/devices/%s%s%s", id, rest, cert);
	return p;
}

static struct answer issue(struct world *w, const char *id, const char *cn, const char *more)
{
	char csr[2048], body[2300];

	make_csr(cn, csr);
	snprintf(body, sizeof(body), "{\"csr\":\"%s\",\"enabled\":true%s}", csr, more);
	return ask(w, "PUT", path(id, "/certs", ""), body);
}

static X509 *of_pem(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	return x;
}

/* Chain, dates, purpose: what a broker would ask. */
static bool verifies(struct world *w, X509 *x)
{
	struct slice root = ca_certificate(w->ca);
	const uint8_t *p = root.p;
	X509 *ca = d2i_X509(NULL, &p, (long)root.n);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool right;

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, x, NULL);
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
	right = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(ca);
	return right;
}

/* What a client does with `compressed`: fields, rebuilt, must be the certificate. */
static bool rebuilds(const struct answer *a, X509 *x)
{
	struct ccert c = { .years = 31 };
	uint8_t der[CCERT_CERT_MAX], q[64], *theirs = NULL;
	struct der_w w = der_writer(der, sizeof(der));
	const char *from = text_of(a, "compressed.not_before");
	int n = i2d_X509(x, &theirs);
	struct ccert seen;
	struct slice mine;
	bool same;

	/* As clients cut it out: characters 0-3, 5-6, 8-9, 11-12. */
	if (strlen(from) != 20 || n <= 0)
		return false;
	c.issued = (struct x509_hour){ (uint16_t)strtoul(from, NULL, 10),
		(uint8_t)strtoul(from + 5, NULL, 10), (uint8_t)strtoul(from + 8, NULL, 10),
		(uint8_t)strtoul(from + 11, NULL, 10) };
	memcpy(c.device_id, text_of(a, "device_id"), CCERT_DEVICE_ID);
	if (hex_decode((struct slice){ (const uint8_t *)text_of(a, "compressed.serial"), 32 },
	        c.serial, 16) != OK ||
	    hex_decode(
	        (struct slice){
	            (const uint8_t *)text_of(a, "compressed.authority_key_identifier"), 40 },
	        c.aki, 20) != OK ||
	    hex_decode(
	        (struct slice){ (const uint8_t *)text_of(a, "compressed.signature_asn1_x"), 64 },
	        c.sig, 32) != OK ||
	    hex_decode(
	        (struct slice){ (const uint8_t *)text_of(a, "compressed.signature_asn1_y"), 64 },
	        c.sig + 32, 32) != OK)
		return false;
	if (ccert_from_cert((struct slice){ theirs, (size_t)n }, &seen, q) != OK)
		return false;
	ccert_cert_put(&w, &c, q);
	same = der_finish(&w, &mine) == OK && mine.n == (size_t)n &&
	       memcmp(mine.p, theirs, mine.n) == 0;
	OPENSSL_free(theirs);
	return same;
}

static void issued(struct world *w)
{
	static const char *const needed[] = { "authority_key_identifier", "not_after", "not_before",
		"serial", "signature", "signature_asn1_x", "signature_asn1_y" };
	char id[37], href[160], der[1024];
	const char *from, *to;
	struct answer a, b;
	uint8_t *bytes = NULL;
	bool all = true;
	X509 *x;
	int n;

	make_device(w, "first", id);
	a = issue(w, id, id, ",\"ca\":\"Arduino\"");
	ok(a.status == 201 && a.n <= 4095, "issued: %d, %zu bytes", a.status, a.n);
	for (size_t i = 0; i < COUNT(needed); i++) {
		char at[64];

		snprintf(at, sizeof(at), "compressed.%s", needed[i]);
		all &= text_of(&a, at)[0] != '\0';
	}
	snprintf(href, sizeof(href), "/iot/v2/devices/%s/certs/%s", id, text_of(&a, "id"));
	ok(all && strcmp(text_of(&a, "device_id"), id) == 0 &&
	        json_is_true(json_object_get(a.json, "enabled")) &&
	        strcmp(text_of(&a, "href"), href) == 0,
	    "with every member that clients need (%s)", a.body);
	x = of_pem(text_of(&a, "pem"));
	ok(x && verifies(w, x), "OpenSSL takes the PEM as a TLS client's certificate");
	n = x ? i2d_X509(x, &bytes) : 0;
	ok(n > 0 && base64_encode((struct slice){ bytes, (size_t)n }, der, sizeof(der)) == OK &&
	        strcmp(der, text_of(&a, "der")) == 0,
	    "der is the same certificate");
	ok(x && rebuilds(&a, x), "a board rebuilds it from the compressed fields");
	from = text_of(&a, "compressed.not_before");
	to = text_of(&a, "compressed.not_after");
	ok(strlen(from) == 20 && strcmp(from + 13, ":00:00Z") == 0 &&
	        strcmp(from + 4, to + 4) == 0 &&
	        strtol(to, NULL, 10) == strtol(from, NULL, 10) + 31,
	    "from the hour, for 31 years (%s, %s)", from, to);
	b = ask(w, "GET", path(id, "/certs/", text_of(&a, "id")), NULL);
	ok(b.status == 200 && strcmp(a.body, b.body) == 0, "found again, the same bytes");
	answer_free(&b);
	world_restart(w);
	b = ask(w, "GET", path(id, "/certs", ""), NULL);
	ok(b.status == 200 && json_array_size(b.json) == 1 && strlen(b.body) == a.n + 2 &&
	        memcmp(b.body + 1, a.body, a.n) == 0,
	    "listed, after a restart");
	answer_free(&b);
	OPENSSL_free(bytes);
	X509_free(x);
	answer_free(&a);
}

static void names_and_clients(struct world *w)
{
	char id[37], headers[256], csr[2048], body[2300];
	struct answer a;

	make_device(w, "named", id);
	a = issue(w, id, "11111111-2222-4333-8444-555555555555", ",\"ca\":\"Arduino_v2\"");
	ok(a.status == 201 && strcmp(text_of(&a, "device_id"), id) == 0,
	    "the name in the request is replaced (%d)", a.status);
	answer_free(&a);
	a = issue(w, id, "anything at all", "");
	ok(a.status == 201, "whatever it was (%d)", a.status);
	answer_free(&a);
	make_csr(id, csr);
	snprintf(body, sizeof(body), "{\"csr\":\"%s\",\"enabled\":false}", csr);
	snprintf(headers, sizeof(headers),
	    "Authorization: Bearer %s\nUser-Agent: OpenAPI-Generator/3.0.0/python\n", w->token);
	a = ask_with(w, "PUT", path(id, "/certs", ""), headers,
	    (struct slice){ (const uint8_t *)body, strlen(body) });
	ok(a.status == 201 && json_is_string(json_object_get(a.json, "pem")) &&
	        text_of(&a, "pem")[0] == '\0' && text_of(&a, "der")[0] &&
	        json_is_false(json_object_get(a.json, "enabled")),
	    "Python's client gets an empty pem; not enabled when asked so");
	answer_free(&a);
}

static const struct {
	const char *name, *body;
	int status;
	const char *holds;
} refusals[] = {
	{ "no request", "{\"enabled\":true}", 400, "csr: missing" },
	{ "no enabled", "{\"csr\":\"x\"}", 400, "enabled: missing" },
	{ "another authority", "{\"csr\":\"x\",\"enabled\":true,\"ca\":\"Acme\"}", 400, "ca: not" },
	{ "no PEM", "{\"csr\":\"hello\",\"enabled\":true}", 400, "csr: the request" },
	{ "an empty request", "{\"csr\":\"\",\"enabled\":true}", 400, "csr: empty" },
	{ "a label and nothing",
	    "{\"csr\":\"-----BEGIN CERTIFICATE REQUEST-----\\nAAAA\\n-----END CERTIFICATE "
	    "REQUEST-----\\n\",\"enabled\":true}",
	    400, "csr:" },
	{ "a number", "{\"csr\":7,\"enabled\":true}", 400, "csr: not a string" },
	{ "an unknown member", "{\"csr\":\"x\",\"enabled\":true,\"years\":1}", 400, "years" },
};

static void refused(struct world *w)
{
	char id[37], csr[2048], body[2300], *digit;
	size_t before;
	struct answer a;

	make_device(w, "refused", id);
	before = count_events(w);
	for (size_t i = 0; i < COUNT(refusals); i++) {
		a = ask(w, "PUT", path(id, "/certs", ""), refusals[i].body);
		ok(a.status == refusals[i].status &&
		        strstr(text_of(&a, "detail"), refusals[i].holds),
		    "%s (%s)", refusals[i].name, a.body);
		answer_free(&a);
	}
	make_csr(id, csr);
	digit = strstr(csr, "\\n-----END") - 12; /* in the signature */
	*digit = *digit == 'A' ? 'B' : 'A';
	snprintf(body, sizeof(body), "{\"csr\":\"%s\",\"enabled\":true}", csr);
	a = ask(w, "PUT", path(id, "/certs", ""), body);
	ok(a.status == 400 && strstr(text_of(&a, "detail"), "signature"), "a wrong signature (%s)",
	    a.body);
	answer_free(&a);
	memset(csr, 'A', 1025);
	csr[1025] = '\0';
	snprintf(body, sizeof(body), "{\"csr\":\"%s\",\"enabled\":true}", csr);
	a = ask(w, "PUT", path(id, "/certs", ""), body);
	ok(a.status == 400 && strstr(text_of(&a, "detail"), "csr: 1025 bytes"), "too long (%s)",
	    a.body);
	answer_free(&a);
	a = ask(w, "PUT", path("00000000-0000-4000-8000-000000000000", "/certs", ""), body);
	ok(a.status == 400, "the body first (%d)", a.status);
	answer_free(&a);
	a = issue(w, "00000000-0000-4000-8000-000000000000", id, "");
	ok(a.status == 404, "no such device (%d)", a.status);
	answer_free(&a);
	ok(count_events(w) == before, "nothing of it is in the registry");
	a = ask(w, "GET", path(id, "/certs", ""), NULL);
	ok(a.status == 200 && strcmp(a.body, "[]") == 0, "no certificate came of it");
	answer_free(&a);
}

static enum store_cert_state state_of(struct world *w, const char *cert, struct store_cert *row)
{
	uint8_t serial[16];

	if (hex_decode((struct slice){ (const uint8_t *)cert, 32 }, serial, 16) != OK ||
	    store_cert_get(w->store, 1, serial, row, NULL) != OK)
		abort();
	return row->state;
}

static void switched(struct world *w)
{
	char id[37], cert[33], renewed[33], csr[2048], body[2300];
	struct store_cert row;
	struct answer a;

	make_device(w, "switched", id);
	make_cert(w, id, cert);
	ok(state_of(w, cert, &row) == STORE_ISSUED && row.enabled && row.level == 1,
	    "issued, level 1");
	a = ask(w, "POST", path(id, "/certs/", cert), "{\"enabled\":false}");
	ok(a.status == 200 && json_is_false(json_object_get(a.json, "enabled")) &&
	        strcmp(text_of(&a, "id"), cert) == 0,
	    "disabled");
	answer_free(&a);
	a = ask(w, "POST", path(id, "/certs/", cert), "{\"enabled\":true}");
	ok(a.status == 200 && json_is_true(json_object_get(a.json, "enabled")), "enabled again");
	answer_free(&a);
	a = ask(w, "POST", path(id, "/certs/", cert), "{}");
	ok(a.status == 200, "nothing to change");
	answer_free(&a);
	make_csr(id, csr);
	snprintf(body, sizeof(body), "{\"csr\":\"%s\"}", csr);
	a = ask(w, "POST", path(id, "/certs/", cert), body);
	snprintf(renewed, sizeof(renewed), "%s", text_of(&a, "id"));
	ok(a.status == 200 && strcmp(renewed, cert) != 0 &&
	        json_is_true(json_object_get(a.json, "enabled")),
	    "a new request is signed again, under a number of its own");
	answer_free(&a);
	ok(state_of(w, cert, &row) == STORE_SUPERSEDED && !row.enabled &&
	        state_of(w, renewed, &row) == STORE_ISSUED,
	    "the old one is superseded");
	a = ask(w, "POST", path(id, "/certs/", cert), "{\"enabled\":true}");
	ok(a.status == 412 && strstr(a.body, "superseded"), "for good (%s)", a.body);
	answer_free(&a);
	a = ask(w, "POST", path(id, "/certs/", cert), body);
	ok(a.status == 200 && json_is_true(json_object_get(a.json, "enabled")) &&
	        state_of(w, renewed, &row) == STORE_SUPERSEDED,
	    "whose answer was lost asks again: what comes is enabled");
	snprintf(renewed, sizeof(renewed), "%s", text_of(&a, "id"));
	answer_free(&a);
	a = ask(w, "POST", path(id, "/certs/", renewed), "{\"enabled\":false}");
	answer_free(&a);
	a = ask(w, "POST", path(id, "/certs/", cert), body);
	ok(a.status == 200 && json_is_false(json_object_get(a.json, "enabled")),
	    "not when it was switched off meanwhile");
	snprintf(renewed, sizeof(renewed), "%s", text_of(&a, "id"));
	answer_free(&a);
	a = ask(w, "DELETE", path(id, "/certs/", renewed), NULL);
	ok(a.status == 200 && a.n == 0, "deleted: 200, empty");
	answer_free(&a);
	ok(state_of(w, renewed, &row) == STORE_REVOKED && !row.enabled && row.revoked > 0 &&
	        row.reason == 0,
	    "which is revoked, and remembered");
	a = ask(w, "GET", path(id, "/certs/", renewed), NULL);
	ok(a.status == 404, "and not shown");
	answer_free(&a);
	a = ask(w, "DELETE", path(id, "/certs/", renewed), NULL);
	ok(a.status == 404, "nor deleted twice");
	answer_free(&a);
	a = ask(w, "DELETE", path(id, "?force=true", ""), NULL);
	answer_free(&a);
	ok(state_of(w, cert, &row) == STORE_REVOKED && row.reason == 5,
	    "with a device that is gone for good its certificates are revoked");
}

static void of_others(struct world *w)
{
	char a[37], b[37], cert[33];
	struct answer x;

	make_device(w, "one", a);
	make_device(w, "two", b);
	make_cert(w, a, cert);
	x = ask(w, "GET", path(b, "/certs/", cert), NULL);
	ok(x.status == 404, "another device's certificate is not there");
	answer_free(&x);
	x = ask(w, "DELETE", path(b, "/certs/", cert), NULL);
	ok(x.status == 404, "and cannot be revoked from there");
	answer_free(&x);
}

/* --- the audit event --- */

struct last {
	struct store_event row;
	uint8_t body[STORE_EVENT_MAX > 4096 ? 4096 : STORE_EVENT_MAX];
	size_t n;
};

static bool keep_last(void *ctx, const struct store_event *row)
{
	struct last *l = ctx;

	l->row = *row;
	l->n = row->body.n;
	memcpy(l->body, row->body.p, row->body.n);
	return true;
}

/* The leaf in the registry is the hash of an entry that can be made again from what it holds. */
static void audited(struct world *w)
{
	static struct last l;
	struct entry_issuance e = { .time_ms = 0 };
	uint8_t entry[ENTRY_ISSUANCE], leaf[32], spki[X509_SPKI_SIZE];
	struct der_w spki_w = der_writer(spki, sizeof(spki));
	struct slice key = { NULL, 0 };
	struct x509_hour from, to;
	struct digest *d = NULL;
	struct store_cert row;
	char id[37], cert[33];
	struct event event;
	int64_t s;

	make_device(w, "audited", id);
	make_cert(w, id, cert);
	state_of(w, cert, &row);
	if (store_event_list(w->store, 1, 1, keep_last, &l, NULL) != OK ||
	    digest_new(&d, NULL) != OK)
		abort();
	ok(strcmp(l.row.kind, "certificate.issued") == 0 &&
	        memcmp(l.row.subject, row.device, 16) == 0 &&
	        memcmp(l.row.actor, w->principal, 16) == 0,
	    "the last event is the issuance");
	ok(event_parse((struct slice){ l.body, l.n }, &event) == OK &&
	        memcmp(event.certificate, row.serial, 16) == 0 && event.status == 201 &&
	        strcmp(event.peer, "192.0.2.7") == 0 && event.steps_n == 3,
	    "its body says what and from where");
	e.time_ms = (uint64_t)l.row.at;
	memcpy(e.tenant, w->tenant, 16);
	memcpy(e.aki, ca_key_id(w->ca), 20);
	memcpy(e.serial, row.serial, 16);
	memcpy(e.device, row.device, 16);
	memcpy(e.cert, row.fingerprint, 32);
	x509_spki_put(&spki_w, row.q);
	if (der_finish(&spki_w, &key) != OK || digest_sha256(d, key, e.spki) != OK ||
	    digest_sha256(d, (struct slice){ l.body, l.n }, e.detail) != OK ||
	    utc_hour_since_2000(row.not_before, &from) != OK || utc_seconds(&from, &s) != OK)
		abort();
	e.not_before = (uint64_t)s;
	to = x509_hour_add_years(&from, row.years);
	if (utc_seconds(&to, &s) != OK)
		abort();
	e.not_after = (uint64_t)s;
	entry_put(&e, entry);
	if (entry_hash(d, entry, leaf) != OK)
		abort();
	is_bytes(l.row.leaf, 32, leaf, 32, "the leaf follows from event and certificate");
	digest_free(d);
}

/* --- the clock --- */

static void clocks(struct world *w)
{
	char id[37];
	struct answer a;

	make_device(w, "timeless", id);
	w->now_ms = 631152000000; /* 1990 */
	a = issue(w, id, id, "");
	ok(a.status == 503 && strstr(a.body, "clock is wrong") &&
	        strstr(w->logged, "clock is wrong"),
	    "before 2000: %d (%s)", a.status, w->logged);
	answer_free(&a);
	w->now_ms = 3000000000000; /* 2065 */
	world_login(w);
	a = issue(w, id, id, "");
	ok(a.status == 503 && strstr(a.body, "clock is wrong"),
	    "when nothing that a board can store is valid any more: %d (%s)", a.status, a.body);
	answer_free(&a);
	w->now_ms = 0;
	world_login(w);
}

/* What is damaged is said to be so, to the log; the client hears a number to ask for. */
static void damaged(struct world *w)
{
	struct store_change *c = store_change_new(1);
	struct store_cert row;
	char id[37], cert[33];
	struct answer a;

	make_device(w, "damaged", id);
	make_cert(w, id, cert);
	state_of(w, cert, &row);
	row.fingerprint[0] ^= 1;
	row.sig[5] ^= 1;
	memset(row.serial + 8, 7, 8);
	row.version = 0;
	store_cert_put(c, &row);
	/* Another's certificate row, with a signature already: nobody signs it. */
	ok(store_commit(w->store, c, NULL) == OK, "a row that was never signed");
	hex_encode(SLICE(row.serial), HEX_LOWER, cert);
	a = ask(w, "GET", path(id, "/certs/", cert), NULL);
	ok(a.status == 500 && strstr(a.body, "Internal Server Error") &&
	        strstr(w->logged, "damaged") && strncmp(w->logged, text_of(&a, "id"), 8) == 0,
	    "is never handed out (%s; %s)", a.body, w->logged);
	answer_free(&a);
}

int main(void)
{
	struct world w;

	world_open(&w);
	issued(&w);
	names_and_clients(&w);
	refused(&w);
	switched(&w);
	of_others(&w);
	audited(&w);
	clocks(&w);
	damaged(&w);
	world_close(&w);
	return done_testing();
}
