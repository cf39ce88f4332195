/* All of main. Only this file knows signals and exit codes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli.h"

#define EXIT_INTERRUPTED 130

/* A signal handler is handed nothing, so what it touches is found here. */
static volatile sig_atomic_t stop_signal;
static int stop_pipe[2] = { -1, -1 };

int cli_stop_fd(void)
{
	return stop_pipe[0];
}

bool cli_stopping(void)
{
	return stop_signal != 0;
}

/* The first signal asks, the second one insists. */
static void on_signal(int signal)
{
	int saved = errno;

	if (stop_signal != 0)
		_exit(EXIT_INTERRUPTED);
	stop_signal = signal;
	if (write(stop_pipe[1], "", 1) < 0)
		_exit(EXIT_INTERRUPTED);
	errno = saved;
}

static void on_signal_at_once(int signal)
{
	(void)signal;
	_exit(EXIT_INTERRUPTED);
}

static enum err signals_set(bool stops, struct errbuf *eb)
{
	struct sigaction act = { .sa_handler = stops ? on_signal : on_signal_at_once };

	if (stops && pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_set(eb, ERR_IO, "pipe: %s", strerror(errno));
	sigemptyset(&act.sa_mask);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	/* Who has something to put in order learns of a reader that is gone by a failed write. */
	if (stops)
		signal(SIGPIPE, SIG_IGN);
	return OK;
}

static void error_print(struct cli *cli, enum err e, const struct errbuf *eb)
{
	struct errbuf unused;
	json_t *error;

	const char *command = cli->command == NULL ? "" : cli->command->name;

	fprintf(stderr, "%s%s%s%s:%s %s\n", cli_ink(cli, stderr, CLI_RED), cli->program->name,
	    command[0] == '\0' ? "" : " ", command, cli_ink(cli, stderr, CLI_PLAIN),
	    eb->text[0] == '\0' ? err_text(e) : eb->text);
	if (!cli_json(cli) || cli->reported || ferror(stdout))
		return;
	error = json_pack("{s:{s:s,s:i,s:s}}", "error", "name", err_name(e), "exit",
	    err_exit_code(e), "text", eb->text);
	if (cli_json_print(error, &unused) != OK)
		fprintf(stderr, "%s: %s\n", cli->program->name, unused.text);
}

static enum err command_run(struct cli *cli, struct errbuf *eb)
{
	enum err e;

	if (cli_on(cli, "version")) {
		printf("%s %s\n", cli->program->name, cli->program->version);
		return OK;
	}
	if (cli_on(cli, "help")) {
		cli_help(cli, stdout);
		return OK;
	}
	if (cli->command == NULL) {
		cli_help(cli, stderr);
		return err_set(eb, ERR_ARG, "no command given");
	}
	if ((e = signals_set(cli->command->stops, eb)) != OK)
		return e;
	return cli->command->run(cli, eb);
}

int cli_main(const struct cli_program *program, int argc, char **argv)
{
	struct errbuf eb = { "" };
	struct cli cli;
	enum err e = cli_parse(&cli, program, argc, argv, &eb);

	if (e == OK)
		e = command_run(&cli, &eb);
	if ((ferror(stdout) || fflush(stdout) != 0) && e == OK)
		e = err_set(&eb, ERR_IO, "standard output cannot be written");
	if (stop_signal == SIGINT || (stop_signal != 0 && e != OK)) {
		cli_free(&cli);
		return EXIT_INTERRUPTED;
	}
	if (e != OK && !cli.logged)
		error_print(&cli, e, &eb);
	cli_free(&cli);
	return err_exit_code(e);
}
