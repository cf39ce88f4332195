/*
 * setup.h -- what both sides of the setup dialogue share: our own conversation with a board, in which
 * every step is asked for, answered and repeatable.
 *
 * The host asks, the board answers; one request at a time, each with an id. The same id again brings
 * the same answer again and nothing is done twice, so a host that hears nothing simply repeats itself.
 * Messages are CBOR (cbor.h) in frames (frame.h); byte for byte: docs/setup-protocol.md.
 * setup_host.h is the side that asks, setup_board.h the side that answers.
 */
#ifndef IMPRINT_SETUP_H
#define IMPRINT_SETUP_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SETUP_VERSION 1
/* Longest message, and the frame around it. */
#define SETUP_MESSAGE_MAX 512
#define SETUP_FRAME_MAX (SETUP_MESSAGE_MAX + 9)

/* Numbers on the wire; they never change. */
enum setup_request {
	SETUP_HELLO = 1, /* begins a session: version, program, capabilities */
	SETUP_INFO,      /* serial number, locks, key, certificate */
	SETUP_PLAN,      /* what a lock with this profile would change; changes nothing */
	SETUP_LOCK,      /* for ever; needs the chip's own serial number */
	SETUP_KEY,       /* the key in slot 0: the one that is there, or a new one */
	SETUP_CSR,
	SETUP_STORE, /* the compressed certificate */
	SETUP_READ,  /* the compressed certificate as the slots hold it now, and the key */
	SETUP_PROVE, /* signs a challenge with slot 0 */
	SETUP_ATTEST,
	SETUP_NETWORK,
	SETUP_WIPE, /* forgets certificate and network settings; needs the serial number */
	SETUP_RESTART,
	SETUP_REQUESTS
};
/* "hello", "element info", ... */
const char *setup_request_text(enum setup_request request);

/* Why a request was not done. The first group is answered by boards, the numbers are on the wire. */
enum setup_fault {
	SETUP_FINE,
	SETUP_MALFORMED, /* a field is missing, unknown or of another type */
	SETUP_RANGE,     /* a field's value is out of range */
	SETUP_UNKNOWN,   /* not a request that this board knows */
	SETUP_NO_HELLO,  /* no session: the board has started since */
	SETUP_OUT_OF_ORDER,
	SETUP_ID_REUSED, /* the last id again, with another request */
	SETUP_NO_VERSION,
	SETUP_OTHER_SERIAL, /* the confirmation names another chip */
	SETUP_NO_PROFILE,
	SETUP_OTHER_PROFILE, /* locked for ever with another configuration */
	SETUP_NOT_LOCKED,
	SETUP_NO_KEY,
	SETUP_NO_CERTIFICATE,
	SETUP_CHIP,  /* the chip refused or failed: the reason says how */
	SETUP_BOARD, /* the board itself failed: the reason says how */
	SETUP_BOARD_FAULTS,

	/* What a host finds. */
	SETUP_SILENT = 64,
	SETUP_RESTARTED,      /* the board began again in the middle of a session */
	SETUP_BAD_ANSWER,     /* an answer of another form than the request has */
	SETUP_OTHER_PROTOCOL, /* the board speaks Provisioning 2.0 */
};
/* One sentence: what happened and what to do. */
const char *setup_fault_text(enum setup_fault fault);
enum err setup_fault_err(enum setup_fault fault);

/* What a board can do beyond the other requests, with the version of how; 0: not at all. */
enum setup_capability {
	SETUP_CAN_CCERT, /* 1: Arduino's compressed certificate in slots 10, 11 and 12 */
	SETUP_CAN_ATTEST,
	SETUP_CAN_NETWORK,
	SETUP_CAN_WIPE,
	SETUP_CAN_RESTART,
	SETUP_CAPABILITIES
};

#define SETUP_PROGRAM_MAX 32
struct setup_hello {
	uint32_t version;
	uint8_t can[SETUP_CAPABILITIES];
	char program[SETUP_PROGRAM_MAX + 1]; /* name and version, printable */
};

/* Whether key and certificate in the chip belong together. */
enum setup_identity {
	SETUP_IDENTITY_NONE,    /* no certificate */
	SETUP_IDENTITY_STORED,  /* a certificate; whether it is for this key is not known */
	SETUP_IDENTITY_WHOLE,   /* a certificate that was stored whole, for this key */
	SETUP_IDENTITY_PARTIAL, /* interrupted: what is there belongs to no key or is not whole */
	SETUP_IDENTITIES
};

struct setup_info {
	uint8_t serial[9], revision[4];
	bool config_locked, data_locked;
	uint16_t slots_locked; /* bit n: slot n is locked singly */
	bool has_key;
	uint8_t q[64]; /* of slot 0, with has_key */
	enum setup_identity identity;
	bool attests;         /* slot 1 signs the chip's own statements and nothing else */
	uint8_t attester[64]; /* its public key, with attests */
};

/* Steps that a lock takes, as bits. */
enum { SETUP_STEP_WRITE = 1, SETUP_STEP_LOCK_CONFIG = 2, SETUP_STEP_LOCK_DATA = 4 };

#define SETUP_PROFILE_MAX 32
struct setup_plan {
	uint8_t steps; /* what is left to do; 0: nothing, or not possible */
	bool conflict; /* the configuration is locked for ever with another content */
	uint8_t config[128];
	uint8_t offsets_n;
	uint8_t offsets[128]; /* where config differs from the profile and it matters, ascending */
};

/*
 * A statement that an internally signing key (slot 1) has made about the key in slot 0. Believed only
 * after a verifier has rebuilt what was signed with its own idea of the configuration.
 */
struct setup_statement {
	uint8_t serial[9];
	uint8_t mode;       /* of GenKey: 0C made for this statement, 08 was there before */
	bool slot_locked;   /* slot 0 is locked singly */
	uint8_t random[32]; /* RandOut of Nonce */
	uint8_t q[64];
	uint8_t sig[64]; /* r|s of Sign(internal) */
};

/* Numbers of Arduino's configuration files, and on the wire. */
enum setup_network_kind {
	SETUP_WIFI = 1,
	SETUP_ETHERNET,
	SETUP_NB_IOT,
	SETUP_GSM,
	SETUP_LORA,
	SETUP_CATM1,
	SETUP_CELLULAR,
	SETUP_NETWORK_KINDS
};
/* What stands where in `at`, and on the wire; 0 is the kind. */
enum { SETUP_WIFI_SSID = 1, SETUP_WIFI_PASSWORD };
enum {
	SETUP_ETHERNET_IP = 1, /* addresses: 4 or 16 bytes, or empty: by DHCP */
	SETUP_ETHERNET_DNS,
	SETUP_ETHERNET_GATEWAY,
	SETUP_ETHERNET_MASK,
	SETUP_ETHERNET_TIMEOUT, /* number, milliseconds */
	SETUP_ETHERNET_RESPONSE
};
/* NB-IoT, GSM, CAT-M1 and cellular; the bands (number, a mask) for CAT-M1 alone. */
enum {
	SETUP_MODEM_PIN = 1,
	SETUP_MODEM_APN,
	SETUP_MODEM_LOGIN,
	SETUP_MODEM_PASS,
	SETUP_MODEM_BANDS
};
enum {
	SETUP_LORA_APPEUI = 1, /* 16 hex digits */
	SETUP_LORA_APPKEY,     /* 32 hex digits */
	SETUP_LORA_BAND,       /* number */
	SETUP_LORA_CHANNELS,
	SETUP_LORA_CLASS
};
#define SETUP_NETWORK_FIELDS 7
struct setup_value {
	struct slice bytes; /* borrowed */
	uint32_t number;
};
struct setup_network {
	enum setup_network_kind kind;
	struct setup_value at[SETUP_NETWORK_FIELDS]; /* by the numbers above; 0 is not used */
};
/* The settings as a CBOR map: on the wire, and as a board may keep them. They borrow from `in`. */
struct cbor_w;
void setup_network_put(struct cbor_w *w, const struct setup_network *network);
enum err setup_network_take(struct slice in, struct setup_network *network) MUST_CHECK;
/* OK, or ERR_ARG and in *field which value is out of range (0: the kind). */
enum err setup_network_check(const struct setup_network *network, unsigned *field) MUST_CHECK;

/*
 * What a board signs to prove that it holds the key of slot 0 now: a fixed text that nothing else
 * begins with, the chip's serial number, the challenge. ECDSA with SHA-256 over these bytes.
 */
#define SETUP_PROOF_TEXT 24
#define SETUP_PROOF_SIZE (SETUP_PROOF_TEXT + 9 + 32)
void setup_proof(
    const uint8_t serial[9], const uint8_t challenge[32], uint8_t out[SETUP_PROOF_SIZE]);

#ifdef __cplusplus
}
#endif
#endif
