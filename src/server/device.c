/* Devices: made, found, changed, deleted. */
#include "call.h"
#include "form.h"
#include "uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sketches read the answer to a new device into 512 bytes and never look at the length. */
#define SKETCH_MAX 511
#define TAGS_MAX 8 /* as many as the registry looks for at once */
#define TAG_TEXT_MAX 129
/* Of RFC 5280 5.3.1: what a certificate's device that is no more. */
#define REASON_CESSATION 5

/* --- as JSON --- */

static void text_if(struct json_out *w, const char *key, const char *text)
{
	if (text[0])
		json_text(w, key, text);
}

static void href_of(const uint8_t id[16], char text[64])
{
	char uuid[UUID_TEXT];

	uuid_text(id, uuid);
	snprintf(text, 64, "/iot/v2/devices/%.*s", UUID_TEXT, uuid);
}

/* What every answer has. */
static void required(const struct store_device *d, struct json_out *w)
{
	char href[64];

	href_of(d->id, href);
	json_text(w, "href", href);
	json_uuid(w, "id", d->id);
	json_text(w, "label", board_label(d->type, d->fqbn));
	json_text(w, "name", d->name);
	json_text(w, "serial", d->serial);
	json_text(w, "type", d->type);
	json_uuid(w, "user_id", d->user);
}

static bool put_tag(void *ctx, const struct store_tag *tag)
{
	json_text(ctx, tag->key, tag->value);
	return true;
}

void device_json(struct call *c, const struct store_device *d, bool full, struct json_out *w)
{
	struct slice version;
	struct life life;
	enum err e;

	json_open(w, NULL, '{');
	required(d, w);
	if (!full) {
		size_t n = w->n + strlen("'fqbn':'',}") + 1 + strlen(d->fqbn);

		if (n <= SKETCH_MAX)
			text_if(w, "fqbn", d->fqbn);
		json_close(w, '}');
		return;
	}
	text_if(w, "fqbn", d->fqbn);
	text_if(w, "connection_type", d->connection);
	text_if(w, "wifi_fw_version", d->wifi);
	text_if(w, "ble_mac", d->ble_mac);
	text_if(w, "unique_hardware_id", d->hardware);
	json_bool(w, "locked", d->locked);
	json_uuid(w, "organization_id", c->organization);
	json_time(w, "created_at", d->created);
	json_time(w, "updated_at", d->changed);
	if (d->deleted)
		json_time(w, "deleted_at", d->deleted);
	life_of(c, d, &life);
	json_text(w, "device_status", life.status);
	if (life.last)
		json_time(w, "last_activity_at", life.last);
	if (library_version(d, &version))
		json_slice(w, "lib_version", version);
	device_thing_json(c, d, w);
	json_open(w, "tags", '{');
	e = store_tag_list(api_registry(c->api), c->tenant, d->id, put_tag, w, &c->eb);
	json_close(w, '}');
	json_close(w, '}');
	if (e != OK && w->err == OK)
		w->err = e;
}

static void answer_device(struct call *c, int status, const struct store_device *d)
{
	struct json_out w = json_out(1024);

	device_json(c, d, status != 201, &w);
	answer_json(c, status, &w);
}

/* --- from JSON --- */

/* What was given replaces what was there. */
static void apply(const struct device_body *b, uint32_t given, struct store_device *d)
{
	const struct {
		enum device_field field;
		const char *from;
		char *to;
		size_t cap;
	} texts[] = {
		{ DEVICE_type, b->type, d->type, sizeof(d->type) },
		{ DEVICE_name, b->name, d->name, sizeof(d->name) },
		{ DEVICE_serial, b->serial, d->serial, sizeof(d->serial) },
		{ DEVICE_fqbn, b->fqbn, d->fqbn, sizeof(d->fqbn) },
		{ DEVICE_connection_type, b->connection_type, d->connection,
		    sizeof(d->connection) },
		{ DEVICE_wifi_fw_version, b->wifi_fw_version, d->wifi, sizeof(d->wifi) },
		{ DEVICE_ble_mac, b->ble_mac, d->ble_mac, sizeof(d->ble_mac) },
		{ DEVICE_unique_hardware_id, b->unique_hardware_id, d->hardware,
		    sizeof(d->hardware) },
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		if (given & BODY_BIT(texts[i].field))
			snprintf(texts[i].to, texts[i].cap, "%s", texts[i].from);
	if (given & BODY_BIT(DEVICE_user_id))
		memcpy(d->user, b->user_id, sizeof(d->user));
	if (given & BODY_BIT(DEVICE_locked))
		d->locked = b->locked;
}

enum err call_draw_id(struct call *c, uint8_t id[16])
{
	if (random_bytes(id, 16) != OK)
		return err_set(&c->eb, ERR_IO, "no random bytes for an id");
	uuid_mark(id, 4);
	return OK;
}

/* The device as it is to be, which is the answer too. `given`: the members that the client sent. */
static enum err device_submit(
    struct call *c, int status, uint32_t given, const struct store_device *d, const char *what)
{
	struct job *job = NULL;
	enum err e;

	if ((e = job_new(c, EVENT_DEVICE, status, &job)) != OK)
		return e;
	body_given(&device_object, given, job->event.note, sizeof(job->event.note));
	job->device = *d;
	job->answer = answer_job_device;
	store_device_put(job->change, d);
	return job_submit(job, what, d->id);
}

/* --- PUT, GET /iot/v2/devices --- */

enum err device_create(struct call *c)
{
	struct store_device d = { .enabled = true };
	struct device_body b;
	uint32_t given;
	enum err e;

	if ((e = call_body(c, &device_object, &b, &given)) != OK)
		return e;
	if (!(given & BODY_BIT(DEVICE_type)))
		return err_set(&c->eb, ERR_FORMAT, "type: missing");
	if ((e = call_draw_id(c, d.id)) != OK)
		return e;
	memcpy(d.user, c->principal, sizeof(d.user));
	snprintf(
	    d.name, sizeof(d.name), "device-%02x%02x%02x%02x", d.id[0], d.id[1], d.id[2], d.id[3]);
	apply(&b, given, &d);
	d.created = d.changed = api_now(c->api);
	if ((given & BODY_BIT(DEVICE_soft_deleted)) && b.soft_deleted)
		d.deleted = d.created;
	return device_submit(c, 201, given, &d, "device.created");
}

static bool collect(void *ctx, const struct store_device *d)
{
	return rows_add(ctx, d);
}

/* "key:value" of the query, as often as it stands there. */
static enum err take_tags(struct call *c, struct store_tag tags[TAGS_MAX], size_t *n)
{
	const char *query = c->x->request->query;
	struct slice in = { (const uint8_t *)query, strlen(query) };
	char key[64], value[TAG_TEXT_MAX + 1], *colon;
	enum err e;

	for (*n = 0;
	     (e = form_take(&in, key, sizeof(key), value, sizeof(value))) != ERR_NOT_FOUND;) {
		if (e == ERR_FORMAT)
			return err_set(&c->eb, e, "the query: a wrong escape");
		if (strcmp(key, "tags") != 0)
			continue;
		if (e != OK || !(colon = strchr(value, ':')) || colon == value ||
		    colon - value > 64 || strlen(colon + 1) > 64)
			return err_set(
			    &c->eb, ERR_FORMAT, "tags: not key:value of at most 64 each");
		if (*n == TAGS_MAX)
			return err_set(&c->eb, ERR_FORMAT, "tags: more than %d", TAGS_MAX);
		*colon = '\0';
		memcpy(tags[*n].key, value, (size_t)(colon - value) + 1);
		memcpy(tags[*n].value, colon + 1, strlen(colon + 1) + 1);
		++*n;
	}
	return OK;
}

enum err device_list(struct call *c)
{
	struct store_filter filter = { .serial = NULL };
	struct store_tag tags[TAGS_MAX];
	struct rows l = { .size = sizeof(struct store_device) };
	const struct store_device *at;
	char serial[65], hardware[65], name[STORE_NAME_MAX + 1];
	bool across = false;
	struct json_out w;
	enum err e;

	if ((e = call_query(c, "serial", serial, sizeof(serial))) == OK)
		filter.serial = serial;
	else if (e != ERR_NOT_FOUND)
		return e;
	if ((e = call_query(c, "unique_hardware_id", hardware, sizeof(hardware))) == OK)
		filter.hardware = hardware;
	else if (e != ERR_NOT_FOUND)
		return e;
	if ((e = call_query(c, "name", name, sizeof(name))) == OK) /* Arduino's API has none */
		filter.name = name;
	else if (e != ERR_NOT_FOUND)
		return e;
	/* All of an organization's devices are its clients' already. */
	if ((e = call_query_flag(c, "across_user_ids", &across)) != OK ||
	    (e = call_query_flag(c, "show_deleted", &filter.deleted)) != OK ||
	    (e = take_tags(c, tags, &filter.tags_n)) != OK)
		return e;
	filter.tags = tags;
	e = store_device_list(api_registry(c->api), c->tenant, &filter, collect, &l, &c->eb);
	if (e == OK && l.full)
		e = err_set(&c->eb, ERR_MEMORY, "no memory for the list");
	if (e == OK) {
		w = json_out(512 * (l.n + 1));
		json_open(&w, NULL, '[');
		at = l.at;
		for (size_t i = 0; i < l.n; i++)
			device_json(c, &at[i], true, &w);
		json_close(&w, ']');
		answer_json(c, 200, &w);
	}
	free(l.at);
	return e;
}

/* --- one device --- */

enum err call_device(struct call *c, bool deleted, struct store_device *d)
{
	struct slice text = { (const uint8_t *)c->param[0], strlen(c->param[0]) };
	uint8_t id[16];
	enum err e;

	/* What is no UUID is nobody's id. */
	if (uuid_parse(text, id) != OK)
		return err_set(&c->eb, ERR_NOT_FOUND, "device: no id that could exist");
	e = store_device_get(api_registry(c->api), c->tenant, id, d, &c->eb);
	if (e == ERR_NOT_FOUND || (e == OK && d->deleted && !deleted))
		return err_set(&c->eb, ERR_NOT_FOUND, "device %s: not found", c->param[0]);
	return e;
}

enum err device_show(struct call *c)
{
	struct store_device d;
	bool deleted = false;
	enum err e;

	if ((e = call_query_flag(c, "show_deleted", &deleted)) != OK ||
	    (e = call_device(c, deleted, &d)) != OK)
		return e;
	answer_device(c, 200, &d);
	return OK;
}

enum err device_update(struct call *c)
{
	const char *what = "device.changed";
	struct device_body b;
	struct store_device d;
	uint32_t given;
	enum err e;

	if ((e = call_body(c, &device_object, &b, &given)) != OK ||
	    (e = call_device(c, given & BODY_BIT(DEVICE_soft_deleted), &d)) != OK)
		return e;
	apply(&b, given, &d);
	d.changed = api_now(c->api);
	if ((given & BODY_BIT(DEVICE_soft_deleted)) && b.soft_deleted != (d.deleted != 0)) {
		what = b.soft_deleted ? "device.deleted" : "device.restored";
		d.deleted = b.soft_deleted ? d.changed : 0;
	}
	return device_submit(c, 200, given, &d, what);
}

static bool end_cert(void *ctx, const struct store_cert *cert)
{
	struct store_cert gone = *cert;

	if (cert->state != STORE_REVOKED)
		job_revoke(ctx, &gone, REASON_CESSATION);
	return true;
}

enum err device_delete(struct call *c)
{
	struct store_device d;
	struct job *job = NULL;
	bool force = false;
	enum err e;

	if ((e = call_query_flag(c, "force", &force)) != OK ||
	    (e = call_device(c, force, &d)) != OK ||
	    (e = job_new(c, EVENT_NOTHING, 200, &job)) != OK)
		return e;
	job->answer = answer_job_empty;
	if (!force) {
		d.deleted = d.changed = api_now(c->api);
		store_device_put(job->change, &d);
		return job_submit(job, "device.deleted", d.id);
	}
	/* For good: its certificates are of nobody any more. */
	e = store_cert_list(api_registry(c->api), c->tenant, d.id, end_cert, job, &c->eb);
	if (e != OK) {
		job_drop(job);
		return e;
	}
	store_device_remove(job->change, d.id, d.version);
	return job_submit(job, "device.removed", d.id);
}
