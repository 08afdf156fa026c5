/* Owns the model of a package list. It is filled by packagelist.c and rpmdb.c and written by spdx.c. */
#include "imager/packages/packages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void package_release(struct package *p)
{
	free((void *)p->name);
	free((void *)p->version);
	free((void *)p->arch);
	free((void *)p->source);
	free((void *)p->source_version);
	free((void *)p->maintainer);
}

void packages_release(struct packages *p)
{
	for (size_t i = 0; i < p->count; i++)
		package_release(&p->items[i]);
	free(p->items);
	*p = (struct packages){0};
}

static char *copy(const char *text)
{
	return strdup(text ? text : "");
}

int packages_add(struct packages *p, const struct package *row)
{
	struct package *items = reallocarray(p->items, p->count + 1, sizeof(*items)), *to;

	if (!items)
		return -ENOMEM;
	p->items = items;
	to = &items[p->count];
	*to = (struct package){
		.name = copy(row->name),
		.version = copy(row->version),
		.arch = copy(row->arch),
		.source = copy(row->source),
		.source_version = copy(row->source_version),
		.maintainer = copy(row->maintainer),
	};
	if (!to->name || !to->version || !to->arch || !to->source || !to->source_version || !to->maintainer) {
		package_release(to);
		return -ENOMEM;
	}
	p->count++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct package *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	if (r == 0)
		r = strcmp(x->arch, y->arch);
	return r ? r : strcmp(x->version, y->version);
}

void packages_sort(struct packages *p)
{
	if (p->count)
		qsort(p->items, p->count, sizeof(*p->items), compare);
}
