#include "commit.h"

#include "utc.h"

#include <stdlib.h>
#include <string.h>

static int64_t system_clock(void *ctx)
{
	(void)ctx;
	return utc_now_ms();
}

enum err store_open(
    const char *path, const struct store_options *options, struct store **store, struct errbuf *eb)
{
	struct store *s = calloc(1, sizeof(*s));
	enum err e;

	if (!s)
		return err_set(eb, ERR_MEMORY, "no memory for a store");
	if (!kept_init(&s->kept)) {
		free(s);
		return err_set(eb, ERR_MEMORY, "no memory for a store");
	}
	s->ops = &sqlite_ops;
	if (options)
		s->options = *options;
	if (!s->options.now_ms)
		s->options.now_ms = system_clock;
	if ((e = s->ops->open(path, s->options.now_ms(s->options.ctx), &s->db, &s->batch, eb)) !=
	        OK ||
	    (e = committer_start(s, eb)) != OK)
		goto out;
	*store = s;
	return OK;
out:
	if (s->db)
		s->ops->close(s->db);
	kept_free(&s->kept);
	free(s);
	return e;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	committer_stop(store);
	store->ops->close(store->db);
	kept_free(&store->kept);
	free(store);
}

enum err store_backup(struct store *s, const char *path, struct errbuf *eb)
{
	return s->ops->backup(s->db, path, eb);
}

enum err store_check(struct store *s, struct errbuf *eb)
{
	return s->ops->check(s->db, eb);
}

/* --- one row --- */

static enum err get(struct store *s, enum sql sql, const struct value *args, size_t n,
    const struct noun *noun, void *out, uint32_t *tenant, struct errbuf *eb)
{
	struct rows rows = { NULL, NULL };
	enum err e;

	if ((e = s->ops->find(s->db, sql, args, n, &rows, eb)) == OK &&
	    (e = s->ops->next(s->db, &rows, noun, out, tenant, eb)) == ERR_NOT_FOUND)
		err_set(eb, e, "no such %s", noun->name);
	s->ops->done(s->db, &rows);
	return e;
}

enum err store_tenant_get(
    struct store *s, const uint8_t uuid[16], struct store_tenant *out, struct errbuf *eb)
{
	struct value args[] = { value_bytes(uuid, 16) };
	struct store_tenant t = { 0 };
	enum err e = get(s, SQL_tenant_get, args, COUNT(args), &noun_tenant, &t, &t.id, eb);

	if (e == OK)
		*out = t;
	return e;
}

enum err store_tenant_first(struct store *s, struct store_tenant *out, struct errbuf *eb)
{
	struct store_tenant t = { 0 };
	enum err e = get(s, SQL_tenant_first, NULL, 0, &noun_tenant, &t, &t.id, eb);

	if (e == OK)
		*out = t;
	return e;
}

enum err store_principal_named(struct store *s, uint32_t tenant, const char *name,
    struct store_principal *out, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_text(name) };
	struct store_principal p = { 0 };
	enum err e = get(s, SQL_principal_named, args, COUNT(args), &noun_principal, &p, NULL, eb);

	if (e == OK)
		*out = p;
	return e;
}

enum err store_client(struct store *s, const char *name, uint32_t *tenant,
    struct store_principal *out, struct errbuf *eb)
{
	struct value args[] = { value_text(name) };
	struct store_principal p = { 0 };
	uint32_t of = 0;
	enum err e = get(s, SQL_client, args, COUNT(args), &noun_principal, &p, &of, eb);

	if (e != OK)
		return e;
	*tenant = of;
	*out = p;
	return OK;
}

enum err store_token_get(struct store *s, const uint8_t hash[32], uint32_t *tenant,
    struct store_token *out, struct errbuf *eb)
{
	struct value args[] = { value_bytes(hash, 32) };
	struct recent_key key = kept_token_key(hash);
	struct kept_token t = { .tenant = 0 };
	uint64_t ticket;
	enum err e = OK;

	if (!recent_find(s->kept.tokens, &key, &t, &ticket) &&
	    (e = get(s, SQL_token_get, args, COUNT(args), &noun_token, &t.token, &t.tenant, eb)) ==
	        OK)
		recent_keep(s->kept.tokens, &key, &t, ticket);
	if (e != OK)
		return e;
	*tenant = t.tenant;
	*out = t.token;
	return OK;
}

enum err store_device_get(struct store *s, uint32_t tenant, const uint8_t id[16],
    struct store_device *out, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_bytes(id, 16) };
	struct recent_key key = kept_device_key(tenant, id);
	struct store_device d = { 0 };
	uint64_t ticket;
	enum err e;

	if (recent_find(s->kept.devices, &key, out, &ticket))
		return OK;
	if ((e = get(s, SQL_device_get, args, COUNT(args), &noun_device, &d, NULL, eb)) != OK)
		return e;
	recent_keep(s->kept.devices, &key, &d, ticket);
	*out = d;
	return OK;
}

enum err store_cert_get(struct store *s, uint32_t tenant, const uint8_t serial[16],
    struct store_cert *out, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_bytes(serial, 16) };
	struct recent_key key = kept_cert_key(tenant, serial);
	struct store_cert c = { 0 };
	uint64_t ticket;
	enum err e;

	if (recent_find(s->kept.certs, &key, out, &ticket))
		return OK;
	if ((e = get(s, SQL_cert_get, args, COUNT(args), &noun_cert, &c, NULL, eb)) != OK)
		return e;
	recent_keep(s->kept.certs, &key, &c, ticket);
	*out = c;
	return OK;
}

enum err store_thing_get(struct store *s, uint32_t tenant, const uint8_t id[16],
    struct store_thing *out, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_bytes(id, 16) };
	struct store_thing t = { 0 };
	enum err e = get(s, SQL_thing_get, args, COUNT(args), &noun_thing, &t, NULL, eb);

	if (e == OK)
		*out = t;
	return e;
}

enum err store_device_of_thing(struct store *s, uint32_t tenant, const uint8_t thing[16],
    struct store_device *out, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_bytes(thing, 16) };
	struct store_device d = { 0 };
	enum err e = get(s, SQL_device_of_thing, args, COUNT(args), &noun_device, &d, NULL, eb);

	if (e == OK)
		*out = d;
	return e;
}

enum err store_numbers(
    struct store *s, uint32_t tenant, uint64_t *seq, uint64_t *visit, struct errbuf *eb)
{
	struct value events[] = { value_number(tenant), value_text("event") };
	struct value visits[] = { value_number(tenant), value_text("visit") };
	struct counter event, last;
	enum err e;

	if ((e = get(s, SQL_counter_get, events, 2, &noun_counter, &event, NULL, eb)) != OK ||
	    (e = get(s, SQL_counter_get, visits, 2, &noun_counter, &last, NULL, eb)) != OK)
		return e;
	*seq = event.n;
	*visit = last.n;
	return OK;
}

enum err store_event_of_request(
    struct store *s, uint32_t tenant, const uint8_t request[16], uint64_t *seq, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_bytes(request, 16) };
	struct store_event event = { 0 };
	enum err e = get(s, SQL_event_of_request, args, COUNT(args), &noun_event, &event, NULL, eb);

	if (e == OK)
		*seq = event.seq;
	return e;
}

enum err store_setting_get(
    struct store *s, uint32_t tenant, const char *name, char **value, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_text(name) };
	struct rows rows = { NULL, NULL };
	struct setting setting;
	enum err e;

	if ((e = s->ops->find(s->db, SQL_setting_get, args, COUNT(args), &rows, eb)) != OK)
		goto out;
	if ((e = s->ops->next(s->db, &rows, &noun_setting, &setting, NULL, eb)) != OK) {
		if (e == ERR_NOT_FOUND)
			err_set(eb, e, "no such setting: %.60s", name);
		goto out;
	}
	if (!(*value = calloc(1, setting.value.n + 1))) {
		e = err_set(eb, ERR_MEMORY, "no memory for a setting");
		goto out;
	}
	if (setting.value.n)
		memcpy(*value, setting.value.p, setting.value.n);
out:
	s->ops->done(s->db, &rows);
	return e;
}

/* --- lists --- */

/* Each row to `each` by way of `hand`, which knows its type. */
struct list {
	enum sql sql;
	const struct noun *noun;
	void *row;
	bool (*hand)(const struct list *l);
	union {
		bool (*device)(void *ctx, const struct store_device *);
		bool (*tag)(void *ctx, const struct store_tag *);
		bool (*cert)(void *ctx, const struct store_cert *);
		bool (*authority)(void *ctx, const struct store_authority *);
		bool (*event)(void *ctx, const struct store_event *);
		bool (*visit)(void *ctx, const struct store_visit *);
		bool (*thing)(void *ctx, const struct store_thing *);
		bool (*value)(void *ctx, const struct store_value *);
	} each;
	void *ctx;
};

static enum err list(
    struct store *s, const struct list *l, const struct value *args, size_t n, struct errbuf *eb)
{
	struct rows rows = { NULL, NULL };
	enum err e;

	if ((e = s->ops->find(s->db, l->sql, args, n, &rows, eb)) == OK)
		while ((e = s->ops->next(s->db, &rows, l->noun, l->row, NULL, eb)) == OK)
			if (!l->hand(l))
				break;
	s->ops->done(s->db, &rows);
	return e == ERR_NOT_FOUND ? OK : e;
}

static bool hand_device(const struct list *l)
{
	return l->each.device(l->ctx, l->row);
}

enum err store_device_list(struct store *s, uint32_t tenant, const struct store_filter *filter,
    bool (*each)(void *ctx, const struct store_device *device), void *ctx, struct errbuf *eb)
{
	static const struct store_filter any = { 0 };
	static const uint8_t none[16];
	const struct store_filter *f = filter ? filter : &any;
	struct value args[7 + 2 * STORE_FILTER_TAGS] = { value_number(tenant),
		value_number(f->after ? f->after_created : INT64_MIN),
		value_bytes(f->after ? f->after : none, 16), value_number(f->deleted),
		value_text(f->serial), value_text(f->hardware), value_text(f->name) };
	struct store_device row;
	struct list l = { SQL_devices, &noun_device, &row, hand_device, { .device = each }, ctx };

	if (f->tags_n > STORE_FILTER_TAGS)
		return err_set(eb, ERR_ARG, "tags: more than %d", STORE_FILTER_TAGS);
	for (size_t i = 0; i < STORE_FILTER_TAGS; i++) {
		args[7 + 2 * i] = value_text(i < f->tags_n ? f->tags[i].key : NULL);
		args[8 + 2 * i] = value_text(i < f->tags_n ? f->tags[i].value : NULL);
	}
	/* By what leaves the fewest. */
	if (f->serial && *f->serial)
		l.sql = SQL_devices_by_serial;
	else if (f->hardware && *f->hardware)
		l.sql = SQL_devices_by_hardware;
	else if (f->name)
		l.sql = SQL_devices_by_name;
	else if (f->tags_n)
		l.sql = SQL_devices_by_tag;
	return list(s, &l, args, COUNT(args), eb);
}

static bool hand_tag(const struct list *l)
{
	return l->each.tag(l->ctx, l->row);
}

enum err store_tag_list(struct store *s, uint32_t tenant, const uint8_t device[16],
    bool (*each)(void *ctx, const struct store_tag *tag), void *ctx, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_bytes(device, 16) };
	struct store_tag row;
	struct list l = { SQL_tags, &noun_tag, &row, hand_tag, { .tag = each }, ctx };

	return list(s, &l, args, COUNT(args), eb);
}

static bool hand_cert(const struct list *l)
{
	return l->each.cert(l->ctx, l->row);
}

enum err store_cert_list(struct store *s, uint32_t tenant, const uint8_t *device,
    bool (*each)(void *ctx, const struct store_cert *cert), void *ctx, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_bytes(device, 16) };
	struct store_cert row;
	struct list l = { device ? SQL_certs_of_device : SQL_certs, &noun_cert, &row, hand_cert,
		{ .cert = each }, ctx };

	return list(s, &l, args, device ? 2 : 1, eb);
}

static bool hand_authority(const struct list *l)
{
	return l->each.authority(l->ctx, l->row);
}

enum err store_authority_list(struct store *s, uint32_t tenant,
    bool (*each)(void *ctx, const struct store_authority *authority), void *ctx, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant) };
	struct store_authority row;
	struct list l = { SQL_authorities, &noun_authority, &row, hand_authority,
		{ .authority = each }, ctx };

	return list(s, &l, args, COUNT(args), eb);
}

static bool hand_event(const struct list *l)
{
	return l->each.event(l->ctx, l->row);
}

enum err store_event_list(struct store *s, uint32_t tenant, uint64_t from,
    bool (*each)(void *ctx, const struct store_event *event), void *ctx, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_number((int64_t)from) };
	struct store_event row;
	struct list l = { SQL_events, &noun_event, &row, hand_event, { .event = each }, ctx };

	return list(s, &l, args, COUNT(args), eb);
}

static bool hand_visit(const struct list *l)
{
	return l->each.visit(l->ctx, l->row);
}

static enum err visits(struct store *s, enum sql sql, const struct value *args, size_t n,
    bool (*each)(void *ctx, const struct store_visit *visit), void *ctx, struct errbuf *eb)
{
	struct store_visit row;
	struct list l = { sql, &noun_visit, &row, hand_visit, { .visit = each }, ctx };

	return list(s, &l, args, n, eb);
}

enum err store_visit_list(struct store *s, uint32_t tenant, const uint8_t device[16],
    bool (*each)(void *ctx, const struct store_visit *visit), void *ctx, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_bytes(device, 16) };

	return visits(s, SQL_visits_of_device, args, COUNT(args), each, ctx, eb);
}

enum err store_visit_changes(struct store *s, uint32_t tenant, uint64_t behind,
    bool (*each)(void *ctx, const struct store_visit *visit), void *ctx, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_number((int64_t)behind) };

	return visits(s, SQL_visit_changes, args, COUNT(args), each, ctx, eb);
}

enum err store_visit_open(struct store *s, uint32_t tenant,
    bool (*each)(void *ctx, const struct store_visit *visit), void *ctx, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant) };

	return visits(s, SQL_visits_open, args, COUNT(args), each, ctx, eb);
}

static bool hand_thing(const struct list *l)
{
	return l->each.thing(l->ctx, l->row);
}

enum err store_thing_list(struct store *s, uint32_t tenant,
    bool (*each)(void *ctx, const struct store_thing *thing), void *ctx, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant) };
	struct store_thing row;
	struct list l = { SQL_things, &noun_thing, &row, hand_thing, { .thing = each }, ctx };

	return list(s, &l, args, COUNT(args), eb);
}

static bool hand_value(const struct list *l)
{
	return l->each.value(l->ctx, l->row);
}

enum err store_value_list(struct store *s, uint32_t tenant, const uint8_t thing[16],
    bool (*each)(void *ctx, const struct store_value *value), void *ctx, struct errbuf *eb)
{
	struct value args[] = { value_number(tenant), value_bytes(thing, 16) };
	struct store_value row;
	struct list l = { SQL_values_of_thing, &noun_value, &row, hand_value, { .value = each },
		ctx };

	return list(s, &l, args, COUNT(args), eb);
}
