#!/usr/bin/python3
"""A DHCP client for tests: one lease as firmware or iPXE would ask for it.

Prints address=, router=, server=, file= and lease= of the acknowledgement.
RFC 2131, options of RFC 2132 and RFC 4578.
"""

import argparse
import os
import socket
import struct

MAGIC = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


def option(code, value):
    return bytes([code, len(value)]) + value


def message(kind, args, xid, more=b""):
    mac = bytes.fromhex(args.mac.replace(":", ""))
    head = struct.pack("!BBBBIHH16x16s64x128x", 1, 1, 6, 0, xid, 0, 0x8000, mac)
    options = option(53, bytes([kind])) + option(55, bytes([1, 3, 6, 51, 54, 60, 66, 67]))
    options += option(93, struct.pack("!H", args.arch))
    if args.ipxe:
        options += option(77, b"iPXE") + option(175, b"\x01\x01\x00")
    if args.vendor:
        options += option(60, args.vendor.encode())
    return head + MAGIC + options + more + b"\xff"


def parse(data):
    options, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        code, size = data[at], data[at + 1]
        options[code] = data[at + 2 : at + 2 + size]
        at += 2 + size
    return options


def exchange(sock, packet, xid, kind):
    sock.sendto(packet, ("255.255.255.255", 67))
    while True:
        data = sock.recv(2048)
        options = parse(data)
        if struct.unpack("!I", data[4:8])[0] == xid and options.get(53) == bytes([kind]):
            return data, options


def ask(sock, args):
    """Asks again as a client does, for dnsmasq may be starting."""
    for _ in range(args.timeout):
        xid = struct.unpack("!I", os.urandom(4))[0]
        try:
            data, options = exchange(sock, message(DISCOVER, args, xid), xid, OFFER)
            more = option(50, data[16:20]) + option(54, options[54])
            return exchange(sock, message(REQUEST, args, xid, more), xid, ACK)
        except TimeoutError:
            continue
    raise SystemExit("no answer")


def text(value):
    return value.rstrip(b"\0").decode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--interface", default="eth0")
    parser.add_argument("--mac", required=True)
    parser.add_argument("--arch", type=int, default=0)
    parser.add_argument("--ipxe", action="store_true")
    parser.add_argument("--vendor", default="PXEClient")
    parser.add_argument("--timeout", type=int, default=10)
    args = parser.parse_args()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, args.interface.encode() + b"\0")
    sock.bind(("", 68))
    sock.settimeout(1)
    data, options = ask(sock, args)
    print("address=" + socket.inet_ntoa(data[16:20]))
    print("router=" + socket.inet_ntoa(options[3]) if 3 in options else "router=")
    print("server=" + socket.inet_ntoa(data[20:24]))
    print("file=" + text(options.get(67, data[108:236])))
    print("lease=" + str(struct.unpack("!I", options[51])[0]))
    print("vendor=" + text(options.get(60, b"")))


main()
