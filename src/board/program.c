#include "program.h"
#include "ccert.h"
#include "mqtt.h"
#include "thing_board.h"
#include "se_identity.h"
#include "tls.h"
#include "utc.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT_MAX 5 /* digits */
#define PAUSE_MS 2000
#define DOUBLINGS 4         /* of the pause */
#define CONNECT_MS 10000    /* TCP and TLS together */
#define HEARTBEAT_MS 30000  /* between two messages */
#define ROUNDS 64           /* of moving bytes, until the board looks at something else */
#define LOOK_MS 1000        /* how exactly it knows the time */
#define VALUE_MS 60000      /* between two values */
#define VALUE_NAME "uptime" /* seconds since it was online */

enum at { OFF, PAUSE, TCP, TLS, MQTT };

struct program {
	char host[TLS_HOST_MAX + 1], port[PORT_MAX + 1], where[TLS_HOST_MAX + 1 + PORT_MAX + 1];
	char version[32];
	struct tls_anchor anchor;
	const struct se_hal *hal;
	struct se se;
	void (*event)(void *ctx, enum program_event event, const char *text);
	void *ctx;

	enum at at;
	uint64_t until_ms;  /* PAUSE: next attempt; TCP, TLS: the end of patience */
	uint64_t looked_ms; /* when the time last passed */
	unsigned tries;     /* that failed, since it was online */
	struct program_counts counts;
	char text[240]; /* what went wrong last */
	bool online, signing_failed, quick;

	struct addrinfo *addresses, *address;
	int fd;
	struct tls *tls;
	struct mqtt mqtt;
	uint32_t silent_ms;           /* since the last message */
	uint32_t online_ms, value_ms; /* since it is online, since the last value */
	struct thing_platform platform;
	struct thing_board dialogue;
	unsigned values; /* that came together */

	char id[CCERT_DEVICE_ID + 1], up[MQTT_NAME_MAX + 1], down[MQTT_NAME_MAX + 1];
	char thing_out[MQTT_NAME_MAX + 1];
	uint8_t certificate[CCERT_CERT_MAX];
	struct slice certificate_der;
};

static void tell(struct program *p, enum program_event event, const char *text)
{
	if (p->event != NULL)
		p->event(p->ctx, event, text);
}

static struct slice text_slice(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

/* --- making it --- */

static enum err broker_parse(struct program *p, const char *broker, struct errbuf *eb)
{
	const char *colon = strrchr(broker, ':');
	size_t n = colon == NULL ? 0 : (size_t)(colon - broker), digits;
	long port;

	if (n < 1 || n > TLS_HOST_MAX || memchr(broker, ':', n) != NULL)
		return err_set(eb, ERR_ARG, "broker '%.80s': HOST:PORT, HOST a name", broker);
	digits = strspn(colon + 1, "0123456789");
	port = digits >= 1 && digits <= PORT_MAX && colon[1 + digits] == '\0'
	           ? strtol(colon + 1, NULL, 10)
	           : 0;
	if (port < 1 || port > 65535)
		return err_set(eb, ERR_ARG, "broker '%.80s': a port is 1 to 65535", broker);
	memcpy(p->host, broker, n);
	snprintf(p->port, sizeof(p->port), "%ld", port);
	snprintf(p->where, sizeof(p->where), "%s:%s", p->host, p->port);
	return OK;
}

enum err program_new(const struct program_options *o, struct program **program, struct errbuf *eb)
{
	struct program *p = calloc(1, sizeof(*p));
	enum err e;

	if (p == NULL)
		return err_set(eb, ERR_MEMORY, "no memory for a board's program");
	p->fd = -1;
	p->hal = o->hal;
	p->quick = o->quick;
	p->event = o->event;
	p->ctx = o->ctx;
	snprintf(p->version, sizeof(p->version), "%s", o->version);
	if ((e = broker_parse(p, o->broker, eb)) == OK &&
	    (e = tls_anchor_read(o->anchor, &p->anchor, eb)) == OK) {
		*program = p;
		return OK;
	}
	free(p);
	return e;
}

/* --- the chip --- */

static enum err chip_failed(const struct program *p, enum err e, struct errbuf *eb)
{
	return err_set(eb, e, "secure element: %s", se_fault_text(p->se.fault));
}

static enum err none(struct errbuf *eb, const char *why)
{
	return err_set(eb, ERR_NOT_FOUND, "%s", why);
}

/* A marker that says that key and certificate are no pair is believed; none is needed. */
static enum err identity_check(struct program *p, struct errbuf *eb)
{
	enum se_identity state;
	struct se_locks locks;
	enum err e;

	if ((e = se_open(&p->se, p->hal)) != OK || (e = se_locks(&p->se, &locks)) != OK)
		return chip_failed(p, e, eb);
	if (!locks.config || !locks.data)
		return none(eb, "the chip is not locked");
	if ((e = se_identity(&p->se, &state)) != OK)
		return chip_failed(p, e, eb);
	if (state == SE_IDENTITY_KEY_ONLY || state == SE_IDENTITY_HALF)
		return none(eb, se_identity_text(state));
	return OK;
}

/* ERR_NOT_FOUND: the chip holds no complete identity. */
static enum err identity_read(struct program *p, struct errbuf *eb)
{
	uint8_t slot10[CCERT_SLOT10], slot11[CCERT_SLOT11], slot12[CCERT_SLOT12], q[64];
	struct der_w w = der_writer(p->certificate, sizeof(p->certificate));
	struct ccert fields;
	enum err e;

	if ((e = identity_check(p, eb)) != OK)
		return e;
	if ((e = se_public(&p->se, SE_SLOT_DEVICE_KEY, q)) != OK)
		return p->se.fault == SE_ECC ? none(eb, "slot 0 holds no key")
		                             : chip_failed(p, e, eb);
	if ((e = se_cert_read(&p->se, slot10, slot11, slot12)) != OK)
		return chip_failed(p, e, eb);
	if (ccert_unpack(slot10, slot11, slot12, &fields) != OK)
		return none(eb, "slots 10 to 12 hold no certificate");
	ccert_cert_put(&w, &fields, q);
	if (der_finish(&w, &p->certificate_der) != OK)
		return none(eb, "the certificate cannot be rebuilt");
	snprintf(p->id, sizeof(p->id), "%.*s", CCERT_DEVICE_ID, fields.device_id);
	snprintf(p->up, sizeof(p->up), "/a/d/%s/c/up", p->id);
	snprintf(p->down, sizeof(p->down), "/a/d/%s/c/dw", p->id);
	return OK;
}

/* The only use of the private key, and the only place where it could be used. */
static enum err sign(void *ctx, const uint8_t digest[32], uint8_t sig[64])
{
	struct program *p = ctx;
	enum err e = se_sign(&p->se, SE_SLOT_DEVICE_KEY, digest, sig);

	p->signing_failed = e != OK;
	return e;
}

/* --- the end of an attempt --- */

static void hang_up(struct program *p)
{
	tls_free(p->tls);
	p->tls = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	if (p->addresses != NULL)
		freeaddrinfo(p->addresses);
	p->addresses = p->address = NULL;
	p->online = false;
}

static void failed(struct program *p, uint64_t now, const char *why)
{
	bool was_online = p->online;
	uint64_t pause;

	hang_up(p);
	if (was_online)
		p->tries = 0;
	pause = (uint64_t)PAUSE_MS << (p->tries < DOUBLINGS ? p->tries : DOUBLINGS);
	p->tries++;
	p->at = PAUSE;
	p->until_ms = now + pause;
	snprintf(p->text, sizeof(p->text), "%.200s; again in %u s", why, (unsigned)(pause / 1000));
	tell(p, was_online ? PROGRAM_LOST : PROGRAM_REFUSED, p->text);
}

/* What the handshake died of, before what the network says. */
static void broken(struct program *p, uint64_t now, const char *network)
{
	char text[160];

	tls_error_text(tls_error(p->tls), text);
	if (p->signing_failed) {
		struct errbuf eb;

		(void)chip_failed(p, ERR_DEVICE, &eb);
		failed(p, now, eb.text);
	} else {
		failed(p, now, text[0] != '\0' ? text : network);
	}
}

/* --- TCP --- */

static void tcp_failed(struct program *p, uint64_t now, int error)
{
	char text[TLS_HOST_MAX + 80];

	snprintf(text, sizeof(text), "%s: %s", p->where, strerror(error));
	failed(p, now, text);
}

/* Begins to connect to the next address; one that fails at once is passed over. */
static void dial(struct program *p, uint64_t now, int error)
{
	while (p->address != NULL) {
		const struct addrinfo *a = p->address;

		p->address = a->ai_next;
		if (p->fd >= 0)
			close(p->fd);
		p->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (p->fd >= 0 &&
		    (connect(p->fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS))
			return;
		error = errno;
	}
	tcp_failed(p, now, error);
}

static void resolve(struct program *p, uint64_t now)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	int error = getaddrinfo(p->host, p->port, &hints, &p->addresses);
	char text[TLS_HOST_MAX + 80];

	if (error != 0) {
		snprintf(text, sizeof(text), "%s: %s", p->host, gai_strerror(error));
		failed(p, now, text);
		return;
	}
	p->at = TCP;
	p->until_ms = now + CONNECT_MS;
	p->address = p->addresses;
	dial(p, now, ECONNREFUSED);
}

/* Tests need boards that misbehave. */
static bool test_wants(const char *hook)
{
#ifdef IMPRINT_TEST_HOOKS
	return getenv(hook) != NULL;
#else
	(void)hook;
	return false;
#endif
}

/* Says that it is online, and is not: nobody may believe what a board tells about itself. */
static bool is_liar(void)
{
	return test_wants("IMPRINT_TEST_LIAR");
}

static void lie(struct program *p)
{
	p->at = PAUSE;
	p->until_ms = UINT64_MAX;
	p->online = true;
	tell(p, PROGRAM_ONLINE, p->id);
}

static void attempt(struct program *p, uint64_t now)
{
	struct errbuf eb;
	enum err e = identity_read(p, &eb);

	p->signing_failed = false;
	if (e == OK && is_liar()) {
		lie(p);
	} else if (e == OK) {
		tell(p, PROGRAM_CONNECTING, p->where);
		resolve(p, now);
	} else if (e == ERR_NOT_FOUND) {
		p->at = OFF;
		snprintf(p->text, sizeof(p->text), "%s", eb.text);
	} else {
		failed(p, now, eb.text);
	}
}

static void tcp_connected(struct program *p, uint64_t now)
{
	const struct tls_options o = { .host = p->host,
		.anchor = &p->anchor,
		.certificate = p->certificate_der,
		.sign = sign,
		.ctx = p,
		.now = utc_now(),
		.quick = p->quick };
	struct errbuf eb;
	int one = 1;

	(void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (tls_new(&o, &p->tls, &eb) != OK) {
		failed(p, now, eb.text);
		return;
	}
	p->at = TLS;
	p->counts.handshakes++;
}

static void tcp_look(struct program *p, uint64_t now)
{
	struct pollfd q = { .fd = p->fd, .events = POLLOUT };
	socklen_t n = sizeof(int);
	int error = 0;

	if (poll(&q, 1, 0) != 1)
		return;
	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
		error = errno;
	if (error == 0)
		tcp_connected(p, now);
	else
		dial(p, now, error);
}

/* --- TLS and MQTT --- */

static bool would_block(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/*
 * One way each; true when bytes have moved. A broker that refuses says why and closes at once, so our own
 * sending may fail while its reason waits to be read: reading goes on, and finds the end.
 */
static bool network_out(struct program *p)
{
	struct slice out = tls_output(p->tls);
	ssize_t n;

	if (out.n == 0)
		return false;
	n = send(p->fd, out.p, out.n, MSG_NOSIGNAL);
	if (n > 0)
		tls_sent(p->tls, (size_t)n);
	return n > 0;
}

static bool network_in(struct program *p, const char **gone)
{
	size_t room;
	uint8_t *in = tls_room(p->tls, &room);
	ssize_t n;

	if (room == 0)
		return false;
	n = recv(p->fd, in, room, 0);
	if (n > 0)
		tls_received(p->tls, (size_t)n);
	else if (!would_block(n))
		*gone = n == 0 ? "the broker has closed the connection" : strerror(errno);
	return n > 0;
}

/* --- the dialogue about its thing --- */

/* One that does not fit now, behind what a slow network holds, is lost; it is said again. */
static void dialogue_publish(void *ctx, enum thing_topic topic, struct slice payload)
{
	struct program *p = ctx;
	const char *name = topic == THING_OF_DEVICE ? p->up : p->thing_out;

	if (test_wants("IMPRINT_TEST_MUTE"))
		return; /* connected, and not a word */
	if (mqtt_publish(&p->mqtt, text_slice(name), payload) != OK)
		return;
	p->counts.said++;
	if (topic == THING_OF_DEVICE)
		p->silent_ms = 0;
}

static void dialogue_subscribe(void *ctx, const char *thing)
{
	struct program *p = ctx;
	char topic[MQTT_NAME_MAX + 1] = "";

	if (thing != NULL) {
		snprintf(topic, sizeof(topic), "/a/t/%s/e/i", thing);
		snprintf(p->thing_out, sizeof(p->thing_out), "/a/t/%s/e/o", thing);
	}
	if (mqtt_listen(&p->mqtt, text_slice(topic)) != OK)
		thing_board_subscribed(&p->dialogue, false);
}

static void dialogue_happened(void *ctx, enum thing_event event)
{
	struct program *p = ctx;
	char text[THING_ID + 40];

	switch (event) {
	case THING_ATTACHED:
		p->values = 0;
		tell(p, PROGRAM_ATTACHED, p->dialogue.id);
		break;
	case THING_SYNCHRONISED:
		snprintf(text, sizeof(text), "%s, values: %u", p->dialogue.id, p->values);
		p->value_ms = VALUE_MS; /* one at once */
		tell(p, PROGRAM_SYNCHRONISED, text);
		break;
	case THING_DETACHED:
		tell(p, PROGRAM_DETACHED, p->dialogue.id);
		break;
	default: /* the end of the dialogue is seen by who drives it */
		break;
	}
}

static void dialogue_value(void *ctx, const struct senml_record *record)
{
	struct program *p = ctx;

	(void)record;
	p->values++;
}

static void say_hello(struct program *p)
{
	uint8_t bytes[64];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct thing_message m = { .kind = DEVICE_BEGIN, .body = text_slice(p->version) };
	struct slice message;

	thing_message_put(&w, &m);
	if (cbor_finish(&w, &message) == OK)
		dialogue_publish(p, THING_OF_DEVICE, message);
}

/* In an array of no known length, as the library does it. */
static void say_value(struct program *p)
{
	uint8_t bytes[64];
	struct cbor_w w = cbor_writer(bytes, sizeof(bytes));
	struct senml_value uptime = senml_uint(p->online_ms / 1000);
	struct slice pack;

	senml_begin_indefinite(&w);
	senml_put(&w, VALUE_NAME, &uptime, NULL);
	senml_end(&w);
	if (cbor_finish(&w, &pack) == OK)
		dialogue_publish(p, THING_OF_THING, pack);
	p->value_ms = 0;
}

static void heard(struct program *p)
{
	struct thing_message m;
	size_t n;
	char text[32];

	p->counts.heard++;
	thing_board_take(
	    &p->dialogue, p->mqtt.other ? THING_OF_THING : THING_OF_DEVICE, p->mqtt.message);
	if (p->mqtt.other ? senml_check(p->mqtt.message, &n) == OK
	                  : thing_message_parse(p->mqtt.message, &m) == OK)
		return;
	snprintf(text, sizeof(text), "%zu bytes", p->mqtt.message.n);
	tell(p, PROGRAM_MESSAGE, text);
}

static void mqtt_happened(struct program *p, uint64_t now, enum mqtt_event event)
{
	switch (event) {
	case MQTT_ONLINE:
		p->online = true;
		p->online_ms = p->value_ms = 0;
		p->text[0] = '\0';
		se_close(&p->se);
		tell(p, PROGRAM_ONLINE, p->id);
		p->platform = (struct thing_platform){ p, dialogue_publish, dialogue_subscribe,
			dialogue_happened, dialogue_value };
		thing_board_start(&p->dialogue, &p->platform, p->version);
		break;
	case MQTT_MESSAGE:
		heard(p);
		break;
	case MQTT_LISTENS:
		thing_board_subscribed(&p->dialogue, p->mqtt.granted);
		break;
	case MQTT_FAILED:
		failed(p, now, mqtt_fault_text(&p->mqtt));
		break;
	default:
		break;
	}
}

static bool mqtt_out(struct program *p)
{
	size_t n = tls_write(p->tls, mqtt_output(&p->mqtt));

	mqtt_sent(&p->mqtt, n);
	return n > 0;
}

/* Ends the attempt when what came is no MQTT. */
static bool mqtt_in(struct program *p, uint64_t now)
{
	struct slice all = tls_read(p->tls), in = all;

	while (in.n > 0 && p->at == MQTT)
		mqtt_happened(p, now, mqtt_take(&p->mqtt, &in));
	if (p->at == MQTT && all.n > 0)
		tls_taken(p->tls, all.n);
	return all.n > 0;
}

static void mqtt_begin(struct program *p, uint64_t now)
{
	p->at = MQTT;
	p->silent_ms = 0;
	if (mqtt_start(&p->mqtt, text_slice(p->id), text_slice(p->down)) != OK)
		failed(p, now, "the device id is none");
}

/* As long as bytes move; but a broker that never pauses does not keep the board from its buttons. */
static void converse(struct program *p, uint64_t now)
{
	const char *gone = NULL;
	bool moved = true;

	for (unsigned i = 0; moved && i < ROUNDS && (p->at == TLS || p->at == MQTT); i++) {
		moved = network_out(p);
		moved = network_in(p, &gone) || moved;
		if (tls_state(p->tls) == TLS_OPEN && p->at == TLS)
			mqtt_begin(p, now);
		if (p->at == MQTT) {
			moved = mqtt_out(p) || moved;
			moved = mqtt_in(p, now) || moved;
		}
	}
	if (p->tls == NULL)
		return;
	if (tls_state(p->tls) == TLS_CLOSED || gone != NULL)
		broken(p, now, gone != NULL ? gone : "the broker has closed the connection");
}

/* --- running --- */

bool program_is_online(const struct program *p)
{
	return p != NULL && p->online;
}

bool program_runs(const struct program *p)
{
	return p != NULL && p->at != OFF;
}

struct program_counts program_counts(const struct program *p)
{
	static const struct program_counts none;

	return p == NULL ? none : p->counts;
}

const char *program_text(const struct program *p)
{
	return program_is_online(p) ? p->where : p == NULL ? "" : p->text;
}

bool program_start(struct program *p, uint64_t now)
{
	if (p == NULL)
		return false;
	program_stop(p);
	p->looked_ms = now;
	attempt(p, now);
	return program_runs(p);
}

void program_stop(struct program *p)
{
	if (p == NULL)
		return;
	hang_up(p);
	p->at = OFF;
	p->tries = 0;
	p->text[0] = '\0';
}

void program_free(struct program *p)
{
	program_stop(p);
	free(p);
}

struct pollfd program_poll(const struct program *p)
{
	struct pollfd q = { .fd = -1 };

	if (!program_runs(p) || p->at == PAUSE)
		return q;
	q.fd = p->fd;
	q.events = p->at == TCP || tls_output(p->tls).n > 0 ? POLLIN | POLLOUT : POLLIN;
	return q;
}

int program_patience(const struct program *p, uint64_t now)
{
	uint64_t left;

	if (!program_runs(p))
		return -1;
	if (p->at == MQTT)
		return program_is_online(p) ? LOOK_MS : LOOK_MS / 10;
	left = p->until_ms > now ? p->until_ms - now : 0;
	return left < LOOK_MS ? (int)left : LOOK_MS;
}

static void add_ms(uint32_t *counter, uint32_t ms)
{
	*counter = ms > UINT32_MAX - *counter ? UINT32_MAX : *counter + ms;
}

static void dialogue_elapsed(struct program *p, uint64_t now, uint32_t ms)
{
	int64_t utc = utc_now();

	add_ms(&p->online_ms, ms);
	add_ms(&p->value_ms, ms);
	thing_board_elapsed(&p->dialogue, ms,
	    utc < 0            ? 0
	    : utc > UINT32_MAX ? UINT32_MAX
	                       : (uint32_t)utc);
	if (p->dialogue.state == THING_OFF) {
		failed(p, now, "the cloud does not say which thing it is");
		return;
	}
	if (p->silent_ms >= HEARTBEAT_MS)
		say_hello(p);
	if (p->dialogue.state == THING_READY && p->value_ms >= VALUE_MS)
		say_value(p);
}

/* What came in the meantime has been read by now: it was not late. */
static void time_passed(struct program *p, uint64_t now, uint32_t ms)
{
	add_ms(&p->silent_ms, ms);
	if (p->online || !test_wants("IMPRINT_TEST_PATIENT")) /* for the broker's answers */
		mqtt_happened(p, now, mqtt_elapsed(&p->mqtt, ms));
	if (p->online)
		dialogue_elapsed(p, now, ms);
	converse(p, now);
}

void program_run(struct program *p, uint64_t now)
{
	uint64_t passed;
	bool conversed;

	if (!program_runs(p))
		return;
	passed = now - p->looked_ms;
	conversed = p->at == MQTT;
	p->looked_ms = now;
	if (p->at == PAUSE && now >= p->until_ms)
		attempt(p, now);
	if (p->at == TCP)
		tcp_look(p, now);
	converse(p, now);
	if (p->at == MQTT && conversed)
		time_passed(p, now, passed > UINT32_MAX ? UINT32_MAX : (uint32_t)passed);
	if ((p->at == TCP || p->at == TLS) && now >= p->until_ms)
		tcp_failed(p, now, ETIMEDOUT);
}
