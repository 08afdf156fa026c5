/* Owns the process's log sink: the only mutable global of the project. One write(2) a line, so lines never
 * mix. */
#include "imager/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static struct {
	const char *prefix;
	int fd;
	enum log_level level;
} sink = {"", STDERR_FILENO, LOG_LEVEL_INFO};

static const char *const level_name[] = {
	[LOG_LEVEL_ERROR] = "error: ",
	[LOG_LEVEL_WARN] = "warning: ",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_DEBUG] = "debug: ",
};

void log_open(const char *prefix, int fd, enum log_level level)
{
	sink.prefix = prefix;
	sink.fd = fd;
	sink.level = level;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int len, more;

	if (level > sink.level)
		return;
	len = snprintf(line, sizeof(line), "%s%s", sink.prefix, level_name[level]);
	va_start(ap, fmt);
	more = vsnprintf(line + len, sizeof(line) - (size_t)len - 1, fmt, ap);
	va_end(ap);
	len += more;
	if (len > (int)sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	line[len++] = '\n';
	(void)!write(sink.fd, line, (size_t)len);
}
