#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Of a turn, in pieces: about as long as a few handshakes take. */
#define PIECE 65536
#define PIECES 16

void link_init(struct link *l, const char *path)
{
	*l = (struct link){ .path = path, .fd = -1 };
}

bool link_is_up(const struct link *l)
{
	return l->fd >= 0;
}

void link_close(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static bool reach(struct link *l)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = strlen(l->path);

	if (n >= sizeof(to.sun_path) ||
	    (l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
		return false;
	memcpy(to.sun_path, l->path, n);
	/* At once or not at all (EAGAIN: too many wait there already). */
	if (connect(l->fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return true;
	link_close(l);
	return false;
}

static enum link_news down(struct link *l, struct feed *feed, int64_t now_ms)
{
	link_close(l);
	feed_lost(feed);
	l->next_ms = now_ms + LINK_AGAIN_MS;
	return LINK_DOWN;
}

/* False: the connection is over, and eb says why. */
static bool take(struct link *l, struct feed *feed, int64_t now_ms, struct errbuf *eb)
{
	static const char end[] = "the server ended the feed";
	uint8_t bytes[PIECE];
	const char *why = "";

	for (int i = 0; i < PIECES; i++) {
		ssize_t n = recv(l->fd, bytes, sizeof(bytes), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0) {
			(void)err_set(eb, ERR_IO, "%s", n == 0 ? end : strerror(errno));
			return false;
		}
		l->heard_ms = now_ms;
		if (feed_take(feed, (struct slice){ bytes, (size_t)n }, &why) != OK) {
			(void)err_set(eb, ERR_FORMAT, "malformed: %s", why);
			return false;
		}
	}
	return true;
}

enum link_news link_turn(struct link *l, struct feed *feed, int64_t now_ms, struct errbuf *eb)
{
	enum link_news news = LINK_NOTHING;

	if (l->fd < 0) {
		if (now_ms < l->next_ms)
			return LINK_NOTHING;
		l->next_ms = now_ms + LINK_AGAIN_MS;
		if (!reach(l))
			return LINK_NOTHING;
		l->heard_ms = now_ms;
		feed_greet(feed);
		news = LINK_UP;
	}
	if (!take(l, feed, now_ms, eb))
		return down(l, feed, now_ms);
	if (now_ms - l->heard_ms > LINK_SILENCE_MS) {
		(void)err_set(eb, ERR_TIMEOUT, "silent for %d s", LINK_SILENCE_MS / 1000);
		return down(l, feed, now_ms);
	}
	return news;
}

enum link_news link_send(struct link *l, struct feed *feed, int64_t now_ms, struct errbuf *eb)
{
	struct slice out;

	while (l->fd >= 0 && (out = feed_output(feed)).n > 0) {
		ssize_t n = send(l->fd, out.p, out.n, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n < 0) {
			(void)err_set(eb, ERR_IO, "%s", strerror(errno));
			return down(l, feed, now_ms);
		}
		feed_sent(feed, (size_t)n);
	}
	return LINK_NOTHING;
}
