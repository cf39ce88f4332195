#include "body.h"

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

/* Any text of one line in which at least one character is a letter, digit or sign of a name. */
static bool is_name(struct slice text)
{
	bool sign = false;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c < 0x20 || c == 0x7f)
			return false;
		sign |= strchr(BODY_NAME_CHARS, c) != NULL;
	}
	return sign;
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

static enum err put_text(
    const struct body_field *f, struct slice text, uint8_t *out, struct errbuf *eb)
{
	enum err e = text_check(f, text, eb);

	if (e != OK || (f->kind == BODY_KIND_LINK && text.n == 0))
		return e;
	if (f->kind == BODY_KIND_UUID || f->kind == BODY_KIND_LINK)
		return uuid_parse(text, out + f->offset);
	memcpy(out + f->offset, text.p, text.n);
	return OK;
}

static enum err take(const struct body_field *f, json_t *value, uint8_t *out, struct errbuf *eb)
{
	struct slice text = { (const uint8_t *)json_string_value(value),
		json_string_length(value) };

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
	return put_text(f, text, out, eb);
}

static size_t find_field(const struct body_object *object, const char *key)
{
	size_t i = 0;

	while (i < object->n && strcmp(object->fields[i].name, key) != 0)
		i++;
	return i;
}

/*
 * --- the usual body: one object of texts and flags in ASCII, with the short escapes ---
 *
 * Nearly every body is one, and the library goes through it byte by byte. What this takes the library takes
 * with the same result (fuzz/body.c holds the two against each other); what it does not take, for whatever
 * reason, the library judges.
 */

struct usual {
	const uint8_t *p, *end;
};

static void skip_blanks(struct usual *in)
{
	while (in->p < in->end &&
	       (*in->p == ' ' || *in->p == '\n' || *in->p == '\r' || *in->p == '\t'))
		in->p++;
}

/* This byte, and blanks before it. */
static bool take_byte(struct usual *in, uint8_t c)
{
	skip_blanks(in);
	if (in->p == in->end || *in->p != c)
		return false;
	in->p++;
	return true;
}

static bool take_word(struct usual *in, struct slice word)
{
	if ((size_t)(in->end - in->p) < word.n || memcmp(in->p, word.p, word.n) != 0)
		return false;
	in->p += word.n;
	return true;
}

/* 0: none of those that are taken here. */
static uint8_t escaped(uint8_t c)
{
	static const char letters[] = "\"\\/bfnrt", bytes[] = "\"\\/\b\f\n\r\t";
	const char *at = c ? strchr(letters, c) : NULL;

	return at ? (uint8_t)bytes[at - letters] : 0;
}

/* What stands between quotation marks; `to` has room for all that is left, and for a NUL. */
static bool take_text(struct usual *in, uint8_t *to, size_t *n)
{
	uint8_t *start = to;

	if (!take_byte(in, '"'))
		return false;
	for (; in->p < in->end && *in->p != '"'; in->p++) {
		uint8_t c = *in->p;

		if (c < 0x20 || c >= 0x80)
			return false;
		if (c == '\\' && (++in->p == in->end || (c = escaped(*in->p)) == 0))
			return false;
		*to++ = c;
	}
	*to = '\0';
	*n = (size_t)(to - start);
	return take_byte(in, '"');
}

static bool take_member(const struct body_object *object, struct usual *in, uint8_t *text,
    uint8_t *out, uint32_t *given)
{
	const struct body_field *f;
	size_t i, n;
	bool flag;

	if (!take_text(in, text, &n) || !take_byte(in, ':') ||
	    (i = find_field(object, (const char *)text)) == object->n || *given & BODY_BIT(i))
		return false;
	f = &object->fields[i];
	*given |= BODY_BIT(i);
	skip_blanks(in);
	if (f->kind != BODY_KIND_FLAG)
		return take_text(in, text, &n) &&
		       put_text(f, (struct slice){ text, n }, out, NULL) == OK;
	flag = take_word(in, TEXT("true"));
	memcpy(out + f->offset, &flag, sizeof(flag));
	return flag || take_word(in, TEXT("false"));
}

static bool take_usual(
    const struct body_object *object, struct slice body, uint8_t *out, uint32_t *given)
{
	struct usual in = { body.p, body.p + body.n };
	uint8_t text[BODY_MAX + 1];
	bool good = take_byte(&in, '{');

	if (good && !take_byte(&in, '}')) {
		do
			good = take_member(object, &in, text, out, given);
		while (good && take_byte(&in, ','));
		good = good && take_byte(&in, '}');
	}
	skip_blanks(&in);
	wipe(text, body.n < sizeof(text) ? body.n : sizeof(text)); /* may be a password */
	return good && in.p == in.end;
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
		size_t i = find_field(object, key);

		if (i == object->n)
			return err_set(
			    eb, ERR_FORMAT, "%.40s: no member of a %s", key, object->name);
		if ((e = take(&object->fields[i], value, out, eb)) != OK)
			return e;
		*given |= BODY_BIT(i);
	}
	return OK;
}

/* Into a struct of zeros. */
static enum err judge(const struct body_object *object, struct slice text, uint8_t *made,
    uint32_t *given, struct errbuf *eb)
{
	json_error_t at;
	json_t *json = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &at);
	enum err e;

	if (!json)
		return err_set(eb, ERR_FORMAT, "the body is not JSON: line %d, column %d: %s",
		    at.line, at.column, at.text);
	if (!json_is_object(json))
		e = err_set(eb, ERR_FORMAT, "the body is JSON, but not an object");
	else
		e = members(object, json, made, given, eb);
	json_decref(json);
	return e;
}

static enum err parse(const struct body_object *object, struct slice text, bool usual, void *out,
    uint32_t *given, struct errbuf *eb)
{
	uint8_t *made;
	uint32_t bits = 0;
	enum err e = OK;

	if (text.n > BODY_MAX)
		return err_set(eb, ERR_SPACE, "the body: %zu bytes, at most %d", text.n, BODY_MAX);
	if (text.n == 0)
		return err_set(eb, ERR_FORMAT, "the body is empty, not a JSON object");
	if (!(made = calloc(1, object->size)))
		return err_set(eb, ERR_MEMORY, "no memory for a body");
	if (!usual || !take_usual(object, text, made, &bits)) {
		memset(made, 0, object->size);
		bits = 0;
		e = judge(object, text, made, &bits, eb);
	}
	if (e == OK) {
		memcpy(out, made, object->size);
		*given = bits;
	}
	free(made);
	return e;
}

enum err body_parse(const struct body_object *object, struct slice text, void *out, uint32_t *given,
    struct errbuf *eb)
{
	return parse(object, text, true, out, given, eb);
}

enum err body_judge(const struct body_object *object, struct slice text, void *out, uint32_t *given,
    struct errbuf *eb)
{
	return parse(object, text, false, out, given, eb);
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
