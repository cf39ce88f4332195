/* `imprint provision`: gives one board its identity, by a server or by the authority of this computer. */
#include "board.h"
#include "ca.h"
#include "cloud_issuer.h"
#include "commands.h"
#include "folder.h"
#include "local.h"
#include "network_file.h"
#include "remote.h"
#include "serial.h"
#include "sha256.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct cli_option options[] = {
	{ .name = "port",
	    .kind = CLI_FILE,
	    .value = "PATH|NAME",
	    .help = "serial port, or the name of a virtual board" },
	{ .name = "name",
	    .kind = CLI_TEXT,
	    .value = "NAME",
	    .help = "what the board is called, here and at the server" },
	REMOTE_OPTIONS,
	{ .name = "device",
	    .kind = CLI_TEXT,
	    .value = "ID",
	    .help = "the server's device that this board shall be; else found by name, or new" },
	{ .name = "type",
	    .kind = CLI_TEXT,
	    .value = "TYPE",
	    .help = "kind of board for a new device; else by its USB number, or mkrwifi1010" },
	{ .name = "local",
	    .kind = CLI_SWITCH,
	    .help = "sign with the authority of this computer; no server knows the device" },
	{ .name = "ca-dir",
	    .kind = CLI_DIR,
	    .value = "DIR",
	    .help = "as --local, with the authority in this folder, not the state folder's" },
	{ .name = "years",
	    .kind = CLI_NUMBER,
	    .value = "N",
	    .min = 1,
	    .max = 31,
	    .fallback = "31",
	    .help = "how long the certificate is valid; a server signs for 31" },
	{ .name = "profile",
	    .kind = CLI_CHOICE,
	    .value = "arduino|attestation-ready",
	    .fallback = "arduino",
	    .help = "what an open element is locked with, for ever; the second kind can prove that "
	            "its key was made inside, and needs our setup program on the board" },
	{ .name = "network",
	    .kind = CLI_FILE,
	    .value = "FILE",
	    .help = "network settings for the board, JSON as arduino-cloud-cli reads it; needs our "
	            "setup program on the board" },
	{ .name = "list-steps",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "print the steps of a run" },
	{ 0 },
};

struct provision {
	struct cli *cli;
	struct ca *ca; /* or else a server */
	struct cloud *cloud;
	struct cloud_issuer from_cloud;
	char usb_serial[64];
	char run[FOLDER_PATH_MAX], port[FOLDER_PATH_MAX], records[FOLDER_PATH_MAX];
	const char *name;
	const char *board; /* the virtual board behind the port; NULL: a real one */
	bool begun;        /* its sketch has begun already, perhaps for somebody who was killed */
	struct network_file *network;
	json_t *steps;
};

/* --- steps --- */

static enum err steps_print(const struct cli *cli, struct errbuf *eb)
{
	json_t *list = cli_json(cli) ? json_array() : NULL;

	for (size_t i = 0; i < CLIENT_STEPS; i++) {
		const struct client_step_info *s = &client_steps[i];

		if (!cli_json(cli))
			printf("%-10s %s\n", s->name, s->text);
		else
			json_array_append_new(
			    list, json_pack("{s:s,s:s}", "name", s->name, "text", s->text));
	}
	return cli_json(cli) ? cli_json_print(json_pack("{s:o}", "steps", list), eb) : OK;
}

static void show(void *ctx, const struct client_event *event)
{
	const struct provision *p = ctx;

	local_step(p->cli, p->steps, event);
}

/* --- the port --- */

/* A name is a virtual board's, else a device's below /dev; a path may lead to a virtual board too. */
static enum err port_find(struct provision *p, const char *given, struct errbuf *eb)
{
	struct board_status status;
	char ttys[FOLDER_PATH_MAX];
	size_t n;
	enum err e;

	if ((e = folder_run(p->run, eb)) != OK || (e = folder_join(p->run, "tty", ttys, eb)) != OK)
		return e;
	n = strlen(ttys);
	if (strncmp(given, ttys, n) == 0 && given[n] == '/')
		given += n + 1;
	if (strchr(given, '/'))
		return folder_join("", given, p->port, eb);
	if (board_status_get(p->run, given, &status, NULL) != OK) {
		if ((e = folder_join("/dev", given, p->port, eb)) == OK &&
		    access(p->port, F_OK) != 0)
			e = err_set(eb, ERR_NOT_FOUND,
			    "--port %.64s: neither a virtual board that runs nor a device below "
			    "/dev; `%s ports` lists what there is",
			    given, p->cli->called);
		return e;
	}
	p->board = given;
	p->begun = strcmp(status.state, "running") == 0 || strcmp(status.state, "over") == 0;
	return folder_join(ttys, given, p->port, eb);
}

/* Which board it is, by its number on the bus; Arduino's vendor number is 2341 hex. */
static const struct known_board {
	int usb_pid;
	const char *type, *fqbn;
} known_boards[] = {
	{ 0x8054, "mkrwifi1010", "arduino:samd:mkrwifi1010" },
	{ 0x8057, "nano_33_iot", "arduino:samd:nano_33_iot" },
	{ 0x804e, "mkr1000", "arduino:samd:mkr1000" },
	{ 0x8052, "mkrgsm1400", "arduino:samd:mkrgsm1400" },
	{ 0x8055, "mkrnb1500", "arduino:samd:mkrnb1500" },
	{ 0x005e, "nanorp2040connect", "arduino:mbed_nano:nanorp2040connect" },
	{ 0x025b, "envie_m7", "arduino:mbed_portenta:envie_m7" },
	{ 0x025f, "nicla_vision", "arduino:mbed_nicla:nicla_vision" },
	{ 0x0064, "opta", "arduino:mbed_opta:opta" },
	{ 0x0266, "giga", "arduino:mbed_giga:giga" },
	{ 0x0068, "portenta_c33", "arduino:renesas_portenta:portenta_c33" },
	{ 0x1002, "unor4wifi", "arduino:renesas_uno:unor4wifi" },
};

/* What the server is told about a new device. A virtual board behaves as an MKR WiFi 1010. */
static void board_describe(struct provision *p)
{
	struct cloud_change *board = &p->from_cloud.board;
	const struct known_board *known = &known_boards[0];
	const char *type = cli_text(p->cli, "type");
	struct serial_listed *list = NULL;
	size_t n = 0;

	if (!p->board && serial_list(NULL, &list, &n, NULL) == OK)
		for (size_t i = 0; i < n; i++) {
			if (strcmp(list[i].path, p->port) != 0 || list[i].usb_vid != 0x2341)
				continue;
			snprintf(p->usb_serial, sizeof(p->usb_serial), "%s", list[i].usb_serial);
			for (size_t k = 0; k < COUNT(known_boards); k++)
				if (known_boards[k].usb_pid == list[i].usb_pid)
					known = &known_boards[k];
		}
	free(list);
	board->type = type ? type : known->type;
	board->fqbn = type && strcmp(type, known->type) != 0 ? NULL : known->fqbn;
	board->serial = p->usb_serial[0] ? p->usb_serial : NULL;
}

static enum err restart(void *ctx, struct errbuf *eb)
{
	const struct provision *p = ctx;

	return board_press(p->run, p->board, BOARD_BUTTON_RESET, eb);
}

/* --- who signs --- */

static enum err server_open(struct provision *p, struct errbuf *eb)
{
	struct cli *cli = p->cli;
	enum err e = remote_open(cli, &p->cloud, eb);

	if (e == ERR_NOT_FOUND && !cli_text(cli, "credentials"))
		return err_set(eb, e,
		    "no server is known: run `%s up`, or give --credentials FILE; --local "
		    "signs with the authority of this computer",
		    cli->called);
	if (e == OK && cli_number(cli, "years") != 31)
		return err_set(eb, ERR_ARG, "--years: a server signs for 31; others with --local");
	p->from_cloud.cloud = p->cloud;
	p->from_cloud.device = cli_text(cli, "device");
	board_describe(p);
	return e;
}

static enum err issuer_open(struct provision *p, struct errbuf *eb)
{
	const char *folder = cli_text(p->cli, "ca-dir");

	if (folder || cli_on(p->cli, "local"))
		return local_authority(p->cli, folder, &p->ca, eb);
	return server_open(p, eb);
}

/* --- the one thing that cannot be undone --- */

static bool may_lock(void *ctx)
{
	const struct provision *p = ctx;
	char answer[80];

	if (cli_on(p->cli, "yes"))
		return true;
	if (!isatty(STDIN_FILENO))
		return false;
	fprintf(stderr,
	    "The secure element of this board is open. An identity needs it locked, and that is "
	    "for ever:\n"
	    "its rules can never be changed again. Type the name of the board, %s, to lock it: ",
	    p->name);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	answer[strcspn(answer, "\n")] = 0;
	return strcmp(answer, p->name) == 0;
}

/* --- results --- */

/* Never more than was seen; and an emulated chip proves nothing to anybody else. */
static void assurance_print(const struct client_result *result)
{
	printf(
	    "assurance    %s: %s\n", assurance_name(result->level), assurance_text(result->level));
	if (result->level_why[0])
		printf("             not more: %s\n", result->level_why);
	if (assurance_emulated(result->chip_serial))
		printf(
		    "             the element is emulated: outside of tests this proves nothing\n");
}

static enum err done(struct provision *p, const struct client_result *result, struct errbuf *eb)
{
	char serial[33], fingerprint[65], file[80], pem[FOLDER_PATH_MAX];
	struct ccert fields;
	uint8_t q[64], hash[32];
	enum err e;

	if ((e = ccert_from_cert((struct slice){ result->der, result->n }, &fields, q)) != OK)
		return err_set(eb, e, "the active certificate cannot be read");
	sha256((struct slice){ result->der, result->n }, hash);
	hex_encode(SLICE(fields.serial), HEX_LOWER, serial);
	hex_encode(SLICE(hash), HEX_LOWER, fingerprint);
	snprintf(file, sizeof(file), "%s.pem", p->name);
	if ((e = folder_join(p->records, file, pem, eb)) != OK)
		return e;
	if (result->unconfirmed_end)
		cli_say(p->cli, "the board's closing words did not come; its identity is complete "
		                "all the same");
	if (result->firmware_latest[0])
		cli_say(p->cli, "the board's Wi-Fi module runs firmware %s; the latest is %s",
		    result->firmware, result->firmware_latest);
	if (cli_json(p->cli))
		return cli_json_print(
		    json_pack("{s:s,s:s*,s:s,s:s,s:s,s:s,s:i,s:b,s:b,s:s*,s:O}", "name", p->name,
		        "server", p->cloud ? cloud_server(p->cloud) : NULL, "device_id",
		        result->device_id, "serial", serial, "fingerprint", fingerprint,
		        "certificate", pem, "assurance", (int)result->level, "emulated",
		        assurance_emulated(result->chip_serial), "locked_now", result->locked_now,
		        "wifi_firmware", result->firmware[0] ? result->firmware : NULL, "steps",
		        p->steps),
		    eb);
	printf("device       %s\nserial       %s\nfingerprint  %s\ncertificate  %s\n",
	    result->device_id, serial, fingerprint, pem);
	assurance_print(result);
	return OK;
}

/* Says where it failed, what the board said, what is kept and what to do; main says why. */
static void not_done(
    struct provision *p, const struct client_result *result, enum err e, const struct errbuf *eb)
{
	const struct client_step_info *step = &client_steps[result->step];
	const char *remedy = result->remedy;
	struct errbuf unused;
	json_t *error;

	if (e == ERR_DENIED && result->step == CLIENT_LOCK)
		remedy = "run the same command with --yes, or on a terminal, and allow it";
	fprintf(stderr, "failed at    %s: %s\n", step->name, step->text);
	if (result->said[0])
		fprintf(stderr, "board said   %s\n", result->said);
	fprintf(stderr, "kept         %s\nwhat to do   %s\n", result->kept, remedy);
	if (!cli_json(p->cli))
		return;
	error = json_pack("{s:s,s:i,s:s,s:s,s:s,s:s,s:s}", "name", err_name(e), "exit",
	    err_exit_code(e), "text", eb->text, "step", step->name, "said", result->said, "kept",
	    result->kept, "remedy", remedy);
	p->cli->reported = cli_json_print(json_pack("{s:o,s:O}", "error", error, "steps", p->steps),
	                       &unused) == OK;
}

static enum err provision_run(struct provision *p, struct errbuf *eb)
{
	struct client_run run = { .port = p->port,
		.folder = p->records,
		.name = p->name,
		.years = (unsigned)cli_number(p->cli, "years"),
		.limit_ms = (uint32_t)cli_timeout(p->cli, 0) * 1000,
		.stop_fd = cli_stop_fd(),
		.profile = cli_text(p->cli, "profile"),
		.network = p->network ? network_file_settings(p->network) : NULL,
		.issuer = p->ca ? local_issuer(p->ca) : cloud_issuer(&p->from_cloud),
		.ctx = p,
		.restart = p->begun ? restart : NULL,
		.restarts = p->board,
		.may_lock = may_lock,
		.event = show };
	struct client_result result;
	enum err e = client_run(&run, &result, eb);

	if (e != OK) {
		not_done(p, &result, e, eb);
		return e;
	}
	return done(p, &result, eb);
}

static enum err network(struct provision *p, struct errbuf *eb)
{
	const char *path = cli_text(p->cli, "network");

	return path ? network_file_read(path, &p->network, eb) : OK;
}

static enum err provision(struct cli *cli, struct errbuf *eb)
{
	struct provision p = { .cli = cli, .name = cli_text(cli, "name"), .steps = json_array() };
	const char *port = cli_text(cli, "port");
	enum err e;

	if (cli_on(cli, "list-steps"))
		e = steps_print(cli, eb);
	else if (!port)
		e = err_set(
		    eb, ERR_ARG, "--port is missing; `%s ports` lists what there is", cli->called);
	else if (!p.name)
		e = err_set(eb, ERR_ARG, "--name is missing: what the board is to be called");
	else if ((e = port_find(&p, port, eb)) == OK && (e = issuer_open(&p, eb)) == OK &&
	         (e = local_records(cli, p.records, eb)) == OK && (e = network(&p, eb)) == OK)
		e = provision_run(&p, eb);
	network_file_free(p.network);
	ca_free(p.ca);
	cloud_free(p.cloud);
	json_decref(p.steps);
	return e;
}

const struct cli_command provision_commands[] = {
	{ .name = "provision",
	    .stops = true,
	    .summary = "give a board its identity",
	    .about = "Talks to our setup program on the board when it announces itself, else to "
	             "Arduino's Provisioning sketch; has its request signed by the server, sends "
	             "the certificate's fields and compares what the board rebuilt with what "
	             "was signed, byte for byte. With --local the authority of this computer "
	             "signs, and no server knows the device.\n\n"
	             "A run that was interrupted is simply made again: the device keeps its id, "
	             "and a certificate "
	             "that was issued but never confirmed is superseded. Locking the secure "
	             "element is for ever, "
	             "so it is asked for unless --yes is given.",
	    .options = options,
	    .run = provision },
	{ 0 },
};
