/* `imprint status`: what runs, what the server says of the boards, how long certificates last. */
#include "cloud.h"
#include "commands.h"
#include "services.h"
#include "text.h"
#include "up_file.h"
#include "utc.h"
#include "x509.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define PEM_MAX 16384
#define LIMIT_S 10
#define SOON (14 * 24 * 3600) /* less than that left: worth a word */

struct status {
	struct cli *cli;
	char state[FOLDER_PATH_MAX];
	struct up_file up;
	json_t *brokers, *boards, *certificates;
	bool runs, server, broker;
	struct errbuf wrong; /* the first thing that is not as it should be; "" */
	enum err e;          /* of it */
};

static void wrong(struct status *s, enum err e, const char *text)
{
	if (s->e == OK)
		err_set(&s->wrong, e, "%s", text);
	s->e = s->e == OK ? e : s->e;
}

/* --- server, broker, boards --- */

static bool alive(long pid)
{
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

/* What its newest visit says: since when it is there, or why it is not. */
static void visit_look(struct cloud *cloud, const char *id, char said[160], char reason[64])
{
	struct cloud_detail d = { .n_certs = 0 };

	if (cloud_device_detail(cloud, id, &d, NULL) != OK)
		return; /* a server that knows the cloud API alone */
	if (d.visits.n > 0) {
		const struct cloud_visit *v = &d.visits.at[0];
		bool lasts = v->admitted && !v->ended[0];
		const char *after = lasts ? v->address : v->reason;

		snprintf(said, 160, "%s %.40s%s%.64s",
		    lasts         ? "since"
		    : v->admitted ? "left"
		                  : "refused",
		    v->admitted && v->ended[0] ? v->ended : v->began,
		    !after[0] ? ""
		    : lasts   ? " from "
		              : ": ",
		    after);
		snprintf(reason, 64, "%.60s", lasts ? "" : v->reason);
	}
	cloud_detail_clear(&d);
}

static void board_add(struct status *s, const struct up_board *b, struct cloud *cloud)
{
	struct cloud_device d = { .status = "UNKNOWN" };
	struct errbuf why = { "" };
	char said[160] = "", reason[64] = "";
	enum err e = b->device_id[0] ? ERR_IO : ERR_NOT_FOUND;
	bool online;

	if (b->device_id[0] && cloud && (e = cloud_device_get(cloud, b->device_id, &d, &why)) == OK)
		visit_look(cloud, b->device_id, said, reason);
	online = e == OK && strcmp(d.status, "ONLINE") == 0;
	if (e == ERR_NOT_FOUND) /* 3 is the status of "nothing runs" */
		e = err_set(&why, ERR_IO, "%s: %s", b->name,
		    b->device_id[0] ? "its device was deleted at the server" : "no identity yet");
	else if (e == OK && !online)
		e = err_set(
		    &why, ERR_IO, "%s is %s%s%s", b->name, d.status, reason[0] ? ": " : "", reason);
	if (!online)
		wrong(s, e, why.text);
	json_array_append_new(s->boards,
	    json_pack("{s:s,s:s,s:s,s:s,s:s,s:s*,s:s*}", "name", b->name, "device_id", b->device_id,
	        "port", b->port, "device_status", d.status, "last_activity_at", d.last_activity_at,
	        "visit", said[0] ? said : NULL, "reason", reason[0] ? reason : NULL));
	cloud_device_clear(&d);
}

/* Whether those who let boards in know who is wanted. */
static void brokers_look(struct status *s, struct cloud *cloud)
{
	struct cloud_brokers list = { .n = 0 };
	struct errbuf why = { "" };
	enum err e = cloud_brokers(cloud, &list, &why);

	if (e == OK && list.n == 0)
		e = err_set(&why, ERR_IO, "no broker has asked the server who may come in");
	if (e != OK)
		wrong(s, e, why.text);
	for (size_t i = 0; i < list.n; i++) {
		const struct cloud_broker *b = &list.at[i];

		if (strcmp(b->state, "fresh") != 0) {
			err_set(&why, ERR_IO, "the list of %s is not fresh: it is %s", b->name,
			    b->state);
			wrong(s, ERR_IO, why.text);
		}
		json_array_append_new(
		    s->brokers, json_pack("{s:s,s:s,s:I,s:s}", "name", b->name, "state", b->state,
		                    "boards", (json_int_t)b->boards, "heard_at", b->heard_at));
	}
	cloud_brokers_clear(&list);
}

static struct cloud *server_open(struct status *s, struct errbuf *eb)
{
	struct credentials_where where = { .file = s->up.credentials };
	struct credentials credentials;
	struct cloud_options to = { .credentials = &credentials,
		.version = s->cli->program->version,
		.limit_ms = (uint32_t)cli_timeout(s->cli, LIMIT_S) * 1000,
		.stop_fd = -1 };
	struct cloud *cloud = NULL;
	enum err e;

	if ((e = credentials_find(&where, &credentials, eb)) == OK &&
	    (e = cloud_open(&to, &cloud, eb)) == OK)
		e = cloud_ready(cloud, eb);
	wipe(&credentials, sizeof(credentials));
	if (e == OK)
		return cloud;
	wrong(s, e, eb->text);
	cloud_free(cloud);
	return NULL;
}

static void services_look(struct status *s)
{
	struct errbuf why = { "" };
	struct cloud *cloud = server_open(s, &why);

	s->server = cloud && alive(s->up.imprintd);
	s->broker = alive(s->up.mosquitto) && services_broker_answers(s->up.run);
	if (!s->broker)
		wrong(s, ERR_IO, "the broker does not answer");
	if (cloud)
		brokers_look(s, cloud);
	for (size_t i = 0; i < s->up.n_boards; i++)
		board_add(s, &s->up.boards[i], cloud);
	cloud_free(cloud);
}

/* --- certificates --- */

static enum err end_of(const char *path, struct x509_hour *end, struct errbuf *eb)
{
	uint8_t *pem = NULL, der[PEM_MAX];
	struct x509_cert cert;
	size_t n, der_n;
	enum err e;

	if ((e = file_read(path, PEM_MAX, &pem, &n, eb)) != OK)
		return e;
	if ((e = pem_decode(
	         (struct slice){ pem, n }, "CERTIFICATE", der, sizeof(der), &der_n, NULL)) != OK ||
	    (e = x509_cert_parse((struct slice){ der, der_n }, &cert)) != OK)
		err_set(eb, e, "%s: is no certificate of ours", path);
	else
		*end = cert.tbs.not_after;
	free(pem);
	return e;
}

static void certificates_look(struct status *s)
{
	static const struct {
		const char *name, *file;
	} all[] = { { "server", "tls/api.pem" }, { "broker", "tls/broker.pem" },
		{ "issuing", "tls/issuing.pem" }, { "service root", "tls/service-root.pem" },
		{ "device authority", "ca/certificate.pem" } };

	for (size_t i = 0; i < COUNT(all); i++) {
		char path[FOLDER_PATH_MAX], until[UTC_TEXT_SIZE], text[80];
		struct errbuf why = { "" };
		struct x509_hour end;
		int64_t seconds = 0;
		enum err e;

		if ((e = folder_join(s->state, all[i].file, path, &why)) != OK ||
		    (e = end_of(path, &end, &why)) != OK ||
		    (e = utc_seconds(&end, &seconds)) != OK) {
			/* Before the first start there are none. */
			if (s->runs || e != ERR_NOT_FOUND)
				wrong(s, e == ERR_NOT_FOUND ? ERR_IO : e, why.text);
			continue;
		}
		utc_text(&end, until);
		if (seconds < utc_now() + SOON) {
			snprintf(text, sizeof(text), "the certificate of the %s ends %s",
			    all[i].name, until);
			wrong(s, ERR_IO, text);
		}
		json_array_append_new(
		    s->certificates, json_pack("{s:s,s:s,s:s}", "name", all[i].name, "file", path,
		                         "not_after", until));
	}
}

/* --- output --- */

static const char *text_of(const json_t *from, const char *member)
{
	const char *text = json_string_value(json_object_get(from, member));

	return text ? text : "";
}

/* A word in its colour, padded outside of the escapes. */
static void word(const struct status *s, const char *what, const char *text, bool good)
{
	printf("%-21s %s%s%s%*s ", what, cli_ink(s->cli, stdout, good ? CLI_GREEN : CLI_RED), text,
	    cli_ink(s->cli, stdout, CLI_PLAIN), 9 - (int)strlen(text), "");
}

/* 99991231235959Z: no well-defined expiration date (RFC 5280 4.1.2.5). */
static bool ever(const char *not_after)
{
	return strncmp(not_after, "9999-", 5) == 0;
}

static void people(const struct status *s)
{
	const json_t *one;
	size_t i;

	if (s->runs) {
		word(s, "server", s->server ? "ready" : "silent", s->server);
		printf("%s, process %ld\n", s->up.server, s->up.imprintd);
		word(s, "broker", s->broker ? "ready" : "silent", s->broker);
		printf("%s:%u, process %ld\n", s->up.host, s->up.broker_port, s->up.mosquitto);
	}
	json_array_foreach(s->brokers, i, one)
	{
		long boards = (long)json_integer_value(json_object_get(one, "boards"));
		char what[80];

		snprintf(what, sizeof(what), "list of %s", text_of(one, "name"));
		word(s, what, text_of(one, "state"), strcmp(text_of(one, "state"), "fresh") == 0);
		printf("%ld board%s connected\n", boards, boards == 1 ? "" : "s");
	}
	json_array_foreach(s->boards, i, one)
	{
		const char *status = text_of(one, "device_status"), *visit = text_of(one, "visit");

		word(s, text_of(one, "name"), status, strcmp(status, "ONLINE") == 0);
		printf("%s%s%s\n", text_of(one, "device_id"), visit[0] ? ", " : "", visit);
	}
	json_array_foreach(s->certificates, i, one)
	{
		const char *file = text_of(one, "file") + strlen(s->state),
		           *until = text_of(one, "not_after");

		file += strspn(file, "/");
		printf("%-21s %s%s\n", file, ever(until) ? "" : "until     ",
		    ever(until) ? "for ever" : until);
	}
	if (s->runs)
		printf("credentials           %s\n", s->up.credentials);
	printf("state                 %s\n", s->state);
}

static enum err print(struct status *s, struct errbuf *eb)
{
	json_t *all;

	if (!cli_json(s->cli)) {
		people(s);
		fflush(stdout);
		return OK;
	}
	all = json_pack("{s:b,s:b,s:s,s:O,s:O,s:O,s:s}", "ok", s->e == OK, "running", s->runs,
	    "state", s->state, "brokers", s->brokers, "boards", s->boards, "certificates",
	    s->certificates, "reason", s->wrong.text);
	if (all && s->runs)
		json_object_update_new(
		    all, json_pack("{s:I,s:{s:s,s:b,s:I},s:{s:s,s:i,s:b,s:I},s:s}", "pid",
		             (json_int_t)s->up.pid, "server", "url", s->up.server, "ready",
		             s->server, "pid", (json_int_t)s->up.imprintd, "broker", "host",
		             s->up.host, "port", (int)s->up.broker_port, "ready", s->broker, "pid",
		             (json_int_t)s->up.mosquitto, "credentials", s->up.credentials));
	s->cli->reported = true;
	return cli_json_print(all, eb);
}

static enum err look(struct status *s, struct errbuf *eb)
{
	enum err e;

	if ((e = folder_state(cli_text(s->cli, "state"), s->state, eb)) != OK)
		return e;
	e = up_file_read(s->state, &s->up, eb);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	s->runs = e == OK;
	if (s->runs)
		services_look(s);
	else
		wrong(s, e, eb->text);
	certificates_look(s);
	if ((e = print(s, eb)) != OK)
		return e;
	*eb = s->wrong;
	return s->e;
}

static enum err status(struct cli *cli, struct errbuf *eb)
{
	struct status *s = calloc(1, sizeof(*s));
	enum err e;

	if (!s)
		return err_set(eb, ERR_MEMORY, "no memory");
	s->cli = cli;
	s->brokers = json_array();
	s->boards = json_array();
	s->certificates = json_array();
	e = look(s, eb);
	json_decref(s->brokers);
	json_decref(s->boards);
	json_decref(s->certificates);
	free(s);
	return e;
}

const struct cli_command status_commands[] = {
	{ .name = "status",
	    .summary = "say what runs, who is let in, which boards are ONLINE",
	    .about = "Of the `imprint up` that runs with this state folder. The exit status says "
	             "it too: 0 when all is well and every board ONLINE, 3 when nothing runs "
	             "and then alone, 8 when a board is not ONLINE or its device was deleted, or "
	             "a service does not answer; else the one of `imprint help exit` for what is "
	             "wrong first. What a board is, the server says, and so "
	             "whether the broker's list of who is let in is fresh.",
	    .run = status },
	{ 0 },
};
