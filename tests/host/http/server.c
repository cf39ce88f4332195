/* The HTTP server from outside: real sockets, every way an answer can go. */
#include "rig.h"

static char text[1 << 17];

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
	RIG_UNTIL(rig_holds(rig)); /* workers are several: it might be overtaken */
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
