"""Gitea, and Forgejo, which kept its API."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from tradewind.promotion.forges.forge import Api

PAGE = 50
"""Most that Gitea returns at once by default."""


class Gitea:
    """Pull requests of `owner/name`."""

    def __init__(
        self, host: str, *, path: str, token: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._repository = f"/repos/{quote(path)}"
        self._api = Api(
            f"https://{host}/api/v1",
            headers={"Authorization": f"token {token}"},
            name="Gitea",
            transport=transport,
        )

    def require(self) -> None:
        """See Forge."""
        self._api.call("GET", self._repository)

    def open(self, *, branch: str, base: str, title: str, body: str) -> str:
        """See Forge."""
        pulls = f"{self._repository}/pulls"
        if number := self._number(branch, base=base):
            changes = {"title": title, "body": body}
            return str(self._api.call("PATCH", f"{pulls}/{number}", json=changes)["html_url"])
        wanted = {"title": title, "body": body, "head": branch, "base": base}
        return str(self._api.call("POST", pulls, json=wanted)["html_url"])

    def _number(self, branch: str, *, base: str) -> int | None:
        """Return the number of the branch's open pull request; the list has no filter for it."""
        page = 1
        while True:
            query = {"state": "open", "limit": str(PAGE), "page": str(page)}
            listed = self._api.call("GET", f"{self._repository}/pulls", query=query)
            for pull in listed:
                if (pull["head"]["ref"], pull["base"]["ref"]) == (branch, base):
                    return int(pull["number"])
            if len(listed) < PAGE:
                return None
            page += 1
