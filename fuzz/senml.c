/* SenML that is taken is written again and read the same; names, numbers and lengths keep their bounds. */
#include "senml.h"
#include "fuzz.h"

#include <string.h>

static bool same(const struct senml_value *a, const struct senml_value *b)
{
	return a->kind == b->kind && a->bits == b->bits && slice_equal(a->data, b->data);
}

static void again(struct slice pack, size_t n)
{
	static uint8_t bytes[SENML_RECORDS_MAX * (SENML_NAME_MAX + SENML_DATA_MAX + 32)];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct senml a = senml_reader(pack), b;
	struct senml_record r, copy;
	struct slice out;

	senml_begin(&w, (uint32_t)n);
	while (senml_next(&a, &r) == OK) {
		CHECK(r.name[0] != '\0' && strlen(r.name) <= SENML_NAME_MAX);
		CHECK(r.value.kind != SENML_NONE && r.value.data.n <= SENML_DATA_MAX);
		senml_put(&w, r.name, &r.value, r.time.kind != SENML_NONE ? &r.time : NULL);
	}
	CHECK(cbor_finish(&w, &out) == OK);
	a = senml_reader(pack);
	b = senml_reader(out);
	while (senml_next(&a, &r) == OK) {
		CHECK(senml_next(&b, &copy) == OK && strcmp(r.name, copy.name) == 0);
		CHECK(same(&r.value, &copy.value) && same(&r.time, &copy.time));
	}
	CHECK(senml_next(&b, &copy) == ERR_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = SENML_RECORDS_MAX + 1;

	if (senml_check((struct slice){ data, size }, &n) == OK) {
		CHECK(n <= SENML_RECORDS_MAX);
		again((struct slice){ data, size }, n);
	} else {
		CHECK(n == SENML_RECORDS_MAX + 1);
	}
	return 0;
}
