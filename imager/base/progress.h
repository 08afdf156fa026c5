/* One stage's progress on stderr: a bar on a terminal, nothing between the lines elsewhere. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdint.h>

struct progress {
	const char *stage;
	uint64_t total;      /* 0: unknown, no bar */
	uint64_t started_ms; /* monotonic */
	uint64_t drawn_ms;
	int is_tty;
};

void progress_begin(struct progress *p, const char *stage, uint64_t total);
/* Redraws at most ten times a second. */
void progress_update(struct progress *p, uint64_t done);
/* What is going on inside a stage of unknown length: one line on a terminal, cut to fit. */
void progress_note(struct progress *p, const char *text);
/* Ends the stage with its line: "pack       12.3 s  squashfs of 151 MiB". detail may be NULL. */
void progress_end(struct progress *p, const char *detail);
/* Ends the stage without a line of success (the caller reports the error). */
void progress_abort(struct progress *p);

/* Draws "[#####.....]" of `width` cells for `part` of `whole` into ret (width + 3 bytes). */
void progress_bar(char *ret, int width, uint64_t part, uint64_t whole);
/* "151.2 MiB" */
void format_bytes(uint64_t bytes, char ret[16]);

#endif
