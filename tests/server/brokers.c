/*
 * The server's thread for brokers, with the plugin's own link and list at the other end of a real socket: who has
 * applied what, who waits for it, who is told to go away, and many threads at once.
 */
#include "broker_table.h"
#include "faults.h"
#include "live.h"
#include "link.h"
#include "registry.h"
#include "tap.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { TENANT = 1, THREADS = 4, EACH = 25, PATIENCE_MS = 30000 };
#define NOW INT64_C(1795392000000)

static int64_t ticks(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* --- a server --- */

struct rig {
	char folder[32], path[64], socket[64];
	struct store *store;
	struct presences *presences;
	_Atomic(struct brokers *) brokers;
	struct disk disk;
	struct log log;
	struct errbuf eb;
};

static int64_t now_ms(void *ctx)
{
	(void)ctx;
	return NOW;
}

static void committed(void *ctx, uint32_t tenant, uint64_t seq, uint64_t visit)
{
	struct rig *r = ctx;

	(void)visit;
	brokers_changed(atomic_load(&r->brokers), tenant, seq);
}

static void prepare(void *ctx, struct store_change **changes, size_t n)
{
	struct rig *r = ctx;

	disk_prepare(&r->disk, changes, n);
}

static struct brokers_options options_of(struct rig *r)
{
	return (struct brokers_options){ .socket = r->socket,
		.store = r->store,
		.tenant = TENANT,
		.presences = r->presences,
		.log = &r->log,
		.now_ms = now_ms };
}

static void brokers_up(struct rig *r)
{
	struct brokers_options o;
	struct brokers *made = NULL;

	need(presences_new(r->store, TENANT, &r->presences, &r->eb) == OK, r->eb.text);
	o = options_of(r);
	need(brokers_start(&o, &made, &r->eb) == OK, r->eb.text);
	atomic_store(&r->brokers, made);
}

static void begin(struct rig *r)
{
	struct store_options options = { .prepare = prepare, .committed = committed, .ctx = r };
	struct store_authority authority = {
		.id = 1, .kind = "device-ca", .n = 1, .state = "active"
	};
	struct store_tenant tenant = { .id = TENANT, .uuid = { 1 }, .name = "t" };
	struct store_change *c = store_change_new(TENANT);

	memset(r, 0, sizeof(*r));
	r->log = (struct log)LOG_TO(STDOUT_FILENO, LOG_LEVEL_ERROR, false);
	snprintf(r->folder, sizeof(r->folder), "/tmp/brokersXXXXXX");
	need(mkdtemp(r->folder), "a folder");
	snprintf(r->path, sizeof(r->path), "%s/r.db", r->folder);
	snprintf(r->socket, sizeof(r->socket), "%s/feed.sock", r->folder);
	need(store_open(r->path, &options, &r->store, &r->eb) == OK, r->eb.text);
	store_tenant_add(c, &tenant);
	store_authority_put(c, &authority);
	need(store_commit(r->store, c, &r->eb) == OK, r->eb.text);
	brokers_up(r);
}

static void end(struct rig *r)
{
	static const char *const ends[] = { "", "-wal", "-shm", ".lock" };
	char path[80];

	brokers_stop(r->brokers);
	store_close(r->store);
	brokers_free(r->brokers);
	presences_free(r->presences);
	for (size_t i = 0; i < COUNT(ends); i++) {
		snprintf(path, sizeof(path), "%s%s", r->path, ends[i]);
		unlink(path);
	}
	ok(rmdir(r->folder) == 0, "the socket is gone, and nothing is left");
}

/* --- the registry --- */

/* A device, or another state of it; the number of the event. */
static uint64_t put(struct rig *r, uint8_t n, bool enabled)
{
	struct store_device d = { .enabled = enabled, .created = NOW };
	struct store_event event = { .at = NOW, .kind = "device.changed" };
	struct store_change *c = store_change_new(TENANT);
	struct errbuf eb = { "" };
	uint64_t seq, visit;
	uint8_t id[16];

	memset(id, n, sizeof(id));
	if (store_device_get(r->store, TENANT, id, &d, &eb) == OK)
		d.enabled = enabled;
	memcpy(d.id, id, 16);
	memcpy(event.subject, id, 16);
	store_device_put(c, &d);
	store_event_add(c, &event);
	need(store_commit(r->store, c, &eb) == OK, eb.text);
	need(store_numbers(r->store, TENANT, &seq, &visit, &eb) == OK, eb.text);
	return seq;
}

static void issue(struct rig *r, uint8_t device, uint8_t serial)
{
	struct store_cert cert = {
		.authority = 1, .years = 31, .enabled = true, .level = 1, .created = NOW + serial
	};
	struct store_event event = { .at = NOW, .kind = "certificate.issued" };
	struct store_change *c = store_change_new(TENANT);
	struct store_device d;
	uint8_t id[16];

	memset(id, device, sizeof(id));
	need(store_device_get(r->store, TENANT, id, &d, &r->eb) == OK, r->eb.text);
	memset(cert.serial, serial, sizeof(cert.serial));
	memset(cert.fingerprint, serial, sizeof(cert.fingerprint));
	memset(cert.sig, 1, sizeof(cert.sig));
	memcpy(cert.device, id, 16);
	memcpy(event.subject, id, 16);
	memcpy(d.cert, cert.serial, 16);
	store_device_put(c, &d);
	store_cert_put(c, &cert);
	store_event_add(c, &event);
	need(store_commit(r->store, c, &r->eb) == OK, r->eb.text);
}

static enum store_cert_state state_of(struct rig *r, uint8_t n)
{
	return cert_state(r->store, TENANT, n);
}

/* What the server's handler does; the event is about nobody. */
static enum err forget(struct rig *r, const char *name, struct errbuf *eb)
{
	struct store_event event = { .at = NOW, .kind = "broker.forgotten" };
	struct store_change *c = store_change_new(TENANT);
	enum err e = brokers_forget(r->brokers, name, c, eb);

	if (e != OK) {
		store_change_free(c);
		return e;
	}
	store_event_add(c, &event);
	e = store_commit(r->store, c, eb);
	brokers_forgotten(r->brokers, name, e);
	return e;
}

/* --- a broker --- */

struct plug {
	struct roster *roster;
	struct feed feed;
	struct link link;
	int64_t now;
	unsigned ups, downs;
	struct errbuf why;
};

static void changed(void *ctx, const uint8_t id[16], bool kick)
{
	(void)ctx, (void)id, (void)kick;
}

static void authorities(void *ctx)
{
	(void)ctx;
}

static void tell_all(void *ctx)
{
	struct plug *p = ctx;

	feed_tell_begin(&p->feed);
	feed_tell_end(&p->feed);
}

static const struct feed_events plug_events = { changed, authorities, tell_all };

static void plug_in(struct plug *p, const struct rig *r, const char *name)
{
	memset(p, 0, sizeof(*p));
	need(roster_new(&p->roster, NULL) == OK &&
	         feed_init(&p->feed, p->roster, &plug_events, p, NULL) == OK &&
	         feed_name(&p->feed, name) == OK,
	    "memory");
	link_init(&p->link, r->socket);
}

static void plug_out(struct plug *p)
{
	link_close(&p->link);
	feed_free(&p->feed);
	roster_free(p->roster);
}

static void turn(struct plug *p)
{
	switch (link_turn(&p->link, &p->feed, p->now += 1, &p->why)) {
	case LINK_UP:
		p->ups++;
		tell_all(p);
		break;
	case LINK_DOWN:
		p->downs++;
		break;
	case LINK_NOTHING:
		break;
	}
	p->downs += link_send(&p->link, &p->feed, p->now, &p->why) == LINK_DOWN;
}

/* The broker's clock stands, so that it never tires of the server: only ours runs. */
#define UNTIL(plug, what)                                                                          \
	do {                                                                                       \
		int64_t give_up = ticks() + PATIENCE_MS;                                           \
		while (!(what) && ticks() < give_up) {                                             \
			turn(plug);                                                                \
			pause_ms(1);                                                               \
		}                                                                                  \
	} while (0)

static bool has(const struct plug *p, uint8_t n, bool enabled)
{
	struct roster_device d;
	uint8_t id[16];

	memset(id, n, sizeof(id));
	return roster_get(p->roster, id, &d) && d.enabled == enabled;
}

/* --- who waits --- */

struct answer {
	pthread_mutex_t lock;
	unsigned calls, reached;
	char waiting[256];
};
#define ANSWER                                                                                     \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER, 0, 0, ""                                                \
	}

static void take_answer(void *ctx, unsigned reached, const char *waiting)
{
	struct answer *a = ctx;

	pthread_mutex_lock(&a->lock);
	a->calls++;
	a->reached = reached;
	snprintf(a->waiting, sizeof(a->waiting), "%s", waiting);
	pthread_mutex_unlock(&a->lock);
}

static bool answered(struct answer *a, unsigned reached, const char *waiting)
{
	bool same;

	pthread_mutex_lock(&a->lock);
	same = a->calls == 1 && a->reached == reached && strcmp(a->waiting, waiting) == 0;
	if (a->calls && !same)
		printf("# answered %u times: %u reached, waiting for '%s'\n", a->calls, a->reached,
		    a->waiting);
	pthread_mutex_unlock(&a->lock);
	return same;
}

static unsigned calls(struct answer *a)
{
	unsigned n;

	pthread_mutex_lock(&a->lock);
	n = a->calls;
	pthread_mutex_unlock(&a->lock);
	return n;
}

struct listing {
	char text[256];
};

static bool list(void *ctx, const struct broker_state *s)
{
	struct listing *l = ctx;
	size_t n = strlen(l->text);

	snprintf(l->text + n, sizeof(l->text) - n, "%s %s %s %llu %zu;", s->name,
	    s->speaks ? "speaks" : "silent", s->synced ? "synced" : "not",
	    (unsigned long long)s->seq, s->boards);
	return true;
}

static bool brokers_are(struct rig *r, const char *want)
{
	struct listing l = { "" };

	brokers_each(r->brokers, list, &l);
	return strstr(l.text, want) != NULL;
}

/* --- cases --- */

static void reaching(void)
{
	struct answer none = ANSWER, there = ANSWER, slow = ANSWER, done = ANSWER, gone = ANSWER;
	struct plug north, south;
	struct rig r;
	uint64_t seq;

	begin(&r);
	seq = put(&r, 1, true);
	brokers_reach(NULL, seq, 1000, take_answer, &none);
	ok(answered(&none, 0, ""), "no brokers at all: answered at once");
	brokers_reach(r.brokers, seq, 1000, take_answer, &there);
	ok(answered(&there, 0, ""), "none has come: answered at once");
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced && brokers_are(&r, "north speaks synced 1 0;"));
	ok(has(&north, 1, true) && brokers_are(&r, "north speaks synced 1 0;"), "a snapshot");
	seq = put(&r, 1, false);
	brokers_reach(r.brokers, seq, PATIENCE_MS, take_answer, &done);
	ok(calls(&done) == 0, "a change is not answered before it is applied");
	UNTIL(&north, calls(&done) > 0);
	ok(answered(&done, 1, "") && has(&north, 1, false), "and then it is");
	plug_in(&south, &r, "south");
	UNTIL(&south, south.feed.synced && brokers_are(&r, "south speaks synced"));
	seq = put(&r, 1, true);
	UNTIL(&south, south.feed.seq >= seq && has(&south, 1, true));
	brokers_reach(r.brokers, seq, 1000, take_answer, &slow);
	UNTIL(&south, calls(&slow) > 0);
	ok(answered(&slow, 1, "north"), "one does not apply it: it is named");
	ok(has(&south, 1, true) && has(&north, 1, false), "the other has");
	link_close(&north.link);
	feed_lost(&north.feed);
	UNTIL(&south, brokers_are(&r, "north silent"));
	pause_ms(2600); /* for so long it is expected back */
	brokers_reach(r.brokers, seq, PATIENCE_MS, take_answer, &gone);
	ok(answered(&gone, 1, "north"), "one that is gone is named at once");
	north.now += LINK_AGAIN_MS;
	UNTIL(&north, north.feed.synced && has(&north, 1, true));
	ok(has(&north, 1, true) && north.feed.seq == seq, "until it comes again, and goes on");
	plug_out(&north);
	plug_out(&south);
	end(&r);
}

static bool online(struct rig *r, uint8_t device)
{
	uint8_t id[16];

	memset(id, device, sizeof(id));
	return presence_of(r->presences, id, NULL) == PRESENCE_ONLINE;
}

static bool count_visit(void *ctx, const struct store_visit *v)
{
	*(unsigned *)ctx += v->ended != 0;
	return true;
}

/* Of the device, in the registry, those that have ended. */
static unsigned visits(struct rig *r, uint8_t device)
{
	unsigned n = 0;
	uint8_t id[16];

	memset(id, device, sizeof(id));
	need(store_visit_list(r->store, TENANT, id, count_visit, &n, &r->eb) == OK, r->eb.text);
	return n;
}

static void say_connected(struct plug *p, uint64_t number, uint8_t device, uint8_t print)
{
	uint8_t id[16], hash[ROSTER_PRINT];

	memset(id, device, sizeof(id));
	memset(hash, print, sizeof(hash));
	feed_connected(&p->feed, number, id, hash, "192.0.2.7", 4, NOW - 5);
}

static void first_use(void)
{
	struct roster_device d;
	struct plug north;
	struct rig r;
	uint8_t id[16];

	begin(&r);
	put(&r, 7, true);
	issue(&r, 7, 0x71);
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced);
	say_connected(&north, 1, 7, 0x71);
	UNTIL(&north, online(&r, 7) && state_of(&r, 0x71) == STORE_ACTIVE);
	ok(online(&r, 7) && state_of(&r, 0x71) == STORE_ACTIVE,
	    "the certificate that a board comes with is active from then on");
	issue(&r, 7, 0x72);
	UNTIL(&north, north.feed.seq == brokers_seq(r.brokers));
	memset(id, 7, sizeof(id));
	ok(roster_get(north.roster, id, &d) && d.print[0][0] == 0x71 && d.print[1][0] == 0x72 &&
	        d.not_after > NOW / 1000,
	    "the next one is live beside it");
	say_connected(&north, 2, 7, 0x71);
	feed_disconnected(&north.feed, 1, NOW - 4, "taken-over");
	UNTIL(&north, visits(&r, 7) == 1);
	ok(state_of(&r, 0x72) == STORE_ISSUED, "coming with the old one changes nothing");
	say_connected(&north, 3, 7, 0x72);
	UNTIL(&north, state_of(&r, 0x71) == STORE_SUPERSEDED);
	ok(state_of(&r, 0x72) == STORE_ACTIVE && state_of(&r, 0x71) == STORE_SUPERSEDED,
	    "coming with the next one supersedes the old one");
	UNTIL(&north, north.feed.seq == brokers_seq(r.brokers) &&
	                  roster_get(north.roster, id, &d) && ct_zero(d.print[1], ROSTER_PRINT));
	ok(d.print[0][0] == 0x72 && ct_zero(d.print[1], ROSTER_PRINT),
	    "and the broker hears of it");
	plug_out(&north);
	end(&r);
}

static bool take_state(void *ctx, const struct broker_state *s)
{
	*(struct broker_state *)ctx = *s;
	return true;
}

/* Refusals are counted by their words; those of which no word is known together. */
static void refusals(void)
{
	static const struct {
		const char *word;
		enum brokers_reason reason;
	} words[] = {
		{ "bad-certificate", BROKERS_REASON_BAD_CERTIFICATE },
		{ "revoked", BROKERS_REASON_REVOKED },
		{ "unsafe", BROKERS_REASON_UNSAFE },
		{ "admitted", BROKERS_REASON_ADMIT },
		{ "too-many-cooks", BROKERS_REASON_ADMIT },
	};
	struct broker_state s = { .refused = 0 };
	uint64_t want[BROKERS_REASONS] = { 0 };
	struct plug north;
	struct rig r;

	begin(&r);
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced);
	for (unsigned i = 0; i < COUNT(words); i++)
		for (unsigned times = 0; times <= i; times++) {
			feed_refused(&north.feed, words[i].word, NULL, "192.0.2.8");
			want[words[i].reason]++;
		}
	feed_refused_many(&north.feed, 9);
	want[BROKERS_REASON_ADMIT] += 9;
	UNTIL(&north, (brokers_each(r.brokers, take_state, &s), s.refused >= 24));
	ok(s.refused == 24 && memcmp(s.refused_by, want, sizeof(want)) == 0,
	    "refusals are counted by reason");
	plug_out(&north);
	end(&r);
}

/* A first use that cannot be written is written when it can, though the board has left. */
static void used_while_full(void)
{
	struct plug north;
	struct rig r;

	begin(&r);
	r.log.fd = -1; /* it is said there */
	put(&r, 7, true);
	issue(&r, 7, 0x71);
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced);
	say_connected(&north, 1, 7, 0x71);
	UNTIL(&north, state_of(&r, 0x71) == STORE_ACTIVE);
	issue(&r, 7, 0x72);
	atomic_store(&r.disk.full, true);
	say_connected(&north, 2, 7, 0x72);
	feed_disconnected(&north.feed, 1, NOW - 4, "taken-over");
	feed_disconnected(&north.feed, 2, NOW - 3, NULL);
	UNTIL(&north, atomic_load(&r.disk.refused) >= 3);
	ok(!online(&r, 7) && state_of(&r, 0x72) == STORE_ISSUED, "the disk is full");
	atomic_store(&r.disk.full, false);
	UNTIL(&north, state_of(&r, 0x72) == STORE_ACTIVE);
	ok(!online(&r, 7) && state_of(&r, 0x72) == STORE_ACTIVE &&
	        state_of(&r, 0x71) == STORE_SUPERSEDED,
	    "and then the older certificate is retired");
	plug_out(&north);
	end(&r);
}

static size_t boards_at(struct rig *r)
{
	return presence_at(r->presences, 0);
}

/* More boards than there is room for: those are not known to be there, and their broker stays. */
static void crowded_house(void)
{
	uint8_t id[16];
	struct plug north;
	struct rig r;
	uint64_t seq;

	begin(&r);
	r.log.fd = -1; /* it is said there */
	presence_limit(r.presences, 2);
	for (uint8_t n = 1; n <= 4; n++)
		put(&r, n, true);
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced);
	for (uint8_t n = 1; n <= 3; n++)
		say_connected(&north, n, n, n);
	memset(id, 4, sizeof(id));
	feed_refused(&north.feed, "revoked", id, "192.0.2.8");
	UNTIL(&north, boards_at(&r) == 2);
	seq = put(&r, 4, false);
	UNTIL(&north, north.feed.seq >= seq && has(&north, 4, false));
	ok(online(&r, 1) && online(&r, 2) && !online(&r, 3), "two find room, a third does not");
	ok(north.ups == 1 && north.downs == 0 && has(&north, 4, false),
	    "its broker stays, and hears what has changed");
	feed_disconnected(&north.feed, 1, NOW, NULL);
	feed_disconnected(&north.feed, 3, NOW, NULL);
	UNTIL(&north, visits(&r, 1) == 1);
	say_connected(&north, 4, 4, 4);
	UNTIL(&north, online(&r, 4));
	ok(online(&r, 4) && !online(&r, 1) && boards_at(&r) == 2 && north.downs == 0,
	    "one leaves, whoever comes then finds room");
	plug_out(&north);
	end(&r);
}

/* What is in the registry can be read a moment before we are told of it; here the moment lasts. */
static void unannounced(void)
{
	struct answer a = ANSWER;
	struct brokers *made;
	struct plug north;
	struct rig r;
	uint64_t seq;

	begin(&r);
	put(&r, 5, true);
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced && brokers_are(&r, "north speaks synced"));
	made = atomic_exchange(&r.brokers, NULL);
	seq = put(&r, 5, false);
	atomic_store(&r.brokers, made);
	ok(brokers_seq(made) == seq, "the number is that of the registry");
	brokers_reach(made, brokers_seq(made), PATIENCE_MS, take_answer, &a);
	ok(calls(&a) == 0, "so who has read something waits until it is applied");
	brokers_changed(made, TENANT + 1, seq + 7);
	brokers_changed(made, TENANT, seq);
	UNTIL(&north, calls(&a) > 0);
	ok(answered(&a, 1, "") && has(&north, 5, false) && north.downs == 0,
	    "and it is; what is numbered for another tenant is nothing to it");
	plug_out(&north);
	end(&r);
}

static int dial(const struct rig *r)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", r->socket);
	need(fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0, "connect");
	return fd;
}

/* Whether the server ends the connection; what it said before that is read. */
static bool ended(int fd)
{
	struct timeval limit = { .tv_sec = PATIENCE_MS / 1000 };
	char bytes[4096];
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		;
	close(fd);
	return n == 0;
}

static void trouble(void)
{
	static const char *const bad[] = { "hello\nv 1\n", "v 2 0011223344556677 0 0\n",
		"v 1 0011223344556677 0 0\ni north\nc 1\n", "v 1 0011223344556677 0 0\ns 99\n" };
	struct brokers *second = NULL;
	struct plug north, twin;
	struct brokers_options o;
	struct stat st;
	struct rig r;

	begin(&r);
	r.log.level = LOG_LEVEL_ERROR;
	ok(stat(r.socket, &st) == 0 && (st.st_mode & 0777) == 0600, "the socket is ours alone");
	o = options_of(&r);
	ok(brokers_start(&o, &second, &r.eb) == ERR_CONFLICT, "one socket, one server: %s",
	    r.eb.text);
	o.user = "no-such-user";
	ok(brokers_start(&o, &second, &r.eb) == ERR_NOT_FOUND, "no such user: %s", r.eb.text);
	plug_in(&north, &r, "south");
	UNTIL(&north, north.feed.synced);
	for (size_t i = 0; i < COUNT(bad); i++) {
		int fd = dial(&r);

		need(send(fd, bad[i], strlen(bad[i]), MSG_NOSIGNAL) > 0, "send");
		ok(ended(fd), "cut: %.20s", bad[i][0] == 'h' ? "hello" : bad[i]);
	}
	plug_in(&twin, &r, "south");
	UNTIL(&twin, twin.downs > 0);
	ok(twin.downs > 0 && !twin.feed.synced, "another broker of a name is sent away: %s",
	    twin.why.text);
	put(&r, 3, true);
	UNTIL(&north, has(&north, 3, true));
	ok(has(&north, 3, true) && north.downs == 0, "the one that was there goes on");
	plug_out(&north);
	twin.now += LINK_AGAIN_MS;
	UNTIL(&twin, twin.feed.synced || (twin.now += LINK_AGAIN_MS, false));
	ok(twin.feed.synced, "when it has left the other is welcome");
	plug_out(&twin);
	end(&r);
}

/* A snapshot of more than the buffers hold to one that does not read: nobody else waits. */
static void slow_reader(void)
{
	static const char hello[] = "v 1 0011223344556677 0 0\ni slow\nn\no\n";
	struct store_change *c = NULL;
	struct plug north;
	struct rig r;
	int fd;

	begin(&r);
	for (uint32_t i = 0; i < 12000; i++) {
		struct store_device d = { .enabled = true, .created = NOW + i };

		memset(d.id, 0x55, sizeof(d.id));
		store_be32(d.id, i);
		if (i % 1000 == 0)
			c = store_change_new(TENANT);
		store_device_put(c, &d);
		if (i % 1000 == 999)
			need(store_commit(r.store, c, &r.eb) == OK, r.eb.text);
	}
	fd = dial(&r);
	need(send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL) > 0, "send");
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced);
	ok(roster_count(north.roster) == 12000, "all of %zu devices", roster_count(north.roster));
	put(&r, 1, true);
	UNTIL(&north, has(&north, 1, true));
	ok(has(&north, 1, true), "and what comes behind, while another does not read");
	close(fd);
	plug_out(&north);
	end(&r);
}

struct worker {
	struct rig *rig;
	pthread_t thread;
	uint8_t first;
	atomic_uint answers;
	unsigned forgot;
};

static void count(void *ctx, unsigned reached, const char *waiting)
{
	(void)reached, (void)waiting;
	atomic_fetch_add(&((struct worker *)ctx)->answers, 1);
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct errbuf eb;
	uint8_t id[16];

	for (unsigned i = 0; i < EACH; i++) {
		w->forgot += i > 0 && forget(w->rig, "old", &eb) == OK;
		uint64_t seq = put(w->rig, (uint8_t)(w->first + i % 8), i % 3 != 0);

		brokers_reach(w->rig->brokers, seq, PATIENCE_MS, count, w);
		memset(id, w->first, sizeof(id));
		(void)presence_of(w->rig->presences, id, NULL);
		(void)brokers_are(w->rig, "");
	}
	return NULL;
}

static void many(void)
{
	struct worker workers[THREADS];
	unsigned answers = 0, forgot = 0;
	struct plug north, old;
	uint64_t number = 0;
	struct rig r;

	begin(&r);
	plug_in(&old, &r, "old");
	UNTIL(&old, old.feed.synced);
	plug_out(&old);
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced && brokers_are(&r, "old silent"));
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .rig = &r, .first = (uint8_t)(16 * i + 1) };
		need(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "a thread");
	}
	for (unsigned i = 0; i < 2000 && answers < THREADS * EACH; i++) {
		if (i % 20 == 0)
			say_connected(&north, ++number, 1, 9);
		if (i % 20 == 10)
			feed_disconnected(&north.feed, number, NOW, NULL);
		turn(&north);
		pause_ms(1);
		answers = 0;
		for (unsigned k = 0; k < THREADS; k++)
			answers += atomic_load(&workers[k].answers);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		forgot += workers[i].forgot;
	}
	ok(forgot == 1 && !brokers_are(&r, "old"), "many forget a broker, one has done it");
	UNTIL(&north, north.feed.seq == brokers_seq(r.brokers));
	ok(north.feed.seq == THREADS * EACH + 1, "changes of many threads: %llu",
	    (unsigned long long)north.feed.seq);
	brokers_stop(r.brokers);
	for (unsigned k = answers = 0; k < THREADS; k++)
		answers += atomic_load(&workers[k].answers);
	ok(answers == THREADS * EACH, "each is answered once: %u", answers);
	plug_out(&north);
	end(&r);
}

static void stopping(void)
{
	struct answer waits = ANSWER, after = ANSWER;
	struct plug north;
	struct rig r;
	uint64_t seq;

	begin(&r);
	plug_in(&north, &r, "north");
	UNTIL(&north, brokers_are(&r, "synced"));
	seq = put(&r, 1, true);
	brokers_reach(r.brokers, seq, PATIENCE_MS, take_answer, &waits);
	brokers_stop(r.brokers);
	ok(answered(&waits, 0, "north"), "who waits is answered when it stops");
	brokers_reach(r.brokers, seq, PATIENCE_MS, take_answer, &after);
	ok(answered(&after, 0, "north"), "and at once behind that");
	plug_out(&north);
	end(&r);
}

/* A broker that has not come since our start may let in by what it knew before. */
static void recalled(void)
{
	struct answer away = ANSWER, there = ANSWER;
	char *noted = NULL;
	struct plug north;
	struct rig r;
	uint64_t seq;

	begin(&r);
	plug_in(&north, &r, "north");
	feed_lasts(&north.feed, 7200);
	UNTIL(&north, brokers_are(&r, "synced"));
	brokers_stop(r.brokers);
	brokers_free(atomic_exchange(&r.brokers, NULL));
	presences_free(r.presences);
	need(store_setting_get(r.store, TENANT, "brokers", &noted, &r.eb) == OK, r.eb.text);
	ok(strcmp(noted, "north 1795392000000 7200000\n") == 0,
	    "it is noted, and how long it goes on");
	free(noted);
	brokers_up(&r);
	ok(brokers_are(&r, "north silent not 0 0;"), "it is remembered");
	seq = put(&r, 1, false);
	brokers_reach(r.brokers, seq, 50, take_answer, &away);
	while (calls(&away) == 0)
		pause_ms(1);
	ok(answered(&away, 0, "north"), "and named as one that has not heard");
	north.now += LINK_AGAIN_MS;
	turn(&north);
	north.now += LINK_AGAIN_MS;
	UNTIL(&north, brokers_are(&r, "north speaks synced"));
	brokers_reach(r.brokers, seq, PATIENCE_MS, take_answer, &there);
	ok(answered(&there, 1, "") && has(&north, 1, false), "until it comes");
	plug_out(&north);
	end(&r);
}

/* One of which nothing is noted any more, but a visit lasts there: its boards are not known to be gone. */
static void recalled_for_its_boards(void)
{
	struct store_change *c = store_change_new(TENANT);
	struct answer away = ANSWER;
	struct plug north, south;
	struct rig r;
	uint8_t id[16];
	uint64_t seq;

	begin(&r);
	memset(id, 7, sizeof(id));
	seq = put(&r, 7, true);
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced);
	say_connected(&north, 1, 7, 0x71);
	UNTIL(&north, online(&r, 7));
	brokers_stop(r.brokers);
	brokers_free(atomic_exchange(&r.brokers, NULL));
	presences_free(r.presences);
	store_setting_put(c, "brokers", "");
	need(store_commit(r.store, c, &r.eb) == OK, r.eb.text);
	brokers_up(&r);
	ok(brokers_are(&r, "north silent not 0 0;"), "it is remembered for its boards");
	brokers_reach(r.brokers, seq, PATIENCE_MS, take_answer, &away);
	ok(answered(&away, 0, "north"),
	    "and named, but not waited for: who was there may be so still");
	plug_in(&south, &r, "south");
	UNTIL(&south, south.feed.synced && brokers_are(&r, "south speaks synced"));
	UNTIL(&south, presence_of(r.presences, id, NULL) == PRESENCE_UNKNOWN);
	ok(presence_of(r.presences, id, NULL) == PRESENCE_UNKNOWN && visits(&r, 7) == 0,
	    "another speaks: that says nothing of them");
	ok(forget(&r, "north", &r.eb) == OK && !brokers_are(&r, "north"), "it is forgotten");
	UNTIL(&south, visits(&r, 7) == 1);
	ok(presence_of(r.presences, id, NULL) == PRESENCE_OFFLINE && visits(&r, 7) == 1,
	    "then they are gone");
	plug_out(&south);
	plug_out(&north);
	end(&r);
}

static bool remembered(struct rig *r, const char *want)
{
	char *text = NULL;
	bool same;

	need(store_setting_get(r->store, TENANT, "brokers", &text, &r->eb) == OK, r->eb.text);
	same = strcmp(text, want) == 0;
	if (!same)
		printf("# remembered: %s\n", text);
	free(text);
	return same;
}

/* One that was retired: named until it is forgotten, and then neither here nor after a start. */
static void forgotten(void)
{
	static const char north_line[] = "north 1795392000000 900000\n",
	                  both_lines[] = "north 1795392000000 900000\n"
	                                 "old 1795392000000 9223372036854775807\n";
	struct answer named = ANSWER, later = ANSWER, again = ANSWER;
	struct plug north, old;
	struct rig r;
	uint64_t seq;

	begin(&r);
	r.log.fd = -1;
	put(&r, 7, true);
	plug_in(&north, &r, "north");
	plug_in(&old, &r, "old");
	feed_lasts(&old.feed, FEED_FOR_EVER);
	UNTIL(&north, north.feed.synced);
	UNTIL(&old, old.feed.synced && brokers_are(&r, "old speaks synced"));
	say_connected(&old, 1, 7, 7);
	UNTIL(&old, online(&r, 7));
	ok(forget(&r, "south", &r.eb) == ERR_NOT_FOUND, "unknown: %s", r.eb.text);
	ok(forget(&r, "old", &r.eb) == ERR_CONFLICT, "connected: %s", r.eb.text);
	plug_out(&old);
	UNTIL(&north, brokers_are(&r, "old silent"));
	brokers_reach(r.brokers, put(&r, 1, false), PATIENCE_MS, take_answer, &named);
	atomic_store(&r.disk.full, true);
	ok(forget(&r, "old", &r.eb) == ERR_SPACE && brokers_are(&r, "old silent") &&
	        calls(&named) == 0,
	    "the disk is full: it is known as before");
	atomic_store(&r.disk.full, false);
	ok(forget(&r, "old", &r.eb) == OK && !brokers_are(&r, "old"), "it is forgotten: %s",
	    r.eb.text);
	UNTIL(&north, calls(&named) > 0);
	ok(answered(&named, 1, ""), "who has waited meanwhile is not told of it");
	ok(forget(&r, "old", &r.eb) == ERR_NOT_FOUND, "a second time it is not known");
	ok(remembered(&r, north_line), "the registry has heard of it too");
	UNTIL(&north, visits(&r, 7) == 1);
	ok(!online(&r, 7), "what was there is not known to be");
	seq = put(&r, 1, true);
	UNTIL(&north, north.feed.seq == seq);
	brokers_reach(r.brokers, seq, PATIENCE_MS, take_answer, &later);
	ok(answered(&later, 1, ""), "nor does anybody later");
	brokers_stop(r.brokers);
	brokers_free(atomic_exchange(&r.brokers, NULL));
	presences_free(r.presences);
	brokers_up(&r);
	ok(!brokers_are(&r, "old") && brokers_are(&r, "north silent"), "nor behind a start");
	plug_in(&old, &r, "old");
	feed_lasts(&old.feed, FEED_FOR_EVER);
	UNTIL(&old, old.feed.synced && brokers_are(&r, "old speaks synced"));
	ok(old.feed.synced, "when it comes again it is welcome");
	link_close(&old.link);
	while (!brokers_are(&r, "old silent"))
		pause_ms(1);
	brokers_reach(r.brokers, brokers_seq(r.brokers), 50, take_answer, &again);
	while (calls(&again) == 0)
		pause_ms(1);
	UNTIL(&old, remembered(&r, both_lines));
	ok(answered(&again, 0, "north,old") && remembered(&r, both_lines), "and known again");
	plug_out(&old);
	plug_out(&north);
	end(&r);
}

static bool text_is(struct broker_table *t, int64_t now, const char *want)
{
	char *text = broker_table_text(t, now);
	bool same = text && strcmp(text, want) == 0;

	if (!same)
		printf("# %s\n", text ? text : "no memory");
	free(text);
	return same;
}

static void table(void)
{
	static const struct {
		const char *what, *text, *kept;
	} cases[] = {
		{ "as written", "north 1795392000000 0\nsouth 1795391990000 900000\n", NULL },
		{ "by a server before", "north 1795391200000\n", "north 1795391200000 900000\n" },
		{ "long ago", "north 1795391000000\nsouth 1795391000000 900000\n", "" },
		{ "long ago, but they go on",
		    "north 1795391000000 3600000\nsouth 7 9223372036854775807\n", NULL },
		{ "too long ago for them too",
		    "north 1795388000000 3600000\nsouth 1795391920000 1000\n", "" },
		{ "of the future", "north 1795399999999 5\n", NULL },
		{ "twice", "north 1795392000000 5\nnorth 1795392000001 5\n",
		    "north 1795392000000 5\n" },
		{ "not ours",
		    "north\nsouth x\nwest 1 2 3\nwest 1795392000000 x\nsouth 1 "
		    "9223372036854775808\n"
		    "west 1795392000000 5\n",
		    "west 1795392000000 5\n" },
		{ "damaged", "west 1795392000000 5\n\nnorth 1795392000000 5\n",
		    "west 1795392000000 5\n" },
		{ "half", "west 1795392000000 5\nnorth 17953920", "west 1795392000000 5\n" },
	};
	struct broker_table t;
	char name[16], *text;
	unsigned n = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		broker_table_init(&t);
		broker_table_read(&t, cases[i].text, 5, NOW);
		ok(text_is(&t, 5, cases[i].kept ? cases[i].kept : cases[i].text), "%s",
		    cases[i].what);
		broker_table_free(&t);
	}
	broker_table_init(&t);
	broker_table_read(&t, "a 1795392000000\n", 5, NOW);
	for (; snprintf(name, sizeof(name), "b%u", n) && broker_table_add(&t, name, 5); n++)
		broker_table_find(&t, name)->heard = 5;
	ok(n == BROKERS_MAX - 1, "%u and one are all", n);
	broker_table_find(&t, "b0")->lasts = FEED_SERVER_FOR_EVER;
	ok(!broker_table_add(&t, "c", 5 + FEED_SERVER_LASTS_MS + BROKERS_SILENT_MS),
	    "as long as they may let in by the list that they have");
	ok(broker_table_add(&t, "c", 6 + FEED_SERVER_LASTS_MS + BROKERS_SILENT_MS) &&
	        !broker_table_find(&t, "a") && broker_table_find(&t, "b0"),
	    "one that admits nobody any more makes room");
	for (unsigned i = 0; i < t.n; i++)
		t.broker[i]->lasts = FEED_SERVER_FOR_EVER;
	ok(!broker_table_add(&t, "d", INT64_MAX), "those that go on for ever do not");
	need(broker_table_forget(&t, "b0", 5, &text, NULL) == OK, "b0");
	broker_table_forgotten(&t, "b0", true);
	free(broker_table_take_gone(&t));
	free(text);
	ok(broker_table_add(&t, "d", 5), "until one is forgotten");
	broker_table_free(&t);
}

/* What comes between a broker's being forgotten and the registry's answer. */
static void leaving(void)
{
	struct errbuf eb = { "" };
	struct broker_table t;
	struct broker *north;
	char *text = NULL;

	broker_table_init(&t);
	broker_table_read(&t, "north 1795392000000 5\nsouth 1795392000000 5\n", 5, NOW);
	north = broker_table_find(&t, "north");
	ok(broker_table_forget(&t, "north", 5, &text, &eb) == OK && t.leaving == 1 &&
	        strcmp(text, "south 1795392000000 5\n") == 0,
	    "what is to be remembered");
	free(text);
	ok(broker_table_forget(&t, "north", 5, &text, &eb) == ERR_CONFLICT, "twice at once: %s",
	    eb.text);
	broker_table_forgotten(&t, "north", false);
	ok(t.leaving == 0 && !broker_table_take_gone(&t) &&
	        text_is(&t, 5, "north 1795392000000 5\nsouth 1795392000000 5\n"),
	    "it could not be written: it stays");
	need(broker_table_forget(&t, "north", 5, &text, &eb) == OK, eb.text);
	free(text);
	north->fate = BROKER_STAYS; /* as when it comes */
	broker_table_forgotten(&t, "north", true);
	ok(t.leaving == 0 && !broker_table_take_gone(&t) &&
	        text_is(&t, 5, "north 1795392000000 5\nsouth 1795392000000 5\n"),
	    "it has come meanwhile: it stays");
	need(broker_table_forget(&t, "north", 5, &text, &eb) == OK, eb.text);
	free(text);
	broker_table_forgotten(&t, "north", true);
	ok(broker_table_forget(&t, "north", 5, &text, &eb) == ERR_NOT_FOUND,
	    "gone, but not taken yet: %s", eb.text);
	ok(text_is(&t, 5, "south 1795392000000 5\n"), "nor remembered");
	ok(broker_table_take_gone(&t) == north && !broker_table_take_gone(&t) &&
	        !broker_table_find(&t, "north") && broker_table_find(&t, "south"),
	    "and then it is");
	free(north);
	broker_table_free(&t);
}

enum { WAITERS = 3000 };

struct order {
	unsigned n, wrong;
	unsigned reached; /* how many were told that it was applied */
};

static struct waiter {
	struct order *order;
	unsigned number;
} waiters[WAITERS];

static void take_turn(void *ctx, unsigned reached, const char *waiting)
{
	struct waiter *w = ctx;

	w->order->wrong += w->number != w->order->n++;
	w->order->wrong += strcmp(waiting, reached ? "" : "north") != 0;
	w->order->reached += reached;
}

/* Thousands wait at once. Numbers stand twice, and one is out of its turn, as they may be. */
static void crowded(void)
{
	struct order order = { .n = 0 };
	struct broker_table t;
	struct broker *north;
	unsigned waits = 0;

	broker_table_init(&t);
	north = broker_table_add(&t, "north", 5);
	need(north != NULL, "memory");
	north->heard = 5;
	north->state.speaks = north->state.synced = true;
	for (unsigned i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){ &order, i };
		waits += broker_table_wait(
		    &t, i == 2 ? 1 : i / 2 + 1, 5, 1000 + i, take_turn, &waiters[i]);
	}
	ok(waits == WAITERS && broker_table_next(&t, 5000) == 1000, "%u wait", waits);
	north->state.seq = 500;
	broker_table_answer(&t, 6);
	ok(order.n == 1000 && order.reached == 1000 && order.wrong == 0,
	    "those whose change is applied are answered, in the order in which they came");
	broker_table_answer(&t, 2009);
	ok(order.n == 1010 && order.reached == 1000 && order.wrong == 0,
	    "then those whose time is over: %u", order.n);
	north->state.seq = 1000;
	broker_table_answer(&t, 2009);
	ok(order.n == 2000 && order.wrong == 0 && broker_table_next(&t, 5000) == 3000,
	    "and so on: %u", order.n);
	waiters[0] = (struct waiter){ &order, WAITERS };
	ok(broker_table_wait(&t, 2000, 2009, 5000, take_turn, &waiters[0]), "one more comes");
	broker_table_stop(&t, 2009);
	ok(order.n == WAITERS + 1 && order.wrong == 0 && order.reached == 2000 - 10,
	    "the end answers all of them, the last one last");
	ok(!broker_table_wait(
	       &t, 2000, 2009, 5000, take_turn, &(struct waiter){ &order, WAITERS + 1 }),
	    "and then nobody waits");
	broker_table_free(&t);
}

/* A start with the n-th call failing: it says so and leaves nothing, or does without. */
static void start_fails(enum fault kind, const char *what)
{
	unsigned failed = 0, bad = 0;
	struct rig r;

	begin(&r);
	brokers_stop(r.brokers);
	brokers_free(atomic_exchange(&r.brokers, NULL));
	presences_free(r.presences);
	for (long n = 0;; n++) {
		struct brokers_options o = options_of(&r);
		struct presences *presences = NULL;
		struct brokers *made = NULL;
		struct errbuf eb = { "" };
		enum err e;

		faults_begin(kind, n);
		e = presences_new(r.store, TENANT, &presences, &eb);
		o.presences = presences;
		if (e == OK)
			e = brokers_start(&o, &made, &eb);
		if (!faults_end()) {
			bad += e != OK;
			brokers_stop(made);
			brokers_free(made);
			presences_free(presences);
			break;
		}
		failed += e != OK;
		bad += (e != OK && !eb.text[0]) || (e != OK) != (made == NULL);
		brokers_stop(made);
		brokers_free(made);
		presences_free(presences);
	}
	ok(bad == 0 && failed > 0, "%s fails at a start, %u times", what, failed);
	brokers_up(&r);
	end(&r);
}

static void try_put(struct rig *r, bool enabled)
{
	struct store_event event = { .at = NOW, .kind = "device.changed" };
	struct store_change *c = store_change_new(TENANT);
	struct errbuf eb;
	struct store_device d;

	memset(event.subject, 9, sizeof(event.subject));
	if (store_device_get(r->store, TENANT, event.subject, &d, &eb) == OK) {
		d.enabled = enabled;
		store_device_put(c, &d);
		store_event_add(c, &event);
		if (store_commit(r->store, c, &eb) == OK)
			return;
	} else {
		store_change_free(c);
	}
}

/* Memory fails once, anywhere on either side or in the store; afterwards both know the same. */
static void memory_fails(void)
{
	unsigned wrong = 0;
	uint64_t number = 0;
	struct plug north;
	struct rig r;

	begin(&r);
	r.log.fd = -1; /* what fails is said there */
	put(&r, 9, true);
	issue(&r, 9, 0x91);
	plug_in(&north, &r, "north");
	UNTIL(&north, north.feed.synced);
	for (long n = 0; n < 40; n++) {
		struct answer a = ANSWER;
		uint64_t seq;

		faults_begin(FAULT_MEMORY, n);
		try_put(&r, n % 2);
		brokers_reach(r.brokers, brokers_seq(r.brokers), 200, take_answer, &a);
		if (link_is_up(&north.link))
			say_connected(&north, ++number, 9, 0x91);
		for (int i = 0; i < 20; i++) {
			north.now += i == 10 ? LINK_AGAIN_MS : 0;
			turn(&north);
			pause_ms(1);
		}
		(void)faults_end();
		seq = put(&r, 9, n % 2 == 0);
		north.now += LINK_AGAIN_MS;
		UNTIL(&north, calls(&a) == 1 && north.feed.synced && north.feed.seq >= seq);
		wrong += !has(&north, 9, n % 2 == 0) || calls(&a) != 1;
	}
	ok(wrong == 0, "memory fails while they talk: both know the same afterwards (%u times not)",
	    wrong);
	plug_out(&north);
	end(&r);
}

int main(void)
{
	start_fails(FAULT_MEMORY, "memory");
	start_fails(FAULT_FILES, "a call to files");
	memory_fails();
	table();
	crowded();
	recalled();
	recalled_for_its_boards();
	forgotten();
	leaving();
	reaching();
	first_use();
	refusals();
	used_while_full();
	crowded_house();
	unannounced();
	trouble();
	slow_reader();
	many();
	stopping();
	return done_testing();
}
