/* Owns the decision to trust a release and an image. Fetches nothing, mounts nothing. */
#include "initramfs/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/format/json.h"
#include "imager/format/trust.h"

#define IDENTITY_LIMIT 4096
#define KEYRING_LIMIT  (MINISIGN_KEYRING_MAX * 1024)

void release_evidence_release(struct release_evidence *e)
{
	buf_release(&e->manifest);
	buf_release(&e->signature);
}

static int read_in(const char *dir, const char *name, size_t limit, char **ret, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, name);

	if (!path)
		return err_oom(err, name);
	return read_file(path, limit, ret, NULL, err);
}

static int parse_identity(const char *text, struct identity *ret, struct err *err)
{
	const char *profile, *arch, *kernel;
	json_error_t why;
	_cleanup_json_ json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);

	if (!root || json_unpack_ex(root, &why, JSON_STRICT, "{s:s,s:s,s:s}", "profile", &profile, "arch",
			     &arch, "kernel", &kernel) < 0)
		return err_set(err, EBADMSG, "agent.json: %s", why.text);
	if (strlen(profile) >= sizeof(ret->profile) || strlen(arch) >= sizeof(ret->arch) ||
		strlen(kernel) >= sizeof(ret->kernel))
		return err_set(err, EBADMSG, "agent.json: a value is too long");
	memcpy(ret->profile, profile, strlen(profile) + 1);
	memcpy(ret->arch, arch, strlen(arch) + 1);
	memcpy(ret->kernel, kernel, strlen(kernel) + 1);
	return 0;
}

int identity_load(const char *dir, struct identity *ret, struct err *err)
{
	_cleanup_free_ char *agent = NULL, *keys = NULL;
	struct identity identity = {0};
	int r;

	r = read_in(dir, "agent.json", IDENTITY_LIMIT, &agent, err);
	if (r >= 0)
		r = parse_identity(agent, &identity, err);
	if (r >= 0)
		r = read_in(dir, "keys", KEYRING_LIMIT, &keys, err);
	if (r >= 0)
		r = minisign_parse_keyring(keys, &identity.keyring, err);
	if (r < 0)
		return r;
	*ret = identity;
	return 0;
}

static int check_digest(const struct release_evidence *evidence, struct err *err)
{
	char is[DIGEST_TEXT_SIZE], wanted[DIGEST_TEXT_SIZE];
	struct digest digest;
	int r = digest_bytes(evidence->manifest.data, evidence->manifest.len, &digest);

	if (r < 0)
		return err_set(err, -r, "cannot hash the release manifest");
	if (digest_equal(&digest, &evidence->wanted))
		return 0;
	digest_format(&digest, is);
	digest_format(&evidence->wanted, wanted);
	return err_set(err, EINVAL, "the release manifest is %s, not %s", is, wanted);
}

static int check_equal(const char *what, const char *is, const char *wanted, struct err *err)
{
	if (!strcmp(is, wanted))
		return 0;
	return err_set(err, ESTALE, "the release is for %s %s, this node booted %s", what, is, wanted);
}

static int check_fit(const struct identity *identity, const struct release *release, struct err *err)
{
	struct utsname running;
	int r;

	if (uname(&running) < 0)
		return err_set(err, errno, "uname: %s", strerror(errno));
	r = check_equal("profile", release->profile, identity->profile, err);
	if (r == 0)
		r = check_equal("architecture", release->arch, identity->arch, err);
	if (r == 0)
		r = check_equal("kernel", release->kernel_release, identity->kernel, err);
	if (r == 0)
		r = check_equal("kernel", release->kernel_release, running.release, err);
	return r;
}

int release_prove(const struct identity *identity, const struct release_evidence *evidence,
	struct release *ret, struct err *err)
{
	struct release release;
	int r;

	if (evidence->manifest.len > RELEASE_LIMIT || !evidence->manifest.data || !evidence->signature.data)
		return err_set(err, EBADMSG, "the release manifest or its signature is empty or too large");
	if (strlen(evidence->signature.data) != evidence->signature.len)
		return err_set(err, EBADMSG, "the release's signature is no text");
	r = check_digest(evidence, err);
	if (r == 0)
		r = release_verify(
			&identity->keyring, &evidence->manifest, evidence->signature.data, &release, err);
	if (r == 0)
		r = check_fit(identity, &release, err);
	if (r < 0)
		return r;
	*ret = release;
	return 0;
}

/* From here on nobody but root can change the file, and root does not. */
static int seize(int fd, const char *path, uint64_t size, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_path(err, errno, path);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return err_set(err, EBADMSG, "%s is not a plain file", path);
	if ((uint64_t)st.st_size != size)
		return err_set(err, EBADMSG, "the image has %llu bytes, the release says %llu",
			(unsigned long long)st.st_size, (unsigned long long)size);
	if (fchown(fd, 0, 0) < 0 || fchmod(fd, 0444) < 0)
		return err_path(err, errno, path);
	return 0;
}

int image_prove(const char *path, const struct release_part *wanted, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char is[DIGEST_TEXT_SIZE], should[DIGEST_TEXT_SIZE];
	struct digest digest;
	uint64_t size;
	int r;

	if (fd < 0)
		return err_path(err, errno, path);
	r = seize(fd, path, wanted->size, err);
	if (r < 0)
		return r;
	r = digest_fd(fd, &digest, &size, NULL);
	if (r < 0)
		return err_path(err, -r, path);
	if (size == wanted->size && digest_equal(&digest, &wanted->digest))
		return TAKE_FD(fd);
	digest_format(&digest, is);
	digest_format(&wanted->digest, should);
	return err_set(err, EBADMSG, "the image's digest is %s, the release says %s", is, should);
}
