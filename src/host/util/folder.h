/*
 * folder.h -- folders: where state and sockets live, made private, flushed to the disk.
 *
 * State is kept, the run folder (sockets and serial links) may vanish at reboot. Look-ups only
 * build a path; folder_make makes it.
 *
 *	char state[FOLDER_PATH_MAX];
 *	if ((e = folder_state(flag_or_null, state, eb)) != OK ||
 *	    (e = folder_make(state, 0700, eb)) != OK)
 *		return e;
 */
#ifndef IMPRINT_FOLDER_H
#define IMPRINT_FOLDER_H

#include "errbuf.h"

#include <sys/types.h>

#define FOLDER_PATH_MAX 1024

/*
 * --state DIR, else $IMPRINT_STATE, else root's /var/lib/imprint, else $XDG_STATE_HOME/imprint, else
 * ~/.local/state/imprint. A relative XDG path is ignored, as its specification asks.
 */
enum err folder_state(const char *flag, char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;

/*
 * $XDG_RUNTIME_DIR/imprint, else root's /run/imprint, else /tmp/imprint-UID: short, since a socket's
 * path ends at 107 bytes. /tmp is everybody's: ask folder_private before anything is put there.
 */
enum err folder_run(char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;

/* $XDG_CONFIG_HOME/imprint, else ~/.config/imprint. */
enum err folder_config(char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;

/* Joins with a slash. ERR_ARG when it does not fit. */
enum err folder_join(
    const char *folder, const char *name, char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;

/*
 * Makes the folder (mode exactly `mode`) and its missing parents (0755 less the umask). One that
 * exists stays as it is: ask folder_private where it matters. ERR_CONFLICT: it is a file.
 */
enum err folder_make(const char *path, mode_t mode, struct errbuf *eb) MUST_CHECK;

/* ERR_DENIED when it is a link, or group or others can enter it, or another user owns it. */
enum err folder_private(const char *path, struct errbuf *eb) MUST_CHECK;

/* Removes it with all that is in it, or the file. A link goes, what it leads to stays; so do other file systems. */
enum err folder_remove(const char *path, struct errbuf *eb) MUST_CHECK;

/* Flushes the names in a folder, or in the folder that holds `path`, to the disk. */
enum err folder_sync(const char *path, struct errbuf *eb) MUST_CHECK;
enum err folder_sync_parent(const char *path, struct errbuf *eb) MUST_CHECK;

#endif
