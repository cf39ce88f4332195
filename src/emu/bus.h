/*
 * bus.h -- the I2C side of one chip: power states, word addresses, output buffer, busy, watchdog.
 *
 * Sans I/O: time comes in as microseconds that never go back; what the engine changed in the EEPROM
 * must be saved before the next call, because only that can read the response.
 *
 *	bus_power_up(&bus, &engine, EMU_TYPICAL, now);
 *	bus_write(&bus, now, 0x00, NULL, 0);                    // wake pulse, never acknowledged
 *	bus_write(&bus, now, 0x60, info, 8);                    // 03 07 30 00 00 00 03 5D
 *	ack = bus_read(&bus, now + 5000, 0x60, response, 7);
 */
#ifndef IMPRINT_EMU_BUS_H
#define IMPRINT_EMU_BUS_H

#include "engine.h"

enum bus_power { BUS_OFF, BUS_ASLEEP, BUS_IDLE, BUS_AWAKE };

/* Word addresses; 04 to FF are reserved. */
enum { WORD_RESET, WORD_SLEEP, WORD_IDLE, WORD_COMMAND };

struct bus {
	struct engine *engine;
	enum emu_timing timing;
	bool tireless; /* it has no watchdog */
	enum bus_power power;
	uint8_t address;   /* 7 bits; a new one takes effect after sleep */
	uint64_t ready_at; /* busy until then */
	uint64_t watchdog_at;
	uint8_t output[EMU_RESPONSE_MAX];
	size_t output_n, output_at;
	uint32_t commands[256]; /* executed, by opcode */
	uint64_t busy_us;
};

void bus_power_up(struct bus *b, struct engine *engine, enum emu_timing timing);
/* The supply is gone; nothing answers until bus_power_up. */
void bus_power_off(struct bus *b);
/* Falls asleep by itself. */
void bus_sleep(struct bus *b);
/* Busy for so much longer. */
void bus_delay(struct bus *b, uint64_t now, uint64_t us);
/* Would acknowledge this address now. */
bool bus_answers(struct bus *b, uint64_t now, uint8_t addr7);
enum emu_ack bus_write(struct bus *b, uint64_t now, uint8_t addr7, const uint8_t *p, size_t n);
enum emu_ack bus_read(struct bus *b, uint64_t now, uint8_t addr7, uint8_t *p, size_t n);
/* Executes at once, awake or not; the response also lies in the output buffer. */
void bus_execute(struct bus *b, uint64_t now, struct slice packet);

#endif
