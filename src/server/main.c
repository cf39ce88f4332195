/* imprintd: its options, and nothing else. */
#include "cli.h"
#include "daemon.h"
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct cli_option options[] = {
	{ .name = "state",
	    .kind = CLI_DIR,
	    .value = "DIR",
	    .help = "folder of everything that is kept: registry, authority, certificates" },
	{ .name = "run", .kind = CLI_DIR, .value = "DIR", .help = "folder of sockets" },
	{ .name = "credentials",
	    .kind = CLI_FILE,
	    .value = "FILE",
	    .help = "where the first client's credentials are written; otherwise credentials.json "
	            "where the user's configuration is, or in the state folder" },
	{ .name = "listen",
	    .kind = CLI_TEXT,
	    .value = "ADDRESS",
	    .fallback = "127.0.0.1",
	    .help = "numeric address to listen on; 0.0.0.0 for all of IPv4, :: for all of IPv6" },
	{ .name = "port",
	    .kind = CLI_NUMBER,
	    .value = "PORT",
	    .min = 0,
	    .max = 65535,
	    .help = "port of the API (8443, or the next one that is free); 0: any that is free" },
	{ .name = "public-name",
	    .kind = CLI_TEXT,
	    .many = true,
	    .value = "NAME",
	    .help =
	        "DNS name or address by which clients and boards reach this computer; may stand "
	        "several times" },
	{ .name = "broker",
	    .kind = CLI_FILE,
	    .value = "SOCKET",
	    .help = "the broker's internal listener, a Unix socket; otherwise broker.sock in the "
	            "folder of sockets" },
	{ .name = "feed",
	    .kind = CLI_FILE,
	    .value = "SOCKET",
	    .help = "socket that brokers connect to, which learn there who is let in; otherwise "
	            "feed.sock in the folder of sockets" },
	{ .name = "broker-user",
	    .kind = CLI_TEXT,
	    .value = "USER",
	    .help = "the user as whom the broker runs, when it is neither this one nor root" },
	{ .name = "ready-fd",
	    .kind = CLI_NUMBER,
	    .value = "N",
	    .flag_only = true,
	    .min = 1,
	    .max = 65535,
	    .help =
	        "descriptor that gets one line of JSON when requests are taken, then is closed" },
	{ .name = "log",
	    .kind = CLI_CHOICE,
	    .value = "text|json",
	    .fallback = "text",
	    .help = "form of the log on standard error" },
	{ .name = "log-level",
	    .kind = CLI_CHOICE,
	    .value = "error|warning|info|debug",
	    .fallback = "info",
	    .help = "the least grave that is logged" },
	{ .name = "config",
	    .kind = CLI_FILE,
	    .value = "FILE",
	    .help = "INI file with values for these options" },
	{ .name = "print",
	    .kind = CLI_CHOICE,
	    .flag_only = true,
	    .value = "man|bash|zsh|fish",
	    .help = "print the manual page or a shell's completion, and end" },
	{ 0 },
};

/* What the parser asks of every program. */
static const struct cli_option globals[] = {
	{ .name = "json",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "a wrong command line is told as JSON too" },
	{ .name = "quiet", .letter = 'q', .kind = CLI_SWITCH, .help = "only errors in the log" },
	{ .name = "verbose", .letter = 'v', .kind = CLI_SWITCH, .help = "everything in the log" },
	{ .name = "no-color", .kind = CLI_SWITCH, .help = "no colour, also on a terminal" },
	{ .name = "help",
	    .letter = 'h',
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "explain the options" },
	{ .name = "version", .kind = CLI_SWITCH, .flag_only = true, .help = "print the version" },
	{ 0 },
};

static enum log_level level_of(const struct cli *cli)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	const char *name = cli_text(cli, "log-level");

	if (cli_on(cli, "verbose"))
		return LOG_LEVEL_DEBUG;
	if (cli_on(cli, "quiet"))
		return LOG_LEVEL_ERROR;
	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(name, names[i]) == 0)
			return (enum log_level)i;
	return LOG_LEVEL_INFO;
}

/* The values of --public-name, each a text of its own. */
struct texts {
	char *text[DAEMON_NAMES_MAX];
	size_t n;
};

static enum err names_read(const struct cli *cli, struct texts *names, struct errbuf *eb)
{
	struct slice one;

	while ((one = cli_nth(cli, "public-name", (unsigned)names->n)).n > 0) {
		if (names->n == DAEMON_NAMES_MAX)
			return err_set(
			    eb, ERR_ARG, "--public-name: more than %d names", DAEMON_NAMES_MAX);
		if (!(names->text[names->n] = strndup((const char *)one.p, one.n)))
			return err_set(eb, ERR_MEMORY, "no memory for a name");
		if (service_name_check(names->text[names->n++], eb) != OK)
			return err_within(eb, ERR_ARG, "--public-name");
	}
	return OK;
}

static void names_free(struct texts *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->text[i]);
}

static enum err ready_fd(const struct cli *cli, int *fd, struct errbuf *eb)
{
	*fd = -1;
	if (!cli_text(cli, "ready-fd"))
		return OK;
	*fd = (int)cli_number(cli, "ready-fd");
	if (fcntl(*fd, F_SETFD, FD_CLOEXEC) != 0)
		return err_set(eb, ERR_ARG, "--ready-fd %d: %s", *fd, strerror(errno));
	return OK;
}

/* The one that is named, or `usual` in the folder of sockets. */
static enum err socket_find(const struct cli *cli, const char *option, const char *usual,
    char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	const char *given = cli_text(cli, option), *run = cli_text(cli, "run");
	char folder[FOLDER_PATH_MAX];
	enum err e;

	if (given)
		return folder_join("", given, path, eb);
	/* The usual folder may be in everybody's /tmp. */
	if ((e = run ? folder_join("", run, folder, eb) : folder_run(folder, eb)) != OK ||
	    (!run && ((e = folder_make(folder, 0700, eb)) != OK ||
	                 (e = folder_private(folder, eb)) != OK)))
		return e;
	return folder_join(folder, usual, path, eb);
}

/* Of each thread's heap: what one burst of requests needed is there for the next. */
#define HEAP_KEPT (4 << 20)

static enum err serve(const struct daemon_options *how, struct errbuf *eb)
{
	struct daemon *d = NULL;
	enum err e;

	mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	e = daemon_open(how, &d, eb);

	if (e == OK)
		e = daemon_serve(d, cli_stop_fd(), eb);
	daemon_close(d);
	if (e != OK)
		LOG(how->log, LOG_LEVEL_ERROR, "failed", LOG_TEXT("error", err_name(e)),
		    LOG_NUMBER("exit", err_exit_code(e)), LOG_TEXT("reason", eb->text));
	return e;
}

static enum err run(struct cli *cli, struct errbuf *eb)
{
	struct log log =
	    LOG_TO(STDERR_FILENO, level_of(cli), strcmp(cli_text(cli, "log"), "json") == 0);
	char state[FOLDER_PATH_MAX], broker[FOLDER_PATH_MAX], feed[FOLDER_PATH_MAX];
	struct texts names = { .n = 0 };
	struct daemon_options how = { .state = state,
		.credentials = cli_text(cli, "credentials"),
		.listen = cli_text(cli, "listen"),
		.port = DAEMON_PORT,
		.port_given = cli_text(cli, "port") != NULL,
		.broker = broker,
		.feed = feed,
		.broker_user = cli_text(cli, "broker-user"),
		.version = IMPRINT_VERSION,
		.log = &log };
	enum err e;

	if (cli_text(cli, "print"))
		return cli_print(cli, cli_text(cli, "print"), eb);
	umask(077);
	if (how.port_given)
		how.port = (uint16_t)cli_number(cli, "port");
	if ((e = ready_fd(cli, &how.ready_fd, eb)) == OK &&
	    (e = names_read(cli, &names, eb)) == OK &&
	    (e = folder_state(cli_text(cli, "state"), state, eb)) == OK &&
	    (e = socket_find(cli, "broker", "broker.sock", broker, eb)) == OK &&
	    (e = socket_find(cli, "feed", "feed.sock", feed, eb)) == OK) {
		how.names = (const char *const *)names.text;
		how.names_n = names.n;
		cli->logged = true;
		e = serve(&how, eb);
	}
	names_free(&names);
	return e;
}

static const struct cli_command imprintd_commands[] = {
	{ .name = "",
	    .stops = true,
	    .summary = "serves the API that registers devices and signs their certificates",
	    .about = "The first start makes an organization, a device authority, certificates for "
	             "this server and credentials for its first client. SIGTERM stops listening, "
	             "lets requests in work finish and ends with status 0. SIGHUP looks after the "
	             "server's certificates at once instead of within a minute.",
	    .options = options,
	    .run = run },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct cli_command *const tables[] = { imprintd_commands, NULL };
	static const struct cli_program imprintd = {
		.name = "imprintd",
		.version = IMPRINT_VERSION,
		.title = "the server of Imprint: registry, device authority, API",
		.about =
		    "Devices are registered over an HTTPS API that Arduino's clients know, and "
		    "get certificates from an authority of your own. One process, one state "
		    "folder, SQLite in it.\n\n"
		    "The log goes to standard error, one line an event.",
		.section = "8",
		.book = "System Administration",
		.globals = globals,
		.tables = tables,
		.alone = true,
	};

	return cli_main(&imprintd, argc, argv);
}
