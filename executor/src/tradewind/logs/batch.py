"""Entries as the body of Loki's push request. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import msgspec

from tradewind.logs.spool import Entry

HEADERS = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

_encode = msgspec.json.Encoder().encode
_FASTEST = 1
_GZIP = 31


def body(entries: Sequence[Entry], *, labels: dict[str, str], metadata: dict[str, str]) -> bytes:
    """Return the compressed request for entries of one stream."""
    # Most lines share their metadata: written once, copied thousands of times.
    shared = msgspec.Raw(_encode(metadata))
    values = [
        (str(entry.at_ns), entry.text, shared if not entry.part else metadata | _parts(entry))
        for entry in entries
    ]
    packer = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP)
    packed = packer.compress(_encode({"streams": [{"stream": labels, "values": values}]}))
    return packed + packer.flush()


def _parts(entry: Entry) -> dict[str, str]:
    parts = {"part": str(entry.part)}
    return parts | {"parts": str(entry.part)} if entry.is_end else parts
