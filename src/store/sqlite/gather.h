/*
 * gather.h -- private to this folder: a VFS for SQLite that writes its log in few pieces.
 *
 * SQLite writes a page of the log in two calls, 24 bytes and 4096. What is written behind each other here goes out
 * together, at the latest when the log is flushed, cut, measured, read or closed; a write that fails is
 * reported then. With synchronous=FULL a transaction is flushed before anybody else is told of its pages, so
 * nobody looks for them too early. For the connection that writes; all other files are those of the VFS
 * that is the default when this one is made.
 */
#ifndef IMPRINT_STORE_GATHER_H
#define IMPRINT_STORE_GATHER_H

#include "base.h"

struct gather;

/* NULL: no memory. */
struct gather *gather_new(void);
/* When no file of it is open. NULL is fine. */
void gather_free(struct gather *g);
/* For sqlite3_open_v2. */
const char *gather_name(const struct gather *g);

#endif
