"""The demo's eyes: a live table of the nodes on a terminal, a line per change elsewhere, the summary at the end."""

import sys

BAR = 20


def bar(percent):
    full = round(BAR * percent / 100)
    return "[" + "#" * full + "." * (BAR - full) + "]"


def mib(count):
    return f"{count / 2**20:.1f} MiB"


def line(node, row):
    phase = row.get("phase", "off")
    text = f"{node['name']}  {node['firmware']:<4}  {phase:<10} {bar(row.get('percent', 0))} {row.get('percent', 0):3d} %"
    if row.get("state"):
        text += f"  {row['state']}"
    if row.get("failed_units"):
        text += f" (failed: {row['failed_units']})"
    if row.get("error"):
        text += f"  {row['error']}"
    return text


class View:
    def __init__(self, nodes, out=sys.stdout):
        self.nodes, self.out = nodes, out
        self.live = out.isatty()
        self.drawn = False
        self.last = {}

    def draw(self, table):
        if self.live:
            self.redraw(table)
        else:
            self.changes(table)
        self.out.flush()

    def redraw(self, table):
        if self.drawn:
            self.out.write(f"\033[{len(self.nodes)}A")
        for node in self.nodes:
            self.out.write("\033[K" + line(node, table.get(node["name"], {})) + "\n")
        self.drawn = True

    def changes(self, table):
        for node in self.nodes:
            row = table.get(node["name"], {})
            now = (row.get("phase"), row.get("percent", 0) // 25, row.get("error"), row.get("state"))
            if now != self.last.get(node["name"]) and row:
                self.out.write(line(node, row) + "\n")
                self.last[node["name"]] = now

    def close(self):
        self.out.flush()


def complaints(nodes, table):
    return "; ".join(line(n, table.get(n["name"], {})) for n in nodes)


def report(result, out=sys.stdout):
    out.write(f"\nimage {result['image']['digest']} ({mib(result['image']['bytes'])}), {result['seconds']} s in all\n")
    for node in result["nodes"]:
        phases = ", ".join(f"{p['name']} {p['seconds']:.1f} s" for p in node["phases"])
        failed = f" (failed: {node['failed_units']})" if node["failed_units"] else ""
        out.write(f"\n{node['name']} ({node['firmware']}): {node['state']}{failed} after {node['seconds']} s\n"
                  f"  runs        {node['digest']}\n"
                  f"  from seeder {mib(node['bytes_from_seeder'])}, from peers {mib(node['bytes_from_peers'])}\n"
                  f"  phases      {phases}\n")
    out.write("\n")
