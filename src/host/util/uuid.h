/*
 * uuid.h -- UUIDs (RFC 9562): 16 bytes, or 36 characters in lower case.
 *
 * Device ids are UUIDs; the text is the common name of a certificate and the name at the broker, so
 * there is exactly one way to write it.
 *
 *	uint8_t device[16];
 *	if ((e = uuid_parse(TEXT("0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"), device)) != OK)
 *		return e;
 */
#ifndef IMPRINT_UUID_H
#define IMPRINT_UUID_H

#include "base.h"

#define UUID_TEXT 36

/* Lower case, hyphens after 8, 12, 16 and 20 digits, nothing else; any version. Else ERR_FORMAT. */
enum err uuid_parse(struct slice text, uint8_t uuid[16]) MUST_CHECK;
/* Writes 36 characters, no NUL. */
void uuid_text(const uint8_t uuid[16], char text[UUID_TEXT]);
/* Makes a UUID of 16 bytes: version 4 of random ones (RFC 9562 5.4), 8 of a digest's (5.8). */
void uuid_mark(uint8_t uuid[16], unsigned version);

#endif
