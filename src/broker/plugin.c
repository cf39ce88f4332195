/*
 * plugin.c -- mosquitto's plugin: what the broker tells goes to those who decide, and back.
 *
 * Everything runs in callbacks of the broker's one thread, and nothing waits. The rules are in
 * admission.h, what they go by comes in by link.h and feed.h.
 *
 * What a callback may rely on, in mosquitto 2.0.11 and later:
 *  - There is no event for a connection that has come; BASIC_AUTH is it, and CONNACK follows at once.
 *  - DISCONNECT comes for clients too that were never admitted, and twice for some: a client without a
 *    record is none of ours. From 2.1 on CLIENT_OFFLINE comes in its place when the session stays.
 *  - The will is published behind it, from 2.0.13 on while the client has its certificate still. That of a
 *    client whose session is taken over is published before it.
 *  - TICK comes every 100 ms when nothing else does, and may be a second late in a storm of handshakes;
 *    so BASIC_AUTH, of which a storm has many, takes in the feed as well.
 *  - Expelling a client id that has only a stored session, and no connection, frees that session twice.
 *    Only what has a record here is expelled, and each record once.
 *  - A reload (SIGHUP) is RELOAD, then BASIC_AUTH once more for each client that is there, stored sessions
 *    too, then TICK. Who is refused is disconnected, a session without a connection as badly as by expelling
 *    it; and nobody may be expelled meanwhile, because the broker goes through its clients. 2.0 tells the
 *    next plugin of it when this one answers PLUGIN_DEFER; 2.1 takes any answer but SUCCESS for its end.
 */
#include "admission.h"
#include "conf.h"
#include "connections.h"
#include "link.h"
#include "peer.h"
#include "saver.h"
#include "utc.h"
#include "uuid.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC visibility push(default)
#include <mosquitto.h>
#include <mosquitto_broker.h> /* before the other one, which does not compile alone */
#include <mosquitto_plugin.h>
#pragma GCC visibility pop

#define TURN_MS 10      /* at least: what it asks the kernel costs as much as an admission */
#define EXPEL_MAX 2000  /* a turn; each costs the broker some 0.15 ms */
#define REFUSALS_MAX 20 /* told a second */
#define SAVE_MS 60000
#define LOOK_MS 60000 /* for certificates that have ended */
#define TICK_MS 5000  /* without one after the first client, something keeps them away */
/* Of mosquitto 2.1, with the data of DISCONNECT; before, such an event cannot be asked for. */
#define EVENT_CLIENT_OFFLINE 28

struct plugin {
	mosquitto_plugin_id_t *id;
	/* options; text is the broker's */
	const char *feed_path, *authority_path, *saved_path, *service_user, *name;
	int64_t stale_max_s;
	bool admit_stale;
	bool fast_tls;
	struct topics topics;

	struct roster *roster;
	struct feed feed;
	struct link link;
	struct connections *connections;
	struct peer *peer;

	int64_t fresh_ms; /* when the list was last known to be right */
	bool ever_fresh;
	bool changed; /* since it was saved */
	struct saver saver;
	bool telling;
	int64_t turned_ms, saved_ms, looked_ms, first_client_ms;
	bool ticked;
	bool reloading;
	bool of_2_1;                   /* the broker, or of a later one */
	const struct mosquitto *ended; /* its will may follow; compared, never looked at */
	int64_t second;                /* of which refusals are counted */
	unsigned long refusals;
	bool alone;       /* nobody else judges topics */
	char unsafe[160]; /* why nobody is let in; "" */
};

/* Goes on while the computer sleeps, and never back. */
static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- what makes it deny everyone --- */

static void unsafe_set(struct plugin *p, const char *what)
{
	if (!p->unsafe[0]) {
		snprintf(p->unsafe, sizeof(p->unsafe), "%s", what);
		mosquitto_log_printf(MOSQ_LOG_ERR, "imprint: nobody is let in: %s", p->unsafe);
	}
}

static void unsafe_found(void *ctx, const struct conf_found *f)
{
	struct plugin *p = ctx;
	char text[sizeof(p->unsafe)];

	if (f->kind != CONF_UNSAFE)
		return;
	snprintf(text, sizeof(text), "%s line %u: %s: %s", f->path, f->line, f->option, f->why);
	unsafe_set(p, text);
}

/* The broker's configuration, by the arguments it was started with; what it shows later is seen too. */
static bool config_path(char path[FOLDER_PATH_MAX])
{
	static const char command_line[] = "/proc/self/cmdline";
	char arguments[8192];
	bool found = false;
	FILE *f = fopen(command_line, "re");
	size_t n = f ? fread(arguments, 1, sizeof(arguments) - 1, f) : 0;

	if (f)
		fclose(f);
	arguments[n] = '\0';
	for (size_t i = 0; i < n; i += strlen(arguments + i) + 1) {
		const char *a = arguments + i, *next = a + strlen(a) + 1;

		if ((strcmp(a, "-c") == 0 || strcmp(a, "--config-file") == 0) &&
		    next < arguments + n)
			found = snprintf(path, FOLDER_PATH_MAX, "%s", next) < FOLDER_PATH_MAX;
	}
	return found;
}

/*
 * Where nobody else judges, mosquitto by itself would let its users do everything. False: there are clients
 * about whom the plugin is never asked, so it could not even keep them out.
 */
static bool config_look(struct plugin *p, bool at_start)
{
	struct conf conf = { .found = at_start ? unsafe_found : NULL, .ctx = p };
	char path[FOLDER_PATH_MAX];
	struct errbuf eb = { "" };

	p->alone = false;
	if (!config_path(path))
		return true;
	if (conf_read(&conf, path, &eb) != OK) {
		mosquitto_log_printf(
		    MOSQ_LOG_WARNING, "imprint: not looked at for unsafe options: %s", eb.text);
		return true;
	}
	p->alone = !conf.judges;
	if (p->alone)
		mosquitto_log_printf(MOSQ_LOG_NOTICE,
		    "imprint: no acl_file: clients without a certificate may use all topics but "
		    "the boards'");
	return !conf.partly;
}

/* --- who must go --- */

static void expel_if_unwanted(void *ctx, struct connection *c)
{
	struct plugin *p = ctx;
	enum reason why = admission_again(&c->passport, utc_now(), &p->feed);

	if (why != REASON_ADMIT)
		connections_expel(p->connections, c, why);
}

static void expel(void *ctx, struct connection *c)
{
	connections_expel(((struct plugin *)ctx)->connections, c, REASON_ADMIT);
}

static void on_changed(void *ctx, const uint8_t id[16], bool kick)
{
	struct plugin *p = ctx;

	p->changed |= !kick;
	connections_of(p->connections, id, kick ? expel : expel_if_unwanted, p);
}

static void on_authorities(void *ctx)
{
	struct plugin *p = ctx;

	p->changed = true;
	connections_each(p->connections, expel_if_unwanted, p);
}

static void on_tell_all(void *ctx)
{
	struct plugin *p = ctx;

	if (p->telling)
		feed_tell_end(&p->feed);
	p->telling = true;
	connections_tell(p->connections);
	feed_tell_begin(&p->feed);
}

static const struct feed_events feed_events = { on_changed, on_authorities, on_tell_all };

static void expel_now(struct plugin *p)
{
	struct connection *c;

	for (int i = 0; i < EXPEL_MAX && (c = connections_leaving(p->connections)); i++) {
		char id[UUID_TEXT + 1];

		uuid_text(c->passport.id, id);
		id[UUID_TEXT] = '\0';
		mosquitto_log_printf(MOSQ_LOG_NOTICE, "imprint: expelled %s from %s: %s", id,
		    c->address,
		    c->why == REASON_ADMIT ? "asked for by the server" : reason_word(c->why));
		mosquitto_kick_client_by_clientid(
		    id, false); /* DISCONNECT comes within: c is gone */
	}
}

/* --- the feed --- */

static void tell(struct plugin *p)
{
	struct connection *c;

	if (feed_told_again(&p->feed)) {
		p->telling = false;
		on_tell_all(p);
	}
	while (p->telling && feed_has_room(&p->feed)) {
		if ((c = connections_tell_next(p->connections))) {
			feed_connected(&p->feed, c->number, c->passport.id, c->passport.print,
			    c->address, c->protocol, c->since_ms);
		} else {
			feed_tell_end(&p->feed);
			p->telling = false;
		}
	}
}

static void refusals_end(struct plugin *p)
{
	if (p->refusals > REFUSALS_MAX) {
		mosquitto_log_printf(MOSQ_LOG_NOTICE, "imprint: refused %lu more within a second",
		    p->refusals - REFUSALS_MAX);
		if (link_is_up(&p->link))
			feed_refused_many(&p->feed, p->refusals - REFUSALS_MAX);
	}
	p->refusals = 0;
}

static int64_t as_of(const struct plugin *p, int64_t now)
{
	return utc_now() - (now - p->fresh_ms) / 1000;
}

static void saved(struct plugin *p, enum err e, const struct errbuf *eb)
{
	if (e == OK)
		return;
	mosquitto_log_printf(MOSQ_LOG_WARNING, "imprint: the list is not saved: %s", eb->text);
	p->changed = true;
}

/* Only while the list is known to be right, or was until now. */
static void save(struct plugin *p, int64_t now)
{
	struct errbuf eb = { "" };
	bool changed = p->changed;

	if (!p->saved_path || p->saver.child)
		return;
	p->changed = false;
	p->saved_ms = now;
	saved(p,
	    changed ? saver_start(&p->saver, p->saved_path, as_of(p, now), &p->feed, &eb)
	            : saved_touch(p->saved_path, as_of(p, now), &eb),
	    &eb);
}

static void save_look(struct plugin *p, int64_t now)
{
	struct errbuf eb = { "" };
	enum err e;

	if (!saver_ended(&p->saver, &e, &eb))
		return;
	p->saved_ms = now + (now - p->saved_ms) * 100; /* a long list is saved less often */
	saved(p, e, &eb);
	if (p->changed && !p->feed.synced)
		save(p, now); /* the feed was lost meanwhile: what it said last */
}

/* At the end, when nobody is kept waiting. */
static void save_last(struct plugin *p)
{
	struct errbuf eb = { "" };
	int64_t now = now_ms();

	if ((saver_stop(&p->saver) || p->feed.synced) && p->saved_path)
		saved(p, saved_write(p->saved_path, as_of(p, now), &p->feed, &eb), &eb);
}

static bool is_stale(const struct plugin *p, int64_t now)
{
	return !p->admit_stale && (!p->ever_fresh || now - p->fresh_ms > p->stale_max_s * 1000);
}

/* known: the list was whole. */
static void feed_gone(struct plugin *p, bool known, int64_t now, const struct errbuf *eb)
{
	mosquitto_log_printf(MOSQ_LOG_WARNING, "imprint: the server's feed is lost: %s", eb->text);
	p->telling = false;
	if (known && p->changed)
		save(p, now);
}

static void turn(struct plugin *p)
{
	int64_t now = now_ms();
	bool known = p->feed.synced;
	struct errbuf eb = { "" };

	if (now - p->turned_ms < TURN_MS)
		return;
	p->turned_ms = now;
	switch (link_turn(&p->link, &p->feed, now, &eb)) {
	case LINK_UP:
		mosquitto_log_printf(MOSQ_LOG_NOTICE, "imprint: the server's feed is there");
		p->telling = false;
		on_tell_all(p);
		break;
	case LINK_DOWN:
		feed_gone(p, known, now, &eb);
		break;
	case LINK_NOTHING:
		break;
	}
	if (p->feed.synced) {
		if (!p->ever_fresh || p->saved_ms == 0) /* the first list is saved at once */
			p->changed = true;
		p->fresh_ms = p->link.heard_ms;
		p->ever_fresh = true;
		if (p->saved_ms == 0 || now - p->saved_ms >= SAVE_MS)
			save(p, now);
	}
	save_look(p, now);
	if (now / 1000 != p->second) {
		refusals_end(p);
		p->second = now / 1000;
	}
	if (now - p->looked_ms >= LOOK_MS) {
		connections_each(p->connections, expel_if_unwanted, p);
		p->looked_ms = now;
	}
	if (link_is_up(&p->link))
		tell(p);
	expel_now(p);
	known = p->feed.synced;
	if (link_send(&p->link, &p->feed, now, &eb) == LINK_DOWN)
		feed_gone(p, known, now, &eb);
}

/* --- callbacks --- */

static int on_tick(int event, void *data, void *userdata)
{
	struct plugin *p = userdata;

	(void)event, (void)data;
	p->ticked = true;
	p->reloading = false;
	p->ended = NULL;
	turn(p);
	return MOSQ_ERR_SUCCESS;
}

static int on_reload(int event, void *data, void *userdata)
{
	struct plugin *p = userdata;

	(void)event, (void)data;
	p->reloading = true;
	(void)config_look(p, false); /* an acl_file may have come */
	return p->of_2_1 ? MOSQ_ERR_SUCCESS : MOSQ_ERR_PLUGIN_DEFER;
}

static int refuse(
    struct plugin *p, enum reason why, const struct passport *who, const char *address)
{
	char id[UUID_TEXT + 1] = "a client";

	if (++p->refusals > REFUSALS_MAX)
		return MOSQ_ERR_AUTH;
	if (who->has_id) {
		uuid_text(who->id, id);
		id[UUID_TEXT] = '\0';
	}
	mosquitto_log_printf(MOSQ_LOG_NOTICE, "imprint: refused %s from %s: %s: %s", id,
	    address ? address : "-", reason_word(why), reason_text(why));
	if (link_is_up(&p->link))
		feed_refused(&p->feed, reason_word(why), who->has_id ? who->id : NULL, address);
	return MOSQ_ERR_AUTH;
}

static enum reason judge(
    struct plugin *p, struct mosquitto *client, void *certificate, struct passport *who)
{
	uint8_t der[PEER_MAX], sha256[32];
	size_t n = 0;

	memset(who, 0, sizeof(*who));
	if (peer_take(p->peer, certificate, der, &n, sha256) != OK)
		return REASON_BAD_CERTIFICATE;
	admission_read((struct slice){ der, n }, sha256, who);
	return admission_judge(
	    who, mosquitto_client_id(client), utc_now(), is_stale(p, p->turned_ms), &p->feed);
}

/* NULL: by itself, or as the server asked. */
static const char *ended_why(const struct plugin *p, const struct connection *c)
{
	if (c->why != REASON_ADMIT)
		return reason_word(c->why);
	return connections_taken_over(p->connections, c) ? "taken-over" : NULL;
}

static void ended(struct plugin *p, const struct connection *c)
{
	if (link_is_up(&p->link))
		feed_disconnected(&p->feed, c->number, utc_now_ms(), ended_why(p, c));
	connections_remove(p->connections, c->client);
}

/*
 * A client that is there is asked about again when the broker reloads: it stays as long as it is wanted,
 * also with a list that is too old for others, and it has not come anew.
 */
static bool is_there(struct plugin *p, const struct mosquitto *client, const struct passport *who)
{
	struct connection *c = connections_find(p->connections, client);

	if (!c)
		return false;
	if (memcmp(c->passport.print, who->print, sizeof(who->print)) != 0) {
		ended(p, c); /* the handle is another client's by now */
		return false;
	}
	expel_if_unwanted(p, c);
	return true;
}

/* The user of a board is the device id that we gave it; nobody else's has that form. */
static bool is_id(const char *text, uint8_t id[16])
{
	return text && uuid_parse((struct slice){ (const uint8_t *)text, strlen(text) }, id) == OK;
}

/*
 * Who has no certificate is left to others, but for two. A board's session without a connection has
 * no password that they could look at. (WebSockets are served before TICK: there somebody new may come
 * by then.) And whoever took a device's client id would throw its board out.
 */
static int without_certificate(struct plugin *p, const struct mosquitto *client)
{
	const char *user = mosquitto_client_username(client), *id = mosquitto_client_id(client);
	struct passport nobody = { .has_id = false };
	struct roster_device d;
	uint8_t device[16];

	if (p->reloading && mosquitto_client_protocol(client) == mp_mqtt && user && id &&
	    strcmp(user, id) == 0 && is_id(user, device))
		return MOSQ_ERR_SUCCESS;
	if (!p->reloading && is_id(id, device) && roster_get(p->roster, device, &d))
		return refuse(p, REASON_CLIENT_ID, &nobody, mosquitto_client_address(client));
	return MOSQ_ERR_PLUGIN_DEFER;
}

/* Any error but MOSQ_ERR_AUTH would close the connection without an answer. */
static int on_basic_auth(int event, void *data, void *userdata)
{
	const struct mosquitto_evt_basic_auth *e = data;
	struct plugin *p = userdata;
	const char *address = mosquitto_client_address(e->client);
	char id[UUID_TEXT + 1];
	struct connection *c;
	struct passport who;
	void *certificate;
	enum reason why;

	(void)event;
	if (!p->reloading)
		turn(p);
	if (p->first_client_ms == 0)
		p->first_client_ms = p->turned_ms;
	else if (!p->ticked && p->turned_ms - p->first_client_ms > TICK_MS)
		unsafe_set(p, "the broker does not call its plugins; per_listener_settings is set");
	if (!(certificate = mosquitto_client_certificate(e->client)))
		return without_certificate(p, e->client);
	why = judge(p, e->client, certificate, &who);
	if (is_there(p, e->client, &who))
		return MOSQ_ERR_SUCCESS;
	if (why == REASON_ADMIT && p->unsafe[0])
		why = REASON_UNSAFE;
	if (why != REASON_ADMIT)
		return refuse(p, why, &who, address);

	uuid_text(who.id, id);
	id[UUID_TEXT] = '\0';
	if (mosquitto_set_username(e->client, id) != MOSQ_ERR_SUCCESS ||
	    !(c = connections_add(p->connections, e->client, &who, address,
	          (unsigned)mosquitto_client_protocol_version(e->client), utc_now_ms())))
		return MOSQ_ERR_AUTH;
	if (link_is_up(&p->link))
		feed_connected(
		    &p->feed, c->number, who.id, who.print, c->address, c->protocol, c->since_ms);
	return MOSQ_ERR_SUCCESS;
}

static bool may(
    const struct plugin *p, const struct connection *c, const struct mosquitto_evt_acl_check *e)
{
	/* Of one that was taken over nothing comes any more but its will. */
	if (c->leaving || p->unsafe[0] || connections_taken_over(p->connections, c))
		return false;
	if (e->access == MOSQ_ACL_UNSUBSCRIBE)
		return true;
	if (e->access == MOSQ_ACL_WRITE)
		return !e->retain && admission_topic(c->passport.id, e->topic, TOPIC_WRITE,
		                         p->roster, &p->topics);
	return admission_topic(c->passport.id, e->topic, TOPIC_READ, p->roster, &p->topics);
}

/* A board that has gone: its session is there still, and so may its will be. */
static bool was_board(const struct plugin *p, const struct mosquitto *client)
{
	const char *user = mosquitto_client_username(client);
	struct roster_device d;
	uint8_t id[16];

	return is_id(user, id) ||
	       (!user && is_id(mosquitto_client_id(client), id) && roster_get(p->roster, id, &d));
}

/*
 * Of topics that a configuration adds, what boards say is nobody else's to say. Filters too: what a wider
 * one would bring is asked about message by message.
 */
static bool is_boards_topic(const struct plugin *p, const struct mosquitto_evt_acl_check *e)
{
	return strncmp(e->topic, "/a/d/", 5) == 0 || strncmp(e->topic, "/a/t/", 5) == 0 ||
	       (e->access == MOSQ_ACL_WRITE && topics_have(&p->topics, TOPIC_WRITE, e->topic));
}

/* No certificate, or one that nobody has asked us about. */
static int stranger(struct plugin *p, const struct mosquitto_evt_acl_check *e)
{
	const char *user = mosquitto_client_username(e->client);
	uint8_t der[PEER_MAX], sha256[32];
	void *certificate;
	size_t n;

	if ((certificate = mosquitto_client_certificate(e->client))) {
		if (peer_take(p->peer, certificate, der, &n, sha256) == OK && e->client != p->ended)
			unsafe_set(p, "a certificate came in without being asked about; "
			              "use_identity_as_username or use_subject_as_username is set");
		return MOSQ_ERR_ACL_DENIED;
	}
	if (was_board(p, e->client))
		return MOSQ_ERR_ACL_DENIED;
	if (user && strcmp(user, p->service_user) == 0)
		return e->topic[0] == '$' ? MOSQ_ERR_ACL_DENIED : MOSQ_ERR_SUCCESS;
	if (!p->alone)
		return MOSQ_ERR_PLUGIN_DEFER;
	return e->access != MOSQ_ACL_UNSUBSCRIBE && is_boards_topic(p, e) ? MOSQ_ERR_ACL_DENIED
	                                                                  : MOSQ_ERR_SUCCESS;
}

static int on_acl_check(int event, void *data, void *userdata)
{
	const struct mosquitto_evt_acl_check *e = data;
	struct plugin *p = userdata;
	const struct connection *c = connections_find(p->connections, e->client);

	(void)event;
	if (!c)
		return stranger(p, e);
	return may(p, c, e) ? MOSQ_ERR_SUCCESS : MOSQ_ERR_ACL_DENIED;
}

static int on_disconnect(int event, void *data, void *userdata)
{
	const struct mosquitto_evt_disconnect *e = data;
	struct plugin *p = userdata;
	const struct connection *c = connections_find(p->connections, e->client);

	(void)event;
	if (!c)
		return MOSQ_ERR_SUCCESS;
	p->ended = e->client;
	ended(p, c);
	return MOSQ_ERR_SUCCESS;
}

/* --- start and end --- */

static bool whole_number(const char *text, int64_t *out)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	*out = v;
	return end != text && *end == '\0' && errno == 0 && v >= 0 && v <= INT32_MAX;
}

static bool one_of(const char *text, const char *no, const char *yes, bool *out)
{
	*out = strcmp(text, yes) == 0;
	return *out || strcmp(text, no) == 0;
}

/* False: err_set by whoever knows more than that. */
static bool option(struct plugin *p, const char *key, const char *value, struct errbuf *eb)
{
	const struct {
		const char *key, **value;
	} texts[] = {
		{ "feed", &p->feed_path },
		{ "device_ca", &p->authority_path },
		{ "saved", &p->saved_path },
		{ "service_user", &p->service_user },
		{ "name", &p->name },
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		if (strcmp(key, texts[i].key) == 0) {
			*texts[i].value = value;
			return value[0] != '\0';
		}
	if (strcmp(key, "publish") == 0 || strcmp(key, "subscribe") == 0)
		return topics_add(&p->topics, key[0] == 'p' ? TOPIC_WRITE : TOPIC_READ,
		           (struct slice){ (const uint8_t *)value, strlen(value) }, eb) == OK;
	if (strcmp(key, "stale_max") == 0)
		return whole_number(value, &p->stale_max_s);
	if (strcmp(key, "stale") == 0)
		return one_of(value, "refuse", "admit", &p->admit_stale);
	if (strcmp(key, "fast_tls") == 0)
		return one_of(value, "false", "true", &p->fast_tls);
	return false;
}

static enum err options(
    struct plugin *p, const struct mosquitto_opt *given, int n, struct errbuf *eb)
{
	struct errbuf why = { "" };

	p->service_user = "imprint";
	p->stale_max_s = FEED_LASTS_S;
	for (int i = 0; i < n; i++)
		if (!option(p, given[i].key, given[i].value, &why))
			return err_set(eb, ERR_ARG, "plugin_opt_%s %s%s%s", given[i].key,
			    given[i].value, why.text[0] ? ": " : "", why.text);
	if (!p->feed_path || !p->authority_path)
		return err_set(eb, ERR_ARG, "plugin_opt_feed and plugin_opt_device_ca are needed");
	return OK;
}

static enum err accept_authority(void *ctx, const uint8_t key_id[20])
{
	return feed_authority(&((struct plugin *)ctx)->feed, key_id);
}

static enum err name_set(struct plugin *p, struct errbuf *eb)
{
	if (feed_name(&p->feed, p->name) == OK)
		return OK;
	return err_set(eb, ERR_ARG,
	    "plugin_opt_name %s: at most %d letters, digits, \".\", \"_\" and \"-\"", p->name,
	    FEED_NAME_MAX);
}

/* A list of the last time; none is no reason not to start. */
static void saved_load(struct plugin *p)
{
	struct errbuf eb = { "" };
	int64_t as_of = 0, age;
	enum err e;

	if (!p->saved_path)
		return;
	e = saved_read(p->saved_path, &p->feed, &as_of, &eb);
	if (e == OK) {
		age = utc_now() - as_of;
		mosquitto_log_printf(MOSQ_LOG_NOTICE,
		    "imprint: %zu devices in the saved list, right %" PRId64 " s ago",
		    roster_count(p->roster), age);
		/* One of the future says that a clock is wrong: then nobody knows its age. */
		p->ever_fresh = age >= -5;
		p->fresh_ms = now_ms() - age * 1000;
	} else if (e != ERR_NOT_FOUND) {
		mosquitto_log_printf(MOSQ_LOG_WARNING, "imprint: no saved list: %s", eb.text);
	}
}

static void plugin_free(struct plugin *p)
{
	if (!p)
		return;
	link_close(&p->link);
	connections_free(p->connections);
	peer_free(p->peer);
	feed_free(&p->feed);
	roster_free(p->roster);
	free(p);
}

static const struct {
	int event;
	MOSQ_FUNC_generic_callback run;
} callbacks[] = {
	{ MOSQ_EVT_TICK, on_tick },
	{ MOSQ_EVT_RELOAD, on_reload },
	{ MOSQ_EVT_BASIC_AUTH, on_basic_auth },
	{ MOSQ_EVT_ACL_CHECK, on_acl_check },
	{ MOSQ_EVT_DISCONNECT, on_disconnect },
};

static enum err start(struct plugin *p, const struct mosquitto_opt *given, int n, struct errbuf *eb)
{
	enum err e;

	link_init(&p->link, NULL);
	if ((e = options(p, given, n, eb)) != OK ||
	    (p->fast_tls && (e = peer_fast_tls(eb)) != OK) ||
	    (e = roster_new(&p->roster, eb)) != OK ||
	    (e = feed_init(&p->feed, p->roster, &feed_events, p, eb)) != OK ||
	    (p->name && (e = name_set(p, eb)) != OK) ||
	    (e = connections_new(&p->connections, eb)) != OK ||
	    (e = peer_new(&p->peer, eb)) != OK ||
	    (e = peer_authorities(p->authority_path, accept_authority, p, eb)) != OK)
		return e;
	feed_lasts(&p->feed, p->admit_stale ? FEED_FOR_EVER : p->stale_max_s);
	link_init(&p->link, p->feed_path);
	if (!config_look(p, true))
		return err_set(eb, ERR_DENIED, "%s", p->unsafe);
	saved_load(p);
	p->looked_ms = now_ms();
	for (size_t i = 0; i < COUNT(callbacks); i++)
		if (mosquitto_callback_register(
		        p->id, callbacks[i].event, callbacks[i].run, NULL, p) != MOSQ_ERR_SUCCESS)
			return err_set(
			    eb, ERR_DEVICE, "this mosquitto knows no event %d", callbacks[i].event);
	p->of_2_1 = mosquitto_callback_register(
	                p->id, EVENT_CLIENT_OFFLINE, on_disconnect, NULL, p) == MOSQ_ERR_SUCCESS;
	return OK;
}

int mosquitto_plugin_version(int supported_version_count, const int *supported_versions)
{
	for (int i = 0; i < supported_version_count; i++)
		if (supported_versions[i] == MOSQ_PLUGIN_VERSION)
			return MOSQ_PLUGIN_VERSION;
	return -1;
}

int mosquitto_plugin_init(mosquitto_plugin_id_t *identifier, void **userdata,
    struct mosquitto_opt *given, int option_count)
{
	struct plugin *p = calloc(1, sizeof(*p));
	struct errbuf eb = { "" };

	if (!p)
		return MOSQ_ERR_NOMEM;
	p->id = identifier;
	if (start(p, given, option_count, &eb) != OK) {
		mosquitto_log_printf(MOSQ_LOG_ERR, "imprint: %s", eb.text);
		plugin_free(p);
		return MOSQ_ERR_INVAL;
	}
	*userdata = p;
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_plugin_cleanup(void *userdata, struct mosquitto_opt *given, int option_count)
{
	struct plugin *p = userdata;

	(void)given, (void)option_count;
	if (!p)
		return MOSQ_ERR_SUCCESS;
	for (size_t i = 0; i < COUNT(callbacks); i++)
		mosquitto_callback_unregister(p->id, callbacks[i].event, callbacks[i].run, NULL);
	if (p->of_2_1)
		mosquitto_callback_unregister(p->id, EVENT_CLIENT_OFFLINE, on_disconnect, NULL);
	save_last(p);
	plugin_free(p);
	return MOSQ_ERR_SUCCESS;
}
