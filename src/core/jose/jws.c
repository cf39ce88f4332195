#include "jose.h"
#include "text.h"

#include <string.h>

#define SIG_CHARACTERS 86 /* 64 bytes without padding */

/* {"alg":"ES256","typ":"JWT"} and {"alg":"ES256"} in base64url. */
static const char header_jwt[] = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9";
static const char header_short[] = "eyJhbGciOiJFUzI1NiJ9";

static const char *const texts[JWT_FAULTS] = {
	[JWT_FINE] = "nothing is wrong with it",
	[JWT_TOO_LONG] = "longer than any token of a board",
	[JWT_PARTS] = "not three parts with two dots between them (RFC 7515 7.1)",
	[JWT_HEADER] =
	    "header: neither {\"alg\":\"ES256\",\"typ\":\"JWT\"} nor {\"alg\":\"ES256\"}",
	[JWT_PAYLOAD] = "payload: not base64url without padding (RFC 7515 section 2)",
	[JWT_SIGNATURE_FORM] = "signature: not 64 bytes in base64url (RFC 7518 3.4)",
	[JWT_CLAIMS] = "claims: not {\"iat\":seconds,\"iss\":\"hardware id\"}",
	[JWT_POINT_OFF_CURVE] = "public key: the point is not on P-256",
	[JWT_SIGNATURE_WRONG] = "signature: not made by this key",
};

const char *jwt_fault_text(enum jwt_fault fault)
{
	return (unsigned)fault < JWT_FAULTS ? texts[fault] : "unknown fault";
}

/* Adds one part behind the *n characters that are there. */
static enum err put(struct slice part, char *out, size_t cap, size_t *n)
{
	enum err e = base64url_encode(part, out + *n, cap - *n);

	while (e == OK && out[*n])
		++*n;
	return e;
}

enum err jws_build(struct slice header, struct slice payload, const struct x509_signer *signer,
    char *out, size_t cap, size_t *n)
{
	uint8_t sig[64];
	size_t at = 0;
	enum err e;

	if ((e = put(header, out, cap, &at)) != OK)
		return e;
	out[at++] = '.'; /* where the NUL stood */
	if ((e = put(payload, out, cap, &at)) != OK)
		return e;
	if (cap - at < 1 + SIG_CHARACTERS + 1)
		return ERR_SPACE;
	e = signer->sign(signer->ctx, (struct slice){ (const uint8_t *)out, at }, sig);
	if (e != OK)
		return e;
	out[at++] = '.';
	if ((e = put(SLICE(sig), out, cap, &at)) == OK)
		*n = at;
	return e;
}

/* Takes what stands before the next dot off the front of text. */
static bool take_part(struct slice *text, struct slice *part)
{
	size_t n = 0;

	while (n < text->n && text->p[n] != '.')
		n++;
	if (n == text->n)
		return false;
	*part = (struct slice){ text->p, n };
	*text = (struct slice){ text->p + n + 1, text->n - n - 1 };
	return true;
}

/* The characters of base64url, as many as whole bytes can have. */
static bool is_base64url(struct slice text)
{
	uint8_t bytes[3];
	size_t n;

	for (; text.n > 4; text.p += 4, text.n -= 4)
		if (base64url_decode((struct slice){ text.p, 4 }, bytes, 3, &n) != OK)
			return false;
	return base64url_decode(text, bytes, 3, &n) == OK;
}

static enum jwt_fault parse(struct slice token, struct jws *jws)
{
	struct slice rest = token, header;
	uint8_t sig[66];
	size_t n;

	if (token.n > JWS_MAX)
		return JWT_TOO_LONG;
	if (!take_part(&rest, &header) || !take_part(&rest, &jws->payload))
		return JWT_PARTS;
	for (n = 0; n < rest.n; n++)
		if (rest.p[n] == '.')
			return JWT_PARTS;
	if (!slice_equal(header, TEXT(header_jwt)) && !slice_equal(header, TEXT(header_short)))
		return JWT_HEADER;
	if (!is_base64url(jws->payload))
		return JWT_PAYLOAD;
	if (base64url_decode(rest, sig, sizeof(sig), &n) != OK || n != 64)
		return JWT_SIGNATURE_FORM;
	memcpy(jws->sig, sig, 64);
	jws->message = (struct slice){ token.p, header.n + 1 + jws->payload.n };
	return JWT_FINE;
}

enum err jws_parse(struct slice token, struct jws *jws, enum jwt_fault *fault)
{
	struct jws got;
	enum jwt_fault f = parse(token, &got);

	if (fault)
		*fault = f;
	if (f == JWT_FINE)
		*jws = got;
	return f == JWT_FINE ? OK : f == JWT_TOO_LONG ? ERR_SPACE : ERR_FORMAT;
}

enum err jws_verify(const struct jws *jws, const uint8_t q[64],
    const struct x509_verifier *verifier, enum jwt_fault *fault)
{
	enum err e = verifier->verify(verifier->ctx, q, jws->message, jws->sig);

	if (fault)
		*fault = e == ERR_FORMAT   ? JWT_POINT_OFF_CURVE
		         : e == ERR_DENIED ? JWT_SIGNATURE_WRONG
		                           : JWT_FINE;
	return e;
}
