/* The golden tokens and ours, by OpenSSL's arithmetic. */
#include "jose.h"
#include "p256.h"
#include "tap.h"
#include "vectors.h"

static struct slice string(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static const struct vector_key *board_key(void)
{
	const struct vector_key *key = vector_keys;

	while (strcmp(key->name, "golden-board-1") != 0)
		key++;
	return key;
}

static void golden(struct p256 *p, const uint8_t board[64], const uint8_t other[64])
{
	struct x509_verifier verifier = p256_verifier(p);
	static const uint8_t off_curve[64] = { 1 };

	for (size_t i = 0; i < vector_tokens_n; i++) {
		enum jwt_fault fault;
		struct jwt jwt;

		if (!ok(jwt_parse(string(vector_tokens[i].token), &jwt, &fault) == OK, "%s",
		        vector_tokens[i].claims))
			continue;
		ok(jwt_verify(&jwt, board, &verifier, &fault) == OK && fault == JWT_FINE,
		    "made by the board's key");
		ok(jwt_verify(&jwt, other, &verifier, &fault) == ERR_DENIED &&
		        fault == JWT_SIGNATURE_WRONG,
		    "not by another");
		ok(jwt_verify(&jwt, off_curve, &verifier, &fault) == ERR_FORMAT &&
		        fault == JWT_POINT_OFF_CURVE,
		    "not by a point off the curve");
	}
}

static void ours(struct p256 *p, const struct vector_key *key)
{
	struct x509_verifier verifier = p256_verifier(p);
	struct p256_key *k = NULL;
	struct x509_signer signer;
	char token[JWT_TOKEN_MAX + 1];
	struct jwt jwt;
	size_t n;

	if (!ok(p256_key_from_scalar(key->private_key.p, &k, NULL) == OK, "key"))
		return;
	signer = p256_signer(k);
	ok(jwt_build(1763853600, TEXT("board 7"), &signer, token, sizeof(token), &n) == OK &&
	        jwt_parse(string(token), &jwt, NULL) == OK &&
	        jwt_verify(&jwt, key->q.p, &verifier, NULL) == OK,
	    "a token made here verifies");
	token[40] = token[40] == 'A' ? 'B' : 'A';
	ok(jwt_parse(string(token), &jwt, NULL) != OK ||
	        jwt_verify(&jwt, key->q.p, &verifier, NULL) == ERR_DENIED,
	    "and not with another character in it");
	p256_key_free(k);
}

int main(void)
{
	struct p256 *p = NULL;

	if (!ok(p256_new(&p, NULL) == OK, "P-256"))
		return done_testing();
	golden(p, board_key()->q.p, vector_keys[0].q.p);
	ours(p, board_key());
	p256_free(p);
	return done_testing();
}
