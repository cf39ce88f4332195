/*
 * sketch.h -- what runs on a virtual board: Arduino's Provisioning sketch, or our own setup program.
 *
 * The dialogue is core/dialogue, the chip is driven by core/se over SEI2C/1, whoever serves the
 * socket. The sketch remembers nothing of the certificate: it is packed into slots 10 to 12, and what
 * is printed is rebuilt from what the chip returns then. The setup program announces itself whenever
 * it starts and keeps the marker of se_identity.h. Not thread-safe; calls block as long as the chip
 * takes.
 */
#ifndef IMPRINT_SKETCH_H
#define IMPRINT_SKETCH_H

#include "console_board.h"
#include "sei2c.h"
#include "setup_board.h"
#include "terminal.h"

struct
    sketch { /* fields are private, except wording and is_setup; settings is the caller's to set */
	struct sei2c bus;
	struct se se;
	struct console_platform platform;
	struct console_board console;
	bool is_setup; /* our own program; the console rests */
	struct setup_platform setup_platform;
	struct setup_board setup;
	bool again; /* it was asked to restart */
	/* File that keeps network settings, as the board's flash does; borrowed. NULL: it takes none. */
	const char *settings;
	struct terminal *terminal;
	enum console_wording wording;
	const char *wifi;
	char out[1024]; /* said but not yet sent */
	size_t out_n;
	/* Called with the chip's own reason whenever the driver fails. The console hides it. */
	void (*fault)(void *ctx, const char *text);
	void *ctx;
};

/*
 * wifi: firmware version of the module, NULL without one. setup: our own program, which has no use
 * for wording and wifi. All pointers are borrowed.
 */
enum err sketch_init(struct sketch *s, const char *element_socket, struct terminal *terminal,
    enum console_wording wording, bool setup, const char *wifi, struct errbuf *eb) MUST_CHECK;
/* From the first line again, as after a reset. */
void sketch_start(struct sketch *s);
void sketch_typed(struct sketch *s, struct slice in);
void sketch_elapsed(struct sketch *s, uint32_t ms);
/* Another number with each step of the dialogue; 0 before the first. */
unsigned sketch_step(const struct sketch *s);
/* "element info"; after a failure of the console, its cause. */
const char *sketch_step_text(const struct sketch *s);
/* True when it has come to its end or has given up: only a reset helps. */
bool sketch_is_over(const struct sketch *s);
/* Puts the chip to sleep and leaves the bus. */
void sketch_close(struct sketch *s);

#endif
