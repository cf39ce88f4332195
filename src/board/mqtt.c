#include "mqtt.h"

#include <string.h>

/* First bytes of packets: type and flags (MQTT 3.1.1, table 2.1 and 2.2). */
enum {
	CONNECT = 0x10,
	CONNACK = 0x20,
	PUBLISH = 0x30,
	SUBSCRIBE = 0x82,
	SUBACK = 0x90,
	UNSUBSCRIBE = 0xA2,
	UNSUBACK = 0xB0,
	PINGREQ = 0xC0,
	PINGRESP = 0xD0
};
#define RETAIN 0x01
#define PACKET_ID 1 /* of the first SUBSCRIBE */
#define LENGTH_BYTES_MAX 4
#define HEAD_MAX (1 + LENGTH_BYTES_MAX)

static enum mqtt_event fail(struct mqtt *m, enum mqtt_fault fault)
{
	m->state = MQTT_ENDED;
	m->fault = fault;
	m->out_n = 0;
	return MQTT_FAILED;
}

/* --- sending --- */

/* Room for a packet whose body has n bytes: writes its head, returns where the body goes; or NULL. */
static uint8_t *packet(struct mqtt *m, uint8_t head, size_t n)
{
	uint8_t *p = m->out + m->out_n;

	if (n + HEAD_MAX > MQTT_OUTPUT_MAX - m->out_n)
		return NULL;
	*p++ = head;
	/* Remaining length: 7 bits a byte; MQTT_OUTPUT_MAX needs two of them at most. */
	if (n >= 0x80)
		*p++ = (uint8_t)(n | 0x80);
	*p++ = (uint8_t)(n >= 0x80 ? n >> 7 : n);
	m->out_n = (size_t)(p - m->out) + n;
	m->said_ms = 0;
	return p;
}

static uint8_t *put(uint8_t *p, struct slice in)
{
	if (in.n > 0)
		memcpy(p, in.p, in.n);
	return p + in.n;
}

static uint8_t *put_text(uint8_t *p, struct slice text)
{
	store_be16(p, (uint16_t)text.n);
	return put(p + 2, text);
}

static bool is_name(struct slice s)
{
	return s.n >= 1 && s.n <= MQTT_NAME_MAX;
}

enum err mqtt_start(struct mqtt *m, struct slice client_id, struct slice topic)
{
	static const uint8_t head[] = { 0, 4, 'M', 'Q', 'T', 'T', 4, 0x02 /* clean session */, 0,
		MQTT_KEEP_ALIVE_MS / 1000 };
	uint8_t *p;

	if (!is_name(client_id) || !is_name(topic))
		return ERR_ARG;
	memset(m, 0, sizeof(*m));
	m->topic = topic;
	if ((p = packet(m, CONNECT, sizeof(head) + 2 + client_id.n)) == NULL)
		return ERR_SPACE;
	put_text(put(p, SLICE(head)), client_id);
	m->state = MQTT_CONNECTING;
	return OK;
}

/* False: no room now. */
static bool ask(struct mqtt *m, uint8_t head, struct slice topic)
{
	bool subscribes = head == SUBSCRIBE;
	uint8_t *p = packet(m, head, 2 + 2 + topic.n + subscribes);

	if (p == NULL)
		return false;
	m->packet_id = m->packet_id == UINT16_MAX ? PACKET_ID : (uint16_t)(m->packet_id + 1);
	store_be16(p, m->packet_id);
	p = put_text(p + 2, topic);
	if (subscribes)
		*p = 0; /* QoS */
	return true;
}

static struct slice name_of(const char *text)
{
	return (struct slice){ (const uint8_t *)text, strlen(text) };
}

/* The next question on the way to what is wanted; none while one is open. False: no room for it. */
static bool step(struct mqtt *m)
{
	if (m->second != MQTT_IDLE || strcmp(m->has, m->wants) == 0)
		return true;
	m->asked_ms = 0;
	if (m->has[0] != '\0') {
		if (!ask(m, UNSUBSCRIBE, name_of(m->has)))
			return false;
		m->second = MQTT_LEAVING;
		return true;
	}
	if (!ask(m, SUBSCRIBE, name_of(m->wants)))
		return false;
	memcpy(m->asks, m->wants, sizeof(m->asks));
	m->second = MQTT_ASKING;
	return true;
}

enum err mqtt_listen(struct mqtt *m, struct slice topic)
{
	char before[MQTT_NAME_MAX + 1];

	if (topic.n > MQTT_NAME_MAX)
		return ERR_ARG;
	if (m->state != MQTT_READY)
		return ERR_CONFLICT;
	memcpy(before, m->wants, sizeof(before));
	memset(m->wants, 0, sizeof(m->wants));
	if (topic.n > 0)
		memcpy(m->wants, topic.p, topic.n);
	if (step(m))
		return OK;
	memcpy(m->wants, before, sizeof(before));
	return ERR_SPACE;
}

enum err mqtt_publish(struct mqtt *m, struct slice topic, struct slice payload)
{
	uint8_t *p;

	if (!is_name(topic))
		return ERR_ARG;
	if (m->state != MQTT_READY)
		return ERR_CONFLICT;
	if (payload.n > MQTT_OUTPUT_MAX ||
	    (p = packet(m, PUBLISH, 2 + topic.n + payload.n)) == NULL)
		return ERR_SPACE;
	put(put_text(p, topic), payload);
	return OK;
}

struct slice mqtt_output(const struct mqtt *m)
{
	return (struct slice){ m->out, m->out_n };
}

void mqtt_sent(struct mqtt *m, size_t n)
{
	if (n > m->out_n)
		n = m->out_n;
	m->out_n -= n;
	memmove(m->out, m->out + n, m->out_n);
}

/* --- receiving --- */

/* What may come now, judged by the first byte and the length: a lie costs no more reading. */
static bool expected(const struct mqtt *m)
{
	switch (m->head) {
	case CONNACK:
		return m->state == MQTT_CONNECTING && m->length == 2;
	case SUBACK:
		return (m->state == MQTT_SUBSCRIBING || m->second == MQTT_ASKING) && m->length == 3;
	case UNSUBACK:
		return m->second == MQTT_LEAVING && m->length == 2;
	case PINGRESP:
		return m->pinged && m->length == 0;
	case PUBLISH:
	case PUBLISH | RETAIN: /* may overtake SUBACK (3.8.4) */
		return m->state >= MQTT_SUBSCRIBING && m->length >= 3;
	default:
		return false;
	}
}

static enum mqtt_event connack(struct mqtt *m)
{
	const uint8_t *p = m->packet;

	/* A clean session is never present, and there are five reasons. */
	if (p[0] != 0 || p[1] > 5)
		return fail(m, MQTT_MALFORMED);
	m->code = p[1];
	if (m->code != 0)
		return fail(m, MQTT_REFUSED);
	m->state = MQTT_SUBSCRIBING;
	(void)ask(m, SUBSCRIBE,
	    m->topic); /* there is room: CONNECT has left, or CONNACK would not have come */
	return MQTT_NOTHING;
}

/* What is wanted by now may be another: then the answer is no news. */
static enum mqtt_event second_suback(struct mqtt *m, bool granted)
{
	bool wanted = strcmp(m->asks, m->wants) == 0;

	m->second = MQTT_IDLE;
	if (granted)
		memcpy(m->has, m->asks, sizeof(m->has));
	if (wanted) {
		m->granted = granted;
		if (!granted)
			m->wants[0] = '\0';
		return MQTT_LISTENS;
	}
	return step(m) ? MQTT_NOTHING : fail(m, MQTT_NO_ANSWER);
}

static enum mqtt_event suback(struct mqtt *m)
{
	const uint8_t *p = m->packet;

	if (load_be16(p) != m->packet_id || (p[2] != 0 && p[2] != 0x80))
		return fail(m, MQTT_MALFORMED);
	if (m->state == MQTT_READY)
		return second_suback(m, p[2] == 0);
	m->subscribed = p[2] == 0;
	m->state = MQTT_READY;
	return MQTT_ONLINE;
}

static enum mqtt_event unsuback(struct mqtt *m)
{
	if (load_be16(m->packet) != m->packet_id)
		return fail(m, MQTT_MALFORMED);
	m->second = MQTT_IDLE;
	m->has[0] = '\0';
	return step(m) ? MQTT_NOTHING : fail(m, MQTT_NO_ANSWER);
}

static enum mqtt_event publish(struct mqtt *m)
{
	size_t topic = load_be16(m->packet);
	struct slice name;

	if (topic == 0 || topic > m->length - 2)
		return fail(m, MQTT_MALFORMED);
	if (m->length > MQTT_PACKET_MAX)
		return MQTT_NOTHING;
	name = (struct slice){ m->packet + 2, topic };
	m->other = m->has[0] != '\0' && slice_equal(name, name_of(m->has));
	if (!m->other && !slice_equal(name, m->topic))
		return MQTT_NOTHING;
	m->message = (struct slice){ m->packet + 2 + topic, m->length - 2 - topic };
	return MQTT_MESSAGE;
}

static enum mqtt_event received(struct mqtt *m)
{
	uint8_t head = m->head;

	m->head = 0;
	m->in_body = false;
	m->heard_ms = 0;
	switch (head) {
	case CONNACK:
		return connack(m);
	case SUBACK:
		return suback(m);
	case UNSUBACK:
		return unsuback(m);
	case PINGRESP:
		m->pinged = false;
		return MQTT_NOTHING;
	default:
		return publish(m);
	}
}

/* Type and flags, then 1 to 4 bytes of length, 7 bits each. */
static enum mqtt_event take_head(struct mqtt *m, uint8_t byte)
{
	if (m->head == 0 && byte != 0) {
		m->head = byte;
		m->length = m->n = 0;
		m->length_bytes = 0;
		return MQTT_NOTHING;
	}
	m->length |= (byte & 0x7Fu) << 7 * m->length_bytes++;
	if ((byte & 0x80) != 0 && m->length_bytes < LENGTH_BYTES_MAX)
		return MQTT_NOTHING;
	if ((byte & 0x80) != 0 || !expected(m))
		return fail(m, MQTT_MALFORMED);
	m->in_body = true;
	return MQTT_NOTHING;
}

/* What does not fit is read past. */
static void take_body(struct mqtt *m, struct slice *in)
{
	size_t part = m->length - m->n, room = m->n < MQTT_PACKET_MAX ? MQTT_PACKET_MAX - m->n : 0;

	if (part > in->n)
		part = in->n;
	if (part > 0)
		memcpy(m->packet + (MQTT_PACKET_MAX - room), in->p, part < room ? part : room);
	m->n += (uint32_t)part;
	in->p += part;
	in->n -= part;
}

enum mqtt_event mqtt_take(struct mqtt *m, struct slice *in)
{
	enum mqtt_event event = MQTT_NOTHING;

	while (
	    in->n > 0 && event == MQTT_NOTHING && m->state != MQTT_OFF && m->state != MQTT_ENDED) {
		if (m->in_body) {
			take_body(m, in);
		} else {
			event = take_head(m, *in->p++);
			in->n--;
		}
		if (m->in_body && m->n == m->length)
			event = received(m);
	}
	if (m->state == MQTT_OFF || m->state == MQTT_ENDED)
		in->n = 0;
	return event;
}

/* --- time --- */

static void add(uint32_t *counter, uint32_t ms)
{
	*counter = ms > UINT32_MAX - *counter ? UINT32_MAX : *counter + ms;
}

enum mqtt_event mqtt_elapsed(struct mqtt *m, uint32_t ms)
{
	if (m->state == MQTT_OFF || m->state == MQTT_ENDED)
		return MQTT_NOTHING;
	add(&m->heard_ms, ms);
	add(&m->said_ms, ms);
	if (m->state != MQTT_READY)
		return m->said_ms >= MQTT_ANSWER_MS ? fail(m, MQTT_NO_ANSWER) : MQTT_NOTHING;
	if (m->heard_ms >= 2 * MQTT_KEEP_ALIVE_MS)
		return fail(m, MQTT_SILENT);
	if (m->second != MQTT_IDLE) {
		add(&m->asked_ms, ms);
		if (m->asked_ms >= MQTT_ANSWER_MS)
			return fail(m, MQTT_NO_ANSWER);
	}
	if ((m->heard_ms >= MQTT_KEEP_ALIVE_MS || m->said_ms >= MQTT_KEEP_ALIVE_MS) && !m->pinged)
		m->pinged = packet(m, PINGREQ, 0) != NULL;
	return MQTT_NOTHING;
}

const char *mqtt_fault_text(const struct mqtt *m)
{
	static const char *const refused[] = {
		"the broker refuses",
		"the broker refuses: unacceptable protocol version (CONNACK 1)",
		"the broker refuses: client id rejected (CONNACK 2)",
		"the broker refuses: server unavailable (CONNACK 3)",
		"the broker refuses: bad user name or password (CONNACK 4)",
		"the broker refuses: not authorized (CONNACK 5)",
	};
	static const char *const texts[MQTT_FAULTS] = {
		[MQTT_FINE] = "no fault",
		[MQTT_NO_ANSWER] = "the broker does not answer within 1.5 s",
		[MQTT_SILENT] = "the broker has been silent for 60 s",
		[MQTT_MALFORMED] = "the broker says what MQTT does not allow",
	};

	return m->fault == MQTT_REFUSED ? refused[m->code % COUNT(refused)] : texts[m->fault];
}
