/* A message that is taken is written again as it was; of what is not to be read, the tag alone. */
#include "thing_message.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[1 << 16];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct thing_message m;
	struct slice out;

	if (size > sizeof(bytes) || thing_message_parse((struct slice){ data, size }, &m) != OK)
		return 0;
	CHECK(m.kind < THING_MESSAGE_KINDS);
	thing_message_put(&w, &m);
	CHECK(cbor_finish(&w, &out) == OK);
	if (m.kind == NET_CONFIG || m.kind <= OTA_PROGRESS)
		CHECK(m.body.n == 0);
	else
		CHECK(slice_equal(out, (struct slice){ data, size }));
	return 0;
}
