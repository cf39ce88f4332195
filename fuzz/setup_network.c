/* Network settings as a board keeps them: what is taken is in range, and written again it is the same. */
#include "cbor.h"
#include "fuzz.h"
#include "setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct setup_network network;
	uint8_t again[SETUP_MESSAGE_MAX];
	struct cbor_w w = cbor_writer(again, sizeof(again));
	struct slice out;
	unsigned field;

	if (setup_network_take((struct slice){ data, size }, &network) != OK)
		return 0;
	CHECK(setup_network_check(&network, &field) == OK);
	setup_network_put(&w, &network);
	CHECK(cbor_finish(&w, &out) == OK && slice_equal(out, (struct slice){ data, size }));
	return 0;
}
