/* CBOR that is taken is written again as it was, item by item; every taker stays inside its slice. */
#include "cbor.h"
#include "fuzz.h"

/* The item is valid at every depth, so its parts are too. */
static void again(struct slice in, struct cbor_w *w)
{
	while (in.n > 0) {
		struct slice before = in, body;
		struct cbor_item item;
		enum cbor_major major = (enum cbor_major)(in.p[0] >> 5);
		uint32_t argument;
		int32_t number;

		if (major <= CBOR_NEGATIVE && cbor_take_int(&in, &number) == OK) {
			cbor_put_int(w, number);
		} else if (major == CBOR_BYTES || major == CBOR_TEXT) {
			CHECK(cbor_take_string(&in, major, &body) == OK);
			cbor_put_string(w, major, body);
		} else {
			CHECK(cbor_take_any(&before, &item) == OK && item.major == major);
			CHECK(cbor_take_head(&in, major, &argument) == OK);
			CHECK(argument == item.argument);
			cbor_put(w, major, argument);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buffer[1 << 16];
	struct slice in = { data, size }, out;
	struct cbor_w w = cbor_writer(buffer, sizeof(buffer));
	struct cbor_item item;

	if (size > sizeof(buffer))
		return 0;
	if (cbor_take_any(&in, &item) != OK) {
		CHECK(in.p == data && in.n == size);
		return 0;
	}
	CHECK(in.n < size && in.p + in.n == data + size);
	CHECK(item.body.p + item.body.n <= in.p);
	again((struct slice){ data, size - in.n }, &w);
	CHECK(cbor_finish(&w, &out) == OK && slice_equal(out, (struct slice){ data, size - in.n }));
	return 0;
}
