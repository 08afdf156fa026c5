/* Owns the laying out of a release that came in pieces, for store_adopt to take over. Where the pieces came
 * from is the caller's. */
#include "imager/format/storepriv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static int add_manifests(
	struct store *layout, const struct store_signed *proof, struct release_part *ret, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};
	struct ocimanifest m = {.signature_count = 1};
	int r = store_add_bytes(layout, proof->manifest.data, proof->manifest.len, &m.config, err);

	if (r == 0)
		r = store_add_bytes(
			layout, proof->signature.data, proof->signature.len, &m.signatures[0], err);
	if (r == 0)
		r = ocimanifest_format(&m, &proof->release, &text, err);
	return r == 0 ? store_add_bytes(layout, text.data, text.len, ret, err) : r;
}

int store_lay(struct store *layout, const struct store_signed *proof, struct err *err)
{
	char name[sizeof(((struct store_release *)NULL)->name)];
	_cleanup_json_ json_t *index = NULL;
	struct release_part manifest;
	int r = add_manifests(layout, proof, &manifest, err);

	if (r == 0)
		r = index_load(layout, &index, err);
	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "%s:%" PRIu64, proof->release.profile, proof->release.sequence);
	if (index_point(index, name, &manifest) < 0)
		return err_oom(err, "index.json");
	return index_save(layout, index, err);
}
