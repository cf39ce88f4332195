/*
 * console_board.h -- the side of the console dialogue that asks: what Arduino's Provisioning sketch
 * does, for virtual boards and for our own sketch.
 *
 * A sans-I/O state machine: typed bytes and passing milliseconds in; text out, and the work asked of
 * the platform, through one struct of functions. It prints what the real sketches print, byte for
 * byte, in either wording. Like them it does not check hex digits; unlike them it never stores
 * undefined bytes (short hex is filled up with zeros) and never stores numbers that the format
 * cannot hold (it prints the storage failure instead). Answers are cut at 160 characters. After a
 * failure or the end it ignores everything until console_board_init. Nothing allocates.
 *
 *	console_board_init(&b, CONSOLE_TODAY, &platform);
 *	console_board_start(&b);                        // as soon as somebody opened the port
 *	for (;;)
 *		n = serial_read(bytes, sizeof(bytes));
 *		console_board_take(&b, (struct slice){ bytes, n });
 *		console_board_elapsed(&b, ms);          // since the last call
 */
#ifndef IMPRINT_CONSOLE_BOARD_H
#define IMPRINT_CONSOLE_BOARD_H

#include "ccert.h"
#include "console.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The board's platform. All functions block; every failure stops the dialogue with its text. */
struct console_platform {
	void *ctx;
	/* Sends text to the host. */
	void (*put)(void *ctx, const char *text, size_t n);
	/* The element answers. */
	bool (*present)(void *ctx);
	/* Configuration and data zone are both locked. */
	bool (*locked)(void *ctx);
	/* Writes the configuration; lock locks for ever what is not locked yet. */
	enum err (*write_config)(void *ctx);
	enum err (*lock)(void *ctx);
	/* A new private key in slot 0; then the CSR of that key for this common name. */
	enum err (*new_key)(void *ctx);
	enum err (*csr)(void *ctx, struct slice common_name, struct der_w *w);
	/* Slot 12: text, then NULs. */
	enum err (*store_device_id)(void *ctx, const uint8_t slot12[72]);
	/* Slots 10, 11 and 12 from these fields (ccert_pack). */
	enum err (*store_certificate)(void *ctx, const struct ccert *fields);
	/* The certificate rebuilt from what slots 0, 10, 11 and 12 hold now. */
	enum err (*rebuild)(void *ctx, struct der_w *w);
	/* The Wi-Fi module's firmware version. NULL: no module. */
	const char *(*wifi_firmware)(void *ctx);
	const char *wifi_latest; /* the newest known version, with wifi_firmware */
};

#define CONSOLE_ANSWER_MAX 160

struct console_board { /* fields are private, except step and cause */
	enum console_step step;
	enum console_cause cause; /* what it stopped for; CONSOLE_FINE at the end and on the way */
	enum console_wording wording;
	const struct console_platform *platform;
	uint32_t waited_ms;
	char line[CONSOLE_ANSWER_MAX];
	uint8_t line_n;
	char id[72];
	uint8_t id_n;
	uint32_t numbers[5]; /* year, month, day, hour, years as typed */
	struct ccert fields;
};

/* wording: CONSOLE_2020 or CONSOLE_TODAY. The platform is borrowed. */
void console_board_init(
    struct console_board *b, enum console_wording wording, const struct console_platform *platform);
/* Looks for the chip and prints the first prompt. */
void console_board_start(struct console_board *b);
/* Bytes typed by the host. */
void console_board_take(struct console_board *b, struct slice in);
/* So many milliseconds passed: today's wording asks for the new key again every five seconds. */
void console_board_elapsed(struct console_board *b, uint32_t ms);

#ifdef __cplusplus
}
#endif
#endif
