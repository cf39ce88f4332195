/*
 * emu_hal.h -- the bus of an emulated chip in this process: the driver of se.h without a socket.
 *
 * Waiting moves the chip's clock, so nothing is waited for when it is an instant one or keeps virtual time.
 * The hal borrows the chip and owns nothing.
 *
 *	struct se_hal hal = emu_hal(emu);
 *	e = se_open(&se, &hal);
 */
#ifndef IMPRINT_EMU_HAL_H
#define IMPRINT_EMU_HAL_H

#include "emu.h"
#include "se.h"

struct se_hal emu_hal(struct emu *emu);

#endif
