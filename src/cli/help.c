/* `imprint help`: the option tables for people, as text and as a man page. */
#include <ctype.h>
#include <string.h>
#include "cli.h"
#include "commands.h"

/* "-q, --quiet", "--state DIR" */
static void option_spell(const struct cli_option *o, char *out, size_t cap)
{
	char letter[] = { '-', o->letter, ',', ' ', '\0' };

	snprintf(out, cap, "%s--%s%s%s", o->letter ? letter : "", o->name,
	    o->value == NULL ? "" : " ", o->value == NULL ? "" : o->value);
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
		char spelled[96], help[400];

		option_spell(table, spelled, sizeof(spelled));
		snprintf(help, sizeof(help), "%s%s%s%s%s", table->help,
		    table->required ? " (required)" : "", table->fallback ? " (default " : "",
		    table->fallback ? table->fallback : "", table->fallback ? ")" : "");
		fprintf(to, "  %-28s ", spelled);
		wrapped_print(to, help, 31);
	}
}

static void usage_print(FILE *to, const struct cli_command *c)
{
	fprintf(to, "imprint %s", c->name);
	for (const struct cli_option *o = c->options; o != NULL && o->name != NULL; o++)
		if (o->required)
			fprintf(to, " --%s %s", o->name, o->value);
	fprintf(to, "%s%s%s\n", c->options == NULL ? "" : " [options]", c->args == NULL ? "" : " ",
	    c->args == NULL ? "" : c->args);
}

static void summary_print(void *ctx, const struct cli_command *c)
{
	fprintf(ctx, "  %-22s %s\n", c->name, c->summary);
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

static void command_help(FILE *to, const struct cli_command *c)
{
	struct group group = { to, c->name, "\ncommands:\n" };

	fprintf(to, "%c%s.\n\nusage: ", toupper((unsigned char)c->summary[0]), c->summary + 1);
	usage_print(to, c);
	if (c->about != NULL) {
		fputc('\n', to);
		wrapped_print(to, c->about, 0);
	}
	cli_each_command(group_print, &group);
	if (c->options != NULL) {
		fputs("\noptions:\n", to);
		options_print(to, c->options);
	}
	fputs("\nglobal options:\n", to);
	options_print(to, cli_globals);
}

void cli_help(const struct cli *cli, FILE *to)
{
	if (cli->command != NULL) {
		command_help(to, cli->command);
		return;
	}
	if (cli->group != NULL) {
		struct group group = { to, cli->group, "\ncommands:\n" };

		fprintf(to, "usage: imprint %s COMMAND [options]\n", cli->group);
		cli_each_command(group_print, &group);
		return;
	}
	fputs("imprint gives a board an identity that cannot be copied.\n\n"
	      "usage: imprint COMMAND [options]\n\ncommands:\n",
	    to);
	cli_each_command(summary_print, to);
	fputs("\nglobal options:\n", to);
	options_print(to, cli_globals);
	fputs(
	    "\nEvery option with a value can stand in the environment: --state is IMPRINT_STATE.\n"
	    "`imprint help COMMAND` explains one command, `imprint help exit` the exit codes.\n",
	    to);
}

/* --- exit codes: errors.def, one line per code --- */

#define EXIT_INTERRUPTED 130

static void exit_codes_print(FILE *to)
{
	for (int code = 0; code < EXIT_INTERRUPTED; code++) {
		const char *before = "";

		for (int e = OK; e < ERR_COUNT; e++) {
			if (err_exit_code((enum err)e) != code)
				continue;
			if (before[0] == '\0')
				fprintf(to, "%5d  ", code);
			fprintf(to, "%s%s", before, err_text((enum err)e));
			before = "; ";
		}
		if (before[0] != '\0')
			fputc('\n', to);
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
		char spelled[96], env[64];

		option_spell(table, spelled, sizeof(spelled));
		fputs(".TP\n.B ", to);
		roff(to, spelled);
		fputc('\n', to);
		roff(to, table->help);
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

static void man_command(void *ctx, const struct cli_command *c)
{
	FILE *to = ctx;

	fprintf(to, ".SS \"imprint %s%s%s\"\n", c->name, c->args == NULL ? "" : " ",
	    c->args == NULL ? "" : c->args);
	fputc(toupper((unsigned char)c->summary[0]), to);
	roff(to, c->summary + 1);
	fputs(".\n", to);
	if (c->about != NULL) {
		fputs(".PP\n", to);
		roff(to, c->about);
		fputc('\n', to);
	}
	man_options(to, c->options);
}

static void man(FILE *to)
{
	fprintf(to, ".TH IMPRINT 1 \"\" \"imprint %s\" \"User Commands\"\n", IMPRINT_VERSION);
	fputs(".SH NAME\nimprint \\- device identity that cannot be copied, self\\-hosted\n"
	      ".SH SYNOPSIS\n.B imprint\n.I command\n.RI [ options ]\n"
	      ".SH DESCRIPTION\n"
	      "A private key is born inside a board's secure element and never leaves it. Imprint "
	      "issues\n"
	      "a certificate for it from your own authority and writes it back into the chip.\n"
	      "Results go to standard output, progress and errors to standard error.\n"
	      ".SH COMMANDS\n",
	    to);
	cli_each_command(man_command, to);
	fputs(".SH \"GLOBAL OPTIONS\"\n", to);
	man_options(to, cli_globals);
	fputs(".SH \"EXIT STATUS\"\n.nf\n", to);
	exit_codes_print(to);
	fputs(
	    ".fi\n.SH ENVIRONMENT\nFlags win over the environment, the environment over defaults.\n"
	    ".B NO_COLOR\nswitches colour off.\n",
	    to);
}

/* --- the command --- */

static enum err help(struct cli *cli, struct errbuf *eb)
{
	struct cli about;
	char program[] = "imprint", flag[] = "--help", words[2][32] = { "", "" };
	char *argv[] = { program, flag, words[0], words[1], NULL };
	enum err e;

	if (cli->n_args == 1 && strcmp(cli->args[0], "exit") == 0) {
		exit_codes_print(stdout);
		return OK;
	}
	if (cli->n_args == 1 && strcmp(cli->args[0], "man") == 0) {
		man(stdout);
		return OK;
	}
	for (unsigned i = 0; i < cli->n_args; i++)
		snprintf(words[i], sizeof(words[i]), "%s", cli->args[i]);
	/* The parser finds the command, or says what is near. */
	if ((e = cli_parse(&about, 2 + (int)cli->n_args, argv, eb)) == OK)
		cli_help(&about, stdout);
	return e;
}

const struct cli_command help_commands[] = {
	{ .name = "help",
	    .args = "[COMMAND | exit | man]",
	    .args_max = 2,
	    .summary = "explain a command, the exit codes, or print the man page",
	    .run = help },
	{ 0 },
};
