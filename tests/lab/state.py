"""The lab's folder: names, the lock, and one sub-folder per node.

Owns paths and JSON files, and how a process is remembered without mistaking a
later one with the same pid for it. Knows nothing of links or QEMU.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import signal
import socket
from dataclasses import dataclass

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")

EXIT_FAILED = 1
EXIT_TIMEOUT = 4
EXIT_ENDED = 5

SOCKET_TIMEOUT = 20  # seconds a QEMU may keep silent on a socket


class LabError(Exception):
    """One sentence for the user, and the exit status it deserves."""

    def __init__(self, sentence, status=EXIT_FAILED):
        super().__init__(sentence)
        self.status = status


class Interrupted(Exception):
    def __init__(self, number):
        super().__init__(f"signal {number}")
        self.signal = number


def raise_interrupt(number, _frame):
    raise Interrupted(number)


def checked_name(what, name):
    if not NAME.fullmatch(name):
        raise LabError(f"{what} {name!r}: small letters, digits and '-' only, at most 32")
    return name


@dataclass(frozen=True)
class Process:
    """A pid with its start time in clock ticks (proc(5), field 22), which no later process shares."""

    pid: int
    started: int

    @staticmethod
    def of(pid):
        """The process that has this pid now; None if it is gone or a zombie."""
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else Process(pid, int(fields[19]))

    def open(self):
        """A pidfd, or None if the process has ended."""
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return None
        if Process.of(self.pid) == self:
            return fd
        os.close(fd)
        return None

    def alive(self):
        return Process.of(self.pid) == self

    def end(self, grace):
        """TERM, KILL after `grace` seconds (at once if 0), back when it is gone."""
        fd = self.open()
        if fd is None:
            return
        try:
            if grace and self._signal(fd, signal.SIGTERM, grace):
                return
            self._signal(fd, signal.SIGKILL, None)
        finally:
            os.close(fd)

    @staticmethod
    def _signal(fd, number, seconds):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, number)
        return bool(select.select([fd], [], [], seconds)[0])


def write_json(path, value):
    """The file appears complete or not at all."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2)
        f.write("\n")
    os.replace(path + ".new", path)


class Node:
    """One node's folder. `info` is what boot wrote down, empty before that."""

    def __init__(self, directory, name):
        self.name = name
        self.dir = os.path.join(directory, name)
        self.log = os.path.join(self.dir, "console.log")
        self.file = os.path.join(self.dir, "node.json")
        try:
            with open(self.file, encoding="utf-8") as f:
                self.info = json.load(f)
        except FileNotFoundError:
            self.info = {}

    def process(self):
        return Process(self.info["pid"], self.info["started"]) if "pid" in self.info else None

    def alive(self):
        process = self.process()
        return process is not None and process.alive()

    def save(self, info):
        self.info = info
        write_json(self.file, info)

    @contextlib.contextmanager
    def path_of(self, name):
        """A short path: a socket's has 108 bytes at most (unix(7)), ours may be longer."""
        fd = os.open(self.dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield f"/proc/self/fd/{fd}/{name}"
        finally:
            os.close(fd)

    def connect(self, name):
        """A stream to one of QEMU's sockets; the caller closes it."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(SOCKET_TIMEOUT)
        try:
            with self.path_of(name) as path:
                sock.connect(path)
        except OSError:
            sock.close()
            raise LabError(f"node {self.name}: does not run", EXIT_ENDED) from None
        return sock


class Lab:
    def __init__(self, directory, name=None):
        self.dir = os.path.realpath(directory)
        digest = hashlib.sha256(self.dir.encode()).hexdigest()
        self.name = checked_name("lab name", name) if name else digest[:10]
        self.netns = f"lab-{self.name}"
        self.file = os.path.join(self.dir, "lab.json")
        self.node_dir = os.path.join(self.dir, "nodes")

    def exists(self):
        return os.path.exists(self.file) or os.path.exists(self.node_dir)

    @contextlib.contextmanager
    def locked(self):
        """One changer at a time; the kernel drops the lock of a changer that dies."""
        os.makedirs(self.dir, exist_ok=True)
        with open(os.path.join(self.dir, "lock"), "w", encoding="ascii") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            yield

    def load(self):
        try:
            with open(self.file, encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            raise LabError(f"no lab in {self.dir}: run 'lab up' first") from None

    def save(self, info):
        write_json(self.file, info)

    def node(self, name):
        node = Node(self.node_dir, checked_name("node", name))
        if not node.info:
            raise LabError(f"node {name}: was never booted in {self.dir}")
        return node

    def nodes(self):
        names = sorted(os.listdir(self.node_dir)) if os.path.isdir(self.node_dir) else []
        return [node for node in (Node(self.node_dir, name) for name in names) if node.info]

    def forget(self):
        """Drop what only makes sense while the lab is up; keep the nodes' logs for reading."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.file)
        for name in os.listdir(self.node_dir) if os.path.isdir(self.node_dir) else []:
            forget_node(os.path.join(self.node_dir, name))


def forget_node(directory):
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        elif not entry.name.endswith(".log"):
            os.unlink(entry.path)
