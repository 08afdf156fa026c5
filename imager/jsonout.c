/* Owns how the imager's commands print JSON; what is in it is theirs. */
#include "imager/jsonout.h"

#include <stdio.h>

#include "imager/format/json.h"

int jsonout_print(const json_t *json, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};

	if (!json || json_add_text(json, JSON_INDENT(2), &text) < 0)
		return err_oom(err, "the JSON output");
	(void)fputs(text.data, stdout);
	return 0;
}
