/* `imprint element trace`: what goes over a running emulator's bus, in words. */
#include "chip.h"
#include "element.h"
#include "trace.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RECORD_HEAD = 16, FRAME_MAX = 4 + 4096 };

struct listener {
	const struct cli *cli;
	int fd;
	uint64_t first_us;
	bool begun;
	size_t n;
	uint8_t in[RECORD_HEAD + 2 * FRAME_MAX];
	struct trace trace;
};

static enum err listen_to(struct listener *l, const char *path, struct errbuf *eb)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	uint8_t reply[3];

	if (strlen(path) >= sizeof(at.sun_path))
		return err_set(eb, ERR_ARG, "%s: the path of a socket is too long", path);
	memcpy(at.sun_path, path, strlen(path));
	if ((l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
	    connect(l->fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		return err_set(eb, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
	if (send(l->fd, "L\0\0\0", 4, MSG_NOSIGNAL) != 4 ||
	    recv(l->fd, reply, sizeof(reply), MSG_WAITALL) != 3 || reply[0] != 0)
		return err_set(eb, ERR_IO, "%s: does not let anybody listen", path);
	return OK;
}

static enum err print_json(const struct trace_event *e, double seconds, struct errbuf *eb)
{
	json_t *o = json_pack("{s:f,s:s,s:i,s:s}", "seconds", seconds, "event",
	    trace_kind_name(e->kind), "address", e->address, "what", e->what);
	json_t *more;

	if (e->kind == TRACE_COMMAND) {
		more = json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:f,s:i,s:s}", "opcode", e->opcode,
		    "param1", e->p1, "param2", e->p2, "sent", (int)e->in_n, "received",
		    (int)e->out_n, "status", e->status, "ms", (double)e->us / 1000, "polls",
		    (int)e->polls, "outcome", e->outcome);
		json_object_update(o, more);
		json_decref(more);
	}
	return cli_json_print(o, eb);
}

static enum err print(struct listener *l, const struct trace_event *e, struct errbuf *eb)
{
	double seconds;
	enum err err = OK;

	if (!l->begun)
		l->first_us = e->at_us;
	l->begun = true;
	seconds = e->at_us > l->first_us ? (double)(e->at_us - l->first_us) / 1e6 : 0;
	if (cli_json(l->cli))
		err = print_json(e, seconds, eb);
	else if (e->kind == TRACE_COMMAND)
		printf("%10.4f  %02X  %s -> %s, %.1f ms\n", seconds, e->address, e->what,
		    e->outcome, (double)e->us / 1000);
	else
		printf("%10.4f  %02X  %s\n", seconds, e->address, e->what);
	fflush(stdout);
	return err;
}

/* One whole record, if there is one; its size, else 0. */
static enum err take_record(struct listener *l, size_t *size, struct errbuf *eb)
{
	size_t request = load_le16(l->in + 12), reply = load_le16(l->in + 14), n;
	uint64_t us = load_le32(l->in) | (uint64_t)load_le32(l->in + 4) << 32;
	struct trace_event events[2];
	enum err e = OK;

	*size = 0;
	if (l->n < RECORD_HEAD)
		return OK;
	if (request > FRAME_MAX || reply > FRAME_MAX)
		return err_set(eb, ERR_FORMAT, "the emulator sent a record of an impossible size");
	if (l->n < RECORD_HEAD + request + reply)
		return OK;
	*size = RECORD_HEAD + request + reply;
	if (load_le32(l->in + 8)) {
		cli_say(
		    l->cli, "%lu transactions were not heard", (unsigned long)load_le32(l->in + 8));
		trace_init(&l->trace);
	}
	n = trace_take(&l->trace, us, (struct slice){ l->in + RECORD_HEAD, request },
	    (struct slice){ l->in + RECORD_HEAD + request, reply }, events);
	for (size_t i = 0; i < n && e == OK; i++)
		e = print(l, &events[i], eb);
	return e;
}

static enum err take_records(struct listener *l, struct errbuf *eb)
{
	size_t size;
	enum err e;

	while ((e = take_record(l, &size, eb)) == OK && size) {
		l->n -= size;
		memmove(l->in, l->in + size, l->n);
	}
	return e;
}

/* Until the emulator ends or somebody stops us. */
static enum err hear(struct listener *l, struct errbuf *eb)
{
	struct pollfd p[2] = { { .fd = l->fd, .events = POLLIN },
		{ .fd = cli_stop_fd(), .events = POLLIN } };
	enum err e = OK;
	ssize_t n;

	while (e == OK) {
		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_set(eb, ERR_IO, "poll: %s", strerror(errno));
		}
		if (p[1].revents)
			return OK;
		n = recv(l->fd, l->in + l->n, sizeof(l->in) - l->n, 0);
		if (n == 0)
			return OK;
		if (n < 0)
			return err_set(eb, ERR_IO, "the emulator is gone: %s", strerror(errno));
		l->n += (size_t)n;
		e = take_records(l, eb);
	}
	return e;
}

enum err element_trace(struct cli *cli, struct errbuf *eb)
{
	struct listener *l = calloc(1, sizeof(*l));
	char path[FOLDER_PATH_MAX];
	struct element_places at;
	enum err e;

	if (!l)
		return err_set(eb, ERR_MEMORY, "no memory to listen with");
	l->cli = cli;
	l->fd = -1;
	trace_init(&l->trace);
	if ((e = element_places(cli, &at, eb)) != OK ||
	    (e = chip_socket(at.run, cli->args[0], path, eb)) != OK ||
	    (e = listen_to(l, path, eb)) != OK)
		goto out;
	cli_say(cli, "listening at %s", path);
	e = hear(l, eb);
out:
	if (l->fd >= 0)
		close(l->fd);
	free(l);
	return e;
}
