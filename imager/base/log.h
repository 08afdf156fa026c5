/*
 * Log lines for people, on stderr or, in PID 1, on the kernel's log. Library code logs at debug at most.
 *
 * error: the operator must act. warn: something is wrong and goes on. info: one line a stage. debug: all
 * else. The sentence comes first, key=value pairs after it.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Prefix stands before every line ("swarmboot: "); it must outlive the program. fd is not owned. */
void log_open(const char *prefix, int fd, enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
