/* Owns the units below /run/systemd/system. What they run is seed.c and up.c. */
#include "initramfs/handover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "initramfs/bundle.h"

#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:/._-"

/* No word of ours needs a unit file's quoting; what would is refused. */
static int add_words(struct buf *b, const char *const *words, struct err *err)
{
	for (; *words; words++) {
		if (!**words || strspn(*words, PLAIN) != strlen(*words))
			return err_set(err, EINVAL, "'%.100s' cannot stand in a unit", *words);
		if (buf_printf(b, " %s", *words) < 0)
			return err_oom(err, "a unit");
	}
	return 0;
}

static int add_program(struct buf *b, const struct handover *h, struct err *err)
{
	if (buf_printf(b, "ExecStart=%s/%s --library-path %s %s/" BUNDLE_PROGRAM, h->bundle, h->loader,
		    h->bundle, h->bundle) < 0)
		return err_oom(err, "a unit");
	return 0;
}

/* Takes over by itself from the process started before the switch. Its peers are nodes that boot: they may
 * wait a little, the node's own work does not. */
static int seed_unit(const struct handover *h, struct buf *ret, struct err *err)
{
	struct role_argv argv;
	int r = 0;

	role_argv(h->seed, BUNDLE_PROGRAM, "seed", &argv);
	if (buf_puts(ret, "[Unit]\n"
			  "Description=Seed this node's image to its neighbours\n"
			  "\n"
			  "[Service]\n"
			  "Type=exec\n"
			  "Restart=on-failure\n"
			  "RestartSec=2\n"
			  "TimeoutStopSec=5\n"
			  "CPUWeight=20\n"
			  "IOWeight=20\n"
			  "Nice=10\n"
			  "OOMScoreAdjust=500\n") < 0)
		return err_oom(err, "a unit");
	r = add_program(ret, h, err);
	if (r == 0)
		r = add_words(ret, argv.argv + 1, err);
	return r == 0 && buf_puts(ret, "\n") < 0 ? err_oom(err, "a unit") : r;
}

/* What it writes the seed role obeys. */
static int policy_unit(const struct handover *h, struct buf *ret, struct err *err)
{
	const char *const words[] = {"policy", "--node", h->node, "--mac", h->mac, "--listen", h->address,
		"--control", h->seed->control, NULL};
	int r;

	if (buf_puts(ret, "[Unit]\n"
			  "Description=Ask the head how this node may seed\n"
			  "\n"
			  "[Service]\n"
			  "Type=exec\n"
			  "Restart=on-failure\n"
			  "RestartSec=5\n"
			  "TimeoutStopSec=5\n"
			  "CPUWeight=20\n"
			  "Nice=10\n") < 0)
		return err_oom(err, "a unit");
	r = add_program(ret, h, err);
	if (r == 0)
		r = add_words(ret, words, err);
	for (size_t i = 0; r == 0 && i < h->seed->seeders.count; i++) {
		const char *const seeder[] = {"--seeder", h->seed->seeders.items[i], NULL};

		r = add_words(ret, seeder, err);
	}
	return r == 0 && buf_puts(ret, "\n") < 0 ? err_oom(err, "a unit") : r;
}

/* Type=exec, not oneshot: it waits for the boot's last job, which must not be its own. */
static int up_unit(const struct handover *h, struct buf *ret, struct err *err)
{
	int r;

	if (buf_puts(ret, "[Unit]\n"
			  "Description=Report to the head that this node is up\n"
			  "\n"
			  "[Service]\n"
			  "Type=exec\n"
			  "Restart=on-failure\n"
			  "RestartSec=5\n"
			  "TimeoutStopSec=5\n") < 0)
		return err_oom(err, "a unit");
	r = add_program(ret, h, err);
	return r == 0 && buf_puts(ret, " up\n") < 0 ? err_oom(err, "a unit") : r;
}

/* Without the default dependencies no shutdown waits for this mount, which cannot be unmounted before the
 * root. */
static int mount_unit(const struct handover *h, struct buf *ret, struct err *err)
{
	if (buf_printf(ret,
		    "[Unit]\n"
		    "Description=This node's image and its seeder\n"
		    "DefaultDependencies=no\n"
		    "\n"
		    "[Mount]\n"
		    "What=swarmboot\n"
		    "Where=%s\n"
		    "Type=tmpfs\n",
		    h->mount) < 0)
		return err_oom(err, "a unit");
	return 0;
}

static const struct unit {
	const char *name; /* a mount unit's name is its path (systemd.mount(5)) */
	int is_wanted;
	int (*text)(const struct handover *h, struct buf *ret, struct err *err);
} units[] = {
	{"swarmboot-seed.service", 1, seed_unit},
	{"swarmboot-policy.service", 1, policy_unit},
	{"swarmboot-up.service", 1, up_unit},
	{"run-swarmboot.mount", 0, mount_unit},
};

static int want_unit(const char *dir, const char *name, struct err *err)
{
	_cleanup_free_ char *link = NULL, *target = NULL;

	if (asprintf(&link, "%s/multi-user.target.wants/%s", dir, name) < 0)
		return err_oom(err, name);
	if (asprintf(&target, "../%s", name) < 0)
		return err_oom(err, name);
	if (symlink(target, link) < 0 && errno != EEXIST)
		return err_path(err, errno, link);
	return 0;
}

static int write_unit(const struct handover *h, const struct unit *unit, struct err *err)
{
	_cleanup_free_ char *path = path_join(h->units, unit->name);
	_cleanup_buf_ struct buf text = {0};
	int r;

	if (!path)
		return err_oom(err, unit->name);
	r = unit->text(h, &text, err);
	if (r == 0)
		r = write_file(
			path, &(struct file_content){.data = text.data, .len = text.len, .mode = 0644}, err);
	if (r == 0 && unit->is_wanted)
		r = want_unit(h->units, unit->name, err);
	return r;
}

int handover_write(const struct handover *h, struct err *err)
{
	_cleanup_free_ char *wants = path_join(h->units, "multi-user.target.wants");
	int r;

	if (!wants)
		return err_oom(err, "the units");
	r = mkdir_p(wants, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(units); i++)
		r = write_unit(h, &units[i], err);
	return r;
}
