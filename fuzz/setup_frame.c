/*
 * The reader of frames: whatever arrives and however it is cut, a frame that is given out stood in the
 * input as frame_close writes it, frames do not overlap, and a good one is found after silence.
 *
 * Input: a byte for the size of the pieces, then what arrives.
 */
#include "frame.h"
#include "fuzz.h"

#include <string.h>

#define CAP FRAME_SIZE(64)

struct run {
	struct slice all;
	size_t from; /* where in `all` the next frame may begin */
};

/* Finds the frame in what was sent, behind the one before. */
static void check(struct run *r, const struct frame *f)
{
	uint8_t made[CAP];
	size_t n;

	CHECK(f->payload.n >= 1 && FRAME_SIZE(f->payload.n) <= CAP);
	memcpy(made + FRAME_HEAD, f->payload.p, f->payload.n);
	n = frame_close(made, f->type, f->payload.n);
	while (r->all.n - r->from >= n && memcmp(r->all.p + r->from, made, n) != 0)
		r->from++;
	CHECK(r->all.n - r->from >= n);
	r->from += n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t buffer[CAP], good[FRAME_SIZE(3)] = { [FRAME_HEAD] = 1, 2, 3 };
	struct frame_reader r = frame_reader(buffer, sizeof(buffer));
	struct run run = { { NULL, 0 }, 0 };
	struct slice last = { good, frame_close(good, FRAME_ANSWER, 3) }, none = { NULL, 0 };
	struct frame f;
	size_t piece, rounds = 0;

	if (size == 0)
		return 0;
	piece = 1 + data[0];
	run.all = (struct slice){ data + 1, size - 1 };
	for (size_t at = 0; at < run.all.n; at += piece) {
		size_t left = run.all.n - at;
		struct slice in = { run.all.p + at, left < piece ? left : piece };

		while (frame_take(&r, &in, &f))
			check(&run, &f);
		CHECK(in.n == 0);
	}
	while (frame_begun(&r)) {
		frame_silence(&r);
		while (frame_take(&r, &none, &f))
			check(&run, &f);
		CHECK(rounds++ <= CAP);
	}
	CHECK(frame_take(&r, &last, &f) && f.type == FRAME_ANSWER && f.payload.n == 3);
	return 0;
}
