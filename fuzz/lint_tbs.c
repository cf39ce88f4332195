/* What the lint passes is what a board rebuilds; and it judges any bytes by known rules alone. */
#include "ccert.h"
#include "fuzz.h"
#include "service_cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct p256 *p256; /* a fuzzer has no end at which to free it */
	uint8_t der[CCERT_CERT_MAX], sig[64] = { [31] = 1, [63] = 1 }, q[64];
	struct der_w w = der_writer(der, sizeof(der));
	struct slice tbs = { data, size }, cert;
	struct lint_context context = { 0 };
	struct ccert fields;
	uint64_t broken;

	if (!p256)
		CHECK(p256_new(&p256, NULL) == OK);
	context.p256 = p256;
	context.key_id = size > 20 ? data + size - 20 : (const uint8_t *)"no identifier at all";
	/* No bytes are a device's certificate and a server's. */
	broken = lint_service(tbs, &context);
	CHECK(broken != 0 || lint_tbs(tbs, &context) != 0);
	broken |= lint_service_names(tbs) | lint_tbs(tbs, &context);
	for (unsigned n = 0; n < 64; n++)
		CHECK(!(broken & LINT_BIT(n)) || lint_rule(n));
	if (lint_tbs(tbs, &context) != 0)
		return 0;
	x509_cert_put(&w, tbs, sig);
	CHECK(der_finish(&w, &cert) == OK && ccert_from_cert(cert, &fields, q) == OK);
	CHECK(fields.serial[0] >= 0x01 && fields.serial[0] <= 0x7f && !ct_zero(fields.aki, 20));
	CHECK(fields.years >= 1 && x509_hour_exists(&fields.issued));
	CHECK(fields.issued.month != 2 || fields.issued.day != 29);
	return 0;
}
