"""A node's serial console: read the log, wait for a line of it.

QEMU writes the log itself, so nothing is lost while nobody reads. Waiting is
inotify on that file together with a pidfd of QEMU: no polling.
"""

import contextlib
import ctypes
import os
import re
import select
import time
from dataclasses import dataclass

from state import EXIT_ENDED, EXIT_TIMEOUT, LabError

IN_MODIFY = 0x2  # linux/inotify.h
ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_c])|[\r\b]")  # ECMA-48 5.3, 5.4
BEGUN = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*)?\Z")
libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Want:
    regex: str
    timeout: float
    count: int


@contextlib.contextmanager
def watch(path):
    """A descriptor that is readable after the file was written to."""
    fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    if fd < 0:
        raise LabError(f"inotify: {os.strerror(ctypes.get_errno())}")
    try:
        if libc.inotify_add_watch(fd, os.fsencode(path), IN_MODIFY) < 0:
            raise LabError(f"{path}: {os.strerror(ctypes.get_errno())}")
        yield fd
    finally:
        os.close(fd)


def chunks(node, deadline=None):
    """Yield the log's bytes as they come, until the node has ended.

    Past the deadline (of time.monotonic) TimeoutError is raised.
    """
    process = node.process()
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(open(node.log, "rb"))
        changed = stack.enter_context(watch(node.log))
        pidfd = process.open() if process else None
        if pidfd is not None:
            stack.callback(os.close, pidfd)
        while True:
            yield from iter(lambda: log.read(65536), b"")
            if pidfd is None:
                return
            left = None if deadline is None else deadline - time.monotonic()
            ready = select.select([changed, pidfd], [], [], None if left is None else max(left, 0))[0]
            if changed in ready:
                os.read(changed, 4096)
            if pidfd in ready:
                pidfd = None  # one more read: what it wrote last
            elif not ready:
                raise TimeoutError


def clean(data):
    return ESCAPES.sub(b"", data)


class Counter:
    """Counts matching lines; each whole line is looked at once, the unfinished last one each time."""

    def __init__(self, want):
        try:
            self.regex = re.compile(want.regex.encode())
        except re.error as e:
            raise LabError(f"--wait {want.regex}: {e}") from None
        self.left = want.count
        self.rest = b""
        self.seen = b""

    def feed(self, chunk):
        """The line of the last match that was wanted, as text; None until then."""
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        for line in map(clean, lines):
            self.seen = line if line.strip() else self.seen
            if self.regex.search(line):
                self.left -= 1
            if self.left <= 0:
                return line.decode(errors="replace")
        line = clean(self.rest)
        return line.decode(errors="replace") if self.left == 1 and self.regex.search(line) else None

    def last_line(self):
        line = clean(self.rest).strip() or self.seen.strip()
        return line.decode(errors="replace") or "(none)"


def wait(node, want):
    """The line of the want.count-th match, as text without terminal escapes."""
    counter = Counter(want)
    try:
        for chunk in chunks(node, time.monotonic() + want.timeout):
            line = counter.feed(chunk)
            if line is not None:
                return line
    except TimeoutError:
        raise LabError(f"node {node.name}: no {want.regex!r} within {want.timeout:g} s, "
                       f"last line: {counter.last_line()}", EXIT_TIMEOUT) from None
    raise LabError(f"node {node.name}: ended without {want.regex!r}, last line: {counter.last_line()}",
                   EXIT_ENDED)


def follow(node, out):
    held = b""  # an escape sequence whose end has not come yet
    for chunk in chunks(node):
        held += chunk
        begun = BEGUN.search(held)
        end = begun.start() if begun else len(held)
        out.write(clean(held[:end]))
        out.flush()
        held = held[end:]


def show(node, out):
    with open(node.log, "rb") as f:
        out.write(clean(f.read()))
    out.flush()
