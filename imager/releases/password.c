/* Owns the asking for a password; what it opens is the business of imager/format/secretkey.c. */
#include "imager/releases/password.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

void password_free(char *password)
{
	if (!password)
		return;
	explicit_bzero(password, strlen(password));
	free(password);
}

/* One line, byte by byte, so that nothing beyond it is taken from the terminal. */
static int read_line(int fd, char **ret)
{
	char *line = calloc(1, PASSWORD_LIMIT + 1);
	size_t len = 0;
	ssize_t n = 0;
	char c;

	if (!line)
		return -ENOMEM;
	while (len < PASSWORD_LIMIT && (n = read(fd, &c, 1)) == 1 && c != '\n')
		line[len++] = c;
	if (n < 0 || len == PASSWORD_LIMIT) {
		password_free(line);
		return n < 0 ? -EIO : -EFBIG;
	}
	*ret = line;
	return 0;
}

/* What ends or stops a program at the terminal. */
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

/* 1: a line is there; 0: a signal came, and is pending still; -errno. */
static int wait_line(int tty, const sigset_t *set)
{
	_cleanup_close_ int fd = signalfd(-1, set, SFD_CLOEXEC);
	struct pollfd polls[] = {{.fd = tty, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	if (fd < 0)
		return -errno;
	while (poll(polls, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return !polls[1].revents;
}

/* 1 and the line, 0 when a signal came first, or -errno. The terminal is as it was before. */
static int ask_once(int tty, const char *prompt, const sigset_t *set, char **ret)
{
	struct termios before, silent;
	int r;

	if (tcgetattr(tty, &before) < 0)
		return -errno;
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(tty, TCSAFLUSH, &silent) < 0)
		return -errno;
	(void)write_full(tty, prompt, strlen(prompt));
	r = wait_line(tty, set);
	if (r == 1)
		r = read_line(tty, ret);
	else if (r == 0)
		r = -EINTR;
	(void)tcsetattr(tty, TCSAFLUSH, &before);
	(void)write_full(tty, "\n", 1);
	return r == -EINTR ? 0 : r < 0 ? r : 1;
}

/* Signals wait until the terminal echoes again; one that only stopped the program is followed by the question
 * once more. */
static int ask(const char *prompt, char **ret, struct err *err)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	sigset_t set, old;
	int r = 0;

	if (tty < 0)
		return err_set(err, ENOKEY,
			"a password is needed and there is no terminal to ask on; use --password-file");
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	while (r == 0) {
		(void)sigprocmask(SIG_BLOCK, &set, &old);
		r = ask_once(tty, prompt, &set, ret);
		(void)sigprocmask(SIG_SETMASK, &old, NULL);
	}
	return r < 0 ? err_path(err, -r, "/dev/tty") : 0;
}

static int read_from(const char *file, char **ret, struct err *err)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : read_line(fd, ret);

	return r < 0 ? err_path(err, -r, file) : 0;
}

int password_read(const char *file, const char *prompt, char **ret, struct err *err)
{
	_cleanup_password_ char *password = NULL;
	int r = file ? read_from(file, &password, err) : ask(prompt, &password, err);

	if (r < 0)
		return r;
	if (!*password)
		return err_set(err, EINVAL, "%s: the password is empty", file ? file : "terminal");
	*ret = TAKE(password);
	return 0;
}
