/* State files copied and put back. The file is replaced whole, so reading it once is a snapshot. */
#include "file.h"
#include "state.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void tell(const struct memory *m, struct emu_info *info)
{
	*info = (struct emu_info){ .family = m->family,
		.genuine_looking = m->genuine_looking,
		.address = memory_address(m),
		.config_locked = memory_config_locked(m),
		.data_locked = memory_data_locked(m),
		.slots_locked = (uint16_t)~load_le16(m->config + AT_SLOT_LOCKED),
		.wear_config = m->wear_config,
		.wear_otp = m->wear_otp };
	memory_serial(m, info->serial);
	memcpy(info->revision, m->config + AT_REVISION, 4);
	memcpy(info->wear_slot, m->wear_slot, sizeof(info->wear_slot));
}

enum err emu_snapshot(const char *path, const char *to, struct emu_info *info, struct errbuf *eb)
{
	struct memory m;
	enum err e;

	if ((e = state_load(path, &m, eb)) == OK && (e = state_save(to, &m, eb)) == OK)
		tell(&m, info);
	wipe(&m, sizeof(m));
	return e;
}

enum err emu_restore(const char *path, const char *from, bool genuine_looking,
    struct emu_info *info, struct errbuf *eb)
{
	struct file_lock lock = FILE_UNLOCKED;
	char name[PATH_MAX];
	struct memory m;
	enum err e;

	if ((size_t)snprintf(name, sizeof(name), "%s.lock", path) >= sizeof(name))
		return err_set(eb, ERR_ARG, "%s: the path is too long", path);
	if ((e = state_load(from, &m, eb)) != OK)
		goto out;
	if (m.genuine_looking && !genuine_looking) {
		e = err_set(eb, ERR_DENIED,
		    "%s: this element looks genuine; that must be asked for again to restore it",
		    from);
		goto out;
	}
	if ((e = file_lock(&lock, name, eb)) == OK && (e = state_save(path, &m, eb)) == OK)
		tell(&m, info);
out:
	file_unlock(&lock);
	wipe(&m, sizeof(m));
	return e;
}
