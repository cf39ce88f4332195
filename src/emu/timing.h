/*
 * timing.h -- how long each command takes, in microseconds, by profile and family.
 *
 * Max is the bound that hosts must wait for (608 at clock divider M0). Typical is the data sheet's
 * typical figure for the 508A; for the 608 no such figures are public, so its column is what its
 * users see, and everywhere below the fixed waits of ArduinoECCX08.
 */
#ifndef IMPRINT_EMU_TIMING_H
#define IMPRINT_EMU_TIMING_H

#include "emu.h"

/* tWHI: from the wake pulse to the first access; only EMU_MAX insists on it. */
#define TIMING_WAKE_US 1500
/* From wake until the chip falls asleep by itself: nominal, and with ChipMode bit 2 on a 608. */
#define TIMING_WATCHDOG_US 1300000
#define TIMING_WATCHDOG_LONG_US 10000000

/* An opcode that the family does not know costs nothing: the parser refuses it at once. */
uint32_t timing_us(enum emu_timing profile, bool is_608, uint8_t opcode, uint8_t param1);

#endif
