/* `imprint device disable|enable|revoke|history`, `imprint broker list|forget`: who is let in, and by whom. */
#include "door.h"
#include "commands.h"
#include "remote.h"

#include <stdlib.h>
#include <string.h>

#define REASON_MAX 200
#define VISITS_MAX 100

/* --- what a device looks like from the door --- */

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static json_t *standing_json(const struct cloud_standing *s)
{
	return json_pack("{s:s,s:s,s:s,s:b,s:i,s:s*,s:s*,s:s*,s:s*}", "id", s->id, "serial", s->id,
	    "state", s->state, "enabled", s->enabled, "level", (int)s->level, "fingerprint",
	    or_null(s->fingerprint), "not_before", or_null(s->not_before), "not_after",
	    or_null(s->not_after), "reason", or_null(s->reason));
}

static json_t *visit_json(const struct cloud_visit *v)
{
	return json_pack("{s:b,s:s,s:s*,s:s*,s:s*,s:s*}", "admitted", v->admitted, "began",
	    v->began, "ended", or_null(v->ended), "reason", or_null(v->reason), "address",
	    or_null(v->address), "broker", or_null(v->broker));
}

void door_json(const struct cloud_detail *d, json_t *all)
{
	json_t *certs = json_array(), *visits = json_array();

	for (size_t i = 0; i < d->n_certs; i++)
		json_array_append_new(certs, standing_json(&d->certs[i]));
	for (size_t i = 0; i < d->visits.n; i++)
		json_array_append_new(visits, visit_json(&d->visits.at[i]));
	json_object_set_new(all, "enabled", json_boolean(d->enabled));
	json_object_set_new(all, "certificates", certs);
	json_object_set_new(all, "presence",
	    json_pack("{s:s,s:s*,s:s*,s:s*}", "state", d->presence, "since", or_null(d->since),
	        "address", or_null(d->address), "broker", or_null(d->broker)));
	json_object_set_new(all, "visits", visits);
}

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* A server that knows nothing but the cloud API says no state. */
static void cert_print(const char *head, json_t *cert)
{
	bool enabled = json_is_true(json_object_get(cert, "enabled"));
	const char *state = text_of(cert, "state"), *reason = text_of(cert, "reason");

	if (!state[0])
		state = enabled ? "valid" : "revoked";
	printf("%-12s %s %s%s%s%s%s, %s to %s\n", head, text_of(cert, "serial"), state,
	    reason[0] ? " (" : "", reason, reason[0] ? ")" : "",
	    enabled || strcmp(state, "revoked") == 0 || strcmp(state, "superseded") == 0
	        ? ""
	        : ", disabled",
	    text_of(cert, "not_before"), text_of(cert, "not_after"));
}

/* "2026-11-23T06:24:23Z to 2026-11-23T06:25:01Z, from 192.0.2.9 at mosquitto: taken-over" */
static void visit_print(const char *head, json_t *visit)
{
	const char *ended = text_of(visit, "ended"), *address = text_of(visit, "address"),
	           *broker = text_of(visit, "broker"), *reason = text_of(visit, "reason");

	if (head)
		printf("%-12s ", head);
	fputs(text_of(visit, "began"), stdout);
	if (!json_is_true(json_object_get(visit, "admitted")))
		fputs(" refused", stdout);
	else
		printf(" to %s", ended[0] ? ended : "now");
	printf("%s%s%s%s%s%s\n", address[0] ? ", from " : "", address, broker[0] ? " at " : "",
	    broker, reason[0] ? ": " : "", reason);
}

static void presence_print(json_t *presence)
{
	if (strcmp(text_of(presence, "state"), "online") == 0)
		printf("%-12s since %s, from %s at %s\n", "connected", text_of(presence, "since"),
		    text_of(presence, "address"), text_of(presence, "broker"));
}

void door_print(json_t *all)
{
	json_t *enabled = json_object_get(all, "enabled"), *at;
	json_t *certs = json_object_get(all, "certificates"),
	       *visits = json_object_get(all, "visits");
	size_t i;

	if (enabled)
		printf("%-12s %s\n", "enabled",
		    json_is_true(enabled) ? "yes" : "no: brokers refuse it");
	presence_print(json_object_get(all, "presence"));
	json_array_foreach(certs, i, at)
	{
		cert_print(i ? "" : "certificates", at);
	}
	json_array_foreach(visits, i, at)
	{
		visit_print(i ? "" : "visits", at);
	}
}

/* --- history --- */

static const struct cli_option history_options[] = {
	REMOTE_OPTIONS,
	{ .name = "limit",
	    .kind = CLI_NUMBER,
	    .flag_only = true,
	    .value = "N",
	    .min = 1,
	    .max = VISITS_MAX,
	    .fallback = "30",
	    .help = "at most so many, the newest" },
	{ 0 },
};

static enum err history_print(
    const struct cli *cli, const struct cloud_visits *visits, struct errbuf *eb)
{
	enum err e = OK;

	if (visits->n == 0)
		cli_say(cli, "no broker has told of it");
	for (size_t i = 0; i < visits->n && e == OK; i++) {
		json_t *visit = visit_json(&visits->at[i]);

		if (cli_json(cli)) {
			e = cli_json_print(visit, eb);
		} else {
			visit_print(NULL, visit);
			json_decref(visit);
		}
	}
	return e;
}

static enum err history(struct cli *cli, struct errbuf *eb)
{
	struct cloud_visits visits = { NULL, 0 };
	struct cloud *cloud = NULL;
	char id[UUID_TEXT + 1];
	enum err e;

	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = remote_device(cloud, cli->args[0], id, eb)) == OK &&
	    (e = cloud_visits(cloud, id, (unsigned)cli_number(cli, "limit"), &visits, eb)) == OK)
		e = history_print(cli, &visits, eb);
	cloud_visits_clear(&visits);
	cloud_free(cloud);
	return e;
}

/* --- disable, enable, revoke --- */

static const struct cli_option switch_options[] = {
	REMOTE_OPTIONS,
	{ .name = "reason",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "TEXT",
	    .help = "why, for the record; at most 200 bytes" },
	{ 0 },
};
#define CRL_REASON(number, word) "|" word
static const char reasons[] =
#include "crl_reasons.def"
    ;
static const struct cli_option revoke_options[] = {
	REMOTE_OPTIONS,
	{ .name = "reason",
	    .kind = CLI_CHOICE,
	    .flag_only = true,
	    .value = reasons + 1,
	    .help = "why (RFC 5280)" },
	{ 0 },
};

struct door {
	enum cloud_door what;
	const char *done;   /* "revoked" */
	const char *reason; /* NULL: none */
	char ids[CLI_ARGS_MAX][UUID_TEXT + 1];
	unsigned waiting; /* devices for which a broker has not answered */
};

enum err door_unanswered(struct errbuf *eb)
{
	return err_set(eb, ERR_TIMEOUT,
	    "the server has done it, but not every broker has answered: until one hears of it, or "
	    "for 15 minutes unless its configuration says otherwise, it goes on as before");
}

/* Everything is found and asked for before anything is changed. */
static enum err door_ask(
    const struct cli *cli, struct cloud *cloud, struct door *door, struct errbuf *eb)
{
	char question[160];
	enum err e;

	for (unsigned i = 0; i < cli->n_args; i++)
		if ((e = remote_device(cloud, cli->args[i], door->ids[i], eb)) != OK)
			return e;
	if (door->what != CLOUD_REVOKE)
		return OK;
	if (cli->n_args == 1)
		snprintf(question, sizeof(question),
		    "Revoke the certificates of %.64s? They are never valid again.", cli->args[0]);
	else
		snprintf(question, sizeof(question),
		    "Revoke the certificates of %u devices? They are never valid again.",
		    cli->n_args);
	return cli_confirm(cli, question, eb);
}

static void reach_text(const struct cloud_detail *d, enum cloud_door what, char out[320])
{
	const char *goal = what == CLOUD_ENABLE ? "can come in" : "out at once";

	if (d->n_waiting > 0)
		snprintf(out, 320, "%s%s %s not answered yet", d->waiting[0] ? "" : "brokers",
		    d->waiting, d->n_waiting == 1 ? "has" : "have");
	else if (d->reached > 0)
		snprintf(out, 320, "%s, %u broker%s %s it", goal, d->reached,
		    d->reached == 1 ? "" : "s", d->reached == 1 ? "has" : "have");
	else
		snprintf(out, 320, "no broker speaks to the server");
}

static json_t *done_json(const struct door *door, const struct cloud_detail *d)
{
	json_t *all = json_pack("{s:s,s:s,s:s,s:i,s:i,s:s*}", "id", d->id, "name", d->name, "done",
	    door->done, "brokers_reached", (int)d->reached, "brokers_waiting", (int)d->n_waiting,
	    "waiting", or_null(d->waiting));

	door_json(d, all);
	json_object_del(all, "presence");
	json_object_del(all, "visits");
	return all;
}

static enum err door_one(
    const struct cli *cli, struct cloud *cloud, struct door *door, unsigned i, struct errbuf *eb)
{
	struct cloud_detail d;
	char reach[320];
	enum err e = cloud_device_door(cloud, door->ids[i], door->what, door->reason, &d, eb);

	if (e != OK)
		return e;
	door->waiting += d.n_waiting > 0;
	if (cli_json(cli)) {
		e = cli_json_print(done_json(door, &d), eb);
	} else if (door->what == CLOUD_REVOKE && d.n_certs == 0) {
		printf("%s has no certificate: nothing to revoke\n", d.name);
	} else {
		reach_text(&d, door->what, reach);
		printf("%s %s: %s\n", d.name, door->done, reach);
	}
	cloud_detail_clear(&d);
	return e;
}

static enum err door_all(struct cli *cli, struct door *door, struct errbuf *eb)
{
	struct cloud *cloud = NULL;
	unsigned done = 0;
	enum err e;

	door->reason = cli_text(cli, "reason");
	if (door->reason && strlen(door->reason) > REASON_MAX)
		return err_set(eb, ERR_ARG, "--reason: at most %d bytes", REASON_MAX);
	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = door_ask(cli, cloud, door, eb)) == OK) {
		while (done < cli->n_args && (e = door_one(cli, cloud, door, done, eb)) == OK)
			done++;
		if (e != OK && done > 0)
			err_within(eb, e, "after %u of %u", done, cli->n_args);
	}
	cloud_free(cloud);
	return e == OK && door->waiting > 0 ? door_unanswered(eb) : e;
}

static enum err disable(struct cli *cli, struct errbuf *eb)
{
	struct door door = { .what = CLOUD_DISABLE, .done = "disabled" };

	return door_all(cli, &door, eb);
}

static enum err enable(struct cli *cli, struct errbuf *eb)
{
	struct door door = { .what = CLOUD_ENABLE, .done = "enabled" };

	return door_all(cli, &door, eb);
}

static enum err revoke(struct cli *cli, struct errbuf *eb)
{
	struct door door = { .what = CLOUD_REVOKE, .done = "revoked" };

	return door_all(cli, &door, eb);
}

/* --- brokers --- */

static const struct cli_option list_options[] = {
	REMOTE_OPTIONS,
	{ .name = "check",
	    .kind = CLI_SWITCH,
	    .flag_only = true,
	    .help = "fail unless there is a broker and all are fresh" },
	{ 0 },
};

static uint64_t behind(const struct cloud_brokers *list, const struct cloud_broker *b)
{
	return list->seq > b->seq ? list->seq - b->seq : 0;
}

static json_t *broker_json(const struct cloud_brokers *list, const struct cloud_broker *b)
{
	return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:s*}", "name", b->name, "state", b->state,
	    "behind", (json_int_t)behind(list, b), "boards", (json_int_t)b->boards, "admitted",
	    (json_int_t)b->admitted, "refused", (json_int_t)b->refused, "heard_at",
	    or_null(b->heard_at));
}

static enum err brokers_print(
    const struct cli *cli, const struct cloud_brokers *list, struct errbuf *eb)
{
	enum err e = OK;
	int wide = 6;

	if (list->n == 0)
		cli_say(cli, "no broker has spoken to the server");
	for (size_t i = 0; i < list->n; i++)
		if ((int)strlen(list->at[i].name) > wide)
			wide = (int)strlen(list->at[i].name);
	if (list->n && !cli_json(cli))
		printf(
		    "%-*s  STATE   BEHIND  BOARDS  ADMITTED  REFUSED  LAST HEARD\n", wide, "NAME");
	for (size_t i = 0; i < list->n && e == OK; i++) {
		const struct cloud_broker *b = &list->at[i];

		if (cli_json(cli))
			e = cli_json_print(broker_json(list, b), eb);
		else
			printf("%-*s  %-6s  %6llu  %6llu  %8llu  %7llu  %s\n", wide, b->name,
			    b->state, (unsigned long long)behind(list, b),
			    (unsigned long long)b->boards, (unsigned long long)b->admitted,
			    (unsigned long long)b->refused, b->heard_at);
	}
	return e;
}

static enum err brokers_check(const struct cloud_brokers *list, struct errbuf *eb)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->at[i].state, "fresh") != 0)
			return err_set(
			    eb, ERR_TIMEOUT, "%s is %s", list->at[i].name, list->at[i].state);
	return list->n ? OK : err_set(eb, ERR_NOT_FOUND, "no broker has spoken to the server");
}

static void brokers_hint(const struct cli *cli, const struct cloud_brokers *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->at[i].state, "silent") == 0) {
			cli_say(cli, "when %s never comes again: imprint broker forget %s",
			    list->at[i].name, list->at[i].name);
			return;
		}
}

static enum err list(struct cli *cli, struct errbuf *eb)
{
	struct cloud_brokers brokers = { 0, NULL, 0 };
	struct cloud *cloud = NULL;
	enum err e;

	if ((e = remote_open(cli, &cloud, eb)) == OK &&
	    (e = cloud_brokers(cloud, &brokers, eb)) == OK &&
	    (e = brokers_print(cli, &brokers, eb)) == OK) {
		brokers_hint(cli, &brokers);
		e = cli_on(cli, "check") ? brokers_check(&brokers, eb) : OK;
	}
	cloud_brokers_clear(&brokers);
	cloud_free(cloud);
	return e;
}

static const struct cli_option forget_options[] = { REMOTE_OPTIONS, { 0 } };

static enum err forget(struct cli *cli, struct errbuf *eb)
{
	const char *name = cli->args[0];
	struct cloud *cloud = NULL;
	char question[224];
	enum err e;

	snprintf(question, sizeof(question),
	    "Forget the broker %.64s? One that still runs goes on admitting those who were revoked "
	    "until it hears of the server again.",
	    name);
	if ((e = remote_open(cli, &cloud, eb)) == OK && (e = cli_confirm(cli, question, eb)) == OK)
		e = cloud_broker_forget(cloud, name, eb);
	cloud_free(cloud);
	if (e != OK)
		return e;
	if (cli_json(cli))
		return cli_json_print(json_pack("{s:s}", "forgotten", name), eb);
	cli_say(cli, "forgot %s", name);
	return OK;
}

const struct cli_command door_commands[] = {
	{ .name = "device disable",
	    .args = "NAME|ID...",
	    .args_min = 1,
	    .args_max = CLI_ARGS_MAX,
	    .summary = "let devices in no more, until they are enabled",
	    .about = "Their connections end, and brokers refuse them. Certificates stay as they "
	             "are. The answer comes when every broker has it, or says which has not; then "
	             "the exit code is that of a time-out.",
	    .options = switch_options,
	    .run = disable },
	{ .name = "device enable",
	    .args = "NAME|ID...",
	    .args_min = 1,
	    .args_max = CLI_ARGS_MAX,
	    .summary = "let devices in again that were disabled",
	    .options = switch_options,
	    .run = enable },
	{ .name = "device revoke",
	    .args = "NAME|ID...",
	    .args_min = 1,
	    .args_max = CLI_ARGS_MAX,
	    .summary = "revoke the certificates of devices, for ever",
	    .about = "Their connections end, and brokers refuse them until `imprint provision` has "
	             "given them another certificate. The answer comes when every broker has it, "
	             "or says which has not; then the exit code is that of a time-out.",
	    .options = revoke_options,
	    .run = revoke },
	{ .name = "device history",
	    .args = "NAME|ID",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "list a device's connections, and when it was refused",
	    .about = "Newest first. The server keeps a hundred of each device.",
	    .options = history_options,
	    .run = history },
	{ 0 },
};

const struct cli_command broker_list_commands[] = {
	{ .name = "broker list",
	    .summary = "list the server's brokers, and how fresh they are",
	    .about = "A fresh broker has applied everything that the server knows; one that is "
	             "silent goes on with what it knew for 15 minutes and then lets nobody in, "
	             "unless it is configured otherwise.",
	    .options = list_options,
	    .run = list },
	{ .name = "broker forget",
	    .args = "NAME",
	    .args_min = 1,
	    .args_max = 1,
	    .summary = "have the server forget a broker that was retired",
	    .about = "Of no use for one that is connected, which is refused. A broker that is "
	             "configured with `plugin_opt_stale admit` goes on without the server for "
	             "ever, so each revocation names it as one that has not answered, also when "
	             "it is gone for good; from now on none does. A broker that still runs goes "
	             "on admitting those who were revoked until it hears of the server again; "
	             "then it is known again too.",
	    .options = forget_options,
	    .run = forget },
	{ 0 },
};
