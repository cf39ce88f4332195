#include "p256.h"
#include "digest.h"
#include "file.h"
#include "openssl.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#define KEY_FILE_MAX 8192

struct p256_key {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *sign;
	struct digest *digest;
	uint8_t q[64];
};

void p256_key_free(struct p256_key *k)
{
	if (!k)
		return;
	digest_free(k->digest);
	EVP_PKEY_CTX_free(k->sign);
	EVP_PKEY_free(k->pkey);
	free(k);
}

/* The coordinates of the public key, whatever form of point its file had. */
static enum err read_public(const EVP_PKEY *pkey, uint8_t q[64])
{
	BIGNUM *x = NULL, *y = NULL;
	bool done = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) == 1 &&
	            EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) == 1 &&
	            BN_bn2binpad(x, q, 32) == 32 && BN_bn2binpad(y, q + 32, 32) == 32;

	BN_free(x);
	BN_free(y);
	return done ? OK : openssl_failed(NULL, ERR_MEMORY, "public key");
}

/* Makes the signing context around pkey, which is taken also on failure. */
static enum err wrap(EVP_PKEY *pkey, struct p256_key **out, struct errbuf *eb)
{
	struct p256_key *k = calloc(1, sizeof(*k));
	enum err e = OK;

	if (!k) {
		EVP_PKEY_free(pkey);
		return err_set(eb, ERR_MEMORY, "no memory for a private key");
	}
	k->pkey = pkey;
	if (!(k->sign = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL)) ||
	    EVP_PKEY_sign_init(k->sign) != 1)
		e = openssl_failed(eb, ERR_MEMORY, "private key");
	else if ((e = read_public(pkey, k->q)) != OK)
		err_set(eb, e, "private key: its public half cannot be read");
	else
		e = digest_new(&k->digest, eb);
	if (e == OK)
		*out = k;
	else
		p256_key_free(k);
	return e;
}

enum err p256_key_generate(struct p256_key **k, struct errbuf *eb)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");

	return pkey ? wrap(pkey, k, eb) : openssl_failed(eb, ERR_IO, "key generation");
}

/* point = d * G, uncompressed. ERR_FORMAT unless 0 < d < n. */
static enum err multiply(const BIGNUM *d, uint8_t point[65])
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *p = group ? EC_POINT_new(group) : NULL;
	enum err e = OK;

	if (!p)
		e = ERR_MEMORY;
	else if (BN_is_zero(d) || BN_cmp(d, EC_GROUP_get0_order(group)) >= 0)
		e = ERR_FORMAT;
	else if (EC_POINT_mul(group, p, d, NULL, NULL, NULL) != 1 ||
	         EC_POINT_point2oct(group, p, POINT_CONVERSION_UNCOMPRESSED, point, 65, NULL) != 65)
		e = ERR_MEMORY;
	EC_POINT_clear_free(p);
	EC_GROUP_free(group);
	return e;
}

static enum err pair(const BIGNUM *d, const uint8_t point[65], EVP_PKEY **pkey)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	bool done;

	done = ctx && bld && EVP_PKEY_fromdata_init(ctx) == 1 &&
	       OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ==
	           1 &&
	       OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 65) == 1 &&
	       OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1 &&
	       (params = OSSL_PARAM_BLD_to_param(bld)) &&
	       EVP_PKEY_fromdata(ctx, pkey, EVP_PKEY_KEYPAIR, params) == 1;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	return done ? OK : ERR_MEMORY;
}

enum err p256_key_from_scalar(const uint8_t d[32], struct p256_key **k, struct errbuf *eb)
{
	/* In the secure heap when the program has one: then the parameter copy is wiped too. */
	BIGNUM *scalar = BN_secure_new();
	EVP_PKEY *pkey = NULL;
	uint8_t point[65];
	enum err e = ERR_MEMORY;

	if (scalar && BN_bin2bn(d, 32, scalar)) {
		BN_set_flags(scalar, BN_FLG_CONSTTIME);
		if ((e = multiply(scalar, point)) == OK)
			e = pair(scalar, point, &pkey);
	}
	BN_clear_free(scalar);
	if (e == OK)
		return wrap(pkey, k, eb);
	if (e == ERR_FORMAT)
		return err_set(eb, e, "private key: the scalar is 0 or not below the group order");
	return openssl_failed(eb, e, "private key");
}

enum err p256_key_scalar(const struct p256_key *k, uint8_t d[32])
{
	BIGNUM *scalar = NULL;
	bool done = EVP_PKEY_get_bn_param(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
	            BN_bn2binpad(scalar, d, 32) == 32;

	BN_clear_free(scalar);
	return done ? OK : openssl_failed(NULL, ERR_MEMORY, "private key");
}

void p256_key_public(const struct p256_key *k, uint8_t q[64])
{
	memcpy(q, k->q, 64);
}

enum err p256_sign(struct p256_key *k, const uint8_t digest[32], uint8_t sig[64])
{
	uint8_t der[72];
	size_t n = sizeof(der);

	if (EVP_PKEY_sign(k->sign, der, &n, digest, 32) != 1)
		return openssl_failed(NULL, ERR_IO, "signature");
	return x509_sig_parse((struct slice){ der, n }, sig);
}

static enum err sign(void *ctx, struct slice message, uint8_t sig[64])
{
	struct p256_key *k = ctx;
	uint8_t digest[32];
	enum err e = digest_sha256(k->digest, message, digest);

	return e == OK ? p256_sign(k, digest, sig) : e;
}

struct x509_signer p256_signer(struct p256_key *k)
{
	return (struct x509_signer){ k, sign };
}

enum err p256_ecdh(struct p256_key *k, const uint8_t q[64], uint8_t x[32])
{
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *peer = NULL;
	uint8_t secret[32];
	size_t n = sizeof(secret);
	enum err e = openssl_public(q, &peer);

	if (e != OK)
		return e;
	if (!(ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL)) ||
	    EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1 ||
	    EVP_PKEY_derive(ctx, secret, &n) != 1 || n != sizeof(secret))
		e = openssl_failed(NULL, ERR_IO, "key agreement");
	else
		memcpy(x, secret, sizeof(secret));
	wipe(secret, sizeof(secret));
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	return e;
}

enum err p256_key_save(const struct p256_key *k, const char *path, struct errbuf *eb)
{
	BIO *pem = BIO_new(BIO_s_secmem()); /* wiped when freed */
	char *p;
	long n;
	enum err e;

	if (!pem || PEM_write_bio_PKCS8PrivateKey(pem, k->pkey, NULL, NULL, 0, NULL, NULL) != 1 ||
	    (n = BIO_get_mem_data(pem, &p)) <= 0)
		e = openssl_failed(eb, ERR_MEMORY, "private key as PKCS#8");
	else
		e = file_create(path, (struct slice){ (uint8_t *)p, (size_t)n }, 0600, eb);
	BIO_free(pem);
	return e;
}

/* Nobody is asked for a passphrase from inside a library. */
static int no_passphrase(char *out, int cap, int writing, void *ctx)
{
	(void)out, (void)cap, (void)writing, (void)ctx;
	return -1;
}

static enum err check_key(EVP_PKEY *pkey, const char *path, struct errbuf *eb)
{
	EVP_PKEY_CTX *ctx;
	char group[32];
	size_t n;
	enum err e = OK;

	if (!EVP_PKEY_is_a(pkey, "EC") ||
	    EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n) != 1 ||
	    strcmp(group, "prime256v1") != 0) {
		openssl_failed(NULL, ERR_FORMAT, path);
		return err_set(eb, ERR_FORMAT, "%s: not a P-256 key with a named curve", path);
	}
	if (!(ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL)))
		return openssl_failed(eb, ERR_MEMORY, path);
	if (EVP_PKEY_pairwise_check(ctx) != 1) {
		e = openssl_failed(NULL, ERR_FORMAT, path);
		err_set(eb, e, "%s: the public half does not belong to the private half", path);
	}
	EVP_PKEY_CTX_free(ctx);
	return e;
}

enum err p256_key_load(const char *path, struct p256_key **k, struct errbuf *eb)
{
	EVP_PKEY *pkey = NULL;
	uint8_t *text = NULL;
	BIO *pem = NULL;
	size_t n;
	enum err e;

	if ((e = file_read_private(path, KEY_FILE_MAX, &text, &n, eb)) != OK)
		return e;
	if (!(pem = BIO_new_mem_buf(text, (int)n))) {
		e = openssl_failed(eb, ERR_MEMORY, path);
		goto out;
	}
	if (!(pkey = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL))) {
		e = openssl_failed(NULL, ERR_FORMAT, path);
		err_set(eb, e, "%s: no private key in PEM without a passphrase", path);
		goto out;
	}
	if ((e = check_key(pkey, path, eb)) != OK)
		goto out;
	e = wrap(pkey, k, eb);
	pkey = NULL;
out:
	EVP_PKEY_free(pkey);
	BIO_free(pem);
	wipe(text, n);
	free(text);
	return e;
}
