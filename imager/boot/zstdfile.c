/*
 * Owns how the initramfs is compressed: level, jobs, the frame. Unpacking is the kernel's. libarchive's zstd
 * filter knows neither jobs of a size of our choice nor the checksum.
 */
#include "imager/boot/zstdfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"

/*
 * Packed once, fetched and unpacked by every node. For the 35 MiB with all drivers, seconds of one CPU and
 * MiB: level 12: 2.0 s, 10.50; 16: 7.8 s, 10.04; 17: 12.3 s, 9.80; 19: 23 s, 9.39.
 */
#define LEVEL 16
/*
 * Jobs of this size are compressed each by one thread, so size and overlap, not the number of threads,
 * decide the bytes. Half the window as overlap costs 0.3 % of size.
 */
#define JOB_MIB     4
#define OVERLAP_LOG 8

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

const char *zstdfile_method(void)
{
	static char text[64];

	(void)snprintf(text, sizeof(text),
		"zstd %s level " TEXT(LEVEL) " job " TEXT(JOB_MIB) " overlap " TEXT(OVERLAP_LOG),
		ZSTD_versionString());
	return text;
}

DEFINE_CLEANUP(ZSTD_CCtx *, ZSTD_freeCCtx)
#define _cleanup_cctx_ _cleanup_(ZSTD_freeCCtx_p)

struct mapping {
	void *data; /* NULL when empty */
	size_t size;
};

static void mapping_release(struct mapping *m)
{
	if (m->data)
		(void)munmap(m->data, m->size);
}
#define _cleanup_mapping_ _cleanup_(mapping_release)

static int map_file(const char *path, struct mapping *ret, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *data = NULL;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_path(err, errno, path);
	if (st.st_size > 0)
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return err_path(err, errno, path);
	*ret = (struct mapping){data, (size_t)st.st_size};
	return 0;
}

static unsigned threads(unsigned jobs)
{
	long online = jobs ? (long)jobs : sysconf(_SC_NPROCESSORS_ONLN);
	long most = ZSTD_cParam_getBounds(ZSTD_c_nbWorkers).upperBound;

	if (online < 1)
		online = 1;
	return (unsigned)(online < most ? online : most);
}

/* 0, or what zstd says against it. */
static size_t set_up(ZSTD_CCtx *context, unsigned jobs)
{
	const struct {
		ZSTD_cParameter name;
		int value;
	} parameters[] = {
		{ZSTD_c_compressionLevel, LEVEL},
		{ZSTD_c_checksumFlag, 1},
		{ZSTD_c_nbWorkers, (int)threads(jobs)},
		{ZSTD_c_jobSize, JOB_MIB << 20},
		{ZSTD_c_overlapLog, OVERLAP_LOG},
	};
	size_t r = 0;

	for (size_t i = 0; !ZSTD_isError(r) && i < ARRAY_SIZE(parameters); i++)
		r = ZSTD_CCtx_setParameter(context, parameters[i].name, parameters[i].value);
	return r;
}

/* The chunk that comes next; positive: more is to come. */
static int write_chunk(ZSTD_CCtx *context, ZSTD_inBuffer *in, int fd, const char *output, struct err *err)
{
	static const size_t size = 1 << 20;
	_cleanup_free_ void *data = malloc(size);
	ZSTD_outBuffer out = {data, size, 0};
	size_t left;
	int r;

	if (!data)
		return err_oom(err, output);
	left = ZSTD_compressStream2(context, &out, in, ZSTD_e_end);
	if (ZSTD_isError(left))
		return err_set(err, EIO, "%s: zstd: %s", output, ZSTD_getErrorName(left));
	r = write_full(fd, out.dst, out.pos);
	return r < 0 ? err_path(err, -r, output) : left > 0;
}

static int pack(const struct mapping *m, int fd, unsigned jobs, const char *output, struct err *err)
{
	_cleanup_cctx_ ZSTD_CCtx *context = ZSTD_createCCtx();
	ZSTD_inBuffer in = {m->data, m->size, 0};
	size_t failure;
	int r;

	if (!context)
		return err_oom(err, output);
	failure = set_up(context, jobs);
	if (!ZSTD_isError(failure))
		failure = ZSTD_CCtx_setPledgedSrcSize(context, m->size);
	if (ZSTD_isError(failure))
		return err_set(err, ENOTSUP, "%s: zstd: %s", output, ZSTD_getErrorName(failure));
	do
		r = write_chunk(context, &in, fd, output, err);
	while (r > 0);
	return r;
}

int zstdfile_pack(const char *input, const char *output, unsigned jobs, struct err *err)
{
	_cleanup_mapping_ struct mapping m = {0};
	_cleanup_close_ int fd = -1;
	int r = map_file(input, &m, err);

	if (r < 0)
		return r;
	fd = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_path(err, errno, output);
	r = pack(&m, fd, jobs, output, err);
	if (r < 0)
		(void)unlink(output);
	return r;
}
