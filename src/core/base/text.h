/*
 * text.h -- bytes as text and back: hex, base64 (RFC 4648 section 4), base64url (section 5), PEM
 * (RFC 7468).
 *
 * Decoders are strict: they take exactly the alphabet, refuse non-zero padding bits and wrong
 * lengths, and leave the output untouched on failure. PEM alone tolerates the white space and line
 * lengths that boards and tools really send.
 */
#ifndef IMPRINT_TEXT_H
#define IMPRINT_TEXT_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum hex_case { HEX_LOWER, HEX_UPPER };

/* Writes 2 * in.n digits and a NUL. out holds 2 * in.n + 1 characters. */
void hex_encode(struct slice in, enum hex_case letters, char *out);

/* Reads exactly n bytes from exactly 2 * n digits of either case, else ERR_FORMAT. */
enum err hex_decode(struct slice text, uint8_t *out, size_t n) MUST_CHECK;

/* Characters that base64 needs for n bytes, with padding and without a NUL. */
#define BASE64_SIZE(n) (((n) + 2) / 3 * 4)

/* Writes base64 with padding and a NUL; cap counts the NUL. ERR_SPACE. */
enum err base64_encode(struct slice in, char *out, size_t cap) MUST_CHECK;
/* Reads padded base64 without white space; *n is the number of bytes. ERR_FORMAT, ERR_SPACE. */
enum err base64_decode(struct slice text, uint8_t *out, size_t cap, size_t *n) MUST_CHECK;

/* The same in the URL alphabet without padding (RFC 7515 section 2). */
enum err base64url_encode(struct slice in, char *out, size_t cap) MUST_CHECK;
enum err base64url_decode(struct slice text, uint8_t *out, size_t cap, size_t *n) MUST_CHECK;

/*
 * Writes "-----BEGIN label-----" LF, base64 in lines of `columns` characters (76 as Arduino's
 * libraries, 64 as RFC 7468; a multiple of 4), "-----END label-----" LF, and a NUL.
 * *n is the length without the NUL. ERR_SPACE; ERR_ARG for another number of columns.
 */
enum err pem_encode(struct slice der, const char *label, unsigned columns, char *out, size_t cap,
    size_t *n) MUST_CHECK;

/*
 * Finds the first block with this label and decodes it. Text before and after it, CR, LF, blanks at
 * line ends and any line length are accepted; anything else inside the block is ERR_FORMAT.
 * ERR_NOT_FOUND without a BEGIN line. *rest, when not NULL, is what follows the END line.
 */
enum err pem_decode(struct slice text, const char *label, uint8_t *out, size_t cap, size_t *n,
    struct slice *rest) MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
