#!/usr/bin/env python3
"""Connections to an HTTP server, kept open: how many of them does it take?

Opens them all at once and asks for the path on each; then closes some and
opens as many as were closed, and ten more. Prints how many were answered
the first time, and how many are at the end.
"""

import argparse
import selectors
import socket
import sys
import time

ANSWER_S = 10


def answered(wanted, args):
    """Of so many new connections those that the server answers; the others it closes."""
    request = f"GET {args.path} HTTP/1.1\r\nHost: head\r\n\r\n".encode("ascii")
    selector = selectors.DefaultSelector()
    kept = []
    for _ in range(wanted):
        connection = socket.create_connection(args.to, source_address=(args.source, 0))
        connection.sendall(request)
        selector.register(connection, selectors.EVENT_READ)
    until = time.monotonic() + ANSWER_S
    while selector.get_map():
        events = selector.select(until - time.monotonic())
        if not events:
            sys.exit(f"{len(selector.get_map())} connections were neither answered nor closed in {ANSWER_S} s")
        for key, _ in events:
            selector.unregister(key.fileobj)
            try:
                status = key.fileobj.recv(65536)[9:12]
            except ConnectionResetError:
                status = b""
            if status == b"200":
                kept.append(key.fileobj)
            else:
                key.fileobj.close()
    return kept


def again(kept, count, args):
    """The server may not have seen yet that those before are closed."""
    until = time.monotonic() + ANSWER_S
    while len(kept) < count and time.monotonic() < until:
        kept += answered(count - len(kept), args)
    kept += answered(10, args)
    while args.room and len(kept) == count and time.monotonic() < until:
        kept += answered(10, args)


def place(text):
    address, port = text.rsplit(":", 1)
    return address, int(port)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=place, required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--path", default="/v1/health")
    parser.add_argument("--open", type=int, required=True)
    parser.add_argument("--close", type=int, default=0)
    parser.add_argument("--room", action="store_true", help="there is some: ask for ten more until one is taken")
    parser.add_argument("--hold", action="store_true", help="until the end of the input")
    args = parser.parse_args()
    kept = answered(args.open, args)
    print(len(kept), flush=True)
    for connection in kept[:args.close]:
        connection.close()
    first = len(kept)
    kept = kept[args.close:]
    again(kept, first, args)
    print(len(kept), flush=True)
    if args.hold:
        sys.stdin.read()


if __name__ == "__main__":
    main()
