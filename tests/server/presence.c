/*
 * Who is there, as the brokers say it: at the start, at one that speaks, when one is gone; what is written of it, and
 * what when the disk is full.
 */
#include "registry.h"
#include "tap.h"
#include "visit_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TENANT 1
#define NOW INT64_C(1795392000000)

struct rig {
	char folder[32];
	struct store *store;
	struct presences *p;
	struct disk disk;
	struct errbuf eb;
};

static const uint8_t boot[8] = { 1, 2, 3 }, another[8] = { 9 };
static const uint8_t board[16] = { 0xb0 }, stranger[16] = { 0xcc }, late[16] = { 0xdd };

static void device_add(struct rig *r, const uint8_t id[16])
{
	struct store_device d = { .enabled = true, .created = NOW };
	struct store_change *c = store_change_new(TENANT);

	memcpy(d.id, id, 16);
	store_device_put(c, &d);
	need(store_commit(r->store, c, &r->eb) == OK, r->eb.text);
}

static void prepare(void *ctx, struct store_change **changes, size_t n)
{
	struct rig *r = ctx;

	disk_prepare(&r->disk, changes, n);
}

static void begin(struct rig *r)
{
	struct store_options options = { .prepare = prepare, .ctx = r };
	struct store_authority authority = {
		.id = 1, .kind = "device-ca", .n = 1, .state = "active"
	};
	struct store_tenant tenant = { .id = TENANT, .uuid = { 1 }, .name = "t" };
	struct store_change *c = store_change_new(TENANT);
	char path[64];

	memset(r, 0, sizeof(*r));
	snprintf(r->folder, sizeof(r->folder), "/tmp/presenceXXXXXX");
	need(mkdtemp(r->folder), "a folder");
	snprintf(path, sizeof(path), "%s/r.db", r->folder);
	need(store_open(path, &options, &r->store, &r->eb) == OK, r->eb.text);
	store_tenant_add(c, &tenant);
	store_authority_put(c, &authority);
	need(store_commit(r->store, c, &r->eb) == OK, r->eb.text);
	device_add(r, board);
	device_add(r, late);
	need(presences_new(r->store, TENANT, &r->p, &r->eb) == OK, r->eb.text);
}

static void end(struct rig *r)
{
	static const char *const ends[] = { "", "-wal", "-shm", ".lock" };
	char path[64];

	presences_free(r->p);
	store_close(r->store);
	for (size_t i = 0; i < COUNT(ends); i++) {
		snprintf(path, sizeof(path), "%s/r.db%s", r->folder, ends[i]);
		unlink(path);
	}
	rmdir(r->folder);
}

static enum presence of(struct rig *r, const uint8_t device[16])
{
	return presence_of(r->p, device, NULL);
}

static bool came(
    struct rig *r, int broker, uint64_t connection, const uint8_t device[16], int64_t at)
{
	struct presence_visit v = {
		.connection = connection, .address = "192.0.2.7", .protocol = 4, .began = at
	};

	memcpy(v.device, device, 16);
	memset(v.print, (int)connection, sizeof(v.print));
	return presence_came(r->p, broker, &v) == OK;
}

/* What waits goes into the registry; how many of them were written. */
static unsigned written(struct rig *r)
{
	struct presence_change change;
	unsigned n = 0;

	while (presence_take(r->p, &change)) {
		struct store_change *c = store_change_new(TENANT);

		if (change.write)
			store_visit_put(c, &change.visit);
		n += store_commit(r->store, c, &r->eb) == OK && change.write;
	}
	return n;
}

struct seen {
	unsigned n;
	char text[256];
};

static bool see(void *ctx, const struct store_visit *v)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text);

	s->n++;
	snprintf(s->text + n, sizeof(s->text) - n, "%s%s %s %s %lld", n ? "; " : "", v->broker,
	    v->admitted ? "in" : "out", v->reason, v->ended ? (long long)(v->ended - NOW) : -1LL);
	return true;
}

/* The visits of the device in the registry, newest first. */
static bool visits_are(struct rig *r, const uint8_t device[16], const char *want)
{
	struct seen s = { 0 };

	(void)written(r);
	need(store_visit_list(r->store, TENANT, device, see, &s, &r->eb) == OK, r->eb.text);
	if (strcmp(s.text, want) != 0)
		printf("# %s\n", s.text);
	return strcmp(s.text, want) == 0;
}

static void states(void)
{
	struct presence_now now = { .visits = 0 };
	struct rig r;
	int north, south;

	begin(&r);
	ok(presence_of(NULL, board, NULL) == PRESENCE_UNHEARD && presence_count(NULL) == 0,
	    "no brokers");
	ok(of(&r, board) == PRESENCE_UNHEARD, "before any has spoken");
	north = presence_greet(r.p, "north", boot, NOW);
	ok(of(&r, board) == PRESENCE_UNHEARD, "nor has one that has only greeted");
	presence_tells(r.p, north);
	ok(came(&r, north, 7, board, NOW + 1) && of(&r, board) == PRESENCE_ONLINE &&
	        presence_count(r.p) == 1,
	    "one that was told is there");
	presence_told(r.p, north, NOW + 2);
	ok(of(&r, stranger) == PRESENCE_OFFLINE, "one that was not, is not");
	ok(presence_of(r.p, board, &now) == PRESENCE_ONLINE && now.since == NOW + 1 &&
	        now.visits == 1 && strcmp(now.broker, "north") == 0 &&
	        strcmp(now.address, "192.0.2.7") == 0 && now.print[0] == 7,
	    "since when, and where");
	south = presence_greet(r.p, "south", another, NOW + 3);
	ok(came(&r, south, 7, board, NOW + 5) && presence_of(r.p, board, &now) == PRESENCE_ONLINE &&
	        now.visits == 2 && now.since == NOW + 1 && strcmp(now.broker, "south") == 0 &&
	        presence_count(r.p) == 1,
	    "at two brokers, the same number at both");
	presence_left(r.p, north, 7, NOW + 6, "");
	ok(of(&r, board) == PRESENCE_ONLINE && presence_at(r.p, north) == 0 &&
	        presence_at(r.p, south) == 1,
	    "it leaves one of them");
	presence_lost(r.p, south, NOW + 9);
	ok(of(&r, board) == PRESENCE_UNKNOWN && of(&r, stranger) == PRESENCE_OFFLINE &&
	        presence_count(r.p) == 0 && presence_at(r.p, south) == 0,
	    "the other is silent, and one still speaks");
	presence_lost(r.p, north, NOW + 10);
	ok(of(&r, board) == PRESENCE_UNKNOWN && of(&r, stranger) == PRESENCE_UNKNOWN,
	    "all are silent: nobody knows");
	ok(visits_are(&r, board, "south in  -1; north in  6"), "whether that visit is over");
	(void)presence_greet(r.p, "south", another, NOW + 11);
	presence_tells(r.p, south);
	ok(of(&r, board) == PRESENCE_UNKNOWN, "one comes again, and has not told all");
	ok(came(&r, south, 7, board, NOW + 5), "it was there all the time");
	presence_told(r.p, south, NOW + 12);
	ok(of(&r, board) == PRESENCE_ONLINE && of(&r, late) == PRESENCE_OFFLINE &&
	        visits_are(&r, board, "south in  -1; north in  6"),
	    "the visit goes on");
	(void)presence_greet(r.p, "south", boot, NOW + 13);
	ok(of(&r, board) == PRESENCE_OFFLINE &&
	        visits_are(&r, board, "south in unseen 13; north in  6"),
	    "another start of it: whoever was there has gone");
	end(&r);
}

/* When its last visit began, or -1 when it lasts. */
static int64_t since(struct rig *r, const uint8_t device[16])
{
	struct presence_now now = { .since = -1 };

	return presence_of(r->p, device, &now) == PRESENCE_ONLINE ? now.since - NOW : -1;
}

/* The server's clock was a day ahead, and its brokers'. */
static void future(void)
{
	const int64_t day = 86400000;
	struct rig r;
	int north;

	begin(&r);
	north = presence_greet(r.p, "north", boot, NOW + day);
	presence_told(r.p, north, NOW + day);
	ok(came(&r, north, 1, board, NOW + day) && came(&r, north, 2, late, NOW + day + 1) &&
	        written(&r) == 2 && since(&r, board) == day,
	    "two come");
	presence_left(r.p, north, 2, NOW + 5, "");
	ok(visits_are(&r, late, "north in  5"), "one leaves, and the clock is right again");
	presences_free(r.p);
	need(presences_new(r.store, TENANT, &r.p, &r.eb) == OK, r.eb.text);
	north = presence_greet(r.p, "north", boot, NOW + 6);
	presence_tells(r.p, north);
	ok(came(&r, north, 1, board, NOW + 7), "the other is told again");
	presence_told(r.p, north, NOW + 8);
	ok(since(&r, board) == 7 && written(&r) == 1, "and has been there since now");
	ok(came(&r, north, 1, board, NOW + 9) && written(&r) == 0 && since(&r, board) == 7,
	    "which stays so");
	presence_lost(r.p, north, NOW + day);
	(void)presence_greet(r.p, "north", another, NOW + 10);
	ok(visits_are(&r, board, "north in unseen 10"),
	    "a broker is lost at a time that has not come: whoever was there had gone by now");
	end(&r);
}

static bool is_at(void *ctx, const char *name, int broker, int64_t at)
{
	(void)broker, (void)at;
	return strcmp(name, ctx) == 0;
}

/* Of two brokers one falls silent, with a board of its own, and one that comes to the other. */
static void silent(void)
{
	char known[] = "north";
	int north, south;
	struct rig r;

	begin(&r);
	north = presence_greet(r.p, "north", boot, NOW);
	presence_told(r.p, north, NOW);
	south = presence_greet(r.p, "south", another, NOW);
	presence_told(r.p, south, NOW);
	ok(came(&r, south, 1, board, NOW + 1) && came(&r, south, 2, late, NOW + 2),
	    "two boards at one of two brokers");
	presence_lost(r.p, south, NOW + 4);
	ok(of(&r, board) == PRESENCE_UNKNOWN && of(&r, late) == PRESENCE_UNKNOWN,
	    "it is silent: they may be there or not");
	ok(came(&r, north, 1, late, NOW + 5) && of(&r, late) == PRESENCE_ONLINE,
	    "one comes to the other broker");
	presence_left(r.p, north, 1, NOW + 6, "");
	ok(of(&r, late) == PRESENCE_OFFLINE, "and leaves: that is where it was last");
	ok(visits_are(&r, late, "north in  6; south in  -1"),
	    "how its first visit ends nobody knows");
	(void)presence_greet(r.p, "south", another, NOW + 7);
	presence_tells(r.p, south);
	ok(came(&r, south, 2, late, NOW + 2), "the broker speaks, and has one of them");
	presence_told(r.p, south, NOW + 8);
	ok(of(&r, late) == PRESENCE_ONLINE && of(&r, board) == PRESENCE_OFFLINE &&
	        visits_are(&r, board, "south in unseen 4"),
	    "the other has gone, when it is not known: it was there until the silence");
	ok(came(&r, north, 2, late, NOW + 9), "at both");
	presence_lost(r.p, south, NOW + 10);
	presence_left(r.p, north, 2, NOW + 11, "");
	ok(of(&r, late) == PRESENCE_OFFLINE, "silent again while it was at the other");
	ok(came(&r, south, 3, board, NOW + 9), "one that is told before all are");
	presence_lost(r.p, south, NOW + 12);
	presence_sweep(r.p, is_at, known, NOW + 13);
	ok(of(&r, board) == PRESENCE_OFFLINE &&
	        visits_are(&r, board, "south in unseen 12; south in unseen 4") &&
	        visits_are(&r, late, "north in  11; north in  6; south in unseen 12"),
	    "it is forgotten: nobody is there");
	end(&r);
}

static void restart(void)
{
	char known[] = "north";
	struct rig r;
	int north;

	begin(&r);
	north = presence_greet(r.p, "north", boot, NOW);
	ok(came(&r, north, 1, board, NOW) && came(&r, north, 2, late, NOW) && written(&r) == 2,
	    "two visits");
	presences_free(r.p);
	need(presences_new(r.store, TENANT, &r.p, &r.eb) == OK, r.eb.text);
	ok(of(&r, board) == PRESENCE_UNHEARD && presence_count(r.p) == 0,
	    "read again: nobody vouches for them");
	north = presence_greet(r.p, "north", boot, NOW + 1);
	presence_tells(r.p, north);
	ok(came(&r, north, 1, board, NOW) && written(&r) == 0,
	    "the one that is told is not written again");
	ok(of(&r, late) == PRESENCE_UNHEARD, "the other is not known yet");
	presence_told(r.p, north, NOW + 2);
	ok(of(&r, board) == PRESENCE_ONLINE && of(&r, late) == PRESENCE_OFFLINE &&
	        visits_are(&r, late, "north in unseen 2"),
	    "and has gone");
	presences_free(r.p);
	need(presences_new(r.store, TENANT, &r.p, &r.eb) == OK, r.eb.text);
	presence_told(r.p, presence_greet(r.p, "south", another, NOW), NOW + 3);
	ok(of(&r, board) == PRESENCE_UNKNOWN && of(&r, late) == PRESENCE_OFFLINE,
	    "another broker speaks, not the one where it was");
	presence_sweep(r.p, is_at, known, NOW + 4);
	ok(of(&r, board) == PRESENCE_UNKNOWN && visits_are(&r, board, "north in  -1"),
	    "for as long as that one is known");
	known[0] = 'N';
	presence_sweep(r.p, is_at, known, NOW + 5);
	ok(of(&r, board) == PRESENCE_OFFLINE && visits_are(&r, board, "north in unseen 5"),
	    "and no longer");
	end(&r);
}

static void order(void)
{
	struct presence_change change;
	struct rig r;
	int north;

	begin(&r);
	north = presence_greet(r.p, "north", boot, NOW);
	ok(came(&r, north, 7, board, NOW) && came(&r, north, 8, board, NOW + 5), "taken over");
	presence_left(r.p, north, 7, NOW + 5, "taken-over");
	ok(of(&r, board) == PRESENCE_ONLINE &&
	        visits_are(&r, board, "north in  -1; north in taken-over 5"),
	    "the new one lasts");
	presence_left(r.p, north, 7, NOW + 6, "revoked");
	presence_left(r.p, north, 99, NOW + 6, "revoked");
	ok(written(&r) == 0, "what has ended, or was never there, does not end");
	ok(came(&r, north, 9, late, NOW + 8), "one comes");
	presence_left(r.p, north, 9, NOW + 2, "");
	ok(presence_take(r.p, &change) && change.write && change.check &&
	        change.visit.ended == NOW + 8 && !presence_take(r.p, &change),
	    "and leaves before it is written: one row, that does not end before it begins");
	end(&r);
}

static void refusals(void)
{
	struct rig r;
	int north;

	begin(&r);
	north = presence_greet(r.p, "north", boot, NOW);
	presence_refused(r.p, north, "revoked", board, "192.0.2.9", NOW);
	presence_refused(r.p, north, "revoked", board, "192.0.2.9", NOW + PRESENCE_REFUSED_MS - 1);
	ok(written(&r) == 1, "the same refusal again is none");
	presence_refused(r.p, north, "disabled", board, "192.0.2.9", NOW + 1);
	presence_refused(r.p, north, "revoked", late, "192.0.2.9", NOW + 2);
	presence_refused(r.p, north, "revoked", board, "192.0.2.9", NOW + PRESENCE_REFUSED_MS);
	ok(written(&r) == 3, "but another reason, another device, and ten seconds later");
	ok(visits_are(
	       &r, board, "north out revoked 10000; north out disabled 1; north out revoked 0"),
	    "in the registry");
	presence_refused(r.p, north, "unknown", stranger, "192.0.2.9", NOW);
	ok(written(&r) == 0 && presence_count(r.p) == 0, "not of devices that are not there");
	end(&r);
}

static void many(void)
{
	char name[16], other[] = "broker-6";
	struct rig r;
	int last = 0;

	begin(&r);
	for (unsigned i = 0; i < PRESENCE_BROKERS; i++) {
		snprintf(name, sizeof(name), "broker-%u", i);
		last = presence_greet(r.p, name, boot, NOW);
	}
	ok(last == PRESENCE_BROKERS - 1 && presence_greet(r.p, "more", boot, NOW) == -1 &&
	        presence_greet(r.p, "broker-0", another, NOW) == 0,
	    "so many brokers, and no more");
	ok(came(&r, 5, 1, board, NOW) && written(&r) == 1, "a board at one of them");
	presence_lost(r.p, 5, NOW + 1);
	ok(presence_greet(r.p, "more", boot, NOW) == -1, "one that is silent is where it was");
	presence_sweep(r.p, is_at, other, NOW + 2);
	ok(presence_greet(r.p, "more", boot, NOW) == -1,
	    "one that is forgotten, with visits to be written");
	ok(written(&r) == 1 && presence_greet(r.p, "more", boot, NOW) == 5 &&
	        presence_greet(r.p, "broker-5", boot, NOW) == -1,
	    "and then makes room");
	end(&r);
}

/* --- the first use of a certificate --- */

static int64_t now_ms(void *ctx)
{
	(void)ctx;
	return NOW;
}

static void nobody(void *ctx)
{
	(void)ctx;
}

/* A certificate of the board with which `came` comes as this connection. */
static void issue(struct rig *r, uint8_t n)
{
	struct store_cert cert = {
		.authority = 1, .years = 31, .enabled = true, .level = 1, .created = NOW + n
	};
	struct store_change *c = store_change_new(TENANT);
	struct store_device d;

	need(store_device_get(r->store, TENANT, board, &d, &r->eb) == OK, r->eb.text);
	memset(cert.serial, n, sizeof(cert.serial));
	memset(cert.fingerprint, n, sizeof(cert.fingerprint));
	memset(cert.sig, 1, sizeof(cert.sig));
	memcpy(cert.device, board, 16);
	memcpy(d.cert, cert.serial, 16);
	store_device_put(c, &d);
	store_cert_put(c, &cert);
	need(store_commit(r->store, c, &r->eb) == OK, r->eb.text);
}

static enum store_cert_state state_of(struct rig *r, uint8_t n)
{
	return cert_state(r->store, TENANT, n);
}

/* The registry has answered whatever this turn asks of it. */
static void turn(struct visit_writer *w, int64_t now)
{
	while (visit_writer_turn(w, now) || visit_writer_waits(w))
		usleep(1000);
}

/* How many changes the registry has refused in this turn. */
static unsigned refused_at(struct rig *r, struct visit_writer *w, int64_t now)
{
	unsigned before = atomic_load(&r->disk.refused);

	turn(w, now);
	return atomic_load(&r->disk.refused) - before;
}

/* A first use that cannot be written is tried again, once in a while, until it can. */
static void first_use(void)
{
	struct log log = LOG_TO(-1, LOG_LEVEL_ERROR, false);
	struct visit_writer w = {
		.tenant = TENANT, .log = &log, .now_ms = now_ms, .answered = nobody
	};
	struct rig r;
	int north;

	begin(&r);
	w.store = r.store;
	w.presences = r.p;
	north = presence_greet(r.p, "north", boot, NOW);
	issue(&r, 1);
	ok(came(&r, north, 1, board, NOW), "a board comes");
	turn(&w, 5);
	ok(state_of(&r, 1) == STORE_ACTIVE, "its certificate is active from then on");
	issue(&r, 2);
	atomic_store(&r.disk.full, true);
	ok(came(&r, north, 2, board, NOW + 1), "it comes with the next one, and the disk is full");
	presence_left(r.p, north, 2, NOW + 2, "");
	ok(refused_at(&r, &w, 10) == 2, "neither its visit nor its use can be written");
	ok(refused_at(&r, &w, 10) + refused_at(&r, &w, 9 + VISIT_WRITER_AGAIN_MS) == 0,
	    "which is not tried at once");
	ok(refused_at(&r, &w, 10 + VISIT_WRITER_AGAIN_MS) == 1 &&
	        refused_at(&r, &w, 11 + VISIT_WRITER_AGAIN_MS) == 0,
	    "but in a while, once");
	(void)presence_greet(r.p, "north", another, NOW);
	ok(came(&r, north, 2, board, NOW + 3) &&
	        refused_at(&r, &w, 12 + VISIT_WRITER_AGAIN_MS) == 2,
	    "when it comes again, its visits alone are written: its use waits already");
	atomic_store(&r.disk.full, false);
	turn(&w, 12 + VISIT_WRITER_AGAIN_MS);
	ok(state_of(&r, 2) == STORE_ISSUED, "there is room again");
	turn(&w, 11 + 2 * VISIT_WRITER_AGAIN_MS);
	ok(state_of(&r, 2) == STORE_ACTIVE && state_of(&r, 1) == STORE_SUPERSEDED,
	    "and the older certificate is retired");
	issue(&r, 3);
	atomic_store(&r.disk.full, true);
	ok(came(&r, north, 3, board, NOW + 4) && refused_at(&r, &w, 20000) == 2 &&
	        refused_at(&r, &w, 20000) == 0,
	    "one waits when it ends");
	visit_writer_end(&w);
	end(&r);
}

int main(void)
{
	first_use();
	states();
	silent();
	future();
	restart();
	order();
	refusals();
	many();
	return done_testing();
}
