/*
 * mqtt.h -- what a board needs of MQTT 3.1.1: one connection, its own topic to listen to and one more, QoS 0.
 *
 * A sans-I/O state machine: received bytes and passing milliseconds in; bytes to send and events out.
 * It behaves as ArduinoMqttClient under ArduinoIoTCloud does: clean session, no will, no user name,
 * keep-alive of 30 s, CONNACK and SUBACK within 1.5 s each, a ping after 30 s without traffic, the end
 * after 60 s of silence. A subscription that is refused (80) ends nothing. The other topic may be changed
 * while the connection lasts; it is left before the next is asked for. Messages on other topics,
 * and those that do not fit, are read past; everything else that MQTT does not allow here ends the
 * connection. Nothing allocates.
 *
 *	mqtt_start(&m, TEXT("0f2b8c1e-..."), TEXT("/a/d/0f2b8c1e-.../c/dw"));
 *	for (;;) {
 *		... send mqtt_output(&m), then mqtt_sent(&m, n);
 *		while (in.n > 0)
 *			if (mqtt_take(&m, &in) == MQTT_FAILED)
 *				return mqtt_fault_text(&m);
 *		mqtt_elapsed(&m, ms);                 // since the last call
 *	}
 */
#ifndef IMPRINT_MQTT_H
#define IMPRINT_MQTT_H

#include "base.h"

#define MQTT_KEEP_ALIVE_MS 30000
#define MQTT_ANSWER_MS 1500
#define MQTT_PACKET_MAX 2304 /* what is received, without its head */
#define MQTT_OUTPUT_MAX 512
#define MQTT_NAME_MAX 64 /* client id, topics */

enum mqtt_event {
	MQTT_NOTHING,
	MQTT_ONLINE, /* accepted, and the subscription is answered */
	MQTT_MESSAGE, /* m->message came on our topic, or on the other; borrowed until the next call */
	MQTT_LISTENS, /* the wish of mqtt_listen is answered: m->granted */
	MQTT_FAILED,  /* m->fault; the connection is of no more use */
};

enum mqtt_fault {
	MQTT_FINE,
	MQTT_REFUSED,   /* CONNACK with m->code */
	MQTT_NO_ANSWER, /* no CONNACK or SUBACK in time */
	MQTT_SILENT,    /* nothing for twice the keep-alive */
	MQTT_MALFORMED, /* something that MQTT does not allow here */
	MQTT_FAULTS
};

enum mqtt_state { MQTT_OFF, MQTT_CONNECTING, MQTT_SUBSCRIBING, MQTT_READY, MQTT_ENDED };

struct mqtt { /* to be read: state, fault, code, subscribed, message, other, granted */
	enum mqtt_state state;
	enum mqtt_fault fault;
	uint8_t code;
	bool subscribed; /* false while READY: the broker has refused the subscription */
	struct slice message;
	bool other;   /* it came on the other topic */
	bool granted; /* what was asked for last is listened to */
	/* Private. */
	struct slice topic;
	/* The other topics: listened to, asked for, wanted in the end; "": none. */
	char has[MQTT_NAME_MAX + 1], asks[MQTT_NAME_MAX + 1], wants[MQTT_NAME_MAX + 1];
	enum { MQTT_IDLE, MQTT_LEAVING, MQTT_ASKING } second;
	uint16_t packet_id; /* of the last question */
	uint32_t asked_ms;  /* since it was asked */
	bool pinged;        /* and not answered yet */
	uint32_t heard_ms, said_ms;
	uint8_t head; /* of the packet that comes; 0: none yet */
	bool in_body;
	unsigned length_bytes;
	uint32_t length, n;
	uint8_t packet[MQTT_PACKET_MAX];
	uint8_t out[MQTT_OUTPUT_MAX];
	size_t out_n;
};

/* CONNECT waits to be sent then. The topic is borrowed; both have 1..MQTT_NAME_MAX bytes. ERR_ARG. */
enum err mqtt_start(struct mqtt *m, struct slice client_id, struct slice topic) MUST_CHECK;
/* ERR_CONFLICT: not online. ERR_SPACE: too large, or too much waits to be sent. ERR_ARG: topic. */
enum err mqtt_publish(struct mqtt *m, struct slice topic, struct slice payload) MUST_CHECK;
/*
 * Listens to this topic besides, and to no other but the board's own; empty: to none. Copied. ERR_CONFLICT,
 * ERR_ARG, ERR_SPACE as mqtt_publish.
 */
enum err mqtt_listen(struct mqtt *m, struct slice topic) MUST_CHECK;
/* Advances `in` up to an event, or to its end. */
enum mqtt_event mqtt_take(struct mqtt *m, struct slice *in);
enum mqtt_event mqtt_elapsed(struct mqtt *m, uint32_t ms);
struct slice mqtt_output(const struct mqtt *m);
/* The first n bytes of it have left. */
void mqtt_sent(struct mqtt *m, size_t n);

/* "the broker refuses: not authorized (CONNACK 5)" */
const char *mqtt_fault_text(const struct mqtt *m);

#endif
