/*
 * process.h -- a program that we start, watch, and stop in order.
 *
 * It gets a process group of its own, so that Ctrl-C reaches us alone; /dev/null to read from; a file
 * for what it prints; as many open files as the system allows, up to 65536. The kernel sends it SIGTERM when the thread that started it ends, however it
 * ends: start it from the one that lives longest. It is asked to stop before it is made to, and
 * nobody is left behind as a zombie.
 *
 * A program that says when it is ready gets descriptor PROCESS_READY to say it on, in one line.
 *
 *	struct process server = PROCESS_NONE;
 *	if ((e = process_start(&server, "imprintd", argv, log, true, eb)) != OK ||
 *	    (e = process_ready(&server, line, sizeof(line), 10000, stop_fd, eb)) != OK)
 *		goto out;
 *	...
 *	if (!process_runs(&server))
 *		e = process_ended(&server, eb);        // "imprintd ended with status 6: port 8443 is taken"
 * out:
 *	process_stop(&server, 10000);
 */
#ifndef IMPRINT_PROCESS_H
#define IMPRINT_PROCESS_H

#include "folder.h"

#include <sys/types.h>

#define PROCESS_READY 3

struct process {
	pid_t pid;        /* 0: it does not run */
	int ready;        /* our end of its descriptor PROCESS_READY; -1: none */
	int status;       /* when it has ended by itself: as waitpid gives it */
	const char *name; /* borrowed */
	char log[FOLDER_PATH_MAX];
	off_t log_from; /* where what it says begins */
};
#define PROCESS_NONE ((struct process){ .ready = -1 })

/*
 * argv[0] is the program's file. What it prints is added to the file `log`; one beyond a megabyte
 * begins anew and is kept once, as LOG.1. ERR_NOT_FOUND, ERR_DENIED: the program cannot be run.
 */
enum err process_start(struct process *p, const char *name, const char *const *argv,
    const char *log, bool ready, struct errbuf *eb) MUST_CHECK;
/*
 * Waits for its line, which is kept without the line end. ERR_TIMEOUT; ERR_CONFLICT when stop_fd
 * (-1: none) became readable; when it ends first, what process_ended says.
 */
enum err process_ready(struct process *p, char *line, size_t cap, unsigned limit_ms, int stop_fd,
    struct errbuf *eb) MUST_CHECK;
/* Looks, never waits. */
bool process_runs(struct process *p);
/*
 * Why it ended, with its last words. The code is the one whose exit code it is (errbuf.h); ERR_IO for
 * a program that ended well or by a signal.
 */
enum err process_ended(const struct process *p, struct errbuf *eb) MUST_CHECK;
/* SIGTERM, and SIGKILL when it has not ended after so long. What does not run is fine. */
void process_stop(struct process *p, unsigned patience_ms);

/* Finds a program: beside the running one, in PATH, in /usr/sbin and /sbin. ERR_NOT_FOUND. */
enum err process_find(
    const char *program, char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;
/*
 * Finds a file that other programs load: beside the running program, as a build leaves it, or in
 * `folder`, as an installation does; counted from the folder above the program's unless it begins
 * with a slash. ERR_NOT_FOUND.
 */
enum err process_module(
    const char *file, const char *folder, char path[FOLDER_PATH_MAX], struct errbuf *eb) MUST_CHECK;

#endif
