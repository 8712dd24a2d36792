"""TLS towards the API server: whom we trust and, with a client certificate, who we are.

A context is built once and again when the material changed, so that rotated certificates and CAs
take effect at the next connection. Connections are pooled by context: old ones run out by
themselves.
"""

from __future__ import annotations

import logging
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tradewind.errors import ConfigError

log = logging.getLogger(__name__)

Material = Callable[[], bytes]
"""Returns PEM bytes as they are now; empty for none."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A client certificate and its key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """How the server proves itself."""

    authority: Material = bytes
    """CA bundle; empty trusts the system's."""
    verify: bool = True
    check_name: bool = True
    """Whether the certificate must bear the server's name."""
    origin: str = "the CA bundle"
    """Names the bundle in errors."""


class TlsContexts:
    """The current SSL context for a key pair. Loop thread only."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._material: tuple[bytes, KeyPair | None] | None = None
        self._context: ssl.SSLContext | None = None

    def current(self, pair: KeyPair | None, *, origin: str) -> ssl.SSLContext:
        """Return the context for today's CA and this pair; the same one while neither changed.

        Material that became unusable, such as a certificate whose key is not rotated yet, leaves
        the last context in force.

        Raises:
            ConfigError: the first CA or pair is unusable; `origin` names the pair.

        """
        # Unchanged files give the same bytes objects, so that this compares by identity.
        material = (self._trust.authority(), pair)
        if self._context is None or material != self._material:
            try:
                self._context = self._build(*material, origin)
            except ConfigError as error:
                if self._context is None:
                    raise
                log.warning("keeping the last client certificate and CA: %s", error)
            self._material = material
        return self._context

    def _build(self, authority: bytes, pair: KeyPair | None, origin: str) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cadata=authority.decode() or None)
        except (ssl.SSLError, UnicodeDecodeError, ValueError) as error:
            raise ConfigError(
                f"{self._trust.origin} is no PEM certificate ({_short(error)}): give the CA that "
                "signed the API server's certificate"
            ) from error
        # Python 3.13 also demands a keyUsage extension of the CA, which many clusters' CAs lack
        # and every other client accepts. Chain and host name are still checked. Delete when
        # kubeadm, k3s and the clouds' CAs carry it.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = self._trust.verify and self._trust.check_name
        if not self._trust.verify:
            context.verify_mode = ssl.CERT_NONE
        if pair is not None:
            _load_pair(context, pair, origin)
        return context


def _load_pair(context: ssl.SSLContext, pair: KeyPair, origin: str) -> None:
    # ssl reads certificates from files only; the folder is ours alone (0700) and short-lived.
    with tempfile.TemporaryDirectory(prefix="tradewind-") as private:
        certificate, key = Path(private, "crt"), Path(private, "key")
        certificate.write_bytes(pair.certificate)
        key.write_bytes(pair.key)
        try:
            # With a password at hand, an encrypted key is an error instead of a prompt on the
            # scheduler's terminal.
            context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(
                f"{origin} cannot be used ({_short(error)}): give a PEM certificate and its own "
                "unencrypted PEM key"
            ) from error


def _short(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error)
