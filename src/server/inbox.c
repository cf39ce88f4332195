#include "inbox.h"
#include "latest.h"

#include <errno.h>
#include <limits.h>
#include <mosquitto.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define DEVICES_MAX 65536
#define CLIENT_ID "imprintd"
#define KEEPALIVE 30 /* seconds */
/* libmosquitto's own timers: keep-alive, and a broker that never answers CONNECT. */
#define MISC_EVERY_MS 1000
#define RETRY_FIRST_MS 250
#define RETRY_LAST_MS 5000
/* Changes that the store has not answered yet; what comes meanwhile waits in the table. */
#define UNANSWERED_MAX 64

struct inbox {
	struct inbox_options options;
	char *socket, *password;
	struct mosquitto *client;
	struct latest *table;
	int wake; /* eventfd: stop, or the store has answered */
	pthread_t thread;
	bool thread_runs;
	unsigned retry_ms;
	int refused;        /* CONNACK's code, when it was not 0 */
	bool not_granted;   /* SUBACK's answer */
	char complaint[96]; /* the last one; empty: none since it was connected */
	atomic_bool stopping, connected;
	atomic_uint unanswered;
	atomic_ullong messages, stored, dropped;
};

/* Milliseconds that never run backwards. */
static int64_t ticks(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wake(struct inbox *in)
{
	uint64_t one = 1;

	if (write(in->wake, &one, sizeof(one)) < 0)
		return; /* it is readable already */
}

/* --- into the store --- */

/* On the committing thread. */
static void stored(void *ctx, enum err e, const struct errbuf *eb, uint64_t seq)
{
	struct inbox *in = ctx;

	(void)seq;
	if (e == OK)
		atomic_fetch_add(&in->stored, 1);
	else
		LOG(in->options.log, LOG_LEVEL_ERROR, "message_not_stored",
		    LOG_TEXT("error", err_name(e)), LOG_TEXT("reason", eb->text));
	atomic_fetch_sub(&in->unanswered, 1);
	wake(in);
}

static enum err device_known(struct inbox *in, const uint8_t device[16])
{
	struct store_device row;
	struct errbuf eb;
	enum err e = store_device_get(in->options.store, in->options.tenant, device, &row, &eb);

	if (e == OK && (!row.enabled || row.deleted != 0))
		return ERR_DENIED;
	return e;
}

static void store_one(struct inbox *in, const struct latest_due *due)
{
	struct store_change *c;

	if (device_known(in, due->key.p) != OK || !(c = store_change_new(in->options.tenant))) {
		atomic_fetch_add(&in->dropped, 1);
		return;
	}
	store_device_seen(c, due->key.p, due->at, due->what);
	atomic_fetch_add(&in->unanswered, 1);
	store_submit(in->options.store, c, stored, in);
}

/* False when the store has to answer before there can be more. */
static bool store_due(struct inbox *in, int64_t now)
{
	struct latest_due due;

	while (atomic_load(&in->unanswered) < UNANSWERED_MAX) {
		if (!latest_take(in->table, now, &due))
			return true;
		store_one(in, &due);
	}
	return false;
}

/* --- from the broker: called back on the inbox's own thread --- */

static bool heard_from(struct inbox *in, int64_t now, struct slice topic, struct slice payload,
    struct responder_heard *heard)
{
	enum topic of;

	if (in->options.responder)
		return responder_take(in->options.responder, now, topic, payload, heard);
	heard->kept = payload;
	return board_topic_parse(topic, &of, heard->device) == OK && of == TOPIC_OF_DEVICE;
}

/* A broker that is away loses what it would have carried: boards ask again. */
static void publish(struct inbox *in)
{
	struct responder_out out;

	while (in->options.responder && responder_next(in->options.responder, &out))
		if (atomic_load(&in->connected))
			(void)mosquitto_publish(in->client, NULL, out.topic, (int)out.payload.n,
			    out.payload.p, 0, false);
}

static void on_message(struct mosquitto *client, void *ctx, const struct mosquitto_message *m)
{
	struct inbox *in = ctx;
	struct slice topic = { (const uint8_t *)m->topic, strlen(m->topic) },
	             payload = { m->payload, (size_t)m->payloadlen };
	struct responder_heard heard;
	int64_t now = ticks();

	(void)client;
	atomic_fetch_add(&in->messages, 1);
	/* What was retained is no sign of life. */
	if (m->retain || !heard_from(in, now, topic, payload, &heard) ||
	    latest_put(in->table, SLICE(heard.device), now, in->options.now_ms(in->options.ctx),
	        heard.kept) != OK)
		atomic_fetch_add(&in->dropped, 1);
}

static void on_connect(struct mosquitto *client, void *ctx, int code)
{
	struct inbox *in = ctx;
	char devices[] = "/a/d/+/c/up",
	     things[] = "/a/t/+/e/o"; /* not const: as libmosquitto has it */
	char *const topics[] = { devices, things };

	in->refused = code;
	if (code == 0)
		(void)mosquitto_subscribe_multiple(client, NULL, COUNT(topics), topics, 0, 0, NULL);
}

/* Connected is said when the broker carries: what a board publishes before that is not heard. */
static void on_subscribe(struct mosquitto *client, void *ctx, int id, int count, const int *granted)
{
	struct inbox *in = ctx;

	(void)client;
	(void)id;
	for (int i = 0; i < count; i++)
		in->not_granted |= granted[i] > 2;
	if (in->not_granted)
		return;
	in->retry_ms = RETRY_FIRST_MS;
	in->complaint[0] = '\0';
	atomic_store(&in->connected, true);
	LOG(in->options.log, LOG_LEVEL_INFO, "broker_connected", LOG_TEXT("socket", in->socket));
}

/* --- the connection --- */

/* Once a reason, not once an attempt. */
static void complain(struct inbox *in, const char *reason)
{
	bool again = strncmp(in->complaint, reason, sizeof(in->complaint) - 1) == 0;

	snprintf(in->complaint, sizeof(in->complaint), "%s", reason);
	LOG(in->options.log, again ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "broker_away",
	    LOG_TEXT("socket", in->socket), LOG_TEXT("reason", reason));
}

static void connection_lost(struct inbox *in, int code)
{
	atomic_store(&in->connected, false);
	if (in->refused != 0)
		complain(in, mosquitto_connack_string(in->refused));
	else if (code == MOSQ_ERR_ACL_DENIED)
		complain(in, "the broker lets " INBOX_USER " subscribe to no board's topics");
	else
		complain(in, code == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(code));
	in->refused = 0;
	in->not_granted = false;
}

/* Waits for the broker, the store or the time; then lets libmosquitto work. */
static void wait_for_work(struct inbox *in, int limit_ms)
{
	int fd = mosquitto_socket(in->client), code = MOSQ_ERR_SUCCESS;
	struct pollfd fds[] = { { .fd = in->wake, .events = POLLIN }, { .fd = fd },
		{ .fd = in->options.responder ? responder_fd(in->options.responder) : -1,
		    .events = POLLIN } };
	uint64_t count;

	fds[1].events = POLLIN;
	if (fd >= 0 && mosquitto_want_write(in->client))
		fds[1].events |= POLLOUT;
	if (poll(fds, 3, limit_ms) < 0)
		return;
	if ((fds[0].revents & POLLIN) && read(in->wake, &count, sizeof(count)) < 0)
		return;
	if (fd < 0)
		return;
	if (fds[1].revents & (POLLIN | POLLHUP | POLLERR))
		code = mosquitto_loop_read(in->client, 1);
	if (code == MOSQ_ERR_SUCCESS && (fds[1].revents & POLLOUT))
		code = mosquitto_loop_write(in->client, 1);
	if (code == MOSQ_ERR_SUCCESS)
		code = mosquitto_loop_misc(in->client);
	if (code == MOSQ_ERR_SUCCESS && in->not_granted) {
		mosquitto_disconnect(in->client);
		code = MOSQ_ERR_ACL_DENIED;
	}
	if (code != MOSQ_ERR_SUCCESS)
		connection_lost(in, code);
}

/* Port 0 says that the host is the path of a Unix socket. */
static void try_connect(struct inbox *in)
{
	int code = mosquitto_connect(in->client, in->socket, 0, KEEPALIVE);

	if (code != MOSQ_ERR_SUCCESS)
		connection_lost(in, code);
}

static int limit_of(const struct inbox *in, int64_t now, int64_t retry_at)
{
	int64_t until = now + MISC_EVERY_MS, next = latest_next(in->table);

	if (mosquitto_socket(in->client) < 0)
		until = retry_at;
	if (atomic_load(&in->unanswered) < UNANSWERED_MAX && next < until)
		until = next;
	if (in->options.responder && (next = responder_due(in->options.responder)) < until)
		until = next;
	return until <= now ? 0 : until - now > MISC_EVERY_MS ? MISC_EVERY_MS : (int)(until - now);
}

static void *work(void *ctx)
{
	struct inbox *in = ctx;
	int64_t retry_at = 0;

	while (!atomic_load(&in->stopping)) {
		int64_t now = ticks();

		if (mosquitto_socket(in->client) < 0 && now >= retry_at) {
			retry_at = now + in->retry_ms;
			in->retry_ms =
			    in->retry_ms * 2 < RETRY_LAST_MS ? in->retry_ms * 2 : RETRY_LAST_MS;
			try_connect(in);
		}
		wait_for_work(in, limit_of(in, now, retry_at));
		(void)store_due(in, ticks());
		if (in->options.responder)
			responder_elapsed(in->options.responder, ticks());
		publish(in);
	}
	return NULL;
}

/* --- its life --- */

static enum err client_make(struct inbox *in, struct errbuf *eb)
{
	if (mosquitto_lib_init() != MOSQ_ERR_SUCCESS ||
	    !(in->client = mosquitto_new(CLIENT_ID, true, in)) ||
	    mosquitto_username_pw_set(in->client, INBOX_USER, in->password) != MOSQ_ERR_SUCCESS)
		return err_set(eb, ERR_MEMORY, "no memory for the client of the broker");
	mosquitto_connect_callback_set(in->client, on_connect);
	mosquitto_subscribe_callback_set(in->client, on_subscribe);
	mosquitto_message_callback_set(in->client, on_message);
	return OK;
}

enum err inbox_start(const struct inbox_options *options, struct inbox **out, struct errbuf *eb)
{
	struct inbox *in = calloc(1, sizeof(*in));
	enum err e;

	if (!in)
		return err_set(eb, ERR_MEMORY, "no memory for the inbox");
	in->options = *options;
	in->retry_ms = RETRY_FIRST_MS;
	in->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (in->wake < 0) {
		e = err_set(eb, ERR_IO, "eventfd: %s", strerror(errno));
		goto out;
	}
	if (!(in->socket = strdup(options->socket)) ||
	    !(in->password = strdup(options->password)) || !(in->table = latest_new(DEVICES_MAX))) {
		e = err_set(eb, ERR_MEMORY, "no memory for the inbox");
		goto out;
	}
	if ((e = client_make(in, eb)) != OK)
		goto out;
	if (pthread_create(&in->thread, NULL, work, in) != 0) {
		e = err_set(eb, ERR_MEMORY, "no thread for the inbox");
		goto out;
	}
	in->thread_runs = true;
	*out = in;
	in = NULL;
out:
	inbox_stop(in);
	return e;
}

void inbox_stats(struct inbox *in, struct inbox_stats *stats)
{
	stats->messages = atomic_load(&in->messages);
	stats->stored = atomic_load(&in->stored);
	stats->dropped = atomic_load(&in->dropped);
	stats->connected = atomic_load(&in->connected);
}

/* What waits for its ten seconds is written now, and the store has answered. */
static void flush(struct inbox *in)
{
	struct pollfd fd = { .fd = in->wake, .events = POLLIN };
	bool all = false;
	uint64_t count;

	while (!all || atomic_load(&in->unanswered) > 0) {
		all = store_due(in, INT64_MAX - LATEST_EVERY_MS);
		if (atomic_load(&in->unanswered) > 0 && poll(&fd, 1, MISC_EVERY_MS) > 0 &&
		    read(in->wake, &count, sizeof(count)) < 0)
			continue;
	}
}

void inbox_stop(struct inbox *in)
{
	if (!in)
		return;
	if (in->thread_runs) {
		atomic_store(&in->stopping, true);
		wake(in);
		pthread_join(in->thread, NULL);
		mosquitto_disconnect(in->client);
		flush(in);
	}
	if (in->client)
		mosquitto_destroy(in->client);
	mosquitto_lib_cleanup();
	latest_free(in->table);
	if (in->wake >= 0)
		close(in->wake);
	if (in->password)
		wipe(in->password, strlen(in->password));
	free(in->password);
	free(in->socket);
	free(in);
}
