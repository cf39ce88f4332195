/*
 * SEI2C/1, the server's side: a connection gets the bytes in pieces. Replies are well formed and as
 * many as there were whole requests; nothing is sent after the end of a connection.
 */
#include "fuzz.h"
#include "frames.h"

#include <string.h>

static size_t replies;

/* Takes whole replies apart; each was finished before the next request was looked at. */
static void take_reply(struct frames *f)
{
	struct slice r = frames_reply(f);

	CHECK(r.n >= 3 && r.p[0] <= 4);
	CHECK(r.n == 3u + load_le16(r.p + 1));
	CHECK(r.p[0] == 0 || r.p[0] == 4 || r.n == 3);
	frames_sent(f, 1);
	CHECK(frames_reply(f).n == r.n - 1);
	frames_sent(f, r.n - 1);
	CHECK(frames_reply(f).n == 0);
	replies++;
}

/* The same count by reading the specification. */
static size_t expected(const uint8_t *p, size_t n)
{
	size_t count = 0;

	while (n >= 4) {
		size_t len = load_le16(p + 2), need = 4;

		count++;
		if (!memchr("WRPTLFI", p[0], 7) || (len > 4096 && p[0] != 'P'))
			return count;
		if (p[0] == 'L') /* listens and takes no more requests */
			return count;
		if (p[0] == 'W' || p[0] == 'T' || p[0] == 'F')
			need += len;
		if (n < need)
			return count - 1;
		p += need;
		n -= need;
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct emu_options o = { .family = EMU_ATECC608B };
	static struct frames f;
	struct wire w = { .n = 1 };
	size_t at = 0;

	if (emu_open(NULL, &o, &w.chips[0], NULL) != OK)
		return 0;
	frames_init(&f);
	replies = 0;
	while (at < size && !f.ended && !f.listening) {
		size_t room, n;
		uint8_t *p = frames_room(&f, &room);

		CHECK(room > 0);
		n = 1 + data[at] % 61u;
		n = n > size - at ? size - at : n;
		n = n > room ? room : n;
		memcpy(p, data + at, n);
		frames_arrived(&f, n);
		at += n;
		while (frames_step(&f, &w))
			take_reply(&f);
	}
	CHECK(replies == expected(data, size));
	CHECK(w.seen.frames <= replies);
	emu_free(w.chips[0]);
	return 0;
}
