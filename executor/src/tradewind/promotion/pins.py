"""The pin of an environment: what its `release.yaml` says. The unit that is promoted.

The file is a ConfigMap that Kustomize copies values from and never applies, and that Argo CD's
files generator reads; so every value is text. An environment without a release has an empty
`chartVersion`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tradewind.promotion.findings import UnusableError

HEADER = (
    "# The release that runs here. Written by `./task release` and `tradewind promote`, "
    "never by hand.\n"
)
LOCAL = "config.kubernetes.io/local-config"
IMAGE_PREFIX = "image."
NUMBER = r"(?:0|[1-9]\d*)"
VERSION = re.compile(
    rf"({NUMBER})\.({NUMBER})\.({NUMBER})(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
KEYS: dict[str, tuple[str, str, Callable[[str], object]]] = {
    # Key -> attribute, what is wanted, and what judges it.
    "chart": ("chart", "oci://HOST/PATH", re.compile(r"oci://[^\s/@]+(?:/[^\s/@:]+)+").fullmatch),
    "chartVersion": ("chart_version", "a version such as 1.4.2", VERSION.fullmatch),
    "chartDigest": ("chart_digest", "sha256: and 64 hexadecimal digits", DIGEST.fullmatch),
    "appVersion": ("app_version", "text", bool),
    "gitCommit": ("git_commit", "a commit's 40 digits", re.compile(r"[0-9a-f]{40}").fullmatch),
    "databaseRevision": ("database_revision", "text", bool),
    "reversible": ("reversible", "'true' or 'false'", {"true", "false"}.__contains__),
    "promotedFrom": ("promoted_from", "an environment, or ''", lambda _: True),
}
OPTIONAL = {"databaseRevision": "", "reversible": "false", "promotedFrom": ""}
REFERENCE = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One release, exactly."""

    chart: str
    """Where the chart is: oci://host/path."""
    chart_version: str
    chart_digest: str
    """Of the chart's manifest in the registry: sha256:…"""
    app_version: str
    git_commit: str
    """What chart and images were built from."""
    database_revision: str = ""
    """Head of Airflow's migrations in this release; empty when unknown."""
    reversible: str = "false"
    """`true`: the release before this one runs on the database that this one migrated."""
    promoted_from: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    """Name -> registry/repository@sha256:…, as baked into the chart."""

    def same_release(self, other: Pin | None) -> bool:
        """Tell whether both run the same thing, wherever each came from."""
        return other is not None and _without_origin(self) == _without_origin(other)


def parse(text: str, *, path: str) -> Pin | None:
    """Return the pin of a release.yaml, None when nothing was released to it yet.

    Raises:
        UnusableError: the file is not what `./task release` writes; names the path and the key.

    """
    data = _data(text, path=path)
    if not data.get("chartVersion"):
        return None
    images = {key: value for key, value in data.items() if key.startswith(IMAGE_PREFIX)}
    plain = OPTIONAL | {key: value for key, value in data.items() if key not in images}
    if unknown := sorted(set(plain) - set(KEYS)):
        raise _unusable(path, f"has the unknown key data.{unknown[0]}")
    for key, (_, wanted, judge) in KEYS.items():
        if key not in plain:
            raise _unusable(path, f"lacks data.{key}")
        if plain[key] != OPTIONAL.get(key) and not judge(plain[key]):
            raise _unusable(path, f"has data.{key} {plain[key]!r}, which is not {wanted}")
    for key, value in images.items():
        if not REFERENCE.fullmatch(value):
            raise _unusable(path, f"has data.{key} {value!r}, which is not IMAGE@sha256:…")
    fields = {attribute: plain[key] for key, (attribute, _, _) in KEYS.items()}
    names = {key.removeprefix(IMAGE_PREFIX): value for key, value in sorted(images.items())}
    return Pin(**fields, images=names)


def dump(pin: Pin) -> str:
    """Return the file's text; the same pin is always the same text."""
    data = {key: getattr(pin, attribute) for key, (attribute, _, _) in KEYS.items()}
    data |= {f"{IMAGE_PREFIX}{name}": pin.images[name] for name in sorted(pin.images)}
    document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "release", "annotations": {LOCAL: "true"}},
        "data": data,
    }
    return HEADER + str(yaml.safe_dump(document, sort_keys=False, width=1000))


def precedence(version: str) -> tuple[Any, ...]:
    """Return a key that sorts versions as Semantic Versioning does."""
    found = VERSION.fullmatch(version)
    if found is None:
        raise UnusableError(f"{version!r} is not a version such as 1.4.2")
    *numbers, before = found.groups()
    release = tuple(int(number) for number in numbers)
    if before is None:
        return (*release, 1, ())  # A version is newer than what came before it.
    parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in before.split("."))
    return (*release, 0, parts)


def _without_origin(pin: Pin) -> dict[str, Any]:
    return {name: getattr(pin, name) for name in Pin.__slots__ if name != "promoted_from"}


def _data(text: str, *, path: str) -> dict[str, str]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise _unusable(path, f"is not YAML{line}") from error
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict) or document.get("kind") != "ConfigMap":
        raise _unusable(path, "is no ConfigMap with data")
    for key, value in data.items():
        if not isinstance(value, str):
            raise _unusable(path, f"has data.{key} {value!r}, which is not text")
    return data


def _unusable(path: str, problem: str) -> UnusableError:
    return UnusableError(
        f"{path} {problem}: take the file back from git, `./task release` and `tradewind promote` "
        "write it"
    )
