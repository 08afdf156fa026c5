/*
 * A temporary folder for a test, as its *state: cmocka runs the teardown after a failed assert too, so
 * nothing stays behind. unit_test_in_dir(test_x) is a row of the table of tests.
 */
#ifndef TESTS_TEMPDIR_H
#define TESTS_TEMPDIR_H

#include <stdio.h>
#include <stdlib.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

static inline int unit_dir_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	char *path;

	if (asprintf(&path, "%s/swarmboot-unit-XXXXXX", base ? base : "/tmp") < 0)
		return -1;
	*state = mkdtemp(path);
	return *state ? 0 : -1;
}

static inline int unit_dir_teardown(void **state)
{
	int r = remove_tree(*state, NULL);

	free(*state);
	return r;
}

#define unit_test_in_dir(test) cmocka_unit_test_setup_teardown(test, unit_dir_setup, unit_dir_teardown)

#endif
