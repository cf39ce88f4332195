/* A certificate that is read is written again, from what was understood, as it was. */
#include "fuzz.h"
#include "x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t tbs[1 << 16], der[1 << 16];
	struct slice in = { data, size }, out;
	struct der_w t = der_writer(tbs, sizeof(tbs)), w = der_writer(der, sizeof(der));
	struct x509_cert cert;
	struct x509_name name;

	if (x509_cert_parse(in, &cert) != OK)
		return 0;
	x509_tbs_put(&t, &cert.tbs);
	CHECK(der_finish(&t, &out) == OK && slice_equal(out, cert.tbs_der));
	x509_cert_put(&w, out, cert.sig);
	CHECK(der_finish(&w, &out) == OK && slice_equal(out, in));
	CHECK(x509_name_parse(cert.tbs.issuer, &name) == OK);
	CHECK(x509_name_parse(cert.tbs.subject, &name) == OK);
	return 0;
}
