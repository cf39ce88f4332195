#include "process.h"
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILES 65536
#define LOG_MAX (1 << 20)
#define STEP_MS 20
#define REASON " reason=\""

/* --- starting --- */

static enum err log_open(struct process *p, const char *log, int *fd, struct errbuf *eb)
{
	char old[FOLDER_PATH_MAX + 2];
	struct stat st;
	enum err e;

	if ((e = folder_join("", log, p->log, eb)) != OK)
		return e;
	snprintf(old, sizeof(old), "%s.1", p->log);
	if (stat(p->log, &st) == 0 && st.st_size > LOG_MAX && rename(p->log, old) != 0)
		return file_error(eb, errno, p->log, "cannot be put aside");
	*fd = open(p->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return file_error(eb, errno, p->log, "cannot be opened");
	p->log_from = fstat(*fd, &st) == 0 ? st.st_size : 0;
	return OK;
}

/* A service has a file open for each of its clients; the usual 1024 are for programs that use select. */
static void files_raise(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES)
		return;
	files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

/* Nothing but system calls: other threads may have held any lock when we forked. */
_Noreturn static void child(const char *const *argv, pid_t parent, int log, int ready, int failed)
{
	/* POSIX's prototype is older than const; it changes nothing. */
	union {
		const char *const *ours;
		char *const *theirs;
	} words = { argv };
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sigset_t none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	files_raise();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* Who died before that is not noticed by it. */
	if (getppid() != parent)
		_exit(1);
	if (null == STDIN_FILENO)
		fcntl(null, F_SETFD, 0);
	else
		dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	if (ready >= 0)
		dup2(ready, PROCESS_READY);
	close_range((unsigned)PROCESS_READY + (ready >= 0), ~0U, CLOSE_RANGE_CLOEXEC);
	execv(argv[0], words.theirs);
	(void)!write(failed, &errno, sizeof(errno));
	_exit(127);
}

/* Two descriptors above the one that the child is promised, so that nothing is in its way. */
static enum err pipe_above(int ends[2], struct errbuf *eb)
{
	int low[2], e = 0;

	if (pipe2(low, O_CLOEXEC) != 0)
		return err_set(eb, ERR_IO, "pipe: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, PROCESS_READY + 1);
		if (ends[i] < 0)
			e = errno;
	}
	close(low[0]);
	close(low[1]);
	if (e == 0)
		return OK;
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	return err_set(eb, ERR_IO, "pipe: %s", strerror(e));
}

static enum err started(
    struct process *p, const char *const *argv, pid_t pid, int failed, struct errbuf *eb)
{
	int number = 0;
	ssize_t n;

	if (pid < 0)
		return err_set(eb, ERR_IO, "%s: fork: %s", p->name, strerror(errno));
	/* From both sides, because either may be first. */
	setpgid(pid, pid);
	do
		n = read(failed, &number, sizeof(number));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(number)) {
		p->pid = pid;
		return OK;
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return file_error(eb, number, argv[0], "cannot be run");
}

enum err process_start(struct process *p, const char *name, const char *const *argv,
    const char *log_path, bool ready, struct errbuf *eb)
{
	int log = -1, line[2] = { -1, -1 }, failed[2] = { -1, -1 };
	pid_t parent = getpid(), pid;
	enum err e;

	*p = (struct process){ .ready = -1, .name = name };
	if ((e = log_open(p, log_path, &log, eb)) != OK || (e = pipe_above(failed, eb)) != OK ||
	    (ready && (e = pipe_above(line, eb)) != OK))
		goto out;
	pid = fork();
	if (pid == 0)
		child(argv, parent, log, line[1], failed[1]);
	close(failed[1]);
	failed[1] = -1;
	if ((e = started(p, argv, pid, failed[0], eb)) == OK) {
		p->ready = line[0];
		line[0] = -1;
	}
out:
	for (int i = 0; i < 2; i++) {
		if (line[i] >= 0)
			close(line[i]);
		if (failed[i] >= 0)
			close(failed[i]);
	}
	if (log >= 0)
		close(log);
	return e;
}

/* --- watching --- */

bool process_runs(struct process *p)
{
	int status;

	if (p->pid > 0 && waitpid(p->pid, &status, WNOHANG) == p->pid) {
		p->pid = 0;
		p->status = status;
	}
	return p->pid > 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One that hangs up without a word has ended, or will; `limit` says how long that may take. */
static enum err hung_up(struct process *p, int64_t until, struct errbuf *eb)
{
	while (process_runs(p)) {
		if (now_ms() > until)
			return err_set(
			    eb, ERR_TIMEOUT, "%s: runs, but never said that it is ready", p->name);
		usleep(STEP_MS * 1000);
	}
	return process_ended(p, eb);
}

enum err process_ready(
    struct process *p, char *line, size_t cap, unsigned limit_ms, int stop_fd, struct errbuf *eb)
{
	int64_t until = now_ms() + limit_ms, left;
	size_t n = 0;

	while ((left = until - now_ms()) > 0) {
		struct pollfd fds[2] = { { .fd = p->ready, .events = POLLIN },
			{ .fd = stop_fd, .events = POLLIN } };
		ssize_t got;

		if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
			return err_set(eb, ERR_IO, "poll: %s", strerror(errno));
		if (fds[1].revents)
			return err_set(eb, ERR_CONFLICT, "interrupted");
		if (!fds[0].revents)
			continue;
		got = read(p->ready, line + n, cap - n);
		if (got <= 0)
			return hung_up(p, until, eb);
		n += (size_t)got;
		for (size_t i = n - (size_t)got; i < n; i++)
			if (line[i] == '\n') {
				line[i] = 0;
				return OK;
			}
		if (n == cap)
			return err_set(
			    eb, ERR_FORMAT, "%s: its line is longer than %zu", p->name, cap);
	}
	return err_set(eb, ERR_TIMEOUT, "%s: not ready after %u s; its log: %s", p->name,
	    limit_ms / 1000, p->log);
}

/* --- how it ended --- */

/* The last line that is not empty of what it said; "" without one. */
static void last_words(const struct process *p, char *text, size_t cap)
{
	char tail[2048 + 1];
	const char *reason;
	int fd = open(p->log, O_RDONLY | O_CLOEXEC);
	ssize_t got;
	size_t n, at;
	off_t end;

	text[0] = 0;
	if (fd < 0)
		return;
	end = lseek(fd, 0, SEEK_END);
	at = end - p->log_from > (off_t)sizeof(tail) - 1 ? sizeof(tail) - 1
	                                                 : (size_t)(end - p->log_from);
	got = end > p->log_from ? pread(fd, tail, at, end - (off_t)at) : 0;
	close(fd);
	n = got > 0 ? (size_t)got : 0;
	while (n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == '\r' || tail[n - 1] == ' '))
		n--;
	for (at = n; at > 0 && tail[at - 1] != '\n'; at--)
		;
	tail[n] = 0;
	snprintf(text, cap, "%.*s", (int)cap - 1, tail + at);
	/* Of a line of our own log the reason alone: the rest is for machines. */
	if ((reason = strstr(tail + at, REASON)))
		snprintf(text, cap, "%.*s", (int)strcspn(reason + sizeof(REASON) - 1, "\""),
		    reason + sizeof(REASON) - 1);
	/* Another program's bytes on our terminal. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static enum err meaning(int status)
{
	for (int e = OK + 1; e < ERR_COUNT; e++)
		if (WIFEXITED(status) && err_exit_code((enum err)e) == WEXITSTATUS(status))
			return (enum err)e;
	return ERR_IO;
}

enum err process_ended(const struct process *p, struct errbuf *eb)
{
	char words[180];

	last_words(p, words, sizeof(words));
	if (WIFSIGNALED(p->status))
		return err_set(eb, ERR_IO, "%s was ended by signal %d%s%s", p->name,
		    WTERMSIG(p->status), words[0] ? "; its last words: " : "", words);
	return err_set(eb, meaning(p->status), "%s ended with status %d%s%s", p->name,
	    WEXITSTATUS(p->status), words[0] ? ": " : "", words);
}

/* --- stopping --- */

void process_stop(struct process *p, unsigned patience_ms)
{
	int64_t until = now_ms() + patience_ms;

	if (p->ready >= 0)
		close(p->ready);
	p->ready = -1;
	if (!process_runs(p))
		return;
	kill(p->pid, SIGTERM);
	while (process_runs(p) && now_ms() < until)
		usleep(STEP_MS * 1000);
	if (p->pid == 0)
		return;
	kill(-p->pid, SIGKILL);
	while (waitpid(p->pid, &p->status, 0) < 0 && errno == EINTR)
		;
	p->pid = 0;
}

/* --- finding --- */

static bool is_file(const char *path, int mode)
{
	struct stat st;

	return access(path, mode) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool in_folder(const char *folder, size_t n, const char *program, char path[FOLDER_PATH_MAX])
{
	int all = snprintf(path, FOLDER_PATH_MAX, "%.*s/%s", (int)n, folder, program);

	/* An empty entry of PATH is the current folder: not asked for by anybody who means it. */
	return n > 0 && all < FOLDER_PATH_MAX && is_file(path, X_OK);
}

/* The length of the running program's folder, without the slash; 0: nobody knows. */
static size_t own_folder(char path[FOLDER_PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, FOLDER_PATH_MAX);

	while (n > 0 && path[n - 1] != '/')
		n--;
	return n > 1 ? (size_t)n - 1 : 0;
}

enum err process_find(const char *program, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char own[FOLDER_PATH_MAX];
	const char *list = getenv("PATH");
	size_t n = own_folder(own);

	if (n > 0 && in_folder(own, n, program, path))
		return OK;
	for (size_t part; list && *list; list += part + (list[part] == ':')) {
		part = strcspn(list, ":");
		if (in_folder(list, part, program, path))
			return OK;
	}
	/* Where Debian puts servers, and few users have it in PATH. */
	if (in_folder("/usr/sbin", 9, program, path) || in_folder("/sbin", 5, program, path))
		return OK;
	return err_set(eb, ERR_NOT_FOUND,
	    "%s: neither beside this program nor in PATH nor in /usr/sbin", program);
}

enum err process_module(
    const char *file, const char *folder, char path[FOLDER_PATH_MAX], struct errbuf *eb)
{
	char own[FOLDER_PATH_MAX];
	size_t n = own_folder(own);
	int all = snprintf(path, FOLDER_PATH_MAX, "%.*s/%s", (int)n, own, file);

	if (n > 0 && all < FOLDER_PATH_MAX && is_file(path, R_OK))
		return OK;
	while (n > 0 && own[n - 1] != '/')
		n--;
	all = folder[0] == '/'
	          ? snprintf(path, FOLDER_PATH_MAX, "%s/%s", folder, file)
	          : snprintf(path, FOLDER_PATH_MAX, "%.*s%s/%s", (int)n, own, folder, file);
	if (n > 0 && all < FOLDER_PATH_MAX && is_file(path, R_OK))
		return OK;
	return err_set(eb, ERR_NOT_FOUND, "%s: neither beside this program nor in %.*s%s", file,
	    folder[0] == '/' ? 0 : (int)n, own, folder);
}
