/* `imprint doctor`: what is here, what is missing, and what to do about it; `imprint version`. */
#include "board.h"
#include "broker.h"
#include "commands.h"
#include "p256.h"
#include "process.h"
#include "remote.h"
#include "serial.h"
#include "shown.h"
#include "text.h"
#include "up_file.h"
#include "utc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM_MS 5000
#define SOON_DAYS 14
#define OLDEST_YEAR 2026 /* this was written then: an earlier clock has never been set */
#define ROOM_MB 100
#define SOCKET_MAX 107             /* of sockaddr_un, without its NUL */
#define LONGEST_SOCKET "/se/.sock" /* beside the name of a board */
#define SERVER_MS 5000

static const struct cli_option options[] = { REMOTE_OPTIONS, { 0 } };

/* Good; worth knowing; without it something does not work. */
enum state { FINE, NOTE, MISSING };

struct doctor {
	const struct cli *cli;
	json_t *findings;
	unsigned missing;
	char first[64]; /* what is missing first */
	char state[FOLDER_PATH_MAX];
};

/* One finding. remedy: what to do, "" for nothing. */
__attribute__((format(printf, 5, 6))) static void found(
    struct doctor *d, enum state state, const char *check, const char *remedy, const char *fmt, ...)
{
	static const char *const words[] = {
		[FINE] = "ok", [NOTE] = "note", [MISSING] = "missing"
	};
	static const enum cli_ink inks[] = { CLI_GREEN, CLI_YELLOW, CLI_RED };
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (state == MISSING && d->missing++ == 0)
		snprintf(d->first, sizeof(d->first), "%s", check);
	json_array_append_new(
	    d->findings, json_pack("{s:s,s:s,s:s,s:s*}", "check", check, "state", words[state],
	                     "text", text, "remedy", remedy[0] ? remedy : NULL));
	if (cli_json(d->cli))
		return;
	printf("%s%-8s%s %-15s %s\n", cli_ink(d->cli, stdout, inks[state]), words[state],
	    cli_ink(d->cli, stdout, CLI_PLAIN), check, text);
	if (remedy[0])
		printf("%26s%s\n", "-> ", remedy);
}

/* --- this computer --- */

static void check_clock(struct doctor *d)
{
	struct x509_hour now;

	if (utc_hour(utc_now(), &now) != OK || now.year < OLDEST_YEAR)
		found(d, MISSING, "clock", "set the clock: certificates begin with its hour",
		    "it is wrong, in the past");
	else if (now.year > 2031)
		found(d, NOTE, "clock", "",
		    "%d: boards cannot store a later beginning than 2031, so certificates begin "
		    "then",
		    now.year);
	else
		found(d, FINE, "clock", "", "%04d-%02d-%02d, %02d UTC", now.year, now.month,
		    now.day, now.hour);
}

/* --- programs --- */

/* The first line that a program says, "" when it says none in time. */
static void first_line(const char *path, const char *option, char *line, size_t cap)
{
	char program[FOLDER_PATH_MAX], flag[16];
	char *argv[] = { program, flag, NULL };
	posix_spawn_file_actions_t actions;
	struct pollfd out = { .events = POLLIN };
	int pipes[2], spawned, status;
	size_t n = 0;
	ssize_t got = 1;
	pid_t pid;

	line[0] = 0;
	snprintf(program, sizeof(program), "%s", path);
	snprintf(flag, sizeof(flag), "%s", option);
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return;
	out.fd = pipes[0];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	spawned = posix_spawn(&pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipes[1]);
	while (spawned == 0 && got > 0 && n + 1 < cap && poll(&out, 1, PROGRAM_MS) > 0) {
		got = read(pipes[0], line + n, cap - 1 - n);
		n += got > 0 ? (size_t)got : 0;
		line[n] = 0;
		if (strchr(line, '\n'))
			break;
	}
	close(pipes[0]);
	if (spawned == 0) {
		kill(pid, SIGKILL); /* one that has ended does not mind */
		waitpid(pid, &status, 0);
	}
	line[strcspn(line, "\n")] = 0;
}

static void check_program(
    struct doctor *d, const char *name, const char *option, const char *remedy)
{
	char path[FOLDER_PATH_MAX], line[80];

	if (process_find(name, path, NULL) != OK) {
		found(d, MISSING, name, remedy, "not beside this program, in PATH or /usr/sbin");
		return;
	}
	first_line(path, option, line, sizeof(line));
	if (shown_as_is((struct slice){ (const uint8_t *)line, strlen(line) }) && line[0])
		found(d, FINE, name, "", "%s, %.200s", line, path);
	else
		found(d, NOTE, name, "try to run it by hand", "%.200s does not say its version",
		    path);
}

static void check_plugin(struct doctor *d)
{
	char path[FOLDER_PATH_MAX];

	if (broker_plugin(path, NULL) == OK)
		found(d, FINE, "broker's plugin", "", "%.300s", path);
	else
		found(d, MISSING, "broker's plugin", "build or install all of Imprint",
		    BROKER_PLUGIN ": neither beside this program nor installed");
}

/* --- folders --- */

/* `sudo make up` leaves a folder of root's behind. */
static const char *mend(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_uid != geteuid()
	           ? "it is another user's: sudo chown -R $USER, or another with --state"
	           : "chmod 700, or another folder with --state";
}

static void check_state(struct doctor *d)
{
	struct errbuf eb = { "" };
	struct statvfs room;

	if (access(d->state, F_OK) != 0) {
		found(d, FINE, "state folder", "", "%.200s, made when it is needed", d->state);
		return;
	}
	if (folder_private(d->state, &eb) != OK)
		found(d, MISSING, "state folder", mend(d->state), "%s", eb.text);
	else if (access(d->state, R_OK | W_OK | X_OK) != 0)
		found(d, MISSING, "state folder", mend(d->state), "%.200s: %s", d->state,
		    strerror(errno));
	else if (statvfs(d->state, &room) == 0 && (room.f_bavail * room.f_frsize) >> 20 < ROOM_MB)
		found(d, NOTE, "state folder", "make room", "%.200s: less than %d MB are free",
		    d->state, ROOM_MB);
	else
		found(d, FINE, "state folder", "", "%.200s", d->state);
}

static void check_run(struct doctor *d)
{
	char run[FOLDER_PATH_MAX];
	struct errbuf eb = { "" };
	size_t left;

	if (folder_run(run, &eb) != OK) {
		found(d, MISSING, "run folder", "", "%s", eb.text);
		return;
	}
	left = strlen(run) + strlen(LONGEST_SOCKET);
	left = left < SOCKET_MAX ? SOCKET_MAX - left : 0;
	if (left < 8)
		found(d, MISSING, "run folder", "set XDG_RUNTIME_DIR to a shorter one",
		    "%.200s: too long for sockets in it", run);
	else if (access(run, F_OK) == 0 && folder_private(run, &eb) != OK)
		found(d, MISSING, "run folder", "chmod 700, or set XDG_RUNTIME_DIR", "%s", eb.text);
	else
		found(d, FINE, "run folder", "", "%.200s", run);
}

/* --- ports --- */

static bool port_is_free(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_free;

	if (fd < 0)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	is_free = bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0;
	close(fd);
	return is_free;
}

static void check_ports(struct doctor *d)
{
	static const struct {
		unsigned port;
		const char *name, *use;
	} ports[] = { { 8443, "port 8443", "of the server" },
		{ 8885, "port 8885", "of the broker" } };
	struct up_file up;
	bool runs = up_file_read(d->state, &up, NULL) == OK;

	if (runs)
		found(d, FINE, "imprint up", "", "runs as process %ld, server %s, broker port %u",
		    up.pid, up.server, up.broker_port);
	for (size_t i = 0; i < COUNT(ports); i++) {
		bool ours = runs && (ports[i].port == up.broker_port ||
		                        strstr(up.server, ports[i].name + 5));

		if (port_is_free(ports[i].port))
			found(d, FINE, ports[i].name, "", "free, the usual one %s", ports[i].use);
		else if (ours)
			found(d, FINE, ports[i].name, "", "used by `imprint up`");
		else
			found(d, NOTE, ports[i].name,
			    "nothing: the next free one is taken, unless you insist on this one",
			    "the usual one %s, used by another program", ports[i].use);
	}
}

/* --- boards and chips --- */

/* Whether this user, who is not root, is in the group; true as well when there is no such group. */
static bool in_group(const char *name)
{
	const struct group *group = getgrnam(name);
	gid_t groups[256];
	int n = getgroups(COUNT(groups), groups);

	if (!group || geteuid() == 0 || getegid() == group->gr_gid)
		return true;
	for (int i = 0; i < n; i++)
		if (groups[i] == group->gr_gid)
			return true;
	return false;
}

#define DIALOUT "sudo usermod -aG dialout $USER, then log in again"

static void check_serial(struct doctor *d)
{
	struct serial_listed *list = NULL;
	struct errbuf eb = { "" };
	size_t n = 0, usable = 0;

	if (serial_list(NULL, &list, &n, &eb) != OK) {
		found(d, NOTE, "serial ports", "", "%s", eb.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (access(list[i].path, R_OK | W_OK) == 0)
			usable++;
		else
			found(d, NOTE, "serial port", DIALOUT, "%.200s: %s", list[i].path,
			    strerror(errno));
	}
	if (n == 0 && !in_group("dialout"))
		found(d, NOTE, "serial ports", DIALOUT,
		    "no board is plugged in, and you could not use one");
	else if (n > 0 && n == usable)
		found(d, FINE, "serial ports", "", "%zu; `%s ports` lists them", n, d->cli->called);
	else if (n == 0)
		found(d, FINE, "serial ports", "", "none: no board is plugged in");
	free(list);
}

static void check_i2c(struct doctor *d)
{
	glob_t buses;
	int failed = glob("/dev/i2c-*", 0, NULL, &buses);

	for (size_t i = 0; failed == 0 && i < buses.gl_pathc; i++) {
		if (access(buses.gl_pathv[i], R_OK | W_OK) == 0)
			found(d, FINE, "I2C bus", "", "%.64s", buses.gl_pathv[i]);
		else
			found(d, NOTE, "I2C bus", "sudo usermod -aG i2c $USER, then log in again",
			    "%.64s: %s; only for chips on this computer's own bus",
			    buses.gl_pathv[i], strerror(errno));
	}
	if (failed == 0)
		globfree(&buses);
}

/* --- server --- */

static void check_server(struct doctor *d)
{
	struct credentials c;
	struct cloud_options o = { .credentials = &c,
		.version = d->cli->program->version,
		.limit_ms = SERVER_MS,
		.stop_fd = -1 };
	struct cloud *cloud = NULL;
	struct errbuf eb = { "" };
	enum err e = remote_credentials(d->cli, &c, &eb);
	char up[FOLDER_PATH_MAX + 64];

	if (e != OK) {
		snprintf(up, sizeof(up), "run `%s up`, which makes them", d->cli->called);
		found(d, e == ERR_NOT_FOUND ? NOTE : MISSING, "credentials",
		    e == ERR_NOT_FOUND ? up : "mend the file, or name another with --credentials",
		    "%s", e == ERR_NOT_FOUND ? "none, so no server is known" : eb.text);
		return;
	}
	found(d, FINE, "credentials", "", "%.300s", c.file);
	if ((e = cloud_open(&o, &cloud, &eb)) == OK && (e = cloud_ready(cloud, &eb)) == OK)
		e = cloud_sign_in(cloud, &eb);
	if (e == OK)
		found(d, FINE, "server", "", "%s is ready, and knows us", c.server);
	snprintf(up, sizeof(up), "start it: `%s up`", d->cli->called);
	if (e != OK)
		found(d, NOTE, "server",
		    e == ERR_DENIED ? "use the credentials that this server made" : up, "%s",
		    eb.text);
	cloud_free(cloud);
	wipe(&c, sizeof(c));
}

/* --- certificates --- */

#define NEVER 9999

static void check_certificate(struct doctor *d, const char *file, const char *remedy)
{
	char path[FOLDER_PATH_MAX], until[UTC_TEXT_SIZE];
	uint8_t *text = NULL, der[4096];
	struct x509_cert cert;
	int64_t end = 0;
	size_t n = 0, der_n = 0;

	if (folder_join(d->state, file, path, NULL) != OK ||
	    file_read(path, 65536, &text, &n, NULL) != OK)
		return; /* made when it is needed */
	if (pem_decode((struct slice){ text, n }, "CERTIFICATE", der, sizeof(der), &der_n, NULL) !=
	        OK ||
	    x509_cert_parse((struct slice){ der, der_n }, &cert) != OK ||
	    utc_seconds(&cert.tbs.not_after, &end) != OK) {
		found(d, NOTE, "certificate", remedy, "%.200s cannot be read", path);
	} else {
		int64_t days = (end - utc_now()) / 86400;

		utc_text(&cert.tbs.not_after, until);
		if (cert.tbs.not_after.year == NEVER)
			found(d, FINE, "certificate", "", "%s never ends", file);
		else if (end <= utc_now())
			found(d, MISSING, "certificate", remedy, "%s ended at %s", file, until);
		else
			found(d, days < SOON_DAYS ? NOTE : FINE, "certificate",
			    days < SOON_DAYS ? remedy : "", "%s ends at %s, in %lld days", file,
			    until, (long long)days);
	}
	free(text);
}

static void check_certificates(struct doctor *d)
{
	static const char renews[] = "start imprintd: it renews what it needs";

	check_certificate(d, "ca/certificate.pem", "a new authority is needed");
	check_certificate(d, "tls/service-root.pem", "a new service root is needed");
	check_certificate(d, "tls/issuing.pem", renews);
	check_certificate(d, "tls/api.pem", renews);
	check_certificate(d, "tls/broker.pem", renews);
}

/* --- the commands --- */

static enum err doctor(struct cli *cli, struct errbuf *eb)
{
	struct doctor d = { .cli = cli };
	enum err e = folder_state(cli_text(cli, "state"), d.state, eb);

	if (e != OK)
		return e;
	d.findings = json_array();
	check_clock(&d);
	check_program(&d, "imprintd", "--version", "build or install all of Imprint");
	check_program(&d, "mosquitto", "-h", "apt install mosquitto");
	check_plugin(&d);
	check_state(&d);
	check_run(&d);
	check_ports(&d);
	check_serial(&d);
	check_i2c(&d);
	check_server(&d);
	check_certificates(&d);
	if (cli_json(cli)) {
		e = cli_json_print(
		    json_pack("{s:b,s:O}", "fine", d.missing == 0, "findings", d.findings), eb);
		cli->reported = true;
	}
	json_decref(d.findings);
	if (e == OK && d.missing == 1)
		e = err_set(eb, ERR_NOT_FOUND, "%s: see what to do above", d.first);
	else if (e == OK && d.missing > 1)
		e = err_set(eb, ERR_NOT_FOUND, "%s and %u more: see what to do above", d.first,
		    d.missing - 1);
	return e;
}

static enum err version(struct cli *cli, struct errbuf *eb)
{
	const struct {
		const char *name, *version;
	} lines[] = { { "imprint", cli->program->version }, { "openssl", p256_library() },
		{ "libcurl", cloud_library() }, { "jansson", jansson_version_str() } };
	json_t *all = json_object();

	for (size_t i = 0; i < COUNT(lines); i++) {
		json_object_set_new(all, lines[i].name, json_string(lines[i].version));
		if (!cli_json(cli))
			printf("%-8s %s\n", lines[i].name, lines[i].version);
	}
	if (cli_json(cli))
		return cli_json_print(all, eb);
	json_decref(all);
	return OK;
}

const struct cli_command doctor_commands[] = {
	{ .name = "doctor",
	    .summary = "say what is missing here, and what to do about it",
	    .about = "Looks at the clock, programs, folders, ports, permissions for boards and "
	             "chips, the server and its certificates, and changes nothing. A note is "
	             "worth knowing; what is missing keeps something from working, and then the "
	             "exit code is 3.",
	    .options = options,
	    .run = doctor },
	{ .name = "version",
	    .summary = "print the versions of the program and of its libraries",
	    .run = version },
	{ 0 },
};
