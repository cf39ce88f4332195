/* Frames: those of Provisioning 2.0, and finding them again after anything. */
#include "frame.h"
#include "tap.h"
#include "vectors.h"

static uint8_t buffer[FRAME_SIZE(512)];

static void vectors(void)
{
	for (size_t i = 0; i < vector_frames_n; i++) {
		const struct vector_frame *v = &vector_frames[i];
		struct frame_reader r = frame_reader(buffer, sizeof(buffer));
		struct slice in = v->frame;
		uint8_t made[sizeof(buffer)];
		struct frame f;
		bool taken = frame_take(&r, &in, &f);

		if (!v->well_formed) {
			ok(!taken && in.n == 0, "%s: no frame", v->name);
			continue;
		}
		ok(taken && in.n == 0 && f.type == v->type && slice_equal(f.payload, v->payload),
		    "%s: taken", v->name);
		memcpy(made + FRAME_HEAD, v->payload.p, v->payload.n);
		is_bytes(made, frame_close(made, v->type, v->payload.n), v->frame.p, v->frame.n,
		    v->name);
	}
}

static size_t make(uint8_t *out, uint8_t type, struct slice payload)
{
	memcpy(out + FRAME_HEAD, payload.p, payload.n);
	return frame_close(out, type, payload.n);
}

/* Feeds in pieces; counts the frames whose payload is `want`. */
static unsigned feed(
    struct frame_reader *r, const uint8_t *p, size_t n, size_t piece, struct slice want)
{
	unsigned good = 0;

	for (size_t at = 0; at < n; at += piece) {
		struct slice in = { p + at, n - at < piece ? n - at : piece };
		struct frame f;

		while (frame_take(r, &in, &f))
			good += slice_equal(f.payload, want);
	}
	return good;
}

/* The same stream in pieces of every size: text, marks in text, two frames, half a mark. */
static void pieces(void)
{
	static const char before[] = "booting U\x55 55 AA \x55\xaa", between[] = "\x55\x55";
	uint8_t stream[128];
	struct slice want = BYTES(0x55, 0xaa, 0x10, 0x00, 0x03, 1);
	size_t n = 0, whole = 0;

	memcpy(stream, before, sizeof(before));
	n = sizeof(before);
	n += make(stream + n, FRAME_REQUEST, want);
	memcpy(stream + n, between, 2);
	n += 2;
	n += make(stream + n, FRAME_REQUEST, want);
	for (size_t piece = 1; piece <= n; piece++) {
		struct frame_reader r = frame_reader(buffer, sizeof(buffer));

		whole += feed(&r, stream, n, piece, want) == 2;
	}
	ok(whole == n, "two frames in text, in pieces of every size");
}

/* Gives up every mark that waits for more; counts as above. */
static unsigned settle(struct frame_reader *r, struct slice want)
{
	unsigned good = 0;

	while (frame_begun(r)) {
		struct slice none = { NULL, 0 };
		struct frame f;

		frame_silence(r);
		while (frame_take(r, &none, &f))
			good += slice_equal(f.payload, want);
	}
	return good;
}

/* A frame that is cut anywhere may wait for more than is left; silence gives back what it swallowed. */
static void cuts(void)
{
	struct slice want = BYTES(1, 2, 3, 4, 5, 6, 7, 8);
	uint8_t one[FRAME_SIZE(8)];
	size_t n = make(one, FRAME_ANSWER, want), after = 0, silent = 0;

	for (size_t cut = 0; cut < n; cut++) {
		struct frame_reader r = frame_reader(buffer, sizeof(buffer));

		(void)feed(&r, one, cut, n, want);
		after +=
		    feed(&r, one, n, n, want) + feed(&r, one, n, n, want) + settle(&r, want) == 2;
		(void)feed(&r, one, cut, n, want);
		(void)settle(&r, want);
		silent += feed(&r, one, n, n, want) == 1;
	}
	ok(after == n, "cut at every byte, two whole ones follow, silence: both are found");
	ok(silent == n, "cut at every byte, silence, a whole one follows: found");
}

static void flips(void)
{
	struct slice want = BYTES(1, 2, 3, 4, 5, 6, 7, 8);
	uint8_t one[FRAME_SIZE(8)], two[2 * sizeof(one)];
	size_t n = make(one, FRAME_ANSWER, want), refused = 0, found = 0, kept = 0;

	for (size_t bit = 0; bit < 8 * n; bit++) {
		struct frame_reader r = frame_reader(buffer, sizeof(buffer));
		struct slice in = { two, n };
		struct frame f;

		memcpy(two, one, n);
		two[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (bit / 8 == 2) { /* the CRC does not cover the type */
			kept += frame_take(&r, &in, &f) && f.type != FRAME_ANSWER;
			continue;
		}
		refused += feed(&r, two, n, n, want) == 0;
		/* A length that has grown waits for more than the next frame has. */
		frame_silence(&r);
		found += feed(&r, one, n, n, want) == 1;
	}
	ok(kept == 8, "another type is another frame");
	ok(refused == 8 * (n - 1), "every other bit that flips is a frame lost");
	ok(found == 8 * (n - 1), "and after silence the next one is found");
}

static void limits(void)
{
	uint8_t small[FRAME_SIZE(4)], one[FRAME_SIZE(5)];
	struct frame_reader r = frame_reader(small, sizeof(small));
	static const uint8_t empty[] = { 0x55, 0xaa, 2, 0, 2, 0, 0, 0xaa, 0x55 };
	struct slice five = BYTES(1, 2, 3, 4, 5), four = BYTES(1, 2, 3, 4);
	size_t n = make(one, FRAME_DATA, five);

	ok(feed(&r, one, n, n, five) == 0, "a frame above the buffer is no frame");
	n = make(one, FRAME_DATA, four);
	ok(feed(&r, one, n, n, four) == 1, "one that fills it is");
	ok(feed(&r, empty, sizeof(empty), 1, four) == 0, "a frame without payload is none");
	ok(feed(&r, one, n, n, four) == 1, "and the next is found");
}

int main(void)
{
	vectors();
	pieces();
	cuts();
	flips();
	limits();
	return done_testing();
}
