/*
 * rig.h -- a board on the test bench: a host that types a script, and a wire tap between the board and
 * its chip that counts what passes, can cut the wire, and can call the test at each command.
 */
#ifndef IMPRINT_TEST_RIG_H
#define IMPRINT_TEST_RIG_H

#include "board.h"
#include "serial.h"
#include "tap.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define SCRIPT_MAX 16
#define SAID_MAX 16384

/* Ends the test program: the bench itself is broken. */
static inline void must(bool good, const char *what)
{
	if (good)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(99);
}

/* --- folders --- */

struct bench {
	char folder[32], state[64], run[64];
};

static inline struct bench bench_make(void)
{
	struct bench b;

	strcpy(b.folder, "/tmp/imXXXXXX");
	must(mkdtemp(b.folder) != NULL, "mkdtemp");
	snprintf(b.state, sizeof(b.state), "%s/state", b.folder);
	snprintf(b.run, sizeof(b.run), "%s/run", b.folder);
	return b;
}

static inline void bench_clear(const struct bench *b)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", b->folder);
	must(system(command) == 0, command);
}

/* --- a host that types a script --- */

struct host {
	const char *answers[SCRIPT_MAX]; /* from the new key on; NULL ends it */
	char said[SAID_MAX];             /* by the board */
	size_t n;
	unsigned typed;
	enum err e; /* of the last read: OK when the dialogue came to an end */
};

static inline bool host_ends(const struct host *h, const char *text)
{
	size_t n = strlen(text);

	return h->n >= n && memcmp(h->said + h->n - n, text, n) == 0;
}

/* The line that the board is at. */
static inline const char *host_line(const struct host *h)
{
	const char *line = h->said + h->n;

	while (line > h->said && line[-1] != '\n')
		line--;
	return line;
}

/* The last line is whole and is one after which nothing comes. */
static inline bool host_is_over(const struct host *h, bool in_2020)
{
	static const char *const last[] = { "Program finished.", "correctly installed.",
		"Latest version available: ", "Error ", " failed!", " present!",
		"That's all folks" };
	const char *line;

	if (!host_ends(h, "\r\n"))
		return false;
	line = h->said + h->n - 2;
	while (line > h->said && line[-1] != '\n')
		line--;
	for (size_t i = 0; i < COUNT(last); i++)
		if (memmem(line, (size_t)(h->said + h->n - line), last[i], strlen(last[i])) != NULL)
			return true;
	return in_2020 && strncmp(line, "3082", 4) == 0;
}

/*
 * Opens the port and answers every prompt until the dialogue is over or the script is at its end. The
 * question whether the chip may be locked is answered with y.
 */
static inline void host_talk(struct host *h, const char *port_path, bool in_2020)
{
	struct serial *port = NULL;
	struct errbuf eb = { "" };

	h->n = 0;
	h->typed = 0;
	h->e = serial_open(port_path, &port, &eb);
	while (h->e == OK && !host_is_over(h, in_2020)) {
		size_t got;

		if (host_ends(h, ": ")) {
			const char *answer = "y";

			h->said[h->n] = '\0';
			if (strncmp(host_line(h), "Your ", 5) != 0 &&
			    (answer = h->answers[h->typed++]) == NULL)
				break;
			must(serial_write(port,
			         (struct slice){ (const uint8_t *)answer, strlen(answer) },
			         PATIENCE_MS, &eb) == OK &&
			         serial_write(port, TEXT("\n"), PATIENCE_MS, &eb) == OK,
			    eb.text);
		}
		h->e = serial_read(
		    port, (uint8_t *)h->said + h->n, SAID_MAX - 1 - h->n, &got, PATIENCE_MS, &eb);
		h->n += got;
	}
	h->said[h->n] = '\0';
	serial_free(port);
}

/* --- the tap --- */

struct wire {
	char path[108], chip[108];
	int fd;
	pthread_t thread;
	atomic_long cut_after; /* frames until the wire is cut for good; negative: never */
	void (*command)(void *ctx, const uint8_t *packet, size_t n); /* from count to CRC */
	void *ctx;
	atomic_long frames;
	/* Read after wire_stop. */
	unsigned opcodes[256];
};

static inline int wire_connect(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, path);
	must(fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0, path);
	return fd;
}

static inline bool wire_read(int fd, uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t got = recv(fd, p, n, 0);

		if (got <= 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

static inline bool wire_write(int fd, const uint8_t *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* One request and its reply. A write of data goes with the request, data read with the reply. */
static inline bool wire_frame(struct wire *t, int board, int chip)
{
	uint8_t frame[4 + 4096];
	size_t n;

	if (!wire_read(board, frame, 4))
		return false;
	n = load_le16(frame + 2);
	if (frame[0] == 'R')
		n = 0;
	if (n > 4096 || !wire_read(board, frame + 4, n))
		return false;
	if (t->cut_after >= 0 && t->frames >= t->cut_after)
		return false;
	t->frames++;
	if (frame[0] == 'W' && frame[1] != 0 && n > 2 && frame[4] == 3) {
		t->opcodes[frame[6]]++;
		if (t->command != NULL)
			t->command(t->ctx, frame + 5, n - 1);
	}
	if (!wire_write(chip, frame, 4 + n) || !wire_read(chip, frame, 3))
		return false;
	n = load_le16(frame + 1);
	return n <= 4096 && wire_read(chip, frame + 3, n) && wire_write(board, frame, 3 + n);
}

static inline void *wire_run(void *arg)
{
	struct wire *t = arg;
	int board, chip;

	while ((board = accept4(t->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		chip = wire_connect(t->chip);
		while (wire_frame(t, board, chip))
			;
		close(chip);
		close(board);
	}
	return NULL;
}

/* cut_after and command are the caller's; the rest begins anew. */
static inline void wire_start(struct wire *t, const char *path, const char *chip)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	strcpy(t->path, path);
	strcpy(t->chip, chip);
	strcpy(at.sun_path, path);
	t->frames = 0;
	memset(t->opcodes, 0, sizeof(t->opcodes));
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(t->fd >= 0 && bind(t->fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
	         listen(t->fd, 4) == 0 && pthread_create(&t->thread, NULL, wire_run, t) == 0,
	    path);
}

/* The board must have left the wire. */
static inline void wire_stop(struct wire *t)
{
	shutdown(t->fd, SHUT_RDWR);
	pthread_join(t->thread, NULL);
	close(t->fd);
	unlink(t->path);
}

/* --- a chip of our own behind a tap --- */

struct chip {
	struct emu *emu;
	struct emu_server *server;
	struct wire wire;
};

static inline void chip_start(struct chip *c, const struct bench *b, enum emu_family family)
{
	struct emu_options o = { .family = family };
	char path[108], tapped[108];
	struct errbuf eb = { "" };

	snprintf(path, sizeof(path), "%s/chip", b->folder);
	snprintf(tapped, sizeof(tapped), "%s/tap", b->folder);
	must(emu_open(NULL, &o, &c->emu, &eb) == OK &&
	         emu_server_new(path, &c->emu, 1, &c->server, &eb) == OK &&
	         emu_server_start(c->server, &eb) == OK,
	    eb.text);
	c->wire.cut_after = -1;
	wire_start(&c->wire, tapped, path);
}

static inline void chip_stop(struct chip *c)
{
	wire_stop(&c->wire);
	emu_server_free(c->server);
	emu_free(c->emu);
}

#endif
