/* Serial ports over pseudo-terminals: raw bytes, time limits, exclusive use, a board that goes away. */
#include "serial.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

/* The far side of a port, as a board has it. */
static int board_make(char path[64])
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0 || ptsname_r(fd, path, 64) != 0)
		abort();
	return fd;
}

static size_t board_read(int fd, uint8_t *p, size_t cap)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&wait, 1, 5000) == 1 ? read(fd, p, cap) : 0;

	return n < 0 ? 0 : (size_t)n;
}

static void test_bytes(void)
{
	/* What a terminal in its normal mode would change: CR, LF, Ctrl-C, Ctrl-S, Ctrl-D, 8 bits. */
	static const uint8_t bytes[] = { 'a', '\r', '\n', 3, 19, 17, 4, 0, 0x80, 0xFF };
	uint8_t got[64];
	char path[64];
	struct serial *port = NULL;
	struct errbuf eb;
	int board = board_make(path);
	size_t n;

	ok(serial_open(path, &port, &eb) == OK, "a pseudo-terminal opens");
	ok(serial_write(port, SLICE(bytes), 1000, &eb) == OK, "bytes are written");
	n = board_read(board, got, sizeof(got));
	is_bytes(got, n, bytes, sizeof(bytes), "the board gets them unchanged");
	ok(write(board, bytes, sizeof(bytes)) == sizeof(bytes), "the board answers");
	ok(serial_read(port, got, sizeof(got), &n, 5000, &eb) == OK, "the answer is read");
	is_bytes(got, n, bytes, sizeof(bytes), "unchanged, and nothing was echoed");
	ok(serial_read(port, got, sizeof(got), &n, 0, &eb) == ERR_TIMEOUT && n == 0,
	    "without bytes a read of 0 ms times out");
	ok(serial_read(port, got, sizeof(got), &n, 30, &eb) == ERR_TIMEOUT && n == 0,
	    "without bytes a read of 30 ms times out");
	serial_free(port);
	close(board);
}

/* A board that does not read: the write ends by its limit, not never. */
static void test_write_limit(void)
{
	static uint8_t much[1 << 20];
	char path[64];
	struct serial *port = NULL;
	struct errbuf eb;
	int board = board_make(path);

	ok(serial_open(path, &port, &eb) == OK, "opened");
	ok(serial_write(port, SLICE(much), 50, &eb) == ERR_TIMEOUT,
	    "a board that takes nothing times out");
	serial_free(port);
	close(board);
}

static void test_gone(void)
{
	uint8_t got[8];
	char path[64];
	struct serial *port = NULL;
	struct errbuf eb = { "" };
	int board = board_make(path);
	size_t n;

	ok(serial_open(path, &port, &eb) == OK, "opened");
	ok(write(board, "bye", 3) == 3 && serial_read(port, got, 8, &n, 5000, &eb) == OK && n == 3,
	    "the last words are read");
	close(board);
	ok(serial_read(port, got, sizeof(got), &n, 5000, &eb) == ERR_DEVICE && n == 0,
	    "reading from an unplugged board says so at once: %s", eb.text);
	ok(serial_write(port, TEXT("x"), 5000, &eb) == ERR_DEVICE, "and so does writing");
	serial_free(port);
	serial_free(NULL);
}

static void test_open(void)
{
	char path[64], folder[] = "/tmp/imXXXXXX", file[80], link[80], lock[80];
	struct serial *port = NULL, *second = NULL;
	struct serial_listed *list = NULL;
	struct errbuf eb = { "" };
	int board = board_make(path), fd;
	size_t n = 0, seen = 0;

	if (mkdtemp(folder) == NULL)
		abort();
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(link, sizeof(link), "%s/kitchen", folder);
	snprintf(lock, sizeof(lock), "%s/.kitchen.lock", folder);
	ok(serial_open(file, &port, &eb) == ERR_NOT_FOUND, "no such port: %s", eb.text);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	ok(serial_open(file, &port, &eb) == ERR_ARG, "a plain file is no port: %s", eb.text);

	ok(serial_open(path, &port, &eb) == OK, "first");
	ok(serial_open(path, &second, &eb) == ERR_CONFLICT, "a port has one user: %s", eb.text);
	serial_free(port);
	ok(serial_open(path, &port, &eb) == OK, "free again after it was closed");
	serial_free(port);

	ok(symlink(path, link) == 0 && serial_open(link, &port, &eb) == OK, "a link opens");
	serial_free(port);
	fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ok(serial_is_stale(link), "nobody holds the lock: stale");
	ok(serial_open(link, &port, &eb) == ERR_NOT_FOUND, "a stale link is not opened: %s",
	    eb.text);
	ok(serial_list(folder, &list, &n, &eb) == OK, "list");
	for (size_t i = 0; i < n; i++)
		seen += list[i].is_virtual;
	ok(seen == 0, "a stale link is not listed, nor is a plain file");
	free(list);

	ok(flock(fd, LOCK_EX) == 0 && !serial_is_stale(link), "its board holds the lock: alive");
	ok(serial_list(folder, &list, &n, &eb) == OK && n >= 1 && list[n - 1].is_virtual &&
	        strcmp(list[n - 1].name, "kitchen") == 0 && strcmp(list[n - 1].path, link) == 0,
	    "a living virtual board is listed last, with its name");
	free(list);
	snprintf(file, sizeof(file), "%s/none", folder);
	ok(serial_list(file, &list, &n, &eb) == OK,
	    "no folder of virtual boards: no virtual boards");
	free(list);
	close(fd);
	close(board);
	unlink(link);
	unlink(lock);
	snprintf(file, sizeof(file), "%s/file", folder);
	unlink(file);
	rmdir(folder);
}

/* A virtual board notices the touch and answers it with another one. */
static void *touched_board(void *arg)
{
	const int *board = arg;
	static bool seen;
	struct termios t;

	for (int i = 0; i < 60000 && !seen; i++) {
		const struct timespec moment = { .tv_nsec = 1000000 };

		if (tcgetattr(*board, &t) == 0 && cfgetospeed(&t) == B1200) {
			seen = true;
			cfsetspeed(&t, B2400);
			tcsetattr(*board, TCSANOW, &t);
		}
		nanosleep(&moment, NULL);
	}
	return &seen;
}

static void test_touch(void)
{
	char path[64];
	struct errbuf eb = { "" };
	int board = board_make(path);
	pthread_t thread;
	void *seen;

	if (pthread_create(&thread, NULL, touched_board, &board) != 0)
		abort();
	ok(serial_touch(path, &eb) == OK, "touched");
	pthread_join(thread, &seen);
	ok(*(bool *)seen, "the board saw 1200 baud");
	ok(serial_touch(path, &eb) == ERR_TIMEOUT, "nobody notices: %s", eb.text);
	close(board);
}

int main(void)
{
	test_bytes();
	test_write_limit();
	test_gone();
	test_open();
	test_touch();
	return done_testing();
}
