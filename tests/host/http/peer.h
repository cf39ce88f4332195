/*
 * peer.h -- a client that sends exactly the bytes it is told to, in plain or over TLS, and
 * certificates for its server.
 *
 *	struct peer p;
 *	peer_connect(&p, port, NULL);
 *	peer_send(&p, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
 *	n = peer_answer(&p, text, sizeof(text));     // one whole answer, by its Content-Length
 *	peer_close(&p);
 */
#ifndef IMPRINT_TESTS_HTTP_PEER_H
#define IMPRINT_TESTS_HTTP_PEER_H

#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define PEER_WAIT_MS 60000

struct peer {
	int fd;
	SSL *ssl;
	size_t records; /* of application data, received */
	char text[1 << 17];
	size_t n; /* received and not yet taken */
};

__attribute__((unused)) static int peer_socket(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval wait = { PEER_WAIT_MS / 1000, 0 };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void peer_count_records(
    int writing, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
	const unsigned char *header = p;
	struct peer *peer = arg;

	(void)version, (void)ssl;
	if (!writing && type == SSL3_RT_HEADER && n == 5 && header[0] == SSL3_RT_APPLICATION_DATA)
		peer->records++;
}

/* ctx NULL: plain. session NULL: a full handshake. */
__attribute__((unused)) static bool peer_connect_again(
    struct peer *p, uint16_t port, SSL_CTX *ctx, SSL_SESSION *session)
{
	memset(p, 0, sizeof(*p));
	if ((p->fd = peer_socket(port)) < 0)
		return false;
	if (!ctx)
		return true;
	p->ssl = SSL_new(ctx);
	SSL_set_fd(p->ssl, p->fd);
	SSL_set_msg_callback(p->ssl, peer_count_records);
	SSL_set_msg_callback_arg(p->ssl, p);
	SSL_set_tlsext_host_name(
	    p->ssl, (char[]){ "localhost" }); /* a macro that takes away const */
	if (session)
		SSL_set_session(p->ssl, session);
	return SSL_connect(p->ssl) == 1;
}

__attribute__((unused)) static bool peer_connect(struct peer *p, uint16_t port, SSL_CTX *ctx)
{
	return peer_connect_again(p, port, ctx, NULL);
}

__attribute__((unused)) static bool peer_send_bytes(struct peer *p, const void *bytes, size_t n)
{
	const char *at = bytes;
	size_t done = 0;

	if (p->ssl)
		return SSL_write_ex(p->ssl, bytes, n, &done) == 1;
	while (done < n) {
		ssize_t part = send(p->fd, at + done, n - done, MSG_NOSIGNAL);

		if (part <= 0)
			return false;
		done += (size_t)part;
	}
	return true;
}

__attribute__((unused)) static bool peer_send(struct peer *p, const char *text)
{
	return peer_send_bytes(p, text, strlen(text));
}

/* More bytes, at least one; 0 at the end, also when it is a reset. */
static size_t peer_receive(struct peer *p)
{
	size_t room = sizeof(p->text) - 1 - p->n, n = 0;

	if (p->ssl) {
		if (SSL_read_ex(p->ssl, p->text + p->n, room, &n) != 1)
			n = 0;
	} else {
		ssize_t got = recv(p->fd, p->text + p->n, room, 0);

		n = got > 0 ? (size_t)got : 0;
	}
	p->n += n;
	p->text[p->n] = '\0';
	return n;
}

/* Everything until the server closes. */
__attribute__((unused)) static const char *peer_rest(struct peer *p)
{
	while (peer_receive(p) > 0)
		;
	return p->text;
}

/*
 * The next answer into `text`, its status as result; 0: the connection ended before it was whole.
 * Answers to HEAD have no body.
 */
__attribute__((unused)) static int peer_answer(struct peer *p, char *text, size_t cap, bool of_head)
{
	const char *end, *length;
	size_t n = 0;

	while (!(end = strstr(p->text, "\r\n\r\n"))) {
		if (peer_receive(p) == 0)
			return 0;
	}
	n = (size_t)(end - p->text) + 4;
	length = strcasestr(p->text, "\r\nContent-Length:");
	if (length && length < end && !of_head)
		n += strtoul(length + 17, NULL, 10);
	while (p->n < n) {
		if (peer_receive(p) == 0)
			return 0;
	}
	snprintf(text, cap, "%.*s", (int)n, p->text);
	memmove(p->text, p->text + n, p->n - n + 1);
	p->n -= n;
	return strncmp(text, "HTTP/1.1 ", 9) == 0 ? (int)strtol(text + 9, NULL, 10) : 0;
}

__attribute__((unused)) static const char *peer_body(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n");

	return end ? end + 4 : "";
}

__attribute__((unused)) static void peer_close(struct peer *p)
{
	if (p->ssl) {
		SSL_shutdown(p->ssl);
		SSL_free(p->ssl);
	}
	if (p->fd >= 0)
		close(p->fd);
	p->ssl = NULL;
	p->fd = -1;
}

/* --- certificates --- */

struct peer_identity {
	EVP_PKEY *key;
	X509 *certificate;
	char key_pem[1024], certificate_pem[4096];
};

static void peer_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static void peer_pem(BIO *bio, char *out, size_t cap)
{
	int n = BIO_read(bio, out, (int)cap - 1);

	out[n > 0 ? n : 0] = '\0';
	BIO_free(bio);
}

/* A P-256 identity, signed by `issuer` or by itself. */
__attribute__((unused)) static void peer_identity(
    struct peer_identity *id, const char *name, const struct peer_identity *issuer, bool authority)
{
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);
	BIO *key = BIO_new(BIO_s_mem()), *certificate = BIO_new(BIO_s_mem());

	memset(id, 0, sizeof(*id));
	id->key = EVP_EC_gen("P-256");
	id->certificate = x;
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), rand() + 1L);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(
	    subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer->certificate) : subject);
	X509_set_pubkey(x, id->key);
	peer_extension(x, issuer ? issuer->certificate : x, NID_basic_constraints,
	    authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
	peer_extension(x, issuer ? issuer->certificate : x, NID_subject_alt_name, "DNS:localhost");
	X509_sign(x, issuer ? issuer->key : id->key, EVP_sha256());
	PEM_write_bio_PrivateKey(key, id->key, NULL, NULL, 0, NULL, NULL);
	PEM_write_bio_X509(certificate, x);
	peer_pem(key, id->key_pem, sizeof(id->key_pem));
	peer_pem(certificate, id->certificate_pem, sizeof(id->certificate_pem));
}

__attribute__((unused)) static void peer_identity_free(struct peer_identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->certificate);
}

/* What a server needs of its identity; `between` is sent behind the leaf, `clients` may be asked for. */
__attribute__((unused)) static enum err peer_tls(const struct peer_identity *leaf,
    const struct peer_identity *between, const struct peer_identity *clients, struct http_tls **tls,
    struct errbuf *eb)
{
	char chain[8192];
	const char *authorities = clients ? clients->certificate_pem : "";
	struct http_tls_options o = { .key = { (const uint8_t *)leaf->key_pem,
		                          strlen(leaf->key_pem) },
		.client_authorities = { (const uint8_t *)authorities, strlen(authorities) } };

	snprintf(chain, sizeof(chain), "%s%s", leaf->certificate_pem,
	    between ? between->certificate_pem : "");
	o.chain = (struct slice){ (const uint8_t *)chain, strlen(chain) };
	return *tls ? http_tls_replace(*tls, &o, eb) : http_tls_new(&o, tls, eb);
}

/* A client that trusts `root` and checks the server's name. */
__attribute__((unused)) static SSL_CTX *peer_context(
    const struct peer_identity *root, const struct peer_identity *own, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	X509_VERIFY_PARAM_set1_host(SSL_CTX_get0_param(ctx), "localhost", 0);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root->certificate);
	if (own) {
		SSL_CTX_use_certificate(ctx, own->certificate);
		SSL_CTX_use_PrivateKey(ctx, own->key);
	}
	return ctx;
}

#endif
