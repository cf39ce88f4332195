/* The one parser of all option tables: flags, IMPRINT_* in the environment, the INI file, defaults. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "ini_file.h"

void cli_each_command(const struct cli_program *program,
    void (*f)(void *ctx, const struct cli_command *command), void *ctx)
{
	for (const struct cli_command *const *t = program->tables; *t != NULL; t++)
		for (const struct cli_command *c = *t; c->name != NULL; c++)
			f(ctx, c);
}

struct find {
	const char *name;
	const struct cli_command *found;
};

static void find_one(void *ctx, const struct cli_command *command)
{
	struct find *f = ctx;

	if (strcmp(command->name, f->name) == 0)
		f->found = command;
}

const struct cli_command *cli_command_find(const struct cli_program *program, const char *name)
{
	struct find f = { name, NULL };

	cli_each_command(program, find_one, &f);
	return f.found;
}

bool cli_in_group(const struct cli_command *command, const char *group)
{
	size_t n = strlen(group);

	return strncmp(command->name, group, n) == 0 && command->name[n] == ' ';
}

static void find_group(void *ctx, const struct cli_command *command)
{
	struct find *f = ctx;

	if (cli_in_group(command, f->name))
		f->found = command;
}

static bool is_group(const struct cli_program *program, const char *name)
{
	struct find f = { name, NULL };

	cli_each_command(program, find_group, &f);
	return f.found != NULL;
}

/* --- nearest name, for people who mistype --- */

#define WORD_MAX 32

/* Levenshtein's distance; words that are too long are simply far away. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1], above_left, up;
	size_t n = strlen(b);

	if (strlen(a) > WORD_MAX || n > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		above_left = row[0];
		row[0] = (unsigned)i + 1;
		for (size_t j = 1; j <= n; j++) {
			up = row[j];
			row[j] = above_left + (a[i] != b[j - 1]);
			if (up + 1 < row[j])
				row[j] = up + 1;
			if (row[j - 1] + 1 < row[j])
				row[j] = row[j - 1] + 1;
			above_left = up;
		}
	}
	return row[n];
}

struct nearest {
	const char *word, *best;
	unsigned best_distance;
};

static void nearest_try(struct nearest *n, const char *candidate)
{
	unsigned d = distance(n->word, candidate);

	/* What a person has begun to type is nearer than any misspelling. */
	if (strlen(n->word) >= 2 && strncmp(candidate, n->word, strlen(n->word)) == 0)
		d = 0;
	if (d < n->best_distance) {
		n->best_distance = d;
		n->best = candidate;
	}
}

static struct nearest nearest_to(const char *word)
{
	/* A third of the letters may be wrong, at most two. */
	return (struct nearest){ word, NULL, strlen(word) < 6 ? 2 : 3 };
}

static void nearest_command(void *ctx, const struct cli_command *command)
{
	nearest_try(ctx, command->name);
}

/* The group's own name is a candidate too: "elemnt" -> "element". */
static const char *nearest_name(
    const struct cli_program *program, const char *word, char group[WORD_MAX])
{
	struct nearest n = nearest_to(word);

	cli_each_command(program, nearest_command, &n);
	for (const struct cli_command *const *t = program->tables; *t != NULL; t++) {
		size_t length = strcspn((*t)->name, " ");
		char name[WORD_MAX];
		const char *was = n.best;

		snprintf(name, sizeof(name), "%.*s", (int)length, (*t)->name);
		nearest_try(&n, name);
		if (n.best == name) {
			memcpy(group, name, sizeof(name));
			n.best = group;
		} else {
			n.best = was;
		}
	}
	return n.best;
}

/* --- option tables --- */

static const struct cli_option *find_long(
    const struct cli_option *table, const char *name, size_t n)
{
	for (; table != NULL && table->name != NULL; table++)
		if (strlen(table->name) == n && memcmp(table->name, name, n) == 0)
			return table;
	return NULL;
}

static const struct cli_option *find_letter(const struct cli_option *table, char letter)
{
	for (; table != NULL && table->name != NULL; table++)
		if (table->letter == letter)
			return table;
	return NULL;
}

/* Where the value of this option is kept. */
static const char **place(struct cli *cli, const struct cli_option *option)
{
	const struct cli_option *own = cli->command == NULL ? NULL : cli->command->options;
	size_t i;

	for (i = 0; cli->program->globals[i].name != NULL; i++)
		if (&cli->program->globals[i] == option)
			return &cli->values[i];
	i = (size_t)(option - own);
	assert(i < CLI_OPTIONS_MAX);
	return &cli->values[CLI_OPTIONS_MAX + i];
}

static const struct cli_option *option_of(const struct cli *cli, const char *name)
{
	const struct cli_option *o = find_long(cli->program->globals, name, strlen(name));

	if (o == NULL && cli->command != NULL)
		o = find_long(cli->command->options, name, strlen(name));
	return o;
}

void cli_env_name(const struct cli_option *option, char out[64])
{
	size_t n = (size_t)snprintf(out, 64, "IMPRINT_%s", option->name);

	assert(n < 64);
	for (size_t i = 0; i < n; i++)
		out[i] = out[i] == '-' ? '_' : (char)toupper((unsigned char)out[i]);
}

static bool one_of(const char *list, const char *word)
{
	size_t n = strlen(word);

	while (n > 0 && list != NULL) {
		size_t part = strcspn(list, "|");

		if (part == n && memcmp(list, word, n) == 0)
			return true;
		list = list[part] == '\0' ? NULL : list + part + 1;
	}
	return false;
}

static bool number_read(const char *text, long *out)
{
	char *end;

	errno = 0;
	*out = strtol(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && !isspace((unsigned char)text[0]);
}

/* `where` is "--timeout" or "IMPRINT_TIMEOUT". */
static enum err value_check(
    const struct cli_option *o, const char *where, const char *value, struct errbuf *eb)
{
	long number;

	switch (o->kind) {
	case CLI_SWITCH:
		if (one_of("1|yes|true|on|0|no|false|off", value) || value[0] == '\0')
			return OK;
		return err_set(eb, ERR_ARG, "%s: '%s' is neither yes nor no", where, value);
	case CLI_CHOICE:
		if (one_of(o->value, value))
			return OK;
		return err_set(eb, ERR_ARG, "%s: '%s' is not one of %s", where, value, o->value);
	case CLI_NUMBER:
		if (!number_read(value, &number))
			return err_set(eb, ERR_ARG, "%s: '%s' is not a whole number", where, value);
		if (number < o->min || number > o->max)
			return err_set(eb, ERR_ARG, "%s: %s is outside %ld to %ld", where, value,
			    o->min, o->max);
		return OK;
	case CLI_TEXT:
	case CLI_FILE:
	case CLI_DIR:
		if (value[0] == '\0')
			return err_set(eb, ERR_ARG, "%s: the value is empty", where);
		if (o->many && (value[0] == ',' || strstr(value, ",,") != NULL ||
		                   value[strlen(value) - 1] == ','))
			return err_set(eb, ERR_ARG, "%s: a value between commas is empty", where);
		return OK;
	}
	return OK;
}

static enum err unknown_option(const struct cli *cli, const char *word, struct errbuf *eb)
{
	const char *of = cli->command == NULL ? "" : cli->command->name;
	struct nearest n;
	char name[WORD_MAX + 2];

	if (word[1] != '-')
		return err_set(eb, ERR_ARG, "unknown option -%c", word[1]);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	n = nearest_to(name);
	for (const struct cli_option *o = cli->program->globals; o->name != NULL; o++)
		nearest_try(&n, o->name);
	for (const struct cli_option *o = cli->command == NULL ? NULL : cli->command->options;
	     o != NULL && o->name != NULL; o++)
		nearest_try(&n, o->name);
	if (n.best != NULL)
		return err_set(
		    eb, ERR_ARG, "unknown option --%s; did you mean --%s?", name, n.best);
	return err_set(eb, ERR_ARG, "unknown option --%s%s%s%s%s", name, of[0] ? " of " : "",
	    of[0] ? cli->program->name : "", of[0] ? " " : "", of);
}

/* --- the command's name --- */

struct known {
	const char *name;
	size_t n;
	char letter;
	const struct cli_option *found;
};

static void known_try(void *ctx, const struct cli_command *command)
{
	struct known *k = ctx;

	if (k->found == NULL)
		k->found = k->letter ? find_letter(command->options, k->letter)
		                     : find_long(command->options, k->name, k->n);
}

/* The command is not known yet, so all tables are asked; NULL: none has it. */
static const struct cli_option *option_anywhere(const struct cli *cli, const char *word)
{
	struct known k = { word + 2, strcspn(word + 2, "="), word[1] == '-' ? '\0' : word[1],
		NULL };

	k.found = k.letter ? find_letter(cli->program->globals, k.letter)
	                   : find_long(cli->program->globals, k.name, k.n);
	if (k.found == NULL)
		cli_each_command(cli->program, known_try, &k);
	return k.found;
}

/* Whether the option's value is the next word: an option takes one in every command or in none. */
static bool takes_next(const struct cli_option *o, const char *word)
{
	if (word[1] == '-' ? strchr(word, '=') != NULL : word[2] != '\0')
		return false;
	return o != NULL && o->kind != CLI_SWITCH;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

/*
 * The first `cap` words that are neither options nor their values. *strange: an option before the first that
 * no command has, whose value may have been taken for it.
 */
static unsigned words(const struct cli *cli, int argc, char **argv, const char **out, unsigned cap,
    const char **strange)
{
	unsigned n = 0;

	for (int i = 1; i < argc && n < cap; i++) {
		const struct cli_option *o;

		if (strcmp(argv[i], "--") == 0)
			break;
		if (!is_option(argv[i])) {
			out[n++] = argv[i];
			continue;
		}
		if ((o = option_anywhere(cli, argv[i])) == NULL && n == 0)
			*strange = argv[i];
		i += takes_next(o, argv[i]);
	}
	return n;
}

/* `group`: the one that has no such command, or "". */
static enum err unknown_command(
    const struct cli *cli, const char *name, const char *group, struct errbuf *eb)
{
	char near[WORD_MAX];
	const char *best = nearest_name(cli->program, name, near);

	if (best != NULL)
		return err_set(eb, ERR_ARG, "unknown command '%s'; did you mean '%s'?", name, best);
	return err_set(eb, ERR_ARG, "unknown command '%s'; `%s help%s%s` lists them", name,
	    cli->called, group[0] ? " " : "", group);
}

/* Finds the command; *used is how many words its name has. */
static enum err command_choose(
    struct cli *cli, int argc, char **argv, unsigned *used, struct errbuf *eb)
{
	const struct cli_program *program = cli->program;
	const char *word[2];
	const char *strange = NULL;
	unsigned n = words(cli, argc, argv, word, 2, &strange);
	char both[2 * WORD_MAX];

	*used = 0;
	if (program->alone) {
		cli->command = program->tables[0];
		return OK;
	}
	if (n == 0)
		return OK;
	if (n == 2) {
		snprintf(both, sizeof(both), "%s %s", word[0], word[1]);
		cli->command = cli_command_find(program, both);
		*used = 2;
		if (cli->command != NULL)
			return OK;
	}
	cli->command = cli_command_find(program, word[0]);
	*used = 1;
	if (cli->command != NULL)
		return OK;
	if (is_group(program, word[0]) && n == 1) {
		cli->group = word[0];
		return OK;
	}
	if (strange)
		return unknown_option(cli, strange, eb);
	return is_group(program, word[0]) ? unknown_command(cli, both, word[0], eb)
	                                  : unknown_command(cli, word[0], "", eb);
}

/* --- flags --- */

struct walk {
	int argc;
	char **argv;
	int i;
};

static enum err option_take(struct cli *cli, const struct cli_option *o, const char *shown,
    const char *value, struct walk *w, struct errbuf *eb)
{
	enum err e;

	if (o->kind == CLI_SWITCH) {
		if (value != NULL)
			return err_set(eb, ERR_ARG, "%s takes no value", shown);
		*place(cli, o) = "yes";
		cli->verbose += strcmp(o->name, "verbose") == 0;
		return OK;
	}
	if (value == NULL) {
		if (w->i + 1 >= w->argc)
			return err_set(eb, ERR_ARG, "%s needs a value: %s", shown, o->value);
		value = w->argv[++w->i];
	}
	if ((e = value_check(o, shown, value, eb)) != OK)
		return e;
	if (o->many && cli->n_again == CLI_MANY_MAX)
		return err_set(eb, ERR_ARG, "%s: given more than %d times", shown, CLI_MANY_MAX);
	if (o->many)
		cli->again[cli->n_again++] = (struct cli_again){ o, value };
	*place(cli, o) = value;
	return OK;
}

static enum err long_take(struct cli *cli, struct walk *w, struct errbuf *eb)
{
	const char *word = w->argv[w->i], *equals = strchr(word, '=');
	size_t n = equals == NULL ? strlen(word + 2) : (size_t)(equals - word) - 2;
	const struct cli_option *o = find_long(cli->program->globals, word + 2, n);
	char shown[WORD_MAX + 4];

	if (o == NULL && cli->command != NULL)
		o = find_long(cli->command->options, word + 2, n);
	if (o == NULL)
		return unknown_option(cli, word, eb);
	snprintf(shown, sizeof(shown), "--%s", o->name);
	return option_take(cli, o, shown, equals == NULL ? NULL : equals + 1, w, eb);
}

/* "-qv", "-n NAME" or "-nNAME". */
static enum err letters_take(struct cli *cli, struct walk *w, struct errbuf *eb)
{
	const char *word = w->argv[w->i];

	for (const char *p = word + 1; *p != '\0'; p++) {
		const struct cli_option *o = find_letter(cli->program->globals, *p);
		const char shown[] = { '-', *p, '\0' };
		const char *value = NULL;
		enum err e;

		if (o == NULL && cli->command != NULL)
			o = find_letter(cli->command->options, *p);
		if (o == NULL)
			return unknown_option(cli, shown, eb);
		if (o->kind != CLI_SWITCH && p[1] != '\0')
			value = p + 1;
		if ((e = option_take(cli, o, shown, value, w, eb)) != OK)
			return e;
		if (o->kind != CLI_SWITCH)
			break;
	}
	return OK;
}

static enum err flags_take(struct cli *cli, int argc, char **argv, unsigned skip, struct errbuf *eb)
{
	struct walk w = { argc, argv, 1 };
	bool only_args = false;
	enum err e = OK;

	for (; w.i < argc && e == OK; w.i++) {
		if (!only_args && strcmp(argv[w.i], "--") == 0)
			only_args = true;
		else if (!only_args && argv[w.i][0] == '-' && argv[w.i][1] == '-')
			e = long_take(cli, &w, eb);
		else if (!only_args && is_option(argv[w.i]))
			e = letters_take(cli, &w, eb);
		else if (skip > 0)
			skip--;
		else if (cli->n_args == CLI_ARGS_MAX)
			e = err_set(eb, ERR_ARG, "more than %d arguments", CLI_ARGS_MAX);
		else
			cli->args[cli->n_args++] = argv[w.i];
	}
	return e;
}

/* --- environment, INI file, defaults, what must be there --- */

/* What nobody said by flag may stand in the environment or in the file. */
static enum err value_look_up(
    const struct cli *cli, const struct cli_option *o, const char **value, struct errbuf *eb)
{
	char where[FOLDER_PATH_MAX + 64];

	cli_env_name(o, where);
	if ((*value = getenv(where)) == NULL)
		*value = ini_file_value(cli->ini, o->name, where, sizeof(where));
	return *value == NULL ? OK : value_check(o, where, *value, eb);
}

static enum err table_complete(struct cli *cli, const struct cli_option *table, struct errbuf *eb)
{
	for (const struct cli_option *o = table; o != NULL && o->name != NULL; o++) {
		const char **value = place(cli, o);
		enum err e;

		if (*value == NULL && !o->flag_only && (e = value_look_up(cli, o, value, eb)) != OK)
			return e;
		if (*value == NULL)
			*value = o->fallback;
		if (*value == NULL && o->required)
			return err_set(
			    eb, ERR_ARG, "--%s %s is required: %s", o->name, o->value, o->help);
	}
	return OK;
}

/* What the file may say: an option of any command, as in the environment. */
static enum err ini_known(void *ctx, const char *name, struct errbuf *eb)
{
	struct cli *cli = ctx;
	struct known k = { name, strlen(name), '\0', NULL };

	if ((k.found = find_long(cli->program->globals, k.name, k.n)) == NULL)
		cli_each_command(cli->program, known_try, &k);
	if (k.found == NULL)
		return err_set(eb, ERR_ARG, "there is no option --%s", name);
	if (k.found->flag_only)
		return err_set(eb, ERR_ARG, "--%s is for the command line only", name);
	return OK;
}

static enum err ini_take(struct cli *cli, struct errbuf *eb)
{
	const struct cli_option *o = option_of(cli, "config");
	const char *path = NULL;

	if (o != NULL && (path = *place(cli, o)) == NULL)
		path = getenv("IMPRINT_CONFIG");
	return ini_file_read(path, cli->program->name, ini_known, cli, &cli->ini, eb);
}

static enum err args_check(const struct cli *cli, struct errbuf *eb)
{
	const struct cli_command *c = cli->command;

	if (cli->n_args < c->args_min)
		return err_set(eb, ERR_ARG, "an argument is missing: %s", c->args);
	if (cli->n_args > c->args_max)
		return err_set(eb, ERR_ARG, "unexpected argument '%s'", cli->args[c->args_max]);
	return OK;
}

static enum err parse(struct cli *cli, int argc, char **argv, struct errbuf *eb)
{
	unsigned used;
	enum err e;

	if ((e = command_choose(cli, argc, argv, &used, eb)) != OK ||
	    (e = flags_take(cli, argc, argv, used, eb)) != OK)
		return e;
	/* Who asks how to write the file must not be told that it is wrong. */
	if (!cli_on(cli, "help") && !cli_on(cli, "version") && (e = ini_take(cli, eb)) != OK)
		return e;
	if ((e = table_complete(cli, cli->program->globals, eb)) != OK)
		return e;
	/* Help explains what is missing, so nothing else is asked of it. */
	if (cli_on(cli, "help") || cli_on(cli, "version") || cli->command == NULL)
		return OK;
	if ((e = table_complete(cli, cli->command->options, eb)) != OK)
		return e;
	return args_check(cli, eb);
}

/* How an error is to be shown stands on the command line that has the error. */
static void rescue_switches(struct cli *cli, int argc, char **argv)
{
	struct errbuf unused;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const struct cli_option *o = NULL;

		if (strncmp(argv[i], "--", 2) == 0)
			o = find_long(cli->program->globals, argv[i] + 2, strlen(argv[i] + 2));
		if (o != NULL && o->kind == CLI_SWITCH)
			*place(cli, o) = "yes";
	}
	if (table_complete(cli, cli->program->globals, &unused) != OK)
		return; /* the error that is shown is the first one */
}

enum err cli_parse(
    struct cli *cli, const struct cli_program *program, int argc, char **argv, struct errbuf *eb)
{
	enum err e;

	memset(cli, 0, sizeof(*cli));
	cli->program = program;
	cli->called = argc > 0 && argv[0][0] ? argv[0] : program->name;
	if ((e = parse(cli, argc, argv, eb)) != OK)
		rescue_switches(cli, argc, argv);
	return e;
}

void cli_free(struct cli *cli)
{
	ini_file_free(cli->ini);
	cli->ini = NULL;
}

/* --- what commands ask --- */

const char *cli_text(const struct cli *cli, const char *option)
{
	const struct cli_option *o = option_of(cli, option);
	size_t i;

	assert(o != NULL);
	for (i = 0; cli->program->globals[i].name != NULL; i++)
		if (&cli->program->globals[i] == o)
			return cli->values[i];
	return cli->values[CLI_OPTIONS_MAX + (size_t)(o - cli->command->options)];
}

bool cli_on(const struct cli *cli, const char *option)
{
	const char *value = cli_text(cli, option);

	return value != NULL && one_of("1|yes|true|on", value);
}

long cli_number(const struct cli *cli, const char *option)
{
	const char *value = cli_text(cli, option);
	long number = 0;
	bool good = value != NULL && number_read(value, &number);

	assert(good);
	(void)good;
	return number;
}

/* The i-th part between commas; *i is what is still to go when there are fewer. */
static struct slice part(const char *list, unsigned *i)
{
	while (list != NULL) {
		size_t n = strcspn(list, ",");

		if ((*i)-- == 0)
			return (struct slice){ (const uint8_t *)list, n };
		list = list[n] == '\0' ? NULL : list + n + 1;
	}
	return (struct slice){ NULL, 0 };
}

struct slice cli_nth(const struct cli *cli, const char *option, unsigned i)
{
	const struct cli_option *o = option_of(cli, option);
	struct slice found = { NULL, 0 };
	bool flags = false;

	for (unsigned k = 0; k < cli->n_again && found.p == NULL; k++) {
		if (cli->again[k].option != o)
			continue;
		flags = true;
		found = part(cli->again[k].value, &i);
	}
	return flags ? found : part(cli_text(cli, option), &i);
}

bool cli_given(const struct cli *cli, const char *option)
{
	return cli_text(cli, option) != option_of(cli, option)->fallback;
}

bool cli_flagged(const struct cli *cli, const char *option)
{
	const struct cli_option *o = option_of(cli, option);
	const char *inherited = NULL;

	return cli_given(cli, option) &&
	       (o->flag_only || value_look_up(cli, o, &inherited, NULL) != OK ||
	           cli_text(cli, option) != inherited);
}

long cli_timeout(const struct cli *cli, long otherwise)
{
	return cli_text(cli, "timeout") == NULL ? otherwise : cli_number(cli, "timeout");
}
