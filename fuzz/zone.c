/* A file of a time zone, behind eight bytes of a time: what it says is possible, and comes to an end. */
#include "zone.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t now, until = 0;
	int32_t offset = 0;

	if (size < 8)
		return 0;
	now = (int64_t)((uint64_t)load_be32(data) << 32 | load_be32(data + 4));
	if (zone_parse((struct slice){ data + 8, size - 8 }, now, &offset, &until) != OK)
		return 0;
	CHECK(offset > -26 * 3600 && offset < 26 * 3600);
	CHECK(until > now || until == INT64_MAX);
	return 0;
}
