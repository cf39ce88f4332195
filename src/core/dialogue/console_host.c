#include "console_host.h"
#include "console_texts.h"
#include "csr.h"
#include "text.h"

#include <string.h>

#define ANSWERS_MAX 3   /* times that one prompt is answered */
#define SETTLED_MS 2000 /* a board that was silent for so long is not in the middle of printing */
#define KEEP 96         /* how much of an overlong line stays in view; longer than any prompt */
#define CERT_DIGITS_MIN 200 /* a line of so many hex digits is meant to be the certificate */

const struct console_limits console_limits_default = { {
    [CONSOLE_START] = 12000, /* the question for a new key comes again every 5 s */
    [CONSOLE_LOCK] = 15000,  /* 27 words of configuration, two locks */
    [CONSOLE_NEW_KEY] = 12000,
    [CONSOLE_DEVICE_ID] = 10000,
    [CONSOLE_CSR] = 20000,
    [CONSOLE_YEAR] = 10000,
    [CONSOLE_MONTH] = 10000,
    [CONSOLE_DAY] = 10000,
    [CONSOLE_HOUR] = 10000,
    [CONSOLE_YEARS] = 10000,
    [CONSOLE_SERIAL] = 10000,
    [CONSOLE_AKI] = 10000,
    [CONSOLE_SIGNATURE] = 10000,
    [CONSOLE_STORE] = 20000,
    [CONSOLE_CERTIFICATE] = 10000,
    [CONSOLE_CLOSING] = 30000, /* a Wi-Fi module may have to start */
} };

/*
 * What makes a line that ends in a colon this step's prompt. Less than the whole text, since the
 * wording in the field varies.
 */
static const char *const prompt_keys[CONSOLE_STEPS] = {
	[CONSOLE_LOCK] = "would you like to lock it (y/N)",
	[CONSOLE_NEW_KEY] = "new private key and CSR (y/N)",
	[CONSOLE_DEVICE_ID] = "enter the device id",
	[CONSOLE_YEAR] = "enter the issue year",
	[CONSOLE_MONTH] = "enter the issue month",
	[CONSOLE_DAY] = "enter the issue day",
	[CONSOLE_HOUR] = "enter the issue hour",
	[CONSOLE_YEARS] = "enter how many years",
	[CONSOLE_SERIAL] = "enter the certificates serial number",
	[CONSOLE_AKI] = "enter the certificates authority key id",
	[CONSOLE_SIGNATURE] = "enter the certificates signature",
};

/* Where the PEM block of the request stands; the certificate's PEM is only passed over. */
enum { PEM_BEFORE, PEM_OPEN, PEM_READ };

/* --- text in the current line --- */

static size_t length(const char *text)
{
	size_t n = 0;

	while (text[n] != '\0')
		n++;
	return n;
}

/* The offset behind the first occurrence of n characters at or after `from`, else 0. */
static size_t find(const struct console_host *h, size_t from, const char *text, size_t n)
{
	for (; from + n <= h->line_n; from++)
		if (memcmp(h->line + from, text, n) == 0)
			return from + n;
	return 0;
}

static bool has(const struct console_host *h, const char *text)
{
	return find(h, 0, text, length(text)) != 0;
}

/* True when the line contains the pattern, in which a '%' stands for anything. */
static bool has_pattern(const struct console_host *h, const char *pattern)
{
	size_t at = 0, n;

	for (;;) {
		for (n = 0; pattern[n] != '\0' && pattern[n] != '%'; n++)
			;
		at = find(h, at, pattern, n);
		if (at == 0 || pattern[n] == '\0')
			return at != 0;
		pattern += n + 1;
	}
}

static bool begins(const struct console_host *h, const char *text)
{
	size_t n = length(text);

	return h->line_n >= n && memcmp(h->line, text, n) == 0;
}

static bool ends(const struct console_host *h, const char *text)
{
	size_t n = length(text);

	return h->line_n >= n && memcmp(h->line + h->line_n - n, text, n) == 0;
}

static char printable(char c)
{
	return c >= ' ' && c <= '~' ? c : '?';
}

static void keep_said(struct console_host *h)
{
	size_t n = 0;

	if (h->line_n == 0)
		return;
	for (; n < h->line_n && n < sizeof(h->said) - 1; n++)
		h->said[n] = printable(h->line[n]);
	h->said[n] = '\0';
}

/* Copies what stands behind `label`, up to the first blank; nothing when there is no label. */
static void keep_version(
    const struct console_host *h, const char *label, char version[CONSOLE_VERSION_MAX])
{
	size_t from = find(h, 0, label, length(label)), n = 0;

	while (from != 0 && from + n < h->line_n && n < CONSOLE_VERSION_MAX - 1 &&
	       h->line[from + n] != ' ') {
		version[n] = printable(h->line[from + n]);
		n++;
	}
	version[n] = '\0';
}

/* --- steps, failures, answers --- */

static void enter(struct console_host *h, enum console_step step)
{
	h->step = step;
	h->in_step_ms = 0;
	h->asked_again = false;
}

static enum console_event fail(
    struct console_host *h, enum console_step step, enum console_cause cause)
{
	keep_said(h);
	h->step = step;
	h->cause = cause;
	h->out_n = h->out_sent = 0;
	h->need_lock = h->need_cert = false;
	return CONSOLE_FAILED;
}

static enum console_event finish(struct console_host *h)
{
	enter(h, CONSOLE_DONE);
	h->out_n = h->out_sent = 0;
	return CONSOLE_FINISHED;
}

static void answer_text(struct console_host *h, const char *text, size_t n)
{
	memcpy(h->out, text, n);
	h->out[n] = '\n';
	h->out_n = (uint8_t)(n + 1);
	h->out_sent = 0;
	h->answers = 1;
}

static void answer_hex(struct console_host *h, const uint8_t *bytes, size_t n)
{
	hex_encode((struct slice){ bytes, n }, HEX_LOWER, h->out);
	h->out[2 * n] = '\n';
	h->out_n = (uint8_t)(2 * n + 1);
	h->out_sent = 0;
	h->answers = 1;
}

/* 0..99, without leading zero. */
static void answer_number(struct console_host *h, unsigned v)
{
	char text[2] = { '0', '0' };

	for (; v >= 10; v -= 10)
		text[0]++;
	text[1] = (char)('0' + v);
	if (text[0] == '0')
		answer_text(h, text + 1, 1);
	else
		answer_text(h, text, 2);
}

static void answer_year(struct console_host *h)
{
	char text[4] = { '2', '0', '0', '0' };
	unsigned v = h->fields.issued.year - 2000u;

	for (; v >= 10; v -= 10)
		text[2]++;
	text[3] = (char)('0' + v);
	answer_text(h, text, sizeof(text));
}

static void answer(struct console_host *h)
{
	const struct ccert *c = &h->fields;

	switch (h->step) {
	case CONSOLE_NEW_KEY:
		answer_text(h, "y", 1);
		break;
	case CONSOLE_DEVICE_ID:
		answer_text(h, h->device_id, sizeof(h->device_id));
		break;
	case CONSOLE_YEAR:
		answer_year(h);
		break;
	case CONSOLE_MONTH:
		answer_number(h, c->issued.month);
		break;
	case CONSOLE_DAY:
		answer_number(h, c->issued.day);
		break;
	case CONSOLE_HOUR:
		answer_number(h, c->issued.hour);
		break;
	case CONSOLE_YEARS:
		answer_number(h, c->years);
		break;
	case CONSOLE_SERIAL:
		answer_hex(h, c->serial, sizeof(c->serial));
		break;
	case CONSOLE_AKI:
		answer_hex(h, c->aki, sizeof(c->aki));
		break;
	default:
		answer_hex(h, c->sig, sizeof(c->sig));
		break;
	}
}

/* --- what the board says --- */

static void note_wording(struct console_host *h)
{
	if (has(h, "ECCX08"))
		h->wording = CONSOLE_2020;
	else if (has(h, "crypto ") || has(h, "Cert PEM =") || has(h, "Program finished"))
		h->wording = CONSOLE_TODAY;
}

static enum console_step prompt_in(const struct console_host *h)
{
	for (enum console_step s = CONSOLE_LOCK; s <= CONSOLE_SIGNATURE; s++)
		if (prompt_keys[s] != NULL && has(h, prompt_keys[s]))
			return s;
	return CONSOLE_START;
}

/* The step whose prompt follows the current step, as far as the board is concerned. */
static bool follows(const struct console_host *h, enum console_step s)
{
	switch (h->step) {
	case CONSOLE_START:
		return s == CONSOLE_LOCK || s == CONSOLE_NEW_KEY;
	case CONSOLE_CSR:
		return s == CONSOLE_YEAR && h->pem == PEM_READ;
	case CONSOLE_DEVICE_ID: /* the request comes first */
		return false;
	default:
		return s == h->step + 1 && h->out_n != 0;
	}
}

/* The board asks for this step's answer and waits. */
static enum console_event prompted(struct console_host *h, enum console_step s)
{
	if (s ==
	    h->step) { /* the same again: an empty answer, or the five seconds of the new key */
		h->asked_again = h->out_n != 0;
		return CONSOLE_NOTHING;
	}
	if (!follows(h, s)) {
		if ((h->step == CONSOLE_DEVICE_ID || h->step == CONSOLE_CSR) && s >= CONSOLE_YEAR)
			return fail(h, CONSOLE_CSR, CONSOLE_CSR_DAMAGED);
		return fail(h, h->step,
		    s <= CONSOLE_NEW_KEY && s < h->step ? CONSOLE_RESTARTED : CONSOLE_OUT_OF_ORDER);
	}
	enter(h, s);
	h->out_n = h->out_sent = 0;
	if (s == CONSOLE_LOCK) {
		h->need_lock = true;
		return CONSOLE_LOCK_ASKED;
	}
	if (!h->need_cert)
		answer(h);
	return CONSOLE_NOTHING;
}

static enum console_event failure_in(struct console_host *h)
{
	for (size_t i = 0; i < CONSOLE_FAILURES; i++) {
		const struct console_failure *f = &console_failures[i];
		enum console_step step =
		    f->step == CONSOLE_STEPS ? h->step : (enum console_step)f->step;

		/* "No ... present!" belongs to the start; later it is debug text about something
		 * else */
		if (f->cause == CONSOLE_NO_ELEMENT && h->step != CONSOLE_START)
			continue;
		if (!(f->today != NULL && has_pattern(h, f->today)) &&
		    !(f->in_2020 != NULL && has_pattern(h, f->in_2020)))
			continue;
		return fail(h, step,
		    f->cause == CONSOLE_STOPPED && h->refused ? CONSOLE_LOCK_REFUSED
		                                              : (enum console_cause)f->cause);
	}
	if ((begins(h, "Error ") && ends(h, "!")) || ends(h, " configuration failed!"))
		return fail(h, h->step, CONSOLE_OTHER_ERROR);
	return CONSOLE_NOTHING;
}

/* The request is whole when it is one DER element and parses; it must name our device. */
static enum console_event csr_read(struct console_host *h)
{
	struct slice der = { h->bytes, h->der_n };
	enum csr_fault fault = (enum csr_fault)h->csr_fault;
	struct csr csr;

	if (fault != CSR_FINE || csr_parse(der, &csr, &fault) != OK) {
		h->csr_fault = (uint8_t)fault;
		return fail(h, CONSOLE_CSR, CONSOLE_CSR_DAMAGED);
	}
	if (!slice_equal(csr.name.at[X509_CN], SLICE(h->device_id)))
		return fail(h, CONSOLE_CSR, CONSOLE_CSR_OTHER_ID);
	memcpy(h->q, csr.q, sizeof(h->q));
	h->der = der;
	h->pem = PEM_READ;
	h->need_cert = true;
	return CONSOLE_CSR_READY;
}

/* Collects the request line by line; a line that is not base64 is debug text. */
static enum console_event csr_line(struct console_host *h)
{
	struct slice line = { (const uint8_t *)h->line, h->line_n };
	enum err e;
	size_t n;

	if (has(h, "-----BEGIN CERTIFICATE REQUEST-----")) {
		enter(h, CONSOLE_CSR);
		h->pem = PEM_OPEN;
		h->der_n = 0;
		h->csr_fault = CSR_FINE;
	} else if (h->pem == PEM_OPEN && has(h, "-----END CERTIFICATE REQUEST-----")) {
		return csr_read(h);
	} else if (h->pem == PEM_OPEN && !h->cut) {
		e = base64_decode(line, h->bytes + h->der_n, sizeof(h->bytes) - h->der_n, &n);
		if (e == OK)
			h->der_n = (uint16_t)(h->der_n + n);
		else if (e == ERR_SPACE)
			h->csr_fault = CSR_TOO_LONG;
	}
	return CONSOLE_NOTHING;
}

/* Which field of the certificate in `der` is not the one that was given; CCERT_FIELDS: not one. */
static enum ccert_field compare(const struct console_host *h, struct slice der)
{
	struct ccert got;
	uint8_t q[64];
	enum ccert_field f;

	if (ccert_from_cert(der, &got, q) != OK)
		return CCERT_FIELDS;
	f = ccert_compare(&h->fields, &got);
	if (f == CCERT_SAME && memcmp(q, h->q, sizeof(q)) != 0)
		f = CCERT_DIFFERS_KEY;
	return f;
}

/* A line of hex digits ended. Short ones and others are debug text. */
static enum console_event cert_line(struct console_host *h)
{
	struct slice der = { h->bytes, h->digits / 2u }, in = der, body;
	bool whole = !h->not_hex && h->digits % 2 == 0 && der.n <= sizeof(h->bytes) &&
	             der_take(&in, DER_SEQUENCE, &body) == OK && in.n == 0;

	if (!whole)
		return h->digits < CERT_DIGITS_MIN
		           ? CONSOLE_NOTHING
		           : fail(h, CONSOLE_CERTIFICATE, CONSOLE_CERT_DAMAGED);
	h->differs = compare(h, der);
	if (h->differs == CCERT_FIELDS)
		return fail(h, CONSOLE_CERTIFICATE, CONSOLE_CERT_DAMAGED);
	h->der = der;
	enter(h, CONSOLE_CLOSING);
	if (h->differs != CCERT_SAME)
		h->next_event = (uint8_t)fail(h, CONSOLE_CERTIFICATE, CONSOLE_CERT_DIFFERS);
	else if (h->wording == CONSOLE_2020)
		h->next_event = (uint8_t)finish(h);
	return CONSOLE_CERT_READY;
}

/* Today's last words; 2020 has none. */
static enum console_event closing_line(struct console_host *h)
{
	static const char current[] = "Current firmware version: ",
	                  latest[] = "Latest version available: ";

	if (has(h, "Cert PEM =") || has(h, "-----BEGIN CERTIFICATE-----")) {
		h->more = true;
	} else if (has(h, "Program finished")) {
		return finish(h);
	} else if (has(h, current)) {
		keep_version(h, current, h->firmware);
	} else if (has(h, latest) || has(h, "Latest firmware version correctly installed")) {
		keep_version(h, latest, h->firmware_latest);
		h->next_event = (uint8_t)finish(h);
		return CONSOLE_FIRMWARE;
	}
	return CONSOLE_NOTHING;
}

/* True when the line ends like the answer that was sent. */
static bool is_echo(const struct console_host *h)
{
	size_t n = h->out_n == 0 ? 0 : h->out_n - 1u, tail = n < 16 ? n : 16;

	return n > 0 && h->line_n >= tail &&
	       memcmp(h->line + h->line_n - tail, h->out + n - tail, tail) == 0;
}

static enum console_event step_line(struct console_host *h)
{
	switch (h->step) {
	case CONSOLE_DEVICE_ID:
		if (is_echo(h))
			enter(h, CONSOLE_CSR);
		return csr_line(h);
	case CONSOLE_CSR:
		return h->pem == PEM_READ ? CONSOLE_NOTHING : csr_line(h);
	case CONSOLE_SIGNATURE:
	case CONSOLE_STORE:
		if (has(h, "Compressed cert ="))
			enter(h, CONSOLE_CERTIFICATE);
		else if (is_echo(h))
			enter(h, CONSOLE_STORE);
		return CONSOLE_NOTHING;
	case CONSOLE_CERTIFICATE:
		if (has(h, "Cert PEM ="))
			return fail(h, CONSOLE_CERTIFICATE, CONSOLE_CERT_DAMAGED);
		return cert_line(h);
	case CONSOLE_CLOSING:
		return closing_line(h);
	default:
		if (h->step == CONSOLE_LOCK && has(h, " locked successfully"))
			h->locked_now = true;
		return CONSOLE_NOTHING;
	}
}

static void clear_line(struct console_host *h)
{
	h->line_n = 0;
	h->digits = 0;
	h->cut = h->not_hex = false;
}

static enum console_event line_ended(struct console_host *h)
{
	enum console_step prompt;
	enum console_event event;

	if (h->line_n == 0)
		return CONSOLE_NOTHING;
	note_wording(h);
	event = failure_in(h);
	if (event == CONSOLE_NOTHING && ends(h, ":") && (prompt = prompt_in(h)) != CONSOLE_START) {
		event = prompted(h, prompt);
	} else if (event == CONSOLE_NOTHING) {
		h->asked_again = false;
		event = step_line(h);
	}
	keep_said(h);
	clear_line(h);
	return event;
}

/* A prompt has no line end: it is over with the blank behind its colon. */
static enum console_event prompt_ended(struct console_host *h)
{
	enum console_step prompt;
	enum console_event event;

	if (!ends(h, ": ") || (prompt = prompt_in(h)) == CONSOLE_START)
		return CONSOLE_NOTHING;
	note_wording(h);
	event = prompted(h, prompt);
	keep_said(h);
	clear_line(h);
	return event;
}

static uint8_t hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (uint8_t)(c - 'a' + 10);
	return c >= 'A' && c <= 'F' ? (uint8_t)(c - 'A' + 10) : 0xff;
}

/* The certificate's line is longer than the window, so its digits are decoded as they come. */
static void take_digit(struct console_host *h, char c)
{
	uint8_t v = hex_value(c);

	if (v == 0xff) {
		h->not_hex = true;
		return;
	}
	if (h->digits / 2u < sizeof(h->bytes)) {
		if (h->digits % 2 == 0)
			h->bytes[h->digits / 2u] = 0;
		h->bytes[h->digits / 2u] |= (uint8_t)(v << (h->digits % 2 == 0 ? 4 : 0));
	}
	if (h->digits < UINT16_MAX)
		h->digits++;
}

/* Keeps the end of a line that is too long for the window. */
static void append(struct console_host *h, char c)
{
	if (h->line_n == sizeof(h->line)) {
		memmove(h->line, h->line + sizeof(h->line) - KEEP, KEEP);
		h->line_n = KEEP;
		h->cut = true;
	}
	h->line[h->line_n++] = c;
	if (h->step == CONSOLE_CERTIFICATE)
		take_digit(h, c);
}

static enum console_event take_char(struct console_host *h, char c)
{
	if (c == '\r' || c == '\n')
		return line_ended(h);
	append(h, c);
	return c == ' ' ? prompt_ended(h) : CONSOLE_NOTHING;
}

static enum console_event take_next_event(struct console_host *h)
{
	enum console_event event = (enum console_event)h->next_event;

	h->next_event = CONSOLE_NOTHING;
	return event;
}

/* --- for the caller --- */

void console_host_init(struct console_host *h, const char device_id[CCERT_DEVICE_ID],
    const struct console_limits *limits)
{
	memset(h, 0, sizeof(*h));
	memcpy(h->device_id, device_id, sizeof(h->device_id));
	h->limits = limits;
}

bool console_host_over(const struct console_host *h)
{
	return h->step == CONSOLE_DONE || h->cause != CONSOLE_FINE;
}

enum console_event console_host_take(struct console_host *h, struct slice *in)
{
	enum console_event event = take_next_event(h);

	while (event == CONSOLE_NOTHING && in->n > 0) {
		char c = (char)*in->p;

		in->p++;
		in->n--;
		h->quiet_ms = 0;
		if (!console_host_over(h))
			event = take_char(h, c);
	}
	return event;
}

static uint32_t add(uint32_t a, uint32_t b)
{
	return a + b < a ? UINT32_MAX : a + b;
}

/* A board that keeps silent after the hex of an unknown wording ran the sketch of 2020. */
static bool may_be_the_end(const struct console_host *h)
{
	return h->step == CONSOLE_CLOSING && h->wording == CONSOLE_WORDING_UNKNOWN && !h->more;
}

/* The step's time is over. Perhaps only the last line end got lost. */
static enum console_event step_over(struct console_host *h)
{
	enum console_step step = h->step;
	enum console_event event = line_ended(h);

	if (event != CONSOLE_NOTHING || h->step != step)
		return event;
	if (may_be_the_end(h))
		return finish(h);
	return fail(h, step, h->refused ? CONSOLE_LOCK_REFUSED : CONSOLE_SILENT);
}

enum console_event console_host_elapsed(struct console_host *h, uint32_t ms)
{
	if (h->next_event != CONSOLE_NOTHING)
		return take_next_event(h);
	if (console_host_over(h) || h->need_lock || h->need_cert)
		return CONSOLE_NOTHING;
	h->quiet_ms = add(h->quiet_ms, ms);
	h->in_step_ms = add(h->in_step_ms, ms);
	if (may_be_the_end(h) && h->quiet_ms >= SETTLED_MS)
		return finish(h);
	/* The prompt came again after the answer was sent, and no echo since: it was lost. */
	if (h->asked_again && h->quiet_ms >= SETTLED_MS && h->out_sent == h->out_n &&
	    h->answers < ANSWERS_MAX) {
		h->asked_again = false;
		h->out_sent = 0;
		h->answers++;
	}
	return h->in_step_ms >= h->limits->ms[h->step] ? step_over(h) : CONSOLE_NOTHING;
}

struct slice console_host_output(const struct console_host *h)
{
	return (struct slice){ (const uint8_t *)h->out + h->out_sent,
		(size_t)(h->out_n - h->out_sent) };
}

void console_host_sent(struct console_host *h, size_t n)
{
	h->out_sent = (uint8_t)(h->out_sent + n);
	h->quiet_ms = 0;
}

enum err console_host_lock(struct console_host *h, bool yes)
{
	if (!h->need_lock)
		return ERR_CONFLICT;
	h->need_lock = false;
	h->refused = !yes;
	answer_text(h, yes ? "y" : "N", 1);
	return OK;
}

enum err console_host_certificate(struct console_host *h, const struct ccert *fields)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12];

	if (!h->need_cert)
		return ERR_CONFLICT;
	if (memcmp(fields->device_id, h->device_id, sizeof(h->device_id)) != 0)
		return ERR_ARG;
	if (ccert_pack(fields, slot10, slot11, slot12) != OK)
		return ERR_ARG;
	h->need_cert = false;
	h->fields = *fields;
	if (h->step == CONSOLE_YEAR)
		answer(h);
	return OK;
}
