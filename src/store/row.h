/*
 * row.h -- rows as tables of columns: how each noun's struct becomes values, and values become it.
 *
 * A column is a member of the struct with the same name. Values that were stored are checked as if
 * a stranger had written them: length, range, a NUL inside a text. The columns that may change come first,
 * so that one list serves both INSERT and UPDATE; the tenant is not in the lists, it comes last.
 */
#ifndef IMPRINT_STORE_ROW_H
#define IMPRINT_STORE_ROW_H

#include "store.h"

/* What SQL knows. Bytes and text are borrowed. */
struct value {
	enum value_type { VALUE_NULL, VALUE_NUMBER, VALUE_TEXT, VALUE_BYTES, VALUE_OTHER } type;
	int64_t number;
	struct slice bytes;
};

enum column_kind {
	COLUMN_number, /* unsigned of 1, 2, 4 bytes, or 64 bits */
	COLUMN_flag,
	COLUMN_state, /* enum store_cert_state */
	COLUMN_text,  /* char[] with its NUL */
	COLUMN_bytes, /* uint8_t[], all of it */
	COLUMN_maybe, /* the same; all zero is NULL */
	COLUMN_some,  /* uint8_t[] of which a uint32_t member says how many */
	COLUMN_slice,
	COLUMN_words, /* struct slice of text */
};

struct column {
	const char *name;
	enum column_kind kind;
	size_t at, size, at_n; /* at_n: of the count of COLUMN_some */
};

struct noun {
	const char *name;
	const struct column *columns;
	size_t n;
};

extern const struct noun noun_tenant, noun_principal, noun_token, noun_device, noun_tag, noun_cert,
    noun_authority, noun_event, noun_setting, noun_visit, noun_thing, noun_value, noun_counter;

/* As they stand in the table. */
struct setting {
	struct slice name, value;
};
struct counter {
	uint64_t n;
};

/* Room for a row of any noun. */
union row_any {
	struct store_tenant tenant;
	struct store_principal principal;
	struct store_token token;
	struct store_device device;
	struct store_tag tag;
	struct store_cert cert;
	struct store_authority authority;
	struct store_event event;
	struct setting setting;
	struct store_visit visit;
	struct store_thing thing;
	struct store_value value;
	struct counter counter;
};

/* Arguments of statements. The bytes are borrowed. */
struct value value_number(int64_t n);
struct value value_bytes(const void *p, size_t n);
/* NULL is NULL. */
struct value value_text(const char *text);
/* An id; all zero is NULL. */
struct value value_maybe(const uint8_t id[16]);

struct value row_value(const struct column *c, const void *row);
/* ERR_FORMAT, naming the column. A slice borrows from the value. */
enum err row_take(const struct noun *noun, size_t column, const struct value *v, void *row,
    struct errbuf *eb) MUST_CHECK;
/* ERR_ARG: something in the struct that could not be read back. */
enum err row_check(const struct noun *noun, const void *row, struct errbuf *eb) MUST_CHECK;

/* C(struct, member, kind), S(struct, member, member with the count) */
#define TENANT_ROW(C, S)                                                                           \
	C(store_tenant, uuid, bytes)                                                               \
	C(store_tenant, name, text)                                                                \
	C(store_tenant, demo, flag)                                                                \
	C(store_tenant, created, number)

#define PRINCIPAL_CHANGES(C, S)                                                                    \
	C(store_principal, name, text)                                                             \
	C(store_principal, role, text)                                                             \
	C(store_principal, secret, bytes)                                                          \
	C(store_principal, disabled, number)
#define PRINCIPAL_ROW(C, S)                                                                        \
	PRINCIPAL_CHANGES(C, S)                                                                    \
	C(store_principal, id, bytes)                                                              \
	C(store_principal, kind, text)                                                             \
	C(store_principal, created, number)                                                        \
	C(store_principal, version, number)

#define TOKEN_ROW(C, S)                                                                            \
	C(store_token, hash, bytes)                                                                \
	C(store_token, principal, bytes)                                                           \
	C(store_token, purpose, text)                                                              \
	C(store_token, uses_left, number)                                                          \
	C(store_token, expires, number)                                                            \
	C(store_token, created, number)

/* Those in no index, which is most of the cost of an update; then all. */
#define DEVICE_PLAIN(C, S)                                                                         \
	C(store_device, type, text)                                                                \
	C(store_device, fqbn, text)                                                                \
	C(store_device, connection, text)                                                          \
	C(store_device, wifi, text)                                                                \
	C(store_device, ble_mac, text)                                                             \
	C(store_device, user, maybe)                                                               \
	C(store_device, cert, maybe)                                                               \
	C(store_device, enabled, flag)                                                             \
	C(store_device, locked, flag)                                                              \
	C(store_device, changed, number)                                                           \
	C(store_device, deleted, number)
#define DEVICE_CHANGES(C, S)                                                                       \
	DEVICE_PLAIN(C, S)                                                                         \
	C(store_device, name, text)                                                                \
	C(store_device, serial, text)                                                              \
	C(store_device, hardware, text)                                                            \
	C(store_device, thing, maybe)
#define DEVICE_ROW(C, S)                                                                           \
	DEVICE_CHANGES(C, S)                                                                       \
	C(store_device, id, bytes)                                                                 \
	C(store_device, created, number)                                                           \
	C(store_device, seen, number)                                                              \
	S(store_device, message, message_n)                                                        \
	C(store_device, version, number)

#define TAG_ROW(C, S)                                                                              \
	C(store_tag, key, text)                                                                    \
	C(store_tag, value, text)

#define CERT_CHANGES(C, S)                                                                         \
	C(store_cert, state, state)                                                                \
	C(store_cert, enabled, flag)                                                               \
	C(store_cert, revoked, number)                                                             \
	C(store_cert, reason, number)
#define CERT_ROW(C, S)                                                                             \
	CERT_CHANGES(C, S)                                                                         \
	C(store_cert, serial, bytes)                                                               \
	C(store_cert, device, bytes)                                                               \
	C(store_cert, authority, number)                                                           \
	C(store_cert, q, bytes)                                                                    \
	C(store_cert, sig, bytes)                                                                  \
	C(store_cert, not_before, number)                                                          \
	C(store_cert, years, number)                                                               \
	C(store_cert, profile, number)                                                             \
	C(store_cert, level, number)                                                               \
	C(store_cert, fingerprint, bytes)                                                          \
	C(store_cert, created, number)                                                             \
	C(store_cert, version, number)

#define AUTHORITY_ROW(C, S)                                                                        \
	C(store_authority, id, number)                                                             \
	C(store_authority, kind, text)                                                             \
	C(store_authority, key_id, bytes)                                                          \
	S(store_authority, der, n)                                                                 \
	C(store_authority, key, text)                                                              \
	C(store_authority, state, text)                                                            \
	C(store_authority, created, number)

#define EVENT_ROW(C, S)                                                                            \
	C(store_event, seq, number)                                                                \
	C(store_event, at, number)                                                                 \
	C(store_event, kind, text)                                                                 \
	C(store_event, subject, bytes)                                                             \
	C(store_event, actor, bytes)                                                               \
	C(store_event, request, maybe)                                                             \
	C(store_event, leaf, bytes)                                                                \
	C(store_event, body, slice)

#define SETTING_ROW(C, S)                                                                          \
	C(setting, name, words)                                                                    \
	C(setting, value, words)

#define VISIT_CHANGES(C, S)                                                                        \
	C(store_visit, ended, number)                                                              \
	C(store_visit, reason, text)                                                               \
	C(store_visit, change, number)
#define VISIT_ROW(C, S)                                                                            \
	VISIT_CHANGES(C, S)                                                                        \
	C(store_visit, id, bytes)                                                                  \
	C(store_visit, device, bytes)                                                              \
	C(store_visit, broker, text)                                                               \
	C(store_visit, address, text)                                                              \
	C(store_visit, print, maybe)                                                               \
	C(store_visit, protocol, number)                                                           \
	C(store_visit, admitted, flag)                                                             \
	C(store_visit, began, number)

#define THING_CHANGES(C, S)                                                                        \
	C(store_thing, name, text)                                                                 \
	C(store_thing, timezone, text)                                                             \
	C(store_thing, changed, number)
#define THING_ROW(C, S)                                                                            \
	THING_CHANGES(C, S)                                                                        \
	C(store_thing, id, bytes)                                                                  \
	C(store_thing, user, maybe)                                                                \
	C(store_thing, created, number)                                                            \
	C(store_thing, version, number)

#define VALUE_ROW(C, S)                                                                            \
	C(store_value, thing, bytes)                                                               \
	C(store_value, name, text)                                                                 \
	C(store_value, json, text)                                                                 \
	C(store_value, at, number)

#define COUNTER_ROW(C, S) C(counter, n, number)

#endif
