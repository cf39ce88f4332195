/*
 * peer.h -- certificates as the broker's TLS has them.
 *
 * The one file of this folder that sees OpenSSL, of which the plugin uses the broker's own copy.
 */
#ifndef IMPRINT_PEER_H
#define IMPRINT_PEER_H

#include "errbuf.h"

/* The largest certificate that is looked at; a device's is about 420 bytes. */
#define PEER_MAX 2048

/* SHA-256, looked up once: OpenSSL's own look-up costs more than hashing a certificate. One thread's. */
struct peer;
enum err peer_new(struct peer **out, struct errbuf *eb) MUST_CHECK;
/* NULL is fine. */
void peer_free(struct peer *p);
/*
 * Takes the certificate (an X509 *, a counted reference, not NULL) and frees it. ERR_SPACE: longer than
 * PEER_MAX, ERR_FORMAT: no bytes to be had, ERR_IO: no SHA-256.
 */
enum err peer_take(
    struct peer *p, void *x509, uint8_t der[PEER_MAX], size_t *n, uint8_t sha256[32]) MUST_CHECK;

/*
 * Calls `each` with the key identifier of every certificate in a PEM file: what the subject key
 * identifier says, else SHA-1 over the key (RFC 5280 4.2.1.2). ERR_FORMAT: there is none, or one that
 * cannot be read. What `each` returns unless OK ends it.
 */
enum err peer_authorities(const char *path, enum err (*each)(void *ctx, const uint8_t key_id[20]),
    void *ctx, struct errbuf *eb) MUST_CHECK;

/*
 * From now on this process knows keys with elliptic curves and of RSA, and no others (SLIM_KEYS), which makes a
 * handshake cheaper. Before the first TLS context is made; for ever.
 */
enum err peer_fast_tls(struct errbuf *eb) MUST_CHECK;

#endif
