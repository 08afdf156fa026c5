"""The same image for tests/bench/admin-build: a profile turned into lists and files. And profiles to be edited."""

import json
import os
import shutil
import subprocess


def edited(profile, folder, text, nics=()):
    """A profile of its own that includes `profile` and lays a file with this text; its path."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "edited"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(folder, "bench.yaml"), "w", encoding="utf-8") as file:
        json.dump({"include": [os.path.abspath(profile)], "name": "bench", "kernel": {"nics": list(nics)},
                   "files": [{"path": "/etc/edited-by-bench", "source": "edited"}]}, file)
    return file.name


def apt_sources(suite):
    """What this machine's apt takes the suite from, as our own builds do: lines for sources.list."""
    said = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)",
                           "Created-By: Packages"], check=True, capture_output=True, text=True).stdout
    lines = {}
    for line in said.splitlines():
        site, release, component = line.split(" ")
        if release in (suite, f"{suite}-updates", f"{suite}-security") and component == "main":
            lines[f"deb {site} {release} {component}"] = None
    return "".join(f"{line}\n" for line in lines)


def merged(swarmboot, profile):
    """The profile's keys with all that it includes; paths are absolute."""
    shown = subprocess.run([swarmboot, "profile", "show", "--json", profile], check=True, capture_output=True, text=True)
    return json.loads(shown.stdout)["profile"]


def spellings(pattern):
    """dpkg compares with the paths inside a package, and those of bookworm's kernel begin with /lib."""
    return [pattern, pattern[len("/usr"):]] if pattern.startswith("/usr/lib/") else [pattern]


class Recipe:
    """What admin-build reads, from the profile."""

    def __init__(self, swarmboot, profile, folder):
        self.profile = merged(swarmboot, profile)
        self.folder = folder
        squashfs = self.profile.get("squashfs", {})
        self.level = int(squashfs.get("level", 9))
        self.block = size(squashfs.get("block", "256KiB"))
        os.makedirs(os.path.join(folder, "overlay"))
        os.makedirs(os.path.join(folder, "scripts"))
        self.lists()
        for item in self.profile.get("files", []):
            self.lay(item)
        for i, script in enumerate(self.profile.get("scripts", [])):
            self.put(f"scripts/{i:02}", script["run"])

    def put(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def lists(self):
        p = self.profile
        suite = p["from"]["debian"]["suite"]
        units = p.get("units", {})
        packages = [package if isinstance(package, str) else package["name"] for package in p["packages"]]
        self.put("suite", suite)
        self.put("sources", apt_sources(suite))
        self.put("packages", "".join(f"{name}\n" for name in [p["kernel"]["package"], *packages]))
        self.put("dpkg.cfg", "".join(f"path-{verb}={path}\n" for verb, key in (("exclude", "exclude"), ("include", "keep"))
                                     for pattern in p.get(key, []) for path in spellings(pattern)))
        self.put("units", "".join(f"{verb} {unit}\n" for verb in ("enable", "disable", "mask")
                                  for unit in units.get(verb, [])))
        self.put("target", units.get("target", ""))
        self.put("level", str(self.level))
        self.put("block", str(self.block))

    def lay(self, item):
        path = os.path.join(self.folder, "overlay", item["path"].lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if "link" in item:
            os.symlink(item["link"], path)
        elif "source" in item:
            shutil.copyfile(item["source"], path)
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(item["content"])
        if "mode" in item:
            os.chmod(path, int(str(item["mode"]), 8))


def size(text):
    """Bytes of "256KiB" and its like."""
    for unit, factor in (("KiB", 1 << 10), ("MiB", 1 << 20)):
        if str(text).endswith(unit):
            return int(text[:-len(unit)]) * factor
    return int(text)
