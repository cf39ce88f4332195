#include "trace.h"

#include <stdio.h>
#include <string.h>

/* --- a command in words --- */

typedef void describe(const struct trace_event *e, char *out, size_t cap);

static void of_zone(const struct trace_event *e, char *out, size_t cap)
{
	unsigned slot = e->p2 >> 3 & 15, block = e->p2 >> 8, word = e->p2 & 7;
	const char *how = e->p1 & 0x40 ? " encrypted" : "";

	if ((e->p1 & 3) == 2)
		snprintf(out, cap, "slot %u bytes %u..%s", slot, 32 * block + 4 * word, how);
	else
		snprintf(out, cap, "%s bytes %u..%s", e->p1 & 1 ? "OTP" : "config",
		    (e->p2 >> 3 & 3) * 32 + 4 * word, how);
}

static void of_lock(const struct trace_event *e, char *out, size_t cap)
{
	if ((e->p1 & 3) == 2)
		snprintf(out, cap, "slot %d", e->p1 >> 2 & 15);
	else
		snprintf(out, cap, "%s%s", e->p1 & 1 ? "data and OTP" : "config",
		    e->p1 & 0x80 ? " without CRC" : "");
}

static void of_genkey(const struct trace_event *e, char *out, size_t cap)
{
	snprintf(out, cap, "%s%s slot %u", e->p1 & 0x04 ? "create" : "public",
	    e->p1 & 0x18 ? " with digest" : "", e->p2);
}

static void of_sign(const struct trace_event *e, char *out, size_t cap)
{
	snprintf(out, cap, "%sslot %u", e->p1 & 0x80 ? "" : "internal ", e->p2);
}

static void of_verify(const struct trace_event *e, char *out, size_t cap)
{
	static const char *const modes[8] = { "stored key", "validate-external", "external key",
		"validate", "mode 4", "mode 5", "mode 6", "invalidate" };

	if ((e->p1 & 7) == 2)
		snprintf(out, cap, "%s", modes[2]);
	else
		snprintf(out, cap, "%s slot %u", modes[e->p1 & 7], e->p2);
}

static void of_nonce(const struct trace_event *e, char *out, size_t cap)
{
	static const char *const targets[] = { "", " into the digest buffer",
		" into the alternate key", "" };

	snprintf(out, cap, "%s%s", (e->p1 & 3) == 3 ? "fixed" : "random", targets[e->p1 >> 6]);
}

static void of_sha(const struct trace_event *e, char *out, size_t cap)
{
	static const char *const modes[8] = { "start", "update", "end", "public key", "HMAC start",
		"HMAC end", "read context", "write context" };

	snprintf(out, cap, "%s", modes[e->p1 & 7]);
}

static void of_gendig(const struct trace_event *e, char *out, size_t cap)
{
	static const char *const zones[] = { "config", "OTP", "slot", "shared nonce", "counter",
		"key config" };

	snprintf(out, cap, "%s %u", e->p1 < COUNT(zones) ? zones[e->p1] : "zone ?", e->p2);
}

static void of_counter(const struct trace_event *e, char *out, size_t cap)
{
	snprintf(out, cap, "%s %u", e->p1 ? "increment" : "read", e->p2);
}

static void of_info(const struct trace_event *e, char *out, size_t cap)
{
	static const char *const modes[] = { "revision", "key valid", "state", "GPIO",
		"volatile key" };

	snprintf(out, cap, "%s", e->p1 < COUNT(modes) ? modes[e->p1] : "mode ?");
}

static void of_aes(const struct trace_event *e, char *out, size_t cap)
{
	static const char *const modes[] = { "encrypt", "decrypt", "mode 2", "GFM" };

	snprintf(out, cap, "%s", modes[e->p1 & 3]);
}

static void of_slot(const struct trace_event *e, char *out, size_t cap)
{
	if (e->p2 == 0xFFFF)
		snprintf(out, cap, "TempKey");
	else
		snprintf(out, cap, "slot %u", e->p2);
}

static void of_nothing(const struct trace_event *e, char *out, size_t cap)
{
	snprintf(out, cap, "mode %02X", e->p1);
}

/* Mask of param1 with which the command needs TempKey; 0: never. */
enum { ALWAYS = 0x100, NEVER = 0 };

static const struct command {
	uint8_t opcode;
	const char *name;
	describe *describe;
	unsigned temp;
} commands[] = {
	{ 0x01, "Pause", of_nothing, NEVER },
	{ 0x02, "Read", of_zone, NEVER },
	{ 0x08, "MAC", of_slot, 0x03 },
	{ 0x11, "HMAC", of_slot, ALWAYS },
	{ 0x12, "Write", of_zone, 0x40 },
	{ 0x15, "GenDig", of_gendig, ALWAYS },
	{ 0x16, "Nonce", of_nonce, NEVER },
	{ 0x17, "Lock", of_lock, NEVER },
	{ 0x1B, "Random", of_nothing, NEVER },
	{ 0x1C, "DeriveKey", of_slot, ALWAYS },
	{ 0x20, "UpdateExtra", of_nothing, NEVER },
	{ 0x24, "Counter", of_counter, NEVER },
	{ 0x28, "CheckMac", of_slot, 0x03 },
	{ 0x30, "Info", of_info, NEVER },
	{ 0x40, "GenKey", of_genkey, 0x18 },
	{ 0x41, "Sign", of_sign, ALWAYS },
	{ 0x43, "ECDH", of_slot, NEVER },
	{ 0x45, "Verify", of_verify, ALWAYS },
	{ 0x46, "PrivWrite", of_slot, 0x40 },
	{ 0x47, "SHA", of_sha, NEVER },
	{ 0x51, "AES", of_aes, NEVER },
	{ 0x56, "KDF", of_nothing, NEVER },
	{ 0x77, "SelfTest", of_nothing, NEVER },
	{ 0x80, "SecureBoot", of_nothing, NEVER },
};

static const struct command *command_of(uint8_t opcode)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (commands[i].opcode == opcode)
			return &commands[i];
	}
	return NULL;
}

const char *trace_command_name(uint8_t opcode)
{
	const struct command *c = command_of(opcode);

	return c ? c->name : NULL;
}

static void say_what(struct trace_event *e)
{
	const struct command *c = command_of(e->opcode);
	char rest[48];

	if (!c) {
		snprintf(e->what, sizeof(e->what), "opcode %02X, which no chip has", e->opcode);
		return;
	}
	c->describe(e, rest, sizeof(rest));
	snprintf(e->what, sizeof(e->what), "%s %s", c->name, rest);
}

/* --- its answer --- */

static const char *status_text(int status)
{
	switch (status) {
	case 0x00:
		return "done";
	case 0x01:
		return "does not match";
	case 0x03:
		return "parse error: no chip in any state takes this";
	case 0x05:
		return "ECC fault";
	case 0x07:
		return "self test failed";
	case 0x08:
		return "random number generator failed";
	case 0x0F:
		return "execution error";
	case 0x11:
		return "the chip was reset: nothing was executed";
	case 0xEE:
		return "no time left before the watchdog: nothing was executed";
	case 0xFF:
		return "the chip saw a wrong CRC: nothing was executed";
	default:
		return NULL;
	}
}

/* 608: Sign and Verify take their message from the digest buffer instead. */
static bool from_digest_buffer(const struct trace_event *e)
{
	return (e->opcode == 0x41 || e->opcode == 0x45) && e->p1 & 0x20;
}

/* What an execution error most likely means; "" when the bus alone does not tell. */
static const char *hint(const struct trace_chip *chip)
{
	const struct trace_event *e = &chip->event;
	const struct command *c = command_of(e->opcode);

	if (!c || e->status != 0x0F || !(c->temp & (e->p1 | ALWAYS)))
		return "";
	if (from_digest_buffer(e))
		return chip->digest == TRACE_EMPTY
		           ? "; expected a Nonce before: the digest buffer is empty"
		           : "";
	return chip->temp == TRACE_EMPTY     ? "; expected a Nonce before: TempKey is empty"
	       : chip->temp == TRACE_UNKNOWN ? "; perhaps TempKey is empty: a Nonce fills it"
	                                     : "";
}

static void say_outcome(const struct trace_chip *chip, struct trace_event *e)
{
	const char *text = status_text(e->status);

	if (e->status == TRACE_UNREAD)
		snprintf(e->outcome, sizeof(e->outcome), "nobody read an answer");
	else if (e->status == TRACE_DATA)
		snprintf(e->outcome, sizeof(e->outcome), "%zu byte%s", e->out_n,
		    e->out_n == 1 ? "" : "s");
	else if (text)
		snprintf(e->outcome, sizeof(e->outcome), "%s%s", text, hint(chip));
	else
		snprintf(e->outcome, sizeof(e->outcome), "status %02X", (unsigned)e->status);
}

static bool may_fill(uint8_t opcode)
{
	return opcode == 0x15 || opcode == 0x28 || opcode == 0x40 || opcode == 0x43 ||
	       opcode == 0x47 || opcode == 0x56;
}

/* What is known of the registers after the command. */
static void follow(struct trace_chip *chip)
{
	const struct trace_event *e = &chip->event;
	bool done = e->status == TRACE_DATA || e->status == 0;

	if (e->status == 0xEE || e->status == 0xFF)
		return;
	if (e->status == 0x11) {
		chip->temp = chip->digest = TRACE_EMPTY;
	} else if (done && e->opcode == 0x16) {
		if (e->p1 >> 6 == 1)
			chip->digest = TRACE_LOADED;
		else if (e->p1 >> 6 == 0)
			chip->temp = TRACE_LOADED;
	} else if (done && e->opcode == 0x15) {
		chip->temp = TRACE_LOADED;
	} else if (done && e->opcode == 0x41 && !from_digest_buffer(e)) {
		chip->temp = TRACE_EMPTY;
	} else if (chip->temp == TRACE_LOADED || may_fill(e->opcode)) {
		chip->temp = TRACE_UNKNOWN;
		if (e->opcode == 0x47 || from_digest_buffer(e))
			chip->digest = TRACE_UNKNOWN;
	}
}

/* --- transactions --- */

void trace_init(struct trace *t)
{
	memset(t, 0, sizeof(*t));
}

static void finish(struct trace_chip *chip, struct trace_event *out)
{
	say_outcome(chip, &chip->event);
	follow(chip);
	*out = chip->event;
	chip->pending = false;
	chip->answer_n = 0;
}

static size_t unread(struct trace_chip *chip, struct trace_event *out)
{
	if (!chip->pending)
		return 0;
	chip->event.status = TRACE_UNREAD;
	finish(chip, out);
	return 1;
}

static void plain(struct trace_event *e, enum trace_kind kind, uint64_t at_us, uint8_t address)
{
	*e = (struct trace_event){ .kind = kind, .at_us = at_us, .address = address };
	snprintf(e->what, sizeof(e->what), "%s", trace_kind_name(kind));
}

static void begin(struct trace_chip *chip, uint64_t at_us, uint8_t address, struct slice packet)
{
	struct trace_event *e = &chip->event;

	plain(e, TRACE_COMMAND, at_us, address);
	e->opcode = packet.p[1];
	e->p1 = packet.p[2];
	e->p2 = load_le16(packet.p + 3);
	e->in_n = packet.n - 7;
	chip->pending = true;
	chip->answer_n = 0;
	say_what(e);
}

static size_t written(struct trace_chip *chip, uint64_t at_us, uint8_t address, struct slice p,
    struct trace_event *events)
{
	size_t n = 0;

	if (p.n == 0 || p.p[0] > 3)
		return 0;
	if (p.p[0] == 0) { /* the answer is read from its beginning again */
		chip->answer_n = 0;
		return 0;
	}
	n = unread(chip, events);
	if (p.p[0] == 3) {
		if (p.n >= 8)
			begin(chip, at_us, address, (struct slice){ p.p + 1, p.n - 1 });
		return n;
	}
	if (p.p[0] == 1)
		chip->temp = chip->digest = TRACE_EMPTY;
	plain(&events[n], p.p[0] == 1 ? TRACE_SLEEP : TRACE_IDLE, at_us, address);
	return n + 1;
}

static size_t woken(
    struct trace_chip *chip, uint64_t at_us, uint8_t address, struct trace_event *event)
{
	plain(event, TRACE_WAKE, at_us, address);
	chip->answer_n = 0;
	return 1;
}

static size_t read_from(struct trace_chip *chip, uint64_t at_us, uint8_t address, struct slice p,
    struct trace_event *event)
{
	size_t room = sizeof(chip->answer) - chip->answer_n, take = p.n < room ? p.n : room, n;
	struct trace_event *e = &chip->event;

	if (take)
		memcpy(chip->answer + chip->answer_n, p.p, take);
	chip->answer_n += take;
	n = chip->answer_n ? chip->answer[0] : 0;
	if (chip->answer_n < 4 || n < 4 || chip->answer_n < n)
		return 0;
	if (!chip->pending)
		return n == 4 && chip->answer[1] == 0x11 ? woken(chip, at_us, address, event) : 0;
	e->us = at_us >= e->at_us ? at_us - e->at_us : 0;
	e->status = n == 4 ? chip->answer[1] : TRACE_DATA;
	e->out_n = n == 4 ? 0 : n - 3;
	finish(chip, event);
	return 1;
}

static size_t power(struct trace *t, uint64_t at_us, struct trace_event *event)
{
	for (size_t i = 0; i < COUNT(t->chips); i++)
		t->chips[i] = (struct trace_chip){ .temp = TRACE_EMPTY, .digest = TRACE_EMPTY };
	plain(event, TRACE_POWER, at_us, 0);
	return 1;
}

/* From here on things may go wrong that no client has caused. */
static size_t planned(uint64_t at_us, uint8_t address, bool ends, struct trace_event *event)
{
	plain(event, TRACE_PLAN, at_us, address);
	if (ends)
		snprintf(event->what, sizeof(event->what), "fault plan ended");
	return 1;
}

size_t trace_take(struct trace *t, uint64_t at_us, struct slice request, struct slice reply,
    struct trace_event events[2])
{
	struct trace_chip *chip;
	uint8_t address;

	if (request.n < 4 || reply.n < 3 || request.p[1] > 0x77)
		return 0;
	address = request.p[1];
	chip = &t->chips[address];
	if (request.p[0] == 'P')
		return power(t, at_us, events);
	if (reply.p[0] != 0) {
		if (request.p[0] == 'R' && chip->pending)
			chip->event.polls++;
		return 0;
	}
	if (request.p[0] == 'F')
		return planned(at_us, address, request.n == 4, events);
	if (request.p[0] == 'W')
		return written(
		    chip, at_us, address, (struct slice){ request.p + 4, request.n - 4 }, events);
	if (request.p[0] == 'R')
		return read_from(
		    chip, at_us, address, (struct slice){ reply.p + 3, reply.n - 3 }, events);
	return 0;
}

const char *trace_kind_name(enum trace_kind kind)
{
	static const char *const names[TRACE_KINDS] = { "wake", "command", "idle", "sleep",
		"power lost and back", "fault plan set" };

	return names[kind];
}
