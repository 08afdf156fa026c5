/*
 * Owns what is taken out of every image: one table of path patterns. What must not be there but cannot simply
 * be deleted is lint.c's business.
 */
#include "imager/tree/scrub.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "imager/intree.h"

#define SHADOW_LIMIT (4 << 20)

enum action {
	KEEP,     /* what a later row would take */
	REMOVE,   /* files, links, devices */
	SWEEP,    /* the same, and the folders below the pattern too */
	TRUNCATE, /* the file stays, empty, with its mode and owner */
};

/* Patterns as of fnmatch without FNM_PATHNAME: '*' matches '/' too. The first row that matches is taken. */
static const struct scrub_row {
	const char *pattern;
	enum action action;
} rows[] = {
	/* An empty file: systemd makes an id at every boot and does not take the boot for a first one, which
	 * would cost a run over all presets. machine-id(5), "First Boot Semantics". */
	{"/etc/machine-id", TRUNCATE},
	{"/var/lib/dbus/machine-id", REMOVE},
	/* identities and secrets of one machine */
	{"/etc/ssh/ssh_host_*_key", REMOVE},
	{"/etc/ssh/ssh_host_*_key.pub", REMOVE},
	{"/etc/munge/munge.key", REMOVE},
	{"/var/lib/systemd/random-seed", REMOVE},
	{"/var/lib/systemd/credential.secret", REMOVE},
	{"/boot/loader/random-seed", REMOVE},
	{"/etc/ssl/private/ssl-cert-snakeoil.key", REMOVE},
	{"/etc/ssl/certs/ssl-cert-snakeoil.pem", REMOVE},
	{"/var/lib/NetworkManager/*", REMOVE},
	{"/var/lib/dhcp/*", REMOVE},
	{"/etc/udev/rules.d/70-persistent-net.rules", REMOVE},
	{"*/.bash_history", REMOVE},
	{"/root/.ssh/known_hosts", REMOVE},
	{"/root/.lesshst", REMOVE},
	{"/root/.viminfo", REMOVE},
	{"/root/.wget-hsts", REMOVE},
	/* what a node of Kubernetes makes of itself; images to import and manifests to apply are the
	   profile's */
	{"/var/lib/rancher/*/agent/images*", KEEP},
	{"/var/lib/rancher/*/server/manifests*", KEEP},
	{"/var/lib/rancher/*/server/static*", KEEP},
	{"/var/lib/rancher/*", SWEEP},
	{"/var/lib/kubelet/*", SWEEP},
	{"/var/lib/containerd/*", SWEEP},
	{"/var/lib/etcd/*", SWEEP},
	{"/var/lib/cni/*", SWEEP},
	/* the kernel's own file systems, and what a boot fills */
	{"/dev/*", SWEEP},
	{"/proc/*", SWEEP},
	{"/sys/*", SWEEP},
	{"/run/*", SWEEP},
	{"/tmp/*", SWEEP},
	{"/var/tmp/*", SWEEP},
	/* logs: the files go, the folders have owners that services rely on */
	{"/var/log/wtmp", TRUNCATE},
	{"/var/log/btmp", TRUNCATE},
	{"/var/log/lastlog", TRUNCATE},
	{"/var/log/journal/*", SWEEP},
	{"/var/log/README", REMOVE},
	{"/var/log/*", REMOVE},
	/* caches and lists that are made again when they are wanted */
	{"/var/lib/apt/lists/*", SWEEP},
	{"/var/cache/apt/*", SWEEP},
	{"/var/cache/debconf/*", REMOVE},
	{"/var/cache/ldconfig/*", REMOVE},
	{"/var/cache/man/*", SWEEP},
	{"/var/cache/fontconfig/*", SWEEP},
	{"/var/cache/dnf/*", SWEEP},
	{"/var/cache/yum/*", SWEEP},
	{"/var/cache/libdnf5/*", SWEEP},
	{"/var/cache/PackageKit/*", SWEEP},
	{"/var/lib/dnf/history*", REMOVE},
	{"/var/lib/yum/history/*", SWEEP},
	{"/var/lib/rpm/.rpm.lock", REMOVE},
	{"/var/lib/rpm/__db.*", REMOVE},
	{"/usr/lib/sysimage/rpm/.rpm.lock", REMOVE},
	{"/usr/lib/sysimage/rpm/__db.*", REMOVE},
	{"/var/cache/apparmor/*", SWEEP},
	{"/root/.cache/*", SWEEP},
	{"*/__pycache__/*", REMOVE},
	/* copies that package tools keep of what they changed */
	{"/var/lib/dpkg/*-old", REMOVE},
	{"/var/lib/dpkg/lock*", REMOVE},
	{"/var/lib/dpkg/triggers/Lock", REMOVE},
	{"/var/lib/ucf/cache/*", REMOVE},
	{"/var/lib/ucf/*.[0-9]", REMOVE},
	{"/etc/passwd-", REMOVE},
	{"/etc/group-", REMOVE},
	{"/etc/shadow-", REMOVE},
	{"/etc/gshadow-", REMOVE},
	{"/etc/subuid-", REMOVE},
	{"/etc/subgid-", REMOVE},
	{"/etc/.pwd.lock", REMOVE},
	{"*.dpkg-old", REMOVE},
	{"*.dpkg-dist", REMOVE},
	{"*.dpkg-new", REMOVE},
};

static const struct scrub_row *find_row(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (fnmatch(rows[i].pattern, path, 0) == 0)
			return &rows[i];
	return NULL;
}

int scrub_takes(const char *path)
{
	const struct scrub_row *row = find_row(path);

	return row && row->action != KEEP;
}

static int truncate_at(const struct intree_entry *entry)
{
	_cleanup_close_ int fd = -1;

	if (!S_ISREG(entry->st.st_mode))
		return unlinkat(entry->dirfd, entry->name, 0) < 0 ? -errno : 0;
	/* A new file and a rename would lose the owner; a hard link elsewhere would be emptied too, and may.
	 */
	fd = openat(entry->dirfd, entry->name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : 0;
}

static int scrub_entry(const struct intree_entry *entry, void *arg, struct err *err)
{
	const struct scrub_row *row = find_row(entry->path);
	int is_dir = S_ISDIR(entry->st.st_mode), r = 0;

	(void)arg;
	if (!row || row->action == KEEP)
		return 0;
	if (is_dir) {
		/* One that still holds something (another row kept it) stays. */
		if (row->action == SWEEP && unlinkat(entry->dirfd, entry->name, AT_REMOVEDIR) < 0 &&
			errno != ENOTEMPTY && errno != EEXIST)
			r = -errno;
	} else if (row->action == TRUNCATE) {
		r = truncate_at(entry);
	} else if (unlinkat(entry->dirfd, entry->name, 0) < 0) {
		r = -errno;
	}
	return r < 0 ? err_path(err, -r, entry->path) : 0;
}

/* name:password:DAY:... with DAY at most `limit`. */
static int add_shadow_line(struct buf *out, char *line, uint64_t limit)
{
	char *day = strchr(line, ':'), *end;
	uint64_t value;

	day = day ? strchr(day + 1, ':') : NULL;
	end = day ? strchr(day + 1, ':') : NULL;
	if (!end)
		return buf_printf(out, "%s\n", line);
	*day++ = '\0';
	*end++ = '\0';
	if (parse_u64(day, &value) < 0 || value <= limit)
		return buf_printf(out, "%s:%s:%s\n", line, day, end);
	return buf_printf(out, "%s:%" PRIu64 ":%s\n", line, limit, end);
}

/* The day an account was made is the day of the build: the one date in the tree's texts. */
static int scrub_shadow(int root, uint64_t time, struct err *err)
{
	_cleanup_buf_ struct buf out = {0};
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	char *rest;
	int r = intree_read(root, "/etc/shadow", SHADOW_LIMIT, &text, NULL);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_path(err, -r, "/etc/shadow");
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line && add_shadow_line(&out, line, time / 86400) < 0)
			return err_oom(err, "/etc/shadow");
	fd = intree_open(root, "/etc/shadow", O_WRONLY | O_TRUNC, 0);
	if (fd < 0)
		return err_path(err, -fd, "/etc/shadow");
	r = write_full(fd, out.data, out.len);
	return r < 0 ? err_path(err, -r, "/etc/shadow") : 0;
}

/*
 * systemd-update-done.service(8): while these are older than /usr, every boot of a read-only image rebuilds
 * caches that are in it. The image's times are all cut at the same one, so equal they are.
 */
static int stamp(int root, struct err *err)
{
	static const char *const stamps[] = {"/etc/.updated", "/var/.updated"};
	static const char text[] = "# The image was made with all its caches.\n";
	struct stat st;

	if (intree_stat(root, "/usr/lib/systemd/systemd", &st) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(stamps); i++) {
		int r = intree_write(root, stamps[i], text, strlen(text));

		if (r < 0)
			return err_path(err, -r, stamps[i]);
	}
	return 0;
}

int scrub_tree(const char *root, uint64_t time, struct err *err)
{
	_cleanup_close_ int fd = intree_root(root, err);
	int r = fd < 0 ? fd : intree_walk(fd, scrub_entry, NULL, err);

	if (r >= 0)
		r = scrub_shadow(fd, time, err);
	return r < 0 ? r : stamp(fd, err);
}
