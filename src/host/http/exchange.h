/*
 * exchange.h -- private to this folder: one request and its answer, as the server keeps them.
 *
 * Whoever reads the request makes it; it waits in its conversation's line until it is answered and
 * its turn has come, then it is freed there. When the peer goes first, `talk` becomes NULL and the
 * answer frees it. Everything but `answered_next` belongs to the loop, or to the handler while it has it.
 */
#ifndef IMPRINT_HTTP_EXCHANGE_H
#define IMPRINT_HTTP_EXCHANGE_H

#include "bytes.h"
#include "http.h"

#define HTTP_LINES_MAX 100
#define HTTP_PEER_SIZE 46

struct talk;
struct http_stream;

struct header {
	const char *name, *value; /* in the head */
};

struct exchange {
	struct http_exchange shown; /* first: it is what handlers hold */
	struct http_request request;
	struct header headers[HTTP_LINES_MAX];
	size_t headers_n;
	struct bytes head, body, client, added; /* added: header lines of the answer */
	char peer[HTTP_PEER_SIZE];
	bool http_1_0, keep_alive, tolerant;

	struct talk *talk;
	void *loop; /* where the answer goes */
	bool answered;
	struct http_stream *stream; /* the answer goes on behind its head; NULL: it is whole */
	int64_t begun_us;           /* monotonic */
	struct exchange *next;      /* in the conversation's line */
	struct exchange *queued;    /* in the workers' queue, then among the answered */
};

/* NULL: no memory. */
struct exchange *exchange_new(const struct http_limits *limits);
void exchange_free(struct exchange *x);

/*
 * The answer as it is sent: status line, Date, header lines, body in one piece. `last` says that the
 * connection closes behind it. The body stays away from HEAD, 204 and 304, the length from streams.
 */
enum err exchange_render(
    const struct exchange *x, const char *date, bool last, struct bytes *out) MUST_CHECK;

int64_t exchange_clock_us(void);

/* "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL: RFC 9110 5.6.7. */
#define HTTP_DATE_SIZE 30
void exchange_date(int64_t seconds, char date[HTTP_DATE_SIZE]);

#endif
