"""Kubernetes quantities such as `250m`, `1.5Gi` and `2e3`, as exact numbers. Pure."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_BINARY = {f"{letter}i": Decimal(1024) ** (n + 1) for n, letter in enumerate("KMGTPE")}
_DECIMAL = {suffix: Decimal(1000) ** n for n, suffix in enumerate("kMGTPE", start=1)}
_SMALL = {"m": Decimal("1e-3"), "u": Decimal("1e-6"), "n": Decimal("1e-9")}
_FACTORS = {"": Decimal(1), **_BINARY, **_DECIMAL, **_SMALL}

_GRAMMAR = re.compile(
    r"(?P<number>[+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30}))"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE]?)|[eE](?P<exponent>[+-]?\d{1,2}))",
    re.ASCII,
)


def parse(text: str) -> Decimal:
    """Return the number that `text` stands for, in bytes, cores or pieces.

    Raises:
        ValueError: it is no quantity.

    """
    found = _GRAMMAR.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no quantity")
    number = Decimal(found["number"])
    if found["exponent"] is not None:
        return number * Decimal(10) ** int(found["exponent"])
    return number * _FACTORS[found["suffix"]]


def mebibytes(count: Decimal) -> str:
    """Return a number of bytes as a quantity in whole mebibytes, rounded up."""
    return f"{math.ceil(count / _BINARY['Mi'])}Mi"
