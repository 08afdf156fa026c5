/* What the agent trusts: only the release it was told to boot, signed by a key it carries, for itself; only
 * the image that release names. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "imager/base/cleanup.h"
#include "imager/format/trust.h"
#include "initramfs/verify.h"
#include "tests/unit/release_sample.h"
#include "tests/unit/tempdir.h"

#define _cleanup_evidence_ _cleanup_(release_evidence_release)

/* A key, an identity that trusts it, and a release for it, before signing. */
struct world {
	struct minisign_secret secret;
	struct identity identity;
	struct release release;
	struct release_evidence evidence;
};

static void make_world(struct world *w)
{
	struct utsname running;

	*w = (struct world){
		.release = sample_release(), .identity = {.profile = "slurm-compute", .arch = "amd64"}};
	assert_int_equal(uname(&running), 0);
	assert_int_equal(minisign_generate(&w->secret, &w->identity.keyring.keys[0], NULL), 0);
	w->identity.keyring.count = 1;
	(void)snprintf(w->identity.kernel, sizeof(w->identity.kernel), "%.60s", running.release);
	(void)snprintf(
		w->release.kernel_release, sizeof(w->release.kernel_release), "%.60s", running.release);
}

static void sign(struct world *w)
{
	char comment[TRUST_COMMENT_SIZE];

	trust_comment(&w->release, comment);
	assert_int_equal(release_format(&w->release, &w->evidence.manifest), 0);
	assert_int_equal(
		minisign_sign(&w->secret, &w->evidence.manifest, comment, &w->evidence.signature, NULL), 0);
	assert_int_equal(
		digest_bytes(w->evidence.manifest.data, w->evidence.manifest.len, &w->evidence.wanted), 0);
}

static void other_profile(struct world *w)
{
	(void)strcpy(w->release.profile, "k3s");
}

static void other_arch(struct world *w)
{
	(void)strcpy(w->release.arch, "arm64");
}

static void other_kernel(struct world *w)
{
	(void)strcpy(w->release.kernel_release, "5.0-other");
}

static void other_running_kernel(struct world *w)
{
	(void)strcpy(w->release.kernel_release, "5.0-other");
	(void)strcpy(w->identity.kernel, "5.0-other");
}

static void other_key(struct world *w)
{
	struct minisign_public unused;

	assert_int_equal(minisign_generate(&w->secret, &unused, NULL), 0);
}

static void flip_manifest(struct world *w)
{
	w->evidence.manifest.data[40] ^= 1;
}

/* As an attacker who also controls the boot arguments would. */
static void flip_manifest_and_digest(struct world *w)
{
	flip_manifest(w);
	assert_int_equal(
		digest_bytes(w->evidence.manifest.data, w->evidence.manifest.len, &w->evidence.wanted), 0);
}

static void flip_signature(struct world *w)
{
	char *second = strchr(w->evidence.signature.data, '\n') + 40;

	*second = *second == 'A' ? 'B' : 'A';
}

static void no_signature(struct world *w)
{
	buf_release(&w->evidence.signature);
}

static void hidden_bytes(struct world *w)
{
	assert_int_equal(buf_add(&w->evidence.signature, "\0more", 5), 0);
}

static void too_large(struct world *w)
{
	while (w->evidence.manifest.len <= RELEASE_LIMIT)
		assert_int_equal(buf_puts(&w->evidence.manifest, "          "), 0);
}

static void test_release(void **state)
{
	static const struct {
		void (*before)(struct world *w); /* signing */
		void (*after)(struct world *w);
		int code;
		const char *says;
	} rows[] = {
		{NULL, NULL, 0, ""},
		{other_profile, NULL, -ESTALE, "for profile k3s, this node booted slurm-compute"},
		{other_arch, NULL, -ESTALE, "for architecture arm64"},
		{other_kernel, NULL, -ESTALE, "for kernel 5.0-other"},
		{other_running_kernel, NULL, -ESTALE, "for kernel 5.0-other"},
		{other_key, NULL, -ENOKEY, ""},
		{NULL, flip_manifest, -EINVAL, "the release manifest is sha256:"},
		{NULL, flip_manifest_and_digest, -EKEYREJECTED, ""},
		{NULL, flip_signature, -EKEYREJECTED, ""},
		{NULL, no_signature, -EBADMSG, "empty"},
		{NULL, hidden_bytes, -EBADMSG, "no text"},
		{NULL, too_large, -EBADMSG, "too large"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct release got = {.sequence = 99};
		struct err err = {0};
		struct world w;
		int r;

		make_world(&w);
		if (rows[i].before)
			rows[i].before(&w);
		sign(&w);
		if (rows[i].after)
			rows[i].after(&w);
		r = release_prove(&w.identity, &w.evidence, &got, &err);
		if (r != rows[i].code || !strstr(err.text, rows[i].says) || got.sequence != (r == 0 ? 7 : 99))
			fail_msg("row %zu: %d '%s'", i, r, err.text);
		release_evidence_release(&w.evidence);
	}
}

static void put(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(dir, name);

	assert_int_equal(
		write_file(
			path, &(struct file_content){.data = text, .len = strlen(text), .mode = 0644}, NULL),
		0);
}

static void test_identity(void **state)
{
	static const struct {
		const char *json;
		int code;
	} rows[] = {
		{"{\"profile\":\"a\",\"arch\":\"amd64\",\"kernel\":\"6.1\"}", 0},
		{"{\"profile\":\"a\",\"arch\":\"amd64\"}", -EBADMSG},
		{"{\"profile\":\"a\",\"arch\":\"amd64\",\"kernel\":\"6.1\",\"more\":1}", -EBADMSG},
		{"{\"profile\":1,\"arch\":\"amd64\",\"kernel\":\"6.1\"}", -EBADMSG},
		{"{\"profile\":\"a\",\"arch\":\"an architecture too long\",\"kernel\":\"6.1\"}", -EBADMSG},
		{"", -EBADMSG},
	};
	struct minisign_secret secret;
	struct minisign_public public;
	_cleanup_buf_ struct buf key = {0};

	assert_int_equal(minisign_generate(&secret, &public, NULL), 0);
	assert_int_equal(minisign_format_public(&public, &key, NULL), 0);
	put(*state, "keys", key.data);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct identity identity = {0};
		struct err err = {0};

		put(*state, "agent.json", rows[i].json);
		if (identity_load(*state, &identity, &err) != rows[i].code)
			fail_msg("row %zu: '%s'", i, err.text);
		assert_int_equal(identity.keyring.count, rows[i].code == 0);
	}
	put(*state, "agent.json", rows[0].json);
	put(*state, "keys", "");
	assert_int_equal(identity_load(*state, &(struct identity){0}, NULL), -EBADMSG);
}

static void test_image(void **state)
{
	_cleanup_free_ char *path = path_join(*state, "image"), *link_path = path_join(*state, "link");
	struct release_part wanted = {.size = 5};
	struct err err = {0};
	struct stat st;
	int fd;

	assert_int_equal(digest_bytes("image", 5, &wanted.digest), 0);
	put(*state, "image", "imagf");
	assert_int_equal(image_prove(path, &wanted, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "the image's digest is sha256:"));
	put(*state, "image", "image ");
	assert_int_equal(image_prove(path, &wanted, &err), -EBADMSG);
	assert_string_equal(err.text, "the image has 6 bytes, the release says 5");
	put(*state, "image", "image");
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(image_prove(link_path, &wanted, &err), -ELOOP);
	assert_int_equal(unlink(link_path), 0);
	fd = image_prove(path, &wanted, &err);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	(void)close(fd);
	/* A second name would be a second way to the bytes. */
	assert_int_equal(link(path, link_path), 0);
	assert_int_equal(image_prove(path, &wanted, &err), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_release),
		unit_test_in_dir(test_identity),
		unit_test_in_dir(test_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
