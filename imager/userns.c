/*
 * Owns the user namespace of a build that is not root's: its making, its map of ids, and the sentences when
 * it cannot be had. What goes on in it is sandbox.c's and does not differ from root's.
 */
#include "imager/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/parse.h"
#include "imager/base/proc.h"

#define OUTPUT_LIMIT 65536
#define UID_MAP      "/proc/self/uid_map"
#define GID_MAP      "/proc/self/gid_map"
#define NOBODY       65534 /* /proc/sys/kernel/overflowuid, as nobody ever changes it */
#define IDS_WANTED   65535 /* with 0 all up to nobody's: Debian Policy, 9.2.2 */
#define ARGV_MAX     (2 + 3 * (USERNS_RANGES_MAX + 1) + 1)

/* ---- the subordinate ids ---- */

static int parse_line(char *line, struct userns_range *ret)
{
	char *word[4];

	for (size_t i = 0; i < ARRAY_SIZE(word); i++) {
		word[i] = strsep(&line, " ");
		if (!word[i])
			return -EINVAL;
	}
	return line || parse_u32(word[2], &ret->first) < 0 || parse_u32(word[3], &ret->count) < 0 ||
			       ret->count > UINT32_MAX - ret->first
		       ? -EINVAL
		       : 0;
}

int userns_parse_ranges(const char *text, struct userns_ranges *ret)
{
	_cleanup_free_ char *copy = strdup(text);
	struct userns_ranges ranges = {0};
	char *rest = copy;

	if (!copy)
		return -ENOMEM;
	for (char *line; (line = strsep(&rest, "\n")) && ranges.count < USERNS_RANGES_MAX;) {
		struct userns_range *range = &ranges.items[ranges.count];

		if (!*line)
			continue;
		if (parse_line(line, range) < 0)
			return -EINVAL;
		ranges.total += range->count;
		ranges.count += range->count > 0;
	}
	*ret = ranges;
	return 0;
}

/* One kind of id: the file, its program, the option of usermod. */
static const struct kind {
	const char *file, *option, *map_program;
	int is_group;
} kinds[] = {
	{"/etc/subuid", "--add-subuids", "newuidmap", 0},
	{"/etc/subgid", "--add-subgids", "newgidmap", 1},
};

static int missing_program(const char *program, struct err *err)
{
	return err_set(err, ENOENT,
		"a build as an ordinary user needs %s, of the package uidmap; root can build without",
		program);
}

/* getsubids knows where the ids are given: files, or what nsswitch.conf(5) names. It fails where there are
 * none. */
static int find_ranges(const struct kind *kind, const char *user, struct userns_ranges *ret, struct err *err)
{
	const char *const argv[] = {
		"getsubids", kind->is_group ? "-g" : user, kind->is_group ? user : NULL, NULL};
	_cleanup_free_ char *text = NULL;
	int r = proc_capture(argv, OUTPUT_LIMIT, &text, err);

	if (r == -ENOENT)
		return missing_program(argv[0], err);
	if (r == 0 && userns_parse_ranges(text, ret) < 0)
		return err_set(err, EBADMSG, "getsubids: cannot understand '%.80s'", text);
	if (r < 0 || !ret->total)
		return err_set(err, ENOENT,
			"%s has no ids for %s, which a build as an ordinary user needs: 'usermod %s "
			"100000-165535 %s' gives him some that nobody else has; root can build without",
			kind->file, user, kind->option, user);
	if (ret->total < IDS_WANTED)
		return err_set(err, ERANGE,
			"%s has %" PRIu64 " ids for %s, and a tree needs %d: 'usermod %s' adds more",
			kind->file, ret->total, user, IDS_WANTED, kind->option);
	return 0;
}

static int user_name(char ret[64], struct err *err)
{
	struct passwd *p = getpwuid(getuid());

	if (!p)
		return err_set(err, ENOENT, "user %u: has no name in passwd(5), so no subordinate ids",
			(unsigned)getuid());
	(void)snprintf(ret, 64, "%s", p->pw_name);
	return 0;
}

/* ---- the map ---- */

/* newuidmap PID 0 OWN 1 1 FIRST COUNT ...: 0 is the user himself, then come the subordinate ids in a row. */
static int write_map(const struct kind *kind, pid_t pid, const struct userns_ranges *ranges, struct err *err)
{
	char numbers[ARGV_MAX][24];
	const char *argv[ARGV_MAX] = {kind->map_program, numbers[0], "0", numbers[1], "1"};
	uint32_t inside = 1;
	size_t n = 5;
	int r;

	(void)snprintf(numbers[0], sizeof(numbers[0]), "%d", (int)pid);
	(void)snprintf(numbers[1], sizeof(numbers[1]), "%u", kind->is_group ? getgid() : getuid());
	for (size_t i = 0; i < ranges->count; i++) {
		const uint32_t row[] = {inside, ranges->items[i].first, ranges->items[i].count};

		for (size_t k = 0; k < ARRAY_SIZE(row); k++, n++) {
			(void)snprintf(numbers[n], sizeof(numbers[n]), "%" PRIu32, row[k]);
			argv[n] = numbers[n];
		}
		inside += ranges->items[i].count;
	}
	argv[n] = NULL;
	r = proc_run(argv, NULL, err);
	return r == -ENOENT ? missing_program(argv[0], err) : r;
}

/* Why the kernel says no, where a switch can be seen. */
static int refused(int code, struct err *err)
{
	static const struct {
		const char *path, *off, *name;
	} switches[] = {
		{"/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone"},
		{"/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces"},
		{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
			"kernel.apparmor_restrict_unprivileged_userns"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		_cleanup_free_ char *text = NULL;

		if (read_file(switches[i].path, 64, &text, NULL, NULL) < 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		if (!strcmp(text, switches[i].off))
			return err_set(err, code,
				"user namespaces are switched off here (sysctl %s = %s), so only root can "
				"build",
				switches[i].name, switches[i].off);
	}
	return err_set(err, code,
		"cannot make a user namespace: %s (in a container its seccomp filter or its missing rights "
		"forbid it)",
		strerror(code));
}

/* ---- entering ---- */

/* The one who stays outside, where newuidmap has its rights; he waits until the namespace is there. */
struct helper {
	pid_t pid;
	int go, report; /* pipes to and from him */
};

struct maps {
	struct userns_ranges ranges[ARRAY_SIZE(kinds)];
};

static void help(int go, int report, const struct maps *maps)
{
	struct err err = {0};
	pid_t parent = getppid();
	char byte;
	int r = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read_full(go, &byte, 1) != 1)
		_exit(0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++)
		r = write_map(&kinds[i], parent, &maps->ranges[i], &err);
	(void)write_full(report, &err, sizeof(err));
	_exit(0);
}

static int start_helper(const struct maps *maps, struct helper *ret, struct err *err)
{
	int go[2], report[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_set(err, errno, "a pipe: %s", strerror(errno));
	if (pipe2(report, O_CLOEXEC) < 0) {
		(void)close(go[0]);
		(void)close(go[1]);
		return err_set(err, errno, "a pipe: %s", strerror(errno));
	}
	ret->pid = fork();
	if (ret->pid == 0) {
		(void)close(go[1]);
		(void)close(report[0]);
		help(go[0], report[1], maps);
	}
	(void)close(go[0]);
	(void)close(report[1]);
	ret->go = go[1];
	ret->report = report[0];
	return 0;
}

/* Whatever happened, he is gone afterwards. */
static int ask_helper(struct helper *h, int is_ready, struct err *err)
{
	struct err told = {0};
	ssize_t n = 0;

	if (is_ready && write_full(h->go, "m", 1) == 0)
		n = read_full(h->report, &told, sizeof(told));
	(void)close(h->go);
	(void)close(h->report);
	if (h->pid > 0)
		(void)waitpid(h->pid, NULL, 0);
	if (!is_ready)
		return 0;
	if (n != sizeof(told))
		return err_set(err, EIO, "the ids of the user namespace could not be set");
	return told.code ? err_set(err, told.code, "%s", told.text) : 0;
}

static int enter(const struct maps *maps, struct err *err)
{
	struct helper helper = {.go = -1, .report = -1};
	int r = start_helper(maps, &helper, err), code;

	if (r < 0)
		return r;
	if (helper.pid < 0 || unshare(CLONE_NEWUSER) < 0) {
		code = errno;
		(void)ask_helper(&helper, 0, err);
		return refused(code, err);
	}
	r = ask_helper(&helper, 1, err);
	if (r < 0)
		return r;
	/* Where the kernel gives the namespace and no rights in it, it shows here. */
	return unshare(CLONE_NEWNS) < 0 ? refused(errno, err) : 0;
}

int userns_enter(struct err *err)
{
	struct maps maps;
	char user[64];
	int r;

	if (geteuid() == 0)
		return 0;
	r = user_name(user, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++)
		r = find_ranges(&kinds[i], user, &maps.ranges[i], err);
	return r < 0 ? r : enter(&maps, err);
}

/* ---- owners ---- */

uint64_t userns_mapped(const char *map)
{
	_cleanup_free_ char *copy = strdup(map);
	uint64_t end = 0;
	char *rest = copy;

	for (char *line; copy && (line = strsep(&rest, "\n"));) {
		uint64_t numbers[3];
		size_t n = 0;

		for (char *word; n < 3 && (word = strsep(&line, " "));)
			if (*word && parse_u64(word, &numbers[n]) == 0)
				n++;
		if (n == 3 && numbers[0] == end)
			end += numbers[2];
	}
	return end;
}

#define ALL_IDS UINT32_MAX /* of the first user namespace: all but (uid_t)-1 */

static uint64_t mapped_by(const char *map)
{
	_cleanup_free_ char *text = NULL;

	return read_file(map, OUTPUT_LIMIT, &text, NULL, NULL) < 0 ? ALL_IDS : userns_mapped(text);
}

static int check_id(const char *path, const char *what, const char *map, uint32_t id, struct err *err)
{
	uint64_t mapped = mapped_by(map);

	if (id < mapped)
		return 0;
	return err_set(err, ERANGE,
		"%s: its %s is %" PRIu32 ", and this build has the ids 0 to %" PRIu64
		" (subuid(5), subgid(5)); root can build it",
		path, what, id, mapped - 1);
}

int userns_check_possible(const char *path, const struct stat *st, struct err *err)
{
	int r = check_id(path, "owner", UID_MAP, st->st_uid, err);

	if (r == 0)
		r = check_id(path, "group", GID_MAP, st->st_gid, err);
	if (r == 0 && (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) && mapped_by(UID_MAP) < ALL_IDS)
		r = err_set(
			err, EPERM, "%s: a device node outside /dev, which only root's build can have", path);
	return r;
}

int userns_check_known(const char *path, const struct stat *st, struct err *err)
{
	if ((st->st_uid != NOBODY || mapped_by(UID_MAP) == ALL_IDS) &&
		(st->st_gid != NOBODY || mapped_by(GID_MAP) == ALL_IDS))
		return 0;
	return err_set(err, EPERM,
		"%s: its %s is nobody, or an id that this user's build does not have; a tar of such a tree "
		"can be built",
		path, st->st_uid == NOBODY ? "owner" : "group");
}
