/* What a role that was taken over by a peer cannot do any more. Each try is a process of its own. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "initramfs/sandbox.h"
#include "tests/unit/tempdir.h"

/* By syscall(2), as the C library would see to it that some of these are not even tried. */
static void try_mount(void)
{
	(void)syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL);
}

static void try_ptrace(void)
{
	(void)syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}

static void try_setuid(void)
{
	(void)syscall(SYS_setuid, 0);
}

static void try_fork(void)
{
	(void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void try_exec(void)
{
	char *const argv[] = {(char[]){"/bin/true"}, NULL};

	(void)syscall(SYS_execve, argv[0], argv, NULL);
}

static void try_unshare(void)
{
	(void)syscall(SYS_unshare, 0x10000000);
}

static void try_module(void)
{
	(void)syscall(SYS_finit_module, -1, "", 0);
}

static void try_bpf(void)
{
	(void)syscall(SYS_bpf, 0, NULL, 0);
}

static void try_reboot(void)
{
	(void)syscall(SYS_reboot, 0, 0, 0, NULL);
}

static void try_keyctl(void)
{
	(void)syscall(SYS_keyctl, 0, 0, 0, 0, 0);
}

static int child(const char *root, void (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (sandbox_enter(root, NULL) < 0)
			_exit(100);
		act();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_killed(void **state)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} rows[] = {{"mount", try_mount}, {"ptrace", try_ptrace}, {"setuid", try_setuid}, {"fork", try_fork},
		{"exec", try_exec}, {"unshare", try_unshare}, {"module", try_module}, {"bpf", try_bpf},
		{"reboot", try_reboot}, {"keyctl", try_keyctl}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int status = child(NULL, rows[i].act);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status %x", rows[i].name, (unsigned)status);
	}
}

static void *thread(void *arg)
{
	return arg;
}

/* Leaves by its exit status which of the rights is still there; 0: none, and threads work. */
static void look_around(void)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	pthread_t t;
	cap_t caps = cap_get_proc();
	cap_t none = cap_init();

	if (getuid() != SANDBOX_ID || getegid() != SANDBOX_ID)
		_exit(1);
	if (!caps || !none || cap_compare(caps, none) != 0 ||
		prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) != 0)
		_exit(2);
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		_exit(3);
	if (stat("/etc", &st) == 0 || stat("/mine", &st) < 0)
		_exit(4);
	fd = open("/mine", O_WRONLY);
	if (fd < 0)
		_exit(5);
	if (pthread_create(&t, NULL, thread, NULL) != 0 || pthread_join(t, NULL) != 0)
		_exit(6);
}

static void test_what_is_left(void **state)
{
	_cleanup_free_ char *mine = path_join(*state, "mine");
	int fd, status;

	if (geteuid() != 0)
		skip();
	fd = open(mine, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, SANDBOX_ID, SANDBOX_ID), 0);
	assert_int_equal(chmod(*state, 0755), 0);
	(void)close(fd);
	status = child(*state, look_around);
	if (status != 0)
		fail_msg("status %x", (unsigned)status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		unit_test_in_dir(test_what_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
