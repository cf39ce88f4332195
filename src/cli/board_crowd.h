/*
 * board_crowd.h -- `imprint board --count N NAME`: many boards in one process, for load.
 *
 * Each gets an identity from the server, like a single one: a device, a key made in its chip, a certificate. A few
 * threads do that; one thread runs all the boards (src/board/crowd.h). At the end the devices are removed again,
 * unless they are to be kept.
 */
#ifndef IMPRINT_BOARD_CROWD_H
#define IMPRINT_BOARD_CROWD_H

#include "cli.h"

// clang-format off
#define CROWD_OPTIONS                                                                               \
	{ .name = "count",                                                                          \
	    .kind = CLI_NUMBER,                                                                     \
	    .value = "N",                                                                           \
	    .min = 1,                                                                               \
	    .max = 20000,                                                                           \
	    .flag_only = true,                                                                      \
	    .help = "so many boards with chips in memory, NAME-1, NAME-2, ...: for load" },         \
	{ .name = "rate",                                                                           \
	    .kind = CLI_NUMBER,                                                                     \
	    .value = "N",                                                                           \
	    .min = 1,                                                                               \
	    .max = 100000,                                                                          \
	    .flag_only = true,                                                                      \
	    .help = "with --count: switch on so many a second; as they get their identities" },     \
	{ .name = "every",                                                                          \
	    .kind = CLI_NUMBER,                                                                     \
	    .value = "SECONDS",                                                                     \
	    .min = 1,                                                                               \
	    .max = 3600,                                                                            \
	    .fallback = "5",                                                                        \
	    .flag_only = true,                                                                      \
	    .help = "with --count: a line of totals so often; on a terminal it is always there" },  \
	{ .name = "keep",                                                                           \
	    .kind = CLI_SWITCH,                                                                     \
	    .flag_only = true,                                                                      \
	    .help = "with --count: leave the devices at the server at the end" },                   \
	{ .name = "again",                                                                          \
	    .kind = CLI_SWITCH,                                                                     \
	    .flag_only = true,                                                                      \
	    .help = "with --count: devices of these names at the server are these boards" }
// clang-format on

/* cli->args[0] is a good name for a board. */
enum err crowd_serve(struct cli *cli, struct errbuf *eb) MUST_CHECK;

#endif
