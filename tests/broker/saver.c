/* The list is saved beside this process: as it was then, with nothing of ours kept open, and it may be ended. */
#include "saver.h"
#include "desk.h"
#include "tap.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 100000
#define AS_OF 1700000000

static char folder[] = "/tmp/imsaver-XXXXXX";
static char path[64];

static void put(struct desk *d, uint32_t n)
{
	struct roster_device row = { .enabled = true, .not_after = 1 };

	for (uint32_t i = 0; i < n; i++) {
		store_be32(row.id, i * 2654435761u);
		if (roster_put(d->roster, &row) != OK)
			exit(1);
	}
}

static enum err start(struct saver *s, const struct desk *d)
{
	struct errbuf eb;

	return saver_start(s, path, AS_OF, &d->feed, &eb);
}

/* Returns when it has begun to write, and stopped. */
static enum err start_and_stop(struct saver *s, const struct desk *d)
{
	siginfo_t seen;
	enum err e;

	setenv("IMPRINT_TEST_STOP", "inside:list", 1);
	e = start(s, d);
	unsetenv("IMPRINT_TEST_STOP");
	if (e == OK && waitid(P_PID, (id_t)s->child, &seen, WSTOPPED | WEXITED | WNOWAIT) != 0)
		exit(1);
	return e;
}

static enum err wait_for(struct saver *s, struct errbuf *eb)
{
	enum err e;

	while (!saver_ended(s, &e, eb))
		usleep(1000);
	return e;
}

static size_t saved_devices(void)
{
	struct errbuf eb = { "" };
	struct desk d;
	int64_t as_of = 0;
	size_t n;

	desk_begin(&d);
	if (saved_read(path, &d.feed, &as_of, &eb) != OK || as_of != AS_OF)
		printf("# %s, as of %lld\n", eb.text, (long long)as_of);
	n = roster_count(d.roster);
	desk_end(&d);
	return n;
}

/* How many descriptors the process has. */
static unsigned open_in(pid_t process)
{
	unsigned n = 0;
	char name[64];
	DIR *all;

	snprintf(name, sizeof(name), "/proc/%ld/fd", (long)process);
	if (!(all = opendir(name)))
		return 0;
	for (const struct dirent *one; (one = readdir(all));)
		n += one->d_name[0] != '.';
	closedir(all);
	return n;
}

static void as_it_was(struct desk *d)
{
	struct errbuf eb = { "" };
	struct saver s = { 0 };
	enum err e;

	ok(!saver_ended(&s, &e, &eb) && !saver_stop(&s), "nobody writes");
	e = start(&s, d);
	ok(e == OK && start(&s, d) == ERR_CONFLICT, "one writes, and no other");
	put(d, 10);
	roster_mark(d->roster);
	ok(wait_for(&s, &eb) == OK && !saver_ended(&s, &e, &eb), "and has ended, once (%s)",
	    eb.text);
	ok(saved_devices() == 0, "what came meanwhile is not in it");
	ok(start(&s, d) == OK && wait_for(&s, &eb) == OK && saved_devices() == 10,
	    "it is in the next one");
}

/* Stopped in its middle: our descriptors are not its own, and the old list is there. */
static void in_the_middle(struct desk *d)
{
	struct errbuf eb = { "" };
	struct saver s = { 0 };
	unsigned before = open_in(getpid()), ours, its;
	int mine[2], more[20];
	struct pollfd at;
	char byte;

	put(d, MANY);
	for (size_t i = 0; i < COUNT(more); i++)
		more[i] = dup(1);
	if (pipe(mine) != 0 || start_and_stop(&s, d) != OK)
		exit(1);
	ours = open_in(getpid());
	its = open_in(s.child);
	close(mine[1]);
	for (size_t i = 0; i < COUNT(more); i++)
		close(more[i]);
	at = (struct pollfd){ .fd = mine[0], .events = POLLIN };
	ok(poll(&at, 1, -1) == 1 && read(mine[0], &byte, 1) == 0 && its > 0 && its < COUNT(more),
	    "%u of our %u descriptors: what is closed here is closed", its, ours);
	close(mine[0]);
	ok(saved_devices() == 10, "the old list is there until the new one is whole");
	kill(s.child, SIGCONT);
	ok(wait_for(&s, &eb) == OK && saved_devices() == MANY, "then it is (%s)", eb.text);
	ok(open_in(getpid()) == before, "and nothing is left open");
}

static void ended(struct desk *d)
{
	struct errbuf eb = { "" };
	struct saver s = { 0 };
	enum err e;

	put(d, MANY + 1);
	if (start_and_stop(&s, d) != OK)
		exit(1);
	kill(s.child, SIGKILL);
	ok(wait_for(&s, &eb) == ERR_IO && eb.text[0], "killed: %s", eb.text);
	ok(start_and_stop(&s, d) == OK && saver_stop(&s) && !saver_stop(&s) &&
	        !saver_ended(&s, &e, &eb),
	    "or stopped by us");
	ok(waitpid(-1, NULL, WNOHANG) == -1, "no process is left");
	ok(saved_devices() == MANY, "the old list stays");
	signal(SIGCHLD, SIG_IGN);
	ok(start(&s, d) == OK && wait_for(&s, &eb) == OK && saved_devices() == MANY + 1,
	    "also where nobody waits for children (%s)", eb.text);
	signal(SIGCHLD, SIG_DFL);
}

static void nowhere(const struct desk *d)
{
	struct errbuf eb = { "" };
	struct saver s = { 0 };

	ok(saver_start(&s, "/proc/no/such/list", AS_OF, &d->feed, &eb) == OK &&
	        wait_for(&s, &eb) == ERR_NOT_FOUND && strstr(eb.text, "/proc/no/such"),
	    "where it cannot be written: %s", eb.text);
}

int main(void)
{
	struct desk d;

	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/list", folder);
	desk_begin(&d);
	d.feed.epoch = 77;
	d.feed.seq = 5;
	as_it_was(&d);
	in_the_middle(&d);
	ended(&d);
	nowhere(&d);
	desk_end(&d);
	unlink(path);
	snprintf(path, sizeof(path), "%s/list.new", folder);
	unlink(path); /* of the one that was killed */
	ok(rmdir(folder) == 0, "nothing else is left");
	return done_testing();
}
