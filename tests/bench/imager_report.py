"""Table and plot of `make bench-imager`. The keys with their limits are here and nowhere else."""

import json
import os
import statistics
from collections import namedtuple

Key = namedtuple("Key", "name meaning must goal")

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


def save(path, value):
    """Complete or not at all."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    if all(isinstance(v, (int, float)) for v in value.values()):
        value = {key.name: round(value[key.name], 4) for key in KEYS if key.name in value}
    with open(path + ".new", "w", encoding="ascii") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
    os.replace(path + ".new", path)


def verdict(key, value):
    if value is None:
        return "not measured"
    if value <= key.goal:
        return "goal"
    return "must" if value <= key.must else "missed"


def shown(value):
    return "" if value is None else f"{value:.2f}" if value >= 2 else f"{value:.3f}"


def text_table(values):
    return "\n".join(f"{key.name:26} {shown(values.get(key.name)):>8}  must {key.must:<5g} goal {key.goal:<5g} "
                     f"{verdict(key, values.get(key.name))}" for key in KEYS)


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
             "", "| key | is | measured | must | goal | met |", "|---|---|---|---|---|---|"]
    lines += [f"| `{key.name}` | {key.meaning} | {shown(values.get(key.name))} | {key.must:g} | {key.goal:g} | "
              f"{verdict(key, values.get(key.name))} |" for key in KEYS]
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


def svg(values):
    """One bar a key: the value as a share of its must, with ticks for goal and must."""
    width, left, bar, row, scale = 760, 200, 420, 30, 420 / 1.25
    height = row * (len(KEYS) + 2)
    colours = {"goal": "#2a7", "must": "#da3", "missed": "#c33"}
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="#fff"/>',
           f'<text x="{left}" y="20">share of the limit: shorter is better, | is the goal, the line is the must</text>']
    for i, key in enumerate(KEYS):
        value, y = values.get(key.name), row * (i + 1) + 8
        out.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{key.name}</text>')
        if value is None:
            continue
        length = min(value / key.must * scale, bar)
        out.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="18" fill="{colours[verdict(key, value)]}"/>')
        goal = left + key.goal / key.must * scale
        out.append(f'<line x1="{goal:.1f}" y1="{y - 3}" x2="{goal:.1f}" y2="{y + 21}" stroke="#333" stroke-width="2"/>')
        out.append(f'<text x="{left + bar + 12}" y="{y + 14}">{shown(value)} of {key.must:g}</text>')
    must = left + scale
    out += [f'<line x1="{must:.1f}" y1="{row}" x2="{must:.1f}" y2="{height - row + 8}" stroke="#c33" stroke-dasharray="4"/>',
            "</svg>", ""]
    return "\n".join(out)


def write(folder, values, runs):
    os.makedirs(folder, exist_ok=True)
    for name, text in (("imager.md", markdown(values, runs)), ("imager.svg", svg(values))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
