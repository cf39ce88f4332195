/* The faults in words; host side, a board that never asks does not carry them. */
#include "se_identity.h"

static const char *const texts[SE_FAULTS] = {
	[SE_FINE] = "no fault",
	[SE_BUS] =
	    "the bus itself failed: the port is gone, held by another program, or a line hangs",
	[SE_NO_ANSWER] =
	    "no secure element answers at this address: check wiring, power and address",
	[SE_NO_WAKE] = "something answers at this address but sends no wake frame: another kind of "
	               "chip, or noise",
	[SE_SELF_TEST] = "the secure element failed its self test: cut its power once; if it "
	                 "stays, it is broken",
	[SE_UNKNOWN_DEVICE] = "the chip is neither an ATECC508A nor an ATECC608A or B",
	[SE_BUSY_TOO_LONG] =
	    "the secure element gave no answer within the command's maximum execution time: "
	    "it lost power, or its watchdog struck; try again",
	[SE_REPLY_LENGTH] = "the answer has another length than this command has",
	[SE_REPLY_CRC] =
	    "the CRC of the answer is wrong however often it is read: check cable and bus clock",
	[SE_SENT_CRC] = "the secure element received a wrong CRC twice: check cable and bus clock",
	[SE_MISCOMPARE] = "the values that the secure element compared differ (status 01)",
	[SE_PARSE] = "the secure element does not know this command or its parameters (status 03)",
	[SE_ECC] = "the key computation failed (status 05): the slot holds no valid private key",
	[SE_RNG] = "the random generator failed its health test (status 08)",
	[SE_EXECUTION] =
	    "the secure element refuses (status 0F): its state or its configuration forbids this",
	[SE_RESET] =
	    "the secure element was reset twice during this command, or stopped answering: "
	    "its power supply is too weak",
	[SE_WATCHDOG] = "no time was left before the watchdog, twice (status EE)",
	[SE_STATUS] = "the secure element answered a status that is not known",
	[SE_READ_BACK] = "what was written reads back differently; nothing was locked",
	[SE_LOCKED] = "it is locked already, and that is for ever",
	[SE_NOT_LOCKED] = "the configuration must be locked first",
	[SE_OTHER_PROFILE] =
	    "the configuration is locked for ever with another content; data was not locked",
	[SE_RANDOM_UNLOCKED] =
	    "the configuration is not locked: the chip gives a fixed pattern, not randomness",
	[SE_ARGUMENT] = "slot, offset or size is out of range; nothing was sent",
};

const char *se_fault_text(enum se_fault fault)
{
	return (unsigned)fault < SE_FAULTS ? texts[fault] : "unknown fault";
}

const char *se_identity_text(enum se_identity state)
{
	static const char *const words[SE_IDENTITY_STATES] = {
		[SE_IDENTITY_UNMARKED] = "nothing is noted about key and certificate",
		[SE_IDENTITY_WHOLE] = "key and certificate belong together",
		[SE_IDENTITY_KEY_ONLY] =
		    "interrupted: there is a new key and no certificate for it",
		[SE_IDENTITY_HALF] = "interrupted: a certificate was not stored to its end",
		[SE_IDENTITY_CHANGED] = "other software has changed key or certificate",
	};

	return (unsigned)state < SE_IDENTITY_STATES ? words[state] : "unknown state";
}
