#include "console_texts.h"

const struct console_failure console_failures[CONSOLE_FAILURES] = {
	{ CONSOLE_NO_ELEMENT, CONSOLE_START, "No % present!", "No % present!" },
	{ CONSOLE_CONFIG_FAILED, CONSOLE_LOCK, "Writing % configuration failed!",
	    "Writing % configuration failed!" },
	{ CONSOLE_LOCK_FAILED, CONSOLE_LOCK, "Locking % configuration failed!",
	    "Locking % configuration failed!" },
	{ CONSOLE_CSR_START_FAILED, CONSOLE_CSR, "Error starting CSR generation!",
	    "Error starting CSR generation!" },
	{ CONSOLE_CSR_FAILED, CONSOLE_CSR, "Error generating CSR!", "Error generating CSR!" },
	{ CONSOLE_STORE_ID_FAILED, CONSOLE_STORE, "Error storing device ID!",
	    "Error storing device id!" },
	{ CONSOLE_STORE_START_FAILED, CONSOLE_STORE, "Error starting % storage!",
	    "Error starting % storage!" },
	{ CONSOLE_STORE_CERT_FAILED, CONSOLE_STORE, "Error storing cert!",
	    "Error storing % compressed cert!" },
	{ CONSOLE_BUILD_FAILED, CONSOLE_STORE, "Error building cert!", NULL },
	{ CONSOLE_REBUILD_START_FAILED, CONSOLE_STORE, NULL,
	    "Error starting % cert reconstruction!" },
	{ CONSOLE_REBUILD_FAILED, CONSOLE_STORE, NULL, "Error reconstructing % compressed cert!" },
	{ CONSOLE_PEM_FAILED, CONSOLE_CLOSING, "Error generating cert!", NULL },
	{ CONSOLE_STOPPED, CONSOLE_STEPS, "That's all folks", "That's all folks" },
};
