#include "setup.h"

#include <string.h>

static const char *const requests[] = {
	[SETUP_HELLO] = "hello",
	[SETUP_INFO] = "element info",
	[SETUP_PLAN] = "lock plan",
	[SETUP_LOCK] = "lock",
	[SETUP_KEY] = "key",
	[SETUP_CSR] = "CSR",
	[SETUP_STORE] = "storage",
	[SETUP_READ] = "read back",
	[SETUP_PROVE] = "proof",
	[SETUP_ATTEST] = "attestation",
	[SETUP_NETWORK] = "network settings",
	[SETUP_WIPE] = "wipe",
	[SETUP_RESTART] = "restart",
};

const char *setup_request_text(enum setup_request request)
{
	return request >= SETUP_HELLO && request < SETUP_REQUESTS ? requests[request]
	                                                          : "unknown request";
}

static const struct {
	uint8_t fault, err;
	const char *text;
} faults[] = {
	{ SETUP_FINE, OK, "no failure" },
	{ SETUP_MALFORMED, ERR_FORMAT,
	    "the board does not understand a field of the request; its program may be older than "
	    "this "
	    "one" },
	{ SETUP_RANGE, ERR_ARG, "a field of the request has a value that the board cannot use" },
	{ SETUP_UNKNOWN, ERR_NOT_FOUND, "the board's program cannot do this" },
	{ SETUP_NO_HELLO, ERR_CONFLICT,
	    "the board has started again since it was greeted; begin again" },
	{ SETUP_OUT_OF_ORDER, ERR_CONFLICT,
	    "the board is being set up by another program; close that one and begin again" },
	{ SETUP_ID_REUSED, ERR_CONFLICT,
	    "the id of the request was used for another one; begin again" },
	{ SETUP_NO_VERSION, ERR_CONFLICT,
	    "board and computer have no version of the dialogue in common; update the older one" },
	{ SETUP_OTHER_SERIAL, ERR_DENIED,
	    "the confirmation names another chip than the one on the board; nothing was changed" },
	{ SETUP_NO_PROFILE, ERR_NOT_FOUND, "the board knows no profile of this name" },
	{ SETUP_OTHER_PROFILE, ERR_CONFLICT,
	    "the chip is locked for ever with another configuration than this profile" },
	{ SETUP_NOT_LOCKED, ERR_CONFLICT, "the chip must be locked first" },
	{ SETUP_NO_KEY, ERR_NOT_FOUND, "there is no key in slot 0 yet" },
	{ SETUP_NO_CERTIFICATE, ERR_NOT_FOUND, "there is no certificate in the chip" },
	{ SETUP_CHIP, ERR_DEVICE, "the chip refused or failed" },
	{ SETUP_BOARD, ERR_DEVICE, "the board's program failed" },
	{ SETUP_SILENT, ERR_TIMEOUT,
	    "the board does not answer; see that it runs a setup program, and reset it" },
	{ SETUP_RESTARTED, ERR_DEVICE, "the board started again in the middle; begin again" },
	{ SETUP_BAD_ANSWER, ERR_FORMAT,
	    "the board's answer does not have the form of this dialogue" },
	{ SETUP_OTHER_PROTOCOL, ERR_CONFLICT,
	    "the board runs a Provisioning 2.0 sketch, which does not speak this dialogue" },
};

/* An unknown number is a board that is newer than this program. */
static size_t find(enum setup_fault fault)
{
	size_t i = 0;

	while (i < COUNT(faults) && faults[i].fault != fault)
		i++;
	return i;
}

const char *setup_fault_text(enum setup_fault fault)
{
	size_t i = find(fault);

	return i < COUNT(faults) ? faults[i].text : "the board gives a reason that is unknown here";
}

enum err setup_fault_err(enum setup_fault fault)
{
	size_t i = find(fault);

	return i < COUNT(faults) ? (enum err)faults[i].err : ERR_DEVICE;
}
