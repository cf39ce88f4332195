/* `imprint device watch`: what happens, as it happens. */
#include "commands.h"
#include "remote.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME_COLUMNS 16
#define NAMES_KNOWN 1000000

static const struct cli_option watch_options[] = {
	REMOTE_OPTIONS,
	{ .name = "replay",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "begin with everything that the server remembers" },
	{ 0 },
};

struct watch {
	struct cli *cli;
	struct cloud_devices devices; /* for their names */
	char ids[CLI_ARGS_MAX][UUID_TEXT + 1];
	unsigned n_ids; /* 0: all */
	bool local;     /* times of this place, short */
	enum err
	    err; /* of the output; with its text, since the client only knows that it was stopped */
	struct errbuf eb;
};

/* --- who it is about --- */

static bool is_wanted(const struct watch *w, const struct cloud_event *e)
{
	if (w->n_ids == 0)
		return e->device[0] || cli_json(w->cli);
	for (unsigned i = 0; i < w->n_ids; i++)
		if (strcmp(w->ids[i], e->device) == 0)
			return true;
	return false;
}

static struct cloud_device *known(struct watch *w, const char *id)
{
	for (size_t i = 0; i < w->devices.n; i++)
		if (strcmp(w->devices.at[i].id, id) == 0)
			return &w->devices.at[i];
	return NULL;
}

/* Names come with what stands in the registry, and are asked for by what is live. */
static void learn(struct watch *w, const struct cloud_event *e)
{
	struct cloud_device *d = known(w, e->device), *more;

	if (!e->name[0] || !e->device[0] || (e->kind != CLOUD_AUDIT && e->kind != CLOUD_VISIT))
		return;
	if (!d && w->devices.n < NAMES_KNOWN &&
	    (more = realloc(w->devices.at, (w->devices.n + 1) * sizeof(*more))) != NULL) {
		w->devices.at = more;
		d = &more[w->devices.n++];
		*d = (struct cloud_device){ .tags = NULL };
		memcpy(d->id, e->device, sizeof(d->id));
	}
	if (d)
		memcpy(d->name, e->name, sizeof(d->name));
}

static const char *name_of(struct watch *w, const struct cloud_event *e)
{
	const struct cloud_device *d = known(w, e->device);

	return d ? d->name : e->device;
}

/* --- what is printed --- */

/* On a terminal the hour of this place; elsewhere what the server says. */
static void time_print(const struct watch *w, const struct cloud_event *e)
{
	struct tm tm = { .tm_isdst = 0 };
	time_t t = time(NULL);
	char text[32];

	if (e->at[0] && strptime(e->at, "%Y-%m-%dT%H:%M:%SZ", &tm))
		t = timegm(&tm);
	if (w->local)
		localtime_r(&t, &tm);
	else
		gmtime_r(&t, &tm);
	strftime(text, sizeof(text), w->local ? "%H:%M:%S" : "%Y-%m-%dT%H:%M:%SZ", &tm);
	printf("%s  ", text);
}

static void name_print(const char *name)
{
	int n = (int)cli_width(name);

	printf("%s%*s  ", name, n < NAME_COLUMNS ? NAME_COLUMNS - n : 0, "");
}

static void ink(const struct watch *w, enum cli_ink i)
{
	fputs(cli_ink(w->cli, stdout, i), stdout);
}

static void because(const char *before, const char *reason)
{
	if (reason[0] && strcmp(reason, "-") != 0)
		printf("%s%s", before, reason);
}

static void visit_print(const struct watch *w, const struct cloud_event *e)
{
	ink(w, e->connected ? CLI_GREEN : e->admitted ? CLI_DIM : CLI_YELLOW);
	fputs(e->connected ? "connected" : e->admitted ? "left" : "refused", stdout);
	ink(w, CLI_PLAIN);
	if (!e->connected)
		because(": ", e->reason);
	if (e->address[0] && (e->connected || !e->admitted))
		printf("%s from %s", !e->connected && e->reason[0] ? "," : "", e->address);
}

static void message_print(const struct cloud_event *e)
{
	if (e->what[0])
		printf("says %s%s%s", e->what, e->value[0] ? " " : "", e->value);
	else
		printf("says %llu bytes", (unsigned long long)e->bytes);
}

static void event_print(struct watch *w, const struct cloud_event *e)
{
	switch (e->kind) {
	case CLOUD_VISIT:
		visit_print(w, e);
		break;
	case CLOUD_AUDIT:
		fputs(e->what, stdout);
		because(" ", e->certificate);
		because(" ", e->note);
		break;
	case CLOUD_VALUE:
		printf("%s = %s", e->name, e->value);
		break;
	case CLOUD_MESSAGE:
		message_print(e);
		break;
	case CLOUD_OTHER:
		fputs(e->word, stdout);
		break;
	}
}

static enum err json_print(const struct cloud_event *e, struct errbuf *eb)
{
	json_t *all = json_pack("{s:s}", "event", e->word);
	json_t *event = json_loadb((const char *)e->json.p, e->json.n, JSON_ALLOW_NUL, NULL);

	if (all && event)
		json_object_update_missing(all, event);
	json_decref(event);
	return cli_json_print(all, eb);
}

static bool each(void *ctx, const struct cloud_event *e)
{
	struct watch *w = ctx;

	learn(w, e);
	if (!is_wanted(w, e))
		return true;
	if (cli_json(w->cli)) {
		w->err = json_print(e, &w->eb);
	} else {
		time_print(w, e);
		name_print(name_of(w, e));
		event_print(w, e);
		putchar('\n');
		if (fflush(stdout) != 0)
			w->err = err_set(&w->eb, ERR_IO, "standard output cannot be written");
	}
	return w->err == OK;
}

static void state(void *ctx, const char *why)
{
	struct watch *w = ctx;

	if (why)
		cli_say(w->cli, "nothing is heard: %s", why);
	else
		cli_say(w->cli, "watching %s",
		    w->n_ids == 0   ? "all devices"
		    : w->n_ids == 1 ? w->cli->args[0]
		                    : "these devices");
}

/* --- the command --- */

/* Without their names it is told whose ids they are. */
static enum err names_get(struct watch *w, struct cloud *cloud, struct errbuf *eb)
{
	enum err e;

	for (w->n_ids = 0; w->n_ids < w->cli->n_args; w->n_ids++)
		if ((e = remote_device(cloud, w->cli->args[w->n_ids], w->ids[w->n_ids], eb)) != OK)
			return e;
	return cli_json(w->cli) ? OK : cloud_device_list(cloud, NULL, &w->devices, eb);
}

static enum err watch(struct cli *cli, struct errbuf *eb)
{
	struct cloud_watch how = { .replay = cli_on(cli, "replay"),
		.limit_ms = (uint32_t)cli_timeout(cli, 0) * 1000,
		.each = each,
		.state = state };
	struct watch *w = calloc(1, sizeof(*w));
	struct cloud *cloud = NULL;
	enum err e;

	if (!w)
		return err_set(eb, ERR_MEMORY, "no memory");
	w->cli = cli;
	w->local = isatty(STDOUT_FILENO) == 1;
	how.ctx = w;
	if ((e = remote_open(cli, &cloud, eb)) == OK && (e = names_get(w, cloud, eb)) == OK) {
		how.device = w->n_ids == 1 ? w->ids[0] : NULL;
		e = cloud_watch(cloud, &how, eb);
		e = w->err != OK ? err_set(eb, w->err, "%s", w->eb.text) : cli_stopping() ? OK : e;
	}
	cloud_devices_clear(&w->devices);
	cloud_free(cloud);
	free(w);
	return e;
}

const struct cli_command watch_commands[] = {
	{ .name = "device watch",
	    .args = "[NAME|ID]...",
	    .args_max = CLI_ARGS_MAX,
	    .stops = true,
	    .summary = "show what devices do, as they do it",
	    .about =
	        "Prints a line when a board connects, leaves or is refused, with the reason, when "
	        "something about a device is changed, and what boards say, until Ctrl-C or for "
	        "--timeout seconds. A server that goes away is waited for, and what it has "
	        "recorded meanwhile is told; what boards said meanwhile is not.",
	    .options = watch_options,
	    .run = watch },
	{ 0 },
};
