#include "x509.h"

const uint8_t x509_arduino_issuer[71] = {
	0x30, 0x45, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 'U',
	'S', /* C */
	0x31, 0x17, 0x30, 0x15, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x13, 0x0e, 'A', 'r', 'd', 'u', 'i',
	'n', 'o', ' ', 'L', 'L', 'C', ' ', 'U', 'S',                                /* O */
	0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x0b, 0x13, 0x02, 'I', 'T', /* OU */
	0x31, 0x10, 0x30, 0x0e, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x07, 'A', 'r', 'd', 'u', 'i',
	'n', 'o', /* CN */
};

/* Last byte of id-at-* (2.5.4.n), RFC 5280 appendix A.1, in the order of enum x509_attribute. */
static const uint8_t id_at[X509_ATTRIBUTES] = { 6, 8, 7, 10, 11, 3 };

void x509_name_put(struct der_w *w, const struct x509_name *name)
{
	size_t rdns = der_open(w, DER_SEQUENCE);

	for (unsigned i = 0; i < X509_ATTRIBUTES; i++) {
		size_t rdn, pair;

		if (name->at[i].n == 0)
			continue;
		rdn = der_open(w, DER_SET);
		pair = der_open(w, DER_SEQUENCE);
		der_put(w, DER_OID, BYTES(0x55, 0x04, id_at[i]));
		der_put(w, DER_PRINTABLE_STRING, name->at[i]);
		der_close(w, pair);
		der_close(w, rdn);
	}
	der_close(w, rdns);
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629 section 4), 0 when there is none. */
static size_t utf8_length(const uint8_t *p, size_t n)
{
	size_t len = 1;

	if (p[0] >= 0xc2)
		len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	else if (p[0] >= 0x80)
		return 0;
	if (len > n || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90)) /* longer than needed */
		return 0;
	if ((p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf4 && p[1] > 0x8f)) /* surrogate, above 10FFFF */
		return 0;
	return len;
}

/* Control characters never have a good reason in a name, and do harm in logs and terminals. */
static bool text_allowed(uint8_t tag, struct slice text)
{
	if (tag != DER_PRINTABLE_STRING && tag != DER_UTF8_STRING && tag != DER_IA5_STRING)
		return false;
	if (text.n == 0)
		return false;
	while (text.n > 0) {
		size_t len =
		    tag == DER_UTF8_STRING ? utf8_length(text.p, text.n) : text.p[0] < 0x80;

		if (len == 0 || text.p[0] < 0x20 || text.p[0] == 0x7f ||
		    (text.p[0] == 0xc2 && text.p[1] < 0xa0))
			return false;
		text.p += len;
		text.n -= len;
	}
	return true;
}

static enum err take_attribute(struct slice *rdn, struct x509_name *name)
{
	struct slice pair, type, value;
	uint8_t tag;

	if (der_take(rdn, DER_SEQUENCE, &pair) != OK || der_take_oid(&pair, &type) != OK ||
	    der_take_any(&pair, &tag, &value, NULL) != OK || der_end(&pair) != OK)
		return ERR_FORMAT;
	if (type.n != 3 || type.p[0] != 0x55 || type.p[1] != 0x04)
		return OK;
	for (unsigned i = 0; i < X509_ATTRIBUTES; i++) {
		if (type.p[2] != id_at[i])
			continue;
		if (name->at[i].n > 0 || !text_allowed(tag, value))
			return ERR_FORMAT;
		name->at[i] = value;
	}
	return OK;
}

enum err x509_name_parse(struct slice der, struct x509_name *name)
{
	struct x509_name got = { 0 };
	struct slice rdns, rdn;

	if (der_take(&der, DER_SEQUENCE, &rdns) != OK || der_end(&der) != OK)
		return ERR_FORMAT;
	while (rdns.n > 0) {
		if (der_take(&rdns, DER_SET, &rdn) != OK || rdn.n == 0 || !der_ascending(rdn))
			return ERR_FORMAT;
		while (rdn.n > 0)
			if (take_attribute(&rdn, &got) != OK)
				return ERR_FORMAT;
	}
	*name = got;
	return OK;
}

enum err x509_name_take(struct slice *in, struct slice *der, struct x509_name *name)
{
	struct slice rest = *in, body, whole;
	uint8_t tag;

	if (der_take_any(&rest, &tag, &body, &whole) != OK || x509_name_parse(whole, name) != OK)
		return ERR_FORMAT;
	*der = whole;
	*in = rest;
	return OK;
}
