/*
 * memory.h -- the EEPROM of the chip: configuration, OTP and 16 slots, and how often it was
 * written.
 *
 * Offsets are bytes within a zone or slot. Reading rules and permissions are the commands'
 * business; here are the layout (data sheet, EEPROM organisation), the bit fields of SlotConfig and
 * KeyConfig, and the three functions through which everything is written, so that wear counts
 * itself.
 */
#ifndef IMPRINT_EMU_MEMORY_H
#define IMPRINT_EMU_MEMORY_H

#include "emu.h"

#define CONFIG_SIZE 128
#define OTP_SIZE 64
#define DATA_SIZE 1208
#define SLOTS 16

/* Offsets in the configuration zone. */
enum {
	AT_SERIAL_LOW = 0, /* SN[0:3] */
	AT_REVISION = 4,
	AT_SERIAL_HIGH = 8, /* SN[4:8] */
	AT_AES_ENABLE = 13, /* 608 */
	AT_ADDRESS = 16,
	AT_OTP_MODE = 18,    /* 508A */
	AT_COUNT_MATCH = 18, /* 608 */
	AT_CHIP_MODE = 19,
	AT_SLOT_CONFIG = 20,
	AT_COUNTER = 52,
	AT_LAST_KEY_USE = 68, /* 508A */
	AT_VOLATILE_KEY = 69, /* 608 */
	AT_SECURE_BOOT = 70,  /* 608 */
	AT_KDF_IV_LOC = 72,   /* 608 */
	AT_KDF_IV_STR = 73,   /* 608 */
	AT_USER_EXTRA = 84,
	AT_SELECTOR = 85, /* 608: UserExtraAdd */
	AT_LOCK_VALUE = 86,
	AT_LOCK_CONFIG = 87,
	AT_SLOT_LOCKED = 88,
	AT_CHIP_OPTIONS = 90, /* 608 */
	AT_X509_FORMAT = 92,
	AT_KEY_CONFIG = 96,
};
enum { UNLOCKED = 0x55, LOCKED = 0x00 };

/* SlotConfig. ReadKey of a private key slot is a set of permissions. */
enum {
	SC_READ_KEY = 0x000F,
	SC_EXTERNAL_SIGN = 0x0001,
	SC_INTERNAL_SIGN = 0x0002,
	SC_ECDH = 0x0004,
	SC_ECDH_TO_SLOT = 0x0008,
	SC_NO_MAC = 0x0010,
	SC_LIMITED_USE = 0x0020,
	SC_ENCRYPT_READ = 0x0040,
	SC_IS_SECRET = 0x0080,
	SC_WRITE_KEY = 0x0F00,
	SC_WRITE_PARENT = 0x1000, /* DeriveKey from the parent; alone: PubInvalid */
	SC_WRITE_GENKEY = 0x2000,
	SC_WRITE_ENCRYPTED = 0x4000,
	SC_WRITE_MAC = 0x8000, /* without SC_WRITE_ENCRYPTED: Write never */
	SC_WRITE = 0xF000,
};

/* KeyConfig. */
enum {
	KC_PRIVATE = 0x0001,
	KC_PUB_INFO = 0x0002,
	KC_LOCKABLE = 0x0020,
	KC_REQ_RANDOM = 0x0040,
	KC_REQ_AUTH = 0x0080,
	KC_DISABLE = 0x1000, /* 508A IntrusionDisable, 608 PersistentDisable */
	KEY_TYPE_P256 = 4,
	KEY_TYPE_AES = 6,
};

/* ChipOptions (608); bits 9..8 protect ECDH, 11..10 KDF, 15..12 name the IO protection key. */
enum { CO_IO_KEY = 0x0002, CO_KDF_AES = 0x0004 };

struct memory {
	enum emu_family family;
	bool genuine_looking;
	uint8_t config[CONFIG_SIZE];
	uint8_t otp[OTP_SIZE];
	uint8_t data[DATA_SIZE]; /* slots 0 to 15, one after the other */
	uint32_t wear_config, wear_otp, wear_slot[SLOTS];
	uint32_t writes; /* since the fault plan was set, or ever */
	uint32_t
	    lost_from; /* not 0: power fails before that write, which and all later ones are lost */
	bool changed;  /* since whoever saves it cleared this */
};

/* A chip as it leaves the factory, all zones unlocked. */
void memory_factory(struct memory *m, enum emu_family family, const uint8_t serial[9]);
/* NULL, or the reason why no chip of this family can hold these bytes. */
const char *memory_fault(const struct memory *m);

void memory_serial(const struct memory *m, uint8_t serial[9]);
bool memory_is_608(const struct memory *m);
bool memory_config_locked(const struct memory *m);
/* Data and OTP. */
bool memory_data_locked(const struct memory *m);
/* The 7-bit I2C address that the configuration asks for. */
uint8_t memory_address(const struct memory *m);

size_t slot_size(unsigned slot);
const uint8_t *slot_bytes(const struct memory *m, unsigned slot);
uint16_t slot_config(const struct memory *m, unsigned slot);
uint16_t key_config(const struct memory *m, unsigned slot);
unsigned key_type(const struct memory *m, unsigned slot);
bool slot_locked(const struct memory *m, unsigned slot);

/* n bytes that lie within the zone or slot. */
void memory_write_config(struct memory *m, size_t at, const uint8_t *p, size_t n);
void memory_write_otp(struct memory *m, size_t at, const uint8_t *p, size_t n);
void memory_write_slot(struct memory *m, unsigned slot, size_t at, const uint8_t *p, size_t n);

#endif
