/* Who is let in: which certificates live, devices disabled and revoked, and answers that wait for brokers. */
#include "tap.h"
#include "world.h"

#include "event.h"
#include "text.h"
#include "uuid.h"

#include <stdlib.h>

static const char *path(const char *id, const char *rest, const char *more)
{
	static char text[4][160];
	static unsigned turn;
	char *p = text[turn++ % 4];

	snprintf(p, 160, "/iot/v2/devices/%s%s%s", id, rest, more);
	return p;
}

static const char *own(const char *id, const char *rest)
{
	static char text[4][160];
	static unsigned turn;
	char *p = text[turn++ % 4];

	snprintf(p, 160, "/v1/devices/%s%s", id, rest);
	return p;
}

static struct answer keyed(
    struct world *w, const char *method, const char *target, const char *key, const char *body)
{
	char headers[400];

	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\nIdempotency-Key: %s\n",
	    w->token, key);
	return ask_with(
	    w, method, target, headers, (struct slice){ (const uint8_t *)body, strlen(body) });
}

static struct store_cert cert_of(struct world *w, const char *serial)
{
	struct store_cert row;
	uint8_t bytes[16];

	if (hex_decode((struct slice){ (const uint8_t *)serial, 32 }, bytes, 16) != OK ||
	    store_cert_get(w->store, 1, bytes, &row, NULL) != OK)
		abort();
	return row;
}

static enum store_cert_state state_of(struct world *w, const char *serial)
{
	return cert_of(w, serial).state;
}

/* What the first connection does. */
static void activate(struct world *w, const char *serial)
{
	struct store_cert row = cert_of(w, serial);
	struct store_change *c = store_change_new(1);

	row.state = STORE_ACTIVE;
	store_cert_put(c, &row);
	if (store_commit(w->store, c, NULL) != OK)
		abort();
}

static struct store_device device_of(struct world *w, const char *id)
{
	struct store_device d;
	uint8_t uuid[16];

	if (uuid_parse((struct slice){ (const uint8_t *)id, 36 }, uuid) != OK ||
	    store_device_get(w->store, 1, uuid, &d, NULL) != OK)
		abort();
	return d;
}

struct last {
	char kind[32], note[EVENT_TEXT_MAX + 1];
	uint64_t seq;
};

static bool keep_last(void *ctx, const struct store_event *row)
{
	struct last *l = ctx;
	struct event event;

	if (event_parse(row->body, &event) != OK)
		abort();
	l->seq = row->seq;
	snprintf(l->kind, sizeof(l->kind), "%s", row->kind);
	snprintf(l->note, sizeof(l->note), "%s", event.note);
	return true;
}

static struct last last_event(struct world *w)
{
	struct last l = { .seq = 0 };

	if (store_event_list(w->store, 1, 1, keep_last, &l, NULL) != OK)
		abort();
	return l;
}

/* --- which certificates live --- */

static void lives(struct world *w)
{
	char id[37], first[33], second[33], third[33], csr[2048], body[2300];
	struct answer a;

	make_device(w, "living", id);
	make_cert(w, id, first);
	make_cert(w, id, second);
	ok(state_of(w, first) == STORE_SUPERSEDED && !cert_of(w, first).enabled &&
	        state_of(w, second) == STORE_ISSUED,
	    "one that never connected gives way to the next");
	activate(w, second);
	make_cert(w, id, third);
	ok(state_of(w, second) == STORE_ACTIVE && state_of(w, third) == STORE_ISSUED,
	    "an active one stays beside the next");
	make_csr(id, csr);
	snprintf(body, sizeof(body), "{\"csr\":\"%s\"}", csr);
	a = ask(w, "POST", path(id, "/certs/", second), body);
	ok(a.status == 200 && state_of(w, second) == STORE_ACTIVE &&
	        state_of(w, third) == STORE_SUPERSEDED &&
	        state_of(w, text_of(&a, "id")) == STORE_ISSUED,
	    "also when it is issued anew at the active one's path");
	answer_free(&a);
	a = ask(w, "DELETE", path(id, "/certs/", second), NULL);
	answer_free(&a);
	ok(cert_of(w, second).reason == 0, "revoked without a word: unspecified");
	make_cert(w, id, first);
	a = ask(w, "DELETE", path(id, "/certs/", first), NULL);
	answer_free(&a);
	make_cert(w, id, first);
	a = ask(w, "DELETE", path(id, "/certs/", "x?reason=keyCompromised"), NULL);
	ok(a.status == 400 && strstr(a.body, "reason"), "no such reason (%s)", a.body);
	answer_free(&a);
	snprintf(body, sizeof(body), "%s?reason=keyCompromise", first);
	a = ask(w, "DELETE", path(id, "/certs/", body), NULL);
	ok(a.status == 200 && cert_of(w, first).reason == 1, "revoked with a reason");
	answer_free(&a);
}

/* --- disabled and enabled --- */

static void switched(struct world *w)
{
	char id[37], cert[33], long_reason[300];
	struct answer a;
	struct last l;
	size_t events;

	make_device(w, "switched", id);
	make_cert(w, id, cert);
	a = ask(w, "POST", own(id, ":disable"), "{\"reason\":\"lost in the woods\"}");
	l = last_event(w);
	ok(a.status == 200 && json_is_false(json_object_get(a.json, "enabled")) &&
	        strcmp(text_of(&a, "id"), id) == 0 && strcmp(text_of(&a, "name"), "switched") == 0,
	    "disabled (%s)", a.body);
	ok(strcmp(text_of(&a, "certificates.0.id"), cert) == 0 &&
	        strcmp(text_of(&a, "certificates.0.state"), "issued") == 0,
	    "its certificates stay");
	answer_free(&a);
	ok(!device_of(w, id).enabled && strcmp(l.kind, "device.disabled") == 0 &&
	        strcmp(l.note, "lost in the woods") == 0,
	    "in the registry, with an event that says why");
	events = count_events(w);
	a = ask(w, "POST", own(id, ":disable"), NULL);
	ok(a.status == 200 && json_is_false(json_object_get(a.json, "enabled")) &&
	        count_events(w) == events,
	    "again: nothing is written");
	answer_free(&a);
	a = ask(w, "GET", own(id, ""), NULL);
	ok(a.status == 200 && json_is_false(json_object_get(a.json, "enabled")), "shown");
	answer_free(&a);
	a = ask(w, "POST", own(id, ":enable"), NULL);
	ok(a.status == 200 && json_is_true(json_object_get(a.json, "enabled")) &&
	        device_of(w, id).enabled && strcmp(last_event(w).kind, "device.enabled") == 0,
	    "enabled (%s)", a.body);
	answer_free(&a);
	snprintf(long_reason, sizeof(long_reason), "{\"reason\":\"%0201d\"}", 7);
	a = ask(w, "POST", own(id, ":disable"), long_reason);
	ok(a.status == 400 && strcmp(a.type, "application/problem+json") == 0 &&
	        strstr(text_of(&a, "detail"), "reason: 201 bytes, at most 200"),
	    "a reason that is too long (%s)", a.body);
	answer_free(&a);
	a = ask(w, "POST", own(id, ":disable"), "{\"note\":\"x\"}");
	ok(a.status == 400, "another member");
	answer_free(&a);
	a = ask(w, "POST", own("00000000-0000-4000-8000-000000000000", ":disable"), NULL);
	ok(a.status == 404 && strcmp(a.type, "application/problem+json") == 0, "nobody");
	answer_free(&a);
	a = ask(w, "GET", own(id, ":disable"), NULL);
	ok(a.status == 405 || a.status == 404, "not by GET");
	answer_free(&a);
	a = ask(w, "POST", own(id, ":destroy"), NULL);
	ok(a.status == 404 || a.status == 405, "no such word");
	answer_free(&a);
}

/* --- revoked --- */

static void revoked(struct world *w)
{
	static const char *const words[] = { "unspecified", "keyCompromise", "affiliationChanged",
		"superseded", "cessationOfOperation", "privilegeWithdrawn" };
	static const unsigned numbers[] = { 0, 1, 3, 4, 5, 9 };
	char id[37], old[33], active[33], issued[33], body[64];
	struct answer a;
	size_t events;

	make_device(w, "revoked", id);
	make_cert(w, id, old);
	make_cert(w, id, active);
	activate(w, active);
	make_cert(w, id, issued);
	a = ask(w, "POST", own(id, ":revoke"), "{\"reason\":\"keyCompromise\"}");
	ok(a.status == 200 && json_is_true(json_object_get(a.json, "enabled")) &&
	        strcmp(text_of(&a, "certificates.2.state"), "revoked") == 0 &&
	        strcmp(text_of(&a, "certificates.2.reason"), "keyCompromise") == 0,
	    "revoked; the device stays enabled (%s)", a.body);
	answer_free(&a);
	ok(state_of(w, active) == STORE_REVOKED && state_of(w, issued) == STORE_REVOKED &&
	        state_of(w, old) == STORE_SUPERSEDED,
	    "all that lived");
	ok(strcmp(last_event(w).kind, "device.revoked") == 0 &&
	        strcmp(last_event(w).note, "keyCompromise") == 0,
	    "with one event");
	events = count_events(w);
	a = ask(w, "POST", own(id, ":revoke"), "{\"reason\":\"superseded\"}");
	ok(a.status == 200 && count_events(w) == events &&
	        strcmp(text_of(&a, "certificates.2.reason"), "keyCompromise") == 0,
	    "again: nothing changes");
	answer_free(&a);
	for (size_t i = 0; i < COUNT(words); i++) {
		make_cert(w, id, issued);
		snprintf(body, sizeof(body), "{\"reason\":\"%s\"}", words[i]);
		a = ask(w, "POST", own(id, ":revoke"), body);
		ok(a.status == 200 && cert_of(w, issued).reason == numbers[i], "%s", words[i]);
		answer_free(&a);
	}
	a = ask(w, "POST", own(id, ":revoke"), "{\"reason\":\"certificateHold\"}");
	ok(a.status == 400, "not a hold: devices are disabled for that");
	answer_free(&a);
	make_cert(w, id, issued);
	a = ask(w, "POST", own(id, ":revoke"), NULL);
	ok(a.status == 200 && state_of(w, issued) == STORE_REVOKED, "a board can begin anew");
	answer_free(&a);
}

/* --- the brokers --- */

static void reached(struct world *w, const char *device, const char *what)
{
	struct answer a = ask(w, "POST", own(device, what), NULL);

	ok(a.status == 200 && w->brokers.seq == last_event(w).seq &&
	        json_integer_value(
	            json_object_get(json_object_get(a.json, "brokers"), "reached")) == 1 &&
	        strcmp(text_of(&a, "brokers.waiting.0"), "a") == 0 &&
	        strcmp(text_of(&a, "brokers.waiting.1"), "b.2") == 0,
	    "%s: says which brokers have not answered (%s)", what, a.body);
	answer_free(&a);
}

/* What every change of who is let in does on Arduino's routes. */
static void waits(struct world *w, const char *method, const char *target, const char *body)
{
	unsigned before = w->brokers.asked;
	struct answer a = ask(w, method, target, body);

	ok(a.status == 200 && w->brokers.asked == before + 1 &&
	        w->brokers.seq == last_event(w).seq &&
	        strcmp(a.headers, "Imprint-Brokers: reached=1 waiting=a,b.2\n") == 0,
	    "%s %s: a header says it (%d)", method, strrchr(target, '/'), a.status);
	answer_free(&a);
}

/* A certificate is given when brokers know it, or have had time to; that is all that it waits for. */
static void issued(struct world *w, const char *id, bool later)
{
	unsigned before = w->brokers.asked;
	char csr[2048], body[2300];
	struct answer a;

	w->brokers.waiting = "a,b.2";
	w->brokers.later = later;
	make_csr(id, csr);
	snprintf(body, sizeof(body), "{\"csr\":\"%s\",\"enabled\":true}", csr);
	a = ask(w, "PUT", path(id, "/certs", ""), body);
	ok(a.status == 201 && text_of(&a, "pem")[0] && w->brokers.asked == before + 1 &&
	        w->brokers.seq == last_event(w).seq && w->brokers.limit_ms <= 250,
	    "a certificate waits for the brokers, a moment (%d)", a.status);
	ok(a.headers[0] == '\0', "and does not say which know it (%s)", a.headers);
	answer_free(&a);
}

static void brokers(struct world *w)
{
	char id[37], cert[33], other[37];
	struct answer a, b;
	unsigned asked;
	uint64_t seq;

	world_brokers(w);
	make_device(w, "reached", id);
	make_device(w, "other", other);
	issued(w, id, false);
	issued(w, id, true);
	w->brokers.waiting = "";
	w->brokers.later = false;
	make_cert(w, id, cert);
	asked = w->brokers.asked;
	a = ask(w, "POST", path(id, "", ""), "{\"wifi_fw_version\":\"1\"}");
	answer_free(&a);
	ok(w->brokers.asked == asked, "what keeps nobody out waits for nobody");
	a = ask(w, "POST", path(id, "/certs/", cert), "{\"enabled\":false}");
	ok(a.status == 200 && a.headers[0] == '\0' && w->brokers.asked == asked + 1,
	    "all brokers have it: nothing is said (%s)", a.headers);
	answer_free(&a);
	for (int later = 0; later < 2; later++) {
		w->brokers.waiting = "a,b.2";
		w->brokers.later = later;
		make_cert(w, id, cert);
		waits(w, "POST", path(id, "/certs/", cert), "{\"enabled\":false}");
		waits(w, "POST", path(id, "/certs/", cert), "{\"enabled\":true}");
		waits(w, "DELETE", path(id, "/certs/", cert), NULL);
		reached(w, id, ":disable");
		reached(w, id, ":enable");
		make_cert(w, id, cert);
		reached(w, id, ":revoke");
		make_cert(w, id, cert);
		waits(w, "DELETE", path(id, "", ""), NULL);
		waits(w, "POST", path(id, "", ""), "{\"soft_deleted\":false}");
		waits(w, "POST", path(id, "", ""), "{\"soft_deleted\":true}");
		waits(w, "POST", path(id, "", ""), "{\"soft_deleted\":false}");
	}
	a = keyed(w, "POST", own(id, ":disable"), "off", "");
	seq = w->brokers.seq;
	w->brokers.waiting = "";
	w->brokers.reached = 3;
	w->brokers.seq = 0;
	b = keyed(w, "POST", own(id, ":disable"), "off", "");
	ok(a.status == 200 && b.status == 200 && w->brokers.seq == seq &&
	        json_array_size(json_object_get(json_object_get(b.json, "brokers"), "waiting")) ==
	            0 &&
	        json_integer_value(
	            json_object_get(json_object_get(b.json, "brokers"), "reached")) == 3,
	    "the same request again asks the brokers again (%s)", b.body);
	answer_free(&a);
	answer_free(&b);
	w->brokers.waiting = "a";
	a = keyed(w, "DELETE", path(other, "?force=true", ""), "gone", "");
	seq = w->brokers.seq;
	w->brokers.seq = 0;
	b = keyed(w, "DELETE", path(other, "?force=true", ""), "gone", "");
	ok(a.status == 200 && b.status == 200 && w->brokers.seq == seq &&
	        strstr(b.headers, "waiting=a\n"),
	    "also for what is gone");
	answer_free(&a);
	answer_free(&b);
	a = ask(w, "POST", path(id, "/certs/", cert), "{\"enabled\":true}");
	ok(a.status == 200 && w->brokers.seq == 4711 && a.headers[0], "what was so already");
	answer_free(&a);
	w->brokers.seq = 0;
	a = ask(w, "POST", own(id, ":disable"), NULL);
	ok(a.status == 200 && w->brokers.seq == 4711, "on our own routes too");
	answer_free(&a);
	w->brokers.later = false;
}

/* --- brokers and metrics --- */

static void listed(struct world *w)
{
	static const struct broker_state all[] = {
		{ .name = "mosquitto",
		    .speaks = true,
		    .synced = true,
		    .seq = 1000000,
		    .heard = 1900000000000,
		    .since = 1900000000000,
		    .boards = 2,
		    .admitted = 5,
		    .refused = 6,
		    .refused_by = { [BROKERS_REASON_REVOKED] = 4, [BROKERS_REASON_ADMIT] = 2 },
		    .snapshots = 1,
		    .deltas = 4 },
		{ .name = "behind", .speaks = true, .synced = true, .seq = 7 },
		{ .name = "silent", .heard = 1900000000000, .since = 1900000000000 },
	};
	struct answer a = ask(w, "GET", "/v1/brokers", NULL);

	ok(a.status == 200 && json_array_size(json_object_get(a.json, "brokers")) == 0,
	    "no broker (%s)", a.body);
	answer_free(&a);
	world_brokers(w);
	memcpy(w->brokers.at, all, sizeof(all));
	w->brokers.n = COUNT(all);
	a = ask(w, "GET", "/v1/brokers", NULL);
	ok(a.status == 200 && strcmp(text_of(&a, "brokers.0.name"), "mosquitto") == 0 &&
	        strcmp(text_of(&a, "brokers.0.state"), "fresh") == 0 &&
	        strcmp(text_of(&a, "brokers.1.state"), "behind") == 0 &&
	        strcmp(text_of(&a, "brokers.2.state"), "silent") == 0 &&
	        strcmp(text_of(&a, "brokers.0.heard_at"), "2030-03-17T17:46:40Z") == 0,
	    "by freshness (%s)", a.body);
	ok((uint64_t)json_integer_value(json_object_get(a.json, "seq")) == last_event(w).seq,
	    "and the server's own number");
	answer_free(&a);
	w->inbox.messages = 42;
	w->presences.presence = PRESENCE_ONLINE;
	a = ask(w, "GET", "/metrics", NULL);
	ok(a.status == 200 && strcmp(a.type, "text/plain; version=0.0.4; charset=utf-8") == 0 &&
	        strstr(a.body, "\n# TYPE imprint_broker_boards gauge\n"
	                       "imprint_broker_boards{broker=\"mosquitto\"} 2\n"
	                       "imprint_broker_boards{broker=\"behind\"} 0\n"
	                       "imprint_broker_boards{broker=\"silent\"} 0\n") &&
	        strstr(a.body,
	            " counter\n"
	            "imprint_broker_refused_total{broker=\"mosquitto\",reason=\"other\"} 2\n"
	            "imprint_broker_refused_total{broker=\"mosquitto\",reason="
	            "\"bad-certificate\"} 0\n") &&
	        strstr(a.body, "{broker=\"mosquitto\",reason=\"revoked\"} 4\n") &&
	        strstr(a.body, "{broker=\"silent\",reason=\"revoked\"} 0\n") &&
	        strstr(a.body, "\nimprint_inbox_messages_total 42\n") &&
	        strstr(a.body, "\nimprint_http_requests_total 7\n") &&
	        strstr(a.body, "\nimprint_devices_online 1\n"),
	    "metrics");
	answer_free(&a);
	a = ask_with(w, "GET", "/metrics", "", (struct slice){ NULL, 0 });
	ok(a.status == 401, "not for everybody");
	answer_free(&a);
}

static void asked_to_forget(struct world *w, const char *name, int want, const char *what)
{
	size_t before = count_events(w);
	char target[64];
	struct answer a;

	snprintf(target, sizeof(target), "/v1/brokers/%s", name);
	a = ask(w, "DELETE", target, NULL);
	ok(a.status == want && count_events(w) == before && w->brokers.forgets[0] == '\0',
	    "%s (%s)", what, a.body);
	answer_free(&a);
}

static void forgotten(struct world *w)
{
	struct answer a, b;
	struct last l;
	char *kept = NULL;

	world_brokers(w);
	w->brokers.at[0] = (struct broker_state){ .name = "north", .speaks = true };
	w->brokers.at[1] = (struct broker_state){ .name = "south" };
	w->brokers.n = 2;
	asked_to_forget(w, "west", 404, "a broker that is not known");
	asked_to_forget(w, "north", 409, "one that is connected");
	a = ask_with(w, "DELETE", "/v1/brokers/south", "", (struct slice){ NULL, 0 });
	ok(a.status == 401 && w->brokers.forgotten == 0, "not by everybody");
	answer_free(&a);
	a = keyed(w, "DELETE", "/v1/brokers/south", "retired", "");
	l = last_event(w);
	ok(a.status == 200 && a.n == 0 && strcmp(l.kind, "broker.forgotten") == 0 &&
	        strcmp(l.note, "south") == 0,
	    "one that has gone is, and the event says which (%s)", l.kind);
	ok(w->brokers.forgotten == 1 && w->brokers.kept == 0 && w->brokers.asked == 0,
	    "that is said when it is on the disk, and waits for nobody");
	ok(store_setting_get(w->store, 1, "brokers", &kept, NULL) == OK &&
	        strcmp(kept, "those that are left\n") == 0,
	    "what is remembered is written with it");
	w->brokers.n = 1;
	b = keyed(w, "DELETE", "/v1/brokers/south", "retired", "");
	ok(b.status == 200 && w->brokers.forgotten == 1, "asked again it is answered again (%s)",
	    b.body);
	free(kept);
	answer_free(&a);
	answer_free(&b);
}

int main(void)
{
	struct world w;

	world_open(&w);
	lives(&w);
	switched(&w);
	revoked(&w);
	listed(&w);
	brokers(&w);
	forgotten(&w);
	world_close(&w);
	return done_testing();
}
