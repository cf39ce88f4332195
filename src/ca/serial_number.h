/*
 * serial_number.h -- serial numbers of certificates: 16 bytes from the operating system.
 *
 * The first byte is 01..7f, so that the INTEGER has 16 content bytes whatever follows; 126.9 bits
 * are random. Nothing takes a serial from a request.
 *
 *	uint8_t serial[16];
 *	if ((e = serial_number_draw(serial)) != OK)
 *		return e;
 */
#ifndef IMPRINT_SERIAL_NUMBER_H
#define IMPRINT_SERIAL_NUMBER_H

#include "base.h"

/* ERR_IO when getrandom fails. */
enum err serial_number_draw(uint8_t serial[16]) MUST_CHECK;

#endif
