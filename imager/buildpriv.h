/*
 * What the stages of a build share. Between build.c (their order) and buildstages.c (what each does) alone.
 */
#ifndef IMAGER_BUILDPRIV_H
#define IMAGER_BUILDPRIV_H

#include "imager/base/progress.h"
#include "imager/base/words.h"
#include "imager/boot/bootfiles.h"
#include "imager/build.h"
#include "imager/profile/profile.h"
#include "imager/source/lock.h"
#include "imager/workdir.h"

#define TAIL_LINES 20
#define TAIL_WIDTH 200

/* The last lines of what a child printed, for the one who has to find out why it failed. */
struct tail {
	char lines[TAIL_LINES][TAIL_WIDTH];
	size_t count; /* of all lines ever */
};

struct build {
	const struct build_options *options;
	struct profile *profile;
	struct store *store;
	struct workdir work;
	uint64_t time; /* the newest time of any file in the image, and the release's date */
	struct bootfiles bootfiles;
	struct release release;
	struct build_result result;
	struct progress progress;
	struct tail tail;
	struct lock *lock, *locked; /* what the tree was made of, and what it is to be made of; or NULL */
	struct words faults;        /* all that is wrong, when a stage that finds several fails */
	char detail[160];           /* what a stage says of itself when it is done */
};

/* The stages, in the order of build.c's table. 0 or -errno. */
int build_describe(struct build *b, struct err *err);
int build_obtain(struct build *b, struct err *err);
int build_shape(struct build *b, struct err *err);
int build_clean(struct build *b, struct err *err);
int build_take_boot_files(struct build *b, struct err *err);
int build_pack(struct build *b, struct err *err);
int build_bind(struct build *b, struct err *err);
int build_publish(struct build *b, struct err *err);
int build_sign(struct build *b, struct err *err);

/* One line of what a stage's child prints; arg is the struct build. */
void build_note_line(const char *text, void *arg);

/* buildlock.c. A line of b->faults; arg is the struct build. */
void build_note_fault(const char *text, void *arg);
/* b->locked, where the options name a file. 0 or -errno. */
int build_read_lock(struct build *b, struct err *err);
/* b->lock, where a source does not tell it by itself; and whether it is b->locked. input: of source_job. */
int build_keep_lock(struct build *b, const struct digest *input, struct err *err);
/* Writes the file that the options name. */
int build_write_lock(const struct build *b, struct err *err);

#endif
