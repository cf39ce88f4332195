#include "x509.h"

/* More than any real certificate has; it bounds the search for doubles. */
#define EXTENSIONS_MAX 32

/* version v3 (RFC 5280 4.1.2.1). */
static const uint8_t version3[5] = { 0xa0, 0x03, 0x02, 0x01, 0x02 };
/* Extension authorityKeyIdentifier, not critical, with a 20-byte keyIdentifier to follow (4.2.1.1).
 */
static const uint8_t aki_head[13] = { 0x30, 0x1f, 0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x18, 0x30,
	0x16, 0x80, 0x14 };

static void put_validity(struct der_w *w, const struct x509_tbs *tbs)
{
	size_t validity = der_open(w, DER_SEQUENCE);

	x509_time_put(w, &tbs->not_before);
	x509_time_put(w, &tbs->not_after);
	der_close(w, validity);
}

static void put_extensions(struct der_w *w, const struct x509_tbs *tbs)
{
	size_t outer = der_open(w, DER_CONTEXT(3)), list = der_open(w, DER_SEQUENCE);

	if (tbs->aki && !ct_zero(tbs->aki, 20)) {
		der_raw(w, SLICE(aki_head));
		der_raw(w, (struct slice){ tbs->aki, 20 });
	}
	der_raw(w, tbs->extensions);
	der_close(w, list);
	der_close(w, outer);
}

void x509_tbs_put(struct der_w *w, const struct x509_tbs *tbs)
{
	size_t mark = der_open(w, DER_SEQUENCE);

	der_raw(w, SLICE(version3));
	der_put_uint(w, tbs->serial);
	der_raw(w, SLICE(x509_ecdsa_sha256));
	der_raw(w, tbs->issuer);
	put_validity(w, tbs);
	der_raw(w, tbs->subject);
	x509_spki_put(w, tbs->q);
	put_extensions(w, tbs);
	der_close(w, mark);
}

void x509_cert_put(struct der_w *w, struct slice tbs_der, const uint8_t sig[64])
{
	size_t mark = der_open(w, DER_SEQUENCE);

	der_raw(w, tbs_der);
	x509_signature_put(w, sig);
	der_close(w, mark);
}

/* --- reading --- */

/* CertificateSerialNumber without its sign byte, at most 20 bytes (RFC 5280 4.1.2.2). */
static enum err take_serial(struct slice *in, struct slice *serial)
{
	struct slice peek = *in, body;
	uint8_t value[20];
	size_t sign;

	if (der_take(&peek, DER_INTEGER, &body) != OK || der_take_uint(in, value, 20) != OK)
		return ERR_FORMAT;
	sign = body.n > 1 && body.p[0] == 0;
	*serial = (struct slice){ body.p + sign, body.n - sign };
	return OK;
}

static enum err take_validity(struct slice *in, struct x509_tbs *tbs)
{
	struct slice validity;

	if (der_take(in, DER_SEQUENCE, &validity) != OK ||
	    x509_time_take(&validity, &tbs->not_before) != OK ||
	    x509_time_take(&validity, &tbs->not_after) != OK)
		return ERR_FORMAT;
	return der_end(&validity);
}

/* Extension (RFC 5280 4.1); critical is there only when it is not the default (X.690 11.5). */
static enum err take_extension(struct slice *list, struct slice *oid)
{
	struct slice extension, value;

	if (der_take(list, DER_SEQUENCE, &extension) != OK || der_take_oid(&extension, oid) != OK)
		return ERR_FORMAT;
	if (der_next_is(&extension, DER_BOOLEAN) &&
	    der_take_exact(&extension, BYTES(DER_BOOLEAN, 1, 0xff)) != OK)
		return ERR_FORMAT;
	if (der_take(&extension, DER_OCTET_STRING, &value) != OK)
		return ERR_FORMAT;
	return der_end(&extension);
}

/* The extensions behind the authority key identifier: well formed, each once, not another AKI. */
static enum err check_others(struct slice list)
{
	struct slice seen[EXTENSIONS_MAX];

	for (size_t n = 0; list.n > 0; n++) {
		if (n == EXTENSIONS_MAX || take_extension(&list, &seen[n]) != OK ||
		    slice_equal(seen[n], BYTES(0x55, 0x1d, 0x23)))
			return ERR_FORMAT;
		for (size_t i = 0; i < n; i++)
			if (slice_equal(seen[i], seen[n]))
				return ERR_FORMAT;
	}
	return OK;
}

static enum err take_extensions(struct slice *in, struct x509_tbs *tbs)
{
	struct slice outer, list;

	if (der_take(in, DER_CONTEXT(3), &outer) != OK ||
	    der_take(&outer, DER_SEQUENCE, &list) != OK || der_end(&outer) != OK)
		return ERR_FORMAT;
	tbs->aki = NULL;
	if (der_take_exact(&list, SLICE(aki_head)) == OK) {
		/* A zero identifier is written as none (put_extensions). */
		if (list.n < 20 || ct_zero(list.p, 20))
			return ERR_FORMAT;
		tbs->aki = list.p;
		list.p += 20;
		list.n -= 20;
	}
	tbs->extensions = list;
	return check_others(list);
}

static enum err take_key(struct slice *in, const uint8_t **q)
{
	const uint8_t *spki = in->p;
	uint8_t point[64];

	if (x509_spki_take(in, point) != OK)
		return ERR_FORMAT;
	*q = spki + X509_SPKI_SIZE - 64;
	return OK;
}

static enum err parse_tbs(struct slice in, struct x509_tbs *tbs)
{
	struct x509_name name;

	if (der_take_exact(&in, SLICE(version3)) != OK || take_serial(&in, &tbs->serial) != OK ||
	    der_take_exact(&in, SLICE(x509_ecdsa_sha256)) != OK ||
	    x509_name_take(&in, &tbs->issuer, &name) != OK || take_validity(&in, tbs) != OK ||
	    x509_name_take(&in, &tbs->subject, &name) != OK || take_key(&in, &tbs->q) != OK ||
	    take_extensions(&in, tbs) != OK)
		return ERR_FORMAT;
	return der_end(&in);
}

enum err x509_cert_parse(struct slice der, struct x509_cert *cert)
{
	struct slice rest = der, outer, tbs_body;
	struct x509_cert got = { .der = der };
	uint8_t tag;

	if (der_take(&rest, DER_SEQUENCE, &outer) != OK || der_end(&rest) != OK ||
	    der_take_any(&outer, &tag, &tbs_body, &got.tbs_der) != OK || tag != DER_SEQUENCE ||
	    parse_tbs(tbs_body, &got.tbs) != OK || x509_signature_take(&outer, got.sig) != OK ||
	    der_end(&outer) != OK)
		return ERR_FORMAT;
	*cert = got;
	return OK;
}
