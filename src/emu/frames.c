#include "frames.h"

#include <string.h>

enum { HEADER = 4 };
enum { DONE, NO_ADDRESS, NO_DATA, ILLEGAL, REFUSED };

void frames_init(struct frames *f)
{
	f->in_n = f->out_n = f->out_at = 0;
	f->ended = f->listening = f->holds = false;
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

/* --- what is not on the wire of a real chip --- */

static void set_faults(struct frames *f, struct wire *w, uint8_t addr7, struct slice plan)
{
	uint8_t status = NO_ADDRESS;
	struct emu_info info;
	struct errbuf eb;
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		emu_info(w->chips[i], &info);
		if (info.address != addr7)
			continue;
		status = DONE;
		if (emu_faults_set(w->chips[i], plan, &eb) != OK) {
			status = REFUSED;
			n = strlen(eb.text);
			memcpy(f->out + 3, eb.text, n);
		}
	}
	reply(f, status, n);
}

static void put_counts(const struct emu_info *info, uint8_t out[FRAME_COUNTS])
{
	store_le16(out, (uint16_t)info->faults);
	store_le16(out + 2, (uint16_t)info->faults_left);
	store_le32(out + 4, info->wear_config);
	store_le32(out + 8, info->wear_otp);
	for (size_t i = 0; i < COUNT(info->wear_slot); i++)
		store_le32(out + 12 + 4 * i, info->wear_slot[i]);
	store_le32(out + 76, (uint32_t)info->busy_us);
	store_le32(out + 80, (uint32_t)(info->busy_us >> 32));
	for (size_t i = 0; i < COUNT(info->commands); i++)
		store_le32(out + 84 + 4 * i, info->commands[i]);
}

/* Behind the end of what is counted are zeros. */
static void tell_counts(struct frames *f, const struct wire *w, uint8_t addr7, size_t n)
{
	uint8_t counts[FRAME_COUNTS];
	struct emu_info info;

	for (size_t i = 0; i < w->n; i++) {
		emu_info(w->chips[i], &info);
		if (info.address != addr7)
			continue;
		put_counts(&info, counts);
		memset(f->out + 3, 0, n);
		memcpy(f->out + 3, counts, n < sizeof(counts) ? n : sizeof(counts));
		reply(f, DONE, n);
		return;
	}
	reply(f, NO_ADDRESS, 0);
}

/* Reserved addresses are no chip's; the reply says so instead of looking like an absent one. */
static bool address_legal(uint8_t addr7)
{
	return addr7 <= 0x77;
}

/* Word addresses 01 and 02, Sleep and Idle. */
static bool is_rest(uint8_t addr7, const uint8_t *data, size_t n)
{
	return addr7 != 0 && n == 1 && (data[0] == 0x01 || data[0] == 0x02);
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
	if (strchr("WRFI", op) && !address_legal(addr7)) {
		status = ILLEGAL;
	} else if (op == 'W') {
		status = write_all(w, addr7, data, len);
		if (addr7 == 0)
			f->holds = true;
		else if (status == DONE && is_rest(addr7, data, len))
			f->holds = false;
	} else if (op == 'R') {
		status = read_all(w, addr7, f->out + 3, len);
		reply(f, status, status == DONE ? len : 0);
		return;
	} else if (op == 'F') {
		set_faults(f, w, addr7, (struct slice){ data, len });
		return;
	} else if (op == 'I') {
		tell_counts(f, w, addr7, len);
		return;
	} else if (op == 'P') {
		for (size_t i = 0; i < w->n; i++)
			emu_power_cycle(w->chips[i]);
		f->holds = false;
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
	if (!memchr("WRPTLFI", op, 7) || (len > FRAME_DATA_MAX && op != 'P')) {
		end(f, w);
		return true;
	}
	need = HEADER + (op == 'W' || op == 'T' || op == 'F' ? len : 0);
	if (f->in_n < need)
		return false;
	answer(f, w, op, f->in[1], len);
	if (w->heard && op != 'L')
		w->heard(w->heard_ctx, (struct slice){ f->in, need }, frames_reply(f));
	memmove(f->in, f->in + need, f->in_n - need);
	f->in_n -= need;
	return true;
}
