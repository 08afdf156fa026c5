/* A store in the folder of the test, and releases in it. */
#ifndef TESTS_STORE_SAMPLE_H
#define TESTS_STORE_SAMPLE_H

#include <stdio.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/format/store.h"
#include "tests/unit/release_sample.h"

static inline struct store *open_store(void **state, int create)
{
	_cleanup_free_ char *path = path_join(*state, "store");
	struct store *s = NULL;
	struct err err = {0};

	if (store_open(path, create, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

/* A release whose four parts are in the store; the text makes the root image. */
static inline struct release add_parts(struct store *s, const char *profile, const char *root)
{
	struct release r = sample_release();

	(void)snprintf(r.profile, sizeof(r.profile), "%s", profile);
	assert_int_equal(store_add_bytes(s, "kernel", 6, &r.kernel, NULL), 0);
	assert_int_equal(store_add_bytes(s, "initramfs", 9, &r.initramfs, NULL), 0);
	assert_int_equal(store_add_bytes(s, root, strlen(root), &r.root, NULL), 0);
	assert_int_equal(store_add_bytes(s, "", 0, &r.packages, NULL), 0);
	return r;
}

static inline struct store_release publish(struct store *s, const char *profile, const char *root)
{
	struct release r = add_parts(s, profile, root);
	struct store_release rel;
	struct err err = {0};
	int is_new = -1;

	if (store_publish(s, &r, &rel, &is_new, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(is_new, 1);
	assert_int_equal(r.sequence, rel.release.sequence);
	return rel;
}

/* A root image with a hash tree; bad: the manifest names another root hash. All digests are right. */
static inline struct store_release publish_tree(struct store *s, const char *profile, int bad)
{
	_cleanup_free_ char *folder = NULL, *path = NULL;
	static const char image[2 * VERITY_BLOCK] = "image";
	struct release r = add_parts(s, profile, "other");
	struct store_release rel;
	int is_new;

	assert_int_equal(store_temp_dir(s, &folder, NULL), 0);
	path = path_join(folder, "root");
	assert_int_equal(write_file(path, &(struct file_content){image, sizeof(image), 0644}, NULL), 0);
	assert_int_equal(verity_append(path, &r.verity, NULL), 0);
	assert_int_equal(store_add_file(s, path, &r.root, NULL), 0);
	if (bad)
		r.verity.root_hash.bytes[7] ^= 1;
	assert_int_equal(store_publish(s, &r, &rel, &is_new, NULL), 0);
	return rel;
}

static inline void expect_names(struct store *s, const char *expected)
{
	_cleanup_store_list_ struct store_list list = {0};
	_cleanup_buf_ struct buf names = {0};
	struct err err = {0};

	if (store_releases(s, &list, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(buf_puts(&names, ""), 0);
	for (size_t i = 0; i < list.count; i++)
		assert_int_equal(buf_printf(&names, "%s%s[%s]", i ? " " : "", list.items[i].name,
					 list.items[i].channels),
			0);
	assert_string_equal(names.data, expected);
}

static inline unsigned count_entries(const char *dir, const char *name)
{
	_cleanup_free_ char *path = path_join(dir, name);
	_cleanup_closedir_ DIR *d = opendir(path);
	unsigned count = 0;

	while (d) {
		struct dirent *e = readdir(d);

		if (!e)
			break;
		count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	}
	return count;
}

#endif
