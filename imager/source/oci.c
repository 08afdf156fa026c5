/*
 * Owns from: oci, a container image: its layers onto the tree, one after the other. How the image comes is
 * ocibring.c's, what a layer means imager/tree/treelayer.c's, what an image is of imager/format/ociimage.c's.
 */
#include "imager/source/oci.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "imager/base/cleanup.h"
#include "imager/format/ociimage.h"
#include "imager/machine.h"
#include "imager/tree/treelayer.h"

static int apply(
	const struct oci_place *p, const struct ociimage *image, size_t i, uint64_t *newest, struct err *err)
{
	_cleanup_close_ int fd = ociimage_open_layer(p->layout, &image->layers[i], err);
	char name[64];
	uint64_t time = 0;
	int r = fd;

	(void)snprintf(name, sizeof(name), "layer %zu of %zu", i + 1, image->layer_count);
	p->job->line(name, p->job->arg);
	if (r >= 0)
		r = treelayer_apply(fd, name, p->job->root, &time, err);
	if (r == -EINVAL || r == -EBADMSG)
		return oci_blame(p, "from.oci", err);
	if (time > *newest)
		*newest = time;
	/* of use just now: the cache keeps what was used last */
	if (r >= 0 && p->from->image)
		(void)futimens(fd, NULL);
	return r < 0 ? r : 0;
}

static int unpack(const struct source_job *job, uint64_t *ret_time, struct err *err)
{
	_cleanup_place_ struct oci_place p = {.job = job, .from = &job->profile->from.oci};
	_cleanup_ociimage_ struct ociimage image = {0};
	struct ociimage_query query;
	uint64_t newest = 0;
	int r = oci_bring(&p, err);

	if (r < 0)
		return r;
	query = (struct ociimage_query){.layout = p.layout, .ref = p.ref, .arch = machine_arch()};
	r = ociimage_find(&query, &image, err);
	if (r < 0)
		return oci_blame(&p, "from.oci", err);
	for (size_t i = 0; r >= 0 && i < image.layer_count; i++)
		r = apply(&p, &image, i, &newest, err);
	if (r < 0)
		return r;
	if (job->input)
		*job->input = image.manifest;
	*ret_time = newest ? newest : image.created;
	return 0;
}

const struct source source_oci = {"oci", unpack};
