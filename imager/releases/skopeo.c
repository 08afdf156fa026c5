/* Owns the words given to skopeo, and making a sentence of what it says. */
#include "imager/releases/skopeo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/proc.h"

#define ARGUMENTS_MAX 16

struct words {
	const char *items[ARGUMENTS_MAX];
	size_t count;
};

static void add(struct words *w, const char *word)
{
	w->items[w->count++] = word;
}

static int enter_folder(void *arg)
{
	const struct skopeo *k = arg;

	return k->folder ? chdir(k->folder) : 0;
}

/* time="..." level=fatal msg="..." becomes what stands in the last quotes. */
static void shorten(struct err *err)
{
	char *from = err ? strstr(err->text, "level=fatal msg=\"") : NULL, *to = err ? err->text : NULL;

	if (!from)
		return;
	for (from = strchr(from, '"') + 1; *from && *from != '"'; from++) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*to = '\0';
}

static int run(const struct skopeo *k, const struct words *w, struct buf *capture, struct err *err)
{
	const struct proc_opts opts = {.enter = enter_folder,
		.enter_arg = (void *)k,
		.stop = k->stop,
		.line = k->line,
		.arg = k->arg};
	char *text = NULL;
	int r;

	if (capture) {
		r = proc_capture_quiet(w->items, &opts, SKOPEO_MANIFEST_LIMIT, &text, err);
		if (r == 0)
			*capture = (struct buf){.data = text, .len = strlen(text), .size = strlen(text) + 1};
	} else {
		r = proc_run(w->items, &opts, err);
	}
	if (r == -ENOENT)
		return err_set(err, ENOENT, "skopeo is needed and not installed (Debian package skopeo)");
	if (r < 0)
		shorten(err);
	return r;
}

static void begin(const struct skopeo *k, const char *verb, struct words *w)
{
	add(w, "skopeo");
	if (k->tmpdir) {
		add(w, "--tmpdir");
		add(w, k->tmpdir);
	}
	add(w, verb);
	if (k->authfile) {
		add(w, "--authfile");
		add(w, k->authfile);
	}
}

int skopeo_copy(const struct skopeo *k, const char *from, const char *to, struct err *err)
{
	struct words w = {0};

	begin(k, "copy", &w);
	if (!k->may_convert)
		add(&w, "--preserve-digests");
	if (k->blobs) {
		add(&w, "--dest-shared-blob-dir");
		add(&w, k->blobs);
	}
	if (k->insecure) {
		add(&w, "--src-tls-verify=false");
		add(&w, "--dest-tls-verify=false");
	}
	add(&w, from);
	add(&w, to);
	return run(k, &w, NULL, err);
}

int skopeo_manifest(const struct skopeo *k, const char *reference, struct buf *ret, struct err *err)
{
	struct words w = {0};

	begin(k, "inspect", &w);
	add(&w, "--raw");
	if (k->insecure)
		add(&w, "--tls-verify=false");
	add(&w, reference);
	return run(k, &w, ret, err);
}
