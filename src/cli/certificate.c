/* `imprint certificate`: what is in a certificate, and its way into the slots and back. */
#include "certificate.h"
#include "commands.h"
#include "csr.h"
#include "digest.h"
#include "file.h"
#include "p256.h"
#include "shown.h"
#include "text.h"
#include "utc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MAX 65536
#define LINE_LIMIT 65536
#define NAME_TEXT 600

/* --- input: PEM, DER or hex, from a file or from standard input --- */

static enum err read_stdin(uint8_t **bytes, size_t *n, struct errbuf *eb)
{
	uint8_t *p = malloc(INPUT_MAX + 1);
	enum err e = OK;

	if (p == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for the input");
	*n = fread(p, 1, INPUT_MAX + 1, stdin);
	if (ferror(stdin))
		e = err_set(eb, ERR_IO, "standard input: %s", strerror(errno));
	else if (*n > INPUT_MAX)
		e = err_set(eb, ERR_FORMAT, "standard input: more than %d bytes", INPUT_MAX);
	if (e != OK)
		free(p);
	else
		*bytes = p;
	return e;
}

/* NULL: standard input. */
static const char *input_path(const struct cli *cli)
{
	return cli->n_args == 0 || strcmp(cli->args[0], "-") == 0 ? NULL : cli->args[0];
}

/* The whole input; *bytes is the caller's to free. */
static enum err read_input(const char *path, uint8_t **bytes, size_t *n, struct errbuf *eb)
{
	enum err e =
	    path == NULL ? read_stdin(bytes, n, eb) : file_read(path, INPUT_MAX, bytes, n, eb);

	if (e == OK && *n == 0) {
		free(*bytes);
		*bytes = NULL;
		e = err_set(eb, ERR_FORMAT, "%s: empty", path == NULL ? "standard input" : path);
	}
	return e;
}

/* ANY: bare DER, whose form shows only when it is parsed. */
enum form { CERTIFICATE, REQUEST, PUBLIC_KEY, ANY };
static const char *const labels[ANY] = { "CERTIFICATE", "CERTIFICATE REQUEST", "PUBLIC KEY" };

/* The form of the first PEM block in the text that is one of ours, else ANY. */
static enum form first_form(struct slice text)
{
	const uint8_t *first = text.p + text.n;
	enum form found = ANY;

	for (enum form f = CERTIFICATE; f < ANY; f++) {
		char begin[48];
		int m = snprintf(begin, sizeof(begin), "-----BEGIN %s-----", labels[f]);
		const uint8_t *at = memmem(text.p, text.n, begin, (size_t)m);

		if (at != NULL && at < first) {
			first = at;
			found = f;
		}
	}
	return found;
}

/* Copies the digits of hex as boards print it; 0: it is not hex and white space. */
static size_t hex_digits(struct slice text, uint8_t *digits)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = (char)text.p[i];

		if (c != '\0' && strchr("0123456789abcdefABCDEF", c) != NULL)
			digits[n++] = text.p[i];
		else if (c == '\0' || strchr(" \t\r\n", c) == NULL)
			return 0;
	}
	return n;
}

/* Text without a PEM block of ours: hex or DER. */
static enum err take_bare(struct slice text, uint8_t *der, size_t *n, struct errbuf *eb)
{
	uint8_t *digits = malloc(text.n);
	size_t n_digits;
	enum err e = OK;

	if (digits == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for the input");
	n_digits = hex_digits(text, digits);
	*n = n_digits == 0 ? text.n : n_digits / 2;
	if (n_digits == 0)
		memcpy(der, text.p, text.n);
	else if (hex_decode((struct slice){ digits, n_digits }, der, *n) != OK)
		e = err_set(eb, ERR_FORMAT, "an odd number of hex digits");
	free(digits);
	return e;
}

/* Takes the first object off the text into der, which has room for the whole text. */
static enum err take_object(
    struct slice *text, enum form *form, uint8_t *der, size_t *n, struct errbuf *eb)
{
	struct slice whole = *text;

	*form = first_form(whole);
	if (*form != ANY) {
		if (pem_decode(whole, labels[*form], der, whole.n, n, text) != OK)
			return err_set(eb, ERR_FORMAT,
			    "the %s block is not base64 up to its END line", labels[*form]);
		return OK;
	}
	text->n = 0;
	if (memmem(whole.p, whole.n, "-----BEGIN ", 11) != NULL)
		return err_set(eb, ERR_FORMAT,
		    "no CERTIFICATE, CERTIFICATE REQUEST or PUBLIC KEY block in the PEM text");
	return take_bare(whole, der, n, eb);
}

/* The first object of a file, NULL: of standard input. *der is the caller's to free, also after a failure. */
static enum err read_object(
    const char *path, enum form *form, uint8_t **der, size_t *n, struct errbuf *eb)
{
	uint8_t *bytes = NULL;
	struct slice rest;
	enum err e;

	*der = NULL;
	if ((e = read_input(path, &bytes, n, eb)) != OK)
		return e;
	rest = (struct slice){ bytes, *n };
	*der = malloc(*n);
	e = *der != NULL ? take_object(&rest, form, *der, n, eb)
	                 : err_set(eb, ERR_MEMORY, "no memory for the input");
	free(bytes);
	return e == OK ? OK : err_within(eb, e, "%s", path != NULL ? path : "standard input");
}

/* --- show --- */

struct show {
	struct p256 *p256;
	struct digest *digest;
	json_t *json; /* what is being shown */
};

static void add_text(struct show *s, const char *name, const char *text)
{
	json_object_set_new(s->json, name, json_string(text));
}

static void add_hex(struct show *s, const char *name, struct slice bytes)
{
	char *text = malloc(2 * bytes.n + 1);

	if (text != NULL) {
		hex_encode(bytes, HEX_LOWER, text);
		add_text(s, name, text);
	}
	free(text);
}

static enum err add_fingerprint(
    struct show *s, const char *name, struct slice bytes, struct errbuf *eb)
{
	uint8_t hash[32];

	if (digest_sha256(s->digest, bytes, hash) != OK)
		return err_set(eb, ERR_MEMORY, "SHA-256 failed");
	add_hex(s, name, SLICE(hash));
	return OK;
}

/* Appends a value; all but plain ASCII is escaped, so that a name cannot command the terminal. */
static size_t put_value(char *out, size_t n, struct slice value)
{
	for (size_t i = 0; i < value.n && n + 8 < NAME_TEXT; i++) {
		unsigned char c = value.p[i];

		if (c < ' ' || c > '~')
			n += (size_t)sprintf(out + n, "\\%02X", c);
		else
			n += (size_t)sprintf(
			    out + n, "%s%c", strchr(",+\"\\<>;=", c) != NULL ? "\\" : "", c);
	}
	return n;
}

/* "C=US, O=Example, CN=name" (RFC 4514 escapes, in the order of the board's libraries). */
static void add_name(struct show *s, const char *member, struct slice der)
{
	static const char *const types[X509_ATTRIBUTES] = { "C", "ST", "L", "O", "OU", "CN" };
	struct x509_name name;
	char text[NAME_TEXT] = "";
	size_t n = 0;

	if (x509_name_parse(der, &name) != OK) {
		add_hex(s, member, der);
		return;
	}
	for (size_t i = 0; i < X509_ATTRIBUTES; i++) {
		if (name.at[i].n == 0 || n + 16 > sizeof(text))
			continue;
		n += (size_t)sprintf(text + n, "%s%s=", n == 0 ? "" : ", ", types[i]);
		n = put_value(text, n, name.at[i]);
	}
	text[n] = '\0';
	add_text(s, member, text);
}

static void add_time(struct show *s, const char *name, const struct x509_hour *t)
{
	char text[UTC_TEXT_SIZE];

	utc_text(t, text);
	add_text(s, name, t->year == 9999 ? "9999-12-31T23:59:59Z" : text);
}

static enum err add_key(struct show *s, const uint8_t q[64], struct errbuf *eb)
{
	uint8_t bytes[X509_SPKI_SIZE];
	struct der_w w = der_writer(bytes, sizeof(bytes));

	if (p256_point_check(s->p256, q) != OK)
		return err_set(eb, ERR_FORMAT, "public key: not a point on P-256");
	x509_spki_put(&w, q);
	add_hex(s, "public_xy", (struct slice){ q, 64 });
	return add_fingerprint(s, "key_fingerprint", SLICE(bytes), eb);
}

static enum err show_certificate(struct show *s, const struct x509_cert *cert, struct errbuf *eb)
{
	const struct x509_tbs *t = &cert->tbs;
	const char *obstacle = identity_obstacle(cert);
	enum err e;

	add_text(s, "form", "certificate");
	add_hex(s, "serial", t->serial);
	add_name(s, "issuer", t->issuer);
	add_name(s, "subject", t->subject);
	add_time(s, "not_before", &t->not_before);
	add_time(s, "not_after", &t->not_after);
	if ((e = add_key(s, t->q, eb)) != OK)
		return e;
	if (t->aki != NULL)
		add_hex(s, "authority_key_id", (struct slice){ t->aki, 20 });
	if (t->extensions.n > 0)
		add_hex(s, "extensions", t->extensions);
	add_hex(s, "signature", SLICE(cert->sig));
	json_object_set_new(s->json, "rebuildable", json_boolean(obstacle == NULL));
	if (obstacle != NULL)
		add_text(s, "obstacle", obstacle);
	return add_fingerprint(s, "fingerprint", cert->der, eb);
}

/* Shows a request whose signature is wrong too, but as an error. */
static enum err show_request(struct show *s, const struct csr *csr, struct errbuf *eb)
{
	struct x509_verifier verifier = p256_verifier(s->p256);
	enum csr_fault fault;
	enum err e;

	add_text(s, "form", "request");
	add_name(s, "subject", csr->subject);
	if ((e = add_key(s, csr->q, eb)) != OK)
		return e;
	if (csr->attributes.n > 0)
		add_hex(s, "attributes", csr->attributes);
	add_hex(s, "signature", SLICE(csr->sig));
	e = csr_verify(csr, &verifier, &fault);
	json_object_set_new(s->json, "signature_right", json_boolean(e == OK));
	if (e != OK)
		(void)err_set(eb, ERR_FORMAT, "%s", csr_fault_text(fault));
	if (add_fingerprint(s, "fingerprint", csr->der, NULL) != OK)
		return err_set(eb, ERR_MEMORY, "SHA-256 failed");
	return e == OK ? OK : ERR_FORMAT;
}

static enum err print_shown(const struct cli *cli, struct show *s, struct errbuf *eb)
{
	static const struct {
		const char *name, *label;
	} rows[] = {
		{ "form", "form" },
		{ "serial", "serial number" },
		{ "issuer", "issuer" },
		{ "subject", "subject" },
		{ "not_before", "not before" },
		{ "not_after", "not after" },
		{ "public_xy", "public key X|Y" },
		{ "key_fingerprint", "key fingerprint" },
		{ "authority_key_id", "authority key id" },
		{ "extensions", "other extensions" },
		{ "attributes", "attributes" },
		{ "signature", "signature r|s" },
		{ "signature_right", "signed by its key" },
		{ "fingerprint", "fingerprint" },
		{ "rebuildable", "fits the slots" },
		{ "obstacle", "because" },
	};

	if (cli_json(cli))
		return cli_json_print(json_incref(s->json), eb);
	for (size_t i = 0; i < COUNT(rows); i++) {
		const json_t *value = json_object_get(s->json, rows[i].name);

		if (value != NULL)
			printf("%-18s %s\n", rows[i].label,
			    json_is_string(value) ? json_string_value(value)
			    : json_is_true(value) ? "yes"
			                          : "no");
	}
	return OK;
}

/* One object of the input. A failure that has been shown comes back after printing. */
static enum err show_object(
    struct cli *cli, struct show *s, enum form form, struct slice der, struct errbuf *eb)
{
	enum csr_fault fault = CSR_FINE;
	struct x509_cert cert;
	struct csr csr;
	struct errbuf why;
	enum err e, printed;

	s->json = json_object();
	if (form != REQUEST && form != PUBLIC_KEY && x509_cert_parse(der, &cert) == OK)
		e = show_certificate(s, &cert, eb);
	else if (form == CERTIFICATE)
		e = err_set(eb, ERR_FORMAT, "not a P-256 certificate in strict DER");
	else if (form != PUBLIC_KEY && csr_parse(der, &csr, &fault) == OK)
		e = show_request(s, &csr, eb);
	else if (form == REQUEST)
		e = err_set(eb, ERR_FORMAT, "%s", csr_fault_text(fault));
	else
		e = err_set(
		    eb, ERR_FORMAT, "neither a certificate nor a certification request for P-256");
	if (e == OK || json_object_get(s->json, "fingerprint") != NULL) {
		printed = print_shown(cli, s, e == OK ? eb : &why);
		cli->reported |= e != OK;
		e = e != OK ? e : printed;
	}
	json_decref(s->json);
	return e;
}

static enum err show(struct cli *cli, struct errbuf *eb)
{
	struct show s = { NULL, NULL, NULL };
	uint8_t *bytes = NULL, *der = NULL;
	struct slice rest;
	enum form form;
	size_t n;
	enum err e;

	if ((e = read_input(input_path(cli), &bytes, &n, eb)) != OK ||
	    (e = p256_new(&s.p256, eb)) != OK || (e = digest_new(&s.digest, eb)) != OK)
		goto out;
	der = malloc(n);
	if (der == NULL) {
		e = err_set(eb, ERR_MEMORY, "no memory for the input");
		goto out;
	}
	rest = (struct slice){ bytes, n };
	do {
		if ((e = take_object(&rest, &form, der, &n, eb)) != OK)
			break;
		e = show_object(cli, &s, form, (struct slice){ der, n }, eb);
		if (e == OK && !cli_json(cli) && first_form(rest) != ANY)
			putchar('\n');
	} while (e == OK && first_form(rest) != ANY);
out:
	digest_free(s.digest);
	p256_free(s.p256);
	free(der);
	free(bytes);
	return e;
}

/* --- JSON lines --- */

/* Completes one object. rebuild needs the key; for compress the slots are enough. */
static enum err complete(json_t *json, bool needs_key, const char **field, struct errbuf *eb)
{
	struct identity id;
	enum err e;

	*field = "";
	if (json_object_get(json, "schema") != NULL &&
	    json_integer_value(json_object_get(json, "schema")) != 1) {
		*field = "schema";
		return err_set(eb, ERR_FORMAT, "schema: only 1 is known");
	}
	json_object_del(json, "error");
	if ((e = identity_read(json, &id, field, eb)) != OK)
		return e;
	if (needs_key && !id.has_key) {
		*field = "public_xy";
		return err_set(eb, ERR_FORMAT, "public_xy: missing");
	}
	return identity_complete(json, &id, field, eb);
}

/* NULL: none, or one that might command the terminal. */
static const char *shown_name(json_t *json)
{
	const char *name = json_string_value(json_object_get(json, "name"));

	return name != NULL && shown_as_is((struct slice){ (const uint8_t *)name, strlen(name) })
	           ? name
	           : NULL;
}

/* The line's object, with what is wrong with it. */
static enum err print_refused(const struct cli *cli, json_t *json, unsigned line, enum err why,
    const char *field, const struct errbuf *text, struct errbuf *eb)
{
	const char *name = shown_name(json);
	json_t *error = json_pack("{s:s,s:i,s:i,s:s,s:s}", "name", err_name(why), "exit",
	    err_exit_code(why), "line", (int)line, "field", field, "text", text->text);

	cli_say(cli, "line %u%s%s%s: %s", line, name == NULL ? "" : " (", name == NULL ? "" : name,
	    name == NULL ? "" : ")", text->text);
	if (error == NULL || json_object_set_new(json, "error", error) != 0)
		return err_set(eb, ERR_MEMORY, "no memory for the JSON result");
	return cli_json_print(json_incref(json), eb);
}

/* *refused counts. The result is that of printing. */
static enum err convert_line(const struct cli *cli, struct slice text, unsigned line,
    bool needs_key, unsigned *refused, struct errbuf *eb)
{
	struct errbuf why = { "" };
	const char *field = "";
	json_error_t syntax;
	json_t *json = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &syntax);
	enum err e = OK;

	if (json == NULL)
		e = err_set(
		    &why, ERR_FORMAT, "not JSON: %s (byte %d)", syntax.text, syntax.position);
	else if (!json_is_object(json))
		e = err_set(&why, ERR_FORMAT, "not a JSON object");
	else
		e = complete(json, needs_key, &field, &why);
	if (e != OK && !json_is_object(json)) {
		json_decref(json);
		json = json_object();
	}
	if (e == OK)
		e = cli_json_print(json_incref(json), eb);
	else {
		(*refused)++;
		e = print_refused(cli, json, line, e, field, &why, eb);
	}
	json_decref(json);
	return e;
}

/* Reads a line without its end. False at the end of the file; *n above LINE_LIMIT: cut, too long. */
static bool read_line(FILE *f, char *line, size_t *n)
{
	int c = EOF;

	for (*n = 0; (c = getc(f)) != EOF && c != '\n';) {
		if (*n < LINE_LIMIT)
			line[*n] = (char)c;
		if (*n <= LINE_LIMIT)
			(*n)++;
	}
	return c != EOF || *n > 0;
}

static bool is_blank(const char *line, size_t n)
{
	while (n > 0 && strchr(" \t\r", line[n - 1]) != NULL && line[n - 1] != '\0')
		n--;
	return n == 0;
}

static enum err convert_lines(
    struct cli *cli, FILE *f, char *text, bool needs_key, struct errbuf *eb)
{
	unsigned line = 0, refused = 0, tried = 0;
	enum err e = OK;
	size_t n;

	while (e == OK && read_line(f, text, &n)) {
		line++;
		if (n <= LINE_LIMIT && is_blank(text, n))
			continue;
		tried++;
		if (n > LINE_LIMIT) {
			struct errbuf why;
			json_t *json = json_object();

			(void)err_set(&why, ERR_FORMAT, "longer than %d bytes", LINE_LIMIT);
			refused++;
			e = print_refused(cli, json, line, ERR_FORMAT, "", &why, eb);
			json_decref(json);
		} else {
			e = convert_line(cli, (struct slice){ (uint8_t *)text, n }, line, needs_key,
			    &refused, eb);
		}
	}
	if (e == OK && ferror(f))
		return err_set(eb, ERR_IO, "the input cannot be read: %s", strerror(errno));
	if (e != OK || refused == 0)
		return e;
	cli->reported = true;
	return err_set(eb, ERR_FORMAT, "%u of %u lines refused", refused, tried);
}

static enum err convert(struct cli *cli, bool needs_key, struct errbuf *eb)
{
	const char *path = input_path(cli);
	FILE *f = path == NULL ? stdin : fopen(path, "re");
	char *text = malloc(LINE_LIMIT);
	enum err e;

	if (f == NULL)
		e = file_error(eb, errno, path, "cannot be read");
	else if (text == NULL)
		e = err_set(eb, ERR_MEMORY, "no memory for a line");
	else
		e = convert_lines(cli, f, text, needs_key, eb);
	free(text);
	if (f != NULL && f != stdin)
		fclose(f);
	return e;
}

/* --- compress and rebuild of one certificate --- */

static enum err compress_one(struct cli *cli, json_t *json, struct errbuf *eb)
{
	const char *field, *path = input_path(cli);
	struct errbuf why = { "" };
	enum err e = complete(json, true, &field, &why);

	if (e != OK)
		return err_set(eb, e, "%s: %s", path == NULL ? "standard input" : path,
		    why.text + (strncmp(why.text, "der: ", 5) == 0 ? 5 : 0));
	if (cli_json(cli))
		return cli_json_print(json_incref(json), eb);
	printf("slot10 %s\nslot11 %s\nslot12 %.*s\n",
	    json_string_value(json_object_get(json, "slot10")),
	    json_string_value(json_object_get(json, "slot11_written")), 2 * CCERT_SLOT12,
	    json_string_value(json_object_get(json, "slot12_after_certificate_write")));
	return OK;
}

static enum err compress(struct cli *cli, struct errbuf *eb)
{
	struct show s = { NULL, NULL, json_object() };
	uint8_t *der = NULL;
	enum form form;
	size_t n;
	enum err e;

	if (cli_on(cli, "jsonl"))
		e = convert(cli, false, eb);
	else if ((e = read_object(input_path(cli), &form, &der, &n, eb)) == OK &&
	         form != CERTIFICATE && form != ANY)
		e = err_set(eb, ERR_FORMAT, "a %s, not a certificate", labels[form]);
	else if (e == OK) {
		add_hex(&s, "der", (struct slice){ der, n });
		e = compress_one(cli, s.json, eb);
	}
	json_decref(s.json);
	free(der);
	return e;
}

/* The key of whatever holds one: public key, certificate, request. */
static enum err key_of(enum form form, struct slice der, uint8_t q[64], struct errbuf *eb)
{
	struct slice in = der;
	struct x509_cert cert;
	struct csr csr;

	if ((form == PUBLIC_KEY || form == ANY) && x509_spki_take(&in, q) == OK && in.n == 0)
		return OK;
	if ((form == CERTIFICATE || form == ANY) && x509_cert_parse(der, &cert) == OK) {
		memcpy(q, cert.tbs.q, 64);
		return OK;
	}
	if ((form == REQUEST || form == ANY) && csr_parse(der, &csr, NULL) == OK) {
		memcpy(q, csr.q, 64);
		return OK;
	}
	return err_set(
	    eb, ERR_FORMAT, "no P-256 key: a public key, certificate or request is wanted");
}

static enum err read_key_file(const char *path, uint8_t q[64], struct errbuf *eb)
{
	uint8_t *der;
	enum form form;
	size_t n;
	enum err e = read_object(path, &form, &der, &n, eb);

	if (e == OK && (e = key_of(form, (struct slice){ der, n }, q, eb)) != OK)
		e = err_within(eb, e, "%s", path);
	free(der);
	return e == OK ? OK : err_within(eb, e, "--public-key");
}

/* X|Y as 128 hex digits, else the name of a file. */
static enum err public_key(const char *given, uint8_t q[64], struct errbuf *eb)
{
	struct slice text = { (const uint8_t *)given, strlen(given) };

	return hex_decode(text, q, 64) == OK ? OK : read_key_file(given, q, eb);
}

static enum err print_certificate(struct cli *cli, json_t *json, struct errbuf *eb)
{
	uint8_t bytes[CCERT_CERT_MAX];
	struct identity id;
	struct slice der;
	const char *field;
	enum err e;

	if (cli_json(cli))
		return cli_json_print(json_incref(json), eb);
	if (!cli_on(cli, "der")) {
		fputs(json_string_value(json_object_get(json, "pem")), stdout);
		return OK;
	}
	if ((e = identity_read(json, &id, &field, eb)) != OK ||
	    (e = identity_der(&id, bytes, &der, eb)) != OK)
		return e;
	if (isatty(STDOUT_FILENO))
		return err_set(eb, ERR_ARG, "--der writes bytes; send them into a file");
	if (fwrite(der.p, 1, der.n, stdout) != der.n)
		return err_set(eb, ERR_IO, "standard output: %s", strerror(errno));
	return OK;
}

static const struct {
	const char *option, *member;
} slot_options[] = {
	{ "slot10", "slot10" },
	{ "slot11", "slot11_written" },
	{ "slot12", "slot12_after_certificate_write" },
};

/* The options' own names in what goes wrong. */
static const char *option_of(const char *member)
{
	for (size_t i = 0; i < COUNT(slot_options); i++)
		if (strcmp(slot_options[i].member, member) == 0)
			return slot_options[i].option;
	return "public-key";
}

static enum err slots_given(const struct cli *cli, struct show *s, struct errbuf *eb)
{
	uint8_t q[64];
	enum err e;

	for (size_t i = 0; i < COUNT(slot_options); i++) {
		const char *text = cli_text(cli, slot_options[i].option);

		if (text == NULL)
			return err_set(
			    eb, ERR_ARG, "--%s is missing (or --jsonl)", slot_options[i].option);
		add_text(s, slot_options[i].member, text);
	}
	if (cli_text(cli, "public-key") == NULL)
		return err_set(eb, ERR_ARG, "--public-key is missing: the slots do not hold it");
	if ((e = public_key(cli_text(cli, "public-key"), q, eb)) != OK)
		return e;
	add_hex(s, "public_xy", SLICE(q));
	return OK;
}

static enum err rebuild(struct cli *cli, struct errbuf *eb)
{
	struct show s = { NULL, NULL, NULL };
	struct errbuf why = { "" };
	const char *field = "";
	enum err e;

	if (cli_on(cli, "jsonl"))
		return convert(cli, true, eb);
	if (cli->n_args > 0)
		return err_set(eb, ERR_ARG, "a file is read with --jsonl only");
	s.json = json_object();
	if ((e = slots_given(cli, &s, eb)) != OK)
		goto out;
	if ((e = complete(s.json, true, &field, &why)) != OK)
		err_set(eb, e, "--%s: %s", option_of(field), why.text);
	else
		e = print_certificate(cli, s.json, eb);
out:
	json_decref(s.json);
	return e;
}

#define JSONL                                                                                      \
	{                                                                                          \
		.name = "jsonl", .kind = CLI_SWITCH, .flag_only = true,                            \
		.help = "FILE has one JSON object a line; each comes back with what was missing"   \
	}

static const struct cli_option compress_options[] = { JSONL, { 0 } };

static const struct cli_option rebuild_options[] = {
	{ .name = "slot10",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "HEX",
	    .help = "72 bytes: signature, dates" },
	{ .name = "slot11",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "HEX",
	    .help = "36 or 72 bytes: serial number, authority key identifier" },
	{ .name = "slot12",
	    .kind = CLI_TEXT,
	    .flag_only = true,
	    .value = "HEX",
	    .help = "36 or 72 bytes: device id" },
	{ .name = "public-key",
	    .kind = CLI_FILE,
	    .flag_only = true,
	    .value = "KEY",
	    .help = "X|Y in hex, or a file with a public key, certificate or request" },
	{ .name = "der", .kind = CLI_SWITCH, .flag_only = true, .help = "write DER, not PEM" },
	JSONL,
	{ 0 },
};

#define JSONL_ABOUT                                                                                \
	"With --jsonl, each line of FILE is a JSON object with any one form of a certificate: "    \
	"der or pem; slot10, slot11_written and slot12_after_certificate_write; or device_id, "    \
	"serial, authority_key_id, issue, expire_years and signature; and public_xy for those "    \
	"that lack the key. The same object is printed with all other forms added. A line that "   \
	"cannot be completed, or that contradicts itself, is printed with a member \"error\" "     \
	"that "                                                                                    \
	"names the field; the others still go through, and the exit code is 5."

const struct cli_command certificate_commands[] = {
	{ .name = "certificate show",
	    .args = "[FILE]",
	    .args_max = 1,
	    .summary = "show certificates and certification requests",
	    .about =
	        "Reads PEM, DER or hex from FILE or standard input and prints every field, and "
	        "whether the slots of a board can hold the certificate. A request whose signature "
	        "is not made by its own key is shown, and is an error.",
	    .run = show },
	{ .name = "certificate compress",
	    .args = "[FILE]",
	    .args_max = 1,
	    .options = compress_options,
	    .summary = "turn a certificate into the bytes of slots 10 to 12",
	    .about = "Reads PEM, DER or hex from FILE or standard input.\n\n" JSONL_ABOUT,
	    .run = compress },
	{ .name = "certificate rebuild",
	    .args = "[FILE]",
	    .args_max = 1,
	    .options = rebuild_options,
	    .summary = "turn the bytes of slots 10 to 12 into the certificate",
	    .about = "The public key is that of slot 0; the slots do not hold it.\n\n" JSONL_ABOUT,
	    .run = rebuild },
	{ 0 },
};
