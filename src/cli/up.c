/* `imprint up`: a virtual board from a blank chip to its identity, every step shown. */
#include "board.h"
#include "chip.h"
#include "commands.h"
#include "local.h"
#include "p256.h"
#include "sha256.h"
#include "text.h"
#include "utc.h"

#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct cli_option options[] = {
	{ .name = "name",
	    .kind = CLI_TEXT,
	    .value = "NAME",
	    .fallback = "demo",
	    .help = "name of the virtual board" },
	{ .name = "fresh",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "throw its emulated chip away and begin with a blank one" },
	{ .name = "once",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "end when the identity is made; so it is without --stay too" },
	{ .name = "stay",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "keep the virtual board running until interrupted" },
	{ 0 },
};

struct up {
	struct cli *cli;
	const char *name;
	char state[FOLDER_PATH_MAX], run[FOLDER_PATH_MAX], records[FOLDER_PATH_MAX];
	struct ca *ca;
	struct board *board;
	struct chip *chip;
	struct client_result result;
	json_t *steps;
	struct timespec began;
};

static double seconds(const struct up *u)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - u->began.tv_sec) +
	       (double)(now.tv_nsec - u->began.tv_nsec) / 1e9;
}

/* A step of our own; those of the run come from its table. */
static void begin(struct up *u)
{
	clock_gettime(CLOCK_MONOTONIC, &u->began);
}

static enum err ended(
    struct up *u, const char *name, const char *text, enum err e, const char *detail)
{
	local_line(u->cli, u->steps, name, text, seconds(u), e == OK ? CLIENT_DONE : CLIENT_FAILED,
	    e == OK ? detail : "");
	return e;
}

/* --- what is needed --- */

static enum err authority(struct up *u, struct errbuf *eb)
{
	char id[41] = "";
	enum err e;

	begin(u);
	if ((e = local_authority(u->cli, NULL, &u->ca, eb)) == OK)
		hex_encode((struct slice){ ca_key_id(u->ca), 20 }, HEX_LOWER, id);
	return ended(u, "authority", "Open or make an authority", e, id);
}

/* The state file is opened first: then no other process has it. */
static enum err chip_forget(struct up *u, struct errbuf *eb)
{
	struct emu_options o = { .how = EMU_OPEN_ONLY };
	char folder[FOLDER_PATH_MAX], file[80], path[FOLDER_PATH_MAX];
	struct emu *emu = NULL;
	enum err e;

	snprintf(file, sizeof(file), "%s.se", u->name);
	if ((e = folder_join(u->state, "elements", folder, eb)) != OK ||
	    (e = folder_join(folder, file, path, eb)) != OK)
		return e;
	if ((e = emu_open(path, &o, &emu, eb)) == ERR_NOT_FOUND)
		return OK;
	if (e == OK && unlink(path) != 0)
		e = err_set(eb, ERR_IO, "%s: cannot be removed", path);
	emu_free(emu);
	return e;
}

static enum err virtual_board(struct up *u, struct errbuf *eb)
{
	struct board_options o = { .name = u->name,
		.state = u->state,
		.run = u->run,
		.chip = { .family = EMU_ATECC608B, .timing = EMU_TYPICAL } };
	enum err e;

	begin(u);
	if ((e = board_name_check(u->name, eb)) == OK &&
	    (!cli_on(u->cli, "fresh") || (e = chip_forget(u, eb)) == OK) &&
	    (e = board_new(&o, &u->board, eb)) == OK)
		e = board_start(u->board, eb);
	return ended(u, "board", "Start a virtual board", e, e == OK ? board_port(u->board) : "");
}

/* --- the run --- */

static void show(void *ctx, const struct client_event *event)
{
	const struct up *u = ctx;

	local_step(u->cli, u->steps, event);
}

/* An emulated chip is locked for as long as its file exists, which hurts nobody. */
static bool may_lock(void *ctx)
{
	(void)ctx;
	return true;
}

static enum err provision(struct up *u, struct errbuf *eb)
{
	struct client_run run = { .port = board_port(u->board),
		.folder = u->records,
		.name = u->name,
		.years = 31,
		.limit_ms = (uint32_t)cli_timeout(u->cli, 0) * 1000,
		.stop_fd = cli_stop_fd(),
		.issuer = local_issuer(u->ca),
		.ctx = u,
		.may_lock = may_lock,
		.event = show };
	enum err e = client_run(&run, &u->result, eb);

	if (e != OK)
		fprintf(
		    stderr, "kept         %s\nwhat to do   %s\n", u->result.kept, u->result.remedy);
	return e;
}

/* --- believing nothing of it --- */

/* What the chip itself says, read over its bus, past the sketch. */
static enum err read_back(struct up *u, struct errbuf *eb)
{
	struct x509_cert authority_cert;
	uint8_t der[CCERT_CERT_MAX];
	struct der_w w = der_writer(der, sizeof(der));
	struct slice rebuilt;
	struct ccert fields;
	enum err e;

	if ((e = x509_cert_parse(ca_certificate(u->ca), &authority_cert)) != OK)
		return err_set(eb, e, "the authority's own certificate cannot be read");
	if ((e = chip_open(u->state, u->run, board_element(u->board), &u->chip, eb)) != OK ||
	    (e = chip_read(u->chip, authority_cert.tbs.q, eb)) != OK)
		return e;
	if (u->chip->certificate != CHIP_CERTIFICATE)
		return err_set(eb, ERR_DEVICE, "the chip's slots 10 to 12 hold no certificate");
	ccert_cert_put(&w, &u->chip->ccert, u->chip->slots[SE_SLOT_DEVICE_KEY].q);
	if (der_finish(&w, &rebuilt) != OK ||
	    !slice_equal(rebuilt, (struct slice){ u->result.der, u->result.n }))
		return err_set(
		    eb, ERR_DEVICE, "the chip's certificate is not the one that was signed");
	return ca_verify(u->ca, rebuilt, &fields, eb);
}

/* The chip signs a number that nobody knew before. */
static enum err challenge(struct up *u, struct errbuf *eb)
{
	const struct chip_slot *key = &u->chip->slots[SE_SLOT_DEVICE_KEY];
	uint8_t number[32], sig[64];
	struct p256 *p = NULL;
	enum err e;

	if ((e = p256_new(&p, eb)) != OK)
		return e;
	if ((e = random_bytes(number, sizeof(number))) != OK)
		err_set(eb, e, "no random numbers");
	else if ((e = se_sign(&u->chip->se, SE_SLOT_DEVICE_KEY, number, sig)) != OK)
		err_set(eb, e, "the chip does not sign: %s", se_fault_text(u->chip->se.fault));
	else if ((e = p256_verify(p, key->q, number, sig)) != OK)
		err_set(eb, e, "the chip's signature is wrong");
	p256_free(p);
	return e;
}

static enum err verify(struct up *u, struct errbuf *eb)
{
	enum err e;

	begin(u);
	e = ended(u, "read-back", "Read the chip back", read_back(u, eb),
	    "its certificate is the one that was signed");
	if (e != OK)
		return e;
	begin(u);
	return ended(u, "challenge", "Challenge the key", challenge(u, eb),
	    "the key in the chip has signed it");
}

/* --- what was made, and where --- */

struct made {
	char chip_serial[19], serial[33], fingerprint[65], key[65], aki[41], from[UTC_TEXT_SIZE],
	    until[UTC_TEXT_SIZE];
	char slot10[145], slot11[73];
	char pem[FOLDER_PATH_MAX], element[FOLDER_PATH_MAX], authority[FOLDER_PATH_MAX];
};

static void made_fill(const struct up *u, struct made *m)
{
	const struct ccert *c = &u->chip->ccert;
	struct x509_hour until = x509_hour_add_years(&c->issued, c->years);
	uint8_t hash[32];

	sha256((struct slice){ u->result.der, u->result.n }, hash);
	hex_encode(SLICE(u->chip->serial), HEX_UPPER, m->chip_serial);
	hex_encode(SLICE(c->serial), HEX_LOWER, m->serial);
	hex_encode(SLICE(c->aki), HEX_LOWER, m->aki);
	hex_encode(SLICE(hash), HEX_LOWER, m->fingerprint);
	hex_encode((struct slice){ u->chip->slots[SE_SLOT_CERT].bytes, 72 }, HEX_LOWER, m->slot10);
	hex_encode(
	    (struct slice){ u->chip->slots[SE_SLOT_SERIAL_AKI].bytes, 36 }, HEX_LOWER, m->slot11);
	chip_fingerprint(u->chip->slots[SE_SLOT_DEVICE_KEY].q, m->key);
	utc_text(&c->issued, m->from);
	utc_text(&until, m->until);
	snprintf(m->pem, sizeof(m->pem), "%.900s/%s.pem", u->records, u->name);
	snprintf(m->element, sizeof(m->element), "%.900s/elements/%s.se", u->state, u->name);
	snprintf(m->authority, sizeof(m->authority), "%.900s/ca", u->state);
}

static void made_print(const struct up *u, const struct made *m)
{
	printf("board        %s, %s %s (%s)\n", u->name, chip_model(u->chip), m->chip_serial,
	    chip_origin(u->chip));
	printf("subject      CN=%s\n", u->result.device_id);
	printf("issuer       C=US, O=Arduino LLC US, OU=IT, CN=Arduino; key %s\n", m->aki);
	printf("valid        %s to %s\n", m->from, m->until);
	printf("serial       %s\n", m->serial);
	printf("fingerprint  %s\n", m->fingerprint);
	printf("slot 0       private key, made in the chip; public key %s\n", m->key);
	printf("slot 10      %.72s\n             %s\n", m->slot10, m->slot10 + 72);
	printf("slot 11      %s\n", m->slot11);
	printf("slot 12      %s\n", u->result.device_id);
	printf("certificate  %s\n", m->pem);
	printf("chip         %s\n", m->element);
	printf("authority    %s\n", m->authority);
}

static enum err report(struct up *u, struct errbuf *eb)
{
	struct made m;

	made_fill(u, &m);
	if (!cli_json(u->cli)) {
		made_print(u, &m);
		fflush(stdout);
		return OK;
	}
	return cli_json_print(
	    json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:O}", "name", u->name,
	        "device_id", u->result.device_id, "chip_serial", m.chip_serial, "serial", m.serial,
	        "fingerprint", m.fingerprint, "key", m.key, "not_before", m.from, "not_after",
	        m.until, "certificate", m.pem, "element", m.element, "authority", m.authority,
	        "steps", u->steps),
	    eb);
}

/* --- the command --- */

static void stay(struct up *u)
{
	struct pollfd p = { .fd = cli_stop_fd(), .events = POLLIN };

	if (!cli_on(u->cli, "stay"))
		return;
	cli_say(u->cli, "%s stays plugged in at %s; Ctrl-C ends it", u->name, board_port(u->board));
	while (!cli_stopping() && poll(&p, 1, -1) < 0)
		;
}

static enum err places(struct up *u, struct errbuf *eb)
{
	enum err e;

	if ((e = folder_state(cli_text(u->cli, "state"), u->state, eb)) != OK ||
	    (e = folder_run(u->run, eb)) != OK)
		return e;
	return local_records(u->cli, u->records, eb);
}

static enum err up(struct cli *cli, struct errbuf *eb)
{
	struct up u = { .cli = cli, .name = cli_text(cli, "name"), .steps = json_array() };
	enum err e;

	if (cli_on(cli, "once") && cli_on(cli, "stay"))
		e = err_set(eb, ERR_ARG, "--once and --stay exclude each other");
	else if ((e = places(&u, eb)) == OK && (e = authority(&u, eb)) == OK &&
	         (e = virtual_board(&u, eb)) == OK && (e = provision(&u, eb)) == OK &&
	         (e = verify(&u, eb)) == OK && (e = report(&u, eb)) == OK)
		stay(&u);
	chip_close(u.chip);
	board_free(u.board);
	ca_free(u.ca);
	json_decref(u.steps);
	return e;
}

const struct cli_command up_commands[] = {
	{ .name = "up",
	    .stops = true,
	    .summary = "take a virtual board from a blank chip to its identity",
	    .about = "Makes a device authority in the state folder, unless there is one, starts a "
	             "virtual board, gives it an identity over its serial port, and then believes "
	             "nothing of it: the chip is read over its own bus, its certificate compared "
	             "with the one that was signed, and its key asked to sign a fresh number. What "
	             "was started is stopped again; what was made stays in the state folder.",
	    .options = options,
	    .run = up },
	{ 0 },
};
