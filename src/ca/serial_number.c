#include "serial_number.h"

#include <string.h>
#include <sys/random.h>

enum err serial_number_draw(uint8_t serial[16])
{
	uint8_t drawn[16];

	/* One draw in 128 begins with zero and is thrown away, so that all others are as likely. */
	do {
		if (getrandom(drawn, sizeof(drawn), 0) != (ssize_t)sizeof(drawn))
			return ERR_IO;
		drawn[0] &= 0x7f;
	} while (drawn[0] == 0);
	memcpy(serial, drawn, sizeof(drawn));
	return OK;
}
