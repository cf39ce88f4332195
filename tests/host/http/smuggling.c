/*
 * Requests that two readers could understand differently (RFC 9112 section 11), and everything else
 * that has no place in a head: each is sent with a request behind it, and what comes back says where
 * the server thinks that each one ends. None may hide another.
 */
#include "rig.h"

#define GET "GET / HTTP/1.1\r\nHost: h\r\n"
#define POST "POST / HTTP/1.1\r\nHost: h\r\n"
#define NEXT "GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define X100                                                                                       \
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
	"xxxxxxxxxxxx"
#define X500 X100 X100 X100 X100 X100

#define BOTH "200 200"
#define BYTES_OF(literal) literal, sizeof(literal) - 1

static const struct {
	const char *name, *bytes;
	size_t n;
	const char *statuses;
} cases[] = {
	/* what is right */
	{ "plain", BYTES_OF(GET "\r\n" NEXT), BOTH },
	{ "a body by its length", BYTES_OF(POST "Content-Length: 3\r\n\r\nabc" NEXT), BOTH },
	{ "a body in chunks", BYTES_OF(POST CHUNKED "\r\n1\r\na\r\n0\r\n\r\n" NEXT), BOTH },
	{ "chunks: either case of digits",
	    BYTES_OF(POST CHUNKED "\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n" NEXT),
	    BOTH },
	{ "Chunked in capitals",
	    BYTES_OF(POST "transfer-encoding:\tCHUNKED \r\n\r\n0\r\n\r\n" NEXT), BOTH },
	{ "a length with blanks around it", BYTES_OF(POST "Content-Length: \t3 \r\n\r\nabc" NEXT),
	    BOTH },
	{ "an empty value", BYTES_OF(GET "A:\r\n\r\n" NEXT), BOTH },
	{ "bytes above 7F in a value", BYTES_OF(GET "A: \xc3\xa4\r\n\r\n" NEXT), BOTH },
	{ "absolute-form", BYTES_OF("GET http://other/a?b HTTP/1.1\r\nHost: h\r\n\r\n" NEXT),
	    BOTH },
	{ "OPTIONS *", BYTES_OF("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), BOTH },
	{ "a trailer that says Content-Length changes nothing",
	    BYTES_OF(POST CHUNKED "\r\n0\r\nContent-Length: 99\r\n\r\n" NEXT), BOTH },
	{ "Upgrade is not followed",
	    BYTES_OF(GET "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n" NEXT), BOTH },
	/* framing: length and chunks in every order and their relatives */
	{ "Content-Length, then chunked",
	    BYTES_OF(POST "Content-Length: 5\r\n" CHUNKED "\r\n0\r\n\r\n" NEXT), "400" },
	{ "chunked, then Content-Length",
	    BYTES_OF(POST CHUNKED "Content-Length: 5\r\n\r\n0\r\n\r\n" NEXT), "400" },
	{ "two different lengths",
	    BYTES_OF(POST "Content-Length: 0\r\nContent-Length: 3\r\n\r\nabc" NEXT), "400" },
	{ "two equal lengths",
	    BYTES_OF(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" NEXT), "400" },
	{ "a list of lengths", BYTES_OF(POST "Content-Length: 3, 3\r\n\r\nabc" NEXT), "400" },
	{ "a signed length", BYTES_OF(POST "Content-Length: +3\r\n\r\nabc" NEXT), "400" },
	{ "a negative length", BYTES_OF(POST "Content-Length: -3\r\n\r\nabc" NEXT), "400" },
	{ "a hexadecimal length", BYTES_OF(POST "Content-Length: 0x3\r\n\r\nabc" NEXT), "400" },
	{ "an empty length", BYTES_OF(POST "Content-Length:\r\n\r\n" NEXT), "400" },
	{ "a length of two words", BYTES_OF(POST "Content-Length: 3 3\r\n\r\nabc" NEXT), "400" },
	{ "a length beyond 64 bits",
	    BYTES_OF(POST "Content-Length: 18446744073709551619\r\n\r\nabc" NEXT), "400" },
	{ "a length beyond the limit", BYTES_OF(POST "Content-Length: 1048577\r\n\r\nabc" NEXT),
	    "413" },
	{ "a length on GET counts", BYTES_OF(GET "Content-Length: 3\r\n\r\nabc" NEXT), BOTH },
	{ "chunked twice", BYTES_OF(POST CHUNKED CHUNKED "\r\n0\r\n\r\n" NEXT), "400" },
	{ "chunked, then identity",
	    BYTES_OF(POST CHUNKED "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" NEXT), "501" },
	{ "gzip, chunked", BYTES_OF(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" NEXT),
	    "501" },
	{ "chunked, identity",
	    BYTES_OF(POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" NEXT), "501" },
	{ "xchunked", BYTES_OF(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT), "501" },
	{ "chunked with a parameter",
	    BYTES_OF(POST "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n" NEXT), "501" },
	{ "quoted chunked", BYTES_OF(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" NEXT),
	    "501" },
	{ "an empty coding", BYTES_OF(POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n" NEXT), "501" },
	{ "a blank before the colon of Transfer-Encoding",
	    BYTES_OF(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" NEXT), "400" },
	{ "a vertical tab before chunked",
	    BYTES_OF(POST "Transfer-Encoding: \x0b"
	                  "chunked\r\n\r\n0\r\n\r\n" NEXT),
	    "400" },
	{ "chunked behind a folded line",
	    BYTES_OF(POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" NEXT), "400" },
	{ "chunks in HTTP/1.0",
	    BYTES_OF("POST / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n" CHUNKED
	             "\r\n0\r\n\r\n" NEXT),
	    "400" },
	{ "an underscore makes another header",
	    BYTES_OF(POST "Content_Length: 5\r\nContent-Length: 0\r\n\r\n" NEXT), BOTH },
	/* chunks */
	{ "a chunk size of nothing", BYTES_OF(POST CHUNKED "\r\n\r\nabc\r\n0\r\n\r\n" NEXT),
	    "400" },
	{ "a chunk size with 0x", BYTES_OF(POST CHUNKED "\r\n0x1\r\na\r\n0\r\n\r\n" NEXT), "400" },
	{ "a signed chunk size", BYTES_OF(POST CHUNKED "\r\n+1\r\na\r\n0\r\n\r\n" NEXT), "400" },
	{ "a blank before a chunk size", BYTES_OF(POST CHUNKED "\r\n 1\r\na\r\n0\r\n\r\n" NEXT),
	    "400" },
	{ "a blank behind a chunk size", BYTES_OF(POST CHUNKED "\r\n1 \r\na\r\n0\r\n\r\n" NEXT),
	    "400" },
	{ "a chunk size of nine digits",
	    BYTES_OF(POST CHUNKED "\r\n000000001\r\na\r\n0\r\n\r\n" NEXT), "400" },
	{ "a chunk size that overflows 64 bits",
	    BYTES_OF(POST CHUNKED "\r\n10000000000000001\r\na\r\n0\r\n\r\n" NEXT), "413" },
	{ "a chunk beyond the limit", BYTES_OF(POST CHUNKED "\r\n100001\r\na" NEXT), "413" },
	{ "chunks beyond the limit together",
	    BYTES_OF(POST CHUNKED "\r\n1\r\na\r\n100000\r\na" NEXT), "413" },
	{ "a chunk size ended by LF", BYTES_OF(POST CHUNKED "\r\n1\na\r\n0\r\n\r\n" NEXT), "400" },
	{ "a chunk size ended by CR", BYTES_OF(POST CHUNKED "\r\n1\ra\r\n0\r\n\r\n" NEXT), "400" },
	{ "a chunk that goes on", BYTES_OF(POST CHUNKED "\r\n1\r\nab\r\n0\r\n\r\n" NEXT), "400" },
	{ "a chunk without its CR LF", BYTES_OF(POST CHUNKED "\r\n1\r\na0\r\n\r\n" NEXT), "400" },
	{ "a chunk ended by CR", BYTES_OF(POST CHUNKED "\r\n1\r\na\rX0\r\n\r\n" NEXT), "400" },
	{ "a chunk ended by LF", BYTES_OF(POST CHUNKED "\r\n1\r\na\n0\r\n\r\n" NEXT), "400" },
	{ "a chunk extension", BYTES_OF(POST CHUNKED "\r\n1;a=\"b\"\r\na\r\n0;c\r\n\r\n" NEXT),
	    BOTH },
	{ "LF in a chunk extension", BYTES_OF(POST CHUNKED "\r\n1;a\nb\r\na\r\n0\r\n\r\n" NEXT),
	    "400" },
	{ "CR in a chunk extension", BYTES_OF(POST CHUNKED "\r\n1;a\rb\r\na\r\n0\r\n\r\n" NEXT),
	    "400" },
	{ "NUL in a chunk extension", BYTES_OF(POST CHUNKED "\r\n1;a\0b\r\na\r\n0\r\n\r\n" NEXT),
	    "400" },
	{ "chunk extensions without end",
	    BYTES_OF(POST CHUNKED "\r\n1;" X500 "\r\na\r\n1;" X500 "\r\na\r\n1;" X100
	                          "\r\na\r\n0\r\n\r\n" NEXT),
	    "400" },
	{ "a folded trailer", BYTES_OF(POST CHUNKED "\r\n0\r\nA: b\r\n c\r\n\r\n" NEXT), "400" },
	{ "a trailer with a blank before the colon",
	    BYTES_OF(POST CHUNKED "\r\n0\r\nA : b\r\n\r\n" NEXT), "400" },
	{ "a trailer ended by LF", BYTES_OF(POST CHUNKED "\r\n0\r\nA: b\n\r\n" NEXT), "400" },
	/* lines */
	{ "LF for CR LF", BYTES_OF("GET / HTTP/1.1\nHost: h\n\n" NEXT), "400" },
	{ "LF behind a header", BYTES_OF(GET "A: b\n\r\n" NEXT), "400" },
	{ "LF at the end of the head", BYTES_OF(GET "\n" NEXT), "400" },
	{ "CR within a value", BYTES_OF(GET "A: b\rc\r\n\r\n" NEXT), "400" },
	{ "CR CR LF", BYTES_OF(GET "A: b\r\r\n\r\n" NEXT), "400" },
	{ "CR behind the last line", BYTES_OF(GET "\rX" NEXT), "400" },
	{ "a folded line", BYTES_OF(GET "A: b\r\n c\r\n\r\n" NEXT), "400" },
	{ "a line folded by a tab", BYTES_OF(GET "A: b\r\n\tc\r\n\r\n" NEXT), "400" },
	{ "a first line that is folded", BYTES_OF("GET / HTTP/1.1\r\n Host: h\r\n\r\n" NEXT),
	    "400" },
	{ "a blank before a colon", BYTES_OF(GET "A : b\r\n\r\n" NEXT), "400" },
	{ "a tab before a colon", BYTES_OF(GET "A\t: b\r\n\r\n" NEXT), "400" },
	{ "a header without a colon", BYTES_OF(GET "A\r\n\r\n" NEXT), "400" },
	{ "a header without a name", BYTES_OF(GET ": b\r\n\r\n" NEXT), "400" },
	{ "NUL in a name", BYTES_OF(GET "A\0B: b\r\n\r\n" NEXT), "400" },
	{ "NUL in a value", BYTES_OF(GET "A: b\0c\r\n\r\n" NEXT), "400" },
	{ "a control character in a value",
	    BYTES_OF(GET "A: b\x01"
	                 "c\r\n\r\n" NEXT),
	    "400" },
	{ "DEL in a value", BYTES_OF(GET "A: b\x7f\r\n\r\n" NEXT), "400" },
	{ "bytes above 7F in a name", BYTES_OF(GET "\xc3\xa4: b\r\n\r\n" NEXT), "400" },
	{ "a bracket in a name", BYTES_OF(GET "A(b): c\r\n\r\n" NEXT), "400" },
	/* request lines */
	{ "two blanks", BYTES_OF("GET  / HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "two blanks before the version", BYTES_OF("GET /  HTTP/1.1\r\nHost: h\r\n\r\n" NEXT),
	    "400" },
	{ "a blank behind the version", BYTES_OF("GET / HTTP/1.1 \r\nHost: h\r\n\r\n" NEXT),
	    "400" },
	{ "a blank before the method", BYTES_OF(" GET / HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "a tab for a blank", BYTES_OF("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "HTTP/0.9", BYTES_OF("GET /\r\n" NEXT), "400" },
	{ "HTTP/1.2", BYTES_OF("GET / HTTP/1.2\r\nHost: h\r\n\r\n" NEXT), "505" },
	{ "HTTP/2.0", BYTES_OF("GET / HTTP/2.0\r\nHost: h\r\n\r\n" NEXT), "505" },
	{ "HTTP/1.10", BYTES_OF("GET / HTTP/1.10\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "http/1.1", BYTES_OF("GET / http/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "an unknown method", BYTES_OF("BREW / HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "501" },
	{ "a method in small letters", BYTES_OF("get / HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "501" },
	{ "a method without end", BYTES_OF(X100 " / HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "501" },
	{ "CONNECT", BYTES_OF("CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "501" },
	{ "a fragment", BYTES_OF("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "a target that is no path", BYTES_OF("GET a HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "GET *", BYTES_OF("GET * HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "ftp", BYTES_OF("GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "bytes above 7F in the target",
	    BYTES_OF("GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "NUL in the target", BYTES_OF("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n" NEXT), "400" },
	{ "a TLS handshake on a plain port",
	    BYTES_OF("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "400" },
	{ "HTTP/2's preface", BYTES_OF("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "501" },
	/* Host */
	{ "no Host", BYTES_OF("GET / HTTP/1.1\r\n\r\n" NEXT), "400" },
	{ "no Host in HTTP/1.0", BYTES_OF("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" NEXT),
	    BOTH },
	{ "two different Hosts", BYTES_OF(GET "Host: i\r\n\r\n" NEXT), "400" },
	{ "two equal Hosts", BYTES_OF(GET "Host: h\r\n\r\n" NEXT), "400" },
	{ "two different Hosts on a tolerant path",
	    BYTES_OF("GET /iot/a HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" NEXT), "400" },
	{ "two equal Hosts on a tolerant path",
	    BYTES_OF("GET /iot/a HTTP/1.1\r\nHost: h\r\nUser-Agent: Arduino/2.2.0\r\nHost: "
	             "h\r\n\r\n" NEXT),
	    BOTH },
	{ "a Host with a path", BYTES_OF("GET / HTTP/1.1\r\nHost: h/a\r\n\r\n" NEXT), "400" },
	{ "a Host with a user", BYTES_OF("GET / HTTP/1.1\r\nHost: a@h\r\n\r\n" NEXT), "400" },
	{ "a list of Hosts", BYTES_OF("GET / HTTP/1.1\r\nHost: h, i\r\n\r\n" NEXT), "400" },
	/* between requests */
	{ "CR LF before the first request", BYTES_OF("\r\n" GET "\r\n" NEXT), "400" },
	{ "CR LF behind a body", BYTES_OF(POST "Content-Length: 3\r\n\r\nabc\r\n" NEXT),
	    "200 400" },
	{ "CR LF behind a body on a tolerant path",
	    BYTES_OF("POST /iot/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\r\n" NEXT),
	    BOTH },
	{ "two of them",
	    BYTES_OF(
	        "POST /iot/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n" NEXT),
	    "200 400" },
	{ "CR and something else",
	    BYTES_OF("POST /iot/a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc\rG" NEXT),
	    "200 400" },
	{ "CR LF without a body on a tolerant path",
	    BYTES_OF("GET /iot/a HTTP/1.1\r\nHost: h\r\n\r\n\r\n" NEXT), "200 400" },
	{ "nothing behind Connection: close is read",
	    BYTES_OF(GET "Connection: close\r\n\r\n" NEXT), "200" },
	{ "nor behind HTTP/1.0", BYTES_OF("GET / HTTP/1.0\r\nHost: h\r\n\r\n" NEXT), "200" },
	{ "nor behind what was refused", BYTES_OF(GET "A : b\r\n\r\n" NEXT NEXT), "400" },
	/* expectations */
	{ "another expectation",
	    BYTES_OF(POST "Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc" NEXT), "417" },
	{ "two expectations",
	    BYTES_OF(POST "Expect: 100-continue, x\r\nContent-Length: 3\r\n\r\nabc" NEXT), "417" },
};

/* The statuses in the order in which they came. */
static void statuses(struct peer *p, char *out, size_t cap)
{
	static char answer[1 << 16];
	size_t n = 0;
	int status;

	out[0] = '\0';
	while ((status = peer_answer(p, answer, sizeof(answer), false)) != 0 && n + 8 < cap)
		n += (size_t)snprintf(out + n, cap - n, "%s%d", n ? " " : "", status);
}

int main(void)
{
	struct rig rig;
	unsigned requests = 0;
	struct http_stats stats;

	rig_start(&rig, NULL, NULL);
	for (size_t i = 0; i < COUNT(cases); i++) {
		static struct peer p;
		char got[64];

		peer_connect(&p, rig.port, NULL);
		peer_send_bytes(&p, cases[i].bytes, cases[i].n);
		shutdown(p.fd, SHUT_WR);
		statuses(&p, got, sizeof(got));
		if (!ok(strcmp(got, cases[i].statuses) == 0, "%s", cases[i].name))
			printf("# %s, not %s\n", got, cases[i].statuses);
		for (const char *s = cases[i].statuses; (s = strstr(s, "200")); s += 3)
			requests++;
		peer_close(&p);
	}
	stats = rig_stats(&rig);
	ok(stats.requests == requests, "the handler saw %u requests and no hidden one", requests);
	rig_stop(&rig);
	return done_testing();
}
