/* Owns the way from an answer to bytes on the wire: texts, files by sendfile, byte ranges. */
#include "seeder/httpsend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/parse.h"

void httpd_sentence(struct httpd_answer *answer, unsigned status, const char *text)
{
	answer->status = status;
	answer->body.len = 0;
	(void)buf_printf(&answer->body, "%s\n", text);
}

/* ---- ranges ---- */

static int parse_bounds(char *spec, uint64_t size, uint64_t *first, uint64_t *last)
{
	char *dash = strchr(spec, '-');
	uint64_t tail;

	if (!dash)
		return 0;
	*dash++ = '\0';
	if (!*spec) {
		if (parse_u64(dash, &tail) < 0)
			return 0;
		if (tail == 0 || size == 0)
			return -ERANGE;
		*first = tail < size ? size - tail : 0;
		*last = size - 1;
		return 1;
	}
	if (parse_u64(spec, first) < 0)
		return 0;
	*last = size - 1;
	if (*dash && (parse_u64(dash, last) < 0 || *last < *first))
		return 0;
	if (*first >= size)
		return -ERANGE;
	if (*last >= size)
		*last = size - 1;
	return 1;
}

int httpd_range(const char *header, uint64_t size, uint64_t *ret_first, uint64_t *ret_length)
{
	char spec[64];
	uint64_t first, last;
	int r;

	if (!header || strncmp(header, "bytes=", 6) != 0 || strlen(header + 6) >= sizeof(spec))
		return 0;
	memcpy(spec, header + 6, strlen(header + 6) + 1);
	r = parse_bounds(spec, size, &first, &last);
	if (r <= 0)
		return r;
	*ret_first = first;
	*ret_length = last - first + 1;
	return 1;
}

/* ---- answers ---- */

static const char *header_of(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (*value)
		(void)MHD_add_response_header(response, name, value);
}

static enum MHD_Result send_response(
	struct MHD_Connection *c, const struct httpd_answer *answer, struct MHD_Response *response)
{
	enum MHD_Result sent;

	if (!response)
		return MHD_NO;
	add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type ? answer->type : "text/plain");
	if (answer->last)
		add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	sent = MHD_queue_response(c, answer->status ? answer->status : 500, response);
	MHD_destroy_response(response);
	return sent;
}

static enum MHD_Result send_no_range(struct MHD_Connection *c, struct httpd_answer *answer)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	char range[64];

	if (!response)
		return MHD_NO;
	(void)snprintf(range, sizeof(range), "bytes */%" PRIu64, answer->size);
	add_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
	answer->status = MHD_HTTP_RANGE_NOT_SATISFIABLE;
	return send_response(c, answer, response);
}

/* An If-Range that names another content asks for the whole. */
static const char *wanted_range(struct MHD_Connection *c, const struct httpd_answer *answer)
{
	const char *only_if = header_of(c, MHD_HTTP_HEADER_IF_RANGE);
	char etag[sizeof(answer->etag) + 2];

	(void)snprintf(etag, sizeof(etag), "\"%s\"", answer->etag);
	return only_if && strcmp(only_if, etag) != 0 ? NULL : header_of(c, MHD_HTTP_HEADER_RANGE);
}

static enum MHD_Result send_file(struct MHD_Connection *c, struct httpd_answer *answer)
{
	_cleanup_close_ int fd = TAKE_FD(answer->fd);
	uint64_t first = 0, length = answer->size;
	int r = httpd_range(wanted_range(c, answer), answer->size, &first, &length);
	char text[96];
	struct MHD_Response *response;

	if (r < 0)
		return send_no_range(c, answer);
	response = MHD_create_response_from_fd_at_offset64(length, fd, first);
	if (!response)
		return MHD_NO;
	(void)TAKE_FD(fd);
	add_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	if (*answer->etag) {
		(void)snprintf(text, sizeof(text), "\"%s\"", answer->etag);
		add_header(response, MHD_HTTP_HEADER_ETAG, text);
	}
	if (r > 0) {
		answer->status = MHD_HTTP_PARTIAL_CONTENT;
		(void)snprintf(text, sizeof(text), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first,
			first + length - 1, answer->size);
		add_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
	}
	return send_response(c, answer, response);
}

enum MHD_Result httpd_send(struct MHD_Connection *c, struct httpd_answer *answer)
{
	size_t len = answer->body.len;
	char *body;

	if (answer->fd >= 0)
		return send_file(c, answer);
	body = buf_steal(&answer->body);
	if (!body)
		return MHD_NO;
	return send_response(c, answer, MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE));
}
