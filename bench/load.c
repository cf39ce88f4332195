/*
 * Many clients of one HTTP server at once: how many requests it answers, how fast, and what that
 * costs it.
 *
 *	bench_load PID PORT STATUS CLIENTS MS REQUESTS [ROOT.pem]
 *
 * REQUESTS is a file of whole requests, a NUL behind each; the clients share them, round and round.
 * Each client keeps one connection, over TLS when a root is given, and waits for each answer. The
 * connections are made, and each has had an answer, before anything is counted; when the time is over
 * everybody waits for the answer that is still to come, so that no work is counted without its result.
 * Prints one object: answers with STATUS, others, microseconds of wall and of the processor time of
 * process PID, and how long answers took: p50_us, p99_us, max_us.
 */
#include "base.h"
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

enum { CLIENTS_MAX = 256, REQUESTS_MAX = 4096, SAMPLES_MAX = 1 << 20, ANSWER_MAX = 16384 };

static struct {
	uint16_t port;
	int status;
	SSL_CTX *tls; /* NULL: plain */
	struct slice requests[REQUESTS_MAX];
	size_t requests_n;
	atomic_size_t next, good, other, samples_n;
	uint32_t samples[SAMPLES_MAX]; /* microseconds */
	pthread_barrier_t ready, go;
	double until; /* written before `go` */
} l;

static unsigned long number(const char *text)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);

	bench_must(end != text, text);
	return n;
}

struct client {
	int fd;
	SSL *ssl;
	char answer[ANSWER_MAX + 1];
};

static double now_us(clockid_t clock)
{
	struct timespec t;

	bench_must(clock_gettime(clock, &t) == 0, "the clock of that process");
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- one client --- */

static void open_connection(struct client *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(l.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	bench_must(c->fd >= 0 && connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	               setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0,
	    "connect");
	if (!l.tls)
		return;
	bench_must((c->ssl = SSL_new(l.tls)) != NULL && SSL_set_fd(c->ssl, c->fd) == 1 &&
	               SSL_set1_host(c->ssl, "localhost") == 1 && SSL_connect(c->ssl) == 1,
	    "TLS handshake");
}

static void close_connection(struct client *c)
{
	if (c->ssl)
		SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	close(c->fd);
}

static void say(struct client *c, struct slice request)
{
	ssize_t n = c->ssl ? SSL_write(c->ssl, request.p, (int)request.n)
	                   : send(c->fd, request.p, request.n, 0);

	bench_must(n == (ssize_t)request.n, "send");
}

static size_t hear(struct client *c, size_t n)
{
	ssize_t some;

	bench_must(n < ANSWER_MAX, "an answer is too long");
	some = c->ssl ? SSL_read(c->ssl, c->answer + n, (int)(ANSWER_MAX - n))
	              : recv(c->fd, c->answer + n, ANSWER_MAX - n, 0);
	bench_must(some > 0, "the server closed a connection");
	c->answer[n + (size_t)some] = '\0';
	return n + (size_t)some;
}

/* Bytes of head and body; 0 while the head is not whole. */
static size_t answer_length(const char *answer)
{
	const char *end = strstr(answer, "\r\n\r\n"), *length;

	if (!end)
		return 0;
	length = strcasestr(answer, "\r\nContent-Length:");
	bench_must(length && length < end, "an answer without Content-Length");
	return (size_t)(end + 4 - answer) + number(length + 17);
}

/* The status of the answer. */
static int ask(struct client *c)
{
	struct slice request = l.requests[atomic_fetch_add(&l.next, 1) % l.requests_n];
	size_t n = 0, whole = 0;

	say(c, request);
	while (n == 0 || n < whole || whole == 0) {
		n = hear(c, n);
		whole = answer_length(c->answer);
	}
	bench_must(n == whole && strncmp(c->answer, "HTTP/1.1 ", 9) == 0, "what is no answer");
	return (int)number(c->answer + 9);
}

static void *run(void *arg)
{
	struct client *c = arg;
	double begun;

	open_connection(c);
	if (ask(c) != l.status) {
		fprintf(stderr, "%s\n", c->answer);
		bench_fail("the first request");
	}
	pthread_barrier_wait(&l.ready);
	pthread_barrier_wait(&l.go);
	while ((begun = now_us(CLOCK_MONOTONIC)) < l.until) {
		int status = ask(c);
		size_t at;

		if (status != l.status) {
			atomic_fetch_add(&l.other, 1);
			continue;
		}
		atomic_fetch_add(&l.good, 1);
		if ((at = atomic_fetch_add(&l.samples_n, 1)) < SAMPLES_MAX)
			l.samples[at] = (uint32_t)(now_us(CLOCK_MONOTONIC) - begun);
	}
	return NULL;
}

/* --- all of them --- */

static char *read_requests(const char *path)
{
	FILE *f = fopen(path, "re");
	char *all = malloc(1 << 24);
	size_t n, begun = 0;

	bench_must(f && all, path);
	n = fread(all, 1, 1 << 24, f);
	fclose(f);
	for (size_t i = 0; i < n; i++)
		if (all[i] == '\0') {
			bench_must(l.requests_n < REQUESTS_MAX, "too many requests");
			l.requests[l.requests_n++] =
			    (struct slice){ (const uint8_t *)all + begun, i - begun };
			begun = i + 1;
		}
	bench_must(l.requests_n > 0, "no requests");
	return all;
}

static int ascending(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The time that so many in a thousand answers did not exceed. */
static uint32_t quantile(size_t n, size_t thousandths)
{
	return n ? l.samples[(n - 1) * thousandths / 1000] : 0;
}

static void print(double wall, double cpu)
{
	size_t n = l.samples_n < SAMPLES_MAX ? l.samples_n : SAMPLES_MAX;

	qsort(l.samples, n, sizeof(l.samples[0]), ascending);
	printf("{\"good\":%zu,\"other\":%zu,\"wall_us\":%.0f,\"cpu_us\":%.0f,\"p50_us\":%u,"
	       "\"p99_us\":%u,\"max_us\":%u}\n",
	    l.good, l.other, wall, cpu, quantile(n, 500), quantile(n, 990), quantile(n, 1000));
}

static void measure(struct client *clients, size_t n, double ms, clockid_t cpu)
{
	pthread_t threads[CLIENTS_MAX];
	double begun, spent;

	for (size_t i = 0; i < n; i++)
		bench_must(pthread_create(&threads[i], NULL, run, &clients[i]) == 0, "thread");
	pthread_barrier_wait(&l.ready);
	spent = now_us(cpu);
	begun = now_us(CLOCK_MONOTONIC);
	l.until = begun + ms * 1e3;
	pthread_barrier_wait(&l.go);
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	print(now_us(CLOCK_MONOTONIC) - begun, now_us(cpu) - spent);
	for (size_t i = 0; i < n; i++)
		close_connection(&clients[i]);
}

int main(int argc, char **argv)
{
	struct client *clients;
	clockid_t cpu;
	char *requests;
	size_t n;

	bench_must(argc == 7 || argc == 8, "PID PORT STATUS CLIENTS MS REQUESTS [ROOT.pem]");
	bench_must(clock_getcpuclockid((pid_t)number(argv[1]), &cpu) == 0, "no such process");
	signal(SIGPIPE, SIG_IGN);
	l.port = (uint16_t)number(argv[2]);
	l.status = (int)number(argv[3]);
	n = number(argv[4]);
	bench_must(n > 0 && n <= CLIENTS_MAX, "clients");
	requests = read_requests(argv[6]);
	if (argc == 8) {
		bench_must((l.tls = SSL_CTX_new(TLS_client_method())) != NULL &&
		               SSL_CTX_load_verify_locations(l.tls, argv[7], NULL) == 1,
		    argv[7]);
		SSL_CTX_set_verify(l.tls, SSL_VERIFY_PEER, NULL);
	}
	bench_must((clients = calloc(n, sizeof(*clients))) != NULL, "memory");
	pthread_barrier_init(&l.ready, NULL, (unsigned)n + 1);
	pthread_barrier_init(&l.go, NULL, (unsigned)n + 1);
	measure(clients, n, (double)number(argv[5]), cpu);
	SSL_CTX_free(l.tls);
	free(clients);
	free(requests);
	return 0;
}
