#include "kit.h"

#include "text.h"

#include <string.h>

void kit_init(struct kit *k)
{
	memset(k, 0, sizeof(*k));
}

size_t kit_room(const struct kit *k)
{
	return sizeof(k->in) - k->in_n;
}

void kit_take(struct kit *k, const uint8_t *p, size_t n)
{
	memcpy(k->in + k->in_n, p, n);
	k->in_n += n;
}

bool kit_working(const struct kit *k)
{
	return k->working;
}

struct slice kit_reply(const struct kit *k)
{
	return (struct slice){ (const uint8_t *)k->out + k->out_at, k->out_n - k->out_at };
}

void kit_sent(struct kit *k, size_t n)
{
	k->out_at += n;
	if (k->out_at == k->out_n)
		k->out_at = k->out_n = 0;
}

/* --- replies --- */

static void put(struct kit *k, const char *text)
{
	size_t n = strlen(text);

	memcpy(k->out + k->out_n, text, n);
	k->out_n += n;
}

static void put_hex(struct kit *k, const uint8_t *p, size_t n)
{
	char hex[2 * EMU_RESPONSE_MAX + 1];

	hex_encode((struct slice){ p, n }, HEX_UPPER, hex);
	put(k, hex);
}

static void reply(struct kit *k, enum kit_status status, const uint8_t *p, size_t n)
{
	uint8_t code = (uint8_t)status;

	put_hex(k, &code, 1);
	put(k, "(");
	put_hex(k, p, n);
	put(k, ")\n");
}

static void say(struct kit *k, enum kit_status status)
{
	reply(k, status, NULL, 0);
}

/* --- the chip --- */

static uint8_t address_of(struct emu *chip)
{
	struct emu_info info;

	emu_info(chip, &info);
	return info.address;
}

/* Word address and data to the chip that is selected. */
static enum emu_ack put_bytes(struct emu *chip, const uint8_t *p, size_t n)
{
	return emu_i2c_write(chip, address_of(chip), p, n);
}

static enum kit_status status_of(enum emu_ack ack)
{
	return ack == EMU_ACK ? KIT_DONE : ack == EMU_STUCK ? KIT_BUS : KIT_NO_ANSWER;
}

/* Reads from the start of the chip's output buffer; a chip that works acknowledges nothing. */
static void collect(struct kit *k, struct emu *chip, uint64_t now_ms)
{
	static const uint8_t reset = 0x00;
	uint8_t p[EMU_RESPONSE_MAX];
	enum emu_ack ack = put_bytes(chip, &reset, 1);

	if (ack == EMU_ACK)
		ack = emu_i2c_read(chip, address_of(chip), p, sizeof(p));
	k->working = ack != EMU_ACK && ack != EMU_STUCK && now_ms < k->give_up_ms;
	if (k->working)
		return;
	if (ack != EMU_ACK) {
		say(k, ack == EMU_STUCK ? KIT_BUS : KIT_TIMEOUT);
		return;
	}
	/* FF is what the bus floats to: no packet is as long. */
	if (p[0] < 4 || p[0] == 0xFF)
		say(k, KIT_NO_ANSWER);
	else
		reply(k, KIT_DONE, p, p[0]);
}

static void wake(
    struct kit *k, struct emu *const *chips, size_t n, struct slice none, uint64_t now_ms)
{
	if (none.n) {
		say(k, KIT_MALFORMED);
		return;
	}
	for (size_t i = 0; i < n; i++)
		(void)emu_i2c_write(chips[i], 0, NULL, 0); /* never acknowledged */
	k->give_up_ms = now_ms + KIT_WAKE_MS;
	collect(k, chips[k->selected], now_ms);
}

static void talk(struct kit *k, struct emu *chip, struct slice hex, uint64_t now_ms)
{
	uint8_t packet[1 + 255] = { 0x03 };
	size_t n = hex.n / 2;
	enum emu_ack ack;

	if (n == 0 || n > 255 || hex_decode(hex, packet + 1, n) != OK) {
		say(k, KIT_MALFORMED);
	} else if ((ack = put_bytes(chip, packet, 1 + n)) != EMU_ACK) {
		say(k, status_of(ack));
	} else {
		k->give_up_ms = now_ms + KIT_TALK_MS;
		collect(k, chip, now_ms);
	}
}

static void rest(struct kit *k, struct emu *chip, uint8_t word, struct slice none)
{
	if (none.n)
		say(k, KIT_MALFORMED);
	else
		say(k, status_of(put_bytes(chip, &word, 1)));
}

/* --- lines --- */

static void device(struct kit *k, struct emu *const *chips, size_t n, struct slice number)
{
	struct emu_info info;
	uint8_t i;

	if (hex_decode(number, &i, 1) != OK) {
		say(k, KIT_MALFORMED);
		return;
	}
	if (i >= n) {
		put(k, "no_device 00(00)\n");
		return;
	}
	emu_info(chips[i], &info);
	put(k, info.family == EMU_ATECC508A ? "ECC508 TWI " : "ECC608 TWI ");
	reply(k, (enum kit_status)i, &info.address, 1);
}

static void choose(struct kit *k, struct emu *const *chips, size_t n, struct slice hex)
{
	uint8_t address;

	if (hex_decode(hex, &address, 1) != OK) {
		say(k, KIT_MALFORMED);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (address_of(chips[i]) == address) {
			k->selected = i;
			say(k, KIT_DONE);
			return;
		}
	}
	say(k, KIT_NO_CHIP);
}

/* Takes `name` from the front of the line. */
static bool begins(struct slice *line, const char *name)
{
	size_t n = strlen(name);

	if (line->n < n || memcmp(line->p, name, n) != 0)
		return false;
	*line = (struct slice){ line->p + n, line->n - n };
	return true;
}

/* NAME( ... ): what is between the parentheses. */
static bool call(struct slice *line, const char *name)
{
	struct slice in = *line;

	if (!begins(&in, name) || in.n == 0 || in.p[in.n - 1] != ')')
		return false;
	*line = (struct slice){ in.p, in.n - 1 };
	return true;
}

static void chip_line(
    struct kit *k, struct emu *const *chips, size_t n, struct slice line, uint64_t now_ms)
{
	struct emu *chip = chips[k->selected];

	if (call(&line, "physical:select("))
		choose(k, chips, n, line);
	else if (begins(&line, "physical:interface:"))
		say(k, begins(&line, "i2c") && line.n == 0 ? KIT_DONE : KIT_UNKNOWN);
	else if (call(&line, "w("))
		wake(k, chips, n, line, now_ms);
	else if (call(&line, "t("))
		talk(k, chip, line, now_ms);
	else if (call(&line, "i("))
		rest(k, chip, 0x02, line);
	else if (call(&line, "s("))
		rest(k, chip, 0x01, line);
	else
		say(k, KIT_UNKNOWN);
}

static void answer(struct kit *k, struct emu *const *chips, size_t n, uint64_t now_ms)
{
	struct slice line = { (const uint8_t *)k->line, k->line_n };

	if (k->too_long)
		say(k, KIT_TOO_LONG);
	else if (call(&line, "board:device("))
		device(k, chips, n, line);
	else if (begins(&line, "E:") || begins(&line, "d:"))
		chip_line(k, chips, n, line, now_ms);
	else
		say(k, KIT_UNKNOWN);
	k->line_n = 0;
	k->too_long = false;
}

/* Moves bytes from `in` to `line`. True when the line is whole. */
static bool gather(struct kit *k)
{
	bool whole = false;
	size_t at = 0;

	while (at < k->in_n && !whole) {
		char c = k->in[at++];

		whole = c == '\n';
		if (whole || c == '\0' || c == '\r')
			continue;
		if (k->line_n < sizeof(k->line))
			k->line[k->line_n++] = c;
		else
			k->too_long = true;
	}
	k->in_n -= at;
	memmove(k->in, k->in + at, k->in_n);
	return whole;
}

bool kit_step(struct kit *k, struct emu *const *chips, size_t n, uint64_t now_ms)
{
	if (k->out_n)
		return false;
	if (k->working)
		collect(k, chips[k->selected], now_ms);
	else if (gather(k))
		answer(k, chips, n, now_ms);
	return k->out_n > 0;
}
