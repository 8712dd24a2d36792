"""TCP ports: who listens on one, from /proc alone (no ss or lsof needed), and which are free."""

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening socket."""

    address: str
    port: int
    inode: str


def parse_listeners(table: str) -> Iterator[Listener]:
    """Yield the listening sockets of a /proc/net/tcp or tcp6 table."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTEN:
            raw, port = fields[1].split(":")
            yield Listener(decode_address(raw), int(port, 16), fields[9])


def decode_address(raw: str) -> str:
    """Decode the kernel's hexadecimal address: 32-bit words in host (little-endian) order."""
    words = [bytes.fromhex(raw[start : start + 8])[::-1] for start in range(0, len(raw), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def conflicts(listener: Listener, *, address: str, port: int) -> bool:
    """Tell whether binding `address:port` would clash with the listener."""
    return listener.port == port and listener.address in {address, "0.0.0.0", "::"}  # noqa: S104


def free(count: int, *, address: str = "127.0.0.1") -> list[int]:
    """Return different ports that nobody listens on; another program may still be faster."""
    with ExitStack() as held:
        # Held until all are found, or two of them could be the same.
        taken = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in taken:
            one.bind((address, 0))
        return [one.getsockname()[1] for one in taken]


def holder(address: str, *, port: int) -> str | None:
    """Return the program that prevents binding, as `name (pid N)`, or None when it is free."""
    for listener in _listeners():
        if conflicts(listener, address=address, port=port):
            return owner(listener.inode, processes=Path("/proc").glob("[0-9]*"))
    return None


def owner(inode: str, *, processes: Iterable[Path]) -> str:
    """Return who holds a socket inode; `an unknown program` when it is not visible to us."""
    wanted = f"socket:[{inode}]"
    for process in processes:
        try:
            held = any(str(link.readlink()) == wanted for link in (process / "fd").iterdir())
            if held:
                name = (process / "comm").read_text().strip()
                return f"{name} (pid {process.name})"
        except OSError:
            continue  # Gone meanwhile, or not ours to look at.
    return "an unknown program"


def _listeners() -> Iterator[Listener]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(table).exists():
            yield from parse_listeners(Path(table).read_text())
