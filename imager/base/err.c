/* Owns the error value: formatting of its sentence. Knows nothing of where the sentence goes. */
#include "imager/base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (code <= 0)
		code = EIO;
	if (!err)
		return -code;
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -code;
}

int err_path(struct err *err, int code, const char *path)
{
	return err_set(err, code, "%s: %s", path, strerror(code));
}

int err_oom(struct err *err, const char *what)
{
	return err_set(err, ENOMEM, "out of memory for %s", what);
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char before[ERR_TEXT_MAX / 2], text[ERR_TEXT_MAX + ERR_TEXT_MAX / 2 + 2];
	va_list ap;

	if (!err)
		return -EIO;
	va_start(ap, fmt);
	(void)vsnprintf(before, sizeof(before), fmt, ap);
	va_end(ap);
	(void)snprintf(text, sizeof(text), "%s: %s", before, err->text);
	text[ERR_TEXT_MAX - 1] = '\0';
	memcpy(err->text, text, ERR_TEXT_MAX);
	return -(err->code > 0 ? err->code : EIO);
}
