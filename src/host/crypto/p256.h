/*
 * p256.h -- P-256 on a computer, by OpenSSL 3: keys, ECDSA, ECDH, random numbers.
 *
 * The only place (with the TLS files of http and broker) that includes <openssl/...>. Fast by
 * three rules: digests are fetched once, one key object is reused for verifying, EVP only.
 * Points are X|Y (64), scalars big endian (32), signatures r|s (64). Private keys live in OpenSSL's
 * objects and are freed wiped. A `struct p256` and a `struct p256_key` belong to one thread at a
 * time. OpenSSL's error queue is drained into the errbuf at the call that failed.
 *
 *	struct p256 *p = NULL;
 *	if ((e = p256_new(&p, eb)) != OK)
 *		return e;
 *	struct x509_verifier v = p256_verifier(p);
 *	e = csr_verify(&csr, &v, &fault);
 *	p256_free(p);
 */
#ifndef IMPRINT_P256_H
#define IMPRINT_P256_H

#include "errbuf.h"
#include "x509.h"

struct p256;     /* verification and ECDH: a reused key object and contexts */
struct p256_key; /* one private key with its signing context */

enum err p256_new(struct p256 **out, struct errbuf *eb) MUST_CHECK;
void p256_free(struct p256 *p);

/* OK, ERR_DENIED for a wrong signature, ERR_FORMAT for a point off the curve. */
enum err p256_verify(struct p256 *p, const uint8_t q[64], const uint8_t digest[32],
    const uint8_t sig[64]) MUST_CHECK;
struct x509_verifier p256_verifier(struct p256 *p);
/* OK when q is on the curve, else ERR_FORMAT. */
enum err p256_point_check(struct p256 *p, const uint8_t q[64]) MUST_CHECK;

enum err p256_key_generate(struct p256_key **k, struct errbuf *eb) MUST_CHECK;
/* ERR_FORMAT when the scalar is 0 or not below n. */
enum err p256_key_from_scalar(
    const uint8_t d[32], struct p256_key **k, struct errbuf *eb) MUST_CHECK;
/* The caller wipes d. */
enum err p256_key_scalar(const struct p256_key *k, uint8_t d[32]) MUST_CHECK;
void p256_key_public(const struct p256_key *k, uint8_t q[64]);
enum err p256_sign(struct p256_key *k, const uint8_t digest[32], uint8_t sig[64]) MUST_CHECK;
struct x509_signer p256_signer(struct p256_key *k);
/* The X coordinate of d * q. ERR_FORMAT for a point off the curve. */
enum err p256_ecdh(struct p256_key *k, const uint8_t q[64], uint8_t x[32]) MUST_CHECK;
void p256_key_free(struct p256_key *k);

/*
 * The public keys under which this signature of this digest verifies (SEC 1, 4.1.6): two as a rule,
 * up to four. ERR_FORMAT: r or s is 0 or not below n.
 */
#define P256_RECOVER_MAX 4
enum err p256_recover(const uint8_t digest[32], const uint8_t sig[64],
    uint8_t q[P256_RECOVER_MAX][64], size_t *n) MUST_CHECK;

/* PKCS#8 PEM files. Writing is atomic, mode 0600, fsynced with its folder, and never overwrites. */
enum err p256_key_save(const struct p256_key *k, const char *path, struct errbuf *eb) MUST_CHECK;
/* Refuses files that others can read (ERR_DENIED) and keys that are not P-256 (ERR_FORMAT). */
enum err p256_key_load(const char *path, struct p256_key **k, struct errbuf *eb) MUST_CHECK;

/* "3.0.17": the version of OpenSSL at work. */
const char *p256_library(void);
/* Random bytes from the operating system's generator through OpenSSL. */
enum err random_bytes(uint8_t *out, size_t n) MUST_CHECK;
/* SHA-1 of the 65-byte uncompressed point: subject and authority key identifier. */
enum err p256_key_id(const uint8_t q[64], uint8_t id[20]) MUST_CHECK;

#endif
