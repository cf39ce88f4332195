#include "se_split.h"

static enum err split_wake(void *ctx)
{
	const struct se_hal *inner = ((struct se_split *)ctx)->inner;

	return inner->wake(inner->ctx);
}

static enum err split_send(void *ctx, const uint8_t *p, size_t n)
{
	const struct se_hal *inner = ((struct se_split *)ctx)->inner;

	return inner->send(inner->ctx, p, n);
}

/* When a later piece fails the driver reads again and finds the middle; its reset of the pointer follows. */
static enum err split_recv(void *ctx, uint8_t *p, size_t n)
{
	const struct se_split *split = ctx;
	const struct se_hal *inner = split->inner;
	enum err e = OK;

	while (n > 0 && e == OK) {
		size_t piece = n < split->most ? n : split->most;

		e = inner->recv(inner->ctx, p, piece);
		p += piece;
		n -= piece;
	}
	return e;
}

static void split_wait_ms(void *ctx, uint32_t ms)
{
	const struct se_hal *inner = ((struct se_split *)ctx)->inner;

	inner->wait_ms(inner->ctx, ms);
}

void se_split_init(struct se_split *split, const struct se_hal *inner, size_t most)
{
	*split = (struct se_split){ { split, split_wake, split_send, split_recv, split_wait_ms },
		inner, most > 0 ? most : 1 };
}
