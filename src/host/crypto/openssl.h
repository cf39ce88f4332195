/*
 * openssl.h -- private to this folder: what OpenSSL says when it fails.
 *
 *	if (EVP_PKEY_sign_init(ctx) != 1)
 *		return openssl_failed(eb, ERR_IO, "P-256 signing context");
 */
#ifndef IMPRINT_OPENSSL_H
#define IMPRINT_OPENSSL_H

#include "errbuf.h"

#include <openssl/evp.h>

/*
 * Empties this thread's error queue into eb as "what: reason". Returns e, or ERR_MEMORY when that
 * is what OpenSSL ran out of.
 */
enum err openssl_failed(struct errbuf *eb, enum err e, const char *what);

/* A public key object for q, to be freed by the caller. ERR_FORMAT: off the curve. */
enum err openssl_public(const uint8_t q[64], EVP_PKEY **pkey);

#endif
