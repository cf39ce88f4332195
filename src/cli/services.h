/*
 * services.h -- imprintd and mosquitto, as `imprint up` runs them: started in order, watched, stopped.
 *
 * imprintd says on a descriptor when it accepts requests, where, and who we are there. The broker's
 * configuration is written from what imprintd made, with the plugin, which hears from imprintd who is
 * wanted. The broker serves when it lets imprintd in by its socket. Neither is started again when it ends: `up` says why, and ends too.
 *
 *	struct services s = SERVICES_NONE;
 *	if ((e = services_find(&s, NULL, NULL, eb)) != OK || (e = services_server(&s, &o, eb)) != OK ||
 *	    (e = services_broker(&s, &o, eb)) != OK)
 *		goto out;
 *	...
 *	e = services_alive(&s, eb);
 * out:
 *	services_stop(&s);
 */
#ifndef IMPRINT_SERVICES_H
#define IMPRINT_SERVICES_H

#include "process.h"

#include <sys/stat.h>

#define SERVICES_NAMES_MAX 24 /* imprintd adds some, and takes 32 */

struct services {
	struct process imprintd, mosquitto;
	char imprintd_path[FOLDER_PATH_MAX], mosquitto_path[FOLDER_PATH_MAX];
	char plugin_path[FOLDER_PATH_MAX];
	/* from the line of imprintd */
	char server[256], credentials[FOLDER_PATH_MAX], organization[40];
	uint16_t broker_port;
	char socket[FOLDER_PATH_MAX]; /* of the broker, for the server; "" before */
	char feed[FOLDER_PATH_MAX];   /* of the server, for the broker's plugin */
	char chain[FOLDER_PATH_MAX];  /* the broker's own certificate */
	struct stat chain_read;       /* as the broker has read it */
};
#define SERVICES_NONE ((struct services){ .imprintd = PROCESS_NONE, .mosquitto = PROCESS_NONE })

struct services_options {
	const char *state, *run;               /* absolute; both exist */
	const char *address;                   /* numeric, to listen on */
	uint16_t port, broker_port;            /* 0: the usual one, or the next that is free */
	const char *names[SERVICES_NAMES_MAX]; /* more addresses of this computer */
	size_t n_names;
	unsigned limit_ms; /* for each to be ready */
	int stop_fd;
};

/*
 * mosquitto: where it is; NULL: in PATH or /usr/sbin. plugin: the broker's; NULL: beside this program
 * or where it is installed. ERR_NOT_FOUND: one of them is missing, and what to do about it.
 */
enum err services_find(
    struct services *s, const char *mosquitto, const char *plugin, struct errbuf *eb) MUST_CHECK;
/* The second of them alone. */
enum err services_plugin(
    const char *plugin, char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;
enum err services_server(
    struct services *s, const struct services_options *o, struct errbuf *eb) MUST_CHECK;
/* ERR_CONFLICT: broker_port was given and is taken. */
enum err services_broker(
    struct services *s, const struct services_options *o, struct errbuf *eb) MUST_CHECK;
/* From any process: whether somebody listens on the broker's socket in this run folder. */
bool services_broker_answers(const char *run);
/* OK, or why one of them has ended. */
enum err services_alive(struct services *s, struct errbuf *eb) MUST_CHECK;
/* Has the broker read its own certificate again when imprintd has renewed it: true, when it had to. */
bool services_renewed(struct services *s);
/* The broker first: what it still hands over, the server still stores. */
void services_stop(struct services *s);

/* The line with which imprintd says that it is ready. ERR_FORMAT with the member. */
struct services_ready {
	char server[256], credentials[FOLDER_PATH_MAX], organization[40];
	unsigned port;
	long pid;
};
enum err services_ready_parse(
    struct slice line, struct services_ready *ready, struct errbuf *eb) MUST_CHECK;

#endif
