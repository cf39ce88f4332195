/* The emulator's state file: what is accepted is written back byte for byte. */
#include "fuzz.h"
#include "sha256.h"
#include "state.h"

#include <string.h>

static void check(struct slice in)
{
	uint8_t again[STATE_SIZE];
	struct memory m;

	if (state_parse(in, &m, NULL) != OK)
		return;
	CHECK(in.n == STATE_SIZE && memory_fault(&m) == NULL);
	state_encode(&m, again);
	CHECK(memcmp(again, in.p, STATE_SIZE) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sealed[STATE_SIZE];

	check((struct slice){ data, size });
	/* Again with a right checksum, which no mutation finds. */
	if (size >= STATE_SIZE) {
		memcpy(sealed, data, STATE_SIZE - 32);
		sha256((struct slice){ sealed, STATE_SIZE - 32 }, sealed + STATE_SIZE - 32);
		check(SLICE(sealed));
	}
	return 0;
}
