/*
 * Both ends of the feed, back to back over a registry that changes: bytes in random pieces, connections that are
 * cut anywhere, either side begun anew. When all has been said, the broker's list is the registry, and who is
 * present is who is connected.
 */
#include "feed.h"
#include "feed_source.h"
#include "presence.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEVICES = 24, CONNECTIONS = 48, TENANT = 1 };
#define NOW INT64_C(1795392000000)

struct pair {
	char folder[32], path[64];
	struct store *store;
	struct feed_source source;
	uint64_t random, seq;
	/* the server's end */
	uint64_t epoch;
	struct feed_server server;
	struct feed_cursor cursor;
	struct presences *presences;
	uint64_t begun; /* the last number, as the plugin came */
	int place;
	bool linked;
	/* the plugin's */
	struct feed feed;
	struct roster *roster;
	bool telling, tell_again;
	unsigned told;
	/* what is true */
	struct {
		uint64_t number; /* 0: not connected */
		uint8_t device[16];
	} connection[CONNECTIONS];
	uint64_t numbers;
	unsigned cuts, snapshots, deltas, serials, early;
};

static uint64_t draw(struct pair *p, uint64_t below)
{
	p->random ^= p->random << 13;
	p->random ^= p->random >> 7;
	p->random ^= p->random << 17;
	return p->random % below;
}

static void need(bool what, const char *why)
{
	if (what)
		return;
	printf("Bail out! %s\n", why);
	exit(1);
}

static void device_id(unsigned n, uint8_t id[16])
{
	memset(id, 0x40, 16);
	store_be32(id, n);
}

/* --- the registry --- */

static void commit(struct pair *p, struct store_change *c, const uint8_t subject[16])
{
	struct store_event event = { .at = NOW, .kind = "device.changed" };
	struct errbuf eb = { "" };
	uint64_t visit;

	if (subject) {
		memcpy(event.subject, subject, 16);
		store_event_add(c, &event);
	}
	if (store_commit(p->store, c, &eb) != OK)
		printf("# %s\n", eb.text);
	need(!eb.text[0], "a commit");
	need(store_numbers(p->store, TENANT, &p->seq, &visit, &eb) == OK, "numbers");
}

static void registry_open(struct pair *p)
{
	struct store_authority authority = {
		.id = 1, .kind = "device-ca", .n = 1, .state = "active"
	};
	struct store_tenant tenant = { .id = TENANT, .uuid = { 1 }, .name = "t" };
	struct store_change *c = store_change_new(TENANT);
	struct errbuf eb = { "" };

	snprintf(p->folder, sizeof(p->folder), "/tmp/pairXXXXXX");
	need(mkdtemp(p->folder), "a folder");
	snprintf(p->path, sizeof(p->path), "%s/r.db", p->folder);
	need(store_open(p->path, &(struct store_options){ .ctx = NULL }, &p->store, &eb) == OK,
	    eb.text);
	memset(authority.key_id, 7, sizeof(authority.key_id));
	store_tenant_add(c, &tenant);
	store_authority_put(c, &authority);
	commit(p, c, NULL);
	need(feed_source_init(&p->source, p->store, TENANT, &eb) == OK, eb.text);
}

static void issue(struct pair *p, struct store_device *d)
{
	struct store_cert cert = { .authority = 1,
		.years = 31,
		.state = draw(p, 2) ? STORE_ACTIVE : STORE_ISSUED,
		.enabled = true,
		.level = 1 };
	struct store_change *c = store_change_new(TENANT);

	store_be32(cert.serial, ++p->serials);
	cert.created = NOW + p->serials;
	memset(cert.sig, 1, sizeof(cert.sig));
	memset(cert.fingerprint, (int)p->serials, sizeof(cert.fingerprint));
	store_be32(cert.fingerprint, p->serials);
	memcpy(cert.device, d->id, 16);
	memcpy(d->cert, cert.serial, 16);
	store_device_put(c, d);
	store_cert_put(c, &cert);
	commit(p, c, d->id);
}

/* One device becomes something else, or begins, or ends. */
static void change(struct pair *p)
{
	struct store_change *c;
	struct store_device d;
	uint8_t id[16];

	device_id((unsigned)draw(p, DEVICES), id);
	if (store_device_get(p->store, TENANT, id, &d, NULL) != OK) {
		d = (struct store_device){ .enabled = true, .created = NOW + (int64_t)draw(p, 9) };
		memcpy(d.id, id, 16);
		c = store_change_new(TENANT);
		store_device_put(c, &d);
		commit(p, c, id);
		return;
	}
	switch (draw(p, 6)) {
	case 0:
	case 1:
		issue(p, &d);
		return;
	case 2:
		d.enabled = !d.enabled;
		break;
	case 3:
		d.deleted = d.deleted ? 0 : NOW;
		break;
	case 4:
		store_be32(d.thing, (uint32_t)draw(p, 3));
		break;
	default:
		c = store_change_new(TENANT);
		store_device_remove(c, id, d.version);
		commit(p, c, id);
		return;
	}
	c = store_change_new(TENANT);
	store_device_put(c, &d);
	commit(p, c, id);
}

/* --- the server's end, as brokers.c has it --- */

static const char *greeted(void *ctx)
{
	struct pair *p = ctx;

	p->place = presence_greet(p->presences, p->server.name, p->server.boot, NOW);
	p->begun = p->seq;
	feed_source_begin(&p->cursor, &p->server, p->seq);
	p->snapshots += p->cursor.snapshot;
	p->deltas += !p->cursor.snapshot;
	return NULL;
}

static void applied(void *ctx, uint64_t seq)
{
	(void)ctx, (void)seq;
}

static void connected(void *ctx, const struct feed_board *b)
{
	struct pair *p = ctx;
	struct presence_visit v = { .connection = b->connection,
		.address = b->address,
		.protocol = b->protocol,
		.began = b->at };

	memcpy(v.device, b->device, 16);
	memcpy(v.print, b->print, 16);
	need(presence_came(p->presences, p->place, &v) == OK, "a visit");
}

static void left(void *ctx, uint64_t connection, int64_t at, const char *reason)
{
	struct pair *p = ctx;

	presence_left(p->presences, p->place, connection, at, reason);
}

static void refused(void *ctx, const char *reason, const uint8_t *device, const char *address)
{
	(void)ctx, (void)reason, (void)device, (void)address;
}

static void refused_many(void *ctx, uint64_t count)
{
	(void)ctx, (void)count;
}

static void tells(void *ctx, bool whole)
{
	struct pair *p = ctx;

	if (whole)
		presence_told(p->presences, p->place, NOW);
	else
		presence_tells(p->presences, p->place);
}

static const struct feed_server_events server_events = { greeted, applied, connected, left, refused,
	refused_many, tells };

static void write_visits(struct pair *p)
{
	struct presence_change change;

	while (presence_take(p->presences, &change)) {
		struct store_change *c = store_change_new(TENANT);
		enum err e;

		if (change.write)
			store_visit_put(c, &change.visit);
		e = store_commit(p->store, c, NULL);
		need(e == OK || e == ERR_NOT_FOUND, "a visit is written");
	}
}

/* --- the plugin's, as plugin.c has it --- */

static void tell_all(void *ctx)
{
	struct pair *p = ctx;

	if (p->telling)
		feed_tell_end(&p->feed);
	p->telling = true;
	p->told = 0;
	feed_tell_begin(&p->feed);
}

static void changed(void *ctx, const uint8_t id[16], bool kick)
{
	(void)ctx, (void)id, (void)kick;
}

static void authorities(void *ctx)
{
	(void)ctx;
}

static const struct feed_events plugin_events = { changed, authorities, tell_all };

static void say_connected(struct pair *p, unsigned i)
{
	static const uint8_t print[ROSTER_PRINT] = { 5 };

	feed_connected(&p->feed, p->connection[i].number, p->connection[i].device, print,
	    "192.0.2.7", 4, NOW + (int64_t)p->connection[i].number);
}

/* A few at a time, as a broker with thousands does. */
static void tell(struct pair *p)
{
	if (p->linked && feed_told_again(&p->feed)) {
		p->telling = false;
		tell_all(p);
	}
	for (unsigned n = 0; p->linked && p->telling && n < 3; n++) {
		if (p->told == CONNECTIONS) {
			feed_tell_end(&p->feed);
			p->telling = false;
		} else if (p->connection[p->told++].number) {
			say_connected(p, p->told - 1);
		}
	}
}

static void board_leaves(struct pair *p, unsigned i, const char *why)
{
	if (p->linked)
		feed_disconnected(&p->feed, p->connection[i].number, NOW, why);
	p->connection[i].number = 0;
}

/* It comes, perhaps while it is here still, or goes. */
static void board_moves(struct pair *p)
{
	unsigned i = (unsigned)draw(p, CONNECTIONS), former = CONNECTIONS;
	uint8_t id[16];

	if (p->connection[i].number) {
		board_leaves(p, i, draw(p, 2) ? "revoked" : NULL);
		return;
	}
	device_id((unsigned)draw(p, DEVICES), id);
	for (unsigned k = 0; k < CONNECTIONS; k++)
		if (p->connection[k].number && memcmp(p->connection[k].device, id, 16) == 0)
			former = k;
	memcpy(p->connection[i].device, id, 16);
	p->connection[i].number = ++p->numbers;
	if (p->linked)
		say_connected(p, i);
	if (former < CONNECTIONS)
		board_leaves(p, former, "taken-over");
}

/* --- the line between them --- */

static void link_up(struct pair *p)
{
	need(feed_server_init(&p->server, &server_events, p, p->epoch, p->seq, NULL) == OK,
	    "memory");
	p->linked = true;
	p->telling = false;
	feed_greet(&p->feed);
	tell_all(p);
}

static void link_cut(struct pair *p)
{
	if (!p->linked)
		return;
	feed_lost(&p->feed);
	feed_server_free(&p->server);
	p->linked = p->telling = false;
	p->cuts++;
}

/* At most so many bytes, one way and the other; how many there were. */
static size_t carry(struct pair *p, size_t most)
{
	struct slice out;
	const char *why;
	size_t n = 0;

	if (!p->linked)
		return 0;
	out = feed_server_output(&p->server);
	out.n = out.n < most ? out.n : most;
	n += out.n;
	if (feed_take(&p->feed, out, &why) != OK) {
		printf("# the plugin: %s\n", why);
		need(false, "the plugin understands the server");
	}
	feed_server_sent(&p->server, out.n);
	p->early += p->feed.synced && p->server.greeted && p->feed.seq < p->begun;
	out = feed_output(&p->feed);
	out.n = out.n < most ? out.n : most;
	n += out.n;
	if (feed_server_take(&p->server, out, &why) != OK) {
		printf("# the server: %s\n", why);
		need(false, "the server understands the plugin");
	}
	feed_sent(&p->feed, out.n);
	return n;
}

static void say(struct pair *p)
{
	struct errbuf eb = { "" };
	bool more = true;

	if (!p->linked || !p->server.greeted)
		return;
	need(feed_source_more(&p->source, &p->cursor, &p->server, p->seq, &more, &eb) == OK,
	    eb.text);
	need(!feed_server_failed(&p->server), "there is room");
}

static void server_anew(struct pair *p)
{
	link_cut(p);
	write_visits(p);
	presences_free(p->presences);
	need(presences_new(p->store, TENANT, &p->presences, NULL) == OK, "visits");
	p->epoch = p->epoch * 7 + 1;
}

/* With the list that it had, or none; its boards are gone. */
static void plugin_anew(struct pair *p)
{
	uint64_t epoch = p->feed.epoch, seq = p->feed.seq;
	bool saved = draw(p, 2);

	link_cut(p);
	feed_free(&p->feed);
	if (!saved) {
		roster_free(p->roster);
		need(roster_new(&p->roster, NULL) == OK, "memory");
	}
	need(feed_init(&p->feed, p->roster, &plugin_events, p, NULL) == OK, "memory");
	if (saved) {
		p->feed.epoch = epoch;
		p->feed.seq = seq;
	}
	memset(p->connection, 0, sizeof(p->connection));
	p->numbers = 0;
}

/* --- what must be --- */

static void settle(struct pair *p)
{
	if (!p->linked)
		link_up(p);
	for (unsigned quiet = 0; quiet < 3;) {
		tell(p);
		say(p);
		quiet = carry(p, 1u << 20) || p->telling || p->cursor.said < p->seq ? 0 : quiet + 1;
	}
	write_visits(p);
}

static bool roster_agrees(struct pair *p)
{
	size_t n = 0;

	for (unsigned i = 0; i < DEVICES; i++) {
		struct roster_device there = { .enabled = false };
		struct live_device d;
		uint8_t id[16];
		bool wanted, known;

		device_id(i, id);
		wanted = live_device(p->store, TENANT, id, &d, NULL) == OK;
		known = roster_get(p->roster, id, &there);
		n += known;
		if (wanted != known ||
		    (wanted && (memcmp(there.thing, d.thing, 16) != 0 ||
		                   memcmp(there.print, d.print, sizeof(d.print)) != 0 ||
		                   there.enabled != d.enabled || there.not_after != d.not_after)))
			return false;
	}
	return n == roster_count(p->roster) && p->feed.synced && p->feed.seq == p->seq &&
	       p->server.acked == p->seq;
}

static bool count_open(void *ctx, const struct store_visit *v)
{
	(void)v;
	++*(size_t *)ctx;
	return true;
}

static bool presence_agrees(struct pair *p)
{
	size_t devices = 0, known = 0, open = 0;

	for (unsigned i = 0; i < DEVICES; i++) {
		unsigned n = 0;
		struct presence_now now;
		struct store_device d;
		uint8_t id[16];

		device_id(i, id);
		for (unsigned k = 0; k < CONNECTIONS; k++)
			n +=
			    p->connection[k].number && memcmp(p->connection[k].device, id, 16) == 0;
		devices += n > 0;
		if (store_device_get(p->store, TENANT, id, &d, NULL) == OK)
			known += n;
		if (presence_of(p->presences, id, &now) !=
		        (n ? PRESENCE_ONLINE : PRESENCE_OFFLINE) ||
		    (n && now.visits != n))
			return false;
	}
	need(store_visit_open(p->store, TENANT, count_open, &open, NULL) == OK, "visits");
	/* Of a device that was removed while it was connected nothing is kept. */
	return devices == presence_count(p->presences) && open <= known;
}

static void shut(struct pair *p)
{
	link_cut(p);
	feed_free(&p->feed);
	roster_free(p->roster);
	presences_free(p->presences);
	feed_source_free(&p->source);
	store_close(p->store);
	for (size_t i = 0; i < 4; i++) {
		static const char *const ends[] = { "", "-wal", "-shm", ".lock" };
		char path[80];

		snprintf(path, sizeof(path), "%s%s", p->path, ends[i]);
		unlink(path);
	}
	rmdir(p->folder);
}

static void run(uint64_t seed, unsigned rounds)
{
	struct pair p = { .random = seed * 0x9e3779b97f4a7c15u + 1, .epoch = 1 };
	unsigned rosters = 0, presences = 0;

	registry_open(&p);
	need(presences_new(p.store, TENANT, &p.presences, NULL) == OK, "visits");
	need(roster_new(&p.roster, NULL) == OK &&
	         feed_init(&p.feed, p.roster, &plugin_events, &p, NULL) == OK,
	    "memory");
	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned step = 0; step < 60; step++) {
			if (!p.linked && draw(&p, 3) == 0)
				link_up(&p);
			if (draw(&p, 5) == 0)
				change(&p);
			if (draw(&p, 3) == 0)
				board_moves(&p);
			if (draw(&p, 4) == 0)
				say(&p);
			if (draw(&p, 2) == 0)
				tell(&p);
			carry(&p, draw(&p, draw(&p, 4) ? 40 : 4000));
			if (draw(&p, 25) == 0)
				link_cut(&p);
			if (draw(&p, 80) == 0)
				server_anew(&p);
			if (draw(&p, 80) == 0)
				plugin_anew(&p);
		}
		settle(&p);
		rosters += roster_agrees(&p);
		presences += presence_agrees(&p);
	}
	ok(rosters == rounds, "seed %llu: the list is the registry, %u of %u times",
	    (unsigned long long)seed, rosters, rounds);
	ok(presences == rounds, "who is present is who is connected, %u of %u times", presences,
	    rounds);
	ok(p.early == 0, "no list counts as right before it has what was there as its broker came");
	ok(p.cuts > rounds / 2 && p.snapshots > 3 && p.deltas > 3,
	    "with %u cuts, %u snapshots, %u times what had changed", p.cuts, p.snapshots, p.deltas);
	shut(&p);
}

/*
 * An event can be read a moment before a device that is asked for is what it made of it. Nothing is said of it then: its
 * number would stand for what was before.
 */
static void not_ahead(void)
{
	struct pair p = { .random = 77, .epoch = 1 };
	struct store_device d = { .enabled = true, .created = NOW };
	uint64_t known;

	registry_open(&p);
	need(presences_new(p.store, TENANT, &p.presences, NULL) == OK &&
	         roster_new(&p.roster, NULL) == OK &&
	         feed_init(&p.feed, p.roster, &plugin_events, &p, NULL) == OK,
	    "memory");
	link_up(&p);
	settle(&p);
	for (unsigned i = 0; i < 3; i++) {
		struct store_change *c = store_change_new(TENANT);

		device_id(i, d.id);
		store_device_put(c, &d);
		commit(&p, c, d.id);
	}
	known = --p.seq;
	settle(&p);
	ok(p.feed.seq == known && roster_count(p.roster) == 2, "nothing is said ahead of its time");
	p.seq++;
	settle(&p);
	ok(p.feed.seq == p.seq && roster_agrees(&p), "and everything at its time");
	shut(&p);
}

int main(void)
{
	bool torture = getenv("IMPRINT_TORTURE") != NULL;

	not_ahead();
	for (uint64_t seed = 1; seed <= (torture ? 40 : 3); seed++)
		run(seed, torture ? 60 : 12);
	return done_testing();
}
