/*
 * Packets by dice: a command that the family does not have, or data of a size that the command never
 * takes, is status 03 in every state of the chip; a packet that arrives damaged is FF. Neither changes
 * anything, nor does a command that the state forbids (0F). The sizes stand here as the data sheets list
 * them.
 */
#include "command.h"
#include "rig.h"

enum { A508 = 1, A608 = 2 };

/* Data bytes that some mode of the command takes; SHA and KDF take ranges. */
static const struct {
	uint8_t opcode, families, n;
	uint8_t sizes[4];
} commands[] = {
	{ 0x01, A508, 1, { 0 } },                                           /* Pause */
	{ 0x02, A508 | A608, 1, { 0 } },                                    /* Read */
	{ 0x08, A508 | A608, 2, { 0, 32 } },                                /* MAC */
	{ 0x11, A508, 1, { 0 } },                                           /* HMAC */
	{ 0x12, A508 | A608, 3, { 4, 32, 64 } },                            /* Write */
	{ 0x15, A508 | A608, 3, { 0, 4, 32 } },                             /* GenDig */
	{ 0x16, A508, 2, { 20, 32 } },                                      /* Nonce */
	{ 0x16, A608, 3, { 20, 32, 64 } }, { 0x17, A508 | A608, 1, { 0 } }, /* Lock */
	{ 0x1B, A508 | A608, 1, { 0 } },                                    /* Random */
	{ 0x1C, A508 | A608, 2, { 0, 32 } },                                /* DeriveKey */
	{ 0x20, A508 | A608, 1, { 0 } },                                    /* UpdateExtra */
	{ 0x24, A508 | A608, 1, { 0 } },                                    /* Counter */
	{ 0x28, A508 | A608, 1, { 77 } },                                   /* CheckMac */
	{ 0x30, A508 | A608, 1, { 0 } },                                    /* Info */
	{ 0x40, A508 | A608, 2, { 0, 3 } },                                 /* GenKey */
	{ 0x41, A508 | A608, 1, { 0 } },                                    /* Sign */
	{ 0x43, A508 | A608, 1, { 64 } },                                   /* ECDH */
	{ 0x45, A508 | A608, 3, { 64, 83, 128 } },                          /* Verify */
	{ 0x46, A508 | A608, 2, { 36, 68 } },                               /* PrivWrite */
	{ 0x51, A608, 2, { 16, 32 } },                                      /* AES */
	{ 0x77, A608, 1, { 0 } },                                           /* SelfTest */
	{ 0x80, A608, 2, { 32, 96 } },                                      /* SecureBoot */
};

/* 1: the family takes so many bytes with this command; 0: never; -1: it depends. */
static int takes(unsigned family, uint8_t opcode, size_t n)
{
	if (opcode == 0x47)
		return -1; /* SHA: up to 64, or a context */
	if (opcode == 0x56 && family == A608)
		return n < 4 ? 0 : -1; /* KDF: details and a message */
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (commands[i].opcode != opcode || !(commands[i].families & family))
			continue;
		for (size_t k = 0; k < commands[i].n; k++) {
			if (commands[i].sizes[k] == n)
				return 1;
		}
	}
	return 0;
}

static uint32_t dice(uint32_t *state, uint32_t sides)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % sides;
}

/* Half of them are what a host might send: a command, one of its sizes, small numbers. */
static size_t throw_packet(uint32_t *seed, uint8_t packet[160])
{
	static const uint8_t modes[] = { 0, 1, 2, 3, 4, 0x10, 0x40, 0x80, 0x82, 0xC2 };
	const size_t row = dice(seed, COUNT(commands));
	bool likely = dice(seed, 2);
	uint8_t opcode = likely || dice(seed, 2) ? commands[row].opcode : (uint8_t)dice(seed, 256);
	uint8_t p1 = likely ? modes[dice(seed, COUNT(modes))] : (uint8_t)dice(seed, 256), in[150];
	size_t n =
	    likely ? commands[row].sizes[dice(seed, commands[row].n)] : dice(seed, sizeof(in));

	for (size_t i = 0; i < n; i++)
		in[i] = (uint8_t)dice(seed, 256);
	return rig_packet(packet, opcode, p1, dice(seed, likely ? 16 : 65536), SLICE_OF(in, n));
}

struct tally {
	unsigned unknown, damaged, refused, done, wrong;
};

static void one(struct engine *g, unsigned family, uint32_t *seed, struct tally *t)
{
	uint8_t packet[160], response[EMU_RESPONSE_MAX];
	size_t n = throw_packet(seed, packet), data = n - 7;
	bool damaged = dice(seed, 16) == 0;
	const struct memory before = g->mem;
	struct answer a;
	bool good;

	if (damaged)
		packet[dice(seed, (uint32_t)n)] ^= (uint8_t)(1u << dice(seed, 8));
	n = engine_execute(g, SLICE_OF(packet, n), response);
	if (n == 0) /* Pause */
		return;
	a = rig_answer(response, n);
	good = damaged                               ? a.status == 0xFF
	       : takes(family, packet[1], data) == 0 ? a.status == 0x03
	                                             : a.status != 0xFF;
	t->done += a.status <= 0;
	t->damaged += damaged;
	t->unknown += !damaged && takes(family, packet[1], data) == 0;
	if (a.status == 0x03 || a.status == 0xFF || a.status == 0x0F) {
		t->refused++;
		good = good && memcmp(before.config, g->mem.config, sizeof(before.config)) == 0 &&
		       memcmp(before.otp, g->mem.otp, sizeof(before.otp)) == 0;
		for (unsigned slot = 0; slot < SLOTS; slot++)
			good = good && memcmp(slot_bytes(&before, slot), slot_bytes(&g->mem, slot),
			                   slot_size(slot)) == 0;
	}
	if (!good) {
		printf("# opcode %02X, param1 %02X, param2 %04X, %zu bytes: %02X\n", packet[1],
		    packet[2], load_le16(packet + 3), data, (unsigned)a.status);
		t->wrong++;
	}
}

int main(void)
{
	static const char *const states[] = { "fresh", "configuration locked", "locked" };
	struct engine g;

	if (engine_init(&g, NULL, NULL, NULL) != OK)
		return 1;
	for (int family = EMU_ATECC508A; family <= EMU_ATECC608B; family++) {
		for (int state = FRESH; state <= BOTH_LOCKED; state++) {
			struct tally t = { 0 };
			uint32_t seed = 20251123u + (uint32_t)(family * 3 + state);

			for (unsigned i = 0; i < 3000; i++) {
				/* A lucky Lock must not end what is tried here. */
				if (i % 50 == 0)
					rig_chip(
					    &g, (enum emu_family)family, (enum rig_state)state);
				one(&g, family == EMU_ATECC508A ? A508 : A608, &seed, &t);
			}
			ok(t.wrong == 0 && t.unknown > 500 && t.damaged > 100 && t.done > 50,
			    "%s, %s: %u unknown, %u damaged, %u refused in all, %u done",
			    emu_family_name((enum emu_family)family), states[state], t.unknown,
			    t.damaged, t.refused, t.done);
		}
	}
	engine_free(&g);
	return done_testing();
}
