#include "peer.h"
#include "slim.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

struct peer {
	EVP_MD *sha256;
	EVP_MD_CTX *hash;
};

enum err peer_new(struct peer **out, struct errbuf *eb)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p && (p->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL)) &&
	    (p->hash = EVP_MD_CTX_new())) {
		*out = p;
		return OK;
	}
	peer_free(p);
	ERR_clear_error();
	return err_set(eb, ERR_MEMORY, "no SHA-256");
}

void peer_free(struct peer *p)
{
	if (!p)
		return;
	EVP_MD_CTX_free(p->hash);
	EVP_MD_free(p->sha256);
	free(p);
}

static bool hash(struct peer *p, const uint8_t *der, size_t n, uint8_t sha256[32])
{
	return EVP_DigestInit_ex(p->hash, p->sha256, NULL) == 1 &&
	       EVP_DigestUpdate(p->hash, der, n) == 1 &&
	       EVP_DigestFinal_ex(p->hash, sha256, NULL) == 1;
}

enum err peer_take(struct peer *p, void *x509, uint8_t der[PEER_MAX], size_t *n, uint8_t sha256[32])
{
	X509 *x = x509;
	int size = i2d_X509(x, NULL);
	unsigned char *to = der;
	enum err e = ERR_FORMAT;

	if (size > PEER_MAX) {
		e = ERR_SPACE;
	} else if (size > 0 && i2d_X509(x, &to) == size) {
		*n = (size_t)size;
		e = hash(p, der, *n, sha256) ? OK : ERR_IO;
	}
	X509_free(x);
	if (e != OK)
		ERR_clear_error(); /* the broker reads the queue after its own calls */
	return e;
}

static bool key_id_of(X509 *x, uint8_t key_id[20])
{
	const ASN1_OCTET_STRING *named = X509_get0_subject_key_id(x);
	unsigned n = 20;

	if (named && ASN1_STRING_length(named) == 20) {
		memcpy(key_id, ASN1_STRING_get0_data(named), 20);
		return true;
	}
	return !named && X509_pubkey_digest(x, EVP_sha1(), key_id, &n) == 1 && n == 20;
}

enum err peer_authorities(const char *path, enum err (*each)(void *ctx, const uint8_t key_id[20]),
    void *ctx, struct errbuf *eb)
{
	BIO *in = BIO_new_file(path, "r");
	uint8_t key_id[20];
	unsigned found = 0;
	enum err e = OK;
	X509 *x;

	if (!in) {
		ERR_clear_error();
		return err_set(eb, ERR_NOT_FOUND, "%s: cannot be opened", path);
	}
	while (e == OK && (x = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		if (!key_id_of(x, key_id))
			e = err_set(
			    eb, ERR_FORMAT, "%s: a key identifier that is not 20 bytes", path);
		else if ((e = each(ctx, key_id)) != OK)
			e = err_set(eb, e, "%s: too many device authorities", path);
		X509_free(x);
		found++;
	}
	if (e == OK && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		e = err_set(eb, ERR_FORMAT, "%s: a certificate that cannot be read", path);
	else if (e == OK && found == 0)
		e = err_set(eb, ERR_FORMAT, "%s: no certificate in it", path);
	BIO_free(in);
	ERR_clear_error();
	return e;
}

enum err peer_fast_tls(struct errbuf *eb)
{
	struct slim *slim = NULL;
	enum err e = slim_new(&slim, SLIM_KEYS, eb);

	if (e != OK)
		return e;
	/* Contexts that the broker frees after its plugins are gone need it still: it stays. */
	OSSL_LIB_CTX_set0_default(slim_context(slim));
	return OK;
}
