/* Whole files: what is read, what is refused, and what a failure or a crash at any call leaves. */
#include "tap.h"
#include "faults.h"
#include "file.h"
#include "folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[] = "/tmp/imprint-file-XXXXXX";

static const char *in_top(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", top, name);
	return p;
}

static struct slice text(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

static bool holds(const char *path, const char *want)
{
	uint8_t *p = NULL;
	size_t n = 0;
	bool same = file_read(path, 4096, &p, &n, NULL) == OK && n == strlen(want) &&
	            memcmp(p, want, n + 1) == 0; /* with the NUL */

	free(p);
	return same;
}

static unsigned files_in_top(void)
{
	unsigned n = 0;
	DIR *d = opendir(top);

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

static void reading(void)
{
	struct errbuf eb = { "" };
	uint8_t *p = NULL;
	size_t n = 77;

	ok(file_read(in_top("none"), 10, &p, &n, &eb) == ERR_NOT_FOUND && !p && n == 77,
	    "no such file (%s)", eb.text);
	ok(file_write(in_top("a"), text("0123456789"), 0644, &eb) == OK, "ten bytes are written");
	ok(holds(in_top("a"), "0123456789"), "and read, with a NUL behind them");
	ok(file_read(in_top("a"), 9, &p, &n, &eb) == ERR_SPACE && !p, "a maximum of nine (%s)",
	    eb.text);
	ok(file_read(in_top("a"), 10, &p, &n, &eb) == OK && n == 10, "a maximum of ten");
	free(p);
	p = NULL;
	ok(file_read(top, 10, &p, &n, &eb) == ERR_FORMAT && !p, "a folder (%s)", eb.text);
	ok(mkfifo(in_top("fifo"), 0600) == 0 &&
	        file_read(in_top("fifo"), 10, &p, &n, &eb) == ERR_FORMAT && !p,
	    "a FIFO, without waiting (%s)", eb.text);
	unlink(in_top("fifo"));
	ok(file_write(in_top("a"), (struct slice){ NULL, 0 }, 0644, &eb) == OK &&
	        holds(in_top("a"), ""),
	    "an empty file");
	unlink(in_top("a"));
}

static void secrets(void)
{
	static const mode_t open_modes[] = { 0640, 0604, 0620, 0660, 0610 };
	struct errbuf eb = { "" };
	uint8_t *p = NULL;
	struct stat st;
	size_t n;

	umask(0);
	ok(file_write(in_top("s"), text("secret"), 0600, &eb) == OK, "a secret is written");
	ok(stat(in_top("s"), &st) == 0 && (st.st_mode & 07777) == 0600,
	    "mode 0600 whatever the umask");
	umask(022);
	ok(file_read_private(in_top("s"), 100, &p, &n, &eb) == OK && n == 6, "and read");
	free(p);
	p = NULL;
	for (size_t i = 0; i < COUNT(open_modes); i++)
		ok(chmod(in_top("s"), open_modes[i]) == 0 &&
		        file_read_private(in_top("s"), 100, &p, &n, &eb) == ERR_DENIED && !p,
		    "not with mode %04o (%s)", (unsigned)open_modes[i], eb.text);
	if (geteuid() == 0) {
		ok(chmod(in_top("s"), 0600) == 0 && chown(in_top("s"), 12345, 0) == 0 &&
		        file_read_private(in_top("s"), 100, &p, &n, &eb) == ERR_DENIED && !p,
		    "not when it is another's (%s)", eb.text);
	}
	unlink(in_top("s"));
}

static void keeping(void)
{
	struct errbuf eb = { "" };

	ok(file_create(in_top("k"), text("first"), 0600, &eb) == OK && holds(in_top("k"), "first"),
	    "created");
	ok(file_create(in_top("k"), text("second"), 0600, &eb) == ERR_CONFLICT &&
	        holds(in_top("k"), "first"),
	    "not over the first (%s)", eb.text);
	ok(file_write(in_top("k"), text("third"), 0600, &eb) == OK && holds(in_top("k"), "third"),
	    "replaced");
	ok(files_in_top() == 1, "nothing else is left");
	unlink(in_top("k"));
}

/* PATH.new of a live writer, of a dead one, and a trap instead of it. */
static void rivals(void)
{
	struct errbuf eb = { "" };
	int fd = open(in_top("r.new"), O_RDWR | O_CREAT, 0600);

	ok(fd >= 0 && flock(fd, LOCK_EX) == 0, "another writer is at work");
	ok(file_write(in_top("r"), text("x"), 0600, &eb) == ERR_CONFLICT, "conflict (%s)", eb.text);
	close(fd);
	ok(file_write(in_top("r"), text("x"), 0600, &eb) == OK && holds(in_top("r"), "x") &&
	        files_in_top() == 1,
	    "what a dead writer left is removed");
	ok(link(in_top("r"), in_top("r.new")) == 0 &&
	        file_write(in_top("r"), text("y"), 0600, &eb) == OK && holds(in_top("r"), "y"),
	    "also a second name of the file itself");
	unlink(in_top("r"));
	ok(symlink("/etc/hostname", in_top("r.new")) == 0 &&
	        file_write(in_top("r"), text("x"), 0600, &eb) != OK,
	    "a symbolic link is not followed (%s)", eb.text);
	unlink(in_top("r.new"));
	ok(file_write(in_top("none/r"), text("x"), 0600, &eb) == ERR_NOT_FOUND,
	    "no such folder (%s)", eb.text);
	ok(files_in_top() == 0, "nothing is left");
}

/* The n-th call fails, for every n: old or new, never a mixture, and the retry works. */
static void sweep(enum fault kind, bool keep)
{
	bool right = true;
	long n = 0;

	for (;; n++) {
		const char *want = keep ? NULL : "old";
		enum err e;

		unlink(in_top("w"));
		if (!keep && file_write(in_top("w"), text("old"), 0600, NULL) != OK)
			break;
		faults_begin(kind, n);
		e = keep ? file_create(in_top("w"), text("new"), 0600, NULL)
		         : file_write(in_top("w"), text("new"), 0600, NULL);
		if (!faults_end()) {
			right &= e == OK;
			break;
		}
		/* A failed flush of the folder, or of what was tidied up, comes after the rename. */
		right &=
		    holds(in_top("w"), "new") ||
		    (e != OK && (want ? holds(in_top("w"), want) : access(in_top("w"), F_OK) != 0));
		unlink(in_top("w.new"));
		right &= file_write(in_top("w"), text("retry"), 0600, NULL) == OK &&
		         holds(in_top("w"), "retry");
	}
	ok(right && n >= (kind == FAULT_MEMORY ? 0 : 6), "%s with each of %ld calls failing",
	    keep ? "file_create" : "file_write", n);
	unlink(in_top("w"));
	ok(files_in_top() == 0, "nothing is left");
}

/* Power goes at the n-th call. */
static void crashes(bool keep)
{
	bool right = true;
	int status = 0;
	long n = 0;

	for (;; n++) {
		pid_t child;

		unlink(in_top("w"));
		if (!keep && file_write(in_top("w"), text("old"), 0600, NULL) != OK)
			break;
		fflush(stdout);
		if ((child = fork()) == 0) {
			faults_begin(FAULT_CRASH, n);
			_exit(keep ? file_create(in_top("w"), text("new"), 0600, NULL) != OK
			           : file_write(in_top("w"), text("new"), 0600, NULL) != OK);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
			right = false;
			break;
		}
		if (WEXITSTATUS(status) != FAULTS_CRASHED)
			break;
		right &= holds(in_top("w"), "new") ||
		         (keep ? access(in_top("w"), F_OK) != 0 : holds(in_top("w"), "old"));
		right &= file_write(in_top("w"), text("retry"), 0600, NULL) == OK &&
		         holds(in_top("w"), "retry") && files_in_top() == 1;
	}
	ok(right && WEXITSTATUS(status) == 0 && n >= 6, "%s killed at each of %ld calls",
	    keep ? "file_create" : "file_write", n);
	unlink(in_top("w"));
}

static void reading_sweep(enum fault kind)
{
	bool right = file_write(in_top("a"), text("bytes"), 0600, NULL) == OK;
	long n = 0;

	for (;; n++) {
		uint8_t *p = NULL;
		size_t got = 0;
		enum err e;

		faults_begin(kind, n);
		e = file_read(in_top("a"), 100, &p, &got, NULL);
		if (!faults_end()) {
			right &= e == OK && got == 5;
			free(p);
			break;
		}
		right &= e == (kind == FAULT_MEMORY ? ERR_MEMORY : ERR_IO) && !p;
	}
	ok(right && n > 0, "file_read with each of %ld calls failing", n);
	unlink(in_top("a"));
}

static void locks(void)
{
	struct file_lock a = FILE_UNLOCKED, b = FILE_UNLOCKED;
	struct errbuf eb = { "" };

	ok(file_lock(&a, in_top("l"), &eb) == OK, "locked");
	ok(file_lock(&b, in_top("l"), &eb) == ERR_CONFLICT && strstr(eb.text, "process"),
	    "one holder (%s)", eb.text);
	file_unlock(&a);
	file_unlock(&a);
	ok(file_lock(&b, in_top("l"), &eb) == OK, "the next");
	file_unlock(&b);
	unlink(in_top("l"));
}

int main(void)
{
	if (!mkdtemp(top))
		return 1;
	reading();
	secrets();
	keeping();
	rivals();
	sweep(FAULT_FILES, false);
	sweep(FAULT_FILES, true);
	crashes(false);
	crashes(true);
	reading_sweep(FAULT_FILES);
	reading_sweep(FAULT_MEMORY);
	locks();
	rmdir(top);
	return done_testing();
}
