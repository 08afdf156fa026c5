/* Command line and set-up that the fetch and the seed role share; both are the agent's own binary. */
#ifndef INITRAMFS_ROLE_H
#define INITRAMFS_ROLE_H

#include "imager/base/buf.h"
#include "imager/base/cli.h"
#include "imager/base/err.h"
#include "seeder/swarm/swarm.h"

/* What the role works on. All strings are the caller's. */
struct role {
	const char *torrent; /* path of the .torrent */
	const char *file;    /* path of the image */
	const char
		*root; /* folder of the file: all of the file system the role goes on to see; NULL for all */
	const char *name;        /* the torrent's file name must be this: the image's digest in hex */
	uint64_t size;           /* and its length this */
	const char *listen;      /* "A.B.C.D:PORT" */
	struct cli_list seeders; /* base URLs; trackers are their /announce */
	const char *pid_file;    /* seed: where its pid is, and its predecessor's was; NULL for none */
	const char *control;     /* seed: the folder that says how to (seedfolder.h); NULL for none */
	int paused;              /* seed: begin so; not an option */
	uint64_t upload_rate;    /* bytes/s, 0: no bound; not an option */
	uint64_t from;           /* http: bytes at the file's begin that are there already */
};
extern const struct cli_option role_options[];

extern const struct cli_command fetch_command, http_command, policy_command, seed_command, up_command;

/* The same as an argument vector for cli_main: program, the role's word, options. Strings are borrowed from
 * `role` but for the numbers, which live in the struct. */
#define ROLE_ARGV_MAX (24 + 2 * CLI_LIST_MAX)
struct role_argv {
	const char *argv[ROLE_ARGV_MAX];
	char size[24], from[24];
};
void role_argv(const struct role *role, const char *program, const char *word, struct role_argv *ret);

/* 0, or CLI_USAGE with what is missing or wrong. */
int role_check(const struct role *role, struct err *err);
/* The file as the sandbox sees it, which begins at --root once root has entered it. Call before that. */
const char *role_path(const struct role *role);
/* The host of a seeder's URL "http://HOST:PORT". 0 or -EINVAL. */
int role_seeder_host(const char *url, char *ret, size_t size);
/* Peak resident set of this process, bytes. */
uint64_t role_peak_rss(void);

/*
 * Reads and checks the torrent, enters the sandbox, starts the session and adds the torrent. *ret:
 * swarm_free(). Returns the handle or -errno.
 */
int role_start(const struct role *role, int complete, struct swarm **ret, struct err *err);

#endif
