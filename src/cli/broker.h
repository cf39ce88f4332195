/*
 * broker.h -- the broker's configuration out of what lies in the state folder: for `up`, and for who
 * starts mosquitto by other means.
 */
#ifndef IMPRINT_CLI_BROKER_H
#define IMPRINT_CLI_BROKER_H

#include "broker_config.h"
#include "cli.h"
#include "folder.h"

/*
 * Writes it from the authority, the broker's own certificate and the password that imprintd keeps in
 * `state`. wanted: address, port, socket, plugin, feed and name; the rest of it is not looked at. conf: the
 * file for mosquitto. ERR_NOT_FOUND: imprintd has not been started with this state folder yet.
 */
enum err broker_configure(const char *state, const struct broker_config *wanted,
    char conf[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;

/* RUN/feed.sock: the server's listener for the plugin. RUN/BROKER_SOCKET: the broker's for the server. */
#define BROKER_FEED "feed.sock"

/* The broker's plugin, beside this program or installed. ERR_NOT_FOUND, and what to do about it. */
#define BROKER_PLUGIN "imprint-mosquitto.so"
enum err broker_plugin(char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;

/* Of commands that start a broker themselves. */
// clang-format off
#define BROKER_OPTIONS                                                                              \
	{ .name = "mosquitto",                                                                      \
	    .kind = CLI_FILE,                                                                       \
	    .value = "PROGRAM",                                                                     \
	    .help = "the broker's program; found in PATH or /usr/sbin unless given" },              \
	{ .name = "plugin",                                                                         \
	    .kind = CLI_FILE,                                                                       \
	    .value = "FILE",                                                                        \
	    .help = "imprint-mosquitto.so; the one beside this program or the installed one unless given" }
// clang-format on

#endif
