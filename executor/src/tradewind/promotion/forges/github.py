"""GitHub, and GitHub Enterprise Server."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from tradewind.promotion.forges.forge import Api

VERSION = "2022-11-28"
"""Of the REST API; GitHub keeps a version for two years after its successor."""


class GitHub:
    """Pull requests of `owner/name`."""

    def __init__(
        self, host: str, *, path: str, token: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        base = "https://api.github.com" if host == "github.com" else f"https://{host}/api/v3"
        self._owner = path.partition("/")[0]
        self._repository = f"/repos/{quote(path)}"
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": VERSION,
        }
        self._api = Api(base, headers=headers, name="GitHub", transport=transport)

    def require(self) -> None:
        """See Forge."""
        self._api.call("GET", self._repository)

    def open(self, *, branch: str, base: str, title: str, body: str) -> str:
        """See Forge."""
        pulls = f"{self._repository}/pulls"
        query = {"state": "open", "head": f"{self._owner}:{branch}", "base": base}
        if found := self._api.call("GET", pulls, query=query):
            changes = {"title": title, "body": body}
            return str(
                self._api.call("PATCH", f"{pulls}/{found[0]['number']}", json=changes)["html_url"]
            )
        wanted = {"title": title, "body": body, "head": branch, "base": base}
        return str(self._api.call("POST", pulls, json=wanted)["html_url"])
