/*
 * What can come back from a kit in place of the kit protocol: the driver's bus gives bytes, "nobody is
 * there" or an error, and after a line of a wrong form it has hung up.
 *
 * Input: everything that the kit says before it closes.
 */
#include "fuzz.h"
#include "kit_bus.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t info[] = { 0x03, 0x07, 0x30, 0x00, 0x00, 0x00, 0x03, 0x5d };
	struct kit_bus bus;
	int ends[2];
	enum err e;

	if (size > 8192)
		size = 8192; /* less than what the socket holds */
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	CHECK(size == 0 || send(ends[1], data, size, MSG_NOSIGNAL) == (ssize_t)size);
	CHECK(shutdown(ends[1], SHUT_WR) == 0);
	e = kit_bus_begin(&bus, ends[0]);
	CHECK(e == OK || e == ERR_DEVICE || e == ERR_IO);
	CHECK((e == OK) == (bus.fd >= 0) && (e != ERR_IO || bus.error));
	for (size_t n = 1; bus.fd >= 0; n = n * 5 % 257) {
		uint8_t in[258];

		memset(in, 0xee, sizeof(in));
		e = n % 3 == 0   ? bus.hal.wake(bus.hal.ctx)
		    : n % 3 == 1 ? bus.hal.send(bus.hal.ctx, info, sizeof(info))
		                 : bus.hal.send(bus.hal.ctx, (const uint8_t[]){ 0x02 }, 1);
		CHECK(e == OK || e == ERR_TIMEOUT || e == ERR_IO);
		CHECK((e != ERR_IO) || bus.error);
		CHECK(bus.answer_n <= sizeof(bus.answer) && bus.at <= bus.answer_n);
		e = bus.hal.recv(bus.hal.ctx, in, n);
		CHECK(e == OK || e == ERR_TIMEOUT || (e == ERR_IO && bus.fd < 0));
		CHECK(in[n] == 0xee && (e == OK || in[0] == 0xee));
	}
	CHECK(bus.hal.wake(bus.hal.ctx) == ERR_IO);
	kit_bus_close(&bus);
	close(ends[1]);
	return 0;
}
