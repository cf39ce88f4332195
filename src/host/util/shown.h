/*
 * shown.h -- text of others that a terminal may have.
 *
 * What moves the cursor or turns the direction of writing is not shown: control characters (U+0000 to
 * U+001F, U+007F to U+009F), separators of lines and paragraphs (U+2028, U+2029), embeddings, overrides
 * and isolates of direction (U+202A to U+202E, U+2066 to U+2069). The text is UTF-8; broken bytes are
 * somebody else's business.
 *
 *	if (!shown_as_is(name))
 *		return err_set(eb, ERR_FORMAT, "name: ...");
 *	shown_put(name, text, sizeof(text));                 // "a\u202Eb"
 */
#ifndef IMPRINT_SHOWN_H
#define IMPRINT_SHOWN_H

#include "base.h"

bool shown_as_is(struct slice text);
/* With \uXXXX where it may not be shown, cut at a character to fit into cap bytes with a NUL at the end. */
void shown_put(struct slice text, char *out, size_t cap);

#endif
