/*
 * kill -9 at every step of an issuance: what was acknowledged is there, what is there is whole, and the same
 * request with its key ends with one certificate. The steps are the server's own.
 */
#include "steps.h"
#include "tap.h"
#include "world.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct answer issue(struct world *w, const char *target, const char *body)
{
	char headers[256];

	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\nIdempotency-Key: %s\n",
	    w->token, target);
	return ask_with(
	    w, "PUT", target, headers, (struct slice){ (const uint8_t *)body, strlen(body) });
}

/* The child issues and says so through the pipe; it is killed at the place, or not. */
static bool issue_and_die(
    struct world *w, const char *place, const char *target, const char *body, bool *acknowledged)
{
	int said[2], status = 0;
	char byte;
	pid_t child;

	if (pipe(said) != 0 || (child = fork()) < 0)
		abort();
	if (child == 0) {
		struct answer a;

		setenv("IMPRINT_TEST_CRASH", place, 1);
		world_start(w);
		a = issue(w, target, body);
		if (a.status == 201 && write(said[1], "1", 1) == 1)
			sleep(30); /* the last place comes behind the answer, on another thread */
		_exit(1);
	}
	close(said[1]);
	*acknowledged = read(said[0], &byte, 1) == 1;
	close(said[0]);
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool count(void *ctx, const struct store_cert *cert)
{
	(void)cert;
	++*(size_t *)ctx;
	return true;
}

static void die(struct world *w, const char *when, const char *step)
{
	char id[37], csr[2048], body[2300], target[128], place[64];
	size_t events, certs = 0, before = 0, more;
	bool killed, acknowledged;
	struct errbuf eb = { "" };
	struct answer a;

	snprintf(place, sizeof(place), "%s:%s", when, step);
	world_start(w);
	make_device(w, "mortal", id);
	make_csr(id, csr);
	events = count_events(w);
	if (store_cert_list(w->store, 1, NULL, count, &before, NULL) != OK)
		abort();
	world_stop(w);
	snprintf(target, sizeof(target), "/iot/v2/devices/%s/certs", id);
	snprintf(body, sizeof(body), "{\"csr\":\"%s\",\"enabled\":true}", csr);
	killed = issue_and_die(w, place, target, body, &acknowledged);
	world_start(w);
	if (store_cert_list(w->store, 1, NULL, count, &certs, NULL) != OK)
		abort();
	more = count_events(w) - events;
	ok(killed && more == certs - before && more <= 1 && (!acknowledged || more == 1),
	    "%s: killed, %zu issued, whole", place, more);
	a = issue(w, target, body);
	ok(a.status == 201 && text_of(&a, "id")[0], "%s: the same request ends well", place);
	answer_free(&a);
	certs = 0;
	if (store_cert_list(w->store, 1, NULL, count, &certs, NULL) != OK)
		abort();
	ok(certs == before + 1 && store_check(w->store, &eb) == OK, "%s: one certificate (%s)",
	    place, eb.text);
	world_stop(w);
}

int main(void)
{
	static const char *const whens[] = { "before", "inside", "after" };
	struct world w;

	world_open(&w);
	world_stop(&w);
	for (size_t step = 0; step < SERVER_STEPS; step++)
		for (size_t when = 0; when < COUNT(whens); when++)
			die(&w, whens[when], server_steps[step]);
	world_start(&w);
	world_close(&w);
	return done_testing();
}
