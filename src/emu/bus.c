#include "bus.h"

#include "timing.h"

#include <string.h>

static void put_status(struct bus *b, enum status status)
{
	b->output_n = engine_status(status, b->output);
	b->output_at = 0;
}

void bus_power_up(struct bus *b, struct engine *engine, enum emu_timing timing)
{
	b->engine = engine;
	b->timing = timing;
	b->power = BUS_ASLEEP;
	b->address = memory_address(&engine->mem);
	b->output_n = b->output_at = 0;
	b->ready_at = 0;
	engine_power_off(engine);
}

void bus_power_off(struct bus *b)
{
	b->power = BUS_OFF;
	wipe(b->output, sizeof(b->output));
	engine_power_off(b->engine);
}

void bus_sleep(struct bus *b)
{
	b->power = BUS_ASLEEP;
	b->address = memory_address(&b->engine->mem);
	engine_sleep(b->engine);
}

/* What happened by itself since the last call. */
static void tick(struct bus *b, uint64_t now)
{
	if (b->power == BUS_AWAKE && now >= b->watchdog_at && !b->tireless)
		bus_sleep(b);
}

static uint64_t watchdog_us(const struct bus *b)
{
	const struct memory *m = &b->engine->mem;

	return memory_is_608(m) && m->config[AT_CHIP_MODE] & 0x04 ? TIMING_WATCHDOG_LONG_US
	                                                          : TIMING_WATCHDOG_US;
}

/* A pulse at an awake chip is ignored: its output buffer stays as it was. */
static void wake(struct bus *b, uint64_t now)
{
	if (b->power != BUS_ASLEEP && b->power != BUS_IDLE)
		return;
	b->power = BUS_AWAKE;
	b->watchdog_at = now + watchdog_us(b);
	b->ready_at = b->timing == EMU_MAX ? now + TIMING_WAKE_US : now;
	put_status(b, ST_AWAKE);
}

static void execute(struct bus *b, struct slice packet)
{
	b->output_n = engine_execute(b->engine, packet, b->output);
	b->output_at = 0;
	if (b->output_n == 0) /* Pause */
		b->power = BUS_IDLE;
	if (b->output_n != 4 || b->output[1] != ST_CRC)
		b->commands[packet.p[1]]++;
}

static void command(struct bus *b, uint64_t now, struct slice packet)
{
	uint32_t us = packet.n >= 3 ? timing_us(b->timing, memory_is_608(&b->engine->mem),
	                                  packet.p[1], packet.p[2])
	                            : 0;

	if (now + us >= b->watchdog_at && b->timing != EMU_INSTANT && !b->tireless) {
		put_status(b, ST_WATCHDOG); /* it would not finish in time, so it does not begin */
		return;
	}
	execute(b, packet);
	b->ready_at = now + us;
	b->busy_us += us;
}

void bus_delay(struct bus *b, uint64_t now, uint64_t us)
{
	b->ready_at = (b->ready_at > now ? b->ready_at : now) + us;
	b->busy_us += us;
}

bool bus_answers(struct bus *b, uint64_t now, uint8_t addr7)
{
	tick(b, now);
	return b->power == BUS_AWAKE && addr7 != 0 && addr7 == b->address && now >= b->ready_at;
}

enum emu_ack bus_write(struct bus *b, uint64_t now, uint8_t addr7, const uint8_t *p, size_t n)
{
	if (addr7 == 0) {
		tick(b, now);
		wake(b, now);
		return EMU_NACK_ADDRESS;
	}
	if (!bus_answers(b, now, addr7))
		return EMU_NACK_ADDRESS;
	if (n == 0)
		return EMU_ACK;
	switch (p[0]) {
	case WORD_RESET:
		b->output_at = 0;
		return EMU_ACK;
	case WORD_SLEEP:
		bus_sleep(b);
		return EMU_ACK;
	case WORD_IDLE:
		b->power = BUS_IDLE;
		return EMU_ACK;
	case WORD_COMMAND:
		command(b, now, (struct slice){ p + 1, n - 1 });
		return EMU_ACK;
	default:
		return EMU_NACK_DATA;
	}
}

enum emu_ack bus_read(struct bus *b, uint64_t now, uint8_t addr7, uint8_t *p, size_t n)
{
	if (!bus_answers(b, now, addr7))
		return EMU_NACK_ADDRESS;
	for (size_t i = 0; i < n; i++)
		p[i] = b->output_at < b->output_n ? b->output[b->output_at++] : 0xFF;
	return EMU_ACK;
}

void bus_execute(struct bus *b, uint64_t now, struct slice packet)
{
	tick(b, now);
	wake(b, now);
	b->ready_at = now;
	execute(b, packet);
}
