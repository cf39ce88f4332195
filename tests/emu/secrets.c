/*
 * Level 2: secrets in slots. MAC, HMAC, CheckMac, GenDig, DeriveKey, encrypted Read, Write, PrivWrite,
 * validation of public keys, limited use, authorization, the version of each that a host calculates.
 */
#include "command.h"
#include "rig.h"

static const uint8_t key3[32] = "the key in slot 3, 32 bytes long";
static const uint8_t *const sn = rig_serial;

#define SN8 SLICE_OF(sn + 8, 1)
#define SN01 SLICE_OF(sn, 2)
#define SN47 SLICE_OF(sn + 4, 4)
#define SN23 SLICE_OF(sn + 2, 2)

static void chip(struct engine *g, enum emu_family family)
{
	uint8_t otp[64];

	rig_chip(g, family, BOTH_LOCKED);
	rig_secret(g, 3, key3);
	for (size_t i = 0; i < 64; i++)
		otp[i] = (uint8_t)(0x80 + i);
	memory_write_otp(&g->mem, 0, otp, 64);
}

/* --- GenDig, all zones, and MAC, all modes: a model of TempKey walks along --- */

struct model {
	uint8_t temp[32];
	uint8_t source;
};

static void model_gendig(
    const struct engine *g, struct model *m, unsigned zone, unsigned p2, const uint8_t *other)
{
	const struct memory *mem = &g->mem;
	uint8_t filling[25] = { 0 }, header[4] = { 0x15, (uint8_t)zone, (uint8_t)p2, 0 };
	struct slice first = ZEROS(32), last = SLICE(m->temp);

	if (zone == 0)
		first = SLICE_OF(mem->config + 32 * p2, 32);
	else if (zone == 1)
		first = SLICE_OF(mem->otp + 32 * p2, 32);
	else if (zone == 2)
		first = SLICE_OF(slot_bytes(mem, p2), 32);
	else if (zone == 3 && p2 & 0x8000)
		first = SLICE(m->temp), last = SLICE_OF(other, 32);
	else if (zone == 3)
		first = SLICE_OF(other, 32);
	else if (zone == 4)
		filling[1] = 5; /* the counter's value */
	else {
		memcpy(filling + 1, mem->config + 20 + 2 * p2, 2);
		memcpy(filling + 3, mem->config + 96 + 2 * p2, 2);
		filling[5] = load_le16(mem->config + 88) >> p2 & 1;
	}
	HASH(m->temp, first, SLICE(header), SN8, SN01, SLICE(filling), last);
}

static void model_mac(const struct engine *g, const struct model *m, uint8_t mode, unsigned slot,
    const uint8_t *challenge, uint8_t out[32])
{
	uint8_t header[4] = { 0x08, mode, (uint8_t)slot, 0 }, otp[11] = { 0 };
	bool serial = mode & 0x40;

	if (mode & 0x10)
		memcpy(otp, g->mem.otp, 11);
	else if (mode & 0x20)
		memcpy(otp, g->mem.otp, 8);
	HASH(out, mode & 2 ? SLICE(m->temp) : SLICE_OF(slot_bytes(&g->mem, slot), 32),
	    mode & 1 ? SLICE(m->temp) : SLICE_OF(challenge, 32), SLICE(header), SLICE(otp), SN8,
	    serial ? SN47 : ZEROS(4), SN01, serial ? SN23 : ZEROS(2));
}

static uint32_t dice(uint32_t *state, uint32_t sides)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % sides;
}

static void walk(struct engine *g, enum emu_family family, uint32_t seed)
{
	static const unsigned limits[] = { 4, 2, 1, 1, 2, 16 };
	uint8_t other[32], want[32], temp[32];
	unsigned agreed = 0, rounds = 300;
	struct model m;
	struct answer a;

	chip(g, family);
	for (int i = 0; i < 5; i++) {
		rig_send(g, 0x24, 1, 0, NOTHING);
		rig_send(g, 0x24, 1, 1, NOTHING);
	}
	for (unsigned i = 0; i < rounds; i++) {
		uint8_t mode = (uint8_t)(dice(&seed, 8) | dice(&seed, 8) << 4);

		memset(other, (int)dice(&seed, 256), 32);
		m.source = (uint8_t)dice(&seed, 2);
		if (m.source) {
			memcpy(m.temp, other, 32);
			rig_send(g, 0x16, 3, 0, SLICE(other));
		} else {
			rig_nonce(g, temp);
			memcpy(m.temp, temp, 32);
		}
		for (uint32_t k = dice(&seed, 4); k > 0; k--) {
			unsigned zone = dice(&seed, 6);
			unsigned p2 = zone == 2   ? 3
			              : zone == 3 ? dice(&seed, 2) << 15 | 9
			                          : dice(&seed, limits[zone]);

			a = rig_send(
			    g, 0x15, (uint8_t)zone, p2, zone == 3 ? SLICE(other) : NOTHING);
			if (a.status != 0)
				printf(
				    "# GenDig zone %u, %u: %02X\n", zone, p2, (unsigned)a.status);
			model_gendig(g, &m, zone, p2, other);
		}
		if (mode & 3) /* where TempKey takes part, the mode must name its source */
			mode = (uint8_t)((mode & ~4) | m.source << 2);
		a = rig_send(g, 0x08, mode, 3, mode & 1 ? NOTHING : SLICE(other));
		model_mac(g, &m, mode, 3, other, want);
		agreed += a.n == 32 && memcmp(a.p, want, 32) == 0;
	}
	ok(agreed == rounds,
	    "%s: %u of %u random walks through GenDig end in the MAC that the host expects",
	    emu_family_name(family), agreed, rounds);
}

/* --- refusals, by table --- */

enum prepared { EMPTY, RANDOM, LOADED, SESSION };

static const struct {
	const char *name;
	uint8_t opcode, p1;
	uint16_t p2;
	uint8_t n, prepared;
	int want; /* status, or -n for n bytes of data */
} refusals[] = {
	{ "MAC", 0x08, 0x00, 3, 32, EMPTY, -32 },
	{ "MAC without challenge", 0x08, 0x00, 3, 0, EMPTY, 3 },
	{ "MAC with TempKey and a challenge", 0x08, 0x01, 3, 32, RANDOM, 3 },
	{ "MAC mode 8", 0x08, 0x08, 3, 32, EMPTY, 3 },
	{ "MAC slot 16", 0x08, 0x00, 16, 32, EMPTY, 3 },
	{ "MAC, TempKey empty", 0x08, 0x01, 3, 0, EMPTY, 0x0F },
	{ "MAC, other source", 0x08, 0x05, 3, 0, RANDOM, 0x0F },
	{ "MAC, other source", 0x08, 0x01, 3, 0, LOADED, 0x0F },
	{ "MAC, source named", 0x08, 0x05, 3, 0, LOADED, -32 },
	{ "MAC with a private key", 0x08, 0x00, 0, 32, EMPTY, 0x0F },
	{ "GenDig, TempKey empty", 0x15, 0x02, 3, 0, EMPTY, 0x0F },
	{ "GenDig zone 6", 0x15, 0x06, 0, 0, RANDOM, 3 },
	{ "GenDig config block 4", 0x15, 0x00, 4, 0, RANDOM, 3 },
	{ "GenDig OTP block 2", 0x15, 0x01, 2, 0, RANDOM, 3 },
	{ "GenDig slot 16", 0x15, 0x02, 16, 0, RANDOM, 3 },
	{ "GenDig private key", 0x15, 0x02, 0, 0, RANDOM, 0x0F },
	{ "GenDig shared nonce without data", 0x15, 0x03, 0, 0, RANDOM, 3 },
	{ "GenDig config with data", 0x15, 0x00, 0, 4, RANDOM, 3 },
	{ "GenDig counter 2", 0x15, 0x04, 2, 0, RANDOM, 3 },
	{ "GenDig with OtherData that the key does not need", 0x15, 0x02, 3, 4, RANDOM, 0 },
	{ "CheckMac, 76 bytes", 0x28, 0x00, 3, 76, EMPTY, 3 },
	{ "CheckMac mode 8", 0x28, 0x08, 3, 77, EMPTY, 3 },
	{ "CheckMac, wrong", 0x28, 0x00, 3, 77, EMPTY, 1 },
	{ "CheckMac, TempKey empty", 0x28, 0x01, 3, 77, EMPTY, 0x0F },
	{ "CheckMac, private key", 0x28, 0x00, 0, 77, EMPTY, 0x0F },
	{ "DeriveKey mode 1", 0x1C, 0x01, 3, 0, RANDOM, 3 },
	{ "DeriveKey with 31 bytes", 0x1C, 0x00, 3, 31, RANDOM, 3 },
	{ "DeriveKey, WriteConfig forbids", 0x1C, 0x00, 3, 0, RANDOM, 0x0F },
	{ "DeriveKey, private slot", 0x1C, 0x00, 0, 0, RANDOM, 0x0F },
	{ "Read encrypted, TempKey empty", 0x02, 0x82, 5 << 3, 0, EMPTY, 0x0F },
	{ "Read encrypted, a nonce alone", 0x02, 0x82, 5 << 3, 0, RANDOM, 0x0F },
	{ "Read encrypted", 0x02, 0x82, 5 << 3, 0, SESSION, -32 },
	{ "Read encrypted, 4 bytes", 0x02, 0x02, 5 << 3, 0, SESSION, 0x0F },
	{ "Write encrypted, 32 bytes", 0x12, 0xC2, 5 << 3, 32, SESSION, 3 },
	{ "Write encrypted, a word", 0x12, 0x42, 5 << 3, 36, SESSION, 3 },
	{ "Write encrypted, OTP", 0x12, 0xC1, 0, 64, SESSION, 3 },
	{ "Write encrypted, TempKey empty", 0x12, 0xC2, 5 << 3, 64, EMPTY, 0x0F },
	{ "Write encrypted, wrong MAC", 0x12, 0xC2, 5 << 3, 64, SESSION, 1 },
	{ "Write encrypted, open slot", 0x12, 0xC2, 10 << 3, 64, SESSION, 0x0F },
	{ "PrivWrite mode 1", 0x46, 0x01, 7, 36, SESSION, 3 },
	{ "PrivWrite encrypted, 36 bytes", 0x46, 0x40, 7, 36, SESSION, 3 },
	{ "PrivWrite in the clear, data locked", 0x46, 0x00, 7, 36, EMPTY, 0x0F },
	{ "PrivWrite, WriteConfig forbids", 0x46, 0x40, 0, 68, SESSION, 0x0F },
	{ "PrivWrite, TempKey empty", 0x46, 0x40, 7, 68, EMPTY, 0x0F },
	{ "PrivWrite, wrong MAC", 0x46, 0x40, 7, 68, SESSION, 1 },
	{ "PrivWrite, not a private slot", 0x46, 0x40, 10, 68, SESSION, 0x0F },
	{ "SHA HMAC with a private key", 0x47, 0x04, 0, 0, EMPTY, 0x0F },
	{ "SHA HMAC, slot 16", 0x47, 0x04, 16, 0, EMPTY, 3 },
	{ "SHA public, nothing running", 0x47, 0x03, 11, 0, EMPTY, 0x0F },
	{ "SHA public, slot 7", 0x47, 0x03, 7, 0, EMPTY, 3 },
};

static void prepare(struct engine *g, enum prepared what)
{
	uint8_t bytes[32];

	memset(bytes, 0x21, 32);
	if (what == RANDOM)
		rig_nonce(g, bytes);
	else if (what == LOADED)
		rig_send(g, 0x16, 3, 0, SLICE(bytes));
	else if (what == SESSION)
		rig_session(g, 3, key3, bytes);
}

static void refusal_table(struct engine *g)
{
	for (int family = EMU_ATECC508A; family <= EMU_ATECC608B; family += 2) {
		for (size_t i = 0; i < COUNT(refusals); i++) {
			uint8_t in[80];
			struct answer a;
			int got;

			chip(g, (enum emu_family)family);
			prepare(g, (enum prepared)refusals[i].prepared);
			memset(in, 0x66, sizeof(in));
			a = rig_send(g, refusals[i].opcode, refusals[i].p1, refusals[i].p2,
			    SLICE_OF(in, refusals[i].n));
			got = a.status < 0 ? -(int)a.n : a.status;
			ok(got == refusals[i].want, "%s: %s",
			    emu_family_name((enum emu_family)family), refusals[i].name);
			if (got != refusals[i].want)
				printf("# got %d, wanted %d\n", got, refusals[i].want);
		}
	}
}

/* Secrets are of no use before the configuration is locked, and commands of the other family unknown. */
static void states(struct engine *g)
{
	uint8_t in[77] = { 0 };

	rig_chip(g, EMU_ATECC608B, FRESH);
	ok(rig_send(g, 0x08, 0, 3, SLICE_OF(in, 32)).status == 0x0F, "MAC, config unlocked: 0F");
	ok(rig_send(g, 0x28, 0, 3, SLICE_OF(in, 77)).status == 0x0F,
	    "CheckMac, config unlocked: 0F");
	ok(rig_send(g, 0x11, 0, 3, NOTHING).status == 3, "608: HMAC is unknown");
	ok(rig_send(g, 0x01, 0, 0, NOTHING).status == 3, "608: Pause is unknown");
	rig_chip(g, EMU_ATECC508A, BOTH_LOCKED);
	ok(rig_send(g, 0x51, 0, 10, SLICE_OF(in, 16)).status == 3, "508A: AES is unknown");
	ok(rig_send(g, 0x56, 0x10, 0, SLICE_OF(in, 20)).status == 3, "508A: KDF is unknown");
	ok(rig_send(g, 0x77, 1, 0, NOTHING).status == 3, "508A: SelfTest is unknown");
	ok(rig_send(g, 0x80, 5, 0, SLICE_OF(in, 32)).status == 3, "508A: SecureBoot is unknown");
}

/* --- HMAC, CheckMac, DeriveKey --- */

static void hmac_508(struct engine *g)
{
	uint8_t temp[32], want[32];
	struct answer a;

	for (uint8_t mode = 0; mode <= 0x40; mode = (uint8_t)(mode + 0x40)) {
		chip(g, EMU_ATECC508A);
		rig_nonce(g, temp);
		a = rig_send(g, 0x11, mode, 3, NOTHING);
		{
			uint8_t header[4] = { 0x11, mode, 3, 0 };
			uint8_t text[88] = { 0 };

			memcpy(text + 32, temp, 32);
			memcpy(text + 64, header, 4);
			text[79] = sn[8];
			memcpy(text + 84, sn, 2);
			if (mode) {
				memcpy(text + 80, sn + 4, 4);
				memcpy(text + 86, sn + 2, 2);
			}
			HMAC(SLICE(key3), want, SLICE(text));
		}
		is_bytes(a.p, a.n, want, 32, "508A HMAC");
		ok(rig_send(g, 0x11, mode, 3, NOTHING).status == 0x0F, "which consumed TempKey");
	}
	ok(rig_send(g, 0x11, 0x10, 3, NOTHING).status == 3, "508A: HMAC has no OTP bits");
}

static struct answer checkmac(struct engine *g, uint8_t mode, unsigned slot, const uint8_t key[32],
    const uint8_t second[32], bool right)
{
	uint8_t in[77], other[13];
	struct slice otp = mode & 0x20 ? SLICE_OF(g->mem.otp, 8) : ZEROS(8);

	memset(in, 0x31, 32);
	for (size_t i = 0; i < 13; i++)
		other[i] = (uint8_t)(0xF0 + i);
	HASH(in + 32, SLICE_OF(key, 32), mode & 1 ? SLICE_OF(second, 32) : SLICE_OF(in, 32),
	    SLICE_OF(other, 4), otp, SLICE_OF(other + 4, 3), SN8, SLICE_OF(other + 7, 4), SN01,
	    SLICE_OF(other + 11, 2));
	in[40] ^= !right;
	memcpy(in + 64, other, 13);
	return rig_send(g, 0x28, mode, slot, SLICE(in));
}

static void checkmacs(struct engine *g, enum emu_family family)
{
	uint8_t temp[32] = { 0 };

	chip(g, family);
	ok(checkmac(g, 0x00, 3, key3, temp, true).status == 0, "CheckMac: 00");
	ok(checkmac(g, 0x00, 3, key3, temp, false).status == 1, "CheckMac, one bit wrong: 01");
	ok(checkmac(g, 0x20, 3, key3, temp, true).status == 0, "CheckMac with OTP");
	rig_nonce(g, temp);
	ok(checkmac(g, 0x01, 3, key3, temp, true).status == 0,
	    "CheckMac, second block from TempKey");
	ok(checkmac(g, 0x01, 3, key3, temp, true).status == 0x0F, "which it consumed");
	rig_nonce(g, temp);
	ok(checkmac(g, 0x02, 3, temp, temp, true).status == 0,
	    "CheckMac, first block from TempKey");
}

static void derive(struct engine *g, uint16_t write_config, bool mac, bool from_parent)
{
	uint8_t temp[32], own[32], want[32], auth[32];
	const uint8_t *parent = from_parent ? key3 : own;
	uint8_t header[4] = { 0x1C, 0x00, 13, 0x00 };

	chip(g, EMU_ATECC608B);
	rig_configure(g, 13, (uint16_t)(0x0380 | write_config), 0x003C);
	memset(own, 0x77, 32);
	rig_secret(g, 13, own);
	rig_nonce(g, temp);
	HASH(auth, SLICE_OF(parent, 32), SLICE(header), SN8, SN01);
	HASH(want, SLICE_OF(parent, 32), SLICE(header), SN8, SN01, ZEROS(25), SLICE(temp));
	ok(rig_send(g, 0x1C, 0, 13, mac ? SLICE(auth) : NOTHING).status == 0,
	    "DeriveKey, WriteConfig %X", (unsigned)write_config >> 12);
	is_bytes(slot_bytes(&g->mem, 13), 32, want, 32,
	    from_parent ? "key of the parent" : "key rolled on");
	rig_nonce(g, temp);
	ok(rig_send(g, 0x1C, 0, 13, mac ? NOTHING : SLICE(auth)).status == 0x0F,
	    mac ? "without its MAC: 0F" : "with a MAC that is not asked for: 0F");
	rig_nonce(g, temp);
	auth[0] ^= 1;
	if (mac)
		ok(rig_send(g, 0x1C, 0, 13, SLICE(auth)).status == 1, "with a wrong MAC: 01");
	ok(rig_send(g, 0x1C, 4, 13, NOTHING).status == 0x0F, "other source: 0F");
	is_bytes(slot_bytes(&g->mem, 13), 32, want, 32, "and the key is the same");
}

/* --- encrypted Read, Write, PrivWrite --- */

static void encrypted_write(struct engine *g, unsigned slot, unsigned block,
    const uint8_t plain[32], const uint8_t temp[32], uint8_t packet[64])
{
	unsigned p2 = block << 8 | slot << 3;
	uint8_t header[4] = { 0x12, 0xC2, (uint8_t)p2, (uint8_t)(p2 >> 8) };

	(void)g;
	for (size_t i = 0; i < 32; i++)
		packet[i] = plain[i] ^ temp[i];
	HASH(packet + 32, SLICE_OF(temp, 32), SLICE(header), SN8, SN01, ZEROS(25),
	    SLICE_OF(plain, 32));
}

static void encryption(struct engine *g, enum emu_family family)
{
	uint8_t temp[32], plain[32], packet[64], got[32];
	struct answer a;

	chip(g, family);
	memset(plain, 0xE5, 32);
	ok(rig_session(g, 3, key3, temp) == 0, "session with slot 3");
	encrypted_write(g, 5, 0, plain, temp, packet);
	ok(rig_send(g, 0x12, 0xC2, 5 << 3, SLICE(packet)).status == 0, "Write encrypted");
	is_bytes(slot_bytes(&g->mem, 5), 32, plain, 32, "the plain text is in the slot");
	ok(rig_send(g, 0x12, 0xC2, 5 << 3, SLICE(packet)).status == 0x0F,
	    "the session was for one use");
	rig_session(g, 3, key3, temp);
	a = rig_send(g, 0x02, 0x82, 5 << 3, NOTHING);
	for (size_t i = 0; i < 32; i++)
		got[i] = a.p[i] ^ temp[i];
	is_bytes(got, a.n, plain, 32, "Read encrypted");
	ok(memcmp(a.p, plain, 32) != 0, "not in the clear");
	ok(rig_send(g, 0x02, 0x82, 5 << 3, NOTHING).status == 0x0F, "once");

	memcpy(temp, key3, 32);
	rig_send(g, 0x16, 3, 0, SLICE(temp));
	rig_send(g, 0x15, 2, 3, NOTHING);
	ok(rig_send(g, 0x02, 0x82, 5 << 3, NOTHING).status == 0x0F, "Read needs a random nonce");
	memcpy(packet, plain, 32);
	rig_nonce(g, temp);
	rig_send(g, 0x15, 2, 13, NOTHING);
	ok(rig_send(g, 0x02, 0x82, 5 << 3, NOTHING).status == 0x0F,
	    "Read needs the session of its ReadKey");

	rig_chip(g, family, CONFIG_LOCKED);
	rig_secret(g, 3, key3);
	ok(rig_session(g, 3, key3, temp) == 0, "session before the data lock");
	encrypted_write(g, 5, 0, plain, temp, packet);
	ok(rig_send(g, 0x12, 0xC2, 5 << 3, SLICE(packet)).status == 0,
	    "Write encrypted before the data lock");
	is_bytes(slot_bytes(&g->mem, 5), 32, plain, 32, "the plain text is in the slot");
}

static void privwrite(struct engine *g)
{
	uint8_t temp[32], plain[36] = { 0 }, stream[64], packet[68], q[64], want[64];
	uint8_t header[4] = { 0x46, 0x40, 7, 0 };
	struct answer a;

	chip(g, EMU_ATECC608B);
	memset(plain + 4, 0x51, 32);
	rig_point(0x51, want);
	rig_session(g, 3, key3, temp);
	memcpy(stream, temp, 32);
	HASH(stream + 32, SLICE(temp));
	for (size_t i = 0; i < 36; i++)
		packet[i] = plain[i] ^ stream[i];
	HASH(packet + 36, SLICE(temp), SLICE(header), SN8, SN01, ZEROS(21), SLICE(plain));
	ok(rig_send(g, 0x46, 0x40, 7, SLICE(packet)).status == 0, "PrivWrite encrypted");
	a = rig_send(g, 0x40, 0, 7, NOTHING);
	memcpy(q, a.p, 64);
	is_bytes(q, a.n, want, 64, "its public key");

	rig_chip(g, EMU_ATECC608B, CONFIG_LOCKED);
	ok(rig_send(g, 0x46, 0, 0, SLICE(plain)).status == 0,
	    "PrivWrite in the clear before the data lock");
	a = rig_send(g, 0x40, 0, 0, NOTHING);
	is_bytes(a.p, a.n, want, 64, "although WriteConfig of the slot forbids it");
	memcpy(packet, plain, 36);
	ok(rig_send(g, 0x46, 0, 1, SLICE(packet)).status == 0, "in the clear a MAC is ignored");
	memset(plain + 4, 0xFF, 32);
	ok(rig_send(g, 0x46, 0, 2, SLICE(plain)).status == 5, "a scalar not below n: ECC fault");
	memset(plain + 4, 0, 32);
	ok(rig_send(g, 0x46, 0, 2, SLICE(plain)).status == 5, "scalar 0: ECC fault");
	rig_send(g, 0x17, 0x82, 0, NOTHING);
	memset(plain + 4, 0x52, 32);
	ok(rig_send(g, 0x46, 0, 0, SLICE(plain)).status == 0x0F, "a slot locked singly: 0F");
}

/* --- flags of keys --- */

static void no_mac(struct engine *g)
{
	uint8_t temp[32], want[32], other[4] = { 0x15, 0x02, 0x03, 0x00 }, challenge[32] = { 1 };
	struct answer a;

	chip(g, EMU_ATECC608B);
	rig_configure(g, 3, 0x8090, 0x001C);
	ok(rig_send(g, 0x08, 0, 3, SLICE(challenge)).status == 0x0F, "MAC with a NoMac key: 0F");
	rig_nonce(g, temp);
	ok(rig_send(g, 0x15, 2, 3, NOTHING).status == 0x0F, "GenDig with it needs OtherData");
	rig_nonce(g, temp);
	other[0] = 0x99;
	ok(rig_send(g, 0x15, 2, 3, SLICE(other)).status == 0, "GenDig with OtherData");
	HASH(want, SLICE(key3), SLICE(other), SN8, SN01, ZEROS(25), SLICE(temp));
	is_bytes(g->reg.temp.value, 32, want, 32, "which stands for the header");
	a = rig_send(g, 0x30, 2, 0, NOTHING);
	ok(a.p[0] == 0xA3, "State: NoMac, GenDigData, KeyId 3");
	ok(rig_send(g, 0x15, 0, 0, NOTHING).status == 0, "GenDig over it");
	a = rig_send(g, 0x30, 2, 0, NOTHING);
	ok(a.p[0] == 0x80, "State: NoMac stays");
	ok(rig_send(g, 0x15, 2, 13, NOTHING).status == 0, "GenDig with another key over it");
	a = rig_send(g, 0x30, 2, 0, NOTHING);
	ok(a.p[0] == 0xAD, "State: NoMac stays, GenDigData, KeyId 13");
	ok(rig_send(g, 0x08, 3, 3, NOTHING).status == 0x0F, "such a TempKey makes no MAC");
}

static void req_random(struct engine *g)
{
	uint8_t temp[32] = { 7 };

	chip(g, EMU_ATECC608B);
	rig_configure(g, 3, 0x8080, 0x005C);
	rig_send(g, 0x16, 3, 0, SLICE(temp));
	ok(rig_send(g, 0x08, 5, 3, NOTHING).status == 0x0F,
	    "ReqRandom: MAC over a loaded TempKey: 0F");
	rig_send(g, 0x16, 3, 0, SLICE(temp));
	ok(rig_send(g, 0x15, 2, 3, NOTHING).status == 0x0F,
	    "ReqRandom: GenDig after a loaded nonce: 0F");
	rig_nonce(g, temp);
	ok(rig_send(g, 0x15, 2, 3, NOTHING).status == 0, "ReqRandom: GenDig after a random one");
}

/* KeyConfig asks for an authorization with the key in slot 13. */
static void req_auth(struct engine *g)
{
	uint8_t key13[32], digest[32] = { 3 }, temp[32] = { 0 };

	chip(g, EMU_ATECC608B);
	memset(key13, 0x13, 32);
	rig_secret(g, 13, key13);
	rig_private(g, 0, 0x61);
	rig_configure(g, 0, 0x2087, 0x0DB3);
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x41, 0x80, 0, NOTHING).status == 0x0F,
	    "ReqAuth: Sign without CheckMac: 0F");
	ok(checkmac(g, 0, 3, key3, temp, true).status == 0, "CheckMac with another key");
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x41, 0x80, 0, NOTHING).status == 0x0F, "is not enough");
	ok(checkmac(g, 0, 13, key13, temp, true).status == 0, "CheckMac with AuthKey");
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x41, 0x80, 0, NOTHING).n == 64, "is");
	ok(checkmac(g, 0, 13, key13, temp, false).status == 1, "a CheckMac that fails");
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x41, 0x80, 0, NOTHING).status == 0x0F, "takes it away");
	ok(checkmac(g, 0, 13, key13, temp, true).status == 0, "CheckMac with AuthKey");
	engine_sleep(g);
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x41, 0x80, 0, NOTHING).status == 0x0F, "so does sleep");
}

static unsigned uses(struct engine *g, unsigned slot)
{
	uint8_t challenge[32] = { 5 };
	unsigned n = 0;

	while (n < 300 && rig_send(g, 0x08, 0, slot, SLICE(challenge)).n == 32)
		n++;
	return n;
}

static void limited_use(struct engine *g)
{
	uint8_t limit[8], top[8], digest[32] = { 1 };

	chip(g, EMU_ATECC608B);
	rig_configure(g, 3, 0x80A0, 0x001C);
	rig_configure(g, 0, 0x20A7, 0x0033);
	g->mem.config[18] = 0xA1; /* CountMatch, slot 10 */
	store_le32(limit, 5);
	store_le32(limit + 4, 5);
	memory_write_slot(&g->mem, 10, 0, limit, 8);
	ok(uses(g, 3) == 5, "608: the limit stands in the match slot");
	ok(counter_value(&g->mem, 0) == 5, "each use moved counter 0");
	store_le32(limit, 6);
	memory_write_slot(&g->mem, 10, 0, limit, 8);
	rig_private(g, 0, 0x62);
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x41, 0x80, 0, NOTHING).n == 64, "copies differ: the first counts");
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x41, 0x80, 0, NOTHING).status == 0x0F, "and the counter is everybody's");

	chip(g, EMU_ATECC508A);
	rig_configure(g, 3, 0x80A0, 0x001C);
	counter_encode(2097151 - 3, top);
	memory_write_config(&g->mem, 52, top, 8);
	ok(uses(g, 3) == 3, "508A: the counter's end");
	rig_configure(g, 15, 0x80A0, 0x001C);
	ok(uses(g, 15) == 128, "508A slot 15: 128 uses by LastKeyUse");
	ok(ct_zero(g->mem.config + 68, 16), "all of its bits are cleared");
}

/* --- Verify: validate, invalidate, and X.509 --- */

static const uint8_t slot9_flags = 0x40 | 0x10 | 9; /* GenKeyData, loaded nonce, KeyId 9 */

/* What an authority signs so that slot 9 becomes valid, or not valid any more. */
static void statement(const uint8_t q[64], uint8_t mark, uint8_t other[19], uint8_t digest[32])
{
	uint8_t nonce[32] = { 0 }, pkd[32];

	HASH(pkd, SLICE(nonce), BYTES(0x40, 0, 0, 0), SN8, SN01, ZEROS(25), SLICE_OF(q, 64));
	memset(other, 0, 19);
	other[7] = slot9_flags;
	other[17] = mark;
	HASH(digest, SLICE(pkd), BYTES(0x41), SLICE_OF(other, 10), SN8, SLICE_OF(other + 10, 4),
	    SN01, SLICE_OF(other + 14, 5));
}

static int validate(struct engine *g, uint8_t mode, uint8_t signer, uint8_t mark)
{
	uint8_t in[83], q[64], digest[32], nonce[32] = { 0 };

	rig_point(0x71, q);
	statement(q, mark, in + 64, digest);
	rig_sign(signer, digest, in);
	rig_send(g, 0x16, 3, 0, SLICE(nonce));
	rig_send(g, 0x40, 0x10, 9, ZEROS(3));
	return rig_send(g, 0x45, mode, 9, SLICE(in)).status;
}

static void validation(struct engine *g, enum emu_family family)
{
	uint8_t q[64], parent[64], in[83] = { 0 };

	chip(g, family);
	rig_point(0x71, q);
	rig_point(0x72, parent);
	rig_public(g, 11, parent, 0);
	rig_public(g, 9, q, 0xA);
	ok(rig_send(g, 0x30, 1, 9, NOTHING).p[0] == 0, "Info KeyValid: 0 before");
	ok(validate(g, 3, 0x73, 0) == 1, "Verify validate, signed by somebody else: 01");
	ok(validate(g, 3, 0x72, 1) == 0x0F, "a statement for invalidate: 0F");
	ok(slot_bytes(&g->mem, 9)[0] >> 4 == 0xA, "still not valid");
	ok(validate(g, 3, 0x72, 0) == 0, "signed by the key that ReadKey names: 00");
	ok(slot_bytes(&g->mem, 9)[0] >> 4 == 5, "valid");
	ok(rig_send(g, 0x30, 1, 9, NOTHING).p[0] == 1, "Info KeyValid: 1 after");
	ok(validate(g, 7, 0x72, 0) == 0x0F, "Verify invalidate with a statement for validate: 0F");
	ok(validate(g, 7, 0x72, 1) == 0, "Verify invalidate: 00");
	ok(slot_bytes(&g->mem, 9)[0] >> 4 == 0xA, "not valid any more");
	ok(rig_send(g, 0x45, 3, 9, SLICE(in)).status == 0x0F, "without GenKey digest: 0F");
	ok(rig_send(g, 0x45, 3, 9, SLICE_OF(in, 64)).status == 3, "without OtherData: 03");
	rig_send(g, 0x16, 3, 0, ZEROS(32));
	rig_send(g, 0x40, 0x10, 11, ZEROS(3));
	ok(rig_send(g, 0x45, 3, 9, SLICE(in)).status == 0x0F, "GenKey digest of another slot: 0F");
	g->mem.config[89] = 0xFD;
	ok(validate(g, 3, 0x72, 0) == 0x0F, "a locked slot: 0F");
}

/* The public key of slot 9 stands in a message that its parent signed. */
static int validate_x509(struct engine *g, uint8_t format, unsigned before, unsigned after)
{
	uint8_t block[64], q[64], message[64 * 8], digest[32], sig[64];
	size_t n = 0;

	memset(block, 0x3A, 64);
	g->mem.config[92] = format;
	rig_point(0x71, q);
	rig_send(g, 0x47, 0, 0, NOTHING);
	for (unsigned i = 0; i < before; i++, n += 64) {
		rig_send(g, 0x47, 1, 64, SLICE(block));
		memcpy(message + n, block, 64);
	}
	rig_send(g, 0x47, 3, 9, NOTHING);
	memcpy(message + n, q, 64);
	n += 64;
	for (unsigned i = 0; i < after; i++, n += 64) {
		rig_send(g, 0x47, 1, 64, SLICE(block));
		memcpy(message + n, block, 64);
	}
	rig_send(g, 0x47, 2, 0, NOTHING);
	sha256(SLICE_OF(message, n), digest);
	rig_sign(0x72, digest, sig);
	return rig_send(g, 0x45, 1, 9, SLICE(sig)).status;
}

static void x509(struct engine *g)
{
	uint8_t q[64], parent[64], digest[32], sig[64];

	chip(g, EMU_ATECC508A);
	rig_point(0x71, q);
	rig_point(0x72, parent);
	rig_public(g, 11, parent, 0);
	rig_public(g, 9, q, 0xA);
	ok(validate_x509(g, 0, 2, 1) == 0, "Verify validate-external: a hash with the key in it");
	ok(slot_bytes(&g->mem, 9)[0] >> 4 == 5, "valid");
	rig_public(g, 9, q, 0xA);
	ok(validate_x509(g, 0x42, 2, 1) == 0, "X509format: key after 2 blocks, 4 in all");
	ok(validate_x509(g, 0x42, 1, 2) == 0x0F, "the key elsewhere: 0F");
	ok(validate_x509(g, 0x42, 2, 2) == 0x0F, "a longer message: 0F");
	memset(digest, 0x3B, 32);
	rig_sign(0x72, digest, sig);
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x45, 1, 9, SLICE(sig)).status == 0x0F, "a digest from elsewhere: 0F");
}

/* --- SHA with a key, Pause --- */

static void sha_hmac(struct engine *g, enum emu_family family)
{
	uint8_t message[130], want[32];
	uint8_t end = family == EMU_ATECC508A ? 5 : 2;
	struct answer a;

	chip(g, family);
	memset(message, 0x29, sizeof(message));
	for (size_t n = 0; n <= 128; n += 32) {
		size_t at = 0;

		rig_send(g, 0x47, 4, 3, NOTHING);
		for (; n - at > 64; at += 64)
			rig_send(g, 0x47, 1, 64, SLICE_OF(message + at, 64));
		a = rig_send(g, 0x47, end, (unsigned)(n - at), SLICE_OF(message + at, n - at));
		HMAC(SLICE(key3), want, SLICE_OF(message, n));
		is_bytes(a.p, a.n, want, 32, "SHA: HMAC with a slot key");
	}
	if (family == EMU_ATECC508A) {
		rig_send(g, 0x47, 4, 3, NOTHING);
		ok(rig_send(g, 0x47, 2, 0, NOTHING).status == 0x0F,
		    "508A: SHA end does not end an HMAC");
	} else {
		ok(rig_send(g, 0x47, 5, 0, NOTHING).status == 3, "608: mode 5 is unknown");
		rig_send(g, 0x16, 3, 0, SLICE(key3));
		rig_send(g, 0x47, 4, 0xFFFF, NOTHING);
		a = rig_send(g, 0x47, 2, 8, TEXT("Hi There"));
		HMAC(SLICE(key3), want, TEXT("Hi There"));
		is_bytes(a.p, a.n, want, 32, "608: HMAC with TempKey");
	}
}

static void pausing(struct engine *g)
{
	uint8_t packet[160], r[EMU_RESPONSE_MAX];
	size_t n;

	chip(g, EMU_ATECC508A);
	g->mem.config[85] = 7;
	n = rig_packet(packet, 0x01, 7, 0, NOTHING);
	ok(engine_execute(g, SLICE_OF(packet, n), r) == 4 && r[1] == 0,
	    "Pause: the selected chip answers");
	n = rig_packet(packet, 0x01, 8, 0, NOTHING);
	ok(engine_execute(g, SLICE_OF(packet, n), r) == 0,
	    "Pause: another goes idle without an answer");
	ok(rig_send(g, 0x30, 0, 0, NOTHING).n == 4, "and wakes again");
}

int main(void)
{
	struct engine g;

	if (engine_init(&g, NULL, NULL, NULL) != OK)
		return 1;
	for (uint32_t seed = 1; seed <= 3; seed++) {
		walk(&g, EMU_ATECC508A, seed);
		walk(&g, EMU_ATECC608B, seed);
	}
	refusal_table(&g);
	states(&g);
	hmac_508(&g);
	checkmacs(&g, EMU_ATECC508A);
	checkmacs(&g, EMU_ATECC608B);
	derive(&g, 0x2000, false, false);
	derive(&g, 0x3000, false, true);
	derive(&g, 0xA000, true, false);
	derive(&g, 0xB000, true, true);
	derive(&g, 0x6000, false, false);
	derive(&g, 0xF000, true, true);
	encryption(&g, EMU_ATECC508A);
	encryption(&g, EMU_ATECC608B);
	privwrite(&g);
	no_mac(&g);
	req_random(&g);
	req_auth(&g);
	limited_use(&g);
	validation(&g, EMU_ATECC508A);
	validation(&g, EMU_ATECC608B);
	x509(&g);
	sha_hmac(&g, EMU_ATECC508A);
	sha_hmac(&g, EMU_ATECC608B);
	pausing(&g);
	engine_free(&g);
	return done_testing();
}
