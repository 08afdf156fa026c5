/* What the files about contents share: file.c reads them, same.c compares them, data.c cuts them. */
#ifndef IMAGER_SQUASH_DATA_H
#define IMAGER_SQUASH_DATA_H

#include <sys/stat.h>

#include "imager/squash/write.h"

/* The node's path on this host; free(). NULL: out of memory. */
char *squash_host_path(const struct squash_tree *tree, const struct squash_node *node);

struct squash_file {
	const char *path;
	struct squash_node *node;
	int fd;
	struct stat seen;  /* when it was opened */
	uint64_t hole_end; /* no data lies before it, as far as asked */
	uint64_t data_end; /* data lies from hole_end to here, as far as asked */
};

/* -EAGAIN when the file is no longer what the walk saw. Borrows path and node. close takes one that was not
 * opened. */
int squash_file_open(struct squash_file *f, const char *path, struct squash_node *node, struct err *err);
void squash_file_close(struct squash_file *f);
/* Whether the file system knows of no data in the range. Where it cannot tell, there is data. */
int squash_file_is_hole(struct squash_file *f, uint64_t at, uint64_t size);
/* Just these bytes; -EAGAIN when the file ends before them. */
int squash_file_read(struct squash_file *f, void *data, uint32_t size, uint64_t at, struct err *err);
/* -EAGAIN when its size or time changed since it was opened: somebody still writes to the tree. */
int squash_file_check(const struct squash_file *f, struct err *err);

/* Lets the `same` of every file that has an earlier one's content point to that one. */
int squash_find_same(struct squash_writer *w, struct squash_tree *tree, struct err *err);

#endif
