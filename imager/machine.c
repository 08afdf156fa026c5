/* Owns what this machine is called. */
#include "imager/machine.h"

#include <string.h>
#include <sys/utsname.h>

#include "imager/base/cleanup.h"

const char *machine_arch(void)
{
	static const char *const names[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}};
	static struct utsname u;

	if (uname(&u) < 0)
		return "unknown";
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(u.machine, names[i][0]))
			return names[i][1];
	return u.machine;
}
