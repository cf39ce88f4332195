/*
 * chip_options.h -- what `imprint board` and `imprint element emulate` let be said about an emulated chip.
 *
 *	static const struct cli_option options[] = { CHIP_OPTIONS, { 0 } };
 *	if ((e = chip_options_take(cli, &o, &plan, eb)) == OK)
 *		e = emu_open(path, &o, &emu, eb);          // borrows the plan
 *	free(plan);
 */
#ifndef IMPRINT_CHIP_OPTIONS_H
#define IMPRINT_CHIP_OPTIONS_H

#include "cli.h"
#include "emu.h"

// clang-format off
#define CHIP_OPTIONS                                                                                \
	{ .name = "family",                                                                         \
	    .kind = CLI_CHOICE,                                                                     \
	    .value = "508a|608a|608b",                                                              \
	    .fallback = "608b",                                                                     \
	    .help = "chip, when it is made now" },                                                  \
	{ .name = "timing",                                                                         \
	    .kind = CLI_CHOICE,                                                                     \
	    .value = "instant|typical|max",                                                         \
	    .fallback = "typical",                                                                  \
	    .help = "how long commands take; instant: time stands still but for the bus's clients" }, \
	{ .name = "genuine-looking",                                                                \
	    .kind = CLI_SWITCH,                                                                     \
	    .flag_only = true,                                                                      \
	    .help = "the serial number looks like Microchip's" },                                   \
	{ .name = "faults",                                                                         \
	    .kind = CLI_FILE,                                                                       \
	    .value = "FILE",                                                                        \
	    .flag_only = true,                                                                      \
	    .help = "plan of what shall go wrong with each chip (docs/emulator.md)" }
// clang-format on

/* *plan is the caller's to free, also after a failure; NULL without a plan. */
enum err chip_options_take(
    const struct cli *cli, struct emu_options *o, uint8_t **plan, struct errbuf *eb) MUST_CHECK;

#endif
