/*
 * fixture.h -- an authority in a temporary folder with a clock that the test sets, requests signed by
 * fresh keys, and OpenSSL's X509_* as second opinion on every certificate.
 */
#ifndef IMPRINT_TEST_FIXTURE_H
#define IMPRINT_TEST_FIXTURE_H

#include "tap.h"
#include "ca.h"
#include "csr.h"
#include "text.h"
#include "utc.h"
#include "uuid.h"

#include <stdlib.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static const char DEVICE[] = "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64";

/* Ends the test: what follows would make no sense. */
__attribute__((unused, noreturn)) static void bail_out(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

__attribute__((unused)) static struct slice text_slice(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

/* All bytes of two objects of one type, padding included: was it written at all? */
__attribute__((unused)) static bool untouched_bytes(const void *a, const void *b, size_t n)
{
	return memcmp(a, b, n) == 0;
}

/* --- the clock --- */

static int64_t test_now_ms;

__attribute__((unused)) static int64_t test_clock(void *ctx)
{
	(void)ctx;
	return test_now_ms;
}

__attribute__((unused)) static struct x509_hour set_clock(
    unsigned year, unsigned month, unsigned day, unsigned hour)
{
	struct x509_hour t = { (uint16_t)year, (uint8_t)month, (uint8_t)day, (uint8_t)hour };
	int64_t seconds;

	if (utc_seconds(&t, &seconds) != OK)
		bail_out("no such hour");
	test_now_ms = seconds * 1000 + 1234567; /* somewhere inside the hour */
	return t;
}

static const struct signer_options test_options = { .now_ms = test_clock };

/* --- the authority --- */

struct fixture {
	char top[32], folder[64];
	struct ca *ca;
};

__attribute__((unused)) static void fixture_open(struct fixture *f)
{
	struct errbuf eb = { "" };

	set_clock(2026, 11, 23, 2);
	strcpy(f->top, "/tmp/imprint-ca-XXXXXX");
	if (!mkdtemp(f->top))
		bail_out("no temporary folder");
	snprintf(f->folder, sizeof(f->folder), "%s/ca", f->top);
	if (ca_create(f->folder, test_now_ms / 1000, &eb) != OK ||
	    ca_open(f->folder, &test_options, &f->ca, &eb) != OK)
		bail_out(eb.text);
}

/* Removes a file of the authority's folder. */
__attribute__((unused)) static void remove_in(const char *folder, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

__attribute__((unused)) static void fixture_close(struct fixture *f)
{
	ca_free(f->ca);
	remove_in(f->folder, "key.pem");
	remove_in(f->folder, "certificate.pem");
	if (rmdir(f->folder) != 0 || rmdir(f->top) != 0)
		ok(false, "nothing is left in %s", f->top);
}

/* --- requests --- */

__attribute__((unused)) static struct p256_key *fresh_key(void)
{
	struct p256_key *k = NULL;

	if (p256_key_generate(&k, NULL) != OK)
		bail_out("no key");
	return k;
}

/* A request for a common name, "" for none. */
__attribute__((unused)) static struct slice make_csr(
    struct p256_key *k, const char *cn, uint8_t buffer[512])
{
	struct x509_name name = { .at[X509_CN] = text_slice(cn) };
	struct x509_signer how = p256_signer(k);
	struct der_w w = der_writer(buffer, 512);
	struct slice der;
	uint8_t q[64];

	p256_key_public(k, q);
	if (csr_build(&name, q, &how, &w) != OK || der_finish(&w, &der) != OK)
		bail_out("no request");
	return der;
}

/* --- OpenSSL's opinion --- */

__attribute__((unused)) static X509 *openssl_parse(struct slice der)
{
	const unsigned char *p = der.p;
	X509 *x = d2i_X509(NULL, &p, (long)der.n);

	if (x && p != der.p + der.n) {
		X509_free(x);
		x = NULL;
	}
	ERR_clear_error();
	return x;
}

__attribute__((unused)) static X509_STORE *openssl_trust(struct slice authority)
{
	X509 *root = openssl_parse(authority);
	X509_STORE *store = X509_STORE_new();

	if (!root || !store || X509_STORE_add_cert(store, root) != 1)
		bail_out("OpenSSL does not take the authority");
	X509_free(root);
	return store;
}

/* NULL when X509_verify_cert takes it as a TLS client at that moment, else why not. */
__attribute__((unused)) static const char *openssl_judges(X509_STORE *trusted, X509 *x, int64_t at)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *how;
	const char *why = NULL;

	if (!ctx || X509_STORE_CTX_init(ctx, trusted, x, NULL) != 1)
		bail_out("no memory for OpenSSL");
	how = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_X509_STRICT | X509_V_FLAG_POLICY_CHECK);
	X509_VERIFY_PARAM_set_purpose(how, X509_PURPOSE_SSL_CLIENT);
	X509_VERIFY_PARAM_set_time(how, at);
	if (X509_verify_cert(ctx) != 1)
		why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return why;
}

/* The same for a certificate in DER under one authority. */
__attribute__((unused)) static const char *openssl_refuses(
    struct slice leaf, struct slice authority, int64_t at)
{
	X509_STORE *trusted = openssl_trust(authority);
	X509 *x = openssl_parse(leaf);
	const char *why = x ? openssl_judges(trusted, x, at) : "cannot be parsed";

	X509_free(x);
	X509_STORE_free(trusted);
	return why;
}

#endif
