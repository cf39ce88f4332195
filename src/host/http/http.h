/*
 * http.h -- an HTTP/1.1 server over TLS or plain TCP: loops, limits and time-outs; no routes.
 *
 * One libuv loop a thread carries the connections; OpenSSL runs on memory BIOs. A request that is
 * complete goes to `handle` on a worker thread, which may block. Handlers never see a socket. Each
 * request is answered once, by http_answer, now or later, from any thread: whoever waits for a commit
 * hands the exchange on and returns. Answers leave in the order of the requests, head and body in one
 * write and, up to 16 KiB, in one TLS record, always with Content-Length; but for those that go on, by
 * http_answer_stream, which end with the connection.
 *
 * Refused before any handler hears of it, with the status that RFC 9112 names: two lengths, a length
 * beside chunks, two different Host lines, a bare CR, whitespace before a colon, a NUL, lines and
 * bodies over their limits, slow senders. Two equal Host lines, and a CR LF behind the body, pass on
 * paths that `tolerant` names: Arduino's own clients send them (docs/http.md).
 *
 *	struct http_options o = { .handle = hello, .ctx = &app };
 *	if ((e = http_server_new(&o, &server, eb)) != OK ||
 *	    (e = http_listen(server, "127.0.0.1", 8443, tls, &port, eb)) != OK)
 *		goto out;
 *	...
 *	http_server_drain(server, 5000);
 * out:
 *	http_server_free(server);
 */
#ifndef IMPRINT_HTTP_H
#define IMPRINT_HTTP_H

#include "errbuf.h"

struct http_server;
struct http_tls; /* certificate, key and session cache of listeners; shared, counted */

struct http_request {
	const char *method; /* "PUT" */
	const char *path;   /* as sent, percent signs and all, without the query */
	const char *query;  /* behind the question mark; "" */
	struct slice body;
	const char *peer; /* address without port */
	bool tls;
	struct slice client; /* certificate that the client proved, DER; empty */
};

struct http_response {
	int status;       /* 0 becomes 500 */
	const char *type; /* of the body; static text; NULL: no Content-Type */
	uint8_t *body;    /* malloc; the server frees it; NULL: none */
	size_t n;
};

/* One request and its answer. The server owns it; from http_answer on it is gone. */
struct http_exchange {
	const struct http_request *request;
	struct http_response response;
};

/* The first header of this name (any case), or NULL. Lives as long as the exchange. */
const char *http_header(const struct http_exchange *x, const char *name);
/* Adds a header to the answer; both are copied. ERR_ARG: a character that no header may hold. */
enum err http_header_add(struct http_exchange *x, const char *name, const char *value) MUST_CHECK;
/* Sends x->response. Thread-safe; exactly once for each exchange. */
void http_answer(struct http_exchange *x);

/* --- answers that go on --- */

struct http_stream;
#define HTTP_STREAM_MAX (256 * 1024) /* bytes that wait in one */

/*
 * Sends x->response as http_answer does, but as a body that has no end yet. What follows is added by
 * http_stream_send and leaves at once; the connection closes behind it and takes no further request.
 * NULL: no memory, and x is still to be answered.
 */
struct http_stream *http_answer_stream(struct http_exchange *x) MUST_CHECK;
/*
 * Adds bytes, all or none. From any thread, never waits. ERR_IO: the peer has gone, or the server
 * drains. ERR_SPACE: it has left HTTP_STREAM_MAX unread; ERR_MEMORY: after both the stream is ended. Time-outs
 * between requests do not hit a stream, that of writing does: who wants to know of peers that have
 * gone sends something now and then.
 */
enum err http_stream_send(struct http_stream *stream, struct slice part) MUST_CHECK;
/* How much of that is free; 0 also when nobody reads any more. */
size_t http_stream_room(struct http_stream *stream);
/* What has been added still leaves; the stream is gone. May follow http_server_free. NULL is fine. */
void http_stream_end(struct http_stream *stream);

struct http_limits {           /* 0: the default in parentheses */
	size_t target_max;     /* bytes of the request target (8192) */
	size_t headers_max;    /* bytes of all header lines (16384); at most 100 lines */
	size_t body_max;       /* (1 MiB) */
	unsigned connections;  /* of the server (12000); the oldest idle one makes room */
	unsigned handshake_ms; /* (10000) */
	unsigned headers_ms;   /* from the first byte of a request to the end of its head (10000) */
	unsigned body_ms;      /* to the end of its body (30000) */
	unsigned idle_ms;      /* between requests (75000) */
	unsigned write_ms;     /* until the peer has taken an answer (30000) */
	unsigned pipeline_max; /* requests of one connection in work (16) */
};

struct http_options {
	unsigned loops;   /* threads that carry connections; 0: 1 */
	unsigned workers; /* threads that run handlers; 0: 4 */
	struct http_limits limits;
	void (*handle)(void *ctx, struct http_exchange *x);
	/* Whether this path is Arduino's; NULL: none is. Called on a loop. */
	bool (*tolerant)(void *ctx, const char *path);
	/* When a loop has nothing to do for now: what `log` gathered may go out. On a loop; NULL: none. */
	void (*rest)(void *ctx);
	/* One line for the log after each answer; on a loop; NULL: none. */
	void (*log)(void *ctx, const struct http_request *request, int status, double seconds);
	/*
	 * The body of answers that the server makes itself (400, 408, 413, ...): fills type and body
	 * of the response, status is set. NULL: they have none.
	 */
	void (*refuse)(
	    void *ctx, const char *path, const char *reason, struct http_response *response);
	void *ctx;
};

enum err http_server_new(
    const struct http_options *options, struct http_server **server, struct errbuf *eb) MUST_CHECK;

/*
 * Listens on a numeric address; port 0 takes a free one; *bound is what it became. tls NULL: plain
 * TCP. The server counts itself as a user of tls. ERR_CONFLICT: the port is taken. ERR_DENIED: no
 * right to it. May be called several times, also while the server runs.
 */
enum err http_listen(struct http_server *server, const char *address, uint16_t port,
    struct http_tls *tls, uint16_t *bound, struct errbuf *eb) MUST_CHECK;

struct http_stats {
	uint64_t connections, requests, handshakes, resumed, refused, timed_out, streams;
	unsigned open, streaming; /* now: connections, and those of them that are streams */
};
void http_server_stats(const struct http_server *server, struct http_stats *stats);

/* Stops listening, lets requests in work finish for at most `ms`, then closes everything. */
void http_server_drain(struct http_server *server, unsigned ms);
/* Closes what is open, streams too. All exchanges must have been answered. NULL is fine. */
void http_server_free(struct http_server *server);

/* --- TLS 1.2 and 1.3: ECDHE, AES-GCM or ChaCha20, certificates with elliptic curves --- */

struct http_tls_options {
	struct slice chain; /* PEM: leaf first, then what is between it and the root */
	struct slice key;   /* PEM; the caller wipes it */
	/* Authorities of client certificates, PEM; empty: clients are never asked for one. */
	struct slice client_authorities;
};
/* ERR_FORMAT: not a chain and its key. */
enum err http_tls_new(
    const struct http_tls_options *options, struct http_tls **tls, struct errbuf *eb) MUST_CHECK;
/* New connections get the other certificate; those that are open stay. For renewal. */
enum err http_tls_replace(
    struct http_tls *tls, const struct http_tls_options *options, struct errbuf *eb) MUST_CHECK;
void http_tls_free(struct http_tls *tls);

#endif
