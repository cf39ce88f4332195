/* `imprint element`: what a secure element is and holds. Running emulated ones is in emulate.c. */
#include "chip.h"
#include "element.h"
#include "commands.h"
#include "file.h"
#include "folder.h"
#include "text.h"
#include "trace.h"

#include <stdlib.h>
#include <string.h>

/* --- where things are --- */

enum err element_places(const struct cli *cli, struct element_places *at, struct errbuf *eb)
{
	enum err e;

	if ((e = folder_state(cli_text(cli, "state"), at->state, eb)) != OK)
		return e;
	return folder_run(at->run, eb);
}

/* --- info --- */

static const struct cli_option info_options[] = {
	{ .name = "ca",
	    .kind = CLI_FILE,
	    .value = "FILE",
	    .help =
	        "the authority's certificate, PEM or DER: check the chip's certificate with it" },
	{ 0 },
};

static enum err read_authority(const char *path, uint8_t q[64], struct errbuf *eb)
{
	uint8_t *bytes = NULL, der[4096];
	struct x509_cert cert;
	struct slice in;
	size_t n, der_n;
	enum err e;

	if ((e = file_read(path, 16384, &bytes, &n, eb)) != OK)
		return e;
	in = (struct slice){ bytes, n };
	if (pem_decode(in, "CERTIFICATE", der, sizeof(der), &der_n, NULL) == OK)
		in = (struct slice){ der, der_n };
	if ((e = x509_cert_parse(in, &cert)) == OK)
		memcpy(q, cert.tbs.q, 64);
	else
		err_set(eb, e, "%s: not a P-256 certificate", path);
	free(bytes);
	return e;
}

static const char *slot_use(unsigned slot)
{
	switch (slot) {
	case SE_SLOT_DEVICE_KEY:
		return "device key";
	case SE_SLOT_BOARD_KEY:
		return "board key";
	case SE_SLOT_CERT:
		return "certificate";
	case SE_SLOT_SERIAL_AKI:
		return "its serial, authority";
	case SE_SLOT_DEVICE_ID:
		return "device id";
	default:
		return "";
	}
}

/* Blank, or how its bytes begin; nobody reads 416 bytes in a table. */
static void slot_content(const struct chip *c, unsigned slot, char out[80])
{
	const struct chip_slot *s = &c->slots[slot];
	char fingerprint[65];

	if (s->kind == CHIP_PRIVATE) {
		if (s->has_key)
			chip_fingerprint(s->q, fingerprint);
		snprintf(out, 80, "%.64s",
		    s->has_key      ? fingerprint
		    : s->key_hidden ? "public key not shown by the chip"
		                    : "no key");
		return;
	}
	if (s->kind != CHIP_OPEN) {
		snprintf(out, 80, "%s",
		    s->kind == CHIP_SECRET ? "secret" : "readable when data is locked");
		return;
	}
	for (size_t i = 0; i < s->size; i++) {
		if (s->bytes[i] != 0xFF) {
			char hex[33];

			hex_encode((struct slice){ s->bytes, 16 }, HEX_LOWER, hex);
			snprintf(out, 80, "%s...", hex);
			return;
		}
	}
	snprintf(out, 80, "blank");
}

static const char *locked_text(bool locked)
{
	return locked ? "locked" : "open";
}

static void print_certificate(const struct cli *cli, const struct chip *c)
{
	static const char *const absent[] = { [CHIP_NO_CERTIFICATE] = "none",
		[CHIP_UNREADABLE] = "cannot be read before the data zone is locked",
		[CHIP_MALFORMED] = "slots 10 to 12 hold something else" };
	bool good = c->belongs == CHIP_BELONGS_SIGNED || c->belongs == CHIP_BELONGS_NAMED;
	char serial[33], aki[41];

	if (c->certificate != CHIP_CERTIFICATE) {
		printf("\ncertificate    %s\n", absent[c->certificate]);
		return;
	}
	hex_encode(SLICE(c->ccert.serial), HEX_LOWER, serial);
	hex_encode(SLICE(c->ccert.aki), HEX_LOWER, aki);
	printf("\ncertificate    %s%s%s\n", cli_ink(cli, stdout, good ? CLI_GREEN : CLI_RED),
	    chip_belongs_text(c->belongs), cli_ink(cli, stdout, CLI_PLAIN));
	printf("  device id    %.36s\n  serial       %s\n", c->ccert.device_id, serial);
	printf("  issued       %04u-%02u-%02u %02u:00 UTC, for %u years\n", c->ccert.issued.year,
	    c->ccert.issued.month, c->ccert.issued.day, c->ccert.issued.hour, c->ccert.years);
	printf("  authority    %s\n", ct_zero(c->ccert.aki, 20) ? "not named" : aki);
}

/* What an emulator knows about its chip and no host can see. */
static void print_counts(const struct chip *c)
{
	const struct sei2c_counts *n = &c->counts;
	unsigned long commands = 0;

	if (!c->counted && !c->emu)
		return;
	printf("EEPROM writes  configuration %u, OTP %u", n->wear_config, n->wear_otp);
	for (unsigned slot = 0; slot < COUNT(n->wear_slot); slot++) {
		if (n->wear_slot[slot])
			printf(", slot %u %u", slot, n->wear_slot[slot]);
	}
	putchar('\n');
	if (!c->counted)
		return;
	for (unsigned i = 0; i < COUNT(n->commands); i++)
		commands += n->commands[i];
	printf("commands       %lu since it was started, %.1f s of work\n", commands,
	    (double)n->busy_us / 1e6);
	if (n->faults)
		printf("faults         %u planned, %u still to come\n", n->faults, n->faults_left);
}

static void print_profile(const struct chip *c)
{
	if (c->n_differing == 0)
		printf("profile        %s\n", se_profile_arduino.name);
	else
		printf("profile        unlike %s in %zu bytes, first %u\n", se_profile_arduino.name,
		    c->n_differing, c->differing[0]);
}

static void print_info(const struct cli *cli, const struct chip *c)
{
	char serial[19], rules[128], content[80];

	hex_encode(SLICE(c->serial), HEX_UPPER, serial);
	printf("%s%s%s, %s\n", cli_ink(cli, stdout, CLI_BOLD), chip_model(c),
	    cli_ink(cli, stdout, CLI_PLAIN), chip_origin(c));
	printf("where          %s\nserial number  %s\n", c->where, serial);
	printf("revision       %02X%02X%02X%02X\naddress        %02X\n", c->se.revision[0],
	    c->se.revision[1], c->se.revision[2], c->se.revision[3], c->config[16] >> 1);
	printf("configuration  %s\ndata and OTP   %s\n", locked_text(c->locks.config),
	    locked_text(c->locks.data));
	print_profile(c);
	print_counts(c);
	printf("\nslot  use                    holds, and what may be done with it\n");
	for (unsigned slot = 0; slot < CHIP_SLOTS; slot++) {
		slot_content(c, slot, content);
		chip_slot_rules(c, slot, rules, sizeof(rules));
		printf("%4u  %-21s  %s\n                             %s\n", slot, slot_use(slot),
		    content, rules);
	}
	print_certificate(cli, c);
}

/* --- info as JSON --- */

static json_t *slots_json(const struct chip *c, bool bytes)
{
	static const char *const kinds[CHIP_SLOT_KINDS] = { "private", "secret", "open", "unread" };
	char rules[128], fingerprint[65], hex[2 * CHIP_SLOT_MAX + 1];
	json_t *list = json_array();

	for (unsigned slot = 0; slot < CHIP_SLOTS; slot++) {
		const struct chip_slot *s = &c->slots[slot];
		json_t *one;

		chip_slot_rules(c, slot, rules, sizeof(rules));
		one = json_pack("{s:i,s:s,s:s,s:b,s:i}", "slot", slot, "kind", kinds[s->kind],
		    "rules", rules, "locked", s->locked, "size", (int)s->size);
		if (s->has_key) {
			chip_fingerprint(s->q, fingerprint);
			json_object_set_new(one, "fingerprint", json_string(fingerprint));
			hex_encode(SLICE(s->q), HEX_LOWER, hex);
			json_object_set_new(one, "public_key", json_string(hex));
		}
		if (bytes && s->kind == CHIP_OPEN) {
			hex_encode((struct slice){ s->bytes, s->size }, HEX_LOWER, hex);
			json_object_set_new(one, "bytes", json_string(hex));
		}
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *certificate_json(const struct chip *c)
{
	static const char *const words[] = { [CHIP_BELONGS_UNKNOWN] = "unknown",
		[CHIP_BELONGS_SIGNED] = "yes",
		[CHIP_BELONGS_NAMED] = "yes",
		[CHIP_BELONGS_NOT] = "no",
		[CHIP_BELONGS_NO_KEY] = "no" };
	char serial[33], aki[41], id[CCERT_DEVICE_ID + 1], issued[24];

	if (c->certificate != CHIP_CERTIFICATE)
		return json_null();
	hex_encode(SLICE(c->ccert.serial), HEX_LOWER, serial);
	hex_encode(SLICE(c->ccert.aki), HEX_LOWER, aki);
	snprintf(id, sizeof(id), "%.36s", c->ccert.device_id);
	snprintf(issued, sizeof(issued), "%04u-%02u-%02uT%02u:00:00Z",
	    c->ccert.issued.year % 10000u, c->ccert.issued.month % 100u, c->ccert.issued.day % 100u,
	    c->ccert.issued.hour % 100u);
	return json_pack("{s:s,s:s,s:s,s:i,s:s,s:s,s:s}", "device_id", id, "serial", serial,
	    "issued", issued, "years", c->ccert.years, "authority_key_id", aki, "belongs_to_slot0",
	    words[c->belongs], "text", chip_belongs_text(c->belongs));
}

static json_t *wear_json(const struct sei2c_counts *n)
{
	json_t *slots = json_array();

	for (unsigned slot = 0; slot < COUNT(n->wear_slot); slot++)
		json_array_append_new(slots, json_integer(n->wear_slot[slot]));
	return json_pack("{s:I,s:I,s:o}", "config", (json_int_t)n->wear_config, "otp",
	    (json_int_t)n->wear_otp, "slots", slots);
}

static json_t *commands_json(const struct sei2c_counts *n)
{
	json_t *all = json_object();
	char key[8];

	for (unsigned i = 0; i < COUNT(n->commands); i++) {
		const char *name = trace_command_name((uint8_t)i);

		snprintf(key, sizeof(key), "%02x", i);
		if (n->commands[i])
			json_object_set_new(all, name ? name : key, json_integer(n->commands[i]));
	}
	return all;
}

/* Emulated chips only: a real one does not say how worn it is. */
static void add_counts(const struct chip *c, json_t *all)
{
	const struct sei2c_counts *n = &c->counts;

	if (!c->counted && !c->emu)
		return;
	json_object_set_new(all, "wear", wear_json(n));
	if (!c->counted)
		return;
	json_object_set_new(all, "commands", commands_json(n));
	json_object_set_new(all, "busy_us", json_integer((json_int_t)n->busy_us));
	json_object_set_new(all, "faults", json_integer(n->faults));
	json_object_set_new(all, "faults_left", json_integer(n->faults_left));
}

static json_t *chip_json(const struct chip *c, bool bytes)
{
	static const char *const states[] = { "none", "unreadable", "malformed", "present" };
	char serial[19], revision[9], config[2 * SE_CONFIG_SIZE + 1];
	json_t *all;

	hex_encode(SLICE(c->serial), HEX_UPPER, serial);
	hex_encode(SLICE(c->se.revision), HEX_UPPER, revision);
	hex_encode(SLICE(c->config), HEX_LOWER, config);
	all = json_pack("{s:s,s:b,s:s,s:s,s:s,s:s,s:i,s:b,s:b,s:b,s:o,s:s,s:o}", "model",
	    chip_model(c), "emulated", chip_emulated(c), "origin", chip_origin(c), "where",
	    c->where, "serial", serial, "revision", revision, "address", c->config[16] >> 1,
	    "config_locked", c->locks.config, "data_locked", c->locks.data, "arduino_profile",
	    c->n_differing == 0, "slots", slots_json(c, bytes), "certificate_state",
	    states[c->certificate], "certificate", certificate_json(c));
	if (bytes && all)
		json_object_set_new(all, "config", json_string(config));
	add_counts(c, all);
	return all;
}

static enum err chip_of(
    const struct cli *cli, const uint8_t *ca, struct chip **chip, struct errbuf *eb)
{
	struct element_places at;
	enum err e;

	if ((e = element_places(cli, &at, eb)) != OK ||
	    (e = chip_open(at.state, at.run, cli->args[0], chip, eb)) != OK)
		return e;
	return chip_read(*chip, ca, eb);
}

static enum err info(struct cli *cli, struct errbuf *eb)
{
	const char *ca = cli_text(cli, "ca");
	struct chip *chip = NULL;
	uint8_t q[64];
	enum err e;

	if (ca && (e = read_authority(ca, q, eb)) != OK)
		return e;
	if ((e = chip_of(cli, ca ? q : NULL, &chip, eb)) != OK)
		goto out;
	if (cli_json(cli))
		e = cli_json_print(chip_json(chip, false), eb);
	else
		print_info(cli, chip);
out:
	chip_close(chip);
	return e;
}

/* --- dump --- */

static const struct cli_option dump_options[] = {
	{ .name = "to",
	    .kind = CLI_FILE,
	    .value = "FILE",
	    .help = "write the 128 bytes of the configuration zone to this file" },
	{ 0 },
};

static void print_bytes(const char *name, struct slice in)
{
	char hex[33];

	printf("%s\n", name);
	for (size_t at = 0; at < in.n; at += 16) {
		size_t n = in.n - at < 16 ? in.n - at : 16;

		hex_encode((struct slice){ in.p + at, n }, HEX_LOWER, hex);
		printf("  %3zu  %s\n", at, hex);
	}
}

static void print_dump(const struct chip *c)
{
	static const char *const why[CHIP_SLOT_KINDS] = { [CHIP_PRIVATE] = "private key",
		[CHIP_SECRET] = "secret",
		[CHIP_UNREAD] = "not readable before the data zone is locked" };
	char name[32];

	print_bytes("configuration", SLICE(c->config));
	for (unsigned slot = 0; slot < CHIP_SLOTS; slot++) {
		const struct chip_slot *s = &c->slots[slot];

		snprintf(name, sizeof(name), "slot %u%s", slot, s->has_key ? ", public key" : "");
		if (s->kind == CHIP_OPEN)
			print_bytes(name, (struct slice){ s->bytes, s->size });
		else if (s->has_key)
			print_bytes(name, SLICE(s->q));
		else
			printf("%s\n       %s\n", name, why[s->kind]);
	}
}

static enum err dump(struct cli *cli, struct errbuf *eb)
{
	const char *to = cli_text(cli, "to");
	struct chip *chip = NULL;
	enum err e;

	if ((e = chip_of(cli, NULL, &chip, eb)) != OK)
		goto out;
	if (to)
		e = file_write(to, SLICE(chip->config), 0644, eb);
	else if (cli_json(cli))
		e = cli_json_print(chip_json(chip, true), eb);
	else
		print_dump(chip);
out:
	chip_close(chip);
	return e;
}

const struct cli_command element_commands[] = {
	{ .name = "element emulate",
	    .args = "NAME...",
	    .args_min = 1,
	    .args_max = EMU_SERVER_CHIPS,
	    .stops = true,
	    .summary = "run emulated secure elements until stopped",
	    .about =
	        "Each NAME is a chip with its memory in the state folder, in elements/NAME.se, or "
	        "the "
	        "path of such a file; it is made when it is not there. All share one bus, served "
	        "as "
	        "SEI2C/1 on a Unix socket whose path is printed when it can be used.\n\n"
	        "The serial numbers of emulated chips begin 454D and end 4D. With "
	        "--genuine-looking "
	        "they begin 0123 and end EE, and such a chip runs only with that option again.",
	    .options = element_emulate_options,
	    .run = element_emulate },
	{ .name = "element info",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "say what a secure element is and holds",
	    .about =
	        "NAME is a running emulator or virtual board, else a chip of the state folder; or "
	        "the path of a socket or state file, or an I2C bus of this computer, /dev/i2c-N, "
	        "with the chip at address 60; or kit:PATH or kit:HOST:PORT for one of Microchip's "
	        "kits on a serial port, or an emulator that serves the kit protocol. Everything is "
	        "read through the driver, as any "
	        "host "
	        "could.\n\n"
	        "Whether the certificate in slots 10 to 12 belongs to the key in slot 0 is checked "
	        "by "
	        "rebuilding it. With --ca its signature is verified. Without, the signature itself "
	        "tells which keys can have made it, and the certificate names its authority's key; "
	        "that fails for an authority that does not name its key by the usual SHA-1.",
	    .options = info_options,
	    .run = info },
	{ .name = "element dump",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "print everything that a secure element lets be read",
	    .about =
	        "NAME as for `imprint element info`. The configuration that --to writes can be "
	        "given to `imprint element emulate --from`.",
	    .options = dump_options,
	    .run = dump },
	{ .name = "element diff",
	    .args = "NAME PROFILE",
	    .args_min = 2,
	    .args_max = 2,
	    .summary = "show where a configuration is unlike a profile",
	    .about = "NAME as for `imprint element info`; PROFILE is arduino or attestation-ready. "
	             "The chip's own identity and its locks do not count.",
	    .run = element_diff },
	{ .name = "element lock",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "say what locking a secure element would do",
	    .about = "NAME as for `imprint element info`. With --dry-run it prints the bytes that "
	             "would be written and the steps that would follow, and changes nothing; "
	             "without, it refuses: a board's chip is locked in the course of `imprint "
	             "provision`.",
	    .options = element_lock_options,
	    .run = element_lock },
	{ .name = "element snapshot",
	    .args = "NAME FILE",
	    .args_min = 2,
	    .args_max = 2,
	    .summary = "copy the memory of an emulated element to a file",
	    .about = "NAME is a chip of the state folder, or the path of a state file. It may be "
	             "running: the copy is what the chip would hold if its power went now. FILE is "
	             "replaced, and holds the chip's private keys: only its owner can read it.",
	    .run = element_snapshot },
	{ .name = "element restore",
	    .args = "NAME FILE",
	    .args_min = 2,
	    .args_max = 2,
	    .summary = "make or replace an emulated element from a snapshot",
	    .about = "The chip NAME then holds what FILE holds, its serial number and locks too; "
	             "what it "
	             "held before is gone. Refused while NAME runs.",
	    .options = element_restore_options,
	    .run = element_restore },
	{ .name = "element fault",
	    .args = "NAME [PLAN]",
	    .args_min = 1,
	    .args_max = 2,
	    .summary = "make things go wrong with a running emulated element",
	    .about = "NAME is a running emulator or virtual board, or the path of its socket; the "
	             "chip is the one at address 60. PLAN is a file, - for standard input, of one "
	             "fault a line, as docs/emulator.md has them: nack, stuck, bad-crc, "
	             "power-before, power-after, watchdog, brown-out, slow. Counting begins now, "
	             "and the plan takes the place of the one before it.",
	    .options = element_fault_options,
	    .run = element_fault },
	{ .name = "element trace",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .stops = true,
	    .summary = "print every command that goes to an emulated element",
	    .about =
	        "NAME is a running emulator or virtual board, or the path of its socket. One line "
	        "for each command with its answer and the milliseconds between them, until "
	        "stopped or until the emulator ends. The chip and its host do not notice. Data is "
	        "counted, not shown.",
	    .run = element_trace },
	{ .name = "element bench",
	    .summary = "measure how fast emulated elements are on this computer",
	    .about = "An ATECC608B in memory, without waits: what its commands take here, driver "
	             "included, in this process and through a socket. Takes two seconds.",
	    .run = element_bench },
	{ 0 },
};
