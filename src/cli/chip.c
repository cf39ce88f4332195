#include "chip.h"

#include "assurance.h"
#include "folder.h"
#include "p256.h"
#include "sha256.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* SlotConfig and KeyConfig bits that are looked at here (data sheet). */
enum {
	SLOT_EXTERNAL = 0x0001,
	SLOT_INTERNAL = 0x0002,
	SLOT_ECDH = 0x0004,
	SLOT_LIMITED = 0x0020,
	SLOT_ENCRYPT_READ = 0x0040,
	SLOT_SECRET = 0x0080,
	SLOT_WRITE = 0xF000,
	SLOT_GENKEY = 0x2000,
	SLOT_ENCRYPT_WRITE = 0x4000,
	KEY_PRIVATE = 0x0001,
	KEY_PUB_INFO = 0x0002,
};

static uint16_t slot_config(const struct chip *c, unsigned slot)
{
	return load_le16(c->config + 20 + 2 * slot);
}

static uint16_t key_config(const struct chip *c, unsigned slot)
{
	return load_le16(c->config + 96 + 2 * slot);
}

/* --- finding it --- */

static bool is_socket(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* By its name too: where libimprint-i2c.so is preloaded there is nothing to be seen under it. */
static bool is_adapter(const char *path)
{
	static const char device[] = "/dev/i2c-";
	struct stat st;

	return strncmp(path, device, sizeof(device) - 1) == 0 ||
	       (strchr(path, '/') && stat(path, &st) == 0 && S_ISCHR(st.st_mode));
}

/* A killed emulator leaves its socket behind; its chip can then be read from its state file. */
static bool served(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	bool answers;
	int fd;

	if (!is_socket(path) || strlen(path) >= sizeof(at.sun_path) ||
	    (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return false;
	memcpy(at.sun_path, path, strlen(path));
	answers = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
	close(fd);
	return answers;
}

/* "kitchen" -> FOLDER/kitchen.sock */
static enum err named(const char *folder, const char *sub, const char *name, const char *ending,
    char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char file[256], inner[FOLDER_PATH_MAX];
	enum err e;

	if ((size_t)snprintf(file, sizeof(file), "%s%s", name, ending) >= sizeof(file))
		return err_set(eb, ERR_ARG, "the name of the element is too long");
	if ((e = folder_join(folder, sub, inner, eb)) != OK)
		return e;
	return folder_join(inner, file, path, eb);
}

static enum err open_socket(struct chip *c, const char *path, struct errbuf *eb)
{
	if (sei2c_init(&c->bus, path, SEI2C_ADDRESS) != OK)
		return err_set(
		    eb, ERR_ARG, "%s: socket paths end at %d bytes", path, SEI2C_PATH_MAX);
	c->hal = &c->bus.hal;
	c->error = &c->bus.error;
	/* Asked before anything else: what is planned may strike as soon as the chip is. */
	c->counted = sei2c_counts(&c->bus, &c->counts) == OK;
	snprintf(c->where, sizeof(c->where), "socket %s", path);
	return OK;
}

static enum err open_adapter(struct chip *c, const char *path, struct errbuf *eb)
{
	enum err e = linux_i2c_open(&c->adapter, path, LINUX_I2C_ADDRESS);

	if (e == ERR_DEVICE)
		return err_set(
		    eb, e, "%s: not an I2C adapter, or one that speaks SMBus only", path);
	if (e != OK)
		return err_set(eb, e, "%s: %s", path, strerror(c->adapter.error));
	c->hal = &c->adapter.hal;
	c->error = &c->adapter.error;
	snprintf(c->where, sizeof(c->where), "bus %s", path);
	return OK;
}

static enum err open_kit(struct chip *c, const char *where, struct errbuf *eb)
{
	enum err e = kit_bus_open(&c->kit, where);

	if (e == ERR_DEVICE)
		return err_set(eb, e, "kit %s: it holds no ATECC508 or 608", where);
	if (e == ERR_ARG)
		return err_set(
		    eb, e, "kit:%s: neither the path of a serial port nor HOST:PORT", where);
	if (e != OK)
		return err_set(eb, e, "kit %s: %s", where, strerror(c->kit.error));
	c->hal = &c->kit.hal;
	c->error = &c->kit.error;
	snprintf(c->where, sizeof(c->where), "kit %s", where);
	return OK;
}

/* Only looking is meant, so one that looks genuine may be opened without being asked again. */
static enum err open_file(struct chip *c, const char *path, struct errbuf *eb)
{
	struct emu_options o = { .how = EMU_OPEN_ONLY, .genuine_looking = true };
	struct emu_info info;
	enum err e;

	if ((e = emu_open(path, &o, &c->emu, eb)) != OK)
		return e;
	emu_info(c->emu, &info);
	c->counts.wear_config = info.wear_config;
	c->counts.wear_otp = info.wear_otp;
	memcpy(c->counts.wear_slot, info.wear_slot, sizeof(info.wear_slot));
	c->direct = emu_hal(c->emu);
	c->hal = &c->direct;
	snprintf(c->where, sizeof(c->where), "state file %s", path);
	return OK;
}

enum err chip_socket(
    const char *run, const char *what, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	if (!strchr(what, '/'))
		return named(run, "se", what, ".sock", path, eb);
	if (strlen(what) >= FOLDER_PATH_MAX)
		return err_set(eb, ERR_ARG, "the path of the socket is too long");
	memcpy(path, what, strlen(what) + 1);
	return OK;
}

static enum err find(
    struct chip *c, const char *state, const char *run, const char *what, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e;

	if (strncmp(what, "kit:", 4) == 0)
		return open_kit(c, what + 4, eb);
	if (is_adapter(what))
		return open_adapter(c, what, eb);
	if (strchr(what, '/'))
		return is_socket(what) ? open_socket(c, what, eb) : open_file(c, what, eb);
	if ((e = named(run, "se", what, ".sock", path, eb)) != OK)
		return e;
	if (served(path))
		return open_socket(c, path, eb);
	if ((e = named(state, "elements", what, ".se", path, eb)) != OK)
		return e;
	return open_file(c, path, eb);
}

/* The driver's own words, after what was being done. */
static enum err said(const struct chip *c, enum err e, const char *doing, struct errbuf *eb)
{
	const char *why =
	    c->se.fault == SE_BUS && c->error ? strerror(*c->error) : se_fault_text(c->se.fault);

	if (c->counted && c->counts.faults_left)
		return err_set(eb, e, "%s: %s: %s (a fault plan is set: %u to come)", c->where,
		    doing, why, c->counts.faults_left);
	return err_set(eb, e, "%s: %s: %s", c->where, doing, why);
}

enum err chip_open(
    const char *state, const char *run, const char *what, struct chip **chip, struct errbuf *eb)
{
	struct chip *c = calloc(1, sizeof(*c));
	enum err e;

	if (!c)
		return err_set(eb, ERR_MEMORY, "no memory for an element");
	if ((e = find(c, state, run, what, eb)) != OK)
		goto out;
	if ((e = se_open(&c->se, c->hal)) != OK) {
		e = said(c, e, "cannot be reached", eb);
		goto out;
	}
	*chip = c;
	c = NULL;
out:
	chip_close(c);
	return e;
}

void chip_close(struct chip *c)
{
	if (!c)
		return;
	if (c->se.hal)
		se_close(&c->se);
	if (c->hal == &c->bus.hal)
		sei2c_close(&c->bus);
	if (c->hal == &c->adapter.hal)
		linux_i2c_close(&c->adapter);
	if (c->hal == &c->kit.hal)
		kit_bus_close(&c->kit);
	emu_free(c->emu);
	free(c);
}

/* --- asking --- */

static enum chip_slot_kind kind_of(const struct chip *c, unsigned slot)
{
	if (key_config(c, slot) & KEY_PRIVATE)
		return CHIP_PRIVATE;
	if (slot_config(c, slot) & (SLOT_SECRET | SLOT_ENCRYPT_READ))
		return CHIP_SECRET;
	return c->locks.data ? CHIP_OPEN : CHIP_UNREAD;
}

/* A slot that was never filled answers with an ECC fault. */
static enum err read_public(struct chip *c, unsigned slot)
{
	struct chip_slot *s = &c->slots[slot];
	enum err e;

	if (!(key_config(c, slot) & KEY_PUB_INFO)) {
		s->key_hidden = true;
		return OK;
	}
	if (!c->locks.config)
		return OK;
	e = se_public(&c->se, slot, s->q);
	s->has_key = e == OK;
	return c->se.fault == SE_ECC || c->se.fault == SE_EXECUTION ? OK : e;
}

static enum err read_slot(struct chip *c, unsigned slot)
{
	struct chip_slot *s = &c->slots[slot];

	s->size = slot < 8 ? 36 : slot == 8 ? 416 : 72;
	s->kind = kind_of(c, slot);
	s->locked = c->locks.slots >> slot & 1;
	c->se.fault = SE_FINE;
	if (s->kind == CHIP_PRIVATE)
		return read_public(c, slot);
	return s->kind == CHIP_OPEN ? se_slot_read(&c->se, slot, 0, s->bytes, s->size) : OK;
}

/* Never written, or erased: four zero bytes at the start of slots 10 and 12. */
static bool blank(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != 0xFF)
			return memcmp(p, "\0\0\0\0", 4) == 0;
	}
	return true;
}

static enum chip_certificate read_certificate(struct chip *c)
{
	const struct chip_slot *s = c->slots;

	if (s[10].kind == CHIP_UNREAD || s[11].kind == CHIP_UNREAD || s[12].kind == CHIP_UNREAD)
		return CHIP_UNREADABLE;
	if (s[10].kind != CHIP_OPEN || s[11].kind != CHIP_OPEN || s[12].kind != CHIP_OPEN)
		return CHIP_MALFORMED;
	if (blank(s[10].bytes, 72) || blank(s[12].bytes, 36))
		return CHIP_NO_CERTIFICATE;
	return ccert_unpack(s[10].bytes, s[11].bytes, s[12].bytes, &c->ccert) == OK
	           ? CHIP_CERTIFICATE
	           : CHIP_MALFORMED;
}

static bool signed_by(const uint8_t ca[64], const uint8_t digest[32], const uint8_t sig[64])
{
	struct p256 *p = NULL;
	bool fits;

	if (p256_new(&p, NULL) != OK)
		return false;
	fits = p256_verify(p, ca, digest, sig) == OK;
	p256_free(p);
	return fits;
}

/*
 * Without the authority's key: a signature and what it signs determine the key that made it, up to a
 * few candidates, and the certificate names that key by its SHA-1. If one candidate has that name,
 * the authority signed exactly this: these fields and the key of slot 0. If none has, either the
 * certificate was made for another key, or its authority names itself in another way.
 */
static bool signed_by_name(const uint8_t aki[20], const uint8_t digest[32], const uint8_t sig[64])
{
	uint8_t q[P256_RECOVER_MAX][64], id[20];
	size_t n;

	if (p256_recover(digest, sig, q, &n) != OK)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (p256_key_id(q[i], id) == OK && memcmp(id, aki, 20) == 0)
			return true;
	}
	return false;
}

static enum chip_belongs belongs(const struct chip *c, const uint8_t *ca)
{
	uint8_t tbs[CCERT_TBS_MAX], digest[32];
	struct der_w w = der_writer(tbs, sizeof(tbs));
	struct slice der;

	if (!c->slots[0].has_key)
		return c->slots[0].key_hidden ? CHIP_BELONGS_UNKNOWN : CHIP_BELONGS_NO_KEY;
	ccert_tbs_put(&w, &c->ccert, c->slots[0].q);
	if (der_finish(&w, &der) != OK)
		return CHIP_BELONGS_NOT;
	sha256(der, digest);
	if (ca)
		return signed_by(ca, digest, c->ccert.sig) ? CHIP_BELONGS_SIGNED : CHIP_BELONGS_NOT;
	if (ct_zero(c->ccert.aki, 20))
		return CHIP_BELONGS_UNKNOWN;
	return signed_by_name(c->ccert.aki, digest, c->ccert.sig) ? CHIP_BELONGS_NAMED
	                                                          : CHIP_BELONGS_NOT;
}

enum err chip_read(struct chip *c, const uint8_t *ca, struct errbuf *eb)
{
	enum err e;

	if ((e = se_config_read(&c->se, c->config)) != OK ||
	    (e = se_serial(&c->se, c->serial)) != OK || (e = se_locks(&c->se, &c->locks)) != OK ||
	    (e = se_profile_diff(&c->se, &se_profile_arduino, c->differing, sizeof(c->differing),
	         &c->n_differing)) != OK)
		return said(c, e, "its configuration cannot be read", eb);
	for (unsigned slot = 0; slot < CHIP_SLOTS; slot++) {
		if ((e = read_slot(c, slot)) != OK)
			return said(c, e, "a slot cannot be read", eb);
	}
	c->certificate = read_certificate(c);
	if (c->certificate == CHIP_CERTIFICATE)
		c->belongs = belongs(c, ca);
	return OK;
}

/* --- words --- */

bool chip_emulated(const struct chip *c)
{
	return c->emu || c->hal == &c->bus.hal || assurance_emulated(c->serial);
}

const char *chip_origin(const struct chip *c)
{
	bool marked = assurance_emulated(c->serial);

	return marked                 ? "emulated"
	       : chip_emulated(c)     ? "emulated, with a serial number that looks genuine"
	       : c->serial[0] == 0x01 ? "serial number of the form that Microchip uses"
	                              : "serial number of no known form";
}

const char *chip_model(const struct chip *c)
{
	return c->se.revision[2] == 0x50   ? "ATECC508A"
	       : c->se.revision[3] == 0x02 ? "ATECC608A"
	       : c->se.revision[3] == 0x03 ? "ATECC608B"
	                                   : "ATECC608";
}

void chip_fingerprint(const uint8_t q[64], char out[65])
{
	uint8_t spki[X509_SPKI_SIZE], digest[32];
	struct der_w w = der_writer(spki, sizeof(spki));
	struct slice der;

	x509_spki_put(&w, q);
	if (der_finish(&w, &der) != OK)
		abort(); /* 91 bytes fit 91 bytes */
	sha256(der, digest);
	hex_encode(SLICE(digest), HEX_LOWER, out);
}

const char *chip_belongs_text(enum chip_belongs b)
{
	static const char *const texts[CHIP_BELONGS_WORDS] = {
		[CHIP_BELONGS_UNKNOWN] =
		    "cannot be told whether it belongs to the key in slot 0: it "
		    "names no authority; give the authority's certificate",
		[CHIP_BELONGS_SIGNED] = "belongs to the key in slot 0: this authority signed it",
		[CHIP_BELONGS_NAMED] =
		    "belongs to the key in slot 0: the authority that it names signed it",
		[CHIP_BELONGS_NOT] =
		    "DOES NOT BELONG to the key in slot 0: its signature does not fit",
		[CHIP_BELONGS_NO_KEY] = "DOES NOT BELONG to this chip: slot 0 holds no key",
	};

	return texts[b];
}

static const char *private_rules(uint16_t config)
{
	static const char *const signs[4] = { "signs nothing", "signs any digest",
		"signs its own statements only", "signs any digest and its own statements" };

	return signs[config & 3];
}

static const char *write_rules(uint16_t config)
{
	switch (config & SLOT_WRITE) {
	case 0:
		return "writable";
	case 0x1000:
		return "writable until its key is valid";
	default:
		return config & SLOT_ENCRYPT_WRITE ? "writable encrypted" : "never writable";
	}
}

void chip_slot_rules(const struct chip *c, unsigned slot, char *out, size_t cap)
{
	uint16_t config = slot_config(c, slot);
	const char *frozen = c->slots[slot].locked ? ", locked" : "";

	if (c->slots[slot].kind == CHIP_PRIVATE)
		snprintf(out, cap, "%s%s%s%s%s", private_rules(config),
		    config & SLOT_ECDH ? ", ECDH" : "",
		    config & SLOT_GENKEY ? ", GenKey replaces it" : ", not replaceable by GenKey",
		    config & SLOT_LIMITED ? ", limited use" : "", frozen);
	else
		snprintf(out, cap, "%s%s%s",
		    c->slots[slot].kind != CHIP_SECRET ? "readable, "
		    : config & SLOT_ENCRYPT_READ       ? "readable encrypted, "
		                                       : "never readable, ",
		    write_rules(config), frozen);
}
