/*
 * tls_quick.h -- P-256 for BearSSL by this computer's own library, an order of magnitude quicker than BearSSL's.
 *
 * For many boards in one process: what a microcontroller does in a second each, one processor would else do for all
 * of them in turn. Nothing of it shows outside: same curves, same numbers. Whatever is not P-256 goes to BearSSL.
 * Keys of sessions alone pass through here; a board's own key is in its chip.
 *
 *	br_ssl_engine_set_ec(engine, &tls_quick_ec);
 *	br_ssl_engine_set_ecdsa(engine, tls_quick_verify);
 */
#ifndef IMPRINT_TLS_QUICK_H
#define IMPRINT_TLS_QUICK_H

#include "base.h"

#include <bearssl.h>

/* mul leaves only X of the product, with zeros for Y: TLS wants no more (RFC 8422, 5.10). */
extern const br_ec_impl tls_quick_ec;
/* A br_ecdsa_vrfy. */
uint32_t tls_quick_verify(const br_ec_impl *ec, const void *hash, size_t hash_n,
    const br_ec_public_key *key, const void *sig, size_t sig_n);

#endif
