/*
 * jose.h -- signed tokens of boards: JWS compact form with ES256 (RFC 7515, RFC 7518 3.4), and the
 * one JWT that Arduino's boards make of it (RFC 7519): header {"alg":"ES256","typ":"JWT"}, claims
 * {"iat":seconds,"iss":"hardware id"}, no blanks, this order.
 *
 * There is no JSON parser here and no choice of algorithm: a header is one of two texts, claims are
 * what jwt_build writes, everything else is refused. So what is read and written again is the same
 * token. A token that was parsed is not yet verified; and a token never expires by itself: its age,
 * and whether it came before, are the caller's to judge.
 *
 *	char token[JWT_TOKEN_MAX + 1];
 *	e = jwt_build(now, TEXT(hardware_id), &signer, token, sizeof(token), &n);
 *	...
 *	if ((e = jwt_parse(text, &jwt, &fault)) != OK ||
 *	    (e = jwt_verify(&jwt, board_key, &verifier, &fault)) != OK)
 *		return err_set(eb, e, "token: %s", jwt_fault_text(fault));
 */
#ifndef IMPRINT_JOSE_H
#define IMPRINT_JOSE_H

#include "x509.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why a token was refused, for people. */
enum jwt_fault {
	JWT_FINE,
	JWT_TOO_LONG,
	JWT_PARTS, /* not three parts with two dots between them */
	JWT_HEADER,
	JWT_PAYLOAD, /* not base64url without padding */
	JWT_SIGNATURE_FORM,
	JWT_CLAIMS,
	JWT_POINT_OFF_CURVE, /* found by verifying */
	JWT_SIGNATURE_WRONG, /* found by verifying */
	JWT_FAULTS
};
/* "header: neither {"alg":"ES256","typ":"JWT"} nor {"alg":"ES256"}" and the like. */
const char *jwt_fault_text(enum jwt_fault fault);

/* --- JWS --- */

/* Longest token that is read. */
#define JWS_MAX 4096

/*
 * Writes header.payload.signature in base64url and a NUL; *n is the length without the NUL. Header
 * and payload go out as they are. ERR_SPACE before anything is signed, else the signer's error;
 * `out` then holds nothing of use.
 */
enum err jws_build(struct slice header, struct slice payload, const struct x509_signer *signer,
    char *out, size_t cap, size_t *n) MUST_CHECK;

/* A token taken apart; borrows from its text. */
struct jws {
	struct slice message; /* header.payload, as it was signed */
	struct slice payload; /* still base64url; base64url_decode will take it */
	uint8_t sig[64];      /* r|s */
};
/* ERR_FORMAT, or ERR_SPACE above JWS_MAX; fault may be NULL; jws is then untouched. */
enum err jws_parse(struct slice token, struct jws *jws, enum jwt_fault *fault) MUST_CHECK;
/* ERR_DENIED: wrong signature; ERR_FORMAT: q = X|Y is off the curve. */
enum err jws_verify(const struct jws *jws, const uint8_t q[64],
    const struct x509_verifier *verifier, enum jwt_fault *fault) MUST_CHECK;

/* --- JWT --- */

#define JWT_ISS_MAX 64    /* a hardware id has 64 digits */
#define JWT_TOKEN_MAX 246 /* with those and ten digits of time */

struct jwt {
	struct jws jws;
	uint32_t iat; /* seconds since 1970 */
	char iss[JWT_ISS_MAX + 1];
};

/* iss: 1 to 64 printable ASCII characters, neither " nor \, else ERR_ARG; the rest as jws_build. */
enum err jwt_build(uint32_t iat, struct slice iss, const struct x509_signer *signer, char *out,
    size_t cap, size_t *n) MUST_CHECK;
/* As jws_parse. */
enum err jwt_parse(struct slice token, struct jwt *jwt, enum jwt_fault *fault) MUST_CHECK;
/* As jws_verify. */
enum err jwt_verify(const struct jwt *jwt, const uint8_t q[64],
    const struct x509_verifier *verifier, enum jwt_fault *fault) MUST_CHECK;

/* --- the key that goes with it --- */

/* "-----BEGIN PUBLIC KEY-----" in 76 columns as Arduino's boards print it, with its NUL. */
#define JOSE_PEM_SIZE 179
enum err jose_pem_encode(const uint8_t q[64], char out[JOSE_PEM_SIZE]) MUST_CHECK;
/* Any line length. ERR_FORMAT unless it is an uncompressed P-256 key, ERR_NOT_FOUND without one. */
enum err jose_pem_decode(struct slice text, uint8_t q[64]) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
