"""Table and plot of `make bench-swarm`. The keys with their limits are here and nowhere else."""

import report
from report import Key


def of(case, what, system="swarmboot"):
    return lambda cases: cases[case][system][what]


def ratio(numerator, denominator):
    return lambda cases: numerator(cases) / denominator(cases)


# Each with where its value comes from.
ROWS = (
    (Key("last_over_link_16", "16 nodes: last node / one link", 1.30, 1.12), of("16", "last_over_link")),
    (Key("growth_4_to_32", "last node's time, 32 nodes / 4 nodes", 1.20, 1.05),
     ratio(of("32", "last_s"), of("4", "last_s"))),
    (Key("growth_4_to_32_slower", "the same on links of a quarter of the rate, which this machine can fill", 1.20, 1.05),
     ratio(of("32, slower", "last_s"), of("4, slower", "last_s"))),
    (Key("seeder_copies_32", "bytes sent by the seeder / image, 32 nodes", 1.3, 1.05), of("32", "seeder_copies")),
    (Key("aria2_over_ours_16", "aria2c's last node as TrinityX runs it / ours, 16 nodes", 1.9, 2.2, more=True),
     ratio(of("16", "last_s", "aria2c"), of("16", "last_s"))),
    (Key("aria2_stays_over_ours_16", "the same, its nodes seeding on", 1.9, 2.2, more=True),
     ratio(of("16", "last_s", "aria2c that stays"), of("16", "last_s"))),
    (Key("cross_rack_copies", "4 racks x 6 nodes: bytes into racks / (racks x image)", 1.15, 1.03),
     of("racks", "cross_rack_copies")),
    (Key("racks_last_over_link", "the same: last node / one link", 1.60, 1.30), of("racks", "last_over_link")),
    (Key("racks_last_over_link_slower", "the same on links of a quarter of the rate", 1.60, 1.30), of("racks, slower", "last_over_link")),
    (Key("join_booted_over_link", "one joins 7 that have booted, the seeder shut / one link", 1.25, 1.10),
     of("join", "last_over_link")),
    (Key("slow_node_last_over_link", "one of 16 at a tenth of the link: last of the others / one link", 1.6, 1.25),
     of("slow", "last_over_link")),
    (Key("killed_last_over_link", "3 of 16 cut off half way: last of the others / one link", 2.0, 1.5),
     of("killed", "last_over_link")),
    (Key("one_flow_vs_best", "one node on an unshaped link / the bare library", 0.8, 0.95, more=True),
     lambda cases: cases["one flow"]["one_flow_vs_best"]),
    (Key("fetcher_rss_mib", "fetcher's peak memory, MiB", 64, 40),
     lambda cases: max(c["swarmboot"]["fetcher_rss_mib"] for c in cases.values() if "swarmboot" in c)),
)
KEYS = tuple(key for key, _ in ROWS)

COLUMNS = (
    ("last_s", "last s", 1), ("last_over_link", "last / link", 2), ("median_over_link", "median / link", 2),
    ("seeder_copies", "seeder sent", 2), ("cross_rack_copies", "into each rack", 2), ("cpu_s", "CPU s", 0),
    ("fetcher_rss_mib", "RSS MiB", 0), ("redundant", "redundant", 3),
)


def keys_of(cases):
    """A key whose case was not run is left out."""
    values = {}
    for key, value in ROWS:
        try:
            values[key.name] = round(value(cases), 3)
        except (KeyError, ValueError):
            continue
    return values


def case_rows(cases):
    rows = ["| case | system | " + " | ".join(title for _, title, _ in COLUMNS) + " |", "|---|---|" + "---|" * len(COLUMNS)]
    for case, systems in cases.items():
        for system, figures in systems.items():
            if isinstance(figures, dict):
                cells = " | ".join(f"{figures[name]:.{digits}f}" for name, _, digits in COLUMNS)
                rows.append(f"| {case} | {system} | {cells} |")
    return rows


def markdown(said):
    flow = said["cases"].get("one flow")
    lines = ["# The swarm against its rivals", "",
             "Written by `make bench-swarm` from `build/bench/swarm.json`: every node, and the head, in a network namespace of its "
             f"own behind a link of {said['mbit']} Mbit/s each way; {said['mib']} MiB of noise to each; {said['cpus']} CPUs for all.", "",
             *report.key_table(KEYS, said["keys"]), "", "![each value as a share of its limit](swarm.svg)", "",
             "## All that was measured", "", *case_rows(said["cases"]), "",
             "*slower*: a quarter of the rate and of the file. Times are from the start of a node's fetcher to its end, over what one link needs for the payload alone "
             f"({said['mib'] * 8 * 1048576 / 1e6 / said['mbit']:.1f} s; Ethernet, IP and TCP take 3.5 to 5 % of a link). *seeder sent* and *into each rack* are the "
             "kernel's counters over the image's size, headers and announces included. *aria2c* has the very options of TrinityX on "
             "head and nodes, which leave when they are done; *that stays*: they go on seeding. *CPU s* is of all processes together, "
             "*RSS* the largest fetcher's; a figure below 22 MiB is not seen.", ""]
    if flow:
        lines += [f"One flow, link not shaped: {flow['ours_mib_s']:.0f} MiB/s, the bare library on loopback "
                  f"{flow['bare_mib_s']:.0f} MiB/s.", ""]
    return "\n".join(lines)


def write(folder, said):
    report.write(folder, "swarm", markdown(said), report.svg(KEYS, said["keys"]))
