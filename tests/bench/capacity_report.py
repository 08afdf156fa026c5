"""Table and plot of `make bench-capacity`. The keys with their limits are here and nowhere else."""

import report
from report import Key

OURS = "swarmboot"


def of(case, what, server=OURS):
    return lambda cases: cases[case][server][what]


def p99_ms(case, label):
    return lambda cases: cases[case][OURS]["labels"][label]["p99_us"] / 1000


def ratio(case, what, rival):
    return lambda cases: cases[case][OURS][what] / cases[case][rival][what]


# Each with where its value comes from. The limits are the project's own: 10,000 nodes that announce every 2 s.
ROWS = (
    (Key("announces_per_s", "announces a second as fast as they go", 5000, 10000, more=True), of("flat out", "per_s")),
    (Key("announce_rate_vs_opentracker", "the same / opentracker's", 0.5, 0.9, more=True),
     ratio("flat out", "per_s", "opentracker")),
    (Key("announce_cpu_vs_opentracker", "CPU an announce at 2 s a node / opentracker's", 2.0, 1.3),
     ratio("pace", "cpu_us", "opentracker")),
    (Key("pace_p99_ms", "announce at 2 s a node: p99, ms", 100, 20), p99_ms("pace", "announce")),
    (Key("boot_cpu_vs_nginx", "CPU a boot request / nginx's on static files", 2.0, 1.3), ratio("boot", "cpu_us", "nginx")),
    (Key("storm_announce_p99_ms", "announce while all boot and report: p99, ms", 1000, 200), p99_ms("storm", "announce")),
    (Key("storm_script_p99_ms", "boot script in the same storm: p99, ms", 1000, 250), p99_ms("storm", "script")),
    (Key("storm_failed_per_million", "requests of the storm without a good answer, in a million", 100, 1),
     lambda cases: cases["storm"][OURS]["errors"] / cases["storm"][OURS]["good"] * 1e6),
    (Key("storm_rss_mib", "peak memory of serve in the storm, MiB", 256, 128), of("storm", "rss_peak_mib")),
)
KEYS = tuple(key for key, _ in ROWS)


def keys_of(cases):
    """A key whose case was not run is left out."""
    values = {}
    for key, value in ROWS:
        try:
            values[key.name] = round(value(cases), 3)
        except KeyError:
            continue
    return values


def rows_of(cases):
    rows = ["| case | server | requests/s | CPU us | failed | peak RSS MiB | p50 / p99 ms of each kind |", "|---|---|---|---|---|---|---|"]
    for case, servers in cases.items():
        for name, done in servers.items():
            kinds = ", ".join(f"{kind} {label['p50_us'] / 1000:.1f} / {label['p99_us'] / 1000:.0f}"
                              for kind, label in done["labels"].items())
            rows.append(f"| {case} | {name} | {done['per_s']:.0f} | {done['cpu_us']:.0f} | {done['errors']} | "
                        f"{done['rss_peak_mib']:.0f} | {kinds} |")
    return rows


def markdown(said):
    return "\n".join([
        "# The head under a storm", "",
        f"Written by `make bench-capacity` from `build/bench/capacity.json`: {said['nodes']} nodes with an address each, over "
        f"loopback in a network namespace; {said['cpus']} CPUs for the server and for the load (tests/bench/storm.c, one thread).", "",
        *report.key_table(KEYS, said["keys"]), "", "![each value as a share of its limit](capacity.svg)", "",
        "## All that was measured", "", *rows_of(said["cases"]), "",
        "A latency is from the connect to the answer's last byte. Requests are those of the real programs: libtorrent 2.0.8 "
        "and the agent open a connection for each, iPXE keeps its own.", "",
        "- *pace*: every node announces `started`, 8 times at 2 s, `completed`; *flat out*: the same without waiting, 64 at once",
        f"- *boot*: `boot.ipxe`, the node's script, kernel and initramfs ({said['initramfs_kib']} KiB, scaled down), 256 requests "
        "at once, all connections kept; nginx has the same files and one script for all",
        "- *storm*: all of a boot within 10 s, with reports at every phase and of the fetch's progress, and at the same time the "
        "announces at the interval that the tracker hands out", ""])


def write(output, folder, said):
    said["keys"] = keys_of(said["cases"])
    report.save(output, said)
    report.write(folder, "capacity", markdown(said), report.svg(KEYS, said["keys"]))
    return report.text_table(KEYS, said["keys"])
