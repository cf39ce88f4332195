#include "services.h"
#include "broker.h"
#include "file.h"
#include "json_take.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_READY 8192
#define PORTS_TRIED 100
#define STOP_MS 15000
#define LOOK_MS 20

/* --- programs --- */

enum err services_plugin(const char *plugin, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char *real;
	enum err e;

	if (!plugin)
		return broker_plugin(path, eb);
	/* mosquitto takes a path with a slash as it stands, and runs in the root folder. */
	if (access(plugin, R_OK) != 0 || !(real = realpath(plugin, NULL)))
		return file_error(eb, errno, plugin, "cannot be the broker's plugin");
	e = folder_join("", real, path, eb);
	free(real);
	return e;
}

enum err services_find(
    struct services *s, const char *mosquitto, const char *plugin, struct errbuf *eb)
{
	enum err e;

	if ((e = process_find("imprintd", s->imprintd_path, eb)) != OK)
		return err_set(
		    eb, e, "imprintd: neither beside this program nor in PATH; `make` builds it");
	if (mosquitto)
		e = access(mosquitto, X_OK) == 0 ? folder_join("", mosquitto, s->mosquitto_path, eb)
		                                 : ERR_NOT_FOUND;
	else
		e = process_find("mosquitto", s->mosquitto_path, eb);
	if (e != OK)
		return err_set(eb, e,
		    "mosquitto: %s; it is Debian's package mosquitto: apt-get install mosquitto",
		    mosquitto ? mosquitto : "neither in PATH nor in /usr/sbin");
	return services_plugin(plugin, s->plugin_path, eb);
}

static enum err log_path(
    const char *state, const char *name, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char folder[FOLDER_PATH_MAX];
	enum err e;

	if ((e = folder_join(state, "logs", folder, eb)) != OK ||
	    (e = folder_make(folder, 0700, eb)) != OK)
		return e;
	return folder_join(folder, name, path, eb);
}

/* --- imprintd --- */

enum err services_ready_parse(struct slice line, struct services_ready *ready, struct errbuf *eb)
{
	struct services_ready seen = { 0 };
	json_int_t schema, port, pid;
	json_t *from = NULL;
	enum err e;

	if ((e = json_take_object(line, "imprintd's line", &from, eb)) != OK)
		return e;
	if ((e = json_take_number(from, "schema", 1, &schema, eb)) == OK &&
	    (e = json_take_text(from, "server", seen.server, sizeof(seen.server), eb)) == OK &&
	    (e = json_take_number(from, "port", 65535, &port, eb)) == OK &&
	    (e = json_take_number(from, "pid", INT32_MAX, &pid, eb)) == OK &&
	    (e = json_take_text(
	         from, "credentials", seen.credentials, sizeof(seen.credentials), eb)) == OK &&
	    (e = json_take_text(
	         from, "organization", seen.organization, sizeof(seen.organization), eb)) == OK) {
		seen.port = (unsigned)port;
		seen.pid = (long)pid;
		*ready = seen;
	}
	json_decref(from);
	return e == OK ? OK : err_within(eb, e, "imprintd's line");
}

enum err services_server(struct services *s, const struct services_options *o, struct errbuf *eb)
{
	char log[FOLDER_PATH_MAX], port[8], line[LINE_MAX_READY];
	const char *argv[18 + 2 * SERVICES_NAMES_MAX] = { s->imprintd_path, "--state", o->state,
		"--run", o->run, "--listen", o->address, "--broker", s->socket, "--feed", s->feed,
		"--ready-fd", "3" };
	size_t n = 13;
	struct services_ready ready;
	enum err e;

	if ((e = log_path(o->state, "imprintd.log", log, eb)) != OK ||
	    (e = folder_join(o->run, BROKER_SOCKET, s->socket, eb)) != OK ||
	    (e = folder_join(o->run, BROKER_FEED, s->feed, eb)) != OK)
		return e;
	if (o->port) {
		snprintf(port, sizeof(port), "%u", (unsigned)o->port);
		argv[n++] = "--port";
		argv[n++] = port;
	}
	for (size_t i = 0; i < o->n_names; i++) {
		argv[n++] = "--public-name";
		argv[n++] = o->names[i];
	}
	if ((e = process_start(&s->imprintd, "imprintd", argv, log, true, eb)) != OK ||
	    (e = process_ready(&s->imprintd, line, sizeof(line), o->limit_ms, o->stop_fd, eb)) !=
	        OK ||
	    (e = services_ready_parse(
	         (struct slice){ (const uint8_t *)line, strlen(line) }, &ready, eb)) != OK)
		return e;
	snprintf(s->server, sizeof(s->server), "%s", ready.server);
	snprintf(s->credentials, sizeof(s->credentials), "%s", ready.credentials);
	snprintf(s->organization, sizeof(s->organization), "%s", ready.organization);
	return OK;
}

/* --- mosquitto --- */

/* Whether a server could listen there now, without disturbing one that begins to. ERR_CONFLICT: taken. */
static enum err port_free(const char *address, uint16_t port, struct errbuf *eb)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM },
	                *found = NULL;
	char service[8];
	int fd, one = 1;
	enum err e = OK;

	snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (getaddrinfo(address, service, &hints, &found) != 0)
		return err_set(eb, ERR_ARG, "%s: no numeric address", address);
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		e = err_set(eb, ERR_IO, "socket: %s", strerror(errno));
	else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	         bind(fd, found->ai_addr, found->ai_addrlen) != 0)
		e = err_set(eb, errno == EADDRINUSE ? ERR_CONFLICT : ERR_IO, "%s port %u: %s",
		    address, (unsigned)port, strerror(errno));
	if (fd >= 0)
		close(fd);
	freeaddrinfo(found);
	return e;
}

/* It binds its sockets in the order of its configuration: this is the last one. */
static bool answers(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	bool yes;
	int fd;

	if (n >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, n);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	yes = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	if (fd >= 0)
		close(fd);
	return yes;
}

static enum err broker_wait(struct services *s, const struct services_options *o, struct errbuf *eb)
{
	struct pollfd stop = { .fd = o->stop_fd, .events = POLLIN };

	for (unsigned waited = 0; waited < o->limit_ms; waited += LOOK_MS) {
		if (!process_runs(&s->mosquitto))
			return process_ended(&s->mosquitto, eb);
		if (answers(s->socket))
			return OK;
		if (poll(&stop, 1, LOOK_MS) > 0)
			return err_set(eb, ERR_CONFLICT, "interrupted");
	}
	return err_set(eb, ERR_TIMEOUT, "mosquitto: not ready after %u s; its log: %s",
	    o->limit_ms / 1000, s->mosquitto.log);
}

static enum err broker_try(
    struct services *s, const struct services_options *o, uint16_t port, struct errbuf *eb)
{
	char log[FOLDER_PATH_MAX], conf[FOLDER_PATH_MAX];
	const char *const argv[] = { s->mosquitto_path, "-c", conf, NULL };
	enum err e;

	/* One that was killed leaves it, and the next cannot listen there. Ours alone: see the lock. */
	if (unlink(s->socket) != 0 && errno != ENOENT)
		return file_error(eb, errno, s->socket, "cannot be removed");
	if ((e = log_path(o->state, "mosquitto.log", log, eb)) != OK ||
	    (e = broker_configure(o->state,
	         &(struct broker_config){ .address = o->address,
	             .port = port,
	             .socket = s->socket,
	             .plugin = s->plugin_path,
	             .feed = s->feed },
	         conf, eb)) != OK ||
	    (e = folder_join(o->state, "tls/broker.pem", s->chain, eb)) != OK)
		return e;
	/* Looked at before it is read: at worst it is read twice. */
	if (stat(s->chain, &s->chain_read) != 0)
		return file_error(eb, errno, s->chain, "cannot be examined");
	if ((e = process_start(&s->mosquitto, "mosquitto", argv, log, false, eb)) != OK)
		return e;
	s->broker_port = port;
	return broker_wait(s, o, eb);
}

enum err services_broker(struct services *s, const struct services_options *o, struct errbuf *eb)
{
	uint16_t first = o->broker_port ? o->broker_port : BROKER_PORT;
	unsigned tries = o->broker_port ? 1 : PORTS_TRIED;
	enum err e = OK;

	for (unsigned i = 0; i < tries; i++) {
		uint16_t port = (uint16_t)(first + i);

		if ((e = port_free(o->address, port, eb)) == ERR_CONFLICT)
			continue;
		if (e != OK || (e = broker_try(s, o, port, eb)) == OK)
			return e;
		/* Somebody else may have been quicker; then the port is taken now. */
		if (process_runs(&s->mosquitto) ||
		    port_free(o->address, port, NULL) != ERR_CONFLICT)
			return e;
		process_stop(&s->mosquitto, STOP_MS);
	}
	return err_within(eb, e, o->broker_port ? "--broker-port" : "no port for the broker");
}

bool services_broker_answers(const char *run)
{
	char socket[FOLDER_PATH_MAX];

	return folder_join(run, BROKER_SOCKET, socket, NULL) == OK && answers(socket);
}

/* --- both --- */

enum err services_alive(struct services *s, struct errbuf *eb)
{
	struct process *const all[] = { &s->imprintd, &s->mosquitto };

	for (size_t i = 0; i < COUNT(all); i++)
		if (all[i]->name && !process_runs(all[i]))
			return process_ended(all[i], eb);
	return OK;
}

/* Renewed is replaced, as a whole: another inode. Keys stay the same, so half of it cannot be read. */
bool services_renewed(struct services *s)
{
	struct stat now;

	if (!process_runs(&s->mosquitto) || stat(s->chain, &now) != 0 ||
	    (now.st_ino == s->chain_read.st_ino &&
	        now.st_mtim.tv_sec == s->chain_read.st_mtim.tv_sec &&
	        now.st_mtim.tv_nsec == s->chain_read.st_mtim.tv_nsec))
		return false;
	s->chain_read = now;
	return kill(s->mosquitto.pid, SIGHUP) == 0;
}

void services_stop(struct services *s)
{
	process_stop(&s->mosquitto, STOP_MS);
	/* Who was killed leaves it. */
	if (s->mosquitto.name)
		(void)!unlink(s->socket);
	process_stop(&s->imprintd, STOP_MS);
	if (s->imprintd.name)
		(void)!unlink(s->feed);
}
