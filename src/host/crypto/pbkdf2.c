#include "pbkdf2.h"
#include "openssl.h"

#include <limits.h>

enum err pbkdf2_sha512(
    struct slice password, struct slice salt, unsigned iterations, uint8_t *out, size_t n)
{
	if (iterations == 0 || iterations > INT_MAX || password.n > INT_MAX || salt.n > INT_MAX ||
	    n > INT_MAX)
		return ERR_ARG;
	if (PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.n, salt.p, (int)salt.n,
	        (int)iterations, EVP_sha512(), (int)n, out) != 1)
		return openssl_failed(NULL, ERR_IO, "PBKDF2");
	return OK;
}
