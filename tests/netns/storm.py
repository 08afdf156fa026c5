#!/usr/bin/env python3
"""Two hundred nodes at once, as a head sees them: simulated, each from an address of its own.

What a client asks for, in which order, and how long it waits after a failure is the nodes' way: iPXE waits
as the script it was given says ("sleep N"), the agent as initramfs/backoff.c, reports as initramfs/report.c,
libtorrent's announces after 5 s. Transfers of the image are left out.

Prints one line at the end: how many clients came through, how many met a failure before the image, and over
how many seconds their first success after it was spread, with the most in one second.
"""

import argparse
import asyncio
import json
import random
import re
import time
import urllib.parse

ROUNDS = 12  # of announce and report, a second apart


class Failed(Exception):
    pass


class Client:
    def __init__(self, number, args):
        self.mac = f"52:54:00:aa:{number >> 8:02x}:{number & 255:02x}"
        self.name = f"n{number}"
        self.address = f"10.77.0.{10 + number}"
        self.base = urllib.parse.urlsplit(args.base)
        self.boots = True  # not yet at the image
        self.failed_at = None
        self.returned_at = None

    async def once(self, method, path, body):
        reader, writer = await asyncio.open_connection(
            self.base.hostname, self.base.port, local_addr=(self.address, 0)
        )
        try:
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: {self.base.netloc}\r\nConnection: close\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode() + body
            )
            answer = await reader.read()
        finally:
            writer.close()
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if not re.match(rb"HTTP/1.1 2", head) or (length and len(rest) != int(length[1])):
            raise Failed(head[:20])
        return rest

    async def ask(self, path, method="GET", body=b""):
        """The answer's body; Failed when there is none within 10 s."""
        try:
            answer = await asyncio.wait_for(self.once(method, path, body), 10)
        except (OSError, TimeoutError, Failed, asyncio.TimeoutError) as why:
            self.failed_at = self.failed_at or (time.monotonic() if self.boots else None)
            raise Failed(path) from why
        if self.failed_at and not self.returned_at:
            self.returned_at = time.monotonic()
        return answer

    @staticmethod
    def pause_of(script):
        return int(re.search(rb"\nsleep (\d+)", script)[1])

    async def ipxe(self, entry):
        """The script of the node, once kernel and initramfs have come by it."""
        script = entry
        while True:
            try:
                script = await self.ask(f"/v1/boot/{self.mac}.ipxe")
                for word in (rb"\nkernel (\S+)", rb"\ninitrd .*?(http\S+)"):
                    found = re.search(word, script)
                    if not found:  # nothing to boot yet: the head reads its store
                        raise Failed("no kernel")
                    await self.ask(urllib.parse.urlsplit(found[1].decode()).path)
                return script.decode()
            except Failed:
                await asyncio.sleep(self.pause_of(script))

    async def release(self, digest, image):
        """As the step of the agent's table, with the waits of backoff_ms."""
        full = 2.0
        while True:
            try:
                for path in (f"releases/{digest}", f"releases/{digest}.minisig", f"torrents/{image}.torrent"):
                    await self.ask(f"/v1/{path}")
                return
            except Failed:
                await asyncio.sleep(random.uniform(full / 2, full))
                full = min(2 * full, 60)

    async def insist(self, pause, *request):
        while True:
            try:
                return await self.ask(*request)
            except Failed:
                await asyncio.sleep(pause)

    async def fetch(self, digest, infohash):
        self.boots = False
        for done in range(ROUNDS + 1):
            left = 1000000 * (ROUNDS - done)
            await self.insist(5, f"/announce?info_hash={infohash}&port=6881&left={left}&downloaded={done}")
            report = {"node": self.name, "mac": self.mac, "phase": "fetch", "percent": done, "release": digest}
            await self.insist(5, "/v1/report", "POST", json.dumps(report).encode())
            await asyncio.sleep(1)

    async def boot(self, args):
        entry = await self.ask("/boot.ipxe")
        await asyncio.sleep(random.uniform(0, args.within))
        script = await self.ipxe(entry)
        await self.release(re.search(r"swarmboot.release=(\S+)", script)[1], args.image)
        await self.fetch(re.search(r"swarmboot.release=(\S+)", script)[1], args.infohash)


async def run(args):
    clients = [Client(i, args) for i in range(1, args.clients + 1)]
    boots = [asyncio.create_task(c.boot(args)) for c in clients]
    print("begun", flush=True)
    await asyncio.wait_for(asyncio.gather(*boots), args.timeout)
    returned = sorted(c.returned_at for c in clients if c.returned_at)
    seconds = [int(t - returned[0]) for t in returned]
    print(
        f"done clients={len(clients)} failed={len(returned)} spread={returned[-1] - returned[0]:.0f} "
        f"peak={max(seconds.count(s) for s in seconds)}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", required=True)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--within", type=float, default=8, help="seconds in which they are switched on")
    parser.add_argument("--timeout", type=float, default=150)
    parser.add_argument("--image", required=True, help="sha256:HEX")
    parser.add_argument("--infohash", required=True, help="escaped for a URL")
    random.seed(1)
    asyncio.run(run(parser.parse_args()))


main()
