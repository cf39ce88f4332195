/*
 * chip.h -- what can be learned about a secure element by asking it: for `imprint element`.
 *
 * Everything is read through the driver, whether the chip is on an I2C bus of this computer, stands
 * behind an emulator's socket or one of Microchip's kits, or is started from its state file for the
 * occasion; so what is shown is what any host can see, and a secret cannot be shown at all.
 *
 *	struct chip *chip = NULL;
 *	if ((e = chip_open(state, run, "kitchen", &chip, eb)) != OK ||
 *	    (e = chip_read(chip, &authority, eb)) != OK)
 *		goto out;
 *	chip_print(chip, stdout);
 *	chip_close(chip);
 */
#ifndef IMPRINT_CHIP_H
#define IMPRINT_CHIP_H

#include "ccert.h"
#include "emu_hal.h"
#include "folder.h"
#include "kit_bus.h"
#include "linux_i2c.h"
#include "se.h"
#include "sei2c.h"

#include <stdio.h>

#define CHIP_SLOTS 16
#define CHIP_SLOT_MAX 416

enum chip_slot_kind {
	CHIP_PRIVATE, /* a private key slot */
	CHIP_SECRET,  /* never readable in the clear */
	CHIP_OPEN,    /* readable, and read */
	CHIP_UNREAD,  /* readable once the data zone is locked */
	CHIP_SLOT_KINDS
};

struct chip_slot {
	enum chip_slot_kind kind;
	size_t size;
	bool locked;
	uint8_t bytes[CHIP_SLOT_MAX]; /* CHIP_OPEN */
	bool has_key;                 /* CHIP_PRIVATE: q is its public key */
	bool key_hidden;              /* PubInfo clear: whether there is a key cannot be asked */
	uint8_t q[64];
};

enum chip_certificate {
	CHIP_NO_CERTIFICATE, /* slots 10 to 12 are blank or erased */
	CHIP_UNREADABLE,     /* they cannot be read yet */
	CHIP_MALFORMED,      /* they hold something else */
	CHIP_CERTIFICATE,
};

/* Does the certificate in slots 10 to 12 belong to the key in slot 0? */
enum chip_belongs {
	CHIP_BELONGS_UNKNOWN, /* no authority was given, and the certificate does not name one */
	CHIP_BELONGS_SIGNED,  /* the given authority signed it for this very key */
	CHIP_BELONGS_NAMED,   /* the authority whose key identifier stands in it did */
	CHIP_BELONGS_NOT,
	CHIP_BELONGS_NO_KEY, /* slot 0 holds no key at all */
	CHIP_BELONGS_WORDS
};

struct chip {
	char where[160];          /* "socket /run/imprint/se/a.sock" */
	const struct se_hal *hal; /* of the one of these that it is behind */
	const int *error;         /* errno of that one when it failed; NULL: it cannot */
	struct emu *emu;          /* from its state file, by `direct` */
	struct se_hal direct;
	struct sei2c bus;
	struct linux_i2c adapter;
	struct kit_bus kit;
	bool counted;               /* an emulator runs it and has told us all of counts */
	struct sei2c_counts counts; /* of a state file the wear alone */
	struct se se;
	/* What chip_read found. */
	uint8_t config[SE_CONFIG_SIZE];
	uint8_t serial[9];
	struct se_locks locks;
	bool arduino_profile;
	uint8_t differing[SE_CONFIG_SIZE]; /* offsets of bytes unlike Arduino's profile */
	size_t n_differing;
	struct chip_slot slots[CHIP_SLOTS];
	enum chip_certificate certificate;
	struct ccert ccert;
	enum chip_belongs belongs;
};

/*
 * NAME (a running emulator of that name, else its state file), or the path of an I2C bus
 * (/dev/i2c-N), of a socket or of a state file, or kit:PATH or kit:HOST:PORT. ERR_NOT_FOUND,
 * ERR_CONFLICT (another process has the state file), or as the driver says.
 */
enum err chip_open(const char *state, const char *run, const char *what, struct chip **chip,
    struct errbuf *eb) MUST_CHECK;
/* The path of the socket that an emulator of that name serves; `what` itself when it is a path. */
enum err chip_socket(
    const char *run, const char *what, char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;
/* NULL is fine. The chip sleeps afterwards. */
void chip_close(struct chip *chip);
/* Asks it everything. ca: the authority's public key, or NULL. */
enum err chip_read(struct chip *chip, const uint8_t *ca, struct errbuf *eb) MUST_CHECK;

/* "emulated", or what else its serial number says. */
const char *chip_origin(const struct chip *chip);
bool chip_emulated(const struct chip *chip);
const char *chip_model(const struct chip *chip);
/* SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
void chip_fingerprint(const uint8_t q[64], char out[65]);
/* One sentence. */
const char *chip_belongs_text(enum chip_belongs belongs);
/* What SlotConfig and KeyConfig allow: "signs anything, ECDH, GenKey replaces it". */
void chip_slot_rules(const struct chip *chip, unsigned slot, char *out, size_t cap);

#endif
