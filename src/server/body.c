#include "body.h"

#include "shown.h"
#include "uuid.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define BODY_NAME_CHARS LETTERS "_.@-"
#define BODY_FQBN_CHARS LETTERS "_.:=,-"
#define BODY_VERSION_CHARS LETTERS ".+-"
#define BODY_ZONE_CHARS LETTERS "_+-/"
#define BODY_MAC_CHARS "0123456789abcdefABCDEF:"
#define BODY_REASON_WORDS (reason_words + 1)

#define CRL_REASON(number, word) " " word
static const char reason_words[] =
#include "crl_reasons.def"
    ;

#define DEVICE_FIELD(name, kind, smallest, largest, rule, form)                                    \
	{ #name, BODY_KIND_##kind, offsetof(struct device_body, name), smallest, largest, rule,    \
		form },
static const struct body_field device_fields[] = {
#include "fields.def"
};
#define CERT_FIELD(name, kind, smallest, largest, rule, form)                                      \
	{ #name, BODY_KIND_##kind, offsetof(struct cert_body, name), smallest, largest, rule,      \
		form },
static const struct body_field cert_fields[] = {
#include "fields.def"
};
#define TAG_FIELD(name, kind, smallest, largest, rule, form)                                       \
	{ #name, BODY_KIND_##kind, offsetof(struct tag_body, name), smallest, largest, rule, form },
static const struct body_field tag_fields[] = {
#include "fields.def"
};
#define PASS_FIELD(name, kind, smallest, largest, rule, form)                                      \
	{ #name, BODY_KIND_##kind, offsetof(struct pass_body, name), smallest, largest, rule,      \
		form },
static const struct body_field pass_fields[] = {
#include "fields.def"
};
#define THING_FIELD(name, kind, smallest, largest, rule, form)                                     \
	{ #name, BODY_KIND_##kind, offsetof(struct thing_body, name), smallest, largest, rule,     \
		form },
static const struct body_field thing_fields[] = {
#include "fields.def"
};
#define SWITCH_FIELD(name, kind, smallest, largest, rule, form)                                    \
	{ #name, BODY_KIND_##kind, offsetof(struct switch_body, name), smallest, largest, rule,    \
		form },
static const struct body_field switch_fields[] = {
#include "fields.def"
};
#define REVOKE_FIELD(name, kind, smallest, largest, rule, form)                                    \
	{ #name, BODY_KIND_##kind, offsetof(struct revoke_body, name), smallest, largest, rule,    \
		form },
static const struct body_field revoke_fields[] = {
#include "fields.def"
};

const struct body_object device_object = { "device", device_fields, COUNT(device_fields),
	sizeof(struct device_body) };
const struct body_object cert_object = { "certificate", cert_fields, COUNT(cert_fields),
	sizeof(struct cert_body) };
const struct body_object tag_object = { "tag", tag_fields, COUNT(tag_fields),
	sizeof(struct tag_body) };
const struct body_object pass_object = { "password", pass_fields, COUNT(pass_fields),
	sizeof(struct pass_body) };
const struct body_object thing_object = { "thing", thing_fields, COUNT(thing_fields),
	sizeof(struct thing_body) };
const struct body_object switch_object = { "switch", switch_fields, COUNT(switch_fields),
	sizeof(struct switch_body) };
const struct body_object revoke_object = { "revocation", revoke_fields, COUNT(revoke_fields),
	sizeof(struct revoke_body) };

/* --- one value --- */

static bool is_word(const char *words, struct slice text)
{
	for (const char *w = words; *w;) {
		size_t n = strcspn(w, " ");

		if (n == text.n && memcmp(w, text.p, n) == 0)
			return true;
		w += n + (w[n] == ' ');
	}
	return false;
}

static bool only(const char *chars, struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (!text.p[i] || !strchr(chars, text.p[i]))
			return false;
	return true;
}

/* Any text that can be shown, in which, if there is any, at least one character is a letter, digit or sign of a name. */
static bool is_name(struct slice text)
{
	bool sign = text.n == 0;

	for (size_t i = 0; i < text.n; i++)
		sign |= text.p[i] && strchr(BODY_NAME_CHARS, text.p[i]);
	return sign && shown_as_is(text);
}

static bool is_mac(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((text.p[i] == ':') != (i % 3 == 2))
			return false;
	return true;
}

static enum err text_check(const struct body_field *f, struct slice text, struct errbuf *eb)
{
	uint8_t uuid[16];
	bool right;

	if (text.n > f->largest)
		return err_set(
		    eb, ERR_FORMAT, "%s: %zu bytes, at most %zu", f->name, text.n, f->largest);
	if (text.n < f->smallest)
		return err_set(eb, ERR_FORMAT,
		    text.n == 0 ? "%s: empty" : "%s: %zu bytes, at least %zu", f->name, text.n,
		    f->smallest);
	switch (f->kind) {
	case BODY_KIND_WORD:
		right = is_word(f->rule, text);
		break;
	case BODY_KIND_NAME:
		right = is_name(text);
		break;
	case BODY_KIND_UUID:
		right = uuid_parse(text, uuid) == OK;
		break;
	case BODY_KIND_LINK:
		right = text.n == 0 || uuid_parse(text, uuid) == OK;
		break;
	case BODY_KIND_TEXT:
		right = only(f->rule, text) && (strcmp(f->name, "ble_mac") != 0 || is_mac(text));
		break;
	default: /* who parses it says what is wrong */
		right = true;
	}
	return right ? OK : err_set(eb, ERR_FORMAT, "%s: not %s", f->name, f->form);
}

enum err body_text_check(
    const struct body_object *object, unsigned field, struct slice text, struct errbuf *eb)
{
	return text_check(&object->fields[field], text, eb);
}

static enum err take(const struct body_field *f, json_t *value, uint8_t *out, struct errbuf *eb)
{
	struct slice text = { (const uint8_t *)json_string_value(value),
		json_string_length(value) };
	enum err e;

	if (f->kind == BODY_KIND_FLAG) {
		bool flag = json_is_true(value);

		if (!json_is_boolean(value))
			return err_set(eb, ERR_FORMAT, "%s: not true or false", f->name);
		memcpy(out + f->offset, &flag, sizeof(flag));
		return OK;
	}
	if (f->kind == BODY_KIND_LINK && json_is_null(value))
		return OK;
	if (!text.p)
		return err_set(eb, ERR_FORMAT, "%s: not a string", f->name);
	if ((e = text_check(f, text, eb)) != OK)
		return e;
	if (f->kind == BODY_KIND_LINK && text.n == 0)
		return OK;
	if (f->kind == BODY_KIND_UUID || f->kind == BODY_KIND_LINK)
		return uuid_parse(text, out + f->offset);
	memcpy(out + f->offset, text.p, text.n);
	return OK;
}

/* --- the object --- */

static enum err members(const struct body_object *object, json_t *json, uint8_t *out,
    uint32_t *given, struct errbuf *eb)
{
	const char *key;
	json_t *value;
	enum err e;

	json_object_foreach(json, key, value)
	{
		size_t i = 0;

		while (i < object->n && strcmp(object->fields[i].name, key) != 0)
			i++;
		if (i == object->n)
			return err_set(
			    eb, ERR_FORMAT, "%.40s: no member of a %s", key, object->name);
		if ((e = take(&object->fields[i], value, out, eb)) != OK)
			return e;
		*given |= BODY_BIT(i);
	}
	return OK;
}

enum err body_parse(const struct body_object *object, struct slice text, void *out, uint32_t *given,
    struct errbuf *eb)
{
	uint8_t *made = NULL;
	uint32_t bits = 0;
	json_error_t at;
	json_t *json;
	enum err e;

	if (text.n > BODY_MAX)
		return err_set(eb, ERR_SPACE, "the body: %zu bytes, at most %d", text.n, BODY_MAX);
	if (text.n == 0)
		return err_set(eb, ERR_FORMAT, "the body is empty, not a JSON object");
	json = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &at);
	if (!json)
		return err_set(eb, ERR_FORMAT, "the body is not JSON: line %d, column %d: %s",
		    at.line, at.column, at.text);
	made = calloc(1, object->size);
	if (!made)
		e = err_set(eb, ERR_MEMORY, "no memory for a body");
	else if (!json_is_object(json))
		e = err_set(eb, ERR_FORMAT, "the body is JSON, but not an object");
	else
		e = members(object, json, made, &bits, eb);
	if (e == OK) {
		memcpy(out, made, object->size);
		*given = bits;
	}
	json_decref(json);
	free(made);
	return e;
}

void body_given(const struct body_object *object, uint32_t given, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < object->n; i++) {
		if (!(given & BODY_BIT(i)))
			continue;
		n += (size_t)snprintf(
		    out + n, cap - n, "%s%s", n ? "," : "", object->fields[i].name);
		if (n >= cap)
			return;
	}
}
