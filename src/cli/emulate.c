/* `imprint element emulate`: secure elements on a socket, until stopped. */
#include "board.h"
#include "chip_options.h"
#include "element.h"
#include "emu.h"
#include "file.h"
#include "kit.h"
#include "se.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

const struct cli_option element_emulate_options[] = {
	{ .name = "socket",
	    .kind = CLI_FILE,
	    .value = "SOCKET",
	    .help = "where to serve; NAME.sock in the run folder unless given" },
	{ .name = "serial",
	    .kind = CLI_TEXT,
	    .value = "HEX",
	    .help = "serial number of a chip that is made now, 18 digits" },
	{ .name = "from",
	    .kind = CLI_FILE,
	    .value = "FILE",
	    .help = "configuration of a chip that is made now: 128 bytes dumped from another" },
	{ .name = "kit",
	    .kind = CLI_TEXT,
	    .value = "tcp:PORT|pty:LINK",
	    .help = "Microchip's kit protocol as well, on 127.0.0.1 (port 0: any that is free) or "
	            "behind a link" },
	CHIP_OPTIONS,
	{ 0 },
};

struct made_from {
	uint8_t serial[9], config[SE_CONFIG_SIZE];
	uint8_t *faults;
};

static enum err read_dump(const char *path, uint8_t config[SE_CONFIG_SIZE], struct errbuf *eb)
{
	uint8_t *bytes = NULL;
	size_t n;
	enum err e;

	if ((e = file_read(path, 4096, &bytes, &n, eb)) != OK)
		return e;
	if (n == SE_CONFIG_SIZE)
		memcpy(config, bytes, n);
	else
		e = err_set(eb, ERR_FORMAT, "%s: %zu bytes; a configuration has %d", path, n,
		    SE_CONFIG_SIZE);
	free(bytes);
	return e;
}

static enum err chip_options(
    const struct cli *cli, struct emu_options *o, struct made_from *from, struct errbuf *eb)
{
	const char *serial = cli_text(cli, "serial"), *dump = cli_text(cli, "from");
	enum err e;

	if ((e = chip_options_take(cli, o, &from->faults, eb)) != OK)
		return e;
	if (serial) {
		struct slice text = { (const uint8_t *)serial, strlen(serial) };

		if (hex_decode(text, from->serial, 9) != OK)
			return err_set(eb, ERR_ARG, "--serial: not 18 hexadecimal digits");
		o->serial = from->serial;
	}
	if (dump) {
		if ((e = read_dump(dump, from->config, eb)) != OK)
			return e;
		o->config = from->config;
	}
	return OK;
}

enum err element_state_file(const struct element_places *at, const char *name,
    char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char folder[FOLDER_PATH_MAX], file[FOLDER_PATH_MAX];
	enum err e;

	if (strchr(name, '/')) {
		if (strlen(name) >= FOLDER_PATH_MAX)
			return err_set(eb, ERR_ARG, "the path of the state file is too long");
		memcpy(path, name, strlen(name) + 1);
		return OK;
	}
	if ((e = board_name_check(name, eb)) != OK ||
	    (e = folder_join(at->state, "elements", folder, eb)) != OK ||
	    (e = folder_make(folder, 0700, eb)) != OK)
		return e;
	snprintf(file, sizeof(file), "%s.se", name);
	return folder_join(folder, file, path, eb);
}

static enum err socket_path(const struct cli *cli, const struct element_places *at,
    char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	const char *given = cli_text(cli, "socket"), *name = cli->args[0];
	char folder[FOLDER_PATH_MAX], file[FOLDER_PATH_MAX];
	enum err e;

	if (given || strchr(name, '/')) {
		if (!given)
			return err_set(eb, ERR_ARG, "a state file by its path needs --socket");
		if (strlen(given) >= FOLDER_PATH_MAX)
			return err_set(eb, ERR_ARG, "--socket: the path is too long");
		memcpy(path, given, strlen(given) + 1);
		return OK;
	}
	if ((e = folder_make(at->run, 0700, eb)) != OK || (e = folder_private(at->run, eb)) != OK ||
	    (e = folder_join(at->run, "se", folder, eb)) != OK ||
	    (e = folder_make(folder, 0700, eb)) != OK)
		return e;
	snprintf(file, sizeof(file), "%s.sock", name);
	return folder_join(folder, file, path, eb);
}

/* One line for each chip, then the socket, then the kit's place: whoever waits for it can begin. */
static enum err announce(const struct cli *cli, struct emu *const *chips, unsigned n,
    const char *socket, const char *kit, struct errbuf *eb)
{
	json_t *list = json_array();
	struct emu_info info;
	char serial[19];

	for (unsigned i = 0; i < n; i++) {
		emu_info(chips[i], &info);
		hex_encode(SLICE(info.serial), HEX_UPPER, serial);
		cli_say(cli, "%s: emulated %s %s at address %02X%s", cli->args[i],
		    emu_family_name(info.family), serial, info.address,
		    info.genuine_looking ? ", looks genuine" : "");
		if (info.faults)
			cli_say(cli, "%s: faults planned: %u", cli->args[i], info.faults);
		json_array_append_new(
		    list, json_pack("{s:s,s:s,s:s,s:i,s:b,s:b,s:i}", "name", cli->args[i], "model",
		              emu_family_name(info.family), "serial", serial, "address",
		              info.address, "emulated", true, "genuine_looking",
		              info.genuine_looking, "faults", (int)info.faults));
	}
	if (cli_json(cli))
		return cli_json_print(
		    json_pack("{s:s,s:s*,s:o}", "socket", socket, "kit", kit, "elements", list),
		    eb);
	json_decref(list);
	printf("%s\n", socket);
	if (kit)
		printf("%s\n", kit);
	fflush(stdout);
	return OK;
}

static void say_counts(const struct cli *cli, const struct emu_server_counters *c)
{
	cli_detail(cli, "%llu connections, %llu transactions, %llu refused",
	    (unsigned long long)c->connections, (unsigned long long)c->frames,
	    (unsigned long long)c->refused);
	for (unsigned i = 0; i < COUNT(c->opcodes); i++) {
		if (c->opcodes[i])
			cli_detail(
			    cli, "opcode %02X: %llu times", i, (unsigned long long)c->opcodes[i]);
	}
}

/* *kit stays NULL without --kit. */
static enum err serve_kit(
    const struct cli *cli, struct emu *const *chips, struct kit_server **kit, struct errbuf *eb)
{
	const char *where = cli_text(cli, "kit");
	enum err e;

	if (!where)
		return OK;
	if ((e = kit_server_new(where, chips, cli->n_args, kit, eb)) != OK)
		return e;
	return kit_server_start(*kit, eb);
}

static enum err serve(
    const struct cli *cli, struct emu *const *chips, const char *path, struct errbuf *eb)
{
	struct emu_server *server = NULL;
	struct kit_server *kit = NULL;
	struct emu_server_counters counters;
	const char *where;
	enum err e;

	if ((e = emu_server_new(path, chips, cli->n_args, &server, eb)) != OK ||
	    (e = serve_kit(cli, chips, &kit, eb)) != OK)
		goto out;
	where = kit ? kit_server_where(kit) : NULL;
	if ((e = announce(cli, chips, cli->n_args, path, where, eb)) == OK &&
	    (e = emu_server_run(server, cli_stop_fd(), eb)) == OK) {
		emu_server_counters(server, &counters);
		say_counts(cli, &counters);
	}
out:
	kit_server_free(kit);
	emu_server_free(server);
	return e;
}

enum err element_emulate(struct cli *cli, struct errbuf *eb)
{
	struct emu *chips[EMU_SERVER_CHIPS] = { NULL };
	char path[FOLDER_PATH_MAX], socket[FOLDER_PATH_MAX];
	struct emu_options o = { .how = EMU_OPEN_OR_MAKE };
	struct made_from from = { .faults = NULL };
	struct element_places at;
	enum err e;

	if ((e = element_places(cli, &at, eb)) != OK ||
	    (e = chip_options(cli, &o, &from, eb)) != OK ||
	    (e = socket_path(cli, &at, socket, eb)) != OK)
		goto out;
	for (unsigned i = 0; i < cli->n_args; i++) {
		if ((e = element_state_file(&at, cli->args[i], path, eb)) != OK ||
		    (e = emu_open(path, &o, &chips[i], eb)) != OK)
			goto out;
	}
	e = serve(cli, chips, socket, eb);
out:
	for (unsigned i = 0; i < cli->n_args; i++)
		emu_free(chips[i]);
	free(from.faults);
	return e;
}
