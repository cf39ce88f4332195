#include "jose.h"
#include "text.h"

#include <string.h>

static const char header[] = "{\"alg\":\"ES256\",\"typ\":\"JWT\"}";
static const char before_iat[] = "{\"iat\":", before_iss[] = ",\"iss\":\"", behind[] = "\"}";

#define LENGTH(text) (sizeof(text) - 1)
#define CLAIMS_MAX (LENGTH(before_iat) + 10 + LENGTH(before_iss) + JWT_ISS_MAX + LENGTH(behind))

/* What stands between the quotes as it is: no character that JSON would have to escape. */
static bool iss_fits(struct slice iss)
{
	if (iss.n < 1 || iss.n > JWT_ISS_MAX)
		return false;
	for (size_t i = 0; i < iss.n; i++)
		if (iss.p[i] < ' ' || iss.p[i] > '~' || iss.p[i] == '"' || iss.p[i] == '\\')
			return false;
	return true;
}

/* Decimal digits without the division that a Cortex-M0+ has not. */
static size_t put_decimal(uint32_t value, uint8_t *out)
{
	static const uint32_t powers[] = { 1000000000, 100000000, 10000000, 1000000, 100000, 10000,
		1000, 100, 10, 1 };
	size_t n = 0;

	for (size_t i = 0; i < COUNT(powers); i++) {
		uint8_t digit = '0';

		for (; value >= powers[i]; value -= powers[i])
			digit++;
		if (n > 0 || digit > '0' || powers[i] == 1)
			out[n++] = digit;
	}
	return n;
}

static size_t put(uint8_t *out, size_t at, const void *p, size_t n)
{
	memcpy(out + at, p, n);
	return at + n;
}

static size_t put_claims(uint32_t iat, struct slice iss, uint8_t out[CLAIMS_MAX])
{
	size_t n = put(out, 0, before_iat, LENGTH(before_iat));

	n += put_decimal(iat, out + n);
	n = put(out, n, before_iss, LENGTH(before_iss));
	n = put(out, n, iss.p, iss.n);
	return put(out, n, behind, LENGTH(behind));
}

enum err jwt_build(uint32_t iat, struct slice iss, const struct x509_signer *signer, char *out,
    size_t cap, size_t *n)
{
	uint8_t claims[CLAIMS_MAX];
	struct slice payload = { claims, 0 };

	if (!iss_fits(iss))
		return ERR_ARG;
	payload.n = put_claims(iat, iss, claims);
	return jws_build(TEXT(header), payload, signer, out, cap, n);
}

/* A number of at most 32 bits off the front of text; its form is shown by writing it again. */
static bool take_decimal(struct slice *text, uint32_t *value)
{
	uint32_t v = 0;
	size_t n = 0;

	for (; n < text->n && text->p[n] >= '0' && text->p[n] <= '9'; n++) {
		unsigned digit = text->p[n] - (unsigned)'0';

		if (v > UINT32_MAX / 10 || (v == UINT32_MAX / 10 && digit > UINT32_MAX % 10))
			return false;
		v = v * 10 + digit;
	}
	*text = (struct slice){ text->p + n, text->n - n };
	*value = v;
	return n > 0;
}

/* Reads what must be there and lets put_claims say whether the text is that and nothing else. */
static bool read_claims(struct slice text, struct jwt *jwt)
{
	struct slice rest = text, iss, written;
	uint8_t again[CLAIMS_MAX];

	if (rest.n < LENGTH(before_iat))
		return false;
	rest = (struct slice){ rest.p + LENGTH(before_iat), rest.n - LENGTH(before_iat) };
	if (!take_decimal(&rest, &jwt->iat) || rest.n < LENGTH(before_iss) + LENGTH(behind))
		return false;
	iss.p = rest.p + LENGTH(before_iss);
	iss.n = rest.n - LENGTH(before_iss) - LENGTH(behind);
	if (!iss_fits(iss))
		return false;
	written.p = again;
	written.n = put_claims(jwt->iat, iss, again);
	if (!slice_equal(text, written))
		return false;
	memset(jwt->iss, 0, sizeof(jwt->iss));
	memcpy(jwt->iss, iss.p, iss.n);
	return true;
}

enum err jwt_parse(struct slice token, struct jwt *jwt, enum jwt_fault *fault)
{
	uint8_t claims[CLAIMS_MAX];
	struct jwt got;
	size_t n;
	enum err e;

	if ((e = jws_parse(token, &got.jws, fault)) != OK)
		return e;
	if (base64url_decode(got.jws.payload, claims, sizeof(claims), &n) == OK &&
	    read_claims((struct slice){ claims, n }, &got)) {
		*jwt = got;
		return OK;
	}
	if (fault)
		*fault = JWT_CLAIMS;
	return ERR_FORMAT;
}

enum err jwt_verify(const struct jwt *jwt, const uint8_t q[64],
    const struct x509_verifier *verifier, enum jwt_fault *fault)
{
	return jws_verify(&jwt->jws, q, verifier, fault);
}
