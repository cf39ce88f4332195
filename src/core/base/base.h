/*
 * base.h -- what every module needs: error codes, borrowed bytes, byte order, secrets.
 *
 * Nothing here allocates, prints, or reads a clock. A `struct slice` is a borrowed view and never
 * owns; whoever made the bytes keeps them alive. The platform must supply memcpy, memmove, memset
 * and memcmp, nothing else.
 *
 *	struct slice in = SLICE(buffer);
 *	if (!ct_equal(mac, want, 32))
 *		return ERR_DENIED;
 *	wipe(key, sizeof(key));
 */
#ifndef IMPRINT_BASE_H
#define IMPRINT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the caller can do about a failure. The text for people comes from whoever met it. */
#define ERROR(name, exit_code, http, text) name,
enum err {
#include "errors.def"
	ERR_COUNT
};
#undef ERROR

#if defined(__GNUC__)
#define MUST_CHECK __attribute__((warn_unused_result))
#else
#define MUST_CHECK
#endif

struct slice {
	const uint8_t *p;
	size_t n;
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* A slice over a whole array; never over a pointer. */
#define SLICE(array) ((struct slice){ (const uint8_t *)(array), sizeof(array) })
/* A slice over a string literal, without its NUL. */
#define TEXT(literal) ((struct slice){ (const uint8_t *)(literal), sizeof(literal) - 1 })
/* A slice over listed bytes, which live as long as the enclosing block. */
#define BYTES(...)                                                                                 \
	((struct slice){                                                                           \
	    (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) })

bool slice_equal(struct slice a, struct slice b);

uint16_t load_be16(const uint8_t p[2]);
uint16_t load_le16(const uint8_t p[2]);
uint32_t load_be32(const uint8_t p[4]);
uint32_t load_le32(const uint8_t p[4]);
void store_be16(uint8_t p[2], uint16_t v);
void store_le16(uint8_t p[2], uint16_t v);
void store_be32(uint8_t p[4], uint32_t v);
void store_le32(uint8_t p[4], uint32_t v);

/* Compares n bytes in a time that depends on n alone. */
bool ct_equal(const void *a, const void *b, size_t n) MUST_CHECK;

/* True when all n bytes are zero; the time depends on n alone. */
bool ct_zero(const void *p, size_t n) MUST_CHECK;

/* Overwrites n bytes with zeros; the compiler may not remove it. */
void wipe(void *p, size_t n);

#ifdef __cplusplus
}
#endif
#endif
