/*
 * What it costs to issue a certificate from a request, in processor time, beside OpenSSL's bare
 * verification plus signature, and beside the same work done with OpenSSL's X509_* functions.
 *
 * The three are interleaved, in rounds of a tenth of a second each, over the same requests. The bare
 * reference has a ready key object and context for each request: it pays for mathematics alone.
 */
#include "bench.h"
#include "ca.h"
#include "csr.h"
#include "p256.h"
#include "utc.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

enum { REQUESTS = 64, ROUNDS = 15 };

static const char DEVICE[] = "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64";

struct request {
	uint8_t csr[512], digest[32], sig[80];
	size_t csr_n, sig_n;
	EVP_PKEY *key;
	EVP_PKEY_CTX *verify;
};

static struct {
	struct request requests[REQUESTS];
	EVP_PKEY *key; /* the reference authority's */
	EVP_PKEY_CTX *sign;
	X509 *certificate;
	struct ca *ca;
	struct x509_hour start;
} b;

/* --- what is measured --- */

static void bare(size_t i)
{
	struct request *r = &b.requests[i];
	uint8_t sig[80];
	size_t n = sizeof(sig);

	bench_must(EVP_PKEY_verify(r->verify, r->sig, r->sig_n, r->digest, 32) == 1 &&
	               EVP_PKEY_sign(b.sign, sig, &n, r->digest, 32) == 1,
	    "bare verification and signature");
}

static void ours(size_t i)
{
	struct request *r = &b.requests[i];
	struct ca_request ask = { .csr = { r->csr, r->csr_n },
		.device_id = TEXT(DEVICE),
		.start = b.start,
		.years = 31 };
	struct ca_issued issued;
	struct errbuf eb = { "" };

	bench_must(ca_issue(b.ca, &ask, &issued, &eb) == OK, eb.text);
}

static bool add_aki(X509 *x)
{
	X509V3_CTX ctx;
	X509_EXTENSION *aki;
	bool done;

	X509V3_set_ctx(&ctx, b.certificate, x, NULL, NULL, 0);
	aki = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	done = aki && X509_add_ext(x, aki, -1) == 1;
	X509_EXTENSION_free(aki);
	return done;
}

/* The same certificate by the general library, as most authorities make it. */
static void x509_api(size_t i)
{
	const unsigned char *p = b.requests[i].csr;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)b.requests[i].csr_n);
	EVP_PKEY *key = X509_REQ_get0_pubkey(req);
	X509 *x = X509_new();
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	BIGNUM *number = BN_new();
	unsigned char *der = NULL;
	int n = 0;

	if (req && key && X509_REQ_verify(req, key) == 1 && BN_rand(number, 127, 0, 0) == 1 &&
	    BN_to_ASN1_INTEGER(number, serial) && X509_set_version(x, 2) == 1 &&
	    X509_set_serialNumber(x, serial) == 1 &&
	    X509_set_issuer_name(x, X509_get_subject_name(b.certificate)) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(x), 0) &&
	    X509_time_adj_ex(X509_getm_notAfter(x), 11322, 0, NULL) &&
	    X509_set_subject_name(x, X509_REQ_get_subject_name(req)) == 1 &&
	    X509_set_pubkey(x, key) == 1 && add_aki(x) && X509_sign(x, b.key, EVP_sha256()) > 0)
		n = i2d_X509(x, &der);
	bench_must(n > 0, "X509_* certificate");
	OPENSSL_free(der);
	BN_free(number);
	ASN1_INTEGER_free(serial);
	X509_free(x);
	X509_REQ_free(req);
}

/* --- making ready --- */

static void make_request(struct request *r)
{
	struct x509_name name = { .at[X509_CN] = TEXT(DEVICE) };
	struct der_w w = der_writer(r->csr, sizeof(r->csr)),
	             sig_w = der_writer(r->sig, sizeof(r->sig));
	struct p256_key *k = NULL;
	struct x509_signer how;
	uint8_t q[64], point[65] = { 4 };
	struct slice out = { NULL, 0 };
	struct csr csr = { .der = { NULL, 0 } };

	bench_must(p256_key_generate(&k, NULL) == OK, "key");
	how = p256_signer(k);
	p256_key_public(k, q);
	bench_must(csr_build(&name, q, &how, &w) == OK && der_finish(&w, &out) == OK &&
	               csr_parse(out, &csr, NULL) == OK,
	    "request");
	r->csr_n = out.n;
	p256_key_free(k);

	x509_sig_put(&sig_w, csr.sig);
	bench_must(der_finish(&sig_w, &out) == OK && EVP_Q_digest(NULL, "SHA256", NULL, csr.cri.p,
	                                                 csr.cri.n, r->digest, NULL) == 1,
	    "reference");
	r->sig_n = out.n;
	memcpy(point + 1, q, 64);
	r->key = EVP_EC_gen("P-256");
	bench_must(
	    r->key && EVP_PKEY_set1_encoded_public_key(r->key, point, 65) == 1, "reference key");
	r->verify = EVP_PKEY_CTX_new_from_pkey(NULL, r->key, NULL);
	bench_must(r->verify && EVP_PKEY_verify_init(r->verify) == 1, "reference context");
}

static void open_authority(char *top)
{
	char folder[64];
	struct errbuf eb = { "" };
	const unsigned char *p;

	bench_must(mkdtemp(top) != NULL, "temporary folder");
	snprintf(folder, sizeof(folder), "%s/ca", top);
	bench_must(
	    ca_create(folder, utc_now(), &eb) == OK && ca_open(folder, NULL, &b.ca, &eb) == OK,
	    eb.text);
	p = ca_certificate(b.ca).p;
	b.certificate = d2i_X509(NULL, &p, (long)ca_certificate(b.ca).n);
	b.key = EVP_EC_gen("P-256");
	b.sign = EVP_PKEY_CTX_new_from_pkey(NULL, b.key, NULL);
	bench_must(
	    b.certificate && b.sign && EVP_PKEY_sign_init(b.sign) == 1, "reference authority");
	bench_must(utc_hour(utc_now(), &b.start) == OK, "clock");
}

static void close_authority(const char *top)
{
	char path[96];

	ca_free(b.ca);
	snprintf(path, sizeof(path), "%s/ca/key.pem", top);
	unlink(path);
	snprintf(path, sizeof(path), "%s/ca/certificate.pem", top);
	unlink(path);
	snprintf(path, sizeof(path), "%s/ca", top);
	rmdir(path);
	rmdir(top);
}

int main(void)
{
	char top[] = "/tmp/imprint-bench-XXXXXX";
	struct bench_side sides[] = { { .name = "bare", .run = bare },
		{ .name = "ours", .run = ours }, { .name = "x509", .run = x509_api } };
	bool good = true;

	open_authority(top);
	for (size_t i = 0; i < REQUESTS; i++)
		make_request(&b.requests[i]);
	bench_run(sides, COUNT(sides), REQUESTS, ROUNDS);
	good &= bench_at_most("issue_cpu_us", &sides[1], &sides[0], 1.25);
	/* OpenSSL 3.0.22's own way costs 5 to 5.5 bare pairs; 1.25 of one leaves 4. */
	good &= bench_at_least("issue_x509_api_us", &sides[1], &sides[2], 4.0);
	close_authority(top);
	return !good;
}
