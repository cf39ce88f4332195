/*
 * console.h -- what both sides of the console dialogue share: the text conversation that Arduino's
 * Provisioning sketch holds on its serial port, in the wording of 2020 and in today's.
 *
 * The board prints prompts without a line end and waits; the host answers with a line ended by LF;
 * the board echoes the trimmed answer and ends the line with CR LF. Byte for byte: docs/console.md.
 * console_host.h is the side that types, console_board.h the side that asks.
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

/*
 * Why a run failed. The first group stands for one text of the board each, the second is what a
 * host finds.
 */
enum console_cause {
	CONSOLE_FINE,
	CONSOLE_NO_ELEMENT,    /* "No ... present!" */
	CONSOLE_CONFIG_FAILED, /* "Writing ... configuration failed!" */
	CONSOLE_LOCK_FAILED,   /* "Locking ... configuration failed!" */
	CONSOLE_CSR_START_FAILED,
	CONSOLE_CSR_FAILED,
	CONSOLE_STORE_ID_FAILED,
	CONSOLE_STORE_START_FAILED,
	CONSOLE_STORE_CERT_FAILED,
	CONSOLE_BUILD_FAILED,
	CONSOLE_REBUILD_START_FAILED,
	CONSOLE_REBUILD_FAILED,
	CONSOLE_PEM_FAILED,
	CONSOLE_STOPPED,     /* "That's all folks": the board did not read a y */
	CONSOLE_OTHER_ERROR, /* an error text that is not in the table */

	CONSOLE_SILENT,       /* no progress within the step's limit */
	CONSOLE_LOCK_REFUSED, /* the caller refused to lock */
	CONSOLE_RESTARTED,    /* the board began again */
	CONSOLE_OUT_OF_ORDER, /* a prompt of a later step: left over from an earlier run */
	CONSOLE_CSR_DAMAGED,  /* the request arrived incomplete or changed */
	CONSOLE_CSR_OTHER_ID, /* the request names another device id */
	CONSOLE_CERT_DAMAGED, /* the certificate arrived incomplete or changed */
	CONSOLE_CERT_DIFFERS, /* h.differs says in which field */
	CONSOLE_CAUSES
};
/* One sentence: what happened and what to do. */
const char *console_cause_text(enum console_cause cause);
enum err console_cause_err(enum console_cause cause);

#ifdef __cplusplus
}
#endif
#endif
