/* What a server answers: taken only in the form that it must have, and safe to show. */
#include "answer.h"
#include "tap.h"

#include "text.h"

#include <string.h>

#define ID "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40"
#define DEVICE "\"id\":\"" ID "\",\"name\":\"kitchen\",\"type\":\"mkrwifi1010\""

static struct slice text(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

/* --- tokens --- */

static void tokens(void)
{
	static const struct {
		const char *name, *text, *says;
		uint32_t seconds;
		enum err want;
	} cases[] = {
		{ "whole",
		    "{\"access_token\":\"abc\",\"expires_in\":300,\"token_type\":\"Bearer\"}", "",
		    300, OK },
		{ "no end", "{\"access_token\":\"abc\"}", "", 0, OK },
		{ "very long", "{\"access_token\":\"a\",\"expires_in\":99999999999}", "", INT32_MAX,
		    OK },
		{ "missing", "{\"expires_in\":300}", "access_token: missing", 0, ERR_FORMAT },
		{ "empty", "{\"access_token\":\"\"}", "access_token: missing", 0, ERR_FORMAT },
		{ "number", "{\"access_token\":1}", "access_token: missing", 0, ERR_FORMAT },
		{ "header injection", "{\"access_token\":\"a\\r\\nX: y\"}", "visible ASCII", 0,
		    ERR_FORMAT },
		{ "blank", "{\"access_token\":\"a b\"}", "visible ASCII", 0, ERR_FORMAT },
		{ "ends before it begins", "{\"access_token\":\"a\",\"expires_in\":-1}",
		    "expires_in", 0, ERR_FORMAT },
		{ "end as text", "{\"access_token\":\"a\",\"expires_in\":\"300\"}", "expires_in", 0,
		    ERR_FORMAT },
		{ "twice", "{\"access_token\":\"a\",\"access_token\":\"b\"}", "twice", 0,
		    ERR_FORMAT },
		{ "array", "[]", "not an object", 0, ERR_FORMAT },
		{ "page of a proxy", "<html>", "not JSON", 0, ERR_FORMAT },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cloud_token t = { .seconds = 7 };
		struct errbuf eb = { "" };
		enum err e = answer_token(text(cases[i].text), &t, &eb);

		ok(e == cases[i].want && strstr(eb.text, cases[i].says) &&
		        t.seconds == (e == OK ? cases[i].seconds : 7),
		    "token, %s: %s", cases[i].name, eb.text);
	}
}

/* --- devices --- */

static void devices(void)
{
	static const struct {
		const char *name, *text, *says;
		enum err want;
	} cases[] = {
		{ "smallest", "{" DEVICE "}", "", OK },
		{ "nulls", "{" DEVICE ",\"fqbn\":null,\"tags\":null,\"device_status\":null}", "",
		    OK },
		{ "unknown members", "{" DEVICE ",\"webhooks\":[{}],\"x\":1}", "", OK },
		{ "umlaut",
		    "{\"id\":\"" ID "\",\"type\":\"a\",\"name\":\"K\xc3\xbc"
		    "che\"}",
		    "", OK },
		{ "no id", "{\"name\":\"a\",\"type\":\"b\"}", "id: not a UUID", ERR_FORMAT },
		{ "id with a path",
		    "{\"id\":\"../../../../../../../../../../../etc\",\"name\":\"a\"}",
		    "id: not a UUID", ERR_FORMAT },
		{ "no name", "{\"id\":\"" ID "\",\"type\":\"b\"}", "name: missing", ERR_FORMAT },
		{ "empty name", "{\"id\":\"" ID "\",\"type\":\"b\",\"name\":\"\"}", "name: empty",
		    ERR_FORMAT },
		{ "serial is a number", "{" DEVICE ",\"serial\":5}", "serial: not a string",
		    ERR_FORMAT },
		{ "long serial",
		    "{" DEVICE ",\"serial\":\"0123456789012345678901234567890123456789012345678901"
		    "2345678901234\"}",
		    "serial: too long", ERR_FORMAT },
		{ "made-up status", "{" DEVICE ",\"device_status\":\"FINE\"}", "device_status",
		    ERR_FORMAT },
		{ "status is a number", "{" DEVICE ",\"device_status\":1}", "device_status",
		    ERR_FORMAT },
		{ "tags as array", "{" DEVICE ",\"tags\":[]}", "tags", ERR_FORMAT },
		{ "tag is a number", "{" DEVICE ",\"tags\":{\"a\":1}}", "tags: a: not a string",
		    ERR_FORMAT },
		{ "array", "[{" DEVICE "}]", "not an object", ERR_FORMAT },
	};
	struct cloud_device d = { .tags = NULL };
	struct errbuf eb = { "" };

	for (size_t i = 0; i < COUNT(cases); i++) {
		enum err e;

		eb.text[0] = 0;
		e = answer_device(text(cases[i].text), &d, &eb);
		ok(e == cases[i].want && strstr(eb.text, cases[i].says), "device, %s: %s",
		    cases[i].name, eb.text);
		cloud_device_clear(&d);
	}
	ok(answer_device(text("{" DEVICE ",\"device_status\":\"ONLINE\",\"fqbn\":\"a:b:c\","
	                      "\"tags\":{\"room\":\"1\",\"floor\":\"2\"},\"deleted_at\":\"x\"}"),
	       &d, &eb) == OK &&
	        strcmp(d.status, "ONLINE") == 0 && strcmp(d.fqbn, "a:b:c") == 0 && d.n_tags == 2 &&
	        strcmp(d.tags[0].key, "room") == 0 && strcmp(d.tags[1].value, "2") == 0 &&
	        d.deleted,
	    "a device with everything");
	cloud_device_clear(&d);
}

/* One device that somebody gave such a name, before that was refused, does not hide the others. */
static void what_no_terminal_may_have(void)
{
	struct cloud_devices list = { NULL, 0 };
	struct errbuf eb = { "" };

	ok(answer_devices(text("[{" DEVICE "},{\"id\":\"" ID "\",\"type\":\"b\\u001b[2J\",\"name\":"
	                       "\"a\xc2\x9b"
	                       "2J\xe2\x80\xae.\",\"serial\":\"\\u0000\",\"tags\":{\"a\\u0007\":"
	                       "\"\x7f\"}}]"),
	       &list, &eb) == OK &&
	        list.n == 2,
	    "a list with a name that no terminal may have %s", eb.text);
	ok(list.n == 2 && strcmp(list.at[1].name, "a\\u009B2J\\u202E.") == 0 &&
	        strcmp(list.at[1].type, "b\\u001B[2J") == 0 &&
	        strcmp(list.at[1].serial, "\\u0000") == 0 && list.at[1].n_tags == 1 &&
	        strcmp(list.at[1].tags[0].key, "a\\u0007") == 0 &&
	        strcmp(list.at[1].tags[0].value, "\\u007F") == 0,
	    "is shown as what it is: %s", list.n == 2 ? list.at[1].name : "");
	cloud_devices_clear(&list);
}

static void lists(void)
{
	struct cloud_devices list = { NULL, 0 };
	struct errbuf eb = { "" };

	ok(answer_devices(text("[]"), &list, &eb) == OK && list.n == 0, "no devices");
	cloud_devices_clear(&list);
	ok(answer_devices(text("[{" DEVICE "},{" DEVICE "}]"), &list, &eb) == OK && list.n == 2,
	    "two devices");
	cloud_devices_clear(&list);
	ok(answer_devices(text("[{" DEVICE ",\"tags\":{\"a\":\"b\"}},{}]"), &list, &eb) ==
	            ERR_FORMAT &&
	        strstr(eb.text, "[1]: id") && list.n == 0,
	    "the second is none: %s", eb.text);
	ok(answer_devices(text("{}"), &list, &eb) == ERR_FORMAT, "not an array");
}

/* --- certificates --- */

static void cert_make(char der64[BASE64_SIZE(CCERT_CERT_MAX) + 1])
{
	static const uint8_t q[64] = { 9, 8, 7 };
	struct ccert c = {
		.issued = { 2026, 11, 23, 2 }, .years = 31, .serial = { 0x0a, 1 }, .aki = { 7 }
	};
	uint8_t der[CCERT_CERT_MAX];
	struct der_w w = der_writer(der, sizeof(der));
	struct slice out = { NULL, 0 };

	memset(c.sig, 0x11, sizeof(c.sig));
	memcpy(c.device_id, ID, CCERT_DEVICE_ID);
	ccert_cert_put(&w, &c, q);
	if (der_finish(&w, &out) != OK || base64_encode(out, der64, BASE64_SIZE(416) + 1) != OK)
		ok(false, "a certificate for the test");
}

#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define SERIAL "0a010000000000000000000000000000"
#define AKI "0700000000000000000000000000000000000000"

/* A certificate's answer with one member of `compressed`, or of the rest, replaced. */
static void certs(void)
{
	static const struct {
		const char *name, *member, *value, *says;
	} cases[] = {
		{ "as it should be", "", "", NULL },
		{ "upper case", "serial",
		    "\""
		    "0A010000000000000000000000000000"
		    "\"",
		    NULL },
		{ "leading zero dropped", "serial", "\"a010000000000000000000000000000\"",
		    "serial" },
		{ "serial of another", "serial", "\"0b010000000000000000000000000000\"", "serial" },
		{ "no key id", "authority_key_identifier", "null", "authority_key_identifier" },
		{ "other signature", "signature_asn1_x", "\"" SERIAL SERIAL "\"",
		    "signature_asn1_x" },
		{ "short s", "signature_asn1_y", "\"11\"", "signature_asn1_y" },
		{ "minutes", "not_before", "\"2026-11-23T02:30:00Z\"", "not_before" },
		{ "another hour", "not_before", "\"2026-11-23T03:00:00Z\"", "not_before" },
		{ "shorter", "not_after", "\"2056-11-23T02:00:00Z\"", "not_after" },
		{ "another device", "device_id", "\"019aade0-1c00-7000-8000-0000000000ff\"",
		    "der" },
		{ "not enabled, not disabled", "enabled", "1", "enabled" },
		{ "id that leads elsewhere", "id", "\"../../..\"", "id" },
		{ "no id", "id", "null", "id" },
		{ "no DER", "der", "\"\"", "der" },
		{ "DER in hex", "der", "\"3082\"", "der" },
		{ "PEM is not looked at", "pem", "5", NULL },
	};
	static const struct {
		const char *name, *value;
	} members[] = { { "id", "\"c-1\"" }, { "device_id", "\"" ID "\"" }, { "enabled", "true" },
		{ "pem", "\"\"" } },
	  compressed[] = { { "serial", "\"" SERIAL "\"" },
		  { "authority_key_identifier", "\"" AKI "\"" },
		  { "signature_asn1_x", "\"" ONES "\"" }, { "signature_asn1_y", "\"" ONES "\"" },
		  { "not_before", "\"2026-11-23T02:00:00Z\"" },
		  { "not_after", "\"2057-11-23T02:00:00Z\"" } };
	char der64[BASE64_SIZE(CCERT_CERT_MAX) + 1];

	cert_make(der64);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char body[4096], der[700];
		struct cloud_cert cert = { .n = 7 };
		struct errbuf eb = { "" };
		size_t n = 0;
		enum err e;

#define VALUE(name, usual) (strcmp(cases[i].member, name) == 0 ? cases[i].value : (usual))
#define ADD(...) n += (size_t)snprintf(body + n, sizeof(body) - n, __VA_ARGS__)
		snprintf(der, sizeof(der), "\"%s\"", der64);
		ADD("{\"der\":%s", VALUE("der", der));
		for (size_t k = 0; k < COUNT(members); k++)
			ADD(",\"%s\":%s", members[k].name,
			    VALUE(members[k].name, members[k].value));
		ADD(",\"compressed\":{\"signature\":\"00\"");
		for (size_t k = 0; k < COUNT(compressed); k++)
			ADD(",\"%s\":%s", compressed[k].name,
			    VALUE(compressed[k].name, compressed[k].value));
		ADD("}}");
		e = answer_cert(text(body), &cert, &eb);
		ok(e == (cases[i].says ? ERR_FORMAT : OK) &&
		        (!cases[i].says || strstr(eb.text, cases[i].says)) &&
		        (e == OK) == (cert.n != 7),
		    "certificate, %s: %s", cases[i].name, eb.text);
	}
}

/* --- who is let in --- */

#define CERT "\"id\":\"0a\",\"state\":\"revoked\",\"enabled\":false"
#define STANDING "\"id\":\"" ID "\",\"name\":\"kitchen\",\"enabled\":true"

static void details(void)
{
	static const struct {
		const char *name, *text, *says;
	} wrong[] = {
		{ "no id", "{\"name\":\"a\",\"enabled\":true}", "id:" },
		{ "no name", "{\"id\":\"" ID "\",\"enabled\":true}", "name: missing" },
		{ "enabled as text", "{\"id\":\"" ID "\",\"name\":\"a\",\"enabled\":\"yes\"}",
		    "enabled: neither" },
		{ "certificates as object", "{" STANDING ",\"certificates\":{}}",
		    "certificates: not an array" },
		{ "a number for one", "{" STANDING ",\"certificates\":[1]}",
		    "certificates[0]: not an object" },
		{ "one without a state",
		    "{" STANDING ",\"certificates\":[{" CERT "},{\"id\":\"a\"}]}",
		    "certificates[1]: state: missing" },
		{ "a level below zero", "{" STANDING ",\"certificates\":[{" CERT ",\"level\":-1}]}",
		    "certificates[0]: level" },
		{ "brokers as text", "{" STANDING ",\"brokers\":\"all\"}",
		    "brokers: not an object" },
		{ "a broker without name", "{" STANDING ",\"brokers\":{\"waiting\":[\"\"]}}",
		    "waiting[0]: not a name" },
		{ "a message at no time", "{" STANDING ",\"last_message_at\":1}",
		    "last_message_at: " },
		{ "presence without state", "{" STANDING ",\"presence\":{}}",
		    "presence: state: missing" },
		{ "an address that is none",
		    "{" STANDING ",\"presence\":{\"state\":\"online\",\"address\":\""
		    "1234567890123456789012345678901234567890123456\"}}",
		    "presence: address: too long" },
		{ "a visit without beginning", "{" STANDING ",\"visits\":[{\"admitted\":true}]}",
		    "visits[0]: began: missing" },
		{ "a visit of nobody knows what",
		    "{" STANDING ",\"visits\":[{\"began\":\"then\"}]}",
		    "visits[0]: admitted: neither" },
		{ "an array", "[]", "not an object" },
	};
	struct cloud_detail d = { .n_certs = 7 };

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct errbuf eb = { "" };
		enum err e = answer_detail(text(wrong[i].text), &d, &eb);

		ok(e == ERR_FORMAT && strstr(eb.text, wrong[i].says) && d.n_certs == 7, "%s: %s",
		    wrong[i].name, eb.text);
	}
	ok(answer_detail(
	       text("{" STANDING ",\"certificates\":[{" CERT ",\"level\":1,\"reason\":"
	            "\"keyCompromise\"}],\"brokers\":{\"reached\":2,\"waiting\":[\"a\",\"b.2\"]},"
	            "\"presence\":{\"state\":\"online\",\"since\":\"then\",\"address\":\"::1\","
	            "\"broker\":\"a\"},\"last_message_at\":\"then\",\"visits\":[{\"admitted\":true,"
	            "\"began\":\"then\"}],"
	            "\"more\":1}"),
	       &d, NULL) == OK,
	    "whole");
	ok(d.enabled && d.n_certs == 1 && strcmp(d.certs[0].state, "revoked") == 0 &&
	        strcmp(d.certs[0].reason, "keyCompromise") == 0 && d.certs[0].level == 1,
	    "its certificate");
	ok(d.reached == 2 && d.n_waiting == 2 && strcmp(d.waiting, "a, b.2") == 0, "the brokers");
	ok(strcmp(d.last_message_at, "then") == 0, "its last message");
	ok(strcmp(d.presence, "online") == 0 && strcmp(d.address, "::1") == 0 && d.visits.n == 1 &&
	        d.visits.at[0].admitted && !d.visits.at[0].ended[0],
	    "presence and visit");
	cloud_detail_clear(&d);
	ok(answer_detail(text("{" STANDING "}"), &d, NULL) == OK && d.n_certs == 0, "the least");
	cloud_detail_clear(&d);
}

static void many_waiting(void)
{
	char body[8192] = "{" STANDING ",\"brokers\":{\"waiting\":[";
	struct cloud_detail d;
	size_t n = strlen(body);

	for (int i = 0; i < 64; i++)
		n += (size_t)snprintf(body + n, sizeof(body) - n, "%s\"%060d\"", i ? "," : "", i);
	snprintf(body + n, sizeof(body) - n, "]}}");
	ok(answer_detail(text(body), &d, NULL) == OK && d.n_waiting == 64 &&
	        strlen(d.waiting) == 122,
	    "of many names as many as fit (%zu)", strlen(d.waiting));
	cloud_detail_clear(&d);
}

static void waiting(void)
{
	static const struct {
		const char *header, *names;
	} cases[] = {
		{ "reached=1 waiting=a", "a" },
		{ "reached=0 waiting=a,b.2,c_d-e", "a, b.2, c_d-e" },
		{ "reached=0", "" },
		{ "", "" },
		{ "reached=0 waiting=", "" },
		{ "reached=0 waiting=a,,b", "" },
		{ "reached=0 waiting=a b", "" },
		{ "reached=0 waiting=\x1b[31m", "" },
		{ "waiting=a", "" },
	};
	char out[CLOUD_WAITING_MAX + 1], longer[400];

	for (size_t i = 0; i < COUNT(cases); i++) {
		answer_waiting(text(cases[i].header), out);
		ok(strcmp(out, cases[i].names) == 0, "header '%s': '%s'",
		    i == 7 ? "an escape" : cases[i].header, out);
	}
	snprintf(longer, sizeof(longer), "reached=0 waiting=%060d,%060d,%060d,a", 1, 2, 3);
	answer_waiting(text(longer), out);
	ok(strlen(out) == 60 + 2 + 60 + 3, "as many as fit (%zu)", strlen(out));
}

static void visits_and_brokers(void)
{
	struct cloud_visits visits = { NULL, 7 };
	struct cloud_brokers brokers = { 7, NULL, 0 };
	struct errbuf eb = { "" };

	ok(answer_visits(text("{\"visits\":[{\"admitted\":false,\"began\":\"then\",\"reason\":"
	                      "\"revoked\"},{\"admitted\":true,\"began\":\"now\"}]}"),
	       &visits, NULL) == OK &&
	        visits.n == 2 && strcmp(visits.at[0].reason, "revoked") == 0,
	    "visits");
	cloud_visits_clear(&visits);
	ok(answer_visits(text("{\"visits\":[{}]}"), &visits, &eb) == ERR_FORMAT && visits.n == 0,
	    "no visit: %s", eb.text);
	ok(answer_brokers(text("{\"seq\":9,\"brokers\":[{\"name\":\"a\",\"state\":\"fresh\","
	                       "\"seq\":8,\"boards\":3}]}"),
	       &brokers, NULL) == OK &&
	        brokers.seq == 9 && brokers.n == 1 && brokers.at[0].boards == 3,
	    "brokers");
	cloud_brokers_clear(&brokers);
	ok(answer_brokers(text("{\"brokers\":[{\"name\":\"a\"}]}"), &brokers, &eb) == ERR_FORMAT &&
	        brokers.n == 0,
	    "no broker: %s", eb.text);
}

/* --- errors --- */

static void errors(void)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "{\"code\":\"not_found\",\"status\":404,\"detail\":\"no such device\"}",
		    "no such device" },
		{ "{\"title\":\"Gone\"}", "Gone" },
		{ "{\"error\":\"invalid_client\",\"error_description\":\"401\"}", "401" },
		{ "{\"detail\":\"\\u001b[31mred\"}", "" },
		{ "{\"detail\":5}", "" },
		{ "<html>", "" },
		{ "", "" },
		{ "[1]", "" },
	};
	char said[ANSWER_ERROR_MAX + 1], longer[1024];

	for (size_t i = 0; i < COUNT(cases); i++) {
		answer_error(text(cases[i].text), said);
		ok(strcmp(said, cases[i].says) == 0, "error %s: '%s'", cases[i].text, said);
	}
	snprintf(longer, sizeof(longer), "{\"detail\":\"%0159d\xc3\xbc\"}", 0);
	answer_error(text(longer), said);
	ok(strlen(said) == ANSWER_ERROR_MAX - 1, "not cut within a character");
}

/* --- events --- */

static void events(void)
{
	static const struct {
		const char *name, *word, *text, *says;
		enum err want;
	} cases[] = {
		{ "nothing in it", "audit", "{}", "", OK },
		{ "more than we know", "visit", "{\"device\":\"" ID "\",\"mood\":[1]}", "", OK },
		{ "a kind that we do not know", "weather", "{\"device\":1}", "", OK },
		{ "no object", "weather", "[]", "not an object", ERR_FORMAT },
		{ "no JSON", "audit", "x", "not JSON", ERR_FORMAT },
		{ "a word of another kind", "a\033", "{}", "shown", ERR_FORMAT },
		{ "a device that is none", "audit", "{\"device\":\"kitchen\"}", "device",
		    ERR_FORMAT },
		{ "a reason that is none", "visit", "{\"reason\":7}", "reason", ERR_FORMAT },
		{ "connected or what", "visit", "{\"connected\":\"yes\"}", "connected",
		    ERR_FORMAT },
	};
	struct cloud_event v;
	struct errbuf eb = { "" };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cloud_event out = { .kind = CLOUD_VALUE };
		enum err e;

		eb.text[0] = '\0';
		e = answer_event(cases[i].word, text(cases[i].text), &out, &eb);
		ok(e == cases[i].want && strstr(eb.text, cases[i].says) &&
		        (e == OK) == (out.json.p != NULL),
		    "event, %s: %s", cases[i].name, eb.text);
	}
	ok(answer_event("visit",
	       text("{\"device\":\"" ID "\",\"name\":\"kitchen\",\"connected\":false,"
	            "\"admitted\":true,\"broker\":\"m\",\"address\":\"192.0.2.9\","
	            "\"began\":\"B\",\"ended\":\"E\",\"reason\":\"revoked\"}"),
	       &v, &eb) == OK &&
	        v.kind == CLOUD_VISIT && strcmp(v.device, ID) == 0 &&
	        strcmp(v.name, "kitchen") == 0 && !v.connected && v.admitted &&
	        strcmp(v.address, "192.0.2.9") == 0 && strcmp(v.at, "E") == 0 &&
	        strcmp(v.reason, "revoked") == 0,
	    "a board that was sent away");
	ok(answer_event("value", text("{\"name\":\"led\",\"value\":[1,\"on\"],\"at\":\"A\"}"), &v,
	       &eb) == OK &&
	        v.kind == CLOUD_VALUE && strcmp(v.value, "[1,\"on\"]") == 0 &&
	        strcmp(v.at, "A") == 0,
	    "a value, whatever it is");
	ok(answer_event("value", text("{\"value\":\"caf\xc3\xa9\"}"), &v, &eb) == OK &&
	        strcmp(v.value, "\"caf\xc3\xa9\"") == 0,
	    "a value that can be shown");
	ok(answer_event("value", text("{\"value\":\"\xe2\x80\xae\\u001b[2J\\u0000\xc2\x9b\"}"), &v,
	       &eb) == OK &&
	        strcmp(v.value, "\"\\u202E\\u001B[2J\\u0000\\u009B\"") == 0,
	    "one for a terminal does not end the stream: %s", v.value);
	ok(answer_event("message", text("{\"command\":\"ThingBegin\"}"), &v, &eb) == OK &&
	        v.kind == CLOUD_MESSAGE && strcmp(v.what, "ThingBegin") == 0,
	    "what a board asks");
}

/* --- things --- */

#define THING "\"id\":\"" ID "\",\"name\":\"hall\",\"timezone\":\"UTC\""

static void things(void)
{
	static const struct {
		const char *name, *text, *says;
		enum err want;
	} cases[] = {
		{ "the least", "{" THING "}", "", OK },
		{ "with values",
		    "{" THING ",\"properties\":[{\"name\":\"led\",\"last_value\":true},"
		    "{\"name\":\"text\",\"last_value\":\"a\\nb\"}]}",
		    "", OK },
		{ "no time zone", "{\"id\":\"" ID "\",\"name\":\"a\"}", "timezone", ERR_FORMAT },
		{ "no id", "{\"name\":\"a\",\"timezone\":\"UTC\"}", "id", ERR_FORMAT },
		{ "a device that is none", "{" THING ",\"device_id\":\"x\"}", "device_id",
		    ERR_FORMAT },
		{ "properties that are none", "{" THING ",\"properties\":{\"a\":1}}",
		    "properties: not an array", ERR_FORMAT },
		{ "a property that is none", "{" THING ",\"properties\":[{\"name\":\"a\"},1]}",
		    "properties[1]: not an object", ERR_FORMAT },
	};
	struct cloud_things list;
	struct cloud_thing one;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cloud_thing t = { .n_properties = 77 };
		struct errbuf eb = { "" };
		enum err e = answer_thing(text(cases[i].text), &t, &eb);

		ok(e == cases[i].want && strstr(eb.text, cases[i].says) &&
		        (e == OK) == (t.n_properties != 77),
		    "thing, %s (%s)", cases[i].name, eb.text);
		if (e == OK && t.n_properties == 2)
			ok(strcmp(t.properties[0].value, "true") == 0 &&
			        strcmp(t.properties[1].value, "\"a\\nb\"") == 0,
			    "its values");
		if (e == OK)
			cloud_thing_clear(&t);
	}
	ok(answer_thing(
	       text("{" THING ",\"properties\":[{\"name\":\"a\",\"last_value\":\"\\u009b\"}]}"),
	       &one, NULL) == OK &&
	        strcmp(one.properties[0].value, "\"\\u009B\"") == 0,
	    "a value that no terminal may have is shown as what it is");
	cloud_thing_clear(&one);
	ok(answer_things(text("[{" THING "},{" THING "}]"), &list, NULL) == OK && list.n == 2,
	    "two");
	cloud_things_clear(&list);
	ok(answer_things(text("[{" THING "},{}]"), &list, NULL) == ERR_FORMAT, "one of two");
}

int main(void)
{
	tokens();
	devices();
	what_no_terminal_may_have();
	lists();
	certs();
	details();
	many_waiting();
	waiting();
	visits_and_brokers();
	errors();
	events();
	things();
	return done_testing();
}
