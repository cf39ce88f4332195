#include "setup_message.h"

#include <string.h>

enum err setup_body_take(struct slice *in, struct setup_body *body, bool newer)
{
	struct slice rest = *in;
	struct cbor_item map, item;
	uint32_t key;

	body->present = 0;
	if (cbor_take_any(&rest, &map) != OK || map.major != CBOR_MAP)
		return ERR_FORMAT;
	while (map.body.n > 0) { /* keys ascend: cbor_take_any has looked */
		if (cbor_take_uint(&map.body, &key) != OK ||
		    cbor_take_any(&map.body, &item) != OK || (key >= SETUP_FIELDS && !newer))
			return ERR_FORMAT;
		if (key < SETUP_FIELDS) {
			body->present |= (uint16_t)(1u << key);
			body->at[key] = item;
		}
	}
	*in = rest;
	return OK;
}

static const struct cbor_item *at(const struct setup_body *body, unsigned field)
{
	return (body->present >> field & 1) != 0 ? &body->at[field] : NULL;
}

bool setup_string(const struct setup_body *body, unsigned field, enum cbor_major major, size_t max,
    struct slice *out)
{
	const struct cbor_item *item = at(body, field);

	if (item == NULL || item->major != major || item->body.n > max)
		return false;
	*out = item->body;
	return true;
}

bool setup_bytes(const struct setup_body *body, unsigned field, size_t n, const uint8_t **out)
{
	struct slice s;

	if (!setup_string(body, field, CBOR_BYTES, n, &s) || s.n != n)
		return false;
	*out = s.p;
	return true;
}

bool setup_number(const struct setup_body *body, unsigned field, uint32_t max, uint32_t *out)
{
	const struct cbor_item *item = at(body, field);

	if (item == NULL || item->major != CBOR_UINT || item->argument > max)
		return false;
	*out = item->argument;
	return true;
}

bool setup_flag(const struct setup_body *body, unsigned field, bool *out)
{
	const struct cbor_item *item = at(body, field);

	if (item == NULL || item->major != CBOR_SIMPLE || item->argument == CBOR_NULL)
		return false;
	*out = item->argument == CBOR_TRUE;
	return true;
}

void setup_put_bytes(struct cbor_w *w, unsigned field, const uint8_t *p, size_t n)
{
	cbor_put(w, CBOR_UINT, field);
	cbor_put_string(w, CBOR_BYTES, (struct slice){ p, n });
}

void setup_put_text(struct cbor_w *w, unsigned field, struct slice text)
{
	cbor_put(w, CBOR_UINT, field);
	cbor_put_string(w, CBOR_TEXT, text);
}

void setup_put_number(struct cbor_w *w, unsigned field, uint32_t v)
{
	cbor_put(w, CBOR_UINT, field);
	cbor_put(w, CBOR_UINT, v);
}

void setup_put_flag(struct cbor_w *w, unsigned field, bool v)
{
	cbor_put(w, CBOR_UINT, field);
	cbor_put_bool(w, v);
}

bool setup_printable(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < 0x20 || text.p[i] > 0x7e)
			return false;
	return true;
}

struct slice setup_text(const char *text)
{
	size_t n = 0;

	while (text[n] != '\0')
		n++;
	return (struct slice){ (const uint8_t *)text, n };
}

/* --- network settings: limits as Arduino's configurator has them --- */

static const struct setup_field wifi[] = { { CBOR_TEXT, 1, 32 }, { CBOR_TEXT, 0, 63 } };
static const struct setup_field ethernet[] = { { CBOR_BYTES, 0, 16 }, { CBOR_BYTES, 0, 16 },
	{ CBOR_BYTES, 0, 16 }, { CBOR_BYTES, 0, 16 }, { CBOR_UINT, 0, 0 }, { CBOR_UINT, 0, 0 } };
static const struct setup_field modem[] = { { CBOR_TEXT, 0, 8 }, { CBOR_TEXT, 1, 100 },
	{ CBOR_TEXT, 0, 32 }, { CBOR_TEXT, 0, 32 }, { CBOR_UINT, 0, 0 } };
static const struct setup_field lora[] = { { CBOR_TEXT, 16, 16 }, { CBOR_TEXT, 32, 32 },
	{ CBOR_UINT, 0, 0 }, { CBOR_TEXT, 0, 12 }, { CBOR_TEXT, 1, 1 } };

const struct setup_field *setup_network_fields(enum setup_network_kind kind, unsigned *n)
{
	switch (kind) {
	case SETUP_WIFI:
		*n = COUNT(wifi);
		return wifi;
	case SETUP_ETHERNET:
		*n = COUNT(ethernet);
		return ethernet;
	case SETUP_CATM1:
		*n = COUNT(modem);
		return modem;
	case SETUP_NB_IOT:
	case SETUP_GSM:
	case SETUP_CELLULAR:
		*n = COUNT(modem) - 1;
		return modem;
	case SETUP_LORA:
		*n = COUNT(lora);
		return lora;
	default:
		return NULL;
	}
}

static bool in_range(const struct setup_field *field, const struct setup_value *value)
{
	size_t n = value->bytes.n;

	if (field->major == CBOR_UINT)
		return true;
	if (n < field->min || n > field->max)
		return false;
	return field->major == CBOR_TEXT || n == 0 || n == 4 || n == 16; /* an address */
}

enum err setup_network_check(const struct setup_network *network, unsigned *field)
{
	unsigned n;
	const struct setup_field *fields = setup_network_fields(network->kind, &n);

	*field = 0;
	if (fields == NULL)
		return ERR_ARG;
	for (*field = 1; *field <= n; (*field)++)
		if (!in_range(&fields[*field - 1], &network->at[*field]))
			return ERR_ARG;
	return OK;
}

static bool take_value(const struct setup_body *body, unsigned field,
    const struct setup_field *form, struct setup_value *v)
{
	if (form->major == CBOR_UINT)
		return setup_number(body, field, UINT32_MAX, &v->number);
	return setup_string(
	    body, field, (enum cbor_major)form->major, SETUP_MESSAGE_MAX, &v->bytes);
}

enum setup_fault setup_network_body(
    const struct setup_body *body, struct setup_network *network, unsigned *field)
{
	const struct setup_field *form;
	uint32_t kind;
	unsigned n;

	*field = 0;
	if (!setup_number(body, 0, UINT8_MAX, &kind))
		return SETUP_MALFORMED;
	memset(network, 0, sizeof(*network));
	network->kind = (enum setup_network_kind)kind;
	if ((form = setup_network_fields(network->kind, &n)) == NULL)
		return SETUP_RANGE;
	for (*field = n + 1; *field < SETUP_FIELDS; (*field)++) /* that this kind does not have */
		if (body->present >> *field & 1)
			return SETUP_MALFORMED;
	for (*field = 1; *field <= n; (*field)++)
		if (!take_value(body, *field, &form[*field - 1], &network->at[*field]))
			return SETUP_MALFORMED;
	return setup_network_check(network, field) == OK ? SETUP_FINE : SETUP_RANGE;
}

enum err setup_network_take(struct slice in, struct setup_network *network)
{
	struct setup_body body;
	unsigned field;

	if (setup_body_take(&in, &body, false) != OK || cbor_end(&in) != OK ||
	    setup_network_body(&body, network, &field) != SETUP_FINE)
		return ERR_FORMAT;
	return OK;
}

void setup_network_put(struct cbor_w *w, const struct setup_network *network)
{
	unsigned n = 0;
	const struct setup_field *form = setup_network_fields(network->kind, &n);

	cbor_put(w, CBOR_MAP, n + 1);
	setup_put_number(w, 0, (uint32_t)network->kind);
	for (unsigned field = 1; field <= n; field++) {
		const struct setup_value *v = &network->at[field];

		cbor_put(w, CBOR_UINT, field);
		if (form[field - 1].major == CBOR_UINT)
			cbor_put(w, CBOR_UINT, v->number);
		else
			cbor_put_string(w, (enum cbor_major)form[field - 1].major, v->bytes);
	}
}

/* --- proof --- */

static const char proof_text[SETUP_PROOF_TEXT] = "Imprint setup proof 1\n";

void setup_proof(
    const uint8_t serial[9], const uint8_t challenge[32], uint8_t out[SETUP_PROOF_SIZE])
{
	memcpy(out, proof_text, SETUP_PROOF_TEXT);
	memcpy(out + SETUP_PROOF_TEXT, serial, 9);
	memcpy(out + SETUP_PROOF_TEXT + 9, challenge, 32);
}
