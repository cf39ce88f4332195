/*
 * world.h -- the API with a registry and an authority in a temporary folder, and requests that need no
 * network: the functions that answers go through are replaced here (world.c), and so are the brokers.
 *
 *	struct world w;
 *	world_open(&w);
 *	struct answer a = ask(&w, "PUT", "/iot/v2/devices", "{\"type\":\"opta\"}");
 *	ok(a.status == 201, "made (%s)", a.body);
 *	answer_free(&a);
 *	world_close(&w);
 */
#ifndef IMPRINT_TEST_WORLD_H
#define IMPRINT_TEST_WORLD_H

#include "api.h"
#include "inbox.h"

#include <jansson.h>

/* The brokers of the test: what they say when they are asked. */
struct brokers {
	unsigned reached;
	const char *waiting;
	bool later; /* they answer on a thread of their own, as real ones do */
	struct broker_state at[3];
	size_t n;
	/* What was asked last. */
	uint64_t seq;
	unsigned asked, limit_ms;
	char forgets[STORE_NAME_MAX + 1]; /* "": nothing is on its way */
	unsigned forgotten, kept;
};
struct presences { /* every device is so */
	enum presence presence;
	struct presence_now now;
};

struct world {
	char folder[32];
	struct ca *ca;
	struct store *store;
	struct api *api;
	struct log log;
	struct watchers *watchers;
	int64_t now_ms; /* the clock of all of them; 0: the system's */
	char organization[37], client[33], secret[65];
	uint8_t tenant[16], principal[16];
	char token[64];
	char logged[256]; /* why the last answer was 5xx */
	enum err not_ready;
	struct brokers brokers;
	struct presences presences;
	struct inbox_stats inbox;
	/* Called around each request. */
	void (*begins)(void *watching), (*ends)(void *watching);
	void *watching;
};

/* Everything from an empty folder to a token. Failing ends the program. */
void world_open(struct world *w);
/* As after a restart: the same folder, everything else anew. */
void world_restart(struct world *w);
/* Its halves: threads do not survive a fork. */
void world_stop(struct world *w);
void world_start(struct world *w);
void world_close(struct world *w);
/* From now on there are brokers; they last until the next start. */
void world_brokers(struct world *w);
/* Takes a new token. */
void world_login(struct world *w);

struct answer {
	int status;
	char type[64];
	char *body; /* never NULL, with a NUL behind */
	size_t n;
	char headers[512];          /* "Name: value\n" each */
	json_t *json;               /* NULL when the body is none */
	struct http_stream *stream; /* NULL: the answer is whole */
};
void answer_free(struct answer *a);
/* Waits until the stream has said this; false: it does not. */
bool stream_says(struct http_stream *s, const char *text);
/* A copy of all that it has said. */
char *stream_text(struct http_stream *s);
/* How many bytes it takes from now on; 0: it is ended when there come more. */
void stream_room(struct http_stream *s, size_t room);
/* The peer has gone. */
void stream_leave(struct http_stream *s);
/* Waits until its owner has ended it. */
bool stream_ended(struct http_stream *s);
/* A text at a path such as "compressed.serial"; "" when there is none. */
const char *text_of(const struct answer *a, const char *path);

/* With the world's token. `target` is the path with its query. body NULL: none. */
struct answer ask(struct world *w, const char *method, const char *target, const char *body);
/* headers: "Name: value\n" each; no token is added. */
struct answer ask_with(struct world *w, const char *method, const char *target, const char *headers,
    struct slice body);

/* A request of a fresh key in PEM with "\n" escaped, as it stands in JSON; subject CN as given. */
void make_csr(const char *cn, char text[2048]);
/* A new device; its id. */
void make_device(struct world *w, const char *name, char id[37]);
/* A certificate for it; its id. */
void make_cert(struct world *w, const char *device, char id[33]);
/* How many events the registry has. */
size_t count_events(struct world *w);

#endif
