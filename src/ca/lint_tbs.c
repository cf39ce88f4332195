#include "lint_walk.h"
#include "ccert.h"
#include "utc.h"
#include "uuid.h"

#include <string.h>

/* Elements of id-ce, 2.5.29.n */
enum { EXT_KEY_USAGE = 15, EXT_BASIC_CONSTRAINTS = 19, EXT_AKI = 35, EXT_EXTENDED_KEY_USAGE = 37 };

static bool printable_uuid(struct slice name)
{
	static const uint8_t head[] = { 0x30, 0x2f, 0x31, 0x2d, 0x30, 0x2b, 0x06, 0x03, 0x55, 0x04,
		0x03, DER_PRINTABLE_STRING, UUID_TEXT };
	uint8_t uuid[16];

	if (name.n != sizeof(head) + UUID_TEXT || memcmp(name.p, head, sizeof(head)) != 0)
		return false;
	return uuid_parse((struct slice){ name.p + sizeof(head), UUID_TEXT }, uuid) == OK;
}

/* Digits of a time in pairs; returns false for anything else. */
static bool pairs(struct slice text, unsigned *out)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	for (size_t i = 0; i + 1 < text.n; i += 2)
		*out++ = (text.p[i] - '0') * 10u + (text.p[i + 1] - '0');
	return true;
}

bool lint_moment_take(struct slice *in, struct lint_moment *m)
{
	struct slice text;
	unsigned part[7];
	uint8_t tag;
	size_t digits;

	if (der_take_any(in, &tag, &text, NULL) != OK)
		return false;
	digits = tag == DER_UTC_TIME ? 12 : 14;
	if ((tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) || text.n != digits + 1 ||
	    text.p[digits] != 'Z' || !pairs((struct slice){ text.p, digits }, part))
		return false;
	if (tag == DER_UTC_TIME) {
		*m = (struct lint_moment){ part[0] + (part[0] < 50 ? 2000 : 1900), part[1], part[2],
			part[3], part[4], part[5] };
		return true;
	}
	*m = (struct lint_moment){ part[0] * 100 + part[1], part[2], part[3], part[4], part[5],
		part[6] };
	return m->year >= 2050;
}

bool lint_moment_seconds(const struct lint_moment *m, int64_t *seconds)
{
	struct x509_hour hour = { (uint16_t)m->year, (uint8_t)m->month, (uint8_t)m->day,
		(uint8_t)m->hour };

	if (m->minute > 59 || m->second > 59 || !x509_hour_exists(&hour) ||
	    utc_seconds(&hour, seconds) != OK)
		return false;
	*seconds += m->minute * 60 + m->second;
	return true;
}

static uint64_t lint_validity(struct slice validity)
{
	struct lint_moment from, to;
	struct x509_hour day;
	uint64_t broken = 0;

	if (!lint_moment_take(&validity, &from) || !lint_moment_take(&validity, &to))
		return LINT_BIT(21);
	if (validity.n != 0)
		return LINT_BIT(22);
	day = (struct x509_hour){ (uint16_t)from.year, (uint8_t)from.month, (uint8_t)from.day,
		(uint8_t)from.hour };
	if (from.minute || from.second || from.year < 2000 || from.year > 2031 ||
	    !x509_hour_exists(&day) || (from.month == 2 && from.day == 29))
		broken |= LINT_BIT(10);
	if (to.month != from.month || to.day != from.day || to.hour != from.hour ||
	    to.minute != from.minute || to.second != from.second || to.year <= from.year ||
	    to.year > from.year + 31)
		broken |= LINT_BIT(11);
	return broken;
}

/* The rights that rule 26 forbids; an extension that cannot be read gives none, and fails rule 12. */
static bool gives_rights(unsigned id, struct slice value)
{
	static const uint8_t server_auth[] = { 0x2b, 6, 1, 5, 5, 7, 3, 1 }, /* 1.3.6.1.5.5.7.3.1 */
	    ocsp_signing[] = { 0x2b, 6, 1, 5, 5, 7, 3, 9 }, any_usage[] = { 0x55, 0x1d, 37, 0 };
	struct slice body, oid;

	if (id == EXT_BASIC_CONSTRAINTS)
		return der_take(&value, DER_SEQUENCE, &body) == OK &&
		       der_next_is(&body, DER_BOOLEAN);
	if (id == EXT_KEY_USAGE) /* unused bits, then the first usages: keyCertSign and cRLSign */
		return der_take(&value, DER_BIT_STRING, &body) == OK && body.n >= 2 &&
		       (body.p[1] & 0x06) != 0;
	if (id != EXT_EXTENDED_KEY_USAGE || der_take(&value, DER_SEQUENCE, &body) != OK)
		return false;
	while (der_take(&body, DER_OID, &oid) == OK)
		if (slice_equal(oid, SLICE(server_auth)) || slice_equal(oid, SLICE(ocsp_signing)) ||
		    slice_equal(oid, SLICE(any_usage)))
			return true;
	return false;
}

/* One Extension; id is n of 2.5.29.n, 0 for another arc. */
static bool take_extension(struct slice *list, unsigned *id, struct slice *oid, struct slice *value)
{
	struct slice ext;

	if (der_take(list, DER_SEQUENCE, &ext) != OK || der_take(&ext, DER_OID, oid) != OK)
		return false;
	/* critical is written only when TRUE */
	if (der_next_is(&ext, DER_BOOLEAN) &&
	    der_take_exact(&ext, BYTES(DER_BOOLEAN, 1, 0xff)) != OK)
		return false;
	*id = oid->n == 3 && oid->p[0] == 0x55 && oid->p[1] == 0x1d ? oid->p[2] : 0;
	return der_take(&ext, DER_OCTET_STRING, value) == OK && der_end(&ext) == OK;
}

static bool stands_twice(struct slice list, struct slice oid)
{
	struct slice other, value;
	unsigned id, times = 0;

	while (list.n > 0 && take_extension(&list, &id, &other, &value))
		times += slice_equal(other, oid);
	return times > 1;
}

static uint64_t lint_extensions(struct slice list, const struct lint_context *c)
{
	static const uint8_t aki_head[] = { 0x30, 0x16, 0x80, 0x14 };
	struct slice all = list, oid, value;
	uint64_t broken = LINT_BIT(23);
	bool ours = false;
	unsigned id;

	if (list.n == 0)
		return LINT_BIT(22);
	while (list.n > 0) {
		if (!take_extension(&list, &id, &oid, &value))
			return LINT_BIT(22);
		if (stands_twice(all, oid))
			return LINT_BIT(23);
		if (id == EXT_AKI) {
			broken &= ~LINT_BIT(23);
			ours = value.n == sizeof(aki_head) + 20 &&
			       memcmp(value.p, aki_head, sizeof(aki_head)) == 0 &&
			       memcmp(value.p + sizeof(aki_head), c->key_id, 20) == 0;
		}
		if (gives_rights(id, value))
			broken |= LINT_BIT(26);
	}
	if (!(broken & LINT_BIT(23)) && !ours)
		broken |= LINT_BIT(13);
	return broken;
}

bool lint_cut(struct slice tbs, struct lint_walk *w)
{
	struct slice in, version, outer, body;
	uint8_t tag;

	if (der_take(&tbs, DER_SEQUENCE, &in) != OK || der_end(&tbs) != OK ||
	    der_take(&in, DER_CONTEXT(0), &version) != OK ||
	    !slice_equal(version, BYTES(DER_INTEGER, 1, 2)) ||
	    der_take(&in, DER_INTEGER, &w->serial) != OK ||
	    der_take_any(&in, &tag, &body, &w->algorithm) != OK || tag != DER_SEQUENCE ||
	    der_take_any(&in, &tag, &body, &w->issuer) != OK || tag != DER_SEQUENCE ||
	    der_take(&in, DER_SEQUENCE, &w->validity) != OK ||
	    der_take_any(&in, &tag, &body, &w->subject) != OK || tag != DER_SEQUENCE ||
	    der_take_any(&in, &tag, &body, &w->spki) != OK || tag != DER_SEQUENCE)
		return false;
	return der_take(&in, DER_CONTEXT(3), &outer) == OK && der_end(&in) == OK &&
	       der_take(&outer, DER_SEQUENCE, &w->extensions) == OK && der_end(&outer) == OK;
}

/* Rule 12, first half: the board's 144 bytes must stand for exactly this. Any signature will do. */
static bool rebuilds(struct slice tbs)
{
	uint8_t der[CCERT_CERT_MAX], sig[64] = { [31] = 1, [63] = 1 }, q[64];
	struct der_w w = der_writer(der, sizeof(der));
	struct slice cert;
	struct ccert fields;

	x509_cert_put(&w, tbs, sig);
	return der_finish(&w, &cert) == OK && ccert_from_cert(cert, &fields, q) == OK;
}

uint64_t lint_head(const struct lint_walk *w)
{
	uint64_t broken = 0;

	if (w->serial.n != 16 || w->serial.p[0] < 0x01 || w->serial.p[0] > 0x7f)
		broken |= LINT_BIT(1);
	if (!slice_equal(w->algorithm, SLICE(x509_ecdsa_sha256)))
		broken |= LINT_BIT(24);
	return broken;
}

uint64_t lint_tbs(struct slice tbs, const struct lint_context *c)
{
	struct lint_walk w = { 0 };
	uint8_t q[64];

	if (!lint_cut(tbs, &w))
		return LINT_BIT(22);
	w.broken |= lint_head(&w);
	if (!slice_equal(w.issuer, SLICE(x509_arduino_issuer)))
		w.broken |= LINT_BIT(13);
	w.broken |= lint_validity(w.validity);
	if (!printable_uuid(w.subject))
		w.broken |= LINT_BIT(20);
	if (x509_spki_take(&w.spki, q) != OK || w.spki.n != 0 || p256_point_check(c->p256, q) != OK)
		w.broken |= LINT_BIT(3);
	w.broken |= lint_extensions(w.extensions, c);
	if (w.broken == 0 && !rebuilds(tbs))
		w.broken |= LINT_BIT(12);
	return w.broken;
}
