/* A device certificate as JSON: reading whichever form is there, adding the others. */
#include "certificate.h"
#include "p256.h"
#include "text.h"

#include <string.h>
#include <strings.h>

#define CERT_READ_MAX 4096 /* enough to say why a certificate does not fit the slots */

/*
 * How a member is compared with what it should be: of hex, so many bytes, 0 for all. What a chip
 * holds behind them is undefined or ignored: bytes 67..71 of slot 10, the ends of slots 11 and 12.
 */
enum kind { EXACT, PEM, HEX };
static const struct member {
	const char *name;
	enum kind kind;
	size_t bytes;
} members[] = {
	{ "device_id", EXACT, 0 },
	{ "serial", HEX, 0 },
	{ "authority_key_id", HEX, 0 },
	{ "issue", EXACT, 0 },
	{ "expire_years", EXACT, 0 },
	{ "signature", HEX, 0 },
	{ "public_xy", HEX, 0 },
	{ "slot10", HEX, 67 },
	{ "slot11_written", HEX, 36 },
	{ "slot12_after_device_id_write", HEX, 36 },
	{ "slot12_after_certificate_write", HEX, 36 },
	{ "dates", HEX, 0 },
	{ "tbs", HEX, 0 },
	{ "der", HEX, 0 },
	{ "pem", PEM, 0 },
};

/* The member that an error is about; its name goes in front of the text. */
static enum err blame(const char **field, const char *name, struct errbuf *eb, enum err e)
{
	*field = name;
	return err_within(eb, e, "%s", name);
}

/* --- members in --- */

static enum err get_text(
    const json_t *json, const char *name, struct slice *text, const char **field, struct errbuf *eb)
{
	const json_t *value = json_object_get(json, name);

	if (value == NULL)
		return blame(field, name, eb, err_set(eb, ERR_FORMAT, "missing"));
	if (!json_is_string(value))
		return blame(field, name, eb, err_set(eb, ERR_FORMAT, "not a string"));
	*text =
	    (struct slice){ (const uint8_t *)json_string_value(value), json_string_length(value) };
	return OK;
}

/* At least n bytes; more are allowed, and not looked at, up to max. */
static enum err get_hex_most(const json_t *json, const char *name, uint8_t *out, size_t n,
    size_t max, const char **field, struct errbuf *eb)
{
	struct slice text;
	enum err e = get_text(json, name, &text, field, eb);

	if (e != OK)
		return e;
	if (text.n < 2 * n || text.n > 2 * max)
		return blame(field, name, eb,
		    err_set(eb, ERR_FORMAT, "%zu hex digits wanted, %zu given", 2 * n, text.n));
	if (hex_decode((struct slice){ text.p, 2 * n }, out, n) != OK)
		return blame(field, name, eb, err_set(eb, ERR_FORMAT, "not hex"));
	return OK;
}

static enum err get_hex(const json_t *json, const char *name, uint8_t *out, size_t n,
    const char **field, struct errbuf *eb)
{
	return get_hex_most(json, name, out, n, n, field, eb);
}

/* `name` is what an error calls it; json is the value itself. */
static enum err get_number(const json_t *json, const char *name, unsigned min, unsigned max,
    unsigned *out, const char **field, struct errbuf *eb)
{
	json_int_t v = json_integer_value(json);

	if (json == NULL)
		return blame(field, name, eb, err_set(eb, ERR_FORMAT, "missing"));
	if (!json_is_integer(json))
		return blame(field, name, eb, err_set(eb, ERR_FORMAT, "not a whole number"));
	if (v < min || v > max)
		return blame(field, name, eb,
		    err_set(eb, ERR_FORMAT, "%" JSON_INTEGER_FORMAT " is not within %u and %u", v,
		        min, max));
	*out = (unsigned)v;
	return OK;
}

static enum err get_dates(
    const json_t *json, struct ccert *c, const char **field, struct errbuf *eb)
{
	const json_t *issue = json_object_get(json, "issue");
	unsigned year, month, day, hour, years;
	enum err e;

	if (issue == NULL)
		return blame(field, "issue", eb, err_set(eb, ERR_FORMAT, "missing"));
	if (!json_is_object(issue))
		return blame(field, "issue", eb, err_set(eb, ERR_FORMAT, "not an object"));
	if ((e = get_number(json_object_get(issue, "year"), "issue.year", 2000, 2031, &year, field,
	         eb)) != OK ||
	    (e = get_number(
	         json_object_get(issue, "month"), "issue.month", 1, 12, &month, field, eb)) != OK ||
	    (e = get_number(json_object_get(issue, "day"), "issue.day", 1, 31, &day, field, eb)) !=
	        OK ||
	    (e = get_number(
	         json_object_get(issue, "hour"), "issue.hour", 0, 23, &hour, field, eb)) != OK ||
	    (e = get_number(json_object_get(json, "expire_years"), "expire_years", 0, 31, &years,
	         field, eb)) != OK)
		return e;
	c->issued =
	    (struct x509_hour){ (uint16_t)year, (uint8_t)month, (uint8_t)day, (uint8_t)hour };
	c->years = (uint8_t)years;
	return OK;
}

/* The position of the first character that is not printable ASCII, from 1; 0: none. */
static size_t unprintable(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			return i + 1;
	return 0;
}

static enum err get_device_id(
    const json_t *json, struct ccert *c, const char **field, struct errbuf *eb)
{
	struct slice text;
	enum err e = get_text(json, "device_id", &text, field, eb);

	if (e != OK)
		return e;
	if (text.n != CCERT_DEVICE_ID)
		return blame(field, "device_id", eb,
		    err_set(eb, ERR_FORMAT, "%d characters wanted, %zu given", CCERT_DEVICE_ID,
		        text.n));
	if (unprintable((const char *)text.p, text.n) != 0)
		return blame(field, "device_id", eb,
		    err_set(eb, ERR_FORMAT, "character %zu is not printable ASCII",
		        unprintable((const char *)text.p, text.n)));
	memcpy(c->device_id, text.p, CCERT_DEVICE_ID);
	return OK;
}

static enum err read_fields(
    const json_t *json, struct ccert *c, const char **field, struct errbuf *eb)
{
	enum err e;

	if ((e = get_device_id(json, c, field, eb)) != OK ||
	    (e = get_dates(json, c, field, eb)) != OK ||
	    (e = get_hex(json, "serial", c->serial, sizeof(c->serial), field, eb)) != OK ||
	    (e = get_hex(json, "authority_key_id", c->aki, sizeof(c->aki), field, eb)) != OK ||
	    (e = get_hex(json, "signature", c->sig, sizeof(c->sig), field, eb)) != OK)
		return e;
	if (ct_zero(c->serial, sizeof(c->serial)))
		return blame(field, "serial", eb, err_set(eb, ERR_FORMAT, "zero"));
	return OK;
}

/* Slot 12 is 72 bytes, of which only the first 36 are the certificate's. */
static enum err read_slots(
    const json_t *json, struct ccert *c, const char **field, struct errbuf *eb)
{
	static const char *const slot12_names[] = { "slot12_after_certificate_write",
		"slot12_after_device_id_write" };
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];
	bool only_id = json_object_get(json, slot12_names[0]) == NULL &&
	               json_object_get(json, slot12_names[1]) != NULL;
	const char *name = slot12_names[only_id];
	struct x509_hour issued;
	uint8_t years;
	enum err e;

	if ((e = get_hex(json, "slot10", slot10, sizeof(slot10), field, eb)) != OK ||
	    (e = get_hex_most(json, "slot11_written", slot11, sizeof(slot11), 72, field, eb)) != OK)
		return e;
	if (json_object_get(json, name) == NULL && json_object_get(json, "device_id") != NULL) {
		if ((e = get_device_id(json, c, field, eb)) != OK)
			return e;
		memcpy(slot12, c->device_id, sizeof(slot12));
	} else if ((e = get_hex_most(json, name, slot12, sizeof(slot12), 72, field, eb)) != OK) {
		return e;
	}
	if (ccert_dates_unpack(slot10 + 64, &issued, &years) != OK)
		return blame(field, "slot10", eb,
		    err_set(eb, ERR_FORMAT, "the date bytes %02x%02x%02x are no date", slot10[64],
		        slot10[65], slot10[66]));
	if (ct_zero(slot11, 16))
		return blame(field, "slot11_written", eb,
		    err_set(eb, ERR_FORMAT, "the serial number is zero"));
	if (ccert_unpack(slot10, slot11, slot12, c) != OK)
		return blame(
		    field, name, eb, err_set(eb, ERR_FORMAT, "not 36 printable characters"));
	return OK;
}

static enum err read_der(
    const char *name, struct slice der, struct identity *id, const char **field, struct errbuf *eb)
{
	struct x509_cert cert;
	const char *why;

	id->has_key = true;
	if (ccert_from_cert(der, &id->fields, id->q) == OK) {
		if (unprintable(id->fields.device_id, CCERT_DEVICE_ID) == 0)
			return OK;
		return blame(field, name, eb,
		    err_set(eb, ERR_FORMAT, "the common name is not printable ASCII"));
	}
	if (x509_cert_parse(der, &cert) != OK)
		return blame(field, name, eb,
		    err_set(eb, ERR_FORMAT, "not a P-256 certificate in strict DER"));
	why = identity_obstacle(&cert);
	return blame(field, name, eb,
	    err_set(eb, ERR_FORMAT, "does not fit the slots: %s",
	        why == NULL ? "unknown reason" : why));
}

static enum err read_certificate(
    const json_t *json, struct identity *id, const char **field, struct errbuf *eb)
{
	const char *name = json_object_get(json, "der") != NULL ? "der" : "pem";
	uint8_t bytes[CERT_READ_MAX];
	struct slice text;
	size_t n;
	enum err e = get_text(json, name, &text, field, eb);

	if (e != OK)
		return e;
	if (name[0] == 'p')
		e = pem_decode(text, "CERTIFICATE", bytes, sizeof(bytes), &n, NULL);
	else if ((n = text.n / 2) <= sizeof(bytes))
		e = hex_decode(text, bytes, n);
	else
		e = ERR_SPACE;
	if (e == ERR_SPACE)
		return blame(field, name, eb,
		    err_set(eb, ERR_FORMAT, "longer than %d bytes", CERT_READ_MAX));
	if (e != OK)
		return blame(field, name, eb,
		    err_set(eb, ERR_FORMAT,
		        name[0] == 'p' ? "no CERTIFICATE block of base64" : "not hex"));
	return read_der(name, (struct slice){ bytes, n }, id, field, eb);
}

static enum err read_key(
    const json_t *json, struct identity *id, const char **field, struct errbuf *eb)
{
	struct p256 *p256 = NULL;
	enum err e;

	if (!id->has_key) {
		if (json_object_get(json, "public_xy") == NULL)
			return OK;
		if ((e = get_hex(json, "public_xy", id->q, sizeof(id->q), field, eb)) != OK)
			return e;
		id->has_key = true;
	}
	*field = "public_xy";
	if ((e = p256_new(&p256, eb)) != OK)
		return e;
	if (p256_point_check(p256, id->q) != OK)
		e = blame(field, "public_xy", eb, err_set(eb, ERR_FORMAT, "not a point on P-256"));
	p256_free(p256);
	return e;
}

enum err identity_read(
    const json_t *json, struct identity *id, const char **field, struct errbuf *eb)
{
	enum err e;

	memset(id, 0, sizeof(*id));
	if (json_object_get(json, "der") != NULL || json_object_get(json, "pem") != NULL)
		e = read_certificate(json, id, field, eb);
	else if (json_object_get(json, "slot10") != NULL)
		e = read_slots(json, &id->fields, field, eb);
	else
		e = read_fields(json, &id->fields, field, eb);
	return e == OK ? read_key(json, id, field, eb) : e;
}

/* --- members out --- */

static void set_hex(json_t *json, const char *name, struct slice bytes)
{
	char text[2 * CCERT_CERT_MAX + 1];

	hex_encode(bytes, HEX_LOWER, text);
	json_object_set_new(json, name, json_string(text));
}

static void set_fields(json_t *json, const struct ccert *c)
{
	json_object_set_new(json, "device_id", json_stringn(c->device_id, CCERT_DEVICE_ID));
	set_hex(json, "serial", SLICE(c->serial));
	set_hex(json, "authority_key_id", SLICE(c->aki));
	json_object_set_new(json, "issue",
	    json_pack("{s:i,s:i,s:i,s:i}", "year", c->issued.year, "month", c->issued.month, "day",
	        c->issued.day, "hour", c->issued.hour));
	json_object_set_new(json, "expire_years", json_integer(c->years));
	set_hex(json, "signature", SLICE(c->sig));
}

static enum err set_slots(json_t *json, const struct ccert *c, struct errbuf *eb)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[72] = { 0 };

	if (ccert_pack(c, slot10, slot11, slot12) != OK)
		return err_set(eb, ERR_FORMAT, "the fields cannot be packed");
	set_hex(json, "slot10", SLICE(slot10));
	set_hex(json, "slot11_written", SLICE(slot11));
	set_hex(json, "slot12_after_device_id_write", SLICE(slot12));
	set_hex(json, "slot12_after_certificate_write", SLICE(slot12));
	set_hex(json, "dates", (struct slice){ slot10 + 64, 3 });
	return OK;
}

enum err identity_der(
    const struct identity *id, uint8_t bytes[CCERT_CERT_MAX], struct slice *der, struct errbuf *eb)
{
	struct der_w w = der_writer(bytes, CCERT_CERT_MAX);

	ccert_cert_put(&w, &id->fields, id->q);
	if (der_finish(&w, der) != OK)
		return err_set(
		    eb, ERR_FORMAT, "signature: r or s is zero or not below the order of P-256");
	return OK;
}

static enum err set_certificate(json_t *json, const struct identity *id, struct errbuf *eb)
{
	uint8_t bytes[CCERT_CERT_MAX], tbs_bytes[CCERT_TBS_MAX];
	struct der_w w = der_writer(tbs_bytes, sizeof(tbs_bytes));
	char pem[1024];
	struct slice der, tbs;
	size_t n;
	enum err e;

	ccert_tbs_put(&w, &id->fields, id->q);
	if ((e = identity_der(id, bytes, &der, eb)) != OK)
		return e;
	if ((e = der_finish(&w, &tbs)) != OK ||
	    (e = pem_encode(der, "CERTIFICATE", 76, pem, sizeof(pem), &n)) != OK)
		return err_set(eb, e, "the certificate cannot be written");
	set_hex(json, "tbs", tbs);
	set_hex(json, "der", der);
	json_object_set_new(json, "pem", json_stringn(pem, n));
	return OK;
}

/* Line lengths and line ends of PEM are a matter of taste. */
static bool same_pem(const char *a, const char *b)
{
	uint8_t x[CCERT_CERT_MAX], y[CCERT_CERT_MAX];
	struct slice at = { (const uint8_t *)a, strlen(a) }, bt = { (const uint8_t *)b, strlen(b) };
	size_t n, m;

	return pem_decode(at, "CERTIFICATE", x, sizeof(x), &n, NULL) == OK &&
	       pem_decode(bt, "CERTIFICATE", y, sizeof(y), &m, NULL) == OK && n == m &&
	       memcmp(x, y, n) == 0;
}

static bool same(const struct member *m, const json_t *given, const json_t *want)
{
	const char *g = json_string_value(given), *w = json_string_value(want);

	if (m->kind == EXACT)
		return json_equal(given, want) != 0;
	if (g == NULL || w == NULL)
		return false;
	if (m->kind == PEM)
		return same_pem(g, w);
	return m->bytes == 0 ? strcasecmp(g, w) == 0 : strncasecmp(g, w, 2 * m->bytes) == 0;
}

static enum err merge(json_t *json, const json_t *all, const char **field, struct errbuf *eb)
{
	for (size_t i = 0; i < COUNT(members); i++) {
		const char *name = members[i].name;
		json_t *want = json_object_get(all, name);
		const json_t *given = json_object_get(json, name);

		if (want == NULL)
			continue;
		if (given != NULL && !same(&members[i], given, want))
			return blame(field, name, eb,
			    err_set(eb, ERR_FORMAT, "contradicts the other members"));
		if (given == NULL && json_object_set(json, name, want) != 0)
			return err_set(eb, ERR_MEMORY, "no memory for the JSON result");
	}
	return OK;
}

enum err identity_complete(
    json_t *json, const struct identity *id, const char **field, struct errbuf *eb)
{
	json_t *all = json_object();
	enum err e;

	set_fields(all, &id->fields);
	*field = "signature"; /* what ranges are not looked at before */
	if ((e = set_slots(all, &id->fields, eb)) != OK)
		goto out;
	if (id->has_key) {
		set_hex(all, "public_xy", SLICE(id->q));
		if ((e = set_certificate(all, id, eb)) != OK)
			goto out;
	}
	e = merge(json, all, field, eb);
out:
	json_decref(all);
	return e;
}

/* --- what the slots can hold --- */

static bool is_device_name(struct slice der)
{
	uint8_t bytes[CCERT_DEVICE_ID + 16];
	struct der_w w = der_writer(bytes, sizeof(bytes));
	struct x509_name name, only = { 0 };
	struct slice again;

	if (x509_name_parse(der, &name) != OK || name.at[X509_CN].n != CCERT_DEVICE_ID)
		return false;
	only.at[X509_CN] = name.at[X509_CN];
	x509_name_put(&w, &only);
	return der_finish(&w, &again) == OK && slice_equal(again, der);
}

const char *identity_obstacle(const struct x509_cert *cert)
{
	const struct x509_tbs *t = &cert->tbs;
	const struct x509_hour *a = &t->not_before, *b = &t->not_after;
	struct ccert c;
	uint8_t q[64];

	if (!slice_equal(t->issuer, SLICE(x509_arduino_issuer)))
		return "the issuer is not C=US, O=Arduino LLC US, OU=IT, CN=Arduino in "
		       "PrintableStrings";
	if (!is_device_name(t->subject))
		return "the subject is not a common name of 36 characters alone";
	if (t->serial.n > 16)
		return "the serial number is longer than 16 bytes";
	if (ct_zero(t->serial.p, t->serial.n))
		return "the serial number is zero";
	if (t->extensions.n > 0)
		return "it has extensions besides the authority key identifier";
	if (a->year < 2000 || a->year > 2031)
		return "it does not begin within 2000 and 2031";
	if (b->year < a->year || b->year - a->year > 31 || b->month != a->month ||
	    b->day != a->day || b->hour != a->hour)
		return "it is not valid for 0 to 31 whole years";
	return ccert_from_cert(cert->der, &c, q) == OK ? NULL : "the fields rebuild other bytes";
}
