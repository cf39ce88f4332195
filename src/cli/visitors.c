#include "visitors.h"
#include "utc.h"
#include "uuid.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINES_A_SECOND 20
#define TABLE_ROWS 12
#define TABLE_MAX 8192
#define ROW_MAX 400 /* bytes */

enum is { GONE, HERE, LOST };

struct row {
	uint8_t id[16];
	char name[CLOUD_NAME_MAX + 1];
	char address[CLOUD_WORD_MAX + 1];
	char since[CLOUD_WORD_MAX + 1];   /* when the visit began that lasts, or lasted last; "" */
	char refused[CLOUD_WORD_MAX + 1]; /* why it was not let in, last; "" since it was */
	char asked[8];                    /* the server's last answer; "" since the last event */
	enum is is;
};

struct visitors {
	const struct cli *cli;
	struct steps *steps;
	pthread_mutex_t lock; /* guards all below */
	struct row *rows;     /* whoever was there once; owned */
	size_t n, cap, here;
	bool shows;
	int64_t second; /* in it `said` lines were printed, and `unsaid` were not */
	unsigned said, unsaid;
};

/* --- words --- */

static const struct {
	const char *word, *text;
} reasons[] = {
#define REASON(name, word, text) { word, text },
#include "reasons.def"
#undef REASON
	{ "unseen", "its broker has come back without it, or was forgotten" },
};

static void reason_text(const char *word, char text[128])
{
	snprintf(text, 128, "%s", word);
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (strcmp(word, reasons[i].word) == 0 && reasons[i].text[0])
			snprintf(text, 128, "%s: %s", word, reasons[i].text);
}

/* --- saying; with the lock --- */

static void unsaid(struct visitors *all)
{
	if (all->unsaid > 0)
		steps_say(all->steps, "and %u more that came or went", all->unsaid);
	all->unsaid = 0;
}

static void say(struct visitors *all, const struct row *r, enum cli_ink ink, const char *what,
    const char *when, const char *why)
{
	int64_t now = utc_now();

	if (!all->shows)
		return;
	if (now != all->second) {
		unsaid(all);
		all->second = now;
		all->said = 0;
	}
	if (all->said++ < LINES_A_SECOND)
		steps_say(all->steps, "%-10s %s%-8s%s %s%s%s", r->name,
		    cli_ink(all->cli, stderr, ink), what, cli_ink(all->cli, stderr, CLI_PLAIN),
		    when, why[0] ? "  " : "", why);
	else
		all->unsaid++;
}

#define NAME_LEAST 16
#define NAME_MOST 40
#define ID_AND_SINCE 60 /* columns, with those between */

/* The name, cut where it is too long; blanks fill the rest of its column. */
static size_t name_put(char *text, size_t cap, const char *name, size_t wide)
{
	size_t n = cli_fit(name, wide), fits = cli_width(name);

	return (size_t)snprintf(
	    text, cap, "%.*s%*s  ", (int)n, name, (int)(fits < wide ? wide - fits : 0), "");
}

static size_t wider(size_t wide, const char *text)
{
	return cli_width(text) > wide ? cli_width(text) : wide;
}

/*
 * The table of who is here, in the order in which they first came. The id is what the name may be too
 * short for, so it is never cut; where they come from is left out when a terminal has no room for it.
 */
static void table(struct visitors *all)
{
	size_t columns = cli_columns(stderr), most = NAME_MOST, n = 1, shown = 0;
	size_t wide = strlen("ONLINE"), from = strlen("FROM");
	char text[TABLE_MAX] = "\n";

	if (!all->shows)
		return;
	if (all->here == 0) {
		steps_table(all->steps, "\nno board is connected\n");
		return;
	}
	for (size_t i = 0; i < all->n; i++) {
		wide = all->rows[i].is == HERE ? wider(wide, all->rows[i].name) : wide;
		from = all->rows[i].is == HERE ? wider(from, all->rows[i].address) : from;
	}
	if (columns > 0 && columns < ID_AND_SINCE + NAME_MOST + 1)
		most =
		    columns > ID_AND_SINCE + NAME_LEAST ? columns - ID_AND_SINCE - 1 : NAME_LEAST;
	wide = wide < most ? wide : most;
	if (columns > 0 && wide + ID_AND_SINCE + 2 + from >= columns)
		from = 0;
	n += name_put(text + n, sizeof(text) - n, "ONLINE", wide);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "%-36s  %s\n", "DEVICE",
	    from ? "SINCE                 FROM" : "SINCE");
	for (size_t i = 0; i < all->n && shown < TABLE_ROWS && n + ROW_MAX < sizeof(text); i++) {
		const struct row *r = &all->rows[i];
		char id[UUID_TEXT + 1] = "";

		if (r->is != HERE)
			continue;
		uuid_text(r->id, id);
		n += name_put(text + n, sizeof(text) - n, r->name, wide);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s  %-20s%s%s\n", id, r->since,
		    from ? "  " : "", from ? r->address : "");
		shown++;
	}
	if (shown < all->here)
		snprintf(text + n, sizeof(text) - n, "and %zu more\n", all->here - shown);
	steps_table(all->steps, text);
}

/* --- rows; with the lock --- */

static struct row *row_make(struct visitors *all, const uint8_t id[16])
{
	size_t cap = all->cap ? 2 * all->cap : 64;
	struct row *more = all->n < all->cap ? all->rows : realloc(all->rows, cap * sizeof(*more));

	if (!more)
		return NULL;
	all->cap = all->n < all->cap ? all->cap : cap;
	all->rows = more;
	memset(&more[all->n], 0, sizeof(*more));
	memcpy(more[all->n].id, id, 16);
	return &more[all->n++];
}

/* NULL: no memory, or no device. */
static struct row *row_of(struct visitors *all, const char *device, const char *name)
{
	struct row *r = NULL;
	uint8_t id[16];

	if (uuid_parse((struct slice){ (const uint8_t *)device, strlen(device) }, id) != OK)
		return NULL;
	for (size_t i = 0; i < all->n && !r; i++)
		if (memcmp(all->rows[i].id, id, 16) == 0)
			r = &all->rows[i];
	if (!r && !(r = row_make(all, id)))
		return NULL;
	/* Its id for a name, until it has one. */
	if (name[0] || !r->name[0])
		snprintf(r->name, sizeof(r->name), "%s", name[0] ? name : device);
	return r;
}

static void turn(struct visitors *all, struct row *r, enum is is)
{
	if (r->is == HERE)
		all->here--;
	if (is == HERE)
		all->here++;
	r->is = is;
}

/* --- visits --- */

static void came(struct visitors *all, struct row *r, const struct cloud_event *e)
{
	char from[128];

	snprintf(r->since, sizeof(r->since), "%s", e->at);
	snprintf(r->address, sizeof(r->address), "%s", e->address);
	r->refused[0] = 0;
	if (r->is == HERE)
		return; /* it took its own place */
	snprintf(from, sizeof(from), "%s%.64s", e->address[0] ? "from " : "", e->address);
	turn(all, r, HERE);
	say(all, r, CLI_GREEN, "ONLINE", e->at, from);
}

/* Where it came anew, that is told before the end of the visit whose place it took. */
static void left(struct visitors *all, struct row *r, const struct cloud_event *e)
{
	char why[128];

	if (r->is == GONE || strcmp(e->reason, "taken-over") == 0)
		return;
	reason_text(e->reason, why);
	turn(all, r, GONE);
	say(all, r, CLI_RED, "OFFLINE", e->at, why);
}

/* It will try again and again: said once, until it is let in or another rule is the reason. */
static void refused(struct visitors *all, struct row *r, const struct cloud_event *e)
{
	char why[128];

	if (strcmp(r->refused, e->reason) == 0)
		return;
	snprintf(r->refused, sizeof(r->refused), "%s", e->reason);
	reason_text(e->reason, why);
	say(all, r, CLI_YELLOW, "refused", e->at, why);
}

void visitors_told(struct visitors *all, const struct cloud_event *e)
{
	struct row *r;

	if (e->kind != CLOUD_VISIT)
		return;
	pthread_mutex_lock(&all->lock);
	if ((r = row_of(all, e->device, e->name))) {
		r->asked[0] = 0;
		if (!e->admitted)
			refused(all, r, e);
		else if (e->connected)
			came(all, r, e);
		else
			left(all, r, e);
		table(all);
	}
	pthread_mutex_unlock(&all->lock);
}

/* --- answers --- */

static void now_text(char text[UTC_TEXT_SIZE])
{
	time_t now = (time_t)utc_now();
	struct tm t;

	text[0] = 0;
	if (gmtime_r(&now, &t))
		(void)strftime(text, UTC_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &t);
}

void visitors_asked(struct visitors *all, const struct cloud_device *d)
{
	enum is is = strcmp(d->status, "ONLINE") == 0    ? HERE
	             : strcmp(d->status, "OFFLINE") == 0 ? GONE
	                                                 : LOST;
	char now[UTC_TEXT_SIZE];
	struct row *r;

	now_text(now);
	pthread_mutex_lock(&all->lock);
	if ((r = row_of(all, d->id, d->name)) && is != r->is && strcmp(r->asked, d->status) == 0) {
		turn(all, r, is);
		if (is == HERE)
			snprintf(r->since, sizeof(r->since), "%s", d->last_activity_at);
		say(all, r, is == HERE ? CLI_GREEN : CLI_RED, d->status, now,
		    is == LOST ? "the broker is silent, so nobody knows" : "");
		table(all);
	}
	if (r)
		snprintf(r->asked, sizeof(r->asked), "%s", d->status);
	if (all->second != utc_now())
		unsaid(all);
	pthread_mutex_unlock(&all->lock);
}

void visitors_refused(struct visitors *all, const char *device, char why[128])
{
	const struct row *r;

	pthread_mutex_lock(&all->lock);
	why[0] = 0;
	if ((r = row_of(all, device, "")))
		reason_text(r->refused, why);
	pthread_mutex_unlock(&all->lock);
}

/* --- life --- */

enum err visitors_new(
    const struct cli *cli, struct steps *steps, struct visitors **out, struct errbuf *eb)
{
	struct visitors *all = calloc(1, sizeof(*all));

	if (!all)
		return err_set(eb, ERR_MEMORY, "no memory");
	all->cli = cli;
	all->steps = steps;
	pthread_mutex_init(&all->lock, NULL);
	*out = all;
	return OK;
}

void visitors_free(struct visitors *all)
{
	if (!all)
		return;
	pthread_mutex_destroy(&all->lock);
	free(all->rows);
	free(all);
}

void visitors_hold(struct visitors *all)
{
	pthread_mutex_lock(&all->lock);
}

void visitors_show(struct visitors *all)
{
	all->shows = true;
	table(all);
	pthread_mutex_unlock(&all->lock);
}
