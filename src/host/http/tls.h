/*
 * tls.h -- private to this folder: TLS of one connection, between its socket's bytes and its plain ones.
 *
 * OpenSSL reads from the slice given to tls_take and writes into the caller's buffer: nothing is
 * copied on the way in and nothing is kept between calls but a record that is not whole yet. A link
 * belongs to one loop.
 *
 *	e = tls_link_new(tls, &out, &link);
 *	tls_take(link, bytes);                       // until TLS_HUNGRY
 *	while ((event = tls_step(link, plain, sizeof(plain), &n)) == TLS_PLAIN)
 *		...
 *	// send `out`
 */
#ifndef IMPRINT_HTTP_TLS_H
#define IMPRINT_HTTP_TLS_H

#include "bytes.h"
#include "http.h"

struct tls_link;

enum tls_event {
	TLS_HUNGRY, /* needs more bytes of the peer */
	TLS_PLAIN,  /* has read n bytes */
	TLS_CLOSED, /* the peer said that it is done */
	TLS_FAILED, /* of no more use, but `out` may hold an alert */
};

/* Counts itself as a user of tls. `out` outlives the link. */
enum err tls_link_new(struct http_tls *tls, struct bytes *out, struct tls_link **link) MUST_CHECK;
void tls_link_free(struct tls_link *link);

/* Borrows the bytes until the next step says TLS_HUNGRY. */
void tls_take(struct tls_link *link, struct slice bytes);
enum tls_event tls_step(struct tls_link *link, uint8_t *plain, size_t cap, size_t *n);
/* Through the handshake; *resumed: with an earlier session. */
bool tls_ready(const struct tls_link *link, bool *resumed);
/* One record for up to 16 KiB. */
enum err tls_send(struct tls_link *link, struct slice plain) MUST_CHECK;
/* Says close_notify; the session stays good for resumption. */
void tls_close(struct tls_link *link);
/* The certificate that the peer proved, DER; empty without one. */
enum err tls_client(const struct tls_link *link, struct bytes *der) MUST_CHECK;

void http_tls_retain(struct http_tls *tls);

#endif
