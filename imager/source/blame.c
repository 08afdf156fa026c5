/* Owns the search for the package that a package manager's fault speaks of. */
#include "imager/source/blame.h"

#include <string.h>

/* Whether the sentence speaks of the package, as a word of its own. */
static int speaks_of(const char *sentence, const char *package)
{
	size_t len = strcspn(package, ":=/");

	for (const char *at = sentence; (at = memmem(at, strlen(at), package, len)); at += len)
		if ((at == sentence || strchr(" '", at[-1])) && (!at[len] || strchr(" ',", at[len])))
			return 1;
	return 0;
}

int blame_package(const struct profile *p, const char *fault, const char *where, struct err *err)
{
	for (size_t i = 0; i < p->package_count; i++)
		if (speaks_of(fault, p->packages[i].name))
			return yaml_fault(p->packages[i].node, "packages", err, "%s: %s in %s",
				p->packages[i].name, fault, where);
	if (p->kernel.package && speaks_of(fault, p->kernel.package))
		return yaml_fault(yaml_root(p->doc), "kernel.package", err, "%s: %s in %s", p->kernel.package,
			fault, where);
	return 0;
}
