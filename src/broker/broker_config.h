/*
 * broker_config.h -- the configuration with which mosquitto becomes the boards' broker.
 *
 * Two listeners. Boards come over TLS with the certificate of their chip: its common name becomes the
 * user, and the patterns of the access list leave to a user exactly its own two topics,
 * /a/d/ID/c/up to publish and /a/d/ID/c/dw to receive. Our server comes over a Unix socket, as the
 * user "imprint" with a password, and sees the other ends of all of them.
 *
 * `authority` is the device authority in its self-signed form and nothing else: mosquitto lets in
 * whatever chains up to a certificate of that file. It is read when mosquitto starts.
 *
 * What this cannot do, since mosquitto asks nobody: compare the client id with the certificate,
 * refuse a certificate that was revoked, end a session, tell who is connected. With the plugin it can:
 * then the plugin gives the user and the topics, from the list that the feed brings (docs/feed.md).
 *
 *	struct broker_config c = { .folder = "/home/a/.local/state/imprint/broker", .port = 8885, ... };
 *	if ((e = broker_config_write(&c, eb)) != OK)
 *		return e;
 *	...                                  // mosquitto -c FOLDER/mosquitto.conf
 */
#ifndef IMPRINT_BROKER_CONFIG_H
#define IMPRINT_BROKER_CONFIG_H

#include "errbuf.h"
#include "topics.h"

#define BROKER_NAME "mosquitto" /* unless it is given another */
#define BROKER_CONFIG "mosquitto.conf"
#define BROKER_LIST "list"
#define BROKER_SOCKET "broker.sock"
#define BROKER_USER "imprint"
#define BROKER_PORT 8885

struct broker_config {         /* paths are absolute */
	const char *folder;    /* for the files; made when missing */
	const char *authority; /* PEM, one certificate */
	const char *chain;     /* PEM, the broker's own certificate and what is above it */
	const char *key;       /* PEM */
	const char *address;   /* numeric; NULL: all of this computer */
	uint16_t port;         /* of the listener with TLS */
	const char *socket;    /* of the other one, in a folder that is the broker's user's alone */
	struct slice password; /* of BROKER_USER; the file holds a salted hash of it */
	const char *plugin;    /* imprint-mosquitto.so; NULL: without it */
	const char *feed;      /* with it: the Unix socket where the server's feed is */
	const char *name;      /* with it: what the server calls this broker; NULL: BROKER_NAME */
	const struct topics
	    *topics;      /* with it: what boards have besides their own; NULL: nothing */
	const char *user; /* whom a mosquitto that root starts becomes; NULL: who runs this */
};

/*
 * Several brokers may share a folder: what is one broker's alone has its name in it. file:
 * BROKER_CONFIG, BROKER_LIST or BROKER_SOCKET; "mosquitto-south.conf" of the broker "south", and as it
 * stands of the one with the usual name. ERR_ARG: no name for a broker.
 */
#define BROKER_FILE_MAX 96
enum err broker_file(
    const char *file, const char *name, char out[BROKER_FILE_MAX], struct errbuf *eb) MUST_CHECK;

/*
 * Writes the file for mosquitto, acl (without the plugin) and internal.pw, each as a whole and for this user alone. ERR_ARG: a
 * path that mosquitto would read differently, or one that is too long for a socket. ERR_FORMAT: not
 * one certificate in `authority`. Else as file_read and file_write.
 */
enum err broker_config_write(const struct broker_config *c, struct errbuf *eb) MUST_CHECK;

#endif
