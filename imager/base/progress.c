/* Owns the drawing of progress and of byte counts for people. */
#include "imager/base/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "imager/base/loop.h"

#define BAR_WIDTH  30
#define REDRAW_MS  100
#define CLEAR_LINE "\r\033[K"

void progress_bar(char *ret, int width, uint64_t part, uint64_t whole)
{
	int full = whole ? (int)((double)part / (double)whole * width) : 0;

	if (full > width)
		full = width;
	ret[0] = '[';
	memset(ret + 1, '#', (size_t)full);
	memset(ret + 1 + full, '.', (size_t)(width - full));
	ret[width + 1] = ']';
	ret[width + 2] = '\0';
}

void format_bytes(uint64_t bytes, char ret[16])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1024 && unit < 5) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(ret, 16, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void progress_begin(struct progress *p, const char *stage, uint64_t total)
{
	*p = (struct progress){.stage = stage, .total = total, .started_ms = monotonic_ms()};
	p->is_tty = isatty(STDERR_FILENO);
	if (p->is_tty)
		(void)fprintf(stderr, CLEAR_LINE "%-10s ...", stage);
}

void progress_update(struct progress *p, uint64_t done)
{
	char bar[BAR_WIDTH + 3];
	uint64_t now = monotonic_ms();

	if (!p->is_tty || !p->total || now - p->drawn_ms < REDRAW_MS)
		return;
	p->drawn_ms = now;
	progress_bar(bar, BAR_WIDTH, done, p->total);
	(void)fprintf(stderr, CLEAR_LINE "%-10s %s %3.0f %%", p->stage, bar,
		100.0 * (double)done / (double)p->total);
}

void progress_note(struct progress *p, const char *text)
{
	uint64_t now = monotonic_ms();

	if (!p->is_tty || now - p->drawn_ms < REDRAW_MS)
		return;
	p->drawn_ms = now;
	(void)fprintf(stderr, CLEAR_LINE "%-10s ... %.60s", p->stage, text);
}

void progress_end(struct progress *p, const char *detail)
{
	double seconds = (double)(monotonic_ms() - p->started_ms) / 1000;

	(void)fprintf(stderr, "%s%-10s %6.1f s  %s\n", p->is_tty ? CLEAR_LINE : "", p->stage, seconds,
		detail ? detail : "");
}

void progress_abort(struct progress *p)
{
	if (p->is_tty)
		(void)fprintf(stderr, CLEAR_LINE);
}
