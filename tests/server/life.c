/* What is known of a device's life: from its messages, from what brokers say, and from its visits. */
#include "tap.h"
#include "world.h"

#include "uuid.h"

#include <stdlib.h>

static const int64_t then = 1900000000000; /* 2030-03-17T17:46:40Z */

static const char *path(const char *id, const char *rest)
{
	static char text[4][160];
	static unsigned turn;
	char *p = text[turn++ % 4];

	snprintf(p, 160, "/iot/v2/devices/%s%s", id, rest);
	return p;
}

static bool says(struct world *w, const char *target, const char *holds, const char *name)
{
	struct answer a = ask(w, "GET", target, NULL);
	bool right = a.status == 200 && strstr(a.body, holds) != NULL;

	ok(right, "%s (%s)", name, right ? holds : a.body);
	answer_free(&a);
	return right;
}

static void says_not(struct world *w, const char *target, const char *holds, const char *name)
{
	struct answer a = ask(w, "GET", target, NULL);

	ok(a.status == 200 && !strstr(a.body, holds), "%s (%s)", name, a.body);
	answer_free(&a);
}

static const char *detail(const char *id)
{
	static char text[64];

	snprintf(text, sizeof(text), "/v1/devices/%s", id);
	return text;
}

static void uuid_of(const char *id, uint8_t uuid[16])
{
	if (uuid_parse((struct slice){ (const uint8_t *)id, 36 }, uuid) != OK)
		abort();
}

static void seen(struct world *w, const char *id, int64_t at)
{
	struct store_change *c = store_change_new(1);
	uint8_t uuid[16];

	uuid_of(id, uuid);
	store_device_seen(c, uuid, at, (struct slice){ NULL, 0 });
	if (store_commit(w->store, c, NULL) != OK)
		abort();
}

static void visit(struct world *w, const char *id, bool admitted, int64_t began, int64_t ended,
    const char *reason)
{
	static uint8_t number;
	struct store_visit v = { .id = { ++number },
		.broker = "mosquitto",
		.address = "192.0.2.9",
		.admitted = admitted,
		.began = began,
		.ended = ended,
		.protocol = 4,
		.print = { 0xab } };
	struct store_change *c = store_change_new(1);

	snprintf(v.reason, sizeof(v.reason), "%s", reason);
	uuid_of(id, v.device);
	store_visit_put(c, &v);
	if (store_commit(w->store, c, NULL) != OK)
		abort();
}

/* By the presence, and by what was heard: never, a message, a visit. */
static void statuses(struct world *w)
{
	static const struct {
		enum presence presence;
		const char *never, *message, *visited, *name;
	} rows[] = {
		{ PRESENCE_UNHEARD, "UNKNOWN", "ONLINE", "OFFLINE", "no broker ever spoke" },
		{ PRESENCE_UNKNOWN, "UNKNOWN", "UNKNOWN", "UNKNOWN", "its broker is silent" },
		{ PRESENCE_OFFLINE, "UNKNOWN", "OFFLINE", "OFFLINE", "at no broker" },
		{ PRESENCE_ONLINE, "ONLINE", "ONLINE", "ONLINE", "at a broker" },
	};
	char never[37], message[37], visited[37], cert[33], want[64];

	make_device(w, "never", never);
	make_device(w, "message", message);
	make_device(w, "visited", visited);
	make_cert(w, visited, cert);
	seen(w, message, then - 1000);
	visit(w, visited, true, then - 2000, then - 1000, "");
	visit(w, never, false, then - 2000, then - 2000, "revoked");
	for (size_t i = 0; i < COUNT(rows); i++) {
		w->presences.presence = rows[i].presence;
		snprintf(want, sizeof(want), "\"device_status\":\"%s\"", rows[i].never);
		says(w, path(never, ""), want, rows[i].name);
		snprintf(want, sizeof(want), "\"device_status\":\"%s\"", rows[i].message);
		says(w, path(message, ""), want, rows[i].name);
		snprintf(want, sizeof(want), "\"device_status\":\"%s\"", rows[i].visited);
		says(w, path(visited, ""), want, rows[i].name);
	}
	says(w, path(visited, ""), "\"last_activity_at\":\"2030-03-17T17:46:39Z\"",
	    "the end of a visit is activity");
	visit(w, visited, false, then, then, "revoked");
	says(w, path(visited, ""), "\"last_activity_at\":\"2030-03-17T17:46:39Z\"",
	    "an attempt that was refused is none");
	seen(w, visited, then);
	says(w, path(visited, ""), "\"last_activity_at\":\"2030-03-17T17:46:40Z\"",
	    "a later message is");
	w->presences.presence = PRESENCE_UNHEARD;
}

/* The clock was ahead: what was noted then is no time, until there is one. */
static void future(struct world *w)
{
	const int64_t year = 31536000000;
	char id[37], cert[33];

	make_device(w, "future", id);
	make_cert(w, id, cert);
	visit(w, id, true, then + year, then + year + 1000, "");
	seen(w, id, then + year);
	says(w, path(id, ""), "\"device_status\":\"OFFLINE\"", "it was there, and is not");
	says_not(w, path(id, ""), "last_activity_at", "nobody knows when");
	says_not(w, detail(id), "last_message_at", "nor when it said something last");
	visit(w, id, true, then - 5000, then + year, "");
	says(w, path(id, ""), "\"last_activity_at\":\"2030-03-17T17:46:35Z\"",
	    "one came when the clock was right");
	seen(w, id, then - 1000);
	says(w, path(id, ""), "\"last_activity_at\":\"2030-03-17T17:46:39Z\"",
	    "the next message is believed");
	says(w, path(id, ""), "\"device_status\":\"ONLINE\"", "it is there, as no broker speaks");
	w->presences.presence = PRESENCE_ONLINE;
	w->presences.now.since = then + year;
	says(w, detail(id), "\"since\":\"2030-03-17T17:46:40Z\"", "it has been there by now");
	w->presences.presence = PRESENCE_UNHEARD;
}

static void histories(struct world *w)
{
	char id[37], target[160], cert[33];
	struct answer a;

	make_device(w, "history", id);
	make_cert(w, id, cert);
	says(w, path(id, "/status"), "\"events\":[]", "nothing yet");
	visit(w, id, true, then - 60000, then - 20000, "taken-over");
	visit(w, id, true, then - 20001, 0, "");
	visit(w, id, false, then - 90000, then - 90000, "disabled");
	says(w, path(id, "/status"),
	    "[{\"updated_at\":\"2030-03-17T17:46:20Z\",\"value\":\"DISCONNECTED\"},"
	    "{\"updated_at\":\"2030-03-17T17:46:19Z\",\"value\":\"CONNECTED\"},"
	    "{\"updated_at\":\"2030-03-17T17:45:40Z\",\"value\":\"CONNECTED\"}]",
	    "newest first, without what was refused");
	says(w, path(id, "/status?limit=1&start="),
	    "[{\"updated_at\":\"2030-03-17T17:46:20Z\",\"value\":\"DISCONNECTED\"}]", "one");
	says(w, path(id, "/status?start=2030-03-17T18%3A46%3A19.5%2B01%3A00"),
	    "[{\"updated_at\":\"2030-03-17T17:46:20Z\",\"value\":\"DISCONNECTED\"},"
	    "{\"updated_at\":\"2030-03-17T17:46:19Z\",\"value\":\"CONNECTED\"}]",
	    "since then");
	says(w, path(id, "/events"),
	    "{\"name\":\"DISCONNECTED\",\"updated_at\":\"2030-03-17T17:46:20Z\","
	    "\"value\":\"192.0.2.9: taken-over\"},"
	    "{\"name\":\"CONNECTED\",\"updated_at\":\"2030-03-17T17:46:19Z\","
	    "\"value\":\"192.0.2.9\"}",
	    "with address and reason");
	says(w, path(id, "/events"),
	    "{\"name\":\"REFUSED\",\"updated_at\":\"2030-03-17T17:45:10Z\","
	    "\"value\":\"192.0.2.9: disabled\"}]",
	    "and what was refused");
	a = ask(w, "GET", path(id, "/status?limit=0"), NULL);
	ok(a.status == 400 && strstr(a.body, "limit"), "a limit that is none (%s)", a.body);
	answer_free(&a);
	a = ask(w, "GET", path(id, "/events?start=yesterday"), NULL);
	ok(a.status == 400 && strstr(a.body, "start"), "a time that is none (%s)", a.body);
	answer_free(&a);
	snprintf(target, sizeof(target), "/v1/devices/%s/visits?limit=2", id);
	a = ask(w, "GET", target, NULL);
	ok(a.status == 200 && json_array_size(json_object_get(a.json, "visits")) == 2 &&
	        strcmp(text_of(&a, "visits.0.began"), "2030-03-17T17:46:19Z") == 0 &&
	        !text_of(&a, "visits.0.ended")[0] &&
	        strcmp(text_of(&a, "visits.1.reason"), "taken-over") == 0 &&
	        strcmp(text_of(&a, "visits.1.broker"), "mosquitto") == 0,
	    "as visits (%s)", a.body);
	answer_free(&a);
}

static void in_detail(struct world *w)
{
	char id[37], cert[33], target[160];
	struct answer a;

	make_device(w, "detailed", id);
	make_cert(w, id, cert);
	visit(w, id, true, then, 0, "");
	w->presences.presence = PRESENCE_ONLINE;
	w->presences.now = (struct presence_now){
		.since = then, .address = "192.0.2.9", .broker = "mosquitto", .print = { 0xab }
	};
	snprintf(target, sizeof(target), "/v1/devices/%s", id);
	a = ask(w, "GET", target, NULL);
	ok(a.status == 200 && strcmp(text_of(&a, "presence.state"), "online") == 0 &&
	        strcmp(text_of(&a, "presence.since"), "2030-03-17T17:46:40Z") == 0 &&
	        strcmp(text_of(&a, "presence.address"), "192.0.2.9") == 0 &&
	        strcmp(text_of(&a, "presence.broker"), "mosquitto") == 0 &&
	        strcmp(text_of(&a, "status"), "ONLINE") == 0,
	    "where it is (%s)", a.body);
	ok(!json_object_get(a.json, "last_message_at"), "let in is not heard");
	ok(strcmp(text_of(&a, "certificates.0.id"), cert) == 0 &&
	        strcmp(text_of(&a, "certificates.0.state"), "issued") == 0 &&
	        strlen(text_of(&a, "certificates.0.fingerprint")) == 64 &&
	        strlen(text_of(&a, "certificates.0.not_after")) == 20 &&
	        json_array_size(json_object_get(a.json, "visits")) == 1,
	    "with certificates and visits");
	answer_free(&a);
	seen(w, id, then);
	a = ask(w, "GET", target, NULL);
	ok(strcmp(text_of(&a, "last_message_at"), "2030-03-17T17:46:40Z") == 0,
	    "and when it was heard (%s)", a.body);
	answer_free(&a);
	w->presences.presence = PRESENCE_UNHEARD;
	a = ask(w, "DELETE", path(id, ""), NULL);
	answer_free(&a);
	a = ask(w, "GET", target, NULL);
	ok(a.status == 404, "deleted: not shown");
	answer_free(&a);
	strcat(target, "?show_deleted=true");
	a = ask(w, "GET", target, NULL);
	ok(a.status == 200 && text_of(&a, "deleted_at")[0], "unless asked for");
	answer_free(&a);
}

int main(void)
{
	struct world w;

	world_open(&w);
	w.now_ms = then;
	world_login(&w);
	world_brokers(&w);
	statuses(&w);
	future(&w);
	histories(&w);
	in_detail(&w);
	world_close(&w);
	return done_testing();
}
