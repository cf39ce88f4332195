/*
 * syntax.h -- private to this folder: which bytes may stand where (RFC 9110 section 5, RFC 3986).
 */
#ifndef IMPRINT_HTTP_SYNTAX_H
#define IMPRINT_HTTP_SYNTAX_H

#include "base.h"

/* tchar: names of headers and methods. */
bool syntax_is_token(uint8_t c);
/* Values of headers: visible, blank, tab, and bytes above 7F, which nobody interprets. */
bool syntax_is_value(uint8_t c);
/* Visible ASCII: the request target. */
bool syntax_is_visible(uint8_t c);
/* Letters of ASCII are equal in either case, whatever the locale. */
bool syntax_same(const char *a, const char *b);

#endif
