#include "feed.h"

#include "p256.h"
#include "text.h"
#include "uuid.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char name_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

enum err feed_init(struct feed *f, struct roster *roster, const struct feed_events *events,
    void *ctx, struct errbuf *eb)
{
	uint8_t boot[8];

	memset(f, 0, sizeof(*f));
	f->roster = roster;
	f->events = events;
	f->ctx = ctx;
	memcpy(f->name, "mosquitto", sizeof("mosquitto"));
	f->lasts = FEED_LASTS_S;
	if (!(f->ring = malloc(FEED_RING)))
		return err_set(eb, ERR_MEMORY, "no memory for the feed");
	if (random_bytes(boot, sizeof(boot)) != OK)
		return err_set(eb, ERR_IO, "no random numbers");
	hex_encode(SLICE(boot), HEX_LOWER, f->boot);
	return OK;
}

void feed_free(struct feed *f)
{
	free(f->ring);
	f->ring = NULL;
}

enum err feed_name(struct feed *f, const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > FEED_NAME_MAX || strspn(name, name_chars) != n)
		return ERR_ARG;
	memcpy(f->name, name, n + 1);
	return OK;
}

void feed_lasts(struct feed *f, int64_t seconds)
{
	f->lasts = seconds;
}

/* --- device authorities --- */

static unsigned authority_find(const struct feed *f, const uint8_t key_id[20])
{
	unsigned i = 0;

	while (i < f->authorities && memcmp(f->authority[i].key_id, key_id, 20) != 0)
		i++;
	return i;
}

enum err feed_authority(struct feed *f, const uint8_t key_id[20])
{
	unsigned i = authority_find(f, key_id);

	if (i == FEED_AUTHORITIES)
		return ERR_SPACE;
	if (i == f->authorities)
		memcpy(f->authority[f->authorities++].key_id, key_id, 20);
	f->authority[i].seen = true;
	return OK;
}

bool feed_accepts(const struct feed *f, const uint8_t key_id[20])
{
	return authority_find(f, key_id) < f->authorities;
}

/* --- fields --- */

static bool id_or_none(struct slice field, uint8_t id[16])
{
	memset(id, 0, 16);
	return word_absent(field) || uuid_parse(field, id) == OK;
}

static bool print_or_none(struct slice field, uint8_t print[ROSTER_PRINT])
{
	memset(print, 0, ROSTER_PRINT);
	return word_absent(field) || word_hex(field, print, ROSTER_PRINT);
}

/* --- lines back --- */

/* What is left of a line that was sent in part: a part of another behind it would be no line. */
static size_t begun(const struct feed *f)
{
	size_t n = 0;

	while (f->cut && n < f->held && f->ring[(f->first + n++) % FEED_RING] != '\n')
		;
	return n;
}

static void say(struct feed *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct feed *f, const char *fmt, ...)
{
	char text[FEED_LINE_MAX];
	size_t at, part, n;
	va_list ap;
	int made;

	va_start(ap, fmt);
	made = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (made < 0 || (size_t)made >= sizeof(text))
		return;
	n = (size_t)made;
	if (n > FEED_RING - f->held) { /* better nothing than a list with holes */
		f->held = begun(f);
		f->first = f->held ? f->first : 0;
		f->overflow = true;
		return;
	}
	at = (f->first + f->held) % FEED_RING;
	part = n < FEED_RING - at ? n : FEED_RING - at;
	memcpy(f->ring + at, text, part);
	memcpy(f->ring, text + part, n - part);
	f->held += n;
}

void feed_greet(struct feed *f)
{
	say(f, "v 1 %s %" PRIu64 " %" PRIu64 "\n", f->boot, f->epoch, f->seq);
	if (f->lasts == FEED_FOR_EVER)
		say(f, "l -\n");
	else
		say(f, "l %" PRId64 "\n", f->lasts);
	say(f, "i %s\n", f->name);
}

static void acknowledge(struct feed *f)
{
	say(f, "s %" PRIu64 "\n", f->seq);
}

static const char *text_of(const uint8_t *id, char text[UUID_TEXT + 1])
{
	if (!id)
		return "-";
	uuid_text(id, text);
	text[UUID_TEXT] = '\0';
	return text;
}

/* An address with a space in it (a path) would be two fields. */
static const char *word(const char *text)
{
	return text && text[0] && !strpbrk(text, " \n") && strlen(text) < 128 ? text : "-";
}

void feed_connected(struct feed *f, uint64_t connection, const uint8_t id[16],
    const uint8_t print[ROSTER_PRINT], const char *address, unsigned protocol, int64_t at_ms)
{
	char device[UUID_TEXT + 1], hex[2 * ROSTER_PRINT + 1];

	hex_encode((struct slice){ print, ROSTER_PRINT }, HEX_LOWER, hex);
	say(f, "c %" PRIu64 " %s %s %s %u %" PRId64 "\n", connection, text_of(id, device), hex,
	    word(address), protocol, at_ms);
}

void feed_disconnected(struct feed *f, uint64_t connection, int64_t at_ms, const char *reason)
{
	say(f, "d %" PRIu64 " %" PRId64 " %s\n", connection, at_ms, reason ? reason : "-");
}

void feed_refused(struct feed *f, const char *reason, const uint8_t *id, const char *address)
{
	char device[UUID_TEXT + 1];

	say(f, "x %s %s %s\n", reason, text_of(id, device), word(address));
}

void feed_refused_many(struct feed *f, unsigned long count)
{
	say(f, "x many - %lu\n", count);
}

void feed_tell_begin(struct feed *f)
{
	say(f, "n\n");
}

void feed_tell_end(struct feed *f)
{
	say(f, "o\n");
}

bool feed_told_again(struct feed *f)
{
	bool again = f->overflow;

	f->overflow = false;
	if (again && f->synced)
		acknowledge(f);
	return again;
}

bool feed_has_room(const struct feed *f)
{
	return FEED_RING - f->held > FEED_RING / 2;
}

struct slice feed_output(const struct feed *f)
{
	size_t part = FEED_RING - f->first;

	return (
	    struct slice){ (const uint8_t *)f->ring + f->first, part < f->held ? part : f->held };
}

void feed_sent(struct feed *f, size_t n)
{
	if (n > 0)
		f->cut = f->ring[(f->first + n - 1) % FEED_RING] != '\n';
	f->held -= n;
	f->first = f->held ? (f->first + n) % FEED_RING : 0; /* few of its pages are ever touched */
}

/* --- verbs: NULL, or what is wrong --- */

static const char *greeting(struct feed *f, const struct words *l)
{
	uint64_t version, epoch, seq;

	if (f->greeted)
		return "a second greeting";
	if (!word_number(l->at[1], &version) || version != 1)
		return "another version of the feed";
	if (!word_number(l->at[2], &epoch) || epoch == 0 || !word_number(l->at[3], &seq))
		return "epoch or number";
	f->greeted = true;
	f->its_epoch = epoch;
	return NULL;
}

static const char *snapshot_begin(struct feed *f, const struct words *l)
{
	(void)l;
	if (f->snapshot)
		return "a snapshot within a snapshot";
	f->snapshot = true;
	for (unsigned i = 0; i < f->authorities; i++)
		f->authority[i].seen = false;
	roster_mark(f->roster);
	return NULL;
}

static void gone(void *ctx, const uint8_t id[16])
{
	struct feed *f = ctx;

	f->events->changed(f->ctx, id, false);
}

static const char *applied(struct feed *f, uint64_t seq)
{
	f->epoch = f->its_epoch;
	f->seq = seq;
	f->synced = true;
	acknowledge(f);
	return NULL;
}

static void authority_drop(struct feed *f, unsigned i)
{
	f->authority[i] = f->authority[--f->authorities];
	f->events->authorities(f->ctx);
}

/* A snapshot names all device authorities; one without any leaves them to the configuration. */
static void authorities_sweep(struct feed *f)
{
	bool any = false;

	for (unsigned i = 0; i < f->authorities; i++)
		any |= f->authority[i].seen;
	for (unsigned i = f->authorities; any && i-- > 0;)
		if (!f->authority[i].seen)
			authority_drop(f, i);
}

static const char *snapshot_end(struct feed *f, const struct words *l)
{
	uint64_t seq;

	if (!f->snapshot || !word_number(l->at[1], &seq))
		return "the end of a snapshot";
	f->snapshot = false;
	authorities_sweep(f);
	roster_sweep(f->roster, gone, f);
	return applied(f, seq);
}

static const char *device(struct feed *f, const struct words *l)
{
	struct roster_device d;
	uint64_t until;

	if (uuid_parse(l->at[1], d.id) != OK)
		return "device";
	if (!word_flag(l->at[2], &d.enabled))
		return "enabled: 0 or 1";
	if (!id_or_none(l->at[3], d.thing))
		return "thing";
	if (!print_or_none(l->at[4], d.print[0]) || !print_or_none(l->at[5], d.print[1]))
		return "fingerprint";
	if (!word_number(l->at[6], &until) || until > INT64_MAX)
		return "notAfter";
	d.not_after = (int64_t)until;
	if (roster_put(f->roster, &d) != OK)
		return "no memory for another device";
	f->events->changed(f->ctx, d.id, false);
	return NULL;
}

static const char *authority(struct feed *f, const struct words *l)
{
	uint8_t key_id[20];
	bool accepted;
	unsigned i;

	if (!word_hex(l->at[1], key_id, sizeof(key_id)) || !word_flag(l->at[2], &accepted))
		return "device authority";
	if (accepted)
		return feed_authority(f, key_id) == OK ? NULL : "too many device authorities";
	if ((i = authority_find(f, key_id)) < f->authorities)
		authority_drop(f, i);
	return NULL;
}

static const char *removed(struct feed *f, const struct words *l)
{
	uint8_t id[16];

	if (uuid_parse(l->at[1], id) != OK)
		return "device";
	if (roster_remove(f->roster, id))
		f->events->changed(f->ctx, id, false);
	return NULL;
}

static const char *kicked(struct feed *f, const struct words *l)
{
	uint8_t id[16];

	if (uuid_parse(l->at[1], id) != OK)
		return "device";
	f->events->changed(f->ctx, id, true);
	return NULL;
}

static const char *sync_point(struct feed *f, const struct words *l)
{
	uint64_t seq;

	if (f->snapshot || !word_number(l->at[1], &seq))
		return "number";
	if (f->its_epoch != f->epoch)
		return "a number of another epoch, and no snapshot before it";
	return applied(f, seq);
}

static const char *ping(struct feed *f, const struct words *l)
{
	(void)l;
	say(f, "p\n");
	return NULL;
}

static const char *tell_all(struct feed *f, const struct words *l)
{
	(void)l;
	f->events->tell_all(f->ctx);
	return NULL;
}

static const struct {
	const char *verb;
	size_t fields; /* with the verb */
	const char *(*run)(struct feed *f, const struct words *l);
} verbs[] = {
	{ "v", 4, greeting },
	{ "b", 1, snapshot_begin },
	{ "e", 2, snapshot_end },
	{ "a", 7, device },
	{ "ca", 3, authority },
	{ "r", 2, removed },
	{ "k", 2, kicked },
	{ "s", 2, sync_point },
	{ "p", 1, ping },
	{ "n", 1, tell_all },
};

static const char *take_line(void *ctx, const struct words *line)
{
	struct feed *f = ctx;

	for (size_t i = 0; i < COUNT(verbs); i++) {
		if (!word_is(line->at[0], verbs[i].verb))
			continue;
		if (line->n != verbs[i].fields)
			return "another number of fields";
		if (!f->greeted && i != 0)
			return "no greeting before it";
		return verbs[i].run(f, line);
	}
	return NULL; /* a later server's */
}

enum err feed_take(struct feed *f, struct slice in, const char **why)
{
	*why = words_take(&f->reader, in, take_line, f);
	return *why ? ERR_FORMAT : OK;
}

void feed_lost(struct feed *f)
{
	f->snapshot = f->greeted = f->synced = f->cut = false;
	f->first = f->held = 0;
	words_reset(&f->reader);
}
