/*
 * console.h -- what both sides of the console dialogue share: the text conversation that Arduino's
 * Provisioning sketch holds on its serial port, in the wording of 2020 and in today's.
 *
 * The board prints prompts without a line end and waits; the host answers with a line ended by LF;
 * the board echoes the trimmed answer and ends the line with CR LF. Facts: spec/device.md
 * section 6. console_host.h is the side that types, console_board.h the side that asks.
 */
#ifndef IMPRINT_CONSOLE_H
#define IMPRINT_CONSOLE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A locked chip shows the same prompts in both wordings, so a host may not know until the end. */
enum console_wording { CONSOLE_WORDING_UNKNOWN, CONSOLE_2020, CONSOLE_TODAY };

/* The steps of one run, in their order. Each one lasts until the next begins. */
enum console_step {
	CONSOLE_START,   /* nothing recognised yet */
	CONSOLE_LOCK,    /* only if the chip is unlocked: may it be locked for ever */
	CONSOLE_NEW_KEY, /* new private key and CSR wanted? */
	CONSOLE_DEVICE_ID,
	CONSOLE_CSR, /* the board makes key and CSR and prints it */
	CONSOLE_YEAR,
	CONSOLE_MONTH,
	CONSOLE_DAY,
	CONSOLE_HOUR,
	CONSOLE_YEARS,
	CONSOLE_SERIAL,
	CONSOLE_AKI,
	CONSOLE_SIGNATURE,
	CONSOLE_STORE,       /* the board writes its slots and rebuilds the certificate */
	CONSOLE_CERTIFICATE, /* it prints the certificate as hex */
	CONSOLE_CLOSING,     /* today: PEM, then the Wi-Fi firmware or "Program finished." */
	CONSOLE_DONE,
	CONSOLE_STEPS
};
/* "issue year", "certificate", ... */
const char *console_step_text(enum console_step step);

#ifdef __cplusplus
}
#endif
#endif
