/*
 * Every rule of lint.def is broken by a vector that breaks nothing else; and on random certificates
 * the lint passes exactly what OpenSSL accepts and a board rebuilds.
 */
#include "fixture.h"
#include "lint.h"
#include "vectors.h"

static uint64_t alone; /* rules that a vector has broken alone */

static void expect(uint64_t got, uint64_t want, const char *name)
{
	if (!ok(got == want, "%s", name))
		printf("# broken %llx, wanted %llx\n", (unsigned long long)got,
		    (unsigned long long)want);
	if (got == want && (want & (want - 1)) == 0)
		alone |= want;
}

/* --- statements --- */

struct statement {
	struct leaf_in leaf;
	struct lint_context context;
};

static uint8_t own_keys[2][64];

static void at(struct statement *s, unsigned year, unsigned month, unsigned day, unsigned hour)
{
	struct x509_hour t = set_clock(year, month, day, hour);

	s->context.now = test_now_ms / 1000;
	if (utc_hours_since_2000(&t, &s->leaf.not_before) != OK)
		bail_out("no such hour");
}

static void unchanged(struct statement *s)
{
	(void)s;
}
static void serial_negative(struct statement *s)
{
	s->leaf.serial[0] = 0x80;
}
static void serial_short(struct statement *s)
{
	s->leaf.serial[0] = 0;
}
static void off_curve(struct statement *s)
{
	s->leaf.q[40] ^= 1;
}
static void infinity(struct statement *s)
{
	memset(s->leaf.q, 0, 64);
}
static void own_key(struct statement *s)
{
	memcpy(s->leaf.q, own_keys[1], 64);
}
static void published_key(struct statement *s)
{
	memcpy(s->leaf.q, vector_keys[0].q.p, 64);
}
static void leap_day(struct statement *s)
{
	at(s, 2028, 2, 29, 0);
}
static void year_2032(struct statement *s)
{
	at(s, 2032, 1, 1, 0);
}
static void year_9999(struct statement *s)
{
	s->leaf.not_before = UINT32_MAX;
}
static void no_years(struct statement *s)
{
	s->leaf.validity = 0;
}
static void too_many_years(struct statement *s)
{
	s->leaf.validity = 32;
}
static void validity_in_hours(struct statement *s)
{
	s->leaf.flags = LEAF_HOURS;
}
static void hours_ago_26(struct statement *s)
{
	s->leaf.not_before -= 25; /* the clock stands inside an hour */
}
static void hours_ago_27(struct statement *s)
{
	s->leaf.not_before -= 26;
}
static void hours_ahead_26(struct statement *s)
{
	s->leaf.not_before += 26;
}
static void hours_ahead_27(struct statement *s)
{
	s->leaf.not_before += 27;
}
static void pinned(struct statement *s)
{
	at(s, 2031, 12, 31, 23);
	s->leaf.flags = LEAF_PINNED;
	s->context.now += 5 * 365 * 86400;
}
static void pinned_too_early(struct statement *s)
{
	at(s, 2031, 12, 31, 23);
	s->leaf.flags = LEAF_PINNED;
	s->context.now -= 365 * 86400;
}
static void pinned_elsewhere(struct statement *s)
{
	pinned(s);
	s->leaf.not_before--;
}
static void year_2030(struct statement *s)
{
	at(s, 2030, 1, 1, 0);
}
static void outlives(struct statement *s)
{
	s->context.ca_not_after = (struct x509_hour){ 2057, 11, 23, 1 };
}
static void ends_with(struct statement *s)
{
	s->context.ca_not_after = (struct x509_hour){ 2057, 11, 23, 2 };
}
static void two_at_once(struct statement *s)
{
	serial_negative(s);
	no_years(s);
}

static const struct {
	const char *name;
	void (*change)(struct statement *);
	uint64_t want;
} statements[] = {
	{ "a statement in order", unchanged, 0 },
	{ "serial begins with 80", serial_negative, LINT_BIT(1) },
	{ "serial begins with 00", serial_short, LINT_BIT(1) },
	{ "point off the curve", off_curve, LINT_BIT(3) },
	{ "point 0, 0", infinity, LINT_BIT(3) },
	{ "an authority's own key", own_key, LINT_BIT(4) },
	{ "a key from the golden vectors", published_key, LINT_BIT(7) },
	{ "29 February", leap_day, LINT_BIT(10) },
	{ "2032", year_2032, LINT_BIT(10) | LINT_BIT(15) },
	{ "beyond the calendar", year_9999, LINT_BIT(10) },
	{ "0 years", no_years, LINT_BIT(11) },
	{ "32 years", too_many_years, LINT_BIT(11) },
	{ "validity in hours", validity_in_hours, LINT_BIT(11) },
	{ "less than 26 hours ago", hours_ago_26, 0 },
	{ "more than 26 hours ago", hours_ago_27, LINT_BIT(14) },
	{ "less than 26 hours ahead", hours_ahead_26, 0 },
	{ "more than 26 hours ahead", hours_ahead_27, LINT_BIT(14) },
	{ "pinned, five years later", pinned, LINT_BIT(15) },
	{ "pinned before its time", pinned_too_early, LINT_BIT(14) | LINT_BIT(15) },
	{ "pinned to another hour", pinned_elsewhere, LINT_BIT(14) | LINT_BIT(15) },
	{ "2030", year_2030, LINT_BIT(15) },
	{ "ends an hour after its authority", outlives, LINT_BIT(25) },
	{ "ends with its authority", ends_with, 0 },
	{ "two faults", two_at_once, LINT_BIT(1) | LINT_BIT(11) },
};

static void try_statements(const struct lint_context *context, const uint8_t q[64])
{
	for (size_t i = 0; i < COUNT(statements); i++) {
		struct statement s = { .context = *context };

		at(&s, 2026, 11, 23, 2);
		s.leaf.profile = PROFILE_ARDUINO;
		s.leaf.validity = 31;
		memset(s.leaf.serial, 0x11, sizeof(s.leaf.serial));
		memcpy(s.leaf.q, q, 64);
		statements[i].change(&s);
		expect(lint_leaf(&s.leaf, &s.context), statements[i].want, statements[i].name);
	}
}

/* --- bytes: a tbsCertificate put together from elements --- */

enum field {
	VERSION,
	SERIAL,
	ALGORITHM,
	ISSUER,
	VALIDITY,
	SUBJECT,
	SPKI,
	EXTENSIONS,
	BEHIND,
	FIELDS
};

/* The content of Extensions is wrapped; all others are whole elements. */
static struct slice build(const struct slice parts[FIELDS], uint8_t *buffer, size_t cap)
{
	struct der_w w = der_writer(buffer, cap);
	size_t tbs = der_open(&w, DER_SEQUENCE), outer, list;
	struct slice out;

	for (int f = VERSION; f <= SPKI; f++)
		der_raw(&w, parts[f]);
	if (parts[EXTENSIONS].p) {
		outer = der_open(&w, DER_CONTEXT(3));
		list = der_open(&w, DER_SEQUENCE);
		der_raw(&w, parts[EXTENSIONS]);
		der_close(&w, list);
		der_close(&w, outer);
	}
	der_raw(&w, parts[BEHIND]);
	der_close(&w, tbs);
	if (der_finish(&w, &out) != OK)
		bail_out("no tbsCertificate");
	return out;
}

#define UTC(text) "\x17\x0d" text
#define GENERALIZED(text) "\x18\x0f" text
#define AKI_HEAD "\x30\x1f\x06\x03\x55\x1d\x23\x04\x18\x30\x16\x80\x14"
#define KEY_ID "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14"
#define AKI AKI_HEAD KEY_ID
#define CN_HEAD "\x30\x2f\x31\x2d\x30\x2b\x06\x03\x55\x04\x03\x13\x24"
#define BYTES_OF(literal)                                                                          \
	{                                                                                          \
		(const uint8_t *)(literal), sizeof(literal) - 1                                    \
	}

static const struct {
	const char *name;
	enum field field;
	struct slice with;
	unsigned rule;
} replaced[] = {
	{ "serial of 17 content bytes", SERIAL,
	    BYTES_OF(
	        "\x02\x11\x00\x80\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"),
	    1 },
	{ "negative serial", SERIAL,
	    BYTES_OF("\x02\x10\x80\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"),
	    1 },
	{ "serial of 15 bytes", SERIAL,
	    BYTES_OF("\x02\x0f\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"), 1 },
	{ "serial zero", SERIAL, BYTES_OF("\x02\x01\x00"), 1 },
	{ "serial without content", SERIAL, BYTES_OF("\x02\x00"), 1 },
	{ "serial of 16 zeros", SERIAL, BYTES_OF("\x02\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 1 },
	{ "another curve", SPKI,
	    BYTES_OF("\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22"),
	    3 },
	{ "day 31 February", VALIDITY,
	    BYTES_OF("\x30\x20" UTC("270231000000Z") GENERALIZED("20580231000000Z")), 10 },
	{ "29 February", VALIDITY, BYTES_OF("\x30\x1e" UTC("280229000000Z") UTC("320229000000Z")),
	    10 },
	{ "half an hour", VALIDITY, BYTES_OF("\x30\x1e" UTC("260101003000Z") UTC("270101003000Z")),
	    10 },
	{ "a second", VALIDITY, BYTES_OF("\x30\x1e" UTC("260101000001Z") UTC("270101000001Z")),
	    10 },
	{ "1999", VALIDITY, BYTES_OF("\x30\x1e" UTC("991231230000Z") UTC("001231230000Z")), 10 },
	{ "2032", VALIDITY, BYTES_OF("\x30\x1e" UTC("320101000000Z") UTC("330101000000Z")), 10 },
	{ "hour 24", VALIDITY, BYTES_OF("\x30\x1e" UTC("260101240000Z") UTC("270101240000Z")), 10 },
	{ "month 0", VALIDITY, BYTES_OF("\x30\x1e" UTC("260001000000Z") UTC("270001000000Z")), 10 },
	{ "no lifetime", VALIDITY, BYTES_OF("\x30\x1e" UTC("260101000000Z") UTC("260101000000Z")),
	    11 },
	{ "ends before it begins", VALIDITY,
	    BYTES_OF("\x30\x1e" UTC("260101000000Z") UTC("250101000000Z")), 11 },
	{ "32 years", VALIDITY,
	    BYTES_OF("\x30\x20" UTC("260101000000Z") GENERALIZED("20580101000000Z")), 11 },
	{ "a year and an hour", VALIDITY,
	    BYTES_OF("\x30\x1e" UTC("260101000000Z") UTC("270101010000Z")), 11 },
	{ "a year and a day", VALIDITY,
	    BYTES_OF("\x30\x1e" UTC("260101000000Z") UTC("270102000000Z")), 11 },
	{ "a year and a month", VALIDITY,
	    BYTES_OF("\x30\x1e" UTC("260101000000Z") UTC("270201000000Z")), 11 },
	{ "no end: 99991231235959Z", VALIDITY,
	    BYTES_OF("\x30\x20" UTC("260101000000Z") GENERALIZED("99991231235959Z")), 11 },
	{ "a harmless extension more", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80"), 12 },
	{ "clientAuth", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05"
	                 "\x07\x03\x02"),
	    12 },
	{ "another issuer", ISSUER,
	    BYTES_OF("\x30\x12\x31\x10\x30\x0e\x06\x03\x55\x04\x03\x13\x07"
	             "Arduino"),
	    13 },
	{ "another authority's identifier", EXTENSIONS,
	    BYTES_OF(AKI_HEAD
	        "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x15"),
	    13 },
	{ "identifier of 19 bytes", EXTENSIONS,
	    BYTES_OF("\x30\x1e\x06\x03\x55\x1d\x23\x04\x17\x30\x15\x80\x13\x01\x02\x03\x04\x05\x06"
	             "\x07\x08\x09\x0a"
	             "\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13"),
	    13 },
	{ "device id in upper case", SUBJECT,
	    BYTES_OF(CN_HEAD "3C1F7D52-9b0e-4e6f-8a31-0d5b7c9e2f64"), 20 },
	{ "device id that is no UUID", SUBJECT,
	    BYTES_OF(CN_HEAD "3c1f7d52-9b0e-4e6f-8a31_0d5b7c9e2f64"), 20 },
	{ "device id in UTF8String", SUBJECT,
	    BYTES_OF("\x30\x2f\x31\x2d\x30\x2b\x06\x03\x55\x04\x03\x0c\x24"
	             "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"),
	    20 },
	{ "device id as organisation", SUBJECT,
	    BYTES_OF("\x30\x2f\x31\x2d\x30\x2b\x06\x03\x55\x04\x0a\x13\x24"
	             "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"),
	    20 },
	{ "no subject", SUBJECT, BYTES_OF("\x30\x00"), 20 },
	{ "GeneralizedTime before 2050", VALIDITY,
	    BYTES_OF("\x30\x20" GENERALIZED("20260101000000Z") UTC("270101000000Z")), 21 },
	{ "no seconds", VALIDITY,
	    BYTES_OF("\x30\x1c"
	             "\x17\x0b"
	             "2601010000Z" UTC("270101000000Z")),
	    21 },
	{ "fraction of a second", VALIDITY,
	    BYTES_OF("\x30\x22" UTC("260101000000Z") "\x18\x11"
	                                             "20570101000000.5Z"),
	    21 },
	{ "time zone", VALIDITY,
	    BYTES_OF("\x30\x22"
	             "\x17\x11"
	             "260101000000+0100" UTC("270101000000Z")),
	    21 },
	{ "no zone", VALIDITY, BYTES_OF("\x30\x1e" UTC("260101000000 ") UTC("270101000000Z")), 21 },
	{ "a letter in the date", VALIDITY,
	    BYTES_OF("\x30\x1e" UTC("26010l000000Z") UTC("270101000000Z")), 21 },
	{ "version 1", VERSION, BYTES_OF(""), 22 },
	{ "version 2", VERSION, BYTES_OF("\xa0\x03\x02\x01\x01"), 22 },
	{ "long form of a short length", SERIAL,
	    BYTES_OF(
	        "\x02\x81\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"),
	    22 },
	{ "indefinite length", SUBJECT, BYTES_OF("\x30\x80\x00\x00"), 22 },
	{ "a third time", VALIDITY,
	    BYTES_OF("\x30\x2d" UTC("260101000000Z") UTC("270101000000Z") UTC("270101000000Z")),
	    22 },
	{ "default value written", EXTENSIONS,
	    BYTES_OF("\x30\x22\x06\x03\x55\x1d\x23\x01\x01\x00\x04\x18\x30\x16\x80\x14" KEY_ID),
	    22 },
	{ "TRUE that is not ff", EXTENSIONS,
	    BYTES_OF("\x30\x22\x06\x03\x55\x1d\x23\x01\x01\x01\x04\x18\x30\x16\x80\x14" KEY_ID),
	    22 },
	{ "empty extension list", EXTENSIONS, BYTES_OF(""), 22 },
	{ "an extension cut short", EXTENSIONS, BYTES_OF(AKI "\x30\x10\x06\x03\x55\x1d"), 22 },
	{ "no extensions", EXTENSIONS, { NULL, 0 }, 22 },
	{ "an element behind", BEHIND, BYTES_OF("\x05\x00"), 22 },
	{ "no authority key identifier", EXTENSIONS,
	    BYTES_OF("\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80"), 23 },
	{ "two of them", EXTENSIONS, BYTES_OF(AKI AKI), 23 },
	{ "another extension twice", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x09\x06\x03\x55\x1d\x12\x04\x02\x30\x00"
	                 "\x30\x09\x06\x03\x55\x1d\x12\x04\x02\x30\x00"),
	    23 },
	{ "ecdsa-with-SHA384", ALGORITHM,
	    BYTES_OF("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03"), 24 },
	{ "parameters NULL", ALGORITHM,
	    BYTES_OF("\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x05\x00"), 24 },
	{ "cA TRUE", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff"),
	    26 },
	{ "cA TRUE, not critical", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x0c\x06\x03\x55\x1d\x13\x04\x05\x30\x03\x01\x01\xff"), 26 },
	{ "keyCertSign", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x02\x84"), 26 },
	{ "cRLSign", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x01\x02"), 26 },
	{ "serverAuth", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05"
	                 "\x07\x03\x01"),
	    26 },
	{ "clientAuth and OCSPSigning", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x1d\x06\x03\x55\x1d\x25\x04\x16\x30\x14\x06\x08\x2b\x06\x01\x05\x05"
	                 "\x07\x03\x02"
	                 "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x09"),
	    26 },
	{ "anyExtendedKeyUsage", EXTENSIONS,
	    BYTES_OF(AKI "\x30\x0f\x06\x03\x55\x1d\x25\x04\x08\x30\x06\x06\x04\x55\x1d\x25\x00"),
	    26 },
};

static const char default_serial[] =
    "\x02\x10\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10",
                  default_validity[] =
                      "\x30\x20" UTC("261123020000Z") GENERALIZED("20571123020000Z"),
                  default_subject[] = CN_HEAD "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64",
                  default_aki[] = AKI;

static void default_parts(struct slice parts[FIELDS], const uint8_t spki[X509_SPKI_SIZE])
{
	static const uint8_t version[] = { 0xa0, 3, 2, 1, 2 };

	parts[VERSION] = SLICE(version);
	parts[SERIAL] = TEXT(default_serial);
	parts[ALGORITHM] = SLICE(x509_ecdsa_sha256);
	parts[ISSUER] = SLICE(x509_arduino_issuer);
	parts[VALIDITY] = TEXT(default_validity);
	parts[SUBJECT] = TEXT(default_subject);
	parts[SPKI] = (struct slice){ spki, X509_SPKI_SIZE };
	parts[EXTENSIONS] = TEXT(default_aki);
	parts[BEHIND] = (struct slice){ NULL, 0 };
}

static void try_bytes(const struct lint_context *context, const uint8_t spki[X509_SPKI_SIZE])
{
	struct slice parts[FIELDS], tbs;
	uint8_t buffer[700];

	default_parts(parts, spki);
	tbs = build(parts, buffer, sizeof(buffer));
	expect(lint_tbs(tbs, context), 0, "a tbsCertificate in order");
	for (size_t n = 0; n < tbs.n; n++)
		if (lint_tbs((struct slice){ tbs.p, n }, context) != LINT_BIT(22))
			ok(false, "cut after %zu bytes", n);
	for (size_t i = 0; i < COUNT(replaced); i++) {
		default_parts(parts, spki);
		parts[replaced[i].field] = replaced[i].with;
		tbs = build(parts, buffer, sizeof(buffer));
		expect(lint_tbs(tbs, context), LINT_BIT(replaced[i].rule), replaced[i].name);
	}
}

/* --- the table --- */

static void severities(void)
{
	uint64_t all = 0, policy = LINT_BIT(14);

	for (size_t i = 0; i < lint_rules_n; i++) {
		const struct lint_rule *r = &lint_rules[i];
		unsigned alone_ = lint_refusal(LINT_BIT(r->number), 0);

		ok(!(all & LINT_BIT(r->number)) && lint_rule(r->number) == r, "rule %u stands once",
		    r->number);
		/* Those of servers' certificates are in service.c. */
		ok((alone & LINT_BIT(r->number)) != 0 || r->number >= 30,
		    "rule %u is broken alone by a vector", r->number);
		ok(alone_ == (r->severity == LINT_NOTE ? 0 : r->number),
		    "rule %u refuses, unless it is a note", r->number);
		ok(lint_refusal(LINT_BIT(r->number), ~UINT64_C(0)) ==
		        (r->severity == LINT_NEVER ? r->number : 0),
		    "rule %u can be allowed only by its severity", r->number);
		all |= LINT_BIT(r->number);
	}
	ok(lint_refusal(all, policy) == 1 && lint_refusal(0, 0) == 0, "the lowest rule is named");
	ok(lint_rule(0) == NULL && lint_rule(2) == NULL && lint_rule(99) == NULL, "no such rules");
}

/* --- random certificates, and OpenSSL's opinion --- */

static uint32_t state = 1;

/* xorshift: the same certificates in every run. */
static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % below;
}

struct random_authority {
	struct p256_key *key;
	uint8_t q[64], id[20], der[PROFILE_CA_MAX];
	struct slice cert;
};

static void sign_tbs(
    struct p256_key *key, struct slice tbs, struct slice *cert, uint8_t *buffer, size_t cap)
{
	struct x509_signer how = p256_signer(key);
	struct der_w w = der_writer(buffer, cap);
	uint8_t sig[64];

	if (how.sign(how.ctx, tbs, sig) != OK)
		bail_out("no signature");
	x509_cert_put(&w, tbs, sig);
	if (der_finish(&w, cert) != OK)
		bail_out("no certificate");
}

/* An authority that begins in 2000, so that every leaf lies within its life. */
static void make_authority(struct random_authority *a)
{
	struct profile_ca ca = { .serial = { 1, 2, 3, [15] = 4 }, .not_before = { 2000, 1, 1, 0 } };
	uint8_t buffer[PROFILE_CA_MAX];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct slice tbs;

	a->key = fresh_key();
	p256_key_public(a->key, a->q);
	memcpy(ca.q, a->q, 64);
	if (p256_key_id(a->q, a->id) != OK)
		bail_out("no key id");
	memcpy(ca.key_id, a->id, 20);
	profile_ca_tbs_put(&w, &ca);
	if (der_finish(&w, &tbs) != OK)
		bail_out("no authority");
	sign_tbs(a->key, tbs, &a->cert, a->der, sizeof(a->der));
}

static size_t random_time(
    uint8_t *p, unsigned year, unsigned month, unsigned day, unsigned hour, unsigned min)
{
	bool utc = rnd(12) == 0 ? year >= 2050 : year < 2050; /* now and then the wrong form */
	char text[24];

	if (utc)
		snprintf(text, sizeof(text), "%02u%02u%02u%02u%02u00Z", year % 100, month, day,
		    hour, min);
	else
		snprintf(
		    text, sizeof(text), "%04u%02u%02u%02u%02u00Z", year, month, day, hour, min);
	p[0] = utc ? DER_UTC_TIME : DER_GENERALIZED_TIME;
	p[1] = (uint8_t)strlen(text);
	memcpy(p + 2, text, p[1]);
	return p[1] + 2u;
}

static size_t random_validity(uint8_t *p)
{
	unsigned year = rnd(4) ? 2000 + rnd(32) : 1990 + rnd(60), month = 1 + rnd(12),
	         day = 1 + rnd(28), hour = rnd(24), min = 0, years = rnd(3) ? 1 + rnd(31) : rnd(36);
	size_t n = 2;

	switch (rnd(12)) {
	case 0:
		month = rnd(14);
		break;
	case 1:
		day = rnd(33);
		break;
	case 2:
		hour = rnd(26);
		break;
	case 3:
		min = rnd(60);
		break;
	case 4:
		month = 2;
		day = 27 + rnd(3);
		break;
	}
	n += random_time(p + n, year, month, day, hour, min);
	n += random_time(
	    p + n, year + years, month, rnd(20) ? day : day + 1, rnd(20) ? hour : hour + 1, min);
	p[0] = DER_SEQUENCE;
	p[1] = (uint8_t)(n - 2);
	return n;
}

static size_t random_serial(uint8_t *p)
{
	size_t n = rnd(3) ? 16 : 1 + rnd(18);

	p[0] = DER_INTEGER;
	p[1] = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		p[2 + i] = (uint8_t)rnd(256);
	if (rnd(3))
		p[2] &= 0x7f;
	return n + 2;
}

static struct slice random_tbs(const struct random_authority *a, const uint8_t spki[X509_SPKI_SIZE],
    uint8_t *buffer, size_t cap)
{
	static uint8_t serial[32], validity[64], subject[64], extensions[128];
	struct slice parts[FIELDS];

	default_parts(parts, spki);
	if (rnd(2))
		parts[SERIAL] = (struct slice){ serial, random_serial(serial) };
	if (rnd(4))
		parts[VALIDITY] = (struct slice){ validity, random_validity(validity) };
	memcpy(subject, default_subject, sizeof(default_subject) - 1);
	subject[13 + rnd(36)] = (uint8_t) "0123456789abcdef-ABCg"[rnd(21)];
	if (rnd(2))
		parts[SUBJECT] = (struct slice){ subject, sizeof(default_subject) - 1 };
	memcpy(extensions, default_aki, 13);
	memcpy(extensions + 13, a->id, 20);
	if (rnd(20) == 0)
		extensions[13 + rnd(20)] ^= 1;
	memcpy(extensions + 33, "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x07\x80",
	    16);
	parts[EXTENSIONS] = (struct slice){ extensions, rnd(16) ? 33 : rnd(2) ? 49 : 0 };
	return build(parts, buffer, cap);
}

/* A byte changed, put in or taken out, now and then. */
static struct slice mutate(struct slice tbs, uint8_t *buffer)
{
	size_t where = rnd((uint32_t)tbs.n);

	memmove(buffer, tbs.p, tbs.n);
	switch (rnd(8)) {
	case 0:
		buffer[where] ^= (uint8_t)(1u << rnd(8));
		break;
	case 1:
		memmove(buffer + where, buffer + where + 1, tbs.n - where - 1);
		tbs.n--;
		break;
	case 2:
		memmove(buffer + where + 1, buffer + where, tbs.n - where);
		buffer[where] = (uint8_t)rnd(256);
		tbs.n++;
		break;
	}
	return (struct slice){ buffer, tbs.n };
}

/* The rules that are ours alone, in OpenSSL's words: serial, name, calendar. */
static bool openssl_sees_our_rules(X509 *x, const struct tm *from)
{
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	X509_NAME *subject = X509_get_subject_name(x);
	uint8_t uuid[16];
	char cn[64];
	bool good;

	good = serial && !BN_is_negative(serial) && BN_num_bits(serial) > 120 &&
	       BN_num_bits(serial) < 128;
	good = good && X509_NAME_get_text_by_NID(subject, NID_commonName, cn, sizeof(cn)) == 36 &&
	       uuid_parse(text_slice(cn), uuid) == OK;
	BN_free(serial);
	return good && !(from->tm_mon == 1 && from->tm_mday == 29) && from->tm_year >= 100 &&
	       from->tm_year <= 131;
}

/* Whether OpenSSL takes the certificate in the first second of its life. */
static bool openssl_accepts(X509_STORE *trusted, struct slice der)
{
	X509 *x = openssl_parse(der);
	struct tm from;
	bool accepted = x && ASN1_TIME_to_tm(X509_get0_notBefore(x), &from) == 1 &&
	                !openssl_judges(trusted, x, (int64_t)timegm(&from) + 1) &&
	                openssl_sees_our_rules(x, &from);

	X509_free(x);
	return accepted;
}

static void random_certificates(struct p256 *p256, const uint8_t spki[X509_SPKI_SIZE])
{
	unsigned rounds = getenv("IMPRINT_TORTURE") ? 500000 : 20000, passed = 0, wrong = 0;
	struct random_authority a;
	struct lint_context context = { .p256 = p256 };
	X509_STORE *trusted;

	make_authority(&a);
	trusted = openssl_trust(a.cert);
	context.key_id = a.id;
	for (unsigned i = 0; i < rounds; i++) {
		uint8_t buffer[700], mutated[700], der[800], q[64];
		struct slice tbs = mutate(random_tbs(&a, spki, buffer, sizeof(buffer)), mutated),
		             cert;
		bool lint = lint_tbs(tbs, &context) == 0, rebuilds, accepted;
		struct ccert fields;

		sign_tbs(a.key, tbs, &cert, der, sizeof(der));
		rebuilds = ccert_from_cert(cert, &fields, q) == OK;
		passed += lint;
		if (!lint && !rebuilds)
			continue; /* OpenSSL need not be asked */
		accepted = openssl_accepts(trusted, cert);
		if (lint == (rebuilds && accepted))
			continue;
		wrong++;
		printf("# %u: broken rules %llx, rebuilds %d, OpenSSL accepts %d\n", i,
		    (unsigned long long)lint_tbs(tbs, &context), rebuilds, accepted);
	}
	ok(wrong == 0,
	    "%u random certificates: the lint passes what OpenSSL accepts and a board rebuilds",
	    rounds);
	ok(passed > rounds / 50 && passed < rounds, "%u of them pass", passed);
	X509_STORE_free(trusted);
	p256_key_free(a.key);
}

int main(void)
{
	static const uint8_t key_id[20] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
		17, 18, 19, 20 };
	struct lint_context context = { .key_id = key_id,
		.ca_not_after = X509_NO_EXPIRY,
		.own_keys = own_keys[0],
		.own_keys_n = COUNT(own_keys) };
	struct p256_key *device = fresh_key(), *own[2] = { fresh_key(), fresh_key() };
	uint8_t q[64], spki[X509_SPKI_SIZE];
	struct der_w w = der_writer(spki, sizeof(spki));
	struct p256 *p256 = NULL;

	if (p256_new(&p256, NULL) != OK)
		bail_out("no verifier");
	context.p256 = p256;
	p256_key_public(device, q);
	p256_key_public(own[0], own_keys[0]);
	p256_key_public(own[1], own_keys[1]);
	x509_spki_put(&w, q);
	try_statements(&context, q);
	try_bytes(&context, spki);
	severities();
	random_certificates(p256, spki);
	p256_key_free(device);
	p256_key_free(own[0]);
	p256_key_free(own[1]);
	p256_free(p256);
	return done_testing();
}
