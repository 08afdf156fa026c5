/*
 * Owns which files make up a YAML document: those that "include" names, before the file that names them, each
 * once. How they are merged is yamlmerge.c's.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "imager/base/buf.h"
#include "imager/base/io.h"
#include "imager/format/yamlpriv.h"

#define FILES_MAX 64
#define DEPTH_MAX 16

/* A file that is being read, and the one whose include it is. */
struct link {
	const struct link *above;
	const char *path;
	dev_t dev;
	ino_t ino;
	unsigned depth;
};

struct including {
	struct yaml_doc *doc; /* what is merged so far */
	const struct yaml_key *keys;
	struct {
		dev_t dev;
		ino_t ino;
	} seen[FILES_MAX];
	size_t count;
};

static int is_seen(const struct including *in, const struct stat *st)
{
	for (size_t i = 0; i < in->count; i++)
		if (in->seen[i].dev == st->st_dev && in->seen[i].ino == st->st_ino)
			return 1;
	return 0;
}

/* "a.yaml -> b.yaml -> a.yaml" */
static int add_chain(const struct link *link, struct buf *text)
{
	int r = link->above ? add_chain(link->above, text) : 0;

	return r < 0 ? r : buf_printf(text, "%s -> ", link->path);
}

/* at: the value that names the file. */
static int check_cycle(
	const struct link *above, const struct link *link, const struct yaml_node *at, struct err *err)
{
	_cleanup_buf_ struct buf chain = {0};
	const struct link *l = above;

	while (l && (l->dev != link->dev || l->ino != link->ino))
		l = l->above;
	if (!l)
		return 0;
	if (add_chain(above, &chain) < 0)
		return err_oom(err, link->path);
	return yaml_fault(at, NULL, err, "include: a circle: %s%s", chain.data, link->path);
}

static int add_file(struct including *in, const char *path, const struct link *above,
	const struct yaml_node *at, struct err *err);

static int add_include(
	struct including *in, const struct link *above, const struct yaml_node *at, struct err *err)
{
	const char *slash = strrchr(above->path, '/');
	_cleanup_free_ char *folder =
		slash ? strndup(above->path, (size_t)(slash - above->path) + 1) : strdup("");
	_cleanup_free_ char *path = NULL;

	if (at->shape != YAML_SCALAR || !at->text || !*at->text)
		return yaml_fault(at, NULL, err, "include: the path of a file is wanted, or a list of them");
	if (folder)
		path = *at->text == '/' || !*folder ? strdup(at->text) : path_join(folder, at->text);
	return path ? add_file(in, path, above, at, err) : err_oom(err, "include");
}

/* The file's own includes, which come before it; the key itself goes. */
static int add_includes(
	struct including *in, struct yaml_node *root, const struct link *link, struct err *err)
{
	struct yaml_item *item = yaml_node_item(root, "include", 7);
	_cleanup_yaml_node_ struct yaml_node *key = NULL, *value = NULL;
	int r = 0;

	if (!item)
		return 0;
	key = item->key;
	value = item->value;
	memmove(item, item + 1, (size_t)(root->items + root->count - item - 1) * sizeof(*item));
	root->count--;
	if (value->shape != YAML_SEQUENCE)
		return add_include(in, link, value, err);
	for (size_t i = 0; r == 0 && i < value->count; i++)
		r = add_include(in, link, value->items[i].value, err);
	return r;
}

static int read_link(struct including *in, const struct link *link, struct err *err)
{
	_cleanup_yaml_ struct yaml_doc *doc = NULL;
	int r = yaml_load(link->path, &doc, err);

	if (r == 0)
		r = add_includes(in, doc->root, link, err);
	return r < 0 ? r : yaml_merge(in->doc, doc, in->keys, err);
}

/* above and at are NULL for the first file, which may be a pipe as well. */
static int add_file(struct including *in, const char *path, const struct link *above,
	const struct yaml_node *at, struct err *err)
{
	struct link link = {.above = above, .path = path, .depth = above ? above->depth + 1 : 0};
	struct stat st;
	int r;

	if (stat(path, &st) < 0)
		return at ? yaml_fault(at, NULL, err, "include: %s: %s", path, strerror(errno))
			  : err_path(err, errno, path);
	if (at && !S_ISREG(st.st_mode))
		return yaml_fault(at, NULL, err, "include: %s: not a file", path);
	link.dev = st.st_dev;
	link.ino = st.st_ino;
	r = at ? check_cycle(above, &link, at, err) : 0;
	if (r < 0 || is_seen(in, &st))
		return r;
	if (at && (link.depth > DEPTH_MAX || in->count == FILES_MAX))
		return yaml_fault(at, NULL, err, "include: at most %d files in at most %d levels are allowed",
			FILES_MAX, DEPTH_MAX);
	in->seen[in->count].dev = st.st_dev;
	in->seen[in->count++].ino = st.st_ino;
	r = read_link(in, &link, err);
	if (r < 0 && r != -EINVAL && r != -ENOMEM && at)
		return yaml_fault(at, NULL, err, "include: %s", strerror(-r));
	return r;
}

int yaml_load_merged(const char *path, const struct yaml_key *keys, struct yaml_doc **ret, struct err *err)
{
	_cleanup_yaml_ struct yaml_doc *doc = calloc(1, sizeof(*doc));
	_cleanup_free_ struct including *in = calloc(1, sizeof(*in));
	int r;

	if (!doc || !in)
		return err_oom(err, path);
	in->doc = doc;
	in->keys = keys;
	r = add_file(in, path, NULL, NULL, err);
	if (r < 0)
		return r;
	*ret = TAKE(doc);
	return 0;
}
