/*
 * What a slot may hold as a self-signed certificate. Input: storage (72), serial number (20), common
 * name. What is rebuilt parses, says the same and is stored as the same bytes.
 */
#include "fuzz.h"
#include "self_signed.h"

#include <string.h>

static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	(void)message;
	memcpy(sig, ctx, 64);
	return OK;
}

static const uint8_t q[64] = { 4 };

static void again(const struct self_signed *s, struct slice der, uint8_t storage[72])
{
	static const uint8_t bits[5] = { 31, 15, 31, 31, 31 };
	struct x509_signer signer = { storage, sign };
	uint8_t buffer[1024], kept[72];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct slice out;

	CHECK(self_signed_build(s, q, &signer, kept, &w) == OK);
	CHECK(der_finish(&w, &out) == OK && slice_equal(out, der));
	CHECK(memcmp(kept, storage, 64) == 0 && ct_zero(kept + 69, 3));
	for (unsigned i = 0; i < 5; i++)
		CHECK(kept[64 + i] == (storage[64 + i] & bits[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buffer[1024], storage[72];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct x509_cert cert;
	struct self_signed s;
	struct slice out;

	if (size < 92)
		return 0;
	s = (struct self_signed){ .serial = { data + 72, 20 },
		.name.at[X509_CN] = { data + 92, size - 92 } };
	memcpy(storage, data, 72);
	if (self_signed_rebuild(&s, q, storage, &w) != OK)
		return 0;
	CHECK(der_finish(&w, &out) == OK);
	for (size_t i = 92; i < size; i++)
		if (data[i] < ' ' || data[i] > '~')
			return 0; /* a program's own fault */
	/* An INTEGER above 20 bytes is what a high bit in a serial of 20 gives. */
	if (data[72] < 0x80) {
		CHECK(x509_cert_parse(out, &cert) == OK && memcmp(cert.sig, storage, 64) == 0);
		CHECK(slice_equal(cert.tbs.issuer, cert.tbs.subject));
	}
	again(&s, out, storage);
	return 0;
}
