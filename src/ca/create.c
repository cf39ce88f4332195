#include "ca.h"
#include "file.h"
#include "folder.h"
#include "serial_number.h"
#include "text.h"
#include "utc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The authority is made in FOLDER.new and then renamed: rename(2) replaces an empty folder and
 * refuses one with something in it. The lock on FOLDER.new tells a maker at work from a killed one.
 */
static enum err lock_workshop(const char *path, int *fd, struct errbuf *eb)
{
	struct stat there, ours;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return file_error(eb, errno, path, "cannot be made");
	if ((*fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		return file_error(eb, errno, path, "cannot be opened");
	if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK
		           ? err_set(eb, ERR_CONFLICT,
		                 "%s: another process makes this authority now", path)
		           : file_error(eb, errno, path, "cannot be locked");
	if (fstat(*fd, &ours) != 0 || stat(path, &there) != 0)
		return file_error(eb, errno, path, "cannot be examined");
	/* Between open and flock its maker may have finished and renamed it. */
	if (ours.st_ino != there.st_ino || ours.st_dev != there.st_dev)
		return err_set(
		    eb, ERR_CONFLICT, "%s: another process has made this authority", path);
	return folder_private(path, eb);
}

/* Removes what a killed maker left. Only names that we make: anything else stays, and stops us. */
static enum err sweep(int fd, const char *path, struct errbuf *eb)
{
	static const char *const names[] = { "key.pem", "key.pem.new", "certificate.pem",
		"certificate.pem.new" };

	for (size_t i = 0; i < COUNT(names); i++)
		if (unlinkat(fd, names[i], 0) != 0 && errno != ENOENT)
			return file_error(eb, errno, path, "cannot be cleared");
	return OK;
}

static enum err fill(const char *workshop, const struct x509_hour *start, struct errbuf *eb)
{
	char path[FOLDER_PATH_MAX], pem[2 * PROFILE_CA_MAX];
	uint8_t serial[16], der[PROFILE_CA_MAX];
	size_t der_n, pem_n;
	enum err e;

	if ((e = serial_number_draw(serial)) != OK)
		return err_set(eb, e, "no random bytes for a serial number");
	if ((e = folder_join(workshop, "key.pem", path, eb)) != OK ||
	    (e = signer_create(path, serial, start, der, &der_n, eb)) != OK)
		return e;
	if ((e = pem_encode(
	         (struct slice){ der, der_n }, "CERTIFICATE", 64, pem, sizeof(pem), &pem_n)) != OK)
		return err_set(eb, e, "certificate of the authority: %s", err_text(e));
	if ((e = folder_join(workshop, "certificate.pem", path, eb)) != OK)
		return e;
	return file_create(path, (struct slice){ (const uint8_t *)pem, pem_n }, 0644, eb);
}

enum err ca_create(const char *folder, int64_t now, struct errbuf *eb)
{
	char workshop[FOLDER_PATH_MAX];
	struct x509_hour start;
	size_t n = strlen(folder);
	int fd = -1;
	enum err e;

	while (n > 1 && folder[n - 1] == '/')
		n--;
	if (n + 5 > sizeof(workshop))
		return err_set(eb, ERR_ARG, "the name of the authority's folder is too long");
	if ((e = utc_hour(now, &start)) != OK)
		return err_set(eb, e, "the clock is out of range");
	if (start.year > 2031) /* validators that ask whether a leaf began under its authority */
		start = (struct x509_hour){ 2031, 12, 31, 23 };
	snprintf(workshop, sizeof(workshop), "%.*s.new", (int)n, folder);
	if ((e = lock_workshop(workshop, &fd, eb)) != OK || (e = sweep(fd, workshop, eb)) != OK)
		goto out;
	if ((e = fill(workshop, &start, eb)) != OK)
		goto undo;
	if (rename(workshop, folder) == 0) {
		e = folder_sync_parent(folder, eb); /* file_create has flushed the folder itself */
		goto out;
	}
	e = file_error(eb, errno == ENOTDIR ? EEXIST : errno, folder, "cannot become an authority");
undo:
	if (sweep(fd, workshop, NULL) == OK)
		rmdir(workshop);
out:
	if (fd >= 0)
		close(fd);
	return e;
}
