"""The head's network namespace: bridge, address, taps, and the end of all that lives in it.

Every link is made inside the namespace, so removing the namespace removes them.
"""

import contextlib
import ipaddress
import os
import subprocess
from dataclasses import dataclass

from state import LabError, Process

NETNS_DIR = "/run/netns"
SOMAXCONN = 4096
TERM_GRACE = 5  # seconds a process of the head gets to end by itself
ULA_PREFIX = "fd77:7377:626c::"  # RFC 4193; seen only inside the namespace


@dataclass(frozen=True)
class Plan:
    bridge: str
    address: str
    advertise: bool


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr or done.stdout).strip().replace("\n", "; ")
        raise LabError(f"{' '.join(argv)}: {why or f'exit status {done.returncode}'}")
    return done.stdout


def exists(lab):
    return os.path.exists(os.path.join(NETNS_DIR, lab.netns))


def require(lab):
    if not exists(lab):
        raise LabError(f"namespace {lab.netns} is not there: run 'lab up' first")


def up(lab, plan):
    if exists(lab):
        raise LabError(f"namespace {lab.netns} is there already: run 'lab down' first")
    try:
        interface = ipaddress.IPv4Interface(plan.address)
    except ValueError as e:
        raise LabError(f"--address {plan.address}: {e}") from None
    lab.forget()
    run("ip", "netns", "add", lab.netns)
    try:
        make_bridge(lab, plan, interface)
        if plan.advertise:
            start_router(lab, plan.bridge)
        lab.save({"name": lab.name, "netns": lab.netns, "bridge": plan.bridge,
                  "address": str(interface)})
    except BaseException:
        down(lab)
        raise


def make_bridge(lab, plan, interface):
    ip = ("ip", "-n", lab.netns)
    run(*ip, "link", "set", "lo", "up")
    run(*ip, "link", "add", plan.bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
    run(*ip, "address", "add", str(interface), "broadcast", "+", "dev", plan.bridge)
    run(*ip, "address", "add", f"{ULA_PREFIX}1/64", "dev", plan.bridge, "nodad")
    run(*ip, "link", "set", plan.bridge, "up")
    run("ip", "netns", "exec", lab.netns, "sysctl", "-qw", f"net.core.somaxconn={SOMAXCONN}")


def start_router(lab, bridge):
    """Answer router solicitations, with a lifetime of 0: 'I am no default router'.

    iPXE configures IPv4 and IPv6 side by side and boots when both have ended. Where
    nobody answers its solicitations that is 16 s after DHCP was done. dnsmasq opens no
    UDP port for this, so the head's own dnsmasq can run beside it.
    """
    run("ip", "netns", "exec", lab.netns, "dnsmasq", "--conf-file=/dev/null", "--port=0", "--user=root",
        f"--interface={bridge}", "--except-interface=lo", "--bind-interfaces", "--enable-ra",
        f"--dhcp-range={ULA_PREFIX},ra-only", f"--ra-param={bridge},0,0",
        "--pid-file=" + os.path.join(lab.dir, "router.pid"),
        "--log-facility=" + os.path.join(lab.dir, "router.log"))


def down(lab):
    """End every process in the namespace and remove it; nothing to do is fine."""
    if exists(lab):
        for pid in run("ip", "netns", "pids", lab.netns).split():
            end_member(lab, int(pid))
        run("ip", "netns", "del", lab.netns)
    for name in ("router.pid", "router.log"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(lab.dir, name))


def end_member(lab, pid):
    """The pid came from a listing: look again that it is in the namespace once its start is known."""
    process = Process.of(pid)
    if process is None or pid == os.getpid():
        return
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        if os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), os.stat(os.path.join(NETNS_DIR, lab.netns))):
            process.end(TERM_GRACE)


def tap_add(lab, tap, bridge):
    ip = ("ip", "-n", lab.netns)
    tap_del(lab, tap)
    run(*ip, "tuntap", "add", tap, "mode", "tap")
    run(*ip, "link", "set", tap, "master", bridge, "up")


def tap_del(lab, tap):
    with contextlib.suppress(LabError):
        run("ip", "-n", lab.netns, "link", "del", tap)
