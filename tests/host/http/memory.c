/*
 * No memory at the n-th time it is asked for: a conversation ends, or goes on with what was refused,
 * a handshake fails; what was said is whole, and nothing is lost (the sanitizer counts).
 */
#include "faults.h"
#include "rig.h"
#include "talk.h"
#include "tls.h"

#include <sys/wait.h>

/* --- a conversation --- */

static const char REQUESTS[] =
    "PUT /iot/a HTTP/1.1\r\nHost: h\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\r\n"
    "POST /b?c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    "GET /c HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n";

struct side {
	struct talk talk;
	unsigned begun, answered, refused, broken;
};

static bool tolerant(void *ctx, const char *path)
{
	(void)ctx;
	return strncmp(path, "/iot/", 5) == 0;
}

static const struct http_options options = {
	.limits = { .target_max = 1000, .headers_max = 1000, .body_max = 1000, .pipeline_max = 8 },
	.tolerant = tolerant,
};

static void begin(void *ctx, struct exchange *x)
{
	struct side *s = ctx;

	s->begun++;
	x->shown.response.status = http_header_add(&x->shown, "X-A", "b") == OK ? 200 : 503;
	talk_answered(&s->talk, x);
}

static void send_bytes(void *ctx, struct slice bytes)
{
	struct side *s = ctx;
	bool good;

	if (bytes.n < 16 || memcmp(bytes.p + bytes.n - 4, "\r\n\r\n", 4) != 0) {
		s->broken++;
		return;
	}
	good = memcmp(bytes.p, "HTTP/1.1 200 ", 13) == 0;
	s->answered += good;
	s->refused += !good;
}

static const struct talk_carrier carrier = { &options, "", begin, send_bytes };

static void test_talk(void)
{
	struct side s;
	long n;
	bool good = true, hit = true;

	for (n = 0; hit; n++) {
		memset(&s, 0, sizeof(s));
		faults_begin(FAULT_MEMORY, n);
		talk_init(&s.talk, &carrier, &s);
		talk_take(&s.talk, (const uint8_t *)REQUESTS, sizeof(REQUESTS) - 1);
		hit = faults_end();
		good &= s.broken == 0 && talk_over(&s.talk) && s.answered <= 2;
		good &= !hit || s.talk.failed || s.refused == 1 + (s.begun > s.answered);
		talk_free(&s.talk);
	}
	ok(good && n > 8, "a conversation ends in order, %ld times without memory", n - 1);
	ok(s.answered == 2 && s.refused == 1, "and with memory it is answered");
}

/* --- a whole server; nothing but its threads asks for memory meanwhile --- */

static void test_server(void)
{
	static struct peer p;
	static char text[1024];
	struct rig rig;
	unsigned closed = 0, refused = 0, served = 0, after = 0;
	bool hit = true;
	long n;

	rig_start(&rig, &(struct http_limits){ .connections = 100 }, NULL);
	for (n = 0; hit; n++) {
		int status = 0;

		faults_begin(FAULT_MEMORY, n);
		if (peer_connect(&p, rig.port, NULL)) {
			peer_send(&p, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}");
			status = peer_answer(&p, text, sizeof(text), false);
		}
		hit = faults_end();
		peer_close(&p);
		closed += status == 0;
		refused += status == 503;
		served += status == 200;
		peer_connect(&p, rig.port, NULL);
		peer_send(&p, "GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
		after += peer_answer(&p, text, sizeof(text), false) == 200;
		peer_close(&p);
	}
	ok(closed > 0 && served > 0 && closed + refused + served == (unsigned)n,
	    "a server without memory closes (%u times) or says so (%u)", closed, refused);
	ok(after == (unsigned)n, "and serves the next one");
	rig_stop(&rig);
}

/* The test's own words are part of the sweep. */
static void test_stream(void)
{
	static struct peer p;
	struct rig rig;
	unsigned closed = 0, refused = 0, cut = 0, whole = 0, said = 0;
	bool hit = true;
	long n;

	rig_start(&rig, &(struct http_limits){ .connections = 100 }, NULL);
	for (n = 0; hit; n++) {
		struct http_stream *s = NULL;
		const char *text;

		faults_begin(FAULT_MEMORY, n);
		peer_connect(&p, rig.port, NULL);
		peer_send(&p, "GET /stream HTTP/1.0\r\n\r\n");
		if (peer_receive(&p) > 0 && strstr(p.text, " 200 "))
			RIG_UNTIL((s = rig_stream(&rig)) != NULL);
		for (int i = 0; i < 3 && s; i++)
			said += http_stream_send(s, TEXT("abc")) == OK;
		http_stream_end(s);
		text = peer_rest(&p);
		hit = faults_end();
		closed += !text[0];
		refused += strstr(text, " 503 ") != NULL;
		cut += strstr(text, " 200 ") && strcmp(peer_body(text), "abcabcabc") != 0;
		whole += strcmp(peer_body(text), "abcabcabc") == 0;
		peer_close(&p);
		http_stream_end(rig_stream(&rig)); /* of which nobody has heard */
	}
	ok(closed > 0 && refused > 0 && closed + refused + cut + whole == (unsigned)n && whole > 0,
	    "a stream without memory is closed (%u times), refused (%u) or cut (%u)", closed,
	    refused, cut);
	ok(said >= 3 * whole, "and whoever speaks is told");
	rig_stop(&rig);
}

/* --- TLS --- */

static struct peer_identity leaf, clients, client;

static void make_identities(void)
{
	peer_identity(&leaf, "server", NULL, true);
	peer_identity(&clients, "clients", NULL, true);
	peer_identity(&client, "client", &clients, false);
}

static void free_identities(void)
{
	peer_identity_free(&leaf);
	peer_identity_free(&clients);
	peer_identity_free(&client);
}

/*
 * In a process of its own: OpenSSL 3.0 loses memory itself when it has none while it makes a context,
 * so here only our own requests for memory fail.
 */
static int make_contexts(void)
{
	struct http_tls *tls = NULL;
	struct errbuf eb;
	long n;
	unsigned odd = 0;
	bool hit = true;
	enum err e;

	make_identities();
	for (n = 0; hit; n++) {
		eb.text[0] = '\0';
		tls = NULL;
		faults_begin(FAULT_MEMORY, n);
		e = peer_tls(&leaf, NULL, &clients, &tls, &eb);
		hit = faults_end();
		odd += (e == OK) != (tls != NULL) || e != (hit ? ERR_MEMORY : OK) ||
		       (hit && !eb.text[0]);
		http_tls_free(tls);
	}
	free_identities();
	return n > 2 && odd == 0 ? 0 : 1;
}

static void test_context(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		exit(make_contexts());
	waitpid(child, &status, 0);
	ok(status == 0, "TLS is made or not, and says why");
}

/* Client and server until neither has more to say; the server's memory fails. */
static bool shake(struct http_tls *tls, SSL_CTX *ctx, long n, bool *hit)
{
	BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(ctx);
	struct tls_link *link = NULL;
	struct bytes out = { .max = 1 << 20 }, der = { .max = 1 << 16 };
	enum tls_event event = TLS_HUNGRY;
	uint8_t in[16384], plain[64];
	size_t plain_n;
	bool done = false, resumed;
	int got = 0;

	SSL_set_bio(ssl, to_client, to_server);
	faults_begin(FAULT_MEMORY, n);
	*hit = false;
	if (tls_link_new(tls, &out, &link) != OK) {
		*hit = faults_end();
		SSL_free(ssl);
		return false;
	}
	for (int round = 0; round < 8 && event == TLS_HUNGRY && !*hit; round++) {
		/* The client's turn is not part of the sweep: its calls are counted, so a hit ends it. */
		*hit = faults_end();
		SSL_connect(ssl);
		got = BIO_read(to_server, in, sizeof(in));
		if (got <= 0)
			break;
		faults_begin(FAULT_MEMORY, n);
		tls_take(link, (struct slice){ in, (size_t)got });
		event = tls_step(link, plain, sizeof(plain), &plain_n);
		if (event == TLS_HUNGRY && tls_ready(link, &resumed))
			done = tls_client(link, &der) == OK && der.n > 0 &&
			       tls_send(link, TEXT("hello")) == OK;
		BIO_write(to_client, out.p, (int)out.n);
		bytes_free(&out);
		*hit = faults_end();
	}
	(void)faults_end();
	tls_close(link);
	tls_link_free(link);
	bytes_free(&out);
	bytes_free(&der);
	SSL_free(ssl);
	return done;
}

static void test_handshake(void)
{
	struct http_tls *tls = NULL;
	SSL_CTX *ctx = peer_context(&leaf, &client, TLS1_3_VERSION);
	struct errbuf eb = { "" };
	long step = getenv("IMPRINT_TORTURE") ? 1 : 17;
	unsigned failed = 0, done = 0;
	bool hit = true;

	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	ok(peer_tls(&leaf, NULL, &clients, &tls, &eb) == OK, "TLS %s", eb.text);
	for (long n = 0; hit; n += step) {
		if (shake(tls, ctx, n, &hit))
			done++;
		else
			failed++;
	}
	ok(done > 0 && failed > 5, "a handshake fails %u times without memory and goes on with it",
	    failed);
	ok(shake(tls, ctx, 1000000, &hit) && !hit, "the next one knows nothing of it");
	http_tls_free(tls);
	SSL_CTX_free(ctx);
}

int main(void)
{
	test_context(); /* before OpenSSL is used here */
	faults_openssl();
	make_identities();
	test_talk();
	test_server();
	test_stream();
	test_handshake();
	free_identities();
	return done_testing();
}
