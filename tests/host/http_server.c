/* The HTTP server from outside: real sockets, every way an answer can go. */
#include "http.h"
#include "http_peer.h"
#include "tap.h"

#include <pthread.h>
#include <semaphore.h>

static char text[1 << 17];

/* A handler that says what it was asked; paths choose how. */
struct rig {
	struct http_server *server;
	uint16_t port;
	pthread_mutex_t lock;
	struct http_exchange *held; /* answered by whoever asks next for /release */
	sem_t handled;
};

static void say(struct http_exchange *x, int status, const char *type, const char *body, size_t n)
{
	x->response.status = status;
	x->response.type = type;
	x->response.body = malloc(n + 1);
	memcpy(x->response.body, body, n);
	x->response.n = n;
}

static void say_request(struct http_exchange *x)
{
	const struct http_request *r = x->request;
	const char *agent = http_header(x, "user-agent");
	char line[4096];
	int n = snprintf(line, sizeof(line), "%s %s ?%s agent=%s body=%.*s", r->method, r->path,
	    r->query, agent ? agent : "-", (int)(r->body.n < 2000 ? r->body.n : 2000),
	    (const char *)r->body.p);

	say(x, 200, "text/plain", line, (size_t)n);
}

static void say_much(struct http_exchange *x, size_t n)
{
	x->response.status = 200;
	x->response.type = "application/octet-stream";
	x->response.body = malloc(n);
	memset(x->response.body, 'x', n);
	x->response.n = n;
}

static void handle(void *ctx, struct http_exchange *x)
{
	struct rig *rig = ctx;
	const char *path = x->request->path;
	struct http_exchange *held = NULL;

	if (strcmp(path, "/hold") == 0) {
		pthread_mutex_lock(&rig->lock);
		rig->held = x;
		pthread_mutex_unlock(&rig->lock);
		sem_post(&rig->handled);
		return;
	}
	if (strcmp(path, "/release") == 0) {
		pthread_mutex_lock(&rig->lock);
		held = rig->held;
		rig->held = NULL;
		pthread_mutex_unlock(&rig->lock);
	}
	if (strncmp(path, "/much/", 6) == 0)
		say_much(x, strtoul(path + 6, NULL, 10));
	else if (strcmp(path, "/empty") == 0)
		x->response.status = 204;
	else
		say_request(x);
	http_answer(x);
	if (held) {
		say_request(held);
		http_answer(held);
	}
	sem_post(&rig->handled);
}

static void refuse(void *ctx, const char *path, const char *reason, struct http_response *response)
{
	(void)ctx, (void)path;
	response->type = "text/plain";
	response->body = (uint8_t *)strdup(reason);
	response->n = strlen(reason);
}

static void rig_start(struct rig *rig, const struct http_limits *limits, struct http_tls *tls)
{
	struct http_options o = { .handle = handle, .refuse = refuse, .ctx = rig, .loops = 2 };
	struct errbuf eb = { "" };

	memset(rig, 0, sizeof(*rig));
	pthread_mutex_init(&rig->lock, NULL);
	sem_init(&rig->handled, 0, 0);
	if (limits)
		o.limits = *limits;
	if (http_server_new(&o, &rig->server, &eb) != OK ||
	    http_listen(rig->server, "127.0.0.1", 0, tls, &rig->port, &eb) != OK) {
		printf("Bail out! %s\n", eb.text);
		exit(1);
	}
}

static void rig_stop(struct rig *rig)
{
	http_server_free(rig->server);
	sem_destroy(&rig->handled);
	pthread_mutex_destroy(&rig->lock);
}

static void test_requests(uint16_t port, SSL_CTX *ctx, const char *how)
{
	struct peer p;

	ok(peer_connect(&p, port, ctx), "%s: connects", how);
	peer_send(&p, "GET /a%20b?c=d HTTP/1.1\r\nHost: h\r\nUser-Agent:  me \r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 &&
	        strcmp(peer_body(text), "GET /a%20b ?c=d agent=me body=") == 0,
	    "%s: GET", how);
	ok(strstr(text, "\r\nContent-Type: text/plain\r\n") && strstr(text, "\r\nDate: ") &&
	        !strstr(text, "Connection:") && !strstr(text, "Transfer-Encoding"),
	    "%s: its header lines", how);
	peer_send(&p, "PUT /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 &&
	        strcmp(peer_body(text), "PUT /p ? agent=- body=hello") == 0,
	    "%s: PUT on the same connection", how);
	peer_send(&p, "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	              "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 &&
	        strcmp(peer_body(text), "POST /c ? agent=- body=hello") == 0,
	    "%s: chunks", how);
	peer_send(&p, "HEAD /h HTTP/1.1\r\nHost: h\r\n\r\nGET /after HTTP/1.1\r\nHost: h\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), true) == 200 &&
	        strstr(text, "\r\nContent-Length: 23\r\n"),
	    "%s: HEAD says the length and sends no body", how);
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "GET /after "),
	    "%s: the answer behind it", how);
	peer_send(&p, "DELETE /empty HTTP/1.1\r\nHost: h\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 204 && !strstr(text, "Content-Length"),
	    "%s: 204 has no length", how);
	peer_send(&p, "GET /much/100000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strlen(peer_body(text)) == 100000 &&
	        strstr(text, "\r\nConnection: close\r\n"),
	    "%s: a long answer", how);
	ok(peer_receive(&p) == 0, "%s: closed as asked", how);
	peer_close(&p);
}

static void test_order(struct rig *rig)
{
	struct peer p;

	peer_connect(&p, rig->port, NULL);
	peer_send(
	    &p, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\nGET /second HTTP/1.1\r\nHost: h\r\n\r\n");
	peer_send(&p, "GET /release HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	ok(peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "GET /hold") &&
	        peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "GET /second") &&
	        peer_answer(&p, text, sizeof(text), false) == 200 && strstr(text, "GET /release"),
	    "pipelined answers leave in the order of the requests, whoever was ready first");
	ok(peer_receive(&p) == 0, "and then the connection closes");
	peer_close(&p);
}

int main(void)
{
	struct peer_identity root, leaf;
	struct http_tls *tls = NULL;
	struct errbuf eb = { "" };
	struct rig plain, secure;
	SSL_CTX *tls12, *tls13;

	peer_identity(&root, "root", NULL, true);
	peer_identity(&leaf, "server", &root, false);
	tls12 = peer_context(&root, NULL, TLS1_2_VERSION);
	tls13 = peer_context(&root, NULL, TLS1_3_VERSION);
	ok(http_tls_new(
	       &(struct http_tls_options){
	           .chain = { (const uint8_t *)leaf.certificate_pem, strlen(leaf.certificate_pem) },
	           .key = { (const uint8_t *)leaf.key_pem, strlen(leaf.key_pem) } },
	       &tls, &eb) == OK,
	    "TLS is made: %s", eb.text);
	rig_start(&plain, NULL, NULL);
	rig_start(&secure, NULL, tls);

	test_requests(plain.port, NULL, "plain");
	test_requests(secure.port, tls12, "TLS 1.2");
	test_requests(secure.port, tls13, "TLS 1.3");
	test_order(&plain);

	rig_stop(&plain);
	rig_stop(&secure);
	http_tls_free(tls);
	SSL_CTX_free(tls12);
	SSL_CTX_free(tls13);
	peer_identity_free(&leaf);
	peer_identity_free(&root);
	return done_testing();
}
