"""Which forge a remote's address means, where its token is, and its page that compares branches."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from tradewind.promotion.findings import UnusableError
from tradewind.promotion.forges.forge import Forge
from tradewind.promotion.forges.gitea import Gitea
from tradewind.promotion.forges.github import GitHub
from tradewind.promotion.forges.gitlab import GitLab

SHORT = re.compile(r"(?:[^@/\s]+@)?([^:/\s]+):(?!//)([^\s]+)")
"""git@host:path, which is no URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of forge."""

    make: Callable[..., Forge]
    variables: tuple[str, ...]
    """Of the environment, for the token; the first that is set."""
    compare: str
    """Path of the page that compares two branches."""


KINDS = {
    "github": Kind(
        make=GitHub,
        variables=("TRADEWIND_FORGE_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"),
        compare="compare/{base}...{branch}?expand=1",
    ),
    "gitlab": Kind(
        make=GitLab,
        variables=("TRADEWIND_FORGE_TOKEN", "GITLAB_TOKEN"),
        compare="-/compare/{base}...{branch}",
    ),
    "gitea": Kind(
        make=Gitea,
        variables=("TRADEWIND_FORGE_TOKEN", "GITEA_TOKEN"),
        compare="compare/{base}...{branch}",
    ),
}
HINTS = (("github", "github"), ("gitlab", "gitlab"), ("gitea", "gitea"), ("forgejo", "gitea"))
"""Part of a host's name -> kind."""
HOSTS = {"codeberg.org": "gitea"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a remote is."""

    host: str
    path: str

    @property
    def page(self) -> str:
        """Address of the repository in a browser."""
        return f"https://{self.host}/{self.path}"


def address(url: str) -> Address | None:
    """Return host and path of a remote's URL, None for a path on this machine."""
    if found := SHORT.fullmatch(url):
        host, path = found[1], found[2]
    else:
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http", "ssh", "git"} or not parts.hostname:
            return None
        # A port of SSH is none of HTTP.
        port = f":{parts.port}" if parts.port and parts.scheme.startswith("http") else ""
        host, path = f"{parts.hostname}{port}", parts.path
    return Address(host=host, path=path.strip("/").removesuffix(".git"))


def kind(url: str, *, named: str = "") -> str:
    """Return the forge's kind; raises UnusableError when it can only be guessed."""
    if named:
        return named
    found = address(url)
    host = found.host if found else ""
    for hint, name in HINTS:
        if hint in host:
            return name
    if host in HOSTS:
        return HOSTS[host]
    raise UnusableError(
        f"which forge {url} is cannot be told: say --forge {'|'.join(KINDS)}, or --print"
    )


def choose(url: str, *, named: str, environment: Mapping[str, str]) -> Forge:
    """Return the forge of a remote, with its token.

    Raises:
        UnusableError: no known forge, or no token.

    """
    name = kind(url, named=named)
    found = address(url)
    if found is None:
        raise UnusableError(f"{url} is a path, no forge: use --print")
    variables = KINDS[name].variables
    token = next((environment[v] for v in variables if environment.get(v)), "")
    if not token:
        raise UnusableError(
            f"no token for {found.host}: set {' or '.join(variables)}, or open the pull request "
            "by hand with --print"
        )
    return KINDS[name].make(found.host, path=found.path, token=token)


def compare(url: str, *, named: str, branch: str, base: str) -> str:
    """Return the page that compares a branch with the main one; empty where there is none."""
    found = address(url)
    try:
        name = kind(url, named=named)
    except UnusableError:
        return ""
    if found is None:
        return ""
    path = KINDS[name].compare.format(base=quote(base), branch=quote(branch))
    return f"{found.page}/{path}"
