/* The event loop: descriptors, timers, signals, and what callbacks may do to it. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/buf.h"
#include "imager/base/loop.h"

/* What the callbacks of a test share. */
struct fixture {
	struct loop *loop;
	int a[2], b[2]; /* pipes */
	struct buf seen;
	int timer;
	unsigned ticks;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->loop = loop_new();
	return !f->loop || pipe(f->a) < 0 || pipe(f->b) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_free(f->loop);
	for (int i = 0; i < 2; i++) {
		(void)close(f->a[i]);
		(void)close(f->b[i]);
	}
	buf_release(&f->seen);
	free(f);
	return 0;
}

static int take(struct fixture *f, int fd)
{
	char c = '?';

	if (read(fd, &c, 1) != 1)
		return -EIO;
	return buf_add(&f->seen, &c, 1);
}

static int on_a(void *arg)
{
	struct fixture *f = arg;
	int r = take(f, f->a[0]);

	if (r == 0 && strchr(f->seen.data, '!'))
		loop_stop(f->loop, 42);
	return r;
}

static void test_descriptors(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_fd(f->loop, f->a[0], on_a, f), 0);
	assert_int_equal(write(f->a[1], "abc!", 4), 4);
	assert_int_equal(loop_run(f->loop), 42);
	assert_string_equal(f->seen.data, "abc!");
	/* it can be run again */
	assert_int_equal(write(f->a[1], "d", 1), 1);
	assert_int_equal(loop_run(f->loop), 42);
	assert_string_equal(f->seen.data, "abc!d");
}

static void test_descriptor_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_fd(f->loop, -1, on_a, f), -EBADF);
	assert_int_equal(loop_add_fd(f->loop, f->a[0], on_a, f), 0);
	assert_int_equal(loop_add_fd(f->loop, f->a[0], on_a, f), -EEXIST);
	loop_remove_fd(f->loop, f->a[0]);
	loop_remove_fd(f->loop, f->a[0]);
	assert_int_equal(loop_add_fd(f->loop, f->a[0], on_a, f), 0);
}

/* The other end is gone: that is readable too. */
static void test_hang_up(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_fd(f->loop, f->a[0], on_a, f), 0);
	assert_int_equal(close(f->a[1]), 0);
	f->a[1] = -1;
	assert_int_equal(loop_run(f->loop), -EIO);
}

static int on_b(void *arg)
{
	struct fixture *f = arg;

	return take(f, f->b[0]);
}

/* Both are readable; whichever comes first takes the other one away. */
static int on_first(void *arg)
{
	struct fixture *f = arg;

	f->ticks++;
	loop_remove_fd(f->loop, f->a[0]);
	loop_remove_fd(f->loop, f->b[0]);
	loop_stop(f->loop, 1);
	return 0;
}

static void test_removed_in_a_callback(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->a[1], "a", 1), 1);
	assert_int_equal(write(f->b[1], "b", 1), 1);
	assert_int_equal(loop_add_fd(f->loop, f->a[0], on_first, f), 0);
	assert_int_equal(loop_add_fd(f->loop, f->b[0], on_first, f), 0);
	assert_int_equal(loop_run(f->loop), 1);
	assert_int_equal(f->ticks, 1);
}

/* Takes itself away and comes back as another callback, in the middle of a turn. */
static int on_replace(void *arg)
{
	struct fixture *f = arg;

	f->ticks++;
	loop_remove_fd(f->loop, f->b[0]);
	return loop_add_fd(f->loop, f->b[0], on_b, f);
}

static int on_tick_until_b(void *arg)
{
	struct fixture *f = arg;

	if (f->seen.len)
		loop_stop(f->loop, 7);
	return 0;
}

static void test_replaced_in_a_callback(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->b[1], "b", 1), 1);
	assert_int_equal(loop_add_fd(f->loop, f->b[0], on_replace, f), 0);
	assert_true(loop_add_timer(f->loop, 1, 1, on_tick_until_b, f) >= 0);
	assert_int_equal(loop_run(f->loop), 7);
	assert_int_equal(f->ticks, 1);
	assert_string_equal(f->seen.data, "b");
}

/* ---- timers ---- */

static int on_tick(void *arg)
{
	struct fixture *f = arg;

	if (++f->ticks == 3)
		loop_stop(f->loop, 0);
	return 0;
}

static void test_timer_repeats(void **state)
{
	struct fixture *f = *state;
	uint64_t start = monotonic_ms();

	assert_true(loop_add_timer(f->loop, 20, 10, on_tick, f) >= 0);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(f->ticks, 3);
	assert_true(monotonic_ms() - start >= 39); /* 20 + 10 + 10, less what rounding takes */
}

static int on_fail(void *arg)
{
	(void)arg;
	return -EUCLEAN;
}

static int on_disarm(void *arg)
{
	struct fixture *f = arg;

	return loop_set_timer(f->loop, f->timer, 0, 5);
}

static void test_timer_is_set_again(void **state)
{
	struct fixture *f = *state;

	/* would end the loop with an error if it ran */
	f->timer = loop_add_timer(f->loop, 60, 0, on_fail, f);
	assert_true(f->timer >= 0);
	assert_true(loop_add_timer(f->loop, 1, 0, on_disarm, f) >= 0);
	assert_true(loop_add_timer(f->loop, 30, 30, on_tick, f) >= 0);
	assert_int_equal(loop_run(f->loop), 0);
	assert_int_equal(loop_set_timer(f->loop, f->timer, 1, 0), 0);
	assert_int_equal(loop_run(f->loop), -EUCLEAN);
}

static void test_timer_once(void **state)
{
	struct fixture *f = *state;

	assert_true(loop_add_timer(f->loop, 1, 0, on_tick, f) >= 0);
	f->timer = loop_add_timer(f->loop, 50, 0, on_fail, f);
	assert_int_equal(loop_run(f->loop), -EUCLEAN);
	assert_int_equal(f->ticks, 1);
}

/* ---- signals ---- */

static int on_signal(void *arg)
{
	struct fixture *f = arg;

	f->ticks++;
	loop_stop(f->loop, (int)f->ticks);
	return 0;
}

static int on_other_signal(void *arg)
{
	struct fixture *f = arg;

	loop_stop(f->loop, 100);
	return 0;
}

static void test_signals(void **state)
{
	struct fixture *f = *state;
	sigset_t before;

	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &before), 0);
	assert_int_equal(loop_add_signal(f->loop, SIGUSR1, on_signal, f), 0);
	assert_int_equal(loop_add_signal(f->loop, SIGUSR2, on_other_signal, f), 0);
	assert_int_equal(loop_add_signal(f->loop, 0, on_signal, f), -EINVAL);
	assert_int_equal(loop_add_signal(f->loop, 64, on_signal, f), -EINVAL);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(f->loop), 1);
	assert_int_equal(raise(SIGUSR2), 0);
	assert_int_equal(loop_run(f->loop), 100);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(f->loop), 2);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

int main(void)
{
#define loop_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		loop_test(test_descriptors),
		loop_test(test_descriptor_refused),
		loop_test(test_hang_up),
		loop_test(test_removed_in_a_callback),
		loop_test(test_replaced_in_a_callback),
		loop_test(test_timer_repeats),
		loop_test(test_timer_is_set_again),
		loop_test(test_timer_once),
		loop_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
