#include "memory.h"

#include <string.h>

/* SlotConfig and KeyConfig of blank chips, as dumps of them show. */
static const uint8_t factory_slot_config[32] = { 0x83, 0x20, 0x87, 0x20, 0x8F, 0x20, 0xC4, 0x8F,
	0x8F, 0x8F, 0x8F, 0x8F, 0x9F, 0x8F, 0xAF, 0x8F, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xAF, 0x8F };
static const uint8_t factory_key_config[32] = { 0x33, 0x00, 0x33, 0x00, 0x33, 0x00, 0x1C, 0x00,
	0x1C, 0x00, 0x1C, 0x00, 0x1C, 0x00, 0x1C, 0x00, 0x3C, 0x00, 0x3C, 0x00, 0x3C, 0x00, 0x3C,
	0x00, 0x3C, 0x00, 0x3C, 0x00, 0x3C, 0x00, 0x1C, 0x00 };
static const uint8_t factory_counter[8] = { 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0 };

static const uint8_t revisions[][4] = {
	[EMU_ATECC508A] = { 0x00, 0x00, 0x50, 0x00 },
	[EMU_ATECC608A] = { 0x00, 0x00, 0x60, 0x02 },
	[EMU_ATECC608B] = { 0x00, 0x00, 0x60, 0x03 },
};

void memory_factory(struct memory *m, enum emu_family family, const uint8_t serial[9])
{
	uint8_t *c;

	memset(m, 0, sizeof(*m));
	c = m->config;
	m->family = family;
	memset(m->otp, 0xFF, sizeof(m->otp));
	memset(m->data, 0xFF, sizeof(m->data));

	memcpy(c + AT_SERIAL_LOW, serial, 4);
	memcpy(c + AT_REVISION, revisions[family], 4);
	memcpy(c + AT_SERIAL_HIGH, serial + 4, 5);
	c[AT_AES_ENABLE] = memory_is_608(m) ? 0x01 : 0xC0;
	c[14] = 0x59; /* I2C_Enable; the other bits differ from chip to chip */
	c[AT_ADDRESS] = 0xC0;
	c[AT_OTP_MODE] = memory_is_608(m) ? 0x00 : 0x55;
	memcpy(c + AT_SLOT_CONFIG, factory_slot_config, sizeof(factory_slot_config));
	memcpy(c + AT_COUNTER, factory_counter, sizeof(factory_counter));
	memcpy(c + AT_COUNTER + 8, factory_counter, sizeof(factory_counter));
	if (!memory_is_608(m))
		memset(c + AT_LAST_KEY_USE, 0xFF, 16);
	c[AT_LOCK_VALUE] = c[AT_LOCK_CONFIG] = UNLOCKED;
	memset(c + AT_SLOT_LOCKED, 0xFF, 2);
	memcpy(c + AT_KEY_CONFIG, factory_key_config, sizeof(factory_key_config));
}

static bool lock_byte(uint8_t b)
{
	return b == LOCKED || b == UNLOCKED;
}

const char *memory_fault(const struct memory *m)
{
	const uint8_t *c = m->config;
	uint8_t sn[9];

	memory_serial(m, sn);
	if (memcmp(c + AT_REVISION, revisions[m->family], 4) != 0)
		return "the revision is not the family's";
	if (!m->genuine_looking && (sn[0] != 0x45 || sn[1] != 0x4D || sn[8] != 0x4D))
		return "the serial number does not begin 45 4D and end 4D, and nothing says that "
		       "it may";
	if (!lock_byte(c[AT_LOCK_CONFIG]) || !lock_byte(c[AT_LOCK_VALUE]))
		return "a lock byte is neither 55 nor 00";
	if (memory_data_locked(m) && !memory_config_locked(m))
		return "the data zone is locked while the configuration is not";
	return NULL;
}

void memory_serial(const struct memory *m, uint8_t serial[9])
{
	memcpy(serial, m->config + AT_SERIAL_LOW, 4);
	memcpy(serial + 4, m->config + AT_SERIAL_HIGH, 5);
}

bool memory_is_608(const struct memory *m)
{
	return m->family != EMU_ATECC508A;
}

bool memory_config_locked(const struct memory *m)
{
	return m->config[AT_LOCK_CONFIG] != UNLOCKED;
}

bool memory_data_locked(const struct memory *m)
{
	return m->config[AT_LOCK_VALUE] != UNLOCKED;
}

uint8_t memory_address(const struct memory *m)
{
	bool extra = memory_is_608(m) && m->config[AT_CHIP_MODE] & 0x01;

	return m->config[extra ? AT_SELECTOR : AT_ADDRESS] >> 1;
}

size_t slot_size(unsigned slot)
{
	return slot < 8 ? 36 : slot == 8 ? 416 : 72;
}

static size_t slot_at(unsigned slot)
{
	return slot <= 8 ? slot * 36u : 8u * 36 + 416 + (slot - 9) * 72u;
}

const uint8_t *slot_bytes(const struct memory *m, unsigned slot)
{
	return m->data + slot_at(slot);
}

uint16_t slot_config(const struct memory *m, unsigned slot)
{
	return load_le16(m->config + AT_SLOT_CONFIG + 2 * slot);
}

uint16_t key_config(const struct memory *m, unsigned slot)
{
	return load_le16(m->config + AT_KEY_CONFIG + 2 * slot);
}

unsigned key_type(const struct memory *m, unsigned slot)
{
	return key_config(m, slot) >> 2 & 7;
}

bool slot_locked(const struct memory *m, unsigned slot)
{
	return !(load_le16(m->config + AT_SLOT_LOCKED) >> slot & 1);
}

static void wear(uint32_t *count)
{
	if (*count != UINT32_MAX)
		++*count;
}

/* The power is gone before this write. */
static bool lost(struct memory *m)
{
	m->writes++;
	return m->lost_from && m->writes >= m->lost_from;
}

void memory_write_config(struct memory *m, size_t at, const uint8_t *p, size_t n)
{
	if (lost(m))
		return;
	memcpy(m->config + at, p, n);
	wear(&m->wear_config);
	m->changed = true;
}

void memory_write_otp(struct memory *m, size_t at, const uint8_t *p, size_t n)
{
	if (lost(m))
		return;
	memcpy(m->otp + at, p, n);
	wear(&m->wear_otp);
	m->changed = true;
}

void memory_write_slot(struct memory *m, unsigned slot, size_t at, const uint8_t *p, size_t n)
{
	if (lost(m))
		return;
	memcpy(m->data + slot_at(slot) + at, p, n);
	wear(&m->wear_slot[slot]);
	m->changed = true;
}
