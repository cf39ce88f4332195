/* Answers: results, refusals, the error object. */
#include "call.h"

#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool path_is_arduino(const char *path)
{
	return strncmp(path, "/iot/", 5) == 0 || strncmp(path, "/provisioning/", 14) == 0 ||
	       strncmp(path, "/ota/", 5) == 0 || strncmp(path, "/storage/", 9) == 0;
}

/* --- the error object --- */

static const struct {
	int status;
	const char *code, *title;
} statuses[] = {
	{ 400, "bad_request", "Bad Request" },
	{ 401, "unauthorized", "Unauthorized" },
	{ 403, "forbidden", "Forbidden" },
	{ 404, "not_found", "Not Found" },
	{ 405, "method_not_allowed", "Method Not Allowed" },
	{ 408, "request_timeout", "Request Timeout" },
	{ 409, "conflict", "Conflict" },
	{ 412, "precondition_failed", "Precondition Failed" },
	{ 413, "request_too_large", "Content Too Large" },
	{ 414, "request_too_large", "URI Too Long" },
	{ 415, "unsupported_media_type", "Unsupported Media Type" },
	{ 417, "expectation_failed", "Expectation Failed" },
	{ 429, "too_many_requests", "Too Many Requests" },
	{ 431, "request_too_large", "Request Header Fields Too Large" },
	{ 500, "internal", "Internal Server Error" },
	{ 501, "not_implemented", "Not Implemented" },
	{ 503, "unavailable", "Service Unavailable" },
	{ 504, "timeout", "Gateway Timeout" },
	{ 505, "unsupported_version", "HTTP Version Not Supported" },
	{ 507, "insufficient_storage", "Insufficient Storage" },
};

static size_t find_status(int status)
{
	size_t i = 0;

	while (i + 1 < COUNT(statuses) && statuses[i].status < status)
		i++;
	return i;
}

const char *error_code(int status)
{
	return statuses[find_status(status)].code;
}

void error_id_draw(char id[ERROR_ID_SIZE])
{
	uint8_t random[6] = { 0 };

	if (random_bytes(random, sizeof(random)) != OK ||
	    base64url_encode(SLICE(random), id, ERROR_ID_SIZE) != OK)
		memcpy(id, "unknown", 8);
}

void error_object(const char *path, int status, const char *detail, const char *id,
    struct http_response *response)
{
	struct json_out w = json_out(256);
	char drawn[ERROR_ID_SIZE];

	if (!id) {
		error_id_draw(drawn);
		id = drawn;
	}
	json_open(&w, NULL, '{');
	if (path_is_arduino(path)) {
		json_text(&w, "id", id);
		json_text(&w, "code", error_code(status));
	} else { /* RFC 9457 */
		json_text(&w, "type", "about:blank");
		json_text(&w, "title", statuses[find_status(status)].title);
		json_text(&w, "instance", id);
	}
	json_int(&w, "status", status);
	json_text(&w, "detail", detail);
	json_close(&w, '}');
	response->status = status;
	if (json_finish(&w, &response->body, &response->n) == OK)
		response->type = path_is_arduino(path) ? "application/vnd.goa.error+json"
		                                       : "application/problem+json";
}

/* --- refusals --- */

enum err call_refuse(struct call *c, int status, const char *fmt, ...)
{
	struct errbuf eb; /* what is refused may quote the old text */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(eb.text, sizeof(eb.text), fmt, ap);
	va_end(ap);
	c->eb = eb;
	c->status = status;
	return ERR_ARG;
}

/* What Arduino's document declares: a body of the wrong form is 400. A full disk is 507. */
static int status_of(enum err e)
{
	switch (e) {
	case ERR_FORMAT:
		return 400;
	case ERR_SPACE:
		return 507;
	default:
		return err_http_status(e);
	}
}

static void answer(struct call *c)
{
	api_count_answer(c->api, c->x->response.status);
	http_answer(c->x);
}

void call_fail(struct call *c, enum err e)
{
	const char *path = c->x->request->path, *detail = c->eb.text;
	int status = c->status ? c->status : status_of(e);
	char id[ERROR_ID_SIZE];

	error_id_draw(id);
	if (status >= 500) {
		api_log(c->api, id, status, c->eb.text);
		/* Paths and SQL are for the log; what a handler says of itself with 503 is for people. */
		if (c->status != 503)
			detail = c->status ? statuses[find_status(status)].title : err_text(e);
	}
	if (status == 401)
		answer_header(c, "WWW-Authenticate", "Bearer realm=\"imprint\"");
	if (status == 429)
		answer_header(c, "Retry-After", "60");
	if (status == 503 || status == 507)
		answer_header(c, "Retry-After", "5");
	error_object(path, status, detail[0] ? detail : err_text(e), id, &c->x->response);
	answer(c);
}

/* --- results --- */

void answer_header(struct call *c, const char *name, const char *value)
{
	enum err e = http_header_add(c->x, name, value);

	(void)e; /* the answer is right without it */
}

void answer_empty(struct call *c, int status)
{
	c->x->response.status = status;
	answer(c);
}

void answer_json(struct call *c, int status, struct json_out *w)
{
	struct http_response *r = &c->x->response;
	enum err e = json_finish(w, &r->body, &r->n);

	if (e != OK) {
		err_set(&c->eb, e, "the answer cannot be written");
		c->status = 500;
		call_fail(c, e);
		return;
	}
	r->status = status;
	r->type = "application/json";
	answer(c);
}

void answer_text(struct call *c, const char *type, char *text, size_t n)
{
	c->x->response =
	    (struct http_response){ .status = 200, .type = type, .body = (uint8_t *)text, .n = n };
	answer(c);
}

bool rows_add(struct rows *rows, const void *row)
{
	size_t cap = rows->cap ? 2 * rows->cap : 8;
	void *more;

	if (rows->n == rows->cap) {
		if (!(more = realloc(rows->at, cap * rows->size))) {
			rows->full = true;
			return false;
		}
		rows->at = more;
		rows->cap = cap;
	}
	memcpy((uint8_t *)rows->at + rows->n++ * rows->size, row, rows->size);
	return true;
}
