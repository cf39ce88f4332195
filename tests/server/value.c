/* Values of properties: from what boards send to JSON and back, nothing lost. */
#include "tap.h"
#include "value.h"

#include <stdlib.h>

static struct senml_value float_value(double v)
{
	struct senml_value value = { .kind = SENML_FLOAT };

	memcpy(&value.bits, &v, sizeof(v));
	return value;
}

static void table(void)
{
	const struct {
		struct senml_value value;
		const char *json;
	} cases[] = {
		{ senml_int(0), "0" },
		{ senml_int(-7), "-7" },
		{ { .kind = SENML_INT, .bits = INT64_MAX }, "9223372036854775807" },
		{ { .kind = SENML_INT, .bits = (uint64_t)INT64_MIN }, "-9223372036854775808" },
		{ senml_bool(true), "true" },
		{ senml_bool(false), "false" },
		{ senml_text(TEXT("")), "\"\"" },
		{ senml_text(TEXT("a \"b\" \xc3\xbc\n")), "\"a \\\"b\\\" \xc3\xbc\\n\"" },
		{ float_value(21.5), "21.5" },
		{ float_value((double)21.1f), "21.1" },
		{ float_value(21.1), "21.1" },
		{ float_value(0.1), "0.1" },
		{ float_value(3), "3.0" },
		{ float_value(-0.0), "-0.0" },
		{ float_value(1e20), "1e+20" },
		{ float_value((double)16777216.0f), "16777216.0" },
		{ float_value(1.0 / 3), "0.3333333333333333" },
		{ float_value(1.7976931348623157e308), "1.7976931348623157e+308" },
		{ float_value(5e-324), "5e-324" },
	};
	char json[STORE_JSON_MAX + 1], again[STORE_JSON_MAX + 1], text[SENML_DATA_MAX];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct senml_value back = { .kind = SENML_NONE };
		enum err e = value_json(&cases[i].value, json);

		ok(e == OK && strcmp(json, cases[i].json) == 0, "%s (%s)", cases[i].json, json);
		ok(value_senml(json, text, &back) == OK && back.kind == cases[i].value.kind &&
		        slice_equal(back.data, cases[i].value.data) &&
		        value_json(&back, again) == OK && strcmp(again, json) == 0,
		    "%s and back", json);
	}
}

static void refused(void)
{
	static const char *const wrong[] = { "", "null", "[]", "{}", "x", "1 2", "1e999",
		"9223372036854775808", "\"\xff\"" };
	struct senml_value v = { .kind = SENML_BYTES, .data = TEXT("a") };
	char json[STORE_JSON_MAX + 1], text[SENML_DATA_MAX];
	uint8_t quotes[SENML_DATA_MAX];

	ok(value_json(&v, json) == ERR_FORMAT, "bytes are no JSON");
	v = (struct senml_value){ .kind = SENML_FLOAT, .bits = UINT64_C(0x7ff0000000000000) };
	ok(value_json(&v, json) == ERR_FORMAT, "nor is an infinite number");
	memset(quotes, '"', sizeof(quotes));
	v = senml_text((struct slice){ quotes, 255 });
	ok(value_json(&v, json) == OK && strlen(json) == 512, "255 quotes have room");
	v = senml_text((struct slice){ quotes, 256 });
	ok(value_json(&v, json) == ERR_SPACE, "256 do not");
	for (size_t i = 0; i < COUNT(wrong); i++)
		ok(value_senml(wrong[i], text, &v) == ERR_FORMAT, "'%s' is no value", wrong[i]);
}

/* Floats of 32 bits come back as the same 32 bits. */
static void floats(void)
{
	uint32_t state = 1;
	unsigned wrong = 0;

	for (int i = 0; i < 20000; i++) {
		char json[STORE_JSON_MAX + 1], text[SENML_DATA_MAX];
		struct senml_value v, back;
		float f, g;
		double d;

		state = state * 1664525 + 1013904223;
		memcpy(&f, &state, sizeof(f));
		if (((state >> 23) & 0xff) == 0xff)
			continue;
		v = float_value((double)f);
		if (value_json(&v, json) != OK || value_senml(json, text, &back) != OK) {
			wrong++;
			continue;
		}
		memcpy(&d, &back.bits, sizeof(d));
		g = (float)d;
		wrong += memcmp(&f, &g, sizeof(f)) != 0 || strlen(json) > 16;
	}
	ok(wrong == 0, "20000 floats of 32 bits and back (%u not)", wrong);
}

int main(void)
{
	table();
	refused();
	floats();
	return done_testing();
}
