/* Who is let in: one broken rule at a time, and which of two is named; where devices may speak. */
#include "admission.h"
#include "p256.h"
#include "tap.h"
#include "utc.h"
#include "uuid.h"
#include "vectors.h"

#include <stdlib.h>
#include <string.h>

#define ID "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64"
#define OTHER "4c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f65"
#define THING "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"

static const uint8_t our_key[20] = { 1 }, their_key[20] = { 2 }, no_key[20];
static const uint8_t live[ROSTER_PRINT] = { 3 }, next[ROSTER_PRINT] = { 4 },
                     old[ROSTER_PRINT] = { 5 };

/* --- certificates: the form of a board's, with one thing changed --- */

struct form {
	const char *cn, *o;
	const uint8_t *aki;
	struct x509_hour start, end;
};

static const struct form usual = {
	.cn = ID, .aki = our_key, .start = { 2026, 11, 23, 2 }, .end = { 2057, 11, 23, 2 }
};

static struct slice text(const char *s)
{
	return (struct slice){ (const uint8_t *)s, s ? strlen(s) : 0 };
}

static struct slice certificate(const struct form *form, uint8_t buffer[1024])
{
	static const uint8_t serial[16] = { 0x45, 1 };
	uint8_t subject_bytes[256], tbs_bytes[512], q[64], sig[64];
	struct der_w name = der_writer(subject_bytes, sizeof(subject_bytes)),
	             body = der_writer(tbs_bytes, sizeof(tbs_bytes)), w = der_writer(buffer, 1024);
	struct slice subject, tbs, out = { 0 };
	struct p256_key *key = NULL;
	struct x509_signer how;

	if (p256_key_generate(&key, NULL) != OK)
		return out;
	p256_key_public(key, q);
	how = p256_signer(key);
	x509_name_put(&name,
	    &(struct x509_name){ .at = { [X509_CN] = text(form->cn), [X509_O] = text(form->o) } });
	if (der_finish(&name, &subject) == OK) {
		x509_tbs_put(&body, &(struct x509_tbs){ .serial = SLICE(serial),
		                        .issuer = SLICE(x509_arduino_issuer),
		                        .subject = subject,
		                        .not_before = form->start,
		                        .not_after = form->end,
		                        .q = q,
		                        .aki = form->aki });
		if (der_finish(&body, &tbs) == OK && how.sign(how.ctx, tbs, sig) == OK) {
			x509_cert_put(&w, tbs, sig);
			if (der_finish(&w, &out) != OK)
				out.n = 0;
		}
	}
	p256_key_free(key);
	return out;
}

/* --- the desk: one device, one authority --- */

struct desk {
	struct roster *roster;
	struct feed feed;
};

static void ignore(void *ctx, const uint8_t id[16], bool kick)
{
	(void)ctx, (void)id, (void)kick;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static const struct feed_events events = { ignore, nothing, nothing };

static struct roster_device device(const char *id)
{
	struct roster_device d = { .enabled = true };

	if (uuid_parse(text(id), d.id) != OK)
		exit(1);
	memcpy(d.print[0], live, sizeof(live));
	memcpy(d.print[1], next, sizeof(next));
	return d;
}

static void begin(struct desk *d)
{
	struct roster_device one = device(ID);

	if (roster_new(&d->roster, NULL) != OK ||
	    feed_init(&d->feed, d->roster, &events, NULL, NULL) != OK ||
	    feed_authority(&d->feed, our_key) != OK || roster_put(d->roster, &one) != OK)
		exit(1);
}

static void end(struct desk *d)
{
	feed_free(&d->feed);
	roster_free(d->roster);
}

static int64_t at(struct x509_hour t)
{
	int64_t seconds = 0;

	if (utc_seconds(&t, &seconds) != OK)
		exit(1);
	return seconds;
}

/* --- rules --- */

static const struct {
	const char *what;
	struct form form;
	const uint8_t *print;
	const char *client_id;
	struct x509_hour now;
	bool stale;
	enum reason want;
} cases[] = {
#define GOOD                                                                                       \
	{                                                                                          \
		ID, NULL, our_key, { 2026, 11, 23, 2 },                                            \
		{                                                                                  \
			2057, 11, 23, 2                                                            \
		}                                                                                  \
	}
#define NOW                                                                                        \
	{                                                                                          \
		2027, 1, 1, 0                                                                      \
	}
	{ "a live certificate", GOOD, live, ID, NOW, false, REASON_ADMIT },
	{ "the one that follows it", GOOD, next, ID, NOW, false, REASON_ADMIT },
	{ "in its first second", GOOD, live, ID, { 2026, 11, 23, 2 }, false, REASON_ADMIT },
	{ "in its last second", GOOD, live, ID, { 2057, 11, 23, 2 }, false, REASON_ADMIT },
	{ "a name instead of an id",
	    { "kitchen", NULL, our_key, { 2026, 1, 1, 0 }, { 2057, 1, 1, 0 } }, live, "kitchen",
	    NOW, false, REASON_BAD_SUBJECT },
	{ "the server's user as common name",
	    { "imprint", NULL, our_key, { 2026, 1, 1, 0 }, { 2057, 1, 1, 0 } }, live, "imprint",
	    NOW, false, REASON_BAD_SUBJECT },
	{ "an id in capitals",
	    { "3C1F7D52-9B0E-4E6F-8A31-0D5B7C9E2F64", NULL, our_key, { 2026, 1, 1, 0 },
	        { 2057, 1, 1, 0 } },
	    live, ID, NOW, false, REASON_BAD_SUBJECT },
	{ "an id and a letter", { ID "a", NULL, our_key, { 2026, 1, 1, 0 }, { 2057, 1, 1, 0 } },
	    live, ID "a", NOW, false, REASON_BAD_SUBJECT },
	{ "an organization beside the id",
	    { ID, "Arduino", our_key, { 2026, 1, 1, 0 }, { 2057, 1, 1, 0 } }, live, ID, NOW, false,
	    REASON_BAD_SUBJECT },
	{ "another authority of the same name",
	    { ID, NULL, their_key, { 2026, 1, 1, 0 }, { 2057, 1, 1, 0 } }, live, ID, NOW, false,
	    REASON_WRONG_CA },
	{ "no authority key identifier", { ID, NULL, no_key, { 2026, 1, 1, 0 }, { 2057, 1, 1, 0 } },
	    live, ID, NOW, false, REASON_WRONG_CA },
	{ "an hour too early", GOOD, live, ID, { 2026, 11, 23, 1 }, false, REASON_NOT_YET },
	{ "an hour too late", GOOD, live, ID, { 2057, 11, 23, 3 }, false, REASON_EXPIRED },
	{ "another client id", GOOD, live, OTHER, NOW, false, REASON_CLIENT_ID },
	{ "the client id in capitals", GOOD, live, "3C1F7D52-9B0E-4E6F-8A31-0D5B7C9E2F64", NOW,
	    false, REASON_CLIENT_ID },
	{ "a client id and more", GOOD, live, ID "-2", NOW, false, REASON_CLIENT_ID },
	{ "no client id", GOOD, live, NULL, NOW, false, REASON_CLIENT_ID },
	{ "a list that is too old", GOOD, live, ID, NOW, true, REASON_STALE },
	{ "a device that nobody knows",
	    { OTHER, NULL, our_key, { 2026, 1, 1, 0 }, { 2057, 1, 1, 0 } }, live, OTHER, NOW, false,
	    REASON_UNKNOWN },
	{ "a certificate that was replaced", GOOD, old, ID, NOW, false, REASON_REVOKED },
	/* Which of two comes first. */
	{ "unknown, and its list too old",
	    { OTHER, NULL, our_key, { 2026, 1, 1, 0 }, { 2057, 1, 1, 0 } }, live, OTHER, NOW, true,
	    REASON_STALE },
	{ "expired, with another client id", GOOD, old, OTHER, { 2058, 1, 1, 0 }, false,
	    REASON_EXPIRED },
	{ "another authority, expired",
	    { ID, NULL, their_key, { 2026, 1, 1, 0 }, { 2026, 2, 1, 0 } }, live, ID, NOW, false,
	    REASON_WRONG_CA },
	{ "another authority, no id",
	    { "x", NULL, their_key, { 2026, 1, 1, 0 }, { 2057, 1, 1, 0 } }, live, ID, NOW, false,
	    REASON_BAD_SUBJECT },
};

static void rules(void)
{
	struct desk d;

	begin(&d);
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t buffer[1024];
		struct slice der = certificate(&cases[i].form, buffer);
		struct passport p;
		enum reason got;

		admission_read(der, cases[i].print, &p);
		got = admission_judge(
		    &p, cases[i].client_id, at(cases[i].now), cases[i].stale, &d.feed);
		ok(der.n > 0 && got == cases[i].want, "%s: %s (%s)", cases[i].what,
		    reason_word(got), reason_text(got));
	}
	end(&d);
}

/* A device changes while it is there. */
static void again(void)
{
	uint8_t buffer[1024];
	struct roster_device row = device(ID);
	int64_t now = at((struct x509_hour){ 2027, 1, 1, 0 });
	struct passport p;
	struct desk d;

	begin(&d);
	admission_read(certificate(&usual, buffer), live, &p);
	ok(admission_judge(&p, ID, now, false, &d.feed) == REASON_ADMIT &&
	        admission_again(&p, now, &d.feed) == REASON_ADMIT,
	    "there, and wanted");
	ok(admission_again(&p, at((struct x509_hour){ 2058, 1, 1, 0 }), &d.feed) == REASON_EXPIRED,
	    "its time is over");
	row.enabled = false;
	ok(roster_put(d.roster, &row) == OK &&
	        admission_again(&p, now, &d.feed) == REASON_DISABLED &&
	        admission_judge(&p, ID, now, false, &d.feed) == REASON_DISABLED,
	    "disabled");
	row.enabled = true;
	memcpy(row.print[0], old, sizeof(old));
	ok(roster_put(d.roster, &row) == OK && admission_again(&p, now, &d.feed) == REASON_REVOKED,
	    "revoked");
	ok(roster_remove(d.roster, row.id) && admission_again(&p, now, &d.feed) == REASON_UNKNOWN,
	    "removed");
	end(&d);
}

/* Certificates that another program made, and everything that is not one. */
static void bytes(void)
{
	unsigned leaves = 0, wrong = 0;
	uint8_t buffer[1024], print[ROSTER_PRINT] = { 1 };
	struct slice der = certificate(&usual, buffer);
	struct passport p;

	for (size_t i = 0; i < vector_authority_certs_n; i++) {
		const struct vector_bytes *v = &vector_authority_certs[i];

		admission_read(v->bytes, print, &p);
		if (strstr(v->name, "leaf"))
			leaves += p.fault == REASON_ADMIT && p.has_id;
		else
			wrong += p.fault == REASON_ADMIT;
	}
	ok(leaves >= 2 && wrong == 0, "%u leaves of the golden authority, and no authority",
	    leaves);
	for (size_t n = 0; n < der.n; n++) {
		admission_read((struct slice){ der.p, n }, print, &p);
		wrong += p.fault != REASON_BAD_CERTIFICATE;
	}
	ok(wrong == 0, "cut at any byte");
}

static const struct {
	const char *topic;
	bool write, read;
} topics[] = {
	{ "/a/d/" ID "/c/up", true, false },
	{ "/a/d/" ID "/c/dw", false, true },
	{ "/a/t/" THING "/e/o", true, false },
	{ "/a/t/" THING "/e/i", false, true },
	{ "/a/d/" OTHER "/c/up", false, false },
	{ "/a/d/" OTHER "/c/dw", false, false },
	{ "/a/t/" OTHER "/e/i", false, false },
	{ "/a/t/" ID "/e/i", false, false },
	{ "/a/d/+/c/dw", false, false },
	{ "/a/d/" ID "/c/#", false, false },
	{ "/a/d/" ID "/c/dw/", false, false },
	{ "/a/d/" ID "/c/d", false, false },
	{ "/a/d/" ID, false, false },
	{ "a/d/" ID "/c/dw", false, false },
	{ "$share/g//a/d/" ID "/c/dw", false, false },
	{ "$SYS/broker/uptime", false, false },
	{ "#", false, false },
	{ "", false, false },
};

static void places(void)
{
	struct roster_device row = device(ID);
	const struct topics none = { .n = 0 };
	unsigned bare = 0, off = 0;
	struct desk d;

	begin(&d);
	for (size_t i = 0; i < COUNT(topics); i++)
		bare += admission_topic(row.id, topics[i].topic, TOPIC_WRITE, d.roster, &none) +
		        admission_topic(row.id, topics[i].topic, TOPIC_READ, d.roster, &none);
	ok(bare == 2, "without a thing: its own two");
	if (uuid_parse(text(THING), row.thing) != OK || roster_put(d.roster, &row) != OK)
		exit(1);
	for (size_t i = 0; i < COUNT(topics); i++)
		ok(admission_topic(row.id, topics[i].topic, TOPIC_WRITE, d.roster, &none) ==
		            topics[i].write &&
		        admission_topic(row.id, topics[i].topic, TOPIC_READ, d.roster, &none) ==
		            topics[i].read,
		    "'%s'", topics[i].topic);
	row.enabled = false;
	if (roster_put(d.roster, &row) != OK)
		exit(1);
	for (size_t i = 0; i < COUNT(topics); i++)
		off += admission_topic(row.id, topics[i].topic, TOPIC_WRITE, d.roster, &none) +
		       admission_topic(row.id, topics[i].topic, TOPIC_READ, d.roster, &none);
	ok(off == 0 && roster_remove(d.roster, row.id) &&
	        !admission_topic(row.id, "/a/d/" ID "/c/up", TOPIC_WRITE, d.roster, &none),
	    "disabled or removed: none");
	end(&d);
}

int main(void)
{
	rules();
	again();
	bytes();
	places();
	return done_testing();
}
