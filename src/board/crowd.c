#include "crowd.h"
#include "emu_hal.h"
#include "program.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SPARE_FILES 128 /* beside one a board: what the rest of the process has open */
#define EVENTS 256      /* of one look */
#define LOOK_MS 100
#define BATCH 64    /* boards that are switched on between two looks at the others */
#define LATE_MS 100 /* a rate is made good for so long */

enum { STOP = CROWD_MAX, WAKE }; /* beside the numbers of boards */

struct member {
	struct crowd *crowd;
	struct emu *chip;
	struct se_hal hal;
	struct program *program;
	struct program_counts seen; /* are in the sums already */
	bool runs, online, again;
};

struct crowd {
	struct crowd_options o;
	int epoll, wake;
	atomic_bool stop;
	pthread_mutex_t mutex; /* one at a time adds; before at[n] all is the running thread's */
	atomic_size_t n;       /* added */
	size_t on;             /* switched on */
	uint64_t next_us;      /* when the next one may be switched on */
	uint64_t looked_ms;
	struct crowd_counts sums;
	char reason[240];
	uint64_t *due; /* when a board has to be looked at, though nothing came */
	struct member at[];
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t now_ms(void)
{
	return now_us() / 1000;
}

/* --- making it --- */

static enum err files_raise(size_t boards, struct errbuf *eb)
{
	struct rlimit files;
	rlim_t wanted = boards + SPARE_FILES;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_set(eb, ERR_IO, "limit of open files: %s", strerror(errno));
	if (files.rlim_cur == RLIM_INFINITY || files.rlim_cur >= wanted)
		return OK;
	if (files.rlim_max != RLIM_INFINITY && files.rlim_max < wanted)
		return err_set(eb, ERR_CONFLICT,
		    "%zu boards need %llu open files, this process may have %llu (ulimit -Hn)",
		    boards, (unsigned long long)wanted, (unsigned long long)files.rlim_max);
	files.rlim_cur = wanted;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		return err_set(eb, ERR_IO, "limit of open files: %s", strerror(errno));
	return OK;
}

static enum err watch(const struct crowd *c, int fd, uint32_t what, struct errbuf *eb)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = what };

	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		return err_set(eb, ERR_IO, "epoll: %s", strerror(errno));
	return OK;
}

/* Whether programs can be made at all is found out here, and not with the first board. */
static enum err program_try(const struct crowd_options *o, struct errbuf *eb)
{
	const struct program_options with = {
		.broker = o->broker, .anchor = o->anchor, .version = o->version
	};
	struct program *program = NULL;
	enum err e = program_new(&with, &program, eb);

	program_free(program);
	return e;
}

enum err crowd_new(const struct crowd_options *o, struct crowd **crowd, struct errbuf *eb)
{
	struct crowd *c;
	enum err e;

	if (o->max < 1 || o->max > CROWD_MAX)
		return err_set(eb, ERR_ARG, "a crowd has 1 to %d boards", CROWD_MAX);
	if ((e = program_try(o, eb)) != OK || (e = files_raise(o->max, eb)) != OK)
		return e;
	c = calloc(1, sizeof(*c) + o->max * sizeof(c->at[0]));
	if (c == NULL || (c->due = calloc(o->max, sizeof(*c->due))) == NULL) {
		free(c);
		return err_set(eb, ERR_MEMORY, "no memory for %zu boards", o->max);
	}
	c->o = *o;
	pthread_mutex_init(&c->mutex, NULL);
	atomic_init(&c->stop, false);
	atomic_init(&c->n, 0);
	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->epoll < 0 || c->wake < 0)
		e = err_set(eb, ERR_IO, "epoll: %s", strerror(errno));
	if (e == OK && (e = watch(c, c->wake, WAKE, eb)) == OK) {
		*crowd = c;
		return OK;
	}
	crowd_free(c);
	return e;
}

void crowd_free(struct crowd *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < atomic_load(&c->n); i++) {
		program_free(c->at[i].program);
		emu_free(c->at[i].chip);
	}
	if (c->epoll >= 0)
		close(c->epoll);
	if (c->wake >= 0)
		close(c->wake);
	pthread_mutex_destroy(&c->mutex);
	free(c->due);
	free(c);
}

/* --- what a board says --- */

static void happened(void *ctx, enum program_event event, const char *text)
{
	struct member *m = ctx;
	struct crowd_counts *sums = &m->crowd->sums;

	switch (event) {
	case PROGRAM_ONLINE:
		m->online = true;
		m->again = m->crowd->o.restless;
		sums->online++;
		sums->comings++;
		break;
	case PROGRAM_LOST:
		m->online = false;
		sums->online--;
		sums->lost++;
		break;
	case PROGRAM_REFUSED:
		sums->refused++;
		break;
	default:
		return;
	}
	if (event != PROGRAM_ONLINE)
		snprintf(m->crowd->reason, sizeof(m->crowd->reason), "%s", text);
}

/* --- from other threads --- */

static void wake(const struct crowd *c)
{
	(void)!write(c->wake, &(uint64_t){ 1 }, sizeof(uint64_t));
}

enum err crowd_add(struct crowd *c, struct emu *chip, struct errbuf *eb)
{
	struct program_options o = { .broker = c->o.broker,
		.anchor = c->o.anchor,
		.version = c->o.version,
		.quick = true,
		.event = happened };
	struct member *m;
	enum err e;
	size_t n;

	pthread_mutex_lock(&c->mutex);
	n = atomic_load(&c->n);
	m = &c->at[n];
	if (n == c->o.max) {
		e = err_set(eb, ERR_SPACE, "a crowd of %zu boards is full", c->o.max);
	} else {
		*m = (struct member){ .crowd = c, .hal = emu_hal(chip) };
		o.hal = &m->hal;
		o.ctx = m;
		e = program_new(&o, &m->program, eb);
	}
	if (e == OK) {
		m->chip = chip;
		atomic_store(&c->n, n + 1);
	}
	pthread_mutex_unlock(&c->mutex);
	if (e == OK)
		wake(c);
	return e;
}

void crowd_stop(struct crowd *c)
{
	atomic_store(&c->stop, true);
	wake(c);
}

/* --- running --- */

/*
 * Its descriptor may be another one than before, and that one another board's of a moment ago: what was closed
 * has left epoll by itself. Without it a board is looked at when it is due.
 */
static void arm(const struct crowd *c, size_t i)
{
	struct pollfd q = program_poll(c->at[i].program);
	struct epoll_event event = { .data.u32 = (uint32_t)i };

	if (q.fd < 0)
		return;
	event.events =
	    ((q.events & POLLIN) ? EPOLLIN : 0u) | ((q.events & POLLOUT) ? EPOLLOUT : 0u);
	if (epoll_ctl(c->epoll, EPOLL_CTL_MOD, q.fd, &event) != 0 && errno == ENOENT)
		(void)epoll_ctl(c->epoll, EPOLL_CTL_ADD, q.fd, &event);
}

static void count(struct crowd *c, struct member *m)
{
	struct program_counts now = program_counts(m->program);

	c->sums.handshakes += now.handshakes - m->seen.handshakes;
	c->sums.said += now.said - m->seen.said;
	c->sums.heard += now.heard - m->seen.heard;
	m->seen = now;
	if (m->runs != program_runs(m->program)) {
		m->runs = !m->runs;
		if (m->runs)
			c->sums.connecting++;
		else
			c->sums.connecting--;
		if (!m->runs && m->online) /* it cannot end so; and if it did, it is gone */
			c->sums.online--;
		m->online = m->online && m->runs;
	}
}

static void moved(struct crowd *c, size_t i, uint64_t now)
{
	struct member *m = &c->at[i];
	int patience = program_patience(m->program, now);

	count(c, m);
	arm(c, i);
	c->due[i] = patience < 0 ? UINT64_MAX : now + (uint64_t)patience;
}

static void begin_anew(struct crowd *c, struct member *m, uint64_t now)
{
	m->again = m->online = false;
	c->sums.online--;
	program_stop(m->program);
	(void)program_start(m->program, now);
}

static void member_run(struct crowd *c, size_t i)
{
	struct member *m = &c->at[i];
	uint64_t now = now_ms();

	program_run(m->program, now);
	if (m->again)
		begin_anew(c, m, now);
	moved(c, i, now);
}

static bool may_start(struct crowd *c, uint64_t us)
{
	uint64_t late = LATE_MS * 1000;

	if (c->o.rate == 0)
		return true;
	if (us < c->next_us)
		return false;
	c->next_us = (c->next_us + late < us ? us : c->next_us) + 1000000 / c->o.rate;
	return true;
}

/* Milliseconds until there is more to switch on; -1: when somebody adds a board. */
static int switch_on(struct crowd *c)
{
	size_t n = atomic_load(&c->n), end = n - c->on > BATCH ? c->on + BATCH : n;
	uint64_t us = now_us();

	while (c->on < end && may_start(c, us)) {
		struct member *m = &c->at[c->on];
		uint64_t now = now_ms();

		if (!program_start(m->program, now))
			snprintf(c->reason, sizeof(c->reason), "%s", program_text(m->program));
		moved(c, c->on++, now);
	}
	if (c->on == n)
		return -1;
	return c->on < end && c->next_us > us ? (int)((c->next_us - us) / 1000) + 1 : 0;
}

static void look(struct crowd *c, uint64_t now)
{
	struct crowd_counts counts;

	if (c->o.look == NULL || now < c->looked_ms + LOOK_MS)
		return;
	c->looked_ms = now;
	counts = crowd_counts(c);
	c->o.look(c->o.ctx, &counts);
}

struct crowd_counts crowd_counts(const struct crowd *c)
{
	struct crowd_counts counts = c->sums;

	counts.boards = atomic_load(&c->n);
	counts.dark = counts.boards - c->sums.connecting;
	counts.connecting -= c->sums.online;
	counts.reason = c->reason;
	return counts;
}

static int patience(const struct crowd *c, int start, uint64_t now)
{
	uint64_t first = UINT64_MAX, most = c->o.look != NULL ? LOOK_MS : INT32_MAX;

	for (size_t i = 0; i < c->on; i++)
		first = c->due[i] < first ? c->due[i] : first;
	first = first > now ? first - now : 0;
	first = first < most ? first : most;
	return start >= 0 && (uint64_t)start < first ? start : (int)first;
}

static void run_due(struct crowd *c)
{
	uint64_t now = now_ms();

	for (size_t i = 0; i < c->on; i++)
		if (c->due[i] <= now)
			member_run(c, i);
}

static void drain(const struct crowd *c)
{
	uint64_t unused;

	(void)!read(c->wake, &unused, sizeof(unused));
}

/* False: stop_fd is readable. */
static bool turn(struct crowd *c, const struct epoll_event *events, int n)
{
	for (int i = 0; i < n; i++) {
		uint32_t what = events[i].data.u32;

		if (what == STOP)
			return false;
		if (what == WAKE)
			drain(c);
		else
			member_run(c, what);
	}
	run_due(c);
	look(c, now_ms());
	return true;
}

enum err crowd_run(struct crowd *c, int stop_fd, struct errbuf *eb)
{
	struct epoll_event events[EVENTS];
	enum err e = stop_fd < 0 ? OK : watch(c, stop_fd, STOP, eb);
	bool on = e == OK;

	while (on && !atomic_load(&c->stop)) {
		int start = switch_on(c);
		int n = epoll_wait(c->epoll, events, EVENTS, patience(c, start, now_ms()));

		if (n < 0 && errno != EINTR) {
			e = err_set(eb, ERR_IO, "epoll: %s", strerror(errno));
			break;
		}
		on = turn(c, events, n);
	}
	if (stop_fd >= 0)
		(void)epoll_ctl(c->epoll, EPOLL_CTL_DEL, stop_fd, NULL);
	return e;
}
