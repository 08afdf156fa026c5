/* Owns what the node says of itself and to which seeder. What a report looks like is seeder/wire/report.c. */
#include "initramfs/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imager/base/cleanup.h"
#include "imager/base/io.h"
#include "imager/base/loop.h"
#include "seeder/wire/http.h"

#define TRY_S     2
#define PAUSE_MS  5000
#define SILENT_MS 15000 /* it costs TRY_S each time, one that refuses nothing */
/* Between reports of progress: a part of the time is spent on them at most. */
#define PROGRESS_LEAST_MS 1000
#define PROGRESS_MOST_MS  10000
#define PROGRESS_PART     50

static void read_boot_id(char *ret, size_t size)
{
	_cleanup_free_ char *text = NULL;

	if (read_file("/proc/sys/kernel/random/boot_id", 64, &text, NULL, NULL) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	(void)snprintf(ret, size, "%s", text);
}

void reporter_init(struct reporter *r, const struct bootargs *args)
{
	struct report *report = &r->report;

	memcpy(report->node, args->node, sizeof(report->node));
	memcpy(report->mac, args->mac, sizeof(report->mac));
	digest_format(&args->release, report->release);
	read_boot_id(report->boot_id, sizeof(report->boot_id));
	memcpy(r->seeders, args->seeders, sizeof(r->seeders));
	r->seeder_count = args->seeder_count;
}

static struct report_phase *find_phase(struct report *r, enum phase phase)
{
	for (size_t i = 0; i < r->phase_count; i++)
		if (r->phases[i].phase == phase)
			return &r->phases[i];
	return NULL;
}

void report_clock(struct report *r, uint64_t now_ms)
{
	struct report_phase *current = find_phase(r, r->phase);
	uint64_t others = 0;

	if (!current)
		return;
	for (size_t i = 0; i < r->phase_count; i++)
		if (&r->phases[i] != current)
			others += r->phases[i].ms;
	current->ms = now_ms > others ? now_ms - others : 0;
}

void report_enter(struct report *r, enum phase phase, uint64_t now_ms)
{
	report_clock(r, now_ms);
	r->phase = phase;
	r->percent = 0;
	r->failed = 0;
	if (!find_phase(r, phase) && r->phase_count < REPORT_PHASES)
		r->phases[r->phase_count++] = (struct report_phase){.phase = phase};
	report_clock(r, now_ms);
}

static int send_to(const struct reporter *r, size_t seeder, const struct buf *body, struct err *err)
{
	char url[BOOTARGS_URL_SIZE + 16];

	(void)snprintf(url, sizeof(url), "%s/v1/report", r->seeders[seeder]);
	return http_post_json(
		&(struct http_request){.url = url, .limit = REPORT_LIMIT, .timeout_s = TRY_S}, body, err);
}

/* 0, -EAGAIN in its pause, or the failure. */
static int tell(struct reporter *r, size_t seeder, const struct buf *body, struct err *err)
{
	int e;

	if (monotonic_ms() < r->quiet_until_ms[seeder])
		return err_set(err, EAGAIN, "%s did not take the last report", r->seeders[seeder]);
	e = send_to(r, seeder, body, err);
	if (e < 0)
		r->quiet_until_ms[seeder] = monotonic_ms() + (e == -ETIMEDOUT ? SILENT_MS : PAUSE_MS);
	return e;
}

/* No answer is a reason to tell it again; a refusal is an answer. */
static int is_owed_after(int e)
{
	return e < 0 && e != -EPERM && e != -ENOENT;
}

size_t report_owed(const struct reporter *r)
{
	size_t count = 0;

	for (size_t i = 0; i < r->seeder_count; i++)
		count += r->owed[i] != 0;
	return count;
}

/* To those that it is owed, the one that answered first of late before the others, which may take a while to
 * fail. 0, or the last failure. *ret_taken: how many took it. */
static int deliver(struct reporter *r, size_t *ret_taken, struct err *err)
{
	_cleanup_buf_ struct buf body = {0};
	size_t first = r->current, failed = 0;
	int last = 0;

	*ret_taken = 0;
	if (report_format(&r->report, &body) < 0)
		return err_oom(err, "a report");
	for (size_t i = 0; i < r->seeder_count; i++) {
		size_t seeder = (first + i) % r->seeder_count;
		int e;

		if (!r->owed[seeder])
			continue;
		e = tell(r, seeder, &body, err);
		if (e == 0 && failed == i)
			r->current = seeder;
		r->owed[seeder] = is_owed_after(e);
		failed += e < 0;
		*ret_taken += e == 0;
		last = e < 0 ? e : last;
	}
	return last;
}

int report_tell(struct reporter *r, struct err *err)
{
	size_t taken;
	int last;

	if (!r->has_network)
		return err_set(err, ENETDOWN, "no report before the network is up");
	for (size_t i = 0; i < r->seeder_count; i++)
		r->owed[i] = 1;
	last = deliver(r, &taken, err);
	return taken ? 0 : last < 0 ? last : -EHOSTUNREACH;
}

int report_send(struct reporter *r, struct err *err)
{
	if (r->has_network)
		report_clock(&r->report, monotonic_ms());
	return report_tell(r, err);
}

int report_repeat(struct reporter *r, size_t *ret_taken, struct err *err)
{
	size_t taken = 0;
	int last = report_owed(r) ? deliver(r, &taken, err) : 0;

	if (ret_taken)
		*ret_taken = taken;
	return report_owed(r) ? last : 0;
}

uint64_t report_pause_ms(uint64_t took_ms)
{
	uint64_t ms = took_ms < PROGRESS_MOST_MS ? took_ms * PROGRESS_PART : PROGRESS_MOST_MS;

	if (ms < PROGRESS_LEAST_MS)
		return PROGRESS_LEAST_MS;
	return ms < PROGRESS_MOST_MS ? ms : PROGRESS_MOST_MS;
}

int report_save(const struct report *r, const char *path, struct err *err)
{
	_cleanup_buf_ struct buf text = {0};

	if (report_format(r, &text) < 0)
		return err_oom(err, "a report");
	return write_file_atomic(
		path, &(struct file_content){.data = text.data, .len = text.len, .mode = 0644}, err);
}

int report_load(const char *path, struct report *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = read_file(path, REPORT_LIMIT, &text, &len, err);

	if (r < 0)
		return r;
	r = report_parse(text, len, ret, err);
	return r < 0 ? err_prefix(err, "%s", path) : 0;
}
