/* OpenSSL with fewer algorithms: what must still be there for TLS, for keys in files and for random numbers. */
#include "slim.h"
#include "tap.h"

#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>

static const char secret[] = "secret";

static SSL_CTX *tls_make(OSSL_LIB_CTX *context)
{
	SSL_CTX *tls = SSL_CTX_new_ex(context, NULL, TLS_server_method());

	SSL_CTX_set_security_level(tls, 0);
	SSL_CTX_set_cipher_list(tls, "ALL:COMPLEMENTOFALL");
	return tls;
}

static bool has_suite(const STACK_OF(SSL_CIPHER) * suites, const char *name)
{
	for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++)
		if (strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(suites, i)), name) == 0)
			return true;
	return false;
}

/* A broker's `ciphers` may name any of them. */
static void test_suites(OSSL_LIB_CTX *context)
{
	SSL_CTX *all = tls_make(NULL), *few = tls_make(context);
	const STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(all),
	                           *found = SSL_CTX_get_ciphers(few);
	int missing = 0;

	for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
		const char *name = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(suites, i));

		if (!has_suite(found, name)) {
			printf("# no %s\n", name);
			missing++;
		}
	}
	ok(sk_SSL_CIPHER_num(suites) > 30 && missing == 0, "%d of %d cipher suites are missing",
	    missing, sk_SSL_CIPHER_num(suites));
	SSL_CTX_free(all);
	SSL_CTX_free(few);
}

static void test_key(OSSL_LIB_CTX *context, const char *what, EVP_PKEY *key, const char *cipher)
{
	BIO *file = BIO_new(BIO_s_mem());
	EVP_PKEY *read = NULL;

	if (PEM_write_bio_PKCS8PrivateKey(file, key, EVP_get_cipherbyname(cipher), secret,
	        (int)sizeof(secret) - 1, NULL, NULL) == 1)
		read = PEM_read_bio_PrivateKey_ex(
		    file, NULL, NULL, (char[]){ "secret" }, context, NULL);
	ok(read != NULL, "a key with %s, encrypted with %s", what, cipher);
	EVP_PKEY_free(read);
	BIO_free(file);
}

static void test_extent(enum slim_extent extent, const char *what)
{
	static const char *const ciphers[] = { "AES-128-CBC", "AES-192-CBC", "AES-256-CBC",
		"DES-EDE3-CBC" };
	EVP_PKEY *curve = EVP_EC_gen("P-256"), *rsa = EVP_RSA_gen(2048);
	struct slim *slim = NULL;
	struct errbuf eb = { "" };
	uint8_t bytes[32];

	if (!ok(slim_new(&slim, extent, &eb) == OK, "%s: %s", what, eb.text))
		return;
	test_suites(slim_context(slim));
	for (size_t i = 0; i < COUNT(ciphers); i++) {
		test_key(slim_context(slim), "a curve", curve, ciphers[i]);
		if (extent == SLIM_KEYS)
			test_key(slim_context(slim), "RSA", rsa, ciphers[i]);
	}
	ok(RAND_bytes_ex(slim_context(slim), bytes, sizeof(bytes), 0) == 1 &&
	        RAND_priv_bytes_ex(slim_context(slim), bytes, sizeof(bytes), 0) == 1,
	    "random numbers");
	EVP_PKEY_free(curve);
	EVP_PKEY_free(rsa);
	slim_free(slim);
}

int main(void)
{
	test_extent(SLIM_CURVES, "curves");
	test_extent(SLIM_KEYS, "keys");
	return done_testing();
}
