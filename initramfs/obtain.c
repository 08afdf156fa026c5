/* Owns the requests of the release phase. What is trusted is verify.c's decision. */
#include "initramfs/obtain.h"

#include <errno.h>
#include <stdio.h>

#include "imager/base/log.h"
#include "seeder/wire/http.h"

#define TRY_S         10
#define TORRENT_LIMIT (1 << 20)

#define _cleanup_evidence_ _cleanup_(release_evidence_release)

void obtained_release(struct obtained *o)
{
	buf_release(&o->torrent);
}

struct object {
	const char *folder, *suffix;
	size_t limit;
};

static const struct object manifest = {"releases", "", RELEASE_LIMIT};
static const struct object signature = {"releases", ".minisig", MINISIGN_FILE_LIMIT};
static const struct object torrent = {"torrents", ".torrent", TORRENT_LIMIT};

static int get(const char *seeder, const struct object *object, const struct digest *digest, struct buf *ret,
	struct err *err)
{
	char url[BOOTARGS_URL_SIZE + DIGEST_TEXT_SIZE + 32], text[DIGEST_TEXT_SIZE];

	digest_format(digest, text);
	(void)snprintf(url, sizeof(url), "%s/v1/%s/%s%s", seeder, object->folder, text, object->suffix);
	return http_get(
		&(struct http_request){.url = url, .limit = object->limit, .timeout_s = TRY_S}, ret, err);
}

static int ask(const char *seeder, const struct digest *wanted, const struct identity *identity,
	struct obtained *ret, struct err *err)
{
	_cleanup_evidence_ struct release_evidence evidence = {.wanted = *wanted};
	int r = get(seeder, &manifest, wanted, &evidence.manifest, err);

	if (r == 0)
		r = get(seeder, &signature, wanted, &evidence.signature, err);
	if (r == 0)
		r = release_prove(identity, &evidence, &ret->release, err);
	if (r == 0)
		r = get(seeder, &torrent, &ret->release.root.digest, &ret->torrent, err);
	return r;
}

int obtain_release(const struct bootargs *args, size_t first, const struct identity *identity,
	struct obtained *ret, struct err *err)
{
	int r = -ENOENT;

	for (size_t i = 0; i < args->seeder_count; i++) {
		size_t seeder = (first + i) % args->seeder_count;

		buf_release(&ret->torrent);
		r = ask(args->seeders[seeder], &args->release, identity, ret, err);
		if (r == 0)
			return (int)seeder;
		log_debug("%s", err->text);
	}
	return r;
}
