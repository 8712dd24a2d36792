"""Names of things in OCI registries. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.promotion.findings import UnusableError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """`host[:port]/repository`, and a tag or a digest."""

    host: str
    repository: str
    version: str
    """A tag, or sha256:…"""

    @property
    def base(self) -> str:
        """The beginning of all addresses of the repository; plain HTTP on loopback, as Docker."""
        name = self.host.rpartition(":")[0] or self.host
        scheme = "http" if name in LOOPBACK else "https"
        return f"{scheme}://{self.host}/v2/{self.repository}"

    def __str__(self) -> str:
        """Return it as Docker writes it."""
        joint = "@" if ":" in self.version else ":"
        return f"{self.host}/{self.repository}{joint}{self.version}"


def parse(text: str) -> Reference:
    """Return what `oci://host/path:tag`, or `host/path@sha256:…`, names.

    Raises:
        UnusableError: no host, no path, or neither tag nor digest.

    """
    plain = text.removeprefix("oci://")
    name, joint, version = plain.partition("@")
    if not joint:
        name, _, version = plain.rpartition(":")
    host, _, repository = name.partition("/")
    if not (host and repository and version) or not ({".", ":"} & set(host) or host in LOOPBACK):
        raise UnusableError(
            f"{text!r} names no registry, repository and tag: write HOST/REPOSITORY:TAG"
        )
    return Reference(host=host, repository=repository, version=version)
