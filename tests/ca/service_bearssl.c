/*
 * What boards make of a server's certificate: BearSSL's small validator, with the service root's key as
 * its only anchor, as sketches have it.
 */
#include "tap.h"
#include "service.h"
#include "text.h"
#include "x509.h"

#include <bearssl.h>
#include <stdlib.h>
#include <unistd.h>

#define DAY INT64_C(86400)
#define NOW INT64_C(1795392345) /* 2026-11-23 */

static char folder[96];

/* The root's name and key, and nothing else of it, as a board's program holds them. */
struct anchor {
	uint8_t dn[256], point[65];
	br_x509_trust_anchor ta;
};

static void anchor_set(struct anchor *a, struct slice root)
{
	struct x509_cert cert;

	if (x509_cert_parse(root, &cert) != OK || cert.tbs.subject.n > sizeof(a->dn)) {
		printf("Bail out! no root\n");
		exit(1);
	}
	memcpy(a->dn, cert.tbs.subject.p, cert.tbs.subject.n);
	a->point[0] = 4;
	memcpy(a->point + 1, cert.tbs.q, 64);
	a->ta = (br_x509_trust_anchor){ .dn = { a->dn, cert.tbs.subject.n },
		.flags = BR_X509_TA_CA,
		.pkey = { .key_type = BR_KEYTYPE_EC,
		    .key = { .ec = { BR_EC_secp256r1, a->point, sizeof(a->point) } } } };
}

/* 0, or what BearSSL has against the chain; at seconds since 1970. */
static unsigned judged(const struct anchor *a, struct slice chain, const char *host, int64_t at)
{
	br_x509_minimal_context mc;
	const br_x509_class **x = &mc.vtable;
	uint8_t der[2048];
	size_t n;

	br_x509_minimal_init(&mc, &br_sha256_vtable, &a->ta, 1);
	br_x509_minimal_set_hash(&mc, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_ecdsa(&mc, br_ec_get_default(), br_ecdsa_vrfy_asn1_get_default());
	/* Days since the first of January of year 0. */
	br_x509_minimal_set_time(&mc, (uint32_t)(at / DAY + 719528), (uint32_t)(at % DAY));
	(*x)->start_chain(x, host);
	while (pem_decode(chain, "CERTIFICATE", der, sizeof(der), &n, &chain) == OK) {
		(*x)->start_cert(x, (uint32_t)n);
		(*x)->append(x, der, n);
		(*x)->end_cert(x);
	}
	return (*x)->end_chain(x);
}

static void remove_all(void)
{
	static const char *const names[] = { "service-root.pem", "service-root.key", "issuing.pem",
		"issuing.key", "api.pem", "api.key", "broker.pem", "broker.key" };
	char path[160];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

int main(void)
{
	static const char *const names[] = { "localhost", "*.boards.example", "127.0.0.1" };
	struct errbuf eb = { "" };
	struct service *s = NULL;
	struct anchor root, stranger;
	struct slice chain;
	unsigned renewed;

	snprintf(folder, sizeof(folder), "/tmp/imprint-bearssl-XXXXXX");
	if (!mkdtemp(folder) || service_open(folder, names, COUNT(names), NOW, &s, &eb) != OK) {
		printf("Bail out! %s\n", eb.text);
		return 1;
	}
	anchor_set(&root, service_root(s));
	for (unsigned i = 0; i < SERVICE_LEAVES; i++) {
		chain = service_chain(s, (enum service_leaf)i);
		ok(judged(&root, chain, "localhost", NOW) == 0, "chain %u is believed", i);
		ok(judged(&root, chain, "kitchen.boards.example", NOW) == 0, "also by a wildcard");
		ok(judged(&root, chain, "elsewhere.example", NOW) == BR_ERR_X509_BAD_SERVER_NAME,
		    "not for another name");
		ok(judged(&root, chain, "localhost", NOW + 91 * DAY) == BR_ERR_X509_EXPIRED,
		    "nor after its end");
	}
	stranger = root;
	stranger.ta.dn.data = stranger.dn;
	stranger.ta.pkey.key.ec.q = stranger.point;
	stranger.point[10] ^= 1;
	ok(judged(&stranger, service_chain(s, SERVICE_API), "localhost", NOW) != 0,
	    "nor below another key of the same name");
	ok(service_renew(s, NOW + 700 * DAY, &renewed, &eb) == OK &&
	        judged(&root, service_chain(s, SERVICE_BROKER), "localhost", NOW + 701 * DAY) == 0,
	    "below the next issuing authority too, with the anchor of the first day");
	service_free(s);
	remove_all();
	return done_testing();
}
