/*
 * file.h -- small files that survive a crash: read whole, replaced whole, one writer.
 *
 * A write goes through PATH.new in the same folder, fsync, rename, fsync of the folder: a reader,
 * also after power loss, finds the old bytes or the new ones. PATH.new is locked while it is
 * written: a second writer gets ERR_CONFLICT, and what a killed writer left is removed by the next
 * one. Reading has a hard maximum. A lock belongs to this process; the kernel gives it back when the
 * process ends, however it ends.
 *
 *	uint8_t *p = NULL;
 *	size_t n;
 *	if ((e = file_read("runs/a.json", 65536, &p, &n, eb)) == OK)
 *		e = file_write("runs/b.json", (struct slice){ p, n }, 0600, eb);
 *	free(p);
 */
#ifndef IMPRINT_FILE_H
#define IMPRINT_FILE_H

#include "errbuf.h"

#include <sys/types.h>

/*
 * Reads a regular file of at most max bytes; *bytes is the caller's to free, with a NUL behind the
 * last byte. ERR_NOT_FOUND, ERR_DENIED, ERR_FORMAT (not a regular file), ERR_SPACE (too large),
 * ERR_IO, ERR_MEMORY.
 */
enum err file_read(
    const char *path, size_t max, uint8_t **bytes, size_t *n, struct errbuf *eb) MUST_CHECK;
/*
 * The same for secrets: ERR_DENIED when group or others can touch the file, or when neither this
 * user nor root owns it. The caller wipes the bytes before it frees them.
 */
enum err file_read_private(
    const char *path, size_t max, uint8_t **bytes, size_t *n, struct errbuf *eb) MUST_CHECK;

/*
 * Replaces or makes a file in one step; its mode is exactly `mode`, whatever the umask. On failure
 * the old file is untouched and nothing is left; only when the last flush of the folder fails
 * (ERR_IO) the new one is in place already.
 */
enum err file_write(
    const char *path, struct slice bytes, mode_t mode, struct errbuf *eb) MUST_CHECK;
/* The same, but never replaces: ERR_CONFLICT when PATH exists. */
enum err file_create(
    const char *path, struct slice bytes, mode_t mode, struct errbuf *eb) MUST_CHECK;

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

/* The enum err that an errno means, with "PATH: what: reason" as text. */
enum err file_error(struct errbuf *eb, int number, const char *path, const char *what);

#endif
