/*
 * startup.c -- from reset to main on a Cortex-M, and out again through semihosting.
 *
 * A fault ends the run with status 99: a test that crashes must not look like one that waits.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern uint8_t data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern const uint8_t data_load[];

int main(void);
void reset(void);
_Noreturn void leave(int status);

#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

/* Arm's semihosting: the operation in r0, its parameter block in r1. */
_Noreturn void leave(int status)
{
	const uint32_t block[2] = { APPLICATION_EXIT, (uint32_t)status };
	register uint32_t operation __asm__("r0") = SYS_EXIT_EXTENDED;
	register const uint32_t *parameters __asm__("r1") = block;

	__asm__ volatile("bkpt 0xab" : : "r"(operation), "r"(parameters) : "memory");
	for (;;)
		;
}

void reset(void)
{
	int status;

	memcpy(data_start, data_load, (size_t)(data_end - data_start));
	memset(bss_start, 0, (size_t)(bss_end - bss_start));
	status = main();
	fflush(stdout);
	leave(status);
}

static void fault(void)
{
	leave(99);
}

/* Armv6-M vector table: stack, reset, NMI, HardFault, then what a Cortex-M3 adds. */
__attribute__((section(".vectors"), used)) static const struct {
	const void *stack;
	void (*handlers[15])(void);
} vectors = { stack_top, { reset, fault, fault, fault, fault, fault } };
