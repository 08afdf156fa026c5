/* A release with every field set, for the tests of what reads and writes releases. */
#ifndef TESTS_RELEASE_SAMPLE_H
#define TESTS_RELEASE_SAMPLE_H

#include "imager/format/release.h"

static inline struct release sample_release(void)
{
	struct release r = {
		.profile = "slurm-compute",
		.sequence = 7,
		.version = "2024.1 \xc3\xa4",
		.arch = "amd64",
		.created = 1700000000,
		.kernel_release = "6.1.0-18-amd64",
		.cmdline = "quiet console=ttyS0,115200",
		.kernel = {.size = 8000000},
		.initramfs = {.size = 12000000},
		.root = {.size = UINT64_C(3) << 32},
		.packages = {.size = 0},
		.package_count = 250,
		.overlay_limit = UINT64_C(2) << 30,
	};

	(void)digest_bytes("kernel", 6, &r.kernel.digest);
	(void)digest_bytes("initramfs", 9, &r.initramfs.digest);
	(void)digest_bytes("root", 4, &r.root.digest);
	(void)digest_bytes("", 0, &r.packages.digest);
	(void)digest_bytes("profile", 7, &r.source);
	return r;
}

#endif
