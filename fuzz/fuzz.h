/*
 * fuzz.h -- a fuzz target is one function; it aborts when a promise is broken.
 *
 * Built twice: with libFuzzer (`make fuzz`) and with replay.c, which runs the corpus in `make
 * test`.
 */
#ifndef IMPRINT_FUZZ_H
#define IMPRINT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define CHECK(promise)                                                                             \
	do {                                                                                       \
		if (!(promise))                                                                    \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
