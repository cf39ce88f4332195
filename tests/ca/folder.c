/*
 * The authority's folder: made whole or not at all, whatever fails and whenever the power goes; and
 * opened only when it is private and belongs together.
 */
#include "fixture.h"
#include "faults.h"
#include "file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char top[64], folder[96], workshop[96], key_path[128], cert_path[128];

#define NOW INT64_C(1795392000)

static void forget(void)
{
	static const char *const names[] = { "key.pem", "certificate.pem", "key.pem.new",
		"certificate.pem.new" };

	for (size_t i = 0; i < COUNT(names); i++) {
		remove_in(folder, names[i]);
		remove_in(workshop, names[i]);
	}
	rmdir(folder);
	rmdir(workshop);
}

static unsigned entries(const char *path)
{
	unsigned n = 0;
	DIR *d = opendir(path);

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static enum err create(struct errbuf *eb)
{
	return ca_create(folder, NOW, eb);
}

static enum err reopen(struct errbuf *eb)
{
	struct ca *ca = NULL;
	enum err e = ca_open(folder, NULL, &ca, eb);

	ca_free(ca);
	return e;
}

/* --- what is made --- */

static void fresh(void)
{
	struct errbuf eb = { "" };
	struct stat st;
	struct ca *ca = NULL;
	const uint8_t *id;
	X509 *x;

	ok(reopen(&eb) == ERR_NOT_FOUND, "no authority yet (%s)", eb.text);
	umask(0);
	ok(create(&eb) == OK, "made (%s)", eb.text);
	umask(022);
	ok(stat(folder, &st) == 0 && (st.st_mode & 07777) == 0700, "the folder has mode 0700");
	ok(stat(key_path, &st) == 0 && (st.st_mode & 07777) == 0600, "the key has mode 0600");
	ok(entries(folder) == 2 && entries(top) == 1, "and nothing else is there");
	ok(ca_open(folder, NULL, &ca, &eb) == OK, "opened (%s)", eb.text);
	if (!ca)
		return;
	id = ca_key_id(ca);
	x = openssl_parse(ca_certificate(ca));
	ok(x && X509_check_ca(x) == 1 && X509_get_pathlen(x) == 0,
	    "OpenSSL: an authority above leaves alone");
	ok(x && X509_get_key_usage(x) == (KU_KEY_CERT_SIGN | KU_CRL_SIGN),
	    "which signs certificates and CRLs");
	ok(x && X509_get_extension_flags(x) & EXFLAG_SS && X509_get_ext_count(x) == 3,
	    "self-signed");
	ok(x && X509_get0_subject_key_id(x) &&
	        memcmp(ASN1_STRING_get0_data(X509_get0_subject_key_id(x)), id, 20) == 0,
	    "with the identifier of its key");
	ok(x && strcmp((const char *)ASN1_STRING_get0_data(X509_get0_notAfter(x)),
	            "99991231235959Z") == 0,
	    "it never ends");
	ok(x && strcmp((const char *)ASN1_STRING_get0_data(X509_get0_notBefore(x)),
	            "261123000000Z") == 0,
	    "it begins with the hour");
	ok(openssl_refuses(ca_certificate(ca), ca_certificate(ca), NOW) != NULL,
	    "it is no TLS client");
	X509_free(x);
	ca_free(ca);
	ok(create(&eb) == ERR_CONFLICT && reopen(&eb) == OK, "never made over another");
	ok(entries(top) == 1, "nothing is left of the attempt");
	forget();
}

static void late(void)
{
	struct errbuf eb = { "" };
	struct ca *ca = NULL;
	X509 *x;

	ok(ca_create(folder, INT64_C(1960000000), &eb) == OK &&
	        ca_open(folder, NULL, &ca, &eb) == OK,
	    "made in 2032 (%s)", eb.text);
	x = ca ? openssl_parse(ca_certificate(ca)) : NULL;
	ok(x && strcmp((const char *)ASN1_STRING_get0_data(X509_get0_notBefore(x)),
	            "311231230000Z") == 0,
	    "begins no later than its pinned leaves");
	X509_free(x);
	ca_free(ca);
	forget();
	ok(ca_create(folder, INT64_MAX, &eb) == ERR_ARG, "a clock out of range (%s)", eb.text);
}

static void in_the_way(void)
{
	struct errbuf eb = { "" };
	int fd = -1;

	ok(mkdir(folder, 0755) == 0 && create(&eb) == OK && reopen(&eb) == OK,
	    "an empty folder becomes an authority, and private (%s)", eb.text);
	forget();
	ok(mkdir(folder, 0700) == 0 && file_write(cert_path, TEXT("x"), 0600, &eb) == OK &&
	        create(&eb) == ERR_CONFLICT && entries(top) == 1,
	    "a folder with something in it does not (%s)", eb.text);
	forget();
	ok(file_write(folder, TEXT("x"), 0600, &eb) == OK && create(&eb) == ERR_CONFLICT &&
	        entries(top) == 1,
	    "nor does a file (%s)", eb.text);
	unlink(folder);
	ok(mkdir(workshop, 0700) == 0 && (fd = open(workshop, O_RDONLY | O_DIRECTORY)) >= 0 &&
	        flock(fd, LOCK_EX) == 0 && create(&eb) == ERR_CONFLICT,
	    "another process is making it (%s)", eb.text);
	close(fd);
	ok(create(&eb) == OK && reopen(&eb) == OK, "it has died: made now (%s)", eb.text);
	forget();
	ok(mkdir(workshop, 0755) == 0 && create(&eb) == ERR_DENIED,
	    "a workshop with open doors (%s)", eb.text);
	forget();
	ok(symlink("/tmp", workshop) == 0 && create(&eb) != OK, "a link in its place (%s)",
	    eb.text);
	unlink(workshop);
	ok(ca_create("/nowhere/at/all/ca", NOW, &eb) == ERR_NOT_FOUND,
	    "no such folder above it (%s)", eb.text);
}

/* --- what is refused at opening --- */

static void write_text(const char *path, const char *text)
{
	if (file_write(path, text_slice(text), 0600, NULL) != OK)
		bail_out("cannot write");
}

/* Another authority's file in this one's folder. */
static void swap_in(const char *name, struct slice bytes, mode_t mode)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (file_write(path, bytes, mode, NULL) != OK)
		bail_out("cannot write");
}

static void doors(void)
{
	static const mode_t open_folders[] = { 0750, 0701, 0777 };
	struct errbuf eb = { "" };

	if (create(&eb) != OK)
		bail_out(eb.text);
	for (size_t i = 0; i < COUNT(open_folders); i++)
		ok(chmod(folder, open_folders[i]) == 0 && reopen(&eb) == ERR_DENIED,
		    "a folder of mode %04o (%s)", (unsigned)open_folders[i], eb.text);
	ok(chmod(folder, 0700) == 0 && chmod(key_path, 0640) == 0 && reopen(&eb) == ERR_DENIED,
	    "a key that the group can read (%s)", eb.text);
	ok(chmod(key_path, 0600) == 0 && reopen(&eb) == OK, "mended");
	ok(symlink(folder, workshop) == 0, "a link to the folder");
	{
		struct ca *ca = NULL;

		ok(ca_open(workshop, NULL, &ca, &eb) == ERR_DENIED && !ca, "is not the folder (%s)",
		    eb.text);
	}
	unlink(workshop);
	forget();
}

static void mixed_up(void)
{
	static const char garbage[] =
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	uint8_t *cert = NULL, *key = NULL;
	size_t cert_n = 0, key_n = 0;
	struct errbuf eb = { "" };

	if (create(&eb) != OK || file_read(cert_path, 9999, &cert, &cert_n, &eb) != OK ||
	    file_read(key_path, 9999, &key, &key_n, &eb) != OK)
		bail_out(eb.text);
	forget();
	if (create(&eb) != OK)
		bail_out(eb.text);
	swap_in("certificate.pem", (struct slice){ cert, cert_n }, 0644);
	ok(reopen(&eb) == ERR_CONFLICT, "the certificate of another authority (%s)", eb.text);
	swap_in("key.pem", (struct slice){ key, key_n }, 0600);
	ok(reopen(&eb) == OK, "and its key with it");
	write_text(cert_path, "hello");
	ok(reopen(&eb) == ERR_FORMAT, "no certificate (%s)", eb.text);
	write_text(cert_path, garbage);
	ok(reopen(&eb) == ERR_FORMAT, "garbage in PEM (%s)", eb.text);
	unlink(cert_path);
	ok(reopen(&eb) == ERR_NOT_FOUND, "no file (%s)", eb.text);
	swap_in("certificate.pem", (struct slice){ cert, cert_n }, 0644);
	write_text(key_path, "hello");
	ok(reopen(&eb) == ERR_FORMAT, "no key (%s)", eb.text);
	unlink(key_path);
	ok(reopen(&eb) == ERR_NOT_FOUND && strstr(eb.text, "key.pem"), "no key file (%s)", eb.text);
	forget();
	free(cert);
	free(key);
}

/* --- whatever fails --- */

/* After a failure: no authority or a whole one; the next attempt succeeds; nothing else is left. */
static bool consistent_after(enum err e, bool failed)
{
	bool whole = reopen(NULL) == OK;
	enum err again;

	if (!whole && access(folder, F_OK) == 0)
		return false;
	if (!failed && !whole)
		return false;
	again = create(NULL);
	/* An error of the very last step, the flush of the folder above, leaves a whole authority. */
	if (again != (whole ? ERR_CONFLICT : OK) || (whole && failed && e != ERR_IO && e != OK))
		return false;
	return reopen(NULL) == OK && entries(folder) == 2 && entries(top) == 1;
}

static void sweep(enum fault kind, const char *name, long at_least)
{
	bool right = true;
	long n = 0;

	for (;; n++) {
		bool hit;
		enum err e;

		faults_begin(kind, n);
		e = create(NULL);
		hit = faults_end();
		if (!consistent_after(e, e != OK)) {
			right = false;
			printf("# call %ld of %s: %s\n", n, name, err_name(e));
		}
		forget();
		if (!hit)
			break;
	}
	ok(right && n >= at_least, "%s: each of %ld calls failing", name, n);
}

static void crashes(void)
{
	bool right = true;
	int status = 0;
	long n = 0;

	for (;; n++) {
		pid_t child;

		fflush(stdout);
		if ((child = fork()) == 0) {
			faults_begin(FAULT_CRASH, n);
			_exit(create(NULL) != OK);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
			bail_out("no child");
		if (!consistent_after(OK, reopen(NULL) != OK)) {
			right = false;
			printf("# killed at call %ld\n", n);
		}
		forget();
		if (WEXITSTATUS(status) != FAULTS_CRASHED)
			break;
	}
	ok(right && WEXITSTATUS(status) == 0 && n >= 25, "killed at each of %ld calls", n);
}

static void opening_sweep(enum fault kind, const char *name, long at_least)
{
	bool right = true;
	long n = 0, tried = 0, stride = getenv("IMPRINT_TORTURE") ? 1 : 17;

	if (create(NULL) != OK)
		bail_out("no authority");
	/* Loading a key asks OpenSSL for thousands of pieces of memory: not all of them every time. */
	for (;; n += n < 100 ? 1 : stride, tried++) {
		struct ca *ca = NULL;
		enum err e;

		faults_begin(kind, n);
		e = ca_open(folder, NULL, &ca, NULL);
		if (!faults_end()) {
			right &= e == OK;
			ca_free(ca);
			break;
		}
		/* OpenSSL does without some things; what it cannot do without is an error, and no authority. */
		if ((e == OK) != (ca != NULL))
			right = false;
		ca_free(ca);
	}
	ok(right && n >= at_least, "%s: %ld of %ld calls failing", name, tried, n);
	forget();
}

static void issuing_sweep(enum fault kind, const char *name, long at_least)
{
	struct p256_key *k = fresh_key();
	uint8_t buffer[512];
	struct ca_request r = { .csr = make_csr(k, "", buffer),
		.device_id = text_slice(DEVICE),
		.start = set_clock(2026, 11, 23, 2),
		.years = 31 };
	struct ca_issued issued, untouched;
	struct ca *ca = NULL;
	bool right = true;
	long n = 0;

	if (create(NULL) != OK || ca_open(folder, &test_options, &ca, NULL) != OK)
		bail_out("no authority");
	memset(&untouched, 0x5a, sizeof(untouched));
	for (;; n++) {
		struct ccert fields;
		enum err e;
		bool hit;

		memset(&issued, 0x5a, sizeof(issued));
		faults_begin(kind, n);
		e = ca_issue(ca, &r, &issued, NULL);
		hit = faults_end();
		right &= e == OK ? ca_verify(ca, (struct slice){ issued.der, issued.der_n },
		                       &fields, NULL) == OK
		                 : untouched_bytes(&issued, &untouched, sizeof(issued));
		if (!hit)
			break;
		right &= e != OK || kind == FAULT_MEMORY;
		right &= ca_issue(ca, &r, &issued, NULL) == OK; /* the same authority goes on */
	}
	ok(right && n >= at_least, "%s: each of %ld calls failing", name, n);
	ca_free(ca);
	p256_key_free(k);
	forget();
}

int main(void)
{
	faults_openssl();
	/* Thousands of flushes: in memory where there is such a file system. */
	snprintf(top, sizeof(top), "%s/imprint-cafolder-XXXXXX",
	    access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(top))
		return 1;
	snprintf(folder, sizeof(folder), "%s/ca", top);
	snprintf(workshop, sizeof(workshop), "%s/ca.new", top);
	snprintf(key_path, sizeof(key_path), "%s/key.pem", folder);
	snprintf(cert_path, sizeof(cert_path), "%s/certificate.pem", folder);
	fresh();
	late();
	in_the_way();
	doors();
	mixed_up();
	sweep(FAULT_FILES, "making, files", 25);
	sweep(FAULT_RANDOM, "making, random numbers", 1);
	sweep(FAULT_MEMORY, "making, memory", 100);
	crashes();
	opening_sweep(FAULT_FILES, "opening, files", 5);
	opening_sweep(FAULT_MEMORY, "opening, memory", 100);
	issuing_sweep(FAULT_RANDOM, "issuing, random numbers", 1);
	issuing_sweep(FAULT_MEMORY, "issuing, memory", 10);
	ok(entries(top) == 0 && rmdir(top) == 0, "nothing is left");
	return done_testing();
}
