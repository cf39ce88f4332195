#include "answer.h"

#include "shown.h"
#include "text.h"
#include "utc.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 1000000

/* --- members --- */

static struct slice text_of(json_t *object, const char *key)
{
	json_t *v = json_object_get(object, key);

	return (struct slice){ (const uint8_t *)json_string_value(v), json_string_length(v) };
}

/* A string for people, as it is shown; missing or null is "" unless it must be there. */
static enum err take(
    json_t *in, const char *key, bool must, size_t max, char *out, struct errbuf *eb)
{
	json_t *v = json_object_get(in, key);
	struct slice s = text_of(in, key);

	out[0] = 0;
	if (!v || json_is_null(v))
		return must ? err_set(eb, ERR_FORMAT, "%s: missing", key) : OK;
	if (!json_is_string(v))
		return err_set(eb, ERR_FORMAT, "%s: not a string", key);
	if (s.n > max || (must && s.n == 0))
		return err_set(eb, ERR_FORMAT, "%s: %s", key, s.n ? "too long" : "empty");
	shown_put(s, out, max + 1);
	return OK;
}

static enum err take_uuid(json_t *in, const char *key, char out[UUID_TEXT + 1], struct errbuf *eb)
{
	struct slice s = text_of(in, key);
	uint8_t uuid[16];

	if (uuid_parse(s, uuid) != OK)
		return err_set(eb, ERR_FORMAT, "%s: not a UUID in lower case", key);
	memcpy(out, s.p, UUID_TEXT);
	out[UUID_TEXT] = 0;
	return OK;
}

/* Missing is false unless it must be there. */
static enum err take_flag(json_t *in, const char *key, bool must, bool *out, struct errbuf *eb)
{
	json_t *v = json_object_get(in, key);

	if ((v || must) && !json_is_boolean(v))
		return err_set(eb, ERR_FORMAT, "%s: neither true nor false", key);
	*out = json_is_true(v);
	return OK;
}

/* Missing is 0. */
static enum err take_count(json_t *in, const char *key, uint64_t *out, struct errbuf *eb)
{
	json_t *v = json_object_get(in, key);

	*out = 0;
	if (!v)
		return OK;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return err_set(eb, ERR_FORMAT, "%s: not a number", key);
	*out = (uint64_t)json_integer_value(v);
	return OK;
}

struct text {
	const char *key;
	bool must;
	size_t max;
	char *out;
};

static enum err take_all(json_t *in, const struct text *texts, size_t n, struct errbuf *eb)
{
	enum err e = OK;

	for (size_t i = 0; i < n && e == OK; i++)
		e = take(in, texts[i].key, texts[i].must, texts[i].max, texts[i].out, eb);
	return e;
}

/* A NUL in a text is a character that cannot be shown, like others. */
static enum err load(struct slice body, json_t **in, struct errbuf *eb)
{
	json_error_t at;

	*in =
	    json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
	return *in ? OK
	           : err_set(eb, ERR_FORMAT, "line %d, column %d: not JSON, or a member twice",
	                 at.line, at.column);
}

static enum err object_check(json_t *in, struct errbuf *eb)
{
	return json_is_object(in) ? OK : err_set(eb, ERR_FORMAT, "not an object");
}

/* As JSON in one line; what cannot be shown stands there as \uXXXX. NULL: no memory. */
static char *json_shown(json_t *v)
{
	const size_t how = JSON_COMPACT | JSON_ENCODE_ANY;
	char *text = json_dumps(v, how);

	if (!text || shown_as_is((struct slice){ (uint8_t *)text, strlen(text) }))
		return text;
	free(text);
	return json_dumps(v, how | JSON_ENSURE_ASCII);
}

/* Whatever a board has said. Missing is "". */
static enum err take_value(
    json_t *in, const char *key, char out[CLOUD_VALUE_MAX + 1], struct errbuf *eb)
{
	json_t *v = json_object_get(in, key);
	char *text;
	size_t n;
	enum err e = OK;

	out[0] = 0;
	if (!v)
		return OK;
	if (!(text = json_shown(v)))
		return err_set(eb, ERR_MEMORY, "no memory for a value");
	n = strlen(text);
	if (n > CLOUD_VALUE_MAX)
		e = err_set(eb, ERR_FORMAT, "%s: too long", key);
	else
		memcpy(out, text, n + 1);
	free(text);
	return e;
}

/* --- token --- */

static enum err token_text(json_t *in, struct cloud_token *t, struct errbuf *eb)
{
	struct slice s = text_of(in, "access_token");

	if (s.n == 0 || s.n > CLOUD_TOKEN_MAX)
		return err_set(eb, ERR_FORMAT, "access_token: missing or too long");
	for (size_t i = 0; i < s.n; i++) /* it goes into a header */
		if (s.p[i] < 0x21 || s.p[i] > 0x7e)
			return err_set(eb, ERR_FORMAT, "access_token: not visible ASCII");
	memcpy(t->text, s.p, s.n);
	t->text[s.n] = 0;
	return OK;
}

static enum err token_seconds(json_t *in, struct cloud_token *t, struct errbuf *eb)
{
	json_t *v = json_object_get(in, "expires_in");

	if (!v)
		return OK;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return err_set(eb, ERR_FORMAT, "expires_in: not a number of seconds");
	t->seconds =
	    json_integer_value(v) > INT32_MAX ? INT32_MAX : (uint32_t)json_integer_value(v);
	return OK;
}

enum err answer_token(struct slice body, struct cloud_token *out, struct errbuf *eb)
{
	struct cloud_token t = { .seconds = 0 };
	json_t *in = NULL;
	enum err e;

	if ((e = load(body, &in, eb)) == OK && (e = object_check(in, eb)) == OK &&
	    (e = token_text(in, &t, eb)) == OK && (e = token_seconds(in, &t, eb)) == OK)
		*out = t;
	wipe(&t, sizeof(t));
	json_decref(in);
	return e;
}

/* --- devices --- */

void cloud_device_clear(struct cloud_device *d)
{
	free(d->tags);
	d->tags = NULL;
	d->n_tags = 0;
}

void cloud_devices_clear(struct cloud_devices *list)
{
	for (size_t i = 0; i < list->n; i++)
		cloud_device_clear(&list->at[i]);
	free(list->at);
	*list = (struct cloud_devices){ NULL, 0 };
}

static enum err tags_take(json_t *in, struct cloud_device *d, struct errbuf *eb)
{
	json_t *tags = json_object_get(in, "tags"), *value;
	const char *key;
	enum err e;

	if (!tags || json_is_null(tags))
		return OK;
	if (!json_is_object(tags) || json_object_size(tags) > CLOUD_TAGS_MAX)
		return err_set(
		    eb, ERR_FORMAT, "tags: not an object of at most %d tags", CLOUD_TAGS_MAX);
	if (json_object_size(tags) == 0)
		return OK;
	if (!(d->tags = calloc(json_object_size(tags), sizeof(*d->tags))))
		return err_set(eb, ERR_MEMORY, "no memory for tags");
	json_object_foreach(tags, key, value)
	{
		struct cloud_tag *tag = &d->tags[d->n_tags];
		struct slice k = { (const uint8_t *)key, strlen(key) };

		if (k.n == 0 || k.n > CLOUD_WORD_MAX)
			return err_set(eb, ERR_FORMAT, "tags: a key that is none");
		shown_put(k, tag->key, sizeof(tag->key));
		if ((e = take(tags, key, true, CLOUD_WORD_MAX, tag->value, eb)) != OK)
			return err_within(eb, e, "tags");
		d->n_tags++;
	}
	return OK;
}

static enum err status_take(json_t *in, struct cloud_device *d, struct errbuf *eb)
{
	static const char *const known[] = { "ONLINE", "OFFLINE", "UNKNOWN" };
	json_t *v = json_object_get(in, "device_status");
	const char *word = !v || json_is_null(v) ? "UNKNOWN" : json_string_value(v);

	for (size_t i = 0; i < COUNT(known) && word; i++)
		if (strcmp(word, known[i]) == 0) {
			memcpy(d->status, known[i], strlen(known[i]) + 1);
			return OK;
		}
	return err_set(eb, ERR_FORMAT, "device_status: not ONLINE, OFFLINE or UNKNOWN");
}

static enum err device_take(json_t *in, struct cloud_device *out, struct errbuf *eb)
{
	struct cloud_device d = { .tags = NULL };
	char deleted_at[CLOUD_WORD_MAX + 1];
	json_t *thing;
	const struct text texts[] = {
		{ "name", true, CLOUD_NAME_MAX, d.name },
		{ "type", true, CLOUD_WORD_MAX, d.type },
		{ "serial", false, CLOUD_WORD_MAX, d.serial },
		{ "fqbn", false, CLOUD_FQBN_MAX, d.fqbn },
		{ "connection_type", false, CLOUD_WORD_MAX, d.connection },
		{ "created_at", false, CLOUD_WORD_MAX, d.created_at },
		{ "last_activity_at", false, CLOUD_WORD_MAX, d.last_activity_at },
		{ "deleted_at", false, CLOUD_WORD_MAX, deleted_at },
	};
	enum err e;

	if ((e = object_check(in, eb)) != OK || (e = take_uuid(in, "id", d.id, eb)) != OK ||
	    (e = take_all(in, texts, COUNT(texts), eb)) != OK)
		return e;
	if ((thing = json_object_get(in, "thing")) && !json_is_null(thing) &&
	    ((e = object_check(thing, eb)) != OK ||
	        (e = take_uuid(thing, "id", d.thing, eb)) != OK ||
	        (e = take(thing, "name", true, CLOUD_NAME_MAX, d.thing_name, eb)) != OK))
		return err_within(eb, e, "thing");
	d.deleted = deleted_at[0];
	if ((e = status_take(in, &d, eb)) != OK || (e = tags_take(in, &d, eb)) != OK) {
		cloud_device_clear(&d);
		return e;
	}
	*out = d;
	return OK;
}

enum err answer_device(struct slice body, struct cloud_device *out, struct errbuf *eb)
{
	json_t *in = NULL;
	enum err e;

	if ((e = load(body, &in, eb)) == OK)
		e = device_take(in, out, eb);
	json_decref(in);
	return e;
}

static enum err list_check(json_t *in, struct errbuf *eb)
{
	return json_is_array(in) && json_array_size(in) <= LIST_MAX
	           ? OK
	           : err_set(eb, ERR_FORMAT, "not an array");
}

enum err answer_devices(struct slice body, struct cloud_devices *out, struct errbuf *eb)
{
	struct cloud_devices list = { NULL, 0 };
	json_t *in = NULL;
	enum err e;

	if ((e = load(body, &in, eb)) != OK || (e = list_check(in, eb)) != OK)
		goto out;
	if (!(list.at = calloc(json_array_size(in) + 1, sizeof(*list.at)))) {
		e = err_set(eb, ERR_MEMORY, "no memory for %zu devices", json_array_size(in));
		goto out;
	}
	for (size_t i = 0; i < json_array_size(in); i++, list.n++)
		if ((e = device_take(json_array_get(in, i), &list.at[i], eb)) != OK) {
			err_within(eb, e, "[%zu]", i);
			goto out;
		}
	*out = list;
	list = (struct cloud_devices){ NULL, 0 };
out:
	cloud_devices_clear(&list);
	json_decref(in);
	return e;
}

/* --- things --- */

void cloud_thing_clear(struct cloud_thing *t)
{
	free(t->properties);
	t->properties = NULL;
	t->n_properties = 0;
}

void cloud_things_clear(struct cloud_things *list)
{
	for (size_t i = 0; i < list->n; i++)
		cloud_thing_clear(&list->at[i]);
	free(list->at);
	*list = (struct cloud_things){ NULL, 0 };
}

static enum err property_take(json_t *in, struct cloud_property *out, struct errbuf *eb)
{
	const struct text texts[] = { { "name", true, CLOUD_NAME_MAX, out->name },
		{ "value_updated_at", false, CLOUD_WORD_MAX, out->at } };
	enum err e;

	if ((e = object_check(in, eb)) != OK || (e = take_all(in, texts, COUNT(texts), eb)) != OK)
		return e;
	return take_value(in, "last_value", out->value, eb);
}

static enum err properties_take(json_t *in, struct cloud_thing *t, struct errbuf *eb)
{
	json_t *all = json_object_get(in, "properties");
	enum err e;

	if (!all || json_is_null(all))
		return OK;
	if ((e = list_check(all, eb)) != OK)
		return err_within(eb, e, "properties");
	if (json_array_size(all) == 0)
		return OK;
	if (!(t->properties = calloc(json_array_size(all), sizeof(*t->properties))))
		return err_set(eb, ERR_MEMORY, "no memory for properties");
	for (; t->n_properties < json_array_size(all); t->n_properties++)
		if ((e = property_take(json_array_get(all, t->n_properties),
		         &t->properties[t->n_properties], eb)) != OK)
			return err_within(eb, e, "properties[%zu]", t->n_properties);
	return OK;
}

static enum err thing_take(json_t *in, struct cloud_thing *out, struct errbuf *eb)
{
	struct cloud_thing t = { .properties = NULL };
	const struct text texts[] = {
		{ "name", true, CLOUD_NAME_MAX, t.name },
		{ "timezone", true, CLOUD_WORD_MAX, t.timezone },
		{ "created_at", false, CLOUD_WORD_MAX, t.created_at },
		{ "device_name", false, CLOUD_NAME_MAX, t.device_name },
	};
	enum err e;

	if ((e = object_check(in, eb)) != OK || (e = take_uuid(in, "id", t.id, eb)) != OK ||
	    (e = take_all(in, texts, COUNT(texts), eb)) != OK)
		return e;
	if (json_object_get(in, "device_id") &&
	    (e = take_uuid(in, "device_id", t.device, eb)) != OK)
		return e;
	if ((e = properties_take(in, &t, eb)) != OK) {
		cloud_thing_clear(&t);
		return e;
	}
	*out = t;
	return OK;
}

enum err answer_thing(struct slice body, struct cloud_thing *out, struct errbuf *eb)
{
	json_t *in = NULL;
	enum err e;

	if ((e = load(body, &in, eb)) == OK)
		e = thing_take(in, out, eb);
	json_decref(in);
	return e;
}

enum err answer_things(struct slice body, struct cloud_things *out, struct errbuf *eb)
{
	struct cloud_things list = { NULL, 0 };
	json_t *in = NULL;
	enum err e;

	if ((e = load(body, &in, eb)) != OK || (e = list_check(in, eb)) != OK)
		goto out;
	if (!(list.at = calloc(json_array_size(in) + 1, sizeof(*list.at)))) {
		e = err_set(eb, ERR_MEMORY, "no memory for %zu things", json_array_size(in));
		goto out;
	}
	for (size_t i = 0; i < json_array_size(in); i++, list.n++)
		if ((e = thing_take(json_array_get(in, i), &list.at[i], eb)) != OK) {
			err_within(eb, e, "[%zu]", i);
			goto out;
		}
	*out = list;
	list = (struct cloud_things){ NULL, 0 };
out:
	cloud_things_clear(&list);
	json_decref(in);
	return e;
}

/* --- who is let in --- */

void cloud_visits_clear(struct cloud_visits *list)
{
	free(list->at);
	*list = (struct cloud_visits){ NULL, 0 };
}

void cloud_detail_clear(struct cloud_detail *d)
{
	free(d->certs);
	d->certs = NULL;
	d->n_certs = 0;
	cloud_visits_clear(&d->visits);
}

void cloud_brokers_clear(struct cloud_brokers *list)
{
	free(list->at);
	*list = (struct cloud_brokers){ 0, NULL, 0 };
}

/* A member that is a list of objects, each taken by `each` into n bytes of *out; missing is empty. */
static enum err list_take(json_t *in, const char *key, size_t size,
    enum err (*each)(json_t *in, void *out, struct errbuf *eb), void **out, size_t *n,
    struct errbuf *eb)
{
	json_t *list = json_object_get(in, key);
	size_t count = json_array_size(list);
	uint8_t *at;
	enum err e = OK;

	if (!list)
		return OK;
	if ((e = list_check(list, eb)) != OK)
		return err_within(eb, e, "%s", key);
	if (!(at = calloc(count + 1, size)))
		return err_set(eb, ERR_MEMORY, "no memory for %zu %s", count, key);
	for (size_t i = 0; i < count && e == OK; i++)
		if ((e = object_check(json_array_get(list, i), eb)) != OK ||
		    (e = each(json_array_get(list, i), at + i * size, eb)) != OK)
			err_within(eb, e, "%s[%zu]", key, i);
	if (e != OK) {
		free(at);
		return e;
	}
	*out = at;
	*n = count;
	return OK;
}

static enum err standing_take(json_t *in, void *out, struct errbuf *eb)
{
	struct cloud_standing *s = out;
	const struct text texts[] = {
		{ "id", true, CLOUD_WORD_MAX, s->id },
		{ "state", true, CLOUD_WORD_MAX, s->state },
		{ "fingerprint", false, CLOUD_WORD_MAX, s->fingerprint },
		{ "not_before", false, CLOUD_WORD_MAX, s->not_before },
		{ "not_after", false, CLOUD_WORD_MAX, s->not_after },
		{ "reason", false, CLOUD_WORD_MAX, s->reason },
	};
	uint64_t level;
	enum err e;

	if ((e = take_all(in, texts, COUNT(texts), eb)) != OK ||
	    (e = take_flag(in, "enabled", true, &s->enabled, eb)) != OK ||
	    (e = take_count(in, "level", &level, eb)) != OK)
		return e;
	s->level = level > UINT8_MAX ? UINT8_MAX : (unsigned)level;
	return OK;
}

static enum err visit_take(json_t *in, void *out, struct errbuf *eb)
{
	struct cloud_visit *v = out;
	const struct text texts[] = {
		{ "began", true, CLOUD_WORD_MAX, v->began },
		{ "ended", false, CLOUD_WORD_MAX, v->ended },
		{ "reason", false, CLOUD_WORD_MAX, v->reason },
		{ "address", false, CLOUD_ADDRESS_MAX, v->address },
		{ "broker", false, CLOUD_WORD_MAX, v->broker },
	};
	enum err e = take_all(in, texts, COUNT(texts), eb);

	return e == OK ? take_flag(in, "admitted", true, &v->admitted, eb) : e;
}

static enum err broker_take(json_t *in, void *out, struct errbuf *eb)
{
	struct cloud_broker *b = out;
	const struct text texts[] = {
		{ "name", true, CLOUD_WORD_MAX, b->name },
		{ "state", true, CLOUD_WORD_MAX, b->state },
		{ "heard_at", false, CLOUD_WORD_MAX, b->heard_at },
	};
	enum err e;

	if ((e = take_all(in, texts, COUNT(texts), eb)) != OK ||
	    (e = take_count(in, "seq", &b->seq, eb)) != OK ||
	    (e = take_count(in, "boards", &b->boards, eb)) != OK ||
	    (e = take_count(in, "admitted", &b->admitted, eb)) != OK)
		return e;
	return take_count(in, "refused", &b->refused, eb);
}

/* "a, b": as many names as fit. */
static enum err waiting_take(json_t *in, struct cloud_detail *d, struct errbuf *eb)
{
	json_t *list = json_object_get(in, "waiting"), *name;
	size_t i, n = 0;

	if (!list)
		return OK;
	if (!json_is_array(list))
		return err_set(eb, ERR_FORMAT, "waiting: not an array");
	json_array_foreach(list, i, name)
	{
		struct slice s = { (const uint8_t *)json_string_value(name),
			json_string_length(name) };

		if (!s.p || s.n == 0 || s.n > CLOUD_WORD_MAX || !shown_as_is(s))
			return err_set(eb, ERR_FORMAT, "waiting[%zu]: not a name", i);
		if (n + s.n + 2 <= CLOUD_WAITING_MAX)
			n += (size_t)snprintf(d->waiting + n, sizeof(d->waiting) - n, "%s%s",
			    n ? ", " : "", (const char *)s.p);
	}
	d->n_waiting = json_array_size(list);
	return OK;
}

void answer_waiting(struct slice header, char out[CLOUD_WAITING_MAX + 1])
{
	static const char key[] = " waiting=";
	const uint8_t *p = header.n ? memmem(header.p, header.n, key, sizeof(key) - 1) : NULL;
	const uint8_t *end = header.p + header.n;
	size_t n = 0;

	out[0] = 0;
	for (p = p ? p + sizeof(key) - 1 : end; p < end;) {
		const uint8_t *comma = memchr(p, ',', (size_t)(end - p));
		struct slice name = { p, (size_t)((comma ? comma : end) - p) };

		if (name.n == 0 || name.n > CLOUD_WORD_MAX || memchr(p, 0, name.n) ||
		    memchr(p, ' ', name.n) || !shown_as_is(name))
			break;
		if (n + name.n + 2 <= CLOUD_WAITING_MAX)
			n += (size_t)snprintf(out + n, CLOUD_WAITING_MAX + 1 - n, "%s%.*s",
			    n ? ", " : "", (int)name.n, (const char *)name.p);
		p = comma ? comma + 1 : end;
	}
	if (p < end)
		out[0] = 0;
}

static enum err brokers_said(json_t *in, struct cloud_detail *d, struct errbuf *eb)
{
	json_t *brokers = json_object_get(in, "brokers");
	uint64_t reached;
	enum err e;

	if (!brokers)
		return OK;
	if ((e = object_check(brokers, eb)) != OK ||
	    (e = take_count(brokers, "reached", &reached, eb)) != OK ||
	    (e = waiting_take(brokers, d, eb)) != OK)
		return err_within(eb, e, "brokers");
	d->reached = reached > UINT16_MAX ? UINT16_MAX : (unsigned)reached;
	return OK;
}

static enum err presence_take(json_t *in, struct cloud_detail *d, struct errbuf *eb)
{
	json_t *presence = json_object_get(in, "presence");
	const struct text texts[] = {
		{ "state", true, CLOUD_WORD_MAX, d->presence },
		{ "since", false, CLOUD_WORD_MAX, d->since },
		{ "address", false, CLOUD_ADDRESS_MAX, d->address },
		{ "broker", false, CLOUD_WORD_MAX, d->broker },
	};
	enum err e;

	if (!presence)
		return OK;
	if ((e = object_check(presence, eb)) != OK ||
	    (e = take_all(presence, texts, COUNT(texts), eb)) != OK)
		return err_within(eb, e, "presence");
	return OK;
}

static enum err detail_take(json_t *in, struct cloud_detail *d, struct errbuf *eb)
{
	void *certs = NULL, *visits = NULL;
	enum err e;

	if ((e = object_check(in, eb)) != OK || (e = take_uuid(in, "id", d->id, eb)) != OK ||
	    (e = take(in, "name", true, CLOUD_NAME_MAX, d->name, eb)) != OK ||
	    (e = take_flag(in, "enabled", true, &d->enabled, eb)) != OK ||
	    (e = take(in, "last_message_at", false, CLOUD_WORD_MAX, d->last_message_at, eb)) !=
	        OK ||
	    (e = brokers_said(in, d, eb)) != OK || (e = presence_take(in, d, eb)) != OK)
		return e;
	e = list_take(
	    in, "certificates", sizeof(*d->certs), standing_take, &certs, &d->n_certs, eb);
	d->certs = certs;
	if (e == OK)
		e = list_take(
		    in, "visits", sizeof(*d->visits.at), visit_take, &visits, &d->visits.n, eb);
	d->visits.at = visits;
	return e;
}

enum err answer_detail(struct slice body, struct cloud_detail *out, struct errbuf *eb)
{
	struct cloud_detail d = { .certs = NULL };
	json_t *in = NULL;
	enum err e;

	if ((e = load(body, &in, eb)) == OK && (e = detail_take(in, &d, eb)) == OK)
		*out = d;
	else
		cloud_detail_clear(&d);
	json_decref(in);
	return e;
}

enum err answer_visits(struct slice body, struct cloud_visits *out, struct errbuf *eb)
{
	void *at = NULL;
	json_t *in = NULL;
	size_t n = 0;
	enum err e;

	if ((e = load(body, &in, eb)) == OK && (e = object_check(in, eb)) == OK &&
	    (e = list_take(in, "visits", sizeof(*out->at), visit_take, &at, &n, eb)) == OK)
		*out = (struct cloud_visits){ at, n };
	json_decref(in);
	return e;
}

enum err answer_brokers(struct slice body, struct cloud_brokers *out, struct errbuf *eb)
{
	uint64_t seq = 0;
	void *at = NULL;
	json_t *in = NULL;
	size_t n = 0;
	enum err e;

	if ((e = load(body, &in, eb)) == OK && (e = object_check(in, eb)) == OK &&
	    (e = take_count(in, "seq", &seq, eb)) == OK &&
	    (e = list_take(in, "brokers", sizeof(*out->at), broker_take, &at, &n, eb)) == OK)
		*out = (struct cloud_brokers){ seq, at, n };
	json_decref(in);
	return e;
}

/* --- certificates --- */

void cloud_certs_clear(struct cloud_certs *list)
{
	free(list->at);
	*list = (struct cloud_certs){ NULL, 0 };
}

/* YYYY-MM-DDTHH:00:00Z, of which clients without a certificate parser cut the hour. */
static bool is_time(json_t *in, const char *key, const struct x509_hour *want)
{
	char text[UTC_TEXT_SIZE];

	utc_text(want, text);
	return slice_equal(
	    text_of(in, key), (struct slice){ (const uint8_t *)text, UTC_TEXT_SIZE - 1 });
}

static bool is_hex(json_t *in, const char *key, const uint8_t *want, size_t n)
{
	uint8_t got[32];

	return hex_decode(text_of(in, key), got, n) == OK && memcmp(got, want, n) == 0;
}

/* A board stores these, not the DER: a server that sends others has made a useless certificate. */
static enum err compressed_check(json_t *in, const struct ccert *c, struct errbuf *eb)
{
	struct x509_hour until = x509_hour_add_years(&c->issued, c->years);
	const char *wrong = NULL;

	if (!json_is_object(in))
		return err_set(eb, ERR_FORMAT, "compressed: not an object");
	if (!is_hex(in, "serial", c->serial, sizeof(c->serial)))
		wrong = "serial";
	else if (!is_hex(in, "authority_key_identifier", c->aki, sizeof(c->aki)))
		wrong = "authority_key_identifier";
	else if (!is_hex(in, "signature_asn1_x", c->sig, 32))
		wrong = "signature_asn1_x";
	else if (!is_hex(in, "signature_asn1_y", c->sig + 32, 32))
		wrong = "signature_asn1_y";
	else if (!is_time(in, "not_before", &c->issued))
		wrong = "not_before";
	else if (!is_time(in, "not_after", &until))
		wrong = "not_after";
	return wrong ? err_set(eb, ERR_FORMAT, "compressed.%s: not that of the certificate", wrong)
	             : OK;
}

static enum err cert_take(json_t *in, struct cloud_cert *out, struct errbuf *eb)
{
	json_t *enabled = json_object_get(in, "enabled");
	struct cloud_cert c = { .n = 0 };
	enum err e;

	if ((e = object_check(in, eb)) != OK ||
	    (e = take(in, "id", true, CLOUD_WORD_MAX, c.id, eb)) != OK ||
	    (e = take_uuid(in, "device_id", c.device_id, eb)) != OK)
		return e;
	/* It becomes part of a path. */
	if (strspn(c.id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") !=
	    strlen(c.id))
		return err_set(eb, ERR_FORMAT, "id: not letters, digits, '-' or '_'");
	if (!json_is_boolean(enabled))
		return err_set(eb, ERR_FORMAT, "enabled: neither true nor false");
	c.enabled = json_is_true(enabled);
	if (base64_decode(text_of(in, "der"), c.der, sizeof(c.der), &c.n) != OK)
		return err_set(
		    eb, ERR_FORMAT, "der: not base64 of at most %zu bytes", sizeof(c.der));
	if (ccert_from_cert((struct slice){ c.der, c.n }, &c.fields, c.q) != OK)
		return err_set(eb, ERR_FORMAT, "der: not a certificate that a board can rebuild");
	if (memcmp(c.fields.device_id, c.device_id, UUID_TEXT) != 0)
		return err_set(eb, ERR_FORMAT, "der: its subject is not the device");
	if ((e = compressed_check(json_object_get(in, "compressed"), &c.fields, eb)) == OK)
		*out = c;
	return e;
}

enum err answer_cert(struct slice body, struct cloud_cert *out, struct errbuf *eb)
{
	json_t *in = NULL;
	enum err e;

	if ((e = load(body, &in, eb)) == OK)
		e = cert_take(in, out, eb);
	json_decref(in);
	return e;
}

enum err answer_certs(struct slice body, struct cloud_certs *out, struct errbuf *eb)
{
	struct cloud_certs list = { NULL, 0 };
	json_t *in = NULL;
	enum err e;

	if ((e = load(body, &in, eb)) != OK || (e = list_check(in, eb)) != OK)
		goto out;
	if (!(list.at = calloc(json_array_size(in) + 1, sizeof(*list.at)))) {
		e = err_set(eb, ERR_MEMORY, "no memory for %zu certificates", json_array_size(in));
		goto out;
	}
	for (size_t i = 0; i < json_array_size(in); i++, list.n++)
		if ((e = cert_take(json_array_get(in, i), &list.at[i], eb)) != OK) {
			err_within(eb, e, "[%zu]", i);
			goto out;
		}
	*out = list;
	list = (struct cloud_certs){ NULL, 0 };
out:
	cloud_certs_clear(&list);
	json_decref(in);
	return e;
}

/* --- events --- */

static enum cloud_event_kind event_kind(const char *word)
{
	static const char *const words[CLOUD_OTHER] = { [CLOUD_AUDIT] = "audit",
		[CLOUD_VISIT] = "visit",
		[CLOUD_VALUE] = "value",
		[CLOUD_MESSAGE] = "message" };
	unsigned kind = 0;

	while (kind < CLOUD_OTHER && strcmp(word, words[kind]) != 0)
		kind++;
	return (enum cloud_event_kind)kind;
}

static enum err event_take(json_t *in, struct cloud_event *out, struct errbuf *eb)
{
	char began[CLOUD_WORD_MAX + 1], ended[CLOUD_WORD_MAX + 1], *unless_at;
	const struct {
		const char *key;
		size_t max;
		char *out;
	} texts[] = {
		{ "name", CLOUD_NAME_MAX, out->name },
		{ "at", CLOUD_WORD_MAX, out->at },
		{ out->kind == CLOUD_MESSAGE ? "command" : "kind", CLOUD_WORD_MAX, out->what },
		{ "certificate", CLOUD_WORD_MAX, out->certificate },
		{ "note", CLOUD_NAME_MAX, out->note },
		{ "peer", CLOUD_WORD_MAX, out->peer },
		{ "broker", CLOUD_WORD_MAX, out->broker },
		{ "address", CLOUD_WORD_MAX, out->address },
		{ "reason", CLOUD_WORD_MAX, out->reason },
		{ "began", CLOUD_WORD_MAX, began },
		{ "ended", CLOUD_WORD_MAX, ended },
	};
	enum err e;

	if (json_object_get(in, "device") && (e = take_uuid(in, "device", out->device, eb)) != OK)
		return e;
	for (size_t i = 0; i < COUNT(texts); i++)
		if ((e = take(in, texts[i].key, false, texts[i].max, texts[i].out, eb)) != OK)
			return e;
	unless_at = ended[0] ? ended : began;
	if (!out->at[0])
		memcpy(out->at, unless_at, sizeof(out->at));
	if ((e = take_flag(in, "admitted", false, &out->admitted, eb)) != OK ||
	    (e = take_flag(in, "connected", false, &out->connected, eb)) != OK)
		return e;
	if (json_is_integer(json_object_get(in, "bytes")))
		out->bytes = (uint64_t)json_integer_value(json_object_get(in, "bytes"));
	return take_value(in, "value", out->value, eb);
}

enum err answer_event(
    const char *word, struct slice data, struct cloud_event *out, struct errbuf *eb)
{
	struct cloud_event event = { .kind = event_kind(word), .json = data };
	json_t *in = NULL;
	enum err e;

	if (strlen(word) > CLOUD_WORD_MAX ||
	    !shown_as_is((struct slice){ (const uint8_t *)word, strlen(word) }))
		return err_set(eb, ERR_FORMAT, "event: not a word that can be shown");
	memcpy(event.word, word, strlen(word) + 1);
	if ((e = load(data, &in, eb)) == OK && (e = object_check(in, eb)) == OK) {
		if (event.kind != CLOUD_OTHER)
			e = event_take(in, &event, eb);
		else if (take_uuid(in, "device", event.device, NULL) != OK)
			event.device[0] = 0;
	}
	if (e == OK)
		*out = event;
	json_decref(in);
	return e;
}

/* --- errors --- */

void answer_error(struct slice body, char out[ANSWER_ERROR_MAX + 1])
{
	static const char *const members[] = { "detail", "error_description", "title", "error",
		"code" };
	json_t *in = NULL;
	struct slice s = { NULL, 0 };

	out[0] = 0;
	if (load(body, &in, NULL) != OK)
		return;
	for (size_t i = 0; i < COUNT(members) && s.n == 0; i++)
		s = text_of(in, members[i]);
	if (s.n > 0 && shown_as_is(s)) {
		size_t n = s.n < ANSWER_ERROR_MAX ? s.n : ANSWER_ERROR_MAX;

		while (n < s.n && n > 0 && (s.p[n] & 0xc0) == 0x80) /* not within a character */
			n--;
		memcpy(out, s.p, n);
		out[n] = 0;
	}
	json_decref(in);
}
