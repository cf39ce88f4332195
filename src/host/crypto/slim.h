/*
 * slim.h -- OpenSSL without the algorithms that TLS never names: for handshakes alone.
 *
 * OpenSSL 3.0 builds a new chain of decoders for every public key in a certificate and walks the
 * names of all that it knows each time. A slim context knows the default provider's algorithms, but
 * only some of those that read and write keys; digests, KDFs, ciphers are all there.
 *
 *	struct slim *slim = NULL;
 *	if ((e = slim_new(&slim, SLIM_CURVES, eb)) != OK)
 *		return e;
 *	SSL_CTX *ctx = SSL_CTX_new_ex(slim_context(slim), NULL, TLS_server_method());
 *	...
 *	SSL_CTX_free(ctx);
 *	slim_free(slim);
 */
#ifndef IMPRINT_SLIM_H
#define IMPRINT_SLIM_H

#include "errbuf.h"

#include <openssl/crypto.h>

struct slim;

enum slim_extent {
	/* For our own TLS: certificates with P-256 or P-384 in DER and PEM, agreement by X25519 too. No RSA. */
	SLIM_CURVES,
	/*
	 * For the TLS of a process that is not ours: RSA too, as certificate and as key, and agreement by
	 * Diffie-Hellman. Certificates of other kinds (Ed25519, DSA, RSA-PSS) cannot be read.
	 */
	SLIM_KEYS,
};

enum err slim_new(struct slim **slim, enum slim_extent extent, struct errbuf *eb) MUST_CHECK;
/* Belongs to slim, and everything made with it goes first. */
OSSL_LIB_CTX *slim_context(const struct slim *slim);
/* NULL is fine. */
void slim_free(struct slim *slim);

#endif
