#include "exchange.h"
#include "stream.h"
#include "syntax.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <http_parser.h>

#define ADDED_MAX 8192
#define RENDERED_HEAD 512 /* everything but the added lines and the body */

struct exchange *exchange_new(const struct http_limits *limits)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->shown.request = &x->request;
	x->request.method = x->request.path = x->request.query = "";
	x->request.peer = x->peer;
	x->head.max = limits->target_max + limits->headers_max + 64;
	x->body.max = limits->body_max;
	x->client.max = 1 << 16;
	x->added.max = ADDED_MAX;
	x->begun_us = exchange_clock_us();
	return x;
}

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	if (x->head.p) /* tokens and passwords travel in both */
		wipe(x->head.p, x->head.cap);
	bytes_free(&x->head);
	if (x->body.p)
		wipe(x->body.p, x->body.cap);
	bytes_free(&x->body);
	bytes_free(&x->client);
	bytes_free(&x->added);
	free(x->shown.response.body);
	if (x->stream)
		stream_gone(x->stream);
	free(x);
}

int64_t exchange_clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void exchange_date(int64_t seconds, char date[HTTP_DATE_SIZE])
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)seconds;
	struct tm tm;
	char text[96];

	memset(date, 0, HTTP_DATE_SIZE);
	if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		return;
	snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
	    tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(date, text, HTTP_DATE_SIZE - 1);
}

/* --- what handlers call --- */

static const struct exchange *of_shown(const struct http_exchange *x)
{
	return (const struct exchange *)x; /* its first member */
}

const char *http_header(const struct http_exchange *shown, const char *name)
{
	const struct exchange *x = of_shown(shown);

	for (size_t i = 0; i < x->headers_n; i++) {
		if (syntax_same(x->headers[i].name, name))
			return x->headers[i].value;
	}
	return NULL;
}

enum err http_header_add(struct http_exchange *shown, const char *name, const char *value)
{
	struct exchange *x = (struct exchange *)shown;
	size_t before = x->added.n, name_n = strlen(name), value_n = strlen(value);
	enum err e;

	for (size_t i = 0; i < name_n; i++) {
		if (!syntax_is_token((uint8_t)name[i]))
			return ERR_ARG;
	}
	for (size_t i = 0; i < value_n; i++) {
		if (!syntax_is_value((uint8_t)value[i]))
			return ERR_ARG;
	}
	if (name_n == 0)
		return ERR_ARG;
	if ((e = bytes_add(&x->added, (struct slice){ (const uint8_t *)name, name_n })) != OK ||
	    (e = bytes_add(&x->added, TEXT(": "))) != OK ||
	    (e = bytes_add(&x->added, (struct slice){ (const uint8_t *)value, value_n })) != OK ||
	    (e = bytes_add(&x->added, TEXT("\r\n"))) != OK)
		x->added.n = before;
	return e;
}

/* --- the answer as bytes --- */

static const char *phrase(int status)
{
	switch (status) { /* the library's table has no 103, 208.. that we would send */
#define XX(number, name, text)                                                                     \
	case number:                                                                               \
		return #text;
		HTTP_STATUS_MAP(XX)
#undef XX
	default:
		return "Unknown";
	}
}

static bool has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

enum err exchange_render(const struct exchange *x, const char *date, bool last, struct bytes *out)
{
	const struct http_response *r = &x->shown.response;
	int status = r->status >= 200 && r->status <= 599 ? r->status : 500;
	const char *connection = last          ? "Connection: close\r\n"
	                         : x->http_1_0 ? "Connection: keep-alive\r\n"
	                                       : "";
	bool body = has_body(status);
	char head[RENDERED_HEAD], length[48] = "";
	int n;
	enum err e;

	if (body && !x->stream)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n", r->n);
	n = snprintf(head, sizeof(head), "HTTP/1.1 %d %s\r\n%s%s%s%s%s%s%s%s", status,
	    phrase(status), date[0] ? "Date: " : "", date, date[0] ? "\r\n" : "",
	    body && r->type ? "Content-Type: " : "", body && r->type ? r->type : "",
	    body && r->type ? "\r\n" : "", length, connection);
	if (n < 0 || (size_t)n >= sizeof(head))
		return ERR_SPACE; /* a Content-Type that is none */
	body = body && r->n > 0 && strcmp(x->request.method, "HEAD") != 0;

	out->max = out->n + (size_t)n + x->added.n + 2 + r->n;
	if ((e = bytes_reserve(out, out->max - out->n)) != OK ||
	    (e = bytes_add(out, (struct slice){ (const uint8_t *)head, (size_t)n })) != OK ||
	    (e = bytes_add(out, (struct slice){ x->added.p, x->added.n })) != OK ||
	    (e = bytes_add(out, TEXT("\r\n"))) != OK ||
	    (body && (e = bytes_add(out, (struct slice){ r->body, r->n })) != OK))
		return e;
	return OK;
}
