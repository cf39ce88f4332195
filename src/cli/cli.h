/*
 * cli.h -- what every subcommand of `imprint` stands on: option tables, output, stopping.
 *
 * A subcommand is one `struct cli_command` in a const table of its own file; the tables are listed
 * in commands.c. One parser reads all of them, and help, man page and shell completion come out of
 * the same tables. Each option is looked up in the flags, then in the environment as IMPRINT_NAME,
 * then in its default; values are checked before `run` is called, so `run` never sees a bad one.
 *
 * Results go to standard output, progress and errors to standard error. `run` returns an enum err
 * with its text in the errbuf; main prints it and turns it into the exit code. Nobody else calls
 * exit.
 *
 *	static const struct cli_option options[] = {
 *		{ .name = "port", .kind = CLI_FILE, .value = "DEVICE", .help = "serial port" },
 *		{ 0 },
 *	};
 *	const struct cli_command example_commands[] = {
 *		{ .name = "example", .args = "NAME", .args_min = 1, .args_max = 1,
 *		    .options = options, .summary = "shows how it is done", .run = example },
 *		{ 0 },
 *	};
 */
#ifndef IMPRINT_CLI_H
#define IMPRINT_CLI_H

#include <stdio.h>
#include <jansson.h>
#include "errbuf.h"

enum cli_kind {
	CLI_SWITCH, /* takes no value; in the environment 1 yes true on, or 0 no false off */
	CLI_TEXT,
	CLI_FILE, /* as TEXT; shells complete file names */
	CLI_DIR,
	CLI_NUMBER, /* whole, min..max */
	CLI_CHOICE, /* `value` lists the words: "2020|today" */
};

struct cli_option {
	const char *name; /* long name without dashes; NULL ends a table */
	char letter;      /* short form, 0: none */
	enum cli_kind kind;
	bool required;
	bool flag_only;       /* never taken from the environment */
	long min, max;        /* of a NUMBER */
	const char *value;    /* what stands for the value in help texts */
	const char *fallback; /* default; NULL: none */
	const char *help;
};

struct cli;
struct cli_command {
	const char *name; /* "board" or, within a group, "board reset"; NULL ends a table */
	const char *args; /* "NAME", "[FILE]"; NULL: none */
	unsigned args_min, args_max;
	bool stops; /* watches cli_stop_fd and ends in order; others end by the signal itself */
	const char *summary; /* one line, no full stop */
	const char *about; /* more, for help and man page: paragraphs separated by an empty line */
	const struct cli_option *options; /* ends with { 0 }; NULL: only the global ones */
	enum err (*run)(struct cli *cli, struct errbuf *eb);
};

#define CLI_OPTIONS_MAX 32
#define CLI_ARGS_MAX 64

struct cli {                            /* fields are private, except args */
	const char *args[CLI_ARGS_MAX]; /* what remains after the command's name */
	unsigned n_args;
	const struct cli_command *command;
	const char *group; /* when only the name of a group was given, for help */
	const char *values[2 * CLI_OPTIONS_MAX]; /* global options, then the command's */
	unsigned verbose;
	bool reported; /* the command has printed its error as JSON already */
};

/* --- options: the name must be in the command's table or global, else it is our bug --- */

const char *cli_text(const struct cli *cli, const char *option); /* NULL: not given, no default */
bool cli_on(const struct cli *cli, const char *option);
long cli_number(const struct cli *cli, const char *option); /* must have a value or a default */
/* --timeout in seconds, or what the command takes without it. */
long cli_timeout(const struct cli *cli, long otherwise);

/* --- output --- */

bool cli_json(const struct cli *cli); /* --json: the result is JSON */
/* One line of progress on standard error, not with --quiet; cli_detail only with --verbose. */
void cli_say(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_detail(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints one line of JSON with "schema":1 in front, and releases the object. */
enum err cli_json_print(json_t *object, struct errbuf *eb) MUST_CHECK;

enum cli_ink { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_GREEN, CLI_YELLOW, CLI_RED };
/* The escape sequence for this stream: "" unless it is a terminal that wants colour. */
const char *cli_ink(const struct cli *cli, FILE *stream, enum cli_ink ink);

/*
 * Asks a yes/no question on the terminal. OK for yes or --yes; ERR_DENIED for anything else, and
 * without a terminal to ask on.
 */
enum err cli_confirm(const struct cli *cli, const char *question, struct errbuf *eb) MUST_CHECK;

/* --- stopping: for commands with `stops` --- */

int cli_stop_fd(void); /* becomes readable with SIGINT or SIGTERM */
bool cli_stopping(void);

/* --- for help.c, completion.c and main.c --- */

extern const struct cli_option cli_globals[];
/* All command tables; NULL ends the list. */
extern const struct cli_command *const cli_commands[];

enum err cli_parse(struct cli *cli, int argc, char **argv, struct errbuf *eb) MUST_CHECK;
const struct cli_command *cli_command_find(const char *name);
/* Calls back for every command in order. */
void cli_each_command(void (*f)(void *ctx, const struct cli_command *command), void *ctx);
/* True when `command` is "group something". */
bool cli_in_group(const struct cli_command *command, const char *group);
/* The name of `option` in the environment: "IMPRINT_NO_COLOR". */
void cli_env_name(const struct cli_option *option, char out[64]);
void cli_help(const struct cli *cli, FILE *to);

#endif
