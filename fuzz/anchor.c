/*
 * What a board believes about its broker: whatever the file holds, an anchor is a CA's name and a point in
 * its uncompressed form, or nothing.
 */
#include "fuzz.h"
#include "tls.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_anchor anchor, before;
	struct errbuf eb = { "" };

	memset(&anchor, 0xA5, sizeof(anchor));
	before = anchor;
	if (tls_anchor_parse((struct slice){ data, size }, &anchor, &eb) != OK) {
		CHECK(memcmp(&anchor, &before, sizeof(anchor)) == 0 && eb.text[0] != '\0');
		return 0;
	}
	CHECK(anchor.name_n >= 1 && anchor.name_n <= TLS_ANCHOR_NAME_MAX && anchor.point[0] == 4);
	return 0;
}
