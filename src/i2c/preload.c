/*
 * libimprint-i2c.so: the names of libc that i2c_file.h stands under. What is not ours goes on to the
 * next library that has the name, so that other preloaded libraries keep working.
 *
 * close, dup, fork and poll need nothing: an open device is a descriptor of the kernel's (i2c_file.h).
 * stdio's fopen reads past these names and does not see our devices.
 */
#undef _FILE_OFFSET_BITS /* both names are defined here, none is the other's alias */

#include "i2c_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* What programs compiled with _FORTIFY_SOURCE call instead. */
EXPORT int __open_2(const char *path, int flags);
EXPORT int __open64_2(const char *path, int flags);
EXPORT int __openat_2(int folder, const char *path, int flags);
EXPORT int __openat64_2(int folder, const char *path, int flags);
EXPORT ssize_t __read_chk(int fd, void *p, size_t n, size_t room);

typedef int open_fn(const char *, int, ...);
typedef int open2_fn(const char *, int);
typedef int openat_fn(int, const char *, int, ...);
typedef int openat2_fn(int, const char *, int);
typedef int creat_fn(const char *, mode_t);
typedef ssize_t read_fn(int, void *, size_t);
typedef ssize_t read_chk_fn(int, void *, size_t, size_t);
typedef ssize_t write_fn(int, const void *, size_t);
typedef ssize_t iov_fn(int, const struct iovec *, int);
typedef off_t lseek_fn(int, off_t, int);
typedef off64_t lseek64_fn(int, off64_t, int);
typedef int ioctl_fn(int, unsigned long, ...);

/*
 * The next definition of a function, looked up at its first use: the same for all threads, so it does
 * not matter whose store comes last. Where there is none, ENOSYS.
 */
#define NEXT(type, name, ...)                                                                      \
	static type *_Atomic next;                                                                 \
	type *real = next;                                                                         \
                                                                                                   \
	if (!real) {                                                                               \
		void *found = dlsym(RTLD_NEXT, name);                                              \
                                                                                                   \
		memcpy(&real, &found, sizeof(real));                                               \
		next = real;                                                                       \
	}                                                                                          \
	if (!real) {                                                                               \
		errno = ENOSYS;                                                                    \
		return -1;                                                                         \
	}                                                                                          \
	return real(__VA_ARGS__)

/* The third argument of open counts only with these; reading it always is what libc itself does. */
#define MODE_AFTER(last)                                                                           \
	mode_t mode;                                                                               \
	va_list more;                                                                              \
                                                                                                   \
	va_start(more, last);                                                                      \
	mode = va_arg(more, mode_t);                                                               \
	va_end(more)

EXPORT int open(const char *path, int flags, ...)
{
	int fd = i2c_file_open(path, flags);
	MODE_AFTER(flags);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(open_fn, "open", path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	int fd = i2c_file_open(path, flags);
	MODE_AFTER(flags);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(open_fn, "open64", path, flags, mode);
}

EXPORT int openat(int folder, const char *path, int flags, ...)
{
	int fd = i2c_file_open(path, flags);
	MODE_AFTER(flags);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(openat_fn, "openat", folder, path, flags, mode);
}

EXPORT int openat64(int folder, const char *path, int flags, ...)
{
	int fd = i2c_file_open(path, flags);
	MODE_AFTER(flags);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(openat_fn, "openat64", folder, path, flags, mode);
}

EXPORT int __open_2(const char *path, int flags)
{
	int fd = i2c_file_open(path, flags);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(open2_fn, "__open_2", path, flags);
}

EXPORT int __open64_2(const char *path, int flags)
{
	int fd = i2c_file_open(path, flags);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(open2_fn, "__open64_2", path, flags);
}

EXPORT int __openat_2(int folder, const char *path, int flags)
{
	int fd = i2c_file_open(path, flags);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(openat2_fn, "__openat_2", folder, path, flags);
}

EXPORT int __openat64_2(int folder, const char *path, int flags)
{
	int fd = i2c_file_open(path, flags);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(openat2_fn, "__openat64_2", folder, path, flags);
}

EXPORT int creat(const char *path, mode_t mode)
{
	int fd = i2c_file_open(path, O_CREAT | O_WRONLY | O_TRUNC);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(creat_fn, "creat", path, mode);
}

EXPORT int creat64(const char *path, mode_t mode)
{
	int fd = i2c_file_open(path, O_CREAT | O_WRONLY | O_TRUNC);

	if (fd != I2C_FILE_OTHER)
		return fd;
	NEXT(creat_fn, "creat64", path, mode);
}

EXPORT ssize_t read(int fd, void *p, size_t n)
{
	struct i2c_file f;

	if (i2c_file_of(fd, &f))
		return i2c_file_read(&f, p, n);
	NEXT(read_fn, "read", fd, p, n);
}

/* With too little room libc's own ends the program, for any descriptor. */
EXPORT ssize_t __read_chk(int fd, void *p, size_t n, size_t room)
{
	struct i2c_file f;

	if (n <= room && i2c_file_of(fd, &f))
		return i2c_file_read(&f, p, n);
	NEXT(read_chk_fn, "__read_chk", fd, p, n, room);
}

EXPORT ssize_t write(int fd, const void *p, size_t n)
{
	struct i2c_file f;

	if (i2c_file_of(fd, &f))
		return i2c_file_write(&f, p, n);
	NEXT(write_fn, "write", fd, p, n);
}

/* The kernel makes a transaction of each part, for a device that has no vector call of its own. */
static ssize_t each_part(const struct i2c_file *f, const struct iovec *parts, int n, bool reading)
{
	ssize_t sum = 0;

	for (int i = 0; i < n; i++) {
		ssize_t done = reading ? i2c_file_read(f, parts[i].iov_base, parts[i].iov_len)
		                       : i2c_file_write(f, parts[i].iov_base, parts[i].iov_len);

		if (done < 0)
			return sum ? sum : -1;
		sum += done;
	}
	return sum;
}

EXPORT ssize_t readv(int fd, const struct iovec *parts, int n)
{
	struct i2c_file f;

	if (i2c_file_of(fd, &f))
		return each_part(&f, parts, n, true);
	NEXT(iov_fn, "readv", fd, parts, n);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int n)
{
	struct i2c_file f;

	if (i2c_file_of(fd, &f))
		return each_part(&f, parts, n, false);
	NEXT(iov_fn, "writev", fd, parts, n);
}

EXPORT off_t lseek(int fd, off_t to, int from)
{
	struct i2c_file f;

	if (i2c_file_of(fd, &f)) {
		errno = ESPIPE;
		return -1;
	}
	NEXT(lseek_fn, "lseek", fd, to, from);
}

EXPORT off64_t lseek64(int fd, off64_t to, int from)
{
	struct i2c_file f;

	if (i2c_file_of(fd, &f)) {
		errno = ESPIPE;
		return -1;
	}
	NEXT(lseek64_fn, "lseek64", fd, to, from);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	struct i2c_file f;
	void *arg;
	va_list more;

	va_start(more, request);
	arg = va_arg(more, void *);
	va_end(more);
	if (i2c_file_of(fd, &f))
		return i2c_file_ioctl(&f, request, arg);
	NEXT(ioctl_fn, "ioctl", fd, request, arg);
}
