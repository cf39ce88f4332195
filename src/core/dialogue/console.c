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
