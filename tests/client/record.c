/* The record of a board: what the parser refuses, what each step leaves on disk, and kill -9 at every system call. */
#include "record.h"
#include "tap.h"

#include "file.h"
#include "text.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint8_t key[64] = { 1, 2, 3 };
static const uint8_t first_csr[32] = { 1 }, second_csr[32] = { 2 };

static size_t certificate(const char *device_id, uint8_t serial, uint8_t der[CCERT_CERT_MAX])
{
	struct ccert c = {
		.issued = { 2026, 11, 23, 2 }, .years = 31, .serial = { serial, 1 }, .aki = { 7 }
	};
	struct der_w w = der_writer(der, CCERT_CERT_MAX);
	struct slice out;

	memset(c.sig, 0x11, sizeof(c.sig));
	memcpy(c.device_id, device_id, CCERT_DEVICE_ID);
	ccert_cert_put(&w, &c, key);
	return der_finish(&w, &out) == OK ? out.n : 0;
}

static enum err issue(struct record *r, uint8_t serial, struct errbuf *eb)
{
	uint8_t der[CCERT_CERT_MAX];
	size_t n = certificate(record_device_id(r), serial, der);

	return record_issue(r, (struct slice){ der, n }, 1, eb);
}

/* "SAI": superseded, active, issued. */
static void states(const struct record *r, char out[16])
{
	size_t n = record_count(r);

	for (size_t i = 0; i < n && i < 15; i++)
		out[i] = "IAS"[record_at(r, i)->state];
	out[n < 15 ? n : 15] = 0;
}

static void is_states(const struct record *r, const char *want, const char *name)
{
	char got[16];

	states(r, got);
	ok(strcmp(got, want) == 0, "%s: %s", name, got);
}

static bool pem_is_active(const char *folder, const struct record *r)
{
	const struct record_cert *c = record_active(r);
	uint8_t *text = NULL, der[CCERT_CERT_MAX];
	char path[512];
	size_t n, der_n = 0;
	bool same;

	snprintf(path, sizeof(path), "%s/%s.pem", folder, record_name(r));
	same = file_read(path, 4096, &text, &n, NULL) == OK &&
	       pem_decode((struct slice){ text, n }, "CERTIFICATE", der, sizeof(der), &der_n,
	           NULL) == OK &&
	       der_n == c->n && memcmp(der, c->der, der_n) == 0;
	free(text);
	return same;
}

/* --- the life of a board --- */

static void life(const char *folder)
{
	struct record *r = NULL, *other = NULL;
	struct errbuf eb = { "" };
	char id[CCERT_DEVICE_ID + 1];
	uint8_t hash[32];

	ok(record_open(folder, "a", NULL, &r, &eb) == OK, "a record is made: %s", eb.text);
	ok(strlen(record_device_id(r)) == CCERT_DEVICE_ID && record_device_id(r)[14] == '4',
	    "device id %s is a UUID", record_device_id(r));
	memcpy(id, record_device_id(r), sizeof(id));
	ok(!record_last_request(r, hash), "no request yet");
	ok(issue(r, 1, &eb) == ERR_CONFLICT, "no certificate without a request");
	ok(record_activate(r, &eb) == ERR_CONFLICT, "nothing becomes active before it is issued");
	ok(record_open(folder, "a", NULL, &other, &eb) == ERR_CONFLICT &&
	        strstr(eb.text, "held by process"),
	    "one holder at a time: %s", eb.text);
	ok(record_request(r, first_csr, &eb) == OK && issue(r, 1, &eb) == OK, "issued");
	is_states(r, "I", "first attempt");
	record_free(r);

	ok(record_open(folder, "a", NULL, &r, &eb) == OK && strcmp(record_device_id(r), id) == 0,
	    "the device id stays");
	is_states(r, "I", "read again");
	ok(record_last_request(r, hash) && memcmp(hash, first_csr, 32) == 0, "so does the request");
	ok(record_request(r, first_csr, &eb) == OK, "the same request again");
	is_states(r, "I", "same key");
	ok(record_request(r, second_csr, &eb) == OK, "another request");
	is_states(r, "S", "new key: what was never confirmed lapses");
	ok(issue(r, 1, &eb) == ERR_FORMAT, "the same certificate is not issued twice: %s", eb.text);
	ok(issue(r, 2, &eb) == OK && record_activate(r, &eb) == OK, "second attempt succeeds");
	is_states(r, "SA", "active");
	ok(record_active(r) == record_at(r, 1), "the active one is found");
	ok(pem_is_active(folder, r), "a.pem is the active certificate");
	ok(record_activate(r, &eb) == ERR_CONFLICT, "it does not become active twice");
	ok(record_request(r, first_csr, &eb) == OK && issue(r, 3, &eb) == OK, "set up again");
	is_states(r, "SAI", "the active one stays until the next is proven");
	ok(issue(r, 4, &eb) == OK, "issued twice for one request");
	is_states(r, "SASI", "the older one lapses");
	ok(record_activate(r, &eb) == OK, "proven");
	is_states(r, "SSSA", "one active certificate");
	record_free(r);
}

/* After a crash between record and copy. */
static void pem_mended(const char *folder)
{
	struct record *r = NULL;
	struct errbuf eb = { "" };
	char path[512];

	snprintf(path, sizeof(path), "%s/a.pem", folder);
	ok(file_write(path, TEXT("older"), 0644, &eb) == OK, "a.pem is out of date");
	ok(record_open(folder, "a", NULL, &r, &eb) == OK && pem_is_active(folder, r),
	    "mended when the record is opened: %s", eb.text);
	record_free(r);
}

static void refused_to_issue(const char *folder)
{
	struct record *r = NULL;
	struct errbuf eb = { "" };
	uint8_t der[CCERT_CERT_MAX + 1] = { 0 };
	size_t n = certificate("00000000-0000-4000-8000-000000000000", 1, der);

	if (!ok(record_open(folder, "b", NULL, &r, &eb) == OK &&
	            record_request(r, first_csr, &eb) == OK,
	        "record b"))
		return;
	ok(record_issue(r, (struct slice){ der, n }, 1, &eb) == ERR_FORMAT &&
	        strstr(eb.text, "device id"),
	    "certificate of another device: %s", eb.text);
	ok(record_issue(r, (struct slice){ der, n - 1 }, 1, &eb) == ERR_FORMAT,
	    "cut certificate: %s", eb.text);
	ok(record_issue(r, SLICE(der), 1, &eb) == ERR_SPACE, "oversized certificate: %s", eb.text);
	is_states(r, "", "nothing was recorded");
	record_free(r);
}

/* --- devices that somebody else names --- */

static const char *const device_ids[] = { "0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40",
	"019aade0-1c00-7000-8000-0000000000ff" };

struct register_of_devices {
	const char *says;
	char was_told[CCERT_DEVICE_ID + 1];
};

static enum err register_device(
    void *ctx, const char *name, char id[CCERT_DEVICE_ID + 1], struct errbuf *eb)
{
	struct register_of_devices *reg = ctx;

	memcpy(reg->was_told, id, sizeof(reg->was_told));
	if (strcmp(name, "named") != 0 || !reg->says)
		return err_set(eb, ERR_IO, "the register is closed");
	snprintf(id, CCERT_DEVICE_ID + 1, "%s", reg->says);
	return OK;
}

static bool exists(const char *folder, const char *file)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return access(path, F_OK) == 0;
}

static void named_by_others(const char *folder)
{
	struct register_of_devices reg = { .says = NULL };
	struct record_ids ids = { &reg, register_device };
	struct record *r = NULL;
	struct errbuf eb = { "" };

	ok(record_open(folder, "named", &ids, &r, &eb) == ERR_IO && !exists(folder, "named.json"),
	    "no device, no record: %s", eb.text);
	reg.says = "not-a-uuid";
	ok(record_open(folder, "named", &ids, &r, &eb) == ERR_FORMAT &&
	        !exists(folder, "named.json"),
	    "an id that is none: %s", eb.text);
	reg.says = device_ids[0];
	ok(record_open(folder, "named", &ids, &r, &eb) == OK && !reg.was_told[0] &&
	        strcmp(record_device_id(r), device_ids[0]) == 0,
	    "the device is the one that was named: %s", eb.text);
	ok(record_request(r, first_csr, &eb) == OK && issue(r, 1, &eb) == OK &&
	        record_activate(r, &eb) == OK,
	    "it gets a certificate");
	record_free(r);
	ok(record_open(folder, "named", &ids, &r, &eb) == OK &&
	        strcmp(reg.was_told, device_ids[0]) == 0 && record_count(r) == 1,
	    "the recorded id is told, and stays");
	record_free(r);
	reg.says = device_ids[1];
	ok(record_open(folder, "named", &ids, &r, &eb) == OK && record_count(r) == 0 &&
	        strcmp(record_device_id(r), device_ids[1]) == 0,
	    "another device begins anew");
	record_free(r);
	ok(exists(folder, "named.0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40.old") &&
	        !exists(folder, "named.pem"),
	    "the other's record is kept, its certificate is this board's no more");
	reg.says = NULL;
	ok(record_open(folder, "named", NULL, &r, &eb) == OK &&
	        strcmp(record_device_id(r), device_ids[1]) == 0,
	    "without anybody to ask the recorded one is it");
	record_free(r);
}

/* --- names --- */

static void names(void)
{
	static const struct {
		const char *name;
		enum err want;
	} cases[] = {
		{ "a", OK },
		{ "greenhouse-07.b_C", OK },
		{ "0123456789012345678901234567890123456789012345678901234567890123", OK },
		{ "01234567890123456789012345678901234567890123456789012345678901234", ERR_ARG },
		{ "", ERR_ARG },
		{ ".", ERR_ARG },
		{ "..", ERR_ARG },
		{ "-a", ERR_ARG },
		{ "a/b", ERR_ARG },
		{ "a b", ERR_ARG },
		{ "a\t", ERR_ARG },
		{ "\xc3\xa4", ERR_ARG },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		ok(record_name_check(cases[i].name, NULL) == cases[i].want, "name \"%s\"",
		    cases[i].name);
}

/* --- the parser --- */

#define ID "\"device_id\":\"0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40\""
#define HEAD "\"schema\":1,\"name\":\"a\"," ID
#define HASH "\"0102030405060708091011121314151617181920212223242526272829303132\""
#define CERT(state) "{\"state\":\"" state "\",\"csr_sha256\":" HASH ",\"der\":\"@\"}"

#define OTHER "{\"state\":\"active\",\"csr_sha256\":" HASH ",\"der\":\"#\"}"

/* In the texts, @ stands for a certificate and # for another one. */
static const struct {
	const char *name, *text, *says;
	enum err want;
} texts[] = {
	{ "smallest record", "{" HEAD ",\"certificates\":[]}", "", OK },
	{ "record with a request", "{" HEAD ",\"csr_sha256\":" HASH ",\"certificates\":[]}", "",
	    OK },
	{ "one active", "{" HEAD ",\"csr_sha256\":" HASH ",\"certificates\":[" CERT("active") "]}",
	    "", OK },
	{ "two active",
	    "{" HEAD ",\"csr_sha256\":" HASH ",\"certificates\":[" CERT("active") "," OTHER "]}",
	    "certificates[1].state: a second active", ERR_FORMAT },
	{ "issued, then active",
	    "{" HEAD ",\"csr_sha256\":" HASH ",\"certificates\":[" CERT("issued") "," OTHER "]}",
	    "certificates[0].state: issued, but not the newest", ERR_FORMAT },
	{ "issued without a request", "{" HEAD ",\"certificates\":[" CERT("issued") "]}",
	    "certificates[0].csr_sha256: issued, but not for the last request", ERR_FORMAT },
	{ "unknown state", "{" HEAD ",\"certificates\":[" CERT("revoked") "]}",
	    "certificates[0]: state", ERR_FORMAT },
	{ "certificate not an object", "{" HEAD ",\"certificates\":[1]}",
	    "certificates[0]: not an object", ERR_FORMAT },
	{ "certificate without der",
	    "{" HEAD ",\"certificates\":[{\"state\":\"active\",\"csr_sha256\":" HASH "}]}", "der",
	    ERR_FORMAT },
	{ "der that is no certificate",
	    "{" HEAD ",\"certificates\":[{\"state\":\"active\",\"csr_sha256\":" HASH
	    ",\"der\":\"MAA=\"}]}",
	    "certificates[0]: der: not a certificate", ERR_FORMAT },
	{ "der that is not base64",
	    "{" HEAD ",\"certificates\":[{\"state\":\"active\",\"csr_sha256\":" HASH
	    ",\"der\":\"MA\"}]}",
	    "certificates[0]: der: not base64", ERR_FORMAT },
	{ "short csr_sha256", "{" HEAD ",\"csr_sha256\":\"01\",\"certificates\":[]}", "csr_sha256",
	    ERR_FORMAT },
	{ "csr_sha256 of another type", "{" HEAD ",\"csr_sha256\":1,\"certificates\":[]}",
	    "csr_sha256", ERR_FORMAT },
	{ "certificates missing", "{" HEAD "}", "certificates: not an array", ERR_FORMAT },
	{ "unknown member", "{" HEAD ",\"certificates\":[],\"x\":1}", "unknown member \"x\"",
	    ERR_FORMAT },
	{ "member twice", "{" HEAD "," ID ",\"certificates\":[]}", "duplicate", ERR_FORMAT },
	{ "schema of a later version", "{\"schema\":2,\"name\":\"a\"," ID ",\"certificates\":[]}",
	    "schema", ERR_FORMAT },
	{ "schema as text", "{\"schema\":\"1\",\"name\":\"a\"," ID ",\"certificates\":[]}",
	    "schema", ERR_FORMAT },
	{ "no name", "{\"schema\":1," ID ",\"certificates\":[]}", "name", ERR_FORMAT },
	{ "name of a path", "{\"schema\":1,\"name\":\"../a\"," ID ",\"certificates\":[]}", "name",
	    ERR_FORMAT },
	{ "upper-case device id",
	    "{\"schema\":1,\"name\":\"a\",\"device_id\":\"0F2B8C1E-7A44-4F0E-9D3B-5C6A1E2D3F40\","
	    "\"certificates\":[]}",
	    "device_id", ERR_FORMAT },
	{ "short device id",
	    "{\"schema\":1,\"name\":\"a\",\"device_id\":\"0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f4\","
	    "\"certificates\":[]}",
	    "device_id", ERR_FORMAT },
	{ "array", "[]", "not an object", ERR_FORMAT },
	{ "nothing", "", "line", ERR_FORMAT },
	{ "cut short", "{" HEAD, "line", ERR_FORMAT },
	{ "text behind it", "{" HEAD ",\"certificates\":[]} x", "line", ERR_FORMAT },
};

static void parser(void)
{
	static const char der[] =
	    "MIIBlzCCAT6gAwIBAgIRAJ88DV4RorPE1eb3CBIjNEUwCgYIKoZIzj0EAwIwRTELMAkGA1UEBhMC"
	    "VVMxFzAVBgNVBAoTDkFyZHVpbm8gTExDIFVTMQswCQYDVQQLEwJJVDEQMA4GA1UEAxMHQXJkdWlu"
	    "bzAgFw0yNTExMjIyMzAwMDBaGA8yMDU2MTEyMjIzMDAwMFowLzEtMCsGA1UEAxMkMGYyYjhjMWUt"
	    "N2E0NC00ZjBlLTlkM2ItNWM2YTFlMmQzZjQwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAECz1R"
	    "fEHQ4nvpo9SyMEGs5SajQE7UOw92zJv5MZ8lnHcJwZ4Qa+mPCvC7rhquJQucc67n5KQ1SMD8G9dI"
	    "HbEYn6MjMCEwHwYDVR0jBBgwFoAUJ+8iXwpKvDSVVZ0ghcZtHZVe8DMwCgYIKoZIzj0EAwIDRwAw"
	    "RAIgKh1bRmmoXlHJw2ZrKvkgOgwOng2MEd8ExUJyG78p40UCICbdcrOzzvxsRTMs15GCj+kVsBBE"
	    "v3ScfWc9uuzZgETp";
	/* The same but for the last byte of the signature. */
	static char other[sizeof(der)];
	char text[4096];

	memcpy(other, der, sizeof(der));
	other[sizeof(der) - 2] = 'q';
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct errbuf eb = { "" };
		struct record *r = NULL;
		size_t n = 0;
		enum err e;

		for (const char *c = texts[i].text; *c; c++)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    *c == '@' || *c == '#' ? "%s" : "%.1s",
			    *c == '@'   ? der
			    : *c == '#' ? other
			                : c);
		e = record_parse((struct slice){ (const uint8_t *)text, n }, &r, &eb);
		ok(e == texts[i].want && strstr(eb.text, texts[i].says), "%s: %s", texts[i].name,
		    eb.text);
		record_free(r);
	}
}

static void damaged_file(const char *folder)
{
	struct record *r = NULL;
	struct errbuf eb = { "" };
	char path[512];

	snprintf(path, sizeof(path), "%s/c.json", folder);
	ok(file_write(path, TEXT("{"), 0600, &eb) == OK, "a damaged record");
	ok(record_open(folder, "c", NULL, &r, &eb) == ERR_FORMAT && strstr(eb.text, "c.json"),
	    "it is refused by name: %s", eb.text);
	ok(file_write(path, TEXT("{" HEAD ",\"certificates\":[]}"), 0600, &eb) == OK,
	    "the record of a as c");
	ok(record_open(folder, "c", NULL, &r, &eb) == ERR_FORMAT &&
	        strstr(eb.text, "is the record of a"),
	    "refused: %s", eb.text);
}

/* --- kill -9 --- */

/* What the killed process does: one attempt that supersedes one certificate and activates the next. */
static int attempt(const char *folder)
{
	static const uint8_t third_csr[32] = { 3 };
	struct record *r = NULL;

	if (record_open(folder, "k", NULL, &r, NULL) != OK ||
	    record_request(r, third_csr, NULL) != OK || issue(r, 3, NULL) != OK ||
	    record_activate(r, NULL) != OK)
		return 1;
	record_free(r);
	return 0;
}

/* Runs `attempt` up to its n-th system call. True when it was killed there. */
static bool kill_at(const char *folder, unsigned n)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(2);
		raise(SIGSTOP);
		_exit(attempt(folder));
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) != 0 ||
		    waitpid(child, &status, 0) != child)
			return false;
		if (!WIFSTOPPED(status))
			return false;
	}
	kill(child, SIGKILL);
	return waitpid(child, &status, 0) == child && WIFSIGNALED(status);
}

/* Two certificates: one active, one issued. Returns the text of the record, NULL without one. */
static uint8_t *prepared(
    const char *folder, const char *path, char id[CCERT_DEVICE_ID + 1], size_t *n)
{
	struct record *r = NULL;
	uint8_t *text = NULL;
	bool done;

	done = record_open(folder, "k", NULL, &r, NULL) == OK &&
	       record_request(r, first_csr, NULL) == OK && issue(r, 1, NULL) == OK &&
	       record_activate(r, NULL) == OK && record_request(r, second_csr, NULL) == OK &&
	       issue(r, 2, NULL) == OK;
	if (done)
		memcpy(id, record_device_id(r), CCERT_DEVICE_ID + 1);
	record_free(r);
	return done && file_read(path, RECORD_SIZE_MAX, &text, n, NULL) == OK ? text : NULL;
}

/* Without fsync: nothing dies between here and the reader. */
static bool restore(const char *path, const uint8_t *text, size_t n)
{
	FILE *f = fopen(path, "wb");

	return f && fwrite(text, 1, n, f) == n && fclose(f) == 0;
}

/* What a kill may leave: the states after some whole number of steps. */
static void kill_sweep(const char *folder)
{
	static const char *const whole[] = { "AI", "AS", "ASI", "SSA" };
	char id[CCERT_DEVICE_ID + 1], got[16] = "", seen[COUNT(whole)] = "";
	char path[512];
	unsigned n = 0, bad = 0;
	bool killed = true;
	uint8_t *text;
	size_t text_n;

	snprintf(path, sizeof(path), "%s/k.json", folder);
	text = prepared(folder, path, id, &text_n);

	for (; killed && n < 2000; n++) {
		struct record *r = NULL;
		struct errbuf eb = { "" };
		size_t w = 0;

		if (!text || !restore(path, text, text_n)) {
			ok(false, "preparation %u", n);
			return;
		}
		killed = kill_at(folder, n);
		if (record_open(folder, "k", NULL, &r, &eb) == OK) {
			states(r, got);
			while (w < COUNT(whole) && strcmp(got, whole[w]) != 0)
				w++;
			if (w < COUNT(whole))
				seen[w] = 1;
			bad += w == COUNT(whole) || strcmp(id, record_device_id(r)) != 0;
			record_free(r);
		} else {
			bad++;
		}
		if (bad) {
			ok(false, "killed at system call %u: %s %s", n, got, eb.text);
			return;
		}
	}
	free(text);
	ok(!killed && strcmp(got, "SSA") == 0, "the attempt ends after %u system calls", n - 1);
	ok(n > 60, "killed at more than 60 of them");
	for (size_t w = 0; w < COUNT(whole); w++)
		ok(seen[w], "some kill left %s", whole[w]);
}

int main(void)
{
	char folder[] = "/tmp/imprint-record-XXXXXX", command[64];

	if (!mkdtemp(folder))
		return 1;
	names();
	parser();
	life(folder);
	pem_mended(folder);
	refused_to_issue(folder);
	named_by_others(folder);
	damaged_file(folder);
	kill_sweep(folder);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	ok(system(command) == 0, "cleaned up");
	return done_testing();
}
