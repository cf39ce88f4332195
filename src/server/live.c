#include "live.h"
#include "p256.h"
#include "utc.h"

#include <stdio.h>
#include <string.h>

struct search {
	struct store_cert active, issued;
	bool has_active, has_issued;
};

/* Oldest first: the last one stays. */
static bool look(void *ctx, const struct store_cert *cert)
{
	struct search *s = ctx;

	if (!cert->enabled)
		return true;
	if (cert->state == STORE_ACTIVE) {
		s->active = *cert;
		s->has_active = true;
	} else if (cert->state == STORE_ISSUED) {
		s->issued = *cert;
		s->has_issued = true;
	}
	return true;
}

enum err live_certs(struct store *store, uint32_t tenant, const struct store_device *device,
    struct live *out, struct errbuf *eb)
{
	struct search s = { .has_active = false };
	enum err e = OK;

	if (!ct_zero(device->cert, sizeof(device->cert)))
		e = store_cert_list(store, tenant, device->id, look, &s, eb);
	if (e != OK)
		return e;
	out->n = 0;
	if (s.has_active)
		out->cert[out->n++] = s.active;
	if (s.has_issued)
		out->cert[out->n++] = s.issued;
	return OK;
}

int64_t live_end(const struct store_cert *cert)
{
	struct x509_hour from, to;
	int64_t seconds = 0;

	if (utc_hour_since_2000(cert->not_before, &from) == OK) {
		to = x509_hour_add_years(&from, cert->years);
		if (utc_seconds(&to, &seconds) != OK)
			seconds = 0;
	}
	return seconds;
}

enum err live_device_of(struct store *store, uint32_t tenant, const struct store_device *row,
    struct live_device *out, struct errbuf *eb)
{
	struct live_device d = { .enabled = row->enabled };
	struct live live;
	enum err e;

	if (row->deleted)
		return err_set(eb, ERR_NOT_FOUND, "deleted");
	if ((e = live_certs(store, tenant, row, &live, eb)) != OK)
		return e;
	memcpy(d.id, row->id, sizeof(d.id));
	memcpy(d.thing, row->thing, sizeof(d.thing));
	for (unsigned i = 0; i < live.n; i++) {
		memcpy(d.print[i], live.cert[i].fingerprint, LIVE_PRINT);
		d.not_after = live_end(&live.cert[i]);
	}
	*out = d;
	return OK;
}

enum err live_device(struct store *store, uint32_t tenant, const uint8_t id[16],
    struct live_device *out, struct errbuf *eb)
{
	struct store_device row;
	enum err e = store_device_get(store, tenant, id, &row, eb);

	return e == OK ? live_device_of(store, tenant, &row, out, eb) : e;
}

/* --- the first connection --- */

/* Those before the one that came. */
struct retiring {
	struct store_change *change;
	const struct store_cert *used;
};

static bool retire(void *ctx, const struct store_cert *cert)
{
	const struct retiring *r = ctx;
	struct store_cert old = *cert;

	if (memcmp(cert->serial, r->used->serial, 16) == 0)
		return false; /* oldest first: what follows came later */
	if (cert->state == STORE_ISSUED || cert->state == STORE_ACTIVE) {
		old.state = STORE_SUPERSEDED;
		old.enabled = false;
		store_cert_put(r->change, &old);
	}
	return true;
}

static enum err add_event(struct store_change *c, const struct live_use *use,
    const struct store_cert *cert, uint8_t body[EVENT_BODY_MAX], struct errbuf *eb)
{
	struct event event = { .shape = EVENT_NOTHING };
	struct store_event row = { .at = use->at, .kind = "certificate.activated" };

	if (random_bytes(event.salt, sizeof(event.salt)) != OK)
		return err_set(eb, ERR_IO, "no random numbers");
	memcpy(event.certificate, cert->serial, sizeof(event.certificate));
	snprintf(event.peer, sizeof(event.peer), "%s", use->address);
	snprintf(event.note, sizeof(event.note), "%s", use->broker);
	memcpy(row.subject, use->device, sizeof(row.subject));
	row.body = (struct slice){ body, event_put(&event, body) };
	store_event_add(c, &row);
	return OK;
}

enum err live_used(struct store *store, uint32_t tenant, const struct live_use *use,
    uint8_t body[EVENT_BODY_MAX], struct store_change **out, struct errbuf *eb)
{
	struct retiring r = { .change = NULL };
	const struct store_cert *used = NULL;
	struct store_device row;
	struct store_cert active;
	struct live live;
	enum err e = store_device_get(store, tenant, use->device, &row, eb);

	*out = NULL;
	if (e == ERR_NOT_FOUND)
		return OK;
	if (e != OK || (e = live_certs(store, tenant, &row, &live, eb)) != OK)
		return e;
	for (unsigned i = 0; i < live.n; i++)
		if (live.cert[i].state == STORE_ISSUED &&
		    memcmp(live.cert[i].fingerprint, use->print, LIVE_PRINT) == 0)
			used = &live.cert[i];
	if (!used)
		return OK;
	if (!(r.change = store_change_new(tenant)))
		return err_set(eb, ERR_MEMORY, "no memory for a change");
	r.used = used;
	active = *used;
	active.state = STORE_ACTIVE;
	store_cert_put(r.change, &active);
	if ((e = store_cert_list(store, tenant, use->device, retire, &r, eb)) != OK ||
	    (e = add_event(r.change, use, used, body, eb)) != OK) {
		store_change_free(r.change);
		return e;
	}
	*out = r.change;
	return OK;
}
