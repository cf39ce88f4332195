#include "value.h"
#include "json_out.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 32

/* Fewest digits that lead back to it: 9 are enough for 32 bits, 17 for 64. */
static void float_text(double v, char text[NUMBER_MAX])
{
	bool single = v <= (double)FLT_MAX && v >= -(double)FLT_MAX && (double)(float)v == v;
	int digits = 1;

	do
		snprintf(text, NUMBER_MAX, "%.*g", digits, v);
	while (
	    (single ? strtof(text, NULL) != (float)v : strtod(text, NULL) != v) && ++digits <= 17);
	/* A float stays one. */
	if (!strpbrk(text, ".e"))
		memcpy(text + strlen(text), ".0", 3);
}

static double double_of(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void put(const struct senml_value *value, struct json_out *w)
{
	char text[NUMBER_MAX + 2];

	switch (value->kind) {
	case SENML_INT:
		json_int(w, NULL, (int64_t)value->bits);
		break;
	case SENML_FLOAT:
		float_text(double_of(value->bits), text);
		json_raw(w, NULL, text);
		break;
	case SENML_TEXT:
		json_slice(w, NULL, value->data);
		break;
	default:
		json_bool(w, NULL, value->bits != 0);
	}
}

enum err value_json(const struct senml_value *value, char json[STORE_JSON_MAX + 1])
{
	struct json_out w;
	uint8_t *bytes;
	size_t n;
	enum err e;

	if (value->kind == SENML_NONE || value->kind == SENML_BYTES)
		return ERR_FORMAT;
	if (value->kind == SENML_FLOAT && !isfinite(double_of(value->bits)))
		return ERR_FORMAT;
	w = json_out(64);
	put(value, &w);
	if ((e = json_finish(&w, &bytes, &n)) != OK)
		return e;
	if (n > STORE_JSON_MAX) {
		e = ERR_SPACE;
	} else {
		memcpy(json, bytes, n);
		json[n] = '\0';
	}
	free(bytes);
	return e;
}

static enum err take(json_t *v, char text[SENML_DATA_MAX], struct senml_value *value)
{
	double number;

	if (json_is_boolean(v)) {
		*value = senml_bool(json_is_true(v));
	} else if (json_is_integer(v)) {
		*value = (struct senml_value){ .kind = SENML_INT,
			.bits = (uint64_t)json_integer_value(v) };
	} else if (json_is_real(v)) {
		number = json_real_value(v);
		value->kind = SENML_FLOAT;
		value->data = (struct slice){ NULL, 0 };
		memcpy(&value->bits, &number, sizeof(number));
	} else if (json_is_string(v) && json_string_length(v) <= SENML_DATA_MAX) {
		memcpy(text, json_string_value(v), json_string_length(v));
		*value = senml_text((struct slice){ (const uint8_t *)text, json_string_length(v) });
	} else {
		return ERR_FORMAT;
	}
	return OK;
}

enum err value_senml(const char *json, char text[SENML_DATA_MAX], struct senml_value *value)
{
	json_t *v = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	enum err e = v ? take(v, text, value) : ERR_FORMAT;

	json_decref(v);
	return e;
}
