"""A node: the arguments QEMU gets, its start, its monitor and its end.

QEMU runs inside the head's namespace with its own folder as working directory, so
that socket paths stay short. It outlives the lab command that started it.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass

import console
import net
from state import EXIT_ENDED, LabError, Node, Process, checked_name, forget_node

QEMU = "qemu-system-x86_64"
NICS = ("virtio-net-pci", "e1000")
MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"


@dataclass(frozen=True)
class Spec:
    """What the user asked for; checked, nothing of it done yet."""

    name: str
    firmware: str
    macs: tuple
    nic: str
    memory: int
    smp: int
    cpu: str
    kernel: str
    initrd: str
    append: str
    share: tuple
    no_reboot: bool
    extra: tuple

    @staticmethod
    def from_args(args):
        name = checked_name("node", args.node)
        macs = tuple(mac.lower() for mac in args.mac or [default_mac(name)])
        for mac in macs:
            if not MAC.fullmatch(mac) or int(mac[:2], 16) & 1:
                raise LabError(f"--mac {mac}: not a station's MAC address such as 52:54:00:77:00:01")
        if not args.kernel and (args.initrd or args.append):
            raise LabError("--initrd and --append need --kernel")
        files = [os.path.realpath(f) if f else None for f in (args.kernel, args.initrd, *args.share)]
        for path in filter(None, files):
            if not os.path.isfile(path):
                raise LabError(f"{path}: no such file")
        return Spec(name, args.firmware, macs, args.nic, args.memory, args.smp, args.cpu, files[0],
                    files[1], args.append, tuple(files[2:]), args.no_reboot, tuple(args.rest))


def default_mac(name):
    """Locally administered and the same each time, from the node's name."""
    digits = sum(ord(c) * 257 ** i for i, c in enumerate(name)) & 0xffffff
    return ":".join(("52:54:00", *(f"{digits >> s & 255:02x}" for s in (16, 8, 0))))


def bios(_node, nic):
    """SeaBIOS shows its screen on the serial line; iPXE is the card's own option ROM.

    Where nothing could be booted the node starts again after 3 s, as servers do.
    """
    return ["-boot", "reboot-timeout=3000"], f"{nic},bootindex=1"


def uefi(node, nic):
    """OVMF without the card's option ROM, so its own driver and PXE client do the work.

    It has no driver for an e1000: there the ROM stays, as the driver.
    """
    shutil.copyfile(OVMF_VARS, os.path.join(node.dir, "vars.fd"))
    flash = ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}",
             "-drive", "if=pflash,format=raw,file=vars.fd"]
    rom = ",romfile=" if nic.startswith("virtio") else ""
    return flash, f"{nic},bootindex=1{rom}"


FIRMWARE = {"bios": bios, "uefi": uefi}


def argv(spec, node, taps):
    options, first = FIRMWARE[spec.firmware](node, spec.nic)
    cards = [first] + [f"{spec.nic},romfile="] * (len(taps) - 1)
    words = [QEMU, "-name", spec.name, "-nodefaults", "-no-user-config",
             "-machine", "pc,graphics=off", "-display", "none",
             "-accel", "tcg,thread=multi", "-cpu", spec.cpu, "-smp", str(spec.smp), "-m", str(spec.memory),
             "-device", "virtio-rng-pci", *options,
             "-chardev", "socket,id=console,path=console.sock,server=on,wait=off,logfile=console.log",
             "-serial", "chardev:console"]
    for i, (card, mac, tap) in enumerate(zip(cards, spec.macs, taps)):
        words += ["-netdev", f"tap,id=net{i},ifname={tap},script=no,downscript=no",
                  "-device", f"{card},netdev=net{i},id=nic{i},mac={mac}"]
    for i, path in enumerate(spec.share):
        words += ["-drive", f"if=none,id=share{i},format=raw,readonly=on,file={path.replace(',', ',,')}",
                  "-device", f"virtio-blk-pci,drive=share{i},serial=share{i}"]
    for option in ("kernel", "initrd", "append"):
        if getattr(spec, option):
            words += [f"-{option}", getattr(spec, option)]
    return words + ["-no-reboot"] * spec.no_reboot + list(spec.extra)


def free_taps(lab, count):
    taken = {tap for node in lab.nodes() for tap in node.info["taps"]}
    free = (f"tap{i}" for i in range(len(taken) + count) if f"tap{i}" not in taken)
    return [next(free) for _ in range(count)]


def start(lab, spec):
    """Power the node on; back when QEMU's monitor answers. Nothing is left of a failed start."""
    net.require(lab)
    bridge = lab.load()["bridge"]
    old = Node(lab.node_dir, spec.name)
    if old.alive():
        raise LabError(f"node {spec.name}: runs already as pid {old.info['pid']}")
    os.makedirs(old.dir, exist_ok=True)
    drop(lab, old)
    node = Node(lab.node_dir, spec.name)
    for log in (node.log, os.path.join(node.dir, "qemu.log")):
        with open(log, "wb"):
            pass
    taps = free_taps(lab, len(spec.macs))
    node.save({"firmware": spec.firmware, "macs": spec.macs, "taps": taps})
    try:
        for tap in taps:
            net.tap_add(lab, tap, bridge)
        spawn(lab, node, argv(spec, node, taps))
    except BaseException:
        kill(lab, node)
        drop(lab, node)
        raise
    return node


def spawn(lab, node, words):
    """The monitor's listening socket is made here, so that waiting for QEMU is reading from it."""
    with monitor_socket(node) as listener, open(os.path.join(node.dir, "qemu.log"), "wb") as log:
        fd = listener.fileno()
        words = words + ["-chardev", f"socket,id=qmp,fd={fd},server=on,wait=off",
                         "-mon", "chardev=qmp,mode=control"]
        # exec: `ip` is replaced by QEMU, so the pid is QEMU's
        child = subprocess.Popen(["ip", "netns", "exec", lab.netns, *words], cwd=node.dir, pass_fds=(fd,),
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        process = Process.of(child.pid)
        if process:
            node.save({**node.info, "pid": process.pid, "started": process.started, "argv": words})
    try:
        qmp(node, "query-status")
    except (LabError, OSError):
        with open(os.path.join(node.dir, "qemu.log"), encoding="utf-8", errors="replace") as f:
            why = f.read().strip().replace("\n", "; ")
        raise LabError(f"node {node.name}: QEMU did not start: {why or 'no word from it'}") from None


def monitor_socket(node):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with node.path_of("qmp.sock") as path:
        sock.bind(path)
    sock.listen(4)
    return sock


def qmp(node, command, arguments=None):
    """One QMP command (QEMU's docs/interop/qmp-spec.txt): greeting, capabilities, command, answer."""
    with node.connect("qmp.sock") as sock, sock.makefile("rw", encoding="utf-8") as stream:
        json.loads(stream.readline() or "null")
        qmp_call(stream, {"execute": "qmp_capabilities"})
        call = {"execute": command}
        if arguments is not None:
            call["arguments"] = arguments
        return qmp_call(stream, call)


def qmp_call(stream, call):
    stream.write(json.dumps(call) + "\n")
    stream.flush()
    for line in stream:
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(f"qmp {call['execute']}: {answer['error']['desc']}")
        if "return" in answer:
            return answer["return"]
    raise LabError(f"qmp {call['execute']}: QEMU closed the monitor", EXIT_ENDED)


def attend(lab, node):
    """Show the console until the node ends; a signal to us ends the node."""
    try:
        console.follow(node, sys.stdout.buffer)
    finally:
        with lab.locked():
            kill(lab, node)


def kill(lab, node):
    """Cut the power: the process is killed, its links go; logs and node.json stay."""
    process = node.process()
    if process is not None:
        process.end(grace=0)
    for tap in node.info.get("taps", ()):
        net.tap_del(lab, tap)
    for name in ("qmp.sock", "console.sock", "vars.fd"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(node.dir, name))


def drop(lab, node):
    for tap in node.info.get("taps", ()):
        net.tap_del(lab, tap)
    forget_node(node.dir)


def describe(node):
    return {"name": node.name, "firmware": node.info["firmware"], "mac": node.info["macs"][0],
            "pid": node.info.get("pid"), "state": "running" if node.alive() else "ended",
            "console": node.log}
