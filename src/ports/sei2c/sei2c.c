#include "sei2c.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_HEAD 4
#define REPLY_HEAD 3
#define ADDRESS_FIRST 0x08 /* of a chip; below are the bus's own */
#define ADDRESS_LAST 0x77

enum { STATUS_ACK, STATUS_NACK_ADDRESS, STATUS_NACK_DATA, STATUS_ILLEGAL, STATUS_REFUSED };

#define COUNTS 1108 /* bytes of what an emulator counts */

/* Half a frame may be under way, so the connection is of no use any more. */
static enum err broken(struct sei2c *bus, int error)
{
	bus->error = error;
	if (bus->fd >= 0)
		close(bus->fd);
	bus->fd = -1;
	return ERR_IO;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until the socket is ready for `events`; 0 or an errno. */
static int await(struct sei2c *bus, short events, int64_t deadline)
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

/* Blocks while the other end's queue is full, for no longer than for a reply. */
static enum err connect_bus(struct sei2c *bus)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = bus->reply_ms / 1000,
		.tv_usec = bus->reply_ms % 1000 * 1000 };

	memcpy(to.sun_path, bus->path, strlen(bus->path) + 1);
	bus->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bus->fd < 0 ||
	    setsockopt(bus->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
	    connect(bus->fd, (const struct sockaddr *)&to, sizeof(to)) != 0)
		return broken(bus, errno);
	bus->error = 0;
	return OK;
}

static enum err write_all(struct sei2c *bus, const uint8_t *p, size_t n, int64_t deadline)
{
	while (n) {
		ssize_t done = send(bus->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		int error = done < 0 ? errno : 0;

		if (error == EAGAIN)
			error = await(bus, POLLOUT, deadline);
		if (error && error != EINTR)
			return broken(bus, error);
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return OK;
}

static enum err read_all(struct sei2c *bus, uint8_t *p, size_t n, int64_t deadline)
{
	while (n) {
		ssize_t done = recv(bus->fd, p, n, MSG_DONTWAIT);
		int error = done < 0 ? errno : done == 0 ? ECONNRESET : 0;

		if (error == EAGAIN)
			error = await(bus, POLLIN, deadline);
		if (error && error != EINTR)
			return broken(bus, error);
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return OK;
}

/* Sends a request; the head of its reply. */
static enum err begin(struct sei2c *bus, char op, uint8_t address, struct slice out, size_t n_in,
    uint8_t head[REPLY_HEAD], int64_t deadline)
{
	uint8_t frame[REQUEST_HEAD + SEI2C_DATA_MAX];
	enum err e;

	if (out.n > SEI2C_DATA_MAX || n_in > SEI2C_DATA_MAX)
		return ERR_ARG;
	if (bus->fd < 0) /* keeps the reason why there is none */
		return bus->error ? ERR_IO : broken(bus, ENOTCONN);
	frame[0] = (uint8_t)op;
	frame[1] = address;
	store_le16(frame + 2, (uint16_t)(out.n ? out.n : n_in));
	if (out.n)
		memcpy(frame + REQUEST_HEAD, out.p, out.n);
	if ((e = write_all(bus, frame, REQUEST_HEAD + out.n, deadline)) != OK)
		return e;
	return read_all(bus, head, REPLY_HEAD, deadline);
}

/* One request and its reply, which must carry n_in bytes when it is an acknowledge, else none. */
static enum err transact(struct sei2c *bus, char op, uint8_t address, const uint8_t *out,
    size_t n_out, uint8_t *in, size_t n_in)
{
	int64_t deadline = now_ms() + bus->reply_ms;
	uint8_t head[REPLY_HEAD];
	enum err e;

	e = begin(bus, op, address, (struct slice){ out, n_out }, n_in, head, deadline);
	if (e != OK)
		return e;
	if (load_le16(head + 1) != (head[0] == STATUS_ACK ? n_in : 0))
		return broken(bus, EPROTO);
	bus->data_refused = head[0] == STATUS_NACK_DATA;
	if (head[0] == STATUS_NACK_ADDRESS || bus->data_refused)
		return ERR_TIMEOUT;
	if (head[0] != STATUS_ACK)
		return broken(bus, EPROTO);
	return read_all(bus, in, n_in, deadline);
}

static enum err pulse(struct sei2c *bus)
{
	static const uint8_t zero[1];
	enum err e = transact(bus, 'W', 0, zero, sizeof(zero), NULL, 0);

	return e == ERR_TIMEOUT ? OK : e; /* nobody acknowledges address 0 */
}

static enum err bus_wake(void *ctx)
{
	struct sei2c *bus = ctx;
	enum err e = OK;

	if (bus->fd >= 0)
		e = pulse(bus);
	if (bus->fd < 0 && (e = connect_bus(bus)) == OK)
		e = pulse(bus);
	return e;
}

static enum err bus_send(void *ctx, const uint8_t *p, size_t n)
{
	struct sei2c *bus = ctx;

	return transact(bus, 'W', bus->address, p, n, NULL, 0);
}

static enum err bus_recv(void *ctx, uint8_t *p, size_t n)
{
	struct sei2c *bus = ctx;

	return transact(bus, 'R', bus->address, NULL, 0, p, n);
}

static void bus_wait_ms(void *ctx, uint32_t ms)
{
	struct sei2c *bus = ctx;
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	uint8_t us[4];

	if (bus->virtual_time && bus->fd >= 0) {
		store_le32(us, ms * 1000);
		if (transact(bus, 'T', bus->address, us, sizeof(us), NULL, 0) == OK)
			return;
	}
	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

enum err sei2c_init(struct sei2c *bus, const char *path, unsigned address)
{
	size_t n = strlen(path);

	if (n == 0 || n > SEI2C_PATH_MAX || address < ADDRESS_FIRST || address > ADDRESS_LAST)
		return ERR_ARG;
	memset(bus, 0, sizeof(*bus));
	memcpy(bus->path, path, n);
	bus->hal = (struct se_hal){ bus, bus_wake, bus_send, bus_recv, bus_wait_ms };
	bus->reply_ms = SEI2C_REPLY_MS;
	bus->address = (uint8_t)address;
	bus->fd = -1;
	return OK;
}

void sei2c_close(struct sei2c *bus)
{
	if (bus->fd >= 0)
		close(bus->fd);
	bus->fd = -1;
}

static enum err connected(struct sei2c *bus)
{
	return bus->fd >= 0 ? OK : connect_bus(bus);
}

enum err sei2c_write(struct sei2c *bus, unsigned address, const uint8_t *p, size_t n)
{
	enum err e;

	if (address > ADDRESS_LAST || n > SEI2C_DATA_MAX)
		return ERR_ARG;
	if ((e = connected(bus)) != OK)
		return e;
	return transact(bus, 'W', (uint8_t)address, p, n, NULL, 0);
}

enum err sei2c_read(struct sei2c *bus, unsigned address, uint8_t *p, size_t n)
{
	enum err e;

	if (address > ADDRESS_LAST || n > SEI2C_DATA_MAX)
		return ERR_ARG;
	if ((e = connected(bus)) != OK)
		return e;
	return transact(bus, 'R', (uint8_t)address, NULL, 0, p, n);
}

enum err sei2c_counts(struct sei2c *bus, struct sei2c_counts *counts)
{
	uint8_t p[COUNTS];
	enum err e = connected(bus);

	if (e != OK || (e = transact(bus, 'I', bus->address, NULL, 0, p, sizeof(p))) != OK)
		return e;
	counts->faults = load_le16(p);
	counts->faults_left = load_le16(p + 2);
	counts->wear_config = load_le32(p + 4);
	counts->wear_otp = load_le32(p + 8);
	for (size_t i = 0; i < COUNT(counts->wear_slot); i++)
		counts->wear_slot[i] = load_le32(p + 12 + 4 * i);
	counts->busy_us = load_le32(p + 76) | (uint64_t)load_le32(p + 80) << 32;
	for (size_t i = 0; i < COUNT(counts->commands); i++)
		counts->commands[i] = load_le32(p + 84 + 4 * i);
	return OK;
}

enum err sei2c_faults(struct sei2c *bus, struct slice plan, char why[SEI2C_WHY_MAX])
{
	int64_t deadline = now_ms() + bus->reply_ms;
	uint8_t head[REPLY_HEAD];
	size_t n;
	enum err e = connected(bus);

	if (e != OK || (e = begin(bus, 'F', bus->address, plan, 0, head, deadline)) != OK)
		return e;
	n = load_le16(head + 1);
	if (head[0] == STATUS_REFUSED && n < SEI2C_WHY_MAX) {
		if ((e = read_all(bus, (uint8_t *)why, n, deadline)) != OK)
			return e;
		why[n] = '\0';
		return ERR_FORMAT;
	}
	if (n != 0 || (head[0] != STATUS_ACK && head[0] != STATUS_NACK_ADDRESS))
		return broken(bus, EPROTO);
	return head[0] == STATUS_ACK ? OK : ERR_TIMEOUT;
}

enum err sei2c_power_cycle(struct sei2c *bus)
{
	enum err e = connected(bus);

	return e == OK ? transact(bus, 'P', bus->address, NULL, 0, NULL, 0) : e;
}
