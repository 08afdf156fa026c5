/*
 * Owns the threads that compress and the order in which blocks come back. Where blocks come from and go to is
 * data.c's.
 */
#include "imager/squash/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* Blocks that wait for a worker or to be written: enough to keep all busy while one is slow. */
#define SPARE_BLOCKS 4

struct worker {
	struct squash_pool *pool;
	ZSTD_CCtx *context;
	pthread_t thread;
	int is_running;
};

struct squash_pool {
	struct squash_pool_options options;
	size_t packed_size; /* room for a block's compressed form */
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	int stop;

	struct squash_block *blocks;
	size_t count;
	struct squash_block **free; /* a stack */
	size_t free_count;
	struct squash_block **queue; /* a ring of `count`, in the order of submission */
	uint64_t submitted, claimed, returned;

	struct worker *workers;
};

/* ---- one block ---- */

static int is_zero(const uint8_t *data, uint32_t size)
{
	return data[0] == 0 && !memcmp(data, data + 1, size - 1);
}

/* The compressed size; 0: it is no smaller. */
static int compress(const struct squash_pool *p, ZSTD_CCtx *context, struct squash_block *b, uint32_t *ret)
{
	size_t n =
		ZSTD_compressCCtx(context, b->packed, p->packed_size, b->in, b->size, (int)p->options.level);

	if (ZSTD_isError(n))
		return EIO;
	*ret = n < b->size ? (uint32_t)n : 0;
	return 0;
}

static void work_on(const struct squash_pool *p, ZSTD_CCtx *context, struct squash_block *b)
{
	struct blockhash_value key;
	uint32_t size = 0;

	b->out_size = 0;
	b->is_raw = 0;
	b->error = 0;
	if (!b->keep_zeros && is_zero(b->in, b->size))
		return;
	if (!blockcache_find(p->options.cache, b->in, b->size, &key, b->packed, &size)) {
		b->error = compress(p, context, b, &size);
		if (b->error)
			return;
		blockcache_add(p->options.cache, &key, b->packed, size);
	}
	b->is_raw = size == 0;
	b->out = size ? b->packed : b->in;
	b->out_size = size ? size : b->size;
}

/* ---- the threads ---- */

/* The lock is held. */
static struct squash_block *claim(struct squash_pool *p)
{
	while (!p->stop && p->claimed == p->submitted)
		(void)pthread_cond_wait(&p->work, &p->lock);
	return p->stop ? NULL : p->queue[p->claimed++ % p->count];
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct squash_pool *p = w->pool;
	struct squash_block *b;

	(void)pthread_mutex_lock(&p->lock);
	while ((b = claim(p))) {
		(void)pthread_mutex_unlock(&p->lock);
		work_on(p, w->context, b);
		(void)pthread_mutex_lock(&p->lock);
		b->is_done = 1;
		(void)pthread_cond_signal(&p->done);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are for the thread that owns the pool. */
static int start(struct squash_pool *p, struct worker *w)
{
	sigset_t all, before;
	int r;

	w->pool = p;
	w->context = ZSTD_createCCtx();
	if (!w->context)
		return ENOMEM;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, run, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->is_running = r == 0;
	return r;
}

static int make_blocks(struct squash_pool *p)
{
	p->blocks = calloc(p->count, sizeof(*p->blocks));
	p->free = calloc(p->count, sizeof(struct squash_block *));
	p->queue = calloc(p->count, sizeof(struct squash_block *));
	p->workers = calloc(p->options.jobs, sizeof(*p->workers));
	if (!p->blocks || !p->free || !p->queue || !p->workers)
		return ENOMEM;
	for (size_t i = 0; i < p->count; i++) {
		struct squash_block *b = &p->blocks[i];

		b->in = malloc(p->options.block_size);
		b->packed = malloc(p->packed_size);
		if (!b->in || !b->packed)
			return ENOMEM;
		p->free[p->free_count++] = b;
	}
	return 0;
}

int squash_pool_new(const struct squash_pool_options *options, struct squash_pool **ret, struct err *err)
{
	struct squash_pool *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_oom(err, "blocks");
	p->options = *options;
	p->packed_size = ZSTD_compressBound(options->block_size);
	p->count = options->jobs + options->jobs / 2 + SPARE_BLOCKS;
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->work, NULL);
	(void)pthread_cond_init(&p->done, NULL);
	r = make_blocks(p);
	for (size_t i = 0; r == 0 && i < options->jobs; i++)
		r = start(p, &p->workers[i]);
	if (r) {
		squash_pool_free(p);
		return err_set(err, r, "%u threads that compress: %s", options->jobs, strerror(r));
	}
	*ret = p;
	return 0;
}

void squash_pool_free(struct squash_pool *p)
{
	if (!p)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->stop = 1;
	(void)pthread_cond_broadcast(&p->work);
	(void)pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; p->workers && i < p->options.jobs; i++) {
		if (p->workers[i].is_running)
			(void)pthread_join(p->workers[i].thread, NULL);
		(void)ZSTD_freeCCtx(p->workers[i].context);
	}
	for (size_t i = 0; p->blocks && i < p->count; i++) {
		free(p->blocks[i].in);
		free(p->blocks[i].packed);
	}
	(void)pthread_cond_destroy(&p->done);
	(void)pthread_cond_destroy(&p->work);
	(void)pthread_mutex_destroy(&p->lock);
	free(p->blocks);
	free(p->free);
	free(p->queue);
	free(p->workers);
	free(p);
}

/* ---- for the thread that owns the pool ---- */

struct squash_block *squash_pool_take(struct squash_pool *p)
{
	struct squash_block *b = p->free_count ? p->free[--p->free_count] : NULL;

	if (b) {
		b->size = 0;
		b->keep_zeros = 0;
		b->owner = NULL;
	}
	return b;
}

void squash_pool_submit(struct squash_pool *p, struct squash_block *b)
{
	(void)pthread_mutex_lock(&p->lock);
	b->is_done = 0;
	p->queue[p->submitted++ % p->count] = b;
	(void)pthread_cond_signal(&p->work);
	(void)pthread_mutex_unlock(&p->lock);
}

struct squash_block *squash_pool_wait(struct squash_pool *p)
{
	struct squash_block *b;

	if (p->returned == p->submitted)
		return NULL;
	b = p->queue[p->returned++ % p->count];
	(void)pthread_mutex_lock(&p->lock);
	while (!b->is_done)
		(void)pthread_cond_wait(&p->done, &p->lock);
	(void)pthread_mutex_unlock(&p->lock);
	return b;
}

void squash_pool_give(struct squash_pool *p, struct squash_block *b)
{
	p->free[p->free_count++] = b;
}
