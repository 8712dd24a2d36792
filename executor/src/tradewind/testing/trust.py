"""Trust in an API server that tests have started: its certificate is its own and names no host."""

from __future__ import annotations

import ssl
from pathlib import Path


def trusting(certificate: str | Path) -> ssl.SSLContext:
    """Return a context that trusts the one certificate in that PEM file, whatever host has it."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    return context
