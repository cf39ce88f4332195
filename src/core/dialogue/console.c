#include "console.h"

static const char *const steps[] = {
	[CONSOLE_START] = "first words of the board",
	[CONSOLE_LOCK] = "lock",
	[CONSOLE_NEW_KEY] = "new key",
	[CONSOLE_DEVICE_ID] = "device id",
	[CONSOLE_CSR] = "CSR",
	[CONSOLE_YEAR] = "issue year",
	[CONSOLE_MONTH] = "issue month",
	[CONSOLE_DAY] = "issue day",
	[CONSOLE_HOUR] = "issue hour",
	[CONSOLE_YEARS] = "years of validity",
	[CONSOLE_SERIAL] = "serial number",
	[CONSOLE_AKI] = "authority key identifier",
	[CONSOLE_SIGNATURE] = "signature",
	[CONSOLE_STORE] = "storage",
	[CONSOLE_CERTIFICATE] = "certificate",
	[CONSOLE_CLOSING] = "closing words",
	[CONSOLE_DONE] = "done",
};

const char *console_step_text(enum console_step step)
{
	return (unsigned)step < COUNT(steps) ? steps[step] : "unknown step";
}

static const struct {
	enum err err;
	const char *text;
} causes[] = {
	[CONSOLE_FINE] = { OK, "no failure" },
	[CONSOLE_NO_ELEMENT] = { ERR_DEVICE,
	    "the board finds no secure element: it has none, or its I2C bus is blocked" },
	[CONSOLE_CONFIG_FAILED] = { ERR_DEVICE,
	    "the board could not write the chip's configuration and locked nothing; reset it and "
	    "try "
	    "again" },
	[CONSOLE_LOCK_FAILED] = { ERR_DEVICE,
	    "the chip refused to be locked and may be half locked; see `imprint element info`" },
	[CONSOLE_CSR_START_FAILED] = { ERR_DEVICE,
	    "the chip made no new key; reset the board and try again" },
	[CONSOLE_CSR_FAILED] = { ERR_DEVICE,
	    "the chip made no key or did not sign the CSR; reset the board and try again" },
	[CONSOLE_STORE_ID_FAILED] = { ERR_DEVICE, "slot 12 could not be written: the key is new, "
	                                          "the certificate is not; reset the board and "
	                                          "try again" },
	[CONSOLE_STORE_START_FAILED] = { ERR_DEVICE,
	    "the board did not begin to store the certificate: the key is new, the certificate is "
	    "not; "
	    "reset the board and try again" },
	[CONSOLE_STORE_CERT_FAILED] = { ERR_DEVICE, "the certificate could not be written: it does "
	                                            "not match the new key; reset the board and "
	                                            "try again" },
	[CONSOLE_BUILD_FAILED] = { ERR_DEVICE,
	    "the board could not build the certificate; reset it and try again" },
	[CONSOLE_REBUILD_START_FAILED] = { ERR_DEVICE,
	    "the board could not read back what it stored; reset it and try again" },
	[CONSOLE_REBUILD_FAILED] = { ERR_DEVICE,
	    "the board could not rebuild the certificate from its slots; reset it and try again" },
	[CONSOLE_PEM_FAILED] = { ERR_DEVICE,
	    "the certificate is stored and right, but the board had no memory to print it as PEM" },
	[CONSOLE_STOPPED] = { ERR_DEVICE,
	    "the board stopped because it did not read a y; reset it and try again" },
	[CONSOLE_OTHER_ERROR] = { ERR_DEVICE, "the board reported an error of its own" },
	[CONSOLE_SILENT] = { ERR_TIMEOUT, "the board did not go on in time; see that it runs the "
	                                  "Provisioning sketch, reset it and "
	                                  "try again" },
	[CONSOLE_LOCK_REFUSED] = { ERR_DENIED,
	    "the chip is not locked and was not allowed to be; without that there is no identity" },
	[CONSOLE_RESTARTED] = { ERR_DEVICE,
	    "the board started again in the middle of the run; try again" },
	[CONSOLE_OUT_OF_ORDER] = { ERR_CONFLICT,
	    "the board is in the middle of an earlier run; reset it and try again" },
	[CONSOLE_CSR_DAMAGED] = { ERR_FORMAT,
	    "the CSR arrived incomplete or changed; reset the board and try again" },
	[CONSOLE_CSR_OTHER_ID] = { ERR_FORMAT,
	    "the CSR is for another device id than was typed; reset the board and try again" },
	[CONSOLE_CERT_DAMAGED] = { ERR_FORMAT, "the certificate that the board printed is damaged "
	                                       "or not of this format; reset the board "
	                                       "and try again" },
	[CONSOLE_CERT_DIFFERS] = { ERR_DEVICE, "the board holds another certificate than was "
	                                       "signed; do not use it, reset the board and "
	                                       "try again" },
};

const char *console_cause_text(enum console_cause cause)
{
	return (unsigned)cause < COUNT(causes) ? causes[cause].text : "unknown cause";
}

enum err console_cause_err(enum console_cause cause)
{
	return (unsigned)cause < COUNT(causes) ? causes[cause].err : ERR_DEVICE;
}
