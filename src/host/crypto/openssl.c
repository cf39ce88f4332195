#include "openssl.h"
#include "p256.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>

enum err openssl_failed(struct errbuf *eb, enum err e, const char *what)
{
	unsigned long code, first = 0;
	bool memory = false;
	const char *reason;

	while ((code = ERR_get_error()) != 0) {
		first = first ? first : code;
		memory |= ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	}
	reason = first ? ERR_reason_error_string(first) : NULL;
	e = memory ? ERR_MEMORY : e;
	return err_set(eb, e, "%s: %s", what,
	    memory   ? err_text(ERR_MEMORY)
	    : reason ? reason
	             : err_text(e));
}

enum err openssl_public(const uint8_t q[64], EVP_PKEY **pkey)
{
	uint8_t point[65] = { POINT_CONVERSION_UNCOMPRESSED };
	char group[] = "prime256v1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group) - 1),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_END,
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	enum err e = OK;

	memcpy(point + 1, q, 64);
	*pkey = NULL;
	if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1)
		e = openssl_failed(NULL, ERR_MEMORY, "key context");
	else if (EVP_PKEY_fromdata(ctx, pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		e = openssl_failed(NULL, ERR_FORMAT, "public key");
	EVP_PKEY_CTX_free(ctx);
	return e;
}

enum err random_bytes(uint8_t *out, size_t n)
{
	while (n > 0) {
		int part = n > 65536 ? 65536 : (int)n;

		if (RAND_bytes(out, part) != 1)
			return openssl_failed(NULL, ERR_IO, "random bytes");
		out += part;
		n -= (size_t)part;
	}
	return OK;
}

enum err p256_key_id(const uint8_t q[64], uint8_t id[20])
{
	uint8_t point[65] = { POINT_CONVERSION_UNCOMPRESSED };

	memcpy(point + 1, q, 64);
	if (EVP_Q_digest(NULL, "SHA1", NULL, point, sizeof(point), id, NULL) != 1)
		return openssl_failed(NULL, ERR_IO, "SHA-1");
	return OK;
}

const char *p256_library(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}
