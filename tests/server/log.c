/* A line of the log is one line, whatever is in it, and never lies. */
#include "tap.h"
#include "log.h"

#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NOW INT64_C(1795392184005) /* 2026-11-23T00:03:04.005Z */

static const char *line_of(bool json, const struct log_field *fields, size_t n)
{
	static char line[LOG_LINE_MAX + 1];

	line[log_line(json, NOW, LOG_LEVEL_INFO, "event", fields, n, line)] = '\0';
	return line;
}

static void is_text(const struct log_field *fields, size_t n, const char *want)
{
	const char *got = line_of(false, fields, n);

	if (!ok(strcmp(got, want) == 0, "%.*s", (int)strlen(want) - 1, want))
		printf("# %s", got);
}

#define FIELDS(...)                                                                                \
	(const struct log_field[]){ __VA_ARGS__ },                                                 \
	    sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field)

static void text(void)
{
	is_text(FIELDS(LOG_TEXT("a", "plain"), LOG_NUMBER("n", -5)),
	    "2026-11-23T00:03:04.005Z info event a=plain n=-5\n");
	is_text(FIELDS(LOG_TEXT("a", "two words"), LOG_TEXT("b", "")),
	    "2026-11-23T00:03:04.005Z info event a=\"two words\" b=\"\"\n");
	is_text(FIELDS(LOG_TEXT("a", "x=1\n2026 error forged \"\\")),
	    "2026-11-23T00:03:04.005Z info event a=\"x=1\\x0a2026 error forged \\\"\\\\\"\n");
	is_text(FIELDS(LOG_TEXT("a", "\033[31m\xc3\xbc")),
	    "2026-11-23T00:03:04.005Z info event a=\"\\x1b[31m\\xc3\\xbc\"\n");
}

static void json(void)
{
	const char *got = line_of(true, FIELDS(LOG_TEXT("a", "\"\\\n\xff"), LOG_NUMBER("n", 7)));

	ok(strcmp(got,
	       "{\"time\":\"2026-11-23T00:03:04.005Z\",\"level\":\"info\",\"event\":\"event\","
	       "\"a\":\"\\\"\\\\\\u000a\\u00ff\",\"n\":7}\n") == 0,
	    "JSON escapes what must be, and each byte that may be no UTF-8");
}

static void long_ones(void)
{
	static char value[5000];
	struct log_field fields[12];
	const char *got;
	size_t n;

	memset(value, '\n', sizeof(value) - 1);
	for (size_t i = 0; i < COUNT(fields); i++)
		fields[i] = LOG_TEXT("field", value);
	got = line_of(true, fields, COUNT(fields));
	n = strlen(got);
	ok(n < LOG_LINE_MAX && strcmp(got + n - 6, "...\"}\n") == 0 &&
	        strchr(got, '\n') == got + n - 1,
	    "a long value is cut, a field without room left out, the line whole");
	value[300] = '\0';
	memset(value, 'v', 300);
	got = line_of(false, fields, 1);
	ok(strstr(got, "=vvv") && strstr(got, "vvv...\n"), "in text too");
	for (size_t i = 0; i < COUNT(fields); i++)
		fields[i] = LOG_NUMBER("a_number_that_is_long", INT64_MIN);
	got = line_of(true, fields, COUNT(fields));
	ok(strcmp(got + strlen(got) - 3, "8}\n") == 0, "no number is cut");
}

static void times(void)
{
	static const struct {
		int64_t now;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ INT64_C(951827696789), "2000-02-29T12:34:56.789Z" },
		{ INT64_MAX, "0001-01-01T00:" },
	};
	char line[LOG_LINE_MAX];

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n = log_line(false, cases[i].now, LOG_LEVEL_ERROR, "e", NULL, 0, line);

		ok(n > strlen(cases[i].text) &&
		        memcmp(line, cases[i].text, strlen(cases[i].text)) == 0,
		    "%s", cases[i].text);
	}
}

static void levels(void)
{
	int out[2];
	struct log log = LOG_TO(-1, LOG_LEVEL_WARNING, false);
	char got[LOG_LINE_MAX];
	ssize_t n;

	if (pipe(out) != 0)
		return;
	log.fd = out[1];
	LOG(&log, LOG_LEVEL_INFO, "quiet", LOG_NUMBER("n", 1));
	LOG(&log, LOG_LEVEL_WARNING, "said", LOG_NUMBER("n", 2));
	LOG(&log, LOG_LEVEL_ERROR, "said", LOG_NUMBER("n", 3));
	n = read(out[0], got, sizeof(got) - 1);
	got[n > 0 ? n : 0] = '\0';
	ok(!strstr(got, "quiet") && strstr(got, "warning said n=2\n") &&
	        strstr(got, "error said n=3\n"),
	    "what is less grave than the level stays unsaid");
	close(out[0]);
	close(out[1]);
}

/* A pipe that nobody empties: its lines are whole, the others are lost, and nobody waits. */
static void unread(void)
{
	int out[2];
	struct log log = LOG_TO(-1, LOG_LEVEL_INFO, false);
	char got[8192], *line;
	size_t n = 0, whole = 0;
	ssize_t more;

	if (pipe(out) != 0 || fcntl(out[1], F_SETPIPE_SZ, 4096) < 0)
		return;
	log.fd = out[1];
	for (unsigned i = 0; i < 1000; i++)
		LOG(&log, LOG_LEVEL_INFO, "said", LOG_NUMBER("n", i));
	close(out[1]);
	while (n < sizeof(got) && (more = read(out[0], got + n, sizeof(got) - n)) > 0)
		n += (size_t)more;
	close(out[0]);
	for (line = got; line < got + n; line = strchr(line, '\n') + 1, whole++)
		if (memcmp(line, "20", 2) != 0 || !memchr(line, '\n', (size_t)(got + n - line)))
			break;
	ok(whole > 0 && whole < 1000 && line == got + n, "%zu of 1000 lines into a full pipe",
	    whole);
}

/* Lines for later, of which none may be lost or overtaken. */
static void later(void)
{
	int out[2];
	struct log log = LOG_TO(-1, LOG_LEVEL_INFO, false);
	static char got[256 * 1024];
	const char *line = got;
	unsigned n = 0, wanted = 0;
	ssize_t some;

	if (pipe(out) != 0 || fcntl(out[1], F_SETPIPE_SZ, sizeof(got)) < 0 ||
	    fcntl(out[0], F_SETFL, O_NONBLOCK) < 0)
		return;
	log.fd = out[1];
	LOG_LATER(&log, LOG_LEVEL_INFO, "later", LOG_NUMBER("n", n++));
	LOG_LATER(&log, LOG_LEVEL_DEBUG, "never", LOG_NUMBER("n", 0));
	ok(read(out[0], got, sizeof(got)) < 0, "a line for later waits");
	LOG(&log, LOG_LEVEL_ERROR, "now", LOG_NUMBER("n", n++));
	some = read(out[0], got, sizeof(got) - 1);
	got[some > 0 ? some : 0] = '\0';
	ok(strstr(got, " later n=0\n") && strstr(got, " now n=1\n") > strstr(got, " later n=0\n"),
	    "an error goes at once, behind what came before it");
	for (; n < 1000; n++)
		LOG_LATER(&log, LOG_LEVEL_INFO, "later", LOG_NUMBER("n", n));
	log_flush(&log);
	log_flush(&log);
	some = read(out[0], got, sizeof(got) - 1);
	got[some > 0 ? some : 0] = '\0';
	for (wanted = 2; (line = strstr(line, " n=")) != NULL; line++, wanted++)
		if (strtoul(line + 3, NULL, 10) != wanted)
			break;
	ok(wanted == n && !line, "%u of %u lines came, more than are gathered, in their order",
	    wanted, n);
	close(out[0]);
	close(out[1]);
}

int main(void)
{
	text();
	json();
	long_ones();
	times();
	levels();
	unread();
	later();
	return done_testing();
}
