/* `imprint up`: server, broker and virtual boards, until the server says that each is ONLINE. */
#include "broker.h"
#include "cloud.h"
#include "commands.h"
#include "guests.h"
#include "visitors.h"
#include "local.h"
#include "services.h"
#include "steps.h"
#include "up_file.h"
#include "utc.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define READY_MS 30000 /* for a service to start */
#define ONLINE_S 60    /* for all boards, without --timeout */
#define KNOWS_MS 20    /* between two questions for the broker's list */
#define LOOK_MS 200    /* between two questions to the server while boards come */
#define WATCH_MS 2000  /* and afterwards */
#define STREAM_MS 2000 /* until the server's stream of events is there; it may come later */

static const struct cli_option options[] = {
	{ .name = "once",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "end when every board is ONLINE and heard" },
	{ .name = "boards",
	    .kind = CLI_NUMBER,
	    .value = "N",
	    .min = 1,
	    .max = UP_BOARDS_MAX,
	    .fallback = "1",
	    .flag_only = true,
	    .help = "how many virtual boards: NAME, NAME-2, NAME-3, ..." },
	{ .name = "no-board",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "no virtual board: server and broker alone" },
	{ .name = "name",
	    .kind = CLI_TEXT,
	    .value = "NAME",
	    .fallback = "demo",
	    .flag_only = true,
	    .help = "name of the virtual board" },
	{ .name = "fresh",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "throw these boards' emulated chips, records and devices away first" },
	{ .name = "lan",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "listen on all addresses; this computer's names and addresses come into the "
	            "certificates" },
	{ .name = "port",
	    .kind = CLI_NUMBER,
	    .value = "N",
	    .min = 1,
	    .max = 65535,
	    .flag_only = true,
	    .help = "port of the server; 8443, or the next that is free" },
	{ .name = "broker-port",
	    .kind = CLI_NUMBER,
	    .value = "N",
	    .min = 1,
	    .max = 65535,
	    .flag_only = true,
	    .help = "port of the broker; 8885, or the next that is free" },
	BROKER_OPTIONS,
	{ 0 },
};

/* Listens to the server, in a thread and with a client of its own. */
struct stream {
	pthread_t thread;
	bool runs;
	int stop;         /* readable: it ends; -1 before */
	atomic_int state; /* 0 not yet, 1 it is there, -1 it never came about */
	struct cloud *cloud;
	struct visitors *visitors;
};

struct up {
	struct cli *cli;
	struct steps *steps;
	struct file_lock lock, run_lock;
	struct services services;
	struct services_options how;
	struct up_file file;
	struct credentials credentials;
	struct cloud *cloud;
	struct guests *guests;
	struct visitors *visitors;
	struct stream stream;
	char state[FOLDER_PATH_MAX], run[FOLDER_PATH_MAX], records[FOLDER_PATH_MAX];
	char anchor[FOLDER_PATH_MAX], broker[300];
	char names[SERVICES_NAMES_MAX][INET_ADDRSTRLEN];
};

/* --- places --- */

static enum err real_path(char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char *real = realpath(path, NULL);
	enum err e;

	if (!real)
		return file_error(eb, errno, path, "cannot be found");
	e = folder_join("", real, path, eb);
	free(real);
	return e;
}

/* Who has the state folder already, for people. */
static enum err runs_already(const struct up *u, enum err e, struct errbuf *eb)
{
	struct up_file *other = calloc(1, sizeof(*other));

	if (other && e == ERR_CONFLICT && up_file_read(u->state, other, NULL) == OK)
		err_set(eb, e,
		    "runs already, as process %ld: server %s, broker %s:%u, %zu board%s; `%s "
		    "status` "
		    "shows it, `%s down` ends it",
		    other->pid, other->server, other->host, other->broker_port, other->n_boards,
		    other->n_boards == 1 ? "" : "s", u->cli->called, u->cli->called);
	free(other);
	return e;
}

/* Sockets and links of boards have one place for all state folders. */
static enum err run_lock(struct up *u, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = folder_make(u->run, 0700, eb)) != OK || (e = folder_private(u->run, eb)) != OK ||
	    (e = folder_join(u->run, "up.lock", path, eb)) != OK)
		return e;
	e = file_lock(&u->run_lock, path, eb);
	return e == ERR_CONFLICT ? err_within(eb, e,
	                               "another `imprint up` uses this run folder; set "
	                               "XDG_RUNTIME_DIR to run two")
	                         : e;
}

static enum err places(struct up *u, struct errbuf *eb)
{
	enum err e;

	if ((e = folder_state(cli_text(u->cli, "state"), u->state, eb)) != OK ||
	    (e = folder_make(u->state, 0700, eb)) != OK || (e = real_path(u->state, eb)) != OK ||
	    (e = folder_run(u->run, eb)) != OK ||
	    (e = folder_join(u->state, "tls/service-root.pem", u->anchor, eb)) != OK)
		return e;
	if ((e = up_file_lock(u->state, &u->lock, eb)) != OK)
		return runs_already(u, e, eb);
	if ((e = run_lock(u, eb)) != OK)
		return e;
	return local_records(u->cli, u->records, eb);
}

/* --- what a crash left --- */

/* Whether the process is the one we started: its number may be another's by now, or a zombie's. */
static bool is_ours(const struct up *u, long pid)
{
	char path[64], line[8192];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(line, 1, sizeof(line), f);
		fclose(f);
	}
	return memmem(line, n, u->state, strlen(u->state)) != NULL;
}

/* The kernel has asked them to stop when their `up` died; they may need a moment. */
static enum err leftovers(struct up *u, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	uint8_t *text = NULL;
	size_t n;
	enum err e;

	if ((e = folder_join(u->state, "up.json", path, eb)) != OK)
		return e;
	if (file_read_private(path, 1 << 18, &text, &n, NULL) != OK)
		return OK;
	cli_say(u->cli, "the last `imprint up` did not end in order; what it left is put in order");
	if (up_file_parse((struct slice){ text, n }, &u->file, NULL) == OK)
		for (int i = 0;
		     e == OK && (is_ours(u, u->file.imprintd) || is_ours(u, u->file.mosquitto));
		     i++) {
			if (i == 200)
				e = err_set(eb, ERR_CONFLICT,
				    "processes %ld and %ld of the last `imprint up` do not end",
				    u->file.imprintd, u->file.mosquitto);
			usleep(50000);
		}
	free(text);
	u->file = (struct up_file){ 0 };
	if (e == OK)
		up_file_remove(u->state);
	return e;
}

/* --- options of the services --- */

/* Addresses by which others reach this computer. Its name is imprintd's own business. */
static void lan_names(struct up *u)
{
	struct ifaddrs *all = NULL;
	size_t n = 0;

	if (getifaddrs(&all) != 0)
		return;
	for (const struct ifaddrs *i = all; i && n < SERVICES_NAMES_MAX; i = i->ifa_next) {
		struct sockaddr_in a;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
		    (i->ifa_flags & IFF_LOOPBACK))
			continue;
		memcpy(&a, i->ifa_addr, sizeof(a));
		if (inet_ntop(AF_INET, &a.sin_addr, u->names[n], sizeof(u->names[n])))
			n++;
	}
	freeifaddrs(all);
	for (size_t i = 0; i < n; i++)
		u->how.names[i] = u->names[i];
	u->how.n_names = n;
}

static uint16_t port_option(const struct cli *cli, const char *name)
{
	return cli_given(cli, name) ? (uint16_t)cli_number(cli, name) : 0;
}

static void how(struct up *u)
{
	u->how = (struct services_options){ .state = u->state,
		.run = u->run,
		.address = cli_on(u->cli, "lan") ? "0.0.0.0" : "127.0.0.1",
		.port = port_option(u->cli, "port"),
		.broker_port = port_option(u->cli, "broker-port"),
		.limit_ms = READY_MS,
		.stop_fd = cli_stop_fd() };
	if (cli_on(u->cli, "lan"))
		lan_names(u);
}

/* --- services --- */

static enum err server(struct up *u, struct errbuf *eb)
{
	int row = steps_begin(u->steps, "imprintd", "server", "Start the server");
	struct cloud_options to = { .credentials = &u->credentials,
		.version = u->cli->program->version,
		.stop_fd = cli_stop_fd() };
	struct credentials_where where = { .file = u->services.credentials };
	enum err e;

	if ((e = services_server(&u->services, &u->how, eb)) == OK &&
	    (e = credentials_find(&where, &u->credentials, eb)) == OK &&
	    (e = cloud_open(&to, &u->cloud, eb)) == OK)
		e = cloud_sign_in(u->cloud, eb);
	steps_end(u->steps, row, e == OK ? CLIENT_DONE : CLIENT_FAILED,
	    e == OK ? u->services.server : "");
	return e;
}

static enum err pause_ms(int ms, struct errbuf *eb)
{
	struct pollfd p = { .fd = cli_stop_fd(), .events = POLLIN };

	(void)poll(&p, 1, ms);
	return cli_stopping() ? err_set(eb, ERR_CONFLICT, "interrupted") : OK;
}

static bool knows(const struct cloud_brokers *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->at[i].state, "fresh") == 0)
			return true;
	return false;
}

/* Before the broker has its list it lets nobody in, and a board that comes too early waits to come again. */
static enum err broker_knows(struct up *u, struct errbuf *eb)
{
	for (int waited = 0; waited < READY_MS; waited += KNOWS_MS) {
		struct cloud_brokers list = { .n = 0 };
		enum err e;
		bool fresh;

		if ((e = services_alive(&u->services, eb)) != OK ||
		    (e = cloud_brokers(u->cloud, &list, eb)) != OK)
			return e;
		fresh = knows(&list);
		cloud_brokers_clear(&list);
		if (fresh)
			return OK;
		if ((e = pause_ms(KNOWS_MS, eb)) != OK)
			return e;
	}
	return err_set(eb, ERR_TIMEOUT,
	    "mosquitto: its plugin has no list of who may come in after %d s; its log: %s",
	    READY_MS / 1000, u->services.mosquitto.log);
}

static enum err broker(struct up *u, struct errbuf *eb)
{
	int row = steps_begin(u->steps, "mosquitto", "broker", "Start the broker");
	enum err e = services_broker(&u->services, &u->how, eb);

	if (e == OK)
		e = broker_knows(u, eb);

	snprintf(u->broker, sizeof(u->broker), "localhost:%u", (unsigned)u->services.broker_port);
	steps_end(u->steps, row, e == OK ? CLIENT_DONE : CLIENT_FAILED, e == OK ? u->broker : "");
	return e;
}

static enum err announce(struct up *u, struct errbuf *eb)
{
	struct up_file *f = &u->file;

	f->pid = (long)getpid();
	f->imprintd = (long)u->services.imprintd.pid;
	f->mosquitto = (long)u->services.mosquitto.pid;
	snprintf(f->server, sizeof(f->server), "%s", u->services.server);
	snprintf(f->credentials, sizeof(f->credentials), "%s", u->services.credentials);
	snprintf(f->host, sizeof(f->host), "localhost");
	f->broker_port = u->services.broker_port;
	snprintf(f->run, sizeof(f->run), "%s", u->run);
	f->n_boards = guests_count(u->guests);
	for (size_t i = 0; i < f->n_boards; i++) {
		const struct guest *g = guests_at(u->guests, i);
		struct up_board *b = &f->boards[i];

		memcpy(b->name, g->name, sizeof(b->name));
		memcpy(b->port, g->port, sizeof(b->port));
		memcpy(b->device_id, g->device_id, sizeof(b->device_id));
	}
	return up_file_write(u->state, f, eb);
}

/* --- what happens at the server --- */

static bool stream_each(void *ctx, const struct cloud_event *e)
{
	visitors_told(((struct stream *)ctx)->visitors, e);
	return true;
}

static void stream_state(void *ctx, const char *why)
{
	struct stream *s = ctx;

	/* One that is lost is looked for again, and goes on where it was. */
	if (!why)
		atomic_store(&s->state, 1);
}

static void *stream_run(void *ctx)
{
	struct stream *s = ctx;
	struct cloud_watch how = { .each = stream_each, .state = stream_state, .ctx = s };
	struct errbuf eb = { "" };

	/* Without it what is asked for every two seconds is all there is. */
	if (cloud_watch(s->cloud, &how, &eb) != OK && atomic_load(&s->state) == 0)
		atomic_store(&s->state, -1);
	return NULL;
}

/* Before the broker begins, so that nobody comes in unseen. */
static enum err stream_start(struct up *u, struct errbuf *eb)
{
	struct stream *s = &u->stream;
	struct cloud_options to = { .credentials = &u->credentials,
		.version = u->cli->program->version };
	enum err e;

	s->visitors = u->visitors;
	if ((s->stop = eventfd(0, EFD_CLOEXEC)) < 0)
		return err_set(eb, ERR_IO, "eventfd: %s", strerror(errno));
	to.stop_fd = s->stop;
	if ((e = cloud_open(&to, &s->cloud, eb)) != OK)
		return e;
	if (pthread_create(&s->thread, NULL, stream_run, s) != 0)
		return err_set(eb, ERR_MEMORY, "no thread that listens to the server");
	s->runs = true;
	for (int i = 0; i < STREAM_MS / 10 && atomic_load(&s->state) == 0; i++)
		usleep(10000);
	return OK;
}

static void stream_stop(struct stream *s)
{
	if (s->stop >= 0)
		(void)!write(s->stop, &(uint64_t){ 1 }, sizeof(uint64_t));
	if (s->runs)
		pthread_join(s->thread, NULL);
	cloud_free(s->cloud);
	if (s->stop >= 0)
		close(s->stop);
}

/* --- until all are online, and afterwards --- */

/* A service that is gone is a better reason than a question it did not answer. */
static enum err ask(struct up *u, size_t *missing, struct errbuf *eb)
{
	enum err e = services_alive(&u->services, eb), gone;

	if (e != OK || (e = guests_look(u->guests, u->cloud, missing, eb)) == OK)
		return e;
	gone = services_alive(&u->services, eb);
	return gone != OK ? gone : e;
}

static enum err wait_online(struct up *u, struct errbuf *eb)
{
	long limit = cli_timeout(u->cli, ONLINE_S);
	int64_t until = utc_now_ms() + limit * 1000;
	size_t missing = 0;
	enum err e;

	while ((e = ask(u, &missing, eb)) == OK && missing > 0) {
		if (utc_now_ms() > until)
			return guests_late(u->guests, limit, eb);
		if ((e = pause_ms(LOOK_MS, eb)) != OK)
			return e;
	}
	return e;
}

/* Boards come and go, until somebody ends it or a service does by itself. */
static enum err watch(struct up *u, struct errbuf *eb)
{
	bool answered = true;
	size_t missing;

	while (pause_ms(WATCH_MS, eb) == OK) {
		enum err e = ask(u, &missing, eb);

		if (e != OK && services_alive(&u->services, eb) != OK)
			return e;
		if (e != OK && answered)
			steps_say(u->steps, "%s%s",
			    e == ERR_IO || e == ERR_TIMEOUT ? "the server does not answer: " : "",
			    eb->text);
		answered = e == OK;
		if (services_renewed(&u->services))
			steps_say(u->steps, "the broker reads its renewed certificate");
	}
	return OK;
}

/* --- what is there now --- */

static json_t *boards_json(const struct up *u)
{
	json_t *all = json_array();

	for (size_t i = 0; i < guests_count(u->guests); i++) {
		const struct guest *g = guests_at(u->guests, i);

		json_array_append_new(
		    all, json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", g->name, "device_id",
		             g->device_id, "port", g->port, "device_status", g->status,
		             "last_activity_at", g->activity));
	}
	return all;
}

static enum err report(struct up *u, struct errbuf *eb)
{
	size_t n = strlen(u->state);
	bool flagged = cli_flagged(u->cli, "state");
	const char *called = u->cli->called;
	const char *again = flagged ? " --state " : "", *place = flagged ? u->state : "";
	/* The user's own credentials are of another server, and stay so. */
	bool other =
	    strncmp(u->services.credentials, u->state, n) == 0 && u->services.credentials[n] == '/';

	if (cli_json(u->cli))
		return cli_json_print(
		    json_pack("{s:s,s:{s:s,s:i},s:s,s:s,s:s,s:o,s:o}", "server", u->services.server,
		        "broker", "host", "localhost", "port", (int)u->services.broker_port,
		        "credentials", u->services.credentials, "organization",
		        u->services.organization, "state", u->state, "boards", boards_json(u),
		        "steps", steps_json(u->steps)),
		    eb);
	printf("server       %s\n", u->services.server);
	printf("broker       %s, for boards with a certificate of this authority\n", u->broker);
	for (size_t i = 0; i < u->how.n_names; i++)
		printf("from outside %s, with %s\n", u->names[i], u->anchor);
	printf("credentials  %s\n", u->services.credentials);
	printf("state        %s\n", u->state);
	for (size_t i = 0; i < guests_count(u->guests); i++) {
		const struct guest *g = guests_at(u->guests, i);

		printf("board        %s is %s%s%s, device %s\n", g->name,
		    cli_ink(u->cli, stdout, CLI_GREEN), g->status,
		    cli_ink(u->cli, stdout, CLI_PLAIN), g->device_id);
	}
	if (!cli_on(u->cli, "once"))
		printf("look         %s status%s%s; %s device list%s%s\n"
		       "end          Ctrl-C, or %s down%s%s\n",
		    called, again, place, called, other ? " --credentials " : "",
		    other ? u->services.credentials : "", called, again, place);
	fflush(stdout);
	return OK;
}

/* Who has read the report knows who was there, and hears of whoever goes at once. */
static enum err stay(struct up *u, struct errbuf *eb)
{
	enum err e;

	visitors_hold(u->visitors);
	e = report(u, eb);
	visitors_show(u->visitors);
	return e == OK ? watch(u, eb) : e;
}

/* --- the command --- */

static enum err boards(struct up *u, struct errbuf *eb)
{
	struct guests_options with = { .state = u->state,
		.run = u->run,
		.records = u->records,
		.broker = u->broker,
		.anchor = u->anchor,
		.credentials = &u->credentials,
		.version = u->cli->program->version,
		.steps = u->steps,
		.visitors = u->visitors };
	enum err e;

	if ((e = guests_delete(u->guests, u->records, u->cloud, u->cli, eb)) != OK ||
	    (e = guests_start(u->guests, &with, eb)) != OK)
		return e;
	return wait_online(u, eb);
}

static enum err all_up(struct up *u, struct errbuf *eb)
{
	enum err e;

	if ((e = services_find(&u->services, cli_text(u->cli, "mosquitto"),
	         cli_text(u->cli, "plugin"), eb)) != OK ||
	    (e = places(u, eb)) != OK || (e = leftovers(u, eb)) != OK)
		return e;
	if (cli_on(u->cli, "fresh") &&
	    (e = guests_forget(u->guests, u->state, u->records, u->cli, eb)) != OK)
		return e;
	/* Told twice: who looks meanwhile finds the services, and later the boards' ids. */
	if ((e = server(u, eb)) != OK || (e = stream_start(u, eb)) != OK ||
	    (e = broker(u, eb)) != OK || (e = announce(u, eb)) != OK || (e = boards(u, eb)) != OK)
		return e;
	return announce(u, eb);
}

static void all_down(struct up *u)
{
	guests_free(u->guests);
	stream_stop(&u->stream);
	visitors_free(u->visitors);
	cloud_free(u->cloud);
	services_stop(&u->services);
	wipe(&u->credentials, sizeof(u->credentials));
	/* In this order: who finds no file and no lock may begin. */
	if (u->lock.fd >= 0)
		up_file_remove(u->state);
	file_unlock(&u->run_lock);
	file_unlock(&u->lock);
	steps_free(u->steps);
}

static enum err up(struct cli *cli, struct errbuf *eb)
{
	size_t n = cli_on(cli, "no-board") ? 0 : (size_t)cli_number(cli, "boards");
	struct up *u;
	enum err e;

	if (cli_on(cli, "no-board") && cli_given(cli, "boards"))
		return err_set(eb, ERR_ARG, "--no-board and --boards exclude each other");
	u = calloc(1, sizeof(*u));
	if (!u)
		return err_set(eb, ERR_MEMORY, "no memory");
	u->cli = cli;
	u->lock = u->run_lock = FILE_UNLOCKED;
	u->stream.stop = -1;
	u->services = SERVICES_NONE;
	how(u);
	if ((e = guests_new(cli_text(cli, "name"), n, &u->guests, eb)) == OK &&
	    (e = steps_new(cli, &u->steps, eb)) == OK &&
	    (e = visitors_new(cli, u->steps, &u->visitors, eb)) == OK && (e = all_up(u, eb)) == OK)
		e = cli_on(cli, "once") ? report(u, eb) : stay(u, eb);
	all_down(u);
	free(u);
	return e;
}

const struct cli_command up_commands[] = {
	{ .name = "up",
	    .stops = true,
	    .summary = "run server, broker and a virtual board until Ctrl-C",
	    .about =
	        "Starts imprintd and mosquitto with the state folder, which they make at the "
	        "first time: organization, device authority, credentials, certificates of the "
	        "servers. Then virtual boards, each from its chip to its identity: request, "
	        "certificate from the server, compare, and into its program, which connects to "
	        "the broker with the key in its chip. A board has arrived when the server says "
	        "so: ONLINE, because the broker has let that board's certificate in, and a "
	        "message of this run stored, from the topic that the broker leaves to that "
	        "certificate alone.\n\n"
	        "It stays until Ctrl-C or `imprint down` and says which boards come and go. With "
	        "--once it ends when all have arrived, with status 0, or with the reason why not. "
	        "What it started, it stops; what was made stays in the state folder.\n\n"
	        "--fresh throws away what belongs to these virtual boards, and nothing else: "
	        "`imprint reset` throws away all.",
	    .options = options,
	    .run = up },
	{ 0 },
};
