/* Owns the writing of JSON into a buffer, and of any text into JSON. */
#include "imager/format/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/text.h"

static int add_chunk(const char *data, size_t len, void *arg)
{
	return buf_add(arg, data, len);
}

int json_add_text(const json_t *json, size_t flags, struct buf *ret)
{
	size_t len = ret->len;

	if (json_dump_callback(json, add_chunk, ret, flags) == 0 && buf_puts(ret, "\n") == 0)
		return 0;
	ret->len = len;
	if (ret->data)
		ret->data[len] = '\0';
	return -ENOMEM;
}

json_t *json_clean(const char *text)
{
	size_t size = strlen(text) * strlen(TEXT_BROKEN) + 1;
	_cleanup_free_ char *clean = malloc(size);

	if (!clean)
		return NULL;
	text_clean(text, clean, size);
	return json_string(clean);
}
