/* What people and scripts see: progress, colour, JSON, questions. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "cli.h"

bool cli_json(const struct cli *cli)
{
	return cli_on(cli, "json");
}

void cli_say(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	if (cli_on(cli, "quiet"))
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void cli_detail(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	if (!cli_on(cli, "verbose"))
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

size_t cli_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

size_t cli_columns(FILE *stream)
{
	struct winsize size;

	return isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col
	                                                                               : 0;
}

size_t cli_live_columns(void)
{
	size_t columns = cli_columns(stderr);

	return columns > 20 ? columns - 1 : 79;
}

size_t cli_fit(const char *text, size_t columns)
{
	size_t n = 0;

	for (size_t seen = 0; text[n] != '\0'; n++)
		if ((text[n] & 0xc0) != 0x80 && seen++ == columns)
			break;
	return n;
}

const char *cli_ink(const struct cli *cli, FILE *stream, enum cli_ink ink)
{
	static const char *const escapes[] = {
		[CLI_PLAIN] = "\033[0m",
		[CLI_BOLD] = "\033[1m",
		[CLI_DIM] = "\033[2m",
		[CLI_GREEN] = "\033[32m",
		[CLI_YELLOW] = "\033[33m",
		[CLI_RED] = "\033[31m",
	};
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	if (cli_on(cli, "no-color") || (no != NULL && no[0] != '\0') || !isatty(fileno(stream)) ||
	    term == NULL || strcmp(term, "dumb") == 0)
		return "";
	return escapes[ink];
}

/* A terminal obeys DEL and U+0080 to U+009F too, which JSON lets stand as they are. */
static bool json_line(const char *text, FILE *to)
{
	for (const uint8_t *p = (const uint8_t *)text; *p != '\0'; p++)
		if (*p == 0x7f)
			fputs("\\u007F", to);
		else if (p[0] == 0xc2 && p[1] < 0xa0)
			fprintf(to, "\\u%04X", *++p);
		else
			putc(*p, to);
	putc('\n', to);
	return fflush(to) == 0 && !ferror(to);
}

enum err cli_json_print(json_t *object, struct errbuf *eb)
{
	json_t *all = json_pack("{s:i}", "schema", 1);
	char *text = NULL;
	enum err e = OK;

	if (all == NULL || object == NULL || json_object_update(all, object) != 0 ||
	    (text = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(6))) == NULL)
		e = err_set(eb, ERR_MEMORY, "no memory for the JSON result");
	else if (!json_line(text, stdout))
		e = err_set(eb, ERR_IO, "standard output: the JSON result cannot be written");
	free(text);
	json_decref(all);
	json_decref(object);
	return e;
}

enum err cli_confirm(const struct cli *cli, const char *question, struct errbuf *eb)
{
	char answer[16];

	if (cli_on(cli, "yes"))
		return OK;
	/* The question comes last, since it may be longer than an errbuf. */
	if (!isatty(STDIN_FILENO))
		return err_set(eb, ERR_DENIED,
		    "Not confirmed, with no terminal to ask on; --yes answers: %s", question);
	fprintf(stderr, "%s [y/N] ", question);
	if (fgets(answer, sizeof(answer), stdin) == NULL ||
	    (strcmp(answer, "y\n") != 0 && strcmp(answer, "Y\n") != 0 &&
	        strcmp(answer, "yes\n") != 0))
		return err_set(eb, ERR_DENIED, "Not confirmed: %s", question);
	return OK;
}
