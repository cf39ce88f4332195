/* A token that is read is written again as it was; a key in PEM means the same afterwards. */
#include "fuzz.h"
#include "jose.h"
#include "text.h"

#include <string.h>

static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	const struct jws *jws = ctx;

	CHECK(slice_equal(message, jws->message));
	memcpy(sig, jws->sig, 64);
	return OK;
}

static size_t length(const char *text)
{
	return strlen(text);
}

static void token(struct slice in)
{
	enum jwt_fault fault = JWT_FAULTS;
	char out[JWT_TOKEN_MAX + 1];
	struct jwt jwt;
	struct x509_signer signer = { &jwt.jws, sign };
	struct jws jws;
	enum err e = jws_parse(in, &jws, &fault);
	size_t n;

	CHECK(fault < JWT_FAULTS && (e == OK) == (fault == JWT_FINE));
	if (jwt_parse(in, &jwt, &fault) != OK) {
		CHECK(fault != JWT_FINE && (e != OK || fault == JWT_CLAIMS));
		return;
	}
	CHECK(e == OK && length(jwt.iss) > 0);
	if (in.p[20] == '.') /* the header without typ, which is never written */
		return;
	CHECK(jwt_build(jwt.iat, (struct slice){ (const uint8_t *)jwt.iss, length(jwt.iss) },
	          &signer, out, sizeof(out), &n) == OK);
	CHECK(n == in.n && memcmp(out, in.p, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = { data, size };
	char pem[JOSE_PEM_SIZE];
	uint8_t q[64], again[64];

	token(in);
	if (jose_pem_decode(in, q) == OK) {
		CHECK(jose_pem_encode(q, pem) == OK);
		CHECK(jose_pem_decode((struct slice){ (const uint8_t *)pem, length(pem) }, again) ==
		      OK);
		CHECK(memcmp(q, again, 64) == 0);
	}
	return 0;
}
