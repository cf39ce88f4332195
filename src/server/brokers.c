#include "broker_table.h"
#include "feed_source.h"
#include "local.h"
#include "p256.h"
#include "visit_writer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINKS_MAX (BROKERS_MAX + 16) /* some have not said yet who they are */
#define BACKLOG 16
#define PING_MS 5000
#define LOOK_MS 1000
#define PIECE 65536
#define PIECES 4     /* a turn */
#define DEAF_MS 1000 /* without descriptors */
#define SETTING "brokers"

static const char closed[] = "the broker has closed the feed";

struct link {
	struct brokers *all;
	struct broker *broker; /* NULL until it has greeted */
	struct feed_server feed;
	struct feed_cursor cursor;
	int fd;
	int64_t heard, pinged; /* ticks */
	bool more;             /* to say */
	bool crowded;          /* there was no room for a visit: said once */
	const char *over;      /* it is to be closed, and why */
};

struct brokers {
	struct brokers_options options;
	struct local socket;
	uid_t user;
	int wake; /* eventfd */
	pthread_t thread;
	bool thread_runs;
	uint64_t epoch;
	struct feed_source source;
	struct link *link[LINKS_MAX];
	unsigned links;
	int64_t deaf_until; /* ticks */
	atomic_bool stopping;
	atomic_ullong seq;
	struct visit_writer visits;
	struct broker_table table;
	int64_t noted;          /* ticks: when the registry was told which brokers there are */
	atomic_uint unanswered; /* by it */
};

/* Milliseconds that never run backwards, and go on while the computer sleeps. */
static int64_t ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t wall(const struct brokers *b)
{
	return b->options.now_ms(b->options.ctx);
}

static void wake(struct brokers *b)
{
	uint64_t one = 1;

	if (write(b->wake, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

static void store_answered(void *ctx)
{
	wake(ctx);
}

/* --- asked --- */

/*
 * With -Dtest_hooks=true IMPRINT_TEST_REACH says other milliseconds, for tests of brokers that hear, on computers
 * that keep a process waiting.
 */
static unsigned patience(unsigned ms)
{
#ifdef IMPRINT_TEST_HOOKS
	const char *other = getenv("IMPRINT_TEST_REACH");

	if (other)
		return (unsigned)strtoul(other, NULL, 10);
#endif
	return ms;
}

void brokers_reach(
    struct brokers *b, uint64_t seq, unsigned limit_ms, brokers_done *done, void *ctx)
{
	int64_t now = ticks();

	if (!b)
		done(ctx, 0, "");
	else if (broker_table_wait(&b->table, seq, now, now + patience(limit_ms), done, ctx))
		wake(b);
}

void brokers_changed(struct brokers *b, uint32_t tenant, uint64_t seq)
{
	unsigned long long known;

	if (!b || tenant != b->options.tenant || seq == 0)
		return;
	known = atomic_load(&b->seq);
	while (known < seq && !atomic_compare_exchange_weak(&b->seq, &known, seq))
		;
	wake(b);
}

uint64_t brokers_seq(struct brokers *b)
{
	uint64_t known, seq, visit;

	if (!b)
		return 0;
	known = atomic_load(&b->seq);
	/* A commit can be read a moment before brokers_changed is called for it. */
	if (store_numbers(b->options.store, b->options.tenant, &seq, &visit, NULL) == OK &&
	    seq > known)
		return seq;
	return known;
}

void brokers_each(
    struct brokers *b, bool (*each)(void *ctx, const struct broker_state *broker), void *ctx)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->table.lock);
	for (unsigned i = 0; i < b->table.n; i++) {
		struct broker_state state = b->table.broker[i]->state;
		int place = b->table.broker[i]->place;

		if (b->table.broker[i]->fate == BROKER_GONE)
			continue;
		if (place >= 0)
			state.boards = presence_at(b->options.presences, place);
		if (!each(ctx, &state))
			break;
	}
	pthread_mutex_unlock(&b->table.lock);
}

enum err brokers_forget(
    struct brokers *b, const char *name, struct store_change *change, struct errbuf *eb)
{
	char *text = NULL;
	enum err e = ERR_NOT_FOUND;

	if (!b)
		return err_set(eb, e, "there are no brokers");
	if ((e = broker_table_forget(&b->table, name, ticks(), &text, eb)) == OK)
		store_setting_put(change, SETTING, text);
	free(text);
	return e;
}

void brokers_forgotten(struct brokers *b, const char *name, enum err e)
{
	broker_table_forgotten(&b->table, name, e == OK);
	wake(b);
}

/* --- what a broker says --- */

/* The broker's clock may be ahead of ours. */
static int64_t not_later(const struct brokers *b, int64_t at)
{
	int64_t now = wall(b);

	return at < now ? at : now;
}

static void link_over(struct link *l, const char *why);

/* --- where boards were --- */

static bool is_known(void *ctx, const char *name, int place, int64_t at)
{
	struct brokers *b = ctx;

	(void)place, (void)at;
	return broker_table_find(&b->table, name) != NULL;
}

/* A broker has made room for another, or was forgotten. */
static void places_sweep(struct brokers *b)
{
	presence_sweep(b->options.presences, is_known, b, wall(b));
}

/* A broker stays known for its boards, even when it has been away for so long that it lets nobody in. */
static bool recall_place(void *ctx, const char *name, int place, int64_t at)
{
	struct brokers *b = ctx;
	struct broker *broker = broker_table_find(&b->table, name);

	if (!broker && (broker = broker_table_add(&b->table, name, ticks()))) {
		broker->heard = ticks() - BROKERS_SILENT_MS - 1;
		broker->lasts = 0;
		broker->holds = true;
		broker->state.heard = broker->state.since = at;
	}
	if (broker)
		broker->place = place;
	return broker != NULL;
}

static const char *on_greeted(void *ctx)
{
	struct link *l = ctx;
	struct brokers *b = l->all;
	struct broker *broker = broker_table_find(&b->table, l->feed.name);
	int place;

	/* The same start of it again: its former connection is over, whether that shows or not. */
	if (broker && broker->link) {
		if (memcmp(broker->boot, l->feed.boot, FEED_BOOT) != 0)
			return "another broker of this name is connected; see plugin_opt_name";
		link_over(broker->link, "the broker has connected anew");
	}
	place = presence_greet(b->options.presences, l->feed.name, l->feed.boot, wall(b));
	if (place < 0)
		return "too many brokers";
	if (!broker) {
		if (!(broker = broker_table_add(&b->table, l->feed.name, ticks())))
			return "too many brokers";
		places_sweep(b);
	}
	feed_source_begin(&l->cursor, &l->feed, atomic_load(&b->seq));
	pthread_mutex_lock(&b->table.lock);
	broker->link = l;
	broker->fate = BROKER_STAYS;
	broker->heard = l->heard;
	broker->place = place;
	broker->lost = broker->holds = false;
	broker->lasts = l->feed.lasts_ms;
	memcpy(broker->boot, l->feed.boot, FEED_BOOT);
	broker->state.speaks = true;
	broker->state.synced = false;
	broker->state.seq = l->feed.acked;
	broker->state.heard = broker->state.since = wall(b);
	broker->state.snapshots += l->cursor.snapshot;
	broker->state.deltas += !l->cursor.snapshot;
	pthread_mutex_unlock(&b->table.lock);
	l->broker = broker;
	l->more = true;
	b->noted = 0;
	LOG(b->options.log, LOG_LEVEL_INFO, "broker_joined", LOG_TEXT("name", l->feed.name),
	    LOG_TEXT("told", l->cursor.snapshot ? "everything" : "what has changed"));
	return NULL;
}

static void on_applied(void *ctx, uint64_t seq)
{
	struct link *l = ctx;
	struct brokers *b = l->all;

	pthread_mutex_lock(&b->table.lock);
	l->broker->state.seq = seq;
	l->broker->state.synced = !l->cursor.snapshot;
	pthread_mutex_unlock(&b->table.lock);
}

static void on_connected(void *ctx, const struct feed_board *board)
{
	struct link *l = ctx;
	struct presence_visit visit = { .connection = board->connection,
		.address = board->address,
		.protocol = board->protocol,
		.began = not_later(l->all, board->at) };

	memcpy(visit.device, board->device, sizeof(visit.device));
	memcpy(visit.print, board->print, sizeof(visit.print));
	/* Its broker goes on hearing who is wanted: that matters more than who is there. */
	if (presence_came(l->all->options.presences, l->broker->place, &visit) != OK &&
	    !l->crowded) {
		l->crowded = true;
		LOG(l->all->options.log, LOG_LEVEL_ERROR, "visits_not_recorded",
		    LOG_TEXT("broker", l->feed.name),
		    LOG_TEXT("reason", "too many boards are connected, or no memory"));
	}
	if (l->feed.telling)
		return;
	pthread_mutex_lock(&l->all->table.lock);
	l->broker->state.admitted++;
	pthread_mutex_unlock(&l->all->table.lock);
}

static void on_left(void *ctx, uint64_t connection, int64_t at, const char *reason)
{
	struct link *l = ctx;

	presence_left(
	    l->all->options.presences, l->broker->place, connection, not_later(l->all, at), reason);
}

static enum brokers_reason reason_of(const char *word)
{
	static const char *const words[] = {
#define REASON(name, word, text) word,
#include "reasons.def"
#undef REASON
	};
	unsigned reason = BROKERS_REASONS - 1;

	while (reason > BROKERS_REASON_ADMIT && strcmp(word, words[reason]) != 0)
		reason--;
	return (enum brokers_reason)reason;
}

static void count_refused(struct link *l, enum brokers_reason reason, uint64_t n)
{
	pthread_mutex_lock(&l->all->table.lock);
	l->broker->state.refused += n;
	l->broker->state.refused_by[reason] += n;
	pthread_mutex_unlock(&l->all->table.lock);
}

static void on_refused(void *ctx, const char *reason, const uint8_t *device, const char *address)
{
	struct link *l = ctx;
	struct brokers *b = l->all;

	count_refused(l, reason_of(reason), 1);
	if (device)
		presence_refused(
		    b->options.presences, l->broker->place, reason, device, address, wall(b));
}

static void on_refused_many(void *ctx, uint64_t count)
{
	count_refused(ctx, BROKERS_REASON_ADMIT, count);
}

static void on_tells(void *ctx, bool whole)
{
	struct link *l = ctx;
	struct presences *p = l->all->options.presences;

	if (whole)
		presence_told(p, l->broker->place, wall(l->all));
	else
		presence_tells(p, l->broker->place);
}

static const struct feed_server_events feed_events = { on_greeted, on_applied, on_connected,
	on_left, on_refused, on_refused_many, on_tells };

/* --- connections --- */

/* Nothing more is read or said; the slot is given back at the end of the turn. */
static void link_over(struct link *l, const char *why)
{
	struct brokers *b = l->all;
	struct broker *broker = l->broker;

	if (!l->over)
		l->over = why;
	l->broker = NULL;
	if (!broker) {
		/* Somebody looked whether we are there. */
		LOG(b->options.log, why == closed ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
		    "feed_refused", LOG_TEXT("reason", l->over));
		return;
	}
	pthread_mutex_lock(&b->table.lock);
	broker->link = NULL;
	broker->heard = l->heard;
	broker->state.speaks = broker->state.synced = false;
	broker->state.since = wall(b);
	pthread_mutex_unlock(&b->table.lock);
	LOG(b->options.log, atomic_load(&b->stopping) ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
	    "broker_left", LOG_TEXT("name", broker->state.name), LOG_TEXT("reason", l->over));
}

static void links_sweep(struct brokers *b)
{
	for (unsigned i = 0; i < b->links;) {
		struct link *l = b->link[i];

		if (!l->over) {
			i++;
			continue;
		}
		if (l->broker)
			link_over(l, l->over);
		close(l->fd);
		feed_server_free(&l->feed);
		free(l);
		b->link[i] = b->link[--b->links];
	}
}

static enum err peer_check(const struct brokers *b, int fd, struct errbuf *eb)
{
	uid_t uid = 0;
	enum err e = local_peer(fd, &uid, eb);

	if (e != OK || uid == 0 || uid == geteuid() || (b->options.user && uid == b->user))
		return e;
	return err_set(eb, ERR_DENIED, "user %u may not be a broker; see --broker-user", uid);
}

static enum err link_open(struct brokers *b, int fd, struct errbuf *eb)
{
	struct link *l;
	enum err e;

	if ((e = peer_check(b, fd, eb)) != OK)
		return e;
	if (b->links == LINKS_MAX || !(l = calloc(1, sizeof(*l))))
		return err_set(eb, ERR_SPACE, "too many brokers");
	*l = (struct link){ .all = b, .fd = fd, .heard = ticks(), .pinged = ticks() };
	if ((e = feed_server_init(&l->feed, &feed_events, l, b->epoch, atomic_load(&b->seq), eb)) !=
	    OK) {
		free(l);
		return e;
	}
	b->link[b->links++] = l;
	return OK;
}

static void accept_all(struct brokers *b)
{
	int fd;

	while ((fd = accept4(b->socket.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct errbuf eb = { "" };

		if (link_open(b, fd, &eb) == OK)
			continue;
		LOG(b->options.log, LOG_LEVEL_WARNING, "feed_refused", LOG_TEXT("reason", eb.text));
		close(fd);
	}
	if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		b->deaf_until = ticks() + DEAF_MS;
}

static void link_heard(struct link *l, int64_t now)
{
	l->heard = now;
	if (!l->broker)
		return;
	pthread_mutex_lock(&l->all->table.lock);
	l->broker->heard = now;
	l->broker->state.heard = wall(l->all);
	pthread_mutex_unlock(&l->all->table.lock);
}

static void link_read(struct link *l, int64_t now)
{
	uint8_t bytes[PIECE];
	const char *why;

	for (int i = 0; i < PIECES && !l->over; i++) {
		ssize_t n = recv(l->fd, bytes, sizeof(bytes), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			link_over(l, n == 0 ? closed : strerror(errno));
			return;
		}
		link_heard(l, now);
		if (feed_server_take(&l->feed, (struct slice){ bytes, (size_t)n }, &why) != OK)
			link_over(l, why);
	}
}

static void link_say(struct link *l)
{
	struct brokers *b = l->all;
	struct errbuf eb = { "" };
	uint64_t seq = atomic_load(&b->seq);

	if (!l->broker || l->over)
		return;
	l->more = l->cursor.snapshot || l->cursor.said < seq;
	if (l->more &&
	    feed_source_more(&b->source, &l->cursor, &l->feed, seq, &l->more, &eb) != OK) {
		LOG(b->options.log, LOG_LEVEL_ERROR, "feed_not_read", LOG_TEXT("reason", eb.text));
		link_over(l, "the registry cannot be read"); /* it does not count as fresh */
	}
}

static void link_write(struct link *l)
{
	struct slice out;

	while (!l->over && (out = feed_server_output(&l->feed)).n > 0) {
		ssize_t n = send(l->fd, out.p, out.n, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			link_over(l, strerror(errno));
		else
			feed_server_sent(&l->feed, (size_t)n);
	}
}

static void link_look(struct link *l, int64_t now)
{
	if (l->over)
		return;
	if (now - l->heard > BROKERS_SILENT_MS) {
		link_over(l, "the broker is silent");
	} else if (now - l->pinged >= PING_MS && feed_server_has_room(&l->feed, 1)) {
		feed_server_ping(&l->feed);
		l->pinged = now;
	}
	if (feed_server_failed(&l->feed))
		link_over(l, "no room for a line");
}

/* --- which brokers there are, across a start --- */

/* On the committing thread. It is tried again in a minute. */
static void noted(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct brokers *b = ctx;

	(void)seq;
	if (e != OK)
		LOG(b->options.log, LOG_LEVEL_ERROR, "brokers_not_noted",
		    LOG_TEXT("error", err_name(e)), LOG_TEXT("reason", eb->text));
	atomic_fetch_sub(&b->unanswered, 1);
	wake(b);
}

/*
 * A broker that is away while we begin anew may let in by the list that it has, and must be named as one
 * that has not heard.
 */
static void note(struct brokers *b, int64_t now)
{
	struct store_change *c;
	char *text;

	if (b->table.n == 0 || b->table.leaving > 0)
		return;
	b->noted = now;
	if (!(text = broker_table_text(&b->table, now)))
		return;
	if ((c = store_change_new(b->options.tenant)))
		store_setting_put(c, SETTING, text);
	free(text);
	atomic_fetch_add(&b->unanswered, 1);
	store_submit(b->options.store, c, noted, b);
}

static void brokers_note(struct brokers *b, int64_t now)
{
	if (b->noted != 0 && now - b->noted < BROKER_TABLE_NOTED_MS)
		return;
	pthread_mutex_lock(&b->table.lock);
	note(b, now);
	pthread_mutex_unlock(&b->table.lock);
}

static enum err brokers_recall(struct brokers *b, struct errbuf *eb)
{
	char *text = NULL;
	enum err e = store_setting_get(b->options.store, b->options.tenant, SETTING, &text, eb);

	if (e == OK)
		broker_table_read(&b->table, text, ticks(), wall(b));
	free(text);
	presence_sweep(b->options.presences, recall_place, b, wall(b));
	return e == ERR_NOT_FOUND ? OK : e;
}

/* --- the thread --- */

/* What was at brokers that are gone for too long is not known to be there. */
static void brokers_look(struct brokers *b, int64_t now)
{
	for (unsigned i = 0; i < b->table.n; i++) {
		struct broker *broker = b->table.broker[i];

		if (broker->link || broker->lost || now - broker->heard <= BROKERS_SILENT_MS)
			continue;
		broker->lost = true;
		if (broker->place < 0)
			continue;
		presence_lost(b->options.presences, broker->place, broker->state.heard);
		pthread_mutex_lock(&b->table.lock);
		broker->holds = presence_lasts(b->options.presences, broker->place);
		broker->place = -1;
		pthread_mutex_unlock(&b->table.lock);
	}
}

static void brokers_sweep(struct brokers *b)
{
	struct broker *gone;
	bool any = false;

	while ((gone = broker_table_take_gone(&b->table)) != NULL) {
		if (!gone->lost && gone->place >= 0)
			presence_lost(b->options.presences, gone->place, gone->state.heard);
		LOG(b->options.log, LOG_LEVEL_INFO, "broker_forgotten",
		    LOG_TEXT("name", gone->state.name));
		free(gone);
		any = true;
	}
	if (any)
		places_sweep(b);
}

static int limit_of(struct brokers *b, bool busy)
{
	int64_t now = ticks(), until = broker_table_next(&b->table, now + LOOK_MS);

	for (unsigned i = 0; i < b->links; i++)
		busy |= b->link[i]->more && feed_server_output(&b->link[i]->feed).n == 0;
	return busy || until <= now ? 0 : (int)(until - now);
}

static void wait_for_work(struct brokers *b, bool busy)
{
	struct pollfd fds[2 + LINKS_MAX];
	unsigned n = b->links;
	uint64_t count;
	int64_t now;

	fds[0] = (struct pollfd){ .fd = b->wake, .events = POLLIN };
	fds[1] =
	    (struct pollfd){ .fd = b->socket.fd, .events = ticks() < b->deaf_until ? 0 : POLLIN };
	for (unsigned i = 0; i < n; i++) {
		bool waits = feed_server_output(&b->link[i]->feed).n > 0;

		fds[2 + i] = (struct pollfd){ .fd = b->link[i]->fd,
			.events = waits ? POLLIN | POLLOUT : POLLIN };
	}
	if (poll(fds, 2 + n, limit_of(b, busy)) < 0)
		return;
	if ((fds[0].revents & POLLIN) && read(b->wake, &count, sizeof(count)) < 0)
		return;
	now = ticks();
	for (unsigned i = 0; i < n; i++)
		if (fds[2 + i].revents & (POLLIN | POLLHUP | POLLERR) && !b->link[i]->over)
			link_read(b->link[i], now);
	if (fds[1].revents & POLLIN)
		accept_all(b);
}

static void *work(void *ctx)
{
	struct brokers *b = ctx;
	bool busy = false;

	while (!atomic_load(&b->stopping)) {
		wait_for_work(b, busy);
		for (unsigned i = 0; i < b->links; i++) {
			link_say(b->link[i]);
			link_look(b->link[i], ticks());
			link_write(b->link[i]);
		}
		links_sweep(b);
		brokers_sweep(b);
		brokers_look(b, ticks());
		broker_table_answer(&b->table, ticks());
		brokers_note(b, ticks());
		busy = visit_writer_turn(&b->visits, ticks());
	}
	return NULL;
}

/* --- its life --- */

static enum err user_find(struct brokers *b, struct errbuf *eb)
{
	const char *name = b->options.user;
	struct passwd pw, *found = NULL;
	char text[4096], *end;
	unsigned long number;

	if (!name)
		return OK;
	errno = 0;
	number = strtoul(name, &end, 10);
	if (end != name && *end == '\0' && errno == 0 && number < UINT_MAX) {
		b->user = (uid_t)number;
		return OK;
	}
	if (getpwnam_r(name, &pw, text, sizeof(text), &found) != 0 || !found)
		return err_set(eb, ERR_NOT_FOUND, "--broker-user %s: there is no such user", name);
	b->user = pw.pw_uid;
	return OK;
}

static enum err epoch_draw(struct brokers *b, struct errbuf *eb)
{
	uint8_t random[8];

	if (random_bytes(random, sizeof(random)) != OK)
		return err_set(eb, ERR_IO, "no random numbers");
	b->epoch = (uint64_t)load_be32(random) << 32 | load_be32(random + 4) | 1; /* 0 is none */
	return OK;
}

static enum err open_parts(struct brokers *b, struct errbuf *eb)
{
	uint64_t seq, visit;
	enum err e;

	if ((b->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return err_set(eb, ERR_IO, "eventfd: %s", strerror(errno));
	if ((e = user_find(b, eb)) != OK || (e = epoch_draw(b, eb)) != OK ||
	    (e = feed_source_init(&b->source, b->options.store, b->options.tenant, eb)) != OK ||
	    (e = brokers_recall(b, eb)) != OK ||
	    (e = store_numbers(b->options.store, b->options.tenant, &seq, &visit, eb)) != OK)
		return e;
	atomic_store(&b->seq, seq);
	/* Who may connect is looked at then; the mode says who may try. */
	return local_listen(
	    b->options.socket, b->options.user ? 0666 : 0600, BACKLOG, &b->socket, eb);
}

enum err brokers_start(
    const struct brokers_options *options, struct brokers **out, struct errbuf *eb)
{
	struct brokers *b = calloc(1, sizeof(*b));
	enum err e;

	if (!b)
		return err_set(eb, ERR_MEMORY, "no memory for brokers");
	broker_table_init(&b->table);
	b->options = *options;
	b->socket = LOCAL_CLOSED;
	b->wake = -1;
	b->visits = (struct visit_writer){ .store = options->store,
		.tenant = options->tenant,
		.presences = options->presences,
		.log = options->log,
		.now_ms = options->now_ms,
		.ctx = options->ctx,
		.answered = store_answered,
		.answered_ctx = b };
	e = open_parts(b, eb);
	if (e == OK && pthread_create(&b->thread, NULL, work, b) != 0)
		e = err_set(eb, ERR_MEMORY, "no thread for brokers");
	if (e != OK) {
		brokers_free(b);
		return e;
	}
	b->thread_runs = true;
	*out = b;
	return OK;
}

/* The store has answered everything that it was given. */
static void flush(struct brokers *b)
{
	struct pollfd fd = { .fd = b->wake, .events = POLLIN };
	uint64_t count;

	while (visit_writer_turn(&b->visits, ticks()) || visit_writer_waits(&b->visits) ||
	       atomic_load(&b->unanswered) > 0)
		if (poll(&fd, 1, LOOK_MS) > 0 && read(b->wake, &count, sizeof(count)) < 0)
			continue;
}

void brokers_stop(struct brokers *b)
{
	if (!b || !b->thread_runs)
		return;
	atomic_store(&b->stopping, true);
	wake(b);
	pthread_join(b->thread, NULL);
	b->thread_runs = false;
	for (unsigned i = 0; i < b->links; i++)
		link_over(b->link[i], "the server is being stopped");
	links_sweep(b);
	local_close(&b->socket);
	b->noted = 0;
	brokers_note(b, ticks());
	flush(b);
	broker_table_stop(&b->table, ticks());
}

void brokers_free(struct brokers *b)
{
	if (!b)
		return;
	brokers_stop(b);
	local_close(&b->socket);
	feed_source_free(&b->source);
	if (b->wake >= 0)
		close(b->wake);
	visit_writer_end(&b->visits);
	broker_table_free(&b->table);
	free(b);
}
