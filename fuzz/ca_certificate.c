/* A certificate that is taken for an authority's is written again from what was understood. */
#include "fuzz.h"
#include "profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buffer[PROFILE_CA_MAX], whole[PROFILE_CA_MAX], sig[64];
	struct der_w w = der_writer(buffer, sizeof(buffer)),
	             cert_w = der_writer(whole, sizeof(whole));
	struct slice in = { data, size }, tbs, again;
	const char *why = NULL;
	struct profile_ca ca;
	enum err e = profile_ca_parse(in, &ca, sig, &tbs, &why);

	CHECK(e == OK || e == ERR_FORMAT);
	CHECK((e == OK) == (why == NULL));
	if (e != OK)
		return 0;
	profile_ca_tbs_put(&w, &ca);
	CHECK(der_finish(&w, &again) == OK && slice_equal(again, tbs));
	x509_cert_put(&cert_w, tbs, sig);
	CHECK(der_finish(&cert_w, &again) == OK && slice_equal(again, in));
	return 0;
}
