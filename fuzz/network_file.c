/* Files with network settings: whatever is taken is in range for the wire. */
#include "fuzz.h"
#include "network_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct network_file *file = NULL;
	unsigned field;

	if (network_file_parse((struct slice){ data, size }, &file, NULL) == OK)
		CHECK(setup_network_check(network_file_settings(file), &field) == OK);
	network_file_free(file);
	return 0;
}
