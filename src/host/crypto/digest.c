#include "digest.h"
#include "openssl.h"

#include <stdlib.h>

struct digest {
	EVP_MD *sha256;
	EVP_MD_CTX *ctx;
};

enum err digest_new(struct digest **out, struct errbuf *eb)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(eb, ERR_MEMORY, "no memory for a digest");
	d->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	d->ctx = EVP_MD_CTX_new();
	if (!d->sha256 || !d->ctx) {
		digest_free(d);
		return openssl_failed(eb, ERR_MEMORY, "SHA-256");
	}
	*out = d;
	return OK;
}

enum err digest_sha256_parts(struct digest *d, const struct slice *parts, size_t n, uint8_t out[32])
{
	bool done = EVP_DigestInit_ex2(d->ctx, d->sha256, NULL) == 1;

	for (size_t i = 0; i < n && done; i++)
		done = EVP_DigestUpdate(d->ctx, parts[i].p, parts[i].n) == 1;
	if (!done || EVP_DigestFinal_ex(d->ctx, out, NULL) != 1)
		return openssl_failed(NULL, ERR_IO, "SHA-256");
	return OK;
}

enum err digest_sha256(struct digest *d, struct slice message, uint8_t out[32])
{
	return digest_sha256_parts(d, &message, 1, out);
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	EVP_MD_free(d->sha256);
	free(d);
}
