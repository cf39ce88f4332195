/*
 * file.h -- small files that survive a crash: read whole, replaced whole, one writer.
 *
 * A write is a temporary file in the same folder, fsync, rename, fsync of the folder: a reader,
 *also after power loss, finds the old bytes or the new ones. Reading has a hard maximum. A lock
 *belongs to this process; the kernel gives it back when the process ends, however it ends.
 *
 *	struct file_lock lock = FILE_UNLOCKED;
 *	if ((e = file_lock(&lock, "runs/a.lock", eb)) != OK)       // ERR_CONFLICT: eb names the
 *holder return e; e = file_write("runs/a.json", text, 0600, eb); file_unlock(&lock);
 */
#ifndef IMPRINT_FILE_H
#define IMPRINT_FILE_H

#include "errbuf.h"

#include <sys/types.h>

/*
 * Reads a regular file of at most max bytes; *bytes is the caller's to free, with a NUL behind the
 * last byte. ERR_NOT_FOUND, ERR_DENIED, ERR_SPACE (too large), ERR_IO, ERR_MEMORY.
 */
enum err file_read(
    const char *path, size_t max, uint8_t **bytes, size_t *n, struct errbuf *eb) MUST_CHECK;

/* Replaces or makes a file in one step. On failure the old file is untouched and nothing is left.
 */
enum err file_write(
    const char *path, struct slice bytes, mode_t mode, struct errbuf *eb) MUST_CHECK;

/* Makes a folder and those above it; one that exists is fine. */
enum err folder_make(const char *path, mode_t mode, struct errbuf *eb) MUST_CHECK;

/*
 * One holder at a time, also within one process. The lock file stays where it is; the number in it
 * only serves the message.
 */
struct file_lock {
	int fd;
};
#define FILE_UNLOCKED ((struct file_lock){ -1 })
/* ERR_CONFLICT with "held by process 1234 (imprint)" when another process has it. */
enum err file_lock(struct file_lock *lock, const char *path, struct errbuf *eb) MUST_CHECK;
/* Unlocked already is fine. */
void file_unlock(struct file_lock *lock);

#endif
