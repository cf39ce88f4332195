/* Everything that a peer may do too much of or too slowly: refused with the right status, and in time. */
#include "rig.h"

#include <fcntl.h>

#define HEAD "GET / HTTP/1.1\r\nHost: h\r\n"

static struct peer p, q;
static char text[1 << 17];

/* The status for these bytes; the body of the refusal is its reason. */
static int status_of(struct rig *rig, const char *bytes)
{
	int status;

	peer_connect(&p, rig->port, NULL);
	peer_send(&p, bytes);
	status = peer_answer(&p, text, sizeof(text), false);
	peer_close(&p);
	return status;
}

static void test_sizes(void)
{
	struct http_limits limits = { .target_max = 64, .headers_max = 512, .body_max = 100 };
	struct rig rig;
	char many[8192], *at;

	rig_start(&rig, &limits, NULL);
	snprintf(many, sizeof(many), "GET /%063d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
	ok(status_of(&rig, many) == 200, "a target as long as may be");
	snprintf(many, sizeof(many), "GET /%064d HTTP/1.1\r\nHost: h\r\n\r\n", 0);
	ok(status_of(&rig, many) == 414, "one byte more");
	snprintf(many, sizeof(many), "GET /%04000d", 0);
	ok(status_of(&rig, many) == 414, "a target without end is refused before its end");
	snprintf(many, sizeof(many), HEAD "A: %0495d\r\n\r\n", 0);
	ok(status_of(&rig, many) == 200, "header lines as long as may be");
	snprintf(many, sizeof(many), HEAD "A: %0498d\r\n\r\n", 0);
	ok(status_of(&rig, many) == 431, "and longer");
	snprintf(many, sizeof(many), HEAD "A: %04000d", 0);
	ok(status_of(&rig, many) == 431, "a header line without end");
	snprintf(many, sizeof(many),
	    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n%0100d", 0);
	ok(status_of(&rig, many) == 200, "a body as long as may be");
	ok(status_of(&rig, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n") == 413,
	    "a longer one is refused before it comes");
	ok(status_of(&rig,
	       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n") == 413,
	    "a longer chunk too");
	rig_stop(&rig);

	rig_start(&rig, NULL, NULL);
	for (int lines = 99; lines <= 100; lines++) {
		at = many + sprintf(many, HEAD);
		for (int i = 0; i < lines; i++)
			at += sprintf(at, "A: b\r\n");
		strcpy(at, "\r\n");
		ok(status_of(&rig, many) == (lines == 99 ? 200 : 431), "%d header lines",
		    lines + 1);
	}
	rig_stop(&rig);
}

/* Who asked for what is known of a head that was refused, too: each API has its own form of errors. */
static void test_whose_refusal(void)
{
	static const struct {
		const char *name, *bytes;
		int status;
		bool iot;
	} cases[] = {
		{ "an unknown method", "BREW /iot/a HTTP/1.1\r\nHost: h\r\n\r\n", 501, true },
		{ "two lengths",
		    "POST /iot/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: "
		    "2\r\n\r\n",
		    400, true },
		{ "a blank before a colon", "GET /iot/a?b HTTP/1.1\r\nHost : h\r\n\r\n", 400,
		    true },
		{ "another version", "GET /iot/a HTTP/2.0\r\nHost: h\r\n\r\n", 505, true },
		{ "a fragment", "GET /iot/a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400, true },
		{ "a byte that has no place in a target", "GET /iot/\x01", 400, true },
		{ "a target that is too long",
		    "GET /iot/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 414,
		    true },
		{ "a path behind a query", "GET /?/iot/ HTTP/1.1\r\nHost : h\r\n\r\n", 400, false },
		{ "a method that is a path", "/iot/ / HTTP/1.1\r\n\r\n", 400, false },
		{ "no target", "GET  /iot/a HTTP/1.1\r\n\r\n", 400, false },
		{ "another path", "GET /iot HTTP/1.1\r\nHost : h\r\n\r\n", 400, false },
	};
	struct http_limits limits = { .target_max = 64, .headers_max = 512, .headers_ms = 300 };
	struct rig rig;

	rig_start(&rig, &limits, NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		int status = status_of(&rig, cases[i].bytes);

		ok(status == cases[i].status &&
		        (strstr(text, "Content-Type: text/iot\r\n") != NULL) == cases[i].iot,
		    "%s", cases[i].name);
	}
	ok(status_of(&rig, "GET /iot/a HTTP/1.1\r\nHo") == 408 &&
	        strstr(text, "Content-Type: text/iot\r\n"),
	    "a head that does not end");
	rig_stop(&rig);
}

static bool readable(int fd, int ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, ms) == 1;
}

/* Sends byte by byte, for ever, until the server has something to say. */
static int status_of_slow(struct rig *rig, const char *begin, char drip)
{
	int status = 0;

	peer_connect(&p, rig->port, NULL);
	peer_send(&p, begin);
	for (int i = 0; i < 3000 && !readable(p.fd, 20); i++)
		peer_send_bytes(&p, &drip, 1);
	if (readable(p.fd, 0))
		status = peer_answer(&p, text, sizeof(text), false);
	ok(strstr(text, "\r\nConnection: close\r\n") && peer_receive(&p) == 0, "and closed");
	peer_close(&p);
	return status;
}

static void test_slow_senders(void)
{
	struct http_limits limits = { .headers_ms = 300, .body_ms = 300 };
	struct rig rig;

	rig_start(&rig, &limits, NULL);
	ok(status_of_slow(&rig, "GET /", 'b') == 408, "a head byte by byte");
	ok(status_of_slow(&rig, HEAD "A: ", 'b') == 408, "a header line byte by byte");
	ok(status_of_slow(
	       &rig, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n", 'x') == 408,
	    "a body byte by byte");
	ok(status_of_slow(&rig,
	       "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;", 'x') == 408,
	    "a chunk extension byte by byte");
	RIG_UNTIL(rig_stats(&rig).refused == 4);
	ok(rig_stats(&rig).timed_out == 4 && rig_stats(&rig).refused == 4, "counted");

	/* Behind a request that is in work the refusal waits for its turn. */
	peer_connect(&p, rig.port, NULL);
	peer_send(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /slo");
	RIG_UNTIL(rig_stats(&rig).timed_out == 5 && rig_holds(&rig));
	ok(!readable(p.fd, 0) && rig_release(&rig), "nothing is said before the answer");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "/hold") &&
	        peer_answer(&p, text, sizeof(text), false) == 408,
	    "then the answer, then the refusal");
	peer_close(&p);
	rig_stop(&rig);
}

static void test_silence(struct http_tls *tls)
{
	struct http_limits limits = { .handshake_ms = 1000, .idle_ms = 1000 };
	struct rig plain, secure;
	uint8_t hello[] = { 0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc };

	rig_start(&plain, &limits, NULL);
	peer_connect(&p, plain.port, NULL);
	ok(peer_receive(&p) == 0 && p.n == 0, "who says nothing is shown out without a word");
	peer_close(&p);
	peer_connect(&p, plain.port, NULL);
	peer_send(&p, HEAD "\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && peer_receive(&p) == 0 && p.n == 0,
	    "and who says nothing more");
	peer_close(&p);
	rig_stop(&plain);

	rig_start(&secure, &limits, tls);
	peer_connect(&p, secure.port, NULL);
	ok(peer_receive(&p) == 0, "TLS: who says nothing");
	peer_close(&p);
	peer_connect(&p, secure.port, NULL);
	peer_send_bytes(&p, hello, sizeof(hello));
	ok(peer_receive(&p) == 0, "TLS: who begins a handshake and stops");
	peer_close(&p);
	ok(rig_stats(&secure).timed_out == 2, "counted");
	rig_stop(&secure);
}

static void test_slow_reader(void)
{
	struct http_limits limits = { .write_ms = 500 };
	unsigned whole = 0;
	struct rig rig;

	rig_start(&rig, &limits, NULL);
	peer_connect(&p, rig.port, NULL);
	peer_send(&p, "GET /much/30000000 HTTP/1.1\r\nHost: h\r\n\r\n");
	RIG_UNTIL(rig_stats(&rig).timed_out == 1 && rig_stats(&rig).open == 0);
	ok(rig_stats(&rig).open == 0, "who does not take an answer is dropped");
	peer_close(&p);

	/* Many answers that nobody takes do not pile up: the server stops reading. */
	peer_connect(&p, rig.port, NULL);
	fcntl(p.fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 2000; i++)
		peer_send(&p, "GET /much/100000 HTTP/1.1\r\nHost: h\r\n\r\n");
	RIG_UNTIL(rig_stats(&rig).open == 0);
	ok(rig_stats(&rig).requests < 1000, "requests are not read while answers are not");
	peer_close(&p);
	rig_stop(&rig);

	rig_start(&rig, NULL, NULL);
	peer_connect(&p, rig.port, NULL);
	for (int i = 0; i < 300; i++)
		peer_send(&p, "GET /much/100000 HTTP/1.1\r\nHost: h\r\n\r\n");
	for (int i = 0; i < 300; i++)
		whole += peer_answer(&p, text, sizeof(text), false) == 200;
	ok(whole == 300, "who does take them gets all: %u of 300", whole);
	peer_close(&p);
	rig_stop(&rig);
}

static void test_pipeline(void)
{
	struct http_limits limits = { .pipeline_max = 3 };
	struct rig rig;
	bool in_order = true;
	char want[32];

	rig_start(&rig, &limits, NULL);
	peer_connect(&p, rig.port, NULL);
	peer_send(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	sem_wait(&rig.handled);
	for (int i = 0; i < 500; i++) {
		char request[64];

		snprintf(request, sizeof(request), "GET /%d. HTTP/1.1\r\nHost: h\r\n\r\n", i);
		peer_send(&p, request);
	}
	sem_wait(&rig.handled);
	sem_wait(&rig.handled);
	ok(!readable(p.fd, 200) && rig_stats(&rig).requests == 3,
	    "as many requests as may be are in work, and no more");
	rig_release(&rig);
	ok(peer_answer(&p, text, sizeof(text), false) == 200, "the first");
	for (int i = 0; i < 500; i++) {
		snprintf(want, sizeof(want), "GET /%d. ", i);
		in_order &= peer_answer(&p, text, sizeof(text), false) == 200 &&
		            strncmp(peer_body(text), want, strlen(want)) == 0;
	}
	ok(in_order, "then all the others, in order");
	peer_close(&p);
	rig_stop(&rig);
}

static void test_connections(void)
{
	struct http_limits limits = { .connections = 2 };
	struct rig rig;
	struct peer *third = calloc(1, sizeof(*third));

	rig_start(&rig, &limits, NULL);
	peer_connect(&p, rig.port, NULL);
	peer_send(&p, HEAD "\r\n");
	peer_answer(&p, text, sizeof(text), false);
	peer_connect(&q, rig.port, NULL);
	peer_send(&q, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	sem_wait(&rig.handled);
	sem_wait(&rig.handled);
	peer_connect(third, rig.port, NULL);
	peer_send(third, HEAD "\r\n");
	ok(peer_answer(third, text, sizeof(text), false) == 200, "one too many is served");
	ok(peer_receive(&p) == 0, "because the one that idled for longest has made room");
	peer_close(&p);
	/* In one piece: when the first is answered, the beginning of the second has been read. */
	peer_send(third, HEAD "\r\nGET /a HTTP");
	peer_answer(third, text, sizeof(text), false);
	peer_connect(&p, rig.port, NULL);
	ok(peer_receive(&p) == 0, "where nobody idles there is no room");
	peer_close(&p);
	ok(rig_release(&rig) && peer_answer(&q, text, sizeof(text), false) == 200,
	    "whoever is in work stays");
	peer_close(&q);
	peer_close(third);
	free(third);
	rig_stop(&rig);
}

int main(void)
{
	struct peer_identity leaf;
	struct http_tls *tls = NULL;
	struct errbuf eb = { "" };

	peer_identity(&leaf, "server", NULL, false);
	ok(peer_tls(&leaf, NULL, NULL, &tls, &eb) == OK, "TLS %s", eb.text);
	test_sizes();
	test_whose_refusal();
	test_slow_senders();
	test_silence(tls);
	test_slow_reader();
	test_pipeline();
	test_connections();
	http_tls_free(tls);
	peer_identity_free(&leaf);
	return done_testing();
}
