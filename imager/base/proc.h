/* Child processes by argument vector, never by shell. */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <signal.h>
#include <stddef.h>
#include <sys/types.h>

#include "imager/base/buf.h"
#include "imager/base/err.h"

struct proc_opts {
	const char *const *env; /* NAME=VALUE added to the environment, NULL-terminated; NULL for none */
	const char *chroot;     /* change root (and folder) to this; NULL to stay */
	/* Called in the child before all else of this; negative with errno set: the start fails. May be NULL.
	 */
	int (*enter)(void *arg);
	void *enter_arg;
	const char *input; /* stdin's bytes; NULL for /dev/null */
	/* Signals that the caller has blocked: when one comes, the child is ended by SIGTERM and the result
	 * is -EINTR; the signal stays pending. NULL: none. */
	const sigset_t *stop;
	int log_fd; /* where stdout and stderr go that are not captured; 0 or less: discarded */
	/* Called for every line of output (stdout and stderr mixed, no newline) as it comes; may be NULL. */
	void (*line)(const char *text, void *arg);
	void *arg;
};

/*
 * Runs argv[0] (looked up in PATH) to its end. 0 when it exits 0; else -errno (-ENOENT: no such program,
 * -EIO: it failed, -EINTR: opts->stop) and a sentence with the program, its exit status or signal, and the
 * last line it printed.
 */
int proc_run(const char *const argv[], const struct proc_opts *opts, struct err *err);

/* The same, with its stdout (at most `limit` bytes) in *ret, free(). */
int proc_capture(const char *const argv[], size_t limit, char **ret, struct err *err);

/* The same with options; the last line of its stderr ends the sentence of a failure, the rest is dropped. */
int proc_capture_quiet(
	const char *const argv[], const struct proc_opts *opts, size_t limit, char **ret, struct err *err);

/*
 * Starts a long-lived child with stdout and stderr on log_fd (or inherited when < 0). The child dies with us
 * (PR_SET_PDEATHSIG), unless it changes its user. Returns its pid or -errno; the caller reaps it.
 */
pid_t proc_spawn(const char *const argv[], int log_fd, struct err *err);

/*
 * Ends a process that is no child of ours and waits for it: SIGTERM, after grace_ms SIGKILL. is_it decides
 * whether it is the one meant, as the pid may be another's by now; the process it looked at is the one that
 * is signalled.
 */
void proc_end(pid_t pid, int grace_ms, int (*is_it)(pid_t pid, const void *arg), const void *arg);

/* Every signal to its default and none blocked: before exec of a program that is not ours. Children started
 * here have it so already. */
void proc_reset_signals(void);

/* "exited with status 3", "killed by signal 9 (Killed)" from a wait status. */
void proc_status_text(int status, char *ret, size_t size);

#endif
