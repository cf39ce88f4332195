/* GET /metrics: what the server counts, in the text format of Prometheus (version 0.0.4). */
#include "call.h"
#include "inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct measures {
	struct http_stats http;
	struct store_stats store;
	struct inbox_stats inbox;
	struct responder_stats dialogue;
	uint64_t answers[API_CLASSES], issued, seq;
	size_t online;
	unsigned watchers;
	int64_t now;
	struct broker_state brokers[BROKERS_MAX];
	size_t brokers_n;
};

static bool take_broker(void *ctx, const struct broker_state *broker)
{
	struct measures *m = ctx;

	m->brokers[m->brokers_n++] = *broker;
	return m->brokers_n < BROKERS_MAX;
}

static enum err measure(struct call *c, struct measures *m)
{
	const struct api_parts *parts = api_parts(c->api);
	uint64_t visit = 0;

	memset(m, 0, sizeof(*m));
	m->now = api_now(c->api);
	if (parts->http)
		http_server_stats(parts->http, &m->http);
	store_stats(api_registry(c->api), &m->store);
	api_counted(c->api, m->answers, &m->issued);
	api_inbox(c->api, &m->inbox);
	responder_stats(parts->responder, &m->dialogue);
	m->online = parts->presences ? presence_count(parts->presences) : 0;
	m->watchers = watchers_count(parts->watchers);
	brokers_each(parts->brokers, take_broker, m);
	return store_numbers(api_registry(c->api), c->tenant, &m->seq, &visit, &c->eb);
}

/* HELP and TYPE stand once, before the first sample of their name. */
static void put(FILE *f, const char **before, const char *name, const char *kind, const char *help)
{
	if (*before && strcmp(*before, name) == 0)
		return;
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
	*before = name;
}

static void put_all(FILE *f, const struct measures *m)
{
	const char *before = NULL;

#define METRIC(metric, label, kind, help, value)                                                   \
	put(f, &before, metric, kind, help);                                                       \
	fprintf(f, "%s%s %lld\n", metric, label, (long long)(value));
#include "metrics.def"
}

static const char *const reasons[] = {
#define REASON(name, word, text) word,
#include "reasons.def"
#undef REASON
};

/* Their names are letters, digits, dots and dashes: nothing to escape. */
static void put_brokers(FILE *f, const struct measures *m)
{
	const char *before = NULL;

#define BROKER_METRIC(metric, kind, help, value)                                                   \
	for (const struct broker_state *b = m->brokers; b < m->brokers + m->brokers_n; b++) {      \
		put(f, &before, metric, kind, help);                                               \
		fprintf(f, "%s{broker=\"%s\"} %lld\n", metric, b->name, (long long)(value));       \
	}
#define BROKER_REASON_METRIC(metric, kind, help, value)                                            \
	for (const struct broker_state *b = m->brokers; b < m->brokers + m->brokers_n; b++)        \
		for (unsigned reason = 0; reason < BROKERS_REASONS; reason++) {                    \
			put(f, &before, metric, kind, help);                                       \
			fprintf(f, "%s{broker=\"%s\",reason=\"%s\"} %lld\n", metric, b->name,      \
			    reason == BROKERS_REASON_ADMIT ? "other" : reasons[reason],            \
			    (long long)(value));                                                   \
		}
#include "metrics.def"
}

static enum err print(struct call *c, const struct measures *m, char **text, size_t *n)
{
	FILE *f = open_memstream(text, n);

	if (!f)
		return err_set(&c->eb, ERR_MEMORY, "no memory for the metrics");
	put_all(f, m);
	put_brokers(f, m);
	if (fclose(f) == 0)
		return OK;
	free(*text);
	return err_set(&c->eb, ERR_MEMORY, "no memory for the metrics");
}

enum err metrics_show(struct call *c)
{
	struct measures *m = malloc(sizeof(*m));
	char *text = NULL;
	size_t n = 0;
	enum err e;

	if (!m)
		return err_set(&c->eb, ERR_MEMORY, "no memory for the metrics");
	if ((e = measure(c, m)) == OK && (e = print(c, m, &text, &n)) == OK)
		answer_text(c, "text/plain; version=0.0.4; charset=utf-8", text, n);
	free(m);
	return e;
}
