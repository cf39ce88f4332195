/* Ports by termios. libserialport lists ports but cannot open a pseudo-terminal, so it only lists.
 */
#include "serial.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define TOUCH_MS 2000

struct serial {
	int fd;
};

static enum err open_failed(const char *path, int error, struct errbuf *eb)
{
	switch (error) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return err_set(
		    eb, ERR_NOT_FOUND, "%s: no such port; is the board plugged in?", path);
	case EACCES:
	case EPERM:
		return err_set(eb, ERR_DENIED,
		    "%s: not allowed; serial ports usually belong to the group dialout", path);
	case EBUSY:
	case EWOULDBLOCK:
		return err_set(eb, ERR_CONFLICT, "%s: another program has the port open", path);
	default:
		return err_set(eb, ERR_IO, "%s: %s", path, strerror(error));
	}
}

static enum err raw_mode(int fd, speed_t speed)
{
	struct termios t;

	if (tcgetattr(fd, &t) != 0)
		return ERR_IO;
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL | CREAD | HUPCL;
	t.c_cflag &= (tcflag_t) ~(CSTOPB | CRTSCTS);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	if (cfsetspeed(&t, speed) != 0 || tcsetattr(fd, TCSANOW, &t) != 0)
		return ERR_IO;
	return OK;
}

bool serial_is_stale(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t folder = slash == NULL ? 0 : (size_t)(slash - path) + 1;
	char lock[1024];
	struct stat st;
	int fd;
	bool dead;

	if (lstat(path, &st) != 0 || !S_ISLNK(st.st_mode) ||
	    (size_t)snprintf(lock, sizeof(lock), "%.*s.%s.lock", (int)folder, path,
	        path + folder) >= sizeof(lock) ||
	    (fd = open(lock, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	dead = flock(fd, LOCK_SH | LOCK_NB) == 0;
	close(fd);
	return dead;
}

/* Major numbers of Unix98 pseudo-terminals: Linux, Documentation/admin-guide/devices.txt. */
static bool is_pseudo(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && major(st.st_rdev) >= 136 && major(st.st_rdev) <= 143;
}

/*
 * The lock serves programs that ask for it; TIOCEXCL stops all others but root's. Not on a
 * pseudo-terminal: there it outlives a program that is killed.
 */
static bool exclusive(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) == 0 && (is_pseudo(fd) || ioctl(fd, TIOCEXCL) == 0);
}

/* O_NONBLOCK: a port that waits for its carrier would block in open. */
static enum err port_open(const char *path, speed_t speed, int *out, struct errbuf *eb)
{
	enum err e = OK;
	int fd;

	if (serial_is_stale(path))
		return err_set(eb, ERR_NOT_FOUND, "%s: this virtual board does not run", path);
	if ((fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) < 0)
		return open_failed(path, errno, eb);
	if (!isatty(fd))
		e = err_set(eb, ERR_ARG, "%s: not a serial port", path);
	else if (!exclusive(fd) || raw_mode(fd, speed) != OK)
		e = open_failed(path, errno, eb);
	if (e != OK) {
		close(fd);
		return e;
	}
	*out = fd;
	return OK;
}

enum err serial_open(const char *path, struct serial **port, struct errbuf *eb)
{
	struct serial *p = malloc(sizeof(*p));
	enum err e;

	if (p == NULL)
		return err_set(eb, ERR_MEMORY, "%s: no memory", path);
	if ((e = port_open(path, B9600, &p->fd, eb)) != OK) {
		free(p);
		return e;
	}
	*port = p;
	return OK;
}

void serial_free(struct serial *port)
{
	if (port == NULL)
		return;
	close(port->fd);
	free(port);
}

int serial_fd(const struct serial *port)
{
	return port->fd;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/*
 * A virtual board that has noticed answers with 2400 baud. It may set its normal speed in between,
 * when it notices only now that the host before us has gone: then it is touched again.
 */
static enum err touch_noticed(int fd, const char *path, struct errbuf *eb)
{
	const struct timespec moment = { .tv_nsec = 2000000 };
	uint64_t until = now_ms() + TOUCH_MS;
	struct termios t;

	while (tcgetattr(fd, &t) == 0 && cfgetospeed(&t) != B2400) {
		if (now_ms() >= until)
			return err_set(eb, ERR_TIMEOUT,
			    "%s: the board does not take the 1200-baud touch", path);
		if (cfgetospeed(&t) != B1200 && raw_mode(fd, B1200) != OK)
			return err_set(eb, ERR_IO, "%s: %s", path, strerror(errno));
		nanosleep(&moment, NULL);
	}
	return OK;
}

enum err serial_touch(const char *path, struct errbuf *eb)
{
	int fd;
	enum err e = port_open(path, B1200, &fd, eb);

	if (e != OK)
		return e;
	if (is_pseudo(fd))
		e = touch_noticed(fd, path, eb);
	close(fd);
	return e;
}

static enum err gone(struct errbuf *eb)
{
	return err_set(eb, ERR_DEVICE, "the board went away: its serial port was closed");
}

/* Waits until the port can be read or written, or `until`. Hang-ups are found by the call after. */
static enum err wait_for(struct serial *port, short events, uint64_t until, struct errbuf *eb)
{
	for (;;) {
		struct pollfd p = { .fd = port->fd, .events = events };
		uint64_t now = now_ms();
		int left = now >= until ? 0 : until - now > 60000 ? 60000 : (int)(until - now);
		int ready = poll(&p, 1, left);

		if (ready > 0)
			return OK;
		if (ready < 0 && errno != EINTR)
			return err_set(eb, ERR_IO, "poll: %s", strerror(errno));
		if (ready == 0 && now_ms() >= until)
			return err_set(eb, ERR_TIMEOUT, "the board is silent");
	}
}

/* On a terminal end of file and these errors mean that the other side is closed or unplugged. */
static bool is_gone(ssize_t n)
{
	return n == 0 || errno == EIO || errno == ENXIO || errno == ENODEV;
}

enum err serial_read(
    struct serial *port, uint8_t *p, size_t cap, size_t *n, uint32_t ms, struct errbuf *eb)
{
	uint64_t until = now_ms() + ms;

	*n = 0;
	for (;;) {
		enum err e = wait_for(port, POLLIN, until, eb);
		ssize_t got;

		if (e != OK)
			return e;
		if ((got = read(port->fd, p, cap)) > 0) {
			*n = (size_t)got;
			return OK;
		}
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		return is_gone(got) ? gone(eb) : err_set(eb, ERR_IO, "read: %s", strerror(errno));
	}
}

enum err serial_write(struct serial *port, struct slice bytes, uint32_t ms, struct errbuf *eb)
{
	uint64_t until = now_ms() + ms;

	while (bytes.n > 0) {
		enum err e = wait_for(port, POLLOUT, until, eb);
		ssize_t put;

		if (e != OK)
			return e;
		if ((put = write(port->fd, bytes.p, bytes.n)) > 0) {
			bytes.p += put;
			bytes.n -= (size_t)put;
			continue;
		}
		if (put < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		return is_gone(put) ? gone(eb) : err_set(eb, ERR_IO, "write: %s", strerror(errno));
	}
	return OK;
}
