/*
 * `imprint completion`: scripts for shells, out of the option tables.
 *
 * All lists are written into the script, so that completing starts no program. bash and zsh share
 * one function body and differ in the few lines around it; fish has a language of its own.
 */
#include <string.h>
#include "cli.h"
#include "commands.h"

typedef void option_visitor(const struct cli_command *c, const struct cli_option *o);

/* The command's own options, then the global ones. */
static void each_option(const struct cli_command *c, option_visitor *f)
{
	for (const struct cli_option *o = c->options; o != NULL && o->name != NULL; o++)
		f(c, o);
	for (const struct cli_option *o = cli_globals; o->name != NULL; o++)
		f(c, o);
}

/* "2020|today" as words. */
static void choices_print(const char *list)
{
	for (; *list != '\0'; list++)
		putchar(*list == '|' ? ' ' : *list);
}

/* Calls print once for each first word of the command names; tables are grouped by it. */
static void each_first_word(void (*print)(const char *word, const struct cli_command *table))
{
	for (const struct cli_command *const *t = cli_commands; *t != NULL; t++) {
		char word[32];

		snprintf(word, sizeof(word), "%.*s", (int)strcspn((*t)->name, " "), (*t)->name);
		print(word, *t);
	}
}

static void word_print(const char *word, const struct cli_command *table)
{
	(void)table;
	printf(" %s", word);
}

/* --- bash and zsh --- */

static void sh_value(const struct cli_command *c, const struct cli_option *o)
{
	if (o->kind == CLI_SWITCH)
		return;
	printf("\t\"%s --%s\") ", c->name, o->name);
	if (o->kind == CLI_CHOICE) {
		printf("_imprint_offer ");
		choices_print(o->value);
	} else {
		printf("%s", o->kind == CLI_FILE  ? "_imprint_files"
		             : o->kind == CLI_DIR ? "_imprint_folders"
		                                  : ":");
	}
	printf("; return ;;\n");
}

static void sh_values(void *ctx, const struct cli_command *c)
{
	(void)ctx;
	each_option(c, sh_value);
}

static void sh_option(const struct cli_command *c, const struct cli_option *o)
{
	(void)c;
	printf(" --%s", o->name);
}

static void sh_command(void *ctx, const struct cli_command *c)
{
	(void)ctx;
	printf("\t\"%s\") _imprint_offer", c->name);
	each_option(c, sh_option);
	printf(" ;;\n");
}

static void sh_pair(void *ctx, const struct cli_command *c)
{
	(void)ctx;
	if (strchr(c->name, ' ') != NULL)
		printf("\t\"%s\") command=\"%s\" ;;\n", c->name, c->name);
}

/* The verbs of a group stand after its name. */
static void sh_verbs(const char *word, const struct cli_command *table)
{
	bool group = false;

	for (const struct cli_command *c = table; c->name != NULL; c++) {
		if (!cli_in_group(c, word))
			continue;
		printf("%s %s", group ? "" : "\t\t_imprint_offer", c->name + strlen(word) + 1);
		group = true;
	}
	if (group)
		putchar('\n');
}

static void sh_group(const char *word, const struct cli_command *table)
{
	printf("\t\"3 %s\")\n", word);
	sh_verbs(word, table);
	printf("\t\t: ;;\n");
}

static void sh_body(void)
{
	printf("# position, first word, second word, word before the cursor\n"
	       "_imprint_words() {\n"
	       "\tlocal command=\"$2\"\n"
	       "\tif [ \"$1\" -eq 2 ]; then\n\t\t_imprint_offer");
	each_first_word(word_print);
	printf("\n\t\treturn\n\tfi\n\tcase \"$2 $3\" in\n");
	cli_each_command(sh_pair, NULL);
	printf("\tesac\n\tcase \"$command $4\" in\n");
	cli_each_command(sh_values, NULL);
	printf("\tesac\n\tcase \"$1 $2\" in\n");
	each_first_word(sh_group);
	printf("\tesac\n\tcase \"$command\" in\n");
	cli_each_command(sh_command, NULL);
	printf("\tesac\n}\n\n");
}

static void bash(void)
{
	printf("# bash completion for imprint, written by `imprint completion bash`\n"
	       "_imprint_offer() { COMPREPLY+=($(compgen -W \"$*\" -- \"$_imprint_cur\")); }\n"
	       "_imprint_files() { COMPREPLY+=($(compgen -f -- \"$_imprint_cur\")); }\n"
	       "_imprint_folders() { COMPREPLY+=($(compgen -d -- \"$_imprint_cur\")); }\n\n");
	sh_body();
	printf("_imprint() {\n"
	       "\tlocal _imprint_cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
	       "\tCOMPREPLY=()\n"
	       "\t_imprint_words $((COMP_CWORD + 1)) \"${COMP_WORDS[1]-}\" \"${COMP_WORDS[2]-}\" "
	       "\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
	       "}\n"
	       "complete -o default -F _imprint imprint\n");
}

static void zsh(void)
{
	printf("#compdef imprint\n"
	       "# zsh completion for imprint, written by `imprint completion zsh`\n"
	       "_imprint_offer() { compadd -- \"$@\"; }\n"
	       "_imprint_files() { _files; }\n"
	       "_imprint_folders() { _files -/; }\n\n");
	sh_body();
	printf("_imprint() { _imprint_words \"$CURRENT\" \"${words[2]}\" \"${words[3]}\" "
	       "\"${words[CURRENT-1]}\"; }\n"
	       "if [ \"$funcstack[1]\" = _imprint ]; then _imprint \"$@\"; else compdef _imprint "
	       "imprint; fi\n");
}

/* --- fish --- */

/* In single quotes; fish knows \' and \\ there. */
static void fish_quoted(const char *text)
{
	putchar('\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

/* Holds when the words so far begin with the command's name. */
static void fish_condition(const char *name)
{
	printf("complete -c imprint -n '__imprint_is %s'", name);
}

static void fish_option(const struct cli_command *c, const struct cli_option *o)
{
	fish_condition(c->name);
	if (o->letter != 0)
		printf(" -s %c", o->letter);
	printf(" -l %s", o->name);
	if (o->kind == CLI_CHOICE) {
		printf(" -xa '");
		choices_print(o->value);
		printf("'");
	} else if (o->kind != CLI_SWITCH) {
		printf(o->kind == CLI_FILE || o->kind == CLI_DIR ? " -rF" : " -x");
	}
	printf(" -d ");
	fish_quoted(o->help);
	putchar('\n');
}

static void fish_command(void *ctx, const struct cli_command *c)
{
	const char *verb = strchr(c->name, ' ');

	(void)ctx;
	if (verb == NULL) {
		printf("complete -c imprint -n __fish_use_subcommand -fa %s -d ", c->name);
	} else {
		printf("complete -c imprint -n '__imprint_is %.*s' -fa %s -d ",
		    (int)(verb - c->name), c->name, verb + 1);
	}
	fish_quoted(c->summary);
	putchar('\n');
	each_option(c, fish_option);
}

/* A group without a command of its own name still completes as a first word. */
static void fish_group(const char *word, const struct cli_command *table)
{
	(void)table;
	if (cli_command_find(word) == NULL)
		printf("complete -c imprint -n __fish_use_subcommand -fa %s\n", word);
}

static void fish(void)
{
	printf("# fish completion for imprint, written by `imprint completion fish`\n"
	       "function __imprint_is\n"
	       "\tset -l tokens (commandline -opc)\n"
	       "\tset -l last (math 1 + (count $argv))\n"
	       "\ttest \"$tokens[2..$last]\" = \"$argv\"\n"
	       "end\n");
	each_first_word(fish_group);
	cli_each_command(fish_command, NULL);
}

static enum err completion(struct cli *cli, struct errbuf *eb)
{
	static const struct {
		const char *name;
		void (*write)(void);
	} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

	for (size_t i = 0; i < COUNT(shells); i++) {
		if (strcmp(cli->args[0], shells[i].name) == 0) {
			shells[i].write();
			return OK;
		}
	}
	return err_set(eb, ERR_ARG, "no completion for the shell '%s'; there is bash, zsh and fish",
	    cli->args[0]);
}

const struct cli_command completion_commands[] = {
	{ .name = "completion",
	    .args = "bash|zsh|fish",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "print the completion script for a shell",
	    .run = completion },
	{ 0 },
};
