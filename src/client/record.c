#include "record.h"

#include "assurance.h"
#include "file.h"
#include "folder.h"
#include "p256.h"
#include "sha256.h"
#include "text.h"
#include "uuid.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEVEL_MAX (ASSURANCE_LEVELS - 1)
#define PEM_MAX (BASE64_SIZE(CCERT_CERT_MAX) + 128)

struct record {
	char name[RECORD_NAME_MAX + 1];
	char device_id[CCERT_DEVICE_ID + 1];
	bool requested;
	uint8_t csr_sha256[32];
	bool has_element,
	    has_attester; /* a chip that was locked here; the key that speaks for it */
	uint8_t element[9], attester[64];
	struct record_cert *certs; /* oldest first */
	size_t n;
	char *folder; /* NULL: not on disk */
	struct file_lock lock;
};

static const char *const state_texts[RECORD_STATES] = { "issued", "active", "superseded" };

const char *record_state_text(enum record_state state)
{
	return state_texts[state];
}

enum err record_name_check(const char *name, struct errbuf *eb)
{
	size_t n =
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	if (n == 0 || n > RECORD_NAME_MAX || name[n] || name[0] == '.' || name[0] == '-')
		return err_set(eb, ERR_ARG,
		    "name: 1 to %d letters, digits, '.', '_' or '-', "
		    "not beginning with '.' or '-'",
		    RECORD_NAME_MAX);
	return OK;
}

/* --- the rules that hold for every record, in memory and on disk --- */

static enum err certs_check(const struct record *r, struct errbuf *eb)
{
	bool active = false;

	for (size_t i = 0; i < r->n; i++) {
		const struct record_cert *c = &r->certs[i];

		if (c->state == RECORD_ACTIVE && active)
			return err_set(
			    eb, ERR_FORMAT, "certificates[%zu].state: a second active one", i);
		active |= c->state == RECORD_ACTIVE;
		if (c->state == RECORD_ISSUED && i + 1 != r->n)
			return err_set(eb, ERR_FORMAT,
			    "certificates[%zu].state: issued, but not the newest", i);
		if (c->state == RECORD_ISSUED &&
		    (!r->requested || memcmp(c->csr_sha256, r->csr_sha256, 32) != 0))
			return err_set(eb, ERR_FORMAT,
			    "certificates[%zu].csr_sha256: issued, "
			    "but not for the last request",
			    i);
	}
	return OK;
}

/* Appends; the certificate must be this board's and new. */
static enum err cert_add(struct record *r, const struct record_cert *c, struct errbuf *eb)
{
	struct slice der = { c->der, c->n };
	struct record_cert *more;
	struct ccert fields;
	uint8_t q[64];

	if (r->n == RECORD_CERTS_MAX)
		return err_set(eb, ERR_SPACE, "%d certificates for one board: set its record aside",
		    RECORD_CERTS_MAX);
	if (ccert_from_cert(der, &fields, q) != OK)
		return err_set(eb, ERR_FORMAT, "not a certificate that a board can rebuild");
	if (memcmp(fields.device_id, r->device_id, CCERT_DEVICE_ID) != 0)
		return err_set(eb, ERR_FORMAT, "subject: not the device id %s", r->device_id);
	for (size_t i = 0; i < r->n; i++)
		if (slice_equal(der, (struct slice){ r->certs[i].der, r->certs[i].n }))
			return err_set(eb, ERR_FORMAT, "the same as certificates[%zu]", i);
	if (!(more = realloc(r->certs, (r->n + 1) * sizeof(*more))))
		return err_set(eb, ERR_MEMORY, "no memory for a certificate");
	r->certs = more;
	r->certs[r->n++] = *c;
	return OK;
}

/* --- text --- */

/* A string member without NUL inside; NULL when it is missing or something else. */
static struct slice text_of(json_t *object, const char *key)
{
	json_t *v = json_object_get(object, key);

	return (struct slice){ (const uint8_t *)json_string_value(v), json_string_length(v) };
}

/* Every member must be one of the listed ones. */
static enum err members_check(json_t *object, const char *const *known, struct errbuf *eb)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i])
			return err_set(eb, ERR_FORMAT, "unknown member \"%.40s\"", key);
	}
	return OK;
}

static enum err cert_parse(struct record *r, json_t *in, struct errbuf *eb)
{
	static const char *const known[] = { "state", "csr_sha256", "level", "der", NULL };
	json_t *level = json_object_get(in, "level");
	struct slice state = text_of(in, "state");
	struct record_cert c = { 0 };
	size_t s = 0;
	enum err e;

	if (!json_is_object(in))
		return err_set(eb, ERR_FORMAT, "not an object");
	if ((e = members_check(in, known, eb)) != OK)
		return e;
	while (s < RECORD_STATES &&
	       !slice_equal(state,
	           (struct slice){ (const uint8_t *)state_texts[s], strlen(state_texts[s]) }))
		s++;
	if (s == RECORD_STATES)
		return err_set(eb, ERR_FORMAT, "state: not issued, active or superseded");
	c.state = (enum record_state)s;
	if (hex_decode(text_of(in, "csr_sha256"), c.csr_sha256, 32) != OK)
		return err_set(eb, ERR_FORMAT, "csr_sha256: not 64 hex digits");
	if (level && (!json_is_integer(level) || json_integer_value(level) < 1 ||
	                 json_integer_value(level) > LEVEL_MAX))
		return err_set(eb, ERR_FORMAT, "level: not 1 to %d", LEVEL_MAX);
	c.level = (uint8_t)json_integer_value(level);
	if (base64_decode(text_of(in, "der"), c.der, sizeof(c.der), &c.n) != OK)
		return err_set(
		    eb, ERR_FORMAT, "der: not base64 of at most %zu bytes", sizeof(c.der));
	return (e = cert_add(r, &c, eb)) == OK ? OK : err_within(eb, e, "der");
}

static enum err element_parse(struct record *r, json_t *in, struct errbuf *eb)
{
	static const char *const known[] = { "serial", "attester", NULL };
	enum err e;

	if (!in)
		return OK;
	if (!json_is_object(in))
		return err_set(eb, ERR_FORMAT, "not an object");
	if ((e = members_check(in, known, eb)) != OK)
		return e;
	if (hex_decode(text_of(in, "serial"), r->element, sizeof(r->element)) != OK)
		return err_set(eb, ERR_FORMAT, "serial: not 18 hex digits");
	r->has_element = true;
	r->has_attester = json_object_get(in, "attester");
	if (r->has_attester &&
	    hex_decode(text_of(in, "attester"), r->attester, sizeof(r->attester)) != OK)
		return err_set(eb, ERR_FORMAT, "attester: not 128 hex digits");
	return OK;
}

static enum err head_parse(struct record *r, json_t *in, struct errbuf *eb)
{
	static const char *const known[] = { "schema", "name", "device_id", "csr_sha256", "element",
		"certificates", NULL };
	struct slice name = text_of(in, "name"), id = text_of(in, "device_id");
	json_t *schema = json_object_get(in, "schema");
	uint8_t uuid[16];
	enum err e;

	if (!json_is_object(in))
		return err_set(eb, ERR_FORMAT, "not an object");
	if (!json_is_integer(schema) || json_integer_value(schema) != 1)
		return err_set(eb, ERR_FORMAT, "schema: not 1; written by another version");
	if ((e = members_check(in, known, eb)) != OK)
		return e;
	if (!name.p || name.n > RECORD_NAME_MAX)
		return err_set(eb, ERR_FORMAT, "name: missing or too long");
	memcpy(r->name, name.p, name.n);
	if (record_name_check(r->name, eb) != OK)
		return ERR_FORMAT;
	if (uuid_parse(id, uuid) != OK)
		return err_set(eb, ERR_FORMAT, "device_id: not a UUID in lower case");
	memcpy(r->device_id, id.p, id.n);
	r->requested = json_object_get(in, "csr_sha256");
	if (r->requested && hex_decode(text_of(in, "csr_sha256"), r->csr_sha256, 32) != OK)
		return err_set(eb, ERR_FORMAT, "csr_sha256: not 64 hex digits");
	if ((e = element_parse(r, json_object_get(in, "element"), eb)) != OK)
		return err_within(eb, e, "element");
	if (!json_is_array(json_object_get(in, "certificates")))
		return err_set(eb, ERR_FORMAT, "certificates: not an array");
	return OK;
}

static struct record *record_new(void)
{
	struct record *r = calloc(1, sizeof(*r));

	if (r)
		r->lock = FILE_UNLOCKED;
	return r;
}

enum err record_parse(struct slice text, struct record **out, struct errbuf *eb)
{
	struct record *r = record_new();
	json_error_t at;
	json_t *in = NULL, *c;
	enum err e;
	size_t i;

	if (!r)
		return err_set(eb, ERR_MEMORY, "no memory for a record");
	if (text.n > RECORD_SIZE_MAX) {
		e = err_set(eb, ERR_SPACE, "larger than %u bytes", RECORD_SIZE_MAX);
		goto out;
	}
	if (!(in = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &at))) {
		e = err_set(eb, ERR_FORMAT, "line %d: %s", at.line, at.text);
		goto out;
	}
	if ((e = head_parse(r, in, eb)) != OK)
		goto out;
	json_array_foreach(
	    json_object_get(in, "certificates"), i, c) if ((e = cert_parse(r, c, eb)) != OK)
	{
		err_within(eb, e, "certificates[%zu]", i);
		goto out;
	}
	if ((e = certs_check(r, eb)) != OK)
		goto out;
	*out = r;
	r = NULL;
out:
	json_decref(in);
	record_free(r);
	return e;
}

static json_t *cert_print(const struct record_cert *c)
{
	char der[BASE64_SIZE(CCERT_CERT_MAX) + 1], hash[65];

	if (base64_encode((struct slice){ c->der, c->n }, der, sizeof(der)) != OK)
		return NULL;
	hex_encode(SLICE(c->csr_sha256), HEX_LOWER, hash);
	return json_pack("{s:s, s:s, s:o*, s:s}", "state", state_texts[c->state], "csr_sha256",
	    hash, "level", c->level ? json_integer(c->level) : NULL, "der", der);
}

static json_t *element_print(const struct record *r)
{
	char serial[19], attester[129];

	hex_encode(SLICE(r->element), HEX_UPPER, serial);
	hex_encode(SLICE(r->attester), HEX_LOWER, attester);
	return json_pack(
	    "{s:s, s:s*}", "serial", serial, "attester", r->has_attester ? attester : NULL);
}

enum err record_print(const struct record *r, char **text, struct errbuf *eb)
{
	json_t *certs = json_array(), *all = NULL;
	bool whole = certs;
	char hash[65];

	for (size_t i = 0; i < r->n && whole; i++)
		whole = json_array_append_new(certs, cert_print(&r->certs[i])) == 0;
	hex_encode(SLICE(r->csr_sha256), HEX_LOWER, hash);
	all = json_pack("{s:i, s:s, s:s, s:s*, s:o*, s:o}", "schema", 1, "name", r->name,
	    "device_id", r->device_id, "csr_sha256", r->requested ? hash : NULL, "element",
	    r->has_element ? element_print(r) : NULL, "certificates", certs);
	*text = all && whole ? json_dumps(all, JSON_INDENT(1)) : NULL;
	json_decref(all);
	return *text ? OK : err_set(eb, ERR_MEMORY, "no memory to write the record");
}

/* --- on disk --- */

static enum err path_of(const char *folder, const char *name, const char *ending,
    char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char file[RECORD_NAME_MAX + CCERT_DEVICE_ID + 8];

	snprintf(file, sizeof(file), "%s%s", name, ending);
	return folder_join(folder, file, path, eb);
}

/* NAME.pem is a copy for other programs, made after the fact; the record alone says what is true. */
static enum err pem_update(const struct record *r, struct errbuf *eb)
{
	const struct record_cert *c = record_active(r);
	char path[FOLDER_PATH_MAX], pem[PEM_MAX];
	uint8_t *there = NULL;
	size_t n, there_n;
	bool same;
	enum err e;

	if (!c)
		return OK;
	if ((e = path_of(r->folder, r->name, ".pem", path, eb)) != OK)
		return e;
	if ((e = pem_encode(
	         (struct slice){ c->der, c->n }, "CERTIFICATE", 64, pem, sizeof(pem), &n)) != OK)
		return err_set(eb, e, "certificate of %zu bytes: no room for its PEM", c->n);
	same = file_read(path, sizeof(pem), &there, &there_n, NULL) == OK && there_n == n &&
	       memcmp(there, pem, n) == 0;
	free(there);
	return same ? OK : file_write(path, (struct slice){ (const uint8_t *)pem, n }, 0644, eb);
}

static enum err save(const struct record *r, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX], *text = NULL;
	enum err e;

	if ((e = path_of(r->folder, r->name, ".json", path, eb)) != OK ||
	    (e = certs_check(r, eb)) != OK || (e = record_print(r, &text, eb)) != OK)
		return e;
	e = file_write(path, (struct slice){ (const uint8_t *)text, strlen(text) }, 0600, eb);
	free(text);
	return e == OK ? pem_update(r, eb) : e;
}

static enum err device_id_make(char out[CCERT_DEVICE_ID + 1], struct errbuf *eb)
{
	uint8_t b[16];

	if (random_bytes(b, sizeof(b)) != OK)
		return err_set(eb, ERR_IO, "no random numbers for a device id");
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	uuid_text(b, out);
	out[CCERT_DEVICE_ID] = 0;
	return OK;
}

static enum err make(const char *name, const char device_id[CCERT_DEVICE_ID + 1],
    struct record **out, struct errbuf *eb)
{
	struct record *r = record_new();

	if (!r)
		return err_set(eb, ERR_MEMORY, "no memory for a record");
	memcpy(r->name, name, strlen(name) + 1);
	memcpy(r->device_id, device_id, sizeof(r->device_id));
	*out = r;
	return OK;
}

static enum err load(const char *path, const char *name, struct record **out, struct errbuf *eb)
{
	struct record *r = NULL;
	uint8_t *text = NULL;
	size_t n;
	enum err e;

	if ((e = file_read(path, RECORD_SIZE_MAX, &text, &n, eb)) != OK)
		return e;
	if ((e = record_parse((struct slice){ text, n }, &r, eb)) != OK)
		err_within(eb, e, "%s", path);
	else if (strcmp(r->name, name) != 0)
		e = err_set(eb, ERR_FORMAT, "%s: name: is the record of %s", path, r->name);
	free(text);
	if (e != OK) {
		record_free(r);
		return e;
	}
	*out = r;
	return OK;
}

/* Another device's certificates are no part of this one's story, but they are kept. */
static enum err set_aside(const char *folder, const struct record *r, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX], aside[FOLDER_PATH_MAX], pem[FOLDER_PATH_MAX];
	char ending[CCERT_DEVICE_ID + 8];
	enum err e;

	snprintf(ending, sizeof(ending), ".%s.old", r->device_id);
	if ((e = path_of(folder, r->name, ".json", path, eb)) != OK ||
	    (e = path_of(folder, r->name, ending, aside, eb)) != OK ||
	    (e = path_of(folder, r->name, ".pem", pem, eb)) != OK)
		return e;
	if (rename(path, aside) != 0)
		return file_error(eb, errno, path, "cannot be set aside");
	if (unlink(pem) != 0 && errno != ENOENT)
		return file_error(eb, errno, pem, "cannot be removed");
	return folder_sync_parent(path, eb);
}

/* The device of this board; true in *other when that is not the recorded one. */
static enum err device_ask(const struct record_ids *ids, const char *name,
    char id[CCERT_DEVICE_ID + 1], bool *other, struct errbuf *eb)
{
	char known[CCERT_DEVICE_ID + 1];
	uint8_t uuid[16];
	enum err e;

	memcpy(known, id, sizeof(known));
	if (!ids && !id[0])
		return device_id_make(id, eb);
	if (!ids)
		return OK;
	if ((e = ids->device(ids->ctx, name, id, eb)) != OK)
		return e;
	if (uuid_parse((struct slice){ (const uint8_t *)id, strlen(id) }, uuid) != OK)
		return err_set(eb, ERR_FORMAT, "the issuer's device id is not a UUID");
	*other = strcmp(known, id) != 0;
	return OK;
}

/* Reads what is there, asks whose it is, and begins anew where it is nobody's or another's. */
static enum err settle(const char *folder, const char *name, const struct record_ids *ids,
    struct record **out, bool *made, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX], id[CCERT_DEVICE_ID + 1] = "";
	bool other = false;
	enum err e;

	if ((e = path_of(folder, name, ".json", path, eb)) != OK)
		return e;
	if ((e = load(path, name, out, eb)) != OK && e != ERR_NOT_FOUND)
		return e;
	if (*out)
		memcpy(id, (*out)->device_id, sizeof(id));
	if ((e = device_ask(ids, name, id, &other, eb)) != OK)
		return e;
	if (*out && other) {
		if ((e = set_aside(folder, *out, eb)) != OK)
			return e;
		record_free(*out);
		*out = NULL;
	}
	*made = !*out;
	return *made ? make(name, id, out, eb) : OK;
}

enum err record_open(const char *folder, const char *name, const struct record_ids *ids,
    struct record **out, struct errbuf *eb)
{
	struct file_lock lock = FILE_UNLOCKED;
	struct record *r = NULL;
	char path[FOLDER_PATH_MAX];
	bool made = false;
	enum err e;

	if ((e = record_name_check(name, eb)) != OK ||
	    (e = path_of(folder, name, ".lock", path, eb)) != OK ||
	    (e = file_lock(&lock, path, eb)) != OK ||
	    (e = settle(folder, name, ids, &r, &made, eb)) != OK)
		goto out;
	if (!(r->folder = strdup(folder))) {
		e = err_set(eb, ERR_MEMORY, "no memory for a record");
		goto out;
	}
	if ((e = made ? save(r, eb) : pem_update(r, eb)) != OK)
		goto out;
	r->lock = lock;
	lock = FILE_UNLOCKED;
	*out = r;
	r = NULL;
out:
	record_free(r);
	file_unlock(&lock);
	return e;
}

void record_free(struct record *r)
{
	if (!r)
		return;
	file_unlock(&r->lock);
	free(r->certs);
	free(r->folder);
	free(r);
}

/* --- what happens to a board --- */

static void supersede(struct record *r, enum record_state from)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->certs[i].state == from)
			r->certs[i].state = RECORD_SUPERSEDED;
}

enum err record_request(struct record *r, const uint8_t csr_sha256[32], struct errbuf *eb)
{
	if (r->requested && memcmp(r->csr_sha256, csr_sha256, 32) == 0)
		return OK;
	r->requested = true;
	memcpy(r->csr_sha256, csr_sha256, 32);
	supersede(r, RECORD_ISSUED);
	return save(r, eb);
}

enum err record_issue(struct record *r, struct slice der, unsigned level, struct errbuf *eb)
{
	struct record_cert c = { .state = RECORD_ISSUED, .level = (uint8_t)level };
	enum err e;

	if (!r->requested)
		return err_set(eb, ERR_CONFLICT, "a certificate without a request");
	if (der.n > sizeof(c.der))
		return err_set(eb, ERR_SPACE, "certificate of %zu bytes: larger than %zu", der.n,
		    sizeof(c.der));
	memcpy(c.csr_sha256, r->csr_sha256, 32);
	memcpy(c.der, der.p, der.n);
	c.n = der.n;
	if ((e = cert_add(r, &c, eb)) != OK)
		return err_within(eb, e, "issued certificate");
	r->certs[r->n - 1].state = RECORD_SUPERSEDED; /* so that supersede leaves it alone */
	supersede(r, RECORD_ISSUED);
	r->certs[r->n - 1].state = RECORD_ISSUED;
	return save(r, eb);
}

enum err record_activate(struct record *r, struct errbuf *eb)
{
	if (r->n == 0 || r->certs[r->n - 1].state != RECORD_ISSUED)
		return err_set(eb, ERR_CONFLICT, "no certificate waits to become active");
	supersede(r, RECORD_ACTIVE);
	r->certs[r->n - 1].state = RECORD_ACTIVE;
	return save(r, eb);
}

enum err record_element(struct record *r, const uint8_t serial[9], struct errbuf *eb)
{
	if (record_is_element(r, serial))
		return OK;
	r->has_element = true;
	r->has_attester = false;
	memcpy(r->element, serial, sizeof(r->element));
	return save(r, eb);
}

enum err record_attester_put(
    struct record *r, const uint8_t serial[9], const uint8_t attester[64], struct errbuf *eb)
{
	if (!record_is_element(r, serial))
		return err_set(eb, ERR_CONFLICT, "the element was not locked here");
	if (r->has_attester && memcmp(r->attester, attester, sizeof(r->attester)) != 0)
		return err_set(eb, ERR_CONFLICT,
		    "the element shows another attestation key than when it was locked: "
		    "it is not the same chip");
	if (r->has_attester)
		return OK;
	r->has_attester = true;
	memcpy(r->attester, attester, sizeof(r->attester));
	return save(r, eb);
}

bool record_is_element(const struct record *r, const uint8_t serial[9])
{
	return r->has_element && memcmp(r->element, serial, sizeof(r->element)) == 0;
}

bool record_attester(const struct record *r, const uint8_t serial[9], uint8_t attester[64])
{
	if (!record_is_element(r, serial) || !r->has_attester)
		return false;
	memcpy(attester, r->attester, sizeof(r->attester));
	return true;
}

const char *record_name(const struct record *r)
{
	return r->name;
}

const char *record_device_id(const struct record *r)
{
	return r->device_id;
}

bool record_last_request(const struct record *r, uint8_t csr_sha256[32])
{
	if (r->requested)
		memcpy(csr_sha256, r->csr_sha256, 32);
	return r->requested;
}

size_t record_count(const struct record *r)
{
	return r->n;
}

const struct record_cert *record_at(const struct record *r, size_t i)
{
	return &r->certs[i];
}

const struct record_cert *record_active(const struct record *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->certs[i].state == RECORD_ACTIVE)
			return &r->certs[i];
	return NULL;
}
