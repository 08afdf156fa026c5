#!/usr/bin/env python3
"""A head just good enough to fetch from: files, a tracker, reports to a file.

The torrent is written here from BEP 3 by hand, so that the agent is tried
with one that its own library did not make.
"""

import argparse
import contextlib
import hashlib
import http.server
import os
import socket
import struct
import time
import urllib.parse

PIECE = 256 * 1024


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    items = b"".join(bencode(k) + bencode(value[k]) for k in sorted(value))
    return b"d" + items + b"e"


def torrent(path, name):
    hashes = []
    with open(path, "rb") as image:
        while piece := image.read(PIECE):
            hashes.append(hashlib.sha1(piece).digest())
    info = {
        b"length": os.path.getsize(path),
        b"name": name.encode(),
        b"piece length": PIECE,
        b"pieces": b"".join(hashes),
        b"private": 1,
    }
    return bencode({b"info": info})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def announce(self, query):
        me = (self.client_address[0], int(query["port"][0]))
        others = [p for p in self.server.fixed | self.server.announced if p != me]
        if query.get("event") == ["stopped"]:
            self.server.announced.discard(me)
        else:
            self.server.announced.add(me)
        peers = b"".join(socket.inet_aton(a) + struct.pack("!H", p) for a, p in others)
        self.answer(200, bencode({b"interval": 2, b"peers": peers}))

    def announce_wrongly(self, how):
        """What a tracker must not do, and a client must survive."""
        if how == "silent":
            time.sleep(3600)
        elif how == "500":
            self.answer(500, b"no")
        elif how == "html":
            self.answer(200, b"<html><body>Please log in</body></html>")
        elif how == "garbage":
            self.answer(200, b"d8:intervali2e5:peers999999999999999999:" + os.urandom(512))
        else:  # huge
            self.send_response(200)
            self.send_header("Content-Length", "100000000")
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(100):
                    self.wfile.write(b"d" * 1000000)
            self.close_connection = True

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/announce" and self.server.tracker:
            return self.announce_wrongly(self.server.tracker)
        if url.path == "/announce":
            return self.announce(urllib.parse.parse_qs(url.query, errors="replace"))
        path = os.path.join(self.server.root, url.path.lstrip("/"))
        if not os.path.isfile(path):
            return self.answer(404)
        with open(path, "rb") as file:
            self.send_part(file.read())

    def send_part(self, body):
        """The whole body or, for "bytes=A-B", that part of it; --cut breaks off in the middle."""
        first, last = 0, len(body) - 1
        if wanted := self.headers["Range"]:
            first, last = map(int, wanted.removeprefix("bytes=").split("-"))
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(last + 1 - first))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
        self.end_headers()
        cut = self.server.cut or len(body)
        self.wfile.write(body[first:min(last + 1, first + cut)])
        self.close_connection |= cut < last + 1 - first

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open(os.path.join(self.server.root, "reports"), "ab") as reports:
            reports.write(body.strip() + b"\n")
        self.answer(403 if self.server.refuse else 204)

    def log_message(self, *_args):
        pass


def peer(text):
    address, port = text.rsplit(":", 1)
    return address, int(port)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", type=peer, required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--peer", type=peer, action="append", default=[])
    parser.add_argument("--cut", type=int, help="break every file off after so many bytes")
    parser.add_argument("--tracker", choices=["500", "html", "huge", "garbage", "silent"], help="does this instead")
    parser.add_argument("--refuse", action="store_true", help="all that is posted, kept or not")
    parser.add_argument("--torrent", nargs=3, metavar=("IMAGE", "NAME", "OUTPUT"))
    args = parser.parse_args()
    if args.torrent:
        image, name, output = args.torrent
        with open(output, "wb") as file:
            file.write(torrent(image, name))
    server = http.server.ThreadingHTTPServer(args.listen, Handler)
    server.root = args.root
    server.fixed = set(args.peer)
    server.announced = set()
    server.cut = args.cut
    server.tracker = args.tracker
    server.refuse = args.refuse
    server.daemon_threads = True
    with open(os.path.join(args.root, "ready"), "w", encoding="ascii"):
        pass
    server.serve_forever()


if __name__ == "__main__":
    main()
