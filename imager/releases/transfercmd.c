/* Owns the commands push, pull, export and import. */
#include "imager/commands.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/progress.h"
#include "imager/releases/transfer.h"

struct transfer_options {
	const char *store, *authfile;
	int insecure;
};

#define STORE_ROW                                                                                            \
	{                                                                                                    \
		"store", 0, CLI_STRING, offsetof(struct transfer_options, store), "DIR", STORE_OPTION_HELP   \
	}

static const struct cli_option registry_options[] = {
	STORE_ROW,
	{"insecure", 0, CLI_FLAG, offsetof(struct transfer_options, insecure), NULL,
		"allow plain HTTP and certificates that nobody vouches for"},
	{"authfile", 0, CLI_STRING, offsetof(struct transfer_options, authfile), "FILE",
		"the registry's credentials, as 'skopeo login' writes them; default: skopeo's own"},
	{0},
};

static const struct cli_option archive_options[] = {STORE_ROW, {0}};

/* One run of a command. */
struct run {
	const char *verb;
	int (*move)(struct run *run, struct err *err);
	int create; /* the store, when there is none yet */
	struct transfer transfer;
	struct store_release release; /* that is sent */
	struct store_adopted adopted; /* that came */
	char **args;
	struct progress progress;
};

static void note_line(const char *text, void *arg)
{
	progress_note(arg, text);
}

static int open_and_move(
	struct run *run, const struct transfer_options *o, const sigset_t *stop, struct err *err)
{
	/* skopeo runs in another folder. */
	_cleanup_free_ char *authfile = o->authfile ? realpath(o->authfile, NULL) : NULL;
	_cleanup_store_ struct store *s = NULL;
	int r;

	if (o->authfile && !authfile)
		return err_path(err, errno, o->authfile);
	r = store_open(store_choose(o->store), run->create, &s, err);
	if (r < 0)
		return r;
	run->transfer = (struct transfer){.store = s,
		.insecure = o->insecure,
		.authfile = authfile,
		.stop = stop,
		.line = note_line,
		.arg = &run->progress};
	progress_begin(&run->progress, run->verb, 0);
	r = run->move(run, err);
	if (r < 0)
		progress_abort(&run->progress);
	else
		progress_end(&run->progress, NULL);
	return r;
}

/* ^C and its like wait until all is cleaned up. */
static int run_transfer(struct run *run, const struct transfer_options *o, char **args, struct err *err)
{
	sigset_t stop, old;
	int r;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGINT);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &stop, &old);
	run->args = args;
	r = open_and_move(run, o, &stop, err);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* ---- out ---- */

static int push(struct run *run, struct err *err)
{
	_cleanup_free_ char *reference = NULL;
	char tag[24];
	int r = store_resolve(run->transfer.store, run->args[0], &run->release, err);

	if (r < 0)
		return r;
	(void)snprintf(tag, sizeof(tag), "%s", strchr(run->release.name, ':') + 1);
	r = transfer_reference(run->args[1], tag, &reference, err);
	if (r == 0)
		r = transfer_push(&run->transfer, &run->release, reference, err);
	if (r == 0)
		(void)printf("%s -> %s\n", run->release.name, reference);
	return r;
}

static int run_push(const void *options, char **args, struct err *err)
{
	struct run run = {.verb = "push", .move = push};

	return run_transfer(&run, options, args, err);
}

const struct cli_command command_push = {
	.name = "push",
	.arguments = "REF REGISTRY/NAME[:TAG]",
	.summary = "send a release to a registry",
	.text = "Kernel, initramfs, root image, package list and signatures, as one OCI image; skopeo sends "
		"them. "
		"Without a TAG it is the release's sequence number. A release whose digests or verity root "
		"do "
		"not recompute is refused before anything is sent.",
	.options = registry_options,
	.options_size = sizeof(struct transfer_options),
	.min_args = 2,
	.max_args = 2,
	.run = run_push,
};

static int export(struct run *run, struct err *err)
{
	int r = store_resolve(run->transfer.store, run->args[0], &run->release, err);

	if (r == 0)
		r = transfer_export(&run->transfer, &run->release, run->args[1], err);
	if (r == 0)
		(void)printf("%s -> %s\n", run->release.name, run->args[1]);
	return r;
}

static int run_export(const void *options, char **args, struct err *err)
{
	struct run run = {.verb = "export", .move = export};

	return run_transfer(&run, options, args, err);
}

const struct cli_command command_export = {
	.name = "export",
	.arguments = "REF FILE",
	.summary = "write a release into a file",
	.text = "FILE becomes an OCI archive (a tar of an OCI image layout) that 'swarmboot import' and "
		"skopeo "
		"read; one of that name is replaced. A release whose digests or verity root do not recompute "
		"is refused.",
	.options = archive_options,
	.options_size = sizeof(struct transfer_options),
	.min_args = 2,
	.max_args = 2,
	.run = run_export,
};

/* ---- in ---- */

static void tell(const struct store_adopted *a)
{
	char digest[DIGEST_TEXT_SIZE];

	digest_format(&a->release.config.digest, digest);
	if (a->is_new)
		(void)printf("%s %s\n", a->release.name, digest);
	else if (a->new_signatures)
		(void)printf("%s %s, here already; %zu signature%s added\n", a->release.name, digest,
			a->new_signatures, a->new_signatures > 1 ? "s" : "");
	else
		(void)printf("%s %s, here already\n", a->release.name, digest);
}

static int pull(struct run *run, struct err *err)
{
	_cleanup_free_ char *reference = NULL;
	int r = transfer_reference(run->args[0], NULL, &reference, err);

	if (r == 0)
		r = transfer_pull(&run->transfer, reference, &run->adopted, err);
	if (r == 0)
		tell(&run->adopted);
	return r;
}

static int run_pull(const void *options, char **args, struct err *err)
{
	struct run run = {.verb = "pull", .move = pull, .create = 1};

	return run_transfer(&run, options, args, err);
}

#define ADOPTED_TEXT                                                                                         \
	"Every byte is hashed before the release is published here, under its own name PROFILE:SEQUENCE "    \
	"and "                                                                                               \
	"with its signatures, which 'swarmboot verify' proves. Refused are an image that is no release of "  \
	"swarmboot, bytes that are not those of their digest, and another release than the one of that "     \
	"name "                                                                                              \
	"here. A release that is here already gets the signatures it lacks."

const struct cli_command command_pull = {
	.name = "pull",
	.arguments = "REGISTRY/NAME:TAG",
	.summary = "fetch a release from a registry",
	.text = "What the store has already is not fetched again.\n\n" ADOPTED_TEXT,
	.options = registry_options,
	.options_size = sizeof(struct transfer_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_pull,
};

static int import(struct run *run, struct err *err)
{
	int r = transfer_import(&run->transfer, run->args[0], &run->adopted, err);

	if (r == 0)
		tell(&run->adopted);
	return r;
}

static int run_import(const void *options, char **args, struct err *err)
{
	struct run run = {.verb = "import", .move = import, .create = 1};

	return run_transfer(&run, options, args, err);
}

const struct cli_command command_import = {
	.name = "import",
	.arguments = "FILE",
	.summary = "take a release from a file that 'export' wrote",
	.text = ADOPTED_TEXT,
	.options = archive_options,
	.options_size = sizeof(struct transfer_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_import,
};
