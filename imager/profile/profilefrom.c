/*
 * Owns what a profile's source must keep: which keys go with which kind of source, and that its files are
 * there. What the source then does is source/'s.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/profile/profilecheck.h"

#define FROM_KINDS "debian, rpm, oci, tar, dir and release"
#define LETTERS    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

/* What is to be read is there and can be read; NULL: nothing is. */
static int check_input(
	struct yaml_node *node, const char *key, const char *path, mode_t type, struct err *err)
{
	struct stat st;

	if (!path)
		return 0;
	if (stat(path, &st) < 0 || access(path, R_OK) < 0)
		return yaml_fault(node, key, err, "%s: %s", path, strerror(errno));
	if ((st.st_mode & S_IFMT) != type)
		return yaml_fault(node, key, err, "%s: not a %s", path, type == S_IFDIR ? "folder" : "file");
	return 0;
}

static int check_debian(struct profile *p, struct yaml_node *root, struct err *err)
{
	return check_input(root, "from.debian.keyring", p->from.debian.keyring, S_IFREG, err);
}

static int is_word(const char *word, const char *allowed)
{
	return *word && *word != '-' && !word[strspn(word, allowed)];
}

/* word may be NULL. */
static int check_word(
	struct yaml_node *root, const char *key, const char *word, const char *allowed, struct err *err)
{
	if (!word || is_word(word, allowed))
		return 0;
	return yaml_fault(root, key, err, "'%.80s' is not allowed: letters, digits and %s", word,
		allowed + strlen(LETTERS));
}

static int check_rpm(struct profile *p, struct yaml_node *root, struct err *err)
{
	const struct profile_rpm *rpm = &p->from.rpm;
	int r = check_word(root, "from.rpm.releasever", rpm->releasever, LETTERS "._-", err);

	if (r < 0)
		return r;
	if (!rpm->repository_count)
		return yaml_fault(root, "from.rpm.repositories", err, "at least one is wanted");
	for (size_t i = 0; i < rpm->modules.count; i++) {
		if (!is_word(rpm->modules.items[i], LETTERS ":/._+-"))
			return yaml_fault(yaml_find_item(root, "from.rpm.modules", i), NULL, err,
				"from.rpm.modules: '%.80s' is not allowed: letters, digits and :/._+-",
				rpm->modules.items[i]);
	}
	return 0;
}

static int check_oci(struct profile *p, struct yaml_node *root, struct err *err)
{
	const struct profile_oci *oci = &p->from.oci;
	int r = check_word(root, "from.oci.image", oci->image, LETTERS "./:@_-", err);

	if (r == 0)
		r = check_word(root, "from.oci.ref", oci->ref, LETTERS "./:@_+-", err);
	if (r < 0)
		return r;
	if (!!oci->layout + !!oci->archive + !!oci->image != 1)
		return yaml_fault(
			root, "from.oci", err, "exactly one of layout, archive and image is wanted");
	if (oci->image && oci->ref)
		return yaml_fault(root, "from.oci.ref", err,
			"goes with layout or archive; with image the reference itself has the tag");
	if (!oci->image && oci->insecure)
		return yaml_fault(root, "from.oci.insecure", err, "goes with image only");
	r = check_input(root, "from.oci.layout", oci->layout, S_IFDIR, err);
	return r < 0 ? r : check_input(root, "from.oci.archive", oci->archive, S_IFREG, err);
}

static int check_tar(struct profile *p, struct yaml_node *root, struct err *err)
{
	return check_input(root, "from.tar", p->from.tar, S_IFREG, err);
}

static int check_dir(struct profile *p, struct yaml_node *root, struct err *err)
{
	return check_input(root, "from.dir", p->from.dir, S_IFDIR, err);
}

static int check_release(struct profile *p, struct yaml_node *root, struct err *err)
{
	return check_word(root, "from.release", p->from.release, LETTERS "._:-", err);
}

/* name, name:arch, name=version, name/suite: nothing that apt would take for an option or a pattern. */
static int is_debian_package(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	if (len < 2 || strchr("+.-", *text))
		return 0;
	if (!text[len])
		return 1;
	text += len;
	return strchr(":=/", *text) && text[1] && !text[strspn(text, LETTERS "+.-:=/~_")];
}

/* name, name-version.arch, @group: nothing that dnf would take for an option or a pattern. */
static int is_rpm_package(const char *text)
{
	if (*text == '@')
		text++;
	return *text && !strchr("+.-:_~^", *text) && !text[strspn(text, LETTERS "+.-:_~^")];
}

/* The kinds of source: what they must keep, and the packages that they install. */
static const struct from_kind {
	const char *name;
	int (*check)(struct profile *p, struct yaml_node *root, struct err *err);
	int (*is_package)(const char *name); /* NULL: it installs none */
	const char *packages;
} kinds[] = {
	{"debian", check_debian, is_debian_package, "name, name=version, name/suite, name:arch"},
	{"rpm", check_rpm, is_rpm_package, "name, name-version, name.arch, @group"},
	{"oci", check_oci, NULL, NULL},
	{"tar", check_tar, NULL, NULL},
	{"dir", check_dir, NULL, NULL},
	{"release", check_release, NULL, NULL},
};

/* The only kind that is given; NULL: none or more of them. */
static const struct from_kind *find_kind(struct yaml_node *from)
{
	const struct from_kind *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!yaml_find(from, kinds[i].name))
			continue;
		if (found)
			return NULL;
		found = &kinds[i];
	}
	return found;
}

static int check_package(const struct from_kind *kind, struct yaml_node *node, const char *key,
	const char *name, struct err *err)
{
	if (!kind->is_package)
		return yaml_fault(node, key, err,
			"a package is installed from: debian and from: rpm only, not from: %s", kind->name);
	if (kind->is_package(name))
		return 0;
	return yaml_fault(
		node, key, err, "'%.80s' is not a package name; allowed are %s", name, kind->packages);
}

static int check_packages(struct profile *p, const struct from_kind *kind, struct err *err)
{
	for (size_t i = 0; i < p->package_count; i++) {
		int r = check_package(kind, p->packages[i].node, "packages", p->packages[i].name, err);

		if (r < 0)
			return r;
	}
	if (!p->kernel.package)
		return 0;
	return check_package(kind, yaml_root(p->doc), "kernel.package", p->kernel.package, err);
}

/* apt's further words: they become part of a line of sources.list. */
static int check_apt(const struct profile_repository *repository, struct err *err)
{
	int r = check_word(repository->node, "suite", repository->suite, LETTERS "./_~+-", err);

	if (r == 0 && repository->suite && repository->components.count &&
		repository->suite[strlen(repository->suite) - 1] == '/')
		r = yaml_fault(repository->node, "components", err,
			"a flat repository (its suite ends in '/') has none");
	for (size_t i = 0; r == 0 && i < repository->components.count; i++)
		r = check_word(repository->node, "components", repository->components.items[i],
			LETTERS "./_+-", err);
	return r;
}

static int check_dnf(const struct profile_repository *repository, struct err *err)
{
	if (repository->suite)
		return yaml_fault(repository->node, "suite", err, "is for apt, not for from: rpm");
	if (repository->components.count)
		return yaml_fault(repository->node, "components", err, "is for apt, not for from: rpm");
	return 0;
}

/* Names become names of files. others: those before it. */
static int check_repository(const struct profile_repository *repository,
	const struct profile_repository *others, size_t count, int is_rpm, struct err *err)
{
	int r = is_rpm ? check_dnf(repository, err) : check_apt(repository, err);

	for (size_t i = 0; r == 0 && i < count; i++)
		if (!strcmp(others[i].name, repository->name))
			r = yaml_fault(repository->node, "name", err,
				"'%s' is the name of another repository already", repository->name);
	return r < 0 ? r : check_input(repository->node, "key", repository->key, S_IFREG, err);
}

static int check_repositories(struct profile *p, const struct from_kind *kind, struct err *err)
{
	const struct profile_rpm *rpm = &p->from.rpm;
	int is_rpm = kind->check == check_rpm, r = 0;

	if (p->repository_count && !kind->is_package)
		return yaml_fault(p->repositories[0].node, "repositories", err,
			"packages are installed from: debian and from: rpm only, not from: %s", kind->name);
	for (size_t i = 0; r == 0 && i < rpm->repository_count; i++)
		r = check_repository(&rpm->repositories[i], rpm->repositories, i, 1, err);
	for (size_t i = 0; r == 0 && i < p->repository_count; i++) {
		r = check_repository(
			&p->repositories[i], rpm->repositories, rpm->repository_count, is_rpm, err);
		if (r == 0)
			r = check_repository(&p->repositories[i], p->repositories, i, is_rpm, err);
	}
	return r;
}

int profile_check_from(struct profile *p, struct err *err)
{
	struct yaml_node *root = yaml_root(p->doc);
	const struct from_kind *kind = find_kind(yaml_find(root, "from"));
	int r;

	if (!kind)
		return yaml_fault(root, "from", err,
			"exactly one of " FROM_KINDS
			" is wanted; 'from: !replace' drops that of an included file");
	p->from.kind = kind->name;
	r = kind->check(p, root, err);
	if (r == 0)
		r = check_packages(p, kind, err);
	return r < 0 ? r : check_repositories(p, kind, err);
}
