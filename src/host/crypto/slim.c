#include "openssl.h"
#include "slim.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/provider.h>

#define KEPT_MAX 40
#define NAMES_MAX 32
#define DISPATCH_MAX 64

/*
 * Those of TLS, of keys in encrypted PEM, and of random numbers (CTR). Each key that is read looks through every
 * algorithm that was ever loaded, whatever it is for, and with one cipher all of them are loaded.
 */
#define CIPHERS                                                                                    \
	"AES-128-GCM", "AES-256-GCM", "AES-128-CCM", "AES-256-CCM", "ChaCha20-Poly1305",           \
	    "AES-128-CBC", "AES-192-CBC", "AES-256-CBC", "AES-128-CBC-HMAC-SHA1",                  \
	    "AES-256-CBC-HMAC-SHA1", "AES-128-CBC-HMAC-SHA256", "AES-256-CBC-HMAC-SHA256",         \
	    "AES-128-CTR", "AES-192-CTR", "AES-256-CTR", "AES-128-ECB", "AES-192-ECB",             \
	    "AES-256-ECB", "ChaCha20", "CAMELLIA-128-CBC", "CAMELLIA-256-CBC", "ARIA-128-GCM",     \
	    "ARIA-256-GCM", "DES-EDE3-CBC", "NULL"

/* What is kept of these operations; of all others everything is. DER: PEM, and what SubjectPublicKeyInfo holds. */
static const struct few {
	int operation;
	const char *names[NAMES_MAX];
} curves[] = {
	{ OSSL_OP_DECODER, { "EC", "DER" } },
	{ OSSL_OP_ENCODER, { "EC" } },
	{ OSSL_OP_KEYMGMT, { "EC", "X25519", "HMAC" } }, /* HMAC: TLS 1.3 binds sessions by it */
	{ OSSL_OP_CIPHER, { CIPHERS } },
}, keys[] = {
	{ OSSL_OP_DECODER, { "EC", "DER", "RSA" } },
	{ OSSL_OP_ENCODER, { "EC", "RSA" } },
	{ OSSL_OP_KEYMGMT, { "EC", "RSA", "RSA-PSS", "X25519", "DH", "HMAC" } }, /* PSS: a way to sign, of any RSA key */
	{ OSSL_OP_CIPHER, { CIPHERS } },
};

/* Decoders for what others read as well, or what only Windows writes: every one more is asked about every key. */
static const char *const spare[] = { "structure=ec", "structure=rsa", "input=msblob", "input=pvk" };

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
	OSSL_DISPATCH ec[DISPATCH_MAX]; /* the key manager, with public_validate in it */
	OSSL_FUNC_keymgmt_validate_fn *validate;
} kept;
static pthread_once_t kept_once = PTHREAD_ONCE_INIT;

/* Names are "EC:id-ecPublicKey:1.2.840.10045.2.1"; whole up to the colon. */
static bool is_named(const OSSL_ALGORITHM *a, const struct few *by)
{
	size_t n = strcspn(a->algorithm_names, ":");

	for (size_t i = 0; i < NAMES_MAX && by->names[i]; i++) {
		if (strlen(by->names[i]) == n && memcmp(by->names[i], a->algorithm_names, n) == 0)
			return true;
	}
	return false;
}

/*
 * OpenSSL checks each ephemeral key of a peer in full, which includes a multiplication by the group's order,
 * as dear as the agreement itself. Where the cofactor is 1, as with every curve that TLS agrees on unless it is
 * configured otherwise, a point on the curve cannot fail it: range and curve equation say all (NIST SP 800-56A
 * 5.6.2.3.4, partial validation).
 */
static int public_validate(const void *key, int selection, int check)
{
	if ((selection & OSSL_KEYMGMT_SELECT_ALL) == OSSL_KEYMGMT_SELECT_PUBLIC_KEY)
		check = OSSL_KEYMGMT_VALIDATE_QUICK_CHECK;
	return kept.validate(key, selection, check);
}

/* Leaves the algorithm as it is when its table is not of the form that is known. */
static void validate_quickly(OSSL_ALGORITHM *a)
{
	size_t n = 0;

	for (const OSSL_DISPATCH *d = a->implementation; d->function_id != 0; d++) {
		if (n == DISPATCH_MAX - 1)
			return;
		kept.ec[n] = *d;
		if (d->function_id == OSSL_FUNC_KEYMGMT_VALIDATE) {
			kept.validate = OSSL_FUNC_keymgmt_validate(d);
			kept.ec[n].function = (void (*)(void))public_validate;
		}
		n++;
	}
	kept.ec[n] = (OSSL_DISPATCH){ 0, NULL };
	a->implementation = kept.ec;
}

static bool is_spare(const OSSL_ALGORITHM *a, int operation)
{
	for (size_t i = 0; operation == OSSL_OP_DECODER && i < COUNT(spare); i++) {
		if (strstr(a->property_definition, spare[i]))
			return true;
	}
	return false;
}

static void keep(const struct few *few, OSSL_ALGORITHM table[KEPT_MAX])
{
	static const struct few ec = { OSSL_OP_KEYMGMT, { "EC" } };
	int no_cache = 0;
	const OSSL_ALGORITHM *a =
	    OSSL_PROVIDER_query_operation(kept.whole, few->operation, &no_cache);
	size_t n = 0;

	for (; a && a->algorithm_names && n < KEPT_MAX - 1; a++) {
		if (!is_named(a, few) || is_spare(a, few->operation))
			continue;
		table[n] = *a;
		if (few->operation == ec.operation && is_named(a, &ec))
			validate_quickly(&table[n]);
		n++;
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
