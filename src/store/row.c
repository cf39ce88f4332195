#include "row.h"

#include <string.h>

#define COLUMN(type, member, kind)                                                                 \
	{ #member, COLUMN_##kind, offsetof(struct type, member),                                   \
		sizeof(((struct type *)NULL)->member), 0 },
#define COLUMN_S(type, member, count)                                                              \
	{ #member, COLUMN_some, offsetof(struct type, member),                                     \
		sizeof(((struct type *)NULL)->member), offsetof(struct type, count) },
#define NOUN(name, ROW)                                                                            \
	static const struct column name##_columns[] = { ROW(COLUMN, COLUMN_S) };                   \
	const struct noun noun_##name = { #name, name##_columns, COUNT(name##_columns) };

NOUN(tenant, TENANT_ROW)
NOUN(principal, PRINCIPAL_ROW)
NOUN(token, TOKEN_ROW)
NOUN(device, DEVICE_ROW)
NOUN(tag, TAG_ROW)
NOUN(cert, CERT_ROW)
NOUN(authority, AUTHORITY_ROW)
NOUN(event, EVENT_ROW)
NOUN(setting, SETTING_ROW)
NOUN(visit, VISIT_ROW)
NOUN(thing, THING_ROW)
NOUN(value, VALUE_ROW)
NOUN(counter, COUNTER_ROW)

static uint32_t load_u32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static struct slice load_slice(const void *p)
{
	struct slice s;

	memcpy(&s, p, sizeof(s));
	return s;
}

static int64_t load_number(const void *p, size_t size)
{
	const uint8_t *one = p;
	uint16_t two;
	int64_t eight;

	switch (size) {
	case 1:
		return *one;
	case 2:
		memcpy(&two, p, 2);
		return two;
	case 4:
		return load_u32(p);
	default:
		memcpy(&eight, p, 8);
		return eight;
	}
}

struct value value_number(int64_t n)
{
	return (struct value){ VALUE_NUMBER, n, { NULL, 0 } };
}

struct value value_bytes(const void *p, size_t n)
{
	return (struct value){ VALUE_BYTES, 0, { p, n } };
}

struct value value_text(const char *text)
{
	if (!text)
		return (struct value){ VALUE_NULL, 0, { NULL, 0 } };
	return (struct value){ VALUE_TEXT, 0, { (const uint8_t *)text, strlen(text) } };
}

struct value value_maybe(const uint8_t id[16])
{
	return ct_zero(id, 16) ? (struct value){ VALUE_NULL, 0, { NULL, 0 } } : value_bytes(id, 16);
}

struct value row_value(const struct column *c, const void *row)
{
	const uint8_t *p = (const uint8_t *)row + c->at;
	struct value v = { VALUE_BYTES, 0, { p, c->size } };

	switch (c->kind) {
	case COLUMN_number:
	case COLUMN_flag:
	case COLUMN_state:
		return (struct value){ VALUE_NUMBER, load_number(p, c->size), { NULL, 0 } };
	case COLUMN_text:
		v.type = VALUE_TEXT;
		v.bytes.n = strlen((const char *)p);
		break;
	case COLUMN_maybe:
		if (ct_zero(p, c->size))
			return (struct value){ VALUE_NULL, 0, { NULL, 0 } };
		break;
	case COLUMN_some:
		v.bytes.n = load_u32((const uint8_t *)row + c->at_n);
		break;
	case COLUMN_words:
		v.type = VALUE_TEXT;
		v.bytes = load_slice(p);
		break;
	case COLUMN_slice:
		v.bytes = load_slice(p);
		break;
	case COLUMN_bytes:
		break;
	}
	return v;
}

/* --- what was stored --- */

static bool take_number(const struct column *c, int64_t number, uint8_t *p)
{
	int64_t max = c->kind == COLUMN_flag    ? 1
	              : c->kind == COLUMN_state ? STORE_REVOKED
	              : c->size == 8            ? INT64_MAX
	                                        : (INT64_C(1) << (8 * c->size)) - 1;
	uint8_t one = (uint8_t)number;
	uint16_t two = (uint16_t)number;
	uint32_t four = (uint32_t)number;

	if (number > max || (number < 0 && c->size != 8))
		return false;
	memcpy(p,
	    c->size == 1   ? (const void *)&one
	    : c->size == 2 ? (const void *)&two
	    : c->size == 4 ? (const void *)&four
	                   : (const void *)&number,
	    c->size);
	return true;
}

static bool take_bytes(const struct column *c, const struct value *v, uint8_t *row)
{
	uint8_t *p = row + c->at;
	uint32_t n = (uint32_t)v->bytes.n;

	switch (c->kind) {
	case COLUMN_slice:
	case COLUMN_words:
		if (v->bytes.n > STORE_EVENT_MAX)
			return false;
		memcpy(p, &v->bytes, sizeof(v->bytes));
		return true;
	case COLUMN_text:
		if (v->bytes.n >= c->size || (v->bytes.n && memchr(v->bytes.p, 0, v->bytes.n)))
			return false;
		break;
	case COLUMN_some:
		if (v->bytes.n > c->size)
			return false;
		memcpy(row + c->at_n, &n, sizeof(n));
		break;
	default:
		if (v->bytes.n != c->size)
			return false;
	}
	memset(p, 0, c->size);
	if (v->bytes.n)
		memcpy(p, v->bytes.p, v->bytes.n);
	return true;
}

static bool take(const struct column *c, const struct value *v, uint8_t *row)
{
	switch (v->type) {
	case VALUE_NULL:
		if (c->kind == COLUMN_maybe)
			memset(row + c->at, 0, c->size);
		return c->kind == COLUMN_maybe;
	case VALUE_NUMBER:
		return c->kind <= COLUMN_state && take_number(c, v->number, row + c->at);
	case VALUE_TEXT:
		return (c->kind == COLUMN_text || c->kind == COLUMN_words) && take_bytes(c, v, row);
	case VALUE_BYTES:
		return c->kind >= COLUMN_bytes && c->kind != COLUMN_words && take_bytes(c, v, row);
	case VALUE_OTHER:
		break;
	}
	return false;
}

enum err row_take(
    const struct noun *noun, size_t column, const struct value *v, void *row, struct errbuf *eb)
{
	const struct column *c = &noun->columns[column];

	if (!take(c, v, row))
		return err_set(
		    eb, ERR_FORMAT, "%s.%s: not what such a column holds", noun->name, c->name);
	return OK;
}

enum err row_check(const struct noun *noun, const void *row, struct errbuf *eb)
{
	for (size_t i = 0; i < noun->n; i++) {
		const struct column *c = &noun->columns[i];
		const uint8_t *p = (const uint8_t *)row + c->at;
		bool fits = true;

		if (c->kind == COLUMN_text)
			fits = memchr(p, 0, c->size) != NULL;
		else if (c->kind == COLUMN_some)
			fits = load_u32((const uint8_t *)row + c->at_n) <= c->size;
		else if (c->kind == COLUMN_slice || c->kind == COLUMN_words)
			fits = load_slice(p).n <= STORE_EVENT_MAX;
		else if (c->kind == COLUMN_flag || c->kind == COLUMN_state)
			fits =
			    load_number(p, c->size) <= (c->kind == COLUMN_flag ? 1 : STORE_REVOKED);
		if (!fits)
			return err_set(eb, ERR_ARG, "%s.%s: out of range", noun->name, c->name);
	}
	return OK;
}
