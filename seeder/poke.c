/* Owns the pokes: who is to be poked, how often, and the socket. Why is the caller's. */
#include "seeder/poke.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imager/base/cleanup.h"
#include "seeder/wire/seed.h"

struct target {
	struct in_addr address;
	unsigned tries; /* left */
	uint64_t due_ms;
};

struct poker {
	int fd;
	struct target *targets;
	size_t count, size;
};

int poker_new(struct poker **ret, struct err *err)
{
	_cleanup_free_ struct poker *p = calloc(1, sizeof(*p));

	if (!p)
		return err_oom(err, "the poker");
	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return err_set(err, errno, "UDP: %s", strerror(errno));
	*ret = TAKE(p);
	return 0;
}

void poker_free(struct poker *p)
{
	if (!p)
		return;
	(void)close(p->fd);
	free(p->targets);
	free(p);
}

static struct target *find(const struct poker *p, struct in_addr address)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->targets[i].address.s_addr == address.s_addr)
			return &p->targets[i];
	return NULL;
}

static struct target *append(struct poker *p)
{
	if (p->count == p->size) {
		size_t size = p->size ? 2 * p->size : 64;
		struct target *grown = realloc(p->targets, size * sizeof(*grown));

		if (!grown)
			return NULL;
		p->targets = grown;
		p->size = size;
	}
	return &p->targets[p->count++];
}

void poker_add(struct poker *p, struct in_addr address)
{
	struct target *t = find(p, address);

	if (!t)
		t = append(p);
	if (t)
		*t = (struct target){.address = address, .tries = POKER_TRIES};
}

static void drop(struct poker *p, struct target *t)
{
	*t = p->targets[--p->count];
}

void poker_asked(struct poker *p, struct in_addr address)
{
	struct target *t = find(p, address);

	/* What it asked before the first poke was of the time before. */
	if (t && t->tries < POKER_TRIES)
		drop(p, t);
}

static void send_to(const struct poker *p, struct in_addr address)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(SEED_POKE_PORT), .sin_addr = address};

	(void)sendto(p->fd, SEED_POKE_TEXT, strlen(SEED_POKE_TEXT), MSG_NOSIGNAL,
		(const struct sockaddr *)&at, sizeof(at));
}

void poker_run(struct poker *p, uint64_t now_ms)
{
	size_t sent = 0;

	for (size_t i = p->count; i-- > 0 && sent < POKER_AT_ONCE;) {
		struct target *t = &p->targets[i];

		if (now_ms < t->due_ms)
			continue;
		if (t->tries == 0) {
			drop(p, t);
			continue;
		}
		send_to(p, t->address);
		sent++;
		t->tries--;
		t->due_ms = now_ms + POKER_AGAIN_MS;
	}
}
