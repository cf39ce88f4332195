/* Tokens of boards: the golden ones built and read byte for byte, everything else refused by name. */
#include "jose.h"
#include "tap.h"
#include "text.h"
#include "vectors.h"

#include <stdlib.h>

static struct slice string(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

#ifdef SMALL_MACHINE
#define FIRST_LETTER 'w' /* QEMU is slow */
#else
#define FIRST_LETTER 1
#endif

/* Signer and verifier that know one signature over one message. */
struct known {
	struct slice message;
	const uint8_t *q, *sig;
	enum err e;
	unsigned asked;
};

static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	struct known *k = ctx;

	k->asked++;
	if (k->e == OK && !slice_equal(message, k->message))
		return ERR_CONFLICT;
	if (k->e == OK)
		memcpy(sig, k->sig, 64);
	return k->e;
}

static enum err verify(void *ctx, const uint8_t q[64], struct slice message, const uint8_t sig[64])
{
	struct known *k = ctx;

	k->asked++;
	if (k->e != OK)
		return k->e;
	return q == k->q && slice_equal(message, k->message) && memcmp(sig, k->sig, 64) == 0
	           ? OK
	           : ERR_DENIED;
}

/* header.claims of a golden token. */
static struct known known_of(const struct vector_token *v)
{
	struct known k = { .message = string(v->token), .sig = v->sig.p, .q = vector_keys[0].q.p };

	k.message.n -= 1 + 86;
	return k;
}

static uint32_t iat_of(const char *claims)
{
	return (uint32_t)strtoul(claims + strlen("{\"iat\":"), NULL, 10);
}

static struct slice iss_of(const char *claims)
{
	struct slice s = string(strstr(claims, "\"iss\":\"") + 7);

	s.n -= 2;
	return s;
}

static void golden(const struct vector_token *v)
{
	struct known k = known_of(v);
	struct x509_signer signer = { &k, sign };
	struct x509_verifier verifier = { &k, verify };
	enum jwt_fault fault = JWT_FAULTS;
	char out[JWT_TOKEN_MAX + 1];
	struct jwt jwt;
	uint8_t text[128];
	size_t n = 0;

	ok(jwt_build(iat_of(v->claims), iss_of(v->claims), &signer, out, sizeof(out), &n) == OK &&
	        n == 246 && strcmp(out, v->token) == 0,
	    "%.40s: built", v->claims);
	n = 0;
	ok(jws_build(string(v->header), string(v->claims), &signer, out, sizeof(out), &n) == OK &&
	        strcmp(out, v->token) == 0 && n == strlen(out),
	    "from header and payload too");
	if (!ok(jwt_parse(string(v->token), &jwt, &fault) == OK && fault == JWT_FINE, "read"))
		return;
	ok(jwt.iat == iat_of(v->claims) && slice_equal(string(jwt.iss), iss_of(v->claims)) &&
	        slice_equal(SLICE(jwt.jws.sig), v->sig) &&
	        base64url_decode(jwt.jws.payload, text, sizeof(text), &n) == OK &&
	        slice_equal((struct slice){ text, n }, string(v->claims)),
	    "time, issuer, signature, payload");
	fault = JWT_FAULTS;
	ok(jwt_verify(&jwt, k.q, &verifier, &fault) == OK && fault == JWT_FINE, "verified");
}

static void verifying(void)
{
	struct known k = known_of(&vector_tokens[0]);
	struct x509_verifier verifier = { &k, verify };
	enum jwt_fault fault = JWT_FINE;
	struct jwt jwt;

	if (!ok(jwt_parse(string(vector_tokens[0].token), &jwt, NULL) == OK, "no fault wanted"))
		return;
	jwt.jws.sig[0] ^= 1;
	ok(jwt_verify(&jwt, k.q, &verifier, &fault) == ERR_DENIED && fault == JWT_SIGNATURE_WRONG,
	    "a signature of another key is refused by name");
	k.e = ERR_FORMAT;
	ok(jwt_verify(&jwt, k.q, &verifier, &fault) == ERR_FORMAT && fault == JWT_POINT_OFF_CURVE,
	    "so is a point off the curve");
	ok(jwt_verify(&jwt, k.q, &verifier, NULL) == ERR_FORMAT, "or without asking why");
}

static void build_refuses(void)
{
	static const struct {
		const char *name, *iss;
	} cases[] = {
		{ "an empty issuer", "" },
		{ "a quote", "abc\"" },
		{ "a backslash", "ab\\u0000" },
		{ "a control character", "ab\n" },
		{ "DEL", "\x7f" },
		{ "UTF-8", "\xc3\xa4" },
		{ "65 characters",
		    "00000000000000000000000000000000000000000000000000000000000000000" },
	};
	struct known k = known_of(&vector_tokens[0]);
	struct x509_signer signer = { &k, sign };
	char out[JWT_TOKEN_MAX + 2];
	unsigned bad = 0;
	size_t n = 99;

	for (size_t i = 0; i < COUNT(cases); i++)
		ok(jwt_build(1, string(cases[i].iss), &signer, out, sizeof(out), &n) == ERR_ARG &&
		        k.asked == 0 && n == 99,
		    "issuer refused: %s", cases[i].name);
	for (size_t cap = 0; cap <= JWT_TOKEN_MAX; cap++) {
		out[cap] = '#';
		bad += jwt_build(1600000000, iss_of(vector_tokens[0].claims), &signer, out, cap,
		           &n) != ERR_SPACE ||
		       out[cap] != '#' || n != 99;
	}
	ok(bad == 0 && k.asked == 0, "too little room: nothing is signed, nothing written behind");
	k.e = ERR_TIMEOUT;
	ok(jwt_build(1, TEXT("x"), &signer, out, sizeof(out), &n) == ERR_TIMEOUT && n == 99,
	    "the signer's error comes back");
}

static void numbers(void)
{
	static const struct {
		uint32_t iat;
		const char *claims;
	} cases[] = {
		{ 0, "{\"iat\":0,\"iss\":\"x\"}" },
		{ 7, "{\"iat\":7,\"iss\":\"x\"}" },
		{ 10, "{\"iat\":10,\"iss\":\"x\"}" },
		{ 1000000000, "{\"iat\":1000000000,\"iss\":\"x\"}" },
		{ 4294967295, "{\"iat\":4294967295,\"iss\":\"x\"}" },
	};
	static const uint8_t sig[64] = { 1 };
	struct known k = { .sig = sig };
	struct x509_signer signer = { &k, sign };

	for (size_t i = 0; i < COUNT(cases); i++) {
		char message[128], out[JWT_TOKEN_MAX + 1];
		struct jwt jwt;
		size_t n = 37;

		memcpy(message, vector_tokens[0].token, n);
		if (base64url_encode(string(cases[i].claims), message + n, sizeof(message) - n) !=
		    OK)
			continue;
		k.message = string(message);
		ok(jwt_build(cases[i].iat, TEXT("x"), &signer, out, sizeof(out), &n) == OK &&
		        jwt_parse(string(out), &jwt, NULL) == OK && jwt.iat == cases[i].iat &&
		        strcmp(jwt.iss, "x") == 0,
		    "%s", cases[i].claims);
	}
}

/* A token of these texts with a signature that has the right form. */
static struct slice token_of(const char *header, const char *claims, char out[512])
{
	size_t n;

	if (base64url_encode(string(header), out, 200) != OK)
		return TEXT("");
	n = strlen(out);
	out[n++] = '.';
	if (base64url_encode(string(claims), out + n, 200) != OK)
		return TEXT("");
	n += strlen(out + n);
	snprintf(out + n, 512 - n, "%s", strrchr(vector_tokens[0].token, '.'));
	return string(out);
}

#define JWT_HEADER_TEXT "{\"alg\":\"ES256\",\"typ\":\"JWT\"}"
#define CLAIMS_TEXT "{\"iat\":1,\"iss\":\"x\"}"

static void headers_and_claims(void)
{
	static const struct {
		const char *name, *header, *claims;
		enum jwt_fault want;
	} cases[] = {
		{ "as boards write it", JWT_HEADER_TEXT, CLAIMS_TEXT, JWT_FINE },
		{ "without typ", "{\"alg\":\"ES256\"}", CLAIMS_TEXT, JWT_FINE },
		{ "alg none", "{\"alg\":\"none\",\"typ\":\"JWT\"}", CLAIMS_TEXT, JWT_HEADER },
		{ "alg HS256", "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", CLAIMS_TEXT, JWT_HEADER },
		{ "alg twice", "{\"alg\":\"ES256\",\"alg\":\"none\"}", CLAIMS_TEXT, JWT_HEADER },
		{ "a key in the header", "{\"alg\":\"ES256\",\"jwk\":{}}", CLAIMS_TEXT,
		    JWT_HEADER },
		{ "a blank in the header", "{\"alg\": \"ES256\"}", CLAIMS_TEXT, JWT_HEADER },
		{ "an empty header", "", CLAIMS_TEXT, JWT_HEADER },
		{ "no claims", JWT_HEADER_TEXT, "", JWT_CLAIMS },
		{ "other order", JWT_HEADER_TEXT, "{\"iss\":\"x\",\"iat\":1}", JWT_CLAIMS },
		{ "iat as text", JWT_HEADER_TEXT, "{\"iat\":\"1\",\"iss\":\"x\"}", JWT_CLAIMS },
		{ "iat without digits", JWT_HEADER_TEXT, "{\"iat\":,\"iss\":\"x\"}", JWT_CLAIMS },
		{ "iat negative", JWT_HEADER_TEXT, "{\"iat\":-1,\"iss\":\"x\"}", JWT_CLAIMS },
		{ "iat 01", JWT_HEADER_TEXT, "{\"iat\":01,\"iss\":\"x\"}", JWT_CLAIMS },
		{ "iat 2^32", JWT_HEADER_TEXT, "{\"iat\":4294967296,\"iss\":\"x\"}", JWT_CLAIMS },
		{ "iat 10^10", JWT_HEADER_TEXT, "{\"iat\":10000000000,\"iss\":\"\"}", JWT_CLAIMS },
		{ "iss empty", JWT_HEADER_TEXT, "{\"iat\":1,\"iss\":\"\"}", JWT_CLAIMS },
		{ "iss with an escape", JWT_HEADER_TEXT, "{\"iat\":1,\"iss\":\"\\n\"}",
		    JWT_CLAIMS },
		{ "another claim", JWT_HEADER_TEXT, "{\"iat\":1,\"iss\":\"x\",\"exp\":2}",
		    JWT_CLAIMS },
		{ "text behind", JWT_HEADER_TEXT, "{\"iat\":1,\"iss\":\"x\"} ", JWT_CLAIMS },
		{ "iss of 65 characters", JWT_HEADER_TEXT,
		    "{\"iat\":1,\"iss\":"
		    "\"0123456789012345678901234567890123456789012345678901234567"
		    "8901234\"}",
		    JWT_CLAIMS },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		enum jwt_fault fault = JWT_FAULTS;
		char text[512];
		struct jwt jwt;
		enum err e =
		    jwt_parse(token_of(cases[i].header, cases[i].claims, text), &jwt, &fault);

		ok(fault == cases[i].want && e == (fault == JWT_FINE ? OK : ERR_FORMAT), "%s: %s",
		    cases[i].name, jwt_fault_text(fault));
	}
}

static void forms(void)
{
	static const char padded[] = "eyJhbGciOiJFUzI1NiJ9.e30=.",
	                  short_sig[] = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA",
	                  loose[] = "eyJhbGciOiJFUzI1NiJ9.e31.AAAA";
	static const struct {
		const char *name, *text;
		enum jwt_fault want;
	} cases[] = {
		{ "nothing", "", JWT_PARTS },
		{ "one part", "eyJhbGciOiJFUzI1NiJ9", JWT_PARTS },
		{ "two parts", "eyJhbGciOiJFUzI1NiJ9.e30", JWT_PARTS },
		{ "four parts", "eyJhbGciOiJFUzI1NiJ9.e30..", JWT_PARTS },
		{ "five parts, as encrypted ones have", "eyJhbGciOiJFUzI1NiJ9.a.b.c.d", JWT_PARTS },
		{ "padding", padded, JWT_PAYLOAD },
		{ "bits behind the last byte", loose, JWT_PAYLOAD },
		{ "standard alphabet", "eyJhbGciOiJFUzI1NiJ9.++++.AAAA", JWT_PAYLOAD },
		{ "line end", "eyJhbGciOiJFUzI1NiJ9.e30\n.AAAA", JWT_PAYLOAD },
		{ "short signature", short_sig, JWT_SIGNATURE_FORM },
		{ "no signature", "eyJhbGciOiJFUzI1NiJ9.e30.", JWT_SIGNATURE_FORM },
	};
	static uint8_t large[JWS_MAX + 1];
	enum jwt_fault fault;
	struct jws jws;
	char longer[300];

	for (size_t i = 0; i < COUNT(cases); i++)
		ok(jws_parse(string(cases[i].text), &jws, &fault) == ERR_FORMAT &&
		        fault == cases[i].want,
		    "%s: %s", cases[i].name, jwt_fault_text(fault));
	memset(large, 'A', sizeof(large));
	ok(jws_parse(SLICE(large), &jws, &fault) == ERR_SPACE && fault == JWT_TOO_LONG,
	    "more than %u characters", JWS_MAX);
	snprintf(longer, sizeof(longer), "%sAA", vector_tokens[0].token);
	ok(jws_parse(string(longer), &jws, &fault) == ERR_FORMAT && fault == JWT_SIGNATURE_FORM,
	    "a signature of 66 bytes");
	ok(strcmp(jwt_fault_text(JWT_FAULTS), "unknown fault") == 0, "a fault that is none");
}

/* Whatever single character changes: refused, or what is signed or its signature has changed. */
static void mutations(void)
{
	const struct vector_token *v = &vector_tokens[0];
	size_t n = strlen(v->token);
	char text[JWT_TOKEN_MAX + 1];
	unsigned bad = 0, accepted = 0;
	struct jwt jwt;

	for (size_t i = 0; i < n; i++) {
		for (unsigned c = FIRST_LETTER; c < 128; c++) {
			memcpy(text, v->token, n + 1);
			if (text[i] == (char)c)
				continue;
			text[i] = (char)c;
			if (jwt_parse(string(text), &jwt, NULL) != OK)
				continue;
			accepted++;
			bad += i < 37; /* the header is one text */
			bad += jwt.iat == iat_of(v->claims) &&
			       slice_equal(string(jwt.iss), iss_of(v->claims)) &&
			       slice_equal(SLICE(jwt.jws.sig), v->sig);
		}
	}
	ok(bad == 0 && accepted > 0, "no two tokens mean the same");
	for (size_t cut = bad = 0; cut < n; cut++)
		bad +=
		    jwt_parse((struct slice){ (const uint8_t *)v->token, cut }, &jwt, NULL) == OK;
	ok(bad == 0, "no part of a token is one");
}

static void keys(void)
{
	char out[JOSE_PEM_SIZE];
	uint8_t q[64];

	for (size_t i = 0; i < vector_keys_n; i++) {
		const struct vector_key *k = &vector_keys[i];

		if (!k->pem)
			continue;
		ok(jose_pem_encode(k->q.p, out) == OK && strcmp(out, k->pem) == 0, "%s: PEM",
		    k->name);
		memset(q, 0, sizeof(q));
		ok(jose_pem_decode(string(k->pem), q) == OK && slice_equal(SLICE(q), k->q),
		    "%s: and back", k->name);
	}
	ok(jose_pem_decode(TEXT("MFkw"), q) == ERR_NOT_FOUND, "no PEM at all");
	ok(jose_pem_decode(TEXT("-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n"),
	       q) == ERR_FORMAT,
	    "another kind of key");
	memset(out, 'A', sizeof(out));
	memcpy(out, "-----BEGIN PUBLIC KEY-----\n", 27);
	memcpy(out + 27 + 124, "\n-----END PUBLIC KEY-----\n", 27);
	ok(jose_pem_decode(string(out), q) == ERR_FORMAT, "a longer key");
}

int main(void)
{
	for (size_t i = 0; i < vector_tokens_n; i++)
		golden(&vector_tokens[i]);
	verifying();
	build_refuses();
	numbers();
	headers_and_claims();
	forms();
	mutations();
	keys();
	return done_testing();
}
