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

int memory_plan(uint64_t total, uint64_t image, uint64_t overlay, struct memory_plan *ret, struct err *err)
{
	uint64_t free = total > MEMORY_RESERVE ? total - MEMORY_RESERVE : 0;
	uint64_t wanted = overlay ? overlay : MEMORY_OVERLAY_MIN;

	if (image > free || wanted > free - image)
		return err_set(err, ENOMEM,
			"not enough memory: image %llu MiB + overlay %llu MiB + reserve %llu MiB > %llu MiB "
			"of RAM",
			MIB(image), MIB(wanted), MIB(MEMORY_RESERVE), MIB(total));
	if (!overlay) {
		wanted = total / 4 > MEMORY_OVERLAY_MIN ? total / 4 : MEMORY_OVERLAY_MIN;
		if (wanted > free - image)
			wanted = free - image;
	}
	*ret = (struct memory_plan){.overlay = wanted, .runtime = image + MEMORY_BUNDLE};
	return 0;
}
