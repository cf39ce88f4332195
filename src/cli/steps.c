#include "steps.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define ROWS 256
#define REDRAW_MS 100

struct row {
	bool used;
	char who[72], name[24], text[72];
	double began;
};

struct steps {
	const struct cli *cli;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t news;  /* for the ticker: a row has begun, or it is over */
	pthread_t ticker;
	bool ticks, stopping;
	struct row rows[ROWS];
	unsigned unfinished;
	unsigned drawn; /* lines of unfinished rows and of the table that stand on the terminal */
	char *table;    /* NULL: none */
	double zero;
	json_t *ended;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double milli(double seconds)
{
	return (double)(int64_t)(seconds * 1e3) / 1e3;
}

/* --- the terminal; with the lock --- */

static size_t height(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 2 ? w.ws_row - 1u : 23;
}

/* Back to where the unfinished rows began, and nothing below. */
static void erase(struct steps *s)
{
	if (s->drawn > 0)
		fprintf(stderr, "\033[%uA\r\033[J", s->drawn);
	s->drawn = 0;
}

/* Never wider than the terminal: a wrapped line would be counted as one. */
static void draw_line(struct steps *s, const char *line, size_t n, size_t columns)
{
	size_t fits = cli_fit(line, columns);

	fprintf(stderr, "%.*s\n", (int)(n < fits ? n : fits), line);
	s->drawn++;
}

static void draw_table(struct steps *s, size_t columns, size_t lines)
{
	for (const char *at = s->table; at && *at && s->drawn < lines;) {
		size_t n = strcspn(at, "\n");

		draw_line(s, at, n, columns);
		at += n + (at[n] == '\n');
	}
}

static void draw(struct steps *s)
{
	size_t columns = cli_live_columns(), lines = height();

	for (size_t i = 0; s->ticks && i < ROWS && s->drawn < lines; i++) {
		const struct row *r = &s->rows[i];
		char line[256];

		if (!r->used)
			continue;
		snprintf(
		    line, sizeof(line), "%-10s %-31s %6.1f s", r->who, r->text, now() - r->began);
		draw_line(s, line, strlen(line), columns);
	}
	if (s->ticks)
		draw_table(s, columns, lines);
	fflush(stderr);
}

static void *tick(void *ctx)
{
	struct steps *s = ctx;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		struct timespec until;

		/* An `up` that stays has nothing to draw for days. */
		if (s->unfinished == 0) {
			pthread_cond_wait(&s->news, &s->lock);
			continue;
		}
		erase(s);
		draw(s);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += REDRAW_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&s->news, &s->lock, &until);
	}
	erase(s);
	fflush(stderr);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- life --- */

enum err steps_new(const struct cli *cli, struct steps **steps, struct errbuf *eb)
{
	struct steps *s = calloc(1, sizeof(*s));
	const char *term = getenv("TERM");
	pthread_condattr_t monotonic;

	if (!s || !(s->ended = json_array())) {
		free(s);
		return err_set(eb, ERR_MEMORY, "no memory for the table of steps");
	}
	s->cli = cli;
	s->zero = now();
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&s->news, &monotonic);
	pthread_condattr_destroy(&monotonic);
	/* Without the thread the rows are printed as elsewhere: nobody is worse off. */
	s->ticks =
	    isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0 && !cli_on(cli, "quiet");
	if (s->ticks && pthread_create(&s->ticker, NULL, tick, s) != 0)
		s->ticks = false;
	*steps = s;
	return OK;
}

void steps_free(struct steps *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->news);
	pthread_mutex_unlock(&s->lock);
	if (s->ticks)
		pthread_join(s->ticker, NULL);
	pthread_cond_destroy(&s->news);
	pthread_mutex_destroy(&s->lock);
	json_decref(s->ended);
	free(s->table);
	free(s);
}

/* --- rows --- */

int steps_begin(struct steps *s, const char *who, const char *name, const char *text)
{
	int row = -1;

	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < ROWS && row < 0; i++)
		if (!s->rows[i].used)
			row = i;
	if (row >= 0) {
		struct row *r = &s->rows[row];

		r->used = true;
		s->unfinished++;
		pthread_cond_signal(&s->news);
		r->began = now();
		snprintf(r->who, sizeof(r->who), "%s", who);
		snprintf(r->name, sizeof(r->name), "%s", name);
		snprintf(r->text, sizeof(r->text), "%s", text);
	}
	pthread_mutex_unlock(&s->lock);
	return row;
}

static enum cli_ink ink(enum client_state state)
{
	return state == CLIENT_FAILED ? CLI_RED : state == CLIENT_DONE ? CLI_GREEN : CLI_DIM;
}

void steps_end(struct steps *s, int row, enum client_state state, const char *detail)
{
	static const char *const states[] = {
		[CLIENT_DONE] = "done", [CLIENT_SKIPPED] = "skipped", [CLIENT_FAILED] = "failed"
	};
	struct row *r;
	double took;

	if (row < 0)
		return;
	pthread_mutex_lock(&s->lock);
	r = &s->rows[row];
	took = now() - r->began;
	erase(s);
	cli_say(s->cli, "%-10s %-31s %6.2f s  %s%s%s%s%s", r->who, r->text, took,
	    cli_ink(s->cli, stderr, ink(state)), states[state], cli_ink(s->cli, stderr, CLI_PLAIN),
	    detail[0] ? ": " : "", detail);
	json_array_append_new(s->ended,
	    json_pack("{s:s,s:s,s:s,s:f,s:f}", "who", r->who, "step", r->name, "state",
	        states[state], "began", milli(r->began - s->zero), "seconds", milli(took)));
	r->used = false;
	s->unfinished--;
	draw(s);
	pthread_mutex_unlock(&s->lock);
}

void steps_event(struct steps *s, int *row, const char *who, const struct client_event *event)
{
	const struct client_step_info *step = &client_steps[event->step];

	if (event->state == CLIENT_BEGUN) {
		*row = steps_begin(s, who, step->name, step->text);
		return;
	}
	/* Why a step failed is said once, by who ends the run. */
	steps_end(s, *row, event->state, event->state == CLIENT_FAILED ? "" : event->text);
	*row = -1;
}

void steps_say(struct steps *s, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&s->lock);
	erase(s);
	cli_say(s->cli, "%s", line);
	draw(s);
	pthread_mutex_unlock(&s->lock);
}

/* Without memory the former one goes on standing there. */
void steps_table(struct steps *s, const char *lines)
{
	char *copy = lines ? strdup(lines) : NULL;

	if (lines && !copy)
		return;
	pthread_mutex_lock(&s->lock);
	erase(s);
	free(s->table);
	s->table = copy;
	draw(s);
	pthread_mutex_unlock(&s->lock);
}

json_t *steps_json(struct steps *s)
{
	json_t *copy;

	pthread_mutex_lock(&s->lock);
	copy = json_deep_copy(s->ended);
	pthread_mutex_unlock(&s->lock);
	return copy;
}
