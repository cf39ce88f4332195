/*
 * tls.h -- a board's end of a TLS connection: BearSSL as ArduinoIoTCloud sets it up, the client's key in
 * the secure element.
 *
 * TLS 1.2, ECDHE-ECDSA-AES128-GCM-SHA256, SHA-256 and ECDSA alone; no resumption; 8005 bytes of input
 * buffer and 597 of output. The server's chain must lead to one P-256 anchor, be valid at `now` and hold
 * the name that was dialled as a DNS name. The client shows one certificate, and what signs for it is a
 * function: there is no place here where a private key could be.
 *
 * Sans I/O, not thread-safe. Bytes of the network go in by tls_room and tls_received and out by
 * tls_output and tls_sent; plain bytes by tls_write, tls_read and tls_taken.
 *
 *	struct tls_anchor anchor;
 *	if ((e = tls_anchor_read("service-root.pem", &anchor, eb)) != OK ||
 *	    (e = tls_new(&o, &tls, eb)) != OK)           // o: name, anchor, certificate, sign, now
 *		return e;
 *	while (tls_state(tls) != TLS_CLOSED)
 *		...
 *	tls_free(tls);
 */
#ifndef IMPRINT_TLS_H
#define IMPRINT_TLS_H

#include "errbuf.h"

#define TLS_HOST_MAX 253
#define TLS_ANCHOR_NAME_MAX 256

/* A name (DER) and the key that it is believed to have. */
struct tls_anchor {
	uint8_t name[TLS_ANCHOR_NAME_MAX];
	size_t name_n;
	uint8_t point[65]; /* 04 X Y */
};
/* The first certificate of a PEM text. ERR_FORMAT: none, not a CA's, or its key is not P-256. */
enum err tls_anchor_parse(
    struct slice pem, struct tls_anchor *anchor, struct errbuf *eb) MUST_CHECK;
enum err tls_anchor_read(const char *path, struct tls_anchor *anchor, struct errbuf *eb) MUST_CHECK;

struct tls;

struct tls_options { /* borrowed until tls_free, but for the name */
	const char *host;
	const struct tls_anchor *anchor;
	struct slice certificate;
	/* ECDSA with P-256 over a digest, sig = r|s; called at most once. */
	enum err (*sign)(void *ctx, const uint8_t digest[32], uint8_t sig[64]);
	void *ctx;
	int64_t now; /* seconds since 1970 */
	bool quick;  /* tls_quick.h computes, instead of BearSSL: nobody else can tell */
};
/* ERR_ARG: a host of no or more than TLS_HOST_MAX characters. */
enum err tls_new(const struct tls_options *o, struct tls **tls, struct errbuf *eb) MUST_CHECK;
/* NULL is fine. */
void tls_free(struct tls *t);

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_CLOSED };
enum tls_state tls_state(const struct tls *t);

/* Where bytes from the network go; n is 0 while none can be taken. */
uint8_t *tls_room(struct tls *t, size_t *n);
void tls_received(struct tls *t, size_t n);
/* What is to go to the network, and how much of it has gone. */
struct slice tls_output(const struct tls *t);
void tls_sent(struct tls *t, size_t n);

/* How many of the bytes were taken; they leave in a record of their own. 0 while not open. */
size_t tls_write(struct tls *t, struct slice in);
/* What has come, and how much of it was used. */
struct slice tls_read(const struct tls *t);
void tls_taken(struct tls *t, size_t n);

/* BearSSL's number of what went wrong: 256 + n for the server's alert n; 0: nothing did. */
int tls_error(const struct tls *t);
/* "the broker refuses our certificate: unknown authority (alert 48)", ...; "" for 0. */
void tls_error_text(int error, char text[160]);

#endif
