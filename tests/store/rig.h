/*
 * rig.h -- rows for tests of the store, and a folder of its own for the file.
 */
#ifndef IMPRINT_TESTS_STORE_RIG_H
#define IMPRINT_TESTS_STORE_RIG_H

#include "store.h"
#include "tap.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define NOW INT64_C(1763856000000)

struct rig {
	char folder[64], path[96];
	struct store *store;
	struct errbuf eb;
};

__attribute__((unused)) static void bail(const char *what)
{
	printf("Bail out! %s\n", what);
	exit(1);
}

__attribute__((unused)) static void rig_make(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->folder, sizeof(r->folder), "/tmp/imprint-store-XXXXXX");
	if (!mkdtemp(r->folder))
		bail("no temporary folder");
	snprintf(r->path, sizeof(r->path), "%s/imprint.db", r->folder);
}

/* Everything in it goes; the folder stays. */
__attribute__((unused)) static void rig_empty(struct rig *r)
{
	DIR *d = opendir(r->folder);
	char path[400];

	for (struct dirent *f; d && (f = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", r->folder, f->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
}

__attribute__((unused)) static void rig_free(struct rig *r)
{
	store_close(r->store);
	rig_empty(r);
	rmdir(r->folder);
}

__attribute__((unused)) static bool rig_open(struct rig *r, const struct store_options *options)
{
	enum err e = store_open(r->path, options, &r->store, &r->eb);

	if (e != OK)
		printf("# %s: %s\n", err_name(e), r->eb.text);
	return e == OK;
}

__attribute__((unused)) static void rig_close(struct rig *r)
{
	store_close(r->store);
	r->store = NULL;
}

/* 16 bytes that say where they come from. */
__attribute__((unused)) static void id_of(uint32_t kind, uint32_t n, uint8_t id[16])
{
	/* Scattered, as random ones are. */
	uint32_t scattered = (n + 1) * 2654435761u;

	memset(id, 0x40, 16);
	store_be32(id, scattered);
	store_be32(id + 4, kind);
	store_be32(id + 8, n);
}

__attribute__((unused)) static struct store_tenant tenant_of(uint32_t n)
{
	struct store_tenant t = { .demo = true, .created = NOW, .name = "workshop" };

	id_of(1, n, t.uuid);
	return t;
}

__attribute__((unused)) static struct store_authority authority_of(uint32_t n)
{
	struct store_authority a = { .id = n,
		.kind = "device-ca",
		.key = "ca/key.pem",
		.state = "active",
		.created = NOW,
		.n = 300 };

	memset(a.key_id, 0x11, sizeof(a.key_id));
	memset(a.der, 0x30, 300);
	return a;
}

__attribute__((unused)) static struct store_device device_of(uint32_t n)
{
	struct store_device d = { .type = "mkrwifi1010",
		.fqbn = "arduino:samd:mkrwifi1010",
		.enabled = true,
		.created = NOW + n,
		.changed = NOW + n };

	id_of(2, n, d.id);
	snprintf(d.name, sizeof(d.name), "board %u", n);
	snprintf(d.serial, sizeof(d.serial), "%018X", n);
	return d;
}

__attribute__((unused)) static struct store_cert cert_of(uint32_t n, const uint8_t device[16])
{
	struct store_cert c = { .authority = 1,
		.not_before = 226000,
		.years = 31,
		.profile = 1,
		.level = 1,
		.enabled = true,
		.created = NOW + n };

	id_of(3, n, c.serial);
	memcpy(c.device, device, 16);
	memset(c.q, (int)(n & 0xff), sizeof(c.q));
	memset(c.sig, (int)(n >> 8 & 0xff), sizeof(c.sig));
	memset(c.fingerprint, 0x77, sizeof(c.fingerprint));
	return c;
}

static const uint8_t event_body[] = "\x01 an entry about what happened and why";

__attribute__((unused)) static struct store_event event_of(uint32_t n, const uint8_t subject[16])
{
	struct store_event v = { .at = NOW + n,
		.kind = "certificate.issued",
		.body = { event_body, sizeof(event_body) } };

	id_of(4, n, v.request);
	memcpy(v.subject, subject, 16);
	memset(v.leaf, (int)(n & 0xff), sizeof(v.leaf));
	return v;
}

/* The second half of a device's life: row, certificate, entry. */
__attribute__((unused)) static struct store_change *issuance(
    uint32_t tenant, const struct store_device *d, uint32_t cert_n, uint32_t event_n)
{
	struct store_change *c = store_change_new(tenant);
	struct store_cert cert = cert_of(cert_n, d->id);
	struct store_event event = event_of(event_n, d->id);
	struct store_device newer = *d;

	memcpy(newer.cert, cert.serial, 16);
	newer.changed++;
	store_device_put(c, &newer);
	store_cert_put(c, &cert);
	store_event_add(c, &event);
	return c;
}

/* Tenant 1 with authority 1. */
__attribute__((unused)) static bool rig_first(struct rig *r, uint32_t tenant)
{
	struct store_tenant t = tenant_of(tenant);
	struct store_authority a = authority_of(1);
	struct store_change *c = store_change_new(tenant);

	store_tenant_add(c, &t);
	store_authority_put(c, &a);
	return store_commit(r->store, c, &r->eb) == OK;
}

__attribute__((unused)) static bool rig_device(struct rig *r, uint32_t n, struct store_device *d)
{
	struct store_change *c = store_change_new(1);

	*d = device_of(n);
	store_device_put(c, d);
	return store_commit(r->store, c, &r->eb) == OK &&
	       store_device_get(r->store, 1, d->id, d, &r->eb) == OK;
}

#endif
