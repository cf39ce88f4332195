/* `imprint board`: virtual boards, and their buttons. */
#include "board.h"
#include "board_crowd.h"
#include "chip_options.h"
#include "commands.h"
#include "folder.h"
#include "remote.h"

#include <stdlib.h>
#include <string.h>

static const struct cli_option options[] = {
	{ .name = "sketch",
	    .kind = CLI_CHOICE,
	    .value = "2020|setup|today",
	    .fallback = "today",
	    .help = "Provisioning sketch in this wording, or our own setup program" },
	{ .name = "wifi", .kind = CLI_SWITCH, .help = "the board has a Wi-Fi module" },
	{ .name = "wifi-firmware",
	    .kind = CLI_TEXT,
	    .value = "VERSION",
	    .help = "firmware of the Wi-Fi module, with --wifi; the newest unless given" },
	{ .name = "element",
	    .kind = CLI_FILE,
	    .value = "SOCKET",
	    .help = "use the secure element behind this SEI2C/1 socket, not an own one" },
	{ .name = "broker",
	    .kind = CLI_TEXT,
	    .value = "HOST:PORT",
	    .help = "with an identity, connect to this MQTT broker; HOST as its certificate says" },
	{ .name = "anchor",
	    .kind = CLI_FILE,
	    .value = "FILE",
	    .help = "certificate (PEM) of the CA that the broker's certificate leads to" },
	CHIP_OPTIONS,
	CROWD_OPTIONS,
	REMOTE_OPTIONS,
	{ 0 },
};

static const char *json_name(enum board_event event)
{
	static const char *const names[BOARD_EVENTS] = { "plugged", "unplugged", "opened", "closed",
		"reset", "started", "step", "fault", "over", "connecting", "online", "message",
		"attached", "synchronised", "detached", "refused", "lost" };

	return names[event];
}

static void show(void *ctx, enum board_event event, const char *text)
{
	struct cli *cli = ctx;
	struct errbuf eb;

	if (cli_json(cli)) {
		json_t *line = json_pack("{s:s,s:s}", "event", json_name(event), "text", text);

		if (cli_json_print(line, &eb) != OK)
			cli_say(cli, "%s", eb.text);
		return;
	}
	if (event == BOARD_STEP)
		cli_detail(cli, "%s: %s", cli->args[0], text);
	else
		cli_say(cli, "%s: %s%s%s", cli->args[0], board_event_text(event),
		    text[0] == '\0' ? "" : ": ", text);
}

static enum err options_read(const struct cli *cli, struct board_options *o, struct errbuf *eb)
{
	static const char *const many[] = { "rate", "every", "keep", "again" };

	for (size_t i = 0; i < COUNT(many); i++)
		if (cli_given(cli, many[i]))
			return err_set(eb, ERR_ARG, "--%s needs --count", many[i]);
	o->name = cli->args[0];
	o->wording = strcmp(cli_text(cli, "sketch"), "2020") == 0 ? CONSOLE_2020 : CONSOLE_TODAY;
	o->setup = strcmp(cli_text(cli, "sketch"), "setup") == 0;
	o->element = cli_text(cli, "element");
	o->broker = cli_text(cli, "broker");
	o->anchor = cli_text(cli, "anchor");
	if ((o->broker == NULL) != (o->anchor == NULL))
		return err_set(eb, ERR_ARG, "--broker and --anchor need each other");
	if (o->element != NULL && cli_text(cli, "faults") != NULL)
		return err_set(eb, ERR_ARG,
		    "--faults is for the board's own chip, not for one behind --element");
	if (cli_on(cli, "wifi"))
		o->wifi = cli_text(cli, "wifi-firmware") != NULL ? cli_text(cli, "wifi-firmware")
		                                                 : BOARD_WIFI_LATEST;
	else if (cli_text(cli, "wifi-firmware") != NULL)
		return err_set(eb, ERR_ARG, "--wifi-firmware needs --wifi");
	if (o->setup && o->wifi != NULL)
		return err_set(eb, ERR_ARG, "--wifi: the setup program knows no Wi-Fi module");
	if (o->wifi != NULL && strlen(o->wifi) > BOARD_WIFI_MAX)
		return err_set(
		    eb, ERR_ARG, "--wifi-firmware: more than %d characters", BOARD_WIFI_MAX);
	return OK;
}

/* The verbs are looked for first, so a board with such a name could not be reached. */
static enum err name_free(const char *name, struct errbuf *eb)
{
	for (const struct cli_command *c = board_commands; c->name != NULL; c++)
		if (cli_in_group(c, "board") && strcmp(strchr(c->name, ' ') + 1, name) == 0)
			return err_set(
			    eb, ERR_ARG, "a board cannot be named '%s', which is a command", name);
	return board_name_check(name, eb);
}

static enum err serve(struct cli *cli, struct errbuf *eb)
{
	char state[FOLDER_PATH_MAX], run[FOLDER_PATH_MAX];
	struct board_options o = { .state = state, .run = run, .event = show, .ctx = cli };
	struct board *board = NULL;
	uint8_t *plan = NULL;
	enum err e;

	if (cli_given(cli, "count"))
		return (e = name_free(cli->args[0], eb)) == OK ? crowd_serve(cli, eb) : e;
	if ((e = options_read(cli, &o, eb)) != OK || (e = name_free(o.name, eb)) != OK ||
	    (e = folder_state(cli_text(cli, "state"), state, eb)) != OK ||
	    (e = folder_run(run, eb)) != OK)
		return e;
	if ((e = chip_options_take(cli, &o.chip, &plan, eb)) == OK)
		e = board_new(&o, &board, eb);
	free(plan);
	if (e != OK)
		return e;
	if (!cli_json(cli))
		printf("%s\n", board_port(board));
	fflush(stdout);
	e = board_run(board, cli_stop_fd(), eb);
	board_free(board);
	return e;
}

/* --- buttons --- */

static enum err press(
    struct cli *cli, enum board_button button, const char *done, struct errbuf *eb)
{
	char run[FOLDER_PATH_MAX];
	enum err e;

	if ((e = folder_run(run, eb)) != OK ||
	    (e = board_press(run, cli->args[0], button, eb)) != OK)
		return e;
	if (cli_json(cli))
		return cli_json_print(
		    json_pack("{s:s,s:s}", "name", cli->args[0], "done", done), eb);
	cli_say(cli, "%s: %s", cli->args[0], done);
	return OK;
}

static enum err reset(struct cli *cli, struct errbuf *eb)
{
	return press(cli, BOARD_BUTTON_RESET, "reset", eb);
}

static enum err unplug(struct cli *cli, struct errbuf *eb)
{
	return press(cli, BOARD_BUTTON_UNPLUG, "unplugged", eb);
}

static enum err plug(struct cli *cli, struct errbuf *eb)
{
	return press(cli, BOARD_BUTTON_PLUG, "plugged in", eb);
}

static enum err stop(struct cli *cli, struct errbuf *eb)
{
	return press(cli, BOARD_BUTTON_STOP, "stopped", eb);
}

/* --- list --- */

static json_t *opcodes(const struct board_status *s)
{
	json_t *all = json_object();
	char key[3];

	for (unsigned i = 0; i < COUNT(s->opcodes); i++) {
		snprintf(key, sizeof(key), "%02x", i);
		if (s->opcodes[i] != 0)
			json_object_set_new(all, key, json_integer(s->opcodes[i]));
	}
	return all;
}

static enum err status_print(const struct cli *cli, const struct board_status *s, struct errbuf *eb)
{
	json_t *one;

	if (!cli_json(cli)) {
		printf("%-16s %-10s %-40s %s\n", s->name, s->state, s->port, s->step);
		return OK;
	}
	one = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:s,s:I,s:I,s:I,s:o}", "name", s->name,
	    "state", s->state, "step", s->step, "broker", s->broker, "port", s->port, "element",
	    s->element, "pid", (json_int_t)s->pid, "sketch", s->wording, "wifi", s->wifi,
	    "chip_busy_us", (json_int_t)s->chip_busy_us, "wire_frames", (json_int_t)s->wire_frames,
	    "wire_commands", (json_int_t)s->wire_commands, "opcodes", opcodes(s));
	return cli_json_print(one, eb);
}

static enum err list(struct cli *cli, struct errbuf *eb)
{
	char run[FOLDER_PATH_MAX], **names = NULL;
	struct board_status s;
	size_t n = 0;
	enum err e;

	if ((e = folder_run(run, eb)) != OK || (e = board_names(run, &names, &n, eb)) != OK)
		return e;
	for (size_t i = 0; i < n; i++) {
		/* One that stopped in between is none any more. */
		if (e == OK && board_status_get(run, names[i], &s, eb) == OK)
			e = status_print(cli, &s, eb);
		free(names[i]);
	}
	free(names);
	if (n == 0 && !cli_json(cli))
		cli_say(cli, "no virtual board runs");
	return e;
}

const struct cli_command board_commands[] = {
	{ .name = "board",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .stops = true,
	    .summary = "run a virtual board until it is stopped",
	    .about =
	        "The board is a serial port, Arduino's Provisioning sketch and an emulated secure "
	        "element in one process. The sketch waits until the port is opened, holds its "
	        "dialogue once and then waits for a reset. The chip keeps its memory in the state "
	        "folder, in elements/NAME.se; the board itself keeps nothing.\n\n"
	        "With --broker and --anchor a board whose chip holds a complete identity connects "
	        "as soon as nobody has its port open, shows its certificate, lets slot 0 sign, and "
	        "stays: MQTT 3.1.1 over TLS 1.2. Opening the port ends that.\n\n"
	        "With --count there are many boards in one process, without serial ports and with "
	        "chips in memory. Each gets its identity from the server and connects to the "
	        "broker, by default those of a running `imprint up`; at the end their devices are "
	        "removed again.\n\n"
	        "The path of the serial port is printed first. Opening and closing it at 1200 baud "
	        "restarts the sketch, as uploading does on a real board.",
	    .options = options,
	    .run = serve },
	{ .name = "board list", .summary = "list the virtual boards that run", .run = list },
	{ .name = "board reset",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "press its reset button: the sketch starts again",
	    .run = reset },
	{ .name = "board unplug",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "pull its USB plug",
	    .run = unplug },
	{ .name = "board plug",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "plug it in again: a new port behind the same path",
	    .run = plug },
	{ .name = "board stop",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "end a virtual board that runs elsewhere",
	    .run = stop },
	{ 0 },
};
