#include "saved.h"
#include "file.h"
#include "text.h"
#include "uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SAVED_MAX ((size_t)1 << 29) /* three million devices */

/* --- out --- */

static const char *id_text(const uint8_t id[16], char text[UUID_TEXT + 1])
{
	uuid_text(id, text);
	text[UUID_TEXT] = '\0';
	return text;
}

static const char *print_text(const uint8_t print[ROSTER_PRINT], char text[2 * ROSTER_PRINT + 1])
{
	if (ct_zero(print, ROSTER_PRINT))
		return "-";
	hex_encode((struct slice){ print, ROSTER_PRINT }, HEX_LOWER, text);
	return text;
}

static bool row(void *ctx, const struct roster_device *d)
{
	char id[UUID_TEXT + 1], thing[UUID_TEXT + 1], a[2 * ROSTER_PRINT + 1],
	    b[2 * ROSTER_PRINT + 1];

	return fprintf(ctx, "a %s %d %s %s %s %" PRId64 "\n", id_text(d->id, id), d->enabled,
	           ct_zero(d->thing, 16) ? "-" : id_text(d->thing, thing),
	           print_text(d->print[0], a), print_text(d->print[1], b), d->not_after) > 0;
}

enum err saved_write(const char *path, int64_t as_of, const struct feed *feed, struct errbuf *eb)
{
	char *text = NULL, key_id[41];
	size_t n = 0;
	enum err e;
	FILE *out = open_memstream(&text, &n);
	bool failed;

	if (!out)
		return err_set(eb, ERR_MEMORY, "%s: no memory for the list", path);
	fprintf(out, "v 1 %" PRIu64 " %" PRIu64 "\nb\n", feed->epoch, feed->seq);
	for (unsigned i = 0; i < feed->authorities; i++) {
		hex_encode(SLICE(feed->authority[i].key_id), HEX_LOWER, key_id);
		fprintf(out, "ca %s 1\n", key_id);
	}
	roster_each(feed->roster, row, out);
	fprintf(out, "e %" PRIu64 "\n", feed->seq);
	failed = ferror(out) != 0;
	failed |= fclose(out) != 0;
	if (failed)
		e = err_set(eb, ERR_MEMORY, "%s: no memory for the list", path);
	else
		e = file_write(path, (struct slice){ (const uint8_t *)text, n }, 0600, eb);
	if (e == OK)
		e = saved_touch(path, as_of, eb);
	free(text);
	return e;
}

enum err saved_touch(const char *path, int64_t as_of, struct errbuf *eb)
{
	const struct timespec times[] = { { .tv_sec = as_of }, { .tv_sec = as_of } };

	if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) != 0)
		return file_error(eb, errno, path, "set its time");
	return OK;
}

/* --- in --- */

static void forgotten(void *ctx, const uint8_t id[16])
{
	(void)ctx, (void)id;
}

static enum err take(const char *path, struct feed *feed, struct slice text, struct errbuf *eb)
{
	const char *why = "it ends before its end";

	if (feed_take(feed, text, &why) == OK && feed->synced && !feed->snapshot &&
	    feed->reader.n == 0)
		return OK;
	return err_set(eb, ERR_FORMAT, "%s: not a whole list: %s", path, why);
}

enum err saved_read(const char *path, struct feed *feed, int64_t *as_of, struct errbuf *eb)
{
	const struct feed before = *feed;
	struct stat st = { 0 };
	uint8_t *text = NULL;
	size_t n;
	enum err e;

	if ((e = file_read_private(path, SAVED_MAX, &text, &n, eb)) != OK)
		return e;
	if (stat(path, &st) != 0)
		e = file_error(eb, errno, path, "look at");
	else
		e = take(path, feed, (struct slice){ text, n }, eb);
	free(text);
	if (e == OK) {
		*as_of = st.st_mtime;
		feed_lost(feed); /* what it answered is nobody's */
		return OK;
	}
	*feed = before;
	roster_mark(feed->roster);
	roster_sweep(feed->roster, forgotten, NULL);
	return e;
}
