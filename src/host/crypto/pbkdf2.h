/*
 * pbkdf2.h -- a password as something that may lie in a file (RFC 8018 5.2, HMAC with SHA-512).
 *
 *	e = pbkdf2_sha512(password, SLICE(salt), 101, hash, sizeof(hash));
 */
#ifndef IMPRINT_PBKDF2_H
#define IMPRINT_PBKDF2_H

#include "base.h"

/* ERR_ARG: no iterations, or a length beyond what OpenSSL counts. */
enum err pbkdf2_sha512(struct slice password, struct slice salt, unsigned iterations, uint8_t *out,
    size_t n) MUST_CHECK;

#endif
