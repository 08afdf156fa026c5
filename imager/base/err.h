/*
 * An error is a value: an errno and one sentence for people.
 *
 * A function that can fail takes `struct err *err` last and returns 0 or a positive value, or -errno. The
 * sentence is written where the fault is known: what, which, why. Callers may prefix it, never replace it.
 * `err` may be NULL where nobody wants the sentence.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_TEXT_MAX 512

struct err {
	int code; /* positive errno, 0 when nothing failed */
	char text[ERR_TEXT_MAX];
};

/* Writes the sentence, cut at ERR_TEXT_MAX - 1 bytes; code is a positive errno (0 counts as EIO). Returns
 * -code. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Like err_set for a failed system call on a path: "PATH: strerror(code)". */
int err_path(struct err *err, int code, const char *path);

/* Out of memory; the sentence names what for. Returns -ENOMEM. */
int err_oom(struct err *err, const char *what);

/* Puts "fmt: " before the sentence that is there. Returns -err->code (-EIO if err is NULL). */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
