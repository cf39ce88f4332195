#include "aes.h"

#include "openssl.h"

#include <string.h>

static enum err block(const uint8_t key[16], bool encrypt, const uint8_t in[16], uint8_t out[16])
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t made[16];
	int n = 0;
	enum err e = OK;

	if (!ctx || EVP_CipherInit_ex2(ctx, EVP_aes_128_ecb(), key, NULL, encrypt, NULL) != 1 ||
	    EVP_CIPHER_CTX_set_padding(ctx, 0) != 1 ||
	    EVP_CipherUpdate(ctx, made, &n, in, sizeof(made)) != 1 || n != sizeof(made))
		e = openssl_failed(NULL, ERR_MEMORY, "AES-128");
	else
		memcpy(out, made, sizeof(made));
	EVP_CIPHER_CTX_free(ctx);
	wipe(made, sizeof(made));
	return e;
}

enum err aes128_encrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
	return block(key, true, in, out);
}

enum err aes128_decrypt(const uint8_t key[16], const uint8_t in[16], uint8_t out[16])
{
	return block(key, false, in, out);
}
