#include "token.h"

static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	uint8_t digest[32];
	enum err e = se_sha256(ctx, message, digest);

	return e == OK ? se_sign(ctx, SE_SLOT_BOARD_KEY, digest, sig) : e;
}

enum err board_token(
    struct se *se, uint32_t iat, struct slice iss, char out[JWT_TOKEN_MAX + 1], size_t *n)
{
	struct x509_signer signer = { se, sign };

	return jwt_build(iat, iss, &signer, out, JWT_TOKEN_MAX + 1, n);
}
