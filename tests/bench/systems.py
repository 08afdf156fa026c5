"""What is compared: each system brings one file from the head to the nodes of a rig.

prepare() starts the head's part, fetch() one node's and gives the process whose end means that
the file is there. What a node does after that, it does by itself.
"""

import hashlib
import json
import os
import re
import shutil

from rig import BenchError, run

HEAD = "10.9.0.1"
AGENT_UID = 61000
PORT = 6881
MIB = 1 << 20


class System:
    name = None

    def __init__(self, rig, bench):
        self.rig, self.bench = rig, bench
        self.head_processes = []

    def folder(self, name):
        path = self.rig.path(name, self.name)
        os.makedirs(path, exist_ok=True)
        return path

    def head(self, argv, log="head.log", then=None):
        process = self.rig.start("head", argv, log, then)
        self.head_processes.append(process)
        return process

    def check(self, path):
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != self.bench.digest:
                raise BenchError(f"{self.name}: {path} is not the image")

    def wasted(self, _node):
        return 0


class Swarmboot(System):
    """The real head and the agent's own roles: fetch, then seed as after the switch."""

    name = "swarmboot"

    def __init__(self, rig, bench):
        super().__init__(rig, bench)
        self.swarmboot = os.path.join(bench.build, "swarmboot")
        self.agent = os.path.join(bench.build, "swarmboot-init")

    def publish_only(self):
        """Makes the release; the digest of its image in hex."""
        store = self.rig.path("store")
        image = self.rig.path("random")
        with open(image, "wb") as file:
            for _ in range(0, self.bench.bytes, MIB):
                file.write(os.urandom(MIB))
        run(os.path.join(self.bench.build, "tests", "fixture_release"), store, "bench", "word",
            env={**os.environ, "FIXTURE_ROOT": image})
        os.unlink(image)
        shown = json.loads(run(self.swarmboot, "show", "bench:1", "--json", "--store", store))
        return shown["release"]["root"]["digest"].removeprefix("sha256:")

    def prepare(self):
        store, key = self.rig.path("store"), self.rig.path("bench")
        self.bench.digest = self.publish_only()
        run(self.swarmboot, "keygen", "--no-password", "--output", key)
        run(self.swarmboot, "sign", "bench", "--store", store, "--key", key + ".key", "--yes")
        run(self.swarmboot, "tag", "bench:1", "stable", "--store", store)
        self.write_cluster()
        self.serve()
        self.torrent = self.rig.path("image.torrent")
        self.rig.inside("head", "curl", "-sf", "--retry", "20", "--retry-all-errors", "--retry-delay", "1", "-o",
                        self.torrent, f"http://{HEAD}:8080/v1/torrents/sha256:{self.bench.digest}.torrent")

    def write_cluster(self):
        nodes = "".join(
            f"  {n.name}: {{mac: \"52:54:00:00:{i >> 8:02x}:{i & 255:02x}\", group: all, rack: {n.rack}, "
            f"address: {n.address}}}\n" for i, n in enumerate(self.bench.nodes))
        with open(self.rig.path("cluster.yaml"), "w", encoding="ascii") as file:
            file.write(f"""store: {self.rig.path("store")}
state: {self.rig.path("state")}
trust: [{self.rig.path("bench.pub")}]
networks:
  boot: {{interface: eth0, address: {HEAD}/16, range: 10.9.250.1-10.9.250.9, lease: 1h}}
groups:
  all: {{channel: "bench:stable"}}
nodes:
{nodes}""")

    def serve(self):
        process = self.head([self.swarmboot, "serve", "--config", self.rig.path("cluster.yaml")])
        self.rig.await_line("head.log", "offers bench:1", 60, process)

    def role(self, node, word):
        return [self.agent, word, "--torrent", self.torrent, "--root", self.folder(node.name), "--file",
                os.path.join(self.folder(node.name), "image"), "--name", self.bench.digest, "--size", str(self.bench.bytes),
                "--listen", f"{node.address}:{PORT}", "--seeder", f"http://{HEAD}:8080"]

    def fetch(self, node):
        def then(process):
            if process.status == 0:
                self.rig.start(node.name, self.role(node, "seed"), f"{node.name}-seed.log")

        os.chown(self.folder(node.name), AGENT_UID, AGENT_UID)
        return self.rig.start(node.name, self.role(node, "fetch"), f"{node.name}.log", then)

    def wasted(self, node):
        lines = re.findall(r"^progress (?:\d+ ){4}(\d+) ", self.rig.log(f"{node.name}.log"), re.M)
        return int(lines[-1]) if lines else 0

    def verify(self, node):
        self.check(os.path.join(self.folder(node.name), "image"))


class Http(System):
    """nginx to curl: every node gets the whole file from the head."""

    name = "nginx + curl"

    def prepare(self):
        config = self.rig.path("nginx.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"""daemon off; pid {self.rig.path("nginx.pid")}; error_log stderr;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on;
server {{ listen {HEAD}:80; root {self.rig.path("www")}; }} }}
""")
        process = self.head(["nginx", "-e", "stderr", "-c", config])
        self.rig.inside("head", "curl", "-sf", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", "-o",
                        "/dev/null", "--range", "0-0", f"http://{HEAD}/image")
        if process.gone.is_set():
            raise BenchError(self.rig.log("head.log"))

    def fetch(self, node):
        return self.rig.start(node.name, ["curl", "-sf", "-o", os.path.join(self.folder(node.name), "image"),
                                          f"http://{HEAD}/image"], f"{node.name}.log")

    def verify(self, node):
        self.check(os.path.join(self.folder(node.name), "image"))


class Aria2(System):
    """aria2c on both sides with opentracker, with the very options of TrinityX: its nodes leave when they are done."""

    name = "aria2c"
    # The controller's aria2c-daemon.sh and the node's script in luna2-daemon; all else is aria2c's default.
    head_options = ("--summary-interval=600", "--enable-dht=false", "--seed-ratio=100000.0", "--check-integrity=true",
                    "--check-certificate=false")
    node_options = ("--seed-time=0", "--enable-dht=false", "--max-connection-per-server=2", "--bt-stop-timeout=120",
                    "--check-certificate=false")

    def prepare(self):
        www = self.rig.path("www")
        self.torrent = self.rig.path("aria2.torrent")
        run("transmission-create", "-o", self.torrent, "-t", f"http://{HEAD}:6969/announce", os.path.join(www, "image"))
        shown = run("transmission-show", self.torrent)
        infohash = re.search(r"Hash: ([0-9a-f]{40})", shown).group(1)
        allowed = self.rig.path("allowed")
        with open(allowed, "w", encoding="ascii") as file:
            file.write(infohash + "\n")
        self.head(["opentracker", "-i", HEAD, "-p", "6969", "-P", "6969", "-w", allowed], "tracker.log")
        self.head(["aria2c", "--quiet=true", *self.head_options, f"--dir={www}", self.torrent])

    def fetch(self, node):
        # The hook tells when the file is there, whatever the node does then.
        hook = self.rig.path(f"{node.name}-hook")
        fifo = self.rig.path(f"{node.name}-fifo")
        with open(hook, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nexec echo x >{fifo}\n")
        os.chmod(hook, 0o755)
        os.mkfifo(fifo)
        waiting = self.rig.start(node.name, ["head", "-c", "1", fifo], f"{node.name}-wait.log")
        waiting.worker = self.rig.start(
            node.name, ["aria2c", "--quiet=true", *self.node_options, f"--on-bt-download-complete={hook}",
                        f"--dir={self.folder(node.name)}", self.torrent], f"{node.name}.log")
        return waiting

    def verify(self, node):
        self.check(os.path.join(self.folder(node.name), "image"))


class Aria2Stays(Aria2):
    """The same, set up as well as we could: the nodes go on seeding, no peer exchange, no allocation beforehand."""

    name = "aria2c that stays"
    common = ("--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--check-certificate=false",
              "--file-allocation=none", "--seed-ratio=0.0", "--seed-time=9999", "--summary-interval=0")
    head_options = (*common, "--check-integrity=true")
    node_options = common


class Udpcast(System):
    """Multicast: the physical reference. All nodes must be there before it begins."""

    name = "udpcast"

    def prepare(self):
        rate = int(self.bench.mbit * 0.95)
        self.head(["udp-sender", "--interface", "eth0", "--min-receivers", str(len(self.bench.nodes)), "--nokbd",
                   "--full-duplex", "--max-bitrate", f"{rate}m", "--file",
                   os.path.join(self.rig.path("www"), "image")])

    def fetch(self, node):
        return self.rig.start(node.name, ["udp-receiver", "--interface", "eth0", "--nokbd", "--nosync", "--file",
                                          os.path.join(self.folder(node.name), "image")], f"{node.name}.log")

    def verify(self, node):
        self.check(os.path.join(self.folder(node.name), "image"))


def www(rig, bench):
    """The file as the rivals serve it: the very image of the release."""
    os.makedirs(rig.path("www"), exist_ok=True)
    target = rig.path("www", "image")
    if not os.path.exists(target):
        shutil.copyfile(rig.path("store", "blobs", "sha256", bench.digest), target)


ALL = {s.name: s for s in (Swarmboot, Http, Aria2, Aria2Stays, Udpcast)}
