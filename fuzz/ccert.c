/*
 * The compressed certificate both ways. Input: slots 10, 11 and 12 (72 + 36 + 36 bytes) and a key (64),
 * or a certificate.
 */
#include "ccert.h"
#include "fuzz.h"

#include <string.h>

static void from_slots(const uint8_t *in)
{
	const uint8_t *slot11 = in + CCERT_SLOT10, *slot12 = slot11 + CCERT_SLOT11;
	const uint8_t *q = slot12 + CCERT_SLOT12;
	uint8_t s10[CCERT_SLOT10], s11[CCERT_SLOT11], s12[CCERT_SLOT12], der[CCERT_CERT_MAX],
	    back[64];
	struct der_w w = der_writer(der, sizeof(der));
	struct ccert c, again;
	struct slice out;

	if (ccert_unpack(in, slot11, slot12, &c) != OK)
		return;
	CHECK(ccert_pack(&c, s10, s11, s12) == OK);
	CHECK(memcmp(s10, in, 67) == 0 && ct_zero(s10 + 67, 5));
	CHECK(memcmp(s11, slot11, sizeof(s11)) == 0 && memcmp(s12, slot12, sizeof(s12)) == 0);

	ccert_cert_put(&w, &c, q);
	if (der_finish(&w, &out) != OK) {
		CHECK(w.err == ERR_ARG); /* r or s out of range, and nothing else */
		return;
	}
	CHECK(ccert_from_cert(out, &again, back) == OK && memcmp(back, q, 64) == 0);
	CHECK(ccert_compare(&c, &again) == CCERT_SAME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t der[CCERT_CERT_MAX], q[64];
	struct der_w w = der_writer(der, sizeof(der));
	struct slice in = { data, size }, out;
	struct ccert c;

	if (size == CCERT_SLOT10 + CCERT_SLOT11 + CCERT_SLOT12 + 64)
		from_slots(data);
	if (ccert_from_cert(in, &c, q) != OK)
		return 0;
	ccert_cert_put(&w, &c, q);
	CHECK(der_finish(&w, &out) == OK && slice_equal(out, in));
	return 0;
}
