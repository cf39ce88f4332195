#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void worker_init(struct worker *w)
{
	w->stop[0] = w->stop[1] = -1;
	w->running = false;
}

enum err worker_start(struct worker *w, void *(*run)(void *arg), void *arg, struct errbuf *eb)
{
	int failed;

	if (pipe2(w->stop, O_CLOEXEC) != 0)
		return err_set(eb, ERR_IO, "pipe: %s", strerror(errno));
	if ((failed = pthread_create(&w->thread, NULL, run, arg)) != 0)
		return err_set(eb, ERR_IO, "thread: %s", strerror(failed));
	w->running = true;
	return OK;
}

void worker_stop(struct worker *w)
{
	if (w->stop[1] >= 0)
		close(w->stop[1]);
	if (w->running)
		pthread_join(w->thread, NULL);
	if (w->stop[0] >= 0)
		close(w->stop[0]);
	worker_init(w);
}
