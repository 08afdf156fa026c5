/* Owns the commands about keys and signatures: keygen, sign, verify. The formats are in imager/format. */
#include "imager/releases/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imager/base/io.h"
#include "imager/commands.h"
#include "imager/format/trust.h"
#include "imager/releases/password.h"
#include "imager/releases/signreview.h"

/* ---- the secret key ---- */

/* The likely slip: the other file of the pair. */
static int check_public(const char *text, const char *path, struct err *err)
{
	struct minisign_keyring ring;

	if (minisign_parse_keyring(text, &ring, NULL) < 0)
		return 0;
	return err_set(err, EINVAL,
		"%s: this is a public key; signing wants the secret one of the pair, NAME.key", path);
}

static int check_private(const struct stat *st, const char *path, struct err *err)
{
	if (st->st_mode & 077)
		return err_set(err, EPERM,
			"%s: others than its owner have access to this secret key (mode %04o); "
			"'chmod 600' it, or make a new key if they may have read it",
			path, st->st_mode & 07777);
	return 0;
}

static int check_size(const struct stat *st, const char *path, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, EINVAL, "%s: not a plain file", path);
	if (st->st_size == 0)
		return err_set(err, EBADMSG, "%s: the key file is empty", path);
	if (st->st_size > MINISIGN_FILE_LIMIT)
		return err_set(err, EFBIG, "%s: too large for a key file", path);
	return 0;
}

/* The file's text, which the caller wipes whatever comes back. */
static int read_key(const char *path, char text[MINISIGN_FILE_LIMIT + 1], struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, path);
	r = check_size(&st, path, err);
	if (r < 0)
		return r;
	n = read_full(fd, text, MINISIGN_FILE_LIMIT);
	if (n < 0)
		return err_path(err, (int)-n, path);
	r = check_public(text, path, err);
	return r < 0 ? r : check_private(&st, path, err);
}

static int parse_key(
	const char *text, const char *password_file, struct minisign_secret *ret, struct err *err)
{
	_cleanup_password_ char *password = NULL;
	int r = password_file ? -ENOKEY : minisign_parse_secret(text, NULL, ret, err);

	if (r != -ENOKEY)
		return r;
	r = password_read(password_file, "password of the secret key: ", &password, err);
	return r < 0 ? r : minisign_parse_secret(text, password, ret, err);
}

int sign_load_key(const char *path, const char *password_file, struct minisign_secret *ret, struct err *err)
{
	char text[MINISIGN_FILE_LIMIT + 1] = "";
	struct err why = {0};
	int r = read_key(path, text, err);

	if (r == 0) {
		r = parse_key(text, password_file, ret, &why);
		if (r < 0)
			(void)err_set(err, -r, "%s: %s", path, why.text);
	}
	explicit_bzero(text, sizeof(text));
	return r;
}

int release_sign(
	struct store *s, const struct store_release *rel, const struct minisign_secret *key, struct err *err)
{
	_cleanup_buf_ struct buf manifest = {0}, signature = {0};
	char comment[TRUST_COMMENT_SIZE];
	int r = store_manifest_bytes(s, rel, &manifest, err);

	if (r < 0)
		return r;
	trust_comment(&rel->release, comment);
	r = minisign_sign(key, &manifest, comment, &signature, err);
	return r < 0 ? r : store_add_signature(s, rel, &signature, err);
}

/* ---- keygen ---- */

struct keygen_options {
	const char *output, *password_file;
	int no_password;
};

static const struct cli_option keygen_options[] = {
	{"output", 'o', CLI_STRING, offsetof(struct keygen_options, output), "NAME",
		"write NAME.key (secret) and NAME.pub"},
	{"no-password", 0, CLI_FLAG, offsetof(struct keygen_options, no_password), NULL,
		"leave the secret key unencrypted, for a machine that signs on its own"},
	{"password-file", 0, CLI_STRING, offsetof(struct keygen_options, password_file), "FILE",
		"take the password from the first line of FILE"},
	{0},
};

/* A key that is there already is never written over. */
static int create_file(const char *path, const struct buf *text, mode_t mode, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	int r;

	if (fd < 0 && errno == EEXIST)
		return err_set(err, EEXIST, "%s: is there already; keys are not written over", path);
	if (fd < 0)
		return err_path(err, errno, path);
	r = write_full(fd, text->data, text->len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	(void)unlink(path);
	return err_path(err, -r, path);
}

static int write_pair(const char *output, const struct buf *secret, const struct buf *public, struct err *err)
{
	_cleanup_free_ char *key = NULL, *pub = NULL;
	int r;

	if (asprintf(&key, "%s.key", output) < 0 || asprintf(&pub, "%s.pub", output) < 0)
		return err_oom(err, output);
	r = create_file(key, secret, 0600, err);
	if (r < 0)
		return r;
	r = create_file(pub, public, 0644, err);
	if (r < 0)
		(void)unlink(key);
	return r;
}

static int new_password(const struct keygen_options *o, char **ret, struct err *err)
{
	_cleanup_password_ char *first = NULL, *second = NULL;
	int r;

	if (o->no_password)
		return 0;
	r = password_read(o->password_file, "password for the new secret key: ", &first, err);
	if (r == 0 && !o->password_file)
		r = password_read(NULL, "once more: ", &second, err);
	if (r < 0)
		return r;
	if (second && strcmp(first, second) != 0)
		return err_set(err, EINVAL, "the two passwords differ");
	*ret = TAKE(first);
	return 0;
}

static int run_keygen(const void *options, char **args, struct err *err)
{
	const struct keygen_options *o = options;
	_cleanup_secret_ struct minisign_secret secret = {0};
	_cleanup_buf_ struct buf secret_text = {0}, public_text = {0};
	_cleanup_password_ char *password = NULL;
	struct minisign_public public;
	char id[17];
	int r;

	(void)args;
	if (!o->output) {
		(void)err_set(err, EINVAL, "--output NAME says where the two files go");
		return CLI_USAGE;
	}
	if (o->no_password && o->password_file) {
		(void)err_set(err, EINVAL, "--no-password and --password-file exclude each other");
		return CLI_USAGE;
	}
	r = new_password(o, &password, err);
	if (r == 0)
		r = minisign_generate(&secret, &public, err);
	if (r == 0)
		r = minisign_format_secret(&secret, password, &secret_text, err);
	if (r == 0)
		r = minisign_format_public(&public, &public_text, err);
	if (r == 0)
		r = write_pair(o->output, &secret_text, &public_text, err);
	if (secret_text.data)
		explicit_bzero(secret_text.data, secret_text.len);
	if (r < 0)
		return r;
	minisign_id_text(public.id, id);
	(void)printf("%s: %s.key (secret), %s.pub\n", id, o->output, o->output);
	return 0;
}

const struct cli_command command_keygen = {
	.name = "keygen",
	.arguments = "",
	.summary = "make a pair of keys to sign releases with",
	.text = "Both files are in minisign's format; minisign can use them as well. The secret key is "
		"readable "
		"by its\nowner only and, unless --no-password is given, encrypted. The public key goes into "
		"the "
		"initramfs\n(swarmboot build --key) and into the cluster file (trust).",
	.options = keygen_options,
	.options_size = sizeof(struct keygen_options),
	.run = run_keygen,
};

/* ---- sign ---- */

struct sign_options {
	const char *key, *store, *password_file;
	struct cli_list trust;
	int yes;
};

static const struct cli_option sign_options[] = {
	{"key", 'k', CLI_STRING, offsetof(struct sign_options, key), "FILE", "the secret key"},
	{"store", 0, CLI_STRING, offsetof(struct sign_options, store), "DIR", STORE_OPTION_HELP},
	{"password-file", 0, CLI_STRING, offsetof(struct sign_options, password_file), "FILE",
		"take the key's password from the first line of FILE"},
	{"trust", 0, CLI_LIST, offsetof(struct sign_options, trust), "FILE",
		"a further public key whose signature makes a release the last signed one, for a change of "
		"keys; "
		"may be given again"},
	{"yes", 'y', CLI_FLAG, offsetof(struct sign_options, yes), NULL, "sign without asking, for scripts"},
	{0},
};

/* The key itself, and those of --trust. */
static int find_trust(const struct sign_options *o, const struct minisign_secret *key,
	struct minisign_keyring *ret, struct err *err)
{
	struct minisign_keyring ring = {0};
	int r = o->trust.count ? minisign_read_keyring(o->trust.items, o->trust.count, &ring, err) : 0;

	if (r < 0)
		return r;
	if (ring.count == MINISIGN_KEYRING_MAX)
		return err_set(err, E2BIG, "--trust: more than %d keys", MINISIGN_KEYRING_MAX - 1);
	minisign_public_of(key, &ring.keys[ring.count++]);
	*ret = ring;
	return 0;
}

static int review_and_sign(
	struct store *s, const struct sign_options *o, const struct store_release *rel, struct err *err)
{
	_cleanup_secret_ struct minisign_secret key = {0};
	struct minisign_keyring ring = {0};
	char id[17];
	int r = sign_load_key(o->key, o->password_file, &key, err);

	if (r == 0)
		r = find_trust(o, &key, &ring, err);
	if (r == 0)
		r = signreview_ask(&(struct signreview){.store = s, .keys = &ring, .yes = o->yes}, rel, err);
	if (r == 0)
		r = release_sign(s, rel, &key, err);
	if (r < 0)
		return r;
	minisign_id_text(key.id, id);
	(void)printf("%s: signed by %s\n", rel->name, id);
	return 0;
}

static int run_sign(const void *options, char **args, struct err *err)
{
	const struct sign_options *o = options;
	_cleanup_store_ struct store *s = NULL;
	struct store_release rel;
	int r;

	if (!o->key) {
		(void)err_set(err, EINVAL, "--key FILE names the secret key");
		return CLI_USAGE;
	}
	r = store_open(store_choose(o->store), 0, &s, err);
	if (r == 0)
		r = store_resolve(s, args[0], &rel, err);
	return r < 0 ? r : review_and_sign(s, o, &rel, err);
}

const struct cli_command command_sign = {
	.name = "sign",
	.arguments = "REF",
	.summary = "look at a release in the store and sign it",
	.text = "REF is PROFILE:SEQUENCE, PROFILE:CHANNEL, PROFILE (its newest release) or the release's "
		"digest. "
		"First the digests and the verity root are computed again; then what changes since the last "
		"release of the profile that this key signed is shown on standard error, and the question "
		"asked. Without a "
		"terminal to ask on, nothing is signed unless --yes is given.\n"
		"\n"
		"A signature by the same key is replaced; others stay. A secret key that others than its "
		"owner "
		"can read is refused.",
	.options = sign_options,
	.options_size = sizeof(struct sign_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_sign,
};

/* ---- verify ---- */

struct verify_options {
	struct cli_list keys;
	const char *store;
};

static const struct cli_option verify_options[] = {
	{"key", 'k', CLI_LIST, offsetof(struct verify_options, keys), "FILE",
		"a trusted public key; may be given again"},
	{"store", 0, CLI_STRING, offsetof(struct verify_options, store), "DIR", STORE_OPTION_HELP},
	{0},
};

static int run_verify(const void *options, char **args, struct err *err)
{
	const struct verify_options *o = options;
	_cleanup_store_signed_ struct store_signed proof = {0};
	_cleanup_store_ struct store *s = NULL;
	struct minisign_keyring ring;
	struct store_release rel;
	char digest[DIGEST_TEXT_SIZE];
	int r;

	if (!o->keys.count) {
		(void)err_set(err, EINVAL, "--key FILE names the public keys to trust");
		return CLI_USAGE;
	}
	r = minisign_read_keyring(o->keys.items, o->keys.count, &ring, err);
	if (r == 0)
		r = store_open(store_choose(o->store), 0, &s, err);
	if (r == 0)
		r = store_resolve(s, args[0], &rel, err);
	if (r == 0)
		r = store_verify(s, &rel, &ring, &proof, err);
	if (r == 0)
		r = store_check_blobs(s, &rel, err);
	if (r < 0)
		return r;
	digest_format(&rel.config.digest, digest);
	(void)printf("%s: good: %s\n", rel.name, digest);
	return 0;
}

const struct cli_command command_verify = {
	.name = "verify",
	.arguments = "REF",
	.summary = "check a release's signature and every byte of it",
	.text = "First the signature over the release manifest by one of the given keys, then the digest and "
		"size "
		"of\nkernel, initramfs, root image and package list. Exit status 0 only when all are as "
		"signed.",
	.options = verify_options,
	.options_size = sizeof(struct verify_options),
	.min_args = 1,
	.max_args = 1,
	.run = run_verify,
};
