"""What the reports of all benches share: keys with their limits, the table's rows, the plot."""

import json
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """A number that a bench judges. In most the smaller is the better one."""

    name: str
    meaning: str
    must: float
    goal: float
    more: bool = False  # the larger is the better one

    def verdict(self, value):
        if value is None:
            return "not measured"
        for limit, word in ((self.goal, "goal"), (self.must, "must")):
            if value >= limit if self.more else value <= limit:
                return word
        return "missed"


def save(path, value):
    """JSON, complete or not at all."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path + ".new", "w", encoding="ascii") as file:
        json.dump(value, file, indent=1)
        file.write("\n")
    os.replace(path + ".new", path)


def rounded(keys, values):
    return {key.name: round(values[key.name], 4) for key in keys if key.name in values}


def shown(value):
    return "" if value is None else f"{value:.2f}" if value >= 2 else f"{value:.3f}"


def text_table(keys, values):
    return "\n".join(f"{key.name:26} {shown(values.get(key.name)):>8}  must {key.must:<5g} goal {key.goal:<5g} "
                     f"{key.verdict(values.get(key.name))}" for key in keys)


def key_table(keys, values):
    return ["| key | is | measured | must | goal | met |", "|---|---|---|---|---|---|",
            *(f"| `{key.name}` | {key.meaning} | {shown(values.get(key.name))} | {key.must:g} | {key.goal:g} | "
              f"{key.verdict(values.get(key.name))} |" for key in keys)]


def svg(keys, values):
    """One bar a key: the value as a share of its must, with ticks for goal and must."""
    width, left, bar, row, scale = 760, 210, 400, 30, 400 / 1.25
    height = row * (len(keys) + 2)
    colours = {"goal": "#2a7", "must": "#da3", "missed": "#c33"}
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
           f'<rect width="{width}" height="{height}" fill="#fff"/>',
           f'<text x="{left}" y="20">share of the limit: | is the goal, the line is the must; to the left is better, but for (+)</text>']
    for i, key in enumerate(keys):
        value, y = values.get(key.name), row * (i + 1) + 8
        out.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{key.name}{" (+)" if key.more else ""}</text>')
        if value is None:
            continue
        length = min(value / key.must * scale, bar)
        out.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="18" fill="{colours[key.verdict(value)]}"/>')
        goal = left + min(key.goal / key.must * scale, bar)
        out.append(f'<line x1="{goal:.1f}" y1="{y - 3}" x2="{goal:.1f}" y2="{y + 21}" stroke="#333" stroke-width="2"/>')
        out.append(f'<text x="{left + bar + 12}" y="{y + 14}">{shown(value)} of {key.must:g}</text>')
    must = left + scale
    out += [f'<line x1="{must:.1f}" y1="{row}" x2="{must:.1f}" y2="{height - row + 8}" stroke="#c33" stroke-dasharray="4"/>',
            "</svg>", ""]
    return "\n".join(out)


def write(folder, name, markdown, plot):
    """NAME.md and NAME.svg."""
    os.makedirs(folder, exist_ok=True)
    for ending, text in (("md", markdown), ("svg", plot)):
        with open(os.path.join(folder, f"{name}.{ending}"), "w", encoding="utf-8") as file:
            file.write(text)
