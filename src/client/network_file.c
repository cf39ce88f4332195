#include "network_file.h"

#include "file.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX 65536
#define VALUE_MAX 100 /* the longest is an access point's name */

struct network_file {
	struct setup_network network;
	uint8_t bytes[SETUP_NETWORK_FIELDS][VALUE_MAX];
};

enum form { TEXT_FIELD, NUMBER_FIELD, ADDRESS_FIELD, BANDS_FIELD };
struct member {
	const char *name;
	unsigned field;
	enum form form;
};

static const struct member wifi[] = { { "ssid", SETUP_WIFI_SSID, TEXT_FIELD },
	{ "pwd", SETUP_WIFI_PASSWORD, TEXT_FIELD }, { NULL, 0, TEXT_FIELD } };
static const struct member ethernet[] = { { "ip", SETUP_ETHERNET_IP, ADDRESS_FIELD },
	{ "dns", SETUP_ETHERNET_DNS, ADDRESS_FIELD },
	{ "gateway", SETUP_ETHERNET_GATEWAY, ADDRESS_FIELD },
	{ "netmask", SETUP_ETHERNET_MASK, ADDRESS_FIELD },
	{ "timeout", SETUP_ETHERNET_TIMEOUT, NUMBER_FIELD },
	{ "response_timeout", SETUP_ETHERNET_RESPONSE, NUMBER_FIELD }, { NULL, 0, TEXT_FIELD } };
static const struct member modem[] = { { "pin", SETUP_MODEM_PIN, TEXT_FIELD },
	{ "apn", SETUP_MODEM_APN, TEXT_FIELD }, { "login", SETUP_MODEM_LOGIN, TEXT_FIELD },
	{ "pass", SETUP_MODEM_PASS, TEXT_FIELD }, { NULL, 0, TEXT_FIELD } };
static const struct member catm1[] = { { "pin", SETUP_MODEM_PIN, TEXT_FIELD },
	{ "apn", SETUP_MODEM_APN, TEXT_FIELD }, { "login", SETUP_MODEM_LOGIN, TEXT_FIELD },
	{ "pass", SETUP_MODEM_PASS, TEXT_FIELD }, { "band", SETUP_MODEM_BANDS, BANDS_FIELD },
	{ NULL, 0, TEXT_FIELD } };
static const struct member lora[] = { { "appeui", SETUP_LORA_APPEUI, TEXT_FIELD },
	{ "appkey", SETUP_LORA_APPKEY, TEXT_FIELD }, { "band", SETUP_LORA_BAND, NUMBER_FIELD },
	{ "channel_mask", SETUP_LORA_CHANNELS, TEXT_FIELD },
	{ "device_class", SETUP_LORA_CLASS, TEXT_FIELD }, { NULL, 0, TEXT_FIELD } };

static const struct {
	const char *name;
	const struct member *members;
} kinds[SETUP_NETWORK_KINDS] = {
	[SETUP_WIFI] = { "wifi", wifi },
	[SETUP_ETHERNET] = { "eth", ethernet },
	[SETUP_NB_IOT] = { "nb", modem },
	[SETUP_GSM] = { "gsm", modem },
	[SETUP_LORA] = { "lora", lora },
	[SETUP_CATM1] = { "catm1", catm1 },
	[SETUP_CELLULAR] = { "cellular", modem },
};

/* --- values --- */

static enum err number(json_t *in, uint32_t *out, struct errbuf *eb)
{
	if (!json_is_integer(in) || json_integer_value(in) < 0 ||
	    json_integer_value(in) > (json_int_t)UINT32_MAX)
		return err_set(eb, ERR_FORMAT, "not a whole number from 0 to 4294967295");
	*out = (uint32_t)json_integer_value(in);
	return OK;
}

static enum err text(json_t *in, uint8_t out[VALUE_MAX], size_t *n, struct errbuf *eb)
{
	if (!json_is_string(in) || json_string_length(in) > VALUE_MAX)
		return err_set(eb, ERR_FORMAT, "not a text of at most %d bytes", VALUE_MAX);
	*n = json_string_length(in);
	memcpy(out, json_string_value(in), *n);
	return OK;
}

/* Arduino's own form always has sixteen bytes. */
static enum err address_bytes(json_t *in, uint8_t out[16], size_t *n, struct errbuf *eb)
{
	json_t *bytes = json_object_get(in, "bytes"), *type = json_object_get(in, "type");
	size_t size = json_array_size(bytes);

	if (!json_is_integer(type) || json_integer_value(type) < 0 ||
	    json_integer_value(type) > 1 || (size != 4 && size != 16))
		return err_set(
		    eb, ERR_FORMAT, "not {\"type\": 0 or 1, \"bytes\": 4 or 16 numbers}");
	for (size_t i = 0; i < size; i++) {
		json_t *byte = json_array_get(bytes, i);

		if (!json_is_integer(byte) || json_integer_value(byte) < 0 ||
		    json_integer_value(byte) > 255)
			return err_set(eb, ERR_FORMAT, "bytes[%zu]: not 0 to 255", i);
		out[i] = (uint8_t)json_integer_value(byte);
	}
	*n = json_integer_value(type) == 0 ? 4 : 16;
	if (*n > size)
		return err_set(eb, ERR_FORMAT, "type 1: an IPv6 address has 16 bytes");
	if (ct_zero(out, *n))
		*n = 0;
	return OK;
}

static enum err address(json_t *in, uint8_t out[VALUE_MAX], size_t *n, struct errbuf *eb)
{
	const char *s = json_string_value(in);

	if (json_is_object(in))
		return address_bytes(in, out, n, eb);
	if (!s || strlen(s) != json_string_length(in))
		return err_set(eb, ERR_FORMAT, "not an address");
	if (s[0] == '\0')
		*n = 0;
	else if (inet_pton(AF_INET, s, out) == 1)
		*n = 4;
	else if (inet_pton(AF_INET6, s, out) == 1)
		*n = 16;
	else
		return err_set(eb, ERR_FORMAT, "not an IPv4 or IPv6 address");
	return OK;
}

/* A list of masks, one of which each modem has: they add up. */
static enum err bands(json_t *in, uint32_t *out, struct errbuf *eb)
{
	json_t *item;
	uint32_t mask;
	size_t i;
	enum err e;

	*out = 0;
	if (!json_is_array(in))
		return number(in, out, eb);
	json_array_foreach(in, i, item)
	{
		if ((e = number(item, &mask, eb)) != OK)
			return err_within(eb, e, "[%zu]", i);
		*out |= mask;
	}
	return OK;
}

static enum err value(struct network_file *f, const struct member *m, json_t *in, struct errbuf *eb)
{
	struct setup_value *v = &f->network.at[m->field];
	uint8_t *bytes = f->bytes[m->field - 1];

	v->bytes.p = bytes;
	switch (m->form) {
	case NUMBER_FIELD:
		return number(in, &v->number, eb);
	case BANDS_FIELD:
		return bands(in, &v->number, eb);
	case ADDRESS_FIELD:
		return address(in, bytes, &v->bytes.n, eb);
	default:
		return text(in, bytes, &v->bytes.n, eb);
	}
}

/* --- the file --- */

static const struct member *member_find(const struct member *members, const char *name)
{
	while (members->name && strcmp(members->name, name) != 0)
		members++;
	return members->name ? members : NULL;
}

static const char *field_name(const struct member *members, unsigned field)
{
	while (members->name && members->field != field)
		members++;
	return members->name ? members->name : "type";
}

static enum err settings(struct network_file *f, json_t *in, struct errbuf *eb)
{
	const char *kind = kinds[f->network.kind].name, *key;
	const struct member *members = kinds[f->network.kind].members, *m;
	json_t *object = json_object_get(in, kind), *item;
	unsigned field;
	enum err e;

	if (!json_is_object(object))
		return err_set(eb, ERR_FORMAT, "%s: not an object", kind);
	json_object_foreach(object, key, item)
	{
		if (!(m = member_find(members, key)))
			return err_set(eb, ERR_FORMAT, "%s: unknown member \"%.40s\"", kind, key);
		if ((e = value(f, m, item, eb)) != OK)
			return err_within(eb, e, "%s.%s", kind, key);
	}
	if (setup_network_check(&f->network, &field) != OK)
		return err_set(eb, ERR_FORMAT, "%s.%s: missing, too short or too long", kind,
		    field_name(members, field));
	return OK;
}

static void text_wipe(const json_t *in)
{
	union {
		const char *shown;
		char *kept;
	} text = { json_string_value(in) };

	wipe(text.kept, json_string_length(in));
}

/* The library keeps texts in memory of its own, and gives it back as it is. */
static void texts_wipe(json_t *in)
{
	const char *key;
	json_t *item;

	json_object_foreach(in, key, item)
	{
		if (json_is_object(item))
			texts_wipe(item);
		else if (json_is_string(item))
			text_wipe(item);
	}
}

enum err network_file_parse(struct slice json, struct network_file **file, struct errbuf *eb)
{
	struct network_file *f = calloc(1, sizeof(*f));
	json_error_t at;
	json_t *in = NULL;
	uint32_t kind;
	enum err e;

	if (!f)
		return err_set(eb, ERR_MEMORY, "no memory for network settings");
	if (!(in = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, &at))) {
		e = err_set(eb, ERR_FORMAT, "line %d: not JSON", at.line);
		goto out;
	}
	if (!json_is_object(in)) {
		e = err_set(eb, ERR_FORMAT, "not an object");
		goto out;
	}
	if (number(json_object_get(in, "type"), &kind, eb) != OK || kind < SETUP_WIFI ||
	    kind >= SETUP_NETWORK_KINDS) {
		e = err_set(eb, ERR_FORMAT, "type: not 1 to %d", SETUP_NETWORK_KINDS - 1);
		goto out;
	}
	f->network.kind = (enum setup_network_kind)kind;
	if ((e = settings(f, in, eb)) != OK)
		goto out;
	*file = f;
	f = NULL;
out:
	texts_wipe(in);
	json_decref(in);
	network_file_free(f);
	return e;
}

enum err network_file_read(const char *path, struct network_file **file, struct errbuf *eb)
{
	uint8_t *bytes = NULL;
	size_t n;
	enum err e;

	if ((e = file_read(path, FILE_MAX, &bytes, &n, eb)) != OK)
		return e;
	if ((e = network_file_parse((struct slice){ bytes, n }, file, eb)) != OK)
		err_within(eb, e, "%s", path);
	wipe(bytes, n);
	free(bytes);
	return e;
}

const struct setup_network *network_file_settings(const struct network_file *file)
{
	return &file->network;
}

void network_file_free(struct network_file *file)
{
	if (file)
		wipe(file, sizeof(*file));
	free(file);
}
