/* DER that is read element by element, at every depth, is written again as it was. */
#include "der.h"
#include "fuzz.h"

#include <string.h>

#define DEPTH 24 /* deeper content is copied as it is */

static void again(struct slice in, struct der_w *w, unsigned depth)
{
	struct slice body, whole;
	uint8_t tag;

	while (in.n > 0) {
		struct slice before = in;
		size_t mark;

		if (der_take_any(&in, &tag, &body, &whole) != OK) {
			CHECK(in.p == before.p && in.n == before.n);
			der_raw(w, in); /* what is not DER is not our concern */
			return;
		}
		CHECK(
		    whole.p == before.p && whole.n + in.n == before.n && in.p == whole.p + whole.n);
		CHECK(body.p + body.n == in.p && body.n < whole.n);
		mark = der_open(w, tag);
		if ((tag & 0x20) != 0 && depth < DEPTH)
			again(body, w, depth + 1);
		else
			der_raw(w, body);
		der_close(w, mark);
	}
}

/* The typed readers, on whatever comes first. */
static void typed(struct slice in)
{
	uint8_t number[24], buffer[32];
	struct slice rest = in, octets, out;
	struct der_w w = der_writer(buffer, sizeof(buffer));

	if (der_take_uint(&rest, number, sizeof(number)) == OK) {
		der_put_uint(&w, SLICE(number));
		CHECK(der_finish(&w, &out) == OK);
		CHECK(slice_equal(out, (struct slice){ in.p, in.n - rest.n }));
	}
	rest = in;
	if (der_take_bits(&rest, &octets) == OK)
		CHECK(octets.n < in.n && octets.p + octets.n == rest.p);
	rest = in;
	if (der_take_oid(&rest, &octets) == OK)
		CHECK(octets.n > 0 && octets.p + octets.n == rest.p);
	(void)der_ascending(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buffer[1 << 17];
	struct slice in = { data, size }, out;
	struct der_w w = der_writer(buffer, sizeof(buffer));

	if (size > 0xffff)
		return 0;
	again(in, &w, 0);
	CHECK(der_finish(&w, &out) == OK && slice_equal(out, in));
	typed(in);
	return 0;
}
