/*
 * worker.h -- the one thread of a server, and the pipe whose closing ends it.
 *
 * The thread polls stop[0] beside its sockets and returns when that becomes readable. Stopping waits
 * for it. A worker that was never started may be stopped.
 *
 *	worker_init(&w);
 *	if ((e = worker_start(&w, run, server, eb)) != OK)
 *		return e;
 *	worker_stop(&w);
 */
#ifndef IMPRINT_EMU_WORKER_H
#define IMPRINT_EMU_WORKER_H

#include "errbuf.h"

#include <pthread.h>

struct worker {
	int stop[2]; /* -1: not started */
	pthread_t thread;
	bool running;
};

void worker_init(struct worker *w);
/* ERR_IO: no pipe or no thread to be had. */
enum err worker_start(
    struct worker *w, void *(*run)(void *arg), void *arg, struct errbuf *eb) MUST_CHECK;
void worker_stop(struct worker *w);

#endif
