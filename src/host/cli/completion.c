/*
 * Completion scripts for shells, out of the option tables.
 *
 * All lists are written into the script, so that completing starts no program. bash and zsh share
 * one function body and differ in the few lines around it; fish has a language of its own. Names of
 * functions begin with the program's, because a shell may hold the scripts of several.
 */
#include <string.h>
#include "cli.h"

typedef void option_visitor(
    const struct cli_program *p, const struct cli_command *c, const struct cli_option *o);

/* The command's own options, then the global ones. */
static void each_option(const struct cli_program *p, const struct cli_command *c, option_visitor *f)
{
	for (const struct cli_option *o = c->options; o != NULL && o->name != NULL; o++)
		f(p, c, o);
	for (const struct cli_option *o = p->globals; o->name != NULL; o++)
		f(p, c, o);
}

/* What a visitor of all commands is handed. */
struct visit {
	const struct cli_program *program;
};

/* "2020|today" as words. */
static void choices_print(const char *list)
{
	for (; *list != '\0'; list++)
		putchar(*list == '|' ? ' ' : *list);
}

/* Whether the argument is one of a few words: "bash|zsh|fish". */
static bool has_choices(const struct cli_command *c)
{
	return c->args != NULL && strspn(c->args, "abcdefghijklmnopqrstuvwxyz|") == strlen(c->args);
}

typedef void word_visitor(const struct cli_program *p, const char *word);

struct first_word {
	const struct cli_program *program;
	word_visitor *print;
	const struct cli_command *first; /* the first command with the word that is looked for */
	const char *word;
};

static bool begins_with(const struct cli_command *c, const char *word)
{
	return strcmp(c->name, word) == 0 || cli_in_group(c, word);
}

static void first_word_find(void *ctx, const struct cli_command *c)
{
	struct first_word *f = ctx;

	if (f->first == NULL && begins_with(c, f->word))
		f->first = c;
}

static void first_word_visit(void *ctx, const struct cli_command *c)
{
	struct first_word *f = ctx;
	char word[32];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(c->name, " "), c->name);
	f->word = word;
	f->first = NULL;
	cli_each_command(f->program, first_word_find, f);
	if (f->first == c)
		f->print(f->program, word);
}

/* Calls print once for each first word of the command names; a group may be made of several tables. */
static void each_first_word(const struct cli_program *p, word_visitor *print)
{
	struct first_word f = { .program = p, .print = print };

	cli_each_command(p, first_word_visit, &f);
}

static void word_print(const struct cli_program *p, const char *word)
{
	(void)p;
	printf(" %s", word);
}

/* --- bash and zsh --- */

static void sh_value(
    const struct cli_program *p, const struct cli_command *c, const struct cli_option *o)
{
	if (o->kind == CLI_SWITCH)
		return;
	printf("\t\"%s --%s\") ", c->name, o->name);
	if (o->kind == CLI_CHOICE) {
		printf("_%s_offer ", p->name);
		choices_print(o->value);
	} else if (o->kind == CLI_FILE || o->kind == CLI_DIR) {
		printf("_%s_%s", p->name, o->kind == CLI_FILE ? "files" : "folders");
	} else {
		printf(":");
	}
	printf("; return ;;\n");
}

static void sh_values(void *ctx, const struct cli_command *c)
{
	const struct visit *visit = ctx;

	each_option(visit->program, c, sh_value);
}

static void sh_option(
    const struct cli_program *p, const struct cli_command *c, const struct cli_option *o)
{
	(void)p;
	(void)c;
	printf(" --%s", o->name);
}

static void sh_command(void *ctx, const struct cli_command *c)
{
	const struct cli_program *p = ((const struct visit *)ctx)->program;

	printf("\t\"%s\") _%s_offer", c->name, p->name);
	each_option(p, c, sh_option);
	printf(" ;;\n");
}

static void sh_pair(void *ctx, const struct cli_command *c)
{
	(void)ctx;
	if (strchr(c->name, ' ') != NULL)
		printf("\t\"%s\") command=\"%s\" ;;\n", c->name, c->name);
}

/* What stands behind a first word: the verbs of a group, or its one argument when that is one of few words. */
struct second {
	const struct cli_program *program;
	const char *word;
	bool any;
};

static void sh_second(void *ctx, const struct cli_command *c)
{
	struct second *s = ctx;
	bool verb = cli_in_group(c, s->word);

	if (!verb && (strcmp(c->name, s->word) != 0 || !has_choices(c)))
		return;
	if (!s->any)
		printf("\t\"3 %s\") _%s_offer", s->word, s->program->name);
	s->any = true;
	putchar(' ');
	if (verb)
		printf("%s", c->name + strlen(s->word) + 1);
	else
		choices_print(c->args);
}

static void sh_group(const struct cli_program *p, const char *word)
{
	struct second s = { p, word, false };

	cli_each_command(p, sh_second, &s);
	if (s.any)
		printf(" ;;\n");
}

static void sh_body(const struct cli_program *p)
{
	struct visit visit = { p };

	printf("# position, first word, second word, word before the cursor\n"
	       "_%s_words() {\n",
	    p->name);
	if (p->alone) {
		printf("\tlocal command=\"\"\n");
	} else {
		printf("\tlocal command=\"$2\"\n"
		       "\tif [ \"$1\" -eq 2 ]; then\n\t\t_%s_offer",
		    p->name);
		each_first_word(p, word_print);
		printf("\n\t\treturn\n\tfi\n\tcase \"$2 $3\" in\n");
		cli_each_command(p, sh_pair, NULL);
		printf("\tesac\n");
	}
	printf("\tcase \"$command $4\" in\n");
	cli_each_command(p, sh_values, &visit);
	printf("\tesac\n");
	if (!p->alone) {
		printf("\tcase \"$1 $2\" in\n");
		each_first_word(p, sh_group);
		printf("\t\"3 help\") _%s_offer", p->name);
		each_first_word(p, word_print);
		printf(" exit man ;;\n\tesac\n");
	}
	printf("\tcase \"$command\" in\n");
	cli_each_command(p, sh_command, &visit);
	printf("\tesac\n}\n\n");
}

static void bash(const struct cli_program *p)
{
	const char *n = p->name;

	printf("# bash completion for %s\n"
	       "_%s_offer() { COMPREPLY+=($(compgen -W \"$*\" -- \"$_imprint_cur\")); }\n"
	       "_%s_files() { COMPREPLY+=($(compgen -f -- \"$_imprint_cur\")); }\n"
	       "_%s_folders() { COMPREPLY+=($(compgen -d -- \"$_imprint_cur\")); }\n\n",
	    n, n, n, n);
	sh_body(p);
	printf("_%s() {\n"
	       "\tlocal _imprint_cur=\"${COMP_WORDS[COMP_CWORD]}\"\n"
	       "\tCOMPREPLY=()\n"
	       "\t_%s_words $((COMP_CWORD + 1)) \"${COMP_WORDS[1]-}\" \"${COMP_WORDS[2]-}\" "
	       "\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
	       "}\n"
	       "complete -o default -F _%s %s\n",
	    n, n, n, n);
}

static void zsh(const struct cli_program *p)
{
	const char *n = p->name;

	printf("#compdef %s\n"
	       "# zsh completion for %s\n"
	       "_%s_offer() { compadd -- \"$@\"; }\n"
	       "_%s_files() { _files; }\n"
	       "_%s_folders() { _files -/; }\n\n",
	    n, n, n, n, n);
	sh_body(p);
	printf("_%s() { _%s_words \"$CURRENT\" \"${words[2]}\" \"${words[3]}\" "
	       "\"${words[CURRENT-1]}\"; }\n"
	       "if [ \"$funcstack[1]\" = _%s ]; then _%s \"$@\"; else compdef _%s %s; fi\n",
	    n, n, n, n, n, n);
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
static void fish_condition(const struct cli_program *p, const char *name)
{
	printf("complete -c %s", p->name);
	if (!p->alone)
		printf(" -n '__%s_is %s'", p->name, name);
}

static void fish_option(
    const struct cli_program *p, const struct cli_command *c, const struct cli_option *o)
{
	fish_condition(p, c->name);
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

/* The one argument of a command, when it is one of few words. */
static void fish_choices(const struct cli_program *p, const struct cli_command *c)
{
	if (!has_choices(c))
		return;
	fish_condition(p, c->name);
	printf(" -fa '");
	choices_print(c->args);
	printf("'\n");
}

static void fish_command(void *ctx, const struct cli_command *c)
{
	const struct cli_program *p = ((const struct visit *)ctx)->program;
	const char *verb = strchr(c->name, ' ');

	if (!p->alone) {
		printf("complete -c %s -n ", p->name);
		if (verb == NULL)
			printf("__fish_use_subcommand -fa %s -d ", c->name);
		else
			printf("'__%s_is %.*s' -fa %s -d ", p->name, (int)(verb - c->name), c->name,
			    verb + 1);
		fish_quoted(c->summary);
		putchar('\n');
		fish_choices(p, c);
	}
	each_option(p, c, fish_option);
}

/* A group without a command of its own name still completes as a first word. */
static void fish_group(const struct cli_program *p, const char *word)
{
	if (cli_command_find(p, word) == NULL)
		printf("complete -c %s -n __fish_use_subcommand -fa %s\n", p->name, word);
}

static void fish(const struct cli_program *p)
{
	struct visit visit = { p };

	printf("# fish completion for %s\n", p->name);
	if (!p->alone) {
		printf("function __%s_is\n"
		       "\tset -l tokens (commandline -opc)\n"
		       "\tset -l last (math 1 + (count $argv))\n"
		       "\ttest \"$tokens[2..$last]\" = \"$argv\"\n"
		       "end\n",
		    p->name);
		each_first_word(p, fish_group);
		printf("complete -c %s -n '__%s_is help' -fa '", p->name, p->name);
		each_first_word(p, word_print);
		printf(" exit man'\n");
	}
	cli_each_command(p, fish_command, &visit);
}

enum err cli_completion(const struct cli_program *program, const char *shell, struct errbuf *eb)
{
	static const struct {
		const char *name;
		void (*write)(const struct cli_program *p);
	} shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

	for (size_t i = 0; i < COUNT(shells); i++) {
		if (strcmp(shell, shells[i].name) == 0) {
			shells[i].write(program);
			return OK;
		}
	}
	return err_set(
	    eb, ERR_ARG, "no completion for the shell '%s'; there is bash, zsh and fish", shell);
}

enum err cli_print(const struct cli *cli, const char *what, struct errbuf *eb)
{
	if (strcmp(what, "man") != 0)
		return cli_completion(cli->program, what, eb);
	cli_man(cli->program, stdout);
	return OK;
}

static enum err completion(struct cli *cli, struct errbuf *eb)
{
	return cli_completion(cli->program, cli->args[0], eb);
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
