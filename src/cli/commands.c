/* The table of tables: a subcommand exists when its table stands here. */
#include "cli.h"
#include "commands.h"

const struct cli_command *const cli_commands[] = {
	up_commands,
	down_commands,
	status_commands,
	reset_commands,
	board_commands,
	broker_commands,
	mqtt_commands,
	ports_commands,
	provision_commands,
	device_commands,
	element_commands,
	certificate_commands,
	doctor_commands,
	help_commands,
	completion_commands,
	NULL,
};

const struct cli_option cli_globals[] = {
	{ .name = "state",
	    .kind = CLI_DIR,
	    .value = "DIR",
	    .help = "folder of everything that is kept: authority, elements, runs" },
	{ .name = "json",
	    .kind = CLI_SWITCH,
	    .help = "results as JSON, one object or one per line" },
	{ .name = "quiet", .letter = 'q', .kind = CLI_SWITCH, .help = "no progress" },
	{ .name = "verbose", .letter = 'v', .kind = CLI_SWITCH, .help = "more progress" },
	{ .name = "no-color", .kind = CLI_SWITCH, .help = "no colour, also on a terminal" },
	{ .name = "yes", .kind = CLI_SWITCH, .help = "answer yes to every question" },
	{ .name = "timeout",
	    .kind = CLI_NUMBER,
	    .value = "SECONDS",
	    .min = 1,
	    .max = 86400,
	    .help = "give up when the other side stays silent for so long" },
	{ .name = "help",
	    .letter = 'h',
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "explain the command" },
	{ .name = "version", .kind = CLI_SWITCH, .flag_only = true, .help = "print the version" },
	{ 0 },
};
