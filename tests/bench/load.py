"""A small load generator on raw sockets: many keep-alive connections, bounded in count and time."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """What came of a load: answers per second of the wanted status, and how many were others."""

    per_second: float
    others: int


async def _one(
    host: str, port: int, requests: "asyncio.Queue[bytes]", deadline: float, wanted: bytes
) -> tuple[int, int]:
    reader, writer = await asyncio.open_connection(host, port)
    good = bad = 0
    while time.monotonic() < deadline:
        try:
            request = requests.get_nowait()
        except asyncio.QueueEmpty:
            break
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if length:
            await reader.readexactly(length)
        if head.split(b" ", 2)[1] == wanted:
            good += 1
        else:
            bad += 1
    writer.close()
    return good, bad


async def _run(
    host: str, port: int, requests: Sequence[bytes], connections: int, seconds: float, wanted: bytes
) -> Load:
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    for request in requests:
        queue.put_nowait(request)
    begun = time.monotonic()
    results = await asyncio.gather(
        *(_one(host, port, queue, begun + seconds, wanted) for _ in range(connections))
    )
    taken = time.monotonic() - begun
    return Load(sum(good for good, _ in results) / taken, sum(bad for _, bad in results))


def run(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int = 8,
    seconds: float = 30.0,
    wanted: int = 200,
) -> Load:
    """Send the requests over so many connections until none is left or time is over."""
    return asyncio.run(
        _run("127.0.0.1", port, requests, connections, seconds, str(wanted).encode())
    )


def get(path: str, port: int) -> bytes:
    """Return a GET request's bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()


def post(path: str, port: int, headers: dict[str, str], body: bytes) -> bytes:
    """Return a POST request's bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
