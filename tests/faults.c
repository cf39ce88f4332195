#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

/* What is tested may have threads. */
static struct {
	atomic_bool armed, hit;
	_Atomic enum fault kind;
	atomic_long left;
} faults;

void faults_begin(enum fault kind, long n)
{
	faults.kind = kind;
	faults.left = n;
	faults.hit = false;
	faults.armed = true;
}

bool faults_end(void)
{
	faults.armed = false;
	return faults.hit;
}

static bool fails(enum fault kind)
{
	if (!faults.armed || faults.hit ||
	    !(faults.kind == kind || (faults.kind == FAULT_CRASH && kind == FAULT_FILES)) ||
	    faults.left-- > 0)
		return false;
	faults.hit = true;
	if (faults.kind == FAULT_CRASH)
		_exit(FAULTS_CRASHED);
	return true;
}

/* One wrapper: NAME(parameters), passed on as (arguments), failing with `error` and `value`. */
#define WRAP(kind, error, value, type, name, parameters, arguments)                                \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		if (fails(kind)) {                                                                 \
			errno = error;                                                             \
			return value;                                                              \
		}                                                                                  \
		return __real_##name arguments;                                                    \
	}
#define WRAP_FILE(name, parameters, arguments)                                                     \
	WRAP(FAULT_FILES, EIO, -1, int, name, parameters, arguments)

WRAP_FILE(mkdir, (const char *path, mode_t mode), (path, mode))
WRAP_FILE(rename, (const char *from, const char *to), (from, to))
WRAP_FILE(link, (const char *from, const char *to), (from, to))
WRAP_FILE(unlink, (const char *path), (path))
WRAP_FILE(unlinkat, (int fd, const char *path, int flags), (fd, path, flags))
WRAP_FILE(rmdir, (const char *path), (path))
WRAP_FILE(fsync, (int fd), (fd))
WRAP_FILE(fchmod, (int fd, mode_t mode), (fd, mode))
WRAP_FILE(chmod, (const char *path, mode_t mode), (path, mode))
WRAP_FILE(flock, (int fd, int operation), (fd, operation))
WRAP_FILE(fstat64, (int fd, struct stat *st), (fd, st))
WRAP_FILE(stat64, (const char *path, struct stat *st), (path, st))
WRAP_FILE(lstat64, (const char *path, struct stat *st), (path, st))
WRAP(FAULT_FILES, EIO, -1, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
WRAP(FAULT_FILES, ENOSPC, -1, ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(FAULT_RANDOM, EIO, -1, ssize_t, getrandom, (void *p, size_t n, unsigned flags), (p, n, flags))
WRAP(FAULT_MEMORY, ENOMEM, NULL, void *, malloc, (size_t n), (n))
WRAP(FAULT_MEMORY, ENOMEM, NULL, void *, calloc, (size_t n, size_t size), (n, size))
WRAP(FAULT_MEMORY, ENOMEM, NULL, void *, realloc, (void *p, size_t n), (p, n))

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	if (fails(FAULT_FILES)) {
		errno = EIO;
		return -1;
	}
	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t); /* NOLINT: the analyzer misses va_start in a wrapper */
		va_end(ap);
	}
	return __real_open64(path, flags, mode);
}

/* --- OpenSSL's memory --- */

static void *openssl_malloc(size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return fails(FAULT_MEMORY) ? NULL : __real_malloc(n);
}

static void *openssl_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file, (void)line;
	return fails(FAULT_MEMORY) ? NULL : __real_realloc(p, n);
}

static void openssl_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

void faults_openssl(void)
{
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1) {
		printf("Bail out! OpenSSL has been used already\n");
		exit(1);
	}
}
