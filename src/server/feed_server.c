#include "feed_server.h"
#include "text.h"
#include "uuid.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE 256 /* longer than any that is said */

static const char name_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
static const char reason_chars[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

/* --- lines to the broker --- */

static void say(struct feed_server *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct feed_server *f, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!feed_server_has_room(f, 1)) {
		f->overflow = true;
		return;
	}
	if (FEED_SERVER_BUFFER - f->end < LINE) {
		memmove(f->buffer, f->buffer + f->first, f->end - f->first);
		f->end -= f->first;
		f->first = 0;
	}
	va_start(ap, fmt);
	n = vsnprintf(f->buffer + f->end, LINE, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= LINE)
		f->overflow = true;
	else
		f->end += (size_t)n;
}

bool feed_server_has_room(const struct feed_server *f, size_t lines)
{
	return FEED_SERVER_BUFFER - (f->end - f->first) >= lines * LINE;
}

bool feed_server_failed(const struct feed_server *f)
{
	return f->overflow;
}

struct slice feed_server_output(const struct feed_server *f)
{
	return (struct slice){ (const uint8_t *)f->buffer + f->first, f->end - f->first };
}

void feed_server_sent(struct feed_server *f, size_t n)
{
	f->first += n;
	if (f->first == f->end)
		f->first = f->end = 0;
}

enum err feed_server_init(struct feed_server *f, const struct feed_server_events *events, void *ctx,
    uint64_t epoch, uint64_t seq, struct errbuf *eb)
{
	char *buffer = malloc(FEED_SERVER_BUFFER);

	if (!buffer)
		return err_set(eb, ERR_MEMORY, "no memory for another broker");
	*f = (struct feed_server){ .events = events,
		.ctx = ctx,
		.our_epoch = epoch,
		.said = seq,
		.lasts_ms = FEED_SERVER_LASTS_MS,
		.buffer = buffer };
	say(f, "v 1 %" PRIu64 " %" PRIu64 "\n", epoch, seq);
	return OK;
}

void feed_server_free(struct feed_server *f)
{
	free(f->buffer);
	f->buffer = NULL;
}

static const char *id_text(const uint8_t id[16], char text[UUID_TEXT + 1])
{
	if (ct_zero(id, 16))
		return "-";
	uuid_text(id, text);
	text[UUID_TEXT] = '\0';
	return text;
}

static const char *print_text(const uint8_t print[LIVE_PRINT], char text[2 * LIVE_PRINT + 1])
{
	if (ct_zero(print, LIVE_PRINT))
		return "-";
	hex_encode((struct slice){ print, LIVE_PRINT }, HEX_LOWER, text);
	return text;
}

void feed_server_begin(struct feed_server *f)
{
	say(f, "b\n");
}

void feed_server_authority(struct feed_server *f, const uint8_t key_id[20], bool accepted)
{
	char hex[41];

	hex_encode((struct slice){ key_id, 20 }, HEX_LOWER, hex);
	say(f, "ca %s %d\n", hex, accepted);
}

void feed_server_device(struct feed_server *f, const struct live_device *d)
{
	char id[UUID_TEXT + 1], thing[UUID_TEXT + 1], print[LIVE_MAX][2 * LIVE_PRINT + 1];

	uuid_text(d->id, id);
	id[UUID_TEXT] = '\0';
	say(f, "a %s %d %s %s %s %" PRId64 "\n", id, d->enabled, id_text(d->thing, thing),
	    print_text(d->print[0], print[0]), print_text(d->print[1], print[1]),
	    d->not_after > 0 ? d->not_after : 0);
}

static void say_id(struct feed_server *f, const char *verb, const uint8_t device[16])
{
	char id[UUID_TEXT + 1];

	uuid_text(device, id);
	id[UUID_TEXT] = '\0';
	say(f, "%s %s\n", verb, id);
}

void feed_server_gone(struct feed_server *f, const uint8_t device[16])
{
	say_id(f, "r", device);
}

void feed_server_kick(struct feed_server *f, const uint8_t device[16])
{
	say_id(f, "k", device);
}

static void say_number(struct feed_server *f, const char *verb, uint64_t seq)
{
	if (f->said < seq)
		f->said = seq;
	say(f, "%s %" PRIu64 "\n", verb, seq);
}

void feed_server_end(struct feed_server *f, uint64_t seq)
{
	say_number(f, "e", seq);
}

void feed_server_number(struct feed_server *f, uint64_t seq)
{
	say_number(f, "s", seq);
}

void feed_server_ping(struct feed_server *f)
{
	say(f, "p\n");
}

/* --- words --- */

/* A word of these characters, at most cap - 1 of them. */
static bool text_word(struct slice word, const char *chars, char *out, size_t cap)
{
	if (word.n == 0 || word.n >= cap)
		return false;
	for (size_t i = 0; i < word.n; i++)
		if (!strchr(chars, word.p[i]))
			return false;
	memcpy(out, word.p, word.n);
	out[word.n] = '\0';
	return true;
}

static bool time_word(struct slice word, int64_t *at)
{
	uint64_t ms;

	if (!word_number(word, &ms) || ms > INT64_MAX)
		return false;
	*at = (int64_t)ms;
	return true;
}

/* What is no address of ours to show is none. */
static void address_word(struct slice word, char address[46])
{
	address[0] = '\0';
	if (word_absent(word) || word.n > 45)
		return;
	memcpy(address, word.p, word.n);
	address[word.n] = '\0';
}

static bool reason_word(struct slice word, char reason[STORE_REASON_MAX + 1])
{
	reason[0] = '\0';
	return word_absent(word) || text_word(word, reason_chars, reason, STORE_REASON_MAX + 1);
}

/* --- verbs: NULL, or what is wrong --- */

static const char *version(struct feed_server *f, const struct words *w)
{
	uint64_t number;

	if (f->versioned)
		return "a second greeting";
	if (!word_number(w->at[1], &number) || number != 1)
		return "another version of the feed";
	if (!word_hex(w->at[2], f->boot, FEED_BOOT) || !word_number(w->at[3], &f->epoch) ||
	    !word_number(w->at[4], &f->seq))
		return "boot, epoch or number";
	if (f->epoch == f->our_epoch && f->seq > f->said)
		return "a number that was never said";
	if (f->epoch == f->our_epoch)
		f->acked = f->seq;
	f->versioned = true;
	return NULL;
}

static const char *lasts(struct feed_server *f, const struct words *w)
{
	uint64_t seconds = 0;

	if (!word_absent(w->at[1]) && !word_number(w->at[1], &seconds))
		return "seconds";
	/* What is longer than a life is for ever. */
	f->lasts_ms = word_absent(w->at[1]) || seconds > INT32_MAX ? FEED_SERVER_FOR_EVER
	                                                           : (int64_t)seconds * 1000;
	return NULL;
}

static const char *name(struct feed_server *f, const struct words *w)
{
	if (!text_word(w->at[1], name_chars, f->name, sizeof(f->name)))
		return "name";
	f->greeted = true;
	return f->events->greeted(f->ctx);
}

/* Without a name behind its greeting it has the usual one. */
static const char *nameless(struct feed_server *f)
{
	memcpy(f->name, FEED_BROKER, sizeof(FEED_BROKER));
	f->greeted = true;
	return f->events->greeted(f->ctx);
}

static const char *applied(struct feed_server *f, const struct words *w)
{
	uint64_t seq;

	if (!word_number(w->at[1], &seq))
		return "number";
	if (seq > f->said || seq < f->acked)
		return "a number that was not said";
	f->acked = seq;
	f->events->applied(f->ctx, seq);
	return NULL;
}

static const char *connected(struct feed_server *f, const struct words *w)
{
	struct feed_board b = { .connection = 0 };
	uint64_t protocol;

	if (!word_number(w->at[1], &b.connection))
		return "connection";
	if (uuid_parse(w->at[2], b.device) != OK)
		return "device";
	if (!word_hex(w->at[3], b.print, sizeof(b.print)))
		return "fingerprint";
	if (!word_number(w->at[5], &protocol) || protocol < 3 || protocol > 5)
		return "protocol";
	if (!time_word(w->at[6], &b.at))
		return "time";
	address_word(w->at[4], b.address);
	b.protocol = (uint8_t)protocol;
	f->events->connected(f->ctx, &b);
	return NULL;
}

static const char *left(struct feed_server *f, const struct words *w)
{
	char reason[STORE_REASON_MAX + 1];
	uint64_t connection;
	int64_t at;

	if (!word_number(w->at[1], &connection))
		return "connection";
	if (!time_word(w->at[2], &at))
		return "time";
	if (!reason_word(w->at[3], reason))
		return "reason";
	f->events->left(f->ctx, connection, at, reason);
	return NULL;
}

static const char *refused(struct feed_server *f, const struct words *w)
{
	char reason[STORE_REASON_MAX + 1], address[46];
	uint8_t device[16];
	bool known = !word_absent(w->at[2]);
	uint64_t count;

	if (!reason_word(w->at[1], reason) || !reason[0])
		return "reason";
	if (known && uuid_parse(w->at[2], device) != OK)
		return "device";
	if (strcmp(reason, "many") == 0) {
		if (known || !word_number(w->at[3], &count))
			return "count";
		f->events->refused_many(f->ctx, count);
		return NULL;
	}
	address_word(w->at[3], address);
	f->events->refused(f->ctx, reason, known ? device : NULL, address);
	return NULL;
}

/* A list that was cut short, since its lines were lost, begins anew. */
static const char *tell(struct feed_server *f, const struct words *w)
{
	(void)w;
	f->telling = true;
	f->events->tells(f->ctx, false);
	return NULL;
}

static const char *told(struct feed_server *f, const struct words *w)
{
	(void)w;
	if (!f->telling)
		return "the end of a list";
	f->telling = false;
	f->events->tells(f->ctx, true);
	return NULL;
}

static const char *ping(struct feed_server *f, const struct words *w)
{
	(void)f;
	(void)w;
	return NULL;
}

static const struct {
	const char *verb;
	size_t fields; /* with the verb */
	const char *(*run)(struct feed_server *f, const struct words *w);
} verbs[] = {
	{ "v", 5, version },
	{ "l", 2, lasts },
	{ "i", 2, name },
	{ "s", 2, applied },
	{ "c", 7, connected },
	{ "d", 4, left },
	{ "x", 4, refused },
	{ "n", 1, tell },
	{ "o", 1, told },
	{ "p", 1, ping },
};
enum { VERSION, LASTS, NAME };

/* Whether this verb may come now; greets for those that give no name. */
static const char *in_order(struct feed_server *f, size_t verb)
{
	if (!f->versioned)
		return verb == VERSION ? NULL : "no greeting before it";
	if (verb == NAME || verb == LASTS)
		return f->greeted
		           ? "a name, or how long it goes on, that is not behind the greeting"
		           : NULL;
	return f->greeted || verb == VERSION ? NULL : nameless(f);
}

static const char *take_line(void *ctx, const struct words *w)
{
	struct feed_server *f = ctx;
	const char *why;

	for (size_t i = 0; i < COUNT(verbs); i++) {
		if (!word_is(w->at[0], verbs[i].verb))
			continue;
		if (w->n != verbs[i].fields)
			return "another number of fields";
		why = in_order(f, i);
		return why ? why : verbs[i].run(f, w);
	}
	return NULL; /* a later plugin's */
}

enum err feed_server_take(struct feed_server *f, struct slice in, const char **why)
{
	*why = words_take(&f->reader, in, take_line, f);
	return *why ? ERR_FORMAT : OK;
}
