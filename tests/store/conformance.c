/*
 * What any database behind store.h must do: every noun in and out, versions, order, numbers, batches.
 *
 * Nothing here knows which database it is.
 */
#include "commit.h"
#include "rig.h"

#include <pthread.h>

/* --- every noun --- */

static void nouns(struct rig *r)
{
	struct store_tenant t = tenant_of(1), t2 = { 0 };
	struct store_principal p = { .kind = "client", .role = "owner", .created = NOW },
	                       p2 = { 0 };
	struct store_token k = { .purpose = "access",
		.uses_left = UINT32_MAX,
		.created = NOW,
		.expires = INT64_MAX },
	                   k2 = { 0 };
	struct store_device d = device_of(1), d2 = { 0 };
	struct store_cert c2 = { 0 }, cert = cert_of(1, d.id);
	struct store_change *c;
	uint32_t tenant = 0;
	uint64_t seq = 0;

	ok(store_tenant_first(r->store, &t2, &r->eb) == ERR_NOT_FOUND && t2.created == 0,
	    "no tenant in an empty store; the output is untouched");
	ok(rig_first(r, 1), "a tenant and its authority");
	ok(store_tenant_first(r->store, &t2, &r->eb) == OK && t2.id == 1 &&
	        memcmp(t2.uuid, t.uuid, 16) == 0 && strcmp(t2.name, "workshop") == 0 && t2.demo,
	    "the first tenant");
	memset(&t2, 0, sizeof(t2));
	ok(store_tenant_get(r->store, t.uuid, &t2, &r->eb) == OK && t2.id == 1, "a tenant by uuid");

	id_of(5, 1, p.id);
	strcpy(p.name, "0123456789abcdefghijABCDEFGHIJ01");
	memset(p.secret, 0xa5, 32);
	memset(k.hash, 0x5a, 32);
	memcpy(k.principal, p.id, 16);
	c = store_change_new(1);
	store_principal_put(c, &p);
	store_token_add(c, &k);
	ok(store_commit(r->store, c, &r->eb) == OK, "a client and a token");
	ok(store_principal_named(r->store, 1, p.name, &p2, &r->eb) == OK && p2.version == 1 &&
	        memcmp(p2.secret, p.secret, 32) == 0 && strcmp(p2.role, "owner") == 0,
	    "a principal by name");
	ok(store_principal_named(r->store, 2, p.name, &p2, &r->eb) == ERR_NOT_FOUND,
	    "not in another tenant");
	ok(store_client(r->store, p.name, &tenant, &p2, &r->eb) == OK && tenant == 1,
	    "a client whatever its tenant");
	tenant = 0;
	ok(store_token_get(r->store, k.hash, &tenant, &k2, &r->eb) == OK && tenant == 1 &&
	        k2.uses_left == UINT32_MAX && k2.expires == INT64_MAX &&
	        memcmp(k2.principal, p.id, 16) == 0,
	    "a token, with the greatest numbers");
	p2.disabled = NOW + 1;
	c = store_change_new(1);
	store_principal_put(c, &p2);
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_principal_named(r->store, 1, p.name, &p2, &r->eb) == OK &&
	        p2.disabled == NOW + 1 && p2.version == 2,
	    "a principal changed");

	strcpy(d.name, "\xc3\xa9 \xe6\xbc\xa2 \xf0\x9f\xa6\x86"); /* planes 0, 0 and 1 */
	strcpy(d.ble_mac, "AA:BB:CC:DD:EE:FF");
	memset(d.user, 7, 16);
	memcpy(d.message, "a\0b", 3);
	d.message_n = 3;
	d.seen = INT64_MAX;
	c = store_change_new(1);
	store_device_put(c, &d);
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_device_get(r->store, 1, d.id, &d2, &r->eb) == OK,
	    "a device");
	d.version = 1;
	ok(strcmp(d2.name, d.name) == 0 && strcmp(d2.ble_mac, d.ble_mac) == 0 &&
	        memcmp(d2.user, d.user, 16) == 0 && ct_zero(d2.thing, 16) && d2.message_n == 3 &&
	        memcmp(d2.message, "a\0b", 3) == 0 && d2.seen == INT64_MAX && d2.enabled &&
	        !d2.locked && strcmp(d2.serial, d.serial) == 0 && d2.version == 1,
	    "every plane of Unicode, NUL in bytes, the greatest number, nothing for zeros");

	c = issuance(1, &d2, 1, 1);
	ok(store_commit(r->store, c, &r->eb) == OK, "an issuance");
	ok(store_cert_get(r->store, 1, cert.serial, &c2, &r->eb) == OK && c2.version == 1 &&
	        c2.state == STORE_ISSUED && c2.years == 31 && c2.not_before == 226000 &&
	        memcmp(c2.q, cert.q, 64) == 0 && memcmp(c2.fingerprint, cert.fingerprint, 32) == 0,
	    "its certificate");
	ok(store_device_get(r->store, 1, d.id, &d2, &r->eb) == OK && d2.version == 2 &&
	        memcmp(d2.cert, cert.serial, 16) == 0,
	    "its device");
	ok(store_event_of_request(r->store, 1, event_of(1, d.id).request, &seq, &r->eb) == OK &&
	        seq == 1,
	    "its entry, by request");
	c2.state = STORE_REVOKED;
	c2.revoked = NOW;
	c2.reason = 1;
	memset(c2.q, 0xff, 64);
	c = store_change_new(1);
	store_cert_put(c, &c2);
	memset(&c2, 0, sizeof(c2));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_cert_get(r->store, 1, cert.serial, &c2, &r->eb) == OK &&
	        c2.state == STORE_REVOKED && c2.reason == 1 && c2.version == 2 &&
	        memcmp(c2.q, cert.q, 64) == 0,
	    "a certificate revoked; its key cannot be changed");
}

/* --- visits, things, values --- */

struct sights {
	unsigned n, ended;
	uint64_t first, last;
	int64_t began; /* of the last */
	char text[200];
};

static bool see_visit(void *ctx, const struct store_visit *v)
{
	struct sights *s = ctx;

	if (s->n++ == 0)
		s->first = v->change;
	s->last = v->change;
	s->began = v->began;
	s->ended += v->ended != 0;
	snprintf(s->text, sizeof(s->text), "%s %s %s", v->broker, v->address, v->reason);
	return true;
}

static struct store_visit visit_of(uint32_t n, const struct store_device *d)
{
	struct store_visit v = { .broker = "mosquitto",
		.address = "192.0.2.7",
		.protocol = 4,
		.admitted = true,
		.began = NOW + n };

	id_of(8, n, v.id);
	memcpy(v.device, d->id, 16);
	memset(v.print, 0xab, 16);
	return v;
}

enum { TENANTS = 3 };

/* What was told of each tenant, and how often. */
static struct committed {
	uint64_t seq, visit;
	unsigned calls;
} committed[TENANTS];

static void see_committed(void *ctx, uint32_t tenant, uint64_t seq, uint64_t visit)
{
	struct committed *c = &committed[tenant % TENANTS];

	(void)ctx;
	c->seq = seq ? seq : c->seq;
	c->visit = visit ? visit : c->visit;
	c->calls++;
}

static void visits(struct rig *r)
{
	struct store_device d = device_of(1), e = device_of(2);
	struct store_visit v;
	struct store_change *c = store_change_new(1);
	struct sights s = { 0 };
	uint64_t seq = 9, visit = 9;

	ok(rig_first(r, 1), "a tenant");
	store_device_put(c, &d);
	store_device_put(c, &e);
	ok(store_commit(r->store, c, &r->eb) == OK && committed[1].calls == 0,
	    "what has no number is not told of");
	c = store_change_new(1);
	v = visit_of(1, &d);
	store_visit_put(c, &v);
	v = visit_of(2, &e);
	store_visit_put(c, &v);
	ok(store_commit(r->store, c, &r->eb) == OK && committed[1].visit == 2 &&
	        committed[1].seq == 0,
	    "two visits, with their number: %llu", (unsigned long long)committed[1].visit);
	ok(store_visit_open(r->store, 1, see_visit, &s, &r->eb) == OK && s.n == 2 && s.ended == 0,
	    "both last");
	v = visit_of(1, &d);
	v.ended = NOW + 10;
	strcpy(v.reason, "revoked");
	strcpy(v.address, "198.51.100.1");
	c = store_change_new(1);
	store_visit_put(c, &v);
	memset(&s, 0, sizeof(s));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_visit_list(r->store, 1, d.id, see_visit, &s, &r->eb) == OK && s.n == 1 &&
	        s.first == 3 && strcmp(s.text, "mosquitto 192.0.2.7 revoked") == 0,
	    "one ended, and nothing else of it changed: %s", s.text);
	memset(&s, 0, sizeof(s));
	ok(store_visit_open(r->store, 1, see_visit, &s, &r->eb) == OK && s.n == 1,
	    "the other lasts");
	memset(&s, 0, sizeof(s));
	ok(store_visit_changes(r->store, 1, 0, see_visit, &s, &r->eb) == OK && s.n == 2 &&
	        s.first == 2 && s.last == 3,
	    "changes, in their order");
	ok(store_numbers(r->store, 1, &seq, &visit, &r->eb) == OK && seq == 0 && visit == 3,
	    "the last numbers");
	ok(store_numbers(r->store, 7, &seq, &visit, &r->eb) == ERR_NOT_FOUND, "of no tenant: none");

	for (unsigned i = 0; i < STORE_VISITS_KEPT + 20; i++) {
		v = visit_of(100 + i, &d);
		v.ended = v.began + 1;
		c = store_change_new(1);
		store_visit_put(c, &v);
		if (store_commit(r->store, c, &r->eb) != OK)
			break;
	}
	memset(&s, 0, sizeof(s));
	ok(store_visit_list(r->store, 1, d.id, see_visit, &s, &r->eb) == OK &&
	        s.n == STORE_VISITS_KEPT + 1,
	    "old ones go: %u", s.n);
	v = visit_of(1, &d);
	v.ended = v.began + 1;
	c = store_change_new(1);
	store_visit_put(c, &v);
	memset(&s, 0, sizeof(s));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_visit_list(r->store, 1, d.id, see_visit, &s, &r->eb) == OK &&
	        s.n == STORE_VISITS_KEPT + 1 && s.began == NOW + 1,
	    "not one that was put now, when its clock was set back: %u", s.n);
	v.began = NOW + 2;
	c = store_change_new(1);
	store_visit_put(c, &v);
	memset(&s, 0, sizeof(s));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_visit_list(r->store, 1, d.id, see_visit, &s, &r->eb) == OK &&
	        s.n == STORE_VISITS_KEPT + 1 && s.began == NOW + 2,
	    "which may say that it began at another time");
	v = visit_of(900, &d);
	memset(v.device, 9, 16);
	c = store_change_new(1);
	store_visit_put(c, &v);
	ok(store_commit(r->store, c, &r->eb) == ERR_NOT_FOUND, "of no device: %s", r->eb.text);
	c = store_change_new(1);
	store_device_remove(c, d.id, 1);
	memset(&s, 0, sizeof(s));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_visit_list(r->store, 1, d.id, see_visit, &s, &r->eb) == OK && s.n == 0,
	    "they go with their device");
	c = store_change_new(1);
	store_event_add(c, &(struct store_event){ .at = NOW, .kind = "device.changed" });
	v = visit_of(901, &e);
	store_visit_put(c, &v);
	memset(&s, 0, sizeof(s));
	ok(store_commit(r->store, c, &r->eb) == OK && committed[1].seq == 1 &&
	        store_visit_list(r->store, 1, e.id, see_visit, &s, &r->eb) == OK && s.n == 2,
	    "an event and a visit together: only the event has an event's number");
	ok(store_check(r->store, &r->eb) == OK, "the tables agree: %s", r->eb.text);
}

static bool see_thing(void *ctx, const struct store_thing *t)
{
	struct sights *s = ctx;

	s->n++;
	snprintf(s->text, sizeof(s->text), "%s %s", t->name, t->timezone);
	return true;
}

static bool see_value(void *ctx, const struct store_value *v)
{
	struct sights *s = ctx;
	size_t at = strlen(s->text);

	s->n++;
	snprintf(s->text + at, sizeof(s->text) - at, "%s=%s ", v->name, v->json);
	return true;
}

static void things(struct rig *r)
{
	struct store_device d = device_of(3), d2;
	struct store_thing t = { .name = "hall", .timezone = "Europe/Rome", .created = NOW }, t2;
	struct store_value v = { .name = "led", .json = "true", .at = NOW };
	struct store_change *c = store_change_new(1);
	struct sights s = { 0 };

	id_of(9, 1, t.id);
	memcpy(d.thing, t.id, 16);
	memcpy(v.thing, t.id, 16);
	store_thing_put(c, &t);
	store_device_put(c, &d);
	store_value_put(c, &v);
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_thing_get(r->store, 1, t.id, &t2, &r->eb) == OK && t2.version == 1 &&
	        strcmp(t2.name, "hall") == 0,
	    "a thing");
	ok(store_device_of_thing(r->store, 1, t.id, &d2, &r->eb) == OK &&
	        memcmp(d2.id, d.id, 16) == 0,
	    "its device");
	ok(store_device_of_thing(r->store, 1, d.id, &d2, &r->eb) == ERR_NOT_FOUND,
	    "none of another thing");
	strcpy(t2.name, "cellar");
	c = store_change_new(1);
	store_thing_put(c, &t2);
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_thing_list(r->store, 1, see_thing, &s, &r->eb) == OK && s.n == 1 &&
	        strcmp(s.text, "cellar Europe/Rome") == 0,
	    "renamed: %s", s.text);
	c = store_change_new(1);
	store_thing_put(c, &t2);
	ok(store_commit(r->store, c, &r->eb) == ERR_CONFLICT, "from an old version: %s",
	    r->eb.text);

	strcpy(v.json, "false");
	v.at = NOW - 1;
	c = store_change_new(1);
	store_value_put(c, &v);
	strcpy(v.name, "count");
	strcpy(v.json, "12");
	store_value_put(c, &v);
	memset(&s, 0, sizeof(s));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_value_list(r->store, 1, t.id, see_value, &s, &r->eb) == OK &&
	        strcmp(s.text, "count=12 led=true ") == 0,
	    "an older value replaces none: %s", s.text);
	memset(v.thing, 9, 16);
	c = store_change_new(1);
	store_value_put(c, &v);
	ok(store_commit(r->store, c, &r->eb) == ERR_NOT_FOUND, "of no thing: %s", r->eb.text);
	c = store_change_new(1);
	store_thing_remove(c, t.id, 2);
	memset(&s, 0, sizeof(s));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_value_list(r->store, 1, t.id, see_value, &s, &r->eb) == OK && s.n == 0 &&
	        store_thing_get(r->store, 1, t.id, &t2, &r->eb) == ERR_NOT_FOUND,
	    "a thing goes with its values");
	c = store_change_new(1);
	store_thing_remove(c, t.id, 2);
	ok(store_commit(r->store, c, &r->eb) == ERR_NOT_FOUND, "once: %s", r->eb.text);
}

static void settings(struct rig *r)
{
	struct store_change *c = store_change_new(1);
	char *value = NULL, *large = calloc(1, 60001);

	memset(large, 'x', 60000);
	store_setting_put(c, "large", large);
	store_setting_put(c, "empty", "");
	ok(store_commit(r->store, c, &r->eb) == OK, "settings");
	ok(store_setting_get(r->store, 1, "large", &value, &r->eb) == OK &&
	        strcmp(value, large) == 0,
	    "a large one");
	free(value);
	value = NULL;
	ok(store_setting_get(r->store, 1, "empty", &value, &r->eb) == OK && value && !*value,
	    "an empty one is there");
	free(value);
	value = NULL;
	c = store_change_new(1);
	store_setting_put(c, "large", "small");
	store_setting_put(c, "empty", NULL);
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_setting_get(r->store, 1, "large", &value, &r->eb) == OK &&
	        strcmp(value, "small") == 0,
	    "one replaced");
	free(value);
	ok(store_setting_get(r->store, 1, "empty", &value, &r->eb) == ERR_NOT_FOUND, "one removed");
	free(large);
}

/* --- versions and uniqueness --- */

static enum err put(struct rig *r, const struct store_device *d)
{
	struct store_change *c = store_change_new(1);

	store_device_put(c, d);
	return store_commit(r->store, c, &r->eb);
}

static void versions(struct rig *r)
{
	struct store_device d, d2, none = device_of(999);
	struct store_change *c;

	ok(rig_device(r, 10, &d), "a device");
	ok(put(r, &d) == OK, "changed from version 1");
	ok(put(r, &d) == ERR_CONFLICT, "changed from version 1 again: %s", r->eb.text);
	none.version = 1;
	ok(put(r, &none) == ERR_NOT_FOUND, "one that is not there: %s", r->eb.text);
	d.version = 0;
	ok(put(r, &d) == ERR_CONFLICT, "made anew: %s", r->eb.text);
	ok(store_device_get(r->store, 1, d.id, &d2, &r->eb) == OK && d2.version == 2,
	    "version 2 it is");
	ok(store_device_get(r->store, 2, d.id, &d, &r->eb) == ERR_NOT_FOUND,
	    "another tenant does not see it");

	c = store_change_new(1);
	store_device_seen(c, d2.id, NOW + 500, TEXT("later"));
	ok(store_commit(r->store, c, &r->eb) == OK, "a message");
	c = store_change_new(1);
	store_device_seen(c, d2.id, NOW + 400, TEXT("earlier"));
	store_device_seen(c, none.id, NOW, TEXT("nobody's"));
	ok(store_commit(r->store, c, &r->eb) == OK, "an older message, one of nobody");
	ok(put(r, &d2) == OK && store_device_get(r->store, 1, d2.id, &d2, &r->eb) == OK &&
	        d2.seen == NOW + 500 && d2.message_n == 5 && memcmp(d2.message, "later", 5) == 0 &&
	        d2.version == 3,
	    "a message needs no version and is not lost to a change from before it");

	c = store_change_new(1);
	store_device_seen(c, d2.id, NOW + 600, (struct slice){ NULL, 0 });
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_device_get(r->store, 1, d2.id, &d2, &r->eb) == OK && d2.seen == NOW + 600 &&
	        d2.message_n == 5,
	    "nothing but a sign of life leaves the message as it is");

	c = store_change_new(1);
	store_device_seen(c, d2.id, NOW + 700 + STORE_AHEAD_MS, TEXT("the clock was wrong"));
	store_device_seen(c, d2.id, NOW + 699, TEXT("it is right"));
	store_device_seen(c, d2.id, NOW + 698, TEXT("earlier"));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_device_get(r->store, 1, d2.id, &d2, &r->eb) == OK && d2.seen == NOW + 699 &&
	        d2.message_n == 11,
	    "a message of the future says nothing any more when the next one comes");

	c = issuance(1, &d2, 1, 700);
	ok(store_commit(r->store, c, &r->eb) == ERR_CONFLICT, "a serial twice: %s", r->eb.text);
	c = issuance(1, &d2, 700, 1);
	ok(store_commit(r->store, c, &r->eb) == ERR_CONFLICT, "a request twice: %s", r->eb.text);
	ok(store_device_get(r->store, 1, d2.id, &d2, &r->eb) == OK && d2.version == 3,
	    "nothing of them is left");
	c = issuance(2, &d2, 701, 701);
	ok(store_commit(r->store, c, &r->eb) == ERR_NOT_FOUND, "no such tenant: %s", r->eb.text);
}

/* --- what is kept in memory --- */

static bool find_listed(void *ctx, const struct store_device *d)
{
	struct store_device *wanted = ctx;

	if (memcmp(d->id, wanted->id, 16) != 0)
		return true;
	*wanted = *d;
	return false;
}

/* By its id a device is what it is in a list, which is read from the database. */
static bool as_listed(struct rig *r, const uint8_t id[16])
{
	struct store_device d = { .name = "" }, listed = { .name = "" };

	memcpy(listed.id, id, 16);
	if (store_device_get(r->store, 1, id, &d, &r->eb) != OK ||
	    store_device_list(r->store, 1, &(struct store_filter){ .deleted = true }, find_listed,
	        &listed, &r->eb) != OK)
		return false;
	for (size_t i = 0; i < noun_device.n; i++) {
		struct value a = row_value(&noun_device.columns[i], &d),
		             b = row_value(&noun_device.columns[i], &listed);

		if (a.type != b.type || a.number != b.number || !slice_equal(a.bytes, b.bytes))
			return false;
	}
	return true;
}

static bool find_cert(void *ctx, const struct store_cert *cert)
{
	struct store_cert *wanted = ctx;

	if (memcmp(cert->serial, wanted->serial, 16) != 0)
		return true;
	*wanted = *cert;
	return false;
}

static bool cert_as_listed(struct rig *r, const uint8_t serial[16], struct store_cert *cert)
{
	struct store_cert listed = { .version = 0 };

	memcpy(listed.serial, serial, 16);
	if (store_cert_get(r->store, 1, serial, cert, &r->eb) != OK ||
	    store_cert_list(r->store, 1, NULL, find_cert, &listed, &r->eb) != OK)
		return false;
	for (size_t i = 0; i < noun_cert.n; i++) {
		struct value a = row_value(&noun_cert.columns[i], cert),
		             b = row_value(&noun_cert.columns[i], &listed);

		if (a.type != b.type || a.number != b.number || !slice_equal(a.bytes, b.bytes))
			return false;
	}
	return true;
}

static void kept_certs(struct rig *r)
{
	struct store_device d;
	struct store_cert cert = cert_of(31, (uint8_t[16]){ 0 }), got = cert, was;
	struct store_change *c;

	ok(rig_device(r, 16, &d), "a device");
	memcpy(cert.device, d.id, 16);
	c = store_change_new(1);
	store_cert_put(c, &cert);
	ok(store_commit(r->store, c, &r->eb) == OK && cert_as_listed(r, cert.serial, &got),
	    "a new certificate, read by serial and in a list");
	was = got;
	got.state = STORE_REVOKED;
	got.enabled = false;
	got.revoked = NOW;
	got.reason = 5;
	memset(got.sig, 1, sizeof(got.sig)); /* not for a change to say */
	c = store_change_new(1);
	store_cert_put(c, &got);
	ok(store_commit(r->store, c, &r->eb) == OK && cert_as_listed(r, cert.serial, &got) &&
	        got.state == STORE_REVOKED && got.version == 2 &&
	        memcmp(got.sig, was.sig, sizeof(got.sig)) == 0,
	    "changed");
	c = store_change_new(1);
	store_cert_put(c, &was);
	ok(store_commit(r->store, c, &r->eb) == ERR_CONFLICT &&
	        cert_as_listed(r, cert.serial, &got) && got.state == STORE_REVOKED,
	    "a change that is refused");
}

static void kept(struct rig *r)
{
	struct store_device d, d2;
	struct store_change *c;
	bool good;

	ok(rig_device(r, 15, &d) && as_listed(r, d.id), "a new device, read by id and in a list");
	d.seen = NOW + 7; /* not for a change to say */
	d.created = NOW + 7;
	d.message_n = 3;
	d.deleted = NOW;
	strcpy(d.fqbn, "other");
	good = put(r, &d) == OK && as_listed(r, d.id);
	ok(good && store_device_get(r->store, 1, d.id, &d, &r->eb) == OK && d.version == 2 &&
	        d.seen == 0 && d.created != NOW + 7 && d.message_n == 0,
	    "changed, where no index knows of it");
	strcpy(d.name, "fifteen");
	memset(d.thing, 0, sizeof(d.thing));
	ok(put(r, &d) == OK && as_listed(r, d.id), "and where one does");
	c = store_change_new(1);
	store_device_seen(c, d.id, NOW + 20, TEXT("a longer message"));
	store_device_seen(c, d.id, NOW + 30, TEXT("short"));
	store_device_seen(c, d.id, NOW + 25, TEXT("late"));
	store_device_seen(c, d.id, NOW + 32 + STORE_AHEAD_MS, (struct slice){ NULL, 0 });
	store_device_seen(c, d.id, NOW + 31, (struct slice){ NULL, 0 });
	ok(store_commit(r->store, c, &r->eb) == OK && as_listed(r, d.id) &&
	        store_device_get(r->store, 1, d.id, &d, &r->eb) == OK && d.seen == NOW + 31 &&
	        d.message_n == 5,
	    "three messages and two signs of life in one transaction, one of the future");
	c = store_change_new(1);
	store_device_put(c, &d);
	d2 = d;
	d2.version++;
	strcpy(d2.name, "sixteen");
	store_device_put(c, &d2);
	store_device_seen(c, d.id, NOW + 40, TEXT(""));
	ok(store_commit(r->store, c, &r->eb) == OK && as_listed(r, d.id) &&
	        store_device_get(r->store, 1, d.id, &d2, &r->eb) == OK &&
	        d2.version == d.version + 2 && strcmp(d2.name, "sixteen") == 0,
	    "changed twice in one transaction, and heard of");
	ok(put(r, &d) == ERR_CONFLICT && as_listed(r, d.id),
	    "a change that is refused changes nothing");
	rig_close(r);
	ok(rig_open(r, NULL) && put(r, &d2) == OK && as_listed(r, d.id),
	    "changed before it was read");
	c = store_change_new(1);
	store_device_remove(c, d.id, d2.version + 1);
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_device_get(r->store, 1, d.id, &d2, &r->eb) == ERR_NOT_FOUND,
	    "removed");
}

static void refused(struct rig *r)
{
	struct store_device d = device_of(20);
	struct store_token k = { .purpose = "access" };
	struct store_cert cert = cert_of(20, d.id);
	struct store_tag tag = { "color", "red" };
	struct store_change *c = store_change_new(1);

	memset(d.name, 'x', sizeof(d.name));
	store_device_put(c, &d);
	ok(store_commit(r->store, c, &r->eb) == ERR_ARG, "a text without end: %s", r->eb.text);
	d = device_of(20);
	d.message_n = STORE_MESSAGE_MAX + 1;
	ok(put(r, &d) == ERR_ARG, "a message that is too long: %s", r->eb.text);
	c = store_change_new(1);
	store_token_add(c, &k);
	ok(store_commit(r->store, c, &r->eb) == ERR_NOT_FOUND, "a token of nobody: %s", r->eb.text);
	cert.authority = 9;
	c = store_change_new(1);
	store_cert_put(c, &cert);
	ok(store_commit(r->store, c, &r->eb) == ERR_NOT_FOUND, "a certificate of no authority: %s",
	    r->eb.text);
	c = store_change_new(1);
	store_tag_put(c, d.id, &tag);
	ok(store_commit(r->store, c, &r->eb) == ERR_NOT_FOUND, "a tag of no device: %s",
	    r->eb.text);
	c = store_change_new(0);
	struct store_tenant t = tenant_of(7);
	store_tenant_add(c, &t);
	ok(store_commit(r->store, c, &r->eb) == ERR_ARG, "tenant 0: %s", r->eb.text);
	c = store_change_new(1);
	store_tenant_add(c, &t);
	ok(store_commit(r->store, c, &r->eb) == ERR_CONFLICT, "tenant 1 again: %s", r->eb.text);
	c = store_change_new(1);
	store_change_fail(c, ERR_DENIED, "not today");
	store_change_fail(c, ERR_IO, "nor tomorrow");
	ok(store_commit(r->store, c, &r->eb) == ERR_DENIED && strcmp(r->eb.text, "not today") == 0,
	    "a change that failed before");
	ok(store_commit(r->store, NULL, &r->eb) == ERR_MEMORY, "a change without memory");
}

/* --- lists --- */

enum { MANY = 40 };

struct seen {
	size_t n, stop;
	struct store_device last;
	uint8_t ids[2 * MANY][16];
};

static bool see_device(void *ctx, const struct store_device *d)
{
	struct seen *s = ctx;

	if (s->n < COUNT(s->ids))
		memcpy(s->ids[s->n], d->id, 16);
	s->last = *d;
	return ++s->n != s->stop;
}

static size_t count(struct rig *r, const struct store_filter *filter)
{
	struct seen s = { .n = 0 };

	if (store_device_list(r->store, 2, filter, see_device, &s, &r->eb) != OK)
		return SIZE_MAX;
	return s.n;
}

/* All pages of seven; between two of them rows are made, renamed and removed. */
static void pages(struct rig *r)
{
	struct store_filter filter = { .deleted = true };
	struct seen all = { .stop = 7 };
	struct store_device d;
	struct store_change *c;
	size_t before = 0, made = 0;
	bool once = true;

	while (store_device_list(r->store, 2, &filter, see_device, &all, &r->eb) == OK &&
	       all.n > before) {
		before = all.n;
		all.stop = all.n + 7;
		filter.after = all.last.id;
		filter.after_created = all.last.created;
		c = store_change_new(2);
		d = all.last;
		strcpy(d.name, "renamed");
		store_device_put(c, &d);
		d = device_of(1000 + (uint32_t)made++);
		d.created = NOW - 1; /* older than where we are */
		store_device_put(c, &d);
		if (store_commit(r->store, c, &r->eb) != OK)
			break;
	}
	for (size_t i = 0; i < MANY; i++) {
		size_t times = 0;

		d = device_of((uint32_t)i);
		for (size_t k = 0; k < all.n; k++)
			times += memcmp(all.ids[k], d.id, 16) == 0;
		once &= times == 1;
	}
	ok(once && all.n == MANY, "pages of seven: each device once, %zu", all.n);
	filter = (struct store_filter){ .deleted = true, .name = "renamed" };
	ok(count(r, &filter) == made, "those renamed are found by their new name: %zu", made);
}

struct tags {
	size_t n;
	char text[200];
};

static bool see_tag(void *ctx, const struct store_tag *t)
{
	struct tags *s = ctx;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof(s->text) - n, "%s=%s ", t->key, t->value);
	s->n++;
	return true;
}

static void lists(struct rig *r)
{
	struct store_tag red = { "color", "red" }, old = { "age", "old" }, more[9];
	struct store_filter filter = { 0 };
	struct seen s = { .n = 0 };
	struct tags tags = { 0 };
	struct store_device d;
	struct store_change *c;
	bool in_order = true;

	ok(rig_first(r, 2), "another tenant");
	c = store_change_new(2);
	for (uint32_t i = 0; i < MANY; i++) {
		d = device_of(i);
		d.created = NOW + i / 4; /* some in the same millisecond */
		d.deleted = i % 10 == 9;
		snprintf(d.name, sizeof(d.name), "name %u", i % 5);
		snprintf(d.hardware, sizeof(d.hardware), "%s", i % 2 ? "odd" : "");
		store_device_put(c, &d);
		if (i % 2)
			store_tag_put(c, d.id, &red);
		if (i % 3 == 0)
			store_tag_put(c, d.id, &old);
	}
	ok(store_commit(r->store, c, &r->eb) == OK, "%d devices in one change", MANY);

	ok(store_device_list(r->store, 2, NULL, see_device, &s, &r->eb) == OK && s.n == 36,
	    "all that are not deleted");
	for (size_t i = 1; i < s.n; i++) {
		struct store_device a, b;

		in_order &= store_device_get(r->store, 2, s.ids[i - 1], &a, &r->eb) == OK &&
		            store_device_get(r->store, 2, s.ids[i], &b, &r->eb) == OK &&
		            (a.created < b.created ||
		                (a.created == b.created && memcmp(a.id, b.id, 16) < 0));
	}
	ok(in_order, "oldest first, then by id");
	filter.deleted = true;
	ok(count(r, &filter) == MANY, "deleted ones too");
	filter.name = "name 4";
	ok(count(r, &filter) == 8, "by name, deleted ones too");
	filter.deleted = false;
	ok(count(r, &filter) == 4, "by name");
	filter = (struct store_filter){ .serial = "000000000000000003" };
	ok(count(r, &filter) == 1, "by serial");
	filter.name = "name 4";
	ok(count(r, &filter) == 0, "by serial and another name");
	filter = (struct store_filter){ .hardware = "odd" };
	ok(count(r, &filter) == 16, "by hardware");
	filter.hardware = "";
	ok(count(r, &filter) == 20, "without hardware");
	filter = (struct store_filter){ .tags = &red, .tags_n = 1 };
	ok(count(r, &filter) == 16, "by tag");
	struct store_tag both[] = { red, old };
	filter = (struct store_filter){ .tags = both, .tags_n = 2, .deleted = true };
	ok(count(r, &filter) == 7, "by two tags");
	filter.hardware = "odd";
	ok(count(r, &filter) == 7, "by hardware and two tags");
	strcpy(both[1].value, "young");
	ok(count(r, &filter) == 0, "by a value that nobody has");
	for (size_t i = 0; i < COUNT(more); i++)
		more[i] = red;
	filter = (struct store_filter){ .tags = more, .tags_n = 8 };
	ok(count(r, &filter) == 16, "by the same tag eight times");
	filter.tags_n = 9;
	ok(store_device_list(r->store, 2, &filter, see_device, &s, &r->eb) == ERR_ARG,
	    "by too many: %s", r->eb.text);
	pages(r);

	d = device_of(9); /* odd, and a multiple of three */
	c = store_change_new(2);
	strcpy(red.value, "green");
	store_tag_put(c, d.id, &red);
	store_tag_remove(c, d.id, "nothing");
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_tag_list(r->store, 2, d.id, see_tag, &tags, &r->eb) == OK &&
	        strcmp(tags.text, "age=old color=green ") == 0,
	    "a tag changed: %s", tags.text);
	c = store_change_new(2);
	store_tag_remove(c, d.id, "age");
	memset(&tags, 0, sizeof(tags));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_tag_list(r->store, 2, d.id, see_tag, &tags, &r->eb) == OK && tags.n == 1,
	    "a tag removed");
	c = store_change_new(2);
	store_device_remove(c, d.id, 2);
	ok(store_commit(r->store, c, &r->eb) == ERR_CONFLICT, "removed from another version: %s",
	    r->eb.text);
	c = store_change_new(2);
	store_device_remove(c, d.id, 1);
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_device_get(r->store, 2, d.id, &d, &r->eb) == ERR_NOT_FOUND,
	    "removed");
	memset(&tags, 0, sizeof(tags));
	ok(store_tag_list(r->store, 2, d.id, see_tag, &tags, &r->eb) == OK && tags.n == 0,
	    "its tags went too");
}

struct certs {
	size_t n;
	uint8_t serials[8][16];
};

static bool see_cert(void *ctx, const struct store_cert *c)
{
	struct certs *s = ctx;

	if (s->n < COUNT(s->serials))
		memcpy(s->serials[s->n], c->serial, 16);
	s->n++;
	return true;
}

static bool see_authority(void *ctx, const struct store_authority *a)
{
	struct store_authority want = authority_of(1);

	*(bool *)ctx = a->n == want.n && memcmp(a->der, want.der, a->n) == 0 &&
	               memcmp(a->key_id, want.key_id, 20) == 0 && strcmp(a->key, "ca/key.pem") == 0;
	return true;
}

static void certificates(struct rig *r)
{
	struct store_change *c = store_change_new(2);
	struct store_device d = device_of(2000);
	struct certs all = { 0 }, one = { 0 };
	bool same = false;

	store_device_put(c, &d);
	for (uint32_t i = 0; i < 6; i++) { /* the newest first, every other of this device */
		struct store_cert cert = cert_of(100 + i, i % 2 ? d.id : device_of(1).id);

		cert.created = NOW + 100 - i;
		store_cert_put(c, &cert);
	}
	ok(store_commit(r->store, c, &r->eb) == OK, "six certificates");
	ok(store_cert_list(r->store, 2, NULL, see_cert, &all, &r->eb) == OK && all.n == 6 &&
	        memcmp(all.serials[0], cert_of(105, d.id).serial, 16) == 0 &&
	        memcmp(all.serials[5], cert_of(100, d.id).serial, 16) == 0,
	    "all, oldest first");
	ok(store_cert_list(r->store, 2, d.id, see_cert, &one, &r->eb) == OK && one.n == 3 &&
	        memcmp(one.serials[0], cert_of(105, d.id).serial, 16) == 0 &&
	        memcmp(one.serials[2], cert_of(101, d.id).serial, 16) == 0,
	    "one device's, oldest first");
	c = store_change_new(2);
	store_device_remove(c, d.id, 1);
	memset(&one, 0, sizeof(one));
	ok(store_commit(r->store, c, &r->eb) == OK &&
	        store_cert_list(r->store, 2, d.id, see_cert, &one, &r->eb) == OK && one.n == 3,
	    "remembered when the device is gone");
	ok(store_authority_list(r->store, 2, see_authority, &same, &r->eb) == OK && same,
	    "the authority");
}

/* --- batches --- */

/* A prepare that keeps the committing thread until it is told to go on. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool closed, at_it;
	size_t batches, largest;
};

static void gate_set(struct gate *g, bool closed)
{
	pthread_mutex_lock(&g->lock);
	g->closed = closed;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

static void gate_await(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	while (!g->at_it)
		pthread_cond_wait(&g->cond, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void hold(void *ctx, struct store_change **changes, size_t n)
{
	struct gate *g = ctx;

	pthread_mutex_lock(&g->lock);
	g->batches++;
	g->largest = n > g->largest ? n : g->largest;
	g->at_it = true;
	pthread_cond_broadcast(&g->cond);
	while (g->closed)
		pthread_cond_wait(&g->cond, &g->lock);
	g->at_it = false;
	pthread_mutex_unlock(&g->lock);
	for (size_t i = 0; i < n; i++) { /* as an authority signs */
		struct store_cert *cert = store_change_cert(changes[i]);

		if (cert)
			memset(cert->sig, 0x99, sizeof(cert->sig));
	}
}

struct result {
	pthread_mutex_t *lock;
	size_t *order; /* how many were answered before */
	size_t place;
	bool done;
	enum err e;
	uint64_t seq;
	struct errbuf eb;
};

static void take_result(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct result *r = ctx;

	pthread_mutex_lock(r->lock);
	r->done = true;
	r->place = (*r->order)++;
	r->e = e;
	r->seq = seq;
	r->eb = *eb;
	pthread_mutex_unlock(r->lock);
}

static void await_all(pthread_mutex_t *lock, const size_t *answered, size_t n)
{
	size_t now = 0;

	while (now < n) {
		usleep(1000);
		pthread_mutex_lock(lock);
		now = *answered;
		pthread_mutex_unlock(lock);
	}
}

/* Events and visits of two tenants in one transaction: each is told of with its own numbers. */
static void tenants(struct rig *r, struct gate *g)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct result results[8];
	struct store_device d = device_of(1);
	size_t answered = 0, batches;
	uint64_t seq[TENANTS], visit[TENANTS];

	for (uint32_t tenant = 1; tenant < TENANTS; tenant++) {
		struct store_change *c = store_change_new(tenant);

		store_device_put(c, &d);
		if (!rig_first(r, tenant) || store_commit(r->store, c, &r->eb) != OK)
			bail("no tenant");
	}
	memset(committed, 0, sizeof(committed));
	batches = g->batches;
	gate_set(g, true);
	for (uint32_t i = 0; i < COUNT(results); i++) {
		/* One keeps the thread busy; then six of the first tenant, and one of the second among them. */
		struct store_change *c = store_change_new(i == 2 ? 2 : 1);
		struct store_event event = event_of(i, d.id);
		struct store_visit v = visit_of(i, &d);

		if (i > 0)
			store_event_add(c, &event);
		if (i == 1 || i == 2 || i > 4)
			store_visit_put(c, &v);
		results[i] = (struct result){ .lock = &lock, .order = &answered };
		store_submit(r->store, c, take_result, &results[i]);
		if (i == 0)
			gate_await(g);
	}
	gate_set(g, false);
	await_all(&lock, &answered, COUNT(results));
	for (uint32_t tenant = 1; tenant < TENANTS; tenant++)
		if (store_numbers(r->store, tenant, &seq[tenant], &visit[tenant], &r->eb) != OK)
			bail("no numbers");
	ok(g->batches == batches + 2, "one transaction");
	ok(seq[1] == 6 && visit[1] == 4 && committed[1].seq == 6 && committed[1].visit == 4,
	    "the first has its numbers: %llu and %llu", (unsigned long long)committed[1].seq,
	    (unsigned long long)committed[1].visit);
	ok(seq[2] == 1 && visit[2] == 1 && committed[2].seq == 1 && committed[2].visit == 1,
	    "the second has its own, which are lower: %llu and %llu",
	    (unsigned long long)committed[2].seq, (unsigned long long)committed[2].visit);
	ok(committed[1].calls == 2 && committed[2].calls == 2, "each is told once, of either kind");
}

enum { BATCH = 12 };

/* Twelve issuances in one batch, of which some are in each other's way or in that of what is there. */
static void batch(struct rig *r, struct gate *g)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct store_device d[BATCH];
	struct result results[BATCH];
	struct store_change *c;
	struct store_stats before, after;
	uint64_t next = 0, first, last, visit;
	size_t answered = 0, batches;
	bool dense = true, in_order = true, once = true;

	for (uint32_t i = 0; i < BATCH; i++)
		if (!rig_device(r, 300 + i, &d[i]))
			bail("no device");
	store_stats(r->store, &before);
	if (store_numbers(r->store, 1, &first, &visit, &r->eb) != OK)
		bail("no numbers");
	first++;
	batches = g->batches;
	gate_set(g, true);
	store_submit(r->store, store_change_new(1), take_result,
	    &(struct result){ .lock = &lock, .order = &(size_t){ 0 } }); /* keeps the thread busy */
	gate_await(g);
	for (uint32_t i = 0; i < BATCH; i++) {
		results[i] = (struct result){ .lock = &lock, .order = &answered };
		switch (i) {
		case 2: /* the version of yesterday */
			d[i].version = 7;
			c = issuance(1, &d[i], 300 + i, 300 + i);
			break;
		case 5: /* number 4's serial */
			c = issuance(1, &d[i], 304, 300 + i);
			break;
		case 8: /* a whole change again: number 7's */
			c = issuance(1, &d[7], 307, 307);
			break;
		case 9: /* of a tenant that is not there */
			c = issuance(77, &d[i], 300 + i, 300 + i);
			break;
		case 10: /* an old request, with a new serial, which number 11 has too */
			c = issuance(1, &d[i], 310, 1);
			break;
		case 11:
			c = issuance(1, &d[i], 310, 300 + i);
			break;
		default:
			c = issuance(1, &d[i], 300 + i, 300 + i);
		}
		store_submit(r->store, c, take_result, &results[i]);
	}
	gate_set(g, false);
	await_all(&lock, &answered, BATCH);
	store_stats(r->store, &after);
	for (size_t i = 0; i < BATCH; i++) {
		bool bad = i == 2 || i == 5 || i == 8 || i == 9 || i == 10;
		uint32_t serial = i == 11 ? 310 : 300 + (uint32_t)i;
		struct store_cert cert;

		if (!results[i].done ||
		    results[i].e != (bad ? i == 9 ? ERR_NOT_FOUND : ERR_CONFLICT : OK))
			printf("# number %zu: %s\n", i, results[i].eb.text);
		once &= results[i].done &&
		        results[i].e == (bad ? i == 9 ? ERR_NOT_FOUND : ERR_CONFLICT : OK);
		in_order &= results[i].place == i;
		if (!bad) {
			dense &= results[i].seq == first + next++;
			once &= store_cert_get(r->store, 1, cert_of(serial, d[i].id).serial, &cert,
			            &r->eb) == OK &&
			        memcmp(cert.device, d[i].id, 16) == 0 && cert.sig[0] == 0x99;
		} else {
			dense &= results[i].seq == 0;
		}
	}
	ok(once, "five in the way of a batch fail alone; the others are there and signed, also one "
	         "that only one of the five was in the way of");
	ok(dense, "the others have the next numbers in their order");
	ok(in_order, "all are answered in their order");
	ok(store_numbers(r->store, 1, &last, &visit, &r->eb) == OK && last == first + 6 &&
	        after.failed == before.failed + 5,
	    "counted");
	ok(g->batches == batches + 2 && g->largest == BATCH,
	    "prepared once each, in one batch: %zu", g->batches - batches);
}

/* prepare takes one out. */
static void fail_odd(void *ctx, struct store_change **changes, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		struct store_event *v = store_change_event(changes[i]);

		if (v && v->leaf[0] % 2)
			store_change_fail(changes[i], ERR_DENIED, "odd");
	}
}

static void prepared(struct rig *r)
{
	struct store_options options = { .prepare = fail_odd };
	struct store_device d;
	uint64_t seq;

	rig_close(r);
	ok(rig_open(r, &options) && rig_device(r, 400, &d), "opened again, with another prepare");
	ok(store_commit(r->store, issuance(1, &d, 401, 401), &r->eb) == ERR_DENIED &&
	        strcmp(r->eb.text, "odd") == 0,
	    "prepare refuses one");
	ok(store_event_of_request(r->store, 1, event_of(401, d.id).request, &seq, &r->eb) ==
	        ERR_NOT_FOUND,
	    "of which nothing is there");
	ok(store_commit(r->store, issuance(1, &d, 402, 402), &r->eb) == OK, "and lets one pass");
}

/* --- many at once --- */

enum { THREADS = 64, EACH = 6, TWINS = 8 };

struct crowd {
	struct rig *r;
	pthread_mutex_t lock;
	bool over;
	size_t failed, twins;
	uint64_t base, seqs[THREADS * EACH];
	size_t n;
	bool dense;
};
struct worker {
	struct crowd *crowd;
	uint32_t n;
};

struct once {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	enum err e;
	uint64_t seq;
};

static void once_done(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct once *o = ctx;

	(void)eb;
	pthread_mutex_lock(&o->lock);
	o->done = true;
	o->e = e;
	o->seq = seq;
	pthread_cond_signal(&o->cond);
	pthread_mutex_unlock(&o->lock);
}

static enum err commit_seq(struct store *s, struct store_change *c, uint64_t *seq)
{
	struct once o = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };

	store_submit(s, c, once_done, &o);
	pthread_mutex_lock(&o.lock);
	while (!o.done)
		pthread_cond_wait(&o.cond, &o.lock);
	pthread_mutex_unlock(&o.lock);
	*seq = o.seq;
	return o.e;
}

static void *issue(void *arg)
{
	struct worker *w = arg;
	struct crowd *crowd = w->crowd;
	struct store *s = crowd->r->store;
	struct store_device d = device_of(5000 + w->n);
	struct store_change *c = store_change_new(1);
	size_t failed = 0, twins = 0;
	uint64_t seq = 0;

	store_device_put(c, &d);
	failed += store_commit(s, c, NULL) != OK;
	for (uint32_t i = 0; i < EACH; i++) {
		uint32_t n = 10000 + w->n * EACH + i;
		struct store_cert cert;

		failed += store_device_get(s, 1, d.id, &d, NULL) != OK;
		failed += commit_seq(s, issuance(1, &d, n, n), &seq) != OK;
		/* What was answered is there, for everybody. */
		failed += store_cert_get(s, 1, cert_of(n, d.id).serial, &cert, NULL) != OK;
		pthread_mutex_lock(&crowd->lock);
		crowd->seqs[crowd->n++] = seq;
		pthread_mutex_unlock(&crowd->lock);
	}
	/* Some ask for the very same thing. */
	if (w->n < TWINS) {
		struct store_event event = event_of(9999, d.id);

		c = store_change_new(1);
		store_event_add(c, &event);
		twins = store_commit(s, c, NULL) == OK;
	}
	pthread_mutex_lock(&crowd->lock);
	crowd->failed += failed;
	crowd->twins += twins;
	pthread_mutex_unlock(&crowd->lock);
	return NULL;
}

struct follower {
	uint64_t next;
	bool dense;
};

static bool follow(void *ctx, const struct store_event *v)
{
	struct follower *f = ctx;

	f->dense &= v->seq == f->next;
	f->next = v->seq + 1;
	return true;
}

static void *read_along(void *arg)
{
	struct crowd *crowd = arg;
	struct follower f = { crowd->base + 1, true };
	bool over = false;

	while (!over) {
		pthread_mutex_lock(&crowd->lock);
		over = crowd->over;
		pthread_mutex_unlock(&crowd->lock);
		f.dense &= store_event_list(crowd->r->store, 1, f.next, follow, &f, NULL) == OK;
	}
	f.dense &= f.next == crowd->base + THREADS * EACH + 2;
	pthread_mutex_lock(&crowd->lock);
	crowd->dense &= f.dense;
	pthread_mutex_unlock(&crowd->lock);
	return NULL;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void many(struct rig *r)
{
	struct crowd crowd = { .r = r, .lock = PTHREAD_MUTEX_INITIALIZER, .dense = true };
	struct worker workers[THREADS];
	pthread_t threads[THREADS], readers[2];
	struct store_stats stats;
	uint64_t missing = 0;

	rig_close(r);
	if (!rig_open(r, NULL))
		bail("cannot be opened again");
	/* The numbers go on where they were. */
	struct follower f = { 1, true };
	ok(store_event_list(r->store, 1, 1, follow, &f, &r->eb) == OK && f.dense && f.next > 1,
	    "numbers from 1 on, without gaps");
	crowd.base = f.next - 1;
	for (uint32_t i = 0; i < COUNT(readers); i++)
		if (pthread_create(&readers[i], NULL, read_along, &crowd))
			bail("no thread");
	for (uint32_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ &crowd, i };
		if (pthread_create(&threads[i], NULL, issue, &workers[i]))
			bail("no thread");
	}
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_lock(&crowd.lock);
	crowd.over = true;
	pthread_mutex_unlock(&crowd.lock);
	for (uint32_t i = 0; i < COUNT(readers); i++)
		pthread_join(readers[i], NULL);
	store_stats(r->store, &stats);
	qsort(crowd.seqs, crowd.n, sizeof(crowd.seqs[0]), ascending);
	for (size_t i = 1; i < crowd.n; i++)
		missing += crowd.seqs[i] - crowd.seqs[i - 1] - 1;
	ok(crowd.failed == 0 && crowd.n == THREADS * EACH, "%d threads issue %d each", THREADS,
	    EACH);
	ok(missing <= 1 && crowd.seqs[0] >= crowd.base + 1, "each with its own number, no gaps");
	ok(crowd.twins == 1, "of %d equal requests one is written: %zu", TWINS, crowd.twins);
	ok(crowd.dense, "no reader saw a number without the one before it");
	ok(stats.commits < stats.changes, "%llu changes in %llu transactions",
	    (unsigned long long)stats.changes, (unsigned long long)stats.commits);
}

/* --- everything at once, on the same few rows --- */

enum { MIXERS = 12, MIXED = 24, ROWS = 5, KEYS = 3 };

struct mixture {
	struct rig *r;
	uint32_t base; /* of device and change numbers */
	pthread_mutex_t lock;
	uint32_t puts[ROWS];
	struct {
		uint64_t seq;
		char value[16];
	} tags[ROWS][KEYS]; /* as the highest acknowledged number left them */
	size_t good, conflicts, others;
};
struct mixer {
	struct mixture *m;
	uint32_t n;
};

static uint32_t coin(uint32_t *state)
{
	*state = *state * 1103515245u + 12345u;
	return *state >> 16;
}

static void *mix(void *arg)
{
	struct mixer *x = arg;
	struct mixture *m = x->m;
	uint32_t state = x->n * 7919 + 1;

	for (uint32_t i = 0; i < MIXED; i++) {
		uint32_t id = 20000 + m->base + x->n * MIXED + i, on = coin(&state) % ROWS,
		         key = coin(&state) % KEYS;
		bool put = coin(&state) % 2, tagged = coin(&state) % 2;
		struct store_device d = device_of(6000 + m->base + on);
		struct store_event event = event_of(id, d.id);
		struct store_change *c = store_change_new(1);
		struct store_tag tag = { 0 };
		uint64_t seq = 0;
		enum err e;

		snprintf(tag.key, sizeof(tag.key), "key %u", key);
		snprintf(tag.value, sizeof(tag.value), "%u", id);
		if (store_device_get(m->r->store, 1, d.id, &d, NULL) != OK)
			bail("a device is lost");
		if (put)
			store_device_put(c, &d); /* of a version that is old by now, now and then */
		if (tagged)
			store_tag_put(c, d.id, &tag);
		store_event_add(c, &event);
		e = commit_seq(m->r->store, c, &seq);

		pthread_mutex_lock(&m->lock);
		m->good += e == OK;
		m->conflicts += e == ERR_CONFLICT;
		m->others += e != OK && e != ERR_CONFLICT;
		m->puts[on] += e == OK && put;
		if (e == OK && tagged && seq > m->tags[on][key].seq) {
			m->tags[on][key].seq = seq;
			snprintf(m->tags[on][key].value, sizeof(m->tags[on][key].value), "%u", id);
		}
		pthread_mutex_unlock(&m->lock);
	}
	return NULL;
}

/* What was acknowledged is what is there, as if it had been written in the order of the numbers. */
static void mixed(struct rig *r, uint32_t base)
{
	struct mixture m = { .r = r, .base = base, .lock = PTHREAD_MUTEX_INITIALIZER };
	struct store_device d[ROWS];
	struct mixer mixers[MIXERS];
	pthread_t threads[MIXERS];
	bool versions_good = true, tags_good = true;

	for (uint32_t i = 0; i < ROWS; i++)
		if (!rig_device(r, 6000 + base + i, &d[i]))
			bail("no device");
	for (uint32_t i = 0; i < MIXERS; i++) {
		mixers[i] = (struct mixer){ &m, i };
		if (pthread_create(&threads[i], NULL, mix, &mixers[i]))
			bail("no thread");
	}
	for (uint32_t i = 0; i < MIXERS; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < ROWS; i++) {
		struct tags tags = { 0 };
		char want[200] = "";

		versions_good &= store_device_get(r->store, 1, d[i].id, &d[i], &r->eb) == OK &&
		                 d[i].version == 1 + m.puts[i];
		for (uint32_t k = 0; k < KEYS; k++)
			if (m.tags[i][k].seq)
				snprintf(want + strlen(want), sizeof(want) - strlen(want),
				    "key %u=%s ", k, m.tags[i][k].value);
		tags_good &= store_tag_list(r->store, 1, d[i].id, see_tag, &tags, &r->eb) == OK &&
		             strcmp(tags.text, want) == 0;
	}
	ok(m.others == 0 && m.good + m.conflicts == MIXERS * MIXED && m.conflicts > 0,
	    "%d writers of the same %d rows: %zu changes, %zu conflicts", MIXERS, ROWS, m.good,
	    m.conflicts);
	ok(versions_good, "each version is a change that was acknowledged");
	ok(tags_good, "each label is what the last number wrote");
}

/* --- a database that loses answers --- */

static struct {
	const struct store_ops *real;
	struct store_ops ops;
	uint32_t state;
	unsigned in_a_row, before, after;
	int64_t now;
	bool unsorted;
} lossy;

static bool of_device(const struct row *r)
{
	return r->kind == ROW_DEVICE_PUT || r->kind == ROW_DEVICE_SEEN ||
	       r->kind == ROW_DEVICE_REMOVE;
}

/* Two times in a row at most: the third within a minute would be believed. */
static enum outcome write_lossy(void *db, struct batch *b, enum err *e, struct errbuf *eb)
{
	uint32_t toss = lossy.in_a_row < 2 ? coin(&lossy.state) % 4 : 0;
	enum outcome o;

	for (size_t i = 1; i < b->n; i++)
		if (of_device(b->rows[i - 1]) && of_device(b->rows[i]))
			lossy.unsorted |= memcmp(b->rows[i - 1]->data, b->rows[i]->data, 16) > 0;

	if (toss == 1) {
		lossy.in_a_row++;
		lossy.before++;
		*e = err_set(eb, ERR_IO, "lost before it was written");
		return BATCH_UNKNOWN;
	}
	o = lossy.real->write(db, b, e, eb);
	if (toss == 2 && o == BATCH_WRITTEN) {
		lossy.in_a_row++;
		lossy.after++;
		*e = err_set(eb, ERR_IO, "lost after it was written");
		return BATCH_UNKNOWN;
	}
	lossy.in_a_row = 0;
	return o;
}

/* On the thread that uses it. */
static void make_lossy(void *ctx, struct store_change **changes, size_t n)
{
	struct store *s = ((struct rig *)ctx)->store;

	(void)changes, (void)n;
	if (s->ops == &lossy.ops)
		return;
	lossy.real = s->ops;
	lossy.ops = *s->ops;
	lossy.ops.write = write_lossy;
	s->ops = &lossy.ops;
}

/* Each transaction a minute after the last. */
static int64_t lossy_clock(void *ctx)
{
	(void)ctx;
	return lossy.now += 61000;
}

static void hostile(struct rig *r)
{
	struct store_options options = { .prepare = make_lossy, .ctx = r, .now_ms = lossy_clock };
	struct store_device d;
	struct follower f = { 1, true };
	uint64_t seq = 0;
	bool good = true;

	lossy.now = NOW;
	rig_close(r);
	if (!rig_open(r, &options) || !rig_device(r, 7777, &d))
		bail("cannot be opened again");
	for (uint32_t i = 0; i < 40 && good; i++) {
		uint64_t written = 0;

		good &= store_device_get(r->store, 1, d.id, &d, &r->eb) == OK &&
		        d.version == 1 + i &&
		        commit_seq(r->store, issuance(1, &d, 30000 + i, 30000 + i), &seq) == OK &&
		        store_event_of_request(r->store, 1, event_of(30000 + i, d.id).request,
		            &written, &r->eb) == OK &&
		        written == seq;
	}
	ok(good, "answers lost: every issuance is there once, with the number that was told");
	mixed(r, 1000);
	ok(!lossy.unsorted,
	    "devices in the order of their ids: two processes could not block each other");
	ok(lossy.before > 3 && lossy.after > 3, "%u lost before, %u after the COMMIT", lossy.before,
	    lossy.after);
	ok(store_event_list(r->store, 1, 1, follow, &f, &r->eb) == OK && f.dense,
	    "numbers without gaps");
}

int main(void)
{
	struct gate gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
	struct store_options options = { .prepare = hold, .ctx = &gate };
	struct rig r;

	rig_make(&r);
	if (!ok(rig_open(&r, &options), "a new store"))
		return done_testing();
	nouns(&r);
	settings(&r);
	versions(&r);
	refused(&r);
	lists(&r);
	certificates(&r);
	batch(&r, &gate);
	prepared(&r);
	many(&r);
	mixed(&r, 0);
	hostile(&r);
	ok(store_check(r.store, &r.eb) == OK, "the store is sound");
	rig_free(&r);

	rig_make(&r);
	options = (struct store_options){ .committed = see_committed };
	if (ok(rig_open(&r, &options), "another one")) {
		visits(&r);
		things(&r);
	}
	rig_free(&r);

	rig_make(&r);
	options =
	    (struct store_options){ .prepare = hold, .committed = see_committed, .ctx = &gate };
	if (ok(rig_open(&r, &options), "one with two tenants"))
		tenants(&r, &gate);
	rig_free(&r);

	rig_make(&r);
	if (ok(rig_open(&r, NULL) && rig_first(&r, 1), "one more")) {
		kept(&r);
		kept_certs(&r);
	}
	rig_free(&r);
	return done_testing();
}
