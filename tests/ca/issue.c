/* What the authority issues, as the board rebuilds it and as OpenSSL sees it; and whom it refuses. */
#include "fixture.h"

#include <time.h>

#include <openssl/ec.h>
#include <openssl/rsa.h>

static int64_t seconds_of(struct x509_hour t)
{
	int64_t seconds = 0;

	if (utc_seconds(&t, &seconds) != OK)
		bail_out("no such hour");
	return seconds;
}

/* The moment of an ASN1_TIME. */
static int64_t asn1_seconds(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : -1;
}

static struct slice der_of(const struct ca_issued *c)
{
	return (struct slice){ c->der, c->der_n };
}

/* --- one certificate, every field, by OpenSSL --- */

static bool openssl_agrees(const struct ca_issued *c, const uint8_t q[64], const char *device)
{
	X509 *x = openssl_parse(der_of(c));
	struct x509_hour end = x509_hour_add_years(&c->fields.issued, c->fields.years);
	uint8_t serial[16] = { 0 }, *spki = NULL;
	char cn[64] = "";
	BIGNUM *bn;
	bool agree;

	if (!x)
		return false;
	bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	agree =
	    bn && BN_bn2binpad(bn, serial, 16) == 16 && memcmp(serial, c->fields.serial, 16) == 0;
	BN_free(bn);
	agree = agree && asn1_seconds(X509_get0_notBefore(x)) == seconds_of(c->fields.issued) &&
	        asn1_seconds(X509_get0_notAfter(x)) == seconds_of(end);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, cn, sizeof(cn));
	agree = agree && X509_NAME_entry_count(X509_get_subject_name(x)) == 1 &&
	        strcmp(cn, device) == 0;
	agree = agree && i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki) == X509_SPKI_SIZE &&
	        memcmp(spki + X509_SPKI_SIZE - 64, q, 64) == 0;
	agree =
	    agree && X509_get_ext_count(x) == 1 && X509_get0_authority_key_id(x) &&
	    memcmp(ASN1_STRING_get0_data(X509_get0_authority_key_id(x)), c->fields.aki, 20) == 0;
	OPENSSL_free(spki);
	X509_free(x);
	return agree;
}

static void one_certificate(struct fixture *f)
{
	struct p256_key *k = fresh_key();
	uint8_t buffer[512], q[64], fingerprint[32];
	struct ca_request r = { .csr = make_csr(k, DEVICE, buffer),
		.device_id = text_slice(DEVICE),
		.start = set_clock(2026, 11, 23, 2),
		.years = 31 };
	struct ca_issued c;
	struct errbuf eb = { "" };
	struct ccert fields;
	const char *why;

	p256_key_public(k, q);
	if (!ok(ca_issue(f->ca, &r, &c, &eb) == OK, "a certificate is issued (%s)", eb.text))
		bail_out("nothing to look at");
	is_bytes(c.q, 64, q, 64, "for the key of the request");
	ok(openssl_agrees(&c, q, DEVICE), "OpenSSL reads the fields that the board gets");
	why = openssl_refuses(der_of(&c), ca_certificate(f->ca), test_now_ms / 1000);
	ok(!why, "X509_verify_cert, strict, as a TLS client (%s)", why ? why : "accepted");
	ok(memcmp(c.fields.aki, ca_key_id(f->ca), 20) == 0, "the identifier is the authority's");
	ok(EVP_Q_digest(NULL, "SHA256", NULL, c.der, c.der_n, fingerprint, NULL) == 1 &&
	        memcmp(fingerprint, c.fingerprint, 32) == 0,
	    "the fingerprint is SHA-256 of the DER");
	ok(c.time_ms == (uint64_t)test_now_ms && !ct_zero(c.leaf_hash, 32),
	    "the log entry has time and hash");
	ok(!c.leap_day && !c.pinned, "nothing unusual to say");
	ok(ca_verify(f->ca, der_of(&c), &fields, &eb) == OK &&
	        ccert_compare(&fields, &c.fields) == CCERT_SAME,
	    "the authority knows it again");
	c.der[c.der_n - 1] ^= 1;
	ok(ca_verify(f->ca, der_of(&c), &fields, &eb) == ERR_DENIED,
	    "not with another signature (%s)", eb.text);
	ok(ca_verify(f->ca, ca_certificate(f->ca), &fields, &eb) == ERR_FORMAT,
	    "its own certificate is no device's (%s)", eb.text);
	p256_key_free(k);
}

static void another_authority(struct fixture *f)
{
	struct fixture other;
	struct p256_key *k = fresh_key();
	uint8_t buffer[512];
	struct ca_request r = { .csr = make_csr(k, DEVICE, buffer),
		.device_id = text_slice(DEVICE),
		.start = set_clock(2026, 11, 23, 2),
		.years = 31 };
	struct ca_issued c;
	struct ccert fields;
	struct errbuf eb = { "" };

	fixture_open(&other);
	ok(ca_issue(other.ca, &r, &c, &eb) == OK, "another authority of the same name issues (%s)",
	    eb.text);
	ok(ca_verify(f->ca, der_of(&c), &fields, &eb) == ERR_DENIED,
	    "this one does not claim it (%s)", eb.text);
	ok(openssl_refuses(der_of(&c), ca_certificate(f->ca), test_now_ms / 1000) != NULL,
	    "nor does OpenSSL under this one");
	fixture_close(&other);
	p256_key_free(k);
}

/* --- dates --- */

static const struct {
	const char *name;
	struct x509_hour clock;
	unsigned years;
	enum err want;
	struct x509_hour from, to;
	bool leap_day, pinned;
} dates[] = {
	{ "first hour of 2000", { 2000, 1, 1, 0 }, 1, OK, { 2000, 1, 1, 0 }, { 2001, 1, 1, 0 },
	    false, false },
	{ "the end is the last hour of 2049", { 2018, 12, 31, 23 }, 31, OK, { 2018, 12, 31, 23 },
	    { 2049, 12, 31, 23 }, false, false },
	{ "the end is the first hour of 2050", { 2019, 1, 1, 0 }, 31, OK, { 2019, 1, 1, 0 },
	    { 2050, 1, 1, 0 }, false, false },
	{ "28 February", { 2027, 2, 28, 23 }, 1, OK, { 2027, 2, 28, 23 }, { 2028, 2, 28, 23 },
	    false, false },
	{ "29 February becomes the 28th", { 2028, 2, 29, 23 }, 31, OK, { 2028, 2, 28, 23 },
	    { 2059, 2, 28, 23 }, true, false },
	{ "1 March of a leap year", { 2028, 3, 1, 0 }, 31, OK, { 2028, 3, 1, 0 }, { 2059, 3, 1, 0 },
	    false, false },
	{ "2030, with a note in the trace", { 2030, 1, 1, 0 }, 31, OK, { 2030, 1, 1, 0 },
	    { 2061, 1, 1, 0 }, false, false },
	{ "last hour of 2031", { 2031, 12, 31, 23 }, 31, OK, { 2031, 12, 31, 23 },
	    { 2062, 12, 31, 23 }, false, false },
	{ "first hour of 2032 is pinned", { 2032, 1, 1, 0 }, 31, OK, { 2031, 12, 31, 23 },
	    { 2062, 12, 31, 23 }, false, true },
	{ "29 February 2032 is pinned", { 2032, 2, 29, 5 }, 31, OK, { 2031, 12, 31, 23 },
	    { 2062, 12, 31, 23 }, false, true },
	{ "pinned, one year from 2035: to the end of 2036", { 2035, 6, 1, 0 }, 1, OK,
	    { 2031, 12, 31, 23 }, { 2036, 12, 31, 23 }, false, true },
	{ "pinned, 2061", { 2061, 12, 31, 23 }, 31, OK, { 2031, 12, 31, 23 }, { 2062, 12, 31, 23 },
	    false, true },
	{ "2062 is over", { 2062, 1, 1, 0 }, 1, ERR_ARG, { 0 }, { 0 }, false, false },
	{ "0 years", { 2026, 1, 1, 0 }, 0, ERR_ARG, { 0 }, { 0 }, false, false },
	{ "32 years", { 2026, 1, 1, 0 }, 32, ERR_ARG, { 0 }, { 0 }, false, false },
};

static void try_dates(struct fixture *f)
{
	struct p256_key *k = fresh_key();
	uint8_t buffer[512], q[64];
	struct ca_request r = { .csr = make_csr(k, "", buffer), .device_id = text_slice(DEVICE) };

	p256_key_public(k, q);
	for (size_t i = 0; i < COUNT(dates); i++) {
		const struct x509_hour *t = &dates[i].clock;
		struct ca_issued c = { .der_n = 0 };
		struct errbuf eb = { "" };
		enum err e;

		r.start = set_clock(t->year, t->month, t->day, t->hour);
		r.years = dates[i].years;
		e = ca_issue(f->ca, &r, &c, &eb);
		ok(e == dates[i].want, "%s: %s (%s)", dates[i].name, err_name(e), eb.text);
		if (e != OK)
			continue;
		ok(openssl_agrees(&c, q, DEVICE) &&
		        seconds_of(c.fields.issued) == seconds_of(dates[i].from) &&
		        seconds_of(x509_hour_add_years(&c.fields.issued, c.fields.years)) ==
		            seconds_of(dates[i].to),
		    "%s: its dates", dates[i].name);
		ok(c.leap_day == dates[i].leap_day && c.pinned == dates[i].pinned,
		    "%s: what is said about it", dates[i].name);
		if (dates[i].to.year > 2026) /* when this test's authority begins */
			ok(!openssl_refuses(
			       der_of(&c), ca_certificate(f->ca), seconds_of(dates[i].to) - 1),
			    "%s: OpenSSL accepts it a second before its end", dates[i].name);
		ok(openssl_refuses(
		       der_of(&c), ca_certificate(f->ca), seconds_of(dates[i].to) + 1) != NULL,
		    "%s: and not a second after", dates[i].name);
	}
	p256_key_free(k);
}

static void far_from_now(struct fixture *f)
{
	static const struct {
		const char *name;
		struct x509_hour start;
		enum err want;
	} cases[] = {
		{ "26 hours ahead less the begun hour", { 2026, 11, 24, 4 }, OK },
		{ "27 hours ahead", { 2026, 11, 24, 6 }, ERR_DENIED },
		{ "25 hours ago", { 2026, 11, 22, 1 }, OK },
		{ "27 hours ago", { 2026, 11, 21, 23 }, ERR_DENIED },
		{ "pinned before 2032", { 2032, 1, 1, 0 }, ERR_DENIED },
		{ "no such day", { 2027, 2, 29, 0 }, ERR_ARG },
		{ "no such hour", { 2026, 11, 23, 24 }, ERR_ARG },
		{ "1999", { 1999, 12, 31, 23 }, ERR_ARG },
	};
	const struct signer_options lenient = { .allow = LINT_BIT(14) | LINT_BIT(10),
		.now_ms = test_clock };
	struct p256_key *k = fresh_key();
	struct ca *ca = NULL;
	uint8_t buffer[512];
	struct ca_request r = {
		.csr = make_csr(k, "", buffer), .device_id = text_slice(DEVICE), .years = 31
	};
	struct ca_issued c;
	struct errbuf eb = { "" };

	set_clock(2026, 11, 23, 2);
	for (size_t i = 0; i < COUNT(cases); i++) {
		eb.text[0] = 0;
		r.start = cases[i].start;
		ok(ca_issue(f->ca, &r, &c, &eb) == cases[i].want, "start %s (%s)", cases[i].name,
		    eb.text);
	}
	ok(ca_open(f->folder, &lenient, &ca, &eb) == OK,
	    "an authority whose policy allows rule 14");
	r.start = cases[1].start;
	ok(ca_issue(ca, &r, &c, &eb) == OK, "issues for tomorrow (%s)", eb.text);
	ca_free(ca);
	p256_key_free(k);
}

/* --- requests that are refused --- */

static void refused(struct fixture *f, struct slice csr, const char *field, const char *name)
{
	struct ca_request r = { .csr = csr,
		.device_id = text_slice(DEVICE),
		.start = set_clock(2026, 11, 23, 2),
		.years = 31 };
	struct ca_issued c, before;
	struct errbuf eb = { "" };
	enum err e;

	memset(&c, 0x5a, sizeof(c));
	memset(&before, 0x5a, sizeof(before));
	e = ca_issue(f->ca, &r, &c, &eb);
	ok(e == ERR_FORMAT && strstr(eb.text, field) && untouched_bytes(&c, &before, sizeof(c)),
	    "%s: %s, %s", name, err_name(e), eb.text);
}

/* A request made and signed by OpenSSL, for keys that we cannot make. */
static size_t openssl_csr(EVP_PKEY *key, const EVP_MD *md, uint8_t **der)
{
	X509_REQ *req = X509_REQ_new();
	X509_NAME *name = X509_REQ_get_subject_name(req);
	int n = 0;

	*der = NULL;
	if (key && X509_REQ_set_version(req, 0) == 1 &&
	    X509_NAME_add_entry_by_txt(
	        name, "CN", MBSTRING_ASC, (const uint8_t *)DEVICE, -1, -1, 0) == 1 &&
	    X509_REQ_set_pubkey(req, key) == 1 && X509_REQ_sign(req, key, md) > 0)
		n = i2d_X509_REQ(req, der);
	X509_REQ_free(req);
	ERR_clear_error();
	if (n <= 0)
		bail_out("OpenSSL makes no request");
	return (size_t)n;
}

static void other_keys(struct fixture *f)
{
	struct {
		const char *name, *field;
		EVP_PKEY *key;
		const EVP_MD *md;
	} cases[] = {
		{ "P-384", "subjectPKInfo.algorithm", EVP_EC_gen("P-384"), EVP_sha384() },
		{ "P-521", "subjectPKInfo.algorithm", EVP_EC_gen("P-521"), EVP_sha256() },
		{ "secp256k1", "subjectPKInfo.algorithm", EVP_EC_gen("secp256k1"), EVP_sha256() },
		{ "RSA 2048", "subjectPKInfo.algorithm", EVP_RSA_gen(2048), EVP_sha256() },
		{ "Ed25519", "subjectPKInfo.algorithm", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"),
		    NULL },
		{ "P-256 with SHA-384", "signatureAlgorithm", EVP_EC_gen("P-256"), EVP_sha384() },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t *der;
		size_t n = openssl_csr(cases[i].key, cases[i].md, &der);

		refused(f, (struct slice){ der, n }, cases[i].field, cases[i].name);
		OPENSSL_free(der);
		EVP_PKEY_free(cases[i].key);
	}
}

static void compressed_point(struct fixture *f)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	uint8_t *der;
	size_t n;

	EVP_PKEY_set_utf8_string_param(key, "point-format", "compressed");
	n = openssl_csr(key, EVP_sha256(), &der);
	refused(f, (struct slice){ der, n }, "subjectPKInfo.subjectPublicKey", "compressed point");
	OPENSSL_free(der);
	EVP_PKEY_free(key);
}

static void damaged(struct fixture *f)
{
	static uint8_t big[CSR_MAX + 1] = { 0x30, 0x82, 0x0f, 0xfd };
	struct p256_key *k = fresh_key(), *other = fresh_key();
	uint8_t buffer[512], copy[513], q[64];
	struct slice csr = make_csr(k, DEVICE, buffer);
	struct ca_request r = {
		.device_id = text_slice(DEVICE), .start = set_clock(2026, 11, 23, 2), .years = 31
	};
	struct ca_issued c;
	bool all = true;
	size_t at;

	for (size_t n = 0; n < csr.n; n++) {
		r.csr = (struct slice){ csr.p, n };
		all &= ca_issue(f->ca, &r, &c, NULL) == ERR_FORMAT;
	}
	ok(all, "a request cut after any of its %zu bytes", csr.n);
	for (size_t bit = 0; bit < csr.n * 8; bit++) {
		memcpy(copy, csr.p, csr.n);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		r.csr = (struct slice){ copy, csr.n };
		all &= ca_issue(f->ca, &r, &c, NULL) == ERR_FORMAT;
	}
	ok(all, "a request with any one of its bits turned");
	memcpy(copy, csr.p, csr.n);
	copy[csr.n] = 0;
	refused(f, (struct slice){ copy, csr.n + 1 }, "CertificationRequest",
	    "a byte behind the request");
	refused(f, SLICE(big), "CertificationRequest", "more than 4096 bytes");
	refused(f, (struct slice){ csr.p, 0 }, "empty", "no byte at all");
	refused(f, BYTES(0x30, 0x80, 0, 0), "CertificationRequest", "indefinite length");

	/* the key of somebody else, then a point that is on no curve */
	p256_key_public(k, q);
	memcpy(copy, csr.p, csr.n);
	for (at = 0; memcmp(copy + at, q, 64) != 0; at++)
		;
	p256_key_public(other, copy + at);
	refused(f, (struct slice){ copy, csr.n }, "signature: does not verify", "another's key");
	memcpy(copy, csr.p, csr.n);
	copy[at + 63] ^= 1;
	refused(
	    f, (struct slice){ copy, csr.n }, "the point is not on P-256", "point off the curve");
	memset(copy + at, 0, 64);
	refused(f, (struct slice){ copy, csr.n }, "the point is not on P-256", "point 0, 0");
	p256_key_free(k);
	p256_key_free(other);
}

/* --- the two names in a request --- */

static void names(struct fixture *f)
{
	static const struct {
		const char *name, *cn, *device;
		enum err want;
	} cases[] = {
		{ "the device id", DEVICE, DEVICE, OK },
		{ "a hardware id",
		    "d7de649cae1bfe60a5fc6127e4b390a0668f0747fe83dc90bf4429137d1f75fd", DEVICE,
		    OK },
		{ "no name", "", DEVICE, OK },
		{ "a chip's serial", "0123456789ABCDEFEE", DEVICE, OK },
		{ "another device", "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f65", DEVICE, ERR_CONFLICT },
		{ "device id in upper case", "", "3C1F7D52-9B0E-4E6F-8A31-0D5B7C9E2F64",
		    ERR_FORMAT },
		{ "device id of 38 characters", "", "{3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64}",
		    ERR_FORMAT },
		{ "device id without hyphens", "", "3c1f7d529b0e4e6f8a310d5b7c9e2f64", ERR_FORMAT },
		{ "device id with a letter g", "", "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f6g",
		    ERR_FORMAT },
		{ "hyphen at the wrong place", "", "3c1f7d529-b0e-4e6f-8a31-0d5b7c9e2f64",
		    ERR_FORMAT },
		{ "no device id", "", "", ERR_FORMAT },
	};
	struct p256_key *k = fresh_key();
	uint8_t buffer[512];
	struct ca_request r = { .start = set_clock(2026, 11, 23, 2), .years = 31 };
	struct ca_issued c;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct errbuf eb = { "" };

		r.csr = make_csr(k, cases[i].cn, buffer);
		r.device_id = text_slice(cases[i].device);
		ok(ca_issue(f->ca, &r, &c, &eb) == cases[i].want, "%s (%s)", cases[i].name,
		    eb.text);
	}
	p256_key_free(k);
}

static void pem(struct fixture *f)
{
	struct p256_key *k = fresh_key();
	uint8_t buffer[512];
	char text[1024], crlf[1200];
	struct slice csr = make_csr(k, DEVICE, buffer);
	struct ca_request r = {
		.device_id = text_slice(DEVICE), .start = set_clock(2026, 11, 23, 2), .years = 31
	};
	struct ca_issued c;
	size_t n, m = 0;

	if (pem_encode(csr, "CERTIFICATE REQUEST", 76, text, sizeof(text), &n) != OK)
		bail_out("no PEM");
	r.csr = (struct slice){ (const uint8_t *)text, n };
	ok(ca_issue(f->ca, &r, &c, NULL) == OK, "PEM in lines of 76, as boards print it");
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			crlf[m++] = '\r';
		crlf[m++] = text[i];
	}
	r.csr = (struct slice){ (const uint8_t *)crlf, m };
	ok(ca_issue(f->ca, &r, &c, NULL) == OK, "PEM with CR LF");
	refused(f, (struct slice){ (const uint8_t *)text, n / 2 }, "PEM", "half a PEM");
	refused(f, TEXT("hello"), "PEM", "a greeting");
	p256_key_free(k);
}

/* --- rules that a request can break --- */

static void rules(struct fixture *f)
{
	/* golden-device-1: its private key stands in tests/vectors */
	static const char d[] = "6ebd34f9a603e6dec3a4bb963388cb7fb5ff4084e0c576344cb4dc2908fefb01";
	struct p256_key *k = NULL;
	uint8_t scalar[32], buffer[512];
	struct ca_request r = {
		.device_id = text_slice(DEVICE), .start = set_clock(2026, 11, 23, 2), .years = 31
	};
	struct ca_issued c;
	struct errbuf eb = { "" };
	char path[96];

	if (hex_decode(TEXT(d), scalar, 32) != OK || p256_key_from_scalar(scalar, &k, NULL) != OK)
		bail_out("no key");
	r.csr = make_csr(k, "", buffer);
	ok(ca_issue(f->ca, &r, &c, &eb) == ERR_DENIED && strncmp(eb.text, "L07", 3) == 0,
	    "a published key (%s)", eb.text);
	p256_key_free(k);
	k = NULL;
	snprintf(path, sizeof(path), "%s/key.pem", f->folder);
	if (p256_key_load(path, &k, NULL) != OK)
		bail_out("no key of the authority");
	r.csr = make_csr(k, "", buffer);
	ok(ca_issue(f->ca, &r, &c, &eb) == ERR_DENIED && strncmp(eb.text, "L04", 3) == 0,
	    "the authority's own key (%s)", eb.text);
	p256_key_free(k);
}

static void serials(struct fixture *f)
{
	enum { MANY = 300 };
	static uint8_t seen[MANY][16];
	struct p256_key *k = fresh_key();
	uint8_t buffer[512];
	struct ca_request r = { .csr = make_csr(k, "", buffer),
		.device_id = text_slice(DEVICE),
		.start = set_clock(2026, 11, 23, 2),
		.years = 31 };
	bool different = true, positive = true;
	struct ca_issued c;

	for (size_t i = 0; i < MANY; i++) {
		if (ca_issue(f->ca, &r, &c, NULL) != OK)
			bail_out("no certificate");
		memcpy(seen[i], c.fields.serial, 16);
		positive &= seen[i][0] >= 0x01 && seen[i][0] <= 0x7f;
		for (size_t j = 0; j < i; j++)
			different &= memcmp(seen[i], seen[j], 16) != 0;
	}
	ok(different, "%d serials are different", MANY);
	ok(positive, "all begin with 01 to 7f");
	p256_key_free(k);
}

/* --- in two halves --- */

static void batch(struct fixture *f)
{
	enum { MANY = SIGNER_BATCH_MAX + 10, REFUSED = 7 };
	static struct ca_work works[MANY], *all[MANY];
	struct p256_key *k = fresh_key(), *own = NULL;
	struct p256 *verifier = NULL;
	uint8_t buffer[512], own_buffer[512];
	struct slice csr = make_csr(k, "", buffer), own_csr;
	struct errbuf eb = { "" };
	struct ccert fields;
	char path[96];
	size_t right = 0, owned = 0;

	snprintf(path, sizeof(path), "%s/key.pem", f->folder);
	if (p256_new(&verifier, NULL) != OK || p256_key_load(path, &own, NULL) != OK)
		bail_out("no keys");
	own_csr = make_csr(own, "", own_buffer);
	for (size_t i = 0; i < MANY; i++) {
		struct ca_request r = { .csr = i == REFUSED ? own_csr : csr,
			.device_id = text_slice(DEVICE),
			.start = set_clock(2026, 11, 23, 2),
			.years = 31 };

		if (ca_check(verifier, &r, &works[i], &eb) != OK)
			bail_out(eb.text);
		all[i] = &works[i];
	}
	ca_sign(f->ca, all, MANY);
	for (size_t i = 0; i < MANY; i++) {
		struct ca_issued *c = &works[i].issued;

		right += works[i].err == OK && ca_verify(f->ca, der_of(c), &fields, NULL) == OK &&
		         memcmp(fields.serial, works[i].leaf.serial, 16) == 0;
		owned += c->time_ms == (uint64_t)test_now_ms;
	}
	ok(right == MANY - 1 && owned == MANY, "%zu of %d are signed, more than one batch", right,
	    MANY);
	ok(works[REFUSED].err == ERR_DENIED && strncmp(works[REFUSED].eb.text, "L04", 3) == 0,
	    "the one between them is refused by its rule (%s)", works[REFUSED].eb.text);
	p256_key_free(k);
	p256_key_free(own);
	p256_free(verifier);
}

static void renamed(struct fixture *f)
{
	struct p256_key *k = fresh_key();
	uint8_t buffer[512];
	struct ca_request r = { .csr = make_csr(k, "00000000-0000-4000-8000-000000000001", buffer),
		.device_id = text_slice(DEVICE),
		.start = set_clock(2026, 11, 23, 2),
		.years = 31 };
	struct ca_issued c;

	ok(ca_issue(f->ca, &r, &c, NULL) == ERR_CONFLICT, "another device's id is refused");
	r.rename = true;
	ok(ca_issue(f->ca, &r, &c, NULL) == OK &&
	        memcmp(c.fields.device_id, DEVICE, CCERT_DEVICE_ID) == 0,
	    "or replaced, when the caller knows better");
	p256_key_free(k);
}

int main(void)
{
	struct fixture f;

	fixture_open(&f);
	one_certificate(&f);
	another_authority(&f);
	try_dates(&f);
	far_from_now(&f);
	other_keys(&f);
	compressed_point(&f);
	damaged(&f);
	names(&f);
	pem(&f);
	rules(&f);
	serials(&f);
	batch(&f);
	renamed(&f);
	fixture_close(&f);
	return done_testing();
}
