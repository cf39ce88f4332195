/* Things: as clients make, find, change and remove them, and which device each belongs to. */
#include "tap.h"
#include "world.h"

#include "uuid.h"

#include <pthread.h>
#include <stdlib.h>

#define THINGS "/iot/v2/things"
#define NOWHERE "00000000-0000-4000-8000-000000000000"

static void fill(struct answer *a, const char *member, char text[37])
{
	snprintf(text, 37, "%s", text_of(a, member));
}

static struct answer at(
    struct world *w, const char *method, const char *folder, const char *id, const char *body)
{
	char target[160];

	snprintf(target, sizeof(target), "%s/%s", folder, id);
	return ask(w, method, target, body);
}

static bool says(struct world *w, const char *method, const char *target, const char *body,
    int status, const char *holds, const char *name)
{
	struct answer a = ask(w, method, target, body);
	bool right =
	    ok(a.status == status && strstr(a.body, holds), "%s: %d (%s)", name, a.status, a.body);

	answer_free(&a);
	return right;
}

static void make_thing(struct world *w, const char *body, char id[37])
{
	struct answer a = ask(w, "PUT", THINGS, body);

	ok(a.status == 201, "made (%s)", a.body);
	fill(&a, "id", id);
	answer_free(&a);
}

/* Which device this thing has, or which thing this device; "" for none. */
static const char *of(struct world *w, const char *folder, const char *id, const char *member)
{
	static char text[2][37];
	static unsigned turn;
	struct answer a = at(w, "GET", folder, id, NULL);
	char *p = text[turn++ % 2];

	fill(&a, member, p);
	answer_free(&a);
	return p;
}
#define DEVICE_OF(thing) of(w, THINGS, thing, "device_id")
#define THING_OF(device) of(w, "/iot/v2/devices", device, "thing.id")

static void attach(struct world *w, const char *thing, const char *device, int status)
{
	char body[80];
	struct answer a;

	snprintf(body, sizeof(body), "{\"device_id\":\"%s\"}", device);
	a = at(w, "POST", THINGS, thing, body);
	ok(a.status == status, "attached: %d (%s)", a.status, a.body);
	answer_free(&a);
}

static void created(struct world *w)
{
	static const char *const needed[] = { "href", "id", "name", "timezone", "user_id",
		"created_at", "updated_at", "organization_id" };
	struct answer a = ask(w, "PUT", THINGS, "{\"name\":\"hall\",\"timezone\":\"Europe/Rome\"}");
	bool all = true;
	char id[37];

	for (size_t i = 0; i < COUNT(needed); i++)
		all &= json_is_string(json_object_get(a.json, needed[i]));
	fill(&a, "id", id);
	ok(a.status == 201 && all && strlen(id) == 36 && !json_object_get(a.json, "device_id") &&
	        json_integer_value(json_object_get(a.json, "properties_count")) == 0 &&
	        json_is_array(json_object_get(a.json, "properties")),
	    "made, with all that clients need (%s)", a.body);
	answer_free(&a);
	world_restart(w);
	a = at(w, "GET", THINGS, id, NULL);
	ok(a.status == 200 && strcmp(text_of(&a, "name"), "hall") == 0 &&
	        strcmp(text_of(&a, "timezone"), "Europe/Rome") == 0,
	    "found again after a restart");
	answer_free(&a);
	a = at(w, "POST", THINGS, id, "{\"name\":\"attic\"}");
	ok(a.status == 200 && strcmp(text_of(&a, "name"), "attic") == 0 &&
	        strcmp(text_of(&a, "timezone"), "Europe/Rome") == 0,
	    "what is given changes, the rest stays");
	answer_free(&a);
	a = ask(w, "PUT", THINGS, "{}");
	ok(a.status == 201 && strncmp(text_of(&a, "name"), "thing-", 6) == 0 &&
	        strcmp(text_of(&a, "timezone"), "UTC") == 0,
	    "nothing is needed");
	answer_free(&a);
	a = ask(w, "GET", THINGS, NULL);
	ok(a.status == 200 && json_array_size(a.json) == 2 &&
	        strcmp(json_string_value(json_object_get(json_array_get(a.json, 0), "id")), id) ==
	            0 &&
	        !json_object_get(json_array_get(a.json, 0), "properties"),
	    "both listed, the older first");
	answer_free(&a);
}

static void refused(struct world *w)
{
	size_t before = count_events(w);

	says(w, "PUT", THINGS, "{\"timezone\":\"Europe/Atlantis\"}", 400,
	    "timezone: 'Europe/Atlantis'", "no such time zone");
	says(w, "PUT", THINGS, "{\"timezone\":\"../../../etc/passwd\"}", 400, "timezone", "a path");
	says(w, "PUT", THINGS, "{\"name\":null}", 400, "name: not a string", "no name");
	says(w, "PUT", THINGS, "{\"device_id\":\"x\"}", 400, "device_id: not a UUID", "no id");
	says(w, "PUT", THINGS, "{\"device_id\":7}", 400, "device_id: not a string", "a number");
	says(w, "PUT", THINGS, "{\"device_id\":\"" NOWHERE "\"}", 404, "device " NOWHERE,
	    "a device that is not there");
	says(w, "PUT", THINGS, "{\"colour\":1}", 400, "colour: no member of a thing",
	    "unknown member");
	says(w, "GET", THINGS "/x", NULL, 404, "no id", "an id that cannot be");
	says(w, "GET", THINGS "/" NOWHERE, NULL, 404, "not found", "an id that is not");
	says(w, "POST", THINGS "/" NOWHERE, "{}", 404, "not found", "to change nothing");
	says(w, "DELETE", THINGS "/" NOWHERE, NULL, 404, "not found", "to remove nothing");
	says(w, "GET", THINGS "?device_id=x", NULL, 400, "device_id", "a filter that is none");
	says(w, "GET", THINGS "?show_deleted=1", NULL, 400, "show_deleted", "a flag that is none");
	ok(count_events(w) == before, "nothing of it is in the registry");
}

/* --- events --- */

struct found {
	char kinds[8][32];
	uint8_t subjects[8][16];
	size_t n;
};

static bool take_event(void *ctx, const struct store_event *e)
{
	struct found *f = ctx;

	if (f->n < 8) {
		memcpy(f->kinds[f->n], e->kind, sizeof(e->kind));
		memcpy(f->subjects[f->n++], e->subject, 16);
	}
	return true;
}

/* Whether the event at this place is of this kind and about this one. */
static bool event_is(const struct found *f, size_t i, const char *kind, const char *id)
{
	uint8_t subject[16];

	return i < f->n && strcmp(f->kinds[i], kind) == 0 &&
	       uuid_parse((struct slice){ (const uint8_t *)id, 36 }, subject) == OK &&
	       memcmp(subject, f->subjects[i], 16) == 0;
}

static struct found events_since(struct world *w, size_t before)
{
	struct found f = { .n = 0 };

	if (store_event_list(w->store, 1, before + 1, take_event, &f, NULL) != OK)
		abort();
	return f;
}

static void attached(struct world *w)
{
	char hall[37], attic[37], one[37], two[37], target[128];
	struct found f;
	struct answer a;
	size_t before;

	make_device(w, "one", one);
	make_device(w, "two", two);
	make_thing(w, "{\"name\":\"hall\"}", hall);
	make_thing(w, "{\"name\":\"attic\"}", attic);
	ok(!*THING_OF(one) && !*DEVICE_OF(hall), "neither has the other");

	before = count_events(w);
	attach(w, hall, one, 200);
	f = events_since(w, before);
	ok(strcmp(THING_OF(one), hall) == 0 && strcmp(DEVICE_OF(hall), one) == 0,
	    "each has the other");
	ok(f.n == 2 && event_is(&f, 0, "thing.changed", hall) &&
	        event_is(&f, 1, "device.attached", one),
	    "two events, the second about the device");
	snprintf(target, sizeof(target), THINGS "?device_id=%s", one);
	says(w, "GET", target, NULL, 200, "\"device_name\":\"one\"", "found by its device");
	snprintf(target, sizeof(target), THINGS "?device_id=%s", two);
	says(w, "GET", target, NULL, 200, "[]", "nothing by the other");

	before = count_events(w);
	attach(w, hall, one, 200);
	ok(count_events(w) == before + 1, "again: nothing happens to the device");

	before = count_events(w);
	attach(w, hall, two, 200);
	f = events_since(w, before);
	ok(!*THING_OF(one) && strcmp(DEVICE_OF(hall), two) == 0, "another device takes its place");
	ok(f.n == 3 && event_is(&f, 1, "device.attached", two) &&
	        event_is(&f, 2, "device.detached", one),
	    "which both devices' events say");

	attach(w, attic, two, 200);
	ok(strcmp(THING_OF(two), attic) == 0 && !*DEVICE_OF(hall),
	    "a device leaves its former thing");
	attach(w, attic, NOWHERE, 404);
	ok(strcmp(THING_OF(two), attic) == 0, "and stays when the next is not there");

	before = count_events(w);
	a = at(w, "POST", THINGS, attic, "{\"device_id\":null}");
	f = events_since(w, before);
	ok(a.status == 200 && !*THING_OF(two) && !*DEVICE_OF(attic) &&
	        event_is(&f, 1, "device.detached", two),
	    "detached by null");
	answer_free(&a);
	attach(w, attic, two, 200);
	attach(w, attic, "", 200);
	ok(!*THING_OF(two), "and by nothing");

	snprintf(target, sizeof(target), "{\"name\":\"third\",\"device_id\":\"%s\"}", two);
	make_thing(w, target, hall);
	ok(strcmp(THING_OF(two), hall) == 0, "attached from the beginning");
	before = count_events(w);
	a = at(w, "DELETE", THINGS, hall, NULL);
	f = events_since(w, before);
	ok(a.status == 200 && a.n == 0 && !*THING_OF(two) &&
	        event_is(&f, 0, "thing.removed", hall) && event_is(&f, 1, "device.detached", two),
	    "a thing that is removed leaves its device alone");
	answer_free(&a);

	attach(w, attic, two, 200);
	a = at(w, "DELETE", "/iot/v2/devices", two, NULL);
	answer_free(&a);
	ok(!*DEVICE_OF(attic), "a device that is deleted is nobody's");
	attach(w, attic, one, 200);
	a = at(w, "POST", "/iot/v2/devices", two, "{\"soft_deleted\":false}");
	answer_free(&a);
	ok(!*THING_OF(two) && strcmp(DEVICE_OF(attic), one) == 0,
	    "and does not take its thing back when it comes back");
}

static void properties(struct world *w)
{
	static const struct {
		const char *name, *json, *type;
	} values[] = { { "label", "\"a \\\"b\\\"\"", "CHARSTRING" }, { "led", "true", "STATUS" },
		{ "steps", "-7", "INT" }, { "temperature", "21.5", "FLOAT" } };
	struct store_change *c = store_change_new(1);
	char thing[37], device[37], body[80], first[37];
	struct answer a;
	json_t *list;

	make_device(w, "measuring", device);
	snprintf(body, sizeof(body), "{\"device_id\":\"%s\"}", device);
	make_thing(w, body, thing);
	for (size_t i = 0; i < COUNT(values); i++) {
		struct store_value v = { .at = 1900000000000 };

		if (uuid_parse((struct slice){ (const uint8_t *)thing, 36 }, v.thing) != OK)
			abort();
		snprintf(v.name, sizeof(v.name), "%s", values[i].name);
		snprintf(v.json, sizeof(v.json), "%s", values[i].json);
		store_value_put(c, &v);
	}
	ok(store_commit(w->store, c, NULL) == OK, "four values");
	snprintf(body, sizeof(body), "/iot/v2/devices/%s/properties", device);
	a = ask(w, "GET", body, NULL);
	list = json_object_get(a.json, "properties");
	ok(a.status == 200 && strcmp(text_of(&a, "deviceId"), device) == 0 &&
	        json_array_size(list) == 4,
	    "of the device (%s)", a.body);
	for (size_t i = 0; i < COUNT(values) && i < json_array_size(list); i++) {
		json_t *p = json_array_get(list, i);
		char *last = json_dumps(json_object_get(p, "last_value"), JSON_ENCODE_ANY);

		ok(strcmp(json_string_value(json_object_get(p, "name")), values[i].name) == 0 &&
		        strcmp(json_string_value(json_object_get(p, "type")), values[i].type) ==
		            0 &&
		        last && strcmp(last, values[i].json) == 0 &&
		        strlen(json_string_value(json_object_get(p, "id"))) == 36 &&
		        strcmp(json_string_value(json_object_get(p, "thing_id")), thing) == 0,
		    "%s: %s", values[i].name, last);
		free(last);
	}
	snprintf(first, sizeof(first), "%s",
	    json_string_value(json_object_get(json_array_get(list, 0), "id")));
	answer_free(&a);
	a = at(w, "GET", THINGS, thing, NULL);
	ok(json_integer_value(json_object_get(a.json, "properties_count")) == 4 &&
	        strstr(a.body, first) != NULL,
	    "of the thing, under the same ids");
	answer_free(&a);
	says(w, "GET", THINGS "?show_properties=true", NULL, 200, first, "in lists when asked for");
}

static void again(struct world *w)
{
	char headers[256];
	struct answer a, b;

	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\nIdempotency-Key: thing\n",
	    w->token);
	a = ask_with(w, "PUT", THINGS, headers, TEXT("{\"name\":\"once\"}"));
	b = ask_with(w, "PUT", THINGS, headers, TEXT("{\"name\":\"once\"}"));
	ok(a.status == 201 && b.status == 201 && strcmp(a.body, b.body) == 0,
	    "the same request again makes no other (%s)", b.body);
	answer_free(&a);
	answer_free(&b);
}

/* --- races --- */

struct racer {
	struct world *w;
	const char *things[3], *devices[3];
	unsigned seed;
	int wrong;
};

static void *race(void *ctx)
{
	struct racer *r = ctx;

	for (int i = 0; i < 60; i++) {
		const char *device = rand_r(&r->seed) % 5 ? r->devices[rand_r(&r->seed) % 3] : "";
		char body[80];
		struct answer a;

		snprintf(body, sizeof(body), "{\"device_id\":\"%s\"}", device);
		a = at(r->w, "POST", THINGS, r->things[rand_r(&r->seed) % 3], body);
		r->wrong += a.status != 200;
		answer_free(&a);
	}
	return NULL;
}

/* Four who attach anything to anything: in the end each has at most one, and both sides agree. */
static void races(struct world *w)
{
	static char things[3][37], devices[3][37];
	struct racer racers[4];
	pthread_t threads[4];
	int wrong = 0, links[2] = { 0, 0 };
	bool agree = true;

	for (int i = 0; i < 3; i++) {
		make_device(w, "racing", devices[i]);
		make_thing(w, "{}", things[i]);
	}
	for (unsigned i = 0; i < COUNT(racers); i++) {
		racers[i] = (struct racer){ w, { things[0], things[1], things[2] },
			{ devices[0], devices[1], devices[2] }, i + 1, 0 };
		if (pthread_create(&threads[i], NULL, race, &racers[i]) != 0)
			abort();
	}
	for (unsigned i = 0; i < COUNT(racers); i++) {
		pthread_join(threads[i], NULL);
		wrong += racers[i].wrong;
	}
	for (int i = 0; i < 3; i++) {
		const char *thing = THING_OF(devices[i]);

		links[0] += *thing != '\0';
		agree = agree && (!*thing || strcmp(DEVICE_OF(thing), devices[i]) == 0);
		links[1] += *DEVICE_OF(things[i]) != '\0';
	}
	ok(wrong == 0, "240 changes at once, all done (%d not)", wrong);
	ok(agree && links[0] == links[1], "%d devices have a thing, %d things a device", links[0],
	    links[1]);
}

int main(void)
{
	struct world w;

	world_open(&w);
	created(&w);
	refused(&w);
	attached(&w);
	properties(&w);
	again(&w);
	races(&w);
	world_close(&w);
	return done_testing();
}
