/*
 * board_setup.h -- the board's side of the setup dialogue over the driver, as a sketch has it.
 * Every request but attest and network settings, which are capabilities that a board may leave out.
 */
#ifndef IMPRINT_BENCH_BOARD_SETUP_H
#define IMPRINT_BENCH_BOARD_SETUP_H

#include "se.h"
#include "setup_board.h"

struct board_setup {
	struct se se;
	const struct se_hal *hal;
	void (*put)(void *ctx, const uint8_t *p, size_t n); /* to the serial line */
	struct setup_platform platform;
	struct setup_board dialogue;
};
/* hal and put are set; bytes from the line then go to setup_board_take(&b->dialogue, ...). */
void board_setup_init(struct board_setup *b);

#endif
