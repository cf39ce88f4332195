#include "cloud_issuer.h"

#include <stdio.h>
#include <string.h>

/* The server signs for so long, and is not asked. */
#define YEARS 31

static void take_id(const struct cloud_device *d, char id[UUID_TEXT + 1])
{
	memcpy(id, d->id, UUID_TEXT + 1);
}

/* ERR_NOT_FOUND also for a device that was deleted: its identity is over. */
static enum err device_alive(struct cloud *cloud, const char *id, struct errbuf *eb)
{
	struct cloud_device d;
	enum err e;

	if ((e = cloud_device_get(cloud, id, &d, eb)) != OK)
		return e;
	if (d.deleted)
		e = err_set(
		    eb, ERR_NOT_FOUND, "%s: device %s was deleted there", cloud_server(cloud), id);
	cloud_device_clear(&d);
	return e;
}

/* Whether nobody was ever given a certificate for it. */
static enum err device_unused(
    struct cloud *cloud, const struct cloud_device *d, bool *unused, struct errbuf *eb)
{
	struct cloud_certs certs;
	enum err e;

	if ((e = cloud_cert_list(cloud, d->id, &certs, eb)) != OK)
		return e;
	*unused = certs.n == 0 && !d->last_activity_at[0];
	cloud_certs_clear(&certs);
	return OK;
}

/* The only device of that name, when taking it harms nobody. ERR_NOT_FOUND: there is none. */
static enum err device_by_name(
    struct cloud *cloud, const char *name, char id[UUID_TEXT + 1], struct errbuf *eb)
{
	const struct cloud_device *found = NULL;
	struct cloud_filter filter = { .name = name };
	struct cloud_devices list;
	bool unused = false;
	size_t same = 0;
	enum err e;

	if ((e = cloud_device_list(cloud, &filter, &list, eb)) != OK)
		return e;
	for (size_t i = 0; i < list.n; i++)
		if (!list.at[i].deleted && strcmp(list.at[i].name, name) == 0) {
			found = &list.at[i];
			same++;
		}
	if (!found)
		e = ERR_NOT_FOUND;
	else if (same == 1)
		e = device_unused(cloud, found, &unused, eb);
	if (e == OK && !unused)
		e = err_set(eb, ERR_CONFLICT,
		    "%s has %s named %s: give --device %s if this board is that one, or another "
		    "--name",
		    cloud_server(cloud), same == 1 ? "a device" : "devices", name,
		    same == 1 ? found->id : "ID");
	if (e == OK)
		take_id(found, id);
	cloud_devices_clear(&list);
	return e;
}

static enum err device_make(
    const struct cloud_issuer *i, const char *name, char id[UUID_TEXT + 1], struct errbuf *eb)
{
	struct cloud_change with = i->board;
	struct cloud_device d;
	enum err e;

	with.name = name;
	if ((e = cloud_device_create(i->cloud, &with, &d, eb)) != OK)
		return e;
	take_id(&d, id);
	cloud_device_clear(&d);
	return OK;
}

static enum err device(void *ctx, const char *name, char id[UUID_TEXT + 1], struct errbuf *eb)
{
	const struct cloud_issuer *i = ctx;
	enum err e;

	if (i->device) {
		if ((e = device_alive(i->cloud, i->device, eb)) == OK)
			snprintf(id, UUID_TEXT + 1, "%s", i->device);
		return e;
	}
	if (id[0] && (e = device_alive(i->cloud, id, eb)) != ERR_NOT_FOUND)
		return e;
	if ((e = device_by_name(i->cloud, name, id, eb)) != ERR_NOT_FOUND)
		return e;
	return device_make(i, name, id, eb);
}

static enum err issue(void *ctx, const struct csr *csr, const char *device_id, unsigned years,
    uint8_t der[CCERT_CERT_MAX], size_t *n, struct errbuf *eb)
{
	const struct cloud_issuer *i = ctx;
	struct cloud_cert cert;
	enum err e;

	if (years != YEARS)
		return err_set(eb, ERR_ARG, "years: a server signs for %d", YEARS);
	if ((e = cloud_cert_create(i->cloud, device_id, csr->der, csr->q, &cert, eb)) != OK)
		return e;
	memcpy(der, cert.der, cert.n);
	*n = cert.n;
	return OK;
}

static bool is_it(const struct cloud_cert *cert, struct slice der)
{
	return slice_equal((struct slice){ cert->der, cert->n }, der);
}

/* Whether the server still holds it valid. Not knowing is no: then another one is made. */
static bool own(void *ctx, struct slice der)
{
	const struct cloud_issuer *i = ctx;
	char id[UUID_TEXT + 1] = "";
	struct cloud_certs certs;
	struct ccert fields;
	uint8_t q[64];
	bool valid = false;

	if (ccert_from_cert(der, &fields, q) != OK)
		return false;
	memcpy(id, fields.device_id, UUID_TEXT);
	if (cloud_cert_list(i->cloud, id, &certs, NULL) != OK)
		return false;
	for (size_t k = 0; k < certs.n; k++)
		valid |= certs.at[k].enabled && is_it(&certs.at[k], der);
	cloud_certs_clear(&certs);
	return valid;
}

static enum err settle(void *ctx, const char *device_id, struct slice der, struct errbuf *eb)
{
	const struct cloud_issuer *i = ctx;
	struct cloud_certs certs;
	bool there = false;
	enum err e;

	if ((e = cloud_cert_list(i->cloud, device_id, &certs, eb)) != OK)
		return e;
	for (size_t k = 0; k < certs.n; k++)
		there |= certs.at[k].enabled && is_it(&certs.at[k], der);
	if (!there)
		e = err_set(eb, ERR_CONFLICT, "%s no longer holds this certificate valid",
		    cloud_server(i->cloud));
	for (size_t k = 0; k < certs.n && e == OK; k++)
		if (certs.at[k].enabled && !is_it(&certs.at[k], der))
			e = cloud_cert_delete(
			    i->cloud, device_id, certs.at[k].id, "superseded", eb);
	cloud_certs_clear(&certs);
	return e;
}

struct issuer cloud_issuer(struct cloud_issuer *ctx)
{
	return (struct issuer){
		.ctx = ctx, .device = device, .issue = issue, .own = own, .settle = settle
	};
}
