/*
 * vectors.h -- the golden vectors as C tables, the same on a computer and on Cortex-M0+.
 *
 * tables.py writes vectors.c from the files in this folder when the tests are built. Each table has
 * its number of rows beside it. README.md says where the values come from.
 *
 *	for (size_t i = 0; i < vector_certs_n; i++)
 *		try(&vector_certs[i]);
 */
#ifndef IMPRINT_VECTORS_H
#define IMPRINT_VECTORS_H

#include "base.h"

/* Test keys: never use them. */
struct vector_key {
	const char *name;
	struct slice private_key, q; /* 32; X|Y 64 */
	const char *pem;             /* as the libraries print it; NULL for the authority's keys */
};
extern const struct vector_key vector_keys[];
extern const size_t vector_keys_n;

struct vector_csr {
	const char *name, *c, *st, *l, *o, *ou, *cn; /* "" when left out */
	struct slice q, info, der;
	const char *pem; /* 76 columns */
};
extern const struct vector_csr vector_csrs[];
extern const size_t vector_csrs_n;

struct vector_cert {
	const char *name, *device_id;
	struct slice serial, aki, sig, q;
	uint16_t year;
	uint8_t month, day, hour, years;
	bool sig_valid; /* by the key named golden-ca-key */
	struct slice slot10, slot11, slot12_id, slot12, dates, tbs, der;
	const char *pem;
};
/* In range: everything rebuilds. */
extern const struct vector_cert vector_certs[];
extern const size_t vector_certs_n;
/* What Arduino's library does with input that must be refused. */
extern const struct vector_cert vector_out_of_range[];
extern const size_t vector_out_of_range_n;

struct vector_self_signed {
	const char *name;
	struct slice der;
	bool well_formed; /* false: an INTEGER without content, which openssl refuses too */
	const char *c, *st, *l, *o, *ou, *cn; /* "" when left out */
	struct slice serial, q;
	uint16_t year;
	uint8_t month, day, hour, years;
	struct slice storage; /* slot 8, 72 bytes; empty where the library stores nothing */
};
extern const struct vector_self_signed vector_self_signed[];
extern const size_t vector_self_signed_n;

/* Certificates of the authority's profiles. */
struct vector_bytes {
	const char *name;
	struct slice bytes;
};
extern const struct vector_bytes vector_authority_certs[];
extern const size_t vector_authority_certs_n;

/* Signatures r|s and their DER; one of the two is empty when it must be refused. */
struct vector_sig {
	const char *name;
	struct slice raw, der;
};
extern const struct vector_sig vector_sigs[], vector_sigs_refused[];
extern const size_t vector_sigs_n, vector_sigs_refused_n;

/* JSON web tokens: three parts in base64url. */
struct vector_token {
	const char *token, *header, *claims;
	struct slice sig;
};
extern const struct vector_token vector_tokens[];
extern const size_t vector_tokens_n;

/* SHA-256 of `hashed` in hex is `id`. */
struct vector_hardware_id {
	struct slice hashed;
	const char *id;
};
extern const struct vector_hardware_id vector_hardware_ids[];
extern const size_t vector_hardware_ids_n;

/* Everything a real sketch sent on its serial port in one run. */
extern const struct vector_bytes vector_transcripts[];
extern const size_t vector_transcripts_n;

/* Frames of Provisioning 2.0 with one CBOR message or one control byte each. */
struct vector_frame {
	const char *name;
	uint8_t type;
	struct slice payload, frame;
	bool well_formed; /* false: another mark, or a wrong CRC */
};
extern const struct vector_frame vector_frames[];
extern const size_t vector_frames_n;

/* Arduino's default TLS configuration zone, 128 bytes. */
extern const struct slice vector_default_config;

#endif
