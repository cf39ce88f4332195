#include "timing.h"

/* Tenths of a millisecond. */
static const struct {
	uint8_t opcode;
	uint16_t typical_508, max_508, typical_608, max_608;
} times[] = {
	{ 0x01, 10, 30, 0, 0 },         /* Pause */
	{ 0x02, 1, 50, 5, 50 },         /* Read */
	{ 0x08, 50, 140, 90, 550 },     /* MAC */
	{ 0x11, 130, 230, 0, 0 },       /* HMAC */
	{ 0x12, 70, 260, 100, 450 },    /* Write */
	{ 0x15, 50, 110, 60, 250 },     /* GenDig */
	{ 0x16, 70, 290, 80, 200 },     /* Nonce, random */
	{ 0x17, 80, 320, 150, 350 },    /* Lock */
	{ 0x1B, 10, 230, 100, 230 },    /* Random */
	{ 0x1C, 20, 500, 100, 500 },    /* DeriveKey */
	{ 0x20, 80, 100, 50, 100 },     /* UpdateExtra */
	{ 0x24, 50, 200, 80, 250 },     /* Counter */
	{ 0x28, 50, 130, 90, 400 },     /* CheckMac */
	{ 0x30, 1, 20, 5, 50 },         /* Info */
	{ 0x40, 110, 1150, 600, 1150 }, /* GenKey */
	{ 0x41, 420, 600, 450, 1150 },  /* Sign */
	{ 0x43, 380, 580, 400, 750 },   /* ECDH */
	{ 0x45, 380, 720, 450, 1050 },  /* Verify */
	{ 0x46, 10, 480, 60, 500 },     /* PrivWrite */
	{ 0x47, 70, 90, 40, 360 },      /* SHA */
	{ 0x51, 0, 0, 50, 270 },        /* AES */
	{ 0x56, 0, 0, 200, 1650 },      /* KDF */
	{ 0x77, 0, 0, 800, 2500 },      /* SelfTest */
	{ 0x80, 0, 0, 500, 800 },       /* SecureBoot */
};

/* A nonce that comes from the host needs no random numbers. */
static bool pass_through(uint8_t opcode, uint8_t param1)
{
	return opcode == 0x16 && (param1 & 3) == 3;
}

uint32_t timing_us(enum emu_timing profile, bool is_608, uint8_t opcode, uint8_t param1)
{
	if (profile == EMU_INSTANT)
		return 0;
	for (size_t i = 0; i < COUNT(times); i++) {
		if (times[i].opcode != opcode)
			continue;
		if (profile == EMU_MAX)
			return (is_608 ? times[i].max_608 : times[i].max_508) * 100u;
		if (pass_through(opcode, param1))
			return is_608 ? 500 : 100;
		return (is_608 ? times[i].typical_608 : times[i].typical_508) * 100u;
	}
	return 0;
}
