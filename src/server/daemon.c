#include "daemon.h"
#include "api.h"
#include "body.h"
#include "brokers.h"
#include "clock.h"
#include "file.h"
#include "hook.h"
#include "inbox.h"
#include "installation.h"
#include "text.h"
#include "utc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PORT_LATER 8444 /* is for callers with a client certificate */
#define PORT_TRIES 64
#define DRAIN_MS 5000
#define LOOK_EVERY_MS 60000
#define YEAR_2000 INT64_C(946684800)
#define YEAR_2032 INT64_C(1956528000)
#define CONNECTIONS_MAX 12000u
/* Descriptors that are no connection: database, sockets, pipes. */
#define DESCRIPTORS_OWN 200u

struct daemon {
	struct daemon_options options;
	char state[FOLDER_PATH_MAX]; /* absolute */
	struct file_lock lock;
	struct store *store;
	struct installation installation;
	struct api *api;
	struct api_parts parts;
	_Atomic(struct watchers *) watchers; /* the committing thread tells it */
	struct service *service;
	struct http_tls *tls;
	struct http_server *http;
	struct responder *responder;
	struct inbox *_Atomic inbox; /* requests are answered before it is there */
	struct presences *presences;
	_Atomic(struct brokers *) brokers; /* the committing thread tells it */
	int hang_up;                       /* signalfd for SIGHUP */
	uint16_t port;
	char server[300];
	char credentials[FOLDER_PATH_MAX];
	atomic_bool draining;
};

/* --- what the parts ask of us --- */

static int64_t now_ms(void *ctx)
{
	(void)ctx;
	return clock_ms();
}

static void prepare(void *ctx, struct store_change **changes, size_t n)
{
	struct daemon *d = ctx;

	/* Before there is an API nothing is signed: the first rows are ours. */
	if (d->api)
		api_prepare(d->api, changes, n);
}

static void committed(void *ctx, uint32_t tenant, uint64_t seq, uint64_t visit)
{
	struct daemon *d = ctx;

	watchers_committed(atomic_load(&d->watchers), tenant, seq, visit);
	brokers_changed(atomic_load(&d->brokers), tenant, seq);
}

static enum err ready(void *ctx, struct errbuf *eb)
{
	struct daemon *d = ctx;

	if (atomic_load(&d->draining))
		return err_set(eb, ERR_IO, "the server is being stopped");
	return store_ready(d->store, eb);
}

static void log_failure(void *ctx, const char *id, int status, const char *why)
{
	struct daemon *d = ctx;

	LOG(d->options.log, LOG_LEVEL_ERROR, "request_failed", LOG_TEXT("id", id),
	    LOG_NUMBER("status", status), LOG_TEXT("reason", why));
}

/* The query stays out: what is asked for may be private. */
static void log_request(void *ctx, const struct http_request *request, int status, double seconds)
{
	struct daemon *d = ctx;
	bool probe =
	    strcmp(request->path, "/healthz") == 0 || strcmp(request->path, "/readyz") == 0;

	LOG_LATER(d->options.log, probe ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "request",
	    LOG_TEXT("method", request->method), LOG_TEXT("path", request->path),
	    LOG_NUMBER("status", status), LOG_NUMBER("us", seconds * 1e6),
	    LOG_TEXT("peer", request->peer));
}

static void inbox_counts(void *ctx, struct inbox_stats *stats)
{
	struct inbox *inbox = ((struct daemon *)ctx)->inbox;

	if (inbox)
		inbox_stats(inbox, stats);
}

static void rest(void *ctx)
{
	log_flush(((struct daemon *)ctx)->options.log);
}

static void handle(void *ctx, struct http_exchange *x)
{
	api_handle(((struct daemon *)ctx)->api, x);
}

static bool tolerant(void *ctx, const char *path)
{
	return api_tolerant(((struct daemon *)ctx)->api, path);
}

static void refuse(void *ctx, const char *path, const char *reason, struct http_response *response)
{
	api_refuse(((struct daemon *)ctx)->api, path, reason, response);
}

/* --- clock and limits --- */

static enum err clock_check(struct daemon *d, struct errbuf *eb)
{
	int64_t now = clock_ms() / 1000;
	char text[UTC_TEXT_SIZE] = "before the year 1";
	struct x509_hour hour;

	if (utc_hour(now, &hour) == OK)
		utc_text(&hour, text);
	if (now < YEAR_2000)
		return err_set(eb, ERR_CONFLICT,
		    "the clock says %s: no certificate can begin before 2000; set the clock", text);
	if (now >= YEAR_2032)
		LOG(d->options.log, LOG_LEVEL_WARNING, "clock_after_2031", LOG_TEXT("now", text),
		    LOG_TEXT("reason",
		        "boards cannot store a later start: certificates begin with the last hour "
		        "of 2031"));
	return OK;
}

/* An authority of the future says that the clock was set back. */
static enum err authority_began(const struct daemon *d, struct errbuf *eb)
{
	struct x509_cert cert;
	int64_t began, now = clock_ms() / 1000;
	char from[UTC_TEXT_SIZE];

	if (x509_cert_parse(ca_certificate(d->installation.ca), &cert) != OK ||
	    utc_seconds(&cert.tbs.not_before, &began) != OK || began <= now)
		return OK;
	utc_text(&cert.tbs.not_before, from);
	return err_set(eb, ERR_CONFLICT,
	    "the clock is before the device authority's first hour, %s; set the clock", from);
}

/* As many connections as the system lets us have descriptors; nothing of us in a core dump. */
static unsigned limits_raise(void)
{
	struct rlimit none = { 0, 0 }, files;

	(void)setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return CONNECTIONS_MAX;
	if (files.rlim_cur < CONNECTIONS_MAX + DESCRIPTORS_OWN) {
		files.rlim_cur = files.rlim_max < CONNECTIONS_MAX + DESCRIPTORS_OWN
		                     ? files.rlim_max
		                     : CONNECTIONS_MAX + DESCRIPTORS_OWN;
		(void)setrlimit(RLIMIT_NOFILE, &files);
		(void)getrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur >= CONNECTIONS_MAX + DESCRIPTORS_OWN)
		return CONNECTIONS_MAX;
	return files.rlim_cur > 2 * DESCRIPTORS_OWN ? (unsigned)files.rlim_cur - DESCRIPTORS_OWN
	                                            : DESCRIPTORS_OWN;
}

/* --- the state folder --- */

static enum err state_open(struct daemon *d, struct errbuf *eb)
{
	const char *name = d->options.state;
	char path[FOLDER_PATH_MAX], real[PATH_MAX];
	enum err e;

	if ((e = folder_make(name, 0700, eb)) != OK || (e = folder_private(name, eb)) != OK)
		return e;
	if (!realpath(name, real))
		return file_error(eb, errno, name, "cannot be found");
	if ((e = folder_join("", real, d->state, eb)) != OK ||
	    (e = folder_join(d->state, "imprintd.lock", path, eb)) != OK)
		return e;
	return file_lock(&d->lock, path, eb);
}

static enum err store_start(struct daemon *d, struct errbuf *eb)
{
	struct store_options options = {
		.prepare = prepare, .committed = committed, .ctx = d, .now_ms = now_ms
	};
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = folder_join(d->state, "imprint.db", path, eb)) != OK)
		return e;
	return store_open(path, &options, &d->store, eb);
}

static enum err api_start(struct daemon *d, struct errbuf *eb)
{
	struct signer_options signer = { .now_ms = now_ms };
	struct api_options options = { .version = d->options.version,
		.now_ms = now_ms,
		.ctx = d,
		.ready = ready,
		.log = log_failure,
		.inbox = inbox_counts };
	enum err e;

	if ((e = installation_open(
	         &d->installation, d->state, d->store, &signer, clock_ms() / 1000, eb)) != OK ||
	    (e = authority_began(d, eb)) != OK)
		return e;
	options.ca = d->installation.ca;
	options.authority = d->installation.authority;
	if ((e = api_new(&options, &d->api, eb)) == OK)
		api_store(d->api, d->store);
	return e;
}

/* --- those who watch --- */

static enum err watchers_open(struct daemon *d, struct errbuf *eb)
{
	struct watchers_options options = {
		.store = d->store, .tenant = d->installation.tenant, .log = d->options.log
	};
	struct watchers *made = NULL;
	enum err e = watchers_start(&options, &made, eb);

	if (e != OK)
		return e;
	atomic_store(&d->watchers, made);
	d->parts.watchers = made;
	api_parts_set(d->api, &d->parts);
	return OK;
}

/* --- the brokers --- */

/* A folder that is not there yet is made for the socket alone. */
static enum err feed_folder(const struct daemon *d, struct errbuf *eb)
{
	const char *socket = d->options.feed;
	char folder[FOLDER_PATH_MAX];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", socket);
	if (!(slash = strrchr(folder, '/')) || slash == folder)
		return OK;
	*slash = '\0';
	return folder_make(folder, d->options.broker_user ? 0750 : 0700, eb);
}

static enum err feed_open(struct daemon *d, struct errbuf *eb)
{
	struct brokers_options options = { .socket = d->options.feed,
		.user = d->options.broker_user,
		.store = d->store,
		.tenant = d->installation.tenant,
		.log = d->options.log,
		.now_ms = now_ms };
	struct brokers *made = NULL;
	enum err e;

	if ((e = feed_folder(d, eb)) != OK ||
	    (e = presences_new(d->store, d->installation.tenant, &d->presences, eb)) != OK)
		return e;
	options.presences = d->presences;
	if ((e = brokers_start(&options, &made, eb)) != OK)
		return err_within(eb, e, "the feed");
	atomic_store(&d->brokers, made);
	/* What came before it could be told. */
	brokers_changed(made, options.tenant, brokers_seq(made));
	d->parts.presences = d->presences;
	d->parts.brokers = made;
	api_parts_set(d->api, &d->parts);
	return OK;
}

/* --- what boards are answered --- */

/* Behind brokers and watchers, of which it makes use. */
static enum err responder_open(struct daemon *d, struct errbuf *eb)
{
	struct responder_options options = { .store = d->store,
		.tenant = d->installation.tenant,
		.brokers = d->parts.brokers,
		.watchers = d->parts.watchers,
		.log = d->options.log,
		.now_ms = now_ms };
	enum err e = responder_new(&options, &d->responder, eb);

	d->parts.responder = d->responder;
	return e;
}

/* --- service certificates --- */

/* What this server is called: localhost, the computer's name, loopback, what was given. */
struct names {
	const char *name[SERVICE_NAMES_MAX];
	size_t n;
	char host[HOST_NAME_MAX + 1];
};

static void name_add(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcasecmp(names->name[i], name) == 0)
			return;
	if (names->n < SERVICE_NAMES_MAX)
		names->name[names->n++] = name;
}

static bool is_wildcard(const char *address)
{
	return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

static void names_collect(const struct daemon *d, struct names *names)
{
	names->n = 0;
	name_add(names, "localhost");
	/* A name that no certificate may bear ("my_host") is simply not in it. */
	if (gethostname(names->host, sizeof(names->host)) == 0) {
		names->host[sizeof(names->host) - 1] = '\0';
		if (service_name_check(names->host, NULL) == OK)
			name_add(names, names->host);
	}
	name_add(names, "127.0.0.1");
	name_add(names, "::1");
	if (!is_wildcard(d->options.listen))
		name_add(names, d->options.listen);
	for (size_t i = 0; i < d->options.names_n; i++)
		name_add(names, d->options.names[i]);
}

static enum err tls_options(
    struct daemon *d, struct http_tls_options *options, uint8_t **key, struct errbuf *eb)
{
	size_t n;
	enum err e = service_key(d->service, SERVICE_API, key, &n, eb);

	if (e == OK)
		*options =
		    (struct http_tls_options){ .chain = service_chain(d->service, SERVICE_API),
			    .key = { *key, n } };
	return e;
}

static void key_free(uint8_t *key)
{
	if (key)
		wipe(key, strlen((char *)key));
	free(key);
}

static enum err service_start(struct daemon *d, struct errbuf *eb)
{
	struct http_tls_options options;
	char folder[FOLDER_PATH_MAX];
	struct names names;
	uint8_t *key = NULL;
	enum err e;

	names_collect(d, &names);
	if ((e = folder_join(d->state, "tls", folder, eb)) != OK ||
	    (e = service_open(folder, names.name, names.n, clock_ms() / 1000, &d->service, eb)) !=
	        OK ||
	    (e = tls_options(d, &options, &key, eb)) != OK)
		return e;
	e = http_tls_new(&options, &d->tls, eb);
	key_free(key);
	return e;
}

static void log_renewed(struct daemon *d, enum service_leaf leaf, const char *what)
{
	char until[UTC_TEXT_SIZE] = "-";
	struct x509_hour end;

	if (utc_hour(service_end(d->service, leaf), &end) == OK)
		utc_text(&end, until);
	LOG(d->options.log, LOG_LEVEL_INFO, "certificate_renewed", LOG_TEXT("server", what),
	    LOG_TEXT("until", until));
}

/*
 * New connections get the new certificate; open ones go on. The broker reads its file again on a
 * SIGHUP from whoever runs it, who sees that tls/broker.pem is another.
 */
static enum err service_look(struct daemon *d, struct errbuf *eb)
{
	int64_t now = clock_ms() / 1000;
	struct http_tls_options options;
	uint8_t *key = NULL;
	unsigned renewed;
	enum err e;

	if ((e = service_renew(d->service, now, &renewed, eb)) != OK)
		return e;
	if (renewed & 1u << SERVICE_BROKER)
		log_renewed(d, SERVICE_BROKER, "broker");
	if (!(renewed & 1u << SERVICE_API))
		return OK;
	if ((e = tls_options(d, &options, &key, eb)) == OK)
		e = http_tls_replace(d->tls, &options, eb);
	key_free(key);
	if (e == OK)
		log_renewed(d, SERVICE_API, "api");
	return e;
}

/* --- listening --- */

static enum err http_start(struct daemon *d, struct errbuf *eb)
{
	struct http_options options = {
		.limits = { .connections = limits_raise(), .body_max = BODY_MAX },
		.handle = handle,
		.tolerant = tolerant,
		.log = log_request,
		.rest = rest,
		.refuse = refuse,
		.ctx = d,
	};

	return http_server_new(&options, &d->http, eb);
}

/* What the routes ask beside the registry. */
static enum err parts_set(struct daemon *d, struct errbuf *eb)
{
	(void)eb;
	d->parts.http = d->http;
	api_parts_set(d->api, &d->parts);
	return OK;
}

static enum err listen_somewhere(struct daemon *d, struct errbuf *eb)
{
	const char *address = d->options.listen;
	unsigned port = d->options.port;
	enum err e;

	if (d->options.port_given)
		return http_listen(d->http, address, d->options.port, d->tls, &d->port, eb);
	for (unsigned i = 0; i < PORT_TRIES; i++, port++) {
		port += port == PORT_LATER;
		e = http_listen(d->http, address, (uint16_t)port, d->tls, &d->port, eb);
		if (e != ERR_CONFLICT)
			return e;
	}
	return err_set(eb, ERR_CONFLICT, "%s: all ports from %u to %u are taken", address,
	    d->options.port, port);
}

/* How our own client reaches us. */
static void server_name(struct daemon *d)
{
	const char *address = d->options.listen;
	bool v6 = strchr(address, ':') != NULL;

	/* Not every computer's localhost is ::1 too, and :: takes nobody who comes by IPv4. */
	if (strcmp(address, "::") == 0)
		address = "::1";
	if (is_wildcard(address) || strcmp(address, "127.0.0.1") == 0)
		snprintf(d->server, sizeof(d->server), "https://localhost:%u", d->port);
	else
		snprintf(d->server, sizeof(d->server), v6 ? "https://[%s]:%u" : "https://%s:%u",
		    address, d->port);
}

/* --- the broker --- */

#define PASSWORD_BYTES 32

/* The password of the broker's internal listener: made once, for whoever configures the broker. */
static enum err password_have(
    struct daemon *d, char password[2 * PASSWORD_BYTES + 1], struct errbuf *eb)
{
	char folder[FOLDER_PATH_MAX], path[FOLDER_PATH_MAX];
	uint8_t random[PASSWORD_BYTES], *text = NULL;
	size_t n;
	enum err e;

	if ((e = folder_join(d->state, "broker", folder, eb)) != OK ||
	    (e = folder_make(folder, 0700, eb)) != OK ||
	    (e = folder_join(folder, "internal.key", path, eb)) != OK)
		return e;
	e = file_read_private(path, 2 * PASSWORD_BYTES, &text, &n, eb);
	if (e == OK && n != 2 * PASSWORD_BYTES) {
		e = err_set(eb, ERR_FORMAT,
		    "%s: not %d digits; remove it, and start the broker anew", path,
		    2 * PASSWORD_BYTES);
	} else if (e == OK) {
		memcpy(password, text, n);
		password[n] = '\0';
	} else if (e == ERR_NOT_FOUND) {
		if ((e = random_bytes(random, sizeof(random))) != OK)
			return err_set(eb, e, "no random bytes");
		hex_encode(SLICE(random), HEX_LOWER, password);
		wipe(random, sizeof(random));
		e = file_create(path,
		    (struct slice){ (const uint8_t *)password, 2 * PASSWORD_BYTES }, 0600, eb);
	}
	key_free(text);
	return e;
}

static enum err inbox_open(struct daemon *d, struct errbuf *eb)
{
	char password[2 * PASSWORD_BYTES + 1] = "";
	struct inbox_options options = { .socket = d->options.broker,
		.password = password,
		.store = d->store,
		.tenant = d->installation.tenant,
		.responder = d->responder,
		.log = d->options.log,
		.now_ms = now_ms };
	struct inbox *inbox = NULL;
	enum err e = password_have(d, password, eb);

	if (e == OK && (e = inbox_start(&options, &inbox, eb)) == OK)
		d->inbox = inbox;
	wipe(password, sizeof(password));
	return e;
}

/* --- its life --- */

static enum err credentials_have(struct daemon *d, struct errbuf *eb)
{
	char root[FOLDER_PATH_MAX], real[PATH_MAX];
	struct installation_access how = { .state = d->state,
		.file = d->options.credentials,
		.server = d->server,
		.ca = root,
		.log = d->options.log,
		.now_ms = clock_ms() };
	enum err e = folder_join(d->state, "tls/service-root.pem", root, eb);

	if (e != OK)
		return e;
	server_name(d);
	if ((e = installation_credentials(&d->installation, &how, d->store, d->credentials, eb)) !=
	    OK)
		return e;
	/* Who is told of it may stand in another folder. */
	return realpath(d->credentials, real) ? folder_join("", real, d->credentials, eb) : OK;
}

static enum err hang_up_open(struct daemon *d, struct errbuf *eb)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	/* Before there are threads, which inherit it. */
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 ||
	    (d->hang_up = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return err_set(eb, ERR_IO, "signalfd: %s", strerror(errno));
	return OK;
}

/* One line of JSON for whoever started us; that nobody reads it is no reason to stop. */
static enum err announce(struct daemon *d, struct errbuf *eb)
{
	json_t *line = json_pack("{s:i,s:s,s:i,s:i,s:s,s:s,s:s}", "schema", 1, "server", d->server,
	    "port", d->port, "pid", (int)getpid(), "credentials", d->credentials, "state", d->state,
	    "organization", d->installation.organization);
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	enum err e = text ? OK : err_set(eb, ERR_MEMORY, "no memory to say that all is ready");

	if (text && (write(d->options.ready_fd, text, strlen(text)) < 0 ||
	                write(d->options.ready_fd, "\n", 1) < 0))
		LOG(d->options.log, LOG_LEVEL_WARNING, "ready_unheard",
		    LOG_TEXT("reason", strerror(errno)));
	free(text);
	json_decref(line);
	close(d->options.ready_fd);
	return e;
}

static void log_ready(const struct daemon *d)
{
	LOG(d->options.log, LOG_LEVEL_INFO, "ready", LOG_TEXT("server", d->server),
	    LOG_TEXT("address", d->options.listen), LOG_NUMBER("port", d->port),
	    LOG_TEXT("state", d->state), LOG_TEXT("credentials", d->credentials),
	    LOG_TEXT("organization", d->installation.organization),
	    LOG_TEXT("version", d->options.version));
}

static enum err start(struct daemon *d, struct errbuf *eb)
{
#define START(name, go) { name, go },
	static const struct {
		const char *name;
		enum err (*go)(struct daemon *d, struct errbuf *eb);
	} steps[] = {
#include "start.def"
	};
#undef START
	enum err e;

	for (size_t i = 0; i < COUNT(steps); i++) {
		test_hook("before", steps[i].name);
		if ((e = steps[i].go(d, eb)) != OK)
			return e;
		test_hook("after", steps[i].name);
	}
	log_ready(d);
	return d->options.ready_fd < 0 ? OK : announce(d, eb);
}

enum err daemon_open(const struct daemon_options *options, struct daemon **out, struct errbuf *eb)
{
	struct daemon *d = calloc(1, sizeof(*d));
	enum err e;

	if (!d)
		return err_set(eb, ERR_MEMORY, "no memory for the server");
	d->options = *options;
	d->lock = FILE_UNLOCKED;
	d->hang_up = -1;
	if ((e = start(d, eb)) != OK) {
		daemon_close(d);
		return e;
	}
	*out = d;
	return OK;
}

enum err daemon_serve(struct daemon *d, int stop_fd, struct errbuf *eb)
{
	struct pollfd fds[] = { { .fd = stop_fd, .events = POLLIN },
		{ .fd = d->hang_up, .events = POLLIN } };
	struct signalfd_siginfo info;

	for (;;) {
		struct errbuf why = { "" };

		if (poll(fds, 2, LOOK_EVERY_MS) < 0 && errno != EINTR)
			return err_set(eb, ERR_IO, "poll: %s", strerror(errno));
		if (fds[0].revents)
			return OK;
		if (fds[1].revents && read(d->hang_up, &info, sizeof(info)) < 0 && errno != EAGAIN)
			return err_set(eb, ERR_IO, "signalfd: %s", strerror(errno));
		/* The certificates that are in use stay in use; it is tried again in a minute. */
		if (service_look(d, &why) != OK)
			LOG(d->options.log, LOG_LEVEL_ERROR, "certificate_not_renewed",
			    LOG_TEXT("reason", why.text));
	}
}

void daemon_close(struct daemon *d)
{
	if (!d)
		return;
	atomic_store(&d->draining, true);
	if (d->http) {
		if (d->port)
			LOG(d->options.log, LOG_LEVEL_INFO, "draining", LOG_NUMBER("ms", DRAIN_MS));
		http_server_drain(d->http, DRAIN_MS);
	}
	/* The store is closed while the server still is, so that late commits find whom to answer. */
	inbox_stop(d->inbox);
	responder_stop(d->responder);
	watchers_stop(d->watchers);
	brokers_stop(d->brokers);
	store_close(d->store);
	brokers_free(d->brokers);
	presences_free(d->presences);
	responder_free(d->responder);
	http_server_free(d->http);
	watchers_free(d->watchers);
	http_tls_free(d->tls);
	api_free(d->api);
	service_free(d->service);
	installation_close(&d->installation);
	if (d->hang_up >= 0)
		close(d->hang_up);
	if (d->port)
		LOG(d->options.log, LOG_LEVEL_INFO, "stopped", LOG_NUMBER("pid", getpid()));
	file_unlock(&d->lock);
	free(d);
}
