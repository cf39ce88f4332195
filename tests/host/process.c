/* Programs that we start: that they become ready, what they leave behind, that none outlives us. */
#include "tap.h"
#include "process.h"
#include "file.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 30000

static char top[] = "/tmp/improcess-XXXXXX", log_path[80];

static enum err start(struct process *p, const char *script, bool ready)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct errbuf eb = { "" };
	enum err e = process_start(p, "script", argv, log_path, ready, &eb);

	ok(e == OK, "starts: %s (%s)", script, eb.text);
	return e;
}

static void open_files(void)
{
	struct rlimit before, few;
	struct process p;
	struct errbuf eb = { "" };
	char line[64] = "";
	rlim_t wanted;

	if (!ok(getrlimit(RLIMIT_NOFILE, &before) == 0, "limits"))
		return;
	few = before;
	few.rlim_cur = 256;
	wanted = before.rlim_max < 65536 ? before.rlim_max : 65536;
	ok(setrlimit(RLIMIT_NOFILE, &few) == 0, "few open files");
	if (start(&p, "ulimit -n >&3; exec sleep 60", true) == OK)
		ok(process_ready(&p, line, sizeof(line), PATIENCE, -1, &eb) == OK &&
		        strtoull(line, NULL, 10) == wanted,
		    "a program may have more of them: %s (%s)", line, eb.text);
	process_stop(&p, PATIENCE);
	ok(setrlimit(RLIMIT_NOFILE, &before) == 0, "as before");
}

static void readiness(void)
{
	struct process p;
	struct errbuf eb = { "" };
	char line[64] = "", small[4];
	int stop[2];

	if (start(&p, "echo up >&3; exec 3>&-; exec sleep 60", true) == OK)
		ok(process_ready(&p, line, sizeof(line), PATIENCE, -1, &eb) == OK &&
		        strcmp(line, "up") == 0 && process_runs(&p),
		    "says that it is ready, and runs (%s)", eb.text);
	process_stop(&p, PATIENCE);
	ok(!process_runs(&p), "stopped");
	process_stop(&p, PATIENCE);

	if (start(&p, "echo why it fails >&2; exit 6", true) == OK)
		ok(process_ready(&p, line, sizeof(line), PATIENCE, -1, &eb) == ERR_CONFLICT &&
		        strstr(eb.text, "status 6: why it fails"),
		    "its exit code and last words are told (%s)", eb.text);
	process_stop(&p, PATIENCE);

	if (start(&p, "exec sleep 60", true) == OK)
		ok(process_ready(&p, line, sizeof(line), 100, -1, &eb) == ERR_TIMEOUT,
		    "silence is not waited for longer than said (%s)", eb.text);
	process_stop(&p, PATIENCE);

	if (start(&p, "exec 3>&-; exec sleep 60", true) == OK)
		ok(process_ready(&p, line, sizeof(line), 200, -1, &eb) == ERR_TIMEOUT,
		    "hung up without a word, and runs on (%s)", eb.text);
	process_stop(&p, PATIENCE);

	if (start(&p, "echo too long >&3; exec sleep 60", true) == OK)
		ok(process_ready(&p, small, sizeof(small), PATIENCE, -1, &eb) == ERR_FORMAT,
		    "a line that does not fit (%s)", eb.text);
	process_stop(&p, PATIENCE);

	if (pipe(stop) != 0 || write(stop[1], "", 1) != 1)
		ok(false, "a pipe");
	if (start(&p, "exec sleep 60", true) == OK)
		ok(process_ready(&p, line, sizeof(line), PATIENCE, stop[0], &eb) == ERR_CONFLICT,
		    "an interruption ends the waiting (%s)", eb.text);
	process_stop(&p, PATIENCE);
	close(stop[0]);
	close(stop[1]);
}

static void ends(void)
{
	static const struct {
		const char *script;
		enum err want;
		const char *text;
	} cases[] = {
		{ "exit 0", ERR_IO, "status 0" },
		{ "echo one; echo two; echo; exit 4", ERR_DENIED, "status 4: two" },
		{ "exit 77", ERR_IO, "status 77" },
		{ "echo 'error failed exit=6 reason=\"port 1 is taken\" x=1'; exit 6", ERR_CONFLICT,
		    "status 6: port 1 is taken" },
		{ "echo last; kill -9 $$", ERR_IO, "signal 9; its last words: last" },
		{ "printf 'a\\033[2Jb\\n'; exit 5", ERR_FORMAT, "status 5: a?[2Jb" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct process p;
		struct errbuf eb = { "" };

		if (start(&p, cases[i].script, false) != OK)
			continue;
		for (int t = 0; t < PATIENCE / 10 && process_runs(&p); t++)
			usleep(10000);
		ok(process_ended(&p, &eb) == cases[i].want && strstr(eb.text, cases[i].text),
		    "%s: %s", cases[i].script, eb.text);
		process_stop(&p, PATIENCE);
	}
}

static void no_program(void)
{
	const char *const missing[] = { "/nowhere/program", NULL },
	                  *const folder[] = { "/tmp", NULL },
	                  *const sleeps[] = { "/bin/sleep", "60", NULL };
	struct process p;
	struct errbuf eb;

	ok(process_start(&p, "x", missing, log_path, true, &eb) == ERR_NOT_FOUND &&
	        !process_runs(&p),
	    "no such program (%s)", eb.text);
	ok(process_start(&p, "x", folder, log_path, false, &eb) == ERR_DENIED && !process_runs(&p),
	    "a folder (%s)", eb.text);
	ok(process_start(&p, "x", sleeps, "/nowhere/log", false, &eb) == ERR_NOT_FOUND &&
	        !process_runs(&p),
	    "no place for its log (%s)", eb.text);
}

/* A named pipe, whose writers are a program and its children: when the last has gone it hangs up. */
static int held_open(char path[90])
{
	snprintf(path, 90, "%s/held", top);
	(void)!unlink(path);
	return mkfifo(path, 0600) == 0 ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
}

/* The program has opened it and said one character. */
static bool held(int end)
{
	struct pollfd p = { .fd = end, .events = POLLIN };
	char c[8];

	return poll(&p, 1, PATIENCE) == 1 && read(end, c, sizeof(c)) > 0;
}

static bool all_gone(int end)
{
	struct pollfd p = { .fd = end };

	return poll(&p, 1, PATIENCE) == 1 && (p.revents & POLLHUP);
}

static void stubborn(void)
{
	struct process p;
	char path[90], script[200];
	int end = held_open(path);

	/* It and its own child ignore being asked. */
	snprintf(
	    script, sizeof(script), "trap '' TERM; exec 4>%s; echo >&4; sleep 60; sleep 60", path);
	if (start(&p, script, false) == OK) {
		ok(held(end), "it ignores SIGTERM");
		process_stop(&p, 100);
		ok(!process_runs(&p) && WIFSIGNALED(p.status) && WTERMSIG(p.status) == SIGKILL,
		    "and is made to end");
	}
	ok(all_gone(end), "with its own children");
	close(end);
}

/* kill -9 of who started it. */
static void orphan(void)
{
	char path[90], script[200];
	int end = held_open(path);
	pid_t pid;

	snprintf(script, sizeof(script), "exec 4>%s; echo >&4; exec sleep 60", path);
	pid = fork();
	if (pid == 0) {
		const char *const argv[] = { "/bin/sh", "-c", script, NULL };
		struct process p;

		if (process_start(&p, "sleep", argv, log_path, false, NULL) != OK)
			_exit(1);
		while (true)
			pause();
	}
	ok(pid > 0 && held(end), "a parent with a child");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ok(all_gone(end), "the child ends with its parent");
	close(end);
}

/* No descriptor of ours is theirs but the promised one. */
static void descriptors(void)
{
	struct process p;
	char line[64] = "";
	int own = fcntl(STDIN_FILENO, F_DUPFD, 50); /* as a careless library has them */

	if (start(&p, "cd /proc/$$/fd; echo * >&3; exec sleep 60", true) == OK)
		ok(process_ready(&p, line, sizeof(line), PATIENCE, -1, NULL) == OK &&
		        strncmp(line, "0 1 2 3", 7) == 0 && !strstr(line, " 50"),
		    "it has the usual descriptors and the promised one: %s", line);
	process_stop(&p, PATIENCE);
	close(own);
}

static void log_size(void)
{
	char old[90];
	struct process p;
	struct stat st = { 0 };

	snprintf(old, sizeof(old), "%s.1", log_path);
	ok(stat(log_path, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_size > 0,
	    "the log is there, for this user alone");
	ok(truncate(log_path, (1 << 20) + 1) == 0 && start(&p, "echo anew", false) == OK,
	    "a log beyond its size");
	while (process_runs(&p))
		usleep(10000);
	ok(stat(log_path, &st) == 0 && st.st_size == 5 && stat(old, &st) == 0 &&
	        st.st_size == (1 << 20) + 1,
	    "is put aside");
}

static void found(void)
{
	char path[FOLDER_PATH_MAX], program[80];
	struct errbuf eb;

	ok(process_find("test_host_process", path, &eb) == OK, "the neighbour of this program: %s",
	    path);
	setenv("PATH", "", 1);
	ok(process_find("sh", path, &eb) == ERR_NOT_FOUND, "an empty PATH finds nothing (%s)",
	    eb.text);
	snprintf(program, sizeof(program), "%s/imprint-there", top);
	ok(file_write(program, TEXT("#!/bin/sh\n"), 0600, &eb) == OK, "a file");
	snprintf(path, sizeof(path), "/nowhere::%s", top);
	setenv("PATH", path, 1);
	ok(process_find("imprint-there", path, &eb) == ERR_NOT_FOUND, "it is no program");
	ok(chmod(program, 0700) == 0 && process_find("imprint-there", path, &eb) == OK &&
	        strcmp(path, program) == 0,
	    "now it is: %s", path);
	ok(process_find("mosquitto", path, &eb) == OK && strcmp(path, "/usr/sbin/mosquitto") == 0,
	    "where Debian puts servers");
}

/* Modules of this program: beside it as in a build, else in a folder counted from above its own. */
static void modules(void)
{
	char path[FOLDER_PATH_MAX];
	struct errbuf eb;

	ok(process_module("test_host_process", "nowhere", path, &eb) == OK,
	    "the neighbour of this program: %s", path);
	ok(process_module("imprint-there", top, path, &eb) == OK &&
	        strncmp(path, top, strlen(top)) == 0,
	    "an absolute folder: %s", path);
	ok(process_module("imprint-here", top, path, &eb) == ERR_NOT_FOUND &&
	        strstr(eb.text, "imprint-here: neither beside this program nor in "),
	    "is not there (%s)", eb.text);
	/* Tests are in a folder of the build folder, which is where ninja's file is. */
	ok(process_module("build.ninja", ".", path, &eb) == OK &&
	        strcmp(strrchr(path, '/'), "/build.ninja") == 0,
	    "a folder counted from above this program's: %s", path);
	ok(process_module("tests", ".", path, &eb) == ERR_NOT_FOUND, "a folder is no file (%s)",
	    eb.text);
}

int main(void)
{
	char remove[80];

	if (!mkdtemp(top))
		return 1;
	snprintf(log_path, sizeof(log_path), "%s/log", top);
	snprintf(remove, sizeof(remove), "rm -r %s", top);
	readiness();
	open_files();
	ends();
	no_program();
	descriptors();
	stubborn();
	orphan();
	log_size();
	ok(system(remove) == 0 && mkdir(top, 0700) == 0, "clean");
	found();
	modules();
	setenv("PATH", "/usr/bin:/bin", 1);
	ok(system(remove) == 0, "clean");
	return done_testing();
}
