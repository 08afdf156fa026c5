/* A mirror's table: what is news, when a release is tried again, and what those that ask are told. */
#include "tests/unit/unit.h"

#include <string.h>

#include "imager/base/cleanup.h"
#include "seeder/mirror/state.h"

#define URL "http://10.0.0.1:80"

static const struct digest one = {{1}}, two = {{2}};

static int may_try(struct mirror_state *s, const struct digest *d, uint64_t now)
{
	return mirror_state_may_try(s, "slurm:stable", d, now);
}

static int note(struct mirror_state *s, const char *reason, uint64_t now)
{
	return mirror_state_note(s, "slurm:stable", reason, now);
}

/* After 5 s, then twice as long each time, 5 min at most; another release is tried at once. */
static void test_rest(void **state)
{
	static const uint64_t rests[] = {5000, 10000, 20000, 40000, 80000, 160000, 300000, 300000};
	struct mirror_state s;
	uint64_t now = 1000;

	(void)state;
	assert_int_equal(mirror_state_init(&s, URL), 0);
	assert_int_equal(may_try(&s, &one, now), 1);
	for (size_t i = 0; i < ARRAY_SIZE(rests); i++) {
		assert_int_equal(note(&s, "wrong bytes", now), i == 0);
		assert_int_equal(may_try(&s, &one, now + rests[i] - 1), 0);
		now += rests[i];
		assert_int_equal(may_try(&s, &one, now), 1);
	}
	assert_int_equal(note(&s, "wrong bytes", now), 0);
	assert_int_equal(may_try(&s, &two, now), 1);
	assert_int_equal(note(&s, "", now), 1);
	assert_int_equal(may_try(&s, &two, now), 1);
	assert_true(mirror_state_in_step(&s));
	mirror_state_release(&s);
}

/* The other seeder's return ends every rest; what nobody wants any more is forgotten. */
static void test_return(void **state)
{
	const struct channels list = {.ids = {"0123456789abcdef0123456789abcdef"}, .id_count = 1};
	struct channels mine = {0};
	struct mirror_state s;

	(void)state;
	assert_int_equal(mirror_state_init(&s, URL), 0);
	assert_int_equal(mirror_state_heard(&s, &list, 100), 1);
	assert_int_equal(mirror_state_heard(&s, &list, 105), 0);
	assert_int_equal(may_try(&s, &one, 0), 1);
	assert_int_equal(note(&s, "wrong bytes", 0), 1);
	assert_int_equal(mirror_state_fault(&s, "down"), 1);
	assert_int_equal(mirror_state_fault(&s, "down"), 0);
	assert_int_equal(may_try(&s, &one, 1), 0);
	assert_int_equal(mirror_state_heard(&s, &list, 110), 1);
	assert_int_equal(may_try(&s, &one, 1), 1);
	assert_false(mirror_state_in_step(&s));
	mirror_state_begin(&s);
	mirror_state_end(&s);
	assert_true(mirror_state_in_step(&s));
	mirror_state_add_ids(&s, &mine);
	assert_true(channels_has_id(&mine, "0123456789abcdef0123456789abcdef"));
	mirror_state_release(&s);
}

static void test_told(void **state)
{
	const struct channels list = {0};
	char why[ERR_TEXT_MAX];
	struct mirror_state s;
	json_t *value;

	(void)state;
	assert_int_equal(mirror_state_init(&s, URL), 0);
	mirror_state_reason(&s, "slurm:stable", why);
	assert_string_equal(why, URL " is being asked");
	(void)mirror_state_fault(&s, "down");
	mirror_state_reason(&s, "slurm:stable", why);
	assert_string_equal(why, "down");
	(void)mirror_state_heard(&s, &list, 7);
	mirror_state_reason(&s, "slurm:stable", why);
	assert_string_equal(why, "it is looked at in its turn");
	assert_int_equal(may_try(&s, &one, 0), 1);
	mirror_state_reason(&s, "slurm:stable", why);
	assert_string_equal(why, "it is looked at in its turn");
	mirror_state_coming(&s, "slurm:stable");
	mirror_state_reason(&s, "slurm:stable", why);
	assert_string_equal(why, "it is on its way from " URL);
	mirror_state_progress(&s, "kernel", 1, 2);
	(void)note(&s, "wrong bytes", 0);
	mirror_state_reason(&s, "slurm:stable", why);
	assert_string_equal(why, "wrong bytes");
	mirror_state_coming(&s, "slurm:stable");
	mirror_state_reason(&s, "slurm:stable", why);
	assert_string_equal(why, "it is on its way from " URL "; before: wrong bytes");
	(void)note(&s, "wrong bytes", 0);
	value = mirror_state_value(&s);
	assert_int_equal(json_integer_value(json_object_get(value, "heard")), 7);
	assert_int_equal(json_array_size(json_object_get(value, "behind")), 1);
	assert_string_equal(json_string_value(json_object_get(value, "part")), "kernel");
	json_decref(value);
	mirror_state_release(&s);
}

static void test_others(void **state)
{
	struct mirror_state s;

	(void)state;
	assert_int_equal(mirror_state_init(&s, URL), 0);
	assert_int_equal(mirror_state_others(&s, ""), 0);
	assert_int_equal(mirror_state_others(&s, "gpu:stable"), 1);
	assert_int_equal(mirror_state_others(&s, "gpu:stable"), 0);
	assert_int_equal(mirror_state_others(&s, ""), 0);
	assert_int_equal(mirror_state_others(&s, "gpu:stable"), 1);
	mirror_state_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rest),
		cmocka_unit_test(test_return),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
