#include "slim.h"
#include "tls.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#define SESSIONS_MAX 4096 /* about 1 KiB each */
#define SESSION_SECONDS 7200

struct http_tls {
	_Atomic unsigned users;
	struct slim *slim;
	BIO_METHOD *wire;
	pthread_mutex_t lock; /* of ctx */
	SSL_CTX *ctx;
};

struct tls_link {
	struct http_tls *tls;
	SSL *ssl;
	struct slice in;
	struct bytes *out;
};

/* The reason of this thread's last OpenSSL failure, and none left behind. */
static enum err failed(struct errbuf *eb, enum err e, const char *what)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	e = ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE ? ERR_MEMORY : e;
	ERR_clear_error();
	return err_set(eb, e, "%s: %s", what, reason ? reason : err_text(e));
}

/* --- the wire: a BIO that reads the link's slice and writes its buffer --- */

static int wire_read(BIO *bio, char *p, size_t n, size_t *done)
{
	struct tls_link *link = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (link->in.n == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	n = n < link->in.n ? n : link->in.n;
	memcpy(p, link->in.p, n);
	link->in.p += n;
	link->in.n -= n;
	*done = n;
	return 1;
}

static int wire_write(BIO *bio, const char *p, size_t n, size_t *done)
{
	struct tls_link *link = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (bytes_add(link->out, (struct slice){ (const uint8_t *)p, n }) != OK)
		return 0;
	*done = n;
	return 1;
}

static long wire_control(BIO *bio, int command, long n, void *p)
{
	(void)bio, (void)n, (void)p;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *wire_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "connection");

	if (m && BIO_meth_set_read_ex(m, wire_read) == 1 &&
	    BIO_meth_set_write_ex(m, wire_write) == 1 && BIO_meth_set_ctrl(m, wire_control) == 1)
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* --- contexts --- */

static int no_passphrase(char *p, int n, int writing, void *ctx)
{
	(void)p, (void)n, (void)writing, (void)ctx;
	return -1;
}

static BIO *reading(struct slice pem)
{
	return pem.n <= INT_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
}

/* The next certificate of a PEM file; NULL: there is none, or it is none. */
static X509 *next_certificate(OSSL_LIB_CTX *slim, BIO *pem)
{
	X509 *x = X509_new_ex(slim, NULL);

	if (x && !PEM_read_bio_X509(pem, &x, no_passphrase, NULL)) {
		X509_free(x);
		return NULL;
	}
	return x;
}

/* Whether reading ended because the file did. */
static bool at_end(void)
{
	unsigned long code = ERR_peek_last_error();
	bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

	if (end)
		ERR_clear_error();
	return end;
}

static bool use_chain(SSL_CTX *ctx, OSSL_LIB_CTX *slim, struct slice chain)
{
	BIO *pem = reading(chain);
	X509 *x = pem ? next_certificate(slim, pem) : NULL;
	bool good = x && SSL_CTX_use_certificate(ctx, x) == 1;

	while (good) {
		X509_free(x);
		if (!(x = next_certificate(slim, pem))) {
			good = at_end();
			break;
		}
		if (!(good = SSL_CTX_add0_chain_cert(ctx, x) == 1))
			break;
		x = NULL; /* the context owns it */
	}
	X509_free(x);
	BIO_free(pem);
	return good;
}

static bool use_key(SSL_CTX *ctx, OSSL_LIB_CTX *slim, struct slice key)
{
	BIO *pem = reading(key);
	EVP_PKEY *k =
	    pem ? PEM_read_bio_PrivateKey_ex(pem, NULL, no_passphrase, NULL, slim, NULL) : NULL;
	bool good = k && SSL_CTX_use_PrivateKey(ctx, k) == 1 && SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(k);
	BIO_free(pem);
	return good;
}

static bool use_authorities(SSL_CTX *ctx, OSSL_LIB_CTX *slim, struct slice authorities)
{
	static const unsigned char name[] = "imprint";
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *pem = reading(authorities);
	X509 *x = NULL;
	bool good = pem != NULL;
	unsigned n = 0;

	while (good && (x = next_certificate(slim, pem)) != NULL) {
		good = X509_STORE_add_cert(store, x) == 1 && SSL_CTX_add_client_CA(ctx, x) == 1;
		n++;
		X509_free(x);
	}
	good = good && at_end() && n > 0 &&
	       SSL_CTX_set_session_id_context(ctx, name, sizeof(name) - 1) == 1;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	BIO_free(pem);
	return good;
}

/* RFC 7301: HTTP/1.1 is all there is; whoever asks for other things alone gets no answer. */
static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
    const unsigned char *in, unsigned in_n, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen = NULL;

	(void)ssl, (void)arg;
	if (SSL_select_next_proto(&chosen, out_n, ours, sizeof(ours) - 1, in, in_n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool set_up(SSL_CTX *ctx)
{
	char groups[] = "X25519:P-256:P-384"; /* the macro below takes away const */

	/*
	 * Sessions are kept here: a ticket that holds a client's certificate costs as much to read
	 * as the handshake that it saves.
	 */
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
	                             SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	                             SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(
	    ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
	SSL_CTX_sess_set_cache_size(ctx, SESSIONS_MAX);
	SSL_CTX_set_timeout(ctx, SESSION_SECONDS);
	SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 1) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:"
	                                    "ECDHE-ECDSA-AES256-GCM-SHA384:"
	                                    "ECDHE-ECDSA-CHACHA20-POLY1305") == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
	                                     "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
	       SSL_CTX_set1_groups_list(ctx, groups) == 1;
}

static enum err make_context(
    OSSL_LIB_CTX *slim, const struct http_tls_options *options, SSL_CTX **made, struct errbuf *eb)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(slim, NULL, TLS_server_method());
	enum err e = OK;

	ERR_clear_error();
	if (!ctx || !set_up(ctx))
		e = failed(eb, ERR_MEMORY, "TLS context");
	else if (!use_chain(ctx, slim, options->chain))
		e = failed(eb, ERR_FORMAT, "certificate chain of TLS");
	else if (!use_key(ctx, slim, options->key))
		e = failed(eb, ERR_FORMAT, "key of TLS");
	else if (options->client_authorities.n > 0 &&
	         !use_authorities(ctx, slim, options->client_authorities))
		e = failed(eb, ERR_FORMAT, "authorities of client certificates");
	if (e != OK) {
		SSL_CTX_free(ctx);
		return e;
	}
	*made = ctx;
	return OK;
}

enum err http_tls_new(
    const struct http_tls_options *options, struct http_tls **tls, struct errbuf *eb)
{
	struct http_tls *made = calloc(1, sizeof(*made));
	enum err e;

	if (!made)
		return err_set(eb, ERR_MEMORY, "TLS: out of memory");
	made->users = 1;
	pthread_mutex_init(&made->lock, NULL);
	if (!(made->wire = wire_new()))
		e = failed(eb, ERR_MEMORY, "TLS");
	else if ((e = slim_new(&made->slim, SLIM_CURVES, eb)) == OK)
		e = make_context(slim_context(made->slim), options, &made->ctx, eb);
	if (e != OK)
		http_tls_free(made);
	else
		*tls = made;
	return e;
}

enum err http_tls_replace(
    struct http_tls *tls, const struct http_tls_options *options, struct errbuf *eb)
{
	SSL_CTX *fresh = NULL, *old;
	enum err e;

	if ((e = make_context(slim_context(tls->slim), options, &fresh, eb)) != OK)
		return e;
	pthread_mutex_lock(&tls->lock);
	old = tls->ctx;
	tls->ctx = fresh;
	pthread_mutex_unlock(&tls->lock);
	SSL_CTX_free(old);
	return OK;
}

void http_tls_retain(struct http_tls *tls)
{
	tls->users++;
}

void http_tls_free(struct http_tls *tls)
{
	if (!tls || --tls->users > 0)
		return;
	SSL_CTX_free(tls->ctx);
	slim_free(tls->slim);
	BIO_meth_free(tls->wire);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}

/* --- one connection --- */

enum err tls_link_new(struct http_tls *tls, struct bytes *out, struct tls_link **link)
{
	struct tls_link *made = calloc(1, sizeof(*made));
	BIO *bio = NULL;

	if (!made)
		return ERR_MEMORY;
	http_tls_retain(tls);
	made->tls = tls;
	made->out = out;
	pthread_mutex_lock(&tls->lock);
	made->ssl = SSL_new(tls->ctx);
	pthread_mutex_unlock(&tls->lock);
	if (!made->ssl || !(bio = BIO_new(tls->wire))) {
		ERR_clear_error();
		tls_link_free(made);
		return ERR_MEMORY;
	}
	BIO_set_data(bio, made);
	BIO_set_init(bio, 1);
	SSL_set_bio(made->ssl, bio, bio);
	SSL_set_accept_state(made->ssl);
	*link = made;
	return OK;
}

void tls_link_free(struct tls_link *link)
{
	if (!link)
		return;
	SSL_free(link->ssl);
	http_tls_free(link->tls);
	free(link);
}

void tls_take(struct tls_link *link, struct slice bytes)
{
	link->in = bytes;
}

enum tls_event tls_step(struct tls_link *link, uint8_t *plain, size_t cap, size_t *n)
{
	int result;

	*n = 0;
	ERR_clear_error();
	result = SSL_read_ex(link->ssl, plain, cap, n);
	if (result == 1)
		return TLS_PLAIN;
	switch (SSL_get_error(link->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_HUNGRY;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		ERR_clear_error();
		return TLS_FAILED;
	}
}

bool tls_ready(const struct tls_link *link, bool *resumed)
{
	*resumed = SSL_session_reused(link->ssl);
	return SSL_is_init_finished(link->ssl);
}

enum err tls_send(struct tls_link *link, struct slice plain)
{
	size_t n = 0;

	if (plain.n == 0)
		return OK;
	ERR_clear_error();
	if (SSL_write_ex(link->ssl, plain.p, plain.n, &n) == 1 && n == plain.n)
		return OK;
	ERR_clear_error();
	return ERR_IO;
}

void tls_close(struct tls_link *link)
{
	ERR_clear_error();
	if (SSL_is_init_finished(link->ssl) && SSL_shutdown(link->ssl) < 0)
		ERR_clear_error();
}

enum err tls_client(const struct tls_link *link, struct bytes *der)
{
	X509 *x = SSL_get0_peer_certificate(link->ssl);
	unsigned char *p = NULL;
	int n = x ? i2d_X509(x, &p) : 0;
	enum err e = OK;

	if (n > 0)
		e = bytes_add(der, (struct slice){ p, (size_t)n });
	OPENSSL_free(p);
	return x && n <= 0 ? ERR_MEMORY : e;
}
