/* A value that is taken from JSON is written again, and the two are the same from then on. */
#include "value.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char json[STORE_JSON_MAX + 1], again[STORE_JSON_MAX + 1], text[SENML_DATA_MAX];
	struct senml_value v;

	if (size > STORE_JSON_MAX)
		return 0;
	memcpy(json, data, size);
	json[size] = '\0';
	if (value_senml(json, text, &v) != OK)
		return 0;
	CHECK(v.kind != SENML_NONE && v.kind != SENML_BYTES && v.data.n <= SENML_DATA_MAX);
	if (value_json(&v, json) != OK) /* escapes may have made it longer */
		return 0;
	CHECK(value_senml(json, text, &v) == OK && value_json(&v, again) == OK);
	CHECK(strcmp(json, again) == 0);
	return 0;
}
