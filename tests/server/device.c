/* Devices, their tags and passwords, and what is known of them, as clients ask for it. */
#include "tap.h"
#include "world.h"

#include "uuid.h"

#include <stdlib.h>

#define DEVICES "/iot/v2/devices"
#define NOWHERE DEVICES "/00000000-0000-4000-8000-000000000000"

static const char *path(const char *id, const char *rest)
{
	static char text[4][160];
	static unsigned turn;
	char *p = text[turn++ % 4];

	snprintf(p, 160, DEVICES "/%s%s", id, rest);
	return p;
}

/* --- one request, its status, and something that the answer must hold --- */

static bool says(struct world *w, const char *method, const char *target, const char *body,
    int status, const char *holds, const char *name)
{
	struct answer a = ask(w, method, target, body);
	bool right = a.status == status && strstr(a.body, holds) != NULL;

	if (status >= 400)
		right = right && strcmp(a.type, "application/vnd.goa.error+json") == 0 &&
		        json_integer_value(json_object_get(a.json, "status")) == status;
	ok(right, "%s: %d (%s)", name, a.status, status >= 400 || !right ? a.body : holds);
	answer_free(&a);
	return right;
}

static void created(struct world *w)
{
	static const char *const needed[] = { "href", "id", "label", "name", "serial", "type",
		"user_id" };
	struct answer a = ask(w, "PUT", DEVICES,
	    "{\"fqbn\":\"arduino:samd:mkrwifi1010\",\"name\":\"NewDevice_65534\","
	    "\"type\":\"mkrwifi1010\",\"serial\":\"0123F2A8C4E691B0EE\"}");
	char id[37], href[64];
	bool all = true;

	for (size_t i = 0; i < COUNT(needed); i++)
		all &= json_is_string(json_object_get(a.json, needed[i]));
	snprintf(id, sizeof(id), "%s", text_of(&a, "id"));
	snprintf(href, sizeof(href), DEVICES "/%s", id);
	ok(a.status == 201 && all && strlen(id) == 36 && id[14] == '4' &&
	        strcmp(text_of(&a, "href"), href) == 0,
	    "made, with all that clients need (%s)", a.body);
	ok(strcmp(text_of(&a, "label"), "Arduino MKR WiFi 1010") == 0 &&
	        strcmp(text_of(&a, "serial"), "0123F2A8C4E691B0EE") == 0 &&
	        strcmp(text_of(&a, "fqbn"), "arduino:samd:mkrwifi1010") == 0,
	    "label, serial, fqbn");
	ok(a.n <= 511, "%zu bytes", a.n);
	answer_free(&a);
	a = ask(w, "GET", path(id, ""), NULL);
	ok(a.status == 200 && strcmp(text_of(&a, "name"), "NewDevice_65534") == 0 &&
	        strcmp(text_of(&a, "device_status"), "UNKNOWN") == 0 &&
	        strcmp(text_of(&a, "organization_id"), w->organization) == 0 &&
	        !json_object_get(a.json, "last_activity_at"),
	    "found again (%s)", a.body);
	answer_free(&a);
}

/* The most that fields.def allows, in characters that JSON makes longer. */
static void largest(struct world *w)
{
	static const char *const fills[] = { "a", "\\\"" };

	for (size_t k = 0; k < COUNT(fills); k++) {
		char name[256] = "", fqbn[256] = "", serial[128] = "", body[1024];
		struct answer a;

		for (int i = 0; i < 63; i++)
			strcat(name, fills[k]);
		strcat(name, "a");
		for (int i = 0; i < 128; i++)
			strcat(fqbn, "f");
		for (int i = 0; i < 64; i++)
			strcat(serial, "S");
		snprintf(body, sizeof(body),
		    "{\"type\":\"login_and_secretkey_wifi\",\"name\":\"%s\",\"fqbn\":\"%s\","
		    "\"serial\":\"%s\"}",
		    name, fqbn, serial);
		a = ask(w, "PUT", DEVICES, body);
		ok(a.status == 201 && a.json && a.n <= 511, "longest fields: %d, %zu bytes",
		    a.status, a.n);
		answer_free(&a);
	}
}

static void refused(struct world *w)
{
	size_t before = count_events(w);
	struct answer a;

	says(w, "PUT", DEVICES, "{}", 400, "type: missing", "no type");
	says(
	    w, "PUT", DEVICES, "{\"type\":\"opta\",\"colour\":1}", 400, "colour", "unknown member");
	says(w, "PUT", DEVICES, "{\"type\":7}", 400, "type: not a string", "wrong type");
	says(w, "PUT", DEVICES, "{\"type\":\"opta\"", 400, "not JSON", "half an object");
	says(w, "PUT", DEVICES, "{\"type\":\"opta\",\"name\":\"\xff\"}", 400, "not JSON",
	    "bad UTF-8");
	says(w, "GET", DEVICES "/x", NULL, 404, "not_found", "an id that cannot be");
	says(w, "GET", NOWHERE, NULL, 404, "not_found", "an id that is not");
	says(w, "POST", NOWHERE, "{\"name\":\"a\"}", 404, "not_found", "to change nothing");
	says(w, "DELETE", NOWHERE, NULL, 404, "not_found", "to delete nothing");
	says(w, "GET", DEVICES "?show_deleted=yes", NULL, 400, "show_deleted", "a flag of a query");
	says(w, "GET", DEVICES "?tags=a", NULL, 400, "tags", "a tag without its value");
	says(w, "GET", DEVICES "?serial=%zz", NULL, 400, "escape", "a wrong escape");
	says(w, "GET", DEVICES "/", NULL, 404, "not_found", "a slash too many");
	says(w, "GET", "/iot/v1/nothing", NULL, 404, "not_found", "no route");
	says(w, "PATCH", DEVICES, "{}", 405, "PUT, GET", "no such method");
	a = ask_with(w, "PUT", DEVICES, "Authorization: Bearer x\n", (struct slice){ NULL, 0 });
	ok(a.status == 401, "first the token, then the body");
	answer_free(&a);
	ok(count_events(w) == before, "nothing of it is in the registry");
}

static void media_types(struct world *w)
{
	static const struct {
		const char *type;
		int status;
	} cases[] = { { "application/json;charset=UTF-8", 201 }, { "application/json", 201 },
		{ "APPLICATION/JSON ; charset=utf-8", 201 },
		{ "application/x-www-form-urlencoded", 415 }, { "application/jsonx", 415 } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		char headers[256];
		struct answer a;

		snprintf(headers, sizeof(headers), "Authorization: Bearer %s\nContent-Type: %s\n",
		    w->token, cases[i].type);
		a = ask_with(w, "PUT", DEVICES, headers, TEXT("{\"type\":\"opta\"}"));
		ok(a.status == cases[i].status, "%s: %d", cases[i].type, a.status);
		answer_free(&a);
	}
}

static void changed(struct world *w)
{
	struct answer a;
	char id[37];

	make_device(w, "changing", id);
	a = ask(w, "POST", path(id, ""), "{\"wifi_fw_version\":\"1.5.0\"}");
	ok(a.status == 200 && strcmp(text_of(&a, "wifi_fw_version"), "1.5.0") == 0 &&
	        strcmp(text_of(&a, "name"), "changing") == 0,
	    "what is given changes, the rest stays (%s)", a.body);
	answer_free(&a);
	a = ask(w, "POST", path(id, ""),
	    "{\"name\":\"changed\",\"type\":\"opta\",\"connection_type\":\"eth\","
	    "\"ble_mac\":\"AA:BB:CC:00:11:22\",\"locked\":true,"
	    "\"unique_hardware_id\":"
	    "\"0011223344556677001122334455667700112233445566770011223344556677\","
	    "\"user_id\":\"11111111-2222-4333-8444-555555555555\"}");
	ok(a.status == 200 && strcmp(text_of(&a, "name"), "changed") == 0 &&
	        strcmp(text_of(&a, "connection_type"), "eth") == 0 &&
	        json_is_true(json_object_get(a.json, "locked")) &&
	        strcmp(text_of(&a, "user_id"), "11111111-2222-4333-8444-555555555555") == 0 &&
	        strcmp(text_of(&a, "wifi_fw_version"), "1.5.0") == 0,
	    "everything at once");
	answer_free(&a);
	world_restart(w);
	says(w, "GET", path(id, ""), NULL, 200, "\"name\":\"changed\"", "still so after a restart");
	says(w, "POST", path(id, ""), "{\"name\":\"\"}", 400, "name: empty", "refused");
	says(w, "GET", path(id, ""), NULL, 200, "\"name\":\"changed\"", "and nothing of it stored");
}

static size_t listed(struct world *w, const char *query)
{
	char target[256];
	struct answer a;
	size_t n;

	snprintf(target, sizeof(target), DEVICES "%s", query);
	a = ask(w, "GET", target, NULL);
	n = a.status == 200 && json_is_array(a.json) ? json_array_size(a.json) : 9999;
	answer_free(&a);
	return n;
}

static void deleted(struct world *w)
{
	size_t before = listed(w, ""), all = listed(w, "?show_deleted=true");
	char id[37], cert[33];
	struct answer a;

	make_device(w, "ending", id);
	make_cert(w, id, cert);
	a = ask(w, "DELETE", path(id, "?force=false"), NULL);
	ok(a.status == 200 && a.n == 0, "deleted softly: 200, empty");
	answer_free(&a);
	says(w, "GET", path(id, ""), NULL, 404, "", "gone");
	says(w, "GET", path(id, "/certs"), NULL, 404, "", "with its certificates");
	says(w, "DELETE", path(id, ""), NULL, 404, "", "and not deleted twice");
	ok(listed(w, "") == before && listed(w, "?show_deleted=true") == all + 1,
	    "only listed when asked for");
	says(w, "GET", path(id, "?show_deleted=true"), NULL, 200, "deleted_at",
	    "shown when asked for");
	says(w, "POST", path(id, ""), "{\"name\":\"x\"}", 404, "", "not changed by accident");
	says(w, "POST", path(id, ""), "{\"soft_deleted\":false}", 200, "ending", "restored");
	says(w, "GET", path(id, "/certs"), NULL, 200, cert, "with its certificate");
	a = ask(w, "DELETE", path(id, "?force=true"), NULL);
	ok(a.status == 200 && a.n == 0, "deleted for good");
	answer_free(&a);
	says(w, "GET", path(id, "?show_deleted=true"), NULL, 404, "", "gone for good");
	says(w, "POST", path(id, ""), "{\"soft_deleted\":false}", 404, "", "no way back");
	ok(listed(w, "?show_deleted=true") == all, "listed nowhere");
}

static void filters(struct world *w)
{
	char a[37], b[37], query[128];

	make_device(w, "filter-a", a);
	make_device(w, "filter-b", b);
	says(w, "POST", path(a, ""), "{\"serial\":\"FILTER1\",\"unique_hardware_id\":\"hw1\"}", 200,
	    "", "a");
	says(w, "PUT", path(a, "/tags"), "{\"key\":\"place\",\"value\":\"roof\"}", 200, "", "tag");
	says(w, "PUT", path(a, "/tags"), "{\"key\":\"floor\",\"value\":\"3\"}", 200, "", "tag");
	says(w, "PUT", path(b, "/tags"), "{\"key\":\"place\",\"value\":\"roof\"}", 200, "", "tag");
	ok(listed(w, "?serial=FILTER1") == 1 && listed(w, "?serial=NONE") == 0, "by serial");
	ok(listed(w, "?unique_hardware_id=hw1") == 1, "by hardware id");
	ok(listed(w, "?tags=place:roof") == 2 && listed(w, "?tags=place%3Aroof") == 2, "by tag");
	ok(listed(w, "?tags=place:roof&tags=floor:3") == 1, "by two tags");
	ok(listed(w, "?tags=place:roof&tags=floor:4") == 0, "by two tags that nobody has");
	ok(listed(w, "?tags=place:roof&serial=FILTER1&across_user_ids=true") == 1, "all at once");
	snprintf(query, sizeof(query), "?serial=%0100d", 7);
	ok(listed(w, query) == 9999, "a serial that nobody can have is refused");
}

static void tags(struct world *w)
{
	struct answer a;
	char id[37];

	make_device(w, "tagged", id);
	says(w, "GET", path(id, "/tags"), NULL, 200, "{\"tags\":[]}", "none");
	a = ask(w, "PUT", path(id, "/tags"), "{\"key\":\"place\",\"value\":\"roof\"}");
	ok(a.status == 200 && a.n == 0, "set: 200, empty");
	answer_free(&a);
	says(w, "PUT", path(id, "/tags"), "{\"key\":\"place\",\"value\":\"cellar\"}", 200, "",
	    "again");
	says(w, "PUT", path(id, "/tags"), "{\"key\":\"by@home\",\"value\":\"1\"}", 200, "",
	    "another");
	says(w, "GET", path(id, "/tags"), NULL, 200,
	    "{\"tags\":[{\"key\":\"by@home\",\"value\":\"1\"},{\"key\":\"place\",\"value\":"
	    "\"cellar\"}]}",
	    "an array");
	says(w, "GET", path(id, ""), NULL, 200, "\"tags\":{\"by@home\":\"1\",\"place\":\"cellar\"}",
	    "an object in the device");
	says(w, "DELETE", path(id, "/tags/by%40home"), NULL, 200, "", "deleted, with an escape");
	says(w, "DELETE", path(id, "/tags/by%40home"), NULL, 200, "", "and again");
	says(w, "GET", path(id, "/tags"), NULL, 200, "{\"tags\":[{\"key\":\"place\"",
	    "the other stays");
	says(w, "PUT", path(id, "/tags"), "{\"key\":\"a b\",\"value\":\"1\"}", 400, "key: not",
	    "a blank");
	says(w, "PUT", path(id, "/tags"), "{\"key\":\"a\",\"value\":\"\"}", 400, "value: empty",
	    "empty");
	says(w, "PUT", path(id, "/tags"), "{\"key\":\"a\"}", 400, "value: missing", "half");
	says(w, "DELETE", path(id, "/tags/a%20b"), NULL, 400, "key: not", "a key that cannot be");
	says(w, "DELETE", path(id, "/tags/a%2"), NULL, 404, "", "a wrong escape");
}

static void passwords(struct world *w)
{
	struct answer a;
	char id[37], body[128], suggested[64], command[160];

	make_device(w, "generic", id);
	says(w, "GET", path(id, "/pass"), NULL, 200, "{\"set\":false}", "none yet");
	a = ask(w, "GET", path(id, "/pass?suggested_password=true"), NULL);
	snprintf(suggested, sizeof(suggested), "%s", text_of(&a, "suggested_password"));
	ok(a.status == 200 && strlen(suggested) == 32, "one is suggested (%s)", a.body);
	answer_free(&a);
	snprintf(body, sizeof(body), "{\"password\":\"%s\"}", suggested);
	says(w, "POST", path(id, "/pass"), body, 401, "", "which does not count yet");
	a = ask(w, "PUT", path(id, "/pass"), body);
	ok(a.status == 200 && json_is_true(json_object_get(a.json, "set")) &&
	        strcmp(text_of(&a, "suggested_password"), suggested) == 0,
	    "set, and said once more");
	answer_free(&a);
	says(w, "GET", path(id, "/pass"), NULL, 200, "{\"set\":true}", "there is one");
	a = ask(w, "POST", path(id, "/pass"), body);
	ok(a.status == 200 && a.n == 0, "right");
	answer_free(&a);
	says(w, "POST", path(id, "/pass"), "{\"password\":\"guess\"}", 401, "wrong", "wrong");
	says(w, "PUT", path(id, "/pass"), "{\"password\":\"other\"}", 200, "other", "another");
	says(w, "POST", path(id, "/pass"), body, 401, "wrong", "the old one");
	snprintf(
	    command, sizeof(command), "grep -q -a -e '%s' %s/imprint.db*", suggested, w->folder);
	ok(system(command) != 0, "the password is not in the registry's files");
	says(w, "DELETE", path(id, "/pass"), NULL, 200, "", "removed");
	says(w, "DELETE", path(id, "/pass"), NULL, 200, "", "removed already");
	says(w, "POST", path(id, "/pass"), "{\"password\":\"other\"}", 401, "wrong",
	    "no longer right");
	says(w, "GET", path(id, "/pass"), NULL, 200, "{\"set\":false}", "none again");
	says(
	    w, "PUT", path(id, "/pass"), "{\"password\":\"again\"}", 200, "again", "and set again");
}

static void seen(struct world *w, const char *id, int64_t at, struct slice message)
{
	struct store_change *c = store_change_new(1);
	uint8_t uuid[16];

	if (uuid_parse((struct slice){ (const uint8_t *)id, 36 }, uuid) != OK)
		abort();
	store_device_seen(c, uuid, at, message);
	if (store_commit(w->store, c, NULL) != OK)
		abort();
}

static void presence(struct world *w)
{
	static const int64_t then = 1900000000000; /* 2030-03-17T17:46:40Z */
	char id[37];

	w->now_ms = 0;
	make_device(w, "talking", id);
	says(w, "GET", path(id, "/status"), NULL, 200, "\"events\":[]}", "nothing was heard");
	says(w, "GET", path(id, "/events"), NULL, 200, "\"events\":[]}", "nothing was said");
	says(w, "GET", path(id, "/properties"), NULL, 200, id, "but it exists");
	says(w, "GET", path("00000000-0000-4000-8000-000000000000", "/properties"), NULL, 404, "",
	    "others do not");
	seen(w, id, then, BYTES(0xda, 0x00, 0x01, 0x07, 0x00, 0x81, 0x65, '2', '.', '9', '.', '0'));
	w->now_ms = then + 89999;
	world_login(w); /* the first token has ended by then */
	says(w, "GET", path(id, ""), NULL, 200, "\"device_status\":\"ONLINE\"", "89.999 s later");
	says(w, "GET", path(id, ""), NULL, 200, "\"last_activity_at\":\"2030-03-17T17:46:40Z\"",
	    "then");
	says(w, "GET", path(id, ""), NULL, 200, "\"lib_version\":\"2.9.0\"", "its version");
	says(w, "GET", path(id, "/events"), NULL, 200, "\"value\":\"2.9.0\"",
	    "its version as event");
	says(w, "GET", path(id, "/status"), NULL, 200,
	    "[{\"updated_at\":\"2030-03-17T17:46:40Z\",\"value\":\"CONNECTED\"}]", "was there");
	w->now_ms = then + 90000;
	says(w, "GET", path(id, ""), NULL, 200, "\"device_status\":\"OFFLINE\"", "90 s later");
	seen(w, id, then + 1, BYTES(0xff));
	says(w, "GET", path(id, ""), NULL, 200, "\"device_status\":\"ONLINE\"", "heard again");
	w->now_ms = 0;
}

static void around(struct world *w)
{
	struct answer a;

	says(
	    w, "GET", "/iot/v1/supported/devices", NULL, 200, "arduino:samd:mkrwifi1010", "boards");
	says(w, "GET", "/iot/v1/network_credentials/mkrwifi1010?connection=wifi", NULL, 200,
	    "SECRET_SSID", "what a Wi-Fi board wants");
	says(w, "GET",
	    "/iot/v1/network_credentials/00000000-0000-4000-8000-000000000000?connection=wifi",
	    NULL, 200, "[]", "what no type wants");
	says(w, "GET", "/iot/v1/network_credentials/mkrwifi1010/connections", NULL, 200,
	    "{\"wifi\":[{", "by connection");
	a = ask_with(w, "GET", "/healthz", "", (struct slice){ NULL, 0 });
	ok(a.status == 200, "alive");
	answer_free(&a);
	a = ask_with(w, "HEAD", "/readyz", "", (struct slice){ NULL, 0 });
	ok(a.status == 200, "ready");
	answer_free(&a);
	w->not_ready = ERR_IO;
	a = ask_with(w, "GET", "/readyz", "", (struct slice){ NULL, 0 });
	ok(a.status == 503 && strcmp(a.type, "application/problem+json") == 0 &&
	        strcmp(text_of(&a, "detail"), "the test says so") == 0 &&
	        strcmp(text_of(&a, "title"), "Service Unavailable") == 0,
	    "not ready, with the reason (%s)", a.body);
	answer_free(&a);
	a = ask_with(w, "GET", "/healthz", "", (struct slice){ NULL, 0 });
	ok(a.status == 200, "but alive");
	answer_free(&a);
	w->not_ready = OK;
	a = ask_with(w, "GET", "/elsewhere", "", (struct slice){ NULL, 0 });
	ok(a.status == 404 && strcmp(a.type, "application/problem+json") == 0,
	    "elsewhere: problem details (%s)", a.body);
	answer_free(&a);
}

static void refusals_of_the_server(void)
{
	struct http_response r = { .status = 431 };

	api_refuse(NULL, "/iot/v2/devices", "the header lines are too long", &r);
	ok(r.status == 431 && strcmp(r.type, "application/vnd.goa.error+json") == 0 &&
	        memmem(r.body, r.n, "\"code\":\"request_too_large\",\"status\":431", 39),
	    "what the server refuses itself looks the same");
	free(r.body);
	ok(api_tolerant(NULL, "/iot/v1/clients/token") &&
	        api_tolerant(NULL, "/provisioning/v1/x") && !api_tolerant(NULL, "/iotx") &&
	        !api_tolerant(NULL, "/healthz"),
	    "tolerant on Arduino's paths alone");
}

int main(void)
{
	struct world w;

	world_open(&w);
	created(&w);
	largest(&w);
	refused(&w);
	media_types(&w);
	changed(&w);
	deleted(&w);
	filters(&w);
	tags(&w);
	passwords(&w);
	around(&w);
	refusals_of_the_server();
	presence(&w);
	world_close(&w);
	return done_testing();
}
