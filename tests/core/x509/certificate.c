/* Certificates of the subset: read, refused, and written again byte for byte. */
#include "x509.h"
#include "tap.h"
#include "vectors.h"

#ifdef SMALL_MACHINE
#define CERTS_MUTATED 1 /* QEMU is slow */
#else
#define CERTS_MUTATED vector_certs_n
#endif

#define B(...)                                                                                     \
	{                                                                                          \
		(const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })         \
	}

static bool rebuilt(const struct x509_cert *cert, struct slice want)
{
	static uint8_t tbs[1200], der[1300];
	struct der_w t = der_writer(tbs, sizeof(tbs)), w = der_writer(der, sizeof(der));
	struct slice tbs_out, out;

	x509_tbs_put(&t, &cert->tbs);
	if (der_finish(&t, &tbs_out) != OK || !slice_equal(tbs_out, cert->tbs_der))
		return false;
	x509_cert_put(&w, tbs_out, cert->sig);
	return der_finish(&w, &out) == OK && slice_equal(out, want);
}

static void golden(const struct vector_cert *v)
{
	struct x509_cert cert;
	struct slice serial = v->serial;

	while (serial.p[0] == 0) {
		serial.p++;
		serial.n--;
	}
	ok(x509_cert_parse(v->der, &cert) == OK && slice_equal(cert.tbs_der, v->tbs) &&
	        slice_equal(SLICE(cert.sig), v->sig) && slice_equal(cert.tbs.serial, serial) &&
	        memcmp(cert.tbs.q, v->q.p, 64) == 0 &&
	        slice_equal(cert.tbs.issuer, SLICE(x509_arduino_issuer)) &&
	        cert.tbs.not_before.year == v->year &&
	        cert.tbs.not_after.year == v->year + v->years &&
	        (ct_zero(v->aki.p, 20) ? cert.tbs.aki == NULL
	                               : memcmp(cert.tbs.aki, v->aki.p, 20) == 0) &&
	        cert.tbs.extensions.n == 0,
	    "%s: read", v->name);
	ok(rebuilt(&cert, v->der), "%s: written again", v->name);
}

static void others(void)
{
	struct x509_cert cert;

	for (size_t i = 0; i < vector_self_signed_n; i++) {
		const struct vector_self_signed *v = &vector_self_signed[i];

		if (v->well_formed)
			ok(x509_cert_parse(v->der, &cert) == OK && rebuilt(&cert, v->der),
			    "self-signed %s: read and written again", v->name);
		else
			ok(x509_cert_parse(v->der, &cert) == ERR_FORMAT,
			    "self-signed %s: refused, its serial number is 02 00", v->name);
	}
	for (size_t i = 0; i < vector_authority_certs_n; i++) {
		const struct vector_bytes *v = &vector_authority_certs[i];

		ok(x509_cert_parse(v->bytes, &cert) == OK && rebuilt(&cert, v->bytes),
		    "authority %s: read and written again", v->name);
	}
}

/* The fields of a TBSCertificate as bytes, so that one can be wrong. */
enum part {
	VERSION,
	SERIAL,
	ALGORITHM,
	ISSUER,
	VALIDITY,
	SUBJECT,
	SPKI,
	EXTENSIONS,
	OUTER_ALGORITHM,
	SIGNATURE,
	BEHIND,
	PARTS
};

#define AKI(...) 0x30, 0x1f, 6, 3, 0x55, 0x1d, 0x23, 4, 0x18, 0x30, 0x16, 0x80, 0x14, __VA_ARGS__
#define ID20 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
#define ZERO20 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define KEY_USAGE 0x30, 14, 6, 3, 0x55, 0x1d, 0x0f, 1, 1, 0xff, 4, 4, 3, 2, 7, 0x80
#define X32                                                                                        \
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, \
	    26, 27, 28, 29, 30, 31, 32
#define UTC(d) 0x17, 13, '2', '4', '0', '5', '0', d, '0', '7', '0', '0', '0', '0', 'Z'

static const struct slice sound[PARTS] = {
	[VERSION] = B(0xa0, 3, 2, 1, 2),
	[SERIAL] = B(2, 1, 1),
	[ALGORITHM] = B(0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2),
	[ISSUER] = B(0x30, 0),
	[VALIDITY] = B(0x30, 30, UTC('6'), UTC('7')),
	[SUBJECT] = B(0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x13, 1, 'x'),
	[SPKI] = B(0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a,
	    0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0, 4, X32, X32),
	[EXTENSIONS] = B(0xa3, 35, 0x30, 33, AKI(ID20)),
	[OUTER_ALGORITHM] = B(0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2),
	[SIGNATURE] = B(3, 9, 0, 0x30, 6, 2, 1, 1, 2, 1, 1),
	[BEHIND] = { NULL, 0 },
};

static const struct {
	const char *name;
	enum part part;
	struct slice bytes;
	enum err want;
} cases[] = {
	{ "nothing wrong", VERSION, B(0xa0, 3, 2, 1, 2), OK },
	{ "version v1, left out", VERSION, { NULL, 0 }, ERR_FORMAT },
	{ "version v1, written (X.690 11.5)", VERSION, B(0xa0, 3, 2, 1, 0), ERR_FORMAT },
	{ "version v2", VERSION, B(0xa0, 3, 2, 1, 1), ERR_FORMAT },
	{ "serial number without content", SERIAL, B(2, 0), ERR_FORMAT },
	{ "serial number 0", SERIAL, B(2, 1, 0), OK },
	{ "serial number -1", SERIAL, B(2, 1, 0xff), ERR_FORMAT },
	{ "serial number padded", SERIAL, B(2, 2, 0, 1), ERR_FORMAT },
	{ "serial number with a sign byte", SERIAL, B(2, 2, 0, 0x80), OK },
	{ "serial number of 20 bytes", SERIAL, B(2, 20, ID20), OK },
	{ "serial number of 20 bytes and a sign byte", SERIAL,
	    B(2, 21, 0, 0x80, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19),
	    OK },
	{ "serial number of 21 bytes", SERIAL, B(2, 21, 1, ID20), ERR_FORMAT },
	{ "ecdsa-with-SHA384", ALGORITHM, B(0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3),
	    ERR_FORMAT },
	{ "issuer is a SET", ISSUER, B(0x31, 0), ERR_FORMAT },
	{ "subject with a line end", SUBJECT,
	    B(0x30, 12, 0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 3, 0x13, 1, 10), ERR_FORMAT },
	{ "one date", VALIDITY, B(0x30, 15, UTC('6')), ERR_FORMAT },
	{ "three dates", VALIDITY, B(0x30, 45, UTC('6'), UTC('7'), UTC('8')), ERR_FORMAT },
	{ "end before start: the lint's business", VALIDITY, B(0x30, 30, UTC('7'), UTC('6')), OK },
	{ "a date with minutes", VALIDITY,
	    B(0x30, 30, UTC('6'), 0x17, 13, '2', '4', '0', '5', '0', '7', '0', '7', '3', '0', '0',
	        '0', 'Z'),
	    ERR_FORMAT },
	{ "another key", SPKI, B(0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0, X32),
	    ERR_FORMAT },
	{ "an issuerUniqueID", EXTENSIONS, B(0x81, 2, 0, 1, 0xa3, 35, 0x30, 33, AKI(ID20)),
	    ERR_FORMAT },
	{ "no extensions", EXTENSIONS, { NULL, 0 }, ERR_FORMAT },
	{ "an empty list, as devices write it", EXTENSIONS, B(0xa3, 2, 0x30, 0), OK },
	{ "two lists", EXTENSIONS, B(0xa3, 4, 0x30, 0, 0x30, 0), ERR_FORMAT },
	{ "bytes behind the extensions", EXTENSIONS, B(0xa3, 2, 0x30, 0, 5, 0), ERR_FORMAT },
	{ "AKI of zeros", EXTENSIONS, B(0xa3, 35, 0x30, 33, AKI(ZERO20)), ERR_FORMAT },
	{ "AKI of 19 bytes", EXTENSIONS,
	    B(0xa3, 34, 0x30, 32, 0x30, 0x1e, 6, 3, 0x55, 0x1d, 0x23, 4, 0x17, 0x30, 0x15, 0x80,
	        0x13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19),
	    ERR_FORMAT },
	{ "AKI cut off by the end of the list", EXTENSIONS, B(0xa3, 15, 0x30, 13, AKI(1), 0x81),
	    ERR_FORMAT },
	{ "critical AKI (RFC 5280 4.2.1.1)", EXTENSIONS,
	    B(0xa3, 38, 0x30, 36, 0x30, 0x22, 6, 3, 0x55, 0x1d, 0x23, 1, 1, 0xff, 4, 0x18, 0x30,
	        0x16, 0x80, 0x14, ID20),
	    ERR_FORMAT },
	{ "AKI twice (RFC 5280 4.2)", EXTENSIONS, B(0xa3, 68, 0x30, 66, AKI(ID20), AKI(ID20)),
	    ERR_FORMAT },
	{ "AKI, then key usage", EXTENSIONS, B(0xa3, 51, 0x30, 49, AKI(ID20), KEY_USAGE), OK },
	{ "key usage, then AKI", EXTENSIONS, B(0xa3, 51, 0x30, 49, KEY_USAGE, AKI(ID20)),
	    ERR_FORMAT },
	{ "key usage twice", EXTENSIONS, B(0xa3, 34, 0x30, 32, KEY_USAGE, KEY_USAGE), ERR_FORMAT },
	{ "key usage alone", EXTENSIONS, B(0xa3, 18, 0x30, 16, KEY_USAGE), OK },
	{ "critical FALSE, written (X.690 11.5)", EXTENSIONS,
	    B(0xa3, 18, 0x30, 16, 0x30, 14, 6, 3, 0x55, 0x1d, 0x0f, 1, 1, 0, 4, 4, 3, 2, 7, 0x80),
	    ERR_FORMAT },
	{ "critical 01 (X.690 11.1)", EXTENSIONS,
	    B(0xa3, 18, 0x30, 16, 0x30, 14, 6, 3, 0x55, 0x1d, 0x0f, 1, 1, 1, 4, 4, 3, 2, 7, 0x80),
	    ERR_FORMAT },
	{ "an extension without value", EXTENSIONS,
	    B(0xa3, 9, 0x30, 7, 0x30, 5, 6, 3, 0x55, 0x1d, 0x0f), ERR_FORMAT },
	{ "an extension of four fields", EXTENSIONS,
	    B(0xa3, 13, 0x30, 11, 0x30, 9, 6, 3, 0x55, 0x1d, 0x0f, 4, 0, 5, 0), ERR_FORMAT },
	{ "parameters NULL outside", OUTER_ALGORITHM,
	    B(0x30, 12, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2, 5, 0), ERR_FORMAT },
	{ "r = 0", SIGNATURE, B(3, 9, 0, 0x30, 6, 2, 1, 0, 2, 1, 1), ERR_FORMAT },
	{ "a fourth field", SIGNATURE, B(3, 9, 0, 0x30, 6, 2, 1, 1, 2, 1, 1, 5, 0), ERR_FORMAT },
	{ "bytes behind", BEHIND, B(0), ERR_FORMAT },
};

static struct slice put_parts(const struct slice part[PARTS], uint8_t *buffer, size_t cap)
{
	struct der_w w = der_writer(buffer, cap);
	size_t outer = der_open(&w, DER_SEQUENCE), tbs = der_open(&w, DER_SEQUENCE);
	struct slice out = { NULL, 0 };

	for (unsigned i = VERSION; i <= EXTENSIONS; i++)
		der_raw(&w, part[i]);
	der_close(&w, tbs);
	der_raw(&w, part[OUTER_ALGORITHM]);
	der_raw(&w, part[SIGNATURE]);
	der_close(&w, outer);
	der_raw(&w, part[BEHIND]);
	ok(der_finish(&w, &out) == OK, "there is a certificate to try");
	return out;
}

static void each_field(void)
{
	uint8_t buffer[600];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct slice part[PARTS], der;
		struct x509_cert cert = { .sig = { 77 } };

		memcpy(part, sound, sizeof(sound));
		part[cases[i].part] = cases[i].bytes;
		der = put_parts(part, buffer, sizeof(buffer));
		if (cases[i].want == OK)
			ok(x509_cert_parse(der, &cert) == OK && rebuilt(&cert, der), "%s",
			    cases[i].name);
		else
			ok(x509_cert_parse(der, &cert) == ERR_FORMAT && cert.sig[0] == 77, "%s",
			    cases[i].name);
	}
}

/* 32 extensions are read, 33 are not: the search for doubles has an end. */
static void many_extensions(void)
{
	for (unsigned n = 32; n <= 33; n++) {
		uint8_t buffer[900], list[500];
		struct der_w w = der_writer(list, sizeof(list));
		size_t outer = der_open(&w, DER_CONTEXT(3)), inner = der_open(&w, DER_SEQUENCE);
		struct slice part[PARTS], der;
		struct x509_cert cert;

		for (unsigned i = 0; i < n; i++)
			der_put(&w, DER_SEQUENCE, BYTES(6, 1, (uint8_t)i, 4, 0));
		der_close(&w, inner);
		der_close(&w, outer);
		memcpy(part, sound, sizeof(sound));
		ok(der_finish(&w, &part[EXTENSIONS]) == OK, "%u extensions", n);
		der = put_parts(part, buffer, sizeof(buffer));
		ok(x509_cert_parse(der, &cert) == (n == 32 ? OK : ERR_FORMAT), "%u extensions: %s",
		    n, n == 32 ? "read" : "refused");
	}
}

/* All 255 changes of each byte in the first vector, all 8 changes of one bit in the others. */
static void damaged(const struct vector_cert *v)
{
	uint8_t der[420];
	unsigned bad = 0, read = 0;
	struct x509_cert cert;

	for (size_t n = 0; n < v->der.n; n++)
		bad += x509_cert_parse((struct slice){ v->der.p, n }, &cert) != ERR_FORMAT;
	ok(bad == 0, "%s: refused when cut at any byte", v->name);

	memcpy(der, v->der.p, v->der.n);
	for (size_t i = 0; i < v->der.n; i++) {
		for (unsigned x = 1; x < 256; x++) {
			struct slice in = { der, v->der.n };

			if (v != vector_certs && (x & (x - 1)) != 0)
				continue;
			der[i] = (uint8_t)(v->der.p[i] ^ x);
			if (x509_cert_parse(in, &cert) != OK)
				continue;
			read++;
			bad += !rebuilt(&cert, in);
		}
		der[i] = v->der.p[i];
	}
	ok(bad == 0 && read > 0,
	    "%s: each byte changed; %u are other certificates, the rest is refused", v->name, read);
}

int main(void)
{
	for (size_t i = 0; i < vector_certs_n; i++)
		golden(&vector_certs[i]);
	others();
	each_field();
	many_extensions();
	for (size_t i = 0; i < CERTS_MUTATED; i++)
		damaged(&vector_certs[i]);
	return done_testing();
}
