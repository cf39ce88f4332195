/* Answers that go on: pieces as they are sent, peers that leave or do not read, draining, threads. */
#include "rig.h"

#define STREAM "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n"
#define THREADS 4
#define PIECES 2000

static struct peer p, q;
static char text[1 << 17];

/* Asks for a stream and waits until its handler has made it. */
static struct http_stream *begin(struct rig *rig, struct peer *peer, const char *request)
{
	struct http_stream *s = NULL;

	peer_send(peer, request);
	RIG_UNTIL((s = rig_stream(rig)) != NULL);
	return s;
}

static enum err say(struct http_stream *s, const char *words)
{
	return http_stream_send(s, (struct slice){ (const uint8_t *)words, strlen(words) });
}

/* Whether these are the next bytes, and no others have come. */
static bool hears(struct peer *peer, const char *words)
{
	size_t n = strlen(words);

	while (peer->n < n && peer_receive(peer) > 0)
		;
	if (peer->n != n || memcmp(peer->text, words, n) != 0)
		return false;
	peer->n = 0;
	peer->text[0] = '\0';
	return true;
}

static bool ends(struct peer *peer)
{
	return peer->n == 0 && peer_receive(peer) == 0;
}

static void test_pieces(struct rig *rig, const char *where, SSL_CTX *ctx)
{
	struct http_stream *s;
	size_t records;

	peer_connect(&p, rig->port, ctx);
	s = begin(rig, &p, STREAM);
	ok(peer_answer(&p, text, sizeof(text), false) == 200 &&
	        strstr(text, "\r\nContent-Type: text/event-stream\r\n") &&
	        strstr(text, "\r\nConnection: close\r\n") && !strstr(text, "Content-Length"),
	    "%s: the head leaves before there is a body, and promises no length", where);
	records = p.records;
	ok(http_stream_room(s) == HTTP_STREAM_MAX, "%s: there is room for what follows", where);
	ok(say(s, "one") == OK && hears(&p, "one") && say(s, "two") == OK && hears(&p, "two"),
	    "%s: each piece arrives by itself", where);
	ok(!ctx || p.records == records + 2, "%s: and in one record", where);
	ok(rig_stats(rig).streaming == 1, "%s: it is counted while it is open", where);
	ok(say(s, "last words") == OK, "%s: what was said before the end", where);
	http_stream_end(s);
	ok(hears(&p, "last words") && ends(&p), "%s: still arrives", where);
	peer_close(&p);
	RIG_UNTIL(rig_stats(rig).open == 0);
	ok(rig_stats(rig).streaming == 0 && rig_stats(rig).streams == 1, "%s: then it is not",
	    where);
}

static void test_order(struct rig *rig)
{
	struct http_stream *s;
	unsigned before = rig->logged, heard = rig->heard;

	peer_connect(&p, rig->port, NULL);
	peer_send(&p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
	RIG_UNTIL(rig_holds(rig));
	s = begin(rig, &p, STREAM "GET /behind HTTP/1.1\r\nHost: h\r\n\r\n");
	RIG_UNTIL(rig->heard == heard + 3);
	ok(say(s, "one") == OK, "a stream may begin while an earlier request is in work");
	rig_release(rig);
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "/hold") &&
	        !strstr(text, "Connection: close"),
	    "whose answer goes first");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && hears(&p, "one"),
	    "then the stream, with what it has to say");
	peer_send(&p, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
	ok(say(s, "two") == OK && hears(&p, "two"), "requests behind it");
	http_stream_end(s);
	ok(ends(&p), "are not answered");
	peer_close(&p);
	ok(rig->heard == heard + 3 && rig->logged == before + 2, "nor heard, nor logged");

	peer_connect(&p, rig->port, NULL);
	s = begin(rig, &p, "HEAD /stream HTTP/1.0\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), true) == 200 && ends(&p),
	    "HEAD of a stream has an end");
	RIG_UNTIL(say(s, "x") != OK);
	ok(say(s, "x") == ERR_IO, "of which the stream is told");
	http_stream_end(s);
	peer_close(&p);
	http_stream_end(NULL);
}

static void test_peers_that_leave(struct rig *rig)
{
	struct linger hard = { 1, 0 };
	struct http_stream *s;

	for (int how = 0; how < 3; how++) {
		static const char *const words[] = { "closes", "resets", "says that it is done" };

		peer_connect(&p, rig->port, NULL);
		s = begin(rig, &p, STREAM);
		peer_answer(&p, text, sizeof(text), false);
		if (how == 1)
			setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		if (how == 2)
			shutdown(p.fd, SHUT_WR);
		else
			peer_close(&p);
		RIG_UNTIL(rig_stats(rig).open == 0);
		ok(rig_stats(rig).open == 0 && say(s, "x") == ERR_IO,
		    "a peer that %s ends its stream, whose owner hears of it", words[how]);
		http_stream_end(s);
		if (how == 2)
			peer_close(&p);
	}
	peer_connect(&p, rig->port, NULL);
	peer_send(&p, STREAM);
	shutdown(p.fd, SHUT_WR);
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && ends(&p),
	    "one that was done before gets a head and an end");
	RIG_UNTIL((s = rig_stream(rig)) != NULL);
	http_stream_end(s);
	peer_close(&p);
}

/* Sends until it is told that there is no room; how much there was. */
static size_t fill(struct http_stream *s, enum err *e)
{
	static char piece[4096];
	size_t n = 0;

	memset(piece, 'x', sizeof(piece));
	while ((*e = http_stream_send(
	            s, (struct slice){ (const uint8_t *)piece, sizeof(piece) })) == OK)
		n += sizeof(piece);
	return n;
}

static void test_slow_readers(struct rig *rig)
{
	int small = 4096;
	struct http_stream *s;
	size_t sent, got = 0, n;
	enum err e;

	peer_connect(&p, rig->port, NULL);
	setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	s = begin(rig, &p, STREAM);
	peer_answer(&p, text, sizeof(text), false);
	sent = fill(s, &e);
	ok(http_stream_room(s) == 0 && e == ERR_SPACE && sent >= 256 * 1024 &&
	        sent < 16 * 1024 * 1024,
	    "who does not read is dropped after %zu bytes", sent);
	ok(say(s, "x") == ERR_IO, "and hears no more");
	http_stream_end(s);
	peer_connect(&q, rig->port, NULL);
	peer_send(&q, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
	ok(peer_answer(&q, text, sizeof(text), false) == 200, "others are served meanwhile");
	peer_close(&q);
	do {
		p.n = 0;
		n = peer_receive(&p);
		got += n;
	} while (n > 0);
	ok(got <= sent && got % 4096 == 0, "the dropped one has read whole pieces: %zu bytes", got);
	peer_close(&p);
}

static void test_time_outs(void)
{
	struct http_limits limits = { .idle_ms = 1000, .headers_ms = 1000, .write_ms = 200 };
	int small = 4096;
	struct http_stream *s;
	struct rig rig;
	enum err e = OK;

	rig_start(&rig, &limits, NULL);
	peer_connect(&p, rig.port, NULL);
	s = begin(&rig, &p, STREAM);
	peer_answer(&p, text, sizeof(text), false);
	usleep(1500000);
	ok(say(s, "still here") == OK && hears(&p, "still here"),
	    "a stream that is silent is no idle connection");
	http_stream_end(s);
	peer_close(&p);
	RIG_UNTIL(rig_stats(&rig).open == 0);

	peer_connect(&p, rig.port, NULL);
	setsockopt(p.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	s = begin(&rig, &p, STREAM);
	peer_answer(&p, text, sizeof(text), false);
	(void)fill(s, &e);
	http_stream_end(s);
	RIG_UNTIL(rig_stats(&rig).open == 0);
	ok(rig_stats(&rig).open == 0, "one that is not read ends with the time for writing");
	peer_close(&p);
	rig_stop(&rig);
}

static void test_drain(void)
{
	struct http_stream *s, *other;
	struct rig rig;

	rig_start(&rig, NULL, NULL);
	peer_connect(&p, rig.port, NULL);
	s = begin(&rig, &p, STREAM);
	peer_answer(&p, text, sizeof(text), false);
	peer_connect(&q, rig.port, NULL);
	other = begin(&rig, &q, STREAM);
	peer_answer(&q, text, sizeof(text), false);
	peer_send(&q, "GET /hold HTT"); /* never heard */
	http_server_drain(rig.server, 60000);
	ok(ends(&p) && ends(&q) && rig_stats(&rig).open == 0, "draining ends streams at once");
	ok(say(s, "x") == ERR_IO, "their owners hear of it");
	peer_close(&p);
	peer_close(&q);
	rig_stop(&rig);
	ok(say(other, "x") == ERR_IO, "also when there is no server any more");
	http_stream_end(s);
	http_stream_end(other);

	rig_start(&rig, NULL, NULL);
	peer_connect(&p, rig.port, NULL);
	s = begin(&rig, &p, STREAM);
	peer_answer(&p, text, sizeof(text), false);
	ok(say(s, "x") == OK, "a server that is freed");
	rig_stop(&rig);
	ok(say(s, "x") == ERR_IO, "ends them too");
	http_stream_end(s);
	peer_close(&p);
}

struct speaker {
	pthread_t thread;
	struct http_stream *stream;
	size_t sent;
};

static void *speak(void *arg)
{
	struct speaker *me = arg;

	for (int i = 0; i < PIECES; i++)
		me->sent += say(me->stream, "0123456789\n") == OK;
	return NULL;
}

static void begin_speaking(struct speaker speakers[THREADS], struct http_stream *s)
{
	for (int i = 0; i < THREADS; i++) {
		speakers[i] = (struct speaker){ .stream = s };
		pthread_create(&speakers[i].thread, NULL, speak, &speakers[i]);
	}
}

static void test_threads(struct rig *rig)
{
	struct speaker speakers[THREADS];
	struct http_stream *s;
	size_t sent = 0, got = 0, n;
	bool whole = true;

	peer_connect(&p, rig->port, NULL);
	s = begin(rig, &p, STREAM);
	peer_answer(&p, text, sizeof(text), false);
	begin_speaking(speakers, s);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(speakers[i].thread, NULL);
		sent += speakers[i].sent;
	}
	http_stream_end(s);
	do {
		for (; p.n >= 11; got++) {
			whole &= memcmp(p.text, "0123456789\n", 11) == 0;
			memmove(p.text, p.text + 11, p.n -= 11);
		}
		n = peer_receive(&p);
	} while (n > 0);
	ok(sent == (size_t)THREADS * PIECES && got == sent && p.n == 0 && whole,
	    "%zu pieces of %d threads, %zu of them arrived whole", sent, THREADS, got);
	peer_close(&p);

	/* One goes while others speak to it. */
	peer_connect(&p, rig->port, NULL);
	s = begin(rig, &p, STREAM);
	begin_speaking(speakers, s);
	peer_close(&p);
	for (int i = 0; i < THREADS; i++)
		pthread_join(speakers[i].thread, NULL);
	http_stream_end(s);
	RIG_UNTIL(rig_stats(rig).open == 0);
	ok(rig_stats(rig).streaming == 0, "a peer leaves while they speak");
}

static void test_tls(void)
{
	struct peer_identity id;
	struct http_tls *tls = NULL;
	struct errbuf eb = { "" };
	struct rig rig;

	peer_identity(&id, "server", NULL, true);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *ctx = peer_context(&id, NULL, version);

		ok(peer_tls(&id, NULL, NULL, &tls, &eb) == OK, "TLS %s", eb.text);
		rig_start(&rig, NULL, tls);
		test_pieces(&rig, version == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3", ctx);
		rig_stop(&rig);
		SSL_CTX_free(ctx);
		http_tls_free(tls);
		tls = NULL;
	}
	peer_identity_free(&id);
}

int main(void)
{
	struct rig rig;

	rig_start(&rig, NULL, NULL);
	test_pieces(&rig, "plain", NULL);
	test_order(&rig);
	test_peers_that_leave(&rig);
	test_slow_readers(&rig);
	test_threads(&rig);
	rig_stop(&rig);
	test_time_outs();
	test_drain();
	test_tls();
	return done_testing();
}
