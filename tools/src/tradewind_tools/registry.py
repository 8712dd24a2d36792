"""Ask an OCI registry whether it has a tag. Anonymous; who needs credentials pushes instead."""

import httpx

from tradewind_tools.errors import WorkFailedError

TIMEOUT_S = 5.0
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def digest(registry: str, *, repository: str, tag: str) -> str | None:
    """Return the digest of a tag, or None when it is not there or the registry will not say."""
    host, _, prefix = registry.partition("/")
    name = f"{prefix}/{repository}" if prefix else repository
    for scheme in schemes(host):
        try:
            answer = httpx.head(
                f"{scheme}://{host}/v2/{name}/manifests/{tag}",
                headers={"Accept": ", ".join(MANIFESTS)},
                timeout=TIMEOUT_S,
                trust_env=scheme == "https",
            )
        except httpx.TransportError:
            continue
        found: str | None = answer.headers.get("Docker-Content-Digest")
        return found if answer.is_success else None
    return None


def tag(registry: str, *, repository: str, pushed: str, tag: str) -> None:
    """Give what is pushed under one tag a second one.

    Anonymous, as everything here; a registry that wants credentials for writing is told so.

    Raises:
        WorkFailedError: the registry does not take it.

    """
    host, _, prefix = registry.partition("/")
    name = f"{prefix}/{repository}" if prefix else repository
    base = f"{schemes(host)[0]}://{host}/v2/{name}/manifests"
    try:
        found = httpx.get(
            f"{base}/{pushed}", headers={"Accept": ", ".join(MANIFESTS)}, timeout=TIMEOUT_S
        ).raise_for_status()
        headers = {"Content-Type": found.headers["Content-Type"]}
        httpx.put(
            f"{base}/{tag}", content=found.content, headers=headers, timeout=TIMEOUT_S
        ).raise_for_status()
    except httpx.HTTPError as error:
        raise WorkFailedError(f"{host} does not take {repository}:{tag}: {error}") from error


def schemes(host: str) -> tuple[str, ...]:
    """Return the schemes to try, as Docker does: plain HTTP on loopback only."""
    name = host.rpartition(":")[0] or host
    return ("http",) if name in LOOPBACK else ("https",)
