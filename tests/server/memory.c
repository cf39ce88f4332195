/*
 * The n-th allocation fails, for every n of a request: it is refused in order, nothing of it is in the
 * registry, and the same request succeeds afterwards.
 */
#include "faults.h"
#include "tap.h"
#include "world.h"

struct watch {
	long n;
	bool reached;
};

static void begin(void *ctx)
{
	const struct watch *watch = ctx;

	faults_begin(FAULT_MEMORY, watch->n);
}

static void end(void *ctx)
{
	struct watch *watch = ctx;

	watch->reached = faults_end();
}

static void sweep(struct world *w, const char *name, const char *method, const char *target,
    const char *body, int status)
{
	static struct watch watch;
	size_t before = count_events(w), failed = 0, wrong = 0;
	int last;

	watch = (struct watch){ .n = 0 };
	do {
		struct answer a;

		w->watching = &watch;
		w->begins = begin;
		w->ends = end;
		a = ask(w, method, target, body);
		w->begins = w->ends = NULL;
		w->watching = NULL;
		last = a.status;
		if (watch.reached && a.status != status) {
			failed++;
			/* Without memory for a body there is a status at least. */
			wrong +=
			    a.status < 500 || (a.n > 0 && !a.json) || count_events(w) != before;
		} else {
			before = count_events(w);
		}
		answer_free(&a);
		watch.n++;
	} while (watch.reached && watch.n < 1000);
	ok(last == status && wrong == 0 && failed > 0 && watch.n < 1000,
	    "%s: %ld allocations, %zu refusals, %zu of them wrong; then %d", name, watch.n - 1,
	    failed, wrong, last);
}

int main(void)
{
	char id[37], csr[2048], body[2300], target[128];
	struct world w;

	world_open(&w);
	make_device(&w, "poor", id);
	sweep(&w, "a new device", "PUT", "/iot/v2/devices", "{\"type\":\"opta\"}", 201);
	sweep(&w, "a list", "GET", "/iot/v2/devices", NULL, 200);
	snprintf(target, sizeof(target), "/iot/v2/devices/%s/certs", id);
	make_csr(id, csr);
	snprintf(body, sizeof(body), "{\"csr\":\"%s\",\"enabled\":true}", csr);
	sweep(&w, "a certificate", "PUT", target, body, 201);
	sweep(&w, "its list", "GET", target, NULL, 200);
	snprintf(target, sizeof(target), "/v1/devices/%s:disable", id);
	sweep(&w, "disabled", "POST", target, "{\"reason\":\"lost\"}", 200);
	snprintf(target, sizeof(target), "/v1/devices/%s:revoke", id);
	sweep(&w, "revoked", "POST", target, "{\"reason\":\"keyCompromise\"}", 200);
	snprintf(target, sizeof(target), "/v1/devices/%s", id);
	sweep(&w, "in detail", "GET", target, NULL, 200);
	sweep(&w, "the brokers", "GET", "/v1/brokers", NULL, 200);
	sweep(&w, "metrics", "GET", "/metrics", NULL, 200);
	world_close(&w);
	return done_testing();
}
