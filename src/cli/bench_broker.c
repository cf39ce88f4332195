#include "bench_broker.h"
#include "broker.h"
#include "ca.h"
#include "chip_identity.h"
#include "emu_hal.h"
#include "file.h"
#include "p256.h"
#include "process.h"
#include "service.h"
#include "text.h"
#include "utc.h"
#include "uuid.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 15000
#define LOOK_MS 20
#define STOP_MS 10000
#define PASSWORD 32 /* bytes, as hex: of a user that nobody is */
#define YEARS 31

struct board {
	struct emu *chip;
	char id[UUID_TEXT + 1];
	uint8_t print[16];
	int64_t not_after;
};

struct bench_broker {
	struct bench_broker_options o;
	char folder[FOLDER_PATH_MAX], anchor[FOLDER_PATH_MAX], conf[FOLDER_PATH_MAX], where[32];
	struct ca *ca;
	struct process mosquitto;
	char program[FOLDER_PATH_MAX];
	uint16_t port;
	struct board boards[];
};

const char *bench_broker_where(const struct bench_broker *b)
{
	return b->where;
}

const char *bench_broker_anchor(const struct bench_broker *b)
{
	return b->anchor;
}

void bench_broker_free(struct bench_broker *b)
{
	if (b == NULL)
		return;
	process_stop(&b->mosquitto, STOP_MS);
	for (size_t i = 0; i < b->o.boards; i++)
		emu_free(b->boards[i].chip);
	ca_free(b->ca);
	if (b->folder[0] != '\0')
		(void)!folder_remove(b->folder, NULL);
	free(b);
}

/* --- its folder, as imprintd would have made it --- */

static enum err password(const struct bench_broker *b, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX], folder[FOLDER_PATH_MAX], text[2 * PASSWORD + 1];
	uint8_t secret[PASSWORD];
	enum err e;

	if ((e = random_bytes(secret, sizeof(secret))) != OK)
		return err_set(eb, e, "no random numbers");
	hex_encode(SLICE(secret), HEX_LOWER, text);
	if ((e = folder_join(b->folder, "broker", folder, eb)) != OK ||
	    (e = folder_make(folder, 0700, eb)) != OK ||
	    (e = folder_join(folder, "internal.key", path, eb)) != OK)
		return e;
	return file_write(path, (struct slice){ (const uint8_t *)text, strlen(text) }, 0600, eb);
}

static enum err authorities(struct bench_broker *b, struct errbuf *eb)
{
	static const char *const names[] = { "localhost" };
	char path[FOLDER_PATH_MAX];
	struct service *tls = NULL;
	enum err e;

	if ((e = folder_join(b->folder, "ca", path, eb)) != OK ||
	    (e = ca_create(path, utc_now(), eb)) != OK ||
	    (e = ca_open(path, NULL, &b->ca, eb)) != OK ||
	    (e = folder_join(b->folder, "tls", path, eb)) != OK ||
	    (e = service_open(path, names, COUNT(names), utc_now(), &tls, eb)) != OK)
		return e;
	service_free(tls);
	return folder_join(b->folder, "tls/service-root.pem", b->anchor, eb);
}

static enum err folder(struct bench_broker *b, struct errbuf *eb)
{
	const char *above = getenv("TMPDIR");
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = folder_join(above != NULL && above[0] == '/' ? above : "/tmp",
	         "imprint-bench-XXXXXX", path, eb)) != OK)
		return e;
	if (mkdtemp(path) == NULL)
		return err_set(eb, ERR_IO, "%s: %s", path, strerror(errno));
	if ((e = folder_join("", path, b->folder, eb)) != OK || (e = authorities(b, eb)) != OK)
		return e;
	return password(b, eb);
}

/* --- the boards --- */

static enum err device_id(char id[UUID_TEXT + 1], struct errbuf *eb)
{
	uint8_t uuid[16];

	if (random_bytes(uuid, sizeof(uuid)) != OK)
		return err_set(eb, ERR_IO, "no random numbers");
	uuid_mark(uuid, 4);
	uuid_text(uuid, id);
	id[UUID_TEXT] = '\0';
	return OK;
}

static enum err identity(struct bench_broker *b, struct board *board, struct errbuf *eb)
{
	struct se_hal hal = emu_hal(board->chip);
	uint8_t csr[CHIP_IDENTITY_CSR_MAX], q[64];
	struct ca_request request = { .years = YEARS,
		.device_id = { (const uint8_t *)board->id, UUID_TEXT } };
	struct ca_issued issued;
	struct x509_hour end;
	enum err e;
	size_t n;

	if ((e = chip_identity_request(&hal, board->id, csr, &n, q, eb)) != OK)
		return e;
	request.csr = (struct slice){ csr, n };
	if ((e = utc_hour(utc_now(), &request.start)) != OK)
		return err_set(eb, e, "the clock of this computer is wrong");
	if ((e = ca_issue(b->ca, &request, &issued, eb)) != OK)
		return e;
	end = issued.fields.issued;
	end.year = (uint16_t)(end.year + issued.fields.years);
	if ((e = utc_seconds(&end, &board->not_after)) != OK)
		return err_set(eb, e, "the clock of this computer is wrong");
	memcpy(board->print, issued.fingerprint, sizeof(board->print));
	return chip_identity_store(&hal, (struct slice){ issued.der, issued.der_n }, eb);
}

static enum err boards(struct bench_broker *b, struct errbuf *eb)
{
	const struct emu_options o = { .family = EMU_ATECC608B };
	enum err e = OK;

	for (size_t i = 0; i < b->o.boards && e == OK; i++) {
		struct board *board = &b->boards[i];

		if ((e = emu_open(NULL, &o, &board->chip, eb)) == OK &&
		    (e = device_id(board->id, eb)) == OK)
			e = identity(b, board, eb);
	}
	return e;
}

/* What the plugin would have kept of a server's feed that has ended just now. */
static enum err list(const struct bench_broker *b, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX], hex[2 * 20 + 1], *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	enum err e;

	if (out == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for the list of boards");
	hex_encode((struct slice){ ca_key_id(b->ca), 20 }, HEX_LOWER, hex);
	fprintf(out, "v 1 1 1\nb\nca %s 1\n", hex);
	for (size_t i = 0; i < b->o.boards; i++) {
		hex_encode(SLICE(b->boards[i].print), HEX_LOWER, hex);
		fprintf(out, "a %s 1 - %s - %" PRId64 "\n", b->boards[i].id, hex,
		    b->boards[i].not_after);
	}
	fprintf(out, "e 1\n");
	if (fclose(out) != 0)
		e = err_set(eb, ERR_MEMORY, "no memory for the list of boards");
	else if ((e = folder_join(b->folder, "broker/list", path, eb)) == OK)
		e = file_write(path, (struct slice){ (const uint8_t *)text, n }, 0600, eb);
	free(text);
	return e;
}

enum err bench_broker_fill(struct bench_broker *b, struct crowd *crowd, struct errbuf *eb)
{
	for (size_t i = 0; i < b->o.boards; i++) {
		enum err e = crowd_add(crowd, b->boards[i].chip, eb);

		if (e != OK)
			return e;
		b->boards[i].chip = NULL; /* the crowd's now */
	}
	return OK;
}

/* --- mosquitto --- */

/* A port that nobody has at the moment; somebody may take it before mosquitto does, which then says so. */
static enum err port(struct bench_broker *b, struct errbuf *eb)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool found = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	             getsockname(fd, (struct sockaddr *)&at, &n) == 0;

	if (!found)
		err_set(eb, ERR_IO, "no port: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	b->port = ntohs(at.sin_port);
	snprintf(b->where, sizeof(b->where), "localhost:%u", (unsigned)b->port);
	return found ? OK : ERR_IO;
}

static enum err configure(struct bench_broker *b, struct errbuf *eb)
{
	char socket[FOLDER_PATH_MAX], feed[FOLDER_PATH_MAX];
	struct broker_config c = {
		.address = "127.0.0.1", .socket = socket, .plugin = b->o.plugin
	};
	enum err e;

	if ((e = port(b, eb)) != OK ||
	    (e = folder_join(b->folder, BROKER_SOCKET, socket, eb)) != OK ||
	    (e = folder_join(b->folder, BROKER_FEED, feed, eb)) != OK)
		return e;
	c.port = b->port;
	c.feed = c.plugin != NULL ? feed : NULL;
	return broker_configure(b->folder, &c, b->conf, eb);
}

static bool answers(const struct bench_broker *b)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(b->port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

	if (fd >= 0)
		close(fd);
	return yes;
}

static enum err serve(struct bench_broker *b, struct errbuf *eb)
{
	const char *const argv[] = { b->program, "-c", b->conf, NULL };
	struct pollfd stop = { .fd = b->o.stop_fd, .events = POLLIN };
	char log[FOLDER_PATH_MAX];
	enum err e;

	if ((e = folder_join(b->folder, "mosquitto.log", log, eb)) != OK ||
	    (e = process_start(&b->mosquitto, "mosquitto", argv, log, false, eb)) != OK)
		return e;
	for (unsigned waited = 0; waited < READY_MS; waited += LOOK_MS) {
		if (!process_runs(&b->mosquitto))
			return process_ended(&b->mosquitto, eb);
		if (answers(b))
			return OK;
		if (poll(&stop, 1, LOOK_MS) > 0)
			return err_set(eb, ERR_CONFLICT, "interrupted");
	}
	return err_set(eb, ERR_TIMEOUT, "mosquitto: not ready after %d s", READY_MS / 1000);
}

static enum err program(struct bench_broker *b, struct errbuf *eb)
{
	const char *given = b->o.mosquitto;

	if (given != NULL)
		return access(given, X_OK) == 0
		           ? folder_join("", given, b->program, eb)
		           : err_set(eb, ERR_NOT_FOUND, "%s: %s", given, strerror(errno));
	return process_find("mosquitto", b->program, eb);
}

enum err bench_broker_start(
    const struct bench_broker_options *o, struct bench_broker **out, struct errbuf *eb)
{
	struct bench_broker *b = calloc(1, sizeof(*b) + o->boards * sizeof(b->boards[0]));
	enum err e;

	if (b == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for %zu boards", o->boards);
	b->o = *o;
	b->mosquitto = PROCESS_NONE;
	if ((e = program(b, eb)) == OK && (e = folder(b, eb)) == OK && (e = boards(b, eb)) == OK &&
	    (e = list(b, eb)) == OK && (e = configure(b, eb)) == OK && (e = serve(b, eb)) == OK) {
		*out = b;
		return OK;
	}
	bench_broker_free(b);
	return e;
}

enum err bench_broker_cpu(struct bench_broker *b, double *seconds, struct errbuf *eb)
{
	struct timespec t;
	clockid_t clock;

	if (!process_runs(&b->mosquitto))
		return process_ended(&b->mosquitto, eb);
	if (clock_getcpuclockid(b->mosquitto.pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return err_set(eb, ERR_IO, "mosquitto's processor time cannot be read");
	*seconds = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
	return OK;
}
