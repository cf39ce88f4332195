#include "reader.h"
#include "syntax.h"

#include <stdlib.h>
#include <string.h>

#include <http_parser.h>

#define METHOD_MAX 32
#define VERSION_MAX 8
#define CHUNK_DIGITS_MAX 8
#define EXTENSIONS_MAX 1024
#define SMALL_BODY 16384 /* gets its memory at once, longer ones as they come */

void reader_init(struct reader *r, const struct http_options *options)
{
	memset(r, 0, sizeof(*r));
	r->options = options;
}

void reader_refuse(struct reader *r, int status, const char *reason)
{
	r->at = READER_REFUSED;
	r->status = status;
	r->reason = reason;
}

/* Of a head that is refused: its path, as far as it came, since it says which form the answer has. */
static void find_path(struct exchange *x)
{
	static const uint8_t end[] = { '\0' };
	char *path, *p;

	x->headers_n = 0; /* the head may move */
	if (bytes_add(&x->head, SLICE(end)) != OK || !(path = strchr((char *)x->head.p, ' ')) ||
	    *++path != '/')
		return;
	for (p = path; syntax_is_visible((uint8_t)*p) && *p != '?';)
		p++;
	*p = '\0';
	x->request.path = path;
}

struct exchange *reader_hand_over(struct reader *r)
{
	struct exchange *x = r->x;

	r->x = NULL;
	r->expects = false;
	if (x && r->at == READER_DONE) {
		r->blank_may = x->tolerant && x->body.n > 0;
		r->at = READER_IDLE;
	} else if (x && !*x->request.path) {
		find_path(x);
	}
	return x;
}

void reader_free(struct reader *r)
{
	exchange_free(r->x);
	r->x = NULL;
}

/* --- lines of a head or trailer, byte by byte --- */

static void take_request_line(struct reader *r, uint8_t c)
{
	if (c == ' ' && (++r->spaces > 2 || r->target_n == 0)) {
		reader_refuse(r, 400, "a blank too many in the request line");
	} else if (c == ' ') {
		r->target_n = 0;
	} else if (c == '\r') {
		if (r->spaces != 2 || r->target_n == 0)
			reader_refuse(r, 400, "the request line is not method, target, version");
		r->line = LINE_LF;
	} else if (!syntax_is_visible(c) || (r->spaces == 0 && !syntax_is_token(c))) {
		reader_refuse(r, 400, "a byte that no request line may hold");
	} else if (++r->target_n > METHOD_MAX && r->spaces == 0) { /* counts each of the three */
		reader_refuse(r, 501, "the method is too long");
	} else if (r->target_n > r->options->limits.target_max && r->spaces == 1) {
		reader_refuse(r, 414, "the request target is too long");
	} else if (r->target_n > VERSION_MAX && r->spaces == 2) {
		reader_refuse(r, 400, "the version is not HTTP/1.1");
	}
}

static void take_line_start(struct reader *r, uint8_t c)
{
	if (c == '\r') {
		r->line = LINE_LAST_LF;
	} else if (c == ' ' || c == '\t') {
		reader_refuse(r, 400, "a folded header line");
	} else if (!syntax_is_token(c)) {
		reader_refuse(r, 400, "a byte that no header name may hold");
	} else if (++r->lines > HTTP_LINES_MAX) {
		reader_refuse(r, 431, "too many header lines");
	} else {
		r->line = LINE_NAME;
	}
}

/* One byte of a line; true when the last one of the block has been taken. */
static bool take_line_byte(struct reader *r, uint8_t c)
{
	if (r->line != LINE_REQUEST && ++r->lines_n > r->options->limits.headers_max) {
		reader_refuse(r, 431, "the header lines are too long");
		return false;
	}
	switch (r->line) {
	case LINE_REQUEST:
		take_request_line(r, c);
		break;
	case LINE_START:
		take_line_start(r, c);
		break;
	case LINE_NAME:
		if (c == ':')
			r->line = LINE_VALUE;
		else if (!syntax_is_token(c))
			reader_refuse(r, 400, "a byte that no header name may hold");
		break;
	case LINE_VALUE:
		if (c == '\r')
			r->line = LINE_LF;
		else if (!syntax_is_value(c))
			reader_refuse(r, 400, "a byte that no header value may hold");
		break;
	case LINE_LF:
		if (c != '\n')
			reader_refuse(r, 400, "CR without LF");
		r->line = LINE_START;
		break;
	case LINE_LAST_LF:
		if (c != '\n')
			reader_refuse(r, 400, "CR without LF");
		return c == '\n';
	}
	return false;
}

/* --- what the head means --- */

struct meaning {
	struct exchange *x;
	const char *target;
	size_t target_n, names_n[HTTP_LINES_MAX], values_n[HTTP_LINES_MAX];
	size_t names, values;
};

static int on_target(http_parser *p, const char *at, size_t n)
{
	struct meaning *m = p->data;
	bool again = m->target != NULL;

	m->target = at;
	m->target_n = n;
	return again;
}

static int on_name(http_parser *p, const char *at, size_t n)
{
	struct meaning *m = p->data;

	if (m->names != m->values || m->names == HTTP_LINES_MAX)
		return 1;
	m->x->headers[m->names].name = at;
	m->names_n[m->names++] = n;
	return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct meaning *m = p->data;

	if (m->values + 1 != m->names)
		return 1;
	while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
		n--;
	m->x->headers[m->values].value = at;
	m->values_n[m->values++] = n;
	return 0;
}

static void refuse_parsed(struct reader *r, const http_parser *p)
{
	switch (HTTP_PARSER_ERRNO(p)) {
	case HPE_INVALID_METHOD:
		reader_refuse(r, 501, "an unknown method");
		break;
	case HPE_INVALID_VERSION:
		reader_refuse(r, 505, "the version is not HTTP/1.1");
		break;
	case HPE_INVALID_CONTENT_LENGTH:
		reader_refuse(r, 400, "Content-Length is not a number");
		break;
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		reader_refuse(r, 400, "Content-Length twice, or beside Transfer-Encoding");
		break;
	case HPE_INVALID_TRANSFER_ENCODING:
		reader_refuse(r, 501, "Transfer-Encoding is not chunked");
		break;
	default:
		reader_refuse(r, 400, "the head of the request cannot be read");
	}
}

/* The head is ours alone: what http-parser points at becomes strings in place. */
static char *place(struct exchange *x, const char *at)
{
	return (char *)x->head.p + (at - (const char *)x->head.p);
}

static bool parse_head(struct reader *r, http_parser *p, struct meaning *m)
{
	static const http_parser_settings settings = {
		.on_url = on_target,
		.on_header_field = on_name,
		.on_header_value = on_value,
	};
	struct exchange *x = r->x;
	size_t n;

	http_parser_init(p, HTTP_REQUEST);
	p->data = m;
	n = http_parser_execute(p, &settings, (const char *)x->head.p, x->head.n);
	if (HTTP_PARSER_ERRNO(p) != HPE_OK || n != x->head.n || !m->target ||
	    m->names != m->values || m->names != r->lines) {
		refuse_parsed(r, p);
		return false;
	}
	x->headers_n = m->names;
	for (size_t i = 0; i < m->names; i++) {
		place(x, x->headers[i].name)[m->names_n[i]] = '\0';
		place(x, x->headers[i].value)[m->values_n[i]] = '\0';
	}
	x->request.method = http_method_str((enum http_method)p->method);
	x->http_1_0 = p->http_minor == 0;
	x->keep_alive = http_should_keep_alive(p);
	if (p->http_major != 1 || p->http_minor > 1) {
		reader_refuse(r, 505, "the version is not HTTP/1.1");
		return false;
	}
	return true;
}

static bool begins(const char *text, const char *with)
{
	while (*with && (*text | 32) == *with) {
		text++;
		with++;
	}
	return *with == '\0';
}

/* RFC 9112 3.2: origin-form, "*" of OPTIONS, and absolute-form, whose authority nobody asks for. */
static bool judge_target(struct reader *r, const struct meaning *m)
{
	struct exchange *x = r->x;
	char *target = place(x, m->target), *query;

	target[m->target_n] = '\0';
	if (strcmp(x->request.method, "CONNECT") == 0) {
		reader_refuse(r, 501, "no tunnels here");
		return false;
	}
	if (begins(target, "http://") || begins(target, "https://")) {
		target = strstr(target, "//") + 2;
		target += strcspn(target, "/?#");
	} else if (target[0] != '/' &&
	           (strcmp(target, "*") != 0 || strcmp(x->request.method, "OPTIONS") != 0)) {
		reader_refuse(r, 400, "the request target is neither path nor address");
		return false;
	}
	if (strchr(target, '#')) {
		reader_refuse(r, 400, "a fragment in the request target");
		return false;
	}
	if ((query = strchr(target, '?')) != NULL)
		*query++ = '\0';
	x->request.path = *target ? target : "/";
	x->request.query = query ? query : "";
	return true;
}

static unsigned count(const struct exchange *x, const char *name, const char **first, bool *equal)
{
	unsigned n = 0;

	*first = NULL;
	*equal = true;
	for (size_t i = 0; i < x->headers_n; i++) {
		if (!syntax_same(x->headers[i].name, name))
			continue;
		if (n++ == 0)
			*first = x->headers[i].value;
		else
			*equal = *equal && strcmp(*first, x->headers[i].value) == 0;
	}
	return n;
}

/* Arduino's HTTP client writes Host by itself and lets its caller write it again. */
static bool judge_host(struct reader *r)
{
	struct exchange *x = r->x;
	const char *host;
	bool equal;
	unsigned n = count(x, "Host", &host, &equal);

	if (n == 0 && !x->http_1_0)
		reader_refuse(r, 400, "Host is missing");
	else if (n > 1 && !equal)
		reader_refuse(r, 400, "two different Host lines");
	else if (n > 1 && !x->tolerant)
		reader_refuse(r, 400, "Host twice");
	else if (host && strpbrk(host, " \t/?#@\\\"<>,"))
		reader_refuse(r, 400, "Host is not a name and a port");
	return r->at != READER_REFUSED;
}

/* RFC 9112 6: a message has one length, or chunks, or no body. */
static bool judge_framing(struct reader *r, const http_parser *p)
{
	struct exchange *x = r->x;
	const char *coding, *length;
	bool equal;
	unsigned codings = count(x, "Transfer-Encoding", &coding, &equal),
	         lengths = count(x, "Content-Length", &length, &equal);

	r->left = lengths ? p->content_length : 0;
	r->chunk = codings ? CHUNK_SIZE : CHUNK_NONE;
	if (lengths + codings > 1)
		reader_refuse(r, 400, "more than one of Content-Length and Transfer-Encoding");
	else if (lengths && (*length == '\0' || strspn(length, "0123456789") != strlen(length)))
		reader_refuse(r, 400, "Content-Length is not a number");
	else if (codings && x->http_1_0)
		reader_refuse(r, 400, "Transfer-Encoding in HTTP/1.0");
	else if (codings && !syntax_same(coding, "chunked"))
		reader_refuse(r, 501, "Transfer-Encoding is not chunked");
	else if (((p->flags & F_CHUNKED) != 0) != (codings == 1))
		reader_refuse(r, 400, "Transfer-Encoding cannot be read");
	else if (r->left > r->options->limits.body_max)
		reader_refuse(r, 413, "the body is too long");
	return r->at != READER_REFUSED;
}

static bool judge_expectation(struct reader *r)
{
	const char *expect;
	bool equal, body = r->chunk != CHUNK_NONE || r->left > 0;
	unsigned n = count(r->x, "Expect", &expect, &equal);

	if (n > 0 && (!equal || !syntax_same(expect, "100-continue")))
		reader_refuse(r, 417, "Expect is not 100-continue");
	r->expects = n > 0 && body && !r->x->http_1_0;
	return r->at != READER_REFUSED;
}

static void finish(struct reader *r)
{
	struct exchange *x = r->x;

	x->request.body = (struct slice){ x->body.p, x->body.n };
	r->at = READER_DONE;
}

static void end_head(struct reader *r)
{
	const struct http_options *o = r->options;
	struct meaning m = { .x = r->x };
	http_parser p;

	if (!parse_head(r, &p, &m) || !judge_target(r, &m))
		return;
	r->x->tolerant = o->tolerant && o->tolerant(o->ctx, r->x->request.path);
	if (!judge_host(r) || !judge_framing(r, &p) || !judge_expectation(r))
		return;
	r->at = READER_BODY;
	r->digits = 0;
	r->extensions_n = 0;
	if (r->chunk == CHUNK_NONE && r->left == 0)
		finish(r);
	else if (r->left > 0 && r->left <= SMALL_BODY && bytes_reserve(&r->x->body, r->left) != OK)
		reader_refuse(r, 503, "out of memory");
}

static size_t take_head(struct reader *r, const uint8_t *p, size_t n)
{
	size_t i = 0;
	bool end = false;

	while (i < n && !end && r->at == READER_HEAD)
		end = take_line_byte(r, p[i++]);
	/* Also what is refused: who asked for what is told by it. */
	if (bytes_add(&r->x->head, (struct slice){ p, i }) != OK && r->at == READER_HEAD)
		reader_refuse(r, 503, "out of memory");
	if (end && r->at == READER_HEAD)
		end_head(r);
	return i;
}

/* --- bodies --- */

static size_t take_data(struct reader *r, const uint8_t *p, size_t n)
{
	n = n < r->left ? n : (size_t)r->left;
	if (bytes_add(&r->x->body, (struct slice){ p, n }) != OK)
		reader_refuse(r, 503, "out of memory");
	r->left -= n;
	return n;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void take_chunk_size(struct reader *r, uint8_t c)
{
	int digit = hex_digit(c);

	if (digit >= 0 && r->digits++ < CHUNK_DIGITS_MAX) {
		r->left = r->left << 4 | (unsigned)digit;
		if (r->left > r->options->limits.body_max - r->x->body.n)
			reader_refuse(r, 413, "the body is too long");
	} else if (digit < 0 && r->digits > 0 && (c == '\r' || c == ';')) {
		r->chunk = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
	} else {
		reader_refuse(r, 400, "the size of a chunk cannot be read");
	}
}

static void take_chunk_extension(struct reader *r, uint8_t c)
{
	if (c == '\r')
		r->chunk = CHUNK_SIZE_LF;
	else if (!syntax_is_value(c))
		reader_refuse(r, 400, "a byte that no chunk extension may hold");
	else if (++r->extensions_n > EXTENSIONS_MAX)
		reader_refuse(r, 400, "chunk extensions are too long");
}

/* One byte between the data of chunks. */
static void take_chunk_byte(struct reader *r, uint8_t c)
{
	switch (r->chunk) {
	case CHUNK_SIZE:
		take_chunk_size(r, c);
		break;
	case CHUNK_EXTENSION:
		take_chunk_extension(r, c);
		break;
	case CHUNK_SIZE_LF:
		if (c != '\n')
			reader_refuse(r, 400, "CR without LF");
		r->chunk = r->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
		r->line = LINE_START;
		r->lines = 0;
		r->lines_n = 0;
		break;
	case CHUNK_DATA_CR:
		if (c != '\r')
			reader_refuse(r, 400, "a chunk is longer than its size");
		r->chunk = CHUNK_DATA_LF;
		break;
	case CHUNK_DATA_LF:
		if (c != '\n')
			reader_refuse(r, 400, "CR without LF");
		r->chunk = CHUNK_SIZE;
		r->digits = 0;
		break;
	case CHUNK_TRAILER: /* read as strictly as the head, and forgotten (RFC 9110 6.5.1) */
		if (take_line_byte(r, c) && r->at == READER_BODY)
			finish(r);
		break;
	case CHUNK_NONE:
	case CHUNK_DATA:
		break;
	}
}

static size_t take_body(struct reader *r, const uint8_t *p, size_t n)
{
	size_t used;

	r->expects = false;
	if (r->chunk != CHUNK_NONE && r->chunk != CHUNK_DATA) {
		take_chunk_byte(r, *p);
		return 1;
	}
	used = take_data(r, p, n);
	if (r->at != READER_BODY || r->left > 0)
		return used;
	if (r->chunk == CHUNK_DATA)
		r->chunk = CHUNK_DATA_CR;
	else
		finish(r);
	return used;
}

/* --- a request begins --- */

static size_t take_first(struct reader *r, uint8_t c)
{
	if (r->blank_lf && c != '\n') {
		reader_refuse(r, 400, "CR without LF");
		return 0;
	}
	if (r->blank_lf || (r->blank_may && c == '\r')) {
		r->blank_lf = !r->blank_lf;
		r->blank_may = false;
		return 1;
	}
	r->blank_may = false;
	if (!(r->x = exchange_new(&r->options->limits))) {
		reader_refuse(r, 503, "out of memory");
		return 0;
	}
	r->begun++;
	r->at = READER_HEAD;
	r->line = LINE_REQUEST;
	r->spaces = r->lines = 0;
	r->target_n = r->lines_n = 0;
	return 0;
}

size_t reader_take(struct reader *r, const uint8_t *p, size_t n)
{
	size_t used = 0;

	while (used < n && r->at < READER_DONE) {
		if (r->at == READER_IDLE)
			used += take_first(r, p[used]);
		else if (r->at == READER_HEAD)
			used += take_head(r, p + used, n - used);
		else
			used += take_body(r, p + used, n - used);
	}
	return used;
}
