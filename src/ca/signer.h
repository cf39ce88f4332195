/*
 * signer.h -- the authority's keys, and the only code that uses them.
 *
 * It signs statements, not digests: it builds the tbsCertificate itself with the core's encoder,
 * lints the statement and the bytes, and signs nothing that a rule refuses. Requests come in arrays
 * and are answered in order; one refusal does not touch its neighbours. It knows no registry and no
 * network and opens no file but a key's: today it is a library, and it can become a process without
 * a change of contract. A `struct signer` belongs to one thread at a time.
 *
 * Signatures of a key in a file are made by OpenSSL from memory; that key proved itself when it was
 * added, and verifying each signature would cost three times the signature: whoever issues one at a
 * time does it nevertheless (ca_verify). Signatures from anywhere else (a token) are each verified
 * before they leave: its fault becomes our refusal (rule 12).
 *
 *	struct signer *s = NULL;
 *	if ((e = signer_new(NULL, &s, eb)) != OK ||
 *	    (e = signer_add_file(s, "ca/key.pem", certificate, &key, eb)) != OK)
 *		goto out;
 *	e = signer_leaf(s, in, out, n, &time_ms, eb);
 */
#ifndef IMPRINT_SIGNER_H
#define IMPRINT_SIGNER_H

#include "errbuf.h"
#include "profile.h"
#include "statement.h"

#define SIGNER_KEYS_MAX 8
#define SIGNER_BATCH_MAX 256

struct signer;

struct signer_options {
	uint64_t allow;               /* rules of severity LINT_POLICY that policy allows */
	int64_t (*now_ms)(void *ctx); /* NULL: the system's clock */
	void *ctx;
};

/* options may be NULL. */
enum err signer_new(
    const struct signer_options *options, struct signer **s, struct errbuf *eb) MUST_CHECK;
void signer_free(struct signer *s);

/*
 * Adds the key of a device authority, from a PKCS#8 file or behind somebody else's interface, with
 * the authority's certificate (DER, profile device-ca). It makes one signature, which must verify
 * with the certificate's key. ERR_FORMAT: not such a certificate. ERR_CONFLICT: key and certificate
 * do not belong together.
 */
enum err signer_add_file(struct signer *s, const char *path, struct slice certificate, uint8_t *key,
    struct errbuf *eb) MUST_CHECK;
enum err signer_add_token(struct signer *s, const struct x509_signer *token,
    struct slice certificate, uint8_t *key, struct errbuf *eb) MUST_CHECK;

/* The authority behind a key: its public half, identifier, serial and start. NULL: no such key. */
const struct profile_ca *signer_authority(const struct signer *s, uint8_t key);

/*
 * Signs 1 to SIGNER_BATCH_MAX device certificates. Each answer has its own err: ERR_DENIED with the
 * number of the rule, ERR_ARG for an unknown key or profile, else what failed. time_ms is the moment
 * of all their log entries. The call itself fails (ERR_ARG) only for a wrong n.
 */
enum err signer_leaf(struct signer *s, const struct leaf_in *in, struct leaf_out *out, size_t n,
    uint64_t *time_ms, struct errbuf *eb) MUST_CHECK;

/*
 * Makes the key of a new device authority, writes it to `path` (PKCS#8, 0600, never over another),
 * and returns its self-signed certificate. The key itself stays here.
 */
enum err signer_create(const char *path, const uint8_t serial[16],
    const struct x509_hour *not_before, uint8_t der[PROFILE_CA_MAX], size_t *n,
    struct errbuf *eb) MUST_CHECK;

#endif
