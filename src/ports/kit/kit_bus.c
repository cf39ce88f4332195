#include "kit_bus.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { WORD_RESET = 0x00, WORD_SLEEP = 0x01, WORD_IDLE = 0x02, WORD_COMMAND = 0x03 };

/* Statuses, by cryptoauthlib's numbers; the rest are our mistakes or the kit's. */
enum { DONE = 0x00, NO_ANSWER = 0xE7, BUS_FAILED = 0xF0, TIMED_OUT = 0xF1 };

#define DEVICES 16 /* that a kit is asked for */
#define PACKET_MAX 255

/* A line may be under way, so the connection is of no use any more. */
static enum err broken(struct kit_bus *bus, int error)
{
	kit_bus_close(bus);
	bus->error = error;
	return ERR_IO;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until the descriptor is ready for `events`; 0 or an errno. */
static int await(const struct kit_bus *bus, short events, int64_t deadline)
{
	struct pollfd p = { .fd = bus->fd, .events = events };

	for (;;) {
		int64_t left = deadline - now_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return ETIMEDOUT;
		if (errno != EINTR)
			return errno;
	}
}

/* --- lines --- */

/* A socket whose other end is gone must not kill the process; a serial port knows no such thing. */
static ssize_t put(int fd, const char *p, size_t n)
{
	ssize_t done = send(fd, p, n, MSG_NOSIGNAL);

	return done < 0 && errno == ENOTSOCK ? write(fd, p, n) : done;
}

static enum err say(struct kit_bus *bus, const char *line, size_t n, int64_t deadline)
{
	while (n) {
		ssize_t done = put(bus->fd, line, n);
		int error = done < 0 ? errno : 0;

		if (error == EAGAIN)
			error = await(bus, POLLOUT, deadline);
		if (error && error != EINTR)
			return broken(bus, error);
		if (done > 0) {
			line += done;
			n -= (size_t)done;
		}
	}
	return OK;
}

/* One line without its end; NUL and CR are ignored. */
static enum err hear(struct kit_bus *bus, size_t *n, int64_t deadline)
{
	size_t at = 0;

	for (;;) {
		char c = 0;
		ssize_t done = read(bus->fd, &c, 1);
		int error = done < 0 ? errno : done == 0 ? ECONNRESET : 0;

		if (error == EAGAIN)
			error = await(bus, POLLIN, deadline);
		if (error && error != EINTR)
			return broken(bus, error);
		if (done != 1 || c == '\r' || c == '\0')
			continue;
		if (c == '\n') {
			*n = at;
			return OK;
		}
		if (at == sizeof(bus->line))
			return broken(bus, EPROTO);
		bus->line[at++] = c;
	}
}

static enum err ask(struct kit_bus *bus, const char *line, size_t n, size_t *heard)
{
	int64_t deadline = now_ms() + bus->reply_ms;
	enum err e;

	if (bus->fd < 0) /* keeps the reason why there is none */
		return bus->error ? ERR_IO : broken(bus, ENOTCONN);
	if ((e = say(bus, line, n, deadline)) != OK)
		return e;
	return hear(bus, heard, deadline);
}

/* "SS(HEX)" at the end of a line: the status, and how many bytes went to `out`. */
static bool reply_parse(struct slice line, uint8_t *status, uint8_t out[PACKET_MAX], size_t *n)
{
	size_t digits = line.n < 4 ? 0 : line.n - 4;

	if (line.n < 4 || digits / 2 > PACKET_MAX || line.p[2] != '(' ||
	    line.p[line.n - 1] != ')' || hex_decode((struct slice){ line.p, 2 }, status, 1) != OK ||
	    hex_decode((struct slice){ line.p + 3, digits }, out, digits / 2) != OK)
		return false;
	*n = digits / 2;
	return true;
}

/* What the kit's word for it means to the driver. */
static enum err meaning(struct kit_bus *bus, uint8_t status)
{
	switch (status) {
	case DONE:
		return OK;
	case NO_ANSWER:
	case TIMED_OUT:
		return ERR_TIMEOUT;
	case BUS_FAILED:
		bus->error = EIO;
		return ERR_IO;
	default:
		return broken(bus, EPROTO);
	}
}

/* A request and its reply. What the chip holds ready afterwards is only changed by one that has some. */
static enum err request(struct kit_bus *bus, const char *line, size_t n, bool answers)
{
	uint8_t status, got[PACKET_MAX];
	size_t heard, got_n;
	enum err e;

	if (answers)
		bus->answer_n = bus->at = 0;
	if ((e = ask(bus, line, n, &heard)) != OK)
		return e;
	if (!reply_parse((struct slice){ (const uint8_t *)bus->line, heard }, &status, got, &got_n))
		return broken(bus, EPROTO);
	e = meaning(bus, status);
	if (e == OK && answers) {
		memcpy(bus->answer, got, got_n);
		bus->answer_n = got_n;
	}
	wipe(got, sizeof(got));
	wipe(bus->line, sizeof(bus->line));
	return e;
}

static enum err simple(struct kit_bus *bus, const char *line, bool answers)
{
	return request(bus, line, strlen(line), answers);
}

/* --- the bus of se.h --- */

static enum err bus_wake(void *ctx)
{
	enum err e = simple(ctx, "E:w()\n", true);

	return e == ERR_TIMEOUT ? OK : e; /* reading will show that nobody is there */
}

static enum err talk(struct kit_bus *bus, const uint8_t *p, size_t n)
{
	char line[4 + 2 * PACKET_MAX + 3];
	enum err e;

	memcpy(line, "E:t(", 4);
	hex_encode((struct slice){ p, n }, HEX_UPPER, line + 4);
	memcpy(line + 4 + 2 * n, ")\n", 2);
	e = request(bus, line, 4 + 2 * n + 2, true);
	wipe(line, sizeof(line));
	return e;
}

static enum err bus_send(void *ctx, const uint8_t *p, size_t n)
{
	struct kit_bus *bus = ctx;

	if (n == 0 || n > 1 + PACKET_MAX || (p[0] != WORD_COMMAND && n != 1))
		return ERR_ARG;
	switch (p[0]) {
	case WORD_RESET:
		bus->at = 0;
		return bus->fd < 0 ? ERR_IO : OK;
	case WORD_SLEEP:
		return simple(bus, "E:s()\n", false);
	case WORD_IDLE:
		return simple(bus, "E:i()\n", false);
	case WORD_COMMAND:
		return talk(bus, p + 1, n - 1);
	default:
		return ERR_ARG;
	}
}

/* Behind the end of the answer the bus reads FF. */
static enum err bus_recv(void *ctx, uint8_t *p, size_t n)
{
	struct kit_bus *bus = ctx;

	if (bus->fd < 0)
		return ERR_IO;
	if (bus->answer_n == 0)
		return ERR_TIMEOUT;
	for (size_t i = 0; i < n; i++)
		p[i] = bus->at < bus->answer_n ? bus->answer[bus->at++] : 0xFF;
	return OK;
}

static void bus_wait_ms(void *ctx, uint32_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)ctx;
	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

/* --- opening --- */

/* "ECC608A TWI 00(60)": *address when it is a chip of the family. False: no such line. */
static bool device_parse(struct slice line, bool *ours, bool *none, uint8_t *address)
{
	const uint8_t *last = line.p + line.n;
	uint8_t number, at[PACKET_MAX];
	size_t n;

	while (last > line.p && last[-1] != ' ')
		last--;
	if (last == line.p ||
	    !reply_parse(
	        (struct slice){ last, (size_t)(line.p + line.n - last) }, &number, at, &n) ||
	    n != 1)
		return false;
	*none = line.n >= 9 && memcmp(line.p, "no_device", 9) == 0;
	*ours =
	    line.n >= 6 && (memcmp(line.p, "ECC508", 6) == 0 || memcmp(line.p, "ECC608", 6) == 0);
	*address = at[0];
	return true;
}

static enum err find_chip(struct kit_bus *bus)
{
	char line[32];
	bool ours, none;
	size_t heard;
	enum err e;

	for (unsigned i = 0; i < DEVICES; i++) {
		int n = snprintf(line, sizeof(line), "board:device(%02X)\n", i);

		if ((e = ask(bus, line, (size_t)n, &heard)) != OK)
			return e;
		if (!device_parse((struct slice){ (const uint8_t *)bus->line, heard }, &ours, &none,
		        &bus->address))
			return broken(bus, EPROTO);
		if (ours)
			return OK;
		if (none)
			break;
	}
	return ERR_DEVICE;
}

enum err kit_bus_begin(struct kit_bus *bus, int fd)
{
	char line[32];
	enum err e;

	memset(bus, 0, sizeof(*bus));
	bus->hal = (struct se_hal){ bus, bus_wake, bus_send, bus_recv, bus_wait_ms };
	bus->reply_ms = KIT_BUS_REPLY_MS;
	bus->fd = fd;
	if ((e = find_chip(bus)) == OK &&
	    (e = simple(bus, "E:physical:interface:i2c\n", false)) == OK) {
		snprintf(line, sizeof(line), "E:physical:select(%02X)\n", bus->address);
		e = simple(bus, line, false);
	}
	if (e != OK)
		kit_bus_close(bus);
	return e == ERR_TIMEOUT ? ERR_DEVICE : e;
}

static enum err code_of(int error)
{
	return error == ENOENT || error == ENXIO || error == ENODEV ? ERR_NOT_FOUND
	       : error == EACCES || error == EPERM                  ? ERR_DENIED
	                                                            : ERR_IO;
}

/* Raw, 115200 baud nominal: kits are USB devices, which do not care. */
static enum err open_serial(struct kit_bus *bus, const char *path, int *fd)
{
	struct termios t;
	int opened = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (opened < 0) {
		bus->error = errno;
		return code_of(errno);
	}
	if (tcgetattr(opened, &t) == 0) {
		cfmakeraw(&t);
		t.c_cflag |= CLOCAL | CREAD;
		(void)cfsetspeed(&t, B115200);
		if (tcsetattr(opened, TCSANOW, &t) == 0) {
			(void)tcflush(opened, TCIOFLUSH); /* of whoever was here before */
			*fd = opened;
			return OK;
		}
	}
	bus->error = errno;
	close(opened);
	return bus->error == ENOTTY ? ERR_ARG : ERR_IO;
}

static int connect_one(const struct addrinfo *to, unsigned ms, int *fd)
{
	int error = 0, s = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd p = { .fd = s, .events = POLLOUT };
	socklen_t size = sizeof(error);
	const int on = 1;

	if (s < 0)
		return errno;
	if (connect(s, to->ai_addr, to->ai_addrlen) != 0)
		error = errno;
	if (error == EINPROGRESS && poll(&p, 1, (int)ms) != 1)
		error = ETIMEDOUT;
	else if (error == EINPROGRESS && getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		error = errno;
	if (error) {
		close(s);
		return error;
	}
	(void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*fd = s;
	return 0;
}

/* HOST:PORT; the last colon divides, so that ::1 needs no brackets. */
static enum err open_tcp(struct kit_bus *bus, const char *where, int *fd)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const char *colon = strrchr(where, ':');
	size_t n = colon ? (size_t)(colon - where) : 0;
	struct addrinfo *list = NULL;
	char host[256];

	if (n == 0 || n >= sizeof(host) || colon[1] == '\0') {
		bus->error = EINVAL;
		return ERR_ARG;
	}
	memcpy(host, where, n);
	host[n] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &list) != 0) {
		bus->error = ENOENT;
		return ERR_NOT_FOUND;
	}
	for (const struct addrinfo *a = list; a && *fd < 0; a = a->ai_next)
		bus->error = connect_one(a, KIT_BUS_REPLY_MS, fd);
	freeaddrinfo(list);
	return *fd < 0 ? ERR_IO : OK;
}

enum err kit_bus_open(struct kit_bus *bus, const char *where)
{
	int fd = -1;
	enum err e;

	memset(bus, 0, sizeof(*bus));
	bus->fd = -1;
	if (strncmp(where, "tcp:", 4) == 0 || strncmp(where, "pty:", 4) == 0)
		where += 4;
	e = strchr(where, '/') ? open_serial(bus, where, &fd) : open_tcp(bus, where, &fd);
	return e == OK ? kit_bus_begin(bus, fd) : e;
}

void kit_bus_close(struct kit_bus *bus)
{
	if (bus->fd >= 0)
		close(bus->fd);
	bus->fd = -1;
	bus->answer_n = bus->at = 0;
	wipe(bus->answer, sizeof(bus->answer));
}
