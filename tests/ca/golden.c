/* The golden certificates through profile, lint and log entry. */
#include "fixture.h"
#include "digest.h"
#include "entry.h"
#include "lint.h"
#include "profile.h"
#include "vectors.h"

static struct slice authority_cert(const char *name)
{
	for (size_t i = 0; i < vector_authority_certs_n; i++)
		if (strcmp(vector_authority_certs[i].name, name) == 0)
			return vector_authority_certs[i].bytes;
	bail_out(name);
}

static struct slice tbs_of(struct slice der)
{
	struct x509_cert cert;

	if (x509_cert_parse(der, &cert) != OK)
		bail_out("a vector does not parse");
	return cert.tbs_der;
}

/* What the issuing lint says about certificates that Arduino's own library made. */
static const struct {
	const char *name;
	unsigned rule;
} broken[] = {
	{ "serial-high-bit", 1 },
	{ "serial-0x80", 1 },
	{ "serial-leading-zeros-low", 1 },
	{ "serial-leading-zeros-high", 1 },
	{ "serial-one", 1 },
	{ "serial-all-ff", 1 },
	{ "aki-zero", 22 }, /* its extension list is empty */
	{ "expire-0", 11 },
	{ "leap-day", 10 },
	{ "leap-day-4-years", 10 },
	{ "device-id-uppercase", 20 },
};

static unsigned rule_for(const char *name)
{
	for (size_t i = 0; i < COUNT(broken); i++)
		if (strcmp(broken[i].name, name) == 0)
			return broken[i].rule;
	return 0;
}

static void device_certificates(struct p256 *p256)
{
	size_t refused = 0;

	for (size_t i = 0; i < vector_certs_n; i++) {
		const struct vector_cert *v = &vector_certs[i];
		struct lint_context context = { .p256 = p256, .key_id = v->aki.p };
		unsigned rule = rule_for(v->name);
		uint64_t want = rule ? LINT_BIT(rule) : 0, got = lint_tbs(v->tbs, &context);

		refused += rule != 0;
		ok(got == want, "%s: rule %u", v->name, rule);
	}
	ok(vector_certs_n == 27 && refused == COUNT(broken), "27 vectors, %zu of them never issued",
	    refused);
}

static void published_keys(void)
{
	uint8_t negated[64];

	for (size_t i = 0; i < vector_keys_n; i++)
		if (vector_keys[i].q.n == 64) {
			memcpy(negated, vector_keys[i].q.p, 64);
			negated[63] ^= 1; /* any other Y */
			ok(lint_key_published(vector_keys[i].q.p) && lint_key_published(negated),
			    "%s is known to be published", vector_keys[i].name);
		}
}

static void authorities(void)
{
	static const char *const names[] = { "device_ca", "device_ca_2_same_subject" };

	for (size_t i = 0; i < COUNT(names); i++) {
		struct slice der = authority_cert(names[i]), tbs, again;
		uint8_t sig[64], id[20], buffer[PROFILE_CA_MAX];
		struct der_w w = der_writer(buffer, sizeof(buffer));
		struct profile_ca ca;

		ok(profile_ca_parse(der, &ca, sig, &tbs, NULL) == OK, "%s is read", names[i]);
		ok(p256_key_id(ca.q, id) == OK && memcmp(id, ca.key_id, 20) == 0,
		    "its identifier is its key's");
		profile_ca_tbs_put(&w, &ca);
		ok(der_finish(&w, &again) == OK, "it is written again");
		is_bytes(again.p, again.n, tbs.p, tbs.n, "byte for byte");
	}
}

static bool same_authority(const struct profile_ca *a, const struct profile_ca *b)
{
	const struct x509_hour *x = &a->not_before, *y = &b->not_before;

	return memcmp(a->serial, b->serial, 16) == 0 && memcmp(a->q, b->q, 64) == 0 &&
	       memcmp(a->key_id, b->key_id, 20) == 0 && x->year == y->year &&
	       x->month == y->month && x->day == y->day && x->hour == y->hour;
}

/* A change of any byte is another certificate, or none. */
static void altered_authority(void)
{
	static const char *const others[] = { "arduino_leaf", "modern_leaf", "ocsp_responder" };
	struct slice der = authority_cert("device_ca"), tbs;
	uint8_t copy[PROFILE_CA_MAX], sig[64], key[64];
	size_t refused = 0, signature = 0;
	struct profile_ca ca, original;
	const char *why = NULL;

	if (profile_ca_parse(der, &original, key, &tbs, NULL) != OK)
		bail_out("device_ca");
	for (size_t i = 0; i < der.n; i++) {
		memcpy(copy, der.p, der.n);
		copy[i] ^= 0x01;
		if (profile_ca_parse((struct slice){ copy, der.n }, &ca, sig, &tbs, &why) != OK)
			refused += why != NULL;
		else if (!same_authority(&ca, &original) || memcmp(sig, key, 64) != 0)
			signature++;
	}
	ok(refused + signature == der.n && refused > 100,
	    "%zu altered bytes refused, %zu seen as another one", refused, signature);
	for (size_t i = 0; i < COUNT(others); i++) {
		enum err e = profile_ca_parse(authority_cert(others[i]), &ca, sig, &tbs, &why);

		ok(e == ERR_FORMAT, "%s is no authority (%s)", others[i], why);
	}
}

static void leaves(struct p256 *p256)
{
	static const struct {
		const char *name;
		uint64_t want;
	} cases[] = {
		{ "arduino_leaf", 0 },
		{ "arduino_leaf_revoked", 0 },
		{ "arduino_leaf_pinned_2031", 0 },
		{ "modern_leaf", LINT_BIT(12) }, /* more extensions than a board can rebuild */
		/* boards cannot rebuild these at all: other names, lifetimes and rights */
		{ "ocsp_responder", LINT_BIT(11) | LINT_BIT(20) | LINT_BIT(26) },
		{ "device_ca", LINT_BIT(11) | LINT_BIT(20) | LINT_BIT(23) | LINT_BIT(26) },
	};
	struct slice tbs;
	struct profile_ca ca;
	uint8_t sig[64];
	struct lint_context context = { .p256 = p256 };

	if (profile_ca_parse(authority_cert("device_ca"), &ca, sig, &tbs, NULL) != OK)
		bail_out("device_ca");
	context.key_id = ca.key_id;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t got = lint_tbs(tbs_of(authority_cert(cases[i].name)), &context);

		ok(got == cases[i].want, "%s: broken rules %llx", cases[i].name,
		    (unsigned long long)got);
	}
}

/* --- the log entry --- */

/* RFC 6962 2.1: the tree of n leaf hashes. */
static void root_of(struct digest *d, uint8_t (*leaves_)[32], size_t n, uint8_t root[32])
{
	uint8_t node[65] = { 1 };
	size_t k = 1;

	if (n == 1) {
		memcpy(root, leaves_[0], 32);
		return;
	}
	while (2 * k < n)
		k *= 2;
	root_of(d, leaves_, k, node + 1);
	root_of(d, leaves_ + k, n - k, node + 33);
	if (digest_sha256(d, SLICE(node), root) != OK)
		bail_out("SHA-256");
}

/* The seven entries of authority.json: serial and time grow, certificate hashes are stand-ins. */
static void log_entries(void)
{
	static const char root_hex[] =
	    "44734c2a870d658644584bce1b70e2d4b766f46e64864968bb0fc63ce66bfaff";
	struct slice der = authority_cert("arduino_leaf");
	uint8_t spki[X509_SPKI_SIZE], stand_in[512], entry[ENTRY_ISSUANCE], leaf[7][32], root[32],
	    want[32];
	struct entry_issuance is = { .time_ms = UINT64_C(0x01a205eabe80), .tenant = { [15] = 1 } };
	struct der_w w = der_writer(spki, sizeof(spki));
	struct digest *d = NULL;
	struct x509_hour end;
	struct ccert c;
	struct slice key;
	uint8_t q[64];
	int64_t from, to;

	if (digest_new(&d, NULL) != OK || ccert_from_cert(der, &c, q) != OK)
		bail_out("arduino_leaf");
	end = x509_hour_add_years(&c.issued, c.years);
	x509_spki_put(&w, q);
	if (der_finish(&w, &key) != OK || utc_seconds(&c.issued, &from) != OK ||
	    utc_seconds(&end, &to) != OK ||
	    uuid_parse((struct slice){ (const uint8_t *)c.device_id, 36 }, is.device) != OK ||
	    digest_sha256(d, key, is.spki) != OK || digest_sha256(d, der, is.cert) != OK)
		bail_out("fields of the entry");
	memcpy(is.aki, c.aki, 20);
	memcpy(is.serial, c.serial, 16);
	is.not_before = (uint64_t)from;
	/* The vectors count 11322 days; the certificate that they describe lives for 11323. */
	is.not_after = (uint64_t)to - 86400;
	memcpy(stand_in, der.p, der.n);
	for (unsigned i = 0; i < 7; i++) {
		entry_put(&is, entry);
		if (entry_hash(d, entry, leaf[i]) != OK)
			bail_out("hash of the entry");
		stand_in[der.n] = (uint8_t)(i + 1);
		if (digest_sha256(d, (struct slice){ stand_in, der.n + 1 }, is.cert) != OK)
			bail_out("stand-in");
		is.serial[15]++;
		is.time_ms++;
	}
	root_of(d, leaf, 7, root);
	if (hex_decode(TEXT(root_hex), want, 32) != OK)
		bail_out("root");
	is_bytes(root, 32, want, 32, "seven log entries and their tree");
	digest_free(d);
}

static void profiles(void)
{
	const struct profile_info *leaf = profile_info(PROFILE_ARDUINO),
	                          *root = profile_info(PROFILE_DEVICE_CA);

	ok(leaf && leaf->number == PROFILE_ARDUINO && leaf->kind == PROFILE_LEAF &&
	        strcmp(leaf->name, "arduino") == 0,
	    "profile arduino is a device's");
	ok(root && root->number == PROFILE_DEVICE_CA && root->kind == PROFILE_ROOT,
	    "profile device-ca is not");
	ok(!profile_info(0) && !profile_info(99), "no such profiles");
}

int main(void)
{
	struct p256 *p256 = NULL;

	if (p256_new(&p256, NULL) != OK)
		bail_out("no verifier");
	device_certificates(p256);
	published_keys();
	authorities();
	altered_authority();
	leaves(p256);
	log_entries();
	profiles();
	p256_free(p256);
	return done_testing();
}
