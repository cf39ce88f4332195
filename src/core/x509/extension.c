#include "extension.h"

/* Opens an Extension and its extnValue; the OIDs 2.5.29.n are all that are needed here. */
static void open_ext(struct der_w *w, uint8_t n, bool critical, size_t marks[2])
{
	marks[0] = der_open(w, DER_SEQUENCE);
	der_put(w, DER_OID, BYTES(0x55, 0x1d, n));
	if (critical) /* FALSE is the default and not written (X.690 11.5) */
		der_put(w, DER_BOOLEAN, BYTES(0xff));
	marks[1] = der_open(w, DER_OCTET_STRING);
}

static void close_ext(struct der_w *w, const size_t marks[2])
{
	der_close(w, marks[1]);
	der_close(w, marks[0]);
}

void x509_ext_ca_put(struct der_w *w, uint8_t path_len)
{
	size_t marks[2], value;

	open_ext(w, 19, true, marks);
	value = der_open(w, DER_SEQUENCE);
	der_put(w, DER_BOOLEAN, BYTES(0xff));
	der_put_uint(w, (struct slice){ &path_len, 1 });
	der_close(w, value);
	close_ext(w, marks);
}

void x509_ext_key_usage_put(struct der_w *w, uint8_t usage)
{
	size_t marks[2];
	uint8_t unused = 0;

	if (usage == 0 && w->err == OK)
		w->err = ERR_ARG;
	while (unused < 7 && !(usage >> unused & 1))
		unused++; /* a named bit list ends with its last one bit (X.690 11.2.2) */
	open_ext(w, 15, true, marks);
	der_put(w, DER_BIT_STRING, BYTES(unused, usage));
	close_ext(w, marks);
}

void x509_ext_subject_key_id_put(struct der_w *w, const uint8_t id[20])
{
	size_t marks[2];

	open_ext(w, 14, false, marks);
	der_put(w, DER_OCTET_STRING, (struct slice){ id, 20 });
	close_ext(w, marks);
}
