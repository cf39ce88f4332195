/*
 * The certificates of our own servers: what OpenSSL says of them, when they are renewed, what a
 * killed maker and a foreign hand leave behind, and which names no server may have.
 */
#include "fixture.h"
#include "extension.h"
#include "faults.h"
#include "file.h"
#include "service.h"
#include "service_cert.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DAY INT64_C(86400)
#define NOW INT64_C(1795392345) /* 2026-11-23, within an hour */

static char top[64], folder[96];

static const char *const names[] = { "localhost", "board.example", "127.0.0.1", "::1" };

static void forget(void)
{
	DIR *d = opendir(folder);

	for (struct dirent *entry; d && (entry = readdir(d));)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
	rmdir(folder);
}

static const char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static enum err open_at(int64_t now, struct service **s, struct errbuf *eb)
{
	eb->text[0] = '\0';
	return service_open(folder, names, COUNT(names), now, s, eb);
}

static struct service *must_open(int64_t now)
{
	struct errbuf eb;
	struct service *s = NULL;

	if (open_at(now, &s, &eb) != OK)
		bail_out(eb.text);
	return s;
}

/* The n-th certificate of a chain. */
static X509 *of_chain(struct slice chain, unsigned n)
{
	static uint8_t der[SERVICE_CERT_MAX];
	size_t der_n;

	for (unsigned i = 0;; i++) {
		if (pem_decode(chain, "CERTIFICATE", der, sizeof(der), &der_n, &chain) != OK)
			return NULL;
		if (i == n)
			return openssl_parse((struct slice){ der, der_n });
	}
}

/* What OpenSSL has against a chain as that server's, at that moment; NULL: nothing. */
static const char *judged(
    const struct service *s, enum service_leaf which, const char *host, bool address, int64_t at)
{
	X509_STORE *trusted = openssl_trust(service_root(s));
	X509 *leaf = of_chain(service_chain(s, which), 0),
	     *between = of_chain(service_chain(s, which), 1);
	STACK_OF(X509) *untrusted = sk_X509_new_null();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *how;
	const char *why = NULL;

	if (!leaf || !between || !untrusted || !ctx || !sk_X509_push(untrusted, between) ||
	    X509_STORE_CTX_init(ctx, trusted, leaf, untrusted) != 1)
		bail_out("no chain for OpenSSL");
	how = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_X509_STRICT | X509_V_FLAG_POLICY_CHECK);
	X509_VERIFY_PARAM_set_purpose(how, X509_PURPOSE_SSL_SERVER);
	X509_VERIFY_PARAM_set_time(how, at);
	if (address)
		X509_VERIFY_PARAM_set1_ip_asc(how, host);
	else
		X509_VERIFY_PARAM_set1_host(how, host, 0);
	if (X509_verify_cert(ctx) != 1)
		why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	X509_STORE_CTX_free(ctx);
	sk_X509_free(untrusted);
	X509_free(between);
	X509_free(leaf);
	X509_STORE_free(trusted);
	ERR_clear_error();
	return why;
}

/* --- what is made --- */

static void fresh(void)
{
	struct service *s;
	struct stat st;
	X509 *x;
	int critical = 0;

	umask(0);
	s = must_open(NOW);
	umask(022);
	for (unsigned i = 0; i < SERVICE_LEAVES; i++) {
		ok(!judged(s, i, "localhost", false, NOW), "leaf %u serves localhost", i);
		ok(!judged(s, i, "127.0.0.1", true, NOW) && !judged(s, i, "::1", true, NOW),
		    "and both addresses");
		ok(judged(s, i, "elsewhere.example", false, NOW) &&
		        judged(s, i, "127.0.0.2", true, NOW),
		    "and no other");
		ok(!judged(s, i, "localhost", false, NOW + 89 * DAY) &&
		        judged(s, i, "localhost", false, NOW + 91 * DAY),
		    "for 90 days");
	}
	x = openssl_parse(service_root(s));
	ok(x && X509_check_ca(x) == 1 && X509_get_extension_flags(x) & EXFLAG_SS &&
	        X509_get_key_usage(x) == (KU_KEY_CERT_SIGN | KU_CRL_SIGN),
	    "the root is a self-signed authority");
	ok(x && strcmp((const char *)ASN1_STRING_get0_data(X509_get0_notAfter(x)),
	            "461123000000Z") == 0,
	    "for 20 years");
	X509_free(x);
	x = of_chain(service_chain(s, SERVICE_API), 1);
	ok(x && X509_check_ca(x) == 1 && X509_get_pathlen(x) == 0, "below it one above leaves");
	X509_free(x);
	x = of_chain(service_chain(s, SERVICE_API), 0);
	ok(x && X509_get_key_usage(x) == KU_DIGITAL_SIGNATURE &&
	        X509_get_extended_key_usage(x) == XKU_SSL_SERVER && X509_check_ca(x) == 0,
	    "a leaf may serve and nothing else");
	for (int i = 0; x && i < X509_get_ext_count(x); i++)
		critical += X509_EXTENSION_get_critical(X509_get_ext(x, i));
	ok(critical == 1, "one critical extension, which BearSSL knows");
	X509_free(x);
	for (size_t i = 0; i < 4; i++) {
		static const char *const keys[] = { "service-root.key", "issuing.key", "api.key",
			"broker.key" };

		ok(stat(in_folder(keys[i]), &st) == 0 && (st.st_mode & 07777) == 0600,
		    "%s has mode 0600", keys[i]);
	}
	ok(stat(folder, &st) == 0 && (st.st_mode & 07777) == 0700, "the folder has mode 0700");
	service_free(s);
}

/* --- renewal --- */

static bool same_chain(const struct service *s, enum service_leaf which, const char *before)
{
	struct slice chain = service_chain(s, which);

	return strlen(before) == chain.n && memcmp(before, chain.p, chain.n) == 0;
}

static char *copy_chain(const struct service *s)
{
	struct slice chain = service_chain(s, SERVICE_API);

	return strndup((const char *)chain.p, chain.n);
}

static void renewal(void)
{
	struct service *s = must_open(NOW);
	char *before = copy_chain(s);
	struct slice root;
	uint8_t root_before[1024];
	unsigned renewed = 99;
	struct errbuf eb = { "" };

	service_free(s);
	s = must_open(NOW + 5 * DAY);
	ok(same_chain(s, SERVICE_API, before), "opened again: the same certificate");
	ok(service_due(s) > NOW + 59 * DAY && service_due(s) <= NOW + 60 * DAY,
	    "due when 30 days are left");
	ok(service_renew(s, service_due(s), &renewed, &eb) == OK && renewed == 0,
	    "nothing at that moment (%s)", eb.text);
	ok(service_renew(s, service_due(s) + 1, &renewed, &eb) == OK && renewed == 3 &&
	        !same_chain(s, SERVICE_API, before),
	    "a second later both leaves (%s)", eb.text);
	ok(!judged(s, SERVICE_BROKER, "localhost", false, NOW + 120 * DAY), "which then serve on");
	free(before);
	before = copy_chain(s);
	root = service_root(s);
	memcpy(root_before, root.p, root.n);
	/* The issuing authority is renewed before it could cut a leaf short. */
	for (int64_t now = NOW + 60 * DAY; now < NOW + 800 * DAY; now += 20 * DAY) {
		if (service_renew(s, now, &renewed, &eb) != OK ||
		    judged(s, SERVICE_API, "localhost", false, now) ||
		    service_end(s, SERVICE_API) < now + SERVICE_LEAF_LEFT * DAY) {
			ok(false, "two years on: %s", eb.text);
			break;
		}
	}
	ok(service_root(s).n == root.n && memcmp(root_before, service_root(s).p, root.n) == 0,
	    "over two years the root stays");
	service_free(s);
	s = must_open(NOW + 781 * DAY);
	ok(!judged(s, SERVICE_API, "localhost", false, NOW + 781 * DAY),
	    "and what is in the files is what was served");
	service_free(s);
	free(before);

	/* A clock that was wrong for a while has made certificates of the future. */
	s = must_open(NOW + DAY);
	ok(!judged(s, SERVICE_API, "localhost", false, NOW + DAY), "a clock set back is survived");
	service_free(s);
}

static void other_names(void)
{
	static const char *const more[] = { "localhost", "iot.example", "192.0.2.7" };
	struct service *s = must_open(NOW);
	char *before = copy_chain(s);
	struct errbuf eb = { "" };

	service_free(s);
	s = NULL;
	ok(service_open(folder, more, COUNT(more), NOW, &s, &eb) == OK && s &&
	        !same_chain(s, SERVICE_API, before) &&
	        !judged(s, SERVICE_API, "iot.example", false, NOW) &&
	        !judged(s, SERVICE_API, "192.0.2.7", true, NOW) &&
	        judged(s, SERVICE_API, "board.example", false, NOW),
	    "other names, another certificate (%s)", eb.text);
	service_free(s);
	free(before);
}

static void root_away(void)
{
	struct service *s = must_open(NOW);
	char away[256];
	unsigned renewed;
	struct errbuf eb;

	service_free(s);
	snprintf(away, sizeof(away), "%s/vault.key", top);
	if (rename(in_folder("service-root.key"), away) != 0)
		bail_out("no vault");
	s = must_open(NOW + 61 * DAY);
	ok(!judged(s, SERVICE_API, "localhost", false, NOW + 61 * DAY),
	    "leaves are renewed without the root's key");
	ok(service_renew(s, NOW + 700 * DAY, &renewed, &eb) == OK &&
	        !judged(s, SERVICE_API, "localhost", false, NOW + 725 * DAY),
	    "as long as the issuing authority lives");
	ok(service_renew(s, NOW + 731 * DAY, &renewed, &eb) == ERR_NOT_FOUND,
	    "then it must come back (%s)", eb.text);
	service_free(s);
	if (rename(away, in_folder("service-root.key")) != 0)
		bail_out("no key");
	s = must_open(NOW + 731 * DAY);
	ok(!judged(s, SERVICE_API, "localhost", false, NOW + 731 * DAY), "and all is well again");
	service_free(s);
	forget();
}

/* --- what other hands do --- */

static void copy_file(const char *from, const char *to)
{
	uint8_t *bytes = NULL;
	size_t n;

	if (file_read(in_folder(from), 65536, &bytes, &n, NULL) != OK ||
	    file_write(in_folder(to), (struct slice){ bytes, n }, 0600, NULL) != OK)
		bail_out("cannot copy");
	free(bytes);
}

static void foreign_hands(void)
{
	struct service *s = NULL;
	struct errbuf eb;

	service_free(must_open(NOW));
	if (file_write(in_folder("api.pem"), TEXT("rubbish"), 0644, &eb) != OK)
		bail_out(eb.text);
	remove_in(folder, "broker.key");
	remove_in(folder, "issuing.key");
	s = must_open(NOW);
	ok(!judged(s, SERVICE_API, "localhost", false, NOW) &&
	        !judged(s, SERVICE_BROKER, "localhost", false, NOW),
	    "what stands below the root is made anew");
	service_free(s);
	s = NULL;

	chmod(in_folder("api.key"), 0644);
	ok(open_at(NOW, &s, &eb) == ERR_DENIED, "a key that others can read (%s)", eb.text);
	chmod(in_folder("api.key"), 0600);
	chmod(folder, 0755);
	ok(open_at(NOW, &s, &eb) == ERR_DENIED, "a folder that others can enter (%s)", eb.text);
	chmod(folder, 0700);
	ok(open_at(NOW - 30 * DAY, &s, &eb) == ERR_CONFLICT, "a clock before the root (%s)",
	    eb.text);
	ok(open_at(NOW + 7400 * DAY, &s, &eb) == ERR_CONFLICT, "a clock after it (%s)", eb.text);

	copy_file("service-root.key", "kept");
	copy_file("issuing.key", "service-root.key");
	ok(open_at(NOW, &s, &eb) == ERR_CONFLICT, "another root's key (%s)", eb.text);
	copy_file("kept", "service-root.key");
	copy_file("issuing.pem", "service-root.pem");
	ok(open_at(NOW, &s, &eb) == ERR_CONFLICT, "another root's certificate (%s)", eb.text);
	remove_in(folder, "service-root.pem");
	remove_in(folder, "service-root.key");
	ok(open_at(NOW, &s, &eb) == ERR_NOT_FOUND, "a root that is gone (%s)", eb.text);
	if (file_write(in_folder("service-root.pem"), TEXT("rubbish"), 0644, NULL) != OK)
		bail_out("cannot write");
	ok(open_at(NOW, &s, &eb) == ERR_FORMAT, "a root that is rubbish (%s)", eb.text);
	ok(s == NULL, "nothing is handed out then");
	forget();
}

/* --- whatever fails, and whenever the power goes --- */

static void faults(void)
{
	struct service *s = NULL;
	struct errbuf eb;
	long n;

	for (n = 0;; n++) {
		enum err e;

		faults_begin(FAULT_FILES, n);
		e = open_at(NOW, &s, &eb);
		if (!faults_end()) {
			ok(e == OK, "in the end it is made");
			break;
		}
		if (e == OK || s) {
			/* Closing what was read, or looking for what need not be there. */
			service_free(s);
			s = NULL;
		}
		if (open_at(NOW, &s, &eb) != OK || judged(s, SERVICE_API, "localhost", false, NOW))
			ok(false, "after failure %ld: %s", n, eb.text);
		service_free(s);
		s = NULL;
		forget();
	}
	ok(n > 20, "%ld calls failed, one at a time, and the next attempt succeeded", n);
	service_free(s);
	forget();
	for (n = 0;; n++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			s = NULL;
			faults_begin(FAULT_CRASH, n);
			_exit(open_at(NOW, &s, &eb) == OK ? 0 : 1);
		}
		if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
			bail_out("no child");
		s = must_open(NOW);
		if (judged(s, SERVICE_BROKER, "localhost", false, NOW))
			ok(false, "after a crash at call %ld", n);
		service_free(s);
		forget();
		if (WEXITSTATUS(status) != FAULTS_CRASHED)
			break;
	}
	ok(n > 20, "after each of %ld crashes the next process finishes it", n);
}

/* --- names --- */

static void name_rules(void)
{
	static const struct {
		const char *name;
		bool good;
	} cases[] = {
		{ "localhost", true },
		{ "a", true },
		{ "Big-Host.Example", true },
		{ "*.boards.example", true },
		{ "xn--mnchen-3ya.example", true },
		{ "192.0.2.1", true },
		{ "2001:db8::1", true },
		{ "", false },
		{ "my_host", false },
		{ "-a.example", false },
		{ "a-.example", false },
		{ "a..example", false },
		{ "example.", false },
		{ ".example", false },
		{ "a.*.example", false },
		{ "a*.example", false },
		{ "*", false },
		{ "*.example", false }, /* L31 */
		{ "192.0.2.256", false },
		{ "1.2.3", false },
		{ "a b", false },
		{ "m\xc3\xbcnchen.example", false },
		{ "0123456789012345678901234567890123456789012345678901234567890123", false },
	};
	static const char *const addresses[] = { "127.0.0.1", "::1" };
	const char *many[SERVICE_NAMES_MAX + 1];
	char long_name[300];
	struct service *s = NULL;
	struct errbuf eb;

	for (size_t i = 0; i < COUNT(cases); i++) {
		eb.text[0] = '\0';
		ok((service_name_check(cases[i].name, &eb) == OK) == cases[i].good, "'%s' %s (%s)",
		    cases[i].name, cases[i].good ? "is a name" : "is none", eb.text);
	}
	for (size_t i = 0; i + 1 < sizeof(long_name); i++)
		long_name[i] = i % 2 ? '.' : 'a';
	long_name[253] = '\0';
	ok(service_name_check(long_name, &eb) == OK, "253 characters");
	long_name[253] = '.';
	long_name[255] = '\0';
	ok(service_name_check(long_name, &eb) == ERR_ARG, "255 characters");
	ok(service_open(folder, addresses, 2, NOW, &s, &eb) == ERR_ARG, "addresses alone (%s)",
	    eb.text);
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = "localhost";
	ok(service_open(folder, many, COUNT(many), NOW, &s, &eb) == ERR_ARG, "33 names (%s)",
	    eb.text);
	ok(service_open(folder, names, 0, NOW, &s, &eb) == ERR_ARG, "no name (%s)", eb.text);
	ok(access(folder, F_OK) != 0, "nothing is made for them");
}

/* --- the rules, each broken by one change of the bytes --- */

struct made {
	uint8_t der[SERVICE_CERT_MAX], names[512], q[64], key_id[20], serial[16];
	struct x509_tbs tbs;
	struct lint_context context;
};

static void make(struct made *m, struct p256 *p)
{
	struct p256_key *k = fresh_key();
	struct der_w w = der_writer(m->names, sizeof(m->names));
	struct slice list;

	memset(m->serial, 0x11, sizeof(m->serial));
	memset(m->key_id, 0x22, sizeof(m->key_id));
	p256_key_public(k, m->q);
	p256_key_free(k);
	service_name_put(&w, "localhost");
	service_name_put(&w, "127.0.0.1");
	if (der_finish(&w, &list) != OK)
		bail_out("no names");
	m->tbs = (struct x509_tbs){ .serial = SLICE(m->serial),
		.issuer = SLICE(x509_arduino_issuer),
		.subject = SLICE(x509_arduino_issuer),
		.not_before = { 2026, 11, 23, 0 },
		.not_after = { 2027, 2, 21, 0 },
		.q = m->q,
		.aki = m->key_id };
	m->context = (struct lint_context){ p, NOW, m->key_id, { 2028, 11, 23, 0 }, m->q, 0 };
}

static uint64_t broken(struct made *m, struct slice list)
{
	struct der_w w = der_writer(m->der, sizeof(m->der));
	struct slice tbs;

	service_leaf_tbs_put(&w, &m->tbs, list);
	if (der_finish(&w, &tbs) != OK)
		bail_out("no certificate");
	return lint_service(tbs, &m->context);
}

static uint64_t broken_names(struct made *m, const char *name)
{
	uint8_t der[512];
	struct der_w w = der_writer(der, sizeof(der));
	struct slice list;

	service_name_put(&w, name);
	if (der_finish(&w, &list) != OK)
		bail_out("no names");
	return broken(m, list);
}

static void rules(void)
{
	struct p256 *p = NULL;
	struct made m;
	uint8_t extensions[128];
	struct slice list, tbs;
	struct der_w w, x;

	if (p256_new(&p, NULL) != OK)
		bail_out("no P-256");
	make(&m, p);
	list = (struct slice){ m.names, 17 };
	ok(broken(&m, list) == 0, "nothing is wrong with this one");

	m.serial[0] = 0x80;
	ok(broken(&m, list) == LINT_BIT(1), "L01 serial");
	make(&m, p);
	m.q[5] ^= 1;
	ok(broken(&m, list) == LINT_BIT(3), "L03 off the curve");
	make(&m, p);
	m.context.own_keys_n = 1;
	ok(broken(&m, list) == LINT_BIT(4), "L04 the authority's own key");
	make(&m, p);
	m.context.key_id = m.serial;
	ok(broken(&m, list) == LINT_BIT(13), "L13 another authority");
	make(&m, p);
	m.context.now += 2 * DAY;
	ok(broken(&m, list) == LINT_BIT(14), "L14 begun too long ago");
	make(&m, p);
	m.tbs.aki = NULL;
	ok(broken(&m, list) == LINT_BIT(23), "L23 no authority key identifier");
	make(&m, p);
	m.context.ca_not_after = (struct x509_hour){ 2027, 2, 20, 23 };
	ok(broken(&m, list) == LINT_BIT(25), "L25 outlives its authority");
	make(&m, p);
	m.tbs.not_after = (struct x509_hour){ 2027, 12, 26, 0 };
	ok(broken(&m, list) == 0, "398 days");
	m.tbs.not_after.hour = 1;
	ok(broken(&m, list) == LINT_BIT(30), "L30 an hour more");
	m.tbs.not_after = (struct x509_hour){ 2026, 11, 23, 0 };
	ok(broken(&m, list) == LINT_BIT(30), "L30 no time at all");
	make(&m, p);
	ok(broken_names(&m, "127.0.0.1") == LINT_BIT(30), "L30 no DNS name");
	ok(broken_names(&m, "my_host") == LINT_BIT(30), "L30 an underscore");
	ok(broken_names(&m, "*.example") == LINT_BIT(31), "L31 a whole top-level domain");
	ok(broken(&m, BYTES(0x82, 1, 'a', 0x81, 1, 'b')) == LINT_BIT(30), "L30 a mail address");
	ok(broken(&m, BYTES(0x82, 1, 'a', 0x87, 3, 1, 2, 3)) == LINT_BIT(30),
	    "L30 an address of 3 bytes");
	ok(broken(&m, BYTES(0x82, 1, 'A')) == LINT_BIT(30), "L30 not in lower case");
	ok(broken(&m, BYTES(0x82, 2, 'a')) == LINT_BIT(22), "L22 names that end early");

	x = der_writer(extensions, sizeof(extensions));
	x509_ext_key_usage_put(&x, X509_KEY_CERT_SIGN);
	der_raw(&x, BYTES(0x30, 0x13, 6, 3, 0x55, 0x1d, 37, 4, 12, 0x30, 10, 6, 8, 0x2b, 6, 1, 5, 5,
	                7, 3, 1));
	der_raw(&x, BYTES(0x30, 12, 6, 3, 0x55, 0x1d, 17, 4, 5, 0x30, 3, 0x82, 1, 'a'));
	w = der_writer(m.der, sizeof(m.der));
	if (der_finish(&x, &m.tbs.extensions) != OK)
		bail_out("no extensions");
	x509_tbs_put(&w, &m.tbs);
	ok(der_finish(&w, &tbs) == OK && lint_service(tbs, &m.context) == LINT_BIT(32),
	    "L32 a server that certifies");
	ok(lint_service(list, &m.context) == LINT_BIT(22), "L22 not a certificate");
	p256_free(p);
}

int main(void)
{
	faults_openssl();
	snprintf(top, sizeof(top), "%s/imprint-service-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(top))
		bail_out("no temporary folder");
	snprintf(folder, sizeof(folder), "%s/tls", top);

	fresh();
	renewal();
	other_names();
	forget();
	root_away();
	foreign_hands();
	faults();
	name_rules();
	rules();
	ok(rmdir(top) == 0, "nothing is left");
	return done_testing();
}
