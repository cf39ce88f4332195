/* The option tables for people: help as text, the man page, the exit codes. */
#include <ctype.h>
#include <string.h>
#include "cli.h"
#include "folder.h"

#define HELP_MAX 400
#define CHOICES_MAX 48 /* longer, they stand in the help text, where lines can break */

static bool choices_are_long(const struct cli_option *o)
{
	return o->kind == CLI_CHOICE && strlen(o->value) > CHOICES_MAX;
}

/* "-q, --quiet", "--state DIR" */
static void option_spell(const struct cli_option *o, char *out, size_t cap)
{
	char letter[] = { '-', o->letter, ',', ' ', '\0' };
	const char *value = choices_are_long(o) ? "WORD" : o->value;

	snprintf(out, cap, "%s--%s%s%s", o->letter ? letter : "", o->name, value ? " " : "",
	    value ? value : "");
}

/* The option's help; long choices follow: "why: this, that". */
static void option_help(const struct cli_option *o, char out[HELP_MAX])
{
	size_t n = (size_t)snprintf(out, HELP_MAX, "%s", o->help);

	if (!choices_are_long(o))
		return;
	n += (size_t)snprintf(out + n, HELP_MAX - n, ":");
	for (const char *word = o->value; *word != '\0' && n < HELP_MAX;) {
		size_t length = strcspn(word, "|");

		n += (size_t)snprintf(
		    out + n, HELP_MAX - n, " %.*s%s", (int)length, word, word[length] ? "," : "");
		word += length + (word[length] != '\0');
	}
}

/* Text broken at blanks before column 80; lines after the first begin at `indent`. */
static void wrapped_print(FILE *to, const char *text, int indent)
{
	int column = indent;

	while (*text != '\0') {
		int word = (int)strcspn(text, " \n");

		if (column > indent && column + 1 + word > 79) {
			fprintf(to, "\n%*s", indent, "");
			column = indent;
		}
		fprintf(to, "%s%.*s", column > indent ? " " : "", word, text);
		column += word + (column > indent);
		for (text += word; *text == ' ' || *text == '\n'; text++) {
			if (*text == '\n') {
				fprintf(to, "\n%*s", indent, "");
				column = indent;
			}
		}
	}
	fputc('\n', to);
}

static void options_print(FILE *to, const struct cli_option *table)
{
	for (; table != NULL && table->name != NULL; table++) {
		char spelled[96], plain[HELP_MAX], help[HELP_MAX + 64];

		option_spell(table, spelled, sizeof(spelled));
		option_help(table, plain);
		snprintf(help, sizeof(help), "%s%s%s%s%s", plain,
		    table->required ? " (required)" : "", table->fallback ? " (default " : "",
		    table->fallback ? table->fallback : "", table->fallback ? ")" : "");
		if (strlen(spelled) > 27)
			fprintf(to, "  %s\n%31s", spelled, "");
		else
			fprintf(to, "  %-29s", spelled);
		wrapped_print(to, help, 31);
	}
}

/* "imprint board", or "imprintd" alone */
static void name_print(FILE *to, const struct cli_program *program, const struct cli_command *c)
{
	fprintf(to, "%s%s%s", program->name, c->name[0] == '\0' ? "" : " ", c->name);
}

static void usage_print(FILE *to, const struct cli_program *program, const struct cli_command *c)
{
	name_print(to, program, c);
	for (const struct cli_option *o = c->options; o != NULL && o->name != NULL; o++)
		if (o->required)
			fprintf(to, " --%s %s", o->name, o->value);
	fprintf(to, "%s%s%s\n", c->options == NULL ? "" : " [options]", c->args == NULL ? "" : " ",
	    c->args == NULL ? "" : c->args);
}

static void summary_print(void *ctx, const struct cli_command *c)
{
	fprintf(ctx, "  %-20s  ", c->name);
	wrapped_print(ctx, c->summary, 24);
}

struct group {
	FILE *to;
	const char *name, *title; /* the title stands before the first command, if there is one */
};

static void group_print(void *ctx, const struct cli_command *c)
{
	struct group *g = ctx;

	if (!cli_in_group(c, g->name))
		return;
	fputs(g->title, g->to);
	g->title = "";
	summary_print(g->to, c);
}

static void command_help(FILE *to, const struct cli_program *program, const struct cli_command *c)
{
	struct group group = { to, c->name, "\ncommands:\n" };

	fprintf(to, "%c%s.\n\nusage: ", toupper((unsigned char)c->summary[0]), c->summary + 1);
	usage_print(to, program, c);
	if (c->about != NULL) {
		fputc('\n', to);
		wrapped_print(to, c->about, 0);
	}
	cli_each_command(program, group_print, &group);
	if (c->options != NULL) {
		fputs("\noptions:\n", to);
		options_print(to, c->options);
	}
	fputs(program->alone ? "\nalso:\n" : "\nglobal options:\n", to);
	options_print(to, program->globals);
}

void cli_help(const struct cli *cli, FILE *to)
{
	const struct cli_program *program = cli->program;
	char more[HELP_MAX];

	if (cli->command != NULL) {
		command_help(to, program, cli->command);
		return;
	}
	if (cli->group != NULL) {
		struct group group = { to, cli->group, "\ncommands:\n" };

		fprintf(to, "usage: %s %s COMMAND [options]\n", program->name, cli->group);
		cli_each_command(program, group_print, &group);
		return;
	}
	fprintf(to, "%s %s.\n\nusage: %s COMMAND [options]\n\ncommands:\n", program->name,
	    program->does, program->name);
	cli_each_command(program, summary_print, to);
	fputs("\nglobal options:\n", to);
	options_print(to, program->globals);
	snprintf(more, sizeof(more),
	    "Most options can stand in the environment, --state as IMPRINT_STATE: the man page "
	    "says which. `%s help COMMAND` explains a command, `%s help exit` the exit codes.",
	    program->name, program->name);
	fputc('\n', to);
	wrapped_print(to, more, 0);
}

/* --- exit codes: errors.def, one line per code --- */

#define EXIT_INTERRUPTED 130

static void exit_codes_print(FILE *to)
{
	for (int code = 0; code < EXIT_INTERRUPTED; code++) {
		char text[HELP_MAX] = "";
		size_t n = 0;

		for (int e = OK; e < ERR_COUNT && n < sizeof(text); e++)
			if (err_exit_code((enum err)e) == code)
				n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
				    n > 0 ? "; " : "", err_text((enum err)e));
		if (n > 0) {
			fprintf(to, "%5d  ", code);
			wrapped_print(to, text, 7);
		}
	}
	fprintf(to, "%5d  interrupted\n", EXIT_INTERRUPTED);
}

/* --- man page, man(7) --- */

/* Text with the characters escaped that roff takes for its own. */
static void roff(FILE *to, const char *text)
{
	bool line_start = true;

	for (; *text != '\0'; text++) {
		if (line_start && (*text == '.' || *text == '\''))
			fputs("\\&", to);
		if (*text == '\\')
			fputs("\\e", to);
		else if (*text == '-')
			fputs("\\-", to);
		else if (text[0] == '\n' && text[1] == '\n') {
			fputs("\n.PP", to);
			continue;
		} else
			fputc(*text, to);
		line_start = *text == '\n';
	}
}

static void man_options(FILE *to, const struct cli_option *table)
{
	for (; table != NULL && table->name != NULL; table++) {
		char spelled[96], help[HELP_MAX], env[64];

		option_spell(table, spelled, sizeof(spelled));
		option_help(table, help);
		fputs(".TP\n.B ", to);
		roff(to, spelled);
		fputc('\n', to);
		roff(to, help);
		fputs(".\n", to);
		if (table->required)
			fputs("Required.\n", to);
		if (table->fallback != NULL) {
			fputs("Default: ", to);
			roff(to, table->fallback);
			fputs(".\n", to);
		}
		if (!table->flag_only) {
			cli_env_name(table, env);
			fprintf(to, "Environment: %s.\n", env);
		}
	}
}

struct man {
	FILE *to;
	const struct cli_program *program;
};

static void man_command(void *ctx, const struct cli_command *c)
{
	const struct man *m = ctx;

	fputs(".SS \"", m->to);
	name_print(m->to, m->program, c);
	fprintf(m->to, "%s%s\"\n", c->args == NULL ? "" : " ", c->args == NULL ? "" : c->args);
	fputc(toupper((unsigned char)c->summary[0]), m->to);
	roff(m->to, c->summary + 1);
	fputs(".\n", m->to);
	if (c->about != NULL) {
		fputs(".PP\n", m->to);
		roff(m->to, c->about);
		fputc('\n', m->to);
	}
	man_options(m->to, c->options);
}

static void man_head(FILE *to, const struct cli_program *program)
{
	fputs(".TH ", to);
	for (const char *p = program->name; *p != '\0'; p++)
		fputc(toupper((unsigned char)*p), to);
	fprintf(to, " %s \"\" \"imprint %s\" \"%s\"\n.SH NAME\n%s \\- ", program->section,
	    program->version, program->book, program->name);
	roff(to, program->title);
	fprintf(to, "\n.SH SYNOPSIS\n.B %s\n%s.RI [ options ]\n.SH DESCRIPTION\n", program->name,
	    program->alone ? "" : ".I command\n");
	roff(to, program->about);
	fputc('\n', to);
}

void cli_man(const struct cli_program *program, FILE *to)
{
	struct man man = { to, program };

	man_head(to, program);
	if (program->alone) {
		fputs(".SH OPTIONS\n", to);
		man_options(to, program->tables[0]->options);
	} else {
		fputs(".SH COMMANDS\n", to);
		cli_each_command(program, man_command, &man);
		fputs(".SH \"GLOBAL OPTIONS\"\n", to);
	}
	man_options(to, program->globals);
	fputs(".SH \"EXIT STATUS\"\n.nf\n", to);
	exit_codes_print(to);
	fputs(".fi\n.SH ENVIRONMENT\nFlags win over the environment, the environment over the INI "
	      "file, the file over defaults.\n.B NO_COLOR\nswitches colour off.\n"
	      ".SH FILES\n.TP\n.B ",
	    to);
	fprintf(to, "/etc/imprint/%s.ini\nRead by root, others read ", program->name);
	fprintf(to, "imprint/%s.ini below XDG_CONFIG_HOME or ~/.config.\n", program->name);
	roff(to, "The option --log-level is the key level in the section [log]; an option of one "
	         "word is a key before the first section. Lines have at most 190 characters.");
	fputc('\n', to);
}

/* --- the command --- */

static enum err help(struct cli *cli, struct errbuf *eb)
{
	struct cli about;
	char program[FOLDER_PATH_MAX], flag[] = "--help", words[2][32] = { "", "" };
	char *argv[] = { program, flag, words[0], words[1], NULL };
	enum err e;

	if (cli->n_args == 1 && strcmp(cli->args[0], "exit") == 0) {
		exit_codes_print(stdout);
		return OK;
	}
	if (cli->n_args == 1 && strcmp(cli->args[0], "man") == 0) {
		cli_man(cli->program, stdout);
		return OK;
	}
	snprintf(program, sizeof(program), "%s", cli->called);
	for (unsigned i = 0; i < cli->n_args; i++)
		snprintf(words[i], sizeof(words[i]), "%s", cli->args[i]);
	/* The parser finds the command, or says what is near. */
	if ((e = cli_parse(&about, cli->program, 2 + (int)cli->n_args, argv, eb)) == OK)
		cli_help(&about, stdout);
	cli_free(&about);
	return e;
}

const struct cli_command help_commands[] = {
	{ .name = "help",
	    .args = "[COMMAND | exit | man]",
	    .args_max = 2,
	    .summary = "explain commands or exit codes, or print the man page",
	    .run = help },
	{ 0 },
};
