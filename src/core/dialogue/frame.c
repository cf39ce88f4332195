#include "frame.h"

#include <string.h>

#define CRC_SIZE 2

/* CRC-16/X-25: polynomial 1021 reflected, all ones before and inverted after. */
static uint16_t crc_of(const uint8_t *p, size_t n)
{
	unsigned crc = 0xffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc & 1) != 0 ? crc >> 1 ^ 0x8408 : crc >> 1;
	}
	return (uint16_t)~crc;
}

size_t frame_close(uint8_t *p, uint8_t type, size_t n)
{
	uint8_t *tail = p + FRAME_HEAD + n;

	p[0] = 0x55;
	p[1] = 0xaa;
	p[2] = type;
	store_be16(p + 3, (uint16_t)(n + CRC_SIZE));
	store_be16(tail, crc_of(p + FRAME_HEAD, n));
	tail[2] = 0xaa;
	tail[3] = 0x55;
	return FRAME_SIZE(n);
}

struct frame_reader frame_reader(uint8_t *buffer, size_t cap)
{
	return (struct frame_reader){ buffer, cap, 0, 0 };
}

static void drop(struct frame_reader *r, size_t n)
{
	r->n -= n;
	memmove(r->p, r->p + n, r->n);
}

/* Drops what cannot be the beginning of a frame: everything before the next mark or half mark. */
static void hunt(struct frame_reader *r, size_t from)
{
	size_t i = from;

	while (i < r->n && (r->p[i] != 0x55 || (i + 1 < r->n && r->p[i + 1] != 0xaa)))
		i++;
	drop(r, i);
}

/* Bytes that the frame at the front will have; 0 when none can begin like this. */
static size_t frame_size(const struct frame_reader *r)
{
	size_t n;

	if (r->n < FRAME_HEAD)
		return FRAME_HEAD;
	n = load_be16(r->p + 3);
	if (n <= CRC_SIZE || FRAME_SIZE(n - CRC_SIZE) > r->cap)
		return 0;
	return FRAME_SIZE(n - CRC_SIZE);
}

static bool is_whole(const struct frame_reader *r, size_t size)
{
	const uint8_t *tail = r->p + size - FRAME_TAIL;

	return load_be16(tail) == crc_of(r->p + FRAME_HEAD, size - FRAME_SIZE(0)) &&
	       tail[2] == 0xaa && tail[3] == 0x55;
}

/* Looks at what is there; false when more bytes are needed. */
static bool found(struct frame_reader *r, struct frame *f)
{
	size_t size;

	while (r->n > 0 && (size = frame_size(r)) <= r->n) {
		if (size > FRAME_HEAD && is_whole(r, size)) {
			r->used = size;
			f->type = r->p[2];
			f->payload = (struct slice){ r->p + FRAME_HEAD, size - FRAME_SIZE(0) };
			return true;
		}
		hunt(r, 1);
	}
	return false;
}

bool frame_take(struct frame_reader *r, struct slice *in, struct frame *f)
{
	if (r->used > 0) {
		drop(r, r->used);
		r->used = 0;
		hunt(r, 0);
	}
	while (!found(r, f)) {
		if (in->n == 0)
			return false;
		r->p[r->n++] = *in->p++;
		in->n--;
		hunt(r, 0);
	}
	return true;
}

void frame_silence(struct frame_reader *r)
{
	if (r->used == 0 && r->n > 0)
		hunt(r, 1);
}

bool frame_begun(const struct frame_reader *r)
{
	return r->n > r->used;
}
