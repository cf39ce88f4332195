/* Extensions of an authority against bytes written by hand from RFC 5280 4.2.1. */
#include "tap.h"
#include "extension.h"

static const uint8_t id[20] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
	20 };

static void is(struct der_w *w, struct slice want, const char *name)
{
	struct slice got = { NULL, 0 };

	ok(der_finish(w, &got) == OK, "%s", name);
	is_bytes(got.p, got.n, want.p, want.n, name);
	w->n = 0;
}

int main(void)
{
	static const struct {
		const char *name;
		uint8_t usage, unused;
	} usages[] = {
		{ "digitalSignature", X509_DIGITAL_SIGNATURE, 7 },
		{ "keyCertSign and cRLSign", X509_KEY_CERT_SIGN | X509_CRL_SIGN, 1 },
		{ "keyCertSign", X509_KEY_CERT_SIGN, 2 },
		{ "encipherOnly and digitalSignature", 0x81, 0 },
	};
	uint8_t buffer[64];
	struct der_w w = der_writer(buffer, sizeof(buffer)), small = der_writer(buffer, 5);
	struct slice out;

	x509_ext_ca_put(&w, 0);
	is(&w,
	    BYTES(0x30, 0x12, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x08, 0x30,
	        0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00),
	    "basicConstraints, path length 0");
	x509_ext_ca_put(&w, 200);
	is(&w,
	    BYTES(0x30, 0x13, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x09, 0x30,
	        0x07, 0x01, 0x01, 0xff, 0x02, 0x02, 0x00, 0xc8),
	    "basicConstraints, path length 200");
	for (size_t i = 0; i < COUNT(usages); i++) {
		x509_ext_key_usage_put(&w, usages[i].usage);
		is(&w,
		    BYTES(0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04,
		        0x03, 0x02, usages[i].unused, usages[i].usage),
		    usages[i].name);
	}
	x509_ext_subject_key_id_put(&w, id);
	is(&w,
	    BYTES(0x30, 0x1d, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x16, 0x04, 0x14, 1, 2, 3, 4, 5,
	        6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20),
	    "subjectKeyIdentifier");
	x509_ext_subject_key_id_put(&small, id);
	ok(der_finish(&small, &out) == ERR_SPACE, "no room");
	x509_ext_key_usage_put(&w, 0);
	ok(der_finish(&w, &out) == ERR_ARG, "a key without usage");
	return done_testing();
}
