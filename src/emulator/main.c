/*
 * `imprint-emulator`: emulated secure elements on a socket, for people who want nothing else. It is
 * `imprint element emulate` without the rest of Imprint, and needs OpenSSL alone.
 */
#include "emu.h"
#include "file.h"
#include "kit.h"
#include "text.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CONFIG_SIZE 128

static const char usage[] =
    "usage: imprint-emulator --socket SOCKET [OPTION...] FILE...\n"
    "\n"
    "Runs the secure elements whose memory is in the state files, all on one bus,\n"
    "until stopped by SIGINT or SIGTERM. A FILE that is not there is made. The bus\n"
    "is SEI2C/1 (docs/sei2c.md); the socket's path is printed when it can be used.\n"
    "\n"
    "  --socket SOCKET                where to serve\n"
    "  --family 508a|608a|608b        chip, when it is made now (608b)\n"
    "  --timing instant|typical|max   how long commands take (typical)\n"
    "  --serial HEX                   serial number of a chip that is made now, 18\n"
    "                                 digits\n"
    "  --from FILE                    its configuration: 128 bytes dumped from\n"
    "                                 another\n"
    "  --genuine-looking              its serial number looks like Microchip's\n"
    "  --kit tcp:PORT|pty:LINK        Microchip's kit protocol as well, on 127.0.0.1\n"
    "                                 (0: any port) or behind a link; what can be\n"
    "                                 connected to is printed\n"
    "  --faults FILE                  plan of what shall go wrong with each\n"
    "                                 (docs/emulator.md)\n";

struct job {
	struct emu_options options;
	const char *socket, *kit;
	uint8_t *faults;
	uint8_t serial[9], config[CONFIG_SIZE];
	bool help;
};

/* The position of `word` in a list of words. */
static enum err choice(
    const char *option, const char *word, const char *const *words, int *at, struct errbuf *eb)
{
	for (*at = 0; words[*at]; ++*at) {
		if (strcmp(word, words[*at]) == 0)
			return OK;
	}
	return err_set(eb, ERR_ARG, "--%s: there is no '%s'", option, word);
}

static enum err take_config(struct job *job, const char *path, struct errbuf *eb)
{
	uint8_t *bytes = NULL;
	size_t n;
	enum err e;

	if ((e = file_read(path, 4096, &bytes, &n, eb)) != OK)
		return e;
	if (n == CONFIG_SIZE)
		memcpy(job->config, bytes, n);
	else
		e = err_set(
		    eb, ERR_FORMAT, "%s: %zu bytes; a configuration has %d", path, n, CONFIG_SIZE);
	free(bytes);
	job->options.config = job->config;
	return e;
}

static enum err take_serial(struct job *job, const char *hex, struct errbuf *eb)
{
	if (hex_decode((struct slice){ (const uint8_t *)hex, strlen(hex) }, job->serial, 9) != OK)
		return err_set(eb, ERR_ARG, "--serial: not 18 hexadecimal digits");
	job->options.serial = job->serial;
	return OK;
}

/* Each chip counts for itself. */
static enum err take_faults(struct job *job, const char *path, struct errbuf *eb)
{
	uint8_t *text = NULL;
	size_t n = 0;
	enum err e = emu_plan_read(path, &text, &n, eb);

	free(job->faults);
	job->faults = text;
	job->options.faults = (struct slice){ text, n };
	return e;
}

static enum err take_option(struct job *job, int letter, struct errbuf *eb)
{
	static const char *const families[] = { "508a", "608a", "608b", NULL };
	static const char *const timings[] = { "instant", "typical", "max", NULL };
	int at = 0;
	enum err e = OK;

	switch (letter) {
	case 's':
		job->socket = optarg;
		break;
	case 'f':
		e = choice("family", optarg, families, &at, eb);
		job->options.family = (enum emu_family)at;
		break;
	case 't':
		e = choice("timing", optarg, timings, &at, eb);
		job->options.timing = (enum emu_timing)at;
		break;
	case 'n':
		return take_serial(job, optarg, eb);
	case 'c':
		return take_config(job, optarg, eb);
	case 'g':
		job->options.genuine_looking = true;
		break;
	case 'k':
		job->kit = optarg;
		break;
	case 'p':
		return take_faults(job, optarg, eb);
	case 'h':
		job->help = true;
		break;
	default:
		return err_set(eb, ERR_ARG, "see imprint-emulator --help");
	}
	return e;
}

static enum err take_options(struct job *job, int argc, char **argv, struct errbuf *eb)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "family", required_argument, NULL, 'f' },
		{ "timing", required_argument, NULL, 't' },
		{ "serial", required_argument, NULL, 'n' },
		{ "from", required_argument, NULL, 'c' },
		{ "genuine-looking", no_argument, NULL, 'g' },
		{ "kit", required_argument, NULL, 'k' },
		{ "faults", required_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int letter;
	enum err e;

	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if ((e = take_option(job, letter, eb)) != OK)
			return e;
	}
	if (job->help)
		return OK;
	if (!job->socket)
		return err_set(eb, ERR_ARG, "--socket is needed");
	if (optind == argc || argc - optind > EMU_SERVER_CHIPS)
		return err_set(
		    eb, ERR_ARG, "%d state files; 1 to %d can be", argc - optind, EMU_SERVER_CHIPS);
	return OK;
}

static enum err stop_signals(int *fd, struct errbuf *eb)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || (*fd = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
		return err_set(eb, ERR_IO, "signals cannot be watched");
	return OK;
}

/* One line for each chip, then the socket, then the kit's place: whoever waits for it can begin. */
static void announce(struct emu *const *chips, char *const *files, size_t n, const char *socket,
    const struct kit_server *kit)
{
	struct emu_info info;
	char serial[19];

	for (size_t i = 0; i < n; i++) {
		emu_info(chips[i], &info);
		hex_encode(SLICE(info.serial), HEX_UPPER, serial);
		fprintf(stderr, "%s: emulated %s %s at address %02X%s\n", files[i],
		    emu_family_name(info.family), serial, info.address,
		    info.genuine_looking ? ", looks genuine" : "");
		if (info.faults)
			fprintf(stderr, "%s: faults planned: %u\n", files[i], info.faults);
	}
	printf("%s\n", socket);
	if (kit)
		printf("%s\n", kit_server_where(kit));
	fflush(stdout);
}

static enum err run(const struct job *job, char *const *files, size_t n, struct errbuf *eb)
{
	struct emu *chips[EMU_SERVER_CHIPS] = { NULL };
	struct emu_server *server = NULL;
	struct kit_server *kit = NULL;
	int stop = -1;
	enum err e;

	if ((e = stop_signals(&stop, eb)) != OK)
		return e;
	for (size_t i = 0; i < n; i++) {
		if ((e = emu_open(files[i], &job->options, &chips[i], eb)) != OK)
			goto out;
	}
	if ((e = emu_server_new(job->socket, chips, n, &server, eb)) != OK ||
	    (job->kit && ((e = kit_server_new(job->kit, chips, n, &kit, eb)) != OK ||
	                     (e = kit_server_start(kit, eb)) != OK)))
		goto out;
	announce(chips, files, n, job->socket, kit);
	e = emu_server_run(server, stop, eb);
out:
	kit_server_free(kit);
	emu_server_free(server);
	for (size_t i = 0; i < n; i++)
		emu_free(chips[i]);
	close(stop);
	return e;
}

int main(int argc, char **argv)
{
	struct job job = { .options = { .family = EMU_ATECC608B, .timing = EMU_TYPICAL } };
	struct errbuf eb = { "" };
	enum err e = take_options(&job, argc, argv, &eb);

	if (e == OK && job.help)
		fputs(usage, stdout);
	else if (e == OK)
		e = run(&job, argv + optind, (size_t)(argc - optind), &eb);
	if (e != OK)
		fprintf(stderr, "imprint-emulator: %s\n", eb.text);
	free(job.faults);
	return err_exit_code(e);
}
