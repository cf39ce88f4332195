/* The board's side of the setup dialogue, with nothing around it but a serial line. */
#include "board_setup.h"
#include "outside.h"

int main(void);

static void line_put(void *ctx, const uint8_t *p, size_t n)
{
	(void)ctx;
	(void)p;
	outside(&n);
}

static struct board_setup board; /* RAM that a sketch must have: its two frames are in it */

int main(void)
{
	uint8_t bytes[16]; /* from the serial line */

	board.hal = &outside_bus;
	board.put = line_put;
	board_setup_init(&board);
	for (;;) {
		outside(bytes);
		setup_board_take(&board.dialogue, SLICE(bytes));
		setup_board_elapsed(&board.dialogue, 10);
	}
}
