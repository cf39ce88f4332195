#include "crowd.h"
#include "board.h"
#include "chip_options.h"
#include "board_crowd.h"
#include "crew.h"
#include "remote.h"
#include "up_file.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct sample { /* for what happens in a second */
	double at;
	uint64_t handshakes, messages;
};

struct show {
	struct cli *cli;
	const struct crew *crew;
	size_t n;
	bool live;    /* the line is redrawn in its place */
	double every; /* seconds between two lines */
	double began, next;
	bool all_online; /* said so */
	struct sample last;
	double handshake_rate, message_rate;
	struct crowd_counts counts; /* as last seen */
	char reason[240];           /* of them, at the end */
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- totals --- */

static void erase(const struct show *s)
{
	if (s->live)
		fprintf(stderr, "\r\033[K");
}

static void rates(struct show *s, double now)
{
	const struct crowd_counts *c = &s->counts;
	struct sample new = { now, c->handshakes, c->said + c->heard };
	double passed = now - s->last.at;

	s->handshake_rate = (double)(new.handshakes - s->last.handshakes) / passed;
	s->message_rate = (double)(new.messages - s->last.messages) / passed;
	s->last = new;
}

static void line(const struct show *s)
{
	const struct crowd_counts *c = &s->counts;
	unsigned long long messages = c->said + c->heard;
	char text[512];

	snprintf(text, sizeof(text),
	    "%zu of %zu boards, %zu connecting, %zu online; handshakes %llu, %.0f a second; "
	    "refused "
	    "%llu, lost %llu; messages %llu, %.0f a second%s%s",
	    crew_done(s->crew), s->n, c->connecting, c->online, (unsigned long long)c->handshakes,
	    s->handshake_rate, (unsigned long long)c->refused, (unsigned long long)c->lost,
	    messages, s->message_rate, c->reason[0] == '\0' ? "" : "; last ", c->reason);
	if (s->live)
		fprintf(stderr, "\r\033[K%.*s", (int)cli_fit(text, cli_live_columns()), text);
	else
		cli_say(s->cli, "%s", text);
}

static void look(void *ctx, const struct crowd_counts *counts)
{
	struct show *s = ctx;
	double now = seconds();
	bool all = counts->online == s->n;

	s->counts = *counts;
	if (all != s->all_online) {
		erase(s);
		if (all)
			cli_say(s->cli,
			    "all %zu boards are online after %.1f s, with %llu handshakes", s->n,
			    now - s->began, (unsigned long long)counts->handshakes);
		s->all_online = all;
	}
	if (now >= s->last.at + (s->live ? 1 : s->every))
		rates(s, now);
	if (now < s->next)
		return;
	s->next = now + (s->live ? 0.2 : s->every);
	line(s);
}

static enum err summary(const struct show *s, size_t boards, size_t removed, struct errbuf *eb)
{
	const struct crowd_counts *c = &s->counts;

	if (!cli_json(s->cli))
		return OK;
	return cli_json_print(
	    json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:s}", "name",
	        s->cli->args[0], "boards", (json_int_t)boards, "dark", (json_int_t)c->dark,
	        "connecting", (json_int_t)c->connecting, "online", (json_int_t)c->online,
	        "handshakes", (json_int_t)c->handshakes, "refused", (json_int_t)c->refused, "lost",
	        (json_int_t)c->lost, "said", (json_int_t)c->said, "heard", (json_int_t)c->heard,
	        "removed", (json_int_t)removed, "seconds", seconds() - s->began, "reason",
	        s->reason),
	    eb);
}

/* --- where to --- */

struct where {
	char state[FOLDER_PATH_MAX], broker[300], anchor[FOLDER_PATH_MAX];
	struct credentials credentials;
};

/* The broker of a running `imprint up`, unless one is named; its authority, unless one is named. */
static enum err broker_find(const struct cli *cli, struct where *w, struct errbuf *eb)
{
	struct up_file *up;
	enum err e;

	if (cli_text(cli, "broker") != NULL) {
		snprintf(w->broker, sizeof(w->broker), "%s", cli_text(cli, "broker"));
		return OK;
	}
	if ((up = calloc(1, sizeof(*up))) == NULL)
		return err_set(eb, ERR_MEMORY, "no memory");
	if ((e = up_file_read(w->state, up, eb)) == OK)
		snprintf(w->broker, sizeof(w->broker), "%s:%u", up->host, up->broker_port);
	else
		e = err_set(eb, ERR_NOT_FOUND,
		    "no broker is known: run `%s up`, or give --broker HOST:PORT", cli->called);
	free(up);
	return e;
}

static enum err where_find(const struct cli *cli, struct where *w, struct errbuf *eb)
{
	enum err e;

	if ((e = folder_state(cli_text(cli, "state"), w->state, eb)) != OK ||
	    (e = remote_credentials(cli, &w->credentials, eb)) != OK ||
	    (e = broker_find(cli, w, eb)) != OK)
		return e;
	if (cli_text(cli, "anchor") == NULL)
		return folder_join(w->state, "tls/service-root.pem", w->anchor, eb);
	return folder_join("", cli_text(cli, "anchor"), w->anchor, eb);
}

/* --- all of it --- */

static enum err options_check(const struct cli *cli, struct errbuf *eb)
{
	static const char *const single[] = { "sketch", "wifi", "wifi-firmware", "element",
		"genuine-looking" };
	char last[80];

	for (size_t i = 0; i < COUNT(single); i++)
		if (cli_given(cli, single[i]))
			return err_set(
			    eb, ERR_ARG, "--%s is not for boards by the --count", single[i]);
	snprintf(last, sizeof(last), "%.70s-%ld", cli->args[0], cli_number(cli, "count"));
	return board_name_check(last, eb);
}

static enum err fill_and_run(
    struct show *s, struct crew *crew, struct crowd *crowd, struct errbuf *eb)
{
	struct errbuf why = { "" };
	enum err e, made;

	if ((e = crew_claim(crew, cli_on(s->cli, "again"), eb)) != OK ||
	    (e = crew_start(crew, crowd, eb)) != OK)
		return e;
	e = crowd_run(crowd, cli_stop_fd(), eb);
	made = crew_end(crew, &why);
	return e == OK && made != OK ? err_set(eb, made, "%s", why.text) : e;
}

static enum err finish(struct show *s, struct crew *crew, enum err e, struct errbuf *eb)
{
	size_t boards = crew_done(crew), removed = 0;
	struct errbuf why = { "" };
	enum err gone = OK;

	erase(s);
	if (!cli_on(s->cli, "keep")) {
		cli_detail(s->cli, "removing the devices");
		gone = crew_remove(crew, &why);
		removed = crew_done(crew);
	}
	/* Said here: a program that was asked to end does not print its error. */
	if (gone != OK)
		cli_say(s->cli, "%s", why.text);
	if (e == OK && gone != OK)
		return err_set(eb, gone, "%s", why.text);
	if (e == OK)
		e = summary(s, boards, removed, eb);
	return e;
}

static enum err serve(
    struct cli *cli, const struct where *w, const struct emu_options *chip, struct errbuf *eb)
{
	size_t n = (size_t)cli_number(cli, "count");
	struct show show = { .cli = cli, .n = n, .every = (double)cli_number(cli, "every") };
	struct crew_options made_by = { .credentials = &w->credentials,
		.version = cli->program->version,
		.name = cli->args[0],
		.n = n,
		.chip = *chip };
	struct crowd_options o = { .broker = w->broker,
		.anchor = w->anchor,
		.version = cli->program->version,
		.max = n,
		.rate = cli_given(cli, "rate") ? (unsigned)cli_number(cli, "rate") : 0,
		.look = look,
		.ctx = &show };
	struct crowd *crowd = NULL;
	struct crew *crew = NULL;
	enum err e;

	show.live = isatty(STDERR_FILENO) && !cli_on(cli, "quiet") && !cli_json(cli);
	show.began = show.last.at = seconds();
	show.next = show.began + (show.live ? 0 : show.every);
	if ((e = crew_new(&made_by, &crew, eb)) == OK && (e = crowd_new(&o, &crowd, eb)) == OK) {
		show.crew = crew;
		e = fill_and_run(&show, crew, crowd, eb);
		show.counts = crowd_counts(crowd);
		snprintf(show.reason, sizeof(show.reason), "%s", show.counts.reason);
		crowd_free(crowd); /* hangs up before the devices go */
		e = finish(&show, crew, e, eb);
	}
	crew_free(crew);
	return e;
}

enum err crowd_serve(struct cli *cli, struct errbuf *eb)
{
	struct emu_options chip = { 0 };
	struct where where = { .broker = "" };
	uint8_t *plan = NULL;
	enum err e;

	if ((e = options_check(cli, eb)) == OK && (e = where_find(cli, &where, eb)) == OK &&
	    (e = chip_options_take(cli, &chip, &plan, eb)) == OK)
		e = serve(cli, &where, &chip, eb);
	free(plan);
	wipe(&where.credentials, sizeof(where.credentials));
	return e;
}
