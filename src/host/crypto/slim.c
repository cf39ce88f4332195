#include "openssl.h"
#include "slim.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/provider.h>

#define KEPT_MAX 48

/*
 * Written once. OpenSSL gives a provider's query function nothing but the context that the default
 * provider's algorithms need, and keeps pointers into the tables that it returns, also after they
 * were given back: there is no other place for them.
 */
static struct {
	OSSL_PROVIDER *whole;
	OSSL_ALGORITHM decoders[KEPT_MAX], encoders[KEPT_MAX], keys[KEPT_MAX];
} kept;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

/* Names are "EC:id-ecPublicKey:1.2.840.10045.2.1"; whole up to the colon. */
static bool is_needed(const OSSL_ALGORITHM *a)
{
	static const char *const names[] = { "EC", "X25519", "ED25519", "DER", "HMAC" };
	size_t n = strcspn(a->algorithm_names, ":");

	if (strstr(a->property_definition, "output=text") ||
	    strstr(a->property_definition, "output=blob"))
		return false;
	for (size_t i = 0; i < COUNT(names); i++) {
		if (strlen(names[i]) == n && memcmp(names[i], a->algorithm_names, n) == 0)
			return true;
	}
	return false;
}

static void keep(const OSSL_ALGORITHM *from, OSSL_ALGORITHM to[KEPT_MAX])
{
	size_t n = 0;

	for (; from && from->algorithm_names && n < KEPT_MAX - 1; from++) {
		if (is_needed(from))
			to[n++] = *from;
	}
}

static void keep_once(void)
{
	int no_cache = 0;

	if (!(kept.whole = OSSL_PROVIDER_try_load(NULL, "default", 1)))
		return;
	keep(OSSL_PROVIDER_query_operation(kept.whole, OSSL_OP_DECODER, &no_cache), kept.decoders);
	keep(OSSL_PROVIDER_query_operation(kept.whole, OSSL_OP_ENCODER, &no_cache), kept.encoders);
	keep(OSSL_PROVIDER_query_operation(kept.whole, OSSL_OP_KEYMGMT, &no_cache), kept.keys);
}

/* --- the provider --- */

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_cache)
{
	(void)provctx;
	*no_cache = 0;
	if (operation == OSSL_OP_DECODER)
		return kept.decoders;
	if (operation == OSSL_OP_ENCODER)
		return kept.encoders;
	if (operation == OSSL_OP_KEYMGMT)
		return kept.keys;
	return OSSL_PROVIDER_query_operation(kept.whole, operation, no_cache);
}

static int capabilities(void *provctx, const char *name, OSSL_CALLBACK *callback, void *arg)
{
	(void)provctx;
	return OSSL_PROVIDER_get_capabilities(kept.whole, name, callback, arg);
}

static int init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
    void **provctx)
{
	static const OSSL_DISPATCH dispatch[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query },
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

enum err slim_new(struct slim **slim, struct errbuf *eb)
{
	struct slim *made = calloc(1, sizeof(*made));

	if (!made)
		return err_set(eb, ERR_MEMORY, "OpenSSL's algorithms for TLS: out of memory");
	pthread_once(&kept_once, keep_once);
	if (!kept.whole || !(made->context = OSSL_LIB_CTX_new()) ||
	    OSSL_PROVIDER_add_builtin(made->context, "slim", init) != 1 ||
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
