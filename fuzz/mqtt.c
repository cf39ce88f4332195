/*
 * MQTT from the board's side: whatever a broker says, however it is cut, the same events come of it, and
 * what the board says is whole packets in the order that MQTT wants.
 *
 * Input: operations. 0 n bytes: received; 1 t: t/4 seconds pass; 2 n bytes: published; 3 n: n bytes leave;
 * 4 n: listens to one of two more topics, or to neither.
 * A second machine gets the same, byte by byte.
 */
#include "fuzz.h"
#include "script.h"
#include "mqtt.h"

#include <string.h>

#define ID TEXT("0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40")
#define DOWN TEXT("/a/d/0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40/c/dw")
#define UP TEXT("/a/d/0f2b8c1e-7a44-4f0e-9d3b-5c6a1e2d3f40/c/up")

static void check(const struct mqtt *m, enum mqtt_event event)
{
	CHECK(mqtt_output(m).n <= MQTT_OUTPUT_MAX && mqtt_fault_text(m) != NULL);
	CHECK((event == MQTT_FAILED) <= (m->state == MQTT_ENDED && m->fault != MQTT_FINE));
	CHECK(event != MQTT_ONLINE || m->state == MQTT_READY);
	CHECK(event != MQTT_MESSAGE ||
	      m->message.n <= MQTT_PACKET_MAX - 2 - (m->other ? 10 : DOWN.n));
	CHECK(m->state != MQTT_ENDED || mqtt_output(m).n == 0);
}

/* A sum over events and messages. */
static void note(uint32_t *sum, const struct mqtt *m, enum mqtt_event event)
{
	check(m, event);
	if (event == MQTT_NOTHING)
		return;
	*sum = *sum * 31 + (uint32_t)event;
	for (size_t i = 0; event == MQTT_MESSAGE && i < m->message.n; i++)
		*sum = *sum * 31 + m->message.p[i];
}

static void whole(struct mqtt *m, struct slice in, uint32_t *sum)
{
	while (in.n > 0)
		note(sum, m, mqtt_take(m, &in));
}

static void bytewise(struct mqtt *m, struct slice in, uint32_t *sum)
{
	for (size_t i = 0; i < in.n; i++)
		whole(m, (struct slice){ in.p + i, 1 }, sum);
}

static void same(const struct mqtt *a, const struct mqtt *b)
{
	CHECK(a->state == b->state && a->fault == b->fault && a->subscribed == b->subscribed);
	CHECK(slice_equal(mqtt_output(a), mqtt_output(b)));
}

/* What has left so far, read as a broker reads it. */
struct reader {
	uint8_t bytes[2 * MQTT_OUTPUT_MAX];
	size_t n;
	unsigned packets;
};

static void sent(struct reader *r, struct slice out)
{
	memcpy(r->bytes + r->n, out.p, out.n);
	r->n += out.n;
	while (r->n >= 2) {
		size_t head = r->bytes[1] & 0x80 ? 3 : 2, n = r->bytes[1] & 0x7F;

		if (r->n < head)
			break;
		if (head == 3)
			n |= (size_t)r->bytes[2] << 7;
		if (r->n < head + n)
			break;
		switch (r->bytes[0]) {
		case 0x10:
			CHECK(r->packets == 0);
			break;
		case 0x82:
			CHECK(r->packets >= 1);
			break;
		case 0xA2:
			CHECK(r->packets >= 3);
			break;
		case 0x30:
			CHECK(r->packets >= 2 && load_be16(r->bytes + head) == UP.n &&
			      memcmp(r->bytes + head + 2, UP.p, UP.n) == 0);
			break;
		default:
			CHECK(r->packets >= 2 && r->bytes[0] == 0xC0 && n == 0);
			break;
		}
		r->packets++;
		r->n -= head + n;
		memmove(r->bytes, r->bytes + head + n, r->n);
	}
	CHECK(r->n < MQTT_OUTPUT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script in = { data, size };
	struct reader reader = { .n = 0 };
	uint32_t one_sum = 0, other_sum = 0;
	struct slice topics[] = { TEXT(""), TEXT("/a/t/1/e/i"), TEXT("/a/t/2/e/i") };
	struct mqtt one, other;

	CHECK(mqtt_start(&one, ID, DOWN) == OK && mqtt_start(&other, ID, DOWN) == OK);
	while (in.n > 0) {
		struct slice bytes;
		uint32_t ms;
		size_t n;

		switch (script_byte(&in) % 5) {
		case 0:
			bytes = script_bytes(&in);
			whole(&one, bytes, &one_sum);
			bytewise(&other, bytes, &other_sum);
			break;
		case 1:
			ms = script_byte(&in) * 250u;
			note(&one_sum, &one, mqtt_elapsed(&one, ms));
			note(&other_sum, &other, mqtt_elapsed(&other, ms));
			break;
		case 2:
			bytes = script_bytes(&in);
			CHECK(mqtt_publish(&one, UP, bytes) == mqtt_publish(&other, UP, bytes));
			break;
		case 4:
			bytes = topics[script_byte(&in) % 3];
			CHECK(mqtt_listen(&one, bytes) == mqtt_listen(&other, bytes));
			break;
		default:
			n = script_byte(&in);
			bytes = mqtt_output(&one);
			bytes.n = bytes.n < n ? bytes.n : n;
			sent(&reader, bytes);
			mqtt_sent(&one, n);
			mqtt_sent(&other, n);
			break;
		}
		same(&one, &other);
		CHECK(one_sum == other_sum);
	}
	return 0;
}
