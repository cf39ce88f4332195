/*
 * body.h -- JSON bodies of requests, strictly: into C structs, by the tables of fields.def.
 *
 * Refused with the member's name and what is wrong: members that nobody knows, members twice, other
 * types (null too), lengths, characters, broken UTF-8, NUL, nesting, bytes behind the value. The struct
 * is untouched then. `given` has bit i for the i-th field of the object.
 *
 *	struct device_body d;
 *	if ((e = body_parse(&device_object, body, &d, &given, eb)) != OK)
 *		return e;                                    // "name: 70 bytes, at most 64"
 *	if (given & BODY_BIT(DEVICE_name)) ...
 */
#ifndef IMPRINT_BODY_H
#define IMPRINT_BODY_H

#include "errbuf.h"

#define BODY_MAX 16384
#define BODY_BIT(field) (UINT32_C(1) << (field))

/* Every field as a member of its largest size, and its number. */
#define BODY_TEXT(name, largest) char name[(largest) + 1];
#define BODY_WORD(name, largest) char name[(largest) + 1];
#define BODY_NAME(name, largest) char name[(largest) + 1];
#define BODY_PEM(name, largest) char name[(largest) + 1];
#define BODY_UUID(name, largest) uint8_t name[16];
#define BODY_LINK(name, largest) uint8_t name[16]; /* all zero: nothing */
#define BODY_FLAG(name, largest) bool name;

#define DEVICE_FIELD(name, kind, smallest, largest, rule, form) BODY_##kind(name, largest)
struct device_body {
#include "fields.def"
};
#define DEVICE_FIELD(name, kind, smallest, largest, rule, form) DEVICE_##name,
enum device_field {
#include "fields.def"
	DEVICE_FIELDS
};
#define CERT_FIELD(name, kind, smallest, largest, rule, form) BODY_##kind(name, largest)
struct cert_body {
#include "fields.def"
};
#define CERT_FIELD(name, kind, smallest, largest, rule, form) CERT_##name,
enum cert_field {
#include "fields.def"
	CERT_FIELDS
};
#define TAG_FIELD(name, kind, smallest, largest, rule, form) BODY_##kind(name, largest)
struct tag_body {
#include "fields.def"
};
#define TAG_FIELD(name, kind, smallest, largest, rule, form) TAG_##name,
enum tag_field {
#include "fields.def"
	TAG_FIELDS
};
#define PASS_FIELD(name, kind, smallest, largest, rule, form) BODY_##kind(name, largest)
struct pass_body {
#include "fields.def"
};
#define PASS_FIELD(name, kind, smallest, largest, rule, form) PASS_##name,
enum pass_field {
#include "fields.def"
	PASS_FIELDS
};
#define THING_FIELD(name, kind, smallest, largest, rule, form) BODY_##kind(name, largest)
struct thing_body {
#include "fields.def"
};
#define THING_FIELD(name, kind, smallest, largest, rule, form) THING_##name,
enum thing_field {
#include "fields.def"
	THING_FIELDS
};
#define SWITCH_FIELD(name, kind, smallest, largest, rule, form) BODY_##kind(name, largest)
struct switch_body {
#include "fields.def"
};
#define SWITCH_FIELD(name, kind, smallest, largest, rule, form) SWITCH_##name,
enum switch_field {
#include "fields.def"
	SWITCH_FIELDS
};
#define REVOKE_FIELD(name, kind, smallest, largest, rule, form) BODY_##kind(name, largest)
struct revoke_body {
#include "fields.def"
};
#define REVOKE_FIELD(name, kind, smallest, largest, rule, form) REVOKE_##name,
enum revoke_field {
#include "fields.def"
	REVOKE_FIELDS
};

enum body_kind {
	BODY_KIND_TEXT,
	BODY_KIND_WORD,
	BODY_KIND_NAME,
	BODY_KIND_PEM,
	BODY_KIND_UUID,
	BODY_KIND_LINK,
	BODY_KIND_FLAG
};
struct body_field {
	const char *name;
	enum body_kind kind;
	size_t offset, smallest, largest;
	const char *rule, *form;
};
struct body_object {
	const char *name;
	const struct body_field *fields;
	size_t n, size; /* of the struct */
};
extern const struct body_object device_object, cert_object, tag_object, pass_object, thing_object,
    switch_object, revoke_object;

/* ERR_FORMAT with field and reason; ERR_SPACE: more than BODY_MAX bytes; ERR_MEMORY. */
enum err body_parse(const struct body_object *object, struct slice json, void *out, uint32_t *given,
    struct errbuf *eb) MUST_CHECK;
/* One value that came another way (a path, a query), by the same rules. */
enum err body_text_check(const struct body_object *object, unsigned field, struct slice text,
    struct errbuf *eb) MUST_CHECK;
/* Names of the given fields with commas between, cut to fit. */
void body_given(const struct body_object *object, uint32_t given, char *out, size_t cap);

#endif
