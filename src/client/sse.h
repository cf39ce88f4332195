/*
 * sse.h -- server-sent events: bytes of a stream in, events out; no I/O.
 *
 * As the WHATWG's standard for HTML says (9.2, "Server-sent events"): lines end in LF, CR or both,
 * what begins with a colon is a comment, fields without a meaning are passed over, and an event whose
 * empty line never came is none. Refused: a line or the data of an event above its maximum. The bytes
 * are not looked at further: whoever takes the data parses it.
 *
 *	used = sse_take(&s, bytes, n);               // cut anywhere
 *	if (s.at == SSE_EVENT)
 *		take(s.name, (struct slice){ s.data, s.n }, s.id);
 */
#ifndef IMPRINT_SSE_H
#define IMPRINT_SSE_H

#include "base.h"

#define SSE_LINE_MAX 16384
#define SSE_DATA_MAX 32768
#define SSE_NAME_MAX 31
#define SSE_ID_MAX 63

enum sse_at {
	SSE_MORE,  /* everything has been taken */
	SSE_EVENT, /* behind an event; it is forgotten with the next bytes */
	SSE_FAILED /* too long; nothing more is taken */
};

struct sse {
	enum sse_at at;
	char name[SSE_NAME_MAX + 1]; /* of the event; "": "message", as the standard has it */
	uint8_t data[SSE_DATA_MAX];
	size_t n;
	char id[SSE_ID_MAX + 1]; /* the last one, for Last-Event-ID; "": none */
	unsigned retry_ms;       /* how long to wait before coming back; 0: nobody said */

	/* private */
	uint8_t line[SSE_LINE_MAX];
	size_t line_n;
	char next_id[SSE_ID_MAX + 1];
	bool begun, after_cr;
};

void sse_init(struct sse *s);
/* The stream begins anew: what was half there is forgotten, id and retry_ms stay. */
void sse_again(struct sse *s);
/* Bytes used; it stops behind an event. */
size_t sse_take(struct sse *s, const uint8_t *p, size_t n);

#endif
