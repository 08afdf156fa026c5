/* Owns how a difference is shown: as text for people, as JSON for scripts. */
#include "imager/releases/diff.h"

#include <string.h>

#include "imager/base/buf.h"
#include "imager/base/progress.h"
#include "imager/squash/reader.h"

static const char marks[] = {[DIFF_ADDED] = '+', [DIFF_REMOVED] = '-', [DIFF_CHANGED] = '~'};

static const struct {
	unsigned bit;
	const char *name;
} differences[] = {
	{SQUASH_DIFFERS_TYPE, "type"},
	{SQUASH_DIFFERS_CONTENT, "content"},
	{SQUASH_DIFFERS_MODE, "mode"},
	{SQUASH_DIFFERS_OWNER, "owner"},
	{SQUASH_DIFFERS_XATTR, "xattr"},
};

const char *diff_change_name(enum diff_change c)
{
	static const char *const names[] = {
		[DIFF_ADDED] = "added", [DIFF_REMOVED] = "removed", [DIFF_CHANGED] = "changed"};

	return names[c];
}

static enum diff_change package_change(const struct diff_package *p)
{
	return !p->before ? DIFF_ADDED : !p->after ? DIFF_REMOVED : DIFF_CHANGED;
}

struct tally {
	size_t n[3]; /* by enum diff_change */
};

static struct tally tally_packages(const struct diff *d)
{
	struct tally t = {0};

	for (size_t i = 0; i < d->package_count; i++)
		t.n[package_change(&d->packages[i])]++;
	return t;
}

static struct tally tally_files(const struct diff *d)
{
	struct tally t = {0};

	for (size_t i = 0; i < d->files.count; i++)
		t.n[d->files.items[i].change]++;
	return t;
}

static uint64_t sum_parts(const struct release *r)
{
	return r->kernel.size + r->initramfs.size + r->root.size;
}

/* ---- text ---- */

static void print_text(FILE *to, const char *what, const char *before, const char *after)
{
	if (strcmp(before, after) != 0)
		(void)fprintf(
			to, "%-10s %s -> %s\n", what, *before ? before : "(none)", *after ? after : "(none)");
}

static void print_part(
	FILE *to, const char *what, const struct release_part *before, const struct release_part *after)
{
	char old[16], new[16];

	if (digest_equal(&before->digest, &after->digest))
		return;
	format_bytes(before->size, old);
	format_bytes(after->size, new);
	(void)fprintf(to, "%-10s changed, %s -> %s\n", what, old, new);
}

static void print_release(FILE *to, const struct release *a, const struct release *b)
{
	print_text(to, "version", a->version, b->version);
	print_text(to, "arch", a->arch, b->arch);
	print_text(to, "kernel is", a->kernel_release, b->kernel_release);
	print_text(to, "cmdline", a->cmdline, b->cmdline);
	print_part(to, "kernel", &a->kernel, &b->kernel);
	print_part(to, "initramfs", &a->initramfs, &b->initramfs);
	print_part(to, "root", &a->root, &b->root);
}

static void print_tally(FILE *to, const char *what, const struct tally *t, const struct err *fault)
{
	if (fault->code)
		(void)fprintf(to, "%-10s not compared: %s\n", what, fault->text);
	else if (!t->n[0] && !t->n[1] && !t->n[2])
		(void)fprintf(to, "%-10s the same\n", what);
	else
		(void)fprintf(to, "%-10s %zu added, %zu removed, %zu changed\n", what, t->n[DIFF_ADDED],
			t->n[DIFF_REMOVED], t->n[DIFF_CHANGED]);
}

static void print_packages(const struct diff *d, FILE *to)
{
	struct tally t = tally_packages(d);

	print_tally(to, "packages", &t, &d->package_fault);
	for (size_t i = 0; i < d->package_count; i++) {
		const struct diff_package *p = &d->packages[i];

		(void)fprintf(to, "  %c %s %s%s%s\n", marks[package_change(p)], p->name,
			p->before ? p->before : "", p->before && p->after ? " -> " : "",
			p->after ? p->after : "");
	}
}

static void print_file(FILE *to, const struct diff_file *f)
{
	const char *divider = "  ";

	(void)fprintf(to, "  %c %s", marks[f->change], f->path);
	for (size_t i = 0; i < ARRAY_SIZE(differences); i++) {
		if (!(f->what & differences[i].bit))
			continue;
		(void)fprintf(to, "%s%s", divider, differences[i].name);
		divider = ", ";
	}
	(void)fputc('\n', to);
}

static void print_files(const struct diff *d, size_t files, FILE *to)
{
	struct tally t = tally_files(d);

	print_tally(to, "files", &t, &d->file_fault);
	for (size_t i = 0; i < d->files.count && i < files; i++)
		print_file(to, &d->files.items[i]);
	if (files && d->files.count > files)
		(void)fprintf(to, "  ... and %zu more: swarmboot diff %s %s --files\n",
			d->files.count - files, d->before.name, d->after.name);
}

static void print_fetch(const struct diff *d, FILE *to)
{
	char all[16], differing[16], known[16];

	format_bytes(sum_parts(&d->after.release), all);
	format_bytes(diff_fetch(d), differing);
	format_bytes(d->files.known, known);
	(void)fprintf(
		to, "%-10s %s in parts that differ, of %s that a boot fetches", "fetch", differing, all);
	if (!d->file_fault.code)
		(void)fprintf(to, "; %s of the root image are blocks that %s has", known, d->before.name);
	(void)fputc('\n', to);
}

void diff_print(const struct diff *d, size_t files, FILE *to)
{
	(void)fprintf(to, "%s -> %s\n", d->before.name, d->after.name);
	print_release(to, &d->before.release, &d->after.release);
	print_packages(d, to);
	print_files(d, files, to);
	print_fetch(d, to);
}

/* ---- JSON ---- */

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *packages_json(const struct diff *d)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < d->package_count; i++) {
		const struct diff_package *p = &d->packages[i];

		(void)json_array_append_new(
			list, json_pack("{s:s,s:s,s:s,s:o,s:o}", "change",
				      diff_change_name(package_change(p)), "name", p->name, "arch", p->arch,
				      "before", text_or_null(p->before), "after", text_or_null(p->after)));
	}
	return list;
}

/* A name need not be UTF-8; what JSON cannot hold is written as \xNN. */
static json_t *path_json(const char *path)
{
	_cleanup_buf_ struct buf text = {0};
	json_t *string = json_string(path);

	for (const char *p = path; !string && *p; p++)
		if (((unsigned char)*p < 0x80 ? buf_add(&text, p, 1)
					      : buf_printf(&text, "\\x%02x", (unsigned char)*p)) < 0)
			return NULL;
	return string ? string : json_string(text.data);
}

static json_t *file_json(const struct diff_file *f)
{
	json_t *what = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
		if (f->what & differences[i].bit)
			(void)json_array_append_new(what, json_string(differences[i].name));
	return json_pack("{s:s,s:o,s:o}", "change", diff_change_name(f->change), "path", path_json(f->path),
		"what", what);
}

static json_t *files_json(const struct diff *d)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < d->files.count; i++)
		(void)json_array_append_new(list, file_json(&d->files.items[i]));
	return list;
}

static json_t *tally_json(const struct tally *t, const struct err *fault)
{
	if (fault->code)
		return json_pack("{s:s}", "fault", fault->text);
	return json_pack("{s:I,s:I,s:I}", "added", (json_int_t)t->n[DIFF_ADDED], "removed",
		(json_int_t)t->n[DIFF_REMOVED], "changed", (json_int_t)t->n[DIFF_CHANGED]);
}

static json_t *side_json(const struct store_release *rel)
{
	const struct release *r = &rel->release;
	char digest[DIGEST_TEXT_SIZE];

	digest_format(&rel->config.digest, digest);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "name", rel->name, "digest", digest, "version",
		r->version, "kernel", r->kernel_release, "cmdline", r->cmdline, "kernel_size",
		(json_int_t)r->kernel.size, "initramfs_size", (json_int_t)r->initramfs.size, "root_size",
		(json_int_t)r->root.size);
}

static json_t *changed_json(const struct release *a, const struct release *b)
{
	return json_pack("{s:b,s:b,s:b}", "kernel", !digest_equal(&a->kernel.digest, &b->kernel.digest),
		"initramfs", !digest_equal(&a->initramfs.digest, &b->initramfs.digest), "root",
		!digest_equal(&a->root.digest, &b->root.digest));
}

json_t *diff_json(const struct diff *d, int files)
{
	struct tally packages = tally_packages(d), all = tally_files(d);
	json_t *fetch = json_pack("{s:I,s:I,s:o}", "boot", (json_int_t)sum_parts(&d->after.release),
		"changed", (json_int_t)diff_fetch(d), "root_known",
		d->file_fault.code ? json_null() : json_integer((json_int_t)d->files.known));
	json_t *root = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "before", side_json(&d->before), "after",
		side_json(&d->after), "changed", changed_json(&d->before.release, &d->after.release),
		"package_count", tally_json(&packages, &d->package_fault), "packages", packages_json(d),
		"file_count", tally_json(&all, &d->file_fault), "fetch", fetch);

	if (root && files)
		(void)json_object_set_new(root, "files", files_json(d));
	return root;
}
