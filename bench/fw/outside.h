/*
 * outside.h -- the world around a measured program: a bus of which nothing but its calls is there, and
 * bytes that come and go.
 */
#ifndef IMPRINT_BENCH_OUTSIDE_H
#define IMPRINT_BENCH_OUTSIDE_H

#include "se.h"

/* Bytes that come from or go to the world outside; the compiler must believe that they do. */
static void outside(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

static enum err bus_wake(void *ctx)
{
	outside(ctx);
	return OK;
}

static enum err bus_send(void *ctx, const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	outside(ctx);
	return OK;
}

static enum err bus_recv(void *ctx, uint8_t *p, size_t n)
{
	(void)n;
	(void)ctx;
	outside(p);
	return OK;
}

static void bus_wait_ms(void *ctx, uint32_t ms)
{
	(void)ms;
	outside(ctx);
}

static const struct se_hal outside_bus = { NULL, bus_wake, bus_send, bus_recv, bus_wait_ms };

#endif
