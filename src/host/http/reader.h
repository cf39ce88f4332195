/*
 * reader.h -- private to this folder: bytes of a connection in, one request after the other out.
 *
 * Two readers must agree on every head. The first looks at each byte and refuses what http-parser
 * lets pass (2.9.4 as Debian builds it: bare LF, folded lines, blanks before a colon, several blanks
 * and HTTP/0.9 in the request line, bytes above 7F in the target); then http-parser says what the
 * head means, and its framing is compared with ours. Chunks are read here alone: http-parser takes
 * any byte in a chunk extension and puts no limit to it.
 *
 * No I/O and no clock: the caller feeds bytes, cut anywhere, and asks what has become of them.
 *
 *	used = reader_take(&r, bytes, n);
 *	if (r.at == READER_DONE)
 *		x = reader_hand_over(&r);
 */
#ifndef IMPRINT_HTTP_READER_H
#define IMPRINT_HTTP_READER_H

#include "exchange.h"

enum reader_at {
	READER_IDLE, /* between requests: nothing is held */
	READER_HEAD,
	READER_BODY,
	READER_DONE,
	READER_REFUSED, /* status and reason say why; nothing more is read */
};

struct reader {
	enum reader_at at;
	int status;
	const char *reason;
	bool expects;   /* the peer waits for 100 Continue before it sends the body */
	uint32_t begun; /* requests so far */

	/* private */
	const struct http_options *options;
	struct exchange *x;
	enum reader_line {
		LINE_REQUEST,
		LINE_START,
		LINE_NAME,
		LINE_VALUE,
		LINE_LF,      /* that ends a line */
		LINE_LAST_LF, /* that ends the head or the trailer */
	} line;
	enum reader_chunk {
		CHUNK_NONE, /* the body is `left` bytes */
		CHUNK_SIZE,
		CHUNK_EXTENSION,
		CHUNK_SIZE_LF,
		CHUNK_DATA,
		CHUNK_DATA_CR,
		CHUNK_DATA_LF,
		CHUNK_TRAILER,
	} chunk;
	unsigned spaces, lines, digits;
	size_t target_n, lines_n, extensions_n;
	uint64_t left;
	bool blank_may, blank_lf; /* CR LF behind a tolerated request's body */
};

void reader_init(struct reader *r, const struct http_options *options);
/* Bytes used; it stops behind a request, and takes nothing more once it refused. */
size_t reader_take(struct reader *r, const uint8_t *p, size_t n);
/* The request that is DONE, or as much as there is of a refused one (NULL: none or no memory). */
struct exchange *reader_hand_over(struct reader *r);
void reader_refuse(struct reader *r, int status, const char *reason);
void reader_free(struct reader *r);

#endif
