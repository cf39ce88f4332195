/* A time of RFC 3339: what is taken is within the calendar, and its hour is one that exists. */
#include "fuzz.h"
#include "utc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct x509_hour hour;
	int64_t seconds = 0;

	if (utc_read((struct slice){ data, size }, &seconds) != OK) {
		CHECK(seconds == 0);
		return 0;
	}
	/* A zone may carry it a day over either end. */
	CHECK(seconds >= INT64_C(-62135596800) - 86400 && seconds <= INT64_C(253402300800) + 86400);
	if (seconds >= INT64_C(-62135596800) && seconds <= INT64_C(253402300799))
		CHECK(utc_hour(seconds, &hour) == OK);
	return 0;
}
