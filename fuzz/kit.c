/*
 * The kit protocol, the kit's side: bytes come in pieces. Every line gets one reply, a reply is one
 * line of hex in parentheses, and no line can hold the connection for ever.
 */
#include "fuzz.h"
#include "kit.h"

#include <string.h>

static size_t replies;

static void take_reply(struct kit *k)
{
	struct slice r = kit_reply(k);
	const uint8_t *open = memchr(r.p, '(', r.n);

	CHECK(r.n >= 5 && r.p[r.n - 1] == '\n' && r.p[r.n - 2] == ')');
	CHECK(memchr(r.p, '\n', r.n) == r.p + r.n - 1 && open && open - r.p >= 2);
	for (const uint8_t *p = open + 1; p < r.p + r.n - 2; p++)
		CHECK((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'F'));
	kit_sent(k, 1);
	CHECK(kit_reply(k).n == r.n - 1);
	kit_sent(k, r.n - 1);
	CHECK(kit_reply(k).n == 0);
	replies++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct emu_options o = { .family = EMU_ATECC608B };
	struct emu *chip;
	static struct kit k;
	uint64_t now = 0;
	size_t at = 0, lines = 0;

	if (emu_open(NULL, &o, &chip, NULL) != OK)
		return 0;
	kit_init(&k);
	replies = 0;
	while (at < size) {
		size_t n = 1 + data[at] % 61u;

		CHECK(kit_room(&k) > 0);
		n = n > size - at ? size - at : n;
		n = n > kit_room(&k) ? kit_room(&k) : n;
		kit_take(&k, data + at, n);
		at += n;
		while (kit_step(&k, &chip, 1, now) || kit_working(&k)) {
			if (kit_reply(&k).n)
				take_reply(&k);
			now += 100;
		}
	}
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	CHECK(replies == lines);
	emu_free(chip);
	return 0;
}
