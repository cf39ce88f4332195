#include "errbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef err_set
#undef err_within

#define ERROR(name, exit_code, http, text) { #name, text, exit_code, http },
static const struct {
	const char *name, *text;
	int exit_code, http;
} errors[] = {
#include "errors.def"
};
#undef ERROR

enum err err_set(struct errbuf *eb, enum err e, const char *fmt, ...)
{
	va_list ap;

	if (!eb)
		return e;
	va_start(ap, fmt);
	vsnprintf(eb->text, sizeof(eb->text), fmt, ap);
	va_end(ap);
	return e;
}

enum err err_within(struct errbuf *eb, enum err e, const char *fmt, ...)
{
	struct errbuf inner;
	size_t n, keep;
	va_list ap;

	if (!eb)
		return e;
	memcpy(&inner, eb, sizeof(inner));
	inner.text[sizeof(inner.text) - 1] = 0;
	va_start(ap, fmt);
	vsnprintf(eb->text, sizeof(eb->text), fmt, ap);
	va_end(ap);
	n = strlen(eb->text);
	if (n + 2 < sizeof(eb->text) && inner.text[0]) {
		memcpy(eb->text + n, ": ", 2);
		n += 2;
		keep = strnlen(inner.text, sizeof(eb->text) - 1 - n);
		memcpy(eb->text + n, inner.text, keep);
		eb->text[n + keep] = 0;
	}
	return e;
}

/* A number from another process may lie outside the table. */
static size_t row(enum err e)
{
	return (size_t)e < COUNT(errors) ? (size_t)e : (size_t)ERR_IO;
}

const char *err_name(enum err e)
{
	return (size_t)e < COUNT(errors) ? errors[e].name : "unknown error";
}

const char *err_text(enum err e)
{
	return (size_t)e < COUNT(errors) ? errors[e].text : "unknown error";
}

int err_exit_code(enum err e)
{
	return errors[row(e)].exit_code;
}

int err_http_status(enum err e)
{
	return errors[row(e)].http;
}
