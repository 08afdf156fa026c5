/*
 * The profile's parser before any bytes at all. An input is one file or several, divided by lines "=== NAME":
 * the first is p.yaml, which is loaded. A profile that is good must come back from what `profile show` prints
 * of it. By itself the program replays a corpus and speaks TAP; with clang's -fsanitize=fuzzer (make fuzz) it
 * makes inputs of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imager/base/io.h"
#include "imager/format/yamljson.h"
#include "imager/profile/profile.h"

#define CORPUS    "tests/fuzz/corpus/profile"
#define MARK      "=== "
#define FILES_MAX 8
#define INPUT_MAX (1 << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/swarmboot-fuzz-XXXXXX";

static void clean_up(void)
{
	(void)remove_tree(folder, NULL);
}

static void demand(int good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "the profile's parser: %s\n", what);
	abort();
}

static void put(const char *name, const char *text, size_t len)
{
	_cleanup_free_ char *path = path_join(folder, name);

	demand(path && write_file(path, &(struct file_content){text, len, 0644}, NULL) == 0,
		"a file of the input");
}

/* Names are one letter, so that nothing outside of the folder is written; others end the input. */
static void put_files(const char *text)
{
	const char *name = "p.yaml";
	char other[] = "?.yaml";

	for (int i = 0; i < FILES_MAX && name; i++) {
		const char *mark = strstr(text, "\n" MARK);
		const char *end = mark ? mark + 1 : text + strlen(text);

		put(name, text, (size_t)(end - text));
		name = NULL;
		if (mark && mark[1 + strlen(MARK)] >= 'a' && mark[1 + strlen(MARK)] <= 'z') {
			other[0] = mark[1 + strlen(MARK)];
			name = other;
			text = end + strcspn(end, "\n");
			text += *text == '\n';
		}
	}
}

/* The text of p.yaml as show prints it, from the file `name`; NULL: it is no profile. */
static char *shown(const char *name, int places)
{
	_cleanup_profile_ struct profile *p = NULL;
	_cleanup_free_ char *path = path_join(folder, name);
	_cleanup_buf_ struct buf text = {0};
	struct err err = {0};
	int r = profile_load(path, &p, &err);

	if (r < 0) {
		demand(*err.text && strlen(err.text) < ERR_TEXT_MAX, "a fault without a sentence");
		return NULL;
	}
	demand(profile_whole(p, NULL) == 0, "profile_whole");
	demand(yaml_print(yaml_root(p->doc), places, NULL, &text) == 0, "yaml_print");
	return buf_steal(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size), *first = NULL, *again = NULL;
	static int is_ready;

	if (!is_ready)
		demand(mkdtemp(folder) && atexit(clean_up) == 0, "a folder");
	is_ready = 1;
	if (!text || size > INPUT_MAX)
		return 0;
	put_files(text);
	first = shown("p.yaml", 0);
	if (!first)
		return 0;
	put("shown.yaml", first, strlen(first));
	again = shown("shown.yaml", 0);
	demand(again && !strcmp(first, again), "what is printed does not load as the same profile");
	return 0;
}

#ifndef FUZZ
static int replay(const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = read_file(path, INPUT_MAX, &text, &len, NULL);

	return r < 0 ? r : LLVMFuzzerTestOneInput((const uint8_t *)text, len);
}

int main(int argc, char **argv)
{
	const char *corpus = argc > 1 ? argv[1] : CORPUS;
	struct dirent **entries = NULL;
	int count = scandir(corpus, &entries, NULL, alphasort), number = 0, failed = 0;

	for (int i = 0; i < count; i++) {
		_cleanup_free_ struct dirent *entry = entries[i];
		_cleanup_free_ char *path = path_join(corpus, entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		if (replay(path) < 0 && ++failed)
			(void)printf("not ");
		(void)printf("ok %d - %s\n", ++number, entry->d_name);
	}
	free(entries);
	(void)printf("1..%d\n", number);
	return failed || !number;
}
#endif
