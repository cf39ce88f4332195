#include "world.h"

#include "csr.h"
#include "p256.h"
#include "sha256.h"
#include "text.h"
#include "utc.h"
#include "uuid.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HEADERS_MAX 16

/* --- the exchange, without a server --- */

struct asked {
	struct http_exchange x; /* first */
	struct http_request request;
	char *path, *query, *headers;
	struct {
		const char *name, *value;
	} header[HEADERS_MAX];
	size_t header_n;
	char added[512];
	pthread_mutex_t lock;
	pthread_cond_t done;
	int answers;
	struct http_stream *stream;
};

static void need(bool what, const char *why)
{
	if (what)
		return;
	printf("Bail out! %s\n", why);
	exit(1);
}

const char *http_header(const struct http_exchange *x, const char *name)
{
	const struct asked *a = (const struct asked *)x;

	for (size_t i = 0; i < a->header_n; i++)
		if (strcasecmp(a->header[i].name, name) == 0)
			return a->header[i].value;
	return NULL;
}

enum err http_header_add(struct http_exchange *x, const char *name, const char *value)
{
	struct asked *a = (struct asked *)x;
	size_t n = strlen(a->added);

	snprintf(a->added + n, sizeof(a->added) - n, "%s: %s\n", name, value);
	return OK;
}

void http_answer(struct http_exchange *x)
{
	struct asked *a = (struct asked *)x;

	pthread_mutex_lock(&a->lock);
	a->answers++;
	pthread_cond_signal(&a->done);
	pthread_mutex_unlock(&a->lock);
}

static char *copy(const char *text)
{
	char *p = strdup(text);

	need(p, "memory");
	return p;
}

/* --- answers that go on --- */

struct http_stream {
	pthread_mutex_t lock;
	unsigned holders;
	char *text;
	size_t n, room;
	bool gone, ended;
};

struct http_stream *http_answer_stream(struct http_exchange *x)
{
	struct asked *a = (struct asked *)x;
	struct http_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->holders = 2;
	s->room = HTTP_STREAM_MAX;
	a->stream = s;
	http_answer(x);
	return s;
}

enum err http_stream_send(struct http_stream *s, struct slice part)
{
	enum err e = OK;

	pthread_mutex_lock(&s->lock);
	if (s->gone || s->ended) {
		e = ERR_IO;
	} else if (part.n > s->room) {
		s->gone = true;
		e = ERR_SPACE;
	} else {
		s->text = realloc(s->text, s->n + part.n + 1);
		need(s->text, "memory");
		if (part.n > 0)
			memcpy(s->text + s->n, part.p, part.n);
		s->text[s->n += part.n] = '\0';
	}
	pthread_mutex_unlock(&s->lock);
	return e;
}

size_t http_stream_room(struct http_stream *s)
{
	size_t room;

	pthread_mutex_lock(&s->lock);
	room = s->gone || s->ended ? 0 : s->room;
	pthread_mutex_unlock(&s->lock);
	return room;
}

static void let_go(struct http_stream *s)
{
	bool last;

	pthread_mutex_lock(&s->lock);
	s->ended = true;
	last = --s->holders == 0;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->text);
	free(s);
}

void http_stream_end(struct http_stream *s)
{
	if (s)
		let_go(s);
}

char *stream_text(struct http_stream *s)
{
	char *text;

	pthread_mutex_lock(&s->lock);
	text = copy(s->text ? s->text : "");
	pthread_mutex_unlock(&s->lock);
	return text;
}

bool stream_says(struct http_stream *s, const char *text)
{
	bool said = false;

	for (int i = 0; i < 2000 && !said; i++) {
		char *all = stream_text(s);

		said = strstr(all, text) != NULL;
		free(all);
		if (!said)
			usleep(5000);
	}
	return said;
}

void stream_room(struct http_stream *s, size_t room)
{
	pthread_mutex_lock(&s->lock);
	s->room = room;
	pthread_mutex_unlock(&s->lock);
}

void stream_leave(struct http_stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->gone = true;
	pthread_mutex_unlock(&s->lock);
}

bool stream_ended(struct http_stream *s)
{
	bool ended = false;

	for (int i = 0; i < 2000 && !ended; i++) {
		pthread_mutex_lock(&s->lock);
		ended = s->ended;
		pthread_mutex_unlock(&s->lock);
		if (!ended)
			usleep(5000);
	}
	return ended;
}

void http_server_stats(const struct http_server *server, struct http_stats *stats)
{
	(void)server;
	*stats = (struct http_stats){ .connections = 3, .requests = 7, .open = 1 };
}

/* --- brokers, without any --- */

struct reaching {
	brokers_done *done;
	void *ctx;
	unsigned reached;
	const char *waiting;
};

static void *reach_later(void *ctx)
{
	struct reaching *r = ctx;

	r->done(r->ctx, r->reached, r->waiting);
	free(r);
	return NULL;
}

void brokers_reach(
    struct brokers *b, uint64_t seq, unsigned limit_ms, brokers_done *done, void *ctx)
{
	struct reaching *r;
	pthread_t thread;

	need(limit_ms <= BROKERS_REACH_MS, "the limit");
	if (!b) {
		done(ctx, 0, "");
		return;
	}
	b->seq = seq;
	b->asked++;
	b->limit_ms = limit_ms;
	if (!b->later) {
		done(ctx, b->reached, b->waiting);
		return;
	}
	need((r = calloc(1, sizeof(*r))), "memory");
	*r = (struct reaching){ done, ctx, b->reached, b->waiting };
	need(pthread_create(&thread, NULL, reach_later, r) == 0, "a thread");
	pthread_detach(thread);
}

void brokers_each(
    struct brokers *b, bool (*each)(void *ctx, const struct broker_state *broker), void *ctx)
{
	for (size_t i = 0; b && i < b->n; i++)
		if (!each(ctx, &b->at[i]))
			break;
}

enum err brokers_forget(
    struct brokers *b, const char *name, struct store_change *change, struct errbuf *eb)
{
	size_t i = 0;

	while (b && i < b->n && strcmp(b->at[i].name, name) != 0)
		i++;
	if (!b || i == b->n)
		return err_set(eb, ERR_NOT_FOUND, "unknown");
	if (b->at[i].speaks)
		return err_set(eb, ERR_CONFLICT, "connected");
	need(b->forgets[0] == '\0', "the one before is settled");
	snprintf(b->forgets, sizeof(b->forgets), "%s", name);
	store_setting_put(change, "brokers", "those that are left\n");
	return OK;
}

void brokers_forgotten(struct brokers *b, const char *name, enum err e)
{
	need(strcmp(b->forgets, name) == 0, "settled once");
	b->forgets[0] = '\0';
	b->forgotten += e == OK;
	b->kept += e != OK;
}

uint64_t brokers_seq(struct brokers *b)
{
	return b ? 4711 : 0;
}

enum presence presence_of(struct presences *p, const uint8_t device[16], struct presence_now *now)
{
	(void)device;
	if (p && p->presence == PRESENCE_ONLINE && now)
		*now = p->now;
	return p ? p->presence : PRESENCE_UNHEARD;
}

size_t presence_count(struct presences *p)
{
	return p && p->presence == PRESENCE_ONLINE;
}

void world_brokers(struct world *w)
{
	struct api_parts parts = { .brokers = &w->brokers,
		.presences = &w->presences,
		.watchers = w->watchers,
		.http = (struct http_server *)w }; /* nobody looks into it */

	w->brokers = (struct brokers){ .reached = 1, .waiting = "" };
	w->presences = (struct presences){ .presence = PRESENCE_UNHEARD };
	api_parts_set(w->api, &parts);
}

static void take_headers(struct asked *a)
{
	char *rest = a->headers, *line;

	while ((line = strsep(&rest, "\n")) != NULL && *line) {
		char *colon = strstr(line, ": ");

		need(colon && a->header_n < HEADERS_MAX, "a header of the test");
		*colon = '\0';
		a->header[a->header_n].name = line;
		a->header[a->header_n++].value = colon + 2;
	}
}

struct answer ask_with(
    struct world *w, const char *method, const char *target, const char *headers, struct slice body)
{
	struct asked a = {
		.request = { .method = method, .body = body, .peer = "192.0.2.7", .tls = true },
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.done = PTHREAD_COND_INITIALIZER
	};
	struct answer answer = { .status = 0 };
	size_t path_n = strcspn(target, "?");

	a.path = copy(target);
	a.path[path_n] = '\0';
	a.query = copy(target[path_n] ? target + path_n + 1 : "");
	a.headers = copy(headers);
	a.request.path = a.path;
	a.request.query = a.query;
	a.x.request = &a.request;
	take_headers(&a);
	if (w->begins)
		w->begins(w->watching);
	api_handle(w->api, &a.x);
	pthread_mutex_lock(&a.lock);
	while (a.answers == 0)
		pthread_cond_wait(&a.done, &a.lock);
	pthread_mutex_unlock(&a.lock);
	if (w->ends)
		w->ends(w->watching);
	need(a.answers == 1, "answered twice");
	answer.status = a.x.response.status;
	snprintf(
	    answer.type, sizeof(answer.type), "%s", a.x.response.type ? a.x.response.type : "");
	memcpy(answer.headers, a.added, sizeof(answer.headers));
	answer.stream = a.stream;
	answer.n = a.x.response.n;
	answer.body = calloc(1, answer.n + 1);
	need(answer.body, "memory");
	if (answer.n)
		memcpy(answer.body, a.x.response.body, answer.n);
	answer.json = json_loadb(answer.body, answer.n, JSON_REJECT_DUPLICATES, NULL);
	free(a.x.response.body);
	free(a.path);
	free(a.query);
	free(a.headers);
	pthread_mutex_destroy(&a.lock);
	pthread_cond_destroy(&a.done);
	return answer;
}

struct answer ask(struct world *w, const char *method, const char *target, const char *body)
{
	char headers[256];

	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\nX-Organization: %s\n%s",
	    w->token, w->organization, body ? "Content-Type: application/json\n" : "");
	return ask_with(w, method, target, headers,
	    (struct slice){ (const uint8_t *)(body ? body : ""), body ? strlen(body) : 0 });
}

void answer_free(struct answer *a)
{
	http_stream_end(a->stream);
	json_decref(a->json);
	free(a->body);
	*a = (struct answer){ .status = 0 };
}

const char *text_of(const struct answer *a, const char *path)
{
	json_t *at = a->json;
	const char *text;

	while (at && *path) {
		char part[64];
		size_t n = strcspn(path, ".");

		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		at = json_is_array(at) ? json_array_get(at, strtoul(part, NULL, 10))
		                       : json_object_get(at, part);
		path += n + (path[n] == '.');
	}
	text = json_string_value(at);
	return text ? text : "";
}

/* --- the world --- */

static int64_t clock_of(void *ctx)
{
	struct world *w = ctx;

	return w->now_ms ? w->now_ms : utc_now_ms();
}

static enum err ready_of(void *ctx, struct errbuf *eb)
{
	struct world *w = ctx;

	return w->not_ready == OK ? OK : err_set(eb, w->not_ready, "the test says so");
}

static void log_of(void *ctx, const char *id, int status, const char *why)
{
	struct world *w = ctx;

	snprintf(w->logged, sizeof(w->logged), "%s %d %s", id, status, why);
}

static void prepare_of(void *ctx, struct store_change **changes, size_t n)
{
	api_prepare(((struct world *)ctx)->api, changes, n);
}

static void committed_of(void *ctx, uint32_t tenant, uint64_t seq, uint64_t visit)
{
	watchers_committed(((struct world *)ctx)->watchers, tenant, seq, visit);
}

/* Once there is somebody whose events they are. */
static void watch_begin(struct world *w)
{
	struct watchers_options watching = { .store = w->store, .tenant = 1, .log = &w->log };
	struct api_parts parts = { .watchers = NULL };
	struct store_tenant tenant;
	struct errbuf eb = { "" };

	if (store_tenant_first(w->store, &tenant, &eb) != OK)
		return;
	w->log = (struct log)LOG_TO(2, LOG_LEVEL_ERROR, false);
	need(watchers_start(&watching, &w->watchers, &eb) == OK, eb.text);
	parts.watchers = w->watchers;
	api_parts_set(w->api, &parts);
}

static void inbox_of(void *ctx, struct inbox_stats *stats)
{
	*stats = ((struct world *)ctx)->inbox;
}

void world_start(struct world *w)
{
	struct signer_options signing = { .now_ms = clock_of, .ctx = w };
	struct api_options options = { .authority = 1,
		.version = "test",
		.now_ms = clock_of,
		.ctx = w,
		.ready = ready_of,
		.log = log_of,
		.inbox = inbox_of };
	struct store_options storing = {
		.prepare = prepare_of, .committed = committed_of, .ctx = w
	};
	struct errbuf eb = { "" };
	char path[64];

	snprintf(path, sizeof(path), "%s/ca", w->folder);
	need(ca_open(path, &signing, &w->ca, &eb) == OK, eb.text);
	options.ca = w->ca;
	need(api_new(&options, &w->api, &eb) == OK, eb.text);
	snprintf(path, sizeof(path), "%s/imprint.db", w->folder);
	need(store_open(path, &storing, &w->store, &eb) == OK, eb.text);
	api_store(w->api, w->store);
	watch_begin(w);
}

void world_stop(struct world *w)
{
	watchers_stop(w->watchers);
	store_close(w->store);
	api_free(w->api);
	watchers_free(w->watchers);
	w->watchers = NULL;
	ca_free(w->ca);
}

static void found(struct world *w)
{
	struct store_tenant tenant = { .id = 1, .name = "test", .demo = true, .created = 1 };
	struct store_principal client = {
		.kind = "client", .role = "admin", .created = 1, .id = { 1, 2, 3, 4, 5, 6 }
	};
	struct store_authority authority = { .id = 1, .kind = "device-ca", .state = "active" };
	struct slice der = ca_certificate(w->ca);
	struct store_change *c = store_change_new(1);
	struct errbuf eb = { "" };

	need(c, "memory");
	strcpy(w->organization, "3c1f7d52-9b0e-4e6f-8a31-0d5b7c9e2f64");
	need(uuid_parse((struct slice){ (const uint8_t *)w->organization, 36 }, tenant.uuid) == OK,
	    "UUID");
	memcpy(w->tenant, tenant.uuid, 16);
	strcpy(w->client, "AbCdEfGhIjKlMnOpQrStUvWxYz012345");
	strcpy(w->secret, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01");
	strcpy(client.name, w->client);
	sha256((struct slice){ (const uint8_t *)w->secret, 64 }, client.secret);
	memcpy(w->principal, client.id, 16);
	memcpy(authority.key_id, ca_key_id(w->ca), 20);
	memcpy(authority.der, der.p, der.n);
	authority.n = (uint32_t)der.n;
	store_tenant_add(c, &tenant);
	store_principal_put(c, &client);
	store_authority_put(c, &authority);
	need(store_commit(w->store, c, &eb) == OK, eb.text);
}

void world_login(struct world *w)
{
	char form[256];
	struct answer a;

	snprintf(form, sizeof(form), "grant_type=client_credentials&client_id=%s&client_secret=%s",
	    w->client, w->secret);
	a = ask_with(w, "POST", "/iot/v1/clients/token",
	    "Content-Type: application/x-www-form-urlencoded\n",
	    (struct slice){ (const uint8_t *)form, strlen(form) });
	need(a.status == 200, a.body);
	snprintf(w->token, sizeof(w->token), "%s", text_of(&a, "access_token"));
	answer_free(&a);
}

void world_open(struct world *w)
{
	struct errbuf eb = { "" };
	char path[64];

	*w = (struct world){ .now_ms = 0 };
	strcpy(w->folder, "/tmp/imprint-api-XXXXXX");
	need(mkdtemp(w->folder), "no temporary folder");
	snprintf(path, sizeof(path), "%s/ca", w->folder);
	need(ca_create(path, utc_now(), &eb) == OK, eb.text);
	world_start(w);
	found(w);
	watch_begin(w);
	world_login(w);
}

void world_restart(struct world *w)
{
	world_stop(w);
	world_start(w);
}

void world_close(struct world *w)
{
	char command[64];

	world_stop(w);
	snprintf(command, sizeof(command), "rm -rf %s", w->folder);
	need(system(command) == 0, command);
}

/* --- what tests need again and again --- */

void make_csr(const char *cn, char text[2048])
{
	struct x509_name name = { .at = { { NULL, 0 } } };
	uint8_t buffer[1024], q[64];
	struct der_w w = der_writer(buffer, sizeof(buffer));
	struct p256_key *k = NULL;
	struct x509_signer signer;
	struct slice der;
	char pem[1500];
	size_t n = 0, m = 0;

	need(p256_key_generate(&k, NULL) == OK, "no key");
	p256_key_public(k, q);
	signer = p256_signer(k);
	name.at[X509_CN] = (struct slice){ (const uint8_t *)cn, strlen(cn) };
	need(csr_build(&name, q, &signer, &w) == OK && der_finish(&w, &der) == OK &&
	         pem_encode(der, "CERTIFICATE REQUEST", 76, pem, sizeof(pem), &n) == OK,
	    "no request");
	for (size_t i = 0; i < n; i++) {
		if (pem[i] == '\n') {
			text[m++] = '\\';
			text[m++] = 'n';
		} else {
			text[m++] = pem[i];
		}
	}
	text[m] = '\0';
	p256_key_free(k);
}

void make_device(struct world *w, const char *name, char id[37])
{
	char body[256];
	struct answer a;

	snprintf(body, sizeof(body), "{\"type\":\"mkrwifi1010\",\"name\":\"%s\"}", name);
	a = ask(w, "PUT", "/iot/v2/devices", body);
	need(a.status == 201, a.body);
	snprintf(id, 37, "%s", text_of(&a, "id"));
	answer_free(&a);
}

void make_cert(struct world *w, const char *device, char id[33])
{
	char csr[2048], body[2300], target[128];
	struct answer a;

	make_csr(device, csr);
	snprintf(body, sizeof(body), "{\"csr\":\"%s\",\"enabled\":true}", csr);
	snprintf(target, sizeof(target), "/iot/v2/devices/%s/certs", device);
	a = ask(w, "PUT", target, body);
	need(a.status == 201, a.body);
	snprintf(id, 33, "%s", text_of(&a, "id"));
	answer_free(&a);
}

static bool count_one(void *ctx, const struct store_event *event)
{
	(void)event;
	++*(size_t *)ctx;
	return true;
}

size_t count_events(struct world *w)
{
	size_t n = 0;

	need(store_event_list(w->store, 1, 1, count_one, &n, NULL) == OK, "events");
	return n;
}
