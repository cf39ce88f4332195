#include "service.h"
#include "digest.h"
#include "file.h"
#include "folder.h"
#include "serial_number.h"
#include "service_cert.h"
#include "text.h"
#include "utc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY INT64_C(86400)
#define PEM_MAX (2 * SERVICE_CERT_MAX)
#define KEY_FILE_MAX 4096
/* The issuing authority is renewed while a leaf of full length still ends before it. */
#define ISSUING_LEFT (SERVICE_LEAF_DAYS + SERVICE_LEAF_LEFT)
/* Root, one root that follows it and that it certifies, issuing authority. */
#define ROOT_PATH_LEN 2

static const char *const leaf_names[SERVICE_LEAVES] = { "api", "broker" };
static const char *const leaf_subjects[SERVICE_LEAVES] = { "Imprint API", "Imprint broker" };

/* An authority; der_n 0: there is no certificate. */
struct authority {
	struct p256_key *key; /* NULL: kept elsewhere */
	uint8_t q[64], key_id[20];
	uint8_t der[1024];
	size_t der_n;
	struct x509_cert cert;
	int64_t begin, end;
};

struct leaf {
	struct p256_key *key;
	char pem[PEM_MAX];
	size_t pem_n; /* 0: none, or none that fits */
	int64_t begin, end;
};

struct service {
	char folder[FOLDER_PATH_MAX];
	struct p256 *p256;
	struct digest *digest;
	struct authority root, issuing;
	struct leaf leaves[SERVICE_LEAVES];
	uint8_t names_der[SERVICE_CERT_MAX];
	struct slice names;
};

/* --- names --- */

enum err service_name_check(const char *name, struct errbuf *eb)
{
	uint8_t der[512];
	struct der_w w = der_writer(der, sizeof(der));
	struct slice names;
	uint64_t broken;

	service_name_put(&w, name);
	if (der_finish(&w, &names) != OK)
		return err_set(eb, ERR_ARG, "a name of %zu bytes", strlen(name));
	broken = lint_service_names(names);
	/* An address alone is well-formed, though no certificate may have nothing else. */
	if (names.p[0] == IP_ADDRESS || broken == 0)
		return OK;
	return err_set(eb, ERR_ARG, "'%.80s' is neither a DNS name nor an address", name);
}

static enum err names_set(struct service *s, const char *const *names, size_t n, struct errbuf *eb)
{
	struct der_w w = der_writer(s->names_der, sizeof(s->names_der));
	enum err e;

	if (n > SERVICE_NAMES_MAX)
		return err_set(eb, ERR_ARG, "%zu names for a server; there is room for %d", n,
		    SERVICE_NAMES_MAX);
	for (size_t i = 0; i < n; i++) {
		if ((e = service_name_check(names[i], eb)) != OK)
			return e;
		service_name_put(&w, names[i]);
	}
	if (der_finish(&w, &s->names) != OK || lint_service_names(s->names) != 0)
		return err_set(
		    eb, ERR_ARG, "a server's certificate needs a DNS name, not addresses alone");
	return OK;
}

/* --- keys and certificates in the folder --- */

static enum err path_of(
    const struct service *s, const char *name, const char *ending, char *path, struct errbuf *eb)
{
	char file[64];

	snprintf(file, sizeof(file), "%s.%s", name, ending);
	return folder_join(s->folder, file, path, eb);
}

/* *key stays NULL when there is none. */
static enum err key_load(
    const struct service *s, const char *name, struct p256_key **key, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = path_of(s, name, "key", path, eb)) != OK)
		return e;
	e = p256_key_load(path, key, eb);
	return e == ERR_NOT_FOUND ? OK : e;
}

/* The key that is there, or a new one. */
static enum err key_have(
    const struct service *s, const char *name, struct p256_key **key, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = key_load(s, name, key, eb)) != OK || *key != NULL)
		return e;
	if ((e = path_of(s, name, "key", path, eb)) != OK || (e = p256_key_generate(key, eb)) != OK)
		return e;
	return p256_key_save(*key, path, eb);
}

static bool life_of(const struct x509_cert *cert, int64_t *begin, int64_t *end)
{
	return utc_seconds(&cert->tbs.not_before, begin) == OK &&
	       utc_seconds(&cert->tbs.not_after, end) == OK;
}

/* Whether the signature is this key's. */
static bool signed_by(struct service *s, const struct x509_cert *cert, const uint8_t q[64])
{
	uint8_t digest[32];

	return digest_sha256(s->digest, cert->tbs_der, digest) == OK &&
	       p256_verify(s->p256, q, digest, cert->sig) == OK;
}

/* ERR_NOT_FOUND: there is no file. ERR_FORMAT: not a certificate. */
static enum err authority_load(
    struct service *s, const char *name, struct authority *a, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	uint8_t *pem = NULL;
	size_t n;
	enum err e;

	a->der_n = 0;
	if ((e = path_of(s, name, "pem", path, eb)) != OK ||
	    (e = file_read(path, PEM_MAX, &pem, &n, eb)) != OK)
		return e;
	if (pem_decode((struct slice){ pem, n }, "CERTIFICATE", a->der, sizeof(a->der), &a->der_n,
	        NULL) != OK ||
	    x509_cert_parse((struct slice){ a->der, a->der_n }, &a->cert) != OK ||
	    !life_of(&a->cert, &a->begin, &a->end)) {
		a->der_n = 0;
		e = err_set(eb, ERR_FORMAT, "%s: not a P-256 certificate in PEM", path);
	}
	free(pem);
	return e;
}

/* key_id and q of what is there: the key's, else the certificate's. */
static enum err authority_identify(struct authority *a, struct errbuf *eb)
{
	if (a->key)
		p256_key_public(a->key, a->q);
	else
		memcpy(a->q, a->cert.tbs.q, sizeof(a->q));
	if (p256_key_id(a->q, a->key_id) != OK)
		return err_set(eb, ERR_MEMORY, "no identifier of a key");
	return OK;
}

/* --- signing --- */

/* Subject of an authority: "what 1a2b3c4d", so that two installations can be told apart in a list. */
static void subject_put(struct der_w *w, const char *what, const uint8_t key_id[20])
{
	char cn[80], id[9];
	struct x509_name name = { 0 };

	hex_encode((struct slice){ key_id, 4 }, HEX_LOWER, id);
	snprintf(cn, sizeof(cn), "%s %s", what, id);
	name.at[X509_CN] = (struct slice){ (const uint8_t *)cn, strlen(cn) };
	x509_name_put(w, &name);
}

static enum err cert_sign(
    struct p256_key *key, struct slice tbs, struct der_w *w, struct errbuf *eb)
{
	struct x509_signer how = p256_signer(key);
	struct slice whole;
	uint8_t sig[64];
	enum err e;

	if ((e = how.sign(how.ctx, tbs, sig)) != OK)
		return err_set(eb, e, "a server's certificate cannot be signed");
	x509_cert_put(w, tbs, sig);
	if ((e = der_finish(w, &whole)) != OK)
		return err_set(eb, e, "a server's certificate is too long");
	return OK;
}

static enum err pem_add(struct slice der, char *pem, size_t *n, struct errbuf *eb)
{
	size_t more;
	enum err e;

	if ((e = pem_encode(der, "CERTIFICATE", 64, pem + *n, PEM_MAX - *n, &more)) != OK)
		return err_set(eb, e, "a server's certificate is too long for PEM");
	*n += more;
	return OK;
}

static enum err pem_write(
    const struct service *s, const char *name, const char *pem, size_t n, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = path_of(s, name, "pem", path, eb)) != OK)
		return e;
	return file_write(path, (struct slice){ (const uint8_t *)pem, n }, 0644, eb);
}

/* The hour of `now`, and whole hours `days` or `years` later. */
static enum err dates(struct x509_tbs *tbs, int64_t now, unsigned years, struct errbuf *eb)
{
	if (utc_hour(now, &tbs->not_before) != OK)
		return err_set(eb, ERR_ARG, "the clock is out of range");
	if (tbs->not_before.month == 2 && tbs->not_before.day == 29)
		tbs->not_before.day = 28; /* which the last year has as well */
	tbs->not_after = x509_hour_add_years(&tbs->not_before, years);
	return OK;
}

/* Certifies the authority's own key; issuer NULL: by itself. */
static enum err authority_make(struct service *s, const char *file, const char *what,
    struct authority *a, const struct authority *issuer, unsigned years, int64_t now,
    struct errbuf *eb)
{
	uint8_t serial[16], subject[128], buffer[sizeof(a->der)];
	struct der_w name = der_writer(subject, sizeof(subject)),
	             w = der_writer(buffer, sizeof(buffer)),
	             out = der_writer(a->der, sizeof(a->der));
	struct x509_tbs tbs = { .serial = SLICE(serial), .q = a->q };
	char pem[PEM_MAX];
	struct slice der;
	size_t n = 0;
	enum err e;

	a->der_n = 0;
	if ((e = serial_number_draw(serial)) != OK)
		return err_set(eb, e, "no random bytes for a serial number");
	subject_put(&name, what, a->key_id);
	if ((e = der_finish(&name, &tbs.subject)) != OK || (e = dates(&tbs, now, years, eb)) != OK)
		return e;
	tbs.issuer = issuer ? issuer->cert.tbs.subject : tbs.subject;
	tbs.aki = issuer ? issuer->key_id : NULL;
	service_authority_tbs_put(&w, &tbs, issuer ? 0 : ROOT_PATH_LEN);
	if ((e = der_finish(&w, &der)) != OK)
		return err_set(eb, e, "%s: %s", what, err_text(e));
	if ((e = cert_sign(issuer ? issuer->key : a->key, der, &out, eb)) != OK)
		return e;
	der = (struct slice){ a->der, out.n };
	if ((e = pem_add(der, pem, &n, eb)) != OK || (e = pem_write(s, file, pem, n, eb)) != OK)
		return e;
	if (x509_cert_parse(der, &a->cert) != OK || !life_of(&a->cert, &a->begin, &a->end))
		return err_set(eb, ERR_FORMAT, "%s: made and not readable", what);
	a->der_n = der.n;
	return OK;
}

static enum err leaf_make(
    struct service *s, enum service_leaf which, int64_t now, struct errbuf *eb)
{
	struct leaf *leaf = &s->leaves[which];
	int64_t end = now - now % 3600 + SERVICE_LEAF_DAYS * DAY;
	uint8_t serial[16], subject[128], q[64], buffer[SERVICE_CERT_MAX], der[SERVICE_CERT_MAX];
	struct der_w name = der_writer(subject, sizeof(subject)),
	             w = der_writer(buffer, sizeof(buffer)), out = der_writer(der, sizeof(der));
	struct lint_context context = { s->p256, now, s->issuing.key_id,
		s->issuing.cert.tbs.not_after, s->issuing.q, 1 };
	struct x509_tbs tbs = { .serial = SLICE(serial),
		.issuer = s->issuing.cert.tbs.subject,
		.aki = s->issuing.key_id,
		.q = q };
	struct x509_name cn = { 0 };
	char pem[PEM_MAX];
	struct slice bytes;
	size_t n = 0;
	unsigned rule;
	enum err e;

	if (!leaf->key && (e = key_have(s, leaf_names[which], &leaf->key, eb)) != OK)
		return e;
	p256_key_public(leaf->key, q);
	if ((e = serial_number_draw(serial)) != OK)
		return err_set(eb, e, "no random bytes for a serial number");
	if (end > s->issuing.end)
		end = s->issuing.end;
	if (utc_hour(now, &tbs.not_before) != OK || utc_hour(end, &tbs.not_after) != OK)
		return err_set(eb, ERR_ARG, "the clock is out of range");
	cn.at[X509_CN] =
	    (struct slice){ (const uint8_t *)leaf_subjects[which], strlen(leaf_subjects[which]) };
	x509_name_put(&name, &cn);
	if ((e = der_finish(&name, &tbs.subject)) != OK)
		return err_set(eb, e, "%s: %s", leaf_subjects[which], err_text(e));
	service_leaf_tbs_put(&w, &tbs, s->names);
	if ((e = der_finish(&w, &bytes)) != OK)
		return err_set(
		    eb, e, "%s: too many names for one certificate", leaf_subjects[which]);
	if ((rule = lint_refusal(lint_service(bytes, &context), 0)) != 0)
		return err_set(eb, ERR_DENIED, "L%02u requires: %s (%s)", rule,
		    lint_rule(rule)->text, lint_rule(rule)->source);
	if ((e = cert_sign(s->issuing.key, bytes, &out, eb)) != OK)
		return e;
	if ((e = pem_add((struct slice){ der, out.n }, pem, &n, eb)) != OK ||
	    (e = pem_add((struct slice){ s->issuing.der, s->issuing.der_n }, pem, &n, eb)) != OK ||
	    (e = pem_write(s, leaf_names[which], pem, n, eb)) != OK)
		return e;
	memcpy(leaf->pem, pem, n);
	leaf->pem_n = n;
	leaf->begin = now - now % 3600;
	leaf->end = end;
	return OK;
}

/* --- opening --- */

/* The root is the one thing here that is never made anew: boards hold its key. */
static enum err root_open(struct service *s, int64_t now, struct errbuf *eb)
{
	struct authority *root = &s->root;
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = key_load(s, "service-root", &root->key, eb)) != OK)
		return e;
	e = authority_load(s, "service-root", root, eb);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	if (e == OK) {
		if ((e = authority_identify(root, eb)) != OK)
			return e;
		if (memcmp(root->q, root->cert.tbs.q, 64) != 0 ||
		    !signed_by(s, &root->cert, root->q))
			return err_set(eb, ERR_CONFLICT,
			    "%s: service-root.pem and service-root.key do not belong together",
			    s->folder);
		return OK;
	}
	if (!root->key) {
		if ((e = path_of(s, "issuing", "pem", path, eb)) != OK)
			return e;
		if (access(path, F_OK) == 0)
			return err_set(eb, ERR_NOT_FOUND,
			    "%s: service-root.pem is gone; boards know no other: put it back",
			    s->folder);
		if ((e = key_have(s, "service-root", &root->key, eb)) != OK)
			return e;
	}
	if ((e = authority_identify(root, eb)) != OK)
		return e;
	return authority_make(
	    s, "service-root", "Imprint service root", root, NULL, SERVICE_ROOT_YEARS, now, eb);
}

/* What is there and does not fit is made anew: everything below the root can be. */
static enum err issuing_open(struct service *s, struct errbuf *eb)
{
	struct authority *a = &s->issuing;
	enum err e;

	if ((e = key_have(s, "issuing", &a->key, eb)) != OK)
		return e;
	e = authority_load(s, "issuing", a, eb);
	if (e != OK && e != ERR_NOT_FOUND && e != ERR_FORMAT)
		return e;
	if ((e = authority_identify(a, eb)) != OK)
		return e;
	if (a->der_n > 0 &&
	    (memcmp(a->cert.tbs.q, a->q, 64) != 0 || !signed_by(s, &a->cert, s->root.q)))
		a->der_n = 0;
	return OK;
}

/* Whether the chain in the file is what would be made today, but for dates and serial. */
static bool leaf_fits(struct service *s, struct leaf *leaf)
{
	struct slice rest, pem = { (const uint8_t *)leaf->pem, leaf->pem_n };
	uint8_t der[SERVICE_CERT_MAX], above[sizeof(s->issuing.der)], q[64];
	struct x509_cert cert;
	size_t n, above_n;

	if (!leaf->key || s->issuing.der_n == 0)
		return false;
	p256_key_public(leaf->key, q);
	return pem_decode(pem, "CERTIFICATE", der, sizeof(der), &n, &rest) == OK &&
	       pem_decode(rest, "CERTIFICATE", above, sizeof(above), &above_n, NULL) == OK &&
	       slice_equal((struct slice){ above, above_n },
	           (struct slice){ s->issuing.der, s->issuing.der_n }) &&
	       x509_cert_parse((struct slice){ der, n }, &cert) == OK &&
	       memcmp(cert.tbs.q, q, 64) == 0 && signed_by(s, &cert, s->issuing.q) &&
	       slice_equal(service_names_of(cert.tbs.extensions), s->names) &&
	       life_of(&cert, &leaf->begin, &leaf->end);
}

static enum err leaf_open(struct service *s, enum service_leaf which, struct errbuf *eb)
{
	struct leaf *leaf = &s->leaves[which];
	char path[FOLDER_PATH_MAX];
	uint8_t *pem = NULL;
	size_t n;
	enum err e;

	if ((e = key_load(s, leaf_names[which], &leaf->key, eb)) != OK ||
	    (e = path_of(s, leaf_names[which], "pem", path, eb)) != OK)
		return e;
	e = file_read(path, PEM_MAX - 1, &pem, &n, eb);
	if (e != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	memcpy(leaf->pem, pem, n);
	leaf->pem_n = n;
	if (!leaf_fits(s, leaf))
		leaf->pem_n = 0;
	free(pem);
	return OK;
}

static bool lives(int64_t begin, int64_t end, int64_t now, int64_t left)
{
	return now >= begin && end - now >= left;
}

static enum err issuing_renew(struct service *s, int64_t now, bool *renewed, struct errbuf *eb)
{
	struct authority *a = &s->issuing;

	*renewed = false;
	if (a->der_n > 0 && lives(a->begin, a->end, now, ISSUING_LEFT * DAY))
		return OK;
	if (!s->root.key) {
		if (a->der_n > 0 && lives(a->begin, a->end, now, DAY))
			return OK;
		return err_set(eb, ERR_NOT_FOUND,
		    "%s: the issuing authority ends; service-root.key is needed to renew it",
		    s->folder);
	}
	*renewed = true;
	return authority_make(
	    s, "issuing", "Imprint service authority", a, &s->root, SERVICE_ISSUING_YEARS, now, eb);
}

enum err service_renew(struct service *s, int64_t now, unsigned *renewed, struct errbuf *eb)
{
	bool all;
	enum err e;

	*renewed = 0;
	if (!lives(s->root.begin, s->root.end, now, 0)) {
		char begin[UTC_TEXT_SIZE], end[UTC_TEXT_SIZE];

		utc_text(&s->root.cert.tbs.not_before, begin);
		utc_text(&s->root.cert.tbs.not_after, end);
		return err_set(eb, ERR_CONFLICT,
		    "the clock is outside of the service root's life, %s to %s", begin, end);
	}
	if ((e = issuing_renew(s, now, &all, eb)) != OK)
		return e;
	for (unsigned i = 0; i < SERVICE_LEAVES; i++) {
		struct leaf *leaf = &s->leaves[i];

		if (!all && leaf->pem_n > 0 &&
		    (lives(leaf->begin, leaf->end, now, SERVICE_LEAF_LEFT * DAY) ||
		        (leaf->end >= s->issuing.end && now >= leaf->begin)))
			continue;
		if ((e = leaf_make(s, (enum service_leaf)i, now, eb)) != OK)
			return e;
		*renewed |= 1u << i;
	}
	return OK;
}

enum err service_open(const char *folder, const char *const *names, size_t n, int64_t now,
    struct service **out, struct errbuf *eb)
{
	struct service *s = calloc(1, sizeof(*s));
	unsigned renewed;
	enum err e;

	if (!s)
		return err_set(eb, ERR_MEMORY, "no memory for the service certificates");
	if (snprintf(s->folder, sizeof(s->folder), "%s", folder) >= (int)sizeof(s->folder)) {
		e = err_set(eb, ERR_ARG, "the name of the folder is too long");
		goto out;
	}
	if ((e = names_set(s, names, n, eb)) != OK || (e = p256_new(&s->p256, eb)) != OK ||
	    (e = digest_new(&s->digest, eb)) != OK || (e = folder_make(folder, 0700, eb)) != OK ||
	    (e = folder_private(folder, eb)) != OK || (e = root_open(s, now, eb)) != OK ||
	    (e = issuing_open(s, eb)) != OK)
		goto out;
	for (unsigned i = 0; i < SERVICE_LEAVES; i++)
		if ((e = leaf_open(s, (enum service_leaf)i, eb)) != OK)
			goto out;
	if ((e = service_renew(s, now, &renewed, eb)) != OK)
		goto out;
	*out = s;
	s = NULL;
out:
	service_free(s);
	return e;
}

int64_t service_due(const struct service *s)
{
	int64_t due = s->issuing.end - ISSUING_LEFT * DAY;

	for (unsigned i = 0; i < SERVICE_LEAVES; i++)
		if (s->leaves[i].end - SERVICE_LEAF_LEFT * DAY < due)
			due = s->leaves[i].end - SERVICE_LEAF_LEFT * DAY;
	return due;
}

int64_t service_end(const struct service *s, enum service_leaf leaf)
{
	return s->leaves[leaf].end;
}

struct slice service_chain(const struct service *s, enum service_leaf leaf)
{
	return (struct slice){ (const uint8_t *)s->leaves[leaf].pem, s->leaves[leaf].pem_n };
}

enum err service_key(
    const struct service *s, enum service_leaf leaf, uint8_t **pem, size_t *n, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX];
	enum err e;

	if ((e = path_of(s, leaf_names[leaf], "key", path, eb)) != OK)
		return e;
	return file_read_private(path, KEY_FILE_MAX, pem, n, eb);
}

struct slice service_root(const struct service *s)
{
	return (struct slice){ s->root.der, s->root.der_n };
}

void service_free(struct service *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < SERVICE_LEAVES; i++)
		p256_key_free(s->leaves[i].key);
	p256_key_free(s->issuing.key);
	p256_key_free(s->root.key);
	digest_free(s->digest);
	p256_free(s->p256);
	free(s);
}
