/* The memory rule: image + overlay + reserve <= memory, decided before a byte is fetched. Pure. */
#ifndef INITRAMFS_MEMORY_H
#define INITRAMFS_MEMORY_H

#include <stdint.h>

#include "imager/base/err.h"

/* Kernel, the system's own processes, and the agent's bundle beside the image; a release may set another. */
#define MEMORY_RESERVE     (256ULL << 20)
#define MEMORY_OVERLAY_MIN (64ULL << 20)
/* Room for bundle, torrent and reports in the tmpfs that holds the image. */
#define MEMORY_BUNDLE (64ULL << 20)

struct memory_plan {
	uint64_t overlay; /* bytes the overlay's tmpfs may hold */
	uint64_t runtime; /* bytes the tmpfs of image and bundle may hold */
};

/* Bytes that the release wants. */
struct memory_wants {
	uint64_t image;
	uint64_t overlay; /* 0: a quarter of the memory, less where the image leaves less, but
			     MEMORY_OVERLAY_MIN */
	uint64_t reserve; /* 0: MEMORY_RESERVE */
};

/* total: bytes of memory. -ENOMEM with all the numbers in the sentence. */
int memory_plan(uint64_t total, const struct memory_wants *wants, struct memory_plan *ret, struct err *err);

/* This machine's MemTotal in bytes. */
uint64_t memory_total(void);

#endif
