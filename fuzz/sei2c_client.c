/*
 * What can come back over the socket in place of SEI2C/1 replies: the client asks for bytes, gets exactly
 * those or an error, and after a reply of a wrong form has hung up.
 *
 * Input: everything the other end says before it closes.
 */
#include "fuzz.h"
#include "sei2c.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connected bus whose other end has said all this and says no more; returns that end. */
static int connected(struct sei2c *bus, const uint8_t *data, size_t size)
{
	int ends[2];

	if (size > 4096)
		size = 4096; /* less than what the socket holds */
	CHECK(sei2c_init(bus, "/dev/null", SEI2C_ADDRESS) == OK); /* nobody listens there */
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	CHECK(size == 0 || send(ends[1], data, size, MSG_NOSIGNAL) == (ssize_t)size);
	CHECK(shutdown(ends[1], SHUT_WR) == 0);
	bus->fd = ends[0];
	return ends[1]; /* stays open, so that requests have where to go */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sei2c bus;
	int other = connected(&bus, data, size);

	for (size_t n = 1; bus.fd >= 0; n = n * 5 % 97) {
		char why[SEI2C_WHY_MAX + 1] = { [SEI2C_WHY_MAX] = '!' };
		struct sei2c_counts counts;
		uint8_t in[98];
		enum err e;

		memset(in, 0xee, sizeof(in));
		if (n % 7 == 0) {
			e = sei2c_faults(&bus, (struct slice){ in, 3 }, why);
			CHECK(e != ERR_FORMAT || memchr(why, '\0', SEI2C_WHY_MAX));
			CHECK(why[SEI2C_WHY_MAX] == '!');
		} else if (n % 11 == 0) {
			e = sei2c_counts(&bus, &counts);
		} else if (n % 2) {
			e = bus.hal.recv(bus.hal.ctx, in, n);
		} else {
			e = bus.hal.send(bus.hal.ctx, in, n);
		}
		CHECK(
		    e == OK || e == ERR_TIMEOUT || e == ERR_IO || (e == ERR_FORMAT && n % 7 == 0));
		CHECK(in[n] == 0xee);
		CHECK((e == ERR_IO) == (bus.fd < 0) && (e != ERR_IO || bus.error));
	}
	CHECK(bus.hal.wake(bus.hal.ctx) == ERR_IO);
	sei2c_close(&bus);
	close(other);
	return 0;
}
