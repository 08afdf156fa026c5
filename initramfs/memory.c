/* Owns the memory rule. Whoever fills the file systems up to its limits is no business of this file. */
#include "initramfs/memory.h"

#include <errno.h>
#include <sys/sysinfo.h>

#define MIB(bytes) ((unsigned long long)((bytes) >> 20))

uint64_t memory_total(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return 0;
	return (uint64_t)info.totalram * info.mem_unit;
}

int memory_plan(uint64_t total, const struct memory_wants *wants, struct memory_plan *ret, struct err *err)
{
	uint64_t reserve = wants->reserve ? wants->reserve : MEMORY_RESERVE, image = wants->image;
	uint64_t free = total > reserve ? total - reserve : 0;
	uint64_t wanted = wants->overlay ? wants->overlay : MEMORY_OVERLAY_MIN;

	if (image > free || wanted > free - image)
		return err_set(err, ENOMEM,
			"not enough memory: image %llu MiB + overlay %llu MiB + reserve %llu MiB > %llu MiB "
			"of RAM",
			MIB(image), MIB(wanted), MIB(reserve), MIB(total));
	if (!wants->overlay) {
		wanted = total / 4 > MEMORY_OVERLAY_MIN ? total / 4 : MEMORY_OVERLAY_MIN;
		if (wanted > free - image)
			wanted = free - image;
	}
	*ret = (struct memory_plan){.overlay = wanted, .runtime = image + MEMORY_BUNDLE};
	return 0;
}
