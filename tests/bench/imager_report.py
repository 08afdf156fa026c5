"""Table and plot of `make bench-imager`. The keys with their limits are here and nowhere else."""

import statistics

import report
from report import Key

KEYS = (
    Key("pack_wall_vs_mksquashfs", "our pack's wall time / mksquashfs's", 1.05, 0.95),
    Key("pack_wall_vs_tar2sqfs", "our pack's wall time / tar2sqfs's", 1.05, 0.95),
    Key("size_vs_smaller", "image size / the smaller of theirs", 1.01, 1.00),
    Key("pack_rss_mib", "peak memory of a pack, MiB", 64, 32),
    Key("repack_cpu_vs_cold", "CPU of a repack after one 1 MiB file changed / of a cold pack", 0.10, 0.05),
    Key("rebuild_wall_vs_cold", "build after one edited file of the profile / cold build", 0.15, 0.08),
    Key("build_wall_vs_script", "cold build / mmdebstrap, chroot steps and mksquashfs", 1.05, 0.90),
    Key("initramfs_mib", "initramfs with the usual servers' network drivers, MiB", 14, 11),
    Key("initramfs_own_nic_mib", "initramfs with one named network driver, MiB", 9, 7),
)


def text_table(values):
    return report.text_table(KEYS, values)


def rounded(values):
    return report.rounded(KEYS, values)


def contender_rows(runs, order):
    """Medians of each contender's runs, for the table."""
    rows = []
    for name in order:
        done = runs.get(name) or []
        if not done:
            continue
        middle = {what: statistics.median(run[what] for run in done) for what in ("wall_s", "cpu_s", "rss_mib")}
        sizes = [run["size"] for run in done if "size" in run]
        size = f"{statistics.median(sizes) / 1e6:.2f}" if sizes else ""
        rows.append(f"| {name} | {len(done)} | {middle['wall_s']:.2f} | {middle['cpu_s']:.2f} | "
                    f"{middle['rss_mib']:.0f} | {size} |")
    return rows


HEAD = ["| | runs | wall s | CPU s | peak RSS MiB | image MB |", "|---|---|---|---|---|---|"]


def stage_lines(builds):
    """Where the time of a build goes: its stages, the script's phases."""
    lines = []
    for name, part in (("swarmboot", "stages"), ("rebuild", "stages"), ("script", "phases")):
        done = [run[part] for run in builds.get(name) or []]
        if done:
            middle = {stage: statistics.median(run[stage] for run in done) for stage in done[0]}
            lines.append(f"- {name}: " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in middle.items()))
    if builds.get("script") and builds.get("swarmboot"):
        ours = statistics.median(run["wall_s"] - run["stages"]["boot files"] for run in builds["swarmboot"])
        theirs = statistics.median(run["wall_s"] - run["phases"]["initramfs"] for run in builds["script"])
        lines.append(f"- both without making an initramfs: {ours:.1f} s and {theirs:.1f} s, a ratio of {ours / theirs:.3f}")
    return lines


def markdown(values, runs):
    machine = runs["machine"]
    said = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = ["# The imager against its rivals", "",
             "Written by `make bench-imager` from `build/bench/imager.json`; medians of runs that took turns on one machine.",
             "", *report.key_table(KEYS, values)]
    lines += ["", "![each value as a share of its limit](imager.svg)", "",
              f"{machine['cpus']} CPUs; {said}.{' One run of each (quick).' if machine['quick'] else ''}", ""]
    if "packs" in runs:
        lines += ["## Packing the same tree", "", *HEAD,
                  *contender_rows(runs["packs"], ("swarmboot", "mksquashfs", "tar2sqfs")),
                  *contender_rows(runs.get("repacks", {}), ("filling", "repack")), "",
                  "zstd at the same level and block size, all cores. tar2sqfs reads a tar file that was made before, outside "
                  "its time. *filling* is our pack into an empty cache of blocks, *repack* the next one after a file of "
                  "1 MiB has changed; `repack_cpu_vs_cold` is against the pack without a cache, `pack_rss_mib` the most "
                  "of all.", ""]
    if "builds" in runs:
        lines += ["## Building", "", *HEAD, *contender_rows(runs["builds"], ("swarmboot", "rebuild", "script")), "",
                  *stage_lines(runs["builds"]), "",
                  "Cold: with an empty store and cache, packages from the mirror. The script (`tests/bench/admin-build`) "
                  "installs the same packages from the same suite with the same excludes, lays the same files, sets the "
                  "same units, makes an initramfs with the distribution's tool and packs with mksquashfs. Peak RSS is that "
                  "of the largest process.", ""]
    return "\n".join(lines)


def write(folder, values, runs):
    report.write(folder, "imager", markdown(values, runs), report.svg(KEYS, values))
