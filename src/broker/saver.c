#include "saver.h"
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Its exit status says nothing when SIGCHLD is ignored: it says an enum err, and a text. */
static void say(int to, enum err e, const struct errbuf *eb)
{
	uint8_t said[1 + sizeof(eb->text)] = { (uint8_t)e };
	size_t n = strlen(eb->text);

	memcpy(said + 1, eb->text, n);
	if (write(to, said, 1 + n) < 0)
		_exit(1);
}

/* A connection that the broker closes stays open while anybody has it. */
static bool close_all_but(int fd)
{
	return (fd <= 3 || close_range(3, (unsigned)fd - 1, 0) == 0) &&
	       close_range((unsigned)fd + 1, ~0u, 0) == 0;
}

static enum err write_now(
    const char *path, int64_t as_of, const struct feed *feed, struct errbuf *eb)
{
	test_hook("inside", "list");
	return saved_write(path, as_of, feed, eb);
}

_Noreturn static void write_list(
    pid_t parent, int to, const char *path, int64_t as_of, const struct feed *feed)
{
	struct errbuf eb = { "" };
	enum err e;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
	if (!close_all_but(to))
		e = err_set(&eb, ERR_IO, "close_range: %s", strerror(errno));
	else
		e = write_now(path, as_of, feed, &eb);
	say(to, e, &eb);
	_exit(0); /* nothing of the broker's is flushed twice */
}

enum err saver_start(
    struct saver *s, const char *path, int64_t as_of, const struct feed *feed, struct errbuf *eb)
{
	pid_t self = getpid(), child;
	int said[2];

	if (s->child)
		return err_set(eb, ERR_CONFLICT, "%s: is being written", path);
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) != 0)
		return err_set(eb, ERR_IO, "%s: a pipe: %s", path, strerror(errno));
	if ((child = fork()) == 0)
		write_list(self, said[1], path, as_of, feed);
	close(said[1]);
	if (child < 0) {
		close(said[0]);
		return err_set(
		    eb, ERR_MEMORY, "%s: no process to write it: %s", path, strerror(errno));
	}
	*s = (struct saver){ child, said[0] };
	return OK;
}

static enum err heard(const struct saver *s, struct errbuf *eb)
{
	uint8_t said[1 + sizeof(eb->text)];
	ssize_t n = read(s->said, said, sizeof(said) - 1);

	if (n < 1)
		return err_set(eb, ERR_IO, "the process that writes it was ended");
	if (said[0] == OK)
		return OK;
	said[n] = '\0';
	return err_set(eb, (enum err)said[0], "%s", (const char *)said + 1);
}

bool saver_ended(struct saver *s, enum err *result, struct errbuf *eb)
{
	/* ECHILD: it is gone, and whoever ignores SIGCHLD has not waited for it. */
	if (!s->child || waitpid(s->child, NULL, WNOHANG) == 0)
		return false;
	*result = heard(s, eb);
	close(s->said);
	*s = (struct saver){ 0 };
	return true;
}

bool saver_stop(struct saver *s)
{
	if (!s->child)
		return false;
	kill(s->child, SIGKILL);
	while (waitpid(s->child, NULL, 0) < 0 && errno == EINTR)
		;
	close(s->said);
	*s = (struct saver){ 0 };
	return true;
}
