"""A DNS server that returns the same addresses for every A query: `python -m tests.support.dns ADDRESS …`."""

from __future__ import annotations

import socket
import struct
import sys


def answer(question: bytes, addresses: list[str]) -> bytes:
    """Return the response to a query (RFC 1035): all `addresses` for type A, none for other types."""
    end = question.index(0, 12) + 5
    kind = struct.unpack("!H", question[end - 4 : end - 2])[0]
    found = addresses if kind == 1 else []
    head = question[:2] + struct.pack("!HHHHH", 0x8580, 1, len(found), 0, 0)
    rows = [b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(address) for address in found]
    return head + question[12:end] + b"".join(rows)


def main() -> None:
    """Serve on 127.0.0.1:53."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        while True:
            question, client = server.recvfrom(4096)
            server.sendto(answer(question, sys.argv[1:]), client)


if __name__ == "__main__":
    main()
