#include "change.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct store_change *store_change_new(uint32_t tenant)
{
	struct store_change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->tenant = tenant;
	c->last = &c->first;
	return c;
}

void store_change_free(struct store_change *c)
{
	struct row *next;

	if (!c)
		return;
	for (struct row *r = c->first; r; r = next) {
		next = r->next;
		free(r);
	}
	free(c);
}

void store_change_fail(struct store_change *c, enum err e, const char *fmt, ...)
{
	va_list ap;

	if (!c || c->e != OK)
		return;
	c->e = e;
	va_start(ap, fmt);
	vsnprintf(c->eb.text, sizeof(c->eb.text), fmt, ap);
	va_end(ap);
}

/* A row and n bytes of its own behind it; NULL when the change has failed already, or fails now. */
static struct row *append(struct store_change *c, enum row_kind kind, const void *data, size_t n)
{
	struct row *r;

	if (!c || c->e != OK)
		return NULL;
	if (!(r = malloc(sizeof(*r) + n))) {
		store_change_fail(c, ERR_MEMORY, "no memory for a row");
		return NULL;
	}
	*r = (struct row){ .change = c, .kind = kind, .number = c->n++, .data = r + 1 };
	memcpy(r->data, data, n);
	*c->last = r;
	c->last = &r->next;
	return r;
}

/* Version 0 is a row to be made, with version 1; `version` is inside of the copy. */
static void versioned(struct row *r, size_t version)
{
	uint32_t v;

	if (!r)
		return;
	memcpy(&v, (uint8_t *)r->data + version, sizeof(v));
	r->add = v == 0;
	v = r->add ? 1 : v;
	memcpy((uint8_t *)r->data + version, &v, sizeof(v));
}

void store_tenant_add(struct store_change *c, const struct store_tenant *tenant)
{
	append(c, ROW_TENANT_ADD, tenant, sizeof(*tenant));
}

void store_principal_put(struct store_change *c, const struct store_principal *principal)
{
	versioned(append(c, ROW_PRINCIPAL_PUT, principal, sizeof(*principal)),
	    offsetof(struct store_principal, version));
}

void store_token_add(struct store_change *c, const struct store_token *token)
{
	append(c, ROW_TOKEN_ADD, token, sizeof(*token));
}

void store_device_put(struct store_change *c, const struct store_device *device)
{
	versioned(append(c, ROW_DEVICE_PUT, device, sizeof(*device)),
	    offsetof(struct store_device, version));
}

static void append_remove(
    struct store_change *c, enum row_kind kind, const uint8_t id[16], uint32_t version)
{
	struct row_remove remove = { .version = version };

	memcpy(remove.id, id, 16);
	append(c, kind, &remove, sizeof(remove));
}

void store_device_remove(struct store_change *c, const uint8_t id[16], uint32_t version)
{
	append_remove(c, ROW_DEVICE_REMOVE, id, version);
}

void store_device_seen(
    struct store_change *c, const uint8_t id[16], int64_t at, struct slice message)
{
	struct row_seen seen = { .at = at, .said = message.p != NULL };

	memcpy(seen.id, id, 16);
	if (seen.said) {
		seen.n = (uint32_t)(message.n < STORE_MESSAGE_MAX ? message.n : STORE_MESSAGE_MAX);
		memcpy(seen.message, message.p, seen.n);
	}
	append(c, ROW_DEVICE_SEEN, &seen, sizeof(seen));
}

void store_tag_put(struct store_change *c, const uint8_t device[16], const struct store_tag *tag)
{
	struct row_tag row = { .tag = *tag };

	memcpy(row.device, device, 16);
	append(c, ROW_TAG_PUT, &row, sizeof(row));
}

void store_tag_remove(struct store_change *c, const uint8_t device[16], const char *key)
{
	struct row_tag row = { .tag = { "", "" } };

	memcpy(row.device, device, 16);
	if (strlen(key) >= sizeof(row.tag.key))
		return; /* no tag has such a name */
	memcpy(row.tag.key, key, strlen(key) + 1);
	append(c, ROW_TAG_REMOVE, &row, sizeof(row));
}

void store_cert_put(struct store_change *c, const struct store_cert *cert)
{
	versioned(
	    append(c, ROW_CERT_PUT, cert, sizeof(*cert)), offsetof(struct store_cert, version));
}

void store_authority_put(struct store_change *c, const struct store_authority *authority)
{
	append(c, ROW_AUTHORITY_PUT, authority, sizeof(*authority));
}

void store_thing_put(struct store_change *c, const struct store_thing *thing)
{
	versioned(
	    append(c, ROW_THING_PUT, thing, sizeof(*thing)), offsetof(struct store_thing, version));
}

void store_thing_remove(struct store_change *c, const uint8_t id[16], uint32_t version)
{
	append_remove(c, ROW_THING_REMOVE, id, version);
}

void store_value_put(struct store_change *c, const struct store_value *value)
{
	append(c, ROW_VALUE_PUT, value, sizeof(*value));
}

void store_visit_put(struct store_change *c, const struct store_visit *visit)
{
	append(c, ROW_VISIT_PUT, visit, sizeof(*visit));
}

void store_event_add(struct store_change *c, const struct store_event *event)
{
	append(c, ROW_EVENT_ADD, event, sizeof(*event));
}

void store_setting_put(struct store_change *c, const char *name, const char *value)
{
	size_t name_n = strlen(name), value_n = value ? strlen(value) : 0;
	struct setting *s;
	struct row *r;
	uint8_t *text;

	if (name_n > STORE_EVENT_MAX || value_n > STORE_EVENT_MAX) {
		store_change_fail(c, ERR_ARG, "setting: longer than %d bytes", STORE_EVENT_MAX);
		return;
	}
	if (!(text = malloc(sizeof(*s) + name_n + value_n))) {
		store_change_fail(c, ERR_MEMORY, "no memory for a row");
		return;
	}
	memset(text, 0, sizeof(*s));
	memcpy(text + sizeof(*s), name, name_n);
	if (value_n)
		memcpy(text + sizeof(*s) + name_n, value, value_n);
	r = append(c, ROW_SETTING_PUT, text, sizeof(*s) + name_n + value_n);
	free(text);
	if (!r)
		return;
	s = r->data;
	s->name = (struct slice){ (uint8_t *)(s + 1), name_n };
	s->value = (struct slice){ value ? (uint8_t *)(s + 1) + name_n : NULL, value_n };
}

/* --- for prepare --- */

void *store_change_ctx(const struct store_change *c)
{
	return c->ctx;
}

static void *first_of(struct store_change *c, enum row_kind kind, bool add)
{
	for (struct row *r = c->first; r; r = r->next)
		if (r->kind == kind && r->add == add)
			return r->data;
	return NULL;
}

struct store_cert *store_change_cert(struct store_change *c)
{
	return first_of(c, ROW_CERT_PUT, true);
}

struct store_event *store_change_event(struct store_change *c)
{
	return first_of(c, ROW_EVENT_ADD, false);
}
