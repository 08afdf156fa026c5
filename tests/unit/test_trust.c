/* From bytes to a trusted release: signature first, then meaning, then the comment. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "imager/format/trust.h"
#include "tests/unit/release_sample.h"

struct signer {
	struct minisign_secret secret;
	struct minisign_keyring ring;
};

static struct signer new_signer(void)
{
	struct signer s = {.ring.count = 1};

	assert_int_equal(minisign_generate(&s.secret, &s.ring.keys[0], NULL), 0);
	return s;
}

static struct buf manifest_of(const struct release *r)
{
	struct buf text = {0};

	assert_int_equal(release_format(r, &text), 0);
	return text;
}

static struct buf sign(const struct signer *s, const struct buf *data, const char *comment)
{
	struct buf text = {0};

	assert_int_equal(minisign_sign(&s->secret, data, comment, &text, NULL), 0);
	return text;
}

static void test_good(void **state)
{
	struct signer s = new_signer();
	struct release sample = sample_release(), r;
	_cleanup_buf_ struct buf manifest = manifest_of(&sample);
	_cleanup_buf_ struct buf signature = sign(&s, &manifest, "swarmboot release slurm-compute:7");
	char comment[TRUST_COMMENT_SIZE];
	struct err err = {0};

	(void)state;
	trust_comment(&sample, comment);
	assert_string_equal(comment, "swarmboot release slurm-compute:7");
	if (release_verify(&s.ring, &manifest, signature.data, &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(r.profile, "slurm-compute");
	assert_int_equal(r.sequence, 7);
}

static void test_manifest_bit_flips(void **state)
{
	struct signer s = new_signer();
	struct release sample = sample_release(), r = {.sequence = 42};
	_cleanup_buf_ struct buf manifest = manifest_of(&sample);
	_cleanup_buf_ struct buf signature = sign(&s, &manifest, "swarmboot release slurm-compute:7");

	(void)state;
	for (size_t bit = 0; bit < 8 * manifest.len; bit++) {
		manifest.data[bit / 8] = (char)(manifest.data[bit / 8] ^ 1 << bit % 8);
		assert_int_equal(release_verify(&s.ring, &manifest, signature.data, &r, NULL), -EKEYREJECTED);
		manifest.data[bit / 8] = (char)(manifest.data[bit / 8] ^ 1 << bit % 8);
	}
	assert_int_equal(r.sequence, 42);
	assert_int_equal(buf_puts(&manifest, " "), 0);
	assert_int_equal(release_verify(&s.ring, &manifest, signature.data, &r, NULL), -EKEYREJECTED);
}

/* The key signed these very bytes, but as something else. */
static void test_signed_for_another_object(void **state)
{
	static const char *const comments[] = {
		"",
		"timestamp:1700000000\tfile:release.json\thashed",
		"swarmboot lease slurm-compute:7",
		"swarmboot release slurm-compute:8",
		"swarmboot release slurm-compute:70",
		"swarmboot release slurm-compute:07",
		"swarmboot release slurm-compute",
		"swarmboot release k3s:7",
		"swarmboot release slurm-compute:7 ",
		" swarmboot release slurm-compute:7",
		"Swarmboot release slurm-compute:7",
	};
	struct signer s = new_signer();
	struct release sample = sample_release();
	_cleanup_buf_ struct buf manifest = manifest_of(&sample);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(comments); i++) {
		_cleanup_buf_ struct buf signature = sign(&s, &manifest, comments[i]);
		struct release r = {.sequence = 42};
		struct err err = {0};

		assert_int_equal(release_verify(&s.ring, &manifest, signature.data, &r, &err), -EKEYREJECTED);
		assert_non_null(strstr(err.text, "not for 'swarmboot release slurm-compute:7'"));
		assert_int_equal(r.sequence, 42);
	}
}

/* What the parser would say must not be heard before the signature is good. */
static void test_signature_comes_first(void **state)
{
	struct signer s = new_signer(), other = new_signer();
	struct buf junk = {.data = (char *)"{", .len = 1};
	_cleanup_buf_ struct buf ours = sign(&s, &junk, "swarmboot release slurm-compute:7");
	_cleanup_buf_ struct buf theirs = sign(&other, &junk, "swarmboot release slurm-compute:7");
	struct release r;
	struct err err = {0};

	(void)state;
	assert_int_equal(release_verify(&s.ring, &junk, theirs.data, &r, &err), -ENOKEY);
	assert_int_equal(release_verify(&s.ring, &junk, ours.data, &r, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "release manifest: not JSON"));
	assert_int_equal(release_verify(&s.ring, &junk, "", &r, NULL), -EBADMSG);
}

static void test_too_large(void **state)
{
	struct signer s = new_signer();
	struct release sample = sample_release(), r;
	_cleanup_buf_ struct buf manifest = manifest_of(&sample), signature = {0};
	struct err err = {0};

	(void)state;
	while (manifest.len <= RELEASE_LIMIT)
		assert_int_equal(buf_puts(&manifest, " "), 0);
	signature = sign(&s, &manifest, "swarmboot release slurm-compute:7");
	assert_int_equal(release_verify(&s.ring, &manifest, signature.data, &r, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "larger than"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_manifest_bit_flips),
		cmocka_unit_test(test_signed_for_another_object),
		cmocka_unit_test(test_signature_comes_first),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
