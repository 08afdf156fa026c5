/* Owns what every table of the cluster file has in common: rows that are added, and their names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/parse.h"
#include "seeder/clusterfile.h"

void *cluster_add_row(void *array, size_t *count, size_t size)
{
	void **rows = array;
	char *grown = realloc(*rows, (*count + 1) * size);

	if (!grown)
		return NULL;
	*rows = grown;
	grown += *count * size;
	memset(grown, 0, size);
	(*count)++;
	return grown;
}

int cluster_take_name(struct yaml_node *at, const char *name, char ret[CLUSTER_NAME_SIZE], struct err *err)
{
	_cleanup_free_ char *text = NULL;

	if (parse_name(name) < 0)
		return yaml_fault(at, name, err,
			"is no name: 1 to 63 of a-z 0-9 . _ - with a letter or digit at both ends");
	if (yaml_text(at, name, &text, NULL) == 0)
		return yaml_fault(at, name, err, "a mapping of keys to values is wanted");
	(void)snprintf(ret, CLUSTER_NAME_SIZE, "%s", name);
	return 0;
}
