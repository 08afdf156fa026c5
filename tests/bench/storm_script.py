"""The requests of a node, byte by byte as its programs send them, as lines for tests/bench/storm.c.

iPXE keeps its connection; the agent (OpenSSL's client) and libtorrent 2.0.8 open one for every request.
"""

import hashlib
import json
import os

SECOND = 1000  # of a line's wait
BOOT_ID = "00000000-0000-4000-8000-000000000000"
PHASES = ("start", "network", "release")
AFTER = ("verify", "mount", "switch", "up")


def escaped(text):
    return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n")


def line(label, wait, keep, request):
    return f"{label} {wait} {'keep' if keep else 'close'} {escaped(request)}\n"


def ipxe(label, path, wait=0):
    return line(label, wait, True, f"GET {path} HTTP/1.1\r\nConnection: keep-alive\r\nUser-Agent: iPXE/1.21.1\r\n"
                "Host: {host}\r\n\r\n")


def agent(label, path, wait=0):
    return line(label, wait, False, f"GET {path}? HTTP/1.0\r\nHost: {{host}}\r\n\r\n")


def infohash(torrent):
    """Of a torrent that ends with its info dictionary, as ours do."""
    with open(torrent, "rb") as file:
        data = file.read()
    return hashlib.sha1(data[data.index(b"4:info") + 6:-1]).digest()


def announce(hash_, left, event="", wait=2 * SECOND, size=0):
    quoted = "".join(f"%{byte:02x}" for byte in hash_)
    event = f"&event={event}" if event else ""
    return line("announce", wait, False,
                f"GET /announce?info_hash={quoted}&peer_id=-NB0100-0000000{{n}}&port=6881&uploaded=0"
                f"&downloaded={size - left}&left={left}&corrupt=0&key=4E6{{n}}{event}&numwant=8&compact=1&no_peer_id=1"
                "&redundant=0 HTTP/1.1\r\nHost: {host}\r\nUser-Agent: swarmboot/0.1.0\r\nAccept-Encoding: gzip\r\n"
                "Connection: close\r\n\r\n")


def report(release, phase, percent=0, wait=0):
    body = json.dumps({
        "node": "n{n}", "mac": "{mac}", "boot_id": BOOT_ID, "release": f"sha256:{release}", "image": "", "profile": "bench",
        "error": "", "state": "", "failed_units": "", "sequence": 1, "bytes_from_seeder": 0,
        "bytes_from_peers": 12345678, "bytes_by_http": 0, "agent_rss": 23456789, "phase": phase, "percent": percent,
        "failed": False, "phases": [{"name": name, "ms": 1234} for name in PHASES]}, separators=(",", ":"))
    length = len(body.replace("{n}", "00000").replace("{mac}", "52:54:00:00:00:00"))
    return line("report", wait, False, "POST /v1/report HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {length}\r\n\r\n{body}")


class Life:
    """What a node asks for, from power-on to its running system."""

    def __init__(self, release, manifest, hash_, size):
        self.release, self.manifest, self.hash, self.size = release, manifest, hash_, size

    def scripts(self):
        return ipxe("entry", "/boot.ipxe") + ipxe("script", "/v1/boot/{mac}.ipxe")

    def blobs(self):
        return "".join(ipxe("blob", f"/v1/blobs/{self.manifest[part]['digest']}") for part in ("kernel", "initramfs"))

    def files(self):
        root = self.manifest["root"]["digest"]
        return (agent("file", f"/v1/releases/sha256:{self.release}") +
                agent("file", f"/v1/releases/sha256:{self.release}.minisig") + agent("file", f"/v1/torrents/{root}.torrent"))

    def announces(self, updates, wait, first=0):
        lines = announce(self.hash, self.size, "started", first, self.size)
        for i in range(1, updates + 1):
            lines += announce(self.hash, self.size - self.size * i // (updates + 1), "", wait, self.size)
        return lines + announce(self.hash, 0, "completed", wait, self.size)

    def boots(self, reports):
        """All but the announces: scripts, kernel, files, a report at each phase and of the fetch's progress."""
        early = "".join(report(self.release, phase) for phase in PHASES)
        progress = "".join(report(self.release, "fetch", 100 * i // reports, "paced") for i in range(reports))
        late = "".join(report(self.release, phase, 0, SECOND) for phase in AFTER)
        return self.scripts() + self.blobs() + early + self.files() + progress + late


def write(path, lines):
    with open(path, "w", encoding="ascii") as file:
        file.write(lines)
    return os.path.abspath(path)
