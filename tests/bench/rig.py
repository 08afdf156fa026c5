"""Hosts, racks and shaped links as network namespaces, and processes in them that are measured.

Every namespace carries the rig's prefix; closing the rig ends what runs in them and removes
them, so nothing of the machine's own network is touched.
"""

import contextlib
import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

GRACE = 5  # seconds between TERM and KILL
NETMASK = 16


class BenchError(Exception):
    pass


def run(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise BenchError(f"{' '.join(argv)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@dataclass
class Process:
    """A child in a namespace, with its end, CPU seconds and peak RSS once it is over.

    The kernel counts into a child's peak what its parent had when it was started (exec keeps
    the signal struct's maxrss), so a figure below this program's own 22 MiB is not seen.
    """

    popen: subprocess.Popen
    begun: float
    thread: threading.Thread = None
    ended: float = None
    status: int = None
    cpu: float = 0.0
    rss: int = 0
    gone: threading.Event = field(default_factory=threading.Event)

    def watch(self, then):
        def wait():
            _, status, usage = os.wait4(self.popen.pid, 0)
            self.ended = time.monotonic()
            self.status = os.waitstatus_to_exitcode(status)
            self.popen.returncode = self.status
            self.cpu = usage.ru_utime + usage.ru_stime
            self.rss = usage.ru_maxrss * 1024
            self.gone.set()
            if then:
                then(self)

        self.thread = threading.Thread(target=wait, daemon=True)
        self.thread.start()

    @property
    def seconds(self):
        return self.ended - self.begun

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            if not self.gone.is_set():
                os.kill(self.popen.pid, number)

    def end(self):
        self.signal(signal.SIGTERM)
        if not self.gone.wait(GRACE):
            self.signal(signal.SIGKILL)
            self.gone.wait(GRACE)


REPORTING = "/sys/module/page_reporting/parameters/page_reporting_order"
POPULATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
NO_ORDER = "11"  # above the largest, so that nothing is given back


@contextlib.contextmanager
def backed_memory(size):
    """Free memory of so many bytes that is there when it is touched, as a real machine's is.

    A virtual machine may give free pages back to its host, which then brings each anew at its next touch, at
    1 to 20 us: where 16 nodes shared such a machine that was 43 % of all CPU time. Until the end nothing is
    given back, and what is free is touched once.
    """
    if not os.access(REPORTING, os.W_OK):
        yield
        return
    with open(REPORTING, encoding="ascii") as file:
        before = file.read()
    try:
        with open(REPORTING, "w", encoding="ascii") as file:
            file.write(NO_ORDER)
        size = min(size, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4)
        # Not in this process: its peak would be that of all it starts.
        run(sys.executable, "-c", f"import mmap; mmap.mmap(-1, {size}, flags={POPULATE})")
        yield
    finally:
        with open(REPORTING, "w", encoding="ascii") as file:
            file.write(before)


class Rig:
    def __init__(self):
        self.prefix = f"b{os.getpid()}"
        self.spaces = []
        self.processes = []
        self.dir = tempfile.mkdtemp(prefix="swarmboot-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))
        os.chmod(self.dir, 0o755)

    def __enter__(self):
        # As the agent mounts its own; a kernel without huge pages refuses the option.
        try:
            run("mount", "-t", "tmpfs", "-o", "mode=0755,size=75%,huge=within_size", "bench", self.dir)
        except BenchError:
            run("mount", "-t", "tmpfs", "-o", "mode=0755,size=75%", "bench", self.dir)
        return self

    def __exit__(self, *_exc):
        self.close()

    def close(self):
        self.end_all()
        for name in self.spaces:
            with contextlib.suppress(BenchError):
                run("ip", "netns", "del", self.space(name))
        self.spaces = []
        subprocess.run(("umount", "--lazy", self.dir), check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def end_all(self):
        for process in self.processes:
            process.signal(signal.SIGTERM)
        for process in self.processes:
            process.end()
        self.processes = []

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def space(self, name):
        return f"{self.prefix}-{name}"

    # ---- the network ----

    def make(self, name):
        run("ip", "netns", "add", self.space(name))
        self.spaces.append(name)
        run("ip", "-n", self.space(name), "link", "set", "lo", "up")
        # Debian's own is cubic, this machine's may be another one; where it may not be chosen, reno is
        # the same on a LAN.
        try:
            self.inside(name, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic")
        except BenchError:
            self.inside(name, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno")

    def switch(self, name):
        self.make(name)
        ip = ("ip", "-n", self.space(name))
        run(*ip, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        run(*ip, "link", "set", "br0", "up")
        # A switch is no firewall, whatever this machine's bridges are.
        with contextlib.suppress(BenchError):
            self.inside(name, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")

    def cable(self, a, b, mbit):
        """Between two namespaces; each is (name, device, whether it is a bridge's port)."""
        run("ip", "-n", self.space(a[0]), "link", "add", a[1], "type", "veth", "peer", "name", b[1], "netns",
            self.space(b[0]))
        for name, device, is_port in (a, b):
            ip = ("ip", "-n", self.space(name))
            if is_port:
                run(*ip, "link", "set", device, "master", "br0")
            run(*ip, "link", "set", device, "up")
            self.shape(name, device, mbit)

    def shape(self, name, device, mbit):
        if mbit:
            run("tc", "-n", self.space(name), "qdisc", "replace", "dev", device, "root", "tbf", "rate",
                f"{mbit}mbit", "burst", "128kb", "latency", "50ms")

    def host(self, name, switch, address, mbit):
        self.make(name)
        self.cable((name, "eth0", False), (switch, name, True), mbit)
        run("ip", "-n", self.space(name), "address", "add", f"{address}/{NETMASK}", "broadcast", "+", "dev", "eth0")

    def uplink(self, lower, upper, mbit):
        self.cable((lower, "uplink", True), (upper, lower, True), mbit)

    def set_link(self, name, state):
        run("ip", "-n", self.space(name), "link", "set", "eth0", state)

    def counters(self, name, device):
        """(received, sent) bytes, as the kernel counts them for the device."""
        stats = json.loads(run("ip", "-n", self.space(name), "-j", "-s", "link", "show", "dev", device))
        stats = stats[0]["stats64"]
        return stats["rx"]["bytes"], stats["tx"]["bytes"]

    # ---- processes ----

    def start(self, name, argv, log, then=None):
        with open(self.path(log), "ab") as out:
            popen = subprocess.Popen(("ip", "netns", "exec", self.space(name), *argv), stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=out)
        process = Process(popen, time.monotonic())
        self.processes.append(process)
        process.watch(then)
        return process

    def inside(self, name, *argv, **options):
        return run("ip", "netns", "exec", self.space(name), *argv, **options)

    def log(self, name):
        with open(self.path(name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def await_line(self, log, text, seconds, process):
        """Until the log has the text; the process must live meanwhile."""
        deadline = time.monotonic() + seconds
        while text not in self.log(log):
            if time.monotonic() > deadline or process.gone.wait(0.1):
                raise BenchError(f"{log} never said '{text}':\n{self.log(log)[-2000:]}")
