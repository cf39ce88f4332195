#include "crew.h"
#include "chip_identity.h"
#include "emu_hal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 32               /* what they wait for is the broker's next turn */
#define BOARD_TYPE "mkrwifi1010" /* a board with such a chip, as the server knows them */

struct crew {
	struct crew_options o;
	struct crowd *crowd;
	enum err (*work)(struct crew *crew, struct cloud *cloud, size_t i, struct errbuf *eb);
	bool goes_on; /* behind an error */
	atomic_size_t next, done;
	atomic_bool end;
	pthread_t threads[THREADS];
	unsigned running;
	pthread_mutex_t mutex; /* guards what went wrong first */
	enum err e;
	struct errbuf eb;
	char ids[][UUID_TEXT + 1]; /* of the devices; "": none yet */
};

enum err crew_new(const struct crew_options *o, struct crew **crew, struct errbuf *eb)
{
	struct crew *c = calloc(1, sizeof(*c) + o->n * sizeof(c->ids[0]));

	if (c == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for %zu boards", o->n);
	c->o = *o;
	pthread_mutex_init(&c->mutex, NULL);
	atomic_init(&c->next, 0);
	atomic_init(&c->done, 0);
	atomic_init(&c->end, false);
	*crew = c;
	return OK;
}

size_t crew_done(const struct crew *c)
{
	return atomic_load(&c->done);
}

/* --- the threads --- */

static enum err cloud(const struct crew *c, struct cloud **out, struct errbuf *eb)
{
	const struct cloud_options o = {
		.credentials = c->o.credentials, .version = c->o.version, .stop_fd = -1
	};

	return cloud_open(&o, out, eb);
}

static void wrong(struct crew *c, enum err e, const struct errbuf *eb)
{
	pthread_mutex_lock(&c->mutex);
	if (c->e == OK) {
		c->e = e;
		c->eb = *eb;
	}
	pthread_mutex_unlock(&c->mutex);
	if (c->goes_on)
		return;
	atomic_store(&c->end, true);
	crowd_stop(c->crowd);
}

static void *thread(void *arg)
{
	struct crew *c = arg;
	struct cloud *to = NULL;
	struct errbuf eb = { "" };
	enum err e = cloud(c, &to, &eb);
	size_t i;

	while (e == OK && !atomic_load(&c->end) && (i = atomic_fetch_add(&c->next, 1)) < c->o.n) {
		if ((e = c->work(c, to, i, &eb)) == OK)
			atomic_fetch_add(&c->done, 1);
		else if (c->goes_on)
			wrong(c, e, &eb);
		e = c->goes_on ? OK : e;
	}
	if (e != OK)
		wrong(c, e, &eb);
	cloud_free(to);
	return NULL;
}

static enum err threads_start(struct crew *c, struct errbuf *eb)
{
	size_t wanted = c->o.n < THREADS ? c->o.n : THREADS;
	sigset_t all, before;
	int error = 0;

	atomic_store(&c->next, 0);
	atomic_store(&c->done, 0);
	atomic_store(&c->end, false);
	c->e = OK;
	/* Signals are for the thread that started us. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (c->running < wanted && error == 0)
		if ((error = pthread_create(&c->threads[c->running], NULL, thread, c)) == 0)
			c->running++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return c->running > 0 ? OK : err_set(eb, ERR_IO, "thread: %s", strerror(error));
}

static enum err threads_join(struct crew *c, struct errbuf *eb)
{
	while (c->running > 0)
		pthread_join(c->threads[--c->running], NULL);
	return c->e == OK ? OK : err_set(eb, c->e, "%s", c->eb.text);
}

enum err crew_end(struct crew *c, struct errbuf *eb)
{
	atomic_store(&c->end, true);
	return threads_join(c, eb);
}

void crew_free(struct crew *c)
{
	if (c == NULL)
		return;
	(void)!crew_end(c, NULL);
	pthread_mutex_destroy(&c->mutex);
	free(c);
}

/* --- names at the server --- */

/* The number of the board, from 0; n: not one of ours. */
static size_t number_of(const struct crew *c, const char *name)
{
	size_t length = strlen(c->o.name), i;
	char own[CLOUD_NAME_MAX + 1];

	if (strncmp(name, c->o.name, length) != 0 || name[length] != '-')
		return c->o.n;
	i = strtoul(name + length + 1, NULL, 10);
	snprintf(own, sizeof(own), "%s-%zu", c->o.name, i);
	return i >= 1 && i <= c->o.n && strcmp(own, name) == 0 ? i - 1 : c->o.n;
}

static enum err claim(
    struct crew *c, const struct cloud_devices *list, bool again, struct errbuf *eb)
{
	for (size_t k = 0; k < list->n; k++) {
		size_t i = number_of(c, list->at[k].name);

		if (i == c->o.n || list->at[k].deleted)
			continue;
		if (!again)
			return err_set(eb, ERR_CONFLICT,
			    "%s has a device named %.64s; --again when it is one of these boards, "
			    "or take another name",
			    c->o.credentials->server, list->at[k].name);
		if (c->ids[i][0] != '\0')
			return err_set(eb, ERR_CONFLICT, "%s has several devices named %.64s",
			    c->o.credentials->server, list->at[k].name);
		memcpy(c->ids[i], list->at[k].id, sizeof(c->ids[i]));
	}
	return OK;
}

enum err crew_claim(struct crew *c, bool again, struct errbuf *eb)
{
	struct cloud_devices list = { 0 };
	struct cloud *to = NULL;
	enum err e;

	if ((e = cloud(c, &to, eb)) == OK && (e = cloud_device_list(to, NULL, &list, eb)) == OK)
		e = claim(c, &list, again, eb);
	/* What is claimed by half is not removed. */
	if (e != OK)
		memset(c->ids, 0, c->o.n * sizeof(c->ids[0]));
	cloud_devices_clear(&list);
	cloud_free(to);
	return e;
}

/* --- one board --- */

static enum err device(struct crew *c, struct cloud *to, size_t i, struct errbuf *eb)
{
	char name[CLOUD_NAME_MAX + 1];
	struct cloud_change with = { .name = name, .type = BOARD_TYPE };
	struct cloud_device d;
	enum err e;

	if (c->ids[i][0] != '\0')
		return OK;
	snprintf(name, sizeof(name), "%s-%zu", c->o.name, i + 1);
	if ((e = cloud_device_create(to, &with, &d, eb)) != OK)
		return e;
	memcpy(c->ids[i], d.id, sizeof(c->ids[i]));
	cloud_device_clear(&d);
	return OK;
}

static enum err identity(
    const struct crew *c, struct cloud *to, struct emu *chip, size_t i, struct errbuf *eb)
{
	struct se_hal hal = emu_hal(chip);
	uint8_t csr[CHIP_IDENTITY_CSR_MAX], q[64];
	struct cloud_cert cert;
	enum err e;
	size_t n;

	if ((e = chip_identity_request(&hal, c->ids[i], csr, &n, q, eb)) != OK ||
	    (e = cloud_cert_create(to, c->ids[i], (struct slice){ csr, n }, q, &cert, eb)) != OK)
		return e;
	return chip_identity_store(&hal, (struct slice){ cert.der, cert.n }, eb);
}

/* The plan of faults begins when the chip has its identity: what is to be tried is what a board does with it. */
static enum err board_make(struct crew *c, struct cloud *to, size_t i, struct errbuf *eb)
{
	struct emu_options o = c->o.chip;
	struct emu *chip = NULL;
	enum err e;

	o.faults = (struct slice){ NULL, 0 };
	o.virtual_time = true;
	if ((e = emu_open(NULL, &o, &chip, eb)) != OK)
		return e;
	if ((e = device(c, to, i, eb)) == OK && (e = identity(c, to, chip, i, eb)) == OK &&
	    (i != 0 || (e = emu_faults_set(chip, c->o.chip.faults, eb)) == OK))
		e = crowd_add(c->crowd, chip, eb);
	if (e == OK)
		return OK;
	emu_free(chip);
	return err_within(eb, e, "%s-%zu", c->o.name, i + 1);
}

enum err crew_start(struct crew *c, struct crowd *crowd, struct errbuf *eb)
{
	c->crowd = crowd;
	c->work = board_make;
	c->goes_on = false;
	return threads_start(c, eb);
}

static enum err device_remove(struct crew *c, struct cloud *to, size_t i, struct errbuf *eb)
{
	enum err e;

	if (c->ids[i][0] == '\0')
		return OK;
	e = cloud_device_delete(to, c->ids[i], true, eb);
	if (e != OK && e != ERR_NOT_FOUND)
		return err_within(eb, e, "%s-%zu, device %s, stays", c->o.name, i + 1, c->ids[i]);
	c->ids[i][0] = '\0';
	return OK;
}

enum err crew_remove(struct crew *c, struct errbuf *eb)
{
	enum err e;

	c->work = device_remove;
	c->goes_on = true;
	if ((e = threads_start(c, eb)) == OK)
		e = threads_join(c, eb);
	return e;
}
