#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENT_MS 2000
#define ANSWER_MS 10000 /* the chip may be at work for a while */

static enum err address(const char *path, struct sockaddr_un *at, struct errbuf *eb)
{
	*at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(at->sun_path))
		return err_set(eb, ERR_ARG, "%s: a socket's path has at most %zu bytes", path,
		    sizeof(at->sun_path) - 1);
	memcpy(at->sun_path, path, strlen(path) + 1);
	return OK;
}

enum err control_listen(struct control *c, const char *path, struct errbuf *eb)
{
	struct sockaddr_un at;
	enum err e;

	*c = CONTROL_CLOSED;
	if ((e = address(path, &at, eb)) != OK)
		return e;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(path);
	if (c->fd < 0 || bind(c->fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(c->fd, 8) != 0) {
		e = err_set(eb, ERR_IO, "%s: %s", path, strerror(errno));
		control_close(c);
		return e;
	}
	c->path = path;
	return OK;
}

static void client_drop(struct control *c)
{
	if (c->client >= 0)
		close(c->client);
	c->client = -1;
	c->n = 0;
}

void control_close(struct control *c)
{
	client_drop(c);
	if (c->path != NULL)
		unlink(c->path);
	if (c->fd >= 0)
		close(c->fd);
	*c = CONTROL_CLOSED;
}

int control_fd(const struct control *c)
{
	return c->client >= 0 ? c->client : c->fd;
}

bool control_take(struct control *c, uint64_t now_ms)
{
	ssize_t n;
	char *end;

	if (c->client < 0) {
		c->client = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		c->until = now_ms + CLIENT_MS;
		if (c->client < 0)
			return false;
	}
	n = recv(c->client, c->word + c->n, sizeof(c->word) - c->n, 0);
	if (n > 0)
		c->n += (size_t)n;
	if ((end = memchr(c->word, '\n', c->n)) != NULL) {
		*end = '\0';
		return true;
	}
	/* End of file, an error, too long a word, or too long a silence. */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || c->n == sizeof(c->word) ||
	    now_ms >= c->until)
		client_drop(c);
	return false;
}

/* All of it or nothing that matters: a client that does not read its answer loses it. */
static void say(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t put = send(fd, text, n, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return;
		text += put;
		n -= (size_t)put;
	}
}

void control_answer(struct control *c, const char *text, enum err e, const struct errbuf *eb)
{
	char last[sizeof(eb->text) + 32] = "ok\n";

	if (e != OK)
		snprintf(last, sizeof(last), "error %d %s\n", (int)e, eb->text);
	say(c->client, text);
	say(c->client, last);
	client_drop(c);
}

/* --- the other end --- */

/* Reads up to the end of file. */
static enum err answer_read(int fd, char *reply, size_t cap, struct errbuf *eb)
{
	size_t n = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ready = poll(&p, 1, ANSWER_MS);
		ssize_t got;

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return err_set(eb, ERR_TIMEOUT, "the board is busy and does not answer");
		got = recv(fd, reply + n, cap - 1 - n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	reply[n] = '\0';
	return OK;
}

/* Cuts the last line off the answer and gives its meaning. */
static enum err verdict(char *reply, struct errbuf *eb)
{
	size_t n = strlen(reply);
	char *last, *text;
	long number;

	if (n == 0 || reply[n - 1] != '\n')
		return err_set(eb, ERR_IO, "the board's answer is cut off");
	reply[n - 1] = '\0';
	last = strrchr(reply, '\n');
	last = last == NULL ? reply : last + 1;
	if (strcmp(last, "ok") == 0) {
		*last = '\0';
		return OK;
	}
	number = strncmp(last, "error ", 6) == 0 ? strtol(last + 6, &text, 10) : 0;
	if (number <= OK || number >= ERR_COUNT)
		return err_set(eb, ERR_FORMAT, "the board's answer ends with neither ok nor error");
	return err_set(eb, (enum err)number, "%s", text + (*text == ' '));
}

enum err control_ask(
    const char *path, const char *word, char reply[CONTROL_REPLY_MAX], struct errbuf *eb)
{
	char line[CONTROL_WORD_MAX + 2];
	struct sockaddr_un at;
	enum err e;
	int fd;

	if ((e = address(path, &at, eb)) != OK)
		return e;
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return err_set(eb, ERR_IO, "socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
		e = err_set(eb, errno == ENOENT || errno == ECONNREFUSED ? ERR_NOT_FOUND : ERR_IO,
		    "%s: %s", path, strerror(errno));
		goto out;
	}
	snprintf(line, sizeof(line), "%s\n", word);
	say(fd, line);
	if ((e = answer_read(fd, reply, CONTROL_REPLY_MAX, eb)) == OK)
		e = verdict(reply, eb);
out:
	close(fd);
	return e;
}
