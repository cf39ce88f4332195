/*
 * digest.h -- SHA-256 on a computer, by OpenSSL: an order of magnitude faster than sha256.h, which is
 * made to be small.
 *
 * The algorithm is fetched once and the context reused; a `struct digest` belongs to one thread at a
 * time.
 *
 *	struct digest *d = NULL;
 *	if ((e = digest_new(&d, eb)) != OK || (e = digest_sha256(d, der, fingerprint)) != OK)
 *		return e;
 *	digest_free(d);
 */
#ifndef IMPRINT_DIGEST_H
#define IMPRINT_DIGEST_H

#include "errbuf.h"

struct digest;

enum err digest_new(struct digest **d, struct errbuf *eb) MUST_CHECK;
enum err digest_sha256(struct digest *d, struct slice message, uint8_t out[32]) MUST_CHECK;
/* Of the parts one behind the other. */
enum err digest_sha256_parts(
    struct digest *d, const struct slice *parts, size_t n, uint8_t out[32]) MUST_CHECK;
void digest_free(struct digest *d);

#endif
