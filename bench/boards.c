/*
 * Many boards of one MQTT broker at once, as cheap as they can be: one thread, one key for all of them.
 *
 *	bench_boards PORT KEY.pem CERTIFICATES.pem
 *
 * A board for each certificate, numbered from 0; its client id is the certificate's common name. TLS 1.2, as
 * boards speak it; the broker's certificate is not looked at, since this side's time is not what is measured.
 * Told by lines, answers by lines:
 *
 *	open FROM TO WIDTH	connects boards FROM to TO - 1 that are not connected, WIDTH at a time: "opened GOOD BAD US"
 *	close FROM TO		they say goodbye: "closed"
 *	ping I			asks the broker one thing after the other, until the next line comes:
 *				"pinged COUNT LONGEST_US" stands before the answer to that
 *
 * Between them "gone I NS" (CLOCK_MONOTONIC) for a board whose connection the broker has ended.
 */
#include "base.h"
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

enum { BOARDS_MAX = 16384, EVENTS = 256, NAME = 36, COMMANDS = UINT16_MAX };

enum state { CLOSED, CONNECTING, SHAKING, ASKING, UP };

struct board {
	X509 *certificate;
	char name[NAME + 1];
	enum state state;
	int fd;
	SSL *ssl;
};

static struct {
	struct sockaddr_in to;
	SSL_CTX *tls;
	EVP_PKEY *key;
	struct board at[BOARDS_MAX];
	int n, poll;
	/* being opened */
	bool opening;
	int next, until, width, busy, good, bad;
	int64_t begun;
	/* being asked */
	struct board *pinged;
	int64_t asked, longest;
	unsigned long pings;
	char line[128];
	size_t line_n;
} l;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- one board --- */

static void forget(struct board *b)
{
	SSL_free(b->ssl);
	close(b->fd);
	b->ssl = NULL;
	b->state = CLOSED;
}

static bool reach(struct board *b)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int on = 1;

	e.data.u32 = (uint32_t)(b - l.at);
	b->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	bench_must(b->fd >= 0 && (b->ssl = SSL_new(l.tls)) != NULL, "a socket for each board");
	bench_must(SSL_set_fd(b->ssl, b->fd) == 1 &&
	               SSL_use_certificate(b->ssl, b->certificate) == 1 &&
	               SSL_use_PrivateKey(b->ssl, l.key) == 1,
	    "a certificate for each board");
	setsockopt(b->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	b->state = CONNECTING;
	bench_must(epoll_ctl(l.poll, EPOLL_CTL_ADD, b->fd, &e) == 0, "epoll");
	return connect(b->fd, (const struct sockaddr *)&l.to, sizeof(l.to)) == 0 ||
	       errno == EINPROGRESS;
}

/* Clean session, nothing else; ten minutes until the broker wants a sign of life. */
static void hello(struct board *b)
{
	uint8_t packet[14 + NAME] = { 0x10, 12 + NAME, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 2, 0x58, 0,
		NAME };

	memcpy(packet + 14, b->name, NAME);
	bench_must(SSL_write(b->ssl, packet, sizeof(packet)) == sizeof(packet), "CONNECT");
}

static bool waits(const struct board *b, int done)
{
	int why = SSL_get_error(b->ssl, done);

	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* False: it is over. */
static bool step(struct board *b)
{
	uint8_t answer[64];
	int error = 0, n;
	socklen_t size = sizeof(error);

	if (b->state == CONNECTING) {
		if (getsockopt(b->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
			return false;
		b->state = SHAKING;
	}
	if (b->state == SHAKING) {
		if ((n = SSL_connect(b->ssl)) != 1)
			return waits(b, n) || SSL_get_state(b->ssl) == TLS_ST_BEFORE;
		hello(b);
		b->state = ASKING;
	}
	while ((n = SSL_read(b->ssl, answer, sizeof(answer))) > 0) {
		if (b->state == ASKING) {
			if (n < 4 || answer[0] != 0x20 || answer[3] != 0)
				return false;
			b->state = UP;
		} else if (answer[0] == 0xd0 && l.asked != 0) {
			int64_t took = now_ns() - l.asked;

			l.longest = took > l.longest ? took : l.longest;
			l.pings++;
			l.asked = 0;
		}
	}
	return waits(b, n);
}

static void turn(struct board *b)
{
	enum state before = b->state;
	bool there;

	if (before == CLOSED)
		return;
	there = step(b);
	if (!there)
		forget(b);
	if (before == UP && !there)
		printf("gone %d %lld\n", (int)(b - l.at), (long long)now_ns());
	if (before == UP || (there && b->state != UP))
		return;
	l.busy--;
	l.good += there;
	l.bad += !there;
}

/* --- all of them --- */

static void open_more(void)
{
	while (l.busy < l.width && l.next < l.until) {
		struct board *b = &l.at[l.next++];

		if (b->state != CLOSED)
			continue;
		l.busy++;
		if (reach(b))
			continue;
		forget(b);
		l.busy--;
		l.bad++;
	}
	if (l.opening && l.busy == 0) {
		printf(
		    "opened %d %d %lld\n", l.good, l.bad, (long long)(now_ns() - l.begun) / 1000);
		l.opening = false;
	}
}

static void close_some(int from, int to)
{
	static const uint8_t goodbye[] = { 0xe0, 0 };

	for (struct board *b = l.at + from; b < l.at + to; b++) {
		if (b->state != UP)
			continue;
		SSL_write(b->ssl, goodbye, sizeof(goodbye));
		forget(b);
	}
	printf("closed\n");
}

static void ping(void)
{
	static const uint8_t question[] = { 0xc0, 0 };

	if (!l.pinged || l.asked != 0)
		return;
	bench_must(l.pinged->state == UP, "who asks is connected");
	l.asked = now_ns();
	bench_must(
	    SSL_write(l.pinged->ssl, question, sizeof(question)) == sizeof(question), "ping");
}

static void ping_end(void)
{
	if (!l.pinged)
		return;
	if (l.asked != 0 && now_ns() - l.asked > l.longest)
		l.longest = now_ns() - l.asked;
	printf("pinged %lu %lld\n", l.pings, (long long)l.longest / 1000);
	l.pinged = NULL;
}

static bool in_range(int from, int to)
{
	return from >= 0 && from <= to && to <= l.n;
}

/* The numbers behind a word; false unless there are exactly n. */
static bool numbers(const char *line, const char *word, int n, int out[3])
{
	size_t skip = strlen(word);
	char *end;

	if (strncmp(line, word, skip) != 0)
		return false;
	line += skip;
	for (int i = 0; i < n; i++, line = end) {
		out[i] = (int)strtol(line, &end, 10);
		if (end == line)
			return false;
	}
	return *line == '\0';
}

static void command(const char *line)
{
	int a[3];

	ping_end();
	if (numbers(line, "open", 3, a) && in_range(a[0], a[1])) {
		l.next = a[0];
		l.until = a[1];
		l.width = a[2];
		l.good = l.bad = 0;
		l.begun = now_ns();
		l.opening = true;
	} else if (numbers(line, "close", 2, a) && in_range(a[0], a[1])) {
		close_some(a[0], a[1]);
	} else if (numbers(line, "ping", 1, a) && in_range(a[0], a[0] + 1)) {
		l.pinged = &l.at[a[0]];
		l.longest = 0; /* one that waits for its answer still is the first */
		l.pings = 0;
	} else {
		bench_fail(line);
	}
}

/* False at the end of the input. */
static bool commands(void)
{
	ssize_t n = read(0, l.line + l.line_n, sizeof(l.line) - 1 - l.line_n);
	char *end;

	if (n <= 0)
		return false;
	l.line_n += (size_t)n;
	l.line[l.line_n] = '\0';
	while ((end = strchr(l.line, '\n'))) {
		*end = '\0';
		command(l.line);
		l.line_n -= (size_t)(end + 1 - l.line);
		memmove(l.line, end + 1, l.line_n + 1);
	}
	return true;
}

static void load(const char *key, const char *certificates)
{
	FILE *f = fopen(key, "re");
	X509 *x;

	bench_must(f && (l.key = PEM_read_PrivateKey(f, NULL, NULL, NULL)) != NULL, key);
	fclose(f);
	f = fopen(certificates, "re");
	bench_must(f != NULL, certificates);
	while (l.n < BOARDS_MAX && (x = PEM_read_X509(f, NULL, NULL, NULL))) {
		struct board *b = &l.at[l.n++];

		b->certificate = x;
		bench_must(X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName,
		               b->name, sizeof(b->name)) == NAME,
		    "a device id as common name");
	}
	fclose(f);
	bench_must(l.n > 0, "no certificates");
}

int main(int argc, char **argv)
{
	struct epoll_event input = { .events = EPOLLIN, .data.u32 = COMMANDS }, events[EVENTS];
	struct rlimit files;

	bench_must(argc == 4, "bench_boards PORT KEY.pem CERTIFICATES.pem");
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	bench_must(getrlimit(RLIMIT_NOFILE, &files) == 0, "limits");
	files.rlim_cur = files.rlim_max;
	bench_must(setrlimit(RLIMIT_NOFILE, &files) == 0, "limits");
	l.to = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	l.tls = SSL_CTX_new(TLS_client_method());
	l.poll = epoll_create1(0);
	bench_must(l.tls && SSL_CTX_set_max_proto_version(l.tls, TLS1_2_VERSION) == 1 &&
	               SSL_CTX_set_cipher_list(l.tls, "ECDHE-ECDSA-AES128-GCM-SHA256") == 1 &&
	               SSL_CTX_set1_groups_list(l.tls, (char[]){ "P-256" }) == 1 &&
	               SSL_CTX_set_mode(l.tls, SSL_MODE_RELEASE_BUFFERS) != 0 &&
	               SSL_CTX_set_options(l.tls, SSL_OP_NO_TICKET) != 0 && l.poll >= 0 &&
	               epoll_ctl(l.poll, EPOLL_CTL_ADD, 0, &input) == 0,
	    "TLS");
	load(argv[2], argv[3]);
	printf("ready %d\n", l.n);
	for (;;) {
		int n = epoll_wait(l.poll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.u32 != COMMANDS)
				turn(&l.at[events[i].data.u32]);
			else if (!commands())
				return 0;
		}
		open_more();
		ping();
	}
}
