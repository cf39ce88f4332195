#include "openssl.h"
#include "slim.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/provider.h>

#define KEPT_MAX 32

/* What is kept of these operations; of all others everything is. DER: PEM, and what SubjectPublicKeyInfo holds. */
static const struct few {
	int operation;
	const char *names[4];
} curves[] = {
	{ OSSL_OP_DECODER, { "EC", "DER" } },
	{ OSSL_OP_ENCODER, { "EC" } },
	{ OSSL_OP_KEYMGMT, { "EC", "X25519", "HMAC" } }, /* HMAC: TLS 1.3 binds sessions by it */
}, keys[] = {
	{ OSSL_OP_DECODER, { "EC", "DER", "RSA" } },
	{ OSSL_OP_ENCODER, { "EC", "RSA" } },
};

#define FEW_MAX COUNT(curves)

static const struct {
	const struct few *few;
	size_t n;
} extents[] = {
	[SLIM_CURVES] = { curves, COUNT(curves) },
	[SLIM_KEYS] = { keys, COUNT(keys) },
};

/*
 * Written once. OpenSSL gives a provider's query function nothing but the context that the default
 * provider's algorithms need, and keeps pointers into the tables that it returns, also after they
 * were given back: there is no other place for them.
 */
static struct {
	OSSL_PROVIDER *whole;
	OSSL_ALGORITHM tables[COUNT(extents)][FEW_MAX][KEPT_MAX];
} kept;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

/* Names are "EC:id-ecPublicKey:1.2.840.10045.2.1"; whole up to the colon. */
static bool is_named(const OSSL_ALGORITHM *a, const struct few *by)
{
	size_t n = strcspn(a->algorithm_names, ":");

	for (size_t i = 0; i < COUNT(by->names) && by->names[i]; i++) {
		if (strlen(by->names[i]) == n && memcmp(by->names[i], a->algorithm_names, n) == 0)
			return true;
	}
	return false;
}

static void keep(const struct few *few, OSSL_ALGORITHM table[KEPT_MAX])
{
	int no_cache = 0;
	const OSSL_ALGORITHM *a =
	    OSSL_PROVIDER_query_operation(kept.whole, few->operation, &no_cache);
	size_t n = 0;

	for (; a && a->algorithm_names && n < KEPT_MAX - 1; a++) {
		if (is_named(a, few))
			table[n++] = *a;
	}
}

static void keep_once(void)
{
	if (!(kept.whole = OSSL_PROVIDER_try_load(NULL, "default", 1)))
		return;
	for (size_t e = 0; e < COUNT(extents); e++)
		for (size_t i = 0; i < extents[e].n; i++)
			keep(&extents[e].few[i], kept.tables[e][i]);
}

/* --- the provider --- */

static const OSSL_ALGORITHM *query(enum slim_extent extent, int operation, int *no_cache)
{
	*no_cache = 0;
	for (size_t i = 0; i < extents[extent].n; i++) {
		if (extents[extent].few[i].operation == operation)
			return kept.tables[extent][i];
	}
	return OSSL_PROVIDER_query_operation(kept.whole, operation, no_cache);
}

static const OSSL_ALGORITHM *query_curves(void *provctx, int operation, int *no_cache)
{
	(void)provctx;
	return query(SLIM_CURVES, operation, no_cache);
}

static const OSSL_ALGORITHM *query_keys(void *provctx, int operation, int *no_cache)
{
	(void)provctx;
	return query(SLIM_KEYS, operation, no_cache);
}

static int capabilities(void *provctx, const char *name, OSSL_CALLBACK *callback, void *arg)
{
	(void)provctx;
	return OSSL_PROVIDER_get_capabilities(kept.whole, name, callback, arg);
}

/* The provider's context is the default one's, and has no room for an extent: hence two of these. */
static int init_curves(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provctx)
{
	static const OSSL_DISPATCH dispatch[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_curves },
		{ OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities },
		{ 0, NULL },
	};

	(void)core, (void)in;
	*out = dispatch;
	*provctx = OSSL_PROVIDER_get0_provider_ctx(kept.whole);
	return 1;
}

static int init_keys(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provctx)
{
	static const OSSL_DISPATCH dispatch[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_keys },
		{ OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities },
		{ 0, NULL },
	};

	(void)core, (void)in;
	*out = dispatch;
	*provctx = OSSL_PROVIDER_get0_provider_ctx(kept.whole);
	return 1;
}

struct slim {
	OSSL_LIB_CTX *context;
	OSSL_PROVIDER *provider;
};

enum err slim_new(struct slim **slim, enum slim_extent extent, struct errbuf *eb)
{
	struct slim *made = calloc(1, sizeof(*made));

	if (!made)
		return err_set(eb, ERR_MEMORY, "OpenSSL's algorithms for TLS: out of memory");
	pthread_once(&kept_once, keep_once);
	if (!kept.whole || !(made->context = OSSL_LIB_CTX_new()) ||
	    OSSL_PROVIDER_add_builtin(
	        made->context, "slim", extent == SLIM_KEYS ? init_keys : init_curves) != 1 ||
	    !(made->provider = OSSL_PROVIDER_load(made->context, "slim"))) {
		slim_free(made);
		return openssl_failed(eb, ERR_MEMORY, "OpenSSL's algorithms for TLS");
	}
	*slim = made;
	return OK;
}

OSSL_LIB_CTX *slim_context(const struct slim *slim)
{
	return slim->context;
}

void slim_free(struct slim *slim)
{
	if (!slim)
		return;
	if (slim->provider)
		OSSL_PROVIDER_unload(slim->provider);
	OSSL_LIB_CTX_free(slim->context);
	free(slim);
}
