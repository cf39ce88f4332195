#include "frames.h"

#include <string.h>

enum { HEADER = 4 };
enum { DONE, NO_ADDRESS, NO_DATA, ILLEGAL };

void frames_init(struct frames *f)
{
	f->in_n = f->out_n = f->out_at = 0;
	f->ended = f->listening = false;
}

uint8_t *frames_room(struct frames *f, size_t *n)
{
	*n = f->ended ? 0 : sizeof(f->in) - f->in_n;
	return f->in + f->in_n;
}

void frames_arrived(struct frames *f, size_t n)
{
	f->in_n += n;
}

struct slice frames_reply(const struct frames *f)
{
	return (struct slice){ f->out + f->out_at, f->out_n - f->out_at };
}

void frames_sent(struct frames *f, size_t n)
{
	f->out_at += n;
	if (f->out_at == f->out_n)
		f->out_at = f->out_n = 0;
}

static void reply(struct frames *f, uint8_t status, size_t n)
{
	f->out[0] = status;
	store_le16(f->out + 1, (uint16_t)n);
	f->out_n = 3 + n;
	f->out_at = 0;
}

static uint8_t write_all(struct wire *w, uint8_t addr7, const uint8_t *p, size_t n)
{
	enum emu_ack best = EMU_NACK_ADDRESS;

	for (size_t i = 0; i < w->n; i++) {
		enum emu_ack ack = emu_i2c_write(w->chips[i], addr7, p, n);

		if (best != EMU_STUCK &&
		    (ack == EMU_STUCK || ack == EMU_ACK || best == EMU_NACK_ADDRESS))
			best = ack;
	}
	if (addr7 == 0)
		w->seen.wakes++;
	/* Word address, count, opcode. */
	if (best == EMU_ACK && n >= 3 && p[0] == 0x03)
		w->seen.opcodes[p[2]]++;
	return best == EMU_ACK         ? DONE
	       : best == EMU_NACK_DATA ? NO_DATA
	       : best == EMU_STUCK     ? ILLEGAL
	                               : NO_ADDRESS;
}

static uint8_t read_all(struct wire *w, uint8_t addr7, uint8_t *p, size_t n)
{
	uint8_t one[FRAME_DATA_MAX], status = NO_ADDRESS;
	bool stuck = false;

	memset(p, 0xFF, n);
	for (size_t i = 0; i < w->n; i++) {
		enum emu_ack ack = emu_i2c_read(w->chips[i], addr7, one, n);

		if (ack == EMU_STUCK)
			stuck = true;
		if (ack != EMU_ACK)
			continue;
		status = DONE;
		for (size_t k = 0; k < n; k++)
			p[k] &= one[k];
	}
	return stuck ? ILLEGAL : status;
}

/* Reserved addresses are no chip's; the reply says so instead of looking like an absent one. */
static bool address_legal(uint8_t addr7)
{
	return addr7 <= 0x77;
}

static void answer(struct frames *f, struct wire *w, uint8_t op, uint8_t addr7, size_t len)
{
	const uint8_t *data = f->in + HEADER;
	uint8_t status = DONE;

	w->seen.frames++;
	if (op == 'L') {
		f->listening = true;
		reply(f, DONE, 0);
		return;
	}
	if ((op == 'W' || op == 'R') && !address_legal(addr7)) {
		status = ILLEGAL;
	} else if (op == 'W') {
		status = write_all(w, addr7, data, len);
	} else if (op == 'R') {
		status = read_all(w, addr7, f->out + 3, len);
		reply(f, status, status == DONE ? len : 0);
		return;
	} else if (op == 'P') {
		for (size_t i = 0; i < w->n; i++)
			emu_power_cycle(w->chips[i]);
	} else if (len == 4) {
		for (size_t i = 0; i < w->n; i++)
			emu_advance(w->chips[i], load_le32(data));
	} else {
		status = ILLEGAL;
	}
	if (status == ILLEGAL)
		w->seen.refused++;
	reply(f, status, 0);
}

static void end(struct frames *f, struct wire *w)
{
	w->seen.refused++;
	f->ended = true;
	reply(f, ILLEGAL, 0);
}

bool frames_step(struct frames *f, struct wire *w)
{
	size_t len, need;
	uint8_t op;

	if (f->out_n || f->ended || f->listening || f->in_n < HEADER)
		return false;
	op = f->in[0];
	len = load_le16(f->in + 2);
	if (!memchr("WRPTL", op, 5) || (len > FRAME_DATA_MAX && op != 'P')) {
		end(f, w);
		return true;
	}
	need = HEADER + (op == 'W' || op == 'T' ? len : 0);
	if (f->in_n < need)
		return false;
	answer(f, w, op, f->in[1], len);
	if (w->heard && op != 'L')
		w->heard(w->heard_ctx, (struct slice){ f->in, need }, frames_reply(f));
	memmove(f->in, f->in + need, f->in_n - need);
	f->in_n -= need;
	return true;
}
