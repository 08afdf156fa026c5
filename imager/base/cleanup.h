/* Scope-bound clean-up: every owning local carries one of these and is initialised where it is declared. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Defines f_p(T *p), which calls f(*p) when the local goes out of scope; f must take NULL. */
#define DEFINE_CLEANUP(type, f)                                                                              \
	static inline void f##_p(type *p)                                                                    \
	{                                                                                                    \
		if (*p)                                                                                      \
			f(*p);                                                                               \
	}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

DEFINE_CLEANUP(FILE *, fclose)
DEFINE_CLEANUP(DIR *, closedir)

#define _cleanup_close_    _cleanup_(cleanup_close)
#define _cleanup_free_     _cleanup_(cleanup_free)
#define _cleanup_fclose_   _cleanup_(fclose_p)
#define _cleanup_closedir_ _cleanup_(closedir_p)

/* Hands the value over: the local is left empty, so its clean-up does nothing. */
#define TAKE(p)                                                                                              \
	({                                                                                                   \
		__typeof__(p) _taken = (p);                                                                  \
		(p) = NULL;                                                                                  \
		_taken;                                                                                      \
	})
#define TAKE_FD(fd)                                                                                          \
	({                                                                                                   \
		int _taken = (fd);                                                                           \
		(fd) = -1;                                                                                   \
		_taken;                                                                                      \
	})

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
