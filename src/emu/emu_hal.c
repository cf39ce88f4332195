#include "emu_hal.h"

static enum err acked(enum emu_ack ack)
{
	return ack == EMU_ACK ? OK : ack == EMU_STUCK ? ERR_IO : ERR_TIMEOUT;
}

static enum err wake(void *ctx)
{
	static const uint8_t zero;

	emu_i2c_write(ctx, 0, &zero, 1);
	emu_advance(ctx, 1500);
	return OK;
}

static enum err send(void *ctx, const uint8_t *p, size_t n)
{
	struct emu_info info;

	emu_info(ctx, &info);
	return acked(emu_i2c_write(ctx, info.address, p, n));
}

static enum err recv(void *ctx, uint8_t *p, size_t n)
{
	struct emu_info info;

	emu_info(ctx, &info);
	return acked(emu_i2c_read(ctx, info.address, p, n));
}

static void wait_ms(void *ctx, uint32_t ms)
{
	emu_advance(ctx, ms * 1000);
}

struct se_hal emu_hal(struct emu *emu)
{
	return (struct se_hal){ emu, wake, send, recv, wait_ms };
}
