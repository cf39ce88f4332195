/*
 * cli.h -- what our programs' command lines stand on: option tables, output, stopping.
 *
 * A program is a `struct cli_program`: tables of commands, or one command alone. One parser reads all
 * of them, and help, man page and shell completion come out of the same tables. Each option is looked
 * up in the flags, then in the environment as IMPRINT_NAME, then in the program's INI file, then in
 * its default; values are checked before `run` is called, so `run` never sees a bad one.
 *
 * In the INI file --log-level is the key `level` of the section [log], or `log-level` before the first
 * section, as --listen is `listen` there. A key that no option has, one given twice, and a line that
 * is too long end the program with file and line.
 *
 * Results go to standard output, progress and errors to standard error. `run` returns an enum err
 * with its text in the errbuf; cli_main prints it and turns it into the exit code. Nobody else calls
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
	CLI_CHOICE, /* `value` lists the words: "2020|today"; help shows a long list behind itself */
};

struct cli_option {
	const char *name; /* long name without dashes; NULL ends a table */
	char letter;      /* short form, 0: none */
	enum cli_kind kind;
	bool required;
	bool flag_only;    /* never taken from the environment or a file */
	bool many;         /* a flag may stand several times, a value hold several behind commas */
	long min, max;     /* of a NUMBER */
	const char *value; /* what stands for the value in help texts */
	const char *fallback; /* default; NULL: none */
	const char *help;
};

struct cli;
struct cli_command {
	/* "board" or, within a group, "board reset"; NULL ends a table; "": the program's only one */
	const char *name;
	const char *args; /* "NAME", "[FILE]"; NULL: none */
	unsigned args_min, args_max;
	bool stops; /* watches cli_stop_fd and ends in order; others end by the signal itself */
	const char *summary; /* one line, no full stop */
	const char *about; /* more, for help and man page: paragraphs separated by an empty line */
	const struct cli_option *options; /* ends with { 0 }; NULL: only the global ones */
	enum err (*run)(struct cli *cli, struct errbuf *eb);
};

struct cli_program {
	const char *name, *version;
	const char *title; /* one line of the manual: "device identity that cannot be copied" */
	const char *does;  /* what help says in one sentence */
	const char *about; /* what the manual says */
	const char *section, *book; /* of the manual: "1", "User Commands" */
	const struct cli_option *globals;
	/* Command tables, NULL ends the list; or one command, and the list holds only its table. */
	const struct cli_command *const *tables;
	bool alone;
};

#define CLI_OPTIONS_MAX 32
#define CLI_ARGS_MAX 64
#define CLI_MANY_MAX 64

struct cli {                            /* fields are private, except args */
	const char *args[CLI_ARGS_MAX]; /* what remains after the command's name */
	unsigned n_args;
	const struct cli_program *program;
	const char *called; /* as the shell found it, so that what we advise can be typed */
	const struct cli_command *command;
	const char *group; /* when only the name of a group was given, for help */
	const char *values[2 * CLI_OPTIONS_MAX]; /* global options, then the command's */
	/* Flags of options with `many`, in their order; the last stands in `values` too. */
	struct cli_again {
		const struct cli_option *option;
		const char *value;
	} again[CLI_MANY_MAX];
	unsigned n_again;
	struct cli_ini *ini; /* what the INI file says */
	unsigned verbose;
	bool reported; /* the command has printed its error as JSON already */
	bool logged;   /* its error stands in the command's own log: nothing is printed */
};

/* --- options: the name must be in the command's table or global, else it is our bug --- */

const char *cli_text(const struct cli *cli, const char *option); /* NULL: not given, no default */
bool cli_on(const struct cli *cli, const char *option);
long cli_number(const struct cli *cli, const char *option); /* must have a value or a default */
/* The i-th value of an option with `many`; empty behind the last. */
struct slice cli_nth(const struct cli *cli, const char *option, unsigned i);
/* True when somebody chose the value, by flag, environment or file: it is not the default. */
bool cli_given(const struct cli *cli, const char *option);
/* True when it was a flag, which the next command has to be given again. */
bool cli_flagged(const struct cli *cli, const char *option);
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
/* Columns on a terminal: code points, which is right for what names are made of nearly always. */
size_t cli_width(const char *text);
/* Columns of the terminal behind a stream; 0: it is none, or nobody knows. */
size_t cli_columns(FILE *stream);
/* How wide a line may be that is drawn on stderr again and again: one that wrapped could not be taken back. */
size_t cli_live_columns(void);
/* How many bytes of the text fill at most so many columns; never a part of a character. */
size_t cli_fit(const char *text, size_t columns);

/*
 * Asks a yes/no question on the terminal. OK for yes or --yes; ERR_DENIED for anything else, and
 * without a terminal to ask on.
 */
enum err cli_confirm(const struct cli *cli, const char *question, struct errbuf *eb) MUST_CHECK;

/* --- stopping: for commands with `stops` --- */

int cli_stop_fd(void); /* becomes readable with SIGINT or SIGTERM */
bool cli_stopping(void);

/* --- programs --- */

/* All of main: parses, runs, prints the error, returns the exit code. */
int cli_main(const struct cli_program *program, int argc, char **argv);

extern const struct cli_command help_commands[];       /* help.c */
extern const struct cli_command completion_commands[]; /* completion.c */
/* --print man|bash|zsh|fish of a program without subcommands stands for those two. */
enum err cli_print(const struct cli *cli, const char *what, struct errbuf *eb) MUST_CHECK;

/* --- within this folder --- */

/* The caller frees with cli_free, also after a failure. */
enum err cli_parse(struct cli *cli, const struct cli_program *program, int argc, char **argv,
    struct errbuf *eb) MUST_CHECK;
void cli_free(struct cli *cli);
/* NULL: no such command. */
const struct cli_command *cli_command_find(const struct cli_program *program, const char *name);
/* Calls back for every command in order. */
void cli_each_command(const struct cli_program *program,
    void (*f)(void *ctx, const struct cli_command *command), void *ctx);
/* True when `command` is "group something". */
bool cli_in_group(const struct cli_command *command, const char *group);
/* The name of `option` in the environment: "IMPRINT_NO_COLOR". */
void cli_env_name(const struct cli_option *option, char out[64]);
void cli_help(const struct cli *cli, FILE *to);
void cli_man(const struct cli_program *program, FILE *to);
/* ERR_ARG: no such shell. */
enum err cli_completion(
    const struct cli_program *program, const char *shell, struct errbuf *eb) MUST_CHECK;

#endif
