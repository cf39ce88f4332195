/*
 * What any database behind store.h must do: every noun in and out, versions, order, numbers, batches.
 *
 * Nothing here knows which database it is.
 */
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

	c = issuance(1, &d2, 1, 700);
	ok(store_commit(r->store, c, &r->eb) == ERR_CONFLICT, "a serial twice: %s", r->eb.text);
	c = issuance(1, &d2, 700, 1);
	ok(store_commit(r->store, c, &r->eb) == ERR_CONFLICT, "a request twice: %s", r->eb.text);
	ok(store_device_get(r->store, 1, d2.id, &d2, &r->eb) == OK && d2.version == 3,
	    "nothing of them is left");
	c = issuance(2, &d2, 701, 701);
	ok(store_commit(r->store, c, &r->eb) == ERR_NOT_FOUND, "no such tenant: %s", r->eb.text);
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

int main(void)
{
	struct rig r;

	rig_make(&r);
	if (!ok(rig_open(&r, NULL), "a new store"))
		return done_testing();
	nouns(&r);
	settings(&r);
	versions(&r);
	refused(&r);
	ok(store_check(r.store, &r.eb) == OK, "the store is sound");
	rig_free(&r);
	return done_testing();
}
