#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <termios.h>
#include <unistd.h>

#define PATIENCE_MS 1000

/* The events are only a hint to look. True: a port was closed. */
static bool events_clear(const struct terminal *t)
{
	_Alignas(struct inotify_event) char events[4096];
	bool closed = false;
	ssize_t n;

	while (t->watch >= 0 && (n = read(t->watch, events, sizeof(events))) > 0) {
		for (char *p = events; p < events + n;) {
			struct inotify_event e;

			memcpy(&e, p, sizeof(e));
			closed |= (e.mask & IN_CLOSE) != 0;
			p += sizeof(e) + e.len;
		}
	}
	return closed;
}

/*
 * Brings the line into the state that a host finds first: raw, and nothing to read. Closing the slave
 * also makes the master report a hang-up until a host opens it; before the first close it would not.
 */
static bool settle(struct terminal *t, speed_t speed)
{
	int fd = open(t->slave, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct termios line;
	bool good = fd >= 0 && tcflush(fd, TCIFLUSH) == 0;

	if (fd >= 0)
		close(fd);
	events_clear(t); /* our own */
	if (!good || tcgetattr(t->master, &line) != 0)
		return false;
	cfmakeraw(&line);
	return cfsetspeed(&line, speed) == 0 && tcsetattr(t->master, TCSANOW, &line) == 0;
}

static enum err pseudo_terminal(struct terminal *t, struct errbuf *eb)
{
	t->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (t->master < 0 || grantpt(t->master) != 0 || unlockpt(t->master) != 0 ||
	    ptsname_r(t->master, t->slave, sizeof(t->slave)) != 0 || !settle(t, B9600))
		return err_set(eb, ERR_IO, "pseudo-terminal: %s", strerror(errno));
	t->watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (t->watch >= 0 && inotify_add_watch(t->watch, t->slave, IN_OPEN | IN_CLOSE) < 0) {
		close(t->watch);
		t->watch = -1;
	}
	return OK;
}

/* A new link beside the old one, renamed over it: a host finds the old port or the new one. */
static enum err link_replace(const char *slave, const char *link, struct errbuf *eb)
{
	char fresh[1024];

	if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", link) >= sizeof(fresh))
		return err_set(eb, ERR_ARG, "%s: the path is too long", link);
	unlink(fresh);
	if (symlink(slave, fresh) != 0 || rename(fresh, link) != 0)
		return err_set(eb, ERR_IO, "%s: %s", link, strerror(errno));
	return OK;
}

enum err terminal_plug(struct terminal *t, const char *link, struct errbuf *eb)
{
	enum err e;

	*t = TERMINAL_UNPLUGGED;
	if ((e = pseudo_terminal(t, eb)) == OK && (e = link_replace(t->slave, link, eb)) == OK)
		t->link = link;
	else
		terminal_unplug(t);
	return e;
}

void terminal_unplug(struct terminal *t)
{
	if (t->link != NULL)
		unlink(t->link);
	if (t->watch >= 0)
		close(t->watch);
	if (t->master >= 0)
		close(t->master);
	*t = TERMINAL_UNPLUGGED;
}

static bool has_host(const struct terminal *t)
{
	struct pollfd p = { .fd = t->master };

	return poll(&p, 1, 0) == 0 || (p.revents & POLLHUP) == 0;
}

static bool is_1200_baud(const struct terminal *t)
{
	struct termios line;

	return tcgetattr(t->master, &line) == 0 && cfgetospeed(&line) == B1200;
}

/* Who touches has the port open still, but is no host: it does not count until it has closed. */
static bool has_real_host(struct terminal *t, bool closed)
{
	bool host = has_host(t);

	if (!host || closed)
		t->touching = false;
	return host && !t->touching;
}

enum terminal_change terminal_look(struct terminal *t)
{
	bool closed = events_clear(t), was = t->open;

	if (is_1200_baud(t)) {
		t->touching = has_host(t);
		t->open = false;
		settle(t, B2400); /* the answer that serial_touch waits for */
		return TERMINAL_TOUCHED;
	}
	t->open = has_real_host(t, closed);
	if (!t->open && was) {
		settle(t, B9600);
		return TERMINAL_CLOSED;
	}
	return t->open == was ? TERMINAL_SAME : TERMINAL_OPENED;
}

size_t terminal_read(struct terminal *t, uint8_t *p, size_t cap)
{
	ssize_t n = t->master < 0 ? 0 : read(t->master, p, cap);

	return n > 0 ? (size_t)n : 0;
}

void terminal_write(struct terminal *t, const char *text, size_t n)
{
	while (n > 0 && t->master >= 0) {
		struct pollfd p = { .fd = t->master, .events = POLLOUT };
		int ready = poll(&p, 1, PATIENCE_MS);
		ssize_t put;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || (p.revents & POLLHUP) != 0)
			return;
		put = write(t->master, text, n);
		if (put < 0 && errno != EAGAIN && errno != EINTR)
			return;
		if (put > 0) {
			text += put;
			n -= (size_t)put;
		}
	}
}
