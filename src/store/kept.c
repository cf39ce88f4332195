#include "kept.h"

#include <string.h>

enum { DEVICE_SETS = 1024, CERT_SETS = 1024, TOKEN_SETS = 256 };

bool kept_init(struct kept *k)
{
	k->devices = recent_new(DEVICE_SETS, sizeof(struct store_device));
	k->certs = recent_new(CERT_SETS, sizeof(struct store_cert));
	k->tokens = recent_new(TOKEN_SETS, sizeof(struct kept_token));
	if (k->devices && k->certs && k->tokens)
		return true;
	kept_free(k);
	return false;
}

void kept_free(struct kept *k)
{
	recent_free(k->devices);
	recent_free(k->certs);
	recent_free(k->tokens);
}

static struct recent_key key_16(uint32_t tenant, const uint8_t bytes[16])
{
	struct recent_key key = { .tenant = tenant };

	memcpy(key.bytes, bytes, 16);
	return key;
}

struct recent_key kept_device_key(uint32_t tenant, const uint8_t id[16])
{
	return key_16(tenant, id);
}

struct recent_key kept_cert_key(uint32_t tenant, const uint8_t serial[16])
{
	return key_16(tenant, serial);
}

/* Whatever its tenant: that is part of the row. */
struct recent_key kept_token_key(const uint8_t hash[32])
{
	struct recent_key key = { .tenant = 0 };

	memcpy(key.bytes, hash, 32);
	return key;
}

/* Of rows that begin with the id of a device. */
static struct recent_key key_of(const struct row *r)
{
	return kept_device_key(r->change->tenant, r->data);
}

/* --- before --- */

/* From the version that is kept: what differs in the indexes is known. */
static void compare(void *kept, void *with)
{
	const struct store_device *old = kept, *new = ((struct row *)with)->data;
	struct row *r = with;

	r->same = old->version == new->version &&strcmp(old->name, new->name) == 0 &&
	          strcmp(old->serial, new->serial) == 0 &&
	          strcmp(old->hardware, new->hardware) == 0 &&
	          memcmp(old->thing, new->thing, sizeof(old->thing)) == 0;
}

void kept_compare(struct kept *k, struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct row *r = b->rows[i];
		struct recent_key key;

		r->same = false;
		if (r->kind != ROW_DEVICE_PUT || r->add)
			continue;
		key = key_of(r);
		recent_visit(k->devices, &key, compare, r);
	}
}

/* --- behind --- */

/* SQL_device_set: of a row that is there, some columns stay, and the version rises. */
static void change(void *kept, void *with)
{
	struct store_device *d = kept, was = *d;

	*d = *(const struct store_device *)with;
	d->created = was.created;
	d->seen = was.seen;
	d->message_n = was.message_n;
	memcpy(d->message, was.message, sizeof(d->message));
	d->version++;
}

/* SQL_device_seen. */
static void see(void *kept, void *with)
{
	struct store_device *d = kept;
	const struct row_seen *seen = with;

	if (d->seen > seen->at && d->seen <= seen->at + STORE_AHEAD_MS)
		return;
	d->seen = seen->at;
	if (!seen->said)
		return;
	d->message_n = seen->n;
	memset(d->message, 0, sizeof(d->message));
	memcpy(d->message, seen->message, seen->n);
}

/* SQL_cert_set. */
static void switch_over(void *kept, void *with)
{
	struct store_cert *cert = kept;
	const struct store_cert *now = with;

	cert->state = now->state;
	cert->enabled = now->enabled;
	cert->revoked = now->revoked;
	cert->reason = now->reason;
	cert->version++;
}

static void put_cert(struct kept *k, const struct row *r)
{
	const struct store_cert *cert = r->data;
	struct recent_key key = kept_cert_key(r->change->tenant, cert->serial);

	if (r->add)
		recent_put(k->certs, &key, cert);
	else
		recent_visit(k->certs, &key, switch_over, r->data);
}

static void put_device(struct kept *k, const struct row *r)
{
	struct recent_key key = key_of(r);

	if (r->add)
		recent_put(k->devices, &key, r->data);
	else
		recent_visit(k->devices, &key, change, r->data);
}

static void put_token(struct kept *k, const struct row *r)
{
	struct kept_token t = { .tenant = r->change->tenant };
	struct recent_key key;

	t.token = *(const struct store_token *)r->data;
	key = kept_token_key(t.token.hash);
	recent_put(k->tokens, &key, &t);
}

void kept_written(struct kept *k, const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct row *r = b->rows[i];
		struct recent_key key;

		switch (r->kind) {
		case ROW_DEVICE_PUT:
			put_device(k, r);
			break;
		case ROW_DEVICE_SEEN:
			key = key_of(r);
			recent_visit(k->devices, &key, see, r->data);
			break;
		case ROW_DEVICE_REMOVE:
			key = key_of(r);
			recent_drop(k->devices, &key);
			break;
		case ROW_CERT_PUT:
			put_cert(k, r);
			break;
		case ROW_TOKEN_ADD:
			put_token(k, r);
			break;
		case ROW_TENANT_ADD:
		case ROW_PRINCIPAL_PUT:
		case ROW_AUTHORITY_PUT:
		case ROW_SETTING_PUT:
		case ROW_TAG_PUT:
		case ROW_TAG_REMOVE:
		case ROW_EVENT_ADD:
		case ROW_THING_PUT:
		case ROW_THING_REMOVE:
		case ROW_VALUE_PUT:
		case ROW_VISIT_PUT:
			break;
		}
	}
}

void kept_lost(struct kept *k, const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct row *r = b->rows[i];
		struct recent_key key;

		if (r->kind == ROW_DEVICE_PUT || r->kind == ROW_DEVICE_SEEN ||
		    r->kind == ROW_DEVICE_REMOVE) {
			key = key_of(r);
			recent_drop(k->devices, &key);
		} else if (r->kind == ROW_CERT_PUT) {
			key = kept_cert_key(
			    r->change->tenant, ((const struct store_cert *)r->data)->serial);
			recent_drop(k->certs, &key);
		} else if (r->kind == ROW_TOKEN_ADD) {
			key = kept_token_key(((const struct store_token *)r->data)->hash);
			recent_drop(k->tokens, &key);
		}
	}
}
