/* For as long as nobody is at the other end of these headers. */
#include "brokers.h"

__attribute__((weak)) void brokers_reach(
    struct brokers *b, uint64_t seq, unsigned limit_ms, brokers_done *done, void *ctx)
{
	(void)b, (void)seq, (void)limit_ms;
	done(ctx, 0, "");
}

__attribute__((weak)) void brokers_each(
    struct brokers *b, bool (*each)(void *ctx, const struct broker_state *broker), void *ctx)
{
	(void)b, (void)each, (void)ctx;
}

__attribute__((weak)) uint64_t brokers_seq(struct brokers *b)
{
	(void)b;
	return 0;
}

__attribute__((weak)) enum presence presence_of(
    struct presences *p, const uint8_t device[16], struct presence_now *now)
{
	(void)p, (void)device, (void)now;
	return PRESENCE_UNHEARD;
}

__attribute__((weak)) size_t presence_count(struct presences *p)
{
	(void)p;
	return 0;
}
