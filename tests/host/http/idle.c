/*
 * What an idle TLS connection costs the server in memory: every one with its own session, after one
 * request. The clients are another process. An argument is the number of connections; `make bench`
 * measures ten thousand, which must fit in 250 MB.
 */
#include "rig.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define EACH_MAX 25000 /* bytes: ten thousand in 250 MB */

static size_t resident(void)
{
	char line[128] = "", *second;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || !fgets(line, sizeof(line), f) || !(second = strchr(line, ' '))) {
		printf("Bail out! /proc/self/statm cannot be read\n");
		exit(1);
	}
	fclose(f);
	return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* --- the clients --- */

static bool open_one(uint16_t port, SSL_CTX *ctx)
{
	static const char request[] = "GET /empty HTTP/1.1\r\nHost: h\r\n\r\n";
	char answer[1024];
	int fd = peer_socket(port);
	SSL *ssl = SSL_new(ctx);
	size_t n = 0;
	bool good;

	SSL_set_fd(ssl, fd);
	good = fd >= 0 && SSL_connect(ssl) == 1 &&
	       SSL_write_ex(ssl, request, sizeof(request) - 1, &n) == 1 &&
	       SSL_read_ex(ssl, answer, sizeof(answer), &n) == 1;
	SSL_free(ssl); /* the socket stays open, and the server is none the wiser */
	return good;
}

static int clients(int from, int to, unsigned n)
{
	SSL_CTX *ctx;
	uint16_t port;
	unsigned opened = 0;
	char done = 0;

	if (read(from, &port, sizeof(port)) != sizeof(port))
		return 1;
	ctx = SSL_CTX_new(TLS_client_method());
	while (opened < n && open_one(port, ctx))
		opened++;
	SSL_CTX_free(ctx);
	if (write(to, &opened, sizeof(opened)) != sizeof(opened))
		return 1;
	return read(from, &done, 1) == 1 && opened == n ? 0 : 1;
}

/* --- the server --- */

static size_t measure(int to, int from, unsigned n)
{
	struct http_limits limits = { .idle_ms = 600000 };
	struct peer_identity leaf;
	struct http_tls *tls = NULL;
	struct errbuf eb = { "" };
	struct rig rig;
	unsigned opened = 0;
	size_t before, after;

	peer_identity(&leaf, "server", NULL, false);
	ok(peer_tls(&leaf, NULL, NULL, &tls, &eb) == OK, "TLS %s", eb.text);
	rig_start(&rig, &limits, tls);
	before = resident();
	if (write(to, &rig.port, sizeof(rig.port)) != sizeof(rig.port) ||
	    read(from, &opened, sizeof(opened)) != sizeof(opened))
		opened = 0;
	ok(opened == n, "%u of %u connections", opened, n);
	RIG_UNTIL(rig_stats(&rig).requests == n);
	after = resident();
	ok(rig_stats(&rig).open == n && rig_stats(&rig).handshakes == n &&
	        rig_stats(&rig).resumed == 0,
	    "all are open, each by its own handshake");
	ok(write(to, "", 1) == 1, "enough");
	rig_stop(&rig);
	http_tls_free(tls);
	peer_identity_free(&leaf);
	printf("# %zu kB for the server, %zu kB with %u idle connections\n", before / 1000,
	    after / 1000, n);
	return (after - before) / n;
}

int main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
	struct rlimit files = { 0, 0 };
	int down[2], up[2], status = -1;
	size_t each;
	pid_t child;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < n + 64UL || pipe(down) != 0 || pipe(up) != 0 || (child = fork()) < 0) {
		printf("Bail out! %u connections need as many files (ulimit -n)\n", n);
		return 1;
	}
	if (child == 0) {
		/* Only the parent's ends stay open in the parent: the child ends when it does. */
		close(down[1]);
		close(up[0]);
		_exit(clients(down[0], up[1], n));
	}
	close(down[0]);
	close(up[1]);
	each = measure(down[1], up[0], n);
	waitpid(child, &status, 0);
	ok(status == 0, "the clients had no complaint");
	ok(each <= EACH_MAX, "an idle connection takes %zu bytes of memory", each);
	if (argc > 1)
		printf("http_idle_bytes %zu %d %.3f 1.00 %s\n", each, EACH_MAX,
		    (double)each / EACH_MAX, each <= EACH_MAX ? "PASS" : "FAIL");
	return done_testing();
}
