#include "state.h"

#include "file.h"
#include "sha256.h"

#include <stdlib.h>
#include <string.h>

/*
 *	0	16	"imprint element" LF
 *	16	4	version, little endian
 *	20	1	family: 0 508A, 1 608A, 2 608B
 *	21	1	1: genuine looking
 *	22	2	zero
 *	24	128	configuration zone
 *	152	64	OTP zone
 *	216	1208	data zone
 *	1424	72	EEPROM writes: configuration, OTP, slots 0 to 15; 4 bytes each, little endian
 *	1496	32	SHA-256 of everything before
 */
static const char magic[] = "imprint element\n";
enum {
	AT_VERSION = 16,
	AT_FAMILY = 20,
	AT_GENUINE = 21,
	AT_CONFIG = 24,
	AT_WEAR = 1424,
	AT_SUM = 1496
};

void state_encode(const struct memory *m, uint8_t out[STATE_SIZE])
{
	uint8_t *p = out + AT_CONFIG;

	memcpy(out, magic, 16);
	store_le32(out + AT_VERSION, STATE_VERSION);
	out[AT_FAMILY] = (uint8_t)m->family;
	out[AT_GENUINE] = m->genuine_looking;
	out[22] = out[23] = 0;
	memcpy(p, m->config, CONFIG_SIZE);
	memcpy(p + CONFIG_SIZE, m->otp, OTP_SIZE);
	memcpy(p + CONFIG_SIZE + OTP_SIZE, m->data, DATA_SIZE);
	p = out + AT_WEAR;
	store_le32(p, m->wear_config);
	store_le32(p + 4, m->wear_otp);
	for (size_t i = 0; i < SLOTS; i++)
		store_le32(p + 8 + 4 * i, m->wear_slot[i]);
	sha256((struct slice){ out, AT_SUM }, out + AT_SUM);
}

static enum err check(struct slice in, struct errbuf *eb)
{
	uint8_t sum[32];

	if (in.n < 16 || memcmp(in.p, magic, 16) != 0)
		return err_set(eb, ERR_FORMAT, "not the state file of an emulated element");
	if (in.n < AT_FAMILY || load_le32(in.p + AT_VERSION) != STATE_VERSION)
		return err_set(eb, ERR_FORMAT,
		    "state file version %lu; this program knows version %d",
		    in.n < AT_FAMILY ? 0ul : (unsigned long)load_le32(in.p + AT_VERSION),
		    STATE_VERSION);
	if (in.n != STATE_SIZE)
		return err_set(
		    eb, ERR_FORMAT, "state file of %zu bytes, wanted %d", in.n, STATE_SIZE);
	sha256((struct slice){ in.p, AT_SUM }, sum);
	if (memcmp(sum, in.p + AT_SUM, 32) != 0)
		return err_set(eb, ERR_FORMAT, "state file damaged: its checksum does not match");
	if (in.p[AT_FAMILY] > EMU_ATECC608B || in.p[AT_GENUINE] > 1 || in.p[22] || in.p[23])
		return err_set(eb, ERR_FORMAT, "state file with an unknown family or flag");
	return OK;
}

enum err state_parse(struct slice in, struct memory *m, struct errbuf *eb)
{
	struct memory read = { .changed = false };
	const char *fault;
	const uint8_t *p;
	enum err e;

	if ((e = check(in, eb)) != OK)
		return e;
	read.family = (enum emu_family)in.p[AT_FAMILY];
	read.genuine_looking = in.p[AT_GENUINE];
	p = in.p + AT_CONFIG;
	memcpy(read.config, p, CONFIG_SIZE);
	memcpy(read.otp, p + CONFIG_SIZE, OTP_SIZE);
	memcpy(read.data, p + CONFIG_SIZE + OTP_SIZE, DATA_SIZE);
	p = in.p + AT_WEAR;
	read.wear_config = load_le32(p);
	read.wear_otp = load_le32(p + 4);
	for (size_t i = 0; i < SLOTS; i++)
		read.wear_slot[i] = load_le32(p + 8 + 4 * i);
	if ((fault = memory_fault(&read)))
		e = err_set(eb, ERR_FORMAT, "state file that no chip can have: %s", fault);
	else
		*m = read;
	wipe(&read, sizeof(read));
	return e;
}

enum err state_load(const char *path, struct memory *m, struct errbuf *eb)
{
	uint8_t *bytes = NULL;
	size_t n;
	enum err e;

	if ((e = file_read(path, 1 << 16, &bytes, &n, eb)) != OK)
		return e;
	if ((e = state_parse((struct slice){ bytes, n }, m, eb)) != OK)
		err_within(eb, e, "%s", path);
	wipe(bytes, n);
	free(bytes);
	return e;
}

enum err state_save(const char *path, const struct memory *m, struct errbuf *eb)
{
	uint8_t bytes[STATE_SIZE];
	enum err e;

	state_encode(m, bytes);
	e = file_write(path, SLICE(bytes), 0600, eb);
	wipe(bytes, sizeof(bytes));
	return e;
}
