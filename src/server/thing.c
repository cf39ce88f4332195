/* Things: made, found, changed, removed, and which device each belongs to. */
#include "call.h"
#include "sha256.h"
#include "uuid.h"
#include "zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONE_DEFAULT "UTC"

/* --- values, as properties --- */

static const char *value_type(const char *json)
{
	if (json[0] == '"')
		return "CHARSTRING";
	if (json[0] == 't' || json[0] == 'f')
		return "STATUS";
	return strpbrk(json, ".eE") ? "FLOAT" : "INT";
}

/* The same property has the same id for ever: made of its thing and its name. */
static void property_id(const struct store_value *v, uint8_t id[16])
{
	struct sha256 h;
	uint8_t digest[32];

	sha256_init(&h);
	sha256_update(&h, SLICE(v->thing));
	sha256_update(&h, (struct slice){ (const uint8_t *)v->name, strlen(v->name) });
	sha256_final(&h, digest);
	memcpy(id, digest, 16);
	uuid_mark(id, 8);
}

#define HREF_SIZE 128

static void href_of(const uint8_t thing[16], const uint8_t *property, char text[HREF_SIZE])
{
	char uuid[UUID_TEXT];
	int n;

	uuid_text(thing, uuid);
	n = snprintf(text, HREF_SIZE, "/iot/v2/things/%.*s", UUID_TEXT, uuid);
	if (!property)
		return;
	uuid_text(property, uuid);
	snprintf(text + n, HREF_SIZE - (size_t)n, "/properties/%.*s", UUID_TEXT, uuid);
}

static void property_json(const struct store_value *v, struct json_out *w)
{
	char href[HREF_SIZE];
	uint8_t id[16];

	property_id(v, id);
	href_of(v->thing, id, href);
	json_open(w, NULL, '{');
	json_text(w, "href", href);
	json_uuid(w, "id", id);
	json_text(w, "name", v->name);
	json_text(w, "variable_name", v->name);
	json_text(w, "permission", "READ_WRITE");
	json_uuid(w, "thing_id", v->thing);
	json_text(w, "type", value_type(v->json));
	json_text(w, "update_strategy", "ON_CHANGE");
	json_raw(w, "last_value", v->json);
	json_time(w, "value_updated_at", v->at);
	json_close(w, '}');
}

struct properties {
	struct json_out *w; /* NULL: they are only counted */
	int64_t n;
};

static bool put_property(void *ctx, const struct store_value *v)
{
	struct properties *p = ctx;

	if (p->w)
		property_json(v, p->w);
	p->n++;
	return true;
}

/* An array of them, or nothing but their number. */
static enum err properties_json(
    struct call *c, const uint8_t thing[16], bool written, struct json_out *w, int64_t *n)
{
	struct properties p = { .w = written ? w : NULL };
	enum err e;

	if (written)
		json_open(w, "properties", '[');
	e = store_value_list(api_registry(c->api), c->tenant, thing, put_property, &p, &c->eb);
	if (written)
		json_close(w, ']');
	*n = p.n;
	return e;
}

enum err device_properties(struct call *c)
{
	struct json_out w = json_out(512);
	struct store_device d;
	int64_t n;
	enum err e;

	if ((e = call_device(c, false, &d)) != OK) {
		json_drop(&w);
		return e;
	}
	json_open(&w, NULL, '{');
	json_uuid(&w, "deviceId", d.id);
	json_uuid(&w, "user_id", d.user);
	json_int(&w, "data_retention_days", 0); /* nothing but the last value is kept */
	if ((e = properties_json(c, d.thing, true, &w, &n)) != OK) {
		json_drop(&w);
		return e;
	}
	json_close(&w, '}');
	answer_json(c, 200, &w);
	return OK;
}

/* --- as JSON --- */

/* What every client needs of one. */
static void required(const struct store_thing *t, struct json_out *w)
{
	char href[HREF_SIZE];

	href_of(t->id, NULL, href);
	json_text(w, "href", href);
	json_uuid(w, "id", t->id);
	json_text(w, "name", t->name);
	json_text(w, "timezone", t->timezone);
	json_uuid(w, "user_id", t->user);
}

static void device_members(const struct store_device *d, struct json_out *w)
{
	json_uuid(w, "device_id", d->id);
	json_text(w, "device_name", d->name);
	json_text(w, "device_type", d->type);
	if (d->fqbn[0])
		json_text(w, "device_fqbn", d->fqbn);
}

static void thing_json(
    struct call *c, const struct store_thing *t, bool properties, struct json_out *w)
{
	struct store_device d;
	int64_t n = 0;
	enum err e;

	json_open(w, NULL, '{');
	required(t, w);
	json_uuid(w, "organization_id", c->organization);
	json_time(w, "created_at", t->created);
	json_time(w, "updated_at", t->changed);
	e = store_device_of_thing(api_registry(c->api), c->tenant, t->id, &d, &c->eb);
	if (e == OK && !d.deleted)
		device_members(&d, w);
	if (e == OK || e == ERR_NOT_FOUND)
		e = properties_json(c, t->id, properties, w, &n);
	json_int(w, "properties_count", n);
	json_close(w, '}');
	if (e != OK && w->err == OK)
		w->err = e;
}

/* The device's thing, as a member of it; nothing when it has none. */
void device_thing_json(struct call *c, const struct store_device *d, struct json_out *w)
{
	struct store_thing t;
	enum err e;

	if (ct_zero(d->thing, sizeof(d->thing)))
		return;
	e = store_thing_get(api_registry(c->api), c->tenant, d->thing, &t, &c->eb);
	if (e == OK) {
		json_open(w, "thing", '{');
		required(&t, w);
		json_close(w, '}');
	} else if (e != ERR_NOT_FOUND && w->err == OK) {
		w->err = e;
	}
}

/* Boards hear of it while they are connected. */
static void tell_boards(struct job *job)
{
	struct responder *r = api_parts(job->call.api)->responder;

	for (size_t i = 0; i < job->also_n; i++)
		responder_attached(r, job->also[i].subject, job->thing.id);
	responder_zone(r, job->thing.id);
}

static void answer_job_removed(struct job *job)
{
	tell_boards(job);
	answer_job_empty(job);
}

static void answer_job_thing(struct job *job)
{
	tell_boards(job);
	thing_json(&job->call, &job->thing, true, &job->out);
	answer_json(&job->call, job->event.status, &job->out);
}

/* --- finding --- */

/* The thing that the path names. */
static enum err call_thing(struct call *c, struct store_thing *t)
{
	struct slice text = { (const uint8_t *)c->param[0], strlen(c->param[0]) };
	uint8_t id[16];
	enum err e;

	if (uuid_parse(text, id) != OK)
		return err_set(&c->eb, ERR_NOT_FOUND, "thing: no id that could exist");
	e = store_thing_get(api_registry(c->api), c->tenant, id, t, &c->eb);
	if (e == ERR_NOT_FOUND)
		return err_set(&c->eb, e, "thing %s: not found", c->param[0]);
	return e;
}

enum err thing_again(struct call *c, int status, const uint8_t id[16])
{
	struct json_out w = json_out(1024);
	struct store_thing t;
	enum err e = store_thing_get(api_registry(c->api), c->tenant, id, &t, &c->eb);

	if (e != OK) {
		json_drop(&w);
		return e;
	}
	thing_json(c, &t, true, &w);
	answer_json(c, status, &w);
	return OK;
}

enum err thing_show(struct call *c)
{
	struct store_thing t;
	bool deleted = false;
	enum err e;

	/* What is removed is gone. */
	if ((e = call_query_flag(c, "show_deleted", &deleted)) != OK ||
	    (e = call_thing(c, &t)) != OK)
		return e;
	return thing_again(c, 200, t.id);
}

static bool collect(void *ctx, const struct store_thing *t)
{
	return rows_add(ctx, t);
}

/* Of the device that the query names, if it names one. */
static enum err things_of(struct call *c, struct rows *l)
{
	struct store *store = api_registry(c->api);
	uint8_t id[16];
	char text[UUID_TEXT + 1];
	struct store_device d;
	struct store_thing t;
	enum err e = call_query(c, "device_id", text, sizeof(text));

	if (e == ERR_NOT_FOUND)
		return store_thing_list(store, c->tenant, collect, l, &c->eb);
	if (e != OK)
		return e;
	if (uuid_parse((struct slice){ (const uint8_t *)text, strlen(text) }, id) != OK)
		return err_set(&c->eb, ERR_FORMAT, "device_id: not a UUID in lower case");
	if ((e = store_device_get(store, c->tenant, id, &d, &c->eb)) == OK && !d.deleted &&
	    (e = store_thing_get(store, c->tenant, d.thing, &t, &c->eb)) == OK)
		collect(l, &t);
	return e == ERR_NOT_FOUND ? OK : e;
}

enum err thing_list(struct call *c)
{
	bool across = false, deleted = false, properties = false;
	struct rows l = { .size = sizeof(struct store_thing) };
	const struct store_thing *at;
	struct json_out w;
	enum err e;

	if ((e = call_query_flag(c, "across_user_ids", &across)) != OK ||
	    (e = call_query_flag(c, "show_deleted", &deleted)) != OK ||
	    (e = call_query_flag(c, "show_properties", &properties)) != OK)
		return e;
	if ((e = things_of(c, &l)) == OK && l.full)
		e = err_set(&c->eb, ERR_MEMORY, "no memory for the list");
	if (e == OK) {
		w = json_out(512 * (l.n + 1));
		json_open(&w, NULL, '[');
		at = l.at;
		for (size_t i = 0; i < l.n; i++)
			thing_json(c, &at[i], properties, &w);
		json_close(&w, ']');
		answer_json(c, 200, &w);
	}
	free(l.at);
	return e;
}

/* --- which device it belongs to: one at most, and of one device one at most --- */

static void put_link(
    struct job *job, struct store_device *d, const uint8_t thing[16], const char *what)
{
	memcpy(d->thing, thing, sizeof(d->thing));
	d->changed = api_now(job->call.api);
	store_device_put(job->change, d);
	job_also(job, what, d->id);
}

/*
 * Rows that others may change meanwhile have their version in the change: the thing's own, which the
 * caller puts, so that nobody else attaches it; and the devices'.
 */
static enum err link_change(struct job *job, const uint8_t thing[16], const uint8_t wanted[16])
{
	static const uint8_t nothing[16];
	struct call *c = &job->call;
	struct store *store = api_registry(c->api);
	struct store_device has, gets;
	char id[UUID_TEXT];
	enum err e = store_device_of_thing(store, c->tenant, thing, &has, &c->eb);
	bool had = e == OK;

	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	if (had && memcmp(has.id, wanted, 16) == 0)
		return OK;
	if (!ct_zero(wanted, 16)) {
		e = store_device_get(store, c->tenant, wanted, &gets, &c->eb);
		if (e == ERR_NOT_FOUND || (e == OK && gets.deleted)) {
			uuid_text(wanted, id);
			return err_set(&c->eb, ERR_NOT_FOUND, "device_id: device %.*s: not found",
			    UUID_TEXT, id);
		}
		if (e != OK)
			return e;
		put_link(job, &gets, thing, "device.attached");
	}
	if (had)
		put_link(job, &has, nothing, "device.detached");
	return OK;
}

/* --- changing --- */

static enum err zone_check(struct call *c, const char *name)
{
	int32_t offset;
	int64_t until;

	if (zone_known() && zone_at(name, api_now(c->api) / 1000, &offset, &until, &c->eb) != OK)
		return err_set(&c->eb, ERR_FORMAT, "timezone: '%s' is no time zone", name);
	return OK;
}

static enum err take_body(
    struct call *c, struct store_thing *t, struct thing_body *b, uint32_t *given)
{
	enum err e = call_body(c, &thing_object, b, given);

	if (e == OK && (*given & BODY_BIT(THING_timezone)))
		e = zone_check(c, b->timezone);
	if (e != OK)
		return e;
	if (*given & BODY_BIT(THING_name))
		snprintf(t->name, sizeof(t->name), "%s", b->name);
	if (*given & BODY_BIT(THING_timezone))
		snprintf(t->timezone, sizeof(t->timezone), "%s", b->timezone);
	return OK;
}

static enum err thing_submit(struct call *c, int status, const struct store_thing *t,
    const struct thing_body *b, uint32_t given, const char *what)
{
	struct job *job = NULL;
	enum err e;

	if ((e = job_new(c, EVENT_THING, status, &job)) != OK)
		return e;
	body_given(&thing_object, given, job->event.note, sizeof(job->event.note));
	store_thing_put(job->change, t);
	if ((given & BODY_BIT(THING_device_id)) &&
	    (e = link_change(job, t->id, b->device_id)) != OK) {
		c->eb = job->call.eb;
		job_drop(job);
		return e;
	}
	job->thing = *t;
	job->answer = answer_job_thing;
	return job_submit(job, what, t->id);
}

enum err thing_create(struct call *c)
{
	struct store_thing t = { .timezone = ZONE_DEFAULT };
	struct thing_body b;
	bool force = false;
	uint32_t given;
	enum err e;

	/* Whoever attaches a device takes it from where it was, with `force` and without. */
	if ((e = call_query_flag(c, "force", &force)) != OK ||
	    (e = take_body(c, &t, &b, &given)) != OK || (e = call_draw_id(c, t.id)) != OK)
		return e;
	if (!(given & BODY_BIT(THING_name)))
		snprintf(t.name, sizeof(t.name), "thing-%02x%02x%02x%02x", t.id[0], t.id[1],
		    t.id[2], t.id[3]);
	memcpy(t.user, c->principal, sizeof(t.user));
	t.created = t.changed = api_now(c->api);
	return thing_submit(c, 201, &t, &b, given, "thing.created");
}

enum err thing_update(struct call *c)
{
	struct store_thing t;
	struct thing_body b;
	bool force = false;
	uint32_t given;
	enum err e;

	if ((e = call_query_flag(c, "force", &force)) != OK || (e = call_thing(c, &t)) != OK ||
	    (e = take_body(c, &t, &b, &given)) != OK)
		return e;
	t.changed = api_now(c->api);
	return thing_submit(c, 200, &t, &b, given, "thing.changed");
}

/* With its values, and for good: the id is never given again. */
enum err thing_delete(struct call *c)
{
	static const uint8_t nothing[16];
	struct job *job = NULL;
	struct store_thing t;
	bool force = false;
	enum err e;

	if ((e = call_query_flag(c, "force", &force)) != OK || (e = call_thing(c, &t)) != OK ||
	    (e = job_new(c, EVENT_NOTHING, 200, &job)) != OK)
		return e;
	snprintf(job->event.note, sizeof(job->event.note), "%s", t.name);
	if ((e = link_change(job, t.id, nothing)) != OK) {
		c->eb = job->call.eb;
		job_drop(job);
		return e;
	}
	store_thing_remove(job->change, t.id, t.version);
	job->thing = t;
	job->answer = answer_job_removed;
	return job_submit(job, "thing.removed", t.id);
}
