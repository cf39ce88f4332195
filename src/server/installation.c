#include "installation.h"
#include "credentials.h"
#include "digest.h"
#include "file.h"
#include "hook.h"
#include "utc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TENANT 1
#define AUTHORITY 1
#define AUTHORITY_KIND "device-ca"
#define CREDENTIALS "credentials.json"

/* --- random names --- */

enum err installation_random(char *out, size_t n, struct errbuf *eb)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	uint8_t bytes[64];
	size_t made = 0;
	enum err e = OK;

	while (made < n && e == OK) {
		if ((e = random_bytes(bytes, sizeof(bytes))) != OK)
			break;
		/* 62 letters in 6 bits: the other two are drawn again, so that all are equally likely. */
		for (size_t i = 0; i < sizeof(bytes) && made < n; i++)
			if ((bytes[i] & 63) < sizeof(letters) - 1)
				out[made++] = letters[bytes[i] & 63];
	}
	wipe(bytes, sizeof(bytes));
	if (e != OK)
		return err_set(eb, e, "no random bytes");
	out[n] = '\0';
	return OK;
}

static enum err uuid_draw(uint8_t uuid[16], struct errbuf *eb)
{
	if (random_bytes(uuid, 16) != OK)
		return err_set(eb, ERR_IO, "no random bytes");
	uuid_mark(uuid, 4);
	return OK;
}

/* --- the authority --- */

struct search {
	struct store_authority found;
	bool any;
};

static bool is_device_ca(void *ctx, const struct store_authority *a)
{
	struct search *s = ctx;

	if (strcmp(a->kind, AUTHORITY_KIND) != 0 || strcmp(a->state, "active") != 0)
		return true;
	s->found = *a;
	s->any = true;
	return false;
}

static enum err authority_make(struct installation *in, const char *folder,
    const struct signer_options *options, int64_t now, struct errbuf *eb)
{
	enum err e = ca_open(folder, options, &in->ca, eb);

	/* `imprint provision` may have made one before there was a server. */
	if (e != ERR_NOT_FOUND)
		return e;
	if ((e = ca_create(folder, now, eb)) != OK)
		return e;
	return ca_open(folder, options, &in->ca, eb);
}

/* The service root is made behind the organization: where it is without one, the registry was lost. */
static enum err registry_not_lost(const char *state, struct errbuf *eb)
{
	char root[FOLDER_PATH_MAX];
	enum err e = folder_join(state, "tls/service-root.pem", root, eb);

	if (e != OK || access(root, F_OK) != 0)
		return e;
	return err_set(eb, ERR_NOT_FOUND,
	    "%s/imprint.db: the registry is gone or empty, and tls/ is of one that was there: put "
	    "it "
	    "back, or begin anew by `imprint reset`",
	    state);
}

/* The organization and its authority, together or not at all. */
static enum err rows_make(
    struct installation *in, struct store *store, int64_t now, struct errbuf *eb)
{
	struct slice der = ca_certificate(in->ca);
	struct store_tenant tenant = {
		.id = TENANT, .name = "Imprint", .demo = true, .created = now * 1000
	};
	struct store_authority row = { .id = AUTHORITY,
		.kind = AUTHORITY_KIND,
		.n = (uint32_t)der.n,
		.key = "ca/key.pem",
		.state = "active",
		.created = now * 1000 };
	struct store_change *c;
	enum err e;

	if ((e = uuid_draw(tenant.uuid, eb)) != OK)
		return e;
	memcpy(row.key_id, ca_key_id(in->ca), sizeof(row.key_id));
	memcpy(row.der, der.p, der.n);
	if (!(c = store_change_new(TENANT)))
		return err_set(eb, ERR_MEMORY, "no memory for the organization");
	store_tenant_add(c, &tenant);
	store_authority_put(c, &row);
	if ((e = store_commit(store, c, eb)) != OK)
		return err_within(eb, e, "the organization");
	in->tenant = TENANT;
	in->authority = AUTHORITY;
	in->fresh = true;
	uuid_text(tenant.uuid, in->organization);
	return OK;
}

/* Whether the folder holds the authority that signed what the registry knows. */
static enum err authority_compare(struct installation *in, const struct store_authority *row,
    const char *folder, const struct signer_options *options, struct errbuf *eb)
{
	enum err e = ca_open(folder, options, &in->ca, eb);

	if (e == ERR_NOT_FOUND)
		return err_set(eb, e,
		    "%s: the device authority is gone, and the registry knows its certificates: "
		    "put "
		    "the folder back",
		    folder);
	if (e != OK)
		return e;
	if (memcmp(row->key_id, ca_key_id(in->ca), sizeof(row->key_id)) != 0)
		return err_set(eb, ERR_CONFLICT,
		    "%s: not the device authority that the registry knows: put the right folder "
		    "back",
		    folder);
	return OK;
}

enum err installation_open(struct installation *in, const char *state, struct store *store,
    const struct signer_options *options, int64_t now, struct errbuf *eb)
{
	struct store_tenant tenant;
	struct search search = { .any = false };
	char folder[FOLDER_PATH_MAX];
	enum err e;

	memset(in, 0, sizeof(*in));
	if ((e = folder_join(state, "ca", folder, eb)) != OK)
		return e;
	e = store_tenant_first(store, &tenant, eb);
	if (e == ERR_NOT_FOUND) {
		if ((e = registry_not_lost(state, eb)) == OK &&
		    (e = authority_make(in, folder, options, now, eb)) == OK) {
			test_hook("inside", "authority");
			e = rows_make(in, store, now, eb);
		}
		goto out;
	}
	if (e != OK ||
	    (e = store_authority_list(store, tenant.id, is_device_ca, &search, eb)) != OK)
		goto out;
	if (!search.any) {
		e = err_set(eb, ERR_FORMAT, "the registry names no device authority");
		goto out;
	}
	if ((e = authority_compare(in, &search.found, folder, options, eb)) != OK)
		goto out;
	in->tenant = tenant.id;
	in->authority = search.found.id;
	uuid_text(tenant.uuid, in->organization);
out:
	if (e != OK)
		installation_close(in);
	return e;
}

void installation_close(struct installation *in)
{
	ca_free(in->ca);
	in->ca = NULL;
}

/* --- credentials --- */

static enum err secret_hash(const char *secret, uint8_t hash[32])
{
	struct digest *d = NULL;
	enum err e;

	if ((e = digest_new(&d, NULL)) == OK)
		e = digest_sha256(
		    d, (struct slice){ (const uint8_t *)secret, strlen(secret) }, hash);
	digest_free(d);
	return e;
}

/* What a file holds; ERR_NOT_FOUND: there is none. */
static enum err load(const char *path, struct credentials *c, struct errbuf *eb)
{
	uint8_t *text = NULL;
	size_t n;
	enum err e;

	if ((e = file_read_private(path, CREDENTIALS_SIZE_MAX, &text, &n, eb)) != OK)
		return e;
	e = credentials_parse((struct slice){ text, n }, c, eb);
	wipe(text, n);
	free(text);
	return e;
}

static enum err save(const char *path, const struct credentials *c, struct errbuf *eb)
{
	char *text = NULL;
	enum err e;

	if ((e = credentials_print(c, &text, eb)) != OK)
		return e;
	e = file_write(path, (struct slice){ (const uint8_t *)text, strlen(text) }, 0600, eb);
	wipe(text, strlen(text));
	free(text);
	return e;
}

/* Whether the registry knows this client and its secret. */
static bool ours(const struct installation *in, struct store *store, const struct credentials *c)
{
	struct store_principal p;
	uint8_t hash[32];
	uint32_t tenant;
	bool good = store_client(store, c->client, &tenant, &p, NULL) == OK &&
	            tenant == in->tenant && p.disabled == 0 && secret_hash(c->secret, hash) == OK &&
	            ct_equal(p.secret, hash, sizeof(hash));

	wipe(&p, sizeof(p));
	wipe(hash, sizeof(hash));
	return good;
}

static enum err refresh(const char *path, struct credentials *c,
    const struct installation_access *how, struct errbuf *eb)
{
	if (strcmp(c->server, how->server) == 0 && strcmp(c->ca, how->ca) == 0)
		return OK;
	snprintf(c->server, sizeof(c->server), "%s", how->server);
	snprintf(c->ca, sizeof(c->ca), "%s", how->ca);
	return save(path, c, eb);
}

static enum err client_make(const struct installation *in, const struct installation_access *how,
    struct store *store, struct credentials *c, struct errbuf *eb)
{
	struct store_principal p = { .kind = "client", .role = "admin", .created = how->now_ms };
	struct store_change *change = NULL;
	enum err e;

	memset(c, 0, sizeof(*c));
	snprintf(c->organization, sizeof(c->organization), "%s", in->organization);
	snprintf(c->server, sizeof(c->server), "%s", how->server);
	snprintf(c->ca, sizeof(c->ca), "%s", how->ca);
	if ((e = uuid_draw(p.id, eb)) != OK ||
	    (e = installation_random(c->client, CREDENTIALS_CLIENT, eb)) != OK ||
	    (e = installation_random(c->secret, CREDENTIALS_SECRET, eb)) != OK)
		return e;
	snprintf(p.name, sizeof(p.name), "%s", c->client);
	if (secret_hash(c->secret, p.secret) != OK || !(change = store_change_new(in->tenant)))
		return err_set(eb, ERR_MEMORY, "no memory for a client");
	store_principal_put(change, &p);
	wipe(&p, sizeof(p));
	return store_commit(store, change, eb);
}

/* Where a file of ours may be: the named or usual place, and the state folder. */
struct places {
	char path[2][FOLDER_PATH_MAX];
	unsigned n;
};

static enum err places_find(
    struct places *p, const struct installation_access *how, struct errbuf *eb)
{
	char folder[FOLDER_PATH_MAX];
	enum err e;

	p->n = 0;
	if (how->file) {
		if ((e = folder_join("", how->file, p->path[p->n++], eb)) != OK)
			return e;
	} else if (folder_config(folder, NULL) == OK) {
		/* A service may have no home; then the state folder is the usual place. */
		if ((e = folder_join(folder, CREDENTIALS, p->path[p->n++], eb)) != OK)
			return e;
	}
	return folder_join(how->state, CREDENTIALS, p->path[p->n++], eb);
}

/*
 * A file that is not ours may be replaced when it names this very state folder: then it is of an
 * installation that stood here before and is gone.
 */
static bool may_replace(
    enum err loaded, const struct credentials *c, const struct installation_access *how)
{
	return loaded == ERR_NOT_FOUND || (loaded == OK && strcmp(c->ca, how->ca) == 0);
}

static enum err save_with_folder(const char *path, const struct credentials *c, struct errbuf *eb)
{
	char folder[FOLDER_PATH_MAX];
	char *slash;
	enum err e;

	if ((e = folder_join("", path, folder, eb)) != OK)
		return e;
	if ((slash = strrchr(folder, '/')) != NULL && slash != folder) {
		*slash = '\0';
		if ((e = folder_make(folder, 0700, eb)) != OK)
			return e;
	}
	return save(path, c, eb);
}

/* Makes a client and saves it at `*chosen`, or where the user's folder is closed to us, behind it. */
static enum err place_new(const struct installation *in, const struct installation_access *how,
    struct store *store, const struct places *places, unsigned *chosen, struct errbuf *eb)
{
	struct credentials c;
	enum err e = client_make(in, how, store, &c, eb);

	test_hook("inside", "credentials");
	if (e == OK)
		e = save_with_folder(places->path[*chosen], &c, eb);
	if (e != OK && how->file == NULL && *chosen + 1 < places->n) {
		LOG(how->log, LOG_LEVEL_WARNING, "credentials_elsewhere",
		    LOG_TEXT("file", places->path[*chosen]), LOG_TEXT("reason", eb->text));
		e = save_with_folder(places->path[++*chosen], &c, eb);
	}
	if (e == OK)
		LOG(how->log, LOG_LEVEL_INFO, "credentials_made",
		    LOG_TEXT("file", places->path[*chosen]), LOG_TEXT("client", c.client));
	wipe(&c, sizeof(c));
	return e;
}

enum err installation_credentials(const struct installation *in,
    const struct installation_access *how, struct store *store, char path[FOLDER_PATH_MAX],
    struct errbuf *eb)
{
	struct places places;
	struct credentials c;
	unsigned chosen = 2;
	enum err e, loaded;

	if ((e = places_find(&places, how, eb)) != OK)
		return e;
	for (unsigned i = 0; i < places.n; i++) {
		struct errbuf why = { "" };

		loaded = load(places.path[i], &c, &why);
		if (loaded == OK && ours(in, store, &c)) {
			e = refresh(places.path[i], &c, how, eb);
			wipe(&c, sizeof(c));
			memcpy(path, places.path[i], FOLDER_PATH_MAX);
			return e;
		}
		/* The state folder is nobody else's. */
		if (chosen == 2 && (may_replace(loaded, &c, how) || i + 1 == places.n))
			chosen = i;
		if (loaded != ERR_NOT_FOUND)
			LOG(how->log, LOG_LEVEL_WARNING, "credentials_of_another",
			    LOG_TEXT("file", places.path[i]),
			    LOG_TEXT(
			        "reason", loaded == OK ? "not of this installation" : why.text));
		if (loaded == OK)
			wipe(&c, sizeof(c));
	}
	if ((e = place_new(in, how, store, &places, &chosen, eb)) == OK)
		memcpy(path, places.path[chosen], FOLDER_PATH_MAX);
	return e;
}
