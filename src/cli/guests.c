#include "guests.h"
#include "board.h"
#include "chip.h"
#include "cloud_issuer.h"
#include "file.h"
#include "record.h"
#include "text.h"
#include "utc.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_BASE 50
#define BOARD_TYPE "mkrwifi1010" /* a board with such a chip, as the server knows them */

struct one {
	struct guests *all;
	struct guest show;          /* of the main thread */
	bool seen;                  /* the end of its setup has been looked at */
	bool let_in;                /* the server has said ONLINE */
	bool heard;                 /* and that a message of this run is stored */
	bool deleted;               /* its device is not there any more, which has been said */
	bool forgets;               /* its record is thrown away, */
	char forget[UUID_TEXT + 1]; /* and its device; "": none */
	struct board *board;
	pthread_t thread;
	bool has_thread;
	int row; /* of the present step: the thread's, later the main thread's */
	/* Written by the thread before `set_up`, read afterwards. */
	struct client_result result;
	struct errbuf eb;
	enum err e;
	int64_t since; /* in seconds: before it the certificate of this run was not there */
	atomic_bool set_up;
};

struct guests {
	struct guests_options o;
	int cancel; /* readable: threads stop */
	size_t n;
	struct one at[];
};

enum err guests_new(const char *name, size_t n, struct guests **guests, struct errbuf *eb)
{
	struct guests *all;
	enum err e;

	if ((e = board_name_check(name, eb)) != OK)
		return e;
	if (strlen(name) > NAME_MAX_BASE)
		return err_set(eb, ERR_ARG, "the name is longer than %d characters", NAME_MAX_BASE);
	all = calloc(1, sizeof(*all) + n * sizeof(all->at[0]));
	if (!all)
		return err_set(eb, ERR_MEMORY, "no memory for %zu boards", n);
	all->n = n;
	all->cancel = eventfd(0, EFD_CLOEXEC);
	if (all->cancel < 0) {
		free(all);
		return err_set(eb, ERR_IO, "eventfd: %s", strerror(errno));
	}
	for (size_t i = 0; i < n; i++) {
		struct one *g = &all->at[i];

		g->all = all;
		g->row = -1;
		if (i == 0)
			snprintf(g->show.name, sizeof(g->show.name), "%s", name);
		else
			snprintf(g->show.name, sizeof(g->show.name), "%.*s-%u", NAME_MAX_BASE, name,
			    (unsigned)i + 1);
	}
	*guests = all;
	return OK;
}

void guests_free(struct guests *all)
{
	if (!all)
		return;
	(void)!write(all->cancel, &(uint64_t){ 1 }, sizeof(uint64_t));
	for (size_t i = 0; i < all->n; i++)
		if (all->at[i].has_thread)
			pthread_join(all->at[i].thread, NULL);
	for (size_t i = 0; i < all->n; i++)
		board_free(all->at[i].board);
	close(all->cancel);
	free(all);
}

size_t guests_count(const struct guests *all)
{
	return all->n;
}

const struct guest *guests_at(const struct guests *all, size_t i)
{
	return &all->at[i].show;
}

/* --- one board's setup, in its thread --- */

static void show(void *ctx, const struct client_event *event)
{
	struct one *g = ctx;

	if (event->step == CLIENT_ISSUE && event->state != CLIENT_DONE)
		g->since = utc_now();
	steps_event(g->all->o.steps, &g->row, g->show.name, event);
}

/* An emulated chip is locked for as long as its file exists, which hurts nobody. */
static bool may_lock(void *ctx)
{
	(void)ctx;
	return true;
}

static enum err plug(struct one *g, struct errbuf *eb)
{
	const struct guests_options *o = &g->all->o;
	struct board_options with = { .name = g->show.name,
		.state = o->state,
		.run = o->run,
		.setup = true,
		.broker = o->broker,
		.anchor = o->anchor,
		.chip = { .family = EMU_ATECC608B, .timing = EMU_TYPICAL } };
	enum err e;

	g->row = steps_begin(o->steps, g->show.name, "board", "Start a virtual board");
	if ((e = board_new(&with, &g->board, eb)) == OK)
		e = board_start(g->board, eb);
	steps_end(o->steps, g->row, e == OK ? CLIENT_DONE : CLIENT_FAILED,
	    e == OK ? board_port(g->board) : "");
	return e;
}

/* Its record, if there is one: opening would make it. */
static enum err record_there(
    const struct one *g, const char *records, struct record **record, struct errbuf *eb)
{
	char file[80], path[FOLDER_PATH_MAX];
	enum err e;

	snprintf(file, sizeof(file), "%s.json", g->show.name);
	if ((e = folder_join(records, file, path, eb)) != OK || access(path, F_OK) != 0)
		return e;
	return record_open(records, g->show.name, NULL, record, eb);
}

/* The certificate that its record has for active; n is 0 without one. */
static void recorded(const struct one *g, struct client_result *result)
{
	const struct record_cert *c;
	struct record *record = NULL;

	if (record_there(g, g->all->o.records, &record, NULL) != OK || !record)
		return;
	c = record_active(record);
	if (c) {
		memcpy(result->der, c->der, c->n);
		result->n = c->n;
		memcpy(result->device_id, record_device_id(record), sizeof(result->device_id));
	}
	record_free(record);
}

/* Whether the chip, which nobody runs, holds this certificate and the key that it is for. */
static bool chip_holds(const struct one *g, struct slice certificate)
{
	struct chip *chip = NULL;
	struct der_w w;
	uint8_t der[CCERT_CERT_MAX];
	struct slice rebuilt;
	bool holds = false;

	if (chip_open(g->all->o.state, g->all->o.run, g->show.name, &chip, NULL) == OK &&
	    chip_read(chip, NULL, NULL) == OK && chip->certificate == CHIP_CERTIFICATE &&
	    chip->slots[SE_SLOT_DEVICE_KEY].has_key) {
		w = der_writer(der, sizeof(der));
		ccert_cert_put(&w, &chip->ccert, chip->slots[SE_SLOT_DEVICE_KEY].q);
		holds = der_finish(&w, &rebuilt) == OK && slice_equal(rebuilt, certificate);
	}
	chip_close(chip);
	return holds;
}

/* The server's word for the certificate that a board still holds; false: it has none. */
static bool standing(struct cloud *cloud, const struct client_result *held, char word[160])
{
	struct cloud_detail d = { .n_certs = 0 };
	char serial[33];
	struct ccert fields;
	uint8_t q[64];

	if (ccert_from_cert((struct slice){ held->der, held->n }, &fields, q) != OK ||
	    cloud_device_detail(cloud, held->device_id, &d, NULL) != OK)
		return false;
	hex_encode(SLICE(fields.serial), HEX_LOWER, serial);
	word[0] = 0;
	for (size_t i = 0; i < d.n_certs; i++) {
		const struct cloud_standing *c = &d.certs[i];

		if (strcmp(c->id, serial) == 0)
			snprintf(word, 160, "%.60s%s%.60s%s",
			    strcmp(c->state, "revoked") == 0 || strcmp(c->state, "superseded") == 0
			        ? c->state
			        : "disabled",
			    c->reason[0] ? " (" : "", c->reason, c->reason[0] ? ")" : "");
	}
	cloud_detail_clear(&d);
	return word[0] != 0;
}

/* Who took an identity away must hear that `up` gives another one. */
static void say_lost(const struct one *g, struct cloud *cloud, const struct client_result *held)
{
	char word[160];

	if (standing(cloud, held, word))
		steps_say(g->all->o.steps,
		    "%s: its certificate was %s; a new key and a new certificate are made",
		    g->show.name, word);
	else
		steps_say(g->all->o.steps,
		    "%s: the server has no valid certificate for its device %s; a new key and a "
		    "new "
		    "certificate are made",
		    g->show.name, held->device_id);
}

/* "2026-11-23T05:12:44.123Z" as seconds since 1970; -1 when it is none. */
static int64_t seconds_of(const char *text)
{
	struct tm t = { 0 };

	return strptime(text, "%Y-%m-%dT%H:%M:%S", &t) ? (int64_t)timegm(&t) : -1;
}

/*
 * What the board said in an earlier `up` is not said now. The server's times are whole seconds: when one began only
 * just now, the next is waited for.
 */
static void begin_anew(struct one *g, struct cloud *cloud)
{
	struct pollfd stop = { .fd = g->all->cancel, .events = POLLIN };
	struct cloud_detail d = { .n_certs = 0 };
	int64_t left;

	if (cloud_device_detail(cloud, g->result.device_id, &d, NULL) == OK) {
		left = (seconds_of(d.last_message_at) + 1) * 1000 - utc_now_ms();
		cloud_detail_clear(&d);
		if (left > 0 && left <= 1000)
			(void)poll(&stop, 1, (int)left);
	}
	g->since = utc_now();
}

/* From an earlier `up`: record, chip and server agree, so that the board is only switched on. */
static bool has_identity(struct one *g, struct cloud *cloud, const struct issuer *issuer)
{
	struct client_result held = { .n = 0 };
	struct slice der;
	int row;

	recorded(g, &held);
	der = (struct slice){ held.der, held.n };
	if (held.n == 0 || !chip_holds(g, der))
		return false;
	if (!issuer->own(issuer->ctx, der)) {
		say_lost(g, cloud, &held);
		return false;
	}
	g->result = held;
	begin_anew(g, cloud);
	row = steps_begin(g->all->o.steps, g->show.name, "identity", "Find its identity");
	steps_end(g->all->o.steps, row, CLIENT_DONE, held.device_id);
	return true;
}

static enum err provision(struct one *g, const struct issuer *issuer, struct errbuf *eb)
{
	const struct guests_options *o = &g->all->o;
	struct client_run run = { .port = board_port(g->board),
		.folder = o->records,
		.name = g->show.name,
		.years = 31,
		.stop_fd = g->all->cancel,
		.ctx = g,
		.may_lock = may_lock,
		.event = show,
		.issuer = *issuer };

	return client_run(&run, &g->result, eb);
}

static enum err come(struct one *g, struct errbuf *eb)
{
	struct cloud_options to = { .credentials = g->all->o.credentials,
		.version = g->all->o.version,
		.stop_fd = g->all->cancel };
	struct cloud_issuer signs = { .board = { .type = BOARD_TYPE } };
	struct issuer issuer;
	bool has;
	enum err e;

	if ((e = cloud_open(&to, &signs.cloud, eb)) != OK)
		return e;
	issuer = cloud_issuer(&signs);
	has = has_identity(g, signs.cloud, &issuer);
	if ((e = plug(g, eb)) == OK && !has)
		e = provision(g, &issuer, eb);
	cloud_free(signs.cloud);
	return e;
}

static void *set_up(void *ctx)
{
	struct one *g = ctx;

	g->e = come(g, &g->eb);
	atomic_store(&g->set_up, true);
	return NULL;
}

enum err guests_start(struct guests *all, const struct guests_options *o, struct errbuf *eb)
{
	all->o = *o;
	for (size_t i = 0; i < all->n; i++) {
		struct one *g = &all->at[i];

		if (pthread_create(&g->thread, NULL, set_up, g) != 0)
			return err_set(eb, ERR_MEMORY, "no thread for board %s", g->show.name);
		g->has_thread = true;
	}
	return OK;
}

/* --- ONLINE --- */

static enum err ended(struct one *g, struct errbuf *eb)
{
	g->seen = true;
	if (g->e != OK) {
		if (g->result.kept)
			steps_say(g->all->o.steps, "kept         %s\nwhat to do   %s",
			    g->result.kept, g->result.remedy);
		*eb = g->eb;
		return err_within(eb, g->e, "%s", g->show.name);
	}
	snprintf(g->show.port, sizeof(g->show.port), "%s", board_port(g->board));
	memcpy(g->show.device_id, g->result.device_id, sizeof(g->show.device_id));
	g->row = steps_begin(g->all->o.steps, g->show.name, "online", "Come online");
	return OK;
}

/* Let in is not enough: what it said must have come by the topic that is its alone, and be stored. */
static enum err listen_to(struct one *g, struct cloud *cloud, struct errbuf *eb)
{
	struct cloud_detail d = { .n_certs = 0 };
	char detail[160];
	enum err e = cloud_device_detail(cloud, g->show.device_id, &d, eb);

	if (e != OK)
		return e;
	g->heard = seconds_of(d.last_message_at) >= g->since;
	if (g->heard) {
		snprintf(detail, sizeof(detail), "ONLINE, and its message of %.40s is stored",
		    d.last_message_at);
		steps_end(g->all->o.steps, g->row, CLIENT_DONE, detail);
		g->row = -1;
	}
	cloud_detail_clear(&d);
	return OK;
}

/* The first time it is the end of a step; later it comes and goes, which is not told here. */
static enum err told(
    struct one *g, struct cloud *cloud, const struct cloud_device *d, struct errbuf *eb)
{
	bool online =
	    strcmp(d->status, "ONLINE") == 0 && seconds_of(d->last_activity_at) >= g->since;
	enum err e = OK;

	memcpy(g->show.status, d->status, sizeof(g->show.status));
	memcpy(g->show.activity, d->last_activity_at, sizeof(g->show.activity));
	g->let_in |= online;
	if (online && !g->heard)
		e = listen_to(g, cloud, eb);
	g->show.online = online && g->heard;
	visitors_asked(g->all->o.visitors, d);
	return e;
}

/* A board that has arrived is not in the way of others, whatever became of its device. */
static enum err not_there(struct one *g, struct errbuf *eb)
{
	g->show.online = false;
	if (!g->heard)
		return err_set(eb, ERR_NOT_FOUND, "%s: its device %s was deleted at the server",
		    g->show.name, g->show.device_id);
	if (!g->deleted)
		steps_say(g->all->o.steps,
		    "%s: its device %s was deleted at the server, so it is not let in; the next "
		    "`imprint up` makes it another one",
		    g->show.name, g->show.device_id);
	g->deleted = true;
	return OK;
}

static enum err look(struct one *g, struct cloud *cloud, struct errbuf *eb)
{
	struct cloud_device d = { 0 };
	enum err e = cloud_device_get(cloud, g->show.device_id, &d, eb);

	if (e == OK) {
		g->deleted = false;
		e = told(g, cloud, &d, eb);
		cloud_device_clear(&d);
	}
	return e == ERR_NOT_FOUND ? not_there(g, eb) : e;
}

enum err guests_look(struct guests *all, struct cloud *cloud, size_t *missing, struct errbuf *eb)
{
	enum err e = OK;

	*missing = 0;
	for (size_t i = 0; e == OK && i < all->n; i++) {
		struct one *g = &all->at[i];

		if (!g->seen && atomic_load(&g->set_up))
			e = ended(g, eb);
		if (e == OK && g->seen)
			e = look(g, cloud, eb);
		*missing += !g->show.online;
	}
	return e;
}

enum err guests_late(struct guests *all, long seconds, struct errbuf *eb)
{
	struct board_status status;
	struct one *g = NULL;
	char refused[128];

	for (struct one *i = all->at; i < all->at + all->n; i++) {
		if (i->show.online)
			continue;
		g = g ? g : i;
		if (i->seen)
			steps_end(all->o.steps, i->row, CLIENT_FAILED, "");
		if (i->seen)
			i->row = -1;
	}
	if (!g)
		return OK;
	if (!g->seen)
		return err_set(
		    eb, ERR_TIMEOUT, "%s: not set up after %ld s", g->show.name, seconds);
	if (board_status_get(all->o.run, g->show.name, &status, NULL) != OK) {
		snprintf(status.state, sizeof(status.state), "nothing");
		status.step[0] = 0;
	}
	visitors_refused(all->o.visitors, g->show.device_id, refused);
	return err_set(eb, ERR_TIMEOUT,
	    "%s: after %ld s %s%s%.90s%s; the board itself says: %s%s%.80s", g->show.name, seconds,
	    g->let_in ? "the broker has let it in, but no message of it has come to the server"
	              : "no broker has let it in",
	    refused[0] ? " (" : "", refused, refused[0] ? ")" : "", status.state,
	    status.step[0] ? ", " : "", status.step);
}

/* --- starting anew --- */

/* The state file is opened first: then no other process has it. */
static enum err chip_forget(const char *state, const char *name, bool *was, struct errbuf *eb)
{
	struct emu_options o = { .how = EMU_OPEN_ONLY };
	char folder[FOLDER_PATH_MAX], file[80], path[FOLDER_PATH_MAX];
	struct emu *emu = NULL;
	enum err e;

	snprintf(file, sizeof(file), "%s.se", name);
	if ((e = folder_join(state, "elements", folder, eb)) != OK ||
	    (e = folder_join(folder, file, path, eb)) != OK)
		return e;
	if ((e = emu_open(path, &o, &emu, eb)) == ERR_NOT_FOUND)
		return OK;
	if (e == OK && unlink(path) != 0)
		e = file_error(eb, errno, path, "cannot be removed");
	*was = e == OK;
	emu_free(emu);
	return e;
}

/* It stays until the server has no device of it: whoever begins again finds either both or none. */
static enum err record_look(struct one *g, const char *records, struct errbuf *eb)
{
	struct record *record = NULL;
	enum err e;

	if ((e = record_there(g, records, &record, eb)) != OK || !record)
		return e;
	g->forgets = true;
	snprintf(g->forget, sizeof(g->forget), "%s", record_device_id(record));
	record_free(record);
	return OK;
}

static enum err record_remove(const struct one *g, const char *records, struct errbuf *eb)
{
	static const char *const ends[] = { "json", "pem" };
	char file[80], path[FOLDER_PATH_MAX];
	enum err e = OK;

	for (size_t i = 0; e == OK && i < COUNT(ends); i++) {
		snprintf(file, sizeof(file), "%s.%s", g->show.name, ends[i]);
		if ((e = folder_join(records, file, path, eb)) == OK && unlink(path) != 0 &&
		    errno != ENOENT)
			e = file_error(eb, errno, path, "cannot be removed");
	}
	return e;
}

enum err guests_forget(struct guests *all, const char *state, const char *records,
    const struct cli *cli, struct errbuf *eb)
{
	for (size_t i = 0; i < all->n; i++) {
		struct one *g = &all->at[i];
		bool chip = false;
		enum err e;

		if ((e = chip_forget(state, g->show.name, &chip, eb)) != OK ||
		    (e = record_look(g, records, eb)) != OK)
			return e;
		if (chip)
			cli_say(cli, "threw away   %s: its emulated chip", g->show.name);
	}
	return OK;
}

enum err guests_delete(struct guests *all, const char *records, struct cloud *cloud,
    const struct cli *cli, struct errbuf *eb)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct one *g = &all->at[i];
		enum err e = ERR_NOT_FOUND, gone;

		if (!g->forgets)
			continue;
		if (g->forget[0])
			e = cloud_device_delete(cloud, g->forget, true, eb);
		if (e != OK && e != ERR_NOT_FOUND)
			return err_within(eb, e, "the device of %s", g->show.name);
		if ((gone = record_remove(g, records, eb)) != OK)
			return gone;
		cli_say(cli, "threw away   %s: its record%s%s", g->show.name,
		    e == OK ? " and its device " : "", e == OK ? g->forget : "");
	}
	return OK;
}
