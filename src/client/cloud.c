#include "cloud_call.h"

#include "p256.h"
#include "text.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIMIT_MS 30000
#define CONNECT_MS 10000
#define POLL_MS 200
#define SILENT_SECONDS 45 /* of a stream, in which something comes every 15 */
#define STARTING_MS 3000  /* a server that refuses connections may be starting */
#define ANSWER_MAX (64u << 10)
#define LIST_ANSWER_MAX (256u << 20)
#define WAIT_FIRST_MS 200
#define WAIT_MAX_MS 5000
#define RENEW_SECONDS 30 /* before the token ends, or at half of its life */
#define AUDIENCE "https://api2.arduino.cc/iot"

double cloud_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- one connection --- */

enum err cloud_open(const struct cloud_options *o, struct cloud **out, struct errbuf *eb)
{
	struct cloud *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(eb, ERR_MEMORY, "no memory for a connection to the server");
	/* Counted by the library, and safe from any thread. */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(c);
		return err_set(eb, ERR_MEMORY, "libcurl cannot be used");
	}
	c->who = *o->credentials;
	c->limit_ms = o->limit_ms ? o->limit_ms : LIMIT_MS;
	c->stop_fd = o->stop_fd;
	snprintf(c->agent, sizeof(c->agent), "imprint/%s", o->version ? o->version : "0");
	if (!(c->curl = curl_easy_init())) {
		cloud_free(c);
		return err_set(eb, ERR_MEMORY, "no memory for a connection to the server");
	}
	*out = c;
	return OK;
}

void cloud_free(struct cloud *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->curl);
	curl_global_cleanup();
	wipe(&c->who, sizeof(c->who));
	wipe(&c->token, sizeof(c->token));
	free(c);
}

const char *cloud_server(const struct cloud *c)
{
	return c->who.server;
}

const char *cloud_library(void)
{
	return curl_version_info(CURLVERSION_NOW)->version;
}

/* --- one exchange --- */

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct call *call = ctx;
	size_t cap = call->cap ? call->cap : 4096;
	uint8_t *more;

	n *= size;
	curl_easy_getinfo(call->cloud->curl, CURLINFO_RESPONSE_CODE, &call->status);
	if (call->take && call->status == 200)
		return call->take(call->ctx, (struct slice){ (uint8_t *)p, n }) ? n : 0;
	if (n > call->max - call->n) {
		call->too_large = true;
		return 0;
	}
	while (cap < call->n + n)
		cap *= 2;
	if (cap != call->cap) {
		if (!(more = realloc(call->answer, cap)))
			return 0;
		call->answer = more;
		call->cap = cap;
	}
	memcpy(call->answer + call->n, p, n);
	call->n += n;
	return n;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct call *call = ctx;
	struct pollfd stop = { .fd = call->cloud->stop_fd, .events = POLLIN };

	(void)a, (void)b, (void)c, (void)d;
	call->stopped = stop.fd >= 0 && poll(&stop, 1, 0) > 0;
	return call->stopped;
}

static double left_ms(const struct call *call)
{
	return call->cloud->limit_ms - (cloud_now() - call->began) * 1e3;
}

/* Each gets a line; false when there is no memory. */
__attribute__((format(printf, 2, 3))) static bool header(
    struct curl_slist **list, const char *fmt, ...)
{
	char line[CLOUD_TOKEN_MAX + 64];
	struct curl_slist *more;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	more = curl_slist_append(*list, line);
	wipe(line, sizeof(line));
	if (more)
		*list = more;
	return more;
}

/* The library frees its copies without wiping them: the token in one is worth little by then. */
static void headers_free(struct curl_slist *list)
{
	for (struct curl_slist *at = list; at; at = at->next)
		wipe(at->data, strlen(at->data));
	curl_slist_free_all(list);
}

static bool headers_make(const struct call *call, struct curl_slist **list)
{
	const struct cloud *c = call->cloud;

	return header(list, "Accept: %s", call->take ? "text/event-stream" : "application/json") &&
	       (!call->last || header(list, "Last-Event-ID: %s", call->last)) &&
	       header(list, "X-Organization: %s", c->who.organization) &&
	       (!call->type || header(list, "Content-Type: %s", call->type)) &&
	       header(list, "Expect:") &&
	       (!call->key[0] || header(list, "Idempotency-Key: %s", call->key)) &&
	       (!call->bearer || header(list, "Authorization: Bearer %s", c->token.text));
}

static bool is_loopback(const char *server)
{
	static const char *const here[] = { "https://localhost", "https://127.", "https://[::1]" };

	for (size_t i = 0; i < COUNT(here); i++)
		if (strncmp(server, here[i], strlen(here[i])) == 0)
			return true;
	return false;
}

static bool options_set(struct call *call, const char *url, struct curl_slist *headers)
{
	struct cloud *c = call->cloud;
	CURL *h = c->curl;
	double left = left_ms(call);
	bool fine = true;

	curl_easy_reset(h); /* connections and sessions stay */
#define SET(option, value) fine = fine && curl_easy_setopt(h, option, value) == CURLE_OK
	SET(CURLOPT_URL, url);
	SET(CURLOPT_PATH_AS_IS, 1L); /* a name may be ".." */
	SET(CURLOPT_CUSTOMREQUEST, call->method);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	/* SIGPIPE, which OpenSSL's writes can raise, is ignored meanwhile; SIGALRM is not used (AsynchDNS). */
	SET(CURLOPT_NOSIGNAL, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (c->who.ca[0]) { /* and nothing of what the system trusts */
		SET(CURLOPT_CAINFO, c->who.ca);
		SET(CURLOPT_CAPATH, (const char *)NULL);
	}
	if (is_loopback(c->who.server)) /* whatever the environment says about proxies */
		SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_USERAGENT, c->agent);
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_ERRORBUFFER, c->said);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(left < CONNECT_MS ? left : CONNECT_MS));
	if (call->take) { /* it has no end, but it is never silent for long */
		SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
		SET(CURLOPT_LOW_SPEED_TIME, (long)SILENT_SECONDS);
	} else {
		SET(CURLOPT_TIMEOUT_MS, (long)left);
	}
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, call);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, call);
	SET(CURLOPT_NOPROGRESS, 0L);
	if (call->body) {
		SET(CURLOPT_POSTFIELDS, call->body);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(call->body));
		SET(CURLOPT_CUSTOMREQUEST, call->method);
	}
#undef SET
	return fine;
}

/* What the library says is for people, but not always one line. */
static enum err failed(struct call *call, CURLcode code, struct errbuf *eb)
{
	struct cloud *c = call->cloud;

	c->said[strcspn(c->said, "\r\n")] = 0;
	if (call->stopped)
		return err_set(eb, ERR_TIMEOUT, "interrupted");
	if (call->too_large)
		return err_set(eb, ERR_FORMAT, "%s: an answer of more than %zu bytes",
		    c->who.server, call->max);
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
	case CURLE_WRITE_ERROR:
		return err_set(eb, ERR_MEMORY, "no memory for the server's answer");
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(eb, ERR_TIMEOUT, "%s: no answer in time", c->who.server);
	case CURLE_COULDNT_CONNECT:
		return err_set(eb, ERR_IO, "%s: no answer; does the server run? (%s)",
		    c->who.server, c->said[0] ? c->said : curl_easy_strerror(code));
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(eb, ERR_NOT_FOUND,
		    "%s, named as `ca` in %s: missing, or no certificate", c->who.ca, c->who.file);
	case CURLE_PEER_FAILED_VERIFICATION:
		return err_set(eb, ERR_IO, "%s is not the server of these credentials: %s",
		    c->who.server, c->said);
	default:
		return err_set(eb, ERR_IO, "%s: %s", c->who.server,
		    c->said[0] ? c->said : curl_easy_strerror(code));
	}
}

/* What a server does that is being started again, and a network that has gone for a while. */
static bool is_loss(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_SSL_CONNECT_ERROR:
		return true;
	default:
		return false;
	}
}

/* What ends a stream from our side. */
static bool is_over(struct call *call, const struct curl_waitfd *stop)
{
	call->stopped = call->stopped || stop->revents != 0;
	call->over = call->until > 0 && cloud_now() >= call->until;
	return call->stopped || call->over;
}

/* Also while nothing comes the stop descriptor is heard at once, which curl_easy_perform does not do. */
static CURLcode perform_stream(struct call *call)
{
	struct curl_waitfd stop = { .fd = call->cloud->stop_fd, .events = CURL_WAIT_POLLIN };
	unsigned n = call->cloud->stop_fd >= 0;
	CURLM *multi = curl_multi_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;
	int running = 1, left;
	CURLMsg *said;

	if (!multi || curl_multi_add_handle(multi, call->cloud->curl) != CURLM_OK)
		goto out;
	while (running > 0 && curl_multi_perform(multi, &running) == CURLM_OK) {
		if (running > 0 && (is_over(call, &stop) ||
		                       curl_multi_poll(multi, &stop, n, POLL_MS, NULL) != CURLM_OK))
			break;
	}
	while ((said = curl_multi_info_read(multi, &left)) != NULL)
		code = said->msg == CURLMSG_DONE ? said->data.result : code;
	code = call->stopped || call->over ? CURLE_ABORTED_BY_CALLBACK : code;
	curl_multi_remove_handle(multi, call->cloud->curl);
out:
	curl_multi_cleanup(multi);
	return code;
}

const char *cloud_waiting(const struct cloud *c)
{
	return c->waiting;
}

static void take_waiting(struct cloud *c)
{
	struct curl_header *h;

	c->waiting[0] = 0;
	if (curl_easy_header(c->curl, "Imprint-Brokers", 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
		answer_waiting(
		    (struct slice){ (const uint8_t *)h->value, strlen(h->value) }, c->waiting);
}

/* Once to the server and back. OK with any status. */
static enum err exchange(struct call *call, CURLcode *code, struct errbuf *eb)
{
	struct cloud *c = call->cloud;
	struct curl_slist *headers = NULL;
	char url[CLOUD_URL_MAX];
	curl_off_t wait = 0;
	enum err e;

	call->n = 0;
	call->status = 0;
	call->retry_after = -1;
	c->said[0] = 0;
	*code = CURLE_OK;
	if (left_ms(call) < 1)
		return err_set(eb, ERR_TIMEOUT, "%s: no answer in time", c->who.server);
	if (snprintf(url, sizeof(url), "%s%s", c->who.server, call->path) >= (int)sizeof(url))
		return err_set(eb, ERR_ARG, "a request of more than %d bytes", CLOUD_URL_MAX);
	if (!headers_make(call, &headers) || !options_set(call, url, headers)) {
		e = err_set(eb, ERR_MEMORY, "no memory for a request");
	} else {
		*code = call->take ? perform_stream(call) : curl_easy_perform(c->curl);
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &call->status);
		/* 0 also when there was none. */
		curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &wait);
		call->retry_after = wait > 0 ? (double)wait : -1;
		take_waiting(c);
		e = *code == CURLE_OK ? OK : failed(call, *code, eb);
		c->passing =
		    *code == CURLE_OK ? call->status == 429 || call->status >= 500 : is_loss(*code);
	}
	/* Nothing of ours is looked at once it is gone. */
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, (struct curl_slist *)NULL);
	headers_free(headers);
	return e;
}

/* --- again, and again --- */

bool cloud_sleep(const struct cloud *c, double ms)
{
	struct pollfd stop = { .fd = c->stop_fd, .events = POLLIN };
	double until = cloud_now() + ms / 1e3, left;

	while ((left = (until - cloud_now()) * 1e3) > 0) {
		int ready = poll(&stop, stop.fd >= 0, (int)left + 1);

		if (ready > 0 || (ready < 0 && errno != EINTR))
			return false;
	}
	return true;
}

double cloud_spread(double ms)
{
	uint8_t r = 0;

	if (random_bytes(&r, 1) != OK)
		r = 128;
	return ms * (0.75 + r / 512.0);
}

/* How long to wait before the next try; negative: there is none. */
static double pause_ms(const struct call *call, CURLcode code, unsigned tries)
{
	double ms = WAIT_FIRST_MS * (double)(1u << (tries < 6 ? tries : 6));

	ms = cloud_spread(ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS);
	if (code == CURLE_COULDNT_CONNECT)
		return (cloud_now() - call->began) * 1e3 + ms < STARTING_MS ? ms : -1;
	if (code != CURLE_OK || (call->status != 429 && call->status != 503))
		return -1;
	if (call->retry_after > 0)
		ms = call->retry_after * 1e3;
	return ms < left_ms(call) ? ms : -1;
}

static enum err exchange_patiently(struct call *call, struct errbuf *eb)
{
	CURLcode code;
	enum err e;

	for (unsigned tries = 0;; tries++) {
		double ms;

		e = exchange(call, &code, eb);
		if ((ms = pause_ms(call, code, tries)) < 0 || left_ms(call) < ms)
			return e;
		if (!cloud_sleep(call->cloud, ms))
			return err_set(eb, ERR_TIMEOUT, "interrupted");
	}
}

static enum err status_err(long status)
{
	static const struct {
		long status;
		enum err err;
	} table[] = { { 400, ERR_FORMAT }, { 401, ERR_DENIED }, { 403, ERR_DENIED },
		{ 404, ERR_NOT_FOUND }, { 408, ERR_TIMEOUT }, { 409, ERR_CONFLICT },
		{ 410, ERR_NOT_FOUND }, { 412, ERR_CONFLICT }, { 413, ERR_FORMAT },
		{ 422, ERR_FORMAT }, { 504, ERR_TIMEOUT } };

	if (status >= 200 && status < 300)
		return OK;
	for (size_t i = 0; i < COUNT(table); i++)
		if (table[i].status == status)
			return table[i].err;
	return ERR_IO; /* also redirects: nobody may send us and our token elsewhere */
}

static enum err status_check(const struct call *call, struct errbuf *eb)
{
	const struct cloud *c = call->cloud;
	enum err e = status_err(call->status);
	char said[ANSWER_ERROR_MAX + 1];

	if (e == OK)
		return OK;
	answer_error((struct slice){ call->answer, call->n }, said);
	if (call->status >= 300 && call->status < 400)
		return err_set(eb, e, "%s sends us elsewhere (%ld)", c->who.server, call->status);
	return err_set(eb, e, "%s: %s%s(%ld)", c->who.server,
	    said[0]               ? said
	    : call->status == 503 ? "not ready"
	                          : "refused",
	    said[0] ? " " : " ", call->status);
}

/* --- token --- */

static enum err token_fetch(struct cloud *c, double began, struct errbuf *eb)
{
	char form[512];
	struct call call = { .cloud = c,
		.method = "POST",
		.path = "/iot/v1/clients/token",
		.body = form,
		.type = "application/x-www-form-urlencoded",
		.max = ANSWER_MAX,
		.began = began };
	enum err e;

	c->token_until = 0;
	/* Letters and digits alone (credentials.h): nothing needs an escape. */
	snprintf(form, sizeof(form),
	    "grant_type=client_credentials&client_id=%s&client_secret=%s&organization_id=%s"
	    "&audience=" AUDIENCE,
	    c->who.client, c->who.secret, c->who.organization);
	if ((e = exchange_patiently(&call, eb)) == OK &&
	    (e = status_check(&call, eb)) == ERR_DENIED)
		err_set(eb, e, "%s does not know the credentials in %s (%ld)", c->who.server,
		    c->who.file[0] ? c->who.file : "use", call.status);
	if (e == OK &&
	    (e = answer_token((struct slice){ call.answer, call.n }, &c->token, eb)) != OK)
		err_within(eb, e, "%s: token", c->who.server);
	if (e == OK) {
		double life = c->token.seconds ? c->token.seconds : 300;

		c->token_until =
		    cloud_now() + (life > 2 * RENEW_SECONDS ? life - RENEW_SECONDS : life / 2);
	}
	wipe(form, sizeof(form));
	if (call.answer)
		wipe(call.answer, call.cap);
	free(call.answer);
	return e;
}

enum err cloud_call(struct call *call, struct errbuf *eb)
{
	struct cloud *c = call->cloud;
	bool fresh = false;
	enum err e;

	call->began = cloud_now();
	if (!call->max)
		call->max = ANSWER_MAX;
	for (;;) {
		if (call->bearer && cloud_now() >= c->token_until) {
			if ((e = token_fetch(c, call->began, eb)) != OK)
				return e;
			fresh = true;
		}
		if ((e = exchange_patiently(call, eb)) != OK)
			return e;
		if (!call->bearer || call->status != 401 || fresh)
			return status_check(call, eb);
		c->token_until = 0;
	}
}

struct slice cloud_answer(const struct call *call)
{
	return (struct slice){ call->answer, call->n };
}

enum err cloud_answered(const struct call *call, enum err e, struct errbuf *eb)
{
	return e == OK ? OK
	               : err_within(
	                     eb, e, "%s: %s %s", call->cloud->who.server, call->method, call->path);
}

void cloud_key(char key[UUID_TEXT + 1])
{
	uint8_t b[16];

	key[0] = 0;
	if (random_bytes(b, sizeof(b)) != OK)
		return; /* without one it is as safe as other clients' requests are */
	uuid_mark(b, 4);
	uuid_text(b, key);
	key[UUID_TEXT] = 0;
}

enum err cloud_ready(struct cloud *c, struct errbuf *eb)
{
	struct call call = { .cloud = c, .method = "GET", .path = "/readyz" };
	enum err e = cloud_call(&call, eb);

	free(call.answer);
	return e;
}

enum err cloud_sign_in(struct cloud *c, struct errbuf *eb)
{
	return token_fetch(c, cloud_now(), eb);
}

/* --- devices --- */

#define DEVICES "/iot/v2/devices"
#define JSON_BODY "application/json"

/* It goes into a path, so it must be one. */
static enum err id_check(const char *id, struct errbuf *eb)
{
	uint8_t uuid[16];

	if (uuid_parse((struct slice){ (const uint8_t *)id, strlen(id) }, uuid) != OK)
		return err_set(eb, ERR_ARG, "'%.40s' is not a device id", id);
	return OK;
}

/* "/iot/v2/devices/ID" and what follows. */
__attribute__((format(printf, 4, 5))) static enum err path_make(
    const char *id, char path[256], struct errbuf *eb, const char *fmt, ...)
{
	size_t n;
	va_list ap;
	enum err e = id_check(id, eb);

	if (e != OK)
		return e;
	n = (size_t)snprintf(path, 256, DEVICES "/%s", id);
	va_start(ap, fmt);
	vsnprintf(path + n, 256 - n, fmt, ap);
	va_end(ap);
	return OK;
}

static char *change_print(const struct cloud_change *with)
{
	json_t *all =
	    json_pack("{s:s*,s:s*,s:s*,s:s*,s:s*}", "name", with->name, "type", with->type,
	        "serial", with->serial, "fqbn", with->fqbn, "connection_type", with->connection);
	char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;

	json_decref(all);
	return text;
}

/* Sends what is told about a device, and takes the device that comes back. */
static enum err device_send(
    struct call *call, const struct cloud_change *with, struct cloud_device *out, struct errbuf *eb)
{
	char *body = change_print(with);
	enum err e;

	if (!body) /* jansson takes nothing but UTF-8 */
		return err_set(eb, ERR_FORMAT, "name, serial or board: not UTF-8, or no memory");
	call->body = body;
	call->type = JSON_BODY;
	call->bearer = true;
	if ((e = cloud_call(call, eb)) == OK)
		e = cloud_answered(call, answer_device(cloud_answer(call), out, eb), eb);
	free(call->answer);
	free(body);
	return e;
}

enum err cloud_device_create(
    struct cloud *c, const struct cloud_change *with, struct cloud_device *out, struct errbuf *eb)
{
	struct call call = { .cloud = c, .method = "PUT", .path = DEVICES };

	cloud_key(call.key);
	return device_send(&call, with, out, eb);
}

enum err cloud_device_update(struct cloud *c, const char *id, const struct cloud_change *with,
    struct cloud_device *out, struct errbuf *eb)
{
	char path[256];
	struct call call = { .cloud = c, .method = "POST", .path = path };
	enum err e = path_make(id, path, eb, "%s", "");

	return e == OK ? device_send(&call, with, out, eb) : e;
}

enum err cloud_device_get(
    struct cloud *c, const char *id, struct cloud_device *out, struct errbuf *eb)
{
	char path[256];
	struct call call = { .cloud = c, .method = "GET", .path = path, .bearer = true };
	enum err e;

	if ((e = path_make(id, path, eb, "%s", "")) == OK && (e = cloud_call(&call, eb)) == OK)
		e = cloud_answered(&call, answer_device(cloud_answer(&call), out, eb), eb);
	free(call.answer);
	return e;
}

bool cloud_query_add(CURL *curl, char path[CLOUD_URL_MAX], const char *name, const char *value)
{
	char *escaped = curl_easy_escape(curl, value, 0);
	size_t n = strlen(path);
	bool fits;

	fits =
	    escaped && snprintf(path + n, CLOUD_URL_MAX - n, "%c%s=%s",
	                   strchr(path, '?') ? '&' : '?', name, escaped) < (int)(CLOUD_URL_MAX - n);
	curl_free(escaped);
	return fits;
}

enum err cloud_device_list(struct cloud *c, const struct cloud_filter *filter,
    struct cloud_devices *out, struct errbuf *eb)
{
	char path[CLOUD_URL_MAX] = DEVICES, tag[2 * CLOUD_WORD_MAX + 2];
	struct call call = {
		.cloud = c, .method = "GET", .path = path, .bearer = true, .max = LIST_ANSWER_MAX
	};
	bool fits = true;
	enum err e;

	if (filter && filter->serial)
		fits = cloud_query_add(c->curl, path, "serial", filter->serial);
	if (filter && filter->name && fits)
		fits = cloud_query_add(c->curl, path, "name", filter->name);
	for (size_t i = 0; filter && i < filter->n_tags && fits; i++) {
		snprintf(tag, sizeof(tag), "%s:%s", filter->tags[i].key, filter->tags[i].value);
		fits = cloud_query_add(c->curl, path, "tags", tag);
	}
	if (filter && filter->deleted && fits)
		fits = cloud_query_add(c->curl, path, "show_deleted", "true");
	if (!fits)
		return err_set(eb, ERR_ARG, "a filter of more than %d bytes", CLOUD_URL_MAX);
	if ((e = cloud_call(&call, eb)) == OK)
		e = cloud_answered(&call, answer_devices(cloud_answer(&call), out, eb), eb);
	free(call.answer);
	return e;
}

/* A request whose answer says nothing but that it was done. */
static enum err done(struct call *call, struct errbuf *eb)
{
	enum err e;

	call->bearer = true;
	e = cloud_call(call, eb);
	free(call->answer);
	return e;
}

enum err cloud_device_delete(struct cloud *c, const char *id, bool force, struct errbuf *eb)
{
	char path[256];
	struct call call = { .cloud = c, .method = "DELETE", .path = path };
	enum err e = path_make(id, path, eb, "%s", force ? "?force=true" : "");

	return e == OK ? done(&call, eb) : e;
}

enum err cloud_tag_set(
    struct cloud *c, const char *id, const struct cloud_tag *tag, struct errbuf *eb)
{
	char path[256], *body;
	struct call call = { .cloud = c, .method = "PUT", .path = path, .type = JSON_BODY };
	json_t *all = json_pack("{s:s,s:s}", "key", tag->key, "value", tag->value);
	enum err e;

	call.body = body = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	if (!body)
		return err_set(eb, ERR_FORMAT, "tag: not UTF-8, or no memory");
	if ((e = path_make(id, path, eb, "/tags")) == OK)
		e = done(&call, eb);
	free(body);
	return e;
}

enum err cloud_tag_delete(struct cloud *c, const char *id, const char *key, struct errbuf *eb)
{
	char path[256], *escaped;
	struct call call = { .cloud = c, .method = "DELETE", .path = path };
	enum err e;

	if (strlen(key) == 0 || strlen(key) > CLOUD_WORD_MAX)
		return err_set(eb, ERR_ARG, "tag: 1 to %d characters", CLOUD_WORD_MAX);
	if (!(escaped = curl_easy_escape(c->curl, key, 0)))
		return err_set(eb, ERR_MEMORY, "no memory for a request");
	e = path_make(id, path, eb, "/tags/%s", escaped);
	curl_free(escaped);
	return e == OK ? done(&call, eb) : e;
}

/* --- who is let in --- */

#define OWN_DEVICES "/v1/devices"

static enum err detail_run(struct call *call, struct cloud_detail *out, struct errbuf *eb)
{
	enum err e;

	call->bearer = true;
	if ((e = cloud_call(call, eb)) == OK)
		e = cloud_answered(call, answer_detail(cloud_answer(call), out, eb), eb);
	free(call->answer);
	return e;
}

enum err cloud_device_door(struct cloud *c, const char *id, enum cloud_door what,
    const char *reason, struct cloud_detail *out, struct errbuf *eb)
{
	static const char *const words[] = {
		[CLOUD_DISABLE] = "disable", [CLOUD_ENABLE] = "enable", [CLOUD_REVOKE] = "revoke"
	};
	char path[256], *body;
	struct call call = { .cloud = c, .method = "POST", .path = path, .type = JSON_BODY };
	json_t *all;
	enum err e;

	if ((e = id_check(id, eb)) != OK)
		return e;
	snprintf(path, sizeof(path), OWN_DEVICES "/%s:%s", id, words[what]);
	all = json_pack("{s:s*}", "reason", reason);
	call.body = body = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	if (!body)
		return err_set(eb, ERR_FORMAT, "reason: not UTF-8, or no memory");
	e = detail_run(&call, out, eb);
	free(body);
	return e;
}

enum err cloud_device_detail(
    struct cloud *c, const char *id, struct cloud_detail *out, struct errbuf *eb)
{
	char path[256];
	struct call call = { .cloud = c, .method = "GET", .path = path, .max = LIST_ANSWER_MAX };
	enum err e = id_check(id, eb);

	if (e != OK)
		return e;
	snprintf(path, sizeof(path), OWN_DEVICES "/%s", id);
	return detail_run(&call, out, eb);
}

enum err cloud_visits(
    struct cloud *c, const char *id, unsigned limit, struct cloud_visits *out, struct errbuf *eb)
{
	char path[256];
	struct call call = { .cloud = c, .method = "GET", .path = path, .bearer = true };
	enum err e;

	if ((e = id_check(id, eb)) != OK)
		return e;
	snprintf(path, sizeof(path), OWN_DEVICES "/%s/visits?limit=%u", id, limit);
	if ((e = cloud_call(&call, eb)) == OK)
		e = cloud_answered(&call, answer_visits(cloud_answer(&call), out, eb), eb);
	free(call.answer);
	return e;
}

enum err cloud_brokers(struct cloud *c, struct cloud_brokers *out, struct errbuf *eb)
{
	struct call call = { .cloud = c, .method = "GET", .path = "/v1/brokers", .bearer = true };
	enum err e;

	if ((e = cloud_call(&call, eb)) == OK)
		e = cloud_answered(&call, answer_brokers(cloud_answer(&call), out, eb), eb);
	free(call.answer);
	return e;
}

enum err cloud_broker_forget(struct cloud *c, const char *name, struct errbuf *eb)
{
	char path[256], *escaped;
	struct call call = { .cloud = c, .method = "DELETE", .path = path };

	if (strlen(name) == 0 || strlen(name) > CLOUD_WORD_MAX)
		return err_set(eb, ERR_ARG, "broker: 1 to %d characters", CLOUD_WORD_MAX);
	if (!(escaped = curl_easy_escape(c->curl, name, 0)))
		return err_set(eb, ERR_MEMORY, "no memory for a request");
	snprintf(path, sizeof(path), "/v1/brokers/%s", escaped);
	curl_free(escaped);
	return done(&call, eb);
}

/* --- certificates --- */

static enum err cert_check(
    const struct cloud_cert *cert, const char *device, const uint8_t q[64], struct errbuf *eb)
{
	if (strcmp(cert->device_id, device) != 0)
		return err_set(eb, ERR_FORMAT, "device_id: another device's certificate");
	if (q && memcmp(cert->q, q, 64) != 0)
		return err_set(eb, ERR_FORMAT, "der: a certificate for another key");
	return OK;
}

enum err cloud_cert_create(struct cloud *c, const char *device, struct slice csr,
    const uint8_t q[64], struct cloud_cert *out, struct errbuf *eb)
{
	char path[256], pem[1025], *body = NULL;
	struct call call = {
		.cloud = c, .method = "PUT", .path = path, .type = JSON_BODY, .bearer = true
	};
	struct cloud_cert cert;
	json_t *all = NULL;
	size_t n;
	enum err e;

	if ((e = path_make(device, path, eb, "/certs")) != OK)
		return e;
	if (pem_encode(csr, "CERTIFICATE REQUEST", 64, pem, sizeof(pem), &n) != OK)
		return err_set(eb, ERR_FORMAT, "the request is too long for the cloud API");
	all = json_pack("{s:s,s:s,s:b}", "ca", "Arduino_v2", "csr", pem, "enabled", 1);
	call.body = body = all ? json_dumps(all, JSON_COMPACT) : NULL;
	json_decref(all);
	if (!body)
		return err_set(eb, ERR_MEMORY, "no memory for a request");
	cloud_key(call.key);
	if ((e = cloud_call(&call, eb)) == OK &&
	    ((e = answer_cert(cloud_answer(&call), &cert, eb)) != OK ||
	        (e = cert_check(&cert, device, q, eb)) != OK))
		e = cloud_answered(&call, e, eb);
	if (e == OK)
		*out = cert;
	free(call.answer);
	free(body);
	return e;
}

enum err cloud_cert_list(
    struct cloud *c, const char *device, struct cloud_certs *out, struct errbuf *eb)
{
	char path[256];
	struct call call = {
		.cloud = c, .method = "GET", .path = path, .bearer = true, .max = LIST_ANSWER_MAX
	};
	struct cloud_certs list = { NULL, 0 };
	enum err e;

	if ((e = path_make(device, path, eb, "/certs")) != OK || (e = cloud_call(&call, eb)) != OK)
		goto out;
	e = answer_certs(cloud_answer(&call), &list, eb);
	for (size_t i = 0; i < list.n && e == OK; i++)
		e = cert_check(&list.at[i], device, NULL, eb);
	if (cloud_answered(&call, e, eb) != OK) {
		cloud_certs_clear(&list);
		goto out;
	}
	*out = list;
out:
	free(call.answer);
	return e;
}

enum err cloud_cert_delete(
    struct cloud *c, const char *device, const char *id, const char *reason, struct errbuf *eb)
{
	char path[256];
	struct call call = { .cloud = c, .method = "DELETE", .path = path };
	enum err e = path_make(device, path, eb, "/certs/%s?reason=%s", id, reason);

	return e == OK ? done(&call, eb) : e;
}
