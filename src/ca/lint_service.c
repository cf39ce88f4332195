#include "lint_walk.h"
#include "service_cert.h"
#include "utc.h"

#include <ctype.h>
#include <string.h>

#define DAY INT64_C(86400)
#define NEAR (26 * INT64_C(3600))
#define DAYS_MAX 398 /* CA/Browser Forum BR 6.3.2; browsers refuse longer ones */

/* Letters, digits, hyphens inside; a whole first label may be an asterisk (RFC 6125 6.4.3). */
static bool label_good(const uint8_t *p, size_t n, bool first)
{
	if (n == 1 && p[0] == '*')
		return first;
	if (n == 0 || n > 63 || p[0] == '-' || p[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!islower(p[i]) && !isdigit(p[i]) && p[i] != '-')
			return false;
	return true;
}

/* The rules that a dNSName breaks: 30, 31 or none. */
static uint64_t lint_dns_name(struct slice name)
{
	unsigned labels = 0;
	bool wild = name.n > 0 && name.p[0] == '*', digits = true;

	if (name.n > 253)
		return LINT_BIT(30);
	for (size_t at = 0; at <= name.n; labels++) {
		size_t n = 0;

		while (at + n < name.n && name.p[at + n] != '.')
			n++;
		if (!label_good(name.p + at, n, labels == 0))
			return LINT_BIT(30);
		digits = true; /* of the last label: an address that is none */
		for (size_t i = 0; i < n; i++)
			digits = digits && isdigit(name.p[at + i]);
		at += n + 1;
	}
	if (digits)
		return LINT_BIT(30);
	return wild && labels <= 2 ? LINT_BIT(31) : 0;
}

uint64_t lint_service_names(struct slice names)
{
	uint64_t broken = LINT_BIT(30); /* until a dNSName is found */
	struct slice name;
	uint8_t tag;

	while (names.n > 0) {
		if (der_take_any(&names, &tag, &name, NULL) != OK)
			return LINT_BIT(22);
		if (tag == DNS_NAME) {
			uint64_t of_name = lint_dns_name(name);

			if (of_name & LINT_BIT(30))
				return LINT_BIT(30);
			broken = (broken & ~LINT_BIT(30)) | of_name;
		} else if (tag != IP_ADDRESS || (name.n != 4 && name.n != 16)) {
			return LINT_BIT(30);
		}
	}
	return broken;
}

/* keyUsage digitalSignature, extendedKeyUsage serverAuth, names; nothing else, in this order. */
static uint64_t lint_service_extensions(struct slice list)
{
	static const uint8_t usage[] = { 0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 15, 0x01, 0x01, 0xff,
		0x04, 0x04, 0x03, 0x02, 0x07, 0x80 };
	static const uint8_t purpose[] = { 0x30, 0x13, 0x06, 0x03, 0x55, 0x1d, 37, 0x04, 0x0c, 0x30,
		0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 1 };
	struct slice ext;

	if (der_take_exact(&list, SLICE(usage)) != OK ||
	    der_take_exact(&list, SLICE(purpose)) != OK)
		return LINT_BIT(32);
	if (der_take(&list, DER_SEQUENCE, &ext) != OK || der_end(&list) != OK ||
	    der_take_exact(&ext, BYTES(DER_OID, 3, 0x55, 0x1d, 17)) != OK ||
	    der_next_is(&ext, DER_BOOLEAN))
		return LINT_BIT(32);
	return 0;
}

/* At most so long, begun near now, and ended no later than its authority. */
static uint64_t lint_service_validity(struct slice validity, const struct lint_context *c)
{
	struct lint_moment from, to;
	int64_t begins, ends, last;
	uint64_t broken = 0;

	if (!lint_moment_take(&validity, &from) || !lint_moment_take(&validity, &to) ||
	    !lint_moment_seconds(&from, &begins) || !lint_moment_seconds(&to, &ends))
		return LINT_BIT(21);
	if (validity.n != 0)
		return LINT_BIT(22);
	if (ends <= begins || ends - begins > DAYS_MAX * DAY)
		broken |= LINT_BIT(30);
	if (begins < c->now - NEAR || begins > c->now + NEAR)
		broken |= LINT_BIT(14);
	if (utc_seconds(&c->ca_not_after, &last) != OK || ends > last)
		broken |= LINT_BIT(25);
	return broken;
}

uint64_t lint_service(struct slice tbs, const struct lint_context *c)
{
	static const uint8_t aki_head[] = { 0x30, 0x1f, 0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x18,
		0x30, 0x16, 0x80, 0x14 };
	struct lint_walk w = { .broken = 0 };
	uint8_t q[64];

	if (!lint_cut(tbs, &w))
		return LINT_BIT(22);
	w.broken |= lint_head(&w);
	w.broken |= lint_service_validity(w.validity, c);
	if (x509_spki_take(&w.spki, q) != OK || w.spki.n != 0)
		w.broken |= LINT_BIT(3);
	else
		w.broken |= lint_key(q, c);
	if (der_take_exact(&w.extensions, SLICE(aki_head)) != OK || w.extensions.n < 20)
		return w.broken | LINT_BIT(23);
	if (memcmp(w.extensions.p, c->key_id, 20) != 0)
		w.broken |= LINT_BIT(13);
	w.extensions.p += 20;
	w.extensions.n -= 20;
	w.broken |= lint_service_extensions(w.extensions);
	return w.broken | lint_service_names(service_names_of(w.extensions));
}
