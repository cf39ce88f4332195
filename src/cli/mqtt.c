/* `imprint mqtt bench`: how many boards a second this computer's broker lets in, and what to allow. */
#include "bench_broker.h"
#include "broker.h"
#include "commands.h"
#include "services.h"

#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define LATE_S 20  /* so much longer until the first one comes in */
#define WARM_S 1.0 /* before anything is counted: caches, and boards that came all at once */
#define SHARE 0.6  /* of what the broker can do: the rest is for those who are there already */
#define CLIENTS_MAX 2000

static const struct cli_option options[] = {
	{ .name = "seconds",
	    .kind = CLI_NUMBER,
	    .value = "N",
	    .min = 1,
	    .max = 300,
	    .fallback = "5",
	    .flag_only = true,
	    .help = "how long" },
	{ .name = "clients",
	    .kind = CLI_NUMBER,
	    .value = "N",
	    .min = 1,
	    .max = CLIENTS_MAX,
	    .fallback = "50",
	    .flag_only = true,
	    .help = "boards that connect, hang up and connect again" },
	BROKER_OPTIONS,
	{ .name = "no-plugin",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "mosquitto alone, as without our plugin" },
	{ 0 },
};

struct sample {
	double wall, broker, clients; /* seconds */
	uint64_t connects, refused;
};

struct bench {
	struct cli *cli;
	const char *plugin; /* NULL: without */
	struct bench_broker *broker;
	struct crowd *crowd;
	double began, seconds;
	bool warm;
	struct sample first, last;
	char reason[240];
	enum err e;
	struct errbuf eb;
};

static double time_of(const struct timespec *t)
{
	return (double)t->tv_sec + (double)t->tv_nsec / 1e9;
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return time_of(&t);
}

static void sample(struct bench *b, const struct crowd_counts *counts, struct sample *s)
{
	s->wall = seconds(CLOCK_MONOTONIC);
	s->clients = seconds(CLOCK_PROCESS_CPUTIME_ID);
	s->connects = counts->comings;
	s->refused = counts->refused;
	if (b->e == OK)
		b->e = bench_broker_cpu(b->broker, &s->broker, &b->eb);
}

static void look(void *ctx, const struct crowd_counts *counts)
{
	struct bench *b = ctx;
	double enough;

	snprintf(b->reason, sizeof(b->reason), "%s", counts->reason);
	if (!b->warm && seconds(CLOCK_MONOTONIC) < b->began + WARM_S)
		return;
	sample(b, counts, b->warm ? &b->last : &b->first);
	b->warm = true;
	enough = b->first.wall + b->seconds;
	if (b->last.connects == b->first.connects)
		enough += LATE_S;
	if (b->e != OK || b->last.wall >= enough)
		crowd_stop(b->crowd);
}

static enum err result(const struct bench *b, struct errbuf *eb)
{
	uint64_t n = b->last.connects - b->first.connects, refused = b->last.refused;
	double wall = b->last.wall - b->first.wall,
	       broker_ms = (b->last.broker - b->first.broker) * 1e3 / (double)n,
	       client_ms = (b->last.clients - b->first.clients) * 1e3 / (double)n;
	unsigned capacity = (unsigned)(1e3 / broker_ms), propose = (unsigned)(capacity * SHARE);

	if (cli_json(b->cli))
		return cli_json_print(
		    json_pack("{s:s,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:i,s:i}", "plugin",
		        b->plugin != NULL ? b->plugin : "", "clients",
		        (json_int_t)cli_number(b->cli, "clients"), "connects", (json_int_t)n,
		        "refused", (json_int_t)refused, "seconds", wall, "connects_per_second",
		        (double)n / wall, "broker_cpu_ms", broker_ms, "client_cpu_ms", client_ms,
		        "capacity", (int)capacity, "proposed_rate", (int)propose),
		    eb);
	printf("plugin     %s\n", b->plugin != NULL ? b->plugin : "none");
	printf("connects   %llu in %.1f s, %.0f a second, by %ld boards in this process\n",
	    (unsigned long long)n, wall, (double)n / wall, cli_number(b->cli, "clients"));
	printf(
	    "broker     %.2f ms of processor time each: %u a second, with a processor of its own\n",
	    broker_ms, capacity);
	printf("boards     %.2f ms each\n", client_ms);
	printf("allow      %u new connections a second (60 %%): rate %u/second burst %u packets\n",
	    propose, propose, propose);
	return OK;
}

static enum err judge(const struct bench *b, struct errbuf *eb)
{
	if (b->e != OK)
		return err_set(eb, b->e, "%s", b->eb.text);
	if (b->last.wall == 0)
		return err_set(eb, ERR_CONFLICT, "interrupted");
	if (b->last.connects == b->first.connects)
		return err_set(eb, ERR_IO, "no board came in: %s", b->reason);
	return result(b, eb);
}

static enum err measure(struct bench *b, struct errbuf *eb)
{
	struct crowd_options o = { .broker = bench_broker_where(b->broker),
		.anchor = bench_broker_anchor(b->broker),
		.version = b->cli->program->version,
		.max = (size_t)cli_number(b->cli, "clients"),
		.restless = true,
		.look = look,
		.ctx = b };
	enum err e;

	if ((e = crowd_new(&o, &b->crowd, eb)) == OK &&
	    (e = bench_broker_fill(b->broker, b->crowd, eb)) == OK) {
		b->began = seconds(CLOCK_MONOTONIC);
		b->seconds = (double)cli_number(b->cli, "seconds");
		if ((e = crowd_run(b->crowd, cli_stop_fd(), eb)) == OK)
			e = judge(b, eb);
	}
	crowd_free(b->crowd);
	return e;
}

/* Without the plugin there is something to measure, too; but somebody may have meant it to be there. */
static enum err plugin(struct bench *b, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	const char *given = cli_text(b->cli, "plugin");
	struct errbuf why = { "" };
	enum err e;

	if (cli_on(b->cli, "no-plugin"))
		return given == NULL ? OK : err_set(eb, ERR_ARG, "--no-plugin excludes --plugin");
	if (given != NULL) {
		if ((e = services_plugin(given, path, eb)) == OK)
			b->plugin = path;
		return e;
	}
	if (broker_plugin(path, &why) == OK)
		b->plugin = path;
	else
		cli_say(b->cli, "mosquitto alone is measured: %s", why.text);
	return OK;
}

static enum err bench(struct cli *cli, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	struct bench b = { .cli = cli };
	struct bench_broker_options o = { .mosquitto = cli_text(cli, "mosquitto"),
		.boards = (size_t)cli_number(cli, "clients"),
		.stop_fd = cli_stop_fd() };
	enum err e;

	if ((e = plugin(&b, path, eb)) != OK)
		return e;
	o.plugin = b.plugin;
	if ((e = bench_broker_start(&o, &b.broker, eb)) == OK)
		e = measure(&b, eb);
	bench_broker_free(b.broker);
	return e;
}

const struct cli_command mqtt_commands[] = {
	{ .name = "mqtt bench",
	    .stops = true,
	    .summary = "measure how many boards a second the broker can let in",
	    .about =
	        "Starts a mosquitto of its own in a temporary folder, configured as `imprint up` "
	        "does it, and boards that connect with certificates, hang up and connect again. "
	        "What "
	        "counts is the broker's processor time for a connection, since it uses one "
	        "processor: boards would wait in vain for more than that. Sixty percent of it is "
	        "what to allow where many may come at once (docs/broker.md).",
	    .options = options,
	    .run = bench },
	{ 0 },
};
