#include "senml.h"

#include <string.h>

/* RFC 8428 section 6, table 4. */
enum label {
	BASE_VERSION = -1,
	BASE_NAME = -2,
	BASE_TIME = -3,
	BASE_UNIT = -4,
	BASE_VALUE = -5,
	BASE_SUM = -6,
	NAME = 0,
	UNIT = 1,
	VALUE = 2,
	STRING_VALUE = 3,
	BOOL_VALUE = 4,
	SUM = 5,
	TIME = 6,
	UPDATE_TIME = 7,
	DATA_VALUE = 8
};
#define VERSION_MAX 10
#define INDEFINITE_ARRAY 0x9f
#define BREAK 0xff
#define INT64_HEAD 27 /* of a whole number: 8 bytes follow; of a simple value: binary64 */
#define HALF_HEAD 0xf9
#define SINGLE_HEAD 0xfa
#define DOUBLE_HEAD 0xfb

/* --- names --- */

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == ':' || c == '.' || c == '/' || c == '_';
}

/* Adds text to a name that ends with a NUL. */
static enum err name_add(char name[SENML_NAME_MAX + 1], size_t n, struct slice text)
{
	if (text.n > SENML_NAME_MAX - n)
		return ERR_FORMAT;
	for (size_t i = 0; i < text.n; i++)
		if (!is_name_char((char)text.p[i]))
			return ERR_FORMAT;
	if (text.n > 0)
		memcpy(name + n, text.p, text.n);
	name[n + text.n] = '\0';
	return OK;
}

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n] != '\0')
		n++;
	return n;
}

/* --- numbers: floats are moved bit by bit, in halves of 32 bits, which is cheap on small machines --- */

static uint64_t halves(uint32_t high, uint32_t low)
{
	return (uint64_t)high << 32 | low;
}

static struct senml_value float_of(uint32_t high, uint32_t low)
{
	return (struct senml_value){ .kind = SENML_FLOAT, .bits = halves(high, low) };
}

/* sign, exponent and fraction of 23 bits of binary32, exponent 0 meaning what it means there. */
static struct senml_value widen(uint32_t sign, int exponent, uint32_t fraction, int bias)
{
	if (exponent == 0 && fraction == 0)
		return float_of(sign, 0);
	if (exponent == 0)
		for (exponent = 1; (fraction & 0x800000) == 0; exponent--)
			fraction <<= 1;
	fraction &= 0x7fffff;
	return float_of(
	    sign | (uint32_t)(exponent - bias + 1023) << 20 | fraction >> 3, fraction << 29);
}

/* Infinite or not a number: no value of anything. */
static enum err take_float(struct slice *in, struct senml_value *v)
{
	uint8_t head = in->p[0];
	size_t octets = head == HALF_HEAD ? 2 : head == SINGLE_HEAD ? 4 : 8;
	const uint8_t *p = in->p + 1;
	uint32_t high;

	if (in->n < 1 + octets)
		return ERR_FORMAT;
	if (head == HALF_HEAD) {
		high = load_be16(p);
		if ((high & 0x7c00) == 0x7c00)
			return ERR_FORMAT;
		*v = widen(
		    (high & 0x8000) << 16, (int)(high >> 10 & 0x1f), (high & 0x3ff) << 13, 15);
	} else if (head == SINGLE_HEAD) {
		high = load_be32(p);
		if ((high & 0x7f800000) == 0x7f800000)
			return ERR_FORMAT;
		*v = widen(high & 0x80000000, (int)(high >> 23 & 0xff), high & 0x7fffff, 127);
	} else {
		high = load_be32(p);
		if ((high & 0x7ff00000) == 0x7ff00000)
			return ERR_FORMAT;
		*v = float_of(high, load_be32(p + 4));
	}
	in->p += 1 + octets;
	in->n -= 1 + octets;
	return OK;
}

/* A whole number whose argument has 8 bytes (RFC 8949 4.2.1: no fewer would do). */
static enum err take_long(struct slice *in, struct senml_value *v)
{
	uint32_t high, low, flip = (in->p[0] & 0xe0) != 0 ? UINT32_MAX : 0;

	if (in->n < 9)
		return ERR_FORMAT;
	high = load_be32(in->p + 1);
	low = load_be32(in->p + 5);
	if (high == 0 || high > INT32_MAX)
		return ERR_FORMAT;
	*v = (struct senml_value){ .kind = SENML_INT, .bits = halves(high ^ flip, low ^ flip) };
	in->p += 9;
	in->n -= 9;
	return OK;
}

static enum err take_number(struct slice *in, struct senml_value *v)
{
	uint32_t n;
	enum err e;

	if (in->n == 0)
		return ERR_FORMAT;
	if (in->p[0] >= HALF_HEAD && in->p[0] <= DOUBLE_HEAD)
		return take_float(in, v);
	if ((in->p[0] & 0x1f) == INT64_HEAD && in->p[0] < 0x40)
		return take_long(in, v);
	if ((e = cbor_take_uint(in, &n)) == OK)
		*v = senml_uint(n);
	else if ((e = cbor_take_head(in, CBOR_NEGATIVE, &n)) == OK)
		*v = (struct senml_value){ .kind = SENML_INT, .bits = halves(UINT32_MAX, ~n) };
	return e;
}

struct senml_value senml_int(int32_t v)
{
	return (struct senml_value){ .kind = SENML_INT,
		.bits = halves(v < 0 ? UINT32_MAX : 0, (uint32_t)v) };
}

struct senml_value senml_uint(uint32_t v)
{
	return (struct senml_value){ .kind = SENML_INT, .bits = v };
}

struct senml_value senml_text(struct slice text)
{
	return (struct senml_value){ .kind = SENML_TEXT, .data = text };
}

struct senml_value senml_bool(bool v)
{
	return (struct senml_value){ .kind = SENML_BOOL, .bits = v };
}

/* --- reading --- */

struct senml senml_reader(struct slice pack)
{
	return (struct senml){ .in = pack };
}

static enum err take_string(struct slice *in, enum cbor_major major, struct senml_value *v)
{
	enum err e = cbor_take_string(in, major, &v->data);

	v->kind = major == CBOR_TEXT ? SENML_TEXT : SENML_BYTES;
	return e == OK && v->data.n > SENML_DATA_MAX ? ERR_FORMAT : e;
}

static enum err take_bool(struct slice *in, struct senml_value *v)
{
	uint32_t n;
	enum err e = cbor_take_head(in, CBOR_SIMPLE, &n);

	if (e != OK || (n != CBOR_FALSE && n != CBOR_TRUE))
		return ERR_FORMAT;
	*v = senml_bool(n == CBOR_TRUE);
	return OK;
}

/* What a label of no meaning here stands for: one thing that holds nothing. */
static enum err take_past(struct slice *in)
{
	struct senml_value number;
	struct cbor_item item;

	if (take_number(in, &number) == OK)
		return OK;
	if (cbor_take_any(in, &item) != OK)
		return ERR_FORMAT;
	return item.major >= CBOR_ARRAY && item.major != CBOR_SIMPLE ? ERR_FORMAT : OK;
}

/* A record as it stands there. */
struct raw {
	struct slice base, name;
	bool has_base, has_base_time;
	struct senml_value value, base_time, time;
};

static enum err take_value(struct slice *in, int32_t label, struct raw *r)
{
	if (r->value.kind != SENML_NONE)
		return ERR_FORMAT;
	switch (label) {
	case VALUE:
		return take_number(in, &r->value);
	case STRING_VALUE:
		return take_string(in, CBOR_TEXT, &r->value);
	case BOOL_VALUE:
		return take_bool(in, &r->value);
	default:
		return take_string(in, CBOR_BYTES, &r->value);
	}
}

static enum err take_version(struct slice *in)
{
	uint32_t version;

	return cbor_take_uint(in, &version) == OK && version <= VERSION_MAX ? OK : ERR_FORMAT;
}

static enum err take_member(struct slice *in, int32_t label, struct raw *r)
{
	switch (label) {
	case BASE_VERSION:
		return take_version(in);
	case BASE_NAME:
		r->has_base = true;
		return cbor_take_string(in, CBOR_TEXT, &r->base);
	case BASE_TIME:
		r->has_base_time = true;
		return take_number(in, &r->base_time);
	case NAME:
		return cbor_take_string(in, CBOR_TEXT, &r->name);
	case VALUE:
	case STRING_VALUE:
	case BOOL_VALUE:
	case DATA_VALUE:
		return take_value(in, label, r);
	case TIME:
		return take_number(in, &r->time);
	case BASE_VALUE:
	case BASE_SUM:
	case SUM:
		return ERR_FORMAT;
	default:
		return take_past(in);
	}
}

/* Labels are small numbers; of each at most one. Text labels are extensions, which nobody needs here. */
static enum err take_raw(struct slice *in, struct raw *r)
{
	uint32_t pairs, seen = 0;
	int32_t label;

	*r = (struct raw){ .has_base = false };
	if (cbor_take_head(in, CBOR_MAP, &pairs) != OK)
		return ERR_FORMAT;
	for (; pairs > 0; pairs--) {
		if (cbor_take_int(in, &label) != OK || label < -16 || label > 15 ||
		    (seen >> (label + 16) & 1) != 0)
			return ERR_FORMAT;
		seen |= UINT32_C(1) << (label + 16);
		if (take_member(in, label, r) != OK)
			return ERR_FORMAT;
	}
	return OK;
}

static enum err begin(struct senml *s)
{
	if (s->in.n > 0 && s->in.p[0] == INDEFINITE_ARRAY) {
		s->indefinite = true;
		s->in.p++;
		s->in.n--;
	} else if (cbor_take_head(&s->in, CBOR_ARRAY, &s->left) != OK ||
	           s->left > SENML_RECORDS_MAX) {
		return ERR_FORMAT;
	}
	s->begun = true;
	return OK;
}

/* Whether another record comes; ERR_NOT_FOUND at the proper end. */
static enum err more(struct senml *s)
{
	if (s->indefinite && s->in.n > 0 && s->in.p[0] == BREAK)
		return s->in.n == 1 ? ERR_NOT_FOUND : ERR_FORMAT;
	if (!s->indefinite && s->left == 0)
		return s->in.n == 0 ? ERR_NOT_FOUND : ERR_FORMAT;
	return s->n < SENML_RECORDS_MAX ? OK : ERR_FORMAT;
}

enum err senml_next(struct senml *s, struct senml_record *record)
{
	struct senml now = *s;
	struct senml_record out;
	struct raw r;
	enum err e;

	if ((!now.begun && begin(&now) != OK))
		return ERR_FORMAT;
	if ((e = more(&now)) != OK)
		return e;
	if (take_raw(&now.in, &r) != OK || (r.has_base && name_add(now.base, 0, r.base) != OK))
		return ERR_FORMAT;
	if (r.has_base_time)
		now.base_time = r.base_time;
	memcpy(out.name, now.base, sizeof(out.name));
	if (name_add(out.name, length(now.base), r.name) != OK || out.name[0] == '\0' ||
	    r.value.kind == SENML_NONE)
		return ERR_FORMAT;
	out.value = r.value;
	out.base_time = now.base_time;
	out.time = r.time;
	now.left--;
	now.n++;
	*s = now;
	*record = out;
	return OK;
}

enum err senml_check(struct slice pack, size_t *n)
{
	struct senml s = senml_reader(pack);
	struct senml_record record;
	enum err e;

	while ((e = senml_next(&s, &record)) == OK)
		;
	if (e != ERR_NOT_FOUND)
		return e;
	*n = s.n;
	return OK;
}

/* --- writing --- */

void senml_begin(struct cbor_w *w, uint32_t n)
{
	cbor_put(w, CBOR_ARRAY, n);
}

void senml_begin_indefinite(struct cbor_w *w)
{
	cbor_raw(w, BYTES(INDEFINITE_ARRAY));
}

void senml_end(struct cbor_w *w)
{
	cbor_raw(w, BYTES(BREAK));
}

static void put_int(struct cbor_w *w, uint64_t bits)
{
	uint32_t high = (uint32_t)(bits >> 32), low = (uint32_t)bits, flip = 0;
	enum cbor_major major = CBOR_UINT;
	uint8_t out[9];

	if (high > INT32_MAX) {
		flip = UINT32_MAX;
		major = CBOR_NEGATIVE;
	}
	if ((high ^ flip) == 0) {
		cbor_put(w, major, low ^ flip);
		return;
	}
	out[0] = (uint8_t)((unsigned)major << 5 | INT64_HEAD);
	store_be32(out + 1, high ^ flip);
	store_be32(out + 5, low ^ flip);
	cbor_raw(w, SLICE(out));
}

/* Whether binary32 holds it as a normal number or zero; then its bits. */
static bool narrow(uint32_t high, uint32_t low, uint32_t *single)
{
	uint32_t exponent = high >> 20 & 0x7ff, sign = high & 0x80000000;

	if ((high & 0x7fffffff) == 0 && low == 0) {
		*single = sign;
		return true;
	}
	if ((low & 0x1fffffff) != 0 || exponent < 1023 - 126 || exponent > 1023 + 127)
		return false;
	*single = sign | (exponent - 1023 + 127) << 23 | (high & 0xfffff) << 3 | low >> 29;
	return true;
}

static void put_float(struct cbor_w *w, uint64_t bits)
{
	uint32_t high = (uint32_t)(bits >> 32), low = (uint32_t)bits, single;
	uint8_t out[9];

	if (narrow(high, low, &single)) {
		out[0] = SINGLE_HEAD;
		store_be32(out + 1, single);
		cbor_raw(w, (struct slice){ out, 5 });
		return;
	}
	out[0] = DOUBLE_HEAD;
	store_be32(out + 1, high);
	store_be32(out + 5, low);
	cbor_raw(w, SLICE(out));
}

static void put_number(struct cbor_w *w, const struct senml_value *v)
{
	if (v->kind == SENML_INT)
		put_int(w, v->bits);
	else if (v->kind == SENML_FLOAT && (v->bits >> 32 & 0x7ff00000) != 0x7ff00000)
		put_float(w, v->bits);
	else
		cbor_fail(w, ERR_ARG);
}

static void put_value(struct cbor_w *w, const struct senml_value *v)
{
	switch (v->kind) {
	case SENML_TEXT:
	case SENML_BYTES:
		if (v->data.n > SENML_DATA_MAX)
			cbor_fail(w, ERR_ARG);
		cbor_put_int(w, v->kind == SENML_TEXT ? STRING_VALUE : DATA_VALUE);
		cbor_put_string(w, v->kind == SENML_TEXT ? CBOR_TEXT : CBOR_BYTES, v->data);
		break;
	case SENML_BOOL:
		cbor_put_int(w, BOOL_VALUE);
		cbor_put_bool(w, v->bits != 0);
		break;
	default:
		cbor_put_int(w, VALUE);
		put_number(w, v);
		break;
	}
}

void senml_put(struct cbor_w *w, const char *name, const struct senml_value *value,
    const struct senml_value *time)
{
	struct slice text = { (const uint8_t *)name, length(name) };
	char checked[SENML_NAME_MAX + 1];

	if (text.n == 0 || name_add(checked, 0, text) != OK)
		cbor_fail(w, ERR_ARG);
	cbor_put(w, CBOR_MAP, time != NULL ? 3 : 2);
	cbor_put_int(w, NAME);
	cbor_put_string(w, CBOR_TEXT, text);
	/* Labels ascend: the time stands between a bool and bytes. */
	if (time != NULL && value->kind == SENML_BYTES) {
		cbor_put_int(w, TIME);
		put_number(w, time);
	}
	put_value(w, value);
	if (time != NULL && value->kind != SENML_BYTES) {
		cbor_put_int(w, TIME);
		put_number(w, time);
	}
}
