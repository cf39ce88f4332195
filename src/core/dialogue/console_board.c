#include "console_board.h"
#include "console_texts.h"
#include "text.h"

#include <string.h>

#define ASK_AGAIN_MS 5000
#define PEM_LINE 57 /* bytes in a line of 76 characters */

/* Asked in this order from CONSOLE_NEW_KEY on; the CSR is printed between two of them. */
static const char *const prompts[] = {
	[CONSOLE_LOCK] = "Your % is unlocked, would you like to lock it (y/N): ",
	[CONSOLE_NEW_KEY] = "Would you like to generate a new private key and CSR (y/N): ",
	[CONSOLE_DEVICE_ID] = "Please enter the device id: ",
	[CONSOLE_YEAR] = "Please enter the issue year of the certificate (2000 - 2031): ",
	[CONSOLE_MONTH] = "Please enter the issue month of the certificate (1 - 12): ",
	[CONSOLE_DAY] = "Please enter the issue day of the certificate (1 - 31): ",
	[CONSOLE_HOUR] = "Please enter the issue hour of the certificate (0 - 23): ",
	[CONSOLE_YEARS] = "Please enter how many years the certificate is valid for (0 - 31): ",
	[CONSOLE_SERIAL] = "Please enter the certificates serial number: ",
	[CONSOLE_AKI] = "Please enter the certificates authority key identifier: ",
	[CONSOLE_SIGNATURE] = "Please enter the certificates signature: ",
};

static bool is_today(const struct console_board *b)
{
	return b->wording != CONSOLE_2020;
}

static void put_bytes(struct console_board *b, const char *text, size_t n)
{
	b->platform->put(b->platform->ctx, text, n);
}

/* Prints text with '%' replaced by the name of the element. */
static void put(struct console_board *b, const char *text)
{
	size_t n;

	for (n = 0; text[n] != '\0' && text[n] != '%'; n++)
		;
	put_bytes(b, text, n);
	if (text[n] == '%') {
		put_bytes(b, is_today(b) ? "crypto" : "ECCX08", 6);
		put(b, text + n + 1);
	}
}

/* Prints a text that is not ours as it is. */
static void put_plain(struct console_board *b, const char *text)
{
	size_t n;

	for (n = 0; text[n] != '\0'; n++)
		;
	put_bytes(b, text, n);
}

static void put_line(struct console_board *b, const char *text)
{
	put(b, text);
	put(b, "\r\n");
}

static void ask(struct console_board *b, enum console_step step)
{
	b->step = step;
	b->waited_ms = 0;
	b->line_n = 0;
	put(b, prompts[step]);
}

/* Prints the text of the cause and stops for ever, as the sketches do. */
static void fail(struct console_board *b, enum console_cause cause)
{
	size_t i = 0;

	while (console_failures[i].cause != cause)
		i++;
	b->cause = cause;
	put_line(b, is_today(b) ? console_failures[i].today : console_failures[i].in_2020);
}

/* The lines of a PEM block end in a bare LF; the println around it adds CR LF. */
static void put_pem(struct console_board *b, const char *label, struct slice der)
{
	char line[BASE64_SIZE(PEM_LINE) + 1];

	put(b, "-----BEGIN ");
	put(b, label);
	put(b, "-----\n");
	while (der.n > 0) {
		size_t n = der.n < PEM_LINE ? der.n : PEM_LINE;

		if (base64_encode((struct slice){ der.p, n }, line, sizeof(line)) != OK)
			return; /* cannot be: the line has the room */
		put(b, line);
		put(b, "\n");
		der.p += n;
		der.n -= n;
	}
	put(b, "-----END ");
	put(b, label);
	put(b, "-----\n\r\n");
}

static void put_hex(struct console_board *b, struct slice bytes)
{
	char digits[3];

	for (size_t i = 0; i < bytes.n; i++) {
		hex_encode((struct slice){ bytes.p + i, 1 }, HEX_UPPER, digits);
		put_bytes(b, digits, 2);
	}
}

/* --- answers --- */

static bool is_yes(const struct console_board *b)
{
	return b->line_n == 1 && (b->line[0] == 'y' || b->line[0] == 'Y');
}

/* What String.toInt makes of it: leading digits, else 0. Anything above 9999 is out of range
 * anyway. */
static uint32_t to_number(const char *text, size_t n)
{
	uint32_t v = 0;

	for (size_t i = 0; i < n && text[i] >= '0' && text[i] <= '9' && v <= 9999; i++)
		v = v * 10 + (uint32_t)(text[i] - '0');
	return v;
}

/* The sketch's own arithmetic, defined for every character; a missing second digit gives 0. */
static uint8_t to_nibble(char c)
{
	unsigned u = (uint8_t)c;

	if (u >= 'a' && u <= 'z')
		u -= 'a' - 'A';
	return (u <= '9' ? u - '0' : u + 10 - 'A') & 0x0f;
}

static void to_bytes(const struct console_board *b, uint8_t *out, size_t n)
{
	memset(out, 0, n);
	for (size_t i = 0; i < b->line_n && i < 2 * n; i++)
		out[i / 2] |= (uint8_t)(to_nibble(b->line[i]) << (i % 2 == 0 ? 4 : 0));
}

/* --- the work behind an answer --- */

static void lock(struct console_board *b)
{
	const struct console_platform *p = b->platform;

	if (!is_yes(b)) {
		fail(b, CONSOLE_STOPPED);
	} else if (p->write_config(p->ctx) != OK) {
		fail(b, CONSOLE_CONFIG_FAILED);
	} else if (p->lock(p->ctx) != OK) {
		fail(b, CONSOLE_LOCK_FAILED);
	} else {
		put_line(b, "% locked successfully");
		put_line(b, "");
		ask(b, CONSOLE_NEW_KEY);
	}
}

/* In 2020 the key is made before the device id is known, today after. */
static void new_key(struct console_board *b)
{
	const struct console_platform *p = b->platform;

	if (!is_yes(b))
		fail(b, CONSOLE_STOPPED);
	else if (!is_today(b) && p->new_key(p->ctx) != OK)
		fail(b, CONSOLE_CSR_START_FAILED);
	else
		ask(b, CONSOLE_DEVICE_ID);
}

static void csr(struct console_board *b)
{
	const struct console_platform *p = b->platform;
	uint8_t bytes[CCERT_CERT_MAX];
	struct der_w w = der_writer(bytes, sizeof(bytes));
	struct slice name = { (const uint8_t *)b->line, b->line_n }, der;

	b->step = CONSOLE_CSR;
	b->id_n = b->line_n < sizeof(b->id) ? b->line_n : sizeof(b->id);
	memset(b->id, 0, sizeof(b->id));
	memcpy(b->id, b->line, b->id_n);
	if ((is_today(b) && p->new_key(p->ctx) != OK) || p->csr(p->ctx, name, &w) != OK ||
	    der_finish(&w, &der) != OK) {
		fail(b, CONSOLE_CSR_FAILED);
		return;
	}
	put_line(b, "Generated CSR is:");
	put_line(b, "");
	put_pem(b, "CERTIFICATE REQUEST", der);
	ask(b, CONSOLE_YEAR);
}

/* The numbers as the certificate's dates; ERR_ARG for what the format cannot hold. */
static enum err set_dates(struct console_board *b)
{
	uint8_t packed[3];

	for (size_t i = 0; i < COUNT(b->numbers); i++)
		if (b->numbers[i] > (i == 0 ? 2031 : 31))
			return ERR_ARG;
	b->fields.issued = (struct x509_hour){ (uint16_t)b->numbers[0], (uint8_t)b->numbers[1],
		(uint8_t)b->numbers[2], (uint8_t)b->numbers[3] };
	b->fields.years = (uint8_t)b->numbers[4];
	return ccert_dates_pack(&b->fields.issued, b->fields.years, packed);
}

/* The certificate's subject is the device id and has exactly one length. */
static enum err store_certificate(struct console_board *b)
{
	const struct console_platform *p = b->platform;

	if (b->id_n != CCERT_DEVICE_ID)
		return ERR_ARG;
	memcpy(b->fields.device_id, b->id, CCERT_DEVICE_ID);
	return p->store_certificate(p->ctx, &b->fields);
}

/* Today's wording has one text for a rebuild that fails; 2020 tells reading from building. */
static enum console_cause rebuild_cause(const struct console_board *b, enum err e)
{
	if (is_today(b))
		return CONSOLE_BUILD_FAILED;
	return e == ERR_FORMAT || e == ERR_ARG || e == ERR_SPACE ? CONSOLE_REBUILD_FAILED
	                                                         : CONSOLE_REBUILD_START_FAILED;
}

/* The sketch compares versions as text. */
static bool is_older(const char *version, const char *than)
{
	while (*version != '\0' && *version == *than) {
		version++;
		than++;
	}
	return (uint8_t)*version < (uint8_t)*than;
}

static void put_closing(struct console_board *b, struct slice der)
{
	const struct console_platform *p = b->platform;
	const char *firmware;

	b->step = CONSOLE_CLOSING;
	put_line(b, "Cert PEM = ");
	put_line(b, "");
	put_pem(b, "CERTIFICATE", der);
	if (p->wifi_firmware == NULL) {
		put_line(b, "");
		put_line(b, "Program finished.");
		return;
	}
	put_line(b, "Checking firmware of WiFi module...");
	put_line(b, "");
	firmware = p->wifi_firmware(p->ctx);
	put(b, "Current firmware version: ");
	put_plain(b, firmware);
	put_line(b, "");
	if (!is_older(firmware, p->wifi_latest)) {
		put_line(b, "Latest firmware version correctly installed.");
	} else {
		put(b, "The firmware is not up to date. Latest version available: ");
		put_plain(b, p->wifi_latest);
		put_line(b, "");
	}
}

static void store(struct console_board *b)
{
	const struct console_platform *p = b->platform;
	uint8_t bytes[CCERT_CERT_MAX];
	struct der_w w = der_writer(bytes, sizeof(bytes));
	struct slice der;
	enum err e;

	b->step = CONSOLE_STORE;
	if (p->store_device_id(p->ctx, (const uint8_t *)b->id) != OK) {
		fail(b, CONSOLE_STORE_ID_FAILED);
	} else if (set_dates(b) != OK) {
		fail(b, CONSOLE_STORE_START_FAILED);
	} else if (store_certificate(b) != OK) {
		fail(b, CONSOLE_STORE_CERT_FAILED);
	} else if ((e = p->rebuild(p->ctx, &w)) != OK || (e = der_finish(&w, &der)) != OK) {
		fail(b, rebuild_cause(b, e));
	} else {
		b->step = CONSOLE_CERTIFICATE;
		put_line(b, "Compressed cert = ");
		put_hex(b, der);
		put_line(b, "");
		if (is_today(b))
			put_closing(b, der);
		b->step = CONSOLE_DONE;
	}
}

static void answered(struct console_board *b)
{
	enum console_step step = b->step;

	switch (step) {
	case CONSOLE_LOCK:
		lock(b);
		return;
	case CONSOLE_NEW_KEY:
		new_key(b);
		return;
	case CONSOLE_DEVICE_ID:
		csr(b);
		return;
	case CONSOLE_SERIAL:
		to_bytes(b, b->fields.serial, sizeof(b->fields.serial));
		break;
	case CONSOLE_AKI:
		to_bytes(b, b->fields.aki, sizeof(b->fields.aki));
		break;
	case CONSOLE_SIGNATURE:
		to_bytes(b, b->fields.sig, sizeof(b->fields.sig));
		store(b);
		return;
	default: /* a number, CONSOLE_YEAR .. CONSOLE_YEARS */
		b->numbers[step - CONSOLE_YEAR] = to_number(b->line, b->line_n);
		break;
	}
	ask(b, step + 1);
}

/* --- typing --- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Today an empty answer repeats the prompt; in 2020 it is an answer. */
static void line_ended(struct console_board *b)
{
	while (b->line_n > 0 && is_space(b->line[b->line_n - 1]))
		b->line_n--;
	if (b->line_n == 0 && is_today(b)) {
		ask(b, b->step);
		return;
	}
	put_bytes(b, b->line, b->line_n);
	put_line(b, "");
	answered(b);
}

static bool is_waiting(const struct console_board *b)
{
	return b->cause == CONSOLE_FINE && b->step != CONSOLE_START && b->step != CONSOLE_DONE;
}

void console_board_init(
    struct console_board *b, enum console_wording wording, const struct console_platform *platform)
{
	memset(b, 0, sizeof(*b));
	b->wording = wording;
	b->platform = platform;
}

void console_board_start(struct console_board *b)
{
	const struct console_platform *p = b->platform;

	if (!p->present(p->ctx))
		fail(b, CONSOLE_NO_ELEMENT);
	else
		ask(b, p->locked(p->ctx) ? CONSOLE_NEW_KEY : CONSOLE_LOCK);
}

void console_board_take(struct console_board *b, struct slice in)
{
	for (size_t i = 0; i < in.n && is_waiting(b); i++) {
		char c = (char)in.p[i];

		if (c == '\n')
			line_ended(b);
		else if (b->line_n < sizeof(b->line) && (b->line_n > 0 || !is_space(c)))
			b->line[b->line_n++] = c;
	}
}

void console_board_elapsed(struct console_board *b, uint32_t ms)
{
	if (!is_waiting(b) || b->step != CONSOLE_NEW_KEY || !is_today(b))
		return;
	b->waited_ms += ms <= ASK_AGAIN_MS ? ms : ASK_AGAIN_MS + 1;
	if (b->waited_ms > ASK_AGAIN_MS)
		line_ended(b); /* what was typed so far counts as the answer */
}
