/* Level 1 commands: what is legal when, by tables; and the data that legal ones return. */
#include "rig.h"

enum { F508 = 1, F608 = 2, ALL = 3 };
enum { LEN4 = 4, LEN32 = 32, LEN64 = 64 };
enum { EXEC = -0x0F, PARSE = -3, ECC = -5, MISS = -1, DONE = 0 };

/* What lies in TempKey before the command. */
enum temp { NONE, RANDOM_NONCE, LOADED, FROM_GENKEY };

static const struct test_case {
	const char *name;
	uint8_t families;
	enum rig_state state;
	enum temp temp;
	uint8_t opcode, p1;
	uint16_t p2;
	uint8_t n; /* bytes of data sent */
	int want;  /* -status, or bytes of data, 0: status 00 */
} cases[] = {
	{ "unknown opcode", ALL, FRESH, NONE, 0x99, 0, 0, 0, PARSE },

	{ "Info revision", ALL, FRESH, NONE, 0x30, 0, 0, 0, LEN4 },
	{ "Info revision with data", ALL, FRESH, NONE, 0x30, 0, 0, 4, PARSE },
	{ "Info KeyValid", ALL, BOTH_LOCKED, NONE, 0x30, 1, 0, 0, LEN4 },
	{ "Info KeyValid slot 16", ALL, BOTH_LOCKED, NONE, 0x30, 1, 16, 0, PARSE },
	{ "Info State", ALL, FRESH, NONE, 0x30, 2, 0, 0, LEN4 },
	{ "Info GPIO", ALL, FRESH, NONE, 0x30, 3, 0, 0, LEN4 },
	{ "Info mode 5", ALL, FRESH, NONE, 0x30, 5, 0, 0, PARSE },

	{ "Read config word", ALL, FRESH, NONE, 0x02, 0x00, 0x1F, 0, LEN4 },
	{ "Read config block", ALL, FRESH, NONE, 0x02, 0x80, 0x18, 0, LEN32 },
	{ "Read config block, word bits ignored", ALL, FRESH, NONE, 0x02, 0x80, 0x1B, 0, LEN32 },
	{ "Read config beyond the zone", ALL, FRESH, NONE, 0x02, 0x00, 0x20, 0, PARSE },
	{ "Read config locked", ALL, BOTH_LOCKED, NONE, 0x02, 0x80, 0x00, 0, LEN32 },
	{ "Read zone 3", ALL, BOTH_LOCKED, NONE, 0x02, 0x03, 0, 0, PARSE },
	{ "Read reserved bit", ALL, BOTH_LOCKED, NONE, 0x02, 0x04, 0, 0, PARSE },
	{ "Read with data", ALL, BOTH_LOCKED, NONE, 0x02, 0x00, 0, 4, PARSE },
	{ "Read OTP, config unlocked", ALL, FRESH, NONE, 0x02, 0x81, 0, 0, EXEC },
	{ "Read OTP, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x02, 0x81, 0, 0, EXEC },
	{ "Read OTP block", ALL, BOTH_LOCKED, NONE, 0x02, 0x81, 8, 0, LEN32 },
	{ "Read OTP word", ALL, BOTH_LOCKED, NONE, 0x02, 0x01, 15, 0, LEN4 },
	{ "Read OTP beyond the zone", ALL, BOTH_LOCKED, NONE, 0x02, 0x01, 16, 0, PARSE },
	{ "Read open slot, config unlocked", ALL, FRESH, NONE, 0x02, 0x82, 8 << 3, 0, EXEC },
	{ "Read open slot, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x02, 0x82, 8 << 3, 0, EXEC },
	{ "Read open slot block", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 10 << 3, 0, LEN32 },
	{ "Read open slot word", ALL, BOTH_LOCKED, NONE, 0x02, 0x02, 10 << 3 | 7, 0, LEN4 },
	{ "Read last word of slot 10", ALL, BOTH_LOCKED, NONE, 0x02, 0x02, 2 << 8 | 10 << 3 | 1, 0,
	    LEN4 },
	{ "Read word after slot 10", ALL, BOTH_LOCKED, NONE, 0x02, 0x02, 2 << 8 | 10 << 3 | 2, 0,
	    PARSE },
	{ "Read last, partial block", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 2 << 8 | 10 << 3, 0,
	    LEN32 },
	{ "Read block after slot 10", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 3 << 8 | 10 << 3, 0,
	    PARSE },
	{ "Read last block of slot 8", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 12 << 8 | 8 << 3, 0,
	    LEN32 },
	{ "Read block after slot 8", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 13 << 8 | 8 << 3, 0,
	    PARSE },
	{ "Read reserved address bit", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 0x80 | 10 << 3, 0,
	    PARSE },
	{ "Read private key", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 0, 0, EXEC },
	{ "Read secret slot", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 3 << 3, 0, EXEC },
	{ "Read writable secret slot", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 13 << 3, 0, EXEC },
	{ "Read EncryptRead without a session", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 5 << 3, 0,
	    EXEC },
	{ "Read EncryptRead not secret", ALL, BOTH_LOCKED, NONE, 0x02, 0x82, 15 << 3, 0, EXEC },

	{ "Write config word", ALL, FRESH, NONE, 0x12, 0x00, 4, 4, DONE },
	{ "Write config block 1", ALL, FRESH, NONE, 0x12, 0x80, 8, 32, DONE },
	{ "Write config block 3", ALL, FRESH, NONE, 0x12, 0x80, 0x18, 32, DONE },
	{ "Write config block 0: serial number", ALL, FRESH, NONE, 0x12, 0x80, 0, 32, EXEC },
	{ "Write config word 3: serial number", ALL, FRESH, NONE, 0x12, 0x00, 3, 4, EXEC },
	{ "Write config block 2: lock bytes", ALL, FRESH, NONE, 0x12, 0x80, 0x10, 32, EXEC },
	{ "Write config word 21: lock bytes", ALL, FRESH, NONE, 0x12, 0x00, 21, 4, EXEC },
	{ "Write config word 20", ALL, FRESH, NONE, 0x12, 0x00, 20, 4, DONE },
	{ "Write config word 22: SlotLocked", ALL, FRESH, NONE, 0x12, 0x00, 22, 4, DONE },
	{ "Write config beyond the zone", ALL, FRESH, NONE, 0x12, 0x00, 0x20, 4, PARSE },
	{ "Write config, 4 bytes missing", ALL, FRESH, NONE, 0x12, 0x00, 4, 0, PARSE },
	{ "Write config, 5 bytes", ALL, FRESH, NONE, 0x12, 0x00, 4, 5, PARSE },
	{ "Write config locked", ALL, CONFIG_LOCKED, NONE, 0x12, 0x00, 4, 4, EXEC },
	{ "Write zone 3", ALL, FRESH, NONE, 0x12, 0x03, 0, 4, PARSE },
	{ "Write reserved bit", ALL, FRESH, NONE, 0x12, 0x20, 4, 4, PARSE },
	{ "Write slot, config unlocked", ALL, FRESH, NONE, 0x12, 0x82, 10 << 3, 32, EXEC },
	{ "Write slot block, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x12, 0x82, 10 << 3, 32,
	    DONE },
	{ "Write slot block, data unlocked, WriteConfig never", ALL, CONFIG_LOCKED, NONE, 0x12,
	    0x82, 12 << 3, 32, DONE },
	{ "Write slot word, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x12, 0x02, 10 << 3, 4,
	    EXEC },
	{ "Write private slot, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x12, 0x82, 0, 32, EXEC },
	{ "Write block 2 word 1 of slot 10", ALL, CONFIG_LOCKED, NONE, 0x12, 0x82,
	    2 << 8 | 10 << 3 | 1, 32, DONE },
	{ "Write open slot block", ALL, BOTH_LOCKED, NONE, 0x12, 0x82, 10 << 3, 32, DONE },
	{ "Write open slot word", ALL, BOTH_LOCKED, NONE, 0x12, 0x02, 10 << 3, 4, DONE },
	{ "Write block after slot 10", ALL, BOTH_LOCKED, NONE, 0x12, 0x82, 3 << 8 | 10 << 3, 32,
	    PARSE },
	{ "Write private slot", ALL, BOTH_LOCKED, NONE, 0x12, 0x82, 0, 32, EXEC },
	{ "Write WriteConfig never", ALL, BOTH_LOCKED, NONE, 0x12, 0x82, 12 << 3, 32, EXEC },
	{ "Write secret slot block", ALL, BOTH_LOCKED, NONE, 0x12, 0x82, 13 << 3, 32, DONE },
	{ "Write secret slot word", ALL, BOTH_LOCKED, NONE, 0x12, 0x02, 13 << 3, 4, EXEC },
	{ "Write in the clear where encryption is asked", ALL, BOTH_LOCKED, NONE, 0x12, 0x82,
	    5 << 3, 32, EXEC },
	{ "Write PubInvalid, key not valid", ALL, BOTH_LOCKED, NONE, 0x12, 0x82, 9 << 3, 32, DONE },
	{ "Write OTP, config unlocked", ALL, FRESH, NONE, 0x12, 0x81, 0, 32, EXEC },
	{ "Write OTP block, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x12, 0x81, 0, 32, DONE },
	{ "Write OTP word, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x12, 0x01, 0, 4, EXEC },
	{ "Write OTP, consumption mode", F508, BOTH_LOCKED, NONE, 0x12, 0x01, 0, 4, DONE },
	{ "Write OTP, locked", F608, BOTH_LOCKED, NONE, 0x12, 0x01, 0, 4, EXEC },

	{ "Lock config without CRC", ALL, FRESH, NONE, 0x17, 0x80, 0, 0, DONE },
	{ "Lock config, wrong CRC", ALL, FRESH, NONE, 0x17, 0x00, 0, 0, EXEC },
	{ "Lock config again", ALL, CONFIG_LOCKED, NONE, 0x17, 0x80, 0, 0, EXEC },
	{ "Lock data, config unlocked", ALL, FRESH, NONE, 0x17, 0x81, 0, 0, EXEC },
	{ "Lock data without CRC", ALL, CONFIG_LOCKED, NONE, 0x17, 0x81, 0, 0, DONE },
	{ "Lock data, wrong CRC", ALL, CONFIG_LOCKED, NONE, 0x17, 0x01, 0, 0, EXEC },
	{ "Lock data again", ALL, BOTH_LOCKED, NONE, 0x17, 0x81, 0, 0, EXEC },
	{ "Lock slot 10", ALL, BOTH_LOCKED, NONE, 0x17, 0x82 | 10 << 2, 0, 0, DONE },
	{ "Lock slot 10, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x17, 0x82 | 10 << 2, 0, 0,
	    DONE },
	{ "Lock slot 10, config unlocked", ALL, FRESH, NONE, 0x17, 0x82 | 10 << 2, 0, 0, EXEC },
	{ "Lock slot that is not lockable", ALL, BOTH_LOCKED, NONE, 0x17, 0x82 | 14 << 2, 0, 0,
	    EXEC },
	{ "Lock zone 3", ALL, FRESH, NONE, 0x17, 0x83, 0, 0, PARSE },
	{ "Lock reserved bit", ALL, FRESH, NONE, 0x17, 0xC0, 0, 0, PARSE },
	{ "Lock config with a slot number", ALL, FRESH, NONE, 0x17, 0x84, 0, 0, PARSE },
	{ "Lock with data", ALL, FRESH, NONE, 0x17, 0x80, 0, 4, PARSE },

	{ "UpdateExtra UserExtra", ALL, FRESH, NONE, 0x20, 0, 0x12, 0, DONE },
	{ "UpdateExtra Selector", ALL, FRESH, NONE, 0x20, 1, 0x12, 0, DONE },
	{ "UpdateExtra zero byte, locked", ALL, BOTH_LOCKED, NONE, 0x20, 0, 0x12, 0, DONE },
	{ "UpdateExtra use counter", ALL, BOTH_LOCKED, NONE, 0x20, 2, 0, 0, EXEC },
	{ "UpdateExtra mode 3", ALL, FRESH, NONE, 0x20, 3, 0, 0, PARSE },

	{ "Random", ALL, BOTH_LOCKED, NONE, 0x1B, 0, 0, 0, LEN32 },
	{ "Random, no seed update", ALL, BOTH_LOCKED, NONE, 0x1B, 1, 0, 0, LEN32 },
	{ "Random mode 2", ALL, BOTH_LOCKED, NONE, 0x1B, 2, 0, 0, PARSE },
	{ "Random param2", ALL, BOTH_LOCKED, NONE, 0x1B, 0, 1, 0, PARSE },

	{ "Nonce random", ALL, FRESH, NONE, 0x16, 0, 0, 20, LEN32 },
	{ "Nonce random, no seed update", ALL, BOTH_LOCKED, NONE, 0x16, 1, 0, 20, LEN32 },
	{ "Nonce random, 32 bytes", ALL, BOTH_LOCKED, NONE, 0x16, 0, 0, 32, PARSE },
	{ "Nonce mode 2", ALL, BOTH_LOCKED, NONE, 0x16, 2, 0, 20, PARSE },
	{ "Nonce calculated", ALL, BOTH_LOCKED, LOADED, 0x16, 0, 0x8000, 20, LEN32 },
	{ "Nonce calculated, TempKey empty", ALL, BOTH_LOCKED, NONE, 0x16, 0, 0x8000, 20, EXEC },
	{ "Nonce random, other param2", ALL, BOTH_LOCKED, NONE, 0x16, 0, 1, 20, PARSE },
	{ "Nonce pass-through", ALL, FRESH, NONE, 0x16, 3, 0, 32, DONE },
	{ "Nonce pass-through, 20 bytes", ALL, FRESH, NONE, 0x16, 3, 0, 20, PARSE },
	{ "Nonce pass-through, 64 bytes", F608, FRESH, NONE, 0x16, 0x23, 0, 64, DONE },
	{ "Nonce pass-through, 64 bytes", F508, FRESH, NONE, 0x16, 0x23, 0, 64, PARSE },
	{ "Nonce to MessageDigestBuffer", F608, FRESH, NONE, 0x16, 0x43, 0, 32, DONE },
	{ "Nonce to MessageDigestBuffer, 64 bytes", F608, FRESH, NONE, 0x16, 0x63, 0, 64, DONE },
	{ "Nonce to MessageDigestBuffer", F508, FRESH, NONE, 0x16, 0x43, 0, 32, PARSE },
	{ "Nonce to AlternateKeyBuffer", F608, FRESH, NONE, 0x16, 0x83, 0, 32, DONE },
	{ "Nonce to AlternateKeyBuffer, 64 bytes", F608, FRESH, NONE, 0x16, 0xA3, 0, 64, PARSE },
	{ "Nonce target 3", F608, FRESH, NONE, 0x16, 0xC3, 0, 32, PARSE },

	{ "GenKey, config unlocked", ALL, FRESH, NONE, 0x40, 4, 0, 0, EXEC },
	{ "GenKey create, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x40, 4, 0, 0, LEN64 },
	{ "GenKey create, data unlocked, WriteConfig forbids", ALL, CONFIG_LOCKED, NONE, 0x40, 4, 1,
	    0, LEN64 },
	{ "GenKey create", ALL, BOTH_LOCKED, NONE, 0x40, 4, 0, 0, LEN64 },
	{ "GenKey create, WriteConfig forbids", ALL, BOTH_LOCKED, NONE, 0x40, 4, 1, 0, EXEC },
	{ "GenKey create, PrivWrite slot", ALL, BOTH_LOCKED, NONE, 0x40, 4, 7, 0, EXEC },
	{ "GenKey create, not a private slot", ALL, BOTH_LOCKED, NONE, 0x40, 4, 10, 0, EXEC },
	{ "GenKey create, slot 16", ALL, BOTH_LOCKED, NONE, 0x40, 4, 16, 0, PARSE },
	{ "GenKey with data", ALL, BOTH_LOCKED, NONE, 0x40, 4, 0, 3, PARSE },
	{ "GenKey mode 20", ALL, BOTH_LOCKED, NONE, 0x40, 0x20, 0, 0, PARSE },
	{ "GenKey public, blank slot: ECC fault", ALL, BOTH_LOCKED, NONE, 0x40, 0, 4, 0, ECC },
	{ "GenKey public", ALL, BOTH_LOCKED, NONE, 0x40, 0, 0, 0, LEN64 },
	{ "GenKey public, PubInfo clear", ALL, BOTH_LOCKED, NONE, 0x40, 0, 6, 0, EXEC },
	{ "GenKey digest, TempKey empty", ALL, BOTH_LOCKED, NONE, 0x40, 8, 0, 0, EXEC },
	{ "GenKey digest", ALL, BOTH_LOCKED, LOADED, 0x40, 8, 0, 0, LEN64 },
	{ "GenKey digest, ReqRandom, loaded nonce", ALL, BOTH_LOCKED, LOADED, 0x40, 8, 2, 0, EXEC },
	{ "GenKey digest, ReqRandom, random nonce", ALL, BOTH_LOCKED, RANDOM_NONCE, 0x40, 8, 2, 0,
	    LEN64 },
	{ "GenKey create and digest", ALL, BOTH_LOCKED, RANDOM_NONCE, 0x40, 0x0C, 0, 0, LEN64 },
	{ "GenKey stored digest", ALL, BOTH_LOCKED, LOADED, 0x40, 0x10, 11, 3, DONE },
	{ "GenKey stored digest, no data", ALL, BOTH_LOCKED, LOADED, 0x40, 0x10, 11, 0, PARSE },
	{ "GenKey stored digest, slot 0", ALL, BOTH_LOCKED, LOADED, 0x40, 0x10, 0, 3, PARSE },
	{ "GenKey stored digest, not a key", ALL, BOTH_LOCKED, LOADED, 0x40, 0x10, 10, 3, EXEC },
	{ "GenKey stored digest, TempKey empty", ALL, BOTH_LOCKED, NONE, 0x40, 0x10, 11, 3, EXEC },
	{ "GenKey into TempKey", F608, BOTH_LOCKED, NONE, 0x40, 4, 0xFFFF, 0, LEN64 },
	{ "GenKey into TempKey", F508, BOTH_LOCKED, NONE, 0x40, 4, 0xFFFF, 0, PARSE },

	{ "Sign, config unlocked", ALL, FRESH, LOADED, 0x41, 0x80, 0, 0, EXEC },
	{ "Sign, data unlocked", ALL, CONFIG_LOCKED, LOADED, 0x41, 0x80, 0, 0, EXEC },
	{ "Sign external", ALL, BOTH_LOCKED, LOADED, 0x41, 0x80, 0, 0, LEN64 },
	{ "Sign external, ReqRandom does not matter", ALL, BOTH_LOCKED, LOADED, 0x41, 0x80, 2, 0,
	    LEN64 },
	{ "Sign external, TempKey empty", ALL, BOTH_LOCKED, NONE, 0x41, 0x80, 0, 0, EXEC },
	{ "Sign external, internal-only slot", ALL, BOTH_LOCKED, LOADED, 0x41, 0x80, 1, 0, EXEC },
	{ "Sign external, blank slot: ECC fault", ALL, BOTH_LOCKED, LOADED, 0x41, 0x80, 4, 0, ECC },
	{ "Sign external, not a private slot", ALL, BOTH_LOCKED, LOADED, 0x41, 0x80, 10, 0, EXEC },
	{ "Sign external, slot 16", ALL, BOTH_LOCKED, LOADED, 0x41, 0x80, 16, 0, PARSE },
	{ "Sign with data", ALL, BOTH_LOCKED, LOADED, 0x41, 0x80, 0, 32, PARSE },
	{ "Sign from MessageDigestBuffer, empty", F608, BOTH_LOCKED, LOADED, 0x41, 0xA0, 0, 0,
	    EXEC },
	{ "Sign from MessageDigestBuffer", F508, BOTH_LOCKED, LOADED, 0x41, 0xA0, 0, 0, PARSE },
	{ "Sign internal after GenKey", ALL, BOTH_LOCKED, FROM_GENKEY, 0x41, 0x40, 1, 0, LEN64 },
	{ "Sign internal after a bare nonce", ALL, BOTH_LOCKED, RANDOM_NONCE, 0x41, 0x40, 1, 0,
	    EXEC },
	{ "Sign internal, external-only slot", ALL, BOTH_LOCKED, FROM_GENKEY, 0x41, 0x40, 2, 0,
	    EXEC },
	{ "Sign internal from the buffer", ALL, BOTH_LOCKED, FROM_GENKEY, 0x41, 0x20, 1, 0, PARSE },
	{ "Sign mode 2", ALL, BOTH_LOCKED, FROM_GENKEY, 0x41, 0x02, 1, 0, PARSE },

	{ "Verify external, 127 bytes", ALL, BOTH_LOCKED, LOADED, 0x45, 2, 4, 127, PARSE },
	{ "Verify external, key type 3", ALL, BOTH_LOCKED, LOADED, 0x45, 2, 3, 128, PARSE },
	{ "Verify external, point off the curve", ALL, BOTH_LOCKED, LOADED, 0x45, 2, 4, 128, EXEC },
	{ "Verify external, TempKey empty", ALL, BOTH_LOCKED, NONE, 0x45, 2, 4, 128, EXEC },
	{ "Verify stored, slot 7", ALL, BOTH_LOCKED, LOADED, 0x45, 0, 7, 64, PARSE },
	{ "Verify stored, wrong signature", ALL, BOTH_LOCKED, LOADED, 0x45, 0, 11, 64, MISS },
	{ "Verify stored, key not validated", ALL, BOTH_LOCKED, LOADED, 0x45, 0, 9, 64, EXEC },
	{ "Verify stored, not a key", ALL, BOTH_LOCKED, LOADED, 0x45, 0, 10, 64, EXEC },
	{ "Verify from buffer", F508, BOTH_LOCKED, LOADED, 0x45, 0x22, 4, 128, PARSE },

	{ "ECDH, point off the curve", ALL, BOTH_LOCKED, NONE, 0x43, 0, 0, 64, EXEC },
	{ "ECDH, 63 bytes", ALL, BOTH_LOCKED, NONE, 0x43, 0, 0, 63, PARSE },
	{ "ECDH, slot without permission", ALL, BOTH_LOCKED, NONE, 0x43, 0, 2, 64, EXEC },
	{ "ECDH, data unlocked", ALL, CONFIG_LOCKED, NONE, 0x43, 0, 0, 64, EXEC },
	{ "ECDH mode 4", F508, BOTH_LOCKED, NONE, 0x43, 4, 0, 64, PARSE },

	{ "SHA start", ALL, FRESH, NONE, 0x47, 0, 0, 0, DONE },
	{ "SHA update without start", ALL, FRESH, NONE, 0x47, 1, 64, 64, EXEC },
	{ "SHA end without start", ALL, FRESH, NONE, 0x47, 2, 0, 0, EXEC },
	{ "SHA update, 65 bytes", ALL, FRESH, NONE, 0x47, 1, 65, 65, PARSE },
	{ "SHA update, length differs", ALL, FRESH, NONE, 0x47, 1, 63, 64, PARSE },
	{ "SHA update, 3 bytes", F508, FRESH, NONE, 0x47, 1, 3, 3, PARSE },

	{ "Counter read", ALL, BOTH_LOCKED, NONE, 0x24, 0, 0, 0, LEN4 },
	{ "Counter increment", ALL, BOTH_LOCKED, NONE, 0x24, 1, 1, 0, LEN4 },
	{ "Counter 2", ALL, BOTH_LOCKED, NONE, 0x24, 0, 2, 0, PARSE },
	{ "Counter mode 2", ALL, BOTH_LOCKED, NONE, 0x24, 2, 0, 0, PARSE },
};

static void fill_temp(struct engine *g, enum temp temp)
{
	uint8_t bytes[32];

	memset(bytes, 0x5A, 32);
	switch (temp) {
	case NONE:
		break;
	case RANDOM_NONCE:
		rig_send(g, 0x16, 0, 0, SLICE_OF(bytes, 20));
		break;
	case LOADED:
		rig_send(g, 0x16, 3, 0, SLICE_OF(bytes, 32));
		break;
	case FROM_GENKEY:
		rig_send(g, 0x16, 0, 0, SLICE_OF(bytes, 20));
		rig_send(g, 0x40, 8, 0, NOTHING);
	}
}

static void run_case(struct engine *g, const struct test_case *c, enum emu_family family)
{
	uint8_t in[130], q[64];
	struct answer a;
	int got;

	rig_chip(g, family, c->state);
	rig_private(g, 0, 0x11);
	rig_private(g, 1, 0x12);
	rig_private(g, 2, 0x13);
	rig_private(g, 6, 0x14);
	rig_point(0x15, q);
	rig_public(g, 11, q, 0);
	rig_public(g, 9, q, 0xA);
	fill_temp(g, c->temp);
	memset(in, 0x77, sizeof(in));
	a = rig_send(g, c->opcode, c->p1, c->p2, SLICE_OF(in, c->n));
	got = a.status < 0 ? (int)a.n : -a.status;
	ok(got == c->want, "%s: %s", emu_family_name(family), c->name);
	if (got != c->want)
		printf("# got %d, wanted %d (negative: status)\n", got, c->want);
}

static void tables(struct engine *g)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (cases[i].families & F508)
			run_case(g, &cases[i], EMU_ATECC508A);
		if (cases[i].families & F608)
			run_case(g, &cases[i], EMU_ATECC608B);
	}
}

/* --- what commands return and leave behind --- */

static void packets(struct engine *g)
{
	uint8_t packet[160], r[EMU_RESPONSE_MAX];
	size_t n = rig_packet(packet, 0x30, 0, 0, NOTHING);

	is_bytes(
	    packet, n, (uint8_t[]){ 0x07, 0x30, 0, 0, 0, 0x03, 0x5D }, 7, "CRC of an Info packet");
	ok(engine_status(ST_AWAKE, r) == 4 && load_le16(r + 2) == 0x4333, "wake frame 04 11 33 43");
	ok(engine_status(ST_OK, r) == 4 && load_le16(r + 2) == 0x4003, "success 04 00 03 40");
	packet[2] ^= 1;
	n = engine_execute(g, SLICE_OF(packet, n), r);
	ok(n == 4 && r[1] == 0xFF, "wrong CRC: status FF");
	packet[2] ^= 1;
	n = engine_execute(g, SLICE_OF(packet, 6), r);
	ok(n == 4 && r[1] == 0xFF, "cut packet: status FF");
	packet[0] = 8;
	n = engine_execute(g, SLICE_OF(packet, 7), r);
	ok(n == 4 && r[1] == 0xFF, "count too large: status FF");
	n = engine_execute(g, NOTHING, r);
	ok(n == 4 && r[1] == 0xFF, "empty packet: status FF");
}

static void revisions(struct engine *g)
{
	static const uint8_t want[3][4] = { { 0, 0, 0x50, 0 }, { 0, 0, 0x60, 2 },
		{ 0, 0, 0x60, 3 } };

	for (int f = EMU_ATECC508A; f <= EMU_ATECC608B; f++) {
		struct answer a;

		rig_chip(g, (enum emu_family)f, FRESH);
		a = rig_send(g, 0x30, 0, 0, NOTHING);
		is_bytes(a.p, a.n, want[f], 4, "Info: revision");
		a = rig_send(g, 0x02, 0x80, 0, NOTHING);
		ok(memcmp(a.p, "\x45\x4D", 2) == 0 && a.p[12] == 0x4D, "emulated serial number");
	}
}

static void unlocked_random(struct engine *g)
{
	uint8_t num_in[20] = { 7 }, want[32], temp[32];
	struct answer a;

	for (int i = 0; i < 32; i++)
		want[i] = i % 4 < 2 ? 0xFF : 0x00;
	rig_chip(g, EMU_ATECC608A, FRESH);
	a = rig_send(g, 0x1B, 0, 0, NOTHING);
	is_bytes(a.p, a.n, want, 32, "Random before the config lock: FFFF0000");
	a = rig_send(g, 0x16, 0, 0, SLICE(num_in));
	is_bytes(a.p, a.n, want, 32, "Nonce before the config lock: FFFF0000");
	HASH(temp, SLICE(want), SLICE(num_in), BYTES(0x16, 0, 0));
	is_bytes(g->reg.temp.value, 32, temp, 32, "TempKey = SHA-256(RandOut | NumIn | 16 00 00)");

	rig_chip(g, EMU_ATECC608A, CONFIG_LOCKED);
	a = rig_send(g, 0x1B, 0, 0, NOTHING);
	ok(memcmp(a.p, want, 32) != 0, "Random after the config lock is random");
	memcpy(want, a.p, 32);
	a = rig_send(g, 0x1B, 0, 0, NOTHING);
	ok(memcmp(a.p, want, 32) != 0, "and differs from call to call");
}

static void write_read(struct engine *g)
{
	uint8_t block[32], got[72];
	struct answer a;

	rig_chip(g, EMU_ATECC608B, BOTH_LOCKED);
	for (unsigned b = 0; b < 3; b++) {
		memset(block, (int)(0xB0 + b), 32);
		rig_send(g, 0x12, 0x82, b << 8 | 10 << 3, SLICE(block));
	}
	for (unsigned b = 0; b < 3; b++) {
		a = rig_send(g, 0x02, 0x82, b << 8 | 10 << 3, NOTHING);
		memcpy(got + 32 * b, a.p, b < 2 ? 32 : 8);
	}
	ok(got[0] == 0xB0 && got[32] == 0xB1 && got[71] == 0xB2, "72 bytes in blocks");
	ok(a.p[8] == 0 && a.p[31] == 0, "beyond the slot: zeros");
	ok(slot_bytes(&g->mem, 11)[0] == 0xFF, "the next slot is untouched");
	rig_send(g, 0x12, 0x02, 2 << 8 | 10 << 3 | 1, BYTES(1, 2, 3, 4));
	a = rig_send(g, 0x02, 0x02, 2 << 8 | 10 << 3 | 1, NOTHING);
	is_bytes(a.p, a.n, (uint8_t[]){ 1, 2, 3, 4 }, 4, "the last word alone");

	g->mem.config[18] = 0x55;
	g->mem.family = EMU_ATECC508A;
	rig_send(g, 0x12, 0x01, 2, BYTES(0xF0, 0xFF, 0x00, 0xFF));
	rig_send(g, 0x12, 0x01, 2, BYTES(0xFF, 0x0F, 0xFF, 0xFF));
	a = rig_send(g, 0x02, 0x01, 2, NOTHING);
	is_bytes(
	    a.p, a.n, (uint8_t[]){ 0xF0, 0x0F, 0x00, 0xFF }, 4, "OTP consumption only clears bits");
}

static void locks(struct engine *g)
{
	struct answer a;
	uint16_t crc;

	rig_chip(g, EMU_ATECC608B, FRESH);
	rig_send(g, 0x12, 0x00, 4, BYTES(0xC0, 0, 0, 0));
	crc = rig_crc(g->mem.config, 128);
	a = rig_send(g, 0x17, 0, crc, NOTHING);
	ok(a.status == 0 && g->mem.config[87] == 0 && g->mem.config[86] == 0x55,
	    "config lock with CRC");
	memcpy(g->mem.otp, "otp", 3);
	{
		uint8_t all[DATA_SIZE + OTP_SIZE];

		memcpy(all, g->mem.data, DATA_SIZE);
		memcpy(all + DATA_SIZE, g->mem.otp, OTP_SIZE);
		crc = rig_crc(all, sizeof(all));
	}
	a = rig_send(g, 0x17, 1, crc, NOTHING);
	ok(a.status == 0 && g->mem.config[86] == 0, "data lock with CRC over slots, then OTP");

	rig_private(g, 0, 0x11);
	ok(rig_send(g, 0x17, 0x82 | 0 << 2, 0, NOTHING).status == 0, "slot 0 locked singly");
	ok(load_le16(g->mem.config + 88) == 0xFFFE, "SlotLocked bit 0 is cleared");
	ok(rig_send(g, 0x17, 0x82, 0, NOTHING).status == 0x0F, "locked again: 0F");
	ok(rig_send(g, 0x40, 4, 0, NOTHING).status == 0x0F, "GenKey into a locked slot: 0F");
	ok(rig_send(g, 0x40, 0, 0, NOTHING).n == 64, "its public key is still there");
	rig_send(g, 0x17, 0x82 | 10 << 2, 0, NOTHING);
	ok(rig_send(g, 0x12, 0x02, 10 << 3, BYTES(1, 2, 3, 4)).status == 0x0F,
	    "Write to a locked slot: 0F");
	ok(rig_send(g, 0x02, 0x02, 10 << 3, NOTHING).n == 4, "Read of a locked slot");

	ok(rig_send(g, 0x20, 0, 0x07, NOTHING).status == 0, "UserExtra 0 -> 07 although locked");
	ok(rig_send(g, 0x20, 0, 0x08, NOTHING).status == 0x0F, "UserExtra 07 -> 08: 0F");
	ok(g->mem.config[84] == 7, "UserExtra is 07");
}

static void signatures(struct engine *g, enum emu_family family)
{
	uint8_t digest[32], q[64], sig[64], both[128];
	struct answer a;

	rig_chip(g, family, BOTH_LOCKED);
	a = rig_send(g, 0x40, 4, 0, NOTHING);
	memcpy(q, a.p, 64);
	ok(p256_point_check(g->p256, q) == OK, "GenKey returns a point of the curve");
	a = rig_send(g, 0x40, 0, 0, NOTHING);
	is_bytes(a.p, a.n, q, 64, "GenKey mode 0 returns the same point");
	ok(memcmp(slot_bytes(&g->mem, 0), rig_zeros, 4) == 0,
	    "the scalar has four zero bytes before it");
	a = rig_send(g, 0x30, 1, 0, NOTHING);
	ok(a.p[0] == 1, "Info KeyValid: 1");

	memset(digest, 0xD1, 32);
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	a = rig_send(g, 0x41, 0x80, 0, NOTHING);
	ok(p256_verify(g->p256, q, digest, a.p) == OK, "external signature verifies");
	ok(rig_send(g, 0x41, 0x80, 0, NOTHING).status == 0x0F, "Sign consumed TempKey");
	memcpy(both, a.p, 64);
	memcpy(both + 64, q, 64);
	memcpy(sig, a.p, 64);
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x45, 2, 4, SLICE(both)).status == 0, "Verify external: 00");
	digest[0] ^= 1;
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x45, 2, 4, SLICE(both)).status == 1, "Verify external, other digest: 01");
	digest[0] ^= 1;
	rig_public(g, 11, q, 0);
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x45, 0, 11, SLICE(sig)).status == 0, "Verify stored: 00");
	rig_public(g, 9, q, 5);
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x45, 0, 9, SLICE(sig)).status == 0, "Verify stored, validated key: 00");
	ok(rig_send(g, 0x12, 0x82, 9 << 3, SLICE(digest)).status == 0x0F,
	    "PubInvalid: a valid key stays");
	rig_public(g, 9, q, 0xA);
	rig_send(g, 0x16, 3, 0, SLICE(digest));
	ok(rig_send(g, 0x45, 0, 9, SLICE(sig)).status == 0x0F,
	    "Verify stored, invalidated key: 0F");
	rig_send(g, 0x12, 0x82, 9 << 3, SLICE(q));
	ok(slot_bytes(&g->mem, 9)[0] >> 4 == 0xA, "writing a public key makes it not valid");
}

static void buffer_signature(struct engine *g)
{
	uint8_t digest[32], q[64], temp[32];
	struct answer a;

	rig_chip(g, EMU_ATECC608A, BOTH_LOCKED);
	a = rig_send(g, 0x40, 4, 0, NOTHING);
	memcpy(q, a.p, 64);
	memset(digest, 0xD2, 32);
	memset(temp, 0xD3, 32);
	rig_send(g, 0x16, 0x03, 0, SLICE(temp));
	rig_send(g, 0x16, 0x43, 0, SLICE(digest));
	a = rig_send(g, 0x41, 0xA0, 0, NOTHING);
	ok(p256_verify(g->p256, q, digest, a.p) == OK, "608: Sign from the MessageDigestBuffer");
	a = rig_send(g, 0x41, 0x80, 0, NOTHING);
	ok(p256_verify(g->p256, q, temp, a.p) == OK, "608: which kept TempKey");
}

/* PubKeyDigest and the 55-byte message, from the tables of the data sheet. */
static void internal_signature(struct engine *g)
{
	uint8_t num_in[20] = { 0xA5 }, tk[32], pkd[32], digest[32], q0[64], q1[64];
	const uint8_t *sn = rig_serial;
	struct answer a;

	rig_chip(g, EMU_ATECC608B, BOTH_LOCKED);
	rig_private(g, 1, 0x21);
	rig_point(0x21, q1);
	a = rig_send(g, 0x16, 0, 0, SLICE(num_in));
	HASH(tk, SLICE_OF(a.p, 32), SLICE(num_in), BYTES(0x16, 0, 0));
	a = rig_send(g, 0x40, 0x0C, 0, NOTHING);
	memcpy(q0, a.p, 64);
	HASH(pkd, SLICE(tk), BYTES(0x40, 0x0C, 0, 0), SLICE_OF(sn + 8, 1), SLICE_OF(sn, 2),
	    ZEROS(25), SLICE(q0));
	a = rig_send(g, 0x30, 2, 0, NOTHING);
	ok(a.p[0] == 0x40 && a.p[1] == 0x80, "Info State: GenKeyData, KeyId 0, valid");
	a = rig_send(g, 0x41, 0x40, 1, NOTHING);
	HASH(digest, SLICE(pkd), BYTES(0x41, 0x40, 0x01, 0x00, 0x87, 0x20, 0x33, 0x00, 0x40, 0, 0),
	    SLICE_OF(sn + 8, 1), SLICE_OF(sn + 4, 4), SLICE_OF(sn, 4), BYTES(1, 0, 0));
	ok(p256_verify(g->p256, q1, digest, a.p) == OK,
	    "internal signature over GenKey, with serial number");

	rig_send(g, 0x17, 0x82, 0, NOTHING);
	a = rig_send(g, 0x16, 0, 0, SLICE(num_in));
	HASH(tk, SLICE_OF(a.p, 32), SLICE(num_in), BYTES(0x16, 0, 0));
	rig_send(g, 0x40, 0x08, 0, NOTHING);
	HASH(pkd, SLICE(tk), BYTES(0x40, 0x08, 0, 0), SLICE_OF(sn + 8, 1), SLICE_OF(sn, 2),
	    ZEROS(25), SLICE(q0));
	a = rig_send(g, 0x41, 0x00, 1, NOTHING);
	HASH(digest, SLICE(pkd), BYTES(0x41, 0x00, 0x01, 0x00, 0x87, 0x20, 0x33, 0x00, 0x40, 0, 0),
	    SLICE_OF(sn + 8, 1), ZEROS(4), SLICE_OF(sn, 2), ZEROS(2), BYTES(0, 0, 0));
	ok(p256_verify(g->p256, q1, digest, a.p) == OK,
	    "without serial number, slot 0 locked: lock byte 00");
}

/* The published worked example: its point as a stored key, so that the digest is reproducible. */
static void worked_example(struct engine *g)
{
	static const uint8_t serial[9] = { 0x01, 0x23, 0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0xEE };
	static const uint8_t tk[32] = { 0xBB, 0x79, 0xCF, 0x4B, 0x64, 0x86, 0x85, 0xFB, 0xE2, 0x01,
		0xB7, 0xB1, 0xC0, 0xEF, 0x3F, 0x13, 0x74, 0x82, 0x02, 0xBB, 0x5F, 0xE3, 0x78, 0xA7,
		0xBE, 0x69, 0x37, 0x6A, 0x74, 0x70, 0x84, 0xB1 };
	static const uint8_t q[64] = { 0x2B, 0xBD, 0x87, 0x86, 0x26, 0x37, 0xE7, 0xA7, 0x5E, 0x61,
		0x0B, 0xD0, 0xDC, 0x08, 0x1B, 0x23, 0xE5, 0x72, 0xD4, 0xDA, 0xE1, 0x03, 0x4B, 0x07,
		0x3A, 0x1A, 0x3B, 0xBE, 0x51, 0x05, 0x07, 0x91, 0x71, 0x4C, 0xB1, 0x47, 0xA6, 0x9D,
		0xDD, 0x50, 0xA0, 0x57, 0xD1, 0xE7, 0x18, 0xAB, 0xE2, 0x36, 0xD5, 0xDE, 0x6B, 0x51,
		0x50, 0xA0, 0x8E, 0x6B, 0x40, 0xD1, 0x38, 0x5C, 0x5A, 0x25, 0x16, 0x17 };
	static const uint8_t pkd[32] = { 0xA6, 0xC6, 0x20, 0x90, 0x6D, 0x9A, 0x60, 0xE4, 0x2A, 0x62,
		0xA5, 0xD5, 0x99, 0xE1, 0xCD, 0x16, 0x19, 0xD6, 0x3F, 0x0E, 0xA6, 0xE8, 0x88, 0x6F,
		0xB5, 0x2D, 0x92, 0x77, 0x28, 0x7B, 0x97, 0x66 };
	struct answer a;

	rig_chip(g, EMU_ATECC608B, BOTH_LOCKED);
	memcpy(g->mem.config, serial, 4);
	memcpy(g->mem.config + 8, serial + 4, 5);
	rig_public(g, 11, q, 0);
	rig_send(g, 0x16, 3, 0, SLICE(tk));
	a = rig_send(g, 0x40, 0x10, 11, BYTES(0x0C, 0x00, 0x00));
	ok(a.status == 0, "GenKey of a stored key, header chosen by the host");
	is_bytes(g->reg.temp.value, 32, pkd, 32, "PubKeyDigest of the worked example");
	a = rig_send(g, 0x30, 2, 0, NOTHING);
	ok(a.p[0] == 0x5B, "and the flags betray it: KeyId 11, Source 1");
}

static void agreements(struct engine *g)
{
	uint8_t ours[64], theirs[64], x[32], want[32], d[32];
	struct p256_key *key = NULL;
	struct answer a;

	rig_chip(g, EMU_ATECC508A, BOTH_LOCKED);
	rig_private(g, 0, 0x31);
	rig_private(g, 4, 0x32);
	rig_point(0x33, theirs);
	memset(d, 0x31, 32);
	ok(p256_key_from_scalar(d, &key, NULL) == OK && p256_ecdh(key, theirs, want) == OK,
	    "host side");
	p256_key_free(key);
	a = rig_send(g, 0x43, 0, 0, SLICE(theirs));
	is_bytes(a.p, a.n, want, 32, "ECDH on the bus");
	a = rig_send(g, 0x43, 0, 4, SLICE(theirs));
	memset(d, 0x32, 32);
	key = NULL;
	ok(p256_key_from_scalar(d, &key, NULL) == OK && p256_ecdh(key, theirs, want) == OK,
	    "host side");
	p256_key_free(key);
	ok(a.status == 0, "ECDH to the slot above: status only");
	is_bytes(slot_bytes(&g->mem, 5), 32, want, 32, "and the secret is there");

	rig_configure(g, 5, 0x2087, 0x0033);
	ok(rig_send(g, 0x43, 0, 4, SLICE(theirs)).status == 0x0F, "not over a private key");

	rig_chip(g, EMU_ATECC608B, BOTH_LOCKED);
	rig_private(g, 4, 0x32);
	ok(rig_send(g, 0x43, 0x0C, 4, SLICE(theirs)).status == 0x0F,
	    "608: such a secret never leaves");
	ok(rig_send(g, 0x43, 0x08, 4, SLICE(theirs)).status == 0, "608: but may go to TempKey");
	is_bytes(g->reg.temp.value, 32, want, 32, "608: X in TempKey");
	rig_private(g, 0, 0x31);
	ok(rig_send(g, 0x43, 0x04, 0, SLICE(theirs)).status == 0x0F,
	    "608: to a slot only when configured");

	a = rig_send(g, 0x40, 4, 0xFFFF, NOTHING);
	memcpy(ours, a.p, 64);
	ok(rig_send(g, 0x41, 0x80, 0, NOTHING).status == 0x0F,
	    "608: an ephemeral key is not a digest");
	a = rig_send(g, 0x40, 4, 0xFFFF, NOTHING);
	memcpy(ours, a.p, 64);
	a = rig_send(g, 0x43, 0x0D, 0xFFFF, SLICE(theirs));
	memset(d, 0x33, 32);
	key = NULL;
	ok(p256_key_from_scalar(d, &key, NULL) == OK && p256_ecdh(key, ours, x) == OK, "host side");
	p256_key_free(key);
	is_bytes(a.p, a.n, x, 32, "608: ECDH with the ephemeral key");
	ok(rig_send(g, 0x43, 0x0D, 0xFFFF, SLICE(theirs)).status == 0x0F, "608: once");
}

static void hashes(struct engine *g, enum emu_family family)
{
	uint8_t message[200], want[32];
	bool all = true;
	struct answer a;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 7);
	rig_chip(g, family, FRESH);
	for (size_t n = 0; n <= 150; n++) {
		size_t at = 0;

		rig_send(g, 0x47, 0, 0, NOTHING);
		for (; n - at > 64; at += 64)
			rig_send(g, 0x47, 1, 64, SLICE_OF(message + at, 64));
		a = rig_send(g, 0x47, 2, (unsigned)(n - at), SLICE_OF(message + at, n - at));
		sha256(SLICE_OF(message, n), want);
		all = all && a.n == 32 && memcmp(a.p, want, 32) == 0;
	}
	ok(all, "%s: SHA of 0 to 150 bytes, 64 in the last piece included",
	    emu_family_name(family));
	ok(g->reg.temp.valid && g->reg.temp.source_input &&
	        memcmp(g->reg.temp.value, want, 32) == 0,
	    "the digest is in TempKey, Source 1");
	ok(rig_send(g, 0x47, 2, 0, NOTHING).status == 0x0F, "a second end: 0F");
}

static void hash_targets(struct engine *g)
{
	uint8_t want[32], temp[32] = { 9 };
	struct answer a;

	rig_chip(g, EMU_ATECC608A, FRESH);
	sha256(TEXT("abc"), want);
	rig_send(g, 0x16, 3, 0, SLICE(temp));
	rig_send(g, 0x47, 0, 0, NOTHING);
	rig_send(g, 0x47, 1, 2, TEXT("ab"));
	a = rig_send(g, 0x47, 0xC2, 1, TEXT("c"));
	is_bytes(a.p, a.n, want, 32, "608: pieces of any length, output only");
	ok(memcmp(g->reg.temp.value, temp, 32) == 0 && g->reg.digest_n == 0,
	    "608: registers untouched");
	rig_send(g, 0x47, 0, 0, NOTHING);
	a = rig_send(g, 0x47, 0x42, 3, TEXT("abc"));
	ok(a.n == 32 && memcmp(g->reg.digest_buffer, want, 32) == 0,
	    "608: to the MessageDigestBuffer");
	ok(memcmp(g->reg.temp.value, temp, 32) == 0, "608: TempKey untouched");
	ok(rig_send(g, 0x47, 0x82, 3, TEXT("abc")).status == 3, "608: target 2: 03");
}

/* The encoding by its description, and every value by a walk. */
static void counters(struct engine *g)
{
	static const uint32_t values[] = { 0, 1, 15, 16, 17, 31, 32, 47, 48, 1000, 1048576, 2097150,
		2097151 };
	uint8_t bytes[8], again[8];
	bool all = true;
	struct answer a;

	for (size_t i = 0; i < COUNT(values); i++) {
		uint32_t v = values[i];
		uint16_t lin_a = (uint16_t)(0xFFFFu >> v % 32),
		         lin_b = (uint16_t)(v < 16 ? 0xFFFFu : 0xFFFFu >> (v - 16) % 32);

		store_be16(bytes, lin_a);
		store_be16(bytes + 2, lin_b);
		store_be16(bytes + 4, (uint16_t)(v / 32));
		store_be16(bytes + 6, v < 16 ? 0 : (uint16_t)((v - 16) / 32));
		rig_chip(g, EMU_ATECC608B, FRESH);
		rig_send(g, 0x12, 0x00, 13, SLICE_OF(bytes, 4));
		rig_send(g, 0x12, 0x00, 14, SLICE_OF(bytes + 4, 4));
		a = rig_send(g, 0x24, 0, 0, NOTHING);
		ok(a.n == 4 && load_le32(a.p) == v, "counter value %lu", (unsigned long)v);
		a = rig_send(g, 0x24, 1, 0, NOTHING);
		ok(v == 2097151 ? a.status == 0x0F : load_le32(a.p) == v + 1, "its increment");
	}
	rig_chip(g, EMU_ATECC508A, BOTH_LOCKED);
	for (uint32_t v = 1; v <= 200; v++) {
		a = rig_send(g, 0x24, 1, 1, NOTHING);
		memcpy(again, g->mem.config + 60, 8);
		all = all && load_le32(a.p) == v && load_be16(again + 4) == v / 32;
	}
	ok(all, "200 increments count to 200");
	a = rig_send(g, 0x24, 0, 0, NOTHING);
	ok(load_le32(a.p) == 0, "the other counter did not move");
}

static void wear(struct engine *g)
{
	rig_chip(g, EMU_ATECC608B, BOTH_LOCKED);
	rig_send(g, 0x40, 4, 0, NOTHING);
	rig_send(g, 0x40, 4, 0, NOTHING);
	rig_send(g, 0x12, 0x02, 10 << 3, BYTES(1, 2, 3, 4));
	ok(g->mem.wear_slot[0] == 2 && g->mem.wear_slot[10] == 1,
	    "EEPROM writes are counted by slot");
	g->mem.changed = false;
	rig_send(g, 0x1B, 0, 0, NOTHING);
	rig_send(g, 0x40, 0, 0, NOTHING);
	rig_send(g, 0x12, 0x02, 12 << 3, BYTES(1, 2, 3, 4));
	ok(!g->mem.changed, "reading and refused commands write nothing");
}

int main(void)
{
	struct engine g;

	if (engine_init(&g, NULL, NULL, NULL) != OK)
		return 1;
	packets(&g);
	tables(&g);
	revisions(&g);
	unlocked_random(&g);
	write_read(&g);
	locks(&g);
	signatures(&g, EMU_ATECC508A);
	signatures(&g, EMU_ATECC608A);
	buffer_signature(&g);
	internal_signature(&g);
	worked_example(&g);
	agreements(&g);
	hashes(&g, EMU_ATECC508A);
	hashes(&g, EMU_ATECC608B);
	hash_targets(&g);
	counters(&g);
	wear(&g);
	engine_free(&g);
	return done_testing();
}
