/*
 * daemon.h -- imprintd from its first file to its last answer.
 *
 * Opening takes the lock of the state folder, then registry, authority, service certificates, and
 * listens; whatever is wrong ends it with an error that names the file and what to do, and with nothing
 * half made. Serving looks after certificates once a minute and on SIGHUP, until the stop descriptor is
 * readable. Closing lets requests in work finish, writes what boards said, and closes the registry.
 *
 *	e = daemon_open(&options, &d, eb);
 *	if (e == OK)
 *		e = daemon_serve(d, stop_fd, eb);
 *	daemon_close(d);
 */
#ifndef IMPRINT_DAEMON_H
#define IMPRINT_DAEMON_H

#include "log.h"
#include "service.h"

#include "errbuf.h"

#define DAEMON_PORT 8443
#define DAEMON_NAMES_MAX (SERVICE_NAMES_MAX - 6)

struct daemon;

struct daemon_options {
	const char *state;       /* folder; made when missing */
	const char *credentials; /* file; NULL: where the user's configuration is */
	const char *listen;      /* numeric address */
	uint16_t port;
	bool port_given;          /* else the next one that is free */
	const char *const *names; /* of this server, besides its own */
	size_t names_n;
	const char *broker;      /* socket of the broker's internal listener */
	const char *feed;        /* socket that brokers connect to */
	const char *broker_user; /* who may, besides our own user and root; NULL: nobody */
	const char *version;
	int ready_fd; /* -1: none */
	struct log *log;
};

enum err daemon_open(
    const struct daemon_options *options, struct daemon **d, struct errbuf *eb) MUST_CHECK;
enum err daemon_serve(struct daemon *d, int stop_fd, struct errbuf *eb) MUST_CHECK;
/* NULL is fine. */
void daemon_close(struct daemon *d);

#endif
