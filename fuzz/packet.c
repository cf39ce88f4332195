/*
 * Command packets into the engine. The first byte chooses family and lock state; then packets follow,
 * each a length byte and that many bytes from opcode to data; count and CRC are added. Whatever comes,
 * the response is well formed, locks never open, identity never changes, no private key comes out, and
 * the memory is one that a chip can have.
 */
#include "fuzz.h"
#include "command.h"
#include "sha256.h"

#include <string.h>

static const uint8_t serial[9] = { 0x45, 0x4D, 1, 2, 3, 4, 5, 6, 0x4D };
static uint8_t planted[SLOTS][32]; /* scalars that nobody can guess */

static enum err counted(void *ctx, uint8_t *out, size_t n)
{
	uint8_t *state = ctx, block[32];

	for (size_t i = 0; i < n; i += 32) {
		state[0]++;
		sha256((struct slice){ state, 32 }, block);
		memcpy(out + i, block, n - i < 32 ? n - i : 32);
	}
	return OK;
}

/* Every kind of slot: see tests/emu/rig.h. */
static const uint16_t slot_configs[16] = { 0x2087, 0x0082, 0x2081, 0x8080, 0x208F, 0x43C3, 0x2081,
	0x4381, 0x0000, 0x100B, 0x0000, 0x0000, 0x3380, 0x00A0, 0x0000, 0xA0D0 };
static const uint16_t key_configs[16] = { 0x0033, 0x0053, 0x0073, 0x001C, 0x0033, 0x035C, 0x0031,
	0x0033, 0x003C, 0x0032, 0x003C, 0x0030, 0x001C, 0x0038, 0x101C, 0x001C };

static void prepare(struct engine *g, uint8_t choice)
{
	memory_factory(&g->mem, (enum emu_family)(choice % 3), serial);
	engine_power_off(g);
	for (unsigned i = 0; i < SLOTS; i++) {
		uint8_t stored[36] = { 0 };

		store_le16(g->mem.config + AT_SLOT_CONFIG + 2 * i, slot_configs[i]);
		store_le16(g->mem.config + AT_KEY_CONFIG + 2 * i, key_configs[i]);
		if (!(key_configs[i] & KC_PRIVATE))
			continue;
		memcpy(stored + 4, planted[i], 32);
		memory_write_slot(&g->mem, i, 0, stored, 36);
	}
	/* Secure boot: digests kept in slot 10, key in 11; IO protection key in 3, KDF with AES. */
	store_le16(g->mem.config + AT_SECURE_BOOT, 0xBA0B);
	store_le16(g->mem.config + AT_CHIP_OPTIONS, 0x3006);
	g->mem.config[AT_VOLATILE_KEY] = 0x83;
	if (choice & 0x40)
		g->mem.config[AT_LOCK_CONFIG] = LOCKED;
	if ((choice & 0xC0) == 0xC0)
		g->mem.config[AT_LOCK_VALUE] = LOCKED;
}

static bool contains(const uint8_t *p, size_t n, const uint8_t want[32])
{
	for (size_t i = 0; i + 32 <= n; i++) {
		if (memcmp(p + i, want, 32) == 0)
			return true;
	}
	return false;
}

static bool known_status(uint8_t status)
{
	return status == ST_OK || status == ST_MISCOMPARE || status == ST_PARSE ||
	       status == ST_ECC || status == ST_RNG || status == ST_EXECUTION || status == ST_CRC;
}

static void check_response(const uint8_t *r, size_t n)
{
	if (n == 0) /* Pause */
		return;
	CHECK(n >= 4 && r[0] == n);
	CHECK(load_le16(r + n - 2) == engine_crc(0, (struct slice){ r, n - 2 }));
	CHECK(n > 4 || known_status(r[1]));
	for (unsigned i = 0; i < SLOTS; i++)
		CHECK(!contains(r, n, planted[i]));
}

static void check_memory(const struct memory *before, const struct memory *now)
{
	CHECK(memory_fault(now) == NULL);
	CHECK(memcmp(before->config, now->config, 16) == 0);
	CHECK(!memory_config_locked(before) || memory_config_locked(now));
	CHECK(!memory_data_locked(before) || memory_data_locked(now));
	if (!memory_config_locked(before)) {
		CHECK(memcmp(before->data, now->data, DATA_SIZE) == 0);
		CHECK(memcmp(before->otp, now->otp, OTP_SIZE) == 0);
		return;
	}
	CHECK(!(
	    load_le16(now->config + AT_SLOT_LOCKED) & ~load_le16(before->config + AT_SLOT_LOCKED)));
	CHECK(memcmp(before->config + 16, now->config + 16, AT_COUNTER - 16) == 0);
	CHECK(counter_value(before, 0) <= counter_value(now, 0));
	CHECK(memcmp(before->config + AT_KEY_CONFIG, now->config + AT_KEY_CONFIG, 32) == 0);
	for (unsigned i = 0; i < SLOTS; i++) {
		if (slot_locked(before, i))
			CHECK(memcmp(slot_bytes(before, i), slot_bytes(now, i), slot_size(i)) == 0);
	}
}

static void one(struct engine *g, const uint8_t *p, size_t n)
{
	uint8_t packet[7 + 255], r[EMU_RESPONSE_MAX];
	struct memory before = g->mem;
	size_t got;

	packet[0] = (uint8_t)(n + 3);
	memcpy(packet + 1, p, n);
	store_le16(packet + 1 + n, engine_crc(0, (struct slice){ packet, 1 + n }));
	got = engine_execute(g, (struct slice){ packet, n + 3 }, r);
	check_response(r, got);
	check_memory(&before, &g->mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t seed[32] = { 0 }, r[EMU_RESPONSE_MAX];
	struct engine g;

	if (size < 1 || engine_init(&g, counted, seed, NULL) != OK)
		return 0;
	for (uint8_t i = 0; i < SLOTS; i++) {
		uint8_t name[2] = { 'k', i };

		sha256(SLICE(name), planted[i]);
	}
	prepare(&g, data[0]);
	check_response(r, engine_execute(&g, (struct slice){ data, size }, r));
	for (size_t at = 1, n; at < size; at += n) {
		n = data[at++];
		n = n > size - at ? size - at : n;
		if (n <= 252)
			one(&g, data + at, n);
	}
	engine_free(&g);
	return 0;
}
