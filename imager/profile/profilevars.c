/* Owns the variables of a profile; the form of a use is in profilevars.h. */
#include "imager/profile/profilevars.h"

#include <errno.h>
#include <string.h>

#include "imager/base/buf.h"
#include "imager/base/parse.h"

#define VARS_MAX 256
#define OPEN     "${vars."
#define OPEN_LEN strlen(OPEN)
#define LIMIT    (16 << 20) /* bytes of all values that something was put into */

struct vars {
	struct {
		char *name, *value; /* value NULL: it must be set */
		struct yaml_node *node;
	} items[VARS_MAX];
	size_t count;
	size_t written; /* of LIMIT */
};

static void vars_free(struct vars *v)
{
	for (size_t i = 0; i < v->count; i++) {
		free(v->items[i].name);
		free(v->items[i].value);
	}
	free(v);
}
DEFINE_CLEANUP(struct vars *, vars_free)
#define _cleanup_vars_ _cleanup_(vars_free_p)

int profile_vars_check(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	_cleanup_free_ char *value = NULL;
	int r = yaml_text(node, name, &value, err);

	(void)base;
	if (r < 0)
		return r;
	if (parse_name(name) < 0)
		return yaml_fault(node, NULL, err,
			"vars: '%.80s' is not allowed: 1 to 63 of a-z 0-9 . _ - with a letter or digit at "
			"both ends",
			name);
	if (strstr(value, OPEN))
		return yaml_fault(node, name, err, "a variable's value cannot hold another variable");
	return 0;
}

static int add_var(struct yaml_node *node, const char *name, void *base, struct err *err)
{
	struct vars *v = base;
	int r = profile_vars_check(node, name, NULL, err);

	if (r < 0)
		return r;
	if (v->count == VARS_MAX)
		return yaml_fault(node, NULL, err, "vars: more than %d", VARS_MAX);
	v->items[v->count].node = node;
	v->items[v->count].name = strdup(name);
	if (!v->items[v->count++].name)
		return err_oom(err, "vars");
	return yaml_is_empty(node) ? 0 : yaml_text(node, name, &v->items[v->count - 1].value, err);
}

static int read_vars(struct yaml_doc *doc, struct vars *v, struct err *err)
{
	static const struct yaml_key key = {
		.name = "vars", .kind = YAML_TABLE, .each = add_var, .may_be_empty = 1};
	struct yaml_node *node = yaml_find(yaml_root(doc), "vars");

	return node ? yaml_read_table(node, &key, v, err) : 0;
}

/* "; declared are a, b" */
static const char *declared(const struct vars *v, struct buf *text)
{
	int r = buf_puts(text, v->count ? "; declared are " : "; the profile declares none in vars");

	for (size_t i = 0; r == 0 && i < v->count; i++)
		r = buf_printf(text, "%s%s", i ? ", " : "", v->items[i].name);
	return r < 0 ? "" : text->data;
}

/* The index of a name that need not be terminated, or -1. */
static ssize_t find_var(const struct vars *v, const char *name, size_t len)
{
	for (size_t i = 0; i < v->count; i++)
		if (strlen(v->items[i].name) == len && !memcmp(v->items[i].name, name, len))
			return (ssize_t)i;
	return -1;
}

static int set_var(struct yaml_doc *doc, const struct vars *v, const char *set, struct err *err)
{
	_cleanup_buf_ struct buf known = {0};
	const char *equals = strchr(set, '=');
	ssize_t i = equals ? find_var(v, set, (size_t)(equals - set)) : -1;

	if (!equals)
		return err_set(err, EINVAL, "--set: '%.80s' is not allowed: NAME=VALUE is wanted", set);
	if (i < 0)
		return err_set(err, EINVAL, "--set: there is no variable '%.*s'%.300s",
			(int)(equals - set > 80 ? 80 : equals - set), set, declared(v, &known));
	if (yaml_set_text(doc, v->items[i].node, "--set", equals + 1) < 0)
		return err_oom(err, set);
	return 0;
}

/* A value while its variables are put in. */
struct expansion {
	const struct yaml_node *node;
	const struct vars *vars;
	struct buf out;
};

/* One use, at text. The bytes it takes there, or negative. */
static int put_value(struct expansion *x, const char *text, struct err *err)
{
	_cleanup_buf_ struct buf known = {0};
	const struct vars *v = x->vars;
	const char *name = text + OPEN_LEN;
	size_t len = strcspn(name, "}\n");
	ssize_t i = find_var(v, name, len);

	if (name[len] != '}')
		return yaml_fault(x->node, NULL, err,
			"'" OPEN "' without its '}'; '$" OPEN "' is one that means nothing");
	if (i < 0)
		return yaml_fault(x->node, NULL, err, "there is no variable '%.*s'%.300s",
			(int)(len > 80 ? 80 : len), name, declared(v, &known));
	if (!v->items[i].value)
		return yaml_fault(x->node, NULL, err,
			"the variable '%s' has no value: --set %s=VALUE is wanted, or one in vars",
			v->items[i].name, v->items[i].name);
	if (buf_puts(&x->out, v->items[i].value) < 0)
		return err_oom(err, "vars");
	return (int)(OPEN_LEN + len + 1);
}

/* What stands at text, up to the next dollar sign. Likewise. */
static int put_piece(struct expansion *x, const char *text, struct err *err)
{
	size_t len = *text == '$' ? 1 : strcspn(text, "$");
	int r;

	if (!strncmp(text, OPEN, OPEN_LEN))
		return put_value(x, text, err);
	if (!strncmp(text, "$" OPEN, OPEN_LEN + 1)) {
		len = OPEN_LEN + 1;
		r = buf_puts(&x->out, OPEN);
	} else {
		r = buf_add(&x->out, text, len);
	}
	return r < 0 ? err_oom(err, "vars") : (int)len;
}

static int expand(const struct yaml_node *node, char **text, void *arg, struct err *err)
{
	struct vars *v = arg;
	struct expansion x = {.node = node, .vars = v};
	int r = 0;

	if (!strstr(*text, OPEN))
		return 0;
	for (const char *c = *text; r >= 0 && *c; c += r > 0 ? r : 0) {
		r = put_piece(&x, c, err);
		if (r > 0 && x.out.len > LIMIT - v->written)
			r = yaml_fault(node, NULL, err,
				"with its variables the profile is larger than %d MiB", LIMIT >> 20);
	}
	if (r >= 0) {
		v->written += x.out.len;
		free(*text);
		*text = buf_steal(&x.out);
		r = *text ? 0 : err_oom(err, "vars");
	}
	buf_release(&x.out);
	return r;
}

int profile_vars_apply(struct yaml_doc *doc, const struct cli_list *sets, struct err *err)
{
	_cleanup_vars_ struct vars *given = calloc(1, sizeof(*given)), *v = calloc(1, sizeof(*v));
	int r = given && v ? read_vars(doc, given, err) : err_oom(err, "vars");

	for (size_t i = 0; r == 0 && sets && i < sets->count; i++)
		r = set_var(doc, given, sets->items[i], err);
	/* Read again: what was set is checked like what was written. */
	if (r == 0)
		r = read_vars(doc, v, err);
	return r < 0 ? r : yaml_edit_texts(yaml_root(doc), expand, v, err);
}

static int escape(const struct yaml_node *node, char **text, void *arg, struct err *err)
{
	_cleanup_buf_ struct buf out = {0};
	const char *from = *text, *use;
	int r = 0;

	(void)node;
	(void)arg;
	while (r == 0 && (use = strstr(from, OPEN))) {
		r = buf_add(&out, from, (size_t)(use - from));
		if (r == 0)
			r = buf_puts(&out, "$" OPEN);
		from = use + OPEN_LEN;
	}
	if (r == 0 && from == *text)
		return 0;
	if (r < 0 || buf_puts(&out, from) < 0)
		return err_oom(err, "vars");
	free(*text);
	*text = buf_steal(&out);
	return *text ? 0 : err_oom(err, "vars");
}

int profile_vars_escape(struct yaml_node *root, struct err *err)
{
	return yaml_edit_texts(root, escape, NULL, err);
}
