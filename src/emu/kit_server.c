/* The kit protocol over TCP or a pseudo-terminal: moves bytes to and from kit.c. One thread, one poll. */
#include "kit.h"

#include "terminal.h"
#include "worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WORK_MS 1  /* between two looks at a chip that works */
#define LOOK_MS 50 /* at a pseudo-terminal that cannot be watched */
/* poll's list: each connection, and behind them */
enum { AT_LISTENER = KIT_CONNECTIONS, AT_TERMINAL, AT_WATCH, AT_STOP, POLLED };

struct connection {
	int fd;     /* -1: free */
	bool ended; /* the far end sends no more, and still gets its replies */
	struct kit kit;
};

struct kit_server {
	struct emu *chips[EMU_SERVER_CHIPS];
	size_t n_chips;
	int listener; /* -1: a pseudo-terminal */
	struct terminal terminal;
	struct kit typed; /* what comes through the terminal */
	struct connection connections[KIT_CONNECTIONS];
	struct worker worker;
	char link[1024];
	char where[1040];
};

/* --- opening --- */

static enum err listen_tcp(struct kit_server *s, const char *port, struct errbuf *eb)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t size = sizeof(at);
	const int on = 1;
	unsigned long number;
	char *end;

	number = strtoul(port, &end, 10);
	if (port[0] < '0' || port[0] > '9' || *end || number > 65535)
		return err_set(eb, ERR_ARG, "tcp:%.40s: a port is a number from 0 to 65535", port);
	at.sin_port = htons((uint16_t)number);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0 ||
	    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(s->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    listen(s->listener, KIT_CONNECTIONS) != 0 ||
	    getsockname(s->listener, (struct sockaddr *)&at, &size) != 0)
		return err_set(eb, ERR_IO, "127.0.0.1:%lu: %s", number, strerror(errno));
	snprintf(s->where, sizeof(s->where), "tcp:127.0.0.1:%u", ntohs(at.sin_port));
	return OK;
}

static enum err plug(struct kit_server *s, const char *link, struct errbuf *eb)
{
	if (link[0] == '\0' || strlen(link) >= sizeof(s->link))
		return err_set(eb, ERR_ARG, "pty: the path of the link has 1 to %zu bytes",
		    sizeof(s->link) - 1);
	memcpy(s->link, link, strlen(link) + 1);
	snprintf(s->where, sizeof(s->where), "pty:%s", s->link);
	return terminal_plug(&s->terminal, s->link, eb);
}

static enum err open_at(struct kit_server *s, const char *where, struct errbuf *eb)
{
	if (strncmp(where, "tcp:", 4) == 0)
		return listen_tcp(s, where + 4, eb);
	if (strncmp(where, "pty:", 4) == 0)
		return plug(s, where + 4, eb);
	return err_set(eb, ERR_ARG, "%.80s: neither tcp:PORT nor pty:LINK", where);
}

enum err kit_server_new(const char *where, struct emu *const *chips, size_t n,
    struct kit_server **server, struct errbuf *eb)
{
	struct kit_server *s;
	enum err e;

	if (n == 0 || n > EMU_SERVER_CHIPS)
		return err_set(
		    eb, ERR_ARG, "%zu chips on a bus; 1 to %d can be", n, EMU_SERVER_CHIPS);
	if (!(s = calloc(1, sizeof(*s))))
		return err_set(eb, ERR_MEMORY, "no memory for a server");
	for (size_t i = 0; i < n; i++)
		s->chips[i] = chips[i];
	s->n_chips = n;
	s->listener = -1;
	worker_init(&s->worker);
	s->terminal = TERMINAL_UNPLUGGED;
	for (size_t i = 0; i < KIT_CONNECTIONS; i++)
		s->connections[i].fd = -1;
	if ((e = open_at(s, where, eb)) == OK) {
		*server = s;
		s = NULL;
	}
	kit_server_free(s);
	return e;
}

const char *kit_server_where(const struct kit_server *s)
{
	return s->where;
}

/* --- serving --- */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool would_block(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* False when the far end is gone. */
static bool receive(struct connection *c)
{
	uint8_t bytes[KIT_IN_MAX];
	size_t room = kit_room(&c->kit);
	ssize_t n;

	if (room == 0 || c->ended)
		return true;
	n = recv(c->fd, bytes, room, 0);
	if (n > 0)
		kit_take(&c->kit, bytes, (size_t)n);
	c->ended = n == 0;
	return n >= 0 || would_block(n);
}

static bool send_reply(struct connection *c)
{
	struct slice r = kit_reply(&c->kit);
	ssize_t n = send(c->fd, r.p, r.n, MSG_NOSIGNAL);

	if (n > 0)
		kit_sent(&c->kit, (size_t)n);
	return n > 0 || would_block(n);
}

static void serve(struct kit_server *s, struct connection *c, short events)
{
	bool alive = true;

	if (events & (POLLIN | POLLHUP | POLLERR))
		alive = receive(c);
	if (alive && kit_reply(&c->kit).n)
		alive = send_reply(c);
	while (alive && kit_step(&c->kit, s->chips, s->n_chips, now_ms()))
		alive = send_reply(c);
	if (!alive || (c->ended && !kit_working(&c->kit) && kit_reply(&c->kit).n == 0)) {
		close(c->fd);
		c->fd = -1;
	}
}

/* A new host at the port finds a new kit. */
static void serve_terminal(struct kit_server *s)
{
	uint8_t bytes[KIT_IN_MAX];
	size_t n;

	for (enum terminal_change change;
	     (change = terminal_look(&s->terminal)) != TERMINAL_SAME;) {
		if (change == TERMINAL_CLOSED)
			kit_init(&s->typed);
	}
	if (!s->terminal.open)
		return;
	do {
		n = kit_room(&s->typed) ? terminal_read(&s->terminal, bytes, kit_room(&s->typed))
		                        : 0;
		kit_take(&s->typed, bytes, n);
		while (kit_step(&s->typed, s->chips, s->n_chips, now_ms())) {
			struct slice r = kit_reply(&s->typed);

			terminal_write(&s->terminal, (const char *)r.p, r.n);
			kit_sent(&s->typed, r.n);
		}
	} while (n > 0);
}

static void accept_one(struct kit_server *s)
{
	const int on = 1;
	int fd;

	for (size_t i = 0; i < KIT_CONNECTIONS; i++) {
		struct connection *c = &s->connections[i];

		if (c->fd >= 0)
			continue;
		if ((fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) < 0)
			return;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		kit_init(&c->kit);
		c->fd = fd;
		c->ended = false;
		return;
	}
}

/* Fills poll's list and says how long it may take. A client with a reply to take is not read from. */
static int wait_for(const struct kit_server *s, struct pollfd p[POLLED])
{
	const struct terminal *t = &s->terminal;
	bool place = false, working = kit_working(&s->typed);
	int patience = t->master >= 0 && t->watch < 0 ? LOOK_MS : -1;

	for (size_t i = 0; i < KIT_CONNECTIONS; i++) {
		const struct connection *c = &s->connections[i];
		bool unsent = kit_reply(&c->kit).n != 0;

		p[i] = (struct pollfd){ .fd = c->ended && !unsent ? -1 : c->fd,
			.events = unsent                  ? POLLOUT
			          : kit_room(&c->kit) > 0 ? POLLIN
			                                  : 0 };
		place = place || c->fd < 0;
		working = working || (c->fd >= 0 && kit_working(&c->kit));
	}
	p[AT_LISTENER] = (struct pollfd){ .fd = place ? s->listener : -1, .events = POLLIN };
	p[AT_TERMINAL] = (struct pollfd){ .fd = t->open && kit_room(&s->typed) ? t->master : -1,
		.events = POLLIN };
	p[AT_WATCH] = (struct pollfd){ .fd = t->watch, .events = POLLIN };
	p[AT_STOP] = (struct pollfd){ .fd = s->worker.stop[0], .events = POLLIN };
	return working ? WORK_MS : patience;
}

static void *run_thread(void *arg)
{
	struct kit_server *s = arg;
	struct pollfd p[POLLED];

	for (;;) {
		if (poll(p, POLLED, wait_for(s, p)) < 0 && errno != EINTR)
			return s; /* out of memory: connections then simply stay silent */
		if (p[AT_STOP].revents)
			return NULL;
		for (size_t i = 0; i < KIT_CONNECTIONS; i++) {
			struct connection *c = &s->connections[i];

			if (c->fd >= 0 && (p[i].revents || kit_working(&c->kit)))
				serve(s, c, p[i].revents);
		}
		if (s->terminal.master >= 0)
			serve_terminal(s);
		if (p[AT_LISTENER].revents)
			accept_one(s);
	}
}

enum err kit_server_start(struct kit_server *s, struct errbuf *eb)
{
	return worker_start(&s->worker, run_thread, s, eb);
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void kit_server_free(struct kit_server *s)
{
	if (!s)
		return;
	worker_stop(&s->worker);
	for (size_t i = 0; i < KIT_CONNECTIONS; i++)
		close_if_open(s->connections[i].fd);
	close_if_open(s->listener);
	terminal_unplug(&s->terminal);
	free(s);
}
