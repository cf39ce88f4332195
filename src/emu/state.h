/*
 * state.h -- the state file: one chip's EEPROM on disk.
 *
 * A fixed number of bytes: a name, a version, the memory, a SHA-256 over all of it. Reading takes
 * exactly what writing makes; another length, version, checksum, or a memory that no chip can have,
 * is refused with its reason. Registers are not in it: they do not survive power-off.
 */
#ifndef IMPRINT_EMU_STATE_H
#define IMPRINT_EMU_STATE_H

#include "memory.h"

#define STATE_VERSION 1
#define STATE_SIZE (16 + 4 + 4 + CONFIG_SIZE + OTP_SIZE + DATA_SIZE + 4 * (2 + SLOTS) + 32)

void state_encode(const struct memory *m, uint8_t out[STATE_SIZE]);
/* ERR_FORMAT with the reason; m is then untouched. */
enum err state_parse(struct slice in, struct memory *m, struct errbuf *eb) MUST_CHECK;

/* ERR_NOT_FOUND, ERR_FORMAT, ERR_IO ... */
enum err state_load(const char *path, struct memory *m, struct errbuf *eb) MUST_CHECK;
/* Atomic and synced when it returns OK; otherwise the file holds the old state or the new one. */
enum err state_save(const char *path, const struct memory *m, struct errbuf *eb) MUST_CHECK;

#endif
