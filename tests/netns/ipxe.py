#!/usr/bin/env python3
"""iPXE's part of a boot: runs the scripts as they are, up to the command "boot".

ipxe.py MAC FOLDER BASE-URL...: asks the first BASE-URL that answers for
/boot.ipxe, as if its DHCP had, and goes where the scripts lead. The kernel
and the initramfs become files in FOLDER, the kernel's arguments FOLDER/cmdline.
Knows the commands our scripts use, labels, && and ||; pauses are cut short.
"""

import os
import sys
import time
import urllib.error
import urllib.request

PAUSE = 0.05  # of what the script says
TIMEOUT = 5


class Chained(Exception):
    """Another script takes over."""


class Booted(Exception):
    """The end of iPXE."""


class Machine:
    def __init__(self, mac, folder):
        self.mac = mac
        self.folder = folder
        self.arguments = None
        self.labels = {}
        self.at = 0
        self.jumped = False

    def get(self, url, name=None):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                body = answer.read()
        except (OSError, urllib.error.URLError) as fault:
            print(f"iPXE: {url} does not answer: {fault}", flush=True)
            return None
        if name:
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(body)
        return body

    def command(self, words):
        """Whether it went well."""
        verb, rest = words[0], [w for w in words[1:] if not w.startswith("--")]
        if verb == "echo":
            print("iPXE:", *rest, flush=True)
        elif verb == "sleep":
            time.sleep(float(rest[0]) * PAUSE)
        elif verb == "goto":
            self.at = self.labels[rest[0]]
            self.jumped = True
        elif verb == "imgfree":
            self.arguments = None
        elif verb == "chain":
            script = self.get(rest[0])
            if script is None:
                return False
            raise Chained(script.decode())
        elif verb == "kernel":
            self.arguments = " ".join(rest[1:])
            return self.get(rest[0], "kernel") is not None
        elif verb == "initrd":
            return self.get(rest[-1], "initramfs") is not None
        elif verb == "boot":
            raise Booted()
        else:
            raise SystemExit(f"iPXE: {verb}: unknown command")
        return True

    def line(self, text):
        """Whether the script goes on: && is for after success, || for after failure, from left to right."""
        self.jumped, good, runs = False, True, True
        command = []
        for word in text.split() + [None]:
            if word not in ("&&", "||", None):
                command.append(word)
                continue
            if runs:
                good = self.command(command) if command else True
            if self.jumped:
                return True
            runs = good == (word == "&&")
            command = []
        return good

    def run(self, script):
        lines = script.replace("${netX/mac}", self.mac).splitlines()
        if lines[0] != "#!ipxe":
            raise SystemExit("iPXE: not a script")
        self.labels = {l[1:]: i + 1 for i, l in enumerate(lines) if l.startswith(":")}
        self.at = 0
        while self.at < len(lines):
            text = lines[self.at]
            self.at += 1
            if text and text[0] not in "#:" and not self.line(text):
                return


def main():
    mac, folder, *bases = sys.argv[1:]
    machine = Machine(mac, folder)
    try:
        while True:
            script = next(filter(None, (machine.get(base + "/boot.ipxe") for base in bases)), b"")
            try:
                while script:
                    try:
                        machine.run(script if isinstance(script, str) else script.decode())
                        script = None
                    except Chained as to:
                        script = str(to)
            finally:
                time.sleep(PAUSE)
    except Booted:
        with open(os.path.join(folder, "cmdline"), "w", encoding="ascii") as file:
            file.write(machine.arguments + "\n")
        print("iPXE: boots", machine.arguments, flush=True)


if __name__ == "__main__":
    main()
