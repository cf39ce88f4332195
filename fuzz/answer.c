/* Whatever a server answers, what is taken can be shown, and a certificate is one that a board rebuilds. */
#include "answer.h"
#include "fuzz.h"
#include "shown.h"

#include <string.h>

static void shown(const char *text)
{
	CHECK(shown_as_is((struct slice){ (const uint8_t *)text, strlen(text) }));
}

static void device(const struct cloud_device *d)
{
	CHECK(strlen(d->id) == UUID_TEXT);
	shown(d->name);
	shown(d->type);
	shown(d->serial);
	for (size_t i = 0; i < d->n_tags; i++) {
		shown(d->tags[i].key);
		shown(d->tags[i].value);
	}
}

static void thing(struct cloud_thing *t)
{
	CHECK(strlen(t->id) == UUID_TEXT && (!t->device[0] || strlen(t->device) == UUID_TEXT));
	shown(t->name);
	shown(t->timezone);
	shown(t->device_name);
	for (size_t i = 0; i < t->n_properties; i++) {
		shown(t->properties[i].name);
		shown(t->properties[i].value);
	}
}

static void things(struct slice body)
{
	struct cloud_things list;
	struct cloud_thing one;

	if (answer_thing(body, &one, NULL) == OK) {
		thing(&one);
		cloud_thing_clear(&one);
	}
	if (answer_things(body, &list, NULL) == OK) {
		for (size_t i = 0; i < list.n; i++)
			thing(&list.at[i]);
		cloud_things_clear(&list);
	}
}

static void cert(const struct cloud_cert *c)
{
	struct ccert fields;
	uint8_t q[64];

	CHECK(ccert_from_cert((struct slice){ c->der, c->n }, &fields, q) == OK);
	CHECK(memcmp(fields.device_id, c->device_id, UUID_TEXT) == 0);
	CHECK(!strpbrk(c->id, "/.%?#"));
}

static void event(const char *word, struct slice body)
{
	struct cloud_event e;

	if (answer_event(word, body, &e, NULL) != OK)
		return;
	CHECK(!e.device[0] || strlen(e.device) == UUID_TEXT);
	for (size_t i = 0; i < 9; i++)
		shown((const char *const[]){ e.name, e.at, e.what, e.certificate, e.note, e.peer,
		    e.address, e.reason, e.value }[i]);
}

static void visits(const struct cloud_visits *list)
{
	for (size_t i = 0; i < list->n; i++) {
		shown(list->at[i].began);
		shown(list->at[i].reason);
		shown(list->at[i].address);
	}
}

static void door(struct slice body)
{
	char names[CLOUD_WAITING_MAX + 1];
	struct cloud_brokers brokers;
	struct cloud_visits history;
	struct cloud_detail d;

	answer_waiting(body, names);
	shown(names);
	CHECK(strlen(names) <= CLOUD_WAITING_MAX);
	if (answer_detail(body, &d, NULL) == OK) {
		shown(d.name);
		shown(d.waiting);
		for (size_t i = 0; i < d.n_certs; i++)
			shown(d.certs[i].state);
		visits(&d.visits);
		cloud_detail_clear(&d);
	}
	if (answer_visits(body, &history, NULL) == OK) {
		visits(&history);
		cloud_visits_clear(&history);
	}
	if (answer_brokers(body, &brokers, NULL) == OK) {
		for (size_t i = 0; i < brokers.n; i++)
			shown(brokers.at[i].name);
		cloud_brokers_clear(&brokers);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = { data, size };
	char said[ANSWER_ERROR_MAX + 1];
	struct cloud_devices devices;
	struct cloud_device one;
	struct cloud_certs certs;
	struct cloud_cert single;
	struct cloud_token token;

	event("audit", body);
	event("visit", body);
	event("value", body);
	event("message", body);
	answer_error(body, said);
	shown(said);
	door(body);
	things(body);
	if (answer_token(body, &token, NULL) == OK)
		CHECK(!strpbrk(token.text, "\r\n ") && token.text[0]);
	if (answer_device(body, &one, NULL) == OK) {
		device(&one);
		cloud_device_clear(&one);
	}
	if (answer_devices(body, &devices, NULL) == OK) {
		for (size_t i = 0; i < devices.n; i++)
			device(&devices.at[i]);
		cloud_devices_clear(&devices);
	}
	if (answer_cert(body, &single, NULL) == OK)
		cert(&single);
	if (answer_certs(body, &certs, NULL) == OK) {
		for (size_t i = 0; i < certs.n; i++)
			cert(&certs.at[i]);
		cloud_certs_clear(&certs);
	}
	return 0;
}
