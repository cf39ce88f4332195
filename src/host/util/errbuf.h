/*
 * errbuf.h -- the text that says why, beside the enum err that says what to do.
 *
 * A `struct errbuf` is the caller's, usually on the stack; NULL means: do not care. The text is one
 * line for people, is never parsed, and holds no secret.
 *
 *	if ((e = csr_parse(der, &csr, &fault)) != OK)
 *		return err_set(eb, e, "CSR of %zu bytes: %s", der.n, csr_fault_text(fault));
 */
#ifndef IMPRINT_ERRBUF_H
#define IMPRINT_ERRBUF_H

#include "base.h"

struct errbuf {
	char text[240];
};

/* Writes the text, cut to fit, and returns the code that it was given. */
enum err err_set(struct errbuf *eb, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "what: " before the text that is already there, and returns e. */
enum err err_within(struct errbuf *eb, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Static analysis sees one file at a time: it must hear that the code comes back as it was given. */
#ifdef __clang_analyzer__
#define err_set(eb, e, ...) ((void)err_set(eb, e, __VA_ARGS__), (e))
#define err_within(eb, e, ...) ((void)err_within(eb, e, __VA_ARGS__), (e))
#endif

/* From the one table in errors.def. */
const char *err_name(enum err e);
const char *err_text(enum err e);
int err_exit_code(enum err e);
int err_http_status(enum err e);

#endif
