/* How connections begin and end: 100 Continue, peers that leave, Connection: close, draining. */
#include "rig.h"

static struct peer p, q;
static char text[1 << 17];

#define PUT "PUT /iot/a HTTP/1.1\r\nHost: h\r\n"

static void test_continue(struct rig *rig)
{
	peer_connect(&p, rig->port, NULL);
	peer_send(&p, PUT "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 100 &&
	        strcmp(text, "HTTP/1.1 100 Continue\r\n\r\n") == 0,
	    "100 Continue when it is asked for");
	peer_send(&p, "hello");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "body=hello"),
	    "then the body, then the answer");
	peer_send(&p, PUT "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
	ok(peer_answer(&p, text, sizeof(text), false) == 200, "not when the body comes at once");
	peer_send(&p, PUT "Content-Length: 5\r\n\r\n");
	usleep(50000);
	peer_send(&p, "hello");
	ok(peer_answer(&p, text, sizeof(text), false) == 200, "and not unasked");
	peer_send(&p, PUT "Expect: 100-continue\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200, "nor without a body");
	peer_send(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n" PUT
	              "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
	RIG_UNTIL(rig_release(rig));
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "/hold") &&
	        peer_answer(&p, text, sizeof(text), false) == 100,
	    "behind the answers to earlier requests");
	peer_send(&p, "5\r\nhello\r\n0\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "body=hello"),
	    "and the chunks follow");
	peer_send(&p, PUT "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 413, "what is too long is not asked for");
	peer_close(&p);
}

static void test_old_version(struct rig *rig)
{
	peer_connect(&p, rig->port, NULL);
	peer_send(&p, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 &&
	        strstr(text, "\r\nConnection: keep-alive\r\n"),
	    "HTTP/1.0 may ask for more");
	peer_send(&p, "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
	usleep(50000);
	peer_send(&p, "x");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 &&
	        strstr(text, "\r\nConnection: close\r\n") && peer_receive(&p) == 0,
	    "knows no 100 Continue, and ends else");
	peer_close(&p);
}

/* What a sketch sends: two bytes behind the body, and no patience. A reset would eat the answer. */
static void test_sketch(struct rig *rig)
{
	unsigned whole = 0;

	for (int i = 0; i < 200; i++) {
		peer_connect(&p, rig->port, NULL);
		peer_send(&p, PUT "Connection: close\r\nContent-Length: 2\r\n\r\n{}");
		peer_send(&p, "\r\n");
		errno = 0;
		whole += peer_answer(&p, text, sizeof(text), false) == 200 &&
		         peer_receive(&p) == 0 && errno != ECONNRESET;
		peer_close(&p);
	}
	ok(whole == 200, "200 answers arrive whole though two bytes were never read: %u", whole);

	/* A long body that is refused at once: its sender must be able to read why. */
	peer_connect(&p, rig->port, NULL);
	peer_send(&p, PUT "Content-Length: 2000000\r\n\r\n");
	memset(text, 'x', 65536);
	peer_send_bytes(&p, text, 65536);
	ok(peer_answer(&p, text, sizeof(text), false) == 413, "so does a refusal");
	peer_close(&p);
}

static void test_peers_that_leave(struct rig *rig)
{
	struct linger hard = { 1, 0 };
	unsigned before = rig->heard;

	peer_connect(&p, rig->port, NULL);
	peer_send(&p, "POST /left HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
	peer_close(&p);
	RIG_UNTIL(rig->heard == before + 1);
	ok(rig->heard == before + 1, "who leaves without reading has been heard");

	peer_connect(&p, rig->port, NULL);
	peer_send(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
	RIG_UNTIL(rig->heard == before + 3 && rig_holds(rig));
	setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	peer_close(&p);
	RIG_UNTIL(rig_stats(rig).open == 0);
	ok(rig_stats(rig).open == 0 && rig_release(rig),
	    "an answer may come after its peer has gone");

	peer_connect(&p, rig->port, NULL);
	peer_send(&p, "GET /half HTTP/1.1\r\nHost: h\r\n\r\n");
	shutdown(p.fd, SHUT_WR);
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && peer_receive(&p) == 0,
	    "who only stops talking is answered");
	peer_close(&p);
	peer_connect(&p, rig->port, NULL);
	peer_send(&p, "POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
	shutdown(p.fd, SHUT_WR);
	ok(peer_receive(&p) == 0, "but half a request is none");
	peer_close(&p);
}

static void test_answers(struct rig *rig)
{
	unsigned before = rig->logged;

	peer_connect(&p, rig->port, NULL);
	peer_send(&p, "GET /header HTTP/1.1\r\nHost: h\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 &&
	        strstr(text, "\r\nX-Good: a b\r\n") && !strstr(text, "X-Bad") &&
	        !strstr(text, "X Bad"),
	    "header lines of the handler; none that would make two");
	peer_send(&p, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 500, "an answer without a status is 500");
	peer_send(&p, "GET /much/0 HTTP/1.1\r\nHost: h\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 &&
	        strstr(text, "\r\nContent-Length: 0\r\n"),
	    "no body has a length too");
	peer_send(&p, "GET /refused HTTP/1.1\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 400, "and one that no handler gave");
	peer_close(&p);
	ok(rig->logged == before + 4, "each answer is logged once, with its peer");
	RIG_UNTIL(rig->rested == before + 4);
	ok(rig->rested == before + 4, "and what was logged may go out then");
}

static void test_listening(struct rig *rig)
{
	struct errbuf eb = { "" };
	uint16_t port = 0;
	enum err e;

	ok(http_listen(rig->server, "127.0.0.1", rig->port, NULL, &port, &eb) == ERR_CONFLICT,
	    "a port that is taken: %s", eb.text);
	ok(http_listen(rig->server, "localhost", 0, NULL, &port, &eb) == ERR_ARG,
	    "a name is no address: %s", eb.text);
	ok(http_listen(rig->server, "192.0.2.1", 0, NULL, &port, &eb) == ERR_ARG,
	    "an address of somebody else: %s", eb.text);
	e = http_listen(rig->server, "::1", 0, NULL, &port, &eb);
	ok(e == OK || e == ERR_ARG || e == ERR_IO, "IPv6, where there is any");
	ok(http_listen(rig->server, "127.0.0.1", 0, NULL, &port, &eb) == OK, "a second port");
	peer_connect(&p, port, NULL);
	peer_send(&p, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200, "serves as well");
	peer_close(&p);
}

static void *drain(void *arg)
{
	struct rig *rig = arg;

	http_server_drain(rig->server, 60000);
	return NULL;
}

static void test_drain(void)
{
	struct rig rig;
	pthread_t drainer;
	int fd = 0;

	rig_start(&rig, NULL, NULL);
	peer_connect(&q, rig.port, NULL); /* idle */
	peer_send(&q, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_answer(&q, text, sizeof(text), false);
	peer_connect(&p, rig.port, NULL); /* in work, and half way into the next */
	peer_send(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /las");
	RIG_UNTIL(rig_holds(&rig));
	pthread_create(&drainer, NULL, drain, &rig);
	ok(peer_receive(&q) == 0, "draining closes what idles");
	peer_close(&q);
	RIG_UNTIL((fd = peer_socket(rig.port)) < 0 || close(fd) != 0);
	ok(fd < 0, "takes no new connections");
	peer_send(&p, "t HTTP/1.1\r\nHost: h\r\n\r\nGET /never HTTP/1.1\r\nHost: h\r\n\r\n");
	rig_release(&rig);
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "/hold") &&
	        peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "GET /last") &&
	        strstr(text, "\r\nConnection: close\r\n") && peer_receive(&p) == 0,
	    "finishes what has begun and says that it is the last");
	peer_close(&p);
	pthread_join(drainer, NULL);
	ok(rig_stats(&rig).open == 0, "and returns when all is done");
	rig_stop(&rig);

	rig_start(&rig, NULL, NULL);
	peer_connect(&p, rig.port, NULL);
	peer_send(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	RIG_UNTIL(rig_holds(&rig));
	http_server_drain(rig.server, 100);
	ok(peer_receive(&p) == 0, "what takes too long is cut off");
	peer_close(&p);
	ok(rig_release(&rig), "and answered to nobody");
	rig_stop(&rig);
}

int main(void)
{
	struct rig rig;

	rig_start(&rig, NULL, NULL);
	test_continue(&rig);
	test_old_version(&rig);
	test_sketch(&rig);
	test_peers_that_leave(&rig);
	test_answers(&rig);
	test_listening(&rig);
	rig_stop(&rig);
	test_drain();
	return done_testing();
}
